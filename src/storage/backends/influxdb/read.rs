//! Reading rows. Every read obeys the floors. The server has no index by time alone and sorts what it was asked for: pages
//! are looked for in spans that are about as long as a page.

use std::collections::HashMap;

use super::client::Record;
use super::fault::unreadable;
use super::flux::Flux;
use super::point::{self, RESULT, ROLLUP, ROW, SEEN, Unreadable};
use super::store::Home;
use super::{rest, room};
use crate::model::{CheckResult, MonitorId, Span, UnixMicros};
use crate::storage::{FUTURE_TOLERANCE_US, Page, PageCursor, ResultQuery, StoreError, StoreStatus};

type Outcome<T> = Result<T, StoreError>;

pub(super) const EVER: Span = Span { from: UnixMicros::MIN, to: UnixMicros::MAX };

/// A field that every result has, small: for what needs times only.
pub(super) const SMALL_FIELD: &str = "duration_us";
/// Width of the first look for the newest results of all monitors, in microseconds.
const FIRST_LOOK_US: u64 = 300_000_000;
/// Shortest interval that is reckoned with, in microseconds: a check made once has none.
const SHORTEST_US: u64 = 1_000_000;
/// A span that is looked through at once when nothing is known of the monitor, in microseconds.
const SHORT_SPAN_US: u64 = 2 * 86_400_000_000;
/// All rows in one table: the server reads so much faster than by sorting series into one afterwards.
pub(super) const IN_ONE_TABLE: &str =
    "\n  |> group(columns: [\"_field\"])\n  |> keep(columns: [\"_time\", \"_value\", \"monitor\"])";
/// Most monitors that are named in a query; of more, all are asked for.
pub(super) const MOST_NAMED: usize = 32;

/// Begins a query for points of this instance that lie in a span, which is not empty.
pub(super) fn select(home: &Home, bucket: &str, measurement: &'static str, span: Span) -> Flux {
    Flux::new("from(bucket: ")
        .text(bucket)
        .code(")\n  |> range(start: ")
        .time(span.from)
        .code(", stop: ")
        .time(span.to)
        .code(")\n  |> filter(fn: (r) => r._measurement == ")
        .text(measurement)
        .code(" and r.instance == ")
        .text(&home.instance)
}

/// The same for a field of results, of one monitor or of all.
pub(super) fn select_results(home: &Home, monitor: Option<MonitorId>, span: Span, field: &'static str) -> Flux {
    let all = select(home, &home.client.settings.bucket, RESULT, span);
    let whose = match monitor {
        Some(monitor) => all.code(" and r.monitor == ").text(&monitor.to_string()),
        None => all,
    };
    whose.code(" and r._field == ").text(field).code(")")
}

/// The same for some monitors.
pub(super) fn select_results_of(home: &Home, monitors: &[MonitorId], span: Span, field: &'static str) -> Flux {
    if monitors.len() > MOST_NAMED {
        return select_results(home, None, span, field);
    }
    select(home, &home.client.settings.bucket, RESULT, span)
        .code(" and ")
        .any(monitors, |flux, monitor| flux.code("r.monitor == ").text(&monitor.to_string()))
        .code(" and r._field == ")
        .text(field)
        .code(")")
}

/// A column that an answer must have.
pub(super) fn wanted_column<T>(operation: &'static str, value: Option<T>) -> Outcome<T> {
    value.ok_or_else(|| unreadable(operation, "a column is missing"))
}

pub(super) fn made<T>(operation: &'static str, read: Result<T, Unreadable>) -> Outcome<T> {
    read.map_err(|what| unreadable(operation, &what))
}

/// How a row is unpacked.
type Read = fn(MonitorId, UnixMicros, &str) -> Result<CheckResult, Unreadable>;

/// A time as the server writes it.
pub(super) fn time_of(text: &str) -> Result<UnixMicros, Unreadable> {
    UnixMicros::parse(text).map_err(|error| error.to_string())
}

/// A monitor's id as it is a tag.
pub(super) fn id_of(text: &str) -> Result<MonitorId, Unreadable> {
    text.parse().map_err(|_| format!("`{text}` is no id"))
}

