//! The storage seam: where history is kept. Each backend is a folder in `backends/` and one line in `registry.rs`, or
//! comes from elsewhere ([`bring_backend`]).
//!
//! A store promises: what it acknowledged is durable; writing a row twice changes nothing; of two results with one key
//! the first stays; every answer is the same from every backend. The conformance suite holds each of them to it.
//!
//! | where | what is in it |
//! |---|---|
//! | `mod.rs` | the traits: what a store does, what a backend is |
//! | `query.rs` | what goes into a store and what is asked of it |
//! | `error.rs` | why a store did not do what was asked |
//! | `diagnose.rs` | a look at a store, step by step |
//! | `address.rs` | addresses that people copy from elsewhere, taken apart |
//! | `face.rs` | how a backend looks to a person who chooses one |
//! | `answer.rs` | series and uptime, computed from plain rows for every backend; which tier answers |
//! | `evidence.rs` | what is known of a monitor around a span, and the rollups that follow |
//! | `held.rs` | rows of several monitors that were read together |
//! | `estimate.rs` | how much room history will need |
//! | `retention.rs` | how long history is kept |
//! | `piece.rs` | a prune in pieces |
//! | `length.rs` | lengths of time in settings |
//! | `registry.rs` | the list of backends |
//! | `backends/` | one folder a backend |
//! | `conformance/` | what every store promises, as cases (feature `testing`) |
//!
//! How to write a backend: `docs/write-a-backend.md`.

mod address;
pub mod answer;
pub mod backends;
#[cfg(any(test, feature = "testing"))]
pub mod conformance;
pub mod diagnose;
mod error;
mod estimate;
mod evidence;
mod face;
mod held;
mod length;
mod piece;
mod query;
mod registry;
mod retention;

use std::fmt::Debug;
use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
pub use diagnose::{HearSteps, Step, StepNews, StepOutcome};
pub use error::{StoreError, StoreErrorKind};
pub use estimate::{ExpectedSize, Load, expected_size};
pub(crate) use evidence::WORTH_FIVE_MINUTES;
pub use evidence::{missing_rollups, missing_rollups_before};
pub use face::{Face, FieldFace, Like, Offer, Only, Part, TakenApart, Words};
pub(crate) use held::{Around, Held};
pub use length::Length;
pub(crate) use piece::Resume;
pub use piece::{Piece, PruneLeft, PruneStep};
pub use query::{
    Batch, Bucket, Capabilities, Damage, DeliveryHint, GapQuery, IncidentQuery, OwnShare, Page, PageCursor, PoolUse,
    Pruned, ResultQuery, RollupQuery, ScanCursor, ScanPage, Series, SeriesQuery, SizeParts, StoreStatus, Uptime,
    UptimeQuery, Verified,
};
pub use registry::{BackendConfig, bring_backend, offer_of, offers};
pub use retention::{KeptDays, Retention};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::clock::Clock;
use crate::model::{
    CheckResult, FieldError, FieldSpec, Gap, Incident, InstanceId, KnownMonitor, MonitorId, Rollup, Span, Tier, Times,
    UnixMicros,
};
use crate::secret::Vault;

/// The word for a backend: `embedded`.
pub type BackendId = &'static str;

/// How far into the future a row may be stamped before `latest` ignores it (a clock that was set back), in µs.
pub const FUTURE_TOLERANCE_US: u64 = 120_000_000;

