//! The command as a person runs it: the real binary, real servers on loopback, exit codes and output.

#![allow(clippy::expect_used, reason = "a test may stop at the first fault")]

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::thread;
use std::time::Duration;

use serde_json::Value;

/// The command with an environment of its own: nobody's folders, no colours.
fn hallmonitor(home: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_hallmonitor"));
    command
        .env_clear()
        .env("HOME", home)
        .env("APPDATA", home.join("config"))
        .env("LOCALAPPDATA", home.join("data"))
        .env("TZ", "UTC")
        .current_dir(home)
        .stdin(Stdio::null());
    command
}

struct Said {
    code: Option<i32>,
    out: String,
    err: String,
}

fn said(output: &Output) -> Said {
    Said {
        code: output.status.code(),
        out: String::from_utf8(output.stdout.clone()).expect("output is text"),
        err: String::from_utf8(output.stderr.clone()).expect("errors are text"),
    }
}

fn run(args: &[&str]) -> Said {
    let home = tempfile::tempdir().expect("home");
    run_in(home.path(), args)
}

fn run_in(home: &Path, args: &[&str]) -> Said {
    said(&hallmonitor(home).args(args).output().expect("starts"))
}

fn json_lines(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).expect("a line of json")).collect()
}

/// Answers every HTTP request on loopback with a status; gives its address.
fn http_server(status: &'static str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("binds");
    let address = listener.local_addr().expect("has an address");
    thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { return };
            let mut request = [0; 2048];
            let _ = stream.read(&mut request);
            let _ = write!(stream, "HTTP/1.1 {status}\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok");
        }
    });
    format!("http://{address}/")
}

/// A port of loopback on which nobody listens.
fn closed_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("binds").port()
}

fn write_config(home: &Path, text: &str) -> String {
    let path = home.join("config.yml");
    std::fs::write(&path, text).expect("writes");
    path.display().to_string()
}

#[test]
fn help_names_commands_exit_codes_and_folders() {
    let help = run(&["--help"]);
    assert_eq!(help.code, Some(0));
    for word in ["run", "check", "validate", "status", "history", "uptime", "incidents", "pause", "completions"] {
        assert!(help.out.contains(&format!("\n  {word}")), "{word} in {}", help.out);
    }
    for word in ["Exit codes", "Examples", "HALLMONITOR_CONFIG", "--data-dir", "--json"] {
        assert!(help.out.contains(word), "{word} in {}", help.out);
    }
    let version = run(&["--version"]);
    assert_eq!(version.out.trim(), format!("hallmonitor {}", env!("CARGO_PKG_VERSION")));
    let check = run(&["check", "--help"]);
    for kind in ["ping", "http", "tcp", "dns"] {
        assert!(check.out.contains(kind), "{kind} in {}", check.out);
    }
    assert!(run(&["check", "http", "--help"]).out.contains("--timeout"));
}

#[test]
fn wrong_usage_exits_with_2() {
    for args in
        [&["fly"][..], &["history"], &["uptime", "--window", "often"], &["check", "http"], &["status", "-x"], &[]]
    {
        let wrong = run(args);
        assert_eq!(wrong.code, Some(2), "{args:?}: {}{}", wrong.out, wrong.err);
        assert!(wrong.out.is_empty() && !wrong.err.is_empty(), "{args:?}");
    }
}

#[test]
fn completions_are_written_for_every_shell() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = run(&["completions", shell]);
        assert_eq!(script.code, Some(0), "{}", script.err);
        assert!(script.out.contains("hallmonitor") && script.out.contains("incidents"), "{shell}");
    }
}

