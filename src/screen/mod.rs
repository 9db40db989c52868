//! What screens show: plain data for any window, and nothing about windows.
//!
//! It promises: every number is one that a script language holds exactly, times are milliseconds since 1970, errors
//! are one closed list with codes and data, and no secret is in any of it. The types of the other side of the window
//! are generated from these.
//!
//! | file | subject |
//! |---|---|
//! | `number.rs` | times and shares as a screen takes them |
//! | `board.rs` | the live state: rows, changes of rows, the whole in a few figures |
//! | `figures.rs` | figures over days: uptime tiles, day marks, what a row of the table shows besides its state |
//! | `series.rs` | one monitor over time, columnar |
//! | `history.rs` | results and incidents |
//! | `form.rs` | fields, drafts, and what comes of saving |
//! | `place.rs` | preferences, first run, where things are |
//! | `secret.rs` | what the vault holds, how its places are, what stands readable in the file; never a secret |
//! | `storage.rs` | where history is kept: cards, forms, a look, what comes of a change |
//! | `failed.rs` | why there is no answer |

mod board;
mod failed;
mod figures;
mod form;
mod history;
mod number;
mod place;
mod secret;
mod series;
mod storage;

pub use self::board::{Board, BoardChange, BoardRow, Counts, Fault, OwnGap, StorageHealth, Summary, order_of, row_of};
pub use self::failed::{Failed, FileProblem};
pub use self::figures::{DayMark, Figures, MonitorPage, RowHistory, Scope, UptimeTile, Window};
pub use self::form::{
    DraftOf, DraftValue, FieldError, FieldKind, FieldSpec, FileVersion, FormSpec, Inherited, InheritedFrom, KindSpec,
    MonitorDraft, SaveOutcome,
};
pub use self::history::{
    Acknowledgement, CheckResult, Fact, HistorySource, Incident, IncidentPage, KeptElsewhere, PhaseTimes, ResultCursor,
    ResultPage,
};
pub use self::number::{Millis, Number, Share, clock_time};
pub use self::place::{About, FirstRun, Language, OnClose, Preferences, Suggestion, Theme};
pub use self::secret::{
    ByHand, MoveOutcome, PlainOwner, PlainPart, PlainSecret, PlainSecrets, SecretOutcome, UnlockOutcome, VaultPlace,
    VaultSecret,
};
pub use self::series::{Outage, PartLine, Parts, Series, Unseen};
pub use self::storage::{
    ConnectionUse, DeadLetter, DeadLetters, HouseRun, KeptTier, LookNews, LookOutcome, OtherPlace, OwnTimes,
    PruneShown, RetentionCheck, RetentionDraft, RetentionForm, SecretShown, SecretWish, ShownWith, SizeLimit, SizePart,
    StorageCard, StorageDraft, StorageField, StorageForm, StorageOverview, StoragePart, StorageState, StoreSpan,
    TakenApart, UseOutcome, Words,
};
