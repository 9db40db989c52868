//! A block: up to 1,024 results of one monitor as columns, because values of one kind pack far better together.

use serde::{Deserialize, Serialize};

use super::frame::{BODY_LIMIT, FrameError, Head, Kind, Packer};
use crate::model::{CheckResult, FactKey, FactValue, Facts, Failure, MonitorId, Phases, UnixMicros, Verdict};

/// Most results in a block.
pub(super) const BLOCK_ROWS: usize = 1_024;

/// A column whose values repeat: each value with how many rows in a row have it.
type Runs<T> = Vec<(u32, T)>;

/// The body of a block. The order of the fields is the format.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Columns {
    /// Interval in force, µs.
    interval: Runs<u64>,
    /// Time-out in force, µs.
    timeout: Runs<u64>,
    /// From the row before, less the interval: the lateness. The first row's time is in the head.
    lateness: Vec<i64>,
    /// [`Verdict::code`].
    verdict: Runs<u8>,
    /// [`Failure::code`], 0 for none.
    failure: Runs<u8>,
    /// µs.
    duration: Vec<u64>,
    /// Texts of messages and facts, each once.
    texts: Vec<String>,
    /// Number of the message in `texts`.
    message: Runs<u32>,
    /// Name, connect, TLS, first byte, µs.
    phases: [Sparse<u32>; 4],
    /// The total less the duration, which it mostly is.
    total: Sparse<i64>,
    /// One column a fact.
    facts: Vec<FactColumn>,
}

/// A column in which not every row has a value.
#[derive(Debug, Serialize, Deserialize)]
struct Sparse<T> {
    present: Runs<bool>,
    values: Vec<T>,
}

impl<T> Default for Sparse<T> {
    fn default() -> Self {
        Self { present: Vec::new(), values: Vec::new() }
    }
}

#[derive(Debug, Serialize, Deserialize)]
struct FactColumn {
    /// [`FactKey::code`].
    key: u8,
    /// Numbers, each as the difference to the one before.
    numbers: Sparse<i64>,
    /// Numbers of texts in `texts`.
    texts: Sparse<u32>,
}

/// Makes frames of results of one monitor, which are in order of time and have different times. There is more than
/// one frame when they are too many or too long for a block.
pub(super) fn encode(packer: &mut Packer, rows: &[CheckResult]) -> std::io::Result<Vec<(UnixMicros, Vec<u8>)>> {
    let mut frames = Vec::new();
    // Even parts, so that a late row does not leave a block of one.
    let part = rows.len().div_ceil(rows.len().div_ceil(BLOCK_ROWS).max(1)).max(1);
    for part in rows.chunks(part) {
        encode_part(packer, part, &mut frames)?;
    }
    Ok(frames)
}

fn encode_part(
    packer: &mut Packer,
    rows: &[CheckResult],
    frames: &mut Vec<(UnixMicros, Vec<u8>)>,
) -> std::io::Result<()> {
    let (Some(first), Some(last)) = (rows.first(), rows.last()) else { return Ok(()) };
    let body = postcard::to_stdvec(&columns(rows)).map_err(std::io::Error::other)?;
    if body.len() > BODY_LIMIT && rows.len() > 1 {
        let (front, back) = rows.split_at(rows.len() / 2);
        encode_part(packer, front, frames)?;
        return encode_part(packer, back, frames);
    }
    let head = Head { count: u16::try_from(rows.len()).unwrap_or(u16::MAX), first: micros(first), last: micros(last) };
    frames.push((first.time, packer.seal(Kind::Results, head, &body)?));
    Ok(())
}

fn micros(result: &CheckResult) -> u64 {
    result.time.micros().unsigned_abs()
}

fn run<T: PartialEq>(runs: &mut Runs<T>, value: T) {
    match runs.last_mut() {
        Some((long, same)) if *same == value => *long += 1,
        _ => runs.push((1, value)),
    }
}

/// Numbers texts, each once.
#[derive(Default)]
struct Texts<'a> {
    numbers: std::collections::HashMap<&'a str, u32>,
    texts: Vec<String>,
}

impl<'a> Texts<'a> {
    fn number(&mut self, text: &'a str) -> u32 {
        *self.numbers.entry(text).or_insert_with(|| {
            self.texts.push(text.to_owned());
            u32::try_from(self.texts.len() - 1).unwrap_or(u32::MAX)
        })
    }
}

impl<T> Sparse<T> {
    fn add(&mut self, value: Option<T>) {
        run(&mut self.present, value.is_some());
        self.values.extend(value);
    }
}

