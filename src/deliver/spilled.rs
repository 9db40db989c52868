//! Rows that are in the journal's files only, read in batches while the one before is being delivered.

use std::sync::Arc;

use super::head::share_of;
use super::shared::{Shared, lock};
use super::steps::{Steps, steps};
use crate::journal::{JournalError, Reader, peek};
use crate::storage::Capabilities;

/// Reads what a store has not got of the journal's files, strictly in order.
pub(super) struct Spilled {
    shared: Arc<Shared>,
    reader: Reader,
    abilities: Capabilities,
    from: u64,
    until: u64,
}

/// Some of it.
pub(super) struct Part {
    pub(super) steps: Steps,
    /// Number after the last row that was looked at.
    pub(super) below: u64,
    /// Nothing comes after it.
    pub(super) is_last: bool,
}

impl Spilled {
    /// What is to be read now, if there is anything.
    pub(super) fn of(shared: &Arc<Shared>, abilities: Capabilities) -> Option<Self> {
        let (from, until) = shared.spilled()?;
        let reader = Reader::new(&shared.folder, from, Some(until), true);
        Some(Self { shared: Arc::clone(shared), reader, abilities, from, until })
    }

    /// The next part. Reads and decodes: not for a thread on which something waits.
    pub(super) fn next(&mut self) -> Result<Part, JournalError> {
        let hint = self.abilities.delivery;
        let mut ends: Vec<(u64, usize)> = Vec::new();
        let mut bytes: Vec<u8> = Vec::new();
        let mut is_last = false;
        while ends.len() < hint.max_rows.max(1) {
            let Some((number, payload)) = self.reader.next_payload()? else {
                is_last = true;
                break;
            };
            let share = peek(payload).map(|seen| share_of(seen.monitor));
            if share.is_some_and(|share| lock(&self.shared.head).is_spilled(share, number)) {
                bytes.extend_from_slice(payload);
                ends.push((number, bytes.len()));
            }
        }
        if let Some((last, _)) = ends.last() {
            self.from = last + 1;
        }
        let below = if is_last { self.until } else { self.from };
        let mut begin = 0;
        let rows = ends.iter().map(|(number, end)| (*number, &bytes[std::mem::replace(&mut begin, *end)..*end]));
        Ok(Part { steps: steps(rows, hint.slices > 1, self.abilities.keeps_history), below, is_last })
    }
}
