//! A page of results, newest first: blocks are looked at by the newest of their results, so that few are unpacked.

use std::collections::BinaryHeap;
use std::collections::btree_map::{BTreeMap, Entry as Slot};
use std::sync::Arc;

use super::fault::Outcome;
use super::frame::{self, Kind};
use super::read::{Reader, time_of};
use super::record::{Block, Number, time_in};
use super::sealed::{Entry, Family, SealedFile};
use super::shelf::of_family;
use super::table::Tables;
use super::unblock::Depth;
use crate::model::{CheckResult, MonitorId, Span, UnixMicros};
use crate::storage::{Page, PageCursor, ResultQuery};

/// A place in the stream of all results, newest first, monitors of one time by id, descending.
type Place = (UnixMicros, MonitorId);

impl Reader<'_> {
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
                    let Some(frame) = file.readable(&entry)? else { continue };
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
        let last = frame::head(Kind::Results, &value).map_or(UnixMicros::MAX, |head| time_of(head.last));
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
