//! Pruning, forgetting and the stream of everything.

use std::collections::HashMap;
use std::sync::Arc;

use tracing::{info, warn};

use super::append::Writer;
use super::column::Effort;
use super::fault::{Fault, Outcome};
use super::file::{FLOORS_KEY, FORGOTTEN_KEY, Floors, HIDING_KEY, Index, KnownRow, LiveFile, OWN_FLOORS_KEY};
use super::floors::{OwnFloors, tiers};
use super::frame::{self, Kind};
use super::read::Reader;
use super::record::{
    Block, GapRow, IncidentRow, Known, Number, RollupChunk, all_of, chunk_key, number_in, tier_in, time_in, time_key,
};
use super::sealed::{Family, of_monitor};
use super::shelf::{Shelf, of_family};
use super::table::{Tables, Writes};
use super::{block, chunk, unblock};
use crate::model::{Gap, Incident, MonitorId, Span, Tier, UnixMicros};
use crate::storage::{Batch, Pruned, Retention, ScanCursor, ScanPage, StoreErrorKind};

/// Monitors in one transaction of pruning.
const PRUNED_AT_ONCE: usize = 32;

/// The floors of an index under a policy.
fn raised(index: &Index, policy: &Retention, now: UnixMicros) -> (Floors, OwnFloors) {
    let mut floors = index.floors;
    for tier in tiers() {
        if let Some(floor) = policy.floor(tier, now) {
            floors.raise(tier, floor);
        }
    }
    (floors, index.own_floors.raised(policy, now))
}

/// From here on no read finds what the policy does not keep, however long it takes to sum it up and to drop it.
pub(super) fn hide(file: &LiveFile, policy: &Retention, now: UnixMicros) -> Outcome<()> {
    file.with(|live| {
        let mut writer = Writer::begin(live)?;
        let hiding = Some(raised(&writer.index, policy, now));
        writer.write.set_metadata(HIDING_KEY, frame::seal_row(&hiding)?)?;
        Arc::make_mut(&mut writer.index).hiding = hiding;
        writer.commit()
    })
}

/// Drops what the policy does not keep. A transaction drops what few monitors have, so that it stays short and
/// small. The rollups of what is dropped must be there.
pub(super) fn prune(file: &LiveFile, shelf: &Shelf, policy: &Retention, now: UnixMicros) -> Outcome<Pruned> {
    let index = file.with(|live| {
        let mut writer = Writer::begin(live)?;
        let (floors, own_floors) = raised(&writer.index, policy, now);
        writer.write.set_metadata(FLOORS_KEY, frame::seal_row(&floors)?)?;
        writer.write.set_metadata(OWN_FLOORS_KEY, frame::seal_row(&own_floors)?)?;
        let hiding: Option<(Floors, OwnFloors)> = None;
        writer.write.set_metadata(HIDING_KEY, frame::seal_row(&hiding)?)?;
        let index = Arc::make_mut(&mut writer.index);
        (index.floors, index.own_floors, index.hiding) = (floors, own_floors, hiding);
        let index = Arc::clone(&writer.index);
        writer.commit()?;
        Ok(index)
    })?;
    let floors = index.floors;
    let mut pruned = Pruned::default();
    // Floors are whole days. A month of hours that reaches over one goes when all of it is below. What is below the floor
    // of single monitors leaves its files at the next sealing.
    let old =
        shelf.drop_files(|sealed| sealed.period.to <= sealed.family.tier().map_or(floors.raw, |tier| floors.of(tier)));
    for sealed in old {
        *(if sealed.family == Family::Results { &mut pruned.results } else { &mut pruned.rollups }) += sealed.rows;
    }
    let monitors: Vec<(MonitorId, Number)> = index.numbers.iter().map(|(id, number)| (*id, *number)).collect();
    for some in monitors.chunks(PRUNED_AT_ONCE) {
        let dropped = file.with(|live| {
            let mut writer = Writer::begin(live)?;
            let mut dropped = Pruned::default();
            for (monitor, number) in some {
                let own = drop_below(&mut writer, *monitor, *number, &index.floors_of(*monitor))?;
                dropped.results += own.results;
                dropped.rollups += own.rollups;
            }
            writer.commit()?;
            Ok(dropped)
        })?;
        pruned.results += dropped.results;
        pruned.rollups += dropped.rollups;
    }
    info!(results = pruned.results, rollups = pruned.rollups, "pruned");
    Ok(pruned)
}

