//! Single values and keys as text of a file, so that every YAML reader reads the same text again.

use std::fmt::Write as _;

use super::spans::Style;

/// Where and what for a value is written.
#[derive(Debug, Clone, Copy)]
pub(super) struct Setting {
    /// Whether it stands in brackets or braces.
    pub(super) flow: bool,
    /// Whether it is a number, a switch or a length of time, which stand without quotes.
    pub(super) typed: bool,
    /// How the value before it was written.
    pub(super) before: Style,
}

/// The text as a value.
pub(super) fn scalar(text: &str, setting: Setting) -> String {
    let single = !text.is_empty() && text.chars().all(|c| !needs_escape(c));
    match setting.before {
        Style::Single if single => format!("'{}'", text.replace('\'', "''")),
        Style::Double => double(text),
        _ if is_plain(text, setting.flow) && (setting.typed || !means_something_else(text)) => text.to_owned(),
        _ => double(text),
    }
}

/// The text as a key.
pub(super) fn key(text: &str, flow: bool) -> String {
    scalar(text, Setting { flow, typed: false, before: Style::Absent })
}

fn double(text: &str) -> String {
    let mut written = String::with_capacity(text.len() + 2);
    written.push('"');
    for c in text.chars() {
        match c {
            '"' => written.push_str("\\\""),
            '\\' => written.push_str("\\\\"),
            '\n' => written.push_str("\\n"),
            '\r' => written.push_str("\\r"),
            '\t' => written.push_str("\\t"),
            c if needs_escape(c) => {
                let _ = match u32::from(c) {
                    code @ 0..=0xff => write!(written, "\\x{code:02X}"),
                    code @ 0x100..=0xffff => write!(written, "\\u{code:04X}"),
                    code => write!(written, "\\U{code:08X}"),
                };
            }
            c => written.push(c),
        }
    }
    written.push('"');
    written
}

/// What does not stand in a file as itself: control characters, other line ends, marks nobody sees.
fn needs_escape(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}')
        || matches!(c, '\u{2066}'..='\u{2069}' | '\u{fffe}' | '\u{ffff}')
}

/// Whether the text can stand without quotes.
fn is_plain(text: &str, flow: bool) -> bool {
    let mut chars = text.chars();
    let (Some(first), second) = (chars.next(), chars.next()) else { return false };
    let introduces = match first {
        '-' | '?' | ':' => second.is_none_or(|c| c == ' ' || flow),
        c => "!&*%@`#|>'\"[]{},=".contains(c),
    };
    let ends_early = [": ", " #"].iter().any(|mark| text.contains(mark)) || text.ends_with(':');
    let marks_a_document = ["---", "..."].iter().any(|mark| text.starts_with(mark));
    let ends_in_flow = flow && text.contains(['[', ']', '{', '}', ',', ':']) && !is_address(text);
    let is_trimmed = text.trim() == text;
    !(introduces || ends_early || marks_a_document || ends_in_flow) && is_trimmed && !text.chars().any(needs_escape)
}

/// Whether nothing in the text can end a value in brackets: colons only before a letter, a digit or a slash.
fn is_address(text: &str) -> bool {
    let after_colon = |rest: &str| rest.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '/');
    !text.contains(['[', ']', '{', '}', ',']) && text.split(':').skip(1).all(after_colon)
}

/// Whether a reader of YAML 1.1 or 1.2 takes the plain text for something else than text.
fn means_something_else(text: &str) -> bool {
    const WORDS: &[&str] = &["~", "null", "true", "false", "yes", "no", "on", "off", "y", "n", "<<", "="];
    WORDS.iter().any(|word| word.eq_ignore_ascii_case(text)) || is_number(text) || is_date(text)
}

