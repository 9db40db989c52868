//! A block: results of one monitor as columns, because values of one kind pack far better together.
//!
//! What a value can be told from is taken out of it before: a time is its lateness against the monitor's own schedule,
//! a duration the rest beyond its phases, where that is the smaller column.

use serde::{Deserialize, Serialize};

use super::column::{self, Effort};
use super::frame::{BODY_LIMIT, Head, Kind, Packer};
use crate::model::{CheckResult, FactKey, FactValue, Failure, Phases, UnixMicros};

/// Most results in a block of the live file.
pub(super) const BLOCK_ROWS: usize = 1_024;
/// Most results in a block of a sealed file.
pub(super) const SEALED_ROWS: usize = 8_192;

/// A column whose values repeat: each value with how many rows in a row have it.
pub(super) type Runs<T> = Vec<(u32, T)>;

/// The body of a block. The order of the fields is the format. Columns of numbers stand behind it, in the order of
/// [`numbers`].
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Columns {
    /// Interval in force, µs.
    pub(super) interval: Runs<u64>,
    /// Time-out in force, µs.
    pub(super) timeout: Runs<u64>,
    /// From the slot of the row before to this one's, in intervals. The first row's time is in the head.
    pub(super) slot: Runs<i64>,
    /// [`Verdict::code`].
    pub(super) verdict: Runs<u8>,
    /// [`Failure::code`], 0 for none.
    pub(super) failure: Runs<u8>,
    /// Texts of messages and facts, each once.
    pub(super) texts: Vec<String>,
    /// Number of the message in `texts`.
    pub(super) message: Runs<u32>,
    /// Whether there is a name, connect, TLS, first byte, total.
    pub(super) phases: [Runs<bool>; 5],
    /// What the durations are the rest of.
    pub(super) duration: u8,
    /// One column a fact.
    pub(super) facts: Vec<FactColumn>,
    /// Length of each column of numbers, in bytes.
    pub(super) lengths: Vec<u32>,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct FactColumn {
    /// [`FactKey::code`].
    pub(super) key: u8,
    /// Whether a row has a number.
    pub(super) numbers: Runs<bool>,
    /// What the numbers are the rest of.
    pub(super) rest_of: u8,
    /// Whether a row has a text.
    pub(super) has_text: Runs<bool>,
    /// Numbers of texts in `texts`.
    pub(super) texts: Runs<u32>,
}

/// What a number is the rest of, once that is taken away.
pub(super) mod rest {
    /// Of nothing: it is as it is.
    pub(in super::super) const PLAIN: u8 = 0;
    /// Of the row's phases but the total; of a fact, of the row's duration.
    pub(in super::super) const OF_ROW: u8 = 1;
    /// Of the one before in its column.
    pub(in super::super) const OF_BEFORE: u8 = 2;
}

/// Makes frames of results of one monitor, which are in order of time and have different times. There is more than
/// one frame when they are too many or too long for a block.
pub(super) fn encode(packer: &mut Packer, rows: &[CheckResult]) -> std::io::Result<Vec<(UnixMicros, Vec<u8>)>> {
    encode_with(packer, rows, BLOCK_ROWS, Effort::Quick)
}

/// The same in the size and with the effort for a sealed file.
pub(super) fn encode_sealed(packer: &mut Packer, rows: &[CheckResult]) -> std::io::Result<Vec<(UnixMicros, Vec<u8>)>> {
    encode_with(packer, rows, SEALED_ROWS, Effort::Thorough)
}

fn encode_with(
    packer: &mut Packer,
    rows: &[CheckResult],
    most: usize,
    effort: Effort,
) -> std::io::Result<Vec<(UnixMicros, Vec<u8>)>> {
    let mut frames = Vec::new();
    // Even parts, so that a late row does not leave a block of one.
    let part = rows.len().div_ceil(rows.len().div_ceil(most).max(1)).max(1);
    for part in rows.chunks(part) {
        encode_part(packer, part, effort, &mut frames)?;
    }
    Ok(frames)
}

fn encode_part(
    packer: &mut Packer,
    rows: &[CheckResult],
    effort: Effort,
    frames: &mut Vec<(UnixMicros, Vec<u8>)>,
) -> std::io::Result<()> {
    let (Some(first), Some(last)) = (rows.first(), rows.last()) else { return Ok(()) };
    let (columns, numbers) = columns(rows, effort)?;
    let body = postcard::to_stdvec(&columns).map_err(std::io::Error::other)?;
    if body.len() + numbers.len() > BODY_LIMIT && rows.len() > 1 {
        let (front, back) = rows.split_at(rows.len() / 2);
        encode_part(packer, front, effort, frames)?;
        return encode_part(packer, back, effort, frames);
    }
    let head = Head { count: u16::try_from(rows.len()).unwrap_or(u16::MAX), first: micros(first), last: micros(last) };
    frames.push((first.time, packer.seal(Kind::Results, effort, head, &body, &numbers)?));
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

/// The text of the row before in a column: mostly it is the same again.
type Before<'a> = Option<(&'a str, u32)>;

impl<'a> Texts<'a> {
    fn number_after(&mut self, before: &mut Before<'a>, text: &'a str) -> u32 {
        if let Some((same, number)) = before
            && is_same(same, text)
        {
            return *number;
        }
        let number = self.number(text);
        *before = Some((text, number));
        number
    }

    fn number(&mut self, text: &'a str) -> u32 {
        *self.numbers.entry(text).or_insert_with(|| {
            self.texts.push(text.to_owned());
            u32::try_from(self.texts.len() - 1).unwrap_or(u32::MAX)
        })
    }
}

/// Whether two texts are the same. They are short and mostly are; the C library's comparison took a tenth of the time of
/// packing.
fn is_same(one: &str, other: &str) -> bool {
    let ((ones, one_rest), (others, other_rest)) = (one.as_bytes().as_chunks::<8>(), other.as_bytes().as_chunks::<8>());
    one.len() == other.len()
        && ones.iter().zip(others).all(|(one, other)| u64::from_ne_bytes(*one) == u64::from_ne_bytes(*other))
        && one_rest.iter().zip(other_rest).all(|(one, other)| one == other)
}

/// The columns of numbers, packed one behind the other.
struct Numbers {
    effort: Effort,
    lengths: Vec<u32>,
    bytes: Vec<u8>,
}

impl Numbers {
    fn add(&mut self, values: &[i64]) -> std::io::Result<()> {
        let packed = column::pack(values, self.effort)?;
        self.lengths.push(u32::try_from(packed.len()).map_err(std::io::Error::other)?);
        self.bytes.extend(packed);
        Ok(())
    }

    /// Adds the lightest of some ways to write a column, of which the first is plain; gives its mark.
    fn add_lightest(&mut self, ways: Vec<(u8, Vec<i64>)>) -> std::io::Result<u8> {
        if let Some((mark, plain)) = ways.first()
            && plain.windows(2).all(|pair| pair[0] == pair[1])
        {
            return self.add(plain).map(|()| *mark);
        }
        let lightest = ways.into_iter().min_by_key(|(_, values)| column::weight(values));
        let Some((mark, values)) = lightest else { return self.add(&[]).map(|()| rest::PLAIN) };
        self.add(&values).map(|()| mark)
    }
}

/// Where the total stands among the phases.
const TOTAL: usize = 4;

/// The phases of a row that have a column, the total last.
fn phases(row: &CheckResult) -> [Option<u32>; 5] {
    let Phases { name_us, connect_us, tls_us, first_byte_us, total_us } = row.phases;
    [name_us, connect_us, tls_us, first_byte_us, total_us]
}

/// What the phases of a row add up to, the total aside.
pub(super) fn sum_of(phases: &[Option<u32>; 5]) -> i64 {
    phases[..4].iter().flatten().map(|us| i64::from(*us)).sum()
}

/// A duration as a number of a column: what wraps there wraps back on reading.
pub(super) fn signed(us: u64) -> i64 {
    i64::from_ne_bytes(us.to_ne_bytes())
}

pub(super) fn unsigned(us: i64) -> u64 {
    u64::from_ne_bytes(us.to_ne_bytes())
}

/// An interval as the width of the schedule's grid.
pub(super) fn width(interval_us: u64) -> i64 {
    i64::try_from(interval_us).unwrap_or(i64::MAX).max(1)
}

fn columns(rows: &[CheckResult], effort: Effort) -> std::io::Result<(Columns, Vec<u8>)> {
    let mut columns = Columns::default();
    let mut texts = Texts::default();
    let mut facts = FactColumns::new();
    let start = rows.first().map_or(0, |row| row.time.micros());
    let values = || Vec::with_capacity(rows.len());
    let (mut lateness, mut plain, mut beyond) = (values(), values(), values());
    let mut parts: [Vec<i64>; 5] = Default::default();
    let mut slot_before = 0;
    let mut message = Before::default();
    // A row is looked at once: its texts lie all over the memory.
    for (at, row) in rows.iter().enumerate() {
        let width = width(row.interval_us);
        let after = row.time.micros() - start;
        let slot = (after + width / 2).div_euclid(width);
        lateness.push(after - slot * width);
        run(&mut columns.slot, slot - slot_before);
        slot_before = slot;
        run(&mut columns.interval, row.interval_us);
        run(&mut columns.timeout, row.timeout_us);
        run(&mut columns.verdict, row.verdict.code());
        run(&mut columns.failure, row.failure.map_or(0, Failure::code));
        run(&mut columns.message, texts.number_after(&mut message, &row.message));
        let (phases, duration) = (phases(row), signed(row.duration_us));
        plain.push(duration);
        beyond.push(duration.wrapping_sub(sum_of(&phases)));
        for (nth, phase) in phases.into_iter().enumerate() {
            run(&mut columns.phases[nth], phase.is_some());
            let less = if nth == TOTAL { duration } else { 0 };
            parts[nth].extend(phase.map(|us| i64::from(us).wrapping_sub(less)));
        }
        row.facts.iter().for_each(|(key, value)| facts.add(*key, at, value, duration, &mut texts));
    }
    let mut numbers = Numbers { effort, lengths: Vec::new(), bytes: Vec::new() };
    numbers.add(&lateness)?;
    columns.duration = numbers.add_lightest(vec![(rest::PLAIN, plain), (rest::OF_ROW, beyond)])?;
    parts.iter().try_for_each(|part| numbers.add(part))?;
    columns.facts = facts.finish(rows.len(), &mut numbers)?;
    columns.texts = texts.texts;
    columns.lengths = numbers.lengths;
    Ok((columns, numbers.bytes))
}

/// Columns of facts that are being filled.
struct FactColumns<'a> {
    columns: Vec<Filling<'a>>,
    /// Where the column of a key's code is, plus one.
    places: [u8; 256],
}

