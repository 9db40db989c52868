//! Notices that the file changed, by asking for its size and times once a second. That works for editors that write in
//! place, for those that put a new file under the name, and for a single file that is mounted into a container.

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use super::source::{content_hash, read};

/// From one look to the next.
const POLL: Duration = Duration::from_secs(1);

/// How long the file must stand still before it is read.
const SETTLE: Duration = Duration::from_millis(300);

/// What a look at the file sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stamp {
    modified: Option<SystemTime>,
    size: u64,
    /// Device and number of the file, where the system has them.
    identity: (u64, u64),
}

impl Stamp {
    fn of(path: &Path) -> Option<Self> {
        // Follows links, so that a link that is turned to another file is seen.
        let metadata = std::fs::metadata(path).ok()?;
        #[cfg(unix)]
        let identity = {
            use std::os::unix::fs::MetadataExt;
            (metadata.dev(), metadata.ino())
        };
        #[cfg(not(unix))]
        let identity = (0, 0);
        Some(Self { modified: metadata.modified().ok(), size: metadata.len(), identity })
    }
}

/// Watches one file.
#[derive(Debug)]
pub struct FileWatch {
    path: PathBuf,
    seen: Option<Stamp>,
    hash: u64,
    poll: Duration,
    settle: Duration,
}

impl FileWatch {
    /// Watches a file whose content as known has this hash (see [`content_hash`]). The first look counts as a change,
    /// so that nothing that was written in between is missed.
    #[must_use]
    pub fn new(path: impl Into<PathBuf>, hash: u64) -> Self {
        Self { path: path.into(), seen: None, hash, poll: POLL, settle: SETTLE }
    }

    /// Waits until the file has another content and stands still, and gives that content. May be dropped and called
    /// again. A file that is gone or cannot be read is no change; the log says so once.
    pub async fn changed(&mut self) -> Vec<u8> {
        let mut told = false;
        loop {
            tokio::time::sleep(self.poll).await;
            let Some(stamp) = self.settled().await else {
                if !told {
                    tracing::warn!(path = %self.path.display(), "the configuration file is gone; what was read last stays in force");
                    told = true;
                }
                continue;
            };
            if self.seen == Some(stamp) {
                continue;
            }
            match read(&self.path) {
                Ok(bytes) => {
                    self.seen = Some(stamp);
                    told = false;
                    let hash = content_hash(&bytes);
                    if hash != std::mem::replace(&mut self.hash, hash) {
                        return bytes;
                    }
                }
                Err(error) if !told => {
                    tracing::warn!(path = %self.path.display(), %error, "the configuration file cannot be read; what was read last stays in force");
                    told = true;
                }
                Err(_) => {}
            }
        }
    }

    /// The file's stamp once it is the one seen, or the same at two looks; none when it is gone.
    async fn settled(&self) -> Option<Stamp> {
        let mut stamp = Stamp::of(&self.path);
        while stamp.is_none() || stamp != self.seen {
            tokio::time::sleep(self.settle).await;
            let again = Stamp::of(&self.path);
            if again == stamp {
                break;
            }
            stamp = again;
        }
        stamp
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn quick(path: &Path, known: &[u8]) -> FileWatch {
        let (poll, settle) = (Duration::from_millis(10), Duration::from_millis(10));
        FileWatch { poll, settle, ..FileWatch::new(path, content_hash(known)) }
    }

    async fn next(watch: &mut FileWatch) -> String {
        let bytes = tokio::time::timeout(Duration::from_secs(30), watch.changed()).await.expect("a change is seen");
        String::from_utf8(bytes).expect("text")
    }

    #[tokio::test]
    async fn every_way_of_writing_is_seen() {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("config.yml");
        fs::write(&path, "one").expect("write");
        let mut watch = quick(&path, b"one");

        fs::write(&path, "two, in place").expect("write");
        assert_eq!(next(&mut watch).await, "two, in place");

        let beside = folder.path().join("config.yml.new");
        fs::write(&beside, "three").expect("write");
        fs::rename(&beside, &path).expect("rename");
        assert_eq!(next(&mut watch).await, "three");

        fs::remove_file(&path).expect("remove");
        fs::write(&path, "four").expect("write");
        assert_eq!(next(&mut watch).await, "four");
    }

    #[cfg(unix)]
    #[tokio::test]
    async fn a_link_that_turns_to_another_file_is_seen() {
        let folder = tempfile::tempdir().expect("folder");
        let (path, other) = (folder.path().join("config.yml"), folder.path().join("new"));
        for name in ["a", "b"] {
            fs::write(folder.path().join(name), name).expect("write");
        }
        std::os::unix::fs::symlink("a", &path).expect("link");
        let mut watch = quick(&path, b"a");
        std::os::unix::fs::symlink("b", &other).expect("link");
        fs::rename(&other, &path).expect("rename");
        assert_eq!(next(&mut watch).await, "b");
    }

    #[tokio::test]
    async fn the_same_content_is_no_change() {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("config.yml");
        fs::write(&path, "same").expect("write");
        let mut watch = quick(&path, b"same");
        let mut changed = std::pin::pin!(watch.changed());
        let early = tokio::time::timeout(Duration::from_millis(200), &mut changed).await;
        assert!(early.is_err(), "nothing changed");
        fs::write(&path, "other").expect("write");
        let bytes = tokio::time::timeout(Duration::from_secs(30), changed).await.expect("a change is seen");
        assert_eq!(bytes, b"other");
    }
}
