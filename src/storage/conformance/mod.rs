//! The conformance suite: what every store promises, as cases that anybody can run over a store of their own.
//!
//! A case gets an empty store of its own and stops with a panic where a promise is broken. Cases that need history are
//! skipped, and shown as skipped, for a store whose capabilities say that it keeps none; nothing else is ever skipped.
//!
//! | file | what is in it |
//! |---|---|
//! | `write.rs` | what goes in comes out: once, whole, after a reopening too |
//! | `read.rs` | order, pages, edges of spans |
//! | `time.rs` | series, uptime, coverage |
//! | `upkeep.rs` | prune, forget, scan |
//! | `same.rs` | any sequence of calls answers as the plain model in `model.rs` does |
//! | `fixture.rs` | made-up rows that look like life |
//! | `life.rs` | made-up results of all four kinds, and their entropy |

#![allow(clippy::expect_used, reason = "a case fails by stopping")]

mod fixture;
mod life;
mod model;
mod read;
mod same;
mod time;
mod upkeep;
mod write;

use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::path::{Path, PathBuf};
use std::sync::Arc;

pub use fixture::Fixture;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
pub use life::LifeKind;

use super::{Batch, Page, ResultQuery, ResultStore, StoreError};
use crate::model::{CheckResult, MonitorId, Span, UnixMicros};

/// Opens the store that lives in a folder, making it where there is none.
pub type OpenStore = Arc<dyn Fn(PathBuf) -> BoxFuture<'static, Result<Arc<dyn ResultStore>, StoreError>> + Send + Sync>;

/// The store that a case looks at.
pub struct Subject {
    store: Arc<dyn ResultStore>,
    folder: PathBuf,
    open: OpenStore,
}

impl std::fmt::Debug for Subject {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Subject").field("store", &self.store).field("folder", &self.folder).finish_non_exhaustive()
    }
}

/// One promise.
#[derive(Debug, Clone, Copy)]
pub struct Case {
    /// Its name, `file::what_is_promised`.
    pub name: &'static str,
    /// Whether it means nothing for a store that keeps no history.
    pub needs_history: bool,
    run: fn(Subject) -> BoxFuture<'static, ()>,
}

impl Case {
    /// Runs it over a new store in a folder of its own.
    ///
    /// # Errors
    /// The promise that was broken, in words.
    pub async fn run(&self, folder: &Path, open: &OpenStore) -> Result<(), String> {
        let folder = folder.join(self.name.replace("::", "-"));
        let store = open(folder.clone()).await.map_err(|error| error.to_string())?;
        let subject = Subject { store, folder, open: Arc::clone(open) };
        AssertUnwindSafe((self.run)(subject)).catch_unwind().await.map_err(|panic| {
            let text = panic.downcast_ref::<String>().map(String::as_str);
            text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("the case stopped").to_owned()
        })
    }
}

/// What became of a case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The promise is kept.
    Passed,
    /// The store keeps no history.
    Skipped,
    /// The promise is broken.
    Failed(String),
}

/// Runs every case over stores that `open` opens in folders below `folder`, and tells what became of each.
///
/// # Errors
/// The store cannot be opened at all.
pub async fn run_all<F, O>(folder: &Path, open: O) -> Result<Vec<(Case, Outcome)>, StoreError>
where
    O: Fn(PathBuf) -> F + Send + Sync + 'static,
    F: Future<Output = Result<Arc<dyn ResultStore>, StoreError>> + Send + 'static,
{
    let open: OpenStore = Arc::new(move |folder| open(folder).boxed());
    let keeps_history = open(folder.join("capabilities")).await?.capabilities().keeps_history;
    let mut outcomes = Vec::with_capacity(CASES.len());
    for case in CASES {
        let outcome = if case.needs_history && !keeps_history {
            Outcome::Skipped
        } else {
            match case.run(folder, &open).await {
                Ok(()) => Outcome::Passed,
                Err(what) => Outcome::Failed(what),
            }
        };
        outcomes.push((*case, outcome));
    }
    Ok(outcomes)
}

