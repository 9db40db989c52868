//! History on a server that freezes, is killed and started again, and is slow, while monitors are watched: no check is
//! late because of it, no target is shown down, and nothing is lost.

use std::thread::sleep;
use std::time::Duration;

use hallmonitor::storage::backends::influxdb::test_server as influxdb;
use hallmonitor::storage::backends::postgres::test_server as postgres;
use serde_json::Value;

use crate::support::{House, Server, Watch, tcp, until};

/// Monitors of each run, checked each second.
const MONITORS: usize = 100;
/// How long the server is frozen, and how long it is gone.
const FROZEN: Duration = Duration::from_secs(10);
const GONE: Duration = Duration::from_secs(3);
/// A slow one works for so long and then stands for so long, so many times.
const SLOW: usize = 40;
const WORKS: Duration = Duration::from_millis(20);
const STANDS: Duration = Duration::from_millis(180);
/// How much later than beside a server that is well.
const LATER: f64 = 1.2;
/// Below this nothing is late, in microseconds: the machine's own noise.
const FLOOR_US: u64 = 2_000;
/// Other programs of the machine may be in the way now and then.
const TRIES: usize = 5;
/// Fewer rows than this wait at any time: those of the last seconds.
const FEW: u64 = 500;

/// A server that keeps history.
trait Remote {
    fn start() -> Self;
    /// The storage section of a file that uses it, impatiently.
    fn section(&self) -> String;
    fn signal(&self, signal: &str);
    fn kill(&self);
    fn run(&self);
    /// Results that it has, asked from outside.
    fn results(&self) -> u64;
}

fn block<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime").block_on(future)
}

impl Remote for postgres::TestServer {
    fn start() -> Self {
        Self::start(&postgres::Wanted::default()).expect("PostgreSQL is on this machine (cargo xtask setup)")
    }

    fn section(&self) -> String {
        let store = block(self.database("watched"));
        format!(
            "storage:\n  backend: postgres\n  postgres:\n    host: {}\n    port: {}\n    database: {}\n    user: {}\n    \
             password: {}\n    acquireTimeout: 1s\n    statementTimeout: 1s\n",
            store.host,
            store.port,
            store.database,
            store.user,
            Value::from(&*store.password)
        )
    }

    fn signal(&self, signal: &str) {
        self.signal(signal);
    }

    fn kill(&self) {
        self.kill();
    }

    fn run(&self) {
        self.run();
    }

    fn results(&self) -> u64 {
        let count: i64 = block(async {
            let mut admin = self.admin("watched").await;
            sqlx::query_scalar("SELECT count(*) FROM hallmonitor.result").fetch_one(&mut admin).await.expect("counts")
        });
        u64::try_from(count).expect("not below 0")
    }
}

impl Remote for influxdb::TestServer {
    fn start() -> Self {
        let wanted = influxdb::Wanted::default();
        block(Self::start(&wanted)).expect("InfluxDB was built (cargo xtask setup)")
    }

    fn section(&self) -> String {
        format!(
            "storage:\n  backend: influxdb\n  influxdb:\n    url: {}\n    org: {}\n    bucket: watched\n    token: \"{}\"\n    \
             connectTimeout: 1s\n    timeout: 1s\n",
            self.url(),
            Value::from(influxdb::ORG),
            influxdb::TOKEN
        )
    }

    fn signal(&self, signal: &str) {
        self.signal(signal);
    }

    fn kill(&self) {
        self.kill();
    }

    fn run(&self) {
        block(self.run());
    }

    fn results(&self) -> u64 {
        let answer = block(self.query(
            "from(bucket: \"watched\") |> range(start: 0) |> filter(fn: (r) => r._measurement == \"hallmonitor_result\" \
             and r._field == \"verdict\") |> group() |> count() |> keep(columns: [\"_value\"])",
        ));
        answer.trim().rsplit(',').next().and_then(|count| count.parse().ok()).unwrap_or_else(|| panic!("{answer}"))
    }
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

/// A run and the server that it brings its rows to.
struct Run<R> {
    house: House,
    server: R,
    target: Server,
}

impl<R: Remote> Run<R> {
    fn new() -> Self {
        let server = R::start();
        let (house, target) = (House::new(), Server::start());
        let monitors: Vec<String> =
            (0..MONITORS).map(|at| format!("        - {}\n", tcp(&format!("m{at}"), target.address))).collect();
        house.write_config(&format!(
            "{}monitoring:\n  groups:\n    - name: all\n      monitors:\n{}",
            server.section(),
            monitors.concat()
        ));
        Self { house, server, target }
    }

