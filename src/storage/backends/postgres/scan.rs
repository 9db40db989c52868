//! Everything in one stable order, a page at a time: monitors, incidents, gaps, rollups, results.

use sqlx::Row as _;
use sqlx::postgres::{PgConnection, PgRow};
use uuid::Uuid;

use super::append::{Floors, RAW};
use super::read::{self, incident_columns, rollup_columns};
use super::wire::{Numbered, Stamp};
use crate::model::{MonitorId, Tier, UnixMicros};
use crate::storage::{Batch, ScanCursor, ScanPage};

type Outcome<T> = Result<T, sqlx::Error>;

/// Rows in a page.
const ROWS: usize = 4_096;
const ROWS_ASKED: i64 = 4_096;

/// Where a scan goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// Monitors above a number.
    Monitors(i32),
    /// Incidents above an id.
    Incidents(Uuid),
    /// Gaps of a monitor from a time on.
    Gaps(i32, UnixMicros),
    /// Rollups of a monitor and tier from a time on.
    Rollups(i32, Tier, UnixMicros),
    /// Results of a monitor from a time on.
    Results(i32, UnixMicros),
}

impl Place {
    const WRONG: &'static str = "this cursor is not one of this store's";

    /// Reads a cursor.
    pub(super) fn read(cursor: Option<&ScanCursor>) -> Result<Self, &'static str> {
        let Some(ScanCursor(bytes)) = cursor else { return Ok(Self::Monitors(0)) };
        let (Some((table, rest)), 26) = (bytes.split_first(), bytes.len()) else { return Err(Self::WRONG) };
        let number = i32::from_be_bytes(rest[..4].try_into().map_err(|_| Self::WRONG)?);
        let time = UnixMicros::new(i64::from_be_bytes(rest[4..12].try_into().map_err(|_| Self::WRONG)?));
        let tier = Tier::from_code(rest[12]);
        match (table, tier) {
            (0, _) => Ok(Self::Monitors(number)),
            (1, _) => Uuid::from_slice(&rest[..16]).map(Self::Incidents).map_err(|_| Self::WRONG),
            (2, _) => Ok(Self::Gaps(number, time)),
            (3, Some(tier)) => Ok(Self::Rollups(number, tier, time)),
            (4, _) => Ok(Self::Results(number, time)),
            _ => Err(Self::WRONG),
        }
    }

    /// The cursor that means this place.
    pub(super) fn cursor(self) -> ScanCursor {
        let (table, number, tier, time) = match self {
            Self::Incidents(id) => {
                let mut bytes = vec![1];
                bytes.extend(id.as_bytes());
                bytes.resize(26, 0);
                return ScanCursor(bytes);
            }
            Self::Monitors(number) => (0, number, 0, UnixMicros::MIN),
            Self::Gaps(number, time) => (2, number, 0, time),
            Self::Rollups(number, tier, time) => (3, number, tier.code(), time),
            Self::Results(number, time) => (4, number, 0, time),
        };
        let mut bytes = vec![table];
        bytes.extend(number.to_be_bytes());
        bytes.extend(time.micros().to_be_bytes());
        bytes.push(tier);
        bytes.resize(26, 0);
        ScanCursor(bytes)
    }
}

/// The page that begins at a place.
pub(super) async fn page(connection: &mut PgConnection, instance: i32, place: Place) -> Outcome<ScanPage> {
    let mut batch = Batch::default();
    let next = match place {
        Place::Monitors(above) => monitors(connection, instance, above, &mut batch).await?,
        Place::Incidents(above) => incidents(connection, instance, above, &mut batch).await?,
        Place::Gaps(number, from) => gaps(connection, instance, number, from, &mut batch).await?,
        Place::Rollups(number, tier, from) => rollups(connection, instance, (number, tier, from), &mut batch).await?,
        Place::Results(number, from) => results(connection, instance, number, from, &mut batch).await?,
    };
    Ok(ScanPage { batch, next: next.map(Place::cursor) })
}

fn full(rows: &[PgRow]) -> Option<&PgRow> {
    rows.last().filter(|_| rows.len() >= ROWS)
}

async fn monitors(
    connection: &mut PgConnection,
    instance: i32,
    above: i32,
    batch: &mut Batch,
) -> Outcome<Option<Place>> {
    const READ: &str = "SELECT id, name, group_name, kind, target, first_seen, last_seen, number FROM monitor \
         WHERE instance = $1 AND number > $2 AND name IS NOT NULL ORDER BY number LIMIT $3";
    let rows = sqlx::query(READ).bind(instance).bind(above).bind(ROWS_ASKED).fetch_all(connection).await?;
    for row in &rows {
        batch.monitors.push(read::monitor(row)?);
    }
    Ok(Some(match full(&rows) {
        Some(last) => Place::Monitors(last.try_get(7)?),
        None => Place::Incidents(Uuid::nil()),
    }))
}

