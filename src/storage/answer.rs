//! Answers that are computed from plain rows, the same for every backend.
//!
//! Both answers stand on one function, [`gather`]: whole buckets come from rollups where there are any, everything
//! else (the edges, the open bucket, what was never rolled up) from results.

use std::collections::HashMap;

use super::evidence::Found;
use super::{
    Bucket, GapQuery, ReadRows, ResultQuery, RollupQuery, Series, SeriesQuery, StoreError, Uptime, UptimeQuery,
};
use crate::model::{CheckResult, Coverage, GapReason, Latency, MonitorId, Span, Tier, Times, UnixMicros, Verdict};

/// Most buckets of one series, whatever is asked for.
const MOST_BUCKETS: usize = 10_000;
/// Longest span of results that is held in memory at once, in microseconds: a week.
const PIECE_US: u64 = 7 * 86_400_000_000;
/// Rollups of several monitors that are held in memory at once.
const ROLLUPS_AT_ONCE: usize = 50_000;

const SECOND_US: u64 = 1_000_000;
const DAY_US: u64 = Tier::Day.width_us();
/// Widths of buckets that people can read, in seconds; above the last they double.
const WIDTHS_S: &[u64] =
    &[1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1_800, 3_600, 7_200, 10_800, 21_600, 43_200, 86_400];

/// How a series is laid out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layout {
    /// The coarsest tier that fits into the buckets; none where only results do.
    pub tier: Option<Tier>,
    /// The buckets: in order, without holes, cut at the asked span.
    pub buckets: Vec<Span>,
}

/// Decides which tier answers a series and where the edges of its buckets lie: the narrowest readable width, no
/// narrower than `finest`, that needs at most `buckets` buckets. Edges are multiples of the width since 1970 in UTC.
/// One bucket is the span itself.
#[must_use]
pub fn pick_tier(span: Span, buckets: usize, finest: Option<Tier>) -> Layout {
    if span.is_empty() {
        return Layout { tier: None, buckets: Vec::new() };
    }
    let most = buckets.clamp(1, MOST_BUCKETS);
    let tier_of = |width: u64| {
        [Tier::Day, Tier::Hour, Tier::FiveMinutes].into_iter().find(|tier| width.is_multiple_of(tier.width_us()))
    };
    if most == 1 {
        let tier = [Tier::Day, Tier::Hour].into_iter().find(|tier| span.us() >= 2 * tier.width_us());
        return Layout { tier, buckets: vec![span] };
    }
    let least = finest.map_or(0, Tier::width_us);
    let doubled = std::iter::successors(Some(2 * DAY_US), |width| width.checked_mul(2));
    let widths = WIDTHS_S.iter().map(|seconds| seconds * SECOND_US).chain(doubled);
    let fits = |width: &u64| *width >= least && count(span, *width) <= most as u64;
    // Two buckets of any width longer than the span hold it.
    let width = widths.into_iter().find(fits).unwrap_or(u64::MAX);
    let mut edges = Vec::new();
    let mut from = span.from;
    while from < span.to {
        let to = from.floor_to(width).plus_us(width).min(span.to);
        edges.push(Span::new(from, to));
        from = to;
    }
    Layout { tier: tier_of(width), buckets: edges }
}

fn count(span: Span, width: u64) -> u64 {
    span.to.since_us(span.from.floor_to(width)).div_ceil(width)
}

/// The tiers that can fill buckets of this tier's width, coarsest first.
fn tiers(tier: Option<Tier>) -> &'static [Tier] {
    match tier {
        None => &[],
        Some(Tier::FiveMinutes) => &[Tier::FiveMinutes],
        Some(Tier::Hour) => &[Tier::Hour],
        Some(Tier::Day) => &[Tier::Day, Tier::Hour],
    }
}

/// See [`super::ResultStore::series`].
///
/// # Errors
/// Whatever the rows' reads give.
pub async fn series<R: ReadRows + ?Sized>(rows: &R, query: &SeriesQuery) -> Result<Series, StoreError> {
    let mut layout = pick_tier(query.span, query.buckets, None);
    let mut gathered = gather(rows, query.monitor, &layout, query.now, true).await?;
    let raw_only = layout.tier.is_none_or(|tier| tier == Tier::FiveMinutes);
    if raw_only && gathered.first.is_none() {
        // The results may be gone and their rollups still there.
        for tier in [Tier::FiveMinutes, Tier::Hour] {
            let coarse = RollupQuery { monitor: query.monitor, tier, span: query.span };
            if rows.rollups(&coarse).await?.iter().any(|rollup| rollup.checks > 0) {
                layout = pick_tier(query.span, query.buckets, Some(tier));
                gathered = gather(rows, query.monitor, &layout, query.now, true).await?;
                break;
            }
        }
    }
    let asked = GapQuery { monitor: Some(query.monitor), span: query.span };
    let mut gaps = gathered.gaps;
    if !gathered.rolled.is_empty() {
        for gap in rows.gaps(&asked).await? {
            gaps.extend(gathered.rolled.iter().map(|rolled| (gap.span.intersect(*rolled), gap.reason)));
        }
    }
    let tier = layout.tier.filter(|_| !gathered.rolled.is_empty());
    Ok(Series { monitor: query.monitor, tier, buckets: gathered.buckets, gaps: in_order(gaps) })
}

