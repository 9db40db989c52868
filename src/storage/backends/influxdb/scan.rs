//! Everything in one stable order, a page at a time: monitors, incidents, gaps, rollups, results.

use uuid::Uuid;

use super::store::Home;
use super::{read, rest};
use crate::model::{MonitorId, Span, Tier, UnixMicros};
use crate::storage::{Batch, GapQuery, IncidentQuery, RollupQuery, ScanCursor, ScanPage, StoreError};

type Outcome<T> = Result<T, StoreError>;

/// Rows in a page.
const ROWS: usize = 4_096;
/// Bytes of a cursor.
const BYTES: usize = 26;
const EVER: Span = Span { from: UnixMicros::MIN, to: UnixMicros::MAX };

/// Where a scan goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// Monitors from an id on.
    Monitors(Uuid),
    /// Incidents from an id on.
    Incidents(Uuid),
    /// Gaps of a monitor from a time on.
    Gaps(Uuid, UnixMicros),
    /// Rollups of a monitor and tier from a time on.
    Rollups(Uuid, Tier, UnixMicros),
    /// Results of a monitor from a time on.
    Results(Uuid, UnixMicros),
}

impl Place {
    const WRONG: &'static str = "this cursor is not one of this store's";

    /// Reads a cursor.
    pub(super) fn read(cursor: Option<&ScanCursor>) -> Result<Self, &'static str> {
        let Some(ScanCursor(bytes)) = cursor else { return Ok(Self::Monitors(Uuid::nil())) };
        let (Some((table, rest)), BYTES) = (bytes.split_first(), bytes.len()) else { return Err(Self::WRONG) };
        let id = Uuid::from_slice(&rest[..16]).map_err(|_| Self::WRONG)?;
        let time = UnixMicros::new(i64::from_be_bytes(rest[16..24].try_into().map_err(|_| Self::WRONG)?));
        match (table, Tier::from_code(rest[24])) {
            (0, _) => Ok(Self::Monitors(id)),
            (1, _) => Ok(Self::Incidents(id)),
            (2, _) => Ok(Self::Gaps(id, time)),
            (3, Some(tier)) => Ok(Self::Rollups(id, tier, time)),
            (4, _) => Ok(Self::Results(id, time)),
            _ => Err(Self::WRONG),
        }
    }

    /// The cursor that means this place.
    pub(super) fn cursor(self) -> ScanCursor {
        let (table, id, time, tier) = match self {
            Self::Monitors(id) => (0, id, UnixMicros::MIN, 0),
            Self::Incidents(id) => (1, id, UnixMicros::MIN, 0),
            Self::Gaps(id, time) => (2, id, time, 0),
            Self::Rollups(id, tier, time) => (3, id, time, tier.code()),
            Self::Results(id, time) => (4, id, time, 0),
        };
        let mut bytes = Vec::with_capacity(BYTES);
        bytes.push(table);
        bytes.extend(id.as_bytes());
        bytes.extend(time.micros().to_be_bytes());
        bytes.push(tier);
        ScanCursor(bytes)
    }
}

/// The page that begins at a place.
pub(super) async fn page(home: &Home, place: Place) -> Outcome<ScanPage> {
    let mut batch = Batch::default();
    let next = match place {
        Place::Monitors(from) => monitors(home, from, &mut batch),
        Place::Incidents(from) => incidents(home, from, &mut batch).await?,
        Place::Gaps(monitor, from) => gaps(home, (monitor, from), &mut batch).await?,
        Place::Rollups(monitor, tier, from) => rollups(home, (monitor, tier, from), &mut batch).await?,
        Place::Results(monitor, from) => results(home, monitor, from, &mut batch).await?,
    };
    Ok(ScanPage { batch, next: next.map(Place::cursor) })
}

/// Rows in the order of their key from a key on, as many as a page holds; and the key of the first that it does not.
fn cut<T, K: Ord>(mut rows: Vec<T>, from: &K, key: impl Fn(&T) -> K) -> (Vec<T>, Option<K>) {
    rows.retain(|row| key(row) >= *from);
    rows.sort_by_key(&key);
    let next = rows.get(ROWS).map(key);
    rows.truncate(ROWS);
    (rows, next)
}

