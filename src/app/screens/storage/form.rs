//! From a form to the configuration file that it would give. Secrets stand beside it until something is saved.

use std::collections::{BTreeMap, VecDeque};
use std::fs;
use std::path::Path;

use super::super::form::Desk;
use super::{offer, reference, vault_fault};
use crate::app::core::lock;
use crate::config::{Config, Document, Problem, SaveError, SectionValues, Severity};
use crate::model::FieldKind;
use crate::screen::{Failed, FieldError, SecretWish, StorageForm};
use crate::secret::{ExposeSecret as _, Kept, Known, Look, Place, SecretString, SecretText, Vault, VaultError};
use crate::storage::Offer;

/// Largest secret, in bytes: as much as a value of the configuration may hold.
const LARGEST_SECRET: usize = 64 * 1024;
/// Addresses whose secrets are remembered.
const MOST_PASTED: usize = 8;
/// A larger file of certificates is not read.
const LARGEST_FILE: u64 = 4 * 1024 * 1024;

/// Secrets of addresses that somebody pasted, until they are used or others come.
#[derive(Debug, Default)]
pub(in crate::app::screens) struct Pasted {
    last: u64,
    secrets: VecDeque<(String, SecretText)>,
}

impl Pasted {
    pub(super) fn put(&mut self, secret: SecretText) -> String {
        self.last += 1;
        let handle = self.last.to_string();
        self.secrets.push_back((handle.clone(), secret));
        while self.secrets.len() > MOST_PASTED {
            self.secrets.pop_front();
        }
        handle
    }

    fn get(&self, handle: &str) -> Option<&SecretText> {
        self.secrets.iter().find(|(known, _)| known == handle).map(|(_, secret)| secret)
    }
}

/// The vault with secrets that are not kept yet above it.
#[derive(Debug)]
pub(super) struct Above<'a> {
    pub(super) vault: &'a dyn Vault,
    pub(super) new: &'a BTreeMap<String, SecretString>,
}

impl Vault for Above<'_> {
    fn get(&self, name: &str) -> Result<SecretString, VaultError> {
        self.new.get(name).cloned().map_or_else(|| self.vault.get(name), Ok)
    }

    fn set(&self, name: &str, secret: SecretString) -> Result<(), VaultError> {
        self.vault.set(name, secret)
    }

    fn forget(&self, name: &str) -> Result<(), VaultError> {
        self.vault.forget(name)
    }

    fn keep(&self, name: &str, secret: SecretString, place: Option<Place>) -> Result<Kept, VaultError> {
        self.vault.keep(name, secret, place)
    }

    fn known(&self) -> Result<BTreeMap<String, Known>, VaultError> {
        self.vault.known()
    }

    fn look(&self) -> Vec<Look> {
        self.vault.look()
    }
}

/// What a form comes to.
#[derive(Debug)]
pub(super) struct Drafted {
    pub(super) document: Document,
    /// The configuration with it.
    pub(super) config: Config,
    /// Secrets that are to be kept, by name.
    pub(super) new: BTreeMap<String, SecretString>,
    /// Secrets that nobody needs any more.
    pub(super) gone: Vec<String>,
}

/// Why a form comes to nothing.
#[derive(Debug)]
pub(super) enum Not {
    /// Something is wrong with the values.
    Refused(Vec<FieldError>),
    /// Something else.
    Failed(Failed),
}

impl From<Failed> for Not {
    fn from(failed: Failed) -> Self {
        Self::Failed(failed)
    }
}

fn refused(key: &str, what: impl Into<String>) -> Not {
    Not::Refused(vec![FieldError { key: key.to_owned(), what: what.into() }])
}

