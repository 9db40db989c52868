//! How the backend is opened.

use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;

use crate::storage::{BackendConfig, BackendEnv, BackendId, ResultStore, StoreError, StoreErrorKind};

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

/// The settings that a store is opened with the next time; why it cannot be while a secret among them is missing.
#[derive(Debug, Clone)]
pub struct StoreSettings(Arc<Mutex<Result<BackendConfig, String>>>);

impl StoreSettings {
    /// Settings, and what they wait for.
    #[must_use]
    pub fn new(config: &BackendConfig, waiting: Option<&str>) -> Self {
        let settings = Self(Arc::new(Mutex::new(Err(String::new()))));
        settings.put(config, waiting);
        settings
    }

    /// Takes others for the next time. They must be of the same store.
    pub fn put(&self, config: &BackendConfig, waiting: Option<&str>) {
        let settings = waiting.map_or_else(|| Ok(config.clone()), |why| Err(why.to_owned()));
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = settings;
    }

    fn get(&self) -> Result<BackendConfig, String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
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

    async fn open(&self) -> Result<Arc<dyn ResultStore>, StoreError> {
        let waits = |why| StoreError::new(StoreErrorKind::Unavailable, self.backend, "open", why);
        self.settings.get().map_err(waits)?.open(&self.env).await
    }
}
