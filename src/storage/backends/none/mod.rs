//! Backend `none`: nothing is kept on disk.
//!
//! Results, rollups and gaps are accepted and dropped; incidents since the start, known monitors and metadata live in
//! memory, within bounds. That no history is kept is told by the capabilities, never by an error.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::model::{CheckResult, FieldSpec, Gap, Incident, IncidentId, KnownMonitor, MonitorId, Rollup, UnixMicros};
use crate::storage::{
    Backend, BackendEnv, BackendId, Batch, Capabilities, DeliveryHint, Face, GapQuery, IncidentQuery, Page, Piece,
    Pruned, ReadRows, ResultQuery, ResultStore, Retention, RollupQuery, ScanCursor, ScanPage, SizeParts, StoreError,
    StoreErrorKind, StoreStatus, Words,
};

/// Most incidents that are held; the oldest closed ones go first.
const MOST_INCIDENTS: usize = 1_000;

/// Settings of the `none` backend.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Nothing {}

#[async_trait]
impl Backend for Nothing {
    const ID: &'static str = "none";
    const FIELDS: &'static [FieldSpec] = &[];
    const KEEPS_HISTORY: bool = false;
    const FACE: Face = Face {
        name: Words::new("No history", "Kein Verlauf"),
        about: Words::new(
            "Only what is happening now. Nothing is written, nothing can be looked up later.",
            "Nur was gerade geschieht. Nichts wird geschrieben, nichts lässt sich später nachsehen.",
        ),
        icon: "M14 8A6 6 0 1 1 2 8a6 6 0 0 1 12 0ZM3.8 3.8l8.4 8.4",
        fields: &[],
    };

    async fn open(&self, _env: &BackendEnv) -> Result<Arc<dyn ResultStore>, StoreError> {
        Ok(Arc::new(Memory::default()))
    }
}

/// What lives as long as the process.
#[derive(Debug, Default)]
struct Held {
    incidents: BTreeMap<IncidentId, Incident>,
    monitors: BTreeMap<MonitorId, KnownMonitor>,
    metadata: BTreeMap<String, Vec<u8>>,
    closed: bool,
}

impl Held {
    fn keep(&mut self, batch: &Batch) {
        for incident in &batch.incidents {
            self.incidents.insert(incident.id, incident.clone());
        }
        while self.incidents.len() > MOST_INCIDENTS {
            let oldest = self.incidents.values().min_by_key(|incident| (incident.is_open(), incident.opened));
            let Some(id) = oldest.map(|incident| incident.id) else { break };
            self.incidents.remove(&id);
        }
        for monitor in &batch.monitors {
            let mut monitor = monitor.clone();
            if let Some(known) = self.monitors.get(&monitor.id) {
                monitor.first_seen = monitor.first_seen.min(known.first_seen);
            }
            self.monitors.insert(monitor.id, monitor);
        }
    }
}

#[derive(Debug, Default)]
struct Memory(Mutex<Held>);

impl Memory {
    fn held(&self, operation: &'static str) -> Result<MutexGuard<'_, Held>, StoreError> {
        let held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if held.closed {
            return Err(StoreError::new(StoreErrorKind::Unavailable, Nothing::ID, operation, "the store is closed"));
        }
        Ok(held)
    }
}

#[async_trait]
impl ReadRows for Memory {
    async fn results(&self, _query: &ResultQuery) -> Result<Page, StoreError> {
        self.held("results").map(|_| Page::default())
    }

    async fn latest(&self, _monitors: &[MonitorId], _now: UnixMicros) -> Result<Vec<CheckResult>, StoreError> {
        self.held("latest").map(|_| Vec::new())
    }

    async fn last_before(&self, _monitor: MonitorId, _time: UnixMicros) -> Result<Option<CheckResult>, StoreError> {
        self.held("last_before").map(|_| None)
    }

    async fn rollups(&self, _query: &RollupQuery) -> Result<Vec<Rollup>, StoreError> {
        self.held("rollups").map(|_| Vec::new())
    }

    async fn incidents(&self, query: &IncidentQuery) -> Result<Vec<Incident>, StoreError> {
        let held = self.held("incidents")?;
        let mut found: Vec<_> = held.incidents.values().filter(|incident| query.matches(incident)).cloned().collect();
        found.sort_by_key(|incident| Reverse((incident.opened, incident.id)));
        found.truncate(query.limit);
        Ok(found)
    }

    async fn gaps(&self, _query: &GapQuery) -> Result<Vec<Gap>, StoreError> {
        self.held("gaps").map(|_| Vec::new())
    }

    async fn monitors(&self) -> Result<Vec<KnownMonitor>, StoreError> {
        let mut monitors: Vec<_> = self.held("monitors")?.monitors.values().cloned().collect();
        monitors.sort_by(|a, b| (&a.name, a.id).cmp(&(&b.name, b.id)));
        Ok(monitors)
    }
}

#[async_trait]
impl ResultStore for Memory {
    fn backend(&self) -> BackendId {
        Nothing::ID
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities {
            keeps_history: Nothing::KEEPS_HISTORY,
            tells_parts: false,
            frees_room: Nothing::FREES_ROOM,
            delivery: DeliveryHint { max_rows: 8_192, max_age_ms: 1_000, slices: 1 },
        }
    }

    async fn check(&self) -> Result<StoreStatus, StoreError> {
        let status = StoreStatus {
            size_bytes: Some(0),
            parts: SizeParts::default(),
            own: None,
            results: Some(0),
            oldest: None,
            newest: None,
            version: "memory only".to_owned(),
        };
        self.held("check").map(|_| status)
    }

    async fn append(&self, batch: &Batch) -> Result<(), StoreError> {
        self.held("append")?.keep(batch);
        Ok(())
    }

    async fn metadata(&self, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(self.held("metadata")?.metadata.get(key).cloned())
    }

    async fn set_metadata(&self, key: &str, value: &[u8]) -> Result<(), StoreError> {
        self.held("set_metadata")?.metadata.insert(key.to_owned(), value.to_vec());
        Ok(())
    }

    async fn prune(&self, _policy: &Retention, _now: UnixMicros, _piece: Piece<'_>) -> Result<Pruned, StoreError> {
        self.held("prune").map(|_| Pruned::default())
    }

    async fn forget(&self, monitor: MonitorId) -> Result<(), StoreError> {
        let mut held = self.held("forget")?;
        held.incidents.retain(|_, incident| incident.monitor != monitor);
        held.monitors.remove(&monitor);
        Ok(())
    }

    async fn scan(&self, _cursor: Option<ScanCursor>) -> Result<ScanPage, StoreError> {
        let held = self.held("scan")?;
        let batch = Batch {
            incidents: held.incidents.values().cloned().collect(),
            monitors: held.monitors.values().cloned().collect(),
            ..Batch::default()
        };
        Ok(ScanPage { batch, next: None })
    }

    async fn close(&self) -> Result<(), StoreError> {
        self.held("close")?.closed = true;
        Ok(())
    }
}
