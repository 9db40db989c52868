//! One monitor over time.

use super::{Screens, storage};
use crate::deliver::History;
use crate::model::{CheckResult, FactKey, MonitorId, Span, UnixMicros, Verdict};
use crate::screen::{Failed, Millis, Number, Outage, PartLine, Parts, Series, Share, Unseen};
use crate::storage::answer::pick_tier;
use crate::storage::{Bucket, IncidentQuery, ReadRows as _, ResultQuery, SeriesQuery};

/// Most buckets of a chart.
const MOST_BUCKETS: u32 = 2_000;
/// Most outages in a chart.
const MOST_OUTAGES: usize = 1_000;
/// Results of a bucket that its parts are the mean of.
const SAMPLES: usize = 12;

/// Sums of one bucket's parts.
#[derive(Clone, Copy, Default)]
struct Sums {
    phases: [(u64, u64); 4],
    sent: u64,
    received: u64,
    jitter: (u64, u64),
}

const PHASES: [&str; 4] = ["phase_name", "phase_connect", "phase_tls", "phase_first_byte"];

impl Sums {
    fn add(&mut self, result: &CheckResult) {
        let number = |key| result.facts.number(key).and_then(|number| u64::try_from(number).ok());
        self.sent += number(FactKey::PingSent).unwrap_or(0);
        self.received += number(FactKey::PingReceived).unwrap_or(0);
        if let Some(jitter) = number(FactKey::PingStddev) {
            self.jitter = (self.jitter.0 + jitter, self.jitter.1 + 1);
        }
        if !matches!(result.verdict, Verdict::Up | Verdict::Degraded) {
            return;
        }
        let phases = &result.phases;
        let parts = [phases.name_us, phases.connect_us, phases.tls_us, phases.first_byte_us];
        // A part that did not happen took no time.
        if parts.iter().any(Option::is_some) {
            for (sum, part) in self.phases.iter_mut().zip(parts) {
                *sum = (sum.0 + u64::from(part.unwrap_or(0)), sum.1 + 1);
            }
        }
    }
}

/// Answer time and state of a monitor in at most so many buckets, read from history alone.
///
/// # Errors
/// The store does not answer.
pub async fn chart_of(
    history: &History,
    monitor: MonitorId,
    span: Span,
    buckets: u32,
    now: UnixMicros,
) -> Result<Series, Failed> {
    let buckets = usize::try_from(buckets.clamp(1, MOST_BUCKETS)).unwrap_or(1);
    let found = history.series(&SeriesQuery { monitor, span, buckets, now }).await.map_err(storage)?;
    let query = IncidentQuery { monitor: Some(monitor), span, limit: MOST_OUTAGES };
    let incidents = history.incidents(&query).await.map_err(storage)?;
    let columns = &found.buckets;
    Ok(Series {
        id: monitor.to_string(),
        from_ms: span.from.into(),
        to_ms: span.to.into(),
        tier: found.tier,
        start_ms: columns.iter().map(|bucket| bucket.span.from.into()).collect(),
        bucket_ms: width(columns.iter().map(|bucket| bucket.span)),
        checks: columns.iter().map(|bucket| bucket.checks).collect(),
        failed: columns.iter().map(|bucket| bucket.down).collect(),
        min_us: columns.iter().map(|bucket| good(bucket).then_some(bucket.latency.min_us)).collect(),
        p50_us: columns.iter().map(|bucket| bucket.latency.sketch.quantile(0.5)).collect(),
        p95_us: columns.iter().map(|bucket| bucket.latency.sketch.quantile(0.95)).collect(),
        max_us: columns.iter().map(|bucket| good(bucket).then_some(bucket.latency.max_us)).collect(),
        up: columns.iter().map(|bucket| Share::or_zero(bucket.up_us, bucket.span.us())).collect(),
        degraded: columns.iter().map(|bucket| Share::or_zero(bucket.degraded_us, bucket.span.us())).collect(),
        down: columns.iter().map(|bucket| Share::or_zero(bucket.down_us, bucket.span.us())).collect(),
        gaps: found
            .gaps
            .iter()
            .map(|(gap, reason)| Unseen { from_ms: gap.from.into(), to_ms: gap.to.into(), reason: *reason })
            .collect(),
        outages: incidents
            .iter()
            .map(|incident| (incident.id, incident.span(now).intersect(span)))
            .map(|(id, span)| Outage { from_ms: span.from.into(), to_ms: span.to.into(), incident: id.to_string() })
            .collect(),
    })
}

