//! What happens to a result. A probe's observation comes in; out go rows for the journal, events for whoever listens,
//! and a live board for screens.
//!
//! Promises: a state follows from verdicts by the thresholds and from nothing else; what was not observed is never
//! held against a target; incidents of one monitor never overlap; rows leave in the order in which things were
//! decided, so that a snapshot and the rows after it give the same board again.
//!
//! | file | subject |
//! |---|---|
//! | `recorder.rs` | the door: results in, rows and events out; the list of monitors |
//! | `machine.rs` | verdicts and thresholds to states and incidents; pure |
//! | `gaps.rs` | pauses and instance-wide gaps |
//! | `restore.rs` | the snapshot, and the way back from it |
//! | `board.rs` | what screens and commands read |
//! | `live.rs`, `recent.rs` | what is in memory for each monitor |
//! | `identity.rs` | which id a configured monitor has |
//! | `folder.rs`, `state_file.rs`, `alive.rs` | the data folder and what is written there besides the journal |

mod alive;
mod board;
mod folder;
mod gaps;
mod identity;
mod live;
mod machine;
mod recent;
mod recorder;
mod restore;
mod state_file;

pub use alive::{Alive, AliveFile};
pub use board::{Board, BoardChange, BoardRow, Counts};
pub use folder::{DataFolder, HoldError};
pub use identity::{ConfiguredMonitor, Identities, RememberedMonitor, Rename, identify};
pub use recent::SparkPoint;
pub use recorder::{Recorder, RowSink};
pub use restore::{Recorded, Restored, SavedMonitor};
pub use state_file::{Instance, LedgerEntry, LoadedState, LocalState, SetAside, StateError, StateFile};
