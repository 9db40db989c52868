//! Whole sequences through the recorder: what it writes, what it says, what the board shows, and that a restart gives
//! the same again.

#![allow(clippy::expect_used, reason = "a test that cannot go on fails")]

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use hallmonitor::clock::{Clock, SetClock};
use hallmonitor::event::{Event, Events};
use hallmonitor::model::{
    Acknowledgement, CheckResult, FactKey, Failure, Gap, GapReason, Incident, IncidentEnd, KnownMonitor, Monitor,
    MonitorId, Row, Span, State, Thresholds, UnixMicros, Verdict,
};
use hallmonitor::probe::Observation;
use hallmonitor::record::{AliveFile, Board, BoardRow, DataFolder, LocalState, Recorded, Recorder, RowSink, StateFile};
use tokio::sync::broadcast::Receiver;
use uuid::Uuid;

const SECOND: u64 = 1_000_000;
const MINUTE: u64 = 60 * SECOND;
const START: UnixMicros = UnixMicros::new(1_700_000_000_000_000);

/// A journal that keeps its rows in memory.
#[derive(Debug, Default)]
struct Rows(Mutex<Vec<Row>>);

impl Rows {
    fn all(&self) -> Vec<Row> {
        self.0.lock().expect("not poisoned").clone()
    }

    fn results(&self) -> Vec<CheckResult> {
        let of = |row| if let Row::Result(result) = row { Some(result) } else { None };
        self.all().into_iter().filter_map(of).collect()
    }

    /// As a store has them: a later row with the same key replaces the earlier one.
    fn gaps(&self) -> Vec<Gap> {
        let mut gaps = BTreeMap::new();
        for row in self.all() {
            if let Row::Gap(gap) = row {
                gaps.insert((gap.monitor, gap.span.from), gap);
            }
        }
        gaps.into_values().collect()
    }

    /// As a store has them, oldest first.
    fn incidents(&self) -> Vec<Incident> {
        let mut incidents = BTreeMap::new();
        for row in self.all() {
            if let Row::Incident(incident) = row {
                incidents.insert((incident.opened, incident.id), incident);
            }
        }
        incidents.into_values().collect()
    }
}

impl RowSink for Rows {
    fn push(&self, row: Row) {
        self.0.lock().expect("not poisoned").push(row);
    }

    fn position(&self) -> u64 {
        self.0.lock().expect("not poisoned").len() as u64
    }
}

/// One run of the recorder.
struct House {
    clock: Arc<SetClock>,
    rows: Arc<Rows>,
    recorder: Recorder,
    board: Arc<Board>,
    events: Receiver<Event>,
}

impl House {
    /// A run over what earlier runs journaled.
    fn over(clock: Arc<SetClock>, rows: Arc<Rows>) -> Self {
        let events = Events::new();
        let listener = events.listen();
        let recorder =
            Recorder::new(Arc::clone(&clock) as Arc<dyn Clock>, Arc::clone(&rows) as Arc<dyn RowSink>, events);
        Self { board: recorder.board(), clock, rows, recorder, events: listener }
    }

    fn with(monitors: &[&Arc<Monitor>]) -> Self {
        let house = Self::over(Arc::new(SetClock::at(START)), Arc::default());
        house.set(monitors);
        house
    }

    fn set(&self, monitors: &[&Arc<Monitor>]) {
        self.recorder.set_monitors(monitors.iter().map(|monitor| Arc::clone(monitor)).collect(), Vec::new());
    }

    /// Time passes, then a check that takes 5 ms.
    fn after(&self, us: u64, monitor: &Arc<Monitor>, observation: Observation) -> Option<Duration> {
        self.clock.advance_us(us);
        self.recorder.record(monitor, self.clock.wall(), 5_000, observation)
    }

    /// One check a minute for each letter: `u`p, `g` (degraded), `d`own, `i`nconclusive.
    fn minutes(&self, monitor: &Arc<Monitor>, word: &str) {
        for letter in word.chars() {
            self.after(MINUTE, monitor, seen(letter));
        }
    }

