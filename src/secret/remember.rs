//! A vault that stays of use when it is locked again.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{Kept, Known, Look, Place, SecretString, Unlocked, Unlocking, Vault, VaultError};

/// Gives a secret that it gave before also while its place is locked, slow or gone: what is watched with it has it in
/// memory anyway, and must not stop because the configuration is read again at such a moment. A place that refuses, or
/// that has the secret no more, is believed.
#[derive(Debug)]
pub struct Remembering {
    vault: Arc<dyn Vault>,
    given: Mutex<BTreeMap<String, SecretString>>,
}

impl Remembering {
    /// Remembers what a vault gives, for as long as this lives.
    #[must_use]
    pub fn new(vault: Arc<dyn Vault>) -> Self {
        Self { vault, given: Mutex::default() }
    }

    fn given(&self) -> MutexGuard<'_, BTreeMap<String, SecretString>> {
        self.given.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Vault for Remembering {
    fn get(&self, name: &str) -> Result<SecretString, VaultError> {
        let got = self.vault.get(name);
        let mut given = self.given();
        match got {
            Ok(secret) => {
                given.insert(name.to_owned(), secret.clone());
                Ok(secret)
            }
            Err(error @ (VaultError::Locked { .. } | VaultError::Slow { .. } | VaultError::Absent { .. })) => {
                given.get(name).cloned().ok_or(error)
            }
            Err(error) => {
                given.remove(name);
                Err(error)
            }
        }
    }

    fn set(&self, name: &str, secret: SecretString) -> Result<(), VaultError> {
        self.vault.set(name, secret)
    }

    fn forget(&self, name: &str) -> Result<(), VaultError> {
        self.vault.forget(name)?;
        self.given().remove(name);
        Ok(())
    }

    fn keep(&self, name: &str, secret: SecretString, place: Option<Place>) -> Result<Kept, VaultError> {
        self.vault.keep(name, secret, place)
    }

    fn known(&self) -> Result<BTreeMap<String, Known>, VaultError> {
        self.vault.known()
    }

    fn look(&self) -> Vec<Look> {
        self.vault.look()
    }

    fn unlock(&self, unlocking: &Unlocking) -> Result<Unlocked, VaultError> {
        self.vault.unlock(unlocking)
    }
}

#[cfg(test)]
mod tests {
    use super::super::{ExposeSecret, MemoryVault};
    use super::*;

    /// A vault that can be locked.
    #[derive(Debug, Default)]
    struct Lockable(MemoryVault, Mutex<Option<VaultError>>);

    impl Vault for Lockable {
        fn get(&self, name: &str) -> Result<SecretString, VaultError> {
            self.1.lock().expect("lock").clone().map_or_else(|| self.0.get(name), Err)
        }

        fn set(&self, name: &str, secret: SecretString) -> Result<(), VaultError> {
            self.0.set(name, secret)
        }

        fn forget(&self, name: &str) -> Result<(), VaultError> {
            self.0.forget(name)
        }

        fn keep(&self, name: &str, secret: SecretString, place: Option<Place>) -> Result<Kept, VaultError> {
            self.0.keep(name, secret, place)
        }

        fn known(&self) -> Result<BTreeMap<String, Known>, VaultError> {
            self.0.known()
        }

        fn look(&self) -> Vec<Look> {
            self.0.look()
        }
    }

    #[test]
    fn a_lock_takes_no_secret_away_and_a_refusal_does() {
        let vault = Arc::new(Lockable::default());
        let remembering = Remembering::new(Arc::<Lockable>::clone(&vault));
        let fail = |error: Option<VaultError>| *vault.1.lock().expect("lock") = error;
        let get = |name: &str| remembering.get(name).map(|secret| secret.expose_secret().to_owned());
        vault.set("a", "old".into()).expect("set");
        assert_eq!(get("a").as_deref(), Ok("old"));
        let locked = VaultError::Locked { place: Place::Service, why: "test".into() };
        fail(Some(locked.clone()));
        assert_eq!(get("a").as_deref(), Ok("old"));
        assert_eq!(get("b"), Err(locked.clone()));
        fail(None);
        vault.set("a", "new".into()).expect("set");
        assert_eq!(get("a").as_deref(), Ok("new"));
        fail(Some(VaultError::Denied { place: Place::Service, why: "test".into() }));
        assert!(get("a").is_err());
        fail(Some(locked.clone()));
        assert_eq!(get("a"), Err(locked), "what was refused is not remembered");
        fail(None);
        assert_eq!(get("a").as_deref(), Ok("new"));
        remembering.forget("a").expect("forgotten");
        assert!(get("a").is_err_and(|error| error.is_missing()));
        assert!(!format!("{remembering:?}").contains("new"));
    }
}
