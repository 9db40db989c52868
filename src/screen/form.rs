//! Forms: fields, drafts, and what comes of saving.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use specta::Type;

use super::number::Millis;
use crate::model;

/// What a field holds and what is allowed in it.
#[derive(Clone, Debug, PartialEq, Serialize, Type)]
#[serde(tag = "type", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum FieldKind {
    /// Any text.
    Text,
    /// A whole number within the bounds.
    Integer {
        /// Smallest.
        #[specta(type = i32)]
        min: i64,
        /// Largest.
        #[specta(type = i32)]
        max: i64,
    },
    /// `true` or `false`.
    Toggle,
    /// A length of time, as in `30s`, `1m30s`, `2d`.
    Duration {
        /// Shortest.
        #[specta(type = u32)]
        min_ms: u64,
        /// Longest.
        #[specta(type = u32)]
        max_ms: u64,
    },
    /// One of the words.
    Choice {
        /// The words.
        choices: Vec<String>,
    },
    /// Text that belongs in the vault.
    Secret,
    /// A map of text to text.
    TextMap,
    /// A path of the file system.
    Path,
}

impl From<model::FieldKind> for FieldKind {
    fn from(kind: model::FieldKind) -> Self {
        match kind {
            model::FieldKind::Text => Self::Text,
            model::FieldKind::Integer { min, max } => Self::Integer { min, max },
            model::FieldKind::Toggle => Self::Toggle,
            model::FieldKind::Duration { min_ms, max_ms } => Self::Duration { min_ms, max_ms },
            model::FieldKind::Choice(words) => {
                Self::Choice { choices: words.iter().map(|word| (*word).to_owned()).collect() }
            }
            model::FieldKind::Secret => Self::Secret,
            model::FieldKind::TextMap => Self::TextMap,
            model::FieldKind::Path => Self::Path,
        }
    }
}

/// One field of a form.
#[derive(Clone, Debug, PartialEq, Serialize, Type)]
pub struct FieldSpec {
    /// The key in the file.
    pub key: String,
    /// What it holds.
    pub kind: FieldKind,
    /// Whether it must be given.
    pub required: bool,
    /// The value when it is not given, as it would be written.
    pub default: Option<String>,
    /// One sentence: what it does.
    pub doc: String,
}

impl From<&model::FieldSpec> for FieldSpec {
    fn from(spec: &model::FieldSpec) -> Self {
        Self {
            key: spec.key.to_owned(),
            kind: spec.kind.into(),
            required: spec.required,
            default: spec.default.map(str::to_owned),
            doc: spec.doc.to_owned(),
        }
    }
}

/// A kind of monitor and its own fields.
#[derive(Clone, Debug, PartialEq, Serialize, Type)]
pub struct KindSpec {
    /// The word in the file.
    pub id: String,
    /// Its fields.
    pub fields: Vec<FieldSpec>,
}

/// Everything that a form for a monitor is drawn from.
#[derive(Clone, Debug, PartialEq, Serialize, Type)]
pub struct FormSpec {
    /// Fields that every monitor has.
    pub common: Vec<FieldSpec>,
    /// The kinds.
    pub kinds: Vec<KindSpec>,
    /// The groups of the file.
    pub groups: Vec<String>,
}

/// A value as it stands in the file: `${…}` stays as written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, Type)]
#[serde(untagged)]
pub enum DraftValue {
    /// A scalar.
    Text(String),
    /// A map of text.
    Map(BTreeMap<String, String>),
    /// Not set: what is inherited holds.
    Unset,
}

/// Where something is inherited from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, Type)]
#[serde(rename_all = "snake_case")]
pub enum InheritedFrom {
    /// The group sets it.
    Group,
    /// The file sets it for all, or it is built in.
    Default,
}

/// What holds where nothing is set.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, Type)]
pub struct Inherited {
    /// As it would be written.
    pub value: String,
    /// Who says so.
    pub from: InheritedFrom,
}

/// Which draft is asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, Type)]
#[serde(untagged)]
pub enum DraftOf {
    /// Of a monitor that there is.
    Known {
        /// Its id.
        id: String,
    },
    /// Of a new one.
    New {
        /// Its kind.
        kind: String,
        /// The group it shall stand in.
        group: Option<String>,
    },
}

/// A monitor as it is written, for editing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, Type)]
pub struct MonitorDraft {
    /// Of the monitor that is edited; none for a new one.
    pub id: Option<String>,
    /// Its kind.
    pub kind: String,
    /// Its group.
    pub group: String,
    /// By key of the field; one that is not there stays as it is.
    pub values: BTreeMap<String, DraftValue>,
    /// By key of the field: what holds where nothing is set.
    pub inherited: BTreeMap<String, Inherited>,
    /// Tells the content of the file that this was read from.
    pub base: String,
}

/// A fault in the value of one field.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Type)]
pub struct FieldError {
    /// Key of the field.
    pub key: String,
    /// What is wrong and what is allowed.
    pub what: String,
}

/// What came of saving.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Type)]
#[serde(tag = "outcome", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum SaveOutcome {
    /// It is written.
    Saved {
        /// Tells the new content.
        base: String,
        /// Whether it can be undone.
        undo: bool,
    },
    /// Something is wrong with the values; nothing was written.
    Refused {
        /// What, at which field.
        errors: Vec<FieldError>,
    },
    /// The file was changed elsewhere meanwhile; nothing was written.
    Conflict {
        /// Tells the content that is there now; saving with it as base puts mine over it.
        their_base: String,
        /// What is there now.
        theirs: String,
        /// What would have been written.
        mine: String,
    },
}

/// An earlier content of the file.
#[derive(Clone, Debug, PartialEq, Serialize, Type)]
#[serde(rename_all = "camelCase")]
pub struct FileVersion {
    /// Names it.
    pub id: String,
    /// When it was replaced.
    pub saved_ms: Millis,
    /// Its size.
    #[specta(type = u32)]
    pub bytes: u64,
}