    fn state(&self, monitor: &Arc<Monitor>) -> State {
        self.row(monitor).state
    }

    fn row(&self, monitor: &Arc<Monitor>) -> BoardRow {
        self.board.row(monitor.id).expect("on the board")
    }

    fn heard(&mut self) -> Vec<Event> {
        std::iter::from_fn(|| self.events.try_recv().ok()).collect()
    }

    /// States that were announced, in order.
    fn heard_states(&mut self) -> Vec<(State, State)> {
        let of = |event| if let Event::StateChanged { from, to, .. } = event { Some((from, to)) } else { None };
        self.heard().into_iter().filter_map(of).collect()
    }

    /// Ends this run without another word, as a crash does; the next one starts with the given snapshot `away_us`
    /// later and finds the journal.
    fn crash(self, recorded: Recorded, away_us: u64, monitors: &[&Arc<Monitor>]) -> Self {
        let Self { clock, rows, .. } = self;
        clock.advance_us(away_us);
        let position = usize::try_from(recorded.journal_position).expect("small");
        let rest = rows.all().split_off(position);
        let next = Self::over(clock, rows);
        next.recorder.restore(recorded, None, rest);
        next.set(monitors);
        next
    }
}

fn seen(letter: char) -> Observation {
    match letter {
        'u' => Observation::up(),
        'g' => Observation { verdict: Verdict::Degraded, ..Observation::failed(Failure::Assertion, "10 days left") },
        'd' => Observation::failed(Failure::Connect, "refused"),
        'i' => Observation::failed(Failure::Resolver, "no answer"),
        other => panic!("what is `{other}`?"),
    }
}

fn monitor(number: u128, failures: u32, recoveries: u32) -> Arc<Monitor> {
    Arc::new(Monitor {
        id: MonitorId::new(Uuid::from_u128(number)),
        name: format!("monitor {number}"),
        group: "rack".into(),
        kind: "tcp",
        target: format!("localhost:{number}"),
        interval: Duration::from_secs(60),
        timeout: Duration::from_secs(10),
        thresholds: Thresholds { failures, recoveries },
        labels: BTreeMap::from([("Owner".into(), "ops".into())]),
    })
}

fn edited(monitor: &Arc<Monitor>, edit: impl FnOnce(&mut Monitor)) -> Arc<Monitor> {
    let mut edited = Monitor::clone(monitor);
    edit(&mut edited);
    Arc::new(edited)
}

fn minute(number: u64) -> UnixMicros {
    START.plus_us(number * MINUTE)
}

#[test]
fn one_and_one_as_in_hallmonitor() {
    let web = monitor(1, 1, 1);
    let mut house = House::with(&[&web]);
    house.minutes(&web, "uduud");
    use State::{Down, Pending, Up};
    assert_eq!(house.heard_states(), [(Pending, Up), (Up, Down), (Down, Up), (Up, Down)]);
    let incidents = house.rows.incidents();
    assert_eq!(incidents.len(), 2);
    assert_eq!(incidents[0].span(START), Span::new(minute(2), minute(3)));
    assert_eq!(incidents[0].message, "refused");
    assert!(incidents[1].is_open());
}

