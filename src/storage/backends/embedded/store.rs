//! The store: brings calls to threads that may block.

use std::path::Path;
use std::sync::{Arc, PoisonError};

use async_trait::async_trait;
use tokio::sync::{Mutex, Semaphore};
use uuid::Uuid;

use super::append::{self, Writer};
use super::fault::{Fault, ID, Outcome};
use super::file::{LiveFile, OTHERS};
use super::read::Reader;
use super::seal::Sealing;
use super::shelf::Shelf;
use super::table::{Tables, Writes};
use super::unblock::Depth;
use super::{Embedded, room, upkeep, verify};
use crate::clock::Clock;
use crate::model::{
    CheckResult, Gap, Incident, InstanceId, KnownMonitor, MonitorId, Rollup, Span, Tier, Times, UnixMicros,
};
use crate::storage::{
    Backend as _, BackendId, Batch, Capabilities, DeliveryHint, FUTURE_TOLERANCE_US, GapQuery, IncidentQuery, Page,
    Piece, PruneLeft, PruneStep, Pruned, ReadRows, ResultQuery, ResultStore, Resume, Retention, RollupQuery,
    ScanCursor, ScanPage, StoreError, StoreErrorKind, StoreStatus, Verified, missing_rollups,
};

/// Reads at the same time: more would only wait for the same disk, each on a thread of its own.
const READERS: usize = 2;

/// The embedded store.
#[derive(Debug, Clone)]
pub(super) struct EmbeddedStore {
    file: Arc<LiveFile>,
    shelf: Arc<Shelf>,
    sealing: Arc<std::sync::Mutex<Sealing>>,
    /// One writer at a time waits here, not on a thread.
    writing: Arc<Mutex<()>>,
    reading: Arc<Semaphore>,
    /// Whether reads also see what is about to be dropped.
    beneath: bool,
    /// Up to which monitor, and which of its days, the rollups of what goes were made.
    resume: Arc<Resume<(MonitorId, UnixMicros)>>,
}

impl EmbeddedStore {
    /// Opens the store in a folder; blocks.
    pub(super) fn open(folder: &Path, instance: InstanceId, clock: Arc<dyn Clock>) -> Result<Self, StoreError> {
        let told = |mut fault: Fault| {
            fault.what = format!("{}: {}", folder.display(), fault.what);
            fault.during("open")
        };
        let file = LiveFile::open(folder, instance, Arc::clone(&clock)).map_err(told)?;
        let index = file.with(|live| Ok(live.index())).map_err(told)?;
        let counts = |monitor, sequence| index.counts(monitor, sequence);
        let shelf = Shelf::open(folder, counts, clock.wall()).map_err(told)?;
        Ok(Self {
            file: Arc::new(file),
            shelf: Arc::new(shelf),
            sealing: Arc::default(),
            writing: Arc::new(Mutex::new(())),
            reading: Arc::new(Semaphore::new(READERS)),
            beneath: false,
            resume: Arc::default(),
        })
    }

    /// Makes the rollups that are missing for results that are not kept any more, a day of a monitor at a time; tells
    /// what is left of that.
    async fn roll_up(
        &self,
        policy: &Retention,
        now: UnixMicros,
        piece: Piece<'_>,
    ) -> Result<Option<PruneLeft>, StoreError> {
        let Some(highest) = policy.highest_floor(None, now) else { return Ok(None) };
        let mut monitors: Vec<MonitorId> =
            self.reads("prune", move |reader| Ok(reader.with_results(highest)?.into_iter().collect())).await?;
        monitors.sort_unstable();
        let (begin, mut day_from) = match self.resume.stage(policy, now) {
            Some((monitor, from)) => (monitors.partition_point(|other| *other < monitor), from),
            None => (0, UnixMicros::MIN),
        };
        for (nth, &monitor) in monitors.iter().enumerate().skip(begin) {
            let mut from = std::mem::replace(&mut day_from, UnixMicros::MIN);
            let Some(floor) = policy.floor_of(monitor, None, now) else { continue };
            let day_after = |from| self.reads("prune", move |reader| upkeep::next_day(reader, monitor, from, floor));
            while let Some(day) = day_after(from).await? {
                let mut rollups = missing_rollups(self, monitor, day).await?;
                let is_kept =
                    |tier, start| policy.floor_of(monitor, Some(tier), now).is_none_or(|floor| start >= floor);
                rollups.retain(|rollup| is_kept(rollup.tier, rollup.start));
                if !rollups.is_empty() {
                    self.append(&Batch { rollups, ..Batch::default() }).await?;
                }
                from = day.to;
                self.resume.note(policy, now, (monitor, from));
                if piece.is_over() {
                    let (done, of) = (nth as u64, monitors.len() as u64);
                    return Ok(Some(PruneLeft { step: PruneStep::SummingUp, done, of }));
                }
            }
        }
        self.resume.clear();
        Ok(None)
    }

