//! A sealed file: the frames of all monitors of one period, one behind the other, never changed again. What is to be
//! different is written to another file, which takes this one's place. The layout is described in
//! `docs/embedded-format.md`.

use std::fs::{self, File};
use std::io::{self, BufWriter, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use jiff::civil;
use jiff::tz::TimeZone;
use thiserror::Error;
use tracing::error;
use uuid::Uuid;

use super::frame::{self, Head, Kind};
use crate::model::{MonitorId, Span, Tier, UnixMicros};

const MAGIC: &[u8; 8] = b"HMSEALED";
const END: &[u8; 4] = b"HMSE";
/// Version of the layout.
const FORMAT: u8 = 1;
const HEADER: usize = 32;
const FOOTER: usize = 32;
/// Before each frame: its length, its monitor, a checksum of both.
const RECORD: usize = 24;
/// One line of the index.
const LINE: usize = 48;
/// Longest frame that is believed in.
const LONGEST: usize = 16 << 20;
/// What a disk reads, or cannot read, at once.
const SECTOR: usize = 4_096;
const SUFFIX: &str = ".sealed";
/// What a file is called while it is written.
const UNFINISHED: &str = ".new";

/// Why a file cannot be read as a sealed one.
#[derive(Debug, Error)]
pub(super) enum SealedError {
    /// The system.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// Not what was written.
    #[error("it is damaged: {0}")]
    Damaged(&'static str),
    /// Written by another version.
    #[error("it has format {0}, and this version reads format {FORMAT}; use a newer Hall Monitor")]
    Format(u8),
}

impl SealedError {
    /// What is wrong with the file itself, where that is it.
    pub(super) fn damage(&self) -> Option<&'static str> {
        match self {
            Self::Damaged(why) => Some(why),
            Self::Io(why) if is_bad_sector(why) => Some("the disk cannot read it"),
            Self::Io(_) | Self::Format(_) => None,
        }
    }
}

/// What is sealed together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Family {
    /// Blocks of results of a UTC day.
    Results = 1,
    /// Chunks of hour rollups of a UTC month.
    Hours = 2,
    /// Chunks of 5-minute rollups of a UTC day.
    FiveMinutes = 3,
}

impl Family {
    pub(super) const ALL: [Self; 3] = [Self::Results, Self::Hours, Self::FiveMinutes];

    fn prefix(self) -> &'static str {
        match self {
            Self::Results => "results-",
            Self::Hours => "hours-",
            Self::FiveMinutes => "minutes-",
        }
    }

    /// Where tiers of rollups go; day rollups are few and stay in the live file.
    pub(super) fn of(tier: Tier) -> Option<Self> {
        match tier {
            Tier::FiveMinutes => Some(Self::FiveMinutes),
            Tier::Hour => Some(Self::Hours),
            Tier::Day => None,
        }
    }

    /// The tier of its rollups.
    pub(super) fn tier(self) -> Option<Tier> {
        match self {
            Self::Results => None,
            Self::Hours => Some(Tier::Hour),
            Self::FiveMinutes => Some(Tier::FiveMinutes),
        }
    }

    fn kind(self) -> Kind {
        if self == Self::Results { Kind::Results } else { Kind::Rollups }
    }

    /// The period that a time is in.
    pub(super) fn period(self, time: UnixMicros) -> Span {
        let day = Tier::Day.bucket(time);
        if self != Self::Hours {
            return day;
        }
        let date = TimeZone::UTC.to_datetime(time.timestamp()).date();
        let first = date.first_of_month();
        let next = date.last_of_month().tomorrow();
        match (start_of(first), next.ok().and_then(start_of)) {
            (Some(from), Some(to)) => Span::new(from, to),
            _ => day,
        }
    }
}

fn start_of(date: civil::Date) -> Option<UnixMicros> {
    Some(UnixMicros::new(TimeZone::UTC.to_timestamp(date.to_datetime(civil::Time::midnight())).ok()?.as_microsecond()))
}

/// Where a frame is, and what it has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) monitor: MonitorId,
    /// Time of its first row.
    pub(super) first: UnixMicros,
    /// Time of its last row.
    pub(super) last: UnixMicros,
    /// Rows in it.
    pub(super) count: u32,
    offset: u64,
    length: u32,
}

