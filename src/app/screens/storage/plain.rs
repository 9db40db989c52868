//! Secrets that stand readable in the file are moved: into the vault first, out of the file second. Whatever fails leaves
//! both as they were, and no secret goes to the window.

use std::collections::{BTreeMap, HashSet};

use super::super::Screens;
use super::super::form::{Desk, base_of};
use super::form::Above;
use super::secrets::{other_places, place_of};
use super::vault_fault;
use crate::config::{self, Document, Owner, SaveError};
use crate::model::error_chain;
use crate::schedule::FirstCheck;
use crate::screen::{ByHand, Failed, MoveOutcome, PlainOwner, PlainPart, PlainSecret, PlainSecrets};
use crate::secret::{Place, SecretString, Vault};

/// Longest piece of a name that comes from one of a monitor, in bytes.
const LONGEST_PIECE: usize = 50;

/// What may be told of a readable secret.
fn shown(number: usize, plain: &config::PlainSecret) -> PlainSecret {
    let (owner, of) = match &plain.owner {
        Owner::Section(path) => (PlainOwner::Section, path.clone()),
        Owner::Monitor(name) => (PlainOwner::Monitor, crate::model::clean_text(name, 256)),
        Owner::Webhook(number) => (PlainOwner::Webhook, number.to_string()),
    };
    let (part, key) = match &plain.part {
        config::PlainPart::Setting(key) => (PlainPart::Setting, key.as_str()),
        config::PlainPart::Header(name) => (PlainPart::Header, name.as_str()),
        config::PlainPart::Password => (PlainPart::Password, ""),
        config::PlainPart::Parameter(name) => (PlainPart::Parameter, name.as_str()),
        config::PlainPart::Path => (PlainPart::Path, ""),
    };
    PlainSecret {
        number: u32::try_from(number).unwrap_or(u32::MAX),
        owner,
        of,
        part,
        key: crate::model::clean_text(key, 128),
        line: plain.line,
        repeated: u32::try_from(plain.repeated).unwrap_or(u32::MAX),
        by_hand: plain.by_hand.map(|why| match why {
            config::ByHand::Mixed => ByHand::Mixed,
            config::ByHand::UsedElsewhere => ByHand::UsedElsewhere,
        }),
    }
}

/// The name that a secret would have in the vault: `git-authorization`.
fn wanted_name(plain: &config::PlainSecret) -> String {
    let (owner, usual) = match &plain.owner {
        Owner::Section(path) => (path.rsplit('.').next().unwrap_or_default().to_owned(), "section"),
        Owner::Monitor(name) => (name.clone(), "monitor"),
        Owner::Webhook(number) => (format!("webhook-{number}"), "webhook"),
    };
    let part = match &plain.part {
        config::PlainPart::Setting(key) => key,
        config::PlainPart::Header(name) | config::PlainPart::Parameter(name) => name,
        config::PlainPart::Password => "password",
        config::PlainPart::Path => "address",
    };
    format!("{}-{}", piece(&owner, usual), piece(part, "secret"))
}

/// A text as a piece of a name: letters, digits and dashes; another word where nothing is left of it.
fn piece(text: &str, usual: &str) -> String {
    let mut piece = String::new();
    for c in text.chars() {
        if piece.len() == LONGEST_PIECE {
            break;
        }
        match c {
            c if c.is_ascii_alphanumeric() => piece.push(c.to_ascii_lowercase()),
            _ if !piece.is_empty() && !piece.ends_with('-') => piece.push('-'),
            _ => {}
        }
    }
    let piece = piece.trim_end_matches('-');
    if piece.is_empty() { usual.to_owned() } else { piece.to_owned() }
}

impl Screens {
    /// What stands in the file for everybody to read.
    ///
    /// # Errors
    /// The file cannot be read.
    pub async fn plain_secrets(&self) -> Result<PlainSecrets, Failed> {
        self.at_desk(|desk| {
            let document = desk.read()?;
            let plain = document.plain_secrets();
            let secrets = plain.iter().enumerate().map(|(number, plain)| shown(number, plain)).collect();
            Ok(PlainSecrets { secrets, base: base_of(document.base()) })
        })
        .await
    }

    /// Moves some of those secrets, or with none all that can be, into the vault, and has the file name them. `base`
    /// tells the content that they were found in.
    ///
    /// # Errors
    /// The file cannot be read, edited or written, or none of them can be moved.
    pub async fn move_plain_secrets(
        &self,
        numbers: Option<Vec<u32>>,
        base: String,
        place: Option<String>,
    ) -> Result<MoveOutcome, Failed> {
        let place = place_of(place.as_deref())?;
        self.at_desk(move |desk| match desk.read_as(&base)? {
            Ok(document) => desk.move_plain(&document, numbers.as_deref(), place),
            Err(their_base) => Ok(MoveOutcome::Conflict { their_base }),
        })
        .await
    }
}

