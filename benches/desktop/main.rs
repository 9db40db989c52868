//! The desktop app: prepares data folders with their past, then has `run.mjs` measure the built app beside a bare one.
//!
//! `--folder FOLDER` keeps what is prepared there and takes what an earlier run left; `--only WORD` measures a part.

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
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

use support::argument;
use support::past::Past;
use support::target::Target;

const MANY: u32 = 5_000;
const FEW: u32 = 1_000;
const DAYS: u64 = 30;
const IN_A_GROUP: u32 = 200;
/// How long the target takes to answer, in microseconds.
const ANSWERS_IN_US: u64 = 20_000;
/// The monitor whose chart is drawn: a month of results, one a minute.
const CHARTED: &str = "charted";

fn main() {
    if std::env::args().nth(1).as_deref() == Some("target") {
        support::target::serve();
        return;
    }
    let temporary = tempfile::tempdir().expect("folder");
    let kept = PathBuf::from(argument("--folder", String::new()));
    let folder = if kept.as_os_str().is_empty() { temporary.path() } else { &kept };
    let (many, few) = (folder.join("many"), folder.join("few"));
    for folder in [&many, &few] {
        fs::create_dir_all(folder).expect("folder made");
    }
    let target = Target::start(folder, ANSWERS_IN_US, false);
    let turning = free_port();
    fs::write(many.join("config.yml"), many_monitors(target.port, turning)).expect("configuration written");
    fs::write(few.join("config.yml"), few_monitors(target.port)).expect("configuration written");
    // The storage screen is looked at in a folder of its own.
    let wants_past = argument("--only", String::new()) != "storage";
    if wants_past && !many.join("filled").exists() {
        live_once(&many);
        let results = Past { days: DAYS, rolled: true }
            .write(&many.join("data"), |monitor| if monitor.name == CHARTED { 1 } else { 5 });
        println!("{results} results are stored");
        fs::write(many.join("filled"), results.to_string()).expect("noted");
    }
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/desktop/run.mjs");
    let measured = Command::new("node")
        .arg(script)
        .args(std::env::args().skip(1))
        .env("BENCH_FOLDER", folder)
        .env("BENCH_TURNING_PORT", turning.to_string())
        .status()
        .expect("node starts");
    assert!(measured.success(), "run.mjs ended with {measured}");
}

/// A port that was free a moment ago: nobody else asks the kernel for ports meanwhile.
fn free_port() -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("bound");
    listener.local_addr().expect("address").port()
}

/// Thousands in groups. The first one turns its state when it is told to.
fn many_monitors(port: u16, turning: u16) -> String {
    let mut text = format!(
        "monitoring:\n  defaultInterval: 5m\n  groups:\n    - name: Bench\n      monitors:\n        \
         - {{name: turning, type: http, url: \"http://127.0.0.1:{turning}/\", interval: 1s, failureThreshold: 1, \
         recoveryThreshold: 1}}\n        \
         - {{name: {CHARTED}, type: http, url: \"http://127.0.0.1:{port}/0\", interval: 1m}}\n"
    );
    for n in 2..MANY {
        if n % IN_A_GROUP == 2 {
            text += &format!("    - name: Site {}\n      monitors:\n", n / IN_A_GROUP + 1);
        }
        text += &format!("        - {{name: \"host {n:04}\", type: http, url: \"http://127.0.0.1:{port}/{n}\"}}\n");
    }
    text
}

fn few_monitors(port: u16) -> String {
    let mut text = "monitoring:\n  defaultInterval: 60s\n  groups:\n    - name: Bench\n      monitors:\n".to_owned();
    for n in 0..FEW {
        text += &format!("        - {{name: \"host {n:04}\", type: http, url: \"http://127.0.0.1:{port}/{n}\"}}\n");
    }
    text
}

/// A first life makes the instance, its state file and every monitor known.
fn live_once(folder: &Path) {
    let program = std::env::var("BENCH_PROGRAM").unwrap_or_else(|_| env!("CARGO_BIN_EXE_hallmonitor").to_owned());
    let log = fs::File::create(folder.join("first-life.log")).expect("log made");
    let mut child = Command::new(program)
        .args(["run", "--config"])
        .arg(folder.join("config.yml"))
        .arg("--data-dir")
        .arg(folder.join("data"))
        .stdin(Stdio::null())
        .stdout(log.try_clone().expect("log"))
        .stderr(log)
        .spawn()
        .expect("hallmonitor starts");
    sleep(Duration::from_secs(15));
    let _ = Command::new("kill").args(["-TERM", &child.id().to_string()]).status();
    let ended = child.wait().expect("hallmonitor ends");
    assert!(ended.success(), "hallmonitor ended with {ended}");
}
