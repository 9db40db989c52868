//! Sleep, standstills, set clocks and lost networks, by clocks that are set.

use super::*;
use crate::clock::SetClock;
use crate::model::{Coverage, Evidence, Failure, Gap, MonitorId, Seen, State};

const SECOND: u64 = 1_000_000;
const HOME: Network = Network { online: true, fingerprint: 1 };
const CAFE: Network = Network { online: true, fingerprint: 2 };
const NONE: Network = Network { online: false, fingerprint: 0 };

/// A watch that ticks once a second on clocks set by hand.
struct Bench {
    clock: SetClock,
    watch: Watch,
    network: Network,
    notices: Vec<Notice>,
}

impl Bench {
    fn new() -> Self {
        let clock = SetClock::at(UnixMicros::new(1_790_000_000_000_000));
        let watch = Watch::new(Readings::of(&clock), HOME);
        let mut bench = Self { clock, watch, network: HOME, notices: Vec::new() };
        bench.pass(5);
        bench
    }

    fn now(&self) -> Readings {
        Readings::of(&self.clock)
    }

    fn tick(&mut self) -> Option<Interruption> {
        let now = self.now();
        let interruption = self.watch.tick(now, &mut self.notices);
        self.watch.see(now, self.network, true, &mut self.notices);
        interruption
    }

    fn pass(&mut self, seconds: u64) {
        for _ in 0..seconds {
            self.clock.advance_us(SECOND);
            assert_eq!(self.tick(), None);
        }
    }

    fn told(&mut self) -> Vec<Notice> {
        std::mem::take(&mut self.notices)
    }

    /// What becomes of a failure of a check that began so long ago.
    fn judged(&self, failure: Failure, ago_us: u64, loopback: bool) -> (Verdict, Option<Failure>, String) {
        let now = self.now();
        let mut observation = Observation::failed(failure, "refused");
        self.watch.judge(&now, Mono(now.mono.0 - ago_us), loopback, &mut observation);
        (observation.verdict, observation.failure, observation.message)
    }

    fn believes(&self, failure: Failure) -> bool {
        self.judged(failure, 0, false).0 == Verdict::Down
    }
}

fn both(from: UnixMicros, to: UnixMicros, reason: GapReason) -> [Notice; 2] {
    [Notice::GapStarted(from, reason), Notice::GapEnded(Span::new(from, to), reason)]
}

#[test]
fn quiet_seconds_tell_nothing() {
    let mut bench = Bench::new();
    bench.pass(100);
    assert_eq!(bench.told(), []);
    assert!(bench.believes(Failure::Timeout));
}

#[test]
fn a_sleep_is_a_gap_and_the_network_gets_time() {
    let mut bench = Bench::new();
    let asleep = bench.now().wall;
    bench.clock.sleep_us(3_600 * SECOND);
    assert_eq!(bench.watch.interruption(&bench.now()), Some(Interruption::Slept(3_600 * SECOND)));
    bench.network = NONE;
    bench.tick();
    let awake = bench.now().wall;
    let gap = both(asleep.plus_us(1), awake, GapReason::Asleep);
    let offline = [Notice::Interrupted, Notice::GapStarted(awake, GapReason::Offline)];
    assert_eq!(bench.told(), [Notice::Interrupted, gap[0], gap[1], offline[0], offline[1]]);
    assert!(!bench.believes(Failure::Timeout));
    bench.pass(7);
    bench.network = CAFE;
    bench.pass(1);
    let back = bench.now().wall;
    assert_eq!(bench.told(), [Notice::GapEnded(Span::new(awake, back), GapReason::Offline)]);
    bench.pass(2);
    let (verdict, failure, message) = bench.judged(Failure::Connect, 1_000, true);
    assert_eq!((verdict, failure), (Verdict::Inconclusive, Some(Failure::NoRoute)), "it stands for two seconds only");
    assert_eq!(message, "refused — just after waking, the network was not ready");
    bench.pass(1);
    assert!(bench.believes(Failure::Connect), "it stood for three seconds");
    assert_eq!(bench.judged(Failure::Timeout, 2 * SECOND, false).0, Verdict::Inconclusive, "began before");
    bench.pass(3);
    assert!(bench.believes(Failure::Timeout));
}

