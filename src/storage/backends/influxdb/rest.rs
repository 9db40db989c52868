//! Reading rollups, incidents, gaps and what is remembered. Incidents and gaps are few and asked for often: they are read
//! once and kept.

use std::collections::HashMap;

use super::client::Record;
use super::flux::Flux;
use super::line::key_tag;
use super::point::{self, GAP, INCIDENT, META, ROLLUP, ROW, TIMES};
use super::read::{EVER, IN_ONE_TABLE, MOST_NAMED, made, select, wanted_column};
use super::store::Home;
use crate::model::{Gap, Incident, IncidentId, InstanceId, MonitorId, Rollup, Span, Tier, UnixMicros};
use crate::storage::{GapQuery, IncidentQuery, RollupQuery, StoreError};

type Outcome<T> = Result<T, StoreError>;

/// Begins a query for points of this instance in the bucket of everything but results.
pub(super) fn select_rest(home: &Home, measurement: &'static str, span: Span) -> Flux {
    select(home, &home.client.settings.rollup_bucket(), measurement, span)
}

pub(super) async fn rollups(home: &Home, query: &RollupQuery) -> Outcome<Vec<Rollup>> {
    const OPERATION: &str = "rollups";
    let floor = home.known().floors.of(Some(query.tier), query.monitor);
    let span = Span::new(query.span.from.max(floor), query.span.to);
    if span.is_empty() {
        return Ok(Vec::new());
    }
    let flux = select_rest(home, ROLLUP, span)
        .code(" and r.monitor == ")
        .text(&query.monitor.to_string())
        .code(" and r.tier == ")
        .text(query.tier.as_str())
        .code(" and r._field == ")
        .text(ROW)
        .code(")\n  |> keep(columns: [\"_time\", \"_value\"])");
    let records = home.client.query(OPERATION, flux).await?;
    let mut rollups = Vec::with_capacity(records.len());
    for record in &records {
        let (start, packed) = (wanted_column(OPERATION, record.time())?, wanted_column(OPERATION, record.packed())?);
        rollups.push(made(OPERATION, point::read_rollup(query.monitor, query.tier, start, packed))?);
    }
    rollups.sort_by_key(|rollup| rollup.start);
    Ok(rollups)
}

pub(super) async fn incidents(home: &Home, query: &IncidentQuery) -> Outcome<Vec<Incident>> {
    let mut incidents = incidents_that(home, |incident| query.matches(incident)).await?;
    incidents.sort_by_key(|incident| std::cmp::Reverse((incident.opened, incident.id)));
    incidents.truncate(query.limit);
    Ok(incidents)
}

/// Counts and times of the rollups of some monitors at once, oldest first for each.
pub(super) async fn times_of(home: &Home, monitors: &[MonitorId], tier: Tier, span: Span) -> Outcome<Vec<Rollup>> {
    const OPERATION: &str = "rollups";
    let floors = home.known().floors.clone();
    let span = Span::new(span.from.max(floors.lowest(Some(tier))), span.to);
    let mut rollups = Vec::new();
    if span.is_empty() {
        return Ok(rollups);
    }
    for some in monitors.chunks(MOST_NAMED) {
        let flux = select_rest(home, ROLLUP, span)
            .code(" and ")
            .any(some, |flux, monitor| flux.code("r.monitor == ").text(&monitor.to_string()))
            .code(" and r.tier == ")
            .text(tier.as_str())
            .code(" and r._field == ")
            .text(TIMES)
            .code(")")
            .code(IN_ONE_TABLE);
        for record in home.client.query(OPERATION, flux).await? {
            let monitor = wanted_column(OPERATION, record.monitor())?;
            let (start, packed) =
                (wanted_column(OPERATION, record.time())?, wanted_column(OPERATION, record.packed())?);
            if start >= floors.of(Some(tier), monitor) {
                rollups.push(made(OPERATION, point::read_times(monitor, tier, start, packed))?);
            }
        }
    }
    rollups.sort_by_key(|rollup| (rollup.monitor, rollup.start));
    Ok(rollups)
}

async fn incidents_that(home: &Home, wanted: impl Fn(&Incident) -> bool) -> Outcome<Vec<Incident>> {
    const OPERATION: &str = "incidents";
    let pick = |all: &HashMap<IncidentId, Incident>| all.values().filter(|one| wanted(one)).cloned().collect();
    let changes = {
        let known = home.known();
        if let Some(all) = &known.incidents {
            return Ok(pick(all));
        }
        known.changes
    };
    let flux = select_rest(home, INCIDENT, EVER)
        .code(" and r._field == ")
        .text(ROW)
        .code(")\n  |> keep(columns: [\"_value\"])");
    let mut all = HashMap::new();
    for record in home.client.query(OPERATION, flux).await? {
        let incident = made(OPERATION, point::read_incident(wanted_column(OPERATION, record.packed())?))?;
        all.insert(incident.id, incident);
    }
    let picked = pick(&all);
    let mut known = home.known();
    if known.changes == changes {
        known.incidents = Some(all);
    }
    Ok(picked)
}

