//! Writing rows: each append is one transaction, and twice is as good as once.

use std::collections::{BTreeSet, HashMap};

use jiff::civil::Date;
use sqlx::postgres::PgConnection;
use sqlx::{Connection as _, Row as _};
use uuid::Uuid;

use super::copy::{self, THERE};
use super::fault::state;
use super::store::Home;
use super::wire::{Stamp, count};
use crate::model::{CheckResult, Gap, Incident, IncidentEnd, KnownMonitor, MonitorId, Rollup, Tier, UnixMicros};
use crate::storage::Batch;

/// Tier of results in the table of floors.
pub(super) const RAW: &str = "raw";
/// So many results are copied; fewer are added as quickly, in a round trip less.
const COPIED_FROM: usize = 500;
/// What the server says when there is no partition for a row.
const NO_PARTITION: &str = "23514";

/// A part of a large table: a day of results, or a month of a tier.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Partition {
    /// Results of a UTC day.
    Results(Date),
    /// Rollups of a tier of the UTC month that begins on a day.
    Rollups(Tier, Date),
}

fn date(time: UnixMicros) -> Date {
    jiff::tz::TimeZone::UTC.to_datetime(time.timestamp()).date()
}

/// The first instants that are still accepted.
#[derive(Debug, Default)]
pub(super) struct Floors(HashMap<(String, i32), UnixMicros>);

impl Floors {
    pub(super) async fn load(connection: &mut PgConnection, instance: i32) -> Result<Self, sqlx::Error> {
        const READ: &str = "SELECT tier, monitor, until FROM floor WHERE instance = $1";
        let mut floors = HashMap::new();
        for row in sqlx::query(READ).bind(instance).fetch_all(connection).await? {
            floors.insert((row.try_get(0)?, row.try_get(1)?), row.try_get::<Stamp, _>(2)?.0);
        }
        Ok(Self(floors))
    }

    /// Of a monitor, or of all with 0.
    pub(super) fn of(&self, tier: &str, monitor: i32) -> UnixMicros {
        let of = |monitor| self.0.get(&(tier.to_owned(), monitor)).copied().unwrap_or(UnixMicros::MIN);
        of(0).max(of(monitor))
    }
}

/// Keeps a batch: all of it, or nothing.
pub(super) async fn append(connection: &mut PgConnection, home: &Home, batch: Batch) -> Result<(), sqlx::Error> {
    let batch = batch.tidied();
    // A batch whose answer is lost, or that nobody waits for any more, comes again.
    let mut all_new = home.expect_repeat();
    let mut kept = attempt(connection, home, &batch, all_new).await;
    if all_new && is_state(&kept, THERE) {
        all_new = false;
        kept = attempt(connection, home, &batch, all_new).await;
    }
    if is_state(&kept, NO_PARTITION) {
        // Somebody dropped a partition meanwhile.
        home.partitions().clear();
        kept = attempt(connection, home, &batch, all_new).await;
    }
    if kept? {
        home.expect_new();
    }
    Ok(())
}

fn is_state(kept: &Result<bool, sqlx::Error>, wanted: &str) -> bool {
    kept.as_ref().err().and_then(state).is_some_and(|state| state == wanted)
}

/// Keeps a batch whose results are all new, or of which some may be there; tells whether all were new.
async fn attempt(
    connection: &mut PgConnection,
    home: &Home,
    batch: &Batch,
    all_new: bool,
) -> Result<bool, sqlx::Error> {
    let floors = Floors::load(connection, home.instance).await?;
    make_partitions(connection, home, batch, &floors).await?;
    keep(connection, home, batch, &floors, all_new).await
}

