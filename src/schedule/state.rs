//! What the runner knows of each monitor, and what changes it. One lock holds all of it; nothing here waits.

use std::collections::HashMap;

use tokio::task::JoinHandle;

use super::connectivity::{Network, is_loopback};
use super::lanes::{Lane, Lanes};
use super::planner::{Due, First, Key, Planner, Recheck};
use super::runner::GRACE;
use super::watch::{Interruption, Readings, Watch};
use super::{Figures, FirstCheck, Limits, Notice, Watched};
use crate::clock::Mono;
use crate::model::{FactKey, Monitor, MonitorId, UnixMicros};
use crate::probe::Observation;

/// Shortest silence that the watchdog speaks about.
const QUIET_US: u64 = 10_000_000;

/// Names one run of one monitor, so that a run that was cancelled cannot be taken for a later one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ticket {
    pub(super) key: Key,
    serial: u64,
}

#[derive(Debug)]
enum Doing {
    Nothing,
    Waits,
    Runs { serial: u64, due: Due, lane: Lane, task: JoinHandle<()> },
}

#[derive(Debug)]
struct Entry {
    watched: Watched,
    lane: Lane,
    succeeded: bool,
    paused: bool,
    loopback: bool,
    doing: Doing,
}

/// A check that shall be spawned.
#[derive(Debug)]
pub(super) struct Start {
    pub(super) ticket: Ticket,
    pub(super) watched: Watched,
    pub(super) due: Due,
}

/// What comes of a run that is done.
#[derive(Debug)]
pub(super) struct Run {
    pub(super) started: Mono,
    pub(super) ended: Mono,
    /// Up or degraded.
    pub(super) good: bool,
    /// Nothing came back in time, whoever is to blame.
    pub(super) timed_out: bool,
    pub(super) recheck_after_us: Option<u64>,
}

/// Everything that the runner knows.
#[derive(Debug)]
pub(super) struct State {
    pub(super) planner: Planner,
    pub(super) watch: Watch,
    lanes: Lanes,
    entries: Vec<Option<Entry>>,
    keys: HashMap<MonitorId, Key>,
    serial: u64,
    figures: Figures,
    /// The last time that a check was done, or that the list of monitors changed.
    moved: Mono,
    stuck: bool,
    /// Made from the list of monitors when that changed: the silence allowed, and whether any target is remote.
    allowed_us: Option<u64>,
    remote: bool,
    roster_changed: bool,
    stopping: bool,
}

impl State {
    pub(super) fn new(now: Readings, network: Network, limits: Limits) -> Self {
        Self {
            planner: Planner::new(now.mono, now.wall),
            watch: Watch::new(now, network),
            lanes: Lanes::new(limits.concurrent),
            entries: Vec::new(),
            keys: HashMap::new(),
            serial: 0,
            figures: Figures::default(),
            moved: now.mono,
            stuck: false,
            allowed_us: None,
            remote: false,
            roster_changed: false,
            stopping: false,
        }
    }

    pub(super) fn set(&mut self, watched: Vec<Watched>, first: FirstCheck, now: Mono) {
        let first = match first {
            FirstCheck::AtOnce => First::AtOnce,
            FirstCheck::Spread => First::Spread { of: watched.len() },
        };
        for watched in watched {
            let id = watched.monitor.id;
            let interval_us = micros(watched.monitor.interval);
            let loopback = is_loopback(&watched.monitor.target);
            let mut entry = Entry {
                watched,
                lane: Lane::Untried,
                succeeded: false,
                paused: false,
                loopback,
                doing: Doing::Nothing,
            };
            if let Some(&key) = self.keys.get(&id) {
                self.cancel(key, now);
                self.planner.change(key, id, interval_us, first, now);
                entry.paused = self.entry(key).is_some_and(|old| old.paused);
                self.entries[key.index()] = Some(entry);
            } else {
                let key = self.planner.add(id, interval_us, first, now);
                self.keys.insert(id, key);
                if key.index() >= self.entries.len() {
                    self.entries.resize_with(key.index() + 1, || None);
                }
                self.entries[key.index()] = Some(entry);
            }
        }
        self.change_roster(now);
    }

    pub(super) fn remove(&mut self, id: MonitorId, now: Mono) {
        if let Some(key) = self.keys.remove(&id) {
            self.cancel(key, now);
            self.planner.remove(key);
            self.entries[key.index()] = None;
            self.change_roster(now);
        }
    }

    pub(super) fn pause(&mut self, id: MonitorId, now: Mono) {
        if let Some(&key) = self.keys.get(&id) {
            self.cancel(key, now);
            self.planner.pause(key);
            if let Some(entry) = self.entry_mut(key) {
                entry.paused = true;
            }
            self.change_roster(now);
        }
    }

