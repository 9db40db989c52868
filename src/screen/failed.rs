//! Why there is no answer: codes and data, never text to be searched.

use serde::{Deserialize, Serialize};
use specta::Type;

use crate::control::AnswerError;

/// Something wrong in a file, at its place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, Type)]
#[serde(rename_all = "camelCase")]
pub struct FileProblem {
    /// From 1.
    pub line: u32,
    /// From 1, in characters.
    pub column: u32,
    /// What is wrong.
    pub what: String,
    /// What may stand there.
    pub allowed: Option<String>,
}

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, Type)]
#[serde(tag = "code", rename_all = "snake_case", rename_all_fields = "camelCase")]
pub enum Failed {
    /// No monitor of that id.
    UnknownMonitor {
        /// What was asked for.
        name: String,
    },
    /// The question cannot be answered as it was put.
    BadRequest {
        /// Why.
        why: String,
    },
    /// The store did not answer.
    Storage {
        /// What it says, and the next step.
        what: String,
    },
    /// It is stopping, or has too much to do.
    Busy {
        /// Why.
        why: String,
    },
    /// A file cannot be read or written.
    File {
        /// Which.
        path: String,
        /// What happened, and the next step.
        what: String,
    },
    /// Something is wrong in a configuration.
    Problems {
        /// All of it.
        problems: Vec<FileProblem>,
    },
    /// The desktop shows no dialog to choose a file.
    NoDialog,
    /// A fault in Hall Monitor.
    Internal {
        /// What happened.
        why: String,
    },
}

impl From<AnswerError> for Failed {
    fn from(error: AnswerError) -> Self {
        match error {
            AnswerError::UnknownMonitor { name, .. } => Self::UnknownMonitor { name },
            AnswerError::NotRunning => Self::Busy { why: error.to_string() },
            AnswerError::BadRequest { why } => Self::BadRequest { why },
            AnswerError::Storage { what } => Self::Storage { what },
            AnswerError::Busy { why } => Self::Busy { why },
            AnswerError::Internal { why } => Self::Internal { why },
        }
    }
}
