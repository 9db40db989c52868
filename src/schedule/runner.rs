//! The loop that starts checks, and the guard around each of them.
//!
//! Everything runs on one thread: the loop sleeps until something is due, starts it as a task of its own, and a task
//! that is done hands its result straight to the sink. Without anything due the loop wakes once a second, to compare
//! the clocks.

use std::any::Any;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::FutureExt;
use tokio::sync::{Notify, watch};
use tracing::Instrument;

use super::state::{Run, Start, State, Ticket, micros};
use super::watch::Readings;
use super::{Checked, Connectivity, Limits, Notice, RunnerHandle, Sink, Watched};
use crate::clock::{Clock, Mono};
use crate::model::{Failure, MESSAGE_LIMIT, Monitor, UnixMicros, Verdict, clean_text};
use crate::probe::{Attempt, Observation};

/// What a probe gets beyond its time-out before it is cut off.
pub(super) const GRACE: Duration = Duration::from_millis(500);
/// The loop wakes no more often than this, so that thousands of checks a second are started in small batches.
const SPACING_US: u64 = 3_000;

/// What the scheduler is made of.
#[derive(Debug, Clone)]
pub struct Parts {
    /// The clocks.
    pub clock: Arc<dyn Clock>,
    /// Who takes results.
    pub sink: Arc<dyn Sink>,
    /// Who knows the network.
    pub connectivity: Arc<dyn Connectivity>,
    /// How much may run at the same time.
    pub limits: Limits,
}

/// The scheduler. Does nothing until it is run.
#[derive(Debug)]
pub struct Runner {
    shared: Arc<Shared>,
    done: watch::Sender<bool>,
}

impl Runner {
    /// A scheduler that watches nothing yet, and the door into it.
    #[must_use]
    pub fn new(parts: Parts) -> (Self, RunnerHandle) {
        let Parts { clock, sink, connectivity, limits } = parts;
        let state = State::new(Readings::of(&*clock), connectivity.snapshot(), limits);
        let shared = Arc::new(Shared {
            clock,
            sink,
            connectivity,
            state: Mutex::new(Locked { state, armed: Mono(u64::MAX) }),
            wake: Notify::new(),
        });
        let (done, told) = watch::channel(false);
        (Self { shared: shared.clone(), done }, RunnerHandle::new(shared, told))
    }

    /// Runs until [`RunnerHandle::stop`]. Must run on a current-thread runtime with time and I/O: checks are its
    /// tasks, and the sink is called from them.
    pub async fn run(self) {
        self.shared.begin();
        while let Some(pause) = self.shared.pass() {
            tokio::select! {
                () = self.shared.wake.notified() => {}
                () = tokio::time::sleep(pause) => {}
            }
        }
        for task in self.shared.end() {
            // Cancelled, or done in this very moment: gone either way.
            let _ = task.await;
        }
        self.done.send_replace(true);
    }
}

#[derive(Debug)]
struct Locked {
    state: State,
    /// When the loop wakes by itself.
    armed: Mono,
}

/// What loop, checks and handles share. The lock is held for moments only, never across an await or a call of the
/// sink.
#[derive(Debug)]
pub(super) struct Shared {
    clock: Arc<dyn Clock>,
    sink: Arc<dyn Sink>,
    connectivity: Arc<dyn Connectivity>,
    state: Mutex<Locked>,
    wake: Notify,
}

impl Shared {
    /// Reads something from the state.
    pub(super) fn read<T>(&self, read: impl FnOnce(&State, Readings) -> T) -> T {
        let now = Readings::of(&*self.clock);
        read(&self.lock().state, now)
    }

    /// Changes something, and wakes the loop if that makes anything due sooner.
    pub(super) fn ask(&self, change: impl FnOnce(&mut State, Mono)) {
        let mut locked = self.lock();
        change(&mut locked.state, self.clock.mono());
        let state = &locked.state;
        // A cancelled check leaves its permit to one that waits.
        if state.has_waiting() || state.planner.next_due().is_some_and(|due| due < locked.armed) {
            self.wake.notify_one();
        }
    }

    /// Tells the loop to end.
    pub(super) fn stop(&self) {
        self.lock().state.stop();
        self.wake.notify_one();
    }

