//! A chunk: rollups of one monitor and tier, packed together as columns.

use serde::{Deserialize, Serialize};

use super::column::{self, Effort};
use super::frame::{FrameError, Head, Kind, Packer};
use super::unblock::Depth;
use crate::model::{Latency, MonitorId, Rollup, Sketch, Tier, UnixMicros};

/// Most rollups in a chunk, and most buckets of their sketches together.
const MOST: usize = 1 << 20;

/// Numbers of one column: the middle one, and how far each is from it.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Column {
    middle: i64,
    rest: Vec<i64>,
}

impl Column {
    fn of(values: impl Iterator<Item = u64>) -> Self {
        let values: Vec<i64> = values.map(|value| i64::from_ne_bytes(value.to_ne_bytes())).collect();
        let mut sorted = values.clone();
        sorted.sort_unstable();
        let middle = sorted.get(sorted.len() / 2).copied().unwrap_or(0);
        Self { middle, rest: values.into_iter().map(|value| value.wrapping_sub(middle)).collect() }
    }

    fn get(&self, at: usize) -> Option<u64> {
        let value = self.rest.get(at)?.wrapping_add(self.middle);
        Some(u64::from_ne_bytes(value.to_ne_bytes()))
    }
}

/// The body of a chunk. The order of the fields is the format. Behind it stand two columns for the sketches of all
/// rollups together: from each bucket to the next, and its count.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Cells {
    /// From the start of the rollup before, in widths of the tier; the first one's is in the head.
    step: Column,
    checks: Column,
    up: Column,
    degraded: Column,
    down: Column,
    inconclusive: Column,
    up_us: Column,
    degraded_us: Column,
    down_us: Column,
    latency_count: Column,
    latency_sum_us: Column,
    latency_min_us: Column,
    latency_max_us: Column,
    /// Buckets of the sketch.
    buckets: Column,
    /// Its first bucket.
    first_bucket: Column,
    /// Length of the column of steps from bucket to bucket, in bytes.
    steps_length: u32,
}

fn micros(rollup: &Rollup) -> u64 {
    rollup.start.micros().unsigned_abs()
}

/// Makes a frame of rollups of one chunk, oldest first.
pub(super) fn encode(packer: &mut Packer, rollups: &[Rollup], effort: Effort) -> std::io::Result<Vec<u8>> {
    let column = |value: fn(&Rollup) -> u64| Column::of(rollups.iter().map(value));
    let starts = rollups.iter().map(micros);
    let before = rollups.first().into_iter().chain(rollups).map(micros);
    let width = rollups.first().map_or(1, |rollup| rollup.tier.width_us());
    let steps = starts.zip(before).map(|(start, before)| (start - before) / width);
    let (mut bucket_steps, mut counts) = (Vec::new(), Vec::new());
    for rollup in rollups {
        let buckets = rollup.latency.sketch.buckets();
        bucket_steps.extend(buckets.windows(2).map(|pair| i64::from(pair[1].0 - pair[0].0)));
        counts.extend(buckets.iter().map(|(_, count)| i64::from(*count)));
    }
    let pack = |values: &[i64]| match effort {
        Effort::Quick => column::plain(values),
        Effort::Thorough => column::pack(values, effort),
    };
    let (steps_bytes, counts_bytes) = (pack(&bucket_steps)?, pack(&counts)?);
    let cells = Cells {
        step: Column::of(steps),
        checks: column(|rollup| rollup.checks),
        up: column(|rollup| rollup.up),
        degraded: column(|rollup| rollup.degraded),
        down: column(|rollup| rollup.down),
        inconclusive: column(|rollup| rollup.inconclusive),
        up_us: column(|rollup| rollup.up_us),
        degraded_us: column(|rollup| rollup.degraded_us),
        down_us: column(|rollup| rollup.down_us),
        latency_count: column(|rollup| rollup.latency.count),
        latency_sum_us: column(|rollup| rollup.latency.sum_us),
        latency_min_us: column(|rollup| rollup.latency.min_us),
        latency_max_us: column(|rollup| rollup.latency.max_us),
        buckets: column(|rollup| rollup.latency.sketch.buckets().len() as u64),
        first_bucket: column(|rollup| {
            rollup.latency.sketch.buckets().first().map_or(0, |(bucket, _)| (*bucket).into())
        }),
        steps_length: u32::try_from(steps_bytes.len()).map_err(std::io::Error::other)?,
    };
    let body = postcard::to_stdvec(&cells).map_err(std::io::Error::other)?;
    let time = |rollup: Option<&Rollup>| rollup.map_or(0, micros);
    let count = u16::try_from(rollups.len()).map_err(std::io::Error::other)?;
    let head = Head { count, first: time(rollups.first()), last: time(rollups.last()) };
    packer.seal(Kind::Rollups, effort, head, &body, &[steps_bytes, counts_bytes].concat())
}

/// Reads a chunk: its rollups, oldest first.
pub(super) fn decode(
    packer: &mut Packer,
    monitor: MonitorId,
    tier: Tier,
    frame: &[u8],
) -> Result<Vec<Rollup>, FrameError> {
    decode_to(packer, monitor, tier, frame, Depth::Whole)
}

