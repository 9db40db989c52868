//! What helps to find a fault, as text to be handed on: figures, states and faults. No secret, and nothing of the
//! configuration but how much there is of it.

use std::collections::BTreeMap;

use serde_json::json;

use super::Screens;
use crate::app::answers::faults_of;
use crate::app::core::{Core, lock};
use crate::app::storage::{PATIENCE, report};
use crate::config::Document;
use crate::screen::Failed;
use crate::secret::VaultError;

/// What stands in the place of something that nobody else should read.
const HIDDEN: &str = "(hidden)";
/// Shorter texts are no secret that could be found again.
const LEAST: usize = 4;

/// A text without what may be secret in it: secrets as the file has them, and whatever stands before the `@` of an
/// address.
fn cleaned(text: &str, secrets: &[String]) -> String {
    let mut text = text.to_owned();
    for secret in secrets.iter().filter(|secret| secret.len() >= LEAST) {
        text = text.replace(secret.as_str(), HIDDEN);
    }
    let mut clean = String::with_capacity(text.len());
    let mut rest = text.as_str();
    while let Some(at) = rest.find("://") {
        let (before, after) = rest.split_at(at + 3);
        clean.push_str(before);
        let end = after.find(|c: char| c.is_whitespace() || "/?#\"'`<>".contains(c)).unwrap_or(after.len());
        match after[..end].rfind('@') {
            Some(who) => {
                clean.push_str(HIDDEN);
                rest = &after[who..];
            }
            None => rest = after,
        }
    }
    clean.push_str(rest);
    clean
}

/// Secrets that stand in the file itself.
fn plain_secrets(document: &Document) -> Vec<String> {
    document.plain_secrets().iter().map(|plain| plain.secret().to_string()).collect()
}

fn monitors(core: &Core) -> serde_json::Value {
    let rows = core.recorder.board().snapshot();
    let (mut kinds, mut states) = (BTreeMap::<&str, usize>::new(), BTreeMap::<String, usize>::new());
    for row in &rows {
        *kinds.entry(row.monitor.kind).or_default() += 1;
        *states.entry(row.state.to_string()).or_default() += 1;
    }
    let shortest = rows.iter().map(|row| row.monitor.interval).min();
    json!({
        "count": rows.len(), "kinds": kinds, "states": states,
        "shortest_interval_ms": shortest.map(|interval| interval.as_millis()),
    })
}

fn vault(core: &Core) -> serde_json::Value {
    let looks = core.vault.look();
    let places = looks.iter().map(|look| {
        let state = look.fault.as_ref().map_or("ready", VaultError::word);
        json!({ "place": look.place.word(), "state": state })
    });
    json!({ "places": places.collect::<Vec<_>>(), "names": core.vault.known().map(|known| known.len()).ok() })
}

impl Screens {
    /// What helps to find a fault, as lines of JSON that a person can read before handing them on.
    ///
    /// # Errors
    /// A fault in Hall Monitor.
    pub async fn diagnostics(&self) -> Result<String, Failed> {
        let storage = report(&self.core, PATIENCE).await;
        self.at_desk(move |desk| {
            let core = desk.core;
            let secrets = desk.file.read().map(|document| plain_secrets(&document)).unwrap_or_default();
            let (bytes, waiting, refused) = {
                let in_force = lock(&core.in_force);
                (in_force.text.len(), in_force.waiting, in_force.refused.is_some())
            };
            let now = core.clock.wall();
            let faults: Vec<_> =
                faults_of(core, 0).into_iter().map(|fault| json!({ "of": fault.of, "what": fault.what })).collect();
            let all = json!({
                "version": env!("CARGO_PKG_VERSION"),
                "system": { "os": std::env::consts::OS, "machine": std::env::consts::ARCH },
                "now": now.to_string(),
                "running_s": now.since_us(core.started) / 1_000_000,
                "configuration": { "bytes": bytes, "waits_for_something": waiting, "refused": refused },
                "monitors": monitors(core),
                "faults": faults,
                "storage": storage,
                "vault": vault(core),
            });
            let text =
                serde_json::to_string_pretty(&all).map_err(|error| Failed::Internal { why: error.to_string() })?;
            Ok(cleaned(&text, &secrets))
        })
        .await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_be_secret_is_hidden() {
        let secrets = ["canary-1".to_owned(), "ab".to_owned()];
        let text = "x canary-1 \"http://me:pw@h/p?a=b\" https://h/@x postgres://u%40:p@h:1 ab ://";
        let clean = "x (hidden) \"http://(hidden)@h/p?a=b\" https://h/@x postgres://(hidden)@h:1 ab ://";
        assert_eq!(cleaned(text, &secrets), clean);
    }
}