fn result(operation: &'static str, monitor: MonitorId, record: &Record) -> Outcome<CheckResult> {
    let (time, packed) = (wanted_column(operation, record.time())?, wanted_column(operation, record.packed())?);
    made(operation, point::read_result(monitor, time, packed))
}

fn any_result(operation: &'static str, record: &Record) -> Outcome<CheckResult> {
    result(operation, wanted_column(operation, record.monitor())?, record)
}

/// A page of results: whole, or as much as was seen.
pub(super) async fn results(home: &Home, query: &ResultQuery, whole: bool) -> Outcome<Page> {
    let limit = query.limit.clamp(1, usize::MAX / 2);
    let floor = match query.monitor {
        Some(monitor) => home.known().floors.of(None, monitor),
        None => home.known().floors.lowest(None),
    };
    let span = Span::new(query.span.from.max(floor), query.span.to);
    // One more than asked tells whether there is another page.
    let mut results = match query.monitor {
        Some(monitor) => of_one(home, monitor, span, query.after, (limit + 1, whole)).await?,
        None => of_all(home, span, query.after, limit + 1).await?,
    };
    if results.len() <= limit {
        return Ok(Page { results, next: None });
    }
    results.truncate(limit);
    let next = results.last().map(|last| PageCursor { time: last.time, monitor: last.monitor });
    Ok(Page { results, next })
}

/// What was seen of some monitors at once; none where it is more than so much.
pub(super) async fn results_seen_of(
    home: &Home,
    monitors: &[MonitorId],
    span: Span,
    limit: usize,
) -> Outcome<Option<Vec<CheckResult>>> {
    let span = Span::new(span.from.max(home.known().floors.lowest(None)), span.to);
    if span.is_empty() {
        return Ok(Some(Vec::new()));
    }
    let mut results = Vec::new();
    let some: Vec<&[MonitorId]> = rest::halves(monitors).collect();
    for two in some.chunks(2) {
        let found = two.iter().map(|some| seen_of(home, some, span, limit));
        results.extend(futures_util::future::try_join_all(found).await?.into_iter().flatten());
        if results.len() > limit {
            return Ok(None);
        }
    }
    Ok(Some(results))
}

/// As many as were seen of a few monitors, and at most one more than the limit.
async fn seen_of(home: &Home, monitors: &[MonitorId], span: Span, limit: usize) -> Outcome<Vec<CheckResult>> {
    const OPERATION: &str = "results";
    let mut found = Vec::new();
    let floors = home.known().floors.clone();
    let flux = select_results_of(home, monitors, span, SEEN)
        .code(IN_ONE_TABLE)
        .code("\n  |> limit(n: ")
        .number(limit.saturating_add(1))
        .code(")");
    let each = |[time, packed, monitor]: [&str; 3]| {
        let (monitor, time) = (id_of(monitor)?, time_of(time)?);
        if time >= floors.of(None, monitor) {
            found.push(point::read_seen(monitor, time, packed)?);
        }
        Ok(())
    };
    home.client.each_row(OPERATION, flux, ["_time", "_value", "monitor"], each).await?;
    Ok(found)
}

/// Newest first, in spans that are about as long as what is wanted. Where it is not known how far apart results are, or a
/// span gave too few, the next one begins at the newest result there is.
async fn of_one(
    home: &Home,
    monitor: MonitorId,
    span: Span,
    after: Option<PageCursor>,
    (most, whole): (usize, bool),
) -> Outcome<Vec<CheckResult>> {
    const OPERATION: &str = "results";
    let (field, read): (_, Read) = if whole { (ROW, point::read_result) } else { (SEEN, point::read_seen) };
    // What comes after a place is older, or of the same time and of a lesser monitor.
    let mut to = after
        .map_or(span.to, |after| span.to.min(if monitor < after.monitor { after.time.plus_us(1) } else { after.time }));
    let mut found: Vec<CheckResult> = Vec::new();
    let mut stretch = 1;
    let mut interval_us = home.known().intervals.get(&monitor).copied();
    if interval_us.is_none() && span.us() <= SHORT_SPAN_US {
        interval_us = Some(u64::MAX);
    }
    while found.len() < most && span.from < to {
        let (end, apart) = match interval_us.take() {
            Some(apart) => (to, apart),
            None => match last_before(home, OPERATION, monitor, span.from, to).await? {
                Some(newest) => (newest.time.plus_us(1), newest.interval_us),
                None => break,
            },
        };
        let left = most - found.len();
        let width = apart.max(SHORTEST_US).saturating_mul(left as u64 + 1).saturating_mul(stretch);
        let look = Span::new(span.from.max(end.minus_us(width)), end);
        let flux = select_results(home, Some(monitor), look, field)
            .code("\n  |> keep(columns: [\"_time\", \"_value\"])\n  |> sort(columns: [\"_time\"], desc: true)\n  |> limit(n: ")
            .number(left)
            .code(")");
        let each = |[time, packed]: [&str; 2]| {
            found.push(read(monitor, time_of(time)?, packed)?);
            Ok(())
        };
        home.client.each_row(OPERATION, flux, ["_time", "_value"], each).await?;
        to = look.from;
        stretch = stretch.saturating_mul(4);
    }
    if let Some(newest) = found.first() {
        home.known().intervals.entry(monitor).or_insert(newest.interval_us);
    }
    Ok(found)
}