#[test]
fn a_closed_pipe_is_no_error() {
    let home = tempfile::tempdir().expect("home");
    let mut child = hallmonitor(home.path())
        .args(["completions", "bash"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("starts");
    drop(child.stdout.take());
    let said = said(&child.wait_with_output().expect("ends"));
    assert_eq!((said.code, said.err.as_str()), (Some(0), ""));
}

#[test]
fn nobody_there_and_no_files_exits_with_3() {
    for args in [&["status"][..], &["history", "--all"], &["uptime"], &["incidents"], &["check-now", "--all"]] {
        let home = tempfile::tempdir().expect("home");
        let answer = run_in(home.path(), args);
        assert_eq!(answer.code, Some(3), "{args:?}: {}{}", answer.out, answer.err);
        assert!(answer.err.contains("hallmonitor run"), "{args:?}: {}", answer.err);
        assert!(answer.out.is_empty());
    }
}

#[test]
fn a_missing_configuration_says_where_it_was_looked_for_and_how_to_make_one() {
    for args in [&["validate"][..], &["check"], &["run"]] {
        let home = tempfile::tempdir().expect("home");
        let missing = run_in(home.path(), args);
        assert_eq!(missing.code, Some(2), "{args:?}: {}", missing.err);
        assert!(missing.err.contains("hallmonitor/config.yml"), "{args:?}: {}", missing.err);
        assert!(missing.err.contains("type: ping"), "{args:?}: {}", missing.err);
    }
}

#[test]
fn the_environment_names_other_folders() {
    let home = tempfile::tempdir().expect("home");
    let missing = said(
        &hallmonitor(home.path())
            .args(["validate"])
            .env("HALLMONITOR_CONFIG", home.path().join("mine.yml"))
            .output()
            .expect("starts"),
    );
    assert_eq!(missing.code, Some(2));
    assert!(missing.err.contains("mine.yml"), "{}", missing.err);
}

#[test]
fn check_http_says_up_with_phases_and_exits_with_0() {
    let url = http_server("200 OK");
    let up = run(&["check", "http", &url]);
    assert_eq!(up.code, Some(0), "{}{}", up.out, up.err);
    assert!(up.out.starts_with("● up"), "{}", up.out);
    assert!(up.out.contains("connect") && up.out.contains("total"), "{}", up.out);
    assert!(!up.out.contains('\u{1b}'), "no colours where nobody sees them");
    let coloured = run(&["check", "http", &url, "--color", "always"]);
    assert!(coloured.out.contains("\u{1b}[32m"), "{:?}", coloured.out);
}

#[test]
fn check_exits_with_1_when_something_is_down() {
    let url = http_server("503 Service Unavailable");
    let down = run(&["check", "http", &url]);
    assert_eq!(down.code, Some(1), "{}{}", down.out, down.err);
    assert!(down.out.starts_with("✕ down"), "{}", down.out);
    let port = closed_port();
    let refused = run(&["check", "tcp", &format!("127.0.0.1:{port}"), "--timeout", "2s"]);
    assert_eq!(refused.code, Some(1), "{}{}", refused.out, refused.err);
    assert!(refused.out.contains("connect"), "{}", refused.out);
}

#[test]
fn check_tcp_reads_the_port_from_the_address_or_an_option() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("binds");
    let address = listener.local_addr().expect("has an address");
    let port = address.port().to_string();
    for args in [&["check", "tcp", &address.to_string()][..], &["check", "tcp", "127.0.0.1", "--port", &port]] {
        let up = run(args);
        assert_eq!(up.code, Some(0), "{args:?}: {}{}", up.out, up.err);
    }
    assert_eq!(run(&["check", "tcp", "127.0.0.1"]).code, Some(2));
}

#[test]
fn check_json_has_the_promised_fields() {
    let url = http_server("200 OK");
    let up = run(&["check", "http", &url, "--json"]);
    let lines = json_lines(&up.out);
    assert_eq!(lines.len(), 1);
    let result = lines[0].as_object().expect("an object");
    for field in
        ["monitor_id", "monitor", "kind", "time", "verdict", "duration_us", "failure", "message", "phases", "facts"]
    {
        assert!(result.contains_key(field), "{field} in {result:?}");
    }
    assert_eq!(result["kind"], "http");
    assert_eq!(result["verdict"], "up");
    assert_eq!(result["failure"], Value::Null);
    assert!(result["duration_us"].as_u64().is_some_and(|us| us > 0));
    assert!(result["phases"]["total_us"].as_u64().is_some_and(|us| us > 0), "{result:?}");
    assert_eq!(result["facts"]["http_status"], 200);
    let time = result["time"].as_str().expect("text");
    assert_eq!(time.len(), "2026-11-23T15:46:51.000007Z".len(), "{time}");
    assert!(time.ends_with('Z'), "{time}");
}

#[test]
fn check_reads_the_configuration() {
    let home = tempfile::tempdir().expect("home");
    let up = http_server("200 OK");
    let down = closed_port();
    let config = write_config(
        home.path(),
        &format!(
            "monitoring:\n  groups:\n    - name: home\n      monitors:\n        - name: web\n          type: http\n          \
             url: {up}\n        - name: door\n          type: tcp\n          target: 127.0.0.1\n          port: {down}\n        \
             - name: off\n          type: tcp\n          enabled: false\n          target: 127.0.0.1\n          port: {down}\n"
        ),
    );
    let all = run_in(home.path(), &["check", "--config", &config]);
    assert_eq!(all.code, Some(1), "{}{}", all.out, all.err);
    assert!(all.out.contains("1 of 2 down · door"), "{}", all.out);
    let web = run_in(home.path(), &["check", "web", "--config", &config, "--json"]);
    assert_eq!(web.code, Some(0), "{}{}", web.out, web.err);
    assert_eq!(json_lines(&web.out)[0]["monitor"], "web");
    let unknown = run_in(home.path(), &["check", "wbe", "--config", &config]);
    assert_eq!(unknown.code, Some(1));
    assert!(unknown.err.contains("did you mean `web`"), "{}", unknown.err);
}

#[test]
fn validate_tells_every_problem_with_its_place() {
    let home = tempfile::tempdir().expect("home");
    let config = write_config(
        home.path(),
        "monitoring:\n  groups:\n    - name: home\n      monitors:\n        - name: a\n          type: htpp\n          \
         url: http://127.0.0.1/\n        - name: b\n          type: ping\n          target: 127.0.0.1\n          interval: soon\n",
    );
    let wrong = run_in(home.path(), &["validate", &config]);
    assert_eq!(wrong.code, Some(2), "{}{}", wrong.out, wrong.err);
    let lines: Vec<_> = wrong.out.lines().collect();
    assert_eq!(lines.len(), 2, "{}", wrong.out);
    assert!(lines[0].starts_with(&format!("{config}:6:17: ")), "{}", lines[0]);
    assert!(lines[0].contains("http"), "{}", lines[0]);
    assert!(lines[1].starts_with(&format!("{config}:11:21: ")), "{}", lines[1]);
    let json = json_lines(&run_in(home.path(), &["validate", &config, "--json"]).out);
    assert_eq!((&json[0]["line"], &json[0]["column"], &json[0]["severity"]), (&6.into(), &17.into(), &"error".into()));
    let check = run_in(home.path(), &["run", "--config", &config]);
    assert_eq!(check.code, Some(2), "{}", check.err);
    assert!(check.err.contains(":6:17: ") && check.err.contains(":11:21: "), "{}", check.err);
}

#[test]
fn validate_is_short_when_all_is_fine() {
    let home = tempfile::tempdir().expect("home");
    let config = write_config(
        home.path(),
        "monitoring:\n  groups:\n    - name: home\n      monitors:\n        - name: a\n          type: ping\n          \
         target: 127.0.0.1\n",
    );
    let fine = run_in(home.path(), &["validate", "--config", &config]);
    assert_eq!((fine.code, fine.err.as_str()), (Some(0), ""));
    assert_eq!(fine.out, format!("{config}: fine, 1 monitor in 1 group\n"));
}

/// `run` in the background, with its lines.
#[cfg(unix)]
struct Watching {
    child: std::process::Child,
    lines: std::sync::mpsc::Receiver<String>,
    home: tempfile::TempDir,
    config: String,
}

#[cfg(unix)]
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

    fn signal(&self, name: &str) {
        let status = Command::new("kill").args([name, &self.child.id().to_string()]).status().expect("kill runs");
        assert!(status.success());
    }

    /// Asks it to stop and gives its exit code, once it ended.
    fn stop(&mut self) -> Option<i32> {
        self.signal("-TERM");
        for _ in 0..700 {
            if let Some(status) = self.child.try_wait().expect("is a child") {
                return status.code();
            }
            thread::sleep(Duration::from_millis(10));
        }
        panic!("still runs after 7 s");
    }
}

