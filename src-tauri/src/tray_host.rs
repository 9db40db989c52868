//! Desktops whose tray comes later than we do, or goes and comes again: the icon is put in when there is one.

use futures_util::StreamExt as _;
use tauri::AppHandle;
use zbus::fdo::DBusProxy;

use crate::tray;

const WATCHER: &str = "org.kde.StatusNotifierWatcher";

/// Follows the desktop's tray for as long as there is a session bus.
pub(crate) fn follow(app: &AppHandle) {
    let app = app.clone();
    tauri::async_runtime::spawn(async move {
        if let Err(error) = wait(&app).await {
            tracing::info!(%error, "a tray that comes later is not noticed");
        }
    });
}

async fn wait(app: &AppHandle) -> zbus::Result<()> {
    let bus = zbus::Connection::session().await?;
    let names = DBusProxy::new(&bus).await?;
    let mut changes = names.receive_name_owner_changed_with_args(&[(0, WATCHER)]).await?;
    while let Some(change) = changes.next().await {
        let there = change.args()?.new_owner().is_some();
        let to = app.clone();
        // Menus and icons are made on the main thread.
        let _ = app.run_on_main_thread(move || {
            tray::take_out(&to);
            if there {
                tray::put(&to);
            }
        });
    }
    Ok(())
}
