//! Takes rows out of a segment that is written no more. What stays keeps its order and moves to the end of its part's
//! numbers, so that no row gets a smaller number than it had: whatever was not delivered before is not after.
//!
//! Numbers jump between segments only, so that each part becomes a segment of its own. The parts are written under names
//! that nobody reads (`NAME.hmj.new`); then `rewrite.json` says what is to be done, and it is done: parts are renamed,
//! the old segment is removed. A crash before that leaves all as it was, one after it is made up for by
//! [`finish_rewrite`]. Whoever reads meanwhile finds the old segment or the new ones: from a number inside the new ones on
//! only those are read, from one before them the old one is read to its end first.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::error::JournalError;
use super::record::{encode, stamp};
use super::salvage::sync_folder;
use super::segment;
use crate::model::Row;

const INTENT: &str = "rewrite.json";

/// What is being done.
#[derive(Debug, Serialize, Deserialize)]
struct Intent {
    /// First number of the segment that goes.
    old: u64,
    /// First numbers of those that come.
    new: Vec<u64>,
}

/// Rows that stay of a range of numbers.
#[derive(Debug, Default)]
pub struct Part {
    /// Number after the last of the range.
    pub end: u64,
    rows: u64,
    bytes: Vec<u8>,
}

impl Part {
    /// Nothing stays yet.
    #[must_use]
    pub fn ending_at(end: u64) -> Self {
        Self { end, rows: 0, bytes: Vec::new() }
    }

    /// Keeps an encoded row.
    pub fn keep(&mut self, payload: &[u8]) {
        // Longer ones were never written.
        let Ok(length) = u32::try_from(payload.len()) else { return };
        self.bytes.extend_from_slice(&length.to_le_bytes());
        self.bytes.extend_from_slice(&[0; 4]);
        self.bytes.extend_from_slice(payload);
        self.rows += 1;
    }

    /// Adds a row in the place of some that go.
    pub fn put(&mut self, row: &Row) {
        self.rows += u64::from(encode(row, &mut self.bytes));
    }

    /// Rows that stay.
    #[must_use]
    pub fn rows(&self) -> u64 {
        self.rows
    }
}

fn waiting(folder: &Path, first: u64) -> PathBuf {
    segment::path(folder, first).with_extension("hmj.new")
}

/// Puts parts in the place of the segment that starts with `old`. Each must have no more rows than numbers, and they must
/// cover the segment's numbers in order.
///
/// # Errors
/// A file cannot be written or removed. Nothing is lost; [`finish_rewrite`] goes on where it stopped.
pub fn rewrite(folder: &Path, old: u64, mut parts: Vec<Part>) -> Result<(), JournalError> {
    // What one before could not finish comes first.
    finish_rewrite(folder)?;
    let intent_path = folder.join(INTENT);
    let mut new = Vec::new();
    for part in parts.iter_mut().filter(|part| part.rows > 0) {
        let first = part.end - part.rows;
        stamp(&mut part.bytes, first);
        let path = waiting(folder, first);
        write(&path, &[&segment::header(first), &part.bytes]).map_err(JournalError::of("write", &path))?;
        new.push(first);
    }
    let text = serde_json::to_vec(&Intent { old, new }).map_err(|error| fault(&intent_path, error.into()))?;
    let temporary = intent_path.with_extension("part");
    write(&temporary, &[&text])
        .and_then(|()| fs::rename(&temporary, &intent_path))
        .map_err(|error| fault(&intent_path, error))?;
    sync_folder(folder)?;
    finish_rewrite(folder)
}

fn fault(path: &Path, error: io::Error) -> JournalError {
    JournalError::of("write", path)(error)
}

fn write(path: &Path, chunks: &[&[u8]]) -> io::Result<()> {
    let mut file = File::create(path)?;
    for chunk in chunks {
        file.write_all(chunk)?;
    }
    file.sync_all()
}

/// Does what is left of a rewriting that was begun, and drops what one that never began has left.
///
/// # Errors
/// A file cannot be renamed or removed.
pub fn finish_rewrite(folder: &Path) -> Result<(), JournalError> {
    let path = folder.join(INTENT);
    let intent = match fs::read(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return drop_waiting(folder),
        bytes => bytes.map_err(JournalError::of("read", &path))?,
    };
    // It was renamed when it was whole, so that anything else was never ours.
    let Ok(Intent { old, new }) = serde_json::from_slice::<Intent>(&intent) else {
        fs::remove_file(&path).map_err(JournalError::of("remove", &path))?;
        return drop_waiting(folder);
    };
    // The one that takes the old one's place, if there is one, comes last.
    for first in new.iter().rev() {
        let from = waiting(folder, *first);
        match fs::rename(&from, segment::path(folder, *first)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(fault(&from, error)),
            _ => {}
        }
    }
    if !new.contains(&old) {
        let gone = segment::path(folder, old);
        match fs::remove_file(&gone) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(JournalError::of("remove", &gone)(error));
            }
            _ => {}
        }
    }
    sync_folder(folder)?;
    fs::remove_file(&path).map_err(JournalError::of("remove", &path))?;
    sync_folder(folder)
}

