//! GTK's dialog to choose a file, or the portal's where the desktop wants that. It belongs to the window and goes with it.

use std::cell::RefCell;
use std::rc::Rc;

use gtk::glib::{self, SignalHandlerId};
use gtk::prelude::{FileChooserExt as _, NativeDialogExt as _, ObjectExt as _, WidgetExt as _};
use gtk::{ApplicationWindow, FileChooserAction, FileChooserDialog, FileChooserNative, FileFilter, ResponseType};
use tauri::{AppHandle, Manager as _};
use tokio::sync::oneshot::Sender;

use crate::choose::{Asked, Chosen};
use crate::window;

/// Opens a dialog; how it ended is told.
pub(crate) fn open(app: &AppHandle, asked: Asked, tell: Sender<Chosen>) {
    let to = app.clone();
    if let Err(error) = app.run_on_main_thread(move || open_here(&to, &asked, tell)) {
        tracing::warn!(%error, "the dialog cannot be asked for");
    }
}

/// A dialog that is open. GTK does not own it: it is there as long as this is.
struct Shown {
    dialog: FileChooserNative,
    window: Option<(ApplicationWindow, SignalHandlerId)>,
    tell: Sender<Chosen>,
}

type Held = Rc<RefCell<Option<Shown>>>;

fn open_here(app: &AppHandle, asked: &Asked, tell: Sender<Chosen>) {
    let window = app.get_webview_window(window::LABEL).and_then(|window| window.gtk_window().ok());
    let dialog = FileChooserNative::new(Some(&asked.title), window.as_ref(), FileChooserAction::Open, None, None);
    for (name, ends) in asked.filters {
        dialog.add_filter(filter(name, ends));
    }
    let held = Held::default();
    let window = window.map(|window| {
        let held = held.clone();
        let heard = window.connect_destroy(move |_| end(&held, Chosen::Nothing));
        (window, heard)
    });
    dialog.show();
    let is_ours = is_shown_here();
    let of = held.clone();
    dialog.connect_response(move |dialog, response| {
        let chosen = match response {
            ResponseType::Accept => dialog.filename().map_or(Chosen::Nothing, Chosen::File),
            // This is how GTK tells that the portal did not answer; of its own dialog, that a person closed it.
            ResponseType::DeleteEvent if !is_ours => Chosen::NoDialog,
            _ => Chosen::Nothing,
        };
        end(&of, chosen);
    });
    *held.borrow_mut() = Some(Shown { dialog, window, tell });
}

fn filter(name: &str, ends: &[&str]) -> FileFilter {
    let filter = FileFilter::new();
    filter.set_name(Some(name));
    for end in ends {
        filter.add_pattern(&if *end == "*" { "*".to_owned() } else { format!("*.{end}") });
    }
    filter
}

/// Whether it is GTK's own dialog, a window of this process, and not the portal's.
fn is_shown_here() -> bool {
    gtk::Window::list_toplevels().iter().any(|each| each.is::<FileChooserDialog>() && each.is_visible())
}

fn end(held: &Held, chosen: Chosen) {
    let Some(Shown { dialog, window, tell }) = held.borrow_mut().take() else { return };
    if let Some((window, heard)) = window {
        window.disconnect(heard);
    }
    dialog.hide();
    // GTK may still be busy with the key that ended it.
    glib::idle_add_local_once(move || dialog.destroy());
    // Nobody listens any more where the page is gone.
    let _ = tell.send(chosen);
}