    pub(super) fn resume(&mut self, id: MonitorId, now: Mono) {
        if let Some(&key) = self.keys.get(&id)
            && let Some(entry) = self.entry_mut(key).filter(|entry| entry.paused)
        {
            entry.paused = false;
            self.planner.resume(key, now);
            self.change_roster(now);
        }
    }

    pub(super) fn check_now(&mut self, id: MonitorId, now: Mono) {
        let Some(&key) = self.keys.get(&id) else { return };
        // One that waits is as good as asked for.
        if self.entry(key).is_some_and(|entry| !matches!(entry.doing, Doing::Waits)) {
            self.planner.check_now(key, now);
        }
    }

    /// The next check that is due and has a permit. Those without one queue up.
    pub(super) fn next_start(&mut self, now: Mono) -> Option<Start> {
        while let Some((key, due)) = self.planner.pop_due(now) {
            let Some(entry) = self.entries[key.index()].as_mut() else { continue };
            if self.lanes.enter(entry.lane, key, due) {
                return self.start(key, due);
            }
            entry.doing = Doing::Waits;
        }
        None
    }

    /// The next check that waited and has a permit now.
    pub(super) fn next_waiting(&mut self) -> Option<Start> {
        let (key, due) = self.lanes.next()?;
        self.start(key, due)
    }

    fn start(&mut self, key: Key, due: Due) -> Option<Start> {
        self.serial += 1;
        let ticket = Ticket { key, serial: self.serial };
        self.entry(key).map(|entry| Start { ticket, watched: entry.watched.clone(), due })
    }

    /// A check was spawned: it runs until it is done or cancelled.
    pub(super) fn started(&mut self, ticket: Ticket, due: Due, task: JoinHandle<()>) {
        if let Some(entry) = self.entry_mut(ticket.key) {
            let lane = entry.lane;
            entry.doing = Doing::Runs { serial: ticket.serial, due, lane, task };
        }
    }

    /// Whether this run is still wanted.
    pub(super) fn is_wanted(&self, ticket: Ticket) -> bool {
        self.entry(ticket.key)
            .is_some_and(|entry| matches!(entry.doing, Doing::Runs { serial, .. } if serial == ticket.serial))
    }

    /// Turns a failure that may well be our own into `inconclusive`.
    pub(super) fn judge(&self, ticket: Ticket, now: &Readings, started: Mono, observation: &mut Observation) {
        let loopback = self.entry(ticket.key).is_some_and(|entry| entry.loopback)
            || observation.facts.text(FactKey::Peer).is_some_and(is_loopback);
        self.watch.judge(now, started, loopback, observation);
    }

    /// A run is done: counts it, learns the monitor's lane, plans what is next and gives the permit back.
    pub(super) fn finished(&mut self, ticket: Ticket, run: &Run) {
        if !self.is_wanted(ticket) {
            return;
        }
        let Some(entry) = self.entries[ticket.key.index()].as_mut() else { return };
        let Doing::Runs { due, lane, .. } = std::mem::replace(&mut entry.doing, Doing::Nothing) else { return };
        entry.succeeded |= run.good;
        entry.lane = if entry.succeeded && !run.timed_out { Lane::Proven } else { Lane::Suspect };
        self.lanes.leave(lane);
        self.figures.done += 1;
        match due {
            Due::Slot(slot) => {
                let late = run.started.since_us(slot);
                self.figures.late.add(late);
                self.figures.late_max_us = self.figures.late_max_us.max(late);
            }
            Due::Extra => self.figures.extra += 1,
        }
        self.moved = run.ended;
        let took_us = run.ended.since_us(run.started);
        let recheck = run.recheck_after_us.map(|after_us| Recheck { after_us, took_us });
        self.planner.back(ticket.key, run.ended, recheck);
    }

    /// A probe panicked.
    pub(super) fn count_panic(&mut self) {
        self.figures.panicked += 1;
    }

    /// A probe did not keep its time-out.
    pub(super) fn count_overdue(&mut self) {
        self.figures.overdue += 1;
    }

    /// The tick of every second, and the answer to a sleep or a standstill.
    pub(super) fn tick(&mut self, now: Readings, network: Network, notices: &mut Vec<Notice>) {
        if let Some(interruption) = self.watch.tick(now, notices) {
            let slept_us = match interruption {
                Interruption::Slept(us) => us,
                Interruption::Stalled => 0,
            };
            self.planner.wake(now.mono, slept_us);
            let cancelled = self.cancel_all(now.mono).len();
            self.moved = now.mono;
            tracing::info!(?interruption, cancelled, "nobody was looking for a while");
        }
        self.see(now, network, notices);
        let stuck = self.is_stuck(now.mono);
        if stuck != self.stuck {
            self.stuck = stuck;
            notices.push(Notice::Watchdog(stuck));
        }
    }