/// What happened in each of these spans, which must be in order and without holes. Where `tier` is given, whole buckets
/// of it and of wider ones inside a span come from rollups.
///
/// # Errors
/// Whatever the rows' reads give.
pub async fn buckets<R: ReadRows + ?Sized>(
    rows: &R,
    monitor: MonitorId,
    spans: Vec<Span>,
    tier: Option<Tier>,
    now: UnixMicros,
) -> Result<Vec<Bucket>, StoreError> {
    let layout = Layout { tier, buckets: spans };
    Ok(gather(rows, monitor, &layout, now, true).await?.buckets)
}

/// The same, of which only counts and times are needed: what rollups know of latencies is left out.
///
/// # Errors
/// Whatever the rows' reads give.
pub async fn lean_buckets<R: ReadRows + ?Sized>(
    rows: &R,
    monitor: MonitorId,
    spans: Vec<Span>,
    tier: Option<Tier>,
    now: UnixMicros,
) -> Result<Vec<Bucket>, StoreError> {
    let layout = Layout { tier, buckets: spans };
    Ok(gather(rows, monitor, &layout, now, false).await?.buckets)
}

/// See [`ReadRows::results_seen_of`]: one monitor after the other.
///
/// # Errors
/// Whatever the rows' reads give.
pub async fn results_seen_of<R: ReadRows + ?Sized>(
    rows: &R,
    monitors: &[MonitorId],
    span: Span,
    limit: usize,
) -> Result<Option<Vec<CheckResult>>, StoreError> {
    let mut results = Vec::new();
    for monitor in monitors {
        let mut query = ResultQuery { monitor: Some(*monitor), span, limit: 1, after: None };
        loop {
            query.limit = (limit - results.len()).saturating_add(1);
            let page = rows.results_seen(&query).await?;
            results.extend(page.results);
            if results.len() > limit {
                return Ok(None);
            }
            query.after = page.next;
            if query.after.is_none() {
                break;
            }
        }
    }
    Ok(Some(results))
}

/// See [`ReadRows::rollup_sums`]: computed from the rollups.
///
/// # Errors
/// Whatever the rows' reads give.
pub async fn rollup_sums<R: ReadRows + ?Sized>(
    rows: &R,
    monitors: &[MonitorId],
    tier: Tier,
    spans: &[Span],
) -> Result<Vec<Vec<Times>>, StoreError> {
    let mut sums: HashMap<MonitorId, Vec<Times>> =
        monitors.iter().map(|monitor| (*monitor, vec![Times::default(); spans.len()])).collect();
    // Each once, whoever asks twice.
    let asked: Vec<MonitorId> = sums.keys().copied().collect();
    if let (Some(first), Some(last)) = (spans.first(), spans.last()) {
        let whole = Span::new(first.from, last.to);
        let each = usize::try_from(whole.us() / tier.width_us()).unwrap_or(usize::MAX);
        for some in asked.chunks((ROLLUPS_AT_ONCE / each.max(1)).max(1)) {
            for rollup in rows.rollup_times_of(some, tier, whole).await? {
                let at = spans.partition_point(|span| span.to <= rollup.start);
                let is_in = spans.get(at).is_some_and(|span| span.contains(rollup.start));
                if let Some(sum) = sums.get_mut(&rollup.monitor).filter(|_| is_in).and_then(|sums| sums.get_mut(at)) {
                    sum.up_us += rollup.up_us;
                    sum.degraded_us += rollup.degraded_us;
                    sum.down_us += rollup.down_us;
                }
            }
            // Thousands of monitors: others get their turn.
            tokio::task::yield_now().await;
        }
    }
    Ok(monitors.iter().map(|monitor| sums.get(monitor).cloned().unwrap_or_default()).collect())
}

/// Sorts gaps, drops empty ones and what another one covers, and joins neighbours of the same reason.
fn in_order(mut gaps: Vec<(Span, GapReason)>) -> Vec<(Span, GapReason)> {
    gaps.sort_unstable_by_key(|(span, reason)| (span.from, span.to, *reason));
    let mut joined: Vec<(Span, GapReason)> = Vec::with_capacity(gaps.len());
    for (span, reason) in gaps {
        let from = joined.last().map_or(span.from, |(last, _)| span.from.max(last.to));
        let span = Span::new(from, span.to);
        match joined.last_mut() {
            _ if span.is_empty() => {}
            Some((last, same)) if last.to == span.from && *same == reason => last.to = span.to,
            _ => joined.push((span, reason)),
        }
    }
    joined
}

