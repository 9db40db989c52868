//! How storage is doing, for a running core and for files; and which backend is to be used.

use std::time::Duration;

use super::core::{Core, lock};
use super::start::env_of;
use super::stores::opener_of;
use super::{Options, StartError};
use crate::config::{Config, ConfigFile, Document, MonitorEntry, SaveError};
use crate::control::{Answer, AnswerError, Letter, LetterList, StorageReport};
use crate::deliver::{DeadLetter, History, OpenStore};
use crate::journal;
use crate::model::{InstanceId, error_chain};
use crate::record::StateFile;
use crate::storage::{BackendConfig, BackendEnv, ExpectedSize, Load, StoreError, Verified, expected_size};

/// A store that does not answer by then is told as such.
pub(super) const PATIENCE: Duration = Duration::from_secs(5);

/// How storage of a running core is doing; the store is given so long to answer.
pub(super) async fn report(core: &Core, patience: Duration) -> StorageReport {
    let delivery = &core.delivery;
    let status = delivery.status();
    let checked = delivery.check(patience).await;
    StorageReport {
        live: true,
        backend: status.backend.to_owned(),
        contact: status.contact,
        state: status.state.to_owned(),
        fault: status.fault.or_else(|| checked.as_ref().err().map(|error| error_chain(error))),
        since: Some(delivery.counted_since()),
        backlog_rows: status.backlog_rows,
        backlog_memory_bytes: status.backlog_bytes,
        oldest_waiting: status.oldest_waiting,
        last_write: status.last_write,
        dead_letters: status.dead_letters,
        dropped: status.dropped,
        journal_bytes: journal::size(&core.folder.path().join("journal")).ok(),
        journal_limit: delivery.journal_limit().0,
        store: checked.ok(),
        expected: expected_size(status.backend, lock(&core.fleet).loads(&delivery.retention())),
        pool: delivery.pool(),
        metrics: Some(delivery.metrics()),
        former: delivery.history().former_stores(),
        ledger: delivery.ledger(),
    }
}

/// How much room history will need with the monitors of a configuration.
pub(super) fn expected_of(config: &Config) -> Option<ExpectedSize> {
    let usual = config.storage.retention.usual();
    let watched = config.monitors.iter().filter(|entry| entry.enabled);
    let load = |entry: &'_ MonitorEntry| {
        let interval_us = u64::try_from(entry.interval.value.as_micros()).unwrap_or(u64::MAX);
        (entry.kind.kind(), interval_us, entry.retention.over(usual).unwrap_or(usual))
    };
    let loads = watched.map(load).map(|(kind, interval_us, kept)| Load { kind, interval_us, kept });
    expected_size(config.storage.backend.id(), loads)
}

/// The part of a report that files tell.
pub(super) fn of_files(history: &History, options: &Options) -> StorageReport {
    let backlog = history.backlog();
    StorageReport {
        state: "stopped".to_owned(),
        backlog_rows: backlog.rows,
        oldest_waiting: backlog.oldest,
        dead_letters: crate::deliver::DeadLetters::open(&options.data_dir).count(),
        journal_bytes: journal::size(&options.data_dir.join("journal")).ok(),
        former: history.former_stores(),
        ..StorageReport::default()
    }
}

/// What reading the whole store found, as an answer; `why` there is none to be read.
pub(super) fn verified(
    found: Option<Result<Verified, StoreError>>,
    why: impl FnOnce() -> String,
) -> Result<Answer, AnswerError> {
    match found {
        Some(Ok(verified)) => Ok(Answer::Verified(verified)),
        Some(Err(error)) => Err(AnswerError::Storage { what: error_chain(&error) }),
        None => Err(AnswerError::Storage { what: why() }),
    }
}

/// Dead letters as an answer.
pub(super) fn letters(read: std::io::Result<(Vec<DeadLetter>, u64)>) -> Result<LetterList, AnswerError> {
    let (letters, damaged) = read.map_err(letters_fault)?;
    let letters = letters.into_iter().map(|letter| Letter { id: letter.id(), letter }).collect();
    Ok(LetterList { letters, damaged })
}

/// Why dead letters cannot be read or changed.
pub(super) fn letters_fault(error: std::io::Error) -> AnswerError {
    AnswerError::Storage { what: format!("dead-letters.jsonl cannot be read or written: {error}") }
}

/// The store that a configuration names, as the instance of the data folder. Nothing is opened or held.
///
/// # Errors
/// The state file cannot be read.
pub fn store(options: &Options, config: &Config) -> Result<(BackendConfig, BackendEnv), StartError> {
    let state = StateFile::new(&options.data_dir).load()?.state;
    let instance = state.map_or(InstanceId::new(uuid::Uuid::nil()), |state| state.instance.id);
    Ok((config.storage.backend.clone(), env_of(options, instance)))
}

/// A configuration file in which another backend is named, not yet saved.
#[derive(Debug)]
pub struct BackendChange {
    file: ConfigFile,
    document: Document,
    /// What the file would say.
    pub config: Config,
    /// Whether it has settings of that backend.
    pub has_settings: bool,
}

impl BackendChange {
    /// Names another backend in the configuration file, in memory.
    ///
    /// # Errors
    /// The file cannot be read or edited, or would be refused with that backend.
    pub fn prepare(options: &Options, backend: &str) -> Result<Self, SaveError> {
        let file = ConfigFile::new(&options.config, &options.data_dir, options.clock.clone());
        let document = file.read()?.use_backend(backend)?;
        let config = file.check(&document, &options.vars, &*options.vault)?;
        let has_settings = document.has_settings_of(backend);
        Ok(Self { file, document, config, has_settings })
    }

    /// Opens the store and asks it how it is.
    ///
    /// # Errors
    /// Whatever it gives.
    pub async fn try_store(&self, env: &BackendEnv) -> Result<(), StoreError> {
        let store = opener_of(&self.config.storage.backend, self.config.storage.waiting.as_deref(), env).open().await?;
        let checked = store.check().await.map(drop);
        let closed = store.close().await;
        checked.and(closed)
    }

    /// Saves the file; a running Hall Monitor sees it within seconds.
    ///
    /// # Errors
    /// Somebody changed the file meanwhile, or it cannot be written.
    pub fn save(&self, options: &Options) -> Result<(), SaveError> {
        self.file.save(&self.document, &options.vars, &*options.vault).map(drop)
    }
}
