//! Kind `http`.

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::model::{FieldError, FieldKind, FieldSpec};
use crate::probe::{Attempt, MonitorKind, Observation, Probe, ProbeEnv};

/// Settings of a `http` monitor.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Http {
    /// Address.
    pub url: String,
}

impl MonitorKind for Http {
    const ID: &'static str = "http";
    const FIELDS: &'static [FieldSpec] =
        &[FieldSpec { key: "url", kind: FieldKind::Text, required: true, default: None, doc: "Address." }];

    fn validate(&self) -> Result<(), Vec<FieldError>> {
        Ok(())
    }

    fn target(&self) -> String {
        self.url.clone()
    }

    fn probe(&self, _env: &ProbeEnv) -> Box<dyn Probe> {
        Box::new(HttpProbe)
    }
}

#[derive(Debug)]
struct HttpProbe;

#[async_trait]
impl Probe for HttpProbe {
    async fn run(&self, _attempt: &Attempt) -> Observation {
        Observation::up()
    }
}
