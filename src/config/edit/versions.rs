//! What the file held before, in the data folder: the last twenty contents, and which one the last save replaced.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::swap::{private, sync_folder};
use crate::model::UnixMicros;

/// How many are kept.
const KEPT: usize = 20;

/// How a file is named by its time, in UTC.
const NAME: &str = "%Y%m%dT%H%M%S%.6fZ";

/// What the file held once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Version {
    /// Its name, for asking for it.
    pub name: String,
    /// When it was replaced.
    pub until: UnixMicros,
    /// Bytes.
    pub size: u64,
}

/// The last save of ours.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct LastSave {
    /// Name of the version that it replaced.
    pub(super) before: String,
    /// What it wrote; see [`fingerprint`].
    pub(super) after: Uuid,
}

/// Tells a content from all others, also in later versions of the program.
pub(super) fn fingerprint(bytes: &[u8]) -> Uuid {
    Uuid::new_v5(&Uuid::NAMESPACE_URL, bytes)
}

/// The folder `versions` in the data folder.
#[derive(Debug)]
pub(super) struct Versions {
    folder: PathBuf,
}

impl Versions {
    pub(super) fn new(data_dir: &Path) -> Self {
        Self { folder: data_dir.join("versions") }
    }

    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Waits until no other writer is at work, and keeps others out until what is given is dropped.
    pub(super) fn lock(&self) -> io::Result<File> {
        let mut builder = fs::DirBuilder::new();
        builder.recursive(true);
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        builder.create(&self.folder)?;
        let mut options = OpenOptions::new();
        let file = private(options.write(true).create(true).truncate(false)).open(self.folder.join("lock"))?;
        file.lock()?;
        Ok(file)
    }

    /// Keeps a content; one that is the newest already is not kept twice.
    pub(super) fn keep(&self, bytes: &[u8], now: UnixMicros) -> io::Result<Version> {
        let kept = self.list()?;
        if let Some(newest) = kept.first()
            && self.read(&newest.name)? == bytes
        {
            return Ok(newest.clone());
        }
        // Also where the clock was set back, the newest is the last one.
        let until = kept.first().map_or(now, |newest| now.max(newest.until.plus_us(1)));
        let name = format!("{}.yml", until.timestamp().strftime(NAME));
        self.write(&name, bytes)?;
        Ok(Version { name, until, size: bytes.len() as u64 })
    }

    /// Removes what is older than the last twenty.
    pub(super) fn prune(&self) -> io::Result<()> {
        for old in self.list()?.iter().skip(KEPT) {
            fs::remove_file(self.folder.join(&old.name))?;
        }
        Ok(())
    }

    /// All that are kept, newest first.
    pub(super) fn list(&self) -> io::Result<Vec<Version>> {
        let entries = match fs::read_dir(&self.folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries?,
        };
        let mut versions = Vec::new();
        for entry in entries {
            let entry = entry?;
            let Some(name) = entry.file_name().to_str().map(str::to_owned) else { continue };
            if let Some(until) = time_of(&name) {
                versions.push(Version { name, until, size: entry.metadata()?.len() });
            }
        }
        versions.sort_by(|one, other| other.name.cmp(&one.name));
        Ok(versions)
    }

    /// The content of a version. A name that is none of ours is not found.
    pub(super) fn read(&self, name: &str) -> io::Result<Vec<u8>> {
        time_of(name).ok_or(io::ErrorKind::NotFound)?;
        fs::read(self.folder.join(name))
    }

    pub(super) fn last_save(&self) -> io::Result<Option<LastSave>> {
        // One that cannot be read is as good as none: then nothing can be undone, and all can be restored.
        Ok(self.noted("last-save.json")?.and_then(|bytes| serde_json::from_slice(&bytes).ok()))
    }

    pub(super) fn set_last_save(&self, last: &LastSave) -> io::Result<()> {
        self.write("last-save.json", &serde_json::to_vec(last)?)
    }

    /// A note beside the versions; none where there is none.
    pub(super) fn noted(&self, name: &str) -> io::Result<Option<Vec<u8>>> {
        match fs::read(self.folder.join(name)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            read => read.map(Some),
        }
    }

    pub(super) fn remove(&self, name: &str) -> io::Result<()> {
        match fs::remove_file(self.folder.join(name)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            removed => removed,
        }
    }

    pub(super) fn write(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        let temporary = self.folder.join("writing");
        let written = (|| {
            let mut options = OpenOptions::new();
            let mut file = private(options.write(true).create(true).truncate(true)).open(&temporary)?;
            file.write_all(bytes)?;
            file.sync_all()?;
            fs::rename(&temporary, self.folder.join(name))
        })();
        if written.is_err() {
            let _ = fs::remove_file(&temporary);
        }
        written.and_then(|()| sync_folder(&self.folder))
    }
}

/// The time in the name of a version; none where it is no such name.
fn time_of(name: &str) -> Option<UnixMicros> {
    let time = jiff::fmt::strtime::parse("%Y%m%dT%H%M%S%.fZ", name.strip_suffix(".yml")?).ok()?;
    let time = TimeZone::UTC.to_timestamp(time.to_datetime().ok()?).ok()?;
    Some(UnixMicros::new(time.as_microsecond()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_twenty_are_kept_by_time() {
        let folder = tempfile::tempdir().expect("a folder");
        let versions = Versions::new(folder.path());
        assert_eq!(versions.list().expect("lists"), []);
        let _lock = versions.lock().expect("locks");
        for number in 0..30_i64 {
            // The clock stands still at first, and is set back at last.
            let now = UnixMicros::new(1_700_000_000_000_000 + if number == 29 { -5 } else { number / 2 });
            versions.keep(format!("{number}").as_bytes(), now).expect("keeps");
            versions.keep(format!("{number}").as_bytes(), now).expect("keeps");
            versions.prune().expect("prunes");
        }
        let list = versions.list().expect("lists");
        let contents: Vec<_> =
            list.iter().map(|v| String::from_utf8(versions.read(&v.name).expect("reads")).expect("text")).collect();
        assert_eq!(contents, (10..30).rev().map(|number| number.to_string()).collect::<Vec<_>>());
        assert!(list[0].name.starts_with("20231114T221320."), "{}", list[0].name);
        assert!(list.windows(2).all(|pair| pair[0].until > pair[1].until));
        #[cfg(unix)]
        for entry in fs::read_dir(versions.folder()).expect("a folder").flatten() {
            let mode = std::os::unix::fs::PermissionsExt::mode(&entry.metadata().expect("is there").permissions());
            assert_eq!(mode & 0o777, 0o600, "{:?}", entry.path());
        }
        for name in ["../state.hms", "lock", "20231114T221320.yml/..", ""] {
            assert_eq!(versions.read(name).expect_err("refused").kind(), io::ErrorKind::NotFound, "{name}");
        }
    }
}
