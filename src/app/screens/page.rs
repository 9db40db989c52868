//! One monitor's page, its results and its incidents.

use super::{Screens, storage};
use crate::control::{HistoryPage, IncidentList, MAX_PAGE, MonitorName};
use crate::model::{MonitorId, Span, Tier, UnixMicros};
use crate::screen::{
    Fact, Failed, IncidentPage, Millis, MonitorPage, ResultCursor, ResultPage, Share, UptimeTile, Window,
};
use crate::storage::{IncidentQuery, PageCursor, ReadRows as _, ResultQuery, UptimeQuery};

impl Screens {
    /// One monitor's page.
    ///
    /// # Errors
    /// No such monitor, or the store does not answer.
    pub async fn monitor_page(&self, id: &str) -> Result<MonitorPage, Failed> {
        let monitor = self.monitor(id)?;
        let known = self.history().monitors().await.map_err(storage)?;
        let first_seen = known.iter().find(|known| known.id == monitor.id).map(|known| known.first_seen);
        // One moment for all, else the same time would have another uptime in each.
        let now = self.core.clock.wall();
        let mut tiles = Vec::with_capacity(Window::ALL.len());
        for window in Window::ALL {
            tiles.push(self.tile(monitor.id, window, now).await?);
        }
        let row = self.core.recorder.board().row(monitor.id);
        let last = row.and_then(|row| row.last);
        Ok(MonitorPage {
            id: monitor.id.to_string(),
            source: self.source(),
            failure_threshold: monitor.thresholds.failures,
            recovery_threshold: monitor.thresholds.recoveries,
            tiles,
            facts: last.as_ref().map(Fact::all_of).unwrap_or_default(),
            first_seen_ms: first_seen.map(Millis::from),
        })
    }

    async fn tile(&self, monitor: MonitorId, window: Window, now: UnixMicros) -> Result<UptimeTile, Failed> {
        let span = Span::new(now.minus_us(u64::from(window.days()) * Tier::Day.width_us()), now);
        let query = UptimeQuery { monitors: vec![monitor], span, now };
        let found = self.history().uptime(&query).await.map_err(storage)?;
        let found = found.first();
        let share = |ratio: Option<f64>| ratio.map(Share);
        Ok(UptimeTile {
            window,
            uptime: share(found.and_then(crate::storage::Uptime::ratio)),
            coverage: share(found.and_then(crate::storage::Uptime::coverage)),
            since_ms: found.filter(|found| found.window.from > span.from).map(|found| found.window.from.into()),
        })
    }

    /// Results of a monitor, newest first.
    ///
    /// # Errors
    /// No such monitor, a cursor that was not given out, or the store does not answer.
    pub async fn results(&self, id: &str, limit: u32, after: Option<ResultCursor>) -> Result<ResultPage, Failed> {
        let monitor = self.monitor(id)?.id;
        let after = after.map(PageCursor::try_from).transpose()?;
        let limit = usize::try_from(limit).unwrap_or(MAX_PAGE).clamp(1, MAX_PAGE);
        let span = Span::new(UnixMicros::MIN, UnixMicros::MAX);
        let query = ResultQuery { monitor: Some(monitor), span, limit, after };
        let page = self.history().results(&query).await.map_err(storage)?;
        let source = super::super::reads::source_of(&self.core.delivery);
        Ok(HistoryPage { source, monitors: Vec::new(), results: page.results, next: page.next }.into())
    }

    /// Incidents that touch a span, newest first: of one monitor or of all.
    ///
    /// # Errors
    /// No such monitor, or the store does not answer.
    pub async fn incidents(
        &self,
        id: Option<&str>,
        from: Millis,
        to: Millis,
        limit: u32,
    ) -> Result<IncidentPage, Failed> {
        let monitor = id.map(|id| self.monitor(id)).transpose()?.map(|monitor| monitor.id);
        let limit = usize::try_from(limit).unwrap_or(MAX_PAGE).clamp(1, MAX_PAGE);
        let span = Span::new(from.instant(), to.instant());
        let query = IncidentQuery { monitor, span, limit: limit + 1 };
        let history = self.history();
        let mut incidents = history.incidents(&query).await.map_err(storage)?;
        let more = incidents.len() > limit;
        incidents.truncate(limit);
        let monitors = history.monitors().await.map_err(storage)?.into_iter().map(MonitorName::from).collect();
        let source = super::super::reads::source_of(&self.core.delivery);
        Ok(IncidentList { source, monitors, incidents, more }.into())
    }
}
