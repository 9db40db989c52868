//! YAML text as a tree of nodes that know their place. Bounded in depth and size, aliases and merge keys resolved.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};

use saphyr_parser::{Event, Parser, ScalarStyle, ScanError, Span, StrInput, Tag};

use super::problem::{Place, Problems, quoted};

/// Deepest nesting of lists and maps.
const DEPTH_LIMIT: usize = 64;

/// Most values in a file, those that aliases repeat included.
const NODE_LIMIT: usize = 2_000_000;

/// A value and where it stands.
#[derive(Debug)]
pub(super) struct Node<'t> {
    pub(super) place: Place,
    pub(super) kind: Kind<'t>,
}

/// What a value is.
#[derive(Debug)]
pub(super) enum Kind<'t> {
    /// Text; `plain` when it was written without quotes, so that it can be a number, `true` or `null`.
    Scalar { text: Cow<'t, str>, plain: bool },
    /// A list.
    List(Vec<Node<'t>>),
    /// A map, in the order of the file. No key stands twice in the same spelling.
    Map(Vec<Entry<'t>>),
}

/// A key with its value.
#[derive(Debug)]
pub(super) struct Entry<'t> {
    pub(super) key: Cow<'t, str>,
    pub(super) place: Place,
    pub(super) value: Node<'t>,
}

impl Node<'_> {
    /// Nothing was written: `null`, `~` or no text at all.
    pub(super) fn is_null(&self) -> bool {
        matches!(&self.kind, Kind::Scalar { text, plain: true }
            if matches!(text.as_ref(), "" | "~" | "null" | "Null" | "NULL"))
    }

    /// Null, empty text, an empty list or an empty map.
    pub(super) fn is_empty(&self) -> bool {
        match &self.kind {
            Kind::Scalar { text, .. } => text.is_empty() || self.is_null(),
            Kind::List(items) => items.is_empty(),
            Kind::Map(entries) => entries.is_empty(),
        }
    }

    /// What it is, for messages.
    pub(super) fn what(&self) -> &'static str {
        match &self.kind {
            Kind::Scalar { .. } if self.is_null() => "nothing",
            Kind::Scalar { .. } => "a single value",
            Kind::List(_) => "a list",
            Kind::Map(_) => "a map",
        }
    }
}

/// Reads the one document of a text. None after an error that leaves no tree; other errors are noted beside it.
pub(super) fn parse<'t>(text: &'t str, problems: &mut Problems) -> Option<Node<'t>> {
    let mut builder = Builder { problems, open: Vec::new(), anchors: HashMap::new(), nodes: 0, root: None };
    for event in Parser::new_from_str(text).into_events() {
        let done = match event {
            Ok((event, span)) => builder.take(event, span),
            Err(fault) => {
                builder.syntax(&fault);
                Err(Stopped)
            }
        };
        if done.is_err() {
            return None;
        }
    }
    if builder.root.is_none() {
        builder.problems.error(Place::START, "the file is empty").allowed("a map, as in `monitoring:`");
    }
    builder.root
}

/// The parser as an iterator that ends with the stream.
trait IntoEvents<'t> {
    fn into_events(self) -> impl Iterator<Item = Result<(Event<'t>, Span), ScanError>>;
}

impl<'t> IntoEvents<'t> for Parser<'t, StrInput<'t>> {
    fn into_events(mut self) -> impl Iterator<Item = Result<(Event<'t>, Span), ScanError>> {
        std::iter::from_fn(move || self.next_event())
    }
}

/// An error was noted that ends the reading.
struct Stopped;

