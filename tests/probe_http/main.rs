//! Kind `http` against real servers: good ones, broken ones and hostile ones.
#![allow(clippy::expect_used, reason = "a test fails by it")]

#[path = "../support/mod.rs"]
mod support;
mod tls;

use std::sync::mpsc;
use std::time::Duration;

use hallmonitor::model::{FactKey, Failure};
use hallmonitor::probe::net::ResolveError;
use hallmonitor::probe::{KindConfig, Observation};
use serde_json::{Value, json};
use support::server::{Server, ok, redirect};
use support::{
    Fails, Silent, SilentPort, Slow, assert_fails, assert_up, check_in, env, env_with_names, env_with_resolver,
};
use tokio::io::AsyncWriteExt;

const LONG: Duration = Duration::from_secs(10);
const SHORT: Duration = Duration::from_millis(700);

async fn check(settings: Value) -> Observation {
    check_in(&env(), "http", settings, LONG).await
}

async fn get(server: &Server, timeout: Duration) -> Observation {
    check_in(&env(), "http", json!({"url": server.url("/")}), timeout).await
}

// What is asked and what is told.

#[tokio::test]
async fn a_good_answer_is_up_and_its_facts_are_told() {
    let server = Server::answering(
        "HTTP/1.1 200 OK\r\ncONTENT-tYPE: text/html\r\nServer: nginx\r\nCache-Control: no-store\r\nContent-Length: 5\r\n\r\nhello",
    )
    .await;
    let seen = get(&server, LONG).await;
    assert_up(&seen);
    let facts = &seen.facts;
    assert_eq!(facts.text(FactKey::Peer), Some(server.addr.to_string().as_str()));
    assert_eq!(facts.number(FactKey::HttpStatus), Some(200));
    assert_eq!(facts.number(FactKey::HttpBytes), Some(5));
    assert_eq!(facts.number(FactKey::HttpContentLength), Some(5));
    assert_eq!(facts.text(FactKey::HttpContentType), Some("text/html"));
    assert_eq!(facts.text(FactKey::HttpServer), Some("nginx"));
    assert_eq!(facts.text(FactKey::HttpCacheControl), Some("no-store"));
    assert_eq!(facts.text(FactKey::HttpVersion), Some("HTTP/1.1"));
    assert_eq!(facts.number(FactKey::HttpRedirects), None);
    assert_eq!(facts.text(FactKey::HttpFinalUrl), None);
    assert_eq!(facts.number(FactKey::TlsExpires), None);
    let phases = seen.phases;
    assert_eq!((phases.name_us, phases.tls_us), (None, None));
    assert!(phases.connect_us.is_some() && phases.first_byte_us.is_some());
    assert!(phases.connect_us <= phases.total_us && phases.first_byte_us <= phases.total_us);
}

#[tokio::test]
async fn the_request_is_a_plain_get() {
    let server = Server::answering(ok("")).await;
    assert_up(&check(json!({"url": server.url("/status?a=b#part")})).await);
    let head = &server.heads()[0];
    assert!(head.starts_with("GET /status?a=b HTTP/1.1\r\n"), "{head}");
    assert!(head.contains(&format!("\r\nhost: {}\r\n", server.addr)), "{head}");
    assert!(head.contains(concat!("\r\nuser-agent: HallMonitor/", env!("CARGO_PKG_VERSION"), "\r\n")), "{head}");
    assert!(!head.contains("accept-encoding") && !head.contains("content-length"), "{head}");
}

#[tokio::test]
async fn configured_headers_host_and_user_agent_are_sent() {
    let server = Server::answering(ok("")).await;
    let headers = json!({"Host": "blog.example", "User-Agent": "me/1", "X-Token": "t"});
    assert_up(&check(json!({"url": server.url("/"), "headers": headers})).await);
    let head = &server.heads()[0];
    for line in ["host: blog.example", "user-agent: me/1", "x-token: t"] {
        assert_eq!(head.matches(&format!("\r\n{line}\r\n")).count(), 1, "{head}");
    }
    assert_eq!(head.matches("host: ").count(), 1, "{head}");
}

