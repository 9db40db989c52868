//! Kind `dns` against a name server of our own on loopback that answers well, wrongly, late, twice or never.

#![allow(clippy::expect_used, reason = "a test fails by panicking")]

mod support_dns;
mod support_namespace;

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;
use std::time::Duration;

use hallmonitor::clock::SystemClock;
use hallmonitor::model::{FactKey, Failure, Verdict};
use hallmonitor::probe::net::{Lookup, ResolveError, Resolver};
use hallmonitor::probe::{Attempt, KindConfig, Observation, ProbeEnv};
use hickory_proto::op::{Edns, ResponseCode};
use hickory_proto::rr::rdata::{AAAA, CAA, CNAME, MX, NS, PTR, SOA, SRV, TXT};
use hickory_proto::rr::{RData, Record};
use serde_json::json;

use self::support_dns::{Act, Server, a, name, send};
use self::support_namespace::{Namespace, set_hosts, use_up_descriptors};

/// Long enough for every answer that comes at all.
const LONG_MS: u64 = 20_000;
/// For those that never come.
const SHORT_MS: u64 = 300;

async fn check(settings: serde_json::Value, timeout_ms: u64) -> Observation {
    check_in(&ProbeEnv::new(Arc::new(SystemClock)), settings, timeout_ms).await
}

async fn check_in(env: &ProbeEnv, settings: serde_json::Value, timeout_ms: u64) -> Observation {
    let kind = KindConfig::from_object("dns", settings).expect("settings");
    assert_eq!(kind.validate(), Ok(()));
    let attempt = Attempt::start(env.clock.clone(), Duration::from_millis(timeout_ms));
    let observation = kind.probe(env).run(&attempt).await;
    assert!(attempt.elapsed_us() < 1000 * (timeout_ms + 1500), "ended {} µs after its start", attempt.elapsed_us());
    observation
}

async fn ask(server: &Server, query: &str, query_type: &str, timeout_ms: u64) -> Observation {
    check(json!({"target": server.address.to_string(), "query": query, "queryType": query_type}), timeout_ms).await
}

async fn ask_expecting(server: &Server, query_type: &str, expected: &str) -> Observation {
    let target = server.address.to_string();
    let settings = json!({"target": target, "query": "x.test", "queryType": query_type, "expectedResponse": expected});
    check(settings, LONG_MS).await
}

#[track_caller]
fn assert_says(observation: &Observation, verdict: Verdict, failure: Option<Failure>, message: &str) {
    assert_eq!((observation.verdict, observation.failure), (verdict, failure), "{observation:?}");
    assert!(observation.message.contains(message), "`{message}` in {observation:?}");
}

#[track_caller]
fn assert_down(observation: &Observation, failure: Failure, message: &str) {
    assert_says(observation, Verdict::Down, Some(failure), message);
}

#[track_caller]
fn assert_up(observation: &Observation) {
    assert_says(observation, Verdict::Up, None, "");
}

#[tokio::test]
async fn an_answer_is_up_with_its_facts() {
    let server = Server::start(|asked| asked.answer(vec![a(1), a(2)])).await;
    let observation = ask(&server, "x.test", "a", LONG_MS).await;
    assert_up(&observation);
    let (number, text) = (|key| observation.facts.number(key), |key| observation.facts.text(key));
    assert_eq!(number(FactKey::DnsRcode), Some(0));
    assert_eq!(number(FactKey::DnsAnswerCount), Some(2));
    assert_eq!(text(FactKey::DnsAnswers), Some("10.0.0.1, 10.0.0.2"));
    assert_eq!(number(FactKey::DnsTtl), Some(300));
    assert_eq!(number(FactKey::DnsAuthoritative), Some(1));
    // Header 12, question 8 + 4, and two answers of a pointer, 10 bytes and an address.
    assert_eq!(number(FactKey::DnsBytes), Some(12 + 12 + 2 * 16));
    assert_eq!(text(FactKey::DnsType), Some("A"));
    assert_eq!(text(FactKey::DnsTransport), Some("udp"));
    assert_eq!(text(FactKey::Peer), Some(server.address.to_string().as_str()));
    assert_eq!(observation.phases.name_us, None);
    assert!(observation.phases.first_byte_us.expect("is there") <= observation.phases.total_us.expect("is there"));
    let asked = &server.asked()[0];
    assert!(asked.query.recursion_desired);
    assert_eq!(asked.query.edns.as_ref().map(Edns::max_payload), Some(1232));
}

