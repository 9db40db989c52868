//! How answers are told: a control socket with fixed answers, and the command that asks it.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use hallmonitor::control::{
    Answer, AnswerError, Answers, HistoryPage, IncidentList, Listener, MAX_PAGE, MonitorName, MonitorStatus, Request,
    Source, Status, UptimeList,
};
use hallmonitor::deliver::FormerStore;
use hallmonitor::model::{
    CheckResult, Facts, Failure, Incident, IncidentEnd, IncidentId, InstanceId, MonitorId, Phases, State, UnixMicros,
    Verdict,
};
use hallmonitor::storage::{PageCursor, Uptime};
use serde_json::Value;
use uuid::Uuid;

use crate::{Said, json_lines, run_in};

/// A name as an enemy would choose it.
const HOSTILE: &str = "nas\u{1b}[2J\u{202e}\n";
/// Results in the whole history: more than two pages.
const RESULTS: usize = MAX_PAGE * 2 + 3;

fn id(name: &str) -> MonitorId {
    MonitorId::of_name(InstanceId::new(Uuid::nil()), name)
}

fn time(seconds: i64) -> UnixMicros {
    UnixMicros::new((1_700_000_000 + seconds) * 1_000_000)
}

fn source(keeps_history: bool) -> Source {
    Source { backend: "embedded".into(), keeps_history, note: None, kept: Vec::new() }
}

fn name(name: &str) -> MonitorName {
    let text = |text: &str| text.to_owned();
    MonitorName { id: id(name), name: text(name), group: text("home"), kind: text("tcp"), target: text("10.0.0.2:22") }
}

fn monitor(name: &str, state: State) -> MonitorStatus {
    let down = state == State::Down;
    MonitorStatus {
        id: id(name),
        name: name.into(),
        group: "home".into(),
        kind: "tcp".into(),
        target: "10.0.0.2:22".into(),
        interval_us: 60_000_000,
        state,
        since: Some(time(0)),
        verdict: Some(if down { Verdict::Down } else { Verdict::Up }),
        failure: down.then_some(Failure::Connect),
        message: if down { "refused\u{7}" } else { "" }.into(),
        last_check: Some(time(0)),
        duration_us: Some(1_234),
        next_check: Some(time(60)),
        stale: false,
        paused_until: None,
        incident: None,
        recent: Vec::new(),
    }
}

/// The history in pages: newest first, one result a second.
fn history(limit: usize, after: Option<PageCursor>) -> HistoryPage {
    let newest = after
        .map_or(RESULTS, |cursor| usize::try_from(cursor.time.micros() / 1_000_000 - 1_700_000_000).expect("small"));
    let oldest = newest.saturating_sub(limit);
    let result = |at: usize| CheckResult {
        monitor: id(HOSTILE),
        time: time(i64::try_from(at).expect("small")),
        interval_us: 1_000_000,
        timeout_us: 1_000_000,
        verdict: if at.is_multiple_of(2) { Verdict::Up } else { Verdict::Down },
        duration_us: 42_000,
        failure: (!at.is_multiple_of(2)).then_some(Failure::Timeout),
        message: Box::default(),
        phases: Phases::default(),
        facts: Facts::new(),
    };
    HistoryPage {
        source: source(true),
        monitors: vec![name(HOSTILE)],
        results: (oldest..newest).rev().map(result).collect(),
        next: (oldest > 0)
            .then(|| PageCursor { time: time(i64::try_from(oldest).expect("small")), monitor: id(HOSTILE) }),
    }
}

fn incident(name: &str, end: IncidentEnd) -> Incident {
    Incident {
        id: IncidentId::of(id(name), time(0)),
        monitor: id(name),
        opened: time(0),
        confirmed: time(60),
        end,
        failure: Failure::Connect,
        message: "refused".into(),
        acknowledged: None,
    }
}

/// Answers like a core with two monitors.
struct Fixed;

