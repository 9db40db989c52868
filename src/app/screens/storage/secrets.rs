//! What the vault holds, where, and who uses it. A secret comes in and never goes out.

use std::collections::{BTreeMap, BTreeSet};

use super::super::Screens;
use super::super::form::Desk;
use super::{reference, secrets_of, vault_fault};
use crate::app::core::lock;
use crate::config::{Document, Which};
use crate::schedule::FirstCheck;
use crate::screen::{Failed, Millis, OtherPlace, PlainSecret, SecretOutcome, SecretShown, VaultPlace, VaultSecret};
use crate::secret::{Look, Place, SecretString, SecretText, Vault, VaultError};
use crate::storage::offers;

/// Largest secret, in bytes.
const LARGEST: usize = 64 * 1024;

pub(super) fn place_of(word: Option<&str>) -> Result<Option<Place>, Failed> {
    let Some(word) = word else { return Ok(None) };
    let known = [Place::Service, Place::Kernel, Place::File].into_iter().find(|place| place.word() == word);
    known.map(Some).ok_or_else(|| Failed::BadRequest { why: "that is no place for secrets".to_owned() })
}

/// The places that could keep a secret now.
pub(super) fn other_places(vault: &dyn Vault) -> Vec<OtherPlace> {
    let looks = vault.look();
    let free = looks.iter().filter(|look| look.fault.is_none());
    free.map(|look| OtherPlace {
        place: look.place.word().to_owned(),
        lost_at_restart: look.place.is_lost_at_restart(),
    })
    .collect()
}

fn not_kept(vault: &dyn Vault, error: &VaultError) -> SecretOutcome {
    SecretOutcome::NotKept { state: error.word().to_owned(), what: error.to_string(), places: other_places(vault) }
}

/// The names of secrets in a text.
fn named_in(text: &str) -> impl Iterator<Item = &str> {
    text.split("${secret:").skip(1).filter_map(|rest| Some(rest.split_once('}')?.0))
}

/// Who uses which secret.
fn uses(document: &Document) -> BTreeMap<String, BTreeSet<String>> {
    let mut uses: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let mut add = |text: &str, who: &str| {
        for name in named_in(text) {
            uses.entry(name.to_owned()).or_default().insert(who.to_owned());
        }
    };
    for offer in offers() {
        for (key, value) in document.storage_values(offer.id) {
            add(&value, &format!("storage.{}.{key}", offer.id));
        }
    }
    for name in document.names() {
        let Ok(draft) = document.draft(Which::Name(name)) else { continue };
        for value in draft.values.values() {
            match value {
                crate::config::Written::Text(text) => add(text, name),
                crate::config::Written::Map(map) => map.values().for_each(|text| add(text, name)),
                crate::config::Written::Opaque(_) => {}
            }
        }
    }
    uses
}

fn place_shown(look: &Look, used: Option<Place>) -> VaultPlace {
    VaultPlace {
        place: look.place.word().to_owned(),
        state: look.fault.as_ref().map_or("ready", VaultError::word).to_owned(),
        what: look.fault.as_ref().map(ToString::to_string),
        is_used: used == Some(look.place),
        lost_at_restart: look.place.is_lost_at_restart(),
    }
}

impl Desk<'_> {
    /// Reads the file again, so that whoever uses a secret has what it is now.
    fn read_again(&self) {
        let bytes = lock(&self.core.in_force).text.as_bytes().to_vec();
        if let Ok(config) = crate::config::parse(&bytes, &self.core.config_path, &self.core.vars, &*self.core.vault) {
            self.core.apply(&config, FirstCheck::AtOnce);
        }
    }
}

impl Screens {
    /// Every secret that was set here or that the file names.
    ///
    /// # Errors
    /// The list of names or the file cannot be read.
    pub async fn secrets(&self) -> Result<Vec<VaultSecret>, Failed> {
        self.at_desk(|desk| {
            let mut uses = uses(&desk.read()?);
            let known = desk.core.vault.known().map_err(|error| vault_fault(&error))?;
            let set = known.into_iter().map(|(name, known)| VaultSecret {
                place: Some(known.place.map_or("kernel", Place::word).to_owned()),
                set_ms: known.set.map(Millis::from),
                used_by: uses.remove(&name).unwrap_or_default().into_iter().collect(),
                name,
            });
            let mut secrets: Vec<VaultSecret> = set.collect();
            secrets.extend(uses.into_iter().map(|(name, users)| VaultSecret {
                name,
                place: None,
                set_ms: None,
                used_by: users.into_iter().collect(),
            }));
            secrets.sort_by(|one, other| one.name.cmp(&other.name));
            Ok(secrets)
        })
        .await
    }

    /// Looks at every place of the vault by writing to it.
    ///
    /// # Errors
    /// A fault in Hall Monitor.
    pub async fn vault_places(&self) -> Result<Vec<VaultPlace>, Failed> {
        self.at_desk(|desk| {
            let looks = desk.core.vault.look();
            let there = looks.iter().find(|look| !look.fault.as_ref().is_some_and(VaultError::is_absent));
            let used = there.filter(|look| look.fault.is_none()).map(|look| look.place);
            Ok(looks.iter().map(|look| place_shown(look, used)).collect())
        })
        .await
    }

