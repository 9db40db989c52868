//! Reading rows: each read is one transaction and sees one state of the file.

use std::cmp::Reverse;
use std::collections::btree_map::{BTreeMap, Entry as Slot};
use std::collections::{BinaryHeap, HashSet};
use std::ops::Range;
use std::sync::Arc;

use native_db::transaction::RTransaction;
use tracing::error;

use super::chunk;
use super::fault::Outcome;
use super::file::{Floors, Index, KnownRow, Live};
use super::frame::{self, FrameError, Kind, Packer};
use super::record::{
    Block, GapRow, INCIDENT_SLOTS, IncidentRow, Known, Number, RollupChunk, all_of, chunk_key, incident_key, time_in,
    time_key,
};
use super::sealed::{Entry, Family, SealedFile, of_monitor};
use super::shelf::{Files, Shelf, of_family};
use super::spread::spread;
use super::table::Tables;
use super::unblock::{self, Depth};
use crate::model::{CheckResult, Gap, Incident, KnownMonitor, MonitorId, Rollup, Span, Tier, UnixMicros};
use crate::storage::{GapQuery, IncidentQuery, Page, PageCursor, ResultQuery, StoreErrorKind};

/// A read transaction and what it needs to know.
pub(super) struct Reader<'db> {
    pub(super) read: RTransaction<'db>,
    pub(super) index: Arc<Index>,
    pub(super) files: Files,
    shelf: &'db Shelf,
    packer: Packer,
    /// Whether it also sees what is about to be dropped.
    beneath: bool,
}

/// What reading the hours of a month costs, in results that are packed.
const ROWS_A_MONTH: usize = 128;

/// A place in the stream of all results, newest first, monitors of one time by id, descending.
type Place = (UnixMicros, MonitorId);

impl<'db> Reader<'db> {
    pub(super) fn begin(live: &'db Live, shelf: &'db Shelf) -> Outcome<Self> {
        let read = live.database.r_transaction()?;
        // In this order: what is not in the live file any more is in a sealed one by then.
        let index = live.index();
        Ok(Self { read, index, files: shelf.files(), shelf, packer: Packer::default(), beneath: false })
    }

    /// The same that also sees what is about to be dropped.
    pub(super) fn beneath(live: &'db Live, shelf: &'db Shelf) -> Outcome<Self> {
        Ok(Self { beneath: true, ..Self::begin(live, shelf)? })
    }

    fn floors_of(&self, monitor: MonitorId) -> Floors {
        if self.beneath { self.index.floors_of(monitor) } else { self.index.shown_of(monitor) }
    }

    /// What counts of a sealed file: its blocks, those of one monitor where one is asked for. An index that cannot be
    /// read is reported and its file left out: it must not hide all others.
    pub(super) fn sealed_blocks(&self, file: &SealedFile, monitor: Option<MonitorId>) -> Outcome<Vec<Entry>> {
        let index = match self.shelf.index(file) {
            Err(fault) if fault.kind == StoreErrorKind::Corrupt => {
                error!(file = %file.path().display(), why = fault.what, "a sealed file is damaged: it is left out");
                return Ok(Vec::new());
            }
            other => other?,
        };
        let blocks = monitor.map_or(&index[..], |monitor| of_monitor(&index, monitor));
        Ok(blocks.iter().filter(|entry| self.index.keeps(entry, file)).copied().collect())
    }

    /// The results of a sealed block, oldest first.
    pub(super) fn sealed_rows(&mut self, file: &SealedFile, entry: &Entry) -> Outcome<Vec<CheckResult>> {
        let frame = file.frame(entry)?;
        self.block(entry.monitor, &frame)
    }

    /// Of the results of a block in a span the newest, oldest first.
    fn newest_of(
        &mut self,
        monitor: MonitorId,
        value: &[u8],
        span: Span,
        most: usize,
        depth: Depth,
    ) -> Outcome<Vec<CheckResult>> {
        let span = Span::new(span.from.max(self.floors_of(monitor).raw), span.to);
        some_of(&mut self.packer, monitor, value, span, most, depth)
    }

