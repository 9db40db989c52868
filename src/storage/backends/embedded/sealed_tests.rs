//! Damage to a small sealed file, bit by bit and byte by byte: nothing stops, nothing wrong is read, what is whole is
//! found, and what is not is named.

use std::collections::BTreeMap;

use tempfile::TempDir;

use super::super::frame::Packer;
use super::super::shelf::Shelf;
use super::super::verify;
use super::super::{block, chunk, column::Effort, unblock};
use super::*;
use crate::model::{CheckResult, Rollup};
use crate::storage::Verified;
use crate::storage::conformance::Fixture;

/// Frames by monitor and first time, as bytes and as what is in them.
type Frames<T> = BTreeMap<(MonitorId, UnixMicros), T>;

fn start() -> UnixMicros {
    UnixMicros::new(1_772_323_200_000_000)
}

/// A folder in memory where there is one: thousands of files are written.
fn folder() -> TempDir {
    let memory = Path::new("/dev/shm");
    if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() }.expect("folder")
}

/// What a frame means.
#[derive(Debug, PartialEq)]
enum Rows {
    Results(Vec<CheckResult>),
    Rollups(Vec<Rollup>),
}

fn rows_of(family: Family, monitor: MonitorId, frame: &[u8]) -> Option<Rows> {
    let mut packer = Packer::default();
    match family.tier() {
        None => unblock::decode(&mut packer, monitor, frame).ok().map(Rows::Results),
        Some(tier) => chunk::decode(&mut packer, monitor, tier, frame).ok().map(Rows::Rollups),
    }
}

/// A file of a family with two frames of each of two monitors.
fn small_file(folder: &Path, family: Family) -> SealedFile {
    let mut fixture = Fixture::new(9);
    let mut packer = Packer::default();
    let mut writer = SealedWriter::begin(folder, family, start(), 1).expect("begins");
    for _ in 0..2 {
        let monitor = fixture.monitor();
        for part in 0..2 {
            let from = start().plus_us(part * 4 * 3_600_000_000);
            let frames: Vec<Vec<u8>> = match family.tier() {
                None => {
                    let rows = fixture.results(monitor, from, 60_000_000, 5);
                    block::encode_sealed(&mut packer, &rows)
                        .expect("packs")
                        .into_iter()
                        .map(|(_, frame)| frame)
                        .collect()
                }
                Some(tier) => {
                    let starts = (0..3).map(|at| from.plus_us(at * tier.width_us()));
                    let rows: Vec<Rollup> = starts.map(|start| fixture.rollup(monitor, tier, start)).collect();
                    vec![chunk::encode(&mut packer, &rows, Effort::Thorough).expect("packs")]
                }
            };
            frames.iter().for_each(|frame| writer.add(monitor, frame).expect("adds"));
        }
    }
    writer.finish().expect("finishes")
}

/// What a folder's sealed files have, and how many frames of them cannot be read.
fn read(folder: &Path, family: Family) -> (Frames<Rows>, usize, Verified) {
    let shelf = Shelf::open(folder, |_, _| true, start()).expect("opens whatever is there");
    let (mut found, mut damaged, mut verified) = (Frames::new(), 0, Verified::default());
    for file in shelf.files().iter() {
        verify::sealed(file, &mut verified);
        for entry in shelf.index(file).expect("the index was looked at when it was opened").iter() {
            match rows_of(family, entry.monitor, &file.frame(entry).expect("reads")) {
                Some(rows) => drop(found.insert((entry.monitor, entry.first), rows)),
                None => damaged += 1,
            }
        }
    }
    verified.kept_aside = verify::kept_aside(folder).expect("lists");
    (found, damaged, verified)
}

fn clear(folder: &Path) {
    for entry in fs::read_dir(folder).expect("lists") {
        fs::remove_file(entry.expect("entry").path()).expect("removes");
    }
}

/// A file, what is in it, and the bytes in which its frames are.
struct Small {
    family: Family,
    name: std::ffi::OsString,
    bytes: Vec<u8>,
    frames: Frames<(std::ops::Range<usize>, Rows)>,
}

