//! Edits of monitors: each is checked against what the file said before.

use std::collections::{BTreeMap, BTreeSet};

use super::document::{Document, Which};
use super::draft::{Draft, Written, is_typed, spelling};
use super::error::EditError;
use super::list::{Added, Listing};
use super::meaning::Meaning;
use super::patch::Patch;
use super::place::{GroupPlace, Place, groups, monitors};
use super::scan::line_number;
use super::spans::{Form, Item, Kind, Pair, Style};
use super::write::{New, pair_lines};
use crate::config::schema::MONITOR_KEYS;
use crate::model::{MonitorId, clean_text};

/// How a monitor gets a value that it has now not set: the key goes, or where a merge key (`<<`) would bring the value
/// back, null stands there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Unset {
    ByRemoval,
    ByNull,
}

/// How a monitor comes into another group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Move {
    /// As it is written, with its comments.
    Lines,
    /// Written anew, where what follows there would become a part of its lines.
    Values,
}

impl Document {
    /// Gives a monitor the values of a draft: keys whose values differ are changed, keys that are not set any more are
    /// removed, new ones come at the end of the monitor. Another group moves it to the end of that group, with its
    /// comments where both lists are written line by line.
    ///
    /// A monitor is known again by its kind and what it watches when only its name changes. Where both change at once
    /// it gets `id`, its id so far, written into the file, so that its history stays with it.
    ///
    /// # Errors
    /// No such monitor, or it is written in a way that cannot be changed without changing something else.
    pub fn set_monitor(&self, which: Which<'_>, draft: &Draft, id: Option<MonitorId>) -> Result<Self, EditError> {
        let place = self.find(which)?;
        let old = self.draft_at(place);
        let mut draft = draft.clone().tidied();
        if draft.name().is_empty() || draft.group.is_empty() {
            return Err(EditError::Nameless);
        }
        if let Some(id) = id.filter(|_| loses_itself(&old, &draft)) {
            draft.set("id", Some(id.to_string().into()));
        }
        let by = |(how, unset)| {
            let (moved, at) =
                if draft.group == old.group { (self.clone(), place) } else { self.moved(place, &draft.group, how)? };
            let set = moved.with_values(at, &old, &draft, unset)?;
            set.checked(self, &[place], Some((at, &draft)), shown(&draft))
        };
        // Each changes more of the text than the one before.
        let ways = [(Move::Lines, Unset::ByNull), (Move::Values, Unset::ByRemoval)];
        ways.into_iter().fold(by((Move::Lines, Unset::ByRemoval)), |tried, way| match tried {
            Err(EditError::Elsewhere { .. }) => by(way),
            done => done,
        })
    }

    /// Adds a monitor at the end of its group, in the style of the list that stands there. A group that is not there
    /// is made, with the sections above it.
    ///
    /// # Errors
    /// The list is written in a way that cannot be changed without changing something else.
    pub fn add_monitor(&self, draft: &Draft) -> Result<Self, EditError> {
        let draft = draft.clone().tidied();
        if draft.name().is_empty() || draft.group.is_empty() {
            return Err(EditError::Nameless);
        }
        let (document, group) = self.with_group(&draft.group)?;
        let (document, at) = document.appended(group, &Added::New(new_monitor(&draft)?))?;
        document.checked(self, &[], Some((at, &draft)), shown(&draft))
    }

