//! A store that lives through days.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use hallmonitor::clock::SystemClock;
use hallmonitor::model::{CheckResult, Evidence, InstanceId, MonitorId, Rollup, Seen, Tier, UnixMicros, rollup_of};
use hallmonitor::secret::MemoryVault;
use hallmonitor::storage::conformance::{Fixture, LifeKind};
use hallmonitor::storage::{BackendConfig, BackendEnv, Batch, ResultStore};
use tempfile::TempDir;
use tokio::runtime::Runtime;

const MINUTE_US: u64 = 60_000_000;
const HOUR_US: u64 = Tier::Hour.width_us();
const DAY_US: u64 = Tier::Day.width_us();
/// A day that began long ago, so that the whole month is over.
const START: UnixMicros = UnixMicros::new(1_767_225_600_000_000);
/// What delivery hands over at once when it is at its limit: two hours of a sixteenth of the monitors.
const SLICES: usize = 16;
const HOURS_AT_ONCE: u64 = 2;
/// Monitors whose rollups are written at once, as delivery does it.
const ROLLED_AT_ONCE: usize = 256;

/// Bytes of the files.
#[derive(Debug, Default)]
pub(crate) struct Sizes {
    live: u64,
    sealed: u64,
}

impl Sizes {
    pub(crate) fn total(&self) -> u64 {
        self.live + self.sealed
    }
}

/// Time that went into storing.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Took {
    results: Duration,
    /// Reckoning them from results too.
    rollups: Duration,
    sealing: Duration,
}

impl Took {
    pub(crate) fn total(&self) -> Duration {
        self.results + self.rollups + self.sealing
    }
}

pub(crate) struct World {
    folder: TempDir,
    runtime: Runtime,
    store: Arc<dyn ResultStore>,
    monitors: Vec<(MonitorId, LifeKind)>,
    chance: Fixture,
    today: UnixMicros,
    /// The last result of each monitor.
    last: Vec<Option<CheckResult>>,
    /// Results that were stored.
    pub(crate) rows: u64,
    pub(crate) took: Took,
}

impl World {
    pub(crate) fn open(kinds: &[LifeKind], of_each: usize) -> Self {
        let folder = TempDir::new().expect("folder");
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("runtime");
        let store = runtime.block_on(open(folder.path()));
        let mut chance = Fixture::new(1);
        let monitors: Vec<_> =
            (0..of_each).flat_map(|_| kinds.iter().copied()).map(|kind| (chance.monitor(), kind)).collect();
        let last = vec![None; monitors.len()];
        Self { folder, runtime, store, monitors, chance, today: START, last, rows: 0, took: Took::default() }
    }

    /// A day in the order of time: appends, the rollups of each hour, then the sealing.
    pub(crate) fn live_a_day(&mut self) {
        let day: Vec<Vec<CheckResult>> = (0..self.monitors.len()).map(|at| self.results_of_a_day(at)).collect();
        for from in (0..24).step_by(HOURS_AT_ONCE as usize) {
            self.append_hours(&day, from);
        }
        self.append_rollups(&day, Tier::Day, self.today);
        let over = self.today.plus_us(DAY_US + HOUR_US);
        let began = Instant::now();
        while self.runtime.block_on(self.store.tend(over)).expect("keeps house") {}
        self.took.sealing += began.elapsed();
        self.rows += day.iter().map(|rows| rows.len() as u64).sum::<u64>();
        self.last = day.into_iter().map(|rows| rows.into_iter().next_back()).collect();
        self.today = self.today.plus_us(DAY_US);
    }

    fn results_of_a_day(&mut self, at: usize) -> Vec<CheckResult> {
        let (monitor, kind) = self.monitors[at];
        let spread = at as u64 * 37_717 % MINUTE_US;
        let slot = |nth: u64| self.today.plus_us(nth * MINUTE_US + spread);
        (0..1_440).map(|nth| kind.result(&mut self.chance, monitor, slot(nth), MINUTE_US)).collect()
    }

    fn append_hours(&mut self, day: &[Vec<CheckResult>], from: u64) {
        let rows = (from * 60) as usize..((from + HOURS_AT_ONCE) * 60) as usize;
        for slice in 0..SLICES {
            let of_slice = day.iter().skip(slice).step_by(SLICES);
            let results: Vec<CheckResult> =
                of_slice.flat_map(|results| results[rows.clone()].iter().cloned()).collect();
            if !results.is_empty() {
                let batch = Batch { results, ..Batch::default() };
                let began = Instant::now();
                self.append(&batch);
                self.took.results += began.elapsed();
            }
        }
        for hour in from..from + HOURS_AT_ONCE {
            self.append_rollups(day, Tier::Hour, self.today.plus_us(hour * HOUR_US));
        }
    }

    fn append_rollups(&mut self, day: &[Vec<CheckResult>], tier: Tier, start: UnixMicros) {
        let began = Instant::now();
        let span = tier.bucket(start);
        let rolled: Vec<Rollup> = day
            .iter()
            .enumerate()
            .map(|(at, results)| {
                let from = results.partition_point(|row| row.time < span.from);
                let to = results.partition_point(|row| row.time < span.to);
                let before = if from > 0 { results.get(from - 1) } else { self.last[at].as_ref() };
                let seen: Vec<Seen> = before.into_iter().chain(&results[from..to]).map(Seen::from).collect();
                let evidence = Evidence { results: &seen, gaps: &[], incidents: &[], now: span.to };
                rollup_of(self.monitors[at].0, tier, span.from, &evidence)
            })
            .collect();
        for part in rolled.chunks(ROLLED_AT_ONCE) {
            self.append(&Batch { rollups: part.to_vec(), ..Batch::default() });
        }
        self.took.rollups += began.elapsed();
    }

    fn append(&self, batch: &Batch) {
        self.runtime.block_on(self.store.append(batch)).expect("appends");
    }

    /// Closes the store; what its files take.
    pub(crate) fn close(&self) -> Sizes {
        self.runtime.block_on(self.store.close()).expect("closes");
        let mut sizes = Sizes::default();
        for entry in std::fs::read_dir(self.folder.path().join("embedded")).expect("lists") {
            let entry = entry.expect("entry");
            let bytes = entry.metadata().expect("size").len();
            let sealed = entry.path().extension().is_some_and(|end| end == "sealed");
            *(if sealed { &mut sizes.sealed } else { &mut sizes.live }) += bytes;
        }
        sizes
    }
}

/// The embedded store of a data folder.
pub(crate) async fn open(folder: &Path) -> Arc<dyn ResultStore> {
    let env = BackendEnv {
        data_dir: folder.to_owned(),
        instance: InstanceId::new(uuid::Uuid::from_u128(1)),
        clock: Arc::new(SystemClock),
        vault: Arc::new(MemoryVault::default()),
    };
    let config = BackendConfig::from_object("embedded", serde_json::json!({})).expect("settings");
    config.open(&env).await.expect("store opens")
}