    /// The results of a block, oldest first.
    pub(super) fn block(&mut self, monitor: MonitorId, value: &[u8]) -> Outcome<Vec<CheckResult>> {
        let floor = self.floors_of(monitor).raw;
        rows_of(&mut self.packer, floor, monitor, value)
    }

    /// The newest block that begins before `before`.
    fn block_before(&self, number: Number, before: UnixMicros) -> Outcome<Option<(u128, Vec<u8>)>> {
        let end = time_key(number, before);
        let start = *all_of(number).start();
        if end == start { Ok(None) } else { self.read.end_of::<Block>(start..=end - 1, true) }
    }

    pub(super) fn results(&mut self, query: &ResultQuery, depth: Depth) -> Outcome<Page> {
        let limit = query.limit.clamp(1, usize::MAX - 1);
        let mut monitors: Vec<(MonitorId, Number)> = match query.monitor {
            Some(id) => self.index.numbers.get(&id).map(|number| (id, *number)).into_iter().collect(),
            None => self.index.numbers.iter().map(|(id, number)| (*id, *number)).collect(),
        };
        monitors.sort_unstable();
        // One more than asked tells whether there is another page.
        let mut newest = Newest { span: query.span, after: query.after, most: limit + 1, found: BTreeMap::new() };
        let mut blocks = BinaryHeap::new();
        for (id, number) in monitors {
            blocks.extend(newest.block_of(self, id, number, query.span.to)?);
        }
        let mut shelf = newest.files_of(self);
        loop {
            // A sealed file's blocks come in when none that is known is newer than its day.
            while let Some(file) = shelf.pop_if(|file| {
                let newer = |(place, _): &(Place, Source)| place.0 >= file.period.to;
                !blocks.peek().is_some_and(newer)
            }) {
                for entry in self.sealed_blocks(&file, query.monitor)? {
                    blocks.extend(newest.sealed_block(&file, entry));
                }
            }
            let Some((place, source)) = blocks.pop() else { break };
            if !newest.wants(place) {
                break;
            }
            match source {
                Source::Live(number, key) => {
                    let value = self.read.get_value::<Block>(key)?.unwrap_or_default();
                    newest.add(self.newest_of(place.1, &value, newest.reach(), limit + 2, depth)?, false);
                    blocks.extend(newest.block_of(self, place.1, number, time_in(key))?);
                }
                Source::Sealed(Sealed(file, entry)) => {
                    let frame = file.frame(&entry)?;
                    newest.add(self.newest_of(entry.monitor, &frame, newest.reach(), limit + 2, depth)?, true);
                }
            }
        }
        let mut results: Vec<CheckResult> = newest.found.into_values().rev().collect();
        if results.len() <= limit {
            return Ok(Page { results, next: None });
        }
        results.truncate(limit);
        let next = results.last().map(|last| PageCursor { time: last.time, monitor: last.monitor });
        Ok(Page { results, next })
    }

    /// The newest result of each monitor before a time, as far as there is one.
    pub(super) fn latest(&mut self, monitors: &[MonitorId], time: UnixMicros) -> Outcome<Vec<CheckResult>> {
        let mut latest = Vec::with_capacity(monitors.len());
        for monitor in monitors {
            let mut newest = None;
            if let Some(value) = self.block_of_newest(*monitor, time)? {
                let before = Span::new(UnixMicros::MIN, time);
                newest = self.newest_of(*monitor, &value, before, 1, Depth::Whole)?.pop();
            }
            latest.extend(match newest {
                None => self.last_before(*monitor, time)?,
                some => some,
            });
        }
        Ok(latest)
    }

