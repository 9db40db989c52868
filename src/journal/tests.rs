//! Damage, recovery and the writing thread, on real files.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use proptest::prelude::*;
use tempfile::TempDir;

use super::record::encode;
use super::{
    Cursor, Cursors, Durable, DurableBatch, JournalOptions, JournalWriter, Log, Reader, Recovered, fixture, retire,
    segment,
};
use crate::event::{Event, Events};
use crate::model::Row;

const LONG: Duration = Duration::from_secs(20);

fn batch(rows: &[Row]) -> Vec<Vec<u8>> {
    let mut bytes = Vec::new();
    rows.iter().for_each(|row| assert!(encode(row, &mut bytes)));
    vec![bytes]
}

fn rows(from: u64, count: u64) -> Vec<Row> {
    (from..from + count).map(|n| fixture::result(n % 7, n)).collect()
}

fn write(log: &mut Log, rows: &[Row]) {
    log.append(&mut batch(rows)).expect("writes");
}

fn read(folder: &Path, from: u64) -> Vec<(u64, Row)> {
    Reader::new(folder, from, None, false).rows().collect()
}

fn open(folder: &Path) -> (Log, Recovered) {
    Log::open(folder, 1 << 20, 0).expect("opens")
}

fn numbered(from: u64, rows: Vec<Row>) -> Vec<(u64, Row)> {
    (from..).zip(rows).collect()
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(folder)
        .expect("lists")
        .map(|e| e.expect("entry").file_name().into_string().expect("text"))
        .collect();
    names.sort();
    names
}

#[test]
fn rows_come_back_over_segments_and_reopening() {
    let dir = TempDir::new().expect("folder");
    let folder = dir.path().join("journal");
    let all = rows(1, 300);
    for part in all.chunks(100) {
        let (mut log, recovered) = Log::open(&folder, 2_000, 0).expect("opens");
        assert!(recovered.is_clean());
        for few in part.chunks(10) {
            write(&mut log, few);
        }
    }
    assert!(segment::list(&folder).expect("lists").len() > 5);
    assert_eq!(read(&folder, 0), numbered(1, all.clone()));
    assert_eq!(read(&folder, 250), numbered(250, all[249..].to_vec()));
    let until: Vec<u64> = Reader::new(&folder, 95, Some(105), true).rows().map(|(n, _)| n).collect();
    assert_eq!(until, (95..105).collect::<Vec<_>>());
    assert_eq!(Reader::new(&folder, 0, None, false).end().expect("reads"), 301);
}

#[test]
fn a_tail_torn_at_any_byte_is_cut_and_reported() {
    let dir = TempDir::new().expect("folder");
    let (mut log, _) = open(dir.path());
    write(&mut log, &rows(1, 3));
    let path = segment::path(dir.path(), 1);
    let good = fs::read(&path).expect("reads").len();
    write(&mut log, &rows(4, 1));
    drop(log);
    let whole = fs::read(&path).expect("reads");
    for length in good..whole.len() {
        fs::write(&path, &whole[..length]).expect("writes");
        let (mut log, recovered) = open(dir.path());
        assert_eq!(recovered, Recovered { cut_bytes: (length - good) as u64, damaged: Vec::new() });
        assert_eq!(log.next(), 4);
        write(&mut log, &rows(50, 1));
        let mut expected = numbered(1, rows(1, 3));
        expected.extend(numbered(4, rows(50, 1)));
        assert_eq!(read(dir.path(), 0), expected, "cut at {length}");
    }
}

#[test]
fn a_file_that_ends_in_its_header_is_no_obstacle() {
    let dir = TempDir::new().expect("folder");
    let (mut log, _) = open(dir.path());
    write(&mut log, &rows(1, 3));
    fs::write(segment::path(dir.path(), 4), b"HMJO").expect("writes");
    let (mut log, recovered) = open(dir.path());
    assert_eq!(recovered.cut_bytes, 4);
    write(&mut log, &rows(4, 1));
    assert_eq!(read(dir.path(), 0), numbered(1, rows(1, 4)));
}

