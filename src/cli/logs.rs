//! Where the log of `run` goes: standard error, a file, or memory while the table is on the screen.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, Write};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use tracing_subscriber::fmt::MakeWriter;

/// Most lines that are kept in memory.
const KEPT: usize = 200;

/// Takes log lines.
#[derive(Debug, Clone)]
pub(super) enum LogSink {
    /// Standard error.
    Stderr,
    /// The end of a file.
    File(Arc<File>),
    /// Memory: the newest lines.
    Kept(Arc<Mutex<VecDeque<String>>>),
}

impl LogSink {
    /// The end of a file, made where there is none.
    pub(super) fn file(path: &Path) -> io::Result<Self> {
        File::options().append(true).create(true).open(path).map(|file| Self::File(Arc::new(file)))
    }

    /// Memory.
    pub(super) fn kept() -> Self {
        Self::Kept(Arc::default())
    }

    /// Lets go of the lines kept in memory.
    pub(super) fn take(&self) -> VecDeque<String> {
        match self {
            Self::Kept(lines) => std::mem::take(&mut *lines.lock().unwrap_or_else(PoisonError::into_inner)),
            Self::Stderr | Self::File(_) => VecDeque::new(),
        }
    }
}

impl Write for LogSink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Stderr => io::stderr().write(bytes),
            Self::File(file) => (&**file).write(bytes),
            Self::Kept(lines) => {
                let mut lines = lines.lock().unwrap_or_else(PoisonError::into_inner);
                let text = String::from_utf8_lossy(bytes);
                match lines.back_mut() {
                    // A line may come in parts.
                    Some(last) if !last.ends_with('\n') => last.push_str(&text),
                    _ => lines.push_back(text.into_owned()),
                }
                if lines.len() > KEPT {
                    lines.pop_front();
                }
                Ok(bytes.len())
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Stderr => io::stderr().flush(),
            Self::File(file) => (&**file).flush(),
            Self::Kept(_) => Ok(()),
        }
    }
}

impl<'w> MakeWriter<'w> for LogSink {
    type Writer = Self;

    fn make_writer(&'w self) -> Self {
        self.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_keeps_the_newest_lines() {
        let sink = LogSink::kept();
        for number in 0..KEPT + 5 {
            writeln!(sink.make_writer(), "line {number}").expect("writes");
        }
        let kept = sink.take();
        assert_eq!(kept.len(), KEPT);
        assert_eq!((kept[0].as_str(), kept[KEPT - 1].as_str()), ("line 5\n", "line 204\n"));
        assert!(sink.take().is_empty());
    }

    #[test]
    fn a_file_grows_at_its_end() {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("log");
        for word in ["one\n", "two\n"] {
            LogSink::file(&path).expect("opens").write_all(word.as_bytes()).expect("writes");
        }
        assert_eq!(std::fs::read_to_string(path).expect("reads"), "one\ntwo\n");
    }
}
