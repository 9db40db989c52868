//! Which id a configured monitor has. Pure.
//!
//! In this order: an `id:` of its own; the id remembered for its name; the id of the one monitor of the same kind and
//! target that vanished in the same change (a rename); else an id made of instance and name
//! ([`MonitorId::of_name`]). An id that somebody else has or had is never given again: then the name gets another one,
//! made of the name and a number.

use std::collections::{HashMap, HashSet};

use serde::{Deserialize, Serialize};

use crate::model::{InstanceId, KnownMonitor, MonitorId, UnixMicros};

/// A monitor as the configuration has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConfiguredMonitor<'a> {
    /// Its own id, where the file gives one.
    pub id: Option<MonitorId>,
    /// Its name, unique in the configuration.
    pub name: &'a str,
    /// Its group.
    pub group: &'a str,
    /// Its kind.
    pub kind: &'a str,
    /// Its target.
    pub target: &'a str,
}

/// A monitor that was configured at some time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RememberedMonitor {
    /// What is known of it.
    pub known: KnownMonitor,
    /// Whether the configuration last in force has it.
    pub configured: bool,
}

/// A monitor that has another name now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Rename {
    /// Whose.
    pub id: MonitorId,
    /// What it was called.
    pub from: String,
    /// What it is called.
    pub to: String,
}

/// The ids of a configuration.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Identities {
    /// The id of each configured monitor, in its order.
    pub ids: Vec<MonitorId>,
    /// What is to be remembered from now on.
    pub remembered: Vec<RememberedMonitor>,
    /// Which of the configured monitors are new or changed, as stores should know them.
    pub changed: Vec<KnownMonitor>,
    /// Renames that were recognised.
    pub renames: Vec<Rename>,
}

