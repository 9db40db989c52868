//! Writing rows: each append is one transaction.
//!
//! New results go into a monitor's newest block while that is small. When it is full a new one begins; sealing makes one
//! of all blocks of a day.

use std::collections::btree_map::{BTreeMap, Entry};
use std::sync::Arc;

use native_db::transaction::RwTransaction;
use tracing::error;

use super::column::Effort;
use super::file::{Index, KnownRow, Live};
use super::frame::{self, Kind, Packer};
use super::record::{
    Block, DamagedBlock, GapRow, INCIDENT_SLOTS, IncidentRow, Known, Number, Record, RollupChunk, all_of, chunk_key,
    incident_key, time_key,
};
use super::spread::spread;
use super::table::{Tables, Writes};
use super::{block, chunk, unblock};
use crate::model::{CheckResult, Gap, Incident, KnownMonitor, MonitorId, Rollup, Tier, UnixMicros};
use crate::storage::{Batch, StoreErrorKind};

use super::fault::{Fault, Outcome};

/// Most results in a block that still takes new ones.
const TAIL_ROWS: usize = 128;

/// Results for new blocks, oldest first, by their monitors' numbers.
type New = Vec<(Number, Vec<CheckResult>)>;

/// Results that cost as much to pack as one rollup with its chunk.
const RESULTS_A_ROLLUP: usize = 32;

/// New rollups of a chunk, and the chunk as it is.
struct Chunk {
    key: u128,
    monitor: MonitorId,
    tier: Tier,
    old: Option<Vec<u8>>,
    new: Vec<Rollup>,
}

/// A chunk with its new rollups.
struct Merged {
    key: u128,
    old: Option<Vec<u8>>,
    /// Whether the old one cannot be read.
    damaged: bool,
    frame: Vec<u8>,
}

impl Chunk {
    fn merge(packer: &mut Packer, Self { key, monitor, tier, old, new }: Self) -> Outcome<Merged> {
        let mut merged: BTreeMap<UnixMicros, Rollup> = BTreeMap::new();
        let mut damaged = false;
        if let Some(value) = &old {
            match chunk::decode(packer, monitor, tier, value) {
                Ok(kept) => merged.extend(kept.into_iter().map(|rollup| (rollup.start, rollup))),
                Err(why @ frame::FrameError::Format(_)) => return Err(why.into()),
                Err(why) => {
                    error!(%monitor, %why, "rollups are damaged: they are kept aside");
                    damaged = true;
                }
            }
        }
        merged.extend(new.into_iter().map(|rollup| (rollup.start, rollup)));
        let merged: Vec<Rollup> = merged.into_values().collect();
        let frame = chunk::encode(packer, &merged, Effort::Quick)?;
        Ok(Merged { key, old, damaged, frame })
    }
}

/// Keeps a batch: all of it, or nothing.
pub(super) fn append(live: &Live, batch: Batch) -> Outcome<()> {
    let mut writer = Writer::begin(live)?;
    writer.monitors(batch.monitors)?;
    writer.results(batch.results)?;
    writer.rollups(batch.rollups)?;
    writer.gaps(&batch.gaps)?;
    writer.incidents(&batch.incidents)?;
    writer.commit()
}

/// A write transaction and what it needs to know.
pub(super) struct Writer<'db> {
    pub(super) write: RwTransaction<'db>,
    pub(super) packer: Packer,
    pub(super) index: Arc<Index>,
    live: &'db Live,
}

impl<'db> Writer<'db> {
    pub(super) fn begin(live: &'db Live) -> Outcome<Self> {
        // The engine lets one writer in at a time. The index changes with a commit, in `commit`, which a store's
        // writers reach one after the other because the store lets in one at a time as well.
        let write = live.database.rw_transaction()?;
        Ok(Self { write, packer: Packer::default(), index: live.index(), live })
    }

    pub(super) fn commit(self) -> Outcome<()> {
        self.write.commit()?;
        self.live.set_index(self.index);
        Ok(())
    }

    /// The number of a monitor, a new one at first sight.
    fn number(&mut self, id: MonitorId) -> Outcome<Number> {
        if let Some(number) = self.index.numbers.get(&id) {
            return Ok(*number);
        }
        let number = self.index.next;
        let next = number
            .checked_add(1)
            .ok_or_else(|| Fault::new(StoreErrorKind::Unsupported, "no numbers for monitors are left"))?;
        self.write.put::<Known>(u128::from(number), None, frame::seal_row(&KnownRow { id, known: None })?)?;
        let index = Arc::make_mut(&mut self.index);
        index.numbers.insert(id, number);
        index.next = next;
        Ok(number)
    }

