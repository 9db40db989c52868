//! The vault of this machine, with what the environment says of its passphrase.

use std::path::Path;

use crate::clock::{Clock as _, SystemClock};
use crate::config::Vars;
use crate::secret::{AskPassphrase, Asking, Chain, Passphrase, SecretString};

/// The passphrase of the encrypted file.
pub const PASSPHRASE_VARIABLE: &str = "HALLMONITOR_VAULT_PASSPHRASE";
/// A file that holds it, as systemd's `LoadCredential` gives one.
pub const PASSPHRASE_FILE_VARIABLE: &str = "HALLMONITOR_VAULT_PASSPHRASE_FILE";

/// The vault of this machine, with its files in the data folder. Nothing is opened before it is needed. `person` is
/// somebody who can be asked for the passphrase.
#[must_use]
pub fn system_vault(data_dir: &Path, vars: &Vars, person: Option<Box<dyn AskPassphrase>>) -> Chain {
    let given = |name| vars.get(name).filter(|value| !value.is_empty());
    let asking = if person.is_some() { Asking::Passphrase } else { Asking::Nothing };
    let passphrase = Passphrase {
        value: given(PASSPHRASE_VARIABLE).map(SecretString::from),
        file: given(PASSPHRASE_FILE_VARIABLE).map(Into::into),
        person,
    };
    Chain::new(data_dir, passphrase, asking).dated(|| SystemClock.wall())
}
