//! The keychain of macOS or Windows, by keyring. It unlocks itself, and asks by itself.

use keyring::{Entry, Error};

use super::chain::Link;
use super::keychain_shared::{Caller, LOOK, OWNER, no_text};
use super::{ExposeSecret, Place, SecretString, Unlocked, Unlocking, VaultError};

/// The system's keychain.
#[derive(Debug, Default)]
pub(super) struct Keychain(Caller);

impl Keychain {
    fn call<T: Send + 'static>(
        &self,
        may_ask: bool,
        name: &str,
        work: impl FnOnce(&Entry) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, VaultError> {
        let name = name.to_owned();
        self.0.call(may_ask, move || {
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

    /// It asks by itself, whenever it is needed.
    fn unlock(&self, _: &Unlocking) -> Result<Unlocked, VaultError> {
        self.look(true).map(|()| Unlocked::Open)
    }
}

/// What a fault of keyring means.
fn fault(name: &str, error: Error) -> VaultError {
    let place = Place::Service;
    match error {
        Error::NoEntry => VaultError::Missing { name: name.to_owned() },
        Error::NoDefaultStore => VaultError::Absent { place, why: "this system has none".to_owned() },
        Error::NoStorageAccess(why) => VaultError::Denied { place, why: why.to_string() },
        Error::BadEncoding(_) => no_text(),
        other => VaultError::Unavailable { place, why: other.to_string() },
    }
}
