//! The tables of a file and their keys. Every table maps a number of fixed width to a frame (see `frame.rs`), so the
//! engine never looks into a value, and a range of keys is a range of time. The engine asks for serde's derives; what is
//! written is decided by [`Plain`] and [`Named`].

use std::io;
use std::ops::RangeInclusive;

use native_db::*;
use native_model::{Decode, Encode, Model, native_model};
use serde::{Deserialize, Serialize};

use super::fault::Outcome;
use crate::model::{Tier, UnixMicros};

/// A row of a table.
pub(super) trait Record: ToInput {
    fn new(key: u128, value: Vec<u8>) -> Self;
    fn key(&self) -> u128;
    fn value(&self) -> &[u8];
    fn into_value(self) -> Vec<u8>;
}

/// How a record is written: its key, 16 bytes big-endian, and its value as it is.
#[derive(Debug)]
pub(super) struct Plain;

impl<T: Record> Encode<T> for Plain {
    type Error = io::Error;

    fn encode(record: &T) -> Result<Vec<u8>, io::Error> {
        let mut data = Vec::with_capacity(16 + record.value().len());
        data.extend(record.key().to_be_bytes());
        data.extend(record.value());
        Ok(data)
    }
}

impl<T: Record> Decode<T> for Plain {
    type Error = io::Error;

    fn decode(mut data: Vec<u8>) -> Result<T, io::Error> {
        let Some((key, _)) = data.split_first_chunk::<16>() else {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "a record is cut off"));
        };
        let key = u128::from_be_bytes(*key);
        data.drain(..16);
        Ok(T::new(key, data))
    }
}

