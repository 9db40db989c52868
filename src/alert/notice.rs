//! What is told, as data.

use crate::model::{Failure, MonitorId, UnixMicros};

/// What happened to a monitor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    /// It is down, and that is confirmed.
    Down {
        /// Why.
        failure: Failure,
        /// In words.
        message: String,
    },
    /// It is back.
    Back {
        /// How long it was down, in microseconds.
        after_us: u64,
    },
}

/// A change of one monitor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// Which monitor.
    pub monitor: MonitorId,
    /// What it is called.
    pub name: String,
    /// Since when.
    pub at: UnixMicros,
    /// What happened.
    pub what: What,
}

/// One notice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Notice {
    /// One change.
    One {
        /// The change.
        change: Change,
    },
    /// Many at once.
    Storm {
        /// All of them, oldest first.
        changes: Vec<Change>,
    },
    /// What came while notices were muted.
    Digest {
        /// All of it, oldest first.
        changes: Vec<Change>,
    },
    /// This machine had no network for a while.
    Offline {
        /// Since.
        from: UnixMicros,
        /// Until.
        to: UnixMicros,
    },
}

impl Notice {
    pub(super) fn of(mut changes: Vec<Change>) -> Self {
        match (changes.pop(), changes.is_empty()) {
            (Some(change), true) => Self::One { change },
            (last, _) => {
                changes.extend(last);
                Self::Storm { changes }
            }
        }
    }

    /// The changes it tells of.
    #[must_use]
    pub fn changes(&self) -> &[Change] {
        match self {
            Self::One { change } => std::slice::from_ref(change),
            Self::Storm { changes } | Self::Digest { changes } => changes,
            Self::Offline { .. } => &[],
        }
    }
}