/// The newest result in a span; of results that are there twice in an instant there is none.
pub(super) async fn last_before(
    home: &Home,
    operation: &'static str,
    monitor: MonitorId,
    from: UnixMicros,
    before: UnixMicros,
) -> Outcome<Option<CheckResult>> {
    let span = Span::new(from.max(home.known().floors.of(None, monitor)), before);
    if span.is_empty() {
        return Ok(None);
    }
    let flux = select_results(home, Some(monitor), span, ROW)
        .code("\n  |> last()\n  |> keep(columns: [\"_time\", \"_value\"])");
    let mut newest: Option<CheckResult> = None;
    // One a series; there is another one where the kind was another.
    for record in home.client.query(operation, flux).await? {
        let one = result(operation, monitor, &record)?;
        newest = newest.filter(|newest| newest.time >= one.time).or(Some(one));
    }
    Ok(newest)
}

/// Results of all monitors, newest first, in ever wider spans. After one in which there was nothing the next begins at the
/// newest result there is, which takes longer to find than a few minutes take to read.
async fn of_all(home: &Home, span: Span, after: Option<PageCursor>, most: usize) -> Outcome<Vec<CheckResult>> {
    let mut found: Vec<CheckResult> = Vec::new();
    let mut width = FIRST_LOOK_US;
    let mut to = after.map_or(span.to, |after| span.to.min(after.time.plus_us(1)));
    while found.len() < most && span.from < to {
        let look = Span::new(span.from.max(to.minus_us(width)), to);
        let before = found.len();
        all_in(home, look, after, most - before, &mut found).await?;
        let got = found.len() - before;
        to = look.from;
        if got == 0 && !Span::new(span.from, to).is_empty() {
            let Some(newest) = end(home, Span::new(span.from, to), End::Newest).await? else { break };
            to = newest.plus_us(1);
        }
        // As wide as what is left needs, going by what was found, and wider where that was little.
        let needed = look.us().saturating_mul((most - found.len()) as u64) / (got as u64).max(1);
        width = needed.clamp(width, width.saturating_mul(64)).max(width.saturating_mul(2));
    }
    Ok(found)
}

/// The newest results of all monitors in a span that come after a place. What lies below a monitor's own floor is there
/// until it is deleted, and is passed over.
async fn all_in(
    home: &Home,
    span: Span,
    mut after: Option<PageCursor>,
    most: usize,
    found: &mut Vec<CheckResult>,
) -> Outcome<()> {
    const OPERATION: &str = "results";
    let enough = found.len() + most;
    loop {
        let asked = enough - found.len();
        let mut flux = select_results(home, None, span, ROW).code(IN_ONE_TABLE);
        if let Some(after) = after {
            flux = flux
                .code("\n  |> filter(fn: (r) => r._time < ")
                .time(after.time)
                .code(" or r._time == ")
                .time(after.time)
                .code(" and r.monitor < ")
                .text(&after.monitor.to_string())
                .code(")");
        }
        let flux = flux
            .code("\n  |> sort(columns: [\"_time\", \"monitor\"], desc: true)\n  |> limit(n: ")
            .number(asked)
            .code(")");
        let records = home.client.query(OPERATION, flux).await?;
        for record in &records {
            let one = any_result(OPERATION, record)?;
            after = Some(PageCursor { time: one.time, monitor: one.monitor });
            if one.time >= home.known().floors.of(None, one.monitor) {
                found.push(one);
            }
        }
        if records.len() < asked || found.len() >= enough {
            return Ok(());
        }
    }
}

