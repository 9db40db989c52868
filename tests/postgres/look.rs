//! The look at the way to the server, step by step.

use hallmonitor::storage::backends::postgres::Postgres;
use hallmonitor::storage::{Backend, Step, StepOutcome};

use crate::support_remote::{failed, steps_of};
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
    steps_of(settings, &[&STEPS[..], &["latency"]].concat()).await
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

async fn told_of_the_database(name: &str) -> (i64, i64) {
    let mut admin = server().admin(name).await;
    let schemas = sqlx::query_scalar("SELECT count(*) FROM pg_namespace WHERE nspname = 'hallmonitor'");
    let objects = sqlx::query_scalar("SELECT count(*) FROM pg_class WHERE relnamespace > 16383");
    (schemas.fetch_one(&mut admin).await.expect("asks"), objects.fetch_one(&mut admin).await.expect("asks"))
}

#[test]
fn a_look_leaves_nothing_behind() {
    block(async {
        let settings = server().database("untouched").await;
        let before = told_of_the_database("untouched").await;
        assert!(steps(&settings).await.iter().all(|step| matches!(step.outcome, StepOutcome::Ok { .. })));
        assert_eq!(told_of_the_database("untouched").await, before);
        // Where there is a store already, it has not even met this instance.
        settings.open(&env_of(2)).await.expect("opens").close().await.expect("closes");
        let instances = async || -> i64 {
            let mut admin = server().admin("untouched").await;
            let count = sqlx::query_scalar("SELECT count(*) FROM hallmonitor.instance");
            count.fetch_one(&mut admin).await.expect("asks")
        };
        let known = instances().await;
        assert!(steps(&settings).await.iter().all(|step| matches!(step.outcome, StepOutcome::Ok { .. })));
        assert_eq!(instances().await, known);
    });
}

#[test]
fn what_can_be_done_at_the_server_is_given_as_a_line_to_copy() {
    block(async {
        let settings = server().database("helped").await;
        let command = async |settings: Postgres| {
            let steps = steps(&settings).await;
            let failed = steps.into_iter().find_map(|step| match step.outcome {
                StepOutcome::Failed { error } => Some(error.command),
                _ => None,
            });
            failed.expect("one failed")
        };
        let nowhere = Postgres { database: "no\"where".to_owned(), ..settings.clone() };
        let made = command(nowhere).await.expect("a command");
        assert!(made.starts_with("CREATE DATABASE \"no\"\"where\" OWNER"), "{made}");
        server().execute("helped", &made.replace("no\"\"where", "somewhere")).await;
        let wrong = Postgres { password: "wrong".to_owned().into(), ..settings.clone() };
        assert!(command(wrong).await.expect("a command").starts_with("ALTER ROLE"));
        assert_eq!(command(Postgres { port: 1, ..settings }).await, None);
    });
}
