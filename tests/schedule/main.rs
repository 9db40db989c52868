//! The scheduler as a whole: real time, real sockets on loopback, real signals. What needs hours is in the unit tests
//! of its pure parts.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may fail anywhere")]

mod support;

use std::fmt::Debug;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, UdpSocket};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use hallmonitor::clock::{Clock, SystemClock};
use hallmonitor::model::{Failure, GapReason, MonitorId, UnixMicros, Verdict};
use hallmonitor::probe::Observation;
use hallmonitor::schedule::{
    Checked, Connectivity, FirstCheck, Limits, Next, Parts, Runner, Sink, SystemConnectivity, Watched,
};
use rustix::process::{Pid, Signal, kill_process};
use support::*;
use uuid::Uuid;

#[test]
fn a_panic_and_a_hang_harm_nobody_else() {
    let running = Running::start(16, Log::default());
    let server = echo_server(Duration::ZERO);
    let good = running.watch(watched(1, "127.0.0.1", SECOND, 10 * SECOND, Ask(server)));
    let panics = running.watch(watched(2, "127.0.0.1", SECOND, SECOND, Panics));
    let hangs = running.watch(watched(3, "127.0.0.1", 2 * SECOND, SECOND / 10, Endless::default()));

    for checked in running.log.wait_for_results(panics, 2) {
        assert_eq!(checked.observation.verdict, Verdict::Inconclusive);
        assert_eq!(checked.observation.failure, Some(Failure::Internal));
        assert_eq!(checked.observation.message, "the probe panicked: index 3 of 3 [31m second line");
    }
    for checked in running.log.wait_for_results(hangs, 2) {
        assert_eq!(checked.observation.verdict, Verdict::Down);
        assert_eq!(checked.observation.failure, Some(Failure::Timeout));
        assert_eq!(checked.observation.message, "no answer within 100ms");
        assert!(checked.duration_us >= 600_000, "cut off after its time-out and the grace");
    }
    for checked in running.log.wait_for_results(good, 3) {
        assert_eq!(checked.observation, Observation::up());
    }
    let figures = running.handle.figures();
    assert!(figures.panicked >= 2 && figures.overdue >= 2 && figures.done >= 7, "{figures:?}");
}

#[test]
fn a_sink_that_panics_does_not_stop_the_monitor() {
    let id = MonitorId::new(Uuid::from_u128(1));
    let running = Running::start(4, Log { panics_at: Some(id), ..Log::default() });
    // The panic poisons nothing: the log is not locked when it happens.
    running.watch(watched(1, "127.0.0.1", SECOND, SECOND, Ask(echo_server(Duration::ZERO))));
    running.log.wait_for_results(id, 3);
}

#[test]
fn cancelled_checks_are_no_results() {
    let mut running = Running::start(16, Log::default());
    let watch = |n, probe: &Endless| running.watch(watched(n, "127.0.0.1", HOUR, HOUR, probe.clone()));
    let server = echo_server(Duration::ZERO);
    let [edited, removed, paused, stopped] = [(); 4].map(|()| Endless::default());
    let ids = [watch(1, &edited), watch(2, &removed), watch(3, &paused), watch(4, &stopped)];
    for probe in [&edited, &removed, &paused, &stopped] {
        probe.wait_until("it runs", |started, _| started == 1);
    }
    assert_eq!(running.handle.figures().running, 4);
    assert_eq!(running.handle.next_check(ids[0]), None, "one that runs has no next check");

    running.watch(watched(1, "127.0.0.1", HOUR, SECOND, Ask(server)));
    running.handle.remove(&[ids[1]]);
    running.handle.pause(&[ids[2]]);
    for probe in [&edited, &removed, &paused] {
        probe.wait_until("it was cancelled", |_, dropped| dropped == 1);
    }
    let edited = running.log.wait_for_results(ids[0], 1);
    assert_eq!(edited[0].observation.verdict, Verdict::Up, "the new probe was asked at once");
    running.wait_until("it is planned again", |handle| handle.next_check(ids[0]).is_some());

    running.handle.check_now(&[ids[1], ids[2]]);
    running.handle.check_now(&[ids[0]]);
    running.log.wait_for_results(ids[0], 2);
    paused.wait_until("nobody asks a paused one", |started, _| started == 1);
    running.wait_until("the edited one is planned, and no other", |handle| handle.next_checks().len() == 1);
    running.handle.resume(&[ids[2]]);
    paused.wait_until("resumed, it is checked at once", |started, _| started == 2);

    running.stop();
    stopped.wait_until("it was cancelled", |_, dropped| dropped == 1);
    paused.wait_until("it was cancelled", |_, dropped| dropped == 2);
    for id in &ids[1..] {
        assert!(running.log.results(*id).is_empty(), "a cancelled check is no result");
    }
    let figures = running.handle.figures();
    assert_eq!((figures.cancelled, figures.running, figures.done), (5, 0, 2));
}

