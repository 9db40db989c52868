//! What is in force: configuration, monitors, pauses, and the file in which they outlive the process.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::fleet::Fleet;
use super::presence::{ClaimedStore, Presence};
use super::stores::{opener_of, others};
use crate::clock::Clock;
use crate::config::{Config, LoadError, Storage, Vars, parse};
use crate::deliver::{Delivery, Switched};
use crate::event::{Event, Events};
use crate::model::{Monitor, MonitorId, Row, UnixMicros, error_chain};
use crate::record::{DataFolder, LocalState, Recorder, StateFile};
use crate::schedule::{FirstCheck, RunnerHandle};
use crate::secret::Vault;
use crate::storage::{BackendConfig, BackendEnv};

/// What the keeper and the answers share.
#[derive(Debug)]
pub(super) struct Core {
    pub(super) folder: DataFolder,
    pub(super) config_path: PathBuf,
    pub(super) vars: Vars,
    pub(super) vault: Arc<dyn Vault>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) events: Events,
    pub(super) recorder: Arc<Recorder>,
    pub(super) runner: RunnerHandle,
    pub(super) delivery: Delivery,
    pub(super) presence: Arc<Presence>,
    pub(super) started: UnixMicros,
    pub(super) stuck: Arc<AtomicBool>,
    pub(super) fleet: Mutex<Fleet>,
    pub(super) in_force: Mutex<InForce>,
    /// Held while monitors, pauses or the state file change: each sees the others whole.
    pub(super) steering: Mutex<()>,
    pub(super) state_file: StateFile,
    /// Nobody wants to be told of changes before this time.
    pub(super) muted_until: Mutex<Option<UnixMicros>>,
    /// Those that were paused all together; resuming all means them.
    pub(super) paused_together: Mutex<Vec<MonitorId>>,
}

/// What is known of the configuration that is in force.
pub(super) struct InForce {
    /// See [`crate::config::content_hash`].
    pub(super) hash: u64,
    /// What was read.
    pub(super) text: Arc<str>,
    /// Some monitors or the store wait for something that may come.
    pub(super) waiting: bool,
    /// Where history goes.
    pub(super) storage: BackendConfig,
    /// A secret of it was missing when it was put in force.
    pub(super) storage_waits: bool,
    /// Why it does not go where the file says.
    pub(super) storage_fault: Option<String>,
    /// Why the file as it is now is not in force.
    pub(super) refused: Option<String>,
    /// The monitors that were told to wait, by what they wait for.
    unable: Waiting,
}

/// Names in one line of the log.
const UNABLE_NAMED: usize = 10;

impl InForce {
    /// Nothing was read yet; history goes there.
    pub(super) fn new(storage: &Storage) -> Self {
        Self {
            hash: 0,
            text: Arc::default(),
            waiting: false,
            storage: storage.backend.clone(),
            storage_waits: storage.waiting.is_some(),
            storage_fault: None,
            refused: None,
            unable: Waiting::new(),
        }
    }
}

impl InForce {
    /// Tells what monitors wait for, once for each reason and again when it stops others: the file is read again and again
    /// as long as something is missing, and a locked keychain concerns many.
    fn tell_unable(&mut self, unable: &[(Arc<Monitor>, String)]) {
        let mut waiting = Waiting::new();
        for (monitor, reason) in unable {
            waiting.entry(reason.clone()).or_default().push(monitor.name.clone());
        }
        let (begun, ended) = changes(&self.unable, &waiting);
        for (reason, monitors) in begun {
            let names = monitors.iter().take(UNABLE_NAMED).map(String::as_str).collect::<Vec<_>>().join(", ");
            tracing::warn!(monitors = monitors.len(), names, reason, "monitors cannot run yet");
        }
        for reason in ended {
            tracing::info!(reason, "no monitor waits for this any more");
        }
        self.unable = waiting;
    }
}

/// Monitors by what they wait for.
type Waiting = BTreeMap<String, Vec<String>>;

/// What is waited for anew or by others than before, and what nobody waits for any more.
fn changes<'w>(before: &'w Waiting, now: &'w Waiting) -> (Vec<(&'w String, &'w Vec<String>)>, Vec<&'w String>) {
    let begun = now.iter().filter(|(reason, monitors)| before.get(*reason) != Some(monitors)).collect();
    let ended = before.keys().filter(|reason| !now.contains_key(*reason)).collect();
    (begun, ended)
}

