//! The board and what changed on it; what a person does with monitors.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;

use super::Screens;
use crate::app::answers::faults_of;
use crate::app::core::{Core, lock};
use crate::clock::Mono;
use crate::event::Event;
use crate::model::{Acknowledgement, IncidentId, MonitorId, UnixMicros};
use crate::record;
use crate::screen::{
    Board, BoardChange, BoardRow, Failed, Fault, Millis, OwnGap, StorageHealth, Summary, Words, order_of, row_of,
};
use crate::storage::offer_of;

/// Changes come at most this often.
const PACE: Duration = Duration::from_millis(250);
/// How long is waited for the disk where something should be found at once.
const SOON: Duration = Duration::from_millis(500);
/// A store that takes nothing for less than that is no news, in microseconds.
const BLIP_US: u64 = 60_000_000;
/// Rows of which the next check is looked up one by one; for more of them all are looked up at once.
const FEW: usize = 64;

/// Waits for changes of the board, for whoever shows it.
#[derive(Debug)]
pub struct Interest {
    screens: Screens,
    events: Receiver<Event>,
    seen: u64,
    told: Option<Summary>,
    told_at: Option<Mono>,
}

impl Interest {
    /// The next change. At most four come in a second, each with all that happened since the last; a change of state
    /// is not held back longer than that.
    pub async fn next(&mut self) -> BoardChange {
        let clock = Arc::clone(&self.screens.core.clock);
        if let Some(told_at) = self.told_at {
            tokio::time::sleep(PACE.saturating_sub(clock.mono().since(told_at))).await;
        }
        loop {
            let change = self.screens.change_since(self.seen);
            let news = !change.rows.is_empty()
                || change.order.is_some()
                || !self.told.as_ref().is_some_and(|told| same(told, &change.summary));
            if news {
                self.seen = change.revision;
                self.told = Some(change.summary.clone());
                self.told_at = Some(clock.mono());
                return change;
            }
            tokio::select! {
                // Lagging behind is as good a reason to look as an event; nobody there to send is none.
                event = self.events.recv() => if matches!(event, Err(RecvError::Closed)) {
                    tokio::time::sleep(PACE).await;
                },
                () = tokio::time::sleep(PACE) => {}
            }
        }
    }
}

/// What a backend is called.
fn name_of(backend: &str) -> Words {
    let offer = offer_of(backend);
    offer.map_or_else(|| Words { en: backend.to_owned(), de: backend.to_owned() }, |offer| offer.face.name.into())
}

/// Whether two summaries say the same, but for the time.
fn same(a: &Summary, b: &Summary) -> bool {
    let storage = |summary: &Summary| StorageHealth { last_write_ms: None, ..summary.storage.clone() };
    (a.counts, a.open_incidents, a.gap, &a.faults) == (b.counts, b.open_incidents, b.gap, &b.faults)
        && a.muted_until_ms == b.muted_until_ms
        && storage(a) == storage(b)
}

impl Screens {
    /// Everything as it is now.
    #[must_use]
    pub fn board(&self) -> Board {
        let change = self.change_since(0);
        Board { revision: change.revision, rows: change.rows, summary: change.summary }
    }

    /// The core's wall clock.
    #[must_use]
    pub fn now(&self) -> UnixMicros {
        self.core.clock.wall()
    }

    /// Waits for changes after a revision.
    #[must_use]
    pub fn interest(&self, revision: u64) -> Interest {
        let events = self.core.events.listen();
        Interest { screens: self.clone(), events, seen: revision, told: None, told_at: None }
    }

    /// What changed after a revision.
    #[must_use]
    pub fn change_since(&self, revision: u64) -> BoardChange {
        let change = self.core.recorder.board().change_since(revision);
        BoardChange {
            revision: change.revision,
            rows: self.rows(change.rows),
            order: change.order.map(order_of),
            summary: self.summary(),
        }
    }

    fn rows(&self, rows: Vec<record::BoardRow>) -> Vec<BoardRow> {
        if rows.len() <= FEW {
            return rows
                .into_iter()
                .map(|row| {
                    let next = self.core.runner.next_check(row.monitor.id);
                    row_of(row, next)
                })
                .collect();
        }
        let next: std::collections::HashMap<_, _> = self.core.runner.next_checks().into_iter().collect();
        rows.into_iter()
            .map(|row| {
                let next = next.get(&row.monitor.id).copied();
                row_of(row, next)
            })
            .collect()
    }

