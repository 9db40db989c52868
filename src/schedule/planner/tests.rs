//! The planner under simulated time.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use uuid::Uuid;

use super::*;

const SECOND: u64 = 1_000_000;
const WALL: UnixMicros = UnixMicros::new(1_790_000_000_123_456);
const START: Mono = Mono(777_777_777);

fn id(n: u128) -> MonitorId {
    // Nothing random about it: the hash alone has to spread them.
    MonitorId::new(Uuid::from_u128(n))
}

fn planner() -> Planner {
    Planner::new(START, WALL)
}

/// The slots of a monitor in `from..to`, from the definition: offset + n × interval on the wall clock.
fn slots(id: MonitorId, interval: u64, from: Mono, to: Mono) -> Vec<Mono> {
    let wall = |mono: Mono| u64::try_from(WALL.micros()).expect("after 1970") + mono.0 - START.0;
    let offset = hash(id) % interval;
    let first = (wall(from).saturating_sub(offset)).div_ceil(interval) * interval + offset;
    (0..).map(|n| Mono(first + n * interval - wall(START) + START.0)).take_while(|slot| *slot < to).collect()
}

impl Planner {
    fn assert_sound(&self) {
        let due = self.entries.iter().flatten().filter(|entry| entry.place == Place::Due).count();
        assert_eq!(self.heap.len(), due, "the heap holds exactly those that wait");
        assert_eq!(self.entries.iter().flatten().count() + self.free.len(), self.entries.len());
    }
}

/// What happens in a simulation.
#[derive(Clone, Debug)]
enum Step {
    Run(u64),
    Add { interval: u64, at_once: bool },
    Change { which: usize, interval: u64 },
    Remove(usize),
    Pause(usize),
    Resume(usize),
    CheckNow(usize),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (1u64..20 * SECOND).prop_map(Step::Run),
        3 => (SECOND..15 * SECOND, any::<bool>()).prop_map(|(interval, at_once)| Step::Add { interval, at_once }),
        1 => (any::<usize>(), SECOND..15 * SECOND).prop_map(|(which, interval)| Step::Change { which, interval }),
        1 => any::<usize>().prop_map(Step::Remove),
        1 => any::<usize>().prop_map(Step::Pause),
        1 => any::<usize>().prop_map(Step::Resume),
        1 => any::<usize>().prop_map(Step::CheckNow),
    ]
}

/// A runner in simulated time: wakes exactly when something is due or done.
struct Simulation {
    planner: Planner,
    now: Mono,
    next_id: u128,
    known: BTreeMap<u128, (Key, u64)>,
    paused: BTreeSet<u128>,
    /// Who runs, and until when.
    out: BTreeMap<u128, Mono>,
    started_slots: u64,
    seed: u64,
}

impl Simulation {
    fn owner(&self, key: Key) -> u128 {
        *self.known.iter().find(|(_, (known, _))| *known == key).expect("only known ones are due").0
    }

    /// Some checks take next to nothing, some several intervals.
    fn took(&mut self) -> u64 {
        self.seed = self.seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        if self.seed.is_multiple_of(4) { self.seed >> 39 } else { self.seed >> 50 }
    }

    fn run(&mut self, until: Mono) {
        loop {
            let done = self.out.values().min().copied();
            let next = [self.planner.next_due(), done].into_iter().flatten().min();
            let Some(next) = next.filter(|next| *next <= until) else { break };
            self.now = self.now.max(next);
            let now = self.now;
            let back: Vec<u128> = self.out.iter().filter(|(_, end)| **end <= now).map(|(n, _)| *n).collect();
            for n in back {
                self.out.remove(&n);
                self.planner.back(self.known[&n].0, now, None);
            }
            while let Some((key, due)) = self.planner.pop_due(now) {
                let n = self.owner(key);
                assert!(!self.paused.contains(&n), "a paused monitor is never due");
                let end = now.plus_us(self.took());
                assert!(self.out.insert(n, end).is_none(), "never two at once");
                if let Due::Slot(slot) = due {
                    assert_eq!(slot, now, "slots start in time");
                    let interval = self.known[&n].1;
                    assert_eq!(slots(id(n), interval, slot, slot.plus_us(1)), [slot], "slots are on the grid");
                    self.started_slots += 1;
                }
            }
            self.planner.assert_sound();
        }
        self.now = until;
    }

