//! Which store got what was produced when: `storage-ledger.json` in the data folder, one line of JSON and the CRC32C of
//! it in hexadecimal. Where rows go is told by the cursors; the ledger tells readers where to look for a time.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::journal::replace_file;
use crate::model::{Span, UnixMicros};

const NAME: &str = "storage-ledger.json";

/// A store and its time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LedgerEntry {
    /// The backend's word.
    pub backend: String,
    /// Which store: its id, or its contact before it was ever reached.
    pub fingerprint: String,
    /// Backend and address, never a user or a password.
    pub contact: String,
    /// From when on.
    pub from: UnixMicros,
    /// Until when; none for the one in use.
    pub to: Option<UnixMicros>,
}

impl LedgerEntry {
    /// Whether it has some of this time.
    #[must_use]
    pub fn touches(&self, span: Span) -> bool {
        span.touches(Span::new(self.from, self.to.unwrap_or(UnixMicros::MAX)))
    }
}

/// The entries of a data folder, oldest first.
#[derive(Debug)]
pub(super) struct Ledger {
    path: PathBuf,
    entries: Vec<LedgerEntry>,
    /// What is known is not on the disk yet.
    unsaved: bool,
}

impl Ledger {
    /// Reads the ledger; where there is none it begins with `earlier`. A damaged file is set aside under a new name.
    pub(super) fn open(data_dir: &Path, earlier: &[LedgerEntry]) -> Self {
        let path = data_dir.join(NAME);
        let (entries, unsaved) = match fs::read(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => (earlier.to_vec(), true),
            Err(error) => {
                tracing::warn!(%error, path = %path.display(), "the storage ledger cannot be read");
                (earlier.to_vec(), false)
            }
            Ok(bytes) => match parse(&bytes) {
                Some(entries) => (entries, false),
                None => {
                    set_aside(&path);
                    (earlier.to_vec(), true)
                }
            },
        };
        Self { path, entries, unsaved }
    }

    pub(super) fn entries(&self) -> &[LedgerEntry] {
        &self.entries
    }

    /// When a store began to be used without an end in between; none for the first one ever, which has all there is.
    pub(super) fn began(&self, contact: &str) -> Option<UnixMicros> {
        let own = self.entries.iter().rposition(|entry| entry.contact == contact && entry.to.is_none())?;
        (own > 0).then(|| self.entries[own].from)
    }

    /// From now on this store is used.
    pub(super) fn switch(&mut self, backend: &str, contact: &str, now: UnixMicros) {
        if self.entries.last().is_some_and(|last| last.contact == contact && last.to.is_none()) {
            return;
        }
        for entry in self.entries.iter_mut().filter(|entry| entry.to.is_none()) {
            entry.to = Some(now.max(entry.from));
        }
        let known = self.entries.iter().rev().find(|entry| entry.contact == contact);
        let fingerprint = known.map_or_else(|| contact.to_owned(), |known| known.fingerprint.clone());
        let (backend, contact) = (backend.to_owned(), contact.to_owned());
        self.entries.push(LedgerEntry { backend, fingerprint, contact, from: now, to: None });
        self.unsaved = true;
    }

    /// The store of this contact was reached and says who it is.
    pub(super) fn met(&mut self, contact: &str, id: &str, now: UnixMicros) {
        let Some(last) = self.entries.iter().rposition(|entry| entry.contact == contact) else { return };
        let known = self.entries[last].fingerprint.clone();
        if known == id {
            return;
        }
        self.unsaved = true;
        if known == contact {
            let of_contact = self.entries.iter_mut().filter(|e| e.contact == contact && e.fingerprint == contact);
            of_contact.for_each(|entry| id.clone_into(&mut entry.fingerprint));
        } else if self.entries[last].to.is_none() {
            // Another store stands at the same address.
            self.entries[last].to = Some(now);
            let next = LedgerEntry { fingerprint: id.to_owned(), from: now, to: None, ..self.entries[last].clone() };
            self.entries.push(next);
        }
        // The same store under another address: its time has no break.
        if let [.., before, current] = &mut self.entries[..]
            && before.fingerprint == current.fingerprint
            && before.to.is_some_and(|to| to >= current.from)
        {
            current.from = before.from;
            self.entries.remove(self.entries.len() - 2);
        }
    }

