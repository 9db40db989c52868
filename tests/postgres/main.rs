//! The postgres backend against real servers that fail in every way that counts. What every store promises is in the
//! conformance suite (`tests/storage.rs`), which runs over this backend too.
//!
//! | file | what is in it |
//! |---|---|
//! | `refusal.rs` | what the server says no to, and what a person is told |
//! | `protection.rs` | TLS in every mode |
//! | `outage.rs` | a server that is frozen, killed or cut off while rows come |
//! | `replica.rs` | read replicas |
//! | `sharing.rs` | several instances, and users with few rights |
//! | `append.rs` | the two ways in |
//! | `lean.rs` | reads that leave out what nobody asked for |
//! | `upkeep.rs` | partitions and floors |
//! | `disk.rs` | a full disk |
//! | `look.rs` | the look at the way to the server |
//! | `crash.rs` | our process is killed while rows come |
//! | `timescale.rs` | TimescaleDB: hypertables, chunks, compression |

#![allow(clippy::expect_used, reason = "a test may stop at the first fault")]
#![allow(unreachable_pub, reason = "the modules are those of one crate")]

mod append;
mod crash;
mod disk;
mod lean;
mod look;
mod outage;
mod protection;
mod proxy;
mod refusal;
mod replica;
mod sharing;
#[path = "../support_disk/mod.rs"]
mod support_disk;
mod timescale;
mod upkeep;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use hallmonitor::clock::SystemClock;
use hallmonitor::model::{CheckResult, InstanceId, MonitorId, Span, UnixMicros};
use hallmonitor::secret::MemoryVault;
use hallmonitor::storage::backends::postgres::Postgres;
use hallmonitor::storage::backends::postgres::test_server::{self, TestServer, Wanted};
use hallmonitor::storage::conformance::Fixture;
use hallmonitor::storage::{Backend, BackendEnv, Batch, ResultQuery, ResultStore, StoreError};

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
fn server() -> &'static TestServer {
    test_server::shared().expect("PostgreSQL is on this machine (cargo xtask setup)")
}

/// A server of a test's own.
fn own_server(wanted: &Wanted) -> TestServer {
    TestServer::start(wanted).expect("PostgreSQL is on this machine (cargo xtask setup)")
}

fn env_of(instance: u128) -> BackendEnv {
    BackendEnv {
        data_dir: PathBuf::from("not used"),
        instance: InstanceId::new(uuid::Uuid::from_u128(instance)),
        clock: Arc::new(SystemClock),
        vault: Arc::new(MemoryVault::default()),
    }
}

async fn open(settings: &Postgres) -> Result<Arc<dyn ResultStore>, StoreError> {
    settings.open(&env_of(1)).await
}

fn rows(seed: u64, count: usize) -> Vec<CheckResult> {
    let mut fixture = Fixture::new(seed);
    let monitor = fixture.monitor();
    fixture.results(monitor, start(), MINUTE, count)
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
fn hasty(settings: &Postgres) -> Postgres {
    serde_json::from_value::<Postgres>(serde_json::json!({
        "acquireTimeout": "1s",
        "statementTimeout": "500ms",
    }))
    .map(|hasty| Postgres {
        acquire_timeout: hasty.acquire_timeout,
        statement_timeout: hasty.statement_timeout,
        ..settings.clone()
    })
    .expect("settings")
}

/// Looks again and again, for at most 30 s.
async fn until<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    for _ in 0..600 {
        if let Some(found) = look().await {
            return found;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("never: {what}");
}
