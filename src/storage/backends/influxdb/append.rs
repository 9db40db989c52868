//! Writing rows. The server writes over a point of the same key, so a result that may be there already is looked for
//! first; after that, twice is as good as once. There are no transactions: what of a batch got through is made whole
//! when it comes again.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::io;
use std::ops::Range;
use std::sync::Arc;

use super::client::WriteFault;
use super::fault::{ID, unreadable};
use super::line::Lines;
use super::point::{self, Owner};
use super::proof::{Sent, prove};
use super::read::{self, SMALL_FIELD};
use super::store::{Home, Place};
use crate::model::{CheckResult, KnownMonitor, MonitorId, Span, Tier, UnixMicros};
use crate::storage::{Batch, StoreError, StoreErrorKind};

type Outcome<T> = Result<T, StoreError>;

pub(super) const OPERATION: &str = "append";
/// Points in one request.
const REQUEST_ROWS: usize = 5_000;
/// Results in the first request of an append: the server has something to do while the next is packed.
const FIRST_ROWS: usize = 1_000;
/// Monitors whose results of a day are looked for at once.
const LOOKED_FOR: usize = 16;

/// Keeps a batch.
pub(super) async fn append(home: &Home, batch: Batch) -> Outcome<()> {
    home.client.rested(OPERATION)?;
    let mut batch = batch.tidied();
    {
        let floors = &home.known().floors;
        batch.results.retain(|row| row.time >= floors.of(None, row.monitor));
        batch.rollups.retain(|row| row.start >= floors.of(Some(row.tier), row.monitor));
    }
    know(home, &mut batch.monitors);
    drop_known(home, &mut batch.results).await?;
    let rest = lines_of_rest(home, &batch);
    home.known().changing();
    if let Err(error) = send(home, &rest).await {
        home.known().doubt();
        return Err(error);
    }
    home.known().written(&batch);
    send_results(home, std::mem::take(&mut batch.results)).await
}

/// Remembers monitors; each keeps its earliest first sight.
fn know(home: &Home, monitors: &mut [KnownMonitor]) {
    let mut known = home.known();
    for monitor in monitors {
        if let Some(before) = known.monitors.get(&monitor.id) {
            monitor.first_seen = monitor.first_seen.min(before.first_seen);
        }
        known.monitors.insert(monitor.id, monitor.clone());
    }
}

/// Leaves out results whose key is there. The newest of each monitor is known: only what is not after it is looked for.
async fn drop_known(home: &Home, results: &mut Vec<CheckResult>) -> Outcome<()> {
    mark(home, results).await?;
    let mut late: BTreeMap<UnixMicros, BTreeMap<MonitorId, Span>> = BTreeMap::new();
    {
        let known = home.known();
        for row in results.iter() {
            if known.marks.get(&row.monitor).is_some_and(|mark| row.time <= *mark) {
                let day = late.entry(Tier::Day.bucket(row.time).from).or_default();
                let span = day.entry(row.monitor).or_insert_with(|| Span::new(row.time, row.time.plus_us(1)));
                *span = Span { from: span.from.min(row.time), to: span.to.max(row.time.plus_us(1)) };
            }
        }
    }
    let mut there: HashSet<(MonitorId, UnixMicros)> = HashSet::new();
    for day in late.into_values() {
        let spans: Vec<(MonitorId, Span)> = day.into_iter().collect();
        for some in spans.chunks(LOOKED_FOR) {
            look_for(home, some, &mut there).await?;
        }
    }
    results.retain(|row| !there.contains(&(row.monitor, row.time)));
    // Before they are sent: whether they got through may never be known.
    let mut known = home.known();
    for row in results.iter() {
        let mark = known.marks.entry(row.monitor).or_insert(row.time);
        *mark = row.time.max(*mark);
        known.intervals.insert(row.monitor, row.interval_us);
    }
    Ok(())
}

