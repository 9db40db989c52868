//! Kind `ping`.

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::model::{FieldError, FieldKind, FieldSpec};
use crate::probe::{Attempt, MonitorKind, Observation, Probe, ProbeEnv};

/// Settings of a `ping` monitor.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Ping {
    /// Host name or address.
    pub target: String,
}

impl MonitorKind for Ping {
    const ID: &'static str = "ping";
    const FIELDS: &'static [FieldSpec] = &[FieldSpec {
        key: "target",
        kind: FieldKind::Text,
        required: true,
        default: None,
        doc: "Host name or address.",
    }];

    fn validate(&self) -> Result<(), Vec<FieldError>> {
        Ok(())
    }

    fn target(&self) -> String {
        self.target.clone()
    }

    fn probe(&self, _env: &ProbeEnv) -> Box<dyn Probe> {
        Box::new(PingProbe)
    }
}

#[derive(Debug)]
struct PingProbe;

#[async_trait]
impl Probe for PingProbe {
    async fn run(&self, _attempt: &Attempt) -> Observation {
        Observation::up()
    }
}