fn is_number(text: &str) -> bool {
    let digits = text.trim_start_matches(['+', '-']).replace('_', "").to_ascii_lowercase();
    let radix = ["0x", "0o", "0b"].iter().any(|start| digits.starts_with(start));
    let special = [".inf", ".nan"].contains(&digits.as_str());
    // Numbers with the base 60, as in `22:22`.
    let sixty = digits.contains(':') && digits.chars().all(|c| c.is_ascii_digit() || matches!(c, ':' | '.'));
    radix || special || (sixty && digits.matches('.').count() < 2) || digits.parse::<f64>().is_ok()
}

fn is_date(text: &str) -> bool {
    let mut parts = text.splitn(3, '-');
    let mut number = |most: usize| {
        let part = parts.next()?;
        let digits = part.chars().take_while(char::is_ascii_digit).count();
        (1..=most).contains(&digits).then(|| &part[digits..])
    };
    let (Some(""), Some(""), Some(rest)) = (number(4), number(2), number(2)) else { return false };
    rest.is_empty() || rest.starts_with(['T', 't', ' ', '\t'])
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use saphyr_parser::{Event, Parser};

    use super::*;

    fn plain(text: &str) -> bool {
        scalar(text, Setting { flow: false, typed: false, before: Style::Absent }) == text
    }

    #[test]
    fn what_reads_as_something_else_is_quoted() {
        for text in [
            "yes",
            "No",
            "1.0",
            "0x10",
            "1e3",
            "1_000",
            "a: b",
            "a #b",
            "*x",
            "&x",
            "!x",
            "%x",
            "@x",
            "",
            " a",
            "a ",
            "-",
            "- a",
            "? a",
            "null",
            "~",
            "22:22",
            "2024-01-31",
            ".inf",
            "<<",
            "---",
            "...",
            "a:",
            "[a",
            "{a",
            "'a",
            "\"a",
            "| a",
            "> a",
            "a\nb",
            "\t",
            "`a",
            "a\u{85}b",
            "\u{feff}",
            "=",
            "# a",
            ", a",
            "-.5",
        ] {
            assert!(!plain(text), "{text:?}");
        }
        for text in [
            "30s",
            "192.168.1.1",
            "0192f0c1-7b3a-7c52-9d64-1f2e3a4b5c6d",
            "192.168.1.20:22",
            "https://a.example/?b=c",
            "a b",
            "-a",
            "ü 😀",
            "${HOST}:80",
            "it's",
            "a#b",
            "v1.2.3",
        ] {
            assert!(plain(text), "{text:?}");
        }
        assert_eq!(scalar("30", Setting { flow: true, typed: true, before: Style::Absent }), "30");
        assert_eq!(scalar("b", Setting { flow: true, typed: true, before: Style::Double }), "\"b\"");
        assert_eq!(scalar("it's", Setting { flow: true, typed: true, before: Style::Single }), "'it''s'");
    }

    fn read_again(text: &str) -> Vec<String> {
        let mut texts = Vec::new();
        let mut parser = Parser::new_from_str(text);
        while let Some(event) = parser.next_event() {
            if let Event::Scalar(text, ..) = event.unwrap_or_else(|fault| panic!("{text:?}: {fault}")).0 {
                texts.push(text.into_owned());
            }
        }
        texts
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]
        #[test]
        fn every_text_reads_back(
            text in "(\\PC|[\n\r\t:\\-\\[\\]{}&*!|>'\"%@`$?,#~ =<\\\\]){0,12}",
            typed in any::<bool>(),
            before in prop_oneof![Just(Style::Absent), Just(Style::Single), Just(Style::Double), Just(Style::Lines)],
        ) {
            for flow in [false, true] {
                let value = scalar(&text, Setting { flow, typed, before });
                let name = key(&text, flow);
                let file = if flow { format!("[a, {{{name}: {value}, b: c}}]\n") } else { format!("- {name}: {value} # d\n  b: c\n") };
                let expected = if flow { vec!["a", &text, &text, "b", "c"] } else { vec![&text, &text, "b", "c"] };
                prop_assert_eq!(read_again(&file), expected, "{}", file);
            }
        }
    }
}
