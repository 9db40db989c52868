//! The control socket: how other processes of the same person ask whoever holds the data folder.
//!
//! It promises: only the folder's owner can connect (mode 0600), one question is one line of JSON and so is its
//! answer, and no client, however slow or rude, harms the core or other clients.
//!
//! - [`Request`], [`Answer`], [`AnswerError`]: every question and answer there is.
//! - [`Answers`]: who can answer. The live core does, and so do files opened by somebody alone with them.
//! - [`find_monitor`]: the monitor that is meant by a name or an id.
//! - `socket`: where the socket is and how it is bound; `wire`: lines and their limits.
//! - [`serve`] on the side of the holder, [`ask`] on the other.

mod answer;
mod client;
mod find;
mod request;
mod server;
mod socket;
mod wire;

use async_trait::async_trait;

pub use self::answer::{
    Answer, AnswerError, Fault, HistoryPage, Holder, IncidentList, Letter, LetterList, MonitorName, MonitorStatus,
    OwnGap, Recent, Schedule, Source, Status, Storage, StorageReport, UptimeList,
};
pub use self::client::{AskError, ask};
pub use self::find::find_monitor;
pub(crate) use self::find::nearest;
pub use self::request::{MAX_PAGE, Request};
pub use self::server::{Listener, ServeError, serve};
pub use self::socket::SOCKET_NAME;

/// Whoever can answer questions about a data folder.
#[async_trait]
pub trait Answers: Send + Sync {
    /// Answers one question.
    ///
    /// # Errors
    /// What was asked for is not there, or cannot be done now.
    async fn answer(&self, request: Request) -> Result<Answer, AnswerError>;
}
