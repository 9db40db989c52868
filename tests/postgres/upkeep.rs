//! Partitions and floors.

use hallmonitor::model::{Rollup, Tier, UnixMicros};
use hallmonitor::storage::backends::postgres::test_server::{TestServer, Wanted};
use hallmonitor::storage::conformance::Fixture;
use hallmonitor::storage::{BackendConfig, Batch, Retention, RollupQuery, missing_rollups};

use crate::support_remote::suite;
use crate::{DAY, EVER, MINUTE, batch, block, open, own_server, read, rows, server, start};

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
        let pruned = store.prune_all(&Retention::default(), now).await.expect("prunes");
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
        let pruned = store.prune_all(&Retention::default(), now).await.expect("prunes");
        assert_eq!(pruned.results, all.len() as u64);
        assert!(read(&*store, None).await.expect("reads").is_empty());
        assert!(tables("reader").await.iter().any(|table| table == "result_20260301"), "it is in use");
        sqlx::raw_sql("COMMIT").execute(&mut reader).await.expect("ends");
        store.prune_all(&Retention::default(), now).await.expect("prunes");
        assert!(!tables("reader").await.iter().any(|table| table == "result_20260301"), "dropped the next time");
    });
}

#[test]
fn each_monitor_is_kept_as_long_as_it_says() {
    block(async {
        let config = BackendConfig::of(server().database("own_days").await);
        let left = async || {
            let mut admin = server().admin("own_days").await;
            let count: i64 = sqlx::query_scalar("SELECT count(*) FROM hallmonitor.result")
                .fetch_one(&mut admin)
                .await
                .expect("asks");
            count.unsigned_abs()
        };
        suite::each_monitor_is_kept_as_long_as_it_says(&config, left).await;
    });
}

/// Statements with these words that the server was told since it had said so much.
fn told(server: &TestServer, since: usize, words: &str) -> usize {
    let log = server.log();
    log[since..].lines().filter(|line| line.contains("LOG:  execute") && line.contains(words)).count()
}

#[test]
fn what_will_go_is_prepared_and_then_goes_with_few_questions() {
    let server = own_server(&Wanted { conf: vec!["log_statement = 'all'".to_owned()], ..Wanted::default() });
    block(async {
        let store = open(&server.database("prepared").await).await.expect("opens");
        let mut fixture = Fixture::new(31);
        let monitors: Vec<_> = (0..40).map(|_| fixture.monitor()).collect();
        for monitor in &monitors {
            store.append(&batch(&fixture.results(*monitor, start(), 2 * MINUTE, 720 + 50))).await.expect("appends");
        }
        let five = async || {
            let mut of = 0;
            for monitor in &monitors {
                let query = RollupQuery { monitor: *monitor, tier: Tier::FiveMinutes, span: EVER };
                of += usize::from(store.rollups(&query).await.expect("reads").len() == 288);
            }
            of
        };
        let midnight = start().plus_us(31 * DAY);
        assert!(!store.tend(midnight).await.expect("keeps house"), "nobody said what is kept");
        let pruned = store.prune_all(&Retention::default(), midnight.minus_us(180 * MINUTE)).await.expect("prunes");
        assert_eq!(pruned.results, 0);
        assert!(!store.tend(midnight.minus_us(180 * MINUTE)).await.expect("keeps house"), "not so long before");
        assert_eq!(five().await, 0);
        let mut pieces = 0;
        while store.tend(midnight.minus_us(60 * MINUTE)).await.expect("keeps house") {
            pieces += 1;
            assert_eq!(five().await, monitors.len().min(pieces * 16), "a piece is a few monitors");
        }
        assert_eq!((pieces, five().await), (3, monitors.len()));
        assert_eq!(read(&*store, Some(monitors[7])).await.expect("reads").len(), 770, "nothing has gone yet");

        let since = server.log().len();
        let pruned = store.prune_all(&Retention::default(), midnight).await.expect("prunes");
        assert_eq!(pruned.results, 720 * 40);
        let log = server.log();
        let raised = log[since..].find("INSERT INTO floor").expect("the floors rise");
        let before = log[since..since + raised].lines().filter(|line| line.contains("LOG:  execute")).count();
        assert!(before <= 8, "{before} statements before nobody reads it any more: {}", &log[since..since + raised]);
        assert_eq!(told(&server, since, "INSERT INTO rollup"), 0, "nothing was left to make");
        assert_eq!(read(&*store, Some(monitors[7])).await.expect("reads").len(), 50);
    });
}

#[test]
fn what_is_missing_is_made_before_it_goes_of_many_monitors_at_once() {
    let server = own_server(&Wanted { conf: vec!["log_statement = 'all'".to_owned()], ..Wanted::default() });
    block(async {
        let store = open(&server.database("at_once").await).await.expect("opens");
        let mut fixture = Fixture::new(32);
        let monitors: Vec<_> = (0..40).map(|_| fixture.monitor()).collect();
        // Some have all of it but one hour, some nothing, some too few results for five minutes, some have changed.
        for (at, monitor) in monitors.iter().enumerate() {
            let interval = [2, 2, 10, 1][at % 4] * MINUTE;
            let count = usize::try_from(2 * DAY / interval).expect("fits");
            store.append(&batch(&fixture.results(*monitor, start(), interval, count))).await.expect("appends");
            let changed = fixture.results(*monitor, start().plus_us(40_000_000), 5 * MINUTE, 200);
            store.append(&batch(&changed)).await.expect("appends");
        }
        let day = Tier::Day.bucket(start());
        let mut expected = Vec::new();
        for (at, monitor) in monitors.iter().enumerate() {
            let rollups = missing_rollups(&*store, *monitor, day).await.expect("reads");
            if at % 4 == 1 {
                let some = rollups[..rollups.len() - 3].to_vec();
                store.append(&Batch { rollups: some, ..Batch::default() }).await.expect("appends");
            }
            expected.extend(rollups);
        }
        let since = server.log().len();
        store.prune_all(&Retention::default(), start().plus_us(31 * DAY)).await.expect("prunes");
        assert!(told(&server, since, "") < 60, "{}", &server.log()[since..]);
        let mut made = Vec::new();
        for monitor in &monitors {
            for tier in Tier::ALL {
                let query = RollupQuery { monitor: *monitor, tier: *tier, span: day };
                made.extend(store.rollups(&query).await.expect("reads"));
            }
        }
        let key = |rollup: &Rollup| (rollup.monitor, rollup.tier, rollup.start);
        made.sort_by_key(key);
        expected.sort_by_key(key);
        assert_eq!(made.len(), expected.len());
        assert!(made == expected, "the same as one monitor after the other");
    });
}
