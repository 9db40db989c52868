//! One line for an error and everything behind it.

use std::error::Error;
use std::fmt::Write as _;

/// Joins an error and its sources with `: `, leaving out a source whose text the line already ends with.
#[must_use]
pub fn error_chain(error: &(dyn Error + 'static)) -> String {
    let mut line = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let text = cause.to_string();
        if !line.ends_with(&text) {
            // Writing to a String cannot fail.
            let _ = write!(line, ": {text}");
        }
        source = cause.source();
    }
    line
}
