//! What holds whatever the server is.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use hallmonitor::model::{CheckResult, MonitorId, Tier};
use hallmonitor::storage::conformance::Fixture;
use hallmonitor::storage::{
    BackendConfig, Batch, GapQuery, IncidentQuery, KeptDays, Piece, PruneStep, ResultStore, Retention, RollupQuery,
    StoreErrorKind,
};

use super::{DAY, EVER, MINUTE, batch, delivery, drained, env_of, push, read, start, stopped, stream, until};

/// A server that a test may harm.
pub trait Harmed {
    fn signal(&self, signal: &str);
    fn kill(&self);
    async fn run(&self);
}

async fn opened(config: &BackendConfig) -> Arc<dyn ResultStore> {
    config.open(&env_of(1)).await.expect("opens")
}

/// Every result, once a server that had much to do answers within the short time that it is given.
async fn all_of(config: &BackendConfig) -> Vec<CheckResult> {
    until("all is read", async || {
        let store = config.open(&env_of(1)).await.ok()?;
        read(&*store, None).await.ok()
    })
    .await
}

/// The server is killed and started again while rows come.
pub async fn is_killed_in_the_middle_of_batches(server: &impl Harmed, config: BackendConfig, patience: Duration) {
    let folder = tempfile::tempdir().expect("a folder");
    let delivery = delivery(folder.path(), config.clone(), patience);
    let all = stream(1, 7, 6_000);
    for (at, part) in all.chunks(700).enumerate() {
        push(&delivery, part);
        if at % 15 == 10 {
            server.kill();
            tokio::time::sleep(Duration::from_millis(300)).await;
            server.run().await;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    drained(&delivery).await;
    stopped(delivery).await;
    assert_eq!(all_of(&config).await, all);
}

/// The server stands still while rows come: its connections stay open and nothing answers.
pub async fn is_frozen(server: &impl Harmed, config: BackendConfig, patience: Duration) {
    let folder = tempfile::tempdir().expect("a folder");
    let delivery = delivery(folder.path(), config.clone(), patience);
    let all = stream(2, 5, 4_000);
    for (at, part) in all.chunks(2_000).enumerate() {
        let freezes = at == 3 || at == 7;
        if freezes {
            server.signal("STOP");
        }
        push(&delivery, part);
        if freezes {
            until("the fault is told", async || delivery.status().fault).await;
            server.signal("CONT");
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    drained(&delivery).await;
    stopped(delivery).await;
    assert_eq!(all_of(&config).await, all);
}

/// The server's disk gets full, and has room again once `filler` is gone.
pub async fn disk_is_full(store: &dyn ResultStore, filler: &Path) {
    let mut fixture = Fixture::new(1);
    let (mut kept, mut refused): (Vec<CheckResult>, Vec<CheckResult>) = (Vec::new(), Vec::new());
    while refused.is_empty() {
        let monitor = fixture.monitor();
        let rows = fixture.results(monitor, start(), MINUTE, 1_000);
        match store.append(&batch(&rows)).await {
            Ok(()) => kept.extend(rows),
            Err(error) => {
                assert_eq!(error.kind, StoreErrorKind::Full, "{error}");
                assert!(error.is_transient() && error.to_string().contains("make room"), "{error}");
                refused = rows;
            }
        }
        assert!(kept.len() < 500_000, "the disk never got full");
    }
    fs::remove_file(filler).expect("makes room");
    until("it goes on", async || store.append(&batch(&refused)).await.ok()).await;
    kept.extend(refused);
    // A monitor at a time: sorting all of them needs room on that disk.
    for rows in kept.chunks(1_000) {
        let read = read(store, Some(rows[0].monitor)).await.expect("reads");
        assert_eq!(read, rows, "nothing acknowledged is lost");
    }
    store.close().await.expect("closes");
}

/// All that a store has, of one monitor's rollups.
pub async fn everything(store: &dyn ResultStore, monitor: MonitorId) -> Batch {
    let rollups = RollupQuery { monitor, tier: Tier::Hour, span: EVER };
    let incidents = IncidentQuery { monitor: None, span: EVER, limit: 1_000 };
    Batch {
        results: read(store, None).await.expect("reads"),
        rollups: store.rollups(&rollups).await.expect("reads"),
        gaps: store.gaps(&GapQuery { monitor: None, span: EVER }).await.expect("reads"),
        incidents: store.incidents(&incidents).await.expect("reads"),
        monitors: store.monitors().await.expect("reads"),
    }
}

/// Two instances keep the very same monitor, as after a copy of the configuration, with other rows. Gives the monitor and
/// what the second one keeps, after the first one has given up and forgotten all of its own.
pub async fn two_never_mix(one: &dyn ResultStore, two: &dyn ResultStore) -> (MonitorId, Batch) {
    let mut fixture = Fixture::new(1);
    let monitor = fixture.monitor();
    let mut some = || {
        let mut gaps = vec![fixture.gap(monitor, start(), MINUTE), fixture.gap(MonitorId::ALL, start(), MINUTE)];
        gaps.sort_by_key(|gap| (gap.span.from, gap.monitor));
        Batch {
            results: fixture.results(monitor, start(), MINUTE, 300),
            rollups: vec![fixture.rollup(monitor, Tier::Hour, start())],
            gaps,
            incidents: vec![fixture.incident(monitor, start(), None)],
            monitors: vec![fixture.known(monitor, start())],
        }
    };
    let (of_one, of_two) = (some(), some());
    one.append(&of_one).await.expect("appends");
    two.append(&of_two).await.expect("appends");
    assert_eq!(everything(one, monitor).await, of_one);
    assert_eq!(everything(two, monitor).await, of_two);
    one.set_metadata("colour", b"red").await.expect("writes");
    assert_eq!(two.metadata("colour").await.expect("reads"), None);
    two.set_metadata("colour", b"blue").await.expect("writes");
    let colours = two.metadata_of_all("colour").await.expect("reads");
    assert_eq!(colours, [(env_of(1).instance, b"red".to_vec()), (env_of(2).instance, b"blue".to_vec())]);
    assert!(two.metadata_of_all("size").await.expect("reads").is_empty());
    let id = one.metadata("store_id").await.expect("reads").expect("is there");
    assert_eq!(two.metadata("store_id").await.expect("reads"), Some(id), "the store is one");
    assert_ne!(one.metadata("instance").await.expect("reads"), two.metadata("instance").await.expect("reads"));
    assert_eq!(one.check().await.expect("checks").newest, of_one.results.last().map(|row| row.time));

    // What one forgets or gives up stays with the other.
    one.prune_all(&Retention::default(), start().plus_us(40 * DAY)).await.expect("prunes");
    assert!(read(one, None).await.expect("reads").is_empty());
    assert_eq!(everything(two, monitor).await, of_two);
    one.forget(monitor).await.expect("forgets");
    assert_eq!(everything(two, monitor).await, of_two);
    (monitor, of_two)
}

/// Some monitors are kept longer than others; `left` counts the results on the server.
pub async fn each_monitor_is_kept_as_long_as_it_says(config: &BackendConfig, left: impl AsyncFn() -> u64) {
    let store = opened(config).await;
    let mut fixture = Fixture::new(21);
    let [long, usual, short] = std::array::from_fn(|_| fixture.monitor());
    let monitors = [long, usual, short];
    let days = 12;
    let day = |number: u64| start().plus_us(number * DAY);
    let rows: Vec<Vec<CheckResult>> =
        monitors.iter().map(|monitor| fixture.results(*monitor, day(0), 2 * MINUTE, 720 * days)).collect();
    store.append(&batch(&rows.concat())).await.expect("appends");
    let mut policy = Retention { raw_days: Some(5), ..Retention::everything() };
    policy.own.insert(long, KeptDays { raw: Some(9), ..policy.usual() });
    policy.own.insert(short, KeptDays { raw: Some(2), five_minutes: Some(4), ..policy.usual() });
    let now = day(12).plus_us(60 * MINUTE);
    let from = |rows: &[CheckResult], first: u64| -> Vec<CheckResult> {
        rows.iter().filter(|row| row.time >= day(first)).cloned().collect()
    };
    let (mut results, mut steps) = (0, Vec::new());
    loop {
        let pruned = store.prune(&policy, now, Piece::least()).await.expect("prunes");
        results += pruned.results;
        let Some(left) = pruned.left else { break };
        steps.push(left.step);
    }
    assert_eq!(results, 720 * (3 + 7 + 10));
    assert!(steps.len() > 2 && steps.is_sorted_by_key(|step| *step == PruneStep::Dropping), "{steps:?}");
    let kept = [from(&rows[0], 3), from(&rows[1], 7), from(&rows[2], 10)];
    for (monitor, kept) in monitors.iter().zip(&kept) {
        assert_eq!(&read(&*store, Some(*monitor)).await.expect("reads"), kept);
    }
    let five = async |monitor| {
        let query = RollupQuery { monitor, tier: Tier::FiveMinutes, span: EVER };
        let rollups = store.rollups(&query).await.expect("reads");
        rollups.first().zip(rollups.last()).map(|(first, last)| (first.start.floor_to(DAY), last.start.floor_to(DAY)))
    };
    assert_eq!(five(short).await, Some((day(8), day(9))));
    assert_eq!(five(usual).await, Some((day(0), day(6))));
    assert_eq!(left().await, 720 * (9 + 5 + 2), "and nothing else is left on the server");
    // Another policy: what is gone stays gone, and is not taken again.
    policy.own.clear();
    policy.own.insert(usual, KeptDays { raw: None, ..policy.usual() });
    store.append(&batch(&rows.concat())).await.expect("appends");
    store.prune_all(&policy, now).await.expect("prunes");
    let kept = [from(&rows[0], 7), from(&rows[1], 7), from(&rows[2], 10)];
    let again = opened(config).await;
    for (monitor, kept) in monitors.iter().zip(&kept) {
        assert_eq!(&read(&*store, Some(*monitor)).await.expect("reads"), kept);
        assert_eq!(&read(&*again, Some(*monitor)).await.expect("reads"), kept, "floors are remembered");
    }
    let mut all = kept.concat();
    all.sort_by_key(|row| (row.time, row.monitor));
    assert_eq!(read(&*store, None).await.expect("reads"), all);
}
