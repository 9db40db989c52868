//! Kind `ping` against real ICMP in network namespaces of its own: each test starts itself again inside `unshare`,
//! where it may do as it likes with addresses, routes and system settings. The kernel's own echo is switched off
//! there, and a responder of ours answers on raw sockets: well, late, twice, wrongly, or not at all.

#![allow(clippy::expect_used, reason = "a test fails by panicking")]

mod support_namespace;
mod support_ping;

use std::collections::BTreeSet;
use std::future::Future;
use std::io::Read as _;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use hallmonitor::clock::{Clock, Mono, SystemClock};
use hallmonitor::model::{FactKey, Failure, UnixMicros, Verdict};
use hallmonitor::probe::net::{Lookup, ResolveError, Resolver};
use hallmonitor::probe::{Attempt, KindConfig, Observation, ProbeEnv};
use serde_json::json;
use socket2::{Domain, Protocol, Socket, Type};

use self::support_namespace::{Namespace, set_hosts, use_up_descriptors};
use self::support_ping::start_responder;

/// Every address of 10.9.0.0/16 and ::1 are this machine's; 10.8.0.0/24 and fd00:8::/64 are unreachable by its own
/// routes and fd00:5::/64 is forbidden by them; all else has no route.
const ADDRESSES: &str = "
    ip link set lo up
    ip address add 10.9.0.1/16 dev lo
    ip route add unreachable 10.8.0.0/24
    ip -6 route add unreachable fd00:8::/64
    ip -6 route add prohibit fd00:5::/64
";
const OWN_ECHO_OFF: &str = "echo 1 > /proc/sys/net/ipv4/icmp_echo_ignore_all\n";
const OWN_V6_ECHO_OFF: &str = "/proc/sys/net/ipv6/icmp/echo_ignore_all";
const ROUTER: &str = include_str!("support_namespace/router.sh");
/// The test's own group is 0.
const ALLOWED: &str = "echo '0 0' > /proc/sys/net/ipv4/ping_group_range\n";
/// Datagram sockets are for nobody in a fresh namespace.
const REFUSED: &str = "";

const V6_SELF: IpAddr = IpAddr::V6(Ipv6Addr::LOCALHOST);

/// Runs the test `name` again in a fresh namespace, and there its `body`.
fn in_namespace<F: Future<Output = ()>>(prepare: &[&str], unprivileged: bool, name: &str, body: impl FnOnce() -> F) {
    if Namespace::is_entered() {
        return runtime().block_on(body());
    }
    Namespace { prepare: &[&[ADDRESSES], prepare].concat(), unprivileged }.enter(name);
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime")
}

/// One test for each kind of ICMP socket.
macro_rules! both_methods {
    ($($name:ident => $body:expr;)+) => {
        mod raw {
            use super::*;
            $(#[test] fn $name() {
                let prepare = [OWN_ECHO_OFF, REFUSED];
                in_namespace(&prepare, false, concat!("raw::", stringify!($name)), || $body(Setting::new("raw")));
            })+
        }
        mod datagram {
            use super::*;
            $(#[test] fn $name() {
                let prepare = [OWN_ECHO_OFF, ALLOWED];
                let name = concat!("datagram::", stringify!($name));
                in_namespace(&prepare, false, name, || $body(Setting::new("datagram")));
            })+
        }
    };
}

/// A resolver that has one answer for all names.
#[derive(Debug)]
struct Fixed(Result<Vec<IpAddr>, ResolveError>);

impl Resolver for Fixed {
    fn resolve(&self, _name: &str) -> Result<Vec<IpAddr>, ResolveError> {
        self.0.clone()
    }
}

/// A resolver that leaves nearly no time.
#[derive(Debug)]
struct Slow;

impl Resolver for Slow {
    fn resolve(&self, _name: &str) -> Result<Vec<IpAddr>, ResolveError> {
        thread::sleep(Duration::from_millis(950));
        Ok(vec![IpAddr::from([10, 9, 0, 3])])
    }
}

/// What tests share: the environment of probes, and the kind of socket that must be in use.
struct Setting {
    env: ProbeEnv,
    method: &'static str,
}

impl Setting {
    fn new(method: &'static str) -> Self {
        Self { env: ProbeEnv::new(Arc::new(SystemClock)), method }
    }

