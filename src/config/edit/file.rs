//! The configuration file on the disk: read for editing, saved when nobody changed it meanwhile, taken back.

use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use thiserror::Error;

use super::document::Document;
use super::error::EditError;
use super::recover::{is_marked, mark, recover, unmark};
use super::refused::{FieldProblem, by_field};
use super::swap::{Fault, Step, Way, resolve, swap};
use super::versions::{LastSave, Version, Versions, fingerprint};
use crate::clock::Clock;
use crate::config::source::{self, content_hash};
use crate::config::{Config, Refusal, Vars, parse};
use crate::model::UnixMicros;
use crate::secret::Vault;

/// Both contents of a file that was changed meanwhile.
#[derive(Clone, PartialEq, Eq)]
pub struct Conflict {
    /// What the file holds now; empty where it is gone.
    pub theirs: Arc<str>,
    /// What was to be saved.
    pub mine: Arc<str>,
}

impl fmt::Debug for Conflict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Not the texts: they may hold passwords.
        f.debug_struct("Conflict").finish_non_exhaustive()
    }
}

/// Why a file was not read for editing, or not saved. Unless said otherwise it is as it was.
#[derive(Debug, Error)]
pub enum SaveError {
    /// The file or a version of it cannot be read.
    #[error("cannot read {}: {source}; check the owner and the permissions", file.display())]
    Read {
        /// Which file.
        file: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// It cannot be edited.
    #[error(transparent)]
    Edit(#[from] EditError),
    /// The reader of the configuration would refuse it.
    #[error("nothing was saved, as the program would refuse the file: {refusal}")]
    Refused {
        /// Everything that is wrong, by monitor and field.
        fields: Vec<FieldProblem>,
        /// The same as a whole.
        refusal: Refusal,
    },
    /// Somebody else changed the file.
    #[error(
        "nothing was saved, as the configuration file was changed meanwhile: look at both, then save again or drop your change"
    )]
    Conflict(Conflict),
    /// Something could not be written; the file holds what it held.
    #[error("nothing was saved: cannot {doing} {}: {source}; check the free space and the permissions", file.display())]
    Write {
        /// What was being done.
        doing: &'static str,
        /// Which file.
        file: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The file had to be written over, that failed, and it could not be written back.
    #[error("the configuration file {} is damaged ({source}): put {} in its place", file.display(), kept.display())]
    Torn {
        /// Which file.
        file: PathBuf,
        /// What it held before.
        kept: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// No such version.
    #[error("there is no version {name} of the configuration file any more: list them again")]
    NoVersion {
        /// Its name.
        name: String,
    },
    /// There is no save of ours, or there was no file before it.
    #[error("there is nothing to undo: the configuration file was not saved by Hall Monitor before")]
    NothingToUndo,
}

/// What a save did.
#[derive(Debug)]
pub struct Saved {
    /// What the file says now.
    pub config: Config,
    /// What it held before; none where there was no file, or where nothing changed.
    pub before: Option<Version>,
    /// How it was written; none where nothing changed.
    pub way: Option<Way>,
}

/// The configuration file, for editing. Blocks on the disk.
#[derive(Debug)]
pub struct ConfigFile {
    path: PathBuf,
    versions: Versions,
    clock: Arc<dyn Clock>,
}

impl ConfigFile {
    /// The file of this name; its versions are kept in `versions` in the data folder.
    #[must_use]
    pub fn new(path: impl Into<PathBuf>, data_dir: &Path, clock: Arc<dyn Clock>) -> Self {
        Self { path: path.into(), versions: Versions::new(data_dir), clock }
    }

    /// Gives the file back what it held, where the program was killed while it wrote over it ([`Way::InPlace`]). Tells
    /// whether that was needed. To be called before the file is read at the start; reading it for editing and saving
    /// it do so themselves.
    ///
    /// # Errors
    /// The file or its versions cannot be read or written.
    pub fn recover(&self) -> Result<bool, SaveError> {
        if !is_marked(&self.versions) {
            return Ok(false);
        }
        let _lock = self.lock()?;
        self.recover_held()
    }

    fn lock(&self) -> Result<fs::File, SaveError> {
        let failed =
            |source| SaveError::Write { doing: "use the folder", file: self.versions.folder().to_owned(), source };
        self.versions.lock().map_err(failed)
    }

    /// The same by whoever keeps other writers out.
    fn recover_held(&self) -> Result<bool, SaveError> {
        let file = resolve(&self.path);
        let recovered = recover(&self.versions, &file);
        if let Ok(true) = recovered {
            tracing::warn!(file = %file.display(), "the configuration file was half written; it holds again what it held before");
        }
        recovered.map_err(|source| SaveError::Write { doing: "repair", file, source })
    }

    /// Reads the file for editing; an empty document where there is none.
    ///
    /// # Errors
    /// It cannot be read, or is no YAML.
    pub fn read(&self) -> Result<Document, SaveError> {
        self.recover()?;
        match self.content()? {
            Some(bytes) => Ok(Document::parse(&bytes, &self.path)?),
            None => Ok(Document::empty()),
        }
    }

    /// Saves a document when the file holds what its edits started from. What the file held is kept as a version.
    ///
    /// # Errors
    /// The file was changed meanwhile, the reader would refuse the new one, or it cannot be written. In each case the
    /// file is as it was, but for [`SaveError::Torn`].
    pub fn save(&self, document: &Document, vars: &Vars, vault: &dyn Vault) -> Result<Saved, SaveError> {
        self.put(&document.to_bytes(), document, document.base(), vars, vault)
    }

    /// Whether the reader would take a document: what it would say then. Nothing is written.
    ///
    /// # Errors
    /// [`SaveError::Refused`].
    pub fn check(&self, document: &Document, vars: &Vars, vault: &dyn Vault) -> Result<Config, SaveError> {
        parse(&document.to_bytes(), &self.path, vars, vault)
            .map_err(|refusal| SaveError::Refused { fields: by_field(document, &refusal), refusal })
    }

    /// Puts another content in the place of what the file holds. `base` is the hash of what that was as far as is known
    /// ([`Document::base`]).
    ///
    /// # Errors
    /// The content is no YAML, and as for [`ConfigFile::save`].
    pub fn replace(&self, new: &[u8], base: Option<u64>, vars: &Vars, vault: &dyn Vault) -> Result<Saved, SaveError> {
        self.put(new, &Document::parse(new, &self.path)?, base, vars, vault)
    }

    /// The contents that the file had before, newest first.
    ///
    /// # Errors
    /// The folder cannot be read.
    pub fn versions(&self) -> Result<Vec<Version>, SaveError> {
        self.versions.list().map_err(|source| SaveError::Read { file: self.versions.folder().to_owned(), source })
    }

    /// The text of a version, to be looked at.
    ///
    /// # Errors
    /// No such version, or it cannot be read.
    pub fn version(&self, name: &str) -> Result<String, SaveError> {
        Ok(text_of(&self.bytes_of(name)?))
    }

    /// Puts a version in the place of what the file holds. `base` is the hash of what that was as far as is known
    /// ([`Document::base`]).
    ///
    /// # Errors
    /// No such version, and as for [`ConfigFile::save`].
    pub fn restore(&self, name: &str, base: Option<u64>, vars: &Vars, vault: &dyn Vault) -> Result<Saved, SaveError> {
        self.replace(&self.bytes_of(name)?, base, vars, vault)
    }

    /// Takes the last save back. That is a save too, so that a second call brings the change back.
    ///
    /// # Errors
    /// The file was changed since, there is nothing to undo, and as for [`ConfigFile::save`].
    pub fn undo(&self, vars: &Vars, vault: &dyn Vault) -> Result<Saved, SaveError> {
        let read = |source| SaveError::Read { file: self.versions.folder().to_owned(), source };
        self.recover()?;
        let last = self.versions.last_save().map_err(read)?.ok_or(SaveError::NothingToUndo)?;
        let before = self.bytes_of(&last.before)?;
        let now = self.content()?;
        if now.as_deref().map(fingerprint) != Some(last.after) {
            return Err(conflict(now.as_deref(), &before));
        }
        let base = now.as_deref().map(content_hash);
        self.put(&before, &Document::parse(&before, &self.path)?, base, vars, vault)
    }

    fn content(&self) -> Result<Option<Vec<u8>>, SaveError> {
        match source::read(&self.path) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(SaveError::Read { file: self.path.clone(), source }),
        }
    }

    fn bytes_of(&self, name: &str) -> Result<Vec<u8>, SaveError> {
        self.versions.read(name).map_err(|source| match source.kind() {
            io::ErrorKind::NotFound => SaveError::NoVersion { name: crate::model::clean_text(name, 80) },
            _ => SaveError::Read { file: self.versions.folder().join(name), source },
        })
    }

    /// Puts a content into the file. `document` is the same, read.
    fn put(
        &self,
        new: &[u8],
        document: &Document,
        base: Option<u64>,
        vars: &Vars,
        vault: &dyn Vault,
    ) -> Result<Saved, SaveError> {
        let of_versions = |doing, source| SaveError::Write { doing, file: self.versions.folder().to_owned(), source };
        let _lock = self.lock()?;
        self.recover_held()?;
        let old = self.content()?;
        if old.as_deref().map(content_hash) != base {
            return Err(conflict(old.as_deref(), new));
        }
        let config = parse(new, &self.path, vars, vault)
            .map_err(|refusal| SaveError::Refused { fields: by_field(document, &refusal), refusal })?;
        if old.as_deref() == Some(new) {
            return Ok(Saved { config, before: None, way: None });
        }
        let now = self.clock.wall();
        let before = old.as_deref().map(|old| self.versions.keep(old, now)).transpose();
        let before = before.map_err(|source| of_versions("keep the version before in", source))?;
        let way = self.write(old.as_deref(), new, before.as_ref(), now)?;
        self.remember(before.as_ref(), new);
        Ok(Saved { config, before, way: Some(way) })
    }

    fn write(&self, old: Option<&[u8]>, new: &[u8], kept: Option<&Version>, now: UnixMicros) -> Result<Way, SaveError> {
        let file = resolve(&self.path);
        let failed = |doing, source| SaveError::Write { doing, file: file.clone(), source };
        if let (None, Some(folder)) = (old, file.parent()) {
            fs::create_dir_all(folder).map_err(|source| failed("make the folder of", source))?;
        }
        let tag = format!("{}-{}", std::process::id(), now.micros());
        let mut changed = None;
        // The last moment to see that somebody else has written.
        let mut look = |step: Step| {
            if matches!(step, Step::Written | Step::Reserved) {
                let current = self.content().map_err(io::Error::other)?;
                if current.as_deref() != old {
                    changed = Some(conflict(current.as_deref(), new));
                    return Err(io::ErrorKind::Other.into());
                }
            }
            match (step, kept) {
                (Step::Reserved, Some(kept)) => mark(&self.versions, kept, new),
                _ => Ok(()),
            }
        };
        let written = swap(&file, old, new, &tag, &mut look);
        if !matches!(written, Ok(Way::Replaced) | Err(Fault::Torn(_))) {
            // A mark that stays does no harm: the file is none of the mixtures.
            let _ = unmark(&self.versions);
        }
        match (written, changed) {
            (Ok(way), _) => Ok(way),
            (_, Some(conflict)) => Err(conflict),
            (Err(Fault::Untouched(source)), None) => Err(failed("write", source)),
            (Err(Fault::Torn(source)), None) => {
                let name = kept.map_or_else(String::new, |version| version.name.clone());
                Err(SaveError::Torn { kept: self.versions.folder().join(name), file, source })
            }
        }
    }

    /// Notes the save for `undo`. It is done by now, so that a fault here is only told.
    fn remember(&self, before: Option<&Version>, new: &[u8]) {
        let noted = before
            .map_or(Ok(()), |before| {
                self.versions.set_last_save(&LastSave { before: before.name.clone(), after: fingerprint(new) })
            })
            .and_then(|()| self.versions.prune());
        if let Err(error) = noted {
            let folder = self.versions.folder().display();
            tracing::warn!(%folder, %error, "the save of the configuration cannot be noted; it cannot be undone");
        }
    }
}

fn text_of(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    text.strip_prefix('\u{feff}').unwrap_or(&text).to_owned()
}

fn conflict(theirs: Option<&[u8]>, mine: &[u8]) -> SaveError {
    SaveError::Conflict(Conflict { theirs: text_of(theirs.unwrap_or_default()).into(), mine: text_of(mine).into() })
}
