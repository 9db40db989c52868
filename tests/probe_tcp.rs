//! Kind `tcp` against real sockets.
#![allow(clippy::expect_used, reason = "a test fails by it")]

mod support;

use std::sync::mpsc;
use std::time::Duration;

use hallmonitor::model::{FactKey, Failure};
use hallmonitor::probe::net::ResolveError;
use hallmonitor::probe::{Observation, ProbeEnv};
use serde_json::json;
use support::server::Server;
use support::{
    Fails, Silent, SilentPort, Slow, assert_fails, assert_up, check_in, env, env_with_names, env_with_resolver,
};

const LONG: Duration = Duration::from_secs(10);
const SHORT: Duration = Duration::from_millis(700);

async fn open(ip: &str) -> Server {
    Server::start(ip, |stream, _| async move { drop(stream) }).await
}

async fn check(env: &ProbeEnv, target: impl ToString, timeout: Duration) -> Observation {
    check_in(env, "tcp", json!({"target": target.to_string()}), timeout).await
}

#[tokio::test]
async fn an_open_port_is_up() {
    let server = open("127.0.0.1").await;
    let seen = check(&env(), server.addr, LONG).await;
    assert_up(&seen);
    assert_eq!(seen.facts.text(FactKey::Peer), Some(server.addr.to_string().as_str()));
    assert_eq!(seen.facts.number(FactKey::TcpPort), Some(i64::from(server.addr.port())));
    assert_eq!(seen.facts.number(FactKey::TcpConnected), Some(1));
    assert_eq!(seen.phases.name_us, None, "an address is not looked up");
    assert!(seen.phases.connect_us.is_some());
}

#[tokio::test]
async fn every_way_to_write_the_target_is_up() {
    let (v4, v6) = (open("127.0.0.1").await, open("::1").await);
    for settings in [
        json!({"target": "127.0.0.1", "port": v4.addr.port()}),
        json!({"target": "localhost", "port": v4.addr.port()}),
        json!({"target": v6.addr.to_string()}),
        json!({"target": "::1", "port": v6.addr.port()}),
        json!({"target": "[::1]", "port": v6.addr.port()}),
    ] {
        assert_up(&check_in(&env(), "tcp", settings, LONG).await);
    }
}

#[tokio::test]
async fn a_name_has_a_phase_of_its_own() {
    let server = open("127.0.0.1").await;
    let env = env_with_names(&[("nas", &["127.0.0.1"])]);
    let seen = check(&env, format!("nas:{}", server.addr.port()), LONG).await;
    assert_up(&seen);
    assert!(seen.phases.name_us.is_some());
}

#[tokio::test]
async fn a_closed_port_is_refused() {
    let (addr, _guard) = support::refused("127.0.0.1");
    let seen = check(&env(), addr, LONG).await;
    assert_fails(&seen, Failure::Connect, &["connection refused", &addr.to_string()]);
    assert_eq!(seen.facts.number(FactKey::TcpConnected), Some(0));
}

#[tokio::test]
async fn a_silent_host_times_out_while_connecting() {
    let silent = SilentPort::open("127.0.0.1");
    let seen = check(&env(), silent.addr, SHORT).await;
    assert_fails(&seen, Failure::Timeout, &["timed out after 700 ms", "connecting to", &silent.addr.to_string()]);
}

#[tokio::test]
async fn a_name_that_does_not_exist_is_dns() {
    let seen = check(&env_with_names(&[]), "status.example:80", LONG).await;
    assert_fails(&seen, Failure::Dns, &["status.example", "does not exist"]);
    assert!(seen.phases.name_us.is_some());
}

#[tokio::test]
async fn a_broken_or_silent_resolver_is_no_fault_of_the_target() {
    let broken = env_with_resolver(Fails(ResolveError::Failed("temporary failure in name resolution".to_owned())));
    let seen = check(&broken, "nas:80", LONG).await;
    assert_fails(&seen, Failure::Resolver, &["this machine's resolver", "temporary failure"]);
    let (over, wait) = mpsc::channel();
    let silent = env_with_resolver(Silent(wait.into()));
    let seen = check(&silent, "nas:80", SHORT).await;
    assert_fails(&seen, Failure::Resolver, &["no answer for nas within 700 ms"]);
    drop(over);
}

#[tokio::test]
async fn a_slow_resolver_that_leaves_no_time_is_no_fault_of_the_target() {
    let (addr, _guard) = support::refused("127.0.0.1");
    let slow = env_with_resolver(Slow(Duration::from_millis(1_850)));
    let seen = check(&slow, format!("nas:{}", addr.port()), Duration::from_secs(2)).await;
    assert_fails(&seen, Failure::Resolver, &["looking up nas took 1.", "of the 2 s"]);
}

