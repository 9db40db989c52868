//! A store in memory that can be told to misbehave.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use async_trait::async_trait;

use crate::deliver::OpenStore;
use crate::model::{CheckResult, Gap, Incident, IncidentId, KnownMonitor, MonitorId, Rollup, Tier, UnixMicros};
use crate::storage::{
    Batch, Capabilities, DeliveryHint, FUTURE_TOLERANCE_US, GapQuery, IncidentQuery, Page, PageCursor, Piece,
    PruneLeft, PruneStep, Pruned, ReadRows, ResultQuery, ResultStore, Retention, RollupQuery, ScanCursor, ScanPage,
    SizeParts, StoreError, StoreErrorKind, StoreStatus,
};

/// How the next calls go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mood {
    Well,
    Failing(StoreErrorKind),
    Hanging,
    Panicking,
}

#[derive(Debug, Default)]
pub(super) struct Kept {
    pub(super) results: BTreeMap<(UnixMicros, MonitorId), CheckResult>,
    /// In the order in which they came, again for every time they came.
    pub(super) arrivals: Vec<(MonitorId, UnixMicros)>,
    pub(super) rollups: BTreeMap<(MonitorId, Tier, UnixMicros), Rollup>,
    pub(super) gaps: HashMap<(MonitorId, UnixMicros), Gap>,
    pub(super) incidents: HashMap<IncidentId, Incident>,
    pub(super) monitors: HashMap<MonitorId, KnownMonitor>,
    pub(super) metadata: HashMap<String, Vec<u8>>,
    pub(super) batches: Vec<usize>,
    /// Results that went and still take room.
    pub(super) owed: u64,
}

/// The store; an `Arc` of it also opens it.
#[derive(Debug)]
pub(super) struct MemoryStore {
    pub(super) kept: Mutex<Kept>,
    pub(super) mood: Mutex<Mood>,
    /// Whether opening fails too.
    pub(super) shut: AtomicBool,
    pub(super) opened: AtomicUsize,
    /// Reads of results.
    pub(super) reads: AtomicUsize,
    /// Results of this monitor are refused, until they are forgiven.
    pub(super) refused: Option<MonitorId>,
    pub(super) forgiven: AtomicBool,
    pub(super) capabilities: Capabilities,
    /// Whether the bytes of what went are not given back yet.
    pub(super) is_lazy: AtomicBool,
    /// Nothing can be dropped.
    pub(super) no_prune: AtomicBool,
    /// So many more pieces of a prune drop nothing yet.
    pub(super) sums_up: AtomicUsize,
    /// Most results that one call drops.
    pub(super) pruned_at_once: AtomicUsize,
    /// Results that were old when the prune that is at work began.
    to_prune: AtomicUsize,
}

/// What a result is said to take.
pub(super) const ROW_BYTES: u64 = 1_000;

impl MemoryStore {
    pub(super) fn new(slices: u16, max_rows: usize) -> Self {
        let delivery = DeliveryHint { max_rows, max_age_ms: 40, slices };
        let kept = Kept { metadata: HashMap::from([("store_id".into(), b"the-store".to_vec())]), ..Kept::default() };
        Self {
            kept: Mutex::new(kept),
            mood: Mutex::new(Mood::Well),
            shut: AtomicBool::new(false),
            opened: AtomicUsize::new(0),
            reads: AtomicUsize::new(0),
            refused: None,
            forgiven: AtomicBool::new(false),
            is_lazy: AtomicBool::new(false),
            no_prune: AtomicBool::new(false),
            sums_up: AtomicUsize::new(0),
            pruned_at_once: AtomicUsize::new(usize::MAX),
            to_prune: AtomicUsize::new(0),
            capabilities: Capabilities { keeps_history: true, tells_parts: false, frees_room: false, delivery },
        }
    }

    pub(super) fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().expect("lock")
    }

    pub(super) fn set_mood(&self, mood: Mood) {
        *self.mood.lock().expect("lock") = mood;
    }

    async fn behave(&self, operation: &'static str) -> Result<(), StoreError> {
        let mood = *self.mood.lock().expect("lock");
        match mood {
            Mood::Well => Ok(()),
            Mood::Failing(kind) => Err(StoreError::new(kind, "memory", operation, "told to fail")),
            Mood::Hanging => std::future::pending().await,
            Mood::Panicking => panic!("told to panic"),
        }
    }
}

