//! The door of the room: observations in, rows and events out.

use std::collections::HashMap;
use std::sync::{Arc, MutexGuard};
use std::time::Duration;

use super::board::{Board, micros};
use super::live::{Entry, Live, Unable, subject};
use super::machine::{BlindEdge, Rules};
use super::restore::SavedMonitor;
use crate::clock::Clock;
use crate::event::{Event, Events};
use crate::model::{
    Acknowledgement, CheckResult, Failure, Incident, IncidentId, Monitor, MonitorId, Row, State, UnixMicros, Verdict,
    clean_text,
};
use crate::probe::Observation;

/// Longest text of an acknowledgement, in bytes.
const NOTE_LIMIT: usize = 4096;

/// Where rows go: the journal.
pub trait RowSink: Send + Sync {
    /// Takes a row. Called under a lock, in the order in which things were decided: must be quick and never block on
    /// a disk.
    fn push(&self, row: &Row);

    /// A row number before which every row was pushed already: that of the next row, or of the next durable one.
    fn position(&self) -> u64;
}

/// Draws conclusions from results and tells them to the board, the journal and whoever listens.
pub struct Recorder {
    pub(super) board: Arc<Board>,
    pub(super) sink: Arc<dyn RowSink>,
    pub(super) events: Events,
    pub(super) clock: Arc<dyn Clock>,
}

impl std::fmt::Debug for Recorder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Recorder").field("board", &self.board).finish_non_exhaustive()
    }
}