#[async_trait]
impl Answers for Fixed {
    async fn answer(&self, request: Request) -> Result<Answer, AnswerError> {
        Ok(match request {
            Request::Status { .. } => Answer::Status(Status {
                revision: 1,
                live: true,
                monitors: vec![monitor("router", State::Up), monitor(HOSTILE, State::Down)],
                ..Status::default()
            }),
            Request::History { monitor: Some(name), .. } if name == "none" => {
                let former = FormerStore {
                    backend: "postgres".into(),
                    contact: "postgres:db\u{7}1".into(),
                    from: None,
                    to: Some(time(0)),
                    backlog_rows: 0,
                    readable: false,
                    fault: None,
                };
                let source = Source { kept: vec![former], ..source(false) };
                Answer::History(HistoryPage { source, monitors: vec![], results: vec![], next: None })
            }
            Request::History { limit, after, .. } => Answer::History(history(limit.min(MAX_PAGE), after)),
            Request::Uptime { span, .. } => {
                let uptime = |monitor, down_us| Uptime {
                    monitor,
                    window: span,
                    up_us: span.us() / 2 - down_us,
                    degraded_us: 0,
                    down_us,
                };
                Answer::Uptime(UptimeList {
                    source: source(true),
                    monitors: vec![name("router"), name(HOSTILE)],
                    uptimes: vec![uptime(id("router"), 0), uptime(id(HOSTILE), 600_000_000)],
                })
            }
            Request::Incidents { .. } => Answer::Incidents(IncidentList {
                source: source(true),
                monitors: vec![name("router"), name(HOSTILE)],
                incidents: vec![
                    incident(HOSTILE, IncidentEnd::Recovered(time(250))),
                    incident("router", IncidentEnd::Unknown(time(60))),
                ],
                more: false,
            }),
            Request::Pause { monitors, until } => {
                assert!(until.is_some());
                Answer::Done { monitors }
            }
            Request::CheckNow { monitors } => {
                let name = monitors.first().cloned().unwrap_or_default();
                return Err(AnswerError::UnknownMonitor { name, nearest: Some("router".into()) });
            }
            _ => return Err(AnswerError::NotRunning),
        })
    }
}

/// Runs the command against the fixed answers.
async fn told(args: &[&str]) -> Said {
    let home = tempfile::tempdir().expect("home");
    let data: PathBuf = home.path().join(".local/share/hallmonitor");
    std::fs::create_dir_all(&data).expect("makes");
    let listener = Listener::bind(&data).await.expect("binds");
    let serving = tokio::spawn(listener.serve(Arc::new(Fixed), std::future::pending()));
    let args: Vec<String> = args.iter().map(|arg| (*arg).to_owned()).collect();
    let folder = home.path().to_owned();
    let said = tokio::task::spawn_blocking(move || run_args(&folder, &args)).await.expect("joins");
    serving.abort();
    assert!(
        !said.out.chars().any(|c| (c.is_control() && c != '\n') || c == '\u{202e}' && !said.out.starts_with('{')),
        "{:?}",
        said.out
    );
    said
}

fn run_args(home: &Path, args: &[String]) -> Said {
    run_in(home, &args.iter().map(String::as_str).collect::<Vec<_>>())
}

#[tokio::test]
async fn status_puts_what_is_down_first_and_exits_with_1() {
    let said = told(&["status"]).await;
    assert_eq!(said.code, Some(1), "{}", said.err);
    let lines: Vec<_> = said.out.lines().collect();
    assert_eq!(lines[0], "1 of 2 down · nas [2J");
    assert!(lines[2].starts_with("✕ down  nas [2J  tcp  10.0.0.2:22  1.2 ms  for "), "{}", said.out);
    assert!(lines[2].ends_with(" · connect: refused"), "{}", said.out);
    assert!(lines[3].starts_with("● up    router   tcp"), "{}", said.out);
    let one = told(&["status", "router"]).await;
    assert_eq!((one.code, one.out.lines().next()), (Some(0), Some("The monitor is up.")));
    let unknown = told(&["status", "ruter"]).await;
    assert_eq!(unknown.code, Some(1));
    assert!(unknown.err.contains("did you mean `router`"), "{}", unknown.err);
}

#[tokio::test]
async fn status_json_has_the_promised_fields() {
    let lines = json_lines(&told(&["status", "--json"]).await.out);
    assert_eq!(lines.len(), 2);
    let line = lines[1].as_object().expect("an object");
    let fields = [
        "monitor_id",
        "monitor",
        "group",
        "kind",
        "target",
        "live",
        "state",
        "since",
        "verdict",
        "failure",
        "message",
        "interval_us",
        "last_check",
        "duration_us",
        "next_check",
        "stale",
        "paused_until",
        "incident_id",
        "recent",
    ];
    assert_eq!(line.len(), fields.len(), "{line:?}");
    assert!(fields.iter().all(|field| line.contains_key(*field)), "{line:?}");
    assert_eq!((&line["monitor"], &line["state"]), (&HOSTILE.into(), &"down".into()));
    assert_eq!(line["last_check"], "2023-11-14T22:13:20.000000Z");
}