/// A column of facts that is being filled.
struct Filling<'a> {
    key: FactKey,
    numbers: Runs<bool>,
    has_text: Runs<bool>,
    texts: Runs<u32>,
    /// The last text.
    text: Before<'a>,
    /// Rows that are in it.
    rows: usize,
    plain: Vec<i64>,
    of_row: Vec<i64>,
}

impl Filling<'_> {
    fn new(key: FactKey) -> Self {
        let (numbers, has_text, texts) = (Runs::new(), Runs::new(), Runs::new());
        Self { key, numbers, has_text, texts, text: None, rows: 0, plain: Vec::new(), of_row: Vec::new() }
    }

    /// Says that the rows up to this one have no such fact.
    fn pass_to(&mut self, row: usize) {
        while self.rows < row {
            run(&mut self.numbers, false);
            run(&mut self.has_text, false);
            self.rows += 1;
        }
    }
}

impl<'a> FactColumns<'a> {
    fn new() -> Self {
        Self { columns: Vec::new(), places: [0; 256] }
    }

    fn of(&mut self, key: FactKey) -> &mut Filling<'a> {
        let place = &mut self.places[usize::from(key.code())];
        if *place == 0 {
            self.columns.push(Filling::new(key));
            // There are fewer keys than codes.
            *place = u8::try_from(self.columns.len()).unwrap_or(u8::MAX);
        }
        &mut self.columns[usize::from(*place) - 1]
    }

    fn add(&mut self, key: FactKey, row: usize, value: &'a FactValue, duration: i64, texts: &mut Texts<'a>) {
        let column = self.of(key);
        column.pass_to(row);
        column.rows += 1;
        run(&mut column.numbers, matches!(value, FactValue::Number(_)));
        run(&mut column.has_text, matches!(value, FactValue::Text(_)));
        match value {
            FactValue::Number(value) => {
                column.plain.push(*value);
                column.of_row.push(value.wrapping_sub(duration));
            }
            FactValue::Text(value) => run(&mut column.texts, texts.number_after(&mut column.text, value)),
        }
    }

    fn finish(mut self, rows: usize, numbers: &mut Numbers) -> std::io::Result<Vec<FactColumn>> {
        self.columns.sort_unstable_by_key(|column| column.key.code());
        let finish = |mut column: Filling<'a>| {
            column.pass_to(rows);
            let Filling { key, numbers: has_number, has_text, texts, plain, of_row, .. } = column;
            let before = std::iter::once(&0).chain(&plain);
            let of_before = plain.iter().zip(before).map(|(value, before)| value.wrapping_sub(*before)).collect();
            let ways = vec![(rest::PLAIN, plain), (rest::OF_ROW, of_row), (rest::OF_BEFORE, of_before)];
            let rest_of = numbers.add_lightest(ways)?;
            Ok(FactColumn { key: key.code(), numbers: has_number, rest_of, has_text, texts })
        };
        self.columns.into_iter().map(finish).collect()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::unblock::decode;
    use super::*;
    use crate::model::MonitorId;
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
            let at = body.len() / 2;
            let head = Head { count, first, last: first };
            let frame = packer.seal(Kind::Results, Effort::Quick, head, &body[..at], &body[at..]).expect("seals");
            let _ = decode(&mut packer, MonitorId::ALL, &frame);
        }

        #[test]
        fn mutated_columns_give_an_error_and_no_panic(seed in any::<u64>(), at in any::<prop::sample::Index>(), byte in any::<u8>()) {
            let mut packer = packer();
            let mut fixture = Fixture::new(seed);
            let monitor = fixture.monitor();
            let rows = fixture.results(monitor, UnixMicros::new(1_700_000_000_000_000), 60_000_000, 20);
            let frames = encode(&mut packer, &rows).expect("encodes");
            let (head, mut body, numbers) = packer.open(Kind::Results, &frames[0].1).expect("opens");
            let mut numbers = numbers.to_vec();
            let at = at.index(body.len() + numbers.len());
            *body.iter_mut().chain(&mut numbers).nth(at).expect("there") = byte;
            let frame = packer.seal(Kind::Results, Effort::Quick, head, &body, &numbers).expect("seals");
            let _ = decode(&mut packer, monitor, &frame);
        }
    }
}
