//! From verdicts to states and incidents, for one monitor. Pure: no clock, no I/O.
//!
//! - `pending` until the first good check or the first confirmed failure.
//! - A failure opens an incident when it is the N-th in a row; until then the former state stays.
//! - `degraded` counts as success. Up and degraded follow each other at once, without a threshold.
//! - An open incident closes when M checks in a row were good; its end is the first of them.
//! - An inconclusive result neither adds to a run nor ends it, on either side. When there is nothing else for longer
//!   than twice the interval and the time-out, the monitor is `unobserved` until the next conclusive result, and
//!   half-made runs count no more.
//! - Where the wall clock steps back a little, times of an incident are moved up so that opened ≤ confirmed ≤ end, and
//!   that no incident starts before the last one ended.
//! - Where it is set back by more than two minutes, what was noted by the old clock binds nobody: an outage is dated by
//!   the clock as it is now, even where incidents overlap by that. An open incident that would begin in the future
//!   ends there with no length, and the outage goes on as another one.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::model::{
    CheckResult, Failure, GapReason, Incident, IncidentEnd, IncidentId, Monitor, MonitorId, State, Thresholds,
    UnixMicros, Verdict,
};

/// What is this far ahead of a check, in microseconds, was noted before the wall clock was set back.
const AHEAD_US: u64 = 120_000_000;
/// Longest wait before a re-check.
const LONGEST_RECHECK: Duration = Duration::from_secs(10);

/// What the machine must know of its monitor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Rules {
    /// Whose incidents they are.
    pub(super) monitor: MonitorId,
    /// When the state changes; 0 counts as 1.
    pub(super) thresholds: Thresholds,
    /// From one check to the next; zero for a check outside a schedule.
    pub(super) interval: Duration,
}

impl Rules {
    /// The rules of a monitor.
    #[must_use]
    pub(super) fn of(monitor: &Monitor) -> Self {
        Self { monitor: monitor.id, thresholds: monitor.thresholds, interval: monitor.interval }
    }

    /// How long after an undecided check the next one should come; none outside a schedule.
    fn recheck_after(&self) -> Option<Duration> {
        (!self.interval.is_zero()).then(|| (self.interval / 4).min(LONGEST_RECHECK))
    }
}

/// What one result brought about.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Step {
    /// An incident was confirmed; it is open.
    pub(super) opened: Option<Incident>,
    /// An incident ended.
    pub(super) closed: Option<Incident>,
    /// The monitor became unobserved, or observed again.
    pub(super) blind: Option<BlindEdge>,
    /// Undecided: check again after this time.
    pub(super) recheck_after: Option<Duration>,
}

/// Begin or end of a time in which every check of one monitor was inconclusive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BlindEdge {
    /// Nobody could see the target since `at`.
    Began {
        /// The first inconclusive check.
        at: UnixMicros,
        /// Why.
        reason: GapReason,
    },
    /// The target can be seen again since `at`.
    Ended {
        /// The first conclusive check.
        at: UnixMicros,
        /// Why it could not.
        reason: GapReason,
    },
}

/// The first failure of a run that is not confirmed yet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Suspicion {
    first: UnixMicros,
    failure: Failure,
    message: Box<str>,
}

impl Suspicion {
    /// A run that this failure begins; no earlier than `floor`.
    fn begun_by(result: &CheckResult, floor: UnixMicros) -> Box<Self> {
        Box::new(Self {
            first: result.time.max(floor),
            failure: result.failure.unwrap_or(Failure::Protocol),
            message: result.message.clone(),
        })
    }
}

/// Good checks while an incident is open.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Recovery {
    count: u32,
    first: UnixMicros,
    latest: UnixMicros,
    state: State,
    /// Nobody was looking when the target came back.
    unseen: bool,
}

/// A run of inconclusive results.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Blind {
    since: UnixMicros,
    failure: Failure,
    /// It lasted long enough to be shown.
    shown: bool,
}

/// The state machine of one monitor.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Machine {
    /// `up`, `degraded`, `down` or `pending`.
    settled: State,
    since: UnixMicros,
    failures: u32,
    suspicion: Option<Box<Suspicion>>,
    incident: Option<Box<Incident>>,
    recovery: Option<Recovery>,
    /// The latest failed check of the open incident.
    known_down: UnixMicros,
    /// No incident may start before this.
    floor: UnixMicros,
    blind: Option<Blind>,
    /// Watching was interrupted after the latest conclusive result.
    interrupted: bool,
}

impl Machine {
    /// Nothing is known yet.
    #[must_use]
    pub(super) fn new(at: UnixMicros) -> Self {
        Self {
            settled: State::Pending,
            since: at,
            failures: 0,
            suspicion: None,
            incident: None,
            recovery: None,
            known_down: UnixMicros::MIN,
            floor: UnixMicros::MIN,
            blind: None,
            interrupted: false,
        }
    }

