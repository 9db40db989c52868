//! The backends there are: one line each for those that are built in, and those that a program brings along.

use std::any::Any;
use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock};

use async_trait::async_trait;
#[cfg(any(test, feature = "testing"))]
use futures_util::future::{BoxFuture, FutureExt};
use serde_json::Value;

use super::backends::embedded::Embedded;
use super::backends::influxdb::InfluxDb;
use super::backends::none::Nothing;
use super::backends::postgres::Postgres;
use super::{Backend, BackendEnv, BackendId, HearSteps, Offer, ResultStore, Step, StoreError};
use crate::model::FieldError;

/// In the order in which people see them.
static BUILT_IN: &[Entry] =
    &[Entry::of::<Embedded>(), Entry::of::<Postgres>(), Entry::of::<InfluxDb>(), Entry::of::<Nothing>()];

static BROUGHT: RwLock<Vec<&'static Entry>> = RwLock::new(Vec::new());

/// A backend of any kind.
struct Entry {
    offer: Offer,
    read: fn(Value) -> Result<BackendConfig, serde_json::Error>,
    #[cfg(any(test, feature = "testing"))]
    test_instance: for<'a> fn(&'a BackendEnv) -> BoxFuture<'a, Option<BackendConfig>>,
}

impl Entry {
    const fn of<B: Backend>() -> Self {
        Self {
            offer: Offer {
                id: B::ID,
                face: B::FACE,
                fields: B::FIELDS,
                is_shared: B::SHARED,
                keeps_history: B::KEEPS_HISTORY,
                take_apart: B::take_apart,
            },
            read: |value| serde_json::from_value::<B>(value).map(BackendConfig::of),
            #[cfg(any(test, feature = "testing"))]
            test_instance: |env| async { B::test_instance(env).await.map(BackendConfig::of) }.boxed(),
        }
    }
}

/// Those that keep no history last.
fn entries() -> Vec<&'static Entry> {
    let brought = BROUGHT.read().unwrap_or_else(PoisonError::into_inner);
    let mut all: Vec<&Entry> = BUILT_IN.iter().chain(brought.iter().copied()).collect();
    all.sort_by_key(|entry| !entry.offer.keeps_history);
    all
}

fn entry(backend: &str) -> Option<&'static Entry> {
    entries().into_iter().find(|entry| entry.offer.id == backend)
}

/// Every backend as a person chooses it, those that keep no history last.
#[must_use]
pub fn offers() -> Vec<&'static Offer> {
    entries().into_iter().map(|entry| &entry.offer).collect()
}

/// The backend of this word.
#[must_use]
pub fn offer_of(backend: &str) -> Option<&'static Offer> {
    entry(backend).map(|entry| &entry.offer)
}

/// Makes a backend known that is written elsewhere: files, forms, commands and delivery have it from then on. To be called
/// before a configuration is read. One whose word is taken is left out; whether it was taken in.
pub fn bring_backend<B: Backend>() -> bool {
    let mut brought = BROUGHT.write().unwrap_or_else(PoisonError::into_inner);
    let is_taken = BUILT_IN.iter().chain(brought.iter().copied()).any(|entry| entry.offer.id == B::ID);
    if !is_taken {
        // There are few, and they stay for as long as the program runs.
        brought.push(Box::leak(Box::new(Entry::of::<B>())));
    }
    !is_taken
}

/// The settings of a backend of any kind.
pub struct BackendConfig(Box<dyn Settings>);

impl BackendConfig {
    /// Settings of this backend.
    #[must_use]
    pub fn of<B: Backend>(settings: B) -> Self {
        Self(Box::new(settings))
    }

    /// Reads the settings of a backend from an object with the keys of its fields.
    ///
    /// # Errors
    /// A value of another type than its field, or an unknown backend.
    pub fn from_object(backend: &str, object: Value) -> Result<Self, serde_json::Error> {
        let unknown = || serde::de::Error::custom(format!("unknown backend `{backend}`"));
        (entry(backend).ok_or_else(unknown)?.read)(object)
    }

    /// See [`Backend::test_instance`].
    #[cfg(any(test, feature = "testing"))]
    pub async fn test_instance(backend: &str, env: &BackendEnv) -> Option<Self> {
        (entry(backend)?.test_instance)(env).await
    }