impl Desk<'_> {
    /// What a form comes to on the file as it is.
    pub(super) fn drafted(
        &self,
        document: &Document,
        form: &StorageForm,
        pasted: &std::sync::Mutex<Pasted>,
    ) -> Result<Drafted, Not> {
        let offer = offer(&form.backend)?;
        let mut values: SectionValues = BTreeMap::new();
        for (key, value) in &form.values {
            let known = offer.fields.iter().find(|field| field.key == key && field.kind != FieldKind::Secret);
            let known =
                known.ok_or_else(|| Failed::BadRequest { why: "that is no field of this backend".to_owned() })?;
            let value = value.clone().filter(|value| !value.is_empty());
            values.insert(known.key.to_owned(), value);
        }
        let mut new = BTreeMap::new();
        let before = document.storage_values(offer.id);
        for (key, wish) in &form.secrets {
            let known = offer.fields.iter().find(|field| field.key == key && field.kind == FieldKind::Secret);
            let known =
                known.ok_or_else(|| Failed::BadRequest { why: "that is no secret of this backend".to_owned() })?;
            let secret = match wish {
                SecretWish::Same => continue,
                SecretWish::Unset => None,
                SecretWish::Typed { text } => Some(text.clone()).filter(|text| !text.is_empty()),
                SecretWish::Pasted { handle } => {
                    let secret = lock(pasted).get(handle).cloned();
                    Some(secret.ok_or_else(|| refused(key, "the pasted one is not known any more; paste it again"))?)
                }
            };
            let Some(secret) = secret else {
                values.insert(known.key.to_owned(), None);
                continue;
            };
            if secret.len() > LARGEST_SECRET {
                return Err(refused(key, format!("is larger than {} KiB", LARGEST_SECRET / 1024)));
            }
            let name = self.name_for(document, offer, key, before.get(key.as_str()).map(String::as_str))?;
            values.insert(known.key.to_owned(), Some(format!("${{secret:{name}}}")));
            new.insert(name, SecretString::from(secret.to_string()));
        }
        let edited = document.use_backend(offer.id).and_then(|named| named.set_storage(offer.id, &values));
        let edited = edited.map_err(|error| self.failed(error.into()))?;
        let config = self.read_drafted(&edited, offer, &new)?;
        let faults = certificate_faults(&self.core.config_path, offer, form);
        if !faults.is_empty() {
            return Err(Not::Refused(faults));
        }
        let gone = before.values().filter_map(|value| reference(value)).filter(|name| !names(&edited, name));
        let gone = gone.map(str::to_owned).collect();
        Ok(Drafted { document: edited, config, new, gone })
    }

    /// The configuration that the edited file gives, or its faults at their fields.
    fn read_drafted(
        &self,
        edited: &Document,
        offer: &Offer,
        new: &BTreeMap<String, SecretString>,
    ) -> Result<Config, Not> {
        let vault = Above { vault: &*self.core.vault, new };
        let config = match self.file.check(edited, &self.core.vars, &vault) {
            Ok(config) => config,
            Err(SaveError::Refused { refusal, .. }) => {
                return Err(Not::Refused(errors_of(&refusal.problems, offer.id)));
            }
            Err(error) => return Err(self.failed(error).into()),
        };
        if config.storage.backend.id() != offer.id {
            let what = "the file or the environment names another backend above this one \
                        (`storage.enabled`, HALLMONITOR_STORAGE_BACKEND); take that away first";
            return Err(refused("", what));
        }
        if let Some(why) = &config.storage.waiting {
            let secret = offer.fields.iter().find(|field| field.kind == FieldKind::Secret);
            return Err(refused(secret.map_or("", |field| field.key), why.clone()));
        }
        Ok(config)
    }

    /// The name under which a secret is kept: the one that the file has, where nothing else uses it, or a new one.
    pub(super) fn name_for(
        &self,
        document: &Document,
        offer: &Offer,
        key: &str,
        written: Option<&str>,
    ) -> Result<String, Failed> {
        if let Some(name) = written.and_then(reference)
            && document.text().matches(&format!("${{secret:{name}}}")).count() == 1
        {
            return Ok(name.to_owned());
        }
        let known = self.core.vault.known().map_err(|error| vault_fault(&error))?;
        let is_free = |name: &String| !known.contains_key(name) && !names(document, name);
        let plain = format!("{}-{key}", offer.id);
        let numbered = (2..1_000).map(|number| format!("{plain}-{number}"));
        let free = std::iter::once(plain.clone()).chain(numbered).find(is_free);
        free.ok_or_else(|| Failed::Internal { why: "too many secrets of one name".to_owned() })
    }
}

