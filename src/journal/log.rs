//! The writing end of the segment files: opening, appending, rolling. One thread owns it.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::ops::Range;
use std::path::{Path, PathBuf};

use super::error::JournalError;
use super::record::{encode, stamp};
use super::rewrite::finish_rewrite;
use super::salvage::{Damage, set_aside, sync_folder};
use super::segment;
use crate::model::Row;

/// What opening found and mended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recovered {
    /// Bytes of a half-written record that were cut off the end.
    pub cut_bytes: u64,
    /// Segments that were damaged.
    pub damaged: Vec<Damage>,
}

impl Recovered {
    /// Whether all was well.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.cut_bytes == 0 && self.damaged.is_empty()
    }
}

/// The segment that is written to.
#[derive(Debug)]
struct Active {
    first: u64,
    /// Durable bytes; 0 before the header is.
    good: u64,
    /// None before the first write, and after a fault.
    file: Option<File>,
    /// A write or sync failed since it was last read back.
    suspect: bool,
}

/// The journal's files, open for writing.
#[derive(Debug)]
pub struct Log {
    folder: PathBuf,
    segment_bytes: u64,
    active: Option<Active>,
    next: u64,
}

impl Log {
    /// Opens the journal in a folder, making the folder where there is none. Only the last segment is read; older
    /// ones are checked when somebody reads them. New rows get numbers of at least `floor`, which keeps numbers
    /// that a cursor has passed from being used again.
    ///
    /// # Errors
    /// The folder cannot be made or read, or a damaged segment cannot be set aside. A full disk is no error.
    pub fn open(folder: &Path, segment_bytes: u64, floor: u64) -> Result<(Self, Recovered), JournalError> {
        fs::create_dir_all(folder).map_err(JournalError::of("make", folder))?;
        finish_rewrite(folder)?;
        let mut log = Self { folder: folder.to_owned(), segment_bytes, active: None, next: floor.max(1) };
        let mut recovered = Recovered::default();
        // Setting a last segment aside may leave an older one or new parts as the last.
        while let Some(first) = segment::list(folder).map_err(JournalError::of("list", folder))?.pop() {
            if log.open_last(first, &mut recovered)? {
                break;
            }
        }
        Ok((log, recovered))
    }

    /// Whether this is the last segment indeed; false when it was set aside and the folder must be looked at again.
    fn open_last(&mut self, first: u64, recovered: &mut Recovered) -> Result<bool, JournalError> {
        let path = segment::path(&self.folder, first);
        let bytes = fs::read(&path).map_err(JournalError::of("read", &path))?;
        let size = bytes.len() as u64;
        if bytes.len() < segment::HEADER {
            // The process ended while it made the file: no row was ever in it.
            fs::remove_file(&path).map_err(JournalError::of("remove", &path))?;
            recovered.cut_bytes += size;
            self.next = self.next.max(first);
            return Ok(false);
        }
        let runs =
            if segment::header_fault(&bytes, first).is_none() { segment::examine(&bytes, first) } else { Vec::new() };
        let [run] = runs[..] else {
            self.next = self.next.max(segment::bound(first, size));
            recovered.damaged.push(set_aside(&self.folder, first)?);
            return Ok(false);
        };
        if run.to < bytes.len() {
            let file = OpenOptions::new().write(true).open(&path).map_err(JournalError::of("open", &path))?;
            file.set_len(run.to as u64).and_then(|()| file.sync_all()).map_err(JournalError::of("cut", &path))?;
            recovered.cut_bytes += (bytes.len() - run.to) as u64;
        }
        if run.next >= self.next {
            self.next = run.next;
            self.active = Some(Active { first, good: run.to as u64, file: None, suspect: false });
        }
        // Else numbers are missing after this segment: a new one starts.
        Ok(true)
    }

    /// The number the next row gets.
    #[must_use]
    pub fn next(&self) -> u64 {
        self.next
    }

    /// Writes encoded rows and makes them durable: one sync for all. Gives the numbers they got.
    ///
    /// # Errors
    /// The rows are not durable and the file is as if nothing had been written; the same rows can be given again.
    pub(super) fn append(&mut self, rows: &mut [Vec<u8>]) -> Result<Range<u64>, JournalError> {
        let first = self.next;
        let mut next = first;
        for chunk in rows.iter_mut() {
            next = stamp(chunk, next);
        }
        let mut active = self.take_active();
        let path = segment::path(&self.folder, active.first);
        let written = match self.reopen(&mut active, &path) {
            Ok(true) => active.write(rows).map_err(JournalError::of("write", &path)),
            Ok(false) => {
                // What was durable is gone from it. The next reader sets it aside; rows go on in a new one.
                self.active = Some(Active { first: self.next, good: 0, file: None, suspect: false });
                return self.append(rows);
            }
            Err(error) => Err(error),
        };
        let fresh = active.good == 0;
        let result = written.and_then(|good| {
            if fresh {
                sync_folder(&self.folder)?;
            }
            Ok(good)
        });
        match result {
            Ok(good) => {
                active.good = good;
                self.next = next;
                self.active = Some(active);
                Ok(first..next)
            }
            Err(error) => {
                active.give_up(&path);
                self.active = Some(active);
                Err(error)
            }
        }
    }

