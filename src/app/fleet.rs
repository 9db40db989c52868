//! From the configuration's monitors to watched ones, and what has to change when the configuration does.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use crate::config::{Entry, MonitorEntry, OwnRetention};
use crate::model::{InstanceId, KnownMonitor, Monitor, MonitorId, UnixMicros};
use crate::probe::{KindConfig, ProbeEnv};
use crate::record::{ConfiguredMonitor, RememberedMonitor, Rename, identify};
use crate::schedule::Watched;
use crate::storage::{Load, Retention};

/// The monitors in force.
#[derive(Debug)]
pub(super) struct Fleet {
    instance: InstanceId,
    env: ProbeEnv,
    remembered: Vec<RememberedMonitor>,
    running: HashMap<MonitorId, (Arc<Monitor>, KindConfig)>,
}

/// What a new configuration asks for.
#[derive(Debug, Default)]
pub(super) struct Change {
    /// Every monitor that can run, in the file's order.
    pub(super) runnable: Vec<Arc<Monitor>>,
    /// Every monitor that cannot run now, and why.
    pub(super) unable: Vec<(Arc<Monitor>, String)>,
    /// New and changed ones.
    pub(super) start: Vec<Watched>,
    /// Those that are watched no longer.
    pub(super) stop: Vec<MonitorId>,
    /// What stores should know of new and changed ones.
    pub(super) known: Vec<KnownMonitor>,
    /// Recognised renames.
    pub(super) renames: Vec<Rename>,
    /// For how long history is kept of those that say so.
    pub(super) retention: BTreeMap<MonitorId, OwnRetention>,
}

impl Fleet {
    /// No monitors yet, with what is remembered of earlier ones.
    pub(super) fn new(instance: InstanceId, env: ProbeEnv, remembered: Vec<RememberedMonitor>) -> Self {
        Self { instance, env, remembered, running: HashMap::new() }
    }

    /// What the watched monitors bring to the store.
    pub(super) fn loads(&self, retention: &Retention) -> impl Iterator<Item = Load<'_>> {
        let load = |(monitor, _): &(Arc<Monitor>, KindConfig)| {
            let interval_us = u64::try_from(monitor.interval.as_micros()).unwrap_or(u64::MAX);
            (monitor.kind, interval_us, retention.of(monitor.id))
        };
        let loads: Vec<_> = self.running.values().map(load).collect();
        loads.into_iter().map(|(kind, interval_us, kept)| Load { kind, interval_us, kept })
    }

    /// What is to be remembered over a restart.
    pub(super) fn remembered(&self) -> &[RememberedMonitor] {
        &self.remembered
    }

    /// What stores should know of all monitors that can run.
    pub(super) fn known(&self, change: &Change) -> Vec<KnownMonitor> {
        let waiting = |known: &KnownMonitor| change.unable.iter().any(|(monitor, _)| monitor.id == known.id);
        let configured = self.remembered.iter().filter(|monitor| monitor.configured);
        configured.map(|monitor| monitor.known.clone()).filter(|known| !waiting(known)).collect()
    }

    /// Takes the monitors of a configuration. Disabled ones are as good as absent.
    pub(super) fn change(&mut self, entries: &[MonitorEntry], now: UnixMicros) -> Change {
        let all = entries;
        let entries: Vec<&MonitorEntry> = entries.iter().filter(|entry| entry.enabled).collect();
        let targets: Vec<String> = entries.iter().map(|entry| target(entry)).collect();
        let configured: Vec<ConfiguredMonitor<'_>> = entries
            .iter()
            .zip(&targets)
            .map(|(entry, target)| ConfiguredMonitor {
                id: entry.id,
                name: &entry.name,
                group: &entry.group,
                kind: entry.kind.kind(),
                target,
            })
            .collect();
        let identities = identify(self.instance, &self.remembered, &configured, now);
        self.remembered = identities.remembered;
        let mut change = Change { known: identities.changed, renames: identities.renames, ..Change::default() };
        for ((entry, target), id) in entries.iter().zip(targets).zip(identities.ids) {
            change.retention.insert(id, entry.retention);
            self.take(&mut change, entry, target, id);
        }
        // What a disabled one has is kept as long as if it were watched.
        for entry in all.iter().filter(|entry| !entry.enabled) {
            let named = self.remembered.iter().find(|monitor| monitor.known.name == entry.name);
            if let Some(id) = entry.id.or(named.map(|monitor| monitor.known.id)) {
                change.retention.insert(id, entry.retention);
            }
        }
        let wanted: HashSet<MonitorId> = change.runnable.iter().map(|monitor| monitor.id).collect();
        // A target that is not known yet would look like another one: the store keeps what it knows.
        let waiting: HashSet<MonitorId> = change.unable.iter().map(|(monitor, _)| monitor.id).collect();
        change.known.retain(|known| !waiting.contains(&known.id));
        change.stop = self.running.keys().copied().filter(|id| !wanted.contains(id)).collect();
        self.running.retain(|id, _| wanted.contains(id));
        change
    }

    fn take(&mut self, change: &mut Change, entry: &MonitorEntry, target: String, id: MonitorId) {
        let monitor = Monitor {
            id,
            name: entry.name.clone(),
            group: entry.group.to_string(),
            kind: entry.kind.kind(),
            target,
            interval: entry.interval.value,
            timeout: entry.timeout.value,
            thresholds: entry.thresholds,
            labels: entry.labels.clone(),
        };
        let settings = match &entry.kind {
            Entry::Ready(settings) => settings,
            Entry::Pending { reason, .. } => {
                change.unable.push((Arc::new(monitor), reason.clone()));
                return;
            }
        };
        if let Some((same, _)) = self.running.get(&id).filter(|(old, kind)| **old == monitor && kind == settings) {
            change.runnable.push(Arc::clone(same));
            return;
        }
        let monitor = Arc::new(monitor);
        let probe = Arc::from(settings.probe(&self.env));
        self.running.insert(id, (Arc::clone(&monitor), settings.clone()));
        change.runnable.push(Arc::clone(&monitor));
        change.start.push(Watched { monitor, probe });
    }
}

/// The target, for people; one that waits for a secret has none yet, and must not look like another one that waits.
fn target(entry: &MonitorEntry) -> String {
    match &entry.kind {
        Entry::Ready(settings) => settings.target(),
        Entry::Pending { .. } => format!("(waiting: {})", entry.name),
    }
}
