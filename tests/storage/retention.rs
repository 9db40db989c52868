//! Some monitors are kept longer or shorter than others; and what is said of the room that all will need is so.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use hallmonitor::model::{CheckResult, MonitorId, Rollup, Span, Tier, UnixMicros};
use hallmonitor::storage::conformance::{Fixture, LifeKind};
use hallmonitor::storage::{
    Batch, KeptDays, Load, ResultQuery, ResultStore, Retention, RollupQuery, StoreError, expected_size,
};
use libtest_mimic::{Failed, Trial};

use super::{open, runtime};

type Tested = Result<(), Failed>;

const MINUTE: u64 = 60_000_000;
const DAY: u64 = 1_440 * MINUTE;

/// The tests of this file.
pub(crate) fn trials() -> Vec<Trial> {
    vec![
        Trial::test("embedded::retention::each_monitor_is_kept_as_long_as_it_says", each_is_kept_as_long_as_it_says),
        Trial::test("embedded::retention::the_room_is_about_what_was_said", the_room_is_about_what_was_said),
        Trial::test("embedded::retention::what_goes_is_hidden_at_once_and_summed_up_yet", what_goes_is_hidden_at_once),
    ]
}

fn day(number: u64) -> UnixMicros {
    UnixMicros::new(1_772_323_200_000_000).plus_us(number * DAY)
}

async fn opened(folder: &Path) -> Result<Arc<dyn ResultStore>, StoreError> {
    open("embedded")(folder.to_path_buf()).await
}

async fn tend(store: &dyn ResultStore, now: UnixMicros) -> Result<(), StoreError> {
    while store.tend(now).await? {}
    Ok(())
}

/// First and last result, and the number of all.
async fn results(store: &dyn ResultStore, monitor: MonitorId) -> Result<Vec<CheckResult>, StoreError> {
    let span = Span::new(UnixMicros::MIN, UnixMicros::MAX);
    let query = ResultQuery { monitor: Some(monitor), span, limit: 1_000_000, after: None };
    let mut results = store.results(&query).await?.results;
    results.reverse();
    Ok(results)
}

async fn rollups(store: &dyn ResultStore, monitor: MonitorId, tier: Tier) -> Result<Vec<Rollup>, StoreError> {
    let span = Span::new(UnixMicros::MIN, UnixMicros::MAX);
    store.rollups(&RollupQuery { monitor, tier, span }).await
}

async fn scanned(store: &dyn ResultStore) -> Result<BTreeMap<MonitorId, usize>, StoreError> {
    let (mut cursor, mut all) = (None, BTreeMap::new());
    loop {
        let page = store.scan(cursor).await?;
        for row in page.batch.results {
            *all.entry(row.monitor).or_insert(0) += 1;
        }
        cursor = page.next;
        if cursor.is_none() {
            return Ok(all);
        }
    }
}

fn sealed_bytes(folder: &Path, prefix: &str) -> u64 {
    let entries = fs::read_dir(folder.join("embedded")).expect("lists").map(|entry| entry.expect("entry"));
    let sealed = entries.filter(|entry| {
        let name = entry.file_name().to_string_lossy().into_owned();
        name.starts_with(prefix) && name.ends_with(".sealed")
    });
    sealed.map(|entry| entry.metadata().expect("size").len()).sum()
}