#[tokio::test]
async fn user_information_is_basic_authentication_and_never_shown() {
    let server = Server::answering(redirect("/next")).await;
    let url = format!("http://user:geheim@{}/", server.addr);
    let config = KindConfig::from_object("http", json!({"url": url})).expect("settings");
    assert_eq!(config.target(), format!("http://{}/", server.addr));
    let seen = check(json!({"url": url})).await;
    assert!(server.heads()[0].contains("\r\nauthorization: Basic dXNlcjpnZWhlaW0=\r\n"));
    assert_fails(&seen, Failure::Protocol, &["too many redirects"]);
    assert!(!format!("{seen:?} {config:?}").contains("geheim"));
    assert_eq!(seen.facts.text(FactKey::HttpFinalUrl), Some(server.url("/next").as_str()));
}

#[tokio::test]
async fn a_query_is_sent_and_never_shown() {
    let server = Server::routing(|head| {
        if head.contains("key") { redirect("/next?session=geheim2") } else { redirect("/?key=geheim") }
    })
    .await;
    let url = server.url("/?key=geheim");
    let config = KindConfig::from_object("http", json!({"url": url})).expect("settings");
    assert_eq!(config.target(), server.url("/?…"));
    let seen = check(json!({"url": url})).await;
    assert!(server.heads()[0].starts_with("GET /?key=geheim HTTP/1.1\r\n"));
    assert!(server.heads()[1].starts_with("GET /next?session=geheim2 HTTP/1.1\r\n"));
    assert_fails(&seen, Failure::Protocol, &["too many redirects"]);
    assert_eq!(seen.facts.text(FactKey::HttpFinalUrl), Some(server.url("/?…").as_str()));
    assert!(!format!("{seen:?} {config:?}").contains("geheim"));
}

#[tokio::test]
async fn bodies_of_every_framing_are_counted() {
    for (answer, bytes, length) in [
        (
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n3;x=y\r\nabc\r\n0\r\nT: r\r\n\r\n",
            8,
            None,
        ),
        ("HTTP/1.0 200 OK\r\n\r\nuntil the end", 13, None),
        ("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", 0, Some(0)),
    ] {
        let server = Server::answering(answer).await;
        let seen = get(&server, LONG).await;
        assert_up(&seen);
        assert_eq!(seen.facts.number(FactKey::HttpBytes), Some(bytes));
        assert_eq!(seen.facts.number(FactKey::HttpContentLength), length);
    }
}

#[tokio::test]
async fn ipv6_and_names_are_reached() {
    let v6 = Server::start("::1", |mut stream, heads| async move {
        heads.read(&mut stream).await;
        stream.write_all(ok("").as_bytes()).await.expect("writes");
    })
    .await;
    assert_up(&get(&v6, LONG).await);
    let server = Server::answering(ok("")).await;
    let env = env_with_names(&[("nas", &["::1", "127.0.0.1"])]);
    let url = format!("http://nas:{}/", server.addr.port());
    let seen = check_in(&env, "http", json!({"url": url}), LONG).await;
    assert_up(&seen);
    assert!(seen.phases.name_us.is_some());
    assert!(server.heads()[0].contains(&format!("host: nas:{}", server.addr.port())));
}

// Status.

#[tokio::test]
async fn only_the_expected_status_is_up() {
    for (status, expected, up) in
        [(200, 200, true), (204, 204, true), (404, 404, true), (500, 200, false), (201, 200, false)]
    {
        let server = Server::answering(format!("HTTP/1.1 {status} X\r\nContent-Length: 0\r\n\r\n")).await;
        let seen = check(json!({"url": server.url("/"), "expectedStatus": expected})).await;
        if up {
            assert_up(&seen);
        } else {
            let words = format!("unexpected status code: {status} (expected {expected})");
            assert_fails(&seen, Failure::Assertion, &[&words]);
        }
        assert_eq!(seen.facts.number(FactKey::HttpStatus), Some(status));
    }
}

