//! What the reader says against an edited file, by monitor and field.

use serde::Serialize;

use super::document::Document;
use super::draft::{Draft, spelling};
use super::kept::tier_spelling;
use super::meaning::Meaning;
use super::scan::next_line;
use super::spans::Item;
use crate::config::schema::kind_of;
use crate::config::{Problem, Refusal, Severity};

/// A problem, and the field that it belongs to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FieldProblem {
    /// The monitor's name as it is written; none where it is about something else.
    pub monitor: Option<String>,
    /// The key as the documentation spells it, `retention` with its tier (`retention.raw`); none where it is about the monitor as a whole.
    pub field: Option<String>,
    /// What is wrong.
    pub problem: Problem,
}

/// Every problem with its monitor and field.
pub(super) fn by_field(document: &Document, refusal: &Refusal) -> Vec<FieldProblem> {
    let starts = line_starts(document.text());
    let mut found: Vec<FieldProblem> = refusal
        .problems
        .iter()
        .map(|problem| FieldProblem { monitor: None, field: None, problem: problem.clone() })
        .collect();
    let places: Vec<Option<usize>> = found.iter().map(|f| byte(document.text(), &starts, &f.problem)).collect();
    for (meaning, item) in document.fields() {
        let inside: Vec<usize> = (0..found.len())
            .filter(|at| places[*at].is_some_and(|place| (item.start..item.end.max(item.start + 1)).contains(&place)))
            .collect();
        if inside.is_empty() {
            continue;
        }
        let name = meaning.get("name").and_then(Meaning::text).unwrap_or_default();
        for &at in &inside {
            found[at].monitor = Some(name.to_owned());
            found[at].field = places[at].and_then(|place| field_at(item, place));
        }
        name_what_is_missing(&mut found, &places, &inside, meaning, item);
    }
    found
}

/// The key whose place or value covers a place.
fn field_at(item: &Item, place: usize) -> Option<String> {
    let pair = item.pairs().iter().find(|pair| (pair.key.start..=pair.value.end).contains(&place))?;
    let word = Some(spelling(pair.word())).filter(|_| !pair.is_merge())?;
    // The tiers are fields of their own.
    let tiers = if word == "retention" { pair.value.pairs() } else { &[] };
    let tier = tiers.iter().find(|pair| (pair.key.start..=pair.value.end).contains(&place));
    Some(tier.map_or(word, |tier| format!("retention.{}", tier_spelling(tier.word()))))
}

/// What a monitor lacks is said at its name, or where it starts; the reader says it last there, in the kind's order.
fn name_what_is_missing(
    found: &mut [FieldProblem],
    places: &[Option<usize>],
    inside: &[usize],
    meaning: &Meaning,
    item: &Item,
) {
    let draft = Draft::of("", meaning);
    let has = |key: &str| draft.values.contains_key(key);
    let own = item.pair("name").filter(|_| has("name")).map_or(item.start, |pair| pair.value.start);
    let here: Vec<usize> = inside
        .iter()
        .copied()
        .filter(|at| places[*at] == Some(own) && found[*at].problem.severity == Severity::Error)
        .collect();
    let missing: Vec<&str> = match draft.text("type") {
        None => vec!["type"],
        Some(word) => kind_of(word)
            .map_or(&[][..], |(_, fields)| fields)
            .iter()
            .filter(|f| f.required && !has(f.key))
            .map(|f| f.key)
            .collect(),
    };
    for (at, key) in here.iter().rev().zip(missing.iter().rev()) {
        found[*at].field = Some((*key).to_owned());
    }
    if let (false, Some(first)) = (has("name"), here.first()) {
        found[*first].field = Some("name".to_owned());
    }
}

fn line_starts(text: &str) -> Vec<usize> {
    let mut starts = vec![0];
    let mut at = 0;
    loop {
        let next = next_line(text, at);
        if next >= text.len() || next == at {
            return starts;
        }
        starts.push(next);
        at = next;
    }
}

fn byte(text: &str, starts: &[usize], problem: &Problem) -> Option<usize> {
    let start = *starts.get((problem.line as usize).checked_sub(1)?)?;
    let column = (problem.column as usize).saturating_sub(1);
    Some(text[start..].char_indices().nth(column).map_or(text.len(), |(at, _)| start + at))
}
