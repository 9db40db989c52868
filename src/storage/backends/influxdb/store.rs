//! The store: brings calls to the runtime on which its connections live, and keeps what it knows of its own rows.

use std::collections::HashMap;
use std::future::Future;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex as Lock, MutexGuard, PoisonError};

use async_trait::async_trait;
use tokio::runtime::Handle;
use tokio::sync::Mutex;
use tokio::task::JoinHandle;
use uuid::Uuid;

use super::client::{Bucket, Client};
use super::fault::{ID, closed, make_buckets};
use super::point::{self, MONITOR_KEY};
use super::settings::InfluxDb;
use super::{append, read, rest, scan, upkeep};
use crate::clock::{Clock, Mono};
use crate::model::{
    CheckResult, Gap, Incident, IncidentId, InstanceId, KnownMonitor, MonitorId, Rollup, Span, Tier, Times, UnixMicros,
};
use crate::storage::{
    Backend as _, BackendId, Batch, Capabilities, DeliveryHint, GapQuery, IncidentQuery, Page, Piece, Pruned, ReadRows,
    ResultQuery, ResultStore, Resume, Retention, RollupQuery, ScanCursor, ScanPage, StoreError, StoreErrorKind,
    StoreStatus, answer,
};

/// Rows in one append: a few requests, of which one is made while another is on its way.
const MOST_ROWS: usize = 20_000;
/// The key under which the id of the whole store is read.
const STORE_ID: &str = "store_id";
/// The key under which an instance finds its own id.
const INSTANCE: &str = "instance";
/// What `check` writes and reads.
const CHECK: &str = "hallmonitor.check";
/// What the bucket of everything but results is cut into, in seconds: 12 weeks. The server looks for every column in every
/// piece, and a year of the usual weeks would be 52.
const REST_SHARD_S: u64 = 84 * 86_400;
/// What keys of metadata begin with on the server.
const VALUE_KEY: &str = "value:";
/// What keys of floors begin with.
const FLOOR_KEY: &str = "floor:";
/// Tier of results among the floors.
const RAW: &str = "raw";

/// First instants that are kept of a tier, or of results: of all monitors, and of some of their own. None of them sinks.
#[derive(Debug, Clone, Default)]
pub(super) struct Floors(HashMap<(Option<Tier>, Option<MonitorId>), UnixMicros>);

impl Floors {
    /// Of all monitors: below it there is nothing.
    pub(super) fn lowest(&self, tier: Option<Tier>) -> UnixMicros {
        self.0.get(&(tier, None)).copied().unwrap_or(UnixMicros::MIN)
    }

    /// Of one monitor.
    pub(super) fn of(&self, tier: Option<Tier>, monitor: MonitorId) -> UnixMicros {
        let own = self.0.get(&(tier, Some(monitor))).copied().unwrap_or(UnixMicros::MIN);
        own.max(self.lowest(tier))
    }

    /// Raises one; false where it is as high already.
    pub(super) fn raise(&mut self, tier: Option<Tier>, monitor: Option<MonitorId>, to: UnixMicros) -> bool {
        let floor = self.0.entry((tier, monitor)).or_insert(UnixMicros::MIN);
        let rises = to > *floor;
        *floor = to.max(*floor);
        rises
    }

    /// Drops those of a monitor.
    fn forget(&mut self, monitor: MonitorId) {
        self.0.retain(|(_, whose), _| *whose != Some(monitor));
    }

    /// The tiers of which a monitor has a floor of its own.
    pub(super) fn tiers_of(&self, monitor: MonitorId) -> Vec<Option<Tier>> {
        self.0.keys().filter(|(_, whose)| *whose == Some(monitor)).map(|(tier, _)| *tier).collect()
    }

    /// Those of single monitors that lie above the one of all.
    pub(super) fn own(&self) -> Vec<(Option<Tier>, MonitorId, UnixMicros)> {
        let own = self.0.iter().filter_map(|((tier, monitor), floor)| Some((*tier, (*monitor)?, *floor)));
        own.filter(|(tier, _, floor)| *floor > self.lowest(*tier)).collect()
    }
}

