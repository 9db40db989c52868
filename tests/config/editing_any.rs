//! Any edit of any file: it says what was set, and every line that it is not about is as it was.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use hallmonitor::config::{Document, Draft, Vars, Which, Written, parse};
use hallmonitor::secret::MemoryVault;
use proptest::prelude::*;
use proptest::sample::{Index, select};

/// How a file is written.
#[derive(Debug, Clone)]
struct Habits {
    step: usize,
    dash: usize,
    crlf: bool,
    last_line_end: bool,
    braces: bool,
}

/// A monitor as it is written.
#[derive(Debug, Clone)]
struct Piece {
    comment: Option<String>,
    braces: bool,
    quotes: char,
    capitals: bool,
    blank: bool,
    remark: bool,
    interval: Option<String>,
    labels: BTreeMap<String, String>,
    odd: Vec<&'static str>,
}

/// Keys that no form knows, as people write them.
const ODD: &[&str] = &[
    "note: |\n  a: b\n\n  # no comment",
    "fold: >-  # c\n  x\n\n    y",
    "keep: |+\n  a\n\n",
    "cut: |-2\n   a",
    "# between",
    "? odd\n: value",
    "? lone",
    "buckets:\n- 1\n- {a: b}\n-",
    "anchored: &anchor value # c",
    "map: &map\n  # c\n  a: 1",
    "plain: a\n  b\n  c",
    "single: 'a\n\n  b # no'",
    "\"double\": \"a\\\n  b\\\" # no\"  # c",
    "empty:",
    "none: ~",
    "tagged: !!str 5",
    "flow: {a: 1,\n  b: [2,\n  3], # c\n  }",
    "below:\n  # c\n  text",
];

#[derive(Debug, Clone)]
struct House {
    habits: Habits,
    groups: Vec<Vec<Piece>>,
}

/// An edit; indices choose among the monitors that are there.
#[derive(Debug, Clone)]
enum Edit {
    Set { which: Index, change: Change },
    Add { group: Option<Index>, labels: BTreeMap<String, String> },
    Remove { which: Vec<Index> },
}

#[derive(Debug, Clone)]
enum Change {
    Interval(Option<String>),
    Timeout(Option<String>),
    Labels(BTreeMap<String, String>),
    Name(String),
    Target(String),
    Group(Option<Index>),
    Kind,
}

fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-z]{1,6}",
        select(vec![
            "yes", "1.0", "0x10", "a: b", "#x", "*a", "", "null", "- a", "it's", "\"q\"", "a\nb", "ü 😀", "{a", "[b]",
            "x,y", "~", "<<", "="
        ])
        .prop_map(str::to_owned),
        "(\\PC|[\n\t:#'\"\\\\]){0,8}",
    ]
    // `${` has a meaning of its own.
    .prop_map(|text| text.replace("${", "$ {"))
}

fn labels() -> impl Strategy<Value = BTreeMap<String, String>> {
    proptest::collection::btree_map(prop_oneof!["[a-zA-Z]{1,4}", text()], text(), 0..4)
}

fn length() -> impl Strategy<Value = String> {
    select(vec!["5s", "30s", "1m30s", "1h", "60000000000", "0"]).prop_map(str::to_owned)
}

fn piece() -> impl Strategy<Value = Piece> {
    let comment = proptest::option::of("[ a-z:#-]{0,8}");
    let interval = proptest::option::of(select(vec!["5s", "30s", "1m30s"]).prop_map(str::to_owned));
    let odd = proptest::sample::subsequence(ODD.to_vec(), 0..4);
    (comment, any::<[bool; 4]>(), select(vec!['"', '\'', ' ']), interval, labels(), odd).prop_map(
        |(comment, [braces, capitals, blank, remark], quotes, interval, labels, odd)| Piece {
            comment,
            braces,
            quotes,
            capitals,
            blank,
            remark,
            interval,
            labels,
            odd,
        },
    )
}

fn house() -> impl Strategy<Value = House> {
    let habits = (select(vec![2, 4]), select(vec![0, 2]), any::<[bool; 3]>())
        .prop_map(|(step, dash, [crlf, last_line_end, braces])| Habits { step, dash, crlf, last_line_end, braces });
    let groups = proptest::collection::vec(proptest::collection::vec(piece(), 0..4), 0..4);
    (habits, groups).prop_map(|(habits, groups)| House { habits, groups })
}