    fn lock(&self) -> MutexGuard<'_, Locked> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tell(&self, notices: Vec<Notice>) {
        for notice in notices {
            guard("a notice", || notice.tell(&*self.sink));
        }
    }

    fn begin(&self) {
        let mut notices = Vec::new();
        let network = self.connectivity.snapshot();
        self.lock().state.begin(Readings::of(&*self.clock), network, &mut notices);
        self.tell(notices);
    }

    /// One turn of the loop: compares the clocks when it is time, starts what is due, and says how long nothing will
    /// be; none when the loop shall end.
    fn pass(self: &Arc<Self>) -> Option<Duration> {
        let mut notices = Vec::new();
        let mut locked = self.lock();
        let now = Readings::of(&*self.clock);
        let state = &mut locked.state;
        if state.is_stopping() {
            return None;
        }
        if state.watch.next_tick() <= now.mono || state.watch.interruption(&now).is_some() {
            state.tick(now, self.connectivity.snapshot(), &mut notices);
        } else {
            state.watch.awake(now);
        }
        while let Some(start) = state.next_start(now.mono) {
            self.spawn(state, start);
        }
        self.start_waiting(state);
        let spaced = now.mono.plus_us(SPACING_US);
        let tick = state.watch.next_tick();
        let until = state.planner.next_due().map_or(tick, |due| due.max(spaced).min(tick));
        locked.armed = until;
        drop(locked);
        self.tell(notices);
        Some(until.since(now.mono))
    }

    fn end(&self) -> Vec<tokio::task::JoinHandle<()>> {
        let mut notices = Vec::new();
        let tasks = self.lock().state.end(Readings::of(&*self.clock), &mut notices);
        self.tell(notices);
        tasks
    }

    fn start_waiting(self: &Arc<Self>, state: &mut State) {
        while let Some(start) = state.next_waiting() {
            self.spawn(state, start);
        }
    }

    fn spawn(self: &Arc<Self>, state: &mut State, start: Start) {
        let Start { ticket, watched, due } = start;
        let span = tracing::debug_span!("check", monitor = %watched.monitor.name, kind = watched.monitor.kind);
        let task = tokio::spawn(check(self.clone(), ticket, watched).instrument(span));
        state.started(ticket, due, task);
    }

    /// A probe is done, or was cut off.
    fn done(self: &Arc<Self>, ticket: Ticket, watched: Watched, time: UnixMicros, started: Mono, outcome: Outcome) {
        let now = Readings::of(&*self.clock);
        let mut notices = Vec::new();
        let mut locked = self.lock();
        let state = &mut locked.state;
        if !state.is_wanted(ticket) {
            return;
        }
        // The timers of probes may fire before the loop's own after a sleep: nothing they say can be trusted.
        if state.watch.interruption(&now).is_some() {
            state.tick(now, self.connectivity.snapshot(), &mut notices);
            drop(locked);
            self.tell(notices);
            self.wake.notify_one();
            return;
        }
        state.watch.awake(now);
        let mut observation = outcome.observation(state, &watched);
        let timed_out = observation.failure == Some(Failure::Timeout);
        if observation.verdict == Verdict::Down {
            // Before a target is blamed the network is looked at again.
            if state.watch.is_stale(now.mono) {
                state.see(now, self.connectivity.snapshot(), &mut notices);
            }
            state.judge(ticket, &now, started, &mut observation);
        }
        drop(locked);
        self.tell(notices);
        let good = observation.verdict.is_good();
        let run = Run { started, ended: now.mono, good, timed_out, recheck_after_us: None };
        self.deliver(ticket, watched.monitor, time, run, observation);
    }

    /// Hands a result to the sink and plans what it asks for.
    fn deliver(
        self: &Arc<Self>,
        ticket: Ticket,
        monitor: Arc<Monitor>,
        time: UnixMicros,
        mut run: Run,
        observation: Observation,
    ) {
        let duration_us = observation.duration_us.unwrap_or_else(|| run.ended.since_us(run.started));
        let checked = Checked { monitor, time, duration_us, observation };
        let next = guard("a result", || self.sink.checked(checked)).unwrap_or_default();
        run.recheck_after_us = next.recheck_after.map(micros);
        let mut locked = self.lock();
        locked.state.finished(ticket, &run);
        if !locked.state.is_stopping() {
            self.start_waiting(&mut locked.state);
        }
        // What is due within the spacing is left to the loop's own waking.
        let spaced = run.ended.plus_us(SPACING_US);
        if locked.state.planner.next_due().is_some_and(|due| due.max(spaced) < locked.armed) {
            self.wake.notify_one();
        }
    }
}

/// How a probe ended.
enum Outcome {
    Saw(Observation),
    Panicked(Box<dyn Any + Send>),
    Overdue,
}

impl Outcome {
    fn observation(self, state: &mut State, watched: &Watched) -> Observation {
        match self {
            Self::Saw(observation) => observation,
            Self::Panicked(payload) => {
                state.count_panic();
                let text = clean_text(panic_text(&*payload), MESSAGE_LIMIT / 2);
                tracing::error!(monitor = %watched.monitor.name, panic = %text, "a probe panicked");
                Observation::failed(Failure::Internal, format!("the probe panicked: {text}"))
            }
            Self::Overdue => {
                state.count_overdue();
                let message = format!("no answer within {:?}", watched.monitor.timeout);
                Observation::failed(Failure::Timeout, message)
            }
        }
    }
}

/// One check: the probe, with a deadline and a net below it.
async fn check(shared: Arc<Shared>, ticket: Ticket, watched: Watched) {
    let timeout = watched.monitor.timeout;
    let attempt = Attempt::start(shared.clock.clone(), timeout);
    let time = attempt.wall();
    let run = AssertUnwindSafe(async { watched.probe.run(&attempt).await }).catch_unwind();
    let outcome = match tokio::time::timeout(timeout.saturating_add(GRACE), run).await {
        Ok(Ok(observation)) => Outcome::Saw(observation),
        Ok(Err(payload)) => Outcome::Panicked(payload),
        Err(_) => Outcome::Overdue,
    };
    shared.done(ticket, watched, time, attempt.started(), outcome);
}

/// Calls the sink; its panic costs what it was told, not the monitor's future.
fn guard<T>(what: &'static str, call: impl FnOnce() -> T) -> Option<T> {
    std::panic::catch_unwind(AssertUnwindSafe(call))
        .inspect_err(|payload| {
            let text = clean_text(panic_text(&**payload), MESSAGE_LIMIT);
            tracing::error!(what, panic = %text, "the receiver of results panicked");
        })
        .ok()
}

fn panic_text(payload: &(dyn Any + Send)) -> &str {
    payload
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| payload.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("no message")
}
