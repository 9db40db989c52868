//! Answers from the files of a data folder that nobody holds.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::OnceCell;

use super::reads::Reads;
use super::shown::monitor_status;
use super::start::env_of;
use super::storage;
use super::stores::{earlier, others};
use super::{Options, StartError};
use crate::clock::Clock;
use crate::config;
use crate::control::{
    Answer, AnswerError, Answers, MAX_PAGE, MonitorName, MonitorStatus, Request, Source, Status, Storage, StorageReport,
};
use crate::deliver::{DeadLetters, History, LedgerEntry, OpenStore, read_ledger};
use crate::event::Events;
use crate::journal::Reader;
use crate::model::{KnownMonitor, Monitor, Row, Thresholds, error_chain};
use crate::probe::KINDS;
use crate::record::{AliveFile, BoardRow, DataFolder, LocalState, Recorder, RowSink, StateFile};
use crate::storage::ResultStore;

/// Opens the files of a data folder. It is held until the answers are dropped.
///
/// # Errors
/// Somebody holds the folder, or its state file cannot be read.
pub fn offline(options: Options) -> Result<Arc<dyn Answers>, StartError> {
    let data_dir = &options.data_dir;
    let folder = DataFolder::hold(data_dir)?;
    let state =
        StateFile::new(data_dir).load()?.state.unwrap_or_else(|| LocalState::new(uuid::Uuid::nil(), String::new()));
    Ok(Arc::new(Files { folder, state, clock: options.clock.clone(), history: OnceCell::new(), options }))
}

/// A monitor as far as a store remembers it; when it runs is in its results.
fn monitor_of(known: &KnownMonitor) -> Monitor {
    let kind = KINDS.iter().map(|(id, _)| *id).find(|id| *id == known.kind).unwrap_or("unknown");
    Monitor {
        id: known.id,
        name: known.name.clone(),
        group: known.group.clone(),
        kind,
        target: known.target.clone(),
        interval: Duration::ZERO,
        timeout: Duration::ZERO,
        thresholds: Thresholds::default(),
        labels: BTreeMap::new(),
    }
}

/// Files that this process holds.
#[derive(Debug)]
struct Files {
    folder: DataFolder,
    state: LocalState,
    clock: Arc<dyn Clock>,
    options: Options,
    history: OnceCell<(History, Source)>,
}

#[async_trait]
impl Answers for Files {
    async fn answer(&self, request: Request) -> Result<Answer, AnswerError> {
        match request {
            Request::Status { .. } => Ok(Answer::Status(self.status())),
            Request::History { monitor, span, limit, after } => {
                Ok(Answer::History(self.reads().await?.history(monitor, span, limit, after).await?))
            }
            Request::Uptime { monitors, span } => {
                Ok(Answer::Uptime(self.reads().await?.uptime(monitors, span, self.clock.wall()).await?))
            }
            Request::Incidents { monitor, span, limit } => {
                Ok(Answer::Incidents(self.reads().await?.incidents(monitor, span, limit).await?))
            }
            Request::Storage => Ok(Answer::Storage(Box::new(self.storage().await?))),
            Request::VerifyStore => {
                let (history, source) = self.history.get_or_try_init(|| self.open()).await?;
                let why = || source.note.clone().unwrap_or_else(|| "the store is not open".to_owned());
                storage::verified(history.verify_store().await, why)
            }
            Request::DeadLetters { limit } => {
                Ok(Answer::DeadLetters(storage::letters(self.letters().list(limit.min(MAX_PAGE)))?))
            }
            Request::RetryLetters { letters } => {
                let count = self.letters().retry(&letters).map_err(storage::letters_fault)?;
                Ok(Answer::LettersChanged { count, live: false })
            }
            Request::DropLetters { letters } => {
                let count = self.letters().drop_letters(&letters).map_err(storage::letters_fault)?;
                Ok(Answer::LettersChanged { count, live: false })
            }
            Request::Version | Request::CheckNow { .. } | Request::Pause { .. } | Request::Resume { .. } => {
                Err(AnswerError::NotRunning)
            }
        }
    }
}

/// Restoring writes rows (a gap for the time away); whoever only looks keeps none of them.
struct Nowhere;

impl RowSink for Nowhere {
    fn push(&self, _row: &Row) {}

    fn position(&self) -> u64 {
        0
    }
}

