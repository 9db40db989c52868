//! The sealed files of a folder: which there are, in the order of their periods.

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use tracing::{error, warn};

use super::fault::{Fault, Outcome};
use super::sealed::{Entry, Family, Indexes, Name, SealedError, SealedFile, SealedWriter, is_unfinished, salvage};
use crate::model::{MonitorId, UnixMicros};
use crate::storage::StoreErrorKind;

/// The files at one moment, by family, oldest first, at most one a period.
pub(super) type Files = Arc<Vec<Arc<SealedFile>>>;

/// All sealed files of a folder.
#[derive(Debug)]
pub(super) struct Shelf {
    folder: PathBuf,
    files: RwLock<Files>,
    indexes: Indexes,
    /// The greatest sequence that was ever given here: indexes are remembered by it, also of files that are gone.
    given: AtomicU64,
}

impl Shelf {
    /// Opens what is there. What was never finished, or is replaced, is removed; a damaged file is kept aside, and what
    /// can be read of it, and counts of a monitor in a file of its sequence, takes its place.
    pub(super) fn open(folder: &Path, counts: impl Fn(MonitorId, u64) -> bool, now: UnixMicros) -> Outcome<Self> {
        let mut found: Vec<(Name, PathBuf)> = Vec::new();
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            let name = entry.file_name().to_string_lossy().into_owned();
            if is_unfinished(&name) {
                fs::remove_file(entry.path())?;
            } else if let Some(name) = Name::parse(&name) {
                found.push((name, entry.path()));
            }
        }
        // The greatest first: of the files of a period that one counts.
        found.sort_unstable_by_key(|(name, _)| std::cmp::Reverse(name.sequence));
        let mut next = found.first().map_or(1, |(name, _)| name.sequence + 1);
        let mut files: Vec<Arc<SealedFile>> = Vec::new();
        let mut seen = HashSet::new();
        for (name, path) in &found {
            let file = match SealedFile::open(path).and_then(|file| file.read_index().map(|_| file)) {
                Err(why) if why.damage().is_some() => {
                    // One that this was to replace is whole, and what it has not is still in the live file.
                    let older = |(other, _): &&(Name, PathBuf)| {
                        (other.family, other.period) == (name.family, name.period) && other.sequence < name.sequence
                    };
                    let is_only = found.iter().find(older).is_none();
                    let counts = |monitor| counts(monitor, name.sequence);
                    match mend(path, (*name, counts), &why, is_only.then_some(next), now)? {
                        Some(file) => file,
                        None => continue,
                    }
                }
                other => other?,
            };
            next = next.max(file.sequence + 1);
            if seen.insert((file.family, file.period.from)) {
                files.push(Arc::new(file));
            } else {
                fs::remove_file(file.path())?;
            }
        }
        files.sort_unstable_by_key(|file| (file.family, file.period.from));
        let (folder, files) = (folder.to_owned(), RwLock::new(Arc::new(files)));
        Ok(Self { folder, files, indexes: Indexes::default(), given: AtomicU64::new(next - 1) })
    }

    /// The folder.
    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// The files there are now. To be asked for after the live file's state was taken: what is sealed leaves the live
    /// file after it is here.
    pub(super) fn files(&self) -> Files {
        Arc::clone(&self.files.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// The index of a file.
    pub(super) fn index(&self, file: &SealedFile) -> Outcome<Arc<[Entry]>> {
        Ok(self.indexes.of(file)?)
    }

    /// Begins the next file of a period, with a sequence greater than `above` and all before. One file is begun at a time.
    pub(super) fn begin(&self, family: Family, from: UnixMicros, above: u64) -> Outcome<SealedWriter> {
        let sequence = self.given.fetch_max(above, Ordering::AcqRel).max(above) + 1;
        self.given.fetch_max(sequence, Ordering::AcqRel);
        Ok(SealedWriter::begin(&self.folder, family, from, sequence)?)
    }

    /// Puts a file on the shelf in the place of the one of its period. That one is kept aside, with the time in its name,
    /// where it has something that could not be read and is not in the new one.
    pub(super) fn put(&self, file: SealedFile, aside: Option<UnixMicros>) -> Arc<SealedFile> {
        let file = Arc::new(file);
        let key = |file: &Arc<SealedFile>| (file.family, file.period.from);
        let mut files = self.files.write().unwrap_or_else(PoisonError::into_inner);
        let (old, mut new): (Vec<_>, Vec<_>) = files.iter().cloned().partition(|other| key(other) == key(&file));
        new.insert(new.partition_point(|other| key(other) < key(&file)), Arc::clone(&file));
        *files = Arc::new(new);
        drop(files);
        for old in &old {
            match aside {
                Some(now) => keep_aside(old, now),
                None => unlink(old),
            }
        }
        file
    }

    /// Takes files off the shelf for good.
    pub(super) fn drop_files(&self, gone: impl Fn(&SealedFile) -> bool) -> Vec<Arc<SealedFile>> {
        let mut files = self.files.write().unwrap_or_else(PoisonError::into_inner);
        let (dropped, kept): (Vec<_>, Vec<_>) = files.iter().cloned().partition(|file| gone(file));
        *files = Arc::new(kept);
        drop(files);
        dropped.iter().for_each(|file| unlink(file));
        dropped
    }

    /// Every monitor with results in a file whose day ends at `until` or before.
    pub(super) fn monitors(&self, until: UnixMicros) -> Outcome<HashSet<MonitorId>> {
        let mut monitors = HashSet::new();
        for file in of_family(&self.files(), Family::Results).iter().filter(|file| file.period.to <= until) {
            match self.indexes.of(file) {
                Ok(index) => monitors.extend(index.iter().map(|entry| entry.monitor)),
                // It is mended when house is kept next.
                Err(why) if why.damage().is_some() => {}
                Err(why) => return Err(why.into()),
            }
        }
        Ok(monitors)
    }

    /// A file whose index can be read. One whose index cannot be read any more is kept aside, and what can be found in it
    /// of the monitors that are kept takes its place; none where that is nothing.
    pub(super) fn mended(
        &self,
        file: &Arc<SealedFile>,
        keeps: impl Fn(MonitorId) -> bool,
        now: UnixMicros,
    ) -> Outcome<Option<Arc<SealedFile>>> {
        let why = match self.indexes.of(file) {
            Ok(_) => return Ok(Some(Arc::clone(file))),
            Err(why) if why.damage().is_some() => why,
            Err(why) => return Err(why.into()),
        };
        let mut writer = self.begin(file.family, file.period.from, 0)?;
        let frames = salvage(file.path(), file.family)?;
        frames
            .iter()
            .filter(|(monitor, _)| keeps(*monitor))
            .try_for_each(|(monitor, frame)| writer.add(*monitor, frame))?;
        error!(file = %file.path().display(), frames = frames.len(), %why, "a sealed file is damaged");
        if !writer.is_empty() {
            return Ok(Some(self.put(writer.finish()?, Some(now))));
        }
        writer.abandon();
        let mut files = self.files.write().unwrap_or_else(PoisonError::into_inner);
        *files = Arc::new(files.iter().filter(|other| other.sequence != file.sequence).cloned().collect());
        drop(files);
        keep_aside(file, now);
        Ok(None)
    }
}

fn keep_aside(file: &SealedFile, now: UnixMicros) {
    let kept = super::file::free_name(file.path(), now);
    match fs::rename(file.path(), &kept) {
        Ok(()) => error!(kept = %kept.display(), "something of a sealed file is damaged: the file is kept aside"),
        Err(why) => warn!(file = %file.path().display(), %why, "a damaged sealed file cannot be kept aside"),
    }
}

fn unlink(file: &SealedFile) {
    if let Err(why) = fs::remove_file(file.path()) {
        // It is removed at the next start.
        warn!(file = %file.path().display(), %why, "a sealed file that is not needed cannot be removed");
    }
}

/// The files of one family, oldest first.
pub(super) fn of_family(files: &[Arc<SealedFile>], family: Family) -> &[Arc<SealedFile>] {
    let from = files.partition_point(|file| file.family < family);
    let to = files.partition_point(|file| file.family <= family);
    &files[from..to]
}

/// Keeps a damaged file aside and writes what can be read of it to one with this sequence; none where nothing can, or
/// where none is wanted.
fn mend(
    path: &Path,
    (name, counts): (Name, impl Fn(MonitorId) -> bool),
    why: &SealedError,
    sequence: Option<u64>,
    now: UnixMicros,
) -> Outcome<Option<SealedFile>> {
    let mut frames = salvage(path, name.family)?;
    if frames.is_empty() && matches!(why, SealedError::Io(_)) {
        // A disk of which nothing can be read may come back; a file that is not on the shelf would be written anew.
        let (file, place) = (path.display(), path.parent().unwrap_or(path).display());
        let what = format!("{file}: {why}; see to the disk, or move the file out of {place} to go on without it");
        return Err(Fault::new(StoreErrorKind::Unavailable, what));
    }
    frames.retain(|(monitor, _)| counts(*monitor));
    let kept = super::file::free_name(path, now);
    error!(kept = %kept.display(), frames = frames.len(), %why, "a sealed file is damaged: it is kept aside");
    let mended = match (path.parent(), sequence) {
        (Some(folder), Some(sequence)) if !frames.is_empty() => {
            let mut writer = SealedWriter::begin(folder, name.family, name.period.from, sequence)?;
            for (monitor, frame) in &frames {
                writer.add(*monitor, frame)?;
            }
            Some(writer.finish()?)
        }
        _ => None,
    };
    fs::rename(path, &kept)?;
    Ok(mended)
}