// Redirects.

/// Redirects `/N` to `/N-1` and answers `/0`.
async fn stairs() -> Server {
    Server::routing(|head| {
        let path = head.split(' ').nth(1).expect("a path");
        match path.trim_start_matches('/').parse::<u32>() {
            Ok(0) | Err(_) => ok("down"),
            Ok(step) => redirect(&format!("{}", step - 1)),
        }
    })
    .await
}

#[tokio::test]
async fn four_redirects_pass_and_the_fifth_fails() {
    let server = stairs().await;
    let seen = check(json!({"url": server.url("/4")})).await;
    assert_up(&seen);
    assert_eq!(seen.facts.number(FactKey::HttpRedirects), Some(4));
    assert_eq!(seen.facts.number(FactKey::HttpStatus), Some(200));
    assert_eq!(seen.facts.text(FactKey::HttpFinalUrl), Some(server.url("/0").as_str()));
    let seen = check(json!({"url": server.url("/5")})).await;
    assert_fails(&seen, Failure::Protocol, &["too many redirects", "4 were followed"]);
    assert_eq!(seen.facts.number(FactKey::HttpStatus), Some(302));
    assert_eq!(server.heads().len(), 5 + 5);
}

#[tokio::test]
async fn redirects_for_ever_end() {
    let server = Server::answering(redirect("/")).await;
    assert_fails(&get(&server, LONG).await, Failure::Protocol, &["too many redirects"]);
    assert_eq!(server.heads().len(), 5);
}

#[tokio::test]
async fn an_expected_redirect_is_not_followed() {
    let server = Server::answering(redirect("/elsewhere")).await;
    assert_up(&check(json!({"url": server.url("/"), "expectedStatus": 302})).await);
    assert_eq!(server.heads().len(), 1);
    let seen = check(json!({"url": server.url("/"), "expectedStatus": 301})).await;
    assert_fails(&seen, Failure::Assertion, &["302 (expected 301)"]);
}

#[tokio::test]
async fn a_redirect_without_an_address_is_an_answer() {
    let server = Server::answering("HTTP/1.1 302 Found\r\nContent-Length: 0\r\n\r\n").await;
    assert_fails(&get(&server, LONG).await, Failure::Assertion, &["302 (expected 200)"]);
}

#[tokio::test]
async fn secrets_are_not_carried_to_another_server() {
    let other = Server::answering(ok("")).await;
    let to = other.url("/");
    let server = Server::routing(move |_| redirect(&to)).await;
    let url = format!("http://user:pw@{}/", server.addr);
    let headers = json!({"Cookie": "c=1", "X-Api-Key": "k", "Host": "vhost", "User-Agent": "me"});
    assert_up(&check(json!({"url": url, "headers": headers})).await);
    let (first, second) = (&server.heads()[0], &other.heads()[0]);
    for secret in ["authorization", "cookie", "x-api-key", "vhost"] {
        assert!(first.contains(secret) && !second.contains(secret), "{secret}:\n{first}\n{second}");
    }
    assert!(second.contains("user-agent: me") && second.contains(&format!("host: {}", other.addr)), "{second}");
}

#[tokio::test]
async fn redirects_lead_only_to_the_web() {
    for location in ["file:///etc/passwd", "gopher://127.0.0.1/", "http://", "javascript:alert(1)"] {
        let server = Server::answering(redirect(location)).await;
        assert_fails(&get(&server, LONG).await, Failure::Protocol, &["redirect"]);
    }
}

#[tokio::test]
async fn redirects_never_lead_to_metadata_addresses() {
    let env = env_with_names(&[("metadata", &["169.254.169.254"])]);
    for location in [
        "http://169.254.169.254/latest/meta-data/",
        "http://metadata/",
        "//[fe80::1]/",
        "http://[fd00:ec2::254]/",
        "http://[::ffff:a9fe:a9fe]/",
    ] {
        let server = Server::answering(redirect(location)).await;
        let seen = check_in(&env, "http", json!({"url": server.url("/")}), LONG).await;
        assert_fails(&seen, Failure::Permission, &["the redirect to", "is not followed", "link-local"]);
    }
}

