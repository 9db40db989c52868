//! How the backend is opened.

use std::sync::Arc;

use async_trait::async_trait;

use crate::storage::{BackendConfig, BackendEnv, BackendId, ResultStore, StoreError};

/// Opens a store, again and again until it works.
#[async_trait]
pub trait OpenStore: Send + Sync {
    /// Which backend it is.
    fn backend(&self) -> BackendId;

    /// How the store is told before it was ever reached: backend and address, never a password.
    fn contact(&self) -> String;

    /// Opens it.
    async fn open(&self) -> Result<Arc<dyn ResultStore>, StoreError>;
}

/// The store that the configuration names.
#[derive(Debug, Clone)]
pub struct ConfiguredStore {
    /// Its settings.
    pub config: BackendConfig,
    /// What it may use.
    pub env: BackendEnv,
    /// See [`OpenStore::contact`].
    pub contact: String,
}

#[async_trait]
impl OpenStore for ConfiguredStore {
    fn backend(&self) -> BackendId {
        self.config.id()
    }

    fn contact(&self) -> String {
        self.contact.clone()
    }

    async fn open(&self) -> Result<Arc<dyn ResultStore>, StoreError> {
        self.config.open(&self.env).await
    }
}
