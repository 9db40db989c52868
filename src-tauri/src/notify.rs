//! Notices on the desktop. The core decides what is told; here it gets its words, and a click on it opens the window
//! where it belongs.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use hallmonitor::alert::{Change, Notice, Notices, What};
use hallmonitor::app::App;
use hallmonitor::clock::{Clock as _, SystemClock};
use hallmonitor::event::Event;
use hallmonitor::record::Board;
use notify_rust::{Notification, Timeout};
use tauri::{AppHandle, Manager};
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;

use crate::house::House;
use crate::words::{Words, clock};
use crate::{prefs, window};

/// Notices whose click is waited for at the same time; more are shown all the same.
const LISTENING: usize = 16;
/// That notices are not muted any more is noticed within this time.
const UNMUTED: Duration = Duration::from_secs(1);
/// Names in a notice of many.
const NAMED: usize = 5;
const APP_NAME: &str = "Hall Monitor";

/// A notice in words.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Told {
    title: String,
    text: String,
    /// Where a click leads.
    hash: String,
    urgent: bool,
}

/// Tells a person what the core finds worth telling.
pub(crate) fn follow(app: &AppHandle, core: &App) {
    let (to, events, board) = (app.clone(), core.events(), core.board());
    tauri::async_runtime::spawn(async move { tell(to, events, board).await });
}

async fn tell(app: AppHandle, mut events: Receiver<Event>, board: Arc<Board>) {
    let mut notices = Notices::default();
    let name = |id| board.row(id).map(|row| row.monitor.name.clone());
    loop {
        let now = SystemClock.mono();
        let most = if notices.waits_for_unmuting() { UNMUTED } else { Duration::from_secs(60) };
        let wait = notices.next_due().map_or(most, |due| due.since(now) + Duration::from_millis(10));
        let event = tokio::time::timeout(wait, events.recv()).await;
        let silent = silent(&app);
        match event {
            Ok(Err(RecvError::Closed)) => return,
            // What was missed in a flood is not told one by one; the window and the tray have it.
            Ok(Err(RecvError::Lagged(_))) => notices.look_again(board.gap()),
            Err(_) => {}
            Ok(Ok(event)) => notices.take(&event, SystemClock.mono(), silent, name),
        }
        if !prefs::read(&app).notifications {
            notices.drop_all();
        }
        for notice in notices.due(SystemClock.mono(), silent) {
            let words = Words::of(prefs::read(&app).language);
            show(&app, words_of(&notice, words));
        }
    }
}

/// Whether nothing is to be told now.
fn silent(app: &AppHandle) -> bool {
    app.state::<Arc<House>>().running().is_some_and(|screens| screens.muted_until().is_some())
}

/// Tells that nothing is watched, and that the window says why.
pub(crate) fn trouble(app: &AppHandle) {
    let words = Words::of(prefs::read(app).language);
    let title = words.say("app_name", &[]);
    show(app, Told { title, text: words.say("tray_trouble", &[]), hash: "#/".to_owned(), urgent: true });
}

fn words_of(notice: &Notice, words: Words) -> Told {
    match notice {
        Notice::One { change } => one(change, words),
        Notice::Storm { changes } => many(changes, None, words),
        Notice::Digest { changes } => many(changes, Some(words.say("notice_digest", &[])), words),
        Notice::Offline { from, to } => Told {
            title: words.say("notice_offline", &[("time", &words.duration(to.since_us(*from)))]),
            text: words.say("notice_offline_text", &[("from", &clock(*from)), ("to", &clock(*to))]),
            hash: "#/".to_owned(),
            urgent: false,
        },
    }
}

fn one(change: &Change, words: Words) -> Told {
    let hash = format!("#/monitor/{}", change.monitor);
    let name = [("name", change.name.as_str())];
    match &change.what {
        What::Down { failure, message } => {
            let short = words.failure(*failure);
            let reason = if message.is_empty() { short } else { format!("{short}: {message}") };
            let text = words.say("notice_down_since", &[("reason", &reason), ("time", &clock(change.at))]);
            Told { title: words.say("notice_down", &name), text, hash, urgent: true }
        }
        What::Back { after_us } => {
            let after = words.duration(*after_us);
            let title = words.say("notice_back", &[name[0], ("time", &after)]);
            Told { title, text: words.say("notice_back_since", &[("time", &clock(change.at))]), hash, urgent: false }
        }
    }
}

