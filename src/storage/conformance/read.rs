//! Order, pages, edges of spans.

use super::{Batch, DAY, Fixture, HOUR, MINUTE, Subject, day_zero};
use crate::model::{IncidentEnd, MonitorId, Span, Tier, UnixMicros};
use crate::storage::{
    FUTURE_TOLERANCE_US, GapQuery, IncidentQuery, ResultQuery, RollupQuery, SeriesQuery, UptimeQuery,
};

const EVER: Span = Span { from: UnixMicros::MIN, to: UnixMicros::MAX };

pub(super) async fn results_come_newest_first_in_pages(subject: Subject) {
    let mut fixture = Fixture::new(20);
    let monitors = [fixture.monitor(), fixture.monitor(), fixture.monitor()];
    let mut rows: Vec<_> =
        monitors.iter().flat_map(|monitor| fixture.results(*monitor, day_zero(), MINUTE, 250)).collect();
    subject.append_results(&rows).await;
    rows.sort_by_key(|row| (row.time, row.monitor));
    for limit in [1, 7, 100, 749, 750, 751] {
        assert_eq!(subject.results(None, limit).await, rows, "in pages of {limit}");
    }
    let own: Vec<_> = rows.iter().filter(|row| row.monitor == monitors[1]).cloned().collect();
    for limit in [1, 9, 250, 1_000] {
        assert_eq!(subject.results(Some(monitors[1]), limit).await, own, "in pages of {limit}");
    }
}

pub(super) async fn rows_of_one_instant_are_not_lost_between_pages(subject: Subject) {
    let mut fixture = Fixture::new(21);
    let mut rows = Vec::new();
    for _ in 0..20 {
        let monitor = fixture.monitor();
        for at in 0..3 {
            rows.push(fixture.result(monitor, day_zero().plus_us(at * MINUTE), MINUTE));
        }
    }
    subject.append_results(&rows).await;
    rows.sort_by_key(|row| (row.time, row.monitor));
    for limit in [1, 3, 19, 20, 21] {
        assert_eq!(subject.results(None, limit).await, rows, "in pages of {limit}");
    }
}

pub(super) async fn the_end_of_a_span_is_outside(subject: Subject) {
    let mut fixture = Fixture::new(22);
    let monitor = fixture.monitor();
    let rows: Vec<_> = (0..10).map(|at| fixture.result(monitor, day_zero().plus_us(at * MINUTE), MINUTE)).collect();
    subject.append_results(&rows).await;
    let span = Span::new(rows[2].time, rows[5].time);
    assert_eq!(subject.results_in(Some(monitor), span, 10).await, rows[2..5]);
    assert_eq!(subject.results_in(None, span, 2).await, rows[2..5]);
    let empty = Span::new(rows[3].time, rows[3].time);
    assert!(subject.results_in(Some(monitor), empty, 2).await.is_empty());
}

pub(super) async fn latest_leaves_out_the_far_future(subject: Subject) {
    let mut fixture = Fixture::new(23);
    let now = day_zero().plus_us(DAY);
    let [past, near, far, nothing] = [(); 4].map(|()| fixture.monitor());
    let old = fixture.results(past, day_zero(), MINUTE, 300);
    let at = |fixture: &mut Fixture, monitor, time| fixture.result(monitor, time, MINUTE);
    let near_old = at(&mut fixture, near, now);
    let near_new = at(&mut fixture, near, now.plus_us(FUTURE_TOLERANCE_US));
    let far_old = at(&mut fixture, far, now.minus_us(HOUR));
    let far_new = at(&mut fixture, far, now.plus_us(FUTURE_TOLERANCE_US + 1));
    subject.append_results(&[old.clone(), vec![near_old, near_new.clone(), far_old.clone(), far_new]].concat()).await;
    let latest = subject.store.latest(&[far, nothing, past, near], now).await.expect("reads");
    assert_eq!(latest, [far_old, old[299].clone(), near_new]);
}

pub(super) async fn last_before_is_strictly_before(subject: Subject) {
    let mut fixture = Fixture::new(24);
    let monitor = fixture.monitor();
    let rows = fixture.results(monitor, day_zero(), MINUTE, 300);
    subject.append_results(&rows).await;
    for at in [0, 1, 127, 128, 129, 255, 299] {
        let before = subject.store.last_before(monitor, rows[at].time).await.expect("reads");
        assert_eq!(before.as_ref(), at.checked_sub(1).map(|at| &rows[at]));
        let after = subject.store.last_before(monitor, rows[at].time.plus_us(1)).await.expect("reads");
        assert_eq!(after.as_ref(), Some(&rows[at]));
    }
    let last = subject.store.last_before(monitor, UnixMicros::MAX).await.expect("reads");
    assert_eq!(last.as_ref(), rows.last());
    assert_eq!(subject.store.last_before(monitor, UnixMicros::MIN).await.expect("reads"), None);
}

pub(super) async fn rollups_come_by_tier_and_start(subject: Subject) {
    let mut fixture = Fixture::new(25);
    let (one, two) = (fixture.monitor(), fixture.monitor());
    let mut rollups = Vec::new();
    for at in (0..100).rev() {
        for monitor in [one, two] {
            for tier in [Tier::FiveMinutes, Tier::Hour, Tier::Day] {
                rollups.push(fixture.rollup(monitor, tier, day_zero().plus_us(at * tier.width_us())));
            }
        }
    }
    subject.append(&Batch { rollups: rollups.clone(), ..Batch::default() }).await;
    for tier in [Tier::FiveMinutes, Tier::Hour, Tier::Day] {
        let start = |at: u64| day_zero().plus_us(at * tier.width_us());
        let mut own: Vec<_> =
            rollups.iter().filter(|rollup| rollup.monitor == two && rollup.tier == tier).cloned().collect();
        own.reverse();
        let read = async |span| subject.store.rollups(&RollupQuery { monitor: two, tier, span }).await.expect("reads");
        assert_eq!(read(EVER).await, own);
        assert_eq!(read(Span::new(start(10), start(20))).await, own[10..20]);
        assert_eq!(read(Span::new(start(10).plus_us(1), start(20).plus_us(1))).await, own[11..21]);
    }
}

