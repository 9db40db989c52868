//! What others ask of the scheduler, from any thread.

use std::sync::Arc;

use tokio::sync::watch;

use super::runner::Shared;
use super::{Figures, FirstCheck, Watched};
use crate::model::{MonitorId, UnixMicros};

/// A door into a running scheduler. What is asked is in force when the call returns; a result that is being handed
/// over in that very moment may still arrive. Ids that are not watched are passed over.
#[derive(Clone, Debug)]
pub struct RunnerHandle {
    shared: Arc<Shared>,
    done: watch::Receiver<bool>,
}

impl RunnerHandle {
    pub(super) fn new(shared: Arc<Shared>, done: watch::Receiver<bool>) -> Self {
        Self { shared, done }
    }

    /// Watches these: new ones, and known ones that changed in any way. A changed monitor's running check is cancelled
    /// and gives no result; a paused one stays paused.
    pub fn set(&self, watched: Vec<Watched>, first: FirstCheck) {
        self.shared.ask(|state, now| state.set(watched, first, now));
    }

    /// Watches these no longer. Running checks are cancelled and give no result.
    pub fn remove(&self, ids: &[MonitorId]) {
        self.shared.ask(|state, now| ids.iter().for_each(|id| state.remove(*id, now)));
    }

    /// Checks these no more until resumed. Running checks are cancelled and give no result.
    pub fn pause(&self, ids: &[MonitorId]) {
        self.shared.ask(|state, now| ids.iter().for_each(|id| state.pause(*id, now)));
    }

    /// Checks paused monitors again, at once and then by their cadence.
    pub fn resume(&self, ids: &[MonitorId]) {
        self.shared.ask(|state, now| ids.iter().for_each(|id| state.resume(*id, now)));
    }

    /// Checks these once more, now. One that runs is checked again when it is done; paused ones are not checked.
    pub fn check_now(&self, ids: &[MonitorId]) {
        self.shared.ask(|state, now| ids.iter().for_each(|id| state.check_now(*id, now)));
    }

    /// What was done so far and what is going on.
    #[must_use]
    pub fn figures(&self) -> Figures {
        self.shared.read(|state, now| state.figures(now.mono))
    }

    /// When a monitor is checked next; none while it runs, waits or is paused, and where it is not watched.
    #[must_use]
    pub fn next_check(&self, id: MonitorId) -> Option<UnixMicros> {
        self.shared.read(|state, now| state.next_check(id, now))
    }

    /// When each monitor is checked next, in no order; those that run, wait or are paused are left out.
    #[must_use]
    pub fn next_checks(&self) -> Vec<(MonitorId, UnixMicros)> {
        self.shared.read(|state, now| state.next_checks(now))
    }

    /// Ends the scheduler: running checks are cancelled and give no result. Returns when the last one is gone.
    pub async fn stop(&self) {
        self.shared.stop();
        // An error means that the runner is gone, which is as good.
        let _ = self.done.clone().wait_for(|done| *done).await;
    }
}
