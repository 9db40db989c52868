//! Partitions and floors.

use hallmonitor::model::{CheckResult, Tier, UnixMicros};
use hallmonitor::storage::conformance::Fixture;
use hallmonitor::storage::{Batch, KeptDays, Retention, RollupQuery};

use crate::{DAY, EVER, MINUTE, batch, block, open, read, rows, server, start};

async fn tables(database: &str) -> Vec<String> {
    let mut admin = server().admin(database).await;
    sqlx::query_scalar("SELECT relname::text FROM pg_class WHERE relnamespace = 'hallmonitor'::regnamespace AND relkind = 'r' AND relname ~ '[0-9]{6}$' ORDER BY 1")
        .fetch_all(&mut admin)
        .await
        .expect("asks")
}

#[test]
fn partitions_are_made_for_what_comes_and_ahead() {
    block(async {
        let store = open(&server().database("parts").await).await.expect("opens");
        let mut fixture = Fixture::new(1);
        let monitor = fixture.monitor();
        let last_hour = start().plus_us(DAY - 60 * MINUTE);
        store.append(&batch(&fixture.results(monitor, last_hour, MINUTE, 10))).await.expect("appends");
        assert_eq!(tables("parts").await, ["result_20260301", "result_20260302"], "tomorrow is there too");
        // Rows that come late, from an import, and from the other end of time.
        let old = fixture.result(monitor, UnixMicros::MIN, MINUTE);
        let late = fixture.result(monitor, start().minus_us(400 * DAY), MINUTE);
        let far = fixture.result(monitor, UnixMicros::MAX.minus_us(1), MINUTE);
        store.append(&batch(&[far, late, old])).await.expect("appends");
        store
            .append(&Batch { rollups: vec![fixture.rollup(monitor, Tier::Hour, start())], ..Batch::default() })
            .await
            .expect("appends");
        let there = tables("parts").await;
        for table in ["result_19700101", "result_20250125", "result_21991231", "rollup_hour_202603"] {
            assert!(there.iter().any(|one| one == table), "{table} in {there:?}");
        }
        assert_eq!(read(&*store, None).await.expect("reads").len(), 13);
    });
}

#[test]
fn a_partition_that_somebody_dropped_is_made_again() {
    block(async {
        let store = open(&server().database("dropped").await).await.expect("opens");
        let all = rows(2, 100);
        store.append(&batch(&all)).await.expect("appends");
        server().execute("dropped", "DROP TABLE hallmonitor.result_20260301").await;
        store.append(&batch(&all)).await.expect("appends again");
        assert_eq!(read(&*store, None).await.expect("reads"), all);
    });
}

#[test]
fn what_is_pruned_is_unreadable_at_once_and_its_rollups_are_there() {
    block(async {
        let settings = server().database("pruned").await;
        let store = open(&settings).await.expect("opens");
        let other = open(&settings).await.expect("the same instance, in another process");
        let all = rows(3, 3 * 1_440);
        let monitor = all[0].monitor;
        store.append(&batch(&all)).await.expect("appends");
        assert_eq!(read(&*other, Some(monitor)).await.expect("reads").len(), all.len());
        let now = start().plus_us(32 * DAY);
        let pruned = store.prune(&Retention::default(), now).await.expect("prunes");
        let floor = start().plus_us(2 * DAY);
        let kept = &all[all.partition_point(|row| row.time < floor)..];
        assert_eq!(pruned.results, (all.len() - kept.len()) as u64);
        assert_eq!(read(&*other, Some(monitor)).await.expect("reads"), kept, "every process obeys");
        assert!(!tables("pruned").await.iter().any(|table| table == "result_20260301"), "the space is back");
        for (tier, buckets) in [(Tier::Hour, 48), (Tier::Day, 2)] {
            let rollups = store.rollups(&RollupQuery { monitor, tier, span: EVER }).await.expect("reads");
            assert_eq!(rollups.len(), buckets, "{tier}");
            assert_eq!(rollups.iter().map(|rollup| rollup.checks).sum::<u64>(), pruned.results, "{tier}");
        }
    });
}

#[test]
fn a_reader_does_not_keep_pruning_from_ending() {
    block(async {
        let settings = server().database("reader").await;
        let store = open(&settings).await.expect("opens");
        let all = rows(4, 2_000);
        store.append(&batch(&all)).await.expect("appends");
        let mut reader = server().admin("reader").await;
        sqlx::raw_sql("BEGIN; SELECT count(*) FROM hallmonitor.result").execute(&mut reader).await.expect("reads");
        let now = start().plus_us(40 * DAY);
        let pruned = store.prune(&Retention::default(), now).await.expect("prunes");
        assert_eq!(pruned.results, all.len() as u64);
        assert!(read(&*store, None).await.expect("reads").is_empty());
        assert!(tables("reader").await.iter().any(|table| table == "result_20260301"), "it is in use");
        sqlx::raw_sql("COMMIT").execute(&mut reader).await.expect("ends");
        store.prune(&Retention::default(), now).await.expect("prunes");
        assert!(!tables("reader").await.iter().any(|table| table == "result_20260301"), "dropped the next time");
    });
}

#[test]
fn each_monitor_is_kept_as_long_as_it_says() {
    block(async {
        let store = open(&server().database("own_days").await).await.expect("opens");
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
        let pruned = store.prune(&policy, now).await.expect("prunes");
        assert_eq!(pruned.results, 720 * (3 + 7 + 10));
        let kept = [from(&rows[0], 3), from(&rows[1], 7), from(&rows[2], 10)];
        for (monitor, kept) in monitors.iter().zip(&kept) {
            assert_eq!(&read(&*store, Some(*monitor)).await.expect("reads"), kept);
        }
        let five = |monitor| {
            let store = &store;
            async move {
                let query = RollupQuery { monitor, tier: Tier::FiveMinutes, span: EVER };
                let rollups = store.rollups(&query).await.expect("reads");
                rollups
                    .first()
                    .zip(rollups.last())
                    .map(|(first, last)| (first.start.floor_to(DAY), last.start.floor_to(DAY)))
            }
        };
        assert_eq!(five(short).await, Some((day(8), day(9))));
        assert_eq!(five(usual).await, Some((day(0), day(6))));
        let left: i64 = sqlx::query_scalar("SELECT count(*) FROM hallmonitor.result")
            .fetch_one(&mut server().admin("own_days").await)
            .await
            .expect("asks");
        assert_eq!(left, 720 * (9 + 5 + 2), "and nothing else is left on the server");
        // Another policy: what is gone stays gone, and is not taken again.
        policy.own.clear();
        policy.own.insert(usual, KeptDays { raw: None, ..policy.usual() });
        store.append(&batch(&rows.concat())).await.expect("appends");
        store.prune(&policy, now).await.expect("prunes");
        let kept = [from(&rows[0], 7), from(&rows[1], 7), from(&rows[2], 10)];
        for (monitor, kept) in monitors.iter().zip(&kept) {
            assert_eq!(&read(&*store, Some(*monitor)).await.expect("reads"), kept);
        }
    });
}