#[test]
fn stopping_what_never_ran_returns() {
    let (runner, handle) = Runner::new(Parts {
        clock: Arc::new(SystemClock),
        sink: Arc::new(Log::default()),
        connectivity: Arc::new(SetNetwork::home()),
        limits: Limits { concurrent: 1 },
    });
    drop(runner);
    runtime().block_on(handle.stop());
}

#[test]
fn one_monitor_never_overlaps_with_itself() {
    let running = Running::start(16, Log::default());
    // 0.7 s twice, every second, and asked for all the time.
    let slow = Ask(echo_server(Duration::from_millis(700)));
    let id = running.watch(watched(1, "127.0.0.1", SECOND, 10 * SECOND, slow));
    for count in 1..4 {
        running.handle.check_now(&[id]);
        running.handle.check_now(&[id]);
        running.log.wait_for_results(id, count);
    }
    for pair in running.log.results(id).windows(2) {
        assert!(pair[1].time >= pair[0].time.plus_us(pair[0].duration_us), "{pair:?}");
    }
    assert!(running.handle.figures().missed >= 2, "slots that came meanwhile are counted");
}

#[test]
fn a_failure_is_checked_again_soon_and_that_occupies_no_slot() {
    let running = Running::start(4, Log { recheck_after: Some(SECOND / 20), ..Log::default() });
    let id = running.watch(watched(1, "127.0.0.1", HOUR, SECOND, refused()));
    let next = running.handle.next_check(id);
    for checked in running.log.wait_for_results(id, 5) {
        assert_eq!(checked.observation.failure, Some(Failure::Connect));
    }
    let figures = running.handle.figures();
    assert_eq!(figures.missed, 0, "{next:?}");
    assert!(figures.extra >= 4);
}

/// Of monitors 0 to 99: the fewest checks that one of them had, the number of checks of all others, and the most of
/// those that came between two checks of one, once each of the others had a turn.
fn rounds(told: &[Told]) -> (usize, usize, usize) {
    let mut counts = [0usize; 100];
    let mut last = [None; 100];
    let (mut others, mut between) = (0, 0);
    for told in told {
        let Told::Checked(checked) = told else { continue };
        match usize::try_from(checked.monitor.id.uuid().as_u128()) {
            Ok(n) if n < 100 => {
                counts[n] += 1;
                let since = last[n].replace(others).filter(|before| *before >= 5_000);
                between = between.max(since.map_or(0, |before| others - before));
            }
            _ => others += 1,
        }
    }
    (counts.into_iter().min().unwrap_or(0), others, between)
}

