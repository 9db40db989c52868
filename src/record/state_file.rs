//! The local state file: `state.hms` in the data folder.
//!
//! Format: the 8 bytes `HMSTATE\n`, CRC32C of all that follows (u32, little endian), version (u32, little endian), then
//! a [`LocalState`] in postcard's encoding. Later versions keep magic and checksum, so that a later file is told from a
//! damaged one. It is written to a temporary file, fsynced and renamed; the copy before it
//! stays as `state.hms.previous`. A file that cannot be read is set aside under a new name, and nothing is deleted.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use thiserror::Error;
use uuid::Uuid;

use super::identity::RememberedMonitor;
use super::restore::Recorded;
use crate::model::{InstanceId, UnixMicros};

const MAGIC: &[u8; 8] = b"HMSTATE\n";
const VERSION: u32 = 1;
/// Where what the checksum covers begins.
const CHECKED: usize = 12;
const HEADER: usize = 16;

/// This installation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Instance {
    /// Its id.
    pub id: InstanceId,
    /// Its name, for people.
    pub name: String,
}

/// Which store had the results of which time, as state files of before the ledger had a file of its own say it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LedgerEntry {
    /// Word of the backend.
    pub backend: String,
    /// Which store: its id, or its address before it was ever reached.
    pub fingerprint: String,
    /// From when on.
    pub from: UnixMicros,
    /// Until when; none for the one in use.
    pub to: Option<UnixMicros>,
}

/// Everything that must outlive the process and is not history.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct LocalState {
    /// This installation.
    pub instance: Instance,
    /// Monitors that were ever configured.
    pub remembered: Vec<RememberedMonitor>,
    /// Stores that were ever used, oldest first; of before the ledger had a file of its own.
    pub ledger: Vec<LedgerEntry>,
    /// States, incidents, pauses, gaps.
    pub recorded: Recorded,
}

impl LocalState {
    /// A new installation. The id comes from outside: chance is injected.
    #[must_use]
    pub fn new(id: Uuid, name: String) -> Self {
        Self {
            instance: Instance { id: InstanceId::new(id), name },
            remembered: Vec::new(),
            ledger: Vec::new(),
            recorded: Recorded::default(),
        }
    }
}

/// A file that could not be read and was kept under another name.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("the state file {} is damaged ({why}); it is kept as {}", file.display(), kept.display())]
pub struct SetAside {
    /// Where it was.
    pub file: PathBuf,
    /// Where it is now.
    pub kept: PathBuf,
    /// What is wrong with it.
    pub why: String,
}

/// What was found.
#[derive(Debug, Default)]
pub struct LoadedState {
    /// The newest legible state; none where there is none.
    pub state: Option<LocalState>,
    /// Files that were set aside.
    pub set_aside: Vec<SetAside>,
}

/// Why the state cannot be read or written.
#[derive(Debug, Error)]
pub enum StateError {
    /// The file system does not let us.
    #[error("cannot {doing} the state file {}: {source}; check the owner, the permissions and the free space", file.display())]
    Io {
        /// `read` or `write`.
        doing: &'static str,
        /// Which file.
        file: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// A later Hall Monitor wrote it.
    #[error("the state file {} has format {found}, this version knows {VERSION}; use a newer Hall Monitor", file.display())]
    Newer {
        /// Which file.
        file: PathBuf,
        /// Its format.
        found: u32,
    },
}

/// What is wrong with the bytes of a file.
enum Illegible {
    Damaged(String),
    Newer(u32),
}

/// The local state file of a data folder.
#[derive(Debug)]
pub struct StateFile {
    folder: PathBuf,
}

impl StateFile {
    /// The file in this data folder, which must be held.
    #[must_use]
    pub fn new(data_dir: &Path) -> Self {
        Self { folder: data_dir.to_owned() }
    }

    fn path(&self) -> PathBuf {
        self.folder.join("state.hms")
    }

    fn previous(&self) -> PathBuf {
        self.folder.join("state.hms.previous")
    }