#[test]
fn a_result_just_before_a_sleep_covers_nothing_of_it() {
    let mut bench = Bench::new();
    bench.clock.advance_us(400_000);
    let checked = bench.now().wall;
    bench.clock.advance_us(5_000);
    assert_eq!(bench.watch.interruption(&bench.now()), None);
    bench.watch.awake(bench.now());
    let done = bench.now().wall;
    bench.clock.sleep_us(8 * 3_600 * SECOND);
    bench.tick();
    let woke = bench.now().wall;
    let told = bench.told();
    let [Notice::Interrupted, Notice::GapStarted(..), Notice::GapEnded(slept, reason)] = told[..] else {
        panic!("{told:?}")
    };
    assert_eq!((slept, reason), (Span::new(done.plus_us(1), woke), GapReason::Asleep));

    let seen = Seen { time: checked, reach_us: 130 * SECOND, duration_us: 5_000, verdict: Verdict::Up, failure: None };
    let gaps = [Gap { monitor: MonitorId::ALL, span: slept, reason }];
    let evidence = Evidence { results: &[seen], gaps: &gaps, incidents: &[], now: woke };
    let coverage = Coverage::of(&evidence, Span::new(checked, woke));
    assert_eq!(coverage.observed, [(Span::new(checked, slept.from), State::Up)]);
    assert_eq!(coverage.gaps, [(slept, GapReason::Asleep)]);
}

#[test]
fn a_clock_set_just_before_a_sleep_leaves_no_time_without_a_reason() {
    let mut bench = Bench::new();
    let ticked = bench.now().wall;
    bench.clock.set_wall(ticked.plus_us(400 * SECOND));
    bench.watch.awake(bench.now());
    bench.clock.sleep_us(100 * SECOND);
    bench.tick();
    let slept = both(ticked.plus_us(1), ticked.plus_us(100 * SECOND), GapReason::Asleep);
    let set = both(ticked.plus_us(100 * SECOND), ticked.plus_us(500 * SECOND), GapReason::Clock);
    assert_eq!(bench.told(), [Notice::Interrupted, slept[0], slept[1], set[0], set[1]]);
}

#[test]
fn a_network_that_never_comes_to_rest_is_waited_for_thirty_seconds() {
    let mut bench = Bench::new();
    bench.clock.sleep_us(60 * SECOND);
    bench.tick();
    for n in 0..29 {
        bench.network.fingerprint = 100 + n;
        bench.pass(1);
        assert!(!bench.believes(Failure::Connect), "second {n}");
    }
    bench.network.fingerprint = 200;
    bench.pass(1);
    assert!(bench.believes(Failure::Connect));
}

#[test]
fn a_standstill_is_an_overload_and_a_short_one_spoils_time_outs_only() {
    let mut bench = Bench::new();
    let from = bench.now().wall;
    bench.clock.advance_us(5_900_000);
    assert_eq!(bench.watch.interruption(&bench.now()), None);
    assert_eq!(bench.judged(Failure::Timeout, 4 * SECOND, true).1, Some(Failure::Resources), "before any tick too");
    bench.clock.advance_us(100_000);
    assert_eq!(bench.tick(), Some(Interruption::Stalled));
    let gap = both(from.plus_us(1), bench.now().wall, GapReason::Overload);
    assert_eq!(bench.told(), [Notice::Interrupted, gap[0], gap[1]]);
    bench.pass(3);
    assert!(bench.believes(Failure::Timeout));

    bench.clock.advance_us(3 * SECOND);
    assert_eq!(bench.tick(), None);
    assert_eq!(bench.told(), []);
    let (verdict, failure, message) = bench.judged(Failure::Timeout, SECOND, true);
    assert_eq!((verdict, failure), (Verdict::Inconclusive, Some(Failure::Resources)));
    assert_eq!(message, "refused — this machine stood still meanwhile");
    assert_eq!(bench.judged(Failure::Connect, SECOND, true).0, Verdict::Down);
    bench.pass(1);
    assert!(bench.believes(Failure::Timeout), "checks that began after it count");
}