pub(super) async fn gaps(home: &Home, query: &GapQuery) -> Outcome<Vec<Gap>> {
    let floors = home.known().floors.clone();
    let is_kept = |gap: &Gap| gap.span.to >= floors.of(None, gap.monitor);
    let mut gaps = gaps_that(home, "gaps", |gap| query.matches(gap) && is_kept(gap)).await?;
    gaps.sort_by_key(|gap| (gap.span.from, gap.monitor));
    Ok(gaps)
}

/// Gaps, in no order.
pub(super) async fn gaps_that(
    home: &Home,
    operation: &'static str,
    wanted: impl Fn(&Gap) -> bool,
) -> Outcome<Vec<Gap>> {
    let pick = |all: &HashMap<(MonitorId, UnixMicros), Gap>| all.values().filter(|one| wanted(one)).copied().collect();
    let changes = {
        let known = home.known();
        if let Some(all) = &known.gaps {
            return Ok(pick(all));
        }
        known.changes
    };
    let flux = select_rest(home, GAP, EVER)
        .code(" and r._field == ")
        .text(ROW)
        .code(")\n  |> keep(columns: [\"_time\", \"_value\", \"monitor\"])");
    let mut all = HashMap::new();
    for record in home.client.query(operation, flux).await? {
        let monitor = wanted_column(operation, record.monitor())?;
        let (from, packed) = (wanted_column(operation, record.time())?, wanted_column(operation, record.packed())?);
        all.insert((monitor, from), made(operation, point::read_gap(monitor, from, packed))?);
    }
    let picked = pick(&all);
    let mut known = home.known();
    if known.changes == changes {
        known.gaps = Some(all);
    }
    Ok(picked)
}

/// All that is remembered of this instance: keys and packed values.
pub(super) async fn remembered(home: &Home, operation: &'static str) -> Outcome<Vec<(String, String)>> {
    let span = Span::new(UnixMicros::MIN, UnixMicros::MIN.plus_us(1));
    let flux = select_rest(home, META, span)
        .code(" and r._field == ")
        .text(ROW)
        .code(")\n  |> keep(columns: [\"_value\", \"key\"])");
    let records = home.client.query(operation, flux).await?;
    let pair = |record: &Record| {
        Ok((
            wanted_column(operation, record.text("key"))?.to_owned(),
            wanted_column(operation, record.packed())?.to_owned(),
        ))
    };
    records.iter().map(pair).collect()
}

/// A value that every instance remembers.
pub(super) async fn meta_of_all(
    home: &Home,
    operation: &'static str,
    key: &str,
) -> Outcome<Vec<(InstanceId, Vec<u8>)>> {
    let span = Span::new(UnixMicros::MIN, UnixMicros::MIN.plus_us(1));
    let flux = Flux::new("from(bucket: ")
        .text(&home.client.settings.rollup_bucket())
        .code(")\n  |> range(start: ")
        .time(span.from)
        .code(", stop: ")
        .time(span.to)
        .code(")\n  |> filter(fn: (r) => r._measurement == ")
        .text(META)
        .code(" and r.key == ")
        .text(&key_tag(key))
        .code(" and r._field == ")
        .text(ROW)
        .code(")\n  |> keep(columns: [\"_value\", \"instance\"])");
    let mut values = Vec::new();
    for record in home.client.query(operation, flux).await? {
        // Somebody else's points may be here.
        let Some(instance) = record.text("instance").and_then(|id| id.parse().ok()) else { continue };
        values.push((instance, made(operation, point::read_meta(wanted_column(operation, record.packed())?))?));
    }
    values.sort();
    Ok(values)
}

/// A value that is remembered.
pub(super) async fn meta(home: &Home, operation: &'static str, key: &str) -> Outcome<Option<Vec<u8>>> {
    let span = Span::new(UnixMicros::MIN, UnixMicros::MIN.plus_us(1));
    let flux = select_rest(home, META, span)
        .code(" and r.key == ")
        .text(&key_tag(key))
        .code(" and r._field == ")
        .text(ROW)
        .code(")\n  |> keep(columns: [\"_value\"])");
    let records = home.client.query(operation, flux).await?;
    let Some(record) = records.first() else { return Ok(None) };
    made(operation, point::read_meta(wanted_column(operation, record.packed())?)).map(Some)
}