    /// Removes monitors by their names as they are written, each with the comment lines right above it. The last one
    /// of a group leaves an empty list.
    ///
    /// # Errors
    /// One is not there, or something of it is needed elsewhere in the file.
    pub fn remove_monitors(&self, names: &[&str]) -> Result<Self, EditError> {
        let mut by_group: Vec<(GroupPlace, BTreeSet<usize>)> = Vec::new();
        let mut places = Vec::new();
        for name in names {
            let place = self.find(Which::Name(name))?;
            match by_group.iter_mut().find(|(group, _)| *group == place.group) {
                Some((_, gone)) => drop(gone.insert(place.monitor)),
                None => by_group.push((place.group, BTreeSet::from([place.monitor]))),
            }
            if !places.contains(&place) {
                places.push(place);
            }
        }
        let mut patches = Vec::new();
        for (group, gone) in by_group {
            let gone: Vec<usize> = gone.into_iter().collect();
            patches.extend(self.listing(group)?.remove(self.sheet(), &gone)?);
        }
        let what = "the removed monitors";
        self.patched(patches, what)?.checked(self, &places, None, what.to_owned())
    }

    /// The list of a group's monitors, which must be there.
    fn listing(&self, group: GroupPlace) -> Result<Listing<'_>, EditError> {
        let item = self.root().and_then(|root| group.item(root)).ok_or_else(|| self.repeated("a group"))?;
        Listing::of(item, "monitors").ok_or_else(|| self.repeated("the list of monitors"))
    }

    /// A part of the file that has a meaning, but no place of its own.
    fn repeated(&self, what: &'static str) -> EditError {
        let first = first_alias(self.root()).unwrap_or_default();
        EditError::Repeated { what, line: line_number(self.text(), first) }
    }

    /// With a group of this name, which is made at the end where there is none.
    fn with_group(&self, name: &str) -> Result<(Self, GroupPlace), EditError> {
        let named = |document: &Self| groups(document.meaning()).find(|(_, n, _)| *n == name).map(|(place, ..)| place);
        if let Some(place) = named(self) {
            return Ok((self.clone(), place));
        }
        let text = |text: &str| New::Text { text: text.to_owned(), typed: false };
        let group = New::Map(vec![("name".to_owned(), text(name)), ("monitors".to_owned(), New::List(Vec::new()))]);
        let groups = New::List(vec![group.clone()]);
        let section = New::Map(vec![("groups".to_owned(), groups.clone())]);
        let sheet = self.sheet();
        let is_map = |root: &&Item| !is_nothing(root) || matches!(root.kind, Kind::Map { .. });
        let patches = match self.root().filter(is_map) {
            None => vec![self.at_the_end(&pair_lines("monitoring", &section, sheet.indentation))],
            Some(root) => match root.pair("monitoring") {
                None => add_pair(self, root, "monitoring", section)?,
                Some(pair) if is_nothing(&pair.value) => self.first_of(root, pair, "groups", groups)?,
                Some(pair) => match Listing::of(&pair.value, "groups") {
                    None => add_pair(self, &pair.value, "groups", groups)?,
                    Some(list) => list.append(sheet, "the list of groups", &Added::New(group))?,
                },
            },
        };
        let document = self.patched(patches, "the group")?;
        let place = named(&document).ok_or_else(|| EditError::Elsewhere { what: "the group".to_owned() })?;
        Ok((document, place))
    }

    /// Puts lines after all else.
    pub(super) fn at_the_end(&self, lines: &[String]) -> Patch {
        let (text, sheet) = (self.text(), self.sheet());
        let block = sheet.below(lines, 0);
        let block = &block[sheet.line_end.len()..];
        let has_end = text.is_empty() || text.ends_with(['\n', '\r']);
        let before = if has_end { "" } else { sheet.line_end };
        Patch::insert(text.len(), format!("{before}{block}{}", sheet.line_end))
    }

    /// Puts the first pair into a map of which nothing stands yet (`key:`, `key: {}`, `key: null`).
    pub(super) fn first_of(&self, above: &Item, pair: &Pair, key: &str, value: New) -> Result<Vec<Patch>, EditError> {
        let sheet = self.sheet();
        if matches!(pair.value.kind, Kind::Map { .. }) {
            return add_pair(self, &pair.value, key, value);
        }
        let in_flow = !matches!(above.kind, Kind::Map { form: Form::Block, .. });
        if in_flow || pair.value.body < pair.value.end {
            let map = New::Map(vec![(key.to_owned(), value)]).flow();
            let mark = if pair.value.body < pair.value.end { "" } else { " " };
            return Ok(vec![Patch::new(pair.value.body..pair.value.end, format!("{mark}{map}"))]);
        }
        let end = sheet.end_of_last_line(pair.value.end).map_err(|at| self.unclear(at))?;
        let spaces = super::scan::column(self.text(), pair.key.start) + sheet.indentation.map;
        Ok(vec![Patch::insert(end, sheet.below(&pair_lines(key, &value, sheet.indentation), spaces))])
    }

    /// With an item at the end of a group's monitors, and where it is.
    fn appended(&self, group: GroupPlace, added: &Added) -> Result<(Self, Place), EditError> {
        let item = self.root().and_then(|root| group.item(root)).ok_or_else(|| self.repeated("a group"))?;
        let monitor =
            group.meaning(self.meaning()).and_then(|group| group.get("monitors")).map_or(0, |m| m.items().len());
        let patches = match (Listing::of(item, "monitors"), added) {
            (Some(list), _) => list.append(self.sheet(), "the list of monitors", added)?,
            (None, Added::New(new) | Added::Lines(_, new)) => {
                add_pair(self, item, "monitors", New::List(vec![new.clone()]))?
            }
        };
        Ok((self.patched(patches, "the monitor")?, Place { group, monitor }))
    }

    /// With a monitor moved to the end of another group.
    fn moved(&self, from: Place, group: &str, how: Move) -> Result<(Self, Place), EditError> {
        // A group that is made comes after all others, so that no place before it changes.
        let (document, group) = self.with_group(group)?;
        let list = document.listing(from.group)?;
        let sheet = document.sheet();
        let value = from.meaning(document.meaning()).map_or(New::Null, |meaning| new_of(meaning, ""));
        let added = match list.lines_of(sheet, from.monitor).filter(|_| how == Move::Lines) {
            Some(lines) => Added::Lines(lines, value),
            None => Added::New(value),
        };
        let (document, place) = document.appended(group, &added)?;
        let patches = document.listing(from.group)?.remove(document.sheet(), &[from.monitor])?;
        Ok((document.patched(patches, "the moved monitor")?, place))
    }

    /// With the values of a draft instead of those before.
    fn with_values(&self, at: Place, old: &Draft, new: &Draft, unset: Unset) -> Result<Self, EditError> {
        let mut document = self.clone();
        // Replaced first, added next, removed last, so that no map is ever empty in between.
        for step in [Step::Replace, Step::Add, Step::Remove] {
            let item =
                document.root().and_then(|root| at.item(root)).ok_or_else(|| document.repeated("the monitor"))?;
            if matches!(item.kind, Kind::Alias) {
                let line = line_number(document.text(), item.start);
                return Err(EditError::Repeated { what: "the monitor", line });
            }
            let patches = changes(&document, item, old, new, step, unset)?;
            document = document.patched(patches, &shown(new))?;
        }
        Ok(document)
    }

    /// The document, when it says exactly what the one before said, without the monitors `gone` and with the draft's.
    fn checked(
        self,
        before: &Self,
        gone: &[Place],
        put: Option<(Place, &Draft)>,
        what: String,
    ) -> Result<Self, EditError> {
        let mut expected = before.meaning().clone();
        let mut found = self.meaning().clone();
        let mut gone = gone.to_vec();
        gone.sort_by_key(|place| std::cmp::Reverse(place.monitor));
        let taken = gone.iter().all(|place| place.take(&mut expected).is_some());
        let mut is_right = taken;
        if let Some((place, draft)) = put {
            is_right &= self.draft_at(place) == *draft && place.take(&mut found).is_some();
            ensure_group(&mut expected, &draft.group);
        }
        is_right &= settled(expected) == settled(found);
        if is_right { Ok(self) } else { Err(EditError::Elsewhere { what }) }
    }
}

