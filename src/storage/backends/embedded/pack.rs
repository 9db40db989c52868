//! What a monitor has of a period, packed for the period's sealed file. Nothing here asks the engine, so that any thread
//! can do it.

use std::collections::BTreeMap;

use super::column::Effort;
use super::fault::Outcome;
use super::frame::{self, FrameError, Kind, Packer};
use super::read::{rollups_of, rows_of};
use super::sealed::Entry;
use super::unblock::Depth;
use super::{block, chunk};
use crate::model::{CheckResult, MonitorId, Rollup, Span, Tier, UnixMicros};

/// Most rollups in one sealed chunk: a read of a day unpacks as many.
const ROLLUPS: usize = 288;

/// What a monitor has of a period.
pub(super) struct Gathered {
    pub(super) monitor: MonitorId,
    /// Keys and frames of the live file.
    pub(super) live: Vec<(u128, Vec<u8>)>,
    /// Frames of the period's sealed file.
    pub(super) sealed: Vec<(Entry, Vec<u8>)>,
}

impl Gathered {
    /// Number of rows in its blocks of results.
    pub(super) fn results(&self) -> usize {
        let frames = self.live.iter().map(|(_, frame)| frame).chain(self.sealed.iter().map(|(_, frame)| frame));
        frames.filter_map(|frame| frame::head(Kind::Results, frame).ok()).map(|head| usize::from(head.count)).sum()
    }
}

/// The same for a new sealed file.
pub(super) struct Packed {
    pub(super) monitor: MonitorId,
    pub(super) frames: Vec<Vec<u8>>,
    /// Rows that are not in the period's sealed file.
    pub(super) news: u64,
    /// Whether something of the period's sealed file cannot be read and is not in `frames`.
    pub(super) lacks: bool,
    /// Keys and checksums of the live frames of which all is in `frames`.
    pub(super) whole: Vec<(u128, u32)>,
}

impl Packed {
    /// The frames that are as they were written.
    fn without_damaged(&mut self, mut sealed: Vec<(Entry, Vec<u8>)>) -> Vec<(Entry, Vec<u8>)> {
        let before = sealed.len();
        sealed.retain(|(_, frame)| !matches!(frame::prove(frame), Err(FrameError::Damaged(_))));
        self.lacks |= sealed.len() < before;
        sealed
    }
}

/// Packs a monitor's results of a day, those that are sealed already and those of the live file.
pub(super) fn results(
    packer: &mut Packer,
    floor: UnixMicros,
    day: Span,
    Gathered { monitor, live, sealed }: Gathered,
) -> Outcome<Packed> {
    let mut packed = Packed { monitor, frames: Vec::new(), news: 0, lacks: false, whole: Vec::new() };
    let mut rows: Vec<CheckResult> = Vec::new();
    for (key, value) in &live {
        let count = frame::head(Kind::Results, value).map_or(0, |head| usize::from(head.count));
        let before = rows.len();
        rows.extend(rows_of(packer, floor, monitor, value)?.into_iter().filter(|row| day.contains(row.time)));
        if rows.len() - before == count {
            packed.whole.push((*key, crc32c::crc32c(value)));
        }
    }
    let sealed = packed.without_damaged(sealed);
    if rows.is_empty() {
        packed.frames = sealed.into_iter().map(|(_, frame)| frame).collect();
        return Ok(packed);
    }
    let mut merged = Vec::new();
    for (_, frame) in &sealed {
        merged.extend(rows_of(packer, floor, monitor, frame)?);
    }
    let before = merged.len();
    merged.extend(rows);
    // Stable: of two with the same time the one that was there first stays.
    merged.sort_by_key(|row| row.time);
    merged.dedup_by_key(|row| row.time);
    packed.news = (merged.len() - before) as u64;
    packed.frames = block::encode_sealed(packer, &merged)?.into_iter().map(|(_, frame)| frame).collect();
    Ok(packed)
}

/// Packs a monitor's rollups of a period, those of the live file in the place of those that are sealed. Full chunks to
/// which nothing comes stay as they are.
pub(super) fn rollups(
    packer: &mut Packer,
    floor: UnixMicros,
    tier: Tier,
    Gathered { monitor, live: chunks, sealed }: Gathered,
) -> Outcome<Packed> {
    let mut packed = Packed { monitor, frames: Vec::new(), news: 0, lacks: false, whole: Vec::new() };
    let mut live: Vec<Rollup> = Vec::new();
    for (_, value) in &chunks {
        live.extend(
            rollups_of(packer, monitor, tier, value, Depth::Whole)?.into_iter().filter(|row| row.start >= floor),
        );
    }
    let mut rows: BTreeMap<UnixMicros, Rollup> = BTreeMap::new();
    for (entry, frame) in packed.without_damaged(sealed) {
        let touched = live.iter().any(|row| (entry.first..=entry.last).contains(&row.start));
        if entry.count as usize == ROLLUPS && !touched && entry.first >= floor {
            packed.frames.push(frame);
            continue;
        }
        rows.extend(rollups_of(packer, monitor, tier, &frame, Depth::Whole)?.into_iter().map(|row| (row.start, row)));
    }
    for row in live {
        let before = rows.insert(row.start, row.clone());
        packed.news += u64::from(before.as_ref() != Some(&row));
    }
    let rows: Vec<Rollup> = rows.into_values().filter(|row| row.start >= floor).collect();
    for part in rows.chunks(ROLLUPS) {
        packed.frames.push(chunk::encode(packer, part, Effort::Thorough)?);
    }
    Ok(packed)
}