    /// With another resolver in the place of this machine's.
    fn with_resolver(self, answer: Result<Vec<IpAddr>, ResolveError>) -> Self {
        let clock = self.env.clock.clone();
        self.env.shared.get_or_make(|| Lookup::with(clock, Arc::new(Fixed(answer))));
        self
    }

    async fn ping(&self, settings: serde_json::Value, timeout_ms: u64) -> Observation {
        let kind = KindConfig::from_object("ping", settings).expect("settings");
        assert_eq!(kind.validate(), Ok(()));
        let timeout = Duration::from_millis(timeout_ms);
        let attempt = Attempt::start(self.env.clock.clone(), timeout);
        let observation = kind.probe(&self.env).run(&attempt).await;
        assert!(attempt.elapsed_us() < 1000 * (timeout_ms + 1500), "ended {} µs after its start", attempt.elapsed_us());
        if observation.facts.number(FactKey::PingSent).is_some() {
            assert_eq!(observation.facts.text(FactKey::PingMethod), Some(self.method));
        }
        observation
    }

    /// Three requests 20 ms apart.
    async fn three(&self, target: &str, timeout_ms: u64) -> Observation {
        self.ping(json!({"target": target, "packetInterval": "20ms"}), timeout_ms).await
    }
}

#[track_caller]
fn assert_says(observation: &Observation, verdict: Verdict, failure: Option<Failure>, message: &str) {
    assert_eq!((observation.verdict, observation.failure), (verdict, failure), "{observation:?}");
    assert!(observation.message.contains(message), "`{message}` in {observation:?}");
}

#[track_caller]
fn assert_counts(observation: &Observation, sent: i64, received: i64) {
    let number = |key| observation.facts.number(key);
    assert_eq!(
        (number(FactKey::PingSent), number(FactKey::PingReceived)),
        (Some(sent), Some(received)),
        "{observation:?}"
    );
}

