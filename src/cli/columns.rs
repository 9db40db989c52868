//! Text in columns, by the width it takes on a screen.

use std::io::{self, Write};

use ratatui::style::Style;
use ratatui::text::Span;

use super::paint::{Paint, Tone};

/// Columns a text takes on a screen (Unicode TR11).
pub(super) fn width(text: &str) -> usize {
    Span::raw(text).width()
}

/// At most `limit` columns of a text, marking a cut with `…`. Control characters vanish.
pub(super) fn cut(text: &str, limit: usize) -> String {
    if width(text) <= limit && !text.chars().any(char::is_control) {
        return text.to_owned();
    }
    let span = Span::raw(text);
    let mut kept = String::new();
    let mut taken = 0;
    let mut rest = span.styled_graphemes(Style::new()).map(|grapheme| grapheme.symbol).peekable();
    while let Some(symbol) = rest.next() {
        let wide = width(symbol);
        let room = if rest.peek().is_some() { limit.saturating_sub(1) } else { limit };
        if taken + wide > room {
            if limit > 0 {
                kept.push('…');
            }
            break;
        }
        kept.push_str(symbol);
        taken += wide;
    }
    kept
}

/// A text cut or filled to exactly `columns`, to the left.
pub(super) fn left(text: &str, columns: usize) -> String {
    let mut text = cut(text, columns);
    text.extend(std::iter::repeat_n(' ', columns.saturating_sub(width(&text))));
    text
}

/// A text cut or filled to exactly `columns`, to the right.
pub(super) fn right(text: &str, columns: usize) -> String {
    let text = cut(text, columns);
    let fill = columns.saturating_sub(width(&text));
    format!("{}{text}", " ".repeat(fill))
}

/// Which side a column leans to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lean {
    Left,
    Right,
}

/// Rows whose columns are as wide as their widest cell; the last one takes what it needs.
#[derive(Debug)]
pub(super) struct Columns {
    lean: Vec<Lean>,
    rows: Vec<Vec<(Tone, String)>>,
}

impl Columns {
    /// Widest cell of a column that is not the last.
    const WIDEST: usize = 48;

    pub(super) fn new(lean: &[Lean]) -> Self {
        Self { lean: lean.to_vec(), rows: Vec::new() }
    }

    pub(super) fn row(&mut self, cells: Vec<(Tone, String)>) {
        self.rows.push(cells);
    }

    /// Writes all rows, without spaces at the ends of lines.
    pub(super) fn write(&self, paint: Paint, out: &mut impl Write) -> io::Result<()> {
        let last = self.lean.len().saturating_sub(1);
        let widths: Vec<usize> = (0..last)
            .map(|at| self.rows.iter().filter_map(|row| row.get(at)).map(|(_, text)| width(text)).max().unwrap_or(0))
            .map(|width| width.min(Self::WIDEST))
            .collect();
        for row in &self.rows {
            let mut line = String::new();
            let filled = row.iter().rposition(|(_, text)| !text.is_empty()).map_or(0, |at| at + 1);
            for (at, (tone, text)) in row.iter().take(filled).enumerate() {
                if at > 0 {
                    line.push_str("  ");
                }
                let is_end = at + 1 == filled;
                let text = match (widths.get(at), self.lean[at]) {
                    (None, _) => text.clone(),
                    (Some(columns), Lean::Left) if is_end => cut(text, *columns),
                    (Some(columns), Lean::Left) => left(text, *columns),
                    (Some(columns), Lean::Right) => right(text, *columns),
                };
                line.push_str(&paint.tone(*tone, text));
            }
            writeln!(out, "{line}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wide_and_combined_characters_are_measured() {
        assert_eq!(width("日本"), 4);
        assert_eq!(left("日本", 6), "日本  ");
        assert_eq!(cut("日本語", 5), "日本…");
        assert_eq!(cut("日本語", 4), "日…");
        assert_eq!(cut("abc", 3), "abc");
        assert_eq!(cut("abcd", 3), "ab…");
        assert_eq!(cut("abcd", 1), "…");
        assert_eq!(cut("abcd", 0), "");
        assert_eq!(width(&left("e\u{301}te\u{301}", 5)), 5);
        assert_eq!(right("7", 3), "  7");
        assert_eq!(cut("a\u{1b}[31mb", 9), "a[31mb");
    }

    #[test]
    fn columns_align() {
        let mut columns = Columns::new(&[Lean::Left, Lean::Right, Lean::Left]);
        let plain = |cells: [&str; 3]| cells.map(|cell| (Tone::Plain, cell.to_owned())).to_vec();
        columns.row(plain(["a", "1 ms", "fine"]));
        columns.row(plain(["日本", "100 ms", ""]));
        let mut out = Vec::new();
        columns.write(Paint::OFF, &mut out).expect("writes");
        assert_eq!(String::from_utf8(out).expect("text"), "a       1 ms  fine\n日本  100 ms\n");
    }
}
