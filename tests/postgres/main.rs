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
//! | `share.rs` | a limit of the size, of the own share |
//! | `append.rs` | the two ways in |
//! | `lean.rs` | reads that leave out what nobody asked for |
//! | `upkeep.rs` | partitions and floors |
//! | `disk.rs` | a full disk |
//! | `look.rs` | the look at the way to the server |
//! | `crash.rs` | our process is killed while rows come |
//! | `documented.rs` | the example file, as the whole program runs it |
//! | `timescale.rs` | TimescaleDB: hypertables, chunks, compression |

#![allow(clippy::expect_used, reason = "a test may stop at the first fault")]
#![allow(unreachable_pub, reason = "the modules are those of one crate")]

mod append;
mod crash;
mod disk;
mod documented;
mod lean;
mod look;
mod outage;
mod protection;
mod proxy;
mod refusal;
mod replica;
mod share;
mod sharing;
#[path = "../support_disk/mod.rs"]
mod support_disk;
#[path = "../support_remote/mod.rs"]
mod support_remote;
mod timescale;
mod upkeep;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use hallmonitor::deliver::Delivery;
use hallmonitor::storage::backends::postgres::Postgres;
use hallmonitor::storage::backends::postgres::test_server::{self, TestServer, Wanted};
use hallmonitor::storage::{Backend, BackendConfig, ResultStore, StoreError, StoreErrorKind};
use support_remote::suite::Harmed;
use support_remote::{DAY, EVER, MINUTE, batch, block, drained, env_of, read, rows, start, stream, until};

/// How long delivery waits for an answer.
const PATIENCE: Duration = Duration::from_secs(3);

/// The server that the tests share, for those that do not harm it.
fn server() -> &'static TestServer {
    test_server::shared().expect("PostgreSQL is on this machine (cargo xtask setup)")
}

/// A server of a test's own.
fn own_server(wanted: &Wanted) -> TestServer {
    TestServer::start(wanted).expect("PostgreSQL is on this machine (cargo xtask setup)")
}

async fn open(settings: &Postgres) -> Result<Arc<dyn ResultStore>, StoreError> {
    settings.open(&env_of(1)).await
}

/// Delivery as the program has it, with short waits.
fn delivery(folder: &Path, settings: &Postgres) -> Delivery {
    support_remote::delivery(folder, BackendConfig::of(settings.clone()), PATIENCE)
}

#[track_caller]
fn assert_told(error: &StoreError, kind: StoreErrorKind, parts: &[&str]) {
    support_remote::assert_told(error, kind, parts, test_server::PASSWORD);
}

impl Harmed for TestServer {
    fn signal(&self, signal: &str) {
        self.signal(signal);
    }

    fn kill(&self) {
        self.kill();
    }

    async fn run(&self) {
        self.run();
    }
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
