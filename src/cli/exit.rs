//! How the command ends.

use std::io::{self, Write as _};
use std::process::ExitCode;

use thiserror::Error;

use crate::control::{AnswerError, AskError};
use crate::model::error_chain;
use crate::secret::VaultError;

/// What the exit code says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// 0: all is well.
    Fine,
    /// 1: something is down, or what was asked for is not there.
    Down,
    /// 2: wrong usage or a configuration that cannot be used.
    Wrong,
    /// 3: no answer is possible: nobody watches and there are no files, or the fault is on this side.
    Unable,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(match exit {
            Exit::Fine => 0,
            Exit::Down => 1,
            Exit::Wrong => 2,
            Exit::Unable => 3,
        })
    }
}

/// Why a command could not do its work.
#[derive(Debug, Error)]
pub(super) enum Trouble {
    /// Output could not be written.
    #[error("cannot write the output")]
    Output(#[from] io::Error),
    /// Arguments or configuration are wrong; says what and what to do.
    #[error("{0}")]
    Wrong(String),
    /// There is nobody and nothing to ask; says why and what to do.
    #[error("{0}")]
    Unable(String),
    /// Whoever holds the folder could not be asked.
    #[error(transparent)]
    Ask(AskError),
    /// The answer is no.
    #[error(transparent)]
    Answer(AnswerError),
    /// The vault did not do it.
    #[error(transparent)]
    Vault(#[from] VaultError),
}

impl From<AskError> for Trouble {
    fn from(error: AskError) -> Self {
        match error {
            AskError::Refused(answer) => Self::Answer(answer),
            other => Self::Ask(other),
        }
    }
}

impl From<AnswerError> for Trouble {
    fn from(error: AnswerError) -> Self {
        Self::Answer(error)
    }
}

impl Trouble {
    /// Says it on standard error. Whoever closed the pipe has seen enough: nothing is said then.
    pub(super) fn report(&self) -> Exit {
        match self {
            Self::Output(error) if error.kind() == io::ErrorKind::BrokenPipe => return Exit::Fine,
            _ => {
                let _ = writeln!(io::stderr(), "error: {}", error_chain(self));
            }
        }
        match self {
            Self::Wrong(_) | Self::Vault(VaultError::BadName { .. }) => Exit::Wrong,
            Self::Answer(AnswerError::UnknownMonitor { .. }) => Exit::Down,
            Self::Vault(error) if error.is_missing() => Exit::Down,
            Self::Output(_) | Self::Unable(_) | Self::Ask(_) | Self::Answer(_) | Self::Vault(_) => Exit::Unable,
        }
    }
}
