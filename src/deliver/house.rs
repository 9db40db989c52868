//! Keeps house in a store: what is older than it is kept goes, the store does what it has to do of its own, and where a
//! limit of its size is set, the oldest results go sooner.

use std::sync::Arc;
use std::time::Duration;

use super::cut::Cut;
use super::deliverer::guarded;
use super::metrics::{HouseRun, Pruning, SizeLimit};
use super::shared::{Shared, lock};
use crate::clock::{Clock, Mono};
use crate::model::Tier;
use crate::storage::{Piece, PruneStep, Pruned, ResultStore, Retention, StoreError};

/// Between two times that what is older goes.
const EVERY_US: u64 = Tier::Hour.width_us();
/// The same after a fault.
const AGAIN_US: u64 = 600_000_000;
/// How long rows that come in have to wait for a prune before it lets them by.
const PIECE: Duration = Duration::from_secs(1);
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
    at: At,
}

/// What a run is at.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum At {
    /// What is older than it is kept goes.
    #[default]
    Old,
    /// That is gone; the store does what it has to of its own.
    Own,
    /// What its limit takes goes.
    Limit,
}

/// When it is to be done, and how far it is.
#[derive(Debug, Default)]
pub(super) struct House {
    next: Option<Mono>,
    run: Option<Run>,
    /// Whether a prune goes on at the next turn.
    is_underway: bool,
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
        let more = self.step(kept, &mut retention, begun).await?;
        if let Some(run) = &mut self.run {
            run.took_us += kept.clock.mono().since_us(begun);
        }
        let ended = if more { None } else { self.run.take_if(|run| run.at != At::Old) };
        let mut counters = lock(&kept.shared.counters);
        if let Some(run) = ended {
            let Run { took_us, pruned: Pruned { results, rollups, .. }, .. } = run;
            counters.house_runs += 1;
            counters.house = Some(HouseRun { ended: kept.clock.wall(), took_us, results, rollups });
        }
        if self.is_underway || self.run.as_ref().is_none_or(|run| run.at != At::Old) {
            counters.house_fault = None;
        }
        Ok(more)
    }

    async fn step(&mut self, kept: &Kept<'_>, retention: &mut Retention, begun: Mono) -> Result<bool, StoreError> {
        let is_due = self.next.is_none_or(|next| next <= begun);
        if is_due {
            self.run.get_or_insert_default().at = At::Old;
        }
        if is_due || self.is_underway {
            self.next = Some(begun.plus_us(AGAIN_US));
            if !self.prune(kept, retention).await? {
                return Ok(true);
            }
            self.next = Some(begun.plus_us(EVERY_US));
        }
        let more = kept.guarded(kept.store.tend(kept.clock.wall())).await?;
        let is_pruned = self.run.as_ref().is_some_and(|run| run.at != At::Old);
        // Only now its size tells what it takes.
        if more || !is_pruned || !self.cut_more(kept, retention).await? {
            return Ok(more);
        }
        self.run.get_or_insert_default().at = At::Limit;
        self.prune(kept, retention).await?;
        Ok(true)
    }

    /// Drops a piece of what is not kept, and of what the limit takes; whether that is all.
    async fn prune(&mut self, kept: &Kept<'_>, retention: &mut Retention) -> Result<bool, StoreError> {
        self.is_underway = false;
        if let Some(limit) = limit(kept, retention) {
            let known = self.known(kept).await?;
            *known = known.take().and_then(|cut| cut.under(Some(limit)));
            retention.results_from = known.as_ref().map(|cut| cut.from);
        }
        let run = self.run.get_or_insert_default();
        let so_far = |run: &Run, left| Pruning { left, results: run.pruned.results, rollups: run.pruned.rollups };
        lock(&kept.shared.counters).pruning.get_or_insert_with(|| so_far(run, None));
        let piece = Piece::of(kept.clock, PIECE);
        let pruned = kept.guarded(kept.store.prune(retention, kept.clock.wall(), piece)).await;
        let mut counters = lock(&kept.shared.counters);
        let pruned = pruned.inspect_err(|_| counters.pruning = None)?;
        run.pruned.results += pruned.results;
        run.pruned.rollups += pruned.rollups;
        counters.pruned_results += pruned.results;
        counters.pruned_rollups += pruned.rollups;
        self.is_underway = pruned.left.is_some();
        counters.pruning = pruned.left.map(|left| so_far(run, Some(left)));
        if pruned.results + pruned.rollups > 0 {
            tracing::info!(results = pruned.results, rollups = pruned.rollups, "old rows were dropped");
        }
        let is_dropping = pruned.left.is_none_or(|left| left.step == PruneStep::Dropping);
        if let Some(Some(cut)) = &mut self.cut
            && retention.results_from == Some(cut.from)
            && is_dropping
            && (run.at == At::Limit || !cut.has_begun())
        {
            // Written down with what is seen at the next look.
            cut.gone(pruned.results);
        }
        if run.at != At::Limit && !self.is_underway {
            run.at = At::Own;
            counters.prunes += 1;
        }
        Ok(!self.is_underway)
    }

    /// Looks at the size; whether more has to go.
    async fn cut_more(&mut self, kept: &Kept<'_>, retention: &Retention) -> Result<bool, StoreError> {
        let Some(limit) = limit(kept, retention) else {
            lock(&kept.shared.counters).size_limit = None;
            return self.let_go(kept).await.map(|()| false);
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
            let size = status.limited().map(|(size, _)| size);
            tracing::info!(limit, size, from = %next.from, "the store is larger than its limit: its oldest results go");
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
            is_over: status.limited().is_some_and(|(size, _)| size > limit),
        });
        Ok(is_more)
    }

    /// Forgets what was cut, so that another limit begins anew: not before its bytes are back, or that one would take what
    /// is on its way to be free.
    async fn let_go(&mut self, kept: &Kept<'_>) -> Result<(), StoreError> {
        let known = self.known(kept).await?;
        let Some(last) = known.take() else { return Ok(()) };
        *known = last.under(None);
        if let Some(cut) = known {
            let status = kept.guarded(kept.store.check()).await?;
            let now = kept.clock.wall();
            cut.look(&status, now);
            if !cut.is_back(now) {
                return Ok(());
            }
        }
        *known = None;
        kept.guarded(kept.store.set_metadata(CUT, b"")).await
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
