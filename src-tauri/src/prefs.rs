//! Preferences of the window and where it was: nothing that concerns what is watched.

use hallmonitor::screen::{Failed, Preferences};
use tauri::AppHandle;
use tauri_plugin_store::StoreExt as _;

use crate::{autostart, tray};

const FILE: &str = "preferences.json";
/// Apart, since it is written with each change of screen: whatever happens then happens to it alone.
const PLACE_FILE: &str = "place.json";
const PREFERENCES: &str = "preferences";
const PLACE: &str = "place";
/// Longest place that is remembered, in bytes.
const LONGEST_PLACE: usize = 512;

/// What was set; the defaults where nothing was, or where it cannot be read.
pub(crate) fn read(app: &AppHandle) -> Preferences {
    let kept = app.store(FILE).ok().and_then(|store| store.get(PREFERENCES));
    let mut preferences = over_the_defaults(kept);
    // The desktop knows best whether it starts us.
    preferences.start_at_login = autostart::is_on(app);
    preferences
}

/// What an older version did not know has its default; what cannot be read is as good as not set.
fn over_the_defaults(kept: Option<serde_json::Value>) -> Preferences {
    let mut all = serde_json::to_value(Preferences::default()).unwrap_or_default();
    let Some(serde_json::Value::Object(kept)) = kept else { return Preferences::default() };
    for (key, value) in kept {
        let before = all.clone();
        all[key] = value;
        if serde_json::from_value::<Preferences>(all.clone()).is_err() {
            all = before;
        }
    }
    serde_json::from_value(all).unwrap_or_default()
}

/// Sets everything.
pub(crate) fn write(app: &AppHandle, preferences: &Preferences) -> Result<(), Failed> {
    let before = read(app);
    if before.start_at_login != preferences.start_at_login {
        autostart::set(app, preferences.start_at_login)
            .map_err(|error| Failed::Internal { why: format!("the desktop's autostart cannot be set: {error}") })?;
    }
    keep(app, FILE, PREFERENCES, serde_json::to_value(preferences).unwrap_or_default())?;
    // It may speak another language now.
    tray::update(app);
    Ok(())
}

/// Where the window was.
pub(crate) fn place(app: &AppHandle) -> String {
    let kept = app.store(PLACE_FILE).ok().and_then(|store| store.get(PLACE));
    kept.and_then(|kept| kept.as_str().map(str::to_owned)).unwrap_or_default()
}

/// Remembers where the window is.
pub(crate) fn set_place(app: &AppHandle, hash: &str) -> Result<(), Failed> {
    if hash.len() > LONGEST_PLACE || !(hash.is_empty() || hash.starts_with('#')) {
        return Err(Failed::BadRequest { why: "that is no place of the window".to_owned() });
    }
    keep(app, PLACE_FILE, PLACE, hash.into())
}

fn keep(app: &AppHandle, file: &str, key: &str, value: serde_json::Value) -> Result<(), Failed> {
    let fault = |error: tauri_plugin_store::Error| Failed::File { path: file.to_owned(), what: error.to_string() };
    let store = app.store(file).map_err(fault)?;
    store.set(key, value);
    store.save().map_err(fault)
}

#[cfg(test)]
mod tests {
    use hallmonitor::screen::Theme;

    use super::*;

    #[test]
    fn preferences_of_other_versions_are_taken_as_far_as_they_go() {
        assert_eq!(over_the_defaults(None), Preferences::default());
        let old = over_the_defaults(Some(serde_json::json!({"theme": "dark", "gone": 1})));
        assert_eq!(old, Preferences { theme: Theme::Dark, ..Preferences::default() });
        let odd = over_the_defaults(Some(serde_json::json!({"theme": 7, "notifications": false})));
        assert_eq!(odd, Preferences { notifications: false, ..Preferences::default() });
        assert_eq!(over_the_defaults(Some(serde_json::json!("x"))), Preferences::default());
    }
}
