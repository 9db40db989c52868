//! What the rooms say to each other through traits: schedule to record, record to the journal.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::event::{Event, Events};
use crate::journal::JournalWriter;
use crate::model::{GapReason, Row, UnixMicros};
use crate::record::{Recorder, RowSink};
use crate::schedule::{Checked, Next, Sink};

/// Rows of the recorder enter the journal.
#[derive(Debug)]
pub(super) struct ToJournal(pub(super) JournalWriter);

impl RowSink for ToJournal {
    fn push(&self, row: &Row) {
        self.0.push(row);
    }

    fn position(&self) -> u64 {
        // Exact, not just what is durable: what was pushed before must not be replayed over what was decided after it.
        let figures = self.0.figures();
        figures.next + figures.waiting_rows
    }
}

/// Checks of the scheduler become results.
#[derive(Debug)]
pub(super) struct ToRecorder {
    pub(super) recorder: Arc<Recorder>,
    pub(super) events: Events,
    /// Whether nothing is checked although something should be.
    pub(super) stuck: Arc<AtomicBool>,
}

impl Sink for ToRecorder {
    fn checked(&self, checked: Checked) -> Next {
        let Checked { monitor, time, duration_us, observation } = checked;
        Next { recheck_after: self.recorder.record(&monitor, time, duration_us, observation) }
    }

    fn gap_started(&self, at: UnixMicros, reason: GapReason) {
        tracing::warn!(%reason, since = %at, "nobody is looking");
        self.recorder.gap_started(at, reason);
    }

    fn gap_ended(&self, from: UnixMicros, to: UnixMicros, reason: GapReason) {
        tracing::warn!(%reason, %from, %to, "looking again");
        self.recorder.gap_ended(from, to, reason);
    }

    fn interrupted(&self) {
        self.recorder.interrupted();
    }

    fn watchdog(&self, stuck: bool) {
        self.stuck.store(stuck, Ordering::Relaxed);
        if stuck {
            tracing::error!("no check was done for two intervals");
        }
        self.events.send(Event::Watchdog { stuck });
    }
}
