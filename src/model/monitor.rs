//! One thing that is watched.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{MonitorId, UnixMicros};

/// How many checks in a row change the state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Thresholds {
    /// Failures in a row until `down`; at least 1.
    pub failures: u32,
    /// Successes in a row until `up` again; at least 1.
    pub recoveries: u32,
}

impl Default for Thresholds {
    fn default() -> Self {
        Self { failures: 2, recoveries: 1 }
    }
}

/// A monitor as the rest of the core knows it: what it is called, when it runs, how it is judged. What it asks is in
/// its probe.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Monitor {
    /// Stable over renames.
    pub id: MonitorId,
    /// Unique among the configured monitors.
    pub name: String,
    /// The group it stands in.
    pub group: String,
    /// `ping`, `http`, `tcp`, `dns`.
    pub kind: &'static str,
    /// What is watched, for people and for recognising a rename.
    pub target: String,
    /// From one check to the next.
    pub interval: Duration,
    /// Longest time one check may take.
    pub timeout: Duration,
    /// When the state changes.
    pub thresholds: Thresholds,
    /// A person's own words; keys keep their case.
    pub labels: BTreeMap<String, String>,
}

/// A monitor as a store remembers it, configured or not.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KnownMonitor {
    /// Its id.
    pub id: MonitorId,
    /// Its latest name.
    pub name: String,
    /// Its latest group.
    pub group: String,
    /// Its kind.
    pub kind: String,
    /// Its latest target, so that a rename can be recognised.
    pub target: String,
    /// When it was first configured.
    pub first_seen: UnixMicros,
    /// When it was last configured.
    pub last_seen: UnixMicros,
}
