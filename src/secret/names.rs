//! Which names there are, and where each secret is: a list in the data folder, without a single value. Not every place
//! can be listed, and none of them without unlocking it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use serde::{Deserialize, Serialize};

use super::{Known, Place, VaultError, private};
use crate::model::UnixMicros;

/// Largest list, in bytes.
const LIMIT: u64 = 4 * 1024 * 1024;

/// The version of the list that is written and read.
const VERSION: u32 = 1;

#[derive(Debug, Default, Serialize, Deserialize)]
struct List {
    version: u32,
    names: BTreeMap<String, Place>,
    /// When each was set, where that was noted.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    set: BTreeMap<String, UnixMicros>,
}

/// The list of names.
#[derive(Debug)]
pub(super) struct Names {
    path: PathBuf,
    /// What was read last, with its bytes: a configuration asks for thousands of names, one after the other.
    last: Mutex<Option<(Vec<u8>, Arc<List>)>>,
}

impl Names {
    pub(super) fn new(folder: &Path) -> Self {
        Self { path: folder.join("names.json"), last: Mutex::default() }
    }

    /// All names with their places.
    pub(super) fn all(&self) -> Result<BTreeMap<String, Place>, VaultError> {
        self.list().map(|list| list.names.clone())
    }

    /// All names with what is known of them.
    pub(super) fn known(&self) -> Result<BTreeMap<String, Known>, VaultError> {
        let list = self.list()?;
        let known = list.names.iter().map(|(name, place)| {
            let known = Known { place: Some(*place), set: list.set.get(name).copied() };
            (name.clone(), known)
        });
        Ok(known.collect())
    }

    fn list(&self) -> Result<Arc<List>, VaultError> {
        let bytes = private::read(&self.path, LIMIT).map_err(|error| self.fault(&error))?;
        let Some(bytes) = bytes else { return Ok(Arc::default()) };
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, list)) = last.as_ref().filter(|(read, _)| *read == bytes) {
            return Ok(Arc::clone(list));
        }
        let list: List = serde_json::from_slice(&bytes).map_err(|error| self.fault(&error))?;
        if list.version != VERSION {
            return Err(self.fault(&format!("it is of version {}, which this version does not read", list.version)));
        }
        let list = Arc::new(list);
        *last = Some((bytes, Arc::clone(&list)));
        Ok(list)
    }

    /// Where a name is known to be.
    pub(super) fn place(&self, name: &str) -> Result<Option<Place>, VaultError> {
        Ok(self.list()?.names.get(name).copied())
    }

    /// Notes where a name is and since when; none when it is nowhere any more.
    pub(super) fn note(&self, name: &str, place: Option<Place>, now: Option<UnixMicros>) -> Result<(), VaultError> {
        let folder = self.path.parent().unwrap_or(Path::new("."));
        let _lock = private::lock(folder).map_err(|error| self.fault(&error))?;
        let list = self.list()?;
        let (mut names, mut set) = (list.names.clone(), list.set.clone());
        let before = match place {
            Some(place) => names.insert(name.to_owned(), place),
            None => names.remove(name),
        };
        let noted = match now.filter(|_| place.is_some()) {
            Some(now) => set.insert(name.to_owned(), now),
            None => set.remove(name),
        };
        if before == place && noted == now {
            return Ok(());
        }
        let bytes =
            serde_json::to_vec_pretty(&List { version: VERSION, names, set }).map_err(|error| self.fault(&error))?;
        private::replace(&self.path, &bytes).map_err(|error| self.fault(&error))
    }

    fn fault(&self, why: &dyn ToString) -> VaultError {
        VaultError::Names { path: self.path.clone(), why: why.to_string() }
    }
}
