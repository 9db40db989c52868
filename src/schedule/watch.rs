//! Whether anybody was looking: sleep, standstill, a clock that was set, a network that went or changed. Pure: it
//! compares readings of the clocks and of the network, and says what follows.

use super::Notice;
use super::connectivity::Network;
use crate::clock::{Clock, Mono};
use crate::model::{Failure, GapReason, Span, UnixMicros, Verdict};
use crate::probe::Observation;

/// The clocks are compared so often.
pub(super) const TICK_US: u64 = 1_000_000;
/// A tick this late means that the process stood still.
const STALL_US: u64 = 5_000_000;
/// A tick this late means that time-outs of checks cannot be trusted.
const LATE_US: u64 = 1_000_000;
/// Clocks that move apart by more than this tell of a sleep or of a clock that was set.
const STEP_US: u64 = 2_000_000;
/// A network that did not change for so long is ready.
const STAND_US: u64 = 3_000_000;
/// Longest time that a network gets to become ready.
const SETTLE_US: u64 = 30_000_000;

/// The three clocks at one moment.
#[derive(Clone, Copy, Debug)]
pub(super) struct Readings {
    pub(super) mono: Mono,
    pub(super) boot_us: u64,
    pub(super) wall: UnixMicros,
}

impl Readings {
    pub(super) fn of(clock: &dyn Clock) -> Self {
        Self { mono: clock.mono(), boot_us: clock.boot_us(), wall: clock.wall() }
    }
}

/// A time in which this process did not run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Interruption {
    /// The machine slept for so many microseconds.
    Slept(u64),
    /// The process was stopped, or the machine was far too busy.
    Stalled,
}

/// Why the network is not trusted yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cause {
    Waking,
    Standstill,
    NetworkChange,
}

impl Cause {
    fn words(self) -> &'static str {
        match self {
            Self::Waking => "just after waking, the network was not ready",
            Self::Standstill => "just after this machine stood still, the network was not ready",
            Self::NetworkChange => "this machine's network had just changed",
        }
    }
}

/// Compares the clocks from tick to tick and knows how far checks can be trusted.
#[derive(Debug)]
pub(super) struct Watch {
    /// The last tick.
    last: Readings,
    /// The last moment at which the process ran for certain; not before the last tick.
    seen: Readings,
    network: Network,
    looked: Mono,
    stands_since: Mono,
    /// Why and until when at most failures are not held against targets.
    settling: Option<(Cause, Mono)>,
    /// The last settling and when it was over: a check that began before may still fail because of it.
    settled: Option<(Cause, Mono)>,
    /// The end of the last short standstill.
    late: Option<Mono>,
    offline_since: Option<UnixMicros>,
}

impl Watch {
    /// Begins now, with a network that is trusted.
    pub(super) fn new(now: Readings, network: Network) -> Self {
        Self {
            last: now,
            seen: now,
            network,
            looked: now.mono,
            stands_since: Mono(now.mono.0.saturating_sub(STAND_US)),
            settling: None,
            settled: None,
            late: None,
            offline_since: None,
        }
    }

    /// When the next tick is due.
    pub(super) fn next_tick(&self) -> Mono {
        self.last.mono.plus_us(TICK_US)
    }

    /// Whether the network was looked at longer than a tenth of a second ago.
    pub(super) fn is_stale(&self, now: Mono) -> bool {
        now.since_us(self.looked) > TICK_US / 10
    }

    /// Whether the process did not run since the last tick. Cheap: asked after every check.
    pub(super) fn interruption(&self, now: &Readings) -> Option<Interruption> {
        let ran = now.mono.since_us(self.last.mono);
        let slept = now.boot_us.saturating_sub(self.last.boot_us).saturating_sub(ran);
        if slept > STEP_US {
            Some(Interruption::Slept(slept))
        } else if ran >= TICK_US + STALL_US {
            Some(Interruption::Stalled)
        } else {
            None
        }
    }

    /// Something was done at this moment, and [`interruption`](Self::interruption) had nothing to say.
    pub(super) fn awake(&mut self, now: Readings) {
        self.seen = now;
    }

    /// Where a gap begins that ends by `expected` at the latest: just after the last sign of life, so that no result
    /// from before it lies inside. Where the clock was set forward since the last tick that sign has another wall
    /// clock, and the tick serves.
    fn gap_from(&self, expected: UnixMicros) -> UnixMicros {
        let sign = if self.seen.wall < expected { self.seen.wall } else { self.last.wall };
        sign.plus_us(1)
    }

