//! What a form of one monitor holds: the values as they are written, and what stands in for those that are not.

use std::collections::BTreeMap;
use std::fmt;

use super::meaning::Meaning;
use crate::config::Source;
use crate::config::duration::parse_duration;
use crate::config::schema::{IDLE_MONITOR_KEYS, MONITOR_KEYS, Shape, TOLERATED_MONITOR_KEYS, kind_of, sections};
use crate::model::{FieldKind, FieldSpec};
use crate::probe::KINDS;

/// A value as it is written: nothing in it is expanded.
#[derive(Clone, PartialEq)]
pub enum Written {
    /// A single value.
    Text(String),
    /// Words with their texts; keys keep their case.
    Map(BTreeMap<String, String>),
    /// A list, or something that is nested: kept as it is, and changed in the file only.
    Opaque(Opaque),
}

impl fmt::Debug for Written {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Not the texts: one may be a password.
        match self {
            Self::Text(text) => write!(f, "Text({} bytes)", text.len()),
            Self::Map(map) => f.debug_set().entries(map.keys()).finish(),
            Self::Opaque(_) => f.write_str("Opaque"),
        }
    }
}

impl From<&str> for Written {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Written {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl<K: Into<String>, V: Into<String>, const N: usize> From<[(K, V); N]> for Written {
    fn from(pairs: [(K, V); N]) -> Self {
        Self::Map(pairs.into_iter().map(|(key, text)| (key.into(), text.into())).collect())
    }
}

/// A value that only the file can change.
#[derive(Clone, PartialEq)]
pub struct Opaque(pub(super) Meaning);

impl fmt::Debug for Opaque {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Opaque")
    }
}

/// One monitor as it is written. A key that is not among `values` is not set, and stays so: it is inherited.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Draft {
    /// The name of the group it stands in.
    pub group: String,
    /// What is set, by the key as the documentation spells it; `name` and `type` among it.
    pub values: BTreeMap<String, Written>,
}

impl Draft {
    /// A draft of the given texts.
    pub fn new<K: Into<String>, V: Into<Written>>(
        group: impl Into<String>,
        values: impl IntoIterator<Item = (K, V)>,
    ) -> Self {
        let values = values.into_iter().map(|(key, value)| (key.into(), value.into())).collect();
        Self { group: group.into(), values }
    }

    /// A single value.
    #[must_use]
    pub fn text(&self, key: &str) -> Option<&str> {
        match self.values.get(key)? {
            Written::Text(text) => Some(text),
            Written::Map(_) | Written::Opaque(_) => None,
        }
    }

    /// The name as it is written; empty where there is none.
    #[must_use]
    pub fn name(&self) -> &str {
        self.text("name").unwrap_or_default()
    }

    /// The kind: `http`; none where `type` says nothing that is known.
    #[must_use]
    pub fn kind(&self) -> Option<&'static str> {
        kind_of(self.text("type")?).map(|(kind, _)| kind)
    }

    /// Sets a value, or with none lets it be inherited.
    pub fn set(&mut self, key: &str, value: Option<Written>) {
        match value {
            Some(value) => self.values.insert(key.to_owned(), value),
            None => self.values.remove(key),
        };
    }

    /// The draft without what is as good as not set: empty maps.
    pub(super) fn tidied(mut self) -> Self {
        self.values.retain(|_, value| !matches!(value, Written::Map(map) if map.is_empty()));
        self
    }

    pub(super) fn of(group: &str, monitor: &Meaning) -> Self {
        let Meaning::Map(map) = monitor else { return Self { group: group.to_owned(), ..Self::default() } };
        let values = map.iter().filter_map(|(key, value)| Some((spelling(key), written(value)?)));
        Self { group: group.to_owned(), values: values.collect() }
    }
}

/// A value for a form; none for null and for what is empty.
fn written(value: &Meaning) -> Option<Written> {
    let of_text = |value: &Meaning| match value {
        Meaning::Text { text, .. } => Some(value.text().map_or_else(String::new, |_| text.clone())),
        Meaning::List(_) | Meaning::Map(_) => None,
    };
    match value {
        _ if value.is_null() => None,
        Meaning::Text { text, .. } => Some(Written::Text(text.clone())),
        Meaning::Map(map) if map.is_empty() => None,
        Meaning::List(items) if items.is_empty() => None,
        Meaning::Map(map) => {
            let texts: Option<BTreeMap<_, _>> =
                map.iter().map(|(key, value)| Some((key.clone(), of_text(value)?))).collect();
            Some(texts.map_or_else(|| Written::Opaque(Opaque(value.clone())), Written::Map))
        }
        Meaning::List(_) => Some(Written::Opaque(Opaque(value.clone()))),
    }
}

