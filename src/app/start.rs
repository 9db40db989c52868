//! Brings everything up. The first check does not wait for the backend.

use std::path::Path;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, OnceLock, Weak};
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::runtime::Builder;
use tokio::sync::watch;
use uuid::Uuid;

use super::core::{Core, InForce};
use super::fleet::Fleet;
use super::keeper;
use super::wiring::{ToJournal, ToRecorder};
use super::{App, Options, StartError};
use crate::config::Config;
use crate::deliver::{ConfiguredStore, Delivery, DeliveryOptions, OpenStore};
use crate::event::Events;
use crate::journal::{Reader, Recovered};
use crate::model::{InstanceId, KnownMonitor, MonitorId, UnixMicros};
use crate::probe::ProbeEnv;
use crate::record::{
    Alive, AliveFile, DataFolder, HoldError, LedgerEntry, LocalState, Recorder, RememberedMonitor, StateFile,
};
use crate::schedule::{FirstCheck, Limits, Parts, Runner};
use crate::storage::{BackendEnv, StoreError};

/// How often and in which distance a held data folder is tried again.
const HOLD_TRIES: u32 = 60;
const HOLD_PAUSE: Duration = Duration::from_millis(50);

impl App {
    /// Takes the data folder and starts watching what the configuration says; `options.config` is the file it was
    /// read from, which is watched for changes.
    ///
    /// # Errors
    /// The folder is held or unusable, or the system gives no thread.
    pub fn start(options: Options, config: &Config) -> Result<Self, StartError> {
        for warning in &config.warnings {
            tracing::warn!("{warning}");
        }
        let folder = hold(&options.data_dir)?;
        let alive = AliveFile::read(folder.path());
        let state_file = StateFile::new(folder.path());
        let mut state = load_state(&state_file, &options, config)?;
        note_backend(&mut state, config, &options);

        let events = Events::new();
        let recorder_of_delivery = Arc::new(OnceLock::new());
        let delivery = start_delivery(&options, config, &state, &events, &recorder_of_delivery)?;
        let recorder = Arc::new(Recorder::new(
            options.clock.clone(),
            Arc::new(ToJournal(delivery.journal().clone())),
            events.clone(),
        ));
        let _ = recorder_of_delivery.set(Arc::downgrade(&recorder));
        restore(&recorder, &mut state, alive, &delivery, folder.path());

        let stuck = Arc::new(AtomicBool::new(false));
        let sink = ToRecorder { recorder: recorder.clone(), events: events.clone(), stuck: stuck.clone() };
        let (runner, handle) = Runner::new(Parts {
            clock: options.clock.clone(),
            sink: Arc::new(sink),
            connectivity: options.connectivity.clone(),
            limits: Limits::of_this_process(),
        });
        let probe_env = ProbeEnv::new(options.clock.clone());
        let core = Arc::new(Core {
            folder,
            config_path: options.config,
            vars: options.vars,
            vault: options.vault,
            events,
            recorder,
            runner: handle,
            delivery,
            fleet: Mutex::new(Fleet::new(state.instance.id, probe_env, state.remembered)),
            instance: state.instance,
            ledger: state.ledger,
            started: options.clock.wall(),
            stuck,
            in_force: Mutex::new(InForce { backend: config.storage.backend.id(), ..InForce::default() }),
            state_file,
            clock: options.clock,
        });
        core.apply(config, FirstCheck::Spread);
        let (stop, stopping) = watch::channel(false);
        let checks = thread("checks", runner.run())?;
        let kept = core.clone();
        let keeper = thread("keeper", keeper::run(kept, stopping))?;
        Ok(Self { core, stop, keeper: Some(keeper), checks: Some(checks) })
    }
}

/// Takes the data folder. A command that only looks at its files holds it for a moment: that is waited for.
fn hold(path: &Path) -> Result<DataFolder, HoldError> {
    let mut left = HOLD_TRIES;
    loop {
        match DataFolder::hold(path) {
            Err(HoldError::Held { .. }) if left > 0 => left -= 1,
            held => return held,
        }
        std::thread::sleep(HOLD_PAUSE);
    }
}

/// A thread with a runtime of its own. A look-up of a name that hangs does not keep it from ending.
fn thread(name: &str, work: impl Future<Output = ()> + Send + 'static) -> std::io::Result<JoinHandle<()>> {
    let runtime = Builder::new_current_thread().enable_all().max_blocking_threads(64).build()?;
    std::thread::Builder::new().name(name.to_owned()).spawn(move || {
        runtime.block_on(work);
        runtime.shutdown_background();
    })
}

/// How the store that the configuration names is opened.
pub(super) fn opener(options: &Options, config: &Config, instance: InstanceId) -> ConfiguredStore {
    let env = BackendEnv {
        data_dir: options.data_dir.clone(),
        instance,
        clock: options.clock.clone(),
        vault: options.vault.clone(),
    };
    let contact = config.storage.backend.contact();
    ConfiguredStore { config: config.storage.backend.clone(), env, contact }
}

