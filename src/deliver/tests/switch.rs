//! A switch of the store while everything goes on: nothing is lost, nothing is in two stores, and all of it is read.

use std::path::PathBuf;

use async_trait::async_trait;

use super::*;
use crate::deliver::head::{Head, SHARES};
use crate::deliver::{FormerStore, OpenStore, Switched, read_ledger};
use crate::journal::Cursor;
use crate::storage::{ResultStore, StoreError};

/// Opens a store under a contact of its own.
#[derive(Debug, Clone)]
pub(super) struct At(&'static str, pub(super) Arc<MemoryStore>, Option<Arc<TempDir>>);

#[async_trait]
impl OpenStore for At {
    fn backend(&self) -> &'static str {
        "memory"
    }

    fn contact(&self) -> String {
        self.0.to_owned()
    }

    fn folder(&self) -> Option<PathBuf> {
        self.2.as_ref().map(|folder| folder.path().to_owned())
    }

    async fn open(&self) -> Result<Arc<dyn ResultStore>, StoreError> {
        Opener(Arc::clone(&self.1)).open().await
    }
}

pub(super) fn store_of(name: &'static str, slices: u16) -> At {
    let store = MemoryStore::new(slices, 50);
    store.kept().metadata.insert("store_id".into(), format!("id-{name}").into_bytes());
    At(name, Arc::new(store), Some(Arc::new(TempDir::new().expect("folder"))))
}

fn begin(dir: &Path, head_bytes: usize, store: &At, others: &[&At]) -> Delivery {
    let mut options = options(dir);
    options.head_bytes = head_bytes;
    options.journal.segment_bytes = 20_000;
    options.others = others.iter().map(|at| Arc::new((*at).clone()) as Arc<dyn OpenStore>).collect();
    Delivery::start(options, Arc::new(store.clone())).expect("starts").0
}

fn use_store(delivery: &Delivery, store: &At) {
    assert_eq!(delivery.switch(Arc::new(store.clone())).expect("switches"), Switched::Other);
}

fn push(delivery: &Delivery, seconds: std::ops::Range<u64>) {
    seconds.for_each(|second| delivery.journal().push(&result(second % 13, second)));
    assert!(delivery.journal().flush(LONG));
}

fn seconds_in(store: &At) -> Vec<u64> {
    let mut seconds: Vec<u64> =
        store.1.kept().results.keys().map(|(time, _)| time.since_us(at(0)) / 1_000_000).collect();
    seconds.sort_unstable();
    seconds
}

fn settled(delivery: &Delivery) {
    until("everything is delivered", || {
        let former = delivery.history().former_stores();
        delivery.status().backlog_rows == 0 && former.iter().all(|former| former.backlog_rows == 0)
    });
}

#[test]
fn each_store_gets_what_was_produced_in_its_time_and_all_is_read() {
    for slices in [1, 16] {
        let dir = TempDir::new().expect("folder");
        let (a, b) = (store_of("a", slices), store_of("b", slices));
        let delivery = begin(dir.path(), 6 << 20, &a, &[]);
        push(&delivery, 0..100);
        use_store(&delivery, &b);
        push(&delivery, 100..200);
        use_store(&delivery, &a);
        push(&delivery, 200..300);
        settled(&delivery);
        assert_eq!(seconds_in(&a), (0..100).chain(200..300).collect::<Vec<_>>());
        assert_eq!(seconds_in(&b), (100..200).collect::<Vec<_>>());
        assert_in_order(&a.1);
        assert_in_order(&b.1);
        assert_eq!(all_results(&delivery.history(), None, 37), newest_first(pairs(300)), "read from both");
        assert_eq!(all_results(&delivery.history(), Some(monitor(5)), 7).len(), 23);
        let ledger = delivery.ledger();
        let told: Vec<&str> = ledger.iter().map(|entry| entry.fingerprint.as_str()).collect();
        assert_eq!(told, ["id-a", "id-b", "id-a"]);
        assert!(ledger.windows(2).all(|pair| pair[0].to == Some(pair[1].from)) && ledger[2].to.is_none());
        assert_eq!(read_ledger(dir.path()), ledger);
        assert!(delivery.stop(LONG));
    }
}

