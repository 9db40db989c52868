//! Results a second through the journal, in batches with one sync each, against the same bytes written raw with the
//! same batch sizes and syncs; and how long a row waits for the disk at a steady load. `HM_BENCH_DIR` says on which
//! disk.

#![allow(
    clippy::expect_used,
    clippy::print_stdout,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::disallowed_methods,
    reason = "a bench may stop at the first fault, prints its figures, and reckons with floats"
)]

#[path = "support/mod.rs"]
#[allow(dead_code, unreachable_pub, reason = "each bench uses a part")]
mod support;

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use hallmonitor::clock::{Clock, SystemClock};
use hallmonitor::event::Events;
use hallmonitor::journal::{Durable, DurableBatch, JournalOptions, JournalWriter};
use hallmonitor::model::{CheckResult, FactKey, Facts, Failure, MonitorId, Phases, Row, UnixMicros, Verdict};
use support::figure::{Figure, spread};
use uuid::Uuid;

/// Rows of one measurement.
const ROWS: usize = 2_000_000;
/// Different rows that are pushed over and over.
const DISTINCT: usize = 20_000;
/// Measurements; the median is told.
const TIMES: usize = 5;
const LONG: Duration = Duration::from_secs(60);
/// The steady load: 1,000 monitors each 10 s, this long.
const STEADY_ROWS: usize = 6_000;
const STEADY_PAUSE: Duration = Duration::from_millis(10);

/// A small generator (xorshift64*, Vigna 2016) with a fixed seed: every run measures the same rows.
struct Random(u64);

impl Random {
    fn bits(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }

