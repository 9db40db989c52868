//! The embedded store, killed while it seals days and months, merges late rows into sealed files, writes them anew without
//! what was forgotten and copies its live file.
//!
//! The child lives a day in some hundredths of a second and keeps house after each, so that most kills fall inside
//! house-keeping; every third is aimed at a sealed file that is being written, every third at a copy of the live file.

use std::collections::HashSet;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use hallmonitor::clock::SystemClock;
use hallmonitor::model::{CheckResult, Facts, InstanceId, MonitorId, Phases, Rollup, Span, Tier, UnixMicros, Verdict};
use hallmonitor::secret::MemoryVault;
use hallmonitor::storage::{BackendConfig, BackendEnv, Batch, ResultQuery, ResultStore, RollupQuery};
use uuid::Uuid;

use super::victim::{self, LEAST, Victim, acknowledged, number_in};

const MONITORS: u64 = 4;
const MINUTE: u64 = 60_000_000;
const DAY: u64 = 1_440 * MINUTE;
/// A check every ten minutes.
const ROWS_A_DAY: u64 = 144 * MONITORS;
const ROWS_AT_ONCE: u64 = ROWS_A_DAY / 3;
/// Rows of the monitor that is forgotten the day after.
const DECOYS: u64 = 20;
/// Rollups of a day that are made.
const HOURS: u64 = 24;
const FIVE_MINUTES: u64 = 12;
/// Files while they are written: one that is sealed, and a copy of the live one.
const SEALING: &str = ".sealed.new";
const COPYING: &str = "live.db.new";
/// Rounds after the counted ones until each aim was hit.
const MORE_AIMS: u64 = 40;
/// Lives in one folder: reading all that is in it takes longer each time.
const LIVES: u64 = 20;

fn start() -> UnixMicros {
    UnixMicros::new(1_772_323_200_000_000)
}

fn monitor(number: u64) -> MonitorId {
    MonitorId::new(Uuid::from_u128(u128::from(number)))
}

/// Row `number` in the order in which they are produced. Every tenth comes a day late, when its day is sealed.
fn row(number: u64) -> CheckResult {
    let slot = start().plus_us(DAY + number / MONITORS * 10 * MINUTE);
    let late = number % 10 == 3;
    CheckResult {
        monitor: monitor(number % MONITORS + 1),
        time: if late { slot.minus_us(DAY).plus_us(1) } else { slot },
        interval_us: 10 * MINUTE,
        timeout_us: 1_000_000,
        verdict: Verdict::Up,
        duration_us: number,
        failure: None,
        message: "".into(),
        phases: Phases::default(),
        facts: Facts::new(),
    }
}

/// The monitor that is there for a day.
fn decoy(day: u64) -> MonitorId {
    monitor(1_000_000 + day)
}

/// Made of nothing: what counts is that it is the very same again.
fn rollup(number: u64, tier: Tier, day: u64, at: u64) -> Rollup {
    let start = start().plus_us((day + 1) * DAY + at * tier.width_us());
    Rollup { checks: day * 1_000 + at, up: at, ..Rollup::empty(monitor(number + 1), tier, start) }
}

fn rollups(day: u64) -> Vec<Rollup> {
    let of = |tier: Tier, count: u64| {
        (0..MONITORS).flat_map(move |number| (0..count).map(move |at| rollup(number, tier, day, at)))
    };
    of(Tier::Hour, HOURS).chain(of(Tier::FiveMinutes, FIVE_MINUTES)).collect()
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime")
}

pub(crate) fn env(dir: &Path) -> BackendEnv {
    BackendEnv {
        data_dir: dir.to_path_buf(),
        instance: InstanceId::new(Uuid::from_u128(1)),
        clock: Arc::new(SystemClock),
        vault: Arc::new(MemoryVault::default()),
    }
}

async fn open(dir: &Path) -> Arc<dyn ResultStore> {
    let config = BackendConfig::from_object("embedded", serde_json::json!({})).expect("settings");
    config.open(&env(dir)).await.expect("opens")
}

