//! Edits of the `storage` section: another backend is named, and sections below it get other values.

use std::collections::BTreeMap;

use super::document::Document;
use super::error::EditError;
use super::meaning::Meaning;
use super::monitors::{add_pair, is_nothing};
use super::patch::Patch;
use super::spans::{Item, Kind};
use super::write::{New, pair_lines};
use crate::config::schema::{Key, Shape, sections};
use crate::model::FieldKind;

/// What the edit is about, for messages.
const WHAT: &str = "`storage.backend`";

/// Values of a section by key: the text that is to stand there, or none where the key is to go. What is not among them
/// stays.
pub type SectionValues = BTreeMap<String, Option<String>>;

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

    /// The single values that a section below `storage` holds as they are written, by key in the spelling of the
    /// documentation.
    #[must_use]
    pub fn storage_values(&self, section: &str) -> BTreeMap<String, String> {
        let settings = self.meaning().get("storage").and_then(|storage| storage.get(section));
        let Some(Meaning::Map(map)) = settings else { return BTreeMap::new() };
        let value = |(key, value): (&String, &Meaning)| Some((spelling(section, key), value.text()?.to_owned()));
        map.iter().filter_map(value).collect()
    }

    /// Gives keys of a section below `storage` other values; all else stays as it is. A section is made where there is
    /// none, and goes where nothing is left of it.
    ///
    /// # Errors
    /// The section is written in a way that cannot be changed without changing something else.
    pub fn set_storage(&self, section: &str, values: &SectionValues) -> Result<Self, EditError> {
        let what = format!("`storage.{section}`");
        let mut document = self.clone();
        for step in [Step::Replace, Step::Add, Step::Add, Step::Remove] {
            let patches = document.section_patches(section, values, step)?;
            document = document.patched(patches, &what)?;
        }
        let mut expected = self.storage_values(section);
        for (key, value) in values {
            match value {
                Some(value) => drop(expected.insert(key.clone(), value.clone())),
                None => drop(expected.remove(key)),
            }
        }
        let is_right = document.storage_values(section) == expected
            && without(self.meaning(), section, values) == without(document.meaning(), section, values);
        if is_right { Ok(document) } else { Err(EditError::Elsewhere { what }) }
    }

    fn section_patches(&self, section: &str, values: &SectionValues, step: Step) -> Result<Vec<Patch>, EditError> {
        let sheet = self.sheet();
        let unclear = |at| self.unclear(at);
        let storage = self.root().and_then(|root| root.pair("storage")).filter(|pair| !is_nothing(&pair.value));
        let own = storage.and_then(|storage| storage.value.pair(section));
        let pairs = own.map_or(&[][..], |own| own.value.pairs());
        let pair_of = |key: &str| pairs.iter().position(|pair| pair.word().eq_ignore_ascii_case(key));
        match step {
            Step::Replace => {
                let Some(own) = own else { return Ok(Vec::new()) };
                if matches!(own.value.kind, Kind::Alias) {
                    let line = super::scan::line_number(self.text(), own.value.start);
                    return Err(EditError::Repeated { what: "the section", line });
                }
                let changed = values.iter().filter_map(|(key, value)| {
                    let (pair, value) = (&pairs[pair_of(key)?], value.as_deref()?);
                    let is_other = pair.value.text() != Some(value) || is_nothing(&pair.value);
                    is_other.then(|| sheet.replace(pair, own.value.is_flow(), Some((value, is_typed(section, key)))))
                });
                Ok(changed.collect())
            }
            Step::Add => {
                let new = values.iter().filter(|(key, _)| pair_of(key).is_none());
                let mut new: Vec<(String, New)> = new
                    .filter_map(|(key, value)| {
                        let (text, typed) = (value.clone()?, is_typed(section, key));
                        Some((key.clone(), New::Text { text, typed }))
                    })
                    .collect();
                new.sort_by_key(|(key, _)| place_of(section, key));
                if new.is_empty() { Ok(Vec::new()) } else { self.add_to_section(section, new) }
            }
            Step::Remove => {
                let mut gone: Vec<usize> =
                    values.iter().filter(|(_, value)| value.is_none()).filter_map(|(key, _)| pair_of(key)).collect();
                gone.sort_unstable();
                match (own, storage) {
                    (Some(own), Some(storage)) if !gone.is_empty() && gone.len() == pairs.len() => {
                        let is_own = |pair: &super::spans::Pair| std::ptr::eq(pair, own);
                        let at = storage.value.pairs().iter().position(is_own).unwrap_or_default();
                        match storage.value.pairs().len() {
                            1 => Ok(vec![sheet.replace(storage, false, None)]),
                            _ => sheet.remove_pairs(&storage.value, &[at]).map_err(unclear),
                        }
                    }
                    (Some(own), _) => sheet.remove_pairs(&own.value, &gone).map_err(unclear),
                    _ => Ok(Vec::new()),
                }
            }
        }
    }

    /// Puts pairs into a section that may not be there.
    fn add_to_section(&self, section: &str, new: Vec<(String, New)>) -> Result<Vec<Patch>, EditError> {
        let sheet = self.sheet();
        let is_map = |root: &&Item| !is_nothing(root) || matches!(root.kind, Kind::Map { .. });
        let whole = || New::Map(new.clone());
        let Some(root) = self.root().filter(is_map) else {
            let storage = New::Map(vec![(section.to_owned(), whole())]);
            return Ok(vec![self.at_the_end(&pair_lines("storage", &storage, sheet.indentation))]);
        };
        let Some(storage) = root.pair("storage") else {
            return add_pair(self, root, "storage", New::Map(vec![(section.to_owned(), whole())]));
        };
        if is_nothing(&storage.value) {
            return self.first_of(root, storage, section, whole());
        }
        let Some(own) = storage.value.pair(section) else { return add_pair(self, &storage.value, section, whole()) };
        if is_nothing(&own.value) {
            // One makes a map of it, the rest comes after it.
            let Some((key, value)) = new.into_iter().next() else { return Ok(Vec::new()) };
            return self.first_of(&storage.value, own, &key, value);
        }
        sheet.add_pairs(&own.value, &new).map_err(|at| self.unclear(at))
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

/// What comes first, next and last, so that no map is ever empty in between.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    Replace,
    Add,
    Remove,
}

