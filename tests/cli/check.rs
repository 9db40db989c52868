//! `check`.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::thread;

use serde_json::Value;

use crate::{closed_port, json_lines, run, run_in, write_config};

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
