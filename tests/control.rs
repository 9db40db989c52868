//! The control socket with real sockets: who may ask, what comes back, and what rude clients can do (nothing).
#![cfg(unix)]
#![allow(clippy::expect_used, reason = "a test may stop at the first fault")]

use std::io::{Read as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use hallmonitor::control::{
    Answer, AnswerError, Answers, AskError, Holder, Listener, MonitorStatus, Request, SOCKET_NAME, ServeError, Status,
    ask,
};
use hallmonitor::model::{MonitorId, Span, State, UnixMicros};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// Answers a few questions: a holder, `size` monitors, and an unknown name for any history.
struct Fixed {
    size: usize,
}

#[async_trait]
impl Answers for Fixed {
    async fn answer(&self, request: Request) -> Result<Answer, AnswerError> {
        match request {
            Request::Version => Ok(Answer::Holder(Holder { version: "1".into(), pid: 7, since: UnixMicros::MIN })),
            Request::Status { newer_than: Some(_) } => Ok(Answer::Unchanged),
            Request::Status { newer_than: None } => {
                let monitors = (0..self.size).map(monitor).collect();
                Ok(Answer::Status(Status { revision: 3, live: true, monitors, ..Status::default() }))
            }
            Request::History { monitor, .. } => {
                Err(AnswerError::UnknownMonitor { name: monitor.unwrap_or_default(), nearest: Some("gateway".into()) })
            }
            _ => Err(AnswerError::NotRunning),
        }
    }
}

fn monitor(number: usize) -> MonitorStatus {
    MonitorStatus {
        id: MonitorId::ALL,
        name: format!("monitor-{number} \u{1b}[31m \"quoted\"").into(),
        group: "g".into(),
        kind: "http".into(),
        target: "http://127.0.0.1/".into(),
        interval_us: 10_000_000,
        state: State::Up,
        since: None,
        verdict: None,
        failure: None,
        message: "".into(),
        last_check: Some(UnixMicros::new(1_700_000_000_000_000)),
        duration_us: Some(1234),
        next_check: None,
        stale: false,
        paused_until: None,
        incident: None,
        recent: Vec::new(),
    }
}

struct Served {
    folder: tempfile::TempDir,
    stop: Option<oneshot::Sender<()>>,
    task: JoinHandle<()>,
}

impl Served {
    async fn start(size: usize) -> Self {
        Self::start_in(tempfile::tempdir().expect("folder"), size).await
    }

    async fn start_in(folder: tempfile::TempDir, size: usize) -> Self {
        let listener = Listener::bind(folder.path()).await.expect("binds");
        let (stop, stopped) = oneshot::channel::<()>();
        let task = tokio::spawn(listener.serve(Arc::new(Fixed { size }), async move {
            let _ = stopped.await;
        }));
        Self { folder, stop: Some(stop), task }
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    fn connect(&self) -> UnixStream {
        let stream = UnixStream::connect(self.path().join(SOCKET_NAME)).expect("connects");
        stream.set_read_timeout(Some(Duration::from_secs(20))).expect("sets");
        stream
    }

    async fn stop(mut self) -> tempfile::TempDir {
        self.stop.take().expect("runs").send(()).expect("listens");
        self.task.await.expect("ends");
        self.folder
    }
}

async fn version(folder: &Path) -> Result<Answer, AskError> {
    ask(folder, &Request::Version).await
}

#[tokio::test]
async fn questions_are_answered_and_errors_come_back_typed() {
    let served = Served::start(3).await;
    assert!(matches!(version(served.path()).await, Ok(Answer::Holder(Holder { pid: 7, .. }))));
    let Ok(Answer::Status(status)) = ask(served.path(), &Request::Status { newer_than: None }).await else {
        panic!("no status");
    };
    assert_eq!(status.monitors, (0..3).map(monitor).collect::<Vec<_>>());
    assert!(matches!(ask(served.path(), &Request::Status { newer_than: Some(3) }).await, Ok(Answer::Unchanged)));
    let span = Span::new(UnixMicros::MIN, UnixMicros::MAX);
    let request = Request::History { monitor: Some("gatway".into()), span, limit: 1, after: None };
    match ask(served.path(), &request).await {
        Err(AskError::Refused(error)) => {
            assert_eq!(error.to_string(), "no monitor is called `gatway`; did you mean `gateway`?");
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_large_answer_arrives_whole() {
    let served = Served::start(10_000).await;
    let Ok(Answer::Status(status)) = ask(served.path(), &Request::Status { newer_than: None }).await else {
        panic!("no status");
    };
    assert_eq!(status.monitors.len(), 10_000);
    assert_eq!(status.monitors[9_999], monitor(9_999));
}

#[tokio::test]
async fn nobody_there_is_told_apart() {
    let folder = tempfile::tempdir().expect("folder");
    assert!(matches!(version(folder.path()).await, Err(AskError::NobodyThere { .. })));
    let missing = folder.path().join("missing");
    assert!(matches!(version(&missing).await, Err(AskError::NobodyThere { .. })));
    // The socket of a process that is gone.
    drop(UnixListener::bind(folder.path().join(SOCKET_NAME)).expect("binds"));
    assert!(folder.path().join(SOCKET_NAME).exists());
    assert!(matches!(version(folder.path()).await, Err(AskError::NobodyThere { .. })));
}

#[tokio::test]
async fn only_the_owner_may_connect() {
    let served = Served::start(0).await;
    let socket = served.path().join(SOCKET_NAME);
    let mode = std::fs::metadata(&socket).expect("is there").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    // Even where the folder itself is open to all. Only root can try as somebody else.
    std::fs::set_permissions(served.path(), std::fs::Permissions::from_mode(0o755)).expect("opens");
    if runs_as_root() {
        use std::os::unix::process::CommandExt as _;
        let program =
            format!("import socket; socket.socket(socket.AF_UNIX).connect({:?})", socket.display().to_string());
        let output = tokio::task::spawn_blocking(move || {
            std::process::Command::new("python3")
                .args(["-c", &program])
                .current_dir("/")
                .uid(65_534)
                .gid(65_534)
                .output()
                .expect("python3 runs")
        })
        .await
        .expect("joins");
        assert!(!output.status.success());
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(said.contains("PermissionError"), "{said}");
    }
}

fn runs_as_root() -> bool {
    std::fs::metadata("/proc/self").is_ok_and(|own| std::os::unix::fs::MetadataExt::uid(&own) == 0)
}

#[tokio::test]
async fn a_dead_socket_is_replaced_and_a_living_one_is_not() {
    let folder = tempfile::tempdir().expect("folder");
    drop(UnixListener::bind(folder.path().join(SOCKET_NAME)).expect("binds"));
    let served = Served::start_in(folder, 0).await;
    assert!(version(served.path()).await.is_ok());
    assert!(matches!(Listener::bind(served.path()).await, Err(ServeError::Taken { .. })));
    assert!(version(served.path()).await.is_ok(), "the second bind must not harm the first");
    let folder = served.stop().await;
    assert!(!folder.path().join(SOCKET_NAME).exists(), "the socket file goes with its process");
}

#[tokio::test]
async fn a_path_that_is_too_long_is_said_so() {
    let folder = tempfile::tempdir().expect("folder");
    let long = folder.path().join("x".repeat(120));
    std::fs::create_dir(&long).expect("makes");
    let error = Listener::bind(&long).await.expect_err("too long");
    assert!(error.to_string().contains("--data-dir"), "{error}");
}

#[tokio::test]
async fn garbage_is_answered_and_the_connection_goes_on() {
    let served = Served::start(0).await;
    let mut client = served.connect();
    let said = tokio::task::spawn_blocking(move || {
        client.write_all(b"hello\n{\"ask\":\"no such\"}\n\xff\xfe\n[[[[\n{\"ask\":\"version\"}\n").expect("writes");
        let mut said = String::new();
        while said.matches('\n').count() < 5 {
            let mut buffer = [0; 4096];
            let read = client.read(&mut buffer).expect("reads");
            assert!(read > 0, "closed after {said}");
            said.push_str(std::str::from_utf8(&buffer[..read]).expect("is text"));
        }
        said
    })
    .await
    .expect("joins");
    let lines: Vec<_> = said.lines().collect();
    for line in &lines[..4] {
        assert!(line.contains("bad_request"), "{line}");
    }
    assert!(lines[4].contains("holder"), "{}", lines[4]);
}

#[tokio::test]
async fn a_huge_line_is_refused_without_being_kept() {
    let served = Served::start(0).await;
    let mut client = served.connect();
    let written = tokio::task::spawn_blocking(move || {
        let part = [b'a'; 64 * 1024];
        let mut written = 0;
        while written < 512 * 1024 * 1024 {
            match client.write(&part) {
                Ok(bytes) => written += bytes,
                Err(_) => break,
            }
        }
        written
    })
    .await
    .expect("joins");
    assert!(written < 4 * 1024 * 1024, "took {written} bytes of one line");
    assert!(version(served.path()).await.is_ok());
}

#[tokio::test]
async fn clients_that_never_read_or_never_ask_hold_up_nobody() {
    let served = Served::start(5_000).await;
    let mut rude = Vec::new();
    for number in 0..100 {
        let mut client = served.connect();
        if number % 2 == 0 {
            // Asks for megabytes and reads none of them.
            client.write_all(b"{\"ask\":\"status\"}\n").expect("writes");
        } else if number % 4 == 1 {
            client.write_all(b"{\"ask\":").expect("writes");
        }
        rude.push(client);
    }
    for _ in 0..20 {
        let answer = tokio::time::timeout(Duration::from_secs(9), version(served.path())).await;
        assert!(matches!(answer, Ok(Ok(Answer::Holder(_)))), "{answer:?}");
    }
    drop(rude);
}

#[tokio::test]
async fn a_hundred_polite_clients_all_get_their_answer() {
    let served = Served::start(50).await;
    let mut clients = tokio::task::JoinSet::new();
    for _ in 0..100 {
        let folder = served.path().to_owned();
        clients.spawn(async move {
            match ask(&folder, &Request::Status { newer_than: None }).await {
                Ok(Answer::Status(status)) => status.monitors.len(),
                other => panic!("{other:?}"),
            }
        });
    }
    let answers = clients.join_all().await;
    assert_eq!(answers, [50; 100]);
}

#[tokio::test]
async fn stopping_does_not_wait_for_rude_clients() {
    let served = Served::start(5_000).await;
    let mut client = served.connect();
    client.write_all(b"{\"ask\":\"status\"}\n").expect("writes");
    let idle = served.connect();
    let folder = tokio::time::timeout(Duration::from_secs(8), served.stop()).await.expect("stops");
    assert!(!folder.path().join(SOCKET_NAME).exists());
    drop((client, idle));
}

/// Works on every answer for longer than a sign of life takes, and tells whether somebody is at it.
struct Slow(Arc<()>);

#[async_trait]
impl Answers for Slow {
    async fn answer(&self, _: Request) -> Result<Answer, AnswerError> {
        let _at_it = Arc::clone(&self.0);
        tokio::time::sleep(Duration::from_secs(7)).await;
        Ok(Answer::Unchanged)
    }
}

#[tokio::test]
async fn an_answer_takes_as_long_as_it_needs_and_ends_with_its_client() {
    let folder = tempfile::tempdir().expect("folder");
    let listener = Listener::bind(folder.path()).await.expect("binds");
    let work = Arc::new(());
    let (stop, stopped) = oneshot::channel::<()>();
    let task = tokio::spawn(listener.serve(Arc::new(Slow(Arc::clone(&work))), async move {
        let _ = stopped.await;
    }));
    let path = folder.path().join(SOCKET_NAME);
    let impatient = path.clone();
    let heard = tokio::task::spawn_blocking(move || {
        let mut patient = UnixStream::connect(path).expect("connects");
        patient.set_read_timeout(Some(Duration::from_secs(20))).expect("sets");
        patient.write_all(b"{\"ask\":\"version\"}\n").expect("asks");
        let (mut line, mut byte) = (Vec::new(), [0]);
        while !line.ends_with(b"}\n") && !line.ends_with(b"\"\n") && patient.read(&mut byte).expect("reads") > 0 {
            line.push(byte[0]);
        }
        String::from_utf8(line).expect("text")
    });
    assert!(matches!(ask(folder.path(), &Request::VerifyStore).await, Ok(Answer::Unchanged)));
    let heard = heard.await.expect("heard");
    assert!(heard.starts_with('\n') && heard.contains("unchanged"), "a sign of life, then the answer: {heard:?}");
    let mut gone = UnixStream::connect(impatient).expect("connects");
    gone.write_all(b"{\"ask\":\"version\"}\n").expect("asks");
    let at_it = async |count| {
        for _ in 0..400 {
            if Arc::strong_count(&work) == count {
                return true;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        false
    };
    assert!(at_it(3).await, "somebody works on it");
    drop(gone);
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert!(at_it(2).await, "the work ends with who asked");
    stop.send(()).expect("listens");
    task.await.expect("ends");
}
