//! The live file: opening it, setting a damaged one aside, containing the engine's panics and opening it again after
//! an I/O error.

use std::collections::HashMap;
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, LazyLock, PoisonError, RwLock};

use native_db::{Builder, Database, Models};
use serde::{Deserialize, Serialize};
use tracing::{error, info, warn};
use uuid::Uuid;

use super::append::Writer;
use super::fault::{Fault, Outcome};
pub(super) use super::floors::Floors;
use super::floors::OwnFloors;
use super::frame;
use super::record::{Known, Number, models};
use super::sealed::{Entry, SealedFile, sync_folder};
use super::shrink;
use super::table::{Tables, Writes};
use crate::clock::Clock;
use crate::model::{InstanceId, KnownMonitor, MonitorId, StoreId, UnixMicros};
use crate::storage::StoreErrorKind;

/// Name of the live file in the store's folder.
pub(super) const LIVE: &str = "live.db";
/// What it ends in while it is written anew.
const UNFINISHED: &str = "db.new";
/// What the names of files that are kept aside have behind their own.
pub(super) const KEPT_ASIDE: &str = ".corrupt-";
/// Pages that the engine keeps in memory, in bytes; its own default is 1 GiB.
const CACHE_BYTES: usize = 4 << 20;
/// So many writes in a row that fail over damage show that the file is of no use for writing.
const DAMAGED_WRITES: u32 = 3;
/// Version of the tables as a whole; a file with another one is left alone. 1 was before the first release.
const LAYOUT: u32 = 2;
/// Names of the store's own metadata.
const LAYOUT_KEY: &str = "layout";
pub(super) const FLOORS_KEY: &str = "floors";
pub(super) const OWN_FLOORS_KEY: &str = "own_floors";
pub(super) const HIDING_KEY: &str = "hiding";
pub(super) const FORGOTTEN_KEY: &str = "forgotten";
/// Metadata of others is stored under this prefix, so that the names above cannot be overwritten.
pub(super) const OTHERS: &str = "meta.";

/// The engine borrows its models for as long as a file is open.
static MODELS: LazyLock<Option<Models>> = LazyLock::new(|| models().ok());

/// A row of the table of monitors.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct KnownRow {
    pub(super) id: MonitorId,
    pub(super) known: Option<KnownMonitor>,
}

/// What is kept in memory of a file: the monitors' numbers, the floors, and whose sealed results are gone.
#[derive(Debug, Clone, Default)]
pub(super) struct Index {
    pub(super) numbers: HashMap<MonitorId, Number>,
    /// The number of the next new monitor.
    pub(super) next: Number,
    /// Of all monitors.
    pub(super) floors: Floors,
    pub(super) own_floors: OwnFloors,
    /// The floors of reads while what is below them is summed up, before it is dropped.
    pub(super) hiding: Option<(Floors, OwnFloors)>,
    /// What sealed files up to this sequence have of a monitor was forgotten.
    pub(super) forgotten: HashMap<MonitorId, u64>,
}

impl Index {
    /// Whether what a sealed file has of a monitor still counts.
    pub(super) fn counts(&self, monitor: MonitorId, sequence: u64) -> bool {
        self.forgotten.get(&monitor).is_none_or(|forgotten| *forgotten < sequence)
    }

    /// The floors of a monitor.
    pub(super) fn floors_of(&self, monitor: MonitorId) -> Floors {
        self.own_floors.of(monitor, &self.floors)
    }

    /// The floors of a monitor for reads.
    pub(super) fn shown_of(&self, monitor: MonitorId) -> Floors {
        match &self.hiding {
            Some((floors, own)) => own.of(monitor, floors),
            None => self.floors_of(monitor),
        }
    }

    /// Whether something of a sealed frame still counts.
    pub(super) fn keeps(&self, entry: &Entry, file: &SealedFile) -> bool {
        let floor = self.floors_of(entry.monitor).at(file.family.tier());
        self.counts(entry.monitor, file.sequence) && entry.last >= floor
    }

