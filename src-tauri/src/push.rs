//! Changes go to the window, at most four times a second; nothing is sent while there is none.

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use hallmonitor::app::Screens;
use hallmonitor::clock::{Clock as _, Mono, SystemClock};
use hallmonitor::screen::BoardChange;
use tauri::{AppHandle, Manager};
use tauri_specta::Event as _;

use crate::bindings::{BoardChanged, HistoryChanged};
use crate::window;

/// News of history come at most this often.
const HISTORY_PACE: Duration = Duration::from_secs(10);
/// More monitors than this with news are told as all.
const MANY: usize = 200;

/// The task that pushes, if there is one.
#[derive(Debug, Default)]
pub(crate) struct Pusher(Mutex<Option<tauri::async_runtime::JoinHandle<()>>>);

impl Pusher {
    fn replace(&self, task: Option<tauri::async_runtime::JoinHandle<()>>) {
        let old = std::mem::replace(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner), task);
        if let Some(old) = old {
            old.abort();
        }
    }
}

/// Sends what changes after a revision, until the window is gone or asks anew.
pub(crate) fn start(app: &AppHandle, screens: &Screens, revision: u64) {
    let mut interest = screens.interest(revision);
    let to = app.clone();
    let task = tauri::async_runtime::spawn(async move {
        let mut news = News { told: SystemClock.mono(), monitors: HashSet::new() };
        loop {
            let change = interest.next().await;
            if to.get_webview_window(window::LABEL).is_none() {
                return;
            }
            news.note(&change, &to);
            // Fails when the window is being closed: then nobody misses it.
            let _ = BoardChanged(change).emit_to(&to, window::LABEL);
        }
    });
    app.state::<Pusher>().replace(Some(task));
}

/// Sends nothing any more.
pub(crate) fn stop(app: &AppHandle) {
    app.state::<Pusher>().replace(None);
}

/// Monitors whose history has something new.
struct News {
    told: Mono,
    monitors: HashSet<String>,
}

impl News {
    fn note(&mut self, change: &BoardChange, to: &AppHandle) {
        self.monitors.extend(change.rows.iter().map(|row| row.id.clone()));
        let now = SystemClock.mono();
        if now.since(self.told) < HISTORY_PACE || self.monitors.is_empty() {
            return;
        }
        self.told = now;
        let monitors: Vec<String> = self.monitors.drain().collect();
        let told = if monitors.len() > MANY { Vec::new() } else { monitors };
        let _ = HistoryChanged(told).emit_to(to, window::LABEL);
    }
}