    async fn reads<T: Send + 'static>(
        &self,
        operation: &'static str,
        work: impl FnOnce(&mut Reader<'_>) -> Outcome<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        let Ok(permit) = Arc::clone(&self.reading).acquire_owned().await else {
            return Err(Fault::closed().during(operation));
        };
        let (file, shelf, beneath) = (Arc::clone(&self.file), Arc::clone(&self.shelf), self.beneath);
        blocking(operation, move || {
            let _permit = permit;
            file.with(|live| {
                let mut reader = if beneath { Reader::beneath(live, &shelf) } else { Reader::begin(live, &shelf) }?;
                work(&mut reader)
            })
        })
        .await
    }

    async fn writes<T: Send + 'static>(
        &self,
        operation: &'static str,
        work: impl FnOnce(&LiveFile) -> Outcome<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        let turn = Arc::clone(&self.writing).lock_owned().await;
        let file = Arc::clone(&self.file);
        // Dropping the call does not stop the write: the turn is over when it is done.
        blocking(operation, move || {
            let _turn = turn;
            work(&file)
        })
        .await
    }
}

async fn blocking<T: Send + 'static>(
    operation: &'static str,
    work: impl FnOnce() -> Outcome<T> + Send + 'static,
) -> Result<T, StoreError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(outcome) => outcome.map_err(|fault| fault.during(operation)),
        Err(failed) => {
            Err(StoreError::new(StoreErrorKind::Internal, ID, operation, "the work was lost").caused_by(failed))
        }
    }
}

#[async_trait]
impl ReadRows for EmbeddedStore {
    async fn results(&self, query: &ResultQuery) -> Result<Page, StoreError> {
        let query = query.clone();
        self.reads("results", move |reader| reader.results(&query, Depth::Whole)).await
    }

    async fn results_seen(&self, query: &ResultQuery) -> Result<Page, StoreError> {
        let query = query.clone();
        self.reads("results", move |reader| reader.results(&query, Depth::Seen)).await
    }

    async fn results_seen_of(
        &self,
        monitors: &[MonitorId],
        span: Span,
        limit: usize,
    ) -> Result<Option<Vec<CheckResult>>, StoreError> {
        let monitors = monitors.to_vec();
        self.reads("results", move |reader| reader.results_of(&monitors, span, limit)).await
    }

    async fn latest(&self, monitors: &[MonitorId], now: UnixMicros) -> Result<Vec<CheckResult>, StoreError> {
        let mut monitors = monitors.to_vec();
        let until = now.plus_us(FUTURE_TOLERANCE_US + 1);
        // Each half on a thread of its own.
        let later = monitors.split_off(monitors.len() / 2);
        let of_some = |some: Vec<MonitorId>| self.reads("latest", move |reader| reader.latest(&some, until));
        let (mut latest, later) = tokio::try_join!(of_some(monitors), of_some(later))?;
        latest.extend(later);
        Ok(latest)
    }

    async fn last_before(&self, monitor: MonitorId, time: UnixMicros) -> Result<Option<CheckResult>, StoreError> {
        self.reads("last_before", move |reader| reader.last_before(monitor, time)).await
    }

    async fn rollups(&self, query: &RollupQuery) -> Result<Vec<Rollup>, StoreError> {
        let RollupQuery { monitor, tier, span } = *query;
        self.reads("rollups", move |reader| reader.rollups(&[monitor], tier, span, Depth::Whole)).await
    }

    async fn rollup_times(&self, query: &RollupQuery) -> Result<Vec<Rollup>, StoreError> {
        self.rollup_times_of(&[query.monitor], query.tier, query.span).await
    }

    async fn rollup_times_of(&self, monitors: &[MonitorId], tier: Tier, span: Span) -> Result<Vec<Rollup>, StoreError> {
        let monitors = monitors.to_vec();
        self.reads("rollups", move |reader| reader.rollups(&monitors, tier, span, Depth::Seen)).await
    }

    async fn rollup_sums(
        &self,
        monitors: &[MonitorId],
        tier: Tier,
        spans: &[Span],
    ) -> Result<Vec<Vec<Times>>, StoreError> {
        let (monitors, spans) = (monitors.to_vec(), spans.to_vec());
        self.reads("rollups", move |reader| reader.rollup_sums(&monitors, tier, &spans)).await
    }

    async fn incidents(&self, query: &IncidentQuery) -> Result<Vec<Incident>, StoreError> {
        let query = query.clone();
        self.reads("incidents", move |reader| reader.incidents(&query)).await
    }

    async fn gaps(&self, query: &GapQuery) -> Result<Vec<Gap>, StoreError> {
        let query = query.clone();
        self.reads("gaps", move |reader| reader.gaps(&query)).await
    }

    async fn monitors(&self) -> Result<Vec<KnownMonitor>, StoreError> {
        self.reads("monitors", |reader| reader.monitors()).await
    }
}