/// The first day not before `from` and below `floor` in which the monitor has results.
pub(super) fn next_day(
    reader: &Reader<'_>,
    monitor: MonitorId,
    from: UnixMicros,
    floor: UnixMicros,
) -> Outcome<Option<Span>> {
    let live = next_live_day(reader, monitor, from, floor)?;
    let files = of_family(&reader.files, Family::Results).iter();
    for file in files.filter(|file| file.period.from >= from && file.period.from < floor) {
        if live.is_some_and(|live| live.from <= file.period.from) {
            break;
        }
        if !reader.sealed_blocks(file, Some(monitor))?.is_empty() {
            return Ok(Some(file.period));
        }
    }
    Ok(live)
}

/// The same for the live file.
pub(super) fn next_live_day(
    reader: &Reader<'_>,
    monitor: MonitorId,
    from: UnixMicros,
    floor: UnixMicros,
) -> Outcome<Option<Span>> {
    let Some(number) = reader.index.numbers.get(&monitor).copied() else { return Ok(None) };
    let mut found = None;
    // The block that began before `from` may reach into it.
    let begun = reader.read.end_of::<Block>(*all_of(number).start()..=time_key(number, from), true)?;
    let start = begun.map_or(time_key(number, from), |(key, _)| key);
    reader.read.each_in::<Block>(start..=time_key(number, floor), false, |key, value| {
        let last = frame::head(Kind::Results, &value).map_or(0, |head| head.last);
        let last = UnixMicros::new(i64::try_from(last).unwrap_or(i64::MAX));
        if last < from {
            return Ok(true);
        }
        found = Some(Tier::Day.bucket(time_in(key).max(from)));
        Ok(false)
    })?;
    Ok(found.filter(|day| day.from < floor))
}

fn drop_below(writer: &mut Writer<'_>, monitor: MonitorId, number: Number, floors: &Floors) -> Outcome<Pruned> {
    let mut pruned = Pruned::default();
    let all = all_of(number);
    if floors.raw > UnixMicros::MIN {
        let below = *all.start()..=time_key(number, floors.raw) - 1;
        while let Some((key, value)) = writer.write.end_of::<Block>(below.clone(), false)? {
            let Ok(head) = frame::head(Kind::Results, &value) else {
                warn!(%monitor, "a damaged block is past its time: it is dropped");
                writer.write.take::<Block>(key, value)?;
                continue;
            };
            if head.last < floors.raw.micros().unsigned_abs() {
                pruned.results += u64::from(head.count);
                writer.write.take::<Block>(key, value)?;
                continue;
            }
            // Only the last of them reaches over the floor.
            let rows = unblock::decode(&mut writer.packer, monitor, &value)?;
            let old = rows.partition_point(|row| row.time < floors.raw);
            pruned.results += old as u64;
            writer.write.take::<Block>(key, value)?;
            for (first, frame) in block::encode(&mut writer.packer, &rows[old..])? {
                writer.write.put::<Block>(time_key(number, first), None, frame)?;
            }
            break;
        }
        let mut old = Vec::new();
        writer.write.each_in::<GapRow>(*all.start()..=time_key(number, floors.raw), false, |key, value| {
            if frame::open_row::<Gap>(&value).is_ok_and(|gap| gap.span.to < floors.raw) {
                old.push((key, value));
            }
            Ok(true)
        })?;
        for (key, value) in old {
            writer.write.take::<GapRow>(key, value)?;
        }
    }
    for tier in Tier::ALL {
        pruned.rollups += drop_rollups(writer, monitor, number, *tier, floors.of(*tier))?;
    }
    Ok(pruned)
}

