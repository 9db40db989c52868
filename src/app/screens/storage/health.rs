//! How the store in use is doing, and the rows that it refused for good.

use std::time::Duration;

use super::super::Screens;
use crate::app::storage::report;
use crate::control::StorageReport;
use crate::deliver::{Letters, StorageMetrics};
use crate::model::{Row, Tier, UnixMicros};
use crate::screen::{
    ConnectionUse, DeadLetter, DeadLetters, Failed, HouseRun, Millis, Number, SizeLimit, SizePart, StorageState,
};
use crate::storage::SizeParts;

/// A store that has not answered by then is told without what only it knows.
const PATIENCE: Duration = Duration::from_millis(1_500);
/// Most letters at a time.
const MOST_LETTERS: usize = 200;

#[allow(clippy::cast_precision_loss, reason = "sizes and counts are below 2^53")]
fn number(number: u64) -> Number {
    Number(number as f64)
}

/// Rows in a minute, as they came since the counting began.
#[allow(clippy::cast_precision_loss, reason = "counts are below 2^53")]
fn per_minute(rows: u64, since: UnixMicros, now: UnixMicros) -> Option<Number> {
    let minutes = now.since_us(since) as f64 / 60e6;
    (rows > 0 && minutes > 0.1).then(|| Number(rows as f64 / minutes))
}

/// How long what waits will take, at the pace of the batches so far.
#[allow(clippy::cast_precision_loss, reason = "an estimate")]
fn gone_in(waiting: u64, metrics: &StorageMetrics) -> Option<Millis> {
    let (took, rows) = metrics.append_p50_us.zip(metrics.batch_max_rows)?;
    (rows > 0).then(|| Millis(waiting as f64 / rows as f64 * took as f64 / 1_000.0))
}

fn parts_of(parts: &SizeParts) -> Vec<SizePart> {
    let all = [
        ("raw", parts.results),
        ("fiveMinutes", parts.five_minutes),
        ("hour", parts.hour),
        ("day", parts.day),
        ("rollups", parts.rollups),
        ("rest", parts.rest),
    ];
    all.into_iter().filter_map(|(of, bytes)| Some(SizePart { of, bytes: number(bytes?) })).collect()
}

/// Whole days that are left, the one that runs among them.
fn days_since(from: UnixMicros, now: UnixMicros) -> u32 {
    u32::try_from(now.since_us(from).div_ceil(Tier::Day.width_us())).unwrap_or(u32::MAX)
}

fn state_of(report: StorageReport, now: UnixMicros) -> StorageState {
    let metrics = report.metrics.clone().unwrap_or_default();
    // What is gathered for the next batch, as usual, does not wait.
    let waiting = if report.fault.is_some() || report.state != "open" { report.backlog_rows } else { 0 };
    let own = report.store.as_ref().and_then(|store| store.own);
    let is_taken = report.fault.is_none() && report.state == "open";
    StorageState {
        gone_in_ms: gone_in(report.backlog_rows, &metrics).filter(|_| is_taken && report.backlog_rows > 0),
        backend: report.backend,
        contact: report.contact,
        state: report.state,
        fault: report.fault,
        last_write_ms: report.last_write.map(Millis::from),
        last_rows: metrics.batch_last_rows,
        rows_per_minute: report.since.and_then(|since| per_minute(metrics.rows, since, now)),
        append_p50_us: metrics.append_p50_us,
        append_p99_us: metrics.append_p99_us,
        waiting_rows: waiting,
        oldest_waiting_ms: report.oldest_waiting.filter(|_| waiting > 0).map(Millis::from),
        retries: metrics.retries,
        dead_letters: report.dead_letters,
        dropped: report.dropped,
        condensed: metrics.condensed,
        size_bytes: report.store.as_ref().and_then(|store| store.size_bytes).map(number),
        is_shared: own.is_some(),
        own_bytes: own.and_then(|own| own.bytes).map(number),
        results: report.store.as_ref().and_then(|store| store.results).map(number),
        oldest_ms: report.store.as_ref().and_then(|store| store.oldest).map(Millis::from),
        parts: report.store.as_ref().map(|store| parts_of(&store.parts)).unwrap_or_default(),
        house: metrics.house.map(|run| HouseRun {
            ended_ms: run.ended.into(),
            took_us: run.took_us,
            rows: run.results + run.rollups,
        }),
        house_fault: metrics.house_fault.map(|fault| fault.what),
        size_limit: metrics.size_limit.map(|limit| SizeLimit {
            bytes: number(limit.bytes),
            cut_to_days: limit.cut_to.map(|from| days_since(from, now)),
            is_over: limit.is_over,
        }),
        version: report.store.map(|store| store.version),
        journal_bytes: report.journal_bytes.map(number),
        journal_limit: report.journal_limit.map(number),
        expected_bytes: report.expected.map(|expected| number(expected.bytes)),
        expected_monitors: report.expected.map_or(0, |expected| expected.monitors),
        connections: report.pool.map(|pool| ConnectionUse { busy: pool.busy, idle: pool.idle, most: pool.most }),
        pruned_results: metrics.pruned_results,
        counted_since_ms: report.since.map(Millis::from),
    }
}

