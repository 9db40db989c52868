//! The kind of a monitor with its own keys. What they hold comes from the kind's fields; nothing about a kind is written
//! here, besides the one default that the file has for a kind's setting.

use super::entry::Entry as What;
use super::expand::Origin;
use super::node::{Entry, Kind, Node};
use super::problem::{Place, nearest, quoted};
use super::schema::{IDLE_MONITOR_KEYS, Key, MONITOR_KEYS, Shape, TOLERATED_MONITOR_KEYS, kind_of};
use super::value::{Reader, Stop, Value};
use crate::model::{FieldError, FieldKind, FieldSpec, clean_text};
use crate::probe::{KINDS, KindConfig};
use crate::secret::{Zeroizing, wipe};

/// The setting that `monitoring.defaultSSLCertExpiryWarningDays` is the default of.
const CERTIFICATE_DAYS: &str = "sslCertExpiryWarningDays";

/// The setting that is an address, whose user information is never shown.
const ADDRESS: &str = "url";

/// The keys of a monitor that depend on its kind.
pub(super) struct Own<'n, 't> {
    /// Its `type`.
    pub(super) word: Option<(&'static Key, &'n Entry<'t>)>,
    /// The keys that not every monitor has.
    pub(super) rest: &'n [&'n Entry<'t>],
    /// Where to say what is wrong with the monitor as a whole.
    pub(super) place: Place,
}

/// What the keys of a kind hold, so far.
struct Fields<'n, 't> {
    kind: &'static str,
    specs: &'static [FieldSpec],
    /// The entry of each field that is given, wrong or missing ones too.
    found: Vec<Option<&'n Entry<'t>>>,
    object: serde_json::Map<String, serde_json::Value>,
    /// Texts that come from elsewhere than the file, by field: no message may repeat them.
    foreign: Vec<(&'static str, Zeroizing<String>)>,
}

impl Drop for Fields<'_, '_> {
    /// What was not handed on may hold secrets.
    fn drop(&mut self) {
        self.object.values_mut().for_each(wipe);
    }
}

impl<'n, 't> Own<'n, 't> {
    /// The kind with its settings, or what it waits for. `missing` is what a common key waits for. None after an error.
    pub(super) fn read(
        &self,
        reader: &mut Reader<'_>,
        mut missing: Option<String>,
        certificate_days: i64,
    ) -> Option<What> {
        let Some((kind, specs)) = self.kind(reader) else {
            self.note_keys_of_no_kind(reader);
            return None;
        };
        let (found, object, foreign) = (vec![None; specs.len()], serde_json::Map::new(), Vec::new());
        let mut fields = Fields { kind, specs, found, object, foreign };
        for entry in self.rest {
            match specs.iter().position(|spec| spec.key.eq_ignore_ascii_case(&entry.key)) {
                Some(at) if fields.found[at].is_some() => reader.again(entry, specs[at].key),
                Some(at) => fields.read(reader, at, entry, &mut missing),
                None => note_other_key(reader, kind, specs, entry),
            }
        }
        for (at, spec) in specs.iter().enumerate().filter(|(at, _)| fields.found[*at].is_none()) {
            if spec.required {
                let problem = reader.problems.error(self.place, format!("{kind} monitor requires `{}`", spec.key));
                problem.allowed(spec.doc);
            } else if spec.key == CERTIFICATE_DAYS {
                fields.object.insert(specs[at].key.to_owned(), certificate_days.into());
            }
        }
        match missing {
            Some(reason) => Some(What::Pending { kind, reason }),
            None => fields.build(reader, self.place).map(What::Ready),
        }
    }

