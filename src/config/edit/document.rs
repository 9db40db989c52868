//! The text of a configuration file, which keeps everything that an edit does not mean.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use std::sync::Arc;

use super::draft::{Draft, Inherited, inherited};
use super::error::EditError;
use super::list::unclear;
use super::meaning::Meaning;
use super::patch::{Patch, Sheet, apply};
use super::place::{Place, groups, monitors};
use super::scan::{column, line};
use super::spans::{self, Item};
use crate::config::node;
use crate::config::problem::Problems;
use crate::config::refusal;
use crate::config::source::{self, content_hash};
use crate::model::MonitorId;

/// Which monitor of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Which<'a> {
    /// By its name as it is written.
    Name(&'a str),
    /// By where it starts, as in [`crate::config::MonitorEntry`].
    At {
        /// From 1.
        line: u32,
        /// In characters, from 1.
        column: u32,
    },
    /// By the `id` that the file gives it.
    Id(MonitorId),
}

impl fmt::Display for Which<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => write!(f, "named `{}`", crate::model::clean_text(name, 80)),
            Self::At { line, column } => write!(f, "in line {line}, column {column}"),
            Self::Id(id) => write!(f, "with the id {id}"),
        }
    }
}

/// The text of a configuration file. An edit gives a new document and changes only what it means; what comes out is
/// read again, and refused where anything else would have changed.
#[derive(Clone)]
pub struct Document {
    /// Without byte order mark.
    text: Arc<str>,
    has_mark: bool,
    /// The hash of the file's content that the edits start from; none where there is no file.
    base: Option<u64>,
    meaning: Arc<Meaning>,
    root: Arc<Option<Item>>,
}

impl fmt::Debug for Document {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Not the text: it may hold passwords.
        f.debug_struct("Document").field("bytes", &self.text.len()).field("base", &self.base).finish_non_exhaustive()
    }
}

impl Document {
    /// That of a file that is not there yet.
    #[must_use]
    pub fn empty() -> Self {
        let meaning = Arc::new(Meaning::Map(BTreeMap::new()));
        Self { text: "".into(), has_mark: false, base: None, meaning, root: Arc::new(None) }
    }

    /// Reads the content of a file. `path` is how messages call it. A file of comments alone will do.
    ///
    /// # Errors
    /// It is no text, or no YAML. What else the reader of the configuration finds is no matter here.
    pub fn parse(bytes: &[u8], path: &Path) -> Result<Self, EditError> {
        let mut problems = Problems::new(&path.to_string_lossy());
        let Some(text) = source::text(bytes, &mut problems) else {
            return Err(EditError::Unreadable(refusal(problems, String::from_utf8_lossy(bytes).into())));
        };
        let has_mark = text.len() < bytes.len();
        Self::read(text, has_mark, Some(content_hash(bytes)), problems)
    }

    fn read(text: &str, has_mark: bool, base: Option<u64>, mut problems: Problems) -> Result<Self, EditError> {
        let tree = node::parse(text, &mut problems);
        let meaning = match (tree, problems.has_errors()) {
            (Some(tree), false) => Meaning::of(&tree),
            _ if matches!(spans::read(text), Ok(None)) => Meaning::Map(BTreeMap::new()),
            _ => return Err(EditError::Unreadable(refusal(problems, text.into()))),
        };
        let root = spans::read(text).map_err(|at| unclear(text, at))?;
        Ok(Self { text: text.into(), has_mark, base, meaning: Arc::new(meaning), root: Arc::new(root) })
    }

    /// The text, without byte order mark.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The content of the file.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mark = if self.has_mark { "\u{feff}" } else { "" };
        [mark.as_bytes(), self.text.as_bytes()].concat()
    }

    /// The hash of the file's content that the edits started from (see [`content_hash`]); none where there was no file.
    #[must_use]
    pub fn base(&self) -> Option<u64> {
        self.base
    }

    /// The names of the groups as they are written, in the order of the file.
    #[must_use]
    pub fn groups(&self) -> Vec<&str> {
        groups(&self.meaning).map(|(_, name, _)| name).collect()
    }

    /// The names of the monitors as they are written, in the order of the file.
    #[must_use]
    pub fn names(&self) -> Vec<&str> {
        monitors(&self.meaning).filter_map(|(.., meaning)| meaning.get("name")?.text()).collect()
    }

    /// The values of one monitor as they are written.
    ///
    /// # Errors
    /// No such monitor.
    pub fn draft(&self, which: Which<'_>) -> Result<Draft, EditError> {
        Ok(self.draft_at(self.find(which)?))
    }

    /// What a monitor of this group and kind gets where it sets nothing, by key: intervals and time-outs of the group
    /// or the file, thresholds, the defaults of the kind's own fields.
    #[must_use]
    pub fn inherited(&self, group: &str, kind: Option<&str>) -> BTreeMap<String, Inherited> {
        let group = groups(&self.meaning).find(|(_, name, _)| *name == group).map(|(.., meaning)| meaning);
        inherited(&self.meaning, group, kind)
    }

    pub(super) fn draft_at(&self, place: Place) -> Draft {
        let found = monitors(&self.meaning).find(|(at, ..)| *at == place);
        found.map_or_else(Draft::default, |(_, group, meaning)| Draft::of(group, meaning))
    }

    pub(super) fn find(&self, which: Which<'_>) -> Result<Place, EditError> {
        let in_line = match which {
            Which::At { line: number, .. } => line(&self.text, number),
            Which::Name(_) | Which::Id(_) => None,
        };
        let is_it = |place: Place, meaning: &Meaning| match which {
            Which::Name(name) => meaning.get("name").and_then(Meaning::text) == Some(name),
            Which::Id(id) => meaning.get("id").and_then(Meaning::text).is_some_and(|text| text.parse() == Ok(id)),
            Which::At { column: wanted, .. } => {
                let item = self.root().and_then(|root| place.item(root));
                let starts_there =
                    |item: &Item| u32::try_from(column(&self.text, item.start)).is_ok_and(|at| at + 1 == wanted);
                let in_line =
                    |item: &Item| in_line.as_ref().is_some_and(|line| (line.start..=line.end).contains(&item.start));
                item.is_some_and(|item| in_line(item) && starts_there(item))
            }
        };
        let found = monitors(&self.meaning).find(|(place, _, meaning)| is_it(*place, meaning));
        found.map(|(place, ..)| place).ok_or_else(|| EditError::NoMonitor { which: which.to_string() })
    }

    pub(super) fn meaning(&self) -> &Meaning {
        &self.meaning
    }

    pub(super) fn root(&self) -> Option<&Item> {
        self.root.as_ref().as_ref()
    }

    pub(super) fn sheet(&self) -> Sheet<'_> {
        Sheet::new(&self.text, self.root())
    }

    /// What stands at a place cannot be edited.
    pub(super) fn unclear(&self, at: spans::Unclear) -> EditError {
        unclear(&self.text, at)
    }

    /// The document after some patches; `what` is what they are about, for the message where they break the file.
    pub(super) fn patched(&self, patches: Vec<Patch>, what: &str) -> Result<Self, EditError> {
        if patches.is_empty() {
            return Ok(self.clone());
        }
        let text = apply(&self.text, patches).map_err(|at| self.unclear(at))?;
        let broken = |error| match error {
            // The text was fine before: an anchor went that is needed elsewhere, or the like.
            EditError::Unreadable(_) => EditError::Elsewhere { what: what.to_owned() },
            other => other,
        };
        Self::read(&text, self.has_mark, self.base, Problems::new("")).map_err(broken)
    }
}