/// See [`super::ResultStore::uptime`].
///
/// # Errors
/// Whatever the rows' reads give.
pub async fn uptime<R: ReadRows + ?Sized>(rows: &R, query: &UptimeQuery) -> Result<Vec<Uptime>, StoreError> {
    if query.monitors.is_empty() {
        return Ok(Vec::new());
    }
    let known: HashMap<MonitorId, UnixMicros> =
        rows.monitors().await?.into_iter().map(|known| (known.id, known.first_seen)).collect();
    let asked = Span::new(query.span.from, query.span.to.min(query.now));
    let layout = Layout { tier: Some(Tier::Day), buckets: vec![asked] };
    let mut answers = Vec::with_capacity(query.monitors.len());
    for &monitor in &query.monitors {
        let gathered = gather(rows, monitor, &layout, query.now, false).await?;
        let from = if gathered.earlier || rows.last_before(monitor, asked.from).await?.is_some() {
            asked.from
        } else {
            gathered.began(known.get(&monitor).copied()).unwrap_or(asked.to).max(asked.from)
        };
        let (up_us, degraded_us, down_us) =
            gathered.buckets.first().map_or((0, 0, 0), |sum| (sum.up_us, sum.degraded_us, sum.down_us));
        let window = Span::new(from.min(asked.to), asked.to);
        answers.push(Uptime { monitor, window, up_us, degraded_us, down_us });
    }
    Ok(answers)
}

/// What was found for the buckets of a layout.
struct Gathered {
    buckets: Vec<Bucket>,
    /// Reasons for unobserved time in what was computed from results.
    gaps: Vec<(Span, GapReason)>,
    /// What was answered from rollups.
    rolled: Vec<Span>,
    /// The first sign of the monitor: an instant, or a bucket somewhere in which it is.
    first: Option<Span>,
    /// Whether there are results before the first bucket.
    earlier: bool,
}

impl Gathered {
    fn new(layout: &Layout) -> Self {
        let empty = |span: &Span| Bucket {
            span: *span,
            checks: 0,
            down: 0,
            up_us: 0,
            degraded_us: 0,
            down_us: 0,
            latency: Latency::default(),
        };
        let buckets = layout.buckets.iter().map(empty).collect();
        Self { buckets, gaps: Vec::new(), rolled: Vec::new(), first: None, earlier: false }
    }

    fn bucket_at(&mut self, time: UnixMicros) -> Option<&mut Bucket> {
        let at = self.buckets.partition_point(|bucket| bucket.span.to <= time);
        self.buckets.get_mut(at).filter(|bucket| bucket.span.contains(time))
    }

    fn saw(&mut self, span: Span) {
        self.first = Some(self.first.filter(|first| first.from <= span.from).unwrap_or(span));
    }

    /// When the monitor began, if that is known at all.
    fn began(&self, first_seen: Option<UnixMicros>) -> Option<UnixMicros> {
        match (first_seen, self.first) {
            (Some(seen), Some(first)) if first.contains(seen) => Some(seen),
            (seen, first) => [seen, first.map(|first| first.from)].into_iter().flatten().min(),
        }
    }
}

/// With `whole` the latencies of rollups are in the buckets too.
async fn gather<R: ReadRows + ?Sized>(
    rows: &R,
    monitor: MonitorId,
    layout: &Layout,
    now: UnixMicros,
    whole: bool,
) -> Result<Gathered, StoreError> {
    let mut gathered = Gathered::new(layout);
    let (Some(first), Some(last)) = (layout.buckets.first(), layout.buckets.last()) else { return Ok(gathered) };
    let mut holes = vec![Span::new(first.from, last.to.min(now))];
    for &tier in tiers(layout.tier) {
        let mut rest = Vec::new();
        for hole in holes {
            rest.extend(fill_from_rollups(rows, (monitor, tier, whole), hole, &mut gathered).await?);
        }
        holes = rest;
    }
    for mut hole in holes {
        while !hole.is_empty() {
            let piece = Span::new(hole.from, hole.to.min(hole.from.plus_us(PIECE_US)));
            let before = fill_from_results(rows, monitor, piece, now, &mut gathered).await?;
            gathered.earlier |= before && piece.from == first.from;
            hole = Span::new(piece.to, hole.to);
        }
    }
    Ok(gathered)
}

