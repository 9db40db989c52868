//! Puts new content into a file so that at every moment a whole one is there: the old or the new.
//!
//! The usual way is a file beside it that takes its place, with its mode and its owner. Where that cannot be (a single
//! file that is mounted into a container, a folder or an owner that is not ours), the file itself is written over, with
//! the space for it taken first, and written back when that fails.

use std::ffi::OsString;
use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, Seek, Write};
use std::path::{Path, PathBuf};

/// How the content came into the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// A new file took the place of the old one: nobody ever saw half of it.
    Replaced,
    /// The file was written over. A kill in that moment leaves a mixture, which [`super::ConfigFile::recover`] puts
    /// right.
    InPlace,
}

/// What has just been done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// The new file is there, and empty.
    Made,
    /// It is whole and on the disk. Nothing may go wrong after this but the last step itself.
    Written,
    /// It has the name.
    Renamed,
    /// The file itself is about to be written over.
    Reserved,
    /// It is written over, and not yet on the disk.
    Overwritten,
}

/// Is told each step and may stop it there.
pub(super) type Observer<'o> = dyn FnMut(Step) -> io::Result<()> + 'o;

/// What a leftover of ours ends with.
const TEMPORARY: &str = ".hallmonitor-tmp";

/// Why the new content is not there.
#[derive(Debug)]
pub(super) enum Fault {
    /// The file is as it was.
    Untouched(io::Error),
    /// The file was being written over, and could not be written back.
    Torn(io::Error),
}

impl From<io::Error> for Fault {
    fn from(error: io::Error) -> Self {
        Self::Untouched(error)
    }
}

/// Gives a file new content. `old` is what it holds now; none where it is not there. `tag` tells this writer from
/// others at the same time.
pub(super) fn swap(
    file: &Path,
    old: Option<&[u8]>,
    new: &[u8],
    tag: &str,
    observer: &mut Observer<'_>,
) -> Result<Way, Fault> {
    remove_leftovers(file);
    match replace(file, new, tag, observer) {
        Ok(()) => Ok(Way::Replaced),
        Err(Stop::Fault(error)) => Err(Fault::Untouched(error)),
        Err(Stop::Blocked(error)) => match old {
            Some(old) => overwrite(file, old, new, observer).map(|()| Way::InPlace),
            None => Err(Fault::Untouched(error)),
        },
    }
}

/// The file that a name stands for, through links, also where the last one leads to nothing.
pub(super) fn resolve(path: &Path) -> PathBuf {
    let mut path = path.to_owned();
    // As many links as the system follows.
    for _ in 0..40 {
        if let Ok(whole) = fs::canonicalize(&path) {
            return whole;
        }
        match fs::read_link(&path) {
            Ok(target) => path = path.parent().unwrap_or(Path::new("")).join(target),
            Err(_) => break,
        }
    }
    path
}

/// Why a file did not take the place of another.
enum Stop {
    /// It cannot be here at all; writing over may do.
    Blocked(io::Error),
    Fault(io::Error),
}

impl Stop {
    /// A fault of the folder, or of the name in it.
    fn of(error: io::Error) -> Self {
        use io::ErrorKind::{CrossesDevices, PermissionDenied, ReadOnlyFilesystem, ResourceBusy};
        match error.kind() {
            CrossesDevices | PermissionDenied | ReadOnlyFilesystem | ResourceBusy => Self::Blocked(error),
            _ => Self::Fault(error),
        }
    }
}

