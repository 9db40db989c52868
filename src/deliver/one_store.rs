//! Reads of one store: what it has, merged with what waits for it in memory and in the journal.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use async_trait::async_trait;

use super::head::share_of;
use super::shared::{Shared, lock};
use crate::journal::{JournalError, Reader, decode, kind, peek};
use crate::model::{
    CheckResult, Gap, Incident, IncidentId, KnownMonitor, MonitorId, Rollup, Row, Span, Tier, Times, UnixMicros,
};
use crate::storage::{
    FUTURE_TOLERANCE_US, GapQuery, IncidentQuery, Page, PageCursor, ReadRows, ResultQuery, RollupQuery, StoreError,
    answer,
};

/// Most rows of the journal's files that one read goes through, newest first; a backend that is away for longer
/// than this leaves a hole that [`OneStore::complete`] tells of.
const SPILLED_ROWS: u64 = 1_000_000;

/// Reads one store and its backlog. Clones read the same.
#[derive(Debug, Clone)]
pub(super) struct OneStore(pub(super) Arc<Shared>);

/// What a read wants of the undelivered rows.
#[derive(Debug, Clone)]
enum Want {
    Results(ResultQuery),
    /// Of several, and how many at most.
    ResultsOf(HashSet<MonitorId>, Span, usize),
    Latest(HashSet<MonitorId>, UnixMicros),
    Before(MonitorId, UnixMicros),
    Rollups(RollupQuery),
    RollupsOf(HashSet<MonitorId>),
    Incidents(Option<MonitorId>),
    Gaps(Option<MonitorId>),
    Monitors,
}

impl Want {
    /// The one monitor whose rows are enough.
    fn monitor(&self) -> Option<MonitorId> {
        match self {
            Self::Results(query) => query.monitor,
            Self::Before(monitor, _) => Some(*monitor),
            Self::Rollups(query) => Some(query.monitor),
            Self::Incidents(monitor) => *monitor,
            Self::ResultsOf(..) | Self::Latest(..) | Self::RollupsOf(_) | Self::Gaps(_) | Self::Monitors => None,
        }
    }

    /// The shares that have all of it; none means every share.
    fn shares(&self) -> Option<Vec<usize>> {
        let mut monitors: Vec<MonitorId> = self.monitor().into_iter().collect();
        if let Self::Gaps(Some(monitor)) = self {
            monitors = vec![*monitor, MonitorId::ALL];
        }
        let mut shares: Vec<usize> = monitors.into_iter().map(share_of).collect();
        shares.dedup();
        (!shares.is_empty()).then_some(shares)
    }
}

/// Key of a result in the order of a page: newest first is descending.
type Key = (UnixMicros, MonitorId);

/// What of the undelivered rows was wanted.
#[derive(Debug, Default)]
struct Pending {
    /// Candidates by key; the first row of a key stays.
    results: BTreeMap<Key, Row>,
    latest: HashMap<MonitorId, CheckResult>,
    rollups: HashMap<(MonitorId, Tier, UnixMicros), Rollup>,
    incidents: HashMap<IncidentId, Incident>,
    gaps: HashMap<(MonitorId, UnixMicros), Gap>,
    monitors: HashMap<MonitorId, KnownMonitor>,
    /// Monitors whose rows in the backend are about to be dropped.
    forgotten: HashSet<MonitorId>,
}

