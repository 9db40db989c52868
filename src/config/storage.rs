//! The `storage` section: which backend, its settings, and how long history is kept.

use std::fmt;

use super::expand::Origin;
use super::problem::{Problem, nearest, quoted};
use super::section::{Given, report_missing};
use super::value::Reader;
use crate::model::{FieldKind, FieldSpec, clean_text};
use crate::secret::Zeroizing;
use crate::storage::{BackendConfig, Retention, offer_of, offers};

/// Where history is kept, and for how long.
#[derive(Clone, PartialEq)]
pub struct Storage {
    /// The backend with its settings.
    pub backend: BackendConfig,
    /// How long each tier is kept.
    pub retention: Retention,
    /// What a secret setting of the backend waits for: until it comes, the store is not opened, and the journal keeps
    /// what it should have.
    pub waiting: Option<String>,
    /// Most bytes of the journal; none where it may grow.
    pub journal_limit: Option<u64>,
    /// The settings that the file has of the other backends, where they can be used: what still waits for one of them
    /// gets there.
    pub others: Vec<BackendConfig>,
}

impl fmt::Debug for Storage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Not the settings: a password may be among them.
        let mut shown = f.debug_struct("Storage");
        shown.field("backend", &self.backend.id()).field("retention", &self.retention);
        shown.field("waiting", &self.waiting).finish()
    }
}

/// Days that HallMonitor kept where it was told none, or none that make sense.
const OLD_RETENTION_DAYS: u32 = 30;

/// Reads the section. None after an error.
pub(super) fn read(reader: &mut Reader<'_>, given: &mut Given<'_, '_>) -> Option<Storage> {
    let word = given.text("storage.backend").unwrap_or("embedded").to_ascii_lowercase();
    let chosen = if word == "badger" { "embedded" } else { word.as_str() };
    let waiting = take_waiting(given, chosen);
    let lacking = given.lacking();
    report_missing(reader, given, &[chosen, &word]);
    for path in ["storage.enableAggregation", "storage.badger.enableAggregation"] {
        if given.toggle(path) == Some(false)
            && let Some(place) = given.place(path)
        {
            let what = format!("`{path}: false` has no effect: hour and day figures are always kept");
            reader.problems.warning(place, what);
        }
    }
    let offer = offer_of(if is_switched_off(reader, given, &word) { "none" } else { chosen });
    let Some(offer) = offer else {
        refuse(reader, given, &word);
        return None;
    };
    let waiting = waiting.filter(|_| offer.id == chosen);
    let retention = retention(given, &word);
    let backend = backend(reader, given, offer.id, offer.fields, waiting.is_some())?;
    if let Some(place) = given.place("storage.retention.maxSize").filter(|_| !backend.frees_room()) {
        let id = offer.id;
        let what =
            format!("`storage.retention.maxSize` has no effect: `{id}` does not give room back soon, or keeps none");
        reader.problems.warning(place, what);
    }
    let others = offers().into_iter().filter(|other| other.id != offer.id && !lacking.contains(other.id));
    let others = others.filter_map(|other| unused(given, other.id, other.fields)).collect();
    let journal_limit = given.size("storage.journal.limit");
    Some(Storage { backend, retention, waiting, journal_limit, others })
}

/// The settings of a backend that is not in use; whatever is wrong with them is no matter now.
fn unused(given: &mut Given<'_, '_>, id: &str, fields: &[FieldSpec]) -> Option<BackendConfig> {
    let mut object = serde_json::Map::new();
    for field in fields {
        match given.take(&format!("storage.{id}.{}", field.key)) {
            Some((value, _)) => drop(object.insert(field.key.to_owned(), value.into_json())),
            None if field.required => return None,
            None => {}
        }
    }
    BackendConfig::from_object(id, serde_json::Value::Object(object)).ok().filter(|config| config.validate().is_ok())
}

/// What the secret settings of a backend wait for: a locked keychain must not keep monitors from being watched. Any other
/// setting says where the store is, and cannot come later.
fn take_waiting(given: &mut Given<'_, '_>, chosen: &str) -> Option<String> {
    let offer = offer_of(chosen)?;
    let secret = offer.fields.iter().filter(|field| field.kind == FieldKind::Secret);
    secret.filter_map(|field| given.take_missing(&format!("storage.{chosen}.{}", field.key))).reduce(|first, _| first)
}

