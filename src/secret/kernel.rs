//! The key ring of the Linux kernel, for this session and, where the kernel has one, the person's persistent ring: so
//! that a secret that was set in one session is found by a monitor that runs in another one.

use keyring_core::api::CredentialStoreApi as _;
use keyring_core::{Entry, Error};
use linux_keyutils_keyring_store::Store;

use super::chain::Link;
use super::keychain_shared::OWNER;
use super::{ExposeSecret, Place, SecretString, VaultError};

/// Longest secret that the kernel takes, in bytes.
const LIMIT: usize = 32_767;

/// A name that no secret has: for looking.
const LOOK: &str = "looking at it";

/// The kernel's key ring.
#[derive(Debug)]
pub(super) struct Kernel;

fn entry(name: &str) -> Result<Entry, VaultError> {
    let build = || Store::new()?.build(OWNER, name, None);
    // A process without a session of its own (a container, a job of cron) gets one when the first call asks for the
    // persistent ring; only the second call then takes keys to where they can be read. Fails where the kernel has no
    // keys, or a container forbids them.
    build().and_then(|_| build()).map_err(|error| VaultError::Absent { place: Place::Kernel, why: error.to_string() })
}

fn fault(name: &str, error: Error) -> VaultError {
    let place = Place::Kernel;
    match error {
        Error::NoEntry => VaultError::Missing { name: name.to_owned() },
        Error::NoStorageAccess(why) => VaultError::Denied { place, why: why.to_string() },
        Error::BadEncoding(_) => VaultError::Unavailable { place, why: "what it holds is no text".to_owned() },
        other => VaultError::Unavailable { place, why: other.to_string() },
    }
}

impl Link for Kernel {
    fn place(&self) -> Place {
        Place::Kernel
    }

    fn get(&self, name: &str, _may_ask: bool) -> Result<SecretString, VaultError> {
        entry(name)?.get_password().map(SecretString::from).map_err(|error| fault(name, error))
    }

    fn set(&self, name: &str, secret: &SecretString, _may_ask: bool) -> Result<(), VaultError> {
        let length = secret.expose_secret().len();
        if !(1..=LIMIT).contains(&length) {
            let why = format!("it takes 1 to {LIMIT} bytes, not {length}; use `--in file`");
            return Err(VaultError::Unavailable { place: Place::Kernel, why });
        }
        entry(name)?.set_password(secret.expose_secret()).map_err(|error| fault(name, error))
    }

    fn forget(&self, name: &str, _may_ask: bool) -> Result<bool, VaultError> {
        match entry(name)?.delete_credential() {
            Ok(()) => Ok(true),
            Err(Error::NoEntry) => Ok(false),
            Err(error) => Err(fault(name, error)),
        }
    }

    fn look(&self, may_ask: bool) -> Result<(), VaultError> {
        self.set(LOOK, &"x".into(), may_ask)?;
        self.get(LOOK, may_ask)?;
        self.forget(LOOK, may_ask).map(drop)
    }
}