    /// Compares the clocks with the last tick.
    pub(super) fn tick(&mut self, now: Readings, notices: &mut Vec<Notice>) -> Option<Interruption> {
        let interruption = self.interruption(&now);
        // Where the wall clock would be if nobody had set it.
        let expected = self.last.wall.plus_us(now.boot_us.saturating_sub(self.last.boot_us));
        let ahead = now.wall.since_us(expected) > STEP_US;
        if let Some(interruption) = interruption {
            let (reason, cause) = match interruption {
                Interruption::Slept(_) => (GapReason::Asleep, Cause::Waking),
                Interruption::Stalled => (GapReason::Overload, Cause::Standstill),
            };
            notices.push(Notice::Interrupted);
            gap(notices, self.gap_from(expected), if ahead { expected } else { now.wall }, reason);
            self.settling = Some((cause, now.mono.plus_us(SETTLE_US)));
            self.stands_since = now.mono;
        } else if now.mono.since_us(self.next_tick()) >= LATE_US {
            self.late = Some(now.mono);
        }
        if ahead {
            gap(notices, expected, now.wall, GapReason::Clock);
        }
        self.last = now;
        self.seen = now;
        interruption
    }

    /// Takes a look at the network into account. `remote` says whether any monitor's target is beyond this machine.
    /// Says whether a gap ended.
    pub(super) fn see(&mut self, now: Readings, network: Network, remote: bool, notices: &mut Vec<Notice>) -> bool {
        self.looked = now.mono;
        if network != self.network {
            // A network that never comes to rest gets no more than one grace: it would hide every outage.
            if self.stands(now.mono) && self.settling.is_none() {
                self.settling = Some((Cause::NetworkChange, now.mono.plus_us(SETTLE_US)));
            }
            self.network = network;
            self.stands_since = now.mono;
        }
        if let Some((cause, until)) = self.settling
            && ((network.online && self.stands(now.mono)) || now.mono >= until)
        {
            self.settling = None;
            self.settled = Some((cause, now.mono));
        }
        match (self.offline_since, !network.online && remote) {
            (None, true) => {
                self.offline_since = Some(now.wall);
                notices.push(Notice::Interrupted);
                notices.push(Notice::GapStarted(now.wall, GapReason::Offline));
            }
            (Some(_), false) => {
                self.end(now.wall, notices);
                return true;
            }
            _ => {}
        }
        false
    }

    fn stands(&self, now: Mono) -> bool {
        now.since_us(self.stands_since) >= STAND_US
    }

    /// Nobody looks any more: ends the gap that is open, if one is.
    pub(super) fn end(&mut self, wall: UnixMicros, notices: &mut Vec<Notice>) {
        if let Some(from) = self.offline_since.take() {
            notices.push(Notice::GapEnded(Span::new(from, wall), GapReason::Offline));
        }
    }

    /// Turns a failure into `inconclusive` where the fault may well be on our side. `loopback` says whether the
    /// target is on this machine, so that no network is needed to reach it.
    pub(super) fn judge(&self, now: &Readings, started: Mono, loopback: bool, observation: &mut Observation) {
        if observation.verdict != Verdict::Down {
            return;
        }
        let settled = self.settled.filter(|(_, over)| started < *over).map(|(cause, _)| cause);
        let cause = self.settling.map(|(cause, _)| cause).or(settled);
        let late = now.mono.since_us(self.next_tick()) >= LATE_US || self.late.is_some_and(|late| started < late);
        let (failure, why) = if !self.network.online && !loopback {
            (Failure::NoRoute, "this machine has no network")
        } else if let Some(cause) = cause.filter(|cause| !(loopback && *cause == Cause::NetworkChange)) {
            (Failure::NoRoute, cause.words())
        } else if late && observation.failure == Some(Failure::Timeout) {
            (Failure::Resources, "this machine stood still meanwhile")
        } else {
            return;
        };
        observation.verdict = Verdict::Inconclusive;
        observation.failure = Some(failure);
        if !observation.message.is_empty() {
            observation.message.push_str(" — ");
        }
        observation.message.push_str(why);
    }
}

/// A gap that is over: told as begun and ended. One of no length, because the clock was set back, is none.
fn gap(notices: &mut Vec<Notice>, from: UnixMicros, to: UnixMicros, reason: GapReason) {
    let span = Span::new(from, to);
    if !span.is_empty() {
        notices.push(Notice::GapStarted(span.from, reason));
        notices.push(Notice::GapEnded(span, reason));
    }
}

#[cfg(test)]
mod tests;