/// The plain reads from which every answer can be computed. A store has them, and so has a store merged with what is
/// not delivered yet.
#[async_trait]
pub trait ReadRows: Send + Sync {
    /// Results of one monitor or of all, newest first, a page at a time.
    async fn results(&self, query: &ResultQuery) -> Result<Page, StoreError>;
    /// The same page, of which only what a [`Seen`](crate::model::Seen) holds is needed: phases, message and facts may
    /// be left out where that is cheaper.
    async fn results_seen(&self, query: &ResultQuery) -> Result<Page, StoreError> {
        self.results(query).await
    }
    /// Results of several different monitors that began in the span, in any order, with as much of each as in
    /// [`results_seen`](Self::results_seen); none where they are more than `limit`.
    async fn results_seen_of(
        &self,
        monitors: &[MonitorId],
        span: Span,
        limit: usize,
    ) -> Result<Option<Vec<CheckResult>>, StoreError> {
        answer::results_seen_of(self, monitors, span, limit).await
    }
    /// The newest result of each monitor that is not more than [`FUTURE_TOLERANCE_US`] after `now`, in
    /// the order asked for; a monitor without any is left out.
    async fn latest(&self, monitors: &[MonitorId], now: UnixMicros) -> Result<Vec<CheckResult>, StoreError>;
    /// The newest result of a monitor before a time.
    async fn last_before(&self, monitor: MonitorId, time: UnixMicros) -> Result<Option<CheckResult>, StoreError>;
    /// Rollups of one monitor and tier whose bucket starts in the span, oldest first.
    async fn rollups(&self, query: &RollupQuery) -> Result<Vec<Rollup>, StoreError>;
    /// The same rollups, of which only counts and times are needed: latencies may be left out where that is cheaper.
    async fn rollup_times(&self, query: &RollupQuery) -> Result<Vec<Rollup>, StoreError> {
        self.rollups(query).await
    }
    /// The same of several monitors at once, in any order.
    async fn rollup_times_of(&self, monitors: &[MonitorId], tier: Tier, span: Span) -> Result<Vec<Rollup>, StoreError> {
        let mut rollups = Vec::new();
        for monitor in monitors {
            rollups.extend(self.rollup_times(&RollupQuery { monitor: *monitor, tier, span }).await?);
        }
        Ok(rollups)
    }
    /// Observed time in several spans, of the rollups whose bucket starts in them: of each monitor, in the order asked
    /// for, by span. The spans are in order and share nothing.
    async fn rollup_sums(
        &self,
        monitors: &[MonitorId],
        tier: Tier,
        spans: &[Span],
    ) -> Result<Vec<Vec<Times>>, StoreError> {
        answer::rollup_sums(self, monitors, tier, spans).await
    }
    /// Incidents that touch the span, newest first.
    async fn incidents(&self, query: &IncidentQuery) -> Result<Vec<Incident>, StoreError>;
    /// Gaps that touch the span, oldest first: those of the monitor and those of all.
    async fn gaps(&self, query: &GapQuery) -> Result<Vec<Gap>, StoreError>;
    /// Every monitor that was ever known, by name.
    async fn monitors(&self) -> Result<Vec<KnownMonitor>, StoreError>;
}