fn columns(rows: &[CheckResult]) -> Columns {
    let mut columns = Columns::default();
    let mut texts = Texts::default();
    let mut before = rows.first().map_or(0, |row| row.time.micros());
    let mut keys: Vec<FactKey> = rows.iter().flat_map(|row| row.facts.iter().map(|(key, _)| *key)).collect();
    keys.sort_unstable();
    keys.dedup();
    for row in rows {
        let interval = i64::try_from(row.interval_us).unwrap_or(i64::MAX);
        run(&mut columns.interval, row.interval_us);
        run(&mut columns.timeout, row.timeout_us);
        columns.lateness.push((row.time.micros() - before).wrapping_sub(interval));
        before = row.time.micros();
        run(&mut columns.verdict, row.verdict.code());
        run(&mut columns.failure, row.failure.map_or(0, Failure::code));
        columns.duration.push(row.duration_us);
        run(&mut columns.message, texts.number(&row.message));
        let Phases { name_us, connect_us, tls_us, first_byte_us, total_us } = row.phases;
        for (column, value) in columns.phases.iter_mut().zip([name_us, connect_us, tls_us, first_byte_us]) {
            column.add(value);
        }
        columns.total.add(total_us.map(|total| i64::from(total).wrapping_sub_unsigned(row.duration_us)));
    }
    columns.facts = keys.into_iter().map(|key| fact_column(key, rows, &mut texts)).collect();
    columns.texts = texts.texts;
    columns
}

fn fact_column<'a>(key: FactKey, rows: &'a [CheckResult], texts: &mut Texts<'a>) -> FactColumn {
    let mut column = FactColumn { key: key.code(), numbers: Sparse::default(), texts: Sparse::default() };
    let mut before = 0i64;
    for row in rows {
        let (mut number, mut text) = (None, None);
        match row.facts.get(key) {
            Some(FactValue::Number(value)) => {
                number = Some(value.wrapping_sub(before));
                before = *value;
            }
            Some(FactValue::Text(value)) => text = Some(texts.number(value)),
            None => {}
        }
        column.numbers.add(number);
        column.texts.add(text);
    }
    column
}

/// Reads a block of a monitor: its results, oldest first.
pub(super) fn decode(packer: &mut Packer, monitor: MonitorId, frame: &[u8]) -> Result<Vec<CheckResult>, FrameError> {
    let (head, body) = packer.open(Kind::Results, frame)?;
    let columns: Columns =
        postcard::from_bytes(&body).map_err(|_| FrameError::Damaged("its columns cannot be read"))?;
    rows(monitor, head, &columns).ok_or(FrameError::Damaged("its columns do not fit together"))
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

/// Walks along a sparse column. The outer none is the end of the column.
struct SparseWalk<'a, T> {
    present: Walk<'a, bool>,
    values: std::slice::Iter<'a, T>,
}

impl<'a, T: Copy> SparseWalk<'a, T> {
    fn new(column: &'a Sparse<T>) -> Self {
        Self { present: Walk::new(&column.present), values: column.values.iter() }
    }

    fn next(&mut self) -> Option<Option<T>> {
        if self.present.next()? { self.values.next().map(|value| Some(*value)) } else { Some(None) }
    }
}

/// Nothing when the columns do not fit together.
fn rows(monitor: MonitorId, head: Head, columns: &Columns) -> Option<Vec<CheckResult>> {
    let count = usize::from(head.count);
    if columns.lateness.len() != count || columns.duration.len() != count || count > BLOCK_ROWS {
        return None;
    }
    let mut time = i64::try_from(head.first).ok()?;
    let mut intervals = Walk::new(&columns.interval);
    let mut timeouts = Walk::new(&columns.timeout);
    let mut verdicts = Walk::new(&columns.verdict);
    let mut failures = Walk::new(&columns.failure);
    let mut messages = Walk::new(&columns.message);
    let mut phases = columns.phases.each_ref().map(SparseWalk::new);
    let mut totals = SparseWalk::new(&columns.total);
    let mut rows = Vec::with_capacity(count);
    for (lateness, duration) in columns.lateness.iter().zip(&columns.duration) {
        let interval_us = intervals.next()?;
        time = time.wrapping_add(lateness.wrapping_add(i64::try_from(interval_us).unwrap_or(i64::MAX)));
        let failure = failures.next()?;
        let text = columns.texts.get(usize::try_from(messages.next()?).ok()?)?;
        let [name_us, connect_us, tls_us, first_byte_us] = phases.each_mut().map(SparseWalk::next);
        let total_us = match totals.next()? {
            Some(less) => Some(u32::try_from(less.wrapping_add_unsigned(*duration)).ok()?),
            None => None,
        };
        rows.push(CheckResult {
            monitor,
            time: UnixMicros::new(time),
            interval_us,
            timeout_us: timeouts.next()?,
            verdict: Verdict::from_code(verdicts.next()?)?,
            duration_us: *duration,
            failure: if failure == 0 { None } else { Some(Failure::from_code(failure)?) },
            message: text.as_str().into(),
            phases: Phases {
                name_us: name_us?,
                connect_us: connect_us?,
                tls_us: tls_us?,
                first_byte_us: first_byte_us?,
                total_us,
            },
            facts: Facts::new(),
        });
    }
    for column in &columns.facts {
        add_facts(column, &columns.texts, &mut rows)?;
    }
    rows.is_sorted_by(|a, b| a.time < b.time).then_some(rows)
}

