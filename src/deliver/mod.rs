//! Brings journaled rows to the backend, and answers every read from both.
//!
//! It promises: the start never waits for a backend; rows arrive in order for each monitor and, being idempotent,
//! count once; a backend that is away, hangs or refuses costs bounded memory and never a check; what it refuses for
//! good is kept with its reason; a read finds what is durable, delivered or not.
//!
//! Every row belongs to the store that was in use when it was journaled. A switch is live: from the next durable row on
//! another store gets what is produced, the former one still gets its own by a thread of its own, and what it has can be
//! read as long as it is at hand.
//!
//! ```text
//! Delivery      starts the journal and the delivering threads, switches, stops
//! ways          the store in use and those before it
//! ledger        which store has which time
//! head          rows that are journaled and not delivered, as encoded bytes in bounded memory
//! deliverer     the thread: opens, brings rows by the backend's hints, back-off, cursor
//! spilled       rows that are in the journal's files only
//! steps         rows as batches for a store
//! condense      the journal's limit: results summed up before anything is dropped
//! upkeep        hour and day rollups, a little at a time
//! house         retention, what the store has to do of its own, the limit of its size
//! cut           how much a limit of the size takes
//! one_store     reads of a store: backend merged with head and journal
//! history       reads of all stores
//! dead_letters  rows refused for good
//! metrics       what is counted
//! open          how the backend is opened
//! shared        what the threads share of a store, and the status
//! ```

mod backoff;
mod condense;
mod cut;
mod dead_letters;
mod deliverer;
mod head;
mod history;
mod house;
mod ledger;
mod metrics;
mod one_store;
mod open;
mod shared;
mod spilled;
mod steps;
#[cfg(test)]
mod tests;
mod upkeep;
mod ways;

use std::fmt;
use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

pub use dead_letters::{DeadLetter, DeadLetters, Letters};
pub use history::{Backlog, History};
pub use ledger::{LedgerEntry, read_ledger};
pub use metrics::{FormerStore, HouseFault, HouseRun, PruneNow, Pruning, SizeLimit, StorageMetrics};
pub use open::{ConfiguredStore, OpenStore, StoreSettings};
pub use shared::DeliveryStatus;
use shared::lock;
pub use upkeep::Undecided;
pub use ways::Switched;
use ways::{Intake, Ways};

use crate::clock::Clock;
use crate::event::Events;
use crate::journal::{Cursors, Durable, JournalError, JournalOptions, JournalWriter, Recovered};
use crate::model::UnixMicros;
use crate::storage::{PoolUse, Retention, StoreError, StoreErrorKind, StoreStatus};

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
    /// Since when a monitor is down, if it is.
    pub down_since: Undecided,
    /// Most bytes of the journal on the disk; none where it may grow. See [`Delivery::set_journal_limit`].
    pub journal_limit: Option<u64>,
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
    /// How stores are opened that were in use before, as far as that is known.
    pub others: Vec<Arc<dyn OpenStore>>,
    /// What is known of earlier stores where there is no ledger yet.
    pub earlier: Vec<LedgerEntry>,
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
            down_since: Arc::new(|_| None),
            journal_limit: None,
            head_bytes: 6 << 20,
            call_timeout: Duration::from_secs(60),
            first_retry: None,
            save_every_us: 60_000_000,
            drain_within: Duration::from_secs(2),
            others: Vec::new(),
            earlier: Vec::new(),
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
    ways: Arc<Ways>,
    options: DeliveryOptions,
}