    /// The live block that ends with a monitor's newest result before a time, where its head and the days of the sealed
    /// files tell that it does.
    fn block_of_newest(&self, monitor: MonitorId, time: UnixMicros) -> Outcome<Option<Vec<u8>>> {
        let Some(number) = self.index.numbers.get(&monitor).copied() else { return Ok(None) };
        let Some((_, value)) = self.block_before(number, time)? else { return Ok(None) };
        let Ok(head) = frame::head(Kind::Results, &value) else { return Ok(None) };
        let last = UnixMicros::new(i64::try_from(head.last).unwrap_or(i64::MAX));
        let newer = |file: &&Arc<SealedFile>| file.period.from < time && file.period.to > last;
        let is_newest = last < time && of_family(&self.files, Family::Results).iter().rev().find(newer).is_none();
        Ok(is_newest.then_some(value))
    }

    /// The newest result of a monitor before a time.
    pub(super) fn last_before(&mut self, monitor: MonitorId, time: UnixMicros) -> Outcome<Option<CheckResult>> {
        let live = self.last_live_before(monitor, time)?;
        let files = Arc::clone(&self.files);
        let reaching = of_family(&files, Family::Results).iter().rev().filter(|file| file.period.from < time);
        for file in reaching.take_while(|file| live.as_ref().is_none_or(|live| file.period.to > live.time)) {
            for entry in self.sealed_blocks(file, Some(monitor))?.iter().rev().filter(|entry| entry.first < time) {
                let before = Span::new(UnixMicros::MIN, time);
                if let Some(last) = self.newest_of(monitor, &file.frame(entry)?, before, 1, Depth::Whole)?.pop() {
                    // Of two with the same time the sealed one was there first.
                    return Ok(Some(live.filter(|live| live.time > last.time).unwrap_or(last)));
                }
            }
        }
        Ok(live)
    }

    fn last_live_before(&mut self, monitor: MonitorId, time: UnixMicros) -> Outcome<Option<CheckResult>> {
        let Some(number) = self.index.numbers.get(&monitor).copied() else { return Ok(None) };
        let mut bound = time;
        while let Some((key, value)) = self.block_before(number, bound)? {
            let before = Span::new(UnixMicros::MIN, time);
            if let Some(last) = self.newest_of(monitor, &value, before, 1, Depth::Whole)?.pop() {
                return Ok(Some(last));
            }
            bound = time_in(key);
            if bound <= self.floors_of(monitor).raw {
                break;
            }
        }
        Ok(None)
    }

    /// The rollups of some monitors whose bucket starts in a span, of each the oldest first.
    pub(super) fn rollups(
        &mut self,
        monitors: &[MonitorId],
        tier: Tier,
        span: Span,
        depth: Depth,
    ) -> Outcome<Vec<Rollup>> {
        let of_each = monitors.iter().map(|monitor| {
            let floor = self.floors_of(*monitor).of(tier);
            let span = Span::new(span.from.max(floor).min(span.to), span.to);
            Ok((*monitor, span, self.frames_of(*monitor, tier, span)?))
        });
        let of_each = of_each.collect::<Outcome<Vec<_>>>()?;
        let rows = of_each.len() * ROWS_A_MONTH;
        let read = spread(of_each, rows, |packer, (monitor, span, frames)| {
            let mut rollups = BTreeMap::new();
            // What stands later was written later.
            for frame in frames {
                let rows = rollups_of(packer, monitor, tier, &frame, depth)?.into_iter();
                rollups.extend(rows.filter(|row| span.contains(row.start)).map(|row| (row.start, row)));
            }
            Ok(rollups)
        });
        let mut rollups = Vec::new();
        for own in read {
            let own: Outcome<BTreeMap<UnixMicros, Rollup>> = own;
            rollups.extend(own?.into_values());
        }
        Ok(rollups)
    }

