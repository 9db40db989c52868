//! What delivery and the recorder write besides the journal, on a full disk: refused rows wait until they can be kept, a
//! switch is refused and may be made again, the state file stays the one before.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use hallmonitor::clock::SystemClock;
use hallmonitor::deliver::{Delivery, DeliveryOptions, Letters, OpenStore, read_ledger};
use hallmonitor::event::Events;
use hallmonitor::record::{LocalState, StateFile};
use hallmonitor::storage::{ResultStore, StoreError, StoreErrorKind};
use uuid::Uuid;

use super::support_store::{Keep, Numbers, row, unsupported};
use super::{LONG, fill, make_room, support_disk};

/// A store in memory that refuses every hundredth row for good.
#[derive(Debug, Clone)]
struct Choosy {
    name: &'static str,
    kept: Arc<Mutex<BTreeSet<u64>>>,
    away: Arc<AtomicBool>,
}

impl Choosy {
    fn new(name: &'static str) -> Self {
        Self { name, kept: Arc::default(), away: Arc::default() }
    }

    fn kept(&self) -> Vec<u64> {
        self.kept.lock().expect("lock").iter().copied().collect()
    }
}

fn is_refused(number: u64) -> bool {
    number % 100 == 7
}

impl Keep for Choosy {
    const BACKEND: &'static str = "choosy";
    const MOST_ROWS: usize = 64;

    fn name(&self) -> &str {
        self.name
    }

    fn keep(&self, numbers: &[u64]) -> Result<(), StoreError> {
        if self.away.load(Ordering::Acquire) {
            return Err(StoreError::new(StoreErrorKind::Unavailable, Self::BACKEND, "append", "it is away"));
        }
        if numbers.iter().any(|number| is_refused(*number)) {
            return unsupported(Self::BACKEND, "append");
        }
        self.kept.lock().expect("lock").extend(numbers);
        Ok(())
    }
}

#[async_trait]
impl OpenStore for Choosy {
    fn backend(&self) -> &'static str {
        Self::BACKEND
    }
    fn contact(&self) -> String {
        format!("choosy:{}", self.name)
    }
    async fn open(&self) -> Result<Arc<dyn ResultStore>, StoreError> {
        Ok(Arc::new(Numbers(self.clone())))
    }
}

fn until(what: &str, done: impl Fn() -> bool) {
    assert!(
        (0..6_000).any(|_| {
            std::thread::sleep(Duration::from_millis(5));
            done()
        }),
        "{what}"
    );
}

fn start(disk: &Path, store: &Choosy) -> Delivery {
    let mut options = DeliveryOptions::new(disk.to_owned(), Arc::new(SystemClock), Events::new());
    options.journal.close_after = Duration::from_millis(5);
    options.journal.retry = Duration::from_millis(20);
    options.save_every_us = 50_000;
    options.first_retry = Some(Duration::from_millis(20));
    Delivery::start(options, Arc::new(store.clone())).expect("starts").0
}