#[cfg(unix)]
impl Drop for Watching {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[cfg(unix)]
fn tcp_monitor(name: &str, port: u16) -> String {
    format!(
        "monitoring:\n  groups:\n    - name: home\n      monitors:\n        - name: {name}\n          type: tcp\n          \
         target: 127.0.0.1\n          port: {port}\n          interval: 1s\n          timeout: 1s\n"
    )
}

#[cfg(unix)]
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
    let incidents = json_lines(&watching.ask(&["incidents", "--json"]).out);
    assert_eq!((&incidents[0]["monitor"], &incidents[0]["end"]), (&"door".into(), &"open".into()));

    let listener = TcpListener::bind(("127.0.0.1", port)).expect("binds again");
    watching.line(|line| line.contains("● up") && line.contains("was down"));
    drop(listener);
    let history = json_lines(&watching.ask(&["history", "door", "--since", "1h", "--json"]).out);
    let verdicts: Vec<_> = history.iter().map(|line| line["verdict"].as_str().expect("text")).collect();
    assert!(verdicts.iter().filter(|verdict| **verdict == "down").count() >= 2, "{verdicts:?}");
    let times: Vec<_> = history.iter().map(|line| line["time"].as_str().expect("text")).collect();
    assert!(times.windows(2).all(|pair| pair[0] > pair[1]), "newest first: {times:?}");
    let limited = json_lines(&watching.ask(&["history", "--all", "--limit", "2", "--json"]).out);
    assert_eq!(limited.len(), 2);
    let unknown = watching.ask(&["history", "dor"]);
    assert_eq!(unknown.code, Some(1), "{}", unknown.err);
    assert!(unknown.err.contains("did you mean `door`"), "{}", unknown.err);
    let uptime = json_lines(&watching.ask(&["uptime", "--window", "1h", "--json"]).out);
    let share = uptime[0]["uptime"].as_f64().expect("a share");
    assert!((0.0..=1.0).contains(&share), "{share}");

