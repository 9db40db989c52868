//! Reading rows. Every read obeys the floors in the statement itself, whoever raised them.

use std::collections::HashMap;

use sqlx::postgres::{PgConnection, PgRow};
use sqlx::{ColumnIndex, Row as _};

use super::append::RAW;
use super::wire::{Stamp, counted};
use crate::model::{
    Acknowledgement, CheckResult, Facts, Gap, Incident, IncidentEnd, IncidentId, KnownMonitor, Latency, MonitorId,
    Phases, Rollup, Span, Tier, UnixMicros,
};
use crate::storage::{FUTURE_TOLERANCE_US, GapQuery, IncidentQuery, Page, PageCursor, ResultQuery, RollupQuery};

pub(super) type Outcome<T> = Result<T, sqlx::Error>;

/// Width of the first look for the newest results of all monitors, in microseconds; each further one is four times as
/// wide.
const FIRST_LOOK_US: u64 = 300_000_000;

/// How far before a time the last result is looked for at first, in microseconds: two days.
const NEAR_US: u64 = 2 * 86_400_000_000;

macro_rules! result_columns {
    () => {
        "r.time, r.interval_us, r.timeout_us, r.duration_us, r.name_us, r.connect_us, r.tls_us, r.first_byte_us, \
         r.total_us, r.verdict, r.failure, r.message, r.facts::text"
    };
}
/// Number, id and floor of every monitor of instance `$1`: the same as `floor_of`, for many at once.
macro_rules! monitors {
    () => {
        "(SELECT n.number, n.id, coalesce(greatest((SELECT until FROM floor WHERE instance = $1 AND tier = 'raw' \
         AND monitor = 0), f.until), '-infinity') AS floor FROM monitor n LEFT JOIN floor f ON f.instance = $1 \
         AND f.tier = 'raw' AND f.monitor = n.number WHERE n.instance = $1) m"
    };
}
pub(super) use monitors as with_floors;
/// The number of monitor `$2` of instance `$1`; none where it was never seen, and then nothing is found.
macro_rules! number {
    () => {
        "(SELECT number FROM monitor WHERE instance = $1 AND id = $2)"
    };
}
/// The first instant of a tier that may be read of it: the same as `floor_of`, looked up once for a statement.
macro_rules! floor {
    ($tier:literal) => {
        concat!(
            "(SELECT coalesce(max(f.until), '-infinity') FROM floor f WHERE f.instance = $1 AND f.tier = ",
            $tier,
            " AND f.monitor IN (0, (SELECT number FROM monitor WHERE instance = $1 AND id = $2)))"
        )
    };
}
/// Columns of a result before its monitor's id.
const RESULT_COLUMNS: usize = 13;

