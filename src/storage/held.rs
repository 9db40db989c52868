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
#[derive(Clone, Debug)]
pub(crate) struct Around {
    /// Results of these spans, oldest first; gaps and incidents from the first to the last.
    pub(crate) results: Vec<Span>,
    /// Rollups of this span.
    pub(crate) rollups: Span,
    /// Of these tiers.
    pub(crate) tiers: &'static [Tier],
}

/// Answers from what it holds where that has all of the answer, and asks else. Of results it gives what was seen, as in
/// [`ReadRows::results_seen`]; of rollups it holds counts and times.
pub(crate) struct Held<'a, R: ?Sized> {
    rows: &'a R,
    /// Where results are held, oldest first, with what lies between.
    results: Vec<Piece>,
    rollups: (Span, &'static [Tier]),
    events: Span,
    gaps_from: UnixMicros,
    monitors: HashMap<MonitorId, OfMonitor>,
    gaps: Vec<Gap>,
    incidents: Vec<Incident>,
}

/// A part of time whose results are held.
#[derive(Clone, Copy, Debug)]
struct Piece {
    /// What was asked for.
    asked: Span,
    /// That, and some time before it.
    read: Span,
}

/// What is to be read for these spans: each with some time before it, those that touch as one.
fn pieces(spans: &[Span]) -> Vec<Piece> {
    let mut pieces: Vec<Piece> = Vec::with_capacity(spans.len());
    for asked in spans.iter().copied().filter(|span| !span.is_empty()) {
        let read = Span::new(asked.from.minus_us(BEFORE_US), asked.to);
        match pieces.last_mut().filter(|last| read.from <= last.read.to) {
            Some(last) => {
                last.asked.to = last.asked.to.max(asked.to);
                last.read.to = last.asked.to;
            }
            None => pieces.push(Piece { asked, read }),
        }
    }
    pieces
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
        around: &Around,
    ) -> Result<(Self, &'m [MonitorId]), StoreError> {
        let mut some = &monitors[..monitors.len().min(AT_ONCE)];
        let pieces = pieces(&around.results);
        loop {
            if let Some(results) = results_in(rows, some, &pieces).await? {
                return Ok((Self::read(rows, (some, around), pieces, results).await?, some));
            }
            if some.len() == 1 {
                return Ok((Self::read(rows, (&[], around), pieces, Vec::new()).await?, some));
            }
            some = &some[..some.len() / 2];
        }
    }

    async fn read(
        rows: &'a R,
        (monitors, around): (&[MonitorId], &Around),
        results: Vec<Piece>,
        found: Vec<CheckResult>,
    ) -> Result<Self, StoreError> {
        let (rollups, tiers) = (around.rollups, around.tiers);
        let ends = results.first().zip(results.last());
        let nowhere = Span::new(UnixMicros::MIN, UnixMicros::MIN);
        let events = ends.map_or(nowhere, |(first, last)| Span::new(first.asked.from, last.asked.to));
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
        if let Some(first) = results.first().filter(|_| !left.is_empty()) {
            let until = first.read.from.minus_us(FUTURE_TOLERANCE_US + 1);
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
        let gaps_from = events.from.minus_us(BEFORE_US + REACH_US);
        let gaps = rows.gaps(&GapQuery { monitor: None, span: Span::new(gaps_from, events.to) }).await?;
        let query = IncidentQuery { monitor: None, span: events, limit: usize::MAX / 2 };
        let incidents = rows.incidents(&query).await?;
        Ok(Self { rows, results, rollups: (rollups, tiers), events, gaps_from, monitors: of, gaps, incidents })
    }
}

/// All results of the pieces; none where they are too many.
async fn results_in<R: ReadRows + ?Sized>(
    rows: &R,
    monitors: &[MonitorId],
    pieces: &[Piece],
) -> Result<Option<Vec<CheckResult>>, StoreError> {
    let mut results = Vec::new();
    for piece in pieces {
        let limit = RESULTS_AT_ONCE - results.len();
        match rows.results_seen_of(monitors, piece.read, limit).await? {
            Some(more) => results.extend(more),
            None => return Ok(None),
        }
    }
    Ok(Some(results))
}

impl<R: ?Sized> Held<'_, R> {
    /// From when on nothing is missing among what is held up to the end of a piece. Before the first piece that is the
    /// last one before it.
    fn known_from(&self, piece: &Piece) -> UnixMicros {
        let is_first = self.results.first().is_some_and(|first| first.read.from == piece.read.from);
        if is_first { UnixMicros::MIN } else { piece.read.from }
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
        let ends_in = |piece: &&Piece| piece.read.from < query.span.to && query.span.to <= piece.read.to;
        if let (Some((monitor, own)), Some(piece)) = (own, self.results.iter().find(ends_in)) {
            let is_whole = has(piece.read, query.span);
            let span = Span::new(query.span.from.max(self.known_from(piece)).min(query.span.to), query.span.to);
            let mut page = own.page(monitor, &ResultQuery { span, ..query.clone() });
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
        let piece = self.results.iter().find(|piece| piece.asked.from <= time && time <= piece.read.to);
        if let (Some(piece), Some(own)) = (piece, self.monitors.get(&monitor)) {
            let last = own.results.get(own.results.partition_point(|result| result.time >= time));
            let from = self.known_from(piece);
            if from == UnixMicros::MIN || last.is_some_and(|last| last.time >= from) {
                return Ok(last.cloned());
            }
        }
        self.rows.last_before(monitor, time).await
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
