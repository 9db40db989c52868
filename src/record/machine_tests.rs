//! Thresholds, runs and incidents against plain sequences and against chance.

use proptest::prelude::*;

use super::*;
use crate::model::{Facts, Phases, Span};

const SECOND: u64 = 1_000_000;

fn id() -> MonitorId {
    MonitorId::new(uuid::Uuid::from_u128(1))
}

fn rules(failures: u32, recoveries: u32) -> Rules {
    Rules { monitor: id(), thresholds: Thresholds { failures, recoveries }, interval: Duration::from_secs(60) }
}

fn at(second: u64) -> UnixMicros {
    UnixMicros::new(1_700_000_000_000_000).plus_us(second * SECOND)
}

fn result(verdict: Verdict, time: UnixMicros) -> CheckResult {
    let failure = match verdict {
        Verdict::Up => None,
        Verdict::Degraded => Some(Failure::Assertion),
        Verdict::Down => Some(Failure::Connect),
        Verdict::Inconclusive => Some(Failure::Resolver),
    };
    CheckResult {
        monitor: id(),
        time,
        interval_us: 60 * SECOND,
        timeout_us: 10 * SECOND,
        verdict,
        duration_us: 5,
        failure,
        message: format!("{verdict} at {time}").into(),
        phases: Phases::default(),
        facts: Facts::new(),
    }
}

/// Runs a word of `u`p, `g` (degraded), `d`own, `i`nconclusive and `x` (interrupted), one letter each minute; gives
/// the states after each letter as `U`, `G`, `D`, `P`, `O` (unobserved), and the incidents as they are at last.
fn run(rules: &Rules, word: &str) -> (String, Vec<Incident>, Machine) {
    let mut machine = Machine::new(at(0));
    let mut incidents: Vec<Incident> = Vec::new();
    let mut states = String::new();
    for (minute, letter) in (0..).zip(word.chars()) {
        let verdict = match letter {
            'u' => Verdict::Up,
            'g' => Verdict::Degraded,
            'd' => Verdict::Down,
            'i' => Verdict::Inconclusive,
            _ => {
                machine.interrupted();
                states.push('x');
                continue;
            }
        };
        let step = machine.step(rules, &result(verdict, at(minute * 60)));
        for incident in [step.opened, step.closed].into_iter().flatten() {
            incidents.retain(|known| known.id != incident.id);
            incidents.push(incident);
        }
        states.push(match machine.state() {
            State::Up => 'U',
            State::Degraded => 'G',
            State::Down => 'D',
            State::Pending => 'P',
            State::Unobserved => 'O',
            State::Paused | State::Maintenance => '?',
        });
    }
    (states, incidents, machine)
}

fn states(failures: u32, recoveries: u32, word: &str) -> String {
    run(&rules(failures, recoveries), word).0
}

#[test]
fn down_after_two_failures_up_after_one_success() {
    assert_eq!(states(2, 1, "uuddduud"), "UUUDDUUU");
    assert_eq!(states(2, 1, "ddu"), "PDU");
    assert_eq!(states(2, 1, "duduu"), "PUUUU", "an unconfirmed failure keeps the former state");
}

#[test]
fn one_and_one_as_in_hallmonitor() {
    assert_eq!(states(1, 1, "dudu"), "DUDU");
    let (_, incidents, _) = run(&rules(1, 1), "dudu");
    assert_eq!(incidents.len(), 2);
    assert_eq!(incidents[0].end, IncidentEnd::Recovered(at(60)));
    assert_eq!((incidents[1].opened, incidents[1].confirmed), (at(120), at(120)));
}

#[test]
fn degraded_counts_as_success_and_follows_at_once() {
    assert_eq!(states(2, 2, "ugugddguu"), "UGUGGDDUU");
    assert!(run(&rules(1, 1), "gggggg").1.is_empty());
}