fn drop_rollups(
    writer: &mut Writer<'_>,
    monitor: MonitorId,
    number: Number,
    tier: Tier,
    floor: UnixMicros,
) -> Outcome<u64> {
    let mut dropped = 0;
    let edge = chunk_key(number, tier, floor);
    let keys = chunk_key(number, tier, UnixMicros::MIN)..=edge;
    let mut chunks = Vec::new();
    if floor > UnixMicros::MIN {
        writer.write.each_in::<RollupChunk>(keys, false, |key, value| {
            chunks.push((key, value));
            Ok(true)
        })?;
    }
    for (key, value) in chunks {
        let mut rollups = chunk::decode(&mut writer.packer, monitor, tier, &value)?;
        let before = rollups.len();
        rollups.retain(|rollup| rollup.start >= floor);
        dropped += (before - rollups.len()) as u64;
        if rollups.is_empty() {
            writer.write.take::<RollupChunk>(key, value)?;
        } else if rollups.len() < before {
            let frame = chunk::encode(&mut writer.packer, &rollups, Effort::Quick)?;
            writer.write.put::<RollupChunk>(key, Some(value), frame)?;
        }
    }
    Ok(dropped)
}

/// Drops everything of a monitor. What sealed files have of it is not read from here on; upkeep writes them anew.
pub(super) fn forget(writer: &mut Writer<'_>, shelf: &Shelf, monitor: MonitorId) -> Outcome<()> {
    let files = shelf.files();
    let mut sealed = None;
    for file in files.iter() {
        let has_some = match shelf.index(file) {
            Ok(index) => !of_monitor(&index, monitor).is_empty(),
            // It may have: what is found there when it is mended is not to come back.
            Err(fault) if fault.kind == StoreErrorKind::Corrupt => true,
            Err(fault) => return Err(fault),
        };
        if has_some {
            sealed = sealed.max(Some(file.sequence));
        }
    }
    if let Some(sequence) = sealed {
        Arc::make_mut(&mut writer.index).forgotten.insert(monitor, sequence);
        write_forgotten(writer)?;
    }
    let Some(number) = writer.index.numbers.get(&monitor).copied() else { return Ok(()) };
    writer.write.take_all::<Block>(all_of(number))?;
    writer.write.take_all::<RollupChunk>(all_of(number))?;
    writer.write.take_all::<GapRow>(all_of(number))?;
    writer.write.take_all::<IncidentRow>(all_of(number))?;
    writer.write.take_all::<Known>(u128::from(number)..=u128::from(number))?;
    Arc::make_mut(&mut writer.index).numbers.remove(&monitor);
    Ok(())
}

/// Writes whose sealed results are gone.
pub(super) fn write_forgotten(writer: &Writer<'_>) -> Outcome<()> {
    let forgotten: Vec<(MonitorId, u64)> = writer.index.forgotten.iter().map(|(id, until)| (*id, *until)).collect();
    writer.write.set_metadata(FORGOTTEN_KEY, frame::seal_row(&forgotten)?)
}

/// The tables in the order of a scan; the number is the first byte of its cursor.
const SCANNED: u8 = 6;
/// Sealed files; the key is a file's sequence and the number of a frame in it.
const SEALED: u8 = 5;
/// Rows in a page of a scan, save that a block or a chunk is never split.
const SCAN_ROWS: usize = 4_096;

/// The rows after a cursor: monitors, incidents, gaps, rollups, then results, each by the monitors' numbers.
pub(super) fn scan(reader: &mut Reader<'_>, cursor: Option<&ScanCursor>) -> Outcome<ScanPage> {
    let (table, from) = match cursor {
        None => (0, 0),
        Some(ScanCursor(bytes)) => match bytes.split_first() {
            Some((table, key)) if *table < SCANNED && key.len() == 16 => {
                let mut number = [0; 16];
                number.copy_from_slice(key);
                (*table, u128::from_be_bytes(number))
            }
            _ => return Err(Fault::new(StoreErrorKind::Misconfigured, "this cursor is not one of this store's")),
        },
    };
    if table == SEALED {
        return scan_sealed(reader, from);
    }
    let mut batch = Batch::default();
    let mut last = None;
    let mut values: Vec<(u128, Vec<u8>)> = Vec::new();
    let mut rows = 0;
    let mut take = |key: u128, value: Vec<u8>| {
        rows += match table {
            3 => frame::head(Kind::Rollups, &value).map_or(1, |head| usize::from(head.count)),
            4 => frame::head(Kind::Results, &value).map_or(1, |head| usize::from(head.count)),
            _ => 1,
        };
        last = Some(key);
        values.push((key, value));
        Ok(rows < SCAN_ROWS)
    };
    let keys = from..=u128::MAX;
    match table {
        0 => reader.read.each_in::<Known>(keys, false, &mut take)?,
        1 => reader.read.each_in::<IncidentRow>(keys, false, &mut take)?,
        2 => reader.read.each_in::<GapRow>(keys, false, &mut take)?,
        3 => reader.read.each_in::<RollupChunk>(keys, false, &mut take)?,
        _ => reader.read.each_in::<Block>(keys, false, &mut take)?,
    }
    let full = rows >= SCAN_ROWS;
    unpack(reader, table, &values, &mut batch)?;
    let next = match last.and_then(|last| last.checked_add(1)) {
        Some(next) if full => Some((table, next)),
        _ => Some((table + 1, 0)).filter(|(table, _)| *table < SCANNED),
    };
    Ok(ScanPage { batch, next: next.map(|(table, key)| scan_cursor(table, key)) })
}

