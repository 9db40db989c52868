//! The vault with real keychains: GNOME Keyring on a bus of its own, the kernel's key ring, the encrypted file; and with
//! Secret Services that hang or refuse.
#![cfg(target_os = "linux")]
#![allow(clippy::expect_used, reason = "a test may stop at the first fault")]

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::process::Stdio;
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

use hallmonitor::storage::backends::postgres::test_server::{TestServer, Wanted};
use serde_json::Value;

use crate::support_keychain::{Said, Session, files_below, until};

#[path = "../support_keychain/mod.rs"]
mod support_keychain;
mod terminal;
mod unlock;

const FILE: [(&str, &str); 1] = [("HALLMONITOR_VAULT_PASSPHRASE", "open sesame")];

/// A server that says which secret each request came with.
fn server() -> (String, Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("binds");
    let address = listener.local_addr().expect("has an address");
    let (sender, seen) = channel();
    thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let mut request = [0; 4096];
            let length = stream.read(&mut request).unwrap_or(0);
            let text = String::from_utf8_lossy(&request[..length]).into_owned();
            let token = text.lines().find_map(|line| line.strip_prefix("x-token: ")).unwrap_or_default();
            let _ = sender.send(token.to_owned());
            let _ = write!(stream, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok");
        }
    });
    (format!("http://{address}/"), seen)
}

fn config(url: &str, name: &str) -> String {
    format!(
        "monitoring:\n  groups:\n    - name: all\n      monitors:\n        - {{name: needs, type: http, url: \"{url}\", \
         interval: 1s, headers: {{x-token: \"${{secret:{name}}}\"}}}}\n        - {{name: plain, type: http, url: \
         \"{url}\", interval: 1s}}\n"
    )
}

/// The secret as a monitor gets it.
fn read_by_monitor(session: &Session, name: &str, vars: &[(&str, &str)]) -> Result<String, Said> {
    let (url, seen) = server();
    let config = session.write_config(&config(&url, name));
    let said = session.run_with(&["check", "needs", "--config", &config], "", vars);
    if said.code == Some(0) { Ok(seen.recv().expect("asked")) } else { Err(said) }
}

/// A name that no other test and no earlier run takes: the kernel's ring is the machine's.
fn own_name(word: &str) -> String {
    format!("test-{word}-{}", uuid::Uuid::new_v4().simple())
}

fn holds_text(session: &Session, text: &str) -> bool {
    files_below(&session.data())
        .iter()
        .any(|file| std::fs::read(file).expect("reads").windows(text.len()).any(|part| part == text.as_bytes()))
}

#[test]
fn an_unlocked_keychain_keeps_gives_lists_and_forgets() {
    let session = Session::unlocked();
    let set = session.set("router", "hunter2 \u{1f511} \u{e9}\n").expect(0);
    assert_eq!(set.out, "router is kept in the Secret Service.\n");
    assert_eq!(session.run(&["secrets", "list"]).expect(0).out, "router  the Secret Service\n");
    let ready = session.run(&["secrets", "where", "router"]).expect(0);
    assert_eq!(ready.out, "router is in the Secret Service, and can be read.\n");
    assert!(!holds_text(&session, "hunter2"));

    session.set("token", "first").expect(0);
    session.set("token", "second\r\n").expect(0);
    assert_eq!(read_by_monitor(&session, "token", &[]).map_err(|said| said.err), Ok("second".to_owned()));

    session.run(&["secrets", "forget", "token"]).expect(0);
    let gone = session.run(&["secrets", "forget", "token"]).expect(1);
    assert!(gone.err.contains("holds no secret named `token`"), "{}", gone.err);
    let waits = read_by_monitor(&session, "token", &[]).expect_err("forgotten").expect(3);
    assert!(waits.out.contains("`hallmonitor secrets set token`"), "{}", waits.out);
}

#[test]
fn where_tells_every_place_and_which_one_is_used() {
    let session = Session::unlocked();
    let places = session.run(&["secrets", "where", "--json"]).expect(0).json();
    assert_eq!((&places[0]["in"], &places[0]["state"]), (&"service".into(), &"ready".into()), "{places:?}");
    assert_eq!(places[0]["used"], true);
    assert_eq!(places[1]["in"], "kernel");
    assert_eq!(places[1]["lost_at_restart"], true);
    assert_eq!((&places[2]["in"], &places[2]["state"]), (&"file".into(), &"no_passphrase".into()));
    assert!(session.run(&["secrets", "list"]).expect(0).out.starts_with("No secret was set here"));
}

