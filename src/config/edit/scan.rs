//! Looking around in the text of a file: lines, the gaps between values, the end of what is quoted.

use std::ops::Range;

/// Where the line of a place starts.
pub(super) fn line_start(text: &str, at: usize) -> usize {
    text[..at].rfind(['\n', '\r']).map_or(0, |found| found + 1)
}

/// Where the line of a place ends, before its line end.
pub(super) fn line_end(text: &str, at: usize) -> usize {
    text[at..].find(['\n', '\r']).map_or(text.len(), |found| at + found)
}

/// Where the line after that of a place starts.
pub(super) fn next_line(text: &str, at: usize) -> usize {
    let end = line_end(text, at);
    end + line_end_length(&text[end..])
}

/// Bytes of the line end that a text starts with.
fn line_end_length(text: &str) -> usize {
    match text.as_bytes() {
        [b'\r', b'\n', ..] => 2,
        [b'\r' | b'\n', ..] => 1,
        _ => 0,
    }
}

/// A text without the line end after it; none where there is none.
pub(super) fn without_line_end(text: &str) -> Option<&str> {
    text.strip_suffix("\r\n").or_else(|| text.strip_suffix(['\n', '\r']))
}

/// Where the line before one that starts at `start` starts; none for the first.
pub(super) fn line_before(text: &str, start: usize) -> Option<usize> {
    without_line_end(&text[..start]).map(|before| line_start(text, before.len()))
}

/// The column of a place, in characters from 0.
pub(super) fn column(text: &str, at: usize) -> usize {
    text[line_start(text, at)..at].chars().count()
}

/// The line of a place, from 1, as YAML counts lines.
pub(super) fn line_number(text: &str, at: usize) -> u32 {
    u32::try_from(line_ends(&text[..at]).len() + 1).unwrap_or(u32::MAX)
}

/// Where each line ends, after its line end.
pub(super) fn line_ends(text: &str) -> Vec<usize> {
    let bytes = text.as_bytes();
    let ends = bytes.iter().enumerate().filter(|(at, byte)| match byte {
        b'\n' => true,
        b'\r' => bytes.get(at + 1) != Some(&b'\n'),
        _ => false,
    });
    ends.map(|(at, _)| at + 1).collect()
}

/// The bytes of a line, counted from 1, without its line end.
pub(super) fn line(text: &str, number: u32) -> Option<Range<usize>> {
    let mut start = 0;
    for _ in 1..number {
        let next = next_line(text, start);
        if next == line_end(text, start) {
            return None;
        }
        start = next;
    }
    (number > 0).then(|| start..line_end(text, start))
}

/// The line end that a text uses.
pub(super) fn line_end_of(text: &str) -> &'static str {
    let Some(at) = text.find(['\n', '\r']) else { return "\n" };
    match (line_end_length(&text[at..]), text.as_bytes()[at]) {
        (2, _) => "\r\n",
        (_, b'\r') => "\r",
        _ => "\n",
    }
}

/// Whether only white space and a comment follow on the line.
pub(super) fn is_rest_idle(text: &str, at: usize) -> bool {
    let rest = text[at..line_end(text, at)].trim_start();
    rest.is_empty() || rest.starts_with('#')
}

/// The first place from `at` on that is no white space, no line end and no comment.
pub(super) fn skip_gap(text: &str, mut at: usize) -> usize {
    loop {
        match text.as_bytes().get(at) {
            Some(b' ' | b'\t' | b'\n' | b'\r') => at += 1,
            Some(b'#') => at = line_end(text, at),
            _ => return at,
        }
    }
}

/// Skips anchor and tag: where the last of them ends, and where what they belong to starts.
pub(super) fn skip_properties(text: &str, start: usize) -> (usize, usize) {
    let (mut end, mut at) = (start, start);
    while matches!(text.as_bytes().get(at), Some(b'&' | b'!')) {
        let length = text[at..].find([' ', '\t', '\n', '\r', ',', '[', ']', '{', '}']).unwrap_or(text.len() - at);
        end = at + length;
        at = skip_gap(text, end);
    }
    (end, at)
}

/// The end of a quoted text that starts at `at`; none where nothing does.
pub(super) fn quoted_end(text: &str, at: usize) -> Option<usize> {
    let bytes = text.as_bytes();
    let quote = *bytes.get(at).filter(|byte| matches!(byte, b'"' | b'\''))?;
    let mut next = at + 1;
    loop {
        match *bytes.get(next)? {
            b'\\' if quote == b'"' => next += 2,
            byte if byte == quote && quote == b'\'' && bytes.get(next + 1) == Some(&b'\'') => next += 2,
            byte if byte == quote => return Some(next + 1),
            _ => next += 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_end_in_three_ways() {
        let text = "a\r\nbc\rd\n\ne";
        assert_eq!([0, 3, 6, 8, 9].map(|at| line_number(text, at)), [1, 2, 3, 4, 5]);
        assert_eq!([0, 4, 6].map(|at| line_start(text, at)), [0, 3, 6]);
        assert_eq!([0, 3, 6].map(|at| next_line(text, at)), [3, 6, 8]);
        assert_eq!([0, 3, 6, 8, 9].map(|at| line_before(text, at)), [None, Some(0), Some(3), Some(6), Some(8)]);
        assert_eq!([0, 1, 2, 5, 6].map(|number| line(text, number)), [None, Some(0..1), Some(3..5), Some(9..10), None]);
        assert_eq!((line_end_of(text), line_end_of("a\rb"), line_end_of("")), ("\r\n", "\r", "\n"));
    }

    #[test]
    fn quotes_end_where_they_are_not_escaped() {
        assert_eq!(quoted_end(r#""a\"b" c"#, 0), Some(6));
        assert_eq!(quoted_end("'it''s' c", 0), Some(7));
        assert_eq!(quoted_end("'open", 0), None);
        assert_eq!(quoted_end("plain", 0), None);
    }

    #[test]
    fn properties_and_gaps_are_skipped() {
        assert_eq!(skip_properties("&a !!map\n  # c\n  x", 0), (8, 17));
        assert_eq!(skip_properties("&a}", 0), (2, 2));
        assert_eq!(skip_gap(" # c\n\r\n\t x", 0), 9);
    }
}
