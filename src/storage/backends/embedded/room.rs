//! What takes the room of a store, told without reading all of it: sealed files by their kind, and of the live file what a
//! few of its monitors have, as if all had as much.

use super::fault::Outcome;
use super::frame::{self, Kind};
use super::read::Reader;
use super::record::{Block, Number, Record, RollupChunk, all_of, chunk_key};
use super::sealed::Family;
use super::table::{Keys, Tables};
use crate::model::{Tier, UnixMicros};
use crate::storage::SizeParts;

/// Monitors that are looked at.
const SOME: usize = 16;
/// Rows of each of them in a table.
const ROWS: u64 = 16;
/// What a row takes besides its value: its key and the engine's own.
const ROW: u64 = 32;

/// Rows and their bytes.
#[derive(Debug, Clone, Copy, Default)]
struct Seen {
    rows: u64,
    bytes: u64,
}

impl Seen {
    fn look<T: Record>(&mut self, tables: &impl Tables, keys: Keys) -> Outcome<()> {
        let enough = self.rows + ROWS;
        tables.each_in::<T>(keys, false, |_, value| {
            self.rows += 1;
            self.bytes += value.len() as u64 + ROW;
            Ok(self.rows < enough)
        })
    }

    /// As many bytes as all rows would have if `of` of them had these.
    fn of_all(&self, all: u64, of: u64) -> u64 {
        self.bytes.saturating_mul(all).checked_div(of).unwrap_or(0)
    }
}

/// What is what of the sealed files and of a live file of so many bytes.
pub(super) fn parts(reader: &Reader<'_>, live: u64) -> Outcome<SizeParts> {
    let sealed = |family| -> u64 {
        let files = reader.files.iter().filter(|file| file.family == family);
        files.map(|file| file.bytes).sum()
    };
    let (results, [five_minutes, hour, day]) = live_parts(reader)?;
    let told = results + five_minutes + hour + day;
    // What is reckoned from some must not be more than there is.
    let part = |bytes: u64| if told > live { bytes.saturating_mul(live) / told } else { bytes };
    Ok(SizeParts {
        results: Some(sealed(Family::Results) + part(results)),
        five_minutes: Some(sealed(Family::FiveMinutes) + part(five_minutes)),
        hour: Some(sealed(Family::Hours) + part(hour)),
        day: Some(part(day)),
        rollups: None,
        rest: Some(live.saturating_sub(told)),
    })
}

/// About how many results there are: those of sealed files, and of the live file as many as if all blocks had what those of
/// a few monitors have.
pub(super) fn results(reader: &Reader<'_>) -> Outcome<u64> {
    let sealed: u64 = reader.files.iter().filter(|file| file.family == Family::Results).map(|file| file.rows).sum();
    let (mut blocks, mut rows) = (0, 0);
    for number in some_of(reader) {
        let enough = blocks + ROWS;
        reader.read.each_in::<Block>(all_of(number), false, |_, value| {
            blocks += 1;
            rows += frame::head(Kind::Results, &value).map_or(0, |head| u64::from(head.count));
            Ok(blocks < enough)
        })?;
    }
    let all = reader.read.len().primary::<Block>()?;
    Ok(sealed + rows.saturating_mul(all).checked_div(blocks).unwrap_or(0))
}

/// The monitors that are looked at.
fn some_of(reader: &Reader<'_>) -> Vec<Number> {
    let mut numbers: Vec<Number> = reader.index.numbers.values().copied().collect();
    numbers.sort_unstable();
    let each = numbers.len().div_ceil(SOME).max(1);
    numbers.into_iter().step_by(each).collect()
}

/// About how many bytes of the live file are results, and rollups by tier.
fn live_parts(reader: &Reader<'_>) -> Outcome<(u64, [u64; 3])> {
    let (mut blocks, mut chunks) = (Seen::default(), [Seen::default(); 3]);
    for number in some_of(reader) {
        blocks.look::<Block>(&reader.read, all_of(number))?;
        for (seen, tier) in chunks.iter_mut().zip(Tier::ALL) {
            let keys = chunk_key(number, *tier, UnixMicros::MIN)..=chunk_key(number, *tier, UnixMicros::MAX);
            seen.look::<RollupChunk>(&reader.read, keys)?;
        }
    }
    let (all_blocks, all_chunks) = (reader.read.len().primary::<Block>()?, reader.read.len().primary::<RollupChunk>()?);
    let looked_at = chunks.iter().map(|seen| seen.rows).sum();
    let results = blocks.of_all(all_blocks, blocks.rows);
    Ok((results, chunks.map(|seen| seen.of_all(all_chunks, looked_at))))
}
