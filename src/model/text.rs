//! Text from outside is cleaned once, here; every backend then stores the same value.

use std::borrow::Cow;

/// Longest message of a result, in bytes.
pub const MESSAGE_LIMIT: usize = 512;

/// Replaces control characters (NUL and line ends too) and bidirectional overrides by spaces, trims, and cuts at
/// `limit` bytes on a character boundary, marking a cut with `…`.
#[must_use]
pub fn clean_text(text: &str, limit: usize) -> String {
    cleaned(text, limit).into_owned()
}

/// The same without a copy of what is clean.
pub(super) fn cleaned(text: &str, limit: usize) -> Cow<'_, str> {
    if text.len() <= limit && is_plain(text) {
        return Cow::Borrowed(text);
    }
    // Cut before cleaning: hostile text can be long.
    let mut end = text.len().min(limit.saturating_mul(2));
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    let cleaned: String = text[..end].chars().map(|c| if is_unsafe(c) { ' ' } else { c }).collect();
    let cleaned = cleaned.trim();
    if cleaned.len() <= limit && end == text.len() {
        return Cow::Owned(cleaned.to_owned());
    }
    let mut cut = cleaned.len().min(limit.saturating_sub('…'.len_utf8()));
    while !cleaned.is_char_boundary(cut) {
        cut -= 1;
    }
    Cow::Owned(format!("{}…", &cleaned[..cut]))
}

/// Whether there is nothing to clean, as in almost every text.
fn is_plain(text: &str) -> bool {
    text.bytes().all(|byte| (0x20..0x7f).contains(&byte)) && !text.starts_with(' ') && !text.ends_with(' ')
}

fn is_unsafe(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{2028}' | '\u{2029}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_become_spaces() {
        assert_eq!(clean_text("a\0b\r\nc\u{1b}[31m\u{202e}x", 99), "a b  c [31m x");
    }

    #[test]
    fn cuts_on_a_character_boundary_and_says_so() {
        let cut = clean_text(&"ä".repeat(400), MESSAGE_LIMIT);
        assert!(cut.len() <= MESSAGE_LIMIT);
        assert!(cut.ends_with('…'));
        assert_eq!(clean_text("short", MESSAGE_LIMIT), "short");
    }
}
