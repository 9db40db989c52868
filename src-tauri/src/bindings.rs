//! Commands and events as the window's side of the edge sees them. `ui/src/lib/ipc/bindings.ts` is generated from
//! here; the test fails when it is not current, and `UPDATE_BINDINGS=1` writes it.

use hallmonitor::screen::BoardChange;
use serde::{Deserialize, Serialize};
use specta::Type;
use tauri::Wry;
use tauri_specta::{Builder, Event, collect_commands, collect_events};

use crate::commands;

/// The board changed.
#[derive(Clone, Debug, Serialize, Type, Event)]
pub(crate) struct BoardChanged(pub(crate) BoardChange);

/// History of these monitors has something new; none named means all.
#[derive(Clone, Debug, Serialize, Deserialize, Type, Event)]
pub(crate) struct HistoryChanged(pub(crate) Vec<String>);

/// The window shall go there.
#[derive(Clone, Debug, Serialize, Deserialize, Type, Event)]
pub(crate) struct Navigate {
    /// A place of the window: `#/incidents`.
    pub(crate) hash: String,
}

/// Why a window that shall be closed is still there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, Type)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Why {
    /// Something in it is not saved.
    Unsaved,
    /// A person has to say what closing it means.
    Meaning,
}

/// The window shall be closed, and a person has to be asked first.
#[derive(Clone, Copy, Debug, Serialize, Deserialize, Type, Event)]
pub(crate) struct AskClose(pub(crate) Why);

/// Everything that crosses the edge.
pub(crate) fn builder() -> Builder<Wry> {
    Builder::<Wry>::new()
        // One type for both directions: a field that may be missing on the way in is null on the way out.
        .disable_serde_phases()
        .commands(collect_commands![
            commands::board,
            commands::figures,
            commands::days,
            commands::row_histories,
            commands::monitor_page,
            commands::series,
            commands::parts,
            commands::incidents,
            commands::results,
            commands::check_now,
            commands::pause,
            commands::resume,
            commands::acknowledge,
            commands::mute,
            commands::form_spec,
            commands::draft,
            commands::check_draft,
            commands::save_draft,
            commands::remove_monitors,
            commands::undo,
            commands::versions,
            commands::restore_version,
            commands::first_run,
            commands::watch,
            commands::import_config,
            commands::storage_overview,
            commands::storage_draft,
            commands::check_storage,
            commands::take_apart,
            commands::choose_certificates,
            commands::look_at_storage,
            commands::stop_looking,
            commands::use_storage,
            commands::storage_state,
            commands::show_former,
            commands::dead_letters,
            commands::retry_letters,
            commands::drop_letters,
            commands::retention,
            commands::check_retention,
            commands::save_retention,
            commands::prune_storage,
            commands::pruning,
            commands::secrets,
            commands::vault_places,
            commands::set_secret,
            commands::forget_secret,
            commands::plain_secrets,
            commands::move_plain_secrets,
            commands::unlock_keychain,
            commands::stop_unlocking,
            commands::diagnostics,
            commands::preferences,
            commands::set_preferences,
            commands::about,
            commands::place,
            commands::set_place,
            commands::close,
            commands::set_unsaved,
            commands::close_window,
        ])
        .events(collect_events![BoardChanged, HistoryChanged, Navigate, AskClose])
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use specta_typescript::Typescript;

    const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../ui/src/lib/ipc/bindings.ts");

    #[test]
    fn bindings_are_current() {
        let folder = std::env::temp_dir().join(format!("hallmonitor-bindings-{}", std::process::id()));
        let made = folder.join("bindings.ts");
        super::builder().export(Typescript::default(), &made).expect("exported");
        let current = std::fs::read_to_string(&made).expect("read");
        std::fs::remove_dir_all(&folder).expect("removed");
        if std::env::var_os("UPDATE_BINDINGS").is_some() {
            std::fs::write(FILE, &current).expect("written");
        }
        let committed = std::fs::read_to_string(Path::new(FILE)).unwrap_or_default();
        assert!(committed == current, "{FILE} is not current: UPDATE_BINDINGS=1 cargo test -p hallmonitor-desktop");
    }
}
