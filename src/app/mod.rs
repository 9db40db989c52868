//! Wiring: the only room that knows all parts. It makes them, connects them, and takes them down in order.
//!
//! | file | subject |
//! |---|---|
//! | `start.rs` | brings everything up, the first check before the backend |
//! | `recall.rs` | what is known of earlier runs |
//! | `core.rs` | what is in force: configuration, monitors, pauses; the state file |
//! | `fleet.rs` | what has to change when the configuration does |
//! | `wiring.rs` | what rooms say to each other through traits |
//! | `keeper.rs` | the thread beside the checks: control socket, file watch, heartbeat, state file |
//! | `answers.rs`, `reads.rs` | answers of the running core; reads that it shares with `files.rs` |
//! | `presence.rs`, `neighbours.rs` | signs of life in a shared store; the instances there, and what another one kept |
//! | `stores.rs`, `storage.rs` | how stores are opened; how storage is doing, and which backend is to be used |
//! | `shown.rs` | a row of the board as an answer |
//! | `screens/` | what a window may ask |
//! | `vault.rs` | the vault of this machine |
//! | `files.rs` | answers from the files of a data folder that nobody holds |

mod answers;
mod core;
mod files;
mod fleet;
mod keeper;
mod neighbours;
mod presence;
mod reads;
mod recall;
mod screens;
mod shown;
mod start;
mod storage;
mod stores;
mod vault;
mod wiring;

use std::path::PathBuf;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use thiserror::Error;
use tokio::sync::{broadcast, watch};

use self::core::Core;
pub use self::files::offline;
pub use self::neighbours::{Neighbour, NoNeighbour, neighbours, of_neighbour};
pub use self::screens::{Interest, Screens, chart_of, days_of, rows_of};
pub use self::storage::{BackendChange, store};
pub use self::vault::{PASSPHRASE_FILE_VARIABLE, PASSPHRASE_VARIABLE, system_vault};
use crate::clock::{Clock, SystemClock};
use crate::config::{self, Config, ConfigFile, LoadError, Vars};
use crate::control::Answers;
use crate::event::Event;
use crate::journal::JournalError;
use crate::model::error_chain;
use crate::record::{Board, HoldError, StateError};
use crate::schedule::{Connectivity, SystemConnectivity};
use crate::secret::{MemoryVault, Vault};
use crate::storage::StoreError;

/// How long the end may take in all.
pub const DRAIN: Duration = Duration::from_secs(5);

/// Where things are and what the core may use.
#[derive(Debug, Clone)]
pub struct Options {
    /// The configuration file.
    pub config: PathBuf,
    /// The data folder.
    pub data_dir: PathBuf,
    /// Environment variables.
    pub vars: Vars,
    /// The clocks.
    pub clock: Arc<dyn Clock>,
    /// Passwords and tokens.
    pub vault: Arc<dyn Vault>,
    /// What is known of the network.
    pub connectivity: Arc<dyn Connectivity>,
}

impl Options {
    /// This machine's clocks and network, and an empty vault in memory; [`system_vault`] is the one of this machine.
    #[must_use]
    pub fn new(config: PathBuf, data_dir: PathBuf, vars: Vars) -> Self {
        Self {
            config,
            data_dir,
            vars,
            clock: Arc::new(SystemClock),
            vault: Arc::new(MemoryVault::default()),
            connectivity: Arc::new(SystemConnectivity::default()),
        }
    }
}

/// Reads the configuration file for [`App::start`]. One that was half written over when the program was killed is put
/// right first.
///
/// # Errors
/// As for [`config::load`].
pub fn load(options: &Options) -> Result<Config, LoadError> {
    let file = ConfigFile::new(&options.config, &options.data_dir, Arc::clone(&options.clock));
    match file.recover() {
        Ok(false) => {}
        Ok(true) => tracing::warn!("the configuration file was half written and has its former content again"),
        Err(error) => tracing::error!(error = error_chain(&error), "the configuration file cannot be put right"),
    }
    config::load(&options.config, &options.vars, &*options.vault)
}

/// Why the core cannot start.
#[derive(Debug, Error)]
pub enum StartError {
    /// The data folder is held by another process or cannot be used.
    #[error(transparent)]
    Folder(#[from] HoldError),
    /// The state file cannot be read.
    #[error(transparent)]
    State(#[from] StateError),
    /// The journal cannot be opened.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The store is needed to start (its state file is gone) and cannot be opened.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The system gives no thread or runtime.
    #[error("no thread can be started: {0}; close other programs and try again")]
    Thread(#[from] std::io::Error),
}

/// A running core. Watches until it is stopped or dropped.
#[derive(Debug)]
pub struct App {
    core: Arc<Core>,
    stop: watch::Sender<bool>,
    keeper: Option<JoinHandle<()>>,
    checks: Option<JoinHandle<()>>,
}

impl App {
    /// The live state of all monitors.
    #[must_use]
    pub fn board(&self) -> Arc<Board> {
        self.core.recorder.board()
    }

    /// What is announced from now on.
    #[must_use]
    pub fn events(&self) -> broadcast::Receiver<Event> {
        self.core.events.listen()
    }

    /// Answers questions, as the control socket does.
    #[must_use]
    pub fn answers(&self) -> Arc<dyn Answers> {
        Arc::new(answers::Live(Arc::clone(&self.core)))
    }

    /// Answers what a window asks.
    #[must_use]
    pub fn screens(&self) -> Screens {
        Screens::new(Arc::clone(&self.core))
    }

    /// Ends it: cancels running checks, makes everything durable, lets go of the data folder. Blocks for at most
    /// [`DRAIN`]. Returns whether all of it worked out in time.
    #[must_use]
    pub fn stop(mut self) -> bool {
        self.end()
    }

    fn end(&mut self) -> bool {
        let _ = self.stop.send(true);
        let Some(keeper) = self.keeper.take() else { return true };
        let kept = keeper.join().is_ok();
        let checked = self.checks.take().is_none_or(|checks| checks.join().is_ok());
        let delivered = self.core.delivery.stop(DRAIN.saturating_sub(Duration::from_millis(1_500)));
        kept && checked && delivered
    }
}

impl Drop for App {
    fn drop(&mut self) {
        self.end();
    }
}
