//! Rows that a backend refuses for good: kept with the reason in `dead-letters.jsonl`, one JSON object a line. A letter
//! that is to be brought again is marked in the file, so that it is also when the program ends before that. Lines that
//! cannot be read are kept as they are and hide no others.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::journal::replace_file;
use crate::model::{Row, UnixMicros};

/// One refused row.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeadLetter {
    /// When it was refused.
    pub at: UnixMicros,
    /// By which backend.
    pub backend: String,
    /// By which store: backend and address. None in letters of earlier versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub contact: Option<String>,
    /// Why, in the backend's words.
    pub reason: String,
    /// The row.
    pub row: Row,
    /// Whether it is to be brought again.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub retry: bool,
}

impl DeadLetter {
    /// Tells it from others: the same for the same row, reason and time.
    #[must_use]
    pub fn id(&self) -> Uuid {
        let text = serde_json::to_vec(&(self.at, &self.backend, &self.reason, &self.row)).unwrap_or_default();
        Uuid::new_v5(&Uuid::NAMESPACE_OID, &text)
    }

    /// Whether it was refused by this store.
    fn is_of(&self, backend: &str, contact: &str) -> bool {
        self.contact.as_deref().map_or(self.backend == backend, |own| own == contact)
    }
}

/// Which letters.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Letters {
    /// All that can be read.
    All,
    /// Those whose ids begin so.
    Ids(Vec<String>),
}

impl Letters {
    fn have(&self, letter: &DeadLetter) -> bool {
        match self {
            Self::All => true,
            Self::Ids(ids) => {
                let id = letter.id().to_string();
                ids.iter().any(|wanted| !wanted.is_empty() && id.starts_with(&wanted.to_ascii_lowercase()))
            }
        }
    }
}

/// What became of a letter.
enum Fate {
    Stays,
    Changed,
    Goes,
}

/// The file.
#[derive(Debug)]
pub struct DeadLetters {
    path: PathBuf,
    /// Letters there are, and lines that cannot be read.
    count: u64,
    /// Those to be brought again.
    marked: u64,
}

impl DeadLetters {
    /// Opens the file of a data folder, which must be held, and counts what is there.
    #[must_use]
    pub fn open(data_dir: &Path) -> Self {
        let mut letters = Self { path: data_dir.join("dead-letters.jsonl"), count: 0, marked: 0 };
        letters.look();
        letters
    }

    /// Counts; what cannot be read now counts as nothing.
    fn look(&mut self) {
        let lines = self.lines().unwrap_or_default();
        let is_marked = |line: &&Vec<u8>| parse(line).is_some_and(|letter| letter.retry);
        self.count = lines.len() as u64;
        self.marked = lines.iter().filter(is_marked).count() as u64;
    }

    fn lines(&self) -> io::Result<Vec<Vec<u8>>> {
        let bytes = match fs::read(&self.path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            bytes => bytes?,
        };
        let lines = bytes.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
        Ok(lines.map(<[u8]>::to_vec).collect())
    }

    /// Letters there are, with those that cannot be read.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.count
    }

    /// The newest letters, and how many lines cannot be read.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn list(&self, most: usize) -> io::Result<(Vec<DeadLetter>, u64)> {
        let lines = self.lines()?;
        let mut letters: Vec<DeadLetter> = lines.iter().filter_map(|line| parse(line)).collect();
        let damaged = (lines.len() - letters.len()) as u64;
        letters.drain(..letters.len().saturating_sub(most));
        letters.reverse();
        Ok((letters, damaged))
    }

    /// Adds letters, durable on `Ok`.
    pub(super) fn add(&mut self, letters: &[DeadLetter]) -> io::Result<()> {
        let mut text = Vec::new();
        for letter in letters {
            serde_json::to_writer(&mut text, letter)?;
            text.push(b'\n');
        }
        let mut file = OpenOptions::new().create(true).read(true).append(true).open(&self.path)?;
        let before = file.metadata()?.len();
        if before > 0 && !ends_a_line(&mut file)? {
            // The program ended in the middle of a letter.
            text.insert(0, b'\n');
        }
        if let Err(error) = file.write_all(&text).and_then(|()| file.sync_data()) {
            // Half a line would spoil the next one; a second fault here changes nothing.
            let _ = file.set_len(before);
            return Err(error);
        }
        self.count += letters.len() as u64;
        Ok(())
    }

    /// Marks letters to be brought again, durably; gives how many they are.
    ///
    /// # Errors
    /// The file cannot be read or written; it is as it was.
    pub fn retry(&mut self, which: &Letters) -> io::Result<u64> {
        self.rewrite(|letter| {
            if !which.have(letter) {
                return Fate::Stays;
            }
            letter.retry = true;
            Fate::Changed
        })
    }

    /// Drops letters for good; gives how many they were.
    ///
    /// # Errors
    /// The file cannot be read or written; it is as it was.
    pub fn drop_letters(&mut self, which: &Letters) -> io::Result<u64> {
        self.rewrite(|letter| if which.have(letter) { Fate::Goes } else { Fate::Stays })
    }

    /// The marked letters of a store, at most `most`.
    pub(super) fn marked(&self, backend: &str, contact: &str, most: usize) -> io::Result<Vec<DeadLetter>> {
        if self.marked == 0 {
            return Ok(Vec::new());
        }
        let letters = self.lines()?.into_iter().filter_map(|line| parse(&line));
        Ok(letters.filter(|letter| letter.retry && letter.is_of(backend, contact)).take(most).collect())
    }

    /// These were brought again: taken, or refused anew and added as new letters.
    pub(super) fn brought(&mut self, letters: &[DeadLetter]) -> io::Result<u64> {
        let ids: std::collections::HashSet<Uuid> = letters.iter().map(DeadLetter::id).collect();
        self.rewrite(|letter| if letter.retry && ids.contains(&letter.id()) { Fate::Goes } else { Fate::Stays })
    }

    /// Writes the file anew: a new file, synced, then renamed. Gives how many letters changed or went.
    fn rewrite(&mut self, mut fate: impl FnMut(&mut DeadLetter) -> Fate) -> io::Result<u64> {
        let mut text = Vec::new();
        let mut concerned = 0;
        for line in self.lines()? {
            let fate = parse(&line).map(|mut letter| (fate(&mut letter), letter));
            match fate {
                None | Some((Fate::Stays, _)) => text.extend_from_slice(&line),
                Some((Fate::Goes, _)) => {
                    concerned += 1;
                    continue;
                }
                Some((Fate::Changed, letter)) => {
                    concerned += 1;
                    serde_json::to_writer(&mut text, &letter)?;
                }
            }
            text.push(b'\n');
        }
        if concerned > 0 {
            replace_file(&self.path, &self.path.with_extension("part"), &text)?;
        }
        self.look();
        Ok(concerned)
    }
}

