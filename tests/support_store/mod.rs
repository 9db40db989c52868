//! Stores for tests that count rows: each row is the number that its duration says.

use std::fmt::Debug;

use async_trait::async_trait;
use hallmonitor::model::{
    CheckResult, Facts, Gap, Incident, KnownMonitor, MonitorId, Phases, Rollup, Row, UnixMicros, Verdict,
};
use hallmonitor::storage::{
    Batch, Capabilities, DeliveryHint, GapQuery, IncidentQuery, Page, Piece, Pruned, ReadRows, ResultQuery,
    ResultStore, Retention, RollupQuery, ScanCursor, ScanPage, SizeParts, StoreError, StoreErrorKind, StoreStatus,
};
use uuid::Uuid;

/// What takes the numbers.
pub trait Keep: Debug + Send + Sync + 'static {
    /// The word of the backend.
    const BACKEND: &'static str;
    /// Rows in one append.
    const MOST_ROWS: usize;

    /// Which one it is among those of its kind.
    fn name(&self) -> &str;

    /// Takes numbers, durably, those that are there only once.
    fn keep(&self, numbers: &[u64]) -> Result<(), StoreError>;
}

/// The store that brings them there, in order: what it has is a prefix at every moment.
#[derive(Debug)]
pub struct Numbers<K>(pub K);

/// A row with a number.
pub fn row(number: u64) -> Row {
    Row::Result(CheckResult {
        monitor: MonitorId::new(Uuid::from_u128(u128::from(number % 97))),
        time: UnixMicros::new(1_700_000_000_000_000).plus_us(number * 1_000),
        interval_us: 1_000_000,
        timeout_us: 1_000_000,
        verdict: Verdict::Up,
        duration_us: number,
        failure: None,
        message: "".into(),
        phases: Phases::default(),
        facts: Facts::new(),
    })
}

/// What nobody asks of such a store, and how it refuses for good.
pub fn unsupported<T>(backend: &'static str, operation: &'static str) -> Result<T, StoreError> {
    Err(StoreError::new(StoreErrorKind::Unsupported, backend, operation, "not needed here"))
}

#[async_trait]
impl<K: Keep> ReadRows for Numbers<K> {
    async fn results(&self, _: &ResultQuery) -> Result<Page, StoreError> {
        unsupported(K::BACKEND, "results")
    }
    async fn latest(&self, _: &[MonitorId], _: UnixMicros) -> Result<Vec<CheckResult>, StoreError> {
        unsupported(K::BACKEND, "latest")
    }
    async fn last_before(&self, _: MonitorId, _: UnixMicros) -> Result<Option<CheckResult>, StoreError> {
        unsupported(K::BACKEND, "last_before")
    }
    async fn rollups(&self, _: &RollupQuery) -> Result<Vec<Rollup>, StoreError> {
        unsupported(K::BACKEND, "rollups")
    }
    async fn incidents(&self, _: &IncidentQuery) -> Result<Vec<Incident>, StoreError> {
        unsupported(K::BACKEND, "incidents")
    }
    async fn gaps(&self, _: &GapQuery) -> Result<Vec<Gap>, StoreError> {
        unsupported(K::BACKEND, "gaps")
    }
    async fn monitors(&self) -> Result<Vec<KnownMonitor>, StoreError> {
        unsupported(K::BACKEND, "monitors")
    }
}

#[async_trait]
impl<K: Keep> ResultStore for Numbers<K> {
    fn backend(&self) -> &'static str {
        K::BACKEND
    }
    fn capabilities(&self) -> Capabilities {
        let delivery = DeliveryHint { max_rows: K::MOST_ROWS, max_age_ms: 20, slices: 1 };
        Capabilities { keeps_history: true, tells_parts: false, frees_room: false, delivery }
    }
    async fn check(&self) -> Result<StoreStatus, StoreError> {
        Ok(StoreStatus {
            size_bytes: None,
            parts: SizeParts::default(),
            own: None,
            results: None,
            oldest: None,
            newest: None,
            version: "1".to_owned(),
        })
    }
    async fn append(&self, batch: &Batch) -> Result<(), StoreError> {
        let numbers: Vec<u64> = batch.results.iter().map(|row| row.duration_us).collect();
        self.0.keep(&numbers)
    }
    async fn metadata(&self, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
        Ok((key == "store_id").then(|| format!("id of {}", self.0.name()).into_bytes()))
    }
    async fn set_metadata(&self, _: &str, _: &[u8]) -> Result<(), StoreError> {
        unsupported(K::BACKEND, "set_metadata")
    }
    async fn prune(&self, _: &Retention, _: UnixMicros, _: Piece<'_>) -> Result<Pruned, StoreError> {
        unsupported(K::BACKEND, "prune")
    }
    async fn forget(&self, _: MonitorId) -> Result<(), StoreError> {
        unsupported(K::BACKEND, "forget")
    }
    async fn scan(&self, _: Option<ScanCursor>) -> Result<ScanPage, StoreError> {
        unsupported(K::BACKEND, "scan")
    }
    async fn close(&self) -> Result<(), StoreError> {
        Ok(())
    }
}
