//! Reading rows back in order, also while more are written.

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::{Path, PathBuf};

use super::error::JournalError;
use super::record::{FRAME, decode, is_good, payload_len};
use super::salvage::{Damage, set_aside};
use super::segment;
use crate::model::Row;

/// Reads encoded rows from a number on. It holds one record and a small buffer, however long the journal is.
#[derive(Debug)]
pub struct Reader {
    folder: PathBuf,
    /// Number of the record that comes next.
    next: u64,
    /// Rows from here on are not read.
    until: Option<u64>,
    mend: bool,
    open: Option<Open>,
    /// The segment that was read last.
    done: Option<u64>,
    payload: Vec<u8>,
    damage: Vec<Damage>,
}

#[derive(Debug)]
struct Open {
    first: u64,
    /// Number of the record at the reading position.
    at: u64,
    file: BufReader<File>,
}

/// What the reading position holds.
enum Found {
    Row,
    End,
    Bad,
}

impl Reader {
    /// Reads from `from` to just before `until`, or to the end. With `mend` a damaged segment is set aside and
    /// what is good in it goes on being read; this is for whoever holds the data folder. Without, the rest of a
    /// damaged segment is left out.
    #[must_use]
    pub fn new(folder: &Path, from: u64, until: Option<u64>, mend: bool) -> Self {
        Self {
            folder: folder.to_owned(),
            next: from,
            until,
            mend,
            open: None,
            done: None,
            payload: Vec::new(),
            damage: Vec::new(),
        }
    }

    /// What was found damaged since the last call.
    pub fn take_damage(&mut self) -> Vec<Damage> {
        std::mem::take(&mut self.damage)
    }

    /// The next row's number and its encoded bytes; none at the end.
    ///
    /// # Errors
    /// A file cannot be read; the same call can be made again.
    pub fn next_payload(&mut self) -> Result<Option<(u64, &[u8])>, JournalError> {
        loop {
            if self.until.is_some_and(|until| self.next >= until) {
                return Ok(None);
            }
            if self.open.is_none() && !self.open_next()? {
                return Ok(None);
            }
            let Some(open) = self.open.as_mut() else { return Ok(None) };
            let (first, number) = (open.first, open.at);
            match open.read(&mut self.payload) {
                Ok(Found::Row) => {
                    open.at += 1;
                    if number >= self.until.unwrap_or(u64::MAX) {
                        return Ok(None);
                    }
                    if number >= self.next {
                        self.next = number + 1;
                        return Ok(Some((number, &self.payload)));
                    }
                }
                Ok(Found::End) => self.leave(first),
                Ok(Found::Bad) => self.damaged(first)?,
                Err(error) => {
                    self.open = None;
                    return Err(JournalError::of("read", segment::path(&self.folder, first))(error));
                }
            }
        }
    }

    fn leave(&mut self, first: u64) {
        self.open = None;
        self.done = Some(first);
    }

    /// Opens the segment that holds the next row, or the first one after it.
    fn open_next(&mut self) -> Result<bool, JournalError> {
        let firsts = segment::list(&self.folder).map_err(JournalError::of("list", &self.folder))?;
        let after = firsts.partition_point(|first| *first <= self.next);
        let start = after.saturating_sub(1);
        let done = self.done;
        for &first in firsts[start..].iter().filter(|first| done.is_none_or(|done| **first > done)) {
            let path = segment::path(&self.folder, first);
            let file = match File::open(&path) {
                // Delivered and removed since the folder was listed.
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                file => file.map_err(JournalError::of("open", &path))?,
            };
            let mut file = BufReader::with_capacity(64 * 1024, file);
            let mut header = [0; segment::HEADER];
            let read = fill(&mut file, &mut header).map_err(JournalError::of("read", &path))?;
            if segment::header_fault(&header[..read], first).is_some() {
                // The last one may just be in the making.
                if read == segment::HEADER || Some(&first) != firsts.last() {
                    self.damaged(first)?;
                    return self.open_next();
                }
                continue;
            }
            self.open = Some(Open { first, at: first, file });
            return Ok(true);
        }
        Ok(false)
    }

    fn damaged(&mut self, first: u64) -> Result<(), JournalError> {
        self.leave(first);
        let firsts = segment::list(&self.folder).map_err(JournalError::of("list", &self.folder))?;
        let is_last = firsts.last() == Some(&first);
        if is_last && self.until.is_none_or(|until| self.next >= until) {
            // A torn tail, or a row that is being written.
            return Ok(());
        }
        let path = segment::path(&self.folder, first);
        // The last one belongs to the writer.
        if self.mend && !is_last {
            let damage = set_aside(&self.folder, first)?;
            tracing::error!(
                segment = %damage.segment.display(), what = damage.what, rows_kept = damage.rows_kept,
                bytes_lost = damage.bytes_lost, "a journal segment is damaged; it is kept under a new name"
            );
            // Its good parts are segments now and can be read, the first under the same name.
            let good = damage.rows_kept > 0;
            self.damage.push(damage);
            self.done = if good { first.checked_sub(1) } else { Some(first) };
        } else {
            let what = "a record in it is damaged".to_owned();
            self.damage.push(Damage { segment: path, what, set_aside: None, rows_kept: 0, bytes_lost: 0 });
        }
        Ok(())
    }

    /// Reads to the end; gives the number after the last row.
    ///
    /// # Errors
    /// A file cannot be read.
    pub fn end(mut self) -> Result<u64, JournalError> {
        // Only the last segment tells.
        let firsts = segment::list(&self.folder).map_err(JournalError::of("list", &self.folder))?;
        self.next = self.next.max(firsts.last().copied().unwrap_or(0));
        while self.next_payload()?.is_some() {}
        Ok(self.next)
    }

    /// Reads rows instead of encoded bytes. Ends at the first fault, which is logged.
    pub fn rows(mut self) -> impl Iterator<Item = (u64, Row)> {
        std::iter::from_fn(move || {
            loop {
                match self.next_payload() {
                    Ok(Some((number, payload))) => match decode(payload) {
                        Ok(row) => return Some((number, row)),
                        Err(error) => tracing::error!(number, %error, "a journal row cannot be understood"),
                    },
                    Ok(None) => return None,
                    Err(error) => {
                        tracing::error!(%error, "reading the journal stopped");
                        return None;
                    }
                }
            }
        })
    }
}

impl Open {
    fn read(&mut self, payload: &mut Vec<u8>) -> io::Result<Found> {
        let mut frame = [0; FRAME];
        match fill(&mut self.file, &mut frame)? {
            0 => return Ok(Found::End),
            FRAME => {}
            _ => return Ok(Found::Bad),
        }
        let Some(length) = payload_len(&frame) else { return Ok(Found::Bad) };
        payload.resize(length, 0);
        let whole = fill(&mut self.file, payload)? == length;
        Ok(if whole && is_good(&frame, payload, self.at) { Found::Row } else { Found::Bad })
    }
}

/// Reads until the buffer is full or the file ends; gives the bytes read.
fn fill(file: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match file.read(&mut buffer[filled..]) {
            Ok(0) => break,
            Ok(read) => filled += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}
