//! Where the parts of a web address stand in its text: those that people never see, and those that may hold a secret.

use std::ops::Range;

use crate::secret::names_secret;

/// Shorter pieces are no keys.
const SHORTEST_KEY: usize = 16;

/// The parts of an address, in bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Address {
    /// Before the `@`.
    pub(super) user: Option<Range<usize>>,
    /// From the first `/` after the host on.
    pub(super) path: Range<usize>,
    /// After the `?`.
    pub(super) query: Option<Range<usize>>,
}

impl Address {
    /// Takes a text apart; none where it has no scheme.
    pub(super) fn of(text: &str) -> Option<Self> {
        let host = text.find("://")? + 3;
        let end_of = |from: usize, marks: &[char]| text[from..].find(marks).map_or(text.len(), |at| from + at);
        let path = end_of(host, &['/', '?', '#']);
        let user = text[host..path].rfind('@').map(|at| host..host + at);
        let end_of_path = end_of(path, &['?', '#']);
        let query = text[end_of_path..].starts_with('?').then(|| end_of_path + 1..end_of(end_of_path, &['#']));
        Some(Self { user, path: path..end_of_path, query })
    }

    /// Whether nobody sees what stands there: it is a part of the user information or of the query.
    pub(super) fn hides(&self, at: &Range<usize>) -> bool {
        let holds = |part: &Option<Range<usize>>| {
            part.as_ref().is_some_and(|part| part.start <= at.start && at.end <= part.end)
        };
        holds(&self.user) || holds(&self.query)
    }
}

/// A part of an address that may be a secret.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Told {
    /// The password, or what stands alone before the `@` and looks like a key.
    Password,
    /// The value of a parameter.
    Parameter(String),
    /// A piece of the path that looks like a key, with all after it.
    Path,
}

/// The parts of an address that are secrets, as far as can be told, in the order of the text. `${…}` is taken for text
/// of no meaning.
pub(super) fn secrets_in(text: &str) -> Vec<(Told, Range<usize>)> {
    let masked = masked(text);
    let Some(address) = Address::of(&masked) else { return Vec::new() };
    let mut told = Vec::new();
    if let Some(user) = address.user {
        match masked[user.clone()].find(':') {
            Some(colon) => told.push((Told::Password, user.start + colon + 1..user.end)),
            None if is_key(&text[user.clone()]) => told.push((Told::Password, user)),
            None => {}
        }
    }
    let mut at = address.path.start;
    for piece in masked[address.path.clone()].split_inclusive('/') {
        if is_key(text[at..at + piece.len()].trim_end_matches('/')) {
            told.push((Told::Path, at..address.path.end));
            break;
        }
        at += piece.len();
    }
    if let Some(query) = address.query {
        let mut at = query.start;
        for pair in masked[query].split_inclusive('&') {
            let whole = pair.strip_suffix('&').unwrap_or(pair);
            if let Some(equal) = whole.find('=')
                && names_secret(&text[at..at + equal])
            {
                told.push((Told::Parameter(text[at..at + equal].to_owned()), at + equal + 1..at + whole.len()));
            }
            at += pair.len();
        }
    }
    told.retain(|(_, at)| !at.is_empty());
    told
}

/// The same text with letters in the place of what stands for something else.
fn masked(text: &str) -> String {
    let mut masked = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("${") {
        let end = rest[at..].find('}').map_or(rest.len(), |end| at + end + 1);
        masked.push_str(&rest[..at]);
        masked.extend(std::iter::repeat_n('x', end - at));
        rest = &rest[end..];
    }
    masked.push_str(rest);
    masked
}

/// Whether a piece of an address looks like a key: long, with digits among letters.
fn is_key(piece: &str) -> bool {
    piece.len() >= SHORTEST_KEY
        && piece.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_:.=~%".contains(&byte))
        && piece.bytes().any(|byte| byte.is_ascii_digit())
        && piece.bytes().any(|byte| byte.is_ascii_alphabetic())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(text: &str) -> Vec<String> {
        let what = |told: Told| match told {
            Told::Password => "password".to_owned(),
            Told::Parameter(name) => name,
            Told::Path => "path".to_owned(),
        };
        secrets_in(text).into_iter().map(|(told, at)| format!("{}={}", what(told), &text[at])).collect()
    }

    #[test]
    fn passwords_and_keys_are_found() {
        for (text, expected) in [
            ("https://me:p%40ss@h/a?b=c", vec!["password=p%40ss"]),
            ("https://me:a@b:c@h/", vec!["password=a@b:c"]),
            ("https://ghp_0123456789abcdef@h/", vec!["password=ghp_0123456789abcdef"]),
            ("https://me@h/", vec![]),
            ("https://me:@h/", vec![]),
            ("https://h?token=1&x=2&API_KEY=a%26b#key=3", vec!["token=1", "API_KEY=a%26b"]),
            ("https://h/?a=/x@y&key=z", vec!["key=z"]),
            ("https://hooks.example/services/T0/B0/a1b2c3d4e5f6a7b8c9", vec!["path=a1b2c3d4e5f6a7b8c9"]),
            ("https://h/bot12345:ABCdefGHIjkl/send?x=1", vec!["path=bot12345:ABCdefGHIjkl/send"]),
            ("https://h/a/quite/long/path-of-plain-words", vec![]),
            ("https://${U:-a/b@c}:${P}@${H}/?k=1", vec!["password=${P}"]),
            ("no address token=1", vec![]),
            ("https://ü:ä@ö/?token=é", vec!["password=ä", "token=é"]),
        ] {
            assert_eq!(told(text), expected, "{text}");
        }
    }
}
