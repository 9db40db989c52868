//! Kind `dns`.

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::model::{FieldError, FieldKind, FieldSpec};
use crate::probe::{Attempt, MonitorKind, Observation, Probe, ProbeEnv};

/// Settings of a `dns` monitor.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Dns {
    /// Name server.
    pub target: String,
}

impl MonitorKind for Dns {
    const ID: &'static str = "dns";
    const FIELDS: &'static [FieldSpec] =
        &[FieldSpec { key: "target", kind: FieldKind::Text, required: true, default: None, doc: "Name server." }];

    fn validate(&self) -> Result<(), Vec<FieldError>> {
        Ok(())
    }

    fn target(&self) -> String {
        self.target.clone()
    }

    fn probe(&self, _env: &ProbeEnv) -> Box<dyn Probe> {
        Box::new(DnsProbe)
    }
}

#[derive(Debug)]
struct DnsProbe;

#[async_trait]
impl Probe for DnsProbe {
    async fn run(&self, _attempt: &Attempt) -> Observation {
        Observation::up()
    }
}
