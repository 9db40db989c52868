//! A full disk, on a small tmpfs of our own: pushing goes on, the state says so, writing resumes by itself, and
//! nothing is doubled or lost. The journal here; the embedded store's house-keeping in `sealing.rs`; what delivery and the
//! recorder write besides in `delivery.rs`.

#![allow(clippy::expect_used, reason = "a fault here is a failed run")]
#![allow(unreachable_pub, reason = "support is a module of this one crate")]

mod delivery;
mod sealing;
#[path = "../support_disk/mod.rs"]
mod support_disk;
#[path = "../support_store/mod.rs"]
mod support_store;

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use hallmonitor::event::{Event, Events};
use hallmonitor::journal::{Durable, DurableBatch, JournalOptions, JournalWriter, Log, Reader, decode};
use hallmonitor::model::Row;
use support_store::row;

const LONG: Duration = Duration::from_secs(60);

/// Fills the disk but for so many bytes.
fn fill(disk: &Path, free: u64) {
    let mut file = OpenOptions::new().create(true).append(true).open(ballast(disk)).expect("opens");
    for size in [256 * 1024, 4_096, 1] {
        while file.write_all(&vec![7; size]).is_ok() {}
    }
    let length = file.metadata().expect("length").len();
    file.set_len(length.saturating_sub(free)).expect("shortens");
}

/// Makes room again.
fn make_room(disk: &Path) {
    fs::remove_file(ballast(disk)).expect("removes");
}

fn ballast(disk: &Path) -> std::path::PathBuf {
    disk.join("ballast")
}

#[derive(Clone, Default)]
struct Heard(Arc<Mutex<Vec<(u64, Row)>>>);

impl Durable for Heard {
    fn durable(&mut self, batch: &DurableBatch<'_>) {
        let rows = batch.payloads().map(|(number, payload)| (number, decode(payload).expect("decodes")));
        self.0.lock().expect("lock").extend(rows);
    }
}

/// Not a test by itself: runs in a mount namespace of its own, when the test below starts it.
#[test]
fn child() {
    let Some(disk) = support_disk::disk() else { return };
    let ballast = disk.join("ballast");
    fs::write(&ballast, vec![7; 900 * 1024]).expect("writes");
    let options = JournalOptions {
        close_after: Duration::from_millis(5),
        retry: Duration::from_millis(20),
        segment_bytes: 64 * 1024,
        ..JournalOptions::in_data_dir(&disk)
    };
    let events = Events::new();
    let mut told = events.listen();
    let heard = Heard::default();
    let (writer, _) = JournalWriter::start(&options, 0, events, |_| Box::new(heard.clone())).expect("starts");
    let mut pushed = 0;
    while writer.figures().fault.is_none() {
        assert!(pushed < 100_000, "the disk is never full");
        (0..100).for_each(|n| writer.push(&row(pushed + n)));
        pushed += 100;
        let _ = writer.flush(LONG);
    }
    let fault = told.blocking_recv().expect("told");
    let says_full = |fault: &str| fault.contains("free some space");
    assert!(matches!(&fault, Event::JournalState { fault: Some(fault) } if says_full(fault)), "{fault:?}");
    // Checks go on; the rows wait.
    (0..5_000).for_each(|n| writer.push(&row(pushed + n)));
    pushed += 5_000;
    assert!(writer.figures().waiting_rows >= 5_000);
    let on_disk: Vec<u64> = Reader::new(&options.folder, 0, None, false).rows().map(|(number, _)| number).collect();
    assert!(on_disk.iter().copied().eq(1..=on_disk.len() as u64), "what is on the full disk is clean");
    fs::remove_file(&ballast).expect("removes");
    assert!(matches!(told.blocking_recv(), Ok(Event::JournalState { fault: None })), "writing resumes by itself");
    assert!(writer.flush(LONG));
    assert!(writer.stop(LONG));
    assert_eq!((writer.figures().dropped, writer.figures().waiting_rows), (0, 0));
    let expected: Vec<(u64, Row)> = (0..pushed).map(|number| (number + 1, row(number))).collect();
    assert!(*heard.0.lock().expect("lock") == expected, "told once and in order");
    let (_, recovered) = Log::open(&options.folder, options.segment_bytes, 0).expect("opens");
    assert!(recovered.is_clean(), "{recovered:?}");
    let read: Vec<(u64, Row)> = Reader::new(&options.folder, 0, None, false).rows().collect();
    assert!(read == expected, "{} rows read of {}", read.len(), expected.len());
    support_disk::passed();
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_told_and_writing_resumes() {
    support_disk::run_on_a_small_disk("child", "1m");
}