#[test]
fn an_incident_lasts_from_the_first_failure_to_the_first_success() {
    let (states, incidents, _) = run(&rules(3, 2), "udddduduu");
    assert_eq!(states, "UUUDDDDDU");
    let [incident] = incidents.as_slice() else { panic!("one incident: {incidents:?}") };
    assert_eq!((incident.opened, incident.confirmed), (at(60), at(180)));
    assert_eq!(incident.end, IncidentEnd::Recovered(at(420)), "the first of the two good checks that closed it");
    assert_eq!(incident.message, format!("down at {}", at(60)), "the first failure's words");
    assert_eq!(incident.id, IncidentId::of(id(), at(60)));
}

#[test]
fn inconclusive_neither_adds_nor_resets() {
    assert_eq!(states(2, 2, "udid"), "UUUD");
    assert_eq!(states(2, 2, "ddiuiu"), "PDDDDU");
    assert_eq!(states(2, 1, "udii"), "UUUU", "no failure of ours confirms one of the target");
}

#[test]
fn nothing_but_inconclusive_is_unobserved_until_the_next_conclusive() {
    // First at 60 s; 2 × 60 + 10 s later is 190 s.
    assert_eq!(states(2, 1, "uiiiiiu"), "UUUUOOU");
    assert_eq!(states(2, 1, "iiiid"), "PPPOP");
    let (shown, incidents, machine) = run(&rules(1, 1), "diiii");
    assert_eq!(shown, "DDDDO");
    assert!(incidents[0].is_open(), "an incident stays open unseen");
    assert_eq!(machine.since(), at(60));
    assert_eq!(machine.blind_reason(), Some(GapReason::Offline));
}

#[test]
fn unobserved_says_when_it_begins_and_ends() {
    let mut machine = Machine::new(at(0));
    let rules = rules(2, 1);
    let mut edges = Vec::new();
    for (verdict, second) in
        [(Verdict::Inconclusive, 0), (Verdict::Inconclusive, 131), (Verdict::Inconclusive, 190), (Verdict::Down, 200)]
    {
        edges.extend(machine.step(&rules, &result(verdict, at(second))).blind);
    }
    let reason = GapReason::Offline;
    assert_eq!(edges, [BlindEdge::Began { at: at(0), reason }, BlindEdge::Ended { at: at(200), reason }]);
}

#[test]
fn asks_for_a_re_check_while_undecided_and_only_then() {
    let mut machine = Machine::new(at(0));
    let mut rules = rules(3, 2);
    let asked: Vec<bool> = "dddduiuu"
        .chars()
        .zip(0..)
        .map(|(letter, minute)| {
            let verdict = match letter {
                'd' => Verdict::Down,
                'i' => Verdict::Inconclusive,
                _ => Verdict::Up,
            };
            machine.step(&rules, &result(verdict, at(minute * 60))).recheck_after.is_some()
        })
        .collect();
    assert_eq!(asked, [true, true, false, false, true, false, false, false]);
    assert_eq!(rules.recheck_after(), Some(Duration::from_secs(10)));
    rules.interval = Duration::from_secs(8);
    assert_eq!(rules.recheck_after(), Some(Duration::from_secs(2)));
    rules.interval = Duration::ZERO;
    assert_eq!(rules.recheck_after(), None);
}

#[test]
fn an_interruption_drops_half_made_runs() {
    assert_eq!(states(2, 1, "udxdd"), "UUxUD");
    assert_eq!(states(2, 2, "dduxuu"), "PDDxDU");
    assert_eq!(states(2, 1, "ddxu"), "PDxU", "what was confirmed stays");
}