#[async_trait]
impl ResultStore for EmbeddedStore {
    fn backend(&self) -> BackendId {
        ID
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities {
            keeps_history: true,
            tells_parts: true,
            frees_room: Embedded::FREES_ROOM,
            // Long runs of one monitor pack well; the batch is held in memory while it is written.
            delivery: DeliveryHint { max_rows: 8_192, max_age_ms: 600_000, slices: 16 },
        }
    }

    async fn check(&self) -> Result<StoreStatus, StoreError> {
        let name = format!("{OTHERS}check");
        let written = Uuid::new_v4().into_bytes().to_vec();
        let (key, value) = (name.clone(), written.clone());
        self.writes("check", move |file| {
            file.write(|live| {
                let writer = Writer::begin(live)?;
                writer.write.set_metadata(&key, value)?;
                writer.commit()
            })
        })
        .await?;
        let size = self.file.size();
        self.reads("check", move |reader| {
            if reader.read.metadata(&name)?.as_deref() != Some(&written) {
                return Err(Fault::new(StoreErrorKind::Corrupt, "what was written could not be read back"));
            }
            let (oldest, newest) = reader.ends()?;
            // Of the same files as their parts.
            let size_bytes = size.map(|live| live + reader.files.iter().map(|file| file.bytes).sum::<u64>());
            let parts = size.map(|size| room::parts(reader, size)).transpose()?.unwrap_or_default();
            let results = Some(room::results(reader)?);
            Ok(StoreStatus {
                size_bytes,
                parts,
                own: None,
                results,
                oldest,
                newest,
                version: "native_db 0.8".to_owned(),
            })
        })
        .await
    }

    async fn append(&self, batch: &Batch) -> Result<(), StoreError> {
        if batch.is_empty() {
            return self.reads("append", |_| Ok(())).await;
        }
        let batch = batch.clone();
        self.writes("append", move |file| file.write(|live| append::append(live, batch))).await
    }

    async fn metadata(&self, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
        let name = format!("{OTHERS}{key}");
        self.reads("metadata", move |reader| reader.read.metadata(&name)).await
    }

    async fn set_metadata(&self, key: &str, value: &[u8]) -> Result<(), StoreError> {
        let name = format!("{OTHERS}{key}");
        let value = value.to_vec();
        self.writes("set_metadata", move |file| {
            file.write(|live| {
                let writer = Writer::begin(live)?;
                writer.write.set_metadata(&name, value)?;
                writer.commit()
            })
        })
        .await
    }

    async fn prune(&self, policy: &Retention, now: UnixMicros, piece: Piece<'_>) -> Result<Pruned, StoreError> {
        let hidden = policy.clone();
        self.writes("prune", move |file| upkeep::hide(file, &hidden, now)).await?;
        let beneath = Self { beneath: true, ..self.clone() };
        if let Some(left) = beneath.roll_up(policy, now, piece).await? {
            return Ok(Pruned { left: Some(left), ..Pruned::default() });
        }
        let (policy, shelf) = (policy.clone(), Arc::clone(&self.shelf));
        self.writes("prune", move |file| upkeep::prune(file, &shelf, &policy, now)).await
    }

    async fn verify(&self) -> Result<Verified, StoreError> {
        let (mut found, files) =
            self.reads("verify", |reader| Ok((verify::live(reader)?, Arc::clone(&reader.files)))).await?;
        let shelf = Arc::clone(&self.shelf);
        found.kept_aside = blocking("verify", move || verify::kept_aside(shelf.folder())).await?;
        // One at a time, so that reads get their turn.
        for file in files.iter() {
            let file = Arc::clone(file);
            found = blocking("verify", move || {
                verify::sealed(&file, &mut found);
                Ok(found)
            })
            .await?;
        }
        Ok(found)
    }

    async fn tend(&self, now: UnixMicros) -> Result<bool, StoreError> {
        let (shelf, sealing) = (Arc::clone(&self.shelf), Arc::clone(&self.sealing));
        self.writes("tend", move |file| {
            let mut sealing = sealing.lock().unwrap_or_else(PoisonError::into_inner);
            sealing.turn(file, &shelf, now)
        })
        .await
    }

    async fn forget(&self, monitor: MonitorId) -> Result<(), StoreError> {
        let (shelf, sealing) = (Arc::clone(&self.shelf), Arc::clone(&self.sealing));
        self.writes("forget", move |file| {
            // A file that is being written may have its rows already.
            sealing.lock().unwrap_or_else(PoisonError::into_inner).begin_anew();
            file.write(|live| {
                let mut writer = Writer::begin(live)?;
                upkeep::forget(&mut writer, &shelf, monitor)?;
                writer.commit()
            })
        })
        .await
    }

    async fn scan(&self, cursor: Option<ScanCursor>) -> Result<ScanPage, StoreError> {
        self.reads("scan", move |reader| upkeep::scan(reader, cursor.as_ref())).await
    }

    async fn close(&self) -> Result<(), StoreError> {
        self.writes("close", |file| {
            file.close();
            Ok(())
        })
        .await
    }
}
