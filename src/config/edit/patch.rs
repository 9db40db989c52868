//! Changes of a text at places, and how maps are changed: all else stays byte for byte.

use std::ops::Range;

use super::scalar::{Setting, scalar};
use super::scan::{column, is_rest_idle, line_end, line_end_of, line_start, next_line, skip_gap};
use super::spans::{Form, Item, Kind, Pair, Style, Unclear};
use super::write::{Indentation, New, flow_pairs, pair_lines};

/// A text that takes the place of another.
#[derive(Debug)]
pub(super) struct Patch {
    at: Range<usize>,
    text: String,
}

impl Patch {
    pub(super) fn new(at: Range<usize>, text: impl Into<String>) -> Self {
        Self { at, text: text.into() }
    }

    pub(super) fn insert(at: usize, text: impl Into<String>) -> Self {
        Self::new(at..at, text)
    }
}

/// The text with all patches made; those at one place follow each other.
pub(super) fn apply(text: &str, mut patches: Vec<Patch>) -> Result<String, Unclear> {
    patches.sort_by_key(|patch| (patch.at.start, patch.at.end));
    let mut changed = String::with_capacity(text.len() + 256);
    let mut from = 0;
    for patch in patches {
        changed.push_str(text.get(from..patch.at.start).ok_or(Unclear(patch.at.start))?);
        changed.push_str(&patch.text);
        from = patch.at.end;
    }
    changed.push_str(text.get(from..).ok_or(Unclear(from))?);
    Ok(changed)
}

/// A text with its habits.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sheet<'t> {
    pub(super) text: &'t str,
    pub(super) line_end: &'static str,
    pub(super) indentation: Indentation,
}

impl<'t> Sheet<'t> {
    pub(super) fn new(text: &'t str, root: Option<&Item>) -> Self {
        Self { text, line_end: line_end_of(text), indentation: Indentation::of(text, root) }
    }

    /// Lines below each other, each after a line end and with an indentation.
    pub(super) fn below(&self, lines: &[String], spaces: usize) -> String {
        let indentation = " ".repeat(spaces);
        let line = |line: &String| {
            let indentation = if line.is_empty() { "" } else { &indentation };
            format!("{}{indentation}{line}", self.line_end)
        };
        lines.iter().map(line).collect()
    }

    /// Where the end of a block's last line is.
    pub(super) fn end_of_last_line(&self, end: usize) -> Result<usize, Unclear> {
        if is_rest_idle(self.text, end) { Ok(line_end(self.text, end)) } else { Err(Unclear(end)) }
    }

    /// The one patch that gives a pair another single value; none stands for null.
    pub(super) fn replace(&self, pair: &Pair, in_flow: bool, text: Option<(&str, bool)>) -> Patch {
        let value = &pair.value;
        let before = match &value.kind {
            Kind::Scalar { style, .. } => *style,
            _ => Style::Absent,
        };
        let written = text
            .map_or_else(|| "null".to_owned(), |(text, typed)| scalar(text, Setting { flow: in_flow, typed, before }));
        if before == Style::Absent && matches!(value.kind, Kind::Scalar { .. }) {
            let properties = value.end > value.start;
            let mark = if properties || self.text[..value.end].ends_with(':') { " " } else { ": " };
            return Patch::insert(value.end, format!("{mark}{written}"));
        }
        self.in_place_of(value, written)
    }

    /// The one patch that gives a single value another text.
    pub(super) fn replace_value(&self, value: &Item, in_flow: bool, text: &str) -> Patch {
        let before = match &value.kind {
            Kind::Scalar { style, .. } => *style,
            _ => Style::Absent,
        };
        self.in_place_of(value, scalar(text, Setting { flow: in_flow, typed: false, before }))
    }

    /// A tag said what the old text means; an anchor stays.
    fn in_place_of(&self, value: &Item, written: String) -> Patch {
        let is_tagged = !self.text[value.start..value.body].contains('&');
        Patch::new(if is_tagged { value.start } else { value.body }..value.end, written)
    }

