//! Where the passphrase of the encrypted file comes from.

use std::fmt::Debug;
use std::path::{Path, PathBuf};

use secrecy::zeroize::Zeroizing;

use super::{SecretString, VaultError, private};

/// Longest passphrase, in bytes.
const LIMIT: u64 = 4 * 1024;

/// Asks a person for the passphrase.
pub trait AskPassphrase: Debug + Send + Sync {
    /// The passphrase for a file; a `new` one is asked for twice. None when nobody answers.
    fn ask(&self, file: &Path, new: bool) -> Option<SecretString>;
}

/// Where the passphrase comes from: a value, else a file, else a person.
#[derive(Debug, Default)]
pub struct Passphrase {
    /// What `HALLMONITOR_VAULT_PASSPHRASE` holds.
    pub value: Option<SecretString>,
    /// The file that `HALLMONITOR_VAULT_PASSPHRASE_FILE` names.
    pub file: Option<PathBuf>,
    /// Somebody to ask.
    pub person: Option<Box<dyn AskPassphrase>>,
}

impl Passphrase {
    /// The passphrase for an encrypted file; a person is asked only where that is allowed.
    pub(super) fn get(&self, sealed: &Path, may_ask: bool, new: bool) -> Result<SecretString, VaultError> {
        if let Some(value) = &self.value {
            return Ok(value.clone());
        }
        if let Some(path) = &self.file {
            return read(path);
        }
        let person = self.person.as_deref().filter(|_| may_ask);
        let answer = person.and_then(|person| person.ask(sealed, new));
        answer.ok_or_else(|| VaultError::NoPassphrase { path: sealed.to_owned() })
    }

    /// Whether it comes without asking a person.
    pub(super) fn is_at_hand(&self) -> bool {
        self.value.is_some() || self.file.is_some()
    }
}

/// The text of a file without the line ends after it.
fn read(path: &Path) -> Result<SecretString, VaultError> {
    let fault = |why: &dyn ToString| VaultError::PassphraseFile { path: path.to_owned(), why: why.to_string() };
    let bytes =
        private::read(path, LIMIT).map_err(|error| fault(&error))?.ok_or_else(|| fault(&"there is no such file"))?;
    let bytes = Zeroizing::new(bytes);
    let text =
        std::str::from_utf8(&bytes).map_err(|_| fault(&"it is no text in UTF-8"))?.trim_end_matches(['\r', '\n']);
    if text.is_empty() {
        return Err(fault(&"it is empty"));
    }
    Ok(SecretString::from(text))
}