impl Files {
    /// The last known states: the snapshot, then the journal's rows after it.
    fn board(&self) -> Vec<BoardRow> {
        let recorder = Recorder::new(Arc::clone(&self.clock), Arc::new(Nowhere), Events::new());
        let recorded = self.state.recorded.clone();
        let reader = Reader::new(&self.folder.path().join("journal"), recorded.journal_position, None, false);
        let alive = AliveFile::read(self.folder.path()).map(|alive| alive.at);
        recorder.restore(recorded, alive, reader.rows().map(|(_, row)| row));
        let monitors = self.state.remembered.iter().filter(|monitor| monitor.configured);
        recorder.set_monitors(monitors.map(|monitor| Arc::new(monitor_of(&monitor.known))).collect(), Vec::new());
        recorder.board().snapshot()
    }

    fn status(&self) -> Status {
        let shown = |row: &BoardRow| MonitorStatus {
            interval_us: row.last.as_ref().map_or(0, |last| last.interval_us),
            stale: true,
            ..monitor_status(row, None)
        };
        let monitors = self.board().iter().map(shown).collect();
        let ledger = self.ledger();
        let storage = ledger.last();
        Status {
            live: false,
            monitors,
            storage: storage.map(|entry| Storage { backend: entry.backend.clone(), ..Storage::default() }),
            ..Status::default()
        }
    }

    async fn reads(&self) -> Result<Reads, AnswerError> {
        let (history, source) = self.history.get_or_try_init(|| self.open()).await?;
        let names: Vec<MonitorName> = self
            .state
            .remembered
            .iter()
            .filter(|monitor| monitor.configured)
            .map(|monitor| monitor.known.clone().into())
            .collect();
        let configured = names.len();
        Reads { history: history.clone(), source: source.clone(), names, configured }.with_known().await
    }

    async fn open(&self) -> Result<(History, Source), AnswerError> {
        let ledger = self.ledger();
        let entry = ledger.last().cloned().unwrap_or(LedgerEntry {
            backend: "none".to_owned(),
            fingerprint: "none".to_owned(),
            contact: "none".to_owned(),
            from: self.clock.wall(),
            to: None,
        });
        let stores = self.stores(&ledger);
        let (store, note) = match Self::open_store(&entry, &stores).await {
            Ok(store) => (Some(store), None),
            Err(what) => (None, Some(format!("only what waits in the journal: {what}"))),
        };
        let keeps_history = store.as_ref().is_none_or(|store| store.capabilities().keeps_history);
        let history = History::offline(self.folder.path(), &entry.contact, store, &stores, Arc::clone(&self.clock))
            .map_err(|error| AnswerError::Storage { what: error_chain(&error) })?;
        Ok((history, Source { backend: entry.backend, keeps_history, note, kept: Vec::new() }))
    }

    fn letters(&self) -> DeadLetters {
        DeadLetters::open(self.folder.path())
    }

    /// How storage is doing, as far as files tell.
    async fn storage(&self) -> Result<StorageReport, AnswerError> {
        let (history, source) = self.history.get_or_try_init(|| self.open()).await?;
        let checked = history.check_store().await;
        let ledger = self.ledger();
        let config = config::load(&self.options.config, &self.options.vars, &*self.options.vault).ok();
        Ok(StorageReport {
            expected: config.as_ref().and_then(storage::expected_of),
            backend: source.backend.clone(),
            contact: ledger.last().map_or_else(|| source.backend.clone(), |entry| entry.contact.clone()),
            fault: source.note.clone().or_else(|| checked.as_ref()?.as_ref().err().map(|error| error_chain(error))),
            store: checked.and_then(Result::ok),
            ledger,
            ..storage::of_files(history, &self.options)
        })
    }

    /// Which store has which time.
    fn ledger(&self) -> Vec<LedgerEntry> {
        let ledger = read_ledger(self.folder.path());
        if ledger.is_empty() { earlier(&self.state.ledger) } else { ledger }
    }

    /// How stores are opened, with the settings of the configuration where it still names them.
    fn stores(&self, ledger: &[LedgerEntry]) -> Vec<Arc<dyn OpenStore>> {
        let env = env_of(&self.options, self.state.instance.id);
        let vault = &*self.options.vault;
        let configured = config::load(&self.options.config, &self.options.vars, vault).ok();
        let usual = || config::without_file(&self.options.config, &self.options.vars, vault).ok();
        configured.or_else(usual).map_or_else(Vec::new, |config| others(&config.storage, ledger, &env))
    }

    /// Opens the store that rows last went to.
    async fn open_store(entry: &LedgerEntry, stores: &[Arc<dyn OpenStore>]) -> Result<Arc<dyn ResultStore>, String> {
        let opener = stores.iter().find(|store| store.contact() == entry.contact);
        let opener = opener.ok_or_else(|| format!("the settings of {} are not in the configuration", entry.contact))?;
        opener.open().await.map_err(|error| error_chain(&error))
    }
}
