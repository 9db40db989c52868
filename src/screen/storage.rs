//! Where history is kept: cards and forms of backends, a look at one, and how the one in use is doing.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use specta::Type;

use super::form::{FieldError, FieldSpec};
use super::number::{Millis, Number};
use crate::secret::SecretText;
use crate::storage;

/// A text in the languages of the window.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Type)]
pub struct Words {
    /// English.
    pub en: String,
    /// German.
    pub de: String,
}

impl From<storage::Words> for Words {
    fn from(words: storage::Words) -> Self {
        Self { en: words.en.to_owned(), de: words.de.to_owned() }
    }
}

/// Where in a form a field stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Type)]
#[serde(rename_all = "snake_case")]
pub enum StoragePart {
    /// At the top.
    Connection,
    /// Connections and time-outs.
    Timing,
    /// Read replicas.
    Replicas,
    /// What few people need.
    Advanced,
}

/// When a field is shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Type)]
#[serde(rename_all = "camelCase")]
pub struct ShownWith {
    /// Key of another field, whose value or default decides.
    pub key: String,
    /// It has to be one of these; empty for any.
    pub one_of: Vec<String>,
    /// It has to begin so, in any case.
    pub begins: String,
}

/// One field of a backend's form.
#[derive(Clone, Debug, PartialEq, Serialize, Type)]
#[serde(rename_all = "camelCase")]
pub struct StorageField {
    /// What it holds.
    pub spec: FieldSpec,
    /// What it is called; none where its key has to do.
    pub label: Option<Words>,
    /// What it does; none where that goes without saying.
    pub hint: Option<Words>,
    /// Where it stands.
    pub part: StoragePart,
    /// When it is shown; none for always.
    pub shown_with: Option<ShownWith>,
    /// Whether it is a file of certificates.
    pub is_certificates: bool,
}

/// A time whose history lies in one store.
#[derive(Clone, Debug, PartialEq, Serialize, Type)]
#[serde(rename_all = "camelCase")]
pub struct StoreSpan {
    /// Backend and address.
    pub contact: String,
    /// From when on; none where that is not known.
    pub from_ms: Option<Millis>,
    /// Until when.
    pub to_ms: Option<Millis>,
    /// Whether it can be read now.
    pub readable: bool,
    /// Whether it is read once somebody asks for it.
    pub on_request: bool,
    /// Rows that wait for it.
    #[specta(type = u32)]
    pub waiting_rows: u64,
    /// What is wrong with it.
    pub fault: Option<String>,
}

/// A backend that history can go to.
#[derive(Clone, Debug, PartialEq, Serialize, Type)]
#[serde(rename_all = "camelCase")]
pub struct StorageCard {
    /// Its word in the file.
    pub id: String,
    /// What it is called.
    pub name: Words,
    /// What it is.
    pub about: Words,
    /// Its picture: strokes on a field of 16 by 16.
    pub icon: String,
    /// Whether it keeps history at all.
    pub keeps_history: bool,
    /// Whether several computers can share one.
    pub is_shared: bool,
    /// Its form.
    pub fields: Vec<StorageField>,
    /// Whether history goes there now.
    pub in_use: bool,
    /// Whether the file has settings of it, or it needs none.
    pub is_set_up: bool,
    /// Earlier times whose history lies in such a store.
    pub spans: Vec<StoreSpan>,
}

/// Everything that the screen needs at once; nothing of it asks a server.
#[derive(Clone, Debug, PartialEq, Serialize, Type)]
#[serde(rename_all = "camelCase")]
pub struct StorageOverview {
    /// The backends; those that keep no history last.
    pub cards: Vec<StorageCard>,
    /// The one in use: backend and address.
    pub contact: String,
    /// Since when it is in use; none where nobody wrote that down.
    pub since_ms: Option<Millis>,
    /// Rows that it has not got yet.
    #[specta(type = u32)]
    pub waiting_rows: u64,
    /// Why history does not go where the file says, where that is so.
    pub fault: Option<String>,
}

/// A secret setting, without the secret.
#[derive(Clone, Debug, PartialEq, Serialize, Type)]
#[serde(tag = "is", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum SecretShown {
    /// There is none.
    Unset,
    /// It is in the vault.
    Kept {
        /// Its name there.
        name: String,
        /// Where: `service`, `kernel`, `file`; none where that is not known.
        place: Option<String>,
        /// When it was set.
        set_ms: Option<Millis>,
    },
    /// A variable or a file holds it.
    Elsewhere {
        /// As it is written.
        written: String,
    },
    /// It stands in the configuration file for everybody to read.
    Plain,
}

