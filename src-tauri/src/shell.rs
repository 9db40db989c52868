//! Puts the parts together; start and end.

use std::process::ExitCode;
use std::sync::Arc;

use clap::Parser;
use hallmonitor::app::App;
use hallmonitor::config::{self, Platform, Vars};
use hallmonitor::screen::About;
use hallmonitor::telemetry::{self, LogFormat};
use tauri::{AppHandle, Manager, RunEvent};

use crate::house::{House, Places};
use crate::{autostart, bindings, choose, notify, push, tray, window};

/// Watches hosts and services from the tray.
#[derive(Debug, Parser)]
#[command(version)]
struct Arguments {
    /// The configuration file.
    #[arg(long, value_name = "FILE")]
    config: Option<std::path::PathBuf>,
    /// The data folder.
    #[arg(long, value_name = "FOLDER")]
    data_dir: Option<std::path::PathBuf>,
    /// Start without a window.
    #[arg(long)]
    hidden: bool,
}

/// Runs the app to its end.
#[must_use]
pub fn run() -> ExitCode {
    let arguments = Arguments::parse();
    telemetry::start(LogFormat::Text, "info,zbus=warn,tracing=warn", std::io::stderr);
    let places = match places(&arguments) {
        Ok(places) => places,
        Err(error) => {
            tracing::error!(%error, "cannot tell where things are");
            return ExitCode::FAILURE;
        }
    };
    let house = Arc::new(House::new(places));
    match build(&arguments, Arc::clone(&house)) {
        Ok(app) => {
            app.run(move |_, event| match event {
                // The last window is gone: the tray goes on. Quitting gives a code.
                RunEvent::ExitRequested { code: None, api, .. } => api.prevent_exit(),
                RunEvent::Exit => house.close(),
                _ => {}
            });
            ExitCode::SUCCESS
        }
        Err(error) => {
            tracing::error!(%error, "the desktop app cannot start; `hallmonitor run` needs no desktop");
            ExitCode::FAILURE
        }
    }
}

fn places(arguments: &Arguments) -> Result<Places, config::NoFolder> {
    let vars = Vars::from_system();
    let absolute = |path: std::path::PathBuf| std::path::absolute(&path).unwrap_or(path);
    let config = match &arguments.config {
        Some(config) => config.clone(),
        None => config::config_file(Platform::HERE, &vars)?,
    };
    let data_dir = match &arguments.data_dir {
        Some(folder) => folder.clone(),
        None => config::data_dir(Platform::HERE, &vars)?,
    };
    Ok(Places { config: absolute(config), data_dir: absolute(data_dir), vars })
}

#[allow(clippy::exit, reason = "in the code that Tauri generates")]
fn build(arguments: &Arguments, house: Arc<House>) -> tauri::Result<tauri::App> {
    let edge = bindings::builder();
    let hidden = arguments.hidden;
    tauri::Builder::default()
        // First, so that a second start ends before it does anything.
        .plugin(tauri_plugin_single_instance::init(|app, _, _| window::show(app, None)))
        .plugin(tauri_plugin_store::Builder::default().build())
        .plugin(
            tauri_plugin_window_state::Builder::default()
                .with_state_flags(window::remembered())
                .skip_initial_state(window::LABEL)
                .build(),
        )
        .plugin(choose::plugin())
        .plugin(autostart::plugin())
        .manage(Arc::clone(&house))
        .manage(push::Pusher::default())
        .manage(tray::Tray::default())
        .manage(window::Unsaved::default())
        .invoke_handler(edge.invoke_handler())
        .setup(move |app| {
            edge.mount_events(app);
            let app = app.handle();
            open_house(app, house)?;
            // The web view starts in processes of its own: all the rest is done meanwhile.
            if !hidden {
                window::show(app, None);
            }
            tray::put(app);
            #[cfg(target_os = "linux")]
            crate::tray_host::follow(app);
            end_on_signals(app);
            Ok(())
        })
        .build(tauri::generate_context!())
}

/// Starts the core beside the window: neither waits for the other.
fn open_house(app: &AppHandle, house: Arc<House>) -> std::io::Result<()> {
    let app = app.clone();
    std::thread::Builder::new().name("start".to_owned()).spawn(move || {
        let running = |core: &App, trouble: bool| {
            tray::follow(&app, core);
            notify::follow(&app, core);
            if trouble {
                window::begin_again(&app);
            }
        };
        house.open(running, || {
            tray::update(&app);
            notify::trouble(&app);
        });
    })?;
    Ok(())
}

/// Being told to end by the system is as good as by a person.
fn end_on_signals(app: &AppHandle) {
    #[cfg(unix)]
    for kind in [tokio::signal::unix::SignalKind::terminate(), tokio::signal::unix::SignalKind::interrupt()] {
        let app = app.clone();
        tauri::async_runtime::spawn(async move {
            if let Ok(mut signals) = tokio::signal::unix::signal(kind) {
                signals.recv().await;
                quit(&app);
            }
        });
    }
    #[cfg(not(unix))]
    let _ = app;
}

/// Ends the app; the core drains first.
pub(crate) fn quit(app: &AppHandle) {
    app.exit(0);
}

/// Where things are.
pub(crate) fn about(app: &AppHandle) -> About {
    let house = app.state::<Arc<House>>();
    About {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        config_path: house.places.config.display().to_string(),
        data_dir: house.places.data_dir.display().to_string(),
        tray: tray::is_there(app),
    }
}
