//! Rows that are durable in the journal and not yet in the backend: their encoded bytes, compact, in memory.

use std::collections::VecDeque;
use std::ops::Range;

use crate::journal::{Cursor, kind, peek};
use crate::model::{MonitorId, UnixMicros};

/// The monitors are divided by hash into this many shares; a share is what is read and delivered together.
pub(super) const SHARES: usize = 64;
/// Bytes of a full block.
const BLOCK: usize = 8 * 1024;
/// Bytes before each row in a block: its number relative to the block's first, and its length.
const ENTRY: usize = 8;

/// Which share a monitor's rows are in.
pub(super) fn share_of(monitor: MonitorId) -> usize {
    let id = monitor.uuid().as_u128();
    #[allow(clippy::cast_possible_truncation, reason = "both halves of the id are folded")]
    let folded = (id as u64) ^ ((id >> 64) as u64);
    #[allow(clippy::cast_possible_truncation, reason = "six bits")]
    let share = (folded.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 58) as usize;
    share
}

#[derive(Debug)]
struct Block {
    first: u64,
    last: u64,
    bytes: Vec<u8>,
    /// Offset of the first row that is still here.
    start: usize,
}

impl Block {
    fn entries(&self) -> impl Iterator<Item = (u64, &[u8])> {
        let mut at = self.start;
        std::iter::from_fn(move || {
            let (ahead, length) = header(self.bytes.get(at..)?)?;
            let payload = self.bytes.get(at + ENTRY..at + ENTRY + length)?;
            at += ENTRY + length;
            Some((self.first + ahead, payload))
        })
    }

    /// Drops rows numbered below `number` from the front; gives their bytes.
    fn drop_below(&mut self, number: u64) -> usize {
        let before = self.start;
        while let Some((ahead, length)) = self.bytes.get(self.start..).and_then(header) {
            if self.first + ahead >= number {
                break;
            }
            self.start += ENTRY + length;
        }
        self.start - before
    }
}

fn header(entry: &[u8]) -> Option<(u64, usize)> {
    let ahead = u32::from_le_bytes(entry.get(..4)?.try_into().ok()?);
    let length = u32::from_le_bytes(entry.get(4..8)?.try_into().ok()?);
    Some((u64::from(ahead), usize::try_from(length).ok()?))
}

#[derive(Debug, Default)]
struct Share {
    blocks: VecDeque<Block>,
}

impl Share {
    fn front(&self) -> Option<(u64, &[u8])> {
        self.blocks.front().and_then(|block| block.entries().next())
    }

    fn push(&mut self, number: u64, payload: &[u8]) {
        let Ok(length) = u32::try_from(payload.len()) else { return };
        let fits = |block: &Block| {
            block.bytes.len() + ENTRY + payload.len() <= BLOCK && u32::try_from(number - block.first).is_ok()
        };
        if !self.blocks.back().is_some_and(fits) {
            self.blocks.push_back(Block { first: number, last: number, bytes: Vec::new(), start: 0 });
        }
        let Some(block) = self.blocks.back_mut() else { return };
        #[allow(clippy::cast_possible_truncation, reason = "checked above")]
        let ahead = (number - block.first) as u32;
        block.bytes.extend_from_slice(&ahead.to_le_bytes());
        block.bytes.extend_from_slice(&length.to_le_bytes());
        block.bytes.extend_from_slice(payload);
        block.last = number;
    }

    fn drop_below(&mut self, number: u64) -> usize {
        let mut dropped = 0;
        while let Some(block) = self.blocks.front_mut() {
            if block.last >= number {
                dropped += block.drop_below(number);
                break;
            }
            dropped += block.bytes.len() - block.start;
            self.blocks.pop_front();
        }
        dropped
    }
}

/// The undelivered rows. Those numbered from `mem_from` on are here; older ones, when there are any, are in the
/// journal's files only (`spilled`).
#[derive(Debug)]
pub(super) struct Head {
    shares: Vec<Share>,
    /// For each share the number of the first row that may be undelivered; exact only while rows are spilled.
    delivered: Vec<u64>,
    /// Numbers that are rows of other stores, in order; the last one has no end when this store gets no more.
    holes: Vec<Range<u64>>,
    spilled: bool,
    mem_from: u64,
    /// Number after the last row.
    next: u64,
    bytes: usize,
    rows: u64,
    /// About when the oldest spilled row was made.
    spilled_since: Option<UnixMicros>,
    /// Grows whenever rows leave, so that a reader notices.
    generation: u64,
}

