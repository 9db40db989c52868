//! The canary: a secret that is unlike anything else goes through a whole life of the real command, with wrong passwords,
//! servers that echo them, kills and traces; then everything that came out is searched for it.
#![cfg(target_os = "linux")]
#![allow(clippy::expect_used, reason = "a test may stop at the first fault")]

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::os::unix::process::ExitStatusExt as _;
use std::process::Child;
use std::thread;

use crate::search::Canary;
use crate::support_keychain::{Session, files_below, until};

mod search;
#[path = "../support_keychain/mod.rs"]
mod support_keychain;

const PASSPHRASE: &str = "HALLMONITOR_VAULT_PASSPHRASE";

/// A server that refuses every password, and repeats what it was sent wherever it can.
fn echo() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("binds");
    let address = listener.local_addr().expect("has an address");
    thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let mut request = [0; 8192];
            let length = stream.read(&mut request).unwrap_or(0);
            let text = String::from_utf8_lossy(&request[..length]).into_owned();
            let sent = |name: &str| text.lines().find_map(|line| line.strip_prefix(name)).unwrap_or("none").to_owned();
            let (password, token) = (sent("authorization: "), sent("x-token: "));
            let path = text.split(' ').nth(1).unwrap_or("/").to_owned();
            let (path, key) = path.split_once("?key=").unwrap_or((&path, "none"));
            let (status, more) = match path {
                "/reason" => (format!("401 no {password} {token}"), String::new()),
                "/redirect" => ("302 Found".to_owned(), format!("Location: /plain/{token}?password={token}\r\n")),
                "/broken" => (format!("x{key}"), format!("{token}: {password}\r\n")),
                _ => ("401 Unauthorized".to_owned(), String::new()),
            };
            let _ = write!(
                stream,
                "HTTP/1.1 {status}\r\n{more}Server: {token}\r\nContent-Type: text/{token}\r\nCache-Control: {password}\r\n\
                 X-Key: {key}\r\nWWW-Authenticate: Basic realm=\"{password}\"\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{text}",
                text.len()
            );
        }
    });
    address.to_string()
}

fn config(server: &str, name: &str) -> String {
    let mut text = "logging: {level: trace}\nstorage:\n  backend: embedded\n  influxdb: {token: \"${secret:NAME}\"}\n\
                    monitoring:\n  groups:\n    - name: all\n      monitors:\n"
        .replace("NAME", name);
    for path in ["plain", "reason", "redirect", "broken"] {
        text += &format!(
            "        - {{name: {path}, type: http, url: \"http://user:${{secret:{name}}}@{server}/{path}?key=${{secret:{name}}}\", interval: 1s, \
             timeout: 2s, headers: {{x-token: \"${{secret:{name}}}\"}}}}\n"
        );
    }
    text + "        - {name: waits, type: http, url: \"http://127.0.0.1:1/\", headers: {x: \"${secret:not-there}\"}}\n"
}

fn watch(session: &Session, config: &str, log: &str, vars: &[(&str, &str)], format: &str) -> Child {
    let out = fs::File::create(session.path(log)).expect("made");
    // Dumps are wanted as far as the shell is concerned.
    let mut command = session.program("sh");
    command.args(["-c", "ulimit -c unlimited; exec \"$0\" \"$@\"", env!("CARGO_BIN_EXE_hallmonitor")]);
    command.args(["run", "--config", config, "--log-level", "trace", "--log-format", format]);
    command.env("RUST_BACKTRACE", "full").envs(vars.iter().copied());
    command.stdout(out.try_clone().expect("shared")).stderr(out).spawn().expect("starts")
}

/// Waits until every monitor with the secret was refused.
fn wait_for_results(session: &Session, config: &str) {
    until("all are checked", || {
        let lines = session.run(&["status", "--json", "--config", config]).json();
        let down = lines.iter().filter(|line| line["live"] == true && line["state"] == "down").count();
        (down == 4).then_some(())
    });
}

