//! What the vault holds, where, and who uses it. A secret comes in and never goes out.

use std::collections::BTreeSet;

use super::super::Screens;
use super::super::form::Desk;
use super::vault_fault;
use crate::app::core::lock;
use crate::schedule::FirstCheck;
use crate::screen::{Failed, Millis, OtherPlace, SecretOutcome, VaultPlace, VaultSecret};
use crate::secret::{Look, Place, SecretString, SecretText, Vault, VaultError};

/// Largest secret, in bytes.
const LARGEST: usize = 64 * 1024;
/// Most users of one secret that are told by name.
const MOST_USERS: usize = 100;

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

fn secret_shown(name: String, place: Option<String>, set_ms: Option<Millis>, users: BTreeSet<String>) -> VaultSecret {
    let count = u32::try_from(users.len()).unwrap_or(u32::MAX);
    VaultSecret { name, place, set_ms, users: count, used_by: users.into_iter().take(MOST_USERS).collect() }
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
    pub(super) fn read_again(&self) {
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
            let mut uses = desk.read()?.named_secrets();
            let known = desk.core.vault.known().map_err(|error| vault_fault(&error))?;
            let set = known.into_iter().map(|(name, known)| {
                let users = uses.remove(&name).unwrap_or_default();
                let place = Some(known.place.map_or("kernel", Place::word).to_owned());
                secret_shown(name, place, known.set.map(Millis::from), users)
            });
            let mut secrets: Vec<VaultSecret> = set.collect();
            secrets.extend(uses.into_iter().map(|(name, users)| secret_shown(name, None, None, users)));
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
}
