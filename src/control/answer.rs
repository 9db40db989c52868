//! What is answered.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use thiserror::Error;
use uuid::Uuid;

use crate::deliver::{DeadLetter, FormerStore, LedgerEntry, StorageMetrics};
use crate::model::{CheckResult, Failure, GapReason, Incident, IncidentId, MonitorId, State, UnixMicros, Verdict};
use crate::storage::{ExpectedSize, PageCursor, PoolUse, StoreStatus, Uptime, Verified};

/// An answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "answer", rename_all = "snake_case")]
pub enum Answer {
    /// Who holds the folder.
    Holder(Holder),
    /// What every monitor is now.
    Status(Status),
    /// Nothing changed since the named revision.
    Unchanged,
    /// Results.
    History(HistoryPage),
    /// Uptime and coverage.
    Uptime(UptimeList),
    /// Incidents.
    Incidents(IncidentList),
    /// How storage is doing.
    Storage(Box<StorageReport>),
    /// What was found when everything in the store was read.
    Verified(Verified),
    /// Rows that were refused for good.
    DeadLetters(LetterList),
    /// Refused rows are brought again, or were dropped.
    LettersChanged {
        /// How many.
        count: u64,
        /// Whether a running Hall Monitor does it; else the next start.
        live: bool,
    },
    /// It was done for these monitors.
    Done {
        /// Which, by name.
        monitors: Vec<String>,
    },
}

/// Whoever answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holder {
    /// Its version of Hall Monitor.
    pub version: String,
    /// Its process id.
    pub pid: u32,
    /// When it started.
    pub since: UnixMicros,
}

/// What every monitor is now.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Status {
    /// Grows with each change.
    pub revision: u64,
    /// Whether somebody is watching; else these are the last states on disk.
    pub live: bool,
    /// Who answers, when live.
    pub holder: Option<Holder>,
    /// The monitors, in the order of the file.
    pub monitors: Vec<MonitorStatus>,
    /// Why nothing is observed now, when that is so for all.
    pub gap: Option<OwnGap>,
    /// What is wrong with Hall Monitor itself.
    pub faults: Vec<Fault>,
    /// Where history goes.
    pub storage: Option<Storage>,
    /// How punctual checks are, when live.
    pub schedule: Option<Schedule>,
}

/// What the scheduler did since it started, and how punctual it was.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Schedule {
    /// Checks that gave a result.
    pub done: u64,
    /// Those of them that occupied no slot: first checks, re-checks, checks that somebody asked for.
    pub extra: u64,
    /// Slots in which no check was started.
    pub missed: u64,
    /// Checks that were started and gave no result.
    pub cancelled: u64,
    /// Lateness that half of the checks in a slot kept.
    pub late_p50_us: u64,
    /// Lateness that 99 % of them kept.
    pub late_p99_us: u64,
    /// The largest lateness.
    pub late_max_us: u64,
    /// Checks that run.
    pub running: usize,
    /// Checks that wait for a permit.
    pub waiting: usize,
    /// Checks that may run at the same time.
    pub limit: usize,
}

/// A running gap of the whole instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct OwnGap {
    /// Why nobody is looking.
    pub reason: GapReason,
    /// Since when.
    pub since: UnixMicros,
}

/// Something that is wrong with Hall Monitor itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fault {
    /// What it concerns: `configuration`, `journal`, `storage`, `schedule`.
    pub of: String,
    /// What happened and the next step.
    pub what: String,
}

/// Where history goes and how that is getting on.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Storage {
    /// The backend's word.
    pub backend: String,
    /// When a row was last made durable.
    pub last_write: Option<UnixMicros>,
    /// Rows in the journal that the backend does not have yet.
    pub backlog_rows: Option<u64>,
}

/// How storage is doing.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct StorageReport {
    /// Whether somebody is watching; else this is what the files tell.
    pub live: bool,
    /// The backend's word.
    pub backend: String,
    /// Backend and address.
    pub contact: String,
    /// `opening`, `open`, `fault` or `stopped`.
    pub state: String,
    /// What is wrong; none when all is well.
    pub fault: Option<String>,
    /// Since when `metrics` were counted.
    pub since: Option<UnixMicros>,
    /// Rows in the journal that the store has not got; an upper bound after a long fault.
    pub backlog_rows: u64,
    /// Bytes of those that are held in memory.
    pub backlog_memory_bytes: u64,
    /// About when the oldest of them was made.
    pub oldest_waiting: Option<UnixMicros>,
    /// When a row was last made durable.
    pub last_write: Option<UnixMicros>,
    /// Rows that were refused for good and are kept.
    pub dead_letters: u64,
    /// Results that were dropped before the journal, because nothing could be written for long.
    pub dropped: u64,
    /// Bytes of the journal on the disk.
    pub journal_bytes: Option<u64>,
    /// Most bytes of it; none where it may grow, or nothing runs.
    pub journal_limit: Option<u64>,
    /// What the store says of itself; none when it could not be asked.
    pub store: Option<StoreStatus>,
    /// How much room history will need with the monitors there are; none where that is not known of the backend.
    #[serde(default)]
    pub expected: Option<ExpectedSize>,
    /// What it uses of its connections, where it has any.
    pub pool: Option<PoolUse>,
    /// What was counted; none when nothing runs.
    pub metrics: Option<StorageMetrics>,
    /// Stores that were in use before.
    pub former: Vec<FormerStore>,
    /// Which store has which time, oldest first.
    pub ledger: Vec<LedgerEntry>,
}