    /// Writes a few rows and makes them durable; for one that needs no thread.
    ///
    /// # Errors
    /// See [`JournalError`]: nothing was written.
    pub fn write(&mut self, rows: &[Row]) -> Result<Range<u64>, JournalError> {
        let mut bytes = Vec::new();
        for row in rows {
            if !encode(row, &mut bytes) {
                tracing::error!(monitor = %row.monitor(), "a row is too large for the journal and is dropped");
            }
        }
        self.append(&mut [bytes])
    }

    fn take_active(&mut self) -> Active {
        match self.active.take() {
            Some(active) if active.good < self.segment_bytes => active,
            _ => Active { first: self.next, good: 0, file: None, suspect: false },
        }
    }

    /// Opens the active segment where it is not, and after a fault reads back what should be in it: what the system
    /// still holds in memory after a failed sync proves nothing, so everything after the last success is cut off and
    /// written again. False when durable rows are missing.
    fn reopen(&self, active: &mut Active, path: &Path) -> Result<bool, JournalError> {
        if active.file.is_some() {
            return Ok(true);
        }
        let file = OpenOptions::new().read(true).write(true).create(active.good == 0).truncate(false).open(path);
        let mut file = match file {
            Err(error) if active.good > 0 && error.kind() == io::ErrorKind::NotFound => return Ok(false),
            file => file.map_err(JournalError::of("open", path))?,
        };
        if active.suspect && active.good > 0 {
            let mut bytes = Vec::new();
            file.read_to_end(&mut bytes).map_err(JournalError::of("read", path))?;
            let whole = segment::header_fault(&bytes, active.first).is_none()
                && segment::examine(&bytes, active.first)[0].to as u64 >= active.good;
            if !whole {
                return Ok(false);
            }
        }
        file.set_len(active.good)
            .and_then(|()| file.seek(SeekFrom::Start(active.good)))
            .map_err(JournalError::of("cut", path))?;
        active.file = Some(file);
        active.suspect = false;
        Ok(true)
    }
}

impl Active {
    /// Writes and syncs; gives the new length.
    fn write(&mut self, rows: &[Vec<u8>]) -> io::Result<u64> {
        let Some(file) = self.file.as_mut() else { return Err(io::ErrorKind::NotFound.into()) };
        let mut length = self.good;
        if length == 0 {
            file.write_all(&segment::header(self.first))?;
            length = segment::HEADER as u64;
        }
        for chunk in rows {
            file.write_all(chunk)?;
            length += chunk.len() as u64;
        }
        file.sync_data()?;
        Ok(length)
    }

    /// After a fault: the half-written part goes at once, so that readers find a clean file.
    fn give_up(&mut self, path: &Path) {
        if let Some(file) = self.file.take() {
            let cut = if self.good == 0 { fs::remove_file(path) } else { file.set_len(self.good) };
            if let Err(error) = cut {
                tracing::warn!(path = %path.display(), %error, "half-written journal rows stay until the next write");
            }
        }
        self.suspect = true;
    }
}

/// Removes segments none of whose rows is `waited` for, except the last one. With `not_before_us` only those that were
/// last written before that time (µs since 1970). Gives how many went.
///
/// # Errors
/// The folder cannot be listed or a file not removed.
pub fn retire(
    folder: &Path,
    waited: impl Fn(Range<u64>) -> bool,
    not_before_us: Option<u64>,
) -> Result<usize, JournalError> {
    let firsts = segment::list(folder).map_err(JournalError::of("list", folder))?;
    let mut removed = 0;
    for pair in firsts.windows(2).filter(|pair| !waited(pair[0]..pair[1])) {
        let path = segment::path(folder, pair[0]);
        if let Some(limit) = not_before_us {
            let written =
                fs::metadata(&path).and_then(|data| data.modified()).map_err(JournalError::of("read", &path))?;
            let age = written.duration_since(std::time::UNIX_EPOCH).unwrap_or_default().as_micros();
            if age >= u128::from(limit) {
                break;
            }
        }
        fs::remove_file(&path).map_err(JournalError::of("remove", &path))?;
        removed += 1;
    }
    Ok(removed)
}

/// Bytes of all segments.
///
/// # Errors
/// The folder cannot be listed.
pub fn size(folder: &Path) -> Result<u64, JournalError> {
    let firsts = segment::list(folder).map_err(JournalError::of("list", folder))?;
    // One that was removed meanwhile takes no room.
    let sizes = firsts.into_iter().filter_map(|first| fs::metadata(segment::path(folder, first)).ok());
    Ok(sizes.map(|data| data.len()).sum())
}