/// A value that was stored and means nothing to us.
pub(super) fn unreadable(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> sqlx::Error {
    sqlx::Error::Decode(error.into())
}

pub(super) fn time<I: ColumnIndex<PgRow>>(row: &PgRow, at: I) -> Outcome<UnixMicros> {
    row.try_get::<Stamp, _>(at).map(|stamp| stamp.0)
}

pub(super) fn number(row: &PgRow, at: usize) -> Outcome<u64> {
    row.try_get::<i64, _>(at).map(counted)
}

pub(super) fn name<T: std::str::FromStr>(row: &PgRow, at: usize) -> Outcome<T>
where
    T::Err: std::error::Error + Send + Sync + 'static,
{
    row.try_get::<&str, _>(at)?.parse().map_err(unreadable)
}

fn result(row: &PgRow, monitor: MonitorId) -> Outcome<CheckResult> {
    let phase = |at| -> Outcome<Option<u32>> {
        Ok(row.try_get::<Option<i64>, _>(at)?.map(|us| u32::try_from(us).unwrap_or(u32::MAX)))
    };
    let facts = match row.try_get::<Option<&str>, _>(12)? {
        Some(text) => serde_json::from_str(text).map_err(unreadable)?,
        None => Facts::new(),
    };
    let failure = row.try_get::<Option<&str>, _>(10)?.map(str::parse).transpose().map_err(unreadable)?;
    Ok(CheckResult {
        monitor,
        time: time(row, 0)?,
        interval_us: number(row, 1)?,
        timeout_us: number(row, 2)?,
        duration_us: number(row, 3)?,
        phases: Phases {
            name_us: phase(4)?,
            connect_us: phase(5)?,
            tls_us: phase(6)?,
            first_byte_us: phase(7)?,
            total_us: phase(8)?,
        },
        verdict: name(row, 9)?,
        failure,
        message: row.try_get::<&str, _>(11)?.into(),
        facts,
    })
}

/// Columns of what was seen, in the order in which [`seen`] reads them.
macro_rules! seen_columns {
    () => {
        "r.time, r.interval_us, r.timeout_us, r.duration_us, r.verdict, r.failure"
    };
}

/// A result without its phases, message and facts.
fn seen(row: &PgRow, monitor: MonitorId) -> Outcome<CheckResult> {
    Ok(CheckResult {
        monitor,
        time: time(row, 0)?,
        interval_us: number(row, 1)?,
        timeout_us: number(row, 2)?,
        duration_us: number(row, 3)?,
        verdict: name(row, 4)?,
        failure: row.try_get::<Option<&str>, _>(5)?.map(str::parse).transpose().map_err(unreadable)?,
        phases: Phases::default(),
        message: "".into(),
        facts: Facts::new(),
    })
}

/// A page of results: whole, or as much as was seen.
pub(super) async fn results(
    connection: &mut PgConnection,
    instance: i32,
    query: &ResultQuery,
    whole: bool,
) -> Outcome<Page> {
    let limit = query.limit.clamp(1, usize::MAX / 2);
    // One more than asked tells whether there is another page.
    let most = i64::try_from(limit + 1).unwrap_or(i64::MAX);
    let mut results = match query.monitor {
        Some(monitor) => of_one(connection, instance, monitor, query, (most, whole)).await?,
        None => of_all(connection, instance, query, limit + 1).await?,
    };
    if results.len() <= limit {
        return Ok(Page { results, next: None });
    }
    results.truncate(limit);
    let next = results.last().map(|last| PageCursor { time: last.time, monitor: last.monitor });
    Ok(Page { results, next })
}

async fn of_one(
    connection: &mut PgConnection,
    instance: i32,
    monitor: MonitorId,
    query: &ResultQuery,
    (most, whole): (i64, bool),
) -> Outcome<Vec<CheckResult>> {
    macro_rules! read {
        ($columns:expr) => {
            concat!(
                "SELECT ",
                $columns,
                " FROM result r WHERE r.monitor = ",
                number!(),
                " AND r.time >= $3 AND r.time >= ",
                floor!("$6"),
                " AND r.time < $4 ORDER BY r.time DESC LIMIT $5"
            )
        };
    }
    const WHOLE: &str = read!(result_columns!());
    const SEEN: &str = read!(seen_columns!());
    // What comes after a place is older, or of the same time and of a lesser monitor.
    let to = query.after.map_or(query.span.to, |after| {
        query.span.to.min(if monitor < after.monitor { after.time.plus_us(1) } else { after.time })
    });
    if query.span.from >= to {
        return Ok(Vec::new());
    }
    let rows = sqlx::query(if whole { WHOLE } else { SEEN })
        .bind(instance)
        .bind(monitor.uuid())
        .bind(Stamp(query.span.from))
        .bind(Stamp(to))
        .bind(most)
        .bind(RAW)
        .fetch_all(connection)
        .await?;
    rows.iter().map(|row| if whole { result(row, monitor) } else { seen(row, monitor) }).collect()
}

/// Results of all monitors, newest first. There is no index by time alone: it looks through ever wider spans, each
/// beginning at the newest result there is.
async fn of_all(
    connection: &mut PgConnection,
    instance: i32,
    query: &ResultQuery,
    most: usize,
) -> Outcome<Vec<CheckResult>> {
    let mut found: Vec<CheckResult> = Vec::new();
    let mut width = FIRST_LOOK_US;
    let mut to = query.after.map_or(query.span.to, |after| query.span.to.min(after.time.plus_us(1)));
    while found.len() < most && query.span.from < to {
        let Some(newest) = newest(connection, instance, to).await?.filter(|newest| *newest >= query.span.from) else {
            break;
        };
        let end = to.min(newest.plus_us(1));
        let span = Span::new(query.span.from.max(end.minus_us(width)), end);
        found.extend(of_all_in(connection, instance, span, query.after, most - found.len()).await?);
        to = span.from;
        width = width.saturating_mul(4);
    }
    Ok(found)
}

/// Time of the newest result before a time.
async fn newest(connection: &mut PgConnection, instance: i32, before: UnixMicros) -> Outcome<Option<UnixMicros>> {
    const READ: &str = concat!(
        "SELECT max(r.time) FROM ",
        monitors!(),
        " CROSS JOIN LATERAL (SELECT time FROM result WHERE monitor = m.number AND time < $2 AND time >= m.floor \
         ORDER BY time DESC LIMIT 1) r"
    );
    let newest: Option<Stamp> =
        sqlx::query_scalar(READ).bind(instance).bind(Stamp(before)).fetch_one(connection).await?;
    Ok(newest.map(|newest| newest.0))
}

async fn of_all_in(
    connection: &mut PgConnection,
    instance: i32,
    span: Span,
    after: Option<PageCursor>,
    most: usize,
) -> Outcome<Vec<CheckResult>> {
    const READ: &str = concat!(
        "SELECT ",
        result_columns!(),
        ", m.id FROM ",
        monitors!(),
        " CROSS JOIN LATERAL (SELECT * FROM result WHERE monitor = m.number AND time >= $2 AND time < $3 \
         AND time >= m.floor) r \
         WHERE (r.time, m.id) < ($4, $5) ORDER BY r.time DESC, m.id DESC LIMIT $6"
    );
    let past_all = PageCursor { time: UnixMicros::MAX, monitor: MonitorId::new(uuid::Uuid::max()) };
    let after = after.unwrap_or(past_all);
    let rows = sqlx::query(READ)
        .bind(instance)
        .bind(Stamp(span.from))
        .bind(Stamp(span.to))
        .bind(Stamp(after.time))
        .bind(after.monitor.uuid())
        .bind(i64::try_from(most).unwrap_or(i64::MAX))
        .fetch_all(connection)
        .await?;
    rows.iter().map(|row| result(row, MonitorId::new(row.try_get(RESULT_COLUMNS)?))).collect()
}

pub(super) async fn latest(
    connection: &mut PgConnection,
    instance: i32,
    monitors: &[MonitorId],
    now: UnixMicros,
) -> Outcome<Vec<CheckResult>> {
    const READ: &str = concat!(
        "SELECT ",
        result_columns!(),
        ", m.id FROM ",
        monitors!(),
        " CROSS JOIN LATERAL (SELECT * FROM result WHERE monitor = m.number AND time < $3 AND time >= $4 \
         AND time >= m.floor ORDER BY time DESC LIMIT 1) r WHERE m.id = ANY($2)"
    );
    let until = now.plus_us(FUTURE_TOLERANCE_US + 1);
    let mut found: HashMap<MonitorId, CheckResult> = HashMap::new();
    // Mostly they are new; where all partitions may have them, the server has to think of all of them for each.
    let near = now.minus_us(NEAR_US);
    for span in [Span::new(near, until), Span::new(UnixMicros::MIN, near)] {
        let left: Vec<uuid::Uuid> =
            monitors.iter().filter(|monitor| !found.contains_key(monitor)).map(|monitor| monitor.uuid()).collect();
        if left.is_empty() {
            break;
        }
        let asked = sqlx::query(READ).bind(instance).bind(left).bind(Stamp(span.to)).bind(Stamp(span.from));
        for row in asked.fetch_all(&mut *connection).await? {
            let monitor = MonitorId::new(row.try_get(RESULT_COLUMNS)?);
            found.insert(monitor, result(&row, monitor)?);
        }
    }
    Ok(monitors.iter().filter_map(|monitor| found.get(monitor).cloned()).collect())
}

pub(super) async fn last_before(
    connection: &mut PgConnection,
    instance: i32,
    monitor: MonitorId,
    before: UnixMicros,
) -> Outcome<Option<CheckResult>> {
    // Mostly it is not far; where all partitions may have it, the server has to think of all of them.
    let near = before.minus_us(NEAR_US);
    for span in [Span::new(near, before), Span::new(UnixMicros::MIN, near)] {
        let query = ResultQuery { monitor: Some(monitor), span, limit: 1, after: None };
        if let Some(last) = of_one(connection, instance, monitor, &query, (1, true)).await?.pop() {
            return Ok(Some(last));
        }
    }
    Ok(None)
}

/// Columns of a rollup, in the order in which [`rollup`] reads them.
macro_rules! rollup_columns {
    () => {
        "start, checks, up, degraded, down, inconclusive, up_us, degraded_us, down_us, latency_count, \
         latency_sum_us, latency_min_us, latency_max_us, sketch, tier"
    };
}
pub(super) use rollup_columns;

pub(super) fn rollup(row: &PgRow, monitor: MonitorId) -> Outcome<Rollup> {
    let latency = Latency {
        count: number(row, 9)?,
        sum_us: number(row, 10)?,
        min_us: number(row, 11)?,
        max_us: number(row, 12)?,
        sketch: postcard::from_bytes(row.try_get::<&[u8], _>(13)?).map_err(unreadable)?,
    };
    Ok(Rollup { latency, ..times(row, monitor, name(row, 14)?)? })
}

/// The counts and times of a rollup: the first columns of a whole one.
macro_rules! time_columns {
    () => {
        "start, checks, up, degraded, down, inconclusive, up_us, degraded_us, down_us"
    };
}

pub(super) use time_columns;

/// How many they are.
pub(super) const TIME_COLUMNS: usize = 9;

/// A rollup without its latency.
pub(super) fn times(row: &PgRow, monitor: MonitorId, tier: Tier) -> Outcome<Rollup> {
    Ok(Rollup {
        monitor,
        tier,
        start: time(row, 0)?,
        checks: number(row, 1)?,
        up: number(row, 2)?,
        degraded: number(row, 3)?,
        down: number(row, 4)?,
        inconclusive: number(row, 5)?,
        up_us: number(row, 6)?,
        degraded_us: number(row, 7)?,
        down_us: number(row, 8)?,
        latency: Latency::default(),
    })
}

/// Rollups: whole, or their counts and times.
pub(super) async fn rollups(
    connection: &mut PgConnection,
    instance: i32,
    query: &RollupQuery,
    whole: bool,
) -> Outcome<Vec<Rollup>> {
    macro_rules! read {
        ($columns:expr) => {
            concat!(
                "SELECT ",
                $columns,
                " FROM rollup WHERE monitor = ",
                number!(),
                " AND tier = $3 AND start >= $4 AND start >= ",
                floor!("$3"),
                " AND start < $5 ORDER BY start"
            )
        };
    }
    const WHOLE: &str = read!(rollup_columns!());
    const TIMES: &str = read!(time_columns!());
    let rows = sqlx::query(if whole { WHOLE } else { TIMES })
        .bind(instance)
        .bind(query.monitor.uuid())
        .bind(query.tier.as_str())
        .bind(Stamp(query.span.from))
        .bind(Stamp(query.span.to))
        .fetch_all(connection)
        .await?;
    let (monitor, tier) = (query.monitor, query.tier);
    rows.iter().map(|row| if whole { rollup(row, monitor) } else { times(row, monitor, tier) }).collect()
}

/// Columns of an incident, in the order in which [`incident`] reads them.
macro_rules! incident_columns {
    () => {
        "i.id, m.id, i.opened, i.confirmed, i.ending, i.ended, i.failure, i.message, i.acknowledged, \
         i.acknowledged_by, i.acknowledged_note"
    };
}
pub(super) use incident_columns;

pub(super) fn incident(row: &PgRow) -> Outcome<Incident> {
    let ended = row.try_get::<Option<Stamp>, _>(5)?.map(|ended| ended.0);
    let end = match (row.try_get::<&str, _>(4)?, ended) {
        ("open", None) => IncidentEnd::Open,
        ("recovered", Some(at)) => IncidentEnd::Recovered(at),
        ("unknown", Some(at)) => IncidentEnd::Unknown(at),
        (other, _) => return Err(unreadable(format!("an incident that ended as `{other}`"))),
    };
    let acknowledged = match row.try_get::<Option<Stamp>, _>(8)? {
        Some(at) => Some(Acknowledgement {
            by: row.try_get::<Option<String>, _>(9)?.unwrap_or_default(),
            at: at.0,
            note: row.try_get::<Option<String>, _>(10)?.unwrap_or_default(),
        }),
        None => None,
    };
    Ok(Incident {
        id: IncidentId::new(row.try_get(0)?),
        monitor: MonitorId::new(row.try_get(1)?),
        opened: time(row, 2)?,
        confirmed: time(row, 3)?,
        end,
        failure: name(row, 6)?,
        message: row.try_get(7)?,
        acknowledged,
    })
}

pub(super) async fn incidents(
    connection: &mut PgConnection,
    instance: i32,
    query: &IncidentQuery,
) -> Outcome<Vec<Incident>> {
    // The last condition is that of `Span::touches`; an open incident has no end before the end of time.
    const READ: &str = concat!(
        "SELECT ",
        incident_columns!(),
        " FROM incident i JOIN monitor m ON m.number = i.monitor WHERE i.instance = $1 \
         AND ($2::uuid IS NULL OR m.id = $2) AND i.opened < $4 \
         AND (i.opened >= $3 OR coalesce(i.ended, $5) > $3) ORDER BY i.opened DESC, i.id DESC LIMIT $6"
    );
    let rows = sqlx::query(READ)
        .bind(instance)
        .bind(query.monitor.map(MonitorId::uuid))
        .bind(Stamp(query.span.from))
        .bind(Stamp(query.span.to))
        .bind(Stamp(UnixMicros::MAX))
        .bind(i64::try_from(query.limit).unwrap_or(i64::MAX))
        .fetch_all(connection)
        .await?;
    rows.iter().map(incident).collect()
}

pub(super) fn gap(row: &PgRow) -> Outcome<Gap> {
    let span = Span::new(time(row, 1)?, time(row, 2)?);
    Ok(Gap { monitor: MonitorId::new(row.try_get(0)?), span, reason: name(row, 3)? })
}

pub(super) async fn gaps(connection: &mut PgConnection, instance: i32, query: &GapQuery) -> Outcome<Vec<Gap>> {
    const READ: &str = "SELECT m.id, g.began, g.ended, g.reason FROM monitor m JOIN gap g ON g.monitor = m.number \
         WHERE m.instance = $1 AND ($2::uuid IS NULL OR m.id = $2 OR m.id = $5) AND g.began < $4 \
         AND (g.began >= $3 OR g.ended > $3) AND g.ended >= floor_of($1, m.number, $6) ORDER BY g.began, m.id";
    let rows = sqlx::query(READ)
        .bind(instance)
        .bind(query.monitor.map(MonitorId::uuid))
        .bind(Stamp(query.span.from))
        .bind(Stamp(query.span.to))
        .bind(MonitorId::ALL.uuid())
        .bind(RAW)
        .fetch_all(connection)
        .await?;
    rows.iter().map(gap).collect()
}

pub(super) fn monitor(row: &PgRow) -> Outcome<KnownMonitor> {
    Ok(KnownMonitor {
        id: MonitorId::new(row.try_get(0)?),
        name: row.try_get(1)?,
        group: row.try_get(2)?,
        kind: row.try_get(3)?,
        target: row.try_get(4)?,
        first_seen: time(row, 5)?,
        last_seen: time(row, 6)?,
    })
}

pub(super) async fn monitors(connection: &mut PgConnection, instance: i32) -> Outcome<Vec<KnownMonitor>> {
    const READ: &str = "SELECT id, name, group_name, kind, target, first_seen, last_seen FROM monitor \
                        WHERE instance = $1 AND name IS NOT NULL";
    let rows = sqlx::query(READ).bind(instance).fetch_all(connection).await?;
    let mut monitors: Vec<KnownMonitor> = rows.iter().map(monitor).collect::<Outcome<_>>()?;
    // By bytes, whatever the database's order of letters is.
    monitors.sort_by(|a, b| (&a.name, a.id).cmp(&(&b.name, b.id)));
    Ok(monitors)
}

/// A page of results of one monitor, oldest first, for moving house.
pub(super) async fn results_after(
    connection: &mut PgConnection,
    instance: i32,
    (number, monitor): (i32, MonitorId),
    after: UnixMicros,
    most: usize,
) -> Outcome<Vec<CheckResult>> {
    const READ: &str = concat!(
        "SELECT ",
        result_columns!(),
        " FROM result r WHERE r.monitor = $2 AND r.time >= greatest($3, floor_of($1, $2, $5)) ORDER BY r.time LIMIT $4"
    );
    let rows = sqlx::query(READ)
        .bind(instance)
        .bind(number)
        .bind(Stamp(after))
        .bind(i64::try_from(most).unwrap_or(i64::MAX))
        .bind(RAW)
        .fetch_all(connection)
        .await?;
    rows.iter().map(|row| result(row, monitor)).collect()
}