#[test]
fn a_clock_set_forward_is_a_gap_and_one_set_back_is_nothing() {
    let mut bench = Bench::new();
    let before = bench.now().wall;
    bench.clock.set_wall(before.plus_us(7_200 * SECOND));
    bench.pass(1);
    let after = bench.now().wall;
    assert_eq!(bench.told(), both(before.plus_us(SECOND), after, GapReason::Clock));
    assert!(bench.believes(Failure::Timeout), "checks are not touched");

    bench.clock.set_wall(before);
    bench.pass(10);
    assert_eq!(bench.told(), []);
    assert!(bench.believes(Failure::Timeout));
}

#[test]
fn a_clock_that_is_set_in_a_sleep_makes_no_negative_gap() {
    let mut bench = Bench::new();
    let asleep = bench.now().wall;
    bench.clock.sleep_us(100 * SECOND);
    bench.clock.set_wall(asleep.minus_us(50 * SECOND));
    bench.tick();
    assert_eq!(bench.told(), [Notice::Interrupted], "the wall clock shows nothing of it");

    bench.pass(5);
    let asleep = bench.now().wall;
    bench.clock.sleep_us(100 * SECOND);
    bench.clock.set_wall(asleep.plus_us(400 * SECOND));
    bench.tick();
    let slept = both(asleep.plus_us(1), asleep.plus_us(100 * SECOND), GapReason::Asleep);
    let set = both(asleep.plus_us(100 * SECOND), asleep.plus_us(400 * SECOND), GapReason::Clock);
    assert_eq!(bench.told(), [Notice::Interrupted, slept[0], slept[1], set[0], set[1]]);
}

#[test]
fn without_a_network_only_loopback_is_believed() {
    let mut bench = Bench::new();
    bench.network = NONE;
    bench.pass(20);
    let (verdict, failure, message) = bench.judged(Failure::Timeout, 1_000, false);
    assert_eq!((verdict, failure), (Verdict::Inconclusive, Some(Failure::NoRoute)));
    assert_eq!(message, "refused — this machine has no network");
    assert_eq!(bench.judged(Failure::Connect, 1_000, true).0, Verdict::Down);
    let told = bench.told();
    assert!(matches!(told[..], [Notice::Interrupted, Notice::GapStarted(_, GapReason::Offline)]), "{told:?}");
    let mut notices = Vec::new();
    bench.watch.end(bench.now().wall, &mut notices);
    assert_eq!(notices.len(), 1);
    bench.watch.end(bench.now().wall, &mut notices);
    assert_eq!(notices.len(), 1, "and is ended once");
}

#[test]
fn with_loopback_targets_only_there_is_no_gap() {
    let mut bench = Bench::new();
    let mut notices = Vec::new();
    bench.watch.see(bench.now(), NONE, false, &mut notices);
    assert_eq!(notices, []);
    bench.watch.see(bench.now(), NONE, true, &mut notices);
    let begun = [Notice::Interrupted, Notice::GapStarted(bench.now().wall, GapReason::Offline)];
    assert_eq!(notices, begun, "a remote one came");
    assert!(bench.watch.see(bench.now(), NONE, false, &mut notices), "and went");
}

#[test]
fn a_changed_network_gets_one_grace_however_often_it_changes() {
    let mut bench = Bench::new();
    bench.network = CAFE;
    bench.pass(1);
    assert!(!bench.believes(Failure::Connect));
    assert_eq!(bench.judged(Failure::Connect, 9 * SECOND, true).0, Verdict::Down, "loopback needs no network");
    bench.pass(3);
    assert!(bench.believes(Failure::Connect));
    let (_, _, message) = bench.judged(Failure::Connect, 9 * SECOND, false);
    assert_eq!(message, "refused — this machine's network had just changed");

    bench.pass(10);
    for n in 0..60 {
        bench.network.fingerprint = 1_000 + n;
        bench.pass(1);
    }
    assert!(bench.believes(Failure::Connect), "a network that always changes hides no outage");
}

#[test]
fn good_and_inconclusive_checks_stay_as_they_are() {
    let mut bench = Bench::new();
    bench.network = NONE;
    bench.pass(1);
    let mut up = Observation::up();
    bench.watch.judge(&bench.now(), Mono(0), false, &mut up);
    assert_eq!(up, Observation::up());
    let mut ours = Observation::failed(Failure::Permission, "no");
    bench.watch.judge(&bench.now(), Mono(0), false, &mut ours);
    assert_eq!(ours, Observation::failed(Failure::Permission, "no"));
}
