//! A throw-away PostgreSQL for tests, from the system's packages: on a free port of loopback, in a folder of its own,
//! ended and deleted with the process, also when that is killed.
//!
//! `HALLMONITOR_TEST_POSTGRES_URL` names a running server to use instead, as a user who may make databases.

#![allow(clippy::expect_used, reason = "a test fails by stopping")]

use std::fs;
use std::io::Write as _;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::str::FromStr as _;
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{AssertSqlSafe, ConnectOptions as _};
use uuid::Uuid;

use super::fault::state;
use super::schema::quoted;
use super::settings::Postgres;

/// Names a server that is used instead of one of our own.
pub const URL: &str = "HALLMONITOR_TEST_POSTGRES_URL";
/// Who owns the server.
const ADMIN: &str = "admin";
/// Who the tests are.
pub const USER: &str = "hallmonitor";
/// The password of both.
pub const PASSWORD: &str = "a test's pass'word \\ with \"all\" of it";
/// Longest wait for a server to begin or end, in steps of 50 ms.
const STEPS: u32 = 1_200;

/// What ends the server when this process has ended, however it ended: it reads until nobody can write any more.
const WATCH: &str = "cat >/dev/null; pid=$(head -n 1 \"$1/data/postmaster.pid\" 2>/dev/null); if [ -n \"$pid\" ]; then \
     kill -CONT \"$pid\"; kill -QUIT \"$pid\"; n=0; while kill -0 \"$pid\" && [ $n -lt 100 ]; do sleep 0.1; n=$((n+1)); \
     done; kill -KILL \"$pid\"; fi 2>/dev/null; rm -rf \"$1\"";

/// What a server is to be.
#[derive(Debug, Clone, Default)]
pub struct Wanted {
    /// Lines of its configuration.
    pub conf: Vec<String>,
    /// Certificate chain and key, in PEM.
    pub tls: Option<(String, String)>,
    /// Lines at the top of pg_hba.conf.
    pub hba: Vec<String>,
    /// An empty folder to live in; one of the system's temporary folder otherwise.
    pub folder: Option<PathBuf>,
}

/// A server of a test's own.
#[derive(Debug)]
pub struct TestServer {
    folder: PathBuf,
    port: u16,
    server: Mutex<Option<Child>>,
    watcher: Child,
}

/// The folder of the server's programs.
fn programs() -> Option<PathBuf> {
    let told = Command::new("pg_config").arg("--bindir").output().ok();
    let told = told.and_then(|output| String::from_utf8(output.stdout).ok()).map(|text| PathBuf::from(text.trim()));
    let mut found: Vec<PathBuf> = fs::read_dir("/usr/lib/postgresql")
        .map(|versions| versions.flatten().map(|version| version.path().join("bin")).collect())
        .unwrap_or_default();
    found.sort();
    found.extend(told);
    found.into_iter().rev().find(|folder| folder.join("initdb").is_file())
}

fn is_root() -> bool {
    #[cfg(unix)]
    return rustix::process::geteuid().is_root();
    #[cfg(not(unix))]
    false
}

/// A program of the server's, which refuses to run as root.
fn unprivileged(program: &Path) -> Command {
    if !is_root() {
        return Command::new(program);
    }
    let mut command = Command::new("setpriv");
    command.args(["--reuid", "nobody", "--regid", "nogroup", "--clear-groups"]).arg(program);
    command
}

fn run(command: &mut Command) {
    let output = command.stdin(Stdio::null()).output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
}

fn give_away(folder: &Path) {
    if is_root() {
        run(Command::new("chown").args(["-R", "nobody:nogroup"]).arg(folder));
    }
}

fn new_folder() -> PathBuf {
    let folder = std::env::temp_dir().join(format!("hallmonitor-postgres-{}", Uuid::new_v4().simple()));
    fs::create_dir(&folder).expect("a folder");
    folder
}

fn watch(folder: &Path) -> Child {
    let mut command = Command::new("sh");
    command.args(["-c", WATCH, "sh"]).arg(folder).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
    // Keys of the terminal are not for it.
    #[cfg(unix)]
    std::os::unix::process::CommandExt::process_group(&mut command, 0);
    command.spawn().expect("a shell")
}

/// A folder with an empty data folder, made once, of which others are copies.
fn template(programs: &Path) -> &'static Path {
    static TEMPLATE: OnceLock<(PathBuf, Child)> = OnceLock::new();
    let (folder, _watcher) = TEMPLATE.get_or_init(|| {
        let folder = new_folder();
        let watcher = watch(&folder);
        let password = folder.join("password");
        fs::write(&password, PASSWORD).expect("writes");
        give_away(&folder);
        run(unprivileged(&programs.join("initdb"))
            .arg("-D")
            .arg(folder.join("data"))
            .args(["-U", ADMIN, "--auth-local=trust", "--auth-host=scram-sha-256", "-E", "UTF8"])
            .args(["--no-locale", "--no-sync", "--pwfile"])
            .arg(&password)
            .current_dir(&folder));
        (folder, watcher)
    });
    folder
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a port").port()
}

