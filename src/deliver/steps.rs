//! Turns journaled rows into what a store is asked to do, in order.

use std::collections::HashMap;
use std::hash::Hash;

use crate::journal::decode;
use crate::model::{MonitorId, Row, Span, UnixMicros};
use crate::storage::Batch;

/// One thing a store is asked to do.
#[derive(Debug)]
pub(super) enum Step {
    /// Keep rows.
    Append(Batch),
    /// Drop everything of a monitor.
    Forget(MonitorId),
}

/// Rows for a store.
#[derive(Debug, Default)]
pub(super) struct Steps {
    /// In this order.
    pub(super) steps: Vec<Step>,
    /// Monitor and time of every result among them.
    pub(super) results: Vec<(MonitorId, UnixMicros)>,
    /// Monitor and time of every gap among them.
    pub(super) gaps: Vec<(MonitorId, Span)>,
}

/// Makes the steps for rows in the order of their numbers. A key that comes twice in one batch is written once, with
/// its last value; of results the first stays, as in a store. `by_monitor` puts the results of one monitor together.
/// Without `history` results and rollups are left out.
pub(super) fn steps<'a>(rows: impl Iterator<Item = (u64, &'a [u8])>, by_monitor: bool, history: bool) -> Steps {
    let mut made = Steps::default();
    let mut batch = Batch::default();
    for (number, payload) in rows {
        match decode(payload) {
            Ok(Row::Result(result)) => {
                made.results.push((result.monitor, result.time));
                if history {
                    batch.results.push(result);
                }
            }
            Ok(Row::Rollup(rollup)) if history => batch.rollups.push(rollup),
            Ok(Row::Rollup(_)) => {}
            Ok(Row::Gap(gap)) => {
                made.gaps.push((gap.monitor, gap.span));
                batch.gaps.push(gap);
            }
            Ok(Row::Incident(incident)) => batch.incidents.push(incident),
            Ok(Row::Monitor(monitor)) => batch.monitors.push(monitor),
            Ok(Row::Forget(monitor, _)) => {
                // What comes before it in the same batch would be written for nothing.
                batch.results.retain(|row| row.monitor != monitor);
                batch.rollups.retain(|row| row.monitor != monitor);
                batch.gaps.retain(|row| row.monitor != monitor);
                batch.incidents.retain(|row| row.monitor != monitor);
                batch.monitors.retain(|row| row.id != monitor);
                finish(&mut made, std::mem::take(&mut batch), by_monitor);
                made.steps.push(Step::Forget(monitor));
            }
            Err(error) => tracing::error!(number, %error, "a journal row cannot be understood and is left out"),
        }
    }
    finish(&mut made, batch, by_monitor);
    made
}

/// The steps for rows that are at hand decoded.
pub(super) fn steps_of(rows: impl Iterator<Item = Row>) -> Steps {
    let mut made = Steps::default();
    let mut batch = Batch::default();
    for row in rows {
        match row {
            Row::Result(result) => {
                made.results.push((result.monitor, result.time));
                batch.results.push(result);
            }
            Row::Gap(gap) => {
                made.gaps.push((gap.monitor, gap.span));
                batch.gaps.push(gap);
            }
            Row::Incident(incident) => batch.incidents.push(incident),
            Row::Monitor(monitor) => batch.monitors.push(monitor),
            Row::Rollup(rollup) => batch.rollups.push(rollup),
            Row::Forget(..) => {}
        }
    }
    finish(&mut made, batch, false);
    made
}

fn finish(made: &mut Steps, mut batch: Batch, by_monitor: bool) {
    if by_monitor {
        batch.results.sort_by_key(|row| (row.monitor, row.time));
        batch.results.dedup_by_key(|row| (row.monitor, row.time));
    } else {
        let mut seen = std::collections::HashSet::with_capacity(batch.results.len());
        batch.results.retain(|row| seen.insert((row.monitor, row.time)));
    }
    keep_last(&mut batch.rollups, |row| (row.monitor, row.tier, row.start), |_, _| {});
    keep_last(&mut batch.gaps, |row| (row.monitor, row.span.from), |_, _| {});
    keep_last(&mut batch.incidents, |row| row.id, |_, _| {});
    keep_last(&mut batch.monitors, |row| row.id, |last, first| last.first_seen = last.first_seen.min(first.first_seen));
    if !batch.is_empty() {
        made.steps.push(Step::Append(batch));
    }
}

/// Of rows with the same key only the last stays, in the place of the first.
fn keep_last<R, K: Hash + Eq>(rows: &mut Vec<R>, key: impl Fn(&R) -> K, merge: impl Fn(&mut R, &R)) {
    if rows.len() < 2 {
        return;
    }
    let mut place = HashMap::with_capacity(rows.len());
    let mut kept: Vec<R> = Vec::with_capacity(rows.len());
    for mut row in rows.drain(..) {
        match place.entry(key(&row)) {
            std::collections::hash_map::Entry::Occupied(at) => {
                let slot: &mut R = &mut kept[*at.get()];
                merge(&mut row, slot);
                *slot = row;
            }
            std::collections::hash_map::Entry::Vacant(free) => {
                free.insert(kept.len());
                kept.push(row);
            }
        }
    }
    *rows = kept;
}

/// Splits a batch in two halves, by rows.
pub(super) fn halves(mut batch: Batch) -> (Batch, Batch) {
    let mut left = batch.len() / 2;
    let mut first = Batch::default();
    macro_rules! part {
        ($($rows:ident),+) => {$(
            let count = left.min(batch.$rows.len());
            first.$rows = batch.$rows.drain(..count).collect();
            left -= count;
        )+};
    }
    part!(monitors, incidents, gaps, rollups, results);
    debug_assert_eq!(left, 0, "all rows are of one of these kinds");
    (first, batch)
}

/// The rows of a batch, one by one.
pub(super) fn rows(batch: Batch) -> impl Iterator<Item = Row> {
    let monitors = batch.monitors.into_iter().map(Row::Monitor);
    let incidents = batch.incidents.into_iter().map(Row::Incident);
    let gaps = batch.gaps.into_iter().map(Row::Gap);
    let rollups = batch.rollups.into_iter().map(Row::Rollup);
    monitors.chain(incidents).chain(gaps).chain(rollups).chain(batch.results.into_iter().map(Row::Result))
}