impl Delivery {
    /// Opens the journal and starts the threads. The backend is opened in the background.
    ///
    /// # Errors
    /// The journal's folder cannot be used; see [`crate::journal::Log::open`].
    pub fn start(options: DeliveryOptions, opener: Arc<dyn OpenStore>) -> Result<(Self, Recovered), JournalError> {
        let folder = options.journal.folder.clone();
        let cursors = Cursors::open(&folder)?;
        let started = OnceLock::new();
        let floor = cursors.floor();
        let cursors = Mutex::new(cursors);
        let (journal, recovered) =
            JournalWriter::start(&options.journal, floor, options.events.clone(), |next| -> Box<dyn Durable> {
                let (ways, entered) = Ways::new(&options, &opener, lock(&cursors).clone(), next);
                let ways = Arc::new(ways);
                let _ = started.set((Arc::clone(&ways), entered));
                Box::new(Intake(ways))
            })?;
        let fault = |error| JournalError { action: "start the delivery of", path: folder.clone(), source: error };
        let (ways, cursors) = started.into_inner().ok_or_else(|| fault(std::io::ErrorKind::Other.into()))?;
        // Before any row is produced, so that a later start knows where this store's rows begin.
        if let Err(error) = cursors.write() {
            tracing::warn!(%error, "the delivery cursor cannot be written yet");
        }
        lock(&ways.ledger).save();
        ways.start(&options).map_err(fault)?;
        Ok((Self { journal, ways, options }, recovered))
    }

    /// Where rows are pushed.
    #[must_use]
    pub fn journal(&self) -> &JournalWriter {
        &self.journal
    }

    /// Where history is read.
    #[must_use]
    pub fn history(&self) -> History {
        History(Arc::clone(&self.ways))
    }

    /// How long each tier is kept.
    #[must_use]
    pub fn retention(&self) -> Retention {
        lock(&self.ways.retention).clone()
    }

    /// How long each tier is kept from now on; a longer time brings nothing back.
    pub fn set_retention(&self, retention: Retention) {
        *lock(&self.ways.retention) = retention;
    }

    /// How it goes.
    #[must_use]
    pub fn status(&self) -> DeliveryStatus {
        let dead_letters = lock(&self.ways.letters).count();
        self.ways.current().status(self.journal.figures().dropped, dead_letters)
    }

    /// What was counted of the store in use since the start, or since the switch to it.
    #[must_use]
    pub fn metrics(&self) -> StorageMetrics {
        lock(&self.ways.current().counters).figures()
    }

    /// Since when [`Delivery::metrics`] count.
    #[must_use]
    pub fn counted_since(&self) -> UnixMicros {
        self.ways.current().since
    }

    /// What the store in use says of its connections, where it has any.
    #[must_use]
    pub fn pool(&self) -> Option<PoolUse> {
        self.ways.current().store().and_then(|store| store.pool())
    }

    /// Asks the store in use how it is: a round trip.
    ///
    /// # Errors
    /// It is not open, or whatever it gives.
    pub async fn check(&self, within: Duration) -> Result<StoreStatus, StoreError> {
        let current = self.ways.current();
        let Some(store) = current.store() else {
            return Err(StoreError::new(StoreErrorKind::Unavailable, current.backend, "check", "it is not open"));
        };
        deliverer::guarded(current.backend, within, store.check()).await
    }

    /// Most bytes of the journal on the disk from now on. Before anything else, what all stores have got goes; then the
    /// oldest results are summed up by the hour. Nothing else is ever dropped, so that it may stay larger.
    pub fn set_journal_limit(&self, limit: Option<u64>) {
        lock(&self.ways.limit).0 = limit;
    }

    /// The limit, and whether the journal is larger although nothing is left to be summed up.
    #[must_use]
    pub fn journal_limit(&self) -> (Option<u64>, bool) {
        *lock(&self.ways.limit)
    }

    /// Which store has which time, oldest first.
    #[must_use]
    pub fn ledger(&self) -> Vec<LedgerEntry> {
        self.ways.ledger()
    }

    /// Has what is produced from now on go to a store, while everything goes on. What is journaled already goes to the
    /// store that was in use then, whether it is there or not. The store in use is closed and opened again with the
    /// opener.
    ///
    /// # Errors
    /// It cannot be written down where rows go: then all stays as it is, and the call may be made again.
    pub fn switch(&self, opener: Arc<dyn OpenStore>) -> Result<Switched, JournalError> {
        self.ways.switch(opener, &self.options)
    }

    /// Tells how stores are opened that were in use before.
    pub fn know(&self, others: &[Arc<dyn OpenStore>]) {
        self.ways.know(others, &self.options);
    }

