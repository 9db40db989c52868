//! Figures over days of the local zone: of one monitor, of a group, of all.

use std::collections::HashMap;

use jiff::civil::Date;
use jiff::tz::TimeZone;
use tokio::sync::{Mutex, MutexGuard};

use super::{Screens, storage, too_many};
use crate::clock::Mono;
use crate::deliver::History;
use crate::model::{Latency, MonitorId, Span, State, Tier, UnixMicros};
use crate::screen::{DayMark, Failed, Figures, Millis, RowHistory, Scope, Share, Window};
use crate::storage::{Around, Bucket, Held, IncidentQuery, ReadRows, answer};

/// Half hours in the small chart of a row, and their width.
const SPARK: usize = 48;
const HALF_HOUR_US: u64 = 1_800_000_000;
const DAY_US: u64 = Tier::Day.width_us();
/// Days in the strip of a row.
const ROW_DAYS: u32 = 30;
const MOST_DAYS: u32 = 366;
/// A figure over all monitors is good for this many times the time that it took to make it, within bounds (in
/// microseconds): with few monitors it is always new, with thousands it costs a percent of a core.
const WORTH: u64 = 100;
const FRESH_US: std::ops::RangeInclusive<u64> = 500_000..=120_000_000;
/// Days this near to now may still change: results that come late, outages that are not decided.
const OPEN_DAYS: u32 = 2;
/// Most incidents that are counted.
const MOST_INCIDENTS: usize = 5_000;

/// Observed time of some monitors in a span, and the time in which they could have been observed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Times {
    up_us: u64,
    degraded_us: u64,
    down_us: u64,
    possible_us: u64,
}

impl Times {
    fn add_bucket(&mut self, bucket: &Bucket, first_seen: Option<UnixMicros>, now: UnixMicros) {
        self.up_us += bucket.up_us;
        self.degraded_us += bucket.degraded_us;
        self.down_us += bucket.down_us;
        let observed = bucket.up_us + bucket.degraded_us + bucket.down_us;
        let known = Span::new(first_seen.unwrap_or(UnixMicros::MIN), now);
        self.possible_us += bucket.span.intersect(known).us().max(observed);
    }

    fn add(&mut self, other: Self) {
        self.up_us += other.up_us;
        self.degraded_us += other.degraded_us;
        self.down_us += other.down_us;
        self.possible_us += other.possible_us;
    }

    fn observed_us(self) -> u64 {
        self.up_us + self.degraded_us + self.down_us
    }

    fn uptime(self) -> Option<Share> {
        Share::of(self.up_us + self.degraded_us, self.observed_us())
    }

    fn coverage(self) -> Option<Share> {
        Share::of(self.observed_us(), self.possible_us)
    }

    fn mark(self, day: &LocalDay) -> DayMark {
        DayMark {
            date: day.date.to_string(),
            up: Share::or_zero(self.up_us, self.possible_us),
            degraded: Share::or_zero(self.degraded_us, self.possible_us),
            down: Share::or_zero(self.down_us, self.possible_us),
            observed: Share::or_zero(self.observed_us(), self.possible_us),
            incidents: 0,
        }
    }
}

/// A day of the local zone; 23 or 25 hours long where clocks change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct LocalDay {
    date: Date,
    span: Span,
}

/// The last days up to the one of `now`, oldest first.
fn local_days(zone: &TimeZone, now: UnixMicros, days: u32) -> Vec<LocalDay> {
    let start = |date: Date| {
        let midnight = date.to_zoned_datetime(zone.clone()).map(|zoned| zoned.timestamp().as_microsecond());
        UnixMicros::new(midnight.unwrap_or(0))
    };
    let mut date = now.timestamp().to_zoned_datetime(zone.clone()).date();
    let mut found = Vec::new();
    for _ in 0..days {
        let next = date.tomorrow().unwrap_or(date);
        found.push(LocalDay { date, span: Span::new(start(date), start(next)) });
        match date.yesterday() {
            Ok(yesterday) => date = yesterday,
            Err(_) => break,
        }
    }
    found.reverse();
    found
}

/// What is remembered of all monitors, so that a question costs the days that may have changed only.
#[derive(Debug, Default)]
pub(super) struct FleetDays(Mutex<Remembered>);

