//! A recorder with clocks set by hand and a journal in memory.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use hallmonitor::clock::{Clock, SetClock};
use hallmonitor::event::{Event, Events};
use hallmonitor::model::{
    CheckResult, Failure, Gap, Incident, Monitor, MonitorId, Row, State, Thresholds, UnixMicros, Verdict,
};
use hallmonitor::probe::Observation;
use hallmonitor::record::{Board, BoardRow, Recorded, Recorder, RowSink};
use tokio::sync::broadcast::Receiver;
use uuid::Uuid;

pub const SECOND: u64 = 1_000_000;
pub const MINUTE: u64 = 60 * SECOND;
pub const START: UnixMicros = UnixMicros::new(1_700_000_000_000_000);

/// A journal that keeps its rows in memory.
#[derive(Debug, Default)]
pub struct Rows(pub Mutex<Vec<Row>>);

impl Rows {
    pub fn all(&self) -> Vec<Row> {
        self.0.lock().expect("not poisoned").clone()
    }

    pub fn results(&self) -> Vec<CheckResult> {
        let of = |row| if let Row::Result(result) = row { Some(result) } else { None };
        self.all().into_iter().filter_map(of).collect()
    }

    /// As a store has them: a later row with the same key replaces the earlier one.
    pub fn gaps(&self) -> Vec<Gap> {
        let mut gaps = BTreeMap::new();
        for row in self.all() {
            if let Row::Gap(gap) = row {
                gaps.insert((gap.monitor, gap.span.from), gap);
            }
        }
        gaps.into_values().collect()
    }

    /// As a store has them, oldest first.
    pub fn incidents(&self) -> Vec<Incident> {
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
    fn push(&self, row: &Row) {
        self.0.lock().expect("not poisoned").push(row.clone());
    }

    fn position(&self) -> u64 {
        self.0.lock().expect("not poisoned").len() as u64
    }
}

/// One run of the recorder.
pub struct House {
    pub clock: Arc<SetClock>,
    pub rows: Arc<Rows>,
    pub recorder: Recorder,
    pub board: Arc<Board>,
    pub events: Receiver<Event>,
    pub checks: Receiver<Event>,
}

impl House {
    /// A run over what earlier runs journaled.
    pub fn over(clock: Arc<SetClock>, rows: Arc<Rows>) -> Self {
        let events = Events::new();
        let (listener, checks) = (events.listen(), events.listen_to_checks());
        let recorder =
            Recorder::new(Arc::clone(&clock) as Arc<dyn Clock>, Arc::clone(&rows) as Arc<dyn RowSink>, events);
        Self { board: recorder.board(), clock, rows, recorder, events: listener, checks }
    }

    pub fn with(monitors: &[&Arc<Monitor>]) -> Self {
        let house = Self::over(Arc::new(SetClock::at(START)), Arc::default());
        house.set(monitors);
        house
    }

    pub fn set(&self, monitors: &[&Arc<Monitor>]) {
        self.recorder.set_monitors(monitors.iter().map(|monitor| Arc::clone(monitor)).collect(), Vec::new());
    }

    /// Time passes, then a check that takes 5 ms.
    pub fn after(&self, us: u64, monitor: &Arc<Monitor>, observation: Observation) -> Option<Duration> {
        self.clock.advance_us(us);
        self.recorder.record(monitor, self.clock.wall(), 5_000, observation)
    }

    /// One check a minute for each letter: `u`p, `g` (degraded), `d`own, `i`nconclusive.
    pub fn minutes(&self, monitor: &Arc<Monitor>, word: &str) {
        for letter in word.chars() {
            self.after(MINUTE, monitor, seen(letter));
        }
    }

    pub fn state(&self, monitor: &Arc<Monitor>) -> State {
        self.row(monitor).state
    }

    pub fn row(&self, monitor: &Arc<Monitor>) -> BoardRow {
        self.board.row(monitor.id).expect("on the board")
    }

    pub fn heard(&mut self) -> Vec<Event> {
        std::iter::from_fn(|| self.events.try_recv().ok()).collect()
    }

    pub fn checked(&mut self) -> usize {
        std::iter::from_fn(|| self.checks.try_recv().ok())
            .filter(|event| matches!(event, Event::Checked { .. }))
            .count()
    }

    /// States that were announced, in order.
    pub fn heard_states(&mut self) -> Vec<(State, State)> {
        let of = |event| if let Event::StateChanged { from, to, .. } = event { Some((from, to)) } else { None };
        self.heard().into_iter().filter_map(of).collect()
    }

    /// Ends this run without another word, as a crash does; the next one starts with the given snapshot `away_us`
    /// later and finds the journal.
    pub fn crash(self, recorded: Recorded, away_us: u64, monitors: &[&Arc<Monitor>]) -> Self {
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

pub fn seen(letter: char) -> Observation {
    match letter {
        'u' => Observation::up(),
        'g' => Observation { verdict: Verdict::Degraded, ..Observation::failed(Failure::Assertion, "10 days left") },
        'd' => Observation::failed(Failure::Connect, "refused"),
        'i' => Observation::failed(Failure::Resolver, "no answer"),
        other => panic!("what is `{other}`?"),
    }
}

pub fn monitor(number: u128, failures: u32, recoveries: u32) -> Arc<Monitor> {
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

pub fn edited(monitor: &Arc<Monitor>, edit: impl FnOnce(&mut Monitor)) -> Arc<Monitor> {
    let mut edited = Monitor::clone(monitor);
    edit(&mut edited);
    Arc::new(edited)
}

pub fn minute(number: u64) -> UnixMicros {
    START.plus_us(number * MINUTE)
}