    /// The chunks of a monitor that reach into a span, those of sealed files first.
    fn frames_of(&self, monitor: MonitorId, tier: Tier, span: Span) -> Outcome<Vec<Vec<u8>>> {
        let mut frames = Vec::new();
        if span.is_empty() {
            return Ok(frames);
        }
        if let Some(family) = Family::of(tier) {
            let reaching = of_family(&self.files, family).iter();
            for file in reaching.filter(|file| file.period.from < span.to && file.period.to > span.from) {
                for entry in self.sealed_blocks(file, Some(monitor))? {
                    if entry.first < span.to && entry.last >= span.from {
                        frames.push(file.frame(&entry)?);
                    }
                }
            }
        }
        if let Some(number) = self.index.numbers.get(&monitor).copied() {
            frames.extend(self.chunks(number, tier, span)?);
        }
        Ok(frames)
    }

    fn chunks(&self, number: Number, tier: Tier, span: Span) -> Outcome<Vec<Vec<u8>>> {
        let mut values = Vec::new();
        let keys = chunk_key(number, tier, span.from)..=chunk_key(number, tier, span.to);
        self.read.each_in::<RollupChunk>(keys, false, |_, value| {
            values.push(value);
            Ok(true)
        })?;
        Ok(values)
    }

    /// The rollups of a chunk, oldest first.
    pub(super) fn chunk(&mut self, monitor: MonitorId, tier: Tier, value: &[u8]) -> Outcome<Vec<Rollup>> {
        rollups_of(&mut self.packer, monitor, tier, value, Depth::Whole)
    }

    pub(super) fn incidents(&self, query: &IncidentQuery) -> Outcome<Vec<Incident>> {
        let keys = match query.monitor {
            None => 0..=u128::MAX,
            Some(id) => match self.index.numbers.get(&id) {
                Some(number) => {
                    incident_key(*number, UnixMicros::MIN)..=incident_key(*number, query.span.to) + INCIDENT_SLOTS - 1
                }
                None => return Ok(Vec::new()),
            },
        };
        let mut incidents: Vec<Incident> = Vec::new();
        self.read.each_in::<IncidentRow>(keys, true, |_, value| {
            match frame::open_row::<Incident>(&value) {
                Ok(incident) if query.matches(&incident) => incidents.push(incident),
                Ok(_) => {}
                Err(why) => error!(%why, "an incident is damaged: it is left out"),
            }
            Ok(true)
        })?;
        incidents.sort_by_key(|incident| Reverse((incident.opened, incident.id)));
        incidents.truncate(query.limit);
        Ok(incidents)
    }

    pub(super) fn gaps(&self, query: &GapQuery) -> Outcome<Vec<Gap>> {
        let mut gaps: Vec<Gap> = Vec::new();
        let mut add = |_, value: Vec<u8>| {
            match frame::open_row::<Gap>(&value) {
                Ok(gap) if query.matches(&gap) => gaps.push(gap),
                Ok(_) => {}
                Err(why) => error!(%why, "a gap is damaged: it is left out"),
            }
            Ok(true)
        };
        match query.monitor {
            None => self.read.each_in::<GapRow>(0..=u128::MAX, false, &mut add)?,
            Some(id) => {
                let both = [Some(id), Some(MonitorId::ALL).filter(|all| *all != id)];
                for number in both.into_iter().flatten().filter_map(|id| self.index.numbers.get(&id)) {
                    let keys = *all_of(*number).start()..=time_key(*number, query.span.to);
                    self.read.each_in::<GapRow>(keys, false, &mut add)?;
                }
            }
        }
        gaps.retain(|gap| gap.span.to >= self.floors_of(gap.monitor).raw);
        gaps.sort_by_key(|gap| (gap.span.from, gap.monitor));
        Ok(gaps)
    }

    pub(super) fn monitors(&self) -> Outcome<Vec<KnownMonitor>> {
        let mut monitors = Vec::new();
        self.read.each_in::<Known>(0..=u128::MAX, false, |_, value| {
            monitors.extend(frame::open_row::<KnownRow>(&value)?.known);
            Ok(true)
        })?;
        monitors.sort_by(|a, b| (&a.name, a.id).cmp(&(&b.name, b.id)));
        Ok(monitors)
    }