/// A key of a monitor as the documentation spells it.
pub(super) fn spelling(key: &str) -> String {
    let common = MONITOR_KEYS.iter().map(|key| key.name);
    let fields = KINDS.iter().flat_map(|(_, fields)| fields.iter().map(|field| field.key));
    let others = TOLERATED_MONITOR_KEYS.iter().chain(IDLE_MONITOR_KEYS).copied();
    common.chain(fields).chain(others).find(|known| known.eq_ignore_ascii_case(key)).unwrap_or(key).to_owned()
}

/// Whether a key holds a number, a switch, a word of a list or a length of time.
pub(super) fn is_typed(key: &str) -> bool {
    let common = MONITOR_KEYS.iter().map(|key| (key.name, key.shape));
    let fields = KINDS.iter().flat_map(|(_, fields)| fields.iter().map(|f| (f.key, Shape::Field(f.kind))));
    let shape = common.chain(fields).find(|(known, _)| known.eq_ignore_ascii_case(key)).map(|(_, shape)| shape);
    matches!(
        shape,
        Some(Shape::Field(
            FieldKind::Integer { .. } | FieldKind::Toggle | FieldKind::Duration { .. } | FieldKind::Choice(_)
        ))
    )
}

/// A value that is in force where a monitor sets none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inherited {
    /// As it is written, or would be: nothing in it is expanded.
    pub value: String,
    /// Where it is set: the group, or the default of the file or of the program. A variable of the environment can
    /// stand above the file's default; the value in force is in [`crate::config::Config`].
    pub from: Source,
}

/// What a monitor of a group and a kind gets where it sets nothing, by key.
pub(super) fn inherited(root: &Meaning, group: Option<&Meaning>, kind: Option<&str>) -> BTreeMap<String, Inherited> {
    let monitoring = root.get("monitoring");
    let default = |name: &str| {
        let set =
            monitoring.and_then(|section| section.get(name)).and_then(Meaning::text).filter(|text| !is_zero(text));
        set.map(str::to_owned).or_else(|| builtin(name))
    };
    let of_group = |name: &str| group.and_then(|group| group.get(name)?.text()).filter(|text| !is_zero(text));
    let mut all = BTreeMap::new();
    let mut add = |key: &str, value: Option<String>, from| {
        if let Some(value) = value {
            all.insert(key.to_owned(), Inherited { value, from });
        }
    };
    for (key, name) in [("interval", "defaultInterval"), ("timeout", "defaultTimeout")] {
        match of_group(key) {
            Some(value) => add(key, Some(value.to_owned()), Source::Group),
            None => add(key, default(name), Source::Default),
        }
    }
    add("failureThreshold", default("defaultFailureThreshold"), Source::Default);
    add("recoveryThreshold", default("defaultRecoveryThreshold"), Source::Default);
    add("enabled", Some("true".to_owned()), Source::Default);
    let fields: &[FieldSpec] = kind.and_then(kind_of).map_or(&[], |(_, fields)| fields);
    for field in fields {
        let of_file = format!("default{}{}", field.key[..1].to_ascii_uppercase(), &field.key[1..]);
        let of_file = all_defaults().find(|name| name.eq_ignore_ascii_case(&of_file)).and_then(|name| default(&name));
        let value = of_file.or_else(|| field.default.map(str::to_owned));
        if let Some(value) = value {
            all.insert(field.key.to_owned(), Inherited { value, from: Source::Default });
        }
    }
    all
}

/// The keys of `monitoring` that hold defaults.
fn all_defaults() -> impl Iterator<Item = String> {
    let sections = sections().into_iter().filter(|section| section.path == "monitoring");
    sections.flat_map(|section| section.keys).map(|key| key.name.to_owned()).filter(|name| name.starts_with("default"))
}

fn builtin(name: &str) -> Option<String> {
    let sections = sections();
    let section = sections.iter().find(|section| section.path == "monitoring")?;
    section.keys.iter().find(|key| key.name == name)?.default.map(str::to_owned)
}

/// Zero stands for the default.
fn is_zero(text: &str) -> bool {
    text.is_empty() || text == "0" || parse_duration(text).is_ok_and(|time| time.is_zero())
}
