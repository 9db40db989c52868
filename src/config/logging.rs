//! The `logging` section.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::section::Given;

/// How a log line looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// Where log lines go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LogOutput {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
    /// At the end of a file.
    File(PathBuf),
}

/// What the program says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Logging {
    /// `trace`, `debug`, `info`, `warn` or `error`.
    pub level: &'static str,
    /// How a line looks; none leaves it to the command.
    pub format: Option<LogFormat>,
    /// Where lines go; none leaves it to the command.
    pub output: Option<LogOutput>,
    /// Words that go with each line; keys keep their case.
    pub fields: BTreeMap<String, String>,
}

/// Reads the section. Relative paths start at `folder`.
pub(super) fn read(given: &mut Given<'_, '_>, folder: &std::path::Path) -> Logging {
    let level = match given.text("logging.level") {
        Some("trace") => "trace",
        Some("debug") => "debug",
        Some("warn") => "warn",
        Some("error" | "fatal" | "panic") => "error",
        _ => "info",
    };
    let format = given.text("logging.format").map(|word| match word {
        "json" => LogFormat::Json,
        _ => LogFormat::Text,
    });
    let output = given.text("logging.output").map(|word| match word {
        "stdout" => LogOutput::Stdout,
        "stderr" => LogOutput::Stderr,
        path => LogOutput::File(folder.join(path)),
    });
    Logging { level, format, output, fields: given.take_map("logging.fields") }
}
