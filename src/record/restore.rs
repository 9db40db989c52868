//! The snapshot of everything that must outlive the process, and the way back: snapshot, then the journal's rows that
//! came after it.
//!
//! The rows are taken as they are. A result counts for runs, and states change by it only where no threshold is asked;
//! that an incident was opened or closed is said by its own row. So a replay does not depend on what the thresholds
//! are by now.

use std::collections::HashMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::live::{Entry, Live, Pause, subject};
use super::machine::Machine;
use super::recent::Recent;
use super::recorder::Recorder;
use crate::model::{CheckResult, Facts, Gap, GapReason, Monitor, MonitorId, Row, Span, UnixMicros};

/// So many rows after the last snapshot make a new one worth while, so that the way back stays short.
const LONGEST_REPLAY: u64 = 20_000;

/// What is kept of one monitor.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct SavedMonitor {
    /// Whose it is.
    pub(super) id: MonitorId,
    /// What was watched, as a checksum; none where only results are known.
    subject: Option<u32>,
    /// State, runs, open incident.
    pub(super) machine: Machine,
    /// The last result, without its facts.
    last: Option<CheckResult>,
    /// The pause in force.
    pub(super) pause: Option<Pause>,
    /// Results that were replayed.
    #[serde(skip)]
    recent: Option<Box<Recent>>,
}

impl SavedMonitor {
    fn new(id: MonitorId, at: UnixMicros) -> Self {
        Self { id, subject: None, machine: Machine::new(at), last: None, pause: None, recent: None }
    }

    fn of(entry: &Entry) -> Self {
        Self {
            id: entry.monitor.id,
            subject: Some(entry.subject),
            machine: entry.machine.clone(),
            last: entry.last.as_ref().map(without_facts),
            pause: entry.pause.as_deref().copied(),
            recent: None,
        }
    }

    fn replay_result(&mut self, result: CheckResult) {
        // A paused monitor has no results: it was resumed since.
        self.pause = self.pause.filter(|pause| result.time <= pause.from);
        self.machine.observe(&result);
        self.replay_point(&result);
        self.last = Some(result);
    }

    fn replay_point(&mut self, result: &CheckResult) {
        let recent = self.recent.get_or_insert_with(|| Box::new(Recent::new()));
        recent.push(result.time, result.duration_us, result.verdict);
    }

    fn replay_gap(&mut self, gap: &Gap) {
        self.machine.interrupted();
        if let Some(pause) = self.pause.as_mut().filter(|pause| pause.from == gap.span.from) {
            pause.written = pause.written.max(gap.span.to);
        }
    }

    fn replay_subject(&mut self, now_watched: u32, at: UnixMicros) {
        if self.subject.is_some_and(|subject| subject != now_watched) {
            self.machine.restart(at);
            self.last = None;
        }
        self.subject = Some(now_watched);
    }

    /// Half-made runs do not outlive a time that the last result cannot speak for.
    fn away_until(&mut self, now: UnixMicros) {
        if self.last.as_ref().is_none_or(|last| now.since_us(last.time) > last.reach_us()) {
            self.machine.interrupted();
        }
    }

    /// The entry of the monitor that has this id now.
    pub(super) fn into_entry(self, monitor: &Arc<Monitor>) -> Entry {
        let mut entry = Entry::new(Arc::clone(monitor), self.machine.since());
        entry.subject = self.subject.unwrap_or(entry.subject);
        entry.machine = self.machine;
        entry.pause = self.pause.map(Box::new);
        match (self.recent, &self.last) {
            (Some(recent), _) => entry.recent = *recent,
            (None, Some(last)) => entry.recent.push(last.time, last.duration_us, last.verdict),
            (None, None) => {}
        }
        entry.stale = self.last.is_some();
        entry.last = self.last;
        entry
    }
}

fn without_facts(result: &CheckResult) -> CheckResult {
    CheckResult { facts: Facts::new(), message: result.message.clone(), ..*result }
}

/// Everything the recorder knows that must outlive the process.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Recorded {
    /// When it was taken; [`UnixMicros::MIN`] for never.
    pub taken: UnixMicros,
    /// Number of a journal row before which everything is in it.
    pub journal_position: u64,
    /// What is kept of each monitor.
    pub monitors: Vec<SavedMonitor>,
    /// Instance-wide gaps that were running.
    pub gaps: Vec<Gap>,
}

impl Default for Recorded {
    fn default() -> Self {
        Self { taken: UnixMicros::MIN, journal_position: 0, monitors: Vec::new(), gaps: Vec::new() }
    }
}

/// What [`Recorder::restore`] found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Restored {
    /// Monitors with something to restore.
    pub monitors: usize,
    /// Rows that were replayed.
    pub rows: u64,
    /// The last sign of life; none for a new instance.
    pub last_alive: Option<UnixMicros>,
}

/// The way back, while it lasts.
struct Replay {
    /// The snapshot, without those whose last result came again.
    snapshot: HashMap<MonitorId, SavedMonitor>,
    /// Monitors that a row said something of.
    changed: HashMap<MonitorId, SavedMonitor>,
    running: Vec<Gap>,
    gap_keys: Vec<UnixMicros>,
    last_alive: UnixMicros,
}

impl Replay {
    fn monitor(&mut self, id: MonitorId, at: UnixMicros) -> &mut SavedMonitor {
        let saved = || self.snapshot.get(&id).cloned().unwrap_or_else(|| SavedMonitor::new(id, at));
        self.changed.entry(id).or_insert_with(saved)
    }

