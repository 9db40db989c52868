//! What the server says no to, and what a person is told.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use hallmonitor::clock::{Clock, SystemClock};
use hallmonitor::deliver::Letters;
use hallmonitor::model::{CheckResult, FactKey};
use hallmonitor::storage::backends::influxdb::InfluxDb;
use hallmonitor::storage::backends::influxdb::test_server::ORG;
use hallmonitor::storage::conformance::Fixture;
use hallmonitor::storage::{Backend, StoreErrorKind};
use reqwest::Method;

use crate::door::{Deed, Door, answer};
use crate::{
    DAY, MINUTE, assert_told, batch, block, delivered, delivery, drained, env_of, hasty, now, open, push, read, rows,
    server, stopped, stream, until,
};

const WRITE: &str = "POST /api/v2/write";

#[test]
fn a_wrong_token_is_told() {
    block(async {
        let settings = server().await.settings("wrong_token");
        for token in ["hunter2", ""] {
            let error = open(&InfluxDb { token: token.into(), ..settings.clone() }).await.expect_err("is refused");
            assert_told(&error, StoreErrorKind::Unauthorized, &["`token`", ORG]);
        }
    });
}

#[test]
fn a_missing_organisation_and_a_missing_bucket_are_told() {
    block(async {
        let server = server().await;
        let settings = InfluxDb { org: "nobody".to_owned(), ..server.settings("any") };
        let error = open(&settings).await.expect_err("is not there");
        assert_told(&error, StoreErrorKind::Misconfigured, &["`nobody`", "check `org`"]);
        // A token that may not make it, as most do not.
        let other = server.bucket("other_bucket", 0).await;
        let token = server.token(&[("read", &other), ("write", &other)]).await.token.into();
        let error = open(&InfluxDb { token, ..server.settings("missing") }).await.expect_err("is not there");
        let make = "influx bucket create";
        assert_told(&error, StoreErrorKind::Misconfigured, &["`missing`", make, "--name 'missing_rollup'"]);
    });
}

#[test]
fn nobody_there_is_told() {
    block(async {
        let free =
            std::net::TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a port");
        let settings = InfluxDb { url: format!("http://{free}"), ..InfluxDb::default() };
        let error = open(&settings).await.expect_err("is not there");
        assert_told(&error, StoreErrorKind::Unavailable, &["nobody listens there"]);
        assert!(error.is_transient());
        let settings = InfluxDb { url: "http://no-such-host.invalid".to_owned(), ..settings };
        let error = open(&settings).await.expect_err("is not there");
        assert_told(&error, StoreErrorKind::Unavailable, &["no-such-host.invalid", "check `url`"]);
    });
}

#[test]
fn a_token_that_stops_working_in_the_middle_costs_no_rows() {
    let folder = tempfile::tempdir().expect("a folder");
    block(async {
        let server = server().await;
        let ids = (server.bucket("revoked", 0).await, server.bucket("revoked_rollup", 0).await);
        let rights = [("read", &*ids.0), ("write", &*ids.0), ("read", &*ids.1), ("write", &*ids.1)];
        let token = server.token(&rights).await;
        let settings = InfluxDb { token: token.token.clone().into(), ..server.settings("revoked") };
        let delivery = delivery(folder.path(), &settings);
        let all = stream(1, 5, 1_000);
        push(&delivery, &all[..2_000]);
        drained(&delivery).await;
        server.activate(&token, false).await;
        push(&delivery, &all[2_000..]);
        let fault = until("the fault is told", async || delivery.status().fault).await;
        assert!(fault.contains("`token`"), "{fault}");
        assert_eq!(delivery.status().dead_letters, 0, "no row is to blame");
        server.activate(&token, true).await;
        drained(&delivery).await;
        stopped(delivery).await;
        let store = open(&settings).await.expect("opens");
        assert_eq!(read(&*store, None).await.expect("reads"), all);
    });
}