    fn kind(&self, reader: &mut Reader<'_>) -> Option<(&'static str, &'static [FieldSpec])> {
        let words = || KINDS.iter().map(|(id, _)| *id);
        let allowed = || words().collect::<Vec<_>>().join(", ");
        let Some((key, entry)) = self.word.filter(|(_, entry)| !entry.value.is_empty()) else {
            reader.problems.error(self.place, "monitor type is required").allowed(allowed());
            return None;
        };
        match reader.read_open(key.name, key.shape, &entry.value) {
            Ok(Some(Value::Text(word))) => kind_of(&word).or_else(|| {
                let what = format!("invalid monitor type: {}", quoted(&word));
                let problem = reader.problems.error(entry.value.place, what);
                problem.allowed(allowed()).nearest(nearest(&word, words()));
                None
            }),
            Err(Stop::Missing(reason)) => {
                reader.problems.error(entry.value.place, format!("`type`: {reason}"));
                None
            }
            _ => None,
        }
    }

    /// Notes the keys that no kind has, of a monitor whose kind is not known.
    fn note_keys_of_no_kind(&self, reader: &mut Reader<'_>) {
        let known = || {
            let fields = KINDS.iter().flat_map(|(_, specs)| specs.iter().map(|spec| spec.key));
            let common = MONITOR_KEYS.iter().map(|key| key.name);
            fields.chain(TOLERATED_MONITOR_KEYS.iter().copied()).chain(IDLE_MONITOR_KEYS.iter().copied()).chain(common)
        };
        for entry in self.rest {
            if !known().any(|name| name.eq_ignore_ascii_case(&entry.key)) {
                let near = nearest(&entry.key, known());
                reader.problems.error(entry.place, format!("unknown key {}", quoted(&entry.key))).nearest(near);
            }
        }
    }
}

impl<'n, 't> Fields<'n, 't> {
    /// Reads one of the kind's own keys.
    fn read(&mut self, reader: &mut Reader<'_>, at: usize, entry: &'n Entry<'t>, missing: &mut Option<String>) {
        let spec = &self.specs[at];
        if !spec.required && stands_for_default(spec, &entry.value) {
            return;
        }
        if refuse_hidden(reader, spec, &entry.value) {
            self.found[at] = Some(entry);
            return;
        }
        match reader.read(spec.key, Shape::Field(spec.kind), &entry.value) {
            Ok(None) => return,
            Ok(Some((Value::Duration(time), _))) if time.is_zero() && !spec.required => return,
            Ok(Some((value, origin))) => {
                let json = value.into_json();
                if origin != Origin::Written {
                    texts_of(&json, &mut |text| self.foreign.push((spec.key, Zeroizing::new(text.to_owned()))));
                }
                self.object.insert(spec.key.to_owned(), json);
            }
            Err(Stop::Wrong) => {}
            Err(Stop::Missing(reason)) => {
                missing.get_or_insert(reason);
            }
        }
        self.found[at] = Some(entry);
    }

    /// Whether a field was given and could be read.
    fn is_read(&self, at: usize) -> bool {
        self.object.contains_key(self.specs[at].key)
    }

    /// Hands the fields to the kind, and puts its faults where the fields stand. A wrong field of those that need not be
    /// given is left out, so that the kind judges the others.
    fn build(mut self, reader: &mut Reader<'_>, place: Place) -> Option<KindConfig> {
        if (0..self.specs.len()).any(|at| self.specs[at].required && !self.is_read(at)) {
            return None;
        }
        let wrong: Vec<&str> = (0..self.specs.len())
            .filter(|at| self.found[*at].is_some() && !self.is_read(*at))
            .map(|at| self.specs[at].key)
            .collect();
        let object = std::mem::take(&mut self.object);
        let config = match KindConfig::from_object(self.kind, serde_json::Value::Object(object)) {
            Ok(config) => config,
            Err(fault) => {
                let mut what = format!("the settings of this {} monitor cannot be read", self.kind);
                // The text of the fault may repeat a value.
                if self.foreign.is_empty() {
                    what = format!("{what}: {}", clean_text(&fault.to_string(), 200));
                }
                reader.problems.error(place, what);
                return None;
            }
        };
        let faults = config.validate().err().unwrap_or_default();
        let sound = faults.is_empty() && wrong.is_empty();
        for fault in faults.iter().filter(|fault| !wrong.contains(&fault.key)) {
            self.note(reader, fault, place);
        }
        sound.then_some(config)
    }

