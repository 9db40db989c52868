//! What the journal's thread, the delivering thread and readers share of one store.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use serde::Serialize;
use tokio::sync::Notify;

use super::deliverer::guarded;
use super::head::{Head, share_of};
use super::metrics::Counters;
use super::open::OpenStore;
use crate::clock::{Clock, Mono};
use crate::journal::{DurableBatch, Reader, peek};
use crate::model::{UnixMicros, error_chain};
use crate::storage::{BackendId, ResultStore};

/// How delivery goes, for `status`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DeliveryStatus {
    /// Which backend.
    pub backend: BackendId,
    /// Backend and address.
    pub contact: String,
    /// `opening`, `open`, `fault` or `stopped`.
    pub state: &'static str,
    /// What is wrong; none when all is well.
    pub fault: Option<String>,
    /// Rows that are in the journal and not in the backend; an upper bound after a long fault.
    pub backlog_rows: u64,
    /// Bytes of those that are held in memory.
    pub backlog_bytes: u64,
    /// About when the oldest of them was made.
    pub oldest_waiting: Option<UnixMicros>,
    /// When a row was last made durable.
    pub last_write: Option<UnixMicros>,
    /// Rows that the backend refused for good.
    pub dead_letters: u64,
    /// Results that were dropped before the journal, because nothing could be written for long.
    pub dropped: u64,
}

/// The part of the status that the delivering thread knows.
#[derive(Debug, Default)]
pub(super) struct Progress {
    pub(super) fault: Option<String>,
    pub(super) last_write: Option<UnixMicros>,
    pub(super) stopped: bool,
}

/// When the head wants to be emptied sooner than planned.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    /// Bytes in memory.
    pub(super) bytes: usize,
    /// Rows in memory; none before the backend said.
    pub(super) rows: u64,
}

/// One store and what waits for it. Shared by clones of one `Arc`.
pub(super) struct Shared {
    pub(super) backend: BackendId,
    /// See [`OpenStore::contact`].
    pub(super) contact: String,
    /// The journal's folder.
    pub(super) folder: PathBuf,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) head: Mutex<Head>,
    pub(super) limits: Mutex<Limits>,
    /// How it is opened; none where nobody knows its settings any more.
    pub(super) opener: Mutex<Option<Arc<dyn OpenStore>>>,
    pub(super) store: Mutex<Option<Arc<dyn ResultStore>>>,
    pub(super) progress: Mutex<Progress>,
    pub(super) counters: Mutex<Counters>,
    /// Since when they count.
    pub(super) since: UnixMicros,
    /// Rings for the delivering thread.
    pub(super) wake: Notify,
    pub(super) stop: AtomicBool,
    /// New rows go to another store.
    pub(super) former: AtomicBool,
    /// It is to be closed and opened again: its settings changed.
    pub(super) reopen: AtomicBool,
    /// What is older than it is kept is to go now, not only at the next time.
    pub(super) prune: AtomicBool,
    /// Somebody asked to read it, although it is on no folder of this machine.
    pub(super) wanted: AtomicBool,
    /// No thread works for it.
    pub(super) ended: AtomicBool,
    /// The store in use is in the same folder under another contact.
    pub(super) shadowed: AtomicBool,
    pub(super) thread: Mutex<Option<JoinHandle<()>>>,
    /// Held while a former store is opened to be read.
    reading: tokio::sync::Mutex<()>,
    last_read: Mutex<Mono>,
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared").field("contact", &self.contact).field("former", &self.former).finish_non_exhaustive()
    }
}

/// A former store is let go of when nobody read it for this long.
const IDLE_US: u64 = 120_000_000;

/// A lock that goes on after a panic elsewhere: what it guards is whole at every moment.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// About when the oldest row was made that waits in files; a look at the first ones.
fn oldest_in_files(folder: &Path, head: &Head) -> Option<UnixMicros> {
    const LOOK: usize = 1_000;
    let (from, until) = head.spilled()?;
    let mut reader = Reader::new(folder, from, Some(until), false);
    for _ in 0..LOOK {
        let (number, payload) = reader.next_payload().ok()??;
        let seen = peek(payload)?;
        if seen.time.is_some() && head.is_spilled(share_of(seen.monitor), number) {
            return seen.time;
        }
    }
    None
}

impl Shared {
    /// A store that no thread works for yet.
    pub(super) fn new(
        backend: BackendId,
        contact: String,
        opener: Option<Arc<dyn OpenStore>>,
        folder: PathBuf,
        clock: Arc<dyn Clock>,
        mut head: Head,
    ) -> Self {
        head.set_spilled_since(oldest_in_files(&folder, &head));
        Self {
            backend,
            contact,
            folder,
            head: Mutex::new(head),
            limits: Mutex::new(Limits { bytes: usize::MAX, rows: u64::MAX }),
            opener: Mutex::new(opener),
            store: Mutex::new(None),
            progress: Mutex::new(Progress::default()),
            counters: Mutex::new(Counters::default()),
            since: clock.wall(),
            wake: Notify::new(),
            stop: AtomicBool::new(false),
            former: AtomicBool::new(false),
            reopen: AtomicBool::new(false),
            prune: AtomicBool::new(false),
            wanted: AtomicBool::new(false),
            ended: AtomicBool::new(true),
            shadowed: AtomicBool::new(false),
            thread: Mutex::new(None),
            reading: tokio::sync::Mutex::new(()),
            last_read: Mutex::new(clock.mono()),
            clock,
        }
    }

    pub(super) fn store(&self) -> Option<Arc<dyn ResultStore>> {
        lock(&self.store).clone()
    }