/// A list or a map that is not closed yet.
enum Open<'t> {
    List { place: Place, anchor: usize, items: Vec<Node<'t>> },
    Map { place: Place, anchor: usize, entries: Vec<Entry<'t>>, merged: Vec<Node<'t>>, key: Key<'t> },
}

/// The key whose value comes next.
enum Key<'t> {
    None,
    Word(Cow<'t, str>, Place),
    /// `<<`.
    Merge,
    /// Not a word; its value is left out.
    Wrong,
}

struct Builder<'t, 'p> {
    problems: &'p mut Problems,
    open: Vec<Open<'t>>,
    /// Finished nodes by the parser's anchor number.
    anchors: HashMap<usize, Node<'t>>,
    nodes: usize,
    root: Option<Node<'t>>,
}

impl<'t> Builder<'t, '_> {
    fn take(&mut self, event: Event<'t>, span: Span) -> Result<(), Stopped> {
        let place = place_of(span);
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                let plain = style == ScalarStyle::Plain && self.tag(tag.as_deref(), place)?;
                self.finish(Node { place, kind: Kind::Scalar { text, plain } }, anchor)
            }
            Event::SequenceStart(anchor, tag) => {
                self.tag(tag.as_deref(), place)?;
                self.enter(Open::List { place, anchor, items: Vec::new() }, place)
            }
            Event::MappingStart(anchor, tag) => {
                self.tag(tag.as_deref(), place)?;
                let (entries, merged) = (Vec::new(), Vec::new());
                self.enter(Open::Map { place, anchor, entries, merged, key: Key::None }, place)
            }
            Event::SequenceEnd | Event::MappingEnd => match self.open.pop() {
                Some(Open::List { place, anchor, items }) => {
                    self.finish(Node { place, kind: Kind::List(items) }, anchor)
                }
                Some(Open::Map { place, anchor, mut entries, merged, .. }) => {
                    self.drop_duplicates(&mut entries);
                    self.merge(&mut entries, merged);
                    self.finish(Node { place, kind: Kind::Map(entries) }, anchor)
                }
                None => Ok(()),
            },
            Event::Alias(anchor) => self.alias(anchor, place),
            Event::DocumentStart(_) if self.root.is_some() => {
                self.problems.error(place, "a second document starts here").allowed("one document in a file");
                Err(Stopped)
            }
            Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentStart(_) | Event::DocumentEnd => {
                Ok(())
            }
        }
    }

    fn enter(&mut self, open: Open<'t>, place: Place) -> Result<(), Stopped> {
        if self.open.len() >= DEPTH_LIMIT {
            self.too_deep(place);
            return Err(Stopped);
        }
        self.open.push(open);
        Ok(())
    }

    fn too_deep(&mut self, place: Place) {
        self.problems.error(place, format!("lists and maps are nested deeper than {DEPTH_LIMIT} levels"));
    }

    /// Puts a finished node where it belongs.
    fn finish(&mut self, node: Node<'t>, anchor: usize) -> Result<(), Stopped> {
        self.count(node.place)?;
        if anchor > 0 {
            let copy = self.copy(&node, self.open.len(), node.place)?;
            self.anchors.insert(anchor, copy);
        }
        match self.open.last_mut() {
            None => self.root = Some(node),
            Some(Open::List { items, .. }) => items.push(node),
            Some(Open::Map { entries, merged, key, .. }) => match std::mem::replace(key, Key::None) {
                Key::Word(word, place) => entries.push(Entry { key: word, place, value: node }),
                Key::Merge => merged.push(node),
                Key::Wrong => {}
                Key::None => match node.kind {
                    Kind::Scalar { text, plain } if plain && text == "<<" => *key = Key::Merge,
                    Kind::Scalar { text, .. } => *key = Key::Word(text, node.place),
                    Kind::List(_) | Kind::Map(_) => {
                        *key = Key::Wrong;
                        let what = format!("{} cannot be a key", node.what());
                        self.problems.error(node.place, what).allowed("a word");
                    }
                },
            },
        }
        Ok(())
    }

    fn count(&mut self, place: Place) -> Result<(), Stopped> {
        self.nodes += 1;
        if self.nodes > NODE_LIMIT {
            self.problems.error(place, format!("the file holds more than {NODE_LIMIT} values, repeated ones included"));
            return Err(Stopped);
        }
        Ok(())
    }

    fn alias(&mut self, anchor: usize, place: Place) -> Result<(), Stopped> {
        // Taken out for the time of the copy, which needs the builder.
        let Some(node) = self.anchors.remove(&anchor) else {
            self.problems.error(place, "an alias stands inside the value that it repeats");
            return Err(Stopped);
        };
        let copy = self.copy(&node, self.open.len(), place);
        self.anchors.insert(anchor, node);
        self.finish(copy?, 0)
    }

    /// Copies a node for an anchor or an alias, counting every value in it.
    fn copy(&mut self, node: &Node<'t>, depth: usize, at: Place) -> Result<Node<'t>, Stopped> {
        self.count(at)?;
        if depth > DEPTH_LIMIT {
            self.too_deep(at);
            return Err(Stopped);
        }
        let kind = match &node.kind {
            Kind::Scalar { text, plain } => Kind::Scalar { text: text.clone(), plain: *plain },
            Kind::List(items) => {
                let mut copies = Vec::with_capacity(items.len());
                for item in items {
                    copies.push(self.copy(item, depth + 1, at)?);
                }
                Kind::List(copies)
            }
            Kind::Map(entries) => {
                let mut copies = Vec::with_capacity(entries.len());
                for entry in entries {
                    let value = self.copy(&entry.value, depth + 1, at)?;
                    copies.push(Entry { key: entry.key.clone(), place: entry.place, value });
                }
                Kind::Map(copies)
            }
        };
        Ok(Node { place: node.place, kind })
    }

    /// Keeps the first of keys with the same spelling.
    fn drop_duplicates(&mut self, entries: &mut Vec<Entry<'t>>) {
        let small_and_distinct = entries.len() <= 16
            && (1..entries.len()).all(|at| entries[..at].iter().all(|earlier| earlier.key != entries[at].key));
        if small_and_distinct {
            return;
        }
        let mut seen: HashSet<Cow<'t, str>> = HashSet::with_capacity(entries.len());
        entries.retain(|entry| {
            let new = seen.insert(entry.key.clone());
            if !new {
                self.problems.error(entry.place, format!("the key {} stands here a second time", quoted(&entry.key)));
            }
            new
        });
    }

    /// Adds what `<<` brings: keys that the map does not have itself, earlier ones first.
    fn merge(&mut self, entries: &mut Vec<Entry<'t>>, merged: Vec<Node<'t>>) {
        if merged.is_empty() {
            return;
        }
        let mut known: HashSet<Cow<'t, str>> = entries.iter().map(|entry| entry.key.clone()).collect();
        for node in merged {
            let place = node.place;
            let sources = match node.kind {
                Kind::List(items) => items,
                kind => vec![Node { place, kind }],
            };
            for source in sources {
                let Kind::Map(more) = source.kind else {
                    self.problems.error(place, "`<<` takes in a map or a list of maps").allowed("`<<: *anchor`");
                    continue;
                };
                entries.extend(more.into_iter().filter(|entry| known.insert(entry.key.clone())));
            }
        }
    }

    /// Whether a plain scalar under this tag may be more than text. Only YAML's own tags are known.
    fn tag(&mut self, tag: Option<&Tag>, place: Place) -> Result<bool, Stopped> {
        let Some(tag) = tag else { return Ok(true) };
        match (tag.is_yaml_core_schema(), tag.suffix.as_str()) {
            (true, "str") => Ok(false),
            (true, "int" | "float" | "bool" | "null" | "seq" | "map") => Ok(true),
            _ => {
                let what = format!("the tag {} means nothing here", quoted(&tag.to_string()));
                self.problems.error(place, what).allowed("values without a tag");
                Err(Stopped)
            }
        }
    }

    fn syntax(&mut self, fault: &ScanError) {
        let mark = *fault.marker();
        let place = place_of(Span::empty(mark));
        if fault.info().contains("recursion limit") {
            return self.too_deep(place);
        }
        let problem = self.problems.error(place, format!("this is no YAML: {}", fault.info()));
        if fault.info().contains("tab") {
            problem.allowed("spaces for indentation");
        }
    }
}

