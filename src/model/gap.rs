//! Time that was not observed.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::verdict::named_codes;
use super::{MonitorId, ParseNameError, Span};

named_codes! {
    /// Why nobody was looking.
    GapReason ("gap reason") {
        /// The machine slept.
        Asleep = 1 "asleep",
        /// The machine had no network.
        Offline = 2 "offline",
        /// Hall Monitor did not run.
        NotRunning = 3 "not_running",
        /// A person paused the monitor.
        Paused = 4 "paused",
        /// A maintenance window.
        Maintenance = 5 "maintenance",
        /// The machine was too busy to check, or the process was stopped for a while.
        Overload = 6 "overload",
        /// The wall clock was set forward: this time never was.
        Clock = 7 "clock",
        /// A fault of ours: permission, resources, a missing secret, a fault in Hall Monitor.
        Fault = 8 "fault",
    }
}

/// A time span that was not observed. Its key is (monitor, from); a later write with the same key replaces it, which
/// is how a running gap grows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gap {
    /// The monitor, or [`MonitorId::ALL`] for the whole instance.
    pub monitor: MonitorId,
    /// When.
    pub span: Span,
    /// Why.
    pub reason: GapReason,
}
