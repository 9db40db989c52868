//! Sealing: what a period that is over has leaves the live file for a sealed one, a few monitors at a time, so that
//! neither checks nor reads wait: results and 5-minute rollups by the day, hour rollups by the month. A pass a day; rows
//! that come late for what is sealed are merged in at the next one.
//!
//! The order keeps every row readable at every moment: the sealed file is whole, durable and on the shelf before
//! anything is taken out of the live file, and only rows that it has are taken. After a crash in between, rows are in
//! both, which reads and the next pass see through.

use std::collections::{BTreeSet, HashMap, HashSet, VecDeque};
use std::sync::Arc;

use tracing::{info, warn};

use super::append::Writer;
use super::column::Effort;
use super::fault::Outcome;
use super::file::{Live, LiveFile};
use super::frame::{self, Kind};
use super::pack::{self, Gathered};
use super::read::Reader;
use super::record::{Block, Number, RollupChunk, all_of, chunk_key, chunk_us, time_key};
use super::sealed::{Entry, Family, SealedFile, SealedWriter, of_monitor};
use super::shelf::Shelf;
use super::spread::spread;
use super::table::{Tables, Writes};
use super::upkeep::{next_live_day, write_forgotten};
use super::{block, chunk, unblock};
use crate::model::{MonitorId, Rollup, Span, Tier, UnixMicros};

/// A day is sealed this long after its end, when its last rows were delivered.
const GRACE_US: u64 = 1_800_000_000;
/// Monitors in one step.
const AT_ONCE: usize = 32;

/// How far the sealing is.
#[derive(Debug, Default)]
pub(super) struct Sealing {
    /// Days before this one are done.
    done: Option<UnixMicros>,
    step: Step,
    /// What is still to be sealed.
    periods: BTreeSet<(Family, UnixMicros)>,
}

#[derive(Debug, Default)]
enum Step {
    #[default]
    Rest,
    /// Finds out which periods have rows in the live file.
    Look(VecDeque<MonitorId>),
    /// Writes the sealed file of a period.
    Build(Building),
    /// Takes out of the live file what the sealed file has.
    Clear(Arc<SealedFile>, VecDeque<MonitorId>, Seen),
    /// Writes files anew without monitors that were forgotten, and without what is not kept of single ones any more.
    Rewrite(VecDeque<Arc<SealedFile>>),
}

/// Checksums of the values of the live file that a sealed file has whole, by their keys.
type Seen = HashMap<u128, u32>;

#[derive(Debug)]
struct Building {
    family: Family,
    period: Span,
    writer: SealedWriter,
    /// What is sealed of the period already.
    old: Option<Arc<SealedFile>>,
    left: VecDeque<MonitorId>,
    /// Rows that are not in `old`.
    news: u64,
    /// Whether something of `old` cannot be read and is not in the new file.
    lacks: bool,
    seen: Seen,
}

impl Building {
    /// Adds what some monitors have of the period.
    fn add(&mut self, file: &LiveFile, shelf: &Shelf, some: &[MonitorId]) -> Outcome<()> {
        let (gathered, index) = file.with(|live| {
            let reader = Reader::begin(live, shelf)?;
            let gathered = some.iter().map(|monitor| gather(&reader, self, *monitor)).collect::<Outcome<Vec<_>>>()?;
            Ok((gathered, reader.index))
        })?;
        let (tier, period) = (self.family.tier(), self.period);
        let rows = gathered.iter().map(Gathered::results).sum();
        let packed = spread(gathered, rows, |packer, gathered| match tier {
            None => pack::results(packer, index.floors_of(gathered.monitor).raw, period, gathered),
            Some(tier) => pack::rollups(packer, index.floors_of(gathered.monitor).of(tier), tier, gathered),
        });
        for packed in packed {
            let packed = packed?;
            packed.frames.iter().try_for_each(|frame| self.writer.add(packed.monitor, frame))?;
            self.news += packed.news;
            self.lacks |= packed.lacks;
            self.seen.extend(packed.whole);
        }
        Ok(())
    }
}