fn place_of(span: Span) -> Place {
    let number = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
    let len = number(span.end.index().saturating_sub(span.start.index())).max(1);
    Place { line: number(span.start.line()), column: number(span.start.col() + 1), len }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<String, Vec<String>> {
        let mut problems = Problems::new("f");
        let shown = parse(text, &mut problems).map(|node| show(&node));
        match problems.finish("".into()) {
            Ok(_) => Ok(shown.expect("a tree")),
            Err(refusal) => Err(refusal.problems.iter().map(ToString::to_string).collect()),
        }
    }

    /// The tree as a line, with the place of each scalar.
    fn show(node: &Node<'_>) -> String {
        let many = |parts: Vec<String>| parts.join(" ");
        match &node.kind {
            Kind::Scalar { text, plain } => {
                let quote = if *plain { "" } else { "\"" };
                format!("{quote}{text}{quote}@{}:{}+{}", node.place.line, node.place.column, node.place.len)
            }
            Kind::List(items) => format!("[{}]", many(items.iter().map(show).collect())),
            Kind::Map(entries) => {
                format!("{{{}}}", many(entries.iter().map(|e| format!("{}={}", e.key, show(&e.value))).collect()))
            }
        }
    }

    fn error(text: &str) -> String {
        let mut problems = read(text).expect_err("refused");
        assert_eq!(problems.len(), 1, "{problems:?}");
        problems.remove(0)
    }

    #[test]
    fn values_know_their_place_in_characters() {
        assert_eq!(
            read("ä: [ö, 'b']\r\nlist:\r\n  - \"x y\"\r\n  -\r\n").expect("reads"),
            "{ä=[ö@1:5+1 \"b\"@1:8+3] list=[\"x y\"@3:5+5 @4:4+1]}"
        );
    }

    #[test]
    fn anchors_aliases_and_merge_keys_are_resolved() {
        assert_eq!(
            read("a: &a {x: 1, y: 2}\nb: *a\nc:\n  <<: *a\n  y: 3\nd: {<<: [{x: 8}, *a]}").expect("reads"),
            "{a={x=1@1:11+1 y=2@1:17+1} b={x=1@1:11+1 y=2@1:17+1} c={y=3@5:6+1 x=1@1:11+1} d={x=8@6:14+1 y=2@1:17+1}}"
        );
        assert!(error("a: &a [*a]").starts_with("f:1:8: an alias stands inside"));
        assert!(error("a: *b").contains("f:1:4: this is no YAML"));
        assert!(error("a: {<<: 5}").starts_with("f:1:9: `<<` takes in a map"));
    }

    #[test]
    fn a_billion_laughs_end_early() {
        let mut text = String::from("a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n");
        for level in 1..30 {
            let before = format!("*a{},", level - 1).repeat(10);
            text.push_str(&format!("a{level}: &a{level} [{before}]\n"));
        }
        assert!(error(&text).contains("more than 2000000 values"));
        let mut deep = String::from("a0: &a0 [x]\n");
        for level in 1..100 {
            deep.push_str(&format!("a{level}: &a{level} [*a{}]\n", level - 1));
        }
        assert!(error(&deep).contains("nested deeper than 64 levels"), "{}", error(&deep));
    }

    #[test]
    fn deep_nesting_is_refused_at_its_place() {
        assert_eq!(error(&"[".repeat(10_000_000)), "f:1:256: lists and maps are nested deeper than 64 levels");
        assert_eq!(error(&"- ".repeat(5_000_000)), "f:1:129: lists and maps are nested deeper than 64 levels");
        assert!(error(&"{a: ".repeat(2_500_000)).contains("nested deeper than 64 levels"));
        assert!(error(&"? ".repeat(5_000_000)).contains("nested deeper than 64 levels"));
        assert!(read(&format!("{}{}", "[".repeat(64), "]".repeat(64))).is_ok());
    }

    #[test]
    fn what_is_no_tree_of_words_is_refused() {
        assert_eq!(error("a: 1\nb: 2\na: 3"), "f:3:1: the key `a` stands here a second time");
        assert!(error("[1, 2]: 3").starts_with("f:1:1: a list cannot be a key; allowed: a word"));
        assert!(error("a: !py/object x").starts_with("f:1:4: the tag"), "{}", error("a: !py/object x"));
        assert!(error("a: 1\n---\nb: 2").starts_with("f:2:1: a second document starts here"));
        assert!(error("").starts_with("f:1:1: the file is empty"));
        assert!(error("# only words\n").starts_with("f:1:1: the file is empty"));
        assert!(error("a:\n\tb: 1").starts_with("f:2:"), "{}", error("a:\n\tb: 1"));
        assert!(error("a:\n\tb: 1").ends_with("allowed: spaces for indentation"), "{}", error("a:\n\tb: 1"));
        assert_eq!(read("a: !!str 5").expect("reads"), "{a=\"5\"@1:4+7}");
    }

    #[test]
    fn many_keys_are_compared_quickly() {
        let keys: String = (0..200_000).map(|n| format!("k{n}: 1\n")).collect();
        assert!(read(&keys).is_ok());
        assert!(error(&format!("{keys}k77: 2")).starts_with("f:200001:1: the key `k77`"));
    }
}
