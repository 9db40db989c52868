//! Reading rows: each read is one transaction and sees one state of the file.

use std::cmp::Reverse;
use std::collections::HashSet;
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
use crate::model::{CheckResult, Gap, Incident, KnownMonitor, MonitorId, Rollup, Span, Tier, Times, UnixMicros};
use crate::storage::{GapQuery, IncidentQuery, StoreErrorKind};

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

    pub(super) fn floors_of(&self, monitor: MonitorId) -> Floors {
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
        match file.readable(entry)? {
            Some(frame) => self.block(entry.monitor, &frame),
            None => Ok(Vec::new()),
        }
    }

    /// Of the results of a block in a span the newest, oldest first.
    pub(super) fn newest_of(
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
    pub(super) fn block_before(&self, number: Number, before: UnixMicros) -> Outcome<Option<(u128, Vec<u8>)>> {
        let end = time_key(number, before);
        let start = *all_of(number).start();
        if end == start { Ok(None) } else { self.read.end_of::<Block>(start..=end - 1, true) }
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
        let last = time_of(head.last);
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
                let Some(frame) = file.readable(entry)? else { continue };
                if let Some(last) = self.newest_of(monitor, &frame, before, 1, Depth::Whole)?.pop() {
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

    /// What some monitors' results in a span were, with as much of each as is seen; none where they are more than
    /// `limit`.
    pub(super) fn results_of(
        &self,
        monitors: &[MonitorId],
        span: Span,
        limit: usize,
    ) -> Outcome<Option<Vec<CheckResult>>> {
        let (mut of_each, mut rows, mut left) = (Vec::with_capacity(monitors.len()), 0, [limit; 2]);
        for monitor in monitors {
            let span = Span::new(span.from.max(self.floors_of(*monitor).raw).min(span.to), span.to);
            let mut frames = Vec::new();
            for (sealed, frame) in self.blocks_in(*monitor, span)? {
                // A head that cannot be read is told when its block is.
                if let Ok(head) = frame::head(Kind::Results, &frame) {
                    rows += usize::from(head.count);
                    // Neither the live ones nor the sealed ones are there twice.
                    let is_inside = span.contains(time_of(head.first)) && span.contains(time_of(head.last));
                    let counted = if is_inside { usize::from(head.count) } else { 0 };
                    let Some(less) = left[usize::from(sealed)].checked_sub(counted) else { return Ok(None) };
                    left[usize::from(sealed)] = less;
                }
                frames.push(frame);
            }
            of_each.push((*monitor, span, frames));
        }
        let read = spread(of_each, rows, |packer, (monitor, span, frames)| {
            let mut found: Vec<CheckResult> = Vec::new();
            for frame in frames {
                found.extend(some_of(packer, monitor, &frame, span, usize::MAX, Depth::Seen)?);
            }
            // Of two with the same time the sealed one was there first.
            found.sort_by_key(|result| result.time);
            found.dedup_by_key(|result| result.time);
            Ok(found)
        });
        let mut results = Vec::new();
        for own in read {
            let own: Outcome<Vec<CheckResult>> = own;
            results.extend(own?);
        }
        Ok((results.len() <= limit).then_some(results))
    }

    /// The blocks of a monitor that reach into a span, those of sealed files first, and whether they are.
    fn blocks_in(&self, monitor: MonitorId, span: Span) -> Outcome<Vec<(bool, Vec<u8>)>> {
        let mut blocks = Vec::new();
        if span.is_empty() {
            return Ok(blocks);
        }
        let reaching = of_family(&self.files, Family::Results).iter();
        for file in reaching.filter(|file| file.period.from < span.to && file.period.to > span.from) {
            for entry in self.sealed_blocks(file, Some(monitor))? {
                if entry.first < span.to && entry.last >= span.from {
                    blocks.extend(file.readable(&entry)?.map(|frame| (true, frame)));
                }
            }
        }
        let Some(number) = self.index.numbers.get(&monitor).copied() else { return Ok(blocks) };
        let mut before = span.to;
        while before > span.from {
            let Some((key, value)) = self.block_before(number, before)? else { break };
            before = time_in(key);
            if frame::head(Kind::Results, &value).is_ok_and(|head| time_of(head.last) < span.from) {
                break;
            }
            blocks.push((false, value));
        }
        Ok(blocks)
    }

    /// The rollups of some monitors whose bucket starts in a span, of each the oldest first.
    pub(super) fn rollups(&self, monitors: &[MonitorId], tier: Tier, span: Span, depth: Depth) -> Outcome<Vec<Rollup>> {
        let of_each = self.of_each_rollups(monitors, tier, span, depth, |rollups| rollups)?;
        Ok(of_each.into_iter().flatten().collect())
    }

    /// See [`ReadRows::rollup_sums`](crate::storage::ReadRows::rollup_sums).
    pub(super) fn rollup_sums(&self, monitors: &[MonitorId], tier: Tier, spans: &[Span]) -> Outcome<Vec<Vec<Times>>> {
        let (Some(first), Some(last)) = (spans.first(), spans.last()) else {
            return Ok(vec![Vec::new(); monitors.len()]);
        };
        let whole = Span::new(first.from, last.to);
        self.of_each_rollups(monitors, tier, whole, Depth::Seen, |rollups| sums_of(&rollups, spans))
    }

    /// Makes something of each monitor's rollups, which are in order.
    fn of_each_rollups<R: Send>(
        &self,
        monitors: &[MonitorId],
        tier: Tier,
        span: Span,
        depth: Depth,
        make: impl Fn(Vec<Rollup>) -> R + Sync,
    ) -> Outcome<Vec<R>> {
        let of_each = monitors.iter().map(|monitor| {
            let floor = self.floors_of(*monitor).of(tier);
            let span = Span::new(span.from.max(floor).min(span.to), span.to);
            Ok((*monitor, span, self.frames_of(*monitor, tier, span)?))
        });
        let of_each = of_each.collect::<Outcome<Vec<_>>>()?;
        let rows = of_each.len() * ROWS_A_MONTH;
        let read = spread(of_each, rows, |packer, (monitor, span, frames)| {
            let mut rollups: Vec<Rollup> = Vec::new();
            // What stands later was written later.
            for frame in frames.iter().rev() {
                let rows = rollups_of(packer, monitor, tier, frame, depth)?.into_iter();
                rollups.extend(rows.filter(|row| span.contains(row.start)));
            }
            rollups.sort_by_key(|rollup| rollup.start);
            rollups.dedup_by_key(|rollup| rollup.start);
            Ok(make(rollups))
        });
        read.into_iter().collect()
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
                        frames.extend(file.readable(&entry)?);
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
                let first = time_of(head.first).max(self.floors_of(*monitor).raw);
                oldest = Some(oldest.map_or(first, |oldest: UnixMicros| oldest.min(first)));
                newest = newest.max(Some(time_of(head.last)));
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

/// Observed time in spans, which are in order, of rollups, which are too.
fn sums_of(rollups: &[Rollup], spans: &[Span]) -> Vec<Times> {
    let mut sums = vec![Times::default(); spans.len()];
    let mut at = 0;
    for rollup in rollups {
        at += spans[at..].iter().take_while(|span| span.to <= rollup.start).count();
        let is_in = spans.get(at).is_some_and(|span| span.contains(rollup.start));
        if let Some(sum) = sums.get_mut(at).filter(|_| is_in) {
            sum.up_us += rollup.up_us;
            sum.degraded_us += rollup.degraded_us;
            sum.down_us += rollup.down_us;
        }
    }
    sums
}

/// A time as the head of a frame has it.
pub(super) fn time_of(us: u64) -> UnixMicros {
    UnixMicros::new(i64::try_from(us).unwrap_or(i64::MAX))
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
