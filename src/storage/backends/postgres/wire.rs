//! Values as the server knows them.

use sqlx::encode::IsNull;
use sqlx::error::BoxDynError;
use sqlx::postgres::types::Oid;
use sqlx::postgres::{PgArgumentBuffer, PgHasArrayType, PgTypeInfo, PgValueFormat, PgValueRef, Postgres};
use sqlx::{Decode, Encode, Type};

use crate::model::{MonitorId, UnixMicros};

/// Object numbers of `timestamptz`, of its array and of that of `int8`, the same on every server.
const STAMP: Oid = Oid(1184);
const STAMPS: Oid = Oid(1185);
const COUNTS: Oid = Oid(1016);
/// 2000-01-01T00:00:00Z, where the server begins to count microseconds.
const EPOCH_US: i64 = 946_684_800_000_000;

/// A time as `timestamptz`, exact to the microsecond.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stamp(pub(super) UnixMicros);

impl Stamp {
    /// The number that the server has for it.
    pub(super) fn on_the_wire(self) -> i64 {
        self.0.micros() - EPOCH_US
    }
}

impl Type<Postgres> for Stamp {
    fn type_info() -> PgTypeInfo {
        PgTypeInfo::with_oid(STAMP)
    }

    fn compatible(ty: &PgTypeInfo) -> bool {
        ty.oid() == Some(STAMP)
    }
}

impl PgHasArrayType for Stamp {
    fn array_type_info() -> PgTypeInfo {
        PgTypeInfo::with_oid(STAMPS)
    }
}

impl Encode<'_, Postgres> for Stamp {
    fn encode_by_ref(&self, buffer: &mut PgArgumentBuffer) -> Result<IsNull, BoxDynError> {
        buffer.extend_from_slice(&self.on_the_wire().to_be_bytes());
        Ok(IsNull::No)
    }
}

impl<'r> Decode<'r, Postgres> for Stamp {
    fn decode(value: PgValueRef<'r>) -> Result<Self, BoxDynError> {
        if value.format() == PgValueFormat::Text {
            return Err("a time came as text".into());
        }
        let bytes: [u8; 8] = value.as_bytes()?.try_into()?;
        // Infinities and times outside of our range are clamped to it.
        Ok(Self(UnixMicros::new(i64::from_be_bytes(bytes).saturating_add(EPOCH_US))))
    }
}

/// An array of times, or of counts: thousands of values in one column of one row.
#[derive(Debug)]
pub(super) struct Numbers(Vec<i64>);

impl Numbers {
    /// As times.
    pub(super) fn times(&self) -> impl Iterator<Item = UnixMicros> {
        self.0.iter().map(|number| UnixMicros::new(number.saturating_add(EPOCH_US)))
    }

    /// As counts.
    pub(super) fn counts(&self) -> impl Iterator<Item = u64> {
        self.0.iter().map(|number| counted(*number))
    }
}

impl Type<Postgres> for Numbers {
    fn type_info() -> PgTypeInfo {
        PgTypeInfo::with_oid(COUNTS)
    }

    fn compatible(ty: &PgTypeInfo) -> bool {
        ty.oid().is_some_and(|oid| oid == COUNTS || oid == STAMPS)
    }
}

impl<'r> Decode<'r, Postgres> for Numbers {
    fn decode(value: PgValueRef<'r>) -> Result<Self, BoxDynError> {
        // Dimensions, flags, type; the length and the first index of the only dimension; then each with its size.
        const HEAD: usize = 20;
        if value.format() == PgValueFormat::Text {
            return Err("an array came as text".into());
        }
        let bytes = value.as_bytes()?;
        let Some((head, rest)) = bytes.split_at_checked(HEAD) else { return Ok(Self(Vec::new())) };
        let (values, left) = rest.as_chunks::<12>();
        if head[..4] != 1_i32.to_be_bytes() || !left.is_empty() {
            return Err("an array is not one of numbers".into());
        }
        let number = |[a, b, c, d, number @ ..]: &[u8; 12]| match [*a, *b, *c, *d] {
            [0, 0, 0, 8] => Ok(i64::from_be_bytes(*number)),
            _ => Err("a value of an array is not a number"),
        };
        Ok(Self(values.iter().map(number).collect::<Result<_, _>>()?))
    }
}

/// A count. All of them are at most 2^53.
pub(super) fn count(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// A count that was stored.
pub(super) fn counted(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}

/// A row of the monitors of an instance: number and id.
pub(super) type Numbered = (i32, MonitorId);
