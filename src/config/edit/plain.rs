//! Secrets that stand in the file for everybody to read, and how a reference takes the place of each.
//!
//! What a field says of itself comes first (`FieldKind::Secret`); then what a name says: headers, parameters of an
//! address, its user information. A value that is written once and repeated by aliases and merge keys is one secret.
//!
//! A move changes how values are written and nothing of what they say: with the secrets put back in the place of their
//! references, the new text has to mean what the old one meant.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;
use std::ops::Range;

use super::aliases::{Tree, Value};
use super::document::Document;
use super::error::EditError;
use super::meaning::Meaning;
use super::patch::Patch;
use super::scan::line_ends;
use crate::config::address::{Told, secrets_in};
use crate::config::expand::{Standing, standing};
use crate::config::schema::{Shape, kind_of, sections};
use crate::model::FieldKind;
use crate::probe::KINDS;
use crate::secret::{SecretText, Zeroizing, names_secret};

/// Whose a value is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Owner {
    /// A section of the file: `storage.postgres`.
    Section(String),
    /// A monitor, by its name as it is written.
    Monitor(String),
    /// A webhook, by its number from 1.
    Webhook(usize),
}

/// Which part of what is whose.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum PlainPart {
    /// A whole setting, by its key.
    Setting(String),
    /// The value of a header, after the word that says how it is to be read (`Bearer`).
    Header(String),
    /// The password in an address.
    Password,
    /// A parameter of an address.
    Parameter(String),
    /// The end of the path of an address, which is as good as a password.
    Path,
}

/// Why a secret is left to a person.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ByHand {
    /// A part of it stands for something that is elsewhere.
    Mixed,
    /// The same text is used by an alias where no secret can stand.
    UsedElsewhere,
}

/// A secret that stands in the file.
#[derive(Clone)]
pub struct PlainSecret {
    /// Whose it is; the first one where an alias repeats it.
    pub owner: Owner,
    /// Which part.
    pub part: PlainPart,
    /// The line it stands in, from 1.
    pub line: u32,
    /// How many others use the same text by an alias.
    pub repeated: usize,
    /// Why it cannot be moved here; none where it can.
    pub by_hand: Option<ByHand>,
    /// What the vault would keep.
    text: SecretText,
    /// Where the value stands.
    at: usize,
    /// Which bytes of the value.
    range: Range<usize>,
}

impl fmt::Debug for PlainSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("PlainSecret");
        shown.field("owner", &self.owner).field("part", &self.part).field("line", &self.line).finish_non_exhaustive()
    }
}

impl PlainSecret {
    /// What the vault would keep; as it is written where only a person can move it.
    #[must_use]
    pub fn secret(&self) -> &SecretText {
        &self.text
    }
}

/// What is found so far.
struct Search<'i> {
    tree: Tree<'i>,
    /// Where each line ends.
    lines: Vec<usize>,
    found: Vec<PlainSecret>,
    /// The first of those that stand at a place.
    at: HashMap<usize, usize>,
    /// How often a place was met.
    met: HashMap<usize, usize>,
}

impl<'i> Search<'i> {
    /// Notes the secrets of one value.
    fn note(&mut self, owner: &Owner, value: Value<'i>, parts: impl FnOnce(&str) -> Vec<(PlainPart, Range<usize>)>) {
        let Some(text) = value.item.text() else { return };
        let at = value.item.start;
        *self.met.entry(at).or_default() += 1;
        if let Some(first) = self.at.get(&at) {
            let same = self.found[*first..].iter_mut().take_while(|plain| plain.at == at);
            same.for_each(|plain| plain.repeated += 1);
            return;
        }
        self.at.insert(at, self.found.len());
        for (part, range) in parts(text) {
            let (by_hand, text) = match standing(&text[range.clone()]) {
                Standing::Elsewhere => continue,
                Standing::Mixed => (Some(ByHand::Mixed), SecretText::from(&text[range.clone()])),
                Standing::Plain(text) => (None, SecretText::from(text.as_str())),
            };
            let line = self.lines.partition_point(|end| *end <= value.item.body) + 1;
            let (line, owner) = (u32::try_from(line).unwrap_or(u32::MAX), owner.clone());
            self.found.push(PlainSecret { owner, part, line, repeated: 0, by_hand, text, at, range });
        }
    }