impl Desk<'_> {
    fn move_plain(
        &self,
        document: &Document,
        numbers: Option<&[u32]>,
        place: Option<Place>,
    ) -> Result<MoveOutcome, Failed> {
        let all = document.plain_secrets();
        let wanted: Option<HashSet<usize>> =
            numbers.map(|numbers| numbers.iter().filter_map(|number| usize::try_from(*number).ok()).collect());
        let is_wanted = |number: usize| wanted.as_ref().is_none_or(|wanted| wanted.contains(&number));
        let able = all.iter().enumerate().filter(|(number, plain)| is_wanted(*number) && plain.by_hand.is_none());
        let able: Vec<&config::PlainSecret> = able.map(|(_, plain)| plain).collect();
        if able.is_empty() {
            return Err(Failed::BadRequest { why: "none of these secrets can be moved here".to_owned() });
        }
        let names = self.names_for(document, &able)?;
        let named: Vec<_> = able.iter().copied().zip(names.iter().map(String::as_str)).collect();
        let edited = document.refer(&named).map_err(|error| self.failed(error.into()))?;
        let secret = |plain: &config::PlainSecret| SecretString::from(plain.secret().to_string());
        let new = named.iter().map(|(plain, name)| ((*name).to_owned(), secret(plain))).collect();
        self.check_moved(document, &edited, &new)?;
        self.put_moved(&edited, &new, place)
    }

    /// The edited file has to mean what it meant, with the secrets coming from the vault.
    fn check_moved(
        &self,
        before: &Document,
        edited: &Document,
        new: &BTreeMap<String, SecretString>,
    ) -> Result<(), Failed> {
        let above = Above { vault: &*self.core.vault, new };
        let read = |document| self.file.check(document, &self.core.vars, &above).map_err(|error| self.failed(error));
        let (after, before) = (read(edited)?, read(before)?);
        if after.monitors == before.monitors && after.storage == before.storage {
            return Ok(());
        }
        let why = "the file would mean something else with references in the place of its secrets; move them by hand";
        Err(Failed::BadRequest { why: why.to_owned() })
    }

    fn put_moved(
        &self,
        edited: &Document,
        new: &BTreeMap<String, SecretString>,
        place: Option<Place>,
    ) -> Result<MoveOutcome, Failed> {
        let vault = &*self.core.vault;
        let mut kept_in = None;
        for (at, (name, secret)) in new.iter().enumerate() {
            match vault.keep(name, secret.clone(), place) {
                // The file will not have it any more: only a person may say that it goes with the next restart.
                Ok(kept) if place.is_none() && kept.place.is_lost_at_restart() => {
                    forget(vault, new.keys().take(at + 1));
                    let (state, what) = ("lost_at_restart".to_owned(), lost_at_restart(kept.place));
                    return Ok(MoveOutcome::NotKept { state, what, places: other_places(vault) });
                }
                Ok(kept) => kept_in = Some(kept.place),
                Err(error) => {
                    forget(vault, new.keys().take(at));
                    let (state, what) = (error.word().to_owned(), error.to_string());
                    return Ok(MoveOutcome::NotKept { state, what, places: other_places(vault) });
                }
            }
        }
        // They are at hand: nobody has to be asked for them again.
        match self.file.save(edited, &self.core.vars, &Above { vault, new }) {
            Ok(saved) => {
                self.core.apply(&saved.config, FirstCheck::AtOnce);
                let place = kept_in.unwrap_or(Place::Service);
                Ok(MoveOutcome::Moved {
                    count: u32::try_from(new.len()).unwrap_or(u32::MAX),
                    place: place.word().to_owned(),
                    lost_at_restart: place.is_lost_at_restart(),
                })
            }
            Err(error) => {
                forget(vault, new.keys());
                match error {
                    SaveError::Conflict(_) => Ok(MoveOutcome::Conflict { their_base: base_of(self.read()?.base()) }),
                    error => Err(self.failed(error)),
                }
            }
        }
    }

    /// Names that neither the vault nor the file has.
    fn names_for(&self, document: &Document, plain: &[&config::PlainSecret]) -> Result<Vec<String>, Failed> {
        let vault = &*self.core.vault;
        let mut taken: HashSet<String> = vault.known().map_err(|error| vault_fault(&error))?.into_keys().collect();
        taken.extend(document.named_secrets().into_keys());
        let mut next: BTreeMap<String, u32> = BTreeMap::new();
        let mut names = Vec::with_capacity(plain.len());
        for plain in plain {
            let wanted = wanted_name(plain);
            let number = next.entry(wanted.clone()).or_insert(1);
            let name = loop {
                let name = if *number == 1 { wanted.clone() } else { format!("{wanted}-{number}") };
                *number += 1;
                // Another installation of this person may have one that is not in the list here.
                if !taken.contains(&name) && vault.get(&name).is_err() {
                    break name;
                }
            };
            taken.insert(name.clone());
            names.push(name);
        }
        Ok(names)
    }
}

fn lost_at_restart(place: Place) -> String {
    format!(
        "only {place} could take it now, which loses it when this machine restarts, and the file would not have it any more; \
         start the system's keychain, or give the encrypted file a passphrase (HALLMONITOR_VAULT_PASSPHRASE)"
    )
}

/// Takes back what nobody names.
fn forget<'n>(vault: &dyn Vault, names: impl Iterator<Item = &'n String>) {
    for name in names {
        if let Err(error) = vault.forget(name) {
            tracing::warn!(name, error = error_chain(&error), "a secret that nobody needs stays in the vault");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_can_be_read() {
        for (text, expected) in [
            ("Git Lab (intern)", "git-lab-intern"),
            ("X-Api-Key", "x-api-key"),
            ("日本", "usual"),
            ("--", "usual"),
            ("ä1", "1"),
        ] {
            assert_eq!(piece(text, "usual"), expected, "{text}");
        }
        assert_eq!(piece(&"a".repeat(400), "usual").len(), LONGEST_PIECE);
    }
}
