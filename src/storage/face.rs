//! How a backend looks to a person who chooses one: name, picture, and words for its fields. Forms are drawn from this and
//! from [`FIELDS`](super::Backend::FIELDS), so that no window knows a backend by name.

use crate::model::FieldSpec;

use super::BackendId;

/// A text in the languages that windows speak.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Words {
    /// English.
    pub en: &'static str,
    /// German.
    pub de: &'static str,
}

impl Words {
    /// A text in both languages.
    #[must_use]
    pub const fn new(en: &'static str, de: &'static str) -> Self {
        Self { en, de }
    }

    /// A name that is the same in every language.
    #[must_use]
    pub const fn name(name: &'static str) -> Self {
        Self { en: name, de: name }
    }
}

/// Where in a form a field stands.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum Part {
    /// At the top: what nearly everybody sets.
    #[default]
    Connection,
    /// Connections and time-outs.
    Timing,
    /// Read replicas.
    Replicas,
    /// What few people need.
    Advanced,
    /// Nowhere: it is read from files and has no effect.
    Nowhere,
}

/// When a field is shown: depends on another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Only {
    /// The other field.
    pub key: &'static str,
    /// What its value, or its default, has to be like.
    pub like: Like,
}

/// What a value is like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Like {
    /// One of these words.
    OneOf(&'static [&'static str]),
    /// It begins so, in any case.
    Begins(&'static str),
}

/// Words for a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FieldFace {
    /// Its key.
    pub key: &'static str,
    /// What it is called.
    pub label: Words,
    /// What it does, in a sentence; empty where that goes without saying.
    pub hint: Words,
    /// Where it stands.
    pub part: Part,
    /// When it is shown; none for always.
    pub only: Option<Only>,
    /// Whether it is a file of certificates (PEM).
    pub is_certificates: bool,
}

impl FieldFace {
    /// A field that everybody sees, at the top.
    #[must_use]
    pub const fn new(key: &'static str, label: Words, hint: Words) -> Self {
        Self { key, label, hint, part: Part::Connection, only: None, is_certificates: false }
    }

    /// The same in another part of the form.
    #[must_use]
    pub const fn within(self, part: Part) -> Self {
        Self { part, ..self }
    }

    /// The same, shown only where another field is like that.
    #[must_use]
    pub const fn only(self, key: &'static str, like: Like) -> Self {
        Self { only: Some(Only { key, like }), ..self }
    }

    /// The same, which is a file of certificates.
    #[must_use]
    pub const fn certificates(self) -> Self {
        Self { is_certificates: true, ..self }
    }
}

/// How a backend looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Face {
    /// What it is called.
    pub name: Words,
    /// What it is, in a sentence or two.
    pub about: Words,
    /// Strokes of a picture on a field of 16 by 16, as the `d` of an SVG path.
    pub icon: &'static str,
    /// Words for its fields, in the order of the form; one that is not among them has those that its key and its
    /// documentation give.
    pub fields: &'static [FieldFace],
}

impl Face {
    /// That of a backend which says nothing of itself but its word.
    #[must_use]
    pub const fn plain(id: BackendId) -> Self {
        Self { name: Words::name(id), about: Words::name(""), icon: BOX, fields: &[] }
    }
}

/// A field of a form, with its label and its hint.
pub(super) const fn field(key: &'static str, label: Words, hint: Words) -> FieldFace {
    FieldFace::new(key, label, hint)
}

/// Words in both languages.
pub(super) const fn words(en: &'static str, de: &'static str) -> Words {
    Words::new(en, de)
}

/// A box, for whoever has no picture.
const BOX: &str = "M2.5 4.5 8 2l5.5 2.5v7L8 14l-5.5-2.5ZM2.5 4.5 8 7l5.5-2.5M8 7v7";

/// A backend as a person chooses it, before there are any settings.
#[derive(Debug, Clone, Copy)]
pub struct Offer {
    /// Its word.
    pub id: BackendId,
    /// How it looks.
    pub face: Face,
    /// Its settings.
    pub fields: &'static [FieldSpec],
    /// See [`Backend::SHARED`](super::Backend::SHARED).
    pub is_shared: bool,
    /// See [`Backend::KEEPS_HISTORY`](super::Backend::KEEPS_HISTORY).
    pub keeps_history: bool,
    /// See [`Backend::take_apart`](super::Backend::take_apart).
    pub take_apart: fn(&str) -> Option<TakenApart>,
}

/// What an address says, by key of the field.
pub type TakenApart = Vec<(&'static str, String)>;

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::storage::offers;

    #[test]
    fn every_backend_has_words_for_each_of_its_fields_and_no_others() {
        for offer in offers() {
            let fields: BTreeSet<&str> = offer.fields.iter().map(|field| field.key).collect();
            let faces: BTreeSet<&str> = offer.face.fields.iter().map(|field| field.key).collect();
            assert_eq!(fields, faces, "{}", offer.id);
            assert_eq!(offer.face.fields.len(), faces.len(), "{}: one stands twice", offer.id);
            assert!(!offer.face.about.en.is_empty() && !offer.face.icon.is_empty(), "{}", offer.id);
            let labels = offer.face.fields.iter().map(|field| field.label);
            for text in labels.chain([offer.face.name, offer.face.about]) {
                assert!(!text.en.is_empty() && !text.de.is_empty(), "{}: {text:?}", offer.id);
            }
            let hints = offer.face.fields.iter().map(|field| field.hint);
            assert!(hints.into_iter().all(|hint| hint.en.is_empty() == hint.de.is_empty()), "{}", offer.id);
        }
    }

    #[test]
    fn a_field_depends_on_another_that_is_always_shown() {
        for offer in offers() {
            for only in offer.face.fields.iter().filter_map(|field| field.only) {
                let other = offer.face.fields.iter().find(|field| field.key == only.key).expect("a field");
                assert_eq!((other.only, other.part == Part::Nowhere), (None, false), "{}: {}", offer.id, only.key);
            }
        }
    }
}
