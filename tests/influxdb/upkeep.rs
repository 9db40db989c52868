//! Retention and deletions.

use hallmonitor::model::{Gap, GapReason, MonitorId, Span, Tier};
use hallmonitor::storage::conformance::Fixture;
use hallmonitor::storage::{Backend, BackendConfig, Batch, GapQuery, Retention, RollupQuery};
use serde_json::Value;

use crate::support_remote::suite;
use crate::{DAY, EVER, MINUTE, batch, block, env_of, now, open, read, rows, server, start};

async fn keeps_s(name: &str) -> u64 {
    let bucket = server().await.bucket_of_name(name).await;
    bucket["retentionRules"].as_array().and_then(|rules| rules.first()?["everySeconds"].as_u64()).unwrap_or(0)
}

#[test]
fn a_bucket_of_ours_keeps_as_long_as_whoever_keeps_longest_and_a_month_more() {
    block(async {
        let settings = server().await.settings("retained");
        let one = settings.open(&env_of(1)).await.expect("opens");
        let two = settings.open(&env_of(2)).await.expect("opens");
        assert_eq!(keeps_s("retained").await, 0, "nothing is dropped before it is known for how long it is wanted");
        let days = |raw_days| Retention { raw_days, ..Retention::default() };
        one.prune_all(&days(Some(30)), now()).await.expect("prunes");
        assert_eq!(keeps_s("retained").await, 60 * 86_400);
        two.prune_all(&days(Some(100)), now()).await.expect("prunes");
        assert_eq!(keeps_s("retained").await, 130 * 86_400);
        one.prune_all(&days(Some(7)), now()).await.expect("prunes");
        assert_eq!(keeps_s("retained").await, 130 * 86_400, "the other one wants more");
        two.prune_all(&days(None), now()).await.expect("prunes");
        assert_eq!(keeps_s("retained").await, 0, "for ever");
        two.prune_all(&days(Some(10)), now()).await.expect("prunes");
        assert_eq!(keeps_s("retained").await, 40 * 86_400);
        // A machine whose clock is wrong has nothing dropped by the server's.
        one.prune_all(&days(Some(300)), start().plus_us(DAY)).await.expect("prunes");
        assert_eq!(keeps_s("retained").await, 40 * 86_400);
        assert_eq!(keeps_s("retained_rollup").await, 0);
    });
}

#[test]
fn the_retention_of_somebody_elses_bucket_is_left_alone() {
    block(async {
        let server = server().await;
        for (name, seconds) in [("theirs", 0), ("theirs_too", 400 * 86_400)] {
            server.bucket(name, seconds).await;
            let store = open(&server.settings(name)).await.expect("opens");
            store.prune_all(&Retention::default(), now()).await.expect("prunes");
            assert_eq!(keeps_s(name).await, seconds);
        }
    });
}

#[test]
fn what_the_buckets_take_is_told() {
    block(async {
        let settings = server().await.settings("weighed");
        let store = open(&settings).await.expect("opens");
        let all = rows(7, 1_440);
        store.append(&batch(&all)).await.expect("appends");
        // The server counts its files every few seconds.
        for _ in 0..300 {
            let status = store.check().await.expect("checks");
            if status.parts.results > Some(10_000) && status.parts.rollups > Some(0) {
                assert_eq!(status.size_bytes, Some(status.parts.sum()));
                assert!(status.size_bytes < Some(100_000_000), "of these buckets alone: {status:?}");
                return;
            }
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        }
        panic!("the server never says: {:?}", store.check().await);
    });
}

