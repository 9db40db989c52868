//! Groups and their monitors. What a kind's own keys hold comes from its fields; nothing about a kind is written here.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use super::entry::{Entry as What, GroupEntry, MonitorEntry, Setting, Source};
use super::expand::Origin;
use super::node::{Entry, Node};
use super::problem::{Place, nearest, quoted};
use super::schema::{GROUP_KEYS, IDLE_MONITOR_KEYS, Key, MONITOR_KEYS, Shape, TOLERATED_MONITOR_KEYS, kind_of};
use super::section::Given;
use super::value::{Reader, Stop, Value};
use crate::model::{FieldKind, FieldSpec, MonitorId, Thresholds, clean_text};
use crate::probe::{KINDS, KindConfig};

/// Longest name of a monitor or a group, in bytes.
const NAME_LIMIT: usize = 256;

/// The one setting of a kind that the file has a default for.
const CERTIFICATE_DAYS: &str = "sslCertExpiryWarningDays";

/// What monitors inherit.
struct Defaults {
    interval: Duration,
    timeout: Duration,
    thresholds: Thresholds,
    certificate_days: i64,
}

impl Defaults {
    fn of(given: &Given<'_, '_>) -> Self {
        let usual = Thresholds::default();
        let count = |path, usual| given.integer(path).and_then(|n| u32::try_from(n).ok()).unwrap_or(usual);
        Self {
            interval: given.duration("monitoring.defaultInterval").unwrap_or(Duration::from_secs(30)),
            timeout: given.duration("monitoring.defaultTimeout").unwrap_or(Duration::from_secs(10)),
            thresholds: Thresholds {
                failures: count("monitoring.defaultFailureThreshold", usual.failures),
                recoveries: count("monitoring.defaultRecoveryThreshold", usual.recoveries),
            },
            certificate_days: given
                .integer("monitoring.defaultSSLCertExpiryWarningDays")
                .filter(|days| *days > 0)
                .unwrap_or(30),
        }
    }
}

/// Reads `monitoring.groups`, and `storage.groups`, where one of HallMonitor's own examples has them.
pub(super) fn read(reader: &mut Reader<'_>, given: &Given<'_, '_>) -> (Vec<GroupEntry>, Vec<MonitorEntry>) {
    let mut reading = Reading {
        reader,
        defaults: Defaults::of(given),
        groups: Vec::new(),
        monitors: Vec::new(),
        group_names: HashSet::new(),
        names: HashMap::new(),
        ids: HashMap::new(),
    };
    if let Some(node) = given.list("storage.groups").filter(|node| !node.is_empty()) {
        let what = "`storage.groups` belongs under `monitoring`; it is read as if it stood there";
        reading.reader.problems.warning(node.place, what);
    }
    for path in ["monitoring.groups", "storage.groups"] {
        let Some(node) = given.list(path) else { continue };
        for group in reading.reader.items(&format!("`{path}`"), node) {
            reading.group(group);
        }
    }
    (reading.groups, reading.monitors)
}

/// The keys of a map by the table that they belong to.
struct Slots<'n, 't> {
    table: &'static [Key],
    found: Vec<Option<&'n Entry<'t>>>,
    /// Keys that are not in the table.
    rest: Vec<&'n Entry<'t>>,
}

impl<'n, 't> Slots<'n, 't> {
    fn sort(reader: &mut Reader<'_>, table: &'static [Key], entries: &'n [Entry<'t>]) -> Self {
        let mut slots = Self { table, found: vec![None; table.len()], rest: Vec::new() };
        for entry in entries {
            match table.iter().position(|key| key.name.eq_ignore_ascii_case(&entry.key)) {
                Some(at) if slots.found[at].is_some() => reader.again(entry, table[at].name),
                Some(at) => slots.found[at] = Some(entry),
                None => slots.rest.push(entry),
            }
        }
        slots
    }

    fn get(&self, name: &str) -> Option<(&'static Key, &'n Entry<'t>)> {
        let at = self.table.iter().position(|key| key.name == name)?;
        Some((&self.table[at], self.found[at]?))
    }
}