#[tokio::test]
async fn every_type_is_written_as_hallmonitor_writes_it_and_can_be_expected() {
    let cases: Vec<(&str, RData, &str, &[&str])> = vec![
        ("A", a(9), "10.0.0.9", &[]),
        ("AAAA", RData::AAAA(AAAA("2001:db8::1".parse().expect("v6"))), "2001:db8::1", &["2001:0DB8::0001"]),
        ("CNAME", RData::CNAME(CNAME(name("Www.test."))), "Www.test.", &["www.test", "WWW.TEST."]),
        ("MX", RData::MX(MX::new(10, name("mail.test."))), "10 mail.test.", &["10 Mail.Test"]),
        ("TXT", RData::TXT(TXT::new(vec!["v=spf1 ".into(), "-all".into()])), "v=spf1 -all", &[]),
        ("NS", RData::NS(NS(name("ns.test."))), "ns.test.", &["NS.test"]),
        ("PTR", RData::PTR(PTR(name("host.test."))), "host.test.", &["host.test"]),
        ("SRV", RData::SRV(SRV::new(1, 2, 443, name("s.test."))), "1 2 443 s.test.", &["1 2 443 S.test"]),
        (
            "SOA",
            RData::SOA(SOA::new(name("ns.test."), name("root.test."), 7, 1, 2, 3, 4)),
            "ns.test. root.test. 7 1 2 3 4",
            &["NS.test root.test 7 1 2 3 4"],
        ),
        ("CAA", RData::CAA(CAA::new_issue(false, Some(name("ca.test")), vec![])), "0 issue \"ca.test\"", &[]),
    ];
    for (query_type, value, text, also) in cases {
        let server = Server::start(move |asked| asked.answer(vec![value.clone()])).await;
        for expected in [text].iter().chain(also) {
            let observation = ask_expecting(&server, query_type, expected).await;
            assert_up(&observation);
            assert_eq!(observation.facts.text(FactKey::DnsAnswers), Some(text), "{query_type}");
        }
        let observation = ask_expecting(&server, &query_type.to_lowercase(), "else").await;
        assert_down(&observation, Failure::Assertion, "expected response 'else' not found in answers: [");
        assert!(observation.message.contains(text), "{observation:?}");
    }
}

#[tokio::test]
async fn a_response_code_is_a_dns_failure_and_is_not_guessed() {
    for (code, text) in [
        (ResponseCode::FormErr, "FORMERR"),
        (ResponseCode::ServFail, "SERVFAIL"),
        (ResponseCode::NXDomain, "NXDOMAIN: the name does not exist, says 127.0.0.1:"),
        (ResponseCode::NotImp, "NOTIMP"),
        (ResponseCode::Refused, "REFUSED"),
        (ResponseCode::NotAuth, "NOTAUTH"),
        (ResponseCode::YXDomain, "response code 6"),
    ] {
        let server = Server::start(move |asked| vec![send(asked.reply(code, vec![]))]).await;
        let observation = ask(&server, "x.test", "A", LONG_MS).await;
        assert_down(&observation, Failure::Dns, text);
        assert_eq!(observation.facts.number(FactKey::DnsRcode), Some(u16::from(code).into()));
        assert_eq!(observation.facts.number(FactKey::DnsAnswerCount), Some(0));
    }
}

#[tokio::test]
async fn a_response_code_above_15_is_read_from_edns() {
    let server = Server::start(|asked| {
        let mut message = asked.reply(ResponseCode::BADVERS, vec![]);
        message.set_edns(Edns::new());
        vec![send(message)]
    })
    .await;
    let observation = ask(&server, "x.test", "A", LONG_MS).await;
    assert_down(&observation, Failure::Dns, "BADVERS");
    assert_eq!(observation.facts.number(FactKey::DnsRcode), Some(16));
}