/// A place that keeps history.
#[async_trait]
pub trait ResultStore: ReadRows + Debug {
    /// Which backend it is.
    fn backend(&self) -> BackendId;
    /// What it can do.
    fn capabilities(&self) -> Capabilities;
    /// A real, authorised round trip.
    async fn check(&self) -> Result<StoreStatus, StoreError>;
    /// Keeps rows: durable on `Ok`, all or nothing where the backend can, and idempotent.
    async fn append(&self, batch: &Batch) -> Result<(), StoreError>;
    /// Reads a value of the store's own metadata.
    async fn metadata(&self, key: &str) -> Result<Option<Vec<u8>>, StoreError>;
    /// Writes a value of the store's own metadata.
    async fn set_metadata(&self, key: &str, value: &[u8]) -> Result<(), StoreError>;
    /// The value under a key of every instance that shares the store. A store of one instance has that one's.
    async fn metadata_of_all(&self, key: &str) -> Result<Vec<(InstanceId, Vec<u8>)>, StoreError> {
        let own = self.metadata("instance").await?.and_then(|bytes| String::from_utf8(bytes).ok()?.parse().ok());
        let value = self.metadata(key).await?;
        Ok(own.zip(value).into_iter().collect())
    }
    /// Drops what is older than the policy keeps of each monitor, and gives the space back. A store that cannot keep
    /// monitors apart drops what is kept of none ([`Retention::floor`]). Where that takes longer than the piece, it stops
    /// and tells what is left ([`Pruned::left`]); the next call goes on there. Every call gets a little further.
    async fn prune(&self, policy: &Retention, now: UnixMicros, piece: Piece<'_>) -> Result<Pruned, StoreError>;
    /// The same to its end, however long it takes.
    async fn prune_all(&self, policy: &Retention, now: UnixMicros) -> Result<Pruned, StoreError> {
        self.prune(policy, now, Piece::whole()).await
    }
    /// Reads everything the store keeps in files of its own and proves every checksum; a store whose server does that
    /// finds nothing to read.
    async fn verify(&self) -> Result<Verified, StoreError> {
        self.check().await.map(|_| Verified::default())
    }
    /// Does a piece of the house-keeping that the store has of its own, a fraction of a second of it; tells whether there
    /// is more to do. Called now and then, again soon while there is.
    async fn tend(&self, _now: UnixMicros) -> Result<bool, StoreError> {
        Ok(false)
    }
    /// Drops everything of one monitor.
    async fn forget(&self, monitor: MonitorId) -> Result<(), StoreError>;
    /// Everything, in one stable order, a page at a time: for moving house.
    async fn scan(&self, cursor: Option<ScanCursor>) -> Result<ScanPage, StoreError>;
    /// Lets go of the store; later calls fail with `Unavailable`.
    async fn close(&self) -> Result<(), StoreError>;

    /// What it uses of its connections, without asking anybody; none where it has none.
    fn pool(&self) -> Option<PoolUse> {
        None
    }

    /// History in at most the asked number of buckets.
    async fn series(&self, query: &SeriesQuery) -> Result<Series, StoreError> {
        answer::series(self, query).await
    }

    /// Uptime and coverage by time.
    async fn uptime(&self, query: &UptimeQuery) -> Result<Vec<Uptime>, StoreError> {
        answer::uptime(self, query).await
    }
}

/// What a backend may use of the process it runs in.
#[derive(Debug, Clone)]
pub struct BackendEnv {
    /// The data folder.
    pub data_dir: PathBuf,
    /// Whose rows these are.
    pub instance: InstanceId,
    /// The clocks.
    pub clock: Arc<dyn Clock>,
    /// Passwords and tokens.
    pub vault: Arc<dyn Vault>,
}

/// A kind of store. Implemented by its configuration.
#[async_trait]
pub trait Backend: Serialize + DeserializeOwned + Debug + Clone + PartialEq + Default + Send + Sync + 'static {
    /// The word in the file: `embedded`.
    const ID: &'static str;
    /// Its settings. Files, forms and documentation are made from these.
    const FIELDS: &'static [FieldSpec];
    /// Whether several instances may keep their history in one such store.
    const SHARED: bool = false;
    /// How it looks to a person who chooses one.
    const FACE: Face = Face::plain(Self::ID);
    /// Whether it keeps history at all: what [`Capabilities::keeps_history`] of its stores says.
    const KEEPS_HISTORY: bool = true;
    /// Whether what [`ResultStore::prune`] drops gives its bytes back within a day, and [`StoreStatus::limited`] tells:
    /// a limit of its size can be kept only then.
    const FREES_ROOM: bool = false;

    /// Checks what the fields' own rules cannot.
    ///
    /// # Errors
    /// Every fault, not just the first.
    fn validate(&self) -> Result<(), Vec<FieldError>> {
        Ok(())
    }

    /// Where the store is, to tell it from others before it was ever reached: backend and address, never a user, a
    /// password or a setting of TLS.
    fn contact(&self) -> String {
        Self::ID.to_owned()
    }

    /// The folder of this machine that the store is in, where it is in one.
    fn folder(&self, _env: &BackendEnv) -> Option<PathBuf> {
        None
    }

    /// Opens the store, making it where there is none.
    async fn open(&self, env: &BackendEnv) -> Result<Arc<dyn ResultStore>, StoreError>;

    /// Brings what the store is kept in up to date and tells what there is: for whoever may change it where the one who
    /// watches may not. Opening does the same where it may.
    ///
    /// # Errors
    /// Whatever opening gives.
    async fn migrate(&self, env: &BackendEnv) -> Result<String, StoreError> {
        self.open(env).await?.close().await?;
        Ok(format!("{} is up to date", self.contact()))
    }

    /// What an address that people copy from elsewhere (`scheme://…`) says of the settings; none where it is no address
    /// of such a store.
    fn take_apart(_address: &str) -> Option<TakenApart> {
        None
    }

    /// Looks at the way to the store and at the store, step by step; writes one value. Tells of each step as it comes.
    async fn look(&self, env: &BackendEnv, tell: &dyn HearSteps) -> Vec<Step> {
        diagnose::plain(self, env, tell).await
    }

    /// The same for whoever waits for all of it.
    async fn diagnose(&self, env: &BackendEnv) -> Vec<Step> {
        self.look(env, &|_: StepNews<'_>| {}).await
    }

    /// Settings of an empty store for one test, of which `env` has the folder; none where this machine lacks what the
    /// backend needs.
    #[cfg(any(test, feature = "testing"))]
    async fn test_instance(_env: &BackendEnv) -> Option<Self> {
        Some(Self::default())
    }
}