/// What kind of row it is, and its time.
fn about(row: &Row) -> (&'static str, Option<UnixMicros>) {
    match row {
        Row::Result(result) => ("result", Some(result.time)),
        Row::Gap(gap) => ("gap", Some(gap.span.from)),
        Row::Incident(incident) => ("incident", Some(incident.opened)),
        Row::Monitor(monitor) => ("monitor", Some(monitor.first_seen)),
        Row::Rollup(rollup) => ("rollup", Some(rollup.start)),
        Row::Forget(_, at) => ("forget", Some(*at)),
    }
}

fn letters_of(ids: Vec<String>) -> Letters {
    if ids.is_empty() { Letters::All } else { Letters::Ids(ids) }
}

fn fault(error: std::io::Error) -> Failed {
    Failed::File { path: "dead-letters.jsonl".to_owned(), what: error.to_string() }
}

impl Screens {
    /// How the store in use is doing; asks it, and does not wait long.
    pub async fn storage_state(&self) -> StorageState {
        let report = report(&self.core, PATIENCE).await;
        state_of(report, self.core.clock.wall())
    }

    /// Rows that were refused for good.
    ///
    /// # Errors
    /// Their file cannot be read.
    pub async fn dead_letters(&self) -> Result<DeadLetters, Failed> {
        self.at_desk(|desk| {
            let delivery = &desk.core.delivery;
            let (found, _) = delivery.dead_letters(MOST_LETTERS).map_err(fault)?;
            let board = desk.core.recorder.board();
            let letters = found.into_iter().map(|letter| {
                let (row, time) = about(&letter.row);
                let monitor = board.row(letter.row.monitor()).map(|row| row.monitor.name.clone());
                DeadLetter {
                    id: letter.id().to_string(),
                    at_ms: letter.at.into(),
                    contact: letter.contact.unwrap_or(letter.backend),
                    reason: letter.reason,
                    row: row.to_owned(),
                    monitor,
                    time_ms: time.map(Millis::from),
                    retry: letter.retry,
                }
            });
            Ok(DeadLetters { letters: letters.collect(), all: delivery.status().dead_letters })
        })
        .await
    }

    /// Has refused rows brought to their store again, by the ids of the letters; none named means all. Gives how many.
    ///
    /// # Errors
    /// Their file cannot be written.
    pub async fn retry_letters(&self, ids: Vec<String>) -> Result<u64, Failed> {
        self.at_desk(move |desk| desk.core.delivery.retry_letters(&letters_of(ids)).map_err(fault)).await
    }

    /// Drops refused rows for good, by the ids of the letters; none named means all. Gives how many.
    ///
    /// # Errors
    /// Their file cannot be written.
    pub async fn drop_letters(&self, ids: Vec<String>) -> Result<u64, Failed> {
        self.at_desk(move |desk| desk.core.delivery.drop_letters(&letters_of(ids)).map_err(fault)).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_waits_is_told_with_when_it_is_gone() {
        let now = UnixMicros::new(1_772_323_200_000_000);
        let metrics = StorageMetrics {
            rows: 6_000,
            append_p50_us: Some(100_000),
            batch_max_rows: Some(500),
            batch_last_rows: Some(42),
            ..StorageMetrics::default()
        };
        let report = StorageReport {
            state: "open".to_owned(),
            since: Some(now.minus_us(60_000_000)),
            backlog_rows: 5_000,
            oldest_waiting: Some(now.minus_us(1)),
            metrics: Some(metrics),
            ..StorageReport::default()
        };
        let well = state_of(report.clone(), now);
        assert_eq!((well.waiting_rows, well.gone_in_ms), (0, Some(Millis(1_000.0))), "it is being taken");
        assert_eq!((well.rows_per_minute, well.last_rows), (Some(Number(6_000.0)), Some(42)));
        let away = state_of(StorageReport { fault: Some("away".to_owned()), ..report }, now);
        assert_eq!((away.waiting_rows, away.gone_in_ms), (5_000, None), "nobody knows when it comes back");
        assert!(away.oldest_waiting_ms.is_some());
    }
}
