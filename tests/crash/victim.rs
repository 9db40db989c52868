//! A process of this very program that is killed.

use std::io::{BufRead, BufReader, Lines, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::Duration;

use tempfile::TempDir;
use uuid::Uuid;

/// Longest time that anything may take.
pub(crate) const LONG: Duration = Duration::from_secs(60);
/// Rows that must be acknowledged before a child may be killed.
pub(crate) const LEAST: u64 = 1_000;

/// A folder in memory where there is one: what a killed process wrote is there as well, and a sync waits for no disk.
pub(crate) fn folder() -> TempDir {
    let memory = Path::new("/dev/shm");
    if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() }.expect("folder")
}

/// How often a process is killed.
pub(crate) fn rounds() -> u64 {
    if std::env::var_os("HM_SOAK").is_some() { 100 } else { 10 }
}

/// In a child: its folder, the number of its first row, and whether it does what is special of it. None where it is no child.
pub(crate) fn told() -> Option<(PathBuf, u64, bool)> {
    let dir = std::env::var_os("HM_CRASH_DIR")?;
    let first = std::env::var_os("HM_CRASH_FIRST").and_then(|n| n.into_string().ok()?.parse().ok()).expect("first");
    Some((dir.into(), first, std::env::var_os("HM_CRASH_SPECIAL").is_some()))
}

/// In a child: tells the parent something.
pub(crate) fn say(what: &str, number: u64) {
    writeln!(std::io::stdout(), "\n{what} {number}").expect("the parent listens");
}

/// The number in a line that tells `what`.
pub(crate) fn number_in(line: &str, what: &str) -> Option<u64> {
    line.strip_prefix(what)?.trim().parse().ok()
}

/// Number after the last row that the child said is durable.
pub(crate) fn acknowledged(line: &str) -> Option<u64> {
    number_in(line, "acknowledged ")
}

/// A number below `end` that nobody foresees.
pub(crate) fn chance(end: u64) -> u64 {
    u64::try_from(Uuid::new_v4().as_u128() % u128::from(end)).expect("small")
}

/// Kills and collects the child whatever happens.
pub(crate) struct Victim {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
    heard: Vec<String>,
}

impl Drop for Victim {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Victim {
    /// Starts the test `name` of this program as a child.
    pub(crate) fn start(name: &str, dir: &Path, first: u64, special: bool) -> Self {
        let mut command = Command::new(std::env::current_exe().expect("this program"));
        if special {
            command.env("HM_CRASH_SPECIAL", "1");
        }
        let mut child = command
            .args(["--exact", name, "--nocapture"])
            .env("HM_CRASH_DIR", dir)
            .env("HM_CRASH_FIRST", first.to_string())
            .stdout(Stdio::piped())
            .spawn()
            .expect("starts");
        let lines = BufReader::new(child.stdout.take().expect("piped")).lines();
        Self { child, lines, heard: Vec::new() }
    }

    /// Hears the child until it has acknowledged all rows before `number`; gives what it has.
    pub(crate) fn wait_for(&mut self, number: u64) -> u64 {
        loop {
            let line = self.lines.next().and_then(Result::ok).expect("the child lives");
            let acked = acknowledged(&line);
            self.heard.push(line);
            if let Some(acked) = acked.filter(|acked| *acked >= number) {
                return acked;
            }
        }
    }

    /// Kills it at some moment within this time; `SIGKILL` is what `kill` sends.
    pub(crate) fn kill_within(&mut self, most: Duration) {
        std::thread::sleep(Duration::from_micros(chance(u64::try_from(most.as_micros()).expect("short"))));
        self.kill();
    }

    /// Kills it now.
    pub(crate) fn kill(&mut self) {
        self.child.kill().expect("kills");
        self.child.wait().expect("ends");
    }

    /// All that it said before it was killed.
    pub(crate) fn rest(mut self) -> Vec<String> {
        let mut heard = std::mem::take(&mut self.heard);
        heard.extend(self.lines.by_ref().map_while(Result::ok));
        heard
    }
}