    /// Start of the oldest and of the newest result, from the heads of blocks.
    pub(super) fn ends(&self) -> Outcome<(Option<UnixMicros>, Option<UnixMicros>)> {
        let (mut oldest, mut newest) = (None, None);
        for (monitor, number) in &self.index.numbers {
            for last in [false, true] {
                let Some((_, value)) = self.read.end_of::<Block>(all_of(*number), last)? else { continue };
                let Ok(head) = frame::head(Kind::Results, &value) else { continue };
                let time = |us: u64| UnixMicros::new(i64::try_from(us).unwrap_or(i64::MAX));
                let first = time(head.first).max(self.floors_of(*monitor).raw);
                oldest = Some(oldest.map_or(first, |oldest: UnixMicros| oldest.min(first)));
                newest = newest.max(Some(time(head.last)));
            }
        }
        let sealed = of_family(&self.files, Family::Results);
        for file in [sealed.first(), sealed.last()].into_iter().flatten() {
            for entry in self.sealed_blocks(file, None)? {
                let first = entry.first.max(self.floors_of(entry.monitor).raw);
                oldest = Some(oldest.map_or(first, |oldest: UnixMicros| oldest.min(first)));
                newest = newest.max(Some(entry.last));
            }
        }
        Ok((oldest.filter(|oldest| Some(*oldest) <= newest), newest))
    }

    /// Every monitor that has results here, known or not, in sealed files only as far as their day ends by `until`.
    pub(super) fn with_results(&self, until: UnixMicros) -> Outcome<HashSet<MonitorId>> {
        let mut monitors = self.shelf.monitors(until)?;
        monitors.extend(self.index.numbers.keys());
        Ok(monitors)
    }
}

/// The results of a block that are not below the floor, oldest first.
pub(super) fn rows_of(
    packer: &mut Packer,
    floor: UnixMicros,
    monitor: MonitorId,
    value: &[u8],
) -> Outcome<Vec<CheckResult>> {
    decoded(packer, monitor, value, Depth::Whole, |times| times.partition_point(|time| *time < floor)..times.len())
}

/// Of the results of a block in a span the newest, oldest first.
fn some_of(
    packer: &mut Packer,
    monitor: MonitorId,
    value: &[u8],
    span: Span,
    most: usize,
    depth: Depth,
) -> Outcome<Vec<CheckResult>> {
    decoded(packer, monitor, value, depth, |times| {
        let to = times.partition_point(|time| *time < span.to);
        let from = times.partition_point(|time| *time < span.from).max(to.saturating_sub(most));
        from.min(to)..to
    })
}

/// Reads rows of a block. A damaged one is reported and left out: one bad block must not hide all others.
fn decoded(
    packer: &mut Packer,
    monitor: MonitorId,
    value: &[u8],
    depth: Depth,
    wanted: impl FnOnce(&[UnixMicros]) -> Range<usize>,
) -> Outcome<Vec<CheckResult>> {
    match unblock::decode_some(packer, monitor, value, depth, wanted) {
        Ok(rows) => Ok(rows),
        Err(why @ FrameError::Format(_)) => Err(why.into()),
        Err(why) => {
            error!(%monitor, %why, "a block of results is damaged: it is left out");
            Ok(Vec::new())
        }
    }
}

/// The rollups of a chunk, oldest first. A damaged one is reported and left out.
pub(super) fn rollups_of(
    packer: &mut Packer,
    monitor: MonitorId,
    tier: Tier,
    value: &[u8],
    depth: Depth,
) -> Outcome<Vec<Rollup>> {
    match chunk::decode_to(packer, monitor, tier, value, depth) {
        Ok(rollups) => Ok(rollups),
        Err(why @ FrameError::Format(_)) => Err(why.into()),
        Err(why) => {
            error!(%monitor, %why, "rollups are damaged: they are left out");
            Ok(Vec::new())
        }
    }
}

