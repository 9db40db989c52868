//! What `${…}` in a value stands for: a variable, a file, or a secret of the vault.

use std::collections::{BTreeSet, HashMap};
use std::fs::File;
use std::io::Read;
use std::ops::{Deref, Range};
use std::path::Path;

use super::address::Address;
use super::problem::quoted;
use super::vars::Vars;
use crate::secret::{ExposeSecret, SecretString, Vault, Zeroizing};

/// Largest file behind `${file:…}` and largest value after expansion, in bytes.
const VALUE_LIMIT: usize = 64 * 1024;

/// Most bytes that all expansions of one file bring together.
const TOTAL_LIMIT: usize = 64 * 1024 * 1024;

/// Where a value comes from, which says what may be shown of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Origin {
    /// It stands in the file.
    Written,
    /// A part of it comes from a variable.
    Variable,
    /// A part of it comes from a file or the vault: never shown.
    Hidden,
}

/// A value after expansion.
pub(super) struct Expanded<'t> {
    pub(super) text: ExpandedText<'t>,
    pub(super) origin: Origin,
}

/// The text of a value. What was put together may hold a secret and is zeroed when it is dropped.
pub(super) enum ExpandedText<'t> {
    Written(&'t str),
    Made(Zeroizing<String>),
}

impl Deref for ExpandedText<'_> {
    type Target = str;

    fn deref(&self) -> &str {
        match self {
            Self::Written(text) => text,
            Self::Made(text) => text,
        }
    }
}

impl ExpandedText<'_> {
    /// The text, with the memory it is in.
    pub(super) fn into_owned(self) -> String {
        match self {
            Self::Written(text) => text.to_owned(),
            Self::Made(mut text) => std::mem::take(&mut *text),
        }
    }
}

/// Adds to a text; growing leaves no copy behind.
fn push(text: &mut Zeroizing<String>, more: &str) {
    let length = text.len() + more.len();
    if length > text.capacity() {
        let mut larger = Zeroizing::new(String::with_capacity(length.next_power_of_two()));
        larger.push_str(text);
        *text = larger;
    }
    text.push_str(more);
}

/// Why a value could not be expanded.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum ExpandFault {
    /// It is written wrongly.
    Wrong(String),
    /// What it names is not there now.
    Missing(String),
}

/// Expands values. Each file and each secret is asked for once.
pub(super) struct Expander<'a> {
    vars: &'a Vars,
    vault: &'a dyn Vault,
    folder: &'a Path,
    files: HashMap<String, Result<SecretString, String>>,
    secrets: HashMap<String, Result<SecretString, String>>,
    variables: BTreeSet<String>,
    total: usize,
}

impl<'a> Expander<'a> {
    /// Relative paths of files start at `folder`.
    pub(super) fn new(vars: &'a Vars, vault: &'a dyn Vault, folder: &'a Path) -> Self {
        let (files, secrets, variables) = (HashMap::new(), HashMap::new(), BTreeSet::new());
        Self { vars, vault, folder, files, secrets, variables, total: 0 }
    }

    /// Whether a variable was named so far.
    pub(super) fn has_used(&self, variable: &str) -> bool {
        self.variables.contains(variable)
    }

