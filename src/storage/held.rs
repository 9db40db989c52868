//! Rows of several monitors that were read together: for answers that are computed one monitor after the other, where
//! each read would be a way to a server and back.

use std::collections::HashMap;

use async_trait::async_trait;

use super::{
    FUTURE_TOLERANCE_US, GapQuery, IncidentQuery, Page, PageCursor, ReadRows, ResultQuery, RollupQuery, StoreError,
};
use crate::model::{CheckResult, Gap, Incident, KnownMonitor, MonitorId, Rollup, Span, Tier, UnixMicros};

/// Results are read from so long before the span on, so that the last one before it is mostly there too.
const BEFORE_US: u64 = 1_800_000_000;
/// Monitors whose rows are read together, and the most results of them that are held in memory at once.
const AT_ONCE: usize = 64;
const RESULTS_AT_ONCE: usize = 100_000;
/// A gap cuts a result that began at most so long before it.
const REACH_US: u64 = 2 * 86_400_000_000;

/// What is read of the monitors.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Around {
    /// Results, gaps and incidents of this span.
    pub(crate) results: Span,
    /// Rollups of this span.
    pub(crate) rollups: Span,
    /// Of these tiers.
    pub(crate) tiers: &'static [Tier],
}

/// Answers from what it holds where that has all of the answer, and asks else. Of results it gives what was seen, as in
/// [`ReadRows::results_seen`]; of rollups it holds counts and times.
pub(crate) struct Held<'a, R: ?Sized> {
    rows: &'a R,
    results: Span,
    rollups: (Span, &'static [Tier]),
    events: Span,
    gaps_from: UnixMicros,
    monitors: HashMap<MonitorId, OfMonitor>,
    gaps: Vec<Gap>,
    incidents: Vec<Incident>,
}

#[derive(Default)]
struct OfMonitor {
    /// Newest first; the last one before the span is among them, where there is one.
    results: Vec<CheckResult>,
    /// Oldest first.
    rollups: Vec<Rollup>,
}

/// Whether all of a span is in another one.
fn has(whole: Span, part: Span) -> bool {
    whole.from <= part.from && part.to <= whole.to && !part.is_empty()
}

impl<'a, R: ReadRows + ?Sized> Held<'a, R> {
    /// Reads the rows of the first of some monitors, so many that they are no burden; gives these monitors too. Of one
    /// that has too many results nothing is held.
    pub(crate) async fn first_of<'m>(
        rows: &'a R,
        monitors: &'m [MonitorId],
        around: Around,
    ) -> Result<(Self, &'m [MonitorId]), StoreError> {
        let mut some = &monitors[..monitors.len().min(AT_ONCE)];
        let span = Span::new(around.results.from.minus_us(BEFORE_US), around.results.to);
        loop {
            if let Some(results) = rows.results_seen_of(some, span, RESULTS_AT_ONCE).await? {
                return Ok((Self::read(rows, (some, around), span, results).await?, some));
            }
            if some.len() == 1 {
                return Ok((Self::read(rows, (&[], around), span, Vec::new()).await?, some));
            }
            some = &some[..some.len() / 2];
        }
    }

    async fn read(
        rows: &'a R,
        (monitors, around): (&[MonitorId], Around),
        results: Span,
        found: Vec<CheckResult>,
    ) -> Result<Self, StoreError> {
        let Around { results: events, rollups, tiers } = around;
        let mut of: HashMap<MonitorId, OfMonitor> =
            monitors.iter().map(|monitor| (*monitor, OfMonitor::default())).collect();
        for result in found {
            if let Some(own) = of.get_mut(&result.monitor) {
                own.results.push(result);
            }
        }
        for tier in tiers.iter().filter(|_| !rollups.is_empty()) {
            for rollup in rows.rollup_times_of(monitors, *tier, rollups).await? {
                if let Some(own) = of.get_mut(&rollup.monitor) {
                    own.rollups.push(rollup);
                }
            }
        }
        // Of those that are checked seldom the last one before is further back.
        let began = |id: &MonitorId| of.get(id).is_some_and(|own| own.results.iter().any(|row| row.time < events.from));
        let left: Vec<MonitorId> = monitors.iter().copied().filter(|id| !began(id)).collect();
        if !left.is_empty() {
            let until = results.from.minus_us(FUTURE_TOLERANCE_US + 1);
            for result in rows.latest(&left, until).await? {
                if let Some(own) = of.get_mut(&result.monitor) {
                    own.results.push(result);
                }
            }
        }
        for own in of.values_mut() {
            own.results.sort_unstable_by_key(|result| std::cmp::Reverse(result.time));
            own.rollups.sort_unstable_by_key(|rollup| rollup.start);
        }
        let gaps_from = results.from.minus_us(REACH_US);
        let gaps = rows.gaps(&GapQuery { monitor: None, span: Span::new(gaps_from, events.to) }).await?;
        let query = IncidentQuery { monitor: None, span: events, limit: usize::MAX / 2 };
        let incidents = rows.incidents(&query).await?;
        Ok(Self { rows, results, rollups: (rollups, tiers), events, gaps_from, monitors: of, gaps, incidents })
    }
}

