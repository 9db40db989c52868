//! Encoded rows that wait to be written, bounded.

use std::collections::VecDeque;

use super::record::{FRAME, encode, kind, payload_len};
use crate::model::Row;

/// Bytes of a full chunk.
const CHUNK: usize = 256 * 1024;

#[derive(Debug, Default)]
struct Chunk {
    bytes: Vec<u8>,
    rows: u64,
    results: u64,
}

/// Rows in the order they came, encoded, in chunks that are handed on whole.
#[derive(Debug, Default)]
pub(super) struct Backlog {
    chunks: VecDeque<Chunk>,
    bytes: usize,
    /// Empty buffers for the next rows, so that steady work allocates nothing.
    spare: Vec<Vec<u8>>,
}

/// Chunks that were taken out to be written.
#[derive(Debug, Default)]
pub(super) struct Taken {
    /// Encoded rows.
    pub(super) buffers: Vec<Vec<u8>>,
    /// How many rows and results each holds.
    counts: Vec<(u64, u64)>,
}

impl Taken {
    /// Rows in all.
    pub(super) fn rows(&self) -> u64 {
        self.counts.iter().map(|(rows, _)| rows).sum()
    }

    /// Bytes in all.
    pub(super) fn bytes(&self) -> usize {
        self.buffers.iter().map(Vec::len).sum()
    }
}

impl Backlog {
    /// Adds a row; false when it is too large to be journaled.
    pub(super) fn push(&mut self, row: &Row) -> bool {
        if self.chunks.back().is_none_or(|chunk| chunk.bytes.len() >= CHUNK) {
            let bytes = self.spare.pop().unwrap_or_default();
            self.chunks.push_back(Chunk { bytes, rows: 0, results: 0 });
        }
        let Some(chunk) = self.chunks.back_mut() else { return false };
        let before = chunk.bytes.len();
        if !encode(row, &mut chunk.bytes) {
            return false;
        }
        self.bytes += chunk.bytes.len() - before;
        chunk.rows += 1;
        chunk.results += u64::from(matches!(row, Row::Result(_)));
        true
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(super) fn rows(&self) -> u64 {
        self.chunks.iter().map(|chunk| chunk.rows).sum()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.bytes == 0
    }

    /// Takes whole chunks from the front, about `limit` bytes.
    pub(super) fn take(&mut self, limit: usize) -> Taken {
        let mut taken = Taken::default();
        let mut bytes = 0;
        while bytes < limit
            && let Some(chunk) = self.chunks.pop_front()
        {
            bytes += chunk.bytes.len();
            self.bytes -= chunk.bytes.len();
            if chunk.rows > 0 {
                taken.counts.push((chunk.rows, chunk.results));
                taken.buffers.push(chunk.bytes);
            }
        }
        taken
    }

    /// Puts back at the front what could not be written.
    pub(super) fn put_back(&mut self, taken: Taken) {
        self.bytes += taken.bytes();
        for (bytes, (rows, results)) in taken.buffers.into_iter().zip(taken.counts).rev() {
            self.chunks.push_front(Chunk { bytes, rows, results });
        }
    }

    /// Keeps the buffers of what was written for the next rows.
    pub(super) fn reuse(&mut self, taken: Taken) {
        for mut buffer in taken.buffers {
            if self.spare.len() < 2 && buffer.capacity() <= 2 * CHUNK {
                buffer.clear();
                self.spare.push(buffer);
            }
        }
    }

    /// Drops the oldest results, a chunk at a time, until at most `limit` bytes are left; other rows are never
    /// dropped. Gives the number of dropped results.
    pub(super) fn shed(&mut self, limit: usize) -> u64 {
        let mut dropped = 0;
        for chunk in &mut self.chunks {
            if self.bytes <= limit {
                break;
            }
            if chunk.results > 0 {
                let before = chunk.bytes.len();
                keep_all_but_results(&mut chunk.bytes);
                self.bytes -= before - chunk.bytes.len();
                dropped += chunk.results;
                chunk.rows -= chunk.results;
                chunk.results = 0;
            }
        }
        self.chunks.retain(|chunk| chunk.rows > 0);
        dropped
    }
}

fn keep_all_but_results(bytes: &mut Vec<u8>) {
    let (mut read, mut write) = (0, 0);
    while let Some(length) = bytes.get(read..).and_then(payload_len) {
        let end = (read + FRAME + length).min(bytes.len());
        if bytes.get(read + FRAME) != Some(&kind::RESULT) {
            bytes.copy_within(read..end, write);
            write += end - read;
        }
        read = end;
    }
    bytes.truncate(write);
    bytes.shrink_to_fit();
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::fixture;
    use crate::journal::record::{decode, payloads};

    #[test]
    fn only_the_oldest_results_are_shed() {
        let mut backlog = Backlog::default();
        let mut results = 0;
        while backlog.bytes() < 3 * CHUNK {
            backlog.push(&fixture::result(1, results));
            results += 1;
            if results == 10 {
                fixture::one_of_each().iter().skip(1).for_each(|row| assert!(backlog.push(row)));
            }
        }
        let dropped = backlog.shed(2 * CHUNK);
        assert!(dropped > 0 && backlog.bytes() <= 2 * CHUNK);
        let taken = backlog.take(usize::MAX);
        let rows: Vec<Row> = taken
            .buffers
            .iter()
            .flat_map(|buffer| payloads(buffer).map(|payload| decode(payload).expect("decodes")).collect::<Vec<_>>())
            .collect();
        assert_eq!(rows.len() as u64, taken.rows());
        assert_eq!(rows[..5], fixture::one_of_each()[1..]);
        assert_eq!(rows[5], fixture::result(1, dropped));
        assert_eq!(rows.len() as u64, results - dropped + 5);
    }

    #[test]
    fn what_is_put_back_keeps_its_place() {
        let mut backlog = Backlog::default();
        backlog.push(&fixture::result(1, 1));
        let taken = backlog.take(usize::MAX);
        backlog.push(&fixture::result(1, 2));
        backlog.put_back(taken);
        let all = backlog.take(usize::MAX);
        let rows: Vec<Row> =
            all.buffers.iter().flat_map(|b| payloads(b)).map(|p| decode(p).expect("decodes")).collect();
        assert_eq!(rows, [fixture::result(1, 1), fixture::result(1, 2)]);
        assert!(backlog.is_empty());
    }
}