/// What the keys of a kind hold, so far.
struct Fields<'n, 't> {
    specs: &'static [FieldSpec],
    found: Vec<Option<&'n Entry<'t>>>,
    object: serde_json::Map<String, serde_json::Value>,
    /// Texts that come from elsewhere than the file, which no message may repeat.
    foreign: Vec<(&'static str, String)>,
}

struct Reading<'r, 'a> {
    reader: &'r mut Reader<'a>,
    defaults: Defaults,
    groups: Vec<GroupEntry>,
    monitors: Vec<MonitorEntry>,
    group_names: HashSet<Arc<str>>,
    /// Lines of the names so far.
    names: HashMap<String, u32>,
    ids: HashMap<MonitorId, u32>,
}

impl Reading<'_, '_> {
    fn group(&mut self, node: &Node<'_>) {
        let what = "an item of `monitoring.groups`";
        let entries = self.reader.entries(what, node);
        if entries.is_none() && !node.is_empty() {
            return;
        }
        let slots = Slots::sort(self.reader, GROUP_KEYS, entries.unwrap_or_default());
        for entry in &slots.rest {
            self.reader.unknown(entry, GROUP_KEYS.iter().map(|key| key.name));
        }
        let name: Arc<str> = self.name(&slots, node.place, "group").unwrap_or_default().into();
        if !name.is_empty() && !self.group_names.insert(Arc::clone(&name)) {
            let place = slots.get("name").map_or(node.place, |(_, entry)| entry.value.place);
            self.reader.problems.error(place, format!("duplicate group name: {}", quoted(&name)));
        }
        let mut missing = None;
        let mut inherit = |key: &str, usual: Duration, reading: &mut Self| match reading.time(&slots, key, &mut missing)
        {
            Some(value) => Setting { value, from: Source::Group },
            None => Setting { value: usual, from: Source::Default },
        };
        let interval = inherit("interval", self.defaults.interval, self);
        let timeout = inherit("timeout", self.defaults.timeout, self);
        if let Some(reason) = missing {
            self.reader.problems.error(node.place, format!("group {}: {reason}", quoted(&name)));
        }
        let group = GroupEntry { name, interval, timeout };
        if let Some((_, entry)) = slots.get("monitors") {
            for monitor in self.reader.items("`monitors`", &entry.value) {
                if let Some(monitor) = self.monitor(monitor, &group) {
                    self.monitors.push(monitor);
                }
            }
        }
        self.groups.push(group);
    }

    fn monitor(&mut self, node: &Node<'_>, group: &GroupEntry) -> Option<MonitorEntry> {
        let entries = self.reader.entries("an item of `monitors`", node);
        if entries.is_none() && !node.is_empty() {
            return None;
        }
        let slots = Slots::sort(self.reader, MONITOR_KEYS, entries.unwrap_or_default());
        let place = slots.get("name").map_or(node.place, |(_, entry)| entry.value.place);
        let name = self.name(&slots, node.place, "monitor");
        if let Some(name) = &name
            && let Some(first) = self.names.insert(name.clone(), place.line)
        {
            let what = format!("duplicate monitor name: {} (first on line {first})", quoted(name));
            self.reader.problems.error(place, what);
        }
        let id = self.id(&slots);
        let mut missing = None;
        let enabled = match self.value(&slots, "enabled", &mut missing) {
            Some(Value::Toggle(enabled)) => enabled,
            _ => true,
        };
        let own = |value| Setting { value, from: Source::Own };
        let interval = self.time(&slots, "interval", &mut missing).map_or(group.interval, own);
        let timeout = self.time(&slots, "timeout", &mut missing).map_or(group.timeout, own);
        let usual = self.defaults.thresholds;
        let thresholds = Thresholds {
            failures: self.count(&slots, "failureThreshold", &mut missing).unwrap_or(usual.failures),
            recoveries: self.count(&slots, "recoveryThreshold", &mut missing).unwrap_or(usual.recoveries),
        };
        let labels = match self.value(&slots, "labels", &mut missing) {
            Some(Value::Map(labels)) => labels,
            _ => BTreeMap::new(),
        };
        let what = self.kind(&slots, place, missing)?;
        let group = Arc::clone(&group.name);
        let line = node.place.line;
        Some(MonitorEntry { id, name: name?, group, enabled, interval, timeout, thresholds, labels, what, line })
    }