fn scan_cursor(table: u8, key: u128) -> ScanCursor {
    ScanCursor([&[table][..], &key.to_be_bytes()[..]].concat())
}

/// A frame of a sealed file, the first one from a key on. Files that are written anew meanwhile come once more: what was
/// read is the same again.
fn scan_sealed(reader: &mut Reader<'_>, key: u128) -> Outcome<ScanPage> {
    let half = |key: u128| u64::try_from(key & u128::from(u64::MAX)).unwrap_or(u64::MAX);
    let (sequence, nth) = (half(key >> 64), usize::try_from(half(key)).unwrap_or(usize::MAX));
    let mut files: Vec<_> = reader.files.iter().cloned().collect();
    files.sort_by_key(|file| file.sequence);
    let at = files.partition_point(|file| file.sequence < sequence);
    let mut batch = Batch::default();
    let Some(file) = files.get(at) else { return Ok(ScanPage { batch, next: None }) };
    let nth = if file.sequence == sequence { nth } else { 0 };
    let frames = reader.sealed_blocks(file, None)?;
    if let Some(entry) = frames.get(nth) {
        match file.family.tier() {
            None => batch.results = reader.sealed_rows(file, entry)?,
            Some(tier) => {
                let floor = reader.index.floors_of(entry.monitor).of(tier);
                let frame = file.readable(entry)?;
                let rollups =
                    frame.map(|frame| reader.chunk(entry.monitor, tier, &frame)).transpose()?.unwrap_or_default();
                batch.rollups = rollups.into_iter().filter(|rollup| rollup.start >= floor).collect();
            }
        }
    }
    let place = |sequence: u64, nth: usize| u128::from(sequence) << 64 | nth as u128;
    let next = match files.get(at + 1) {
        _ if nth + 1 < frames.len() => Some(place(file.sequence, nth + 1)),
        Some(later) => Some(place(later.sequence, 0)),
        None => None,
    };
    Ok(ScanPage { batch, next: next.map(|key| scan_cursor(SEALED, key)) })
}

fn unpack(reader: &mut Reader<'_>, table: u8, values: &[(u128, Vec<u8>)], batch: &mut Batch) -> Outcome<()> {
    let ids: HashMap<Number, MonitorId> = if table >= 3 {
        reader.index.numbers.iter().map(|(id, number)| (*number, *id)).collect()
    } else {
        HashMap::new()
    };
    for (key, value) in values {
        let id = ids.get(&number_in(*key)).copied();
        match (table, id, tier_in(*key)) {
            (0, ..) => batch.monitors.extend(frame::open_row::<KnownRow>(value)?.known),
            (1, ..) => batch.incidents.push(frame::open_row::<Incident>(value)?),
            (2, ..) => batch.gaps.push(frame::open_row::<Gap>(value)?),
            (3, Some(id), Some(tier)) => {
                let rollups = reader.chunk(id, tier, value)?;
                let floor = reader.index.floors_of(id).of(tier);
                batch.rollups.extend(rollups.into_iter().filter(|rollup| rollup.start >= floor));
            }
            (_, Some(id), _) => batch.results.extend(reader.block(id, value)?),
            (_, None, _) => warn!("a row belongs to no monitor: it is left out"),
        }
    }
    Ok(())
}
