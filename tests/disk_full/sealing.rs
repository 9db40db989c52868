//! The embedded store keeps house on a disk that is full, then has a little room, then a little more: so each step fails
//! where it writes, and nothing is lost, doubled or left half-written.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use hallmonitor::clock::SystemClock;
use hallmonitor::model::{CheckResult, InstanceId, MonitorId, Rollup, Span, Tier, UnixMicros};
use hallmonitor::secret::MemoryVault;
use hallmonitor::storage::conformance::Fixture;
use hallmonitor::storage::{
    BackendConfig, BackendEnv, Batch, ResultQuery, ResultStore, RollupQuery, StoreError, StoreErrorKind,
};
use uuid::Uuid;

use super::{fill, make_room, support_disk};

const MINUTE: u64 = 60_000_000;
const DAY: u64 = 1_440 * MINUTE;
const MONITORS: usize = 6;
/// Room by which a full disk is relieved from one try to the next.
const STEP: u64 = 24 << 10;

fn start() -> UnixMicros {
    UnixMicros::new(1_772_323_200_000_000)
}

async fn open(disk: &Path) -> Result<Arc<dyn ResultStore>, StoreError> {
    let env = BackendEnv {
        data_dir: disk.to_path_buf(),
        instance: InstanceId::new(Uuid::from_u128(1)),
        clock: Arc::new(SystemClock),
        vault: Arc::new(MemoryVault::default()),
    };
    BackendConfig::from_object("embedded", serde_json::json!({})).expect("settings").open(&env).await
}

fn names(disk: &Path) -> Vec<String> {
    let entries = fs::read_dir(disk.join("embedded")).expect("lists");
    entries.map(|entry| entry.expect("entry").file_name().to_string_lossy().into_owned()).collect()
}

fn sealed(disk: &Path) -> BTreeSet<String> {
    names(disk).into_iter().filter(|name| name.ends_with(".sealed")).collect()
}

/// What was acknowledged.
#[derive(Default)]
struct Kept {
    results: Vec<CheckResult>,
    rollups: Vec<Rollup>,
}

impl Kept {
    async fn append(&mut self, store: &dyn ResultStore, batch: Batch) -> Result<(), StoreError> {
        store.append(&batch).await?;
        self.results.extend(batch.results);
        self.rollups.extend(batch.rollups);
        self.results.sort_by_key(|row| (row.time, row.monitor));
        self.rollups.sort_by_key(|row| (row.monitor, row.start));
        Ok(())
    }

    async fn is_there(&self, store: &dyn ResultStore, told: &str) {
        let span = Span::new(UnixMicros::MIN, UnixMicros::MAX);
        let query = ResultQuery { monitor: None, span, limit: 1_000_000, after: None };
        let mut found = store.results(&query).await.expect("reads").results;
        found.reverse();
        assert!(found == self.results, "{told}: {} results of {}", found.len(), self.results.len());
        let monitors: BTreeSet<MonitorId> = self.rollups.iter().map(|row| row.monitor).collect();
        let mut found = Vec::new();
        for monitor in monitors {
            found.extend(store.rollups(&RollupQuery { monitor, tier: Tier::Hour, span }).await.expect("reads"));
        }
        assert!(found == self.rollups, "{told}: {} rollups of {}", found.len(), self.rollups.len());
    }

    async fn is_there_once(&self, store: &dyn ResultStore) {
        let (mut cursor, mut results, mut rollups) = (None, 0, 0);
        loop {
            let page = store.scan(cursor).await.expect("reads");
            results += page.batch.results.len();
            rollups += page.batch.rollups.len();
            cursor = page.next;
            if cursor.is_none() {
                break;
            }
        }
        assert_eq!((results, rollups), (self.results.len(), self.rollups.len()), "each once");
    }
}

/// A day of everybody.
fn day(fixture: &mut Fixture, monitors: &[MonitorId], number: u64) -> Batch {
    let from = start().plus_us(number * DAY);
    let results = monitors.iter().flat_map(|monitor| fixture.results(*monitor, from, MINUTE, 1_440)).collect();
    let hours = |monitor: &MonitorId| {
        let rollup =
            |hour| Rollup { checks: hour, ..Rollup::empty(*monitor, Tier::Hour, from.plus_us(hour * 60 * MINUTE)) };
        (0..24).map(rollup).collect::<Vec<_>>()
    };
    Batch { results, rollups: monitors.iter().flat_map(hours).collect(), ..Batch::default() }
}

