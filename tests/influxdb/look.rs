//! The look at the way to the server, step by step.

use std::time::Duration;

use hallmonitor::storage::backends::influxdb::InfluxDb;
use hallmonitor::storage::{Backend, Step, StepOutcome};

use crate::door::{Door, answer};
use crate::support_remote::{failed, steps_of};
use crate::{block, env_of, server, until};

const STEPS: [&str; 13] = [
    "settings",
    "name",
    "connection",
    "certificates",
    "protection",
    "health",
    "token",
    "organisation",
    "buckets",
    "may write",
    "write and read",
    "clocks",
    "latency",
];

async fn steps(settings: &InfluxDb) -> Vec<Step> {
    steps_of(settings, &STEPS).await
}

#[test]
fn a_server_that_is_well_passes_every_step() {
    block(async {
        let settings = server().await.settings("looked");
        for step in steps(&settings).await {
            let StepOutcome::Ok { detail, .. } = step.outcome else { panic!("{step:?}") };
            assert!(!detail.is_empty(), "{}", step.name);
        }
    });
}

#[test]
fn the_step_that_fails_is_the_one_to_blame() {
    block(async {
        let server = server().await;
        let settings = server.settings("blamed");
        let with = |change: fn(&mut InfluxDb)| {
            let mut settings = settings.clone();
            change(&mut settings);
            settings
        };
        let (one, two) = (server.bucket("seen", 0).await, server.bucket("seen_rollup", 0).await);
        let token = async |rights: &[(&str, &str)], bucket: &str| InfluxDb {
            token: server.token(rights).await.token.into(),
            ..server.settings(bucket)
        };
        let page = Door::to(server.port()).await;
        page.does(|_| answer("200 OK", "Content-Type: text/html\r\n", "<html>"));
        let slow = Door::to(server.port()).await;
        slow.does(|seen| match seen.what.as_str() {
            "GET /ping" => answer("204 No Content", "Date: Wed, 21 Oct 2015 07:28:00 GMT\r\n", ""),
            _ => crate::door::Deed::Pass,
        });
        let everything = [("read", &*one), ("write", &*one), ("read", &*two), ("write", &*two)];
        let cases: Vec<(InfluxDb, &str, &str)> = vec![
            (with(|s| s.url = "ftp://x".to_owned()), "settings", "http://"),
            (with(|s| s.url = "http://no-such-host.invalid".to_owned()), "name", "no-such-host.invalid"),
            (with(|s| s.url = "http://127.0.0.1:1".to_owned()), "connection", "is the server running"),
            (with(|s| s.url = s.url.replace("http", "https")), "protection", "cannot be reached"),
            (InfluxDb { url: page.url(), ..settings.clone() }, "health", "is there a proxy in between"),
            (with(|s| s.token = "wrong".into()), "token", "`token`"),
            (with(|s| s.org = "nobody".to_owned()), "organisation", "check `org`"),
            (token(&everything, "unseen").await, "buckets", "influx bucket create"),
            (token(&everything[..3], "seen").await, "may write", "read and write the buckets"),
            (InfluxDb { url: slow.url(), ..settings.clone() }, "clocks", "s apart"),
        ];
        for (settings, name, part) in cases {
            let (step, told) = failed(&steps(&settings).await);
            assert_eq!(step, name, "{told}");
            assert!(told.contains(part), "{told}");
        }
    });
}

#[test]
fn a_look_leaves_no_bucket_behind() {
    block(async {
        let server = server().await;
        let settings = server.settings("untouched");
        let there = async || {
            let (_, answer) =
                server.ask(reqwest::Method::GET, "/api/v2/buckets", Some(&[("limit", "100")]), None).await;
            let all = answer["buckets"].as_array().expect("a list").clone();
            all.into_iter().filter(|one| one["name"].as_str().is_some_and(|name| name.starts_with("untouched"))).count()
        };
        assert!(steps(&settings).await.iter().all(|step| matches!(step.outcome, StepOutcome::Ok { .. })));
        assert_eq!(there().await, 0);
        settings.open(&env_of(1)).await.expect("opens").close().await.expect("closes");
        assert!(steps(&settings).await.iter().all(|step| matches!(step.outcome, StepOutcome::Ok { .. })));
        assert_eq!(there().await, 2, "those that were there stay");
        // A look that is stopped, at any moment of it.
        let stopped = server.settings("untouched_stopped");
        for nth in 0..40 {
            let _ = tokio::time::timeout(Duration::from_millis(nth * 5), steps(&stopped)).await;
        }
        until("what the looks made is gone", async || (there().await == 2).then_some(())).await;
        // One that somebody makes while the look goes on is nobody's to remove.
        let settings = server.settings("untouched_meanwhile");
        let look = steps(&settings);
        let open = async { settings.open(&env_of(1)).await.expect("opens").close().await.expect("closes") };
        tokio::join!(look, open);
        assert_eq!(there().await, 4, "and those that came meanwhile");
    });
}
