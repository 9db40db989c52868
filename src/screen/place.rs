//! Preferences, the first run, and where things are.

use serde::{Deserialize, Serialize};
use specta::Type;

/// Colours of the window.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, Type)]
#[serde(rename_all = "snake_case")]
pub enum Theme {
    /// As the desktop has it.
    #[default]
    System,
    /// Dark on light.
    Light,
    /// Light on dark.
    Dark,
}

/// Language of the window, the tray and the notifications.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, Type)]
#[serde(rename_all = "snake_case")]
pub enum Language {
    /// As the desktop has it.
    #[default]
    System,
    /// English.
    En,
    /// German.
    De,
}

/// What closing the window means.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, Type)]
#[serde(rename_all = "snake_case")]
pub enum OnClose {
    /// Where there is a tray, go on in it; else ask once.
    #[default]
    Ask,
    /// Go on without a window.
    Tray,
    /// End.
    Quit,
}

/// What a person set for the window; nothing of it concerns what is watched.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, Type)]
#[serde(rename_all = "camelCase")]
pub struct Preferences {
    /// Colours.
    pub theme: Theme,
    /// Language.
    pub language: Language,
    /// What closing the window means.
    pub on_close: OnClose,
    /// Whether changes of state are told on the desktop.
    pub notifications: bool,
    /// Whether Hall Monitor starts with the desktop session.
    pub start_at_login: bool,
}

impl Default for Preferences {
    fn default() -> Self {
        Self {
            theme: Theme::default(),
            language: Language::default(),
            on_close: OnClose::default(),
            notifications: true,
            start_at_login: false,
        }
    }
}

/// Something that could be watched.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Type)]
pub struct Suggestion {
    /// Names it in the answer.
    pub id: String,
    /// `gateway`, `name_server`, `anchor`.
    pub role: String,
    /// What the monitor would be called.
    pub name: String,
    /// Its kind.
    pub kind: String,
    /// What would be watched.
    pub target: String,
    /// Whether it is proposed.
    pub ticked: bool,
}

/// What a first start finds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Type)]
pub struct FirstRun {
    /// There is no configuration file, or one without monitors.
    pub needed: bool,
    /// Where the file will be.
    pub path: String,
    /// What could be watched.
    pub suggestions: Vec<Suggestion>,
}

/// Where things are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Type)]
#[serde(rename_all = "camelCase")]
pub struct About {
    /// Of Hall Monitor.
    pub version: String,
    /// The configuration file.
    pub config_path: String,
    /// History, journal and state.
    pub data_dir: String,
    /// Whether the desktop has a tray.
    pub tray: bool,
}