    /// `up`, `degraded`, `down`, `pending` or `unobserved`.
    #[must_use]
    pub(super) fn state(&self) -> State {
        if self.blind_reason().is_some() { State::Unobserved } else { self.settled }
    }

    /// Since when: for `down` the first failure, for `unobserved` the first inconclusive check, else the check that
    /// decided it.
    #[must_use]
    pub(super) fn since(&self) -> UnixMicros {
        match self.blind {
            Some(Blind { since, shown: true, .. }) => since,
            _ => self.since,
        }
    }

    /// Failed checks in a row, confirmed or not.
    #[must_use]
    pub(super) fn failures(&self) -> u32 {
        self.failures
    }

    /// The open incident.
    #[must_use]
    pub(super) fn incident(&self) -> Option<&Incident> {
        self.incident.as_deref()
    }

    /// The open incident, to acknowledge it.
    pub(super) fn incident_mut(&mut self) -> Option<&mut Incident> {
        self.incident.as_deref_mut()
    }

    /// Why nobody can see the target, while it is unobserved.
    #[must_use]
    pub(super) fn blind_reason(&self) -> Option<GapReason> {
        self.blind.filter(|blind| blind.shown).map(|blind| gap_reason(blind.failure))
    }

    /// Start of the run of failures or of successes that has not decided anything yet, if there is one.
    pub(super) fn undecided_since(&self) -> Option<UnixMicros> {
        let failing = self.suspicion.as_ref().map(|suspicion| suspicion.first);
        failing.or(self.recovery.map(|recovery| recovery.first))
    }

    /// Takes one result and draws conclusions.
    pub(super) fn step(&mut self, rules: &Rules, result: &CheckResult) -> Step {
        let blind = self.observe(result);
        let mut step = Step { blind, ..Step::default() };
        match result.verdict {
            Verdict::Down if self.incident.as_ref().is_some_and(|open| is_ahead(open.opened, result.time)) => {
                step.closed = self.leave_behind(result);
                step.opened = self.confirm(rules.monitor, result.time);
            }
            Verdict::Down if self.incident.is_none() => {
                if self.failures >= rules.thresholds.failures.max(1) {
                    step.opened = self.confirm(rules.monitor, result.time);
                } else {
                    step.recheck_after = rules.recheck_after();
                }
            }
            Verdict::Up | Verdict::Degraded if self.incident.is_some() => {
                if self.recovery.is_some_and(|recovery| recovery.count >= rules.thresholds.recoveries.max(1)) {
                    step.closed = self.close();
                } else {
                    step.recheck_after = rules.recheck_after();
                }
            }
            Verdict::Up | Verdict::Degraded | Verdict::Down | Verdict::Inconclusive => {}
        }
        step
    }

    /// Counts one result without asking the thresholds: all that a result says by itself. A replay needs no more,
    /// because incidents come as rows of their own.
    pub(super) fn observe(&mut self, result: &CheckResult) -> Option<BlindEdge> {
        match result.verdict {
            Verdict::Inconclusive => return self.observe_inconclusive(result),
            Verdict::Down => self.observe_failure(result),
            Verdict::Up => self.observe_success(result, State::Up),
            Verdict::Degraded => self.observe_success(result, State::Degraded),
        }
        self.interrupted = false;
        let blind = self.blind.take().filter(|blind| blind.shown)?;
        Some(BlindEdge::Ended { at: result.time.max(blind.since), reason: gap_reason(blind.failure) })
    }

    fn observe_inconclusive(&mut self, result: &CheckResult) -> Option<BlindEdge> {
        let failure = result.failure.unwrap_or(Failure::Internal);
        let blind = self.blind.get_or_insert(Blind { since: result.time, failure, shown: false });
        blind.failure = failure;
        if is_ahead(blind.since, result.time) {
            blind.since = result.time;
        }
        let patience_us = result.interval_us.saturating_mul(2).saturating_add(result.timeout_us);
        if blind.shown || result.time.since_us(blind.since) <= patience_us {
            return None;
        }
        blind.shown = true;
        let at = blind.since;
        self.interrupted();
        Some(BlindEdge::Began { at, reason: gap_reason(failure) })
    }

    fn observe_failure(&mut self, result: &CheckResult) {
        self.failures = self.failures.saturating_add(1);
        self.recovery = None;
        for noted in [&mut self.floor, &mut self.known_down] {
            if is_ahead(*noted, result.time) {
                *noted = UnixMicros::MIN;
            }
        }
        if self.incident.is_some() {
            self.known_down = self.known_down.max(result.time);
        } else if self.suspicion.as_ref().is_none_or(|run| is_ahead(run.first, result.time)) {
            self.suspicion = Some(Suspicion::begun_by(result, self.floor));
        }
    }

    fn observe_success(&mut self, result: &CheckResult, state: State) {
        self.failures = 0;
        self.suspicion = None;
        if self.incident.is_none() {
            self.settle(state, result.time);
            return;
        }
        let unseen = self.interrupted && result.time.since_us(self.known_down) > result.reach_us();
        let recovery =
            self.recovery.get_or_insert(Recovery { count: 0, first: result.time, latest: result.time, state, unseen });
        if is_ahead(recovery.first, result.time) {
            recovery.first = result.time;
        }
        recovery.count = recovery.count.saturating_add(1);
        recovery.latest = result.time;
        recovery.state = state;
    }

