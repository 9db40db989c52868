//! InfluxDB: what a person waits for when much is kept, each question in a process of its own; bytes a result.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use hallmonitor::clock::SystemClock;
use hallmonitor::deliver::History;
use hallmonitor::model::{MonitorId, Rollup, Span, Tier, UnixMicros};
use hallmonitor::storage::backends::influxdb::InfluxDb;
use hallmonitor::storage::backends::influxdb::test_server::TestServer;
use hallmonitor::storage::conformance::{Fixture, LifeKind};
use hallmonitor::storage::{
    Backend, Batch, IncidentQuery, ReadRows, ResultQuery, ResultStore, RollupQuery, SeriesQuery, answer,
};

use crate::influxdb::{env, server};
use crate::support::figure::Figure;
use crate::support::process;

/// First word of the arguments of a process that asks one question.
pub(crate) const ASKER: &str = "ask-influxdb";
const MONITORS: usize = 500;
const HOUR_US: u64 = Tier::Hour.width_us();
const DAY_US: u64 = Tier::Day.width_us();
/// Days of results.
const DAYS: u64 = 30;
/// Days of rollups, those included.
const YEAR: u64 = 365;
/// 2026-01-01T00:00:00Z: the first result.
const START: UnixMicros = UnixMicros::new(1_767_225_600_000_000);
const NOW: UnixMicros = UnixMicros::new(START.micros() + 30 * 86_400_000_000);
const ROWS_AT_ONCE: usize = 5_000;
/// What is asked, each of another monitor.
const QUESTIONS: &[&str] =
    &["overview", "chart of 24 h", "chart of 30 d", "chart of 1 y", "heatmap of 1 y", "first page"];
const BUCKETS: usize = 600;
/// The server packs what was not written to for ten minutes, and better after four hours: here after seconds.
const SOON: [&str; 2] =
    ["--storage-cache-snapshot-write-cold-duration=5s", "--storage-compact-full-write-cold-duration=15s"];

fn block<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("runtime").block_on(future)
}

fn monitors() -> Vec<MonitorId> {
    let mut chance = Fixture::new(1);
    (0..MONITORS).map(|_| chance.monitor()).collect()
}

/// Asks `times` times each, of about so many results.
pub(crate) fn reads(times: usize, results: u64) {
    let folder = tempfile::tempdir().expect("folder");
    let server = block(server(&SOON));
    let settings = server.settings("reads");
    let interval_us = DAYS * DAY_US * MONITORS as u64 / results;
    let written = block(write(&server, &settings, folder.path(), interval_us));
    let ids = monitors();
    for question in QUESTIONS {
        let ask = |at: usize| ask(question, &settings, folder.path(), ids[at * 7 % MONITORS]);
        let answers: Vec<(u64, u64)> = (0..times).map(ask).collect();
        tell(question, &answers, written);
    }
}

async fn write(server: &TestServer, settings: &InfluxDb, folder: &Path, interval_us: u64) -> u64 {
    let store = settings.open(&env(folder)).await.expect("opens");
    let began = Instant::now();
    let results = live(&*store, interval_us).await;
    eprintln!("{results} results written in {:?}", began.elapsed());
    let before = folder_bytes(&server.engine());
    let bytes = packed_bytes(server).await;
    eprintln!("engine folder: {} MiB, {} MiB before it was packed", bytes >> 20, before >> 20);
    Figure {
        what: "influxdb: bytes a result in the engine folder".into(),
        figure: format!("{:.1}", bytes as f64 / results as f64),
        counted: format!(
            "{results} results of all kinds of {MONITORS} monitors, packed as after four hours without writes"
        ),
        ..Figure::default()
    }
    .tell();
    let rollups = rolled(&*store, interval_us).await;
    eprintln!("and {rollups} rollups after {:?}; {} MiB", began.elapsed(), folder_bytes(&server.engine()) >> 20);
    results
}

