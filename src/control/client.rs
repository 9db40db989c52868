//! The side of whoever asks.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use thiserror::Error;
use tokio::io::{AsyncWriteExt as _, BufReader};

use super::wire::{self, Line, Reply};
use super::{Answer, AnswerError, Request, socket};

/// Longest time without a sign of life. An answer itself may take as long as it needs: whoever works on it sends an empty
/// line now and then.
const PATIENCE: Duration = Duration::from_secs(60);

/// Why there is no answer.
#[derive(Debug, Error)]
pub enum AskError {
    /// Nobody holds the folder: its files may be opened.
    #[error("nobody is watching in {}", data_dir.display())]
    NobodyThere {
        /// The data folder.
        data_dir: PathBuf,
    },
    /// It belongs to another user.
    #[error("the control socket in {} belongs to another user; run this command as that user", data_dir.display())]
    Denied {
        /// The data folder.
        data_dir: PathBuf,
    },
    /// It was asked and does not answer.
    #[error("Hall Monitor holds {} but gave no sign of life within {} s", data_dir.display(), PATIENCE.as_secs())]
    Silent {
        /// The data folder.
        data_dir: PathBuf,
    },
    /// The connection failed.
    #[error("cannot ask the Hall Monitor that holds {}", data_dir.display())]
    Io {
        /// The data folder.
        data_dir: PathBuf,
        /// What the system says.
        #[source]
        source: io::Error,
    },
    /// What came back is no answer: most likely another version.
    #[error(
        "the running Hall Monitor gave an answer that this version does not understand; restart it with this version"
    )]
    Garbled {
        /// What is wrong with it.
        #[source]
        source: serde_json::Error,
    },
    /// It answered that it cannot.
    #[error(transparent)]
    Refused(#[from] AnswerError),
}

/// Asks whoever holds the data folder.
///
/// # Errors
/// Nobody is there, it may not be asked, it does not answer, or it says why it cannot.
pub async fn ask(data_dir: &Path, request: &Request) -> Result<Answer, AskError> {
    let reply = exchange(data_dir, request).await?;
    match serde_json::from_slice(&reply).map_err(|source| AskError::Garbled { source })? {
        Reply::Ok(answer) => Ok(*answer),
        Reply::Err(error) => Err(AskError::Refused(error)),
    }
}

/// One question there, one line back.
async fn exchange(data_dir: &Path, request: &Request) -> Result<Vec<u8>, AskError> {
    let failed = |source: io::Error| {
        let data_dir = data_dir.to_owned();
        match source.kind() {
            io::ErrorKind::PermissionDenied => AskError::Denied { data_dir },
            _ if socket::nobody_there(&source) => AskError::NobodyThere { data_dir },
            _ => AskError::Io { data_dir, source },
        }
    };
    let line = wire::to_line(request).map_err(|source| AskError::Garbled { source })?;
    let silent = |_| AskError::Silent { data_dir: data_dir.to_owned() };
    let asked = async {
        let stream = socket::connect(data_dir).await?;
        (&stream).write_all(&line).await?;
        Ok(stream)
    };
    let stream = tokio::time::timeout(PATIENCE, asked).await.map_err(silent)?.map_err(failed)?;
    let mut reader = BufReader::with_capacity(64 * 1024, &stream);
    loop {
        let read = wire::read_line(&mut reader, wire::MAX_ANSWER);
        match tokio::time::timeout(PATIENCE, read).await.map_err(silent)?.map_err(failed)? {
            Line::Whole(line) if line.is_empty() => {}
            Line::Whole(line) => return Ok(line),
            Line::End => return Err(failed(io::ErrorKind::UnexpectedEof.into())),
            Line::TooLong => return Err(failed(io::Error::other("the answer is too long"))),
        }
    }
}