/// What comes first, next and last when values change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    Replace,
    Add,
    Remove,
}

/// A monitor for messages.
fn shown(draft: &Draft) -> String {
    format!("the monitor `{}`", clean_text(draft.name(), 80))
}

/// Whether a monitor could not be known again after such a change: neither by its name nor by what it watches.
fn loses_itself(old: &Draft, new: &Draft) -> bool {
    let is_own = |key: &str| MONITOR_KEYS.iter().all(|known| known.name != key);
    let own = |draft: &Draft| -> BTreeMap<String, Written> {
        draft.values.iter().filter(|(key, _)| is_own(key)).map(|(key, value)| (key.clone(), value.clone())).collect()
    };
    old.name() != new.name() && !new.values.contains_key("id") && (old.kind() != new.kind() || own(old) != own(new))
}

/// The patches of one step that make the old values of a monitor the new ones.
fn changes(
    document: &Document,
    item: &Item,
    old: &Draft,
    new: &Draft,
    step: Step,
    unset: Unset,
) -> Result<Vec<Patch>, EditError> {
    let sheet = document.sheet();
    let is_flow = item.is_flow();
    let keys: BTreeSet<&String> = old.values.keys().chain(new.values.keys()).collect();
    let (mut patches, mut added, mut gone) = (Vec::new(), Vec::new(), Vec::new());
    for key in keys {
        let (before, after) = (old.values.get(key), new.values.get(key));
        if before == after {
            continue;
        }
        let index = item.pairs().iter().position(|pair| spelling(pair.word()) == *key);
        let pair = index.map(|index| &item.pairs()[index]);
        match (pair, after) {
            (_, Some(Written::Opaque(_))) => return Err(EditError::Opaque { key: key.clone() }),
            (None, Some(value)) => added.push((key.clone(), new_value(key, value)?)),
            (Some(pair), Some(Written::Text(text))) if step == Step::Replace => {
                patches.push(sheet.replace(pair, is_flow, Some((text, is_typed(key)))));
            }
            (Some(pair), Some(Written::Map(map))) => {
                patches.extend(map_changes(document, item, pair, (before, map), step)?);
            }
            (None, None) if unset == Unset::ByNull => added.push((key.clone(), New::Null)),
            (Some(pair), None) if unset == Unset::ByNull && step == Step::Replace => {
                patches.push(sheet.replace(pair, is_flow, None));
            }
            (Some(_), None) if unset == Unset::ByRemoval => gone.extend(index),
            _ => {}
        }
    }
    match step {
        Step::Replace => Ok(patches),
        Step::Add if added.is_empty() => Ok(patches),
        Step::Add => {
            in_order(&mut added);
            patches.extend(sheet.add_pairs(item, &added).map_err(|at| document.unclear(at))?);
            Ok(patches)
        }
        Step::Remove => {
            gone.sort_unstable();
            patches.extend(sheet.remove_pairs(item, &gone).map_err(|at| document.unclear(at))?);
            Ok(patches)
        }
    }
}

