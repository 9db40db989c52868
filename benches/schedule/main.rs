//! Whole-process runs: `hallmonitor run` against a neutral target in another process, beside the bare loop.
//! `--seconds N` is the time after the first round (180), `--row NAME` runs one row; `--row disturbed` is `disturbed.rs`
//! alone, of which `--only NAME` takes a part.

#![allow(
    clippy::expect_used,
    clippy::print_stdout,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::disallowed_methods,
    reason = "a bench may stop at the first fault, prints its figures, and reckons with floats"
)]

#[path = "../support/mod.rs"]
#[allow(dead_code, unreachable_pub, reason = "each bench uses a part")]
mod support;

mod disturbed;

use std::collections::HashMap;
use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

use support::figure::Figure;
use support::target::{Arrival, Target};
use support::{argument, now_us, process, quantile};

/// One row of the table.
struct Row {
    name: &'static str,
    monitors: u32,
    interval_ms: u64,
    cpu_ratio: f64,
    late_ms: u64,
    rss_mib: Option<u64>,
}

const ROWS: &[Row] = &[
    Row { name: "1000x10s", monitors: 1_000, interval_ms: 10_000, cpu_ratio: 1.5, late_ms: 10, rss_mib: Some(40) },
    Row { name: "10000x60s", monitors: 10_000, interval_ms: 60_000, cpu_ratio: 1.5, late_ms: 20, rss_mib: Some(60) },
    Row { name: "1000x1s", monitors: 1_000, interval_ms: 1_000, cpu_ratio: 1.6, late_ms: 10, rss_mib: None },
];

/// The bare loop keeps no state that could grow: this long is enough.
const BARE_SECONDS: u64 = 90;

/// Log-normal, this median: a server in the same town.
const ANSWER_MEDIAN_US: u64 = 5_000;

fn main() {
    match std::env::args().nth(1).as_deref() {
        Some("target") => support::target::serve(),
        Some("bare") => support::bare::run(),
        _ => {
            let only: String = argument("--row", String::new());
            let seconds = argument("--seconds", 180);
            for row in ROWS.iter().filter(|row| only.is_empty() || row.name == only) {
                measure(row, seconds);
            }
            if only.is_empty() || only == "disturbed" {
                disturbed::measure();
            }
        }
    }
}

/// What was read of a process over the window.
struct Window {
    from_us: u64,
    to_us: u64,
    cpu_percent: f64,
    rss_kib: u64,
}

fn watch(child: &Child, first_round: Duration, seconds: u64) -> Window {
    sleep(first_round);
    let (from_us, cpu) = (now_us(), process::cpu_us(child.id()));
    let mut rss_kib = 0;
    while now_us() < from_us + seconds * 1_000_000 {
        sleep(Duration::from_secs(1));
        rss_kib = rss_kib.max(process::rss_kib(child.id()).0);
    }
    let to_us = now_us();
    let cpu_percent = (process::cpu_us(child.id()) - cpu) as f64 * 100.0 / (to_us - from_us) as f64;
    Window { from_us, to_us, cpu_percent, rss_kib }
}

fn measure(row: &Row, seconds: u64) {
    let folder = tempfile::tempdir().expect("folder");
    let target = Target::start(folder.path(), ANSWER_MEDIAN_US, true);
    let first_round = Duration::from_millis(row.interval_ms.min(10_000) + 2_000);

    let bare = bare_loop(row, &target, seconds);
    target.arrivals();

    let started_us = now_us();
    let mut child = hallmonitor(row, folder.path(), target.port);
    let window = watch(&child, first_round, seconds);
    let status = own_status(folder.path());
    let arrivals = target.arrivals();
    // After everything else was read: being looked at slows a process down.
    let syncs = syncs(&child);
    stop(&mut child);
    tell(row, &bare, &window, &arrivals, started_us, &status);
    tell_syncs(row, syncs);
}

/// How long syncs are counted.
const SYNC_SECONDS: u64 = 60;

/// Calls of the process that make something durable, as the system sees them.
fn syncs(child: &Child) -> u64 {
    let (pid, seconds) = (child.id().to_string(), SYNC_SECONDS.to_string());
    let output = Command::new("timeout")
        .args(["--signal=INT", &seconds, "strace", "-f", "-p", &pid, "-e"])
        .arg("trace=fsync,fdatasync,sync,syncfs,msync,sync_file_range")
        .output()
        .expect("strace runs");
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(text.contains("attached"), "strace could not attach: {text}");
    text.lines().filter(|line| line.contains("sync") && line.contains('(')).count() as u64
}

fn tell_syncs(row: &Row, syncs: u64) {
    Figure {
        what: format!("{}: syncs to disk a second", row.name),
        figure: format!("{:.2}", syncs as f64 / SYNC_SECONDS as f64),
        reach: Some("≤ 2".into()),
        counted: format!("{syncs} system calls in {SYNC_SECONDS} s"),
        ..Figure::default()
    }
    .tell();
}

