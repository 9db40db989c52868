//! The conformance suite over every registered backend, and what is true of one backend only.
//!
//! `main` is our own: the tests are the product of backends and cases, and a case that a backend skips is shown as
//! ignored.

#![allow(clippy::expect_used, clippy::print_stderr, reason = "a test fails by stopping, and says why")]

#[path = "storage/bad_sector.rs"]
mod bad_sector;
#[path = "storage/embedded.rs"]
mod embedded;
#[path = "storage/limit.rs"]
mod limit;
#[path = "storage/retention.rs"]
mod retention;
#[path = "storage/sealed.rs"]
mod sealed;

use std::collections::BTreeSet;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use futures_util::FutureExt;
use hallmonitor::clock::SystemClock;
use hallmonitor::model::InstanceId;
use hallmonitor::secret::MemoryVault;
use hallmonitor::storage::conformance::{CASES, Case, OpenStore};
use hallmonitor::storage::{BackendConfig, BackendEnv, StoreError, StoreErrorKind, offers};
use libtest_mimic::{Arguments, Failed, Trial};

/// The only backend that may skip, and all that it skips.
const KEEPS_NO_HISTORY: &str = "none";

fn env(folder: &Path) -> BackendEnv {
    BackendEnv {
        data_dir: folder.to_path_buf(),
        instance: InstanceId::new(uuid::Uuid::from_u128(1)),
        clock: Arc::new(SystemClock),
        vault: Arc::new(MemoryVault::default()),
    }
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime")
}

fn open(backend: &'static str) -> OpenStore {
    Arc::new(move |folder| {
        async move {
            let env = env(&folder);
            let missing = || StoreError::new(StoreErrorKind::Unavailable, backend, "open", "not on this machine");
            BackendConfig::test_instance(backend, &env).await.ok_or_else(missing)?.open(&env).await
        }
        .boxed()
    })
}

fn run(backend: &'static str, case: Case) -> Result<(), Failed> {
    let folder = tempfile::tempdir()?;
    runtime().block_on(case.run(folder.path(), &open(backend))).map_err(Failed::from)
}

/// A backend keeps history or says that it does not; nothing else decides what is skipped.
fn only_none_skips() -> Result<(), Failed> {
    for backend in offers().iter().map(|offer| offer.id) {
        let folder = tempfile::tempdir()?;
        let keeps = runtime().block_on(async {
            let store = open(backend)(folder.path().to_path_buf()).await?;
            Ok::<_, StoreError>(store.capabilities().keeps_history)
        })?;
        if keeps == (backend == KEEPS_NO_HISTORY) {
            return Err(format!("backend {backend}: keeps_history is {keeps}").into());
        }
    }
    let run: BTreeSet<&str> = CASES.iter().filter(|case| !case.needs_history).map(|case| case.name).collect();
    let expected = BTreeSet::from([
        "read::incidents_that_touch_the_span",
        "read::open_incidents_touch_everything_after",
        "read::unknown_monitors_have_nothing",
        "upkeep::forget_drops_what_is_known",
        "write::a_rename_keeps_the_id",
        "write::after_close_nothing_works",
        "write::an_empty_batch_is_fine",
        "write::check_makes_a_round_trip",
        "write::incidents_are_replaced",
        "write::metadata_is_kept",
        "write::monitors_keep_their_first_sight",
    ]);
    if run == expected { Ok(()) } else { Err(format!("cases without history: {run:?}").into()) }
}

fn main() -> ExitCode {
    let mut own = std::env::args_os().skip(1);
    if own.next().is_some_and(|first| first == embedded::FULL_DISK_CHILD) {
        let filled =
            own.next().ok_or_else(|| "no folder".into()).and_then(|folder| embedded::fill_disk(folder.as_ref()));
        return match filled {
            Ok(()) => ExitCode::SUCCESS,
            Err(failed) => {
                eprintln!("{}", failed.message().unwrap_or("failed"));
                ExitCode::FAILURE
            }
        };
    }
    let arguments = Arguments::from_args();
    let mut trials = vec![Trial::test("matrix::only_none_skips", only_none_skips)];
    for backend in offers().iter().map(|offer| offer.id) {
        for case in CASES {
            let skipped = backend == KEEPS_NO_HISTORY && case.needs_history;
            let name = format!("{backend}::{}", case.name);
            trials.push(Trial::test(name, || run(backend, *case)).with_ignored_flag(skipped));
        }
    }
    trials.extend(embedded::trials());
    trials.extend(limit::trials());
    trials.extend(retention::trials());
    trials.extend(sealed::trials());
    trials.extend(bad_sector::trials());
    libtest_mimic::run(&arguments, trials).exit_code()
}
