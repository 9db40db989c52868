//! The window. It is destroyed when it is closed, which frees the web view's memory, and made anew when it is wanted.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use hallmonitor::screen::{Failed, OnClose};
use serde::{Deserialize, Serialize};
use specta::Type;
use tauri::{AppHandle, Manager, WebviewUrl, WebviewWindowBuilder, WindowEvent};
use tauri_plugin_window_state::{AppHandleExt as _, StateFlags, WindowExt as _};
use tauri_specta::Event as _;

use crate::bindings::{AskClose, Navigate, Why};
use crate::{prefs, push, shell, tray};

/// The one window.
pub(crate) const LABEL: &str = "main";
const SIZE: (f64, f64) = (1280.0, 800.0);
const SMALLEST: (f64, f64) = (720.0, 480.0);

/// After this time a closed window is taken apart.
const GONE: Duration = Duration::from_secs(3);

/// What of the window is remembered. Not whether it is shown: that is for the start to say.
pub(crate) fn remembered() -> StateFlags {
    StateFlags::SIZE | StateFlags::POSITION | StateFlags::MAXIMIZED
}

/// What closing the window means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, Type)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Closing {
    /// Go on without it.
    Tray,
    /// End.
    Quit,
}

/// Shows the window, making it where there is none; `hash` is where it shall go, else where it was.
///
/// On the main thread, whoever asks: a window that is made elsewhere waits for the main thread with the lock of what is
/// remembered, which the main thread waits for.
pub(crate) fn show(app: &AppHandle, hash: Option<&str>) {
    let (to, hash) = (app.clone(), hash.map(str::to_owned));
    if let Err(error) = app.run_on_main_thread(move || show_here(&to, hash.as_deref())) {
        tracing::warn!(%error, "the window cannot be asked for");
    }
}

fn show_here(app: &AppHandle, hash: Option<&str>) {
    let shown = match app.get_webview_window(LABEL) {
        Some(window) => {
            if let Some(hash) = hash {
                let _ = Navigate { hash: hash.to_owned() }.emit_to(app, LABEL);
            }
            window.unminimize().and_then(|()| window.show()).and_then(|()| window.set_focus())
        }
        None => make(app, hash),
    };
    if let Err(error) = shown {
        tracing::error!(%error, "the window cannot be shown");
    }
}

fn make(app: &AppHandle, hash: Option<&str>) -> tauri::Result<()> {
    if let Some(hash) = hash {
        let _ = prefs::set_place(app, hash);
    }
    let window = WebviewWindowBuilder::new(app, LABEL, WebviewUrl::default())
        .title("Hall Monitor")
        .inner_size(SIZE.0, SIZE.1)
        .min_inner_size(SMALLEST.0, SMALLEST.1)
        // Nothing that a target sends may lead the window elsewhere.
        .on_navigation(is_ours)
        // A file that is dropped is for the page, which reads it as text.
        .disable_drag_drop_handler()
        // A size that changes once it is shown can cost half a second: the web view, drawn before its process knows the
        // size, waits for it as long (`didUpdateBackingStoreStateTimeout` of WebKitGTK).
        .visible(false)
        .build()?;
    let _ = window.restore_state(remembered());
    window.show()?;
    #[cfg(target_os = "linux")]
    crate::mend::follow(app, &window);
    let to = app.clone();
    window.on_window_event(move |event| match event {
        WindowEvent::CloseRequested { api, .. } => {
            let _ = to.save_window_state(remembered());
            // Only a page that hears it can ask; one that does not must not keep the window open.
            if let Some(why) = question(&to).filter(|_| push::is_on(&to)) {
                api.prevent_close();
                let _ = AskClose(why).emit_to(&to, LABEL);
            } else if meaning(&to) == Some(Closing::Quit) {
                shell::quit(&to);
            }
        }
        WindowEvent::Destroyed => {
            set_unsaved(&to, false);
            push::stop(&to);
            give_back_soon();
        }
        _ => {}
    });
    Ok(())
}

/// The web view takes a moment to go; what it and its questions needed is not needed until it is opened again.
fn give_back_soon() {
    tauri::async_runtime::spawn(async {
        tokio::time::sleep(GONE).await;
        hallmonitor::memory::give_back_now();
    });
}

/// A window that could only tell of trouble starts anew.
pub(crate) fn begin_again(app: &AppHandle) {
    if let Some(window) = app.get_webview_window(LABEL)
        && let Err(error) = window.reload()
    {
        tracing::warn!(%error, "the window cannot be loaded again");
    }
}

/// Whether an address is one of our own files: `tauri://localhost`, on Windows `http://tauri.localhost`.
fn is_ours(url: &tauri::Url) -> bool {
    let ours = if cfg!(windows) { ("http", Some("tauri.localhost")) } else { ("tauri", Some("localhost")) };
    (url.scheme(), url.host_str()) == ours && url.port().is_none()
}

/// Whether something in the window is not saved.
#[derive(Debug, Default)]
pub(crate) struct Unsaved(AtomicBool);

/// Says whether closing the window now would lose something.
pub(crate) fn set_unsaved(app: &AppHandle, unsaved: bool) {
    app.state::<Unsaved>().0.store(unsaved, Ordering::Relaxed);
}

/// Closes the window as its button does: with the questions that this asks.
pub(crate) fn ask_to_close(app: &AppHandle) -> Result<(), Failed> {
    let Some(window) = app.get_webview_window(LABEL) else { return Ok(()) };
    window.close().map_err(|error| Failed::Internal { why: error.to_string() })
}

/// What has to be asked before the window may go.
fn question(app: &AppHandle) -> Option<Why> {
    if app.state::<Unsaved>().0.load(Ordering::Relaxed) {
        return Some(Why::Unsaved);
    }
    meaning(app).is_none().then_some(Why::Meaning)
}

/// What closing means here; none: a person has to be asked.
fn meaning(app: &AppHandle) -> Option<Closing> {
    match prefs::read(app).on_close {
        OnClose::Quit => Some(Closing::Quit),
        OnClose::Tray => Some(Closing::Tray),
        // With a tray it is plain how to get the window back.
        OnClose::Ask => tray::is_there(app).then_some(Closing::Tray),
    }
}

/// Closes the window as a person said it.
pub(crate) fn close(app: &AppHandle, choice: Closing, remember: bool) -> Result<(), Failed> {
    if remember {
        let on_close = match choice {
            Closing::Tray => OnClose::Tray,
            Closing::Quit => OnClose::Quit,
        };
        prefs::write(app, &hallmonitor::screen::Preferences { on_close, ..prefs::read(app) })?;
    }
    match choice {
        Closing::Quit => shell::quit(app),
        Closing::Tray => {
            if let Some(window) = app.get_webview_window(LABEL) {
                window.destroy().map_err(|error| Failed::Internal { why: error.to_string() })?;
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_our_own_files_are_shown() {
        for (url, ours) in [
            ("tauri://localhost/", !cfg!(windows)),
            ("tauri://localhost/index.html#/monitor/1", !cfg!(windows)),
            ("tauri://localhost:81/", false),
            ("http://tauri.localhost/", cfg!(windows)),
            ("http://tauri.localhost:8080/", false),
            ("https://example.org/", false),
            ("tauri://elsewhere/", false),
            ("file:///etc/passwd", false),
            ("http://localhost/", false),
            ("data:text/html,x", false),
        ] {
            assert_eq!(is_ours(&url.parse().expect("a url")), ours, "{url}");
        }
    }
}