fn drop_waiting(folder: &Path) -> Result<(), JournalError> {
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        entries => entries.map_err(JournalError::of("list", folder))?,
    };
    for entry in entries.flatten().filter(|entry| entry.file_name().to_string_lossy().ends_with(".hmj.new")) {
        fs::remove_file(entry.path()).map_err(JournalError::of("remove", entry.path()))?;
    }
    Ok(())
}

/// First numbers of all segments, ascending; the last one may still be written to.
///
/// # Errors
/// The folder cannot be listed.
pub fn segments(folder: &Path) -> Result<Vec<u64>, JournalError> {
    segment::list(folder).map_err(JournalError::of("list", folder))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::fixture::result;
    use crate::journal::{Log, Reader};

    fn numbered(folder: &Path, from: u64) -> Vec<(u64, Row)> {
        Reader::new(folder, from, None, false).rows().collect()
    }

    /// Three segments of ten rows.
    fn three(folder: &Path) {
        let (mut log, _) = Log::open(folder, 1, 0).expect("opens");
        for segment in 0..3 {
            let rows: Vec<Row> = (0..10).map(|n| result(1, segment * 10 + n)).collect();
            log.write(&rows).expect("writes");
        }
    }

    /// Of rows 11 to 20 the second and the ninth stay, in two parts.
    fn parts(folder: &Path) -> Vec<Part> {
        let mut parts = vec![Part::ending_at(16), Part::ending_at(21)];
        let mut reader = Reader::new(folder, 11, Some(21), false);
        while let Some((number, payload)) = reader.next_payload().expect("reads") {
            match number {
                12 => parts[0].keep(payload),
                19 => parts[1].keep(payload),
                _ => {}
            }
        }
        parts
    }

    #[test]
    fn what_stays_moves_up_and_all_else_stays_where_it_is() {
        let dir = tempfile::tempdir().expect("folder");
        three(dir.path());
        rewrite(dir.path(), 11, parts(dir.path())).expect("rewrites");
        let rows = numbered(dir.path(), 0);
        assert_eq!(rows.len(), 22);
        assert_eq!(rows[10..12], [(15, result(1, 11)), (20, result(1, 18))]);
        assert_eq!((rows[9].0, rows[12].0), (10, 21));
        let (log, recovered) = Log::open(dir.path(), 1, 0).expect("opens");
        assert!(recovered.is_clean() && log.next() == 31);
        rewrite(dir.path(), 1, vec![Part::ending_at(11)]).expect("rewrites");
        assert_eq!(numbered(dir.path(), 0).len(), 12, "a segment of which nothing stays goes");
    }

    #[test]
    fn a_crash_at_any_step_leaves_the_old_or_the_new() {
        let whole = tempfile::tempdir().expect("folder");
        three(whole.path());
        let before = numbered(whole.path(), 0);
        let intent = serde_json::to_vec(&Intent { old: 11, new: vec![15, 20] }).expect("json");
        // Each step is one more file that has its last name.
        for step in 0..5 {
            let dir = tempfile::tempdir().expect("folder");
            three(dir.path());
            for mut part in parts(dir.path()) {
                let first = part.end - part.rows;
                stamp(&mut part.bytes, first);
                write(&waiting(dir.path(), first), &[&segment::header(first), &part.bytes]).expect("writes");
            }
            if step > 0 {
                fs::write(dir.path().join(INTENT), &intent).expect("writes");
            }
            for first in [20, 15].into_iter().take(usize::max(step, 1) - 1) {
                fs::rename(waiting(dir.path(), first), segment::path(dir.path(), first)).expect("renames");
                assert_eq!(numbered(dir.path(), 0), before, "read from the front it is the old one");
            }
            if step == 4 {
                fs::remove_file(segment::path(dir.path(), 11)).expect("removes");
            }
            finish_rewrite(dir.path()).expect("finishes");
            let rows = numbered(dir.path(), 0);
            assert_eq!(rows.len(), if step == 0 { 30 } else { 22 }, "step {step}");
            let left = fs::read_dir(dir.path()).expect("lists").flatten().map(|entry| entry.file_name());
            assert!(left.into_iter().all(|name| name.to_string_lossy().ends_with(".hmj")), "step {step}");
        }
    }
}
