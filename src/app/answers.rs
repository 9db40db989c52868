//! What a running core answers.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use async_trait::async_trait;

use super::core::{Core, lock};
use super::reads::{Reads, source_of};
use super::shown::monitor_status;
use super::storage;
use crate::control::{
    Answer, AnswerError, Answers, Fault, Holder, MAX_PAGE, MonitorName, OwnGap, Request, Schedule, Status, Storage,
    find_monitor,
};
use crate::model::{MonitorId, UnixMicros};
use crate::record::BoardRow;

/// Answers for a running core.
#[derive(Debug)]
pub(super) struct Live(pub(super) Arc<Core>);

#[async_trait]
impl Answers for Live {
    async fn answer(&self, request: Request) -> Result<Answer, AnswerError> {
        match request {
            Request::Version => Ok(Answer::Holder(self.holder())),
            Request::Status { newer_than } => Ok(self.status(newer_than)),
            Request::History { monitor, span, limit, after } => {
                let reads = self.reads().await?;
                Ok(Answer::History(reads.history(monitor, span, limit, after).await?))
            }
            Request::Uptime { monitors, span } => {
                let reads = self.reads().await?;
                Ok(Answer::Uptime(reads.uptime(monitors, span, self.0.clock.wall()).await?))
            }
            Request::Incidents { monitor, span, limit } => {
                let reads = self.reads().await?;
                Ok(Answer::Incidents(reads.incidents(monitor, span, limit).await?))
            }
            Request::Storage => Ok(Answer::Storage(Box::new(storage::report(&self.0, storage::PATIENCE).await))),
            Request::VerifyStore => {
                let why = || self.0.delivery.status().fault.unwrap_or_else(|| "the store is being opened".to_owned());
                storage::verified(self.0.delivery.history().verify_store().await, why)
            }
            Request::DeadLetters { limit } => {
                Ok(Answer::DeadLetters(storage::letters(self.0.delivery.dead_letters(limit.min(MAX_PAGE)))?))
            }
            Request::RetryLetters { letters } => {
                let count = self.0.delivery.retry_letters(&letters).map_err(storage::letters_fault)?;
                Ok(Answer::LettersChanged { count, live: true })
            }
            Request::DropLetters { letters } => {
                let count = self.0.delivery.drop_letters(&letters).map_err(storage::letters_fault)?;
                Ok(Answer::LettersChanged { count, live: true })
            }
            Request::CheckNow { monitors } => self.steer(&monitors, |core, ids| core.runner.check_now(ids)).await,
            Request::Pause { monitors, until } => self.steer(&monitors, move |core, ids| core.pause(ids, until)).await,
            Request::Resume { monitors } => self.steer(&monitors, Core::resume).await,
        }
    }
}

impl Live {
    fn holder(&self) -> Holder {
        Holder { version: env!("CARGO_PKG_VERSION").to_owned(), pid: std::process::id(), since: self.0.started }
    }

    fn status(&self, newer_than: Option<u64>) -> Answer {
        let board = self.0.recorder.board();
        let revision = board.revision();
        if newer_than.is_some_and(|known| known == revision) {
            return Answer::Unchanged;
        }
        let next: HashMap<MonitorId, UnixMicros> = self.0.runner.next_checks().into_iter().collect();
        let monitors = board
            .snapshot()
            .into_iter()
            .map(|row| {
                let next = next.get(&row.monitor.id).copied();
                monitor_status(&row, next)
            })
            .collect();
        let delivery = self.0.delivery.status();
        Answer::Status(Status {
            revision,
            live: true,
            holder: Some(self.holder()),
            monitors,
            gap: board.gap().map(|gap| OwnGap { reason: gap.reason, since: gap.span.from }),
            faults: faults_of(&self.0, 0),
            storage: Some(Storage {
                backend: delivery.backend.to_owned(),
                last_write: delivery.last_write,
                backlog_rows: Some(delivery.backlog_rows),
            }),
            schedule: Some(self.schedule()),
        })
    }

    fn schedule(&self) -> Schedule {
        let figures = self.0.runner.figures();
        Schedule {
            done: figures.done,
            extra: figures.extra,
            missed: figures.missed,
            cancelled: figures.cancelled,
            late_p50_us: figures.late_p50_us().unwrap_or(0),
            late_p99_us: figures.late_p99_us().unwrap_or(0),
            late_max_us: figures.late_max_us,
            running: figures.running,
            waiting: figures.waiting,
            limit: figures.limit,
        }
    }