macro_rules! records {
    ($($(#[$doc:meta])* $name:ident),+ $(,)?) => {
        $(
            impl Record for $name {
                fn new(key: u128, value: Vec<u8>) -> Self {
                    Self { key, value }
                }

                fn key(&self) -> u128 {
                    self.key
                }

                fn value(&self) -> &[u8] {
                    &self.value
                }

                fn into_value(self) -> Vec<u8> {
                    self.value
                }
            }
        )+

        /// Every table.
        pub(super) fn models() -> Outcome<Models> {
            let mut models = Models::new();
            $(models.define::<$name>()?;)+
            models.define::<Metadata>()?;
            Ok(models)
        }
    };
}

records! { Known, Block, RollupChunk, GapRow, IncidentRow, DamagedBlock }

/// A monitor: its number in the other tables, its id, and what is known of it. Key: the number.
#[native_model(id = 1, version = 1, with = Plain)]
#[native_db]
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Known {
    #[primary_key]
    key: u128,
    value: Vec<u8>,
}

/// Results of one monitor. Key: number of the monitor, time of the first result.
#[native_model(id = 2, version = 1, with = Plain)]
#[native_db]
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Block {
    #[primary_key]
    key: u128,
    value: Vec<u8>,
}

/// Rollups of one monitor and tier. Key: number of the monitor, tier, number of the chunk.
#[native_model(id = 3, version = 1, with = Plain)]
#[native_db]
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct RollupChunk {
    #[primary_key]
    key: u128,
    value: Vec<u8>,
}

/// A gap. Key: number of the monitor, start.
#[native_model(id = 4, version = 1, with = Plain)]
#[native_db]
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct GapRow {
    #[primary_key]
    key: u128,
    value: Vec<u8>,
}

/// An incident. Key: number of the monitor, when it opened, and a number that tells those of one instant apart.
#[native_model(id = 5, version = 1, with = Plain)]
#[native_db]
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct IncidentRow {
    #[primary_key]
    key: u128,
    value: Vec<u8>,
}

/// A block that could not be read when results had to go into it. Key: as it was.
#[native_model(id = 6, version = 1, with = Plain)]
#[native_db]
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct DamagedBlock {
    #[primary_key]
    key: u128,
    value: Vec<u8>,
}

/// A value of the store itself, under a name.
#[native_model(id = 7, version = 1, with = Named)]
#[native_db]
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Metadata {
    #[primary_key]
    pub(super) name: String,
    pub(super) value: Vec<u8>,
}

/// How a record with a name is written: length of the name, 4 bytes big-endian, the name, the value.
#[derive(Debug)]
pub(super) struct Named;

impl Encode<Metadata> for Named {
    type Error = io::Error;

    fn encode(record: &Metadata) -> Result<Vec<u8>, io::Error> {
        let long = u32::try_from(record.name.len()).map_err(io::Error::other)?;
        let mut data = long.to_be_bytes().to_vec();
        data.extend(record.name.as_bytes());
        data.extend(&record.value);
        Ok(data)
    }
}

impl Decode<Metadata> for Named {
    type Error = io::Error;

    fn decode(data: Vec<u8>) -> Result<Metadata, io::Error> {
        let bad = || io::Error::new(io::ErrorKind::InvalidData, "a metadata record is damaged");
        let (long, rest) = data.split_first_chunk::<4>().ok_or_else(bad)?;
        let long = usize::try_from(u32::from_be_bytes(*long)).map_err(io::Error::other)?;
        let (name, value) = rest.split_at_checked(long).ok_or_else(bad)?;
        let name = String::from_utf8(name.to_vec()).map_err(|_| bad())?;
        Ok(Metadata { name, value: value.to_vec() })
    }
}

/// The number of a monitor within a file.
pub(super) type Number = u32;

/// Key of what a monitor has at a time.
pub(super) fn time_key(monitor: Number, time: UnixMicros) -> u128 {
    u128::from(monitor) << 64 | u128::from(time.micros().unsigned_abs())
}

/// Keys of all that a monitor has in a table.
pub(super) fn all_of(monitor: Number) -> RangeInclusive<u128> {
    u128::from(monitor) << 64..=u128::from(monitor) << 64 | u128::from(u64::MAX)
}

/// The monitor's number in a key.
#[allow(clippy::cast_possible_truncation, reason = "the number is in these 32 bits")]
pub(super) fn number_in(key: u128) -> Number {
    (key >> 64) as Number
}

/// The time in a key made by [`time_key`].
#[allow(clippy::cast_possible_truncation, reason = "the time is in these 64 bits")]
pub(super) fn time_in(key: u128) -> UnixMicros {
    UnixMicros::new(i64::try_from(key as u64).unwrap_or(i64::MAX))
}

/// Most incidents of one monitor that opened at the same instant.
pub(super) const INCIDENT_SLOTS: u128 = 1 << 11;

/// First key of the incidents of a monitor that opened at a time. Times fit in 53 bits.
pub(super) fn incident_key(monitor: Number, opened: UnixMicros) -> u128 {
    (u128::from(monitor) << 64) | (u128::from(opened.micros().unsigned_abs()) * INCIDENT_SLOTS)
}

/// Length of the span whose rollups are stored together, in µs: a chunk is written anew whenever one of them is.
pub(super) fn chunk_us(tier: Tier) -> u64 {
    match tier {
        Tier::FiveMinutes => Tier::Day.width_us(),
        Tier::Hour => 6 * Tier::Hour.width_us(),
        Tier::Day => 32 * Tier::Day.width_us(),
    }
}

/// Key of the chunk that holds a monitor's rollups of a tier at a time.
pub(super) fn chunk_key(monitor: Number, tier: Tier, time: UnixMicros) -> u128 {
    let chunk = time.micros().unsigned_abs() / chunk_us(tier);
    u128::from(monitor) << 64 | u128::from(tier.code()) << 56 | u128::from(chunk)
}

/// The tier in a key made by [`chunk_key`].
#[allow(clippy::cast_possible_truncation, reason = "the code is in these 8 bits")]
pub(super) fn tier_in(key: u128) -> Option<Tier> {
    Tier::from_code((key >> 56) as u8)
}