impl Recorder {
    /// A recorder with an empty board.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>, sink: Arc<dyn RowSink>, events: Events) -> Self {
        Self { board: Arc::default(), sink, events, clock }
    }

    /// The board it writes.
    #[must_use]
    pub fn board(&self) -> Arc<Board> {
        Arc::clone(&self.board)
    }

    /// Takes what one check saw. `time` is the wall clock at its start, `duration_us` how long it ran (the
    /// observation's own value comes first). A result of a monitor that meanwhile was removed, paused or got another
    /// target is dropped.
    ///
    /// Returns after which time the monitor should be checked again because nothing is decided yet.
    pub fn record(
        &self,
        monitor: &Arc<Monitor>,
        time: UnixMicros,
        duration_us: u64,
        observation: Observation,
    ) -> Option<Duration> {
        let mut result = result_of(monitor, time, duration_us, observation);
        let mut live = self.live();
        let entry = live.entry(monitor.id)?;
        if !entry.accepts(monitor) {
            return None;
        }
        result.time = entry.recent.free(result.time);
        let before = entry.shown().0;
        let step = entry.machine.step(&Rules::of(&entry.monitor), &result);
        entry.recent.push(result.time, result.duration_us, result.verdict);
        entry.stale = false;
        entry.last = Some(self.push_result(result));
        let decided = step.opened.is_some() || step.closed.is_some() || step.blind.is_some();
        let changed = self.announce_state(entry, before);
        if let Some(incident) = step.opened {
            self.sink.push(&Row::Incident(incident.clone()));
            self.events.send(Event::IncidentOpened { incident });
        }
        if let Some(incident) = step.closed {
            self.close(incident);
        }
        if let Some(edge) = step.blind {
            self.announce_blind(monitor.id, edge);
        }
        live.touch_one(monitor.id);
        live.unsaved |= changed || decided;
        step.recheck_after
    }

    /// Journals and announces a result, and gives it back without having copied it for nobody.
    fn push_result(&self, result: CheckResult) -> CheckResult {
        let row = Row::Result(result);
        self.sink.push(&row);
        let Row::Result(result) = row else { unreachable!("made a result two lines above") };
        if self.events.checks_heard() {
            self.events.send(Event::Checked { result: result.clone() });
        }
        result
    }

    /// Says that the shown state is another one than `before`; whether it is.
    pub(super) fn announce_state(&self, entry: &Entry, before: State) -> bool {
        let (state, since) = entry.shown();
        if state == before {
            return false;
        }
        if self.events.heard() {
            let (failure, message) = why(entry, state);
            let monitor = entry.monitor.id;
            self.events.send(Event::StateChanged { monitor, from: before, to: state, since, failure, message });
        }
        true
    }

    fn announce_blind(&self, monitor: MonitorId, edge: BlindEdge) {
        self.events.send(match edge {
            BlindEdge::Began { at, reason } => Event::GapStarted { monitor, at, reason },
            BlindEdge::Ended { at, reason } => Event::GapEnded { monitor, at, reason },
        });
    }

    fn close(&self, incident: Incident) {
        self.sink.push(&Row::Incident(incident.clone()));
        self.events.send(Event::IncidentClosed { incident });
    }

    /// Sets which monitors there are: `runnable`, and those that cannot run, each with its reason. What stays as it
    /// was goes on; a changed kind or target starts anew; what is not listed any more is removed, and its open
    /// incident ends unknown. The first call after [`restore`](Self::restore) claims what was restored.
    pub fn set_monitors(&self, runnable: Vec<Arc<Monitor>>, unable: Vec<(Arc<Monitor>, String)>) {
        let now = self.clock.wall();
        let mut live = self.live();
        let mut old: HashMap<MonitorId, Entry> =
            std::mem::take(&mut live.entries).into_iter().map(|entry| (entry.monitor.id, entry)).collect();
        let mut staged = std::mem::take(&mut live.staged);
        live.index.clear();
        // Exactly: growing by doubling would leave room for thousands of monitors that never come.
        live.entries = Vec::with_capacity(runnable.len() + unable.len());
        let listed = runnable.into_iter().map(|monitor| (monitor, None));
        let listed = listed.chain(unable.into_iter().map(|(monitor, reason)| (monitor, Some(reason))));
        for (monitor, reason) in listed {
            if live.index.contains_key(&monitor.id) {
                continue;
            }
            let id = monitor.id;
            let entry = match (old.remove(&id), staged.remove(&id)) {
                (Some(entry), _) => self.changed(entry, monitor, reason, now),
                (None, Some(saved)) => self.changed(saved.into_entry(&monitor), monitor, reason, now),
                (None, None) => with_reason(Entry::new(monitor, now), reason, now),
            };
            let at = live.entries.len();
            live.entries.push(entry);
            live.index.insert(id, at);
        }
        for entry in old.into_values() {
            self.retire(entry, now);
        }
        for saved in staged.into_values() {
            self.retire_saved(saved, now);
        }
        live.paused = live.entries.iter().filter(|entry| entry.pause.is_some()).count();
        live.touch();
        live.roster_changed = live.revision;
        drop(live);
        self.events.send(Event::MonitorsChanged);
    }

    /// The entry of a monitor that was there before, under its new configuration.
    fn changed(&self, mut entry: Entry, monitor: Arc<Monitor>, reason: Option<String>, now: UnixMicros) -> Entry {
        let before = entry.shown().0;
        let subject = subject(monitor.kind, &monitor.target);
        // One that cannot run may have no full target (a secret is missing): not another one yet.
        if reason.is_none() && entry.subject != subject {
            if let Some(reason) = entry.machine.blind_reason() {
                self.announce_blind(monitor.id, BlindEdge::Ended { at: now, reason });
            }
            if let Some(incident) = entry.machine.end_unknown() {
                self.close(incident);
            }
            entry.machine.restart(now);
            entry.subject = subject;
            entry.last = None;
            entry.stale = false;
        }
        entry.monitor = monitor;
        let entry = with_reason(entry, reason, now);
        self.announce_state(&entry, before);
        entry
    }

    fn retire(&self, mut entry: Entry, now: UnixMicros) {
        let id = entry.monitor.id;
        if let Some(reason) = entry.machine.blind_reason() {
            self.announce_blind(id, BlindEdge::Ended { at: now, reason });
        }
        if let Some(incident) = entry.machine.end_unknown() {
            self.close(incident);
        }
        if let Some(pause) = entry.pause {
            self.end_pause(id, *pause, now);
        }
    }

    fn retire_saved(&self, mut saved: SavedMonitor, now: UnixMicros) {
        if let Some(incident) = saved.machine.end_unknown() {
            self.close(incident);
        }
        if let Some(pause) = saved.pause {
            self.end_pause(saved.id, pause, now);
        }
    }

    /// Watching was interrupted (sleep, a stall, no network): half-made runs of failures and successes count no more.
    pub fn interrupted(&self) {
        let mut live = self.live();
        for entry in &mut live.entries {
            entry.machine.interrupted();
        }
        live.touch();
    }

    /// A person has seen an open incident. Whether there is such an incident.
    pub fn acknowledge(&self, id: IncidentId, mut acknowledgement: Acknowledgement) -> bool {
        acknowledgement.by = clean_text(&acknowledgement.by, NOTE_LIMIT);
        acknowledgement.note = clean_text(&acknowledgement.note, NOTE_LIMIT);
        let mut live = self.live();
        let Some(incident) = live.incident_mut(id) else { return false };
        incident.acknowledged = Some(acknowledgement);
        let (monitor, row) = (incident.monitor, Row::Incident(incident.clone()));
        self.sink.push(&row);
        live.touch_one(monitor);
        live.unsaved = true;
        true
    }

    /// Start of a monitor's run of failures or successes that has not decided anything yet, if there is one: what was
    /// observed since then may still be judged otherwise.
    #[must_use]
    pub fn undecided_since(&self, id: MonitorId) -> Option<UnixMicros> {
        self.live().entry(id)?.machine.undecided_since()
    }

    pub(super) fn live(&self) -> MutexGuard<'_, Live> {
        self.board.lock()
    }
}

