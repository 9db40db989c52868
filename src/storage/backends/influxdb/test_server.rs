//! A real InfluxDB for tests: a process of its own on a free port, set up with an organisation, its folder gone with it.
//!
//! The program is the one that `cargo xtask setup` builds into the user's cache. `HALLMONITOR_TEST_INFLUX_URL` names a
//! server that is used instead, with `HALLMONITOR_TEST_INFLUX_TOKEN` (every right) and, unless it is `hallmonitor`,
//! `HALLMONITOR_TEST_INFLUX_ORG`.

#![allow(clippy::expect_used, clippy::panic, reason = "a test without its server stops")]
#![allow(clippy::disallowed_methods, reason = "the environment of a test is its own")]

use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};
use tokio::sync::OnceCell;
use uuid::Uuid;

use super::settings::InfluxDb;

const URL: &str = "HALLMONITOR_TEST_INFLUX_URL";
const URL_TOKEN: &str = "HALLMONITOR_TEST_INFLUX_TOKEN";
const URL_ORG: &str = "HALLMONITOR_TEST_INFLUX_ORG";
/// Where the version of the program stands.
const MODULE: &str = include_str!("../../../../tests/servers/influxd/go.mod");
/// The organisation of the tests: a name that must be escaped wherever it goes.
pub const ORG: &str = "a test's & 100% \"org\"?";
/// The token that may do everything.
pub const TOKEN: &str = "token-that-may-do-everything==";
/// Longest wait for a server to begin, in steps of 50 ms.
const STEPS: u32 = 1_200;

/// What ends the server when this process has ended, however it ended: it reads until nobody can write any more.
const WATCH: &str = "cat >/dev/null; pid=$(cat \"$1/pid\" 2>/dev/null); if [ -n \"$pid\" ]; then kill -CONT \"$pid\"; \
     kill -KILL \"$pid\"; fi 2>/dev/null; sleep 0.1; rm -rf \"$1\"";

/// What a server is to be.
#[derive(Debug, Clone, Default)]
pub struct Wanted {
    /// More arguments.
    pub arguments: Vec<String>,
    /// Certificate chain and key, in PEM.
    pub tls: Option<(String, String)>,
    /// A folder for what it keeps, besides its own.
    pub engine: Option<PathBuf>,
}

/// A server of a test's own.
#[derive(Debug)]
pub struct TestServer {
    folder: PathBuf,
    port: u16,
    arguments: Vec<String>,
    scheme: &'static str,
    /// The organisation's id.
    org: String,
    server: Mutex<Option<Child>>,
    watcher: Child,
}

/// The program, where it was built.
#[must_use]
pub fn program() -> Option<PathBuf> {
    let (_, required) = MODULE.split_once("\tgithub.com/influxdata/influxdb/v2 v")?;
    let required = required.split_whitespace().next()?;
    let base = std::env::var_os("XDG_CACHE_HOME").filter(|base| !base.is_empty()).map(PathBuf::from);
    let base = base.or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".cache")))?;
    let program = base.join("hallmonitor/tools").join(format!("influxd-{required}"));
    program.is_file().then_some(program)
}

fn watch(folder: &Path) -> Child {
    let mut command = Command::new("sh");
    command.args(["-c", WATCH, "sh"]).arg(folder).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
    // Keys of the terminal are not for it.
    #[cfg(unix)]
    std::os::unix::process::CommandExt::process_group(&mut command, 0);
    command.spawn().expect("a shell")
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a port").port()
}

/// A client that takes any certificate.
fn trusting() -> reqwest::Client {
    let builder = reqwest::Client::builder().danger_accept_invalid_certs(true).no_proxy();
    builder.timeout(Duration::from_secs(60)).build().expect("a client")
}

impl TestServer {
    /// Starts one; none where the program was not built.
    pub async fn start(wanted: &Wanted) -> Option<Self> {
        program()?;
        let folder = std::env::temp_dir().join(format!("hallmonitor-influxdb-{}", Uuid::new_v4().simple()));
        fs::create_dir(&folder).expect("a folder");
        let engine = wanted.engine.clone().unwrap_or_else(|| folder.join("engine"));
        let mut arguments = vec![format!("--engine-path={}", engine.display())];
        for (flag, file) in [("bolt-path", "bolt"), ("sqlite-path", "sqlite")] {
            arguments.push(format!("--{flag}={}", folder.join(file).display()));
        }
        let mut scheme = "http";
        if let Some((certificate, key)) = &wanted.tls {
            scheme = "https";
            for (flag, text) in [("tls-cert", certificate), ("tls-key", key)] {
                let file = folder.join(flag);
                fs::write(&file, text).expect("writes");
                arguments.push(format!("--{flag}={}", file.display()));
            }
        }
        arguments.extend(wanted.arguments.iter().cloned());
        let watcher = watch(&folder);
        let mut server = Self {
            folder,
            port: free_port(),
            arguments,
            scheme,
            org: String::new(),
            server: Mutex::new(None),
            watcher,
        };
        server.run().await;
        let first =
            json!({"username": "admin", "password": "password1", "org": ORG, "bucket": "first", "token": TOKEN});
        let (status, answer) = server.ask(Method::POST, "/api/v2/setup", None, Some(first)).await;
        assert_eq!(status, 201, "{answer}");
        server.org = answer["org"]["id"].as_str().expect("an id").to_owned();
        Some(server)
    }

