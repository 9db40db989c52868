//! Who was looking, and what they saw: splits time into observed (up, degraded, down) and not observed.
//!
//! The rules (`Time, uptime, coverage` in the storage design): a result covers the time from its start to the next
//! result, at most its reach, cut off by the next gap; an inconclusive result covers nothing; down time is time inside
//! confirmed incidents; a failure that was not confirmed keeps the former state.

use super::{
    CheckResult, Failure, Gap, GapReason, Incident, Latency, MonitorId, Rollup, Span, State, Tier, UnixMicros, Verdict,
};

/// What of a result matters for time and latency; small, because a month of them is held at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seen {
    /// Start of the check.
    pub time: UnixMicros,
    /// Longest time it speaks for: [`CheckResult::reach_us`].
    pub reach_us: u64,
    /// How long the target took.
    pub duration_us: u64,
    /// What it said.
    pub verdict: Verdict,
    /// Why it was not up.
    pub failure: Option<Failure>,
}

impl From<&CheckResult> for Seen {
    fn from(result: &CheckResult) -> Self {
        Self {
            time: result.time,
            reach_us: result.reach_us(),
            duration_us: result.duration_us,
            verdict: result.verdict,
            failure: result.failure,
        }
    }
}

/// Everything that is known of one monitor around a window. The order of each list does not matter.
#[derive(Clone, Copy, Debug)]
pub struct Evidence<'a> {
    /// Results in the window, and those before it back to the last good one.
    pub results: &'a [Seen],
    /// Gaps of the monitor and of all.
    pub gaps: &'a [Gap],
    /// Incidents of the monitor.
    pub incidents: &'a [Incident],
    /// Wall clock now: nothing after it was observed, and open incidents last to it.
    pub now: UnixMicros,
}

/// Observed time by state, in microseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Times {
    /// In state up.
    pub up_us: u64,
    /// In state degraded.
    pub degraded_us: u64,
    /// In state down.
    pub down_us: u64,
}

impl Times {
    /// All of it.
    #[must_use]
    pub fn observed_us(&self) -> u64 {
        self.up_us + self.degraded_us + self.down_us
    }

    fn add(&mut self, state: State, us: u64) {
        match state {
            State::Up => self.up_us += us,
            State::Degraded => self.degraded_us += us,
            State::Down => self.down_us += us,
            // Nothing else is ever observed.
            _ => {}
        }
    }
}

/// A window split into what was observed and why the rest was not.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Coverage {
    /// Observed time, in order, without overlap; the state is up, degraded or down.
    pub observed: Vec<(Span, State)>,
    /// Time that was not observed and has a reason, in order, without overlap.
    pub gaps: Vec<(Span, GapReason)>,
}

impl Coverage {
    /// Splits a window.
    #[must_use]
    pub fn of(evidence: &Evidence<'_>, window: Span) -> Self {
        let window = Span::new(window.from, window.to.min(evidence.now));
        if window.is_empty() {
            return Self::default();
        }
        let mut sorted;
        let mut results = evidence.results;
        if !results.is_sorted_by_key(|seen| seen.time) {
            sorted = results.to_vec();
            sorted.sort_by_key(|seen| seen.time);
            results = &sorted;
        }
        let limits = Limits::of(evidence);
        let mut observed = Segments::default();
        let mut ours = Segments::default();
        let mut former = None;
        for (at, seen) in results.iter().enumerate() {
            if seen.verdict.is_good() {
                former = Some(if seen.verdict == Verdict::Up { State::Up } else { State::Degraded });
            }
            let next = results.get(at + 1).map_or(UnixMicros::MAX, |next| next.time);
            let end = next.min(seen.time.plus_us(seen.reach_us));
            if end <= window.from || seen.time >= window.to {
                continue;
            }
            if seen.verdict == Verdict::Inconclusive {
                ours.push(Span::new(seen.time, end).intersect(window), fault_of(seen.failure));
            } else if let Some(end) = limits.cut(seen.time, end) {
                limits.split(Span::new(seen.time, end).intersect(window), former, &mut observed);
            }
        }
        let [own, all] = named(evidence.gaps, results);
        let gaps = unobserved(&observed.0, [&own, &all, &ours.0], window);
        Self { observed: observed.0, gaps }
    }