/// The partitions that a batch needs. The days after those of its results too, so that at midnight nobody waits.
fn wanted(batch: &Batch, floors: &Floors) -> BTreeSet<Partition> {
    let raw = floors.of(RAW, 0);
    let day = |time: UnixMicros| time.floor_to(Tier::Day.width_us());
    let days: BTreeSet<UnixMicros> =
        batch.results.iter().filter(|row| row.time >= raw).map(|row| day(row.time)).collect();
    let mut wanted: BTreeSet<Partition> = days
        .into_iter()
        .flat_map(|day| [date(day), date(day.plus_us(Tier::Day.width_us()))])
        .map(Partition::Results)
        .collect();
    let kept = batch.rollups.iter().filter(|row| row.start >= floors.of(row.tier.as_str(), 0));
    wanted.extend(kept.map(|row| Partition::Rollups(row.tier, date(row.start).first_of_month())));
    wanted
}

async fn make_partitions(
    connection: &mut PgConnection,
    home: &Home,
    batch: &Batch,
    floors: &Floors,
) -> Result<(), sqlx::Error> {
    let wanted = wanted(batch, floors);
    let made: Vec<Partition> = {
        let known = home.partitions();
        wanted.into_iter().filter(|partition| !known.contains(partition)).collect()
    };
    if made.is_empty() {
        return Ok(());
    }
    let days = made.iter().filter_map(|partition| match partition {
        Partition::Results(day) => Some(day.to_string()),
        Partition::Rollups(..) => None,
    });
    let days: Vec<String> = days.collect();
    if !days.is_empty() {
        sqlx::query("SELECT make_result_partitions($1::text[]::date[])").bind(days).execute(&mut *connection).await?;
    }
    for tier in Tier::ALL {
        let months = made.iter().filter_map(|partition| match partition {
            Partition::Rollups(of, month) if of == tier => Some(month.to_string()),
            _ => None,
        });
        let months: Vec<String> = months.collect();
        if !months.is_empty() {
            sqlx::query("SELECT make_rollup_partitions($1, $2::text[]::date[])")
                .bind(tier.as_str())
                .bind(months)
                .execute(&mut *connection)
                .await?;
        }
    }
    home.partitions().extend(made);
    Ok(())
}

async fn keep(
    connection: &mut PgConnection,
    home: &Home,
    batch: &Batch,
    floors: &Floors,
    all_new: bool,
) -> Result<bool, sqlx::Error> {
    let mut work = connection.begin().await?;
    let numbers = numbers(&mut work, home.instance, batch).await?;
    let numbers = Numbers(numbers);
    monitors(&mut work, home.instance, &batch.monitors).await?;
    let were_new = results(&mut work, &numbers, floors, &batch.results, all_new).await?;
    rollups(&mut work, &numbers, floors, &batch.rollups).await?;
    gaps(&mut work, &numbers, &batch.gaps).await?;
    incidents(&mut work, home.instance, &numbers, &batch.incidents).await?;
    work.commit().await?;
    Ok(were_new)
}

/// The numbers of the monitors of a batch, looked up in the transaction that uses them.
struct Numbers(HashMap<MonitorId, i32>);

impl Numbers {
    fn of(&self, id: MonitorId) -> i32 {
        self.0.get(&id).copied().unwrap_or_default()
    }
}

async fn numbers(
    work: &mut PgConnection,
    instance: i32,
    batch: &Batch,
) -> Result<HashMap<MonitorId, i32>, sqlx::Error> {
    const ADD: &str = "INSERT INTO monitor (instance, id) SELECT $1, * FROM unnest($2::uuid[]) \
                       ON CONFLICT (instance, id) DO NOTHING";
    let mut ids: BTreeSet<MonitorId> = batch.results.iter().map(|row| row.monitor).collect();
    ids.extend(batch.rollups.iter().map(|row| row.monitor));
    ids.extend(batch.gaps.iter().map(|row| row.monitor));
    ids.extend(batch.incidents.iter().map(|row| row.monitor));
    ids.extend(batch.monitors.iter().map(|row| row.id));
    let mut found = find_numbers(work, instance, ids.iter().map(|id| id.uuid()).collect()).await?;
    let missing: Vec<Uuid> = ids.iter().filter(|id| !found.contains_key(id)).map(|id| id.uuid()).collect();
    if !missing.is_empty() {
        sqlx::query(ADD).bind(instance).bind(&missing).execute(&mut *work).await?;
        found.extend(find_numbers(work, instance, missing).await?);
    }
    Ok(found)
}