fn edit() -> impl Strategy<Value = Edit> {
    let change = prop_oneof![
        proptest::option::of(length()).prop_map(Change::Interval),
        proptest::option::of(length()).prop_map(Change::Timeout),
        labels().prop_map(Change::Labels),
        "[a-z: #']{1,8}".prop_map(|name| Change::Name(format!("N{}", name.trim()))),
        "[a-z]{1,8}".prop_map(Change::Target),
        proptest::option::of(any::<Index>()).prop_map(Change::Group),
        Just(Change::Kind),
    ];
    prop_oneof![
        4 => (any::<Index>(), change).prop_map(|(which, change)| Edit::Set { which, change }),
        1 => (proptest::option::of(any::<Index>()), labels()).prop_map(|(group, labels)| Edit::Add { group, labels }),
        1 => proptest::collection::vec(any::<Index>(), 1..4).prop_map(|which| Edit::Remove { which }),
    ]
}

/// Texts in double quotes, as another program would write them.
fn json(text: &str) -> String {
    let mut written = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => written.extend(['\\', c]),
            c if c.is_ascii_alphanumeric() || c == ' ' => written.push(c),
            c => {
                let _ = write!(written, "\\U{:08x}", u32::from(c));
            }
        }
    }
    written + "\""
}

/// The lines of a file, each with the monitor or else the group that it is about.
struct Lines(Vec<(String, Option<String>)>);

impl House {
    fn lines(&self) -> Lines {
        let Habits { step, dash, braces, .. } = self.habits;
        let mut lines = Lines(Vec::new());
        lines.add(0, "# the house  ", None);
        lines.add(0, "storage: {backend: none} # none", None);
        lines.add(0, "monitoring:", None);
        if self.groups.is_empty() {
            lines.add(step, "groups: []", Some("groups"));
        } else {
            lines.add(step, "groups:", None);
        }
        let groups = step + dash;
        for (at, pieces) in self.groups.iter().enumerate() {
            let group = format!("g{at}");
            lines.add(groups, &format!("-   name: '{group}' # {at}"), None);
            if braces || pieces.is_empty() {
                let inner: Vec<_> =
                    pieces.iter().enumerate().map(|(n, piece)| piece.in_braces(&format!("m{at}{n}"))).collect();
                lines.add(groups + 4, &format!("monitors: [{}]", inner.join(",  ")), Some(&group));
                continue;
            }
            lines.add(groups + 4, "monitors: # all", Some(&group));
            for (n, piece) in pieces.iter().enumerate() {
                piece.lines(&mut lines, groups + 4 + dash, step, &format!("m{at}{n}"));
            }
        }
        lines.add(0, "# the end", None);
        lines
    }

    fn text(&self) -> String {
        let lines: Vec<_> = self.lines().0.into_iter().map(|(line, _)| line).collect();
        let mut text = lines.join("\n");
        if self.habits.last_line_end {
            text.push('\n');
        }
        if self.habits.crlf { text.replace('\n', "\r\n") } else { text }
    }
}

impl Lines {
    fn add(&mut self, spaces: usize, line: &str, about: Option<&str>) {
        self.0.push((format!("{}{line}", " ".repeat(spaces)), about.map(str::to_owned)));
    }
}

impl Piece {
    fn word(&self, text: &str) -> String {
        match self.quotes {
            ' ' => text.to_owned(),
            quote => format!("{quote}{text}{quote}"),
        }
    }

    fn in_braces(&self, name: &str) -> String {
        let mut pairs = vec![format!("name: {}", self.word(name)), "type: ping".to_owned(), "target: h".to_owned()];
        pairs.extend(self.interval.iter().map(|interval| format!("interval: {}", self.word(interval))));
        if !self.labels.is_empty() {
            let labels: Vec<_> =
                self.labels.iter().map(|(key, text)| format!("{}: {}", json(key), json(text))).collect();
            pairs.push(format!("labels: {{{}}}", labels.join(", ")));
        }
        format!("{{{}{}}}", pairs.join(", "), if self.remark { ", " } else { "" })
    }