both_methods! {
    a_host_that_answers_is_up_and_its_value_is_the_round_trip => |setting: Setting| async move {
        start_responder();
        let observation = setting.three("10.9.0.6", 3000).await;
        assert_says(&observation, Verdict::Up, None, "");
        assert_counts(&observation, 3, 3);
        let number = |key| observation.facts.number(key).expect("is there");
        let mean = number(FactKey::PingAvg);
        assert_eq!(observation.duration_us, u64::try_from(mean).ok());
        assert!(number(FactKey::PingMin) >= 50_000 && number(FactKey::PingMin) <= mean && mean <= number(FactKey::PingMax));
        assert!(number(FactKey::PingStddev) <= number(FactKey::PingMax) - number(FactKey::PingMin));
        assert!(observation.phases.total_us.expect("is there") >= 90_000, "two steps of 20 ms and the last reply");
        assert_eq!(observation.phases.name_us, None);
        assert_eq!(observation.facts.text(FactKey::Peer), Some("10.9.0.6"));
    };

    the_default_is_three_requests_200_ms_apart => |setting: Setting| async move {
        start_responder();
        for settings in [json!({"target": "10.9.0.2"}), json!({"target": "10.9.0.2", "count": 0})] {
            let observation = setting.ping(settings, 5000).await;
            assert_says(&observation, Verdict::Up, None, "");
            assert_counts(&observation, 3, 3);
            let total = observation.phases.total_us.expect("is there");
            assert!(total >= 400_000, "{total} µs");
            assert!(observation.duration_us.expect("is there") < u64::from(total / 2), "the value is no time of the run");
        }
    };

    silence_is_told_as_loss => |setting: Setting| async move {
        start_responder();
        let observation = setting.three("10.9.0.3", 400).await;
        assert_says(&observation, Verdict::Down, Some(Failure::Timeout), "100% packet loss: no answer from 10.9.0.3 in 400 ms");
        assert_counts(&observation, 3, 0);
        assert!(observation.duration_us.expect("is there") >= 400_000, "the time that was waited");
        assert_eq!(observation.facts.number(FactKey::PingAvg), None);
    };

    some_loss_is_degraded_and_half_is_down => |setting: Setting| async move {
        start_responder();
        let observation = setting.three("10.9.0.4", 1000).await;
        assert_says(&observation, Verdict::Degraded, Some(Failure::Assertion), "33.3% packet loss (2 of 3 answered)");
        assert_counts(&observation, 3, 2);
        assert!(observation.duration_us.expect("is there") < 1_000_000, "the mean of those that came back");
        let observation = setting.three("10.9.0.5", 1000).await;
        assert_says(&observation, Verdict::Down, Some(Failure::Assertion), "high packet loss: 66.7% (1 of 3 answered)");
        let observation = setting.ping(json!({"target": "10.9.2.4", "count": 2, "packetInterval": "10ms"}), 1000).await;
        assert_says(&observation, Verdict::Down, Some(Failure::Assertion), "high packet loss: 50.0%");
    };

    only_true_replies_count => |setting: Setting| async move {
        start_responder();
        let duplicates = setting.three("10.9.0.7", 1000).await;
        assert_says(&duplicates, Verdict::Down, Some(Failure::Assertion), "(1 of 3 answered)");
        for (address, what) in [("10.9.0.8", "payload"), ("10.9.0.9", "source"), ("10.9.0.12", "length"), ("10.9.0.14", "token")] {
            let observation = setting.three(address, 300).await;
            assert_eq!(observation.failure, Some(Failure::Timeout), "wrong {what}: {observation:?}");
            assert_counts(&observation, 3, 0);
        }
        let guessed = setting.three("10.9.0.17", 5000).await;
        assert_says(&guessed, Verdict::Up, None, "");
    };

    a_late_reply_is_not_counted_for_the_next_run => |setting: Setting| async move {
        start_responder();
        let first = setting.three("10.9.0.11", 300).await;
        assert_eq!(first.failure, Some(Failure::Timeout));
        let second = setting.three("10.9.0.11", 600).await;
        assert_says(&second, Verdict::Down, Some(Failure::Timeout), "100% packet loss");
    };

    replies_in_any_order_have_their_own_round_trip => |setting: Setting| async move {
        start_responder();
        let observation = setting.ping(json!({"target": "10.9.0.13", "packetInterval": "10ms"}), 2000).await;
        assert_says(&observation, Verdict::Up, None, "");
        let number = |key| observation.facts.number(key).expect("is there");
        assert!(number(FactKey::PingMax) >= 90_000 && number(FactKey::PingMin) >= 30_000, "{observation:?}");
        assert!(number(FactKey::PingMin) < number(FactKey::PingMax) - 30_000, "not mixed up: {observation:?}");
    };

    many_requests_fit_in_a_short_time => |setting: Setting| async move {
        start_responder();
        let observation = setting.ping(json!({"target": "10.9.0.6", "count": 20, "packetInterval": "1s"}), 4000).await;
        assert_says(&observation, Verdict::Up, None, "");
        assert_counts(&observation, 20, 20);
    };

    one_socket_serves_all_monitors_and_no_reply_goes_astray => |setting: Setting| async move {
        start_responder();
        let before = descriptors();
        // The fourth byte decides: 2 answers, 3 is silent.
        let runs = (1..=40).map(|n| {
            let (setting, target) = (&setting, format!("10.9.{n}.{}", 2 + n % 2));
            async move { (n, setting.three(&target, 2000).await) }
        });
        for (n, observation) in futures_util::future::join_all(runs).await {
            let verdict = if n % 2 == 0 { Verdict::Up } else { Verdict::Down };
            assert_eq!(observation.verdict, verdict, "{n}: {observation:?}");
        }
        assert_eq!(descriptors(), before + 1);
    };

    a_cancelled_run_leaves_nothing_behind => |setting: Setting| async move {
        start_responder();
        let cut = tokio::time::timeout(Duration::from_millis(50), setting.three("10.9.0.3", 5000)).await;
        assert!(cut.is_err());
        assert_says(&setting.three("10.9.0.2", 2000).await, Verdict::Up, None, "");
    };

    no_route_is_our_fault => |setting: Setting| async move {
        for address in ["192.0.2.1", "2001:db8::1", "10.8.0.9", "fd00:8::9"] {
            let observation = setting.three(address, 1000).await;
            assert_says(&observation, Verdict::Inconclusive, Some(Failure::NoRoute), "no route to");
        }
    };

    a_family_that_is_silent_leaves_time_for_the_other => |setting: Setting| async move {
        start_responder();
        std::fs::write(OWN_V6_ECHO_OFF, "1").expect("is allowed");
        let v6_first = setting.with_resolver(Ok(vec![V6_SELF, "10.9.0.2".parse().expect("v4")]));
        let observation = v6_first.three("both.test", 1500).await;
        assert_says(&observation, Verdict::Up, None, "");
        assert_eq!(observation.facts.text(FactKey::Peer), Some("10.9.0.2"));
        let total = observation.phases.total_us.expect("is there");
        assert!((700_000..1_500_000).contains(&total), "half of the time for the silent one: {total} µs");
        std::fs::write(OWN_V6_ECHO_OFF, "0").expect("is allowed");
        // Two of the first family, both silent: one is asked.
        let silent = ["10.9.0.3", "10.9.1.3"].map(|text| text.parse().expect("v4"));
        let v4_first = Setting::new(v6_first.method).with_resolver(Ok([&silent[..], &[V6_SELF]].concat()));
        let observation = v4_first.three("both.test", 1500).await;
        assert_says(&observation, Verdict::Up, None, "");
        assert_eq!(observation.facts.text(FactKey::Peer), Some("::1"));
    };

    two_dead_families_are_down_and_both_are_told => |setting: Setting| async move {
        start_responder();
        std::fs::write(OWN_V6_ECHO_OFF, "1").expect("is allowed");
        let setting = setting.with_resolver(Ok(vec![V6_SELF, "10.9.0.3".parse().expect("v4")]));
        let observation = setting.three("both.test", 1000).await;
        assert_says(&observation, Verdict::Down, Some(Failure::Timeout), "no answer from 10.9.0.3 in ");
        assert!(observation.message.contains("no answer from ::1 in "), "{observation:?}");
        assert_counts(&observation, 3, 0);
    };

    a_silent_family_is_down_though_the_other_has_no_route => |setting: Setting| async move {
        start_responder();
        let v6 = "2001:db8::9".parse().expect("v6");
        let setting = setting.with_resolver(Ok(vec!["10.9.0.3".parse().expect("v4"), v6]));
        let observation = setting.three("both.test", 1000).await;
        let text = "100% packet loss: no answer from 10.9.0.3 in 1 s";
        assert_says(&observation, Verdict::Down, Some(Failure::Timeout), text);
        assert!(observation.phases.total_us.expect("is there") >= 1_000_000, "no time is given to who has no route");
    };

    a_family_that_is_forbidden_is_passed_over => |setting: Setting| async move {
        start_responder();
        let observation = Setting::new(setting.method).three("fd00:5::9", 1000).await;
        assert_says(&observation, Verdict::Inconclusive, Some(Failure::Permission), "forbid to ping fd00:5::9");
        let v6 = "fd00:5::9".parse().expect("v6");
        let setting = setting.with_resolver(Ok(vec![v6, "10.9.0.2".parse().expect("v4")]));
        let observation = setting.three("both.test", 3000).await;
        assert_says(&observation, Verdict::Up, None, "");
        assert_eq!(observation.facts.text(FactKey::Peer), Some("10.9.0.2"));
    };

    ipv6_is_answered => |setting: Setting| async move {
        let observation = setting.three("::1", 2000).await;
        assert_says(&observation, Verdict::Up, None, "");
        assert_counts(&observation, 3, 3);
        assert_eq!(observation.facts.text(FactKey::Peer), Some("::1"));
        // Only now: the kernel answered just now, and is silent from here on.
        std::fs::write(OWN_V6_ECHO_OFF, "1").expect("is allowed");
        let observation = setting.three("::1", 400).await;
        assert_says(&observation, Verdict::Down, Some(Failure::Timeout), "100% packet loss: no answer from ::1 in 400 ms");
    };

    a_name_is_looked_up_and_a_dead_family_passed_over => |setting: Setting| async move {
        start_responder();
        set_hosts("2001:db8::9 both.test\n10.9.0.2 both.test\n2001:db8::9 nowhere.test\n192.0.2.1 nowhere.test\n");
        let observation = setting.three("both.test", 3000).await;
        assert_says(&observation, Verdict::Up, None, "");
        assert_eq!(observation.facts.text(FactKey::Peer), Some("10.9.0.2"));
        assert!(observation.phases.name_us.is_some());
        let observation = setting.three("nowhere.test", 3000).await;
        assert_says(&observation, Verdict::Inconclusive, Some(Failure::NoRoute), "no route to");
    };

    a_family_without_a_route_may_come_first => |setting: Setting| async move {
        start_responder();
        let v6 = IpAddr::V6("2001:db8::9".parse().expect("v6"));
        let setting = setting.with_resolver(Ok(vec![v6, IpAddr::from([10, 9, 0, 2])]));
        let observation = setting.three("both.test", 3000).await;
        assert_says(&observation, Verdict::Up, None, "");
        assert_eq!(observation.facts.text(FactKey::Peer), Some("10.9.0.2"));
    };

    a_name_that_does_not_exist_is_down_and_a_dead_resolver_is_our_fault => |_: Setting| async move {
        let none = Setting::new("none").with_resolver(Err(ResolveError::NoName("no such name".into())));
        assert_says(&none.three("gone.test", 1000).await, Verdict::Down, Some(Failure::Dns), "gone.test");
        let slow = Setting::new("none");
        slow.env.shared.get_or_make(|| Lookup::with(slow.env.clock.clone(), Arc::new(Slow)));
        let observation = slow.three("slow.test", 1000).await;
        assert_says(&observation, Verdict::Inconclusive, Some(Failure::Resolver), "looking up slow.test took");
        let dead = Setting::new("none").with_resolver(Err(ResolveError::Failed("try again".into())));
        let observation = dead.three("gone.test", 1000).await;
        assert_says(&observation, Verdict::Inconclusive, Some(Failure::Resolver), "resolver");
    };

    no_descriptor_left_is_our_fault => |setting: Setting| async move {
        let taken = use_up_descriptors();
        let observation = setting.three("10.9.0.2", 500).await;
        assert_says(&observation, Verdict::Inconclusive, Some(Failure::Resources), "cannot open an ICMP socket");
        drop(taken);
    };
}