fn folder_of(file: &Path) -> &Path {
    file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

fn replace(file: &Path, new: &[u8], tag: &str, observer: &mut Observer<'_>) -> Result<(), Stop> {
    let mut name = leftover_start(file);
    name.push(format!("{tag}{TEMPORARY}"));
    let temporary = folder_of(file).join(name);
    let held = private(OpenOptions::new().write(true).create_new(true)).open(&temporary).map_err(Stop::of)?;
    let done = fill_and_rename(held, &temporary, file, new, observer);
    if done.is_err() {
        // Gone already where the rename was the last thing done.
        let _ = fs::remove_file(&temporary);
    }
    done
}

fn fill_and_rename(
    mut held: File,
    temporary: &Path,
    file: &Path,
    new: &[u8],
    observer: &mut Observer<'_>,
) -> Result<(), Stop> {
    observer(Step::Made).map_err(Stop::Fault)?;
    held.write_all(new).map_err(Stop::Fault)?;
    if let Ok(metadata) = fs::metadata(file) {
        // Whose owner we may not give away stays with the file itself.
        keep_owner_and_mode(&held, &metadata).map_err(Stop::Blocked)?;
    }
    held.sync_all().map_err(Stop::Fault)?;
    drop(held);
    observer(Step::Written).map_err(Stop::Fault)?;
    fs::rename(temporary, file).map_err(Stop::of)?;
    // From here on the new content is there: what fails now can only be told.
    if let Err(error) = observer(Step::Renamed).and_then(|()| sync_folder(folder_of(file))) {
        tracing::warn!(file = %file.display(), %error, "the folder of the configuration cannot be brought to the disk");
    }
    Ok(())
}

/// Options for a file that is for its owner alone.
pub(super) fn private(options: &mut OpenOptions) -> &mut OpenOptions {
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(options, 0o600);
    options
}

#[cfg(unix)]
fn keep_owner_and_mode(held: &File, old: &Metadata) -> io::Result<()> {
    use std::os::unix::fs::MetadataExt;
    let own = held.metadata()?;
    if (own.uid(), own.gid()) != (old.uid(), old.gid()) {
        std::os::unix::fs::fchown(held, Some(old.uid()), Some(old.gid()))?;
    }
    // After the owner, as a change of that clears bits of the mode.
    held.set_permissions(old.permissions())
}

#[cfg(not(unix))]
fn keep_owner_and_mode(_held: &File, _old: &Metadata) -> io::Result<()> {
    Ok(())
}

pub(super) fn sync_folder(folder: &Path) -> io::Result<()> {
    #[cfg(unix)]
    File::open(folder)?.sync_all()?;
    #[cfg(not(unix))]
    let _ = folder;
    Ok(())
}

/// Writes over a file without cutting it first, so that it is never empty, and back again when that fails.
fn overwrite(file: &Path, old: &[u8], new: &[u8], observer: &mut Observer<'_>) -> Result<(), Fault> {
    let mut held = OpenOptions::new().write(true).open(file)?;
    reserve(&held, new.len())?;
    observer(Step::Reserved)?;
    let written = fill(&mut held, new).and_then(|()| observer(Step::Overwritten)).and_then(|()| held.sync_all());
    let Err(error) = written else { return Ok(()) };
    match fill(&mut held, old).and_then(|()| held.sync_all()) {
        Ok(()) => Err(Fault::Untouched(error)),
        Err(_) => Err(Fault::Torn(error)),
    }
}

/// Writes over a file that is there, and brings it to the disk.
pub(super) fn write_over(file: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut held = OpenOptions::new().write(true).open(file)?;
    fill(&mut held, bytes)?;
    held.sync_all()
}

fn fill(held: &mut File, bytes: &[u8]) -> io::Result<()> {
    held.rewind()?;
    held.write_all(bytes)?;
    held.set_len(bytes.len() as u64)
}

/// Takes the space for that many bytes, where the file system can.
#[cfg(target_os = "linux")]
fn reserve(held: &File, length: usize) -> io::Result<()> {
    use rustix::fs::{FallocateFlags, fallocate};
    use rustix::io::Errno;
    match fallocate(held, FallocateFlags::KEEP_SIZE, 0, length as u64) {
        Err(Errno::OPNOTSUPP | Errno::NOSYS | Errno::INVAL) | Ok(()) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

#[cfg(not(target_os = "linux"))]
fn reserve(_held: &File, _length: usize) -> io::Result<()> {
    Ok(())
}

fn leftover_start(file: &Path) -> OsString {
    let mut name = OsString::from(".");
    name.push(file.file_name().unwrap_or_default());
    name.push(".");
    name
}

/// Removes what a writer left that was killed. One that is at work just now fails then, and leaves the file as it is.
fn remove_leftovers(file: &Path) {
    let start = leftover_start(file).to_string_lossy().into_owned();
    let Ok(entries) = fs::read_dir(folder_of(file)) else { return };
    for entry in entries.flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let tag = name.strip_prefix(&start).and_then(|rest| rest.strip_suffix(TEMPORARY));
        if tag.is_some_and(|tag| tag.chars().all(|c| c.is_ascii_digit() || c == '-')) {
            let _ = fs::remove_file(entry.path());
        }
    }
}

#[cfg(test)]
#[path = "swap_tests.rs"]
mod tests;
