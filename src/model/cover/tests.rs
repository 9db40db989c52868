//! The rules of coverage, and properties that hold for any history.

use proptest::prelude::*;
use uuid::Uuid;

use super::super::{IncidentEnd, IncidentId};
use super::*;

const S: u64 = 1_000_000;
const DAY: i64 = 86_400_000_000;
const ME: MonitorId = MonitorId::new(Uuid::from_u128(7));

fn at(seconds: u64) -> UnixMicros {
    UnixMicros::new(20_000 * DAY).plus_us(seconds * S)
}

fn span(from: u64, to: u64) -> Span {
    Span::new(at(from), at(to))
}

fn seen(seconds: u64, verdict: Verdict) -> Seen {
    Seen { time: at(seconds), reach_us: 100 * S, duration_us: 5_000, verdict, failure: None }
}

fn gap(monitor: MonitorId, from: u64, to: u64) -> Gap {
    Gap { monitor, span: span(from, to), reason: GapReason::Asleep }
}

fn incident(opened: u64, end: IncidentEnd) -> Incident {
    Incident {
        id: IncidentId::of(ME, at(opened)),
        monitor: ME,
        opened: at(opened),
        confirmed: at(opened + 10),
        end,
        failure: Failure::Timeout,
        message: String::new(),
        acknowledged: None,
    }
}

fn cover(results: &[Seen], gaps: &[Gap], incidents: &[Incident], window: Span) -> Coverage {
    Coverage::of(&Evidence { results, gaps, incidents, now: at(1_000_000) }, window)
}

#[test]
fn a_result_covers_to_the_next_or_to_its_reach() {
    let coverage = cover(&[seen(0, Verdict::Up), seen(60, Verdict::Degraded)], &[], &[], span(0, 1000));
    assert_eq!(coverage.observed, [(span(0, 60), State::Up), (span(60, 160), State::Degraded)]);
    assert!(coverage.gaps.is_empty(), "time without a reason has none");
}

#[test]
fn a_gap_cuts_and_inside_an_own_gap_nothing_counts() {
    let results = [seen(0, Verdict::Up), seen(50, Verdict::Up), seen(70, Verdict::Up)];
    let coverage = cover(&results, &[gap(ME, 20, 60)], &[], span(0, 100));
    assert_eq!(coverage.observed, [(span(0, 20), State::Up), (span(70, 100), State::Up)]);
    assert_eq!(coverage.gaps, [(span(20, 60), GapReason::Asleep)]);
}

#[test]
fn an_instance_wide_gap_ends_at_the_first_conclusive_result_inside() {
    let mut ours = seen(30, Verdict::Inconclusive);
    ours.failure = Some(Failure::NoRoute);
    let results = [seen(0, Verdict::Up), ours, seen(40, Verdict::Up)];
    let coverage = cover(&results, &[gap(MonitorId::ALL, 20, 90)], &[], span(0, 100));
    assert_eq!(coverage.observed, [(span(0, 20), State::Up), (span(40, 100), State::Up)]);
    assert_eq!(coverage.gaps, [(span(20, 40), GapReason::Asleep)]);
}

#[test]
fn inconclusive_results_are_gaps_with_their_reason() {
    let mut offline = seen(60, Verdict::Inconclusive);
    offline.failure = Some(Failure::Resolver);
    let mut fault = seen(120, Verdict::Inconclusive);
    fault.failure = Some(Failure::Permission);
    let coverage = cover(&[seen(0, Verdict::Up), offline, fault], &[], &[], span(0, 500));
    assert_eq!(coverage.observed, [(span(0, 60), State::Up)]);
    assert_eq!(coverage.gaps, [(span(60, 120), GapReason::Offline), (span(120, 220), GapReason::Fault)]);
}

#[test]
fn only_confirmed_outages_are_down_time() {
    let results = [seen(0, Verdict::Up), seen(60, Verdict::Down), seen(120, Verdict::Up), seen(180, Verdict::Down)];
    let unconfirmed = cover(&results, &[], &[], span(0, 200));
    assert_eq!(unconfirmed.observed, [(span(0, 200), State::Up)]);
    let confirmed = cover(&results, &[], &[incident(180, IncidentEnd::Open)], span(0, 200));
    assert_eq!(confirmed.observed, [(span(0, 180), State::Up), (span(180, 200), State::Down)]);
    let no_former = cover(&results[1..2], &[], &[], span(0, 200));
    assert!(no_former.observed.is_empty(), "a first failure that is not confirmed says nothing");
}

