//! The embedded store with 100 M results: what a person waits for, each question in a process of its own, and a day that
//! goes.
//!
//! `--folder FOLDER` keeps what is prepared there and takes what an earlier run left.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use hallmonitor::model::{
    CheckResult, Evidence, KnownMonitor, MonitorId, Rollup, Seen, Span, Tier, UnixMicros, rollup_of,
};
use hallmonitor::storage::conformance::{Fixture, LifeKind};
use hallmonitor::storage::{Batch, ResultQuery, ResultStore, Retention};

use crate::questions::{DAY_US, DAYS, INTERVAL_US, Much, NOW, START, YEAR, block};
use crate::support::figure::Figure;
use crate::world::open;

/// First word of the arguments of a process that asks one question.
pub(crate) const ASKER: &str = "ask-embedded";
const MONITORS: usize = 5_000;
const MUCH: Much =
    Much { backend: "embedded", asker: ASKER, holds: "100 M results", monitors: MONITORS, limit_ms: 100 };
const HOUR_US: u64 = Tier::Hour.width_us();
/// Monitors in one write.
const AT_ONCE: usize = 50;

/// Asks `times` times each, and then lets a day go.
pub(crate) fn reads(times: usize, folder: &str) {
    let temporary = tempfile::tempdir().expect("folder");
    let folder = if folder.is_empty() { temporary.path() } else { Path::new(folder) };
    if !folder.join("filled").exists() {
        block(fill(folder));
    }
    MUCH.ask_all(times, folder, "");
    block(prune(folder));
}

async fn fill(folder: &Path) {
    fs::create_dir_all(folder).expect("folder made");
    let began = Instant::now();
    let mut past =
        Past { store: open(folder).await, ids: MUCH.monitors(), chance: Fixture::new(2), results: 0, rollups: 0 };
    past.write().await;
    past.store.close().await.expect("closes");
    let counted = format!("{} results and {} rollups", past.results, past.rollups);
    eprintln!("{counted} written in {:?}", began.elapsed());
    fs::write(folder.join("filled"), counted).expect("noted");
}

/// A year of rollups, of which the last days have their results.
struct Past {
    store: Arc<dyn ResultStore>,
    ids: Vec<MonitorId>,
    chance: Fixture,
    results: u64,
    rollups: u64,
}

impl Past {
    async fn write(&mut self) {
        let mut monitors = Vec::new();
        let mut incidents = Vec::new();
        for (at, id) in self.ids.iter().enumerate() {
            let known = self.chance.known(*id, START.minus_us((YEAR - DAYS) * DAY_US));
            monitors.push(KnownMonitor { name: format!("m{at}"), ..known });
            for back in [3, 40, 200] {
                incidents.push(self.chance.incident(*id, NOW.minus_us(back * DAY_US), Some(600_000_000)));
            }
        }
        self.append(Batch { monitors, incidents, ..Batch::default() }).await;
        let hours = self.live_a_day(START).await;
        let first = START.minus_us((YEAR - DAYS) * DAY_US);
        for nth in 0..YEAR - DAYS {
            self.repeat(&hours, first.plus_us(nth * DAY_US)).await;
            // As it happens: each day once it is over.
            if nth % 31 == 30 {
                self.seal(first.plus_us((nth + 1) * DAY_US)).await;
            }
        }
        for day in 1..DAYS {
            self.live_a_day(START.plus_us(day * DAY_US)).await;
        }
        let made_until = Tier::Hour.bucket(NOW).from.to_string();
        self.store.set_metadata("rolled_until", made_until.as_bytes()).await.expect("notes");
    }

    async fn seal(&self, day_over: UnixMicros) {
        while self.store.tend(day_over.plus_us(HOUR_US)).await.expect("keeps house") {}
    }

    /// Some monitors after the other: their results, their hours, their day. Gives the hours.
    async fn live_a_day(&mut self, day: UnixMicros) -> Vec<Rollup> {
        let mut hours = Vec::new();
        for first in (0..MONITORS).step_by(AT_ONCE) {
            let mut batch = Batch::default();
            for at in first..first + AT_ONCE {
                let results = self.results_of_a_day(at, day);
                batch.rollups.extend(rolled(self.ids[at], &results, day));
                batch.results.extend(results);
            }
            self.results += batch.results.len() as u64;
            if day == START {
                hours.extend(batch.rollups.iter().filter(|rollup| rollup.tier == Tier::Hour).cloned());
            }
            if day.plus_us(DAY_US) <= NOW {
                self.append(batch).await;
            } else {
                self.append_as_it_comes(batch, day).await;
            }
        }
        if day.plus_us(DAY_US) <= NOW {
            self.seal(day.plus_us(DAY_US)).await;
        }
        hours
    }