    /// Starts the server again after [`TestServer::kill`], and waits until it answers.
    ///
    /// # Panics
    /// It does not start.
    pub async fn run(&self) {
        let log = fs::File::create(self.folder.join("log")).expect("a log");
        let child = Command::new(program().expect("was there before"))
            .arg("run")
            .arg(format!("--http-bind-address=127.0.0.1:{}", self.port))
            .args(["--reporting-disabled", "--log-level=warn"])
            .args(&self.arguments)
            // It keeps notes in the home folder otherwise.
            .env("HOME", &self.folder)
            .current_dir(&self.folder)
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a log"))
            .stderr(log)
            .spawn()
            .expect("starts");
        fs::write(self.folder.join("pid"), child.id().to_string()).expect("writes");
        *self.child() = Some(child);
        for _ in 0..STEPS {
            if self.answers().await {
                return;
            }
            let ended = self.child().as_mut().is_some_and(|child| child.try_wait().is_ok_and(|ended| ended.is_some()));
            assert!(!ended, "the server ended: {}", self.log());
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("the server does not answer: {}", self.log());
    }

    fn child(&self) -> MutexGuard<'_, Option<Child>> {
        self.server.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What the server said.
    #[must_use]
    pub fn log(&self) -> String {
        fs::read_to_string(self.folder.join("log")).unwrap_or_default()
    }

    /// Its port on loopback.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Its address.
    #[must_use]
    pub fn url(&self) -> String {
        format!("{}://127.0.0.1:{}", self.scheme, self.port)
    }

    /// The number of its process.
    ///
    /// # Panics
    /// It does not run.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child().as_ref().map(Child::id).expect("it runs")
    }

    /// The folder of its rows.
    #[must_use]
    pub fn engine(&self) -> PathBuf {
        self.folder.join("engine")
    }