#[derive(Debug, Default)]
struct Remembered {
    /// Of which monitors.
    monitors: Vec<MonitorId>,
    /// Days that are over.
    closed: HashMap<Date, Times>,
    recent: Option<(Made, Recent)>,
}

/// What may still change.
#[derive(Clone, Debug)]
struct Recent {
    /// The open days.
    days: Vec<(Date, Times)>,
    /// The last 24 hours, from a whole hour on.
    last_day: Times,
    latency: Latency,
}

/// When something was made, and for how long it is good.
#[derive(Clone, Copy, Debug)]
struct Made {
    at: Mono,
    good_us: u64,
}

impl Made {
    /// Made just now, in the time since `began`.
    fn since(began: Mono, now: Mono) -> Self {
        let worth = now.since_us(began).saturating_mul(WORTH);
        Self { at: now, good_us: worth.clamp(*FRESH_US.start(), *FRESH_US.end()) }
    }

    fn is_fresh(self, now: Mono) -> bool {
        now.since_us(self.at) < self.good_us
    }
}

impl FleetDays {
    /// What is remembered of these monitors; of others nothing is kept.
    async fn of(&self, monitors: &[MonitorId]) -> MutexGuard<'_, Remembered> {
        let mut remembered = self.0.lock().await;
        if remembered.monitors != monitors {
            *remembered = Remembered { monitors: monitors.to_vec(), ..Remembered::default() };
        }
        remembered
    }
}

/// What one question about many monitors reads.
struct Fleet<'a> {
    history: &'a History,
    first_seen: HashMap<MonitorId, UnixMicros>,
    /// Hours before this are made.
    made_until: UnixMicros,
    now: UnixMicros,
}

impl<'a> Fleet<'a> {
    async fn of(history: &'a History, now: UnixMicros) -> Result<Self, Failed> {
        let known = history.monitors().await.map_err(storage)?;
        let first_seen = known.into_iter().map(|known| (known.id, known.first_seen)).collect();
        let made_until = history.rolled_until().await.map_err(storage)?.unwrap_or(UnixMicros::MIN);
        Ok(Self { history, first_seen, made_until, now })
    }

    fn add(&self, sum: &mut Times, monitor: MonitorId, bucket: &Bucket) {
        sum.add_bucket(bucket, self.first_seen.get(&monitor).copied(), self.now);
    }

    /// From results where hours are not made yet.
    async fn exact_times<R: ReadRows>(
        &self,
        rows: &R,
        monitors: &[MonitorId],
        days: &[LocalDay],
    ) -> Result<Vec<Times>, Failed> {
        let mut sums = vec![Times::default(); days.len()];
        for run in whole_runs(days) {
            let spans: Vec<Span> = days[run.clone()].iter().map(|day| day.span).collect();
            for monitor in monitors {
                let buckets = answer::lean_buckets(rows, *monitor, spans.clone(), Some(Tier::Hour), self.now).await;
                for (sum, bucket) in sums[run.clone()].iter_mut().zip(buckets.map_err(storage)?) {
                    self.add(sum, *monitor, &bucket);
                }
                // Thousands of monitors: others get their turn.
                tokio::task::yield_now().await;
            }
        }
        Ok(sums)
    }

    /// How many of the days are over, with all hours made.
    fn made(&self, days: &[LocalDay]) -> usize {
        let is_made = |day: &LocalDay| {
            day.span.to <= self.made_until
                && [day.span.from, day.span.to].iter().all(|edge| Tier::Hour.bucket(*edge).from == *edge)
        };
        days.iter().take_while(|day| is_made(day)).count()
    }

    /// Days of monitors, summed.
    async fn times(&self, monitors: &[MonitorId], days: &[LocalDay]) -> Result<Vec<Times>, Failed> {
        let (made, rest) = days.split_at(self.made(days));
        let mut sums = vec![Times::default(); made.len()];
        for of_monitor in self.made_times(monitors, made).await? {
            sums.iter_mut().zip(of_monitor).for_each(|(sum, times)| sum.add(times));
        }
        let mut open = vec![Times::default(); rest.len()];
        let (around, mut left) = (self.around(rest, Vec::new()), monitors);
        while !left.is_empty() && !rest.is_empty() {
            let (held, some) = Held::first_of(self.history, left, &around).await.map_err(storage)?;
            let times = self.exact_times(&held, some, rest).await?;
            open.iter_mut().zip(times).for_each(|(sum, times)| sum.add(times));
            left = &left[some.len()..];
        }
        sums.extend(open);
        Ok(sums)
    }