/// A row that was refused for good.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Letter {
    /// Tells it from others.
    pub id: Uuid,
    /// The row, and why.
    pub letter: DeadLetter,
}

/// Rows that were refused for good.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LetterList {
    /// The newest first.
    pub letters: Vec<Letter>,
    /// Lines of the file that cannot be read; they are kept.
    pub damaged: u64,
}

/// What one monitor is now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MonitorStatus {
    /// Its id.
    pub id: MonitorId,
    /// Its name.
    pub name: Arc<str>,
    /// Its group.
    pub group: Arc<str>,
    /// Its kind.
    pub kind: Arc<str>,
    /// What is watched.
    pub target: Arc<str>,
    /// From one check to the next.
    pub interval_us: u64,
    /// What it is.
    pub state: State,
    /// Since when, where that is known.
    pub since: Option<UnixMicros>,
    /// What the last check said.
    pub verdict: Option<Verdict>,
    /// Why it was not up.
    pub failure: Option<Failure>,
    /// In words: of the last check, or why a pending monitor cannot run.
    pub message: Arc<str>,
    /// When the last check started.
    pub last_check: Option<UnixMicros>,
    /// How long its target took.
    pub duration_us: Option<u64>,
    /// When the next check is due.
    pub next_check: Option<UnixMicros>,
    /// Restored from disk and not checked since.
    pub stale: bool,
    /// Until when it is paused; none: not paused, or until resumed.
    pub paused_until: Option<UnixMicros>,
    /// The open incident.
    pub incident: Option<IncidentId>,
    /// The last checks, oldest first, 30 at most.
    pub recent: Vec<Recent>,
}

/// One of the last checks, as a mark in a sparkline.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recent {
    /// What it said.
    pub verdict: Verdict,
    /// How long its target took.
    pub duration_us: u32,
}

/// Where history was read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Source {
    /// The backend's word.
    pub backend: String,
    /// Whether it keeps history at all.
    pub keeps_history: bool,
    /// What is missing from the answer and why, when something is.
    pub note: Option<String>,
    /// Stores that have some of the time and cannot be read now.
    #[serde(default)]
    pub kept: Vec<FormerStore>,
}

/// What ids in an answer stand for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MonitorName {
    /// The id.
    pub id: MonitorId,
    /// Its latest name.
    pub name: String,
    /// Its latest group.
    pub group: String,
    /// Its kind.
    pub kind: String,
    /// Its latest target.
    pub target: String,
}

/// A page of results.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HistoryPage {
    /// Where they were read.
    pub source: Source,
    /// Every monitor that the results name.
    pub monitors: Vec<MonitorName>,
    /// Newest first.
    pub results: Vec<CheckResult>,
    /// Where to go on; none at the end.
    pub next: Option<PageCursor>,
}

/// Uptime of monitors.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UptimeList {
    /// Where it was read.
    pub source: Source,
    /// Every monitor in the list.
    pub monitors: Vec<MonitorName>,
    /// One each, in the order asked for, or of the file.
    pub uptimes: Vec<Uptime>,
}

/// Incidents.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct IncidentList {
    /// Where they were read.
    pub source: Source,
    /// Every monitor that the incidents name.
    pub monitors: Vec<MonitorName>,
    /// Newest first.
    pub incidents: Vec<Incident>,
    /// Whether older ones in the span were left out.
    pub more: bool,
}

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq, Error, Serialize, Deserialize)]
#[serde(tag = "error", rename_all = "snake_case")]
pub enum AnswerError {
    /// No monitor of that name or id.
    #[error("no monitor is called `{name}`{}", nearest.as_ref().map(|n| format!("; did you mean `{n}`?")).unwrap_or_default())]
    UnknownMonitor {
        /// What was asked for.
        name: String,
        /// The nearest name there is.
        nearest: Option<String>,
    },
    /// Only a running Hall Monitor can do this.
    #[error("Hall Monitor is not running; start it with `hallmonitor run`")]
    NotRunning,
    /// The question could not be understood.
    #[error("the question was not understood: {why}")]
    BadRequest {
        /// Why.
        why: String,
    },
    /// The store did not answer.
    #[error("{what}")]
    Storage {
        /// What it says, and the next step.
        what: String,
    },
    /// It is stopping, or has too much to do.
    #[error("Hall Monitor is busy: {why}; ask again in a moment")]
    Busy {
        /// Why.
        why: String,
    },
    /// A fault in Hall Monitor.
    #[error("a fault in Hall Monitor: {why}")]
    Internal {
        /// What happened.
        why: String,
    },
}
