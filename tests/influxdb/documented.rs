//! The queries that people paste into their dashboards, and the example file.

use std::path::Path;
use std::process::{Command, Stdio};

use hallmonitor::model::{Failure, IncidentEnd, Tier, Verdict};
use hallmonitor::storage::Batch;
use hallmonitor::storage::backends::influxdb::test_server::{ORG, TOKEN, Wanted};
use hallmonitor::storage::conformance::Fixture;
use reqwest::Method;
use serde_json::{Value, json};

use crate::{DAY, MINUTE, block, now, open, own_server, until};

const HOUR: u64 = 60 * MINUTE;

/// The queries of the documentation with the line before each.
fn queries() -> Vec<(String, String)> {
    let page = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/storage.md")).expect("reads");
    let mut found = Vec::new();
    let mut rest = page.as_str();
    while let Some((before, after)) = rest.split_once("```flux\n") {
        let (query, after) = after.split_once("```").expect("it ends");
        found.push((before.trim_end().lines().last().unwrap_or_default().to_owned(), query.to_owned()));
        rest = after;
    }
    found
}

/// Whether a row of this answer has this value in this column; the server orders columns as it likes.
fn column_has(answer: &str, column: &str, value: &str) -> bool {
    let mut rows = answer.lines().map(|line| line.trim_end().split(',').collect::<Vec<_>>());
    let at = rows.next().and_then(|header| header.iter().position(|name| *name == column));
    at.is_some_and(|at| rows.any(|row| row.get(at) == Some(&value)))
}

#[test]
fn every_query_of_the_documentation_answers() {
    block(async {
        let server = own_server(&Wanted::default()).await;
        let store = open(&server.settings("monitor_results")).await.expect("opens");
        let mut fixture = Fixture::new(1);
        let monitor = fixture.monitor();
        let begin = now().minus_us(2 * DAY).floor_to(HOUR);
        let mut known = fixture.known(monitor, begin);
        (known.name, known.target) = ("website".to_owned(), "https://www.example".to_owned());
        let count = usize::try_from(now().since_us(begin) / MINUTE).expect("few");
        let mut results = fixture.results(monitor, begin, MINUTE, count);
        let last = results.last_mut().expect("has rows");
        (last.verdict, last.failure) = (Verdict::Down, Some(Failure::Timeout));
        last.set_message("no answer within 10 s");
        let mut incident = fixture.incident(monitor, now().minus_us(HOUR), None);
        (incident.end, incident.message) = (IncidentEnd::Open, "it went away".to_owned());
        let mut rollup = fixture.rollup(monitor, Tier::Hour, begin);
        (rollup.up_us, rollup.degraded_us, rollup.down_us) = (HOUR / 2, HOUR / 4, HOUR / 4);
        let whole = Batch {
            monitors: vec![known],
            incidents: vec![incident],
            rollups: vec![rollup],
            results,
            ..Batch::default()
        };
        store.append(&whole).await.expect("appends");
        let all = queries();
        assert_eq!(all.len(), 6, "each has an expectation here");
        let expected = [
            ("The state of every monitor now", vec!["website", "down", "no answer within 10 s"]),
            ("Milliseconds of one monitor", vec!["website", "_value"]),
            ("Uptime of the last 30 days", vec!["percent=75"]),
            ("Names of the monitors", vec!["website", "https://www.example"]),
            ("Outages of the last 30 days", vec!["website", "it went away", "open"]),
            ("Why checks failed today", vec!["website", "timeout"]),
        ];
        for ((title, query), (begins, parts)) in all.iter().zip(expected) {
            assert!(title.starts_with(begins), "{title}");
            let answer = server.query(query).await;
            for part in parts {
                let found = match part.split_once('=') {
                    Some((column, value)) => column_has(&answer, column, value),
                    None => answer.contains(part),
                };
                assert!(found, "{title}: {part:?} is not in {answer}");
            }
        }
    });
}

#[test]
fn the_example_file_runs() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/configs/influxdb.yml");
    let command = |server: &str, args: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_hallmonitor"))
            .args(args)
            .arg("--config")
            .arg(&file)
            .arg("--data-dir")
            .arg(folder.path())
            .env("INFLUXDB_URL", server)
            .env("INFLUXDB_ORG", ORG)
            .env("INFLUXDB_TOKEN", TOKEN)
            .output()
            .expect("starts");
        let told = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(!told.contains(TOKEN), "{told}");
        (output.status.success(), told)
    };
    block(async {
        let server = own_server(&Wanted::default()).await;
        let (well, told) = command(&server.url(), &["storage", "test"]);
        assert!(well, "{told}");
        for part in ["organisation", "may write", "clocks", "latency"] {
            assert!(told.contains(part), "{told}");
        }
        let (well, told) = command(&server.url(), &["storage", "migrate-schema"]);
        assert!(well && told.contains("is up to date"), "{told}");
        assert_eq!(server.bucket_of_name("monitor_results_rollup").await["description"], "Made by Hall Monitor");
        let free =
            std::net::TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a port");
        let (well, told) = command(&format!("http://{free}"), &["storage", "test"]);
        assert!(!well && told.contains("is the server running"), "{told}");
    });
}

#[test]
fn the_example_file_watches_and_its_results_are_there_again_after_a_restart() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/configs/influxdb.yml");
    block(async {
        let server = own_server(&Wanted::default()).await;
        let command = |args: &[&str]| {
            let mut command = Command::new(env!("CARGO_BIN_EXE_hallmonitor"));
            command.args(args).arg("--config").arg(&file).arg("--data-dir").arg(folder.path()).stdin(Stdio::null());
            command.env("INFLUXDB_URL", server.url()).env("INFLUXDB_ORG", ORG).env("INFLUXDB_TOKEN", TOKEN);
            command
        };
        let history = || {
            let told = command(&["history", "website", "--since", "1h", "--json"]).output().expect("runs");
            let text = String::from_utf8_lossy(&told.stdout).into_owned();
            text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect::<Vec<Value>>()
        };
        let results = "from(bucket: \"monitor_results\") |> range(start: -1h) |> filter(fn: (r) => r._measurement == \
                       \"hallmonitor_result\" and r._field == \"verdict\") |> group() |> count()";
        let mut before = Vec::new();
        for times in 1..=2 {
            let mut run = command(&["run"]).stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("starts");
            until("its result is on the server", async || {
                // Until it has made its buckets, that is an error.
                let asked = Some(json!({ "query": results }));
                let (_, told) = server.ask(Method::POST, "/api/v2/query", Some(&[("org", ORG)]), asked).await;
                let told = told.as_str().unwrap_or_default().trim_end().rsplit(',').next();
                let count: usize = told.and_then(|count| count.parse().ok()).unwrap_or(0);
                (count >= times).then_some(())
            })
            .await;
            let told = history();
            assert!(told.len() >= times && before.iter().all(|row| told.contains(row)), "{told:?} {before:?}");
            before = told;
            let ended = Command::new("kill").arg(run.id().to_string()).status().expect("kill");
            assert!(ended.success() && run.wait().expect("ends").success());
        }
        // Nothing runs any more, and the server is asked.
        assert_eq!(history(), before);
    });
}
