//! What a window asks of a running core, with real checks of real servers and a real file.

#![allow(clippy::expect_used, unreachable_pub, reason = "a test may stop at the first fault; modules share a crate")]

mod forms;
mod hostile;
mod house;
mod secrets;
mod storage;

use std::time::Duration;

use hallmonitor::model::{State, Verdict};
use hallmonitor::screen::{Board, BoardChange, Millis, Scope, Share, Window};
use house::{House, Server, tcp, until};

const DAY_MS: f64 = 86_400_000.0;

/// What a window has after a change.
fn apply(board: &mut Board, change: BoardChange) {
    for row in change.rows {
        match board.rows.iter_mut().find(|old| old.id == row.id) {
            Some(old) => *old = row,
            None => board.rows.push(row),
        }
    }
    if let Some(order) = change.order {
        board.rows.retain(|row| order.contains(&row.id));
        board.rows.sort_by_key(|row| order.iter().position(|id| *id == row.id));
    }
    board.revision = change.revision;
    board.summary = change.summary;
}

/// What must be the same whoever looks, and when.
fn essence(board: &Board) -> Vec<(String, String, State, Option<Millis>)> {
    board.rows.iter().map(|row| (row.id.clone(), row.name.clone(), row.state, row.last_check_ms)).collect()
}

#[tokio::test]
async fn changes_lead_to_the_board_as_it_is() {
    let (one, two) = (Server::start(), Server::start());
    let house = House::with(&[tcp("one", one.address), tcp("two", two.address)]);
    let screens = house.screens();
    let mut board = screens.board();
    let mut interest = screens.interest(board.revision);
    for step in 0..4 {
        match step {
            1 => house.configure(&[tcp("two", two.address), tcp("three", one.address), tcp("one", one.address)]),
            2 => screens.pause(&[board.rows[0].id.clone()], None).await.expect("paused"),
            3 => house.configure(&[tcp("three", one.address)]),
            _ => {}
        }
        // Whatever happened, following the changes for a while leads to what a new look gives.
        let mut same = false;
        for _ in 0..60 {
            apply(&mut board, interest.next().await);
            let now = screens.board();
            same = essence(&now) == essence(&board) && now.revision == board.revision && !board.rows.is_empty();
            let wanted = [2, 3, 3, 1][step];
            if same && now.rows.len() == wanted {
                break;
            }
            same = false;
        }
        assert!(same, "step {step}: {:?}", essence(&board));
    }
}

#[tokio::test]
async fn changes_come_at_most_four_times_a_second() {
    let server = Server::start();
    let monitors: Vec<String> = (0..40).map(|n| tcp(&format!("m{n}"), server.address)).collect();
    let house = House::with(&monitors);
    let screens = house.screens();
    let mut interest = screens.interest(screens.board().revision);
    let count = async {
        let mut count = 0;
        loop {
            interest.next().await;
            count += 1;
            tokio::task::yield_now().await;
            if count > 50 {
                return count;
            }
        }
    };
    // Forty checks a second change something all the time; in three seconds there are twelve looks and a first one.
    assert!(tokio::time::timeout(Duration::from_secs(3), count).await.is_err(), "more than 50 in 3 s");
    let mut interest = screens.interest(screens.board().revision);
    let mut counted = 0;
    let _ = tokio::time::timeout(Duration::from_secs(3), async {
        loop {
            interest.next().await;
            counted += 1;
        }
    })
    .await;
    assert!((4..=13).contains(&counted), "{counted} in 3 s");
}

