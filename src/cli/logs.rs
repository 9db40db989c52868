//! Where the log of `run` goes: standard error, a file, or memory while the table is on the screen.

use std::collections::{BTreeMap, VecDeque};
use std::fs::File;
use std::io::{self, Write};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use tracing_subscriber::fmt::MakeWriter;

use super::words;

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

/// Log lines with the words of `logging.fields` on each.
#[derive(Debug, Clone)]
pub(super) struct LogLines {
    sink: LogSink,
    /// Members of a JSON object, or words for people; empty when there are none.
    words: Arc<str>,
    json: bool,
}

impl LogLines {
    /// Lines to a sink, in JSON or for people.
    pub(super) fn new(sink: LogSink, fields: &BTreeMap<String, String>, json: bool) -> Self {
        let word = |(key, value): (&String, &String)| {
            if json {
                format!("{}:{},", serde_json::Value::from(key.as_str()), serde_json::Value::from(value.as_str()))
            } else {
                format!(" {}={}", words::clean(key), words::clean(value))
            }
        };
        Self { sink, words: fields.iter().map(word).collect::<String>().into(), json }
    }
}

impl Write for LogLines {
    /// The log gives whole lines.
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let at = if self.json { bytes.iter().position(|byte| *byte == b'{').map(|at| at + 1) } else { None };
        let at = at.unwrap_or(bytes.len() - usize::from(bytes.ends_with(b"\n")));
        let line = [&bytes[..at], self.words.as_bytes(), &bytes[at..]].concat();
        self.sink.write_all(&line)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.sink.flush()
    }
}

impl<'w> MakeWriter<'w> for LogLines {
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
            writeln!(sink.clone(), "line {number}").expect("writes");
        }
        let kept = sink.take();
        assert_eq!(kept.len(), KEPT);
        assert_eq!((kept[0].as_str(), kept[KEPT - 1].as_str()), ("line 5\n", "line 204\n"));
        assert!(sink.take().is_empty());
    }

    #[test]
    fn each_line_has_the_words_of_the_configuration() {
        let fields = BTreeMap::from([("site".to_owned(), "attic \"2\"".to_owned())]);
        for (json, line, wanted) in [
            (true, "{\"level\":\"INFO\"}\n", "{\"site\":\"attic \\\"2\\\"\",\"level\":\"INFO\"}\n"),
            (false, "INFO told\n", "INFO told site=attic \"2\"\n"),
        ] {
            let sink = LogSink::kept();
            LogLines::new(sink.clone(), &fields, json).make_writer().write_all(line.as_bytes()).expect("writes");
            assert_eq!(sink.take(), [wanted]);
        }
        let sink = LogSink::kept();
        LogLines::new(sink.clone(), &BTreeMap::new(), true).write_all(b"{}\n").expect("writes");
        assert_eq!(sink.take(), ["{}\n"]);
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
