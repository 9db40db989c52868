//! Keeping house: what is told of it, and how a limit of the size is kept in a store that gives its bytes back at once,
//! late, or never.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use tempfile::TempDir;

use super::store::{MemoryStore, Mood, ROW_BYTES};
use super::{LONG, Shifted, block, options, start, until};
use crate::deliver::{Delivery, PruneNow, Pruning, SizeLimit};
use crate::journal::fixture::{at, check_result, result};
use crate::model::{MonitorId, Tier, UnixMicros};
use crate::storage::{KeptDays, Retention, StoreErrorKind};

const HOUR: u64 = 3_600;
const DAY: u64 = 24 * HOUR;
const DAYS: u64 = 20;
/// Of a monitor in a day.
const A_DAY: u64 = 24;
const NOW: u64 = DAYS * DAY;

/// A store with twenty days of two monitors, the second of which is kept for ever.
fn full(is_lazy: bool) -> Arc<MemoryStore> {
    let mut store = MemoryStore::new(1, 500);
    store.capabilities.frees_room = true;
    store.is_lazy.store(is_lazy, Ordering::SeqCst);
    for number in [1, 2] {
        for hour in 0..DAYS * A_DAY {
            let row = check_result(number, hour * HOUR);
            store.kept().results.insert((row.time, row.monitor), row);
        }
    }
    Arc::new(store)
}

fn limited(dir: &TempDir, store: &Arc<MemoryStore>, max_bytes: Option<u64>) -> Delivery {
    let mut options = options(dir.path());
    options.clock = Arc::new(Shifted(NOW));
    let mut retention = Retention { raw_days: Some(1_000), max_bytes, ..Retention::everything() };
    let ever = KeptDays { raw: None, five_minutes: None, hour: None, day: None };
    retention.own.insert(check_result(2, 0).monitor, ever);
    options.retention = retention;
    start(options, store)
}

/// Keeps house to its end, now.
fn keep_house(delivery: &Delivery) -> SizeLimit {
    keep_runs(delivery).expect("looked")
}

/// The same, with a limit or without.
fn keep_runs(delivery: &Delivery) -> Option<SizeLimit> {
    let before = delivery.metrics().house_runs;
    assert!(matches!(block(delivery.prune_now(LONG)), PruneNow::Done(_)));
    until("house is kept", || delivery.metrics().house_runs > before);
    delivery.metrics().size_limit
}

fn oldest(store: &MemoryStore, monitor: MonitorId) -> UnixMicros {
    store.kept().results.keys().find(|(_, of)| *of == monitor).expect("some are left").0
}

const ALL: u64 = 2 * DAYS * A_DAY * ROW_BYTES;

#[test]
fn the_oldest_days_go_until_the_rest_fits() {
    let (dir, store) = (TempDir::new().expect("folder"), full(false));
    let delivery = limited(&dir, &store, Some(ALL / 2));
    let limit = keep_house(&delivery);
    let cut = limit.cut_to.expect("it is too much");
    assert_eq!((limit.bytes, limit.is_over, cut.floor_to(Tier::Day.width_us())), (ALL / 2, false, cut));
    let left = store.kept().results.len() as u64;
    assert!(left * ROW_BYTES <= ALL / 2 && left * ROW_BYTES > ALL / 3, "{left}: no more than has to");
    for number in [1, 2] {
        let monitor = check_result(number, 0).monitor;
        assert!(oldest(&store, monitor) >= cut && oldest(&store, monitor) < cut.plus_us(HOUR * 1_000_000), "alike");
    }
    let run = delivery.metrics().house.expect("told");
    assert_eq!((run.ended, run.results), (at(NOW), 2 * DAYS * A_DAY - left));
    // Nothing more goes while it fits.
    keep_house(&delivery);
    assert_eq!(store.kept().results.len() as u64, left);
    // Nothing is told of a limit that was taken away.
    delivery.set_retention(Retention { max_bytes: None, ..delivery.retention() });
    let runs = delivery.metrics().house_runs;
    assert!(matches!(block(delivery.prune_now(LONG)), PruneNow::Done(_)));
    until("house is kept", || delivery.metrics().house_runs > runs);
    assert_eq!((delivery.metrics().size_limit, store.kept().results.len() as u64), (None, left));
    assert!(delivery.stop(LONG));
}

