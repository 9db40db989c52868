//! The keychain of macOS or Windows, by keyring. It unlocks itself, and asks by itself.

use std::time::Duration;

use keyring::{Entry, Error};

use super::chain::Link;
use super::courier::Courier;
use super::{ExposeSecret, Place, SecretString, VaultError};

/// Whose secrets these are.
const OWNER: &str = "hallmonitor";

/// A name that no secret has: for looking.
const LOOK: &str = "looking at it";

/// How long an answer may take where nobody has to be asked.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long one may take where a person may have to allow it first.
const PATIENCE_WITH_A_PERSON: Duration = Duration::from_secs(60);

/// The system's keychain.
#[derive(Debug)]
pub(super) struct Keychain(Courier);

impl Default for Keychain {
    fn default() -> Self {
        Self(Courier::new(Place::Service))
    }
}

impl Keychain {
    fn call<T: Send + 'static>(
        &self,
        may_ask: bool,
        name: &str,
        work: impl FnOnce(&Entry) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, VaultError> {
        let name = name.to_owned();
        self.0.call(if may_ask { PATIENCE_WITH_A_PERSON } else { PATIENCE }, move || {
            let done = Entry::new(OWNER, &name).and_then(|entry| work(&entry));
            done.map_err(|error| fault(&name, error))
        })
    }
}

impl Link for Keychain {
    fn place(&self) -> Place {
        Place::Service
    }

    fn get(&self, name: &str, may_ask: bool) -> Result<SecretString, VaultError> {
        self.call(may_ask, name, |entry| entry.get_password().map(SecretString::from))
    }

    fn set(&self, name: &str, secret: &SecretString, may_ask: bool) -> Result<(), VaultError> {
        let secret = secret.clone();
        self.call(may_ask, name, move |entry| entry.set_password(secret.expose_secret()))
    }

    fn forget(&self, name: &str, may_ask: bool) -> Result<bool, VaultError> {
        self.call(may_ask, name, |entry| match entry.delete_credential() {
            Ok(()) => Ok(true),
            Err(Error::NoEntry) => Ok(false),
            Err(error) => Err(error),
        })
    }

    fn look(&self, may_ask: bool) -> Result<(), VaultError> {
        self.set(LOOK, &"x".into(), may_ask)?;
        self.forget(LOOK, may_ask).map(drop)
    }
}

/// What a fault of keyring means.
fn fault(name: &str, error: Error) -> VaultError {
    let place = Place::Service;
    match error {
        Error::NoEntry => VaultError::Missing { name: name.to_owned() },
        Error::NoDefaultStore => VaultError::Absent { place, why: "this system has none".to_owned() },
        Error::NoStorageAccess(why) => VaultError::Denied { place, why: why.to_string() },
        Error::BadEncoding(_) => VaultError::Unavailable { place, why: "what it holds is no text".to_owned() },
        other => VaultError::Unavailable { place, why: other.to_string() },
    }
}
