//! Where history is kept, for a window: what can be chosen, the form of each backend, a look at one, and the change.
//!
//! Nothing here knows a backend by name: cards and forms come from [`offers`]. Nothing is saved before it works, and a
//! secret comes in and never goes out.
//!
//! | file | subject |
//! |---|---|
//! | `mod.rs` | cards, the draft of a form |
//! | `form.rs` | from a form to the file it would give, with the secrets beside it |
//! | `look.rs` | a look at a store, step by step |
//! | `change.rs` | using a backend |
//! | `kept.rs` | how long history is kept |
//! | `secrets.rs` | what the vault holds, where, and who uses it |
//! | `plain.rs` | secrets that stand readable in the file are moved |
//! | `unlock.rs` | a person is asked to unlock the keychain |
//! | `health.rs` | how the one in use is doing; rows that it refused for good |

mod change;
mod form;
mod health;
mod kept;
mod look;
mod plain;
mod secrets;
mod unlock;

use std::collections::BTreeMap;

use super::Screens;
use super::form::{Desk, base_of};
use crate::app::core::lock;
use crate::config::Document;
use crate::deliver::{Delivery, FormerStore};
use crate::model::{FieldKind, error_chain};
use crate::screen::{
    Failed, FieldSpec, Millis, SecretShown, ShownWith, StorageCard, StorageDraft, StorageField, StorageOverview,
    StoragePart, StoreSpan, TakenApart, Words,
};
use crate::secret::Vault;
use crate::storage::{FieldFace, Like, Offer, Part, offer_of, offers};

pub(super) use self::form::Pasted;
pub(super) use self::look::Looking;
pub(super) use self::unlock::Unlocks;

/// The backend of a word.
fn offer(id: &str) -> Result<&'static Offer, Failed> {
    let unknown = || Failed::BadRequest { why: format!("`{}` is no backend", crate::model::clean_text(id, 40)) };
    offer_of(id).ok_or_else(unknown)
}

/// The fields of a form, in its order.
fn fields_of(offer: &Offer) -> Vec<StorageField> {
    let faced = offer.face.fields.iter().filter_map(|face| {
        let spec = offer.fields.iter().find(|field| field.key == face.key)?;
        Some((spec, Some(face)))
    });
    // One without words is shown all the same.
    let plain = offer.fields.iter().filter(|field| offer.face.fields.iter().all(|face| face.key != field.key));
    faced.chain(plain.map(|field| (field, None))).filter_map(|(spec, face)| field_of(spec, face)).collect()
}

fn field_of(spec: &crate::model::FieldSpec, face: Option<&FieldFace>) -> Option<StorageField> {
    let part = match face.map(|face| face.part).unwrap_or_default() {
        Part::Connection => StoragePart::Connection,
        Part::Timing => StoragePart::Timing,
        Part::Replicas => StoragePart::Replicas,
        Part::Advanced => StoragePart::Advanced,
        Part::Nowhere => return None,
    };
    let only = face.and_then(|face| face.only);
    let shown_with = only.map(|only| {
        let (words, begins): (&[&str], &str) = match only.like {
            Like::OneOf(words) => (words, ""),
            Like::Begins(begins) => (&[], begins),
        };
        let one_of = words.iter().map(|word| (*word).to_owned()).collect();
        ShownWith { key: only.key.to_owned(), one_of, begins: begins.to_owned() }
    });
    Some(StorageField {
        spec: FieldSpec::from(spec),
        label: face.map(|face| face.label.into()),
        hint: face.map(|face| face.hint.into()).filter(|hint: &Words| !hint.en.is_empty()),
        part,
        shown_with,
        is_certificates: face.is_some_and(|face| face.is_certificates),
    })
}

fn span_of(former: FormerStore, delivery: &Delivery) -> StoreSpan {
    StoreSpan {
        on_request: delivery.can_be_asked(&former.contact),
        contact: former.contact,
        from_ms: former.from.map(Millis::from),
        to_ms: former.to.map(Millis::from),
        readable: former.readable,
        waiting_rows: former.backlog_rows,
        // One that waits for nothing has no fault that matters.
        fault: former.fault.filter(|_| former.backlog_rows > 0),
    }
}