/// Nothing that was acknowledged of a day is missing when the next begins, so that a life begins with a whole day.
async fn live_a_day(store: &dyn ResultStore, day: u64, copies: bool) {
    for part in 0..ROWS_A_DAY / ROWS_AT_ONCE {
        let from = day * ROWS_A_DAY + part * ROWS_AT_ONCE;
        let results = (from..from + ROWS_AT_ONCE).map(row).collect();
        store.append(&Batch { results, ..Batch::default() }).await.expect("appends");
        victim::say("acknowledged", from + ROWS_AT_ONCE);
    }
    store.append(&Batch { rollups: rollups(day), ..Batch::default() }).await.expect("appends");
    victim::say("rolled", day);
    let decoys = (0..DECOYS).map(|at| CheckResult { monitor: decoy(day), ..row(day * ROWS_A_DAY + at * MONITORS) });
    store.append(&Batch { results: decoys.collect(), ..Batch::default() }).await.expect("appends");
    if day > 0 {
        store.forget(decoy(day - 1)).await.expect("forgets");
        victim::say("forgotten", day - 1);
    }
    if copies {
        // Room in the live file that is worth a copy without it, and as much that makes the copy take a while.
        store.set_metadata("ballast", &vec![7; 8 << 20]).await.expect("writes");
    }
}

/// When a day is over and its rows are in.
fn after(day: u64) -> UnixMicros {
    start().plus_us((day + 2) * DAY + 40 * MINUTE)
}

/// Not a test by itself: lives days until it is killed, when the test below starts it.
#[test]
fn child() {
    let Some((dir, first, copies)) = victim::told() else { return };
    runtime().block_on(async {
        let store = open(&dir).await;
        for day in first / ROWS_A_DAY.. {
            live_a_day(&*store, day, copies).await;
            victim::say("tends", day);
            while store.tend(after(day)).await.expect("keeps house") {}
            victim::say("rests", day);
        }
    });
}

fn names(dir: &Path) -> Vec<String> {
    let Ok(entries) = fs::read_dir(dir.join("embedded")) else { return Vec::new() };
    entries.map(|entry| entry.expect("entry").file_name().to_string_lossy().into_owned()).collect()
}

/// What a life left behind: the number after its last row, days that are rolled up and decoys that are forgotten.
#[derive(Debug, Default)]
struct Acked {
    rows: u64,
    rolled: HashSet<u64>,
    forgotten: HashSet<u64>,
}

/// Kills that fell inside house-keeping, a sealed file that was being written, a copy of the live file.
#[derive(Debug, Default)]
struct Hits {
    house: u64,
    sealing: u64,
    copying: u64,
}

impl Hits {
    /// Files that no kill fell inside the writing of yet.
    fn missed(&self) -> impl Iterator<Item = &'static str> {
        let missed = [(SEALING, self.sealing), (COPYING, self.copying)];
        missed.into_iter().filter(|(_, hits)| *hits == 0).map(|(aim, _)| aim)
    }
}

/// What a round of this number aims at.
fn aim_of(number: u64) -> &'static str {
    ["", SEALING, COPYING][usize::try_from(number % 3).expect("small")]
}

/// One life and death of a child.
fn round(dir: &Path, first: u64, aim: &str, acked: &mut Acked, hits: &mut Hits) {
    let mut victim = Victim::start("sealing::child", dir, first, aim == COPYING);
    victim.wait_for(first + LEAST);
    // Aimed kills come as soon as the file is there, or within its first moments.
    for _ in 0..100_000 {
        if aim.is_empty() || names(dir).iter().any(|name| name.ends_with(aim)) {
            break;
        }
        std::thread::sleep(Duration::from_micros(50));
    }
    victim.kill_within(if aim.is_empty() { Duration::from_millis(300) } else { Duration::from_millis(1) });
    let heard = victim.rest();
    acked.rows = heard.iter().filter_map(|line| acknowledged(line)).next_back().expect("rows are acknowledged");
    assert!(acked.rows >= first + LEAST, "too few acknowledged to prove anything");
    acked.rolled.extend(heard.iter().filter_map(|line| number_in(line, "rolled ")));
    acked.forgotten.extend(heard.iter().filter_map(|line| number_in(line, "forgotten ")));
    let last = heard.iter().rev().find(|line| line.starts_with("tends ") || line.starts_with("rests "));
    hits.house += u64::from(last.is_some_and(|line| line.starts_with("tends ")));
    let left = names(dir);
    hits.sealing += u64::from(left.iter().any(|name| name.ends_with(SEALING)));
    hits.copying += u64::from(left.iter().any(|name| name == COPYING));
}

async fn all_results(store: &dyn ResultStore) -> Vec<CheckResult> {
    let span = Span::new(UnixMicros::MIN, UnixMicros::MAX);
    let mut query = ResultQuery { monitor: None, span, limit: 10_000, after: None };
    let mut all = Vec::new();
    loop {
        let page = store.results(&query).await.expect("reads");
        all.extend(page.results);
        query.after = page.next;
        if query.after.is_none() {
            return all;
        }
    }
}

