//! A limit of the size where several instances share a schema: each keeps to its own share.

use std::sync::Arc;
use std::time::Duration;

use hallmonitor::clock::{Clock, WallAt};
use hallmonitor::deliver::{ConfiguredStore, Delivery, DeliveryOptions, PruneNow, SizeLimit, StoreSettings};
use hallmonitor::event::Events;
use hallmonitor::model::{CheckResult, MonitorId, UnixMicros};
use hallmonitor::storage::backends::postgres::Postgres;
use hallmonitor::storage::conformance::Fixture;
use hallmonitor::storage::{
    Backend as _, BackendConfig, BackendEnv, Batch, OwnShare, ResultStore, Retention, StoreStatus, missing_rollups,
};
use sqlx::Connection as _;
use tempfile::TempDir;

use crate::support_remote::stopped;
use crate::{DAY, MINUTE, batch, block, env_of, read, server, start, until};

const DAYS: u64 = 12;
/// Of a monitor in a day.
const A_DAY: usize = 96;
const LONG: Duration = Duration::from_secs(60);
const SMALL: u128 = 1;
const BIG: u128 = 2;

/// The wall reads the last of the days.
fn then() -> WallAt {
    WallAt(day(DAYS).plus_us(60 * MINUTE))
}

fn day(number: u64) -> UnixMicros {
    start().plus_us(number * DAY)
}

/// An installation, with what it has written.
struct Installed {
    env: BackendEnv,
    settings: Postgres,
    store: Arc<dyn ResultStore>,
    folder: TempDir,
    monitors: Vec<MonitorId>,
    rows: Vec<CheckResult>,
}

impl Installed {
    /// Twelve days of some monitors: results of the same size, with the figures of their days as a program makes them.
    async fn new(settings: &Postgres, instance: u128, monitors: usize) -> Self {
        let folder = TempDir::new().expect("a folder");
        let env = BackendEnv { clock: Arc::new(then()), data_dir: folder.path().to_owned(), ..env_of(instance) };
        let store = settings.open(&env).await.expect("opens");
        let mut chance = Fixture::new(u64::try_from(instance).expect("small"));
        let monitors: Vec<_> = (0..monitors).map(|_| chance.monitor()).collect();
        let mut rows = Vec::new();
        for number in 0..DAYS {
            let mut of_day = Vec::new();
            for monitor in &monitors {
                let of_monitor = chance.results(*monitor, day(number), 15 * MINUTE, A_DAY);
                of_day.extend(of_monitor.into_iter().map(|row| CheckResult { message: text(&mut chance), ..row }));
            }
            store.append(&batch(&of_day)).await.expect("appends");
            rows.extend(of_day);
            for monitor in &monitors {
                let span = hallmonitor::model::Span::new(day(number), day(number + 1));
                let rollups = missing_rollups(&*store, *monitor, span).await.expect("sums up");
                store.append(&Batch { rollups, ..Batch::default() }).await.expect("appends");
            }
        }
        rows.sort_by_key(|row| (row.time, row.monitor));
        Self { env, settings: settings.clone(), store, folder, monitors, rows }
    }

    fn delivery(&self, max_bytes: Option<u64>) -> Delivery {
        let config = BackendConfig::of(self.settings.clone());
        let mut options = DeliveryOptions::new(self.folder.path().to_owned(), Arc::new(then()), Events::new());
        options.retention = Retention { max_bytes, ..Retention::everything() };
        let settings = StoreSettings::new(&config, None);
        let opener =
            ConfiguredStore { backend: config.id(), contact: config.contact(), settings, env: self.env.clone() };
        Delivery::start(options, Arc::new(opener)).expect("starts").0
    }

    /// Asked by a store that remembers nothing of what it was told before.
    async fn status(&self) -> StoreStatus {
        let store = self.settings.open(&self.env).await.expect("opens");
        let status = store.check().await.expect("is well");
        store.close().await.expect("closes");
        status
    }

    async fn own(&self) -> OwnShare {
        self.status().await.own.expect("it is shared")
    }

    /// All of its results from a time on, and nothing before, is there.
    async fn has_all_since(&self, from: UnixMicros) -> bool {
        let kept = &self.rows[self.rows.partition_point(|row| row.time < from)..];
        read(&*self.store, None).await.expect("reads") == kept
    }
}