impl Pending {
    fn take(&mut self, want: &Want, payload: &[u8]) {
        let Some(seen) = peek(payload) else { return };
        if seen.kind == kind::FORGET {
            self.forget(seen.monitor);
            return;
        }
        if want.monitor().is_some_and(|monitor| monitor != seen.monitor) {
            return;
        }
        // The time is looked at before anything is decoded.
        let time = seen.time.unwrap_or(UnixMicros::MIN);
        let wanted = match (want, seen.kind) {
            (Want::Results(query), kind::RESULT) => self.has_room_for(query, (time, seen.monitor)),
            (Want::ResultsOf(monitors, span, limit), kind::RESULT) => {
                span.contains(time)
                    && monitors.contains(&seen.monitor)
                    && self.results.len() <= *limit
                    && !self.results.contains_key(&(time, seen.monitor))
            }
            (Want::RollupsOf(monitors), kind::ROLLUP) => monitors.contains(&seen.monitor),
            (Want::Latest(monitors, now), kind::RESULT) => {
                time <= now.plus_us(FUTURE_TOLERANCE_US)
                    && monitors.contains(&seen.monitor)
                    && self.latest.get(&seen.monitor).is_none_or(|latest| latest.time < time)
            }
            (Want::Before(monitor, limit), kind::RESULT) => {
                time < *limit && self.latest.get(monitor).is_none_or(|latest| latest.time < time)
            }
            (Want::Rollups(_), kind::ROLLUP)
            | (Want::Incidents(_), kind::INCIDENT)
            | (Want::Monitors, kind::MONITOR) => true,
            (Want::Gaps(monitor), kind::GAP) => monitor.is_none_or(|m| m == seen.monitor || seen.monitor.is_all()),
            _ => false,
        };
        if wanted && let Ok(row) = decode(payload) {
            self.keep(want, row);
        }
    }

    fn has_room_for(&self, query: &ResultQuery, key: Key) -> bool {
        query.span.contains(key.0)
            && query.after.is_none_or(|after| key < (after.time, after.monitor))
            && !self.results.contains_key(&key)
            && (self.results.len() <= query.limit || self.results.keys().next().is_some_and(|oldest| *oldest < key))
    }

    fn keep(&mut self, want: &Want, row: Row) {
        match row {
            Row::Result(result) => match want {
                Want::Results(query) => {
                    self.results.insert((result.time, result.monitor), Row::Result(result));
                    // One more than asked for tells that there is more.
                    if self.results.len() > query.limit + 1 {
                        self.results.pop_first();
                    }
                }
                Want::ResultsOf(..) => {
                    self.results.insert((result.time, result.monitor), Row::Result(result));
                }
                _ => drop(self.latest.insert(result.monitor, result)),
            },
            Row::Rollup(rollup) => {
                self.rollups.insert((rollup.monitor, rollup.tier, rollup.start), rollup);
            }
            Row::Incident(incident) => drop(self.incidents.insert(incident.id, incident)),
            Row::Gap(gap) => drop(self.gaps.insert((gap.monitor, gap.span.from), gap)),
            Row::Monitor(mut monitor) => {
                if let Some(known) = self.monitors.get(&monitor.id) {
                    monitor.first_seen = monitor.first_seen.min(known.first_seen);
                }
                self.monitors.insert(monitor.id, monitor);
            }
            Row::Forget(..) => {}
        }
    }

    fn forget(&mut self, monitor: MonitorId) {
        self.results.retain(|(_, of), _| *of != monitor);
        self.latest.remove(&monitor);
        self.incidents.retain(|_, incident| incident.monitor != monitor);
        self.gaps.retain(|(of, _), _| *of != monitor);
        self.monitors.remove(&monitor);
        self.rollups.retain(|_, rollup| rollup.monitor != monitor);
        self.forgotten.insert(monitor);
    }
}

fn collect(shared: &Shared, want: &Want) -> Result<Pending, JournalError> {
    let mut pending = Pending::default();
    let shares = want.shares();
    // Rows below were looked for in the files; while that goes on more may leave the memory.
    let mut read = 0;
    loop {
        let (from, until) = {
            let head = lock(&shared.head);
            match head.spilled().filter(|(_, until)| *until > read) {
                Some(spilled) => spilled,
                None => {
                    match &shares {
                        None => head.visit(None, |_, payload| pending.take(want, payload)),
                        Some(some) => some.iter().for_each(|share| {
                            head.visit(Some(*share), |_, payload| pending.take(want, payload));
                        }),
                    }
                    return Ok(pending);
                }
            }
        };
        let from = from.max(until.saturating_sub(SPILLED_ROWS)).max(read);
        let mut reader = Reader::new(&shared.folder, from, Some(until), false);
        while let Some((number, payload)) = reader.next_payload()? {
            let share = peek(payload).map(|seen| share_of(seen.monitor));
            if share.is_some_and(|share| lock(&shared.head).is_spilled(share, number)) {
                pending.take(want, payload);
            }
        }
        read = until;
    }
}