    fn lines(&self, lines: &mut Lines, spaces: usize, step: usize, name: &str) {
        let about = Some(name);
        if self.blank {
            // After a text that keeps its last line ends it is one of them.
            let of_before = lines.0.last().filter(|(line, _)| line.is_empty()).and_then(|(_, about)| about.clone());
            lines.add(0, "", of_before.as_deref());
        }
        if let Some(comment) = &self.comment {
            lines.add(spaces, &format!("#{comment}"), about);
        }
        let remark = if self.remark { "   # why: so" } else { "" };
        if self.braces {
            return lines.add(spaces, &format!("- {}{remark}", self.in_braces(name)), about);
        }
        let key = |key: &str| if self.capitals { key.to_uppercase() } else { key.to_owned() };
        lines.add(spaces, &format!("- {}: {}{remark}", key("name"), self.word(name)), about);
        lines.add(spaces + 2, &format!("{}: ping", key("type")), about);
        lines.add(spaces + 2, &format!("{}: {}", key("target"), self.word("h")), about);
        for line in self.odd.iter().flat_map(|odd| odd.split('\n')) {
            lines.add(if line.is_empty() { 0 } else { spaces + 2 }, line, about);
        }
        if let Some(interval) = &self.interval {
            lines.add(spaces + 2, &format!("{}: {}{remark}", key("interval"), self.word(interval)), about);
        }
        if !self.labels.is_empty() {
            lines.add(spaces + 2, &format!("{}:", key("labels")), about);
            for (label, text) in &self.labels {
                lines.add(spaces + 2 + step, &format!("{}: {}{remark}", json(label), json(text)), about);
            }
        }
    }
}

/// Every monitor by its name.
fn drafts(document: &Document) -> BTreeMap<String, Draft> {
    let names = document.names();
    names.iter().map(|name| ((*name).to_owned(), document.draft(Which::Name(name)).expect("is there"))).collect()
}

/// Makes an edit of what the drafts say, and of the file. Gives the names of monitors and groups that it is about.
fn make(document: &Document, drafts: &mut BTreeMap<String, Draft>, edit: &Edit) -> (Document, Vec<String>) {
    let names: Vec<String> = document.names().into_iter().map(str::to_owned).collect();
    let groups: Vec<String> = document.groups().into_iter().map(str::to_owned).collect();
    let group = |index: &Option<Index>| match index {
        Some(index) if !groups.is_empty() => index.get(&groups).clone(),
        _ => "a: new #group".to_owned(),
    };
    let about_group = |group: &String| [group.clone(), "groups".to_owned()];
    match edit {
        Edit::Add { group: index, labels } => {
            let mut draft = Draft::new(group(index), [("name", "added"), ("type", "tcp"), ("target", "h:1")]);
            draft.set("labels", (!labels.is_empty()).then(|| Written::Map(labels.clone())));
            drafts.insert("added".to_owned(), draft.clone());
            (document.add_monitor(&draft).expect("adds"), about_group(&draft.group).into())
        }
        _ if names.is_empty() => (document.clone(), Vec::new()),
        Edit::Remove { which } => {
            let gone: Vec<&str> = which.iter().map(|index| index.get(&names).as_str()).collect();
            let mut about: Vec<String> = gone.iter().map(|name| (*name).to_owned()).collect();
            about.extend(gone.iter().filter_map(|name| drafts.remove(*name)).map(|draft| draft.group));
            (document.remove_monitors(&gone).expect("removes"), about)
        }
        Edit::Set { which, change } => {
            let name = which.get(&names);
            let mut draft = drafts.remove(name).expect("is there");
            let mut about = vec![name.clone(), draft.group.clone()];
            match change {
                Change::Interval(text) => draft.set("interval", text.clone().map(Written::Text)),
                Change::Timeout(text) => draft.set("timeout", text.clone().map(|_| "3s".into())),
                Change::Labels(map) => draft.set("labels", (!map.is_empty()).then(|| Written::Map(map.clone()))),
                Change::Name(name) => draft.set("name", Some(name.as_str().into())),
                Change::Target(target) => draft.set("target", Some(target.as_str().into())),
                Change::Group(index) => draft.group = group(index),
                Change::Kind => {
                    draft.set("type", Some("tcp".into()));
                    draft.set("target", Some("h:1".into()));
                }
            }
            about.extend(about_group(&draft.group));
            drafts.insert(draft.name().to_owned(), draft.clone());
            (document.set_monitor(Which::Name(name), &draft, None).expect("sets"), about)
        }
    }
}

