//! One segment file: its name, its header, and what is good in its bytes.

use std::io;
use std::path::{Path, PathBuf};

use super::record::{FRAME, any_at, good_at};

/// First bytes of every segment.
const MAGIC: &[u8; 8] = b"HMJOURNL";
/// The format this version writes and reads.
const VERSION: u32 = 1;
/// Bytes of the header: magic, version u32, first sequence u64, CRC32C u32 of all before, little-endian.
pub(super) const HEADER: usize = 24;
/// The smallest record there can be, for bounds.
const SMALLEST: usize = FRAME + 1;

/// Ending of a segment's name.
const EXTENSION: &str = "hmj";

/// The header of a segment.
pub(super) fn header(first: u64) -> [u8; HEADER] {
    let mut header = [0; HEADER];
    header[..8].copy_from_slice(MAGIC);
    header[8..12].copy_from_slice(&VERSION.to_le_bytes());
    header[12..20].copy_from_slice(&first.to_le_bytes());
    let crc = crc32c::crc32c(&header[..20]);
    header[20..].copy_from_slice(&crc.to_le_bytes());
    header
}

/// What is wrong with a header, in words; none when nothing is.
pub(super) fn header_fault(bytes: &[u8], first: u64) -> Option<&'static str> {
    match bytes.get(..HEADER) {
        None => Some("it ends inside its header"),
        Some(found) if found == header(first) => None,
        Some(found) if &found[..8] != MAGIC => Some("it is no journal segment"),
        Some(found) if crc32c::crc32c(&found[..20]).to_le_bytes() != found[20..] => Some("its header is damaged"),
        Some(found) if found[8..12] != VERSION.to_le_bytes() => {
            Some("another version of Hall Monitor wrote it; start that version to have it read")
        }
        Some(_) => Some("its name does not fit its header"),
    }
}

/// Where the segment that starts with a sequence number lies.
pub(super) fn path(folder: &Path, first: u64) -> PathBuf {
    folder.join(format!("{first:020}.{EXTENSION}"))
}

/// First sequence numbers of all segments of a folder, ascending; none where there is no folder.
pub(super) fn list(folder: &Path) -> io::Result<Vec<u64>> {
    let entries = match std::fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let mut firsts = Vec::new();
    for entry in entries {
        let name = entry?.file_name();
        let first = name.to_str().and_then(|name| name.strip_suffix(".hmj")).filter(|stem| stem.len() == 20);
        firsts.extend(first.and_then(|stem| stem.parse::<u64>().ok()));
    }
    firsts.sort_unstable();
    Ok(firsts)
}

/// A run of good records without a hole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Run {
    /// Number of the first record.
    pub(super) first: u64,
    /// Number after the last.
    pub(super) next: u64,
    /// Offset of the first byte.
    pub(super) from: usize,
    /// Offset after the last byte.
    pub(super) to: usize,
}

/// Everything good in a segment with a good header. There is always a first run, which may be empty; bytes outside
/// the runs are damaged or torn.
pub(super) fn examine(bytes: &[u8], first: u64) -> Vec<Run> {
    let mut runs = vec![run_at(bytes, HEADER, first)];
    while let Some(last) = runs.last().filter(|run| run.to < bytes.len()) {
        let Some(next) = resynchronise(bytes, last.to, last.next) else { break };
        runs.push(next);
    }
    runs
}

fn run_at(bytes: &[u8], from: usize, first: u64) -> Run {
    let (mut to, mut next) = (from, first);
    while let Some(payload) = good_at(bytes, to, next) {
        to += FRAME + payload.len();
        next += 1;
    }
    Run { first, next, from, to }
}

/// Looks for good records after a bad place. One record may look good by chance, so there must be two in a row, or
/// one that ends with the file.
fn resynchronise(bytes: &[u8], bad: usize, expected: u64) -> Option<Run> {
    (bad + 1..bytes.len()).find_map(|at| {
        let room = 1 + (at - bad) as u64 / SMALLEST as u64;
        let (first, _) = any_at(bytes, at, expected, room + 1)?;
        let run = run_at(bytes, at, first);
        (run.next - run.first >= 2 || run.to == bytes.len()).then_some(run)
    })
}

/// The number after the last record that a file of this size can hold.
pub(super) fn bound(first: u64, size: u64) -> u64 {
    first.saturating_add(size / SMALLEST as u64 + 1)
}
