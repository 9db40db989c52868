//! Writes the past of monitors into the embedded store, as if it had been seen.

use std::path::Path;
use std::sync::Arc;

use hallmonitor::clock::{Clock, SystemClock};
use hallmonitor::model::{
    CheckResult, Facts, InstanceId, KnownMonitor, MonitorId, Phases, Rollup, Tier, UnixMicros, Verdict,
};
use hallmonitor::secret::MemoryVault;
use hallmonitor::storage::{BackendConfig, BackendEnv, Batch, ResultStore};

/// Monitors in one write.
const AT_ONCE: usize = 100;
const MINUTE_US: u64 = 60_000_000;
const DAY_US: u64 = Tier::Day.width_us();
/// Where the store remembers up to which time all hours are made.
const WATERMARK: &str = "rolled_until";

/// What is written.
pub struct Past {
    pub days: u64,
    /// Also hours and days, as delivery makes them in a life of that length.
    pub rolled: bool,
}

impl Past {
    /// Fills the store in a data folder whose monitors are known from a first life; `minutes` is the interval of a
    /// monitor. Tells how many results that are.
    pub fn write(&self, data: &Path, minutes: impl Fn(&KnownMonitor) -> u64) -> u64 {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("runtime");
        runtime.block_on(async {
            let env = BackendEnv {
                data_dir: data.to_owned(),
                instance: InstanceId::new(uuid::Uuid::nil()),
                clock: Arc::new(SystemClock),
                vault: Arc::new(MemoryVault::default()),
            };
            let config = BackendConfig::from_object("embedded", serde_json::json!({})).expect("settings");
            let store = config.open(&env).await.expect("store opens");
            let known = store.monitors().await.expect("monitors are known");
            let now = SystemClock.wall();
            let mut total = 0;
            for part in known.chunks(AT_ONCE) {
                total += self.write_some(&*store, part, now, &minutes).await;
            }
            if self.rolled {
                let until = sealed(now).to_string();
                store.set_metadata(WATERMARK, until.as_bytes()).await.expect("watermark is written");
            }
            store.close().await.expect("store closes");
            total
        })
    }

    async fn write_some(
        &self,
        store: &dyn ResultStore,
        monitors: &[KnownMonitor],
        now: UnixMicros,
        minutes: impl Fn(&KnownMonitor) -> u64,
    ) -> u64 {
        let mut batch = Batch::default();
        for monitor in monitors {
            let mut results = results(monitor.id, now, self.days, minutes(monitor) * MINUTE_US);
            if self.rolled {
                results.iter_mut().for_each(in_parts);
                batch.rollups.extend(rolled(&results, now));
                batch.monitors.push(KnownMonitor { first_seen: now.minus_us(self.days * DAY_US), ..monitor.clone() });
            }
            batch.results.extend(results);
        }
        let count = batch.results.len() as u64;
        store.append(&batch).await.expect("past is written");
        count
    }
}

/// The first hour that is not made yet.
fn sealed(now: UnixMicros) -> UnixMicros {
    Tier::Hour.bucket(now.minus_us(2 * MINUTE_US)).from
}

/// Good results, oldest first, with a varying latency.
fn results(monitor: MonitorId, now: UnixMicros, days: u64, interval_us: u64) -> Vec<CheckResult> {
    let mut random = u64::from_le_bytes(monitor.uuid().as_bytes()[..8].try_into().expect("8 bytes")) | 1;
    let one = |back: u64| {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        let total_us = 30_000 + random % 20_000;
        CheckResult {
            monitor,
            time: now.minus_us(back * interval_us + random % 1_000),
            interval_us,
            timeout_us: 10_000_000,
            verdict: Verdict::Up,
            duration_us: total_us,
            failure: None,
            message: "".into(),
            phases: Phases { total_us: u32::try_from(total_us).ok(), ..Phases::default() },
            facts: Facts::new(),
        }
    };
    (1..=days * DAY_US / interval_us).rev().map(one).collect()
}

/// Tells connecting and waiting apart.
fn in_parts(result: &mut CheckResult) {
    let connect = result.phases.total_us.map(|total| total / 4);
    let first_byte = result.phases.total_us.map(|total| total / 2);
    result.phases = Phases { connect_us: connect, first_byte_us: first_byte, ..result.phases };
}

/// The hours and days of a monitor's results that are over.
fn rolled(results: &[CheckResult], now: UnixMicros) -> Vec<Rollup> {
    let mut rollups = Vec::new();
    for tier in [Tier::Hour, Tier::Day] {
        let ended = |result: &&CheckResult| tier.bucket(result.time).to <= sealed(now);
        let mut open: Option<Rollup> = None;
        for result in results.iter().filter(ended) {
            let start = tier.bucket(result.time).from;
            if open.as_ref().is_none_or(|open| open.start != start) {
                rollups.extend(open.replace(Rollup::empty(result.monitor, tier, start)));
            }
            if let Some(open) = &mut open {
                open.checks += 1;
                open.up += 1;
                open.up_us = tier.width_us();
                open.latency.add(result.duration_us);
            }
        }
        rollups.extend(open);
    }
    rollups
}
