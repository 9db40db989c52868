//! Series, uptime and coverage, over results and over rollups.

use super::{Batch, DAY, Fixture, HOUR, MINUTE, SECOND, Subject, day_zero};
use crate::model::{
    CheckResult, Evidence, Failure, GapReason, MonitorId, Rollup, Seen, Span, Tier, UnixMicros, Verdict, rollup_of,
};
use crate::storage::{Retention, Series, SeriesQuery, Uptime, UptimeQuery};

fn at(us: u64) -> UnixMicros {
    day_zero().plus_us(us)
}

/// Exactly one good result a minute, none in the minutes left out.
fn minutes(fixture: &mut Fixture, monitor: MonitorId, minutes: impl Iterator<Item = u64>) -> Vec<CheckResult> {
    let good = |minute: u64| {
        let mut result = fixture.result(monitor, at(minute * MINUTE), MINUTE);
        result.verdict = Verdict::Up;
        result.failure = None;
        result.timeout_us = 10 * SECOND;
        result
    };
    minutes.map(good).collect()
}

async fn series(subject: &Subject, monitor: MonitorId, span: Span, buckets: usize, now: UnixMicros) -> Series {
    let query = SeriesQuery { monitor, span, buckets, now };
    let series = subject.store.series(&query).await.expect("answers");
    assert!(series.buckets.len() <= buckets.max(1), "at most the asked number of buckets");
    assert_eq!(series.buckets.iter().map(|bucket| bucket.span.us()).sum::<u64>(), span.us(), "no holes");
    for bucket in &series.buckets {
        assert!(bucket.up_us + bucket.degraded_us + bucket.down_us <= bucket.span.us(), "never more than the bucket");
    }
    series
}

async fn uptime(subject: &Subject, monitor: MonitorId, span: Span, now: UnixMicros) -> Uptime {
    let query = UptimeQuery { monitors: vec![monitor], span, now };
    let answers = subject.store.uptime(&query).await.expect("answers");
    assert_eq!(answers.len(), 1);
    assert!(answers[0].observed_us() <= answers[0].window.us(), "never more than the window");
    answers[0]
}

pub(super) async fn series_has_exact_buckets(subject: Subject) {
    let mut fixture = Fixture::new(40);
    let monitor = fixture.monitor();
    // Ten hours of minutes, the third hour without any.
    let rows = minutes(&mut fixture, monitor, (0..600).filter(|minute| minute / 60 != 2));
    subject.append_results(&rows).await;
    // From 00:07 to 06:00 in half hours: the first bucket is cut, 02:00 and 02:30 are empty.
    let series = series(&subject, monitor, Span::new(at(7 * MINUTE), at(6 * HOUR)), 12, at(DAY)).await;
    assert_eq!(series.buckets.len(), 12);
    assert_eq!(series.buckets[0].span, Span::new(at(7 * MINUTE), at(30 * MINUTE)));
    let checks: Vec<u64> = series.buckets.iter().map(|bucket| bucket.checks).collect();
    assert_eq!(checks, [23, 30, 30, 30, 0, 0, 30, 30, 30, 30, 30, 30]);
    let reach = MINUTE + MINUTE / 2 + 10 * SECOND;
    let up: Vec<u64> = series.buckets.iter().map(|bucket| bucket.up_us).collect();
    let half = 30 * MINUTE;
    // The last result before the hole covers its reach, which goes 40 s into the hole.
    let over = reach - MINUTE;
    assert_eq!(up, [23 * MINUTE, half, half, half, over, 0, half, half, half, half, half, half]);
    let in_first: Vec<u64> = rows[7..30].iter().map(|row| row.duration_us).collect();
    let latency = &series.buckets[0].latency;
    assert_eq!((latency.count, latency.sum_us), (23, in_first.iter().sum()));
    assert_eq!(Some(latency.min_us), in_first.iter().min().copied());
    assert_eq!(Some(latency.max_us), in_first.iter().max().copied());
}

pub(super) async fn series_leaves_no_holes(subject: Subject) {
    let mut fixture = Fixture::new(41);
    let monitor = fixture.monitor();
    subject.append_results(&minutes(&mut fixture, monitor, 0..120)).await;
    for (long, buckets) in [(HOUR, 60), (HOUR, 1), (DAY, 24), (3 * DAY, 7), (400 * DAY, 90), (MINUTE, 1_000)] {
        series(&subject, monitor, Span::new(at(13 * SECOND), at(13 * SECOND + long)), buckets, at(90 * MINUTE)).await;
    }
    // Nothing is observed after now, and the open bucket ends there.
    let open = series(&subject, monitor, Span::new(at(0), at(4 * HOUR)), 4, at(90 * MINUTE)).await;
    let up: Vec<u64> = open.buckets.iter().map(|bucket| bucket.up_us).collect();
    assert_eq!(up, [HOUR, 30 * MINUTE, 0, 0]);
}