async fn find_numbers(
    work: &mut PgConnection,
    instance: i32,
    ids: Vec<Uuid>,
) -> Result<HashMap<MonitorId, i32>, sqlx::Error> {
    const FIND: &str = "SELECT id, number FROM monitor WHERE instance = $1 AND id = ANY($2)";
    let rows = sqlx::query(FIND).bind(instance).bind(ids).fetch_all(work).await?;
    rows.iter().map(|row| Ok((MonitorId::new(row.try_get(0)?), row.try_get(1)?))).collect()
}

async fn monitors(work: &mut PgConnection, instance: i32, monitors: &[KnownMonitor]) -> Result<(), sqlx::Error> {
    const SET: &str = "UPDATE monitor m SET name = n.name, group_name = n.group_name, kind = n.kind, target = n.target, \
         first_seen = least(m.first_seen, n.first_seen), last_seen = n.last_seen \
         FROM unnest($2::uuid[], $3::text[], $4::text[], $5::text[], $6::text[], $7::timestamptz[], $8::timestamptz[]) \
         AS n (id, name, group_name, kind, target, first_seen, last_seen) WHERE m.instance = $1 AND m.id = n.id";
    if monitors.is_empty() {
        return Ok(());
    }
    let text = |field: fn(&KnownMonitor) -> &String| monitors.iter().map(|row| field(row).as_str()).collect::<Vec<_>>();
    sqlx::query(SET)
        .bind(instance)
        .bind(column(monitors, |row| row.id.uuid()))
        .bind(text(|row| &row.name))
        .bind(text(|row| &row.group))
        .bind(text(|row| &row.kind))
        .bind(text(|row| &row.target))
        .bind(column(monitors, |row| Stamp(row.first_seen)))
        .bind(column(monitors, |row| Stamp(row.last_seen)))
        .execute(work)
        .await
        .map(drop)
}

fn column<R, T>(rows: &[R], field: impl Fn(&R) -> T) -> Vec<T> {
    rows.iter().map(field).collect()
}

/// Adds results; tells whether all were new. With `all_new` one that is there may be an error.
async fn results(
    work: &mut PgConnection,
    numbers: &Numbers,
    floors: &Floors,
    rows: &[CheckResult],
    all_new: bool,
) -> Result<bool, sqlx::Error> {
    const ADD: &str = "INSERT INTO result (time, interval_us, timeout_us, duration_us, name_us, connect_us, tls_us, \
         first_byte_us, total_us, monitor, verdict, failure, message, facts) \
         SELECT r.time, r.interval_us, r.timeout_us, r.duration_us, r.name_us, r.connect_us, r.tls_us, \
         r.first_byte_us, r.total_us, r.monitor, r.verdict, r.failure, r.message, r.facts::jsonb \
         FROM unnest($1::timestamptz[], $2::int8[], $3::int8[], $4::int8[], $5::int8[], $6::int8[], $7::int8[], \
         $8::int8[], $9::int8[], $10::int4[], $11::text[], $12::text[], $13::text[], $14::text[]) \
         AS r (time, interval_us, timeout_us, duration_us, name_us, connect_us, tls_us, first_byte_us, total_us, \
         monitor, verdict, failure, message, facts) \
         ON CONFLICT (monitor, time) DO NOTHING";
    let kept: Vec<(i32, &CheckResult)> = rows
        .iter()
        .map(|row| (numbers.of(row.monitor), row))
        .filter(|(monitor, row)| row.time >= floors.of(RAW, *monitor))
        .collect();
    if kept.is_empty() {
        return Ok(all_new);
    }
    if all_new && kept.len() >= COPIED_FROM {
        return copy::copy(work, &kept).await.map(|()| true);
    }
    let phase = |field: fn(&CheckResult) -> Option<u32>| column(&kept, |(_, row)| field(row).map(i64::from));
    let facts: Vec<Option<String>> = kept.iter().map(|(_, row)| facts(row)).collect::<Result<_, _>>()?;
    sqlx::query(ADD)
        .bind(column(&kept, |(_, row)| Stamp(row.time)))
        .bind(column(&kept, |(_, row)| count(row.interval_us)))
        .bind(column(&kept, |(_, row)| count(row.timeout_us)))
        .bind(column(&kept, |(_, row)| count(row.duration_us)))
        .bind(phase(|row| row.phases.name_us))
        .bind(phase(|row| row.phases.connect_us))
        .bind(phase(|row| row.phases.tls_us))
        .bind(phase(|row| row.phases.first_byte_us))
        .bind(phase(|row| row.phases.total_us))
        .bind(column(&kept, |(monitor, _)| *monitor))
        .bind(column(&kept, |(_, row)| row.verdict.as_str()))
        .bind(column(&kept, |(_, row)| row.failure.map(|failure| failure.as_str())))
        .bind(kept.iter().map(|(_, row)| &*row.message).collect::<Vec<&str>>())
        .bind(facts)
        .execute(work)
        .await
        .map(|done| done.rows_affected() == kept.len() as u64)
}

