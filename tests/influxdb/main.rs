//! The influxdb backend against real servers that fail in every way that counts. What every store promises is in the
//! conformance suite (`tests/storage.rs`), which runs over this backend too.
//!
//! | file | what is in it |
//! |---|---|
//! | `refusal.rs` | what the server says no to, and what a person is told |
//! | `answers.rs` | answers that are none: HTML, garbage, cut off |
//! | `outage.rs` | a server that is frozen, killed, slow or cut off while rows come |
//! | `text.rs` | hostile text: what is written comes back, and no query means anything else |
//! | `ways.rs` | TLS, paths, proxies |
//! | `sharing.rs` | several instances, and tokens with few rights |
//! | `upkeep.rs` | retention and deletions |
//! | `disk.rs` | a full disk |
//! | `look.rs` | the look at the way to the server |
//! | `lost.rs` | rows that the server acknowledges and does not have |
//! | `documented.rs` | the examples that people paste, and the example file |
//! | `door.rs` | a way to the server that does what a real server will not |

#![allow(clippy::expect_used, reason = "a test may stop at the first fault")]
#![allow(unreachable_pub, reason = "the modules are those of one crate")]

mod answers;
mod disk;
mod documented;
mod door;
mod look;
mod lost;
mod outage;
#[path = "../postgres/proxy.rs"]
#[allow(dead_code, reason = "a part of it is used")]
mod proxy;
mod refusal;
mod sharing;
#[path = "../support_disk/mod.rs"]
mod support_disk;
mod text;
mod upkeep;
mod ways;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use hallmonitor::clock::{Clock, SystemClock};
use hallmonitor::deliver::{ConfiguredStore, Delivery, DeliveryOptions, StoreSettings};
use hallmonitor::event::Events;
use hallmonitor::model::{CheckResult, InstanceId, MonitorId, Row, Span, UnixMicros};
use hallmonitor::secret::MemoryVault;
use hallmonitor::storage::backends::influxdb::InfluxDb;
use hallmonitor::storage::backends::influxdb::test_server::{self, TestServer, Wanted};
use hallmonitor::storage::conformance::Fixture;
use hallmonitor::storage::{
    Backend, BackendConfig, BackendEnv, Batch, ResultQuery, ResultStore, Retention, StoreError, StoreErrorKind,
};

/// 2026-03-01T00:00:00Z.
fn start() -> UnixMicros {
    UnixMicros::new(1_772_323_200_000_000)
}

const MINUTE: u64 = 60_000_000;
const DAY: u64 = 86_400_000_000;
const EVER: Span = Span { from: UnixMicros::MIN, to: UnixMicros::MAX };

fn block<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime").block_on(future)
}

/// The server that the tests share, for those that do not harm it.
async fn server() -> &'static TestServer {
    test_server::shared().await.expect("InfluxDB was built (cargo xtask setup)")
}

/// A server of a test's own.
async fn own_server(wanted: &Wanted) -> TestServer {
    TestServer::start(wanted).await.expect("InfluxDB was built (cargo xtask setup)")
}

fn env_of(instance: u128) -> BackendEnv {
    BackendEnv {
        data_dir: PathBuf::from("not used"),
        instance: InstanceId::new(uuid::Uuid::from_u128(instance)),
        clock: Arc::new(SystemClock),
        vault: Arc::new(MemoryVault::default()),
    }
}

async fn open(settings: &InfluxDb) -> Result<Arc<dyn ResultStore>, StoreError> {
    settings.open(&env_of(1)).await
}

fn now() -> UnixMicros {
    SystemClock.wall()
}

fn rows(seed: u64, count: usize) -> Vec<CheckResult> {
    let mut fixture = Fixture::new(seed);
    let monitor = fixture.monitor();
    fixture.results(monitor, start(), MINUTE, count)
}

/// Results of a few monitors in the order in which they would come.
fn stream(seed: u64, monitors: usize, each: usize) -> Vec<CheckResult> {
    let mut fixture = Fixture::new(seed);
    let mut all = Vec::new();
    for _ in 0..monitors {
        let monitor = fixture.monitor();
        all.extend(fixture.results(monitor, start(), MINUTE, each));
    }
    all.sort_by_key(|row| (row.time, row.monitor));
    all
}

fn batch(results: &[CheckResult]) -> Batch {
    Batch { results: results.to_vec(), ..Batch::default() }
}

/// Every result, oldest first.
async fn read(store: &dyn ResultStore, monitor: Option<MonitorId>) -> Result<Vec<CheckResult>, StoreError> {
    let query = ResultQuery { monitor, span: EVER, limit: 1_000_000, after: None };
    let mut results = store.results(&query).await?.results;
    results.reverse();
    Ok(results)
}

/// Settings whose calls end soon.
fn hasty(settings: &InfluxDb) -> InfluxDb {
    serde_json::from_value::<InfluxDb>(serde_json::json!({"connectTimeout": "1s", "timeout": "1s500ms"}))
        .map(|hasty| InfluxDb { connect_timeout: hasty.connect_timeout, timeout: hasty.timeout, ..settings.clone() })
        .expect("settings")
}

/// Looks again and again, for at most a minute.
async fn until<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    for _ in 0..1_200 {
        if let Some(found) = look().await {
            return found;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("never: {what}");
}

/// Delivery as the program has it, with short waits.
fn delivery(folder: &Path, settings: &InfluxDb) -> Delivery {
    let mut options = DeliveryOptions::new(folder.to_owned(), Arc::new(SystemClock), Events::new());
    options.journal.close_after = Duration::from_millis(10);
    options.call_timeout = Duration::from_secs(10);
    options.first_retry = Some(Duration::from_millis(50));
    options.save_every_us = 0;
    // What is old by the calendar stays.
    options.retention = Retention::everything();
    let config = BackendConfig::InfluxDb(settings.clone());
    let opener = ConfiguredStore {
        backend: config.id(),
        settings: StoreSettings::new(&config, None),
        env: env_of(1),
        contact: settings.contact(),
    };
    Delivery::start(options, Arc::new(opener)).expect("starts").0
}

fn push(delivery: &Delivery, rows: &[CheckResult]) {
    rows.iter().for_each(|row| delivery.journal().push(&Row::Result(row.clone())));
}

async fn delivered(delivery: &Delivery) {
    until("everything is delivered", async || {
        let flushed = delivery.journal().flush(Duration::from_secs(5));
        let status = delivery.status();
        (flushed && status.state == "open" && status.backlog_rows == 0).then_some(())
    })
    .await;
}

/// Stops it, while what stands between it and the server goes on working.
async fn stopped(delivery: Delivery) {
    let stop = tokio::task::spawn_blocking(move || delivery.stop(Duration::from_secs(10)));
    assert!(stop.await.expect("no panic"), "it stops in time");
}

/// Waits until everything is delivered, nothing refused and nothing dropped.
async fn drained(delivery: &Delivery) {
    delivered(delivery).await;
    assert_eq!((delivery.status().dead_letters, delivery.status().dropped), (0, 0));
}

/// Asserts what kind of fault it is and that its text says certain things; and that no text ever shows the token.
#[track_caller]
fn assert_told(error: &StoreError, kind: StoreErrorKind, parts: &[&str]) {
    let told = format!("{error} {error:?}");
    assert_eq!(error.kind, kind, "{told}");
    for part in parts {
        assert!(error.to_string().contains(part), "{part:?} is not in {error}");
    }
    assert!(!told.contains(test_server::TOKEN) && !told.contains("hunter2"), "{told}");
}