fn pause() {
    std::thread::sleep(Duration::from_millis(50));
}

impl TestServer {
    /// Starts one; none where this machine has no PostgreSQL.
    #[must_use]
    pub fn start(wanted: &Wanted) -> Option<Self> {
        let programs = programs()?;
        let server = Self::place(wanted.folder.clone());
        run(Command::new("cp").arg("-R").arg(template(&programs).join("data")).arg(&server.folder));
        server.configure(wanted);
        server.run();
        Some(server)
    }

    fn place(folder: Option<PathBuf>) -> Self {
        let folder = folder.unwrap_or_else(new_folder);
        let watcher = watch(&folder);
        Self { folder, port: free_port(), server: Mutex::new(None), watcher }
    }

    fn configure(&self, wanted: &Wanted) {
        let data = self.folder.join("data");
        let mut conf = format!(
            "\nlisten_addresses = '127.0.0.1'\nport = {}\nunix_socket_directories = '{}'\nfsync = off\n\
             max_connections = 200\nshared_buffers = 32MB\nmax_wal_size = 256MB\nlogging_collector = off\n",
            self.port,
            self.folder.display()
        );
        if let Some((certificate, key)) = &wanted.tls {
            fs::write(self.folder.join("server.crt"), certificate).expect("writes");
            self.write_key(key);
            conf.push_str(&format!(
                "ssl = on\nssl_cert_file = '{0}/server.crt'\nssl_key_file = '{0}/server.key'\n",
                self.folder.display()
            ));
        }
        for line in &wanted.conf {
            conf.push_str(line);
            conf.push('\n');
        }
        let file = data.join("postgresql.conf");
        let before = fs::read_to_string(&file).expect("reads");
        fs::write(&file, before + &conf).expect("writes");
        let file = data.join("pg_hba.conf");
        let before = fs::read_to_string(&file).expect("reads");
        let mut lines = wanted.hba.join("\n");
        lines.push('\n');
        fs::write(&file, lines + &before).expect("writes");
        give_away(&self.folder);
    }

