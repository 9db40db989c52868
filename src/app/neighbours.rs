//! The instances that share a store, and answers from what another one of them has kept. Only the store is asked: what
//! waits on the other machine is not there yet.

use std::cmp::Reverse;
use std::sync::Arc;

use async_trait::async_trait;

use super::presence::{KEY, Sign};
use crate::clock::Clock;
use crate::control::{
    Answer, AnswerError, Answers, HistoryPage, IncidentList, MAX_PAGE, MonitorName, Request, Source, UptimeList,
    find_monitor,
};
use crate::model::{InstanceId, MonitorId, UnixMicros, error_chain};
use crate::storage::{BackendConfig, BackendEnv, IncidentQuery, ResultQuery, ResultStore, StoreError, UptimeQuery};

/// An instance that keeps its history in a store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Neighbour {
    /// Its id.
    pub id: InstanceId,
    /// Its name.
    pub name: String,
    /// Its last sign of life, by the clock of its machine.
    pub alive: UnixMicros,
    /// Whether it said that it ended.
    pub ended: bool,
    /// Whether it is the one that asks.
    pub is_own: bool,
}

/// The instances of a store, by name; the one that was seen last first where two have one name.
///
/// # Errors
/// The store cannot be opened or read.
pub async fn neighbours(config: &BackendConfig, env: &BackendEnv) -> Result<Vec<Neighbour>, StoreError> {
    let store = config.open(env).await?;
    let signs = store.metadata_of_all(KEY).await;
    store.close().await?;
    let neighbour = |(id, bytes): (InstanceId, Vec<u8>)| {
        let Sign { name, at, ended, .. } = Sign::read(&bytes)?;
        Some(Neighbour { id, name, alive: at, ended, is_own: id == env.instance })
    };
    let mut found: Vec<Neighbour> = signs?.into_iter().filter_map(neighbour).collect();
    found.sort_by(|a, b| (&a.name, Reverse(a.alive), a.id).cmp(&(&b.name, Reverse(b.alive), b.id)));
    Ok(found)
}

/// Why another instance's history cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum NoNeighbour {
    /// The store does not answer.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// No instance has the name.
    #[error("no instance in {contact} is called `{wanted}`; there are {there}")]
    Unknown {
        /// Which store.
        contact: String,
        /// What was asked for.
        wanted: String,
        /// Those that are there.
        there: String,
    },
    /// More than one has it.
    #[error("{count} instances are called `{wanted}`; name one by its id: {ids}")]
    Ambiguous {
        /// How many.
        count: usize,
        /// What was asked for.
        wanted: String,
        /// Their ids.
        ids: String,
    },
}

/// Answers from what the instance of a name or an id has kept.
///
/// # Errors
/// There is no such instance, or the store does not answer.
pub async fn of_neighbour(
    config: &BackendConfig,
    env: &BackendEnv,
    wanted: &str,
) -> Result<Arc<dyn Answers>, NoNeighbour> {
    let all = neighbours(config, env).await?;
    let called: Vec<&Neighbour> = all.iter().filter(|one| one.name == wanted || one.id.to_string() == wanted).collect();
    let join = |ids: Vec<String>| ids.join(", ");
    let id = match called.as_slice() {
        [one] => one.id,
        [] => {
            let there = all.iter().map(|one| format!("`{}`", one.name)).collect::<Vec<_>>();
            let there = if there.is_empty() { "none".to_owned() } else { join(there) };
            return Err(NoNeighbour::Unknown { contact: config.contact(), wanted: wanted.to_owned(), there });
        }
        several => {
            let ids = join(several.iter().map(|one| one.id.to_string()).collect());
            return Err(NoNeighbour::Ambiguous { count: several.len(), wanted: wanted.to_owned(), ids });
        }
    };
    let env = BackendEnv { instance: id, ..env.clone() };
    let store = config.open(&env).await?;
    let monitors = store.monitors().await?.into_iter().map(MonitorName::from).collect();
    let source = Source { backend: config.id().to_owned(), keeps_history: true, note: None, kept: Vec::new() };
    Ok(Arc::new(Kept { store, monitors, source, clock: env.clock }))
}

/// What another instance has kept.
#[derive(Debug)]
struct Kept {
    store: Arc<dyn ResultStore>,
    monitors: Vec<MonitorName>,
    source: Source,
    clock: Arc<dyn Clock>,
}

fn fault(error: StoreError) -> AnswerError {
    AnswerError::Storage { what: error_chain(&error) }
}

impl Kept {
    fn find(&self, name: &str) -> Result<MonitorId, AnswerError> {
        find_monitor(name, self.monitors.iter().map(|named| (named.id, named.name.as_str())))
    }
}

#[async_trait]
impl Answers for Kept {
    async fn answer(&self, request: Request) -> Result<Answer, AnswerError> {
        let (source, monitors) = (self.source.clone(), self.monitors.clone());
        match request {
            Request::History { monitor, span, limit, after } => {
                let monitor = monitor.map(|name| self.find(&name)).transpose()?;
                let query = ResultQuery { monitor, span, limit: limit.clamp(1, MAX_PAGE), after };
                let page = self.store.results(&query).await.map_err(fault)?;
                Ok(Answer::History(HistoryPage { source, monitors, results: page.results, next: page.next }))
            }
            Request::Uptime { monitors: names, span } => {
                let ids = match names.is_empty() {
                    true => self.monitors.iter().map(|named| named.id).collect(),
                    false => names.iter().map(|name| self.find(name)).collect::<Result<Vec<_>, _>>()?,
                };
                let query = UptimeQuery { monitors: ids, span, now: self.clock.wall() };
                let uptimes = self.store.uptime(&query).await.map_err(fault)?;
                Ok(Answer::Uptime(UptimeList { source, monitors, uptimes }))
            }
            Request::Incidents { monitor, span, limit } => {
                let monitor = monitor.map(|name| self.find(&name)).transpose()?;
                let limit = limit.clamp(1, MAX_PAGE);
                let query = IncidentQuery { monitor, span, limit: limit + 1 };
                let mut incidents = self.store.incidents(&query).await.map_err(fault)?;
                let more = incidents.len() > limit;
                incidents.truncate(limit);
                Ok(Answer::Incidents(IncidentList { source, monitors, incidents, more }))
            }
            // Whatever else there is to ask is about the instance that is here.
            _ => Err(AnswerError::NotRunning),
        }
    }
}
