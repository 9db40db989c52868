//! The sections of the file with a fixed set of keys, and the variables of the environment that override them.

use std::collections::{BTreeMap, BTreeSet};

use super::expand::Origin;
use super::node::{Entry, Node};
use super::problem::{Place, Severity, nearest, quoted};
use super::schema::{Effect, Section, Shape, old_variable_of, sections, variable_of};
use super::value::{Reader, Stop, Value, interpret};
use super::vars::Vars;

/// Variables with our prefix that are read elsewhere.
const OTHER_VARIABLES: &[&str] = &[
    "HALLMONITOR_CONFIG",
    "HALLMONITOR_DATA_DIR",
    "HALLMONITOR_VAULT_PASSPHRASE",
    "HALLMONITOR_VAULT_PASSPHRASE_FILE",
];

/// What the sections hold, by the whole path of the key.
pub(super) struct Given<'n, 't> {
    values: BTreeMap<String, Found>,
    /// Lists, which have readers of their own.
    lists: BTreeMap<String, &'n Node<'t>>,
    /// Values that name something that is not there.
    missing: Vec<(String, Place, String)>,
}

struct Found {
    value: Value,
    /// Where it stands; none for a variable.
    place: Option<Place>,
    origin: Origin,
}

impl<'n, 't> Given<'n, 't> {
    pub(super) fn has(&self, path: &str) -> bool {
        self.values.contains_key(path)
    }

    /// The backends of whose settings something is not there now.
    pub(super) fn lacking(&self) -> BTreeSet<String> {
        self.missing.iter().filter_map(|(path, ..)| backend_of(path)).map(str::to_owned).collect()
    }

    /// Where a value stands; none for one of the environment.
    pub(super) fn place(&self, path: &str) -> Option<Place> {
        self.values.get(path).and_then(|found| found.place)
    }

    /// Takes a value out, with what may be shown of it.
    pub(super) fn take(&mut self, path: &str) -> Option<(Value, Origin)> {
        self.values.remove(path).map(|found| (found.value, found.origin))
    }

    /// Takes a map of texts out; empty where there is none.
    pub(super) fn take_map(&mut self, path: &str) -> BTreeMap<String, String> {
        match self.take(path) {
            Some((Value::Map(map), _)) => map,
            _ => BTreeMap::new(),
        }
    }

    /// Takes out why a value is missing; none where there is one, or where nothing is missing.
    pub(super) fn take_missing(&mut self, path: &str) -> Option<String> {
        if self.has(path) {
            return None;
        }
        let at = self.missing.iter().position(|(missing, ..)| missing == path)?;
        Some(self.missing.remove(at).2)
    }

    pub(super) fn list(&self, path: &str) -> Option<&'n Node<'t>> {
        self.lists.get(path).copied()
    }

    pub(super) fn text(&self, path: &str) -> Option<&str> {
        match &self.values.get(path)?.value {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    pub(super) fn toggle(&self, path: &str) -> Option<bool> {
        match self.values.get(path)?.value {
            Value::Toggle(on) => Some(on),
            _ => None,
        }
    }

    pub(super) fn integer(&self, path: &str) -> Option<i64> {
        match self.values.get(path)?.value {
            Value::Integer(number) => Some(number),
            _ => None,
        }
    }

    /// A length of time; zero stands for the default.
    pub(super) fn duration(&self, path: &str) -> Option<std::time::Duration> {
        match self.values.get(path)?.value {
            Value::Duration(duration) if !duration.is_zero() => Some(duration),
            _ => None,
        }
    }

    pub(super) fn size(&self, path: &str) -> Option<u64> {
        match self.values.get(path)?.value {
            Value::Size(bytes) => bytes,
            _ => None,
        }
    }

    pub(super) fn days(&self, path: &str) -> Option<Option<u32>> {
        match self.values.get(path)?.value {
            Value::Days(days) => Some(days),
            _ => None,
        }
    }
}

/// Reads every section of the file, and the variables above it.
pub(super) fn read<'n, 't>(reader: &mut Reader<'_>, root: &'n Node<'t>, vars: &Vars) -> Given<'n, 't> {
    let sections = sections();
    let mut given = Given { values: BTreeMap::new(), lists: BTreeMap::new(), missing: Vec::new() };
    if let Some(section) = sections.iter().find(|section| section.path.is_empty()) {
        read_section(reader, &sections, section, root, &mut given);
    }
    read_variables(reader, &sections, vars, &mut given);
    given
}

fn read_section<'n, 't>(
    reader: &mut Reader<'_>,
    sections: &[Section],
    section: &Section,
    node: &'n Node<'t>,
    given: &mut Given<'n, 't>,
) {
    let title = if section.path.is_empty() { "the file".to_owned() } else { format!("`{}`", section.path) };
    let mut seen = BTreeSet::new();
    for entry in reader.entries(&title, node).unwrap_or_default() {
        if let Some(key) = section.keys.iter().find(|key| key.name.eq_ignore_ascii_case(&entry.key)) {
            if seen.insert(key.name.to_owned()) {
                read_key(reader, section.path_of(key.name), key.shape, key.effect, entry, given);
            } else {
                reader.again(entry, key.name);
            }
            continue;
        }
        let path = section.path_of(&entry.key);
        match sections.iter().find(|inner| inner.path.eq_ignore_ascii_case(&path)) {
            Some(inner) if seen.insert(inner.path.clone()) => {
                read_section(reader, sections, inner, &entry.value, given);
            }
            Some(inner) => reader.again(entry, &inner.path),
            // A place for anchors, which nobody reads.
            None if section.path.is_empty() && entry.key.starts_with("x-") => {}
            None => {
                let inner = sections.iter().filter_map(|inner| name_below(&inner.path, &section.path));
                let names: Vec<&str> = section.keys.iter().map(|key| key.name).chain(inner).collect();
                reader.unknown(entry, names.into_iter());
            }
        }
    }
}

/// The last word of a path that stands right below another one.
fn name_below<'p>(path: &'p str, above: &str) -> Option<&'p str> {
    let name = if above.is_empty() { path } else { path.strip_prefix(above)?.strip_prefix('.')? };
    (!name.is_empty() && !name.contains('.')).then_some(name)
}

