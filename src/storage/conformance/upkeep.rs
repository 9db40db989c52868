//! Prune, forget, scan.

use super::model::ModelStore;
use super::{Batch, DAY, Fixture, HOUR, MINUTE, Subject, day_zero};
use crate::model::{MonitorId, Span, Tier, UnixMicros};
use crate::storage::{GapQuery, IncidentQuery, Piece, PruneLeft, Pruned, Retention, RollupQuery};

const EVER: Span = Span { from: UnixMicros::MIN, to: UnixMicros::MAX };

fn everything(fixture: &mut Fixture, monitors: &[MonitorId]) -> Batch {
    let mut batch = Batch { gaps: vec![fixture.gap(MonitorId::ALL, day_zero(), HOUR)], ..Batch::default() };
    for &monitor in monitors {
        batch.results.extend(fixture.results(monitor, day_zero(), MINUTE, 400));
        batch.rollups.extend((0..30).map(|hour| fixture.rollup(monitor, Tier::Hour, day_zero().plus_us(hour * HOUR))));
        batch.rollups.push(fixture.rollup(monitor, Tier::Day, day_zero()));
        batch.gaps.push(fixture.gap(monitor, day_zero().plus_us(HOUR), HOUR));
        batch.incidents.push(fixture.incident(monitor, day_zero(), Some(HOUR)));
        batch.monitors.push(fixture.known(monitor, day_zero()));
    }
    batch
}

pub(super) async fn forget_drops_what_is_known(subject: Subject) {
    let mut fixture = Fixture::new(60);
    let monitors = [fixture.monitor(), fixture.monitor()];
    let batch = everything(&mut fixture, &monitors);
    subject.append(&batch).await;
    subject.store.forget(monitors[0]).await.expect("forgets");
    assert_eq!(subject.store.monitors().await.expect("reads"), batch.monitors[1..]);
    let query = IncidentQuery { monitor: None, span: EVER, limit: 10 };
    assert_eq!(subject.store.incidents(&query).await.expect("reads"), batch.incidents[1..]);
}

pub(super) async fn forget_drops_one_monitor_only(mut subject: Subject) {
    let mut fixture = Fixture::new(61);
    let monitors = [fixture.monitor(), fixture.monitor(), fixture.monitor()];
    let batch = everything(&mut fixture, &monitors);
    subject.append(&batch).await;
    subject.store.forget(monitors[1]).await.expect("forgets");
    let expected = ModelStore::default();
    expected.append(&batch);
    expected.forget(monitors[1]);
    assert_eq!(sorted(scanned(&subject).await), sorted(expected.all()));
    subject.reopen().await;
    assert_eq!(sorted(scanned(&subject).await), sorted(expected.all()));
    // It can come back, and has none of its old rows.
    let again = fixture.results(monitors[1], day_zero(), MINUTE, 5);
    subject.append_results(&again).await;
    assert_eq!(subject.results(Some(monitors[1]), 100).await, again);
    assert_eq!(subject.results(Some(monitors[0]), 1_000).await, batch.results[..400]);
}

pub(super) async fn prune_makes_rollups_first(subject: Subject) {
    let mut fixture = Fixture::new(62);
    let monitor = fixture.monitor();
    let rows = fixture.results(monitor, day_zero().plus_us(7 * HOUR), 10 * MINUTE, 3 * 144);
    subject.append_results(&rows).await;
    let now = day_zero().plus_us(32 * DAY + 5 * HOUR);
    let pruned = subject.store.prune_all(&Retention::default(), now).await.expect("prunes");
    // 30 whole days are kept: what began before the third day is gone.
    let floor = day_zero().plus_us(2 * DAY);
    let (old, kept) = rows.split_at(rows.partition_point(|row| row.time < floor));
    assert_eq!(pruned.results, old.len() as u64);
    assert_eq!(subject.results(None, 1_000).await, kept);
    for (tier, buckets) in [(Tier::Hour, 17 + 24), (Tier::Day, 2)] {
        let query = RollupQuery { monitor, tier, span: EVER };
        let rollups = subject.store.rollups(&query).await.expect("reads");
        assert_eq!(rollups.len(), buckets);
        assert_eq!(rollups.iter().map(|rollup| rollup.checks).sum::<u64>(), old.len() as u64);
    }
    let again = subject.store.prune_all(&Retention::default(), now).await.expect("prunes");
    assert_eq!((again.results, again.rollups), (0, 0), "pruning twice is as good as once");
}