#[test]
fn a_damaged_middle_is_set_aside_and_the_rest_is_kept() {
    let dir = TempDir::new().expect("folder");
    let (mut log, _) = open(dir.path());
    write(&mut log, &rows(1, 5));
    let path = segment::path(dir.path(), 1);
    let bad = fs::read(&path).expect("reads").len() + 4;
    write(&mut log, &rows(6, 5));
    drop(log);
    let mut bytes = fs::read(&path).expect("reads");
    // The sixth row's check and its length: where the next row starts has to be found.
    bytes[bad] ^= 1;
    bytes[bad - 4] ^= 0x40;
    fs::write(&path, &bytes).expect("writes");
    let (mut log, recovered) = open(dir.path());
    assert_eq!(recovered.damaged.len(), 1);
    assert_eq!(recovered.damaged[0].rows_kept, 9);
    let kept = recovered.damaged[0].set_aside.clone().expect("kept");
    assert_eq!(fs::read(kept).expect("reads"), bytes, "the damaged file is kept as it was");
    write(&mut log, &rows(99, 1));
    let read = read(dir.path(), 0);
    let mut expected = numbered(1, rows(1, 5));
    expected.extend(numbered(7, rows(7, 4)));
    assert_eq!(read[..9], expected);
    assert_eq!(read[9].1, rows(99, 1)[0]);
    assert!(read[9].0 >= 11, "numbers are never used twice");
}

#[test]
fn wrong_magic_and_newer_versions_are_set_aside() {
    for (offset, what) in [(0, "no journal segment"), (8, "damaged")] {
        let dir = TempDir::new().expect("folder");
        let (mut log, _) = open(dir.path());
        write(&mut log, &rows(1, 5));
        drop(log);
        let path = segment::path(dir.path(), 1);
        let mut bytes = fs::read(&path).expect("reads");
        bytes[offset] ^= 0xff;
        fs::write(&path, &bytes).expect("writes");
        let (mut log, recovered) = open(dir.path());
        assert!(recovered.damaged[0].what.contains(what), "{:?}", recovered.damaged);
        assert!(log.next() > 5, "numbers that may be in the file are not used again");
        write(&mut log, &rows(1, 1));
        assert_eq!(read(dir.path(), 0).len(), 1);
        assert!(names(dir.path()).iter().any(|name| name.ends_with(".corrupt-1")));
    }
    let mut newer = segment::header(1);
    newer[8] = 2;
    let crc = crc32c::crc32c(&newer[..20]);
    newer[20..].copy_from_slice(&crc.to_le_bytes());
    assert!(segment::header_fault(&newer, 1).expect("refused").contains("another version"));
}

#[test]
fn an_older_segment_is_mended_when_it_is_read() {
    let dir = TempDir::new().expect("folder");
    let (mut log, _) = Log::open(dir.path(), 500, 0).expect("opens");
    for few in rows(1, 40).chunks(10) {
        write(&mut log, few);
    }
    let path = segment::path(dir.path(), 1);
    let mut bytes = fs::read(&path).expect("reads");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 0x10;
    fs::write(&path, &bytes).expect("writes");
    let (_, recovered) = Log::open(dir.path(), 500, 0).expect("opens");
    assert!(recovered.is_clean(), "opening reads the last segment only");
    let mut reader = Reader::new(dir.path(), 1, Some(41), true);
    let mut numbers = Vec::new();
    while let Some((number, _)) = reader.next_payload().expect("reads") {
        numbers.push(number);
    }
    assert_eq!(numbers.len(), 39, "one row is lost: {numbers:?}");
    let damage = reader.take_damage();
    assert_eq!(damage.len(), 1);
    assert!(damage[0].set_aside.as_ref().expect("kept").exists());
    // Now the files are clean.
    assert_eq!(read(dir.path(), 0).len(), 39);
}