#[test]
fn without_a_bus_or_a_service_the_next_place_is_taken_and_that_is_told() {
    for (session, why) in
        [(Session::without_bus(), "there is no session bus"), (Session::with_bus(), "there is none on the session bus")]
    {
        let name = own_name("next");
        let set = session.run_with(&["secrets", "set", &name, "--json"], "kernel secret", &FILE).expect(0).json();
        assert_eq!(set[0]["passed"][0]["state"], "absent", "{set:?}");
        assert!(set[0]["passed"][0]["why"].as_str().is_some_and(|told| told.contains(why)), "{set:?}");
        let kernel = session.run(&["secrets", "where", "--json"]).json()[1]["state"] == "ready";
        assert_eq!(set[0]["in"], if kernel { "kernel" } else { "file" });
        assert_eq!(set[0]["lost_at_restart"], kernel);
        assert_eq!(read_by_monitor(&session, &name, &FILE).map_err(|said| said.err), Ok("kernel secret".to_owned()));
        session.run_with(&["secrets", "forget", &name], "", &FILE).expect(0);
    }
}

#[test]
fn the_kernels_key_ring_keeps_a_secret_for_other_sessions_of_the_person() {
    let session = Session::without_bus();
    let name = own_name("kernel");
    let set = session.run_with(&["secrets", "set", &name, "--in", "kernel"], "in the ring", &[]).expect(0);
    assert!(set.out.contains("lost when this machine restarts"), "{}", set.out);
    assert_eq!(read_by_monitor(&session, &name, &[]).map_err(|said| said.err), Ok("in the ring".to_owned()));
    session.run(&["secrets", "forget", &name]).expect(0);
    assert!(read_by_monitor(&session, &name, &[]).is_err());
    let refused = session.run_with(&["secrets", "set", &name, "--in", "kernel"], &"x".repeat(40_000), &[]).expect(3);
    assert!(refused.err.contains("32767 bytes"), "{}", refused.err);
}

#[test]
fn a_keychain_that_is_there_and_unwell_is_told_and_nothing_slips_into_a_weaker_place() {
    let mut hangs = Session::with_bus();
    hangs.start_service("hangs");
    let mut refuses = Session::with_bus();
    refuses.start_service("refuses");
    let mut no_default = Session::with_bus();
    no_default.start_keyring(None);
    for (session, state, words) in [
        (Session::locked(), "locked", "the Secret Service is locked"),
        (hangs, "slow", "did not answer within 5 s"),
        (refuses, "denied", "the Secret Service refused: this application is not allowed here"),
        (no_default, "unavailable", "no default keyring"),
    ] {
        let refused = session.run_with(&["secrets", "set", "a"], "hunter2", &FILE).expect(3);
        assert!(refused.err.contains(words), "{state}: {}", refused.err);
        assert!(refused.err.contains("--in file"), "the way out is told: {}", refused.err);
        assert!(!session.data().join("vault/secrets.sealed").exists(), "{state}");
        let places = session.run_with(&["secrets", "where", "--json"], "", &FILE).expect(3).json();
        assert_eq!(places[0]["state"], state, "{places:?}");
        assert!(places.iter().all(|place| place["used"] == false), "{places:?}");
        // Named, the weaker place takes it.
        session.run_with(&["secrets", "set", "a", "--in", "file"], "hunter2", &FILE).expect(0);
        assert_eq!(read_by_monitor(&session, "a", &FILE).map_err(|said| said.err), Ok("hunter2".to_owned()), "{state}");
        assert!(!holds_text(&session, "hunter2"), "{state}");
    }
}

#[test]
fn the_encrypted_file_tells_what_is_wrong_with_its_passphrase() {
    let session = Session::without_bus();
    session.run_with(&["secrets", "set", "a", "--in", "file"], "hunter2", &FILE).expect(0);
    let waits = |vars: &[(&str, &str)]| read_by_monitor(&session, "a", vars).expect_err("waits").expect(3).out;
    assert!(waits(&[]).contains("needs its passphrase: set HALLMONITOR_VAULT_PASSPHRASE"), "{}", waits(&[]));
    let wrong = waits(&[("HALLMONITOR_VAULT_PASSPHRASE", "other")]);
    assert!(wrong.contains("is wrong; give the one it was made with"), "{wrong}");
    let credential = session.path("credential");
    std::fs::write(&credential, "open sesame\n").expect("written");
    let credential = credential.display().to_string();
    let by_file = read_by_monitor(&session, "a", &[("HALLMONITOR_VAULT_PASSPHRASE_FILE", &credential)]);
    assert_eq!(by_file.map_err(|said| said.out), Ok("hunter2".to_owned()));
    let nowhere = waits(&[("HALLMONITOR_VAULT_PASSPHRASE_FILE", "nowhere")]);
    assert!(nowhere.contains("there is no such file"), "{nowhere}");
    let file = session.data().join("vault/secrets.sealed");
    let bytes = std::fs::read(&file).expect("reads");
    std::fs::write(&file, &bytes[..bytes.len() - 9]).expect("written");
    assert!(waits(&FILE).contains("is damaged"), "{}", waits(&FILE));
    let told = session.run_with(&["secrets", "where", "a", "--json"], "", &FILE).expect(3).json();
    assert_eq!((&told[0]["in"], &told[0]["state"]), (&"file".into(), &"damaged".into()), "{told:?}");
}

