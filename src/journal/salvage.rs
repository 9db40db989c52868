//! Sets a damaged segment aside and keeps what is good in it.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use super::error::JournalError;
use super::segment::{self, Run};

/// What was found damaged, and what became of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damage {
    /// The damaged segment.
    pub segment: PathBuf,
    /// What is wrong with it.
    pub what: String,
    /// Where it is kept now; none where it was left in place.
    pub set_aside: Option<PathBuf>,
    /// Rows that are still good and go on being read.
    pub rows_kept: u64,
    /// Bytes that are no good rows.
    pub bytes_lost: u64,
}

/// Keeps a segment's file under a new name and puts what is good in it in its place, in as many segments as there
/// are runs. A crash at any moment leaves the damaged segment or its parts, so that it can be done again.
pub(super) fn set_aside(folder: &Path, first: u64) -> Result<Damage, JournalError> {
    let original = segment::path(folder, first);
    let bytes = fs::read(&original).map_err(JournalError::of("read", &original))?;
    let (what, runs) = match segment::header_fault(&bytes, first) {
        Some(fault) => (fault.to_owned(), Vec::new()),
        None => ("a record in it is damaged".to_owned(), segment::examine(&bytes, first)),
    };
    let runs: Vec<Run> = runs.into_iter().filter(|run| run.from < run.to).collect();
    let kept = keep_under_new_name(&original).map_err(JournalError::of("set aside", &original))?;
    let fail = |error| JournalError::of("salvage", &original)(error);
    let mut replaced = false;
    // The first part takes the original's place, so it comes last.
    for run in runs.iter().rev() {
        let part = segment::path(folder, run.first);
        write_part(&part, run, &bytes).map_err(fail)?;
        replaced |= run.first == first;
    }
    if !replaced {
        fs::remove_file(&original).map_err(JournalError::of("set aside", &original))?;
    }
    sync_folder(folder)?;
    let bytes_kept: usize = runs.iter().map(|run| run.to - run.from).sum();
    Ok(Damage {
        segment: original,
        what,
        set_aside: Some(kept),
        rows_kept: runs.iter().map(|run| run.next - run.first).sum(),
        bytes_lost: (bytes.len() - bytes_kept).saturating_sub(segment::HEADER) as u64,
    })
}

fn write_part(path: &Path, run: &Run, bytes: &[u8]) -> io::Result<()> {
    let temporary = path.with_extension("part");
    let mut file = File::create(&temporary)?;
    file.write_all(&segment::header(run.first))?;
    file.write_all(&bytes[run.from..run.to])?;
    file.sync_all()?;
    fs::rename(&temporary, path)
}

/// Gives a file a second name that nobody has yet: `NAME.corrupt-1`. The first name stays until it is replaced.
fn keep_under_new_name(original: &Path) -> io::Result<PathBuf> {
    let name = original.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let mut number = 1_u32;
    loop {
        let kept = original.with_file_name(format!("{name}.corrupt-{number}"));
        match fs::hard_link(original, &kept) {
            Ok(()) => return Ok(kept),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => number += 1,
            // A file system without hard links.
            Err(error) if error.kind() == io::ErrorKind::Unsupported => {
                fs::copy(original, &kept)?;
                return Ok(kept);
            }
            Err(error) => return Err(error),
        }
    }
}

/// Makes names in a folder durable.
pub(super) fn sync_folder(folder: &Path) -> Result<(), JournalError> {
    // Elsewhere a folder cannot be opened as a file, and names are durable by themselves.
    if cfg!(unix) {
        File::open(folder).and_then(|folder| folder.sync_all()).map_err(JournalError::of("sync", folder))?;
    }
    Ok(())
}
