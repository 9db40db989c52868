//! The store: brings calls to connections, and to the runtime on which these live.

use std::collections::BTreeSet;
use std::future::Future;
use std::ops::{Deref, DerefMut};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex as Lock, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use sqlx::Postgres as Server;
use sqlx::pool::PoolConnection;
use sqlx::postgres::{PgConnection, PgPool};
use tokio::runtime::Handle;
use tokio::sync::Mutex;
use tokio::task::JoinHandle;
use uuid::Uuid;

use super::append::{self, Partition};
use super::connect::Way;
use super::fault::{ID, closed, fault};
use super::replica::Replicas;
use super::schema::{self, Engine};
use super::settings::Postgres;
use super::share::LastCensus;
use super::{read, scan, status, together, upkeep};
use crate::clock::Clock;
use crate::model::{
    CheckResult, Gap, Incident, InstanceId, KnownMonitor, MonitorId, Rollup, Span, Tier, Times, UnixMicros,
};
use crate::storage::{
    Backend as _, BackendId, Batch, Capabilities, DeliveryHint, GapQuery, IncidentQuery, Page, Piece, PoolUse, Pruned,
    ReadRows, ResultQuery, ResultStore, Resume, Retention, RollupQuery, ScanCursor, ScanPage, StoreError,
    StoreErrorKind, StoreStatus,
};

/// Rows in one append: about where larger ones are no faster.
const MOST_ROWS: usize = 5_000;
/// What a call may take beyond its wait for a connection and its statement before the server counts as gone.
const GRACE: Duration = Duration::from_secs(5);
/// The key under which the id of the whole store is read.
const STORE_ID: &str = "store_id";
/// The key under which an instance finds its own id.
const INSTANCE: &str = "instance";
/// What `check` writes and reads.
const CHECK: &str = "hallmonitor.check";

/// What every call needs.
#[derive(Debug)]
pub(super) struct Home {
    pub(super) settings: Arc<Postgres>,
    /// The instance's number in this store.
    pub(super) instance: i32,
    pub(super) engine: Engine,
    id: InstanceId,
    store: Uuid,
    pool: PgPool,
    replicas: Replicas,
    /// Partitions that are known to be there.
    partitions: Lock<BTreeSet<Partition>>,
    /// The last append had nothing that was there already, and neither will the next, as far as is known.
    no_repeat: AtomicBool,
    closed: AtomicBool,
    pub(super) clock: Arc<dyn Clock>,
    /// Whose the rows are, where several instances share the schema.
    pub(super) census: LastCensus,
}

/// The store.
#[derive(Debug, Clone)]
pub(super) struct PostgresStore {
    pub(super) home: Arc<Home>,
    /// Connections live on the runtime that made them: every call is brought there, whoever asks.
    runtime: Handle,
    /// One writer at a time: two would only wait for each other's rows.
    writing: Arc<Mutex<()>>,
    /// What was kept when it was pruned last: by that one can tell what will go.
    kept: Arc<Lock<Option<Retention>>>,
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

/// A connection that is at work; afterwards whoever lent it has it back.
pub(super) struct Lent {
    connection: Option<PoolConnection<Server>>,
    back: Arc<Lock<Option<PoolConnection<Server>>>>,
}

impl Deref for Lent {
    type Target = PgConnection;

