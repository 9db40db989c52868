//! Confirmed outages.

use serde::{Deserialize, Serialize};

use super::{Failure, IncidentId, MonitorId, Span, UnixMicros};

/// How an incident ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "end", content = "at", rename_all = "snake_case")]
pub enum IncidentEnd {
    /// Still open.
    Open,
    /// Confirmed recovery: the first good check.
    Recovered(UnixMicros),
    /// Nobody saw the end (a crash, the monitor was removed or its target changed); the time is the last one at
    /// which it was known to be down.
    Unknown(UnixMicros),
}

/// A person has seen it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Acknowledgement {
    /// Who.
    pub by: String,
    /// When.
    pub at: UnixMicros,
    /// What they said.
    pub note: String,
}

/// From the confirmed first failure to the confirmed recovery.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Incident {
    /// Its key; later writes with the same id replace it.
    pub id: IncidentId,
    /// Whose it is.
    pub monitor: MonitorId,
    /// Start of the first failed check.
    pub opened: UnixMicros,
    /// Start of the check that confirmed it.
    pub confirmed: UnixMicros,
    /// How it ended.
    pub end: IncidentEnd,
    /// The first failure's reason.
    pub failure: Failure,
    /// The first failure's message, cleaned.
    pub message: String,
    /// Acknowledged by a person.
    pub acknowledged: Option<Acknowledgement>,
}

impl Incident {
    /// Whether it is still open.
    #[must_use]
    pub fn is_open(&self) -> bool {
        matches!(self.end, IncidentEnd::Open)
    }

    /// From the first failure to the end; an open one lasts to `now`.
    #[must_use]
    pub fn span(&self, now: UnixMicros) -> Span {
        match self.end {
            IncidentEnd::Open => Span::new(self.opened, now),
            IncidentEnd::Recovered(at) | IncidentEnd::Unknown(at) => Span::new(self.opened, at),
        }
    }
}
