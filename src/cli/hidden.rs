//! Questions at the terminal whose answer is not shown.

use std::io::{self, Write as _};
use std::path::Path;

use crate::secret::{AskPassphrase, ExposeSecret as _, SecretString};

/// Asks; none when the answer is empty.
pub(super) fn ask(question: &str) -> io::Result<Option<SecretString>> {
    let answer = SecretString::from(rpassword::prompt_password(question)?);
    Ok(Some(answer).filter(|answer| !answer.expose_secret().is_empty()))
}

/// A person at the terminal, who knows the passphrase of the encrypted file.
#[derive(Debug)]
pub(super) struct AtTerminal;

impl AskPassphrase for AtTerminal {
    fn ask(&self, file: &Path, new: bool) -> Option<SecretString> {
        if !new {
            return ask(&format!("Passphrase of {}: ", file.display())).ok().flatten();
        }
        let first = ask(&format!("New passphrase for {}: ", file.display())).ok().flatten()?;
        let again = ask("The same again: ").ok().flatten()?;
        if first.expose_secret() != again.expose_secret() {
            // What cannot be shown is told by the error that follows.
            let _ = writeln!(io::stderr(), "These are not the same.");
            return None;
        }
        Some(first)
    }
}