#[tokio::test]
async fn figures_pages_and_charts_tell_what_was_checked() {
    let (up, down) = (Server::start(), Server::start());
    let house = House::with(&[tcp("up", up.address), tcp("down", down.address)]);
    let screens = house.screens();
    let id = |name: &str| screens.board().rows.iter().find(|row| row.name == name).expect("there").id.clone();
    until("both are up", || screens.board().summary.counts.up == 2).await;
    down.stop();
    until("one is down", || screens.board().summary.counts.down == 1).await;
    until("it is on disk", || screens.board().summary.storage.last_write_ms.is_some()).await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    let now = screens.board().summary.now_ms.0;

    let incidents = screens.incidents(None, Millis(now - DAY_MS), Millis(now + DAY_MS), 10).await.expect("incidents");
    assert_eq!(incidents.incidents.len(), 1, "{incidents:?}");
    assert_eq!((incidents.incidents[0].monitor_name.as_str(), incidents.incidents[0].ended_ms), ("down", None));
    assert_eq!(screens.board().summary.open_incidents, 1);

    let page = screens.monitor_page(&id("down")).await.expect("page");
    assert_eq!(page.tiles.len(), Window::ALL.len());
    let day = &page.tiles[0];
    assert!(day.uptime.is_some_and(|uptime| uptime < Share(1.0)), "{day:?}");
    assert!(day.since_ms.is_some(), "younger than a day");
    assert!(page.source.keeps_history && page.source.note.is_none(), "{:?}", page.source);

    let results = screens.results(&id("down"), 2, None).await.expect("results");
    assert_eq!(results.results.len(), 2);
    let next = screens.results(&id("down"), 5_000, results.next).await.expect("more results");
    assert!(next.results[0].time_ms < results.results[1].time_ms, "goes on where the page ended");
    assert!(next.results.last().is_some_and(|first| first.verdict == Verdict::Up), "{next:?}");

    let series = screens.series(&id("down"), Millis(now - 60_000.0), Millis(now), 60).await.expect("series");
    let columns = [series.start_ms.len(), series.checks.len(), series.p50_us.len(), series.down.len()];
    assert!(columns.iter().all(|length| *length == columns[0] && *length > 0 && *length <= 60), "{columns:?}");
    assert!(series.checks.iter().sum::<u64>() >= 3 && series.failed.iter().sum::<u64>() >= 2, "{series:?}");
    assert_eq!(series.outages.len(), 1);
    let parts = screens.parts(&id("up"), Millis(now - 60_000.0), Millis(now), 60).await.expect("parts");
    assert_eq!(
        parts.start_ms,
        screens.series(&id("up"), Millis(now - 60_000.0), Millis(now), 60).await.expect("s").start_ms
    );
    assert!(parts.lines.iter().any(|line| line.key == "phase_connect" && line.stacked), "{parts:?}");

    let rows = screens.row_histories(&[id("up"), id("down"), "gone".to_owned()]).await.expect("rows");
    assert_eq!(rows.len(), 2, "one that is gone is left out");
    assert_eq!((rows[0].spark_us.len(), rows[0].spark_state.len(), rows[0].days.len()), (48, 48, 30));
    assert_eq!((rows[0].spark_state[47], rows[1].spark_state[47]), (State::Up, State::Down));
    assert_eq!(rows[0].uptime, Some(Share(1.0)));

    let days = screens.days(None, 30).await.expect("days");
    let today = days.last().expect("today");
    assert!(today.up > Share(0.0) && today.down > Share(0.0) && today.incidents == 1, "{today:?}");
    let of_one = screens.days(Some(Scope::Monitor(id("up"))), 7).await.expect("days of one");
    assert_eq!((of_one.len(), of_one[6].down), (7, Share(0.0)));
    let of_group = screens.days(Some(Scope::Group("all".to_owned())), 7).await.expect("days of a group");
    assert!(of_group[6].down > Share(0.0), "{of_group:?}");
    let figures = screens.figures(Window::Day).await.expect("figures");
    assert!(figures.uptime.is_some_and(|uptime| uptime < Share(1.0)) && figures.p95_us.is_some(), "{figures:?}");
    assert_eq!((figures.incidents, figures.quiet_since_ms), (1, None));

    screens.acknowledge(&incidents.incidents[0].id, "restarting it").await.expect("acknowledged");
    let seen = screens.incidents(None, Millis(now - DAY_MS), Millis(now + DAY_MS), 10).await.expect("incidents");
    let note = seen.incidents[0].acknowledged.as_ref().map(|seen| seen.note.as_str());
    assert_eq!(note, Some("restarting it"), "found at once");
}

#[tokio::test]
async fn a_person_pauses_resumes_checks_and_mutes() {
    let server = Server::start();
    let house = House::with(&[format!("{{name: slow, type: tcp, target: \"{}\", interval: 1h}}", server.address)]);
    let screens = house.screens();
    until("it is up", || screens.board().summary.counts.up == 1).await;
    let row = screens.board().rows[0].clone();
    let before = server.accepted();
    screens.check_now(&[]).expect("checked");
    until("it is checked again", || server.accepted() > before).await;

    let now = screens.board().summary.now_ms.0;
    screens.pause(std::slice::from_ref(&row.id), Some(Millis(now + 3_600_000.0))).await.expect("paused");
    let paused = screens.board().rows[0].clone();
    assert_eq!((paused.state, paused.paused_until_ms), (State::Paused, Some(Millis(now + 3_600_000.0))));
    assert!(screens.pause(std::slice::from_ref(&row.id), Some(Millis(now - 1.0))).await.is_err(), "the end has passed");
    screens.resume(&[]).await.expect("resumed");
    until("it is up again", || screens.board().summary.counts.up == 1).await;

    let other = Server::start();
    let lines = [tcp("slow", server.address), tcp("other", other.address)];
    house.configure(&lines);
    until("both are there", || screens.board().summary.counts.up == 2).await;
    let retired = screens.board().rows.iter().find(|row| row.name == "other").expect("there").id.clone();
    screens.pause(std::slice::from_ref(&retired), None).await.expect("paused");
    let now = screens.board().summary.now_ms.0;
    screens.pause(&[], Some(Millis(now + 3_600_000.0))).await.expect("all paused");
    let until_of = |id: &str| screens.board().rows.iter().find(|row| row.id == id).expect("there").paused_until_ms;
    assert_eq!(until_of(&retired), None, "what was paused until resumed stays so");
    screens.resume(&[]).await.expect("all resumed");
    let counts = screens.board().summary.counts;
    assert_eq!(counts.paused, 1, "{counts:?}");
    screens.resume(&[]).await.expect("every one");
    assert_eq!(screens.board().summary.counts.paused, 0);

    assert_eq!(screens.muted_until(), None);
    screens.mute(Some(Millis(now + 60_000.0)));
    assert_eq!(screens.board().summary.muted_until_ms, Some(Millis(now + 60_000.0)));
    screens.mute(None);
    assert_eq!(screens.board().summary.muted_until_ms, None);
}