pub(super) async fn incidents_that_touch_the_span(subject: Subject) {
    let mut fixture = Fixture::new(26);
    let (one, two) = (fixture.monitor(), fixture.monitor());
    let at = |hours: u64| day_zero().plus_us(hours * HOUR);
    let mut incidents: Vec<_> = (0..10).map(|hour| fixture.incident(one, at(hour * 10), Some(HOUR))).collect();
    incidents.push(fixture.incident(two, at(5), Some(60 * HOUR)));
    subject.append(&Batch { incidents: incidents.clone(), ..Batch::default() }).await;
    let read = async |monitor, from, to, limit| {
        let query = IncidentQuery { monitor, span: Span::new(at(from), at(to)), limit };
        let found = subject.store.incidents(&query).await.expect("reads");
        found.iter().map(|found| incidents.iter().position(|one| one == found).expect("is ours")).collect::<Vec<_>>()
    };
    assert_eq!(read(Some(one), 20, 41, 10).await, [4, 3, 2]);
    assert_eq!(read(Some(one), 21, 40, 10).await, [3], "the end is outside, on both sides");
    assert_eq!(read(Some(two), 20, 41, 10).await, [10]);
    assert_eq!(read(None, 20, 41, 10).await, [4, 3, 2, 10]);
    assert_eq!(read(None, 20, 41, 2).await, [4, 3]);
    assert!(read(None, 200, 300, 10).await.is_empty());
}

pub(super) async fn open_incidents_touch_everything_after(subject: Subject) {
    let mut fixture = Fixture::new(27);
    let monitor = fixture.monitor();
    let open = fixture.incident(monitor, day_zero(), None);
    let mut unknown = fixture.incident(monitor, day_zero().plus_us(MINUTE), None);
    unknown.end = IncidentEnd::Unknown(day_zero().plus_us(HOUR));
    subject.append(&Batch { incidents: vec![open.clone(), unknown], ..Batch::default() }).await;
    let span = Span::new(day_zero().plus_us(300 * DAY), day_zero().plus_us(301 * DAY));
    let query = IncidentQuery { monitor: Some(monitor), span, limit: 10 };
    assert_eq!(subject.store.incidents(&query).await.expect("reads"), [open]);
}

pub(super) async fn gaps_of_the_monitor_and_of_all(subject: Subject) {
    let mut fixture = Fixture::new(28);
    let (one, two) = (fixture.monitor(), fixture.monitor());
    let at = |hours: u64| day_zero().plus_us(hours * HOUR);
    let own = fixture.gap(one, at(10), 5 * HOUR);
    let other = fixture.gap(two, at(11), 5 * HOUR);
    let all = fixture.gap(MonitorId::ALL, at(12), 100 * HOUR);
    subject.append(&Batch { gaps: vec![other, all, own], ..Batch::default() }).await;
    let read = async |monitor, from, to| {
        let query = GapQuery { monitor, span: Span::new(at(from), at(to)) };
        subject.store.gaps(&query).await.expect("reads")
    };
    assert_eq!(read(Some(one), 0, 100).await, [own, all]);
    assert_eq!(read(Some(two), 0, 100).await, [other, all]);
    assert_eq!(read(None, 0, 100).await, [own, other, all]);
    assert_eq!(read(Some(MonitorId::ALL), 0, 100).await, [all]);
    assert_eq!(read(Some(one), 0, 10).await, [], "the end of the span is outside");
    assert_eq!(read(Some(one), 15, 100).await, [all], "the end of a gap is outside");
    assert_eq!(read(Some(one), 50, 60).await, [all]);
}

pub(super) async fn unknown_monitors_have_nothing(subject: Subject) {
    let monitor = Fixture::new(29).monitor();
    let store = &subject.store;
    let now = day_zero().plus_us(DAY);
    let span = Span::new(day_zero(), now);
    let query = ResultQuery { monitor: Some(monitor), span, limit: 10, after: None };
    assert!(store.results(&query).await.expect("reads").results.is_empty());
    assert!(store.latest(&[monitor], now).await.expect("reads").is_empty());
    assert_eq!(store.last_before(monitor, now).await.expect("reads"), None);
    assert!(store.rollups(&RollupQuery { monitor, tier: Tier::Hour, span }).await.expect("reads").is_empty());
    assert!(store.gaps(&GapQuery { monitor: Some(monitor), span }).await.expect("reads").is_empty());
    let series = store.series(&SeriesQuery { monitor, span, buckets: 24, now }).await.expect("reads");
    assert_eq!(series.buckets.len(), 24);
    assert!(series.buckets.iter().all(|bucket| bucket.checks == 0 && bucket.up_us == 0));
    let uptime = store.uptime(&UptimeQuery { monitors: vec![monitor], span, now }).await.expect("reads");
    assert_eq!(uptime.len(), 1);
    assert_eq!(uptime[0].ratio(), None);
    store.forget(monitor).await.expect("forgetting nothing is fine");
}
