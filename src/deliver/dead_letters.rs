//! Rows that a backend refuses for good: kept with the reason in `dead-letters.jsonl`, one JSON object a line.

use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::model::{Row, UnixMicros};

/// One refused row.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeadLetter {
    /// When it was refused.
    pub at: UnixMicros,
    /// By which backend.
    pub backend: String,
    /// Why, in the backend's words.
    pub reason: String,
    /// The row.
    pub row: Row,
}

/// The file.
#[derive(Debug)]
pub(super) struct DeadLetters {
    path: PathBuf,
    count: u64,
}

impl DeadLetters {
    /// Opens the file of a data folder and counts what is there.
    pub(super) fn open(data_dir: &Path) -> Self {
        let path = data_dir.join("dead-letters.jsonl");
        let count = match File::open(&path) {
            Ok(file) => BufReader::new(file).split(b'\n').map_while(Result::ok).count() as u64,
            Err(_) => 0,
        };
        Self { path, count }
    }

    /// Letters there are.
    pub(super) fn count(&self) -> u64 {
        self.count
    }

    /// Adds letters, durable on `Ok`.
    pub(super) fn add(&mut self, letters: &[DeadLetter]) -> io::Result<()> {
        let mut text = Vec::new();
        for letter in letters {
            serde_json::to_writer(&mut text, letter)?;
            text.push(b'\n');
        }
        let mut file = OpenOptions::new().create(true).append(true).open(&self.path)?;
        let before = file.metadata()?.len();
        if let Err(error) = file.write_all(&text).and_then(|()| file.sync_data()) {
            // Half a line would spoil the next one; a second fault here changes nothing.
            let _ = file.set_len(before);
            return Err(error);
        }
        self.count += letters.len() as u64;
        Ok(())
    }
}