    /// The word in the file.
    #[must_use]
    pub fn id(&self) -> BackendId {
        self.0.id()
    }

    /// See [`Backend::SHARED`].
    #[must_use]
    pub fn is_shared(&self) -> bool {
        self.0.is_shared()
    }

    /// See [`Backend::FREES_ROOM`].
    #[must_use]
    pub fn frees_room(&self) -> bool {
        self.0.frees_room()
    }

    /// See [`Backend::validate`].
    ///
    /// # Errors
    /// Every fault.
    pub fn validate(&self) -> Result<(), Vec<FieldError>> {
        self.0.faults()
    }

    /// See [`Backend::contact`].
    #[must_use]
    pub fn contact(&self) -> String {
        self.0.place()
    }

    /// See [`Backend::folder`].
    #[must_use]
    pub fn folder(&self, env: &BackendEnv) -> Option<PathBuf> {
        self.0.own_folder(env)
    }

    /// See [`Backend::open`].
    ///
    /// # Errors
    /// Whatever the backend gives.
    pub async fn open(&self, env: &BackendEnv) -> Result<Arc<dyn ResultStore>, StoreError> {
        self.0.store(env).await
    }

    /// See [`Backend::migrate`].
    ///
    /// # Errors
    /// Whatever the backend gives.
    pub async fn migrate(&self, env: &BackendEnv) -> Result<String, StoreError> {
        self.0.bring_up_to_date(env).await
    }

    /// See [`Backend::diagnose`].
    pub async fn diagnose(&self, env: &BackendEnv) -> Vec<Step> {
        self.look(env, &|_: super::StepNews<'_>| {}).await
    }

    /// See [`Backend::look`].
    pub async fn look(&self, env: &BackendEnv, tell: &dyn HearSteps) -> Vec<Step> {
        self.0.steps(env, tell).await
    }
}

impl Clone for BackendConfig {
    fn clone(&self) -> Self {
        self.0.copy()
    }
}

impl PartialEq for BackendConfig {
    fn eq(&self, other: &Self) -> bool {
        self.0.is_same(other.0.as_any())
    }
}

impl fmt::Debug for BackendConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// [`Backend`] without its type. Other names, so that each call says which of the two it means.
#[async_trait]
trait Settings: fmt::Debug + Send + Sync {
    fn id(&self) -> BackendId;
    fn is_shared(&self) -> bool;
    fn frees_room(&self) -> bool;
    fn faults(&self) -> Result<(), Vec<FieldError>>;
    fn place(&self) -> String;
    fn own_folder(&self, env: &BackendEnv) -> Option<PathBuf>;
    async fn store(&self, env: &BackendEnv) -> Result<Arc<dyn ResultStore>, StoreError>;
    async fn bring_up_to_date(&self, env: &BackendEnv) -> Result<String, StoreError>;
    async fn steps(&self, env: &BackendEnv, tell: &dyn HearSteps) -> Vec<Step>;
    fn copy(&self) -> BackendConfig;
    fn as_any(&self) -> &dyn Any;
    fn is_same(&self, other: &dyn Any) -> bool;
}

#[async_trait]
impl<B: Backend> Settings for B {
    fn id(&self) -> BackendId {
        B::ID
    }

    fn is_shared(&self) -> bool {
        B::SHARED
    }

    fn frees_room(&self) -> bool {
        B::FREES_ROOM
    }

    fn faults(&self) -> Result<(), Vec<FieldError>> {
        self.validate()
    }

    fn place(&self) -> String {
        self.contact()
    }

    fn own_folder(&self, env: &BackendEnv) -> Option<PathBuf> {
        self.folder(env)
    }

    async fn store(&self, env: &BackendEnv) -> Result<Arc<dyn ResultStore>, StoreError> {
        self.open(env).await
    }

    async fn bring_up_to_date(&self, env: &BackendEnv) -> Result<String, StoreError> {
        self.migrate(env).await
    }

    async fn steps(&self, env: &BackendEnv, tell: &dyn HearSteps) -> Vec<Step> {
        self.look(env, tell).await
    }

    fn copy(&self) -> BackendConfig {
        BackendConfig::of(self.clone())
    }

    fn as_any(&self) -> &dyn Any {
        self
    }

    fn is_same(&self, other: &dyn Any) -> bool {
        other.downcast_ref::<B>().is_some_and(|other| other == self)
    }
}
