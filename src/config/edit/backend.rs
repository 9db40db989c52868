//! The edit that names another backend.

use std::collections::BTreeMap;

use super::document::Document;
use super::error::EditError;
use super::meaning::Meaning;
use super::monitors::{add_pair, is_nothing};
use super::patch::Patch;
use super::spans::{Item, Kind};
use super::write::{New, pair_lines};

/// What the edit is about, for messages.
const WHAT: &str = "`storage.backend`";

impl Document {
    /// Whether the file has a section with settings of a backend.
    #[must_use]
    pub fn has_settings_of(&self, backend: &str) -> bool {
        let storage = self.meaning().get("storage");
        storage.and_then(|storage| storage.get(backend)).is_some_and(|settings| !settings.is_null())
    }

    /// Names the backend that history goes to; all else stays as it is, the settings of others too.
    ///
    /// # Errors
    /// The section is written in a way that cannot be changed without changing something else.
    pub fn use_backend(&self, backend: &str) -> Result<Self, EditError> {
        let document = self.patched(self.backend_patches(backend)?, WHAT)?;
        let is_right = named(document.meaning()) == Some(backend) && rest(self.meaning()) == rest(document.meaning());
        if is_right { Ok(document) } else { Err(EditError::Elsewhere { what: WHAT.to_owned() }) }
    }

    fn backend_patches(&self, backend: &str) -> Result<Vec<Patch>, EditError> {
        let sheet = self.sheet();
        let value = New::Text { text: backend.to_owned(), typed: false };
        let section = New::Map(vec![("backend".to_owned(), value.clone())]);
        let is_map = |root: &&Item| !is_nothing(root) || matches!(root.kind, Kind::Map { .. });
        let Some(root) = self.root().filter(is_map) else {
            return Ok(vec![self.at_the_end(&pair_lines("storage", &section, sheet.indentation))]);
        };
        match root.pair("storage") {
            None => add_pair(self, root, "storage", section),
            Some(pair) if is_nothing(&pair.value) => self.first_of(root, pair, "backend", value),
            Some(pair) => match pair.value.pair("backend") {
                Some(own) => Ok(vec![sheet.replace(own, pair.value.is_flow(), Some((backend, false)))]),
                None => add_pair(self, &pair.value, "backend", value),
            },
        }
    }
}

/// The backend that is named.
fn named(root: &Meaning) -> Option<&str> {
    root.get("storage")?.get("backend")?.text()
}

/// What a file says besides the backend's name.
fn rest(root: &Meaning) -> Meaning {
    let mut rest = root.clone();
    if let Some(Meaning::Map(storage)) = rest.entry("storage", Meaning::Map(BTreeMap::new())) {
        storage.retain(|key, _| !key.eq_ignore_ascii_case("backend"));
    }
    rest
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn used(text: &str, backend: &str) -> String {
        let document = Document::parse(text.as_bytes(), Path::new("config.yml")).expect("reads");
        document.use_backend(backend).expect("edits").text().to_owned()
    }

    #[test]
    fn comments_and_everything_else_stay() {
        let before =
            "# mine\nstorage: # where\n  backend: embedded # for now\n  embedded: {path: /a}\nmonitoring: {}\n";
        let after = "# mine\nstorage: # where\n  backend: none # for now\n  embedded: {path: /a}\nmonitoring: {}\n";
        assert_eq!(used(before, "none"), after);
        assert_eq!(used(after, "embedded"), before);
        assert_eq!(used("STORAGE: {Backend: 'embedded'}\n", "none"), "STORAGE: {Backend: 'none'}\n");
    }

    #[test]
    fn a_section_is_made_where_there_is_none() {
        assert_eq!(used("", "none"), "storage:\n  backend: none\n");
        assert_eq!(used("a: 1 # one\n", "none"), "a: 1 # one\nstorage:\n  backend: none\n");
        assert_eq!(used("storage:\na: 1\n", "none"), "storage:\n  backend: none\na: 1\n");
        assert_eq!(
            used("storage:\n  retention: {raw: 9d}\n", "none"),
            "storage:\n  retention: {raw: 9d}\n  backend: none\n"
        );
    }

    #[test]
    fn what_is_shared_is_not_changed() {
        let text = "x-a: &a {backend: embedded}\nstorage: *a\n";
        let document = Document::parse(text.as_bytes(), Path::new("config.yml")).expect("reads");
        assert!(document.use_backend("none").is_err());
        assert!(!document.has_settings_of("postgres"));
    }
}