/// Whether all lines stand in a text in this order, and how many of its lines are others.
fn hold_in_order<'a>(lines: impl IntoIterator<Item = &'a String>, text: &str) -> Result<(), String> {
    let mut rest = text.split('\n').map(|line| line.trim_end_matches('\r'));
    for line in lines {
        if !rest.any(|other| other == line) {
            return Err(line.clone());
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn an_edit_says_what_it_says_and_leaves_the_rest(house in house(), edits in proptest::collection::vec(edit(), 1..4)) {
        let text = house.text();
        let mut document = Document::parse(text.as_bytes(), Path::new("f.yml")).expect("is read");
        let mut expected = drafts(&document);
        let mut about_all = Vec::new();
        for edit in &edits {
            let names = document.names();
            // Two of the same name are for the reader to refuse.
            let twice = match edit {
                Edit::Set { change: Change::Name(name), .. } => names.contains(&name.as_str()),
                Edit::Add { .. } => names.contains(&"added"),
                _ => false,
            };
            if twice {
                continue;
            }
            let (after, about) = make(&document, &mut expected, edit);
            prop_assert_eq!(&drafts(&after), &expected, "{}", after.text());
            document = after;
            about_all.extend(about);
        }
        let lines = house.lines().0;
        // A blank line of nobody goes where it would come to belong to a text.
        let counts = |line: &str, about: &Option<String>| about.as_ref().map_or(!line.is_empty(), |about| !about_all.contains(about));
        let others = lines.iter().filter(|(line, about)| counts(line, about));
        let held = hold_in_order(others.map(|(line, _)| line), document.text());
        prop_assert!(held.is_ok(), "{:?} is not in\n{}", held, document.text());
        let ends = document.text().matches('\n').count();
        let crlf = document.text().matches("\r\n").count();
        prop_assert_eq!(crlf, if house.habits.crlf { ends } else { 0 });
        prop_assert_eq!(document.text().ends_with('\n'), house.habits.last_line_end);
    }

    #[test]
    fn set_and_set_back_says_the_same(house in house(), which in any::<Index>(), edit in edit()) {
        let text = house.text();
        let before = Document::parse(text.as_bytes(), Path::new("f.yml")).expect("is read");
        let names: Vec<String> = before.names().into_iter().map(str::to_owned).collect();
        let (Edit::Set { change, .. }, false) = (edit, names.is_empty()) else { return Ok(()) };
        let name = which.get(&names);
        let old = before.draft(Which::Name(name)).expect("is there");
        let mut all = drafts(&before);
        let (after, _) = make(&before, &mut all, &Edit::Set { which, change });
        let new = all.into_values().find(|draft| !drafts(&before).values().any(|old| old == draft));
        let new_name = new.map_or_else(|| name.clone(), |draft| draft.name().to_owned());
        let back = after.set_monitor(Which::Name(&new_name), &old, None).expect("sets back");
        prop_assert_eq!(drafts(&back), drafts(&before));
        // The reader says the same of both, but for the order of what was moved.
        let monitors = |document: &Document| {
            let read = parse(&document.to_bytes(), Path::new("f.yml"), &Vars::default(), &MemoryVault::default());
            read.map(|config| {
                let mut monitors = config.monitors;
                monitors.sort_by(|one, other| one.name.cmp(&other.name));
                monitors
            })
            .map_err(|refusal| refusal.errors())
        };
        prop_assert_eq!(monitors(&back), monitors(&before));
    }

    #[test]
    fn no_text_makes_the_editor_panic(
        at in 0..4_000_usize,
        length in 0..30_usize,
        piece in "(\\PC|[\n\r\t:\\-\\[\\]{}&*!|>'\"$?# ]){0,12}",
        good in select(vec![include_str!("../../examples/configs/hallmonitor.yml"), include_str!("../../examples/configs/homelab.yml")]),
    ) {
        let on_character = |at: usize| (0..=at.min(good.len())).rev().find(|at| good.is_char_boundary(*at)).unwrap_or(0);
        let (from, to) = (on_character(at), on_character(at + length));
        let text = format!("{}{piece}{}", &good[..from], &good[to..]);
        let Ok(document) = Document::parse(text.as_bytes(), Path::new("f.yml")) else { return Ok(()) };
        let _ = document.add_monitor(&Draft::new("lan", [("name", "new"), ("type", "ping"), ("target", "h")]));
        for name in document.names().iter().take(4) {
            let Ok(mut draft) = document.draft(Which::Name(name)) else { continue };
            draft.set("interval", Some("77s".into()));
            draft.set("new", Some(Written::from([("a", "b")])));
            if let Ok(after) = document.set_monitor(Which::Name(name), &draft, None) {
                // Nothing was taken out, so that every line that is a comment is there.
                let comments: Vec<_> = text.split(['\n', '\r']).filter(|line| line.trim().starts_with('#')).map(str::to_owned).collect();
                let held = hold_in_order(&comments, &after.text().replace('\r', "\n"));
                prop_assert!(held.is_ok(), "{:?} of\n{}\nis not in\n{}", held, text, after.text());
            }
            draft.set("target", None);
            let _ = document.set_monitor(Which::Name(name), &draft, None);
            draft.group = "elsewhere".to_owned();
            let _ = document.set_monitor(Which::Name(name), &draft, None);
            let _ = document.remove_monitors(&[name]);
        }
    }
}