/// 5,000 hosts that never answer share the room with 100 that do. Behind all of the dead a good one would see 5,000 of
/// them between two of its own checks; on time it sees those of one second.
#[test]
fn five_thousand_dead_hosts_do_not_delay_the_others() {
    let running = Running::start(256, Log::default());
    let server = echo_server(Duration::ZERO);
    let good: Vec<Watched> = (0..100).map(|n| watched(n, "127.0.0.1", SECOND, 5 * SECOND, Ask(server))).collect();
    let good_ids: Vec<MonitorId> = good.iter().map(|watched| watched.monitor.id).collect();
    running.handle.set(good, FirstCheck::Spread);
    running.log.wait("the good ones are known", |told| rounds(told).0 >= 1);

    let silent = UdpSocket::bind("127.0.0.1:0").unwrap();
    let silent_address = silent.local_addr().unwrap();
    let dead = (0..5_000).map(|n| watched(1_000 + n, "127.0.0.1", SECOND, SECOND / 5, Ask(silent_address))).collect();
    running.handle.set(dead, FirstCheck::AtOnce);
    let before = rounds(&running.log.wait("the dead ones are known", |told| rounds(told).1 >= 5_000));
    let (_, _, between) =
        rounds(&running.log.wait("five rounds of the good ones", |told| rounds(told).0 >= before.0 + 5));
    let figures = running.handle.figures();
    assert!(figures.waiting > 1_000, "the dead ones queue: {}", figures.waiting);
    assert!((1..3_000).contains(&between), "{between} dead ones between two checks of a good one");
    for id in good_ids {
        assert!(running.log.results(id).iter().all(|checked| checked.observation.verdict == Verdict::Up));
    }
}

#[test]
fn a_sleep_with_the_network_coming_back_late_blames_nobody() {
    let running = Running::start(16, Log::default());
    let server = echo_server(Duration::ZERO);
    let endless = Endless::default();
    let asleep = running.watch(watched(1, "192.0.2.1", HOUR, HOUR, endless.clone()));
    let good = running.watch(watched(2, "192.0.2.2", SECOND, 10 * SECOND, Ask(server)));
    endless.wait_until("it runs", |started, _| started == 1);
    running.log.wait_for_results(good, 1);
    // A result between the last tick and the sleep, wherever that tick was.
    let before = running.log.wait_for_results(good, 2);

    running.network.set(false, 0);
    running.clock.sleep_us(8 * 3_600 * 1_000_000);
    endless.wait_until("it was cancelled", |_, dropped| dropped == 1);
    assert!(running.log.results(asleep).is_empty());
    let bad = running.watch(watched(3, "192.0.2.3", SECOND, SECOND, refused()));
    running.log.wait_for_results(bad, 2);
    running.network.set(true, 7);
    // The fault is real here: once the network has stood for three seconds the target is blamed.
    let told = running.log.wait("the failure is believed", |told| {
        results(told, bad).iter().any(|checked| checked.observation.verdict == Verdict::Down)
    });

    let at = |met: &dyn Fn(&Told) -> bool| told.iter().position(met).expect("was told");
    let slept = at(&|told| matches!(told, Told::GapStarted(_, GapReason::Asleep)));
    assert!(matches!(told[slept - 1], Told::Interrupted), "half-made runs are dropped first");
    let Told::GapStarted(began, _) = told[slept] else { unreachable!() };
    let Told::GapEnded(from, to, GapReason::Asleep) = told[slept + 1] else { panic!("{:?}", told[slept + 1]) };
    assert_eq!(began, from);
    let latest = before.iter().map(|checked| checked.time).max().expect("two results");
    assert!(latest < from, "a result inside would cover its full reach of the sleep");
    assert!((8 * 3_600..8 * 3_600 + 30).contains(&(to.since_us(from) / 1_000_000)));
    let online = at(&|told| matches!(told, Told::GapEnded(_, _, GapReason::Offline)));
    let believed = at(&|told| matches!(told, Told::Checked(checked) if checked.observation.verdict == Verdict::Down));
    assert!(online > slept && believed > online);
    for checked in results(&told[..believed], bad) {
        assert_eq!(checked.observation.failure, Some(Failure::NoRoute));
        assert!(checked.observation.message.contains(" — "), "{}", checked.observation.message);
    }
    let Told::GapEnded(_, back, _) = told[online] else { unreachable!() };
    let Told::Checked(checked) = &told[believed] else { unreachable!() };
    assert!(checked.time.since_us(back) >= 2_900_000, "the network stood for three seconds");
    assert!(results(&told, good).iter().all(|checked| checked.observation.verdict == Verdict::Up));
}

