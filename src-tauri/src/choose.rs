//! The desktop's own dialog to choose a file. The window learns where the file is; what is in it only the core reads, once
//! it is used.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};

use hallmonitor::screen::Failed;
use tauri::plugin::TauriPlugin;
use tauri::{AppHandle, Wry};
use tokio::sync::oneshot;

/// What files of certificates are called.
const CERTIFICATES: &[&str] = &["pem", "crt", "cer"];
/// A dialog's title is no longer.
const TITLE: usize = 80;

/// At most one dialog is open.
static IS_OPEN: AtomicBool = AtomicBool::new(false);

struct Open;

impl Open {
    fn take() -> Option<Self> {
        (!IS_OPEN.swap(true, Ordering::AcqRel)).then_some(Self)
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        IS_OPEN.store(false, Ordering::Release);
    }
}

/// How a dialog ended.
#[derive(Debug)]
pub(crate) enum Chosen {
    /// With a file.
    File(PathBuf),
    /// A person changed their mind, or its window is gone.
    Nothing,
    /// None came.
    #[cfg(target_os = "linux")]
    NoDialog,
}

/// What a dialog shows: its title; names of filters, and the ends of the names of files that each lets through, `*` for all.
#[derive(Debug)]
pub(crate) struct Asked {
    pub(crate) title: String,
    pub(crate) filters: [(&'static str, &'static [&'static str]); 2],
}

/// The plugin whose dialogs are used outside of Linux.
pub(crate) fn plugin() -> TauriPlugin<Wry> {
    #[cfg(target_os = "linux")]
    return tauri::plugin::Builder::new("choose").build();
    #[cfg(not(target_os = "linux"))]
    tauri_plugin_dialog::init()
}

/// Where a file of certificates is, as a person chooses it; none when they changed their mind.
///
/// # Errors
/// A path that is no text; a desktop that shows no dialog.
pub(crate) async fn certificates(app: &AppHandle, title: &str) -> Result<Option<String>, Failed> {
    let Some(_open) = Open::take() else { return Ok(None) };
    let title = title.chars().filter(|letter| !letter.is_control()).take(TITLE).collect();
    let (tell, heard) = oneshot::channel();
    open(app, Asked { title, filters: [("PEM", CERTIFICATES), ("*", &["*"])] }, tell);
    let path = match heard.await.unwrap_or(Chosen::Nothing) {
        Chosen::File(path) => path,
        Chosen::Nothing => return Ok(None),
        #[cfg(target_os = "linux")]
        Chosen::NoDialog => return Err(Failed::NoDialog),
    };
    match path.to_str() {
        Some(path) => Ok(Some(path.to_owned())),
        None => Err(Failed::BadRequest { why: "the name of this file is no text; give it another one".to_owned() }),
    }
}

#[cfg(target_os = "linux")]
use crate::file_dialog::open;

#[cfg(not(target_os = "linux"))]
fn open(app: &AppHandle, asked: Asked, tell: oneshot::Sender<Chosen>) {
    use tauri::Manager as _;
    use tauri_plugin_dialog::DialogExt as _;

    let mut dialog = app.dialog().file().set_title(asked.title);
    for (name, ends) in asked.filters {
        dialog = dialog.add_filter(name, ends);
    }
    if let Some(window) = app.get_webview_window(crate::window::LABEL) {
        dialog = dialog.set_parent(&window);
    }
    dialog.pick_file(move |chosen| {
        let path = chosen.and_then(|chosen| chosen.into_path().ok());
        // Nobody listens any more where the window is gone.
        let _ = tell.send(path.map_or(Chosen::Nothing, Chosen::File));
    });
}