/// The settings of a backend as they are written, for editing.
#[derive(Clone, Debug, PartialEq, Serialize, Type)]
pub struct StorageDraft {
    /// Which backend.
    pub backend: String,
    /// By key of the field, all but the secret ones.
    pub values: BTreeMap<String, String>,
    /// The secret ones.
    pub secrets: BTreeMap<String, SecretShown>,
    /// Tells the content of the file that this was read from.
    pub base: String,
}

/// What becomes of a secret setting.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Type)]
#[serde(tag = "is", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum SecretWish {
    /// It stays as it is.
    Same,
    /// There is none from now on.
    Unset,
    /// Somebody typed another one.
    Typed {
        /// It.
        #[specta(type = String)]
        text: SecretText,
    },
    /// One that was part of an address.
    Pasted {
        /// What it was called when the address was taken apart.
        handle: String,
    },
}

/// The settings of a backend as a form has them.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Type)]
pub struct StorageForm {
    /// Which backend.
    pub backend: String,
    /// By key of the field; none stands for the default.
    pub values: BTreeMap<String, Option<String>>,
    /// The secret ones; one that is not there stays the same.
    pub secrets: BTreeMap<String, SecretWish>,
    /// Tells the content of the file that the form was read from.
    pub base: String,
    /// Where new secrets are to be kept; none for the strongest place that is there.
    pub place: Option<String>,
}

/// What a pasted address says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Type)]
pub struct TakenApart {
    /// By key of the field, all but the secret ones.
    pub values: BTreeMap<String, String>,
    /// The secret ones: what each is called, for [`SecretWish::Pasted`].
    pub secrets: BTreeMap<String, String>,
}

/// News of a look at a store.
#[derive(Clone, Debug, PartialEq, Serialize, Type)]
#[serde(tag = "news", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum LookNews {
    /// A step begins.
    Begins {
        /// Which.
        step: String,
    },
    /// It works.
    Passed {
        /// Which.
        step: String,
        /// What was seen.
        detail: String,
        /// How long it took.
        took_ms: Number,
    },
    /// It does not.
    Failed {
        /// Which.
        step: String,
        /// What happened, and what to do.
        what: String,
        /// What to do about it on the server, to be copied.
        command: Option<String>,
    },
    /// It was not tried, as one before it failed.
    Skipped {
        /// Which.
        step: String,
    },
}

/// What came of a look.
#[derive(Clone, Debug, PartialEq, Serialize, Type)]
#[serde(tag = "outcome", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum LookOutcome {
    /// Every step passed.
    Passed,
    /// One did not.
    Failed,
    /// Somebody stopped it.
    Stopped,
    /// Something is wrong with the values; nobody was asked.
    Refused {
        /// What, at which field.
        errors: Vec<FieldError>,
    },
}

/// A place that could keep a secret instead.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Type)]
#[serde(rename_all = "camelCase")]
pub struct OtherPlace {
    /// Its word: `kernel`, `file`.
    pub place: String,
    /// Whether what it holds is gone when the machine restarts.
    pub lost_at_restart: bool,
}

/// What came of using a backend.
#[derive(Clone, Debug, PartialEq, Serialize, Type)]
#[serde(tag = "outcome", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum UseOutcome {
    /// History goes there from now on.
    Used {
        /// Backend and address.
        contact: String,
        /// Where new secrets went.
        kept_in: Option<String>,
        /// Whether that place forgets them when the machine restarts.
        lost_at_restart: bool,
    },
    /// Something is wrong with the values; nothing was changed.
    Refused {
        /// What, at which field.
        errors: Vec<FieldError>,
    },
    /// The file was changed elsewhere meanwhile; nothing was changed.
    Conflict {
        /// Tells the content that is there now; with it as base the form is put over it.
        their_base: String,
    },
    /// The store cannot be used; nothing was changed.
    Unusable {
        /// Why, and what to do.
        what: String,
    },
    /// The secret cannot be kept; nothing was changed.
    NotKept {
        /// One word: `locked`, `slow`, `denied`.
        state: String,
        /// Why, and what to do.
        what: String,
        /// Other places that could keep it.
        places: Vec<OtherPlace>,
    },
}

