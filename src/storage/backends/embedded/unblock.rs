//! Reading a block: its results, or only those of its rows that are wanted.

use std::ops::Range;

use compact_str::CompactString;

use super::block::{Columns, FactColumn, Runs, SEALED_ROWS, rest, signed, sum_of, unsigned, width};
use super::column;
use super::frame::{FrameError, Head, Kind, Packer};
use crate::model::{
    CheckResult, FactKey, Facts, Failure, MESSAGE_LIMIT, MonitorId, Phases, UnixMicros, Verdict, clean_text,
};

/// How much of a row is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Depth {
    /// All of it.
    Whole,
    /// What a [`Seen`](crate::model::Seen) holds, of a rollup its counts and times.
    Seen,
}

/// Reads a block of a monitor: its results, oldest first.
pub(super) fn decode(packer: &mut Packer, monitor: MonitorId, frame: &[u8]) -> Result<Vec<CheckResult>, FrameError> {
    decode_some(packer, monitor, frame, Depth::Whole, |times| 0..times.len())
}

/// Reads the rows of a block that are wanted, as their times tell: making rows takes most of the time.
pub(super) fn decode_some(
    packer: &mut Packer,
    monitor: MonitorId,
    frame: &[u8],
    depth: Depth,
    wanted: impl FnOnce(&[UnixMicros]) -> Range<usize>,
) -> Result<Vec<CheckResult>, FrameError> {
    let (head, body, numbers) = packer.open(Kind::Results, frame)?;
    let columns: Columns =
        postcard::from_bytes(&body).map_err(|_| FrameError::Damaged("its columns cannot be read"))?;
    rows(monitor, head, &columns, numbers, depth, wanted).ok_or(FrameError::Damaged("its columns do not fit together"))
}

/// Walks along runs, a value a row.
struct Walk<'a, T> {
    runs: std::slice::Iter<'a, (u32, T)>,
    left: u32,
    value: Option<T>,
}

impl<'a, T: Copy> Walk<'a, T> {
    fn new(runs: &'a Runs<T>) -> Self {
        Self { runs: runs.iter(), left: 0, value: None }
    }

    /// From a row on; nothing when there are not so many.
    fn from(runs: &'a Runs<T>, row: usize) -> Option<Self> {
        let mut walk = Self::new(runs);
        let mut skip = u32::try_from(row).ok()?;
        while skip > walk.left {
            skip -= walk.left;
            let (long, value) = walk.runs.next()?;
            (walk.left, walk.value) = (*long, Some(*value));
        }
        walk.left -= skip;
        Some(walk)
    }

    fn next(&mut self) -> Option<T> {
        while self.left == 0 {
            let (long, value) = self.runs.next()?;
            self.left = *long;
            self.value = Some(*value);
        }
        self.left -= 1;
        self.value
    }
}

/// How many of the first rows have a value.
fn present_before(present: &Runs<bool>, rows: usize) -> usize {
    let mut left = rows;
    let mut some = 0;
    for (long, is) in present {
        let part = left.min(*long as usize);
        some += if *is { part } else { 0 };
        left -= part;
    }
    some
}

/// Takes the columns of numbers from where they stand, one after the other.
struct NumbersRead<'a> {
    lengths: std::slice::Iter<'a, u32>,
    bytes: &'a [u8],
}

impl NumbersRead<'_> {
    fn next(&mut self, count: usize) -> Option<Vec<i64>> {
        let length = usize::try_from(*self.lengths.next()?).ok()?;
        let (column, rest) = self.bytes.split_at_checked(length)?;
        self.bytes = rest;
        column::unpack(column, count)
    }

    /// A column with a value for each row that has one, from a row on.
    fn sparse<'r>(&mut self, present: &'r Runs<bool>, rows: usize, from: usize) -> Option<Sparse<'r>> {
        let of_all = present.iter().try_fold(0usize, |sum, (long, _)| sum.checked_add(usize::try_from(*long).ok()?))?;
        (of_all == rows).then_some(())?;
        let values = self.next(present_before(present, rows))?;
        let before = present_before(present, from);
        let passed = values.get(..before)?.iter().fold(0, |sum: i64, value| sum.wrapping_add(*value));
        let mut values = values.into_iter();
        if before > 0 {
            values.nth(before - 1);
        }
        Some(Sparse { present: Walk::from(present, from)?, values, passed })
    }
}