/// The state file; where it is gone, what the store remembers of this instance; else a new instance.
fn load_state(file: &StateFile, options: &Options, config: &Config) -> Result<LocalState, StartError> {
    let loaded = file.load()?;
    for set_aside in &loaded.set_aside {
        tracing::error!("{set_aside}");
    }
    let name = config.instance_name.clone();
    if let Some(mut state) = loaded.state {
        if let Some(name) = name {
            state.instance.name = name;
        }
        return Ok(state);
    }
    let name = name.unwrap_or_else(host_name);
    let mut state = LocalState::new(Uuid::new_v4(), name);
    if options.data_dir.join("journal").is_dir() {
        // A store that is new gets the new id.
        let opener = opener(options, config, state.instance.id);
        let (instance, known) = ask_store(&opener)?;
        tracing::warn!(monitors = known.len(), "the state file is gone; ids come back from the store");
        state.instance.id = instance.unwrap_or(state.instance.id);
        state.remembered = known.into_iter().map(|known| RememberedMonitor { known, configured: true }).collect();
    }
    Ok(state)
}

fn host_name() -> String {
    let name = rustix::system::uname().nodename().to_string_lossy().into_owned();
    if name.is_empty() { "this machine".to_owned() } else { name }
}

/// Asks on a thread of its own: the caller may be in a runtime.
fn ask_store(opener: &ConfiguredStore) -> Result<(Option<InstanceId>, Vec<KnownMonitor>), StartError> {
    let ask = || -> Result<_, StartError> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        Ok(runtime.block_on(remembered_by_store(opener))?)
    };
    match std::thread::scope(|scope| scope.spawn(ask).join()) {
        Ok(told) => told,
        Err(_) => Err(std::io::Error::other("reading the store ended by a fault").into()),
    }
}

async fn remembered_by_store(opener: &dyn OpenStore) -> Result<(Option<InstanceId>, Vec<KnownMonitor>), StoreError> {
    let store = opener.open().await?;
    let instance = store.metadata("instance").await?;
    let instance = instance.and_then(|bytes| String::from_utf8(bytes).ok()?.parse().ok());
    let known = store.monitors().await?;
    store.close().await?;
    Ok((instance, known))
}

/// Keeps the ledger of where rows went since when.
fn note_backend(state: &mut LocalState, config: &Config, options: &Options) {
    let (backend, fingerprint) = (config.storage.backend.id().to_owned(), config.storage.backend.contact());
    let now = options.clock.wall();
    let last = state.ledger.last_mut();
    if last.as_ref().is_some_and(|last| last.backend == backend && last.fingerprint == fingerprint) {
        return;
    }
    if let Some(last) = last {
        last.to = Some(now);
    }
    state.ledger.push(LedgerEntry { backend, fingerprint, from: now, to: None });
}

fn start_delivery(
    options: &Options,
    config: &Config,
    state: &LocalState,
    events: &Events,
    recorder: &Arc<OnceLock<Weak<Recorder>>>,
) -> Result<Delivery, StartError> {
    let mut delivery = DeliveryOptions::new(options.data_dir.clone(), options.clock.clone(), events.clone());
    delivery.retention = config.storage.retention;
    let recorder = recorder.clone();
    delivery.undecided = Arc::new(move |monitor| undecided_since(&recorder, monitor));
    let opener = opener(options, config, state.instance.id);
    let (delivery, recovered) = Delivery::start(delivery, Arc::new(opener))?;
    report(&recovered);
    Ok(delivery)
}

fn undecided_since(recorder: &OnceLock<Weak<Recorder>>, monitor: MonitorId) -> Option<UnixMicros> {
    recorder.get()?.upgrade()?.undecided_since(monitor)
}

fn report(recovered: &Recovered) {
    if recovered.cut_bytes > 0 {
        tracing::warn!(bytes = recovered.cut_bytes, "a half-written row at the end of the journal was cut off");
    }
    for damage in &recovered.damaged {
        let kept = damage.set_aside.as_deref().unwrap_or(&damage.segment);
        tracing::error!(
            segment = %damage.segment.display(),
            kept = %kept.display(),
            rows_kept = damage.rows_kept,
            bytes_lost = damage.bytes_lost,
            "a segment of the journal is damaged: {}", damage.what
        );
    }
}

/// Brings back the last states: the snapshot, then the journal's rows after it.
fn restore(recorder: &Recorder, state: &mut LocalState, alive: Option<Alive>, delivery: &Delivery, folder: &Path) {
    let recorded = std::mem::take(&mut state.recorded);
    let reader = Reader::new(&folder.join("journal"), recorded.journal_position, None, true);
    let rows = reader.rows().map(|(_, row)| row);
    let restored = recorder.restore(recorded, alive.map(|alive| alive.at), rows);
    let next = delivery.journal().next();
    tracing::info!(monitors = restored.monitors, rows = restored.rows, next, "last states are restored");
}