    /// Adds pairs at the end of a map, in its style.
    pub(super) fn add_pairs(&self, map: &Item, pairs: &[(String, New)]) -> Result<Vec<Patch>, Unclear> {
        let Kind::Map { form, pairs: old } = &map.kind else { return Err(Unclear(map.body)) };
        match (form, old.first(), old.last()) {
            (Form::Block, Some(first), Some(last)) => {
                let at = self.end_of_last_line(last.value.end)?;
                let spaces = column(self.text, first.key.start);
                let lines: Vec<String> =
                    pairs.iter().flat_map(|(key, value)| pair_lines(key, value, self.indentation)).collect();
                Ok(vec![Patch::insert(at, self.below(&lines, spaces))])
            }
            (Form::Flow, ..) => {
                let places: Vec<_> = old.iter().map(|pair| pair.key.start..pair.value.end).collect();
                Ok(self.add_flow(map, &places, &flow_pairs(pairs)))
            }
            _ => Err(Unclear(map.body)),
        }
    }

    /// Adds a text at the end of what stands in brackets or braces, where `places` are.
    pub(super) fn add_flow(&self, holder: &Item, places: &[Range<usize>], new: &str) -> Vec<Patch> {
        let (Some(first), Some(last)) = (places.first(), places.last()) else {
            return vec![Patch::insert(holder.body + 1, new)];
        };
        let own_lines = self.text[holder.body..first.start].contains(['\n', '\r']);
        if !own_lines {
            return vec![Patch::insert(last.end, format!(", {new}"))];
        }
        let starts_line = |at: usize| self.text[line_start(self.text, at)..at].trim().is_empty();
        let like = if starts_line(last.start) { last.start } else { first.start };
        let below = self.below(&[new.to_owned()], column(self.text, like));
        let comma = skip_gap(self.text, last.end);
        if self.text[comma..].starts_with(',') {
            return if is_rest_idle(self.text, comma + 1) {
                vec![Patch::insert(line_end(self.text, comma + 1), format!("{below},"))]
            } else {
                vec![Patch::insert(comma + 1, format!("{below},"))]
            };
        }
        if is_rest_idle(self.text, last.end) {
            // What a comment says of the last one stays on its line.
            return vec![Patch::insert(last.end, ","), Patch::insert(line_end(self.text, last.end), below)];
        }
        vec![Patch::insert(last.end, format!(",{below}"))]
    }

    /// Removes some, but not all, pairs of a map.
    pub(super) fn remove_pairs(&self, map: &Item, gone: &[usize]) -> Result<Vec<Patch>, Unclear> {
        let Kind::Map { form, pairs } = &map.kind else { return Err(Unclear(map.body)) };
        let places: Vec<_> = pairs.iter().map(|pair| pair.key.start..pair.value.end).collect();
        match form {
            Form::Flow => Ok(self.remove_flow(&places, gone)),
            Form::Block => self.remove_lines(&places, gone),
            Form::Bare => Err(Unclear(map.body)),
        }
    }

    /// Removes what stands between commas.
    pub(super) fn remove_flow(&self, places: &[Range<usize>], gone: &[usize]) -> Vec<Patch> {
        runs(gone)
            .map(|run| {
                let (first, last) = (&places[run.start], &places[run.end - 1]);
                let at = match (run.start.checked_sub(1), places.get(run.end)) {
                    (_, Some(next)) => first.start..next.start,
                    (Some(before), None) => places[before].end..last.end,
                    (None, None) => {
                        let comma = skip_gap(self.text, last.end);
                        first.start..if self.text[comma..].starts_with(',') { comma + 1 } else { last.end }
                    }
                };
                Patch::new(at, "")
            })
            .collect()
    }

    /// Removes the lines of pairs. The first one may share its line with the dash of a list.
    fn remove_lines(&self, places: &[Range<usize>], gone: &[usize]) -> Result<Vec<Patch>, Unclear> {
        runs(gone)
            .map(|run| {
                let (first, last) = (&places[run.start], &places[run.end - 1]);
                self.end_of_last_line(last.end)?;
                let start = line_start(self.text, first.start);
                if self.text[start..first.start].trim().is_empty() {
                    return Ok(Patch::new(start..next_line(self.text, last.end), ""));
                }
                let next = places.get(run.end).ok_or(Unclear(first.start))?;
                // A comment on the way stays; the next key may stand on a line after its dash.
                let end = if self.text[last.end..next.start].contains('#') { last.end } else { next.start };
                Ok(Patch::new(first.start..end, ""))
            })
            .collect()
    }
}

/// Ranges of numbers that follow each other, of a sorted list.
pub(super) fn runs(sorted: &[usize]) -> impl Iterator<Item = Range<usize>> {
    sorted.chunk_by(|one, next| one + 1 == *next).map(|run| run[0]..run[run.len() - 1] + 1)
}
