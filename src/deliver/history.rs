//! Every read: the store in use, and for times before it those that were in use then.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;

use super::ledger::LedgerEntry;
use super::metrics::FormerStore;
use super::one_store::{OneStore, incident_touches};
use super::open::OpenStore;
use super::shared::lock;
use super::upkeep::{WATERMARK, watermark};
use super::ways::Ways;
use crate::clock::Clock;
use crate::journal::JournalError;
use crate::model::{
    CheckResult, Gap, Incident, KnownMonitor, MonitorId, Rollup, Span, Tier, Times, UnixMicros, error_chain,
};
use crate::storage::{
    Bucket, GapQuery, IncidentQuery, Page, PageCursor, ReadRows, ResultQuery, ResultStore, RollupQuery, Series,
    SeriesQuery, StoreError, StoreStatus, Uptime, UptimeQuery, Verified, answer,
};

/// Reads history. Clones read the same.
#[derive(Debug, Clone)]
pub struct History(pub(super) Arc<Ways>);

/// What waits for a store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backlog {
    /// Rows; an upper bound after a long fault.
    pub rows: u64,
    /// About when the oldest one was made, where that is known without reading it.
    pub oldest: Option<UnixMicros>,
}

/// What nobody is asked about in vain.
const ALWAYS: Span = Span { from: UnixMicros::MIN, to: UnixMicros::MAX };

impl History {
    /// Reads a data folder that nobody holds: the rows of its journal that `contact` has not got, the store where there
    /// is one, and those `others` that were in use before.
    ///
    /// # Errors
    /// The journal's folder cannot be read.
    pub fn offline(
        data_dir: &Path,
        contact: &str,
        store: Option<Arc<dyn ResultStore>>,
        others: &[Arc<dyn OpenStore>],
        clock: Arc<dyn Clock>,
    ) -> Result<Self, JournalError> {
        Ok(Self(Arc::new(Ways::offline(data_dir, contact, store, others, clock)?)))
    }

    fn current(&self) -> OneStore {
        OneStore(self.0.current())
    }

    /// The stores that were in use before, and have some of this time; the latest first.
    fn former(&self, span: Span) -> Vec<(OneStore, UnixMicros)> {
        let ledger = self.0.ledger();
        let mut former: Vec<_> = self
            .0
            .former()
            .into_iter()
            .filter_map(|shared| {
                let own = ledger.iter().filter(|entry| entry.contact == shared.contact);
                // Where nobody wrote down which time it has, it may have any. Its rows may be older than the first day
                // it was used: clocks step.
                let last = own.filter_map(|entry| entry.to).max().unwrap_or(UnixMicros::MAX);
                (last > span.from).then_some((OneStore(shared), last))
            })
            .collect();
        former.sort_by_key(|(_, last)| std::cmp::Reverse(*last));
        former
    }

    /// Whether reads have everything of the store in use: it is open, and what it has not got is within reach.
    #[must_use]
    pub fn complete(&self) -> bool {
        self.current().complete()
    }

    /// The former stores that have some of this time and cannot be read now.
    #[must_use]
    pub fn kept_elsewhere(&self, span: Span) -> Vec<FormerStore> {
        let former = self.former(span);
        let ledger = self.0.ledger();
        let has_some = |former: &OneStore| {
            let mut own = ledger.iter().filter(|entry| entry.contact == former.0.contact).peekable();
            own.peek().is_none() || own.any(|entry| entry.touches(span))
        };
        former
            .iter()
            .filter(|(former, _)| !former.0.is_readable() && has_some(former))
            .map(|(former, _)| former_store(former, &ledger))
            .collect()
    }

    /// What waits for the store in use.
    #[must_use]
    pub fn backlog(&self) -> Backlog {
        let current = self.0.current();
        let head = lock(&current.head);
        Backlog { rows: head.undelivered_rows(), oldest: head.oldest() }
    }

    /// Asks the store in use how it is; none where it is not open.
    pub async fn check_store(&self) -> Option<Result<StoreStatus, StoreError>> {
        let store = self.0.current().store()?;
        Some(store.check().await)
    }