#[test]
fn a_store_that_is_away_at_the_switch_gets_its_rows_when_it_is_back() {
    let dir = TempDir::new().expect("folder");
    let (a, b) = (store_of("a", 1), store_of("b", 1));
    a.1.shut.store(true, Ordering::SeqCst);
    // So little that most rows are in the journal's files only.
    let delivery = begin(dir.path(), 4_000, &a, &[]);
    push(&delivery, 0..500);
    use_store(&delivery, &b);
    push(&delivery, 500..700);
    until("b has its rows", || seconds_in(&b).len() == 200);
    assert_eq!(delivery.status().backlog_rows, 0, "what a former store waits for is no backlog of this one");
    assert_eq!(delivery.status().state, "open");
    let former = delivery.history().former_stores();
    let [FormerStore { contact, backlog_rows, fault: Some(fault), .. }] = &former[..] else { panic!("{former:?}") };
    assert_eq!((contact.as_str(), *backlog_rows), ("a", 500));
    assert!(fault.contains("wrong password"), "{fault}");
    assert_eq!(all_results(&delivery.history(), None, 99), newest_first(pairs(700)), "what is local is read");
    assert_eq!(delivery.history().kept_elsewhere(ALWAYS).len(), 1, "and it is told that there may be more");
    // There and back twice, quickly, while it is still away.
    use_store(&delivery, &a);
    push(&delivery, 700..800);
    use_store(&delivery, &b);
    push(&delivery, 800..900);
    assert!(seconds_in(&a).is_empty());
    a.1.shut.store(false, Ordering::SeqCst);
    settled(&delivery);
    assert_eq!(seconds_in(&a), (0..500).chain(700..800).collect::<Vec<_>>());
    assert_eq!(seconds_in(&b), (500..700).chain(800..900).collect::<Vec<_>>());
    assert_in_order(&a.1);
    assert_eq!(all_results(&delivery.history(), None, 250), newest_first(pairs(900)));
    assert!(delivery.stop(LONG));
}

#[test]
fn a_restart_goes_on_with_every_store() {
    let dir = TempDir::new().expect("folder");
    let (a, b, c) = (store_of("a", 1), store_of("b", 16), store_of("c", 1));
    for store in [&a, &b, &c] {
        store.1.shut.store(true, Ordering::SeqCst);
    }
    let mut number = 0;
    let mut expected = vec![Vec::new(); 3];
    for round in [0, 1, 2, 1, 0, 2, 0] {
        let store = [&a, &b, &c][round];
        // The settings of some are not known now.
        let known: &[&At] = if round == 1 { &[] } else { &[&a, &b, &c] };
        let delivery = begin(dir.path(), 3_000, store, known);
        push(&delivery, number..number + 90);
        expected[round].extend(number..number + 90);
        number += 90;
        assert!(delivery.stop(LONG));
    }
    for store in [&a, &b, &c] {
        store.1.shut.store(false, Ordering::SeqCst);
    }
    let delivery = begin(dir.path(), 3_000, &a, &[&b]);
    until("a and b have theirs", || seconds_in(&a) == expected[0] && seconds_in(&b) == expected[1]);
    assert!(seconds_in(&c).is_empty());
    let waits = |former: &FormerStore| former.contact == "c" && former.backlog_rows > 0;
    let fault = delivery.history().former_stores().into_iter().find(waits).expect("waits").fault.expect("told");
    assert!(fault.contains("no longer in the configuration"), "{fault}");
    delivery.know(&[Arc::new(c.clone())]);
    settled(&delivery);
    assert_eq!(seconds_in(&c), expected[2]);
    for store in [&a, &b, &c] {
        assert_in_order(&store.1);
    }
    assert_eq!(all_results(&delivery.history(), None, 100), newest_first(pairs(number)));
    assert!(delivery.stop(LONG));
}

#[test]
fn the_same_store_under_another_address_goes_on_where_it_was() {
    let dir = TempDir::new().expect("folder");
    let a = store_of("a", 1);
    let delivery = begin(dir.path(), 6 << 20, &a, &[]);
    push(&delivery, 0..50);
    settled(&delivery);
    a.1.set_mood(Mood::Failing(StoreErrorKind::Unavailable));
    push(&delivery, 50..80);
    let moved = At("a.example", Arc::clone(&a.1), None);
    use_store(&delivery, &moved);
    push(&delivery, 80..100);
    until("it is known", || delivery.history().former_stores().is_empty());
    a.1.set_mood(Mood::Well);
    settled(&delivery);
    assert_eq!(seconds_in(&a), (0..100).collect::<Vec<_>>());
    assert_eq!(delivery.ledger().len(), 1, "its time has no break");
    assert!(delivery.stop(LONG));
    let again = begin(dir.path(), 6 << 20, &moved, &[]);
    settled(&again);
    assert!(again.history().former_stores().is_empty());
    assert!(again.stop(LONG));
}

