//! Asking a person to unlock a place: how long, until when, and what came of it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// How long a person may take to answer where nobody says otherwise.
const PATIENCE: Duration = Duration::from_secs(120);

/// What came of asking.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unlocked {
    /// It was not locked.
    Open,
    /// It was locked, and is no more.
    Now,
    /// The person put the question away.
    Dismissed,
    /// The keychain has nothing that could ask: no display, or no program for its question.
    NoPrompter,
    /// Nobody answered in time. Where the keychain can put its question away, it is gone.
    Late(Duration),
    /// Whoever asked wants no answer any more; the same holds for the question.
    Stopped,
}

/// A question that can be stopped. Clones are the same question.
#[derive(Debug, Clone)]
pub struct Unlocking {
    patience: Duration,
    stopped: Arc<AtomicBool>,
}

impl Default for Unlocking {
    fn default() -> Self {
        Self::with_patience(PATIENCE)
    }
}

impl Unlocking {
    /// A question that may stand for so long.
    #[must_use]
    pub fn with_patience(patience: Duration) -> Self {
        Self { patience, stopped: Arc::default() }
    }

    /// Waits no longer.
    pub fn stop(&self) {
        self.stopped.store(true, Ordering::Relaxed);
    }

    /// Whether both are the same question.
    #[must_use]
    pub fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.stopped, &other.stopped)
    }

    /// How long it may stand.
    #[must_use]
    pub fn patience(&self) -> Duration {
        self.patience
    }

    /// Whether nobody wants an answer any more.
    #[must_use]
    pub fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::Relaxed)
    }
}