    /// The store, to be read; a former one of this machine is opened where it is not.
    pub(super) async fn readable(&self) -> Option<Arc<dyn ResultStore>> {
        *lock(&self.last_read) = self.clock.mono();
        if let Some(store) = self.store() {
            return Some(store);
        }
        if !self.can_be_opened() {
            return None;
        }
        let opener = lock(&self.opener).clone()?;
        let _turn = self.reading.lock().await;
        if let Some(store) = self.store() {
            return Some(store);
        }
        match guarded(self.backend, Duration::from_secs(10), opener.open()).await {
            Ok(store) => {
                lock(&self.progress).fault = None;
                *lock(&self.store) = Some(Arc::clone(&store));
                Some(store)
            }
            Err(error) => {
                lock(&self.progress).fault = Some(error_chain(&error));
                // Whoever reads next does not wait for it again.
                self.wanted.store(false, Ordering::Release);
                None
            }
        }
    }

    /// Whether it is read once somebody asks for it: it is elsewhere, and its settings are known.
    pub(super) fn can_be_asked(&self) -> bool {
        let is_known = lock(&self.opener).as_ref().is_some_and(|opener| opener.folder().is_none());
        is_known && self.is_former() && !self.is_readable()
    }

    /// Whether a read may open it once its thread has ended.
    pub(super) fn is_readable_later(&self) -> bool {
        self.can_be_opened()
    }

    /// Whether a read may open it.
    fn can_be_opened(&self) -> bool {
        self.is_former()
            && self.ended.load(Ordering::Acquire)
            && !self.shadowed.load(Ordering::Acquire)
            // Opening would make what is not there.
            && self.place().map_or_else(|| self.wanted.load(Ordering::Acquire), |folder| folder.is_dir())
    }

    /// The folder that the store is in, by its one true name.
    pub(super) fn place(&self) -> Option<PathBuf> {
        let folder = lock(&self.opener).as_ref()?.folder()?;
        Some(folder.canonicalize().unwrap_or(folder))
    }

    /// Lets go of a former store when another contact of the same folder is in use.
    pub(super) async fn close_when_shadowed(&self) {
        if self.shadowed.load(Ordering::Acquire) && self.ended.load(Ordering::Acquire) {
            let _turn = self.reading.lock().await;
            let store = lock(&self.store).take();
            if let Some(store) = store {
                self.close(&*store).await;
            }
        }
    }

    async fn close(&self, store: &dyn ResultStore) {
        if let Err(error) = store.close().await {
            tracing::warn!(contact = self.contact, error = error_chain(&error), "closing a former store failed");
        }
    }

    /// Whether a read finds what it has.
    pub(super) fn is_readable(&self) -> bool {
        self.store().is_some() || self.can_be_opened() && lock(&self.progress).fault.is_none()
    }

    /// Lets go of a former store that nobody reads.
    pub(super) async fn close_when_idle(&self) {
        let idle = {
            let _turn = self.reading.lock().await;
            let is_idle = self.is_former()
                && self.ended.load(Ordering::Acquire)
                && self.clock.mono().since_us(*lock(&self.last_read)) > IDLE_US;
            let mut store = lock(&self.store);
            // A reader has one of its own.
            if is_idle && store.as_ref().is_some_and(|store| Arc::strong_count(store) == 1) {
                store.take()
            } else {
                None
            }
        };
        if let Some(store) = idle {
            self.close(&*store).await;
        }
    }

    /// See [`Head::spilled`].
    pub(super) fn spilled(&self) -> Option<(u64, u64)> {
        lock(&self.head).spilled()
    }

    pub(super) fn stopping(&self) -> bool {
        self.stop.load(Ordering::Acquire)
    }

    pub(super) fn is_former(&self) -> bool {
        self.former.load(Ordering::Acquire)
    }

    /// Whether the store is to be let go of: at the end, or to be opened anew.
    pub(super) fn is_called_off(&self) -> bool {
        self.stopping() || self.reopen.load(Ordering::Acquire)
    }

    pub(super) fn status(&self, dropped: u64, dead_letters: u64) -> DeliveryStatus {
        let progress = lock(&self.progress);
        let (fault, last_write, stopped) = (progress.fault.clone(), progress.last_write, progress.stopped);
        drop(progress);
        let state = match (&fault, stopped) {
            (_, true) => "stopped",
            (Some(_), _) => "fault",
            (None, _) if self.store().is_some() => "open",
            (None, _) => "opening",
        };
        let head = lock(&self.head);
        DeliveryStatus {
            backend: self.backend,
            contact: self.contact.clone(),
            state,
            fault,
            backlog_rows: head.undelivered_rows(),
            backlog_bytes: head.bytes() as u64,
            oldest_waiting: head.oldest(),
            last_write,
            dead_letters,
            dropped,
        }
    }

    /// Takes what is durable into the head.
    pub(super) fn take_in(&self, batch: &DurableBatch<'_>) {
        lock(&self.progress).last_write = Some(self.clock.wall());
        let limits = *lock(&self.limits);
        let mut head = lock(&self.head);
        let (rows, bytes) = (head.rows(), head.bytes());
        let mut forget = false;
        for (number, payload) in batch.payloads() {
            forget |= Head::is_forget(payload);
            head.push(number, payload);
        }
        let wake = forget
            || rows == 0
            || (bytes < limits.bytes && head.bytes() >= limits.bytes)
            || (rows < limits.rows && head.rows() >= limits.rows);
        // The backend is away, or slower than the checks.
        if head.bytes() > limits.bytes.saturating_add(limits.bytes / 4) {
            head.spill(limits.bytes - limits.bytes / 4);
        }
        drop(head);
        if wake {
            self.wake.notify_one();
        }
    }
}