#[test]
fn the_last_day_stays_however_small_the_limit() {
    let (dir, store) = (TempDir::new().expect("folder"), full(false));
    let delivery = limited(&dir, &store, Some(1));
    let limit = keep_house(&delivery);
    assert!(limit.is_over, "nothing else may go");
    let newest = store.kept().results.keys().filter(|(time, _)| *time >= at(NOW - DAY)).count() as u64;
    assert_eq!(newest, 2 * A_DAY, "the last 24 hours");
    assert!(limit.cut_to.expect("cut") <= at(NOW - DAY));
    assert!(store.kept().results.len() as u64 <= 4 * A_DAY, "and all before goes by whole days");
    assert!(delivery.stop(LONG));
}

#[test]
fn a_store_that_frees_late_is_not_cut_again_and_again() {
    let (dir, store) = (TempDir::new().expect("folder"), full(true));
    let delivery = limited(&dir, &store, Some(ALL / 2));
    let limit = keep_house(&delivery);
    assert!(limit.is_over && limit.cut_to.is_some(), "its bytes are not back: {limit:?}");
    let left = store.kept().results.len();
    let taken = left as u64 * ROW_BYTES;
    assert!(taken > ALL / 3 && taken < ALL / 2, "only what is too much: {left}");
    for _ in 0..3 {
        keep_house(&delivery);
    }
    assert!(delivery.stop(LONG));
    // It is remembered over a restart.
    let delivery = limited(&dir, &store, Some(ALL / 2));
    let limit = keep_house(&delivery);
    assert_eq!((store.kept().results.len(), limit.is_over), (left, true));
    store.is_lazy.store(false, Ordering::SeqCst);
    let limit = keep_house(&delivery);
    assert_eq!((store.kept().results.len(), limit.is_over), (left, false));
    assert!(delivery.stop(LONG));
    // Once nobody wants a limit, nothing is told of it.
    let delivery = limited(&dir, &store, None);
    until("forgotten", || {
        store.kept().metadata.get("size_cut").is_some_and(Vec::is_empty) || {
            let _ = block(delivery.prune_now(LONG));
            false
        }
    });
    assert_eq!((delivery.metrics().size_limit, store.kept().results.len()), (None, left));
    assert!(delivery.stop(LONG));
}

#[test]
fn a_limit_that_comes_again_does_not_take_what_is_about_to_be_free() {
    let (dir, store) = (TempDir::new().expect("folder"), full(true));
    let delivery = limited(&dir, &store, Some(ALL / 2));
    keep_house(&delivery);
    let left = store.kept().results.len();
    let told = |max_bytes| {
        delivery.set_retention(Retention { max_bytes, ..delivery.retention() });
        keep_runs(&delivery)
    };
    assert_eq!(told(None), None);
    let again = told(Some(ALL / 2)).expect("looked");
    assert_eq!((store.kept().results.len(), again.is_over), (left, true), "its bytes are not back: {again:?}");
    // Once they are, and nobody wanted one meanwhile, another limit begins anew.
    store.is_lazy.store(false, Ordering::SeqCst);
    told(None);
    assert!(store.kept().metadata.get("size_cut").is_some_and(Vec::is_empty));
    let less = told(Some(ALL / 4)).expect("looked");
    assert!(store.kept().results.len() < left && !less.is_over, "{less:?}");
    assert!(delivery.stop(LONG));
}

#[test]
fn a_limit_that_is_raised_before_anything_went_takes_nothing() {
    for raised in [Some(ALL), None] {
        let (dir, store) = (TempDir::new().expect("folder"), full(false));
        let all = store.kept().results.len();
        store.sums_up.store(usize::MAX, Ordering::SeqCst);
        let delivery = limited(&dir, &store, Some(ALL / 2));
        let summing = || delivery.pruning().is_some_and(|now| now.left.is_some());
        until("a cut is planned", summing);
        delivery.set_retention(Retention { max_bytes: raised, ..delivery.retention() });
        let runs = delivery.metrics().house_runs;
        until("house is kept", || delivery.metrics().house_runs > runs);
        store.sums_up.store(0, Ordering::SeqCst);
        assert_eq!(keep_runs(&delivery), raised.map(|bytes| SizeLimit { bytes, cut_to: None, is_over: false }));
        assert_eq!(store.kept().results.len(), all, "nothing has to go for {raised:?}");
        // Nor does it after a restart, or when another limit comes that is large enough.
        assert!(delivery.stop(LONG));
        let delivery = limited(&dir, &store, Some(ALL));
        assert_eq!(keep_house(&delivery).cut_to, None);
        assert_eq!(store.kept().results.len(), all);
        assert!(delivery.stop(LONG));
    }
}