/// Finds out the newest result of monitors of which it is not known.
async fn mark(home: &Home, results: &[CheckResult]) -> Outcome<()> {
    let mut unknown: Vec<MonitorId> = {
        let known = home.known();
        results.iter().map(|row| row.monitor).filter(|monitor| !known.marks.contains_key(monitor)).collect()
    };
    unknown.dedup();
    if unknown.is_empty() {
        return Ok(());
    }
    let newest = read::newest_times(home, OPERATION, &unknown).await?;
    let mut known = home.known();
    for monitor in unknown {
        // A time before all others, where there is none; what stands exactly there is looked for, which does no harm.
        known.marks.insert(monitor, newest.get(&monitor).copied().unwrap_or(UnixMicros::MIN));
    }
    Ok(())
}

async fn look_for(
    home: &Home,
    spans: &[(MonitorId, Span)],
    there: &mut HashSet<(MonitorId, UnixMicros)>,
) -> Outcome<()> {
    let monitors: Vec<MonitorId> = spans.iter().map(|(monitor, _)| *monitor).collect();
    let from = spans.iter().map(|(_, span)| span.from).min().unwrap_or(UnixMicros::MIN);
    let to = spans.iter().map(|(_, span)| span.to).max().unwrap_or(UnixMicros::MIN);
    // The last instant there is has none after it.
    let span = Span::new(from, to);
    if span.is_empty() {
        return Ok(());
    }
    let flux = read::select_results_of(home, &monitors, span, SMALL_FIELD)
        .code("\n  |> keep(columns: [\"_time\", \"monitor\"])");
    for record in home.client.query(OPERATION, flux).await? {
        let (Some(monitor), Some(time)) = (record.monitor(), record.time()) else {
            return Err(unreadable(OPERATION, "a column is missing"));
        };
        there.insert((monitor, time));
    }
    Ok(())
}

/// The points of everything but results.
fn lines_of_rest(home: &Home, batch: &Batch) -> Lines {
    let mut lines = Lines::default();
    let known = home.known();
    let owner = |monitor: MonitorId| Owner { instance: &home.instance, known: known.monitors.get(&monitor) };
    for row in &batch.monitors {
        point::monitor(&mut lines, &home.instance, row);
    }
    for row in &batch.gaps {
        point::gap(&mut lines, owner(row.monitor), &row.monitor.to_string(), row);
    }
    for row in &batch.incidents {
        point::incident(&mut lines, owner(row.monitor), &row.monitor.to_string(), row);
    }
    for row in &batch.rollups {
        point::rollup(&mut lines, owner(row.monitor), &row.monitor.to_string(), row);
    }
    lines
}

/// Sends points in requests that the server takes, in order, and makes sure that it has them.
pub(super) async fn send(home: &Home, lines: &Lines) -> Outcome<()> {
    let mut sent = Vec::new();
    let mut from = 0;
    let mut most = REQUEST_ROWS;
    while from < lines.len() {
        let to = lines.len().min(from + most);
        let packed = packed(lines, from, to, home.piece_us(Place::Rest)).map_err(|error| unpackable(&error))?;
        match home.client.write(OPERATION, &home.bucket(Place::Rest), packed.body.clone()).await {
            Ok(()) => {
                from = to;
                sent.push(packed);
            }
            Err(fault) => most = fewer(to - from, fault)?,
        }
    }
    if sent.is_empty() { Ok(()) } else { prove(home, Place::Rest, &sent).await }
}

/// Some points, compressed.
fn packed(lines: &Lines, from: usize, to: usize, piece_us: u64) -> io::Result<Sent> {
    Ok(Sent { body: lines.gzip(from, to)?.into(), samples: lines.samples(from, to, piece_us) })
}

fn unpackable(error: &dyn std::fmt::Display) -> StoreError {
    StoreError::new(StoreErrorKind::Internal, ID, OPERATION, format!("points cannot be compressed: {error}"))
}