/// Opens one store.
#[derive(Debug)]
pub(super) struct Opener(pub(super) Arc<MemoryStore>);

#[async_trait]
impl OpenStore for Opener {
    fn backend(&self) -> &'static str {
        "memory"
    }

    fn contact(&self) -> String {
        "memory".to_owned()
    }

    async fn open(&self) -> Result<Arc<dyn ResultStore>, StoreError> {
        if self.0.shut.load(Ordering::SeqCst) {
            return Err(StoreError::new(StoreErrorKind::Unauthorized, "memory", "open", "wrong password"));
        }
        self.0.opened.fetch_add(1, Ordering::SeqCst);
        Ok(Arc::clone(&self.0) as Arc<dyn ResultStore>)
    }
}

#[async_trait]
impl ReadRows for MemoryStore {
    async fn results(&self, query: &ResultQuery) -> Result<Page, StoreError> {
        self.reads.fetch_add(1, Ordering::SeqCst);
        let kept = self.kept();
        let newest = kept.results.iter().rev().filter(|((time, monitor), _)| {
            query.span.contains(*time)
                && query.monitor.is_none_or(|of| of == *monitor)
                && query.after.is_none_or(|after| (*time, *monitor) < (after.time, after.monitor))
        });
        let mut results: Vec<CheckResult> = newest.map(|(_, row)| row.clone()).take(query.limit + 1).collect();
        let more = results.len() > query.limit;
        results.truncate(query.limit);
        let last = results.last().map(|last| PageCursor { time: last.time, monitor: last.monitor });
        Ok(Page { next: last.filter(|_| more), results })
    }

    async fn latest(&self, monitors: &[MonitorId], now: UnixMicros) -> Result<Vec<CheckResult>, StoreError> {
        let kept = self.kept();
        let limit = now.plus_us(FUTURE_TOLERANCE_US);
        let of =
            |id: &MonitorId| kept.results.values().rev().find(|row| row.monitor == *id && row.time <= limit).cloned();
        Ok(monitors.iter().filter_map(of).collect())
    }

    async fn last_before(&self, monitor: MonitorId, time: UnixMicros) -> Result<Option<CheckResult>, StoreError> {
        self.reads.fetch_add(1, Ordering::SeqCst);
        let kept = self.kept();
        Ok(kept.results.values().rev().find(|row| row.monitor == monitor && row.time < time).cloned())
    }

    async fn rollups(&self, query: &RollupQuery) -> Result<Vec<Rollup>, StoreError> {
        let kept = self.kept();
        let wanted =
            |row: &&Rollup| row.monitor == query.monitor && row.tier == query.tier && query.span.contains(row.start);
        Ok(kept.rollups.values().filter(wanted).cloned().collect())
    }

    async fn incidents(&self, query: &IncidentQuery) -> Result<Vec<Incident>, StoreError> {
        let kept = self.kept();
        Ok(kept.incidents.values().filter(|row| query.monitor.is_none_or(|id| id == row.monitor)).cloned().collect())
    }

    async fn gaps(&self, query: &GapQuery) -> Result<Vec<Gap>, StoreError> {
        let kept = self.kept();
        let wanted = |row: &&Gap| query.monitor.is_none_or(|id| id == row.monitor || row.monitor.is_all());
        Ok(kept.gaps.values().filter(wanted).copied().collect())
    }

    async fn monitors(&self) -> Result<Vec<KnownMonitor>, StoreError> {
        Ok(self.kept().monitors.values().cloned().collect())
    }
}

