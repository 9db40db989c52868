//! How far rows have been delivered, one entry for each store that ever was. The file `cursors.json` has two lines:
//! the entries, and the CRC32C of the first line in hexadecimal.

use std::fs::{self, File};
use std::io::{self, Write};
use std::ops::Range;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::error::JournalError;
use super::salvage::sync_folder;

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
}

impl Cursor {
    /// The first row that the store still waits for; none when it has all of its rows.
    #[must_use]
    pub fn waits_for(&self) -> Option<u64> {
        let first = self.delivered.iter().copied().min().unwrap_or(0);
        self.until.is_none_or(|until| first < until).then_some(first)
    }
}

/// All cursors of a journal.
#[derive(Debug)]
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

    /// The entry of the store that is told by `contact`, made where there is none. A first store gets every row
    /// there is; a later one gets what comes from `now` on, and the former ones get nothing more.
    pub fn enter(&mut self, contact: &str, shares: usize, now: u64) -> Cursor {
        if let Some(at) = self.entries.iter().rposition(|entry| entry.contact == contact) {
            let mut entry = self.entries.remove(at);
            self.end_all(now);
            if entry.until.take().is_some() || entry.delivered.len() != shares {
                let from = entry.delivered.iter().copied().min().unwrap_or(0);
                entry.delivered = vec![from; shares];
            }
            self.entries.push(entry.clone());
            return entry;
        }
        let from = if self.entries.is_empty() { 1 } else { now };
        self.end_all(now);
        let entry = Cursor { contact: contact.to_owned(), store: None, delivered: vec![from; shares], until: None };
        self.entries.push(entry.clone());
        entry
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
            entry.waits_for().is_some_and(|first| first < rows.end && rows.start < until)
        };
        !rows.is_empty() && self.entries.iter().any(waits)
    }

    /// Replaces the current store's entry and makes it durable: a new file, synced, then renamed.
    ///
    /// # Errors
    /// The file cannot be written; the old one stays.
    pub fn save(&mut self, current: Cursor) -> Result<(), JournalError> {
        match self.entries.last_mut() {
            Some(last) => *last = current,
            None => self.entries.push(current),
        }
        let path = self.folder.join(NAME);
        let temporary = self.folder.join("cursors.part");
        let write = || {
            let line = serde_json::to_string(&self.entries)?;
            let mut file = File::create(&temporary)?;
            file.write_all(format!("{line}\n{:08x}\n", crc32c::crc32c(line.as_bytes())).as_bytes())?;
            file.sync_all()?;
            fs::rename(&temporary, &path)
        };
        write().map_err(JournalError::of("write", &path))?;
        sync_folder(&self.folder)
    }
}

fn parse(bytes: &[u8]) -> Option<Vec<Cursor>> {
    let text = std::str::from_utf8(bytes).ok()?;
    let (line, rest) = text.split_once('\n')?;
    let crc = u32::from_str_radix(rest.trim_end(), 16).ok()?;
    (crc == crc32c::crc32c(line.as_bytes())).then(|| serde_json::from_str(line).ok())?
}