/// How many rows to send where so many are too large; the fault where that is no help.
fn fewer(rows: usize, fault: WriteFault) -> Outcome<usize> {
    match fault {
        WriteFault::TooLarge(_) if rows > 1 => Ok(rows / 2),
        WriteFault::TooLarge(mut error) => {
            // One row, and too large on its own, whoever says so.
            error.kind = StoreErrorKind::Internal;
            Err(error)
        }
        WriteFault::Other(error) => Err(error),
    }
}

/// Results that are to be sent, with what is written beside them.
struct Outgoing {
    instance: String,
    known: HashMap<MonitorId, KnownMonitor>,
    /// In the order of time.
    rows: Vec<CheckResult>,
    piece_us: u64,
}

impl Outgoing {
    /// The points of some of them, compressed.
    fn packed(&self, rows: Range<usize>) -> io::Result<Sent> {
        let mut lines = Lines::default();
        let mut ids: HashMap<MonitorId, String> = HashMap::new();
        for row in &self.rows[rows] {
            let owner = Owner { instance: &self.instance, known: self.known.get(&row.monitor) };
            let id = ids.entry(row.monitor).or_insert_with(|| row.monitor.to_string());
            point::result(&mut lines, owner, id, row);
        }
        packed(&lines, 0, lines.len(), self.piece_us)
    }
}

/// Sends results in requests that the server takes, in order, and makes sure that it has them. While one is on its way the
/// next is made.
async fn send_results(home: &Home, mut rows: Vec<CheckResult>) -> Outcome<()> {
    rows.sort_by_key(|row| row.time);
    let known = {
        let all = &home.known().monitors;
        let mut known = HashMap::new();
        for row in &rows {
            if let (None, Some(monitor)) = (known.get(&row.monitor), all.get(&row.monitor)) {
                known.insert(row.monitor, monitor.clone());
            }
        }
        known
    };
    let piece_us = home.piece_us(Place::Results);
    let outgoing = Arc::new(Outgoing { instance: home.instance.clone(), known, rows, piece_us });
    let pack = |rows: Range<usize>| {
        let outgoing = Arc::clone(&outgoing);
        (rows.clone(), tokio::task::spawn_blocking(move || outgoing.packed(rows)))
    };
    let end = outgoing.rows.len();
    let mut most = REQUEST_ROWS;
    let mut sent = Vec::new();
    let mut next = (end > 0).then(|| pack(0..FIRST_ROWS.min(end)));
    while let Some((rows, packing)) = next.take() {
        let packed = packing.await.map_err(|lost| unpackable(&lost))?.map_err(|error| unpackable(&error))?;
        let after = rows.end..end.min(rows.end + most);
        let following = (!after.is_empty()).then(|| pack(after));
        match home.client.write(OPERATION, &home.bucket(Place::Results), packed.body.clone()).await {
            Ok(()) => {
                sent.push(packed);
                next = following;
            }
            Err(fault) => {
                most = fewer(rows.len(), fault)?;
                next = Some(pack(rows.start..rows.start + most));
            }
        }
    }
    if sent.is_empty() { Ok(()) } else { prove(home, Place::Results, &sent).await }
}

/// Remembers a value.
pub(super) async fn set_meta(home: &Home, operation: &'static str, key: &str, value: &[u8]) -> Outcome<()> {
    let mut lines = Lines::default();
    point::meta(&mut lines, &home.instance, key, value);
    send(home, &lines).await.map_err(|mut error| {
        error.operation = operation;
        error
    })
}

/// Remembers a value that is read back by whoever asks.
pub(super) async fn set_passing(home: &Home, operation: &'static str, key: &str, value: &[u8]) -> Outcome<()> {
    let mut lines = Lines::default();
    point::meta(&mut lines, &home.instance, key, value);
    let body = lines.gzip(0, lines.len()).map_err(|error| unpackable(&error))?;
    home.client.write(operation, &home.bucket(Place::Rest), body.into()).await.map_err(WriteFault::error)
}
