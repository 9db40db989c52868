//! What the runner knows of each monitor.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use uuid::Uuid;

use super::*;
use crate::clock::{Clock, SetClock};
use crate::model::Thresholds;
use crate::probe::{Attempt, Probe};

const SECOND: u64 = 1_000_000;
const HOME: Network = Network { online: true, fingerprint: 1 };

#[derive(Debug)]
struct Never;

#[async_trait]
impl Probe for Never {
    async fn run(&self, _: &Attempt) -> Observation {
        std::future::pending().await
    }
}

fn watched(n: u128, interval: u64, timeout: u64) -> Watched {
    let monitor = Monitor {
        id: MonitorId::new(Uuid::from_u128(n)),
        name: format!("monitor {n}"),
        group: "default".into(),
        kind: "tcp",
        target: "192.0.2.1:1".into(),
        interval: Duration::from_secs(interval),
        timeout: Duration::from_secs(timeout),
        thresholds: Thresholds::default(),
        labels: BTreeMap::new(),
    };
    Watched { monitor: Arc::new(monitor), probe: Arc::new(Never) }
}

struct Bench {
    clock: SetClock,
    state: State,
}

impl Bench {
    fn new(limit: usize) -> Self {
        let clock = SetClock::at(UnixMicros::new(1_790_000_000_000_000));
        let mut state = State::new(Readings::of(&clock), HOME, Limits { concurrent: limit });
        state.begin(Readings::of(&clock), HOME, &mut Vec::new());
        Self { clock, state }
    }

    fn set(&mut self, watched: Vec<Watched>) {
        self.state.set(watched, FirstCheck::AtOnce, self.clock.mono());
    }

    /// Starts everything that is due, as tasks that never end.
    fn start(&mut self) -> Vec<Ticket> {
        let mut tickets = Vec::new();
        while let Some(start) = self.state.next_start(self.clock.mono()) {
            let task = tokio::spawn(std::future::pending());
            self.state.started(start.ticket, start.due, task);
            tickets.push(start.ticket);
        }
        tickets
    }

    fn finish(&mut self, ticket: Ticket) {
        let now = self.clock.mono();
        let run = Run { started: now, ended: now, good: true, timed_out: false, recheck_after_us: None };
        self.state.finished(ticket, &run);
    }

    /// Seconds pass, with their ticks.
    fn pass(&mut self, seconds: u64) -> Vec<Notice> {
        let mut notices = Vec::new();
        for _ in 0..seconds {
            self.clock.advance_us(SECOND);
            self.state.tick(Readings::of(&self.clock), HOME, &mut notices);
        }
        notices
    }
}

#[tokio::test]
async fn the_watchdog_speaks_once_and_takes_it_back() {
    let mut bench = Bench::new(4);
    assert_eq!(bench.pass(1_000), [], "nothing to check, nothing to say");
    bench.set(vec![watched(1, 10, 2), watched(2, 600, 2)]);
    let tickets = bench.start();
    assert_eq!(bench.pass(20), []);
    assert_eq!(bench.pass(100), [Notice::Watchdog(true)]);
    assert!(bench.state.figures(bench.clock.mono()).stuck);
    bench.finish(tickets[0]);
    assert_eq!(bench.pass(1), [Notice::Watchdog(false)]);
    assert!(!bench.state.figures(bench.clock.mono()).stuck);
}

#[tokio::test]
async fn the_watchdog_allows_for_long_time_outs_and_pauses() {
    let mut bench = Bench::new(4);
    bench.set(vec![watched(1, 1, 60)]);
    bench.start();
    assert_eq!(bench.pass(61), [], "one check may take a minute");
    bench.state.pause(MonitorId::new(Uuid::from_u128(1)), bench.clock.mono());
    assert_eq!(bench.pass(1_000), []);
}

#[tokio::test]
async fn a_run_that_was_cancelled_is_not_wanted_even_by_its_successor() {
    let mut bench = Bench::new(4);
    bench.set(vec![watched(1, 10, 2)]);
    let old = bench.start()[0];
    bench.set(vec![watched(1, 20, 2)]);
    let new = bench.start()[0];
    assert!(!bench.state.is_wanted(old));
    assert!(bench.state.is_wanted(new));
    bench.finish(old);
    assert_eq!(bench.state.figures(bench.clock.mono()).done, 0);
    bench.finish(new);
    let figures = bench.state.figures(bench.clock.mono());
    assert_eq!((figures.done, figures.extra, figures.cancelled, figures.running), (1, 1, 1, 0));
}

#[tokio::test]
async fn permits_come_back_whatever_happens() {
    let mut bench = Bench::new(3);
    bench.set((0..10).map(|n| watched(n, 10, 2)).collect());
    bench.start();
    let figures = bench.state.figures(bench.clock.mono());
    assert_eq!((figures.running, figures.waiting), (2, 8), "the untried leave room");
    for n in 0..10 {
        let id = MonitorId::new(Uuid::from_u128(n));
        match n % 3 {
            0 => bench.state.remove(id, bench.clock.mono()),
            1 => bench.state.pause(id, bench.clock.mono()),
            _ => bench.set(vec![watched(n, 30, 2)]),
        }
    }
    bench.clock.sleep_us(100 * SECOND);
    assert_eq!(bench.pass(1)[0], Notice::Interrupted);
    let figures = bench.state.figures(bench.clock.mono());
    assert_eq!((figures.running, figures.waiting), (0, 0));
    assert_eq!(bench.state.next_checks(Readings::of(&bench.clock)).len(), 3, "the changed ones");
}

#[tokio::test]
async fn the_network_is_back_and_everyone_is_looked_at_again() {
    let mut bench = Bench::new(300);
    bench.set((0..200).map(|n| watched(n, 3_600, 2)).collect());
    for ticket in bench.start() {
        bench.finish(ticket);
    }
    let mut notices = Vec::new();
    let offline = Network { online: false, fingerprint: 0 };
    bench.state.see(Readings::of(&bench.clock), offline, &mut notices);
    bench.pass(1);
    let now = Readings::of(&bench.clock);
    let soon =
        |state: &State| state.next_checks(now).iter().filter(|(_, at)| at.since_us(now.wall) < 13 * SECOND).count();
    assert!(soon(&bench.state) >= 198, "spread over ten seconds after three");
    let started = bench.start().len();
    assert!(started <= 2, "and not at once, besides whose slot it is: {started}");
}

#[tokio::test]
async fn what_passes_before_the_loop_begins_is_nobodys_lateness() {
    let mut bench = Bench::new(10_000);
    let all = (0..1_000).map(|n| watched(n, 60, 2)).collect();
    bench.state.set(all, FirstCheck::Spread, bench.clock.mono());
    bench.clock.advance_us(100 * SECOND);
    let mut notices = Vec::new();
    bench.state.begin(Readings::of(&bench.clock), HOME, &mut notices);
    assert_eq!(notices, [], "no standstill either");
    assert!(bench.start().len() <= 2, "no burst");
    let mut started = 0;
    for _ in 0..100 {
        bench.clock.advance_us(SECOND / 10);
        started += bench.start().len();
    }
    assert!(started >= 995, "all within ten seconds: {started}");
    assert_eq!(bench.state.planner.missed(), 0);
}