/// The rollups of a tier over whole days, as whoever seals buckets makes them.
fn rollups(rows: &[CheckResult], batch: &Batch, tier: Tier, days: u64) -> Vec<Rollup> {
    let seen: Vec<Seen> = rows.iter().map(Seen::from).collect();
    let evidence = Evidence { results: &seen, gaps: &batch.gaps, incidents: &batch.incidents, now: at(days * DAY) };
    let monitor = rows[0].monitor;
    (0..days * DAY / tier.width_us())
        .map(|number| rollup_of(monitor, tier, at(number * tier.width_us()), &evidence))
        .collect()
}

/// Five days with an outage, a gap of its own, one of all, and results of every verdict.
fn five_days(fixture: &mut Fixture, monitor: MonitorId) -> Batch {
    let mut rows = fixture.results(monitor, at(0), 10 * MINUTE, 5 * 144);
    for row in &mut rows[200..260] {
        row.verdict = Verdict::Down;
        row.failure = Some(Failure::Timeout);
    }
    for row in &mut rows[300..320] {
        row.verdict = Verdict::Degraded;
        row.failure = Some(Failure::Assertion);
    }
    rows.retain(|row| !(at(3 * DAY)..at(3 * DAY + 5 * HOUR)).contains(&row.time));
    let opened = rows[200].time;
    Batch {
        gaps: vec![fixture.gap(monitor, at(HOUR), 2 * HOUR), fixture.gap(MonitorId::ALL, at(3 * DAY), 5 * HOUR)],
        incidents: vec![fixture.incident(monitor, opened, Some(10 * HOUR))],
        results: rows,
        ..Batch::default()
    }
}

pub(super) async fn rollups_answer_as_results_do(subject: Subject) {
    let mut fixture = Fixture::new(42);
    let monitor = fixture.monitor();
    let batch = five_days(&mut fixture, monitor);
    subject.append(&batch).await;
    let now = at(5 * DAY + HOUR);
    let span = Span::new(at(25 * MINUTE), at(5 * DAY));
    let wide = Span::new(at(0), at(5 * DAY));
    let raw = (uptime(&subject, monitor, span, now).await, series(&subject, monitor, wide, 10, now).await);
    assert_eq!(raw.1.tier, None);
    assert!(raw.0.down_us >= 10 * HOUR - MINUTE && raw.0.degraded_us > 0);
    // Half of the hours, then all of them and the days.
    let hours = rollups(&batch.results, &batch, Tier::Hour, 5);
    let some = hours.iter().step_by(2).cloned().collect();
    subject.append(&Batch { rollups: some, ..Batch::default() }).await;
    assert_eq!(uptime(&subject, monitor, span, now).await, raw.0);
    assert_eq!(series(&subject, monitor, wide, 10, now).await.buckets, raw.1.buckets);
    let days = rollups(&batch.results, &batch, Tier::Day, 5);
    subject.append(&Batch { rollups: [hours, days].concat(), ..Batch::default() }).await;
    assert_eq!(uptime(&subject, monitor, span, now).await, raw.0);
    let rolled = series(&subject, monitor, wide, 10, now).await;
    assert_eq!(rolled.buckets, raw.1.buckets);
    assert!(rolled.tier.is_some());
}

pub(super) async fn series_survives_its_results(subject: Subject) {
    let mut fixture = Fixture::new(43);
    let monitor = fixture.monitor();
    let batch = five_days(&mut fixture, monitor);
    let known = fixture.known(monitor, at(0));
    subject.append(&batch).await;
    subject.append(&Batch { monitors: vec![known], ..Batch::default() }).await;
    let now = at(40 * DAY);
    let span = Span::new(at(0), at(5 * DAY));
    let before = (uptime(&subject, monitor, span, now).await, series(&subject, monitor, span, 5, now).await);
    let pruned = subject.store.prune_all(&Retention::default(), now).await.expect("prunes");
    assert_eq!(pruned.results, batch.results.len() as u64);
    assert_eq!(subject.results(None, 100).await, []);
    let after = (uptime(&subject, monitor, span, now).await, series(&subject, monitor, span, 5, now).await);
    assert_eq!(after.0, before.0);
    assert_eq!(after.1.buckets, before.1.buckets);
    // A fine series is answered from what is left.
    let fine = series(&subject, monitor, Span::new(at(0), at(DAY)), 96, now).await;
    assert_eq!(fine.tier, Some(Tier::Hour));
    let first_day = batch.results.iter().filter(|row| row.time < at(DAY)).count() as u64;
    assert_eq!(fine.buckets.iter().map(|bucket| bucket.checks).sum::<u64>(), first_day);
}