fn monitors(home: &Home, from: Uuid, batch: &mut Batch) -> Option<Place> {
    let all = home.known().monitors.values().cloned().collect();
    let (rows, next) = cut(all, &from, |row: &crate::model::KnownMonitor| row.id.uuid());
    batch.monitors = rows;
    Some(next.map_or(Place::Incidents(Uuid::nil()), Place::Monitors))
}

async fn incidents(home: &Home, from: Uuid, batch: &mut Batch) -> Outcome<Option<Place>> {
    let all = rest::incidents(home, &IncidentQuery { monitor: None, span: EVER, limit: usize::MAX }).await?;
    let (rows, next) = cut(all, &from, |row| row.id.uuid());
    batch.incidents = rows;
    Ok(Some(next.map_or(Place::Gaps(Uuid::nil(), UnixMicros::MIN), Place::Incidents)))
}

async fn gaps(home: &Home, from: (Uuid, UnixMicros), batch: &mut Batch) -> Outcome<Option<Place>> {
    let all = rest::gaps(home, &GapQuery { monitor: None, span: EVER }).await?;
    let (rows, next) = cut(all, &from, |row| (row.monitor.uuid(), row.span.from));
    batch.gaps = rows;
    let rollups = Place::Rollups(Uuid::nil(), Tier::FiveMinutes, UnixMicros::MIN);
    Ok(Some(next.map_or(rollups, |(monitor, from)| Place::Gaps(monitor, from))))
}

/// The monitors from one on.
async fn monitors_from(home: &Home, from: Uuid) -> Outcome<Vec<MonitorId>> {
    let mut monitors = read::monitors_with_rows(home, "scan").await?;
    monitors.retain(|monitor| monitor.uuid() >= from);
    Ok(monitors)
}

async fn rollups(
    home: &Home,
    (begin, begin_tier, begin_time): (Uuid, Tier, UnixMicros),
    batch: &mut Batch,
) -> Outcome<Option<Place>> {
    for monitor in monitors_from(home, begin).await? {
        for tier in Tier::ALL.iter().copied() {
            let from = match (monitor.uuid() == begin, tier.cmp(&begin_tier)) {
                (true, std::cmp::Ordering::Less) => continue,
                (true, std::cmp::Ordering::Equal) => begin_time,
                _ => UnixMicros::MIN,
            };
            let mut rows = rest::rollups(home, &RollupQuery { monitor, tier, span: Span::new(from, EVER.to) }).await?;
            let left = ROWS - batch.rollups.len();
            let next = rows.get(left).map(|row| Place::Rollups(monitor.uuid(), tier, row.start));
            rows.truncate(left);
            batch.rollups.extend(rows);
            if next.is_some() {
                return Ok(next);
            }
        }
    }
    Ok(Some(Place::Results(Uuid::nil(), UnixMicros::MIN)))
}

async fn results(home: &Home, begin: Uuid, begin_time: UnixMicros, batch: &mut Batch) -> Outcome<Option<Place>> {
    for monitor in monitors_from(home, begin).await? {
        let from = if monitor.uuid() == begin { begin_time } else { UnixMicros::MIN };
        let left = ROWS - batch.results.len();
        let mut rows = read::results_after(home, monitor, from, left + 1).await?;
        let next = rows.get(left).map(|row| Place::Results(monitor.uuid(), row.time));
        rows.truncate(left);
        batch.results.extend(rows);
        if next.is_some() {
            return Ok(next);
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cursors_read_back_and_others_are_refused() {
        let time = UnixMicros::new(1_700_000_000_000_007);
        let id = Uuid::from_u128(u128::MAX - 1);
        for place in [
            Place::Monitors(id),
            Place::Incidents(id),
            Place::Gaps(id, time),
            Place::Rollups(id, Tier::Day, time),
            Place::Results(Uuid::nil(), UnixMicros::MAX),
        ] {
            assert_eq!(Place::read(Some(&place.cursor())), Ok(place));
        }
        let of_no_tier = [&[3][..], &[0; 25][..]].concat();
        for wrong in [vec![], vec![9; BYTES], vec![0; BYTES - 1], of_no_tier] {
            Place::read(Some(&ScanCursor(wrong))).expect_err("is refused");
        }
    }
}
