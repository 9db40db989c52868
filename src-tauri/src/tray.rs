//! The tray: what is told at a glance, and a menu for what is wanted without a window.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use hallmonitor::app::{App, Screens};
use hallmonitor::event::Event;
use hallmonitor::model::{GapReason, State};
use hallmonitor::record::Board;
use hallmonitor::screen::Millis;
use tauri::menu::{Menu, MenuBuilder, MenuItemBuilder, SubmenuBuilder};
use tauri::tray::{MouseButton, MouseButtonState, TrayIconBuilder, TrayIconEvent};
use tauri::{AppHandle, Manager, Wry};
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;

use crate::house::House;
use crate::icon::{self, Face};
use crate::words::Words;
use crate::{prefs, shell, window};

const ID: &str = "tray";
/// Monitors that the menu names.
const NAMED: usize = 5;
/// Names in the tooltip.
const NAMED_IN_TOOLTIP: usize = 3;
/// Longest name in a menu, in characters.
const LONGEST_NAME: usize = 40;
/// The menu is made anew at most this often.
const PACE: Duration = Duration::from_millis(500);
/// Lengths of time in it are brought up to date this often.
const REFRESH: Duration = Duration::from_secs(30);
const HOUR_MS: f64 = 3_600_000.0;

/// What the tray shows.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Look {
    face: Face,
    sentence: String,
    tooltip: String,
    /// Failing monitors: id, text.
    failing: Vec<(String, String)>,
    more: Option<String>,
    all_paused: bool,
    muted: bool,
    words: Words,
}

/// What was shown last.
#[derive(Debug, Default)]
pub(crate) struct Tray(Mutex<Option<Look>>);

/// Whether the desktop shows our tray icon.
pub(crate) fn is_there(app: &AppHandle) -> bool {
    app.tray_by_id(ID).is_some()
}

/// Puts the icon into the tray; a desktop may have none.
pub(crate) fn put(app: &AppHandle) {
    if is_there(app) {
        return;
    }
    let look = current(app);
    let built = menu(app, &look).and_then(|menu| {
        TrayIconBuilder::with_id(ID)
            .icon(icon::draw(look.face))
            .tooltip(&look.tooltip)
            .menu(&menu)
            .show_menu_on_left_click(false)
            .on_menu_event(|app, event| chosen(app, event.id().as_ref()))
            .on_tray_icon_event(|tray, event| {
                if let TrayIconEvent::Click { button: MouseButton::Left, button_state: MouseButtonState::Up, .. } =
                    event
                {
                    window::show(tray.app_handle(), None);
                }
            })
            .build(app)
    });
    match built {
        Ok(_) => {
            remember(app, Some(look));
            // What happened while it was made found no icon to show it.
            update(app);
        }
        Err(error) => tracing::info!(%error, "this desktop shows no tray"),
    }
}

/// Takes the icon out, so that it can be put in anew.
pub(crate) fn take_out(app: &AppHandle) {
    drop(app.remove_tray_by_id(ID));
    remember(app, None);
}

fn remember(app: &AppHandle, look: Option<Look>) {
    *app.state::<Tray>().0.lock().unwrap_or_else(PoisonError::into_inner) = look;
}

/// Keeps the tray up to date with the core.
pub(crate) fn follow(app: &AppHandle, core: &App) {
    let (to, events) = (app.clone(), core.events());
    tauri::async_runtime::spawn(async move { keep_current(to, events).await });
}

async fn keep_current(app: AppHandle, mut events: Receiver<Event>) {
    loop {
        update(&app);
        tokio::time::sleep(PACE).await;
        match tokio::time::timeout(REFRESH, events.recv()).await {
            Ok(Err(RecvError::Closed)) => return,
            // One look for all that came together.
            _ => while events.try_recv().is_ok() {},
        }
    }
}

/// Shows what is so now, where that is another thing than what is shown.
pub(crate) fn update(app: &AppHandle) {
    let look = current(app);
    let Some(tray) = app.tray_by_id(ID) else { return };
    let known = app.state::<Tray>().0.lock().unwrap_or_else(PoisonError::into_inner).clone();
    if known.as_ref() == Some(&look) {
        return;
    }
    let shown = (|| {
        if known.as_ref().is_none_or(|known| known.face != look.face) {
            tray.set_icon(Some(icon::draw(look.face)))?;
        }
        tray.set_tooltip(Some(&look.tooltip))?;
        tray.set_menu(Some(menu(app, &look)?))
    })();
    match shown {
        Ok(()) => remember(app, Some(look)),
        Err(error) => tracing::warn!(%error, "the tray cannot be brought up to date"),
    }
}

fn current(app: &AppHandle) -> Look {
    let words = Words::of(prefs::read(app).language);
    let house = app.state::<Arc<House>>();
    match (house.running(), house.board()) {
        (Some(screens), Some(board)) => look(words, &screens, &board),
        _ if house.in_trouble() => silent(words, Face::Degraded, "tray_trouble"),
        _ => silent(words, Face::Pending, "tray_starting"),
    }
}

/// While no core runs.
fn silent(words: Words, face: Face, key: &str) -> Look {
    let sentence = words.say(key, &[]);
    let tooltip = sentence.clone();
    Look { face, sentence, tooltip, failing: Vec::new(), more: None, all_paused: false, muted: false, words }
}