    #[allow(clippy::expect_used, reason = "it is there until the drop")]
    fn deref(&self) -> &Self::Target {
        self.connection.as_ref().expect("a connection at work")
    }
}

impl DerefMut for Lent {
    #[allow(clippy::expect_used, reason = "it is there until the drop")]
    fn deref_mut(&mut self) -> &mut Self::Target {
        self.connection.as_mut().expect("a connection at work")
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        *self.back.lock().unwrap_or_else(PoisonError::into_inner) = self.connection.take();
    }
}

/// Where a connection is once its work is done.
struct Back(Arc<Lock<Option<PoolConnection<Server>>>>);

impl Back {
    /// Brings it back to the pool before the answer is given: the pool itself takes back what is dropped a while later,
    /// and the next call would find none and make another one.
    async fn into_pool(self) {
        let connection = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(mut connection) = connection {
            connection.return_to_pool().await;
        }
    }
}

impl Lent {
    fn of(connection: PoolConnection<Server>) -> (Self, Back) {
        let back: Arc<Lock<Option<PoolConnection<Server>>>> = Arc::default();
        (Self { connection: Some(connection), back: Arc::clone(&back) }, Back(back))
    }
}

impl PostgresStore {
    /// Opens the store, making its schema where there is none.
    pub(super) async fn open(
        settings: Arc<Postgres>,
        instance: InstanceId,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, StoreError> {
        let (way, mut connection) = Way::find(&settings, "open").await?;
        let found = schema::ready(&mut connection, &settings, "open").await?;
        let number = schema::instance(&mut connection, instance).await;
        let number = number.map_err(|error| fault(&settings, "open", &error))?;
        drop(connection);
        let pool = way.pool(&settings, settings.acquire_timeout.duration());
        let replicas = Replicas::new(&settings, &way, Arc::clone(&clock))?;
        let home = Home {
            instance: number,
            engine: found.engine,
            id: instance,
            store: found.store,
            pool,
            replicas,
            partitions: Lock::default(),
            // Delivery begins with what it may have brought before it was ended.
            no_repeat: AtomicBool::new(false),
            closed: AtomicBool::new(false),
            clock,
            census: LastCensus::default(),
            settings,
        };
        Ok(Self {
            home: Arc::new(home),
            runtime: Handle::current(),
            writing: Arc::default(),
            kept: Arc::default(),
            resume: Arc::default(),
        })
    }

    /// Reads with a connection to a replica that knows all we wrote, else to the server itself.
    async fn reads<T, W, F>(&self, operation: &'static str, work: W) -> Result<T, StoreError>
    where
        T: Send + 'static,
        W: Fn(Lent, i32) -> F + Send + 'static,
        F: Future<Output = Result<T, sqlx::Error>> + Send + 'static,
    {
        let home = Arc::clone(&self.home);
        self.brought(operation, async move {
            if let Some((connection, replica)) = home.replicas.connection().await {
                let (connection, back) = Lent::of(connection);
                let answer = work(connection, home.instance).await;
                back.into_pool().await;
                match answer {
                    Ok(answer) => return Ok(answer),
                    Err(error) => home.replicas.failed(replica, &error),
                }
            }
            let connection = home.connection().await?;
            let (connection, back) = Lent::of(connection);
            let answer = work(connection, home.instance).await;
            back.into_pool().await;
            answer
        })
        .await
    }

    /// A page of results: whole, or as much as was seen.
    async fn page(&self, query: &ResultQuery, whole: bool) -> Result<Page, StoreError> {
        let query = query.clone();
        self.reads("results", move |mut connection, instance| {
            let query = query.clone();
            async move { read::results(&mut connection, instance, &query, whole).await }
        })
        .await
    }

    /// Rollups: whole, or their counts and times.
    async fn all_rollups(&self, query: &RollupQuery, whole: bool) -> Result<Vec<Rollup>, StoreError> {
        let query = query.clone();
        self.reads("rollups", move |mut connection, instance| {
            let query = query.clone();
            async move { read::rollups(&mut connection, instance, &query, whole).await }
        })
        .await
    }

    /// Writes with a connection to the server itself.
    pub(super) async fn writes<T, W, F>(&self, operation: &'static str, work: W) -> Result<T, StoreError>
    where
        T: Send + 'static,
        W: FnOnce(Lent, Arc<Home>) -> F + Send + 'static,
        F: Future<Output = Result<T, sqlx::Error>> + Send + 'static,
    {
        let turn = Arc::clone(&self.writing).lock_owned().await;
        let home = Arc::clone(&self.home);
        self.brought(operation, async move {
            let _turn = turn;
            let connection = home.connection().await?;
            let (connection, back) = Lent::of(connection);
            let answer = work(connection, Arc::clone(&home)).await;
            back.into_pool().await;
            let answer = answer?;
            home.note_written().await?;
            Ok(answer)
        })
        .await
    }

    /// Does work on the store's runtime, for as long as the settings allow.
    async fn brought<T, F>(&self, operation: &'static str, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, sqlx::Error>> + Send + 'static,
    {
        if self.home.closed.load(Ordering::Acquire) {
            return Err(closed(operation));
        }
        let settings = &self.home.settings;
        let most = settings.acquire_timeout.duration() + settings.statement_timeout.duration() + GRACE;
        let mut call = Call(self.runtime.spawn(tokio::time::timeout(most, work)));
        match (&mut call.0).await {
            Ok(Ok(Ok(answer))) => Ok(answer),
            Ok(Ok(Err(error))) => Err(fault(settings, operation, &error)),
            Ok(Err(_)) => {
                let what = format!("the server {}:{} gives no answer", settings.host, settings.port);
                Err(StoreError::new(StoreErrorKind::Unavailable, ID, operation, what))
            }
            Err(lost) if lost.is_panic() => {
                Err(StoreError::new(StoreErrorKind::Internal, ID, operation, "the work stopped by a fault of ours"))
            }
            Err(_) => Err(closed(operation)),
        }
    }
}

impl Home {
    async fn connection(&self) -> Result<PoolConnection<Server>, sqlx::Error> {
        self.pool.acquire().await
    }

    /// Remembers up to where a replica must be to answer for us.
    async fn note_written(&self) -> Result<(), sqlx::Error> {
        if !self.replicas.are_there() {
            return Ok(());
        }
        // What was committed is flushed, unless the server was told not to wait for that.
        const WRITTEN: &str = "SELECT (CASE current_setting('synchronous_commit') WHEN 'off' \
                               THEN pg_current_wal_insert_lsn() ELSE pg_current_wal_flush_lsn() END)::text";
        let mut connection = self.connection().await?;
        let position: String = sqlx::query_scalar(WRITTEN).fetch_one(&mut *connection).await?;
        self.replicas.written(position);
        Ok(())
    }

    /// Results that come next may be there already; tells whether they were to be new.
    pub(super) fn expect_repeat(&self) -> bool {
        self.no_repeat.swap(false, Ordering::AcqRel)
    }

    /// Results that come next are new, as far as is known.
    pub(super) fn expect_new(&self) {
        self.no_repeat.store(true, Ordering::Release);
    }

    /// The partitions that are known to be there.
    pub(super) fn partitions(&self) -> MutexGuard<'_, BTreeSet<Partition>> {
        self.partitions.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

pub(super) async fn set_metadata(
    connection: &mut PgConnection,
    instance: i32,
    key: &str,
    value: &[u8],
) -> Result<(), sqlx::Error> {
    const SET: &str = "INSERT INTO metadata (instance, key, value) VALUES ($1, $2, $3) \
                       ON CONFLICT (instance, key) DO UPDATE SET value = excluded.value, updated = now()";
    sqlx::query(SET).bind(instance).bind(key).bind(value).execute(connection).await.map(drop)
}

pub(super) async fn metadata(
    connection: &mut PgConnection,
    instance: i32,
    key: &str,
) -> Result<Option<Vec<u8>>, sqlx::Error> {
    const GET: &str = "SELECT value FROM metadata WHERE instance = $1 AND key = $2";
    sqlx::query_scalar(GET).bind(instance).bind(key).fetch_optional(connection).await
}

#[async_trait]
impl ReadRows for PostgresStore {
    async fn results(&self, query: &ResultQuery) -> Result<Page, StoreError> {
        self.page(query, true).await
    }

    async fn results_seen(&self, query: &ResultQuery) -> Result<Page, StoreError> {
        self.page(query, false).await
    }

    async fn results_seen_of(
        &self,
        monitors: &[MonitorId],
        span: Span,
        limit: usize,
    ) -> Result<Option<Vec<CheckResult>>, StoreError> {
        let monitors: Arc<[MonitorId]> = monitors.into();
        self.reads("results", move |mut connection, instance| {
            let monitors = Arc::clone(&monitors);
            async move { together::results_seen_of(&mut connection, instance, &monitors, span, limit).await }
        })
        .await
    }

    async fn latest(&self, monitors: &[MonitorId], now: UnixMicros) -> Result<Vec<CheckResult>, StoreError> {
        let monitors: Arc<[MonitorId]> = monitors.into();
        self.reads("latest", move |mut connection, instance| {
            let monitors = Arc::clone(&monitors);
            async move { read::latest(&mut connection, instance, &monitors, now).await }
        })
        .await
    }

    async fn last_before(&self, monitor: MonitorId, time: UnixMicros) -> Result<Option<CheckResult>, StoreError> {
        self.reads("last_before", move |mut connection, instance| async move {
            read::last_before(&mut connection, instance, monitor, time).await
        })
        .await
    }

    async fn rollups(&self, query: &RollupQuery) -> Result<Vec<Rollup>, StoreError> {
        self.all_rollups(query, true).await
    }

    async fn rollup_times(&self, query: &RollupQuery) -> Result<Vec<Rollup>, StoreError> {
        self.all_rollups(query, false).await
    }

    async fn rollup_times_of(&self, monitors: &[MonitorId], tier: Tier, span: Span) -> Result<Vec<Rollup>, StoreError> {
        let monitors: Arc<[MonitorId]> = monitors.into();
        self.reads("rollups", move |mut connection, instance| {
            let monitors = Arc::clone(&monitors);
            async move { together::rollup_times_of(&mut connection, instance, &monitors, tier, span).await }
        })
        .await
    }

    async fn rollup_sums(
        &self,
        monitors: &[MonitorId],
        tier: Tier,
        spans: &[Span],
    ) -> Result<Vec<Vec<Times>>, StoreError> {
        let (monitors, spans): (Arc<[MonitorId]>, Arc<[Span]>) = (monitors.into(), spans.into());
        self.reads("rollups", move |mut connection, instance| {
            let (monitors, spans) = (Arc::clone(&monitors), Arc::clone(&spans));
            async move { together::rollup_sums(&mut connection, instance, &monitors, tier, &spans).await }
        })
        .await
    }

    async fn incidents(&self, query: &IncidentQuery) -> Result<Vec<Incident>, StoreError> {
        let query = query.clone();
        self.reads("incidents", move |mut connection, instance| {
            let query = query.clone();
            async move { read::incidents(&mut connection, instance, &query).await }
        })
        .await
    }

    async fn gaps(&self, query: &GapQuery) -> Result<Vec<Gap>, StoreError> {
        let query = query.clone();
        self.reads("gaps", move |mut connection, instance| {
            let query = query.clone();
            async move { read::gaps(&mut connection, instance, &query).await }
        })
        .await
    }

    async fn monitors(&self) -> Result<Vec<KnownMonitor>, StoreError> {
        self.reads(
            "monitors",
            |mut connection, instance| async move { read::monitors(&mut connection, instance).await },
        )
        .await
    }
}

#[async_trait]
impl ResultStore for PostgresStore {
    fn backend(&self) -> BackendId {
        ID
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities {
            keeps_history: true,
            tells_parts: true,
            frees_room: Postgres::FREES_ROOM,
            delivery: DeliveryHint { max_rows: MOST_ROWS, max_age_ms: 1_000, slices: 1 },
        }
    }

    async fn check(&self) -> Result<StoreStatus, StoreError> {
        let written = Uuid::new_v4().into_bytes();
        let (status, kept) = self
            .writes("check", move |mut connection, home| async move {
                set_metadata(&mut connection, home.instance, CHECK, &written).await?;
                let kept = metadata(&mut connection, home.instance, CHECK).await?;
                Ok((status::status(&mut connection, &home).await?, kept))
            })
            .await?;
        if kept.as_deref() == Some(&written[..]) {
            return Ok(status);
        }
        let what = "what was written could not be read back; is there a trigger or a rule on the table `metadata`?";
        Err(StoreError::new(StoreErrorKind::Corrupt, ID, "check", what))
    }

    async fn append(&self, batch: &Batch) -> Result<(), StoreError> {
        if batch.is_empty() {
            return if self.home.closed.load(Ordering::Acquire) { Err(closed("append")) } else { Ok(()) };
        }
        let batch = batch.clone();
        self.writes(
            "append",
            move |mut connection, home| async move { append::append(&mut connection, &home, batch).await },
        )
        .await
    }

    fn pool(&self) -> Option<PoolUse> {
        let pool = &self.home.pool;
        let idle = u32::try_from(pool.num_idle()).unwrap_or(u32::MAX);
        let busy = pool.size().saturating_sub(idle);
        Some(PoolUse { busy, idle, most: self.home.settings.pool_max })
    }

    async fn metadata(&self, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
        if key == STORE_ID || key == INSTANCE {
            let known = if key == STORE_ID { self.home.store } else { self.home.id.uuid() };
            let open = !self.home.closed.load(Ordering::Acquire);
            return if open { Ok(Some(known.to_string().into_bytes())) } else { Err(closed("metadata")) };
        }
        let key: Arc<str> = key.into();
        // Not from a replica: what is remembered here decides what is written next.
        let home = Arc::clone(&self.home);
        self.brought("metadata", async move {
            let connection = home.connection().await?;
            let (mut connection, back) = Lent::of(connection);
            let found = metadata(&mut connection, home.instance, &key).await;
            drop(connection);
            back.into_pool().await;
            found
        })
        .await
    }

    async fn metadata_of_all(&self, key: &str) -> Result<Vec<(InstanceId, Vec<u8>)>, StoreError> {
        const GET: &str = "SELECT i.id, m.value FROM metadata m JOIN instance i ON i.number = m.instance \
                           WHERE m.key = $1 ORDER BY i.number";
        let key: Arc<str> = key.into();
        let home = Arc::clone(&self.home);
        self.brought("metadata_of_all", async move {
            let mut connection = home.connection().await?;
            let rows: Vec<(Uuid, Vec<u8>)> = sqlx::query_as(GET).bind(&*key).fetch_all(&mut *connection).await?;
            Ok(rows.into_iter().map(|(id, value)| (InstanceId::new(id), value)).collect())
        })
        .await
    }

    async fn set_metadata(&self, key: &str, value: &[u8]) -> Result<(), StoreError> {
        if key == STORE_ID || key == INSTANCE {
            let what = format!("`{key}` is the store's own and cannot be set");
            return Err(StoreError::new(StoreErrorKind::Unsupported, ID, "set_metadata", what));
        }
        let (key, value): (Arc<str>, Arc<[u8]>) = (key.into(), value.into());
        self.writes("set_metadata", move |mut connection, home| async move {
            set_metadata(&mut connection, home.instance, &key, &value).await
        })
        .await
    }

    async fn prune(&self, policy: &Retention, now: UnixMicros, piece: Piece<'_>) -> Result<Pruned, StoreError> {
        let pruned = upkeep::prune(self, policy, now, piece).await;
        self.home.census.is_old();
        let pruned = pruned?;
        *self.kept.lock().unwrap_or_else(PoisonError::into_inner) = Some(policy.clone());
        Ok(pruned)
    }

    async fn tend(&self, now: UnixMicros) -> Result<bool, StoreError> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let Some(policy) = kept else { return Ok(false) };
        if upkeep::prepare(self, &policy, now).await? {
            return Ok(true);
        }
        // While it counts, others write.
        let home = Arc::clone(&self.home);
        self.brought("tend", async move {
            let connection = home.connection().await?;
            let (mut connection, back) = Lent::of(connection);
            let renewed = home.census.renew(&mut connection, &home).await;
            drop(connection);
            back.into_pool().await;
            renewed
        })
        .await?;
        Ok(false)
    }

    async fn forget(&self, monitor: MonitorId) -> Result<(), StoreError> {
        self.writes("forget", move |mut connection, home| async move {
            let forgotten = upkeep::forget(&mut connection, home.instance, monitor).await;
            home.census.is_old();
            forgotten
        })
        .await
    }

    async fn scan(&self, cursor: Option<ScanCursor>) -> Result<ScanPage, StoreError> {
        let place = scan::Place::read(cursor.as_ref())
            .map_err(|what| StoreError::new(StoreErrorKind::Misconfigured, ID, "scan", what))?;
        self.reads(
            "scan",
            move |mut connection, instance| async move { scan::page(&mut connection, instance, place).await },
        )
        .await
    }

    async fn close(&self) -> Result<(), StoreError> {
        if self.home.closed.swap(true, Ordering::AcqRel) {
            return Err(closed("close"));
        }
        let home = Arc::clone(&self.home);
        // A server that does not answer must not keep the program from ending.
        let shut = async move {
            home.replicas.close().await;
            home.pool.close().await;
        };
        let mut call = Call(self.runtime.spawn(tokio::time::timeout(GRACE, shut)));
        if !matches!((&mut call.0).await, Ok(Ok(()))) {
            tracing::debug!("connections to PostgreSQL were left to end by themselves");
        }
        Ok(())
    }
}