pub(super) async fn pruned_rows_stay_away(mut subject: Subject) {
    let mut fixture = Fixture::new(63);
    let monitor = fixture.monitor();
    let rows = fixture.results(monitor, day_zero(), 10 * MINUTE, 3 * 144);
    let gaps = vec![fixture.gap(monitor, day_zero(), HOUR), fixture.gap(monitor, day_zero().plus_us(60 * HOUR), HOUR)];
    subject.append(&Batch { results: rows.clone(), gaps: gaps.clone(), ..Batch::default() }).await;
    let policy = Retention { raw_days: Some(1), ..Retention::default() };
    subject.store.prune_all(&policy, day_zero().plus_us(3 * DAY)).await.expect("prunes");
    let kept = &rows[rows.partition_point(|row| row.time < day_zero().plus_us(2 * DAY))..];
    // A replay of what is past its time changes nothing.
    subject.append_results(&rows).await;
    assert_eq!(subject.results(Some(monitor), 1_000).await, kept);
    let first = subject.store.last_before(monitor, kept[0].time).await.expect("reads");
    assert_eq!(first, None);
    let query = GapQuery { monitor: Some(monitor), span: EVER };
    assert_eq!(subject.store.gaps(&query).await.expect("reads"), gaps[1..]);
    subject.reopen().await;
    subject.append_results(&rows).await;
    assert_eq!(subject.results(None, 1_000).await, kept);
}

pub(super) async fn prune_goes_on_piece_by_piece(mut subject: Subject) {
    const A_DAY: usize = 144;
    let mut fixture = Fixture::new(66);
    let monitors = [fixture.monitor(), fixture.monitor(), fixture.monitor()];
    let of_each = monitors.map(|monitor| fixture.results(monitor, day_zero(), 10 * MINUTE, 6 * A_DAY));
    let mut rows = of_each.concat();
    subject.append_results(&rows).await;
    let policy = Retention { raw_days: Some(2), ..Retention::default() };
    let (now, floor) = (day_zero().plus_us(6 * DAY + HOUR), day_zero().plus_us(4 * DAY));
    let (mut pruned, mut last) = (Pruned::default(), None::<PruneLeft>);
    for piece in 0.. {
        assert!(piece < 1_000, "it does not come to an end: {last:?}");
        let some = subject.store.prune(&policy, now, Piece::least()).await.expect("prunes");
        pruned.results += some.results;
        let Some(left) = some.left else { break };
        assert!(left.done <= left.of, "{left:?}");
        assert!(
            last.is_none_or(|last| last.step != left.step || (last.done <= left.done && last.of == left.of)),
            "{last:?}, and then {left:?}"
        );
        last = Some(left);
        // Rows come in between, and a start is not the end of it.
        let time = day_zero().plus_us(6 * DAY + piece * MINUTE);
        let news = fixture.results(monitors[0], time, MINUTE, 1);
        subject.append_results(&news).await;
        rows.extend(news);
        if piece == 3 {
            subject.reopen().await;
            last = None;
        }
    }
    let (mut kept, old): (Vec<_>, Vec<_>) = rows.into_iter().partition(|row| row.time >= floor);
    kept.sort_by_key(|row| (row.time, row.monitor));
    assert_eq!(pruned.results, old.len() as u64);
    assert_eq!(subject.results(None, 5_000).await, kept);
    for monitor in monitors {
        let query = RollupQuery { monitor, tier: Tier::Hour, span: Span::new(UnixMicros::MIN, floor) };
        let rollups = subject.store.rollups(&query).await.expect("reads");
        let of_monitor = old.iter().filter(|row| row.monitor == monitor).count() as u64;
        assert_eq!(rollups.iter().map(|rollup| rollup.checks).sum::<u64>(), of_monitor);
    }
    let again = subject.store.prune(&policy, now, Piece::least()).await.expect("prunes");
    assert_eq!((again.results, again.rollups), (0, 0), "{again:?}");
}