fn descriptors() -> usize {
    std::fs::read_dir("/proc/self/fd").expect("is there").count()
}

#[test]
fn errors_on_the_way_end_a_request_early_and_are_told() {
    let name = "errors_on_the_way_end_a_request_early_and_are_told";
    in_namespace(&[OWN_ECHO_OFF, REFUSED], false, name, || async {
        start_responder();
        let setting = Setting::new("raw");
        // With the whole request quoted, and with the eight bytes that are sure to be quoted.
        for address in ["10.9.0.10", "10.9.0.16"] {
            let observation = setting.three(address, 60_000).await;
            assert_says(&observation, Verdict::Down, Some(Failure::Connect), "host unreachable, says 10.9.1.1");
            assert_counts(&observation, 3, 0);
            assert!(observation.duration_us.expect("is there") < 30_000_000, "not until the time-out");
        }
    });
}

#[test]
fn what_a_router_says_is_told_by_whose_fault_it_is() {
    let name = "what_a_router_says_is_told_by_whose_fault_it_is";
    in_namespace(&[ROUTER, REFUSED], false, name, || async {
        let setting = Setting::new("raw");
        // Routers tell only so many of these in a row.
        let once = |address: &str| json!({"target": address, "count": 1});
        for (address, router) in [("10.6.1.9", "10.7.0.2"), ("fd00:6:1::9", "fd00:7::2")] {
            let observation = setting.ping(once(address), 20_000).await;
            let text = format!("no route to {address}: network unreachable, says {router}");
            assert_says(&observation, Verdict::Inconclusive, Some(Failure::NoRoute), &text);
        }
        for (address, text) in [
            ("10.6.2.9", "prohibited by a firewall, says 10.7.0.2"),
            ("fd00:6:2::9", "prohibited by a firewall, says fd00:7::2"),
            ("10.6.3.9", "host unreachable, says 10.7.0.2"),
            // In our own network: this machine finds out by itself, and later.
            ("10.7.0.9", "host unreachable, says 10.7.0.1"),
        ] {
            let observation = setting.ping(once(address), 20_000).await;
            assert_says(&observation, Verdict::Down, Some(Failure::Connect), text);
        }
    });
}

