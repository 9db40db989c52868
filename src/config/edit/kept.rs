//! Edits of how long the history of single monitors is kept.

use std::collections::BTreeMap;

use super::backend::SectionValues;
use super::document::{Document, Which};
use super::draft::{Draft, Written};
use super::error::EditError;
use super::place::monitors;
use crate::config::schema::KEPT_KEYS;
use crate::model::MonitorId;

/// The key that says so.
const KEY: &str = "retention";

/// What a monitor sets of its own retention.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WrittenRetention {
    /// Its name as it is written.
    pub name: String,
    /// The id that the file gives it.
    pub id: Option<MonitorId>,
    /// By key of the tier in the spelling of the documentation, as it is written.
    pub values: BTreeMap<String, String>,
}

/// A key of a tier as the documentation spells it.
pub(super) fn tier_spelling(key: &str) -> &str {
    KEPT_KEYS.iter().map(|known| known.name).find(|known| known.eq_ignore_ascii_case(key)).unwrap_or(key)
}

impl Document {
    /// The monitors that set something of their own retention, in the order of the file.
    #[must_use]
    pub fn own_retention(&self) -> Vec<WrittenRetention> {
        let of = |(_, group, meaning)| {
            let draft = Draft::of(group, meaning);
            let Some(Written::Map(map)) = draft.values.get(KEY) else { return None };
            let set = map.iter().filter(|(_, value)| !value.is_empty());
            let values: BTreeMap<_, _> =
                set.map(|(key, value)| (tier_spelling(key).to_owned(), value.clone())).collect();
            let id = draft.text("id").and_then(|id| id.parse().ok());
            (!values.is_empty()).then(|| WrittenRetention { name: draft.name().to_owned(), id, values })
        };
        monitors(self.meaning()).filter_map(of).collect()
    }

    /// Gives a monitor other times of its own; a tier with none has those of its group, or of all. What is not among
    /// `values` stays.
    ///
    /// # Errors
    /// No such monitor, or it is written in a way that cannot be changed without changing something else.
    pub fn set_own_retention(&self, which: Which<'_>, values: &SectionValues) -> Result<Self, EditError> {
        let mut draft = self.draft(which)?;
        let mut map = match draft.values.get(KEY) {
            Some(Written::Map(map)) => map.clone(),
            Some(Written::Opaque(_)) => return Err(EditError::Opaque { key: KEY.to_owned() }),
            Some(Written::Text(_)) | None => BTreeMap::new(),
        };
        map.retain(|_, value| !value.is_empty());
        for (key, value) in values {
            let there = map.keys().find(|there| there.eq_ignore_ascii_case(key)).cloned();
            let key = there.unwrap_or_else(|| key.clone());
            match value {
                Some(value) => drop(map.insert(key, value.clone())),
                None => drop(map.remove(&key)),
            }
        }
        draft.set(KEY, (!map.is_empty()).then_some(Written::Map(map)));
        self.set_monitor(which, &draft, None)
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    const FILE: &str = "# mine\r\nmonitoring:\r\n  groups:\r\n    - name: all\r\n      retention: {raw: 9d} # of all\r\n      \
        monitors:\r\n        - name: router # ours\r\n          type: ping\r\n          target: 192.0.2.1\r\n          \
        retention: # long\r\n            Raw: 90d # a quarter\r\n            hour: forever\r\n        \
        - {name: wiki, type: tcp, target: 192.0.2.2, port: 80}\r\n# end\r\n";

    fn read(text: &str) -> Document {
        Document::parse(text.as_bytes(), Path::new("config.yml")).expect("reads")
    }

    fn set(text: &str, name: &str, values: &[(&str, Option<&str>)]) -> String {
        let values = values.iter().map(|(key, value)| ((*key).to_owned(), value.map(str::to_owned))).collect();
        read(text).set_own_retention(Which::Name(name), &values).expect("edits").text().to_owned()
    }

    #[test]
    fn only_what_is_meant_changes() {
        let own = read(FILE).own_retention();
        assert_eq!(own.len(), 1, "what a group sets is not its monitors' own");
        let values: Vec<_> = own[0].values.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
        assert_eq!((own[0].name.as_str(), values), ("router", vec![("hour", "forever"), ("raw", "90d")]));
        let longer = set(FILE, "router", &[("raw", Some("120d")), ("fiveMinutes", None)]);
        assert_eq!(longer, FILE.replace("Raw: 90d", "Raw: 120d"));
        let less = set(FILE, "router", &[("hour", None)]);
        assert_eq!(less, FILE.replace("            hour: forever\r\n", ""));
        let none = set(FILE, "router", &[("raw", None), ("hour", None)]);
        assert!(read(&none).own_retention().is_empty() && none.contains("# ours\r\n") && none.ends_with("# end\r\n"));
        assert!(!none.contains("long") && none.contains("retention: {raw: 9d} # of all"), "{none}");
        assert_eq!(none.matches('\n').count(), none.matches("\r\n").count());
    }

    #[test]
    fn a_monitor_in_braces_gets_times_in_braces() {
        let added = set(FILE, "wiki", &[("raw", Some("7d")), ("day", None)]);
        assert_eq!(added, FILE.replace("port: 80}", "port: 80, retention: {raw: 7d}}"));
        assert_eq!(set(&added, "wiki", &[("raw", None)]), FILE);
    }
}
