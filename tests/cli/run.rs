//! `run`, and what others ask while it runs.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use serde_json::Value;

use crate::{Said, closed_port, hallmonitor, json_lines, run_in, write_config};

/// `run` in the background, with its lines.
struct Watching {
    child: std::process::Child,
    lines: std::sync::mpsc::Receiver<String>,
    home: tempfile::TempDir,
    config: String,
}

impl Watching {
    fn start(config: &str, args: &[&str]) -> Self {
        use std::io::BufRead as _;
        let home = tempfile::tempdir().expect("home");
        let config = write_config(home.path(), config);
        let mut child = hallmonitor(home.path())
            .args(["run", "--config", &config])
            .args(args)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("starts");
        let (sender, lines) = std::sync::mpsc::channel();
        let out = std::io::BufReader::new(child.stdout.take().expect("piped"));
        thread::spawn(move || {
            for line in out.lines().map_while(Result::ok) {
                let _ = sender.send(line);
            }
        });
        Self { child, lines, home, config }
    }

    /// The first line that satisfies.
    fn line(&self, wanted: impl Fn(&str) -> bool) -> String {
        let mut seen = Vec::new();
        loop {
            match self.lines.recv_timeout(Duration::from_secs(30)) {
                Ok(line) if wanted(&line) => return line,
                Ok(line) => seen.push(line),
                Err(error) => panic!("{error} after {seen:#?}"),
            }
        }
    }

    fn ask(&self, args: &[&str]) -> Said {
        let mut all = vec!["--config", &self.config];
        all.extend(args);
        run_in(self.home.path(), &all)
    }

    /// Asks again until the lines satisfy: what is shown may be a second ahead of what is kept.
    fn ask_until(&self, args: &[&str], enough: impl Fn(&[Value]) -> bool) -> Vec<Value> {
        for _ in 0..100 {
            let lines = json_lines(&self.ask(args).out);
            if enough(&lines) {
                return lines;
            }
            thread::sleep(Duration::from_millis(100));
        }
        panic!("{args:?} still says {}", self.ask(args).out);
    }

    fn signal(&self, name: &str) {
        let status = Command::new("kill").args([name, &self.child.id().to_string()]).status().expect("kill runs");
        assert!(status.success());
    }

    /// Asks it to stop and gives its exit code, once it ended.
    fn stop(&mut self, signal: &str) -> Option<i32> {
        self.signal(signal);
        for _ in 0..700 {
            if let Some(status) = self.child.try_wait().expect("is a child") {
                return status.code();
            }
            thread::sleep(Duration::from_millis(10));
        }
        panic!("still runs after 7 s");
    }
}

impl Drop for Watching {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn tcp_monitor(name: &str, port: u16) -> String {
    format!(
        "monitoring:\n  groups:\n    - name: home\n      monitors:\n        - name: {name}\n          type: tcp\n          \
         target: 127.0.0.1\n          port: {port}\n          interval: 1s\n          timeout: 1s\n"
    )
}

#[test]
fn run_tells_changes_and_answers_while_it_watches() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("binds");
    let port = listener.local_addr().expect("has an address").port();
    let mut watching = Watching::start(&tcp_monitor("door", port), &[]);
    watching.line(|line| line.contains("● up") && line.contains("door"));
    let status = watching.ask(&["status"]);
    assert_eq!(status.code, Some(0), "{}{}", status.out, status.err);
    assert!(status.out.starts_with("The monitor is up."), "{}", status.out);

    drop(listener);
    let down = watching.line(|line| line.contains("✕ down"));
    assert!(down.contains("door (was up) · connect"), "{down}");
    let status = watching.ask(&["status", "--json"]);
    assert_eq!(status.code, Some(1), "{}{}", status.out, status.err);
    let line = &json_lines(&status.out)[0];
    assert_eq!((&line["monitor"], &line["state"], &line["live"]), (&"door".into(), &"down".into(), &true.into()));
    let incidents = watching.ask_until(&["incidents", "--json"], |lines| !lines.is_empty());
    assert_eq!(incidents.len(), 1, "{incidents:?}");
    assert_eq!((&incidents[0]["monitor"], &incidents[0]["end"]), (&"door".into(), &"open".into()));

    let listener = TcpListener::bind(("127.0.0.1", port)).expect("binds again");
    watching.line(|line| line.contains("● up") && line.contains("was down"));
    drop(listener);
    let downs = |lines: &[Value]| lines.iter().filter(|line| line["verdict"] == "down").count();
    let history = watching.ask_until(&["history", "door", "--since", "1h", "--json"], |lines| downs(lines) >= 2);
    let times: Vec<_> = history.iter().map(|line| line["time"].as_str().expect("text")).collect();
    assert!(times.windows(2).all(|pair| pair[0] > pair[1]), "newest first: {times:?}");
    let ended = |lines: &[Value]| lines.iter().all(|line| line["end"] == "recovered");
    assert_eq!(watching.ask_until(&["incidents", "--json"], ended).len(), 1);
    let limited = json_lines(&watching.ask(&["history", "--all", "--limit", "2", "--json"]).out);
    assert_eq!(limited.len(), 2);
    let unknown = watching.ask(&["history", "dor"]);
    assert_eq!(unknown.code, Some(1), "{}", unknown.err);
    assert!(unknown.err.contains("did you mean `door`"), "{}", unknown.err);
    let uptime = json_lines(&watching.ask(&["uptime", "--window", "1h", "--json"]).out);
    let share = uptime[0]["uptime"].as_f64().expect("a share");
    assert!((0.0..=1.0).contains(&share), "{share}");

