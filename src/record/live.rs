//! What is in memory for each monitor, under the board's one lock. Written by the recorder only.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::board::BoardRow;
use super::machine::Machine;
use super::recent::Recent;
use super::restore::SavedMonitor;
use crate::model::{CheckResult, Gap, GapReason, Incident, Monitor, MonitorId, State, UnixMicros};

/// A pause that is in force.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Pause {
    /// Since when.
    pub(super) from: UnixMicros,
    /// When it ends by itself; none for as long as nobody resumes it.
    pub(super) until: Option<UnixMicros>,
    /// Up to when it is written as a gap.
    pub(super) written: UnixMicros,
}

impl Pause {
    pub(super) fn new(from: UnixMicros, until: Option<UnixMicros>) -> Self {
        Self { from, until, written: from }
    }
}

/// Why a monitor cannot run.
#[derive(Debug)]
pub(super) struct Unable {
    pub(super) reason: Box<str>,
    pub(super) since: UnixMicros,
}

/// One configured monitor.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) monitor: Arc<Monitor>,
    /// What is watched, see [`subject`].
    pub(super) subject: u32,
    pub(super) machine: Machine,
    pub(super) last: Option<CheckResult>,
    pub(super) recent: Recent,
    /// Restored, and not checked since.
    pub(super) stale: bool,
    pub(super) unable: Option<Box<Unable>>,
    pub(super) pause: Option<Box<Pause>>,
    /// The board's revision that last changed it alone.
    pub(super) changed: u64,
}

impl Entry {
    pub(super) fn new(monitor: Arc<Monitor>, now: UnixMicros) -> Self {
        Self {
            subject: subject(monitor.kind, &monitor.target),
            monitor,
            machine: Machine::new(now),
            last: None,
            recent: Recent::new(),
            stale: false,
            unable: None,
            pause: None,
            changed: 0,
        }
    }

    /// The state that is shown, and since when.
    pub(super) fn shown(&self) -> (State, UnixMicros) {
        if let Some(pause) = &self.pause {
            (State::Paused, pause.from)
        } else if let Some(unable) = &self.unable {
            (State::Pending, unable.since)
        } else {
            (self.machine.state(), self.machine.since())
        }
    }

    /// Whether a result of `monitor` is one of this monitor as it is now configured.
    pub(super) fn accepts(&self, monitor: &Arc<Monitor>) -> bool {
        let same = Arc::ptr_eq(&self.monitor, monitor)
            || (self.monitor.kind == monitor.kind && self.monitor.target == monitor.target);
        same && self.pause.is_none()
    }

    fn row(&self, instance_gap: Option<GapReason>) -> BoardRow {
        let (state, since) = self.shown();
        let paused = self.pause.as_ref().map(|_| GapReason::Paused);
        BoardRow {
            monitor: Arc::clone(&self.monitor),
            state,
            since,
            stale: self.stale,
            failures_in_row: self.machine.failures(),
            last: self.last.clone(),
            spark: self.recent.points(),
            incident: self.machine.incident().map(|incident| incident.id),
            gap: paused.or(self.machine.blind_reason()).or(instance_gap),
            pending_reason: self.unable.as_ref().map(|unable| unable.reason.clone()),
            paused_until: self.pause.as_ref().and_then(|pause| pause.until),
        }
    }
}

/// A number for what is watched, to tell whether a monitor that was restored still watches the same: CRC32C of kind,
/// NUL, target.
pub(super) fn subject(kind: &str, target: &str) -> u32 {
    let crc = crc32c::crc32c(kind.as_bytes());
    crc32c::crc32c_append(crc32c::crc32c_append(crc, b"\0"), target.as_bytes())
}

/// Everything that is known about this moment.
#[derive(Debug, Default)]
pub(super) struct Live {
    /// In the order in which they were set.
    pub(super) entries: Vec<Entry>,
    pub(super) index: HashMap<MonitorId, usize>,
    /// Instance-wide gaps that are running.
    pub(super) gaps: Vec<Gap>,
    /// Keys of the latest instance-wide gaps, so that two never share one.
    pub(super) gap_keys: VecDeque<UnixMicros>,
    /// Restored, and not claimed by a configured monitor yet.
    pub(super) staged: HashMap<MonitorId, SavedMonitor>,
    /// Monitors that are paused.
    pub(super) paused: usize,
    /// Grows with each change.
    pub(super) revision: u64,
    /// The revision that last changed every entry.
    pub(super) all_changed: u64,
    /// The revision that last changed which monitors there are.
    pub(super) roster_changed: u64,
    /// Whether more than results changed since the last saved snapshot.
    pub(super) unsaved: bool,
    /// Journal position of the last saved snapshot.
    pub(super) saved_at: u64,
}

impl Live {
    pub(super) fn entry(&mut self, id: MonitorId) -> Option<&mut Entry> {
        self.index.get(&id).map(|at| &mut self.entries[*at])
    }

    pub(super) fn row(&self, id: MonitorId) -> Option<BoardRow> {
        self.index.get(&id).map(|at| self.entries[*at].row(self.gap()))
    }

    pub(super) fn rows(&self) -> Vec<BoardRow> {
        let gap = self.gap();
        self.entries.iter().map(|entry| entry.row(gap)).collect()
    }

    /// The open incident with this id.
    pub(super) fn incident_mut(&mut self, id: crate::model::IncidentId) -> Option<&mut Incident> {
        self.entries.iter_mut().filter_map(|entry| entry.machine.incident_mut()).find(|incident| incident.id == id)
    }

    fn gap(&self) -> Option<GapReason> {
        self.gaps.first().map(|gap| gap.reason)
    }

    /// Something besides results changed that shows at every monitor.
    pub(super) fn touch(&mut self) {
        self.revision += 1;
        self.all_changed = self.revision;
        self.unsaved = true;
    }

    /// Something changed that shows at one monitor; whether it must be saved is for the caller.
    pub(super) fn touch_one(&mut self, id: MonitorId) {
        self.revision += 1;
        let revision = self.revision;
        if let Some(entry) = self.entry(id) {
            entry.changed = revision;
        }
    }

    /// The rows that changed after a revision.
    pub(super) fn rows_after(&self, revision: u64) -> Vec<BoardRow> {
        if self.all_changed > revision {
            return self.rows();
        }
        let gap = self.gap();
        self.entries.iter().filter(|entry| entry.changed > revision).map(|entry| entry.row(gap)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_with_its_last_result_takes_at_most_a_kibibyte() {
        // Room for the texts and facts that the last result has on the heap.
        assert!(size_of::<Entry>() <= 720, "{} bytes", size_of::<Entry>());
    }

    #[test]
    fn kind_and_target_do_not_run_into_each_other() {
        assert_ne!(subject("tcp", "a:1"), subject("tcpa", ":1"));
        assert_eq!(subject("tcp", "a:1"), subject("tcp", "a:1"));
    }
}