#[test]
fn a_long_blindness_drops_half_made_runs() {
    let (states, incidents, _) = run(&rules(2, 1), "udiiiid");
    assert_eq!(states, "UUUUUOU", "two failures that nobody saw the time between are no incident");
    assert_eq!(incidents, []);
    let (states, incidents, _) = run(&rules(2, 1), "udiiiidd");
    assert_eq!(states, "UUUUUOUD");
    assert_eq!(incidents[0].opened, at(360), "it is not dated back");
    assert_eq!(self::states(2, 2, "dduiiiiuu"), "PDDDDDODU", "nor is a recovery half seen");
    assert_eq!(self::states(2, 1, "udiid"), "UUUUD", "a short one neither adds nor ends");
}

/// Runs verdicts at times; gives the incidents in the order of their rows, and the machine.
fn run_at(rules: &Rules, steps: &[(Verdict, UnixMicros)]) -> (Vec<Incident>, Machine) {
    let mut machine = Machine::new(at(0));
    let mut replayed = machine.clone();
    let mut rows = Vec::new();
    for (verdict, time) in steps {
        let result = result(*verdict, *time);
        let step = machine.step(rules, &result);
        replayed.observe(&result);
        for incident in [step.opened, step.closed].into_iter().flatten() {
            replayed.replay_incident(incident.clone());
            rows.push(incident);
        }
        assert_eq!(machine, replayed, "a replay gives the same");
    }
    (rows, machine)
}

#[test]
fn an_outage_after_the_clock_was_set_back_is_dated_by_the_clock_as_it_is() {
    use Verdict::{Down, Up};
    let steps = [(Down, at(7_200)), (Up, at(7_260)), (Down, at(3_660)), (Up, at(3_720))];
    let (rows, machine) = run_at(&rules(1, 1), &steps);
    assert_eq!(rows.len(), 4);
    assert_eq!(rows[2].opened, at(3_660), "not when the last incident ended");
    assert_eq!(rows[3].end, IncidentEnd::Recovered(at(3_720)));
    assert_eq!(machine.since(), at(3_720));

    let (rows, _) = run_at(&rules(2, 1), &[(Up, at(7_000)), (Down, at(7_200)), (Down, at(3_600))]);
    assert_eq!((rows[0].opened, rows[0].confirmed), (at(3_600), at(3_600)), "nor by a first failure in the future");
    let (rows, _) = run_at(&rules(1, 1), &[(Down, at(7_200)), (Up, at(7_260)), (Down, at(7_150))]);
    assert_eq!(rows[2].opened, at(7_260), "a small step keeps the order");
}

#[test]
fn an_outage_in_which_the_clock_is_set_back_goes_on() {
    use Verdict::{Down, Up};
    // To before it began.
    let (rows, machine) = run_at(&rules(2, 2), &[(Down, at(7_200)), (Down, at(7_260)), (Down, at(3_600))]);
    let [_, reopened, left] = rows.as_slice() else { panic!("{rows:?}") };
    assert_eq!(left.id, rows[0].id);
    assert_eq!((left.confirmed, left.end), (at(7_200), IncidentEnd::Unknown(at(7_200))), "no time when that comes");
    assert_eq!((reopened.opened, reopened.confirmed), (at(3_600), at(3_600)));
    assert_eq!(reopened.message, format!("down at {}", at(3_600)));
    assert_eq!((machine.state(), machine.since()), (State::Down, at(3_600)));
    // To between its start and its confirmation; then it is over, or nobody sees the end.
    let begun = [(Down, at(3_000)), (Down, at(7_200)), (Down, at(3_600))];
    let (rows, mut machine) = run_at(&rules(2, 1), &begun);
    assert_eq!(rows.len(), 1);
    assert_eq!(machine.known_down, at(3_600));
    let ended = machine.end_unknown().expect("open");
    assert_eq!((ended.confirmed, ended.end), (at(3_600), IncidentEnd::Unknown(at(3_600))));
    let (rows, _) = run_at(&rules(2, 1), &[&begun[..], &[(Up, at(3_660))]].concat());
    assert_eq!((rows[1].confirmed, rows[1].end), (at(3_660), IncidentEnd::Recovered(at(3_660))));
    // Just as the target came back.
    let (rows, _) = run_at(&rules(1, 2), &[(Down, at(3_000)), (Up, at(7_200)), (Up, at(3_600))]);
    assert_eq!(rows[1].end, IncidentEnd::Recovered(at(3_600)));
    let (rows, _) = run_at(&rules(1, 1), &[(Down, at(7_200)), (Up, at(3_600))]);
    assert_eq!(rows[1].span(at(0)), Span::new(at(7_200), at(7_200)), "it began in the future: no time");
}

