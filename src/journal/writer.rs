//! The journal's own thread: rows are pushed from anywhere and become durable in batches.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::Serialize;

use super::backlog::{Backlog, Taken};
use super::error::JournalError;
use super::log::{Log, Recovered};
use crate::event::{Event, Events};
use crate::model::{Row, error_chain};

/// Hears of every batch that is durable, in order, on the journal's thread.
pub trait Durable: Send {
    /// Rows from number `first` on, encoded as `payloads` of the record format tells.
    fn durable(&mut self, batch: &DurableBatch<'_>);
}

/// Rows that are on disk now.
#[derive(Debug)]
pub struct DurableBatch<'a> {
    /// Number of the first row.
    pub first: u64,
    /// Number after the last.
    pub next: u64,
    pub(super) buffers: &'a [Vec<u8>],
}

impl DurableBatch<'_> {
    /// The rows' numbers and encoded bytes, for [`super::decode`].
    pub fn payloads(&self) -> impl Iterator<Item = (u64, &[u8])> {
        (self.first..).zip(self.buffers.iter().flat_map(|buffer| super::record::payloads(buffer)))
    }
}

/// How the journal works; the defaults are what ships.
#[derive(Clone, Debug)]
pub struct JournalOptions {
    /// The folder of the segments.
    pub folder: PathBuf,
    /// A segment that has this many bytes is followed by a new one.
    pub segment_bytes: u64,
    /// A batch is written this long after its first row.
    pub close_after: Duration,
    /// A batch is written at once when it has this many bytes.
    pub batch_bytes: usize,
    /// While nothing can be written, the oldest results are dropped beyond this many bytes.
    pub memory_bytes: usize,
    /// First wait after a failed write; doubles up to five times this.
    pub retry: Duration,
}

impl JournalOptions {
    /// The journal of a data folder.
    #[must_use]
    pub fn in_data_dir(data_dir: &Path) -> Self {
        Self {
            folder: data_dir.join("journal"),
            segment_bytes: 8 << 20,
            close_after: Duration::from_millis(700),
            batch_bytes: 4 << 20,
            memory_bytes: 64 << 20,
            retry: Duration::from_secs(1),
        }
    }
}

/// What the journal is doing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct JournalFigures {
    /// Rows that are not durable yet.
    pub waiting_rows: u64,
    /// Their bytes.
    pub waiting_bytes: u64,
    /// Number that the next durable row gets.
    pub next: u64,
    /// Batches written, each with one sync.
    pub batches: u64,
    /// Results dropped because nothing could be written for long.
    pub dropped: u64,
    /// Rows that were too large to be journaled.
    pub refused: u64,
    /// What is wrong; none when all is well.
    pub fault: Option<String>,
}

#[derive(Debug, Default)]
struct State {
    backlog: Backlog,
    /// Rows and bytes that are being written.
    writing: (u64, usize),
    pushed: u64,
    flush: bool,
    stop: bool,
    stopped: bool,
    figures: JournalFigures,
}

impl State {
    /// Rows that are durable, or were given up.
    fn settled(&self) -> u64 {
        self.pushed - self.backlog.rows() - self.writing.0
    }
}

struct Shared {
    state: Mutex<State>,
    /// Something to do for the thread.
    work: Condvar,
    /// Something became durable or failed.
    settled: Condvar,
    memory_bytes: usize,
    batch_bytes: usize,
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Where rows are pushed. Clones share one journal.
#[derive(Clone)]
pub struct JournalWriter(Arc<Shared>);

impl fmt::Debug for JournalWriter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("JournalWriter").field(&self.figures()).finish()
    }
}

impl JournalWriter {
    /// Opens the journal and starts its thread. `floor` is the number that rows get at least; `durable` hears of
    /// every batch.
    ///
    /// # Errors
    /// See [`Log::open`]; also when no thread can be started.
    pub fn start(
        options: &JournalOptions,
        floor: u64,
        events: Events,
        durable: impl FnOnce(u64) -> Box<dyn Durable>,
    ) -> Result<(Self, Recovered), JournalError> {
        let (log, recovered) = Log::open(&options.folder, options.segment_bytes, floor)?;
        let state = State { figures: JournalFigures { next: log.next(), ..Default::default() }, ..Default::default() };
        let shared = Arc::new(Shared {
            state: Mutex::new(state),
            work: Condvar::new(),
            settled: Condvar::new(),
            memory_bytes: options.memory_bytes,
            batch_bytes: options.batch_bytes,
        });
        let thread = Thread {
            shared: Arc::clone(&shared),
            durable: durable(log.next()),
            log,
            events,
            close_after: options.close_after,
            retry: options.retry,
            failures: 0,
        };
        std::thread::Builder::new()
            .name("journal".to_owned())
            .spawn(move || thread.run())
            .map_err(JournalError::of("start the thread of", &options.folder))?;
        Ok((Self(shared), recovered))
    }