    /// The value that a text stands for. Text without `${` is given back as it is.
    pub(super) fn expand<'t>(&mut self, text: &'t str) -> Result<Expanded<'t>, ExpandFault> {
        if !text.contains("${") {
            return Ok(Expanded { text: ExpandedText::Written(text), origin: Origin::Written });
        }
        let mut value = Zeroizing::new(String::new());
        let mut origin = Origin::Written;
        for part in parts(text).map_err(ExpandFault::Wrong)? {
            match part {
                Part::Text(text) => push(&mut value, text),
                Part::Variable { name, default } => {
                    origin = origin.max(Origin::Variable);
                    push(&mut value, self.variable(name, default).map_err(ExpandFault::Missing)?);
                }
                Part::File(path) => {
                    origin = Origin::Hidden;
                    push(&mut value, self.file(path).map_err(ExpandFault::Missing)?);
                }
                Part::Secret(name) => {
                    origin = Origin::Hidden;
                    push(&mut value, self.secret(name).map_err(ExpandFault::Missing)?);
                }
            }
            if value.len() > VALUE_LIMIT {
                return Err(ExpandFault::Wrong(format!("expands to more than {} KiB", VALUE_LIMIT / 1024)));
            }
        }
        self.total += value.len();
        if self.total > TOTAL_LIMIT {
            let limit = TOTAL_LIMIT / 1024 / 1024;
            return Err(ExpandFault::Wrong(format!("makes the values of this file expand to more than {limit} MiB")));
        }
        Ok(Expanded { text: ExpandedText::Made(value), origin })
    }

    /// Whether something of the vault stands in a text where people see it: everywhere, but for an address in its user
    /// information and in its query. What is not there is taken for empty.
    pub(super) fn shows_hidden(&mut self, text: &str, is_address: bool) -> bool {
        // Text that is written wrongly is refused by whoever expands it.
        let Ok(parts) = parts(text) else { return false };
        if !parts.iter().any(|part| matches!(part, Part::Secret(_))) {
            return false;
        }
        // What counts is the address as it is asked: a secret may hold a mark that ends the part it stands in.
        let (whole, hidden) = self.joined(&parts);
        let address = Some(&*whole).filter(|_| is_address).and_then(|whole| Address::of(whole));
        address.is_none_or(|address| !hidden.iter().all(|at| address.hides(at)))
    }

    /// What parts stand for, one after the other, and where secrets are in it; nothing for what is not there.
    fn joined(&mut self, parts: &[Part<'_>]) -> (Zeroizing<String>, Vec<Range<usize>>) {
        let mut joined = Zeroizing::new(String::new());
        let mut hidden = Vec::new();
        for part in parts {
            let start = joined.len();
            let text = match part {
                Part::Text(text) => text,
                Part::Variable { name, default } => self.variable(name, *default).unwrap_or_default(),
                Part::File(path) => self.file(path).unwrap_or_default(),
                Part::Secret(name) => self.secret(name).unwrap_or_default(),
            };
            push(&mut joined, text);
            if matches!(part, Part::Secret(_)) {
                hidden.push(start..joined.len());
            }
        }
        (joined, hidden)
    }

    fn variable<'v>(&mut self, name: &str, default: Option<&'v str>) -> Result<&'v str, String>
    where
        'a: 'v,
    {
        if !self.variables.contains(name) {
            self.variables.insert(name.to_owned());
        }
        match (self.vars.get(name), default) {
            (Some(""), Some(default)) | (None, Some(default)) => Ok(default),
            (Some(value), _) => Ok(value),
            (None, None) => Err(format!("the environment variable `{name}` is not set")),
        }
    }

    fn file(&mut self, path: &str) -> Result<&str, String> {
        if !self.files.contains_key(path) {
            self.files.insert(path.to_owned(), read_small(&self.folder.join(path)).map(SecretString::from));
        }
        match &self.files[path] {
            Ok(text) => Ok(text.expose_secret()),
            Err(why) => Err(format!("the file {} cannot be used: {why}", quoted(path))),
        }
    }

    fn secret(&mut self, name: &str) -> Result<&str, String> {
        if !self.secrets.contains_key(name) {
            self.secrets.insert(name.to_owned(), self.vault.get(name).map_err(|fault| fault.to_string()));
        }
        match &self.secrets[name] {
            Ok(secret) => Ok(secret.expose_secret()),
            Err(why) => Err(why.clone()),
        }
    }
}

/// Checks how `${…}` is written in a text whose value is not wanted now.
pub(super) fn check_syntax(text: &str) -> Result<(), String> {
    parts(text).map(drop)
}

/// What a text of the file is by itself.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// It stands for nothing else; this is what it says.
    Plain(Zeroizing<String>),
    /// It stands for what is elsewhere.
    Elsewhere,
    /// Something of it stands in the file, and something elsewhere.
    Mixed,
}

/// Tells whether a text stands in the file for everybody to read.
pub(super) fn standing(text: &str) -> Standing {
    let Ok(parts) = parts(text) else { return Standing::Mixed };
    let is_text = |part: &Part<'_>| match part {
        Part::Text(text) => !text.is_empty(),
        Part::Variable { default, .. } => default.is_some_and(|default| !default.is_empty()),
        Part::File(_) | Part::Secret(_) => false,
    };
    let stands_for = |part: &Part<'_>| !matches!(part, Part::Text(_));
    if !parts.iter().any(is_text) {
        return Standing::Elsewhere;
    }
    if parts.iter().any(stands_for) {
        return Standing::Mixed;
    }
    let mut whole = Zeroizing::new(String::new());
    parts.iter().for_each(|part| {
        if let Part::Text(text) = part {
            push(&mut whole, text)
        }
    });
    Standing::Plain(whole)
}