/// Not a test by itself: runs on a small disk, when the test below starts it.
#[test]
fn letters_and_ledger() {
    let Some(disk) = support_disk::disk() else { return };
    let (first, second) = (Choosy::new("first"), Choosy::new("second"));
    let delivery = start(&disk, &first);
    (0..50).for_each(|number| delivery.journal().push(&row(number)));
    until("the first letter is written", || delivery.status().dead_letters == 1);
    until("all are delivered", || delivery.status().backlog_rows == 0);
    // Rows wait, durable, for a store that is away; when it is back there is no room for a letter.
    first.away.store(true, Ordering::Release);
    let pushed = 2_050;
    (50..pushed).for_each(|number| delivery.journal().push(&row(number)));
    assert!(delivery.journal().flush(LONG));
    fill(&disk, 0);
    first.away.store(false, Ordering::Release);
    until("a letter finds no room", || delivery.status().fault.is_some_and(|fault| fault.contains("free some space")));
    assert!(delivery.switch(Arc::new(second.clone())).is_err(), "where rows go cannot be written down");
    assert_eq!(delivery.ledger().len(), 1, "and so they go where they went");
    let (letters, damaged) = delivery.dead_letters(1_000).expect("reads");
    assert!(damaged == 0 && !letters.is_empty(), "no half line: {damaged} damaged");

    make_room(&disk);
    until("all is brought", || {
        let status = delivery.status();
        status.fault.is_none() && status.backlog_rows == 0 && delivery.journal().figures().waiting_rows == 0
    });
    assert_eq!(delivery.journal().figures().dropped, 0);
    let taken: Vec<u64> = (0..pushed).filter(|number| !is_refused(*number)).collect();
    assert_eq!(first.kept(), taken);
    let refused: Vec<u64> = (0..pushed).filter(|number| is_refused(*number)).collect();
    let (mut letters, damaged) = delivery.dead_letters(10_000).expect("reads");
    letters.reverse();
    let numbers = |letters: &[hallmonitor::deliver::DeadLetter]| -> Vec<u64> {
        let of = |letter: &hallmonitor::deliver::DeadLetter| match &letter.row {
            hallmonitor::model::Row::Result(row) => row.duration_us,
            other => panic!("{other:?}"),
        };
        letters.iter().map(of).collect()
    };
    assert_eq!((numbers(&letters), damaged), (refused, 0), "each refused row once");

    // Dropping letters writes their file anew: without room it stays as it is.
    fill(&disk, 0);
    assert!(delivery.drop_letters(&Letters::Ids(vec![letters[0].id().to_string()])).is_err());
    assert_eq!(delivery.dead_letters(10_000).expect("reads").0.len(), letters.len());
    make_room(&disk);
    assert_eq!(delivery.drop_letters(&Letters::All).expect("there is room"), letters.len() as u64);

    // The switch may be made again; the ledger is written as soon as it can be.
    assert!(delivery.switch(Arc::new(second.clone())).is_ok());
    (pushed..pushed + 50).for_each(|number| delivery.journal().push(&row(number)));
    until("the other store has them", || second.kept() == (pushed..pushed + 50).collect::<Vec<u64>>());
    until("the ledger says so", || read_ledger(&disk).len() == 2);
    assert!(delivery.stop(LONG));
    let left: Vec<String> = fs::read_dir(&disk)
        .expect("lists")
        .map(|entry| entry.expect("entry").file_name().to_string_lossy().into_owned())
        .filter(|name| name.ends_with(".part") || name.ends_with(".tmp") || name.contains("corrupt"))
        .collect();
    assert!(left.is_empty(), "{left:?}");
    support_disk::passed();
}

/// Not a test by itself: runs on a small disk, when the test below starts it.
#[test]
fn state_file() {
    let Some(disk) = support_disk::disk() else { return };
    let file = StateFile::new(&disk);
    let state = |number: u128, name: usize| LocalState::new(Uuid::from_u128(number), "x".repeat(name));
    let id = |number: u128| state(number, 0).instance.id;
    file.save(&state(1, 10)).expect("there is room");
    for free in [0, 4_096, 8_192, 20_000] {
        fill(&disk, free);
        let fault = file.save(&state(2, 60_000)).expect_err("there is no room");
        assert!(fault.to_string().contains("free space"), "{fault}");
        let loaded = file.load().expect("reads");
        assert!(loaded.set_aside.is_empty(), "{:?}", loaded.set_aside);
        assert_eq!(loaded.state.expect("the one before").instance.id, id(1));
        assert!(!disk.join("state.hms.tmp").exists(), "half a file takes room that is needed");
        make_room(&disk);
    }
    file.save(&state(3, 60_000)).expect("there is room");
    assert_eq!(file.load().expect("reads").state.expect("it is there").instance.id, id(3));
    support_disk::passed();
}

#[cfg(target_os = "linux")]
#[test]
fn refused_rows_and_switches_wait_for_room() {
    support_disk::run_on_a_small_disk("delivery::letters_and_ledger", "8m");
}

#[cfg(target_os = "linux")]
#[test]
fn the_state_file_stays_the_one_before() {
    support_disk::run_on_a_small_disk("delivery::state_file", "1m");
}