/// The patches of one step that give a map of texts other texts.
fn map_changes(
    document: &Document,
    above: &Item,
    pair: &Pair,
    (before, map): (Option<&Written>, &BTreeMap<String, String>),
    step: Step,
) -> Result<Vec<Patch>, EditError> {
    let sheet = document.sheet();
    let value = &pair.value;
    let unclear = |at| document.unclear(at);
    let news =
        || -> Vec<(String, New)> { map.iter().map(|(key, text)| (key.clone(), new_text(text, false))).collect() };
    let Kind::Map { form, pairs } = &value.kind else {
        // Nothing stood there, or a single value: all of it is new.
        return Ok(match (&value.kind, step) {
            (Kind::Alias, _) => return Err(document.repeated("a map")),
            (_, Step::Replace) => fresh_map(document, above, pair, news())?,
            _ => Vec::new(),
        });
    };
    let text_of = |pair: &Pair| match &pair.value.kind {
        Kind::Scalar { text, style: Style::Absent | Style::Plain } if matches!(text.as_str(), "~" | "null") => None,
        Kind::Scalar { text, .. } => Some(text.clone()),
        _ => None,
    };
    match step {
        Step::Replace => Ok(pairs
            .iter()
            .filter_map(|pair| {
                let text = map.get(pair.word())?;
                let same = text_of(pair).unwrap_or_default() == *text && !matches!(pair.value.kind, Kind::Alias);
                (!same).then(|| sheet.replace(pair, *form != Form::Block, Some((text, false))))
            })
            .collect()),
        Step::Add => {
            // What a merge key brings is there already.
            let is_known = |key: &str| matches!(before, Some(Written::Map(old)) if old.get(key) == map.get(key));
            let is_new = |key: &str| !is_known(key) && pairs.iter().all(|pair| pair.word() != key);
            let new: Vec<_> = news().into_iter().filter(|(key, _)| is_new(key)).collect();
            if new.is_empty() { Ok(Vec::new()) } else { sheet.add_pairs(value, &new).map_err(unclear) }
        }
        Step::Remove => {
            let is_gone = |pair: &Pair| !pair.is_merge() && !map.contains_key(pair.word());
            let gone: Vec<usize> = (0..pairs.len()).filter(|at| is_gone(&pairs[*at])).collect();
            sheet.remove_pairs(value, &gone).map_err(unclear)
        }
    }
}

