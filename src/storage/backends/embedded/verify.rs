//! Reads everything there is and proves every checksum.

use std::fs;
use std::path::Path;

use super::chunk;
use super::fault::Outcome;
use super::file::{KEPT_ASIDE, KnownRow};
use super::frame::{self, FrameError, Packer};
use super::read::Reader;
use super::record::{Block, DamagedBlock, GapRow, IncidentRow, Known, RollupChunk, number_in, tier_in, time_in};
use super::sealed::{SealedError, SealedFile};
use super::table::Tables;
use super::unblock;
use crate::model::{Gap, Incident, MonitorId, Tier};
use crate::storage::{Damage, Verified};

/// What the live file has.
pub(super) fn live(reader: &Reader<'_>) -> Outcome<Verified> {
    let mut found = Verified::default();
    let mut packer = Packer::default();
    let mut see =
        |what: &str, key: u128, result: Result<u64, FrameError>| found.see(result.map_err(|why| (what, key, why)));
    let monitor = MonitorId::ALL;
    reader.read.each_in::<Known>(0..=u128::MAX, false, |key, value| {
        see("monitor", key, frame::open_row::<KnownRow>(&value).map(|_| 0));
        Ok(true)
    })?;
    reader.read.each_in::<Block>(0..=u128::MAX, false, |key, value| {
        see("results", key, unblock::decode(&mut packer, monitor, &value).map(|rows| rows.len() as u64));
        Ok(true)
    })?;
    reader.read.each_in::<RollupChunk>(0..=u128::MAX, false, |key, value| {
        let tier = tier_in(key).unwrap_or(Tier::Hour);
        see("rollups", key, chunk::decode(&mut packer, monitor, tier, &value).map(|rows| rows.len() as u64));
        Ok(true)
    })?;
    reader.read.each_in::<GapRow>(0..=u128::MAX, false, |key, value| {
        see("gap", key, frame::open_row::<Gap>(&value).map(|_| 1));
        Ok(true)
    })?;
    reader.read.each_in::<IncidentRow>(0..=u128::MAX, false, |key, value| {
        see("incident", key, frame::open_row::<Incident>(&value).map(|_| 1));
        Ok(true)
    })?;
    reader.read.each_in::<DamagedBlock>(0..=u128::MAX, false, |key, _| {
        see("results", key, Err(FrameError::Damaged("it could not be read when rows had to go into it")));
        Ok(true)
    })?;
    Ok(found)
}

impl Verified {
    fn see(&mut self, read: Result<u64, (&str, u128, FrameError)>) {
        self.pieces += 1;
        match read {
            Ok(rows) => self.rows += rows,
            Err((what, key, why)) => self.damaged.push(Damage {
                place: format!("live.db: {what} of monitor {} from {}", number_in(key), time_in(key)),
                what: why.to_string(),
            }),
        }
    }
}

/// The files of a folder that were kept aside because they were damaged.
pub(super) fn kept_aside(folder: &Path) -> Outcome<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(folder)? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        if name.contains(KEPT_ASIDE) {
            names.push(name);
        }
    }
    names.sort();
    Ok(names)
}

/// What a sealed file has.
pub(super) fn sealed(file: &SealedFile, found: &mut Verified) {
    let place = file.path().file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    // Head and end are looked at as they are now, which may be long after the file was opened.
    let index = match SealedFile::open(file.path()).and_then(|file| file.read_index()) {
        Ok(index) => index,
        // Written anew, or dropped, since the files were listed.
        Err(SealedError::Io(why)) if why.kind() == std::io::ErrorKind::NotFound => return,
        Err(why) => {
            found.damaged.push(Damage { place, what: why.to_string() });
            return;
        }
    };
    let mut packer = Packer::default();
    for entry in index {
        found.pieces += 1;
        let rows = file.prove_record(&entry).and_then(|()| file.frame(&entry)).map_err(|why| why.to_string()).and_then(
            |frame| {
                let rows = match file.family.tier() {
                    None => unblock::decode(&mut packer, entry.monitor, &frame).map(|rows| rows.len()),
                    Some(tier) => chunk::decode(&mut packer, entry.monitor, tier, &frame).map(|rows| rows.len()),
                };
                rows.map_err(|why| why.to_string())
            },
        );
        match rows {
            Ok(rows) => found.rows += rows as u64,
            Err(what) => {
                found.damaged.push(Damage { place: format!("{place}: {} from {}", entry.monitor, entry.first), what });
            }
        }
    }
}