/// A text that nothing packs well.
fn text(chance: &mut Fixture) -> Box<str> {
    (0..30).map(|_| format!("{:016x}", chance.below(u64::MAX))).collect::<String>().into()
}

/// Keeps house to its end, now.
async fn keep_house(delivery: &Delivery) -> Option<SizeLimit> {
    let before = delivery.metrics().house_runs;
    assert!(matches!(delivery.prune_now(LONG).await, PruneNow::Done(_)), "old rows go");
    until("house is kept", async || (delivery.metrics().house_runs > before).then_some(())).await;
    delivery.metrics().size_limit
}

fn is_about(bytes: Option<u64>, of: u64) -> bool {
    bytes.is_some_and(|bytes| bytes.abs_diff(of) <= of / 20)
}

/// A schema that a small and a big installation share.
async fn shared(name: &str) -> (Installed, Installed) {
    let settings = server().database(name).await;
    let small = Installed::new(&settings, SMALL, 2).await;
    assert_eq!(small.status().await.own, None, "nobody shares it yet");
    (small, Installed::new(&settings, BIG, 8).await)
}

#[test]
fn what_others_keep_never_causes_a_cut() {
    block(async {
        let (small, big) = shared("share_small").await;
        let (whole, own) = (small.status().await, small.own().await);
        let size = whole.size_bytes.expect("known");
        assert_eq!(own.instances, 2);
        assert!(is_about(own.results, whole.parts.results.expect("told") / 5), "by rows: {own:?} of {whole:?}");
        assert!(is_about(own.bytes, size / 5), "{own:?} of {size}");
        let both = own.bytes.zip(big.own().await.bytes).map_or(0, |(small, big)| small + big);
        assert!(both <= size && is_about(Some(both), size), "{both} of {size}");
        // More than its own, far less than all.
        let limit = size / 3;
        let delivery = small.delivery(Some(limit));
        for _ in 0..3 {
            let told = keep_house(&delivery).await.expect("looked");
            assert_eq!(told, SizeLimit { bytes: limit, cut_to: None, is_over: false });
        }
        assert!(small.has_all_since(day(0)).await && big.has_all_since(day(0)).await);
        stopped(delivery).await;
    });
}

#[test]
fn a_limit_takes_of_the_own_share_alone_and_ends() {
    block(async {
        let (small, big) = shared("share_big").await;
        let (before, of_small) = (big.status().await, small.own().await.bytes.expect("known"));
        let full = big.own().await.bytes.expect("known");
        let limit = full * 6 / 10;
        let delivery = big.delivery(Some(limit));
        let told = keep_house(&delivery).await.expect("looked");
        let cut = told.cut_to.expect("it was too much");
        assert!(!told.is_over && cut > day(0) && cut < day(8), "{told:?}");
        let left = big.own().await.bytes.expect("known");
        assert!(left <= limit && left > limit * 3 / 4, "no more than has to go: {left} of {limit}");
        // Rows of the other lie in the same partitions: not a byte has come back.
        let after = big.status().await;
        assert!(after.parts.results >= before.parts.results, "{after:?}");
        for _ in 0..4 {
            assert_eq!(keep_house(&delivery).await, Some(told), "and no more");
        }
        assert!(big.has_all_since(cut).await && small.has_all_since(day(0)).await);
        // What went is not the other's now.
        assert!(is_about(small.own().await.bytes, of_small), "{of_small} {:?}", small.own().await);
        // The restarted program remembers, and does not begin anew.
        stopped(delivery).await;
        let delivery = big.delivery(Some(limit));
        assert_eq!(keep_house(&delivery).await, Some(told));
        // Once the other gives them up too, the partitions go, and nobody's share changes.
        let policy = Retention { results_from: Some(cut), ..Retention::everything() };
        small.store.prune_all(&policy, then().wall()).await.expect("prunes");
        let freed = big.status().await;
        assert!(freed.parts.results < after.parts.results.map(|bytes| bytes * 8 / 10), "{freed:?}");
        assert!(is_about(freed.own.and_then(|own| own.bytes), left), "{freed:?}");
        assert!(big.has_all_since(cut).await && small.has_all_since(cut).await);
        stopped(delivery).await;
    });
}