    /// Reads everything in the store in use to prove that it is whole; none where it is not open.
    pub async fn verify_store(&self) -> Option<Result<Verified, StoreError>> {
        let store = self.0.current().store()?;
        Some(store.verify().await)
    }

    /// Every former store.
    #[must_use]
    pub fn former_stores(&self) -> Vec<FormerStore> {
        let ledger = self.0.ledger();
        self.former(ALWAYS).iter().map(|(former, _)| former_store(former, &ledger)).collect()
    }

    /// History in at most the asked number of buckets.
    ///
    /// # Errors
    /// See [`ReadRows`].
    pub async fn series(&self, query: &SeriesQuery) -> Result<Series, StoreError> {
        answer::series(self, query).await
    }

    /// What happened in each of these spans; see [`answer::buckets`].
    ///
    /// # Errors
    /// See [`ReadRows`].
    pub async fn buckets(
        &self,
        monitor: MonitorId,
        spans: Vec<Span>,
        tier: Option<Tier>,
        now: UnixMicros,
    ) -> Result<Vec<Bucket>, StoreError> {
        answer::buckets(self, monitor, spans, tier, now).await
    }

    /// Hours before this are made, every one of every monitor; none where that is not known.
    ///
    /// # Errors
    /// See [`ReadRows`].
    pub async fn rolled_until(&self) -> Result<Option<UnixMicros>, StoreError> {
        let Some(store) = self.0.current().store() else { return Ok(None) };
        Ok(store.metadata(WATERMARK).await?.and_then(|bytes| watermark(&bytes)))
    }

    /// A page of results of all stores: whole, or as much as was seen.
    async fn page(&self, query: &ResultQuery, whole: bool) -> Result<Page, StoreError> {
        let mut page = self.current().page(query, whole).await?;
        for (former, last) in self.former(query.span) {
            // A full page of newer results.
            if page.next.is_some() && page.results.last().is_some_and(|oldest| oldest.time > last) {
                break;
            }
            if let Some(more) = answered(&former, former.page(query, whole).await) {
                page = merge_pages(query.limit, page, more);
            }
        }
        Ok(page)
    }

    /// Rollups of all stores: whole, or their counts and times.
    async fn all_rollups(&self, query: &RollupQuery, whole: bool) -> Result<Vec<Rollup>, StoreError> {
        let mut rollups: BTreeMap<UnixMicros, Rollup> = BTreeMap::new();
        // A bucket that starts before a switch may end after it, and the other way round.
        let wider = Span::new(query.span.from, query.span.to.plus_us(query.tier.width_us()));
        for (former, _) in self.former(wider).into_iter().rev() {
            let found = answered(&former, former.all_rollups(query, whole).await).unwrap_or_default();
            rollups.extend(found.into_iter().map(|rollup| (rollup.start, rollup)));
        }
        let own = self.current().all_rollups(query, whole).await?;
        rollups.extend(own.into_iter().map(|rollup| (rollup.start, rollup)));
        Ok(rollups.into_values().collect())
    }

    /// Uptime and coverage by time.
    ///
    /// # Errors
    /// See [`ReadRows`].
    pub async fn uptime(&self, query: &UptimeQuery) -> Result<Vec<Uptime>, StoreError> {
        answer::uptime(self, query).await
    }
}

fn former_store(former: &OneStore, ledger: &[LedgerEntry]) -> FormerStore {
    let shared = &former.0;
    let own = || ledger.iter().filter(|entry| entry.contact == shared.contact);
    FormerStore {
        backend: shared.backend.to_owned(),
        contact: shared.contact.clone(),
        from: own().map(|entry| entry.from).min(),
        to: own().filter_map(|entry| entry.to).max(),
        backlog_rows: lock(&shared.head).undelivered_rows(),
        readable: shared.is_readable(),
        fault: lock(&shared.progress).fault.clone(),
    }
}

/// What a former store answered; a fault of it is told by [`History::kept_elsewhere`] and spoils no answer.
fn answered<T>(former: &OneStore, answer: Result<T, StoreError>) -> Option<T> {
    match answer {
        Ok(answer) => Some(answer),
        Err(error) => {
            let fault = error_chain(&error);
            tracing::warn!(contact = former.0.contact, fault, "a former store cannot be read");
            lock(&former.0.progress).fault = Some(fault);
            None
        }
    }
}