/// An open sealed file.
#[derive(Debug)]
pub(super) struct SealedFile {
    path: PathBuf,
    /// What is in it.
    pub(super) family: Family,
    /// The period whose rows are in it.
    pub(super) period: Span,
    /// Grows with every file that is sealed; of two files of a period the greater one counts.
    pub(super) sequence: u64,
    /// Rows in it.
    pub(super) rows: u64,
    /// Bytes on disk.
    pub(super) bytes: u64,
    entries: u32,
    index_at: u64,
    index_sum: u32,
    file: Mutex<File>,
}

/// `results-20261125.7.sealed`; a month is named by its first day.
fn name_of(family: Family, from: UnixMicros, sequence: u64) -> String {
    format!("{}{}.{sequence}{SUFFIX}", family.prefix(), from.timestamp().strftime("%Y%m%d"))
}

/// What the name of a sealed file tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Name {
    pub(super) family: Family,
    pub(super) period: Span,
    pub(super) sequence: u64,
}

impl Name {
    /// Reads it; none where it is not the name of a sealed file.
    pub(super) fn parse(name: &str) -> Option<Self> {
        let (family, rest) =
            Family::ALL.into_iter().find_map(|family| Some((family, name.strip_prefix(family.prefix())?)))?;
        let (day, sequence) = rest.strip_suffix(SUFFIX)?.split_once('.')?;
        if day.len() != 8 || !day.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        let number = |range: std::ops::Range<usize>| day[range].parse::<i16>().ok();
        let part = |range| i8::try_from(number(range)?).ok();
        let date = civil::Date::new(number(0..4)?, part(4..6)?, part(6..8)?).ok()?;
        Some(Self { family, period: family.period(start_of(date)?), sequence: sequence.parse().ok()? })
    }
}

/// Whether a name is that of a file that was never finished.
pub(super) fn is_unfinished(name: &str) -> bool {
    name.strip_suffix(UNFINISHED).is_some_and(|name| Name::parse(name).is_some())
}

fn lock(file: &Mutex<File>) -> std::sync::MutexGuard<'_, File> {
    file.lock().unwrap_or_else(PoisonError::into_inner)
}

fn read_at(file: &Mutex<File>, at: u64, length: usize) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; length];
    let mut file = lock(file);
    file.seek(SeekFrom::Start(at))?;
    file.read_exact(&mut bytes)?;
    Ok(bytes)
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(bytes.get(at..at + 8)?.try_into().ok()?))
}

fn id_at(bytes: &[u8], at: usize) -> Option<MonitorId> {
    Some(MonitorId::new(Uuid::from_bytes(bytes.get(at..at + 16)?.try_into().ok()?)))
}

fn time(us: u64) -> UnixMicros {
    UnixMicros::new(i64::try_from(us).unwrap_or(i64::MAX))
}

impl Entry {
    fn line(&self) -> [u8; LINE] {
        let mut line = [0; LINE];
        line[..16].copy_from_slice(self.monitor.uuid().as_bytes());
        line[16..24].copy_from_slice(&self.first.micros().unsigned_abs().to_le_bytes());
        line[24..32].copy_from_slice(&self.last.micros().unsigned_abs().to_le_bytes());
        line[32..36].copy_from_slice(&self.count.to_le_bytes());
        line[36..44].copy_from_slice(&self.offset.to_le_bytes());
        line[44..48].copy_from_slice(&self.length.to_le_bytes());
        line
    }

    fn read(line: &[u8]) -> Option<Self> {
        Some(Self {
            monitor: id_at(line, 0)?,
            first: time(u64_at(line, 16)?),
            last: time(u64_at(line, 24)?),
            count: u32_at(line, 32)?,
            offset: u64_at(line, 36)?,
            length: u32_at(line, 44)?,
        })
    }
}

