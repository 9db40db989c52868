//! Writes the live file anew without the room that rows left behind: the engine keeps every page it ever had.
//!
//! Reads go on from the old file while its rows are copied; writers wait their turn. The new file takes the old one's
//! name when it is whole and durable.

use std::fs;
use std::path::Path;

use native_db::transaction::RTransaction;
use native_db::{Builder, Database};

use super::fault::{Fault, Outcome};
use super::file::Live;
use super::record::{Block, DamagedBlock, GapRow, IncidentRow, Known, Metadata, Record, RollupChunk};
use super::table::{Tables, Writes};
use crate::storage::StoreErrorKind;

/// A smaller file is left as it is.
const SMALLEST: u64 = 4 << 20;
/// A file is written anew when its rows need less than this part of it.
const WORTH: u64 = 2;
/// Bytes in one transaction of the copy.
const AT_ONCE: usize = 256 << 10;
/// About what a row takes besides its value.
const ROW: u64 = 64;

/// Whether the file at `path` would be less than half as long.
pub(super) fn is_worth_it(live: &Live, path: &Path) -> Outcome<bool> {
    let size = fs::metadata(path)?.len();
    if size < SMALLEST {
        return Ok(false);
    }
    let read = live.database.r_transaction()?;
    let mut bytes = 0;
    bytes += bytes_of::<Known>(&read)? + bytes_of::<Block>(&read)? + bytes_of::<RollupChunk>(&read)?;
    bytes += bytes_of::<GapRow>(&read)? + bytes_of::<IncidentRow>(&read)? + bytes_of::<DamagedBlock>(&read)?;
    Ok(bytes.saturating_mul(WORTH) < size)
}

fn bytes_of<T: Record>(read: &RTransaction<'_>) -> Outcome<u64> {
    let mut bytes = 0;
    read.each_in::<T>(0..=u128::MAX, false, |_, value| {
        bytes += value.len() as u64 + ROW;
        Ok(true)
    })?;
    Ok(bytes)
}

/// Copies every row into an empty database at `to`; durable when it returns.
pub(super) fn copy(live: &Live, builder: &Builder, to: &Path) -> Outcome<()> {
    if to.exists() {
        fs::remove_file(to)?;
    }
    let models = super::file::all_models()?;
    let mut new = builder.create(models, to)?;
    let read = live.database.r_transaction()?;
    copy_table::<Known>(&read, &new)?;
    copy_table::<Block>(&read, &new)?;
    copy_table::<RollupChunk>(&read, &new)?;
    copy_table::<GapRow>(&read, &new)?;
    copy_table::<IncidentRow>(&read, &new)?;
    copy_table::<DamagedBlock>(&read, &new)?;
    copy_metadata(&read, &new)?;
    // The engine doubles a file that grows; what it has too much goes again.
    new.compact()?;
    Ok(())
}

fn copy_table<T: Record>(read: &RTransaction<'_>, new: &Database<'_>) -> Outcome<()> {
    let (mut from, mut copied) = (0, 0);
    loop {
        let mut some = Vec::new();
        let mut bytes = 0;
        read.each_in::<T>(from..=u128::MAX, false, |key, value| {
            bytes += value.len();
            some.push((key, value));
            Ok(bytes < AT_ONCE)
        })?;
        let Some((last, _)) = some.last() else { break };
        let next = last.checked_add(1);
        copied += some.len() as u64;
        let write = new.rw_transaction()?;
        for (key, value) in some {
            write.put::<T>(key, None, value)?;
        }
        write.commit()?;
        match next {
            Some(next) => from = next,
            None => break,
        }
    }
    whole(copied, read.len().primary::<T>()?)
}

fn copy_metadata(read: &RTransaction<'_>, new: &Database<'_>) -> Outcome<()> {
    let write = new.rw_transaction()?;
    let mut copied = 0;
    let table = read.scan().primary::<Metadata>()?;
    for row in table.all()? {
        let row: Metadata = row?;
        write.set_metadata(&row.name, row.value)?;
        copied += 1;
    }
    write.commit()?;
    whole(copied, read.len().primary::<Metadata>()?)
}

/// The engine's iterators end early on a read error and do not say so.
fn whole(copied: u64, there: u64) -> Outcome<()> {
    if copied == there {
        return Ok(());
    }
    Err(Fault::new(StoreErrorKind::Corrupt, format!("only {copied} of {there} rows could be copied")))
}