impl std::fmt::Debug for InForce {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Not the text: it may hold passwords.
        f.debug_struct("InForce").field("hash", &self.hash).field("waiting", &self.waiting).finish_non_exhaustive()
    }
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Core {
    /// Puts a configuration in force: only what changed is touched.
    pub(super) fn apply(&self, config: &Config, first: FirstCheck) {
        let _steering = lock(&self.steering);
        let mut change = lock(&self.fleet).change(&config.monitors, self.clock.wall());
        let mut retention = config.storage.retention.clone();
        let usual = retention.usual();
        let own = change.retention.iter().filter_map(|(monitor, own)| Some((*monitor, own.over(usual)?)));
        retention.own = own.collect();
        self.delivery.set_retention(retention);
        if self.use_storage(&config.storage) || first == FirstCheck::Spread {
            // A store that is new, or was begun anew, learns every monitor.
            change.known = lock(&self.fleet).known(&change);
        }
        for known in change.known {
            self.delivery.journal().push(&Row::Monitor(known));
        }
        for rename in &change.renames {
            tracing::info!(from = rename.from, to = rename.to, "a monitor was renamed and keeps its history");
        }
        let storage = &config.storage;
        let mut in_force = lock(&self.in_force);
        in_force.tell_unable(&change.unable);
        in_force.hash = config.hash;
        in_force.text = Arc::clone(&config.text);
        let waits = storage.waiting.is_some() || in_force.storage_fault.is_some();
        in_force.waiting = !change.unable.is_empty() || waits;
        in_force.refused = None;
        drop(in_force);
        self.recorder.set_monitors(change.runnable, change.unable);
        let paused = self.recorder.board().paused();
        self.runner.remove(&change.stop);
        self.runner.set(change.start, first);
        // After a restart, or where a pending one came to run: pauses are state and outlive the file.
        self.runner.pause(&paused);
    }

    /// Has history go where the configuration says; tells whether that is another store than before.
    fn use_storage(&self, storage: &Storage) -> bool {
        let env = self.env();
        self.delivery.set_journal_limit(storage.journal_limit);
        self.delivery.know(&others(storage, &self.delivery.ledger(), &env));
        let (now, waited) = {
            let in_force = lock(&self.in_force);
            (in_force.storage.clone(), in_force.storage_waits)
        };
        // One that is open stays open while a secret of it is missing.
        let waits = storage.waiting.is_some() && now.contact() == storage.backend.contact();
        if waits || now == storage.backend && !waited {
            lock(&self.in_force).storage_fault = None;
            return false;
        }
        let switched = self.delivery.switch(self.opener(&storage.backend, storage.waiting.as_deref()));
        let mut in_force = lock(&self.in_force);
        match switched {
            Ok(switched) => {
                in_force.storage = storage.backend.clone();
                in_force.storage_waits = storage.waiting.is_some();
                in_force.storage_fault = None;
                switched == Switched::Other
            }
            Err(error) => {
                let fault = error_chain(&error);
                tracing::error!(fault, "history goes on to the former store; the switch is tried again");
                in_force.storage_fault = Some(fault);
                false
            }
        }
    }

    /// What a store may use.
    pub(super) fn env(&self) -> BackendEnv {
        BackendEnv {
            data_dir: self.folder.path().to_owned(),
            instance: self.presence.id(),
            clock: Arc::clone(&self.clock),
            vault: Arc::clone(&self.vault),
        }
    }

    /// How the store is opened that history goes to from now on.
    fn opener(&self, backend: &BackendConfig, waiting: Option<&str>) -> Arc<ClaimedStore> {
        Arc::new(ClaimedStore {
            store: opener_of(backend, waiting, &self.env()),
            is_shared: backend.is_shared(),
            presence: Arc::clone(&self.presence),
        })
    }

    /// This instance has another id: it is written down before any row goes out under it, and the store learns every
    /// monitor anew.
    pub(super) fn renewed(&self) {
        self.save();
        let fleet = lock(&self.fleet);
        for monitor in fleet.remembered().iter().filter(|monitor| monitor.configured) {
            self.delivery.journal().push(&Row::Monitor(monitor.known.clone()));
        }
    }

    /// Has the store opened anew, as the instance that this is now.
    pub(super) fn reopen_store(&self) {
        let (backend, waits) = {
            let in_force = lock(&self.in_force);
            (in_force.storage.clone(), in_force.storage_waits)
        };
        if waits {
            return;
        }
        if let Err(error) = self.delivery.switch(self.opener(&backend, None)) {
            tracing::error!(error = error_chain(&error), "the store cannot be opened anew; start Hall Monitor again");
        }
    }

    /// Reads the file again. What is refused changes nothing. Blocks on the file and on the vault.
    pub(super) fn reload(&self, bytes: &[u8]) {
        match parse(bytes, &self.config_path, &self.vars, &*self.vault) {
            Ok(config) => {
                let is_news = {
                    let in_force = lock(&self.in_force);
                    in_force.hash != config.hash || in_force.refused.is_some()
                };
                self.apply(&config, FirstCheck::AtOnce);
                if !is_news {
                    // Only what it waits for was looked for again.
                    return;
                }
                for warning in &config.warnings {
                    tracing::warn!("{warning}");
                }
                tracing::info!(monitors = config.monitors.len(), "the configuration was read again and is in force");
                self.events.send(Event::ConfigRead { problems: 0 });
            }
            Err(refusal) => self.refuse(&LoadError::from(refusal)),
        }
    }

    fn refuse(&self, error: &LoadError) {
        if lock(&self.in_force).refused.as_ref() == Some(&error.to_string()) {
            // The same content was read again, as long as something else is waited for.
            return;
        }
        for problem in error.problems() {
            tracing::error!("{problem}");
        }
        let problems = error.problems().len().max(1);
        tracing::error!(problems, "the configuration is refused; the last good one stays in force");
        lock(&self.in_force).refused = Some(error.to_string());
        self.events.send(Event::ConfigRead { problems });
    }

    /// Pauses monitors, durably.
    pub(super) fn pause(&self, ids: &[MonitorId], until: Option<UnixMicros>) {
        let steering = lock(&self.steering);
        self.recorder.pause(ids, until);
        self.runner.pause(ids);
        drop(steering);
        self.save();
    }

    /// Ends the pause of monitors, durably.
    pub(super) fn resume(&self, ids: &[MonitorId]) {
        let steering = lock(&self.steering);
        let resumed = self.recorder.resume(ids);
        self.runner.resume(&resumed);
        drop(steering);
        self.save();
    }

    /// What happens about each second.
    pub(super) fn beat(&self) {
        let now = self.clock.wall();
        self.recorder.heartbeat(now);
        let _steering = lock(&self.steering);
        let over = self.recorder.expire_pauses(now);
        if !over.is_empty() {
            self.runner.resume(&over);
        }
    }

    /// Writes the state file, after the journal has everything it speaks of.
    pub(super) fn save(&self) {
        let _steering = lock(&self.steering);
        let recorded = self.recorder.snapshot();
        if !self.delivery.journal().flush(Duration::from_secs(1)) {
            // A state file must never be ahead of the journal.
            self.recorder.not_saved();
            return;
        }
        let state = LocalState {
            instance: self.presence.instance(),
            remembered: lock(&self.fleet).remembered().to_vec(),
            // It has a file of its own.
            ledger: Vec::new(),
            recorded,
        };
        if let Err(error) = self.state_file.save(&state) {
            self.recorder.not_saved();
            tracing::warn!(%error, "the state file cannot be written; it is tried again");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_is_told_once_for_all_and_again_when_it_changes() {
        let waiting = |of: &[(&str, &[&str])]| -> Waiting {
            let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
            of.iter().map(|(reason, monitors)| ((*reason).to_owned(), names(monitors))).collect()
        };
        let told = |before: &Waiting, now: &Waiting| {
            let (begun, ended) = changes(before, now);
            (begun.into_iter().map(|(reason, of)| (reason.clone(), of.len())).collect::<Vec<_>>(), ended.len())
        };
        let none = Waiting::new();
        let locked = waiting(&[("locked", &["a", "b", "c"])]);
        assert_eq!(told(&none, &locked), (vec![("locked".to_owned(), 3)], 0));
        assert_eq!(told(&locked, &locked), (vec![], 0), "and not every time it is looked at");
        let other = waiting(&[("locked", &["a", "b", "c"]), ("no variable", &["d"])]);
        assert_eq!(told(&locked, &other), (vec![("no variable".to_owned(), 1)], 0));
        assert_eq!(told(&other, &waiting(&[("locked", &["a"])])), (vec![("locked".to_owned(), 1)], 1));
        assert_eq!(told(&other, &none), (vec![], 2));
    }
}