/// Keeps house with more and more room until it gets to the end; gives what was sealed at each try that failed.
async fn squeeze(disk: &Path, store: &dyn ResultStore, kept: &mut Kept, now: UnixMicros) -> Vec<usize> {
    let mut tries = Vec::new();
    for number in 0.. {
        assert!(number < 400, "it never gets to the end");
        fill(disk, number * STEP);
        let ended = loop {
            match store.tend(now).await {
                Ok(true) => {}
                Ok(false) => break true,
                Err(error) => {
                    assert_eq!(error.kind, StoreErrorKind::Full, "{error}");
                    assert!(error.to_string().contains("make room"), "{error}");
                    break false;
                }
            }
        };
        let told = format!("{} KiB free, {:?}", (number * STEP) >> 10, names(disk));
        kept.is_there(store, &told).await;
        assert!(!names(disk).iter().any(|name| name.ends_with(".new") || name.contains(".corrupt-")), "{told}");
        make_room(disk);
        if ended {
            return tries;
        }
        tries.push(sealed(disk).len());
    }
    unreachable!("it ends before")
}

/// Not a test by itself: runs on a small disk, when the test below starts it.
#[test]
fn on_a_small_disk() {
    let Some(disk) = support_disk::disk() else { return };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let store = open(&disk).await.expect("opens");
        let mut fixture = Fixture::new(11);
        let monitors: Vec<MonitorId> = (0..MONITORS).map(|_| fixture.monitor()).collect();
        let mut kept = Kept::default();
        for number in 0..3 {
            kept.append(&*store, day(&mut fixture, &monitors, number)).await.expect("appends");
        }
        // Sealing days, and the hours of the month for the first time.
        let tries = squeeze(&disk, &*store, &mut kept, start().plus_us(3 * DAY + 60 * MINUTE)).await;
        let stages: BTreeSet<usize> = tries.iter().copied().collect();
        assert!(stages.contains(&0), "it failed before the first file was whole: {tries:?}");
        assert!(stages.len() > 2, "and between later ones: {tries:?}");
        kept.is_there_once(&*store).await;
        assert_eq!(sealed(&disk).len(), 4, "{:?}", names(&disk));

        // A batch that finds no room is refused as a whole and may come again.
        fill(&disk, 0);
        let next = day(&mut fixture, &monitors, 3);
        let refused = kept.append(&*store, next.clone()).await.expect_err("there is no room");
        assert_eq!(refused.kind, StoreErrorKind::Full, "{refused}");
        kept.is_there(&*store, "after a refusal").await;
        make_room(&disk);
        kept.append(&*store, next).await.expect("there is room");
        // The hours of the month are sealed again, the day is new.
        let before = sealed(&disk);
        let tries = squeeze(&disk, &*store, &mut kept, start().plus_us(4 * DAY + 60 * MINUTE)).await;
        assert!(!tries.is_empty());
        let after = sealed(&disk);
        assert_eq!((after.len(), after.difference(&before).count()), (5, 2), "{after:?}");
        kept.is_there_once(&*store).await;

        // The live file is to be copied, and there is no room for that: it stays as it is, until a later day.
        store.set_metadata("ballast", &vec![7; 4 << 20]).await.expect("writes");
        // The engine cuts off empty room at the end by itself: something stands there.
        for pin in 0..48 {
            store.set_metadata(&format!("pin {pin}"), &vec![7; 64 << 10]).await.expect("writes");
        }
        store.set_metadata("ballast", b"gone").await.expect("writes");
        let live = || fs::metadata(disk.join("embedded/live.db")).expect("size").len();
        let large = live();
        let mut grown = Vec::new();
        for number in 5..60 {
            fill(&disk, ((number - 5) * 256) << 10);
            let now = start().plus_us(number * DAY + 60 * MINUTE);
            while store.tend(now).await.is_ok_and(|more| more) {}
            kept.is_there(&*store, &format!("copied with {} KiB free", (number - 5) * 256)).await;
            assert!(!names(&disk).iter().any(|name| name.ends_with(".new")), "{:?}", names(&disk));
            make_room(&disk);
            grown.push(live());
            if live() < large / 2 {
                break;
            }
        }
        assert!(grown[0] == large && live() < large / 2, "not without room, then by itself: {grown:?}");
        kept.is_there_once(&*store).await;
        assert!(store.verify().await.expect("verifies").damaged.is_empty());
        store.close().await.expect("closes");
        let store = open(&disk).await.expect("opens");
        kept.is_there(&*store, "after a start").await;
    });
    support_disk::passed();
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_stops_sealing_for_as_long_as_it_is_full() {
    support_disk::run_on_a_small_disk("sealing::on_a_small_disk", "32m");
}