impl OneStore {
    /// Whether reads have everything: the backend is open, and what it has not got is within reach.
    pub(super) fn complete(&self) -> bool {
        let spilled = lock(&self.0.head).spilled();
        self.0.store().is_some() && spilled.is_none_or(|(from, until)| until - from <= SPILLED_ROWS)
    }

    /// The undelivered rows first, then the backend: a row that is delivered in between is found twice, never missed.
    async fn pending(&self, want: Want) -> Result<Pending, StoreError> {
        let spilled = lock(&self.0.head).spilled().is_some();
        let shared = Arc::clone(&self.0);
        let read = match tokio::runtime::Handle::try_current() {
            // Files are read elsewhere, so that checks do not wait.
            Ok(runtime) if spilled => {
                runtime.spawn_blocking(move || collect(&shared, &want)).await.map_err(|error| {
                    StoreError::new(
                        crate::storage::StoreErrorKind::Internal,
                        self.0.backend,
                        "read",
                        "the read was ended",
                    )
                    .caused_by(error)
                })?
            }
            _ => collect(&shared, &want),
        };
        read.map_err(|error| {
            let what = "the journal cannot be read";
            StoreError::new(crate::storage::StoreErrorKind::Unavailable, self.0.backend, "read", what).caused_by(error)
        })
    }

    fn generation(&self) -> u64 {
        lock(&self.0.head).generation()
    }

    /// A page of results: whole, or as much as was seen.
    pub(super) async fn page(&self, query: &ResultQuery, whole: bool) -> Result<Page, StoreError> {
        let pending = self.pending(Want::Results(query.clone())).await?;
        let page = match self.0.readable().await {
            Some(store) if whole => store.results(query).await?,
            Some(store) => store.results_seen(query).await?,
            None => Page::default(),
        };
        Ok(merge_page(query, pending, page))
    }

    /// Rollups: whole, or their counts and times.
    pub(super) async fn all_rollups(&self, query: &RollupQuery, whole: bool) -> Result<Vec<Rollup>, StoreError> {
        let pending = self.pending(Want::Rollups(query.clone())).await?;
        let wanted = |rollup: &Rollup| rollup.tier == query.tier && query.span.contains(rollup.start);
        let mut rollups = BTreeMap::new();
        if let Some(store) = self.0.readable().await.filter(|_| !pending.forgotten.contains(&query.monitor)) {
            let stored = if whole { store.rollups(query).await? } else { store.rollup_times(query).await? };
            rollups.extend(stored.into_iter().map(|rollup| (rollup.start, rollup)));
        }
        let newer = pending.rollups.into_values().filter(wanted);
        rollups.extend(newer.map(|rollup| (rollup.start, rollup)));
        Ok(rollups.into_values().collect())
    }
}

/// Whether something that lasts from `from` to `to` (for ever when none) touches a span.
fn touches(span: Span, from: UnixMicros, to: Option<UnixMicros>) -> bool {
    from < span.to && to.is_none_or(|to| to > span.from || (to == from && from >= span.from))
}

pub(super) fn incident_touches(incident: &Incident, span: Span) -> bool {
    let end = (!incident.is_open()).then(|| incident.span(incident.opened).to);
    touches(span, incident.opened, end)
}

/// Merges a backend's page with undelivered results.
fn merge_page(query: &ResultQuery, pending: Pending, page: Page) -> Page {
    let Pending { mut results, forgotten, .. } = pending;
    if let Some(next) = page.next {
        // Beyond the backend's page there may be results between.
        results.retain(|key, _| *key >= (next.time, next.monitor));
    }
    let mut more = page.next.is_some();
    for result in page.results {
        if !forgotten.contains(&result.monitor) {
            // A key that is there already is left as it is.
            results.insert((result.time, result.monitor), Row::Result(result));
        }
    }
    more |= results.len() > query.limit;
    let newest = results.into_values().rev().filter_map(|row| match row {
        Row::Result(result) => Some(result),
        _ => None,
    });
    let results: Vec<CheckResult> = newest.take(query.limit).collect();
    let last = results.last().map(|last| PageCursor { time: last.time, monitor: last.monitor });
    // A page whose rows are all forgotten goes on where the backend's ended.
    Page { next: if more { last.or(page.next) } else { None }, results }
}

