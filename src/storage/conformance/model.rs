//! The plainest store there can be: what every other one is compared with.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;

use crate::model::{CheckResult, Gap, Incident, IncidentId, KnownMonitor, MonitorId, Rollup, Tier, UnixMicros};
use crate::storage::{
    Batch, FUTURE_TOLERANCE_US, GapQuery, IncidentQuery, Page, PageCursor, ReadRows, ResultQuery, RollupQuery,
    StoreError,
};

#[derive(Debug, Default)]
struct Rows {
    results: BTreeMap<(UnixMicros, MonitorId), CheckResult>,
    rollups: BTreeMap<(MonitorId, Tier, UnixMicros), Rollup>,
    gaps: BTreeMap<(UnixMicros, MonitorId), Gap>,
    incidents: BTreeMap<IncidentId, Incident>,
    monitors: BTreeMap<MonitorId, KnownMonitor>,
}

/// Rows in sorted maps.
#[derive(Debug, Default)]
pub(super) struct ModelStore(Mutex<Rows>);

impl ModelStore {
    fn rows(&self) -> MutexGuard<'_, Rows> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn append(&self, batch: &Batch) {
        let mut rows = self.rows();
        for result in &batch.results {
            rows.results.entry((result.time, result.monitor)).or_insert_with(|| result.clone());
        }
        for rollup in &batch.rollups {
            rows.rollups.insert((rollup.monitor, rollup.tier, rollup.start), rollup.clone());
        }
        for gap in &batch.gaps {
            rows.gaps.insert((gap.span.from, gap.monitor), *gap);
        }
        for incident in &batch.incidents {
            rows.incidents.insert(incident.id, incident.clone());
        }
        for monitor in &batch.monitors {
            let mut monitor = monitor.clone();
            if let Some(known) = rows.monitors.get(&monitor.id) {
                monitor.first_seen = monitor.first_seen.min(known.first_seen);
            }
            rows.monitors.insert(monitor.id, monitor);
        }
    }

    pub(super) fn forget(&self, id: MonitorId) {
        let mut rows = self.rows();
        rows.results.retain(|(_, monitor), _| *monitor != id);
        rows.rollups.retain(|(monitor, ..), _| *monitor != id);
        rows.gaps.retain(|(_, monitor), _| *monitor != id);
        rows.incidents.retain(|_, incident| incident.monitor != id);
        rows.monitors.remove(&id);
    }

    pub(super) fn all(&self) -> Batch {
        let rows = self.rows();
        Batch {
            results: rows.results.values().cloned().collect(),
            rollups: rows.rollups.values().cloned().collect(),
            gaps: rows.gaps.values().copied().collect(),
            incidents: rows.incidents.values().cloned().collect(),
            monitors: rows.monitors.values().cloned().collect(),
        }
    }
}

#[async_trait]
impl ReadRows for ModelStore {
    async fn results(&self, query: &ResultQuery) -> Result<Page, StoreError> {
        let rows = self.rows();
        let wanted = |(time, monitor): (UnixMicros, MonitorId)| {
            query.monitor.is_none_or(|asked| asked == monitor)
                && query.span.contains(time)
                && query.after.is_none_or(|after| (time, monitor) < (after.time, after.monitor))
        };
        let mut found = rows.results.iter().rev().filter(|(key, _)| wanted(**key)).map(|(_, result)| result.clone());
        let results: Vec<_> = found.by_ref().take(query.limit.max(1)).collect();
        let last = results.last().map(|last| PageCursor { time: last.time, monitor: last.monitor });
        let next = found.next().and(last);
        Ok(Page { results, next })
    }

    async fn latest(&self, monitors: &[MonitorId], now: UnixMicros) -> Result<Vec<CheckResult>, StoreError> {
        let until = now.plus_us(FUTURE_TOLERANCE_US + 1);
        let mut found = Vec::new();
        for monitor in monitors {
            found.extend(self.last_before(*monitor, until).await?);
        }
        Ok(found)
    }

    async fn last_before(&self, monitor: MonitorId, time: UnixMicros) -> Result<Option<CheckResult>, StoreError> {
        let rows = self.rows();
        let before = rows.results.range(..(time, MonitorId::ALL)).rev();
        Ok(before.map(|(_, result)| result).find(|result| result.monitor == monitor).cloned())
    }

    async fn rollups(&self, query: &RollupQuery) -> Result<Vec<Rollup>, StoreError> {
        let rows = self.rows();
        let wanted = |rollup: &&Rollup| {
            rollup.monitor == query.monitor && rollup.tier == query.tier && query.span.contains(rollup.start)
        };
        Ok(rows.rollups.values().filter(wanted).cloned().collect())
    }

    async fn incidents(&self, query: &IncidentQuery) -> Result<Vec<Incident>, StoreError> {
        let rows = self.rows();
        let mut found: Vec<_> = rows.incidents.values().filter(|incident| query.matches(incident)).cloned().collect();
        found.sort_by_key(|incident| Reverse((incident.opened, incident.id)));
        found.truncate(query.limit);
        Ok(found)
    }

    async fn gaps(&self, query: &GapQuery) -> Result<Vec<Gap>, StoreError> {
        Ok(self.rows().gaps.values().filter(|gap| query.matches(gap)).copied().collect())
    }

    async fn monitors(&self) -> Result<Vec<KnownMonitor>, StoreError> {
        let mut monitors: Vec<_> = self.rows().monitors.values().cloned().collect();
        monitors.sort_by(|a, b| (&a.name, a.id).cmp(&(&b.name, b.id)));
        Ok(monitors)
    }
}
