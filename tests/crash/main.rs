//! The process is killed at random moments: nothing that was acknowledged is lost, nothing is there twice, and what is
//! stored is at every moment a prefix of what was produced. Once with one store, and once while the store is switched
//! again and again: then each row is in one of the stores. Once more with the embedded store itself, while it seals and
//! writes files anew (`sealing.rs`), and while embedded stores and none are switched (`switching.rs`). 10 rounds; 100 with
//! `HM_SOAK=1`.

#![allow(clippy::expect_used, reason = "a fault here is a failed run")]
#![allow(unreachable_pub, reason = "support is a module of this one crate")]

mod sealing;
#[path = "../support_store/mod.rs"]
mod support_store;
mod switching;
mod victim;

use std::collections::BTreeSet;
use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use hallmonitor::clock::SystemClock;
use hallmonitor::deliver::{Delivery, DeliveryOptions, OpenStore};
use hallmonitor::event::Events;
use hallmonitor::storage::{ResultStore, StoreError, StoreErrorKind};
use support_store::{Keep, Numbers, row};
use uuid::Uuid;
use victim::{LEAST, LONG, Victim, acknowledged};

/// A child produces at most this many rows and then waits to be killed.
const MOST: u64 = 30_000;

/// A store of one file: 8 bytes a result, its number. Whole numbers are synced before `append` returns.
#[derive(Debug)]
struct FileStore {
    name: String,
    kept: Mutex<(File, BTreeSet<u64>)>,
}

impl FileStore {
    fn open(path: &Path) -> Self {
        let mut bytes = fs::read(path).unwrap_or_default();
        bytes.truncate(bytes.len() / 8 * 8);
        let numbers = numbers_in(&bytes);
        let file = OpenOptions::new().create(true).append(true).open(path).expect("opens");
        file.set_len(bytes.len() as u64).expect("cuts a torn number");
        let known: BTreeSet<u64> = numbers.iter().copied().collect();
        assert_eq!(known.len(), numbers.len(), "a row is stored twice");
        let name = path.file_name().expect("name").to_string_lossy().into_owned();
        Self { name, kept: Mutex::new((file, known)) }
    }
}

fn numbers_in(bytes: &[u8]) -> Vec<u64> {
    bytes.chunks_exact(8).map(|number| u64::from_le_bytes(number.try_into().expect("eight"))).collect()
}

impl Keep for FileStore {
    const BACKEND: &'static str = "file";
    const MOST_ROWS: usize = 700;

    fn name(&self) -> &str {
        &self.name
    }

    fn keep(&self, numbers: &[u64]) -> Result<(), StoreError> {
        let mut kept = self.kept.lock().expect("lock");
        let (file, known) = &mut *kept;
        let fresh = numbers.iter().filter(|number| known.insert(**number));
        let bytes: Vec<u8> = fresh.flat_map(|number| number.to_le_bytes()).collect();
        file.write_all(&bytes).and_then(|()| file.sync_data()).expect("writes");
        Ok(())
    }
}

#[derive(Clone)]
struct Opener(PathBuf);

impl Opener {
    /// While there is this file the store is away.
    fn shut(&self) -> PathBuf {
        self.0.with_extension("shut")
    }
}

#[async_trait]
impl OpenStore for Opener {
    fn backend(&self) -> &'static str {
        "file"
    }
    fn contact(&self) -> String {
        self.0.file_name().expect("name").to_string_lossy().into_owned()
    }
    async fn open(&self) -> Result<Arc<dyn ResultStore>, StoreError> {
        if self.shut().exists() {
            return Err(StoreError::new(StoreErrorKind::Unavailable, "file", "open", "it is away"));
        }
        Ok(Arc::new(Numbers(FileStore::open(&self.0))))
    }
}

fn start(dir: &Path, store: &str) -> Delivery {
    let mut options = DeliveryOptions::new(dir.to_owned(), Arc::new(SystemClock), Events::new());
    options.journal.close_after = Duration::from_millis(5);
    options.journal.segment_bytes = 256 * 1024;
    options.head_bytes = 64 * 1024;
    options.save_every_us = 50_000;
    options.first_retry = Some(Duration::from_millis(20));
    options.others = STORES.iter().map(|name| Arc::new(Opener(dir.join(name))) as Arc<dyn OpenStore>).collect();
    Delivery::start(options, Arc::new(Opener(dir.join(store)))).expect("starts").0
}

/// The stores that are switched between.
const STORES: &[&str] = &["first", "second", "third"];

/// The store that the configuration names.
fn wanted(dir: &Path) -> String {
    fs::read_to_string(dir.join("wanted")).unwrap_or_else(|_| "first".to_owned())
}

/// As a person does: the file first, then the running program notices. Now and then the store is away.
fn switch(dir: &Path, delivery: &Delivery, chance: usize) {
    let name = STORES[chance % STORES.len()];
    let opener = Opener(dir.join(name));
    let _ = if chance.is_multiple_of(5) { fs::write(opener.shut(), "") } else { fs::remove_file(opener.shut()) };
    fs::write(dir.join("wanted.new"), name).expect("writes");
    fs::rename(dir.join("wanted.new"), dir.join("wanted")).expect("renames");
    delivery.switch(Arc::new(opener)).expect("switches");
}

