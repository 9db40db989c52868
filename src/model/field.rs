//! How a kind or a backend describes its settings, so that forms, documentation and the reader of files need to know
//! none of them by name.

use thiserror::Error;

/// What a field holds and what is allowed in it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum FieldKind {
    /// Any text.
    Text,
    /// A whole number within the bounds, both allowed.
    Integer {
        /// Smallest.
        min: i64,
        /// Largest.
        max: i64,
    },
    /// `true` or `false`.
    Toggle,
    /// A length of time within the bounds (milliseconds), both allowed.
    Duration {
        /// Shortest, in milliseconds.
        min_ms: u64,
        /// Longest, in milliseconds.
        max_ms: u64,
    },
    /// One of the listed words, in any case.
    Choice(&'static [&'static str]),
    /// Text that belongs in the vault.
    Secret,
    /// A map of text to text; keys keep their case.
    TextMap,
    /// A path of the file system.
    Path,
}

/// One setting of a kind or a backend. Forms derive their message keys from owner and key.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct FieldSpec {
    /// The key in the file, camelCase; read in any case.
    pub key: &'static str,
    /// What it holds.
    pub kind: FieldKind,
    /// Whether it must be given.
    pub required: bool,
    /// The value when it is not given, as it would be written in the file.
    pub default: Option<&'static str>,
    /// One sentence for people: what it does.
    pub doc: &'static str,
}

/// A fault in the value of one field.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{key}: {what}")]
pub struct FieldError {
    /// Key of the field.
    pub key: &'static str,
    /// What is wrong and what is allowed.
    pub what: String,
}

impl FieldError {
    /// A fault in `key`.
    pub fn new(key: &'static str, what: impl Into<String>) -> Self {
        Self { key, what: what.into() }
    }
}
