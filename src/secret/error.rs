//! Why the vault did not do what was asked, and what to do then.

use std::path::PathBuf;

use thiserror::Error;

use super::Place;

/// Why the vault did not do what was asked. Every text says what to do next; none holds a secret.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum VaultError {
    /// No such secret.
    #[error("the vault holds no secret named `{name}`; set it with `hallmonitor secrets set {name}`")]
    Missing {
        /// Its name.
        name: String,
    },
    /// It was kept in the kernel's key ring, which is emptied when the machine restarts.
    #[error(
        "the secret `{name}` was kept in the kernel's key ring, which loses it when the machine restarts; set it again \
         with `hallmonitor secrets set {name}`"
    )]
    Lost {
        /// Its name.
        name: String,
    },
    /// That is no name for a secret.
    #[error("{name:?} is no name of a secret; allowed are 1 to 128 letters (a to z, A to Z), digits, `-`, `_` and `.`")]
    BadName {
        /// What was given.
        name: String,
    },
    /// A place is not there at all.
    #[error("{place} is not there: {why}")]
    Absent {
        /// Which.
        place: Place,
        /// What is missing.
        why: String,
    },
    /// A place is there, and is locked.
    #[error(
        "{place} is locked: {why}; unlock it (`hallmonitor secrets unlock`, signing in to the desktop, or its password \
         program), or keep the secret in another place with `hallmonitor secrets set NAME --in file`"
    )]
    Locked {
        /// Which.
        place: Place,
        /// How that is known.
        why: String,
    },
    /// A place refused us.
    #[error(
        "{place} refused: {why}; allow Hall Monitor there, or keep the secret in another place with \
         `hallmonitor secrets set NAME --in file`"
    )]
    Denied {
        /// Which.
        place: Place,
        /// What it said.
        why: String,
    },
    /// A place did not answer in time.
    #[error(
        "{place} did not answer within {seconds} s: look for a question of it on the screen, or restart it; or keep the \
         secret in another place with `hallmonitor secrets set NAME --in file`"
    )]
    Slow {
        /// Which.
        place: Place,
        /// How long it was waited for.
        seconds: u64,
    },
    /// The encrypted file needs its passphrase, and there is none.
    #[error(
        "the encrypted file {} needs its passphrase: set HALLMONITOR_VAULT_PASSPHRASE, or name a file that holds it in \
         HALLMONITOR_VAULT_PASSPHRASE_FILE, or use a terminal", path.display()
    )]
    NoPassphrase {
        /// The encrypted file.
        path: PathBuf,
    },
    /// The file that should hold the passphrase cannot be used.
    #[error("the passphrase cannot be read from {}: {why}; see HALLMONITOR_VAULT_PASSPHRASE_FILE", path.display())]
    PassphraseFile {
        /// The file with the passphrase.
        path: PathBuf,
        /// What the system says.
        why: String,
    },
    /// The encrypted file is whole, and this is not its passphrase.
    #[error("the passphrase for the encrypted file {} is wrong; give the one it was made with", path.display())]
    WrongPassphrase {
        /// The encrypted file.
        path: PathBuf,
    },
    /// The encrypted file cannot be read.
    #[error(
        "the encrypted file {} is damaged: {why}; put back a copy of it, or remove it and set its secrets again",
        path.display()
    )]
    Damaged {
        /// The encrypted file.
        path: PathBuf,
        /// What is wrong.
        why: String,
    },
    /// A place is there but cannot be used now.
    #[error("{place} cannot be used: {why}")]
    Unavailable {
        /// Which.
        place: Place,
        /// What it says, and what to do.
        why: String,
    },
    /// The list of names cannot be read or written.
    #[error("the list of names {} cannot be used: {why}; check its owner and permissions", path.display())]
    Names {
        /// The list.
        path: PathBuf,
        /// What is wrong.
        why: String,
    },
}

impl VaultError {
    /// One word for programs.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Self::Missing { .. } => "missing",
            Self::Lost { .. } => "lost",
            Self::BadName { .. } => "bad_name",
            Self::Absent { .. } => "absent",
            Self::Locked { .. } => "locked",
            Self::Denied { .. } => "denied",
            Self::Slow { .. } => "slow",
            Self::NoPassphrase { .. } => "no_passphrase",
            Self::PassphraseFile { .. } => "passphrase_file",
            Self::WrongPassphrase { .. } => "wrong_passphrase",
            Self::Damaged { .. } => "damaged",
            Self::Unavailable { .. } | Self::Names { .. } => "unavailable",
        }
    }

    /// Whether there is no such secret: asking elsewhere may find it.
    #[must_use]
    pub fn is_missing(&self) -> bool {
        matches!(self, Self::Missing { .. } | Self::Lost { .. })
    }

    /// Whether the place is not there at all: the next one is as good as it gets.
    #[must_use]
    pub fn is_absent(&self) -> bool {
        matches!(self, Self::Absent { .. })
    }
}
