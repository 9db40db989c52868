//! Hall Monitor's desktop shell: one window, a tray icon, notifications. It shows what the core says and passes on what
//! a person wants; what is true is decided in the core, which runs in this process and knows nothing of windows.
//!
//! | file | subject |
//! |---|---|
//! | `shell.rs` | puts the parts together; start and end |
//! | `house.rs` | the core in this process: start, trouble at the start, end |
//! | `commands.rs` | what the window may ask: one line each |
//! | `bindings.rs` | commands and events for the window's side of the edge, generated |
//! | `choose.rs`, `file_dialog.rs` | the desktop's dialog to choose a file |
//! | `push.rs` | changes go to the window, at most four times a second |
//! | `window.rs` | the window: made, shown, destroyed |
//! | `mend.rs` | a web view whose process ended |
//! | `tray.rs`, `icon.rs` | the tray: menu, tooltip, the drawn icon |
//! | `tray_host.rs` | desktops whose tray comes later |
//! | `notify.rs` | notices on the desktop, and what a click on one means |
//! | `words.rs` | texts of tray and notices, from the window's catalogue |
//! | `prefs.rs` | preferences of the window |
//! | `autostart.rs` | starting with the session |

mod autostart;
mod bindings;
mod choose;
mod commands;
#[cfg(target_os = "linux")]
mod file_dialog;
mod house;
mod icon;
#[cfg(target_os = "linux")]
mod mend;
mod notify;
mod prefs;
mod push;
mod shell;
mod tray;
#[cfg(target_os = "linux")]
mod tray_host;
mod window;
mod words;

pub use shell::run;