#[async_trait]
impl ResultStore for MemoryStore {
    fn backend(&self) -> &'static str {
        "memory"
    }

    fn capabilities(&self) -> Capabilities {
        self.capabilities
    }

    async fn check(&self) -> Result<StoreStatus, StoreError> {
        self.behave("check").await?;
        let mut kept = self.kept();
        if !self.is_lazy.load(Ordering::SeqCst) {
            kept.owed = 0;
        }
        let rows = kept.results.len() as u64 + kept.owed;
        let time = |key: Option<(&(UnixMicros, MonitorId), _)>| key.map(|((time, _), _): (_, &CheckResult)| *time);
        Ok(StoreStatus {
            size_bytes: self.capabilities.frees_room.then_some(rows * ROW_BYTES),
            parts: SizeParts::default(),
            own: None,
            results: Some(rows),
            oldest: time(kept.results.first_key_value()),
            newest: time(kept.results.last_key_value()),
            version: "1".into(),
        })
    }

    async fn append(&self, batch: &Batch) -> Result<(), StoreError> {
        self.behave("append").await?;
        let refuses = !self.forgiven.load(Ordering::SeqCst);
        if refuses && batch.results.iter().any(|row| Some(row.monitor) == self.refused) {
            return Err(StoreError::new(StoreErrorKind::Internal, "memory", "append", "too ugly"));
        }
        let mut kept = self.kept();
        kept.batches.push(batch.len());
        for row in &batch.results {
            kept.arrivals.push((row.monitor, row.time));
            kept.results.entry((row.time, row.monitor)).or_insert_with(|| row.clone());
        }
        kept.rollups.extend(batch.rollups.iter().map(|row| ((row.monitor, row.tier, row.start), row.clone())));
        kept.gaps.extend(batch.gaps.iter().map(|row| ((row.monitor, row.span.from), *row)));
        kept.incidents.extend(batch.incidents.iter().map(|row| (row.id, row.clone())));
        kept.monitors.extend(batch.monitors.iter().map(|row| (row.id, row.clone())));
        Ok(())
    }

    async fn metadata(&self, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(self.kept().metadata.get(key).cloned())
    }

    async fn set_metadata(&self, key: &str, value: &[u8]) -> Result<(), StoreError> {
        self.kept().metadata.insert(key.to_owned(), value.to_owned());
        Ok(())
    }

    async fn prune(&self, policy: &Retention, now: UnixMicros, _: Piece<'_>) -> Result<Pruned, StoreError> {
        if self.no_prune.load(Ordering::SeqCst) {
            return Err(StoreError::new(StoreErrorKind::Internal, "memory", "prune", "nothing can be dropped"));
        }
        if !self.capabilities.frees_room {
            return Ok(Pruned::default());
        }
        let mut kept = self.kept();
        let is_old =
            |(time, of): &&(UnixMicros, MonitorId)| policy.floor_of(*of, None, now).is_some_and(|floor| *time < floor);
        let old: Vec<_> = kept.results.keys().filter(is_old).copied().collect();
        let sums = |left: usize| left.checked_sub(1);
        if !old.is_empty() && self.sums_up.fetch_update(Ordering::SeqCst, Ordering::SeqCst, sums).is_ok() {
            let left = PruneLeft { step: PruneStep::SummingUp, done: 0, of: 1 };
            return Ok(Pruned { left: Some(left), ..Pruned::default() });
        }
        let some = &old[..old.len().min(self.pruned_at_once.load(Ordering::SeqCst))];
        for key in some {
            kept.results.remove(key);
        }
        let results = some.len() as u64;
        kept.owed += results;
        let (rest, of) = (old.len() - some.len(), self.to_prune.load(Ordering::SeqCst).max(old.len()));
        self.to_prune.store(if rest == 0 { 0 } else { of }, Ordering::SeqCst);
        let left = PruneLeft { step: PruneStep::Dropping, done: (of - rest) as u64, of: of as u64 };
        let left = (rest > 0).then_some(left);
        Ok(Pruned { results, left, ..Pruned::default() })
    }

    async fn forget(&self, monitor: MonitorId) -> Result<(), StoreError> {
        self.behave("forget").await?;
        let mut kept = self.kept();
        kept.results.retain(|(_, of), _| *of != monitor);
        kept.monitors.remove(&monitor);
        Ok(())
    }

    async fn scan(&self, _cursor: Option<ScanCursor>) -> Result<ScanPage, StoreError> {
        Err(StoreError::new(StoreErrorKind::Unsupported, "memory", "scan", "not needed here"))
    }

    async fn close(&self) -> Result<(), StoreError> {
        Ok(())
    }
}