macro_rules! cases {
    ($($file:ident { $($needs:ident $name:ident),+ $(,)? })+) => {
        /// Every case.
        pub const CASES: &[Case] = &[$($(Case {
            name: concat!(stringify!($file), "::", stringify!($name)),
            needs_history: cases!(@$needs),
            run: |subject| $file::$name(subject).boxed(),
        }),+),+];
    };
    (@history) => { true };
    (@any) => { false };
}

cases! {
    write {
        history append_is_idempotent,
        history append_is_durable,
        history the_first_of_two_with_one_key_wins,
        history late_rows_land_in_their_place,
        history few_rows_at_once_for_a_long_time,
        history fifty_thousand_rows_at_once,
        any an_empty_batch_is_fine,
        history hostile_text_comes_back,
        history extreme_values_come_back,
        history rollups_are_replaced_whole,
        history gaps_are_replaced,
        any incidents_are_replaced,
        any metadata_is_kept,
        history metadata_is_durable,
        any monitors_keep_their_first_sight,
        any a_rename_keeps_the_id,
        any check_makes_a_round_trip,
        history check_knows_the_ends,
        any after_close_nothing_works,
    }
    read {
        history results_come_newest_first_in_pages,
        history rows_of_one_instant_are_not_lost_between_pages,
        history the_end_of_a_span_is_outside,
        history latest_leaves_out_the_far_future,
        history last_before_is_strictly_before,
        history rollups_come_by_tier_and_start,
        any incidents_that_touch_the_span,
        any open_incidents_touch_everything_after,
        history gaps_of_the_monitor_and_of_all,
        any unknown_monitors_have_nothing,
    }
    time {
        history series_has_exact_buckets,
        history series_leaves_no_holes,
        history series_survives_its_results,
        history rollups_answer_as_results_do,
        history uptime_by_time,
        history uptime_starts_with_the_monitor,
        history uptime_ends_now,
        history late_rows_change_the_answer,
    }
    upkeep {
        any forget_drops_what_is_known,
        history forget_drops_one_monitor_only,
        history prune_makes_rollups_first,
        history pruned_rows_stay_away,
        history prune_goes_on_piece_by_piece,
        history prune_drops_rollups_by_tier,
        history the_parts_of_its_size_add_up,
        history scan_gives_everything_once,
        history a_scan_can_be_kept_elsewhere,
    }
    same {
        history any_calls_answer_as_the_model_does,
    }
}

impl Subject {
    async fn reopen(&mut self) {
        self.store.close().await.expect("closes");
        self.store = (self.open)(self.folder.clone()).await.expect("opens again");
    }

    async fn append(&self, batch: &Batch) {
        self.store.append(batch).await.expect("appends");
    }

    async fn append_results(&self, results: &[CheckResult]) {
        self.append(&Batch { results: results.to_vec(), ..Batch::default() }).await;
    }

    /// Every result of one monitor or of all, oldest first, read in pages.
    async fn results(&self, monitor: Option<MonitorId>, limit: usize) -> Vec<CheckResult> {
        self.results_in(monitor, Span::new(UnixMicros::MIN, UnixMicros::MAX), limit).await
    }

    async fn results_in(&self, monitor: Option<MonitorId>, span: Span, limit: usize) -> Vec<CheckResult> {
        let mut results: Vec<CheckResult> = Vec::new();
        let mut after = None;
        loop {
            let query = ResultQuery { monitor, span, limit, after };
            let Page { results: page, next } = self.store.results(&query).await.expect("reads results");
            assert!(page.len() <= limit, "a page holds at most what was asked for");
            assert!(next.is_none() || !page.is_empty(), "a page that is not the last has rows");
            results.extend(page);
            match next {
                Some(next) => {
                    assert_ne!(after, Some(next), "a cursor moves");
                    after = Some(next);
                }
                None => break,
            }
        }
        results.reverse();
        results
    }
}

/// 2026-03-01T00:00:00Z: a whole day, well inside every range.
fn day_zero() -> UnixMicros {
    UnixMicros::new(1_772_323_200_000_000)
}

const SECOND: u64 = 1_000_000;
const MINUTE: u64 = 60 * SECOND;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;