    /// What is read for days that are not made: their hours, and the results of hours that are not or that belong to two
    /// of them; besides those of other spans.
    fn around(&self, days: &[LocalDay], others: Vec<Span>) -> Around {
        let (from, to) = days
            .first()
            .zip(days.last())
            .map_or((self.now, self.now), |(first, last)| (first.span.from.min(self.now), last.span.to.min(self.now)));
        let mut results = cut_hours(days);
        results.push(Span::new(self.made_until.max(from).min(to), to));
        results.extend(others);
        results.sort_unstable_by_key(|span| span.from);
        Around { results, rollups: Span::new(from, to), tiers: &[Tier::Hour] }
    }

    /// Days of each monitor. All hours are made, and what they do not tell was not observed: results are not looked
    /// for, which would take a few reads for every night in which nothing ran.
    async fn made_times(&self, monitors: &[MonitorId], days: &[LocalDay]) -> Result<Vec<Vec<Times>>, Failed> {
        let mut found = vec![vec![Times::default(); days.len()]; monitors.len()];
        for run in whole_runs(days) {
            let spans: Vec<Span> = days[run.clone()].iter().map(|day| day.span).collect();
            let sums = self.history.rollup_sums(monitors, Tier::Hour, &spans).await.map_err(storage)?;
            for ((monitor, row), sums) in monitors.iter().zip(&mut found).zip(sums) {
                for ((times, sum), span) in row[run.clone()].iter_mut().zip(sums).zip(&spans) {
                    let crate::model::Times { up_us, degraded_us, down_us } = sum;
                    self.add(times, *monitor, &Bucket { up_us, degraded_us, down_us, ..empty(*span) });
                }
            }
        }
        Ok(found)
    }

    /// What may still change: each monitor is read once, hour by hour.
    async fn recent(&self, monitors: &[MonitorId], days: &[LocalDay]) -> Result<Recent, Failed> {
        let mut found = Recent {
            days: days.iter().map(|day| (day.date, Times::default())).collect(),
            last_day: Times::default(),
            latency: Latency::default(),
        };
        let day_from = Tier::Hour.bucket(self.now.minus_us(DAY_US)).from;
        let hours = hours_of(days, self.now);
        for monitor in monitors {
            let buckets = self.history.buckets(*monitor, hours.clone(), Some(Tier::Hour), self.now).await;
            for bucket in buckets.map_err(storage)? {
                let day = days.partition_point(|day| day.span.to <= bucket.span.from);
                if let Some((_, sum)) = found.days.get_mut(day) {
                    self.add(sum, *monitor, &bucket);
                }
                if bucket.span.from >= day_from {
                    self.add(&mut found.last_day, *monitor, &bucket);
                    found.latency.merge(&bucket.latency);
                }
            }
            tokio::task::yield_now().await;
        }
        Ok(found)
    }
}

/// The hours in which days begin or end, where the zone's clock is not whole hours from UTC.
fn cut_hours(days: &[LocalDay]) -> Vec<Span> {
    let edges = days.iter().flat_map(|day| [day.span.from, day.span.to]);
    let mut hours: Vec<Span> = edges
        .map(|edge| (edge, Tier::Hour.bucket(edge)))
        .filter(|(edge, hour)| hour.from != *edge)
        .map(|(_, hour)| hour)
        .collect();
    hours.dedup();
    hours
}

fn empty(span: Span) -> Bucket {
    Bucket { span, checks: 0, down: 0, up_us: 0, degraded_us: 0, down_us: 0, latency: Latency::default() }
}