#[test]
fn without_privilege_the_datagram_socket_is_used_where_it_is_allowed() {
    let name = "without_privilege_the_datagram_socket_is_used_where_it_is_allowed";
    in_namespace(&[ALLOWED], true, name, || async {
        let setting = Setting::new("datagram");
        for address in ["127.0.0.1", "::1"] {
            let observation = setting.three(address, 2000).await;
            assert_says(&observation, Verdict::Up, None, "");
            assert_counts(&observation, 3, 3);
        }
    });
}

#[test]
fn without_privilege_and_permission_the_remedy_is_named() {
    let name = "without_privilege_and_permission_the_remedy_is_named";
    in_namespace(&[REFUSED], true, name, || async {
        let setting = Setting::new("none");
        for address in ["127.0.0.1", "::1"] {
            let observation = setting.three(address, 2000).await;
            assert_says(&observation, Verdict::Inconclusive, Some(Failure::Permission), "ping_group_range");
            assert!(observation.message.contains("setcap cap_net_raw+ep"));
            assert!(observation.message.len() <= 512);
        }
    });
}

/// This machine's clock, put forward at will.
#[derive(Debug, Default)]
struct Forward(AtomicU64);

impl Clock for Forward {
    fn wall(&self) -> UnixMicros {
        SystemClock.wall()
    }