    /// The day that is running is not sealed: it lies there as it was delivered, some hours after the other.
    async fn append_as_it_comes(&mut self, batch: Batch, day: UnixMicros) {
        for from in (0..24).step_by(2) {
            let span = Span::new(day.plus_us(from * HOUR_US), day.plus_us((from + 2) * HOUR_US));
            let results = batch.results.iter().filter(|row| span.contains(row.time)).cloned().collect();
            let rollups = batch.rollups.iter().filter(|row| span.contains(row.start)).cloned().collect();
            self.append(Batch { results, rollups, ..Batch::default() }).await;
        }
    }

    fn results_of_a_day(&mut self, at: usize, day: UnixMicros) -> Vec<CheckResult> {
        let kind = LifeKind::ALL[at % 4];
        let spread = at as u64 * 37_717 % (INTERVAL_US - 1_000_000);
        let slots = (0..DAY_US / INTERVAL_US).map(|nth| day.plus_us(nth * INTERVAL_US + spread));
        let chance = &mut self.chance;
        let id = self.ids[at];
        slots.take_while(|slot| *slot < NOW).map(|slot| kind.result(chance, id, slot, INTERVAL_US)).collect()
    }

    /// The hours of another day once more, and its days.
    async fn repeat(&mut self, hours: &[Rollup], day: UnixMicros) {
        for of_some in hours.chunks(24 * AT_ONCE * 2) {
            let mut rollups = Vec::new();
            for of_one in of_some.chunks(24) {
                let mut whole = Rollup::empty(of_one[0].monitor, Tier::Day, day);
                for hour in of_one {
                    let hour = Rollup { start: day.plus_us(hour.start.since_us(START)), ..hour.clone() };
                    whole.merge(&hour);
                    rollups.push(hour);
                }
                rollups.push(whole);
            }
            self.append(Batch { rollups, ..Batch::default() }).await;
        }
    }

    async fn append(&mut self, batch: Batch) {
        self.rollups += batch.rollups.len() as u64;
        self.store.append(&batch).await.expect("appends");
    }
}

/// The hours that are over, and the day when it is.
fn rolled(id: MonitorId, results: &[CheckResult], day: UnixMicros) -> Vec<Rollup> {
    let seen: Vec<Seen> = results.iter().map(Seen::from).collect();
    let evidence = Evidence { results: &seen, gaps: &[], incidents: &[], now: NOW };
    let mut whole = Rollup::empty(id, Tier::Day, day);
    let mut rollups = Vec::new();
    for hour in (0..24).map(|nth| day.plus_us(nth * HOUR_US)).filter(|hour| hour.plus_us(HOUR_US) <= NOW) {
        rollups.push(rollup_of(id, Tier::Hour, hour, &evidence));
    }
    rollups.iter().for_each(|hour| whole.merge(hour));
    if day.plus_us(DAY_US) <= NOW {
        rollups.push(whole);
    }
    rollups
}

/// The process that asks.
pub(crate) fn asker() {
    MUCH.answer("embedded", async |folder| open(folder).await);
}

/// The oldest day goes, once its rollups of 5 minutes are there.
async fn prune(folder: &Path) {
    let store = open(folder).await;
    let day = Tier::Day.bucket(START);
    let size = async || store.check().await.expect("is well").size_bytes.unwrap_or(0);
    let before = size().await;
    let policy = Retention { raw_days: Some(DAYS as u32 - 1), ..Retention::default() };
    let query = ResultQuery { monitor: None, span: day, limit: 1, after: None };
    let began = Instant::now();
    let watch = async {
        let mut gone = Duration::ZERO;
        while gone == Duration::ZERO {
            if store.results(&query).await.expect("reads").results.is_empty() {
                gone = began.elapsed();
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        gone
    };
    let (pruned, gone) = tokio::join!(store.prune_all(&policy, START.plus_us(DAYS * DAY_US)), watch);
    let (whole, pruned) = (began.elapsed(), pruned.expect("prunes"));
    let after = size().await;
    store.close().await.expect("closes");
    let mib = |bytes: u64| bytes as f64 / f64::from(1 << 20);
    Figure {
        what: "embedded: a day of 100 M results goes, unreadable after".into(),
        figure: format!("{:.0} ms", gone.as_secs_f64() * 1_000.0),
        limit: Some("1 s".into()),
        ratio: Some(gone.as_secs_f64()),
        reach: Some("< 1 s".into()),
        counted: format!(
            "{} results, their 5-minute rollups made, {:.0} MiB less of {:.0} after {:.1} s",
            pruned.results,
            mib(before) - mib(after),
            mib(before),
            whole.as_secs_f64(),
        ),
        ..Figure::default()
    }
    .tell();
}