    /// Gives a secret another value, or makes a new one.
    ///
    /// # Errors
    /// It cannot be a secret.
    pub async fn set_secret(
        &self,
        name: String,
        text: SecretText,
        place: Option<String>,
    ) -> Result<SecretOutcome, Failed> {
        let place = place_of(place.as_deref())?;
        if text.is_empty() || text.len() > LARGEST {
            let why = format!("a secret has 1 byte to {} KiB", LARGEST / 1024);
            return Err(Failed::BadRequest { why });
        }
        self.at_desk(move |desk| {
            let vault = &*desk.core.vault;
            match vault.keep(&name, SecretString::from(text.to_string()), place) {
                Ok(kept) => {
                    desk.read_again();
                    Ok(SecretOutcome::Done {
                        place: Some(kept.place.word().to_owned()),
                        lost_at_restart: kept.place.is_lost_at_restart(),
                    })
                }
                Err(error @ VaultError::BadName { .. }) => Err(Failed::BadRequest { why: error.to_string() }),
                Err(error) => Ok(not_kept(vault, &error)),
            }
        })
        .await
    }

    /// Forgets a secret. What is watched with it goes on with what it has until the file is read again.
    ///
    /// # Errors
    /// That is no name of a secret.
    pub async fn forget_secret(&self, name: String) -> Result<SecretOutcome, Failed> {
        self.at_desk(move |desk| {
            let vault = &*desk.core.vault;
            match vault.forget(&name) {
                Ok(()) => {
                    desk.read_again();
                    Ok(SecretOutcome::Done { place: None, lost_at_restart: false })
                }
                Err(error @ VaultError::BadName { .. }) => Err(Failed::BadRequest { why: error.to_string() }),
                Err(error) => Ok(not_kept(vault, &error)),
            }
        })
        .await
    }

    /// Secrets of backends that stand in the file for everybody to read.
    ///
    /// # Errors
    /// The file cannot be read.
    pub async fn plain_secrets(&self) -> Result<Vec<PlainSecret>, Failed> {
        self.at_desk(|desk| Ok(plain_in(&desk.read()?, &*desk.core.vault))).await
    }

    /// Moves those secrets into the vault and has the file name them. Gives how many.
    ///
    /// # Errors
    /// The file cannot be read, edited or written, or somebody changed it meanwhile.
    pub async fn move_plain_secrets(&self, place: Option<String>) -> Result<SecretOutcome, Failed> {
        let place = place_of(place.as_deref())?;
        self.at_desk(move |desk| desk.move_plain(place)).await
    }
}

fn plain_in(document: &Document, vault: &dyn Vault) -> Vec<PlainSecret> {
    let of_all = offers().into_iter().flat_map(|offer| {
        let shown = secrets_of(document, offer, vault).into_iter();
        shown.filter(|(_, shown)| *shown == SecretShown::Plain).map(|(key, _)| (offer.id, key))
    });
    of_all.map(|(backend, key)| PlainSecret { key, backend: backend.to_owned() }).collect()
}

impl Desk<'_> {
    fn move_plain(&self, place: Option<Place>) -> Result<SecretOutcome, Failed> {
        let vault = &*self.core.vault;
        let mut document = self.read()?;
        let mut moved: Vec<String> = Vec::new();
        let mut kept_in = None;
        for plain in plain_in(&document, vault) {
            let offer = super::offer(&plain.backend)?;
            let written = document.storage_values(offer.id).remove(&plain.key).unwrap_or_default();
            // A part of it stands for something else: that is for a person to take apart.
            if written.contains("${") || reference(&written).is_some() {
                continue;
            }
            let name = self.name_for(&document, offer, &plain.key, None)?;
            match vault.keep(&name, SecretString::from(written), place) {
                Ok(kept) => kept_in = Some(kept.place),
                Err(error) => {
                    moved.iter().for_each(|name| _ = vault.forget(name));
                    return Ok(not_kept(vault, &error));
                }
            }
            moved.push(name.clone());
            let values = [(plain.key, Some(format!("${{secret:{name}}}")))].into_iter().collect();
            document = document.set_storage(offer.id, &values).map_err(|error| self.failed(error.into()))?;
        }
        let saved = self.file.save(&document, &self.core.vars, vault);
        match saved {
            Ok(saved) => {
                self.core.apply(&saved.config, FirstCheck::AtOnce);
                Ok(SecretOutcome::Done {
                    place: kept_in.map(|place| place.word().to_owned()),
                    lost_at_restart: kept_in.is_some_and(Place::is_lost_at_restart),
                })
            }
            Err(error) => {
                moved.iter().for_each(|name| _ = vault.forget(name));
                Err(self.failed(error))
            }
        }
    }
}