fn many(changes: &[Change], heading: Option<String>, words: Words) -> Told {
    let (down, back): (Vec<&Change>, Vec<&Change>) =
        changes.iter().partition(|change| matches!(change.what, What::Down { .. }));
    let went = words.count("notice_storm_down", down.len(), &[]);
    let came = words.count("notice_storm_back", back.len(), &[]);
    let sum = match (down.len(), back.len()) {
        (_, 0) => went,
        (0, _) => came,
        (down, back) => words.say("notice_storm_both", &[("down", &down.to_string()), ("back", &back.to_string())]),
    };
    let mut names: Vec<&str> = changes.iter().map(|change| change.name.as_str()).collect();
    names.dedup();
    let mut text = names.iter().take(NAMED).copied().collect::<Vec<_>>().join(", ");
    if names.len() > NAMED {
        text = format!("{text} {}", words.count("tray_more", names.len() - NAMED, &[]));
    }
    let urgent = !down.is_empty();
    let hash = "#/incidents".to_owned();
    match heading {
        Some(heading) => Told { title: heading, text: format!("{sum}: {text}"), hash, urgent },
        None => Told { title: sum, text, hash, urgent },
    }
}

/// Shows a notice and waits for a click, on a thread of its own: the desktop may take its time.
fn show(app: &AppHandle, told: Told) {
    static WAITING: AtomicUsize = AtomicUsize::new(0);
    let app = app.clone();
    let words = Words::of(prefs::read(&app).language);
    let started = std::thread::Builder::new().name("notice".to_owned()).stack_size(512 * 1024).spawn(move || {
        let mut notification = Notification::new();
        notification
            .appname(APP_NAME)
            .summary(&told.title)
            .body(&body(&told.text))
            .icon("hallmonitor-desktop")
            .timeout(if told.urgent { Timeout::Default } else { Timeout::Milliseconds(8_000) });
        #[cfg(all(unix, not(target_os = "macos")))]
        notification.action("default", &words.say("notice_open", &[]));
        match notification.show() {
            Ok(handle) => {
                if WAITING.fetch_add(1, Ordering::Relaxed) < LISTENING {
                    listen(&app, handle, &told.hash);
                }
                WAITING.fetch_sub(1, Ordering::Relaxed);
            }
            Err(error) => tracing::info!(%error, "this desktop shows no notices"),
        }
    });
    if let Err(error) = started {
        tracing::warn!(%error, "a notice cannot be shown");
    }
}

/// The body as the desktop takes it: where it may be markup, names and messages are still text.
fn body(text: &str) -> String {
    if cfg!(all(unix, not(target_os = "macos"))) {
        text.replace('&', "&amp;").replace('<', "&lt;")
    } else {
        text.to_owned()
    }
}

#[cfg(all(unix, not(target_os = "macos")))]
fn listen(app: &AppHandle, handle: notify_rust::NotificationHandle, hash: &str) {
    handle.wait_for_action(|action| {
        if action == "default" {
            window::show(app, Some(hash));
        }
    });
}

#[cfg(not(all(unix, not(target_os = "macos"))))]
fn listen(_app: &AppHandle, _handle: notify_rust::NotificationHandle, _hash: &str) {}

#[cfg(test)]
mod tests {
    use hallmonitor::model::{Failure, MonitorId, UnixMicros};

    use super::*;

    fn change(name: &str, what: What) -> Change {
        Change { monitor: MonitorId::ALL, name: name.to_owned(), at: UnixMicros::new(1_700_000_000_000_000), what }
    }

    fn down(name: &str) -> Change {
        change(name, What::Down { failure: Failure::Timeout, message: "no answer in 5 s".to_owned() })
    }

    #[test]
    fn notices_say_what_happened_in_words() {
        let told = words_of(&Notice::One { change: down("router") }, Words::English);
        assert_eq!(told.title, "router is down");
        assert!(told.text.starts_with("no answer: no answer in 5 s. Since "), "{}", told.text);
        let back = change("router", What::Back { after_us: 360_000_000 });
        assert_eq!(words_of(&Notice::One { change: back }, Words::German).title, "router ist nach 6 min wieder da");
    }

    #[test]
    fn a_storm_names_some_and_counts_the_rest() {
        let changes: Vec<Change> = (0..31).map(|n| down(&format!("m{n}"))).collect();
        let told = words_of(&Notice::Storm { changes }, Words::English);
        assert_eq!(told.title, "31 monitors went down");
        assert_eq!(told.text, "m0, m1, m2, m3, m4 and 26 more");
        assert_eq!(told.hash, "#/incidents");
    }
}