    fn load(database: &Database<'static>) -> Outcome<Self> {
        let read = database.r_transaction()?;
        let mut index = Self::default();
        read.each_in::<Known>(0..=u128::MAX, false, |key, value| {
            let row: KnownRow = frame::open_row(&value)?;
            let number = Number::try_from(key).unwrap_or(Number::MAX);
            index.numbers.insert(row.id, number);
            index.next = index.next.max(number.saturating_add(1));
            Ok(true)
        })?;
        // The engine's iterators end early on a read error and do not say so.
        if index.numbers.len() as u64 != read.len().primary::<Known>()? {
            return Err(Fault::new(StoreErrorKind::Corrupt, "the table of monitors cannot be read to its end"));
        }
        if let Some(value) = read.metadata(FLOORS_KEY)? {
            index.floors = frame::open_row(&value)?;
        }
        if let Some(value) = read.metadata(OWN_FLOORS_KEY)? {
            index.own_floors = frame::open_row(&value)?;
        }
        if let Some(value) = read.metadata(HIDING_KEY)? {
            index.hiding = frame::open_row(&value)?;
        }
        if let Some(value) = read.metadata(FORGOTTEN_KEY)? {
            index.forgotten = frame::open_row::<Vec<(MonitorId, u64)>>(&value)?.into_iter().collect();
        }
        Ok(index)
    }
}

/// An open file.
pub(super) struct Live {
    pub(super) database: Database<'static>,
    index: RwLock<Arc<Index>>,
}

impl std::fmt::Debug for Live {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Live").finish_non_exhaustive()
    }
}

