//! The look at the way to the server, step by step.

use hallmonitor::storage::backends::postgres::Postgres;
use hallmonitor::storage::{Backend, Step, StepOutcome};

use crate::{block, env_of, server};

const STEPS: [&str; 11] = [
    "settings",
    "name",
    "connection",
    "certificates",
    "protection",
    "log in",
    "database",
    "schema",
    "rights",
    "TimescaleDB",
    "write and read",
];

async fn steps(settings: &Postgres) -> Vec<Step> {
    let steps = settings.diagnose(&env_of(1)).await;
    let names: Vec<_> = steps.iter().map(|step| step.name).collect();
    assert_eq!(names, [&STEPS[..], &["latency"]].concat(), "every step is told, made or not");
    steps
}

/// The step that failed and what it said; those before it passed, those after it are skipped.
fn failed(steps: &[Step]) -> (&'static str, String) {
    let at = steps.iter().position(|step| matches!(step.outcome, StepOutcome::Failed { .. })).expect("one failed");
    assert!(steps[..at].iter().all(|step| matches!(step.outcome, StepOutcome::Ok { .. })), "{steps:?}");
    assert!(steps[at + 1..].iter().all(|step| matches!(step.outcome, StepOutcome::Skipped)), "{steps:?}");
    let StepOutcome::Failed { error } = &steps[at].outcome else { unreachable!("it failed") };
    (steps[at].name, error.to_string())
}

#[test]
fn a_server_that_is_well_passes_every_step() {
    block(async {
        let settings = server().database("looked").await;
        for step in steps(&settings).await {
            let StepOutcome::Ok { detail, .. } = step.outcome else { panic!("{step:?}") };
            assert!(!detail.is_empty(), "{}", step.name);
        }
    });
}

#[test]
fn the_step_that_fails_is_the_one_to_blame() {
    block(async {
        let settings = server().database("blamed").await;
        let with = |change: fn(&mut Postgres)| {
            let mut settings = settings.clone();
            change(&mut settings);
            settings
        };
        let cases: [(Postgres, &str, &str); 6] = [
            (with(|s| s.pool_min = 9), "settings", "poolMax"),
            (with(|s| s.host = "no-such-host.invalid".to_owned()), "name", "no-such-host.invalid"),
            (with(|s| s.port = 1), "connection", "is the server running"),
            (with(|s| s.password = "wrong".into()), "log in", "pg_hba.conf"),
            (with(|s| s.database = "nowhere".to_owned()), "database", "CREATE DATABASE"),
            (
                with(|s| s.sslmode = hallmonitor::storage::backends::postgres::SslMode::Require),
                "protection",
                "ssl = on",
            ),
        ];
        for (settings, name, part) in cases {
            let (step, told) = failed(&steps(&settings).await);
            assert_eq!(step, name, "{told}");
            assert!(told.contains(part), "{told}");
        }
    });
}
