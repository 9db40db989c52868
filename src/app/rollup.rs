//! Delivery's rollups are the model's.

use crate::deliver::BucketRows;
use crate::model::{Evidence, Rollup, Seen, rollup_of};

/// Computes the rollup of a bucket from its rows.
pub(super) fn of_rows(rows: &BucketRows<'_>) -> Rollup {
    let results: Vec<Seen> = rows.results.iter().map(Seen::from).collect();
    let evidence = Evidence { results: &results, gaps: rows.gaps, incidents: rows.incidents, now: rows.now };
    rollup_of(rows.monitor, rows.tier, rows.start, &evidence)
}