    /// Reads the state, or the copy before it where the newest is damaged or missing.
    ///
    /// # Errors
    /// The file system does not let us, or a later Hall Monitor wrote the file.
    pub fn load(&self) -> Result<LoadedState, StateError> {
        let mut loaded = LoadedState::default();
        for file in [self.path(), self.previous()] {
            let bytes = match fs::read(&file) {
                Ok(bytes) => bytes,
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(source) => return Err(StateError::Io { doing: "read", file, source }),
            };
            match decode(&bytes) {
                Ok(state) => {
                    loaded.state = Some(state);
                    break;
                }
                Err(Illegible::Newer(found)) => return Err(StateError::Newer { file, found }),
                Err(Illegible::Damaged(why)) => {
                    let kept = set_aside(&file).map_err(|source| StateError::Io {
                        doing: "set aside",
                        file: file.clone(),
                        source,
                    })?;
                    loaded.set_aside.push(SetAside { file, kept, why });
                }
            }
        }
        Ok(loaded)
    }

    /// Writes the state so that at every moment a whole file is there. Blocks on the disk.
    ///
    /// # Errors
    /// The file system does not let us; the file that was there is there still.
    pub fn save(&self, state: &LocalState) -> Result<(), StateError> {
        let file = self.path();
        encode(state).and_then(|bytes| self.replace(&bytes)).map_err(|source| StateError::Io {
            doing: "write",
            file,
            source,
        })
    }

    fn replace(&self, bytes: &[u8]) -> io::Result<()> {
        let (path, temporary) = (self.path(), self.folder.join("state.hms.tmp"));
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut file = options.open(&temporary)?;
        if let Err(error) = file.write_all(bytes).and_then(|()| file.sync_all()) {
            // Half a file would take room that is needed.
            let _ = fs::remove_file(&temporary);
            return Err(error);
        }
        match fs::rename(&path, self.previous()) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => fs::rename(&temporary, &path)?,
        }
        #[cfg(unix)]
        File::open(&self.folder)?.sync_all()?;
        Ok(())
    }
}

/// Gives a damaged file a name that nobody has.
fn set_aside(file: &Path) -> io::Result<PathBuf> {
    let mut number = 1_u32;
    loop {
        let mut name = file.as_os_str().to_owned();
        name.push(format!(".corrupt-{number}"));
        let kept = PathBuf::from(name);
        if !kept.try_exists()? {
            fs::rename(file, &kept)?;
            return Ok(kept);
        }
        number += 1;
    }
}

fn encode(state: &LocalState) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::with_capacity(HEADER + 256 * state.recorded.monitors.len());
    bytes.extend_from_slice(MAGIC);
    bytes.extend_from_slice(&[0; 4]);
    bytes.extend_from_slice(&VERSION.to_le_bytes());
    let mut bytes = postcard::to_extend(state, bytes).map_err(io::Error::other)?;
    let crc = crc32c::crc32c(&bytes[CHECKED..]);
    bytes[MAGIC.len()..CHECKED].copy_from_slice(&crc.to_le_bytes());
    Ok(bytes)
}

fn decode(bytes: &[u8]) -> Result<LocalState, Illegible> {
    let damaged = |why: &str| Illegible::Damaged(why.to_owned());
    let (header, body) = bytes.split_at_checked(HEADER).ok_or_else(|| damaged("too short"))?;
    let number = |at: usize| u32::from_le_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]]);
    if !header.starts_with(MAGIC) {
        return Err(damaged("not a state file"));
    }
    if number(MAGIC.len()) != crc32c::crc32c(&bytes[CHECKED..]) {
        return Err(damaged("its checksum does not fit"));
    }
    let version = number(CHECKED);
    if version > VERSION {
        return Err(Illegible::Newer(version));
    }
    if version < VERSION {
        return Err(damaged("a format that never was"));
    }
    postcard::from_bytes(body).map_err(|error| Illegible::Damaged(error.to_string()))
}

#[cfg(test)]
#[path = "state_file_tests.rs"]
mod tests;
