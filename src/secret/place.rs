//! The places that hold secrets.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A place that holds secrets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Place {
    /// The system's keychain.
    Service,
    /// The kernel's key ring for this session.
    Kernel,
    /// The encrypted file in the data folder.
    File,
}

impl Place {
    /// The word for programs and arguments: `service`, `kernel`, `file`.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Service => "service",
            Self::Kernel => "kernel",
            Self::File => "file",
        }
    }

    /// Whether what it holds is gone when the machine restarts.
    #[must_use]
    pub fn is_lost_at_restart(self) -> bool {
        self == Self::Kernel
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Service if cfg!(target_os = "macos") => "the Keychain",
            Self::Service if cfg!(windows) => "the Credential Manager",
            Self::Service => "the Secret Service",
            Self::Kernel => "the kernel's key ring",
            Self::File => "the encrypted file",
        })
    }
}