/// Gives each configured monitor its id.
///
/// Total: of two monitors that claim the same `id:`, which a configuration refuses, the first has it.
#[must_use]
pub fn identify(
    instance: InstanceId,
    remembered: &[RememberedMonitor],
    configured: &[ConfiguredMonitor<'_>],
    now: UnixMicros,
) -> Identities {
    let mut given = Given { instance, ids: vec![None; configured.len()], used: HashSet::new() };
    for (at, monitor) in configured.iter().enumerate() {
        if let Some(id) = monitor.id.filter(|id| !id.is_all()) {
            given.give(at, id);
        }
    }
    let by_name = newest_by_name(remembered);
    for (at, monitor) in configured.iter().enumerate() {
        if let Some(old) = by_name.get(monitor.name) {
            given.give(at, old.known.id);
        }
    }
    let renamed = renames(remembered, configured, &given);
    for (at, old) in &renamed {
        given.give(*at, old.known.id);
    }
    // What somebody had once stays theirs, also while they are not configured.
    let had: HashSet<MonitorId> = remembered.iter().map(|old| old.known.id).collect();
    for (at, monitor) in configured.iter().enumerate() {
        if given.ids[at].is_none() {
            given.give_new(at, monitor.name, &had);
        }
    }
    let ids: Vec<MonitorId> = given.ids.into_iter().flatten().collect();
    let renames = renamed
        .into_iter()
        .map(|(at, old)| Rename { id: ids[at], from: old.known.name.clone(), to: configured[at].name.to_owned() })
        .collect();
    let (remembered, changed) = remember(remembered, configured, &ids, now);
    Identities { ids, remembered, changed, renames }
}

/// The ids given so far.
struct Given {
    instance: InstanceId,
    ids: Vec<Option<MonitorId>>,
    used: HashSet<MonitorId>,
}

impl Given {
    /// Gives an id unless somebody has it or the monitor has one.
    fn give(&mut self, at: usize, id: MonitorId) {
        if self.ids[at].is_none() && self.used.insert(id) {
            self.ids[at] = Some(id);
        }
    }

    fn give_new(&mut self, at: usize, name: &str, had: &HashSet<MonitorId>) {
        let mut id = MonitorId::of_name(self.instance, name);
        let mut number = 2_u64;
        while had.contains(&id) || self.used.contains(&id) {
            // No name has a NUL, so that no other name gives this id.
            id = MonitorId::of_name(self.instance, &format!("{name}\0{number}"));
            number += 1;
        }
        self.give(at, id);
    }
}

/// Of several that had the same name: the configured one, else the one seen last.
fn newest_by_name(remembered: &[RememberedMonitor]) -> HashMap<&str, &RememberedMonitor> {
    let rank = |old: &RememberedMonitor| (old.configured, old.known.last_seen, old.known.id);
    let mut by_name: HashMap<&str, &RememberedMonitor> = HashMap::new();
    for old in remembered {
        by_name
            .entry(&old.known.name)
            .and_modify(|best| {
                if rank(old) > rank(best) {
                    *best = old;
                }
            })
            .or_insert(old);
    }
    by_name
}

/// For each kind and target with exactly one vanished and one new name: where the new one stands, and the old one.
fn renames<'a>(
    remembered: &'a [RememberedMonitor],
    configured: &[ConfiguredMonitor<'_>],
    given: &Given,
) -> Vec<(usize, &'a RememberedMonitor)> {
    let names: HashSet<&str> = configured.iter().map(|monitor| monitor.name).collect();
    let mut vanished: HashMap<(&str, &str), Vec<&RememberedMonitor>> = HashMap::new();
    for old in remembered.iter().filter(|old| old.configured && !names.contains(old.known.name.as_str())) {
        if !given.used.contains(&old.known.id) {
            vanished.entry((&old.known.kind, &old.known.target)).or_default().push(old);
        }
    }
    let mut new: HashMap<(&str, &str), Vec<usize>> = HashMap::new();
    for (at, monitor) in configured.iter().enumerate().filter(|(at, _)| given.ids[*at].is_none()) {
        new.entry((monitor.kind, monitor.target)).or_default().push(at);
    }
    let mut found: Vec<_> = new
        .into_iter()
        .filter_map(|(watched, new)| match (new.as_slice(), vanished.get(&watched)?.as_slice()) {
            ([at], [old]) => Some((*at, *old)),
            _ => None,
        })
        .collect();
    found.sort_by_key(|(at, _)| *at);
    found
}

/// The new list of what is remembered, and what of it is new or changed.
fn remember(
    remembered: &[RememberedMonitor],
    configured: &[ConfiguredMonitor<'_>],
    ids: &[MonitorId],
    now: UnixMicros,
) -> (Vec<RememberedMonitor>, Vec<KnownMonitor>) {
    let mut list: Vec<RememberedMonitor> = Vec::with_capacity(remembered.len().max(configured.len()));
    list.extend_from_slice(remembered);
    let mut places: HashMap<MonitorId, usize> = HashMap::new();
    for (place, old) in list.iter_mut().enumerate() {
        old.configured = false;
        places.insert(old.known.id, place);
    }
    let mut changed = Vec::new();
    for (monitor, id) in configured.iter().zip(ids) {
        let first_seen = places.get(id).map_or(now, |place| list[*place].known.first_seen);
        let known = KnownMonitor {
            id: *id,
            name: monitor.name.to_owned(),
            group: monitor.group.to_owned(),
            kind: monitor.kind.to_owned(),
            target: monitor.target.to_owned(),
            first_seen,
            last_seen: now,
        };
        let place = *places.entry(*id).or_insert(list.len());
        let same = list.get(place).is_some_and(|old| {
            let KnownMonitor { name, group, kind, target, .. } = &old.known;
            (name, group, kind, target) == (&known.name, &known.group, &known.kind, &known.target)
        });
        if !same {
            changed.push(known.clone());
        }
        let entry = RememberedMonitor { known, configured: true };
        if place == list.len() {
            list.push(entry);
        } else {
            list[place] = entry;
        }
    }
    (list, changed)
}

#[cfg(test)]
#[path = "identity_tests.rs"]
mod tests;
