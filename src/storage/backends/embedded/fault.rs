//! What went wrong in the file, in the words of the storage seam.

use std::io;

use native_db::db_type::Error as DbError;

use super::frame::FrameError;
use super::sealed::SealedError;
use crate::storage::{BackendId, StoreError, StoreErrorKind};

/// The word in the file.
pub(super) const ID: BackendId = "embedded";

/// A fault of the file, before it is known what was being done.
#[derive(Debug)]
pub(super) struct Fault {
    pub(super) kind: StoreErrorKind,
    pub(super) what: String,
    /// Whether the file must be opened again before it works.
    pub(super) reopen: bool,
}

pub(super) type Outcome<T> = Result<T, Fault>;

impl Fault {
    pub(super) fn new(kind: StoreErrorKind, what: impl Into<String>) -> Self {
        Self { kind, what: what.into(), reopen: false }
    }

    pub(super) fn closed() -> Self {
        Self::new(StoreErrorKind::Unavailable, "the store is closed")
    }

    fn broken(kind: StoreErrorKind, what: impl Into<String>) -> Self {
        Self { kind, what: what.into(), reopen: true }
    }

    /// A panic of the engine.
    pub(super) fn panicked(panic: &(dyn std::any::Any + Send)) -> Self {
        let text = panic.downcast_ref::<String>().map(String::as_str);
        let text = text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("no text");
        Self::broken(StoreErrorKind::Corrupt, format!("the engine stopped over the file: {text}"))
    }

    pub(super) fn during(self, operation: &'static str) -> StoreError {
        StoreError::new(self.kind, ID, operation, self.what)
    }
}

impl From<io::Error> for Fault {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge => {
                Self::broken(StoreErrorKind::Full, format!("no space is left; make room on the disk: {error}"))
            }
            io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof => {
                Self::broken(StoreErrorKind::Corrupt, "the file is damaged, cut off, or no database at all")
            }
            io::ErrorKind::PermissionDenied => {
                Self::broken(StoreErrorKind::Unauthorized, format!("the file may not be used: {error}"))
            }
            _ => Self::broken(StoreErrorKind::Unavailable, format!("the file cannot be read or written: {error}")),
        }
    }
}

impl From<redb::Error> for Fault {
    fn from(error: redb::Error) -> Self {
        match error {
            redb::Error::Io(error) => error.into(),
            redb::Error::PreviousIo => {
                Self::broken(StoreErrorKind::Unavailable, "the file failed before and is opened again")
            }
            redb::Error::DatabaseAlreadyOpen => Self::new(
                StoreErrorKind::Unavailable,
                "the file is held by another process; stop the other Hall Monitor or name another folder",
            ),
            redb::Error::UpgradeRequired(version) => Self::new(
                StoreErrorKind::Incompatible,
                format!("the file has engine format {version}, which this version does not read"),
            ),
            redb::Error::Corrupted(what) => {
                Self::broken(StoreErrorKind::Corrupt, format!("the file is damaged: {what}"))
            }
            other => Self::broken(StoreErrorKind::Internal, format!("the engine refused: {other}")),
        }
    }
}

impl From<DbError> for Fault {
    fn from(error: DbError) -> Self {
        match error {
            DbError::Redb(error) => error.into(),
            DbError::RedbDatabaseError(error) => redb::Error::from(error).into(),
            DbError::RedbTransactionError(error) => redb::Error::from(error).into(),
            DbError::RedbStorageError(error) => redb::Error::from(error).into(),
            DbError::RedbTableError(error) => redb::Error::from(error).into(),
            DbError::RedbCommitError(error) => redb::Error::from(error).into(),
            DbError::Io(error) => error.into(),
            DbError::ModelError(error) => {
                Self::new(StoreErrorKind::Corrupt, format!("a record cannot be read: {error}"))
            }
            other => Self::new(StoreErrorKind::Internal, format!("the engine refused: {other}")),
        }
    }
}

impl From<SealedError> for Fault {
    fn from(error: SealedError) -> Self {
        if error.damage().is_some() {
            return Self::new(StoreErrorKind::Corrupt, format!("a sealed file: {error}"));
        }
        match error {
            // It says nothing about the live file.
            SealedError::Io(error) => Self { reopen: false, ..error.into() },
            other => Self::new(StoreErrorKind::Incompatible, format!("a sealed file: {other}")),
        }
    }
}

impl From<FrameError> for Fault {
    fn from(error: FrameError) -> Self {
        let kind = match error {
            FrameError::Format(_) => StoreErrorKind::Incompatible,
            FrameError::Damaged(_) => StoreErrorKind::Corrupt,
        };
        Self::new(kind, format!("a record cannot be used: {error}"))
    }
}
