//! Delivery to a store that is well, away, slow, broken or picky; and reads that merge what it has with what it has not.

mod house;
mod limit;
mod store;
mod switch;
mod upkeep;

use std::collections::HashMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use proptest::prelude::*;
use store::{MemoryStore, Mood, Opener};
use tempfile::TempDir;

use super::{DeadLetter, DeadLetters, Delivery, DeliveryOptions, History, Letters};
use crate::clock::{Clock, Mono, SystemClock};
use crate::event::{Event, Events};
use crate::journal::fixture::{at, check_result, gap, incident, known, monitor, result};
use crate::model::{CheckResult, IncidentEnd, MonitorId, Row, Span, Tier, UnixMicros};
use crate::storage::{GapQuery, IncidentQuery, ReadRows, ResultQuery, StoreErrorKind};

const LONG: Duration = Duration::from_secs(20);
const ALWAYS: Span = Span { from: UnixMicros::MIN, to: UnixMicros::MAX };

fn options(dir: &Path) -> DeliveryOptions {
    let mut options = DeliveryOptions::new(dir.to_owned(), Arc::new(SystemClock), Events::new());
    options.journal.close_after = Duration::from_millis(10);
    options.first_retry = Some(Duration::from_millis(10));
    options.call_timeout = Duration::from_millis(200);
    options.save_every_us = 0;
    options
}

fn start(options: DeliveryOptions, store: &Arc<MemoryStore>) -> Delivery {
    let (delivery, recovered) = Delivery::start(options, Arc::new(Opener(Arc::clone(store)))).expect("starts");
    assert!(recovered.is_clean());
    delivery
}

