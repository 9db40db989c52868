//! What goes into a store and what is asked of it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::PruneLeft;
use crate::model::{
    CheckResult, Gap, GapReason, Incident, KnownMonitor, Latency, MonitorId, Rollup, Span, Tier, UnixMicros,
};

/// Rows to keep.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Batch {
    /// Results; a key that is there already is left as it is.
    pub results: Vec<CheckResult>,
    /// Rollups; replace those with the same key.
    pub rollups: Vec<Rollup>,
    /// Gaps; replace those with the same key.
    pub gaps: Vec<Gap>,
    /// Incidents; replace those with the same id.
    pub incidents: Vec<Incident>,
    /// Monitors; replace those with the same id, keeping the earlier `first_seen`.
    pub monitors: Vec<KnownMonitor>,
}

impl Batch {
    /// Rows of all kinds.
    #[must_use]
    pub fn len(&self) -> usize {
        self.results.len() + self.rollups.len() + self.gaps.len() + self.incidents.len() + self.monitors.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Every key once: results in the order of their key, of which the first stays; of everything else the last.
    #[must_use]
    pub fn tidied(mut self) -> Self {
        self.results.sort_by_key(|row| (row.monitor, row.time));
        self.results.dedup_by_key(|row| (row.monitor, row.time));
        let rollups: BTreeMap<_, _> =
            self.rollups.drain(..).map(|row| ((row.monitor, row.tier, row.start), row)).collect();
        self.rollups.extend(rollups.into_values());
        let gaps: BTreeMap<_, _> = self.gaps.drain(..).map(|row| ((row.monitor, row.span.from), row)).collect();
        self.gaps.extend(gaps.into_values());
        let incidents: BTreeMap<_, _> = self.incidents.drain(..).map(|row| (row.id, row)).collect();
        self.incidents.extend(incidents.into_values());
        let mut monitors: BTreeMap<MonitorId, KnownMonitor> = BTreeMap::new();
        for mut monitor in self.monitors.drain(..) {
            if let Some(known) = monitors.get(&monitor.id) {
                monitor.first_seen = monitor.first_seen.min(known.first_seen);
            }
            monitors.insert(monitor.id, monitor);
        }
        self.monitors.extend(monitors.into_values());
        self
    }
}

/// How rows are best brought to a backend.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DeliveryHint {
    /// Largest number of rows in one `append`.
    pub max_rows: usize,
    /// Longest time a row waits in the journal before it is delivered, in milliseconds.
    pub max_age_ms: u64,
    /// In how many parts, by monitor, the rows are brought; more than 1 gives fewer and longer runs of one monitor.
    pub slices: u16,
}

/// What a backend can do. Whoever offers something to a person asks here first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Capabilities {
    /// Whether history is kept at all.
    pub keeps_history: bool,
    /// Whether [`StoreStatus::parts`] tells what results take.
    pub tells_parts: bool,
    /// See [`Backend::FREES_ROOM`](super::Backend::FREES_ROOM).
    pub frees_room: bool,
    /// How rows are best brought.
    pub delivery: DeliveryHint,
}

/// What the room of a store is taken by, in bytes, as far as that can be told without reading rows; none where it
/// cannot. Together never more than [`StoreStatus::size_bytes`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct SizeParts {
    /// Results.
    pub results: Option<u64>,
    /// The 5-minute tier.
    pub five_minutes: Option<u64>,
    /// The hour tier.
    pub hour: Option<u64>,
    /// The day tier.
    pub day: Option<u64>,
    /// Rollups of all tiers, where these cannot be told apart; then none of them is told.
    pub rollups: Option<u64>,
    /// Everything else: incidents, gaps, indexes, room that is kept for what comes next.
    pub rest: Option<u64>,
}

impl SizeParts {
    /// All that is told.
    #[must_use]
    pub fn sum(&self) -> u64 {
        let parts = [self.results, self.five_minutes, self.hour, self.day, self.rollups, self.rest];
        parts.into_iter().flatten().fold(0, u64::saturating_add)
    }
}