    /// The name of a group or a monitor: needed, and fit to be shown.
    fn name(&mut self, slots: &Slots<'_, '_>, place: Place, of: &str) -> Option<String> {
        let entry = slots.get("name").filter(|(_, entry)| !entry.value.is_empty());
        let Some((key, entry)) = entry else {
            self.reader.problems.error(place, format!("{of} name is required"));
            return None;
        };
        let place = entry.value.place;
        match self.reader.read_open(key.name, key.shape, &entry.value) {
            Ok(Some(Value::Text(name))) => {
                if name.len() > NAME_LIMIT || clean_text(&name, NAME_LIMIT) != name.trim() || name.trim().is_empty() {
                    let problem =
                        self.reader.problems.error(place, format!("{of} name {} cannot be used", quoted(&name)));
                    problem.allowed(format!("1 to {NAME_LIMIT} bytes of printable text on one line"));
                    return None;
                }
                Some(name)
            }
            Err(Stop::Missing(reason)) => {
                self.reader.problems.error(place, format!("{of} name: {reason}"));
                None
            }
            _ => None,
        }
    }

    fn id(&mut self, slots: &Slots<'_, '_>) -> Option<MonitorId> {
        let (key, entry) = slots.get("id")?;
        let place = entry.value.place;
        let text = match self.reader.read_open(key.name, key.shape, &entry.value) {
            Ok(Some(Value::Text(text))) => text,
            Err(Stop::Missing(reason)) => {
                self.reader.problems.error(place, format!("`id`: {reason}"));
                return None;
            }
            _ => return None,
        };
        let Some(id) = text.parse::<MonitorId>().ok().filter(|id| !id.is_all()) else {
            let problem = self.reader.problems.error(place, format!("`id`: {} is no UUID", quoted(&text)));
            problem.allowed("a UUID as in `0192f0c1-7b3a-7c52-9d64-1f2e3a4b5c6d`, or no `id` at all");
            return None;
        };
        if let Some(first) = self.ids.insert(id, place.line) {
            self.reader.problems.error(place, format!("duplicate monitor id: `{id}` (first on line {first})"));
        }
        Some(id)
    }

    /// A common value. What is missing makes the monitor wait, with the first reason.
    fn value(&mut self, slots: &Slots<'_, '_>, name: &str, missing: &mut Option<String>) -> Option<Value> {
        let (key, entry) = slots.get(name)?;
        match self.reader.read_open(key.name, key.shape, &entry.value) {
            Ok(value) => value,
            Err(Stop::Wrong) => None,
            Err(Stop::Missing(reason)) => {
                missing.get_or_insert(reason);
                None
            }
        }
    }

    /// A length of time; zero is as good as none, as in HallMonitor.
    fn time(&mut self, slots: &Slots<'_, '_>, name: &str, missing: &mut Option<String>) -> Option<Duration> {
        match self.value(slots, name, missing)? {
            Value::Duration(time) if !time.is_zero() => Some(time),
            _ => None,
        }
    }

    fn count(&mut self, slots: &Slots<'_, '_>, name: &str, missing: &mut Option<String>) -> Option<u32> {
        match self.value(slots, name, missing)? {
            Value::Integer(number) => u32::try_from(number).ok(),
            _ => None,
        }
    }

