//! Backend `embedded`: history in a file of native_db, in the folder `embedded` of the data folder.
//!
//! It promises: an append is one transaction, on disk when it returns; reads never wait for an append; a damaged file
//! is kept under another name and a new one begun, also while it is open; after an I/O error the file is opened again by
//! itself.
//!
//! | file | what is in it |
//! |---|---|
//! | `store.rs` | the store: brings calls to threads that may block |
//! | `file.rs` | the live file: open, set aside, open again, what is kept of it in memory |
//! | `floors.rs` | from when on rows are there, for all and for each monitor |
//! | `append.rs` | writing rows |
//! | `read.rs`, `page.rs` | reading rows; a page of results |
//! | `upkeep.rs` | prune, forget, scan |
//! | `sealed.rs`, `shelf.rs` | files of periods that are over: one, and all of a folder |
//! | `seal.rs` | moves what a period that is over has from the live file to a sealed one |
//! | `pack.rs`, `spread.rs` | packs what a sealed file gets, on several processors |
//! | `table.rs`, `record.rs` | the engine's tables, their keys |
//! | `frame.rs`, `block.rs`, `unblock.rs`, `chunk.rs`, `column.rs` | the form of what is stored (`docs/embedded-format.md`) |
//! | `room.rs` | what takes the room |
//! | `shrink.rs` | writes the live file anew without its empty room |
//! | `verify.rs` | proves every checksum |
//! | `fault.rs` | the engine's errors in the words of the seam |
//!
//! A folder has one live file, `live.db`, and sealed files of periods that are over (`results-20261125.7.sealed`).
//! A database of pages wastes room beside large values and grows for ever; files that are written once have neither
//! fault, and dropping a day is unlinking one.

mod append;
mod block;
mod chunk;
mod column;
mod fault;
mod file;
mod floors;
mod frame;
mod pack;
mod page;
mod read;
mod record;
mod room;
mod seal;
mod sealed;
mod shelf;
mod shrink;
mod spread;
mod store;
mod table;
mod unblock;
mod upkeep;
mod verify;

use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::model::{FieldKind, FieldSpec};
use crate::storage::{Backend, BackendEnv, Face, FieldFace, Part, ResultStore, StoreError, StoreErrorKind, Words};

/// Settings of the `embedded` backend.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Embedded {
    /// The folder of the database; the data folder's `embedded` when it is not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<PathBuf>,
}

/// Name, picture and words.
const FACE: Face = Face {
    name: Words::new("Embedded", "Eingebaut"),
    about: Words::new("On this computer. Nothing to set up.", "Auf diesem Rechner. Nichts einzurichten."),
    icon: "M2.5 2.8h11v4.4h-11ZM2.5 8.8h11v4.4h-11ZM5 5h.01M5 11h.01",
    fields: &[FieldFace::new(
        "path",
        Words::new("Folder", "Ordner"),
        Words::new(
            "Where the files of history are; `embedded` in the data folder where none is given.",
            "Wo die Dateien des Verlaufs liegen; ohne Angabe `embedded` im Datenordner.",
        ),
    )
    .within(Part::Advanced)],
};

#[async_trait]
impl Backend for Embedded {
    const ID: &'static str = "embedded";
    const FREES_ROOM: bool = true;
    const FACE: Face = FACE;
    const FIELDS: &'static [FieldSpec] = &[FieldSpec {
        key: "path",
        kind: FieldKind::Path,
        required: false,
        default: None,
        doc: "Folder of the database; `embedded` in the data folder when it is not given.",
    }];

    fn contact(&self) -> String {
        match &self.path {
            Some(path) => format!("{}:{}", Self::ID, path.display()),
            None => Self::ID.to_owned(),
        }
    }

    fn folder(&self, env: &BackendEnv) -> Option<PathBuf> {
        // A relative folder is one of the data folder's, never of the working directory's.
        Some(env.data_dir.join(self.path.as_deref().unwrap_or("embedded".as_ref())))
    }

    async fn open(&self, env: &BackendEnv) -> Result<Arc<dyn ResultStore>, StoreError> {
        let folder = env.data_dir.join(self.path.as_deref().unwrap_or("embedded".as_ref()));
        let (instance, clock) = (env.instance, Arc::clone(&env.clock));
        let opened = tokio::task::spawn_blocking(move || store::EmbeddedStore::open(&folder, instance, clock)).await;
        match opened {
            Ok(store) => Ok(Arc::new(store?)),
            Err(failed) => {
                Err(StoreError::new(StoreErrorKind::Internal, Self::ID, "open", "the work was lost").caused_by(failed))
            }
        }
    }
}