/// The hours of days that follow each other, up to now; cut where a day begins within an hour.
fn hours_of(days: &[LocalDay], now: UnixMicros) -> Vec<Span> {
    let mut hours = Vec::new();
    for day in days {
        let mut from = day.span.from;
        while from < day.span.to.min(now) {
            let to = Tier::Hour.bucket(from).to.min(day.span.to);
            hours.push(Span::new(from, to));
            from = to;
        }
    }
    hours
}

/// Runs of days that follow each other.
fn whole_runs(days: &[LocalDay]) -> Vec<std::ops::Range<usize>> {
    let mut runs = Vec::new();
    let mut from = 0;
    for at in 1..=days.len() {
        if at == days.len() || days[at].span.from != days[at - 1].span.to {
            runs.push(from..at);
            from = at;
        }
    }
    runs
}

/// What the rows of a table show besides their state, read from history alone.
///
/// # Errors
/// The store does not answer.
pub async fn rows_of(history: &History, monitors: &[MonitorId], now: UnixMicros) -> Result<Vec<RowHistory>, Failed> {
    let fleet = Fleet::of(history, now).await?;
    let days = local_days(&TimeZone::system(), now, ROW_DAYS);
    let made = fleet.made_times(monitors, &days[..fleet.made(&days)]).await?;
    let around = fleet.around(&days[fleet.made(&days)..], vec![spark_span(now)]);
    let mut rows = Vec::with_capacity(monitors.len());
    let (mut left, mut made) = (monitors, made.into_iter());
    while !left.is_empty() {
        let (held, some) = Held::first_of(history, left, &around).await.map_err(storage)?;
        for (monitor, made) in some.iter().zip(&mut made) {
            rows.push(row_history(&fleet, &held, *monitor, &days, made).await?);
            // Thousands of results: others get their turn.
            tokio::task::yield_now().await;
        }
        left = &left[some.len()..];
    }
    Ok(rows)
}

/// The half hours of the small chart.
fn spark_span(now: UnixMicros) -> Span {
    let end = now.floor_to(HALF_HOUR_US).plus_us(HALF_HOUR_US);
    Span::new(end.minus_us(SPARK as u64 * HALF_HOUR_US), end)
}

/// The last days of some monitors, oldest first, read from history alone.
///
/// # Errors
/// The store does not answer.
pub async fn days_of(
    history: &History,
    monitors: &[MonitorId],
    days: u32,
    now: UnixMicros,
) -> Result<Vec<DayMark>, Failed> {
    let days = local_days(&TimeZone::system(), now, days.clamp(1, MOST_DAYS));
    let times = Fleet::of(history, now).await?.times(monitors, &days).await?;
    let mut marks: Vec<DayMark> = times.iter().zip(&days).map(|(times, day)| times.mark(day)).collect();
    count_incidents(history, Some(monitors), &days, now, &mut marks).await?;
    Ok(marks)
}

/// Adds the incidents of some monitors, or of all, to the days that they touch.
async fn count_incidents(
    history: &History,
    among: Option<&[MonitorId]>,
    days: &[LocalDay],
    now: UnixMicros,
    marks: &mut [DayMark],
) -> Result<(), Failed> {
    let (Some(first), Some(last)) = (days.first(), days.last()) else { return Ok(()) };
    let span = Span::new(first.span.from, last.span.to);
    let one = among.and_then(|among| if let [one] = among { Some(*one) } else { None });
    let query = IncidentQuery { monitor: one, span, limit: MOST_INCIDENTS };
    for incident in history.incidents(&query).await.map_err(storage)? {
        let lasted = incident.span(now);
        if among.is_none_or(|among| among.contains(&incident.monitor)) {
            let touched = marks.iter_mut().zip(days).filter(|(_, day)| day.span.touches(lasted));
            touched.for_each(|(mark, _)| mark.incidents += 1);
        }
    }
    Ok(())
}