#[tokio::test]
async fn names_never_lead_to_metadata_addresses() {
    let server = Server::answering(ok("")).await;
    let env = env_with_names(&[("metadata", &["169.254.169.254"]), ("both", &["169.254.169.254", "127.0.0.1"])]);
    let get = async |name: &str| {
        let url = format!("http://{name}:{}/", server.addr.port());
        check_in(&env, "http", json!({"url": url}), LONG).await
    };
    assert_fails(&get("metadata").await, Failure::Permission, &["http://metadata", "is not asked: 169.254.169.254"]);
    let seen = get("both").await;
    assert_up(&seen);
    assert_eq!(seen.facts.text(FactKey::Peer), Some(server.addr.to_string().as_str()));
}

#[test]
fn a_written_address_may_be_any() {
    support::in_own_process(
        "child_with_metadata",
        "exec unshare -rn sh -ec 'ip link set lo up; ip addr add 169.254.169.254/32 dev lo; exec TEST'",
    );
}

#[test]
#[ignore = "needs a network of its own: run by another test"]
fn child_with_metadata() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let server = Server::start("169.254.169.254", |mut stream, heads| async move {
            let head = heads.read(&mut stream).await;
            let again = if head.contains("/once") { redirect("/") } else { ok("") };
            stream.write_all(again.as_bytes()).await.expect("writes");
        })
        .await;
        assert_up(&check(json!({"url": server.url("/once")})).await);
        let names = env_with_names(&[("metadata", &["169.254.169.254"])]);
        let url = format!("http://metadata:{}/", server.addr.port());
        let seen = check_in(&names, "http", json!({"url": url}), LONG).await;
        assert_fails(&seen, Failure::Permission, &["is not asked"]);
        assert_eq!(server.heads().len(), 2);
    });
}

// The network fails.

#[tokio::test]
async fn every_failure_of_the_network_has_its_own_type() {
    let (addr, _guard) = support::refused("127.0.0.1");
    let seen = check(json!({"url": format!("http://{addr}/status?dns")})).await;
    assert_fails(&seen, Failure::Connect, &["connection refused"]);
    let silent = SilentPort::open("127.0.0.1");
    let seen = check_in(&env(), "http", json!({"url": format!("http://{}/", silent.addr)}), SHORT).await;
    assert_fails(&seen, Failure::Timeout, &["timed out after 700 ms while connecting"]);
    let missing = env_with_names(&[]);
    let seen = check_in(&missing, "http", json!({"url": "http://timeout.example/"}), LONG).await;
    assert_fails(&seen, Failure::Dns, &["timeout.example", "does not exist"]);
    let broken = env_with_resolver(Fails(ResolveError::Failed("temporary failure".to_owned())));
    let seen = check_in(&broken, "http", json!({"url": "http://nas/"}), LONG).await;
    assert_fails(&seen, Failure::Resolver, &["this machine's resolver"]);
}

#[tokio::test]
async fn a_silent_resolver_is_no_fault_of_the_target() {
    let (over, wait) = mpsc::channel();
    let env = env_with_resolver(Silent(wait.into()));
    let seen = check_in(&env, "http", json!({"url": "http://nas/"}), SHORT).await;
    assert_fails(&seen, Failure::Resolver, &["no answer for nas within 700 ms"]);
    drop(over);
}

#[tokio::test]
async fn a_resolver_that_leaves_no_time_is_no_fault_of_the_target() {
    let (addr, _guard) = support::refused("127.0.0.1");
    let env = env_with_resolver(Slow(Duration::from_millis(1_850)));
    let url = format!("http://nas:{}/", addr.port());
    let seen = check_in(&env, "http", json!({"url": url}), Duration::from_secs(2)).await;
    assert_fails(&seen, Failure::Resolver, &["looking up nas took 1.", "of the 2 s"]);
}