/// Connections of a store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Type)]
pub struct ConnectionUse {
    /// In use.
    pub busy: u32,
    /// Open and not in use.
    pub idle: u32,
    /// Most at a time.
    pub most: u32,
}

/// How the store in use is doing.
#[derive(Clone, Debug, PartialEq, Serialize, Type)]
#[serde(rename_all = "camelCase")]
pub struct StorageState {
    /// The backend's word.
    pub backend: String,
    /// Backend and address.
    pub contact: String,
    /// `opening`, `open` or `fault`.
    pub state: String,
    /// What is wrong; none when all is well.
    pub fault: Option<String>,
    /// When a row was last made durable.
    pub last_write_ms: Option<Millis>,
    /// Rows of the last batch.
    #[specta(type = Option<u32>)]
    pub last_rows: Option<u64>,
    /// Rows in a minute, since `counted_since_ms`.
    pub rows_per_minute: Option<Number>,
    /// How long half of the batches took at most.
    #[specta(type = Option<u32>)]
    pub append_p50_us: Option<u64>,
    /// How long 99 % of them took at most.
    #[specta(type = Option<u32>)]
    pub append_p99_us: Option<u64>,
    /// Rows that wait because the store does not take them.
    #[specta(type = u32)]
    pub waiting_rows: u64,
    /// About when the oldest of them was made.
    pub oldest_waiting_ms: Option<Millis>,
    /// About when they are gone, at the pace of before; none while the store takes nothing.
    pub gone_in_ms: Option<Millis>,
    /// Batches that were not taken and brought again.
    #[specta(type = u32)]
    pub retries: u64,
    /// Rows that were refused for good and are kept.
    #[specta(type = u32)]
    pub dead_letters: u64,
    /// Results that were dropped while nothing could be written.
    #[specta(type = u32)]
    pub dropped: u64,
    /// Results that were summed up by the hour, because the journal reached its limit.
    #[specta(type = u32)]
    pub condensed: u64,
    /// Bytes that the store takes, where that is known.
    pub size_bytes: Option<Number>,
    /// Whether other installations keep something there too: then a limit counts the own share alone.
    pub is_shared: bool,
    /// That share, where it is known.
    pub own_bytes: Option<Number>,
    /// What of the whole is what, the largest parts of history first; empty where that is not known.
    pub parts: Vec<SizePart>,
    /// The last time that house was kept to its end.
    pub house: Option<HouseRun>,
    /// Why it has not come to its end since.
    pub house_fault: Option<String>,
    /// How the limit of its size is kept, where there is one and somebody looked.
    pub size_limit: Option<SizeLimit>,
    /// About how many results it has, where that is known.
    pub results: Option<Number>,
    /// Start of its oldest result.
    pub oldest_ms: Option<Millis>,
    /// Version of the engine or server.
    pub version: Option<String>,
    /// Bytes of the journal on the disk.
    pub journal_bytes: Option<Number>,
    /// Most bytes of it; none where it may grow.
    pub journal_limit: Option<Number>,
    /// Bytes that history will take with the monitors there are; none where that is not known.
    pub expected_bytes: Option<Number>,
    /// The monitors that were counted for that.
    #[specta(type = u32)]
    pub expected_monitors: u64,
    /// What it uses of its connections, where it has any.
    pub connections: Option<ConnectionUse>,
    /// Results that retention dropped.
    #[specta(type = u32)]
    pub pruned_results: u64,
    /// Since when things were counted.
    pub counted_since_ms: Option<Millis>,
}

/// A part of the store's size.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Type)]
pub struct SizePart {
    /// `raw`, `fiveMinutes`, `hour`, `day`, `rollups` where tiers cannot be told apart, `rest`.
    pub of: &'static str,
    /// Its bytes.
    pub bytes: Number,
}

/// A time that house was kept: what is older than it is kept went.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Type)]
#[serde(rename_all = "camelCase")]
pub struct HouseRun {
    /// When it came to its end.
    pub ended_ms: Millis,
    /// How long the store worked for it.
    #[specta(type = u32)]
    pub took_us: u64,
    /// Rows that went.
    #[specta(type = u32)]
    pub rows: u64,
}