/// Not a test by itself: produces rows until it is killed, when the test below starts it.
#[test]
fn child() {
    let Some((dir, first, switches)) = victim::told() else { return };
    let dir = dir.as_path();
    let delivery = if switches { start(dir, &wanted(dir)) } else { start(dir, "store") };
    let mut number = first;
    let mut step = 1;
    while number < first + MOST {
        step = step * 7 % 1_009;
        for _ in 0..step {
            delivery.journal().push(&row(number));
            number += 1;
            // In the middle of what is being written.
            if switches && number.is_multiple_of(331) {
                switch(dir, &delivery, Uuid::new_v4().as_u128() as usize % 1_000);
            }
        }
        assert!(delivery.journal().flush(LONG));
        victim::say("acknowledged", number);
    }
    std::thread::sleep(Duration::from_secs(600));
}

/// One life and death of a child; gives the number after the last row that it acknowledged.
fn round(dir: &Path, first: u64, switches: bool) -> u64 {
    let mut victim = Victim::start("child", dir, first, switches);
    let acked = victim.wait_for(first + LEAST);
    victim.kill_within(Duration::from_millis(120));
    victim.rest().iter().filter_map(|line| acknowledged(line)).next_back().unwrap_or(acked)
}

#[test]
fn killed_at_any_moment_nothing_acknowledged_is_lost_and_nothing_is_doubled() {
    let rounds = victim::rounds();
    let dir = tempfile::tempdir().expect("folder");
    let store = dir.path().join("store");
    let mut first = 0;
    for number in 0..rounds {
        let acked = round(dir.path(), first, false);
        assert!(acked >= first + LEAST, "round {number}: too few acknowledged to prove anything");
        let before = numbers_in(&fs::read(&store).unwrap_or_default());
        assert!(before.iter().copied().eq(0..before.len() as u64), "round {number}: the store is no prefix");
        // The next life brings what waits.
        let delivery = start(dir.path(), "store");
        let produced = first_not_journaled(&delivery);
        let delivered = (0..12_000).any(|_| {
            std::thread::sleep(Duration::from_millis(5));
            delivery.status().backlog_rows == 0
        });
        assert!(delivered, "round {number}: {:?}", delivery.status());
        assert!(delivery.stop(LONG), "round {number}");
        let stored = numbers_in(&fs::read(&store).expect("reads"));
        assert!(stored.iter().copied().eq(0..stored.len() as u64), "round {number}: lost, doubled or out of order");
        assert!(stored.len() as u64 >= acked, "round {number}: {} stored of {acked} acknowledged", stored.len());
        assert_eq!(stored.len() as u64, produced, "round {number}: all that is journaled is stored");
        first = stored.len() as u64;
    }
}

#[test]
fn killed_at_any_moment_of_a_switch_each_row_is_in_one_store() {
    let rounds = victim::rounds();
    let dir = tempfile::tempdir().expect("folder");
    let numbers = |name: &str| numbers_in(&fs::read(dir.path().join(name)).unwrap_or_default());
    let mut first = 0;
    for number in 0..rounds {
        let acked = round(dir.path(), first, true);
        assert!(acked >= first + LEAST, "round {number}: too few acknowledged to prove anything");
        // Every third life ends before all is delivered.
        for name in STORES.iter().filter(|_| number % 3 != 0 || number + 1 == rounds) {
            let _ = fs::remove_file(Opener(dir.path().join(name)).shut());
        }
        let delivery = start(dir.path(), &wanted(dir.path()));
        let produced = first_not_journaled(&delivery);
        let settled = || {
            let former = delivery.history().former_stores();
            delivery.status().backlog_rows == 0 && former.iter().all(|former| former.backlog_rows == 0)
        };
        let away = STORES.iter().any(|name| Opener(dir.path().join(name)).shut().exists());
        let delivered = away
            || (0..12_000).any(|_| {
                std::thread::sleep(Duration::from_millis(5));
                settled()
            });
        assert!(delivered, "round {number}: {:?} {:?}", delivery.status(), delivery.history().former_stores());
        assert!(delivery.stop(LONG), "round {number}");
        let each: Vec<Vec<u64>> = STORES.iter().map(|name| numbers(name)).collect();
        assert!(each.iter().all(|rows| rows.is_sorted()), "round {number}: out of order");
        let mut all: Vec<u64> = each.concat();
        all.sort_unstable();
        assert!(all.windows(2).all(|pair| pair[0] < pair[1]), "round {number}: a row is in two stores");
        assert!(produced >= acked, "round {number}: {produced} journaled of {acked} acknowledged");
        if !away {
            assert!(all.iter().copied().eq(0..produced), "round {number}: {} of {produced} are stored", all.len());
        }
        first = produced;
    }
    assert!(STORES.iter().all(|name| !numbers(name).is_empty()), "every store was used");
}

/// Rows are numbered from 0, journal records from 1.
fn first_not_journaled(delivery: &Delivery) -> u64 {
    delivery.journal().next() - 1
}