    fn sections(&mut self, root: Value<'i>) {
        for section in sections() {
            let mut value = Some(root);
            for key in section.path.split('.').filter(|key| !key.is_empty()) {
                value = value.and_then(|value| self.tree.get(value, key));
            }
            let Some(value) = value else { continue };
            let owner = Owner::Section(section.path.clone());
            for (word, value) in self.tree.pairs(value) {
                let key = section.keys.iter().find(|key| key.name.eq_ignore_ascii_case(word));
                match key.map(|key| (key.name, key.shape)) {
                    Some((name, Shape::Field(FieldKind::Secret))) => self.note(&owner, value, |text| whole(name, text)),
                    Some((_, Shape::Field(FieldKind::Text))) => self.note(&owner, value, hidden_of_address),
                    _ => {}
                }
            }
        }
    }

    fn monitors(&mut self, root: Value<'i>) {
        for section in super::place::SECTIONS {
            let groups = self.tree.get(root, section).and_then(|section| self.tree.get(section, "groups"));
            let Some(groups) = groups else { continue };
            let groups: Vec<_> = self.tree.items(groups).collect();
            let of_group = groups.into_iter().filter_map(|group| self.tree.get(group, "monitors"));
            let monitors: Vec<_> = of_group.flat_map(|list| self.tree.items(list).collect::<Vec<_>>()).collect();
            monitors.into_iter().for_each(|monitor| self.monitor(monitor));
        }
    }

    fn monitor(&mut self, monitor: Value<'i>) {
        let pairs = self.tree.pairs(monitor);
        let text_of = |wanted: &str| {
            let found = pairs.iter().find(|(key, _)| key.eq_ignore_ascii_case(wanted));
            found.and_then(|(_, value)| value.item.text()).unwrap_or_default()
        };
        let owner = Owner::Monitor(text_of("name").to_owned());
        let own = kind_of(text_of("type")).map_or(&[][..], |(_, fields)| fields);
        for (word, value) in &pairs {
            let all = own.iter().chain(KINDS.iter().flat_map(|(_, fields)| fields.iter()));
            let Some(field) = all.into_iter().find(|field| field.key.eq_ignore_ascii_case(word)) else { continue };
            match field.kind {
                FieldKind::Secret => self.note(&owner, *value, |text| whole(field.key, text)),
                FieldKind::Text => self.note(&owner, *value, hidden_of_address),
                FieldKind::TextMap => {
                    for (name, value) in self.tree.pairs(*value).into_iter().filter(|(name, _)| names_secret(name)) {
                        self.note(&owner, value, |text| of_header(name, text));
                    }
                }
                _ => {}
            }
        }
    }

    fn webhooks(&mut self, root: Value<'i>) {
        let Some(list) = self.tree.get(root, "webhooks") else { return };
        let all: Vec<_> = self.tree.items(list).collect();
        for (at, webhook) in all.into_iter().enumerate() {
            if let Some(url) = self.tree.get(webhook, "url") {
                self.note(&Owner::Webhook(at + 1), url, of_address);
            }
        }
    }
}

fn whole(key: &str, text: &str) -> Vec<(PlainPart, Range<usize>)> {
    if text.is_empty() { Vec::new() } else { vec![(PlainPart::Setting(key.to_owned()), 0..text.len())] }
}

/// The value of a header without the word before it and the blanks around it.
fn of_header(name: &str, text: &str) -> Vec<(PlainPart, Range<usize>)> {
    const MANNERS: &[&str] = &["apikey", "basic", "bearer", "digest", "key", "token"];
    let end = text.trim_end().len();
    let mut start = text.len() - text.trim_start().len();
    if let Some((manner, rest)) = text[start.min(end)..end].split_once(' ')
        && MANNERS.iter().any(|known| known.eq_ignore_ascii_case(manner))
    {
        start = end - rest.trim_start().len();
    }
    // A word that switches something is none.
    let is_secret = start < end && !matches!(&text[start..end], "true" | "false" | "0" | "1");
    if is_secret { vec![(PlainPart::Header(name.to_owned()), start..end)] } else { Vec::new() }
}