#[test]
fn by_default_down_after_two_and_up_after_one() {
    let web = monitor(1, Thresholds::default().failures, Thresholds::default().recoveries);
    let mut house = House::with(&[&web]);
    house.minutes(&web, "u");
    assert_eq!(house.after(MINUTE, &web, seen('d')), Some(Duration::from_secs(10)));
    assert_eq!(house.state(&web), State::Up, "not confirmed");
    assert_eq!(house.row(&web).failures_in_row, 1);
    assert!(house.rows.incidents().is_empty());
    assert_eq!(house.after(10 * SECOND, &web, seen('d')), None, "confirmed");
    let row = house.row(&web);
    assert_eq!((row.state, row.since), (State::Down, minute(2)));
    let incident = house.rows.incidents()[0].clone();
    assert_eq!(row.incident, Some(incident.id));
    assert_eq!((incident.opened, incident.confirmed), (minute(2), minute(2).plus_us(10 * SECOND)));
    house.after(50 * SECOND, &web, seen('u'));
    assert_eq!(house.state(&web), State::Up);
    assert_eq!(house.rows.incidents()[0].end, IncidentEnd::Recovered(minute(3)));
    let kinds: Vec<&str> = house
        .heard()
        .iter()
        .map(|event| match event {
            Event::Checked { .. } => "checked",
            Event::StateChanged { .. } => "state",
            Event::IncidentOpened { .. } => "opened",
            Event::IncidentClosed { .. } => "closed",
            Event::MonitorsChanged => "monitors",
            _ => "other",
        })
        .collect();
    assert_eq!(
        kinds,
        ["monitors", "checked", "state", "checked", "checked", "state", "opened", "checked", "state", "closed"]
    );
}

#[test]
fn flapping_never_alarms_below_the_threshold() {
    let web = monitor(1, 2, 1);
    let house = House::with(&[&web]);
    house.minutes(&web, &"ud".repeat(100));
    assert!(house.rows.incidents().is_empty());
    assert_eq!(house.rows.results().len(), 200);
}

#[test]
fn degraded_is_shown_and_is_no_incident() {
    let web = monitor(1, 1, 1);
    let house = House::with(&[&web]);
    house.minutes(&web, "uggg");
    assert_eq!(house.state(&web), State::Degraded);
    assert_eq!(house.row(&web).last.expect("checked").message.as_ref(), "10 days left");
    assert!(house.rows.incidents().is_empty());
}

#[test]
fn a_storm_of_inconclusive_results_blames_nobody() {
    let monitors: Vec<_> = (1..=50).map(|number| monitor(number, 1, 1)).collect();
    let mut house = House::with(&monitors.iter().collect::<Vec<_>>());
    for monitor in &monitors {
        house.after(1, monitor, seen('u'));
    }
    for _ in 0..10 {
        house.clock.advance_us(MINUTE);
        for monitor in &monitors {
            assert_eq!(house.after(1, monitor, seen('i')), None);
        }
    }
    assert_eq!(house.board.counts().unobserved, 50);
    assert_eq!(house.row(&monitors[0]).gap, Some(GapReason::Offline));
    assert!(house.rows.incidents().is_empty());
    assert!(house.rows.gaps().is_empty(), "coverage derives these from the results");
    let started = house.heard().iter().filter(|event| matches!(event, Event::GapStarted { .. })).count();
    assert_eq!(started, 50);
    house.minutes(&monitors[0], "u");
    assert_eq!(house.state(&monitors[0]), State::Up);
    assert_eq!(house.row(&monitors[0]).gap, None);
    assert!(house.heard().iter().any(|event| matches!(event, Event::GapEnded { reason: GapReason::Offline, .. })));
}

#[test]
fn a_sleep_in_the_middle_of_a_failure_run_confirms_nothing() {
    let web = monitor(1, 2, 1);
    let house = House::with(&[&web]);
    house.minutes(&web, "ud");
    house.clock.sleep_us(8 * 60 * MINUTE);
    let woke = house.clock.wall();
    house.recorder.gap_ended(minute(2), woke, GapReason::Asleep);
    house.recorder.interrupted();
    house.minutes(&web, "d");
    assert_eq!(house.state(&web), State::Up, "the run starts anew");
    house.minutes(&web, "d");
    let incident = house.rows.incidents()[0].clone();
    assert_eq!(incident.opened, woke.plus_us(MINUTE));
    let asleep = Gap { monitor: MonitorId::ALL, span: Span::new(minute(2), woke), reason: GapReason::Asleep };
    assert_eq!(house.rows.gaps(), [asleep]);
}

