//! Brings journaled rows to the backend, and answers every read from both.
//!
//! It promises: the start never waits for a backend; rows arrive in order for each monitor and, being idempotent,
//! count once; a backend that is away, hangs or refuses costs bounded memory and never a check; what it refuses for
//! good is kept with its reason; a read finds what is durable, delivered or not.
//!
//! ```text
//! Delivery      starts the journal and the delivering thread, stops both
//! head          rows that are journaled and not delivered, as encoded bytes in bounded memory
//! deliverer     the thread: opens, brings rows by the backend's hints, back-off, cursor
//! steps         rows as batches for a store
//! upkeep        hour and day rollups, retention, a little at a time
//! history       reads: backend merged with head and journal
//! dead_letters  rows refused for good
//! open          how the backend is opened
//! shared        what the threads share, and the status
//! ```

mod backoff;
mod dead_letters;
mod deliverer;
mod head;
mod history;
mod open;
mod shared;
mod steps;
#[cfg(test)]
mod tests;
mod upkeep;

use std::fmt;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::thread::JoinHandle;
use std::time::Duration;

pub use dead_letters::DeadLetter;
use dead_letters::DeadLetters;
use deliverer::Deliverer;
use head::{Head, SHARES};
pub use history::History;
pub use open::{ConfiguredStore, OpenStore, StoreSettings};
pub use shared::DeliveryStatus;
use shared::{Intake, Limits, Progress, Shared, lock};
use tokio::sync::Notify;
pub use upkeep::Undecided;

use crate::clock::Clock;
use crate::event::Events;
use crate::journal::{Cursors, Durable, JournalError, JournalOptions, JournalWriter, Recovered};
use crate::storage::Retention;

/// How delivery works.
#[derive(Clone)]
pub struct DeliveryOptions {
    /// The data folder.
    pub data_dir: PathBuf,
    /// How the journal works.
    pub journal: JournalOptions,
    /// The clocks.
    pub clock: Arc<dyn Clock>,
    /// Where faults are announced.
    pub events: Events,
    /// How long each tier is kept.
    pub retention: Retention,
    /// Whose last hour cannot be judged yet.
    pub undecided: Undecided,
    /// Most bytes of undelivered rows in memory; rows beyond are read from the journal.
    pub head_bytes: usize,
    /// A backend that has not answered by then is away.
    pub call_timeout: Duration,
    /// First wait after a failure; 1 s unless set.
    pub first_retry: Option<Duration>,
    /// The cursor is written at most this often, in microseconds.
    pub save_every_us: u64,
    /// How long the end may take for rows that wait.
    pub drain_within: Duration,
}

impl DeliveryOptions {
    /// What ships, for a data folder.
    #[must_use]
    pub fn new(data_dir: PathBuf, clock: Arc<dyn Clock>, events: Events) -> Self {
        Self {
            journal: JournalOptions::in_data_dir(&data_dir),
            data_dir,
            clock,
            events,
            retention: Retention::default(),
            undecided: Arc::new(|_| None),
            head_bytes: 6 << 20,
            call_timeout: Duration::from_secs(60),
            first_retry: None,
            save_every_us: 60_000_000,
            drain_within: Duration::from_secs(2),
        }
    }
}

impl fmt::Debug for DeliveryOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DeliveryOptions").field("data_dir", &self.data_dir).finish_non_exhaustive()
    }
}

/// Journal and delivery at work.
#[derive(Debug)]
pub struct Delivery {
    journal: JournalWriter,
    shared: Arc<Shared>,
    thread: Mutex<Option<JoinHandle<()>>>,
    retention: Retention,
}

impl Delivery {
    /// Opens the journal and starts both threads. The backend is opened in the background.
    ///
    /// # Errors
    /// The journal's folder cannot be used; see [`crate::journal::Log::open`].
    pub fn start(options: DeliveryOptions, opener: Arc<dyn OpenStore>) -> Result<(Self, Recovered), JournalError> {
        let folder = options.journal.folder.clone();
        let mut cursors = Cursors::open(&folder)?;
        let contact = opener.contact();
        let dead_letters = DeadLetters::open(&options.data_dir);
        let started = OnceLock::new();
        let (journal, recovered) = JournalWriter::start(
            &options.journal,
            cursors.floor(),
            options.events.clone(),
            |next| -> Box<dyn Durable> {
                let cursor = cursors.enter(&contact, SHARES, next);
                let shared = Arc::new(Shared {
                    backend: opener.backend(),
                    folder,
                    head: Mutex::new(Head::new(cursor.delivered.clone(), next)),
                    limits: Mutex::new(Limits { bytes: options.head_bytes, rows: u64::MAX }),
                    store: Mutex::new(None),
                    progress: Mutex::new(Progress::default()),
                    wake: Notify::new(),
                    stop: AtomicBool::new(false),
                });
                let _ = started.set((Arc::clone(&shared), cursor));
                Box::new(Intake { shared, clock: Arc::clone(&options.clock) })
            },
        )?;
        let folder = options.journal.folder.clone();
        let fault = |error| JournalError { action: "start the delivery of", path: folder.clone(), source: error };
        let (shared, cursor) = started.into_inner().ok_or_else(|| fault(std::io::ErrorKind::Other.into()))?;
        // Before any row is produced, so that a later start knows where this store's rows begin.
        if let Err(error) = cursors.save(cursor.clone()) {
            tracing::warn!(%error, "the delivery cursor cannot be written yet");
        }
        let retention = options.retention;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(fault)?;
        let deliverer = Deliverer::new(Arc::clone(&shared), options, cursors, cursor, dead_letters);
        let thread = std::thread::Builder::new()
            .name("deliver".to_owned())
            .spawn(move || runtime.block_on(deliverer.run(opener)))
            .map_err(fault)?;
        Ok((Self { journal, shared, thread: Mutex::new(Some(thread)), retention }, recovered))
    }

    /// Where rows are pushed.
    #[must_use]
    pub fn journal(&self) -> &JournalWriter {
        &self.journal
    }

    /// Where history is read.
    #[must_use]
    pub fn history(&self) -> History {
        History(Arc::clone(&self.shared))
    }

    /// How long each tier is kept.
    #[must_use]
    pub fn retention(&self) -> Retention {
        self.retention
    }

    /// How it goes.
    #[must_use]
    pub fn status(&self) -> DeliveryStatus {
        self.shared.status(self.journal.figures().dropped)
    }

    /// Makes everything durable, brings what the backend takes, and ends both threads; false when rows are left in
    /// memory or a thread did not end in time. What is in the journal is delivered after the next start.
    #[must_use]
    pub fn stop(&self, within: Duration) -> bool {
        let durable = self.journal.stop(within / 2);
        self.shared.stop.store(true, Ordering::Release);
        self.shared.wake.notify_one();
        let Some(thread) = lock(&self.thread).take() else { return durable };
        // A thread cannot be joined with a deadline.
        let step = Duration::from_millis(5);
        let mut waited = Duration::ZERO;
        while !thread.is_finished() && waited < within / 2 {
            std::thread::sleep(step);
            waited += step;
        }
        thread.is_finished() && thread.join().is_ok() && durable
    }
}