impl Screens {
    async fn fleet<'a>(&self, history: &'a History) -> Result<Fleet<'a>, Failed> {
        Fleet::of(history, self.core.clock.wall()).await
    }

    /// Days of all monitors, of a group or of one monitor, oldest first.
    ///
    /// # Errors
    /// No such monitor or group, or the store does not answer.
    pub async fn days(&self, scope: Option<Scope>, days: u32) -> Result<Vec<DayMark>, Failed> {
        let history = self.history();
        let days = local_days(&TimeZone::system(), self.core.clock.wall(), days.clamp(1, MOST_DAYS));
        let among = match scope {
            None => None,
            Some(Scope::Group(group)) => Some(self.group(&group)?),
            Some(Scope::Monitor(id)) => Some(vec![self.monitor(&id)?.id]),
        };
        let times = match &among {
            None => self.fleet_times(&history, &days).await?,
            Some(monitors) => self.fleet(&history).await?.times(monitors, &days).await?,
        };
        let mut marks: Vec<DayMark> = times.iter().zip(&days).map(|(times, day)| times.mark(day)).collect();
        count_incidents(&history, among.as_deref(), &days, self.core.clock.wall(), &mut marks).await?;
        Ok(marks)
    }

    fn group(&self, group: &str) -> Result<Vec<MonitorId>, Failed> {
        let rows = self.core.recorder.board().snapshot();
        let found: Vec<_> = rows.iter().filter(|row| row.monitor.group == group).map(|row| row.monitor.id).collect();
        if found.is_empty() {
            return Err(Failed::BadRequest { why: "there is no monitor in that group".to_owned() });
        }
        Ok(found)
    }

    /// Times of all monitors by day; what is over is read once.
    async fn fleet_times(&self, history: &History, days: &[LocalDay]) -> Result<Vec<Times>, Failed> {
        let monitors = self.core.recorder.board().ids();
        let fleet = self.fleet(history).await?;
        let mut remembered = self.fleet.of(&monitors).await;
        let open_from = days.len().saturating_sub(OPEN_DAYS as usize);
        let missing: Vec<LocalDay> =
            days[..open_from].iter().filter(|day| !remembered.closed.contains_key(&day.date)).copied().collect();
        let read = fleet.times(&monitors, &missing).await?;
        // While the store is not open there is only what waits in the journal: that is nothing to remember.
        let whole = history.complete();
        let missing: HashMap<Date, Times> = missing.iter().map(|day| day.date).zip(read).collect();
        if whole {
            remembered.closed.extend(missing.iter().map(|(date, times)| (*date, *times)));
        }
        let recent = self.recent(&fleet, &mut remembered).await?;
        let of = |day: &LocalDay| {
            let open = recent.days.iter().find(|(date, _)| *date == day.date).map(|(_, times)| *times);
            let closed = || remembered.closed.get(&day.date).or_else(|| missing.get(&day.date)).copied();
            open.or_else(closed).unwrap_or_default()
        };
        Ok(days.iter().map(of).collect())
    }

    /// What may still change of all monitors; as new as it is worth.
    async fn recent(&self, fleet: &Fleet<'_>, remembered: &mut Remembered) -> Result<Recent, Failed> {
        let days = local_days(&TimeZone::system(), fleet.now, OPEN_DAYS);
        let began = self.core.clock.mono();
        if let Some((made, recent)) = &remembered.recent
            && made.is_fresh(began)
            && days.iter().all(|day| recent.days.iter().any(|(date, _)| *date == day.date))
        {
            return Ok(recent.clone());
        }
        let recent = fleet.recent(&remembered.monitors, &days).await?;
        remembered.recent = Some((Made::since(began, self.core.clock.mono()), recent.clone()));
        Ok(recent)
    }

    /// Figures over all monitors.
    ///
    /// # Errors
    /// The store does not answer.
    pub async fn figures(&self, window: Window) -> Result<Figures, Failed> {
        let history = self.history();
        let now = self.core.clock.wall();
        let fleet = self.fleet(&history).await?;
        let recent = {
            let mut remembered = self.fleet.of(&self.core.recorder.board().ids()).await;
            self.recent(&fleet, &mut remembered).await?
        };
        let mut times = Times::default();
        if window == Window::Day {
            times = recent.last_day;
        } else {
            let days = local_days(&TimeZone::system(), now, window.days());
            self.fleet_times(&history, &days).await?.into_iter().for_each(|day| times.add(day));
        }
        let span = Span::new(now.minus_us(u64::from(window.days()) * DAY_US), now);
        let query = IncidentQuery { monitor: None, span, limit: MOST_INCIDENTS };
        let incidents = history.incidents(&query).await.map_err(storage)?;
        let open = incidents.iter().any(crate::model::Incident::is_open);
        let quiet = incidents.iter().map(|incident| incident.span(now).to).max();
        Ok(Figures {
            window,
            uptime: times.uptime(),
            coverage: times.coverage(),
            incidents: u32::try_from(incidents.len()).unwrap_or(u32::MAX),
            p95_us: recent.latency.sketch.quantile(0.95),
            quiet_since_ms: quiet.filter(|_| !open).map(Millis::from),
        })
    }

    /// What the rows of the table show besides their state; at most 500 at once.
    ///
    /// # Errors
    /// One of them is not there, they are too many, or the store does not answer.
    pub async fn row_histories(&self, ids: &[String]) -> Result<Vec<RowHistory>, Failed> {
        too_many(ids.len())?;
        // One that was removed meanwhile is no reason to show nothing of the others.
        let there: Vec<MonitorId> =
            ids.iter().filter_map(|id| self.monitor(id).ok()).map(|monitor| monitor.id).collect();
        rows_of(&self.history(), &there, self.core.clock.wall()).await
    }
}