/// The patches that put a map where a single value or nothing stands.
fn fresh_map(
    document: &Document,
    above: &Item,
    pair: &Pair,
    news: Vec<(String, New)>,
) -> Result<Vec<Patch>, EditError> {
    let (value, sheet) = (&pair.value, document.sheet());
    let is_block = matches!(above.kind, Kind::Map { form: Form::Block, .. });
    if value.body < value.end || !is_block {
        let mark = if value.body < value.end { "" } else { " " };
        return Ok(vec![Patch::new(value.body..value.end, format!("{mark}{}", New::Map(news).flow()))]);
    }
    let end = sheet.end_of_last_line(value.end).map_err(|at| document.unclear(at))?;
    let spaces = super::scan::column(document.text(), pair.key.start) + sheet.indentation.map;
    let lines: Vec<String> = news.iter().flat_map(|(key, value)| pair_lines(key, value, sheet.indentation)).collect();
    Ok(vec![Patch::insert(end, sheet.below(&lines, spaces))])
}

pub(super) fn add_pair(document: &Document, map: &Item, key: &str, value: New) -> Result<Vec<Patch>, EditError> {
    document.sheet().add_pairs(map, &[(key.to_owned(), value)]).map_err(|at| document.unclear(at))
}

/// Where the first alias stands.
fn first_alias(item: Option<&Item>) -> Option<usize> {
    let item = item?;
    match &item.kind {
        Kind::Alias => Some(item.start),
        Kind::Scalar { .. } => None,
        Kind::List { items, .. } => items.iter().find_map(|item| first_alias(Some(item))),
        Kind::Map { pairs, .. } => pairs.iter().find_map(|pair| first_alias(Some(&pair.value))),
    }
}

/// Null, no text, an empty map.
pub(super) fn is_nothing(item: &Item) -> bool {
    match &item.kind {
        Kind::Scalar { text, style } => {
            matches!(style, Style::Absent | Style::Plain)
                && matches!(text.as_str(), "" | "~" | "null" | "Null" | "NULL")
        }
        Kind::Map { pairs, .. } => pairs.is_empty(),
        Kind::List { .. } | Kind::Alias => false,
    }
}

fn new_text(text: &str, typed: bool) -> New {
    New::Text { text: text.to_owned(), typed }
}