    fn apply(&mut self, step: &Step) {
        let pick = |which: usize, of: &BTreeMap<u128, (Key, u64)>| of.keys().nth(which % of.len().max(1)).copied();
        match *step {
            Step::Run(us) => self.run(self.now.plus_us(us)),
            Step::Add { interval, at_once } => {
                let first = if at_once { First::AtOnce } else { First::Spread { of: 1 } };
                let key = self.planner.add(id(self.next_id), interval, first, self.now);
                self.known.insert(self.next_id, (key, interval));
                self.next_id += 1;
            }
            Step::Change { which, interval } => {
                if let Some(n) = pick(which, &self.known) {
                    let key = self.known[&n].0;
                    self.out.remove(&n);
                    self.planner.change(key, id(n), interval, First::AtOnce, self.now);
                    self.known.insert(n, (key, interval));
                }
            }
            Step::Remove(which) => {
                if let Some(n) = pick(which, &self.known) {
                    self.out.remove(&n);
                    self.paused.remove(&n);
                    self.planner.remove(self.known.remove(&n).expect("known").0);
                }
            }
            Step::Pause(which) => {
                if let Some(n) = pick(which, &self.known) {
                    self.out.remove(&n);
                    self.paused.insert(n);
                    self.planner.pause(self.known[&n].0);
                }
            }
            Step::Resume(which) => {
                if let Some(n) = pick(which, &self.known)
                    && self.paused.remove(&n)
                {
                    self.planner.resume(self.known[&n].0, self.now);
                    assert_eq!(self.planner.due_of(self.known[&n].0), Some(self.now), "at once");
                }
            }
            Step::CheckNow(which) => {
                if let Some(n) = pick(which, &self.known) {
                    self.planner.check_now(self.known[&n].0, self.now);
                }
            }
        }
        self.planner.assert_sound();
    }
}

fn simulation(seed: u64) -> Simulation {
    Simulation {
        planner: planner(),
        now: START,
        next_id: 1,
        known: BTreeMap::new(),
        paused: BTreeSet::new(),
        out: BTreeMap::new(),
        started_slots: 0,
        seed,
    }
}