/// A row; of the first days it is known how they were.
async fn row_history<R: ReadRows>(
    fleet: &Fleet<'_>,
    rows: &R,
    monitor: MonitorId,
    days: &[LocalDay],
    mut by_day: Vec<Times>,
) -> Result<RowHistory, Failed> {
    let now = fleet.now;
    let begin = |half: u64| spark_span(now).from.plus_us(half * HALF_HOUR_US);
    let halves: Vec<Span> = (0..SPARK as u64).map(|half| Span::new(begin(half), begin(half + 1))).collect();
    let sparks = answer::buckets(rows, monitor, halves, None, now).await.map_err(storage)?;
    let mut latency = Latency::default();
    sparks.iter().for_each(|bucket| latency.merge(&bucket.latency));
    by_day.extend(fleet.exact_times(rows, &[monitor], &days[by_day.len()..]).await?);
    let mut all = Times::default();
    by_day.iter().for_each(|times| all.add(*times));
    Ok(RowHistory {
        id: monitor.to_string(),
        spark_us: sparks.iter().map(|bucket| bucket.latency.sketch.quantile(0.5)).collect(),
        spark_state: sparks.iter().map(worst).collect(),
        days: by_day.iter().zip(days).map(|(times, day)| times.mark(day)).collect(),
        p95_us: latency.sketch.quantile(0.95),
        uptime: all.uptime(),
        coverage: all.coverage(),
    })
}