fn facts(row: &CheckResult) -> Result<Option<String>, sqlx::Error> {
    if row.facts.is_empty() {
        return Ok(None);
    }
    serde_json::to_string(&row.facts).map(Some).map_err(|error| sqlx::Error::Encode(error.into()))
}

async fn rollups(
    work: &mut PgConnection,
    numbers: &Numbers,
    floors: &Floors,
    rows: &[Rollup],
) -> Result<(), sqlx::Error> {
    const ADD: &str = "INSERT INTO rollup (start, checks, up, degraded, down, inconclusive, up_us, degraded_us, \
         down_us, latency_count, latency_sum_us, latency_min_us, latency_max_us, monitor, tier, sketch) \
         SELECT * FROM unnest($1::timestamptz[], $2::int8[], $3::int8[], $4::int8[], $5::int8[], $6::int8[], \
         $7::int8[], $8::int8[], $9::int8[], $10::int8[], $11::int8[], $12::int8[], $13::int8[], $14::int4[], \
         $15::text[], $16::bytea[]) \
         ON CONFLICT (monitor, tier, start) DO UPDATE SET checks = excluded.checks, up = excluded.up, \
         degraded = excluded.degraded, down = excluded.down, inconclusive = excluded.inconclusive, \
         up_us = excluded.up_us, degraded_us = excluded.degraded_us, down_us = excluded.down_us, \
         latency_count = excluded.latency_count, latency_sum_us = excluded.latency_sum_us, \
         latency_min_us = excluded.latency_min_us, latency_max_us = excluded.latency_max_us, \
         sketch = excluded.sketch";
    let kept: Vec<(i32, &Rollup)> = rows
        .iter()
        .map(|row| (numbers.of(row.monitor), row))
        .filter(|(monitor, row)| row.start >= floors.of(row.tier.as_str(), *monitor))
        .collect();
    if kept.is_empty() {
        return Ok(());
    }
    let number = |field: fn(&Rollup) -> u64| column(&kept, |(_, row)| count(field(row)));
    let sketch = |row: &Rollup| postcard::to_stdvec(&row.latency.sketch);
    let sketches: Vec<Vec<u8>> = kept
        .iter()
        .map(|(_, row)| sketch(row))
        .collect::<Result<_, _>>()
        .map_err(|error| sqlx::Error::Encode(error.into()))?;
    sqlx::query(ADD)
        .bind(column(&kept, |(_, row)| Stamp(row.start)))
        .bind(number(|row| row.checks))
        .bind(number(|row| row.up))
        .bind(number(|row| row.degraded))
        .bind(number(|row| row.down))
        .bind(number(|row| row.inconclusive))
        .bind(number(|row| row.up_us))
        .bind(number(|row| row.degraded_us))
        .bind(number(|row| row.down_us))
        .bind(number(|row| row.latency.count))
        .bind(number(|row| row.latency.sum_us))
        .bind(number(|row| row.latency.min_us))
        .bind(number(|row| row.latency.max_us))
        .bind(column(&kept, |(monitor, _)| *monitor))
        .bind(column(&kept, |(_, row)| row.tier.as_str()))
        .bind(sketches)
        .execute(work)
        .await
        .map(drop)
}