fn read_key<'n, 't>(
    reader: &mut Reader<'_>,
    path: String,
    shape: Shape,
    effect: Effect,
    entry: &'n Entry<'t>,
    given: &mut Given<'n, 't>,
) {
    if let Effect::None(why) = effect
        && !entry.value.is_empty()
    {
        reader.problems.warning(entry.place, format!("`{path}` has no effect: {why}"));
    }
    if shape == Shape::List {
        given.lists.insert(path, &entry.value);
        return;
    }
    let place = entry.value.place;
    // Only the settings of a backend may be secret.
    let read = if backend_of(&path).is_some() {
        reader.read(&path, shape, &entry.value)
    } else {
        reader.read_open(&path, shape, &entry.value).map(|read| read.map(|value| (value, Origin::Written)))
    };
    match read {
        Ok(Some((value, origin))) => {
            given.values.insert(path, Found { value, place: Some(place), origin });
        }
        Ok(None) | Err(Stop::Wrong) => {}
        Err(Stop::Missing(reason)) => given.missing.push((path, place, reason)),
    }
}

fn read_variables(reader: &mut Reader<'_>, sections: &[Section], vars: &Vars, given: &mut Given<'_, '_>) {
    for section in sections {
        for key in section.keys.iter().filter(|key| key.fits_variable()) {
            let path = section.path_of(key.name);
            let names = [Some(variable_of(&path)), old_variable_of(&path)];
            let set = names.into_iter().flatten().find_map(|name| {
                let value = vars.get(&name).filter(|value| !value.is_empty())?;
                Some((name, value))
            });
            let Some((name, value)) = set else { continue };
            match interpret(key.shape, value, false, reader.folder) {
                Ok(value) => {
                    given.values.insert(path, Found { value, place: None, origin: Origin::Variable });
                }
                Err(fault) => {
                    let what = fault.of(&format!("the value of the variable {name} (`{path}`)"));
                    let problem = reader.problems.environment(Severity::Error, what);
                    problem.allowed = fault.allowed;
                    problem.nearest = fault.nearest;
                }
            }
        }
    }
}

/// The backend whose settings a path belongs to.
fn backend_of(path: &str) -> Option<&str> {
    let (name, _) = path.strip_prefix("storage.")?.split_once('.')?;
    (!["retention", "journal"].contains(&name)).then_some(name)
}

/// Notes what is missing in sections that are in force: all but those of other backends than the named ones.
pub(super) fn report_missing(reader: &mut Reader<'_>, given: &mut Given<'_, '_>, backends: &[&str]) {
    for (path, place, reason) in std::mem::take(&mut given.missing) {
        let in_force = backend_of(&path).is_none_or(|name| backends.contains(&name));
        if in_force && !given.has(&path) {
            reader.problems.error(place, format!("`{path}`: {reason}"));
        }
    }
}

/// Notes variables with our prefix that nobody reads. Called last, when it is known which ones the file names.
pub(super) fn report_unknown_variables(reader: &mut Reader<'_>, vars: &Vars) {
    let sections = sections();
    let keys = sections.iter().flat_map(|section| {
        section.keys.iter().filter(|key| key.fits_variable()).map(|key| variable_of(&section.path_of(key.name)))
    });
    let known: BTreeSet<String> = keys.chain(OTHER_VARIABLES.iter().map(|&name| name.to_owned())).collect();
    for name in vars.names().filter(|name| name.starts_with("HALLMONITOR_")) {
        if !known.contains(name) && !reader.expander.has_used(name) {
            let near = nearest(name, known.iter().map(String::as_str)).map(str::to_owned);
            let what = format!("the variable {} is not known and has no effect", quoted(name));
            reader.problems.environment(Severity::Warning, what).nearest(near.as_deref());
        }
    }
}