    fn monitors(&mut self, monitors: Vec<KnownMonitor>) -> Outcome<()> {
        for mut monitor in monitors {
            let id = monitor.id;
            let key = u128::from(self.number(id)?);
            let old = self.write.get_value::<Known>(key)?;
            if let Some(old) = &old
                && let Some(known) = frame::open_row::<KnownRow>(old)?.known
            {
                monitor.first_seen = monitor.first_seen.min(known.first_seen);
            }
            let new = frame::seal_row(&KnownRow { id, known: Some(monitor) })?;
            self.write.put::<Known>(key, old, new)?;
        }
        Ok(())
    }

    fn results(&mut self, results: Vec<CheckResult>) -> Outcome<()> {
        let mut runs: BTreeMap<MonitorId, Vec<CheckResult>> = BTreeMap::new();
        let mut results = results.into_iter().peekable();
        while let Some(first) = results.next() {
            let monitor = first.monitor;
            let run = runs.entry(monitor).or_default();
            run.push(first);
            while let Some(next) = results.next_if(|next| next.monitor == monitor) {
                run.push(next);
            }
        }
        let mut new = Vec::new();
        for (monitor, mut run) in runs {
            let floor = self.index.floors_of(monitor).raw;
            run.retain(|result| result.time >= floor);
            // Stable, so that the first of two with the same key wins.
            run.sort_by_key(|result| result.time);
            run.dedup_by_key(|result| result.time);
            if !run.is_empty() {
                self.place(monitor, run, &mut new)?;
            }
        }
        let rows = new.iter().map(|(_, rows)| rows.len()).sum();
        let packed = spread(new, rows, |packer, (number, rows)| Ok((number, block::encode(packer, &rows)?)));
        packed.into_iter().try_for_each(|blocks: Outcome<_>| {
            let (number, frames) = blocks?;
            self.put_frames(number, frames)
        })
    }

    /// Brings results of one monitor, oldest first, into the blocks they belong to; those for blocks of their own at the
    /// end go to `new`.
    fn place(&mut self, monitor: MonitorId, mut rows: Vec<CheckResult>, new: &mut New) -> Outcome<()> {
        let number = self.number(monitor)?;
        let all = all_of(number);
        while let Some(first) = rows.first() {
            let at = time_key(number, first.time);
            let target = match self.write.end_of::<Block>(*all.start()..=at, true)? {
                Some(found) => Some(found),
                None => self.write.end_of::<Block>(all.clone(), false)?,
            };
            let Some((key, old)) = target else {
                new.push((number, rows));
                return Ok(());
            };
            let next = self.write.end_of::<Block>(key.max(at) + 1..=*all.end(), false)?;
            let rest =
                next.map_or(rows.len(), |(next, _)| rows.partition_point(|row| time_key(number, row.time) < next));
            let later = rows.split_off(rest);
            let is_newest = later.is_empty() && self.is_last(number, key)?;
            let after = frame::head(Kind::Results, &old)
                .is_ok_and(|head| at > (u128::from(number) << 64 | u128::from(head.last)));
            let room = |head: frame::Head| usize::from(head.count) + rows.len() <= TAIL_ROWS;
            if is_newest && after && !frame::head(Kind::Results, &old).is_ok_and(room) {
                new.push((number, rows));
                return Ok(());
            }
            self.merge(number, monitor, (key, old), rows, new)?;
            rows = later;
        }
        Ok(())
    }

    fn is_last(&self, number: Number, key: u128) -> Outcome<bool> {
        Ok(self.write.end_of::<Block>(key + 1..=*all_of(number).end(), false)?.is_none())
    }