fn add_facts(column: &FactColumn, texts: &[String], rows: &mut [CheckResult]) -> Option<()> {
    // A fact that this version does not know was written by a newer one: it is left out.
    let Some(key) = FactKey::from_code(column.key) else { return Some(()) };
    let mut numbers = SparseWalk::new(&column.numbers);
    let mut names = SparseWalk::new(&column.texts);
    let mut number = 0i64;
    for row in rows {
        if let Some(step) = numbers.next()? {
            number = number.wrapping_add(step);
            row.facts.set(key, number);
        }
        if let Some(text) = names.next()? {
            row.facts.set_text(key, texts.get(usize::try_from(text).ok()?)?);
        }
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::storage::conformance::Fixture;

    fn packer() -> Packer {
        Packer::default()
    }

    #[test]
    fn life_reads_back_and_packs_well() {
        let mut fixture = Fixture::new(1);
        let monitor = fixture.monitor();
        let rows = fixture.results(monitor, UnixMicros::new(1_700_000_000_000_000), 60_000_000, 3_000);
        let frames = encode(&mut packer(), &rows).expect("encodes");
        assert_eq!(frames.len(), 3);
        let back: Vec<_> =
            frames.iter().flat_map(|(_, frame)| decode(&mut packer(), monitor, frame).expect("decodes")).collect();
        assert_eq!(back, rows);
        let bytes: usize = frames.iter().map(|(_, frame)| frame.len()).sum();
        assert!(bytes < 3_000 * 16, "{bytes} bytes for 3,000 results");
    }

    #[test]
    fn long_texts_split_a_block() {
        let mut fixture = Fixture::new(2);
        let monitor = fixture.monitor();
        let mut rows = fixture.results(monitor, UnixMicros::new(1_700_000_000_000_000), 60_000_000, 1_000);
        for (at, row) in rows.iter_mut().enumerate() {
            for key in FactKey::ALL {
                row.facts.set_text(*key, &format!("{at} {key} {}", "x".repeat(480)));
            }
        }
        let frames = encode(&mut packer(), &rows).expect("encodes");
        assert!(frames.len() > 1);
        let back: Vec<_> =
            frames.iter().flat_map(|(_, frame)| decode(&mut packer(), monitor, frame).expect("decodes")).collect();
        assert_eq!(back, rows);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(128))]

        #[test]
        fn a_true_checksum_around_rubbish_gives_an_error_and_no_panic(body in prop::collection::vec(any::<u8>(), 0..400), count in any::<u16>(), first in any::<u64>()) {
            let mut packer = packer();
            let frame = packer.seal(Kind::Results, Head { count, first, last: first }, &body).expect("seals");
            let _ = decode(&mut packer, MonitorId::ALL, &frame);
        }

        #[test]
        fn mutated_columns_give_an_error_and_no_panic(seed in any::<u64>(), at in any::<prop::sample::Index>(), byte in any::<u8>()) {
            let mut packer = packer();
            let mut fixture = Fixture::new(seed);
            let monitor = fixture.monitor();
            let rows = fixture.results(monitor, UnixMicros::new(1_700_000_000_000_000), 60_000_000, 20);
            let frames = encode(&mut packer, &rows).expect("encodes");
            let (head, mut body) = packer.open(Kind::Results, &frames[0].1).expect("opens");
            let at = at.index(body.len());
            body[at] = byte;
            let frame = packer.seal(Kind::Results, head, &body).expect("seals");
            let _ = decode(&mut packer, monitor, &frame);
        }
    }
}