/// Whether one of HallMonitor's old switches says that nothing is kept.
fn is_switched_off(reader: &mut Reader<'_>, given: &Given<'_, '_>, word: &str) -> bool {
    if given.toggle("storage.enabled") == Some(false) {
        if let Some(place) = given.place("storage.backend").filter(|_| word != "none") {
            let what = "`storage.backend` has no effect: `storage.enabled: false` switches storage off";
            reader.problems.warning(place, what);
        }
        return true;
    }
    given.toggle("storage.badger.enabled") == Some(false) && (word == "badger" || !given.has("storage.backend"))
}

fn refuse(reader: &mut Reader<'_>, given: &Given<'_, '_>, word: &str) {
    let known = || offers().into_iter().map(|offer| offer.id).chain(["badger"]);
    let what = format!("`storage.backend`: {} is no backend", quoted(word));
    let place = given.place("storage.backend");
    let problem: &mut Problem = reader.problems.error_at(place, what);
    problem.allowed(known().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", "));
    problem.nearest(nearest(word, known()));
}

/// Hands a backend its settings, and puts its faults where they stand.
fn backend(
    reader: &mut Reader<'_>,
    given: &mut Given<'_, '_>,
    id: &str,
    fields: &[FieldSpec],
    waits: bool,
) -> Option<BackendConfig> {
    let mut object = serde_json::Map::new();
    let mut origins = Vec::with_capacity(fields.len());
    for field in fields {
        let path = format!("storage.{id}.{}", field.key);
        let place = given.place(&path).or(given.place("storage.backend"));
        if let Some((value, origin)) = given.take(&path) {
            let value = value.into_json();
            let hidden = (origin != Origin::Written).then(|| shown(&value));
            object.insert(field.key.to_owned(), value);
            origins.push((field.key, place, hidden));
        } else if field.required && !(waits && field.kind == FieldKind::Secret) {
            let problem = reader.problems.error_at(place, format!("`{path}` is required"));
            problem.allowed(field.doc);
        }
    }
    let config = match BackendConfig::from_object(id, serde_json::Value::Object(object)) {
        Ok(config) => config,
        Err(_) => {
            // The text of the fault may repeat a password.
            reader.problems.error_at(given.place("storage.backend"), format!("`storage.{id}` cannot be read"));
            return None;
        }
    };
    let mut faults = config.validate().err().unwrap_or_default();
    let is_secret = |key| fields.iter().any(|field| field.key == key && field.kind == FieldKind::Secret);
    faults.retain(|fault| !(waits && is_secret(fault.key)));
    if faults.is_empty() {
        return Some(config);
    }
    for fault in faults {
        let place = origins.iter().find(|(key, ..)| *key == fault.key).and_then(|(_, place, _)| *place);
        // What does not stand in the file is not told by a message either.
        let mut hidden = origins.iter().filter_map(|(.., hidden)| hidden.as_ref());
        let tells = hidden.any(|text| fault.what.contains(text.as_str()));
        let why = if tells { "cannot be used".to_owned() } else { clean_text(&fault.what, 300) };
        reader.problems.error_at(place, format!("`storage.{id}.{}`: {why}", fault.key));
    }
    None
}

/// A value as a message would repeat it.
fn shown(value: &serde_json::Value) -> Zeroizing<String> {
    Zeroizing::new(value.as_str().map_or_else(|| value.to_string(), str::to_owned))
}

fn retention(given: &Given<'_, '_>, word: &str) -> Retention {
    let usual = Retention::default();
    let old = [format!("storage.{word}.retentionDays"), "storage.retentionDays".to_owned()];
    // Where no backend is named, HallMonitor meant Badger.
    let badger = (word == "embedded").then(|| "storage.badger.retentionDays".to_owned());
    let old_days = badger.iter().chain(&old).find_map(|path| given.integer(path));
    let old_days = old_days.map(|days| u32::try_from(days).ok().filter(|days| *days > 0).unwrap_or(OLD_RETENTION_DAYS));
    let days = |name: &str, usual| given.days(&format!("storage.retention.{name}")).unwrap_or(usual);
    Retention {
        raw_days: days("raw", old_days.map_or(usual.raw_days, Some)),
        five_minutes_days: days("fiveMinutes", usual.five_minutes_days),
        hour_days: days("hour", usual.hour_days),
        day_days: days("day", usual.day_days),
        max_bytes: given.size("storage.retention.maxSize"),
        ..usual
    }
}