#[tokio::test]
async fn a_server_that_knows_no_edns_is_asked_without() {
    let server = Server::start(|asked| match asked.has_edns() {
        // Header only, as old servers answer what they cannot read.
        true => {
            let id = asked.query.id.to_be_bytes();
            vec![Act::Send(vec![id[0], id[1], 0x80, 0x01, 0, 0, 0, 0, 0, 0, 0, 0])]
        }
        false => asked.answer(vec![a(1)]),
    })
    .await;
    assert_up(&ask(&server, "x.test", "A", LONG_MS).await);
    assert_eq!(server.asked().len(), 2);
}

#[tokio::test]
async fn only_records_of_the_asked_type_count() {
    let nothing = Server::start(|asked| asked.answer(vec![])).await;
    assert_down(&ask(&nothing, "x.test", "A", LONG_MS).await, Failure::Assertion, "no A records found");
    let v6_only = Server::start(|asked| asked.answer(vec![RData::AAAA(AAAA(Ipv6Addr::LOCALHOST))])).await;
    assert_down(&ask(&v6_only, "x.test", "A", LONG_MS).await, Failure::Assertion, "no A records found");
    assert_up(&ask(&v6_only, "x.test", "AAAA", LONG_MS).await);
    // HallMonitor called the name its own alias.
    let no_alias = Server::start(|asked| asked.answer(vec![a(1)])).await;
    assert_down(&ask(&no_alias, "x.test", "CNAME", LONG_MS).await, Failure::Assertion, "no CNAME records found");
    let other_name = Server::start(|asked| {
        vec![send(asked.reply(ResponseCode::NoError, vec![Record::from_rdata(name("other.test."), 1, a(1))]))]
    })
    .await;
    assert_down(&ask(&other_name, "x.test", "A", LONG_MS).await, Failure::Assertion, "no A records found");
}

#[tokio::test]
async fn aliases_are_followed() {
    let server = Server::start(|asked| {
        let alias = |from: &str, to: &str| Record::from_rdata(name(from), 900, RData::CNAME(CNAME(name(to))));
        let address = Record::from_rdata(name("c.test."), 60, a(7));
        let answers = vec![alias("x.test.", "b.test."), alias("b.test.", "c.test."), address];
        vec![send(asked.reply(ResponseCode::NoError, answers))]
    })
    .await;
    let observation = ask(&server, "X.test", "A", LONG_MS).await;
    assert_up(&observation);
    assert_eq!(observation.facts.text(FactKey::DnsAnswers), Some("10.0.0.7"));
    assert_eq!(observation.facts.number(FactKey::DnsAnswerCount), Some(1));
    assert_eq!(observation.facts.number(FactKey::DnsTtl), Some(60));
}

#[tokio::test]
async fn a_name_this_machine_knows_does_not_hide_a_dead_server() {
    let silent = Server::start(|_| vec![]).await;
    let closed = tokio::net::UdpSocket::bind("127.0.0.1:0").await.expect("binds").local_addr().expect("is bound");
    for query in ["localhost", "127.0.0.1", "short"] {
        assert_down(&ask(&silent, query, "A", SHORT_MS).await, Failure::Timeout, "no answer from 127.0.0.1:");
        let observation = check(json!({"target": closed.to_string(), "query": query}), LONG_MS).await;
        assert_down(&observation, Failure::Connect, "refused");
    }
    // No search domain was put behind any name.
    let names: BTreeSet<_> = silent.asked().iter().map(|asked| asked.query.queries[0].name().to_ascii()).collect();
    assert_eq!(names.into_iter().collect::<Vec<_>>(), ["127.0.0.1.", "localhost.", "short."]);
}