#[tokio::test]
async fn a_resolver_that_gets_only_what_a_redirect_left_is_not_accused() {
    let (over, wait) = mpsc::channel();
    let env = env_with_resolver(Silent(wait.into()));
    let server = Server::answering(redirect("http://nas/")).await;
    let seen = check_in(&env, "http", json!({"url": server.url("/")}), SHORT).await;
    assert_fails(&seen, Failure::Timeout, &["timed out after 700 ms while looking up nas"]);
    drop(over);
}

#[tokio::test]
async fn a_reset_is_a_failure_to_connect() {
    let server = Server::start("127.0.0.1", |mut stream, heads| async move {
        heads.read(&mut stream).await;
        stream.set_zero_linger().expect("lingers not");
    })
    .await;
    assert_fails(&get(&server, LONG).await, Failure::Connect, &["broke before the answer", "reset"]);
}

// Hostile servers.

#[tokio::test]
async fn a_server_that_never_answers_times_out() {
    // One accepts and stays silent, one sends half a head.
    for start in ["", "HTTP/1.1 200 OK\r\nX-Half"] {
        let server = Server::start("127.0.0.1", move |mut stream, heads| async move {
            heads.read(&mut stream).await;
            stream.write_all(start.as_bytes()).await.expect("writes");
            std::future::pending::<()>().await;
        })
        .await;
        let seen = check_in(&env(), "http", json!({"url": server.url("/status/dns/tls")}), SHORT).await;
        assert_fails(&seen, Failure::Timeout, &["timed out after 700 ms while waiting for the answer"]);
        assert!(seen.phases.connect_us.is_some());
    }
}

#[tokio::test]
async fn a_byte_now_and_then_times_out() {
    for (start, doing) in
        [("", "waiting for the answer"), ("HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n", "reading the body (")]
    {
        let server = Server::start("127.0.0.1", move |mut stream, heads| async move {
            heads.read(&mut stream).await;
            stream.write_all(start.as_bytes()).await.expect("writes");
            while stream.write_all(b"H").await.is_ok() {
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        })
        .await;
        assert_fails(&get(&server, SHORT).await, Failure::Timeout, &["timed out after 700 ms", doing]);
    }
}

#[tokio::test]
async fn an_endless_body_ends_at_its_bound() {
    for start in ["HTTP/1.1 200 OK\r\n\r\n", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"] {
        let piece = if start.contains("chunked") { b"4\r\nabcd\r\n".repeat(2_000) } else { vec![b'x'; 16_384] };
        let server = Server::endless(start, piece).await;
        let seen = check(json!({"url": server.url("/"), "maxBody": 300_000})).await;
        assert_fails(&seen, Failure::Protocol, &["at most 300000 bytes", "raise `maxBody`"]);
        let read = seen.facts.number(FactKey::HttpBytes).expect("counted");
        assert!((300_001..500_000).contains(&read), "{read}");
    }
}

#[tokio::test]
async fn ten_gigabytes_are_refused_unread() {
    let server = Server::endless("HTTP/1.1 200 OK\r\nContent-Length: 10737418240\r\n\r\n", vec![b'x'; 16_384]).await;
    let seen = get(&server, LONG).await;
    assert_fails(&seen, Failure::Protocol, &["is 10737418240 bytes", "at most 10485760 bytes", "raise `maxBody`"]);
    assert_eq!(seen.facts.number(FactKey::HttpBytes), Some(0));
}

#[tokio::test]
async fn a_gzip_bomb_stays_packed() {
    // What a kilobyte of this would become is never known: it is counted as it comes.
    let bomb = [&[0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff][..], &[0u8; 1_000]].concat();
    let mut answer =
        format!("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: {}\r\n\r\n", bomb.len()).into_bytes();
    answer.extend(&bomb);
    let server = Server::answering(answer).await;
    let seen = check(json!({"url": server.url("/"), "maxBody": 2_000})).await;
    assert_up(&seen);
    assert_eq!(seen.facts.number(FactKey::HttpBytes), Some(1_010));
    let seen = check(json!({"url": server.url("/"), "maxBody": 1_000})).await;
    assert_fails(&seen, Failure::Protocol, &["raise `maxBody`"]);
}

#[tokio::test]
async fn answers_that_break_off_break_the_protocol() {
    for (answer, part) in [
        ("", "closed without an answer"),
        ("HTTP/1.1 200 OK\r\nContent-Len", "in the middle of the answer's head"),
        ("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf", "body"),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel", "body"),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n", "body"),
    ] {
        let server = Server::answering(answer).await;
        assert_fails(&get(&server, LONG).await, Failure::Protocol, &[part]);
    }
}