#[test]
fn wrong_use_is_told_and_keeps_nothing() {
    let session = Session::without_bus();
    let bad = session.run_with(&["secrets", "set", "a/b"], "x", &FILE).expect(2);
    assert!(bad.err.contains("no name of a secret"), "{}", bad.err);
    let empty = session.run_with(&["secrets", "set", "a"], "\n", &FILE).expect(2);
    assert!(empty.err.contains("is empty"), "{}", empty.err);
    let large = session.run_with(&["secrets", "set", "a"], &"x".repeat(70_000), &FILE).expect(2);
    assert!(large.err.contains("larger than 64 KiB"), "{}", large.err);
    session.run_with(&["secrets", "set", "a", "value"], "x", &FILE).expect(2);
    session.run(&["secrets", "where", "a"]).expect(1);
    assert_eq!(session.run(&["secrets", "list", "--json"]).expect(0).out, "");
}

/// A locked keychain holds up only what needs it, and is seen when it is unlocked.
#[test]
fn a_keychain_that_is_unlocked_later_is_seen_while_others_are_watched() {
    let mut session = Session::unlocked();
    session.set("later", "opened").expect(0);
    session.end_keychain();
    session.start_keyring(None);
    let (url, seen) = server();
    let config = session.write_config(&config(&url, "later"));
    let mut child = session
        .hallmonitor(&["run", "--config", &config])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("starts");
    let state = |name: &str| -> Option<Value> {
        let lines = session.run(&["status", "--json", "--config", &config]).json();
        lines.into_iter().find(|line| line["monitor"] == name)
    };
    until("the monitor without a secret is up", || state("plain").filter(|line| line["state"] == "up"));
    let waiting = state("needs").expect("listed");
    assert_eq!(waiting["state"], "pending", "{waiting}");
    assert!(waiting.to_string().contains("the Secret Service is locked"), "{waiting}");
    session.unlock();
    until("the monitor with the secret is up", || state("needs").filter(|line| line["state"] == "up"));
    assert!(seen.try_iter().any(|token| token == "opened"));
    let _ = child.kill();
    let _ = child.wait();
}

/// The password of the store is in a keychain that is locked at the start: checks go on and nothing is lost; once it is
/// unlocked, the server has everything from the first check on.
#[test]
fn a_store_waits_for_its_password_while_checks_go_on() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("runtime");
    let server_of_rows = TestServer::start(&Wanted::default()).expect("PostgreSQL is on this machine");
    let settings = runtime.block_on(server_of_rows.database("waiting"));
    let mut session = Session::unlocked();
    session.set("pg", &settings.password).expect(0);
    session.end_keychain();
    session.start_keyring(None);
    let (url, seen) = server();
    let config = session.write_config(&format!(
        "storage:\n  backend: postgres\n  postgres:\n    host: 127.0.0.1\n    port: {}\n    database: waiting\n    user: {}\n    \
         password: \"${{secret:pg}}\"\nmonitoring:\n  groups:\n    - name: all\n      monitors:\n        - {{name: plain, \
         type: http, url: \"{url}\", interval: 1s}}\n",
        settings.port, settings.user
    ));
    let looked = session.run(&["storage", "test", "--config", &config]);
    assert_ne!(looked.code, Some(0), "it cannot be opened yet");
    let mut child = session
        .hallmonitor(&["run", "--config", &config])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("starts");
    for _ in 0..3 {
        seen.recv_timeout(Duration::from_secs(20)).expect("checks go on");
    }
    session.unlock();
    let rows = || -> Option<i64> {
        runtime.block_on(async {
            let mut admin = server_of_rows.admin("waiting").await;
            sqlx::query_scalar("SELECT count(*) FROM hallmonitor.result").fetch_one(&mut admin).await.ok()
        })
    };
    let delivered = until("rows reach the server", || rows().filter(|rows| *rows > 0));
    assert!(delivered >= 3, "{delivered} rows: those from before it was unlocked too");
    let _ = child.kill();
    let _ = child.wait();
}
