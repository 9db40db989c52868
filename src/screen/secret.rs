//! What the vault holds and how its places are, without a single secret; what stands readable in the file.

use serde::Serialize;
use specta::Type;

use super::{Millis, OtherPlace};

/// A secret of the vault, without the secret.
#[derive(Clone, Debug, PartialEq, Serialize, Type)]
#[serde(rename_all = "camelCase")]
pub struct VaultSecret {
    /// Its name.
    pub name: String,
    /// Where it is: `service`, `kernel`, `file`; none where the file names it and nobody set it here.
    pub place: Option<String>,
    /// When it was set.
    pub set_ms: Option<Millis>,
    /// Who uses it, as the configuration says: names of monitors, keys of sections; the first hundred.
    pub used_by: Vec<String>,
    /// How many use it.
    pub users: u32,
}

/// A place of the vault and whether it works.
#[derive(Clone, Debug, PartialEq, Serialize, Type)]
#[serde(rename_all = "camelCase")]
pub struct VaultPlace {
    /// Its word.
    pub place: String,
    /// One word: `ready`, `absent`, `locked`, `slow`, `denied`, `no_passphrase`, …
    pub state: String,
    /// Why, and what to do; none when it works.
    pub what: Option<String>,
    /// Whether new secrets go there.
    pub is_used: bool,
    /// Whether what it holds is gone when the machine restarts.
    pub lost_at_restart: bool,
}

/// The secrets that stand in the configuration file for everybody to read, without the secrets.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Type)]
#[serde(rename_all = "camelCase")]
pub struct PlainSecrets {
    /// What they are, in the order of the file's sections, monitors and webhooks.
    pub secrets: Vec<PlainSecret>,
    /// Tells the content of the file that this was read from.
    pub base: String,
}

/// A secret that stands in the configuration file for everybody to read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Type)]
#[serde(rename_all = "camelCase")]
pub struct PlainSecret {
    /// Which one of them: for moving it alone.
    pub number: u32,
    /// Whose it is.
    pub owner: PlainOwner,
    /// The section of the file (`storage.journal`), the monitor's name, or the webhook's number from 1.
    pub of: String,
    /// What it is.
    pub part: PlainPart,
    /// The key, the header's or the parameter's name; empty where there is none.
    pub key: String,
    /// The line it stands in.
    pub line: u32,
    /// How many others use the same text by an alias.
    pub repeated: u32,
    /// Why only a person can move it; none where it can be moved here.
    pub by_hand: Option<ByHand>,
}

/// Whose a readable secret is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Type)]
#[serde(rename_all = "camelCase")]
pub enum PlainOwner {
    /// A section of the file.
    Section,
    /// A monitor.
    Monitor,
    /// A webhook.
    Webhook,
}

/// What a readable secret is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Type)]
#[serde(rename_all = "camelCase")]
pub enum PlainPart {
    /// A setting.
    Setting,
    /// A header's value.
    Header,
    /// The password in an address.
    Password,
    /// A parameter of an address.
    Parameter,
    /// The end of an address's path.
    Path,
}

/// Why only a person can move a secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Type)]
#[serde(rename_all = "camelCase")]
pub enum ByHand {
    /// A part of it stands for something that is elsewhere.
    Mixed,
    /// The same text is used where no secret can stand.
    UsedElsewhere,
}

/// What came of moving readable secrets into the vault.
#[derive(Clone, Debug, PartialEq, Serialize, Type)]
#[serde(tag = "outcome", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum MoveOutcome {
    /// The vault has them, and the file names them.
    Moved {
        /// How many.
        count: u32,
        /// Where they are now.
        place: String,
        /// Whether that place forgets them when the machine restarts.
        lost_at_restart: bool,
    },
    /// The vault does not take them; nothing was changed.
    NotKept {
        /// One word: `locked`, `slow`, `denied`; `lost_at_restart` where nobody said that they may go there.
        state: String,
        /// Why, and what to do.
        what: String,
        /// Other places that could keep them.
        places: Vec<OtherPlace>,
    },
    /// The file is another one than was looked at; nothing was changed.
    Conflict {
        /// Tells the content that it has now.
        their_base: String,
    },
}

/// What came of asking for the keychain to be unlocked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Type)]
#[serde(tag = "outcome", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum UnlockOutcome {
    /// It was not locked.
    Open,
    /// It was locked, and is no more.
    Unlocked,
    /// The question was put away.
    Dismissed,
    /// There is nothing that could ask on this screen.
    NoPrompter,
    /// Nobody answered in time.
    Late {
        /// How long it was waited for.
        seconds: u32,
    },
    /// Nobody waits any more.
    Stopped,
    /// The keychain cannot be asked.
    Failed {
        /// One word: `absent`, `slow`, `denied`.
        state: String,
        /// Why, and what to do.
        what: String,
    },
}

/// What came of keeping or forgetting a secret.
#[derive(Clone, Debug, PartialEq, Serialize, Type)]
#[serde(tag = "outcome", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum SecretOutcome {
    /// It is done.
    Done {
        /// Where it is now.
        place: Option<String>,
        /// Whether that place forgets it when the machine restarts.
        lost_at_restart: bool,
    },
    /// It cannot be done; nothing was changed.
    NotKept {
        /// One word: `locked`, `slow`, `denied`.
        state: String,
        /// Why, and what to do.
        what: String,
        /// Other places that could keep it.
        places: Vec<OtherPlace>,
    },
}