/// The name of the vault's secret that a value is nothing but a reference to.
fn reference(written: &str) -> Option<&str> {
    let name = written.trim().strip_prefix("${secret:")?.strip_suffix('}')?;
    (!name.contains(['$', '{', '}'])).then_some(name)
}

/// What may be told of the secret settings of a backend.
fn secrets_of(document: &Document, offer: &Offer, vault: &dyn Vault) -> BTreeMap<String, SecretShown> {
    let written = document.storage_values(offer.id);
    let known = vault.known().unwrap_or_default();
    let secret = offer.fields.iter().filter(|field| field.kind == FieldKind::Secret);
    let shown = secret.map(|field| {
        let shown = match written.get(field.key).map(String::as_str) {
            None | Some("") => SecretShown::Unset,
            Some(text) => match reference(text) {
                Some(name) => {
                    let known = known.get(name);
                    SecretShown::Kept {
                        name: name.to_owned(),
                        place: known.and_then(|known| Some(known.place?.word().to_owned())),
                        set_ms: known.and_then(|known| known.set).map(Millis::from),
                    }
                }
                None if text.contains("${") && !has_text_beside(text) => {
                    SecretShown::Elsewhere { written: text.to_owned() }
                }
                None => SecretShown::Plain,
            },
        };
        (field.key.to_owned(), shown)
    });
    shown.collect()
}

/// Whether something stands beside the `${…}` of a value, or a default in one: that may be the secret itself.
fn has_text_beside(text: &str) -> bool {
    let text = text.trim();
    let inside = text.strip_prefix("${").and_then(|text| text.strip_suffix('}'));
    inside.is_none_or(|inside| inside.contains(['$', '{', '}']) || inside.contains(":-") || inside.contains('-'))
}

impl Screens {
    /// What can be chosen and what is in use. Asks no server.
    ///
    /// # Errors
    /// A fault in Hall Monitor.
    pub async fn storage_overview(&self) -> Result<StorageOverview, Failed> {
        self.at_desk(|desk| {
            // A file that cannot be read now has no settings to show, and the cards are there all the same.
            let document = desk.file.read().ok();
            let delivery = &desk.core.delivery;
            let status = delivery.status();
            let ledger = delivery.ledger();
            let mut former = delivery.history().former_stores();
            let mut spans_of = |id: &str| {
                let own = former.extract_if(.., |former| former.backend == id);
                own.map(|former| span_of(former, delivery)).collect::<Vec<_>>()
            };
            let cards = offers().into_iter().map(|offer| {
                let fields = fields_of(offer);
                let needs_none = fields.iter().all(|field| field.part != StoragePart::Connection);
                let has_settings = document.as_ref().is_some_and(|document| document.has_settings_of(offer.id));
                StorageCard {
                    id: offer.id.to_owned(),
                    name: offer.face.name.into(),
                    about: offer.face.about.into(),
                    icon: offer.face.icon.to_owned(),
                    keeps_history: offer.keeps_history,
                    is_shared: offer.is_shared,
                    in_use: offer.id == status.backend,
                    is_set_up: needs_none || has_settings,
                    spans: spans_of(offer.id),
                    fields,
                }
            });
            let in_use = ledger.iter().rfind(|entry| entry.contact == status.contact && entry.to.is_none());
            // The first entry of all has whatever was there before anybody wrote it down.
            let since = in_use.map(|entry| entry.from);
            Ok(StorageOverview {
                cards: cards.collect(),
                contact: status.contact.clone(),
                since_ms: since.map(Millis::from),
                waiting_rows: status.backlog_rows,
                fault: lock(&desk.core.in_force).storage_fault.clone(),
            })
        })
        .await
    }

