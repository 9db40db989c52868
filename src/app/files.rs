//! Answers from the files of a data folder that nobody holds.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::OnceCell;

use super::reads::Reads;
use super::shown::monitor_status;
use super::{Options, StartError};
use crate::clock::Clock;
use crate::config;
use crate::control::{Answer, AnswerError, Answers, MonitorName, MonitorStatus, Request, Source, Status, Storage};
use crate::deliver::History;
use crate::event::Events;
use crate::journal::Reader;
use crate::model::{InstanceId, KnownMonitor, Monitor, Row, Thresholds, error_chain};
use crate::probe::KINDS;
use crate::record::{AliveFile, BoardRow, DataFolder, LedgerEntry, LocalState, Recorder, RowSink, StateFile};
use crate::storage::{BackendConfig, BackendEnv, ResultStore};

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

/// The store that a configuration names, as the instance of the data folder. Nothing is opened or held.
///
/// # Errors
/// The state file cannot be read.
pub fn store(options: &Options, config: &config::Config) -> Result<(BackendConfig, BackendEnv), StartError> {
    let state = StateFile::new(&options.data_dir).load()?.state;
    let instance = state.map_or(InstanceId::new(uuid::Uuid::nil()), |state| state.instance.id);
    let opener = super::start::opener(options, config, instance);
    Ok((config.storage.backend.clone(), opener.env))
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
        let storage = self.state.ledger.last();
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
        let entry = self.state.ledger.last().cloned().unwrap_or(LedgerEntry {
            backend: "none".to_owned(),
            fingerprint: "none".to_owned(),
            from: self.clock.wall(),
            to: None,
        });
        let (store, note) = match self.open_store(&entry).await {
            Ok(store) => (Some(store), None),
            Err(what) => (None, Some(format!("only what waits in the journal: {what}"))),
        };
        let keeps_history = store.as_ref().is_none_or(|store| store.capabilities().keeps_history);
        let history = History::offline(self.folder.path(), &entry.fingerprint, store)
            .map_err(|error| AnswerError::Storage { what: error_chain(&error) })?;
        Ok((history, Source { backend: entry.backend, keeps_history, note }))
    }

    /// Opens the store that rows last went to, with the settings of the configuration where it still names that one.
    async fn open_store(&self, entry: &LedgerEntry) -> Result<Arc<dyn ResultStore>, String> {
        let env = BackendEnv {
            data_dir: self.folder.path().to_owned(),
            instance: self.state.instance.id,
            clock: Arc::clone(&self.clock),
            vault: Arc::clone(&self.options.vault),
        };
        let configured = config::load(&self.options.config, &self.options.vars, &*self.options.vault).ok();
        let config = match configured.map(|config| config.storage) {
            Some(storage) if storage.backend.contact() == entry.fingerprint => match storage.waiting {
                Some(why) => return Err(why),
                None => storage.backend,
            },
            _ => {
                BackendConfig::from_object(&entry.backend, serde_json::json!({})).map_err(|error| error.to_string())?
            }
        };
        config.open(&env).await.map_err(|error| error_chain(&error))
    }
}