/// An end of what there is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    Oldest,
    Newest,
}

/// The time of the oldest or newest result of all monitors in a span.
async fn end(home: &Home, span: Span, which: End) -> Outcome<Option<UnixMicros>> {
    const OPERATION: &str = "results";
    let span = Span::new(span.from.max(home.known().floors.lowest(None)), span.to);
    if span.is_empty() {
        return Ok(None);
    }
    let flux = select_results(home, None, span, SMALL_FIELD);
    let flux = match which {
        End::Oldest => flux.code("\n  |> first()"),
        End::Newest => flux.code("\n  |> last()"),
    };
    let records = home.client.query(OPERATION, flux.code("\n  |> keep(columns: [\"_time\"])")).await?;
    let times = records.iter().map(|record| wanted_column(OPERATION, record.time())).collect::<Outcome<Vec<_>>>()?;
    Ok(if which == End::Oldest { times.into_iter().min() } else { times.into_iter().max() })
}

/// The time of the oldest result of a monitor in a span.
pub(super) async fn first_of(
    home: &Home,
    operation: &'static str,
    monitor: MonitorId,
    span: Span,
) -> Outcome<Option<CheckResult>> {
    let span = Span::new(span.from.max(home.known().floors.of(None, monitor)), span.to);
    if span.is_empty() {
        return Ok(None);
    }
    let flux = select_results(home, Some(monitor), span, ROW)
        .code("\n  |> first()\n  |> keep(columns: [\"_time\", \"_value\"])");
    let mut oldest: Option<CheckResult> = None;
    for record in home.client.query(operation, flux).await? {
        let one = result(operation, monitor, &record)?;
        oldest = oldest.filter(|oldest| oldest.time <= one.time).or(Some(one));
    }
    Ok(oldest)
}

/// Results of a monitor from a time on, oldest first.
pub(super) async fn results_after(
    home: &Home,
    monitor: MonitorId,
    from: UnixMicros,
    most: usize,
) -> Outcome<Vec<CheckResult>> {
    const OPERATION: &str = "scan";
    let mut found: Vec<CheckResult> = Vec::new();
    let (mut from, mut stretch) = (from, 1);
    while found.len() < most {
        let Some(first) = first_of(home, OPERATION, monitor, Span::new(from, UnixMicros::MAX)).await? else { break };
        let left = most - found.len();
        let width = first.interval_us.max(SHORTEST_US).saturating_mul(left as u64 + 1).saturating_mul(stretch);
        let look = Span::new(first.time, first.time.plus_us(width));
        let flux = select_results(home, Some(monitor), look, ROW)
            .code("\n  |> keep(columns: [\"_time\", \"_value\"])\n  |> sort(columns: [\"_time\"])\n  |> limit(n: ")
            .number(left)
            .code(")");
        for record in home.client.query(OPERATION, flux).await? {
            found.push(result(OPERATION, monitor, &record)?);
        }
        from = look.to;
        stretch = stretch.saturating_mul(4);
    }
    Ok(found)
}

/// The times of the newest result of each of these monitors; those without any are left out.
pub(super) async fn newest_times(
    home: &Home,
    operation: &'static str,
    monitors: &[MonitorId],
) -> Outcome<HashMap<MonitorId, UnixMicros>> {
    let flux = select_results_of(home, monitors, EVER, SMALL_FIELD)
        .code("\n  |> last()\n  |> keep(columns: [\"_time\", \"monitor\"])");
    let mut newest: HashMap<MonitorId, UnixMicros> = HashMap::new();
    for record in home.client.query(operation, flux).await? {
        let (monitor, time) = (wanted_column(operation, record.monitor())?, wanted_column(operation, record.time())?);
        newest.entry(monitor).and_modify(|newest| *newest = time.max(*newest)).or_insert(time);
    }
    Ok(newest)
}