fn signal(child: &mut Child, signal: &str) -> Option<i32> {
    let kill = std::process::Command::new("kill").args([signal, &child.id().to_string()]).status().expect("runs");
    assert!(kill.success());
    until("it ends", || child.try_wait().expect("is ours")).signal()
}

/// What the command says of a life with the secret, by every way there is to ask.
fn everything_said(session: &Session, config: &str, name: &str, vars: &[(&str, &str)]) -> Vec<(String, Vec<u8>)> {
    let mut said = Vec::new();
    for json in [false, true] {
        for args in [
            vec!["status"],
            vec!["status", "--own"],
            vec!["history", "--all"],
            vec!["incidents"],
            vec!["uptime"],
            vec!["check"],
            vec!["validate"],
            vec!["secrets", "list"],
            vec!["secrets", "where"],
            vec!["secrets", "where", name],
        ] {
            let mut args = args;
            args.extend(["--config", config]);
            args.extend(json.then_some("--json"));
            let output = session.hallmonitor(&args).envs(vars.iter().copied()).output().expect("runs");
            said.push((format!("{args:?}"), [output.stdout, output.stderr].concat()));
        }
    }
    said
}

/// A configuration that is wrong around the secret: messages show the place and not the value.
fn refused(session: &Session, name: &str, vars: &[(&str, &str)]) -> Vec<(String, Vec<u8>)> {
    let secret = format!("${{secret:{name}}}");
    [
        format!("storage:\n  backend: influxdb\n  influxdb: {{token: \"{secret}\", url: \"{secret}\"}}\n"),
        format!("storage: {{backend: \"{secret}\"}}\n"),
        format!("monitoring: {{defaultInterval: \"{secret}\"}}\n"),
        format!(
            "monitoring: {{groups: [{{name: a, monitors: [{{name: \"{secret}\", type: tcp, target: \"{secret}\", port: \
             \"{secret}\"}}, {{name: b, type: http, url: \"http://x/{secret}\", expectedStatus: \"{secret}\", maxBody: \
             \"{secret}\"}}]}}]}}\n"
        ),
    ]
    .into_iter()
    .map(|text| {
        let path = session.path("wrong.yml");
        fs::write(&path, &text).expect("written");
        let path = path.display().to_string();
        let output = session.hallmonitor(&["validate", &path]).envs(vars.iter().copied()).output().expect("runs");
        assert_eq!(output.status.code(), Some(2), "{text}{}", String::from_utf8_lossy(&output.stdout));
        (text, [output.stdout, output.stderr].concat())
    })
    .collect()
}

/// A whole life: set, watched, asked, ended in every way.
fn life(session: &Session, canary: &Canary, place: &str, vars: &[(&str, &str)]) {
    let name = format!("canary-{}", uuid::Uuid::new_v4().simple());
    let set = session.run_with(&["secrets", "set", &name, "--in", place, "--json"], canary.text(), vars).expect(0);
    let mut said = vec![("set".to_owned(), [set.out, set.err].concat().into_bytes())];
    let config = session.write_config(&config(&echo(), &name));
    for (round, (format, end)) in
        [("text", "-KILL"), ("json", "-SYS"), ("text", "-ABRT"), ("json", "-TERM")].iter().enumerate()
    {
        let mut child = watch(session, &config, &format!("log-{round}"), vars, format);
        wait_for_results(session, &config);
        let pid = child.id();
        for file in ["cmdline", "environ", "limits", "status"] {
            let bytes = fs::read(format!("/proc/{pid}/{file}")).expect("reads");
            if file == "limits" {
                let limits = String::from_utf8_lossy(&bytes).into_owned();
                let core = limits.lines().find(|line| line.starts_with("Max core file size")).expect("listed");
                assert!(core.split_whitespace().nth(4) == Some("0"), "{core}");
            }
            said.push((file.to_owned(), bytes));
        }
        if round == 1 {
            said.extend(everything_said(session, &config, &name, vars));
        }
        let ended = signal(&mut child, end);
        assert_eq!(ended.is_some(), *end != "-TERM", "{end}: {ended:?}");
    }
    said.extend(everything_said(session, &config, &name, vars));
    said.extend(refused(session, &name, vars));
    for (what, bytes) in &said {
        canary.must_not_be_in(what, bytes);
    }
    search_files(session.path(""), canary, 12);
    session.run_with(&["secrets", "forget", &name], "", vars).expect(0);
}

