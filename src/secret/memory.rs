//! A vault that lives as long as the process.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, PoisonError};

use super::{Kept, Known, Look, Place, SecretString, Vault, VaultError, check_name};

/// Keeps secrets in memory only; they are zeroed when dropped.
#[derive(Debug, Default)]
pub struct MemoryVault(Mutex<HashMap<String, SecretString>>);

impl Vault for MemoryVault {
    fn get(&self, name: &str) -> Result<SecretString, VaultError> {
        let secrets = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        secrets.get(name).cloned().ok_or_else(|| VaultError::Missing { name: name.to_owned() })
    }

    fn set(&self, name: &str, secret: SecretString) -> Result<(), VaultError> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(name.to_owned(), secret);
        Ok(())
    }

    fn forget(&self, name: &str) -> Result<(), VaultError> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(name);
        Ok(())
    }

    /// Memory stands in for whatever place is meant; the kernel's key ring is the one that is lost as well.
    fn keep(&self, name: &str, secret: SecretString, place: Option<Place>) -> Result<Kept, VaultError> {
        check_name(name)?;
        self.set(name, secret)?;
        Ok(Kept { place: place.unwrap_or(Place::Kernel), passed: Vec::new(), left: None })
    }

    fn known(&self) -> Result<BTreeMap<String, Known>, VaultError> {
        let secrets = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(secrets.keys().map(|name| (name.clone(), Known { place: None, set: None })).collect())
    }

    fn look(&self) -> Vec<Look> {
        Vec::new()
    }
}

#[cfg(test)]
mod tests {
    use super::super::ExposeSecret;
    use super::*;

    #[test]
    fn keeps_forgets_and_never_shows() {
        let vault = MemoryVault::default();
        assert_eq!(vault.get("a").unwrap_err(), VaultError::Missing { name: "a".into() });
        vault.set("a", "hunter2".to_owned().into()).expect("set");
        assert_eq!(vault.get("a").expect("get").expose_secret(), "hunter2");
        assert!(!format!("{vault:?}").contains("hunter2"));
        vault.forget("a").expect("forget");
        assert!(vault.get("a").is_err());
    }
}