impl Sealing {
    /// Lets go of what was begun: what is read for it may not be true any more.
    pub(super) fn begin_anew(&mut self) {
        if let Step::Build(building) = std::mem::take(self).step {
            building.writer.abandon();
        }
    }

    /// Does one step; whether there is more to do. After a fault the pass begins anew.
    pub(super) fn turn(&mut self, file: &LiveFile, shelf: &Shelf, now: UnixMicros) -> Outcome<bool> {
        let today = Tier::Day.bucket(now.minus_us(GRACE_US)).from;
        let step = std::mem::take(&mut self.step);
        let next = match step {
            Step::Rest if self.done == Some(today) => return Ok(false),
            Step::Rest => file.with(|live| {
                let mut all: Vec<MonitorId> = live.index().numbers.keys().copied().collect();
                all.sort_unstable();
                Ok(Step::Look(all.into()))
            })?,
            Step::Look(left) => self.look(file, shelf, left, today, now)?,
            Step::Build(building) => self.build(file, shelf, building, now)?,
            Step::Clear(sealed, left, seen) => self.clear(file, shelf, (sealed, left, seen), now)?,
            Step::Rewrite(files) => rewrite(file, shelf, files)?,
        };
        if matches!(next, Step::Rest) {
            self.done = Some(today);
            match file.shrink() {
                Ok(true) => info!("the live file was written anew"),
                Ok(false) => {}
                Err(fault) => warn!(why = fault.what, "the live file cannot be written anew; it stays as it is"),
            }
            return Ok(false);
        }
        self.step = next;
        Ok(true)
    }

    fn look(
        &mut self,
        file: &LiveFile,
        shelf: &Shelf,
        mut left: VecDeque<MonitorId>,
        today: UnixMicros,
        now: UnixMicros,
    ) -> Outcome<Step> {
        let some: Vec<MonitorId> = left.drain(..left.len().min(AT_ONCE * 8)).collect();
        let periods = &mut self.periods;
        file.with(|live| {
            let reader = Reader::begin(live, shelf)?;
            for monitor in some {
                let mut from = reader.index.floors_of(monitor).raw;
                while let Some(day) = next_live_day(&reader, monitor, from, today)? {
                    periods.insert((Family::Results, day.from));
                    from = day.to;
                }
                let Some(number) = reader.index.numbers.get(&monitor).copied() else { continue };
                for family in [Family::Hours, Family::FiveMinutes] {
                    periods_of(&reader, number, family, today, periods)?;
                }
            }
            Ok(())
        })?;
        if left.is_empty() { self.next_period(file, shelf, now) } else { Ok(Step::Look(left)) }
    }

    /// Begins the next period, or what comes after the last.
    fn next_period(&mut self, file: &LiveFile, shelf: &Shelf, now: UnixMicros) -> Outcome<Step> {
        let Some((family, from)) = self.periods.pop_first() else {
            return file.with(|live| {
                let index = live.index();
                let mut files = VecDeque::new();
                for sealed in shelf.files().iter() {
                    let Some(sealed) = &shelf.mended(sealed, |monitor| index.counts(monitor, sealed.sequence), now)?
                    else {
                        continue;
                    };
                    if shelf.index(sealed)?.iter().any(|entry| !index.keeps(entry, sealed)) {
                        files.push_back(Arc::clone(sealed));
                    }
                }
                let done = files.is_empty() && index.forgotten.is_empty();
                Ok(if done { Step::Rest } else { Step::Rewrite(files) })
            });
        };
        let period = family.period(from);
        let is_it = |sealed: &&Arc<SealedFile>| sealed.family == family && sealed.period == period;
        let there = shelf.files().iter().find(is_it).cloned();
        let index = file.with(|live| Ok(live.index()))?;
        let old = there
            .map(|old| shelf.mended(&old, |monitor| index.counts(monitor, old.sequence), now))
            .transpose()?
            .flatten();
        let (left, above) = file.with(|live| {
            let reader = Reader::begin(live, shelf)?;
            let mut monitors: BTreeSet<MonitorId> = reader.index.numbers.keys().copied().collect();
            if let Some(old) = &old {
                monitors.extend(reader.sealed_blocks(old, None)?.iter().map(|entry| entry.monitor));
            }
            Ok((monitors.into_iter().collect(), reader.index.forgotten.values().copied().max().unwrap_or(0)))
        })?;
        let writer = shelf.begin(family, period.from, above)?;
        Ok(Step::Build(Building { family, period, writer, old, left, news: 0, lacks: false, seen: Seen::new() }))
    }

