//! Rollups and retention, a little at a time: each turn computes the buckets of a few monitors.

use std::collections::hash_map::Entry;
use std::collections::{BTreeSet, HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use super::deliverer::guarded;
use super::shared::Shared;
use super::{DeliveryOptions, History};
use crate::clock::{Clock, Mono};
use crate::model::{Evidence, Gap, Incident, MonitorId, Rollup, Seen, Span, Tier, UnixMicros, error_chain, rollup_of};
use crate::storage::{
    Batch, GapQuery, IncidentQuery, PageCursor, ReadRows, ResultQuery, ResultStore, Retention, RollupQuery, StoreError,
};

/// A bucket is final this long after its end.
const SEAL_AFTER_US: u64 = 120_000_000;
/// Monitors in one turn.
const AT_ONCE: usize = 64;
/// Between turns while there is work.
const PACE: Duration = Duration::from_millis(500);
/// Between looks when there is none.
const LOOK: Duration = Duration::from_secs(60);
/// Results in one read.
const PAGE: usize = 4_096;
/// Before the store's first look, hours at most so old are made; older ones are made when raw rows expire.
const LOOK_BACK_US: u64 = 31 * 86_400_000_000;
/// Where the store remembers up to which time all hours are made.
const WATERMARK: &str = "rolled_until";

/// Start of a monitor's run of failures that is not decided yet, if there is one.
pub type Undecided = Arc<dyn Fn(MonitorId) -> Option<UnixMicros> + Send + Sync>;

/// An hour of a monitor.
type Due = (UnixMicros, MonitorId);

/// Knows which buckets are to be made.
pub(super) struct Upkeep {
    keeps_history: bool,
    undecided: Undecided,
    retention: Retention,
    call_timeout: Duration,
    /// Hours before this are made; none before the store was asked.
    rolled_until: Option<UnixMicros>,
    /// The hour that is being made, and who is left.
    pass: Option<(UnixMicros, VecDeque<MonitorId>)>,
    /// Hours that were made and got more rows, or were not decided yet.
    dirty: BTreeSet<Due>,
    next_look: Mono,
    next_prune: Option<Mono>,
}

impl Upkeep {
    pub(super) fn new(options: &DeliveryOptions, keeps_history: bool) -> Self {
        Self {
            keeps_history,
            undecided: Arc::clone(&options.undecided),
            retention: options.retention,
            call_timeout: options.call_timeout,
            rolled_until: None,
            pass: None,
            dirty: BTreeSet::new(),
            next_look: Mono(0),
            next_prune: None,
        }
    }

    /// These results were delivered: the hours that were made without them are made again.
    pub(super) fn delivered(&mut self, results: &[(MonitorId, UnixMicros)]) {
        let Some(until) = self.rolled_until else { return };
        let before = self.dirty.len();
        let late = results.iter().filter(|(_, time)| *time < until);
        self.dirty.extend(late.map(|(monitor, time)| (Tier::Hour.bucket(*time).from, *monitor)));
        if self.dirty.len() > before {
            self.next_look = Mono(0);
        }
    }

    /// Does a little; gives the time until there is more to do, none when there never is.
    pub(super) async fn turn(
        &mut self,
        shared: &Arc<Shared>,
        store: &dyn ResultStore,
        clock: &dyn Clock,
    ) -> Option<Duration> {
        if !self.keeps_history {
            return None;
        }
        let now = clock.mono();
        if now < self.next_look {
            return Some(self.next_look.since(now));
        }
        let worked = match self.work(shared, store, clock).await {
            Ok(worked) => worked,
            Err(error) => {
                tracing::warn!(error = error_chain(&error), "rollups or retention have to wait");
                false
            }
        };
        let pause = if worked { PACE } else { LOOK };
        self.next_look = clock.mono().plus_us(u64::try_from(pause.as_micros()).unwrap_or(0));
        Some(pause)
    }

    /// Whether there was something to do.
    async fn work(
        &mut self,
        shared: &Arc<Shared>,
        store: &dyn ResultStore,
        clock: &dyn Clock,
    ) -> Result<bool, StoreError> {
        let (backend, within) = (shared.backend, self.call_timeout);
        let wall = clock.wall();
        let maker = Maker { history: History(Arc::clone(shared)), store, within, now: wall };
        let until = match self.rolled_until {
            Some(until) => until,
            None => {
                let until = maker.first_hour().await?;
                self.rolled_until = Some(until);
                until
            }
        };
        let mut worked = false;
        if self.pass.is_none() && until.plus_us(Tier::Hour.width_us() + SEAL_AFTER_US) <= wall {
            let monitors = guarded(backend, within, maker.history.monitors()).await?;
            self.pass = Some((until, monitors.into_iter().map(|monitor| monitor.id).collect()));
        }
        if let Some((hour, mut left)) = self.pass.take() {
            worked = true;
            let some: Vec<MonitorId> = left.drain(..left.len().min(AT_ONCE)).collect();
            let due = some.iter().map(|monitor| (hour, *monitor)).collect();
            if let Err(error) = self.make(&maker, due).await {
                some.into_iter().rev().for_each(|monitor| left.push_front(monitor));
                self.pass = Some((hour, left));
                return Err(error);
            }
            if left.is_empty() {
                let done = hour.plus_us(Tier::Hour.width_us());
                guarded(backend, within, store.set_metadata(WATERMARK, done.to_string().as_bytes())).await?;
                self.rolled_until = Some(done);
            } else {
                self.pass = Some((hour, left));
            }
        } else if !self.dirty.is_empty() {
            let due: Vec<Due> = self.dirty.iter().copied().take(AT_ONCE).collect();
            let before = self.dirty.len();
            self.dirty.retain(|dirty| !due.contains(dirty));
            if let Err(error) = self.make(&maker, due.clone()).await {
                self.dirty.extend(due);
                return Err(error);
            }
            // What is still undecided came back; it has time until the next look.
            worked = self.dirty.len() < before;
        }
        let mono = clock.mono();
        if self.next_prune.is_none_or(|next| next <= mono) {
            self.next_prune = Some(mono.plus_us(Tier::Hour.width_us()));
            let pruned = guarded(backend, within, store.prune(&self.retention, wall)).await?;
            if pruned.results + pruned.rollups > 0 {
                tracing::info!(results = pruned.results, rollups = pruned.rollups, "old rows were dropped");
            }
        }
        Ok(worked)
    }

    /// Makes hours, and the days that they complete.
    async fn make(&mut self, maker: &Maker<'_>, due: Vec<Due>) -> Result<(), StoreError> {
        let made_until = self.rolled_until.unwrap_or(UnixMicros::MIN);
        let mut hours = Batch::default();
        let mut days: BTreeSet<Due> = BTreeSet::new();
        let mut around: HashMap<UnixMicros, Around> = HashMap::new();
        for (hour, monitor) in due {
            let bucket = Tier::Hour.bucket(hour);
            if (self.undecided)(monitor).is_some_and(|since| since < bucket.to) {
                self.dirty.insert((hour, monitor));
                continue;
            }
            let around = match around.entry(hour) {
                Entry::Occupied(known) => known.into_mut(),
                Entry::Vacant(free) => free.insert(maker.around(bucket).await?),
            };
            hours.rollups.extend(maker.hour(monitor, bucket, around).await?);
            let day = Tier::Day.bucket(hour);
            if bucket.to == day.to || day.to <= made_until {
                days.insert((day.from, monitor));
            }
        }
        maker.append(&hours).await?;
        let mut whole = Batch::default();
        for (day, monitor) in days {
            whole.rollups.extend(maker.day(monitor, day).await?);
        }
        maker.append(&whole).await
    }
}

/// Gaps and incidents of everybody around one hour, read once for all monitors.
struct Around {
    gaps: Vec<Gap>,
    incidents: Vec<Incident>,
}

/// Reads what rollups are made of and writes them.
struct Maker<'a> {
    history: History,
    store: &'a dyn ResultStore,
    within: Duration,
    now: UnixMicros,
}