#[test]
fn a_clock_that_is_set_disturbs_no_cadence() {
    let running = Running::start(64, Log::default());
    let server = echo_server(Duration::ZERO);
    let all = (0..50).map(|n| watched(n, "127.0.0.1", SECOND, 10 * SECOND, Ask(server))).collect();
    running.handle.set(all, FirstCheck::AtOnce);
    let first = MonitorId::new(Uuid::from_u128(0));
    running.log.wait_for_results(first, 2);
    let begun = SystemClock.mono();
    let before = running.handle.figures();
    let day = 86_400 * 1_000_000;
    running.clock.set_wall_by(-day);
    let mut seen = running.log.results(first).len();
    running.log.wait_for_results(first, seen + 2);
    running.clock.set_wall_by(2 * day);
    running.log.wait("the gap", |told| told.iter().any(|told| matches!(told, Told::GapEnded(..))));
    seen = running.log.results(first).len();
    running.log.wait_for_results(first, seen + 2);
    let after = running.handle.figures();
    let slots = 50 * (SystemClock.mono().since_us(begun) / 1_000_000 + 2);
    assert!(after.done - before.done <= slots, "no burst: {} checks where {slots} slots are", after.done - before.done);
    assert_eq!(after.cancelled, 0);

    let told = running.log.told.lock().unwrap();
    let gaps: Vec<_> = told.iter().filter(|told| !matches!(told, Told::Checked(_))).collect();
    let [Told::GapStarted(..), Told::GapEnded(from, to, GapReason::Clock)] = gaps[..] else { panic!("{gaps:?}") };
    assert!(to.since_us(*from).abs_diff(2 * day.unsigned_abs()) < 1_000_000, "{from} {to}");
    for told in told.iter() {
        let Told::Checked(checked) = told else { continue };
        assert_eq!(checked.observation.verdict, Verdict::Up);
        assert!(checked.duration_us < 60_000_000);
    }
}

const CHILD: &str = "HALLMONITOR_TEST_CHILD";

/// Runs this test binary again, with one test only, as a process of its own.
fn again(test: &str, mut command: Command) -> Command {
    command.args([test, "--exact", "--nocapture"]).env(CHILD, "yes").stdin(Stdio::piped()).stdout(Stdio::piped());
    command
}

/// Says what it is told on the standard output, line by line.
#[derive(Debug)]
struct Speaker;

impl Speaker {
    fn say(line: &str) {
        let mut out = std::io::stdout().lock();
        writeln!(out, "# {line}").unwrap();
    }
}

impl Sink for Speaker {
    fn checked(&self, checked: Checked) -> Next {
        Self::say(&format!("checked {}", checked.observation.verdict));
        Next::default()
    }

    fn gap_started(&self, _: UnixMicros, _: GapReason) {}

    fn gap_ended(&self, from: UnixMicros, to: UnixMicros, reason: GapReason) {
        Self::say(&format!("gap {reason} {}", to.since_us(from)));
    }

    fn interrupted(&self) {
        Self::say("interrupted");
    }

    fn watchdog(&self, stuck: bool) {
        Self::say(&format!("watchdog {stuck}"));
    }
}

/// Watches a server of the parent process until its standard input ends.
fn watch_in_the_child(server: SocketAddr) {
    let (runner, handle) = Runner::new(Parts {
        clock: Arc::new(SystemClock),
        sink: Arc::new(Speaker),
        connectivity: Arc::new(SetNetwork::home()),
        limits: Limits::of_this_process(),
    });
    let all = (0..20).map(|n| watched(n, "192.0.2.1", SECOND, 3 * SECOND, Ask(server))).collect();
    handle.set(all, FirstCheck::Spread);
    let thread = std::thread::spawn(move || runtime().block_on(runner.run()));
    std::io::stdin().read_to_end(&mut Vec::new()).unwrap();
    runtime().block_on(handle.stop());
    thread.join().unwrap();
}