/// Adds the rollups of whole buckets inside `hole` and gives what is left of it.
async fn fill_from_rollups<R: ReadRows + ?Sized>(
    rows: &R,
    (monitor, tier, whole): (MonitorId, Tier, bool),
    hole: Span,
    gathered: &mut Gathered,
) -> Result<Vec<Span>, StoreError> {
    let mut rest = Vec::new();
    let mut from = hole.from;
    let inner = Span::new(hole.from, hole.to.minus_us(tier.width_us() - 1));
    if !inner.is_empty() {
        let query = RollupQuery { monitor, tier, span: inner };
        let rollups = if whole { rows.rollups(&query).await? } else { rows.rollup_times(&query).await? };
        for rollup in rollups {
            let span = rollup.span();
            let Some(bucket) = gathered.bucket_at(span.from).filter(|bucket| span.to <= bucket.span.to) else {
                continue;
            };
            bucket.checks += rollup.checks;
            bucket.down += rollup.down;
            bucket.up_us += rollup.up_us;
            bucket.degraded_us += rollup.degraded_us;
            bucket.down_us += rollup.down_us;
            bucket.latency.merge(&rollup.latency);
            if rollup.checks > 0 {
                gathered.saw(span);
            }
            rest.push(Span::new(from, span.from));
            gathered.rolled.push(span);
            from = span.to;
        }
    }
    rest.push(Span::new(from, hole.to));
    rest.retain(|span| !span.is_empty());
    Ok(rest)
}

/// Adds what the results of a span say; gives whether there are results before it.
async fn fill_from_results<R: ReadRows + ?Sized>(
    rows: &R,
    monitor: MonitorId,
    span: Span,
    now: UnixMicros,
    gathered: &mut Gathered,
) -> Result<bool, StoreError> {
    let found = Found::read(rows, monitor, span).await?;
    if found.results.is_empty() && gathered.buckets.len() == 1 {
        // Nobody was looking, and nobody asks why.
        return Ok(false);
    }
    for seen in &found.results[found.before..] {
        gathered.saw(Span::new(seen.time, seen.time));
        if let Some(bucket) = gathered.bucket_at(seen.time) {
            bucket.checks += 1;
            bucket.down += u64::from(seen.verdict == Verdict::Down);
            if seen.verdict.is_good() {
                bucket.latency.add(seen.duration_us);
            }
        }
    }
    let evidence = found.evidence(now);
    let coverage = Coverage::of(&evidence, span);
    let first = gathered.buckets.partition_point(|bucket| bucket.span.to <= span.from);
    for bucket in gathered.buckets[first..].iter_mut().take_while(|bucket| bucket.span.from < span.to) {
        let times = coverage.times(bucket.span.intersect(span));
        bucket.up_us += times.up_us;
        bucket.degraded_us += times.degraded_us;
        bucket.down_us += times.down_us;
    }
    gathered.gaps.extend(coverage.gaps);
    Ok(found.before > 0)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(seconds: u64) -> UnixMicros {
        UnixMicros::new(1_700_000_000_000_000).plus_us(seconds * SECOND_US)
    }

    #[test]
    fn a_day_in_ninety_buckets_is_halves_of_hours() {
        let layout = pick_tier(Span::new(at(0), at(86_400)), 90, None);
        assert_eq!(layout.tier, Some(Tier::FiveMinutes));
        // 22:13:20 is not on an edge: both ends are cut.
        assert_eq!(layout.buckets.len(), 49);
        assert_eq!(layout.buckets[0], Span::new(at(0), at(1_000)));
    }

    #[test]
    fn long_series_use_hours_and_days() {
        assert_eq!(pick_tier(Span::new(at(0), at(7 * 86_400)), 200, None).tier, Some(Tier::Hour));
        assert_eq!(pick_tier(Span::new(at(0), at(90 * 86_400)), 100, None).tier, Some(Tier::Day));
        assert_eq!(pick_tier(Span::new(at(0), at(3_600)), 60, None).tier, None);
        assert_eq!(pick_tier(Span::new(at(0), at(3_600)), 60, Some(Tier::Hour)).tier, Some(Tier::Hour));
    }

    proptest! {
        #[test]
        fn buckets_are_few_ordered_and_whole(from in 0i64..7_258_118_400_000_000, long in 0u64..8_000_000_000_000_000, most in 0usize..500) {
            let span = Span::new(UnixMicros::new(from), UnixMicros::new(from).plus_us(long));
            let layout = pick_tier(span, most, None);
            prop_assert!(layout.buckets.len() <= most.max(1));
            prop_assert_eq!(layout.buckets.iter().map(|bucket| bucket.us()).sum::<u64>(), span.us());
            prop_assert!(layout.buckets.windows(2).all(|pair| pair[0].to == pair[1].from));
            prop_assert_eq!(layout.buckets.is_empty(), span.is_empty());
        }
    }
}
