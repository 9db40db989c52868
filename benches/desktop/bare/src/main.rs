//! The least that Tauri can show. `hallmonitor-bare` is one window with a static page; `hallmonitor-bare tray`
//! is one tray icon with a menu, and a click on it opens the window, which is destroyed when it is closed.
#![allow(clippy::exit, reason = "in what Tauri makes of the configuration")]
#![cfg_attr(all(windows, not(debug_assertions)), windows_subsystem = "windows")]

use tauri::menu::MenuBuilder;
use tauri::tray::{MouseButton, MouseButtonState, TrayIconBuilder, TrayIconEvent};
use tauri::{AppHandle, Manager, RunEvent, WebviewUrl, WebviewWindowBuilder};

fn window(app: &AppHandle) -> tauri::Result<()> {
    if app.get_webview_window("main").is_none() {
        WebviewWindowBuilder::new(app, "main", WebviewUrl::default())
            .title("Hall Monitor, bare")
            .inner_size(1280.0, 800.0)
            .min_inner_size(720.0, 480.0)
            .build()?;
    }
    Ok(())
}

fn tray(app: &AppHandle) -> tauri::Result<()> {
    let menu = MenuBuilder::new(app).text("open", "Open").separator().text("quit", "Quit").build()?;
    let icon = app.default_window_icon().cloned();
    let tray = TrayIconBuilder::with_id("tray").tooltip("Bare").menu(&menu).show_menu_on_left_click(false);
    let tray = tray
        .on_menu_event(|app, event| match event.id().as_ref() {
            "quit" => app.exit(0),
            _ => drop(window(app)),
        })
        .on_tray_icon_event(|tray, event| {
            if let TrayIconEvent::Click { button: MouseButton::Left, button_state: MouseButtonState::Up, .. } = event {
                drop(window(tray.app_handle()));
            }
        });
    match icon {
        Some(icon) => tray.icon(icon),
        None => tray,
    }
    .build(app)?;
    Ok(())
}

fn main() -> tauri::Result<()> {
    let in_tray = std::env::args().any(|argument| argument == "tray");
    let app = tauri::Builder::default()
        .setup(move |app| {
            let app = app.handle();
            if in_tray {
                tray(app)?
            } else {
                window(app)?
            }
            Ok(())
        })
        .build(tauri::generate_context!())?;
    app.run(move |_, event| {
        if let RunEvent::ExitRequested { code: None, api, .. } = event
            && in_tray
        {
            api.prevent_exit();
        }
    });
    Ok(())
}