#[async_trait]
impl ReadRows for OneStore {
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
        let Pending { mut results, forgotten, .. } =
            self.pending(Want::ResultsOf(monitors.iter().copied().collect(), span, limit)).await?;
        if results.len() > limit {
            return Ok(None);
        }
        if let Some(store) = self.0.readable().await {
            let Some(stored) = store.results_seen_of(monitors, span, limit).await? else { return Ok(None) };
            if results.is_empty() && forgotten.is_empty() {
                return Ok(Some(stored));
            }
            // A key that is there already is left as it is.
            let stored = stored.into_iter().filter(|result| !forgotten.contains(&result.monitor));
            results.extend(stored.map(|result| ((result.time, result.monitor), Row::Result(result))));
        }
        let results = results.into_values().filter_map(|row| match row {
            Row::Result(result) => Some(result),
            _ => None,
        });
        let results: Vec<CheckResult> = results.collect();
        Ok(Some(results).filter(|results| results.len() <= limit))
    }

    async fn latest(&self, monitors: &[MonitorId], now: UnixMicros) -> Result<Vec<CheckResult>, StoreError> {
        let pending = self.pending(Want::Latest(monitors.iter().copied().collect(), now)).await?;
        let mut latest = pending.latest;
        if let Some(store) = self.0.readable().await {
            for result in store.latest(monitors, now).await? {
                let newer = latest.get(&result.monitor).is_none_or(|known| known.time <= result.time);
                if newer && !pending.forgotten.contains(&result.monitor) {
                    latest.insert(result.monitor, result);
                }
            }
        }
        Ok(monitors.iter().filter_map(|monitor| latest.remove(monitor)).collect())
    }

    async fn last_before(&self, monitor: MonitorId, time: UnixMicros) -> Result<Option<CheckResult>, StoreError> {
        let mut pending = self.pending(Want::Before(monitor, time)).await?;
        let stored = match self.0.readable().await {
            Some(store) if !pending.forgotten.contains(&monitor) => store.last_before(monitor, time).await?,
            _ => None,
        };
        Ok(stored.into_iter().chain(pending.latest.remove(&monitor)).max_by_key(|result| result.time))
    }

    async fn rollups(&self, query: &RollupQuery) -> Result<Vec<Rollup>, StoreError> {
        self.all_rollups(query, true).await
    }

    async fn rollup_times(&self, query: &RollupQuery) -> Result<Vec<Rollup>, StoreError> {
        self.all_rollups(query, false).await
    }

    async fn rollup_times_of(&self, monitors: &[MonitorId], tier: Tier, span: Span) -> Result<Vec<Rollup>, StoreError> {
        let pending = self.pending(Want::RollupsOf(monitors.iter().copied().collect())).await?;
        let mut newer = pending.rollups;
        newer.retain(|_, rollup| rollup.tier == tier && span.contains(rollup.start));
        let mut rollups = match self.0.readable().await {
            Some(store) => store.rollup_times_of(monitors, tier, span).await?,
            None => Vec::new(),
        };
        rollups.retain(|rollup| {
            let key = (rollup.monitor, rollup.tier, rollup.start);
            !pending.forgotten.contains(&rollup.monitor) && !newer.contains_key(&key)
        });
        rollups.extend(newer.into_values());
        Ok(rollups)
    }

    async fn rollup_sums(
        &self,
        monitors: &[MonitorId],
        tier: Tier,
        spans: &[Span],
    ) -> Result<Vec<Vec<Times>>, StoreError> {
        let pending = self.pending(Want::RollupsOf(monitors.iter().copied().collect())).await?;
        let of_tier = pending.rollups.keys().filter(|(_, of, _)| *of == tier).map(|(monitor, ..)| *monitor);
        // What waits takes the place of what is stored: sums do not tell of what.
        let waits: HashSet<MonitorId> = of_tier.chain(pending.forgotten).collect();
        let (waiting, rest): (Vec<MonitorId>, Vec<MonitorId>) =
            monitors.iter().partition(|monitor| waits.contains(monitor));
        let store = self.0.readable().await;
        let mut stored = match store {
            Some(store) if !rest.is_empty() => store.rollup_sums(&rest, tier, spans).await?.into_iter(),
            _ => Vec::new().into_iter(),
        };
        let mut own = answer::rollup_sums(self, &waiting, tier, spans).await?.into_iter();
        let nothing = || vec![Times::default(); spans.len()];
        let of = |monitor| if waits.contains(monitor) { own.next() } else { stored.next() }.unwrap_or_else(nothing);
        Ok(monitors.iter().map(of).collect())
    }

    async fn incidents(&self, query: &IncidentQuery) -> Result<Vec<Incident>, StoreError> {
        let mut tries = 3;
        loop {
            tries -= 1;
            let generation = self.generation();
            let pending = self.pending(Want::Incidents(query.monitor)).await?;
            let mut incidents: HashMap<IncidentId, Incident> = HashMap::new();
            if let Some(store) = self.0.readable().await {
                // Some of these may be replaced by versions that no longer touch the span.
                let wider =
                    IncidentQuery { limit: query.limit.saturating_add(pending.incidents.len()), ..query.clone() };
                let stored = store.incidents(&wider).await?.into_iter();
                let stored = stored.filter(|incident| !pending.forgotten.contains(&incident.monitor));
                incidents.extend(stored.map(|incident| (incident.id, incident)));
            }
            // An older version from the head must not hide one that was delivered meanwhile.
            if tries > 0 && generation != self.generation() {
                continue;
            }
            incidents.extend(pending.incidents);
            let mut incidents: Vec<Incident> = incidents.into_values().collect();
            incidents.retain(|incident| incident_touches(incident, query.span));
            incidents.sort_unstable_by_key(|incident| std::cmp::Reverse((incident.opened, incident.id)));
            incidents.truncate(query.limit);
            return Ok(incidents);
        }
    }

    async fn gaps(&self, query: &GapQuery) -> Result<Vec<Gap>, StoreError> {
        let mut tries = 3;
        loop {
            tries -= 1;
            let generation = self.generation();
            let pending = self.pending(Want::Gaps(query.monitor)).await?;
            let mut gaps: HashMap<(MonitorId, UnixMicros), Gap> = HashMap::new();
            if let Some(store) = self.0.readable().await {
                let stored = store.gaps(query).await?.into_iter();
                let stored = stored.filter(|gap| !pending.forgotten.contains(&gap.monitor));
                gaps.extend(stored.map(|gap| ((gap.monitor, gap.span.from), gap)));
            }
            if tries > 0 && generation != self.generation() {
                continue;
            }
            gaps.extend(pending.gaps);
            let mut gaps: Vec<Gap> = gaps.into_values().collect();
            gaps.retain(|gap| touches(query.span, gap.span.from, Some(gap.span.to)));
            gaps.sort_unstable_by_key(|gap| (gap.span.from, gap.monitor));
            return Ok(gaps);
        }
    }

    async fn monitors(&self) -> Result<Vec<KnownMonitor>, StoreError> {
        let pending = self.pending(Want::Monitors).await?;
        let mut monitors = pending.monitors;
        if let Some(store) = self.0.readable().await {
            for stored in store.monitors().await? {
                match monitors.get_mut(&stored.id) {
                    _ if pending.forgotten.contains(&stored.id) => {}
                    Some(newer) => newer.first_seen = newer.first_seen.min(stored.first_seen),
                    None => drop(monitors.insert(stored.id, stored)),
                }
            }
        }
        let mut monitors: Vec<KnownMonitor> = monitors.into_values().collect();
        monitors.sort_unstable_by(|a, b| a.name.cmp(&b.name).then(a.id.cmp(&b.id)));
        Ok(monitors)
    }
}
