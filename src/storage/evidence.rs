//! What a store knows of one monitor around a span, and the rollups that follow from it.

use std::collections::BTreeSet;

use super::{GapQuery, IncidentQuery, PageCursor, ReadRows, ResultQuery, RollupQuery, StoreError};
use crate::model::{CheckResult, Evidence, Gap, Incident, MonitorId, Rollup, Seen, Span, Tier, UnixMicros, rollup_of};

/// Results in one page of a read.
const PAGE: usize = 2_048;
/// Most results that are looked through for the state before a span.
const LOOK_BACK: usize = 512;

/// What was read of one monitor around a span.
#[derive(Debug)]
pub(super) struct Found {
    /// The results of the span and those before it back to the last good one, oldest first.
    pub(super) results: Vec<Seen>,
    /// How many of them are before the span.
    pub(super) before: usize,
    gaps: Vec<Gap>,
    incidents: Vec<Incident>,
}

impl Found {
    /// Reads it.
    pub(super) async fn read<R: ReadRows + ?Sized>(
        rows: &R,
        monitor: MonitorId,
        span: Span,
    ) -> Result<Self, StoreError> {
        let mut results = Vec::new();
        read_back(rows, Some(monitor), span, usize::MAX, |result| {
            results.push(Seen::from(result));
            true
        })
        .await?;
        let inside = results.len();
        let mut oldest = span.from;
        if let Some(before) = rows.last_before(monitor, span.from).await? {
            let before = Seen::from(&before);
            oldest = before.time.max(span.from.minus_us(before.reach_us));
            results.push(before);
            if !before.verdict.is_good() {
                // The state it leaves as it was is further back.
                let further = Span::new(UnixMicros::MIN, before.time);
                read_back(rows, Some(monitor), further, LOOK_BACK, |result| {
                    results.push(Seen::from(result));
                    !result.verdict.is_good()
                })
                .await?;
            }
        }
        let before = results.len() - inside;
        results.reverse();
        let gaps = rows.gaps(&GapQuery { monitor: Some(monitor), span: Span::new(oldest, span.to) }).await?;
        let incidents = rows.incidents(&IncidentQuery { monitor: Some(monitor), span, limit: usize::MAX }).await?;
        Ok(Self { results, before, gaps, incidents })
    }

    /// The same for the computation of coverage.
    pub(super) fn evidence(&self, now: UnixMicros) -> Evidence<'_> {
        Evidence { results: &self.results, gaps: &self.gaps, incidents: &self.incidents, now }
    }
}

/// Hands on what was seen in a span, newest first, until `each` says enough or `most` were read.
async fn read_back<R: ReadRows + ?Sized>(
    rows: &R,
    monitor: Option<MonitorId>,
    span: Span,
    most: usize,
    mut each: impl FnMut(&CheckResult) -> bool,
) -> Result<(), StoreError> {
    let mut left = most;
    let mut after: Option<PageCursor> = None;
    while left > 0 && !span.is_empty() {
        let limit = PAGE.min(left);
        let page = rows.results_seen(&ResultQuery { monitor, span, limit, after }).await?;
        if !page.results.iter().all(&mut each) {
            return Ok(());
        }
        left -= page.results.len().min(left);
        match page.next {
            Some(next) => after = Some(next),
            None => return Ok(()),
        }
    }
    Ok(())
}

/// Fewer results in a day take less room than a day's rollups of five minutes would: they get none.
pub(crate) const WORTH_FIVE_MINUTES: usize = 576;

/// The rollups of one UTC day of a monitor that are not there yet, from its results: hours, the day, and the 5-minute
/// tier, which is made when results go. All of the day must be in the past. A store makes them before it drops a day's
/// results.
///
/// # Errors
/// Whatever the rows' reads give.
pub async fn missing_rollups<R: ReadRows + ?Sized>(
    rows: &R,
    monitor: MonitorId,
    day: Span,
) -> Result<Vec<Rollup>, StoreError> {
    let mut missing: BTreeSet<(Tier, UnixMicros)> =
        (0..24).map(|hour| (Tier::Hour, day.from.plus_us(hour * Tier::Hour.width_us()))).collect();
    missing.insert((Tier::Day, day.from));
    for tier in [Tier::Hour, Tier::Day] {
        for rollup in rows.rollup_times(&RollupQuery { monitor, tier, span: day }).await? {
            missing.remove(&(tier, rollup.start));
        }
    }
    let five_minutes = RollupQuery { monitor, tier: Tier::FiveMinutes, span: day };
    let has_five_minutes = !rows.rollup_times(&five_minutes).await?.is_empty();
    if missing.is_empty() && has_five_minutes {
        return Ok(Vec::new());
    }
    let found = Found::read(rows, monitor, day).await?;
    if !has_five_minutes && found.results.len() - found.before >= WORTH_FIVE_MINUTES {
        let width = Tier::FiveMinutes.width_us();
        missing.extend((0..day.us() / width).map(|nth| (Tier::FiveMinutes, day.from.plus_us(nth * width))));
    }
    let evidence = found.evidence(day.to);
    let rollups = missing.into_iter().map(|(tier, start)| rollup_of(monitor, tier, start, &evidence));
    Ok(rollups.filter(|rollup| rollup.checks > 0 || rollup.observed_us() > 0).collect())
}

/// The missing rollups of every day that has results before `floor`, of every monitor; for stores small enough to be
/// read through.
///
/// # Errors
/// Whatever the rows' reads give.
pub async fn missing_rollups_before<R: ReadRows + ?Sized>(
    rows: &R,
    floor: UnixMicros,
) -> Result<Vec<Rollup>, StoreError> {
    let mut days = BTreeSet::new();
    read_back(rows, None, Span::new(UnixMicros::MIN, floor), usize::MAX, |result| {
        days.insert((result.monitor, Tier::Day.bucket(result.time).from));
        true
    })
    .await?;
    let mut rollups = Vec::new();
    for (monitor, day) in days {
        rollups.extend(missing_rollups(rows, monitor, Tier::Day.bucket(day)).await?);
    }
    Ok(rollups)
}