pub(super) async fn latest(home: &Home, monitors: &[MonitorId], now: UnixMicros) -> Outcome<Vec<CheckResult>> {
    let mut span = Span::new(home.known().floors.lowest(None), now.plus_us(FUTURE_TOLERANCE_US + 1));
    let mut newest: HashMap<MonitorId, CheckResult> = HashMap::new();
    if monitors.len() > MOST_NAMED {
        // Of many the newest are looked for among the last minutes: the server finds the last of a series slowly.
        span.to = latest_in_minutes(home, span, &mut newest).await?;
    }
    let missing: Vec<MonitorId> = monitors.iter().copied().filter(|monitor| !newest.contains_key(monitor)).collect();
    if !missing.is_empty() && !span.is_empty() {
        let flux = select_results_of(home, &missing, span, ROW)
            .code("\n  |> last()\n  |> keep(columns: [\"_time\", \"_value\", \"monitor\"])");
        newest_of(home, flux, &mut newest).await?;
    }
    let floors = &home.known().floors;
    newest.retain(|monitor, one| one.time >= floors.of(None, *monitor));
    Ok(monitors.iter().filter_map(|monitor| newest.get(monitor).cloned()).collect())
}

/// The newest results of the last minutes of a span, or, where there is nothing, of the last minutes before which there
/// is something; gives where that begins.
async fn latest_in_minutes(
    home: &Home,
    span: Span,
    newest: &mut HashMap<MonitorId, CheckResult>,
) -> Outcome<UnixMicros> {
    let mut to = span.to;
    for last in [false, true] {
        let look = Span::new(span.from.max(to.minus_us(FIRST_LOOK_US)), to);
        if look.is_empty() {
            return Ok(to);
        }
        newest_of(home, select_results(home, None, look, ROW).code(IN_ONE_TABLE), newest).await?;
        if !newest.is_empty() || last {
            return Ok(look.from);
        }
        match end(home, Span::new(span.from, look.from), End::Newest).await? {
            Some(newest) => to = newest.plus_us(1),
            None => return Ok(span.from),
        }
    }
    Ok(to)
}

/// Of what a query gives the newest of each monitor, besides what was found before.
async fn newest_of(home: &Home, flux: Flux, newest: &mut HashMap<MonitorId, CheckResult>) -> Outcome<()> {
    const OPERATION: &str = "latest";
    let mut last: HashMap<MonitorId, (UnixMicros, String)> = HashMap::new();
    let each = |[time, packed, monitor]: [&str; 3]| {
        let (monitor, time) = (id_of(monitor)?, time_of(time)?);
        if last.get(&monitor).is_none_or(|(known, _)| *known < time) {
            last.insert(monitor, (time, packed.to_owned()));
        }
        Ok(())
    };
    home.client.each_row(OPERATION, flux, ["_time", "_value", "monitor"], each).await?;
    for (monitor, (time, packed)) in last {
        let one = made(OPERATION, point::read_result(monitor, time, &packed))?;
        newest.entry(monitor).or_insert(one);
    }
    Ok(())
}

pub(super) async fn status(home: &Home) -> Outcome<StoreStatus> {
    let version = home.client.version("check").await?;
    let parts = room::parts(home).await;
    Ok(StoreStatus {
        size_bytes: parts.results.map(|_| parts.sum()),
        parts,
        own: None,
        results: None,
        oldest: end(home, EVER, End::Oldest).await?,
        newest: end(home, EVER, End::Newest).await?,
        version,
    })
}

/// Every monitor that has results or rollups, in order.
pub(super) async fn monitors_with_rows(home: &Home, operation: &'static str) -> Outcome<Vec<MonitorId>> {
    let results = select(home, &home.client.settings.bucket, RESULT, EVER);
    let mut monitors = std::collections::BTreeSet::new();
    for all in [results, rest::select_rest(home, ROLLUP, EVER)] {
        let flux = all.code(
            ")\n  |> keep(columns: [\"monitor\"])\n  |> group()\n  |> distinct(column: \"monitor\")\n  \
             |> keep(columns: [\"_value\"])",
        );
        for record in home.client.query(operation, flux).await? {
            let id = wanted_column(operation, record.packed())?.parse().map_err(|_| unreadable(operation, "no id"))?;
            monitors.insert(id);
        }
    }
    Ok(monitors.into_iter().collect())
}