/// Merges two pages of the same query; of results with the same key that of the first stays.
fn merge_pages(limit: usize, first: Page, second: Page) -> Page {
    // Beyond the end of either page there may be results between.
    let end = [first.next, second.next].into_iter().flatten().max_by_key(|next| (next.time, next.monitor));
    let keyed = |results: Vec<CheckResult>| results.into_iter().map(|row| ((row.time, row.monitor), row));
    let mut rows: BTreeMap<_, _> = keyed(second.results).collect();
    rows.extend(keyed(first.results));
    if let Some(end) = end {
        rows.retain(|key, _| *key >= (end.time, end.monitor));
    }
    let more = end.is_some() || rows.len() > limit;
    let results: Vec<CheckResult> = rows.into_values().rev().take(limit).collect();
    let last = results.last().map(|last| PageCursor { time: last.time, monitor: last.monitor });
    Page { next: if more { last.or(end) } else { None }, results }
}

#[async_trait]
impl ReadRows for History {
    async fn results(&self, query: &ResultQuery) -> Result<Page, StoreError> {
        self.page(query, true).await
    }

    async fn results_seen(&self, query: &ResultQuery) -> Result<Page, StoreError> {
        self.page(query, false).await
    }

    async fn results_seen_of(
        &self,
        monitors: &[MonitorId],
        span: Span,
        limit: usize,
    ) -> Result<Option<Vec<CheckResult>>, StoreError> {
        let former = self.former(span);
        let own = self.current().results_seen_of(monitors, span, limit).await?;
        if former.is_empty() {
            return Ok(own);
        }
        let Some(own) = own else { return Ok(None) };
        let mut results: HashMap<(UnixMicros, MonitorId), CheckResult> = HashMap::new();
        let keyed = |rows: Vec<CheckResult>| rows.into_iter().map(|row| ((row.time, row.monitor), row));
        // Of results with the same key that of the newest store stays.
        for (former, _) in former.into_iter().rev() {
            match answered(&former, former.results_seen_of(monitors, span, limit).await) {
                Some(Some(found)) => results.extend(keyed(found)),
                Some(None) => return Ok(None),
                None => {}
            }
        }
        results.extend(keyed(own));
        Ok(Some(results).filter(|results| results.len() <= limit).map(|results| results.into_values().collect()))
    }

    async fn latest(&self, monitors: &[MonitorId], now: UnixMicros) -> Result<Vec<CheckResult>, StoreError> {
        let found = self.current().latest(monitors, now).await?;
        let mut latest: HashMap<MonitorId, CheckResult> = found.into_iter().map(|row| (row.monitor, row)).collect();
        for (former, _) in self.former(ALWAYS) {
            let left: Vec<MonitorId> = monitors.iter().copied().filter(|id| !latest.contains_key(id)).collect();
            if left.is_empty() {
                break;
            }
            if let Some(found) = answered(&former, former.latest(&left, now).await) {
                latest.extend(found.into_iter().map(|row| (row.monitor, row)));
            }
        }
        Ok(monitors.iter().filter_map(|monitor| latest.remove(monitor)).collect())
    }

    async fn last_before(&self, monitor: MonitorId, time: UnixMicros) -> Result<Option<CheckResult>, StoreError> {
        let mut last = self.current().last_before(monitor, time).await?;
        for (former, ended) in self.former(Span::new(UnixMicros::MIN, time)) {
            if last.as_ref().is_some_and(|last| last.time > ended) {
                break;
            }
            let found = answered(&former, former.last_before(monitor, time).await).flatten();
            last = last.into_iter().chain(found).max_by_key(|result| result.time);
        }
        Ok(last)
    }

    async fn rollups(&self, query: &RollupQuery) -> Result<Vec<Rollup>, StoreError> {
        self.all_rollups(query, true).await
    }

    async fn rollup_times(&self, query: &RollupQuery) -> Result<Vec<Rollup>, StoreError> {
        self.all_rollups(query, false).await
    }

