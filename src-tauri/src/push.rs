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
/// A row can be read this long after it was shown: it is on disk then.
const ON_DISK: Duration = Duration::from_millis(1_000);
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
    let screens = screens.clone();
    let task = tauri::async_runtime::spawn(async move {
        let mut news = News::new(screens.history_is_whole());
        loop {
            tokio::select! {
                change = interest.next() => {
                    if to.get_webview_window(window::LABEL).is_none() {
                        return;
                    }
                    news.note(&change, screens.history_is_whole());
                    // Fails when the window is being closed: then nobody misses it.
                    let _ = BoardChanged(change).emit_to(&to, window::LABEL);
                }
                () = news.due() => {
                    let _ = HistoryChanged(news.take()).emit_to(&to, window::LABEL);
                }
            }
        }
    });
    app.state::<Pusher>().replace(Some(task));
}

/// Whether a page follows the board.
pub(crate) fn is_on(app: &AppHandle) -> bool {
    app.state::<Pusher>().0.lock().unwrap_or_else(PoisonError::into_inner).is_some()
}

/// Sends nothing any more.
pub(crate) fn stop(app: &AppHandle) {
    app.state::<Pusher>().replace(None);
}

/// Monitors whose history has something new.
struct News {
    told: Mono,
    /// When the oldest of them came.
    since: Option<Mono>,
    monitors: HashSet<String>,
    /// Whether history could be read whole.
    whole: bool,
    all: bool,
}

impl News {
    fn new(whole: bool) -> Self {
        Self { told: Mono(0), since: None, monitors: HashSet::new(), whole, all: false }
    }

    fn note(&mut self, change: &BoardChange, whole: bool) {
        self.monitors.extend(change.rows.iter().map(|row| row.id.clone()));
        // The store is open now: whatever was read before lacked most of it.
        self.all |= whole && !self.whole;
        self.whole = whole;
        if self.all || !self.monitors.is_empty() {
            self.since.get_or_insert(SystemClock.mono());
        }
    }

    /// Waits until there is something to tell; for ever while there is not.
    async fn due(&self) {
        let Some(since) = self.since else { return std::future::pending().await };
        let now = SystemClock.mono();
        let paced = HISTORY_PACE.saturating_sub(now.since(self.told));
        tokio::time::sleep(paced.max(ON_DISK.saturating_sub(now.since(since)))).await;
    }

    /// What is told: none named means all.
    fn take(&mut self) -> Vec<String> {
        self.told = SystemClock.mono();
        self.since = None;
        let monitors: Vec<String> = self.monitors.drain().collect();
        let all = std::mem::take(&mut self.all) || monitors.len() > MANY;
        if all { Vec::new() } else { monitors }
    }
}