#[tokio::test]
async fn a_lost_question_is_asked_again_once() {
    let server = Server::start(|asked| if asked.n == 0 { vec![] } else { asked.answer(vec![a(1)]) }).await;
    assert_up(&ask(&server, "x.test", "A", 3000).await);
    let silent = Server::start(|_| vec![]).await;
    let observation = ask(&silent, "x.test", "A", 450).await;
    assert_down(&observation, Failure::Timeout, "in 450 ms");
    assert!(observation.phases.total_us.expect("is there") >= 450_000);
    let asked = silent.asked();
    assert_eq!(asked.len(), 2);
    assert_eq!((asked[0].query.id, asked[0].from), (asked[1].query.id, asked[1].from), "the same question");
}

#[tokio::test]
async fn messages_that_are_no_answers_are_passed_over() {
    type Wrong = fn(&support_dns::Asked) -> Act;
    let wrongs: [(&str, Wrong); 5] = [
        ("another id", |asked| {
            let mut message = asked.reply(ResponseCode::NoError, vec![Record::from_rdata(name("x.test."), 1, a(66))]);
            message.metadata.id ^= 1;
            send(message)
        }),
        ("another question", |asked| {
            let mut message = asked.reply(ResponseCode::NoError, vec![Record::from_rdata(name("x.test."), 1, a(66))]);
            message.queries[0].set_name(name("y.test."));
            send(message)
        }),
        ("another question", |asked| {
            let mut message = asked.reply(ResponseCode::NoError, vec![]);
            message.queries.clear();
            send(message)
        }),
        ("not an answer", |asked| send(asked.query.clone())),
        ("too short", |_| Act::Send(vec![7; 5])),
    ];
    for (why, wrong) in wrongs {
        let server = Server::start(move |asked| vec![wrong(asked), wrong(asked)]).await;
        let observation = ask(&server, "x.test", "A", SHORT_MS).await;
        assert_down(&observation, Failure::Protocol, why);
        assert!(observation.message.contains("no usable answer"), "{observation:?}");
        let server = Server::start(move |asked| [vec![wrong(asked)], asked.answer(vec![a(1)])].concat()).await;
        let observation = ask(&server, "x.test", "A", LONG_MS).await;
        assert_up(&observation);
        assert_eq!(observation.facts.text(FactKey::DnsAnswers), Some("10.0.0.1"));
    }
}

#[tokio::test]
async fn a_flood_of_wrong_messages_does_not_hold_a_check_up() {
    let socket = std::net::UdpSocket::bind("127.0.0.1:0").expect("binds");
    let target = socket.local_addr().expect("is bound").to_string();
    let flood = std::thread::spawn(move || {
        let (_, from) = socket.recv_from(&mut [0; 512]).expect("is asked");
        socket.connect(from).expect("is loopback");
        // Until the check is over and its port refuses.
        while socket.send(&[7; 20]).is_ok() {}
    });
    let observation = check(json!({"target": target, "query": "x.test"}), SHORT_MS).await;
    assert_down(&observation, Failure::Protocol, "other messages came, the last with another id");
    flood.join().expect("ends");
}

#[tokio::test]
async fn an_answer_that_cannot_be_read_is_told_at_once() {
    type Broken = fn(&mut Vec<u8>);
    let broken: [Broken; 3] = [
        // The owner of the answer points at itself, and forward; the message ends inside the record.
        |message| message[24..26].copy_from_slice(&[0xc0, 24]),
        |message| message[24..26].copy_from_slice(&[0xff, 0xff]),
        |message| message.truncate(30),
    ];
    for change in broken {
        let server = Server::start(move |asked| {
            let answer = Record::from_rdata(name("x.test."), 1, a(1));
            let mut bytes = asked.reply(ResponseCode::NoError, vec![answer]).to_vec().expect("encodes");
            change(&mut bytes);
            vec![Act::Send(bytes)]
        })
        .await;
        assert_down(&ask(&server, "x.test", "A", LONG_MS).await, Failure::Protocol, "cannot be read");
    }
}

