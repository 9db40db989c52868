//! Certificates of all sorts.

use std::sync::Arc;

use hallmonitor::clock::{Clock, SetClock, SystemClock};
use hallmonitor::model::{FactKey, Failure, Verdict};
use hallmonitor::probe::{Attempt, KindConfig, Observation, ProbeEnv};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::support::server::{Server, ok, redirect};
use crate::support::tls::{Authority, Certificate, self_signed};
use crate::support::{assert_fails, assert_up, check_in, env, env_with_names, in_own_process};
use crate::{LONG, SHORT};

async fn get_tls(env: &ProbeEnv, server: &Server, more: Value) -> Observation {
    let mut settings = json!({"url": format!("https://{}/", server.addr)});
    for (key, value) in more.as_object().expect("an object") {
        settings[key] = value.clone();
    }
    check_in(env, "http", settings, LONG).await
}

fn trusting(authority: &Authority) -> ProbeEnv {
    let env = env_with_names(&[("nas.example", &["127.0.0.1"])]);
    authority.trusted_in(&env);
    env
}

#[tokio::test]
async fn a_trusted_certificate_is_up_and_its_facts_are_told() {
    let authority = Authority::named("test authority");
    let server = authority.server(&Certificate::default(), ok("secure")).await;
    let seen = get_tls(&trusting(&authority), &server, json!({})).await;
    assert_up(&seen);
    assert_eq!(seen.facts.number(FactKey::TlsDaysLeft), Some(365));
    assert!(seen.facts.number(FactKey::TlsExpires).is_some());
    assert_eq!(seen.facts.text(FactKey::TlsVersion), Some("TLSv1.3"));
    assert!(seen.facts.text(FactKey::TlsIssuer).is_some_and(|text| text.contains("test authority")));
    assert!(seen.facts.text(FactKey::TlsSubject).is_some_and(|text| text.contains("leaf of 127.0.0.1")));
    assert_eq!(seen.facts.number(FactKey::HttpBytes), Some(6));
    assert!(seen.phases.tls_us.is_some_and(|us| us > 0));
}

#[tokio::test]
async fn a_name_is_asked_for_and_found_in_the_certificate() {
    let authority = Authority::named("test authority");
    let server = authority.server(&Certificate { name: "nas.example", ..Certificate::default() }, ok("")).await;
    let url = format!("https://nas.example:{}/", server.addr.port());
    let seen = check_in(&trusting(&authority), "http", json!({"url": url}), LONG).await;
    assert_up(&seen);
}

#[tokio::test]
async fn a_certificate_that_ends_soon_is_degraded() {
    let authority = Authority::named("test authority");
    let server = authority.server(&Certificate { days: (-60, 12), ..Certificate::default() }, ok("")).await;
    let env = trusting(&authority);
    for (days, warns) in [(json!({}), true), (json!({"sslCertExpiryWarningDays": 0}), true)]
        .into_iter()
        .chain([(json!({"sslCertExpiryWarningDays": 7}), false), (json!({"sslCertExpiryWarningDays": -1}), false)])
    {
        let seen = get_tls(&env, &server, days).await;
        assert_eq!(seen.facts.number(FactKey::TlsDaysLeft), Some(12));
        if warns {
            assert_eq!((seen.verdict, seen.failure), (Verdict::Degraded, Some(Failure::Assertion)), "{seen:?}");
            assert!(seen.message.starts_with("certificate expires in 12 days (on 2"), "{}", seen.message);
        } else {
            assert_up(&seen);
        }
    }
    let broken = authority
        .server(&Certificate { days: (-60, 12), ..Certificate::default() }, ok("").replace("200", "500"))
        .await;
    assert_fails(&get_tls(&env, &broken, json!({})).await, Failure::Assertion, &["unexpected status code: 500"]);
}

#[tokio::test]
async fn refused_certificates_say_why_and_still_tell_their_end() {
    let authority = Authority::named("test authority");
    let env = trusting(&authority);
    let expired = authority.server(&Certificate { days: (-60, -5), ..Certificate::default() }, ok("")).await;
    let early = authority.server(&Certificate { days: (5, 60), ..Certificate::default() }, ok("")).await;
    let wrong = authority.server(&Certificate { name: "other.example", ..Certificate::default() }, ok("")).await;
    let own = self_signed(&Certificate::default(), ok("")).await;
    let stranger = Authority::named("stranger").server(&Certificate::default(), ok("")).await;
    for (server, parts, days) in [
        (&expired, vec!["the certificate has expired on 2", "(5 days ago)"], -5),
        (&early, vec!["not valid before 2"], 60),
        (&wrong, vec!["the certificate is for other.example, not for 127.0.0.1"], 365),
        (&own, vec!["self-signed", "leaf of 127.0.0.1"], 365),
        (&stranger, vec!["issuer is not trusted", "stranger"], 365),
    ] {
        let seen = get_tls(&env, server, json!({})).await;
        assert_fails(&seen, Failure::Tls, &parts);
        assert_eq!(seen.facts.number(FactKey::TlsDaysLeft), Some(days), "{seen:?}");
        assert!(seen.facts.text(FactKey::TlsSubject).is_some());
        assert!(server.heads().is_empty(), "nothing is sent to a server that is not trusted");
    }
}