    /// The whole of it in a few figures.
    #[must_use]
    pub fn summary(&self) -> Summary {
        let core = &self.core;
        let board = core.recorder.board();
        let delivery = core.delivery.status();
        let source = self.source();
        Summary {
            counts: board.counts().into(),
            open_incidents: u32::try_from(board.open_incidents()).unwrap_or(u32::MAX),
            gap: board.gap().map(|gap| OwnGap { reason: gap.reason, since_ms: gap.span.from.into() }),
            faults: faults_of(core, BLIP_US)
                .into_iter()
                .map(|fault| Fault { of: fault.of, what: fault.what })
                .collect(),
            storage: StorageHealth {
                name: name_of(&source.backend),
                backend: source.backend,
                keeps_history: source.keeps_history,
                last_write_ms: delivery.last_write.map(Millis::from),
                backlog_rows: if delivery.fault.is_some() { delivery.backlog_rows } else { 0 },
            },
            muted_until_ms: self.muted_until().map(Millis::from),
            now_ms: core.clock.wall().into(),
        }
    }

    /// Checks monitors now, besides the schedule; none named means all.
    ///
    /// # Errors
    /// One of them is not there.
    pub fn check_now(&self, ids: &[String]) -> Result<(), Failed> {
        self.core.runner.check_now(&self.monitors(ids)?);
        Ok(())
    }

    /// Pauses monitors until a time, or until they are resumed; none named means all that are not paused yet.
    ///
    /// # Errors
    /// One of them is not there, or the time has passed.
    pub async fn pause(&self, ids: &[String], until: Option<Millis>) -> Result<(), Failed> {
        let all = ids.is_empty();
        let mut ids = self.monitors(ids)?;
        let until = until.map(Millis::instant);
        if until.is_some_and(|until| until <= self.core.clock.wall()) {
            return Err(Failed::BadRequest { why: "the end of the pause has passed already".to_owned() });
        }
        if all {
            // Whatever a person paused before stays as they wanted it.
            let paused = self.core.recorder.board().paused();
            ids.retain(|id| !paused.contains(id));
            lock(&self.core.paused_together).clone_from(&ids);
        }
        self.steer(move |core| core.pause(&ids, until)).await
    }

    /// Ends pauses; none named means those that were paused all together, or every one where there are none.
    ///
    /// # Errors
    /// One of them is not there.
    pub async fn resume(&self, ids: &[String]) -> Result<(), Failed> {
        let all = ids.is_empty();
        let mut ids: Vec<MonitorId> = self.monitors(ids)?;
        if all {
            let together = std::mem::take(&mut *lock(&self.core.paused_together));
            let paused = self.core.recorder.board().paused();
            if together.iter().any(|id| paused.contains(id)) {
                ids.retain(|id| together.contains(id));
            }
        }
        self.steer(move |core| core.resume(&ids)).await
    }

    /// A person has seen an open incident.
    ///
    /// # Errors
    /// There is no such open incident.
    pub async fn acknowledge(&self, incident: &str, note: &str) -> Result<(), Failed> {
        let unknown = || Failed::BadRequest { why: "there is no such open incident; it may have ended".to_owned() };
        let id: IncidentId = incident.parse().map_err(|_| unknown())?;
        let by = self.core.presence.instance().name;
        let seen = Acknowledgement { by, at: self.core.clock.wall(), note: note.to_owned() };
        if !self.core.recorder.acknowledge(id, seen) {
            return Err(unknown());
        }
        // Whoever reads it next finds it.
        self.steer(|core| _ = core.delivery.journal().flush(SOON)).await
    }

    /// Nobody is told of changes until a time; none: from now on everybody is.
    pub fn mute(&self, until: Option<Millis>) {
        *lock(&self.core.muted_until) = until.map(Millis::instant);
    }

    /// Until when nobody is told of changes.
    #[must_use]
    pub fn muted_until(&self) -> Option<UnixMicros> {
        lock(&self.core.muted_until).filter(|until| *until > self.core.clock.wall())
    }

    /// Does something where writing is allowed to take its time.
    async fn steer(&self, action: impl FnOnce(&Core) + Send + 'static) -> Result<(), Failed> {
        let core = Arc::clone(&self.core);
        let done = tokio::task::spawn_blocking(move || action(&core)).await;
        done.map_err(|error| Failed::Internal { why: error.to_string() })
    }
}