    assert_eq!(watching.stop(), Some(0));
    // Nobody holds the folder any more: the files answer.
    let offline = json_lines(&watching.ask(&["history", "door", "--json"]).out);
    assert!(offline.len() >= history.len(), "{} of {}", offline.len(), history.len());
    let status = watching.ask(&["status", "--json"]);
    assert_eq!(json_lines(&status.out)[0]["live"], false, "{}", status.err);
}

#[cfg(unix)]
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
    watching.signal("-INT");
    assert_eq!(watching.stop(), Some(0));
}

#[cfg(unix)]
#[test]
fn a_second_run_on_the_same_folder_says_who_holds_it() {
    let port = closed_port();
    let mut watching = Watching::start(&tcp_monitor("door", port), &[]);
    watching.line(|line| line.contains("door"));
    let second = watching.ask(&["run"]);
    assert_eq!(second.code, Some(3), "{}{}", second.out, second.err);
    assert!(second.err.contains(&watching.child.id().to_string()), "{}", second.err);
    assert_eq!(watching.stop(), Some(0));
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
    let mut screen = Vec::new();
    let mut buffer = [0; 4096];
    let shows = |screen: &[u8], text: &str| String::from_utf8_lossy(screen).contains(text);
    // Cells that do not change are not drawn again, so the words come apart; these stand alone.
    while !(shows(&screen, "The monitor is up.") && shows(&screen, "door")) {
        let read = out.read(&mut buffer).expect("reads");
        assert!(read > 0, "ended after {}", String::from_utf8_lossy(&screen));
        screen.extend_from_slice(&buffer[..read]);
    }
    child.stdin.as_mut().expect("piped").write_all(b"q").expect("writes");
    out.read_to_end(&mut screen).expect("reads");
    assert_eq!(child.wait().expect("ends").code(), Some(0));
    let screen = String::from_utf8_lossy(&screen);
    assert!(screen.contains("\u{1b}[?1049h"), "another page");
    let after = screen.rsplit("\u{1b}[?1049l").next().expect("the terminal is given back");
    assert!(after.contains("\u{1b}[?25h"), "the cursor is shown again: {after:?}");
}