#[tokio::test]
async fn what_is_no_http_breaks_the_protocol() {
    for answer in [
        "SSH-2.0-OpenSSH_9.2\r\n\r\n",
        "220 mail.example ESMTP\r\n",
        "HTTP/1.1 abc OK\r\n\r\n",
        "HTTP/1.1 200 OK\r\nbad header\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nZZ\r\nhello\r\n",
        "HTTP/9.9 200 OK\r\n\r\n",
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        "\0\x01\x02\x03\r\n\r\n",
    ] {
        let server = Server::answering(answer).await;
        assert_fails(&get(&server, LONG).await, Failure::Protocol, &["breaks HTTP"]);
    }
}

#[tokio::test]
async fn endless_heads_are_cut_off() {
    for (start, again, part) in [
        ("HTTP/1.1 200 OK\r\n", "X-Header: and so on\r\n", "64 KiB and 100 headers"),
        ("HTTP/1.1 200 OK\r\nX-Long: ", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "64 KiB and 100 headers"),
        ("HTTP/1.1 200 ", "OKOKOKOKOKOKOKOKOKOKOKOKOKOK", "64 KiB and 100 headers"),
        ("", "HTTP/1.1 100 Continue\r\n\r\n", "more than 256 KiB came"),
        ("", "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n", "more than 256 KiB came"),
    ] {
        let server = Server::endless(start, again.repeat(500)).await;
        assert_fails(&get(&server, LONG).await, Failure::Protocol, &[part]);
    }
}

#[tokio::test]
async fn informational_answers_are_passed_over() {
    let server =
        Server::answering(format!("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\n\r\n{}", ok("x"))).await;
    assert_up(&get(&server, LONG).await);
}

#[tokio::test]
async fn a_split_answer_is_one_answer() {
    // A second answer smuggled into a header or behind the body is not looked at.
    let smuggled = format!("{}{}", ok("first"), "HTTP/1.1 500 Bad\r\nContent-Length: 0\r\n\r\n");
    let server = Server::answering(smuggled).await;
    let seen = get(&server, LONG).await;
    assert_up(&seen);
    assert_eq!(seen.facts.number(FactKey::HttpBytes), Some(5));
}

#[tokio::test]
async fn hostile_text_is_cleaned_and_bounded() {
    let server = Server::answering(
        [
            b"HTTP/1.1 200 OK\r\nServer: \xff\xfe<script>\t\xe2\x80\xae".as_slice(),
            &[b'A'; 5_000],
            b"\r\nContent-Length: 0\r\n\r\n",
        ]
        .concat(),
    )
    .await;
    let seen = get(&server, LONG).await;
    assert_up(&seen);
    let text = seen.facts.text(FactKey::HttpServer).expect("a server");
    assert!(text.len() <= 512 && !text.contains(['\t', '\u{202e}']), "{text:?}");
}

#[tokio::test]
async fn settings_that_are_no_good_are_our_fault() {
    let config = KindConfig::from_object("http", json!({"url": "ftp://user:geheim@nas"})).expect("settings");
    let env = env();
    let attempt = hallmonitor::probe::Attempt::start(env.clock.clone(), LONG);
    let seen = config.probe(&env).run(&attempt).await;
    assert_fails(&seen, Failure::Internal, &["http or https"]);
    assert!(!seen.message.contains("geheim"));
}