#[test]
fn what_others_forget_is_not_our_own() {
    block(async {
        let (small, big) = shared("share_forgotten").await;
        let before = small.own().await;
        for monitor in &big.monitors {
            big.store.forget(*monitor).await.expect("forgets");
        }
        server().execute("share_forgotten", "VACUUM ANALYZE").await;
        let own = small.own().await;
        assert_eq!(own.instances, 2);
        assert!(own.bytes <= before.bytes.map(|bytes| bytes * 105 / 100), "{own:?}, before {before:?}");
        assert!(read(&*big.store, None).await.expect("reads").is_empty());
        // What remembers a figure of it is taken anew when own rows go.
        let all = Retention { results_from: Some(day(DAYS)), ..Retention::everything() };
        small.store.check().await.expect("is well");
        small.store.prune_all(&all, then().wall()).await.expect("prunes");
        assert_eq!(small.store.check().await.expect("is well").own, None, "nothing of it is left");
    });
}

#[test]
fn a_share_that_cannot_be_told_cuts_nothing() {
    block(async {
        let (_small, big) = shared("share_unknown").await;
        server().execute("share_unknown", "DROP FUNCTION hallmonitor.given_up CASCADE").await;
        let status = big.status().await;
        assert_eq!((status.own, status.limited()), (Some(OwnShare::default()), None), "{status:?}");
    });
}

/// Keeps a prune from going on, until it is dropped; what it had deleted is not taken back.
async fn held(database: &str, table: &str) -> sqlx::postgres::PgConnection {
    let mut admin = server().admin(database).await;
    let lock = format!("BEGIN; LOCK TABLE hallmonitor.{table} IN EXCLUSIVE MODE");
    sqlx::raw_sql(sqlx::AssertSqlSafe(lock)).execute(&mut admin).await.expect("locks");
    admin
}

/// Waits until somebody waits for that lock.
async fn is_waited_for(database: &str) {
    const WAITING: &str = "SELECT count(*) FROM pg_locks WHERE NOT granted AND database = \
                           (SELECT oid FROM pg_database WHERE datname = current_database())";
    let mut admin = server().admin(database).await;
    until("the prune waits", async || {
        let waiting: i64 = sqlx::query_scalar(WAITING).fetch_one(&mut admin).await.expect("asks");
        (waiting > 0).then_some(())
    })
    .await;
}

#[test]
fn a_limit_that_is_set_while_old_rows_go_is_kept_once() {
    const NAME: &str = "share_live";
    block(async {
        let (small, big) = shared(NAME).await;
        let full = big.own().await.bytes.expect("known");
        let limit = full * 6 / 10;
        let delivery = big.delivery(None);
        let with = |max_bytes| Retention { max_bytes, ..Retention::everything() };
        // Old rows are about to go: twelve days, and the hours in them.
        delivery.set_retention(Retention { raw_days: Some(11), ..with(None) });
        let changes = [("floor", Some(limit)), ("result", Some(limit * 2)), ("floor", None), ("result", Some(limit))];
        let mut kept = None;
        for (table, then) in changes {
            let lock = held(NAME, table).await;
            let runs = delivery.metrics().house_runs;
            let pruned = async { delivery.prune_now(LONG).await };
            let change = async {
                is_waited_for(NAME).await;
                delivery.set_retention(Retention { raw_days: Some(11), ..with(then) });
                lock.close().await.expect("lets go");
            };
            let (pruned, ()) = tokio::join!(pruned, change);
            assert!(matches!(pruned, PruneNow::Done(_)), "it goes on: {pruned:?}");
            until("house is kept", async || (delivery.metrics().house_runs > runs).then_some(())).await;
            let told = keep_house(&delivery).await;
            assert_eq!(told.as_ref().map(|told| (told.bytes, told.is_over)), then.map(|bytes| (bytes, false)));
            let left = big.own().await.bytes.expect("known");
            assert!(left <= limit && left > limit * 3 / 4, "{table}, {then:?}: {left} of {limit}");
            let oldest = read(&*big.store, None).await.expect("reads").first().expect("some are left").time;
            assert_eq!(oldest, *kept.get_or_insert(oldest), "{table}, {then:?}: once");
        }
        assert!(small.has_all_since(day(0)).await && big.has_all_since(kept.expect("looked")).await);
        stopped(delivery).await;
    });
}