async fn incidents(
    connection: &mut PgConnection,
    instance: i32,
    above: Uuid,
    batch: &mut Batch,
) -> Outcome<Option<Place>> {
    const READ: &str = concat!(
        "SELECT ",
        incident_columns!(),
        " FROM incident i JOIN monitor m ON m.number = i.monitor WHERE i.instance = $1 AND i.id > $2 \
         ORDER BY i.id LIMIT $3"
    );
    let rows = sqlx::query(READ).bind(instance).bind(above).bind(ROWS_ASKED).fetch_all(connection).await?;
    for row in &rows {
        batch.incidents.push(read::incident(row)?);
    }
    Ok(Some(match full(&rows) {
        Some(last) => Place::Incidents(last.try_get(0)?),
        None => Place::Gaps(0, UnixMicros::MIN),
    }))
}

async fn gaps(
    connection: &mut PgConnection,
    instance: i32,
    number: i32,
    from: UnixMicros,
    batch: &mut Batch,
) -> Outcome<Option<Place>> {
    const READ: &str = "SELECT m.id, g.began, g.ended, g.reason, m.number FROM gap g \
         JOIN monitor m ON m.number = g.monitor WHERE m.instance = $1 AND (g.monitor, g.began) >= ($2, $3) \
         AND g.ended >= floor_of($1, m.number, $5) ORDER BY g.monitor, g.began LIMIT $4";
    let asked = sqlx::query(READ).bind(instance).bind(number).bind(Stamp(from)).bind(ROWS_ASKED).bind(RAW);
    let rows = asked.fetch_all(connection).await?;
    for row in &rows {
        batch.gaps.push(read::gap(row)?);
    }
    Ok(Some(match full(&rows) {
        Some(last) => Place::Gaps(last.try_get(4)?, last.try_get::<Stamp, _>(1)?.0.plus_us(1)),
        None => Place::Rollups(0, Tier::FiveMinutes, UnixMicros::MIN),
    }))
}

/// The monitor with this number, or the next one.
async fn monitor_from(connection: &mut PgConnection, instance: i32, number: i32) -> Outcome<Option<Numbered>> {
    const READ: &str = "SELECT number, id FROM monitor WHERE instance = $1 AND number >= $2 ORDER BY number LIMIT 1";
    let row = sqlx::query(READ).bind(instance).bind(number).fetch_optional(connection).await?;
    row.map(|row| Ok((row.try_get(0)?, MonitorId::new(row.try_get(1)?)))).transpose()
}

async fn rollups(
    connection: &mut PgConnection,
    instance: i32,
    (mut number, mut tier, mut from): (i32, Tier, UnixMicros),
    batch: &mut Batch,
) -> Outcome<Option<Place>> {
    const READ: &str = concat!(
        "SELECT ",
        rollup_columns!(),
        " FROM rollup WHERE monitor = $1 AND tier = $2 AND start >= $3 ORDER BY start LIMIT $4"
    );
    let floors = Floors::load(connection, instance).await?;
    while let Some((found, monitor)) = monitor_from(connection, instance, number).await? {
        if found > number {
            (number, tier, from) = (found, Tier::FiveMinutes, UnixMicros::MIN);
        }
        for next in Tier::ALL.iter().copied().filter(|next| *next >= tier) {
            let begin = if next == tier { from } else { UnixMicros::MIN };
            let begin = begin.max(floors.of(next.as_str(), number));
            let left = ROWS - batch.rollups.len();
            let asked = sqlx::query(READ).bind(number).bind(next.as_str()).bind(Stamp(begin));
            let rows = asked.bind(i64::try_from(left).unwrap_or(ROWS_ASKED)).fetch_all(&mut *connection).await?;
            for row in &rows {
                batch.rollups.push(read::rollup(row, monitor)?);
            }
            if let Some(last) = batch.rollups.last().filter(|_| rows.len() == left) {
                return Ok(Some(Place::Rollups(number, next, last.start.plus_us(1))));
            }
        }
        (number, tier, from) = (number.saturating_add(1), Tier::FiveMinutes, UnixMicros::MIN);
    }
    Ok(Some(Place::Results(0, UnixMicros::MIN)))
}

async fn results(
    connection: &mut PgConnection,
    instance: i32,
    mut number: i32,
    mut from: UnixMicros,
    batch: &mut Batch,
) -> Outcome<Option<Place>> {
    while let Some((found, monitor)) = monitor_from(connection, instance, number).await? {
        if found > number {
            (number, from) = (found, UnixMicros::MIN);
        }
        let left = ROWS - batch.results.len();
        let some = read::results_after(connection, instance, (number, monitor), from, left).await?;
        let is_full = some.len() == left;
        batch.results.extend(some);
        if let Some(last) = batch.results.last().filter(|_| is_full) {
            return Ok(Some(Place::Results(number, last.time.plus_us(1))));
        }
        (number, from) = (number.saturating_add(1), UnixMicros::MIN);
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cursors_read_back_and_others_are_refused() {
        let time = UnixMicros::new(1_700_000_000_000_007);
        for place in [
            Place::Monitors(7),
            Place::Incidents(Uuid::from_u128(u128::MAX - 1)),
            Place::Gaps(i32::MAX, time),
            Place::Rollups(3, Tier::Day, time),
            Place::Results(9, UnixMicros::MAX),
        ] {
            assert_eq!(Place::read(Some(&place.cursor())), Ok(place));
        }
        let of_no_tier = [&[3][..], &[0; 25][..]].concat();
        for wrong in [vec![], vec![9; 26], vec![0; 25], of_no_tier] {
            Place::read(Some(&ScanCursor(wrong))).expect_err("is refused");
        }
    }
}
