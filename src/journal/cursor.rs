//! How far rows have been delivered, one entry for each store that ever was. Every row belongs to one store: the one
//! that was in use when it was journaled. The file `cursors.json` has two lines: the entries, and the CRC32C of the first
//! line in hexadecimal.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::ops::Range;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::error::JournalError;

const NAME: &str = "cursors.json";

/// How far one store's rows have been delivered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cursor {
    /// How the store is told before it was ever reached: backend and address.
    pub contact: String,
    /// The store's own id, once it was reached.
    pub store: Option<String>,
    /// For each share of the monitors the number of the first row that is not known to be delivered.
    pub delivered: Vec<u64>,
    /// Rows from this number on belong to another store.
    pub until: Option<u64>,
    /// Earlier rows that belong to other stores, which were in use in between; in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub holes: Vec<Range<u64>>,
}

impl Cursor {
    /// The first row that the store still waits for; none when it has all of its rows.
    #[must_use]
    pub fn waits_for(&self) -> Option<u64> {
        let first = self.delivered.iter().map(|number| self.beyond_holes(*number)).min().unwrap_or(0);
        self.until.is_none_or(|until| first < until).then_some(first)
    }

    /// The first of the store's own rows from a number on.
    fn beyond_holes(&self, number: u64) -> u64 {
        self.holes.iter().fold(number, |number, hole| if hole.contains(&number) { hole.end } else { number })
    }

    /// Moves on over rows of other stores, and forgets holes that lie behind.
    fn tidy(&mut self) {
        self.delivered = self.delivered.iter().map(|number| self.beyond_holes(*number)).collect();
        let first = self.delivered.iter().copied().min().unwrap_or(0);
        self.holes.retain(|hole| hole.end > first);
    }
}

/// All cursors of a journal.
#[derive(Clone, Debug)]
pub struct Cursors {
    folder: PathBuf,
    entries: Vec<Cursor>,
}

impl Cursors {
    /// Reads the cursors in a journal's folder. A damaged file is set aside under a new name: rows are then
    /// delivered again from the oldest on, which changes nothing in a store.
    ///
    /// # Errors
    /// The file cannot be read, or not be set aside.
    pub fn open(folder: &Path) -> Result<Self, JournalError> {
        let path = folder.join(NAME);
        let text = match fs::read(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            bytes => Some(bytes.map_err(JournalError::of("read", &path))?),
        };
        let entries = match text {
            None => Vec::new(),
            Some(bytes) => match parse(&bytes) {
                Some(entries) => entries,
                None => {
                    let kept =
                        (1_u32..).map(|n| folder.join(format!("{NAME}.corrupt-{n}"))).find(|kept| !kept.exists());
                    let kept = kept.unwrap_or_else(|| path.with_extension("corrupt"));
                    fs::rename(&path, &kept).map_err(JournalError::of("set aside", &path))?;
                    tracing::error!(kept = %kept.display(), "the delivery cursors are damaged; rows are delivered again");
                    Vec::new()
                }
            },
        };
        Ok(Self { folder: folder.to_owned(), entries })
    }

    /// All entries, the current store's last.
    #[must_use]
    pub fn entries(&self) -> &[Cursor] {
        &self.entries
    }

    /// The largest number that any cursor has passed; new rows must not get a smaller one.
    #[must_use]
    pub fn floor(&self) -> u64 {
        self.entries.iter().flat_map(|entry| entry.delivered.iter().copied()).max().unwrap_or(0)
    }

    /// The entry of the store that is told by `contact`, made where there is none; it is the current one then. A first
    /// store gets every row there is; a later one gets what comes from `now` on, and the former ones get nothing more.
    /// One that was in use before still gets its own rows of that time, and none of those in between.
    pub fn enter(&mut self, contact: &str, shares: usize, now: u64) -> Cursor {
        if let Some(at) = self.entries.iter().rposition(|entry| entry.contact == contact) {
            let mut entry = self.entries.remove(at);
            self.end_all(now);
            if entry.delivered.len() != shares {
                let from = entry.delivered.iter().copied().min().unwrap_or(0);
                entry.delivered = vec![from; shares];
            }
            if let Some(until) = entry.until.take().filter(|until| *until < now) {
                entry.holes.push(until..now);
            }
            entry.tidy();
            self.entries.push(entry.clone());
            return entry;
        }
        let from = if self.entries.is_empty() { 1 } else { now };
        self.end_all(now);
        let entry = Cursor {
            contact: contact.to_owned(),
            store: None,
            delivered: vec![from; shares],
            until: None,
            holes: Vec::new(),
        };
        self.entries.push(entry.clone());
        entry
    }

