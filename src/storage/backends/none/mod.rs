//! Backend `none`.

use std::sync::Arc;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::model::FieldSpec;
use crate::storage::{Backend, BackendEnv, ResultStore, StoreError, StoreErrorKind};

/// Settings of the `none` backend.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Nothing {}

#[async_trait]
impl Backend for Nothing {
    const ID: &'static str = "none";
    const FIELDS: &'static [FieldSpec] = &[];

    async fn open(&self, _env: &BackendEnv) -> Result<Arc<dyn ResultStore>, StoreError> {
        Err(StoreError::new(StoreErrorKind::Internal, Self::ID, "open", "not yet"))
    }
}
