//! Confirmed outages.

use serde::{Deserialize, Serialize};

use super::{Failure, IncidentId, MonitorId, Span, UnixMicros};

/// How an incident ended. In JSON an object with `end` and, where it ended, `at`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IncidentEnd {
    /// Still open.
    Open,
    /// Confirmed recovery: the first good check.
    Recovered(UnixMicros),
    /// Nobody saw the end (a crash, the monitor was removed or its target changed); the time is the last one at
    /// which it was known to be down.
    Unknown(UnixMicros),
}

/// How an end is written for people.
#[derive(Serialize, Deserialize)]
#[serde(remote = "IncidentEnd", tag = "end", content = "at", rename_all = "snake_case")]
enum ReadableEnd {
    Open,
    Recovered(UnixMicros),
    Unknown(UnixMicros),
}

/// How an end is written to disk: binary formats do not describe themselves and cannot look for a tag. Only ever add
/// at the end.
#[derive(Serialize, Deserialize)]
#[serde(remote = "IncidentEnd")]
enum BinaryEnd {
    Open,
    Recovered(UnixMicros),
    Unknown(UnixMicros),
}

impl Serialize for IncidentEnd {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            ReadableEnd::serialize(self, serializer)
        } else {
            BinaryEnd::serialize(self, serializer)
        }
    }
}

impl<'de> Deserialize<'de> for IncidentEnd {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if deserializer.is_human_readable() {
            ReadableEnd::deserialize(deserializer)
        } else {
            BinaryEnd::deserialize(deserializer)
        }
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_read_back_from_binary_and_json() {
        let at = UnixMicros::new(1_700_000_000_000_000);
        for (end, json) in [
            (IncidentEnd::Open, r#"{"end":"open"}"#),
            (IncidentEnd::Recovered(at), r#"{"end":"recovered","at":"2023-11-14T22:13:20.000000Z"}"#),
            (IncidentEnd::Unknown(at), r#"{"end":"unknown","at":"2023-11-14T22:13:20.000000Z"}"#),
        ] {
            let bytes = postcard::to_stdvec(&end).expect("encodes");
            assert_eq!(postcard::from_bytes::<IncidentEnd>(&bytes).expect("decodes"), end);
            assert_eq!(serde_json::to_string(&end).expect("encodes"), json);
            assert_eq!(serde_json::from_str::<IncidentEnd>(json).expect("decodes"), end);
        }
    }
}
