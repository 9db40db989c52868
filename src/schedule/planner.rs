//! When each monitor is due. Pure: it is told the time and never waits.
//!
//! The cadence is a fixed grid, `offset + n × interval`, with offset = hash of the id modulo interval. The grid is
//! laid out on the wall clock once, at start, and followed on the monotonic clock from then on: it is the same after a
//! restart, it does not drift, and setting the wall clock moves nothing. First checks, re-checks and checks that a
//! person asked for are extra and occupy no slot.

use super::heap::DueHeap;
use crate::clock::Mono;
use crate::model::{MonitorId, UnixMicros};

/// Longest time over which many first checks are spread: with a slot that serves and the start of the process, all
/// monitors are checked within 10 s.
const SPREAD_US: u64 = 8_900_000;
/// Time that each first check adds to the spread, until it is `SPREAD_US` long: 100 first checks a second.
const SPREAD_EACH_US: u64 = 10_000;
/// A slot this near serves as the first check.
const NEAR_US: u64 = 1_000_000;
/// Checks to make up for slots lost in a sleep wait this long, so that the network can come back.
const AFTER_WAKING_US: u64 = 3_000_000;
/// Shortest interval the planner follows; configuration allows nothing below a second.
const SHORTEST_US: u64 = 1_000;

/// Names a monitor in the planner while it is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Key(u32);

impl Key {
    /// A small number, used again once the monitor is removed.
    pub(super) fn index(self) -> usize {
        self.0 as usize
    }
}

/// When the first check of a new or changed monitor comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum First {
    /// Now.
    AtOnce,
    /// Somewhere in a window that is long enough for this many monitors.
    Spread {
        /// How many start together.
        of: usize,
    },
}

/// What a check is due for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Due {
    /// A slot of the cadence, planned for this time.
    Slot(Mono),
    /// None: it is a first check, a re-check, or somebody asked.
    Extra,
}

/// A re-check that the judge of a failure asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Recheck {
    /// How long after the end of the failed check, in microseconds.
    pub(super) after_us: u64,
    /// How long the failed check took, and so the re-check may take, in microseconds.
    pub(super) took_us: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// Waits for its next due time.
    Due,
    /// Was taken and did not come back yet; `again` when an extra check was asked for meanwhile.
    Out { again: bool },
    /// Is never due.
    Paused,
}

#[derive(Debug)]
struct Entry {
    interval_us: u64,
    /// The grid on the monotonic clock: slots are at `phase_us + n × interval_us`.
    phase_us: u64,
    /// The next slot.
    slot_us: u64,
    /// The next extra check.
    extra_us: Option<u64>,
    place: Place,
}

impl Entry {
    /// The first slot that is not before `at`.
    fn slot_from(&self, at: u64) -> u64 {
        let past = at % self.interval_us;
        let wait = if past <= self.phase_us { self.phase_us - past } else { self.interval_us - (past - self.phase_us) };
        at.saturating_add(wait)
    }

    /// Moves on to the first slot that is not before `at` and says how many were passed over.
    fn pass_over(&mut self, at: u64) -> u64 {
        let next = self.slot_from(at).max(self.slot_us);
        let passed = (next - self.slot_us) / self.interval_us;
        self.slot_us = next;
        passed
    }

    fn due_us(&self) -> u64 {
        self.extra_us.map_or(self.slot_us, |extra| extra.min(self.slot_us))
    }

    /// A place for an extra check between `delay` and `delay + window` from now; none when the next slot is near
    /// enough to do. The later the slot, the later the place: slots are spread evenly, so the places are too, and an
    /// extra check stays clear of the slot that follows it.
    fn spread(&self, now: u64, delay: u64, window: u64) -> Option<u64> {
        let wait = self.slot_us.saturating_sub(now);
        let head = delay + window.max(NEAR_US);
        if wait <= head || self.interval_us <= head {
            return None;
        }
        let share = u128::from(window) * u128::from(wait - head) / u128::from(self.interval_us - head);
        Some(now + delay + u64::try_from(share).unwrap_or(window).min(window))
    }
}

/// Knows when each monitor is due.
#[derive(Debug)]
pub(super) struct Planner {
    /// Wall clock minus monotonic clock when the grid was laid out.
    anchor_us: i64,
    entries: Vec<Option<Entry>>,
    free: Vec<u32>,
    heap: DueHeap,
    missed: u64,
}

impl Planner {
    /// Lays the grid out: at `mono` the wall clock shows `wall`.
    pub(super) fn new(mono: Mono, wall: UnixMicros) -> Self {
        let mono = i64::try_from(mono.0).unwrap_or(i64::MAX);
        Self {
            anchor_us: wall.micros().saturating_sub(mono),
            entries: Vec::new(),
            free: Vec::new(),
            heap: DueHeap::default(),
            missed: 0,
        }
    }

