//! Where passwords and tokens live: in the system's keychain, or in an honest fallback; never in plain text on a disk.
//!
//! The places, strongest first ([`Chain`]):
//! 1. **service**: the system's own keychain. On Linux the Secret Service (GNOME Keyring, KWallet, KeePassXC), on macOS
//!    the Keychain, on Windows the Credential Manager.
//! 2. **kernel**: the key ring of the Linux kernel for this session. Never on a disk; gone when the machine restarts.
//! 3. **file**: a file in the data folder, encrypted under a passphrase.
//!
//! Which place takes a new secret follows from how a keychain fails. Measured on Linux:
//!
//! | situation | what its calls do | what follows |
//! |---|---|---|
//! | no session bus, or no Secret Service on it | fail within 1 ms | it is *absent*: the next place |
//! | a Secret Service without a default keyring | `get` finds nothing, `set` fails | *unavailable*: told |
//! | locked, no display for its question | fails after 20 ms | *locked*: told |
//! | locked, with a display | waits for a person, for ever | *slow* after 5 s, or 60 s where one may be there |
//! | a Secret Service that hangs or refuses | waits for ever, or fails | *slow* or *denied*: told |
//!
//! Only what is absent leads on. A server without a desktop gets the kernel's ring or the file without a question; but
//! where a keychain is there and locked, slow or refusing, a secret must not slip into a weaker place because of a bad
//! minute: the person is told and may name another place. That `get` finds nothing proves nothing about `set`, so
//! looking at a place ([`Chain::look`]) means writing to it.
//!
//! A name is read from where it is known to be (`names.rs`); a name that is not known, from the places in order.
//!
//! Keychain calls run on a thread of their own with a time limit (`courier.rs`): the synchronous client cannot be called
//! inside a runtime, and a question on the screen waits for as long as nobody answers. While one call hangs, others
//! fail at once, so that no second question appears over the first. Whatever runs without a person shows no question at
//! all: a locked keychain is recognised before it is asked for more ([`Asking`]). The one question that a person asks for
//! ([`Vault::unlock`]) has a thread and a time limit of its own (`question_linux.rs`), so that nothing else waits for it.

mod chain;
mod courier;
mod error;
#[cfg(target_os = "linux")]
mod kernel;
#[cfg_attr(target_os = "linux", path = "keychain_linux.rs")]
#[cfg_attr(not(target_os = "linux"), path = "keychain_native.rs")]
mod keychain;
mod keychain_shared;
mod memory;
mod names;
mod passphrase;
mod place;
mod private;
#[cfg(target_os = "linux")]
#[path = "question_linux.rs"]
mod question;
mod remember;
mod sealed;
mod text;
mod unlock;
mod words;

use std::collections::BTreeMap;
use std::fmt::Debug;

pub use chain::{Asking, Chain, Kept, Look};
pub use error::VaultError;
pub use memory::MemoryVault;
pub use passphrase::{AskPassphrase, Passphrase};
pub use place::Place;
pub use remember::Remembering;
pub use secrecy::zeroize::Zeroizing;
pub use secrecy::{ExposeSecret, SecretString};
pub use text::{SecretText, wipe};
pub use unlock::{Unlocked, Unlocking};
pub use words::names_secret;

use crate::model::UnixMicros;

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

    /// Keeps a secret in the strongest place that is there, or in the one that is named.
    ///
    /// # Errors
    /// No place is there, or the one that is meant cannot be used now.
    fn keep(&self, name: &str, secret: SecretString, place: Option<Place>) -> Result<Kept, VaultError>;

    /// The secrets that were set here, by name: where each is, and since when.
    ///
    /// # Errors
    /// That cannot be told now.
    fn known(&self) -> Result<BTreeMap<String, Known>, VaultError>;

    /// Looks at every place by writing to it, the strongest first.
    fn look(&self) -> Vec<Look>;

    /// Has the keychain ask a person to unlock it, and waits until that is answered, late or stopped. A vault that cannot
    /// be locked is open.
    ///
    /// # Errors
    /// The keychain is not there, does not answer or refuses.
    fn unlock(&self, _unlocking: &Unlocking) -> Result<Unlocked, VaultError> {
        Ok(Unlocked::Open)
    }
}

/// What is known of a secret without reading it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Known {
    /// Where it is; none where the vault has but one place, which is no place of the machine's.
    pub place: Option<Place>,
    /// When it was set; none where nobody noted that.
    pub set: Option<UnixMicros>,
}

/// Longest name, in bytes.
const NAME_LIMIT: usize = 128;

/// Refuses what is no name of a secret.
fn check_name(name: &str) -> Result<(), VaultError> {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    if name.is_empty() || name.len() > NAME_LIMIT || !name.bytes().all(fits) {
        return Err(VaultError::BadName { name: name.chars().take(NAME_LIMIT).collect() });
    }
    Ok(())
}
