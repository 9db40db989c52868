//! Where passwords and tokens live.

mod memory;

use std::fmt::Debug;

pub use memory::MemoryVault;
pub use secrecy::{ExposeSecret, SecretString};
use thiserror::Error;

/// Why the vault did not do what was asked.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum VaultError {
    /// No such secret.
    #[error("the vault holds no secret named `{name}`; set it with `hallmonitor secrets set {name}`")]
    Missing {
        /// Its name.
        name: String,
    },
    /// The vault is there but cannot be used now.
    #[error("the vault cannot be used: {why}")]
    Unavailable {
        /// What it says, and what to do.
        why: String,
    },
}

/// A place for secrets, by name. Calls may block: never make one on an async thread.
pub trait Vault: Debug + Send + Sync {
    /// The secret under a name.
    ///
    /// # Errors
    /// No such secret, or the vault cannot be used.
    fn get(&self, name: &str) -> Result<SecretString, VaultError>;

    /// Keeps a secret under a name, replacing what was there.
    ///
    /// # Errors
    /// The vault cannot be used.
    fn set(&self, name: &str, secret: SecretString) -> Result<(), VaultError>;

    /// Forgets the secret under a name; no secret there is fine.
    ///
    /// # Errors
    /// The vault cannot be used.
    fn forget(&self, name: &str) -> Result<(), VaultError>;
}
