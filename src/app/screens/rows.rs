//! What the rows of the table show besides their state.

use jiff::tz::TimeZone;

use super::day_times::{Fleet, Times};
use super::local_day::{LocalDay, local_days};
use super::{Screens, storage, too_many};
use crate::deliver::History;
use crate::model::{Latency, MonitorId, Span, State, UnixMicros};
use crate::screen::{Failed, RowHistory};
use crate::storage::{Bucket, Held, ReadRows, answer};

/// Half hours in the small chart of a row, and their width.
const SPARK: usize = 48;
const HALF_HOUR_US: u64 = 1_800_000_000;
/// Days in the strip of a row.
const ROW_DAYS: u32 = 30;

impl Screens {
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
