//! What comes back after a restart: from the snapshot, from the journal's rows after it, and through the state file.

use std::sync::{Arc, Mutex};

use hallmonitor::clock::{Clock, SetClock};
use hallmonitor::model::{
    Acknowledgement, CheckResult, Gap, GapReason, IncidentEnd, KnownMonitor, MonitorId, Row, Span, State, UnixMicros,
};
use hallmonitor::record::{AliveFile, Board, BoardRow, DataFolder, LocalState, Recorded, RowSink, StateFile};
use uuid::Uuid;

use crate::house::{House, MINUTE, Rows, SECOND, START, edited, minute, monitor, seen};

/// What of a row must be the same after a restart: all but the mark of staleness and what a snapshot leaves out.
#[derive(Debug, Clone, PartialEq)]
struct Essence {
    monitor: MonitorId,
    state: State,
    since: UnixMicros,
    failures_in_row: u32,
    last: Option<CheckResult>,
}

fn essence(board: &Board) -> Vec<Essence> {
    let of = |row: BoardRow| Essence {
        monitor: row.monitor.id,
        state: row.state,
        since: row.since,
        failures_in_row: row.failures_in_row,
        last: row.last,
    };
    board.snapshot().into_iter().map(of).collect()
}

#[test]
fn a_restart_gives_the_same_board_with_or_without_a_last_snapshot() {
    let words = ["uuu", "ddd", "ud", "ddu", "ggg", "iiii", "uiiiii", "dd", "duduu", "", "ddduuddd"];
    let monitors: Vec<_> = (1..).zip(words).map(|(number, _)| monitor(number, 2, 2)).collect();
    let listed: Vec<_> = monitors.iter().collect();
    for (early_snapshot_after, lag) in (0..9).flat_map(|step| [(step, 0), (step, 7), (step, 1_000)]) {
        let mut house = House::with(&listed);
        let mut snapshot = house.recorder.snapshot();
        for step in 0..8 {
            if step == early_snapshot_after {
                snapshot = house.recorder.snapshot();
            }
            house.clock.advance_us(MINUTE);
            for (monitor, word) in monitors.iter().zip(words) {
                if let Some(letter) = word.chars().nth(step) {
                    house.after(0, monitor, seen(letter));
                }
            }
        }
        let before = essence(&house.board);
        let incidents = house.rows.incidents();
        // A position that lags behind brings rows that are in the snapshot already.
        snapshot.journal_position = snapshot.journal_position.saturating_sub(lag);
        house = house.crash(snapshot, 0, &listed);
        let mut after = essence(&house.board);
        // One whose last result speaks no more for now loses its half-made run.
        for ((after, before), word) in after.iter_mut().zip(&before).zip(words) {
            if word == "ud" {
                assert_eq!((before.failures_in_row, after.failures_in_row), (1, 0), "a run of six minutes ago");
                after.failures_in_row = 1;
            }
        }
        assert_eq!(after, before, "snapshot after step {early_snapshot_after}");
        assert_eq!(house.rows.incidents(), incidents, "a restart writes no incident");
        let stale = |row: &BoardRow| row.stale == row.last.is_some();
        assert!(house.board.snapshot().iter().all(stale));
    }
}

#[test]
fn an_open_incident_goes_on_after_a_restart() {
    let web = monitor(1, 2, 1);
    let mut house = House::with(&[&web]);
    house.minutes(&web, "udd");
    let snapshot = house.recorder.snapshot();
    house = house.crash(snapshot, 30 * SECOND, &[&web]);
    assert!(house.row(&web).stale);
    house.after(SECOND, &web, seen('d'));
    assert!(!house.row(&web).stale);
    assert_eq!(house.rows.incidents().len(), 1);
    assert!(house.rows.incidents()[0].is_open());
    assert!(house.heard_states().is_empty(), "no alarm a second time");
    house.minutes(&web, "u");
    assert_eq!(house.rows.incidents()[0].end, IncidentEnd::Recovered(house.clock.wall()));
}

#[test]
fn an_incident_whose_end_nobody_saw_ends_unknown() {
    let web = monitor(1, 2, 1);
    let house = House::with(&[&web]);
    house.minutes(&web, "udd");
    let snapshot = house.recorder.snapshot();
    let house = house.crash(snapshot, 600 * MINUTE, &[&web]);
    assert_eq!(house.state(&web), State::Down);
    house.after(SECOND, &web, seen('u'));
    assert_eq!(house.rows.incidents()[0].end, IncidentEnd::Unknown(minute(3)));
    assert_eq!(house.state(&web), State::Up);
}