    /// Merges results into a block; what is there already stays as it is.
    fn merge(
        &mut self,
        number: Number,
        monitor: MonitorId,
        (key, old): (u128, Vec<u8>),
        rows: Vec<CheckResult>,
        new: &mut New,
    ) -> Outcome<()> {
        let kept = match unblock::decode(&mut self.packer, monitor, &old) {
            Ok(kept) => kept,
            Err(why @ frame::FrameError::Format(_)) => return Err(why.into()),
            Err(why) => {
                error!(%monitor, %why, "a block of results is damaged: it is kept aside");
                self.set_aside::<Block>(key, old)?;
                return self.place(monitor, rows, new);
            }
        };
        let before = kept.len();
        let mut merged = kept;
        merged.extend(rows);
        // Stable: of two with the same time the one that was there comes first.
        merged.sort_by_key(|row| row.time);
        merged.dedup_by_key(|row| row.time);
        if merged.len() == before {
            return Ok(());
        }
        self.write.take::<Block>(key, old)?;
        let frames = block::encode(&mut self.packer, &merged)?;
        self.put_frames(number, frames)
    }

    fn put_frames(&mut self, number: Number, frames: Vec<(UnixMicros, Vec<u8>)>) -> Outcome<()> {
        for (first, frame) in frames {
            self.write.put::<Block>(time_key(number, first), None, frame)?;
        }
        Ok(())
    }

    /// Keeps a value that cannot be read under its key in a table of its own.
    fn set_aside<T: Record>(&mut self, key: u128, value: Vec<u8>) -> Outcome<()> {
        if self.write.get_value::<DamagedBlock>(key)?.is_none() {
            self.write.put::<DamagedBlock>(key, None, value.clone())?;
        }
        self.write.take::<T>(key, value)
    }

    pub(super) fn rollups(&mut self, rollups: Vec<Rollup>) -> Outcome<()> {
        let index = Arc::clone(&self.index);
        let is_kept = |rollup: &Rollup| rollup.start >= index.floors_of(rollup.monitor).of(rollup.tier);
        let count = rollups.len();
        let mut chunks: BTreeMap<u128, Chunk> = BTreeMap::new();
        for rollup in rollups.into_iter().filter(is_kept) {
            let (monitor, tier) = (rollup.monitor, rollup.tier);
            let key = chunk_key(self.number(monitor)?, tier, rollup.start);
            match chunks.entry(key) {
                Entry::Occupied(mut chunk) => chunk.get_mut().new.push(rollup),
                Entry::Vacant(free) => {
                    let old = self.write.get_value::<RollupChunk>(key)?;
                    free.insert(Chunk { key, monitor, tier, old, new: vec![rollup] });
                }
            }
        }
        let chunks: Vec<Chunk> = chunks.into_values().collect();
        for merged in spread(chunks, count * RESULTS_A_ROLLUP, Chunk::merge) {
            let Merged { key, mut old, damaged, frame } = merged?;
            if let Some(value) = old.take_if(|_| damaged) {
                self.set_aside::<RollupChunk>(key, value)?;
            }
            self.write.put::<RollupChunk>(key, old, frame)?;
        }
        Ok(())
    }

    fn gaps(&mut self, gaps: &[Gap]) -> Outcome<()> {
        for gap in gaps {
            let key = time_key(self.number(gap.monitor)?, gap.span.from);
            let old = self.write.get_value::<GapRow>(key)?;
            self.write.put::<GapRow>(key, old, frame::seal_row(gap)?)?;
        }
        Ok(())
    }

    fn incidents(&mut self, incidents: &[Incident]) -> Outcome<()> {
        for incident in incidents {
            let number = self.number(incident.monitor)?;
            let new = frame::seal_row(incident)?;
            let base = incident_key(number, incident.opened);
            let mut same = None;
            let mut taken = Vec::new();
            self.write.each_in::<IncidentRow>(all_of(number), true, |key, value| {
                if frame::open_row::<Incident>(&value).is_ok_and(|known| known.id == incident.id) {
                    same = Some((key, value));
                } else if (base..base + INCIDENT_SLOTS).contains(&key) {
                    taken.push(key);
                }
                Ok(same.is_none())
            })?;
            match same {
                Some((key, old)) if (base..base + INCIDENT_SLOTS).contains(&key) => {
                    self.write.put::<IncidentRow>(key, Some(old), new)?;
                    continue;
                }
                Some((key, old)) => self.write.take::<IncidentRow>(key, old)?,
                None => {}
            }
            let key = (base..base + INCIDENT_SLOTS)
                .find(|key| {
                    !taken.contains(key) && self.write.get_value::<IncidentRow>(*key).is_ok_and(|row| row.is_none())
                })
                .ok_or_else(|| Fault::new(StoreErrorKind::Unsupported, "too many incidents of one instant"))?;
            self.write.put::<IncidentRow>(key, None, new)?;
        }
        Ok(())
    }
}