    /// The settings of a backend as they are written, without its secrets.
    ///
    /// # Errors
    /// No such backend, or the file cannot be read.
    pub async fn storage_draft(&self, backend: String) -> Result<StorageDraft, Failed> {
        let offer = offer(&backend)?;
        self.at_desk(move |desk| {
            let document = desk.read()?;
            let secrets = secrets_of(&document, offer, &*desk.core.vault);
            let mut values = document.storage_values(offer.id);
            values
                .retain(|key, _| offer.fields.iter().any(|field| field.key == key && field.kind != FieldKind::Secret));
            Ok(StorageDraft { backend, values, secrets, base: base_of(document.base()) })
        })
        .await
    }

    /// Has history of a store of before shown too, which is not on this machine.
    ///
    /// # Errors
    /// It cannot be opened now.
    pub async fn show_former(&self, contact: &str) -> Result<(), Failed> {
        self.core.delivery.ask_former(contact).await.map_err(|what| Failed::Storage { what })
    }

    /// What an address says of a backend's settings; none where it says nothing of such a store. A secret in it is kept
    /// here, and is meant by its handle.
    ///
    /// # Errors
    /// No such backend.
    pub fn take_apart(&self, backend: &str, address: &str) -> Result<Option<TakenApart>, Failed> {
        let offer = offer(backend)?;
        let Some(taken) = (offer.take_apart)(address) else { return Ok(None) };
        let mut apart = TakenApart { values: BTreeMap::new(), secrets: BTreeMap::new() };
        for (key, value) in taken {
            let is_secret = offer.fields.iter().any(|field| field.key == key && field.kind == FieldKind::Secret);
            if is_secret {
                let handle = lock(&self.pasted).put(value.into());
                apart.secrets.insert(key.to_owned(), handle);
            } else {
                apart.values.insert(key.to_owned(), value);
            }
        }
        Ok(Some(apart))
    }
}

/// A fault of the vault that has nothing to do with one secret.
fn vault_fault(error: &crate::secret::VaultError) -> Failed {
    Failed::Internal { why: error_chain(error) }
}

impl Desk<'_> {
    /// The document as it is, unless it is another one than `base` says.
    fn read_as(&self, base: &str) -> Result<Result<Document, String>, Failed> {
        let document = self.read()?;
        let now = base_of(document.base());
        Ok(if now == base { Ok(document) } else { Err(now) })
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::secret::MemoryVault;

    #[test]
    fn what_may_be_told_of_a_secret() {
        let vault = MemoryVault::default();
        vault.set("pg", "hunter2".into()).expect("set");
        let offer = offer("postgres").expect("there");
        let shown = |value: &str| {
            let text = format!("storage: {{postgres: {{password: \"{value}\"}}}}\n");
            let document = Document::parse(text.as_bytes(), Path::new("c.yml")).expect("reads");
            secrets_of(&document, offer, &vault)["password"].clone()
        };
        assert_eq!(shown(""), SecretShown::Unset);
        assert!(matches!(shown("${secret:pg}"), SecretShown::Kept { name, .. } if name == "pg"));
        assert!(matches!(shown("${PG_PASSWORD}"), SecretShown::Elsewhere { .. }));
        assert!(matches!(shown("${file:pg.txt}"), SecretShown::Elsewhere { .. }));
        for plain in ["hunter2", "x${secret:pg}", "${PG:-hunter2}", "${secret:pg}${secret:pg}"] {
            assert_eq!(shown(plain), SecretShown::Plain, "{plain}");
        }
    }

    #[test]
    fn a_field_without_words_is_in_the_form_all_the_same() {
        let offer = offer("postgres").expect("there");
        let bare = Offer { face: crate::storage::Face::plain("postgres"), ..*offer };
        assert_eq!(fields_of(&bare).len(), offer.fields.len());
        assert!(fields_of(&bare).iter().all(|field| field.label.is_none() && field.part == StoragePart::Connection));
        assert!(fields_of(offer).iter().all(|field| field.spec.key != "enableTimescale"));
    }
}