/// Where a block is.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Source {
    Live(Number, u128),
    Sealed(Sealed),
}

/// A block of a sealed file. The order among blocks of one place does not matter.
#[derive(Debug)]
struct Sealed(Arc<SealedFile>, Entry);

impl PartialEq for Sealed {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Sealed {}

impl PartialOrd for Sealed {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Sealed {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        let key = |sealed: &Self| (sealed.0.sequence, sealed.1.monitor, sealed.1.first);
        key(self).cmp(&key(other))
    }
}

/// The newest results that were asked for among those seen so far. Blocks are looked at by the newest of their results,
/// so that only those are unpacked that have one to add, and of each only that is kept.
struct Newest {
    span: Span,
    after: Option<PageCursor>,
    most: usize,
    found: BTreeMap<Place, CheckResult>,
}

impl Newest {
    /// Whether a result at this place, or an older one, would be kept.
    fn wants(&self, place: Place) -> bool {
        self.found.len() < self.most || self.found.first_key_value().is_none_or(|(oldest, _)| *oldest < place)
    }

    /// The newest block of a monitor that begins before `before` and reaches into the span, with an upper bound for the
    /// places of its results.
    fn block_of(
        &self,
        reader: &Reader<'_>,
        id: MonitorId,
        number: Number,
        before: UnixMicros,
    ) -> Outcome<Option<(Place, Source)>> {
        let before = self.after.map_or(before, |after| before.min(after.time.plus_us(1)));
        if before <= self.span.from {
            return Ok(None);
        }
        let Some((key, value)) = reader.block_before(number, before)? else { return Ok(None) };
        let last = frame::head(Kind::Results, &value).map_or(u64::MAX, |head| head.last);
        let last = UnixMicros::new(i64::try_from(last).unwrap_or(i64::MAX));
        let reaches = last >= self.span.from.max(reader.floors_of(id).raw);
        Ok(reaches.then(|| ((last.min(before.minus_us(1)), id), Source::Live(number, key))))
    }

    /// The end of what may be wanted.
    fn before(&self) -> UnixMicros {
        self.after.map_or(self.span.to, |after| self.span.to.min(after.time.plus_us(1)))
    }

    /// Where what may be wanted is.
    fn reach(&self) -> Span {
        Span::new(self.span.from.min(self.before()), self.before())
    }

    /// The sealed files that reach into the span, the newest last.
    fn files_of(&self, reader: &Reader<'_>) -> Vec<Arc<SealedFile>> {
        let from = self.span.from.max(reader.index.floors.raw);
        let reaches = |file: &&Arc<SealedFile>| file.period.from < self.before() && file.period.to > from;
        of_family(&reader.files, Family::Results).iter().filter(reaches).cloned().collect()
    }

    /// A sealed block that reaches into the span, with an upper bound for the places of its results.
    fn sealed_block(&self, file: &Arc<SealedFile>, entry: Entry) -> Option<(Place, Source)> {
        let before = self.before();
        let reaches = entry.first < before && entry.last >= self.span.from;
        let place = (entry.last.min(before.minus_us(1)), entry.monitor);
        reaches.then(|| (place, Source::Sealed(Sealed(Arc::clone(file), entry))))
    }

    /// Takes what is wanted of a block's results, which are oldest first. Of two with the same key the sealed one was
    /// there first.
    fn add(&mut self, rows: Vec<CheckResult>, sealed: bool) {
        for row in rows.into_iter().rev() {
            let place = (row.time, row.monitor);
            if !self.wants(place) {
                break;
            }
            if self.span.contains(row.time) && self.after.is_none_or(|after| place < (after.time, after.monitor)) {
                match self.found.entry(place) {
                    Slot::Occupied(mut there) if sealed => drop(there.insert(row)),
                    Slot::Occupied(_) => {}
                    Slot::Vacant(free) => drop(free.insert(row)),
                }
            }
            if self.found.len() > self.most {
                self.found.pop_first();
            }
        }
    }
}
