//! Why a store did not do what was asked.

use std::error::Error;

use thiserror::Error;

use super::BackendId;

/// What kind of fault it is; decides whether trying again helps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum StoreErrorKind {
    /// Not reachable now, or closed.
    Unavailable,
    /// Refused us.
    Unauthorized,
    /// A setting is wrong.
    Misconfigured,
    /// Written by another version.
    Incompatible,
    /// What is there cannot be read.
    Corrupt,
    /// No space left.
    Full,
    /// This backend does not do that.
    Unsupported,
    /// A fault in Hall Monitor.
    Internal,
}

impl StoreErrorKind {
    /// The name in JSON.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unavailable => "unavailable",
            Self::Unauthorized => "unauthorized",
            Self::Misconfigured => "misconfigured",
            Self::Incompatible => "incompatible",
            Self::Corrupt => "corrupt",
            Self::Full => "full",
            Self::Unsupported => "unsupported",
            Self::Internal => "internal",
        }
    }
}

/// A fault of a store: what, where, and in which operation.
#[derive(Debug, Error)]
#[error("{backend} storage: {operation}: {what}")]
pub struct StoreError {
    /// What kind of fault.
    pub kind: StoreErrorKind,
    /// Which backend.
    pub backend: BackendId,
    /// What was being done.
    pub operation: &'static str,
    /// What happened, and the next step where there is one.
    pub what: String,
    /// What somebody can do about it on the server, as one line to be copied, where there is such a thing.
    pub command: Option<String>,
    /// What is behind it.
    #[source]
    pub source: Option<Box<dyn Error + Send + Sync>>,
}

impl StoreError {
    /// A fault without a source.
    pub fn new(kind: StoreErrorKind, backend: BackendId, operation: &'static str, what: impl Into<String>) -> Self {
        Self { kind, backend, operation, what: what.into(), command: None, source: None }
    }

    /// The same with what is behind it.
    #[must_use]
    pub fn caused_by(mut self, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// The same with what to do about it on the server.
    #[must_use]
    pub fn helped_by(mut self, command: impl Into<String>) -> Self {
        self.command = Some(command.into());
        self
    }

    /// Whether the same call may succeed later without anybody doing anything.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        matches!(self.kind, StoreErrorKind::Unavailable | StoreErrorKind::Full)
    }
}