impl SealedFile {
    /// Opens a file by its name, looking at its head and its end.
    pub(super) fn open(path: &Path) -> Result<Self, SealedError> {
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let named = Name::parse(&name).ok_or(SealedError::Damaged("its name is not one of a sealed file"))?;
        let Name { family, period, sequence } = named;
        let file = File::open(path)?;
        let bytes = file.metadata()?.len();
        let file = Mutex::new(file);
        if bytes < (HEADER + FOOTER) as u64 {
            return Err(SealedError::Damaged("it is cut off"));
        }
        let header = read_at(&file, 0, HEADER)?;
        if !header.starts_with(MAGIC) || u32_at(&header, 28) != Some(crc32c::crc32c(&header[..28])) {
            return Err(SealedError::Damaged("its head is not one of a sealed file"));
        }
        if header[8] != FORMAT {
            return Err(SealedError::Format(header[8]));
        }
        let from = period.from.micros().unsigned_abs();
        let same = header[9] == family as u8 && u64_at(&header, 12) == Some(from);
        if !same || u64_at(&header, 20) != Some(sequence) {
            return Err(SealedError::Damaged("its head tells of another file than its name"));
        }
        let footer = read_at(&file, bytes - FOOTER as u64, FOOTER)?;
        if &footer[28..] != END || u32_at(&footer, 24) != Some(crc32c::crc32c(&footer[..24])) {
            return Err(SealedError::Damaged("its end is missing"));
        }
        let fault = SealedError::Damaged("its end cannot be read");
        let parts = (u64_at(&footer, 0), u32_at(&footer, 8), u32_at(&footer, 12), u64_at(&footer, 16));
        let (Some(index_at), Some(entries), Some(index_sum), Some(rows)) = parts else { return Err(fault) };
        let end = index_at.checked_add(u64::from(entries) * LINE as u64 + FOOTER as u64);
        if end != Some(bytes) {
            return Err(SealedError::Damaged("its index is not where its end says"));
        }
        Ok(Self { path: path.to_owned(), family, period, sequence, rows, bytes, entries, index_at, index_sum, file })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Every frame, by monitor and time.
    pub(super) fn read_index(&self) -> Result<Vec<Entry>, SealedError> {
        let bytes = read_at(&self.file, self.index_at, self.entries as usize * LINE)?;
        if crc32c::crc32c(&bytes) != self.index_sum {
            return Err(SealedError::Damaged("its index has another checksum"));
        }
        bytes.chunks_exact(LINE).map(|line| Entry::read(line).ok_or(SealedError::Damaged("its index"))).collect()
    }

    /// The frame of a block, as it was written.
    pub(super) fn frame(&self, entry: &Entry) -> Result<Vec<u8>, SealedError> {
        if entry.length as usize > LONGEST {
            return Err(SealedError::Damaged("a block claims to be too long"));
        }
        Ok(read_at(&self.file, entry.offset, entry.length as usize)?)
    }

    /// The same; none where the disk itself cannot be read any more. That is reported and left out, as a block that is
    /// damaged: a bad sector must not hide all the rest.
    pub(super) fn readable(&self, entry: &Entry) -> Result<Option<Vec<u8>>, SealedError> {
        match self.frame(entry) {
            Err(SealedError::Io(why)) if is_bad_sector(&why) => {
                let (file, monitor) = (self.path.display(), entry.monitor);
                error!(%file, %monitor, %why, "the disk cannot read a block any more: it is left out");
                Ok(None)
            }
            other => other.map(Some),
        }
    }

    /// Proves what stands before a frame, which only a salvage reads.
    pub(super) fn prove_record(&self, entry: &Entry) -> Result<(), SealedError> {
        let at = entry.offset.checked_sub(RECORD as u64);
        let record = at.map(|at| read_at(&self.file, at, RECORD)).transpose()?.unwrap_or_default();
        match read_record(&record) {
            Some(found) if found == (entry.monitor, entry.length) => Ok(()),
            _ => Err(SealedError::Damaged("what stands before a block, which would be needed to find it again")),
        }
    }
}

/// Reads what can be read of a file whose head, index or end is damaged: every record that is whole. Behind a damaged one
/// the next is looked for byte by byte.
pub(super) fn salvage(path: &Path, family: Family) -> io::Result<Vec<(MonitorId, Vec<u8>)>> {
    let bytes = read_around(path)?;
    let mut found = Vec::new();
    let mut at = HEADER;
    while let Some(record) = bytes.get(at..at + RECORD) {
        let Some((monitor, length)) = read_record(record) else {
            at += 1;
            continue;
        };
        let start = at + RECORD;
        let Some(frame) = bytes.get(start..start.saturating_add(length as usize)) else { break };
        if frame::prove(frame).is_ok() && frame::head(family.kind(), frame).is_ok() {
            found.push((monitor, frame.to_vec()));
        }
        at = start + length as usize;
    }
    Ok(found)
}

/// All of a file, with zeros where the disk cannot be read any more.
fn read_around(path: &Path) -> io::Result<Vec<u8>> {
    let file = Mutex::new(File::open(path)?);
    let length = usize::try_from(lock(&file).metadata()?.len()).unwrap_or(usize::MAX);
    let mut bytes = Vec::new();
    while bytes.len() < length {
        let most = SECTOR.min(length - bytes.len());
        match read_at(&file, bytes.len() as u64, most) {
            Ok(some) => bytes.extend(some),
            Err(why) if is_bad_sector(&why) => bytes.resize(bytes.len() + most, 0),
            Err(why) => return Err(why),
        }
    }
    Ok(bytes)
}

/// Whether the disk itself could not be read.
fn is_bad_sector(why: &io::Error) -> bool {
    /// `EIO`, on every system that has it.
    const UNREADABLE: i32 = 5;
    cfg!(unix) && why.raw_os_error() == Some(UNREADABLE)
}

/// What stands before a frame: whose it is, and its length.
fn record_of(monitor: MonitorId, length: u32) -> [u8; RECORD] {
    let mut record = [0; RECORD];
    record[..4].copy_from_slice(&length.to_le_bytes());
    record[4..20].copy_from_slice(monitor.uuid().as_bytes());
    let sum = crc32c::crc32c(&record[..20]);
    record[20..].copy_from_slice(&sum.to_le_bytes());
    record
}

fn read_record(record: &[u8]) -> Option<(MonitorId, u32)> {
    let whole = u32_at(record, 20)? == crc32c::crc32c(record.get(..20)?);
    Some((id_at(record, 4)?, u32_at(record, 0)?)).filter(|_| whole)
}

/// A file that goes again, whatever happens, unless it is finished: on a full disk it would take the room for the next.
#[derive(Debug)]
struct Unfinished(PathBuf);

impl Drop for Unfinished {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

/// Writes a sealed file under a name that nobody reads, and puts it in place when it is whole.
#[derive(Debug)]
pub(super) struct SealedWriter {
    path: PathBuf,
    family: Family,
    file: BufWriter<File>,
    /// After the file: one that is open cannot be removed everywhere.
    unfinished: Unfinished,
    at: u64,
    index: Vec<Entry>,
    rows: u64,
}

impl SealedWriter {
    /// Begins the file of the period that begins at `from`.
    pub(super) fn begin(folder: &Path, family: Family, from: UnixMicros, sequence: u64) -> io::Result<Self> {
        let name = name_of(family, from, sequence);
        let (path, unfinished) = (folder.join(&name), folder.join(format!("{name}{UNFINISHED}")));
        let mut file = BufWriter::with_capacity(1 << 18, File::create(&unfinished)?);
        let unfinished = Unfinished(unfinished);
        let mut header = [0; HEADER];
        header[..8].copy_from_slice(MAGIC);
        header[8] = FORMAT;
        header[9] = family as u8;
        header[12..20].copy_from_slice(&from.micros().unsigned_abs().to_le_bytes());
        header[20..28].copy_from_slice(&sequence.to_le_bytes());
        let sum = crc32c::crc32c(&header[..28]);
        header[28..].copy_from_slice(&sum.to_le_bytes());
        file.write_all(&header)?;
        Ok(Self { unfinished, path, family, file, at: HEADER as u64, index: Vec::new(), rows: 0 })
    }

