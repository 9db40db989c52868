//! Why the journal could not be read or written.

use std::io;
use std::path::PathBuf;

use thiserror::Error;

/// A fault of the journal: what was being done, with which file.
#[derive(Debug, Error)]
#[error("journal: cannot {action} {}: {source}{}", path.display(), next_step(source))]
pub struct JournalError {
    /// What was being done: `write`, `open`.
    pub action: &'static str,
    /// The file or folder.
    pub path: PathBuf,
    /// What the system said.
    #[source]
    pub source: io::Error,
}

impl JournalError {
    /// Turns what the system said about a file into a fault of the journal.
    pub(super) fn of(action: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self { action, path, source }
    }
}

fn next_step(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            "; free some space, writing then goes on by itself"
        }
        io::ErrorKind::PermissionDenied => "; give this user the right to write there",
        io::ErrorKind::ReadOnlyFilesystem => "; mount it for writing, writing then goes on by itself",
        _ => "",
    }
}
