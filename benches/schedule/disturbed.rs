//! A thousand monitors at a second while something is done to the store of their history, beside the same process when
//! nothing is: quiet and disturbed windows take turns, so that both see the same machine.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::thread::sleep;
use std::time::Duration;

use hallmonitor::storage::backends::influxdb::InfluxDb;
use hallmonitor::storage::backends::influxdb::test_server as influx;
use hallmonitor::storage::backends::postgres::Postgres;
use hallmonitor::storage::backends::postgres::test_server as postgres;

use crate::support::figure::Figure;
use crate::support::target::Target;
use crate::support::{argument, now_us, quantile};
use crate::{ANSWER_MEDIAN_US, Row, Window, config_of, own_status, program, slots_of, start, stop};

const ROW: Row =
    Row { name: "1000x1s", monitors: 1_000, interval_ms: 1_000, cpu_ratio: 0.0, late_ms: 10, rss_mib: None };
/// Most that lateness may grow.
const REACH: f64 = 1.2;
const WINDOW: Duration = Duration::from_secs(10);

/// The servers, and a word of what is done to them.
struct Servers {
    postgres: postgres::TestServer,
    influx: influx::TestServer,
    settings: (Postgres, InfluxDb),
}

impl Servers {
    fn start() -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async {
            let postgres = postgres::TestServer::start(&postgres::Wanted::default()).expect("PostgreSQL is needed");
            let influx = influx::TestServer::start(&influx::Wanted::default()).await.expect("InfluxDB is needed");
            let settings = (postgres.database("bench").await, influx.settings("bench"));
            Self { postgres, influx, settings }
        })
    }

    /// The `storage` section with both.
    fn section(&self, backend: &str) -> String {
        let (postgres, influx) = (json(&self.settings.0), json(&self.settings.1));
        format!("storage: {{backend: {backend}, postgres: {postgres}, influxdb: {influx}}}\n")
    }
}

/// As JSON, which is YAML as well.
fn json<T: serde::Serialize>(settings: &T) -> String {
    serde_json::to_string(settings).expect("plain")
}

/// What is done in a disturbed window, and what ends it.
struct Disturbance {
    name: &'static str,
    backend: &'static str,
    begin: fn(&Servers, &Path, usize),
    end: fn(&Servers),
}

const ALL: &[Disturbance] = &[
    Disturbance { name: "switch", backend: "embedded", begin: switch, end: |_| () },
    Disturbance {
        name: "postgres frozen",
        backend: "postgres",
        begin: |servers, _, _| servers.postgres.signal("STOP"),
        end: |servers| servers.postgres.signal("CONT"),
    },
    Disturbance {
        name: "postgres killed",
        backend: "postgres",
        begin: |servers, _, _| servers.postgres.kill(),
        end: |servers| servers.postgres.run(),
    },
    Disturbance {
        name: "influxdb frozen",
        backend: "influxdb",
        begin: |servers, _, _| servers.influx.signal("STOP"),
        end: |servers| servers.influx.signal("CONT"),
    },
];

/// History goes to the next backend.
fn switch(_: &Servers, folder: &Path, nth: usize) {
    let backend = ["postgres", "influxdb", "none", "embedded"][nth % 4];
    let output = Command::new(program())
        .args(["storage", "use", backend, "--config"])
        .arg(folder.join("config.yml"))
        .arg("--data-dir")
        .arg(folder.join("data"))
        .output()
        .expect("hallmonitor starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// Lateness of every slot of the windows of one kind, and how many slots there were.
#[derive(Default)]
struct Seen {
    late: Vec<u64>,
    slots: u64,
}

impl Seen {
    fn p99(&mut self) -> u64 {
        self.late.sort_unstable();
        quantile(&self.late, 0.99)
    }

    fn done(&self) -> f64 {
        self.late.len() as f64 * 100.0 / self.slots.max(1) as f64
    }
}

/// Measures each of them, or the one that `--only` names.
pub(crate) fn measure() {
    let only: String = argument("--only", String::new());
    let pairs: usize = argument("--pairs", 8);
    let wanted: Vec<&Disturbance> = ALL.iter().filter(|each| only.is_empty() || each.name == only).collect();
    if wanted.is_empty() {
        return;
    }
    let servers = Servers::start();
    for each in wanted {
        disturb(&servers, each, pairs);
    }
}

fn disturb(servers: &Servers, what: &Disturbance, pairs: usize) {
    let folder = tempfile::tempdir().expect("folder");
    let target = Target::start(folder.path(), ANSWER_MEDIAN_US, false);
    let text = servers.section(what.backend) + &config_of(&ROW, target.port);
    fs::write(folder.path().join("config.yml"), text).expect("configuration written");
    let mut child = start(folder.path());
    sleep(Duration::from_secs(15));
    let mut windows = Vec::new();
    for nth in 0..pairs * 2 {
        let disturbed = nth % 2 == 1;
        let from_us = now_us();
        if disturbed {
            (what.begin)(servers, folder.path(), nth / 2);
        }
        sleep(WINDOW.saturating_sub(Duration::from_micros(now_us() - from_us)));
        windows.push((disturbed, Window { from_us, to_us: now_us(), cpu_percent: 0.0, rss_kib: 0 }));
        if disturbed {
            (what.end)(servers);
            // What waited is delivered: that is neither.
            sleep(Duration::from_secs(3));
        }
    }
    let missed = own_status(folder.path())["schedule"]["missed"].to_string();
    let arrivals = target.arrivals();
    stop(&mut child);
    let (mut quiet, mut disturbed) = (Seen::default(), Seen::default());
    for (is_disturbed, window) in &windows {
        let seen = if *is_disturbed { &mut disturbed } else { &mut quiet };
        let (late, slots) = slots_of(&ROW, window, &arrivals);
        seen.late.extend(late);
        seen.slots += slots;
    }
    tell(what, &mut quiet, &mut disturbed, &missed, pairs);
}

fn tell(what: &Disturbance, quiet: &mut Seen, disturbed: &mut Seen, missed: &str, pairs: usize) {
    let counted =
        format!("{} slots in {pairs} windows of {} s, beside as many quiet ones", disturbed.slots, WINDOW.as_secs());
    let of = |text: &str| format!("{}, {}: {text}", ROW.name, what.name);
    let (limit, ours) = (quiet.p99(), disturbed.p99());
    Figure {
        what: of("distance from the grid p99"),
        figure: format!("{ours} µs"),
        limit: Some(format!("{limit} µs (the same run while nothing is done)")),
        ratio: Some(ours as f64 / limit.max(1) as f64),
        reach: Some(format!("≤ {REACH} ×")),
        counted: counted.clone(),
        ..Figure::default()
    }
    .tell();
    Figure {
        what: of("checks missed, own count; slots done, as the target saw"),
        figure: format!("{missed}; {:.2} % (quiet {:.2} %)", disturbed.done(), quiet.done()),
        reach: Some("0; 100 %".into()),
        counted,
        ..Figure::default()
    }
    .tell();
}
