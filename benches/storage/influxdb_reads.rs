//! InfluxDB: what a person waits for when much is kept, each question in a process of its own.

use std::time::Instant;

use hallmonitor::storage::Backend;
use hallmonitor::storage::backends::influxdb::InfluxDb;

use crate::influxdb::{env, server};
use crate::past::Past;
use crate::questions::{Much, block};

/// First word of the arguments of a process that asks one question.
pub(crate) const ASKER: &str = "ask-influxdb";
const MUCH: Much = Much { backend: "influxdb", asker: ASKER, holds: "10 M results", monitors: 500, limit_ms: 250 };

/// Asks `times` times each; of the last `days` there are results, 28 of them are 10 M. A server that is given by
/// environment (`HALLMONITOR_TEST_INFLUX_URL`) is filled once and asked again and again.
pub(crate) fn reads(times: usize, days: u64) {
    let folder = tempfile::tempdir().expect("folder");
    let own = std::env::var_os("HALLMONITOR_TEST_INFLUX_URL").is_none().then(|| block(server()));
    let settings = match &own {
        Some(server) => server.settings("reads"),
        None => {
            let given = block(InfluxDb::test_instance(&env(folder.path()))).expect("is given");
            InfluxDb { bucket: "reads".to_owned(), ..given }
        }
    };
    block(async {
        let store = settings.open(&env(folder.path())).await.expect("opens");
        if own.is_none() && store.metadata("rolled_until").await.expect("reads").is_some() {
            return;
        }
        let began = Instant::now();
        let mut past = Past::new(store, MUCH.monitors(), days);
        past.write().await;
        eprintln!("{} results and {} rollups written in {:?}", past.results, past.rollups, began.elapsed());
        past.store.close().await.expect("closes");
    });
    MUCH.ask_all(times, folder.path(), &serde_json::to_string(&settings).expect("settings"));
}

/// The process that asks.
pub(crate) fn asker() {
    let settings = std::env::var_os("BENCH_WAY").and_then(|text| text.into_string().ok()).expect("settings");
    let settings: InfluxDb = serde_json::from_str(&settings).expect("settings");
    MUCH.answer(&settings.contact(), async |folder| settings.open(&env(folder)).await.expect("opens"));
}