/// Whether a file names a secret anywhere.
fn names(document: &Document, secret: &str) -> bool {
    document.text().contains(&format!("${{secret:{secret}}}"))
}

/// Problems at their fields. What is wrong elsewhere in the file stands at no field, with its line.
pub(super) fn errors_of(problems: &[Problem], backend: &str) -> Vec<FieldError> {
    let errors = problems.iter().filter(|problem| problem.severity == Severity::Error);
    errors
        .map(|problem| {
            let sentence = problem.sentence();
            let own = sentence.strip_prefix(&format!("`storage.{backend}.")).and_then(|rest| rest.split_once('`'));
            match own {
                Some((key, what)) => {
                    FieldError { key: key.to_owned(), what: what.trim_start_matches(':').trim().to_owned() }
                }
                None if problem.line > 0 => {
                    FieldError { key: String::new(), what: format!("line {}: {sentence}", problem.line) }
                }
                None => FieldError { key: String::new(), what: sentence },
            }
        })
        .collect()
}

/// Files of certificates that hold none: the reader of the configuration does not look, as they may come later.
fn certificate_faults(config: &Path, offer: &Offer, form: &StorageForm) -> Vec<FieldError> {
    let folder = config.parent().unwrap_or(Path::new("."));
    let files = offer.face.fields.iter().filter(|field| field.is_certificates);
    files
        .filter_map(|field| {
            let written = form.values.get(field.key)?.as_deref()?;
            // What stands for something else is looked at when it is used.
            if written.is_empty() || written.contains("${") {
                return None;
            }
            let what = certificates_fault(&folder.join(written))?;
            Some(FieldError { key: field.key.to_owned(), what })
        })
        .collect()
}

fn certificates_fault(file: &Path) -> Option<String> {
    match fs::metadata(file) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Some("there is no such file".to_owned()),
        Err(error) => return Some(format!("it cannot be read: {error}")),
        Ok(found) if found.is_dir() => return Some("that is a folder; name a file of certificates (PEM)".to_owned()),
        Ok(found) if !found.is_file() => return Some("that is no file".to_owned()),
        Ok(found) if found.len() > LARGEST_FILE => {
            return Some("that file is far too large for certificates".to_owned());
        }
        Ok(_) => {}
    }
    match fs::read(file) {
        Err(error) => Some(format!("it cannot be read: {error}")),
        Ok(bytes) if String::from_utf8_lossy(&bytes).contains("-----BEGIN CERTIFICATE-----") => None,
        Ok(_) => Some("this file holds no certificate (PEM)".to_owned()),
    }
}

impl Drafted {
    /// The names of the new secrets with them, for messages that must not hold one.
    pub(super) fn holds_secret(&self, text: &str) -> bool {
        self.new.values().any(|secret| !secret.expose_secret().is_empty() && text.contains(secret.expose_secret()))
    }
}

impl super::super::Screens {
    /// What is wrong with a form, at its fields: what the configuration would refuse, in its words.
    ///
    /// # Errors
    /// No such backend, or the file cannot be read or edited.
    pub async fn check_storage(&self, form: StorageForm) -> Result<Vec<FieldError>, Failed> {
        let pasted = std::sync::Arc::clone(&self.pasted);
        self.at_desk(move |desk| match desk.drafted(&desk.read()?, &form, &pasted) {
            Ok(_) => Ok(Vec::new()),
            Err(Not::Refused(errors)) => Ok(errors),
            Err(Not::Failed(failed)) => Err(failed),
        })
        .await
    }
}