fn each_is_kept_as_long_as_it_says() -> Tested {
    const DAYS: u64 = 12;
    const COUNT: usize = 12;
    let folder = tempfile::tempdir()?;
    let mut fixture = Fixture::new(21);
    let [long, usual, short] = std::array::from_fn(|_| fixture.monitor());
    let monitors = [long, usual, short];
    let rows: Vec<Vec<CheckResult>> =
        monitors.iter().map(|monitor| fixture.results(*monitor, day(0), 2 * MINUTE, 720 * COUNT)).collect();
    let mut policy = Retention { raw_days: Some(5), ..Retention::everything() };
    policy.own.insert(long, KeptDays { raw: Some(9), ..policy.usual() });
    policy.own.insert(short, KeptDays { raw: Some(2), five_minutes: Some(4), ..policy.usual() });
    let now = day(DAYS).plus_us(60 * MINUTE);
    let from = |rows: &[CheckResult], first: u64| -> Vec<CheckResult> {
        rows.iter().filter(|row| row.time >= day(first)).cloned().collect()
    };
    runtime().block_on(async {
        let store = opened(folder.path()).await?;
        for part in 0..COUNT {
            let results = rows.iter().flat_map(|rows| rows[part * 720..(part + 1) * 720].to_vec()).collect();
            store.append(&Batch { results, ..Batch::default() }).await?;
        }
        // Some of it sealed, some of it live.
        tend(&*store, day(8).plus_us(60 * MINUTE)).await?;
        let before = sealed_bytes(folder.path(), "results-");
        store.prune_all(&policy, now).await?;
        let kept = [from(&rows[0], DAYS - 9), from(&rows[1], DAYS - 5), from(&rows[2], DAYS - 2)];
        for (monitor, kept) in monitors.iter().zip(&kept) {
            assert_eq!(&results(&*store, *monitor).await?, kept, "at once");
            assert_eq!(store.last_before(*monitor, kept[0].time).await?, None);
        }
        assert_eq!(store.check().await?.oldest, Some(kept[0][0].time));
        // What went was summed up before, and of that is kept what is kept of it.
        let five = rollups(&*store, short, Tier::FiveMinutes).await?;
        assert_eq!(five.first().map(|first| first.start.floor_to(DAY)), Some(day(DAYS - 4)));
        assert_eq!(five.last().map(|last| last.start.floor_to(DAY)), Some(day(DAYS - 3)));
        let five = rollups(&*store, usual, Tier::FiveMinutes).await?;
        assert_eq!(five.first().map(|first| first.start.floor_to(DAY)), Some(day(0)));
        assert_eq!(rollups(&*store, short, Tier::Hour).await?.len(), 24 * (COUNT - 2));
        // The room comes back with the next sealing, and nothing else changes.
        tend(&*store, now).await?;
        store.close().await?;
        let store = opened(folder.path()).await?;
        for (monitor, kept) in monitors.iter().zip(&kept) {
            assert_eq!(&results(&*store, *monitor).await?, kept, "after a start");
        }
        let counts: BTreeMap<MonitorId, usize> =
            monitors.iter().zip(&kept).map(|(monitor, kept)| (*monitor, kept.len())).collect();
        assert_eq!(scanned(&*store).await?, counts);
        let after = sealed_bytes(folder.path(), "results-");
        assert!(after < before * 3 / 4, "{before} bytes of results, then {after}, although four days came");
        // Back to what is usual, and longer for another: what is gone stays gone.
        policy.own.clear();
        policy.own.insert(usual, KeptDays { raw: None, ..policy.usual() });
        store.append(&Batch { results: rows.concat(), ..Batch::default() }).await?;
        store.prune_all(&policy, now).await?;
        tend(&*store, now.plus_us(DAY)).await?;
        let kept = [from(&rows[0], DAYS - 5), from(&rows[1], DAYS - 5), from(&rows[2], DAYS - 2)];
        for (monitor, kept) in monitors.iter().zip(&kept) {
            assert_eq!(&results(&*store, *monitor).await?, kept, "under another policy");
        }
        store.forget(short).await?;
        store.append(&Batch { results: rows[2].clone(), ..Batch::default() }).await?;
        let again = results(&*store, short).await?;
        assert_eq!(again, kept[2], "floors outlive the monitor");
        Ok::<_, Failed>(())
    })
}