    fn mono(&self) -> Mono {
        SystemClock.mono().plus_us(self.0.load(Ordering::Relaxed))
    }

    fn boot_us(&self) -> u64 {
        SystemClock.boot_us()
    }
}

/// The identifiers of the echo requests that this socket has heard since it was asked last.
fn identifiers(mut hear: &Socket) -> BTreeSet<u16> {
    let mut buffer = [0; 2048];
    let mut heard = BTreeSet::new();
    while let Ok(length) = hear.read(&mut buffer) {
        let message = &buffer[20..length];
        if message[0] == 8 {
            heard.insert(u16::from_be_bytes([message[4], message[5]]));
        }
    }
    heard
}

#[test]
fn after_silence_a_datagram_socket_with_another_identifier_is_used() {
    let name = "after_silence_a_datagram_socket_with_another_identifier_is_used";
    in_namespace(&[OWN_ECHO_OFF, ALLOWED], false, name, || async {
        start_responder();
        let clock = Arc::new(Forward::default());
        let setting = Setting { env: ProbeEnv::new(clock.clone()), method: "datagram" };
        let hear = Socket::new(Domain::IPV4, Type::RAW, Some(Protocol::ICMPV4)).expect("a raw socket");
        hear.set_nonblocking(true).expect("is allowed");
        let before = descriptors();
        for _ in 0..2 {
            setting.three("10.9.0.3", 200).await;
        }
        let first = identifiers(&hear);
        assert_eq!(first.len(), 1, "not oftener than each 30 s: {first:?}");
        // While one is silent, another run goes on; it keeps its socket, which is still read.
        clock.0.store(30_000_000, Ordering::Relaxed);
        let steady = json!({"target": "10.9.0.6", "count": 40, "packetInterval": "20ms"});
        let (steady, _) = tokio::join!(setting.ping(steady, 5000), setting.three("10.9.0.3", 200));
        assert_says(&steady, Verdict::Up, None, "");
        assert_counts(&steady, 40, 40);
        let slowest = steady.facts.number(FactKey::PingMax).expect("is there");
        assert!(slowest < 500_000, "answers are read when they come: {slowest} µs");
        assert_eq!(identifiers(&hear), first);
        assert_says(&setting.three("10.9.0.2", 2000).await, Verdict::Up, None, "");
        let second = identifiers(&hear);
        assert!(second.len() == 1 && second.is_disjoint(&first), "{first:?}, then {second:?}");
        while descriptors() > before + 1 {
            tokio::task::yield_now().await;
        }
    });
}

#[test]
fn the_sockets_follow_the_runtime() {
    // The only test with more than one runtime, so it makes them itself.
    let name = "the_sockets_follow_the_runtime";
    if !Namespace::is_entered() {
        return in_namespace(&[REFUSED], false, name, || async {});
    }
    let setting = Setting::new("raw");
    let kept = runtime();
    kept.block_on(async { assert_says(&setting.three("127.0.0.1", 2000).await, Verdict::Up, None, "") });
    for _ in 0..3 {
        runtime().block_on(async { assert_says(&setting.three("127.0.0.1", 2000).await, Verdict::Up, None, "") });
    }
    kept.block_on(async { assert_says(&setting.three("127.0.0.1", 2000).await, Verdict::Up, None, "") });
}