    fn write_key(&self, key: &str) {
        let mut options = fs::OpenOptions::new();
        options.write(true).create(true).truncate(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut file = options.open(self.folder.join("server.key")).expect("opens");
        file.write_all(key.as_bytes()).expect("writes");
    }

    /// Starts the server again after [`TestServer::kill`], and waits until it answers.
    ///
    /// # Panics
    /// It does not start.
    pub fn run(&self) {
        let programs = programs().expect("was there before");
        let log = fs::File::create(self.folder.join("log")).expect("a log");
        let child = unprivileged(&programs.join("postgres"))
            .arg("-D")
            .arg(self.folder.join("data"))
            .current_dir(&self.folder)
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a log"))
            .stderr(log)
            .spawn()
            .expect("starts");
        *self.child() = Some(child);
        let ready = programs.join("pg_isready");
        let asks = ["-q", "-h", "127.0.0.1", "-p", &self.port.to_string()].map(str::to_owned);
        for _ in 0..STEPS {
            if Command::new(&ready).args(&asks).status().is_ok_and(|status| status.success()) {
                return;
            }
            let ended = self.child().as_mut().is_some_and(|child| child.try_wait().is_ok_and(|ended| ended.is_some()));
            assert!(!ended, "the server ended: {}", self.log());
            pause();
        }
        panic!("the server does not answer: {}", self.log());
    }

    fn child(&self) -> std::sync::MutexGuard<'_, Option<Child>> {
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

    /// Its folder.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Its data folder.
    #[must_use]
    pub fn data(&self) -> PathBuf {
        self.folder.join("data")
    }

    /// Sends a signal to it and all its processes, by the name `kill` knows.
    ///
    /// # Panics
    /// It does not run.
    pub fn signal(&self, signal: &str) {
        let main = self.child().as_ref().map(Child::id).expect("it runs");
        let children = Command::new("pgrep").args(["-P", &main.to_string()]).output().expect("pgrep");
        let children = String::from_utf8_lossy(&children.stdout).into_owned();
        let all = std::iter::once(main.to_string()).chain(children.split_whitespace().map(str::to_owned));
        // One of them may have ended meanwhile.
        let _ = Command::new("kill").arg(format!("-{signal}")).args(all).stderr(Stdio::null()).status();
    }

    /// Kills it as a failing machine does: nothing is finished, nobody is told.
    ///
    /// # Panics
    /// It does not end.
    pub fn kill(&self) {
        self.signal("KILL");
        let mut child = self.child().take().expect("it runs");
        child.wait().expect("ends");
        let _ = fs::remove_file(self.folder.join("data/postmaster.pid"));
    }

    /// A standby that follows it, as a server of its own.
    ///
    /// # Panics
    /// It cannot be copied.
    #[must_use]
    pub fn standby(&self) -> Self {
        let programs = programs().expect("was there before");
        let standby = Self::place(None);
        give_away(&standby.folder);
        run(unprivileged(&programs.join("pg_basebackup"))
            .args(["-U", ADMIN, "-c", "fast", "-R", "-X", "stream", "-p", &self.port.to_string(), "-h"])
            .arg(&self.folder)
            .arg("-D")
            .arg(standby.data())
            .current_dir(&standby.folder));
        standby.configure(&Wanted { conf: vec!["hot_standby = on".to_owned()], ..Wanted::default() });
        standby.run();
        standby
    }

    /// Settings for a new, empty database of this name, owned by [`USER`].
    pub async fn database(&self, name: &str) -> Postgres {
        let settings = self.settings(name);
        let mut admin = self.admin("postgres").await;
        make_user(&mut admin).await;
        make_database(&mut admin, name, USER).await;
        settings
    }

    /// Settings for a database that is there.
    #[must_use]
    pub fn settings(&self, database: &str) -> Postgres {
        Postgres {
            host: "127.0.0.1".to_owned(),
            port: self.port,
            database: database.to_owned(),
            user: USER.to_owned(),
            password: PASSWORD.into(),
            ..Postgres::default()
        }
    }

    /// A connection with every right.
    ///
    /// # Panics
    /// The server does not take it.
    pub async fn admin(&self, database: &str) -> PgConnection {
        let options = PgConnectOptions::new_without_pgpass().socket(&self.folder).port(self.port);
        options.username(ADMIN).database(database).connect().await.expect("the administrator gets in")
    }

    /// Does what some statements say, as the administrator.
    ///
    /// # Panics
    /// The server refuses them.
    pub async fn execute(&self, database: &str, statements: &str) {
        let mut admin = self.admin(database).await;
        sqlx::raw_sql(AssertSqlSafe(statements)).execute(&mut admin).await.expect("statements of the administrator");
    }
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

fn is_one_of(error: &sqlx::Error, states: &[&str]) -> bool {
    state(error).is_some_and(|state| states.contains(&state.as_str()))
}

async fn make_user(admin: &mut PgConnection) {
    let literal = PASSWORD.replace('\'', "''");
    let make = format!("CREATE ROLE {} LOGIN PASSWORD '{literal}'", quoted(USER));
    match sqlx::raw_sql(AssertSqlSafe(make)).execute(admin).await {
        Ok(_) => {}
        // It is there, or another test makes it.
        Err(error) if is_one_of(&error, &["42710", "23505"]) => {}
        Err(error) => panic!("making a user: {error}"),
    }
}

async fn make_database(admin: &mut PgConnection, name: &str, owner: &str) {
    let make = format!(
        "CREATE DATABASE {} OWNER {} ENCODING 'UTF8' TEMPLATE template0 LC_COLLATE 'C' LC_CTYPE 'C'",
        quoted(name),
        quoted(owner)
    );
    match sqlx::raw_sql(AssertSqlSafe(make)).execute(admin).await {
        Ok(_) => {}
        Err(error) if is_one_of(&error, &["42P04", "23505"]) => {}
        Err(error) => panic!("making a database: {error}"),
    }
}

/// The server that all tests of this process share; none where this machine has no PostgreSQL.
pub fn shared() -> Option<&'static TestServer> {
    static SHARED: OnceLock<Option<TestServer>> = OnceLock::new();
    SHARED.get_or_init(|| TestServer::start(&Wanted::default())).as_ref()
}

/// Settings of a store that belongs to a folder.
pub(super) async fn instance(folder: &Path) -> Option<Postgres> {
    let name = format!("t_{}", Uuid::new_v5(&Uuid::NAMESPACE_URL, folder.as_os_str().as_encoded_bytes()).simple());
    let Some(url) = std::env::var_os(URL) else { return Some(shared()?.database(&name).await) };
    Some(database_at(url.to_str()?, &name).await)
}

/// Settings for a database of this name on a server that is there, made where there is none.
///
/// # Panics
/// The address is none, or the server does not take us.
pub async fn database_at(url: &str, name: &str) -> Postgres {
    let options = PgConnectOptions::from_str(url).expect("the address of a server: postgres://USER:PASSWORD@HOST/NAME");
    let mut admin = options.connect().await.expect("the server that is named by the environment takes us");
    make_database(&mut admin, name, options.get_username()).await;
    Postgres {
        host: options.get_host().to_owned(),
        port: options.get_port(),
        database: name.to_owned(),
        user: options.get_username().to_owned(),
        password: password_of(url).into(),
        ..Postgres::default()
    }
}

/// The driver does not tell the password again.
fn password_of(url: &str) -> String {
    let user_info = url.split_once("://").and_then(|(_, rest)| rest.rsplit_once('@')).map_or("", |(user, _)| user);
    user_info.split_once(':').map_or("", |(_, password)| password).to_owned()
}