#[test]
fn the_time_of_absence_is_a_gap_from_the_last_sign_of_life() {
    let web = monitor(1, 2, 1);
    let house = House::with(&[&web]);
    house.recorder.gap_started(START, GapReason::Offline);
    let snapshot = house.recorder.snapshot();
    house.minutes(&web, "uu");
    let newest = house.clock.wall().plus_us(5_000);
    let house = house.crash(snapshot, 60 * MINUTE, &[&web]);
    let now = house.clock.wall();
    let of = |from, to, reason| Gap { monitor: MonitorId::ALL, span: Span::new(from, to), reason };
    let expected = [of(START, newest, GapReason::Offline), of(newest, now, GapReason::NotRunning)];
    assert_eq!(house.rows.gaps(), expected);

    // A sign of life after the newest row; then a clock that was set back while away.
    let snapshot = house.recorder.snapshot();
    let alive = now.plus_us(40 * SECOND);
    for (back, gaps) in [(false, 3), (true, 2)] {
        let clock = Arc::new(SetClock::at(if back { START } else { now.plus_us(MINUTE) }));
        let rows = Arc::new(Rows(Mutex::new(house.rows.all())));
        let next = House::over(clock, rows);
        let restored = next.recorder.restore(snapshot.clone(), Some(alive), []);
        assert_eq!(restored.last_alive, Some(alive));
        next.set(&[&web]);
        assert_eq!(next.rows.gaps().len(), gaps);
        if !back {
            assert_eq!(next.rows.gaps()[2], of(alive, now.plus_us(MINUTE), GapReason::NotRunning));
        }
        next.minutes(&web, "ddu");
        let incident = next.rows.incidents().pop().expect("one");
        assert!(incident.opened <= incident.confirmed && incident.confirmed <= incident.span(now).to);
    }
}

#[test]
fn a_new_instance_has_no_absence() {
    let house = House::over(Arc::new(SetClock::at(START)), Arc::default());
    let restored = house.recorder.restore(Recorded::default(), None, []);
    assert_eq!((restored.last_alive, restored.monitors, restored.rows), (None, 0, 0));
    assert!(house.rows.all().is_empty());
}

#[test]
fn what_was_removed_or_retargeted_while_away_ends_unknown() {
    let (web, mail, dns) = (monitor(1, 1, 1), monitor(2, 1, 1), monitor(3, 1, 1));
    let house = House::with(&[&web, &mail, &dns]);
    for monitor in [&web, &mail, &dns] {
        house.minutes(monitor, "d");
    }
    let snapshot = house.recorder.snapshot();
    // An edit after the snapshot is in the journal.
    let moved_before = edited(&dns, |monitor| monitor.target = "localhost:7".into());
    house.set(&[&web, &mail, &moved_before]);
    let known = KnownMonitor {
        id: dns.id,
        name: dns.name.clone(),
        group: dns.group.clone(),
        kind: dns.kind.into(),
        target: moved_before.target.clone(),
        first_seen: START,
        last_seen: house.clock.wall(),
    };
    house.rows.push(&Row::Monitor(known));
    house.minutes(&moved_before, "d");
    let moved = edited(&mail, |monitor| monitor.target = "localhost:99".into());
    let house = house.crash(snapshot, 0, &[&moved, &moved_before]);
    let ends: Vec<_> = house.rows.incidents().into_iter().map(|incident| (incident.monitor, incident.end)).collect();
    assert_eq!(
        ends,
        [
            (web.id, IncidentEnd::Unknown(minute(1))),
            (mail.id, IncidentEnd::Unknown(minute(2))),
            (dns.id, IncidentEnd::Unknown(minute(3))),
            (dns.id, IncidentEnd::Open),
        ]
    );
    assert_eq!(house.state(&moved), State::Pending);
    assert_eq!(house.state(&moved_before), State::Down);
}

#[test]
fn a_pause_outlives_a_restart() {
    let (web, mail) = (monitor(1, 1, 1), monitor(2, 1, 1));
    let house = House::with(&[&web, &mail]);
    house.minutes(&web, "u");
    let paused_at = house.clock.wall();
    house.recorder.pause(&[web.id, mail.id], None);
    assert!(house.recorder.dirty());
    let snapshot = house.recorder.snapshot();
    // This one was resumed after the snapshot; its result proves it.
    house.recorder.resume(&[mail.id]);
    house.minutes(&mail, "u");
    let house = house.crash(snapshot, 30 * MINUTE, &[&web, &mail]);
    assert_eq!((house.state(&web), house.state(&mail)), (State::Paused, State::Up));
    house.recorder.resume(&[web.id]);
    let gap = Gap { monitor: web.id, span: Span::new(paused_at, house.clock.wall()), reason: GapReason::Paused };
    assert!(house.rows.gaps().contains(&gap));
    assert_eq!(house.state(&web), State::Up);
}

