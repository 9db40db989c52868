//! Reading rollups, incidents, gaps and what is remembered. Incidents and gaps are few and asked for often: they are read
//! once and kept.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::flux::Flux;
use super::line::key_tag;
use super::point::{self, GAP, INCIDENT, META, ROLLUP, ROW, TIMES};
use super::read::{EVER, IN_ONE_TABLE, MOST_NAMED, id_of, made, select, time_of, wanted_column};
use super::store::Home;
use crate::model::{Gap, Incident, IncidentId, InstanceId, MonitorId, Rollup, Span, Tier, Times, UnixMicros};
use crate::storage::{GapQuery, IncidentQuery, RollupQuery, StoreError};

type Outcome<T> = Result<T, StoreError>;

/// Incidents of so many monitors are asked for singly before all are read, and kept.
const MOST_SINGLE: u32 = 8;
/// Most questions that sums of a few monitors are worth: a year in which the clocks change twice is five.
const MOST_RUNS: usize = 8;

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
    let mut rollups = Vec::new();
    let each = |[time, packed]: [&str; 2]| {
        rollups.push(point::read_rollup(query.monitor, query.tier, time_of(time)?, packed)?);
        Ok(())
    };
    home.client.each_row(OPERATION, flux, ["_time", "_value"], each).await?;
    rollups.sort_by_key(|rollup| rollup.start);
    Ok(rollups)
}

pub(super) async fn incidents(home: &Home, query: &IncidentQuery) -> Outcome<Vec<Incident>> {
    let mut incidents = incidents_that(home, query.monitor, |incident| query.matches(incident)).await?;
    incidents.sort_by_key(|incident| std::cmp::Reverse((incident.opened, incident.id)));
    incidents.truncate(query.limit);
    Ok(incidents)
}

/// Counts and times of the rollups of some monitors at once, oldest first for each.
pub(super) async fn times_of(home: &Home, monitors: &[MonitorId], tier: Tier, span: Span) -> Outcome<Vec<Rollup>> {
    let floors = home.known().floors.clone();
    let span = Span::new(span.from.max(floors.lowest(Some(tier))), span.to);
    let mut rollups = Vec::new();
    if span.is_empty() {
        return Ok(rollups);
    }
    let some: Vec<&[MonitorId]> = halves(monitors).collect();
    for two in some.chunks(2) {
        let found = two.iter().map(|some| times_of_some(home, some, tier, span));
        rollups.extend(futures_util::future::try_join_all(found).await?.into_iter().flatten());
    }
    rollups.retain(|rollup| rollup.start >= floors.of(Some(tier), rollup.monitor));
    rollups.sort_by_key(|rollup| (rollup.monitor, rollup.start));
    Ok(rollups)
}

/// Monitors in parts that can be named in a query, two at least: the server works on each question in one thread.
pub(super) fn halves(monitors: &[MonitorId]) -> impl Iterator<Item = &[MonitorId]> {
    monitors.chunks(monitors.len().div_ceil(2).clamp(1, MOST_NAMED))
}

async fn times_of_some(home: &Home, monitors: &[MonitorId], tier: Tier, span: Span) -> Outcome<Vec<Rollup>> {
    let flux =
        select_rollups(home, monitors, tier, span).code(" and r._field == ").text(TIMES).code(")").code(IN_ONE_TABLE);
    let mut rollups = Vec::new();
    let each = |[time, packed, monitor]: [&str; 3]| {
        rollups.push(point::read_times(id_of(monitor)?, tier, time_of(time)?, packed)?);
        Ok(())
    };
    home.client.each_row("rollups", flux, ["_time", "_value", "monitor"], each).await?;
    Ok(rollups)
}

/// Begins a query for rollups of some monitors and a tier.
fn select_rollups(home: &Home, monitors: &[MonitorId], tier: Tier, span: Span) -> Flux {
    select_rest(home, ROLLUP, span)
        .code(" and ")
        .any(monitors, |flux, monitor| flux.code("r.monitor == ").text(&monitor.to_string()))
        .code(" and r.tier == ")
        .text(tier.as_str())
}