proptest! {
    #[test]
    fn edits_pauses_and_removals_leave_nothing_behind(steps in prop::collection::vec(step(), 1..60), seed: u64) {
        let mut simulation = simulation(seed);
        for step in &steps {
            simulation.apply(step);
        }
        for n in simulation.known.keys().copied().collect::<Vec<_>>() {
            simulation.apply(&Step::Remove(0));
            prop_assert!(!simulation.known.contains_key(&n));
        }
        prop_assert_eq!(simulation.planner.next_due(), None);
        prop_assert_eq!(simulation.planner.heap.len(), 0);
    }

    #[test]
    fn every_slot_of_any_window_is_started_or_missed(
        intervals in prop::collection::vec(SECOND..30 * SECOND, 1..8),
        window in SECOND..200 * SECOND,
        seed: u64,
    ) {
        let mut simulation = simulation(seed);
        let end = START.plus_us(window);
        let mut all = 0;
        for interval in intervals {
            all += slots(id(simulation.next_id), interval, START, end.plus_us(1)).len() as u64;
            simulation.apply(&Step::Add { interval, at_once: false });
        }
        simulation.run(end);
        // Those that still run are waited for, to the microsecond: slots after the window are not counted.
        for (n, until) in std::mem::take(&mut simulation.out) {
            let (key, interval) = simulation.known[&n];
            simulation.planner.back(key, until, None);
            all += slots(id(n), interval, end.plus_us(1), until).len() as u64;
        }
        prop_assert_eq!(simulation.started_slots + simulation.planner.missed(), all);
    }

    #[test]
    fn a_restart_keeps_the_grid(n: u128, interval in SECOND..86_400 * SECOND, away in 0u64..1_000_000 * SECOND, mono: u32) {
        let mut first = planner();
        let key = first.add(id(n), interval, First::Spread { of: 1 }, START);
        let before = first.entries[key.index()].as_ref().expect("added").slot_us - START.0;
        let mut second = Planner::new(Mono(u64::from(mono)), WALL.plus_us(away));
        let key = second.add(id(n), interval, First::Spread { of: 1 }, Mono(u64::from(mono)));
        let after = second.entries[key.index()].as_ref().expect("added").slot_us - u64::from(mono);
        prop_assert_eq!((away + after) % interval, before % interval);
    }

    #[test]
    fn waking_makes_no_burst_and_reaches_everyone_soon(
        interval in SECOND..3_600 * SECOND,
        stood in 6 * SECOND..1_000 * SECOND,
        slept in 0u64..100_000 * SECOND,
    ) {
        let mut planner = planner();
        let keys: Vec<Key> = (0..400).map(|n| planner.add(id(n), interval, First::Spread { of: 400 }, START)).collect();
        let now = START.plus_us(stood);
        let out = planner.pop_due(now).map(|(key, _)| key);
        planner.wake(now, slept);
        out.into_iter().for_each(|key| planner.back(key, now, None));
        planner.assert_sound();
        prop_assert_eq!(planner.pop_due(now.plus_us(0)).filter(|(_, due)| *due != Due::Slot(now)), None, "nothing of the past");
        for key in keys {
            let entry = planner.entries[key.index()].as_ref().expect("added");
            prop_assert!(entry.slot_us >= now.0 && entry.slot_us - now.0 < interval.max(1), "the cadence goes on");
            if slept >= interval {
                prop_assert!(entry.due_us() - now.0 <= AFTER_WAKING_US + SPREAD_US, "soon");
            }
        }
        let mut seconds = BTreeMap::<u64, u32>::new();
        for entry in planner.entries.iter().flatten() {
            entry.extra_us.into_iter().for_each(|extra| *seconds.entry((extra - now.0) / SECOND).or_default() += 1);
        }
        prop_assert!(seconds.values().all(|count| *count <= 80), "40 a second is even: {seconds:?}");
    }
}

#[test]
fn no_drift_after_a_million_slots() {
    let mut planner = planner();
    let interval = 7 * SECOND + 1;
    let key = planner.add(id(3), interval, First::Spread { of: 1 }, START);
    let first = slots(id(3), interval, START, START.plus_us(interval))[0];
    for n in 0..1_000_000 {
        let slot = first.plus_us(n * interval);
        // Taken a little late, and taking its time: the next slot does not move.
        let now = slot.plus_us(n % 5_000);
        assert_eq!(planner.pop_due(now), Some((key, Due::Slot(slot))));
        planner.back(key, now.plus_us(n % 1_000_000), None);
    }
    assert_eq!(planner.missed(), 0);
}

/// Starts and their kinds, second by second from the start, when every check takes 5 ms.
fn starts(count: u128, interval: u64, seconds: usize) -> (Vec<u32>, Vec<Mono>) {
    let mut planner = planner();
    let keys: Vec<Key> = (0..count)
        .map(|n| planner.add(id(n), interval, First::Spread { of: usize::try_from(count).expect("few") }, START))
        .collect();
    let mut first = vec![None; keys.len()];
    let mut per_second = vec![0; seconds];
    let end = START.plus_us(seconds as u64 * SECOND);
    while let Some(now) = planner.next_due().filter(|due| *due < end) {
        while let Some((key, _)) = planner.pop_due(now) {
            first[key.index()].get_or_insert(now);
            per_second[usize::try_from(now.since_us(START) / SECOND).expect("few")] += 1;
            planner.back(key, now, None);
        }
    }
    assert_eq!(planner.missed(), 0);
    (per_second, first.into_iter().flatten().collect())
}

