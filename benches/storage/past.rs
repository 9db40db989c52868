//! A store with a year in it, of which the last days have their results; the rest is rollups.

use std::sync::Arc;

use hallmonitor::model::{CheckResult, Evidence, MonitorId, Rollup, Seen, Span, Tier, UnixMicros, rollup_of};
use hallmonitor::storage::conformance::{Fixture, LifeKind};
use hallmonitor::storage::{Batch, ResultStore};

use crate::questions::{DAY_US, DAYS, INTERVAL_US, NOW, START, YEAR};

const HOUR_US: u64 = Tier::Hour.width_us();
const ROWS_AT_ONCE: usize = 5_000;

/// A year of rollups, of which the last days have their results.
pub(crate) struct Past {
    pub(crate) store: Arc<dyn ResultStore>,
    ids: Vec<MonitorId>,
    chance: Fixture,
    last: Vec<Option<CheckResult>>,
    /// Hours of the first day with results, which stand for those of days before.
    first_day: Vec<Rollup>,
    /// The first day with results.
    begin: UnixMicros,
    pub(crate) results: u64,
    pub(crate) rollups: u64,
}

impl Past {
    /// To be filled with results of the last `days`.
    pub(crate) fn new(store: Arc<dyn ResultStore>, ids: Vec<MonitorId>, days: u64) -> Self {
        let last = vec![None; ids.len()];
        let begin = START.plus_us((DAYS - days.min(DAYS)) * DAY_US);
        Self { store, ids, chance: Fixture::new(2), last, first_day: Vec::new(), begin, results: 0, rollups: 0 }
    }

    pub(crate) async fn write(&mut self) {
        let mut monitors = Vec::new();
        let mut incidents = Vec::new();
        for id in self.ids.clone() {
            monitors.push(self.chance.known(id, START.minus_us((YEAR - DAYS) * DAY_US)));
            for back in [3, 40, 200] {
                incidents.push(self.chance.incident(id, NOW.minus_us(back * DAY_US), Some(600_000_000)));
            }
        }
        self.append(Batch { monitors, incidents, ..Batch::default() }).await;
        let days = START.plus_us(DAYS * DAY_US).since_us(self.begin) / DAY_US;
        for day in 0..days {
            self.live_a_day(self.begin.plus_us(day * DAY_US)).await;
        }
        for day in 1..=YEAR - days {
            self.repeat_the_first_day(self.begin.minus_us(day * DAY_US)).await;
        }
        let made_until = Tier::Hour.bucket(NOW).from.to_string();
        self.store.set_metadata("rolled_until", made_until.as_bytes()).await.expect("notes");
    }

    /// Hour by hour: the results of all, then the hour's rollups; at the end those of the day.
    async fn live_a_day(&mut self, day: UnixMicros) {
        let mut days: Vec<Rollup> = self.ids.iter().map(|id| Rollup::empty(*id, Tier::Day, day)).collect();
        for hour in 0..24 {
            let span = Tier::Hour.bucket(day.plus_us(hour * HOUR_US));
            let mut results = Vec::new();
            for slot in 0..HOUR_US / INTERVAL_US {
                for (at, id) in self.ids.iter().enumerate() {
                    // None so near to its end that it may start after it.
                    let begin = span
                        .from
                        .plus_us(slot * INTERVAL_US + at as u64 * (INTERVAL_US / (self.ids.len() as u64 + 50)));
                    results.push(LifeKind::ALL[at % 4].result(&mut self.chance, *id, begin, INTERVAL_US));
                }
            }
            results.retain(|row| row.time < NOW);
            self.results += results.len() as u64;
            let rolled = self.roll(&results, span, &mut days);
            for part in results.chunks(ROWS_AT_ONCE) {
                self.append(Batch { results: part.to_vec(), ..Batch::default() }).await;
            }
            if span.to <= NOW {
                if day == self.begin {
                    self.first_day.extend(rolled.iter().cloned());
                }
                self.append_rollups(rolled).await;
            }
        }
        if day.plus_us(DAY_US) <= NOW {
            self.append_rollups(days).await;
        }
    }

    fn roll(&mut self, results: &[CheckResult], span: Span, days: &mut [Rollup]) -> Vec<Rollup> {
        let mut rolled = Vec::with_capacity(self.ids.len());
        for (at, id) in self.ids.iter().enumerate() {
            let own = || results.iter().skip(at).step_by(self.ids.len()).filter(|row| row.monitor == *id);
            let seen: Vec<Seen> = self.last[at].as_ref().into_iter().chain(own()).map(Seen::from).collect();
            let evidence = Evidence { results: &seen, gaps: &[], incidents: &[], now: span.to };
            let hour = rollup_of(*id, Tier::Hour, span.from, &evidence);
            days[at].merge(&hour);
            rolled.push(hour);
            self.last[at] = own().next_back().cloned().or(self.last[at].take());
        }
        rolled
    }

    async fn repeat_the_first_day(&mut self, day: UnixMicros) {
        let mut days: Vec<Rollup> = self.ids.iter().map(|id| Rollup::empty(*id, Tier::Day, day)).collect();
        let mut hours = self.first_day.clone();
        for (at, hour) in hours.iter_mut().enumerate() {
            hour.start = day.plus_us(hour.start.since_us(self.begin));
            days[at % self.ids.len()].merge(hour);
        }
        self.append_rollups(hours).await;
        self.append_rollups(days).await;
    }

    async fn append_rollups(&mut self, rollups: Vec<Rollup>) {
        self.rollups += rollups.len() as u64;
        for part in rollups.chunks(ROWS_AT_ONCE) {
            self.append(Batch { rollups: part.to_vec(), ..Batch::default() }).await;
        }
    }

    async fn append(&self, batch: Batch) {
        self.store.append(&batch).await.expect("appends");
    }
}
