//! The `alerting` and `webhooks` sections: read and kept for the version that sends alerts.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use super::expand::check_syntax;
use super::node::{Entry, Kind, Node};
use super::problem::quoted;
use super::schema::{Key, RULE_KEYS, WEBHOOK_KEYS};
use super::section::Given;
use super::value::{Reader, Stop, Value};

/// Rules for alerts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alerting {
    /// Whether alerts are wanted.
    pub enabled: bool,
    /// How often the rules are looked at.
    pub evaluation_interval: Duration,
    /// The rules.
    pub rules: Vec<AlertRule>,
}

/// When to send an alert.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AlertRule {
    /// What it is called.
    pub name: String,
    /// When it holds, as HallMonitor wrote it.
    pub expr: String,
    /// How long it must hold.
    pub hold: Duration,
    /// Words that go with the alert.
    pub labels: BTreeMap<String, String>,
    /// Sentences that go with the alert.
    pub annotations: BTreeMap<String, String>,
}

/// Where to send events to.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Webhook {
    /// The address as it is written: `${…}` is expanded when something is sent.
    pub url: String,
    /// Which events.
    pub events: Vec<String>,
}

impl fmt::Debug for Webhook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Not the address: it is as good as a password.
        f.debug_struct("Webhook").field("events", &self.events).finish_non_exhaustive()
    }
}

/// Reads `alerting`.
pub(super) fn read_alerting(reader: &mut Reader<'_>, given: &Given<'_, '_>) -> Alerting {
    let mut rules = Vec::new();
    if let Some(node) = given.list("alerting.rules") {
        for item in reader.items("`alerting.rules`", node) {
            let Some(entries) = reader.entries("an item of `alerting.rules`", item) else { continue };
            let mut rule = AlertRule::default();
            for (key, value) in values(reader, RULE_KEYS, entries) {
                match (key, value) {
                    ("name", Value::Text(text)) => rule.name = text,
                    ("expr", Value::Text(text)) => rule.expr = text,
                    ("for", Value::Duration(time)) => rule.hold = time,
                    ("labels", Value::Map(map)) => rule.labels = map,
                    ("annotations", Value::Map(map)) => rule.annotations = map,
                    _ => {}
                }
            }
            if rule.name.is_empty() {
                reader.problems.error(item.place, "the rule has no `name`");
            }
            rules.push(rule);
        }
    }
    Alerting {
        enabled: given.toggle("alerting.enabled").unwrap_or(false),
        evaluation_interval: given.duration("alerting.evaluationInterval").unwrap_or(Duration::from_secs(10)),
        rules,
    }
}

/// Reads `webhooks`.
pub(super) fn read_webhooks(reader: &mut Reader<'_>, given: &Given<'_, '_>) -> Vec<Webhook> {
    let Some(node) = given.list("webhooks") else { return Vec::new() };
    let mut webhooks = Vec::new();
    for item in reader.items("`webhooks`", node) {
        let Some(entries) = reader.entries("an item of `webhooks`", item) else { continue };
        let mut webhook = Webhook::default();
        let (urls, others): (Vec<_>, Vec<_>) = entries.iter().partition(|entry| entry.key.eq_ignore_ascii_case("url"));
        if let Some(entry) = urls.first() {
            webhook.url = url(reader, &entry.value);
        } else {
            reader.problems.error(item.place, "the webhook has no `url`");
        }
        for entry in urls.iter().skip(1) {
            reader.again(entry, "url");
        }
        for (key, value) in values(reader, WEBHOOK_KEYS, others) {
            if let ("events", Value::Texts(events)) = (key, value) {
                webhook.events = events;
            }
        }
        webhooks.push(webhook);
    }
    webhooks
}

/// An address as it is written.
fn url(reader: &mut Reader<'_>, node: &Node<'_>) -> String {
    match &node.kind {
        Kind::Scalar { text, .. } if !node.is_empty() => {
            if let Err(what) = check_syntax(text) {
                reader.problems.error(node.place, format!("`url`: {} {what}", quoted(text)));
            }
            text.clone().into_owned()
        }
        _ => {
            reader.problems.error(node.place, format!("`url` is {}", node.what())).allowed("text");
            String::new()
        }
    }
}

/// The values of a map by a table of keys.
fn values<'n, 't: 'n>(
    reader: &mut Reader<'_>,
    table: &'static [Key],
    entries: impl IntoIterator<Item = &'n Entry<'t>>,
) -> Vec<(&'static str, Value)> {
    let mut values: Vec<(&'static str, Value)> = Vec::new();
    for entry in entries {
        let Some(key) = table.iter().find(|key| key.name.eq_ignore_ascii_case(&entry.key)) else {
            reader.unknown(entry, table.iter().map(|key| key.name));
            continue;
        };
        if values.iter().any(|(name, _)| *name == key.name) {
            reader.again(entry, key.name);
            continue;
        }
        match reader.read_open(key.name, key.shape, &entry.value) {
            Ok(Some(value)) => values.push((key.name, value)),
            Ok(None) | Err(Stop::Wrong) => {}
            Err(Stop::Missing(reason)) => {
                reader.problems.error(entry.value.place, format!("`{}`: {reason}", key.name));
            }
        }
    }
    values
}
