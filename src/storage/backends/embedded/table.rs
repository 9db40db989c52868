//! The engine's transactions, as few verbs over numbers and bytes. Only ranges with both ends are used: the engine
//! leaves out the last key of `..=x` and stops over an excluded start.

use std::ops::RangeInclusive;

use native_db::transaction::{RTransaction, RwTransaction};

use super::fault::{Fault, Outcome};
use super::record::{Metadata, Record};
use crate::storage::StoreErrorKind;

/// Keys with both ends.
pub(super) type Keys = RangeInclusive<u128>;

/// What both kinds of transaction can read.
pub(super) trait Tables {
    /// The value under a key.
    fn get_value<T: Record>(&self, key: u128) -> Outcome<Option<Vec<u8>>>;

    /// The store's own value under a name.
    fn metadata(&self, name: &str) -> Outcome<Option<Vec<u8>>>;

    /// Hands on the rows of a range in the order of their keys, or the other way round, until `each` says enough.
    fn each_in<T: Record>(
        &self,
        keys: Keys,
        backwards: bool,
        each: impl FnMut(u128, Vec<u8>) -> Outcome<bool>,
    ) -> Outcome<()>;

    /// The first or the last row of a range.
    fn end_of<T: Record>(&self, keys: Keys, last: bool) -> Outcome<Option<(u128, Vec<u8>)>> {
        let mut found = None;
        self.each_in::<T>(keys, last, |key, value| {
            found = Some((key, value));
            Ok(false)
        })?;
        Ok(found)
    }
}

fn walk<T: Record, E: Into<Fault>>(
    rows: impl Iterator<Item = Result<T, E>>,
    mut each: impl FnMut(u128, Vec<u8>) -> Outcome<bool>,
) -> Outcome<()> {
    for row in rows {
        let row = row.map_err(Into::into)?;
        if !each(row.key(), row.into_value())? {
            break;
        }
    }
    Ok(())
}

macro_rules! tables {
    ($($transaction:ident),+) => {
        $(impl Tables for $transaction<'_> {
            fn get_value<T: Record>(&self, key: u128) -> Outcome<Option<Vec<u8>>> {
                Ok(self.get().primary::<T>(key)?.map(T::into_value))
            }

            fn metadata(&self, name: &str) -> Outcome<Option<Vec<u8>>> {
                Ok(self.get().primary::<Metadata>(name)?.map(|row| row.value))
            }

            fn each_in<T: Record>(
                &self,
                keys: Keys,
                backwards: bool,
                each: impl FnMut(u128, Vec<u8>) -> Outcome<bool>,
            ) -> Outcome<()> {
                if keys.is_empty() {
                    return Ok(());
                }
                let table = self.scan().primary::<T>()?;
                let rows = table.range(keys)?;
                if backwards { walk(rows.rev(), each) } else { walk(rows, each) }
            }
        })+
    };
}

tables!(RTransaction, RwTransaction);

/// What a write transaction can do besides.
pub(super) trait Writes {
    /// Writes a row; `old` is what was read under its key in this transaction.
    fn put<T: Record>(&self, key: u128, old: Option<Vec<u8>>, new: Vec<u8>) -> Outcome<()>;

    /// Takes a row away; `old` is what was read under its key in this transaction.
    fn take<T: Record>(&self, key: u128, old: Vec<u8>) -> Outcome<()>;

    /// Takes away every row of a range.
    fn take_all<T: Record>(&self, keys: Keys) -> Outcome<u64>;

    /// Writes a value of the store's own.
    fn set_metadata(&self, name: &str, value: Vec<u8>) -> Outcome<()>;
}

impl Writes for RwTransaction<'_> {
    fn put<T: Record>(&self, key: u128, old: Option<Vec<u8>>, new: Vec<u8>) -> Outcome<()> {
        match old {
            Some(old) if old == new => {}
            Some(old) => self.update(T::new(key, old), T::new(key, new))?,
            None => self.insert(T::new(key, new))?,
        }
        Ok(())
    }

    fn take<T: Record>(&self, key: u128, old: Vec<u8>) -> Outcome<()> {
        self.remove(T::new(key, old))?;
        Ok(())
    }

    fn take_all<T: Record>(&self, keys: Keys) -> Outcome<u64> {
        let mut taken = 0;
        while let Some((key, value)) = self.end_of::<T>(keys.clone(), false)? {
            self.take::<T>(key, value)?;
            taken += 1;
        }
        Ok(taken)
    }

    fn set_metadata(&self, name: &str, value: Vec<u8>) -> Outcome<()> {
        if name.len() > 1024 {
            return Err(Fault::new(StoreErrorKind::Misconfigured, "a name of metadata is longer than 1,024 bytes"));
        }
        self.upsert(Metadata { name: name.to_owned(), value })?;
        Ok(())
    }
}