    fn settle(&mut self, state: State, at: UnixMicros) {
        if self.settled != state {
            self.settled = state;
            self.since = at;
        }
    }

    fn confirm(&mut self, monitor: MonitorId, at: UnixMicros) -> Option<Incident> {
        let Suspicion { first, failure, message } = *self.suspicion.take()?;
        let incident = Incident {
            id: IncidentId::of(monitor, first),
            monitor,
            opened: first,
            confirmed: at.max(first),
            end: IncidentEnd::Open,
            failure,
            message: message.into(),
            acknowledged: None,
        };
        self.hold_open(incident.clone());
        Some(incident)
    }

    fn hold_open(&mut self, incident: Incident) {
        (self.settled, self.since) = (State::Down, incident.opened);
        self.known_down = incident.confirmed;
        self.suspicion = None;
        self.recovery = None;
        self.incident = Some(Box::new(incident));
    }

    fn close(&mut self) -> Option<Incident> {
        let recovery = self.recovery.take()?;
        let incident = *self.incident.take()?;
        let incident = if recovery.unseen {
            ended(incident, self.known_down, IncidentEnd::Unknown)
        } else {
            ended(incident, recovery.first, IncidentEnd::Recovered)
        };
        self.raise_floor(&incident);
        self.settle(recovery.state, recovery.latest);
        Some(incident)
    }

    /// The clock was set back to before the open incident began: ends it where it began, so that its time does not
    /// count when it comes again, and suspects the target anew.
    fn leave_behind(&mut self, result: &CheckResult) -> Option<Incident> {
        let incident = *self.incident.take()?;
        let incident = ended(incident, result.time, IncidentEnd::Unknown);
        self.raise_floor(&incident);
        self.suspicion = Some(Suspicion::begun_by(result, UnixMicros::MIN));
        Some(incident)
    }

    /// The next incident starts after this one; at least 1 µs after its start, as the start names it.
    fn raise_floor(&mut self, incident: &Incident) {
        let end = incident.span(incident.confirmed).to;
        self.floor = self.floor.max(end).max(incident.opened.plus_us(1));
    }

    /// Watching was interrupted (sleep, stall, no network, pause, restart): half-made runs count no more.
    pub(super) fn interrupted(&mut self) {
        if self.incident.is_none() {
            self.failures = 0;
            self.suspicion = None;
        }
        self.recovery = None;
        self.interrupted = true;
    }

    /// Nobody will see the end of the open incident: it ends unknown, at the last failed check. What follows is
    /// another target, or nothing.
    pub(super) fn end_unknown(&mut self) -> Option<Incident> {
        let incident = ended(*self.incident.take()?, self.known_down, IncidentEnd::Unknown);
        self.raise_floor(&incident);
        self.restart(self.known_down);
        Some(incident)
    }

    /// Forgets what was seen, not when the last incident ended.
    pub(super) fn restart(&mut self, at: UnixMicros) {
        *self = Self { floor: self.floor, ..Self::new(at) };
    }

    /// Takes over an incident from a row that was written earlier.
    pub(super) fn replay_incident(&mut self, incident: Incident) {
        if incident.is_open() {
            if let Some(open) = self.incident_mut().filter(|open| open.id == incident.id) {
                *open = incident;
                return;
            }
            let known_down = self.known_down;
            self.hold_open(incident);
            self.known_down = self.known_down.max(known_down);
            return;
        }
        self.raise_floor(&incident);
        if self.incident().is_some_and(|open| open.id == incident.id) {
            self.incident = None;
            match self.recovery.take() {
                Some(recovery) => self.settle(recovery.state, recovery.latest),
                None => self.restart(incident.span(incident.confirmed).to),
            }
        }
    }
}

/// Whether the clock was set back between noting a time and this check.
fn is_ahead(noted: UnixMicros, check: UnixMicros) -> bool {
    noted.since_us(check) > AHEAD_US
}

/// The incident, ended. Opened ≤ confirmed ≤ end holds by moving the end up, or, where the clock was set back after
/// the confirmation, by moving that down.
fn ended(mut incident: Incident, at: UnixMicros, end: fn(UnixMicros) -> IncidentEnd) -> Incident {
    if is_ahead(incident.confirmed, at) {
        incident.confirmed = at.max(incident.opened);
    }
    incident.end = end(at.max(incident.confirmed));
    incident
}

/// The reason of the gap that inconclusive results leave.
fn gap_reason(failure: Failure) -> GapReason {
    match failure {
        Failure::NoRoute | Failure::Resolver => GapReason::Offline,
        _ => GapReason::Fault,
    }
}

#[cfg(test)]
#[path = "machine_tests.rs"]
mod tests;