#[test]
fn retiring_keeps_the_last_segment_and_what_is_waited_for() {
    let dir = TempDir::new().expect("folder");
    let (mut log, _) = Log::open(dir.path(), 500, 0).expect("opens");
    for few in rows(1, 40).chunks(10) {
        write(&mut log, few);
    }
    let from = |first| move |rows: std::ops::Range<u64>| rows.end > first;
    assert_eq!(retire(dir.path(), from(11), Some(0)).expect("retires"), 0, "too young");
    assert_eq!(retire(dir.path(), from(15), None).expect("retires"), 1);
    assert_eq!(read(dir.path(), 0), numbered(11, rows(11, 30)));
    // A former store waits for some, and later ones need not wait with them.
    assert_eq!(retire(dir.path(), |rows| rows.contains(&12), None).expect("retires"), 1);
    let left: Vec<u64> = read(dir.path(), 0).into_iter().map(|(number, _)| number).collect();
    assert_eq!(left, (11..21).chain(31..41).collect::<Vec<_>>());
    assert_eq!(retire(dir.path(), |_| false, None).expect("retires"), 1);
    assert_eq!(segment::list(dir.path()).expect("lists"), [31]);
    let (log, _) = open(dir.path());
    assert_eq!(log.next(), 41);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]
    #[test]
    fn damage_anywhere_gives_no_wrong_row_and_never_panics(
        flips in prop::collection::vec((any::<prop::sample::Index>(), 0u8..8), 1..4),
        cut in prop::option::of(any::<prop::sample::Index>()),
    ) {
        let dir = TempDir::new().expect("folder");
        let (mut log, _) = open(dir.path());
        let all: Vec<Row> = rows(1, 20).into_iter().chain(fixture::one_of_each()).chain(rows(30, 20)).collect();
        write(&mut log, &all);
        drop(log);
        let path = segment::path(dir.path(), 1);
        let mut bytes = fs::read(&path).expect("reads");
        let mut first_bad = bytes.len();
        for (index, bit) in flips {
            let at = index.index(bytes.len());
            bytes[at] ^= 1 << bit;
            first_bad = first_bad.min(at);
        }
        if let Some(cut) = cut {
            bytes.truncate(cut.index(bytes.len()));
            first_bad = first_bad.min(bytes.len());
        }
        // Whole records before the first bad byte.
        let mut good = 0;
        let mut at = segment::HEADER;
        for row in &all {
            at += batch(std::slice::from_ref(row))[0].len();
            good += u64::from(at <= first_bad);
        }
        fs::write(&path, &bytes).expect("writes");
        let (mut log, _) = open(dir.path());
        let next = log.next();
        write(&mut log, &rows(77, 1));
        let read = read(dir.path(), 0);
        let (last, found) = read.split_last().expect("the new row");
        prop_assert_eq!(last, &(next, rows(77, 1)[0].clone()));
        for (number, row) in found {
            prop_assert_eq!(Some(row), all.get(usize::try_from(*number).expect("small") - 1), "row {}", number);
        }
        if first_bad >= segment::HEADER {
            prop_assert!(found.len() as u64 >= good);
            prop_assert!(found.iter().take(usize::try_from(good).expect("small")).map(|(n, _)| *n).eq(1..=good));
        }
    }
}

/// Remembers what it heard, and can be waited for.
#[derive(Clone, Default)]
struct Heard {
    rows: Arc<Mutex<Vec<(u64, Row)>>>,
    told: Arc<Condvar>,
}

impl Durable for Heard {
    fn durable(&mut self, batch: &DurableBatch<'_>) {
        let mut heard = self.rows.lock().expect("lock");
        heard.extend(batch.payloads().map(|(number, payload)| (number, super::decode(payload).expect("decodes"))));
        self.told.notify_all();
    }
}

impl Heard {
    fn wait_for(&self, rows: usize) -> Vec<(u64, Row)> {
        let heard = self.rows.lock().expect("lock");
        let (heard, timeout) = self.told.wait_timeout_while(heard, LONG, |heard| heard.len() < rows).expect("lock");
        assert!(!timeout.timed_out(), "only {} of {rows} rows", heard.len());
        heard.clone()
    }
}

fn options(folder: PathBuf) -> JournalOptions {
    JournalOptions {
        folder,
        segment_bytes: 1 << 20,
        close_after: Duration::from_millis(50),
        batch_bytes: 1 << 20,
        memory_bytes: 1 << 20,
        retry: Duration::from_millis(20),
    }
}

fn start(options: &JournalOptions, events: Events) -> (JournalWriter, Heard) {
    let heard = Heard::default();
    let (writer, _) = JournalWriter::start(options, 0, events, |_| Box::new(heard.clone())).expect("starts");
    (writer, heard)
}

#[test]
fn rows_become_durable_by_themselves_and_are_told_in_order() {
    let dir = TempDir::new().expect("folder");
    let (writer, heard) = start(&options(dir.path().to_owned()), Events::new());
    let all = rows(1, 100);
    all.iter().for_each(|row| writer.push(row));
    assert_eq!(heard.wait_for(100), numbered(1, all.clone()));
    assert!(writer.stop(LONG));
    assert_eq!(read(dir.path(), 0), numbered(1, all));
}

#[test]
fn one_batch_takes_what_comes_within_its_time_and_flush_ends_it() {
    let dir = TempDir::new().expect("folder");
    let options = JournalOptions { close_after: Duration::from_secs(3600), ..options(dir.path().to_owned()) };
    let (writer, _) = start(&options, Events::new());
    rows(1, 1_000).iter().for_each(|row| writer.push(row));
    assert_eq!(writer.figures().batches, 0);
    assert_eq!(writer.figures().waiting_rows, 1_000);
    assert!(writer.flush(LONG));
    let figures = writer.figures();
    assert_eq!((figures.batches, figures.next, figures.waiting_rows), (1, 1_001, 0));
    assert!(writer.flush(Duration::ZERO), "nothing waits");
    writer.push(&rows(1, 1)[0]);
    assert!(writer.stop(LONG), "stopping writes what waits");
    assert_eq!(read(dir.path(), 0).len(), 1_001);
}

