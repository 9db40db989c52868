//! What is known of earlier runs: the state file, or, where it is gone, what the store remembers of this instance.

use tokio::runtime::Builder;
use uuid::Uuid;

use super::start::opener;
use super::{Options, StartError};
use crate::config::Config;
use crate::deliver::{ConfiguredStore, OpenStore};
use crate::model::{Incident, InstanceId, KnownMonitor, Span, UnixMicros};
use crate::record::{LocalState, RememberedMonitor, StateFile};
use crate::storage::{IncidentQuery, StoreError};

/// What earlier runs left.
pub(super) struct Recalled {
    pub(super) state: LocalState,
    /// Incidents that only the store knows to be open.
    pub(super) open: Vec<Incident>,
}

/// What a store remembers.
struct Remembered {
    instance: Option<InstanceId>,
    known: Vec<KnownMonitor>,
    open: Vec<Incident>,
}

/// The state file; where it is gone, what the store remembers of this instance; else a new instance.
pub(super) fn recall(file: &StateFile, options: &Options, config: &Config) -> Result<Recalled, StartError> {
    let loaded = file.load()?;
    for set_aside in &loaded.set_aside {
        tracing::error!("{set_aside}");
    }
    let name = config.instance_name.clone();
    if let Some(mut state) = loaded.state {
        if let Some(name) = name {
            state.instance.name = name;
        }
        return Ok(Recalled { state, open: Vec::new() });
    }
    let name = name.unwrap_or_else(host_name);
    let mut state = LocalState::new(Uuid::new_v4(), name);
    let mut still_open = Vec::new();
    if options.data_dir.join("journal").is_dir() {
        // A store that is new gets the new id.
        let opener = opener(options, config, state.instance.id);
        let Remembered { instance, known, open } = ask_store(&opener)?;
        tracing::warn!(monitors = known.len(), "the state file is gone; ids come back from the store");
        state.instance.id = instance.unwrap_or(state.instance.id);
        still_open = open;
        state.remembered = known.into_iter().map(|known| RememberedMonitor { known, configured: true }).collect();
    }
    Ok(Recalled { state, open: still_open })
}

fn host_name() -> String {
    let name = rustix::system::uname().nodename().to_string_lossy().into_owned();
    if name.is_empty() { "this machine".to_owned() } else { name }
}

/// Asks on a thread of its own: the caller may be in a runtime.
fn ask_store(opener: &ConfiguredStore) -> Result<Remembered, StartError> {
    let ask = || -> Result<_, StartError> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        Ok(runtime.block_on(remembered_by_store(opener))?)
    };
    match std::thread::scope(|scope| scope.spawn(ask).join()) {
        Ok(told) => told,
        Err(_) => Err(std::io::Error::other("reading the store ended by a fault").into()),
    }
}

async fn remembered_by_store(opener: &dyn OpenStore) -> Result<Remembered, StoreError> {
    let store = opener.open().await?;
    let instance = store.metadata("instance").await?;
    let instance = instance.and_then(|bytes| String::from_utf8(bytes).ok()?.parse().ok());
    let known = store.monitors().await?;
    let ever = Span::new(UnixMicros::MIN, UnixMicros::MAX);
    let all = IncidentQuery { monitor: None, span: ever, limit: usize::MAX / 2 };
    let open = store.incidents(&all).await?.into_iter().filter(Incident::is_open).collect();
    store.close().await?;
    Ok(Remembered { instance, known, open })
}