#[tokio::test]
async fn late_and_second_answers_do_no_harm_to_the_next_check() {
    let late = Server::start(|asked| {
        let mut acts = vec![Act::Wait(SHORT_MS + 100)];
        acts.extend(asked.answer(vec![a(1)]));
        acts
    })
    .await;
    for _ in 0..3 {
        assert_down(&ask(&late, "x.test", "A", SHORT_MS).await, Failure::Timeout, "no answer");
    }
    let twice = Server::start(|asked| [asked.answer(vec![a(1)]), asked.answer(vec![a(2)])].concat()).await;
    for _ in 0..3 {
        let observation = ask(&twice, "x.test", "A", LONG_MS).await;
        assert_up(&observation);
        assert_eq!(observation.facts.text(FactKey::DnsAnswers), Some("10.0.0.1"));
    }
}

/// Cut off over UDP; `over_tcp` says what comes over TCP.
async fn cut_off(over_tcp: impl Fn(&support_dns::Asked) -> Vec<Act> + Send + Sync + 'static) -> Server {
    Server::start(move |asked| {
        if asked.tcp {
            return over_tcp(asked);
        }
        vec![send(asked.reply(ResponseCode::NoError, vec![]).truncate())]
    })
    .await
}

#[tokio::test]
async fn a_cut_off_answer_is_fetched_over_tcp() {
    let server = cut_off(|asked| asked.answer((0..200).map(a).collect())).await;
    let observation = ask(&server, "x.test", "A", LONG_MS).await;
    assert_up(&observation);
    assert_eq!(observation.facts.text(FactKey::DnsTransport), Some("tcp"));
    assert_eq!(observation.facts.number(FactKey::DnsAnswerCount), Some(200));
    assert!(observation.facts.number(FactKey::DnsBytes).expect("is there") > 3000);
    assert!(observation.facts.text(FactKey::DnsAnswers).expect("is there").len() <= 512);
    assert!(observation.phases.connect_us.is_some());
    let transports: Vec<_> = server.asked().iter().map(|asked| asked.tcp).collect();
    assert_eq!(transports, [false, true]);
}

#[tokio::test]
async fn trouble_over_tcp_is_typed_and_bounded() {
    let closes = cut_off(|_| vec![]).await;
    assert_down(&ask(&closes, "x.test", "A", LONG_MS).await, Failure::Protocol, "before its answer was whole");
    let lies = cut_off(|_| vec![Act::Raw(vec![0xff, 0xff, 1, 2, 3])]).await;
    assert_down(&ask(&lies, "x.test", "A", LONG_MS).await, Failure::Protocol, "before its answer was whole");
    let other = cut_off(|_| vec![Act::Send(vec![0; 40])]).await;
    assert_down(&ask(&other, "x.test", "A", LONG_MS).await, Failure::Protocol, "over TCP");
    let slow = cut_off(|_| vec![Act::Raw(vec![1]), Act::Wait(5000)]).await;
    assert_down(&ask(&slow, "x.test", "A", SHORT_MS).await, Failure::Timeout, "no answer over TCP in 300 ms");
    let without = Server::start_at(IpAddr::from([127, 0, 0, 1]), false, |asked| {
        vec![send(asked.reply(ResponseCode::NoError, vec![]).truncate())]
    })
    .await;
    let observation = ask(&without, "x.test", "A", LONG_MS).await;
    assert_down(&observation, Failure::Connect, "cut its answer off over UDP");
}

#[tokio::test]
async fn an_answer_of_very_many_records_is_refused() {
    let server = cut_off(|asked| asked.answer((0..1001).map(|_| a(1)).collect())).await;
    let observation = ask(&server, "x.test", "A", LONG_MS).await;
    assert_down(&observation, Failure::Protocol, "it has 1001 records, at most 1000 are read");
}