    /// Makes what is not on the disk yet durable: a new file, synced, then renamed. A fault is told and the next call
    /// tries again: readers find what is in use all the same.
    pub(super) fn save(&mut self) {
        if !self.unsaved {
            return;
        }
        match self.write() {
            Ok(()) => self.unsaved = false,
            Err(error) => {
                tracing::warn!(%error, path = %self.path.display(), "the storage ledger cannot be written yet")
            }
        }
    }

    fn write(&self) -> io::Result<()> {
        let line = serde_json::to_string(&self.entries)?;
        let temporary = self.path.with_extension("part");
        let text = format!("{line}\n{:08x}\n", crc32c::crc32c(line.as_bytes()));
        replace_file(&self.path, &temporary, text.as_bytes())
    }
}

/// Reads the ledger of a data folder, oldest first; nothing where there is none that can be read.
#[must_use]
pub fn read_ledger(data_dir: &Path) -> Vec<LedgerEntry> {
    fs::read(data_dir.join(NAME)).ok().and_then(|bytes| parse(&bytes)).unwrap_or_default()
}

fn parse(bytes: &[u8]) -> Option<Vec<LedgerEntry>> {
    let text = std::str::from_utf8(bytes).ok()?;
    let (line, rest) = text.split_once('\n')?;
    let crc = u32::from_str_radix(rest.trim_end(), 16).ok()?;
    (crc == crc32c::crc32c(line.as_bytes())).then(|| serde_json::from_str(line).ok())?
}

fn set_aside(path: &Path) {
    let kept = |n: u32| path.with_file_name(format!("{NAME}.corrupt-{n}"));
    let kept = (1..1_000).map(kept).find(|kept| !kept.exists()).unwrap_or_else(|| path.with_extension("corrupt"));
    match fs::rename(path, &kept) {
        Ok(()) => tracing::error!(kept = %kept.display(), "the storage ledger is damaged; it is begun anew"),
        Err(error) => tracing::error!(%error, path = %path.display(), "the storage ledger is damaged"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> UnixMicros {
        UnixMicros::new(1_700_000_000_000_000).plus_us(seconds * 1_000_000)
    }

    fn told(ledger: &Ledger) -> Vec<(&str, UnixMicros, Option<UnixMicros>)> {
        ledger.entries().iter().map(|e| (e.fingerprint.as_str(), e.from, e.to)).collect()
    }

    #[test]
    fn a_store_is_told_by_its_contact_then_by_its_id() {
        let dir = tempfile::tempdir().expect("folder");
        let mut ledger = Ledger::open(dir.path(), &[]);
        ledger.switch("embedded", "embedded", at(0));
        ledger.met("embedded", "id-1", at(1));
        ledger.switch("postgres", "postgres:a", at(10));
        ledger.switch("postgres", "postgres:a", at(11));
        assert_eq!(told(&ledger), [("id-1", at(0), Some(at(10))), ("postgres:a", at(10), None)]);
        assert_eq!((ledger.began("embedded"), ledger.began("postgres:a")), (None, Some(at(10))));
        ledger.met("postgres:a", "id-2", at(12));
        // The same store under another address, then another store at the same address.
        ledger.switch("postgres", "postgres:b", at(20));
        ledger.met("postgres:b", "id-2", at(21));
        assert_eq!(told(&ledger), [("id-1", at(0), Some(at(10))), ("id-2", at(10), None)]);
        ledger.met("postgres:b", "id-3", at(30));
        assert_eq!(told(&ledger)[1..], [("id-2", at(10), Some(at(30))), ("id-3", at(30), None)]);
        ledger.switch("embedded", "embedded", at(40));
        assert_eq!(told(&ledger)[3], ("id-1", at(40), None), "known again");
        ledger.save();
        assert_eq!(read_ledger(dir.path()), ledger.entries());
        assert_eq!(Ledger::open(dir.path(), &[]).entries(), ledger.entries());
    }

    #[test]
    fn a_damaged_ledger_is_kept_and_begun_anew() {
        let dir = tempfile::tempdir().expect("folder");
        fs::write(dir.path().join(NAME), "[]\n00000000\n").expect("writes");
        let mut ledger = Ledger::open(dir.path(), &[]);
        ledger.switch("none", "none", at(0));
        ledger.save();
        assert_eq!(read_ledger(dir.path()).len(), 1);
        assert!(dir.path().join("storage-ledger.json.corrupt-1").exists());
    }
}