    /// Adds a row. Costs its encoding and a lock that nobody holds for long; the thread is woken by the first row of
    /// a batch and by a full one only.
    pub fn push(&self, row: &Row) {
        let mut state = self.0.state();
        let before = state.backlog.bytes();
        if !state.backlog.push(row) {
            state.figures.refused += 1;
            drop(state);
            tracing::error!(monitor = %row.monitor(), "a row is too large for the journal and is dropped");
            return;
        }
        state.pushed += 1;
        let bytes = state.backlog.bytes();
        if bytes + state.writing.1 > self.0.memory_bytes {
            // A part more than needed, so that this is not done for every row.
            let room = self.0.memory_bytes.saturating_sub(state.writing.1);
            let dropped = state.backlog.shed(room - room / 8);
            state.figures.dropped += dropped;
        }
        let wake = before == 0 || (before < self.0.batch_bytes && bytes >= self.0.batch_bytes);
        drop(state);
        if wake {
            self.0.work.notify_one();
        }
    }

    /// Waits until everything pushed before is durable; false when it is not within this time, or writing fails.
    #[must_use]
    pub fn flush(&self, within: Duration) -> bool {
        let mut state = self.0.state();
        let target = state.pushed;
        if state.settled() >= target {
            return true;
        }
        state.flush = true;
        self.0.work.notify_one();
        let waiting = |state: &mut State| state.settled() < target && state.figures.fault.is_none() && !state.stopped;
        let (state, _) =
            self.0.settled.wait_timeout_while(state, within, waiting).unwrap_or_else(PoisonError::into_inner);
        state.settled() >= target
    }

    /// Number that the next durable row gets: all below are on disk.
    #[must_use]
    pub fn next(&self) -> u64 {
        self.0.state().figures.next
    }

    /// What it is doing.
    #[must_use]
    pub fn figures(&self) -> JournalFigures {
        let state = self.0.state();
        let mut figures = state.figures.clone();
        figures.waiting_rows = state.backlog.rows() + state.writing.0;
        figures.waiting_bytes = (state.backlog.bytes() + state.writing.1) as u64;
        figures
    }

    /// Writes what waits and ends the thread; false when that did not work out within this time.
    #[must_use]
    pub fn stop(&self, within: Duration) -> bool {
        let mut state = self.0.state();
        state.stop = true;
        self.0.work.notify_one();
        let (state, _) = self
            .0
            .settled
            .wait_timeout_while(state, within, |state| !state.stopped)
            .unwrap_or_else(PoisonError::into_inner);
        state.stopped && state.backlog.is_empty()
    }
}

/// What the thread owns.
struct Thread {
    shared: Arc<Shared>,
    log: Log,
    durable: Box<dyn Durable>,
    events: Events,
    close_after: Duration,
    retry: Duration,
    failures: u32,
}

impl Thread {
    fn run(mut self) {
        while let Some(taken) = self.next_batch() {
            self.write(taken);
        }
        let mut state = self.shared.state();
        state.stopped = true;
        self.shared.settled.notify_all();
    }

    /// Sleeps until a batch is to be written; none at the end.
    fn next_batch(&self) -> Option<Taken> {
        let shared = &self.shared;
        let idle = |state: &mut State| state.backlog.is_empty() && !state.stop;
        let state = shared.work.wait_while(shared.state(), idle).unwrap_or_else(PoisonError::into_inner);
        let (wait, failing) = match self.failures {
            0 => (self.close_after, false),
            n => (self.retry.saturating_mul(1 << (n - 1).min(2)).min(self.retry * 5), true),
        };
        // While writing fails only the end is a reason to try sooner.
        let early = |state: &mut State| {
            !(state.stop || !failing && (state.flush || state.backlog.bytes() >= shared.batch_bytes))
        };
        let (mut state, _) = shared.work.wait_timeout_while(state, wait, early).unwrap_or_else(PoisonError::into_inner);
        if state.backlog.is_empty() || state.stop && self.failures > 1 {
            return None;
        }
        let taken = state.backlog.take(shared.batch_bytes);
        state.flush = state.flush && !state.backlog.is_empty();
        state.writing = (taken.rows(), taken.bytes());
        Some(taken)
    }

    fn write(&mut self, mut taken: Taken) {
        let result = self.log.append(&mut taken.buffers);
        if let Ok(range) = &result {
            let batch = DurableBatch { first: range.start, next: range.end, buffers: &taken.buffers };
            self.durable.durable(&batch);
        }
        let fault = result.as_ref().err().map(|error| error_chain(error));
        let mut state = self.shared.state();
        state.writing = (0, 0);
        match result {
            Ok(range) => {
                self.failures = 0;
                state.figures.next = range.end;
                state.figures.batches += 1;
                state.backlog.reuse(taken);
            }
            Err(_) => {
                self.failures = self.failures.saturating_add(1);
                state.backlog.put_back(taken);
                let dropped = state.backlog.shed(self.shared.memory_bytes);
                state.figures.dropped += dropped;
            }
        }
        let changed = state.figures.fault != fault;
        state.figures.fault.clone_from(&fault);
        drop(state);
        self.shared.settled.notify_all();
        if changed {
            match &fault {
                Some(fault) => tracing::error!(fault, "the journal cannot be written; rows wait in memory"),
                None => tracing::info!("the journal can be written again"),
            }
            self.events.send(Event::JournalState { fault });
        }
    }
}