    fn note(&self, reader: &mut Reader<'_>, fault: &FieldError, place: Place) {
        let at = self.specs.iter().position(|spec| spec.key == fault.key);
        let entry = at.and_then(|at| self.found[at]);
        let place = entry.map_or(place, |entry| entry.value.place);
        // The text of the fault may repeat a value.
        let tells = self
            .foreign
            .iter()
            .any(|(key, text)| *key == fault.key || (!text.is_empty() && fault.what.contains(text.as_str())));
        if tells {
            let problem = reader.problems.error(place, format!("`{}`: what it stands for cannot be used", fault.key));
            if let Some(at) = at {
                problem.allowed(self.specs[at].doc);
            }
        } else {
            reader.problems.error(place, format!("`{}`: {}", fault.key, clean_text(&fault.what, 300)));
        }
    }
}

/// Refuses what comes from the vault where people would see it.
fn refuse_hidden(reader: &mut Reader<'_>, spec: &FieldSpec, value: &Node<'_>) -> bool {
    let (key, is_address) = (spec.key, spec.key == ADDRESS);
    let Kind::Scalar { text, .. } = &value.kind else { return false };
    if spec.kind == FieldKind::Secret || !reader.expander.shows_hidden(text, is_address) {
        return false;
    }
    let (what, allowed) = if is_address {
        let what = format!(
            "`{key}` is shown to people: a secret may stand only in its user information, without `/`, `?` \
             and `#`, in its query, without `#`, or in `headers`"
        );
        (what, "`https://user:${secret:NAME}@host/`, `https://host/?token=${secret:NAME}`, `${VAR}`")
    } else {
        (format!("`{key}` is shown to people, so that no secret can stand in it"), "text, `${VAR}`, `${file:PATH}`")
    };
    reader.problems.error(value.place, what).allowed(allowed);
    true
}

/// Notes a key that this kind has not.
fn note_other_key(reader: &mut Reader<'_>, kind: &str, specs: &[FieldSpec], entry: &Entry<'_>) {
    let is = |name: &&str| name.eq_ignore_ascii_case(&entry.key);
    if IDLE_MONITOR_KEYS.iter().any(is) {
        let what = format!("{} has no effect: HallMonitor knew it and never used it", quoted(&entry.key));
        reader.problems.warning(entry.place, what);
    } else if TOLERATED_MONITOR_KEYS.iter().any(is) {
        // HallMonitor's own files hold it with an empty value, which says nothing.
        if !entry.value.is_empty() && !is_zero(&entry.value) {
            let what = format!("{} has no effect on a {kind} monitor", quoted(&entry.key));
            reader.problems.warning(entry.place, what);
        }
    } else {
        let own = specs.iter().map(|spec| spec.key).chain(MONITOR_KEYS.iter().map(|key| key.name));
        match KINDS.iter().find(|(_, specs)| specs.iter().any(|spec| is(&spec.key))) {
            Some((other, _)) => {
                let what = format!("{} belongs to kind {other}, not to {kind}", quoted(&entry.key));
                reader.problems.error(entry.place, what).allowed(own.collect::<Vec<_>>().join(", "));
            }
            None => reader.unknown(entry, own),
        }
    }
}

/// Whether a value of an optional key means that it is not given: HallMonitor wrote 0 for numbers that were not set.
fn stands_for_default(spec: &FieldSpec, value: &Node<'_>) -> bool {
    matches!(spec.kind, FieldKind::Integer { min, .. } if min > 0) && is_zero(value)
}

fn is_zero(node: &Node<'_>) -> bool {
    matches!(&node.kind, Kind::Scalar { text, .. } if text == "0")
}

/// Calls `take` for every text in a value; for another single value, with the text of it.
fn texts_of(json: &serde_json::Value, take: &mut dyn FnMut(&str)) {
    match json {
        serde_json::Value::String(text) => take(text),
        serde_json::Value::Object(map) => map.values().for_each(|value| texts_of(value, take)),
        serde_json::Value::Array(items) => items.iter().for_each(|value| texts_of(value, take)),
        other => take(&other.to_string()),
    }
}
