//! The Secret Service of the desktop, over the session bus.
//!
//! keyring's store does the work. What it cannot tell is asked before, on a connection of our own: whether the service is
//! there, has a default keyring, and is locked. The store itself would put a question on the screen to unlock it, also
//! where nobody sits. Each call makes a new store, so that a service that comes later is seen.

use std::collections::HashMap;
use std::error::Error as StdError;

use keyring_core::api::CredentialStoreApi as _;
use keyring_core::{Entry, Error};
use zbus::blocking::Connection;
use zbus::zvariant::{DynamicType, OwnedObjectPath, OwnedValue};
use zbus_secret_service_keyring_store::Store;

use super::chain::Link;
use super::keychain_shared::{Caller, LOOK, OWNER, no_text};
use super::question::Question;
use super::{ExposeSecret, Place, SecretString, Unlocked, Unlocking, VaultError};

pub(super) const NAME: &str = "org.freedesktop.secrets";
pub(super) const PATH: &str = "/org/freedesktop/secrets";
pub(super) const SERVICE: &str = "org.freedesktop.Secret.Service";
const COLLECTION: &str = "org.freedesktop.Secret.Collection";
const PROPERTIES: &str = "org.freedesktop.DBus.Properties";

/// The Secret Service.
#[derive(Debug, Default)]
pub(super) struct Keychain(Caller, Question);

impl Link for Keychain {
    fn place(&self) -> Place {
        Place::Service
    }

    fn get(&self, name: &str, may_ask: bool) -> Result<SecretString, VaultError> {
        let name = name.to_owned();
        self.0.call(may_ask, move || {
            Bus::connect()?.check_item(&name, may_ask)?;
            entry(&name)?.get_password().map(SecretString::from).map_err(|error| fault(&name, error))
        })
    }

    fn set(&self, name: &str, secret: &SecretString, may_ask: bool) -> Result<(), VaultError> {
        let (name, secret) = (name.to_owned(), secret.clone());
        self.0.call(may_ask, move || write(&name, &secret, may_ask))
    }

    fn forget(&self, name: &str, may_ask: bool) -> Result<bool, VaultError> {
        let name = name.to_owned();
        self.0.call(may_ask, move || {
            match Bus::connect()?.check_item(&name, may_ask) {
                Err(error) if error.is_missing() => return Ok(false),
                checked => checked?,
            }
            remove(&name)
        })
    }

    fn look(&self, may_ask: bool) -> Result<(), VaultError> {
        self.0.call(may_ask, move || {
            write(LOOK, &"x".into(), may_ask)?;
            remove(LOOK).map(drop)
        })
    }

    fn unlock(&self, unlocking: &Unlocking) -> Result<Unlocked, VaultError> {
        self.1.ask(unlocking)
    }
}

fn entry(name: &str) -> Result<Entry, VaultError> {
    let label = format!("Hall Monitor: {name}");
    let build = || Store::new()?.build(OWNER, name, Some(&HashMap::from([("label", label.as_str())])));
    build().map_err(|error| fault(name, error))
}

/// Writes, and reads what was written: a service that keeps nothing is no keychain.
fn write(name: &str, secret: &SecretString, may_ask: bool) -> Result<(), VaultError> {
    Bus::connect()?.check_default(may_ask)?;
    let entry = entry(name)?;
    entry.set_password(secret.expose_secret()).map_err(|error| fault(name, error))?;
    let read = entry.get_password().map(SecretString::from).map_err(|error| fault(name, error))?;
    if read.expose_secret() != secret.expose_secret() {
        let why = "it gives back another secret than it was given".to_owned();
        return Err(VaultError::Unavailable { place: Place::Service, why });
    }
    Ok(())
}

fn remove(name: &str) -> Result<bool, VaultError> {
    match entry(name)?.delete_credential() {
        Ok(()) => Ok(true),
        Err(Error::NoEntry) => Ok(false),
        Err(error) => Err(fault(name, error)),
    }
}

/// A connection of our own.
pub(super) struct Bus(pub(super) Connection);

impl Bus {
    pub(super) fn connect() -> Result<Self, VaultError> {
        Connection::session().map(Self).map_err(|error| {
            let why = format!("there is no session bus ({error})");
            VaultError::Absent { place: Place::Service, why }
        })
    }

    pub(super) fn ask<Q, A>(&self, path: &str, interface: &str, method: &str, question: &Q) -> Result<A, VaultError>
    where
        Q: serde::Serialize + DynamicType,
        A: serde::de::DeserializeOwned + zbus::zvariant::Type,
    {
        let asked = self.0.call_method(Some(NAME), path, Some(interface), method, question);
        let answer = asked.and_then(|reply| reply.body().deserialize::<A>());
        answer.map_err(|error| bus_fault(&error).unwrap_or_else(|| unavailable(&error)))
    }