    /// Slots that were passed over so far.
    pub(super) fn missed(&self) -> u64 {
        self.missed
    }

    /// The earliest time at which anything is due.
    pub(super) fn next_due(&self) -> Option<Mono> {
        self.heap.peek().map(|(due, _)| Mono(due))
    }

    /// When a monitor is due next; none while it is out or paused.
    pub(super) fn due_of(&self, key: Key) -> Option<Mono> {
        let entry = self.entry(key)?;
        (entry.place == Place::Due).then(|| Mono(entry.due_us()))
    }

    /// Adds a monitor.
    pub(super) fn add(&mut self, id: MonitorId, interval_us: u64, first: First, now: Mono) -> Key {
        let key = Key(self.free.pop().unwrap_or_else(|| {
            self.entries.push(None);
            u32::try_from(self.entries.len() - 1).unwrap_or(u32::MAX)
        }));
        let entry = self.lay_out(id, interval_us, first, now);
        self.entries[key.index()] = Some(entry);
        self.file(key);
        key
    }

    /// Another interval, or another target: as if the monitor was new, but a paused one stays paused. One that is
    /// out is no longer waited for.
    pub(super) fn change(&mut self, key: Key, id: MonitorId, interval_us: u64, first: First, now: Mono) {
        let mut entry = self.lay_out(id, interval_us, first, now);
        if self.entry(key).is_some_and(|old| old.place == Place::Paused) {
            entry.place = Place::Paused;
        }
        self.entries[key.index()] = Some(entry);
        self.file(key);
    }

    /// Takes a monitor out for good; its key may name another one from now on.
    pub(super) fn remove(&mut self, key: Key) {
        if self.entries.get_mut(key.index()).and_then(Option::take).is_some() {
            self.heap.remove(key.0);
            self.free.push(key.0);
        }
    }

    /// Never due until resumed. One that is out is no longer waited for.
    pub(super) fn pause(&mut self, key: Key) {
        if let Some(entry) = self.entry_mut(key) {
            entry.place = Place::Paused;
            entry.extra_us = None;
            self.file(key);
        }
    }

    /// Due at once, and by its cadence from now on. Slots of the pause are not missed: nobody wanted them.
    pub(super) fn resume(&mut self, key: Key, now: Mono) {
        if let Some(entry) = self.entry_mut(key).filter(|entry| entry.place == Place::Paused) {
            entry.slot_us = entry.slot_from(now.0);
            entry.extra_us = Some(now.0);
            entry.place = Place::Due;
            self.file(key);
        }
    }

    /// An extra check now; one that is out is checked once more when it comes back, a paused one is not.
    pub(super) fn check_now(&mut self, key: Key, now: Mono) {
        if let Some(entry) = self.entry_mut(key) {
            match entry.place {
                Place::Due => entry.extra_us = Some(now.0),
                Place::Out { .. } => entry.place = Place::Out { again: true },
                Place::Paused => {}
            }
            self.file(key);
        }
    }

    /// Takes one monitor that is due: it is out until [`Planner::back`]. Of several slots that are over, the last
    /// one is taken late and the others are missed.
    pub(super) fn pop_due(&mut self, now: Mono) -> Option<(Key, Due)> {
        let (due, key) = self.heap.peek()?;
        if due > now.0 {
            return None;
        }
        self.heap.remove(key);
        let entry = self.entries[key as usize].as_mut()?;
        entry.place = Place::Out { again: false };
        let due = if entry.slot_us <= now.0 {
            let over = (now.0 - entry.slot_us) / entry.interval_us;
            let slot = entry.slot_us + over * entry.interval_us;
            entry.slot_us = slot + entry.interval_us;
            self.missed += over;
            Due::Slot(Mono(slot))
        } else {
            Due::Extra
        };
        // Whatever extra check was planned is answered by this one.
        entry.extra_us = None;
        Some((Key(key), due))
    }

    /// A monitor that was out is done, or will not be checked after all. Slots that came meanwhile are missed.
    pub(super) fn back(&mut self, key: Key, now: Mono, recheck: Option<Recheck>) {
        let Some(entry) = self.entry_mut(key) else { return };
        let Place::Out { again } = entry.place else { return };
        let passed = entry.pass_over(now.0);
        entry.place = Place::Due;
        if again {
            entry.extra_us = Some(now.0);
        } else if let Some(Recheck { after_us, took_us }) = recheck {
            // A re-check that would still run when the next slot comes is left to that slot.
            let at = now.0.saturating_add(after_us);
            entry.extra_us = (at.saturating_add(took_us) <= entry.slot_us).then_some(at);
        }
        self.missed += passed;
        self.file(key);
    }

