//! The journal's size limit. Before anything is dropped, the oldest results that a store waits for are summed up by the
//! hour: a monitor's hour is one rollup then instead of its results, and is delivered in their place. Everything else
//! stays: gaps, incidents, monitors, and the last results of each monitor, which say how the next hour begins.
//!
//! Summed up is only an hour of which every result is known here and decided, and which no other store has a part of.
//! So each hour gets to the store as its results, or as a rollup that says what they would have said. That it is final
//! is known by its checks: fewer results in a store than its rollup has checks never make a new one (`upkeep`).

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::head::share_of;
use super::shared::{Shared, lock};
use super::upkeep::{SEAL_AFTER_US, Undecided};
use super::ways::Ways;
use crate::journal::{JournalError, Part, Reader, decode, finish_rewrite, kind, peek, retire, rewrite, segments, size};
use crate::model::{
    Evidence, Gap, Incident, IncidentEnd, IncidentId, MonitorId, Rollup, Row, Seen, Span, Tier, UnixMicros, rollup_of,
};

/// Fewer results of a monitor in an hour take less room than a rollup is worth.
const WORTH_IT: usize = 8;
/// Most results that are summed up in one go; they are held in memory.
const AT_ONCE: usize = 200_000;
/// Bytes that are made free at least, where the limit is far larger.
const ROOM: u64 = 16 << 20;
/// Checks end in another order than they start, by this much at most.
const DISORDER_US: u64 = 600_000_000;

/// Hour and monitor.
type Key = (UnixMicros, MonitorId);

/// What is known from outside.
pub(super) struct Known<'a> {
    pub(super) now: UnixMicros,
    pub(super) undecided: &'a Undecided,
    /// Since when a monitor is down; none when it is not.
    pub(super) down_since: &'a Undecided,
}

/// Brings the journal below its limit, as far as that can be done without losing anything else; gives the number of
/// results that were summed up.
pub(super) fn keep_limit(ways: &Ways, shared: &Shared, limit: u64, known: &Known<'_>) -> Result<u64, JournalError> {
    let folder = &shared.folder;
    if size(folder)? <= limit {
        return Ok(0);
    }
    let _house = lock(&ways.house);
    finish_rewrite(folder)?;
    // What everybody has got is kept for reading only.
    let cursors = lock(&ways.cursors).clone();
    retire(folder, |rows| cursors.is_waited_for(rows), None)?;
    let mut condensed = 0;
    // Some room is made at a time, so that this is not done for every row.
    let target = limit - (limit / 10).min(ROOM);
    while size(folder)? > target {
        let edges = cursors.entries().iter().flat_map(|entry| {
            let holes = entry.holes.iter().flat_map(|hole| [hole.start, hole.end]);
            entry.until.into_iter().chain(holes).collect::<Vec<_>>()
        });
        let plan = Plan { shared, known, edges: edges.collect(), below: ways.in_files_below() };
        let results = plan.make()?;
        if results == 0 {
            break;
        }
        condensed += results;
    }
    Ok(condensed)
}

struct Plan<'a> {
    shared: &'a Shared,
    known: &'a Known<'a>,
    /// Numbers at which the rows of another store begin.
    edges: BTreeSet<u64>,
    /// Rows from here on are in memory too, under their numbers.
    below: u64,
}

/// What one look through the journal found.
#[derive(Default)]
struct Found {
    /// Results of each hour that wait for the store in files.
    hours: BTreeMap<UnixMicros, usize>,
    /// Hours that cannot be summed up: a result is in memory, or another store's.
    barred: BTreeSet<UnixMicros>,
    /// Time of the first result there is: what is older may be elsewhere.
    first: Option<UnixMicros>,
    /// Latest time of any result: rows are journaled in order, so that those of an hour are here once later ones are,
    /// also after a time in which nothing could be written.
    newest: Option<UnixMicros>,
    /// Hours that were summed up before.
    done: BTreeSet<Key>,
    gaps: HashMap<Key, Gap>,
    incidents: HashMap<IncidentId, Incident>,
}