/// Bytes once the server has packed what it can.
async fn packed_bytes(server: &TestServer) -> u64 {
    let (mut bytes, mut same) = (0, 0);
    for _ in 0..600 {
        let now = folder_bytes(&server.engine());
        same = if now == bytes { same + 1 } else { 0 };
        bytes = now;
        if same >= 40 {
            break;
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    bytes
}

fn folder_bytes(folder: &Path) -> u64 {
    let Ok(entries) = std::fs::read_dir(folder) else { return 0 };
    let of = |entry: std::fs::DirEntry| match entry.metadata() {
        Ok(data) if data.is_dir() => folder_bytes(&entry.path()),
        Ok(data) => data.len(),
        Err(_) => 0,
    };
    entries.flatten().map(of).sum()
}

/// Results of all monitors in the order of time.
async fn live(store: &dyn ResultStore, interval_us: u64) -> u64 {
    let (ids, mut chance) = (monitors(), Fixture::new(2));
    let mut monitors = Vec::new();
    let mut incidents = Vec::new();
    for id in &ids {
        monitors.push(chance.known(*id, START.minus_us((YEAR - DAYS) * DAY_US)));
        for back in [3, 20, 200] {
            incidents.push(chance.incident(*id, NOW.minus_us(back * DAY_US), Some(600_000_000)));
        }
    }
    store.append(&Batch { monitors, incidents, ..Batch::default() }).await.expect("appends");
    let mut total = 0;
    let mut results = Vec::with_capacity(ROWS_AT_ONCE);
    for slot in 0..DAYS * DAY_US / interval_us {
        for (at, id) in ids.iter().enumerate() {
            let begin = START.plus_us(slot * interval_us + at as u64 * (interval_us / (MONITORS as u64 + 50)));
            results.push(LifeKind::ALL[at % 4].result(&mut chance, *id, begin, interval_us));
        }
        if results.len() + MONITORS > ROWS_AT_ONCE {
            total += results.len() as u64;
            store.append(&Batch { results: std::mem::take(&mut results), ..Batch::default() }).await.expect("appends");
        }
    }
    total += results.len() as u64;
    store.append(&Batch { results, ..Batch::default() }).await.expect("appends");
    total
}

/// A year of hours and days, as long as they do not reach into the last one.
async fn rolled(store: &dyn ResultStore, interval_us: u64) -> u64 {
    let (ids, mut chance) = (monitors(), Fixture::new(3));
    let checks = HOUR_US / interval_us;
    let mut total = 0;
    // Of each monitor the same hours every day: making them up takes longer than writing them.
    let hours: Vec<Vec<Rollup>> = ids
        .iter()
        .map(|id| (0..24).map(|hour| chance.rollup(*id, Tier::Hour, START.plus_us(hour * HOUR_US))).collect())
        .collect();
    for back in (1..=YEAR).rev() {
        let day = Tier::Day.bucket(NOW).from.minus_us(back * DAY_US);
        let mut rollups: Vec<Rollup> = Vec::with_capacity(25 * MONITORS);
        for (id, hours) in ids.iter().zip(&hours) {
            let mut whole = Rollup::empty(*id, Tier::Day, day);
            for hour in hours {
                let mut one = Rollup { start: day.plus_us(hour.start.since_us(START)), ..hour.clone() };
                (one.checks, one.up, one.down) = (checks, checks, 0);
                (one.up_us, one.down_us) = (HOUR_US, 0);
                whole.merge(&one);
                rollups.push(one);
            }
            rollups.push(whole);
        }
        total += rollups.len() as u64;
        store.append(&Batch { rollups, ..Batch::default() }).await.expect("appends");
    }
    total
}

/// One question to a process that was just started: how long it took, and its memory at most.
fn ask(question: &str, settings: &InfluxDb, folder: &Path, monitor: MonitorId) -> (u64, u64) {
    let output = Command::new(std::env::current_exe().expect("own path"))
        .args([ASKER, question, &monitor.to_string()])
        .arg(folder)
        .env("BENCH_INFLUXDB", serde_json::to_string(settings).expect("settings"))
        .output()
        .expect("asks");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let mut numbers = text.split_whitespace().filter_map(|word| word.parse().ok());
    match (output.status.success(), numbers.next(), numbers.next()) {
        (true, Some(us), Some(kib)) => (us, kib),
        _ => panic!("{question}: {text} {}", String::from_utf8_lossy(&output.stderr)),
    }
}

/// The process that asks: from opening the store to the answer.
pub(crate) fn asker() {
    let args: Vec<String> = std::env::args().skip(2).collect();
    let [question, monitor, folder] = &args[..3] else { panic!("{ASKER} QUESTION MONITOR FOLDER") };
    let settings = std::env::var("BENCH_INFLUXDB").expect("settings");
    let settings: InfluxDb = serde_json::from_str(&settings).expect("settings");
    let (folder, monitor) = (PathBuf::from(folder), monitor.parse().expect("an id"));
    let began = Instant::now();
    block(async {
        let store = settings.open(&env(&folder)).await.expect("opens");
        let opened = began.elapsed();
        let history = History::offline(&folder, &settings.contact(), Some(store), &[], Arc::new(SystemClock));
        answered(&history.expect("opens"), question, monitor).await;
        let (took, rss) = (began.elapsed().as_micros(), process::rss_kib(std::process::id()).1);
        println!("{took} {rss} {}", opened.as_micros());
    });
}

async fn answered(history: &History, question: &str, monitor: MonitorId) {
    let last = |days: u64| Span::new(NOW.minus_us(days * DAY_US), NOW);
    let chart = async |days| {
        let query = SeriesQuery { monitor, span: last(days), buckets: BUCKETS, now: NOW };
        let series = answer::series(history, &query).await.expect("answers");
        assert!(series.buckets.iter().map(|bucket| bucket.checks).sum::<u64>() > 0, "{question}: checks count");
    };
    match question {
        "overview" => {
            let latest = history.latest(&monitors(), NOW).await.expect("answers");
            assert_eq!(latest.len(), MONITORS);
            let query = IncidentQuery { monitor: None, span: Span::new(NOW.minus_us(1), NOW), limit: 1_000 };
            history.incidents(&query).await.expect("answers");
        }
        "chart of 24 h" => chart(1).await,
        "chart of 30 d" => chart(30).await,
        "chart of 1 y" => chart(YEAR - 1).await,
        "heatmap of 1 y" => {
            let query = RollupQuery { monitor, tier: Tier::Hour, span: last(YEAR) };
            assert_eq!(history.rollups(&query).await.expect("answers").len(), 24 * 365);
        }
        _ => {
            let query = ResultQuery { monitor: Some(monitor), span: last(YEAR), limit: 100, after: None };
            assert_eq!(history.results(&query).await.expect("answers").results.len(), 100);
        }
    }
}

fn tell(question: &str, answers: &[(u64, u64)], results: u64) {
    let rss = answers.iter().map(|(_, kib)| *kib).max().unwrap_or(0) as f64 / 1024.0;
    let mut took: Vec<u64> = answers.iter().map(|(us, _)| *us).collect();
    took.sort_unstable();
    let ms = |us: u64| format!("{:.1}", us as f64 / 1_000.0);
    let p95 = took[(took.len() * 95).div_ceil(100) - 1];
    Figure {
        what: format!("influxdb: {question}, fresh process, p95"),
        figure: format!("{} ms", ms(p95)),
        spread: Some(format!("{}–{}", ms(took[0]), ms(took[took.len() - 1]))),
        reach: Some("< 250 ms, ≤ 150 MiB".into()),
        counted: format!(
            "{} processes, connecting included, {rss:.0} MiB at most; {results} results of {MONITORS} monitors, a year of hours",
            took.len()
        ),
        ..Figure::default()
    }
    .tell();
}
