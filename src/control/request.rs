//! What can be asked.

use serde::{Deserialize, Serialize};

use crate::deliver::Letters;
use crate::model::{Span, UnixMicros};
use crate::storage::PageCursor;

/// Most rows in one answer; who wants more asks again with the cursor.
pub const MAX_PAGE: usize = 5_000;

/// A question. Monitors are meant by name or by id; an empty list means all of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "ask", rename_all = "snake_case")]
pub enum Request {
    /// Who holds the folder. Answered with [`super::Answer::Holder`].
    Version,
    /// What every monitor is now. Answered with [`super::Answer::Status`], or [`super::Answer::Unchanged`].
    Status {
        /// Only when something changed since this [`super::Status::revision`].
        #[serde(default)]
        newer_than: Option<u64>,
    },
    /// Results, newest first. Answered with [`super::Answer::History`].
    History {
        /// Of one monitor, or of all.
        monitor: Option<String>,
        /// Those that started in it.
        span: Span,
        /// Most results, up to [`MAX_PAGE`].
        limit: usize,
        /// Goes on after an earlier page.
        #[serde(default)]
        after: Option<PageCursor>,
    },
    /// Uptime and coverage. Answered with [`super::Answer::Uptime`].
    Uptime {
        /// Whose.
        monitors: Vec<String>,
        /// When.
        span: Span,
    },
    /// Incidents that touch the span, newest first. Answered with [`super::Answer::Incidents`].
    Incidents {
        /// Of one monitor, or of all.
        #[serde(default)]
        monitor: Option<String>,
        /// When.
        span: Span,
        /// Most incidents, up to [`MAX_PAGE`].
        limit: usize,
    },
    /// How storage is doing. Answered with [`super::Answer::Storage`].
    Storage,
    /// Reads everything in the store in use to prove that it is whole. Answered with [`super::Answer::Verified`].
    VerifyStore,
    /// Rows that were refused for good, the newest first. Answered with [`super::Answer::DeadLetters`].
    DeadLetters {
        /// Most letters, up to [`MAX_PAGE`].
        limit: usize,
    },
    /// Brings refused rows to their store again. Answered with [`super::Answer::LettersChanged`].
    RetryLetters {
        /// Which.
        letters: Letters,
    },
    /// Drops refused rows for good. Answered with [`super::Answer::LettersChanged`].
    DropLetters {
        /// Which.
        letters: Letters,
    },
    /// Checks now, besides the schedule. Answered with [`super::Answer::Done`].
    CheckNow {
        /// Which.
        monitors: Vec<String>,
    },
    /// Pauses. Answered with [`super::Answer::Done`].
    Pause {
        /// Which.
        monitors: Vec<String>,
        /// When they go on by themselves; none: when resumed.
        #[serde(default)]
        until: Option<UnixMicros>,
    },
    /// Goes on after a pause. Answered with [`super::Answer::Done`].
    Resume {
        /// Which.
        monitors: Vec<String>,
    },
}
