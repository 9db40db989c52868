//! A limit of the size, kept in real stores: they shrink below it, and what is left can be read.

use std::sync::Arc;
use std::time::Duration;

use hallmonitor::clock::{Clock, WallAt};
use hallmonitor::deliver::{ConfiguredStore, Delivery, DeliveryOptions, PruneNow, SizeLimit, StoreSettings};
use hallmonitor::event::Events;
use hallmonitor::model::{CheckResult, MonitorId, Span, Tier, UnixMicros};
use hallmonitor::storage::conformance::Fixture;
use hallmonitor::storage::{
    BackendConfig, BackendEnv, Batch, ReadRows, ResultQuery, ResultStore, Retention, RollupQuery, StoreError,
};
use libtest_mimic::{Failed, Trial};

use super::{env, runtime};

const MINUTE: u64 = 60_000_000;
const DAY: u64 = 1_440 * MINUTE;
const DAYS: u64 = 12;
/// Of a monitor in a day.
const A_DAY: usize = 144;
const LONG: Duration = Duration::from_secs(60);

/// The tests of this file.
pub(crate) fn trials() -> Vec<Trial> {
    let trial = |backend: &'static str| {
        Trial::test(format!("{backend}::limit::the_store_shrinks_below_it_and_is_readable"), move || shrinks(backend))
    };
    ["embedded", "postgres"].map(trial).into()
}

fn day(number: u64) -> UnixMicros {
    UnixMicros::new(1_772_323_200_000_000).plus_us(number * DAY)
}

/// The wall reads the last of the days.
fn then() -> WallAt {
    WallAt(day(DAYS).plus_us(60 * MINUTE))
}

/// Results with a text of their own, that nothing packs well.
fn results(chance: &mut Fixture, monitor: MonitorId) -> Vec<CheckResult> {
    let mut results = Vec::new();
    for number in 0..DAYS {
        for mut row in chance.results(monitor, day(number), 10 * MINUTE, A_DAY) {
            row.message = (0..30).map(|_| format!("{:016x}", chance.below(u64::MAX))).collect::<String>().into();
            results.push(row);
        }
    }
    results
}

async fn fill(store: &dyn ResultStore, rows: &[CheckResult]) -> Result<u64, StoreError> {
    for some in rows.chunks(1_000) {
        store.append(&Batch { results: some.to_vec(), ..Batch::default() }).await?;
    }
    while store.tend(then().wall()).await? {}
    Ok(store.check().await?.size_bytes.unwrap_or(0))
}

/// Keeps house to its end.
async fn keep_house(delivery: &Delivery) -> SizeLimit {
    let before = delivery.metrics().house_runs;
    assert!(matches!(delivery.prune_now(LONG).await, PruneNow::Done(_)), "old rows go");
    for _ in 0..6_000 {
        if delivery.metrics().house_runs > before {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    delivery.metrics().size_limit.expect("looked")
}

async fn read(rows: &impl ReadRows, from: UnixMicros) -> Vec<CheckResult> {
    let query = ResultQuery { monitor: None, span: Span::new(from, UnixMicros::MAX), limit: 1_000_000, after: None };
    let mut results = rows.results(&query).await.expect("reads").results;
    results.sort_by_key(|row| (row.monitor, row.time));
    results
}

fn shrinks(backend: &'static str) -> Result<(), Failed> {
    let folder = tempfile::tempdir()?;
    runtime().block_on(async {
        let env = BackendEnv { clock: Arc::new(then()), ..env(folder.path()) };
        let config = BackendConfig::test_instance(backend, &env).await.ok_or("not on this machine")?;
        let mut chance = Fixture::new(77);
        let monitors: Vec<MonitorId> = (0..6).map(|_| chance.monitor()).collect();
        let mut rows: Vec<CheckResult> = monitors.iter().flat_map(|monitor| results(&mut chance, *monitor)).collect();
        let store = config.open(&env).await?;
        let full = fill(&*store, &rows).await?;
        store.close().await?;
        let limit = full * 7 / 10;
        let mut options = DeliveryOptions::new(folder.path().to_owned(), Arc::new(then()), Events::new());
        options.retention = Retention { max_bytes: Some(limit), ..Retention::everything() };
        let settings = StoreSettings::new(&config, None);
        let opener = ConfiguredStore { backend: config.id(), contact: config.contact(), settings, env };
        let (delivery, _) = Delivery::start(options, Arc::new(opener))?;
        let told = keep_house(&delivery).await;
        let size = delivery.check(LONG).await?.size_bytes.expect("known");
        let cut = told.cut_to.expect("it was too much");
        assert!(size <= limit && !told.is_over, "{size} of {full} bytes, at most {limit}: {told:?}");
        assert!(size > limit / 2 && cut > day(0) && cut <= day(DAYS - 1), "no more than has to go: {told:?}");
        let history = delivery.history();
        rows.sort_by_key(|row| (row.monitor, row.time));
        let gone = rows.iter().filter(|row| row.time < cut).count();
        rows.retain(|row| row.time >= cut);
        assert!(read(&history, day(0)).await == rows, "all from the cut on, and nothing before");
        // What went was summed up.
        let hours = RollupQuery { monitor: monitors[0], tier: Tier::Hour, span: Span::new(day(0), cut) };
        let checks: u64 = history.rollups(&hours).await?.iter().map(|hour| hour.checks).sum();
        assert_eq!(checks, (gone / monitors.len()) as u64);
        let again = keep_house(&delivery).await;
        assert_eq!((again.cut_to, read(&history, day(0)).await.len()), (Some(cut), rows.len()), "and no more");
        assert!(delivery.stop(LONG));
        Ok(())
    })
}
