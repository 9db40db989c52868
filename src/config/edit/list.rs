//! How a list that stands under a key is changed: items at its end, items taken out.

use super::error::EditError;
use super::patch::{Patch, Sheet};
use super::scan::{column, is_rest_idle, line_before, line_end, line_number, line_start, next_line, skip_gap};
use super::spans::{Form, Item, Kind, Pair, Style, Unclear};
use super::write::New;

/// What is added to a list.
#[derive(Debug)]
pub(super) enum Added {
    New(New),
    /// Lines of an item from another list, without indentation; the value where lines do not fit.
    Lines(Vec<String>, New),
}

impl Added {
    fn value(&self) -> &New {
        match self {
            Self::New(new) | Self::Lines(_, new) => new,
        }
    }
}

/// A list under a key, and whether both stand in braces.
#[derive(Debug, Clone, Copy)]
pub(super) struct Listing<'i> {
    pub(super) pair: &'i Pair,
    pub(super) in_flow: bool,
}

impl<'i> Listing<'i> {
    /// The list under a key of a map; none where the map has no such key.
    pub(super) fn of(map: &'i Item, key: &str) -> Option<Self> {
        let in_flow = !matches!(map.kind, Kind::Map { form: Form::Block, .. });
        Some(Self { pair: map.pair(key)?, in_flow })
    }

