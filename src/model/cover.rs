//! Who was looking, and what they saw: splits time into observed (up, degraded, down) and not observed.
//!
//! The rules (`Time, uptime, coverage` in the storage design): a result covers the time from its start to the next
//! result, at most its reach, cut off by the next gap; an inconclusive result covers nothing; down time is time inside
//! confirmed incidents; a failure that was not confirmed keeps the former state.

use super::{
    CheckResult, Failure, Gap, GapReason, Incident, MonitorId, Rollup, Span, State, Tier, UnixMicros, Verdict,
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

/// The rollup of one bucket: a pure function of the evidence. The rollups of its parts, merged, are the same.
#[must_use]
pub fn rollup_of(monitor: MonitorId, tier: Tier, start: UnixMicros, evidence: &Evidence<'_>) -> Rollup {
    let bucket = tier.bucket(start);
    let mut rollup = Rollup::empty(monitor, tier, bucket.from);
    for seen in evidence.results.iter().filter(|seen| bucket.contains(seen.time)) {
        rollup.checks += 1;
        match seen.verdict {
            Verdict::Up => rollup.up += 1,
            Verdict::Degraded => rollup.degraded += 1,
            Verdict::Down => rollup.down += 1,
            Verdict::Inconclusive => rollup.inconclusive += 1,
        }
        if seen.verdict.is_good() {
            rollup.latency.add(seen.duration_us);
        }
    }
    let times = Coverage::of(evidence, bucket).times(bucket);
    (rollup.up_us, rollup.degraded_us, rollup.down_us) = (times.up_us, times.degraded_us, times.down_us);
    rollup
}

#[cfg(test)]
mod tests;
