//! How the backend is opened.

use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;

use crate::storage::{BackendConfig, BackendEnv, BackendId, ResultStore, StoreError, StoreErrorKind};

/// Opens a store, again and again until it works.
#[async_trait]
pub trait OpenStore: Send + Sync {
    /// Which backend it is.
    fn backend(&self) -> BackendId;

    /// How the store is told before it was ever reached: backend and address, never a password.
    fn contact(&self) -> String;

    /// The folder of this machine that it is in, where it is in one. It can be opened for every read as long as the folder
    /// is there; a store that is elsewhere is read while it is open anyway.
    fn folder(&self) -> Option<PathBuf> {
        None
    }

    /// Opens it.
    async fn open(&self) -> Result<Arc<dyn ResultStore>, StoreError>;
}

/// The settings that a store is opened with; why it cannot be while a secret among them is missing.
#[derive(Debug, Clone)]
pub struct StoreSettings(Result<BackendConfig, String>);

impl StoreSettings {
    /// Settings, and what they wait for.
    #[must_use]
    pub fn new(config: &BackendConfig, waiting: Option<&str>) -> Self {
        Self(waiting.map_or_else(|| Ok(config.clone()), |why| Err(why.to_owned())))
    }
}

/// The store that the configuration names.
#[derive(Debug, Clone)]
pub struct ConfiguredStore {
    /// Which backend it is.
    pub backend: BackendId,
    /// Its settings.
    pub settings: StoreSettings,
    /// What it may use.
    pub env: BackendEnv,
    /// See [`OpenStore::contact`].
    pub contact: String,
}

#[async_trait]
impl OpenStore for ConfiguredStore {
    fn backend(&self) -> BackendId {
        self.backend
    }

    fn contact(&self) -> String {
        self.contact.clone()
    }

    fn folder(&self) -> Option<PathBuf> {
        self.settings.0.as_ref().ok()?.folder(&self.env)
    }

    async fn open(&self) -> Result<Arc<dyn ResultStore>, StoreError> {
        let waits = |why| StoreError::new(StoreErrorKind::Unavailable, self.backend, "open", why);
        self.settings.0.clone().map_err(waits)?.open(&self.env).await
    }
}
