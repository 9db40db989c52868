//! Any sequence of calls answers as the plain model does, whatever house-keeping goes on meanwhile.

use super::model::ModelStore;
use super::{Batch, DAY, Fixture, HOUR, MINUTE, Subject, day_zero};
use crate::model::{CheckResult, Latency, MonitorId, Rollup, Seen, Span, Tier, UnixMicros};
use crate::storage::{
    Around, Bucket, GapQuery, Held, IncidentQuery, Page, ReadRows, ResultQuery, RollupQuery, SeriesQuery, UptimeQuery,
    answer,
};

/// Sequences that are tried.
const ROUNDS: u64 = 6;
/// Calls in a sequence.
const CALLS: u64 = 60;

pub(super) async fn any_calls_answer_as_the_model_does(mut subject: Subject) {
    let root = subject.folder.clone();
    for seed in 0..ROUNDS {
        subject.folder = root.join(seed.to_string());
        subject.store = (subject.open)(subject.folder.clone()).await.expect("opens");
        sequence(&mut subject, seed).await;
        subject.store.close().await.expect("closes");
    }
}

async fn sequence(subject: &mut Subject, seed: u64) {
    let mut fixture = Fixture::new(1_000 + seed);
    let model = ModelStore::default();
    let monitors: Vec<_> = (0..4).map(|_| fixture.monitor()).collect();
    for call in 0..CALLS {
        match fixture.below(12) {
            0 => {
                let monitor = any(&mut fixture, &monitors);
                model.forget(monitor);
                subject.store.forget(monitor).await.expect("forgets");
            }
            1 => subject.reopen().await,
            // Far enough for none, some or all of its days to be over; a reopening may come at any step of it.
            2 => {
                let now = day_zero().plus_us(DAY * fixture.below(4) + HOUR);
                for _ in 0..fixture.below(12) {
                    if !subject.store.tend(now).await.expect("keeps house") {
                        break;
                    }
                }
            }
            _ => {
                let batch = any_batch(&mut fixture, &monitors);
                model.append(&batch);
                subject.append(&batch).await;
            }
        }
        compare(subject, &model, &mut fixture, &monitors, &format!("seed {seed}, call {call}")).await;
    }
}

fn any<T: Copy>(fixture: &mut Fixture, of: &[T]) -> T {
    of[usize::try_from(fixture.below(of.len() as u64)).expect("fits")]
}

/// Times collide often: on whole minutes of two days.
fn any_time(fixture: &mut Fixture) -> UnixMicros {
    day_zero().plus_us(fixture.below(2 * DAY / MINUTE) * MINUTE)
}

fn any_span(fixture: &mut Fixture) -> Span {
    let from = any_time(fixture);
    let long = any(fixture, &[0, 1, MINUTE, HOUR, DAY, 3 * DAY]);
    Span::new(from, from.plus_us(long))
}

fn any_batch(fixture: &mut Fixture, monitors: &[MonitorId]) -> Batch {
    let mut batch = Batch::default();
    for _ in 0..fixture.below(4) {
        let monitor = any(fixture, monitors);
        let start = any_time(fixture);
        let count = usize::try_from(fixture.below(200)).expect("fits");
        if fixture.below(2) == 0 {
            batch.results.extend(fixture.results(monitor, start, MINUTE, count));
        } else {
            for _ in 0..count {
                let time = any_time(fixture);
                batch.results.push(fixture.result(monitor, time, MINUTE));
            }
        }
    }
    for _ in 0..fixture.below(3) {
        let (monitor, time) = (any(fixture, monitors), any_time(fixture));
        let tier = any(fixture, Tier::ALL);
        batch.rollups.push(fixture.rollup(monitor, tier, time));
        let whose = if fixture.below(3) == 0 { MonitorId::ALL } else { monitor };
        let long = fixture.below(3 * HOUR);
        batch.gaps.push(fixture.gap(whose, time, long));
        let long = (fixture.below(3) > 0).then_some(long);
        batch.incidents.push(fixture.incident(monitor, time, long));
        batch.monitors.push(fixture.known(monitor, time));
    }
    batch
}