/// Days of every kind in a real store, beside what is said of them.
fn the_room_is_about_what_was_said() -> Tested {
    const DAYS: u64 = 4;
    for kind in LifeKind::ALL {
        let folder = tempfile::tempdir()?;
        let mut fixture = Fixture::new(31);
        let monitors: Vec<MonitorId> = (0..4).map(|_| fixture.monitor()).collect();
        let nothing = KeptDays { raw: Some(0), five_minutes: Some(0), hour: Some(0), day: Some(0) };
        let days = Some(u32::try_from(DAYS)?);
        let said = |kept: KeptDays| {
            let loads = monitors.iter().map(|_| Load { kind: kind.as_str(), interval_us: MINUTE, kept });
            expected_size("embedded", loads).expect("measured").bytes
        };
        let (results, five_minutes, hours) = runtime().block_on(async {
            let store = opened(folder.path()).await?;
            for number in 0..DAYS {
                let mut results = Vec::new();
                for monitor in &monitors {
                    let slots = (0..1_440).map(|slot| day(number).plus_us(slot * MINUTE));
                    results.extend(slots.map(|slot| kind.result(&mut fixture, *monitor, slot, MINUTE)));
                }
                store.append(&Batch { results, ..Batch::default() }).await?;
            }
            tend(&*store, day(DAYS).plus_us(60 * MINUTE)).await?;
            let results = sealed_bytes(folder.path(), "results-");
            // All of it goes, and is summed up.
            let policy = Retention { raw_days: Some(0), ..Retention::everything() };
            store.prune_all(&policy, day(DAYS).plus_us(60 * MINUTE)).await?;
            tend(&*store, day(DAYS + 1).plus_us(60 * MINUTE)).await?;
            Ok::<_, Failed>((results, sealed_bytes(folder.path(), "minutes-"), sealed_bytes(folder.path(), "hours-")))
        })?;
        let all = [
            ("results", results, said(KeptDays { raw: days, ..nothing })),
            ("5 minutes", five_minutes, said(KeptDays { five_minutes: days, ..nothing })),
            ("hours", hours, said(KeptDays { hour: days, ..nothing })),
        ];
        for (what, real, said) in all {
            let is_near = real < said * 5 / 4 && said < real * 5 / 4;
            assert!(is_near, "{kind:?}, {what}: {real} bytes, and {said} were said: {all:?}");
        }
    }
    Ok(())
}

/// Summing up takes long; nobody reads meanwhile what is to go, and after a cut nothing of it is lost.
fn what_goes_is_hidden_at_once() -> Tested {
    const MONITORS: usize = 40;
    runtime().block_on(async {
        let folder = tempfile::tempdir()?;
        let mut store = opened(folder.path()).await?;
        let mut chance = Fixture::new(5);
        let monitors: Vec<MonitorId> = (0..MONITORS).map(|_| chance.monitor()).collect();
        for monitor in &monitors {
            let results = (0..2 * 1_440)
                .map(|minute| LifeKind::Tcp.result(&mut chance, *monitor, day(0).plus_us(minute * MINUTE), MINUTE));
            store.append(&Batch { results: results.collect(), ..Batch::default() }).await?;
        }
        tend(&*store, day(2).plus_us(60 * MINUTE)).await?;
        let (policy, now) = (Retention { raw_days: Some(1), ..Retention::default() }, day(2));
        let gone = ResultQuery { monitor: None, span: Span::new(day(0), day(1)), limit: 1, after: None };
        let is_hidden = async |store: &dyn ResultStore| store.results(&gone).await.map(|page| page.results.is_empty());
        assert!(!is_hidden(&*store).await?);
        {
            let mut prune = std::pin::pin!(store.prune_all(&policy, now));
            let hidden = async { while !is_hidden(&*store).await.expect("reads") {} };
            tokio::select! {
                biased;
                done = &mut prune => return Err(format!("shown until the end: {done:?}").into()),
                () = hidden => {}
            }
            let made = rollups(&*store, monitors[MONITORS - 1], Tier::FiveMinutes).await?.len();
            let first = rollups(&*store, monitors[0], Tier::FiveMinutes).await?.len();
            assert!(made.min(first) < 288, "nothing was left to do");
            // Nobody waits for the end.
        }
        store.close().await?;
        store = opened(folder.path()).await?;
        assert!(is_hidden(&*store).await?, "shown again after a start");
        assert!(store.tend(day(3).plus_us(60 * MINUTE)).await.is_ok());
        store.prune_all(&policy, now).await?;
        assert!(is_hidden(&*store).await?);
        for monitor in &monitors {
            let rolled = rollups(&*store, *monitor, Tier::FiveMinutes).await?;
            let checks: u64 = rolled.iter().filter(|rollup| rollup.start < day(1)).map(|rollup| rollup.checks).sum();
            assert_eq!(checks, 1_440, "{monitor}: of a day that is gone");
            assert_eq!(results(&*store, *monitor).await?.len(), 1_440);
        }
        Ok(())
    })
}