#[test]
fn a_clock_that_is_set_gives_no_negative_times_and_no_result_twice() {
    let web = monitor(1, 2, 1);
    let house = House::with(&[&web]);
    house.minutes(&web, "uuud");
    // Back onto the very instants that are taken.
    house.clock.set_wall(START);
    house.minutes(&web, "duuuddd");
    house.clock.set_wall(START.plus_us(3_000 * MINUTE));
    house.minutes(&web, "dud");
    house.clock.set_wall(START.plus_us(2 * MINUTE));
    house.minutes(&web, "dduu");
    let mut times: Vec<_> = house.rows.results().iter().map(|result| result.time).collect();
    let count = times.len();
    times.sort_unstable();
    times.dedup();
    assert_eq!(times.len(), count, "two results have one key");
    assert_eq!(count, 18);
    let now = house.clock.wall();
    let mut spans: Vec<Span> = Vec::new();
    for incident in house.rows.incidents() {
        assert!(incident.opened <= incident.confirmed, "{incident:?}");
        let span = incident.span(now);
        assert!(incident.confirmed <= span.to, "{incident:?}");
        assert!(spans.last().is_none_or(|last| last.to <= span.from), "{spans:?} overlap {span:?}");
        spans.push(span);
    }
    assert_eq!(spans.len(), 3);
}

#[test]
fn results_of_removed_paused_and_retargeted_monitors_are_dropped() {
    let (web, mail) = (monitor(1, 1, 1), monitor(2, 1, 1));
    let house = House::with(&[&web, &mail]);
    house.recorder.pause(&[web.id], None);
    assert_eq!(house.after(SECOND, &web, seen('d')), None);
    house.recorder.resume(&[web.id]);
    let moved = edited(&web, |monitor| monitor.target = "localhost:99".into());
    house.set(&[&moved]);
    house.after(SECOND, &web, seen('d'));
    house.after(SECOND, &mail, seen('d'));
    assert!(house.rows.results().is_empty() && house.rows.incidents().is_empty());
    assert_eq!(house.board.row(mail.id), None);
    // A check that began before an edit of the interval is one of this monitor.
    let slower = edited(&moved, |monitor| monitor.interval = Duration::from_secs(600));
    house.set(&[&slower]);
    house.after(SECOND, &moved, seen('u'));
    assert_eq!(house.rows.results().len(), 1);
}

#[test]
fn no_result_slips_into_a_pause_that_comes_from_another_thread() {
    let web = monitor(1, 2, 1);
    let house = House::with(&[&web]);
    let (recorder, clock) = (&house.recorder, &house.clock);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for number in 0..20_000 {
                recorder.record(&web, clock.wall(), 5_000, seen(if number % 3 == 0 { 'd' } else { 'u' }));
            }
        });
        for _ in 0..500 {
            assert_eq!(recorder.pause(&[web.id], None), [web.id]);
            clock.advance_us(SECOND);
            assert_eq!(recorder.resume(&[web.id]), [web.id]);
        }
    });
    let mut paused = false;
    for row in house.rows.all() {
        match row {
            Row::Gap(_) => paused = !paused,
            Row::Result(result) => assert!(!paused, "{result:?} was written within a pause"),
            _ => {}
        }
    }
    assert_eq!(house.rows.gaps().len(), 500);
}

#[test]
fn removal_and_a_new_target_end_an_incident_unknown() {
    let (web, mail, dns) = (monitor(1, 1, 1), monitor(2, 1, 1), monitor(3, 1, 1));
    let mut house = House::with(&[&web, &mail, &dns]);
    for _ in 0..3 {
        house.minutes(&web, "d");
        house.after(0, &mail, seen('d'));
        house.after(0, &dns, seen('d'));
    }
    house.clock.advance_us(20 * SECOND);
    let moved = edited(&mail, |monitor| monitor.target = "localhost:99".into());
    let renamed = edited(&dns, |monitor| monitor.name = "another name".into());
    house.heard();
    house.set(&[&moved, &renamed]);
    let ends: Vec<_> = house.rows.incidents().into_iter().map(|incident| (incident.monitor, incident.end)).collect();
    assert!(ends.contains(&(web.id, IncidentEnd::Unknown(minute(3)))), "{ends:?}");
    assert!(ends.contains(&(mail.id, IncidentEnd::Unknown(minute(3)))), "{ends:?}");
    assert!(ends.contains(&(dns.id, IncidentEnd::Open)), "a rename changes nothing");
    assert_eq!(house.state(&moved), State::Pending);
    assert_eq!(house.row(&moved).last, None);
    assert_eq!(house.row(&renamed).monitor.name, "another name");
    let closed = house.heard().iter().filter(|event| matches!(event, Event::IncidentClosed { .. })).count();
    assert_eq!(closed, 2);
}