fn of_address(text: &str) -> Vec<(PlainPart, Range<usize>)> {
    let part = |told| match told {
        Told::Password => PlainPart::Password,
        Told::Parameter(name) => PlainPart::Parameter(name),
        Told::Path => PlainPart::Path,
    };
    secrets_in(text).into_iter().map(|(told, at)| (part(told), at)).collect()
}

/// Without those that stand where people see the address.
fn hidden_of_address(text: &str) -> Vec<(PlainPart, Range<usize>)> {
    let mut parts = of_address(text);
    parts.retain(|(part, _)| *part != PlainPart::Path);
    parts
}

impl Document {
    /// The secrets that stand in the file for everybody to read, in the order of sections, monitors and webhooks.
    #[must_use]
    pub fn plain_secrets(&self) -> Vec<PlainSecret> {
        let Some(root) = self.root() else { return Vec::new() };
        let root = Value { item: root, flow: false };
        let tree = Tree::of(self.text(), root.item);
        let lines = line_ends(self.text());
        let mut search = Search { tree, lines, found: Vec::new(), at: HashMap::new(), met: HashMap::new() };
        search.sections(root);
        search.monitors(root);
        search.webhooks(root);
        let mut uses = HashMap::new();
        search.tree.uses(root, true, &mut uses);
        for plain in &mut search.found {
            if uses.get(&plain.at) > search.met.get(&plain.at) {
                plain.by_hand.get_or_insert(ByHand::UsedElsewhere);
            }
        }
        search.found
    }

    /// Puts references in the place of secrets: each with the name that the vault has it under, which the file must not
    /// name yet. All else stays as it is.
    ///
    /// # Errors
    /// The change would change something else as well, or what is written there cannot be edited.
    pub fn refer(&self, moved: &[(&PlainSecret, &str)]) -> Result<Self, EditError> {
        let mut values: BTreeMap<usize, Vec<(Range<usize>, &str)>> = BTreeMap::new();
        for (plain, name) in moved {
            values.entry(plain.at).or_default().push((plain.range.clone(), name));
        }
        let Some(root) = self.root() else { return Ok(self.clone()) };
        let mut written = HashMap::new();
        let mut patches = Vec::new();
        self.refer_in(Value { item: root, flow: false }, &values, &mut written, &mut patches)?;
        let what = "how the secrets are written";
        let document = self.patched(patches, what)?;
        let is_right = says_the_same(self.meaning(), document.meaning(), &written);
        if is_right { Ok(document) } else { Err(EditError::Elsewhere { what: what.to_owned() }) }
    }

    fn refer_in<'d>(
        &'d self,
        value: Value<'d>,
        values: &BTreeMap<usize, Vec<(Range<usize>, &'d str)>>,
        written: &mut HashMap<&'d str, Zeroizing<String>>,
        patches: &mut Vec<Patch>,
    ) -> Result<(), EditError> {
        let item = value.item;
        if let (Some(parts), Some(text)) = (values.get(&item.start), item.text()) {
            let mut parts = parts.clone();
            parts.sort_by_key(|(at, _)| std::cmp::Reverse(at.start));
            let mut new = Zeroizing::new(text.to_owned());
            for (at, name) in parts {
                let secret = text.get(at.clone()).ok_or_else(|| self.unclear(super::spans::Unclear(item.start)))?;
                written.insert(name, Zeroizing::new(secret.to_owned()));
                new.replace_range(at, &format!("${{secret:{name}}}"));
            }
            patches.push(self.sheet().replace_value(item, value.flow, &new));
            return Ok(());
        }
        let flow = value.flow || item.is_flow();
        for item in item.items() {
            self.refer_in(Value { item, flow }, values, written, patches)?;
        }
        for pair in item.pairs() {
            self.refer_in(Value { item: &pair.value, flow }, values, written, patches)?;
        }
        Ok(())
    }

    /// Who names which secret of the vault: names of monitors, keys of sections.
    #[must_use]
    pub fn named_secrets(&self) -> BTreeMap<String, BTreeSet<String>> {
        let mut named = BTreeMap::new();
        if let Meaning::Map(root) = self.meaning() {
            for (key, value) in root.iter().filter(|(key, _)| !key.starts_with("x-")) {
                note_named(value, key, &mut named);
            }
        }
        named
    }
}

