//! The values of a file with its aliases and merge keys followed, as the reader sees them.

use std::collections::{HashMap, HashSet};

use super::spans::{Item, Kind};

/// A value and whether it is in brackets or braces.
#[derive(Clone, Copy)]
pub(super) struct Value<'i> {
    pub(super) item: &'i Item,
    pub(super) flow: bool,
}

/// The tree with its aliases followed.
pub(super) struct Tree<'i> {
    pub(super) text: &'i str,
    /// Name, place and value of each anchor, in the order of the text.
    anchors: HashMap<&'i str, Vec<Value<'i>>>,
}

impl<'i> Tree<'i> {
    pub(super) fn of(text: &'i str, root: &'i Item) -> Self {
        let mut tree = Self { text, anchors: HashMap::new() };
        tree.collect(Value { item: root, flow: false });
        tree
    }

    fn collect(&mut self, value: Value<'i>) {
        let item = value.item;
        if item.body > item.start && !matches!(item.kind, Kind::Alias) {
            for word in self.text[item.start..item.body].split_whitespace() {
                if let Some(name) = word.strip_prefix('&') {
                    self.anchors.entry(name).or_default().push(value);
                }
            }
        }
        let flow = value.flow || item.is_flow();
        item.items().iter().for_each(|item| self.collect(Value { item, flow }));
        item.pairs().iter().for_each(|pair| self.collect(Value { item: &pair.value, flow }));
    }

    /// The value itself, where an alias stands for it.
    pub(super) fn follow(&self, value: Value<'i>) -> Option<Value<'i>> {
        if !matches!(value.item.kind, Kind::Alias) {
            return Some(value);
        }
        let name = self.text[value.item.start..value.item.end].strip_prefix('*')?.trim();
        self.anchors.get(name)?.iter().rfind(|anchor| anchor.item.start < value.item.start).copied()
    }

    pub(super) fn items(&self, value: Value<'i>) -> impl Iterator<Item = Value<'i>> {
        let flow = value.flow || value.item.is_flow();
        value.item.items().iter().filter_map(move |item| self.follow(Value { item, flow }))
    }

    /// The pairs of a map with those of its merge keys, which its own stand above.
    pub(super) fn pairs(&self, value: Value<'i>) -> Vec<(&'i str, Value<'i>)> {
        let flow = value.flow || value.item.is_flow();
        let mut pairs: Vec<(&str, Value<'_>)> = Vec::new();
        let mut merged = Vec::new();
        for pair in value.item.pairs() {
            let Some(own) = self.follow(Value { item: &pair.value, flow }) else { continue };
            if pair.is_merge() {
                merged.push(own);
            } else {
                pairs.push((pair.word(), own));
            }
        }
        if merged.is_empty() {
            return pairs;
        }
        let mut known: HashSet<&str> = pairs.iter().map(|(key, _)| *key).collect();
        for merged in merged {
            let maps: Vec<Value<'_>> = match merged.item.kind {
                Kind::List { .. } => self.items(merged).collect(),
                _ => vec![merged],
            };
            for (key, value) in maps.into_iter().flat_map(|map| self.pairs(map)) {
                if known.insert(key) {
                    pairs.push((key, value));
                }
            }
        }
        pairs
    }

    pub(super) fn get(&self, value: Value<'i>, key: &str) -> Option<Value<'i>> {
        self.pairs(value).into_iter().find(|(known, _)| known.eq_ignore_ascii_case(key)).map(|(_, value)| value)
    }

    /// How often each single value is used, by where it stands. What extends the file by `x-` is no use of it.
    pub(super) fn uses(&self, value: Value<'i>, is_root: bool, uses: &mut HashMap<usize, usize>) {
        match value.item.kind {
            Kind::Scalar { .. } => *uses.entry(value.item.start).or_default() += 1,
            Kind::List { .. } => self.items(value).for_each(|item| self.uses(item, false, uses)),
            Kind::Map { .. } => {
                let is_own = |key: &str| !(is_root && key.starts_with("x-"));
                let pairs = self.pairs(value).into_iter().filter(|(key, _)| is_own(key));
                pairs.for_each(|(_, value)| self.uses(value, false, uses));
            }
            Kind::Alias => {}
        }
    }
}