    /// Adds a frame.
    pub(super) fn add(&mut self, monitor: MonitorId, frame: &[u8]) -> io::Result<()> {
        let Head { count, first, last } = frame::head(self.family.kind(), frame).map_err(io::Error::other)?;
        let (first, last, count) = (time(first), time(last), count.into());
        self.carry(&Entry { monitor, first, last, count, offset: 0, length: 0 }, frame)
    }

    /// Adds a frame of another file, of which its index tells what is in it: the frame itself may be damaged.
    pub(super) fn carry(&mut self, entry: &Entry, frame: &[u8]) -> io::Result<()> {
        let Entry { monitor, count, .. } = *entry;
        let length = u32::try_from(frame.len()).map_err(io::Error::other)?;
        self.file.write_all(&record_of(monitor, length))?;
        self.file.write_all(frame)?;
        let offset = self.at + RECORD as u64;
        self.index.push(Entry { offset, length, ..*entry });
        self.at = offset + u64::from(length);
        self.rows += u64::from(count);
        Ok(())
    }

    /// Whether nothing was added.
    pub(super) fn is_empty(&self) -> bool {
        self.index.is_empty()
    }

    /// Makes the file whole, durable and seen.
    pub(super) fn finish(mut self) -> Result<SealedFile, SealedError> {
        self.index.sort_by_key(|entry| (entry.monitor, entry.first));
        let lines: Vec<u8> = self.index.iter().flat_map(Entry::line).collect();
        let mut footer = [0; FOOTER];
        footer[..8].copy_from_slice(&self.at.to_le_bytes());
        footer[8..12].copy_from_slice(&u32::try_from(self.index.len()).map_err(io::Error::other)?.to_le_bytes());
        footer[12..16].copy_from_slice(&crc32c::crc32c(&lines).to_le_bytes());
        footer[16..24].copy_from_slice(&self.rows.to_le_bytes());
        let sum = crc32c::crc32c(&footer[..24]);
        footer[24..28].copy_from_slice(&sum.to_le_bytes());
        footer[28..].copy_from_slice(END);
        self.file.write_all(&lines)?;
        self.file.write_all(&footer)?;
        let file = self.file.into_inner().map_err(io::IntoInnerError::into_error)?;
        file.sync_all()?;
        drop(file);
        fs::rename(&self.unfinished.0, &self.path)?;
        sync_folder(&self.path)?;
        SealedFile::open(&self.path)
    }