#[tokio::test]
async fn ids_and_ports_are_not_to_be_guessed() {
    let server = Server::start(|asked| asked.answer(vec![a(1)])).await;
    for _ in 0..30 {
        assert_up(&ask(&server, "x.test", "A", LONG_MS).await);
    }
    let asked = server.asked();
    let ids: BTreeSet<_> = asked.iter().map(|asked| asked.query.id).collect();
    let ports: BTreeSet<_> = asked.iter().map(|asked| asked.from.port()).collect();
    assert!(ids.len() > 25 && ports.len() > 20, "{} ids, {} ports", ids.len(), ports.len());
    let steps: BTreeSet<_> = asked.windows(2).map(|two| two[1].query.id.wrapping_sub(two[0].query.id)).collect();
    assert!(steps.len() > 20, "ids in a row");
}

#[tokio::test]
async fn a_server_may_be_an_ipv6_address() {
    let server = Server::start_at(Ipv6Addr::LOCALHOST.into(), true, |asked| asked.answer(vec![a(1)])).await;
    assert_up(&ask(&server, "x.test", "A", LONG_MS).await);
    let bare = json!({"target": "::1", "port": server.address.port(), "query": "x.test"});
    assert_up(&check(bare, LONG_MS).await);
}

#[tokio::test]
async fn hostile_text_is_cleaned_and_bounded() {
    let server = Server::start(|asked| {
        let texts = (0..5).map(|_| format!("\u{1b}[31m\n\u{202e}{}", "x".repeat(200))).collect();
        asked.answer(vec![RData::TXT(TXT::new(texts))])
    })
    .await;
    let observation = ask(&server, "x.test", "TXT", LONG_MS).await;
    assert_up(&observation);
    let answers = observation.facts.text(FactKey::DnsAnswers).expect("is there");
    assert!(answers.len() <= 512 && !answers.contains(char::is_control) && !answers.contains('\u{202e}'));
}

const ROUTER: &str = include_str!("support_namespace/router.sh");

/// Runs the body in a namespace of its own, where this machine has only its loopback.
fn in_namespace(name: &str, body: impl Future<Output = ()>) {
    in_prepared_namespace(&["ip link set lo up\n", "ip route add unreachable 10.8.0.0/24\n"], name, body);
}

fn in_prepared_namespace(prepare: &[&str], name: &str, body: impl Future<Output = ()>) {
    if !Namespace::is_entered() {
        return Namespace { prepare, unprivileged: false }.enter(name);
    }
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime").block_on(body);
}

#[test]
fn no_route_is_our_fault() {
    in_namespace("no_route_is_our_fault", async {
        for target in ["192.0.2.1", "2001:db8::1", "10.8.0.9"] {
            let observation = check(json!({"target": target, "query": "x.test"}), LONG_MS).await;
            assert_says(&observation, Verdict::Inconclusive, Some(Failure::NoRoute), "no route to");
        }
    });
}

#[test]
fn a_firewall_on_the_way_is_not_ours() {
    in_prepared_namespace(&[ROUTER], "a_firewall_on_the_way_is_not_ours", async {
        for target in ["10.6.2.9", "fd00:6:2::9"] {
            let observation = check(json!({"target": target, "query": "x.test"}), LONG_MS).await;
            assert_down(&observation, Failure::Connect, "cannot be asked");
        }
    });
}

#[test]
fn a_forbidden_family_is_passed_over() {
    let prepare = ["ip link set lo up\n", "ip -6 route add prohibit fd00:5::/64\n"];
    in_prepared_namespace(&prepare, "a_forbidden_family_is_passed_over", async {
        let observation = check(json!({"target": "fd00:5::9", "query": "x.test"}), LONG_MS).await;
        assert_says(&observation, Verdict::Inconclusive, Some(Failure::Permission), "forbid to ask");
        let both = env_with(Ok(["fd00:5::9", "127.0.0.1"].map(|text| text.parse().expect("an address")).to_vec()));
        let server = Server::start(|asked| asked.answer(vec![a(1)])).await;
        let target = format!("both.test:{}", server.address.port());
        let observation = check_in(&both, json!({"target": target, "query": "x.test"}), LONG_MS).await;
        assert_up(&observation);
        assert_eq!(observation.facts.text(FactKey::Peer), Some(server.address.to_string().as_str()));
    });
}