#[test]
fn blindness_is_seen_although_the_clock_was_set_back() {
    let mut machine = Machine::new(at(0));
    let edges: Vec<_> = [7_200, 3_600, 3_660, 3_720, 3_780]
        .into_iter()
        .filter_map(|second| machine.step(&rules(1, 1), &result(Verdict::Inconclusive, at(second))).blind)
        .collect();
    assert_eq!(edges, [BlindEdge::Began { at: at(3_600), reason: GapReason::Offline }]);
}

#[test]
fn an_end_that_nobody_saw_is_unknown() {
    let rules = rules(1, 1);
    let closed = |interrupted: bool, second: u64| {
        let mut machine = Machine::new(at(0));
        machine.step(&rules, &result(Verdict::Down, at(0)));
        machine.step(&rules, &result(Verdict::Down, at(60)));
        if interrupted {
            machine.interrupted();
        }
        machine.step(&rules, &result(Verdict::Up, at(second))).closed.expect("closed").end
    };
    assert_eq!(closed(true, 60 + 30_000), IncidentEnd::Unknown(at(60)), "asleep for hours");
    assert_eq!(closed(true, 60 + 90), IncidentEnd::Recovered(at(150)), "a stall of seconds hides nothing");
    assert_eq!(closed(false, 60 + 30_000), IncidentEnd::Recovered(at(30_060)), "the clock was set forward");
}

#[test]
fn a_removed_monitor_ends_its_incident_at_the_last_failure() {
    let (_, _, mut machine) = run(&rules(2, 2), "dddu");
    let incident = machine.end_unknown().expect("was open");
    assert_eq!(incident.end, IncidentEnd::Unknown(at(120)));
    assert_eq!(machine.state(), State::Pending);
    assert_eq!(machine.end_unknown(), None);
}

#[derive(Clone, Debug)]
enum Act {
    Check(Verdict, i64),
    Interrupted,
    Removed,
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    let verdict = prop::sample::select(Verdict::ALL);
    // Mostly a minute on; now and then the clock stands still or is set.
    let step = prop_oneof![6 => Just(60_i64), 1 => Just(0), 1 => -4_000_i64..4_000];
    let act = prop_oneof![
        30 => (verdict, step).prop_map(|(verdict, step)| Act::Check(verdict, step)),
        2 => Just(Act::Interrupted),
        1 => Just(Act::Removed),
    ];
    prop::collection::vec(act, 0..120)
}

