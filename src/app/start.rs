//! Brings everything up. The first check does not wait for the backend.

use std::path::Path;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, OnceLock, Weak};
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::runtime::Builder;
use tokio::sync::watch;

use super::core::{Core, InForce};
use super::fleet::Fleet;
use super::keeper;
use super::presence::{ClaimedStore, Presence};
use super::recall::{Recalled, recall};
use super::stores::{earlier, opener_of, others};
use super::wiring::{ToJournal, ToRecorder};
use super::{App, Options, StartError};
use crate::config::Config;
use crate::deliver::{ConfiguredStore, Delivery, DeliveryOptions, read_ledger};
use crate::event::Events;
use crate::journal::{Reader, Recovered};
use crate::model::{Incident, InstanceId, MonitorId, Row, State, UnixMicros};
use crate::probe::ProbeEnv;
use crate::record::{Alive, AliveFile, DataFolder, HoldError, LocalState, Recorder, StateFile};
use crate::schedule::{FirstCheck, Limits, Parts, Runner};
use crate::storage::{BackendEnv, Retention};

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
        let Recalled { mut state, open } = recall(&state_file, &options, config)?;

        let events = Events::new();
        let recorder_of_delivery = Arc::new(OnceLock::new());
        let presence = Arc::new(Presence::new(options.clock.clone(), state.instance.clone()));
        let delivery = start_delivery(&options, config, &state, &events, &presence, &recorder_of_delivery)?;
        let recorder = Arc::new(Recorder::new(
            options.clock.clone(),
            Arc::new(ToJournal(delivery.journal().clone())),
            events.clone(),
        ));
        let _ = recorder_of_delivery.set(Arc::downgrade(&recorder));
        restore(&recorder, &mut state, open, alive, folder.path());

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
            presence: Arc::clone(&presence),
            started: options.clock.wall(),
            stuck,
            in_force: Mutex::new(InForce::new(&config.storage)),
            steering: Mutex::new(()),
            state_file,
            muted_until: Mutex::new(None),
            paused_together: Mutex::new(Vec::new()),
            clock: options.clock,
        });
        let weak = Arc::downgrade(&core);
        presence.when_renewed(Box::new(move || weak.upgrade().iter().for_each(|core| core.renewed())));
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
    opener_of(&config.storage.backend, config.storage.waiting.as_deref(), &env_of(options, instance))
}

/// What a store may use.
pub(super) fn env_of(options: &Options, instance: InstanceId) -> BackendEnv {
    BackendEnv {
        data_dir: options.data_dir.clone(),
        instance,
        clock: options.clock.clone(),
        vault: options.vault.clone(),
    }
}

fn start_delivery(
    options: &Options,
    config: &Config,
    state: &LocalState,
    events: &Events,
    presence: &Arc<Presence>,
    recorder: &Arc<OnceLock<Weak<Recorder>>>,
) -> Result<Delivery, StartError> {
    let mut delivery = DeliveryOptions::new(options.data_dir.clone(), options.clock.clone(), events.clone());
    // Until it is known which monitors the configuration means.
    delivery.retention = Retention::everything();
    delivery.earlier = earlier(&state.ledger);
    let ledger = [read_ledger(&options.data_dir), delivery.earlier.clone()].concat();
    delivery.others = others(&config.storage, &ledger, &env_of(options, state.instance.id));
    let recorder = recorder.clone();
    let of_down = recorder.clone();
    delivery.undecided = Arc::new(move |monitor| undecided_since(&recorder, monitor));
    delivery.down_since = Arc::new(move |monitor| down_since(&of_down, monitor));
    delivery.journal_limit = config.storage.journal_limit;
    let store = opener(options, config, state.instance.id);
    let is_shared = config.storage.backend.is_shared();
    let opener = ClaimedStore { store, is_shared, presence: Arc::clone(presence) };
    let (delivery, recovered) = Delivery::start(delivery, Arc::new(opener))?;
    report(&recovered);
    Ok(delivery)
}

fn undecided_since(recorder: &OnceLock<Weak<Recorder>>, monitor: MonitorId) -> Option<UnixMicros> {
    recorder.get()?.upgrade()?.undecided_since(monitor)
}

fn down_since(recorder: &OnceLock<Weak<Recorder>>, monitor: MonitorId) -> Option<UnixMicros> {
    let row = recorder.get()?.upgrade()?.board().row(monitor)?;
    (row.state == State::Down).then_some(row.since)
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

/// Brings back the last states: the snapshot, what the store says is open, then the journal's rows after the snapshot.
fn restore(recorder: &Recorder, state: &mut LocalState, open: Vec<Incident>, alive: Option<Alive>, folder: &Path) {
    let recorded = std::mem::take(&mut state.recorded);
    let reader = Reader::new(&folder.join("journal"), recorded.journal_position, None, true);
    let rows = open.into_iter().map(Row::Incident).chain(reader.rows().map(|(_, row)| row));
    let restored = recorder.restore(recorded, alive.map(|alive| alive.at), rows);
    tracing::info!(monitors = restored.monitors, rows = restored.rows, "last states are restored");
}