fn with_reason(mut entry: Entry, reason: Option<String>, now: UnixMicros) -> Entry {
    entry.unable = reason.map(|reason| {
        let since = entry.unable.as_ref().map_or(now, |unable| unable.since);
        Box::new(Unable { reason: reason.into(), since })
    });
    entry
}

/// Reason and words for the state that is shown.
fn why(entry: &Entry, state: State) -> (Option<Failure>, Box<str>) {
    match (state, &entry.unable, &entry.last) {
        (State::Paused, ..) => (None, "".into()),
        (State::Pending, Some(unable), _) => (None, unable.reason.clone()),
        (_, _, Some(last)) => (last.failure, last.message.clone()),
        (_, _, None) => (None, "".into()),
    }
}

/// The result that an observation makes. Verdict and failure agree afterwards, whatever the probe said: a fault of
/// ours is inconclusive, and nothing but `up` goes without a reason.
fn result_of(monitor: &Monitor, time: UnixMicros, duration_us: u64, observation: Observation) -> CheckResult {
    let (verdict, failure) = match (observation.verdict, observation.failure) {
        (Verdict::Up, _) => (Verdict::Up, None),
        (_, Some(failure)) if failure.is_ours() => (Verdict::Inconclusive, Some(failure)),
        (Verdict::Inconclusive, _) => (Verdict::Inconclusive, Some(Failure::Internal)),
        (verdict, failure) => (verdict, Some(failure.unwrap_or(Failure::Protocol))),
    };
    let mut result = CheckResult {
        monitor: monitor.id,
        time,
        interval_us: micros(monitor.interval),
        timeout_us: micros(monitor.timeout),
        verdict,
        duration_us: observation.duration_us.unwrap_or(duration_us),
        failure,
        message: Box::default(),
        phases: observation.phases,
        facts: observation.facts,
    };
    // It stays on the board until the next one comes.
    result.facts.shrink();
    if !observation.message.is_empty() {
        result.set_message(&observation.message);
    }
    result
}
