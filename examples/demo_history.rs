//! Fills an embedded store with a month of made-up history of the monitors that it knows, for pictures and for trying
//! things out. Each monitor has its own pace, and some have had outages; the computer slept some nights.
//!
//! ```text
//! cargo run --example demo_history -- DATA_FOLDER
//! ```
//!
//! Hall Monitor has to have run once with the data folder, and must not run meanwhile.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program for people at a terminal")]

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use hallmonitor::clock::{Clock as _, SystemClock};
use hallmonitor::model::{
    CheckResult, FactKey, Facts, Failure, Gap, GapReason, Incident, IncidentEnd, IncidentId, InstanceId, KnownMonitor,
    MonitorId, Phases, Span, UnixMicros, Verdict,
};
use hallmonitor::secret::MemoryVault;
use hallmonitor::storage::conformance::Fixture;
use hallmonitor::storage::{BackendConfig, BackendEnv, Batch, ResultStore, StoreError};

const MINUTE_US: u64 = 60_000_000;
const HOUR_US: u64 = 60 * MINUTE_US;
const DAY_US: u64 = 24 * HOUR_US;
const INTERVAL_US: u64 = 2 * MINUTE_US;
const DAYS: u64 = 29;
/// Nights that the computer slept, in days ago.
const NIGHTS: [u64; 5] = [6, 7, 13, 20, 27];
/// Outages: which monitor, hours ago, how many minutes.
const OUTAGES: [(usize, u64, u64); 7] =
    [(1, 74, 12), (1, 410, 44), (2, 221, 4), (4, 505, 126), (4, 39, 8), (5, 610, 18), (6, 130, 31)];

/// Spans in which nobody looked.
fn nights(now: UnixMicros) -> Vec<Gap> {
    let night = |days: u64| {
        let from = now.minus_us(days * DAY_US);
        Gap { monitor: MonitorId::ALL, span: Span::new(from, from.plus_us(7 * HOUR_US)), reason: GapReason::Asleep }
    };
    NIGHTS.iter().copied().map(night).collect()
}

fn outages(which: usize, monitor: MonitorId, now: UnixMicros) -> Vec<Incident> {
    let ours = OUTAGES.iter().filter(|(of, ..)| *of == which);
    let incident = |(_, hours, minutes): &(usize, u64, u64)| {
        let opened = now.minus_us(hours * HOUR_US);
        Incident {
            id: IncidentId::of(monitor, opened),
            monitor,
            opened,
            confirmed: opened.plus_us(INTERVAL_US),
            end: IncidentEnd::Recovered(opened.plus_us(minutes * MINUTE_US)),
            failure: Failure::Connect,
            message: "connection refused".to_owned(),
            acknowledged: None,
        }
    };
    ours.map(incident).collect()
}

/// A good check: slower in the evening, and each monitor in its own way.
fn good(chance: &mut Fixture, which: usize, known: &KnownMonitor, time: UnixMicros) -> CheckResult {
    let http = known.kind == "http";
    let base = if http { 9_000 + 6_500 * (which as u64 % 4) } else { 240 + 60 * which as u64 };
    let hour = time.micros().unsigned_abs() % DAY_US / HOUR_US;
    let busy = if (17..23).contains(&hour) { base / 3 } else { 0 };
    let duration_us = base + busy + base * chance.below(40) / 100 + if chance.below(60) == 0 { base * 2 } else { 0 };
    let part = |share: u64| u32::try_from(duration_us * share / 100).ok();
    let mut result = CheckResult {
        monitor: known.id,
        time,
        interval_us: INTERVAL_US,
        timeout_us: 10_000_000,
        verdict: Verdict::Up,
        duration_us,
        failure: None,
        message: "".into(),
        phases: Phases {
            connect_us: part(if http { 6 } else { 100 }),
            first_byte_us: if http { part(88) } else { None },
            total_us: part(100),
            ..Phases::default()
        },
        facts: Facts::new(),
    };
    if http {
        result.facts.set(FactKey::HttpStatus, 200);
    }
    result
}

fn bad(mut result: CheckResult) -> CheckResult {
    result.verdict = Verdict::Down;
    result.failure = Some(Failure::Connect);
    result.set_message("connection refused");
    result.phases = Phases::default();
    result.facts = Facts::new();
    result
}

async fn fill(store: &dyn ResultStore, now: UnixMicros) -> Result<usize, StoreError> {
    let mut known = store.monitors().await?;
    known.sort_by(|a, b| a.name.cmp(&b.name));
    let start = now.minus_us(DAYS * DAY_US);
    let gaps = nights(now);
    let mut chance = Fixture::new(29);
    let mut rows = 0;
    for (which, monitor) in known.iter().enumerate() {
        let incidents = outages(which, monitor.id, now);
        let mut results = Vec::new();
        for at in 0..DAYS * DAY_US / INTERVAL_US {
            let time = start.plus_us(at * INTERVAL_US + chance.jitter_us());
            if time >= now || gaps.iter().any(|gap| gap.span.contains(time)) {
                continue;
            }
            let result = good(&mut chance, which, monitor, time);
            let is_down = incidents.iter().any(|incident| incident.span(now).contains(time));
            results.push(if is_down { bad(result) } else { result });
        }
        rows += results.len();
        let seen = KnownMonitor { first_seen: start, ..monitor.clone() };
        store.append(&Batch { incidents, monitors: vec![seen], ..Batch::default() }).await?;
        for some in results.chunks(5_000) {
            store.append(&Batch { results: some.to_vec(), ..Batch::default() }).await?;
        }
    }
    store.append(&Batch { gaps, ..Batch::default() }).await?;
    store.close().await?;
    Ok(rows)
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let Some(folder) = std::env::args_os().nth(1).map(PathBuf::from).filter(|folder| folder.is_dir()) else {
        eprintln!("usage: demo_history DATA_FOLDER, of a Hall Monitor that ran once");
        return ExitCode::from(2);
    };
    let env = BackendEnv {
        data_dir: folder,
        instance: InstanceId::new(uuid::Uuid::from_u128(1)),
        clock: Arc::new(SystemClock),
        vault: Arc::new(MemoryVault::default()),
    };
    match run(&env).await {
        Ok(rows) => {
            println!("{rows} results");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(env: &BackendEnv) -> Result<usize, Box<dyn std::error::Error>> {
    let store = BackendConfig::from_object("embedded", serde_json::json!({}))?.open(env).await?;
    Ok(fill(&*store, SystemClock.wall()).await?)
}