async fn compare(subject: &Subject, model: &ModelStore, fixture: &mut Fixture, monitors: &[MonitorId], when: &str) {
    let store = &subject.store;
    let monitor = any(fixture, monitors);
    let span = any_span(fixture);
    let now = any_time(fixture);
    let limit = any(fixture, &[1, 3, 50, 5_000]);
    for whose in [Some(monitor), None] {
        let mut query = ResultQuery { monitor: whose, span, limit, after: None };
        for _ in 0..3 {
            let page = store.results(&query).await.expect("reads");
            assert_eq!(page, model.results(&query).await.expect("reads"), "{when}: {query:?}");
            let seen = store.results_seen(&query).await.expect("reads");
            let of = |page: &Page| page.results.iter().map(|row| (row.monitor, Seen::from(row))).collect::<Vec<_>>();
            assert_eq!((of(&seen), seen.next), (of(&page), page.next), "{when}: what was seen of {query:?}");
            query.after = page.next;
            if query.after.is_none() {
                break;
            }
        }
        let query = IncidentQuery { monitor: whose, span, limit };
        let incidents = store.incidents(&query).await.expect("reads");
        assert_eq!(incidents, model.incidents(&query).await.expect("reads"), "{when}: {query:?}");
        let query = GapQuery { monitor: whose, span };
        let gaps = store.gaps(&query).await.expect("reads");
        assert_eq!(gaps, model.gaps(&query).await.expect("reads"), "{when}: {query:?}");
    }
    let latest = store.latest(monitors, now).await.expect("reads");
    assert_eq!(latest, model.latest(monitors, now).await.expect("reads"), "{when}: latest at {now}");
    let last = store.last_before(monitor, now).await.expect("reads");
    assert_eq!(last, model.last_before(monitor, now).await.expect("reads"), "{when}: last before {now}");
    assert_eq!(store.monitors().await.expect("reads"), model.monitors().await.expect("reads"), "{when}: monitors");
    compare_rollups(subject, model, (monitor, monitors), span, when).await;
    compare_seen_of(subject, model, (&monitors[..2], limit), span, when).await;
    compare_held(subject, model, monitors, [span, any_span(fixture)], (now, limit), when).await;
    let buckets = any(fixture, &[1, 2, 10, 300]);
    let query = SeriesQuery { monitor, span, buckets, now };
    let series = store.series(&query).await.expect("answers");
    assert_eq!(series, answer::series(model, &query).await.expect("answers"), "{when}: {query:?}");
    let query = UptimeQuery { monitors: monitors.to_vec(), span, now };
    let uptime = store.uptime(&query).await.expect("answers");
    assert_eq!(uptime, answer::uptime(model, &query).await.expect("answers"), "{when}: {query:?}");
}

async fn compare_rollups(
    subject: &Subject,
    model: &ModelStore,
    (monitor, monitors): (MonitorId, &[MonitorId]),
    span: Span,
    when: &str,
) {
    let store = &subject.store;
    let bare = |rollups: &[Rollup]| -> Vec<Rollup> {
        rollups.iter().map(|rollup| Rollup { latency: Latency::default(), ..rollup.clone() }).collect()
    };
    for tier in Tier::ALL {
        let query = RollupQuery { monitor, tier: *tier, span };
        let rollups = store.rollups(&query).await.expect("reads");
        assert_eq!(rollups, model.rollups(&query).await.expect("reads"), "{when}: {query:?}");
        let times = store.rollup_times(&query).await.expect("reads");
        assert_eq!(bare(&times), bare(&rollups), "{when}: times of {query:?}");
        let mut together = bare(&store.rollup_times_of(monitors, *tier, span).await.expect("reads"));
        together.sort_by_key(|rollup| (monitors.iter().position(|id| *id == rollup.monitor), rollup.start));
        let expected = model.rollup_times_of(monitors, *tier, span).await.expect("reads");
        assert_eq!(together, bare(&expected), "{when}: times of all, {tier:?}, {span:?}");
        // Neighbours, a hole, and one of nothing; a monitor twice, and one that is not there.
        let middle = span.from.plus_us(span.us() / 3);
        let spans = [
            Span::new(span.from, middle),
            Span::new(middle, middle.plus_us(span.us() / 4)),
            Span::new(span.to.minus_us(span.us() / 5), span.to),
            Span::new(span.to, span.to),
        ];
        let asked = [monitors, &[monitor, MonitorId::new(uuid::Uuid::from_u128(1))]].concat();
        let sums = store.rollup_sums(&asked, *tier, &spans).await.expect("reads");
        let expected = model.rollup_sums(&asked, *tier, &spans).await.expect("reads");
        assert_eq!(sums, expected, "{when}: sums of {tier:?}, {spans:?}");
    }
}