/// The same, latencies only where they are asked for.
pub(super) fn decode_to(
    packer: &mut Packer,
    monitor: MonitorId,
    tier: Tier,
    frame: &[u8],
    depth: Depth,
) -> Result<Vec<Rollup>, FrameError> {
    let (head, body, numbers) = packer.open(Kind::Rollups, frame)?;
    let cells: Cells = postcard::from_bytes(&body).map_err(|_| FrameError::Damaged("its rollups cannot be read"))?;
    let mut rollups = counts_and_times(monitor, tier, head, &cells);
    if depth == Depth::Whole {
        rollups = rollups.and_then(|rollups| with_latencies(rollups, &cells, numbers));
    }
    rollups.ok_or(FrameError::Damaged("its columns do not fit together"))
}

fn counts_and_times(monitor: MonitorId, tier: Tier, head: Head, cells: &Cells) -> Option<Vec<Rollup>> {
    let count = usize::from(head.count);
    let mut start = head.first;
    let mut rollups = Vec::with_capacity(count);
    for at in 0..count {
        start = start.checked_add(cells.step.get(at)?.checked_mul(tier.width_us())?)?;
        rollups.push(Rollup {
            monitor,
            tier,
            start: UnixMicros::new(i64::try_from(start).ok()?),
            checks: cells.checks.get(at)?,
            up: cells.up.get(at)?,
            degraded: cells.degraded.get(at)?,
            down: cells.down.get(at)?,
            inconclusive: cells.inconclusive.get(at)?,
            up_us: cells.up_us.get(at)?,
            degraded_us: cells.degraded_us.get(at)?,
            down_us: cells.down_us.get(at)?,
            latency: Latency::default(),
        });
    }
    Some(rollups)
}

fn with_latencies(mut rollups: Vec<Rollup>, cells: &Cells, numbers: &[u8]) -> Option<Vec<Rollup>> {
    let count = rollups.len();
    let lengths = (0..count).map(|at| usize::try_from(cells.buckets.get(at)?).ok()).collect::<Option<Vec<usize>>>()?;
    let buckets = lengths.iter().try_fold(0usize, |sum, length| sum.checked_add(*length))?;
    (buckets <= MOST).then_some(())?;
    let with_any = lengths.iter().filter(|length| **length > 0).count();
    let (steps, counts) = numbers.split_at_checked(usize::try_from(cells.steps_length).ok()?)?;
    let mut steps = column::unpack(steps, buckets - with_any)?.into_iter();
    let mut counts = column::unpack(counts, buckets)?.into_iter();
    for ((at, length), rollup) in lengths.into_iter().enumerate().zip(&mut rollups) {
        let mut bucket = u16::try_from(cells.first_bucket.get(at)?).ok()?;
        let mut sketch = Vec::with_capacity(length);
        for nth in 0..length {
            if nth > 0 {
                bucket = bucket.checked_add(u16::try_from(steps.next()?).ok()?)?;
            }
            sketch.push((bucket, u32::try_from(counts.next()?).ok()?));
        }
        rollup.latency = Latency {
            count: cells.latency_count.get(at)?,
            sum_us: cells.latency_sum_us.get(at)?,
            min_us: cells.latency_min_us.get(at)?,
            max_us: cells.latency_max_us.get(at)?,
            sketch: Sketch::from_buckets(sketch)?,
        };
    }
    Some(rollups)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::storage::conformance::Fixture;

    const START: UnixMicros = UnixMicros::new(1_700_006_400_000_000);

    fn day(seed: u64, skip: u64) -> (MonitorId, Vec<Rollup>) {
        let mut fixture = Fixture::new(seed);
        let monitor = fixture.monitor();
        let hour = |at: u64| START.plus_us(at * Tier::Hour.width_us());
        let mut rollups: Vec<Rollup> =
            (0..24).filter(|at| *at != skip).map(|at| fixture.rollup(monitor, Tier::Hour, hour(at))).collect();
        rollups.push(Rollup { down: u64::MAX, ..Rollup::empty(monitor, Tier::Hour, hour(30)) });
        (monitor, rollups)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn a_day_reads_back_also_with_holes(seed in any::<u64>(), skip in 0u64..30) {
            let (monitor, rollups) = day(seed, skip);
            let mut packer = Packer::default();
            let frame = encode(&mut packer, &rollups, Effort::Quick).expect("encodes");
            let bare = |rollup: &Rollup| Rollup { latency: Latency::default(), ..rollup.clone() };
            let times = decode_to(&mut packer, monitor, Tier::Hour, &frame, Depth::Seen);
            prop_assert_eq!(times, Ok(rollups.iter().map(bare).collect()));
            prop_assert_eq!(decode(&mut packer, monitor, Tier::Hour, &frame), Ok(rollups));
        }

        #[test]
        fn mutated_columns_give_an_error_and_no_panic(seed in any::<u64>(), at in any::<prop::sample::Index>(), byte in any::<u8>()) {
            let mut packer = Packer::default();
            let (monitor, rollups) = day(seed, 3);
            let frame = encode(&mut packer, &rollups, Effort::Quick).expect("encodes");
            let (head, mut body, numbers) = packer.open(Kind::Rollups, &frame).expect("opens");
            let mut numbers = numbers.to_vec();
            let at = at.index(body.len() + numbers.len());
            *body.iter_mut().chain(&mut numbers).nth(at).expect("there") = byte;
            let frame = packer.seal(Kind::Rollups, Effort::Quick, head, &body, &numbers).expect("seals");
            let _ = decode(&mut packer, monitor, Tier::Hour, &frame);
        }
    }

    #[test]
    fn nothing_is_a_chunk_too() {
        let mut packer = Packer::default();
        let frame = encode(&mut packer, &[], Effort::Quick).expect("encodes");
        assert_eq!(decode(&mut packer, MonitorId::ALL, Tier::Hour, &frame), Ok(Vec::new()));
    }
}