#[tokio::test]
async fn history_goes_through_all_pages_newest_first() {
    let said = told(&["history", "--all", "--since", "2023-11-01", "--json"]).await;
    assert_eq!(said.code, Some(0), "{}", said.err);
    let lines = json_lines(&said.out);
    assert_eq!(lines.len(), RESULTS);
    assert!(lines.windows(2).all(|pair| pair[0]["time"].as_str() > pair[1]["time"].as_str()));
    let limited = told(&["history", "--all", "--since", "2023-11-01", "--limit", "5001"]).await;
    assert_eq!(limited.out.lines().count(), 5_001);
    let newest = limited.out.lines().next().expect("a line");
    assert_eq!(newest, "2023-11-15 01:00:02.000  ● up            nas [2J      42 ms");
    let second = limited.out.lines().nth(1).expect("a line");
    assert!(second.ends_with("✕ down          nas [2J      42 ms  timeout"), "{second}");
    let nothing = told(&["history", "none"]).await;
    assert_eq!(nothing.code, Some(0));
    assert!(nothing.out.starts_with("No checks from "), "{}", nothing.out);
    assert!(nothing.err.contains("keeps no history"), "{}", nothing.err);
    let elsewhere = "note: history was kept on postgres:db 1 until 2023-11-14 22:13:20, which cannot be read now";
    assert!(nothing.err.contains(elsewhere), "{}", nothing.err);
    assert_eq!(told(&["history", "--all", "--until", "48h"]).await.code, Some(2));
}

#[tokio::test]
async fn uptime_says_its_window_and_what_was_observed() {
    let said = told(&["uptime", "--window", "7d"]).await;
    assert_eq!(said.code, Some(0), "{}", said.err);
    let lines: Vec<_> = said.out.lines().collect();
    assert_eq!(
        lines,
        ["router     100 %  7 d  50.00 % observed", "nas [2J  99.80 %  7 d  50.00 % observed  down for 10 min"]
    );
    let json = json_lines(&told(&["uptime", "--json"]).await.out);
    assert_eq!((&json[0]["uptime"], &json[0]["coverage"]), (&1.0.into(), &0.5.into()));
    for field in ["from", "to", "observed_us", "up_us", "degraded_us", "down_us"] {
        assert_ne!(json[1][field], Value::Null, "{field}");
    }
}

#[tokio::test]
async fn incidents_say_how_long_and_why() {
    let said = told(&["incidents", "--since", "2023-11-01"]).await;
    assert_eq!(said.code, Some(0), "{}", said.err);
    let lines: Vec<_> = said.out.lines().collect();
    assert_eq!(
        lines,
        [
            "2023-11-14 22:13:20  ● lasted 4 min 10 s             nas [2J  connect: refused",
            "2023-11-14 22:13:20  ◌ at least 1 min, end not seen  router   connect: refused"
        ]
    );
    let json = json_lines(&told(&["incidents", "--json"]).await.out);
    assert_eq!((&json[0]["end"], &json[1]["end"]), (&"recovered".into(), &"unknown".into()));
    assert_eq!(json[0]["duration_us"], 250_000_000);
    assert_eq!(json[0]["ended"], "2023-11-14T22:17:30.000000Z");
}

#[tokio::test]
async fn steering_says_what_it_did() {
    let said = told(&["pause", "router", "nas", "--for", "1h"]).await;
    assert_eq!((said.code, said.out.as_str()), (Some(0), "Paused router, nas.\n"), "{}", said.err);
    let said = told(&["check-now", "ruter"]).await;
    assert_eq!(said.code, Some(1));
    assert!(said.err.contains("did you mean `router`"), "{}", said.err);
    assert_eq!(told(&["resume", "--all"]).await.code, Some(3));
}

#[tokio::test]
async fn somebody_who_answers_nonsense_is_no_answer() {
    let home = tempfile::tempdir().expect("home");
    let data = home.path().join(".local/share/hallmonitor");
    std::fs::create_dir_all(&data).expect("makes");
    let listener = std::os::unix::net::UnixListener::bind(data.join(hallmonitor::control::SOCKET_NAME)).expect("binds");
    let nonsense = std::thread::spawn(move || {
        use std::io::{BufRead as _, BufReader, Write as _};
        let (stream, _) = listener.accept().expect("accepts");
        let mut line = String::new();
        BufReader::new(&stream).read_line(&mut line).expect("reads");
        (&stream).write_all(b"{\"ok\":{\"answer\":\"dance\"}}\n").expect("writes");
    });
    let said = run_in(home.path(), &["status"]);
    nonsense.join().expect("joins");
    assert_eq!(said.code, Some(3));
    assert!(said.err.contains("restart it with this version"), "{}", said.err);
}

#[test]
fn a_span_of_no_time_is_refused() {
    let home = tempfile::tempdir().expect("home");
    assert_eq!(run_in(home.path(), &["uptime", "--window", "0s"]).code, Some(2));
}
