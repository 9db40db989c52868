//! Keeps house in a store: what is older than it is kept goes, the store does what it has to do of its own, and where a
//! limit of its size is set, the oldest results go sooner.

use std::sync::Arc;
use std::time::Duration;

use super::cut::Cut;
use super::deliverer::guarded;
use super::metrics::{HouseRun, SizeLimit};
use super::shared::{Shared, lock};
use crate::clock::{Clock, Mono};
use crate::model::Tier;
use crate::storage::{Pruned, ResultStore, Retention, StoreError};

/// Between two times that what is older goes.
const EVERY_US: u64 = Tier::Hour.width_us();
/// The same after a fault.
const AGAIN_US: u64 = 600_000_000;
/// Where the store remembers what its limit took.
pub(super) const CUT: &str = "size_cut";

/// The store whose house is kept.
pub(super) struct Kept<'a> {
    pub(super) shared: &'a Arc<Shared>,
    pub(super) store: &'a dyn ResultStore,
    pub(super) clock: &'a dyn Clock,
    /// How long a call may take.
    pub(super) within: Duration,
}

impl Kept<'_> {
    async fn guarded<T>(&self, call: impl Future<Output = Result<T, StoreError>>) -> Result<T, StoreError> {
        guarded(self.store.backend(), self.within, call).await
    }
}

/// A run that has not come to its end.
#[derive(Debug, Default)]
struct Run {
    took_us: u64,
    pruned: Pruned,
    /// Whether what is older went.
    is_pruned: bool,
}

/// When it is to be done, and how far it is.
#[derive(Debug, Default)]
pub(super) struct House {
    next: Option<Mono>,
    run: Option<Run>,
    /// What the store remembers; none before it was asked.
    cut: Option<Option<Cut>>,
}

impl House {
    /// What is older is to go now.
    pub(super) fn is_due(&mut self) {
        self.next = None;
    }

    /// Does a little; whether there is more to do.
    pub(super) async fn turn(&mut self, kept: &Kept<'_>, mut retention: Retention) -> Result<bool, StoreError> {
        let begun = kept.clock.mono();
        if self.next.is_none_or(|next| next <= begun) {
            self.run.get_or_insert_default().is_pruned = false;
            self.next = Some(begun.plus_us(AGAIN_US));
            self.prune(kept, &mut retention).await?;
            self.next = Some(begun.plus_us(EVERY_US));
        }
        let mut more = kept.guarded(kept.store.tend(kept.clock.wall())).await?;
        let is_pruned = self.run.as_ref().is_some_and(|run| run.is_pruned);
        // Only now its size tells what it takes.
        if !more && is_pruned && self.cut_more(kept, &retention).await? {
            let rows = self.prune(kept, &mut retention).await?;
            // Written down with what is seen at the next look.
            if let Some(Some(cut)) = &mut self.cut {
                cut.gone(rows);
            }
            more = true;
        }
        if let Some(run) = &mut self.run {
            run.took_us += kept.clock.mono().since_us(begun);
        }
        let ended = if more { None } else { self.run.take_if(|run| run.is_pruned) };
        let mut counters = lock(&kept.shared.counters);
        if let Some(run) = ended {
            let Run { took_us, pruned: Pruned { results, rollups }, .. } = run;
            counters.house_runs += 1;
            counters.house = Some(HouseRun { ended: kept.clock.wall(), took_us, results, rollups });
        }
        if self.run.as_ref().is_none_or(|run| run.is_pruned) {
            counters.house_fault = None;
        }
        Ok(more)
    }

    /// Drops what is not kept, and what the limit takes; gives the number of results that went.
    async fn prune(&mut self, kept: &Kept<'_>, retention: &mut Retention) -> Result<u64, StoreError> {
        if limit(kept, retention).is_some() {
            retention.results_from = self.known(kept).await?.as_ref().map(|cut| cut.from);
        }
        let pruned = kept.guarded(kept.store.prune(retention, kept.clock.wall())).await?;
        let run = self.run.get_or_insert_default();
        run.is_pruned = true;
        run.pruned.results += pruned.results;
        run.pruned.rollups += pruned.rollups;
        let mut counters = lock(&kept.shared.counters);
        counters.pruned_results += pruned.results;
        counters.pruned_rollups += pruned.rollups;
        counters.prunes += 1;
        drop(counters);
        if pruned.results + pruned.rollups > 0 {
            tracing::info!(results = pruned.results, rollups = pruned.rollups, "old rows were dropped");
        }
        Ok(pruned.results)
    }

    /// Looks at the size; whether more has to go.
    async fn cut_more(&mut self, kept: &Kept<'_>, retention: &Retention) -> Result<bool, StoreError> {
        let Some(limit) = limit(kept, retention) else {
            lock(&kept.shared.counters).size_limit = None;
            // Another limit begins anew.
            if self.known(kept).await?.take().is_some() {
                kept.guarded(kept.store.set_metadata(CUT, b"")).await?;
            }
            return Ok(false);
        };
        let status = kept.guarded(kept.store.check()).await?;
        let now = kept.clock.wall();
        let known = self.known(kept).await?;
        if let Some(cut) = known {
            cut.look(&status, now);
        }
        let next = Cut::next(known.as_ref(), limit, &status, now);
        let is_more = next.is_some();
        if let Some(next) = next {
            tracing::info!(limit, size = status.size_bytes, from = %next.from, "the store is larger than its limit: its oldest results go");
            *known = Some(next);
        }
        let cut_to = known.as_ref().map(|cut| cut.from);
        // Written down before anything goes, so that a restart knows what is to come back.
        if known.is_some() {
            let bytes = serde_json::to_vec(&known).unwrap_or_default();
            kept.guarded(kept.store.set_metadata(CUT, &bytes)).await?;
        }
        let usual = Retention { results_from: None, ..retention.clone() }.usual_floor(None, now);
        lock(&kept.shared.counters).size_limit = Some(SizeLimit {
            bytes: limit,
            cut_to: cut_to.filter(|from| usual.is_none_or(|usual| usual < *from)),
            is_over: status.size_bytes.is_some_and(|size| size > limit),
        });
        Ok(is_more)
    }

    async fn known(&mut self, kept: &Kept<'_>) -> Result<&mut Option<Cut>, StoreError> {
        let known = match self.cut.take() {
            Some(known) => known,
            None => {
                let bytes = kept.guarded(kept.store.metadata(CUT)).await?.unwrap_or_default();
                serde_json::from_slice(&bytes).unwrap_or_default()
            }
        };
        Ok(self.cut.insert(known))
    }
}

/// The limit, where this store can keep one.
fn limit(kept: &Kept<'_>, retention: &Retention) -> Option<u64> {
    retention.max_bytes.filter(|_| kept.store.capabilities().frees_room)
}