impl OfMonitor {
    fn page(&self, monitor: MonitorId, query: &ResultQuery) -> Page {
        let is_after = |time| query.after.is_none_or(|after| (time, monitor) < (after.time, after.monitor));
        let first = self.results.partition_point(|result| result.time >= query.span.to || !is_after(result.time));
        let end = self.results.partition_point(|result| result.time >= query.span.from).max(first);
        let results: Vec<CheckResult> = self.results[first..end].iter().take(query.limit.max(1)).cloned().collect();
        let last = results.last().map(|last| PageCursor { time: last.time, monitor });
        Page { next: last.filter(|_| end - first > results.len()), results }
    }
}

#[async_trait]
impl<R: ReadRows + ?Sized> ReadRows for Held<'_, R> {
    async fn results(&self, query: &ResultQuery) -> Result<Page, StoreError> {
        self.rows.results(query).await
    }

    async fn results_seen(&self, query: &ResultQuery) -> Result<Page, StoreError> {
        let own = query.monitor.and_then(|monitor| Some((monitor, self.monitors.get(&monitor)?)));
        if let Some((monitor, own)) = own.filter(|_| query.span.to <= self.results.to) {
            let is_whole = has(self.results, query.span);
            let mut page = own.page(monitor, query);
            if is_whole || !page.results.is_empty() {
                // What goes on before what is held is asked for when it is wanted.
                let last = page.results.last().map(|last| PageCursor { time: last.time, monitor });
                page.next = if is_whole { page.next } else { last };
                return Ok(page);
            }
        }
        self.rows.results_seen(query).await
    }

    async fn latest(&self, monitors: &[MonitorId], now: UnixMicros) -> Result<Vec<CheckResult>, StoreError> {
        self.rows.latest(monitors, now).await
    }

    async fn last_before(&self, monitor: MonitorId, time: UnixMicros) -> Result<Option<CheckResult>, StoreError> {
        let is_held = self.events.from <= time && time <= self.results.to;
        match self.monitors.get(&monitor).filter(|_| is_held) {
            Some(own) => Ok(own.results.get(own.results.partition_point(|result| result.time >= time)).cloned()),
            None => self.rows.last_before(monitor, time).await,
        }
    }

    async fn rollups(&self, query: &RollupQuery) -> Result<Vec<Rollup>, StoreError> {
        self.rows.rollups(query).await
    }

    async fn rollup_times(&self, query: &RollupQuery) -> Result<Vec<Rollup>, StoreError> {
        let own = self.monitors.get(&query.monitor);
        let wanted = |rollup: &&Rollup| rollup.tier == query.tier && query.span.contains(rollup.start);
        match own.filter(|_| self.rollups.1.contains(&query.tier) && has(self.rollups.0, query.span)) {
            Some(own) => Ok(own.rollups.iter().filter(wanted).cloned().collect()),
            None => self.rows.rollup_times(query).await,
        }
    }

    async fn incidents(&self, query: &IncidentQuery) -> Result<Vec<Incident>, StoreError> {
        if !has(self.events, query.span) {
            return self.rows.incidents(query).await;
        }
        let wanted = self.incidents.iter().filter(|incident| query.matches(incident));
        Ok(wanted.take(query.limit).cloned().collect())
    }

    async fn gaps(&self, query: &GapQuery) -> Result<Vec<Gap>, StoreError> {
        if !has(Span::new(self.gaps_from, self.events.to), query.span) {
            return self.rows.gaps(query).await;
        }
        Ok(self.gaps.iter().filter(|gap| query.matches(gap)).copied().collect())
    }

    async fn monitors(&self) -> Result<Vec<KnownMonitor>, StoreError> {
        self.rows.monitors().await
    }
}
