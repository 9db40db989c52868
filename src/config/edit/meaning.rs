//! What a file says, without how it is written: for comparing before and after an edit.

use std::collections::BTreeMap;

use crate::config::node::{Kind, Node};

/// A value with aliases and merge keys resolved, in no order of keys.
#[derive(Clone, PartialEq)]
pub(super) enum Meaning {
    Text { text: String, plain: bool },
    List(Vec<Meaning>),
    Map(BTreeMap<String, Meaning>),
}

impl Meaning {
    pub(super) fn of(node: &Node<'_>) -> Self {
        match &node.kind {
            Kind::Scalar { text, plain } => Self::Text { text: text.clone().into_owned(), plain: *plain },
            Kind::List(items) => Self::List(items.iter().map(Self::of).collect()),
            Kind::Map(entries) => Self::Map(
                entries.iter().map(|entry| (entry.key.clone().into_owned(), Self::of(&entry.value))).collect(),
            ),
        }
    }

    /// Nothing was written.
    pub(super) fn is_null(&self) -> bool {
        matches!(self, Self::Text { text, plain: true } if matches!(text.as_str(), "" | "~" | "null" | "Null" | "NULL"))
    }

    /// The text, where it is a single value that is not null.
    pub(super) fn text(&self) -> Option<&str> {
        match self {
            Self::Text { text, .. } if !self.is_null() => Some(text),
            _ => None,
        }
    }

    /// The value of a key in any case.
    pub(super) fn get(&self, name: &str) -> Option<&Self> {
        let Self::Map(map) = self else { return None };
        map.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    pub(super) fn get_mut(&mut self, name: &str) -> Option<&mut Self> {
        let Self::Map(map) = self else { return None };
        map.iter_mut().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    /// The value of a key, which is set to `empty` where there is none.
    pub(super) fn entry(&mut self, name: &str, empty: Self) -> Option<&mut Self> {
        if self.is_null() {
            *self = Self::Map(BTreeMap::new());
        }
        if self.get(name).is_none_or(Self::is_null) {
            let Self::Map(map) = self else { return None };
            let key = map.keys().find(|key| key.eq_ignore_ascii_case(name)).cloned().unwrap_or_else(|| name.to_owned());
            map.insert(key, empty);
        }
        self.get_mut(name)
    }

    pub(super) fn items(&self) -> &[Self] {
        match self {
            Self::List(items) => items,
            _ => &[],
        }
    }

    pub(super) fn items_mut(&mut self) -> Option<&mut Vec<Self>> {
        if self.is_null() {
            *self = Self::List(Vec::new());
        }
        match self {
            Self::List(items) => Some(items),
            _ => None,
        }
    }
}