#[test]
fn new_settings_of_the_same_store_are_tried_at_once() {
    let dir = TempDir::new().expect("folder");
    let (wrong, right) = (store_of("a", 1), store_of("a", 1));
    wrong.1.shut.store(true, Ordering::SeqCst);
    let mut options = options(dir.path());
    options.first_retry = Some(Duration::from_secs(50));
    let (delivery, _) = Delivery::start(options, Arc::new(wrong)).expect("starts");
    push(&delivery, 0..10);
    until("told", || delivery.status().fault.is_some());
    assert_eq!(delivery.switch(Arc::new(right.clone())).expect("switches"), Switched::Same);
    until("delivered", || seconds_in(&right).len() == 10);
    assert_eq!((delivery.status().fault, delivery.ledger().len()), (None, 1));
    assert!(delivery.stop(LONG));
}

#[test]
fn a_switch_that_cannot_be_written_down_changes_nothing() {
    let dir = TempDir::new().expect("folder");
    let (a, b) = (store_of("a", 1), store_of("b", 1));
    let delivery = begin(dir.path(), 6 << 20, &a, &[]);
    push(&delivery, 0..10);
    let blocked = dir.path().join("journal/cursors.part");
    until("nobody writes the file", || fs::create_dir(&blocked).is_ok());
    let error = delivery.switch(Arc::new(b.clone())).expect_err("cannot be written");
    assert!(error.to_string().contains("cursors.json"), "{error}");
    push(&delivery, 10..20);
    until("a has all", || seconds_in(&a).len() == 20);
    fs::remove_dir(&blocked).expect("removes");
    use_store(&delivery, &b);
    push(&delivery, 20..30);
    settled(&delivery);
    assert_eq!((seconds_in(&a).len(), seconds_in(&b)), (20, (20..30).collect()));
    assert!(delivery.stop(LONG));
}

#[test]
fn a_former_store_elsewhere_is_closed_and_told() {
    let dir = TempDir::new().expect("folder");
    let (mut a, b) = (store_of("a", 1), store_of("b", 1));
    a.2 = None;
    let delivery = begin(dir.path(), 6 << 20, &a, &[]);
    push(&delivery, 0..10);
    settled(&delivery);
    use_store(&delivery, &b);
    push(&delivery, 10..20);
    until("it is closed", || delivery.history().kept_elsewhere(ALWAYS).len() == 1);
    let kept = delivery.history().kept_elsewhere(ALWAYS);
    assert!(kept[0].contact == "a" && kept[0].to.is_some() && kept[0].fault.is_none(), "{kept:?}");
    let switched = kept[0].to.expect("told");
    assert!(delivery.history().kept_elsewhere(Span::new(switched.plus_us(1), UnixMicros::MAX)).is_empty());
    settled(&delivery);
    assert_eq!(all_results(&delivery.history(), None, 99), newest_first((10..20).map(|n| (n % 13, n))));
    assert!(delivery.stop(LONG));
}

#[test]
fn incidents_and_gaps_of_before_are_read_in_their_last_version() {
    let dir = TempDir::new().expect("folder");
    let (a, b) = (store_of("a", 1), store_of("b", 1));
    let delivery = begin(dir.path(), 6 << 20, &a, &[]);
    let rows = [
        Row::Incident(incident(1, 10, IncidentEnd::Open)),
        Row::Incident(incident(2, 10, IncidentEnd::Open)),
        Row::Gap(gap(MonitorId::ALL, 5, 6)),
        Row::Monitor(known(1)),
    ];
    rows.iter().for_each(|row| delivery.journal().push(row));
    assert!(delivery.journal().flush(LONG));
    use_store(&delivery, &b);
    let closed = incident(1, 10, IncidentEnd::Recovered(at(20)));
    delivery.journal().push(&Row::Incident(closed.clone()));
    delivery.journal().push(&Row::Gap(gap(MonitorId::ALL, 5, 9)));
    settled(&delivery);
    assert!(delivery.journal().flush(LONG));
    settled(&delivery);
    let history = delivery.history();
    let query = IncidentQuery { monitor: None, span: Span::new(at(0), at(40)), limit: 9 };
    let mut found = block(history.incidents(&query)).expect("reads");
    found.sort_by_key(|incident| incident.monitor);
    assert_eq!(found, [closed, incident(2, 10, IncidentEnd::Open)]);
    let later = IncidentQuery { span: Span::new(at(30), at(40)), ..query };
    assert_eq!(block(history.incidents(&later)).expect("reads"), [incident(2, 10, IncidentEnd::Open)]);
    let gaps = GapQuery { monitor: None, span: Span::new(at(0), at(10)) };
    assert_eq!(block(history.gaps(&gaps)).expect("reads"), [gap(MonitorId::ALL, 5, 9)]);
    assert_eq!(block(history.monitors()).expect("reads"), [known(1)]);
    assert!(delivery.stop(LONG));
}