#[test]
fn a_pause_is_a_gap_that_grows_and_ends() {
    let (web, mail) = (monitor(1, 2, 1), monitor(2, 2, 1));
    let mut house = House::with(&[&web, &mail]);
    house.minutes(&web, "ud");
    let paused_at = house.clock.wall();
    let until = paused_at.plus_us(10 * MINUTE);
    assert_eq!(house.recorder.pause(&[web.id, MonitorId::new(Uuid::from_u128(77))], Some(until)), [web.id]);
    assert!(house.recorder.pause(&[web.id], Some(until)).is_empty(), "paused already");
    let row = house.row(&web);
    assert_eq!((row.state, row.paused_until, row.gap), (State::Paused, Some(until), Some(GapReason::Paused)));
    let gap = |to| Gap { monitor: web.id, span: Span::new(paused_at, to), reason: GapReason::Paused };
    assert_eq!(house.rows.gaps(), [gap(paused_at)]);
    for _ in 0..130 {
        house.clock.advance_us(SECOND);
        house.recorder.heartbeat(house.clock.wall());
        assert!(house.recorder.expire_pauses(house.clock.wall()).is_empty());
    }
    assert_eq!(house.rows.gaps(), [gap(paused_at.plus_us(2 * MINUTE))], "written once a minute");
    assert_eq!(house.rows.all().len(), 5, "two results, the gap three times");
    house.clock.advance_us(20 * MINUTE);
    assert_eq!(house.recorder.expire_pauses(house.clock.wall()), [web.id]);
    assert_eq!(house.rows.gaps(), [gap(until)]);
    assert_eq!(house.state(&web), State::Up, "as it was");
    house.minutes(&web, "d");
    assert_eq!(house.state(&web), State::Up, "the failure before the pause counts no more");
    assert!(house.recorder.resume(&[web.id]).is_empty(), "not paused");
    let up_and_paused = [(State::Pending, State::Up), (State::Up, State::Paused), (State::Paused, State::Up)];
    assert_eq!(house.heard_states(), up_and_paused);
}

#[test]
fn instance_wide_gaps_grow_and_never_share_a_key() {
    let web = monitor(1, 2, 1);
    let mut house = House::with(&[&web]);
    house.recorder.gap_started(START, GapReason::Offline);
    house.recorder.gap_started(START.plus_us(9), GapReason::Offline);
    house.recorder.gap_ended(START, START.plus_us(5 * SECOND), GapReason::Overload);
    house.clock.advance_us(MINUTE);
    house.recorder.heartbeat(house.clock.wall());
    assert_eq!(house.row(&web).gap, Some(GapReason::Offline));
    let of = |from: u64, to: u64, reason| Gap {
        monitor: MonitorId::ALL,
        span: Span::new(START.plus_us(from), START.plus_us(to)),
        reason,
    };
    let overload = of(1, 5 * SECOND, GapReason::Overload);
    assert_eq!(house.rows.gaps(), [of(0, MINUTE, GapReason::Offline), overload]);
    // The clock was set back: the end is not before what was written.
    house.recorder.gap_ended(START, START.minus_us(MINUTE), GapReason::Offline);
    assert_eq!(house.rows.gaps(), [of(0, MINUTE, GapReason::Offline), overload]);
    assert_eq!(house.row(&web).gap, None);
    house.recorder.gap_ended(START, START.minus_us(5), GapReason::Clock);
    assert_eq!(house.rows.gaps().len(), 2, "no gap of negative length");
    let heard = house.heard();
    let count = |wanted: fn(&Event) -> bool| heard.iter().filter(|event| wanted(event)).count();
    assert_eq!(count(|event| matches!(event, Event::GapStarted { .. })), 2);
    assert_eq!(count(|event| matches!(event, Event::GapEnded { .. })), 2);
}