#[test]
fn a_store_that_frees_nothing_soon_has_no_limit() {
    let dir = TempDir::new().expect("folder");
    let mut store = Arc::into_inner(full(false)).expect("mine");
    store.capabilities.frees_room = false;
    let store = Arc::new(store);
    let delivery = limited(&dir, &store, Some(1));
    until("kept", || {
        matches!(block(delivery.prune_now(LONG)), PruneNow::Done(_)) && delivery.metrics().house.is_some()
    });
    assert_eq!(delivery.metrics().size_limit, None);
    assert_eq!(store.kept().results.len() as u64, 2 * DAYS * A_DAY);
    assert!(delivery.stop(LONG));
}

#[test]
fn a_long_prune_tells_how_far_it_is_and_lets_rows_by() {
    let (dir, store) = (TempDir::new().expect("folder"), full(false));
    store.pruned_at_once.store(100, Ordering::SeqCst);
    let delivery = limited(&dir, &store, None);
    until("kept once", || delivery.metrics().house_runs > 0);
    assert_eq!(delivery.pruning(), None);
    delivery.set_retention(Retention { raw_days: Some(1), ..Retention::everything() });
    let floor = at(NOW).minus_us(DAY * 1_000_000).floor_to(DAY * 1_000_000);
    let old = store.kept().results.keys().filter(|(time, _)| *time < floor).count() as u64;
    let (mut seen, mut brought) = (Vec::new(), 0);
    let pruned = std::thread::scope(|scope| {
        let prune = scope.spawn(|| block(delivery.prune_now(LONG)));
        while !prune.is_finished() {
            if let Some(pruning) = delivery.pruning().filter(|now| now.left.is_some() && seen.last() != Some(now)) {
                seen.push(pruning);
                // A result of now is brought before the prune goes on for long.
                brought += 1;
                let row = check_result(3, NOW + brought);
                let key = (row.time, row.monitor);
                delivery.journal().push(&result(3, NOW + brought));
                until("brought", || store.kept().results.contains_key(&key));
                assert!(brought < 3 || delivery.pruning().is_some(), "it was at work all the while");
            }
            std::thread::sleep(std::time::Duration::from_millis(1));
        }
        prune.join().expect("ends")
    });
    assert_eq!(pruned, PruneNow::Done(old));
    let gone: Vec<u64> = seen.iter().map(|pruning| pruning.results).collect();
    assert!(gone.len() > 5 && gone.is_sorted() && gone.iter().all(|gone| *gone < old), "{gone:?}");
    let share = |pruning: &Pruning| pruning.left.map(|left| (left.of, left.done));
    assert!(
        seen.iter().map(share).is_sorted() && seen.iter().map(share).all(|left| left.is_some_and(|left| left.0 == old))
    );
    assert_eq!(delivery.pruning(), None);
    let house = delivery.metrics().house.expect("kept");
    assert_eq!(house.results, old, "one run, however many pieces");
    assert!(delivery.stop(LONG));
}

#[test]
fn house_that_cannot_be_kept_says_why_until_it_can() {
    let (dir, store) = (TempDir::new().expect("folder"), full(false));
    store.no_prune.store(true, Ordering::SeqCst);
    let delivery = limited(&dir, &store, None);
    assert_eq!((delivery.metrics().house, delivery.metrics().house_fault), (None, None), "nothing is known yet");
    let delivery = Arc::new(delivery);
    until("told", || {
        let _ = block(delivery.prune_now(std::time::Duration::from_millis(100)));
        delivery.metrics().house_fault.is_some()
    });
    let fault = delivery.metrics().house_fault.expect("told");
    assert!(fault.what.contains("prune") && fault.at == at(NOW), "{fault:?}");
    assert_eq!(delivery.metrics().house, None);
    store.no_prune.store(false, Ordering::SeqCst);
    until("kept", || {
        matches!(block(delivery.prune_now(LONG)), PruneNow::Done(_)) && delivery.metrics().house.is_some()
    });
    assert_eq!(delivery.metrics().house_fault, None);
    store.set_mood(Mood::Failing(StoreErrorKind::Unavailable));
    assert!(Arc::into_inner(delivery).expect("mine").stop(LONG));
}