    pub(super) fn is_locked(&self, collection: &OwnedObjectPath) -> Result<bool, VaultError> {
        let value: OwnedValue = self.ask(collection.as_str(), PROPERTIES, "Get", &(COLLECTION, "Locked"))?;
        bool::try_from(value).map_err(|error| unavailable(&error))
    }

    /// The keyring that takes new secrets; none when it has not been made.
    fn default(&self) -> Result<Option<OwnedObjectPath>, VaultError> {
        let path: OwnedObjectPath = self.ask(PATH, SERVICE, "ReadAlias", &("default",))?;
        Ok(Some(path).filter(|path| path.as_str() != "/"))
    }

    /// The same, where there has to be one.
    pub(super) fn need_default(&self) -> Result<OwnedObjectPath, VaultError> {
        let why = "it has no default keyring yet; make one in the desktop's password program (\"Passwords and Keys\", \
                   KWalletManager), or use `--in file`";
        self.default()?.ok_or_else(|| VaultError::Unavailable { place: Place::Service, why: why.to_owned() })
    }

    /// Whether a new secret can be kept.
    fn check_default(&self, may_ask: bool) -> Result<(), VaultError> {
        let default = self.need_default()?;
        if !may_ask && self.is_locked(&default)? {
            return Err(locked());
        }
        Ok(())
    }

    /// Whether a secret can be read. In a locked keyring some services find what is there, and others nothing.
    fn check_item(&self, name: &str, may_ask: bool) -> Result<(), VaultError> {
        let attributes = HashMap::from([("service", OWNER), ("username", name)]);
        let found: (Vec<OwnedObjectPath>, Vec<OwnedObjectPath>) =
            self.ask(PATH, SERVICE, "SearchItems", &(attributes,))?;
        let (unlocked, behind_lock) = (!found.0.is_empty(), !found.1.is_empty());
        let is_locked = behind_lock && !may_ask;
        if is_locked
            || (!unlocked && !behind_lock && self.default()?.map_or(Ok(false), |path| self.is_locked(&path))?)
        {
            return Err(locked());
        }
        if unlocked || behind_lock { Ok(()) } else { Err(VaultError::Missing { name: name.to_owned() }) }
    }
}

pub(super) fn locked() -> VaultError {
    VaultError::Locked { place: Place::Service, why: "it says so".to_owned() }
}

pub(super) fn unavailable(error: &dyn ToString) -> VaultError {
    VaultError::Unavailable { place: Place::Service, why: error.to_string() }
}

/// What a fault of keyring's store means.
fn fault(name: &str, error: Error) -> VaultError {
    let place = Place::Service;
    match error {
        Error::NoEntry => VaultError::Missing { name: name.to_owned() },
        Error::Ambiguous(all) => {
            let why = format!("it holds {} secrets of this name; remove all but one in its program", all.len());
            VaultError::Unavailable { place, why }
        }
        Error::BadEncoding(_) => no_text(),
        Error::NoStorageAccess(why) => VaultError::Locked { place, why: why.to_string() },
        other => {
            let mut source: Option<&(dyn StdError + 'static)> = Some(&other);
            while let Some(error) = source {
                let own = error.downcast_ref::<zbus::Error>().and_then(bus_fault);
                if let Some(known) = own.or_else(|| error.downcast_ref::<zbus::fdo::Error>().and_then(fdo_fault)) {
                    return known;
                }
                source = error.source();
            }
            unavailable(&other)
        }
    }
}

/// What a fault of the bus means, where it has a meaning of its own.
pub(super) fn bus_fault(error: &zbus::Error) -> Option<VaultError> {
    match error {
        zbus::Error::MethodError(name, what, _) => {
            by_name(name.as_str(), what.as_deref().unwrap_or("without a reason"))
        }
        zbus::Error::FDO(error) => fdo_fault(error),
        _ => None,
    }
}

fn fdo_fault(error: &zbus::fdo::Error) -> Option<VaultError> {
    use zbus::DBusError;
    by_name(error.name().as_str(), DBusError::description(error).unwrap_or("without a reason"))
}

fn by_name(name: &str, what: &str) -> Option<VaultError> {
    let (place, why) = (Place::Service, what.to_owned());
    match name {
        "org.freedesktop.DBus.Error.ServiceUnknown" | "org.freedesktop.DBus.Error.NameHasNoOwner" => {
            let why = "there is none on the session bus".to_owned();
            Some(VaultError::Absent { place, why })
        }
        "org.freedesktop.DBus.Error.AccessDenied" | "org.freedesktop.DBus.Error.AuthFailed" => {
            Some(VaultError::Denied { place, why })
        }
        "org.freedesktop.Secret.Error.IsLocked" => Some(VaultError::Locked { place, why }),
        _ => None,
    }
}