pub(super) async fn uptime_by_time(subject: Subject) {
    let mut fixture = Fixture::new(44);
    let monitor = fixture.monitor();
    let mut rows = minutes(&mut fixture, monitor, 0..600);
    // Confirmed down from minute 100 to 130; one failure at 200 that was not; degraded from 300 to 310; ours at 400.
    for row in &mut rows[100..130] {
        row.verdict = Verdict::Down;
        row.failure = Some(Failure::Timeout);
    }
    rows[200].verdict = Verdict::Down;
    rows[200].failure = Some(Failure::Connect);
    rows[300..310].iter_mut().for_each(|row| row.verdict = Verdict::Degraded);
    rows[400].verdict = Verdict::Inconclusive;
    rows[400].failure = Some(Failure::NoRoute);
    // Asleep from 500 to 520.
    rows.retain(|row| !(at(500 * MINUTE)..at(520 * MINUTE)).contains(&row.time));
    let mut gap = fixture.gap(MonitorId::ALL, at(500 * MINUTE), 20 * MINUTE);
    gap.reason = GapReason::Asleep;
    let batch = Batch {
        incidents: vec![fixture.incident(monitor, at(100 * MINUTE), Some(30 * MINUTE))],
        gaps: vec![gap],
        results: rows,
        ..Batch::default()
    };
    subject.append(&batch).await;
    let span = Span::new(at(0), at(600 * MINUTE));
    let answer = uptime(&subject, monitor, span, at(DAY)).await;
    assert_eq!(answer.window, span);
    assert_eq!(answer.down_us, 30 * MINUTE);
    assert_eq!(answer.degraded_us, 10 * MINUTE);
    assert_eq!(answer.up_us, (600 - 30 - 10 - 1 - 20) * MINUTE);
    let gaps = series(&subject, monitor, span, 10, at(DAY)).await.gaps;
    let offline = (Span::new(at(400 * MINUTE), at(401 * MINUTE)), GapReason::Offline);
    assert_eq!(gaps, [offline, (gap.span, GapReason::Asleep)]);
}

pub(super) async fn uptime_starts_with_the_monitor(subject: Subject) {
    let mut fixture = Fixture::new(45);
    let monitor = fixture.monitor();
    subject.append_results(&minutes(&mut fixture, monitor, 60..120)).await;
    let span = Span::new(at(0), at(2 * HOUR));
    let unknown = uptime(&subject, monitor, span, at(DAY)).await;
    assert_eq!(unknown.window, Span::new(at(HOUR), at(2 * HOUR)), "from the first result");
    assert_eq!(unknown.coverage(), Some(1.0));
    let known = fixture.known(monitor, at(30 * MINUTE));
    subject.append(&Batch { monitors: vec![known], ..Batch::default() }).await;
    let known = uptime(&subject, monitor, span, at(DAY)).await;
    assert_eq!(known.window, Span::new(at(30 * MINUTE), at(2 * HOUR)), "from its first sight");
    assert_eq!(known.up_us, HOUR);
    let later = uptime(&subject, monitor, Span::new(at(90 * MINUTE), at(2 * HOUR)), at(DAY)).await;
    assert_eq!(later.window.from, at(90 * MINUTE));
}

pub(super) async fn uptime_ends_now(subject: Subject) {
    let mut fixture = Fixture::new(46);
    let monitor = fixture.monitor();
    subject.append_results(&minutes(&mut fixture, monitor, 0..120)).await;
    let opened = fixture.incident(monitor, at(80 * MINUTE), None);
    subject.append(&Batch { incidents: vec![opened], ..Batch::default() }).await;
    let answer = uptime(&subject, monitor, Span::new(at(0), at(DAY)), at(100 * MINUTE)).await;
    assert_eq!(answer.window, Span::new(at(0), at(100 * MINUTE)));
    assert_eq!((answer.up_us, answer.down_us), (80 * MINUTE, 20 * MINUTE));
}

pub(super) async fn late_rows_change_the_answer(subject: Subject) {
    let mut fixture = Fixture::new(47);
    let monitor = fixture.monitor();
    subject.append_results(&minutes(&mut fixture, monitor, (0..60).chain(120..180))).await;
    let span = Span::new(at(0), at(3 * HOUR));
    let over = 40 * SECOND;
    assert_eq!(uptime(&subject, monitor, span, at(DAY)).await.up_us, 2 * HOUR + over);
    subject.append_results(&minutes(&mut fixture, monitor, 60..120)).await;
    assert_eq!(uptime(&subject, monitor, span, at(DAY)).await.up_us, 3 * HOUR);
}