    fn result(&mut self, result: CheckResult) {
        let id = result.monitor;
        self.last_alive = self.last_alive.max(result.time.plus_us(result.duration_us));
        let last = self.snapshot.get(&id).and_then(|saved| saved.last.as_ref());
        if last.is_none_or(|last| last.time != result.time) {
            self.monitor(id, result.time).replay_result(result);
            return;
        }
        // This result is in the snapshot, and so was everything before it.
        if let Some(mut saved) = self.snapshot.remove(&id) {
            saved.recent = self.changed.remove(&id).and_then(|changed| changed.recent);
            saved.replay_point(&result);
            saved.last = Some(result);
            self.changed.insert(id, saved);
        }
    }

    fn row(&mut self, row: Row) {
        match row {
            Row::Result(result) => self.result(result),
            Row::Incident(incident) => {
                self.monitor(incident.monitor, incident.opened).machine.replay_incident(incident);
            }
            Row::Gap(gap) if gap.monitor.is_all() => self.instance_gap(gap),
            Row::Gap(gap) => {
                self.last_alive = self.last_alive.max(gap.span.to);
                self.monitor(gap.monitor, gap.span.from).replay_gap(&gap);
            }
            Row::Monitor(known) => {
                let watched = subject(&known.kind, &known.target);
                self.monitor(known.id, known.last_seen).replay_subject(watched, known.last_seen);
            }
            Row::Forget(id, _) => {
                self.snapshot.remove(&id);
                self.changed.remove(&id);
            }
            Row::Rollup(_) => {}
        }
    }

    fn instance_gap(&mut self, gap: Gap) {
        self.last_alive = self.last_alive.max(gap.span.to);
        self.gap_keys.push(gap.span.from);
        if let Some(running) = self.running.iter_mut().find(|running| running.span.from == gap.span.from) {
            running.span.to = running.span.to.max(gap.span.to);
        }
        let interrupts = match gap.reason {
            GapReason::Asleep | GapReason::Overload => true,
            // Targets on this machine are watched meanwhile: only the row that begins it interrupts, not its growth.
            GapReason::Offline => gap.span.is_empty(),
            _ => false,
        };
        if interrupts {
            let known = self.snapshot.values_mut().chain(self.changed.values_mut());
            known.for_each(|saved| saved.machine.interrupted());
        }
    }
}

impl Recorder {
    /// Brings back what was known: the snapshot, the rows that the journal has from its position on, and the last sign
    /// of life besides those. Rows that are in the snapshot already do no harm. To be called once, before the first [`set_monitors`](Self::set_monitors), which claims
    /// what was restored; it comes back marked stale. The time in which Hall Monitor did not run becomes a gap.
    ///
    /// A clock that was set back meanwhile gives no gap rather than one of negative length.
    pub fn restore(
        &self,
        recorded: Recorded,
        alive: Option<UnixMicros>,
        rows: impl IntoIterator<Item = Row>,
    ) -> Restored {
        let now = self.clock.wall();
        let mut replay = Replay {
            snapshot: recorded.monitors.into_iter().map(|saved| (saved.id, saved)).collect(),
            changed: HashMap::new(),
            gap_keys: recorded.gaps.iter().map(|gap| gap.span.from).collect(),
            running: recorded.gaps,
            last_alive: recorded.taken.max(alive.unwrap_or(UnixMicros::MIN)),
        };
        let mut count = 0;
        for row in rows {
            count += 1;
            replay.row(row);
        }
        let Replay { snapshot: mut staged, changed, running, gap_keys, last_alive } = replay;
        staged.extend(changed);
        staged.values_mut().for_each(|saved| saved.away_until(now));
        let restored = Restored {
            monitors: staged.len(),
            rows: count,
            last_alive: (last_alive > UnixMicros::MIN).then_some(last_alive),
        };
        let mut live = self.live();
        live.staged = staged;
        live.saved_at = recorded.journal_position;
        gap_keys.into_iter().for_each(|from| live.remember_gap_key(from));
        live.touch();
        for gap in running {
            let to = gap.span.to.max(last_alive.min(now));
            self.write_gap(Gap { span: Span::new(gap.span.from, to), ..gap });
        }
        drop(live);
        if let Some(from) = restored.last_alive {
            self.gap_ended(from, now, GapReason::NotRunning);
        }
        restored
    }

    /// Everything that must outlive the process, as of this moment; [`dirty`](Self::dirty) is false afterwards. Make
    /// the journal durable before this is written to a file: the file must never be ahead of the journal.
    #[must_use]
    pub fn snapshot(&self) -> Recorded {
        let taken = self.clock.wall();
        let mut live = self.live();
        let journal_position = self.sink.position();
        live.saved_at = journal_position;
        live.unsaved = false;
        let Live { entries, staged, gaps, .. } = &*live;
        let monitors = entries.iter().map(SavedMonitor::of).chain(staged.values().cloned()).collect();
        Recorded { taken, journal_position, monitors, gaps: gaps.clone() }
    }

    /// The last snapshot was not written after all.
    pub fn not_saved(&self) {
        self.live().unsaved = true;
    }

    /// Whether a new snapshot is worth while: something besides results changed, or the journal has many rows more.
    #[must_use]
    pub fn dirty(&self) -> bool {
        let live = self.live();
        live.unsaved || self.sink.position().saturating_sub(live.saved_at) >= LONGEST_REPLAY
    }
}