impl Live {
    pub(super) fn index(&self) -> Arc<Index> {
        Arc::clone(&self.index.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Puts another index in place; call it with the engine's write lock held or just let go, after a commit.
    pub(super) fn set_index(&self, index: Arc<Index>) {
        *self.index.write().unwrap_or_else(PoisonError::into_inner) = index;
    }
}

#[derive(Debug)]
enum State {
    Open(Box<Live>),
    /// Must be opened again.
    Shut,
    Closed,
}

/// The live file of a store, opened again by itself after an I/O error, begun anew when it is damaged. All calls
/// block.
#[derive(Debug)]
pub(super) struct LiveFile {
    path: PathBuf,
    instance: InstanceId,
    clock: Arc<dyn Clock>,
    state: RwLock<State>,
    broken: AtomicBool,
    /// Writes in a row that failed over damage.
    damaged_writes: AtomicU32,
}

impl LiveFile {
    /// Opens the live file of a folder, making both. A damaged file is kept under another name, and a new one begun.
    pub(super) fn open(folder: &Path, instance: InstanceId, clock: Arc<dyn Clock>) -> Outcome<Self> {
        fs::create_dir_all(folder)?;
        let unfinished = folder.join(LIVE).with_extension(UNFINISHED);
        if unfinished.exists() {
            fs::remove_file(unfinished)?;
        }
        let file = Self {
            path: folder.join(LIVE),
            instance,
            clock,
            state: RwLock::new(State::Shut),
            broken: AtomicBool::new(false),
            damaged_writes: AtomicU32::new(0),
        };
        let live = file.open_or_begin()?;
        *file.state.write().unwrap_or_else(PoisonError::into_inner) = State::Open(Box::new(live));
        Ok(file)
    }

    /// Opens what is there, unless it is damaged or nothing can be written to it; then it begins a new one.
    fn open_or_begin(&self) -> Outcome<Live> {
        let opened = if self.damaged_writes.load(Ordering::Acquire) < DAMAGED_WRITES {
            open(&self.path).and_then(|live| self.name(live, None))
        } else {
            Err(Fault::new(StoreErrorKind::Corrupt, "nothing can be written to it any more"))
        };
        match opened {
            Err(fault) if fault.kind == StoreErrorKind::Corrupt => {
                let kept = free_name(&self.path, self.clock.wall());
                fs::rename(&self.path, &kept)?;
                self.damaged_writes.store(0, Ordering::Release);
                error!(kept = %kept.display(), why = fault.what, "the database is damaged: it is kept aside and a new one begun");
                self.name(open(&self.path)?, Some(&kept))
            }
            other => other,
        }
    }

    /// Gives a new file its identity, and notes which one it replaces.
    fn name(&self, live: Live, aside: Option<&Path>) -> Outcome<Live> {
        contained(|| {
            let writer = Writer::begin(&live)?;
            let write = |key: &str, text: String| writer.write.set_metadata(&format!("{OTHERS}{key}"), text.into());
            let is_new = writer.write.metadata(&format!("{OTHERS}store_id"))?.is_none();
            if is_new {
                write("store_id", StoreId::new(Uuid::new_v4()).to_string())?;
                write("instance", self.instance.to_string())?;
            }
            if let Some(aside) = aside {
                write("set_aside", aside.display().to_string())?;
            }
            if is_new || aside.is_some() { writer.commit() } else { Ok(()) }
        })?;
        Ok(live)
    }

    /// Writes the file anew where most of it is empty; whether it was. Nobody may write meanwhile.
    pub(super) fn shrink(&self) -> Outcome<bool> {
        let new = self.path.with_extension(UNFINISHED);
        let worth = self.with(|live| {
            let worth = shrink::is_worth_it(live, &self.path)?;
            if worth {
                shrink::copy(live, &builder(), &new)?;
            }
            Ok(worth)
        });
        match worth {
            Ok(true) => {}
            other => {
                let _ = fs::remove_file(&new);
                return other;
            }
        }
        let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
        if !matches!(*state, State::Open(_)) {
            return Ok(false);
        }
        // From here on the file is shut; it is opened again by the next call where that fails here.
        self.broken.store(true, Ordering::Release);
        shut(std::mem::replace(&mut *state, State::Shut));
        fs::rename(&new, &self.path)?;
        sync_folder(&self.path)?;
        *state = State::Open(Box::new(open(&self.path)?));
        self.broken.store(false, Ordering::Release);
        Ok(true)
    }

    /// Bytes the file takes.
    pub(super) fn size(&self) -> Option<u64> {
        fs::metadata(&self.path).ok().map(|meta| meta.len())
    }

    /// Does something with the open file.
    pub(super) fn with<T>(&self, work: impl FnOnce(&Live) -> Outcome<T>) -> Outcome<T> {
        if self.broken.load(Ordering::Acquire) {
            self.reopen()?;
        }
        let state = self.state.read().unwrap_or_else(PoisonError::into_inner);
        let live = match &*state {
            State::Open(live) => live,
            State::Shut => return Err(Fault::new(StoreErrorKind::Unavailable, "the file is being opened again")),
            State::Closed => return Err(Fault::closed()),
        };
        let outcome = contained(|| work(live));
        if outcome.as_ref().is_err_and(|fault| fault.reopen) {
            self.broken.store(true, Ordering::Release);
        }
        outcome
    }

    /// Writes to the open file. When writes fail over damage again and again, the file is set aside before the next.
    pub(super) fn write<T>(&self, work: impl FnOnce(&Live) -> Outcome<T>) -> Outcome<T> {
        let outcome = self.with(work);
        match &outcome {
            Ok(_) => self.damaged_writes.store(0, Ordering::Release),
            Err(fault) if fault.kind == StoreErrorKind::Corrupt => {
                if self.damaged_writes.fetch_add(1, Ordering::AcqRel) + 1 >= DAMAGED_WRITES {
                    self.broken.store(true, Ordering::Release);
                }
            }
            Err(_) => {}
        }
        outcome
    }

    fn reopen(&self) -> Outcome<()> {
        let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
        if !self.broken.load(Ordering::Acquire) || matches!(*state, State::Closed) {
            return Ok(());
        }
        shut(std::mem::replace(&mut *state, State::Shut));
        let live = self.open_or_begin()?;
        *state = State::Open(Box::new(live));
        self.broken.store(false, Ordering::Release);
        info!(file = %self.path.display(), "the database is open again");
        Ok(())
    }

    /// Lets go of the file for good.
    pub(super) fn close(&self) {
        let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
        shut(std::mem::replace(&mut *state, State::Closed));
    }
}

fn shut(state: State) {
    if catch_unwind(AssertUnwindSafe(|| drop(state))).is_err() {
        warn!("the engine stopped while it closed the database");
    }
}

/// Turns a panic of the engine into a fault.
fn contained<T>(work: impl FnOnce() -> Outcome<T>) -> Outcome<T> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| Err(Fault::panicked(panic.as_ref())))
}

/// Every table.
pub(super) fn all_models() -> Outcome<&'static Models> {
    MODELS.as_ref().ok_or_else(|| Fault::new(StoreErrorKind::Internal, "the tables are not well defined"))
}

fn builder() -> Builder {
    let mut builder = Builder::new();
    builder.set_cache_size(CACHE_BYTES);
    builder
}

fn open(path: &Path) -> Outcome<Live> {
    contained(|| {
        let models = all_models()?;
        let builder = builder();
        let is_new = fs::metadata(path).map_or(true, |meta| meta.len() == 0);
        let database = if is_new { builder.create(models, path)? } else { builder.open(models, path)? };
        check_layout(&database)?;
        let index = RwLock::new(Arc::new(Index::load(&database)?));
        Ok(Live { database, index })
    })
}

