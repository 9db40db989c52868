//! Text of queries. A value is always a literal of its type: what can be pasted as code is known when the program is
//! compiled.

use std::fmt::Write as _;

use crate::model::UnixMicros;

/// The name of the table that no answer of somebody else has.
pub(super) const END: &str = "zz_end";

/// A query that is being written.
#[derive(Debug, Clone)]
pub(super) struct Flux(String);

impl Flux {
    /// A query that gives the rows of `code`.
    pub(super) fn new(code: &'static str) -> Self {
        Self(format!("import \"array\"\n{code}"))
    }

    /// Code of ours.
    pub(super) fn code(mut self, code: &'static str) -> Self {
        self.0.push_str(code);
        self
    }

    /// Text as a string literal. Letters and digits stand for themselves, anything else is told by its bytes, so that
    /// neither an end of the literal nor an expression in it can be written.
    pub(super) fn text(mut self, text: &str) -> Self {
        self.0.push('"');
        for c in text.chars() {
            if c.is_ascii_alphanumeric() || matches!(c, ' ' | '-' | '_' | '.' | ':' | '/') {
                self.0.push(c);
            } else {
                let mut bytes = [0; 4];
                for byte in c.encode_utf8(&mut bytes).bytes() {
                    // Writing to a string does not fail.
                    let _ = write!(self.0, "\\x{byte:02x}");
                }
            }
        }
        self.0.push('"');
        self
    }

    /// A whole number.
    pub(super) fn number(mut self, number: usize) -> Self {
        let _ = write!(self.0, "{}", i64::try_from(number).unwrap_or(i64::MAX));
        self
    }

    /// A length of time in microseconds.
    pub(super) fn micros(mut self, us: u64) -> Self {
        let _ = write!(self.0, "{}us", i64::try_from(us).unwrap_or(i64::MAX));
        self
    }

    /// A time.
    pub(super) fn time(mut self, time: UnixMicros) -> Self {
        let _ = write!(self.0, "{time}");
        self
    }

    /// One condition a value of `of`, of which one must hold; none of them is never true.
    pub(super) fn any<T>(mut self, of: &[T], one: impl Fn(Self, &T) -> Self) -> Self {
        self.0.push('(');
        for (at, value) in of.iter().enumerate() {
            if at > 0 {
                self.0.push_str(" or ");
            }
            self = one(self, value);
        }
        if of.is_empty() {
            self.0.push_str("false");
        }
        self.0.push(')');
        self
    }

    /// The whole script: the rows, and the table that says that they are the answer to it.
    pub(super) fn script(self) -> String {
        format!(
            "{}\n  |> yield(name: \"rows\")\narray.from(rows: [{{_value: \"end\"}}])\n  |> yield(name: \"{END}\")\n",
            self.0
        )
    }
}

/// A value in the predicate of a deletion, which knows text in quotes only. None where the text cannot be written in it.
pub(super) fn predicate(parts: &[(&'static str, &str)]) -> Option<String> {
    let plain =
        |text: &str| text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | ':' | '%'));
    let mut whole = String::new();
    for (key, value) in parts {
        if !plain(value) {
            return None;
        }
        if !whole.is_empty() {
            whole.push_str(" AND ");
        }
        let _ = write!(whole, "{key}=\"{value}\"");
    }
    Some(whole)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_text_ends_its_literal() {
        for text in ["\") |> drop() //", "${1 + 1}", "\\", "a\nb\r\0", "\u{202e}ä漢🚀", "\\x22", "\"", "#{}"] {
            let script = Flux::new("x = ").text(text).script();
            let literal = script.lines().nth(1).expect("has it").trim_start_matches("x = ");
            let inner = &literal[1..literal.len() - 1];
            assert!(!inner.contains(['"', '$', '{', '}', '\n', '\r']), "{literal}");
            assert!(inner.match_indices('\\').all(|(at, _)| inner[at + 1..].starts_with('x')), "{literal}");
        }
    }

    #[test]
    fn times_and_numbers_are_literals() {
        let script = Flux::new("a(b: ").time(UnixMicros::new(1_700_000_000_000_007)).code(", c: ").number(7).code(")");
        assert!(script.script().contains("a(b: 2023-11-14T22:13:20.000007Z, c: 7)\n"));
    }

    #[test]
    fn a_predicate_holds_plain_words_only() {
        let whole = predicate(&[("_measurement", "a_b"), ("instance", "0-1")]);
        assert_eq!(whole.as_deref(), Some("_measurement=\"a_b\" AND instance=\"0-1\""));
        for text in ["\"", "\\", "a b", "a\" OR \"1\"=\"1", "ä"] {
            assert_eq!(predicate(&[("monitor", text)]), None, "{text}");
        }
    }
}
