//! What the file says, as plain data: monitors and groups.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::model::{MonitorId, Thresholds};
use crate::probe::KindConfig;
use crate::storage::KeptDays;

/// Where a value that can be inherited comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// It is set on the thing itself.
    Own,
    /// It is set on the group.
    Group,
    /// It is the default of the file, or the built-in one.
    Default,
}

/// A value in force, and where it comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Setting<T> {
    /// The value.
    pub value: T,
    /// Where it is set.
    pub from: Source,
}

/// Days that a monitor or a group sets, by tier; the inner none keeps a tier for ever.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct OwnRetention {
    /// Results.
    pub raw: Option<Option<u32>>,
    /// The 5-minute tier.
    pub five_minutes: Option<Option<u32>>,
    /// The hour tier.
    pub hour: Option<Option<u32>>,
    /// The day tier.
    pub day: Option<Option<u32>>,
}

impl OwnRetention {
    /// These days, and where none are set those of a group.
    #[must_use]
    pub fn or(self, group: Self) -> Self {
        Self {
            raw: self.raw.or(group.raw),
            five_minutes: self.five_minutes.or(group.five_minutes),
            hour: self.hour.or(group.hour),
            day: self.day.or(group.day),
        }
    }

    /// All days, where they differ from the usual ones.
    #[must_use]
    pub fn over(self, usual: KeptDays) -> Option<KeptDays> {
        let own = KeptDays {
            raw: self.raw.unwrap_or(usual.raw),
            five_minutes: self.five_minutes.unwrap_or(usual.five_minutes),
            hour: self.hour.unwrap_or(usual.hour),
            day: self.day.unwrap_or(usual.day),
        };
        (own != usual).then_some(own)
    }
}

/// A group of monitors.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupEntry {
    /// Unique in the file.
    pub name: Arc<str>,
    /// For monitors that set none.
    pub interval: Setting<Duration>,
    /// For monitors that set none.
    pub timeout: Setting<Duration>,
    /// For monitors that set none.
    pub retention: OwnRetention,
}

/// What a monitor checks.
#[derive(Clone, PartialEq)]
pub enum Entry {
    /// It can run.
    Ready(KindConfig),
    /// It waits for something that is not there now: a variable, a file, a secret.
    Pending {
        /// Its kind.
        kind: &'static str,
        /// What is missing, for people.
        reason: String,
    },
}

impl Entry {
    /// The kind: `http`.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Ready(config) => config.id(),
            Self::Pending { kind, .. } => kind,
        }
    }
}

impl fmt::Debug for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            // Not the settings: a password may have been expanded into them.
            Self::Ready(config) => f.debug_tuple("Ready").field(&config.id()).finish(),
            Self::Pending { kind, reason } => {
                f.debug_struct("Pending").field("kind", kind).field("reason", reason).finish()
            }
        }
    }
}

/// A monitor of the file. Two are equal when they run the same way: their line, and where their interval and time-out
/// are set, do not count.
#[derive(Debug, Clone)]
pub struct MonitorEntry {
    /// Given by the file, or to be found by the name.
    pub id: Option<MonitorId>,
    /// Unique in the file.
    pub name: String,
    /// The group's name.
    pub group: Arc<str>,
    /// Whether it is watched at all.
    pub enabled: bool,
    /// From one check to the next; at least 1 s.
    pub interval: Setting<Duration>,
    /// Longest time one check may take; at most 5 minutes.
    pub timeout: Setting<Duration>,
    /// When its state changes.
    pub thresholds: Thresholds,
    /// A person's own words; keys keep their case.
    pub labels: BTreeMap<String, String>,
    /// For how long its history is kept, its group's days among them.
    pub retention: OwnRetention,
    /// What it checks.
    pub kind: Entry,
    /// The line it starts in, from 1.
    pub line: u32,
    /// The column it starts in, in characters from 1: several can stand in one line.
    pub column: u32,
}

impl PartialEq for MonitorEntry {
    fn eq(&self, other: &Self) -> bool {
        self.id == other.id
            && self.name == other.name
            && self.group == other.group
            && self.enabled == other.enabled
            && self.interval.value == other.interval.value
            && self.timeout.value == other.timeout.value
            && self.thresholds == other.thresholds
            && self.labels == other.labels
            && self.retention == other.retention
            && self.kind == other.kind
    }
}