/// The worst that was observed in a bucket.
fn worst(bucket: &Bucket) -> State {
    match (bucket.down_us, bucket.degraded_us, bucket.up_us) {
        (1.., ..) => State::Down,
        (0, 1.., _) => State::Degraded,
        (0, 0, 1..) => State::Up,
        _ => State::Unobserved,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::clock::SystemClock;
    use crate::model::InstanceId;
    use crate::storage::conformance::Fixture;
    use crate::storage::{BackendConfig, BackendEnv, Batch, missing_rollups};

    fn zone(name: &str) -> TimeZone {
        TimeZone::get(name).expect("a zone")
    }

    fn at(text: &str) -> UnixMicros {
        UnixMicros::parse(text).expect("a time")
    }

    #[test]
    fn days_are_those_of_the_zone_and_clock_changes_are_in_them() {
        let days = local_days(&zone("Europe/Berlin"), at("2026-10-26T12:00:00Z"), 3);
        let hours: Vec<u64> = days.iter().map(|day| day.span.us() / 3_600_000_000).collect();
        assert_eq!(hours, [24, 25, 24]);
        assert_eq!(days[1].date.to_string(), "2026-10-25");
        assert!(days.windows(2).all(|pair| pair[0].span.to == pair[1].span.from));
        assert_eq!(whole_runs(&days[..2]).first(), Some(&(0..2)));
        assert_eq!(whole_runs(&[days[0], days[2]]), [0..1, 1..2]);
        let kolkata = local_days(&zone("Asia/Kolkata"), at("2026-10-26T18:29:59Z"), 1);
        assert_eq!(kolkata[0].span.from, at("2026-10-25T18:30:00Z"));
    }

    #[test]
    fn hours_are_cut_where_a_day_begins_within_one_and_end_now() {
        let now = at("2026-10-26T20:20:00Z");
        let days = local_days(&zone("Asia/Kolkata"), now, 2);
        let hours = hours_of(&days, now);
        let minutes: Vec<u64> = hours.iter().rev().take(4).map(|hour| hour.us() / 60_000_000).collect();
        // 20:00 to 21:00, of which a part is to come; 19:00; the half after midnight; the half before.
        assert_eq!(minutes, [60, 60, 30, 30]);
        assert!(hours.windows(2).all(|pair| pair[0].to == pair[1].from));
        assert_eq!(hours[0].from, days[0].span.from);
    }

    /// A store with a few days of monitors that are checked often and seldom, and their hours.
    async fn some_days(folder: &std::path::Path, start: UnixMicros) -> (History, Vec<MonitorId>) {
        let clock = Arc::new(SystemClock);
        let vault = Arc::new(crate::secret::MemoryVault::default());
        let instance = InstanceId::new(uuid::Uuid::from_u128(1));
        let env = BackendEnv { data_dir: folder.to_owned(), instance, clock: clock.clone(), vault };
        let config = BackendConfig::from_object("embedded", serde_json::json!({})).expect("settings");
        let store = config.open(&env).await.expect("opens");
        let mut fixture = Fixture::new(7);
        let ids: Vec<MonitorId> = (0..3).map(|_| fixture.monitor()).collect();
        for (id, minutes) in ids.iter().zip([1, 3, 50]) {
            let count = 4 * 1_440 / minutes;
            let results = fixture.results(*id, start, minutes * 60_000_000, usize::try_from(count).expect("few"));
            store.append(&Batch { results, ..Batch::default() }).await.expect("appends");
            for nth in 0..3 {
                let day = Tier::Day.bucket(start.plus_us(nth * DAY_US));
                let rollups = missing_rollups(&*store, *id, day).await.expect("reads");
                store.append(&Batch { rollups, ..Batch::default() }).await.expect("appends");
            }
        }
        let until = start.plus_us(3 * DAY_US).to_string();
        store.set_metadata("rolled_until", until.as_bytes()).await.expect("notes");
        let contact = config.contact();
        (History::offline(folder, &contact, Some(store), &[], clock).expect("opens"), ids)
    }

    #[tokio::test]
    async fn days_of_any_zone_are_those_of_the_results() {
        let folder = tempfile::tempdir().expect("folder");
        let start = at("2026-10-23T00:00:00Z");
        let (history, ids) = some_days(folder.path(), start).await;
        let now = start.plus_us(4 * DAY_US - 1_234_567_890);
        let fleet = Fleet::of(&history, now).await.expect("reads");
        for name in ["UTC", "Europe/Berlin", "Asia/Kolkata", "Asia/Kathmandu"] {
            let days = local_days(&zone(name), now, 4);
            let times = fleet.times(&ids, &days).await.expect("reads");
            assert_eq!(times, fleet.exact_times(&history, &ids, &days).await.expect("reads"), "{name}");
            assert!(times.iter().all(|times| times.up_us > 0), "{name}: {times:?}");
            let cut = cut_hours(&days);
            assert_eq!(cut.is_empty(), !name.starts_with("Asia"), "{name}: {cut:?}");
        }
    }

    #[test]
    fn a_monitor_counts_from_its_first_sight() {
        let now = at("2026-11-02T00:00:00Z");
        let span = Span::new(at("2026-11-01T00:00:00Z"), now);
        let hour = 3_600_000_000;
        let bucket = Bucket {
            span,
            checks: 1,
            down: 0,
            up_us: 5 * hour,
            degraded_us: 0,
            down_us: hour,
            latency: Latency::default(),
        };
        let mut times = Times::default();
        times.add_bucket(&bucket, Some(at("2026-11-01T12:00:00Z")), now);
        assert_eq!(times.possible_us, 12 * hour);
        assert_eq!(times.uptime(), Some(Share(5.0 / 6.0)));
        assert_eq!(times.coverage(), Some(Share(0.5)));
        assert_eq!(worst(&bucket), State::Down);
    }
}