/// How the limit of the store's size is kept.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Type)]
#[serde(rename_all = "camelCase")]
pub struct SizeLimit {
    /// Most bytes.
    pub bytes: Number,
    /// So many days of results were left, where some had to go.
    pub cut_to_days: Option<u32>,
    /// Whether the store takes more all the same.
    pub is_over: bool,
}

/// A row that was refused for good.
#[derive(Clone, Debug, PartialEq, Serialize, Type)]
#[serde(rename_all = "camelCase")]
pub struct DeadLetter {
    /// Tells it from others.
    pub id: String,
    /// When it was refused.
    pub at_ms: Millis,
    /// By which store: backend and address, or the backend alone.
    pub contact: String,
    /// Why, in the backend's words.
    pub reason: String,
    /// What it is: `result`, `gap`, `incident`, `monitor`, `rollup`, `forget`.
    pub row: String,
    /// Whose it is, where that is known.
    pub monitor: Option<String>,
    /// Its time.
    pub time_ms: Option<Millis>,
    /// Whether it is being brought again.
    pub retry: bool,
}

/// Rows that were refused for good, the newest first.
#[derive(Clone, Debug, PartialEq, Serialize, Type)]
pub struct DeadLetters {
    /// The newest of them.
    pub letters: Vec<DeadLetter>,
    /// How many there are.
    #[specta(type = u32)]
    pub all: u64,
}

/// One tier of history and how long it is kept.
#[derive(Clone, Debug, PartialEq, Serialize, Type)]
pub struct KeptTier {
    /// Its key in the file: `raw`, `fiveMinutes`, `hour`, `day`.
    pub key: String,
    /// Days; none for ever.
    pub days: Option<u32>,
    /// The same where the file says nothing.
    pub usual: Option<u32>,
    /// As it is written; none where nothing is.
    pub written: Option<String>,
}

/// How far a prune is.
#[derive(Clone, Debug, PartialEq, Serialize, Type)]
#[serde(rename_all = "camelCase")]
pub struct PruneShown {
    /// What it is at; none where it has not told yet, or waits for the store.
    pub step: Option<storage::PruneStep>,
    /// How much of that step is done, of 1.
    pub share: Number,
    /// Rows that went so far.
    pub rows: Number,
}

/// How long history is kept.
#[derive(Clone, Debug, PartialEq, Serialize, Type)]
#[serde(rename_all = "camelCase")]
pub struct RetentionDraft {
    /// The tiers, the finest first.
    pub tiers: Vec<KeptTier>,
    /// The monitors that set times of their own, in the order of the file.
    pub own: Vec<OwnTimes>,
    /// Monitors that have other times from elsewhere: from their group.
    pub elsewhere: u32,
    /// Most room for the store as it is written; none where nothing is.
    pub max_size: Option<String>,
    /// Whether the store in use can keep to that: it gives room back soon.
    pub can_limit: bool,
    /// Tells the content of the file that this was read from.
    pub base: String,
}

/// A monitor with times of its own.
#[derive(Clone, Debug, PartialEq, Serialize, Type)]
pub struct OwnTimes {
    /// Its id.
    pub id: String,
    /// What it is called.
    pub name: String,
    /// By key of the tier as it is written; what is not among them is as for all.
    pub values: BTreeMap<String, String>,
}

/// How long history shall be kept.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Type)]
#[serde(rename_all = "camelCase")]
pub struct RetentionForm {
    /// By key of the tier as it would be written (`30d`, `forever`); none for the default.
    pub values: BTreeMap<String, Option<String>>,
    /// Times of single monitors that are to change, by id, each by tier; none for as all others.
    pub own: BTreeMap<String, BTreeMap<String, Option<String>>>,
    /// Most room for the store as it would be written (`5GB`); none for no limit.
    pub max_size: Option<String>,
    /// Tells the content of the file that the form was read from.
    pub base: String,
}

/// What a form of retention comes to.
#[derive(Clone, Debug, PartialEq, Serialize, Type)]
#[serde(rename_all = "camelCase")]
pub struct RetentionCheck {
    /// What is wrong, at which tier, at `maxSize`, or at a tier of a monitor: `own.ID.raw`.
    pub errors: Vec<FieldError>,
    /// Bytes that history would take with the monitors there are; none where that is not known of the backend.
    pub expected_bytes: Option<Number>,
    /// The monitors that were counted.
    #[specta(type = u32)]
    pub expected_monitors: u64,
}