/// Observed time of some monitors in several spans, summed by the server; none where the spans have so many lengths that
/// it would be asked too often.
pub(super) async fn sums(
    home: &Home,
    monitors: &[MonitorId],
    tier: Tier,
    spans: &[Span],
) -> Outcome<Option<Vec<Vec<Times>>>> {
    let runs = runs(spans);
    if runs.len() > MOST_RUNS {
        return Ok(None);
    }
    // A sum cannot leave out what is below a floor: those of the same floor are asked for together; each once, whoever asks
    // twice.
    let mut by_floor: BTreeMap<UnixMicros, Vec<MonitorId>> = BTreeMap::new();
    {
        let floors = &home.known().floors;
        for monitor in monitors.iter().collect::<BTreeSet<_>>() {
            by_floor.entry(floors.of(Some(tier), *monitor)).or_default().push(*monitor);
        }
    }
    let mut asked = Vec::new();
    for (floor, monitors) in &by_floor {
        for some in halves(monitors) {
            for run in &runs {
                let run = Run { from: run.from.max(*floor), ..*run };
                if run.from < run.to {
                    asked.push((some, run));
                }
            }
        }
    }
    let mut sums: HashMap<MonitorId, Vec<Times>> = HashMap::new();
    for two in asked.chunks(2) {
        let found = two.iter().map(|(some, run)| sums_of_run(home, some, tier, *run));
        for (monitor, start, field, us) in futures_util::future::try_join_all(found).await?.into_iter().flatten() {
            let at = spans.partition_point(|span| span.to <= start);
            let own = sums.entry(monitor).or_insert_with(|| vec![Times::default(); spans.len()]);
            if let Some(times) = own.get_mut(at) {
                *field.of(times) += us;
            }
        }
    }
    let of = |monitor| sums.get(monitor).cloned().unwrap_or_else(|| vec![Times::default(); spans.len()]);
    Ok(Some(monitors.iter().map(of).collect()))
}

/// Spans of one length that follow each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Run {
    from: UnixMicros,
    to: UnixMicros,
    /// The length of each.
    each_us: u64,
    /// Where one of them begins, by the server's counting from 1970.
    offset_us: u64,
}

/// Takes spans together that follow each other and are of one length.
fn runs(spans: &[Span]) -> Vec<Run> {
    let mut runs: Vec<Run> = Vec::new();
    for span in spans.iter().filter(|span| !span.is_empty()) {
        match runs.last_mut() {
            Some(run) if run.to == span.from && run.each_us == span.us() => run.to = span.to,
            _ => {
                let offset_us = span.from.since_us(span.from.floor_to(span.us()));
                runs.push(Run { from: span.from, to: span.to, each_us: span.us(), offset_us });
            }
        }
    }
    runs
}

/// One of the fields that are summed.
#[derive(Debug, Clone, Copy)]
enum Summed {
    Up,
    Degraded,
    Down,
}

impl Summed {
    fn of(self, times: &mut Times) -> &mut u64 {
        match self {
            Self::Up => &mut times.up_us,
            Self::Degraded => &mut times.degraded_us,
            Self::Down => &mut times.down_us,
        }
    }
}

/// Sums of each length in a run: whose, where it begins, and of what.
async fn sums_of_run(
    home: &Home,
    monitors: &[MonitorId],
    tier: Tier,
    run: Run,
) -> Outcome<Vec<(MonitorId, UnixMicros, Summed, u64)>> {
    const OPERATION: &str = "rollups";
    let flux = select_rollups(home, monitors, tier, Span::new(run.from, run.to))
        .code(" and (r._field == \"up_us\" or r._field == \"degraded_us\" or r._field == \"down_us\"))")
        .code("\n  |> aggregateWindow(every: ")
        .micros(run.each_us)
        .code(", offset: ")
        .micros(run.offset_us)
        .code(", fn: sum, timeSrc: \"_start\", createEmpty: false)")
        .code("\n  |> keep(columns: [\"_time\", \"_value\", \"monitor\", \"_field\"])");
    let mut found = Vec::new();
    let each = |[time, sum, monitor, field]: [&str; 4]| {
        let field = match field {
            "up_us" => Summed::Up,
            "degraded_us" => Summed::Degraded,
            "down_us" => Summed::Down,
            other => return Err(format!("`{other}` was not asked for")),
        };
        let us = sum.parse::<u64>().map_err(|_| format!("`{sum}` is no length of time"))?;
        found.push((id_of(monitor)?, time_of(time)?, field, us));
        Ok(())
    };
    home.client.each_row(OPERATION, flux, ["_time", "_value", "monitor", "_field"], each).await?;
    Ok(found)
}