#[test]
fn a_monitor_that_cannot_run_is_pending_and_says_why() {
    let (web, mail) = (monitor(1, 1, 1), monitor(2, 1, 1));
    let mut house = House::with(&[&web, &mail]);
    house.minutes(&web, "d");
    let unfilled = edited(&web, |monitor| monitor.target = "${secret:host}".into());
    let reason = "the vault holds no secret named `host`";
    house.recorder.set_monitors(vec![Arc::clone(&mail)], vec![(unfilled, reason.into())]);
    let row = house.row(&web);
    assert_eq!((row.state, row.pending_reason.as_deref()), (State::Pending, Some(reason)));
    assert_eq!(house.heard_states().last(), Some(&(State::Down, State::Pending)));
    assert!(house.rows.incidents()[0].is_open());
    house.set(&[&web, &mail]);
    assert_eq!(house.state(&web), State::Down, "it watches the same as before");
    house.minutes(&web, "u");
    assert_eq!(house.rows.incidents()[0].end, IncidentEnd::Recovered(minute(2)));
}

#[test]
fn what_a_probe_says_is_cleaned_and_made_consistent() {
    let web = monitor(1, 1, 1);
    let house = House::with(&[&web]);
    let mut hostile = Observation::failed(Failure::Protocol, format!("a\0b\u{202e}{}", "x".repeat(5_000)));
    hostile.duration_us = Some(7);
    hostile.facts.set(FactKey::HttpStatus, 500);
    house.after(SECOND, &web, hostile);
    let down_by_us = Observation { verdict: Verdict::Down, ..seen('i') };
    house.after(SECOND, &web, down_by_us);
    house.after(SECOND, &web, Observation { verdict: Verdict::Down, ..Observation::up() });
    house.after(SECOND, &web, Observation { verdict: Verdict::Up, ..seen('d') });
    let results = house.rows.results();
    assert!(results[0].message.starts_with("a b xxx") && results[0].message.len() <= 512);
    assert_eq!((results[0].duration_us, results[1].duration_us), (7, 5_000));
    let said: Vec<_> = results.iter().map(|result| (result.verdict, result.failure)).collect();
    assert_eq!(
        said,
        [
            (Verdict::Down, Some(Failure::Protocol)),
            (Verdict::Inconclusive, Some(Failure::Resolver)),
            (Verdict::Down, Some(Failure::Protocol)),
            (Verdict::Up, None),
        ]
    );
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

#[test]
fn the_board_speaks_documented_json() {
    let web = monitor(1, 1, 1);
    let house = House::with(&[&web]);
    let before = house.board.revision();
    house.minutes(&web, "u");
    assert!(house.board.revision() > before);
    let rows = serde_json::to_value(house.board.snapshot()).expect("json");
    let row = &rows[0];
    assert_eq!(row["monitor"], "monitor 1");
    assert_eq!(row["monitor_id"], web.id.to_string());
    assert_eq!((&row["kind"], &row["state"]), (&"tcp".into(), &"up".into()));
    assert_eq!(row["interval_us"], 60_000_000);
    assert_eq!(row["labels"]["Owner"], "ops");
    assert_eq!(row["since"], minute(1).to_string());
    assert_eq!(row["spark"][0]["duration_us"], 5_000);
    assert_eq!(row["last"]["verdict"], "up");
}

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
    for early_snapshot_after in 0..9 {
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
    house.rows.push(Row::Monitor(known));
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
