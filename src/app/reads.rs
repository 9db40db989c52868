//! Reads of history, the same for a running core and for files.

use std::collections::HashMap;

use crate::control::{AnswerError, HistoryPage, IncidentList, MAX_PAGE, MonitorName, Source, UptimeList, find_monitor};
use crate::deliver::{Delivery, History};
use crate::model::{KnownMonitor, MonitorId, Span, UnixMicros, error_chain};
use crate::storage::{IncidentQuery, PageCursor, ReadRows, ResultQuery, StoreError, UptimeQuery, offer_of};

/// History and who is in it.
pub(super) struct Reads {
    pub(super) history: History,
    pub(super) source: Source,
    /// Those that are configured first, then those that were.
    pub(super) names: Vec<MonitorName>,
    /// How many of them are configured.
    pub(super) configured: usize,
}

/// Where a running core reads history, and what is missing there now.
pub(super) fn source_of(delivery: &Delivery) -> Source {
    let status = delivery.status();
    let keeps_history = offer_of(status.backend).is_some_and(|offer| offer.keeps_history);
    let note = (!delivery.history().complete()).then(|| match status.fault {
        Some(fault) => format!("only what waits in the journal: {fault}"),
        None => "the store is being opened; only what waits in the journal is shown".to_owned(),
    });
    Source { backend: status.backend.to_owned(), keeps_history, note, kept: Vec::new() }
}

impl From<KnownMonitor> for MonitorName {
    fn from(known: KnownMonitor) -> Self {
        let KnownMonitor { id, name, group, kind, target, .. } = known;
        Self { id, name, group, kind, target }
    }
}

fn fault(error: StoreError) -> AnswerError {
    AnswerError::Storage { what: error_chain(&error) }
}

impl Reads {
    /// Adds the monitors that only the store knows.
    pub(super) async fn with_known(mut self) -> Result<Self, AnswerError> {
        let known = self.history.monitors().await.map_err(fault)?;
        for monitor in known {
            if !self.names.iter().take(self.configured).any(|named| named.id == monitor.id) {
                self.names.push(monitor.into());
            }
        }
        Ok(self)
    }

    /// The monitor of a name or an id.
    pub(super) fn find(&self, name: &str) -> Result<MonitorId, AnswerError> {
        find_monitor(name, self.names.iter().map(|named| (named.id, named.name.as_str())))
    }

    /// Where an answer about this time was read, and what of it is elsewhere.
    fn source_for(&self, span: Span) -> Source {
        Source { kept: self.history.kept_elsewhere(span), ..self.source.clone() }
    }

    fn named(&self, ids: impl Iterator<Item = MonitorId>) -> Vec<MonitorName> {
        let by_id: HashMap<MonitorId, &MonitorName> = self.names.iter().map(|named| (named.id, named)).collect();
        let mut ids: Vec<MonitorId> = ids.collect();
        ids.sort_unstable();
        ids.dedup();
        ids.into_iter().filter_map(|id| by_id.get(&id).map(|named| (*named).clone())).collect()
    }

    pub(super) async fn history(
        self,
        monitor: Option<String>,
        span: Span,
        limit: usize,
        after: Option<PageCursor>,
    ) -> Result<HistoryPage, AnswerError> {
        let monitor = monitor.map(|name| self.find(&name)).transpose()?;
        let query = ResultQuery { monitor, span, limit: limit.clamp(1, MAX_PAGE), after };
        let page = self.history.results(&query).await.map_err(fault)?;
        let monitors = self.named(page.results.iter().map(|result| result.monitor));
        Ok(HistoryPage { source: self.source_for(span), monitors, results: page.results, next: page.next })
    }

    pub(super) async fn uptime(
        self,
        monitors: Vec<String>,
        span: Span,
        now: UnixMicros,
    ) -> Result<UptimeList, AnswerError> {
        let ids: Vec<MonitorId> = if monitors.is_empty() {
            self.names.iter().take(self.configured).map(|named| named.id).collect()
        } else {
            monitors.iter().map(|name| self.find(name)).collect::<Result<_, _>>()?
        };
        let query = UptimeQuery { monitors: ids.clone(), span, now };
        let uptimes = self.history.uptime(&query).await.map_err(fault)?;
        let monitors = self.named(ids.into_iter());
        Ok(UptimeList { source: self.source_for(span), monitors, uptimes })
    }

    pub(super) async fn incidents(
        self,
        monitor: Option<String>,
        span: Span,
        limit: usize,
    ) -> Result<IncidentList, AnswerError> {
        let monitor = monitor.map(|name| self.find(&name)).transpose()?;
        let limit = limit.clamp(1, MAX_PAGE);
        let query = IncidentQuery { monitor, span, limit: limit + 1 };
        let mut incidents = self.history.incidents(&query).await.map_err(fault)?;
        let more = incidents.len() > limit;
        incidents.truncate(limit);
        let monitors = self.named(incidents.iter().map(|incident| incident.monitor));
        Ok(IncidentList { source: self.source_for(span), monitors, incidents, more })
    }
}