#[test]
fn a_bucket_that_is_deleted_while_it_runs_is_told_and_got_over() {
    let folder = tempfile::tempdir().expect("a folder");
    block(async {
        let server = server().await;
        let settings = server.settings("deleted");
        let delivery = delivery(folder.path(), &settings);
        let all = stream(2, 3, 1_000);
        push(&delivery, &all[..1_000]);
        drained(&delivery).await;
        let id = server.bucket_of_name("deleted").await["id"].as_str().expect("an id").to_owned();
        let (status, said) = server.ask(Method::DELETE, &format!("/api/v2/buckets/{id}"), None, None).await;
        assert_eq!(status, 204, "{said}");
        push(&delivery, &all[1_000..]);
        let fault = until("the fault is told", async || delivery.status().fault).await;
        assert!(fault.contains("influx bucket create") && fault.contains("deleted"), "{fault}");
        server.bucket("deleted", 0).await;
        drained(&delivery).await;
        stopped(delivery).await;
        let store = open(&settings).await.expect("opens");
        assert_eq!(read(&*store, None).await.expect("reads"), all[1_000..], "what was deleted is gone, nothing else");
    });
}

/// Results around now, half of them too old for a bucket that keeps 60 days.
fn old_and_new(seed: u64) -> (Vec<CheckResult>, Vec<CheckResult>) {
    let mut fixture = Fixture::new(seed);
    let monitor = fixture.monitor();
    let old = fixture.results(monitor, now().minus_us(90 * DAY), MINUTE, 25);
    let new = fixture.results(monitor, now().minus_us(DAY), MINUTE, 1_000);
    (old, new)
}

#[test]
fn rows_that_the_retention_refuses_become_dead_letters_with_that_reason() {
    let folder = tempfile::tempdir().expect("a folder");
    block(async {
        let server = server().await;
        server.bucket("short", 60 * 86_400).await;
        let settings = server.settings("short");
        let delivery = delivery(folder.path(), &settings);
        let (old, new) = old_and_new(3);
        let mixed: Vec<CheckResult> = new[..500].iter().chain(&old).chain(&new[500..]).cloned().collect();
        push(&delivery, &mixed);
        delivered(&delivery).await;
        assert_eq!(delivery.status().dead_letters, old.len() as u64);
        let (letters, _) = delivery.dead_letters(100).expect("reads");
        for letter in &letters {
            assert!(letter.reason.contains("older than the retention of the bucket `short`"), "{}", letter.reason);
        }
        let store = open(&settings).await.expect("opens");
        assert_eq!(read(&*store, None).await.expect("reads"), new);
        // With a longer one they can be brought again.
        let id = server.bucket_of_name("short").await["id"].as_str().expect("an id").to_owned();
        let rules = serde_json::json!({"retentionRules": [{"type": "expire", "everySeconds": 0}]});
        let (status, said) = server.ask(Method::PATCH, &format!("/api/v2/buckets/{id}"), None, Some(rules)).await;
        assert_eq!(status, 200, "{said}");
        delivery.retry_letters(&Letters::All).expect("marks them");
        until("brought", async || (delivery.status().dead_letters == 0).then_some(())).await;
        stopped(delivery).await;
        assert_eq!(read(&*store, None).await.expect("reads"), [old, new].concat());
    });
}

#[test]
fn of_a_partial_write_only_the_bad_rows_become_dead_letters() {
    let folder = tempfile::tempdir().expect("a folder");
    block(async {
        let server = server().await;
        let settings = server.settings("partial");
        let delivery = delivery(folder.path(), &settings);
        let mut all = rows(4, 2_000);
        push(&delivery, &all[..1]);
        drained(&delivery).await;
        // Somebody else's program has written numbers where our text goes.
        let line = "hallmonitor_result,instance=other http_server=5i 1772323200000000";
        let query = [("org", ORG), ("bucket", "partial"), ("precision", "us")];
        let (status, said) = server.write(&query, line).await;
        assert_eq!(status, 204, "{said}");
        for at in [10, 11, 700, 1_400] {
            all[at].facts.set_text(FactKey::HttpServer, "nginx");
        }
        push(&delivery, &all[1..]);
        delivered(&delivery).await;
        assert_eq!(delivery.status().dead_letters, 4);
        let (letters, _) = delivery.dead_letters(100).expect("reads");
        assert!(letters.iter().all(|letter| letter.reason.contains("http_server")), "{letters:?}");
        stopped(delivery).await;
        let good: Vec<CheckResult> =
            all.iter().filter(|row| row.facts.text(FactKey::HttpServer).is_none()).cloned().collect();
        let store = open(&settings).await.expect("opens");
        assert_eq!(read(&*store, None).await.expect("reads"), good);
    });
}

