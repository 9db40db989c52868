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
#[path = "../support_remote/mod.rs"]
mod support_remote;
mod text;
mod upkeep;
mod ways;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use hallmonitor::clock::{Clock, SystemClock};
use hallmonitor::deliver::Delivery;
use hallmonitor::model::UnixMicros;
use hallmonitor::storage::backends::influxdb::InfluxDb;
use hallmonitor::storage::backends::influxdb::test_server::{self, TestServer, Wanted};
use hallmonitor::storage::{Backend, BackendConfig, ResultStore, StoreError, StoreErrorKind};
use support_remote::suite::Harmed;
use support_remote::{
    DAY, EVER, MINUTE, batch, block, delivered, drained, env_of, push, read, rows, start, stopped, stream, until,
};

/// How long delivery waits for an answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// The server that the tests share, for those that do not harm it.
async fn server() -> &'static TestServer {
    test_server::shared().await.expect("InfluxDB was built (cargo xtask setup)")
}

/// A server of a test's own.
async fn own_server(wanted: &Wanted) -> TestServer {
    TestServer::start(wanted).await.expect("InfluxDB was built (cargo xtask setup)")
}

async fn open(settings: &InfluxDb) -> Result<Arc<dyn ResultStore>, StoreError> {
    settings.open(&env_of(1)).await
}

fn now() -> UnixMicros {
    SystemClock.wall()
}

/// Delivery as the program has it, with short waits.
fn delivery(folder: &Path, settings: &InfluxDb) -> Delivery {
    support_remote::delivery(folder, BackendConfig::of(settings.clone()), PATIENCE)
}

#[track_caller]
fn assert_told(error: &StoreError, kind: StoreErrorKind, parts: &[&str]) {
    support_remote::assert_told(error, kind, parts, test_server::TOKEN);
}

impl Harmed for TestServer {
    fn signal(&self, signal: &str) {
        self.signal(signal);
    }

    fn kill(&self) {
        self.kill();
    }

    async fn run(&self) {
        self.run().await;
    }
}

/// Settings whose calls end soon.
fn hasty(settings: &InfluxDb) -> InfluxDb {
    serde_json::from_value::<InfluxDb>(serde_json::json!({"connectTimeout": "1s", "timeout": "1s500ms"}))
        .map(|hasty| InfluxDb { connect_timeout: hasty.connect_timeout, timeout: hasty.timeout, ..settings.clone() })
        .expect("settings")
}
