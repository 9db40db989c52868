//! Rollups of hours that are hard to tell: long outages, late verdicts, late gaps.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tempfile::TempDir;

use super::store::MemoryStore;
use super::{LONG, Shifted, options, start, until};
use crate::journal::fixture::{at, check_result, gap, known, monitor};
use crate::model::{Gap, MonitorId, Row, Tier, UnixMicros, Verdict};

/// 23:00 on the fixtures' first day, which began at 22:13:20.
const ELEVEN: u64 = 2_800;
const HOUR: u64 = 3_600;

fn keep(store: &MemoryStore, number: u64, second: u64, verdict: Verdict, interval_us: u64) {
    let row = crate::model::CheckResult { verdict, interval_us, ..check_result(number, second) };
    store.kept().results.insert((row.time, row.monitor), row);
}

fn keep_monitor(store: &MemoryStore, number: u64, first_seen: u64) {
    let row = crate::model::KnownMonitor { first_seen: at(first_seen), ..known(number) };
    store.kept().monitors.insert(row.id, row);
}

fn keep_gap(store: &MemoryStore, row: Gap) {
    store.kept().gaps.insert((row.monitor, row.span.from), row);
}

fn rolled_until(store: &MemoryStore) -> Option<UnixMicros> {
    let bytes = store.kept().metadata.get("rolled_until").cloned()?;
    UnixMicros::parse(std::str::from_utf8(&bytes).ok()?).ok()
}

/// Checks and microseconds of up of an hour.
fn hour(store: &MemoryStore, number: u64, from: u64) -> Option<(u64, u64)> {
    let kept = store.kept();
    kept.rollups.get(&(monitor(number), Tier::Hour, at(from))).map(|rollup| (rollup.checks, rollup.up_us))
}

#[test]
fn a_long_run_of_failures_costs_few_reads() {
    let dir = TempDir::new().expect("folder");
    let store = Arc::new(MemoryStore::new(1, 500));
    let hours = ELEVEN + 19 * HOUR;
    keep(&store, 1, 0, Verdict::Up, 60_000_000);
    (1..1_300).for_each(|n| keep(&store, 1, n * 60, Verdict::Down, 60_000_000));
    keep_monitor(&store, 1, hours);
    let mut options = options(dir.path());
    options.clock = Arc::new(Shifted(hours + HOUR + 200));
    let delivery = start(options, &store);
    until("rolled up", || rolled_until(&store) == Some(at(hours + HOUR)));
    let reads = store.reads.load(Ordering::SeqCst);
    assert!(reads < 20, "{reads} reads for one hour");
    let (checks, up_us) = hour(&store, 1, hours).expect("made");
    assert_eq!(checks, 60);
    assert!(up_us > 3_000_000_000, "unconfirmed failures leave the former state, of a day before: {up_us}");
    assert!(delivery.stop(LONG));
}

#[test]
fn what_is_put_off_is_made_after_a_restart() {
    let dir = TempDir::new().expect("folder");
    let store = Arc::new(MemoryStore::new(1, 500));
    for number in [1, 2] {
        keep_monitor(&store, number, ELEVEN);
        (0..120).for_each(|n| keep(&store, number, ELEVEN + n * 60, Verdict::Up, 60_000_000));
    }
    let open = Arc::new(AtomicBool::new(true));
    let options = || {
        let mut options = options(dir.path());
        let open = Arc::clone(&open);
        options.clock = Arc::new(Shifted(ELEVEN + 2 * HOUR + 200));
        options.undecided =
            Arc::new(move |id| (id == monitor(2) && open.load(Ordering::SeqCst)).then(|| at(ELEVEN + 60)));
        options
    };
    let delivery = start(options(), &store);
    until("the first is rolled up", || hour(&store, 1, ELEVEN + HOUR).is_some());
    until("remembered", || rolled_until(&store).is_some());
    assert!(delivery.stop(LONG));
    assert_eq!(hour(&store, 2, ELEVEN), None, "not decided");
    assert_eq!(rolled_until(&store), Some(at(ELEVEN)));
    open.store(false, Ordering::SeqCst);
    let delivery = start(options(), &store);
    until("the second is rolled up", || hour(&store, 2, ELEVEN).is_some() && hour(&store, 2, ELEVEN + HOUR).is_some());
    assert_eq!(hour(&store, 2, ELEVEN).map(|(checks, _)| checks), Some(60));
    assert!(delivery.stop(LONG));
}

#[test]
fn gaps_before_and_after_the_hour_was_made_count() {
    let dir = TempDir::new().expect("folder");
    let store = Arc::new(MemoryStore::new(1, 500));
    // Both would reach through the whole hour.
    for number in [1, 2] {
        keep_monitor(&store, number, ELEVEN);
        keep(&store, number, ELEVEN - 500, Verdict::Up, 3 * HOUR * 1_000_000);
    }
    keep_gap(&store, gap(monitor(1), ELEVEN - 400, ELEVEN - 300));
    let mut options = options(dir.path());
    options.clock = Arc::new(Shifted(ELEVEN + HOUR + 200));
    let delivery = start(options, &store);
    until("rolled up", || rolled_until(&store) == Some(at(ELEVEN + HOUR)));
    assert_eq!(hour(&store, 1, ELEVEN), None, "cut before the hour");
    assert_eq!(hour(&store, 2, ELEVEN), Some((0, HOUR * 1_000_000)));
    delivery.journal().push(&Row::Gap(gap(MonitorId::ALL, ELEVEN - 200, ELEVEN + 100)));
    until("made again", || hour(&store, 2, ELEVEN) == Some((0, 0)));
    assert!(delivery.stop(LONG));
}