async fn scanned(store: &dyn ResultStore) -> Vec<CheckResult> {
    let (mut cursor, mut all) = (None, Vec::new());
    loop {
        let page = store.scan(cursor).await.expect("reads");
        all.extend(page.batch.results);
        cursor = page.next;
        if cursor.is_none() {
            return all;
        }
    }
}

/// The rows of the monitors that stay are those from the first to some number, each once and as it was; gives it.
fn prefix(rows: &[CheckResult], acked: &Acked, told: &str) -> u64 {
    let decoys: HashSet<MonitorId> = acked.forgotten.iter().map(|day| decoy(*day)).collect();
    assert!(rows.iter().all(|row| !decoys.contains(&row.monitor)), "{told}: what was forgotten is back");
    let mut kept: Vec<&CheckResult> = rows.iter().filter(|row| row.monitor <= monitor(MONITORS)).collect();
    kept.sort_by_key(|row| row.duration_us);
    let count = kept.len() as u64;
    assert!(kept.iter().zip(0..).all(|(kept, number)| **kept == row(number)), "{told}: lost, doubled or changed");
    assert!(count >= acked.rows, "{told}: {count} rows of {} acknowledged", acked.rows);
    count
}

async fn has_rollups(store: &dyn ResultStore, acked: &Acked, told: &str) {
    for number in 0..MONITORS {
        for (tier, count) in [(Tier::Hour, HOURS), (Tier::FiveMinutes, FIVE_MINUTES)] {
            let span = Span::new(UnixMicros::MIN, UnixMicros::MAX);
            let query = RollupQuery { monitor: monitor(number + 1), tier, span };
            let found = store.rollups(&query).await.expect("reads");
            assert!(found.is_sorted_by_key(|rollup| rollup.start), "{told}: rollups out of order or twice");
            let found: HashSet<(UnixMicros, u64)> = found.iter().map(|rollup| (rollup.start, rollup.checks)).collect();
            for day in &acked.rolled {
                let there = (0..count).map(|at| rollup(number, tier, *day, at));
                let missing = there.filter(|rollup| !found.contains(&(rollup.start, rollup.checks))).count();
                assert_eq!(missing, 0, "{told}: rollups of day {day} are missing ({tier:?})");
            }
        }
    }
}

/// What is there after a death; gives the number of rows.
async fn judge(dir: &Path, acked: &Acked, tends: bool, told: &str) -> u64 {
    let store = open(dir).await;
    assert!(
        !names(dir).iter().any(|name| name.ends_with(".new") || name.contains(".corrupt-")),
        "{told}: {:?}",
        names(dir)
    );
    let count = prefix(&all_results(&*store).await, acked, told);
    has_rollups(&*store, acked, told).await;
    let verified = store.verify().await.expect("verifies");
    assert!(verified.damaged.is_empty(), "{told}: {:?}", verified.damaged);
    if tends {
        while store.tend(after(count / ROWS_A_DAY)).await.expect("keeps house") {}
        // A row that is in two places comes twice.
        assert_eq!(prefix(&scanned(&*store).await, acked, told), count, "{told}: after house-keeping");
        has_rollups(&*store, acked, told).await;
    }
    store.close().await.expect("closes");
    count
}

#[test]
fn killed_while_it_seals_and_rewrites_the_embedded_store_loses_nothing() {
    let rounds = victim::rounds();
    let mut hits = Hits::default();
    for lives in 0..rounds.div_ceil(LIVES) {
        let dir = victim::folder();
        let (mut first, mut acked) = (0, Acked::default());
        for life in 0..LIVES.min(rounds - lives * LIVES) {
            let number = lives * LIVES + life;
            round(dir.path(), first, aim_of(number), &mut acked, &mut hits);
            // Every other time the next life finds all as it was left.
            let count = runtime().block_on(judge(dir.path(), &acked, life % 2 == 1, &format!("round {number}")));
            // It begins with the day that was not over.
            first = count / ROWS_A_DAY * ROWS_A_DAY;
        }
    }
    assert!(hits.house >= rounds / 3, "too few kills fell inside house-keeping: {hits:?}");
    // A busy machine is late to kill: aims that missed are taken again.
    for _ in 0..MORE_AIMS {
        let Some(aim) = hits.missed().next() else { break };
        let (dir, mut acked) = (victim::folder(), Acked::default());
        round(dir.path(), 0, aim, &mut acked, &mut hits);
        runtime().block_on(judge(dir.path(), &acked, true, aim));
    }
    assert_eq!(hits.missed().next(), None, "none fell inside the writing of a file: {hits:?}");
}