/// The key under which a floor is remembered: `floor:raw`, `floor:hour:ID`.
pub(super) fn floor_key(tier: Option<Tier>, monitor: Option<MonitorId>) -> String {
    let word = tier.map_or(RAW, Tier::as_str);
    match monitor {
        None => format!("{FLOOR_KEY}{word}"),
        Some(monitor) => format!("{FLOOR_KEY}{word}:{monitor}"),
    }
}

/// What such a key means.
fn floor_of_key(key: &str) -> Option<(Option<Tier>, Option<MonitorId>)> {
    let rest = key.strip_prefix(FLOOR_KEY)?;
    let (word, monitor) = rest.split_once(':').map_or((rest, None), |(word, monitor)| (word, Some(monitor)));
    let tier = if word == RAW { None } else { Some(word.parse().ok()?) };
    let monitor = match monitor {
        None => None,
        Some(id) => Some(id.parse().ok()?),
    };
    Some((tier, monitor))
}

/// What the store knows of its own rows.
#[derive(Debug, Default)]
pub(super) struct Known {
    /// Monitors that were ever known.
    pub(super) monitors: HashMap<MonitorId, KnownMonitor>,
    /// The time of the newest result of a monitor that may be on the server: after it, nothing is there yet.
    pub(super) marks: HashMap<MonitorId, UnixMicros>,
    /// The interval of a monitor's newest result that was seen: about how far apart its results are.
    pub(super) intervals: HashMap<MonitorId, u64>,
    /// Every incident, once somebody has asked. Each is a series of its own on the server, and slow to find there.
    pub(super) incidents: Option<HashMap<IncidentId, Incident>>,
    /// How often those of one monitor were asked for before.
    pub(super) asked_for_one: u32,
    /// Every gap, once somebody has asked.
    pub(super) gaps: Option<HashMap<(MonitorId, UnixMicros), Gap>>,
    /// Counts what may have changed the rows on the server: what was read across a change is not kept.
    pub(super) changes: u64,
    /// What was given up.
    pub(super) floors: Floors,
    /// When something was last written to a piece of a bucket and found there.
    pub(super) awake: HashMap<(Place, u64), Mono>,
}

impl Known {
    /// Rows change now, or may have: nothing that is being read is kept.
    pub(super) fn changing(&mut self) {
        self.changes += 1;
    }

    /// What is on the server may be anything between before and after.
    pub(super) fn doubt(&mut self) {
        self.changes += 1;
        (self.incidents, self.gaps) = (None, None);
    }

    /// These rows are on the server.
    pub(super) fn written(&mut self, batch: &Batch) {
        self.changes += 1;
        if let Some(incidents) = &mut self.incidents {
            incidents.extend(batch.incidents.iter().map(|row| (row.id, row.clone())));
        }
        if let Some(gaps) = &mut self.gaps {
            gaps.extend(batch.gaps.iter().map(|row| ((row.monitor, row.span.from), *row)));
        }
    }

    /// Nothing of this monitor is on the server.
    pub(super) fn forgotten(&mut self, monitor: MonitorId) {
        self.changes += 1;
        self.monitors.remove(&monitor);
        self.marks.remove(&monitor);
        self.floors.forget(monitor);
        if let Some(incidents) = &mut self.incidents {
            incidents.retain(|_, row| row.monitor != monitor);
        }
        if let Some(gaps) = &mut self.gaps {
            gaps.retain(|(whose, _), _| *whose != monitor);
        }
    }
}

/// One of the two buckets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Place {
    Results,
    /// Everything but results.
    Rest,
}