    fn build(&mut self, file: &LiveFile, shelf: &Shelf, mut building: Building, now: UnixMicros) -> Outcome<Step> {
        let some: Vec<MonitorId> = building.left.drain(..building.left.len().min(AT_ONCE)).collect();
        let written = building.add(file, shelf, &some);
        if let Err(fault) = written {
            building.writer.abandon();
            return Err(fault);
        }
        if !building.left.is_empty() {
            return Ok(Step::Build(building));
        }
        let Building { family, period, writer, old, news, lacks, seen, .. } = building;
        let sealed = match old {
            Some(old) if news == 0 => {
                writer.abandon();
                old
            }
            None if writer.is_empty() => {
                writer.abandon();
                return self.next_period(file, shelf, now);
            }
            _ => shelf.put(writer.finish()?, lacks.then_some(now)),
        };
        info!(?family, from = %period.from, rows = sealed.rows, bytes = sealed.bytes, news, "sealed");
        let left = monitors_of(shelf, &sealed)?;
        Ok(Step::Clear(sealed, left, seen))
    }

    fn clear(
        &mut self,
        file: &LiveFile,
        shelf: &Shelf,
        (sealed, mut left, seen): (Arc<SealedFile>, VecDeque<MonitorId>, Seen),
        now: UnixMicros,
    ) -> Outcome<Step> {
        let some: Vec<MonitorId> = left.drain(..left.len().min(AT_ONCE)).collect();
        file.write(|live| {
            let mut writer = Writer::begin(live)?;
            let mut taken = 0;
            for monitor in some {
                taken += match sealed.family.tier() {
                    None => take_results(&mut writer, shelf, &sealed, monitor, &seen)?,
                    Some(tier) => take_rollups(&mut writer, shelf, &sealed, monitor, tier)?,
                };
            }
            if taken > 0 { writer.commit() } else { Ok(()) }
        })?;
        if left.is_empty() { self.next_period(file, shelf, now) } else { Ok(Step::Clear(sealed, left, seen)) }
    }
}

/// The monitors in a file, each once.
fn monitors_of(shelf: &Shelf, sealed: &SealedFile) -> Outcome<VecDeque<MonitorId>> {
    let mut monitors: VecDeque<MonitorId> = shelf.index(sealed)?.iter().map(|entry| entry.monitor).collect();
    monitors.make_contiguous().sort_unstable();
    let mut last = None;
    monitors.retain(|monitor| last.replace(*monitor) != Some(*monitor));
    Ok(monitors)
}

/// Adds the periods of a family of which a monitor has rollups from before `today` in the live file. A month that is
/// running is sealed too, as far as it is over.
fn periods_of(
    reader: &Reader<'_>,
    number: Number,
    family: Family,
    today: UnixMicros,
    periods: &mut BTreeSet<(Family, UnixMicros)>,
) -> Outcome<()> {
    let Some(tier) = family.tier() else { return Ok(()) };
    let keys = chunk_key(number, tier, UnixMicros::MIN)..=chunk_key(number, tier, today);
    reader.read.each_in::<RollupChunk>(keys, false, |key, _| {
        let from = start_of(key, tier);
        if from < today {
            periods.insert((family, family.period(from).from));
        }
        Ok(true)
    })
}

/// Start of the chunk in a key.
fn start_of(key: u128, tier: Tier) -> UnixMicros {
    let nth = u64::try_from(key & ((1 << 56) - 1)).unwrap_or(0);
    UnixMicros::new(i64::try_from(nth.saturating_mul(chunk_us(tier))).unwrap_or(i64::MAX))
}