    /// A look at the network.
    pub(super) fn see(&mut self, now: Readings, network: Network, notices: &mut Vec<Notice>) {
        self.survey();
        if self.watch.see(now, network, self.remote, notices) {
            self.planner.look_again(now.mono);
        }
    }

    /// The loop begins: what passed since the scheduler was made is nobody's sleep and nobody's lateness.
    pub(super) fn begin(&mut self, now: Readings, network: Network, notices: &mut Vec<Notice>) {
        self.planner.begin(self.moved, now.mono);
        self.watch = Watch::new(now, network);
        self.see(now, network, notices);
        self.moved = now.mono;
    }

    /// Cancels everything and starts nothing more. Gives the tasks that are on their way out.
    pub(super) fn end(&mut self, now: Readings, notices: &mut Vec<Notice>) -> Vec<JoinHandle<()>> {
        self.watch.end(now.wall, notices);
        self.cancel_all(now.mono)
    }

    /// Whether anybody waits for a permit.
    pub(super) fn has_waiting(&self) -> bool {
        self.lanes.waiting() > 0
    }

    pub(super) fn stop(&mut self) {
        self.stopping = true;
    }

    pub(super) fn is_stopping(&self) -> bool {
        self.stopping
    }

    pub(super) fn figures(&self, now: Mono) -> Figures {
        Figures {
            monitors: self.keys.len(),
            missed: self.planner.missed(),
            running: self.lanes.running(),
            waiting: self.lanes.waiting(),
            limit: self.lanes.limit(),
            quiet_us: now.since_us(self.moved),
            stuck: self.is_stuck(now),
            ..self.figures.clone()
        }
    }

    pub(super) fn next_check(&self, id: MonitorId, now: Readings) -> Option<UnixMicros> {
        let due = self.planner.due_of(*self.keys.get(&id)?)?;
        Some(now.wall.plus_us(due.since_us(now.mono)))
    }

    pub(super) fn next_checks(&self, now: Readings) -> Vec<(MonitorId, UnixMicros)> {
        self.keys.keys().filter_map(|id| Some((*id, self.next_check(*id, now)?))).collect()
    }

    /// Ends what a monitor is doing; nothing comes of it.
    fn cancel(&mut self, key: Key, now: Mono) -> Option<JoinHandle<()>> {
        let entry = self.entries[key.index()].as_mut()?;
        let lane = entry.lane;
        let task = match std::mem::replace(&mut entry.doing, Doing::Nothing) {
            Doing::Nothing => return None,
            Doing::Waits => {
                self.lanes.forget(lane, key);
                None
            }
            Doing::Runs { lane, task, .. } => {
                task.abort();
                self.lanes.leave(lane);
                self.figures.cancelled += 1;
                Some(task)
            }
        };
        self.planner.back(key, now, None);
        task
    }

    fn cancel_all(&mut self, now: Mono) -> Vec<JoinHandle<()>> {
        self.lanes.forget_all();
        let keys: Vec<Key> = self.keys.values().copied().collect();
        keys.into_iter().filter_map(|key| self.cancel(key, now)).collect()
    }

    fn change_roster(&mut self, now: Mono) {
        self.roster_changed = true;
        self.moved = now;
    }

    /// Brings what is made from the whole list up to date.
    fn survey(&mut self) {
        if !std::mem::take(&mut self.roster_changed) {
            return;
        }
        let active = || self.entries.iter().flatten().filter(|entry| !entry.paused);
        self.remote = active().any(|entry| !entry.loopback);
        self.allowed_us = active().map(|entry| allowed_us(&entry.watched.monitor)).min();
    }

    fn is_stuck(&self, now: Mono) -> bool {
        self.allowed_us.is_some_and(|allowed| now.since_us(self.moved) > allowed)
    }

    fn entry(&self, key: Key) -> Option<&Entry> {
        self.entries.get(key.index())?.as_ref()
    }

    fn entry_mut(&mut self, key: Key) -> Option<&mut Entry> {
        self.entries.get_mut(key.index())?.as_mut()
    }
}

/// The longest time without any result that a monitor explains: two intervals, or one and a check that is cut off;
/// never less than ten seconds.
fn allowed_us(monitor: &Monitor) -> u64 {
    let interval = micros(monitor.interval);
    let cut_off = micros(monitor.timeout.saturating_add(GRACE));
    interval.saturating_add(interval.max(cut_off)).max(QUIET_US)
}

/// Whole microseconds of a duration.
pub(super) fn micros(duration: std::time::Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