    pub(super) fn items(&self) -> &'i [Item] {
        self.pair.value.items()
    }

    /// Adds an item at the end, in the style of the list.
    pub(super) fn append(&self, sheet: Sheet<'_>, what: &'static str, added: &Added) -> Result<Vec<Patch>, EditError> {
        let (text, value) = (sheet.text, &self.pair.value);
        match &value.kind {
            Kind::Alias => Err(EditError::Repeated { what, line: line_number(text, value.start) }),
            Kind::List { flow: false, items } => {
                Ok(self.append_lines(sheet, items, added).map_err(|at| unclear(text, at))?)
            }
            Kind::List { flow: true, items } if !items.is_empty() => {
                let places: Vec<_> = items.iter().map(|item| item.start..item.end).collect();
                Ok(sheet.add_flow(value, &places, &added.value().flow()))
            }
            Kind::List { .. } => Ok(self.begin(sheet, added)),
            Kind::Scalar { text: word, style: Style::Absent | Style::Plain }
                if matches!(word.as_str(), "" | "~" | "null" | "Null" | "NULL") =>
            {
                Ok(self.begin(sheet, added))
            }
            _ => Err(EditError::Misshapen { what, line: line_number(text, value.start) }),
        }
    }

    fn append_lines(&self, sheet: Sheet<'_>, items: &[Item], added: &Added) -> Result<Vec<Patch>, Unclear> {
        let (text, value) = (sheet.text, &self.pair.value);
        let last = items.last().ok_or(Unclear(value.body))?;
        let mut lines = match added {
            Added::Lines(lines, _) => lines.clone(),
            Added::New(new) if last.is_flow() => vec![format!("- {}", new.flow())],
            Added::New(new) => new.item_lines(sheet.indentation),
        };
        let start = self.block_start(sheet, items.len() - 1)?;
        let is_spaced = line_before(text, start)
            .is_some_and(|before| items.len() > 1 && text[before..line_end(text, before)].trim().is_empty());
        if is_spaced && !keeps_line_ends(text, last) {
            lines.insert(0, String::new());
        }
        let at = sheet.end_of_last_line(last.end)?;
        Ok(vec![Patch::insert(at, sheet.below(&lines, column(text, value.body)))])
    }

    /// Puts the first item into an empty list, or where there is none yet.
    fn begin(&self, sheet: Sheet<'_>, added: &Added) -> Vec<Patch> {
        let (text, value) = (sheet.text, &self.pair.value);
        let is_absent = value.end == value.body;
        let has_properties = value.body > value.start;
        let colon = skip_gap(text, self.pair.key.end) + 1;
        let one_line = text.get(colon..value.end).is_some_and(|rest| !rest.contains(['\n', '\r']));
        if self.in_flow || has_properties || !one_line || !is_rest_idle(text, value.end) {
            let list = format!("[{}]", added.value().flow());
            return match &value.kind {
                Kind::List { .. } => vec![Patch::insert(value.body + 1, added.value().flow())],
                _ if is_absent => vec![Patch::insert(value.end, format!(" {list}"))],
                _ => vec![Patch::new(value.body..value.end, list)],
            };
        }
        let lines = match added {
            Added::Lines(lines, _) => lines.clone(),
            Added::New(new) => new.item_lines(sheet.indentation),
        };
        let spaces = column(text, self.pair.key.start) + sheet.indentation.list;
        vec![Patch::new(colon..value.end, ""), Patch::insert(line_end(text, value.end), sheet.below(&lines, spaces))]
    }

    /// Removes items, with the comment lines right above them.
    pub(super) fn remove(&self, sheet: Sheet<'_>, gone: &[usize]) -> Result<Vec<Patch>, EditError> {
        let (text, value) = (sheet.text, &self.pair.value);
        let Kind::List { flow, items } = &value.kind else {
            return Err(EditError::Repeated { what: "the list", line: line_number(text, value.start) });
        };
        if *flow {
            let places: Vec<_> = items.iter().map(|item| item.start..item.end).collect();
            return Ok(sheet.remove_flow(&places, gone));
        }
        self.remove_lines(sheet, items, gone).map_err(|at| unclear(text, at))
    }

    fn remove_lines(&self, sheet: Sheet<'_>, items: &[Item], gone: &[usize]) -> Result<Vec<Patch>, Unclear> {
        let text = sheet.text;
        let mut patches = Vec::with_capacity(gone.len() + 1);
        for &at in gone {
            let start = self.block_start(sheet, at)?;
            sheet.end_of_last_line(items[at].end)?;
            let mut end = next_line(text, items[at].end);
            // Blank lines behind it would lengthen such a text.
            if (0..at).rev().find(|at| !gone.contains(at)).is_some_and(|stays| keeps_line_ends(text, &items[stays])) {
                end = after_blank_lines(text, end);
            }
            patches.push(Patch::new(start..end, ""));
        }
        if gone.len() == items.len() {
            let value = &self.pair.value;
            let end = if value.body > value.start {
                super::scan::skip_properties(text, value.start).0
            } else {
                skip_gap(text, self.pair.key.end) + 1
            };
            patches.push(Patch::insert(end, " []"));
        }
        Ok(patches)
    }

    /// The dash of an item.
    fn dash(&self, text: &str, at: usize) -> Result<usize, Unclear> {
        let value = &self.pair.value;
        let dash = at.checked_sub(1).map_or(value.body, |before| skip_gap(text, value.items()[before].end));
        let is_first_on_line = text[line_start(text, dash)..dash].trim().is_empty();
        if text[dash..].starts_with('-') && is_first_on_line { Ok(dash) } else { Err(Unclear(dash)) }
    }

    /// Where the lines of an item start, with the comment lines right above it that have its indentation.
    fn block_start(&self, sheet: Sheet<'_>, at: usize) -> Result<usize, Unclear> {
        let text = sheet.text;
        let dash = self.dash(text, at)?;
        let floor = at.checked_sub(1).map_or(self.pair.key.end, |before| self.items()[before].end);
        let mut start = line_start(text, dash);
        let indentation = &text[start..dash];
        while let Some(above) = line_before(text, start).filter(|above| *above > floor) {
            let line = &text[above..line_end(text, above)];
            if line.strip_prefix(indentation).is_none_or(|rest| !rest.starts_with('#')) {
                break;
            }
            start = above;
        }
        Ok(start)
    }

    /// The lines of an item with its comments, without the indentation of its list; none for one in brackets.
    pub(super) fn lines_of(&self, sheet: Sheet<'_>, at: usize) -> Option<Vec<String>> {
        let Kind::List { flow: false, items } = &self.pair.value.kind else { return None };
        let text = sheet.text;
        let spaces = column(text, self.dash(text, at).ok()?);
        let start = self.block_start(sheet, at).ok()?;
        let end = sheet.end_of_last_line(items[at].end).ok()?;
        let shorten = |line: &str| line[line.chars().take(spaces).take_while(|c| *c == ' ').count()..].to_owned();
        let block = text[start..end].replace("\r\n", "\n").replace('\r', "\n");
        Some(block.split('\n').map(shorten).collect())
    }
}

/// Whether blank lines after an item would be part of it: its last value is a text after `|+` or `>+`.
fn keeps_line_ends(text: &str, item: &Item) -> bool {
    match &item.kind {
        Kind::Scalar { style: Style::Lines, .. } => {
            let header = &text[item.body..line_end(text, item.body)];
            header.split('#').next().is_some_and(|header| header.contains('+'))
        }
        Kind::List { flow: false, items } => items.last().is_some_and(|last| keeps_line_ends(text, last)),
        Kind::Map { form: Form::Block, pairs } => pairs.last().is_some_and(|pair| keeps_line_ends(text, &pair.value)),
        _ => false,
    }
}

/// The start of the first line from here that is not blank.
fn after_blank_lines(text: &str, mut start: usize) -> usize {
    while start < text.len() && text[start..line_end(text, start)].trim().is_empty() {
        start = next_line(text, start);
    }
    start
}

/// What stands at a place cannot be edited.
pub(super) fn unclear(text: &str, at: Unclear) -> EditError {
    EditError::Unclear { line: line_number(text, at.0.min(text.len())) }
}