#[tokio::test]
async fn this_machines_trust_refuses_a_strangers_certificate() {
    let server = self_signed(&Certificate::default(), ok("")).await;
    let seen = get_tls(&env(), &server, json!({})).await;
    assert_fails(&seen, Failure::Tls, &["self-signed"]);
    assert_eq!(seen.facts.number(FactKey::TlsDaysLeft), Some(365));
}

#[test]
fn a_machine_that_trusts_nobody_blames_itself() {
    in_own_process("tls::child_without_trust", "SSL_CERT_FILE=/dev/null SSL_CERT_DIR=/nowhere exec TEST");
}

#[test]
#[ignore = "needs an environment of its own: run by another test"]
fn child_without_trust() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let server = self_signed(&Certificate::default(), ok("")).await;
        let seen = get_tls(&env(), &server, json!({})).await;
        assert_fails(&seen, Failure::Secret, &["trusted certificates cannot be read", "install ca-certificates"]);
    });
}

#[tokio::test]
async fn what_is_no_tls_is_tls() {
    let env = trusting(&Authority::named("test authority"));
    let plain = Server::start("127.0.0.1", |mut stream, _| async move {
        // Unread bytes would turn the end into a reset.
        let _ = stream.read(&mut [0; 4096]).await;
        let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
    })
    .await;
    assert_fails(&get_tls(&env, &plain, json!({})).await, Failure::Tls, &["does not answer in TLS"]);
    let closing = Server::start("127.0.0.1", |stream, _| async move { drop(stream) }).await;
    let seen = get_tls(&env, &closing, json!({})).await;
    assert!(matches!(seen.failure, Some(Failure::Tls | Failure::Connect)), "{seen:?}");
}

#[tokio::test]
async fn a_silent_handshake_times_out() {
    let silent = Server::start("127.0.0.1", |stream, _| async move {
        std::future::pending::<()>().await;
        drop(stream);
    })
    .await;
    let env = trusting(&Authority::named("test authority"));
    let seen = check_in(&env, "http", json!({"url": format!("https://{}/", silent.addr)}), SHORT).await;
    assert_fails(&seen, Failure::Timeout, &["timed out after 700 ms while waiting for the TLS handshake"]);
}

#[tokio::test]
async fn a_redirect_to_tls_is_followed_and_drops_the_password() {
    let authority = Authority::named("test authority");
    let secure = authority.server(&Certificate::default(), ok("")).await;
    let to = format!("https://{}/", secure.addr);
    let server = Server::routing(move |_| redirect(&to)).await;
    let url = format!("http://user:pw@{}/", server.addr);
    let seen = check_in(&trusting(&authority), "http", json!({"url": url}), LONG).await;
    assert_up(&seen);
    assert!(seen.phases.tls_us.is_some() && seen.facts.number(FactKey::TlsDaysLeft) == Some(365));
    assert!(!secure.heads()[0].contains("authorization"));
}

#[tokio::test]
async fn a_cut_off_body_is_seen_through_tls() {
    let authority = Authority::named("test authority");
    let answer = "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf".to_owned();
    let server = authority.server(&Certificate::default(), answer).await;
    assert_fails(&get_tls(&trusting(&authority), &server, json!({})).await, Failure::Protocol, &["body"]);
}

/// One check of a server by clocks that the test sets.
async fn get_at(env: &ProbeEnv, server: &Server) -> Observation {
    let settings = json!({"url": format!("https://{}/", server.addr)});
    let config = KindConfig::from_object("http", settings).expect("settings");
    config.probe(env).run(&Attempt::start(env.clock.clone(), LONG)).await
}

#[tokio::test]
async fn a_clock_that_was_set_takes_no_server_down() {
    const DAY_US: u64 = 86_400_000_000;
    let clock = Arc::new(SetClock::at(SystemClock.wall()));
    let env = ProbeEnv::new(clock.clone());
    let authority = Authority::named("test authority");
    authority.trusted_in(&env);
    let good = authority.server(&Certificate::default(), ok("")).await;
    let ended = authority.server(&Certificate { days: (-60, -5), ..Certificate::default() }, ok("")).await;
    assert_up(&get_at(&env, &good).await);
    let right = clock.wall();
    for wrong in [right.plus_us(400 * DAY_US), right.minus_us(20 * DAY_US)] {
        clock.set_wall(wrong);
        let seen = get_at(&env, &good).await;
        assert_fails(&seen, Failure::Internal, &["this machine's clock was set"]);
        assert_eq!(seen.facts.number(FactKey::TlsDaysLeft), Some(365));
    }
    clock.set_wall(right.plus_us(400 * DAY_US));
    assert_fails(&get_at(&env, &ended).await, Failure::Tls, &["the certificate has expired"]);
    // Neither does it make a certificate end soon.
    clock.set_wall(right.plus_us(350 * DAY_US));
    assert_up(&get_at(&env, &good).await);
    // Time that really passed, asleep or not, ends certificates.
    clock.set_wall(right);
    clock.sleep_us(400 * DAY_US);
    assert_fails(&get_at(&env, &good).await, Failure::Tls, &["the certificate has expired"]);
}
