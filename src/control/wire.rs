//! Lines of JSON and their limits.

use std::io;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufRead, AsyncBufReadExt as _, AsyncReadExt as _};

use super::{Answer, AnswerError};

/// Longest question in bytes. Names of monitors are the only long thing in one.
pub(super) const MAX_REQUEST: u64 = 256 * 1024;
/// Longest answer in bytes: the status of 100,000 monitors.
pub(super) const MAX_ANSWER: u64 = 256 * 1024 * 1024;

/// While somebody waits for an answer, an empty line comes so often.
pub(super) const SIGN_OF_LIFE: Duration = Duration::from_secs(5);

/// An answer as it stands on its line.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Reply {
    /// What was asked for.
    Ok(Box<Answer>),
    /// Why not.
    Err(AnswerError),
}

/// What reading a line gave.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Line {
    /// A line, without its end.
    Whole(Vec<u8>),
    /// The other side closed, between lines or within one.
    End,
    /// More bytes than allowed without a line end.
    TooLong,
}

/// Reads up to the next line end, but never more than `limit` bytes.
pub(super) async fn read_line(reader: &mut (impl AsyncBufRead + Unpin), limit: u64) -> io::Result<Line> {
    let mut line = Vec::new();
    let read = reader.take(limit).read_until(b'\n', &mut line).await?;
    Ok(if line.last() == Some(&b'\n') {
        line.pop();
        Line::Whole(line)
    } else if u64::try_from(read).is_ok_and(|read| read >= limit) {
        Line::TooLong
    } else {
        Line::End
    })
}

/// A value as one line.
pub(super) fn to_line(value: &impl Serialize) -> serde_json::Result<Vec<u8>> {
    let mut line = serde_json::to_vec(value)?;
    line.push(b'\n');
    Ok(line)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn lines_are_bounded() {
        let mut reader: &[u8] = b"one\n\ntwo";
        assert_eq!(read_line(&mut reader, 10).await.expect("reads"), Line::Whole(b"one".to_vec()));
        assert_eq!(read_line(&mut reader, 10).await.expect("reads"), Line::Whole(Vec::new()));
        assert_eq!(read_line(&mut reader, 10).await.expect("reads"), Line::End);
        let mut reader: &[u8] = b"0123456789\n";
        assert_eq!(read_line(&mut reader, 10).await.expect("reads"), Line::TooLong);
        let mut reader: &[u8] = b"012345678\n";
        assert_eq!(read_line(&mut reader, 10).await.expect("reads"), Line::Whole(b"012345678".to_vec()));
    }
}