fn search_files(folder: std::path::PathBuf, canary: &Canary, at_least: usize) {
    let files = files_below(&folder);
    assert!(files.len() >= at_least, "{files:?}");
    for file in files {
        canary.must_not_be_in(&file.display().to_string(), &fs::read(&file).expect("reads"));
        assert!(!file.file_name().is_some_and(|name| name.to_string_lossy().starts_with("core")), "{file:?}");
    }
}

#[test]
fn a_secret_of_the_keychain_comes_out_nowhere() {
    let session = Session::unlocked();
    life(&session, &Canary::new(), "service", &[]);
}

#[test]
fn a_secret_of_the_encrypted_file_and_its_passphrase_come_out_nowhere() {
    let session = Session::without_bus();
    let passphrase = Canary::new();
    let canary = Canary::new();
    // By a file: what stands in the environment can be read there.
    let folder = tempfile::tempdir().expect("folder");
    let file = folder.path().join("passphrase");
    fs::write(&file, passphrase.text()).expect("written");
    let vars = [("HALLMONITOR_VAULT_PASSPHRASE_FILE", file.to_str().expect("text"))];
    life(&session, &canary, "file", &vars);
    search_files(session.path(""), &passphrase, 12);
    // By the environment too: nowhere but there.
    let by_value = [(PASSPHRASE, passphrase.text())];
    session.run_with(&["secrets", "set", "again", "--in", "file"], canary.text(), &by_value).expect(0);
    for args in [["secrets", "list"], ["secrets", "where"]] {
        let said = session.run_with(&args, "", &by_value);
        passphrase.must_not_be_in("said", [said.out, said.err].concat().as_bytes());
    }
    search_files(session.path(""), &passphrase, 12);
    search_files(session.path(""), &canary, 12);
}

#[test]
fn a_secret_of_the_kernel_comes_out_nowhere() {
    let session = Session::without_bus();
    life(&session, &Canary::new(), "kernel", &[]);
}

/// The kernel gives the files of a process that is not dumpable to root: its own person cannot read its environment, nor
/// attach to it.
#[test]
fn the_command_is_not_dumpable() {
    use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
    let folder = tempfile::tempdir().expect("folder");
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o777)).expect("set");
    let program = folder.path().join("hallmonitor");
    fs::copy(env!("CARGO_BIN_EXE_hallmonitor"), &program).expect("copied");
    let is_root = fs::metadata("/proc/self").expect("there").uid() == 0;
    let mut command = std::process::Command::new(if is_root { "setpriv".as_ref() } else { program.as_os_str() });
    if is_root {
        command.args(["--reuid=65534", "--regid=65534", "--clear-groups"]).arg(&program);
    }
    // Waits for a secret that never comes.
    let args = ["secrets", "set", "a", "--in", "file"];
    let mut child =
        command.args(args).env("HOME", folder.path()).stdin(std::process::Stdio::piped()).spawn().expect("starts");
    let proc = format!("/proc/{}", child.id());
    until("it is closed to its own person", || {
        let is_command = fs::read_to_string(format!("{proc}/comm")).is_ok_and(|name| name.trim() == "hallmonitor");
        let owner = fs::metadata(format!("{proc}/environ")).expect("there").uid();
        (is_command && owner == 0).then_some(())
    });
    let person = fs::metadata(&proc).expect("there").uid();
    let status = fs::read_to_string(format!("{proc}/status")).expect("stays readable");
    let uid = status.lines().find_map(|line| line.strip_prefix("Uid:")).expect("listed").to_owned();
    assert!(uid.split_whitespace().all(|uid| uid != "0"), "it runs as somebody: {uid}, owner {person}");
    let _ = child.kill();
    let _ = child.wait();
}