    async fn reads(&self) -> Result<Reads, AnswerError> {
        self.settle().await;
        let names: Vec<MonitorName> = self.0.recorder.board().snapshot().iter().map(name_of).collect();
        let history = self.0.delivery.history();
        let source = source_of(&self.0.delivery);
        let configured = names.len();
        Reads { history, source, names, configured }.with_known().await
    }

    /// What is shown is found: whoever asks for history gets what the board knows already.
    async fn settle(&self) {
        let journal = self.0.delivery.journal().clone();
        // A journal that cannot write is told as a fault; what is durable is found all the same.
        let _ = tokio::task::spawn_blocking(move || journal.flush(Duration::from_millis(500))).await;
    }

    /// Does something with monitors, where writing is allowed to take its time.
    async fn steer(
        &self,
        monitors: &[String],
        action: impl FnOnce(&Core, &[MonitorId]) + Send + 'static,
    ) -> Result<Answer, AnswerError> {
        let board = self.0.recorder.board();
        let names: Vec<(MonitorId, String)> =
            board.snapshot().into_iter().map(|row| (row.monitor.id, row.monitor.name.clone())).collect();
        let all = names.iter().map(|(id, name)| (*id, name.as_str()));
        let ids: Vec<MonitorId> = if monitors.is_empty() {
            all.map(|(id, _)| id).collect()
        } else {
            monitors.iter().map(|wanted| find_monitor(wanted, all.clone())).collect::<Result<_, _>>()?
        };
        let (core, chosen) = (Arc::clone(&self.0), ids.clone());
        tokio::task::spawn_blocking(move || action(&core, &chosen))
            .await
            .map_err(|error| AnswerError::Internal { why: error.to_string() })?;
        let done = names.into_iter().filter(|(id, _)| ids.contains(id)).map(|(_, name)| name).collect();
        Ok(Answer::Done { monitors: done })
    }
}

/// What is wrong with Hall Monitor itself. A store that takes nothing is told once something has waited for it for so
/// long, in microseconds.
pub(super) fn faults_of(core: &Core, patience_us: u64) -> Vec<Fault> {
    let mut faults = Vec::new();
    let mut add = |of: &str, what: String| faults.push(Fault { of: of.to_owned(), what });
    let in_force = lock(&core.in_force);
    if let Some(refused) = &in_force.refused {
        add("configuration", format!("the file is refused and the last good version stays in force: {refused}"));
    }
    if let Some(fault) = &in_force.storage_fault {
        add("storage", format!("history goes on to the former store, as the switch cannot be noted: {fault}"));
    }
    drop(in_force);
    let journal = core.delivery.journal().figures();
    if let Some(fault) = journal.fault {
        let (rows, dropped) = (journal.waiting_rows, journal.dropped);
        add("journal", format!("{fault}; {rows} rows wait in memory, {dropped} results were dropped"));
    }
    let delivery = core.delivery.status();
    let now = core.clock.wall();
    let has_lasted = patience_us == 0 || delivery.oldest_waiting.is_some_and(|old| now.since_us(old) >= patience_us);
    if let Some(fault) = delivery.fault.filter(|_| has_lasted) {
        add("storage", format!("{fault}; {} rows wait in the journal", delivery.backlog_rows));
    }
    if delivery.dead_letters > 0 {
        let rows = delivery.dead_letters;
        add("storage", format!("{rows} rows were refused for good: see `hallmonitor storage dead-letters list`"));
    }
    for former in core.delivery.history().former_stores() {
        if let Some(fault) = former.fault.filter(|_| former.backlog_rows > 0) {
            add("storage", format!("{} rows wait for {}: {fault}", former.backlog_rows, former.contact));
        }
    }
    let condensed = core.delivery.metrics().condensed;
    if let (Some(limit), is_over) = core.delivery.journal_limit()
        && (is_over || condensed > 0)
    {
        let over = if is_over { "; it is larger, and nothing in it can be summed up now" } else { "" };
        let what =
            format!("it reached its limit of {limit} bytes: {condensed} results were summed up by the hour{over}");
        add("journal", what);
    }
    if core.stuck.load(Ordering::Relaxed) {
        add("schedule", "no check was done for two intervals".to_owned());
    }
    faults
}

fn name_of(row: &BoardRow) -> MonitorName {
    let monitor = &row.monitor;
    MonitorName {
        id: monitor.id,
        name: monitor.name.clone(),
        group: monitor.group.clone(),
        kind: monitor.kind.to_owned(),
        target: monitor.target.clone(),
    }
}