/// Notes the secrets that a value names. Below a monitor they are the monitor's.
fn note_named(value: &Meaning, path: &str, named: &mut BTreeMap<String, BTreeSet<String>>) {
    match value {
        Meaning::Text { text, .. } => {
            for name in text.split("${secret:").skip(1).filter_map(|rest| Some(rest.split_once('}')?.0)) {
                named.entry(name.to_owned()).or_default().insert(path.to_owned());
            }
        }
        Meaning::List(items) => {
            let is_of_monitors = path.to_ascii_lowercase().ends_with(".groups.monitors");
            for (at, item) in items.iter().enumerate() {
                match item.get("name").and_then(Meaning::text).filter(|_| is_of_monitors) {
                    Some(name) => note_below(item, name, named),
                    None if path.to_ascii_lowercase().ends_with(".groups") => note_named(item, path, named),
                    None => note_named(item, &format!("{path}.{}", at + 1), named),
                }
            }
        }
        Meaning::Map(map) => {
            map.iter().for_each(|(key, value)| note_named(value, &format!("{path}.{key}"), named));
        }
    }
}

/// The same, all for one.
fn note_below(value: &Meaning, who: &str, named: &mut BTreeMap<String, BTreeSet<String>>) {
    match value {
        Meaning::Text { .. } => note_named(value, who, named),
        Meaning::List(items) => items.iter().for_each(|item| note_below(item, who, named)),
        Meaning::Map(map) => map.values().for_each(|value| note_below(value, who, named)),
    }
}