/// Keys and values of the live chunks of a monitor in a period.
fn live_chunks(tables: &impl Tables, number: Number, tier: Tier, period: Span) -> Outcome<Vec<(u128, Vec<u8>)>> {
    let mut chunks = Vec::new();
    let keys = chunk_key(number, tier, period.from)..=chunk_key(number, tier, period.to.minus_us(1));
    tables.each_in::<RollupChunk>(keys, false, |key, value| {
        chunks.push((key, value));
        Ok(true)
    })?;
    Ok(chunks)
}

/// Keys and values of the live blocks of a monitor that reach into a day.
fn live_blocks(tables: &impl Tables, number: Number, day: Span) -> Outcome<Vec<(u128, Vec<u8>)>> {
    // The block that began before the day may reach into it.
    let begun = tables.end_of::<Block>(*all_of(number).start()..=time_key(number, day.from), true)?;
    let start = begun.map_or(time_key(number, day.from), |(key, _)| key);
    let mut blocks = Vec::new();
    tables.each_in::<Block>(start..=time_key(number, day.to) - 1, false, |key, value| {
        let last = frame::head(Kind::Results, &value).map_or(u64::MAX, |head| head.last);
        if last >= day.from.micros().unsigned_abs() {
            blocks.push((key, value));
        }
        Ok(true)
    })?;
    Ok(blocks)
}

/// Adds frames as they are, damaged ones too.
fn copy(writer: &mut SealedWriter, old: &SealedFile, entries: &[Entry]) -> Outcome<()> {
    entries.iter().try_for_each(|entry| Ok(writer.carry(entry, &old.frame(entry)?)?))
}

/// What a monitor has of a period, in the live file and in the period's sealed one.
fn gather(reader: &Reader<'_>, building: &Building, monitor: MonitorId) -> Outcome<Gathered> {
    let live = match (reader.index.numbers.get(&monitor).copied(), building.family.tier()) {
        (None, _) => Vec::new(),
        (Some(number), None) => live_blocks(&reader.read, number, building.period)?,
        (Some(number), Some(tier)) => live_chunks(&reader.read, number, tier, building.period)?,
    };
    let mut sealed = Vec::new();
    if let Some(old) = &building.old {
        for entry in reader.sealed_blocks(old, Some(monitor))? {
            // What cannot be read is damaged: the file is kept aside.
            sealed.push((entry, old.readable(&entry)?.unwrap_or_default()));
        }
    }
    Ok(Gathered { monitor, live, sealed })
}

/// Takes rollups that a sealed file has out of the live file; gives their number.
fn take_rollups(
    writer: &mut Writer<'_>,
    shelf: &Shelf,
    sealed: &SealedFile,
    monitor: MonitorId,
    tier: Tier,
) -> Outcome<usize> {
    let Some(number) = writer.index.numbers.get(&monitor).copied() else { return Ok(0) };
    let chunks = live_chunks(&writer.write, number, tier, sealed.period)?;
    if chunks.is_empty() {
        return Ok(0);
    }
    let mut there: HashMap<UnixMicros, Rollup> = HashMap::new();
    for entry in of_monitor(&shelf.index(sealed)?, monitor) {
        // What cannot be read there is no reason to take anything out here.
        let Some(frame) = sealed.readable(entry)? else { continue };
        let Ok(rows) = chunk::decode(&mut writer.packer, monitor, tier, &frame) else { continue };
        there.extend(rows.into_iter().map(|row| (row.start, row)));
    }
    let floor = writer.index.floors_of(monitor).of(tier);
    let mut taken = 0;
    for (key, value) in chunks {
        let Ok(mut rows) = chunk::decode(&mut writer.packer, monitor, tier, &value) else { continue };
        let before = rows.len();
        rows.retain(|row| row.start >= floor && there.get(&row.start) != Some(row));
        if rows.len() == before {
            continue;
        }
        taken += before - rows.len();
        if rows.is_empty() {
            writer.write.take::<RollupChunk>(key, value)?;
        } else {
            let frame = chunk::encode(&mut writer.packer, &rows, Effort::Quick)?;
            writer.write.put::<RollupChunk>(key, Some(value), frame)?;
        }
    }
    Ok(taken)
}

