//! How long monitors were up, degraded and down on days: from their rollups, and from results where hours are not made
//! yet or belong to two days.

use std::collections::HashMap;

use jiff::civil::Date;

use super::local_day::{LocalDay, cut_hours, hours_of, whole_runs};
use super::storage;
use crate::deliver::History;
use crate::model::{Latency, MonitorId, Span, Tier, UnixMicros};
use crate::screen::{DayMark, Failed, Share};
use crate::storage::{Around, Bucket, Held, ReadRows, answer};

const DAY_US: u64 = Tier::Day.width_us();

/// What may still change.
#[derive(Clone, Debug)]
pub(super) struct Recent {
    /// The open days.
    pub(super) days: Vec<(Date, Times)>,
    /// The last 24 hours, from a whole hour on.
    pub(super) last_day: Times,
    pub(super) latency: Latency,
}

/// Observed time of some monitors in a span, and the time in which they could have been observed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Times {
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

    pub(super) fn add(&mut self, other: Self) {
        self.up_us += other.up_us;
        self.degraded_us += other.degraded_us;
        self.down_us += other.down_us;
        self.possible_us += other.possible_us;
    }

    pub(super) fn observed_us(self) -> u64 {
        self.up_us + self.degraded_us + self.down_us
    }

    pub(super) fn uptime(self) -> Option<Share> {
        Share::of(self.up_us + self.degraded_us, self.observed_us())
    }

    pub(super) fn coverage(self) -> Option<Share> {
        Share::of(self.observed_us(), self.possible_us)
    }

    pub(super) fn mark(self, day: &LocalDay) -> DayMark {
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

/// What one question about many monitors reads.
pub(super) struct Fleet<'a> {
    pub(super) history: &'a History,
    first_seen: HashMap<MonitorId, UnixMicros>,
    /// Hours before this are made.
    made_until: UnixMicros,
    pub(super) now: UnixMicros,
}

impl<'a> Fleet<'a> {
    pub(super) async fn of(history: &'a History, now: UnixMicros) -> Result<Self, Failed> {
        let known = history.monitors().await.map_err(storage)?;
        let first_seen = known.into_iter().map(|known| (known.id, known.first_seen)).collect();
        let made_until = history.rolled_until().await.map_err(storage)?.unwrap_or(UnixMicros::MIN);
        Ok(Self { history, first_seen, made_until, now })
    }

    pub(super) fn add(&self, sum: &mut Times, monitor: MonitorId, bucket: &Bucket) {
        sum.add_bucket(bucket, self.first_seen.get(&monitor).copied(), self.now);
    }

    /// From results where hours are not made yet.
    pub(super) async fn exact_times<R: ReadRows>(
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
    pub(super) fn made(&self, days: &[LocalDay]) -> usize {
        let is_made = |day: &LocalDay| {
            day.span.to <= self.made_until
                && [day.span.from, day.span.to].iter().all(|edge| Tier::Hour.bucket(*edge).from == *edge)
        };
        days.iter().take_while(|day| is_made(day)).count()
    }

    /// Days of monitors, summed.
    pub(super) async fn times(&self, monitors: &[MonitorId], days: &[LocalDay]) -> Result<Vec<Times>, Failed> {
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
    pub(super) fn around(&self, days: &[LocalDay], others: Vec<Span>) -> Around {
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
    pub(super) async fn made_times(
        &self,
        monitors: &[MonitorId],
        days: &[LocalDay],
    ) -> Result<Vec<Vec<Times>>, Failed> {
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
    pub(super) async fn recent(&self, monitors: &[MonitorId], days: &[LocalDay]) -> Result<Recent, Failed> {
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

fn empty(span: Span) -> Bucket {
    Bucket { span, checks: 0, down: 0, up_us: 0, degraded_us: 0, down_us: 0, latency: Latency::default() }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use jiff::tz::TimeZone;

    use super::super::local_day::local_days;
    use super::*;
    use crate::clock::SystemClock;
    use crate::model::InstanceId;
    use crate::storage::conformance::Fixture;
    use crate::storage::{BackendConfig, BackendEnv, Batch, missing_rollups};

    fn at(text: &str) -> UnixMicros {
        UnixMicros::parse(text).expect("a time")
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
            let days = local_days(&TimeZone::get(name).expect("a zone"), now, 4);
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
    }
}