fn bare_loop(row: &Row, target: &Target, seconds: u64) -> Window {
    let seconds = seconds.min(BARE_SECONDS);
    let total = seconds + 20;
    let mut child = Command::new(std::env::current_exe().expect("own path"))
        .args(["bare", &target.port.to_string(), &row.monitors.to_string(), &row.interval_ms.to_string()])
        .arg(total.to_string())
        .spawn()
        .expect("bare loop starts");
    let window = watch(&child, Duration::from_secs(5), seconds);
    let _ = child.kill();
    let _ = child.wait();
    window
}

fn program() -> String {
    std::env::var("BENCH_PROGRAM").unwrap_or_else(|_| env!("CARGO_BIN_EXE_hallmonitor").to_owned())
}

/// What it is told to watch.
fn config_of(row: &Row, port: u16) -> String {
    let mut text = format!(
        "monitoring:\n  defaultInterval: {}ms\n  defaultTimeout: 10s\n  groups:\n    - name: bench\n      monitors:\n",
        row.interval_ms
    );
    for n in 0..row.monitors {
        text += &format!("        - {{name: m{n}, type: http, url: \"http://127.0.0.1:{port}/{n}\"}}\n");
    }
    text
}

fn hallmonitor(row: &Row, folder: &Path, port: u16) -> Child {
    fs::write(folder.join("config.yml"), config_of(row, port)).expect("configuration written");
    start(folder)
}

/// Starts it on the configuration of a folder.
fn start(folder: &Path) -> Child {
    let log = fs::File::create(folder.join("log")).expect("log made");
    Command::new(program())
        .args(["run", "--config"])
        .arg(folder.join("config.yml"))
        .arg("--data-dir")
        .arg(folder.join("data"))
        .stdin(Stdio::null())
        .stdout(log.try_clone().expect("log"))
        .stderr(log)
        .spawn()
        .expect("hallmonitor starts")
}

/// What Hall Monitor itself says: lateness and missed slots.
fn own_status(folder: &Path) -> serde_json::Value {
    let output = Command::new(program())
        .args(["status", "--own", "--json", "--data-dir"])
        .arg(folder.join("data"))
        .output()
        .expect("status runs");
    let text = String::from_utf8_lossy(&output.stdout);
    text.lines()
        .filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok())
        .find(|line| line.get("schedule").is_some())
        .unwrap_or_default()
}

fn stop(child: &mut Child) {
    let _ = Command::new("kill").args(["-TERM", &child.id().to_string()]).status();
    let ended = child.wait().expect("hallmonitor ends");
    assert!(ended.success(), "hallmonitor ended with {ended}");
}

/// What the target's own record says.
struct Punctuality {
    done_percent: f64,
    slots: u64,
    late_p50_us: u64,
    late_p99_us: u64,
    first_round_ms: u64,
    busiest_to_mean: f64,
}

/// Takes the target's record apart: re-checks (they follow a failed answer and are in no slot) are left out, and what
/// is left is compared with each monitor's own grid.
fn punctuality(row: &Row, window: &Window, arrivals: &[Arrival], started_us: u64) -> Punctuality {
    let mut firsts: HashMap<u32, u64> = HashMap::new();
    let mut seconds: HashMap<u64, u64> = HashMap::new();
    for arrival in arrivals {
        firsts.entry(arrival.monitor).or_insert(arrival.at_us);
        if (window.from_us..window.to_us).contains(&arrival.at_us) {
            *seconds.entry((arrival.at_us - window.from_us) / 1_000_000).or_default() += 1;
        }
    }
    let (mut late, expected) = slots_of(row, window, arrivals);
    let filled = late.len();
    late.sort_unstable();
    let mean = arrivals_per_second(&seconds);
    let whole = (window.to_us - window.from_us) / 1_000_000;
    let busiest = seconds.iter().filter(|(second, _)| **second < whole).map(|(_, n)| *n).max().unwrap_or(0);
    Punctuality {
        done_percent: filled as f64 * 100.0 / expected.max(1) as f64,
        slots: expected,
        late_p50_us: quantile(&late, 0.5),
        late_p99_us: quantile(&late, 0.99),
        first_round_ms: firsts.values().max().map_or(u64::MAX, |last| (last - started_us) / 1_000),
        busiest_to_mean: busiest as f64 / mean,
    }
}

