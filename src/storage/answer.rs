//! Answers that are computed from plain rows, the same for every backend.

use super::{ReadRows, Series, SeriesQuery, StoreError, StoreErrorKind, Uptime, UptimeQuery};

/// See [`super::ResultStore::series`].
///
/// # Errors
/// Whatever the rows' reads give.
pub async fn series<R: ReadRows + ?Sized>(_rows: &R, _query: &SeriesQuery) -> Result<Series, StoreError> {
    Err(StoreError::new(StoreErrorKind::Unsupported, "none", "series", "not yet"))
}

/// See [`super::ResultStore::uptime`].
///
/// # Errors
/// Whatever the rows' reads give.
pub async fn uptime<R: ReadRows + ?Sized>(_rows: &R, _query: &UptimeQuery) -> Result<Vec<Uptime>, StoreError> {
    Err(StoreError::new(StoreErrorKind::Unsupported, "none", "uptime", "not yet"))
}
