//! The bytes of a file as text that can be read: bounded, UTF-8, without characters that hide something.

use std::fs::File;
use std::hash::{DefaultHasher, Hasher};
use std::io::{self, Read};
use std::path::Path;

use super::problem::{Place, Problems};

/// Largest file, in bytes.
pub const FILE_LIMIT: usize = 32 * 1024 * 1024;

/// Reads a file's bytes; one byte more than [`FILE_LIMIT`] of a larger one, which [`text`] then refuses.
///
/// # Errors
/// Whatever the system says.
pub(super) fn read(path: &Path) -> io::Result<Vec<u8>> {
    let file = File::open(path)?;
    if file.metadata()?.is_dir() {
        return Err(io::Error::new(io::ErrorKind::IsADirectory, "it is a folder; name the file in it"));
    }
    let mut bytes = Vec::new();
    file.take(FILE_LIMIT as u64 + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// A number that tells two contents apart. Not for keeping: it may be another one in the next version.
#[must_use]
pub fn content_hash(bytes: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    hasher.write(bytes);
    hasher.finish()
}

/// The bytes as text without byte order mark. None after an error was noted.
pub(super) fn text<'b>(bytes: &'b [u8], problems: &mut Problems) -> Option<&'b str> {
    if bytes.len() > FILE_LIMIT {
        let what = format!("the file is larger than {} MiB", FILE_LIMIT / 1024 / 1024);
        problems.error(Place::START, what);
        return None;
    }
    let text = match std::str::from_utf8(bytes) {
        Ok(text) => text,
        Err(fault) => {
            let place = place_of(&bytes[..fault.valid_up_to()]);
            let what = if matches!(bytes, [0xff, 0xfe, ..] | [0xfe, 0xff, ..]) {
                "the file is UTF-16; save it as UTF-8".to_owned()
            } else {
                format!("byte 0x{:02x} is no text in UTF-8", bytes[fault.valid_up_to()])
            };
            problems.error(place, what).allowed("text in UTF-8");
            return None;
        }
    };
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    if let Some((at, found)) = hidden_character(text) {
        let what = format!("the character U+{:04X} cannot stand in the file", u32::from(found));
        problems.error(place_of(&text.as_bytes()[..at]), what).allowed("printable text, spaces and line ends");
        return None;
    }
    Some(text)
}

/// The first control character besides tab and line ends, or byte order mark, with its byte index.
fn hidden_character(text: &str) -> Option<(usize, char)> {
    let bytes = text.as_bytes();
    let at = bytes.iter().enumerate().position(|(at, byte)| match byte {
        b'\t' | b'\n' | b'\r' => false,
        0..=0x1f | 0x7f => true,
        // U+0080 to U+009F without the next line character, and U+FEFF.
        0xc2 => matches!(bytes.get(at + 1), Some(0x80..=0x84 | 0x86..=0x9f)),
        0xef => bytes[at..].starts_with("\u{feff}".as_bytes()),
        _ => false,
    })?;
    Some((at, text[at..].chars().next()?))
}

/// The place right after some text (bytes of valid UTF-8).
fn place_of(before: &[u8]) -> Place {
    let line_start = before.iter().rposition(|byte| matches!(byte, b'\n' | b'\r')).map_or(0, |at| at + 1);
    let lines = String::from_utf8_lossy(&before[..line_start]);
    let line = lines.matches('\n').count() + lines.matches('\r').count() - lines.matches("\r\n").count();
    let column = String::from_utf8_lossy(&before[line_start..]).chars().count();
    let number = |count: usize| u32::try_from(count + 1).unwrap_or(u32::MAX);
    Place { line: number(line), column: number(column), len: 1 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(bytes: &[u8]) -> String {
        let mut problems = Problems::new("f");
        assert_eq!(text(bytes, &mut problems), None);
        problems.finish("".into()).expect_err("refused").problems[0].to_string()
    }

    #[test]
    fn what_is_no_text_is_refused_with_its_place() {
        assert_eq!(refused(b"a: b\r\nc: \xc3\xa4\xff"), "f:2:5: byte 0xff is no text in UTF-8; allowed: text in UTF-8");
        assert!(refused(b"a: b\nc: \0d").starts_with("f:2:4: the character U+0000 cannot"));
        assert!(refused("a: b\rc: \u{85}\u{9b}".as_bytes()).starts_with("f:2:5: the character U+009B"));
        assert!(refused("a\u{feff}".as_bytes()).starts_with("f:1:2: the character U+FEFF"));
        assert!(refused(b"\xff\xfea\0:\0").contains("UTF-16"));
        assert!(refused(&vec![b'a'; FILE_LIMIT + 1]).contains("larger than 32 MiB"));
    }

    #[test]
    fn a_byte_order_mark_is_left_out() {
        let mut problems = Problems::new("f");
        assert_eq!(text("\u{feff}a: ä\r\n\tb".as_bytes(), &mut problems), Some("a: ä\r\n\tb"));
    }
}