#[test]
fn hours_of_another_stores_time_are_not_made_again() {
    let dir = TempDir::new().expect("folder");
    let (a, b) = (store_of("a", 1), store_of("b", 1));
    let now = at(5 * 3_600);
    let mut options = options(dir.path());
    options.clock = Arc::new(Shifted(5 * 3_600));
    // It was in use before, long ago.
    a.1.kept().metadata.insert("rolled_until".into(), at(0).to_string().into_bytes());
    let (delivery, _) = Delivery::start(options, Arc::new(b.clone())).expect("starts");
    delivery.journal().push(&Row::Monitor(known(1)));
    (0..200).for_each(|n| delivery.journal().push(&result(1, n * 60)));
    assert!(delivery.journal().flush(LONG));
    settled(&delivery);
    use_store(&delivery, &a);
    let saved = || a.1.kept().metadata.get("rolled_until").cloned();
    until("it was looked at", || saved() != Some(at(0).to_string().into_bytes()));
    assert_eq!(saved(), Some(Tier::Hour.bucket(now).from.to_string().into_bytes()));
    assert!(a.1.kept().rollups.is_empty());
    assert!(delivery.stop(LONG));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn whatever_happens_each_row_is_in_the_store_of_its_time(
        steps in prop::collection::vec((0usize..3, 0u64..60, any::<bool>(), 0u8..6), 1..12),
        head_bytes in 2_000usize..20_000,
    ) {
        let dir = TempDir::new().expect("folder");
        let stores = [store_of("a", 1), store_of("b", 16), store_of("c", 1)];
        let all: Vec<&At> = stores.iter().collect();
        let mut expected = [Vec::new(), Vec::new(), Vec::new()];
        let mut current = 0;
        let mut number = 0;
        let mut delivery = begin(dir.path(), head_bytes, &stores[current], &all);
        for (wanted, rows, away, what) in steps {
            stores[wanted].1.shut.store(away, Ordering::SeqCst);
            let mood = if away { Mood::Failing(StoreErrorKind::Unavailable) } else { Mood::Well };
            stores[wanted].1.set_mood(mood);
            if what == 0 {
                prop_assert!(delivery.stop(LONG));
                drop(delivery);
                current = wanted;
                delivery = begin(dir.path(), head_bytes, &stores[current], &all);
            } else if what < 5 && wanted != current {
                use_store(&delivery, &stores[wanted]);
                current = wanted;
            }
            push(&delivery, number..number + rows);
            expected[current].extend(number..number + rows);
            number += rows;
        }
        for store in &stores {
            store.1.shut.store(false, Ordering::SeqCst);
            store.1.set_mood(Mood::Well);
        }
        settled(&delivery);
        for (store, expected) in stores.iter().zip(&expected) {
            prop_assert_eq!(&seconds_in(store), expected);
        }
        prop_assert_eq!(all_results(&delivery.history(), None, 50), newest_first(pairs(number)));
        prop_assert!(delivery.stop(LONG));
    }
}

/// It took its cursor over in the middle of the switch away from it, and is told of the end once more.
#[test]
fn a_store_that_is_told_twice_of_its_end_comes_back_whole() {
    let cursor =
        Cursor { contact: "first".into(), store: None, delivered: vec![5; SHARES], until: Some(20), holes: Vec::new() };
    let mut head = Head::new(&cursor, 20);
    head.end(20);
    head.resume(30);
    let others: Vec<u64> = (1..40).filter(|number| head.is_others(*number)).collect();
    assert_eq!(others, (20..30).collect::<Vec<_>>());
}