/// Reads all incidents, to have them when somebody asks.
pub(super) async fn read_ahead(home: &Home) {
    // Whoever asks is told what is wrong.
    let _ = incidents_that(home, None, |_| false).await;
}

/// Incidents of one monitor or of all, in no order. Those of all take the server long to find, so whoever asks for a few
/// monitors only is not made to wait for them.
async fn incidents_that(
    home: &Home,
    monitor: Option<MonitorId>,
    wanted: impl Fn(&Incident) -> bool,
) -> Outcome<Vec<Incident>> {
    const OPERATION: &str = "incidents";
    let pick = |all: &HashMap<IncidentId, Incident>| all.values().filter(|one| wanted(one)).cloned().collect();
    let kept = || home.known().incidents.as_ref().map(pick);
    if let Some(picked) = kept() {
        return Ok(picked);
    }
    let monitor = {
        let mut known = home.known();
        known.asked_for_one += u32::from(monitor.is_some());
        monitor.filter(|_| known.asked_for_one <= MOST_SINGLE)
    };
    // Whoever comes while somebody reads all of them waits for these.
    let _reading = if monitor.is_none() { Some(home.reading.lock().await) } else { None };
    if let Some(picked) = kept() {
        return Ok(picked);
    }
    let changes = home.known().changes;
    let flux = select_rest(home, INCIDENT, EVER);
    let flux = match monitor {
        Some(monitor) => flux.code(" and r.monitor == ").text(&monitor.to_string()),
        None => flux,
    };
    let flux = flux.code(" and r._field == ").text(ROW).code(")").code(IN_ONE_TABLE);
    let mut all = HashMap::new();
    let each = |[packed]: [&str; 1]| {
        let incident = point::read_incident(packed)?;
        all.insert(incident.id, incident);
        Ok(())
    };
    home.client.each_row(OPERATION, flux, ["_value"], each).await?;
    let picked = pick(&all);
    let mut known = home.known();
    if known.changes == changes && monitor.is_none() {
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
        .code(")\n  |> group(columns: [\"_field\"])\n  |> keep(columns: [\"_value\", \"key\"])");
    let mut found = Vec::new();
    let each = |[key, packed]: [&str; 2]| {
        found.push((key.to_owned(), packed.to_owned()));
        Ok(())
    };
    home.client.each_row(operation, flux, ["key", "_value"], each).await?;
    Ok(found)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_of_one_length_are_asked_for_together() {
        let hour = Tier::Hour.width_us();
        let at = |hours: u64| UnixMicros::new(1_767_225_600_000_000).plus_us(hours * hour);
        let day = |from: u64, long: u64| Span::new(at(from), at(from + long));
        // Days in which the clocks change.
        let spans = [day(22, 24), day(46, 24), day(70, 23), day(93, 24), day(120, 24)];
        let runs = runs(&spans);
        let told: Vec<_> =
            runs.iter().map(|run| (run.from, run.to, run.each_us / hour, run.offset_us / hour)).collect();
        let first = (at(22), at(70), 24, 22);
        assert_eq!(told[0], first);
        assert_eq!(told.len(), 4);
        assert!(runs.iter().all(|run| run.from.floor_to(run.each_us).plus_us(run.offset_us) == run.from));
        assert_eq!(super::runs(&[]), []);
    }
}