#[test]
fn what_is_pruned_is_gone_from_the_server_and_nothing_else_is() {
    block(async {
        let server = server().await;
        let settings = server.settings("pruned");
        let store = open(&settings).await.expect("opens");
        let all = rows(1, 3 * 1_440);
        let monitor = all[0].monitor;
        let gap = |whose, from: u64, long| Gap {
            monitor: whose,
            span: Span::new(start().plus_us(from * DAY), start().plus_us(from * DAY + long)),
            reason: GapReason::Paused,
        };
        // Gone, stays (long), gone, stays (later), and one at the very instant of one that stays.
        let gaps = vec![
            gap(monitor, 0, MINUTE),
            gap(MonitorId::ALL, 1, 5 * DAY),
            gap(monitor, 1, MINUTE),
            gap(MonitorId::ALL, 2, MINUTE),
            gap(monitor, 4, MINUTE),
        ];
        store.append(&Batch { gaps: gaps.clone(), ..batch(&all) }).await.expect("appends");
        let policy = Retention { raw_days: Some(1), ..Retention::default() };
        // 00:00 of the fourth day is the floor.
        let pruned = store.prune_all(&policy, start().plus_us(4 * DAY)).await.expect("prunes");
        assert_eq!(pruned.results, 3 * 1_440);
        let count = |measurement: &str, bucket: &str, field: &str| {
            format!(
                "from(bucket: \"{bucket}\") |> range(start: 0) |> filter(fn: (r) => r._measurement == \
                 \"{measurement}\" and r._field == \"{field}\") |> group() |> count()"
            )
        };
        assert_eq!(server.query(&count("hallmonitor_result", "pruned", "row")).await.trim(), "");
        let left = server.query(&count("hallmonitor_gap", "pruned_rollup", "row")).await;
        assert!(left.trim_end().ends_with(",3"), "one more lies at the instant of one that stays: {left}");
        let kept = store.gaps(&GapQuery { monitor: None, span: EVER }).await.expect("reads");
        assert_eq!(kept, [gaps[1], gaps[4]]);
        for (tier, checks) in [(Tier::FiveMinutes, 3 * 1_440), (Tier::Hour, 3 * 1_440), (Tier::Day, 3 * 1_440)] {
            let rollups = store.rollups(&RollupQuery { monitor, tier, span: EVER }).await.expect("reads");
            assert_eq!(rollups.iter().map(|rollup| rollup.checks).sum::<u64>(), checks, "{tier}");
        }
    });
}

#[test]
fn a_rename_and_another_kind_double_nothing() {
    block(async {
        let server = server().await;
        let settings = server.settings("renamed");
        let store = open(&settings).await.expect("opens");
        let all = rows(2, 1_000);
        let monitor = all[0].monitor;
        let mut known = Fixture::new(9).known(monitor, start());
        for (at, (name, kind)) in
            [("one", "http"), ("two", "tcp"), ("a \"b\" \\", "dns"), ("one", "http")].into_iter().enumerate()
        {
            (known.name, known.kind) = (name.to_owned(), kind.to_owned());
            let rollup = Fixture::new(3).rollup(monitor, Tier::Day, start());
            // All of it again, with what is new.
            let to = (at + 1) * 250;
            let whole = Batch { monitors: vec![known.clone()], rollups: vec![rollup], ..batch(&all[..to]) };
            store.append(&whole).await.expect("appends");
            assert_eq!(read(&*store, Some(monitor)).await.expect("reads"), all[..to]);
            assert_eq!(read(&*store, None).await.expect("reads"), all[..to]);
            let latest = store.latest(&[monitor], start().plus_us(2 * DAY)).await.expect("reads");
            assert_eq!(latest, all[to - 1..to]);
        }
        let query = RollupQuery { monitor, tier: Tier::Day, span: EVER };
        assert_eq!(store.rollups(&query).await.expect("reads").len(), 1);
        let bucket: Value = server.bucket_of_name("renamed").await;
        assert_eq!(bucket["description"], "Made by Hall Monitor");
    });
}

#[test]
fn each_monitor_is_kept_as_long_as_it_says() {
    block(async {
        let server = server().await;
        let config = BackendConfig::of(server.settings("own_days"));
        let left = async || {
            let flux = "from(bucket: \"own_days\") |> range(start: 0) |> filter(fn: (r) => r._field == \"row\") |> group() \
                        |> count()";
            let answer = server.query(flux).await;
            answer.trim().rsplit(',').next().and_then(|count| count.parse().ok()).expect("a number")
        };
        suite::each_monitor_is_kept_as_long_as_it_says(&config, left).await;
    });
}