/// Looks again and again, for at most 20 s.
fn until(what: &str, mut there: impl FnMut() -> bool) {
    for _ in 0..4_000 {
        if there() {
            return;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    panic!("never: {what}");
}

fn block<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("runtime").block_on(future)
}

fn all_results(history: &impl ReadRows, of: Option<MonitorId>, limit: usize) -> Vec<CheckResult> {
    let mut query = ResultQuery { monitor: of, span: ALWAYS, limit, after: None };
    let mut all = Vec::new();
    loop {
        let page = block(history.results(&query)).expect("reads");
        assert!(page.results.len() <= limit);
        all.extend(page.results);
        query.after = page.next;
        if query.after.is_none() {
            return all;
        }
    }
}

fn newest_first(rows: impl IntoIterator<Item = (u64, u64)>) -> Vec<CheckResult> {
    let mut rows: Vec<CheckResult> = rows.into_iter().map(|(monitor, second)| check_result(monitor, second)).collect();
    rows.sort_by_key(|row| std::cmp::Reverse((row.time, row.monitor)));
    rows
}

fn assert_in_order(store: &MemoryStore) {
    let mut last: HashMap<MonitorId, UnixMicros> = HashMap::new();
    for (monitor, time) in &store.kept().arrivals {
        assert!(last.insert(*monitor, *time).is_none_or(|last| last < *time), "out of order or twice");
    }
}

fn pairs(count: u64) -> impl Iterator<Item = (u64, u64)> {
    (0..count).map(|n| (n % 13, n))
}

#[test]
fn rows_arrive_once_and_in_order_and_are_read_all_the_time() {
    for slices in [1, 8, 64] {
        let dir = TempDir::new().expect("folder");
        let store = Arc::new(MemoryStore::new(slices, 50));
        let delivery = start(options(dir.path()), &store);
        let history = delivery.history();
        for (n, (monitor, second)) in pairs(600).enumerate() {
            delivery.journal().push(&result(monitor, second));
            if n % 100 == 99 {
                assert!(delivery.journal().flush(LONG));
                assert_eq!(all_results(&history, None, 37), newest_first(pairs(n as u64 + 1)));
            }
        }
        until("delivered", || delivery.status().backlog_rows == 0);
        assert_eq!(store.kept().results.len(), 600);
        assert!(store.kept().batches.iter().all(|rows| *rows <= 50));
        assert_in_order(&store);
        assert_eq!(all_results(&history, Some(monitor(3)), 10), newest_first(pairs(600).filter(|(m, _)| *m == 3)));
        assert!(history.complete());
        assert_eq!(delivery.status().state, "open");
        assert!(delivery.stop(LONG));
        assert_eq!(delivery.status().state, "stopped");
    }
}

#[test]
fn a_store_that_cannot_be_opened_delays_nothing_but_delivery() {
    let dir = TempDir::new().expect("folder");
    let store = Arc::new(MemoryStore::new(1, 100));
    store.shut.store(true, Ordering::SeqCst);
    let mut options = options(dir.path());
    // So little that most rows are in the journal's files only.
    options.head_bytes = 10_000;
    let mut told = options.events.listen();
    let delivery = start(options, &store);
    for (monitor, second) in pairs(2_000) {
        delivery.journal().push(&result(monitor, second));
        if second % 200 == 0 {
            assert!(delivery.journal().flush(LONG));
        }
    }
    assert!(delivery.journal().flush(LONG));
    let fault = told.blocking_recv().expect("told");
    assert!(
        matches!(&fault, Event::StorageState { fault: Some(fault) } if fault.contains("wrong password")),
        "{fault:?}"
    );
    let status = delivery.status();
    assert_eq!((status.state, status.backlog_rows), ("fault", 2_000));
    assert!(status.backlog_bytes <= 12_500, "{status:?}");
    assert_eq!(status.oldest_waiting, Some(at(0)));
    let history = delivery.history();
    assert!(!history.complete());
    assert_eq!(all_results(&history, None, 999), newest_first(pairs(2_000)), "read from the journal meanwhile");
    let latest = block(history.latest(&[monitor(0), monitor(12)], at(9_999))).expect("reads");
    assert_eq!(latest, [check_result(0, 1_989), check_result(12, 1_988)]);
    store.shut.store(false, Ordering::SeqCst);
    until("delivered", || delivery.status().backlog_rows == 0);
    assert!(matches!(told.blocking_recv(), Ok(Event::StorageState { fault: None })));
    assert_eq!(store.kept().arrivals.len(), 2_000);
    assert_in_order(&store);
    assert!(delivery.stop(LONG));
}

#[test]
fn faults_hangs_and_panics_are_told_and_rows_wait() {
    for mood in [
        Mood::Failing(StoreErrorKind::Unavailable),
        Mood::Failing(StoreErrorKind::Unauthorized),
        Mood::Hanging,
        Mood::Panicking,
    ] {
        let dir = TempDir::new().expect("folder");
        let store = Arc::new(MemoryStore::new(4, 100));
        let delivery = start(options(dir.path()), &store);
        delivery.journal().push(&result(1, 1));
        until("delivered", || store.kept().results.len() == 1);
        store.set_mood(mood);
        (2..300).for_each(|second| delivery.journal().push(&result(second % 5, second)));
        until("told", || delivery.status().fault.is_some());
        assert_eq!(store.kept().results.len(), 1);
        store.set_mood(Mood::Well);
        until("delivered", || delivery.status().backlog_rows == 0);
        assert_eq!(delivery.status().fault, None);
        assert_eq!(store.kept().arrivals.len(), 299, "{mood:?}");
        assert_eq!(delivery.status().dead_letters, 0, "a broken store refuses no rows");
        assert_in_order(&store);
        assert!(delivery.stop(LONG));
    }
}

#[test]
fn refused_rows_become_dead_letters_with_their_reason() {
    let dir = TempDir::new().expect("folder");
    let mut picky = MemoryStore::new(1, 64);
    picky.refused = Some(monitor(3));
    let store = Arc::new(picky);
    let delivery = start(options(dir.path()), &store);
    pairs(130).for_each(|(monitor, second)| delivery.journal().push(&result(monitor, second)));
    until("delivered", || delivery.journal().flush(LONG) && delivery.status().backlog_rows == 0);
    assert_eq!(store.kept().results.len(), 120);
    assert_eq!(delivery.status().dead_letters, 10);
    assert!(delivery.stop(LONG));
    let text = fs::read_to_string(dir.path().join("dead-letters.jsonl")).expect("reads");
    let letters: Vec<DeadLetter> = text.lines().map(|line| serde_json::from_str(line).expect("reads")).collect();
    let rows: Vec<Row> = letters.iter().map(|letter| letter.row.clone()).collect();
    assert_eq!(rows, pairs(130).filter(|(m, _)| *m == 3).map(|(m, s)| result(m, s)).collect::<Vec<_>>());
    assert!(letters.iter().all(|letter| letter.reason.contains("too ugly") && letter.backend == "memory"));
    let again = start(options(dir.path()), &store);
    until("counted", || again.status().dead_letters == 10);
    assert!(again.stop(LONG));
}

#[test]
fn dead_letters_are_brought_again_or_dropped_when_somebody_says_so() {
    let dir = TempDir::new().expect("folder");
    let mut picky = MemoryStore::new(1, 64);
    picky.refused = Some(monitor(3));
    let store = Arc::new(picky);
    let delivery = start(options(dir.path()), &store);
    pairs(130).for_each(|(monitor, second)| delivery.journal().push(&result(monitor, second)));
    until("refused", || delivery.journal().flush(LONG) && delivery.status().dead_letters == 10);
    let (letters, damaged) = delivery.dead_letters(3).expect("reads");
    assert_eq!((letters.len(), damaged), (3, 0));
    assert_eq!(letters[0].row, result(3, 120), "the newest first");
    // Refused anew: kept as new letters, counted once.
    assert_eq!(delivery.retry_letters(&Letters::All).expect("marks"), 10);
    until("refused again", || delivery.metrics().refused == 20);
    until("kept", || delivery.dead_letters(99).expect("reads").0.iter().all(|letter| !letter.retry));
    assert_eq!((delivery.status().dead_letters, delivery.metrics().letters_retried), (10, 0));
    let one = Letters::Ids(vec![delivery.dead_letters(1).expect("reads").0[0].id().to_string()]);
    assert_eq!(delivery.drop_letters(&one).expect("drops"), 1);
    // While the store is away they wait like other rows; the next start goes on.
    store.set_mood(Mood::Failing(StoreErrorKind::Unavailable));
    store.forgiven.store(true, Ordering::SeqCst);
    assert_eq!(delivery.retry_letters(&Letters::All).expect("marks"), 9);
    until("told", || delivery.status().fault.is_some());
    assert!(delivery.stop(LONG));
    assert_eq!(store.kept().results.len(), 120);
    store.set_mood(Mood::Well);
    let delivery = start(options(dir.path()), &store);
    until("brought", || delivery.status().dead_letters == 0);
    assert_eq!(store.kept().results.len(), 129);
    until("counted", || delivery.metrics().letters_retried == 9);
    assert!(delivery.stop(LONG));
}

#[test]
fn a_mark_in_the_file_is_enough_for_the_next_start() {
    let dir = TempDir::new().expect("folder");
    let mut picky = MemoryStore::new(8, 64);
    picky.refused = Some(monitor(3));
    let store = Arc::new(picky);
    let delivery = start(options(dir.path()), &store);
    pairs(130).for_each(|(monitor, second)| delivery.journal().push(&result(monitor, second)));
    until("refused", || delivery.journal().flush(LONG) && delivery.status().dead_letters == 10);
    assert!(delivery.stop(LONG));
    assert_eq!(DeadLetters::open(dir.path()).retry(&Letters::All).expect("marks"), 10);
    store.forgiven.store(true, Ordering::SeqCst);
    let delivery = start(options(dir.path()), &store);
    until("brought", || delivery.status().dead_letters == 0);
    assert_eq!(store.kept().results.len(), 130);
    assert!(delivery.stop(LONG));
}

#[test]
fn delivery_counts_what_it_does() {
    let dir = TempDir::new().expect("folder");
    let store = Arc::new(MemoryStore::new(1, 40));
    let delivery = start(options(dir.path()), &store);
    pairs(400).for_each(|(monitor, second)| delivery.journal().push(&result(monitor, second)));
    until("delivered", || delivery.journal().flush(LONG) && delivery.status().backlog_rows == 0);
    let metrics = delivery.metrics();
    let batches = store.kept().batches.clone();
    assert_eq!((metrics.appends, metrics.rows), (batches.len() as u64, 400));
    assert_eq!(metrics.batch_max_rows, batches.iter().max().map(|rows| *rows as u64));
    assert_eq!(metrics.batch_last_rows, batches.last().map(|rows| *rows as u64));
    assert!(metrics.append_p50_us.is_some() && metrics.append_p50_us <= metrics.append_p99_us);
    assert!(metrics.append_p99_us <= metrics.append_max_us);
    assert_eq!((metrics.retries, metrics.refused), (0, 0));
    store.set_mood(Mood::Failing(StoreErrorKind::Unavailable));
    delivery.journal().push(&result(1, 999));
    until("counted", || delivery.metrics().retries >= 2);
    assert_eq!(delivery.metrics().rows, 400);
    assert!(delivery.stop(LONG));
}

#[test]
fn delivered_again_after_a_crash_changes_nothing() {
    let dir = TempDir::new().expect("folder");
    let store = Arc::new(MemoryStore::new(8, 50));
    let delivery = start(options(dir.path()), &store);
    pairs(100).for_each(|(monitor, second)| delivery.journal().push(&result(monitor, second)));
    until("delivered", || delivery.journal().flush(LONG) && delivery.status().backlog_rows == 0);
    let cursors = dir.path().join("journal/cursors.json");
    until("saved", || fs::read_to_string(&cursors).is_ok_and(|text| text.contains("the-store")));
    assert!(delivery.stop(LONG));
    // As if the process had died between the store's answer and the cursor.
    fs::remove_file(&cursors).expect("removes");
    let delivery = start(options(dir.path()), &store);
    delivery.journal().push(&result(1, 1_000));
    until("delivered", || store.kept().results.len() == 101);
    assert!(delivery.stop(LONG));
    assert_eq!(store.kept().arrivals.len(), 201);
    // With the cursor nothing comes twice.
    assert!(start(options(dir.path()), &store).stop(LONG));
    assert_eq!(store.kept().arrivals.len(), 201);
}

#[test]
fn a_forgotten_monitor_is_gone_at_once_and_may_come_back() {
    let dir = TempDir::new().expect("folder");
    let store = Arc::new(MemoryStore::new(64, 50));
    let delivery = start(options(dir.path()), &store);
    let history = delivery.history();
    delivery.journal().push(&Row::Monitor(known(1)));
    pairs(100).for_each(|(monitor, second)| delivery.journal().push(&result(monitor, second)));
    until("delivered", || store.kept().results.len() == 100);
    store.set_mood(Mood::Failing(StoreErrorKind::Unavailable));
    delivery.journal().push(&result(1, 500));
    delivery.journal().push(&Row::Forget(monitor(1), at(501)));
    delivery.journal().push(&result(1, 502));
    assert!(delivery.journal().flush(LONG));
    assert!(store.kept().results.len() == 100, "the store still has them");
    assert_eq!(all_results(&history, Some(monitor(1)), 5), newest_first([(1, 502)]));
    assert!(block(history.monitors()).expect("reads").is_empty());
    store.set_mood(Mood::Well);
    until("delivered", || delivery.status().backlog_rows == 0);
    assert_eq!(all_results(&*store, Some(monitor(1)), 5), newest_first([(1, 502)]));
    assert_eq!(all_results(&history, None, 1_000).len(), 100 - 8 + 1);
    assert!(delivery.stop(LONG));
}

#[test]
fn the_newest_version_of_incidents_and_gaps_is_read() {
    let dir = TempDir::new().expect("folder");
    let store = Arc::new(MemoryStore::new(1, 50));
    let delivery = start(options(dir.path()), &store);
    let history = delivery.history();
    delivery.journal().push(&Row::Incident(incident(1, 10, IncidentEnd::Open)));
    delivery.journal().push(&Row::Gap(gap(MonitorId::ALL, 5, 6)));
    until("delivered", || store.kept().gaps.len() == 1);
    store.set_mood(Mood::Hanging);
    let closed = incident(1, 10, IncidentEnd::Recovered(at(20)));
    delivery.journal().push(&Row::Incident(closed.clone()));
    delivery.journal().push(&Row::Gap(gap(MonitorId::ALL, 5, 9)));
    assert!(delivery.journal().flush(LONG));
    let query = IncidentQuery { monitor: Some(monitor(1)), span: ALWAYS, limit: 9 };
    assert_eq!(block(history.incidents(&query)).expect("reads"), [closed]);
    // The closed one does not touch a time after its end, though the store's open one does.
    let later = IncidentQuery { span: Span::new(at(30), at(40)), ..query };
    assert!(block(history.incidents(&later)).expect("reads").is_empty());
    let gaps = GapQuery { monitor: Some(monitor(7)), span: Span::new(at(8), at(10)) };
    assert_eq!(block(history.gaps(&gaps)).expect("reads"), [gap(MonitorId::ALL, 5, 9)]);
    store.set_mood(Mood::Well);
    assert!(delivery.stop(LONG));
}

#[test]
fn a_store_without_history_gets_incidents_and_lets_segments_go() {
    let dir = TempDir::new().expect("folder");
    let mut none = MemoryStore::new(1, 50);
    none.capabilities.keeps_history = false;
    let store = Arc::new(none);
    let mut options = options(dir.path());
    options.journal.segment_bytes = 2_000;
    let delivery = start(options, &store);
    delivery.journal().push(&Row::Incident(incident(1, 10, IncidentEnd::Open)));
    for (monitor, second) in pairs(200) {
        delivery.journal().push(&result(monitor, second));
        assert!(second % 20 > 0 || delivery.journal().flush(LONG));
    }
    until("delivered", || delivery.journal().flush(LONG) && delivery.status().backlog_rows == 0);
    assert!(delivery.stop(LONG));
    assert!(store.kept().results.is_empty());
    assert_eq!(store.kept().incidents.len(), 1);
    let segments = fs::read_dir(dir.path().join("journal")).expect("lists");
    let segments = segments.filter(|e| e.as_ref().expect("entry").path().extension().is_some_and(|e| e == "hmj"));
    assert_eq!(segments.count(), 1, "delivered segments are removed");
}

#[test]
fn rows_that_leave_the_memory_during_a_read_are_found() {
    let dir = TempDir::new().expect("folder");
    let store = Arc::new(MemoryStore::new(1, 100));
    store.shut.store(true, Ordering::SeqCst);
    let mut options = options(dir.path());
    options.head_bytes = 3_000;
    let delivery = start(options, &store);
    let history = delivery.history();
    std::thread::scope(|scope| {
        let pushing = scope.spawn(|| {
            for second in 0..6_000 {
                delivery.journal().push(&result(1, second));
                assert!(second % 20 > 0 || delivery.journal().flush(LONG));
            }
        });
        while !pushing.is_finished() {
            let results = all_results(&history, Some(monitor(1)), 10_000);
            let newest = results.first().map_or(0, |row| row.time.since_us(at(0)) / 1_000_000 + 1);
            assert_eq!(results.len() as u64, newest, "there is a hole");
        }
    });
    assert!(delivery.stop(LONG));
}

#[test]
fn files_that_nobody_holds_can_be_read() {
    let dir = TempDir::new().expect("folder");
    let store = Arc::new(MemoryStore::new(8, 50));
    let delivery = start(options(dir.path()), &store);
    pairs(50).for_each(|(monitor, second)| delivery.journal().push(&result(monitor, second)));
    until("delivered", || store.kept().results.len() == 50);
    store.set_mood(Mood::Failing(StoreErrorKind::Unavailable));
    (50..80).for_each(|second| delivery.journal().push(&result(second % 13, second)));
    assert!(delivery.stop(LONG));
    assert_eq!(store.kept().results.len(), 50);
    let history = History::offline(dir.path(), "memory", Some(Arc::clone(&store) as _), &[], Arc::new(SystemClock))
        .expect("reads");
    assert_eq!(all_results(&history, None, 7), newest_first(pairs(80)));
    let journal_only = History::offline(dir.path(), "memory", None, &[], Arc::new(SystemClock)).expect("reads");
    assert!(!journal_only.complete());
    assert!(all_results(&journal_only, None, 7).len() >= 30);
    let nothing = TempDir::new().expect("folder");
    let empty = History::offline(nothing.path(), "memory", None, &[], Arc::new(SystemClock)).expect("reads");
    assert!(all_results(&empty, None, 7).is_empty());
}

/// A clock whose wall reads another time.
#[derive(Debug)]
struct Shifted(u64);

impl Clock for Shifted {
    fn wall(&self) -> UnixMicros {
        at(self.0)
    }

    fn mono(&self) -> Mono {
        SystemClock.mono()
    }

    fn boot_us(&self) -> u64 {
        SystemClock.boot_us()
    }
}

#[test]
fn sealed_hours_and_days_are_rolled_up_and_late_rows_counted_again() {
    let dir = TempDir::new().expect("folder");
    let store = Arc::new(MemoryStore::new(1, 500));
    // 22:13:20 at the start; three hours later the day is over.
    let first = Tier::Hour.bucket(at(0));
    let mut options = options(dir.path());
    options.clock = Arc::new(Shifted(3 * 3600));
    let undecided = monitor(2);
    options.undecided = Arc::new(move |id| (id == undecided).then(|| at(3_000)));
    let delivery = start(options, &store);
    for number in [1, 2] {
        delivery.journal().push(&Row::Monitor(known(number)));
        (0..100).for_each(|n| delivery.journal().push(&result(number, n * 60)));
    }
    // The first look may come before the rows; the next is a minute later.
    until("rolled up", || store.kept().rollups.contains_key(&(monitor(1), Tier::Day, Tier::Day.bucket(at(0)).from)));
    let kept = store.kept();
    let checks = |number, tier, start| kept.rollups.get(&(monitor(number), tier, start)).map(|rollup| rollup.checks);
    assert_eq!(checks(1, Tier::Hour, first.from), Some(47));
    assert_eq!(checks(1, Tier::Day, Tier::Day.bucket(at(0)).from), Some(100));
    assert_eq!(checks(2, Tier::Hour, first.from), Some(47), "ended before the undecided run");
    assert_eq!(checks(2, Tier::Hour, first.to), None, "not decided yet");
    drop(kept);
    delivery.journal().push(&result(1, 30));
    let day = Tier::Day.bucket(at(0)).from;
    until("a late row is counted, once", || {
        let kept = store.kept();
        let checks = |tier, start| kept.rollups.get(&(monitor(1), tier, start)).map(|rollup| rollup.checks);
        (checks(Tier::Hour, first.from), checks(Tier::Day, day)) == (Some(48), Some(101))
    });
    assert!(delivery.stop(LONG));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(30))]
    #[test]
    fn pages_of_any_split_have_no_holes_and_no_doubles(
        rows in prop::collection::btree_set((0u64..4, 0u64..40), 0..60),
        delivered in prop::collection::vec(any::<bool>(), 60),
        journaled in prop::collection::vec(any::<bool>(), 60),
        limit in 1usize..9,
    ) {
        let dir = TempDir::new().expect("folder");
        let store = Arc::new(MemoryStore::new(1, 500));
        let rows: Vec<(u64, u64)> = rows.into_iter().collect();
        let mut cursor = 0;
        for (n, (monitor, second)) in rows.iter().enumerate() {
            if delivered[n] {
                let row = check_result(*monitor, *second);
                store.kept().results.insert((row.time, row.monitor), row);
            }
        }
        let (mut log, _) = crate::journal::Log::open(&dir.path().join("journal"), 1 << 20, 0).expect("opens");
        for (n, (monitor, second)) in rows.iter().enumerate() {
            if !delivered[n] || journaled[n] {
                log.write(&[result(*monitor, *second)]).expect("writes");
                cursor += 1;
            }
        }
        prop_assert_eq!(log.next(), cursor + 1);
        let history = History::offline(dir.path(), "memory", Some(store as _), &[], Arc::new(SystemClock)).expect("reads");
        prop_assert_eq!(all_results(&history, None, limit), newest_first(rows.clone()));
        prop_assert_eq!(all_results(&history, Some(monitor(2)), limit), newest_first(rows.into_iter().filter(|(m, _)| *m == 2)));
    }
}
