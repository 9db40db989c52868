//! What is wrong with a file: every fault with its place, what is allowed, and the word that was probably meant.

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use serde::Serialize;
use thiserror::Error;

use crate::model::clean_text;

/// Most errors, and most warnings, that are kept of one file; the rest is counted.
const MOST: usize = 1_000;

/// Longest piece of the file that a message repeats, in bytes.
const QUOTED: usize = 80;

/// Whether a problem keeps the file from being used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// The file is refused.
    Error,
    /// The file is used; something in it has no effect, or another one than it seems.
    Warning,
}

/// One thing that is wrong. Displayed as one line: `FILE:LINE:COLUMN: what; allowed: …; did you mean …?`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// Whether the file is refused because of it.
    pub severity: Severity,
    /// The file as it was named, or `environment`.
    pub file: Arc<str>,
    /// Line, from 1; 0 for a problem of the environment, which has no place.
    pub line: u32,
    /// Column in characters, from 1; 0 where there is no line.
    pub column: u32,
    /// Length in characters, at least 1; may go beyond the end of the line.
    pub len: u32,
    /// What is wrong.
    pub what: String,
    /// What is allowed instead.
    pub allowed: Option<String>,
    /// The known word nearest to an unknown one.
    pub nearest: Option<String>,
}

impl Problem {
    /// What is wrong, what is allowed and what was probably meant, without the place.
    #[must_use]
    pub fn sentence(&self) -> String {
        let mut text = self.what.clone();
        if let Some(allowed) = &self.allowed {
            text.push_str("; allowed: ");
            text.push_str(allowed);
        }
        if let Some(nearest) = &self.nearest {
            text.push_str("; did you mean `");
            text.push_str(nearest);
            text.push_str("`?");
        }
        text
    }

    pub(super) fn allowed(&mut self, allowed: impl Into<String>) -> &mut Self {
        self.allowed = Some(allowed.into());
        self
    }

    pub(super) fn nearest(&mut self, nearest: Option<&str>) -> &mut Self {
        self.nearest = nearest.map(str::to_owned);
        self
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file)?;
        if self.line > 0 {
            write!(f, ":{}:{}", self.line, self.column)?;
        }
        let mark = if self.severity == Severity::Warning { "warning: " } else { "" };
        write!(f, ": {mark}{}", self.sentence())
    }
}

/// A place in the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    /// From 1.
    pub(super) line: u32,
    /// In characters, from 1.
    pub(super) column: u32,
    /// In characters, at least 1.
    pub(super) len: u32,
}

impl Place {
    /// The first character of the file.
    pub(super) const START: Self = Self { line: 1, column: 1, len: 1 };
}

/// Gathers the problems of one file.
pub(super) struct Problems {
    file: Arc<str>,
    environment: Arc<str>,
    errors: Vec<Problem>,
    warnings: Vec<Problem>,
    left_out: usize,
    /// Takes what is not kept.
    spare: Problem,
}

impl Problems {
    pub(super) fn new(file: &str) -> Self {
        let file: Arc<str> = clean_text(file, 1024).into();
        let spare = Problem {
            severity: Severity::Error,
            file: Arc::clone(&file),
            line: 0,
            column: 0,
            len: 1,
            what: String::new(),
            allowed: None,
            nearest: None,
        };
        Self { file, environment: "environment".into(), errors: Vec::new(), warnings: Vec::new(), left_out: 0, spare }
    }

    pub(super) fn has_errors(&self) -> bool {
        !self.errors.is_empty()
    }

    pub(super) fn error(&mut self, place: Place, what: impl Into<String>) -> &mut Problem {
        let file = Arc::clone(&self.file);
        self.add(Severity::Error, file, (place.line, place.column, place.len), what.into())
    }

    pub(super) fn warning(&mut self, place: Place, what: impl Into<String>) -> &mut Problem {
        let file = Arc::clone(&self.file);
        self.add(Severity::Warning, file, (place.line, place.column, place.len), what.into())
    }

    /// An error where a value stands; none is a value of the environment.
    pub(super) fn error_at(&mut self, place: Option<Place>, what: impl Into<String>) -> &mut Problem {
        match place {
            Some(place) => self.error(place, what),
            None => self.environment(Severity::Error, what),
        }
    }

    /// A problem of the environment, which has no place in the file.
    pub(super) fn environment(&mut self, severity: Severity, what: impl Into<String>) -> &mut Problem {
        let file = Arc::clone(&self.environment);
        self.add(severity, file, (0, 0, 1), what.into())
    }

    fn add(
        &mut self,
        severity: Severity,
        file: Arc<str>,
        (line, column, len): (u32, u32, u32),
        what: String,
    ) -> &mut Problem {
        let problem = Problem { severity, file, line, column, len: len.max(1), what, allowed: None, nearest: None };
        let list = if severity == Severity::Error { &mut self.errors } else { &mut self.warnings };
        if list.len() < MOST {
            let at = list.len();
            list.push(problem);
            return &mut list[at];
        }
        self.left_out += usize::from(severity == Severity::Error);
        self.spare = problem;
        &mut self.spare
    }