proptest! {
    #[test]
    fn thresholds_are_exact_and_incidents_in_order(acts in acts(), n in 1_u32..5, m in 1_u32..5) {
        let rules = rules(n, m);
        let mut machine = Machine::new(at(0));
        let mut time = at(1_000_000).micros();
        let mut latest = UnixMicros::MIN;
        // Whether the clock was ever set back by more than order is kept for.
        let mut set_back = false;
        let (mut bad, mut good) = (0, 0);
        let mut open: Option<Incident> = None;
        let mut done: Vec<Incident> = Vec::new();
        for act in acts {
            match act {
                Act::Check(verdict, step) => {
                    time += step * 1_000_000;
                    let now = UnixMicros::new(time);
                    set_back |= latest.since_us(now) > AHEAD_US;
                    latest = latest.max(now);
                    let step = machine.step(&rules, &result(verdict, now));
                    match verdict {
                        Verdict::Down => (bad, good) = (bad + 1, 0),
                        Verdict::Up | Verdict::Degraded => (bad, good) = (0, good + 1),
                        Verdict::Inconclusive => {}
                    }
                    let opens = open.is_none() && verdict == Verdict::Down && bad == n;
                    let closes = open.is_some() && verdict.is_good() && good == m;
                    let ahead = open.as_ref().is_some_and(|open| open.opened.since_us(now) > AHEAD_US);
                    let again = ahead && verdict == Verdict::Down;
                    prop_assert_eq!(step.opened.is_some(), opens || again);
                    prop_assert_eq!(step.closed.is_some(), closes || again);
                    if let Some(incident) = step.closed {
                        prop_assert_eq!(Some(incident.id), open.take().map(|open| open.id));
                        done.push(incident);
                    }
                    if let Some(incident) = step.opened {
                        prop_assert!(incident.opened.since_us(now) <= AHEAD_US, "it begins in the future");
                        if let Some(last) = done.last().filter(|_| !set_back) {
                            prop_assert!(incident.opened >= last.span(at(0)).to, "incidents overlap");
                            prop_assert!(done.iter().all(|known| known.id != incident.id), "an id came twice");
                        }
                        prop_assert!(incident.opened <= incident.confirmed);
                        open = Some(incident);
                    }
                    if matches!(step.blind, Some(BlindEdge::Began { .. })) {
                        good = 0;
                        if open.is_none() { bad = 0; }
                    }
                    // While down good checks count from zero again after each failure; else only since the opening.
                    if open.is_none() && verdict.is_good() { good = 0; }
                }
                Act::Interrupted => {
                    machine.interrupted();
                    good = 0;
                    if open.is_none() { bad = 0; }
                }
                Act::Removed => {
                    let ended = machine.end_unknown();
                    prop_assert_eq!(ended.is_some(), open.is_some());
                    if let Some(ended) = ended {
                        done.push(ended);
                        (bad, good) = (0, 0);
                    }
                    open = None;
                }
            }
            prop_assert_eq!(machine.incident().is_some(), open.is_some());
            prop_assert_eq!(machine.failures(), bad);
        }
        for incident in &done {
            let end = match incident.end {
                IncidentEnd::Recovered(end) | IncidentEnd::Unknown(end) => end,
                IncidentEnd::Open => UnixMicros::MIN,
            };
            prop_assert!(incident.opened <= incident.confirmed && incident.confirmed <= end);
        }
    }

    #[test]
    fn nothing_conclusive_means_no_incident(count in 0_usize..200, interrupt in any::<bool>()) {
        let mut machine = Machine::new(at(0));
        for minute in 0..count {
            let step = machine.step(&rules(1, 1), &result(Verdict::Inconclusive, at(minute as u64 * 60)));
            prop_assert!(step.opened.is_none() && step.closed.is_none() && step.recheck_after.is_none());
            if interrupt { machine.interrupted(); }
        }
        prop_assert!(matches!(machine.state(), State::Pending | State::Unobserved));
    }

    #[test]
    fn a_replay_of_rows_gives_the_same_machine(word in "[ugdi]{0,60}", n in 1_u32..4, m in 1_u32..4) {
        let rules = rules(n, m);
        let (mut live, mut replayed) = (Machine::new(at(0)), Machine::new(at(0)));
        for (minute, letter) in (0..).zip(word.chars()) {
            let verdict = match letter {
                'u' => Verdict::Up,
                'g' => Verdict::Degraded,
                'd' => Verdict::Down,
                _ => Verdict::Inconclusive,
            };
            let result = result(verdict, at(minute * 60));
            let step = live.step(&rules, &result);
            replayed.observe(&result);
            for incident in [step.opened, step.closed].into_iter().flatten() {
                replayed.replay_incident(incident);
            }
            prop_assert_eq!(&live, &replayed);
        }
    }
}