    /// Sends it a signal, by the name `kill` knows.
    ///
    /// # Panics
    /// It does not run.
    pub fn signal(&self, signal: &str) {
        let sent = Command::new("kill").arg(format!("-{signal}")).arg(self.pid().to_string()).status();
        assert!(sent.is_ok_and(|sent| sent.success()), "kill -{signal}");
        let is_stopped = || {
            let told = fs::read_to_string(format!("/proc/{}/stat", self.pid())).unwrap_or_default();
            told.rsplit_once(") ").is_none_or(|(_, rest)| rest.starts_with('T'))
        };
        for _ in 0..STEPS {
            if signal != "STOP" || is_stopped() {
                break;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Whether it answers.
    pub async fn answers(&self) -> bool {
        let asked = trusting().get(format!("{}/health", self.url())).timeout(Duration::from_secs(2)).send().await;
        asked.is_ok_and(|answer| answer.status().is_success())
    }

    /// Kills it as a failing machine does: nothing is finished, nobody is told.
    ///
    /// # Panics
    /// It does not end.
    pub fn kill(&self) {
        self.signal("KILL");
        self.child().take().expect("it runs").wait().expect("ends");
    }

    /// Asks its API; gives status and answer.
    ///
    /// # Panics
    /// It does not answer.
    pub async fn ask(
        &self,
        method: Method,
        place: &str,
        query: Option<&[(&str, &str)]>,
        body: Option<Value>,
    ) -> (u16, Value) {
        let request = trusting().request(method, format!("{}{place}", self.url()));
        let mut request = request.header("Authorization", format!("Token {TOKEN}")).query(query.unwrap_or_default());
        if let Some(body) = body {
            request = request.json(&body);
        }
        let answer = request.send().await.expect("the server answers");
        let status = answer.status().as_u16();
        let text = answer.text().await.expect("all of it");
        (status, serde_json::from_str(&text).unwrap_or(Value::String(text)))
    }

    /// Writes a line as it stands; gives status and answer.
    ///
    /// # Panics
    /// It does not answer.
    pub async fn write(&self, query: &[(&str, &str)], line: &'static str) -> (u16, String) {
        let request = trusting().post(format!("{}/api/v2/write", self.url())).query(query).body(line);
        let answer = request.header("Authorization", format!("Token {TOKEN}")).send().await;
        let answer = answer.expect("the server answers");
        (answer.status().as_u16(), answer.text().await.expect("all of it"))
    }

    /// Asks a query; gives the text of the answer.
    ///
    /// # Panics
    /// It is refused.
    pub async fn query(&self, flux: &str) -> String {
        let (status, answer) =
            self.ask(Method::POST, "/api/v2/query", Some(&[("org", ORG)]), Some(json!({ "query": flux }))).await;
        assert_eq!(status, 200, "{answer}");
        answer.as_str().unwrap_or_default().to_owned()
    }

    /// Settings of a store in a bucket of this name, with every right.
    #[must_use]
    pub fn settings(&self, bucket: &str) -> InfluxDb {
        InfluxDb {
            url: self.url(),
            token: TOKEN.into(),
            org: ORG.to_owned(),
            bucket: bucket.to_owned(),
            ..InfluxDb::default()
        }
    }

    /// Makes a bucket, which keeps for so many seconds, or for ever with 0; gives its id.
    ///
    /// # Panics
    /// It is refused.
    pub async fn bucket(&self, name: &str, seconds: u64) -> String {
        let rules = json!([{"type": "expire", "everySeconds": seconds}]);
        let wanted = json!({"orgID": self.org, "name": name, "retentionRules": rules});
        let (status, answer) = self.ask(Method::POST, "/api/v2/buckets", None, Some(wanted)).await;
        assert_eq!(status, 201, "{answer}");
        answer["id"].as_str().expect("an id").to_owned()
    }

    /// A bucket as the server tells it.
    ///
    /// # Panics
    /// There is none.
    pub async fn bucket_of_name(&self, name: &str) -> Value {
        let (_, answer) = self.ask(Method::GET, "/api/v2/buckets", Some(&[("name", name)]), None).await;
        let found = answer["buckets"].as_array().and_then(|all| all.iter().find(|one| one["name"] == name)).cloned();
        found.unwrap_or_else(|| panic!("no bucket {name}: {answer}"))
    }

    /// A token that may do these things with these buckets: `read` or `write`, and an id.
    ///
    /// # Panics
    /// It is refused.
    pub async fn token(&self, rights: &[(&str, &str)]) -> Token {
        let permission = |(action, id): &(&str, &str)| json!({"action": action, "resource": {"type": "buckets", "id": id, "orgID": self.org}});
        let permissions: Vec<Value> = rights.iter().map(permission).collect();
        let wanted = json!({"orgID": self.org, "permissions": permissions});
        let (status, answer) = self.ask(Method::POST, "/api/v2/authorizations", None, Some(wanted)).await;
        assert_eq!(status, 201, "{answer}");
        let text = |key: &str| answer[key].as_str().expect("is there").to_owned();
        Token { id: text("id"), token: text("token") }
    }

    /// Lets a token pass, or not.
    ///
    /// # Panics
    /// It is refused.
    pub async fn activate(&self, token: &Token, active: bool) {
        let status = if active { "active" } else { "inactive" };
        let place = format!("/api/v2/authorizations/{}", token.id);
        let (code, answer) = self.ask(Method::PATCH, &place, None, Some(json!({ "status": status }))).await;
        assert_eq!(code, 200, "{answer}");
    }
}

/// A token that a test has made.
#[derive(Debug)]
pub struct Token {
    id: String,
    /// What is sent.
    pub token: String,
}

impl Drop for TestServer {
    fn drop(&mut self) {
        drop(self.watcher.stdin.take());
        if let Some(mut child) = self.child().take() {
            let _ = child.wait();
        }
        let _ = self.watcher.wait();
    }
}

/// The server that all tests of this process share; none where the program was not built.
pub async fn shared() -> Option<&'static TestServer> {
    static SHARED: OnceCell<Option<TestServer>> = OnceCell::const_new();
    SHARED.get_or_init(|| async { TestServer::start(&Wanted::default()).await }).await.as_ref()
}

/// Settings of a store that belongs to a folder.
pub(super) async fn instance(folder: &Path) -> Option<InfluxDb> {
    let name = format!("t_{}", Uuid::new_v5(&Uuid::NAMESPACE_URL, folder.as_os_str().as_encoded_bytes()).simple());
    match std::env::var(URL) {
        Ok(url) => Some(InfluxDb {
            url,
            token: std::env::var(URL_TOKEN).expect("HALLMONITOR_TEST_INFLUX_TOKEN is set").into(),
            org: std::env::var(URL_ORG).unwrap_or_else(|_| "hallmonitor".to_owned()),
            bucket: name,
            ..InfluxDb::default()
        }),
        Err(_) => Some(shared().await?.settings(&name)),
    }
}
