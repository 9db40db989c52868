//! The desktop's own dialog to choose a file. The window learns where the file is; what is in it only the core reads, once
//! it is used.

use std::sync::atomic::{AtomicBool, Ordering};

use hallmonitor::screen::Failed;
use tauri::{AppHandle, Manager};
use tauri_plugin_dialog::DialogExt;
use tokio::sync::oneshot;

use crate::window;

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

/// Where a file of certificates is, as a person chooses it; none when they changed their mind.
///
/// # Errors
/// A path that is no text.
pub(crate) async fn certificates(app: &AppHandle, title: &str) -> Result<Option<String>, Failed> {
    let Some(_open) = Open::take() else { return Ok(None) };
    let title: String = title.chars().filter(|letter| !letter.is_control()).take(TITLE).collect();
    let mut dialog = app.dialog().file().set_title(title).add_filter("PEM", CERTIFICATES).add_filter("*", &["*"]);
    if let Some(window) = app.get_webview_window(window::LABEL) {
        dialog = dialog.set_parent(&window);
    }
    let (tell, heard) = oneshot::channel();
    dialog.pick_file(move |chosen| {
        // Nobody listens any more where the window is gone.
        let _ = tell.send(chosen);
    });
    let Some(path) = heard.await.ok().flatten().and_then(|chosen| chosen.into_path().ok()) else { return Ok(None) };
    match path.to_str() {
        Some(path) => Ok(Some(path.to_owned())),
        None => Err(Failed::BadRequest { why: "the name of this file is no text; give it another one".to_owned() }),
    }
}