#[test]
fn no_port_left_is_our_fault() {
    let prepare = ["ip link set lo up\n", "echo '40000 40001' > /proc/sys/net/ipv4/ip_local_port_range\n"];
    in_prepared_namespace(&prepare, "no_port_left_is_our_fault", async {
        let taken = [40_000, 40_001].map(|port| std::net::UdpSocket::bind(("0.0.0.0", port)).expect("binds"));
        let observation = check(json!({"target": "127.0.0.1", "query": "x.test"}), LONG_MS).await;
        assert_says(&observation, Verdict::Inconclusive, Some(Failure::Resources), "cannot open a socket");
        drop(taken);
    });
}

#[test]
fn no_descriptor_left_is_our_fault() {
    in_namespace("no_descriptor_left_is_our_fault", async {
        let taken = use_up_descriptors();
        let observation = check(json!({"target": "127.0.0.1", "query": "x.test"}), LONG_MS).await;
        assert_says(&observation, Verdict::Inconclusive, Some(Failure::Resources), "cannot open a socket");
        drop(taken);
    });
}

#[test]
fn a_server_may_be_a_name_and_one_dead_family_is_no_false_alarm() {
    in_namespace("a_server_may_be_a_name_and_one_dead_family_is_no_false_alarm", async {
        set_hosts("::1 both.test\n127.0.0.1 both.test\n2001:db8::1 lone.test\n127.0.0.1 lone.test\n");
        let v4 = IpAddr::from([127, 0, 0, 1]);
        for (server_name, ip) in [("both.test", Ipv6Addr::LOCALHOST.into()), ("both.test", v4), ("lone.test", v4)] {
            let server = Server::start_at(ip, true, |asked| asked.answer(vec![a(1)])).await;
            let target = format!("{server_name}:{}", server.address.port());
            let observation = check(json!({"target": target, "query": "x.test"}), LONG_MS).await;
            assert_up(&observation);
            assert!(observation.phases.name_us.is_some());
            assert_eq!(observation.facts.text(FactKey::Peer), Some(server.address.to_string().as_str()));
        }
        // The first family takes questions and says nothing.
        let server = Server::start(|asked| asked.answer(vec![a(1)])).await;
        let silent = std::net::UdpSocket::bind((Ipv6Addr::LOCALHOST, server.address.port())).expect("binds");
        let target = format!("both.test:{}", server.address.port());
        let observation = check(json!({"target": target, "query": "x.test"}), 3000).await;
        assert_up(&observation);
        drop(silent);
        let observation = check(json!({"target": "both.test:9", "query": "x.test"}), LONG_MS).await;
        assert_down(&observation, Failure::Connect, "refused");
    });
}

#[derive(Debug)]
struct Fixed(Result<Vec<IpAddr>, ResolveError>);

impl Resolver for Fixed {
    fn resolve(&self, _name: &str) -> Result<Vec<IpAddr>, ResolveError> {
        self.0.clone()
    }
}

#[tokio::test]
async fn the_resolver_of_this_machine_is_asked_for_the_server_only() {
    let dead = ResolveError::Failed("try again".into());
    let server = Server::start(|asked| asked.answer(vec![a(1)])).await;
    let by_address = json!({"target": server.address.to_string(), "query": "x.test"});
    assert_up(&check_in(&env_with(Err(dead.clone())), by_address, LONG_MS).await);
    let by_name = json!({"target": "ns.test", "query": "x.test"});
    let observation = check_in(&env_with(Err(dead)), by_name.clone(), LONG_MS).await;
    assert_says(&observation, Verdict::Inconclusive, Some(Failure::Resolver), "resolver");
    let none = ResolveError::NoName("no such name".into());
    assert_down(&check_in(&env_with(Err(none)), by_name, LONG_MS).await, Failure::Dns, "ns.test");
}

fn env_with(answer: Result<Vec<IpAddr>, ResolveError>) -> ProbeEnv {
    let env = ProbeEnv::new(Arc::new(SystemClock));
    env.shared.get_or_make(|| Lookup::with(env.clock.clone(), Arc::new(Fixed(answer))));
    env
}
