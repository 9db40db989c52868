//! A session of a person with a bus and a keychain of its own: nothing of the machine's own session is touched.
#![allow(unreachable_pub, reason = "tests take it in as a module")]
#![allow(dead_code, reason = "each test takes what it needs")]

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::thread::sleep;
use std::time::Duration;

/// The login password of the person.
pub const PASSWORD: &str = "login password";

/// A bus on which nothing starts by itself.
const BUS: &str = r#"<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>session</type>
  <listen>unix:dir=FOLDER</listen>
  <policy context="default">
    <allow send_destination="*" eavesdrop="true"/>
    <allow eavesdrop="true"/>
    <allow own="*"/>
  </policy>
</busconfig>
"#;

pub struct Session {
    folder: tempfile::TempDir,
    address: Option<String>,
    bus: Option<Child>,
    keychain: Option<Child>,
}

pub struct Said {
    pub code: Option<i32>,
    pub out: String,
    pub err: String,
}

impl Said {
    pub fn of(output: &Output) -> Self {
        Self {
            code: output.status.code(),
            out: String::from_utf8_lossy(&output.stdout).into_owned(),
            err: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    #[track_caller]
    pub fn expect(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "{}\n{}", self.out, self.err);
        self
    }

    pub fn json(&self) -> Vec<serde_json::Value> {
        self.out.lines().map(|line| serde_json::from_str(line).expect("a line of JSON")).collect()
    }
}

pub fn until<T>(what: &str, mut check: impl FnMut() -> Option<T>) -> T {
    for _ in 0..1_200 {
        if let Some(found) = check() {
            return found;
        }
        sleep(Duration::from_millis(50));
    }
    panic!("not within a minute: {what}");
}

impl Session {
    /// A session without a bus.
    pub fn without_bus() -> Self {
        let folder = tempfile::tempdir().expect("folder");
        for name in ["home", "run", "data", "bus"] {
            fs::create_dir(folder.path().join(name)).expect("made");
        }
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            fs::set_permissions(folder.path().join("run"), fs::Permissions::from_mode(0o700)).expect("set");
        }
        Self { folder, address: None, bus: None, keychain: None }
    }

    /// A session with a bus, and nobody on it.
    pub fn with_bus() -> Self {
        let mut session = Self::without_bus();
        let config = session.path("bus.conf");
        let text = BUS.replace("FOLDER", &session.path("bus").display().to_string());
        fs::write(&config, text).expect("written");
        let mut bus = Command::new("dbus-daemon")
            .arg(format!("--config-file={}", config.display()))
            .args(["--nofork", "--print-address=1"])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("dbus-daemon starts: Debian's package is dbus");
        let mut address = String::new();
        BufReader::new(bus.stdout.take().expect("piped")).read_line(&mut address).expect("an address");
        session.address = Some(address.trim().to_owned());
        session.bus = Some(bus);
        session
    }

    /// A session whose keychain is unlocked, as after signing in.
    pub fn unlocked() -> Self {
        let mut session = Self::with_bus();
        session.start_keyring(Some(PASSWORD));
        session
    }

    /// A session whose keychain is there and locked, without a display for its question.
    pub fn locked() -> Self {
        let mut session = Self::unlocked();
        session.end_keychain();
        session.start_keyring(None);
        session
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Where the command keeps its data.
    pub fn data(&self) -> PathBuf {
        self.path("data/hallmonitor")
    }

    /// A program with the environment of this session.
    pub fn program(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default()).env("TZ", "UTC");
        command.env("HOME", self.path("home")).env("XDG_RUNTIME_DIR", self.path("run"));
        command.env("XDG_DATA_HOME", self.path("data")).env("XDG_CONFIG_HOME", self.path("home/config"));
        command.current_dir(self.path("home")).stdin(Stdio::null());
        if let Some(address) = &self.address {
            command.env("DBUS_SESSION_BUS_ADDRESS", address);
        }
        command
    }

    /// One test of this binary in a process of this session.
    pub fn run_test(&self, name: &str, vars: &[(&str, &str)]) -> Said {
        let own = std::env::current_exe().expect("known");
        let mut command = self.program(own.to_str().expect("text"));
        Said::of(&command.args([name, "--nocapture"]).envs(vars.iter().copied()).output().expect("runs"))
    }

