//! Why an edit was not made.

use thiserror::Error;

use crate::config::Refusal;

/// Why an edit was not made. The text is as it was before.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum EditError {
    /// The text is no YAML, or no text.
    #[error("the file cannot be edited before it is repaired: {0}")]
    Unreadable(Refusal),
    /// No such monitor.
    #[error("the file has no monitor {which}; it was renamed or removed meanwhile: read the file again")]
    NoMonitor {
        /// How it was asked for.
        which: String,
    },
    /// What is to be changed is written once and repeated by an alias or a merge key.
    #[error(
        "line {line}: {what} is repeated from elsewhere by an alias (`*`), so that a change would change both; edit the file by hand"
    )]
    Repeated {
        /// What it is: a monitor, a list.
        what: &'static str,
        /// Where the alias stands.
        line: u32,
    },
    /// What stands there is neither what is needed nor nothing.
    #[error("line {line}: {what} is not written as it has to be; edit the file by hand")]
    Misshapen {
        /// What it is.
        what: &'static str,
        /// Where.
        line: u32,
    },
    /// The text is written in a way that this editor does not know.
    #[error("line {line} is written in a way that cannot be edited here; edit the file by hand")]
    Unclear {
        /// Where.
        line: u32,
    },
    /// The change would have changed something else as well.
    #[error(
        "the change would change more than {what}, as what is written there is also used elsewhere (`&`, `<<`); edit the file by hand"
    )]
    Elsewhere {
        /// What was to be changed.
        what: String,
    },
    /// A value is neither text nor a map of texts; only the file itself can change it.
    #[error("`{key}` holds more than text and can only be changed in the file itself")]
    Opaque {
        /// Which key.
        key: String,
    },
    /// A monitor needs a name.
    #[error("a monitor needs a name and a group")]
    Nameless,
}