    /// Observed time inside a part of the window.
    #[must_use]
    pub fn times(&self, part: Span) -> Times {
        let mut times = Times::default();
        let first = self.observed.partition_point(|(span, _)| span.to <= part.from);
        for (span, state) in self.observed[first..].iter().take_while(|(span, _)| span.from < part.to) {
            times.add(*state, span.intersect(part).us());
        }
        times
    }
}

fn fault_of(failure: Option<Failure>) -> GapReason {
    match failure {
        Some(Failure::NoRoute | Failure::Resolver) => GapReason::Offline,
        _ => GapReason::Fault,
    }
}

/// Spans in order, neighbours of the same kind joined.
#[derive(Debug)]
struct Segments<T>(Vec<(Span, T)>);

impl<T> Default for Segments<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T: PartialEq> Segments<T> {
    fn push(&mut self, span: Span, kind: T) {
        if span.is_empty() {
            return;
        }
        match self.0.last_mut() {
            Some((last, same)) if last.to == span.from && *same == kind => last.to = span.to,
            _ => self.0.push((span, kind)),
        }
    }
}

/// What bounds observation: gaps and incidents, each sorted and joined.
struct Limits {
    /// Every start of a gap, in order: a result that began before it ends there.
    cuts: Vec<UnixMicros>,
    /// The monitor's own gaps: a result inside one covers nothing.
    own: Vec<Span>,
    /// Confirmed outages.
    down: Vec<Span>,
}

impl Limits {
    fn of(evidence: &Evidence<'_>) -> Self {
        let gaps = || evidence.gaps.iter().filter(|gap| !gap.span.is_empty());
        let mut cuts: Vec<_> = gaps().map(|gap| gap.span.from).collect();
        cuts.sort_unstable();
        Self {
            cuts,
            own: union(gaps().filter(|gap| !gap.monitor.is_all()).map(|gap| gap.span)),
            down: union(evidence.incidents.iter().map(|incident| incident.span(evidence.now))),
        }
    }

    /// Where a conclusive result from `time` to `end` stops; none where it lies in one of the monitor's own gaps. An
    /// instance-wide gap around it does not count: somebody was looking after all.
    fn cut(&self, time: UnixMicros, end: UnixMicros) -> Option<UnixMicros> {
        let after = self.own.partition_point(|gap| gap.to <= time);
        if self.own.get(after).is_some_and(|gap| gap.contains(time)) {
            return None;
        }
        let next = self.cuts.partition_point(|from| *from <= time);
        Some(self.cuts.get(next).map_or(end, |from| end.min(*from)))
    }

    /// Adds a covered span: down inside incidents, else in the former state. Without a former state nothing is known.
    fn split(&self, span: Span, former: Option<State>, observed: &mut Segments<State>) {
        let mut at = span.from;
        let first = self.down.partition_point(|down| down.to <= span.from);
        for down in self.down[first..].iter().take_while(|down| down.from < span.to) {
            if let Some(state) = former {
                observed.push(Span::new(at, down.from), state);
            }
            let inside = down.intersect(span);
            observed.push(inside, State::Down);
            at = inside.to;
        }
        if let Some(state) = former {
            observed.push(Span::new(at, span.to), state);
        }
    }
}

/// Gaps with their reasons: the monitor's own, and those of all, each in order and without overlap. One of all ends at
/// the first conclusive result inside it.
fn named(gaps: &[Gap], results: &[Seen]) -> [Vec<(Span, GapReason)>; 2] {
    let mut own = Vec::new();
    let mut all = Vec::new();
    for gap in gaps {
        let mut span = gap.span;
        if !gap.monitor.is_all() {
            own.push((span, gap.reason));
            continue;
        }
        let inside = results.partition_point(|seen| seen.time < span.from);
        let conclusive = results[inside..].iter().find(|seen| seen.verdict != Verdict::Inconclusive);
        if let Some(seen) = conclusive.filter(|seen| seen.time < span.to) {
            span.to = seen.time;
        }
        all.push((span, gap.reason));
    }
    [own, all].map(|mut list| {
        list.sort_unstable_by_key(|(span, reason)| (span.from, span.to, *reason));
        let mut end = UnixMicros::MIN;
        list.retain_mut(|(span, _)| {
            *span = Span::new(span.from.max(end), span.to);
            end = end.max(span.to);
            !span.is_empty()
        });
        list
    })
}