    /// The warnings, where there is no error; else everything, in the order of the file.
    pub(super) fn finish(mut self, text: Arc<str>) -> Result<Vec<Problem>, Refusal> {
        if self.errors.is_empty() {
            self.warnings.sort_by_key(|p| (p.line, p.column));
            return Ok(self.warnings);
        }
        let mut problems = self.errors;
        problems.append(&mut self.warnings);
        problems.sort_by_key(|p| (p.line, p.column));
        Err(Refusal { problems, left_out: self.left_out, text })
    }
}

/// A file that is refused, with everything that is wrong in it.
#[derive(Clone, PartialEq, Eq)]
pub struct Refusal {
    /// Every error and every warning, in the order of the file.
    pub problems: Vec<Problem>,
    /// Errors beyond the first thousand.
    pub left_out: usize,
    /// The text that was read, for showing lines of it; empty where it could not be read as text.
    pub text: Arc<str>,
}

impl Refusal {
    /// Errors, not counting warnings.
    #[must_use]
    pub fn errors(&self) -> usize {
        self.problems.iter().filter(|p| p.severity == Severity::Error).count() + self.left_out
    }
}

impl fmt::Debug for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Not the text: it may hold passwords.
        f.debug_struct("Refusal")
            .field("problems", &self.problems)
            .field("left_out", &self.left_out)
            .finish_non_exhaustive()
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let first = self.problems.iter().find(|p| p.severity == Severity::Error);
        match (first, self.errors()) {
            (Some(first), 1) => first.fmt(f),
            (Some(first), errors) => write!(f, "{errors} problems; the first: {first}"),
            (None, _) => f.write_str("the configuration is refused"),
        }
    }
}

/// Why there is no configuration.
#[derive(Debug, Error)]
pub enum LoadError {
    /// The file cannot be read at all.
    #[error("cannot read the configuration file {}: {source}", path.display())]
    Read {
        /// Which file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The file is wrong.
    #[error("{0}")]
    Refused(Refusal),
}

impl LoadError {
    /// Everything that is wrong in the file; nothing where it could not be read.
    #[must_use]
    pub fn problems(&self) -> &[Problem] {
        match self {
            Self::Read { .. } => &[],
            Self::Refused(refusal) => &refusal.problems,
        }
    }

    /// The text that was read, for showing lines of it.
    #[must_use]
    pub fn text(&self) -> &str {
        match self {
            Self::Read { .. } => "",
            Self::Refused(refusal) => &refusal.text,
        }
    }
}

impl From<Refusal> for LoadError {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

/// A piece of the file in a message: cleaned, cut, and in backticks.
pub(super) fn quoted(text: &str) -> String {
    format!("`{}`", clean_text(text, QUOTED))
}

/// The known word that was probably meant: at most a third of its letters differ.
pub(super) fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    if word.len() > 64 {
        return None;
    }
    let word = word.to_lowercase();
    known
        .into_iter()
        .map(|candidate| (strsim::osa_distance(&word, &candidate.to_lowercase()), candidate))
        .filter(|(distance, candidate)| *distance <= (candidate.len().min(word.len()) / 3).max(1))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_word_is_found_and_a_far_one_is_not() {
        let known = ["ping", "http", "tcp", "dns"];
        assert_eq!(nearest("htpp", known), Some("http"));
        assert_eq!(nearest("PNIG", known), Some("ping"));
        assert_eq!(nearest("smtp", known), None);
        assert_eq!(nearest(&"x".repeat(1_000_000), known), None);
        assert_eq!(nearest("expected_status", ["url", "expectedStatus"]), Some("expectedStatus"));
    }

    #[test]
    fn too_many_problems_are_counted_not_kept() {
        let mut problems = Problems::new("a.yml");
        problems.warning(Place { line: 9, column: 1, len: 1 }, "odd");
        for line in 1..=1_500 {
            problems.error(Place { line, column: 2, len: 3 }, "wrong").allowed("right");
        }
        let refusal = problems.finish("".into()).expect_err("refused");
        assert_eq!((refusal.problems.len(), refusal.left_out, refusal.errors()), (1_001, 500, 1_500));
        assert_eq!(refusal.problems[0].to_string(), "a.yml:1:2: wrong; allowed: right");
        assert_eq!(refusal.to_string(), "1500 problems; the first: a.yml:1:2: wrong; allowed: right");
    }

    #[test]
    fn quoted_text_is_cleaned_and_cut() {
        assert_eq!(quoted("a\u{1b}[31mb"), "`a [31mb`");
        assert!(quoted(&"x".repeat(500)).len() < 90);
    }
}