#[test]
fn requests_that_are_too_large_for_a_proxy_are_made_smaller() {
    block(async {
        let server = server().await;
        let door = Door::to(server.port()).await;
        let page = "<html><h1>413 Request Entity Too Large</h1></html>";
        door.does(move |seen| match seen.what == WRITE && seen.bytes > 20_000 {
            true => answer("413 Request Entity Too Large", "Content-Type: text/html\r\n", page),
            false => Deed::Pass,
        });
        let store = open(&InfluxDb { url: door.url(), ..server.settings("small_requests") }).await.expect("opens");
        let all = rows(5, 5_000);
        store.append(&batch(&all)).await.expect("appends in parts");
        assert!(door.seen(WRITE).iter().any(|seen| seen.bytes > 20_000), "one was too large");
        assert_eq!(read(&*store, None).await.expect("reads"), all);
        // A row that is too large on its own is refused for good, and nothing else is.
        door.does(move |seen| match seen.what == WRITE && seen.bytes > 10 {
            true => answer("413 Request Entity Too Large", "Content-Type: text/html\r\n", page),
            false => Deed::Pass,
        });
        let error = store.append(&batch(&rows(6, 3))).await.expect_err("is too large");
        assert_told(&error, StoreErrorKind::Internal, &["413"]);
    });
}

#[test]
fn a_server_that_asks_for_rest_gets_it() {
    let folder = tempfile::tempdir().expect("a folder");
    block(async {
        let server = server().await;
        let door = Door::to(server.port()).await;
        let settings = InfluxDb { url: door.url(), ..server.settings("rest") };
        let delivery = delivery(folder.path(), &settings);
        let all = stream(7, 2, 500);
        push(&delivery, &all[..100]);
        drained(&delivery).await;
        for (status, code, part) in [
            ("429 Too Many Requests", "too many requests", 100..500),
            ("503 Service Unavailable", "unavailable", 500..1_000),
        ] {
            let asked = std::sync::Arc::new(AtomicUsize::new(0));
            let counted = std::sync::Arc::clone(&asked);
            let before = door.seen(WRITE).len();
            door.does(move |seen| {
                if seen.what != WRITE || counted.fetch_add(1, Ordering::SeqCst) > 0 {
                    return Deed::Pass;
                }
                let body = format!(r#"{{"code":"{code}","message":"slow down"}}"#);
                answer(status, "Retry-After: 2\r\nContent-Type: application/json\r\n", &body)
            });
            push(&delivery, &all[part]);
            until("the first try", async || (door.seen(WRITE).len() > before).then_some(())).await;
            let begun = SystemClock.mono();
            until("the second try", async || (door.seen(WRITE).len() > before + 1).then_some(())).await;
            let rested = SystemClock.mono().since(begun);
            assert!(rested >= Duration::from_millis(1_700), "{status}: {rested:?}");
            drained(&delivery).await;
        }
        stopped(delivery).await;
        let store = open(&settings).await.expect("opens");
        assert_eq!(read(&*store, None).await.expect("reads"), all);
    });
}

#[test]
fn a_bucket_that_forgets_rollups_is_refused() {
    block(async {
        let server = server().await;
        server.bucket("forgetful_rollup", 30 * 86_400).await;
        let error = open(&server.settings("forgetful")).await.expect_err("is refused");
        assert_told(&error, StoreErrorKind::Misconfigured, &["`forgetful_rollup`", "30 days", "--retention 0"]);
        let error = server.settings("forgetful").migrate(&env_of(1)).await.expect_err("is refused");
        assert_eq!(error.kind, StoreErrorKind::Misconfigured);
    });
}

#[test]
fn another_address_in_an_answer_is_not_followed() {
    block(async {
        let server = server().await;
        let door = Door::to(server.port()).await;
        let elsewhere = format!("Location: {}/api/v2/write\r\n", server.url());
        let store = open(&hasty(&InfluxDb { url: door.url(), ..server.settings("moved") })).await.expect("opens");
        door.does(move |_| answer("308 Permanent Redirect", &elsewhere, ""));
        let error = store.append(&batch(&rows(8, 10))).await.expect_err("is not followed");
        assert_told(&error, StoreErrorKind::Misconfigured, &["sends us elsewhere", "`url`"]);
    });
}