    /// A store that nothing was brought to under this contact turns out to be one that is known under another: the
    /// entry takes over what that one waits for. Gives the other contact.
    pub fn adopt(&mut self, contact: &str, store: &str) -> Option<String> {
        let is_own = |entry: &Cursor| entry.contact == contact && entry.store.is_none();
        let own = self.entries.iter().position(is_own)?;
        let known = |entry: &Cursor| entry.contact != contact && entry.store.as_deref() == Some(store);
        let former = self.entries.iter().rposition(known)?;
        let former = self.entries[former].clone();
        let own = &mut self.entries[own];
        let began = own.delivered.iter().copied().min().unwrap_or(0);
        let between = former.until.unwrap_or(began)..began;
        own.holes = [former.holes, vec![between], std::mem::take(&mut own.holes)].concat();
        own.holes.retain(|hole| !hole.is_empty());
        own.delivered = former.delivered;
        own.store = Some(store.to_owned());
        own.tidy();
        self.entries.retain(|entry| entry.contact != former.contact);
        Some(former.contact)
    }

    /// The entry of this contact.
    #[must_use]
    pub fn entry(&self, contact: &str) -> Option<&Cursor> {
        self.entries.iter().find(|entry| entry.contact == contact)
    }

    /// Notes how far a store is. What was noted beyond that stays: whoever notes may have looked before a switch, and holes
    /// that lie behind are forgotten, so that a step back would give the store rows of others.
    pub fn note(&mut self, contact: &str, store: Option<&str>, delivered: &[u64]) {
        if let Some(entry) = self.entries.iter_mut().find(|entry| entry.contact == contact) {
            entry.delivered.resize(delivered.len(), 0);
            for (known, number) in entry.delivered.iter_mut().zip(delivered) {
                *known = (*known).max(*number);
            }
            if let Some(store) = store {
                entry.store = Some(store.to_owned());
            }
            entry.tidy();
        }
    }

    fn end_all(&mut self, now: u64) {
        for entry in &mut self.entries {
            entry.until.get_or_insert(now);
        }
    }

    /// Whether any store still waits for one of these rows. A former store waits for its own rows, not for what came
    /// after it.
    #[must_use]
    pub fn is_waited_for(&self, rows: Range<u64>) -> bool {
        let waits = |entry: &Cursor| {
            let until = entry.until.unwrap_or(u64::MAX);
            let is_other = entry.holes.iter().any(|hole| hole.start <= rows.start && rows.end <= hole.end);
            entry.waits_for().is_some_and(|first| first < rows.end && rows.start < until) && !is_other
        };
        !rows.is_empty() && self.entries.iter().any(waits)
    }

    /// Replaces the entry of the same contact, or adds it, and makes all of them durable.
    ///
    /// # Errors
    /// The file cannot be written; the old one stays.
    pub fn save(&mut self, current: Cursor) -> Result<(), JournalError> {
        match self.entries.iter_mut().find(|entry| entry.contact == current.contact) {
            Some(entry) => *entry = current,
            None => self.entries.push(current),
        }
        self.write()
    }

    /// Makes the entries durable: a new file, synced, then renamed.
    ///
    /// # Errors
    /// The file cannot be written; the old one stays.
    pub fn write(&self) -> Result<(), JournalError> {
        let path = self.folder.join(NAME);
        let temporary = self.folder.join("cursors.part");
        let write = || {
            let line = serde_json::to_string(&self.entries)?;
            let text = format!("{line}\n{:08x}\n", crc32c::crc32c(line.as_bytes()));
            replace_file(&path, &temporary, text.as_bytes())
        };
        write().map_err(JournalError::of("write", &path))
    }
}

/// Writes a file anew: another one, synced, then renamed. Half a one would take room that is needed: it goes again.
pub(crate) fn replace_file(path: &Path, temporary: &Path, bytes: &[u8]) -> io::Result<()> {
    let write = || {
        let mut file = File::create(temporary)?;
        file.write_all(bytes)?;
        file.sync_all()
    };
    write().and_then(|()| fs::rename(temporary, path)).inspect_err(|_| drop(fs::remove_file(temporary)))?;
    #[cfg(unix)]
    if let Some(folder) = path.parent() {
        File::open(folder)?.sync_all()?;
    }
    Ok(())
}

fn parse(bytes: &[u8]) -> Option<Vec<Cursor>> {
    let text = std::str::from_utf8(bytes).ok()?;
    let (line, rest) = text.split_once('\n')?;
    let crc = u32::from_str_radix(rest.trim_end(), 16).ok()?;
    (crc == crc32c::crc32c(line.as_bytes())).then(|| serde_json::from_str(line).ok())?
}