    /// What happens to the server; afterwards all that waited is there.
    fn suffer(&self) {
        self.server.signal("STOP");
        sleep(FROZEN);
        self.is_stuck();
        self.server.signal("CONT");
        self.gets_over("it was frozen");
        self.server.kill();
        sleep(GONE);
        self.server.run();
        self.gets_over("it was killed");
        for _ in 0..SLOW {
            self.server.signal("STOP");
            sleep(STANDS);
            self.server.signal("CONT");
            sleep(WORKS);
        }
        self.gets_over("it was slow");
    }

    fn is_stuck(&self) {
        let waits = report(&self.house);
        assert!(waits["fault"].is_string() && waits["backlog_rows"].as_u64() > Some(0), "{waits}");
        let own = own(&self.house);
        assert!(own["faults"].to_string().contains("storage"), "{own}");
    }

    fn gets_over(&self, what: &str) {
        until(what, || {
            let report = report(&self.house);
            (report["fault"].is_null() && report["backlog_rows"].as_u64()? < FEW).then_some(())
        });
    }

    /// Ends well; gives how late 99 of 100 checks were at most, in microseconds.
    fn end(&self, watch: Watch<'_>) -> u64 {
        let house = &self.house;
        delivered(house);
        let schedule = own(house)["schedule"].clone();
        assert_eq!(schedule["missed"], 0, "{schedule}");
        for line in house.json(&["status"]) {
            assert_eq!(line["state"], "up", "{line}");
        }
        assert_eq!(house.json(&["incidents"]), Vec::<Value>::new());
        watch.stop();
        let done = schedule["done"].as_u64().expect("a number");
        if self.server.results() < done {
            // What the end had no time for comes with the next start.
            let again = house.watch();
            until("the rest is there", || (self.server.results() >= done).then_some(()));
            again.stop();
        }
        let (kept, seen) = (self.server.results(), self.target.accepted() as u64);
        assert!(kept <= seen, "{kept} kept of {seen} seen: {schedule}");
        schedule["late_p99_us"].as_u64().expect("a number")
    }
}

/// Two runs at the same time, so that whatever else the machine does makes both late: how late each was.
fn beside_each_other<R: Remote>() -> (u64, u64) {
    let (well, ill) = (Run::<R>::new(), Run::<R>::new());
    let watches = (well.house.watch(), ill.house.watch());
    delivered(&well.house);
    delivered(&ill.house);
    ill.suffer();
    (well.end(watches.0), ill.end(watches.1))
}

fn makes_no_check_late_and_shows_no_target_down<R: Remote>() {
    let (mut seen, mut noise) = (Vec::new(), FLOOR_US);
    for _ in 0..TRIES {
        let (well, ill) = beside_each_other::<R>();
        seen.push((well, ill));
        // What makes a run late whose server is well makes the other one late in the same way.
        noise = noise.max(well);
        let allowed = noise as f64 * LATER;
        if ill as f64 <= allowed {
            return;
        }
    }
    panic!("late by (well, ill) µs at p99: {seen:?}");
}

#[test]
fn a_frozen_killed_or_slow_postgresql_makes_no_check_late_and_shows_no_target_down() {
    makes_no_check_late_and_shows_no_target_down::<postgres::TestServer>();
}

#[test]
fn a_frozen_killed_or_slow_influxdb_makes_no_check_late_and_shows_no_target_down() {
    makes_no_check_late_and_shows_no_target_down::<influxdb::TestServer>();
}

#[test]
fn the_use_of_the_pool_is_told() {
    let run = Run::<postgres::TestServer>::new();
    let watch = run.house.watch();
    let pool = &delivered(&run.house)["pool"];
    assert!(pool["most"] == 4 && pool["idle"].as_u64().zip(pool["busy"].as_u64()).is_some(), "{pool}");
    let told = run.house.ask(&["storage", "status"]);
    assert!(String::from_utf8_lossy(&told.stdout).contains("at most 4"), "{told:?}");
    watch.stop();
}