    /// From 0 to 1.
    #[allow(clippy::cast_precision_loss, reason = "53 bits fit")]
    fn unit(&mut self) -> f64 {
        (self.bits() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// Log-normal around 40 ms with σ 0.2 (Box and Muller 1958), in microseconds.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "far below the type's range")]
    fn latency_us(&mut self) -> u32 {
        let normal = (-2.0 * self.unit().max(1e-12).ln()).sqrt() * (std::f64::consts::TAU * self.unit()).cos();
        (40_000.0 * (0.2 * normal).exp()) as u32
    }
}

fn life_like_rows() -> Vec<Row> {
    let mut random = Random(7);
    let start = UnixMicros::new(1_700_000_000_000_000);
    let row = |n: usize| {
        let total = random.latency_us();
        let failed = random.bits().is_multiple_of(100);
        let mut facts = Facts::new();
        let time = start.plus_us(n as u64 * 1_000 + random.bits() % 1_000);
        let mut result = CheckResult {
            monitor: MonitorId::new(Uuid::from_u128(0x5000 + (n % 1_000) as u128 * 0x1234_5678_9abc_def1)),
            time,
            interval_us: 10_000_000,
            timeout_us: 5_000_000,
            verdict: Verdict::Up,
            duration_us: u64::from(total),
            failure: None,
            message: "".into(),
            phases: Phases::default(),
            facts: Facts::new(),
        };
        if failed {
            result.verdict = Verdict::Down;
            result.failure = Some(if n.is_multiple_of(2) { Failure::Timeout } else { Failure::Connect });
            result.set_message("no answer within 5 s from 192.0.2.7:443");
        } else {
            facts.set(FactKey::HttpStatus, 200);
            facts.set(FactKey::HttpBytes, 5_000 + i64::from(total % 512));
            result.phases = Phases {
                name_us: Some(total / 20),
                connect_us: Some(total / 3),
                tls_us: Some(total / 4),
                first_byte_us: Some(total / 5),
                total_us: Some(total),
            };
        }
        result.facts = facts;
        Row::Result(result)
    };
    (0..DISTINCT).map(row).collect()
}

/// Learns the sizes of the batches.
struct Sizes(std::sync::mpsc::Sender<usize>);

impl Durable for Sizes {
    fn durable(&mut self, batch: &DurableBatch<'_>) {
        // Eight bytes before each payload.
        let bytes = batch.payloads().map(|(_, payload)| payload.len() + 8).sum();
        let _ = self.0.send(bytes);
    }
}

/// Seconds for all rows through the journal, and the sizes of its batches.
fn journaled(folder: &Path, rows: &[Row], clock: &dyn Clock) -> (f64, Vec<usize>) {
    let options = JournalOptions { folder: folder.to_owned(), ..JournalOptions::in_data_dir(folder) };
    let (send, sizes) = std::sync::mpsc::channel();
    let (writer, _) =
        JournalWriter::start(&options, 0, Events::new(), |_| Box::new(Sizes(send))).expect("the folder can be used");
    let start = clock.mono();
    for (n, row) in rows.iter().cycle().take(ROWS).enumerate() {
        writer.push(row);
        // Never more waits than memory holds, so nothing is dropped.
        while n.is_multiple_of(10_000) && writer.figures().waiting_bytes > 24 << 20 {
            std::thread::sleep(Duration::from_micros(200));
        }
    }
    assert!(writer.flush(LONG), "{:?}", writer.figures());
    let seconds = clock.mono().since(start).as_secs_f64();
    assert!(writer.stop(LONG));
    let figures = writer.figures();
    assert_eq!((figures.dropped, figures.next), (0, ROWS as u64 + 1));
    drop(writer);
    (seconds, sizes.iter().collect())
}

/// Learns when each row became durable.
struct Arrivals(std::sync::mpsc::Sender<(u64, u64)>);

impl Durable for Arrivals {
    fn durable(&mut self, batch: &DurableBatch<'_>) {
        let _ = self.0.send((batch.next, support::now_us()));
    }
}

/// For each row at a steady load: microseconds from being pushed, which is when it is shown, to being on disk.
fn steady(folder: &Path, rows: &[Row]) -> Vec<u64> {
    let options = JournalOptions { folder: folder.to_owned(), ..JournalOptions::in_data_dir(folder) };
    let (send, durable) = std::sync::mpsc::channel();
    let (writer, _) =
        JournalWriter::start(&options, 0, Events::new(), |_| Box::new(Arrivals(send))).expect("the folder can be used");
    let mut pushed = Vec::with_capacity(STEADY_ROWS);
    for row in rows.iter().cycle().take(STEADY_ROWS) {
        pushed.push(support::now_us());
        writer.push(row);
        std::thread::sleep(STEADY_PAUSE);
    }
    // Without a flush: the last rows wait as long as any others.
    while writer.figures().waiting_rows > 0 {
        std::thread::sleep(STEADY_PAUSE);
    }
    assert!(writer.stop(LONG));
    drop(writer);
    let mut waits = Vec::with_capacity(STEADY_ROWS);
    for (next, at) in durable {
        // Rows are numbered from 1.
        let before = usize::try_from(next - 1).expect("few rows");
        waits.extend(pushed[waits.len()..before].iter().map(|pushed| at - pushed));
    }
    assert_eq!(waits.len(), STEADY_ROWS);
    waits.sort_unstable();
    waits
}

fn tell_steady(waits: &[u64]) {
    let ms = |q| support::quantile(waits, q) as f64 / 1_000.0;
    Figure {
        what: "shown, then on disk, at 100 results a second: p50 / p99 / longest".to_owned(),
        figure: format!("{:.0} / {:.0} / {:.0} ms", ms(0.5), ms(0.99), ms(1.0)),
        limit: Some("1,000 ms".to_owned()),
        ratio: Some(ms(0.99) / 1_000.0),
        reach: Some("p99 ≤ 1 s".to_owned()),
        counted: format!("{} results", waits.len()),
        ..Figure::default()
    }
    .tell();
}

/// Seconds for the same bytes written raw, a new file for every 8 MiB.
fn raw(folder: &Path, sizes: &[usize], clock: &dyn Clock) -> io::Result<f64> {
    fs::create_dir_all(folder)?;
    let buffer = vec![0x5a; sizes.iter().copied().max().unwrap_or(0)];
    let start = clock.mono();
    let (mut file, mut length) = (File::create(folder.join("0"))?, 0);
    for (n, size) in sizes.iter().enumerate() {
        if length >= 8 << 20 {
            (file, length) = (File::create(folder.join(n.to_string()))?, 0);
        }
        file.write_all(&buffer[..*size])?;
        file.sync_data()?;
        length += size;
    }
    Ok(clock.mono().since(start).as_secs_f64())
}

#[allow(clippy::cast_precision_loss, reason = "counts far below 2^53")]
fn main() -> io::Result<()> {
    let clock = SystemClock;
    let parent = std::env::var_os("HM_BENCH_DIR").map_or_else(|| PathBuf::from("/var/tmp"), PathBuf::from);
    let rows = life_like_rows();
    let (mut values, mut limits, mut batches, mut bytes) = (Vec::new(), Vec::new(), 0, 0);
    for _ in 0..TIMES {
        let dir = tempfile::tempdir_in(&parent)?;
        let (seconds, sizes) = journaled(&dir.path().join("journal"), &rows, &clock);
        values.push(ROWS as f64 / seconds);
        limits.push(ROWS as f64 / raw(&dir.path().join("raw"), &sizes, &clock)?);
        batches = sizes.len();
        bytes = sizes.iter().sum();
    }
    let (low, value, high) = spread(&mut values);
    let (_, limit, _) = spread(&mut limits);
    Figure {
        what: "durable HTTP results".to_owned(),
        figure: format!("{value:.0}/s"),
        spread: Some(format!("{low:.0}–{high:.0}")),
        limit: Some(format!("{limit:.0}/s (the same bytes written raw)")),
        ratio: Some(value / limit),
        reach: Some("≥ 500,000/s".to_owned()),
        counted: format!("{ROWS} results, {bytes} bytes, {batches} batches with one sync each, {TIMES} times"),
    }
    .tell();
    tell_steady(&steady(&tempfile::tempdir_in(&parent)?.path().join("journal"), &rows));
    Ok(())
}
