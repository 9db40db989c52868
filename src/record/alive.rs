//! The last sign of life: a tiny file that says until when this run was alive.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::model::UnixMicros;

/// How often the file is written.
const BEAT_US: u64 = 5_000_000;

/// What the file says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Alive {
    /// A number that each run draws anew.
    pub run: Uuid,
    /// The wall clock when it was written.
    pub at: UnixMicros,
    /// The process.
    pub pid: u32,
}

/// Writes `alive` in the data folder again and again.
#[derive(Debug)]
pub struct AliveFile {
    path: PathBuf,
    run: Uuid,
    written: Option<UnixMicros>,
}

impl AliveFile {
    /// The file of a data folder, for the run with this number.
    #[must_use]
    pub fn new(data_dir: &Path, run: Uuid) -> Self {
        Self { path: data_dir.join("alive"), run, written: None }
    }

    /// What an earlier run wrote; none where it wrote nothing or nothing legible.
    #[must_use]
    pub fn read(data_dir: &Path) -> Option<Alive> {
        serde_json::from_slice(&fs::read(data_dir.join("alive")).ok()?).ok()
    }

    /// Writes the file when it is 5 s old, or when the clock was set. Not fsynced: after a power cut an older stamp is
    /// as true, and a gap a little longer.
    ///
    /// # Errors
    /// The file system does not let us.
    pub fn beat(&mut self, now: UnixMicros) -> io::Result<()> {
        if self.written.is_some_and(|written| now >= written && now.since_us(written) < BEAT_US) {
            return Ok(());
        }
        self.write(now)
    }

    /// Writes the file now, as at the end of a run.
    ///
    /// # Errors
    /// The file system does not let us.
    pub fn write(&mut self, now: UnixMicros) -> io::Result<()> {
        let alive = Alive { run: self.run, at: now, pid: std::process::id() };
        let temporary = self.path.with_extension("tmp");
        fs::write(&temporary, serde_json::to_vec(&alive)?)?;
        fs::rename(&temporary, &self.path)?;
        self.written = Some(now);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_written_each_five_seconds_and_reads_back() {
        let dir = tempfile::tempdir().expect("folder");
        assert_eq!(AliveFile::read(dir.path()), None);
        let run = Uuid::from_u128(7);
        let mut file = AliveFile::new(dir.path(), run);
        let start = UnixMicros::new(1_700_000_000_000_000);
        let read = || AliveFile::read(dir.path()).expect("there");
        file.beat(start).expect("written");
        assert_eq!(read(), Alive { run, at: start, pid: std::process::id() });
        file.beat(start.plus_us(BEAT_US - 1)).expect("nothing to do");
        assert_eq!(read().at, start);
        file.beat(start.plus_us(BEAT_US)).expect("written");
        assert_eq!(read().at, start.plus_us(BEAT_US));
        file.beat(start).expect("written: the clock was set back");
        assert_eq!(read().at, start);
    }

    #[test]
    fn nonsense_is_no_sign_of_life() {
        let dir = tempfile::tempdir().expect("folder");
        fs::write(dir.path().join("alive"), [0, 255, 1]).expect("written");
        assert_eq!(AliveFile::read(dir.path()), None);
    }
}