    async fn rollup_times_of(&self, monitors: &[MonitorId], tier: Tier, span: Span) -> Result<Vec<Rollup>, StoreError> {
        // A bucket that starts before a switch may end after it, and the other way round.
        if self.former(Span::new(span.from, span.to.plus_us(tier.width_us()))).is_empty() {
            return self.current().rollup_times_of(monitors, tier, span).await;
        }
        let mut rollups = Vec::new();
        for monitor in monitors {
            rollups.extend(self.rollup_times(&RollupQuery { monitor: *monitor, tier, span }).await?);
        }
        Ok(rollups)
    }

    async fn rollup_sums(
        &self,
        monitors: &[MonitorId],
        tier: Tier,
        spans: &[Span],
    ) -> Result<Vec<Vec<Times>>, StoreError> {
        let ends = spans.first().zip(spans.last());
        let whole = ends.map_or(Span::new(UnixMicros::MIN, UnixMicros::MIN), |(first, last)| {
            Span::new(first.from, last.to.plus_us(tier.width_us()))
        });
        if self.former(whole).is_empty() {
            return self.current().rollup_sums(monitors, tier, spans).await;
        }
        answer::rollup_sums(self, monitors, tier, spans).await
    }

    async fn incidents(&self, query: &IncidentQuery) -> Result<Vec<Incident>, StoreError> {
        let current = self.current();
        let former = self.former(query.span);
        let own = current.incidents(query).await?;
        if former.is_empty() {
            return Ok(own);
        }
        let mut incidents = HashMap::new();
        for (former, _) in former.into_iter().rev() {
            let found = answered(&former, former.incidents(query).await).unwrap_or_default();
            incidents.extend(found.into_iter().map(|incident| (incident.id, incident)));
        }
        // One that was open at the switch may have been closed since, so that it no longer touches the span.
        let open: Vec<Incident> = incidents.values().filter(|incident| incident.is_open()).cloned().collect();
        for incident in open {
            let begin = Span::new(incident.opened, incident.opened.plus_us(1));
            let same = IncidentQuery { monitor: Some(incident.monitor), span: begin, limit: usize::MAX / 2 };
            let newer = current.incidents(&same).await?.into_iter().find(|newer| newer.id == incident.id);
            incidents.extend(newer.map(|newer| (newer.id, newer)));
        }
        incidents.extend(own.into_iter().map(|incident| (incident.id, incident)));
        let mut incidents: Vec<Incident> = incidents.into_values().collect();
        incidents.retain(|incident| incident_touches(incident, query.span));
        incidents.sort_unstable_by_key(|incident| std::cmp::Reverse((incident.opened, incident.id)));
        incidents.truncate(query.limit);
        Ok(incidents)
    }

    async fn gaps(&self, query: &GapQuery) -> Result<Vec<Gap>, StoreError> {
        let mut gaps: BTreeMap<(UnixMicros, MonitorId), Gap> = BTreeMap::new();
        for (former, _) in self.former(query.span).into_iter().rev() {
            let found = answered(&former, former.gaps(query).await).unwrap_or_default();
            gaps.extend(found.into_iter().map(|gap| ((gap.span.from, gap.monitor), gap)));
        }
        // A gap only grows, so that a later version touches whatever an earlier one does.
        let own = self.current().gaps(query).await?;
        gaps.extend(own.into_iter().map(|gap| ((gap.span.from, gap.monitor), gap)));
        Ok(gaps.into_values().collect())
    }

    async fn monitors(&self) -> Result<Vec<KnownMonitor>, StoreError> {
        let mut monitors = self.current().monitors().await?;
        let former = self.former(ALWAYS);
        if former.is_empty() {
            return Ok(monitors);
        }
        for (former, _) in former {
            for known in answered(&former, former.monitors().await).unwrap_or_default() {
                match monitors.iter_mut().find(|monitor| monitor.id == known.id) {
                    Some(monitor) => monitor.first_seen = monitor.first_seen.min(known.first_seen),
                    None => monitors.push(known),
                }
            }
        }
        monitors.sort_unstable_by(|a, b| a.name.cmp(&b.name).then(a.id.cmp(&b.id)));
        Ok(monitors)
    }
}
