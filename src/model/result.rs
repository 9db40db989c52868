//! What one check gave.

use serde::{Deserialize, Serialize};

use super::text::{MESSAGE_LIMIT, clean_text};
use super::{Facts, Failure, MonitorId, UnixMicros, Verdict};

/// How long each part of a check took, in microseconds. A part that did not happen is absent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Phases {
    /// Name look-up; absent for an address.
    pub name_us: Option<u32>,
    /// TCP connect.
    pub connect_us: Option<u32>,
    /// TLS handshake.
    pub tls_us: Option<u32>,
    /// From the request's last byte to the answer's first.
    pub first_byte_us: Option<u32>,
    /// The whole check.
    pub total_us: Option<u32>,
}

/// The result of one check. Its key is (monitor, time): writing it again changes nothing.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct CheckResult {
    /// Whose it is.
    pub monitor: MonitorId,
    /// Wall clock at the start of the check.
    pub time: UnixMicros,
    /// The interval in force; 0 for a check that was made once, outside a schedule.
    pub interval_us: u64,
    /// The time-out in force.
    pub timeout_us: u64,
    /// What it says.
    pub verdict: Verdict,
    /// How long the target took; for ping the mean round trip, never the time of the run. When nothing came back,
    /// the time that was waited.
    pub duration_us: u64,
    /// Why it is not `up`.
    pub failure: Option<Failure>,
    /// The reason in words, at most 512 bytes, cleaned; empty when there is nothing to say.
    pub message: Box<str>,
    /// Parts of the check.
    pub phases: Phases,
    /// What else was found out.
    pub facts: Facts,
}

impl CheckResult {
    /// Sets the message, cleaned and cut to 512 bytes.
    pub fn set_message(&mut self, text: &str) {
        self.message = clean_text(text, MESSAGE_LIMIT).into();
    }

    /// Longest time that this result can speak for: 1.5 × its interval and its time-out.
    #[must_use]
    pub fn reach_us(&self) -> u64 {
        self.interval_us.saturating_add(self.interval_us / 2).saturating_add(self.timeout_us)
    }
}
