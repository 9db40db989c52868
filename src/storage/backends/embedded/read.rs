//! Reading rows: each read is one transaction and sees one state of the file.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::sync::Arc;

use native_db::transaction::RTransaction;
use tracing::error;

use super::fault::Outcome;
use super::file::{Index, KnownRow, Live};
use super::frame::{self, FrameError, Kind, Packer};
use super::record::{
    Block, GapRow, INCIDENT_SLOTS, IncidentRow, Known, Number, RollupChunk, all_of, chunk_key, incident_key, time_in,
    time_key,
};
use super::table::Tables;
use super::{block, chunk};
use crate::model::{CheckResult, Gap, Incident, KnownMonitor, MonitorId, Rollup, Span, Tier, UnixMicros};
use crate::storage::{GapQuery, IncidentQuery, Page, PageCursor, ResultQuery, RollupQuery};

/// A read transaction and what it needs to know.
pub(super) struct Reader<'db> {
    pub(super) read: RTransaction<'db>,
    pub(super) index: Arc<Index>,
    packer: Packer,
}

/// A place in the stream of all results, newest first, monitors of one time by id, descending.
type Place = (UnixMicros, MonitorId);

impl<'db> Reader<'db> {
    pub(super) fn begin(live: &'db Live) -> Outcome<Self> {
        let read = live.database.r_transaction()?;
        Ok(Self { read, index: live.index(), packer: Packer::default() })
    }

    /// The results of a block, oldest first. A damaged one is reported and left out: one bad block must not hide all
    /// others.
    pub(super) fn block(&mut self, monitor: MonitorId, value: &[u8]) -> Outcome<Vec<CheckResult>> {
        match block::decode(&mut self.packer, monitor, value) {
            Ok(mut rows) => {
                let floor = self.index.floors.raw;
                rows.drain(..rows.partition_point(|row| row.time < floor));
                Ok(rows)
            }
            Err(why @ FrameError::Format(_)) => Err(why.into()),
            Err(why) => {
                error!(%monitor, %why, "a block of results is damaged: it is left out");
                Ok(Vec::new())
            }
        }
    }

    /// The newest block that begins before `before`.
    fn block_before(&self, number: Number, before: UnixMicros) -> Outcome<Option<(u128, Vec<u8>)>> {
        let end = time_key(number, before);
        let start = *all_of(number).start();
        if end == start { Ok(None) } else { self.read.end_of::<Block>(start..=end - 1, true) }
    }

    pub(super) fn results(&mut self, query: &ResultQuery) -> Outcome<Page> {
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
        while let Some((place, number, key)) = blocks.pop() {
            if !newest.wants(place) {
                break;
            }
            let value = self.read.get_value::<Block>(key)?.unwrap_or_default();
            newest.add(self.block(place.1, &value)?);
            blocks.extend(newest.block_of(self, place.1, number, time_in(key))?);
        }
        let mut results: Vec<CheckResult> = newest.found.into_values().rev().collect();
        if results.len() <= limit {
            return Ok(Page { results, next: None });
        }
        results.truncate(limit);
        let next = results.last().map(|last| PageCursor { time: last.time, monitor: last.monitor });
        Ok(Page { results, next })
    }

    /// The newest result of a monitor before a time.
    pub(super) fn last_before(&mut self, monitor: MonitorId, time: UnixMicros) -> Outcome<Option<CheckResult>> {
        let Some(number) = self.index.numbers.get(&monitor).copied() else { return Ok(None) };
        let mut bound = time;
        while let Some((key, value)) = self.block_before(number, bound)? {
            let mut rows = self.block(monitor, &value)?;
            rows.truncate(rows.partition_point(|row| row.time < time));
            if let Some(last) = rows.pop() {
                return Ok(Some(last));
            }
            bound = time_in(key);
            if bound <= self.index.floors.raw {
                break;
            }
        }
        Ok(None)
    }

    pub(super) fn rollups(&mut self, query: &RollupQuery) -> Outcome<Vec<Rollup>> {
        let Some(number) = self.index.numbers.get(&query.monitor).copied() else { return Ok(Vec::new()) };
        let span = Span::new(query.span.from.max(self.index.floors.of(query.tier)), query.span.to);
        if span.is_empty() {
            return Ok(Vec::new());
        }
        let mut values = Vec::new();
        let keys = chunk_key(number, query.tier, span.from)..=chunk_key(number, query.tier, span.to);
        self.read.each_in::<RollupChunk>(keys, false, |_, value| {
            values.push(value);
            Ok(true)
        })?;
        let mut rollups = Vec::new();
        for value in values {
            let rows = self.chunk(query.monitor, query.tier, &value)?;
            rollups.extend(rows.into_iter().filter(|rollup| span.contains(rollup.start)));
        }
        Ok(rollups)
    }

    /// The rollups of a chunk, oldest first. A damaged one is reported and left out.
    pub(super) fn chunk(&mut self, monitor: MonitorId, tier: Tier, value: &[u8]) -> Outcome<Vec<Rollup>> {
        match chunk::decode(&mut self.packer, monitor, tier, value) {
            Ok(rollups) => Ok(rollups),
            Err(why @ FrameError::Format(_)) => Err(why.into()),
            Err(why) => {
                error!(%monitor, %why, "rollups are damaged: they are left out");
                Ok(Vec::new())
            }
        }
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
        let floor = self.index.floors.raw;
        gaps.retain(|gap| gap.span.to >= floor);
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
        for number in self.index.numbers.values() {
            for last in [false, true] {
                let Some((_, value)) = self.read.end_of::<Block>(all_of(*number), last)? else { continue };
                let Ok(head) = frame::head(Kind::Results, &value) else { continue };
                let time = |us: u64| UnixMicros::new(i64::try_from(us).unwrap_or(i64::MAX));
                let first = time(head.first).max(self.index.floors.raw);
                oldest = Some(oldest.map_or(first, |oldest: UnixMicros| oldest.min(first)));
                newest = newest.max(Some(time(head.last)));
            }
        }
        Ok((oldest.filter(|oldest| Some(*oldest) <= newest), newest))
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
    ) -> Outcome<Option<(Place, Number, u128)>> {
        let before = self.after.map_or(before, |after| before.min(after.time.plus_us(1)));
        if before <= self.span.from {
            return Ok(None);
        }
        let Some((key, value)) = reader.block_before(number, before)? else { return Ok(None) };
        let last = frame::head(Kind::Results, &value).map_or(u64::MAX, |head| head.last);
        let last = UnixMicros::new(i64::try_from(last).unwrap_or(i64::MAX));
        let reaches = last >= self.span.from.max(reader.index.floors.raw);
        Ok(reaches.then(|| ((last.min(before.minus_us(1)), id), number, key)))
    }

    /// Takes what is wanted of a block's results, which are oldest first.
    fn add(&mut self, rows: Vec<CheckResult>) {
        for row in rows.into_iter().rev() {
            let place = (row.time, row.monitor);
            if !self.wants(place) {
                break;
            }
            if self.span.contains(row.time) && self.after.is_none_or(|after| place < (after.time, after.monitor)) {
                self.found.insert(place, row);
            }
            if self.found.len() > self.most {
                self.found.pop_first();
            }
        }
    }
}