impl Maker<'_> {
    async fn first_hour(&self) -> Result<UnixMicros, StoreError> {
        let saved = self.guarded(self.store.metadata(WATERMARK)).await?;
        let saved = saved.and_then(|bytes| UnixMicros::parse(std::str::from_utf8(&bytes).ok()?).ok());
        if let Some(until) = saved.filter(|until| *until <= self.now) {
            return Ok(until);
        }
        let monitors = self.guarded(self.history.monitors()).await?;
        let first = monitors.iter().map(|monitor| monitor.first_seen).min().unwrap_or(self.now);
        Ok(Tier::Hour.bucket(first.max(self.now.minus_us(LOOK_BACK_US)).min(self.now)).from)
    }

    async fn guarded<T>(&self, call: impl Future<Output = Result<T, StoreError>>) -> Result<T, StoreError> {
        guarded(self.store.backend(), self.within, call).await
    }

    async fn around(&self, span: Span) -> Result<Around, StoreError> {
        let gaps = self.guarded(self.history.gaps(&GapQuery { monitor: None, span })).await?;
        let query = IncidentQuery { monitor: None, span, limit: usize::MAX / 2 };
        let incidents = self.guarded(self.history.incidents(&query)).await?;
        Ok(Around { gaps, incidents })
    }

    /// The hour's rollup; none where nothing was observed or checked.
    async fn hour(&self, monitor: MonitorId, bucket: Span, around: &Around) -> Result<Option<Rollup>, StoreError> {
        let mut results = Vec::new();
        let mut after: Option<PageCursor> = None;
        loop {
            let query = ResultQuery { monitor: Some(monitor), span: bucket, limit: PAGE, after };
            let page = self.guarded(self.history.results(&query)).await?;
            results.extend(page.results);
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        // Back to the last good one: an unconfirmed failure keeps the former state.
        let mut before = bucket.from;
        while let Some(result) = self.guarded(self.history.last_before(monitor, before)).await? {
            before = result.time;
            let enough = result.verdict.is_good() || bucket.from.since_us(before) > Tier::Day.width_us();
            results.push(result);
            if enough {
                break;
            }
        }
        results.reverse();
        let of_monitor = |gap: &&Gap| gap.monitor == monitor || gap.monitor.is_all();
        let gaps: Vec<Gap> = around.gaps.iter().filter(of_monitor).copied().collect();
        let incidents = around.incidents.iter().filter(|incident| incident.monitor == monitor);
        let incidents: Vec<Incident> = incidents.cloned().collect();
        let results: Vec<Seen> = results.iter().map(Seen::from).collect();
        let evidence = Evidence { results: &results, gaps: &gaps, incidents: &incidents, now: self.now };
        let rollup = rollup_of(monitor, Tier::Hour, bucket.from, &evidence);
        Ok((rollup.checks > 0 || rollup.observed_us() > 0).then_some(rollup))
    }

    /// The day's rollup from its hours; none where there is no hour.
    async fn day(&self, monitor: MonitorId, start: UnixMicros) -> Result<Option<Rollup>, StoreError> {
        let query = RollupQuery { monitor, tier: Tier::Hour, span: Tier::Day.bucket(start) };
        let hours = self.guarded(self.history.rollups(&query)).await?;
        let mut day = Rollup::empty(monitor, Tier::Day, start);
        hours.iter().for_each(|hour| day.merge(hour));
        Ok((!hours.is_empty()).then_some(day))
    }

    async fn append(&self, batch: &Batch) -> Result<(), StoreError> {
        if batch.is_empty() { Ok(()) } else { self.guarded(self.store.append(batch)).await }
    }
}