async fn compare_seen_of(
    subject: &Subject,
    model: &ModelStore,
    (monitors, limit): (&[MonitorId], usize),
    span: Span,
    when: &str,
) {
    let of = |results: Option<Vec<CheckResult>>| {
        results.map(|results| {
            let mut seen: Vec<_> = results.iter().map(|row| (row.monitor, row.time, Seen::from(row))).collect();
            seen.sort_by_key(|(monitor, time, _)| (*monitor, *time));
            seen
        })
    };
    let seen = of(subject.store.results_seen_of(monitors, span, limit).await.expect("reads"));
    let expected = of(model.results_seen_of(monitors, span, limit).await.expect("reads"));
    assert_eq!(seen, expected, "{when}: what was seen of several in {span:?}, at most {limit}");
}

/// What was read of several monitors at once answers as the rows themselves do, within what is held and beyond it.
async fn compare_held(
    subject: &Subject,
    model: &ModelStore,
    monitors: &[MonitorId],
    [span, around]: [Span; 2],
    (time, limit): (UnixMicros, usize),
    when: &str,
) {
    let mut both = [span, around];
    both.sort_by_key(|span| span.from);
    for results in [vec![around], both.to_vec()] {
        let held = Around { results, rollups: around, tiers: Tier::ALL };
        compare_what_is_held(subject, model, monitors, &held, [span, around], (time, limit), when).await;
    }
}

async fn compare_what_is_held(
    subject: &Subject,
    model: &ModelStore,
    monitors: &[MonitorId],
    read: &Around,
    [span, around]: [Span; 2],
    (time, limit): (UnixMicros, usize),
    when: &str,
) {
    let (held, some) = Held::first_of(&*subject.store, monitors, read).await.expect("reads");
    let when = format!("{when}: held of {read:?}");
    for monitor in some {
        for span in [span, around, span.intersect(around), Span::new(span.from, around.to)] {
            let query = ResultQuery { monitor: Some(*monitor), span, limit, after: None };
            assert_eq!(paged(&held, &query).await, paged(model, &query).await, "{when}: {query:?}");
            let query = GapQuery { monitor: Some(*monitor), span };
            let gaps = held.gaps(&query).await.expect("reads");
            assert_eq!(gaps, model.gaps(&query).await.expect("reads"), "{when}: {query:?}");
            let query = IncidentQuery { monitor: Some(*monitor), span, limit };
            let incidents = held.incidents(&query).await.expect("reads");
            assert_eq!(incidents, model.incidents(&query).await.expect("reads"), "{when}: {query:?}");
            let spans = vec![span];
            let buckets = answer::lean_buckets(&held, *monitor, spans.clone(), Some(Tier::Hour), time).await;
            let expected = answer::lean_buckets(model, *monitor, spans, Some(Tier::Hour), time).await;
            let bare = |buckets: Vec<Bucket>| -> Vec<Bucket> {
                buckets.into_iter().map(|bucket| Bucket { latency: Latency::default(), ..bucket }).collect()
            };
            assert_eq!(bare(buckets.expect("reads")), bare(expected.expect("reads")), "{when}: buckets of {span:?}");
        }
        for time in [time, around.from, around.to, span.from, span.to] {
            let last = held.last_before(*monitor, time).await.expect("reads");
            let expected = model.last_before(*monitor, time).await.expect("reads");
            assert_eq!(last.as_ref().map(Seen::from), expected.as_ref().map(Seen::from), "{when}: before {time}");
        }
    }
}

/// The newest results of a query: pages may be shorter than asked for.
async fn paged(rows: &dyn ReadRows, query: &ResultQuery) -> Vec<Seen> {
    let mut seen = Vec::new();
    let mut query = query.clone();
    while seen.len() < query.limit {
        let page = rows.results_seen(&query).await.expect("reads");
        seen.extend(page.results.iter().map(Seen::from));
        query.after = page.next;
        if query.after.is_none() {
            break;
        }
    }
    seen.truncate(query.limit);
    seen
}