    /// The kind with its settings, or what it waits for.
    fn kind(&mut self, slots: &Slots<'_, '_>, place: Place, mut missing: Option<String>) -> Option<What> {
        let Some((kind, specs)) = self.kind_word(slots, place) else {
            self.keys_of_no_kind(&slots.rest);
            return None;
        };
        let mut fields =
            Fields { specs, found: vec![None; specs.len()], object: serde_json::Map::new(), foreign: Vec::new() };
        for entry in &slots.rest {
            let at = specs.iter().position(|spec| spec.key.eq_ignore_ascii_case(&entry.key));
            match at {
                Some(at) if fields.found[at].is_some() => self.reader.again(entry, specs[at].key),
                Some(at) => self.field(&mut fields, at, entry, &mut missing),
                None => self.foreign_key(kind, specs, entry),
            }
        }
        for (at, spec) in specs.iter().enumerate() {
            if fields.found[at].is_none() && spec.required {
                let problem = self.reader.problems.error(place, format!("{kind} monitor requires `{}`", spec.key));
                problem.allowed(spec.doc);
            } else if fields.found[at].is_none() && spec.key == CERTIFICATE_DAYS {
                fields.object.insert(spec.key.to_owned(), self.defaults.certificate_days.into());
            }
        }
        let complete = specs.iter().enumerate().all(|(at, spec)| match fields.found[at] {
            Some(_) => fields.object.contains_key(spec.key),
            None => !spec.required,
        });
        match missing {
            Some(reason) => Some(What::Pending { kind, reason }),
            None if complete => self.ready(kind, fields, place).map(What::Ready),
            None => None,
        }
    }

    fn kind_word(&mut self, slots: &Slots<'_, '_>, place: Place) -> Option<(&'static str, &'static [FieldSpec])> {
        let words = || KINDS.iter().map(|(id, _)| *id);
        let allowed = || words().collect::<Vec<_>>().join(", ");
        let Some((key, entry)) = slots.get("type").filter(|(_, entry)| !entry.value.is_empty()) else {
            self.reader.problems.error(place, "monitor type is required").allowed(allowed());
            return None;
        };
        match self.reader.read_open(key.name, key.shape, &entry.value) {
            Ok(Some(Value::Text(word))) => kind_of(&word).or_else(|| {
                let what = format!("invalid monitor type: {}", quoted(&word));
                let problem = self.reader.problems.error(entry.value.place, what);
                problem.allowed(allowed()).nearest(nearest(&word, words()));
                None
            }),
            Err(Stop::Missing(reason)) => {
                self.reader.problems.error(entry.value.place, format!("`type`: {reason}"));
                None
            }
            _ => None,
        }
    }

    /// Reads one of the kind's own keys.
    fn field<'n, 't>(
        &mut self,
        fields: &mut Fields<'n, 't>,
        at: usize,
        entry: &'n Entry<'t>,
        missing: &mut Option<String>,
    ) {
        let spec = &fields.specs[at];
        if !spec.required && stands_for_default(spec, &entry.value) {
            return;
        }
        match self.reader.read(spec.key, Shape::Field(spec.kind), &entry.value) {
            Ok(None) => return,
            Ok(Some((Value::Duration(time), _))) if time.is_zero() && !spec.required => return,
            Ok(Some((value, origin))) => {
                let json = value.into_json();
                if origin != Origin::Written {
                    fields.foreign.push((spec.key, String::new()));
                    texts_of(&json, &mut |text| fields.foreign.push((spec.key, text.to_owned())));
                }
                fields.object.insert(spec.key.to_owned(), json);
            }
            Err(Stop::Wrong) => {}
            Err(Stop::Missing(reason)) => {
                missing.get_or_insert(reason);
            }
        }
        fields.found[at] = Some(entry);
    }

