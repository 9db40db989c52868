//! What delivery counts about itself.

use serde::{Deserialize, Serialize};

use crate::model::{Sketch, UnixMicros};
use crate::storage::PruneLeft;

/// What was brought to a store since the start, and how that went. Quantiles are within 1 % of a true sample.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StorageMetrics {
    /// Batches that the store took.
    pub appends: u64,
    /// Rows in them.
    pub rows: u64,
    /// How long the last batch took.
    pub append_last_us: Option<u64>,
    /// How long half of them took at most.
    pub append_p50_us: Option<u64>,
    /// How long 95 % of them took at most.
    pub append_p95_us: Option<u64>,
    /// How long 99 % of them took at most.
    pub append_p99_us: Option<u64>,
    /// How long the slowest one took.
    pub append_max_us: Option<u64>,
    /// Rows of the last batch.
    pub batch_last_rows: Option<u64>,
    /// Rows that half of the batches had at most.
    pub batch_p50_rows: Option<u64>,
    /// Rows of the largest batch.
    pub batch_max_rows: Option<u64>,
    /// Batches that the store did not take and that were, or will be, brought again.
    pub retries: u64,
    /// Rows that the store refused for good: they became dead letters.
    pub refused: u64,
    /// Dead letters that were brought again and taken.
    pub letters_retried: u64,
    /// Dead letters that somebody dropped.
    pub letters_dropped: u64,
    /// Results that were summed up by the hour in the journal, because it reached its limit.
    pub condensed: u64,
    /// Results that retention dropped.
    pub pruned_results: u64,
    /// Rollups that retention dropped.
    pub pruned_rollups: u64,
    /// How often house was kept to its end.
    #[serde(default)]
    pub house_runs: u64,
    /// The last time; none before the first.
    #[serde(default)]
    pub house: Option<HouseRun>,
    /// Why it has not come to its end since.
    #[serde(default)]
    pub house_fault: Option<HouseFault>,
    /// How the limit of the store's size is kept; none where there is none, or nobody looked yet.
    #[serde(default)]
    pub size_limit: Option<SizeLimit>,
}

/// One time that house was kept: what is older than it is kept went, and the store did what it has to do of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct HouseRun {
    /// When it came to its end.
    pub ended: UnixMicros,
    /// How long the store worked for it.
    pub took_us: u64,
    /// Results that went.
    pub results: u64,
    /// Rollups that went.
    pub rollups: u64,
}

/// Why house could not be kept; it is tried again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HouseFault {
    /// When that was found.
    pub at: UnixMicros,
    /// What happened and the next step.
    pub what: String,
}

/// How the limit of the store's size is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct SizeLimit {
    /// Most bytes it is to take.
    pub bytes: u64,
    /// Results from before this went sooner than their days say; none where nothing had to.
    pub cut_to: Option<UnixMicros>,
    /// Whether it takes more all the same: its bytes have not come back yet, or nothing is left that may go.
    pub is_over: bool,
}

/// The same while it is counted.
#[derive(Debug, Default)]
pub(super) struct Counters {
    appends: u64,
    rows: u64,
    took: Sketch,
    last_us: u64,
    max_us: u64,
    sizes: Sketch,
    last_rows: u64,
    max_rows: u64,
    pub(super) retries: u64,
    pub(super) refused: u64,
    pub(super) letters_retried: u64,
    pub(super) letters_dropped: u64,
    pub(super) condensed: u64,
    pub(super) pruned_results: u64,
    pub(super) pruned_rollups: u64,
    /// How often all went that was older than it is kept.
    pub(super) prunes: u64,
    pub(super) pruning: Option<Pruning>,
    pub(super) house_runs: u64,
    pub(super) house: Option<HouseRun>,
    pub(super) house_fault: Option<HouseFault>,
    pub(super) size_limit: Option<SizeLimit>,
}

impl Counters {
    /// The store took a batch.
    pub(super) fn appended(&mut self, rows: usize, took_us: u64) {
        let rows = rows as u64;
        self.appends += 1;
        self.rows += rows;
        self.took.add(took_us);
        self.sizes.add(rows);
        (self.last_us, self.last_rows) = (took_us, rows);
        self.max_us = self.max_us.max(took_us);
        self.max_rows = self.max_rows.max(rows);
    }

    pub(super) fn figures(&self) -> StorageMetrics {
        let some = |figure: u64| (self.appends > 0).then_some(figure);
        // A bucket's middle may lie above its largest sample.
        let took = |q: f64| self.took.quantile(q).map(|us| us.min(self.max_us));
        StorageMetrics {
            appends: self.appends,
            rows: self.rows,
            append_last_us: some(self.last_us),
            append_p50_us: took(0.5),
            append_p95_us: took(0.95),
            append_p99_us: took(0.99),
            append_max_us: some(self.max_us),
            batch_last_rows: some(self.last_rows),
            batch_p50_rows: self.sizes.quantile(0.5).map(|rows| rows.min(self.max_rows)),
            batch_max_rows: some(self.max_rows),
            retries: self.retries,
            refused: self.refused,
            letters_retried: self.letters_retried,
            letters_dropped: self.letters_dropped,
            condensed: self.condensed,
            pruned_results: self.pruned_results,
            pruned_rollups: self.pruned_rollups,
            house_runs: self.house_runs,
            house: self.house,
            house_fault: self.house_fault.clone(),
            size_limit: self.size_limit,
        }
    }
}

/// A prune that is at work.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Pruning {
    /// What is left of it; none before the store told.
    pub left: Option<PruneLeft>,
    /// Results that went so far.
    pub results: u64,
    /// Rollups that went so far.
    pub rollups: u64,
}

/// How a prune that somebody asked for went ([`Delivery::prune_now`](super::Delivery::prune_now)).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PruneNow {
    /// So many rows went.
    Done(u64),
    /// The store could not: why. It is tried again in ten minutes.
    Failed(String),
    /// It did not get any further for too long; it is done once the store can.
    Waits,
}

/// A store that rows went to before, and what it still waits for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FormerStore {
    /// The backend's word.
    pub backend: String,
    /// Backend and address.
    pub contact: String,
    /// Which time it has; none where that is not known.
    pub from: Option<UnixMicros>,
    /// The end of that time.
    pub to: Option<UnixMicros>,
    /// Rows in the journal that it has not got; an upper bound after a long fault.
    pub backlog_rows: u64,
    /// Whether it can be read now.
    pub readable: bool,
    /// What is wrong; none when all is well.
    pub fault: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_of_what_was_counted() {
        let mut counters = Counters::default();
        assert_eq!(counters.figures(), StorageMetrics::default(), "nothing is known of nothing");
        (1..=100).for_each(|n| counters.appended(n, 1_000 * n as u64));
        let figures = counters.figures();
        assert_eq!((figures.appends, figures.rows), (100, 5_050));
        assert_eq!((figures.append_last_us, figures.append_max_us), (Some(100_000), Some(100_000)));
        let near = |figure: Option<u64>, wanted: u64| figure.is_some_and(|f| f.abs_diff(wanted) <= wanted / 50);
        assert!(near(figures.append_p50_us, 50_000) && near(figures.append_p99_us, 99_000), "{figures:?}");
        assert!(near(figures.append_p95_us, 95_000) && figures.append_p99_us <= figures.append_max_us);
        assert_eq!((figures.batch_last_rows, figures.batch_max_rows), (Some(100), Some(100)));
    }
}
