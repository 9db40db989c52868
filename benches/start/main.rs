//! From exec to the first check: 10,000 monitors every five minutes and 30 days of their history in the embedded store.

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

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

use support::figure::{Figure, spread};
use support::past::Past;
use support::target::Target;
use support::{argument, now_us};

const ROUNDS: usize = 5;

fn main() {
    if std::env::args().nth(1).as_deref() == Some("target") {
        support::target::serve();
        return;
    }
    let monitors: u32 = argument("--monitors", 10_000);
    let days: u64 = argument("--days", 30);
    let folder = tempfile::tempdir().expect("folder");
    let target = Target::start(folder.path(), 0, false);
    write_config(folder.path(), target.port, monitors);

    // A first life makes the instance and its state file; then its past is written.
    let mut first = hallmonitor(folder.path());
    wait_for_first(&target);
    sleep(Duration::from_secs(15));
    stop(&mut first);
    let results = Past { days, rolled: false }.write(&folder.path().join("data"), |_| 5);
    assert_eq!(results, u64::from(monitors) * days * 288, "the first life made every monitor known");
    target.arrivals();

    let mut took: Vec<f64> = (0..ROUNDS)
        .map(|_| {
            let exec_us = now_us();
            let mut child = hallmonitor(folder.path());
            let first_us = wait_for_first(&target);
            stop(&mut child);
            target.arrivals();
            (first_us - exec_us) as f64 / 1_000.0
        })
        .collect();
    let (low, middle, high) = spread(&mut took);
    Figure {
        what: format!("exec to first check, {monitors} monitors, {days} days of history"),
        figure: format!("{middle:.0} ms"),
        spread: Some(format!("{low:.0}–{high:.0} ms")),
        limit: Some("500 ms".into()),
        ratio: Some(middle / 500.0),
        reach: Some("< 0.5 s".into()),
        counted: format!("{ROUNDS} starts over {results} stored results"),
    }
    .tell();
}

fn write_config(folder: &Path, port: u16, monitors: u32) {
    let mut text = "monitoring:\n  defaultInterval: 5m\n  groups:\n    - name: bench\n      monitors:\n".to_owned();
    for n in 0..monitors {
        text += &format!("        - {{name: m{n}, type: http, url: \"http://127.0.0.1:{port}/{n}\"}}\n");
    }
    fs::write(folder.join("config.yml"), text).expect("configuration written");
}

fn hallmonitor(folder: &Path) -> Child {
    let program = std::env::var("BENCH_PROGRAM").unwrap_or_else(|_| env!("CARGO_BIN_EXE_hallmonitor").to_owned());
    let log = fs::File::create(folder.join("log")).expect("log made");
    Command::new(program)
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

/// When the first check arrived, on the machine's monotonic clock.
fn wait_for_first(target: &Target) -> u64 {
    for _ in 0..6_000 {
        sleep(Duration::from_millis(10));
        if let Some(first) = target.arrivals().first() {
            return first.at_us;
        }
    }
    panic!("no check arrived in a minute");
}

fn stop(child: &mut Child) {
    let _ = Command::new("kill").args(["-TERM", &child.id().to_string()]).status();
    let ended = child.wait().expect("hallmonitor ends");
    assert!(ended.success(), "hallmonitor ended with {ended}");
}