/// Refuses a file of a newer version before anything in it is touched.
fn check_layout(database: &Database<'static>) -> Outcome<()> {
    let found = database.r_transaction()?.metadata(LAYOUT_KEY)?;
    let Some(found) = found else {
        let write = database.rw_transaction()?;
        write.set_metadata(LAYOUT_KEY, LAYOUT.to_be_bytes().to_vec())?;
        write.commit()?;
        return Ok(());
    };
    let bytes = <[u8; 4]>::try_from(found.as_slice())
        .map_err(|_| Fault::new(StoreErrorKind::Corrupt, "the file does not say which layout it has"))?;
    match u32::from_be_bytes(bytes) {
        LAYOUT => Ok(()),
        older if older < LAYOUT => Err(Fault::new(
            StoreErrorKind::Incompatible,
            format!("the file has layout {older}, from before the first release; move the folder away to begin anew"),
        )),
        newer => Err(Fault::new(
            StoreErrorKind::Incompatible,
            format!(
                "the file has layout {newer}, and this version reads layout {LAYOUT}; use a newer Hall Monitor, or name another folder"
            ),
        )),
    }
}

/// `live.db.corrupt-20260101T120000Z`, with a number where that is taken.
pub(super) fn free_name(path: &Path, now: UnixMicros) -> PathBuf {
    let stamp = now.timestamp().strftime("%Y%m%dT%H%M%SZ").to_string();
    let name = |suffix: String| {
        let mut name = path.as_os_str().to_owned();
        name.push(format!("{KEPT_ASIDE}{stamp}{suffix}"));
        PathBuf::from(name)
    };
    std::iter::once(name(String::new()))
        .chain((2..).map(|number| name(format!("-{number}"))))
        .find(|path| !path.exists())
        .unwrap_or_else(|| name("-x".to_owned()))
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::*;
    use crate::clock::SystemClock;

    fn open_in(folder: &Path) -> LiveFile {
        LiveFile::open(folder, InstanceId::new(Uuid::from_u128(1)), Arc::new(SystemClock)).expect("opens")
    }

    fn kept_aside(folder: &Path) -> usize {
        let names = fs::read_dir(folder).expect("lists").map(|entry| entry.expect("entry").file_name());
        names.filter(|name| name.to_string_lossy().contains(".corrupt-")).count()
    }

    fn metadata(file: &LiveFile, key: &str) -> Option<String> {
        let read = |live: &Live| live.database.r_transaction()?.metadata(&format!("{OTHERS}{key}"));
        file.with(read).expect("reads").map(|bytes| String::from_utf8(bytes).expect("text"))
    }

    fn fault(reopen: bool) -> Outcome<()> {
        Err(Fault { reopen, ..Fault::new(StoreErrorKind::Corrupt, "a bad page") })
    }

    #[test]
    fn a_file_found_damaged_when_it_is_opened_again_is_set_aside() {
        let dir = TempDir::new().expect("folder");
        let file = open_in(dir.path());
        let store = metadata(&file, "store_id").expect("named");
        file.with(|_| fault(true)).expect_err("a damaged page");
        fs::write(dir.path().join(LIVE), vec![0xA5; 40_000]).expect("damages");
        file.write(|live| Writer::begin(live)?.commit()).expect("goes on in a new file");
        assert_eq!(kept_aside(dir.path()), 1);
        assert_ne!(metadata(&file, "store_id").expect("named"), store, "it is another store");
        assert!(metadata(&file, "instance").is_some() && metadata(&file, "set_aside").is_some());
    }

    #[test]
    fn a_file_that_no_write_gets_into_is_set_aside() {
        for reopen in [true, false] {
            let dir = TempDir::new().expect("folder");
            let file = open_in(dir.path());
            for _ in 0..3 {
                file.write(|_| fault(reopen)).expect_err("damaged");
                file.write(|_| fault(reopen)).expect_err("damaged");
                file.write(|live| Writer::begin(live)?.commit()).expect("not all writes fail");
            }
            for _ in 0..3 {
                file.write(|_| fault(reopen)).expect_err("damaged");
            }
            assert_eq!(kept_aside(dir.path()), 0);
            file.write(|live| Writer::begin(live)?.commit()).expect("goes on in a new file");
            assert_eq!(kept_aside(dir.path()), 1);
            assert!(metadata(&file, "set_aside").is_some());
            file.write(|live| Writer::begin(live)?.commit()).expect("stays in it");
            assert_eq!(kept_aside(dir.path()), 1);
        }
    }
}