/// Walks along a column in which not every row has a value. The outer none is the end of the column.
struct Sparse<'a> {
    present: Walk<'a, bool>,
    values: std::vec::IntoIter<i64>,
    /// Sum of the values before where it began.
    passed: i64,
}

impl Sparse<'_> {
    fn next(&mut self) -> Option<Option<i64>> {
        if self.present.next()? { self.values.next().map(Some) } else { Some(None) }
    }
}

/// Times of all rows; nothing when they are not in order.
fn times(head: Head, count: usize, columns: &Columns, lateness: Vec<i64>) -> Option<Vec<UnixMicros>> {
    let start = i64::try_from(head.first).ok()?;
    let (mut slots, mut intervals) = (Walk::new(&columns.slot), Walk::new(&columns.interval));
    let mut slot = 0i64;
    let mut times = Vec::with_capacity(count);
    for late in lateness {
        slot = slot.wrapping_add(slots.next()?);
        let after = slot.wrapping_mul(width(intervals.next()?)).wrapping_add(late);
        times.push(UnixMicros::new(start.wrapping_add(after)));
    }
    times.is_sorted_by(|a, b| a < b).then_some(times)
}

/// Nothing when the columns do not fit together.
fn rows(
    monitor: MonitorId,
    head: Head,
    columns: &Columns,
    numbers: &[u8],
    depth: Depth,
    wanted: impl FnOnce(&[UnixMicros]) -> Range<usize>,
) -> Option<Vec<CheckResult>> {
    let count = usize::from(head.count);
    if count > SEALED_ROWS {
        return None;
    }
    let mut numbers = NumbersRead { lengths: columns.lengths.iter(), bytes: numbers };
    let lateness = numbers.next(count)?;
    let times = times(head, count, columns, lateness)?;
    let wanted = wanted(&times);
    let times = times.get(wanted.clone())?;
    let from = wanted.start;
    let durations = numbers.next(count)?;
    let durations = durations.get(wanted)?;
    let mut walks = Walks {
        interval: Walk::from(&columns.interval, from)?,
        timeout: Walk::from(&columns.timeout, from)?,
        verdict: Walk::from(&columns.verdict, from)?,
        failure: Walk::from(&columns.failure, from)?,
        message: Walk::from(&columns.message, from)?,
    };
    let mut rows = Vec::with_capacity(times.len());
    for (time, duration) in times.iter().zip(durations) {
        let mut row = walks.next(monitor, columns, depth)?;
        row.time = *time;
        row.duration_us = unsigned(*duration);
        rows.push(row);
    }
    if depth == Depth::Whole || columns.duration == rest::OF_ROW {
        add_phases(columns, &mut numbers, (from, count), &mut rows)?;
    }
    if depth == Depth::Seen {
        return Some(rows);
    }
    let clean = |text: &String| CompactString::from(clean_text(text, MESSAGE_LIMIT));
    let texts: Vec<CompactString> = columns.texts.iter().map(clean).collect();
    for column in &columns.facts {
        add_facts(column, &texts, &mut numbers, (from, count), &mut rows)?;
    }
    Some(rows)
}

/// Adds the phases to the rows, and to the durations what they are the rest of. The rows are those of the block from a
/// row on.
fn add_phases(
    columns: &Columns,
    numbers: &mut NumbersRead<'_>,
    (from, count): (usize, usize),
    rows: &mut [CheckResult],
) -> Option<()> {
    let [name, connect, tls, first_byte, total] = columns.phases.each_ref();
    let mut phases = [
        numbers.sparse(name, count, from)?,
        numbers.sparse(connect, count, from)?,
        numbers.sparse(tls, count, from)?,
        numbers.sparse(first_byte, count, from)?,
        numbers.sparse(total, count, from)?,
    ];
    for row in rows {
        let [name, connect, tls, first_byte, total] = phases.each_mut().map(Sparse::next);
        let us = |value: Option<i64>| value.map(u32::try_from).transpose().ok();
        let parts = [us(name?)?, us(connect?)?, us(tls?)?, us(first_byte?)?, None];
        let base = if columns.duration == rest::OF_ROW { sum_of(&parts) } else { 0 };
        let duration = signed(row.duration_us).wrapping_add(base);
        row.duration_us = unsigned(duration);
        let total_us = us(total?.map(|less| less.wrapping_add(duration)))?;
        let [name_us, connect_us, tls_us, first_byte_us, _] = parts;
        row.phases = Phases { name_us, connect_us, tls_us, first_byte_us, total_us };
    }
    Some(())
}

