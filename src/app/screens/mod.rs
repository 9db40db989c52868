//! What a window may ask of the running core, one call a question. Nothing here knows what a window is.
//!
//! | file | subject |
//! |---|---|
//! | `live.rs` | the board and what changed on it; pauses, checks now, acknowledgements |
//! | `days.rs` | figures over days, of one monitor and of all |
//! | `day_times.rs` | how long monitors were up and down on days |
//! | `local_day.rs` | days of the local zone, and the hours in them |
//! | `rows.rs` | what the rows of the table show besides their state |
//! | `chart.rs` | one monitor over time |
//! | `diagnostics.rs` | what helps to find a fault, without secrets |
//! | `form.rs` | forms of monitors, saved into the configuration file; first run |
//! | `storage/` | where history is kept: cards, forms, a look, the change |
//! | `page.rs` | one monitor's page, results, incidents |

mod chart;
mod day_times;
mod days;
mod diagnostics;
mod form;
mod live;
mod local_day;
mod page;
mod rows;
mod storage;

use std::sync::{Arc, Mutex};

pub use self::chart::chart_of;
pub use self::days::days_of;
pub use self::live::Interest;
pub use self::rows::rows_of;

use self::days::FleetDays;
use self::storage::{Looking, Pasted, Unlocks};
use super::core::Core;
use crate::deliver::History;
use crate::model::{Monitor, MonitorId, Span, UnixMicros};
use crate::screen::{Failed, HistorySource};
use crate::storage::StoreError;

/// Most monitors in one question.
const MOST_IDS: usize = 500;

/// Answers a window's questions. Clones share what they remember.
#[derive(Clone, Debug)]
pub struct Screens {
    core: Arc<Core>,
    fleet: Arc<FleetDays>,
    /// Secrets of addresses that somebody pasted.
    pasted: Arc<Mutex<Pasted>>,
    /// The look at a store that is going on.
    looking: Arc<Mutex<Looking>>,
    /// Held by a look, and by what must not happen beside one.
    look_turn: Arc<tokio::sync::Mutex<()>>,
    /// The question to unlock the keychain that is on the screen.
    unlocks: Arc<Mutex<Unlocks>>,
}

impl Screens {
    pub(super) fn new(core: Arc<Core>) -> Self {
        Self {
            core,
            fleet: Arc::default(),
            pasted: Arc::default(),
            looking: Arc::default(),
            look_turn: Arc::default(),
            unlocks: Arc::default(),
        }
    }

    fn history(&self) -> History {
        self.core.delivery.history()
    }

    /// Whether reads of history have everything: the store is open, and what it has not got is within reach.
    #[must_use]
    pub fn history_is_whole(&self) -> bool {
        self.history().complete()
    }

    /// Where history is read, and what of all of it cannot be read now.
    fn source(&self) -> HistorySource {
        let mut source = super::reads::source_of(&self.core.delivery);
        source.kept = self.core.delivery.history().kept_elsewhere(Span::new(UnixMicros::MIN, UnixMicros::MAX));
        source.into()
    }

    /// The configured monitor with this id.
    fn monitor(&self, id: &str) -> Result<Arc<Monitor>, Failed> {
        let unknown = || Failed::UnknownMonitor { name: crate::model::clean_text(id, 100) };
        let id: MonitorId = id.parse().map_err(|_| unknown())?;
        self.core.recorder.board().row(id).map(|row| row.monitor).ok_or_else(unknown)
    }

    /// The ids of configured monitors; an empty list means all of them.
    fn monitors(&self, ids: &[String]) -> Result<Vec<MonitorId>, Failed> {
        if ids.is_empty() {
            return Ok(self.core.recorder.board().ids());
        }
        ids.iter().map(|id| self.monitor(id).map(|monitor| monitor.id)).collect()
    }
}

fn storage(error: StoreError) -> Failed {
    Failed::Storage { what: crate::model::error_chain(&error) }
}

fn too_many(count: usize) -> Result<(), Failed> {
    if count > MOST_IDS {
        return Err(Failed::BadRequest { why: format!("{count} monitors at once; {MOST_IDS} are the most") });
    }
    Ok(())
}
