//! How stores are opened: the one that the configuration names, and those that were in use before.

use std::sync::Arc;

use crate::config::Storage;
use crate::deliver::{ConfiguredStore, LedgerEntry, OpenStore, StoreSettings};
use crate::record;
use crate::storage::{BackendConfig, BackendEnv};

/// How a store with these settings is opened, and what they wait for.
pub(super) fn opener_of(config: &BackendConfig, waiting: Option<&str>, env: &BackendEnv) -> ConfiguredStore {
    let settings = StoreSettings::new(config, waiting);
    ConfiguredStore { backend: config.id(), contact: config.contact(), settings, env: env.clone() }
}

/// How stores are opened that the ledger names: with the settings that the configuration still has of them, and those
/// of this machine by their contact alone.
pub(super) fn others(storage: &Storage, ledger: &[LedgerEntry], env: &BackendEnv) -> Vec<Arc<dyn OpenStore>> {
    let current = (storage.backend.clone(), storage.waiting.as_deref());
    let configured = storage.others.iter().map(|other| (other.clone(), None)).chain([current]);
    let local = ledger.iter().filter_map(|entry| Some((local(&entry.contact)?, None)));
    let mut stores: Vec<Arc<dyn OpenStore>> = Vec::new();
    for (config, waiting) in configured.chain(local) {
        let opener = opener_of(&config, waiting, env);
        if stores.iter().all(|known| known.contact() != opener.contact) {
            stores.push(Arc::new(opener));
        }
    }
    stores
}

/// The settings of an embedded store, which are all in its contact.
fn local(contact: &str) -> Option<BackendConfig> {
    let settings = match contact.split_once(':') {
        Some(("embedded", path)) => serde_json::json!({ "path": path }),
        None if contact == "embedded" || contact == "none" => serde_json::json!({}),
        _ => return None,
    };
    let backend = contact.split(':').next().unwrap_or_default();
    BackendConfig::from_object(backend, settings).ok().filter(|config| config.contact() == contact)
}

/// What the state file of an earlier version says of stores.
pub(super) fn earlier(ledger: &[record::LedgerEntry]) -> Vec<LedgerEntry> {
    let entry = |entry: &record::LedgerEntry| LedgerEntry {
        backend: entry.backend.clone(),
        fingerprint: entry.fingerprint.clone(),
        contact: entry.fingerprint.clone(),
        from: entry.from,
        to: entry.to,
    };
    ledger.iter().map(entry).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_store_of_this_machine_is_known_by_its_contact() {
        for settings in [serde_json::json!({}), serde_json::json!({ "path": "/a:b/c" })] {
            let config = BackendConfig::from_object("embedded", settings).expect("settings");
            assert_eq!(local(&config.contact()), Some(config));
        }
        assert_eq!(local("postgres:localhost:5432/hallmonitor"), None);
        assert_eq!(local("embedded2"), None);
    }
}
