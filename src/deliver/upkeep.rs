//! Rollups, a little at a time: each turn computes the buckets of a few monitors; then house is kept.

use std::collections::hash_map::Entry;
use std::collections::{BTreeSet, HashMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::deliverer::guarded;
use super::house::{House, Kept};
use super::metrics::HouseFault;
use super::shared::{Shared, lock};
use super::{DeliveryOptions, History};
use crate::clock::{Clock, Mono};
use crate::model::{
    CheckResult, Evidence, Gap, Incident, MonitorId, Rollup, Seen, Span, Tier, UnixMicros, error_chain, rollup_of,
};
use crate::storage::{Batch, GapQuery, IncidentQuery, ReadRows, ResultQuery, ResultStore, RollupQuery, StoreError};

/// A bucket is final this long after its end.
pub(super) const SEAL_AFTER_US: u64 = 120_000_000;
/// Monitors in one turn: each turn is a commit of the store.
const AT_ONCE: usize = 256;
/// Between turns while there is work.
const PACE: Duration = Duration::from_millis(500);
/// Before the first look, so that the gap in which nothing ran is journaled.
const SETTLE_US: u64 = 5_000_000;
/// A result reaches at most this far, and a gap cuts it as far from its own start.
const REACH_US: u64 = 2 * 86_400_000_000;
/// Gaps whose end is remembered.
const GAPS_KNOWN: usize = 4_096;
/// Between looks when there is none.
const LOOK: Duration = Duration::from_secs(60);
/// Results in one read.
const PAGE: usize = 4_096;
/// Before the store's first look, hours at most so old are made; older ones are made when raw rows expire.
const LOOK_BACK_US: u64 = 31 * 86_400_000_000;
/// Where the store remembers up to which time all hours are made.
pub(super) const WATERMARK: &str = "rolled_until";

/// What the store remembers, read.
pub(super) fn watermark(bytes: &[u8]) -> Option<UnixMicros> {
    UnixMicros::parse(std::str::from_utf8(bytes).ok()?).ok()
}

/// Start of a monitor's run of failures that is not decided yet, if there is one.
pub type Undecided = Arc<dyn Fn(MonitorId) -> Option<UnixMicros> + Send + Sync>;

/// An hour of a monitor, or of all.
type Due = (UnixMicros, MonitorId);

/// Knows which buckets are to be made.
pub(super) struct Upkeep {
    history: History,
    /// When the store began to be used, where another one was in use before: earlier hours are that one's.
    began: Option<UnixMicros>,
    keeps_history: bool,
    undecided: Undecided,
    call_timeout: Duration,
    /// Hours before this are made, but for the dirty ones; none before the store was asked.
    rolled_until: Option<UnixMicros>,
    /// What the store remembers of it: never later than a dirty hour, so that a restart makes that again.
    saved: Option<UnixMicros>,
    /// The hour that is being made, and who is left.
    pass: Option<(UnixMicros, VecDeque<MonitorId>)>,
    /// Hours that were made and got more rows, or were not decided yet.
    dirty: BTreeSet<Due>,
    /// Up to where the hours of a gap were noted: gaps come again whenever they grow.
    gaps: HashMap<Due, UnixMicros>,
    /// The first look.
    settled: Mono,
    next_look: Mono,
    house: House,
}

impl Upkeep {
    pub(super) fn new(
        options: &DeliveryOptions,
        history: History,
        began: Option<UnixMicros>,
        keeps_history: bool,
    ) -> Self {
        let settled = options.clock.mono().plus_us(SETTLE_US);
        Self {
            history,
            began,
            keeps_history,
            undecided: Arc::clone(&options.undecided),
            call_timeout: options.call_timeout,
            rolled_until: None,
            saved: None,
            pass: None,
            dirty: BTreeSet::new(),
            gaps: HashMap::new(),
            settled,
            next_look: settled,
            house: House::default(),
        }
    }

    /// Asks the store how far it is, so that rows which are delivered from now on are known to be late.
    pub(super) async fn begin(&mut self, store: &dyn ResultStore, clock: &dyn Clock) {
        if self.keeps_history
            && self.rolled_until.is_none()
            && let Err(error) = self.load(&self.maker(store, clock)).await
        {
            tracing::warn!(error = error_chain(&error), "rollups have to wait");
        }
    }

    /// These rows were delivered: the hours that were made without them are made again.
    pub(super) fn delivered(&mut self, results: &[(MonitorId, UnixMicros)], gaps: &[(MonitorId, Span)]) {
        let Some(until) = self.rolled_until else { return };
        let before = self.dirty.len();
        let late = results.iter().filter(|(_, time)| *time < until);
        self.dirty.extend(late.map(|(monitor, time)| (Tier::Hour.bucket(*time).from, *monitor)));
        for (monitor, span) in gaps {
            let to = span.to.min(span.from.plus_us(REACH_US)).min(until);
            if self.gaps.len() >= GAPS_KNOWN {
                self.gaps.clear();
            }
            let known = self.gaps.insert((span.from, *monitor), to);
            let mut hour = Tier::Hour.bucket(known.unwrap_or(span.from));
            // What is known to end at `to` changes nothing more.
            while hour.from < to && known.is_none_or(|known| known < to) {
                self.dirty.insert((hour.from, *monitor));
                hour = Tier::Hour.bucket(hour.to);
            }
        }
        if self.dirty.len() > before {
            self.next_look = self.settled;
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
        if shared.prune.swap(false, Ordering::AcqRel) {
            self.house.is_due();
        } else if now < self.next_look {
            return Some(self.next_look.since(now));
        }
        let worked = match self.work(shared, store, clock).await {
            Ok(worked) => worked,
            Err(error) => {
                let what = error_chain(&error);
                tracing::warn!(error = what, "rollups or retention have to wait");
                lock(&shared.counters).house_fault = Some(HouseFault { at: clock.wall(), what });
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
        let maker = self.maker(store, clock);
        let until = self.load(&maker).await?;
        // A debt is written down before the rows that made it count as delivered.
        if self.saved.is_none_or(|saved| self.without_debt(until) < saved) {
            self.save(&maker, until).await?;
        }
        if self.pass.is_none() && until.plus_us(Tier::Hour.width_us() + SEAL_AFTER_US) <= maker.now {
            let monitors = maker.guarded(maker.history.monitors()).await?;
            self.pass = Some((until, monitors.into_iter().map(|monitor| monitor.id).collect()));
        }
        let worked = match self.pass.take() {
            Some((hour, left)) => self.go_on(shared, &maker, hour, left).await?,
            None => self.mend(shared, &maker).await?,
        };
        if shared.stopping() {
            return Ok(false);
        }
        let retention = lock(&self.history.0.retention).clone();
        let within = self.call_timeout;
        // Last, so that it finds the rollups made while results were at hand.
        let more = self.house.turn(&Kept { shared, store, clock, within }, retention).await?;
        Ok(worked || more)
    }

    fn maker<'a>(&self, store: &'a dyn ResultStore, clock: &dyn Clock) -> Maker<'a> {
        let history = self.history.clone();
        Maker { history, store, began: self.began, within: self.call_timeout, now: clock.wall() }
    }

    async fn load(&mut self, maker: &Maker<'_>) -> Result<UnixMicros, StoreError> {
        if let Some(until) = self.rolled_until {
            return Ok(until);
        }
        let until = maker.first_hour().await?;
        self.rolled_until = Some(until);
        Ok(until)
    }

    /// Where a restart has to go on: hours that are owed are in memory only.
    fn without_debt(&self, until: UnixMicros) -> UnixMicros {
        self.dirty.first().map_or(until, |(oldest, _)| until.min(*oldest))
    }

    async fn save(&mut self, maker: &Maker<'_>, until: UnixMicros) -> Result<(), StoreError> {
        let resume = self.without_debt(until);
        maker.guarded(maker.store.set_metadata(WATERMARK, resume.to_string().as_bytes())).await?;
        self.saved = Some(resume);
        Ok(())
    }

    /// Makes an hour of a few more monitors.
    async fn go_on(
        &mut self,
        shared: &Shared,
        maker: &Maker<'_>,
        hour: UnixMicros,
        mut left: VecDeque<MonitorId>,
    ) -> Result<bool, StoreError> {
        let some: Vec<MonitorId> = left.drain(..left.len().min(AT_ONCE)).collect();
        let due = some.iter().map(|monitor| (hour, *monitor)).collect();
        match self.make(shared, maker, due).await {
            Ok(true) => {}
            other => {
                some.into_iter().rev().for_each(|monitor| left.push_front(monitor));
                self.pass = Some((hour, left));
                return other;
            }
        }
        if left.is_empty() {
            let done = hour.plus_us(Tier::Hour.width_us());
            self.save(maker, done).await?;
            self.rolled_until = Some(done);
        } else {
            self.pass = Some((hour, left));
        }
        Ok(true)
    }

    /// Makes a few of the dirty hours that are decided.
    async fn mend(&mut self, shared: &Shared, maker: &Maker<'_>) -> Result<bool, StoreError> {
        let of_one = self.dirty.iter().filter(|(hour, monitor)| !monitor.is_all() && self.is_decided(*hour, *monitor));
        let due: Vec<Due> = of_one.copied().take(AT_ONCE).collect();
        if due.is_empty() {
            let of_all = self.dirty.iter().find(|(_, monitor)| monitor.is_all()).copied();
            let Some(all) = of_all else { return Ok(false) };
            let monitors = maker.guarded(maker.history.monitors()).await?;
            self.dirty.extend(monitors.into_iter().map(|monitor| (all.0, monitor.id)));
            self.dirty.remove(&all);
            return Ok(true);
        }
        for due in &due {
            self.dirty.remove(due);
        }
        let made = self.make(shared, maker, due.clone()).await;
        if !matches!(made, Ok(true)) {
            self.dirty.extend(due);
        }
        made
    }

    fn is_decided(&self, hour: UnixMicros, monitor: MonitorId) -> bool {
        (self.undecided)(monitor).is_none_or(|since| since >= Tier::Hour.bucket(hour).to)
    }

    /// Makes hours, and the days that they complete; false when it is the end and nothing was made.
    async fn make(&mut self, shared: &Shared, maker: &Maker<'_>, due: Vec<Due>) -> Result<bool, StoreError> {
        let made_until = self.rolled_until.unwrap_or(UnixMicros::MIN);
        let mut hours = Batch::default();
        let mut days: BTreeSet<Due> = BTreeSet::new();
        let mut around: HashMap<UnixMicros, Around> = HashMap::new();
        for (hour, monitor) in due {
            if shared.stopping() {
                return Ok(false);
            }
            if !self.is_decided(hour, monitor) {
                self.dirty.insert((hour, monitor));
                continue;
            }
            let bucket = Tier::Hour.bucket(hour);
            let around = match around.entry(hour) {
                Entry::Occupied(known) => known.into_mut(),
                Entry::Vacant(free) => free.insert(maker.around(bucket).await?),
            };
            let rollup = maker.hour(monitor, bucket, around).await?;
            let is_empty = rollup.checks == 0 && rollup.observed_us() == 0;
            let known = maker.known(&rollup).await?;
            // One that knows of more checks was made of results that are gone: it is final. One that was made before has
            // to be replaced even by nothing.
            let is_final = known.as_ref().is_some_and(|known| known.checks > rollup.checks);
            if !is_final && (!is_empty || (hour < made_until && known.is_some())) {
                hours.rollups.push(rollup);
            }
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
        maker.append(&whole).await?;
        Ok(true)
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
    began: Option<UnixMicros>,
    within: Duration,
    now: UnixMicros,
}

impl Maker<'_> {
    async fn first_hour(&self) -> Result<UnixMicros, StoreError> {
        let saved = self.guarded(self.store.metadata(WATERMARK)).await?;
        let saved = saved.and_then(|bytes| watermark(&bytes));
        if let Some(until) = saved.filter(|until| *until <= self.now) {
            // Hours in which another store was in use are that one's.
            return Ok(self.began.map_or(until, |began| until.max(Tier::Hour.bucket(began.min(self.now)).from)));
        }
        let monitors = self.guarded(self.history.monitors()).await?;
        let first = monitors.iter().map(|monitor| monitor.first_seen).min().unwrap_or(self.now);
        let first = self.began.map_or(first, |began| first.max(began));
        Ok(Tier::Hour.bucket(first.max(self.now.minus_us(LOOK_BACK_US)).min(self.now)).from)
    }

    async fn guarded<T>(&self, call: impl Future<Output = Result<T, StoreError>>) -> Result<T, StoreError> {
        guarded(self.store.backend(), self.within, call).await
    }

    async fn around(&self, span: Span) -> Result<Around, StoreError> {
        // A gap that ended before the hour cuts a result that would reach into it.
        let reach = Span::new(span.from.minus_us(REACH_US), span.to);
        let gaps = self.guarded(self.history.gaps(&GapQuery { monitor: None, span: reach })).await?;
        let query = IncidentQuery { monitor: None, span, limit: usize::MAX / 2 };
        let incidents = self.guarded(self.history.incidents(&query)).await?;
        Ok(Around { gaps, incidents })
    }

    /// The hour's rollup.
    async fn hour(&self, monitor: MonitorId, bucket: Span, around: &Around) -> Result<Rollup, StoreError> {
        let mut results = Vec::new();
        self.read_back(monitor, bucket, |result| {
            results.push(Seen::from(result));
            true
        })
        .await?;
        // An unconfirmed failure keeps the former state, which the last good result tells; what lies between that and
        // the last result changes nothing in this hour.
        if let Some(last) = self.guarded(self.history.last_before(monitor, bucket.from)).await? {
            results.push(Seen::from(&last));
            if !last.verdict.is_good() {
                let further = Span::new(bucket.from.minus_us(Tier::Day.width_us()).min(last.time), last.time);
                self.read_back(monitor, further, |result| {
                    let is_good = result.verdict.is_good();
                    if is_good {
                        results.push(Seen::from(result));
                    }
                    !is_good
                })
                .await?;
            }
        }
        results.reverse();
        let of_monitor = |gap: &&Gap| gap.monitor == monitor || gap.monitor.is_all();
        let gaps: Vec<Gap> = around.gaps.iter().filter(of_monitor).copied().collect();
        let incidents = around.incidents.iter().filter(|incident| incident.monitor == monitor);
        let incidents: Vec<Incident> = incidents.cloned().collect();
        let evidence = Evidence { results: &results, gaps: &gaps, incidents: &incidents, now: self.now };
        Ok(rollup_of(monitor, Tier::Hour, bucket.from, &evidence))
    }

    /// Hands on a monitor's results of a span, newest first, until `each` says enough.
    async fn read_back(
        &self,
        monitor: MonitorId,
        span: Span,
        mut each: impl FnMut(&CheckResult) -> bool,
    ) -> Result<(), StoreError> {
        let mut query = ResultQuery { monitor: Some(monitor), span, limit: PAGE, after: None };
        while !span.is_empty() {
            let page = self.guarded(self.history.results_seen(&query)).await?;
            if !page.results.iter().all(&mut each) || page.next.is_none() {
                break;
            }
            query.after = page.next;
        }
        Ok(())
    }

    /// The rollup that is in the place of this one.
    async fn known(&self, rollup: &Rollup) -> Result<Option<Rollup>, StoreError> {
        let span = rollup.tier.bucket(rollup.start);
        let query = RollupQuery { monitor: rollup.monitor, tier: rollup.tier, span };
        Ok(self.guarded(self.history.rollups(&query)).await?.pop())
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