/// Takes results that a sealed file has out of the live file; gives their number. A block that is as it was when all of
/// it was sealed goes as a whole.
fn take_results(
    writer: &mut Writer<'_>,
    shelf: &Shelf,
    sealed: &SealedFile,
    monitor: MonitorId,
    seen: &Seen,
) -> Outcome<usize> {
    let Some(number) = writer.index.numbers.get(&monitor).copied() else { return Ok(0) };
    let mut taken = 0;
    let mut there: Option<HashSet<UnixMicros>> = None;
    for (key, value) in live_blocks(&writer.write, number, sealed.period)? {
        if seen.get(&key) == Some(&crc32c::crc32c(&value)) {
            taken += frame::head(Kind::Results, &value).map_or(0, |head| usize::from(head.count));
            writer.write.take::<Block>(key, value)?;
            continue;
        }
        // What cannot be read stays where it is: reads say what is wrong with it.
        let Ok(mut rows) = unblock::decode(&mut writer.packer, monitor, &value) else { continue };
        let there = match &mut there {
            Some(there) => there,
            None => there.insert(times(writer, shelf, sealed, monitor)?),
        };
        let before = rows.len();
        rows.retain(|row| !there.contains(&row.time));
        if rows.len() < before {
            taken += before - rows.len();
            writer.write.take::<Block>(key, value)?;
            for (first, frame) in block::encode(&mut writer.packer, &rows)? {
                writer.write.put::<Block>(time_key(number, first), None, frame)?;
            }
        }
    }
    Ok(taken)
}

/// The times of a monitor's results in a sealed file.
fn times(
    writer: &mut Writer<'_>,
    shelf: &Shelf,
    sealed: &SealedFile,
    monitor: MonitorId,
) -> Outcome<HashSet<UnixMicros>> {
    let mut times = HashSet::new();
    for entry in of_monitor(&shelf.index(sealed)?, monitor) {
        // As above.
        let Some(frame) = sealed.readable(entry)? else { continue };
        let Ok(rows) = unblock::decode(&mut writer.packer, monitor, &frame) else { continue };
        times.extend(rows.iter().map(|row| row.time));
    }
    Ok(times)
}

/// Writes the next file without what does not count any more; after the last one nothing of it has to be remembered.
fn rewrite(file: &LiveFile, shelf: &Shelf, mut files: VecDeque<Arc<SealedFile>>) -> Outcome<Step> {
    let Some(old) = files.pop_front() else {
        return file.write(|live| forget_forgotten(live, shelf)).map(|()| Step::Rest);
    };
    let index = file.with(|live| Ok(live.index()))?;
    let above = index.forgotten.values().copied().max().unwrap_or(0);
    let mut writer = shelf.begin(old.family, old.period.from, above)?;
    let copied = shelf.index(&old).and_then(|entries| {
        let kept = entries.iter().filter(|entry| index.keeps(entry, &old));
        copy(&mut writer, &old, &kept.copied().collect::<Vec<Entry>>())
    });
    match copied {
        Err(fault) => {
            writer.abandon();
            return Err(fault);
        }
        Ok(()) if writer.is_empty() => {
            writer.abandon();
            shelf.drop_files(|sealed| sealed.sequence == old.sequence);
        }
        Ok(()) => drop(shelf.put(writer.finish()?, None)),
    }
    Ok(Step::Rewrite(files))
}

/// What no file has any more need not be remembered as forgotten.
fn forget_forgotten(live: &Live, shelf: &Shelf) -> Outcome<()> {
    let mut writer = Writer::begin(live)?;
    let mut still = HashSet::new();
    for sealed in shelf.files().iter() {
        let entries = shelf.index(sealed)?;
        still.extend(
            entries
                .iter()
                .filter(|entry| !writer.index.counts(entry.monitor, sealed.sequence))
                .map(|entry| entry.monitor),
        );
    }
    let index = Arc::make_mut(&mut writer.index);
    index.forgotten.retain(|monitor, _| still.contains(monitor));
    write_forgotten(&writer)?;
    writer.commit()
}
