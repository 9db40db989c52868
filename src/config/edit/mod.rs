//! Editing the file in place: an edit changes what it means and leaves every other byte as it was.
//!
//! `document.rs` is the text with what it says (`meaning.rs`) and where that stands (`spans.rs`, with `scan.rs` for the
//! gaps between). `draft.rs` is what a form holds of one monitor, `place.rs` finds it, `monitors.rs` makes the edits
//! out of `patch.rs` (maps), `list.rs` (lists), `write.rs` and `scalar.rs` (new text), and reads the result again: an
//! edit that would change anything else is refused.
//!
//! `backend.rs` changes the `storage` section, `kept.rs` what single monitors say of retention, `plain.rs` finds readable
//! secrets (through aliases: `aliases.rs`) and has the file name them instead. `file.rs` saves it: not over what somebody else wrote, not what the reader
//! would refuse (`refused.rs`), so that at every moment a whole file is there (`swap.rs`, `recover.rs`), and with the
//! versions before kept (`versions.rs`).

mod aliases;
mod backend;
mod document;
mod draft;
mod error;
mod file;
mod kept;
mod list;
mod meaning;
mod monitors;
mod patch;
mod place;
mod plain;
mod recover;
mod refused;
mod scalar;
mod scan;
mod spans;
mod swap;
mod versions;
mod write;

pub use self::backend::SectionValues;
pub use self::document::{Document, Which};
pub use self::draft::{Draft, Inherited, Opaque, Written};
pub use self::error::EditError;
pub use self::file::{ConfigFile, Conflict, SaveError, Saved};
pub use self::kept::WrittenRetention;
pub use self::plain::{ByHand, Owner, PlainPart, PlainSecret};
pub use self::refused::FieldProblem;
pub use self::swap::Way;
pub use self::versions::Version;
