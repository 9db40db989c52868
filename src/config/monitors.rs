//! Groups and their monitors: what every kind has in common.

use std::collections::hash_map::Entry as Slot;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::hash::Hash;
use std::sync::Arc;
use std::time::Duration;

use super::entry::{GroupEntry, MonitorEntry, OwnRetention, Setting, Source};
use super::fields::Own;
use super::node::{Entry, Node};
use super::problem::{Place, quoted};
use super::schema::{GROUP_KEYS, KEPT_KEYS, Key, MONITOR_KEYS};
use super::section::Given;
use super::value::{Reader, Stop, Value};
use crate::model::{MonitorId, Thresholds, clean_text};

/// Longest name of a monitor or a group, in bytes.
const NAME_LIMIT: usize = 256;

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
                .filter(|days| *days != 0)
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
        let retention = self.retention(&slots);
        let group = GroupEntry { name, interval, timeout, retention };
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
            && let Some(first) = first_line(&mut self.names, name.clone(), place)
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
        let set = |value| Setting { value, from: Source::Own };
        let interval = self.time(&slots, "interval", &mut missing).map_or(group.interval, set);
        let timeout = self.time(&slots, "timeout", &mut missing).map_or(group.timeout, set);
        let usual = self.defaults.thresholds;
        let thresholds = Thresholds {
            failures: self.count(&slots, "failureThreshold", &mut missing).unwrap_or(usual.failures),
            recoveries: self.count(&slots, "recoveryThreshold", &mut missing).unwrap_or(usual.recoveries),
        };
        let labels = match self.value(&slots, "labels", &mut missing) {
            Some(Value::Map(labels)) => labels,
            _ => BTreeMap::new(),
        };
        let retention = self.retention(&slots).or(group.retention);
        let own = Own { word: slots.get("type"), rest: &slots.rest, place };
        let kind = own.read(self.reader, missing, self.defaults.certificate_days)?;
        let group = Arc::clone(&group.name);
        let Place { line, column, .. } = node.place;
        Some(MonitorEntry {
            id,
            name: name?,
            group,
            enabled,
            interval,
            timeout,
            thresholds,
            labels,
            retention,
            kind,
            line,
            column,
        })
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
        if let Some(first) = first_line(&mut self.ids, id, place) {
            self.reader.problems.error(place, format!("duplicate monitor id: `{id}` (first on line {first})"));
        }
        Some(id)
    }

    /// Days by tier. One that names something that is not there is wrong: what is dropped does not come back.
    fn retention(&mut self, slots: &Slots<'_, '_>) -> OwnRetention {
        let Some((key, entry)) = slots.get("retention") else { return OwnRetention::default() };
        let entries = self.reader.entries(&format!("`{}`", key.name), &entry.value).unwrap_or_default();
        let kept = Slots::sort(self.reader, KEPT_KEYS, entries);
        for entry in &kept.rest {
            self.reader.unknown(entry, KEPT_KEYS.iter().map(|key| key.name));
        }
        let mut days = |name: &str| {
            let mut missing = None;
            let value = self.value(&kept, name, &mut missing);
            if let (Some(reason), Some((_, entry))) = (missing, kept.get(name)) {
                self.reader.problems.error(entry.value.place, format!("`retention.{name}`: {reason}"));
            }
            match value {
                Some(Value::Days(days)) => Some(days),
                _ => None,
            }
        };
        OwnRetention { raw: days("raw"), five_minutes: days("fiveMinutes"), hour: days("hour"), day: days("day") }
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
}

/// The line where a name or an id stands already; else it is remembered.
fn first_line<K: Eq + Hash>(seen: &mut HashMap<K, u32>, key: K, place: Place) -> Option<u32> {
    match seen.entry(key) {
        Slot::Occupied(first) => Some(*first.get()),
        Slot::Vacant(free) => {
            free.insert(place.line);
            None
        }
    }
}