#[test]
fn a_thousand_start_evenly() {
    let (per_second, first) = starts(1_000, 10 * SECOND, 60);
    assert_eq!(first.len(), 1_000, "all are checked");
    assert!(first.iter().all(|at| at.since_us(START) < 9_950_000), "within ten seconds, the process's start included");
    assert!(per_second.iter().all(|count| *count <= 200), "no second above twice the mean: {per_second:?}");
    let all = per_second.iter().sum::<u32>();
    assert!((6_000..6_150).contains(&all), "each slot once; a check besides where the first slot comes late: {all}");
}

#[test]
fn ten_thousand_start_evenly_and_soon() {
    let (per_second, first) = starts(10_000, 60 * SECOND, 70);
    assert_eq!(first.len(), 10_000);
    assert!(first.iter().all(|at| at.since_us(START) < 9_950_000));
    assert!(per_second[..8].iter().all(|count| (950..1_300).contains(count)), "{per_second:?}");
    assert!(per_second[10..].iter().all(|count| (110..230).contains(count)), "{per_second:?}");
}

#[test]
fn a_few_start_at_once_and_keep_clear_of_their_slots() {
    for n in 0..50 {
        let mut planner = planner();
        let key = planner.add(id(n), 60 * SECOND, First::Spread { of: 3 }, START);
        let entry = planner.entries[key.index()].as_ref().expect("added");
        assert!(entry.due_us() - START.0 <= SECOND);
        assert!(entry.extra_us.is_none_or(|extra| entry.slot_us - extra >= 900_000));
    }
}

#[test]
fn of_several_slots_that_are_over_the_last_is_taken() {
    let mut planner = planner();
    let key = planner.add(id(9), SECOND, First::Spread { of: 1 }, START);
    let slot = slots(id(9), SECOND, START, START.plus_us(SECOND))[0];
    assert_eq!(planner.pop_due(slot.plus_us(3 * SECOND + 5)), Some((key, Due::Slot(slot.plus_us(3 * SECOND)))));
    assert_eq!(planner.missed(), 3);
    planner.back(key, slot.plus_us(4 * SECOND), None);
    assert_eq!(planner.due_of(key), Some(slot.plus_us(4 * SECOND)), "a slot at that very moment is not missed");
    assert_eq!(planner.missed(), 3);
}

#[test]
fn a_recheck_gives_way_to_a_slot_that_serves_as_well() {
    let interval = 10 * SECOND;
    let slot = slots(id(1), interval, START, START.plus_us(interval))[0];
    let due = |ended_us, after_us, took_us| {
        let mut planner = planner();
        let key = planner.add(id(1), interval, First::Spread { of: 1 }, START);
        assert_eq!(planner.pop_due(slot), Some((key, Due::Slot(slot))));
        planner.back(key, slot.plus_us(ended_us), Some(Recheck { after_us, took_us }));
        (planner.due_of(key).expect("due").since_us(slot), planner.missed())
    };
    assert_eq!(due(SECOND / 10, 2_500_000, SECOND / 10), (2_600_000, 0), "re-checked in between");
    assert_eq!(due(5 * SECOND, 2_500_000, 5 * SECOND), (interval, 0), "it would still run at the slot");
    assert_eq!(due(9 * SECOND, 2_500_000, 1), (interval, 0), "the slot comes first");
    assert_eq!(due(12 * SECOND, 2_500_000, 1), (14_500_000, 1), "one slot was missed");
}

#[test]
fn a_check_asked_for_while_running_comes_once_after() {
    let mut planner = planner();
    let key = planner.add(id(5), 60 * SECOND, First::AtOnce, START);
    assert_eq!(planner.pop_due(START), Some((key, Due::Extra)));
    planner.check_now(key, START);
    planner.check_now(key, START);
    let now = START.plus_us(1_000);
    planner.back(key, now, None);
    assert_eq!(planner.pop_due(now), Some((key, Due::Extra)));
    planner.back(key, now, None);
    assert!(planner.due_of(key).expect("due") > now);
}
