//! What tests of backends on servers share: rows, delivery as the program has it, and what has to hold whatever the server
//! is (`suite.rs`).

pub mod authority;
pub mod suite;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use hallmonitor::clock::SystemClock;
use hallmonitor::deliver::{ConfiguredStore, Delivery, DeliveryOptions, StoreSettings};
use hallmonitor::event::Events;
use hallmonitor::model::{CheckResult, InstanceId, MonitorId, Row, Span, UnixMicros};
use hallmonitor::secret::MemoryVault;
use hallmonitor::storage::conformance::Fixture;
use hallmonitor::storage::{
    Backend, BackendConfig, BackendEnv, Batch, ResultQuery, ResultStore, Retention, Step, StepOutcome, StoreError,
    StoreErrorKind,
};

pub const MINUTE: u64 = 60_000_000;
pub const DAY: u64 = 86_400_000_000;
pub const EVER: Span = Span { from: UnixMicros::MIN, to: UnixMicros::MAX };

/// 2026-03-01T00:00:00Z.
pub fn start() -> UnixMicros {
    UnixMicros::new(1_772_323_200_000_000)
}

pub fn block<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime").block_on(future)
}

pub fn env_of(instance: u128) -> BackendEnv {
    BackendEnv {
        data_dir: PathBuf::from("not used"),
        instance: InstanceId::new(uuid::Uuid::from_u128(instance)),
        clock: Arc::new(SystemClock),
        vault: Arc::new(MemoryVault::default()),
    }
}

pub fn rows(seed: u64, count: usize) -> Vec<CheckResult> {
    let mut fixture = Fixture::new(seed);
    let monitor = fixture.monitor();
    fixture.results(monitor, start(), MINUTE, count)
}

/// Results of a few monitors in the order in which they would come.
pub fn stream(seed: u64, monitors: usize, each: usize) -> Vec<CheckResult> {
    let mut fixture = Fixture::new(seed);
    let mut all = Vec::new();
    for _ in 0..monitors {
        let monitor = fixture.monitor();
        all.extend(fixture.results(monitor, start(), MINUTE, each));
    }
    all.sort_by_key(|row| (row.time, row.monitor));
    all
}

pub fn batch(results: &[CheckResult]) -> Batch {
    Batch { results: results.to_vec(), ..Batch::default() }
}

/// Every result, oldest first.
pub async fn read(store: &dyn ResultStore, monitor: Option<MonitorId>) -> Result<Vec<CheckResult>, StoreError> {
    let query = ResultQuery { monitor, span: EVER, limit: 1_000_000, after: None };
    let mut results = store.results(&query).await?.results;
    results.reverse();
    Ok(results)
}

/// Looks again and again, for at most a minute.
pub async fn until<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    for _ in 0..1_200 {
        if let Some(found) = look().await {
            return found;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("never: {what}");
}

/// Delivery as the program has it, with short waits.
pub fn delivery(folder: &Path, config: BackendConfig, call_timeout: Duration) -> Delivery {
    let mut options = DeliveryOptions::new(folder.to_owned(), Arc::new(SystemClock), Events::new());
    options.journal.close_after = Duration::from_millis(10);
    options.call_timeout = call_timeout;
    options.first_retry = Some(Duration::from_millis(50));
    options.save_every_us = 0;
    // What is old by the calendar stays.
    options.retention = Retention::everything();
    let opener = ConfiguredStore {
        backend: config.id(),
        settings: StoreSettings::new(&config, None),
        env: env_of(1),
        contact: config.contact(),
    };
    Delivery::start(options, Arc::new(opener)).expect("starts").0
}

pub fn push(delivery: &Delivery, rows: &[CheckResult]) {
    rows.iter().for_each(|row| delivery.journal().push(&Row::Result(row.clone())));
}

pub async fn delivered(delivery: &Delivery) {
    until("everything is delivered", async || {
        let flushed = delivery.journal().flush(Duration::from_secs(5));
        let status = delivery.status();
        (flushed && status.state == "open" && status.backlog_rows == 0).then_some(())
    })
    .await;
}

/// Waits until everything is delivered, nothing refused and nothing dropped.
pub async fn drained(delivery: &Delivery) {
    delivered(delivery).await;
    assert_eq!((delivery.status().dead_letters, delivery.status().dropped), (0, 0));
}

/// Stops it, while what stands between it and the server goes on working.
pub async fn stopped(delivery: Delivery) {
    let stop = tokio::task::spawn_blocking(move || delivery.stop(Duration::from_secs(10)));
    assert!(stop.await.expect("no panic"), "it stops in time");
}

/// Asserts what kind of fault it is and that its text says certain things; and that no text ever shows a secret.
#[track_caller]
pub fn assert_told(error: &StoreError, kind: StoreErrorKind, parts: &[&str], secret: &str) {
    let told = format!("{error} {error:?}");
    assert_eq!(error.kind, kind, "{told}");
    for part in parts {
        assert!(told.contains(part), "{part:?} is not in {told}");
    }
    assert!(!told.contains(secret) && !told.contains("hunter2"), "{told}");
}

/// The steps of a look: each of these is told, made or not.
pub async fn steps_of(settings: &impl Backend, expected: &[&str]) -> Vec<Step> {
    let steps = settings.diagnose(&env_of(1)).await;
    let names: Vec<_> = steps.iter().map(|step| step.name).collect();
    assert_eq!(names, expected, "every step is told, made or not");
    steps
}

/// The step that failed and what it said; those before it passed, those after it are skipped.
pub fn failed(steps: &[Step]) -> (&'static str, String) {
    let at = steps.iter().position(|step| matches!(step.outcome, StepOutcome::Failed { .. })).expect("one failed");
    assert!(steps[..at].iter().all(|step| matches!(step.outcome, StepOutcome::Ok { .. })), "{steps:?}");
    assert!(steps[at + 1..].iter().all(|step| matches!(step.outcome, StepOutcome::Skipped)), "{steps:?}");
    let StepOutcome::Failed { error } = &steps[at].outcome else { unreachable!("it failed") };
    (steps[at].name, error.to_string())
}