fn ends_a_line(file: &mut File) -> io::Result<bool> {
    let mut last = [0];
    file.seek(SeekFrom::End(-1))?;
    file.read_exact(&mut last)?;
    Ok(last == *b"\n")
}

fn parse(line: &[u8]) -> Option<DeadLetter> {
    serde_json::from_slice(line).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::fixture::{at, result};

    fn letter(number: u64) -> DeadLetter {
        let reason = format!("reason {number}");
        let contact = Some("memory".to_owned());
        DeadLetter { at: at(number), backend: "memory".into(), contact, reason, row: result(1, number), retry: false }
    }

    #[test]
    fn damaged_lines_are_kept_and_hide_no_others() {
        let dir = tempfile::tempdir().expect("folder");
        let path = dir.path().join("dead-letters.jsonl");
        let mut letters = DeadLetters::open(dir.path());
        letters.add(&[letter(1)]).expect("adds");
        let torn = b"{\"at\":\"2023-11\xff\n{}\n";
        OpenOptions::new().append(true).open(&path).and_then(|mut f| f.write_all(torn)).expect("writes");
        letters.add(&[letter(2), letter(3)]).expect("adds");
        let mut letters = DeadLetters::open(dir.path());
        assert_eq!(letters.count(), 5);
        assert_eq!(letters.list(2).expect("reads"), (vec![letter(3), letter(2)], 2));
        let second = Letters::Ids(vec![letter(2).id().to_string()[..8].to_owned()]);
        assert_eq!(letters.retry(&second).expect("marks"), 1);
        let marked = DeadLetter { retry: true, ..letter(2) };
        assert_eq!(marked.id(), letter(2).id(), "a mark does not make another letter of it");
        assert_eq!(
            DeadLetters::open(dir.path()).marked("memory", "memory", 9).expect("reads"),
            std::slice::from_ref(&marked)
        );
        assert!(letters.marked("memory", "elsewhere", 9).expect("reads").is_empty());
        assert_eq!(letters.brought(&[marked]).expect("writes"), 1);
        assert_eq!(letters.drop_letters(&Letters::Ids(vec![String::new()])).expect("writes"), 0);
        assert_eq!(letters.drop_letters(&Letters::All).expect("writes"), 2);
        assert_eq!(fs::read(&path).expect("reads"), torn, "what cannot be read stays as it is");
        assert_eq!(letters.count(), 2);
    }

    #[test]
    fn a_letter_that_was_cut_off_spoils_no_other() {
        let dir = tempfile::tempdir().expect("folder");
        let mut letters = DeadLetters::open(dir.path());
        letters.add(&[letter(1), letter(2)]).expect("adds");
        let path = dir.path().join("dead-letters.jsonl");
        let bytes = fs::read(&path).expect("reads");
        fs::write(&path, &bytes[..bytes.len() - 20]).expect("cuts");
        let mut letters = DeadLetters::open(dir.path());
        letters.add(&[letter(3)]).expect("adds");
        letters.add(&[letter(4)]).expect("adds");
        assert_eq!(letters.list(9).expect("reads"), (vec![letter(4), letter(3), letter(1)], 1));
    }

    #[test]
    fn letters_of_earlier_versions_belong_to_their_backend() {
        let old = DeadLetter { contact: None, ..letter(1) };
        let line = serde_json::to_string(&old).expect("json");
        assert!(!line.contains("contact") && !line.contains("retry"));
        assert_eq!(parse(line.as_bytes()).expect("reads"), old);
        assert!(old.is_of("memory", "anywhere") && !old.is_of("other", "anywhere"));
    }
}