    /// How far a prune is that is at work, or asked for.
    #[must_use]
    pub fn pruning(&self) -> Option<Pruning> {
        let current = self.ways.current();
        let pruning = lock(&current.counters).pruning;
        pruning.or_else(|| current.prune.load(Ordering::Acquire).then(Pruning::default))
    }

    /// Has what is older than it is kept dropped now, and waits for that as long as it gets any further within `patience`.
    pub async fn prune_now(&self, patience: Duration) -> PruneNow {
        const LOOK: Duration = Duration::from_millis(50);
        let current = self.ways.current();
        let look = || {
            let counters = lock(&current.counters);
            let gone = counters.pruned_results + counters.pruned_rollups;
            (counters.prunes, gone, counters.pruning, counters.house_fault.clone())
        };
        let (prunes_before, gone_before, mut last, fault_before) = look();
        current.prune.store(true, Ordering::Release);
        current.wake.notify_one();
        let mut waited = Duration::ZERO;
        while waited < patience {
            tokio::time::sleep(LOOK).await;
            waited += LOOK;
            let (prunes, gone, pruning, fault) = look();
            if prunes > prunes_before {
                return PruneNow::Done(gone - gone_before);
            }
            if let Some(fault) = fault.filter(|fault| Some(fault) != fault_before.as_ref()) {
                return PruneNow::Failed(fault.what);
            }
            if pruning != last {
                (last, waited) = (pruning, Duration::ZERO);
            }
        }
        PruneNow::Waits
    }

    /// Whether a former store is read once somebody asks for it ([`Delivery::ask_former`]).
    #[must_use]
    pub fn can_be_asked(&self, contact: &str) -> bool {
        self.ways.former().iter().any(|former| former.contact == contact && former.can_be_asked())
    }

    /// Has reads ask a former store too that is not on this machine, from now on. It is opened for that.
    ///
    /// # Errors
    /// It cannot be opened now, or nobody knows its settings any more: why.
    pub async fn ask_former(&self, contact: &str) -> Result<(), String> {
        let found = self.ways.former().into_iter().find(|former| former.contact == contact);
        let former = found.ok_or_else(|| "there is no such store of before".to_owned())?;
        lock(&former.progress).fault = None;
        former.wanted.store(true, Ordering::Release);
        match former.readable().await {
            Some(_) => Ok(()),
            None => {
                former.wanted.store(false, Ordering::Release);
                let fault = lock(&former.progress).fault.clone();
                Err(fault.unwrap_or_else(|| "its settings are not in the file any more".to_owned()))
            }
        }
    }

    /// The newest rows that were refused for good, and how many lines of their file cannot be read.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn dead_letters(&self, most: usize) -> std::io::Result<(Vec<DeadLetter>, u64)> {
        lock(&self.ways.letters).list(most)
    }

    /// Has refused rows brought to their store again; gives how many will be.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn retry_letters(&self, which: &Letters) -> std::io::Result<u64> {
        self.ways.retry_letters(which, &self.options)
    }

    /// Drops refused rows for good; gives how many.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn drop_letters(&self, which: &Letters) -> std::io::Result<u64> {
        let dropped = lock(&self.ways.letters).drop_letters(which)?;
        lock(&self.ways.current().counters).letters_dropped += dropped;
        Ok(dropped)
    }

    /// Makes everything durable, brings what the backend takes, and ends all threads; false when rows are left in
    /// memory or a thread did not end in time. What is in the journal is delivered after the next start.
    #[must_use]
    pub fn stop(&self, within: Duration) -> bool {
        let durable = self.journal.stop(within / 2);
        let mut threads = self.ways.stop();
        // A thread cannot be joined with a deadline.
        let step = Duration::from_millis(5);
        let mut waited = Duration::ZERO;
        while threads.iter().any(|thread| !thread.is_finished()) && waited < within / 2 {
            std::thread::sleep(step);
            waited += step;
        }
        let mut ended = true;
        for thread in threads.drain(..) {
            ended &= thread.is_finished() && thread.join().is_ok();
        }
        ended && durable
    }
}