pub(super) async fn the_parts_of_its_size_add_up(mut subject: Subject) {
    let mut fixture = Fixture::new(65);
    let monitors = [fixture.monitor(), fixture.monitor(), fixture.monitor()];
    let batch = everything(&mut fixture, &monitors);
    for _ in 0..2 {
        subject.append(&batch).await;
        let status = subject.store.check().await.expect("answers");
        let capabilities = subject.store.capabilities();
        assert!(status.size_bytes.is_some_and(|size| size > 0) || !capabilities.frees_room, "the size has to be known");
        assert!(status.parts.sum() <= status.size_bytes.unwrap_or(0), "{status:?}");
        let parts = status.parts;
        let tiers = [parts.five_minutes, parts.hour, parts.day];
        assert!(parts.rollups.is_none() || tiers == [None; 3], "rollups are told once: {parts:?}");
        assert!(status.results.is_none_or(|rows| (600..=2_400).contains(&rows)), "about 1,200 results: {status:?}");
        if capabilities.tells_parts {
            assert!(parts.results.is_some_and(|bytes| bytes > 1_000), "1,200 results are somewhere: {parts:?}");
            let rollups = parts.rollups.or(parts.hour);
            assert!(rollups.is_some_and(|bytes| bytes > 100), "and so are 90 hours: {parts:?}");
        }
        subject.reopen().await;
    }
}

pub(super) async fn prune_drops_rollups_by_tier(subject: Subject) {
    let mut fixture = Fixture::new(64);
    let monitor = fixture.monitor();
    let mut rollups = Vec::new();
    for day in 0..40 {
        for tier in [Tier::FiveMinutes, Tier::Hour, Tier::Day] {
            rollups.push(fixture.rollup(monitor, tier, day_zero().plus_us(day * DAY)));
        }
    }
    subject.append(&Batch { rollups: rollups.clone(), ..Batch::default() }).await;
    let policy = Retention {
        raw_days: None,
        five_minutes_days: Some(10),
        hour_days: Some(20),
        day_days: None,
        ..Retention::default()
    };
    let pruned = subject.store.prune_all(&policy, day_zero().plus_us(40 * DAY)).await.expect("prunes");
    assert_eq!(pruned.rollups, 30 + 20);
    for (tier, left) in [(Tier::FiveMinutes, 10), (Tier::Hour, 20), (Tier::Day, 40)] {
        let query = RollupQuery { monitor, tier, span: EVER };
        assert_eq!(subject.store.rollups(&query).await.expect("reads").len(), left);
    }
}

async fn scanned(subject: &Subject) -> Batch {
    let mut all = Batch::default();
    let mut cursor = None;
    loop {
        let page = subject.store.scan(cursor.clone()).await.expect("scans");
        all.results.extend(page.batch.results);
        all.rollups.extend(page.batch.rollups);
        all.gaps.extend(page.batch.gaps);
        all.incidents.extend(page.batch.incidents);
        all.monitors.extend(page.batch.monitors);
        match page.next {
            Some(next) => {
                assert_ne!(cursor.as_ref(), Some(&next), "a cursor moves");
                cursor = Some(next);
            }
            None => return all,
        }
    }
}

fn sorted(mut batch: Batch) -> Batch {
    batch.results.sort_by_key(|row| (row.time, row.monitor));
    batch.rollups.sort_by_key(|row| (row.monitor, row.tier, row.start));
    batch.gaps.sort_by_key(|row| (row.span.from, row.monitor));
    batch.incidents.sort_by_key(|row| row.id);
    batch.monitors.sort_by_key(|row| row.id);
    batch
}

pub(super) async fn scan_gives_everything_once(subject: Subject) {
    let mut fixture = Fixture::new(65);
    let monitors: Vec<_> = (0..40).map(|_| fixture.monitor()).collect();
    let batch = everything(&mut fixture, &monitors);
    subject.append(&batch).await;
    let first = scanned(&subject).await;
    assert_eq!(scanned(&subject).await, first, "the order is stable");
    assert_eq!(sorted(first), sorted(batch));
}

pub(super) async fn a_scan_can_be_kept_elsewhere(subject: Subject) {
    let mut fixture = Fixture::new(66);
    let monitors: Vec<_> = (0..5).map(|_| fixture.monitor()).collect();
    let batch = everything(&mut fixture, &monitors);
    subject.append(&batch).await;
    let other = (subject.open)(subject.folder.join("other")).await.expect("opens");
    let mut cursor = None;
    loop {
        let page = subject.store.scan(cursor).await.expect("scans");
        // Twice: a transfer that was broken off begins a page again.
        other.append(&page.batch).await.expect("appends");
        other.append(&page.batch).await.expect("appends");
        cursor = page.next;
        if cursor.is_none() {
            break;
        }
    }
    let other = Subject { store: other, folder: subject.folder.join("other"), open: subject.open };
    assert_eq!(sorted(scanned(&other).await), sorted(batch));
}