    assert_eq!(watching.stop("-TERM"), Some(0));
    // Nobody holds the folder any more: the files answer.
    let offline = json_lines(&watching.ask(&["history", "door", "--json"]).out);
    assert!(offline.len() >= history.len(), "{} of {}", offline.len(), history.len());
    let status = watching.ask(&["status", "--json"]);
    assert_eq!(json_lines(&status.out)[0]["live"], false, "{}", status.err);
}

#[test]
fn run_pauses_resumes_and_checks_when_told() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("binds");
    let port = listener.local_addr().expect("has an address").port();
    let mut watching = Watching::start(&tcp_monitor("door", port), &["--log-format", "json"]);
    let up = watching.line(|line| line.contains("\"to\":\"up\""));
    let up: Value = serde_json::from_str(&up).expect("a line of json");
    assert_eq!((&up["event"], &up["monitor"]), (&"state_changed".into(), &"door".into()));
    let paused = watching.ask(&["pause", "door", "--for", "1h"]);
    assert_eq!((paused.code, paused.out.as_str()), (Some(0), "Paused door.\n"), "{}", paused.err);
    watching.line(|line| line.contains("\"to\":\"paused\""));
    let resumed = watching.ask(&["resume", "--all"]);
    assert_eq!((resumed.code, resumed.out.as_str()), (Some(0), "Resumed door.\n"), "{}", resumed.err);
    watching.line(|line| line.contains("\"to\":\"up\""));
    let checked = watching.ask(&["check-now", "door"]);
    assert_eq!((checked.code, checked.out.as_str()), (Some(0), "Checking door.\n"), "{}", checked.err);
    assert_eq!(watching.stop("-INT"), Some(0));
}

#[test]
fn a_second_run_on_the_same_folder_says_who_holds_it() {
    let port = closed_port();
    let mut watching = Watching::start(&tcp_monitor("door", port), &[]);
    watching.line(|line| line.contains("door"));
    let second = watching.ask(&["run"]);
    assert_eq!(second.code, Some(3), "{}{}", second.out, second.err);
    assert!(second.err.contains(&watching.child.id().to_string()), "{}", second.err);
    assert_eq!(watching.stop("-TERM"), Some(0));
}

/// The table on a real terminal, made by script(1).
#[cfg(target_os = "linux")]
#[test]
fn on_a_terminal_run_shows_a_table_and_gives_the_terminal_back() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("binds");
    let port = listener.local_addr().expect("has an address").port();
    let home = tempfile::tempdir().expect("home");
    let config = write_config(home.path(), &tcp_monitor("door", port));
    let command = format!("stty rows 24 cols 100 && exec {} run --config {config}", env!("CARGO_BIN_EXE_hallmonitor"));
    let mut child = Command::new("script")
        .args(["--quiet", "--return", "--flush", "--command", &command, "/dev/null"])
        .env_clear()
        .envs([
            ("HOME", home.path().as_os_str()),
            ("TERM", "xterm-256color".as_ref()),
            ("PATH", "/usr/bin:/bin".as_ref()),
        ])
        .current_dir(home.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("script(1) runs");
    let mut out = child.stdout.take().expect("piped");
    let (sender, parts) = std::sync::mpsc::channel();
    thread::spawn(move || {
        let mut buffer = [0; 4096];
        while let Ok(read @ 1..) = out.read(&mut buffer) {
            let _ = sender.send(buffer[..read].to_vec());
        }
    });
    let mut screen = Vec::new();
    let shows = |screen: &[u8], text: &str| String::from_utf8_lossy(screen).contains(text);
    // Cells that do not change are not drawn again, so that sentences come apart; a state's cells all change.
    while !(shows(&screen, "● up") && shows(&screen, "door")) {
        match parts.recv_timeout(Duration::from_secs(30)) {
            Ok(part) => screen.extend(part),
            Err(error) => {
                let _ = child.kill();
                panic!("{error} after {}", String::from_utf8_lossy(&screen));
            }
        }
    }
    child.stdin.as_mut().expect("piped").write_all(b"q").expect("writes");
    screen.extend(parts.iter().flatten());
    assert_eq!(child.wait().expect("ends").code(), Some(0));
    let screen = String::from_utf8_lossy(&screen);
    assert!(screen.contains("\u{1b}[?1049h"), "another page");
    let after = screen.rsplit("\u{1b}[?1049l").next().expect("the terminal is given back");
    assert!(after.contains("\u{1b}[?25h"), "the cursor is shown again: {after:?}");
}