#[test]
fn a_process_that_is_stopped_blames_nobody() {
    if let Some(server) = std::env::var_os(CHILD).and(std::env::var_os("HALLMONITOR_TEST_SERVER")) {
        watch_in_the_child(server.to_str().unwrap().parse().unwrap());
        return;
    }
    // A check takes 0.5 s of its 3 s: of 20 a second about 10 run at any moment, also when the signal comes.
    let server = echo_server(Duration::from_millis(250));
    let mut child = again("a_process_that_is_stopped_blames_nobody", Command::new(std::env::current_exe().unwrap()))
        .env("HALLMONITOR_TEST_SERVER", server.to_string())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
    let mut until = |end: &dyn Fn(&str, usize) -> bool| -> Vec<String> {
        let mut seen = Vec::new();
        for line in lines.by_ref().filter_map(|line| line.strip_prefix("# ").map(str::to_owned)) {
            let up = seen.iter().filter(|line| *line == "checked up").count() + usize::from(line == "checked up");
            let last = end(&line, up);
            seen.push(line);
            assert!(seen.len() < 2_000, "the child never said it: {:?}", &seen[..100]);
            if last {
                return seen;
            }
        }
        panic!("the child said no more after {seen:?}");
    };
    let before = until(&|_, up| up >= 40);
    let pid = Pid::from_child(&child);
    kill_process(pid, Signal::STOP).unwrap();
    // The one thing here that cannot be waited for: the process has to be away for longer than a standstill.
    std::thread::sleep(Duration::from_millis(6_500));
    kill_process(pid, Signal::CONT).unwrap();
    let mut after = until(&|line, _| line.starts_with("gap "));
    after.extend(until(&|_, up| up >= 60));
    drop(child.stdin.take());
    assert!(child.wait().unwrap().success());

    let all: Vec<String> = [before, after].concat();
    assert!(!all.iter().any(|line| line == "checked down"), "{all:?}");
    let gaps: Vec<&String> = all.iter().filter(|line| line.starts_with("gap ")).collect();
    let [gap] = gaps[..] else { panic!("{gaps:?}") };
    let us: u64 = gap.strip_prefix("gap overload ").expect("an overload").parse().unwrap();
    assert!(us >= 6_500_000, "{us}");
    assert_eq!(all.iter().filter(|line| *line == "interrupted").count(), 1);
}

/// In a network namespace of its own: no address, an address, a route, none again.
#[test]
fn the_network_of_this_machine_is_seen_as_it_is() {
    if std::env::var_os(CHILD).is_some() {
        see_a_network_come_and_go();
        return;
    }
    let mut command = Command::new("unshare");
    command.args(["--map-root-user", "--net", "--"]).arg(std::env::current_exe().unwrap());
    let child = again("the_network_of_this_machine_is_seen_as_it_is", command).stderr(Stdio::piped()).spawn().unwrap();
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    let complained = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.contains("# seen"), "{said}\n{complained}");
}

fn see_a_network_come_and_go() {
    let ip = |arguments: &str| {
        let done = Command::new("ip").args(arguments.split(' ')).status().expect("ip runs");
        assert!(done.success(), "ip {arguments}");
    };
    let system = SystemConnectivity::default();
    // The kernel notices a carrier that comes or goes a moment later.
    let until_online_is = |online: bool| {
        let begun = SystemClock.mono();
        while system.snapshot().online != online {
            assert!(SystemClock.mono().since(begun) < PATIENCE, "online never became {online}");
            std::thread::sleep(Duration::from_millis(10));
        }
        system.snapshot()
    };
    ip("link set lo up");
    let none = system.snapshot();
    assert!(!none.online, "loopback is no network");
    ip("link add out type veth peer name far");
    ip("link set far up");
    ip("link set out up");
    assert_eq!(system.snapshot(), none, "an interface without an address is no network");
    ip("addr add 10.20.30.40/24 dev out");
    let address = until_online_is(true);
    assert_ne!(address.fingerprint, none.fingerprint);
    assert_eq!(system.snapshot(), address);
    ip("route add default via 10.20.30.1");
    let route = system.snapshot();
    assert!(route.online && route.fingerprint != address.fingerprint);
    ip("link add bridge type bridge");
    ip("link set bridge up");
    ip("addr add 172.30.0.1/16 dev bridge");
    assert_eq!(system.snapshot(), route, "an address beside the way out changes nothing");
    ip("link del bridge");
    ip("link set far down");
    // A pulled cable is no network, whatever address is set.
    until_online_is(false);
    Speaker::say("seen");
}