    /// The command, as a person runs it.
    pub fn hallmonitor(&self, args: &[&str]) -> Command {
        let mut command = self.program(env!("CARGO_BIN_EXE_hallmonitor"));
        command.args(args);
        command
    }

    pub fn run(&self, args: &[&str]) -> Said {
        Said::of(&self.hallmonitor(args).output().expect("runs"))
    }

    /// The command with text on its standard input, and variables.
    pub fn run_with(&self, args: &[&str], input: &str, vars: &[(&str, &str)]) -> Said {
        let mut command = self.hallmonitor(args);
        command.envs(vars.iter().copied());
        let mut child =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("starts");
        // One that refuses at once reads nothing.
        let _ = child.stdin.take().expect("piped").write_all(input.as_bytes());
        Said::of(&child.wait_with_output().expect("ends"))
    }

    pub fn set(&self, name: &str, secret: &str) -> Said {
        self.run_with(&["secrets", "set", name], secret, &[])
    }

    pub fn write_config(&self, text: &str) -> String {
        let path = self.path("config.yml");
        fs::write(&path, text).expect("written");
        path.display().to_string()
    }

    /// Starts GNOME Keyring; with a password it makes and unlocks the person's keyring.
    pub fn start_keyring(&mut self, password: Option<&str>) {
        let mut command = self.program("gnome-keyring-daemon");
        command.args(["--foreground", "--components=secrets"]).stdout(Stdio::null()).stderr(Stdio::null());
        if password.is_some() {
            command.arg("--unlock").stdin(Stdio::piped());
        }
        let mut child = command.spawn().expect("gnome-keyring-daemon starts: Debian's package is gnome-keyring");
        if let Some(password) = password {
            child.stdin.take().expect("piped").write_all(password.as_bytes()).expect("takes a password");
        }
        self.keychain = Some(child);
        self.wait_for_service();
    }

    /// Unlocks the keyring that runs, as a person does who comes back.
    pub fn unlock(&self) {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/support_keychain/unlock.py");
        let mut command = self.program("/usr/bin/python3");
        let mut child = command.arg(script).stdin(Stdio::piped()).spawn().expect("starts");
        child.stdin.take().expect("piped").write_all(PASSWORD.as_bytes()).expect("takes a password");
        assert!(child.wait().expect("ends").success());
    }

    /// Starts a Secret Service of the tests: `hangs`, `refuses`, or `asks` with how that goes on.
    pub fn start_service(&mut self, manner: &str) {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/support_keychain/service.py");
        let said = fs::File::create(self.path("service.log")).expect("made");
        let mut command = self.program("/usr/bin/python3");
        command.arg(script).args(manner.split(' ')).stdout(said);
        self.keychain = Some(command.spawn().expect("python3 starts"));
        self.wait_for_service();
    }

    /// What that service says of its question.
    pub fn service_said(&self) -> String {
        fs::read_to_string(self.path("service.log")).expect("there")
    }

    pub fn end_keychain(&mut self) {
        if let Some(mut child) = self.keychain.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    fn wait_for_service(&self) {
        until("there is a Secret Service", || {
            let asked = self
                .program("dbus-send")
                .args(["--session", "--print-reply", "--dest=org.freedesktop.DBus", "/org/freedesktop/DBus"])
                .args(["org.freedesktop.DBus.NameHasOwner", "string:org.freedesktop.secrets"])
                .output()
                .expect("dbus-send runs: Debian's package is dbus");
            String::from_utf8_lossy(&asked.stdout).contains("boolean true").then_some(())
        });
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.end_keychain();
        if let Some(mut bus) = self.bus.take() {
            let _ = bus.kill();
            let _ = bus.wait();
        }
    }
}

/// Every file below a folder.
pub fn files_below(folder: &Path) -> Vec<PathBuf> {
    let (mut files, mut folders) = (Vec::new(), vec![folder.to_owned()]);
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).into_iter().flatten().flatten() {
            let kind = entry.file_type().expect("a kind");
            if kind.is_dir() {
                folders.push(entry.path());
            } else if kind.is_file() {
                files.push(entry.path());
            }
        }
    }
    files
}