/// Whether the new one means what the old one meant, with what was written before in the place of its name.
fn says_the_same(old: &Meaning, new: &Meaning, written: &HashMap<&str, Zeroizing<String>>) -> bool {
    match (old, new) {
        (Meaning::List(old), Meaning::List(new)) => {
            old.len() == new.len() && old.iter().zip(new).all(|(old, new)| says_the_same(old, new, written))
        }
        (Meaning::Map(old), Meaning::Map(new)) => {
            let same = |((key, old), (other, new)): ((&String, _), (&String, _))| {
                key == other && says_the_same(old, new, written)
            };
            old.len() == new.len() && old.iter().zip(new).all(same)
        }
        (Meaning::Text { text: old, .. }, Meaning::Text { text: new, .. }) if old != new => {
            let mut back = Zeroizing::new(String::with_capacity(old.len()));
            let mut rest = new.as_str();
            while let Some(at) = rest.find("${secret:") {
                let Some((name, after)) = rest[at + 9..].split_once('}') else { break };
                back.push_str(&rest[..at]);
                match written.get(name) {
                    Some(secret) => back.push_str(secret),
                    None => back.push_str(&rest[at..at + 10 + name.len()]),
                }
                rest = after;
            }
            back.push_str(rest);
            *back == *old
        }
        (old, new) => old == new,
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn read(text: &str) -> Document {
        Document::parse(text.as_bytes(), Path::new("config.yml")).expect("reads")
    }

    /// Each secret as `owner part = text`.
    fn found(text: &str) -> Vec<String> {
        let shown = |plain: &PlainSecret| match plain.by_hand {
            None => format!("{:?} {:?} = {}", plain.owner, plain.part, &**plain.secret()),
            Some(why) => format!("{:?} {:?}: {why:?}", plain.owner, plain.part),
        };
        read(text).plain_secrets().iter().map(shown).collect()
    }

    /// The text with all of them moved, as a, b, c, …
    fn moved(text: &str) -> Result<String, EditError> {
        let document = read(text);
        let plain = document.plain_secrets();
        let names: Vec<String> = ('a'..='z').map(String::from).collect();
        let able = plain.iter().filter(|plain| plain.by_hand.is_none());
        let moved: Vec<_> = able.zip(&names).map(|(plain, name)| (plain, name.as_str())).collect();
        document.refer(&moved).map(|document| document.text().to_owned())
    }

    fn monitor(inner: &str) -> String {
        format!("monitoring: {{groups: [{{name: g, monitors: [{{name: m, type: http, {inner}}}]}}]}}\n")
    }

    #[test]
    fn every_place_is_found_and_moved() {
        for (text, secret, after) in [
            (
                "storage:\n  postgres:\n    Password: hunter2 # mine\n".to_owned(),
                "Section(\"storage.postgres\") Setting(\"password\") = hunter2",
                "storage:\n  postgres:\n    Password: ${secret:a} # mine\n".to_owned(),
            ),
            (
                "storage: {influxdb: {proxy: 'http://u:hunter2@p:1'}}\n".to_owned(),
                "Section(\"storage.influxdb\") Password = hunter2",
                "storage: {influxdb: {proxy: 'http://u:${secret:a}@p:1'}}\n".to_owned(),
            ),
            (
                monitor("url: \"https://u:p%40w@h/\""),
                "Monitor(\"m\") Password = p%40w",
                monitor("url: \"https://u:${secret:a}@h/\""),
            ),
            (
                monitor("url: 'https://h/?x=1&api_key=k%20&y'"),
                "Monitor(\"m\") Parameter(\"api_key\") = k%20",
                monitor("url: 'https://h/?x=1&api_key=${secret:a}&y'"),
            ),
            (
                monitor("headers: {Accept: a, authorization: Bearer tok}"),
                "Monitor(\"m\") Header(\"authorization\") = tok",
                monitor("headers: {Accept: a, authorization: \"Bearer ${secret:a}\"}"),
            ),
            (
                monitor("headers: {Cookie: ' a=b; c=d '}"),
                "Monitor(\"m\") Header(\"Cookie\") = a=b; c=d",
                monitor("headers: {Cookie: ' ${secret:a} '}"),
            ),
            (
                "webhooks:\n- events: [down]\n- url: https://hooks.example/T0/a1b2c3d4e5f6a7b8\n"
                    .replace("- events: [down]\n", ""),
                "Webhook(1) Path = a1b2c3d4e5f6a7b8",
                "webhooks:\n- url: https://hooks.example/T0/${secret:a}\n".to_owned(),
            ),
        ] {
            assert_eq!(found(&text), [secret], "{text}");
            assert_eq!(moved(&text).expect("moves"), after);
            assert_eq!(found(&after), [""; 0], "{after}");
        }
    }

    #[test]
    fn what_is_no_secret_or_elsewhere_is_left() {
        for text in [
            monitor("url: \"https://${U}:${secret:x}@h/?token=${T}\", headers: {Authorization: \"Bearer ${file:t}\"}"),
            monitor("url: https://h/?q=1, headers: {Accept: a, X-Auth: 'true', Cookie: ''}"),
            monitor("url: 'https://h/bot1234567890:abcdefghi/', labels: {token: blue}"),
            "storage: {postgres: {password: '', user: u, host: h}}\nwebhooks: [{url: https://h/hook}]\n".to_owned(),
            "logging: {level: info}\nx-own: {password: hunter2}\n".to_owned(),
            String::new(),
        ] {
            assert_eq!(found(&text), [""; 0], "{text}");
        }
        let mixed = monitor("headers: {Authorization: 'Basic a${B}', Cookie: '${C:-hunter2}', X-Key: '${D:-}'}");
        assert_eq!(
            found(&mixed),
            ["Monitor(\"m\") Header(\"Authorization\"): Mixed", "Monitor(\"m\") Header(\"Cookie\"): Mixed"]
        );
        assert_eq!(moved(&mixed).expect("nothing to do"), mixed);
    }

    /// A literal `${` is written `$${` in the file; the vault has what it means.
    #[test]
    fn what_is_escaped_is_kept_as_it_is_meant() {
        let text = monitor("headers: {X-Key: 'a$${b}$$'}");
        assert_eq!(found(&text), ["Monitor(\"m\") Header(\"X-Key\") = a${b}$$"]);
        assert_eq!(moved(&text).expect("moves"), monitor("headers: {X-Key: '${secret:a}'}"));
    }

    #[test]
    fn the_form_of_the_text_stays() {
        let text = "# top\r\nstorage:\r\n  postgres: # pg\r\n    password: |- # lines\r\n      hunter2\r\n\r\n    user: me\r\n\
                    monitoring:\r\n  groups:\r\n    - name: g\r\n      monitors:\r\n        - name: m # one\r\n          type: \
                    http\r\n          url: \"https://u:a\\x41b@h/?key=\\\r\n            long\" # q\r\n          headers:\r\n            \
                    'X-Api-Key': 'it''s' # k\r\n            Cookie: a\r\n              b\r\n";
        let after = "# top\r\nstorage:\r\n  postgres: # pg\r\n    password: ${secret:a}\r\n\r\n    user: me\r\n\
                     monitoring:\r\n  groups:\r\n    - name: g\r\n      monitors:\r\n        - name: m # one\r\n          type: \
                     http\r\n          url: \"https://u:${secret:b}@h/?key=${secret:c}\" # q\r\n          headers:\r\n            \
                     'X-Api-Key': '${secret:d}' # k\r\n            Cookie: ${secret:e}\r\n";
        assert_eq!(
            found(text).iter().map(|one| one.split(" = ").last().expect("a text")).collect::<Vec<_>>(),
            ["hunter2", "aAb", "long", "it's", "a b"]
        );
        assert_eq!(moved(text).expect("moves"), after);
    }

    /// One text that anchors repeat is one secret.
    #[test]
    fn what_is_repeated_is_moved_once() {
        let text = "x-auth: &auth {Authorization: &bare Bearer hunter2, X-Token: &tok abc}\nmonitoring:\n  groups:\n  - name: \
                    g\n    monitors:\n    - {name: a, type: http, url: http://h, headers: *auth}\n    - {name: b, type: http, url: \
                    http://h, headers: {<<: *auth, X-Key: *tok}}\n    - &c\n      name: c\n      type: http\n      url: \
                    http://u:p@h\n    - {<<: *c, name: d}\n";
        let document = read(text);
        let plain = document.plain_secrets();
        let told: Vec<_> = plain.iter().map(|one| (&one.owner, &one.part, one.repeated, one.by_hand)).collect();
        let of = |name: &str| Owner::Monitor(name.to_owned());
        let header = |name: &str| PlainPart::Header(name.to_owned());
        assert_eq!(
            told,
            [
                (&of("a"), &header("Authorization"), 1, None),
                (&of("a"), &header("X-Token"), 2, None),
                (&of("c"), &PlainPart::Password, 1, None),
            ]
        );
        let after = text.replace("&bare Bearer hunter2", "&bare \"Bearer ${secret:a}\"");
        let after = after.replace("&tok abc", "&tok \"${secret:b}\"").replace("u:p@h", "u:${secret:c}@h");
        assert_eq!(moved(text).expect("moves"), after);
    }

    #[test]
    fn what_is_used_where_no_secret_can_stand_is_left_to_a_person() {
        let text = "monitoring: {groups: [{name: g, monitors: [{name: &n hunter2, type: http, url: http://h, headers: \
                    {X-Key: *n}}]}]}\n";
        assert_eq!(found(text), ["Monitor(\"hunter2\") Header(\"X-Key\"): UsedElsewhere"]);
        assert_eq!(moved(text).expect("nothing to do"), text);
    }

    #[test]
    fn whoever_names_a_secret_is_told() {
        let text = "storage: {postgres: {password: '${secret:pg}'}}\nwebhooks: [{url: 'https://h/${secret:w}'}]\nmonitoring:\n  \
                    groups:\n  - name: g\n    monitors:\n    - {name: a, headers: {X: '${secret:t}${secret:u}'}}\n    - {name: b, \
                    url: 'http://${secret:t}@h'}\n";
        let named = read(text).named_secrets();
        let told: Vec<_> = named.iter().map(|(name, who)| format!("{name}: {who:?}")).collect();
        assert_eq!(
            told,
            [r#"pg: {"storage.postgres.password"}"#, r#"t: {"a", "b"}"#, r#"u: {"a"}"#, r#"w: {"webhooks.1.url"}"#]
        );
    }

    #[test]
    fn a_secret_is_not_shown() {
        let plain = read("storage: {postgres: {password: hunter2}}\n").plain_secrets();
        assert!(!format!("{plain:?}").contains("hunter2"));
    }
}