impl Head {
    /// A head whose rows below `next` are in the journal only, as far as they are not delivered.
    pub(super) fn new(cursor: &Cursor, next: u64) -> Self {
        let mut head = Self {
            shares: (0..SHARES).map(|_| Share::default()).collect(),
            delivered: Vec::new(),
            holes: Vec::new(),
            spilled: false,
            mem_from: next,
            next,
            bytes: 0,
            rows: 0,
            spilled_since: None,
            generation: 0,
        };
        head.set_cursor(cursor);
        head
    }

    /// A head that never had a row.
    pub(super) fn nothing(next: u64) -> Self {
        let cursor = Cursor {
            contact: String::new(),
            store: None,
            delivered: vec![next; SHARES],
            until: Some(next),
            holes: Vec::new(),
        };
        Self::new(&cursor, next)
    }

    /// Takes over a store's cursor, before anything was delivered to it.
    pub(super) fn set_cursor(&mut self, cursor: &Cursor) {
        self.holes.clone_from(&cursor.holes);
        self.holes.extend(cursor.until.map(|until| until..u64::MAX));
        self.delivered.clone_from(&cursor.delivered);
        self.delivered.resize(SHARES, 0);
        let limit = self.limit();
        self.spilled = self.delivered.iter().any(|number| *number < limit);
    }

    /// Rows from this number on are another store's.
    pub(super) fn end(&mut self, at: u64) {
        self.next = at;
        // A cursor that was taken over in the middle of the switch tells so already.
        if self.holes.last().is_none_or(|hole| hole.end != u64::MAX) {
            self.holes.push(at..u64::MAX);
        }
    }

    /// Rows from this number on are this store's again.
    pub(super) fn resume(&mut self, at: u64) {
        self.next = at;
        if let Some(hole) = self.holes.last_mut().filter(|hole| hole.end == u64::MAX) {
            hole.end = at;
        }
        self.holes.retain(|hole| !hole.is_empty());
    }

    /// Rows from this number on are in memory.
    pub(super) fn mem_from(&self) -> u64 {
        self.mem_from
    }

    /// Number after the last row of this store that is in the journal only.
    fn limit(&self) -> u64 {
        let end = self.holes.last().filter(|hole| hole.end == u64::MAX).map_or(u64::MAX, |hole| hole.start);
        self.mem_from.min(end)
    }

    /// Whether a number is a row of another store.
    pub(super) fn is_others(&self, number: u64) -> bool {
        self.holes.iter().any(|hole| hole.contains(&number))
    }

