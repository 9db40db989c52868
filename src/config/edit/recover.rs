//! Puts a file right that was being written over when the program was killed. While that goes on, the folder of the
//! versions holds what the file held and what it was to hold, so that a mixture of both can be told from the work of
//! somebody else.

use std::io;
use std::path::Path;

use super::swap::write_over;
use super::versions::{Version, Versions};

/// What the file was to hold.
const NEW: &str = "overwriting.new";
/// Name of the version that it held.
const OLD: &str = "overwriting.old";

/// Notes that a file is about to be written over.
pub(super) fn mark(versions: &Versions, before: &Version, new: &[u8]) -> io::Result<()> {
    versions.write(NEW, new)?;
    versions.write(OLD, before.name.as_bytes())
}

/// Notes that it is done, or written back.
pub(super) fn unmark(versions: &Versions) -> io::Result<()> {
    // The name first: without it the other is nothing.
    versions.remove(OLD)?;
    versions.remove(NEW)
}

/// Whether there is something to look after.
pub(super) fn is_marked(versions: &Versions) -> bool {
    versions.folder().join(OLD).exists()
}

/// Gives a file back what it held where it is neither that nor what was to come, but a mixture. Tells whether it did.
pub(super) fn recover(versions: &Versions, file: &Path) -> io::Result<bool> {
    let Some(name) = versions.noted(OLD)? else { return Ok(false) };
    let new = versions.noted(NEW)?.unwrap_or_default();
    // Where either is gone since, somebody took care of it.
    let read = versions.read(&String::from_utf8_lossy(&name)).and_then(|old| Ok((old, std::fs::read(file)?)));
    let (old, content) = match read {
        Ok(read) => read,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            unmark(versions)?;
            return Ok(false);
        }
        Err(error) => return Err(error),
    };
    let is_torn = is_mixture(&content, &old, &new);
    if is_torn {
        write_over(file, &old)?;
    }
    unmark(versions)?;
    Ok(is_torn)
}

/// Whether the first of the new bytes stand before the last of the old ones.
fn is_mixture(content: &[u8], old: &[u8], new: &[u8]) -> bool {
    let changed = content.iter().zip(new).take_while(|(one, other)| one == other).count();
    let rest = old.get(changed..).unwrap_or_default();
    content != old && content != new && content[changed..] == *rest
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::model::UnixMicros;

    #[test]
    fn every_mixture_is_put_right_and_nothing_else() {
        let folder = tempfile::tempdir().expect("a folder");
        let (versions, file) = (Versions::new(folder.path()), folder.path().join("config.yml"));
        let _lock = versions.lock().expect("locks");
        for (old, new) in [("old: 1\nlonger: 2\n", "old: 22\n"), ("old: 1\n", "# new\nold: 1\nlonger: 22\n")] {
            let before = versions.keep(old.as_bytes(), UnixMicros::new(1_700_000_000_000_000)).expect("keeps");
            let mut torn: Vec<String> = (0..=new.len())
                .map(|at| format!("{}{}", &new[..at], old.get(at..).unwrap_or_default()))
                .filter(|text| text != old && text != new)
                .collect();
            torn.dedup();
            assert!(torn.len() > 1);
            for (text, expected) in torn.iter().map(|text| (text.as_str(), old)).chain([
                (old, old),
                (new, new),
                ("# theirs\n", "# theirs\n"),
            ]) {
                mark(&versions, &before, new.as_bytes()).expect("marks");
                fs::write(&file, text).expect("written");
                assert_eq!(recover(&versions, &file).expect("recovers"), text != expected);
                assert_eq!(fs::read_to_string(&file).expect("is there"), expected);
                assert!(!is_marked(&versions) && !recover(&versions, &file).expect("nothing to do"));
            }
        }
    }
}
