//! New maps and lists as text of a file, in braces or line by line.

use super::scalar::{Setting, key, scalar};
use super::scan::column;
use super::spans::{Form, Item, Kind, Style};

/// A value that is not in the file yet.
#[derive(Debug, Clone)]
pub(super) enum New {
    /// `typed` for what stands without quotes.
    Text {
        text: String,
        typed: bool,
    },
    Null,
    List(Vec<New>),
    Map(Vec<(String, New)>),
}

/// How a file is indented.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Indentation {
    /// Spaces from a key to the keys below it.
    pub(super) map: usize,
    /// Spaces from a key to the dashes below it.
    pub(super) list: usize,
}

impl Indentation {
    /// That of the first map and the first list that stand below a key.
    pub(super) fn of(text: &str, root: Option<&Item>) -> Self {
        let (mut map, mut list) = (None, None);
        if let Some(root) = root {
            look(text, root, &mut map, &mut list);
        }
        let usual = |found: Option<usize>, least| found.filter(|spaces| (least..=8).contains(spaces)).unwrap_or(2);
        Self { map: usual(map, 1), list: usual(list, 0) }
    }
}

fn look(text: &str, item: &Item, map: &mut Option<usize>, list: &mut Option<usize>) {
    for pair in item.pairs() {
        let spaces = column(text, pair.value.body).checked_sub(column(text, pair.key.start));
        match &pair.value.kind {
            Kind::Map { form: Form::Block, .. } if map.is_none() => *map = spaces,
            Kind::List { flow: false, .. } if list.is_none() => *list = spaces,
            _ => {}
        }
        if map.is_some() && list.is_some() {
            return;
        }
        look(text, &pair.value, map, list);
    }
    item.items().iter().take(8).for_each(|item| look(text, item, map, list));
}

impl New {
    /// In braces and brackets, on one line.
    pub(super) fn flow(&self) -> String {
        match self {
            Self::Text { text, typed } => scalar(text, Setting { flow: true, typed: *typed, before: Style::Absent }),
            Self::Null => "null".to_owned(),
            Self::List(items) => format!("[{}]", items.iter().map(Self::flow).collect::<Vec<_>>().join(", ")),
            Self::Map(pairs) => format!("{{{}}}", flow_pairs(pairs)),
        }
    }

    /// As the lines of an item of a list, the first with its dash, without indentation.
    pub(super) fn item_lines(&self, indentation: Indentation) -> Vec<String> {
        let lines = match self {
            Self::Map(pairs) if !pairs.is_empty() => {
                pairs.iter().flat_map(|(name, value)| pair_lines(name, value, indentation)).collect()
            }
            other => vec![other.single_line()],
        };
        let mark = |(at, line): (usize, String)| format!("{}{line}", if at == 0 { "- " } else { "  " });
        lines.into_iter().enumerate().map(mark).collect()
    }

    fn single_line(&self) -> String {
        match self {
            Self::Text { text, typed } => scalar(text, Setting { flow: false, typed: *typed, before: Style::Absent }),
            other => other.flow(),
        }
    }
}

/// Pairs as they stand between braces.
pub(super) fn flow_pairs(pairs: &[(String, New)]) -> String {
    let pair = |(name, value): &(String, New)| format!("{}: {}", key(name, true), value.flow());
    pairs.iter().map(pair).collect::<Vec<_>>().join(", ")
}

/// A pair as lines without indentation.
pub(super) fn pair_lines(name: &str, value: &New, indentation: Indentation) -> Vec<String> {
    let head = key(name, false);
    let below = |spaces: usize, lines: Vec<String>| {
        let indented = lines.into_iter().map(|line| format!("{}{line}", " ".repeat(spaces)));
        std::iter::once(format!("{head}:")).chain(indented).collect()
    };
    match value {
        New::Map(pairs) if !pairs.is_empty() => {
            let lines = pairs.iter().flat_map(|(name, value)| pair_lines(name, value, indentation)).collect();
            below(indentation.map, lines)
        }
        New::List(items) if !items.is_empty() => {
            below(indentation.list, items.iter().flat_map(|item| item.item_lines(indentation)).collect())
        }
        other => vec![format!("{head}: {}", other.single_line())],
    }
}