#[test]
fn a_fault_is_told_rows_wait_in_bounded_memory_and_writing_resumes() {
    let dir = TempDir::new().expect("folder");
    let folder = dir.path().join("journal");
    // Each batch wants a new segment, which cannot be made where its folder is gone.
    let options = JournalOptions { segment_bytes: 1, memory_bytes: 40_000, ..options(folder.clone()) };
    let events = Events::new();
    let mut told = events.listen();
    let (writer, heard) = start(&options, events);
    writer.push(&fixture::result(1, 1));
    heard.wait_for(1);
    fs::rename(&folder, dir.path().join("away")).expect("renames");
    let others = &fixture::one_of_each()[1..];
    others.iter().for_each(|row| writer.push(row));
    (2..2_000).for_each(|n| writer.push(&fixture::result(1, n)));
    assert!(!writer.flush(LONG), "a flush does not wait for a fault to end");
    let figures = writer.figures();
    assert!(figures.fault.as_ref().is_some_and(|fault| fault.contains("cannot open")), "{figures:?}");
    assert!(figures.waiting_bytes <= 40_000 && figures.dropped > 0, "{figures:?}");
    assert!(matches!(told.blocking_recv(), Ok(Event::JournalState { fault: Some(_) })));
    fs::rename(dir.path().join("away"), &folder).expect("renames");
    let left = usize::try_from(writer.figures().waiting_rows).expect("small");
    heard.wait_for(1 + left);
    assert!(matches!(told.blocking_recv(), Ok(Event::JournalState { fault: None })));
    assert!(writer.stop(LONG));
    let read: Vec<Row> = read(&folder, 0).into_iter().map(|(_, row)| row).collect();
    assert_eq!(read[1..6], *others, "only results are dropped");
    assert_eq!(read.len() as u64 + writer.figures().dropped, 1_999 + 5);
    assert_eq!(read.last(), Some(&fixture::result(1, 1_999)), "the oldest are dropped");
}

/// Whoever notes how far a store is may have looked before two switches.
#[test]
fn a_look_of_before_gives_no_store_rows_of_others() {
    let dir = TempDir::new().expect("folder");
    let mut cursors = Cursors::open(dir.path()).expect("opens");
    cursors.enter("first", 2, 1);
    cursors.note("first", None, &[20, 20]);
    cursors.enter("second", 2, 20);
    let back = cursors.enter("first", 2, 30);
    assert_eq!((back.delivered, back.holes), (vec![30, 30], vec![]), "rows of the second lie behind");
    cursors.note("first", None, &[20, 20]);
    let first = cursors.entry("first").expect("is there").clone();
    assert_eq!((&first.delivered[..], first.waits_for()), (&[30, 30][..], Some(30)));
    cursors.note("first", None, &[41, 35]);
    assert_eq!(cursors.entry("first").expect("is there").delivered, [41, 35]);
}

#[test]
fn cursors_read_back_and_a_damaged_file_is_set_aside() {
    let dir = TempDir::new().expect("folder");
    let mut cursors = Cursors::open(dir.path()).expect("opens");
    let first = cursors.enter("embedded", 2, 5);
    assert_eq!(first.delivered, [1, 1], "a first store gets every row there is");
    cursors.save(Cursor { store: Some("id".into()), delivered: vec![7, 9], ..first }).expect("saves");
    let mut cursors = Cursors::open(dir.path()).expect("opens");
    assert_eq!(cursors.floor(), 9);
    assert!(!cursors.is_waited_for(1..7) && cursors.is_waited_for(1..8) && cursors.is_waited_for(900..901));
    assert_eq!(cursors.enter("postgres", 2, 20).delivered, [20, 20], "a later one gets what comes");
    assert_eq!(cursors.entries()[0].until, Some(20));
    assert!(cursors.is_waited_for(7..8) && cursors.is_waited_for(19..20), "the former one's rows are kept");
    let now = Cursor { delivered: vec![30, 31], ..cursors.entries()[1].clone() };
    cursors.save(now).expect("saves");
    assert!(!cursors.is_waited_for(20..30), "what the present one has is not kept for the former one");
    assert!(cursors.is_waited_for(29..31));
    let path = dir.path().join("cursors.json");
    let text = fs::read_to_string(&path).expect("reads").replace("[7,9]", "[8,9]");
    fs::write(&path, &text).expect("writes");
    assert!(Cursors::open(dir.path()).expect("opens").entries().is_empty());
    assert_eq!(fs::read_to_string(dir.path().join("cursors.json.corrupt-1")).expect("reads"), text);
}
