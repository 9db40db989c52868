//! When to check what. This room starts every check on time, on one thread, and knows when nobody was looking.
//!
//! It promises: a fixed cadence without drift, never two checks of one monitor at the same time, a deadline for every
//! check, that a probe that panics or hangs harms no other, that hosts which time out never delay those that answer,
//! that a cancelled check gives no result, and that sleep, a standstill, a clock that was set or a network that went
//! never make a target `down`. It knows neither who judges results nor where they are kept: it speaks to a [`Sink`].
//!
//! | file | subject |
//! |---|---|
//! | `planner.rs` | when each monitor is due (pure), on `heap.rs` |
//! | `lanes.rs` | who may run at the same time; `limits.rs`: how many |
//! | `watch.rs` | what the clocks and the network say about being awake (pure) |
//! | `connectivity.rs` | what the network of this machine looks like |
//! | `state.rs` | what the runner knows of each monitor |
//! | `runner.rs` | the loop and the check: deadline, panic, cancellation |
//! | `handle.rs` | what others ask of a running scheduler; `figures.rs`: its numbers |

mod connectivity;
mod figures;
mod handle;
mod heap;
mod lanes;
mod limits;
mod planner;
mod runner;
mod state;
mod watch;

use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

pub use self::connectivity::{Connectivity, Network, SystemConnectivity};
pub use self::figures::Figures;
pub use self::handle::RunnerHandle;
pub use self::limits::Limits;
pub use self::runner::{Parts, Runner};
use crate::model::{GapReason, Monitor, Span, UnixMicros};
use crate::probe::{Observation, Probe};

/// Takes what the scheduler sees. Every call comes on the scheduler's thread and delays checks for as long as it
/// takes: it must not block. It may ask the [`RunnerHandle`] for things.
pub trait Sink: Debug + Send + Sync {
    /// A check is done.
    fn checked(&self, checked: Checked) -> Next;
    /// From this time on nobody looks, at any monitor.
    fn gap_started(&self, at: UnixMicros, reason: GapReason);
    /// The gap that was started at `from` for this reason ended at `to`. One that is over before it is noticed is
    /// started and ended in one go.
    fn gap_ended(&self, from: UnixMicros, to: UnixMicros, reason: GapReason);
    /// The machine slept, stood still or lost its network: what was seen before does not go on, half-made runs of
    /// failures are void.
    fn interrupted(&self);
    /// Nothing was checked for two intervals although something should have been, or it is again.
    fn watchdog(&self, stuck: bool);
}

/// A check that is done.
#[derive(Debug, Clone)]
pub struct Checked {
    /// What was checked, as it was configured when the check started.
    pub monitor: Arc<Monitor>,
    /// Wall clock at the start.
    pub time: UnixMicros,
    /// The probe's own value where it has one, else how long the check took, in microseconds.
    pub duration_us: u64,
    /// What the probe saw.
    pub observation: Observation,
}

/// What shall follow a check.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Next {
    /// Check again after this time: the failure is not confirmed yet. The re-check occupies no slot; where the next
    /// slot comes first, or would come while the re-check runs, the slot serves.
    pub recheck_after: Option<Duration>,
}

/// A monitor and what checks it.
#[derive(Debug, Clone)]
pub struct Watched {
    /// What it is called and when it runs.
    pub monitor: Arc<Monitor>,
    /// What it asks.
    pub probe: Arc<dyn Probe>,
}

/// When new and changed monitors are checked first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FirstCheck {
    /// Now.
    AtOnce,
    /// One after the other: 100 a second or more, and so that all are checked within 10 s
    /// of the start of the process. A slot of the cadence that comes soon enough serves as
    /// the first check.
    Spread,
}

/// Something to tell the sink, once nothing is locked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Notice {
    Interrupted,
    GapStarted(UnixMicros, GapReason),
    GapEnded(Span, GapReason),
    Watchdog(bool),
}

impl Notice {
    fn tell(self, sink: &dyn Sink) {
        match self {
            Self::Interrupted => sink.interrupted(),
            Self::GapStarted(at, reason) => sink.gap_started(at, reason),
            Self::GapEnded(span, reason) => sink.gap_ended(span.from, span.to, reason),
            Self::Watchdog(stuck) => sink.watchdog(stuck),
        }
    }
}
