//! Problems for the eye: the line of the file with a mark under the place.

use annotate_snippets::renderer::DecorStyle;
use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};

use super::problem::{Problem, Severity};

/// Longest line of a file that is shown, in bytes.
const LINE_LIMIT: usize = 1_000;

/// The problem with its line of `text` and a mark under the place, over several lines and without a line end. Where
/// there is no such line, or a very long one, it is the problem's one line alone.
#[must_use]
pub fn picture(problem: &Problem, text: &str, colours: bool) -> String {
    let line = problem.line.checked_sub(1).and_then(|skip| lines(text).nth(skip as usize));
    let Some(line) = line.filter(|line| line.len() <= LINE_LIMIT) else { return problem.to_string() };
    let byte_of = |column: usize| line.char_indices().nth(column).map_or(line.len(), |(at, _)| at);
    let column = (problem.column as usize).saturating_sub(1);
    let span = byte_of(column)..byte_of(column.saturating_add(problem.len as usize));
    let level = match problem.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
    };
    let snippet = Snippet::source(line)
        .line_start(problem.line as usize)
        .path(problem.file.as_ref())
        .fold(false)
        .annotation(AnnotationKind::Primary.span(span));
    let mut group = Group::with_title(level.primary_title(problem.what.as_str())).element(snippet);
    if let Some(allowed) = &problem.allowed {
        group = group.element(Level::HELP.message(format!("allowed: {allowed}")));
    }
    if let Some(nearest) = &problem.nearest {
        group = group.element(Level::HELP.message(format!("did you mean `{nearest}`?")));
    }
    let renderer = if colours { Renderer::styled() } else { Renderer::plain() };
    renderer.decor_style(DecorStyle::Ascii).render(&[group])
}

/// The lines of a text as YAML counts them: `\r\n`, `\n` and `\r` end one.
fn lines(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = Some(text);
    std::iter::from_fn(move || {
        let text = rest?;
        let Some(end) = text.find(['\n', '\r']) else {
            rest = None;
            return Some(text);
        };
        let length = if text[end..].starts_with("\r\n") { 2 } else { 1 };
        rest = Some(&text[end + length..]);
        Some(&text[..end])
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(line: u32, column: u32, len: u32) -> Problem {
        Problem {
            severity: Severity::Error,
            file: "config.yml".into(),
            line,
            column,
            len,
            what: "unknown key `intreval`".into(),
            allowed: Some("name, interval".into()),
            nearest: Some("interval".into()),
        }
    }

    #[test]
    fn the_line_is_shown_with_a_mark() {
        let text = "a: 1\r\nä: {intreval: 30s}\rc: 3";
        let shown = picture(&problem(2, 5, 8), text, false);
        assert_eq!(
            shown.lines().map(str::trim_end).collect::<Vec<_>>(),
            [
                "error: unknown key `intreval`",
                " --> config.yml:2:5",
                "  |",
                "2 | ä: {intreval: 30s}",
                "  |     ^^^^^^^^",
                "  |",
                "  = help: allowed: name, interval",
                "  = help: did you mean `interval`?",
            ]
        );
        assert!(!shown.contains('\u{1b}'));
        assert!(picture(&problem(2, 5, 8), text, true).contains('\u{1b}'));
    }

    #[test]
    fn a_place_that_is_not_there_is_told_in_one_line() {
        assert!(picture(&problem(0, 0, 1), "a", false).starts_with("config.yml: unknown key"));
        assert!(picture(&problem(9, 1, 1), "a", false).starts_with("config.yml:9:1: unknown key"));
        assert!(picture(&problem(1, 1, 1), &"[".repeat(10_000), false).starts_with("config.yml:1:1: "));
        assert!(picture(&problem(1, 2, u32::MAX), "a", false).contains("1 | a"));
    }

    #[test]
    fn what_would_change_the_terminal_is_not_passed_on() {
        let shown = picture(&problem(1, 1, 1), "a: \u{1b}[31m\u{202e}x", false);
        assert!(!shown.contains(['\u{1b}', '\u{202e}']), "{shown:?}");
    }
}