fn new_value(key: &str, value: &Written) -> Result<New, EditError> {
    match value {
        Written::Text(text) => Ok(new_text(text, is_typed(key))),
        Written::Map(map) => Ok(New::Map(map.iter().map(|(key, text)| (key.clone(), new_text(text, false))).collect())),
        Written::Opaque(_) => Err(EditError::Opaque { key: key.to_owned() }),
    }
}

/// What the file said, to be written elsewhere.
fn new_of(meaning: &Meaning, key: &str) -> New {
    match meaning {
        _ if meaning.is_null() => New::Null,
        Meaning::Text { text, plain } => new_text(text, *plain || is_typed(key)),
        Meaning::List(items) => New::List(items.iter().map(|item| new_of(item, "")).collect()),
        Meaning::Map(map) => {
            let mut pairs: Vec<_> = map.iter().map(|(key, value)| (key.clone(), new_of(value, key))).collect();
            in_order(&mut pairs);
            New::Map(pairs)
        }
    }
}

/// Brings keys into the order of the documentation.
fn in_order(pairs: &mut [(String, New)]) {
    let rank = |key: &str| {
        // What says what is watched stands between the kind and the rest.
        let at = MONITOR_KEYS.iter().position(|known| known.name.eq_ignore_ascii_case(key));
        at.map_or((2, 0), |at| (if at < 2 { 1 } else { 3 }, at))
    };
    pairs.sort_by(|one, other| rank(&one.0).cmp(&rank(&other.0)).then_with(|| field_order(&one.0, &other.0)));
}

/// The order of the fields of a kind: as the kind lists them.
fn field_order(one: &str, other: &str) -> std::cmp::Ordering {
    let at = |key: &str| {
        let fields = crate::probe::KINDS.iter().flat_map(|(_, fields)| fields.iter().map(|field| field.key));
        fields.into_iter().position(|known| known.eq_ignore_ascii_case(key)).unwrap_or(usize::MAX)
    };
    at(one).cmp(&at(other))
}

fn new_monitor(draft: &Draft) -> Result<New, EditError> {
    let pairs: Result<Vec<_>, _> =
        draft.values.iter().map(|(key, value)| Ok((key.clone(), new_value(key, value)?))).collect();
    let mut pairs = pairs?;
    in_order(&mut pairs);
    Ok(New::Map(pairs))
}

/// The tree with a group, as the editor would make it.
fn ensure_group(root: &mut Meaning, name: &str) {
    if groups(root).any(|(_, known, _)| known == name) {
        return;
    }
    let groups = root
        .entry("monitoring", Meaning::Map(BTreeMap::new()))
        .and_then(|section| section.entry("groups", Meaning::List(Vec::new())).and_then(Meaning::items_mut));
    if let Some(groups) = groups {
        let text = Meaning::Text { text: name.to_owned(), plain: true };
        groups.push(Meaning::Map(BTreeMap::from([("name".to_owned(), text)])));
    }
}

/// A tree in which groups without monitors are the same, however that is written. How a name is quoted is no matter
/// either.
fn settled(mut root: Meaning) -> Meaning {
    let places: Vec<GroupPlace> = groups(&root).map(|(place, ..)| place).collect();
    for place in places {
        let Some(Meaning::Map(group)) = place.meaning_mut(&mut root) else { continue };
        group.retain(|key, value| {
            !key.eq_ignore_ascii_case("monitors")
                || !(value.is_null() || matches!(value, Meaning::List(l) if l.is_empty()))
        });
        if let Some((_, Meaning::Text { text, plain })) =
            group.iter_mut().find(|(key, _)| key.eq_ignore_ascii_case("name"))
        {
            *plain |= !text.is_empty();
        }
    }
    root
}

impl Document {
    /// Where each monitor stands: its name, the bytes of the whole, and those of its keys. For telling which field a
    /// problem belongs to.
    pub(super) fn fields(&self) -> impl Iterator<Item = (&Meaning, &Item)> {
        let root = self.root();
        monitors(self.meaning()).filter_map(move |(place, _, meaning)| Some((meaning, place.item(root?)?)))
    }
}