#[tokio::test]
async fn a_dead_family_is_no_false_down() {
    let server = open("127.0.0.1").await;
    let env = env_with_names(&[("nas", &["::1", "127.0.0.1"])]);
    let seen = check(&env, format!("nas:{}", server.addr.port()), LONG).await;
    assert_up(&seen);
    assert_eq!(seen.facts.text(FactKey::Peer), Some(server.addr.to_string().as_str()));
}

#[tokio::test]
async fn a_silent_address_gives_way_to_the_next() {
    // The same port on two addresses: one never answers, one does.
    let silent = SilentPort::open("127.0.0.2");
    let port = silent.addr.port();
    let listener = tokio::net::TcpListener::bind(("127.0.0.3", port)).await.expect("binds");
    let env = env_with_names(&[("nas", &["127.0.0.2", "127.0.0.3"])]);
    let seen = check(&env, format!("nas:{port}"), Duration::from_secs(4)).await;
    assert_up(&seen);
    assert_eq!(seen.facts.text(FactKey::Peer), Some(format!("127.0.0.3:{port}").as_str()));
    // RFC 8305: the next address starts 250 ms after the first.
    assert!(seen.phases.connect_us.is_some_and(|us| us >= 240_000), "{seen:?}");
    drop(listener);
}

#[tokio::test]
async fn all_addresses_are_named_when_all_fail() {
    let (addr, _guard) = support::refused("127.0.0.1");
    let env = env_with_names(&[("nas", &["127.0.0.1", "127.0.0.2"])]);
    let seen = check(&env, format!("nas:{}", addr.port()), LONG).await;
    assert_fails(&seen, Failure::Connect, &["127.0.0.1:", "127.0.0.2:", "refused"]);
}

#[test]
fn used_up_descriptors_are_our_fault_and_pass() {
    support::in_own_process("child_with_few_descriptors", "ulimit -n 64; exec TEST");
}

#[test]
#[ignore = "needs few descriptors: run by another test"]
fn child_with_few_descriptors() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let server = open("127.0.0.1").await;
        let mut held = Vec::new();
        while let Ok(file) = std::fs::File::open("/dev/null") {
            held.push(file);
            assert!(held.len() < 1_000, "descriptors are not bounded");
        }
        let seen = check(&env(), server.addr, LONG).await;
        assert_fails(&seen, Failure::Resources, &["too many open files", "limit of open files"]);
        drop(held);
        assert_up(&check(&env(), server.addr, LONG).await);
    });
}

#[test]
fn used_up_ports_are_our_fault() {
    support::in_own_process(
        "child_without_ports",
        "exec unshare -rn sh -c 'ip link set lo up; echo 40000 40001 > /proc/sys/net/ipv4/ip_local_port_range; exec TEST'",
    );
}

#[test]
#[ignore = "needs a network of its own: run by another test"]
fn child_without_ports() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:1234").await.expect("binds");
        let mut held = Vec::new();
        while let Ok(stream) = tokio::net::TcpStream::connect("127.0.0.1:1234").await {
            held.push(stream);
            assert!(held.len() < 10, "ports are not bounded");
        }
        let seen = check(&env(), "127.0.0.1:1234", LONG).await;
        assert_fails(&seen, Failure::Resources, &["all local ports"]);
        drop(listener);
    });
}

#[test]
fn missing_routes_are_our_fault_and_a_host_that_is_off_is_not() {
    support::in_own_process(
        "child_with_own_routes",
        "exec unshare -rn sh -ec 'ip link set lo up; ip link add v0 type veth peer name v1; ip addr add 10.9.0.1/24 dev v0; \
         ip link set v0 up; ip link set v1 up; ip route add unreachable 10.8.0.0/24; ip route add prohibit 10.7.0.0/24; \
         ip route add blackhole 10.6.0.0/24; exec TEST'",
    );
}

#[test]
#[ignore = "needs a network of its own: run by another test"]
fn child_with_own_routes() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let env = env_with_names(&[("dual", &["2001:db8::1", "10.9.0.1"]), ("away", &["2001:db8::1", "192.0.2.1"])]);
        for target in ["192.0.2.1:80", "[2001:db8::1]:80", "away:80", "10.8.0.1:80", "10.6.0.1:80"] {
            let seen = check(&env, target, LONG).await;
            assert_fails(&seen, Failure::NoRoute, &["no route to"]);
        }
        assert_fails(&check(&env, "10.7.0.1:80", LONG).await, Failure::Permission, &["10.7.0.1:80", "firewall"]);
        // Nobody answers for this neighbour: the host is off.
        let seen = check(&env, "10.9.0.2:80", LONG).await;
        assert_fails(&seen, Failure::Connect, &["cannot connect to 10.9.0.2:80"]);
        // One family has no route, the other answers with a refusal: the target's.
        assert_fails(&check(&env, "dual:80", LONG).await, Failure::Connect, &["no route", "refused"]);
        let server = open("10.9.0.1").await;
        assert_up(&check(&env, format!("dual:{}", server.addr.port()), LONG).await);
    });
}
