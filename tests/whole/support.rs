//! A running `hallmonitor` with a folder of its own, and a TCP server whose accepted connections are counted.

use std::fs;
use std::io::Read;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::sleep;
use std::time::Duration;

use serde_json::Value;

pub const PROGRAM: &str = env!("CARGO_BIN_EXE_hallmonitor");

/// Waits until a condition gives something; fails after a time in which it surely would have.
pub fn until<T>(what: &str, mut check: impl FnMut() -> Option<T>) -> T {
    for _ in 0..1_200 {
        if let Some(found) = check() {
            return found;
        }
        sleep(Duration::from_millis(50));
    }
    panic!("not within a minute: {what}");
}

/// A server that accepts and counts, until it is dropped.
pub struct Server {
    pub address: SocketAddr,
    accepted: Arc<AtomicUsize>,
}

impl Server {
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("bound");
        let address = listener.local_addr().expect("address");
        let accepted = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&accepted);
        std::thread::spawn(move || {
            while listener.accept().is_ok() {
                count.fetch_add(1, Ordering::Relaxed);
            }
        });
        Self { address, accepted }
    }

    pub fn accepted(&self) -> usize {
        self.accepted.load(Ordering::Relaxed)
    }
}

/// A configuration file and a data folder.
pub struct House {
    folder: tempfile::TempDir,
}

impl House {
    pub fn new() -> Self {
        Self { folder: tempfile::tempdir().expect("folder") }
    }

    /// In a folder of its own below `parent`.
    pub fn below(parent: &Path) -> Self {
        Self { folder: tempfile::tempdir_in(parent).expect("folder") }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn data(&self) -> PathBuf {
        self.path("data")
    }

    /// Writes the configuration: lines of one group's monitors.
    pub fn configure(&self, monitors: &[String]) {
        let mut text = "monitoring:\n  groups:\n    - name: all\n      monitors:\n".to_owned();
        for monitor in monitors {
            text += &format!("        - {monitor}\n");
        }
        self.write_config(&text);
    }

    /// Puts a new file in the place of the old one, as editors do.
    pub fn write_config(&self, text: &str) {
        fs::write(self.path("config.new"), text).expect("written");
        fs::rename(self.path("config.new"), self.path("config.yml")).expect("renamed");
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(PROGRAM);
        command.args(args).arg("--config").arg(self.path("config.yml")).arg("--data-dir").arg(self.data());
        command.env_remove("HALLMONITOR_CONFIG").env_remove("HALLMONITOR_DATA_DIR").stdin(Stdio::null());
        command
    }

    /// Runs a command to its end.
    pub fn ask(&self, args: &[&str]) -> Output {
        self.command(args).output().expect("runs")
    }

    /// Runs a command with `--json` and reads its lines.
    pub fn json(&self, args: &[&str]) -> Vec<Value> {
        let output = self.ask(&[args, &["--json"]].concat());
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        text.lines().map(|line| serde_json::from_str(line).expect("a line of JSON")).collect()
    }

    /// The status line of one monitor.
    pub fn status(&self, name: &str) -> Option<Value> {
        self.json(&["status"]).into_iter().find(|line| line["monitor"] == name)
    }

    /// Starts watching and waits until it can be asked.
    pub fn watch(&self) -> Watch<'_> {
        let log = fs::File::create(self.path("log")).expect("log made");
        let child = self
            .command(&["run", "--log-format", "text"])
            .stdout(log.try_clone().expect("log"))
            .stderr(log)
            .spawn()
            .expect("starts");
        let mut watch = Watch { house: self, child: Some(child) };
        until("somebody answers", || {
            let ended = watch.child.as_mut().and_then(|child| child.try_wait().expect("can be asked"));
            assert!(ended.is_none(), "it ended: {ended:?}\n{}", self.log());
            let own = self.json(&["status", "--own"]);
            own.first().is_some_and(|own| own["live"] == true).then_some(())
        });
        watch
    }

    pub fn log(&self) -> String {
        fs::read_to_string(self.path("log")).unwrap_or_default()
    }

    /// Files below the data folder whose name contains a word.
    pub fn files_with(&self, word: &str) -> Vec<PathBuf> {
        let mut found = Vec::new();
        let mut folders = vec![self.data()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(&folder).expect("folder").flatten() {
                let path = entry.path();
                if path.is_dir() {
                    folders.push(path);
                } else if path.file_name().is_some_and(|name| name.to_string_lossy().contains(word)) {
                    found.push(path);
                }
            }
        }
        found
    }
}

/// A `hallmonitor run`; killed when dropped.
pub struct Watch<'a> {
    house: &'a House,
    child: Option<Child>,
}

impl Watch<'_> {
    pub fn signal(&self, signal: &str) {
        let pid = self.child.as_ref().expect("runs").id().to_string();
        assert!(Command::new("kill").args([signal, &pid]).status().expect("kill runs").success());
    }

    /// Asks it to stop and waits; it must end well.
    pub fn stop(mut self) {
        self.signal("-TERM");
        let ended = self.child.take().expect("runs").wait().expect("ends");
        assert!(ended.success(), "{ended}\n{}", self.house.log());
    }

    /// Ends it without a word.
    pub fn kill(mut self) {
        self.signal("-KILL");
        self.child.take().expect("runs").wait().expect("ends");
    }
}

impl Drop for Watch<'_> {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// A line of a TCP monitor that is checked each second.
pub fn tcp(name: &str, address: SocketAddr) -> String {
    format!("{{name: {name}, type: tcp, target: \"{address}\", interval: 1s, timeout: 1s}}")
}

/// Flips bits in the middle of a file.
pub fn damage(path: &Path) {
    let mut bytes = Vec::new();
    fs::File::open(path).expect("opens").read_to_end(&mut bytes).expect("reads");
    let middle = bytes.len() / 2;
    for byte in &mut bytes[middle..(middle + 16).min(middle * 2)] {
        *byte ^= 0x5a;
    }
    fs::write(path, bytes).expect("written");
}
