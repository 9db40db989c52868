//! The live state of all monitors, for screens and commands.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::{Serialize, Serializer};

use super::live::Live;
use super::recent::SparkPoint;
use crate::model::{CheckResult, Gap, GapReason, IncidentId, Monitor, MonitorId, State, UnixMicros};

/// One monitor as it is now.
///
/// In JSON the monitor's own fields (`monitor_id`, `monitor`, `group`, `kind`, `target`, `interval_us`, `timeout_us`,
/// `labels`) stand beside the others.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct BoardRow {
    /// The monitor.
    #[serde(flatten, serialize_with = "monitor_fields")]
    pub monitor: Arc<Monitor>,
    /// What it is.
    pub state: State,
    /// Since when.
    pub since: UnixMicros,
    /// Restored from an earlier run and not checked since.
    pub stale: bool,
    /// Failed checks in a row, confirmed or not.
    pub failures_in_row: u32,
    /// The last result; after a restart without its facts, until the first check.
    pub last: Option<CheckResult>,
    /// The last results, oldest first, at most 30.
    pub spark: Vec<SparkPoint>,
    /// The open incident.
    pub incident: Option<IncidentId>,
    /// Why nobody is looking, while that is so.
    pub gap: Option<GapReason>,
    /// Why it cannot run, where it cannot.
    pub pending_reason: Option<Box<str>>,
    /// When its pause ends by itself.
    pub paused_until: Option<UnixMicros>,
}

fn monitor_fields<S: Serializer>(monitor: &Arc<Monitor>, serializer: S) -> Result<S::Ok, S::Error> {
    #[derive(Serialize)]
    struct Fields<'a> {
        monitor_id: MonitorId,
        monitor: &'a str,
        group: &'a str,
        kind: &'a str,
        target: &'a str,
        interval_us: u64,
        timeout_us: u64,
        labels: &'a std::collections::BTreeMap<String, String>,
    }
    Fields {
        monitor_id: monitor.id,
        monitor: &monitor.name,
        group: &monitor.group,
        kind: monitor.kind,
        target: &monitor.target,
        interval_us: micros(monitor.interval),
        timeout_us: micros(monitor.timeout),
        labels: &monitor.labels,
    }
    .serialize(serializer)
}

/// A duration in microseconds, at most what fits.
pub(super) fn micros(duration: std::time::Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

/// How many monitors are in which state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// All of them.
    pub monitors: usize,
    /// `up`.
    pub up: usize,
    /// `degraded`.
    pub degraded: usize,
    /// `down`.
    pub down: usize,
    /// `pending`.
    pub pending: usize,
    /// `paused`.
    pub paused: usize,
    /// `maintenance`.
    pub maintenance: usize,
    /// `unobserved`.
    pub unobserved: usize,
}

impl Counts {
    fn add(&mut self, state: State) {
        self.monitors += 1;
        *match state {
            State::Up => &mut self.up,
            State::Degraded => &mut self.degraded,
            State::Down => &mut self.down,
            State::Pending => &mut self.pending,
            State::Paused => &mut self.paused,
            State::Maintenance => &mut self.maintenance,
            State::Unobserved => &mut self.unobserved,
        } += 1;
    }
}

/// What changed on the board since an earlier revision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BoardChange {
    /// The revision that it leads to.
    pub revision: u64,
    /// New and changed rows, in the order of the board.
    pub rows: Vec<BoardRow>,
    /// Every monitor in order, where monitors came, went or moved.
    pub order: Option<Vec<MonitorId>>,
}

/// The live state of all monitors. Anybody may read; only the recorder writes.
#[derive(Debug, Default)]
pub struct Board(Mutex<Live>);

impl Board {
    pub(super) fn lock(&self) -> MutexGuard<'_, Live> {
        // No write leaves the data half-made: a panic elsewhere is no reason to stop watching.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Every monitor, in the order in which they were set.
    #[must_use]
    pub fn snapshot(&self) -> Vec<BoardRow> {
        self.lock().rows()
    }

    /// What changed since a revision; all of it for revision 0.
    #[must_use]
    pub fn change_since(&self, revision: u64) -> BoardChange {
        let live = self.lock();
        let order = (live.roster_changed > revision || revision == 0)
            .then(|| live.entries.iter().map(|entry| entry.monitor.id).collect());
        let rows = if revision == 0 { live.rows() } else { live.rows_after(revision) };
        BoardChange { revision: live.revision, rows, order }
    }

    /// One monitor.
    #[must_use]
    pub fn row(&self, id: MonitorId) -> Option<BoardRow> {
        self.lock().row(id)
    }

    /// The gap of the whole instance that is running, the latest where there are several.
    #[must_use]
    pub fn gap(&self) -> Option<Gap> {
        self.lock().gaps.last().copied()
    }

    /// The monitors that are paused.
    #[must_use]
    pub fn paused(&self) -> Vec<MonitorId> {
        let live = self.lock();
        live.entries.iter().filter(|entry| entry.pause.is_some()).map(|entry| entry.monitor.id).collect()
    }

    /// The monitors in one of these states: in the order of the states, then in that of the board.
    #[must_use]
    pub fn rows_in(&self, states: &[State]) -> Vec<BoardRow> {
        let live = self.lock();
        let rows = states.iter().flat_map(|state| live.entries.iter().filter(|entry| entry.shown().0 == *state));
        rows.filter_map(|entry| live.row(entry.monitor.id)).collect()
    }

    /// Every monitor's id, in the order in which they were set.
    #[must_use]
    pub fn ids(&self) -> Vec<MonitorId> {
        self.lock().entries.iter().map(|entry| entry.monitor.id).collect()
    }

    /// Incidents that are open.
    #[must_use]
    pub fn open_incidents(&self) -> usize {
        self.lock().entries.iter().filter(|entry| entry.machine.incident().is_some()).count()
    }

    /// How many monitors are in which state.
    #[must_use]
    pub fn counts(&self) -> Counts {
        let mut counts = Counts::default();
        for entry in &self.lock().entries {
            counts.add(entry.shown().0);
        }
        counts
    }

    /// A number that grows with each change: whoever draws the board asks whether there is anything new.
    #[must_use]
    pub fn revision(&self) -> u64 {
        self.lock().revision
    }
}
