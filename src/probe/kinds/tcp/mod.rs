//! Kind `tcp`.

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::model::{FieldError, FieldKind, FieldSpec};
use crate::probe::{Attempt, MonitorKind, Observation, Probe, ProbeEnv};

/// Settings of a `tcp` monitor.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Tcp {
    /// `host:port`.
    pub target: String,
}

impl MonitorKind for Tcp {
    const ID: &'static str = "tcp";
    const FIELDS: &'static [FieldSpec] =
        &[FieldSpec { key: "target", kind: FieldKind::Text, required: true, default: None, doc: "`host:port`." }];

    fn validate(&self) -> Result<(), Vec<FieldError>> {
        Ok(())
    }

    fn target(&self) -> String {
        self.target.clone()
    }

    fn probe(&self, _env: &ProbeEnv) -> Box<dyn Probe> {
        Box::new(TcpProbe)
    }
}

#[derive(Debug)]
struct TcpProbe;

#[async_trait]
impl Probe for TcpProbe {
    async fn run(&self, _attempt: &Attempt) -> Observation {
        Observation::up()
    }
}