    /// Adds a durable row; numbers only grow.
    pub(super) fn push(&mut self, number: u64, payload: &[u8]) {
        self.next = number + 1;
        let Some(peek) = peek(payload) else { return };
        self.shares[share_of(peek.monitor)].push(number, payload);
        self.bytes += ENTRY + payload.len();
        self.rows += 1;
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Rows in memory.
    pub(super) fn rows(&self) -> u64 {
        self.rows
    }

    pub(super) fn generation(&self) -> u64 {
        self.generation
    }

    /// The numbers of rows that are undelivered but no longer in memory: from the first to just before the last.
    pub(super) fn spilled(&self) -> Option<(u64, u64)> {
        let from = self.delivered.iter().copied().min().unwrap_or(0);
        (self.spilled && from < self.limit()).then_some((from, self.limit()))
    }

    /// Whether a row of a share is undelivered and in the journal's files only.
    pub(super) fn is_spilled(&self, share: usize, number: u64) -> bool {
        self.spilled && number < self.mem_from && number >= self.delivered[share] && !self.is_others(number)
    }

    /// Rows that are not delivered; an upper bound while rows are spilled.
    pub(super) fn undelivered_rows(&self) -> u64 {
        let own = |(from, to): (u64, u64)| {
            let others = self.holes.iter().map(|hole| hole.end.min(to).saturating_sub(hole.start.max(from)));
            (to - from).saturating_sub(others.sum())
        };
        self.rows + self.spilled().map_or(0, own)
    }

    /// About when the oldest undelivered row was made.
    pub(super) fn oldest(&self) -> Option<UnixMicros> {
        if let Some(since) = self.spilled_since.filter(|_| self.spilled) {
            return Some(since);
        }
        // A monitor's own row has no time.
        let first = |share: &Share| {
            share.blocks.iter().flat_map(Block::entries).take(8).find_map(|(_, payload)| peek(payload)?.time)
        };
        self.shares.iter().filter_map(first).min()
    }

    /// Tells about when the oldest row was made that is in files only, where that is not known.
    pub(super) fn set_spilled_since(&mut self, since: Option<UnixMicros>) {
        self.spilled_since = self.spilled_since.or(since);
    }

    /// For each share the number of the first undelivered row.
    pub(super) fn delivered(&self) -> Vec<u64> {
        if self.spilled {
            return self.delivered.clone();
        }
        self.shares.iter().map(|share| share.front().map_or(self.next, |(number, _)| number)).collect()
    }

    /// The oldest rows of every `groups`-th share from `group` on, by number, at most `limit`.
    pub(super) fn oldest_rows(&self, group: usize, groups: usize, limit: usize) -> Vec<(u64, &[u8])> {
        let shares = || self.shares.iter().skip(group).step_by(groups.max(1));
        let Some(first) = shares().filter_map(|share| Some(share.front()?.0)).min() else { return Vec::new() };
        // Numbers are dense, so rows far beyond cannot be among the oldest; with few shares none is left out.
        let window = if groups == 1 { limit as u64 } else { u64::MAX - first };
        let mut rows: Vec<(u64, &[u8])> = shares()
            .flat_map(|share| share.blocks.iter().flat_map(Block::entries).take_while(|(n, _)| *n - first < window))
            .collect();
        rows.sort_unstable_by_key(|(number, _)| *number);
        rows.truncate(limit);
        rows
    }

    /// Rows of these shares numbered below `below` are in the store.
    pub(super) fn set_delivered_below(&mut self, group: usize, groups: usize, below: u64) {
        for share in (group..SHARES).step_by(groups.max(1)) {
            let count =
                self.shares[share].blocks.iter().flat_map(Block::entries).take_while(|(n, _)| *n < below).count();
            self.rows -= count as u64;
            self.bytes -= self.shares[share].drop_below(below);
            self.delivered[share] = self.delivered[share].max(below);
        }
        self.generation += 1;
        let limit = self.limit();
        if self.spilled && self.delivered.iter().all(|number| *number >= limit) {
            self.spilled = false;
            self.spilled_since = None;
        }
    }

    /// Leaves the oldest rows to the journal's files until at most `limit` bytes are in memory.
    pub(super) fn spill(&mut self, limit: usize) {
        if self.bytes <= limit {
            return;
        }
        let oldest = self.oldest();
        if !self.spilled {
            self.delivered = self.delivered();
            self.spilled = true;
        }
        let blocks = self.shares.iter().flat_map(|share| &share.blocks);
        let mut blocks: Vec<(u64, usize)> = blocks.map(|block| (block.last, block.bytes.len() - block.start)).collect();
        blocks.sort_unstable();
        let mut left = self.bytes;
        for (last, bytes) in blocks {
            if left <= limit {
                break;
            }
            left = left.saturating_sub(bytes);
            self.mem_from = self.mem_from.max(last + 1);
        }
        for share in &mut self.shares {
            self.bytes -= share.drop_below(self.mem_from);
        }
        self.rows = self.shares.iter().flat_map(|share| share.blocks.iter().flat_map(Block::entries)).count() as u64;
        self.spilled_since = self.spilled_since.or(oldest);
        self.generation += 1;
    }

    /// Goes through the rows in memory, of one share or of all; the rows of one monitor come in their order.
    pub(super) fn visit(&self, share: Option<usize>, mut visit: impl FnMut(u64, &[u8])) {
        let range = share.map_or(0..SHARES, |share| share..share + 1);
        for share in &self.shares[range] {
            for (number, payload) in share.blocks.iter().flat_map(Block::entries) {
                visit(number, payload);
            }
        }
    }

    /// Whether a row is a monitor's last word.
    pub(super) fn is_forget(payload: &[u8]) -> bool {
        payload.first() == Some(&kind::FORGET)
    }
}
