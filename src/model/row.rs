//! Whatever enters the journal.

use serde::{Deserialize, Serialize};

use super::{CheckResult, Gap, Incident, KnownMonitor, MonitorId, Rollup, UnixMicros};

/// One fully resolved row, so that a replay writes the very same. The order of the variants is part of the journal's
/// format: only ever add at the end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Row {
    /// A result.
    Result(CheckResult),
    /// A gap, begun, grown or ended.
    Gap(Gap),
    /// An incident, opened, changed or closed.
    Incident(Incident),
    /// A monitor, new or changed.
    Monitor(KnownMonitor),
    /// A rollup of a sealed bucket.
    Rollup(Rollup),
    /// Everything of a monitor is to be forgotten.
    Forget(MonitorId, UnixMicros),
}

impl Row {
    /// Whose row it is; [`MonitorId::ALL`] for an instance-wide gap.
    #[must_use]
    pub fn monitor(&self) -> MonitorId {
        match self {
            Self::Result(result) => result.monitor,
            Self::Gap(gap) => gap.monitor,
            Self::Incident(incident) => incident.monitor,
            Self::Monitor(monitor) => monitor.id,
            Self::Rollup(rollup) => rollup.monitor,
            Self::Forget(monitor, _) => *monitor,
        }
    }
}