/// What of a store is one's own, where several instances keep their history in it: bytes split by rows, and what somebody
/// gave up is nobody's until its room is back. It sinks as soon as own rows go, and does not rise by those of others, come
/// or gone.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct OwnShare {
    /// Instances that keep something there, this one among them; 0 where that is not known now.
    pub instances: u32,
    /// About so many of [`StoreStatus::size_bytes`]; none where that is not known now.
    pub bytes: Option<u64>,
    /// Of these, results.
    pub results: Option<u64>,
}

/// State of a store.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoreStatus {
    /// Bytes it takes, where that is known.
    pub size_bytes: Option<u64>,
    /// What of it is what.
    #[serde(default)]
    pub parts: SizeParts,
    /// What of it is one's own; none where nobody else keeps anything there, or the store does not tell.
    #[serde(default)]
    pub own: Option<OwnShare>,
    /// About how many results it has, where that can be told without reading them.
    #[serde(default)]
    pub results: Option<u64>,
    /// Start of the oldest result.
    pub oldest: Option<UnixMicros>,
    /// Start of the newest result.
    pub newest: Option<UnixMicros>,
    /// Version of the engine or server.
    pub version: String,
}

impl StoreStatus {
    /// What a limit of the size counts: bytes, and of these results where they are told apart. The own share alone where
    /// several instances keep their history there.
    #[must_use]
    pub fn limited(&self) -> Option<(u64, u64)> {
        let (bytes, results) = match self.own {
            Some(own) => (own.bytes?, own.results),
            None => (self.size_bytes?, self.parts.results),
        };
        Some((bytes, results.unwrap_or(bytes)))
    }
}

/// What a store uses of its connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct PoolUse {
    /// Connections that are in use.
    pub busy: u32,
    /// Connections that are open and not in use.
    pub idle: u32,
    /// Most connections at a time.
    pub most: u32,
}

/// Where a page ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct PageCursor {
    /// Time of the last result of the page.
    pub time: UnixMicros,
    /// Its monitor.
    pub monitor: MonitorId,
}

/// Asks for results that started in the span: newest first, those of the same time by monitor id, descending.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResultQuery {
    /// Of one monitor, or of all.
    pub monitor: Option<MonitorId>,
    /// When.
    pub span: Span,
    /// Most results in a page; at least 1.
    pub limit: usize,
    /// Goes on after an earlier page.
    pub after: Option<PageCursor>,
}

/// Results, newest first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Page {
    /// The results.
    pub results: Vec<CheckResult>,
    /// Where to go on; none at the end.
    pub next: Option<PageCursor>,
}

/// Asks for rollups of one monitor whose bucket starts in the span.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RollupQuery {
    /// Whose.
    pub monitor: MonitorId,
    /// Of which width.
    pub tier: Tier,
    /// When.
    pub span: Span,
}

/// Asks for incidents that touch the span; an open one touches everything after its start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IncidentQuery {
    /// Of one monitor, or of all.
    pub monitor: Option<MonitorId>,
    /// When.
    pub span: Span,
    /// Most incidents; newest first.
    pub limit: usize,
}

impl IncidentQuery {
    /// Whether an incident is among those asked for.
    #[must_use]
    pub fn matches(&self, incident: &Incident) -> bool {
        self.monitor.is_none_or(|monitor| monitor == incident.monitor)
            && self.span.touches(incident.span(UnixMicros::MAX))
    }
}

/// Asks for gaps that touch the span.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GapQuery {
    /// Of one monitor together with those of all, or every gap there is.
    pub monitor: Option<MonitorId>,
    /// When.
    pub span: Span,
}

impl GapQuery {
    /// Whether a gap is among those asked for.
    #[must_use]
    pub fn matches(&self, gap: &Gap) -> bool {
        self.monitor.is_none_or(|monitor| monitor == gap.monitor || gap.monitor.is_all()) && self.span.touches(gap.span)
    }
}

