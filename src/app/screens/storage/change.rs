//! Using a backend: tried first, then its secrets are kept, then the file is saved, then rows go there. Whatever fails
//! leaves everything as it was.

use std::sync::Arc;

use super::super::Screens;
use super::super::form::{Desk, base_of};
use super::form::{Above, Drafted, Not};
use super::look::told;
use super::secrets::{other_places, place_of};
use crate::app::core::lock;
use crate::app::stores::opener_of;
use crate::config::SaveError;
use crate::deliver::OpenStore as _;
use crate::model::error_chain;
use crate::schedule::FirstCheck;
use crate::screen::{Failed, StorageForm, UseOutcome};
use crate::secret::{Place, SecretString, VaultError};
use crate::storage::StoreError;

/// A secret as it was before.
struct Before {
    name: String,
    secret: Option<SecretString>,
    place: Option<Place>,
}

impl Screens {
    /// Has history go to a backend from now on, with the settings of a form.
    ///
    /// # Errors
    /// No such backend, or the file cannot be read, edited or written.
    pub async fn use_storage(&self, form: StorageForm) -> Result<UseOutcome, Failed> {
        let place = place_of(form.place.as_deref())?;
        // A look removes what it made: that must be over before rows may come there.
        self.stop_looking();
        let _turn = self.look_turn.lock().await;
        let pasted = Arc::clone(&self.pasted);
        let drafted = self
            .at_desk(move |desk| match desk.read_as(&form.base)? {
                Ok(document) => Ok(Ok(desk.drafted(&document, &form, &pasted))),
                Err(their_base) => Ok(Err(their_base)),
            })
            .await?;
        let drafted = match drafted {
            Ok(Ok(drafted)) => drafted,
            Ok(Err(Not::Refused(errors))) => return Ok(UseOutcome::Refused { errors }),
            Ok(Err(Not::Failed(failed))) => return Err(failed),
            Err(their_base) => return Ok(UseOutcome::Conflict { their_base }),
        };
        if let Err(error) = self.try_drafted(&drafted).await {
            let what = told(&error);
            let what = if drafted.holds_secret(&what) { "the store refused".to_owned() } else { what };
            return Ok(UseOutcome::Unusable { what });
        }
        self.at_desk(move |desk| desk.put_in_force(drafted, place)).await
    }

    /// Opens the store and asks it how it is, unless it is open here.
    async fn try_drafted(&self, drafted: &Drafted) -> Result<(), StoreError> {
        if self.is_held(drafted) {
            return Ok(());
        }
        let opener = opener_of(&drafted.config.storage.backend, None, &self.core.env());
        let store = opener.open().await?;
        let checked = store.check().await.map(drop);
        let closed = store.close().await;
        checked.and(closed)
    }
}

impl Desk<'_> {
    fn put_in_force(&self, drafted: Drafted, place: Option<Place>) -> Result<UseOutcome, Failed> {
        let vault = &*self.core.vault;
        let mut before: Vec<Before> = Vec::new();
        let mut kept_in = None;
        for (name, secret) in &drafted.new {
            let known = vault.known().unwrap_or_default().get(name).copied();
            let old = known.and_then(|_| vault.get(name).ok());
            match vault.keep(name, secret.clone(), place) {
                Ok(kept) => {
                    kept_in = Some(kept.place);
                    before.push(Before { name: name.clone(), secret: old, place: known.and_then(|known| known.place) });
                }
                Err(error) => {
                    self.give_back(before);
                    return Ok(self.not_kept(&error));
                }
            }
        }
        // The secrets are at hand: nobody has to be asked for them again.
        let above = Above { vault, new: &drafted.new };
        let saved = match self.file.save(&drafted.document, &self.core.vars, &above) {
            Ok(saved) => saved,
            Err(error) => {
                self.give_back(before);
                return match error {
                    SaveError::Conflict(_) => {
                        let their_base = base_of(self.read()?.base());
                        Ok(UseOutcome::Conflict { their_base })
                    }
                    error => Err(self.failed(error)),
                };
            }
        };
        self.core.apply(&saved.config, FirstCheck::AtOnce);
        if let Some(fault) = lock(&self.core.in_force).storage_fault.clone() {
            // History goes on to the former store: so says the file again.
            let undone = self.file.undo(&self.core.vars, vault);
            if let Ok(undone) = &undone {
                self.core.apply(&undone.config, FirstCheck::AtOnce);
            }
            self.give_back(before);
            return Ok(UseOutcome::Unusable { what: fault });
        }
        for name in &drafted.gone {
            if let Err(error) = vault.forget(name) {
                tracing::warn!(
                    name,
                    error = error_chain(&error),
                    "a secret that nobody needs any more stays in the vault"
                );
            }
        }
        Ok(UseOutcome::Used {
            contact: saved.config.storage.backend.contact(),
            kept_in: kept_in.map(|place| place.word().to_owned()),
            lost_at_restart: kept_in.is_some_and(Place::is_lost_at_restart),
        })
    }

    /// Puts secrets back as they were.
    fn give_back(&self, before: Vec<Before>) {
        for Before { name, secret, place } in before {
            let vault = &self.core.vault;
            let back = match secret {
                Some(secret) => vault.keep(&name, secret, place).map(drop),
                None => vault.forget(&name),
            };
            if let Err(error) = back {
                tracing::warn!(name, error = error_chain(&error), "a secret cannot be put back as it was");
            }
        }
    }

    fn not_kept(&self, error: &VaultError) -> UseOutcome {
        let places = other_places(&*self.core.vault);
        UseOutcome::NotKept { state: error.word().to_owned(), what: error.to_string(), places }
    }
}