/// The columns whose values repeat.
struct Walks<'a> {
    interval: Walk<'a, u64>,
    timeout: Walk<'a, u64>,
    verdict: Walk<'a, u8>,
    failure: Walk<'a, u8>,
    message: Walk<'a, u32>,
}

impl Walks<'_> {
    /// A row with what these columns say.
    fn next(&mut self, monitor: MonitorId, columns: &Columns, depth: Depth) -> Option<CheckResult> {
        let failure = self.failure.next()?;
        let (message, facts) = match depth {
            Depth::Whole => {
                let text = columns.texts.get(usize::try_from(self.message.next()?).ok()?)?;
                (text.as_str().into(), Facts::with_capacity(columns.facts.len()))
            }
            Depth::Seen => ("".into(), Facts::new()),
        };
        Some(CheckResult {
            monitor,
            time: UnixMicros::MIN,
            interval_us: self.interval.next()?,
            timeout_us: self.timeout.next()?,
            verdict: Verdict::from_code(self.verdict.next()?)?,
            duration_us: 0,
            failure: if failure == 0 { None } else { Some(Failure::from_code(failure)?) },
            message,
            phases: Phases::default(),
            facts,
        })
    }
}

/// Adds a fact to the rows, which are those of the block from a row on.
fn add_facts(
    column: &FactColumn,
    texts: &[CompactString],
    numbers: &mut NumbersRead<'_>,
    (from, count): (usize, usize),
    rows: &mut [CheckResult],
) -> Option<()> {
    let mut values = numbers.sparse(&column.numbers, count, from)?;
    // A fact that this version does not know was written by a newer one: it is left out.
    let Some(key) = FactKey::from_code(column.key) else { return Some(()) };
    let mut has_text = Walk::from(&column.has_text, from)?;
    let mut names = Walk::from(&column.texts, present_before(&column.has_text, from))?;
    let mut before = values.passed;
    for row in rows {
        if let Some(rest) = values.next()? {
            let base = match column.rest_of {
                rest::OF_ROW => signed(row.duration_us),
                rest::OF_BEFORE => before,
                _ => 0,
            };
            before = rest.wrapping_add(base);
            row.facts.set(key, before);
        }
        if has_text.next()? {
            let text = texts.get(usize::try_from(names.next()?).ok()?)?;
            if !text.is_empty() {
                row.facts.set_clean(key, text.clone());
            }
        }
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::block::encode;
    use super::*;
    use crate::model::Seen;
    use crate::storage::conformance::Fixture;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn some_rows_are_the_same_as_those_of_all(seed in any::<u64>(), from in 0usize..60, long in 0usize..60) {
            let mut fixture = Fixture::new(seed);
            let monitor = fixture.monitor();
            let all = fixture.results(monitor, UnixMicros::new(1_700_000_000_000_000), 60_000_000, 60);
            let mut packer = Packer::default();
            let (_, frame) = encode(&mut packer, &all).expect("encodes").remove(0);
            let to = (from + long).min(all.len());
            let mut some = |depth| decode_some(&mut packer, monitor, &frame, depth, |times| {
                assert_eq!(times.len(), 60);
                from..to
            });
            let (whole, seen) = (some(Depth::Whole).expect("decodes"), some(Depth::Seen).expect("decodes"));
            prop_assert_eq!(&whole[..], &all[from..to]);
            let of = |rows: &[CheckResult]| rows.iter().map(Seen::from).collect::<Vec<_>>();
            prop_assert_eq!(of(&seen), of(&whole));
        }
    }

    #[test]
    fn rows_that_are_not_there_are_no_panic() {
        let mut fixture = Fixture::new(1);
        let monitor = fixture.monitor();
        let all = fixture.results(monitor, UnixMicros::new(1_700_000_000_000_000), 60_000_000, 10);
        let mut packer = Packer::default();
        let (_, frame) = encode(&mut packer, &all).expect("encodes").remove(0);
        assert!(decode_some(&mut packer, monitor, &frame, Depth::Whole, |_| 5..11).is_err());
    }
}
