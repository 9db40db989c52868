//! What the keychains of all systems have in common: whose secrets they are, and how long a call may take.

use std::time::Duration;

use super::courier::Courier;
use super::{Place, VaultError};

/// Whose secrets these are, in every keychain.
pub(super) const OWNER: &str = "hallmonitor";

/// A name that no secret has: for looking.
pub(super) const LOOK: &str = "looking at it";

/// How long an answer may take where nobody has to be asked.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long one may take where a person may have to type a password, or to allow it, first.
const PATIENCE_WITH_A_PERSON: Duration = Duration::from_secs(60);

/// Brings calls to a keychain that may hang.
#[derive(Debug)]
pub(super) struct Caller(Courier);

impl Default for Caller {
    fn default() -> Self {
        Self(Courier::new(Place::Service))
    }
}

impl Caller {
    pub(super) fn call<T: Send + 'static>(
        &self,
        may_ask: bool,
        work: impl FnOnce() -> Result<T, VaultError> + Send + 'static,
    ) -> Result<T, VaultError> {
        self.0.call(if may_ask { PATIENCE_WITH_A_PERSON } else { PATIENCE }, work)
    }
}

/// What holds no text is of no use.
pub(super) fn no_text() -> VaultError {
    VaultError::Unavailable { place: Place::Service, why: "what it holds is no text".to_owned() }
}
