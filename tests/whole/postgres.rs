//! History on a server that freezes while monitors are watched: no check is late because of it, no target is shown down,
//! and nothing is lost.

use std::thread::sleep;
use std::time::Duration;

use hallmonitor::storage::backends::postgres::Postgres;
use hallmonitor::storage::backends::postgres::test_server::{TestServer, Wanted};
use serde_json::Value;

use crate::support::{House, Server, Watch, tcp, until};

/// Monitors of each run, checked each second.
const MONITORS: usize = 100;
/// How long the server is frozen.
const FROZEN: Duration = Duration::from_secs(10);
/// How much later than beside a server that is well.
const LATER: f64 = 1.2;
/// Below this nothing is late, in microseconds: the machine's own noise.
const FLOOR_US: u64 = 2_000;
/// Other programs of the machine may be in the way now and then.
const TRIES: usize = 3;

fn configure(house: &House, store: &Postgres, target: &Server) {
    let monitors: Vec<String> =
        (0..MONITORS).map(|at| format!("        - {}\n", tcp(&format!("m{at}"), target.address))).collect();
    house.write_config(&format!(
        "storage:\n  backend: postgres\n  postgres:\n    host: {}\n    port: {}\n    database: {}\n    user: {}\n    \
         password: {}\n    acquireTimeout: 1s\n    statementTimeout: 1s\nmonitoring:\n  groups:\n    - name: all\n      \
         monitors:\n{}",
        store.host,
        store.port,
        store.database,
        store.user,
        Value::from(&*store.password),
        monitors.concat()
    ));
}

fn own(house: &House) -> Value {
    house.json(&["status", "--own"]).into_iter().next().expect("a line")
}

fn report(house: &House) -> Value {
    house.json(&["storage", "status"]).into_iter().next().expect("a line")
}

fn delivered(house: &House) -> Value {
    until("rows are delivered", || {
        Some(report(house)).filter(|report| {
            report["state"] == "open" && report["fault"].is_null() && report["metrics"]["appends"].as_u64() > Some(0)
        })
    })
}

fn count(server: &TestServer, database: &str) -> u64 {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let count: i64 = runtime.block_on(async {
        let mut admin = server.admin(database).await;
        sqlx::query_scalar("SELECT count(*) FROM hallmonitor.result").fetch_one(&mut admin).await.expect("counts")
    });
    u64::try_from(count).expect("not below 0")
}

/// A run and the server that it brings its rows to.
struct Run {
    house: House,
    server: TestServer,
    target: Server,
}

impl Run {
    fn new() -> Self {
        let server = TestServer::start(&Wanted::default()).expect("PostgreSQL is on this machine (cargo xtask setup)");
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let (house, target) = (House::new(), Server::start());
        configure(&house, &runtime.block_on(server.database("watched")), &target);
        Self { house, server, target }
    }

    /// Ends well; gives how late 99 of 100 checks were at most, in microseconds.
    fn end(&self, watch: Watch<'_>) -> u64 {
        let house = &self.house;
        let pool = &delivered(house)["pool"];
        assert!(pool["most"] == 4 && pool["idle"].as_u64().zip(pool["busy"].as_u64()).is_some(), "{pool}");
        let told = house.ask(&["storage", "status"]);
        assert!(String::from_utf8_lossy(&told.stdout).contains("at most 4"), "{told:?}");
        let schedule = own(house)["schedule"].clone();
        assert_eq!(schedule["missed"], 0, "{schedule}");
        for line in house.json(&["status"]) {
            assert_eq!(line["state"], "up", "{line}");
        }
        assert_eq!(house.json(&["incidents"]), Vec::<Value>::new());
        watch.stop();
        let done = schedule["done"].as_u64().expect("a number");
        assert!(count(&self.server, "watched") >= done && self.target.accepted() as u64 >= done, "{schedule}");
        schedule["late_p99_us"].as_u64().expect("a number")
    }
}

/// Two runs at the same time, so that whatever else the machine does makes both late: how late each was.
fn beside_each_other() -> (u64, u64) {
    let (well, ill) = (Run::new(), Run::new());
    let watches = (well.house.watch(), ill.house.watch());
    delivered(&well.house);
    delivered(&ill.house);
    ill.server.signal("STOP");
    sleep(FROZEN);
    let waits = report(&ill.house);
    assert!(waits["fault"].is_string() && waits["backlog_rows"].as_u64() > Some(0), "{waits}");
    let before = own(&ill.house);
    assert!(before["faults"].to_string().contains("storage"), "{before}");
    ill.server.signal("CONT");
    until("what waited is delivered", || (report(&ill.house)["backlog_rows"].as_u64()? < 500).then_some(()));
    (well.end(watches.0), ill.end(watches.1))
}

#[test]
fn a_frozen_server_makes_no_check_late_and_shows_no_target_down() {
    let mut seen = Vec::new();
    for _ in 0..TRIES {
        let (well, ill) = beside_each_other();
        seen.push((well, ill));
        let allowed = (well as f64 * LATER).max(FLOOR_US as f64);
        if ill as f64 <= allowed {
            return;
        }
    }
    panic!("late by (well, frozen) µs at p99: {seen:?}");
}