fn look(words: Words, screens: &Screens, board: &Board) -> Look {
    let counts = board.counts();
    let all = counts.monitors.to_string();
    let gap = board.gap().map(|gap| gap.reason);
    let troubled = board.rows_in(&[State::Down, State::Degraded]);
    let (face, sentence) = if counts.monitors == 0 {
        (Face::Pending, words.say("tray_none", &[]))
    } else if gap == Some(GapReason::Offline) {
        (Face::Unobserved, words.say("tray_offline", &[]))
    } else if gap.is_some() {
        (Face::Unobserved, words.say("tray_unobserved", &[]))
    } else if counts.down > 0 {
        (Face::Down, words.count("tray_down", counts.down, &[("all", &all)]))
    } else if counts.degraded > 0 {
        (Face::Degraded, words.count("tray_degraded", counts.degraded, &[("all", &all)]))
    } else if counts.paused == counts.monitors {
        (Face::Paused, words.say("tray_paused", &[]))
    } else if counts.up == 0 && counts.unobserved > 0 {
        (Face::Unobserved, words.say("tray_unobserved", &[]))
    } else if counts.up == 0 {
        (Face::Pending, words.say("tray_pending", &[]))
    } else {
        (Face::Up, words.count("tray_all_up", counts.up, &[]))
    };
    let now = screens.now();
    let text = |row: &hallmonitor::record::BoardRow| {
        format!("{} · {}", short(&row.monitor.name), words.duration(now.since_us(row.since)))
    };
    let failing = troubled.iter().take(NAMED).map(|row| (row.monitor.id.to_string(), text(row))).collect();
    let names: Vec<String> = troubled.iter().take(NAMED_IN_TOOLTIP).map(|row| short(&row.monitor.name)).collect();
    // Some desktops take markup here: a name is text.
    let names = names.join(", ").replace('<', "‹").replace('>', "›").replace('&', "+");
    let tooltip = if names.is_empty() { sentence.clone() } else { format!("{sentence} · {names}") };
    Look {
        face,
        sentence,
        tooltip,
        failing,
        more: (troubled.len() > NAMED).then(|| words.count("tray_more", troubled.len() - NAMED, &[])),
        all_paused: counts.monitors > 0 && counts.paused == counts.monitors,
        muted: screens.muted_until().is_some(),
        words,
    }
}

fn short(name: &str) -> String {
    if name.chars().count() <= LONGEST_NAME {
        return name.to_owned();
    }
    name.chars().take(LONGEST_NAME - 1).chain(['…']).collect()
}

fn menu(app: &AppHandle, look: &Look) -> tauri::Result<Menu<Wry>> {
    let words = look.words;
    // An underscore would mark the key of an item.
    let item = |id: &str, text: &str| MenuItemBuilder::with_id(id, text.replace('&', "&&")).build(app);
    let mut menu = MenuBuilder::new(app).item(&item("open", &look.sentence)?).separator();
    if !look.failing.is_empty() {
        for (id, text) in &look.failing {
            menu = menu.item(&item(&format!("monitor:{id}"), text)?);
        }
        if let Some(more) = &look.more {
            menu = menu.item(&item("open", more)?);
        }
        menu = menu.separator();
    }
    menu = menu.item(&item("check", &words.say("tray_check_all", &[]))?);
    menu = if look.muted {
        menu.item(&item("unmute", &words.say("tray_unmute", &[]))?)
    } else {
        let mut mute = SubmenuBuilder::new(app, words.say("tray_mute", &[]));
        for hours in [1, 4, 8] {
            mute = mute.item(&item(&format!("mute:{hours}"), &words.count("tray_hours", hours, &[]))?);
        }
        menu.item(&mute.build()?)
    };
    menu = if look.all_paused {
        menu.item(&item("resume", &words.say("tray_resume", &[]))?)
    } else {
        let mut pause = SubmenuBuilder::new(app, words.say("tray_pause", &[]));
        for hours in [1, 8] {
            pause = pause.item(&item(&format!("pause:{hours}"), &words.count("tray_hours", hours, &[]))?);
        }
        menu.item(&pause.item(&item("pause:0", &words.say("tray_until_resumed", &[]))?).build()?)
    };
    menu.separator()
        .item(&item("show", &words.say("tray_open", &[]))?)
        .item(&item("settings", &words.say("tray_settings", &[]))?)
        .item(&item("quit", &words.say("tray_quit", &[]))?)
        .build()
}

/// Somebody chose an item.
fn chosen(app: &AppHandle, id: &str) {
    let (what, which) = id.split_once(':').unwrap_or((id, ""));
    match what {
        "open" | "show" => window::show(app, (what == "open").then_some("#/")),
        "settings" => window::show(app, Some("#/settings")),
        "monitor" => window::show(app, Some(&format!("#/monitor/{which}"))),
        "quit" => shell::quit(app),
        _ => {
            let (app, what, hours) = (app.clone(), what.to_owned(), which.parse::<u32>().unwrap_or(0));
            tauri::async_runtime::spawn(async move { steer(&app, &what, hours).await });
        }
    }
}

async fn steer(app: &AppHandle, what: &str, hours: u32) {
    let Some(screens) = app.state::<Arc<House>>().running() else { return };
    let until = (hours > 0).then(|| Millis(Millis::from(screens.now()).0 + f64::from(hours) * HOUR_MS));
    let done = match what {
        "check" => screens.check_now(&[]),
        "mute" | "unmute" => {
            screens.mute(until);
            Ok(())
        }
        "pause" => screens.pause(&[], until).await,
        "resume" => screens.resume(&[]).await,
        _ => Ok(()),
    };
    if let Err(failed) = done {
        tracing::warn!(?failed, what, "an item of the tray's menu came to nothing");
    }
    update(app);
}