#[test]
fn a_network_that_went_drops_half_made_runs_of_rows_too() {
    let (web, local) = (monitor(1, 2, 1), monitor(2, 2, 1));
    let mut house = House::with(&[&web, &local]);
    let snapshot = house.recorder.snapshot();
    house.minutes(&web, "ud");
    house.after(0, &local, seen('u'));
    house.recorder.interrupted();
    house.recorder.gap_started(house.clock.wall(), GapReason::Offline);
    // One on this machine is watched meanwhile; what is written of the gap as it grows is nothing to it.
    house.after(30 * SECOND, &local, seen('d'));
    house.clock.advance_us(30 * SECOND);
    house.recorder.heartbeat(house.clock.wall());
    let before = essence(&house.board);
    house = house.crash(snapshot, SECOND, &[&web, &local]);
    assert_eq!(essence(&house.board), before);
    house.after(SECOND, &web, seen('d'));
    house.after(SECOND, &local, seen('d'));
    assert_eq!((house.state(&web), house.state(&local)), (State::Up, State::Down));
}

#[test]
fn only_what_is_worth_it_makes_a_new_snapshot() {
    let web = monitor(1, 2, 1);
    let house = House::with(&[&web]);
    assert!(house.recorder.dirty(), "the list is new");
    let _ = house.recorder.snapshot();
    assert!(!house.recorder.dirty());
    house.minutes(&web, "u");
    assert!(house.recorder.dirty(), "up");
    let _ = house.recorder.snapshot();
    house.minutes(&web, "uuuuuuuu");
    assert!(!house.recorder.dirty(), "results alone are not");
    house.recorder.not_saved();
    assert!(house.recorder.dirty());
    let _ = house.recorder.snapshot();
    house.minutes(&web, &"u".repeat(20_000));
    assert!(house.recorder.dirty(), "the way back is long");
}

#[test]
fn ten_thousand_monitors_go_through_the_state_file() {
    let dir = tempfile::tempdir().expect("folder");
    let folder = DataFolder::hold(&dir.path().join("data")).expect("held");
    let monitors: Vec<_> = (1..=10_000).map(|number| monitor(number, 1, 1)).collect();
    let listed: Vec<_> = monitors.iter().collect();
    let house = House::with(&listed);
    house.clock.advance_us(MINUTE);
    for (number, monitor) in monitors.iter().enumerate() {
        house.after(10, monitor, seen(if number % 100 == 0 { 'd' } else { 'u' }));
    }
    let counts = house.board.counts();
    assert_eq!((counts.monitors, counts.up, counts.down), (10_000, 9_900, 100));
    let before = essence(&house.board);

    let mut state = LocalState::new(Uuid::from_u128(9), "lab".into());
    state.recorded = house.recorder.snapshot();
    let file = StateFile::new(folder.path());
    file.save(&state).expect("saved");
    AliveFile::new(folder.path(), Uuid::from_u128(3)).write(house.clock.wall()).expect("written");
    let size = std::fs::metadata(folder.path().join("state.hms")).expect("there").len();
    assert!(size < 2_000_000, "{size} bytes");
    drop(folder);

    let folder = DataFolder::hold(&dir.path().join("data")).expect("held again");
    let loaded = StateFile::new(folder.path()).load().expect("loads");
    assert!(loaded.set_aside.is_empty(), "{:?}", loaded.set_aside);
    let loaded = loaded.state.expect("there");
    assert_eq!(loaded.instance, state.instance);
    let alive = AliveFile::read(folder.path()).expect("there");
    house.clock.advance_us(SECOND);
    let next = House::over(Arc::clone(&house.clock), Arc::default());
    let restored = next.recorder.restore(loaded.recorded, Some(alive.at), []);
    assert_eq!(restored.monitors, 10_000);
    next.set(&listed);
    assert_eq!(essence(&next.board), before);
    assert_eq!(next.rows.all().len(), 1, "nothing but the gap of a second");
}

#[test]
fn an_open_incident_can_be_acknowledged() {
    let web = monitor(1, 1, 1);
    let house = House::with(&[&web]);
    house.minutes(&web, "d");
    let id = house.row(&web).incident.expect("open");
    let seen_by = Acknowledgement { by: "ada\n".into(), at: house.clock.wall(), note: "cable\0".into() };
    assert!(house.recorder.acknowledge(id, seen_by.clone()));
    let snapshot = house.recorder.snapshot();
    let house = house.crash(snapshot, SECOND, &[&web]);
    house.minutes(&web, "u");
    let incident = house.rows.incidents()[0].clone();
    let acknowledged = incident.acknowledged.expect("kept over a restart");
    assert_eq!((acknowledged.by.as_str(), acknowledged.note.as_str()), ("ada", "cable"));
    assert!(!house.recorder.acknowledge(incident.id, seen_by), "closed");
}