/// How far each check of a window was from its slot, and how many slots there were.
fn slots_of(row: &Row, window: &Window, arrivals: &[Arrival]) -> (Vec<u64>, u64) {
    let mut by_monitor: HashMap<u32, Vec<u64>> = HashMap::new();
    for arrival in arrivals.iter().filter(|arrival| (window.from_us - EDGE_US..window.to_us).contains(&arrival.at_us)) {
        by_monitor.entry(arrival.monitor).or_default().push(arrival.at_us);
    }
    let mut late = Vec::new();
    let mut expected = u64::from(row.monitors).saturating_sub(by_monitor.len() as u64);
    for times in by_monitor.values() {
        let (errors, slots) = against_grid(times, window, row.interval_ms * 1_000);
        expected += slots;
        late.extend(errors);
    }
    (late, expected)
}

fn arrivals_per_second(seconds: &HashMap<u64, u64>) -> f64 {
    seconds.values().sum::<u64>() as f64 / seconds.len().max(1) as f64
}

/// A slot whose check may lie beyond an edge of the window is not counted.
const EDGE_US: u64 = 500_000;

/// How far the check of each slot was from its slot, and how many slots there were. The first arrival near a slot
/// fills it; what comes after it is a re-check.
fn against_grid(times: &[u64], window: &Window, interval_us: u64) -> (Vec<u64>, u64) {
    let phase = grid_phase(times, interval_us);
    let interval = interval_us as i64;
    let offset = (phase as i64 - (window.from_us % interval_us) as i64).rem_euclid(interval);
    let room = (window.to_us - window.from_us) as i64 - EDGE_US as i64 - offset;
    let slots = usize::try_from(room.max(0) / interval + i64::from(room >= 0)).expect("few slots");
    let mut errors: Vec<Option<u64>> = vec![None; slots];
    for at in times {
        let since = *at as i64 - window.from_us as i64 - offset;
        let slot = (since + interval / 2).div_euclid(interval);
        if let Some(error) = usize::try_from(slot).ok().and_then(|slot| errors.get_mut(slot)) {
            error.get_or_insert((since - slot * interval).unsigned_abs());
        }
    }
    (errors.into_iter().flatten().collect(), slots as u64)
}

/// The grid that a monitor keeps: the median of its arrivals' place within the interval, measured from the first of
/// them so that the median does not fall apart at the wrap.
fn grid_phase(times: &[u64], interval_us: u64) -> u64 {
    let votes = |candidate: u64| {
        times.iter().filter(|t| (**t + interval_us - candidate % interval_us + 20_000) % interval_us < 40_000).count()
    };
    let best = times.iter().copied().max_by_key(|t| votes(*t)).unwrap_or(0);
    let mut places: Vec<u64> = times
        .iter()
        .map(|t| (t + interval_us * 2 - best % interval_us + interval_us / 2) % interval_us)
        .filter(|place| place.abs_diff(interval_us / 2) < 50_000)
        .collect();
    places.sort_unstable();
    let middle = places.get(places.len() / 2).copied().unwrap_or(interval_us / 2);
    (best % interval_us + middle + interval_us - interval_us / 2) % interval_us
}

fn tell(row: &Row, bare: &Window, window: &Window, arrivals: &[Arrival], started_us: u64, status: &serde_json::Value) {
    let seen = punctuality(row, window, arrivals, started_us);
    let schedule = &status["schedule"];
    let counted = format!("{} slots in {} s", seen.slots, (window.to_us - window.from_us) / 1_000_000);
    let figure = |what: &str, figure: String, reach: Option<String>| Figure {
        what: format!("{}: {what}", row.name),
        figure,
        reach,
        counted: counted.clone(),
        ..Figure::default()
    };
    figure("slots done, as the target saw", format!("{:.2} %", seen.done_percent), Some("100 %".into())).tell();
    figure("slots missed, own count", schedule["missed"].to_string(), Some("0".into())).tell();
    figure(
        "lateness p50 / p99, own clock",
        format!("{} / {} µs", schedule["late_p50_us"], schedule["late_p99_us"]),
        Some(format!("p99 ≤ {} ms", row.late_ms)),
    )
    .tell();
    figure(
        "distance from the grid p50 / p99, as the target saw",
        format!("{} / {} µs", seen.late_p50_us, seen.late_p99_us),
        Some(format!("p99 ≤ {} ms", row.late_ms)),
    )
    .tell();
    figure("all first-checked after", format!("{} ms", seen.first_round_ms), Some("≤ 10 s".into())).tell();
    figure("busiest second ÷ mean", format!("{:.2}", seen.busiest_to_mean), Some("≤ 2".into())).tell();
    Figure {
        limit: Some(format!("{:.2} % (bare loop)", bare.cpu_percent)),
        ratio: Some(window.cpu_percent / bare.cpu_percent),
        ..figure("processor", format!("{:.2} % of a core", window.cpu_percent), Some(format!("≤ {} ×", row.cpu_ratio)))
    }
    .tell();
    figure(
        "resident memory, highest",
        format!("{:.1} MiB", window.rss_kib as f64 / 1024.0),
        row.rss_mib.map(|mib| format!("≤ {mib} MiB")),
    )
    .tell();
}