/// Sorts spans and joins those that touch.
fn union(spans: impl Iterator<Item = Span>) -> Vec<Span> {
    let mut spans: Vec<_> = spans.filter(|span| !span.is_empty()).collect();
    spans.sort_unstable_by_key(|span| span.from);
    let mut joined: Vec<Span> = Vec::with_capacity(spans.len());
    for span in spans {
        match joined.last_mut() {
            Some(last) if span.from <= last.to => last.to = last.to.max(span.to),
            _ => joined.push(span),
        }
    }
    joined
}

/// What lies between the observed spans, with its reason: that of the first list that has one. The lists are in order
/// and without overlap.
fn unobserved(observed: &[(Span, State)], lists: [&[(Span, GapReason)]; 3], window: Span) -> Vec<(Span, GapReason)> {
    let mut reasons = Segments::default();
    let mut at = window.from;
    let ends = observed.iter().map(|(span, _)| *span).chain([Span::new(window.to, window.to)]);
    for next in ends {
        let mut left = vec![Span::new(at, next.from)];
        let mut found = Vec::new();
        for list in lists {
            left = left.into_iter().flat_map(|piece| take_named(piece, list, &mut found)).collect();
        }
        found.sort_unstable_by_key(|(span, _)| span.from);
        found.into_iter().for_each(|(span, reason)| reasons.push(span, reason));
        at = next.to;
    }
    reasons.0
}

/// Moves the parts of `piece` that the list names into `found`, and gives the others.
fn take_named(piece: Span, list: &[(Span, GapReason)], found: &mut Vec<(Span, GapReason)>) -> Vec<Span> {
    let mut rest = Vec::new();
    let mut at = piece.from;
    let first = list.partition_point(|(span, _)| span.to <= piece.from);
    for (span, reason) in list[first..].iter().take_while(|(span, _)| span.from < piece.to) {
        let taken = span.intersect(piece);
        rest.push(Span::new(at, taken.from));
        found.push((taken, *reason));
        at = taken.to;
    }
    rest.push(Span::new(at, piece.to));
    rest.retain(|span| !span.is_empty());
    rest
}

/// The counts and the latency of the results that started in a span.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Checks.
    pub checks: u64,
    /// Of these, up.
    pub up: u64,
    /// Of these, degraded.
    pub degraded: u64,
    /// Of these, down.
    pub down: u64,
    /// Of these, inconclusive.
    pub inconclusive: u64,
    /// Latency of the good ones.
    pub latency: Latency,
}

impl Counts {
    /// Counts one result.
    pub fn add(&mut self, seen: &Seen) {
        self.checks += 1;
        match seen.verdict {
            Verdict::Up => self.up += 1,
            Verdict::Degraded => self.degraded += 1,
            Verdict::Down => self.down += 1,
            Verdict::Inconclusive => self.inconclusive += 1,
        }
        if seen.verdict.is_good() {
            self.latency.add(seen.duration_us);
        }
    }
}

/// The rollup of one bucket: a pure function of the evidence. The rollups of its parts, merged, are the same.
#[must_use]
pub fn rollup_of(monitor: MonitorId, tier: Tier, start: UnixMicros, evidence: &Evidence<'_>) -> Rollup {
    let bucket = tier.bucket(start);
    let mut counts = Counts::default();
    evidence.results.iter().filter(|seen| bucket.contains(seen.time)).for_each(|seen| counts.add(seen));
    let times = Coverage::of(evidence, bucket).times(bucket);
    Rollup {
        monitor,
        tier,
        start: bucket.from,
        checks: counts.checks,
        up: counts.up,
        degraded: counts.degraded,
        down: counts.down,
        inconclusive: counts.inconclusive,
        up_us: times.up_us,
        degraded_us: times.degraded_us,
        down_us: times.down_us,
        latency: counts.latency,
    }
}

#[cfg(test)]
mod tests {
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
}
