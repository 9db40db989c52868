//! What the journal's thread, the delivering thread and readers share.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::Serialize;
use tokio::sync::Notify;

use super::head::Head;
use crate::clock::Clock;
use crate::journal::{Durable, DurableBatch};
use crate::model::UnixMicros;
use crate::storage::{BackendId, ResultStore};

/// How delivery goes, for `status`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DeliveryStatus {
    /// Which backend.
    pub backend: BackendId,
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
    pub(super) dead_letters: u64,
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

/// Shared by clones of one `Arc`.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) backend: BackendId,
    /// The journal's folder.
    pub(super) folder: PathBuf,
    pub(super) head: Mutex<Head>,
    pub(super) limits: Mutex<Limits>,
    pub(super) store: Mutex<Option<Arc<dyn ResultStore>>>,
    pub(super) progress: Mutex<Progress>,
    /// Rings for the delivering thread.
    pub(super) wake: Notify,
    pub(super) stop: AtomicBool,
}

/// A lock that goes on after a panic elsewhere: what it guards is whole at every moment.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shared {
    pub(super) fn store(&self) -> Option<Arc<dyn ResultStore>> {
        lock(&self.store).clone()
    }

    /// See [`Head::spilled`].
    pub(super) fn spilled(&self) -> Option<(u64, u64)> {
        lock(&self.head).spilled()
    }

    pub(super) fn stopping(&self) -> bool {
        self.stop.load(Ordering::Acquire)
    }

    pub(super) fn status(&self, dropped: u64) -> DeliveryStatus {
        let progress = lock(&self.progress);
        let (fault, last_write) = (progress.fault.clone(), progress.last_write);
        let (dead_letters, stopped) = (progress.dead_letters, progress.stopped);
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
}

/// Takes what is durable into the head, on the journal's thread.
#[derive(Debug)]
pub(super) struct Intake {
    pub(super) shared: Arc<Shared>,
    pub(super) clock: Arc<dyn Clock>,
}

impl Durable for Intake {
    fn durable(&mut self, batch: &DurableBatch<'_>) {
        lock(&self.shared.progress).last_write = Some(self.clock.wall());
        let limits = *lock(&self.shared.limits);
        let mut head = lock(&self.shared.head);
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
        if head.bytes() > limits.bytes + limits.bytes / 4 {
            head.spill(limits.bytes - limits.bytes / 4);
        }
        drop(head);
        if wake {
            self.shared.wake.notify_one();
        }
    }
}