    /// Lets go of what was begun.
    pub(super) fn abandon(self) {}
}

/// Makes a change of names durable.
pub(super) fn sync_folder(path: &Path) -> io::Result<()> {
    #[cfg(unix)]
    if let Some(folder) = path.parent() {
        File::open(folder)?.sync_all()?;
    }
    #[cfg(not(unix))]
    let _ = path;
    Ok(())
}

/// The frames of one monitor in an index.
pub(super) fn of_monitor(index: &[Entry], monitor: MonitorId) -> &[Entry] {
    let from = index.partition_point(|entry| entry.monitor < monitor);
    let to = index.partition_point(|entry| entry.monitor <= monitor);
    &index[from..to]
}

/// Indexes that were read last, so that a page and the next do not read them again.
#[derive(Debug, Default)]
pub(super) struct Indexes(Mutex<Vec<(u64, Arc<[Entry]>)>>);

/// Lines of all indexes that are kept in memory: 4 MiB.
const MOST_LINES: usize = (4 << 20) / size_of::<Entry>();

impl Indexes {
    /// The index of a file.
    pub(super) fn of(&self, file: &SealedFile) -> Result<Arc<[Entry]>, SealedError> {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(at) = kept.iter().position(|(sequence, _)| *sequence == file.sequence) {
            let found = kept.remove(at);
            kept.push(found.clone());
            return Ok(found.1);
        }
        drop(kept);
        let index: Arc<[Entry]> = file.read_index()?.into();
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.push((file.sequence, Arc::clone(&index)));
        while kept.len() > 1 && kept.iter().map(|(_, index)| index.len()).sum::<usize>() > MOST_LINES {
            kept.remove(0);
        }
        Ok(index)
    }
}

#[cfg(test)]
#[path = "sealed_tests.rs"]
mod tests;