impl Plan<'_> {
    /// Sums up some hours; gives how many results went.
    fn make(&self) -> Result<u64, JournalError> {
        let segments = segments(&self.shared.folder)?;
        // Whole segments only, and never the last one, which is written to.
        let Some(below) = segments.iter().copied().rfind(|first| *first <= self.below) else { return Ok(0) };
        let found = self.look(below)?;
        let mut after = UnixMicros::MIN;
        let summed = loop {
            let chosen = self.choose(&found, after);
            let Some(last) = chosen.last().copied() else { return Ok(0) };
            let summed = self.sum_up(&found, &chosen)?;
            if summed.results > 0 {
                break summed;
            }
            after = last;
        };
        for pair in segments.windows(2).filter(|pair| pair[1] <= below) {
            self.rewrite(pair[0], pair[1], &summed)?;
        }
        Ok(summed.results)
    }

    /// Whether a row waits for this store, in files only.
    fn is_own(&self, monitor: MonitorId, number: u64) -> bool {
        lock(&self.shared.head).is_spilled(share_of(monitor), number)
    }

    fn look(&self, below: u64) -> Result<Found, JournalError> {
        let mut found = Found::default();
        let mut reader = Reader::new(&self.shared.folder, 0, None, false);
        while let Some((number, payload)) = reader.next_payload()? {
            let Some(seen) = peek(payload) else { continue };
            match (seen.kind, seen.time) {
                (kind::RESULT, Some(time)) => {
                    found.first.get_or_insert(time);
                    found.newest = found.newest.max(Some(time));
                    let hour = Tier::Hour.bucket(time).from;
                    if number >= below || self.is_others(number) {
                        found.barred.insert(hour);
                    } else if self.is_own(seen.monitor, number) {
                        *found.hours.entry(hour).or_default() += 1;
                    }
                }
                (kind::GAP | kind::INCIDENT | kind::ROLLUP, _) => match decode(payload) {
                    Ok(Row::Gap(gap)) => drop(found.gaps.insert((gap.span.from, gap.monitor), gap)),
                    Ok(Row::Incident(incident)) => drop(found.incidents.insert(incident.id, incident)),
                    Ok(Row::Rollup(rollup)) => drop(found.done.insert((rollup.start, rollup.monitor))),
                    _ => {}
                },
                _ => {}
            }
        }
        Ok(found)
    }

    /// Whether a row is of another store: neither waits for this one nor was it brought to it.
    fn is_others(&self, number: u64) -> bool {
        lock(&self.shared.head).is_others(number)
    }

    /// The oldest hours after one that can be summed up.
    fn choose(&self, found: &Found, after: UnixMicros) -> BTreeSet<UnixMicros> {
        let mut chosen = BTreeSet::new();
        let mut results = 0;
        let whole_from = found.first.map_or(UnixMicros::MAX, |first| first.plus_us(DISORDER_US));
        let until = found.newest.unwrap_or(UnixMicros::MIN).min(self.known.now.minus_us(SEAL_AFTER_US));
        for (&hour, &count) in found.hours.iter().filter(|(hour, _)| **hour > after) {
            let is_past = Tier::Hour.bucket(hour).to.plus_us(DISORDER_US) <= until;
            if results > 0 && results + count > AT_ONCE || !is_past {
                break;
            }
            // Of the hour in which the journal begins a part may be in the store already.
            let is_first = hour < whole_from && !self.begins_with_the_journal();
            if is_first || found.barred.contains(&hour) {
                continue;
            }
            results += count;
            chosen.insert(hour);
        }
        chosen
    }

    /// Whether nothing was ever removed from the journal.
    fn begins_with_the_journal(&self) -> bool {
        segments(&self.shared.folder).is_ok_and(|segments| segments.first() == Some(&1))
    }

    fn sum_up(&self, found: &Found, chosen: &BTreeSet<UnixMicros>) -> Result<Summed, JournalError> {
        let mut monitors: HashMap<MonitorId, Monitor> = HashMap::new();
        let last_end = chosen.last().map_or(UnixMicros::MIN, |hour| Tier::Hour.bucket(*hour).to);
        let mut reader = Reader::new(&self.shared.folder, 0, None, false);
        while let Some((number, payload)) = reader.next_payload()? {
            let Some(seen) = peek(payload).filter(|seen| seen.kind == kind::RESULT) else { continue };
            let time = seen.time.unwrap_or(UnixMicros::MAX);
            if time >= last_end {
                continue;
            }
            if let Ok(Row::Result(result)) = decode(payload) {
                let own = self.is_own(seen.monitor, number);
                monitors.entry(seen.monitor).or_default().results.entry(time).or_insert((
                    number,
                    own,
                    Seen::from(&result),
                ));
            }
        }
        let mut summed = Summed::default();
        for (id, monitor) in &monitors {
            for &hour in chosen {
                self.hour(found, *id, monitor, hour, &mut summed);
            }
        }
        Ok(summed)
    }

    /// Sums up one hour of a monitor, when it is worth it.
    fn hour(&self, found: &Found, id: MonitorId, monitor: &Monitor, hour: UnixMicros, summed: &mut Summed) {
        let bucket = Tier::Hour.bucket(hour);
        let own = || monitor.results.range(bucket.from..bucket.to);
        let undecided = (self.known.undecided)(id).is_some_and(|since| since < bucket.to);
        if own().count() < WORTH_IT || undecided || found.done.contains(&(hour, id)) || own().any(|(_, row)| !row.1) {
            return;
        }
        let rollup = self.rollup(found, id, monitor, bucket);
        // What the next hour needs to know stays: the last result, and the last good one where that is another.
        let last = own().next_back().map(|(_, row)| row.0);
        let good = own().rev().find(|(_, row)| row.2.verdict.is_good()).map(|(_, row)| row.0);
        let gone = own().map(|(_, row)| row.0).filter(|number| Some(*number) != last && Some(*number) != good);
        let before = summed.gone.len();
        summed.gone.extend(gone);
        let went = summed.gone.len() - before;
        if let Some(place) = own().map(|(_, row)| row.0).filter(|number| summed.gone.contains(number)).max() {
            summed.put.insert(place, rollup);
        }
        summed.results += went as u64;
    }

    /// The same as would be made of the results in the store.
    fn rollup(&self, found: &Found, id: MonitorId, monitor: &Monitor, bucket: Span) -> Rollup {
        let mut results: Vec<Seen> = Vec::new();
        for (_, (.., seen)) in monitor.results.range(..bucket.from).rev() {
            results.push(*seen);
            if seen.verdict.is_good() {
                break;
            }
        }
        results.reverse();
        results.extend(monitor.results.range(bucket.from..bucket.to).map(|(_, row)| row.2));
        let gaps: Vec<Gap> =
            found.gaps.values().filter(|gap| gap.monitor == id || gap.monitor.is_all()).copied().collect();
        let mut incidents: Vec<Incident> = found.incidents.values().filter(|i| i.monitor == id).cloned().collect();
        // One that opened before the journal begins is known to the state machine only.
        if let Some(opened) = (self.known.down_since)(id).filter(|_| incidents.iter().all(|i| !i.is_open())) {
            incidents.push(Incident {
                id: IncidentId::of(id, opened),
                monitor: id,
                opened,
                confirmed: opened,
                end: IncidentEnd::Open,
                failure: crate::model::Failure::Internal,
                message: "".into(),
                acknowledged: None,
            });
        }
        let evidence = Evidence { results: &results, gaps: &gaps, incidents: &incidents, now: self.known.now };
        rollup_of(id, Tier::Hour, bucket.from, &evidence)
    }

    /// Writes one segment anew without the results that are summed up.
    fn rewrite(&self, first: u64, next: u64, summed: &Summed) -> Result<(), JournalError> {
        if summed.gone.range(first..next).next().is_none() {
            return Ok(());
        }
        let mut ends: Vec<u64> = self.edges.range(first + 1..next).copied().collect();
        ends.push(next);
        let mut parts: Vec<Part> = ends.into_iter().map(Part::ending_at).collect();
        let mut at = 0;
        let mut reader = Reader::new(&self.shared.folder, first, Some(next), false);
        while let Some((number, payload)) = reader.next_payload()? {
            while number >= parts[at].end {
                at += 1;
            }
            if !summed.gone.contains(&number) {
                parts[at].keep(payload);
            }
            if let Some(rollup) = summed.put.get(&number) {
                parts[at].put(&Row::Rollup(rollup.clone()));
            }
        }
        // A damaged segment reads as less than it is; it is mended when it is delivered.
        if reader.take_damage().is_empty() { rewrite(&self.shared.folder, first, parts) } else { Ok(()) }
    }
}

/// Results of one monitor: number, whether the store waits for it, and what matters of it.
#[derive(Default)]
struct Monitor {
    results: BTreeMap<UnixMicros, (u64, bool, Seen)>,
}

/// What goes and what comes.
#[derive(Default)]
struct Summed {
    /// Numbers of results that go.
    gone: BTreeSet<u64>,
    /// Rollups, at the number of the last result that goes for them.
    put: BTreeMap<u64, Rollup>,
    results: u64,
}
