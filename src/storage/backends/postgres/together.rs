//! Reading rows of several monitors in one question: a way to the server and back costs more than many rows.

use std::collections::{BTreeMap, HashMap};

use sqlx::postgres::PgConnection;
use sqlx::{Connection as _, Row as _};

use super::append::RAW;
use super::read::{Outcome, TIME_COLUMNS, name, number, time, time_columns, times, unreadable};
use super::wire::{Numbers, Stamp};
use crate::model::{CheckResult, Facts, MonitorId, Phases, Rollup, Span, Tier, Times, UnixMicros};

/// Monitors by number, of which a tier may be read from the same time on.
type SameFloor = (UnixMicros, HashMap<i32, MonitorId>);

/// Brings together those of some monitors that have the same floor: mostly there is one for all.
async fn by_floor(
    connection: &mut PgConnection,
    instance: i32,
    monitors: &[MonitorId],
    tier: &str,
) -> Outcome<Vec<SameFloor>> {
    const READ: &str = "SELECT n.number, n.id, coalesce(greatest(a.until, f.until), '-infinity') FROM monitor n \
         LEFT JOIN floor a ON a.instance = $1 AND a.tier = $3 AND a.monitor = 0 \
         LEFT JOIN floor f ON f.instance = $1 AND f.tier = $3 AND f.monitor = n.number \
         WHERE n.instance = $1 AND n.id = ANY($2)";
    let ids: Vec<uuid::Uuid> = monitors.iter().map(|monitor| monitor.uuid()).collect();
    let mut found: BTreeMap<UnixMicros, HashMap<i32, MonitorId>> = BTreeMap::new();
    for row in sqlx::query(READ).bind(instance).bind(ids).bind(tier).fetch_all(connection).await? {
        found.entry(time(&row, 2)?).or_default().insert(row.try_get(0)?, MonitorId::new(row.try_get(1)?));
    }
    Ok(found.into_iter().collect())
}

/// What was seen of several monitors; none where it is more than so much. What is the same in many results comes once.
pub(super) async fn results_seen_of(
    connection: &mut PgConnection,
    instance: i32,
    monitors: &[MonitorId],
    span: Span,
    limit: usize,
) -> Outcome<Option<Vec<CheckResult>>> {
    const READ: &str = "SELECT r.monitor, r.interval_us, r.timeout_us, r.verdict, r.failure, array_agg(r.time), \
         array_agg(r.duration_us) FROM (SELECT monitor, time, interval_us, timeout_us, duration_us, verdict, failure \
         FROM result WHERE monitor = ANY($1) AND time >= $2 AND time < $3 LIMIT $4) r GROUP BY 1, 2, 3, 4, 5";
    // The server expects so many groups that it would rather sort all results, which takes longer.
    const BEGIN: &str = "BEGIN READ ONLY; SET LOCAL enable_sort = off";
    let mut results = Vec::new();
    let floors = by_floor(connection, instance, monitors, RAW).await?;
    let mut work = connection.begin_with(BEGIN).await?;
    for (floor, known) in floors {
        let numbers: Vec<i32> = known.keys().copied().collect();
        let most = i64::try_from(limit - results.len()).unwrap_or(i64::MAX).saturating_add(1);
        let asked = sqlx::query(READ).bind(numbers).bind(Stamp(span.from.max(floor))).bind(Stamp(span.to)).bind(most);
        for row in asked.fetch_all(&mut *work).await? {
            let Some(monitor) = known.get(&row.try_get(0)?) else { continue };
            let (times, durations): (Numbers, Numbers) = (row.try_get(5)?, row.try_get(6)?);
            let same = CheckResult {
                monitor: *monitor,
                time: UnixMicros::MIN,
                interval_us: number(&row, 1)?,
                timeout_us: number(&row, 2)?,
                duration_us: 0,
                verdict: name(&row, 3)?,
                failure: row.try_get::<Option<&str>, _>(4)?.map(str::parse).transpose().map_err(unreadable)?,
                phases: Phases::default(),
                message: "".into(),
                facts: Facts::new(),
            };
            let each = times.times().zip(durations.counts());
            results.extend(each.map(|(time, duration_us)| CheckResult { time, duration_us, ..same.clone() }));
        }
        if results.len() > limit {
            return Ok(None);
        }
    }
    work.commit().await?;
    Ok(Some(results))
}

/// Counts and times of several monitors. Those that were written together lie together.
pub(super) async fn rollup_times_of(
    connection: &mut PgConnection,
    instance: i32,
    monitors: &[MonitorId],
    tier: Tier,
    span: Span,
) -> Outcome<Vec<Rollup>> {
    const READ: &str = concat!(
        "SELECT ",
        time_columns!(),
        ", monitor FROM rollup WHERE monitor = ANY($1) AND tier = $2 AND start >= $3 AND start < $4"
    );
    let mut rollups = Vec::new();
    for (floor, known) in by_floor(connection, instance, monitors, tier.as_str()).await? {
        let numbers: Vec<i32> = known.keys().copied().collect();
        let asked = sqlx::query(READ).bind(numbers).bind(tier.as_str());
        let asked = asked.bind(Stamp(span.from.max(floor))).bind(Stamp(span.to));
        for row in asked.fetch_all(&mut *connection).await? {
            if let Some(monitor) = known.get(&row.try_get(TIME_COLUMNS)?) {
                rollups.push(times(&row, *monitor, tier)?);
            }
        }
    }
    Ok(rollups)
}

/// Times of several monitors, summed by span.
pub(super) async fn rollup_sums(
    connection: &mut PgConnection,
    instance: i32,
    monitors: &[MonitorId],
    tier: Tier,
    spans: &[Span],
) -> Outcome<Vec<Vec<Times>>> {
    // An odd number of edges lies before what is in a span.
    const READ: &str = "SELECT monitor, width_bucket(start, $5::timestamptz[]), sum(up_us)::int8, \
         sum(degraded_us)::int8, sum(down_us)::int8 FROM rollup \
         WHERE monitor = ANY($1) AND tier = $2 AND start >= $3 AND start < $4 GROUP BY 1, 2";
    let mut sums: HashMap<MonitorId, Vec<Times>> = HashMap::new();
    let nothing = || vec![Times::default(); spans.len()];
    let edges: Vec<Stamp> = spans.iter().flat_map(|span| [span.from, span.to]).map(Stamp).collect();
    if let (Some(first), Some(last)) = (spans.first(), spans.last()) {
        for (floor, known) in by_floor(connection, instance, monitors, tier.as_str()).await? {
            let numbers: Vec<i32> = known.keys().copied().collect();
            let asked = sqlx::query(READ).bind(numbers).bind(tier.as_str());
            let asked = asked.bind(Stamp(first.from.max(floor))).bind(Stamp(last.to)).bind(&edges);
            for row in asked.fetch_all(&mut *connection).await? {
                let before = usize::try_from(row.try_get::<i32, _>(1)?).unwrap_or(0);
                let Some(monitor) = known.get(&row.try_get(0)?).filter(|_| before % 2 == 1) else { continue };
                if let Some(sum) = sums.entry(*monitor).or_insert_with(nothing).get_mut(before / 2) {
                    *sum = Times { up_us: number(&row, 2)?, degraded_us: number(&row, 3)?, down_us: number(&row, 4)? };
                }
            }
        }
    }
    Ok(monitors.iter().map(|monitor| sums.get(monitor).cloned().unwrap_or_else(nothing)).collect())
}
