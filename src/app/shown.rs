//! What the board shows, as an answer: the same for a running core and for files.

use crate::control::{MonitorStatus, Recent};
use crate::model::{State, UnixMicros};
use crate::record::BoardRow;

/// What one row of the board is as an answer.
pub(super) fn monitor_status(row: &BoardRow, next_check: Option<UnixMicros>) -> MonitorStatus {
    let monitor = &row.monitor;
    let last = row.last.as_ref();
    let message = row.pending_reason.as_deref().or(last.map(|last| &*last.message)).unwrap_or_default();
    MonitorStatus {
        id: monitor.id,
        name: monitor.name.as_str().into(),
        group: monitor.group.as_str().into(),
        kind: monitor.kind.into(),
        target: monitor.target.as_str().into(),
        interval_us: u64::try_from(monitor.interval.as_micros()).unwrap_or(u64::MAX),
        state: row.state,
        since: (row.state != State::Pending || row.pending_reason.is_some()).then_some(row.since),
        verdict: last.map(|last| last.verdict),
        failure: last.and_then(|last| last.failure),
        message: message.into(),
        last_check: last.map(|last| last.time),
        duration_us: last.map(|last| last.duration_us),
        next_check,
        stale: row.stale,
        paused_until: row.paused_until,
        incident: row.incident,
        recent: row
            .spark
            .iter()
            .map(|point| Recent { verdict: point.verdict, duration_us: point.duration_us })
            .collect(),
    }
}