impl Screens {
    /// Answer time and state of a monitor in at most so many buckets.
    ///
    /// # Errors
    /// No such monitor, or the store does not answer.
    pub async fn series(&self, id: &str, from: Millis, to: Millis, buckets: u32) -> Result<Series, Failed> {
        let monitor = self.monitor(id)?.id;
        chart_of(&self.history(), monitor, span_of(from, to), buckets, self.core.clock.wall()).await
    }

    /// The parts of a monitor's checks, in the buckets that [`series`](Self::series) has for the same question.
    ///
    /// # Errors
    /// No such monitor, or the store does not answer.
    pub async fn parts(&self, id: &str, from: Millis, to: Millis, buckets: u32) -> Result<Parts, Failed> {
        let monitor = self.monitor(id)?.id;
        let (span, now) = (span_of(from, to), self.core.clock.wall());
        let buckets = usize::try_from(buckets.clamp(1, MOST_BUCKETS)).unwrap_or(1);
        let spans = pick_tier(span, buckets, None).buckets;
        let kept_from = self.core.delivery.retention().floor_of(monitor, None, now);
        let history = self.history();
        let mut sums = vec![Sums::default(); spans.len()];
        for (sums, span) in sums.iter_mut().zip(&spans) {
            if span.from < now && kept_from.is_none_or(|kept| span.to > kept) {
                for result in sample(&history, monitor, *span).await? {
                    sums.add(&result);
                }
            }
        }
        Ok(Parts {
            id: monitor.to_string(),
            start_ms: spans.iter().map(|span| span.from.into()).collect(),
            bucket_ms: width(spans.iter().copied()),
            lines: lines(&sums),
            kept_from_ms: kept_from.filter(|kept| span.contains(*kept)).map(Millis::from),
        })
    }
}

/// The newest results of a bucket.
async fn sample(history: &History, monitor: MonitorId, span: Span) -> Result<Vec<CheckResult>, Failed> {
    let query = ResultQuery { monitor: Some(monitor), span, limit: SAMPLES, after: None };
    Ok(history.results(&query).await.map_err(storage)?.results)
}

/// The parts that there are at all.
fn lines(sums: &[Sums]) -> Vec<PartLine> {
    let line = |key: &str, unit: &str, stacked, value: &dyn Fn(&Sums) -> Option<Number>| PartLine {
        key: key.to_owned(),
        unit: unit.to_owned(),
        stacked,
        values: sums.iter().map(value).collect(),
    };
    let mut lines = Vec::new();
    for (at, key) in PHASES.iter().enumerate() {
        if sums.iter().any(|sums| sums.phases[at].0 > 0) {
            lines.push(line(key, "micros", true, &|sums| Number::mean(sums.phases[at].0, sums.phases[at].1)));
        }
    }
    if sums.iter().any(|sums| sums.sent > 0) {
        lines.push(line("loss", "share", false, &|sums| {
            Number::mean(sums.sent.saturating_sub(sums.received), sums.sent)
        }));
        lines.push(line("jitter", "micros", false, &|sums| Number::mean(sums.jitter.0, sums.jitter.1)));
    }
    lines
}

fn span_of(from: Millis, to: Millis) -> Span {
    Span::new(from.instant(), to.instant())
}

fn good(bucket: &Bucket) -> bool {
    bucket.latency.count > 0
}

/// The width of whole buckets: the widest there is.
fn width(spans: impl Iterator<Item = Span>) -> Millis {
    Millis::of_us(spans.map(Span::us).max().unwrap_or(0))
}