/// The keys of a section below `storage`, in the order of the documentation.
fn keys_of(section: &str) -> Vec<Key> {
    let path = format!("storage.{section}");
    sections()
        .into_iter()
        .find(|known| known.path.eq_ignore_ascii_case(&path))
        .map_or_else(Vec::new, |found| found.keys)
}

fn spelling(section: &str, key: &str) -> String {
    let known = keys_of(section).into_iter().find(|known| known.name.eq_ignore_ascii_case(key));
    known.map_or_else(|| key.to_owned(), |known| known.name.to_owned())
}

fn place_of(section: &str, key: &str) -> usize {
    keys_of(section).iter().position(|known| known.name == key).unwrap_or(usize::MAX)
}

/// Whether a key holds what stands without quotes.
fn is_typed(section: &str, key: &str) -> bool {
    let known = keys_of(section).into_iter().find(|known| known.name == key);
    known.is_some_and(|known| {
        !matches!(known.shape, Shape::Field(FieldKind::Text | FieldKind::Secret | FieldKind::Path))
    })
}

/// What a file says besides some values of a section below `storage`; a section of which nothing is left is none.
fn without(root: &Meaning, section: &str, values: &SectionValues) -> Meaning {
    let mut rest = root.clone();
    let Some(storage) = rest.entry("storage", Meaning::Map(BTreeMap::new())) else { return rest };
    if let Some(Meaning::Map(own)) = storage.entry(section, Meaning::Map(BTreeMap::new())) {
        own.retain(|key, _| !values.keys().any(|gone| gone.eq_ignore_ascii_case(key)));
    }
    rest
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

    fn set(text: &str, section: &str, values: &[(&str, Option<&str>)]) -> Result<String, EditError> {
        let document = Document::parse(text.as_bytes(), Path::new("config.yml")).expect("reads");
        let values = values.iter().map(|(key, value)| ((*key).to_owned(), value.map(str::to_owned))).collect();
        document.set_storage(section, &values).map(|document| document.text().to_owned())
    }

    #[test]
    fn values_of_a_section_change_and_the_rest_stays() {
        let before = "storage:\n  backend: postgres\n  postgres: # mine\n    HOST: a # here\n    port: 1\n    schema: s\n# end\n";
        let changes = [("host", Some("b: c")), ("port", Some("5432")), ("schema", None), ("user", Some("me"))];
        let after = "storage:\n  backend: postgres\n  postgres: # mine\n    HOST: \"b: c\" # here\n    port: 5432\n    user: me\n# end\n";
        assert_eq!(set(before, "postgres", &changes).expect("edits"), after);
        assert_eq!(set(after, "postgres", &changes).expect("edits"), after, "nothing to do");
        let flow = "storage: {postgres: {host: a, port: 1}}\n";
        assert_eq!(
            set(flow, "postgres", &[("port", None), ("user", Some("x"))]).expect("edits"),
            "storage: {postgres: {host: a, user: x}}\n"
        );
        assert_eq!(
            set(before, "retention", &[("raw", Some("9d"))]).expect("edits"),
            before.replace("# end", "  retention:\n    raw: 9d\n# end")
        );
    }

    #[test]
    fn a_section_comes_and_goes_with_its_values() {
        let values = [("password", Some("${secret:a}")), ("host", Some("h"))];
        let made = "storage:\n  postgres:\n    host: h\n    password: ${secret:a}\n";
        for nothing in ["", "storage:\n", "storage:\n  postgres:\n"] {
            assert_eq!(set(nothing, "postgres", &values).expect("edits"), made, "{nothing:?}");
        }
        let beside = "storage:\n  backend: none\n  postgres:\n  journal: {limit: 1GB}\n";
        let with = set(beside, "postgres", &[("host", Some("h"))]).expect("edits");
        assert_eq!(with, "storage:\n  backend: none\n  postgres:\n    host: h\n  journal: {limit: 1GB}\n");
        let gone = beside.replace("  postgres:\n", "");
        assert_eq!(set(&with, "postgres", &[("host", None)]).expect("edits"), gone);
        assert_eq!(set("a: 1\n", "postgres", &[("host", None)]).expect("nothing to do"), "a: 1\n");
    }

    #[test]
    fn what_is_shared_is_not_changed() {
        let text = "x-a: &a {host: h}\nstorage: {postgres: *a}\n";
        set(text, "postgres", &[("host", Some("other"))]).expect_err("an alias");
        let text = "x-a: &a {host: h, port: 1}\nstorage: {postgres: {<<: *a, user: u}}\n";
        assert!(set(text, "postgres", &[("host", Some("other"))]).is_ok(), "its own value stands above");
        set(text, "postgres", &[("host", None)]).expect_err("it would come back");
        let text = "x-a: &a {backend: embedded}\nstorage: *a\n";
        let document = Document::parse(text.as_bytes(), Path::new("config.yml")).expect("reads");
        assert!(document.use_backend("none").is_err());
        assert!(!document.has_settings_of("postgres"));
    }
}