/// A file's text without the line ends after it.
fn read_small(path: &Path) -> Result<String, String> {
    let in_words = |fault: std::io::Error| fault.to_string();
    // A pipe or a device could keep us waiting for ever.
    if !std::fs::metadata(path).map_err(in_words)?.is_file() {
        return Err("it is no regular file".to_owned());
    }
    let mut bytes = Vec::new();
    File::open(path).and_then(|file| file.take(VALUE_LIMIT as u64 + 1).read_to_end(&mut bytes)).map_err(in_words)?;
    if bytes.len() > VALUE_LIMIT {
        return Err(format!("it is larger than {} KiB", VALUE_LIMIT / 1024));
    }
    let mut text = String::from_utf8(bytes).map_err(|_| "it is no text in UTF-8".to_owned())?;
    text.truncate(text.trim_end_matches(['\r', '\n']).len());
    Ok(text)
}

/// A piece of a value.
#[derive(Debug, PartialEq, Eq)]
enum Part<'t> {
    Text(&'t str),
    Variable { name: &'t str, default: Option<&'t str> },
    File(&'t str),
    Secret(&'t str),
}

fn parts(text: &str) -> Result<Vec<Part<'_>>, String> {
    let mut parts = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find("${") {
        if let Some(before) = rest[..at].strip_suffix('$') {
            parts.extend([Part::Text(before), Part::Text("${")]);
            rest = &rest[at + 2..];
            continue;
        }
        parts.push(Part::Text(&rest[..at]));
        let inner = &rest[at + 2..];
        let Some(end) = inner.find('}') else {
            return Err("has a `${` without its `}`; a literal `${` is written `$${`".to_owned());
        };
        parts.push(placeholder(&inner[..end])?);
        rest = &inner[end + 1..];
    }
    parts.push(Part::Text(rest));
    Ok(parts)
}

/// What stands between the braces.
fn placeholder(inner: &str) -> Result<Part<'_>, String> {
    if let Some(path) = inner.strip_prefix("file:") {
        return if path.is_empty() { Err("names no file in `${file:}`".to_owned()) } else { Ok(Part::File(path)) };
    }
    if let Some(name) = inner.strip_prefix("secret:") {
        return if name.is_empty() {
            Err("names no secret in `${secret:}`".to_owned())
        } else {
            Ok(Part::Secret(name))
        };
    }
    let (name, default) = match inner.split_once(":-") {
        Some((name, default)) => (name, Some(default)),
        None => (inner, None),
    };
    let is_name = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    if !is_name {
        let forms = "`${VAR}`, `${VAR:-default}`, `${file:PATH}`, `${secret:NAME}`; a literal `${` is written `$${`";
        return Err(format!("has {} in `${{…}}`, which is no name of a variable; allowed: {forms}", quoted(inner)));
    }
    if default.is_some_and(|default| default.contains("${")) {
        return Err(format!("has a `${{…}}` inside the default of `{name}`, which is not possible"));
    }
    Ok(Part::Variable { name, default })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::MemoryVault;

    fn expand(text: &str) -> Result<(String, Origin), ExpandFault> {
        let folder = tempfile::tempdir().expect("folder");
        std::fs::write(folder.path().join("pw"), "from file\r\n\n").expect("write");
        std::fs::write(folder.path().join("big"), vec![b'x'; VALUE_LIMIT + 1]).expect("write");
        std::fs::write(folder.path().join("bytes"), b"\xff").expect("write");
        let vault = MemoryVault::default();
        vault.set("token", "hunter2".to_owned().into()).expect("set");
        let vars = [("A", "1"), ("EMPTY", "")].into_iter().collect();
        let mut expander = Expander::new(&vars, &vault, folder.path());
        expander.expand(text).map(|expanded| (expanded.text.into_owned(), expanded.origin))
    }

    fn value(text: &str) -> (String, Origin) {
        expand(text).expect("expands")
    }

    #[test]
    fn every_form_gives_its_value() {
        assert_eq!(value("cost $5 {x} $A"), ("cost $5 {x} $A".into(), Origin::Written));
        assert_eq!(value("a${A}b${A}"), ("a1b1".into(), Origin::Variable));
        assert_eq!(value("${B:-x y}${EMPTY:-z}${A:-no}"), ("x yz1".into(), Origin::Variable));
        assert_eq!(value("${EMPTY}${B:-}"), (String::new(), Origin::Variable));
        assert_eq!(value("$${A} $$${A} ${A}"), ("${A} $${A} 1".into(), Origin::Variable));
        assert_eq!(value("<${file:pw}>"), ("<from file>".into(), Origin::Hidden));
        assert_eq!(value("Bearer ${secret:token}${A}"), ("Bearer hunter21".into(), Origin::Hidden));
    }

    #[test]
    fn what_is_not_there_is_missing() {
        for (text, reason) in [
            ("${B}", "the environment variable `B` is not set"),
            ("${file:nowhere}", "the file `nowhere` cannot be used: No such file"),
            ("${file:.}", "the file `.` cannot be used: it is no regular file"),
            ("${file:big}", "the file `big` cannot be used: it is larger than 64 KiB"),
            ("${file:bytes}", "the file `bytes` cannot be used: it is no text"),
            ("${secret:other}", "the vault holds no secret named `other`"),
        ] {
            match expand(text) {
                Err(ExpandFault::Missing(why)) => assert!(why.starts_with(reason), "{why}"),
                other => panic!("{text}: {:?}", other.map(|o| o.0)),
            }
        }
    }

    #[test]
    fn what_is_hidden_is_shown_nowhere() {
        let shows = |text: &str, is_address: bool| {
            let vault = MemoryVault::default();
            vault.set("token", "hunter2".to_owned().into()).expect("set");
            vault.set("path", "u:1/hunter2".to_owned().into()).expect("set");
            vault.set("mark", "hunter#2".to_owned().into()).expect("set");
            vault.set("query", "?hunter2".to_owned().into()).expect("set");
            vault.set("user", "u:hunter2@".to_owned().into()).expect("set");
            let vars = [("HOST", "h"), ("SLASH", "/")].into_iter().collect();
            Expander::new(&vars, &vault, Path::new(".")).shows_hidden(text, is_address)
        };
        for text in [
            "http://h/",
            "${HOST}@",
            "http://h/$${secret:token}",
            "http://u:${secret:token}@h/a@b",
            "https://${secret:token}${HOST}:${secret:token}@${HOST}/?a",
            "http://u:${secret:missing}@h/",
            "http://h?token=${secret:token}&to=a@b",
            "http://h/?token=${secret:missing}",
            "http://h/?token=${secret:path}#x",
            "http://u:${secret:token}@h/a?key=${secret:token}",
            // A file may hold a host as well; only the vault is for secrets alone.
            "http://u:${file:pw}@h/${file:pw}",
        ] {
            assert!(!shows(text, true), "{text}");
        }
        for text in [
            "${secret:token}",
            "${secret:token}://u@h/",
            "http://${secret:token}/",
            "http://u@${secret:token}/",
            "http://h/${secret:token}",
            "http://h/#${secret:token}",
            "http://h/?token=${secret:mark}",
            "http://h${secret:query}",
            "http://${secret:user}h/",
            "http://${secret:path}@h/",
            "http://u:${secret:token}${SLASH}@h/",
            "http://u:${secret:token}/@h/",
        ] {
            assert!(shows(text, true), "{text}");
        }
        assert!(shows("http://u:${secret:token}@h/", false), "only an address has user information");
    }

    #[test]
    fn what_is_written_wrongly_is_wrong() {
        for text in ["${A", "${}", "${1A}", "${a b}", "${file:}", "${secret:}", "${B:-${A}}", "${$A}"] {
            assert!(matches!(expand(text), Err(ExpandFault::Wrong(_))), "{text}");
            assert!(check_syntax(text).is_err(), "{text}");
        }
        assert!(matches!(expand(&"${file:pw}".repeat(8_000)), Err(ExpandFault::Wrong(_))));
    }
}
