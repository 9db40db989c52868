//! What the core announces. A closed list: whoever listens matches on it, and the core does not know who that is.

use serde::Serialize;
use tokio::sync::broadcast;

use crate::model::{CheckResult, Failure, GapReason, Incident, MonitorId, State, UnixMicros};

/// Something that happened.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// A check gave a result.
    Checked {
        /// What it gave.
        result: CheckResult,
    },
    /// A monitor's state is another one now.
    StateChanged {
        /// Which monitor.
        monitor: MonitorId,
        /// What it was.
        from: State,
        /// What it is.
        to: State,
        /// Since when: for `down` the first failure, else the check that decided it.
        since: UnixMicros,
        /// Why, when it is not up.
        failure: Option<Failure>,
        /// In words.
        message: Box<str>,
    },
    /// An incident was confirmed.
    IncidentOpened {
        /// The incident.
        incident: Incident,
    },
    /// An incident ended.
    IncidentClosed {
        /// The incident.
        incident: Incident,
    },
    /// From now on nobody is looking.
    GapStarted {
        /// Which monitor, or all.
        monitor: MonitorId,
        /// Since when.
        at: UnixMicros,
        /// Why.
        reason: GapReason,
    },
    /// Somebody is looking again.
    GapEnded {
        /// Which monitor, or all.
        monitor: MonitorId,
        /// Since when.
        at: UnixMicros,
        /// Why nobody was.
        reason: GapReason,
    },
    /// The list of monitors is another one, or something of a monitor changed.
    MonitorsChanged,
    /// The configuration file was read again: in force, or refused with this many problems.
    ConfigRead {
        /// Problems; 0 when it is in force.
        problems: usize,
    },
    /// The journal cannot be written, or can be again.
    JournalState {
        /// What is wrong; none when all is well.
        fault: Option<String>,
    },
    /// The journal reached its limit: results that wait for a store were summed up by the hour.
    JournalCondensed {
        /// How many.
        results: u64,
    },
    /// The backend cannot be written, or can be again.
    StorageState {
        /// What is wrong; none when all is well.
        fault: Option<String>,
    },
    /// No check finished for two intervals, or one did again.
    Watchdog {
        /// Whether nothing moves.
        stuck: bool,
    },
}

/// Sends events to whoever listens. A slow listener loses the oldest ones and is told so; nobody waits for it.
///
/// Results go a way of their own: thousands of them a second must not wake whoever waits for changes only.
#[derive(Clone, Debug)]
pub struct Events {
    changes: broadcast::Sender<Event>,
    checks: broadcast::Sender<Event>,
}

impl Events {
    /// A channel that keeps the newest 4,096 events for each listener.
    #[must_use]
    pub fn new() -> Self {
        Self { changes: broadcast::Sender::new(4096), checks: broadcast::Sender::new(4096) }
    }

    /// Announces something; costs next to nothing without listeners.
    pub fn send(&self, event: Event) {
        let way = if matches!(event, Event::Checked { .. }) { &self.checks } else { &self.changes };
        if way.receiver_count() > 0 {
            // Fails only when the last listener left in this moment.
            let _ = way.send(event);
        }
    }

    /// Whether anybody listens to changes, for events that cost something to make.
    #[must_use]
    pub fn heard(&self) -> bool {
        self.changes.receiver_count() > 0
    }

    /// Whether anybody listens to results.
    #[must_use]
    pub fn checks_heard(&self) -> bool {
        self.checks.receiver_count() > 0
    }

    /// Listens to everything but [`Event::Checked`] from now on.
    #[must_use]
    pub fn listen(&self) -> broadcast::Receiver<Event> {
        self.changes.subscribe()
    }

    /// Listens to [`Event::Checked`] from now on.
    #[must_use]
    pub fn listen_to_checks(&self) -> broadcast::Receiver<Event> {
        self.checks.subscribe()
    }
}

impl Default for Events {
    fn default() -> Self {
        Self::new()
    }
}
