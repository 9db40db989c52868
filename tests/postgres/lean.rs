//! Reads that leave out what nobody asked for: the rest is the same as in those that are whole.

use hallmonitor::model::{CheckResult, Facts, Latency, MonitorId, Phases, Rollup, Row, Span, Tier};
use hallmonitor::storage::conformance::Fixture;
use hallmonitor::storage::{Batch, ReadRows, ResultQuery, Retention, RollupQuery, answer};

use crate::{DAY, EVER, MINUTE, batch, block, delivery, drained, open, server, start};

const HOUR: u64 = 60 * MINUTE;

fn seen(result: &CheckResult) -> CheckResult {
    CheckResult { phases: Phases::default(), message: "".into(), facts: Facts::new(), ..result.clone() }
}

fn times(rollup: &Rollup) -> Rollup {
    Rollup { latency: Latency::default(), ..rollup.clone() }
}

/// Every lean read beside its whole one, for pages and spans of several sizes.
async fn assert_same(rows: &dyn ReadRows, monitors: &[MonitorId]) {
    let spans = [EVER, Span::new(start().plus_us(HOUR), start().plus_us(30 * HOUR))];
    for monitor in monitors {
        for (span, limit) in [(spans[0], 10_000), (spans[1], 10_000), (spans[0], 7), (spans[1], 1)] {
            let query = ResultQuery { monitor: Some(*monitor), span, limit, after: None };
            let whole = rows.results(&query).await.expect("reads");
            let lean = rows.results_seen(&query).await.expect("reads");
            assert_eq!(lean.next, whole.next);
            let lean: Vec<_> = lean.results.iter().map(seen).collect();
            assert_eq!(lean, whole.results.iter().map(seen).collect::<Vec<_>>());
        }
    }
    for (tier, span) in [(Tier::Hour, spans[0]), (Tier::Hour, spans[1]), (Tier::Day, spans[0])] {
        let mut all = Vec::new();
        for monitor in monitors {
            let query = RollupQuery { monitor: *monitor, tier, span };
            let whole: Vec<_> = rows.rollups(&query).await.expect("reads").iter().map(times).collect();
            let lean = rows.rollup_times(&query).await.expect("reads");
            assert_eq!(lean.iter().map(times).collect::<Vec<_>>(), whole);
            all.extend(whole);
        }
        let mut together: Vec<_> =
            rows.rollup_times_of(monitors, tier, span).await.expect("reads").iter().map(times).collect();
        together.sort_by_key(|rollup| (monitors.iter().position(|id| *id == rollup.monitor), rollup.start));
        assert_eq!(together, all);
    }
    assert_same_together(rows, monitors).await;
}

/// Reads of several monitors at once beside those of one after the other.
async fn assert_same_together(rows: &dyn ReadRows, monitors: &[MonitorId]) {
    let day = Span::new(start().plus_us(HOUR), start().plus_us(30 * HOUR));
    for (span, limit) in [(EVER, 10_000), (day, 10_000), (day, 100), (EVER, 0)] {
        let seen = |results: Option<Vec<CheckResult>>| {
            results.map(|mut results| {
                results.sort_by_key(|result| (result.monitor, result.time));
                results.iter().map(seen).collect::<Vec<_>>()
            })
        };
        let together = seen(rows.results_seen_of(monitors, span, limit).await.expect("reads"));
        let apart = seen(answer::results_seen_of(rows, monitors, span, limit).await.expect("reads"));
        assert_eq!(together, apart, "at most {limit}");
    }
    let hours = |from: u64, to: u64| Span::new(start().plus_us(from * HOUR), start().plus_us(to * HOUR));
    let spans = [hours(0, 1), hours(1, 7), hours(9, 9), hours(20, 45)];
    for tier in Tier::ALL {
        let together = rows.rollup_sums(monitors, *tier, &spans).await.expect("reads");
        let apart = answer::rollup_sums(rows, monitors, *tier, &spans).await.expect("reads");
        assert_eq!(together, apart, "{tier}");
    }
}

#[test]
fn lean_reads_are_as_whole_ones_also_after_pruning() {
    block(async {
        let store = open(&server().database("lean").await).await.expect("opens");
        let mut fixture = Fixture::new(11);
        let monitors = [fixture.monitor(), fixture.monitor(), fixture.monitor()];
        for monitor in &monitors[..2] {
            store.append(&batch(&fixture.results(*monitor, start(), 20 * MINUTE, 150))).await.expect("appends");
            let hours = (0..50).map(|hour| fixture.rollup(*monitor, Tier::Hour, start().plus_us(hour * HOUR)));
            store.append(&Batch { rollups: hours.collect(), ..Batch::default() }).await.expect("appends");
        }
        let bare = store.rollup_times_of(&monitors, Tier::Hour, EVER).await.expect("reads");
        assert!(bare.len() == 100 && bare.iter().all(|rollup| rollup.latency == Latency::default()), "left out");
        assert_same(&*store, &monitors).await;
        let policy = Retention { raw_days: Some(1), hour_days: Some(1), ..Retention::default() };
        store.prune_all(&policy, start().plus_us(2 * DAY)).await.expect("prunes");
        let left = store.rollup_times_of(&monitors, Tier::Hour, EVER).await.expect("reads");
        assert!(!left.is_empty() && left.iter().all(|rollup| rollup.start >= start().plus_us(DAY)), "obeys the floor");
        assert_same(&*store, &monitors).await;
        store.forget(monitors[0]).await.expect("forgets");
        assert_same(&*store, &monitors).await;
    });
}

#[test]
fn what_waits_is_in_lean_reads_too() {
    let folder = tempfile::tempdir().expect("a folder");
    block(async {
        let settings = server().database("lean_waiting").await;
        let delivery = delivery(folder.path(), &settings);
        let mut fixture = Fixture::new(12);
        let monitors = [fixture.monitor(), fixture.monitor()];
        let hour =
            |fixture: &mut Fixture, monitor, hour| fixture.rollup(monitor, Tier::Hour, start().plus_us(hour * HOUR));
        for monitor in monitors {
            delivery.journal().push(&Row::Result(fixture.result(monitor, start(), MINUTE)));
            delivery.journal().push(&Row::Rollup(hour(&mut fixture, monitor, 0)));
        }
        drained(&delivery).await;
        // One hour anew, one more, and a monitor that is to be forgotten, while the server is asked.
        delivery.journal().push(&Row::Rollup(hour(&mut fixture, monitors[0], 0)));
        delivery.journal().push(&Row::Rollup(hour(&mut fixture, monitors[0], 1)));
        delivery.journal().push(&Row::Result(fixture.result(monitors[0], start().plus_us(MINUTE), MINUTE)));
        delivery.journal().push(&Row::Forget(monitors[1], start().plus_us(DAY)));
        assert!(delivery.journal().flush(std::time::Duration::from_secs(10)));
        let history = delivery.history();
        let hours = history.rollup_times_of(&monitors, Tier::Hour, EVER).await.expect("reads");
        assert_eq!(hours.len(), 2, "{hours:?}");
        assert_same(&history, &monitors).await;
        drained(&delivery).await;
        assert_same(&history, &monitors).await;
        assert!(delivery.stop(std::time::Duration::from_secs(10)));
    });
}