/// What every call needs.
#[derive(Debug)]
pub(super) struct Home {
    pub(super) client: Client,
    /// The instance's id, as it is a tag.
    pub(super) instance: String,
    pub(super) clock: Arc<dyn Clock>,
    id: InstanceId,
    store: Uuid,
    /// What the buckets are cut into, in microseconds.
    piece_us: [u64; 2],
    /// The ids of both buckets.
    pub(super) buckets: [String; 2],
    known: Lock<Known>,
    /// Held by who reads all incidents.
    pub(super) reading: Mutex<()>,
    closed: AtomicBool,
}

/// The store.
#[derive(Debug, Clone)]
pub(super) struct InfluxStore {
    pub(super) home: Arc<Home>,
    /// Connections live on the runtime that made them: every call is brought there, whoever asks.
    runtime: Handle,
    /// One writer at a time: what is there already must not change between the look and the write.
    writing: Arc<Mutex<()>>,
    /// Where the next piece of a prune goes on.
    pub(super) resume: Arc<Resume<upkeep::Stage>>,
}

/// A call at work on the store's runtime; ends with whoever waits for it.
struct Call<T>(JoinHandle<T>);

impl<T> Drop for Call<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl InfluxStore {
    /// Opens the store, making its buckets where there are none and the token may.
    pub(super) async fn open(
        settings: Arc<InfluxDb>,
        instance: InstanceId,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, StoreError> {
        let client = Client::new(settings, Arc::clone(&clock), "open").await?;
        let (results, rest) = buckets(&client, "open").await?;
        let home = Home {
            instance: instance.to_string(),
            clock,
            id: instance,
            store: store_id(&rest),
            piece_us: [results.piece_us(), rest.piece_us()],
            buckets: [results.id, rest.id],
            known: Lock::default(),
            reading: Mutex::default(),
            closed: AtomicBool::new(false),
            client,
        };
        home.load().await?;
        Ok(Self { home: Arc::new(home), runtime: Handle::current(), writing: Arc::default(), resume: Arc::default() })
    }

    /// Does work that only reads.
    pub(super) async fn reads<T, W, F>(&self, operation: &'static str, work: W) -> Result<T, StoreError>
    where
        T: Send + 'static,
        W: FnOnce(Arc<Home>) -> F,
        F: Future<Output = Result<T, StoreError>> + Send + 'static,
    {
        self.brought(operation, work(Arc::clone(&self.home))).await
    }

    /// Does work that changes rows, one at a time.
    pub(super) async fn writes<T, W, F>(&self, operation: &'static str, work: W) -> Result<T, StoreError>
    where
        T: Send + 'static,
        W: FnOnce(Arc<Home>) -> F,
        F: Future<Output = Result<T, StoreError>> + Send + 'static,
    {
        let turn = Arc::clone(&self.writing).lock_owned().await;
        let work = work(Arc::clone(&self.home));
        self.brought(operation, async move {
            let _turn = turn;
            work.await
        })
        .await
    }

    async fn brought<T, F>(&self, operation: &'static str, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, StoreError>> + Send + 'static,
    {
        self.home.open(operation)?;
        let mut call = Call(self.runtime.spawn(work));
        match (&mut call.0).await {
            Ok(answer) => answer,
            Err(lost) if lost.is_panic() => {
                Err(StoreError::new(StoreErrorKind::Internal, ID, operation, "the work stopped by a fault of ours"))
            }
            Err(_) => Err(closed(operation)),
        }
    }
}

/// Finds both buckets, makes those that are missing where the token may, and looks whether they can be used.
pub(super) async fn buckets(client: &Client, operation: &'static str) -> Result<(Bucket, Bucket), StoreError> {
    let settings = &client.settings;
    let rollups = settings.rollup_bucket();
    let (results, rest) =
        (bucket(client, operation, &settings.bucket, 0), bucket(client, operation, &rollups, REST_SHARD_S));
    // Each comes to its end: one whose answer nobody waits for may be made all the same.
    let (results, rest) = futures_util::future::join(results, rest).await;
    let (results, rest) = (results?, rest?);
    if let Some(seconds) = rest.keeps_s() {
        let what = format!(
            "the bucket `{}` drops what is older than {} days, and has to keep everything: influx bucket update --id {} \
             --retention 0",
            settings.rollup_bucket(),
            seconds / 86_400,
            rest.id
        );
        return Err(StoreError::new(StoreErrorKind::Misconfigured, ID, operation, what));
    }
    Ok((results, rest))
}

async fn bucket(client: &Client, operation: &'static str, name: &str, shard_s: u64) -> Result<Bucket, StoreError> {
    if let Some(found) = client.bucket(operation, name).await? {
        return Ok(found);
    }
    let settings = &client.settings;
    let missing = |why: &str| {
        let what = format!(
            "the server {} has no bucket `{name}` that the token may see{why}; {}, and give the token the right to read \
             and write them",
            settings.url,
            make_buckets(settings)
        );
        StoreError::new(StoreErrorKind::Misconfigured, ID, operation, what)
    };
    let Some(org) = client.organisation(operation).await.ok().flatten() else { return Err(missing("")) };
    match client.make_bucket(operation, &org, name, shard_s).await {
        Ok(()) => {
            tracing::info!(bucket = name, "the bucket was made");
            client.bucket(operation, name).await?.ok_or_else(|| missing(""))
        }
        Err(error) if error.kind == StoreErrorKind::Unauthorized => Err(missing(", and the token may not make it")),
        Err(error) => Err(error),
    }
}

/// The id of the whole store, the same for every instance: made of the id that the server gave the bucket.
fn store_id(bucket: &Bucket) -> Uuid {
    Uuid::new_v5(&Uuid::NAMESPACE_URL, format!("influxdb bucket {}", bucket.id).as_bytes())
}

impl Home {
    fn open(&self, operation: &'static str) -> Result<(), StoreError> {
        if self.closed.load(Ordering::Acquire) { Err(closed(operation)) } else { Ok(()) }
    }

    /// The name of a bucket.
    pub(super) fn bucket(&self, place: Place) -> String {
        match place {
            Place::Results => self.client.settings.bucket.clone(),
            Place::Rest => self.client.settings.rollup_bucket(),
        }
    }

    /// What a bucket is cut into, in microseconds.
    pub(super) fn piece_us(&self, place: Place) -> u64 {
        self.piece_us[usize::from(place == Place::Rest)]
    }

    /// What is known of the rows.
    pub(super) fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads what is remembered of this instance.
    async fn load(&self) -> Result<(), StoreError> {
        let remembered = rest::remembered(self, "open").await?;
        let mut known = Known::default();
        for (key, packed) in remembered {
            if key.starts_with(MONITOR_KEY) {
                let monitor = point::read_monitor(&packed).map_err(|what| super::fault::unreadable("open", &what))?;
                known.monitors.insert(monitor.id, monitor);
            } else if let Some((tier, monitor)) = floor_of_key(&key) {
                let bytes = point::read_meta(&packed).map_err(|what| super::fault::unreadable("open", &what))?;
                if let Ok(bytes) = bytes.try_into() {
                    known.floors.raise(tier, monitor, UnixMicros::new(i64::from_be_bytes(bytes)));
                }
            }
        }
        *self.known() = known;
        Ok(())
    }
}

#[async_trait]
impl ReadRows for InfluxStore {
    async fn results(&self, query: &ResultQuery) -> Result<Page, StoreError> {
        let query = query.clone();
        self.reads("results", |home| async move { read::results(&home, &query, true).await }).await
    }

    async fn results_seen(&self, query: &ResultQuery) -> Result<Page, StoreError> {
        let query = query.clone();
        self.reads("results", |home| async move { read::results(&home, &query, false).await }).await
    }

    async fn results_seen_of(
        &self,
        monitors: &[MonitorId],
        span: Span,
        limit: usize,
    ) -> Result<Option<Vec<CheckResult>>, StoreError> {
        let monitors = monitors.to_vec();
        self.reads("results", |home| async move { read::results_seen_of(&home, &monitors, span, limit).await }).await
    }

    async fn latest(&self, monitors: &[MonitorId], now: UnixMicros) -> Result<Vec<CheckResult>, StoreError> {
        let monitors = monitors.to_vec();
        self.reads("latest", |home| async move {
            if monitors.len() > read::MOST_NAMED && home.known().incidents.is_none() {
                // Whoever looks at so many asks for incidents next, and they take longer.
                let home = Arc::clone(&home);
                tokio::spawn(async move { rest::read_ahead(&home).await });
            }
            read::latest(&home, &monitors, now).await
        })
        .await
    }

    async fn last_before(&self, monitor: MonitorId, time: UnixMicros) -> Result<Option<CheckResult>, StoreError> {
        self.reads("last_before", |home| async move {
            read::last_before(&home, "last_before", monitor, UnixMicros::MIN, time).await
        })
        .await
    }

    async fn rollups(&self, query: &RollupQuery) -> Result<Vec<Rollup>, StoreError> {
        let query = query.clone();
        self.reads("rollups", |home| async move { rest::rollups(&home, &query).await }).await
    }

    async fn rollup_times(&self, query: &RollupQuery) -> Result<Vec<Rollup>, StoreError> {
        self.rollup_times_of(&[query.monitor], query.tier, query.span).await
    }

    async fn rollup_times_of(&self, monitors: &[MonitorId], tier: Tier, span: Span) -> Result<Vec<Rollup>, StoreError> {
        let monitors = monitors.to_vec();
        self.reads("rollups", |home| async move { rest::times_of(&home, &monitors, tier, span).await }).await
    }

    async fn rollup_sums(
        &self,
        monitors: &[MonitorId],
        tier: Tier,
        spans: &[Span],
    ) -> Result<Vec<Vec<Times>>, StoreError> {
        let (whose, of) = (monitors.to_vec(), spans.to_vec());
        match self.reads("rollups", |home| async move { rest::sums(&home, &whose, tier, &of).await }).await? {
            Some(sums) => Ok(sums),
            None => answer::rollup_sums(self, monitors, tier, spans).await,
        }
    }

    async fn incidents(&self, query: &IncidentQuery) -> Result<Vec<Incident>, StoreError> {
        let query = query.clone();
        self.reads("incidents", |home| async move { rest::incidents(&home, &query).await }).await
    }

    async fn gaps(&self, query: &GapQuery) -> Result<Vec<Gap>, StoreError> {
        let query = query.clone();
        self.reads("gaps", |home| async move { rest::gaps(&home, &query).await }).await
    }

    async fn monitors(&self) -> Result<Vec<KnownMonitor>, StoreError> {
        self.home.open("monitors")?;
        let mut monitors: Vec<KnownMonitor> = self.home.known().monitors.values().cloned().collect();
        monitors.sort_by(|a, b| (&a.name, a.id).cmp(&(&b.name, b.id)));
        Ok(monitors)
    }
}

#[async_trait]
impl ResultStore for InfluxStore {
    fn backend(&self) -> BackendId {
        ID
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities {
            keeps_history: true,
            tells_parts: false,
            frees_room: InfluxDb::FREES_ROOM,
            delivery: DeliveryHint { max_rows: MOST_ROWS, max_age_ms: 1_000, slices: 1 },
        }
    }

    async fn check(&self) -> Result<StoreStatus, StoreError> {
        let written = Uuid::new_v4().into_bytes();
        let (status, kept) = self
            .writes("check", |home| async move {
                append::set_passing(&home, "check", &format!("{VALUE_KEY}{CHECK}"), &written).await?;
                let kept = rest::meta(&home, "check", &format!("{VALUE_KEY}{CHECK}")).await?;
                Ok((read::status(&home).await?, kept))
            })
            .await?;
        if kept.as_deref() == Some(&written[..]) {
            return Ok(status);
        }
        let what = "what was written could not be read back; is another server answering reads?";
        Err(StoreError::new(StoreErrorKind::Corrupt, ID, "check", what))
    }

    async fn append(&self, batch: &Batch) -> Result<(), StoreError> {
        if batch.is_empty() {
            return self.home.open("append");
        }
        let batch = batch.clone();
        self.writes("append", |home| async move { append::append(&home, batch).await }).await
    }

    async fn metadata(&self, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
        if key == STORE_ID || key == INSTANCE {
            self.home.open("metadata")?;
            let known = if key == STORE_ID { self.home.store } else { self.home.id.uuid() };
            return Ok(Some(known.to_string().into_bytes()));
        }
        let key = format!("{VALUE_KEY}{key}");
        self.reads("metadata", |home| async move { rest::meta(&home, "metadata", &key).await }).await
    }

    async fn metadata_of_all(&self, key: &str) -> Result<Vec<(InstanceId, Vec<u8>)>, StoreError> {
        let key = format!("{VALUE_KEY}{key}");
        self.reads("metadata_of_all", |home| async move { rest::meta_of_all(&home, "metadata_of_all", &key).await })
            .await
    }

    async fn set_metadata(&self, key: &str, value: &[u8]) -> Result<(), StoreError> {
        if key == STORE_ID || key == INSTANCE {
            let what = format!("`{key}` is the store's own and cannot be set");
            return Err(StoreError::new(StoreErrorKind::Unsupported, ID, "set_metadata", what));
        }
        let (key, value) = (format!("{VALUE_KEY}{key}"), value.to_vec());
        self.writes("set_metadata", |home| async move { append::set_meta(&home, "set_metadata", &key, &value).await })
            .await
    }

    async fn prune(&self, policy: &Retention, now: UnixMicros, piece: Piece<'_>) -> Result<Pruned, StoreError> {
        upkeep::prune(self, policy, now, piece).await
    }

    async fn forget(&self, monitor: MonitorId) -> Result<(), StoreError> {
        self.writes("forget", |home| async move { upkeep::forget(&home, monitor).await }).await
    }

    async fn scan(&self, cursor: Option<ScanCursor>) -> Result<ScanPage, StoreError> {
        let place = scan::Place::read(cursor.as_ref())
            .map_err(|what| StoreError::new(StoreErrorKind::Misconfigured, ID, "scan", what))?;
        self.reads("scan", |home| async move { scan::page(&home, place).await }).await
    }

    async fn close(&self) -> Result<(), StoreError> {
        if self.home.closed.swap(true, Ordering::AcqRel) { Err(closed("close")) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_of_floors_read_back() {
        let monitor = MonitorId::new(Uuid::from_u128(7));
        for tier in [None, Some(Tier::FiveMinutes), Some(Tier::Hour), Some(Tier::Day)] {
            for whose in [None, Some(monitor)] {
                let key = floor_key(tier, whose);
                assert_eq!(floor_of_key(&key), Some((tier, whose)), "{key}");
            }
        }
        for other in ["floor:week", "floor:raw:x", "floor", "value:floor:raw"] {
            assert_eq!(floor_of_key(other), None, "{other}");
        }
    }

    #[test]
    fn floors_never_sink() {
        let (monitor, at) = (MonitorId::new(Uuid::from_u128(7)), UnixMicros::new);
        let mut floors = Floors::default();
        assert!(floors.raise(None, None, at(10)) && floors.raise(None, Some(monitor), at(30)));
        assert!(!floors.raise(None, None, at(5)));
        assert_eq!((floors.lowest(None), floors.of(None, monitor)), (at(10), at(30)));
        assert_eq!(floors.of(None, MonitorId::ALL), at(10));
        assert_eq!(floors.own(), [(None, monitor, at(30))]);
        assert!(floors.raise(None, None, at(40)));
        assert_eq!((floors.of(None, monitor), floors.own()), (at(40), vec![]));
    }
}
