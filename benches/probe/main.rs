//! HTTP checks per second through the whole probe, beside a bare hyper loop: the same server, the same concurrency,
//! the client pinned to one core and the server to another, a new connection for each on both sides.

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

use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use hallmonitor::clock::SystemClock;
use hallmonitor::model::Verdict;
use hallmonitor::probe::{Attempt, KindConfig, Probe, ProbeEnv};
use support::figure::{Figure, spread};
use support::target::Target;
use support::{argument, bare, now_us};

const CONCURRENCY: u64 = 64;
const ROUNDS: usize = 7;

fn main() {
    match std::env::args().nth(1).as_deref() {
        Some("target") => support::target::serve(),
        Some("client") => client(),
        _ => compare(),
    }
}

fn compare() {
    let requests: u64 = argument("--requests", 20_000);
    let folder = tempfile::tempdir().expect("folder");
    let target = Target::start(folder.path(), 0, false);
    let _ = Command::new("taskset").args(["-cp", "1", &target.pid().to_string()]).output();
    let (mut probe, mut loops, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..=ROUNDS {
        let limit = rate("bare", target.port, requests);
        let ours = rate("probe", target.port, requests);
        target.arrivals();
        // The first round warms up.
        if round > 0 {
            loops.push(limit);
            probe.push(ours);
            ratios.push(ours / limit);
        }
    }
    let (low, middle, high) = spread(&mut probe);
    let (_, limit, _) = spread(&mut loops);
    let (_, ratio, _) = spread(&mut ratios);
    Figure {
        what: format!("HTTP checks per second, {CONCURRENCY} at once, new connection each"),
        figure: format!("{middle:.0}/s"),
        spread: Some(format!("{low:.0}–{high:.0}")),
        limit: Some(format!("{limit:.0}/s (bare hyper loop)")),
        ratio: Some(ratio),
        reach: Some("≥ 0.8 ×".into()),
        counted: format!("{ROUNDS} rounds of {requests} checks each"),
    }
    .tell();
}

/// Requests per second of one client process, pinned to the first core.
fn rate(who: &str, port: u16, requests: u64) -> f64 {
    let output = Command::new("taskset")
        .args(["-c", "0"])
        .arg(std::env::current_exe().expect("own path"))
        .args(["client", who, &port.to_string(), &requests.to_string()])
        .output()
        .expect("taskset (util-linux) is there");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.trim().parse().unwrap_or_else(|_| panic!("{text}{}", String::from_utf8_lossy(&output.stderr)))
}

fn client() {
    let args: Vec<String> = std::env::args().collect();
    let (port, requests): (u16, u64) = (args[3].parse().expect("port"), args[4].parse().expect("requests"));
    let probe = (args[2] == "probe").then(|| http_probe(port));
    let clock = Arc::new(SystemClock);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("runtime");
    let took_us = runtime.block_on(async move {
        let start = now_us();
        let tasks: Vec<_> = (0..CONCURRENCY)
            .map(|_| {
                let (probe, clock) = (probe.clone(), clock.clone());
                tokio::spawn(async move {
                    for _ in 0..requests / CONCURRENCY {
                        let good = match &probe {
                            Some(probe) => {
                                let attempt = Attempt::start(clock.clone(), Duration::from_secs(10));
                                probe.run(&attempt).await.verdict == Verdict::Up
                            }
                            None => bare::request(port, 1).await,
                        };
                        assert!(good, "a request failed");
                    }
                })
            })
            .collect();
        for task in tasks {
            task.await.expect("all requests are answered");
        }
        now_us() - start
    });
    println!("{:.1}", (requests / CONCURRENCY * CONCURRENCY) as f64 * 1e6 / took_us as f64);
}

fn http_probe(port: u16) -> Arc<dyn Probe> {
    let settings = serde_json::json!({ "url": format!("http://127.0.0.1:{port}/1") });
    let kind = KindConfig::from_object("http", settings).expect("settings");
    Arc::from(kind.probe(&ProbeEnv::new(Arc::new(SystemClock))))
}