impl Small {
    fn new(folder: &Path, family: Family) -> Self {
        let file = small_file(folder, family);
        let frames = file.read_index().expect("reads").into_iter().map(|entry| {
            let from = usize::try_from(entry.offset).expect("small");
            let rows = rows_of(family, entry.monitor, &file.frame(&entry).expect("reads")).expect("unpacks");
            ((entry.monitor, entry.first), (from..from + entry.length as usize, rows))
        });
        let small = Self {
            family,
            name: file.path().file_name().expect("name").to_owned(),
            bytes: fs::read(file.path()).expect("reads"),
            frames: frames.collect(),
        };
        assert_eq!(small.frames.len(), 4);
        small
    }

    /// Reads these bytes in the file's place: nothing is made up, and each frame of which `is_whole` is found. Damage is
    /// named.
    fn judge(&self, folder: &Path, bytes: &[u8], is_whole: impl Fn(&std::ops::Range<usize>) -> bool, told: &str) {
        clear(folder);
        fs::write(folder.join(&self.name), bytes).expect("writes");
        let (found, _, verified) = read(folder, self.family);
        for (key, rows) in &found {
            assert_eq!(Some(rows), self.frames.get(key).map(|(_, rows)| rows), "{told}: something is made up");
        }
        for (key, (at, _)) in self.frames.iter().filter(|(_, (at, _))| is_whole(at)) {
            assert!(found.contains_key(key), "{told}: the frame at {at:?} is whole and not found");
        }
        let named = verified.damaged.len() + verified.kept_aside.len();
        assert!(named > 0, "{told}: nobody says that it is damaged");
        if !verified.kept_aside.is_empty() {
            let kept = fs::read(folder.join(&verified.kept_aside[0])).expect("reads");
            assert_eq!(kept, bytes, "{told}: what is kept aside is as it was");
        }
    }
}

#[test]
fn any_bit_that_turns_over_hides_its_own_block_at_most() {
    for family in [Family::Results, Family::FiveMinutes] {
        let dir = folder();
        let small = Small::new(dir.path(), family);
        for at in 0..small.bytes.len() {
            for bit in 0..8 {
                let mut bytes = small.bytes.clone();
                bytes[at] ^= 1 << bit;
                small.judge(
                    dir.path(),
                    &bytes,
                    |frame| !frame.contains(&at),
                    &format!("{family:?} byte {at} bit {bit}"),
                );
            }
        }
    }
}

#[test]
fn cut_off_anywhere_it_gives_what_stands_before() {
    let dir = folder();
    let small = Small::new(dir.path(), Family::Results);
    for length in 0..small.bytes.len() {
        small.judge(dir.path(), &small.bytes[..length], |frame| frame.end <= length, &format!("{length} bytes"));
    }
}

#[test]
fn a_lost_index_and_a_lost_record_hide_one_block() {
    let dir = folder();
    let small = Small::new(dir.path(), Family::Results);
    let end = small.bytes.len() - 40;
    for (at, _) in small.frames.values() {
        // Its length, which tells where the next one is.
        let mut bytes = small.bytes.clone();
        bytes[end] ^= 1;
        bytes[at.start - RECORD] ^= 0x55;
        small.judge(dir.path(), &bytes, |frame| frame != at, &format!("record of {at:?}"));
    }
}

#[test]
fn damage_that_comes_while_it_is_open_is_named() {
    let dir = folder();
    let file = small_file(dir.path(), Family::Results);
    let whole = fs::read(file.path()).expect("reads");
    for at in [3, HEADER + 2, HEADER + RECORD + 40, whole.len() - 70, whole.len() - 5] {
        let mut bytes = whole.clone();
        bytes[at] ^= 2;
        fs::write(file.path(), &bytes).expect("writes");
        let mut verified = Verified::default();
        verify::sealed(&file, &mut verified);
        assert!(!verified.damaged.is_empty(), "byte {at}");
    }
    fs::write(file.path(), &whole).expect("writes");
    let mut verified = Verified::default();
    verify::sealed(&file, &mut verified);
    assert!(verified.damaged.is_empty() && verified.pieces == 4, "{verified:?}");
}

#[test]
fn one_that_is_not_finished_leaves_nothing() {
    let dir = folder();
    let mut writer = SealedWriter::begin(dir.path(), Family::Results, start(), 1).expect("begins");
    assert_eq!(fs::read_dir(dir.path()).expect("lists").count(), 1);
    // No frame.
    writer.add(MonitorId::ALL, b"rubbish").expect_err("is refused");
    drop(writer);
    assert_eq!(fs::read_dir(dir.path()).expect("lists").count(), 0);
}
