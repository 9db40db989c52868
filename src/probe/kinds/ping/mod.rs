//! Kind `ping`: asks a host by ICMP echo requests. Its value is the mean round trip; loss is told on silence too.
//!
//! `mod.rs` holds the settings, `interval.rs` the one that is a duration. `run.rs` sends and waits, `echo.rs` holds
//! whom to ask.

mod echo;
mod icmp;
mod interval;
mod outcome;
mod run;

use std::time::Duration;

use serde::{Deserialize, Serialize};

pub use self::interval::PacketInterval;
use self::run::PingProbe;
use crate::model::{FieldError, FieldKind, FieldSpec};
use crate::probe::{MonitorKind, Probe, ProbeEnv};

const DEFAULT_COUNT: u16 = 3;
const MOST_REQUESTS: u16 = 100;
const SHORTEST_MS: u64 = 10;
const LONGEST_MS: u64 = 60_000;

/// Settings of a `ping` monitor.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Ping {
    /// Host name or address.
    pub target: String,
    /// Echo requests of one check; 0 stands for the default of 3.
    #[serde(default = "default_count")]
    pub count: i64,
    /// Time from one request to the next.
    #[serde(default)]
    pub packet_interval: PacketInterval,
}

fn default_count() -> i64 {
    DEFAULT_COUNT.into()
}

impl MonitorKind for Ping {
    const ID: &'static str = "ping";
    const FIELDS: &'static [FieldSpec] = &[
        FieldSpec {
            key: "target",
            kind: FieldKind::Text,
            required: true,
            default: None,
            doc: "Host name, IPv4 or IPv6 address of the host to ping.",
        },
        FieldSpec {
            key: "count",
            kind: FieldKind::Integer { min: 0, max: MOST_REQUESTS as i64 },
            required: false,
            default: Some("3"),
            doc: "Echo requests sent in one check; 0 means 3.",
        },
        FieldSpec {
            key: "packetInterval",
            kind: FieldKind::Duration { min_ms: SHORTEST_MS, max_ms: LONGEST_MS },
            required: false,
            default: Some("200ms"),
            doc: "Time from one echo request to the next; shortened where they would not fit in the time-out.",
        },
    ];

    fn validate(&self) -> Result<(), Vec<FieldError>> {
        let mut faults = Vec::new();
        if let Err(what) = crate::probe::net::one_host(&self.target) {
            faults.push(FieldError::new("target", what));
        }
        if !(0..=i64::from(MOST_REQUESTS)).contains(&self.count) {
            let what = format!("ping count must be between 0 and {MOST_REQUESTS}, got {}", self.count);
            faults.push(FieldError::new("count", what));
        }
        let bounds = Duration::from_millis(SHORTEST_MS)..=Duration::from_millis(LONGEST_MS);
        if !bounds.contains(&self.packet_interval.get()) {
            let what = format!("must be between 10ms and 60s, got {}", self.packet_interval);
            faults.push(FieldError::new("packetInterval", what));
        }
        if faults.is_empty() { Ok(()) } else { Err(faults) }
    }

    fn target(&self) -> String {
        self.target.trim().to_owned()
    }

    fn probe(&self, env: &ProbeEnv) -> Box<dyn Probe> {
        Box::new(PingProbe::new(self, env))
    }
}

impl Ping {
    /// Requests of one check, 1 to 100.
    fn requests(&self) -> u16 {
        match u16::try_from(self.count) {
            Ok(count @ 1..=MOST_REQUESTS) => count,
            Ok(0) | Err(_) => DEFAULT_COUNT,
            Ok(_) => MOST_REQUESTS,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn faults(settings: serde_json::Value) -> Vec<String> {
        let settings: Ping = serde_json::from_value(settings).expect("has the right types");
        settings.validate().err().unwrap_or_default().iter().map(ToString::to_string).collect()
    }

    #[test]
    fn defaults_are_those_of_the_fields() {
        let ping: Ping = serde_json::from_value(json!({"target": "nas.lan"})).expect("reads");
        assert_eq!(ping.requests(), 3);
        for (key, value) in [("count", ping.count.to_string()), ("packetInterval", ping.packet_interval.to_string())] {
            let field = Ping::FIELDS.iter().find(|field| field.key == key).expect("is a field");
            assert_eq!(field.default, Some(value.as_str()));
        }
        let zero: Ping = serde_json::from_value(json!({"target": "nas.lan", "count": 0})).expect("reads");
        assert_eq!((zero.requests(), zero.validate()), (3, Ok(())));
        assert_eq!(serde_json::from_value::<Ping>(serde_json::to_value(&zero).expect("writes")).expect("reads"), zero);
    }

    #[test]
    fn every_fault_is_told_with_its_field() {
        let all = faults(json!({"target": " ", "count": 101, "packetInterval": "5ms"}));
        assert_eq!(all.len(), 3, "{all:?}");
        assert_eq!(all[1], "count: ping count must be between 0 and 100, got 101");
        assert!(faults(json!({"target": "h", "count": -1}))[0].contains("got -1"));
        assert!(faults(json!({"target": "h", "packetInterval": "2m"}))[0].contains("between 10ms and 60s"));
    }
}