    /// Nobody looked for a while and now somebody does: slots that are over are missed, none is made up for in a
    /// burst. A monitor that is out, or that lost a slot, to this or to a sleep of `slept_us` in which the monotonic
    /// clock stood still, gets an extra check soon, spread, unless its next slot comes soon anyway.
    pub(super) fn wake(&mut self, now: Mono, slept_us: u64) {
        for index in 0..self.entries.len() {
            let Some(entry) = self.entries[index].as_mut() else { continue };
            if entry.place == Place::Paused {
                continue;
            }
            let passed = entry.pass_over(now.0);
            let lost = passed > 0 || entry.slot_us - now.0 <= slept_us || matches!(entry.place, Place::Out { .. });
            if lost || entry.extra_us.is_some() {
                entry.extra_us = entry.spread(now.0, AFTER_WAKING_US, SPREAD_US);
            }
            self.missed += passed;
            if entry.place == Place::Due {
                let due = entry.due_us();
                self.heap.set(u32::try_from(index).unwrap_or(u32::MAX), due);
            }
        }
    }

    /// What was seen lately is worth little: an extra check soon for each monitor, spread, unless its next slot comes
    /// soon anyway.
    pub(super) fn look_again(&mut self, now: Mono) {
        for index in 0..self.entries.len() {
            let Some(entry) = self.entries[index].as_mut().filter(|entry| entry.place == Place::Due) else { continue };
            if entry.extra_us.is_none() {
                entry.extra_us = entry.spread(now.0, AFTER_WAKING_US, SPREAD_US);
                let due = entry.due_us();
                self.heap.set(u32::try_from(index).unwrap_or(u32::MAX), due);
            }
        }
    }

    /// Nobody followed the plan yet, which was last changed at `planned`: first checks that were to be spread are
    /// spread from now on, those asked for at once stay, and no slot was missed.
    pub(super) fn begin(&mut self, planned: Mono, now: Mono) {
        let window = window(self.entries.len() - self.free.len());
        for index in 0..self.entries.len() {
            let Some(entry) = self.entries[index].as_mut().filter(|entry| entry.place == Place::Due) else { continue };
            entry.slot_us = entry.slot_from(now.0);
            entry.extra_us =
                entry.extra_us.filter(|extra| *extra <= planned.0).or_else(|| entry.spread(now.0, 0, window));
            let due = entry.due_us();
            self.heap.set(u32::try_from(index).unwrap_or(u32::MAX), due);
        }
    }

    fn lay_out(&self, id: MonitorId, interval_us: u64, first: First, now: Mono) -> Entry {
        let hash = hash(id);
        let interval_us = interval_us.max(SHORTEST_US);
        let phase = (i128::from(hash % interval_us) - i128::from(self.anchor_us)).rem_euclid(i128::from(interval_us));
        let mut entry = Entry {
            interval_us,
            phase_us: u64::try_from(phase).unwrap_or(0),
            slot_us: 0,
            extra_us: None,
            place: Place::Due,
        };
        entry.slot_us = entry.slot_from(now.0);
        entry.extra_us = match first {
            First::AtOnce => Some(now.0),
            First::Spread { of } => entry.spread(now.0, 0, window(of)),
        };
        entry
    }

    fn entry(&self, key: Key) -> Option<&Entry> {
        self.entries.get(key.index())?.as_ref()
    }

    fn entry_mut(&mut self, key: Key) -> Option<&mut Entry> {
        self.entries.get_mut(key.index())?.as_mut()
    }

    /// Puts a monitor into the heap, or takes it out, as its place says.
    fn file(&mut self, key: Key) {
        match self.entry(key).filter(|entry| entry.place == Place::Due).map(Entry::due_us) {
            Some(due) => self.heap.set(key.0, due),
            None => self.heap.remove(key.0),
        }
    }
}

/// The time over which the first checks of so many monitors are spread.
fn window(of: usize) -> u64 {
    u64::try_from(of).unwrap_or(u64::MAX).saturating_mul(SPREAD_EACH_US).min(SPREAD_US)
}

/// A hash of an id that is the same on every machine and in every version (the finaliser of SplitMix64, Steele, Lea
/// and Flood, OOPSLA 2014).
fn hash(id: MonitorId) -> u64 {
    let (high, low) = id.uuid().as_u64_pair();
    let mut hash = high ^ low.rotate_left(32) ^ 0x9e37_79b9_7f4a_7c15;
    hash = (hash ^ (hash >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    hash = (hash ^ (hash >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    hash ^ (hash >> 31)
}

#[cfg(test)]
mod tests;