async fn gaps(work: &mut PgConnection, numbers: &Numbers, rows: &[Gap]) -> Result<(), sqlx::Error> {
    const ADD: &str = "INSERT INTO gap (monitor, began, ended, reason) \
         SELECT * FROM unnest($1::int4[], $2::timestamptz[], $3::timestamptz[], $4::text[]) \
         ON CONFLICT (monitor, began) DO UPDATE SET ended = excluded.ended, reason = excluded.reason";
    if rows.is_empty() {
        return Ok(());
    }
    sqlx::query(ADD)
        .bind(column(rows, |row| numbers.of(row.monitor)))
        .bind(column(rows, |row| Stamp(row.span.from)))
        .bind(column(rows, |row| Stamp(row.span.to)))
        .bind(column(rows, |row| row.reason.as_str()))
        .execute(work)
        .await
        .map(drop)
}

async fn incidents(
    work: &mut PgConnection,
    instance: i32,
    numbers: &Numbers,
    rows: &[Incident],
) -> Result<(), sqlx::Error> {
    const ADD: &str = "INSERT INTO incident (instance, id, monitor, opened, confirmed, ending, ended, failure, message, \
         acknowledged, acknowledged_by, acknowledged_note) \
         SELECT $1, * FROM unnest($2::uuid[], $3::int4[], $4::timestamptz[], $5::timestamptz[], $6::text[], \
         $7::timestamptz[], $8::text[], $9::text[], $10::timestamptz[], $11::text[], $12::text[]) \
         ON CONFLICT (instance, id) DO UPDATE SET monitor = excluded.monitor, opened = excluded.opened, \
         confirmed = excluded.confirmed, ending = excluded.ending, ended = excluded.ended, \
         failure = excluded.failure, message = excluded.message, acknowledged = excluded.acknowledged, \
         acknowledged_by = excluded.acknowledged_by, acknowledged_note = excluded.acknowledged_note";
    if rows.is_empty() {
        return Ok(());
    }
    let end = |row: &Incident| match row.end {
        IncidentEnd::Open => ("open", None),
        IncidentEnd::Recovered(at) => ("recovered", Some(Stamp(at))),
        IncidentEnd::Unknown(at) => ("unknown", Some(Stamp(at))),
    };
    let seen = |row: &Incident| row.acknowledged.clone();
    sqlx::query(ADD)
        .bind(instance)
        .bind(column(rows, |row| row.id.uuid()))
        .bind(column(rows, |row| numbers.of(row.monitor)))
        .bind(column(rows, |row| Stamp(row.opened)))
        .bind(column(rows, |row| Stamp(row.confirmed)))
        .bind(column(rows, |row| end(row).0))
        .bind(column(rows, |row| end(row).1))
        .bind(column(rows, |row| row.failure.as_str()))
        .bind(column(rows, |row| row.message.clone()))
        .bind(column(rows, |row| seen(row).map(|seen| Stamp(seen.at))))
        .bind(column(rows, |row| seen(row).map(|seen| seen.by)))
        .bind(column(rows, |row| seen(row).map(|seen| seen.note)))
        .execute(work)
        .await
        .map(drop)
}
