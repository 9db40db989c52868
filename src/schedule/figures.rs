//! What the scheduler did so far, in numbers.

use serde::Serialize;

use crate::model::Sketch;

/// Counts since the start, and what is going on now.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Figures {
    /// Monitors that are watched, paused ones included.
    pub monitors: usize,
    /// Checks that gave a result.
    pub done: u64,
    /// Those of them that occupied no slot: first checks, re-checks, checks that somebody asked for.
    pub extra: u64,
    /// Slots in which no check was started.
    pub missed: u64,
    /// Checks that were started and gave no result: by an edit, a pause, a sleep, the end.
    pub cancelled: u64,
    /// Probes that panicked.
    pub panicked: u64,
    /// Checks that were cut off because the probe did not keep its own time-out.
    pub overdue: u64,
    /// Lateness of checks in a slot, in microseconds: actual start less planned start.
    #[serde(skip)]
    pub late: Sketch,
    /// The largest of them.
    pub late_max_us: u64,
    /// Checks that run.
    pub running: usize,
    /// Monitors that wait for a permit.
    pub waiting: usize,
    /// Checks that may run at the same time.
    pub limit: usize,
    /// Microseconds since a check was done, or since there was anything to check.
    pub quiet_us: u64,
    /// Whether that is too long: two intervals of the monitor that is checked most often.
    pub stuck: bool,
}

impl Figures {
    /// Lateness that half of the checks kept, in microseconds.
    #[must_use]
    pub fn late_p50_us(&self) -> Option<u64> {
        self.late.quantile(0.5)
    }

    /// Lateness that 99 % of the checks kept, in microseconds.
    #[must_use]
    pub fn late_p99_us(&self) -> Option<u64> {
        self.late.quantile(0.99)
    }
}