#[test]
fn nothing_after_now() {
    let evidence = Evidence { results: &[seen(0, Verdict::Up)], gaps: &[], incidents: &[], now: at(30) };
    assert_eq!(Coverage::of(&evidence, span(0, 100)).observed, [(span(0, 30), State::Up)]);
}

fn any_verdict() -> impl Strategy<Value = Verdict> {
    prop_oneof![6 => Just(Verdict::Up), 1 => Just(Verdict::Degraded), 2 => Just(Verdict::Down), 1 => Just(Verdict::Inconclusive)]
}

prop_compose! {
    fn any_evidence()(
        times in prop::collection::vec((0u64..180_000, any_verdict(), 1u64..5_000, 0u64..1_000_000), 0..60),
        gaps in prop::collection::vec((0u64..180_000, 0u64..9_000, any::<bool>()), 0..6),
        outages in prop::collection::vec((0u64..180_000, 0u64..9_000, any::<bool>()), 0..4),
        now in 0u64..200_000,
    ) -> (Vec<Seen>, Vec<Gap>, Vec<Incident>, UnixMicros) {
        let results = times.into_iter().map(|(time, verdict, reach, duration_us)| {
            Seen { time: at(time), reach_us: reach * S, duration_us, verdict, failure: None }
        }).collect();
        let gaps = gaps.into_iter().map(|(from, long, all)| {
            gap(if all { MonitorId::ALL } else { ME }, from, from + long)
        }).collect();
        let incidents = outages.into_iter().map(|(from, long, open)| {
            incident(from, if open { IncidentEnd::Open } else { IncidentEnd::Recovered(at(from + long)) })
        }).collect();
        (results, gaps, incidents, at(now))
    }
}

proptest! {
    #[test]
    fn parts_never_exceed_the_window_and_never_overlap((results, gaps, incidents, now) in any_evidence(), a in 0u64..200_000, b in 0u64..200_000) {
        let window = span(a.min(b), a.max(b));
        let coverage = Coverage::of(&Evidence { results: &results, gaps: &gaps, incidents: &incidents, now }, window);
        let mut all: Vec<Span> = coverage.observed.iter().map(|(span, _)| *span).chain(coverage.gaps.iter().map(|(span, _)| *span)).collect();
        all.sort_unstable_by_key(|span| span.from);
        prop_assert!(all.iter().all(|span| !span.is_empty() && span.from >= window.from && span.to <= window.to.min(now).max(window.from)));
        prop_assert!(all.windows(2).all(|pair| pair[0].to <= pair[1].from));
        prop_assert!(coverage.times(window).observed_us() <= window.us());
    }

    #[test]
    fn splitting_a_window_changes_nothing((results, gaps, incidents, now) in any_evidence(), cut in 0u64..200_000) {
        let evidence = Evidence { results: &results, gaps: &gaps, incidents: &incidents, now };
        let sum = |parts: &[Span]| parts.iter().map(|part| Coverage::of(&evidence, *part).times(*part)).fold(Times::default(), |mut sum, times| {
            sum.up_us += times.up_us;
            sum.degraded_us += times.degraded_us;
            sum.down_us += times.down_us;
            sum
        });
        prop_assert_eq!(sum(&[span(0, 200_000)]), sum(&[span(0, cut), span(cut, 200_000)]));
    }

    #[test]
    fn order_does_not_matter((results, gaps, incidents, now) in any_evidence()) {
        let mut results = results;
        results.sort_by_key(|seen| seen.time);
        results.dedup_by_key(|seen| seen.time);
        let window = span(0, 200_000);
        let straight = Coverage::of(&Evidence { results: &results, gaps: &gaps, incidents: &incidents, now }, window);
        let (mut r, mut g, mut i) = (results, gaps, incidents);
        r.reverse();
        g.reverse();
        i.reverse();
        let reversed = Coverage::of(&Evidence { results: &r, gaps: &g, incidents: &i, now }, window);
        prop_assert_eq!(straight.observed, reversed.observed);
    }

    #[test]
    fn hours_merged_are_the_day((results, gaps, incidents, now) in any_evidence()) {
        let evidence = Evidence { results: &results, gaps: &gaps, incidents: &incidents, now };
        for day in 0..2 {
            let start = at(day * 86_400);
            let mut merged = Rollup::empty(ME, Tier::Day, start);
            for hour in 0..24 {
                merged.merge(&rollup_of(ME, Tier::Hour, start.plus_us(hour * Tier::Hour.width_us()), &evidence));
            }
            prop_assert_eq!(merged, rollup_of(ME, Tier::Day, start, &evidence));
        }
    }
}