    /// Notes a key that this kind has not.
    fn foreign_key(&mut self, kind: &str, specs: &[FieldSpec], entry: &Entry<'_>) {
        let is = |name: &&str| name.eq_ignore_ascii_case(&entry.key);
        if IDLE_MONITOR_KEYS.iter().any(is) {
            let what = format!("{} has no effect: HallMonitor knew it and never used it", quoted(&entry.key));
            self.reader.problems.warning(entry.place, what);
        } else if TOLERATED_MONITOR_KEYS.iter().any(is) {
            // HallMonitor's own files hold it with an empty value, which says nothing.
            if !entry.value.is_empty() && !is_zero(&entry.value) {
                let what = format!("{} has no effect on a {kind} monitor", quoted(&entry.key));
                self.reader.problems.warning(entry.place, what);
            }
        } else {
            let own = specs.iter().map(|spec| spec.key).chain(MONITOR_KEYS.iter().map(|key| key.name));
            match KINDS.iter().find(|(_, specs)| specs.iter().any(|spec| is(&spec.key))) {
                Some((other, _)) => {
                    let what = format!("{} belongs to kind {other}, not to {kind}", quoted(&entry.key));
                    self.reader.problems.error(entry.place, what).allowed(own.collect::<Vec<_>>().join(", "));
                }
                None => self.reader.unknown(entry, own),
            }
        }
    }

    /// Notes the keys that no kind has, of a monitor whose kind is not known.
    fn keys_of_no_kind(&mut self, rest: &[&Entry<'_>]) {
        let known = || {
            let fields = KINDS.iter().flat_map(|(_, specs)| specs.iter().map(|spec| spec.key));
            let common = MONITOR_KEYS.iter().map(|key| key.name);
            fields.chain(TOLERATED_MONITOR_KEYS.iter().copied()).chain(IDLE_MONITOR_KEYS.iter().copied()).chain(common)
        };
        for entry in rest {
            if !known().any(|name| name.eq_ignore_ascii_case(&entry.key)) {
                let near = nearest(&entry.key, known());
                self.reader.problems.error(entry.place, format!("unknown key {}", quoted(&entry.key))).nearest(near);
            }
        }
    }

    /// Hands the fields to the kind, and puts its faults where the fields stand.
    fn ready(&mut self, kind: &'static str, fields: Fields<'_, '_>, place: Place) -> Option<KindConfig> {
        let Fields { specs, found, object, foreign } = fields;
        let config = match KindConfig::from_object(kind, serde_json::Value::Object(object)) {
            Ok(config) => config,
            Err(fault) => {
                let why = if foreign.is_empty() {
                    format!(": {}", clean_text(&fault.to_string(), 200))
                } else {
                    String::new()
                };
                self.reader.problems.error(place, format!("the settings of this {kind} monitor cannot be read{why}"));
                return None;
            }
        };
        let Err(faults) = config.validate() else { return Some(config) };
        for fault in faults {
            let at = specs.iter().position(|spec| spec.key == fault.key);
            let entry = at.and_then(|at| found[at]);
            let place = entry.map_or(place, |entry| entry.value.place);
            // The text of a fault may repeat the value.
            let tells = foreign
                .iter()
                .any(|(key, text)| *key == fault.key || (!text.is_empty() && fault.what.contains(text.as_str())));
            if tells {
                let what = format!("`{}`: what it stands for cannot be used", fault.key);
                let problem = self.reader.problems.error(place, what);
                if let Some(at) = at {
                    problem.allowed(specs[at].doc);
                }
            } else {
                let what = format!("`{}`: {}", fault.key, clean_text(&fault.what, 300));
                self.reader.problems.error(place, what);
            }
        }
        None
    }
}

/// Whether a value of an optional key means that it is not given: HallMonitor wrote 0 for numbers that were not set.
fn stands_for_default(spec: &FieldSpec, value: &Node<'_>) -> bool {
    matches!(spec.kind, FieldKind::Integer { min, .. } if min > 0) && is_zero(value)
}

fn is_zero(node: &Node<'_>) -> bool {
    matches!(&node.kind, super::node::Kind::Scalar { text, .. } if text == "0")
}

/// Calls `take` for every text in a value.
fn texts_of(json: &serde_json::Value, take: &mut dyn FnMut(&str)) {
    match json {
        serde_json::Value::String(text) => take(text),
        serde_json::Value::Object(map) => map.values().for_each(|value| texts_of(value, take)),
        serde_json::Value::Array(items) => items.iter().for_each(|value| texts_of(value, take)),
        _ => {}
    }
}