/// Asks for the history of one monitor in buckets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeriesQuery {
    /// Whose.
    pub monitor: MonitorId,
    /// When.
    pub span: Span,
    /// Most buckets; at least 1.
    pub buckets: usize,
    /// Wall clock now: nothing after it is observed, and open incidents last to it.
    pub now: UnixMicros,
}

/// One bucket of a series.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bucket {
    /// When.
    pub span: Span,
    /// Checks that started in it.
    pub checks: u64,
    /// Of these, down.
    pub down: u64,
    /// Observed time in state up.
    pub up_us: u64,
    /// Observed time in state degraded.
    pub degraded_us: u64,
    /// Observed time in state down.
    pub down_us: u64,
    /// Latency of the good checks.
    pub latency: Latency,
}

/// History of one monitor in buckets, oldest first, without holes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Series {
    /// Whose.
    pub monitor: MonitorId,
    /// From which tier it was answered; none for raw results.
    pub tier: Option<Tier>,
    /// The buckets.
    pub buckets: Vec<Bucket>,
    /// Why time in the span was not observed, where a reason is known.
    pub gaps: Vec<(Span, GapReason)>,
}

/// Asks for uptime of monitors in a span.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UptimeQuery {
    /// Whose.
    pub monitors: Vec<MonitorId>,
    /// When. Starts no earlier than the monitor's first result counts.
    pub span: Span,
    /// Wall clock now.
    pub now: UnixMicros,
}

/// Uptime and coverage of one monitor, by time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Uptime {
    /// Whose.
    pub monitor: MonitorId,
    /// The window: what was asked for, no earlier than the monitor's first sight and no later than now.
    pub window: Span,
    /// Observed time in state up.
    pub up_us: u64,
    /// Observed time in state degraded.
    pub degraded_us: u64,
    /// Observed time in state down.
    pub down_us: u64,
}

impl Uptime {
    /// Observed time.
    #[must_use]
    pub fn observed_us(&self) -> u64 {
        self.up_us + self.degraded_us + self.down_us
    }

    /// Up or degraded time ÷ observed time, 0 to 1; none where nothing was observed.
    #[must_use]
    #[allow(clippy::cast_precision_loss, reason = "a ratio of microseconds below 2^53")]
    pub fn ratio(&self) -> Option<f64> {
        let observed = self.observed_us();
        (observed > 0).then(|| (self.up_us + self.degraded_us) as f64 / observed as f64)
    }

    /// Observed time ÷ window, 0 to 1; none for an empty window.
    #[must_use]
    #[allow(clippy::cast_precision_loss, reason = "a ratio of microseconds below 2^53")]
    pub fn coverage(&self) -> Option<f64> {
        let window = self.window.us();
        (window > 0).then(|| self.observed_us() as f64 / window as f64)
    }
}

/// What pruning dropped.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Pruned {
    /// Results.
    pub results: u64,
    /// Rollups.
    pub rollups: u64,
    /// What is left for the next piece; none where all is done.
    pub left: Option<PruneLeft>,
}

/// What was found when everything was read to prove that it is whole.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verified {
    /// Pieces with a checksum of their own that were read.
    pub pieces: u64,
    /// Rows in those that are whole.
    pub rows: u64,
    /// Those that are not.
    pub damaged: Vec<Damage>,
    /// Files that were found damaged before, and kept under another name when what could be read of them was written
    /// anew.
    #[serde(default)]
    pub kept_aside: Vec<String>,
}

/// Something that is not what was written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Damage {
    /// Where it is.
    pub place: String,
    /// What is wrong with it.
    pub what: String,
}

/// Where a scan stopped: known to the backend only.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScanCursor(pub Vec<u8>);

/// A part of everything.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScanPage {
    /// Rows.
    pub batch: Batch,
    /// Where to go on; none at the end.
    pub next: Option<ScanCursor>,
}
