//! The data folder belongs to one process at a time.

use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::path::{Path, PathBuf};

use thiserror::Error;

/// Why the data folder cannot be held.
#[derive(Debug, Error)]
pub enum HoldError {
    /// Another process holds it.
    #[error("the data folder {} is held by {}; stop that one first, or give another --data-dir", folder.display(), holder(*pid))]
    Held {
        /// The folder.
        folder: PathBuf,
        /// The other process, where it said.
        pid: Option<u32>,
    },
    /// The folder or its lock file cannot be made or opened.
    #[error("cannot use the data folder {}: {source}; check its owner and permissions", folder.display())]
    Io {
        /// The folder.
        folder: PathBuf,
        /// What the system says.
        source: io::Error,
    },
}

fn holder(pid: Option<u32>) -> String {
    pid.map_or_else(|| "another process".to_owned(), |pid| format!("process {pid}"))
}

/// A data folder that this process holds, until it is dropped.
#[derive(Debug)]
pub struct DataFolder {
    path: PathBuf,
    /// Open for as long as the lock is held.
    _lock: File,
}

impl DataFolder {
    /// Holds a folder: makes it (for its owner alone) where it is missing, and locks `lock` in it. The lock file
    /// names this process; the system lifts the lock when the process ends, however it ends.
    ///
    /// # Errors
    /// Another process holds it, or the file system does not let us.
    pub fn hold(path: &Path) -> Result<Self, HoldError> {
        let fault = |source| HoldError::Io { folder: path.to_owned(), source };
        make_private(path).map_err(fault)?;
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut lock = options.open(path.join("lock")).map_err(fault)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(HoldError::Held { folder: path.to_owned(), pid: read_pid(&mut lock) });
            }
            Err(TryLockError::Error(source)) => return Err(fault(source)),
        }
        if let Err(error) = write_pid(&mut lock) {
            // A full disk: the lock holds all the same.
            tracing::warn!(%error, "the lock file cannot name this process");
        }
        Ok(Self { path: path.to_owned(), _lock: lock })
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }
}

fn make_private(path: &Path) -> io::Result<()> {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path)
}

fn read_pid(lock: &mut File) -> Option<u32> {
    let mut text = String::new();
    lock.take(16).read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}

fn write_pid(lock: &mut File) -> io::Result<()> {
    lock.set_len(0)?;
    lock.rewind()?;
    writeln!(lock, "{}", std::process::id())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_held_once_and_says_by_whom() {
        let dir = tempfile::tempdir().expect("folder");
        let path = dir.path().join("deep/data");
        let held = DataFolder::hold(&path).expect("held");
        assert_eq!(held.path(), path);
        match DataFolder::hold(&path) {
            Err(error @ HoldError::Held { .. }) => {
                assert!(error.to_string().contains(&format!("process {}", std::process::id())), "{error}");
            }
            other => panic!("held twice: {other:?}"),
        }
        drop(held);
        DataFolder::hold(&path).expect("free again");
    }

    #[cfg(unix)]
    #[test]
    fn is_for_its_owner_alone() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().expect("folder");
        let path = dir.path().join("data");
        let _held = DataFolder::hold(&path).expect("held");
        let mode = |path: &Path| std::fs::metadata(path).expect("there").permissions().mode() & 0o777;
        assert_eq!(mode(&path), 0o700);
        assert_eq!(mode(&path.join("lock")), 0o600);
    }

    #[test]
    fn a_file_in_its_place_is_a_fault_that_names_it() {
        let dir = tempfile::tempdir().expect("folder");
        let path = dir.path().join("file");
        std::fs::write(&path, "x").expect("written");
        let error = DataFolder::hold(&path).expect_err("no folder");
        assert!(matches!(error, HoldError::Io { .. }));
        assert!(error.to_string().contains("file"));
    }
}
