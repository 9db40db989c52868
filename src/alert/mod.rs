//! What a person is told of by itself: changes that were confirmed, a storm of them as one, nothing while nobody
//! looks. Pure: events and times go in, notices come out. How a notice looks and sounds is for whoever shows it.
//!
//! - One notice for each incident that opens, and for each that ends by recovery.
//! - A change is held for a moment. When more than five come within half a minute, those that are held, and all that
//!   follow until it is calm again or ten seconds have passed, are one notice.
//! - While the whole instance sees nothing (asleep, offline, …) nothing is told; what waits is told afterwards. What was
//!   confirmed just before this machine went offline was most likely our own doing: it is nobody's news, and neither is
//!   its end. One notice tells of a time offline that was long enough to wonder about.
//! - What comes while notices are muted is one digest when they are not any more.

mod notice;

pub use self::notice::{Change, Notice, What};

use std::collections::{HashSet, VecDeque};

use crate::clock::Mono;
use crate::event::Event;
use crate::model::{Gap, GapReason, IncidentEnd, MonitorId, UnixMicros};

/// How long a change is held, so that a storm is seen before its first gust is told.
const HOLD_US: u64 = 1_500_000;
/// The longest that a change is held in a storm that does not end.
const LONGEST_HOLD_US: u64 = 10_000_000;
/// Changes of a digest that are kept; older ones are not told any more.
const MOST_MISSED: usize = 1_000;
/// The time in which a storm shows.
const STORM_US: u64 = 30_000_000;
/// More changes than this within [`STORM_US`] are a storm.
const STORM: usize = 5;
/// A time offline shorter than this is not worth a word.
const OFFLINE_US: u64 = 60_000_000;

/// Decides what is told.
#[derive(Debug, Default)]
pub struct Notices {
    /// Changes that wait, with the time they came.
    held: VecDeque<(Mono, Change)>,
    /// When the latest changes came.
    recent: VecDeque<Mono>,
    /// Whole-instance gaps that are running: reason and start.
    gaps: Vec<(GapReason, UnixMicros)>,
    /// What came while muted.
    missed: Vec<Change>,
    /// A time offline that just ended.
    offline: Option<Notice>,
    /// Outages that nobody was told of on purpose.
    hushed: HashSet<MonitorId>,
}

impl Notices {
    /// Takes an event; `name` finds what a monitor is called.
    pub fn take(&mut self, event: &Event, now: Mono, muted: bool, name: impl Fn(MonitorId) -> Option<String>) {
        match event {
            Event::IncidentOpened { incident } => {
                let what = What::Down { failure: incident.failure, message: incident.message.clone() };
                self.change(incident.monitor, incident.opened, what, now, muted, name);
            }
            Event::IncidentClosed { incident } => {
                if let IncidentEnd::Recovered(at) = incident.end {
                    let what = What::Back { after_us: at.since_us(incident.opened) };
                    self.change(incident.monitor, at, what, now, muted, name);
                }
            }
            Event::GapStarted { monitor, at, reason } if monitor.is_all() => {
                self.gaps.push((*reason, *at));
                if *reason == GapReason::Offline {
                    self.hushed.extend(self.held.drain(..).map(|(_, change)| change.monitor));
                }
            }
            Event::GapEnded { monitor, at, reason } if monitor.is_all() => self.gap_ended(*reason, *at, muted),
            _ => {}
        }
    }

    fn gap_ended(&mut self, reason: GapReason, at: UnixMicros, muted: bool) {
        let Some(place) = self.gaps.iter().position(|(running, _)| *running == reason) else { return };
        let (_, from) = self.gaps.remove(place);
        if reason == GapReason::Offline && at.since_us(from) >= OFFLINE_US && !muted {
            self.offline = Some(Notice::Offline { from, to: at });
        }
    }

    fn change(
        &mut self,
        monitor: MonitorId,
        at: UnixMicros,
        what: What,
        now: Mono,
        muted: bool,
        name: impl Fn(MonitorId) -> Option<String>,
    ) {
        let is_end = matches!(what, What::Back { .. });
        if self.hushed.remove(&monitor) && is_end {
            return;
        }
        let Some(name) = name(monitor) else { return };
        let change = Change { monitor, name, at, what };
        if muted {
            self.miss(change);
            return;
        }
        self.recent.push_back(now);
        self.held.push_back((now, change));
    }

    fn miss(&mut self, change: Change) {
        if self.missed.len() == MOST_MISSED {
            self.missed.remove(0);
        }
        self.missed.push(change);
    }

    /// Nobody wants to be told of anything: what waits is dropped.
    pub fn drop_all(&mut self) {
        self.held.clear();
        self.missed.clear();
        self.offline = None;
    }

    /// Events were lost: what is known of gaps is what the board says now.
    pub fn look_again(&mut self, gap: Option<Gap>) {
        self.gaps = gap.map(|gap| (gap.reason, gap.span.from)).into_iter().collect();
    }

    /// What is to be told now.
    pub fn due(&mut self, now: Mono, muted: bool) -> Vec<Notice> {
        let mut told: Vec<Notice> = self.offline.take().into_iter().collect();
        if muted {
            for (_, change) in std::mem::take(&mut self.held) {
                self.miss(change);
            }
            return told;
        }
        if !self.gaps.is_empty() {
            return told;
        }
        if !self.missed.is_empty() {
            told.push(Notice::Digest { changes: std::mem::take(&mut self.missed) });
        }
        while self.recent.front().is_some_and(|first| now.since_us(*first) > STORM_US) {
            self.recent.pop_front();
        }
        if self.recent.len() > STORM {
            // It goes on until nothing new came for a while; then it is told as a whole.
            let calm = self.held.back().is_some_and(|(last, _)| now.since_us(*last) >= HOLD_US);
            let long = self.held.front().is_some_and(|(first, _)| now.since_us(*first) >= LONGEST_HOLD_US);
            if calm || long {
                let changes = self.held.drain(..).map(|(_, change)| change).collect::<Vec<_>>();
                told.push(if changes.len() == 1 { Notice::of(changes) } else { Notice::Storm { changes } });
            }
            return told;
        }
        while self.held.front().is_some_and(|(came, _)| now.since_us(*came) >= HOLD_US) {
            told.extend(self.held.pop_front().map(|(_, change)| Notice::of(vec![change])));
        }
        told
    }

    /// Whether something is to be told as soon as notices are not muted any more.
    #[must_use]
    pub fn waits_for_unmuting(&self) -> bool {
        !self.missed.is_empty()
    }

    /// When something may be due; none while nothing waits.
    #[must_use]
    pub fn next_due(&self) -> Option<Mono> {
        if !self.gaps.is_empty() {
            return None;
        }
        let (first, _) = self.held.front()?;
        if self.recent.len() <= STORM {
            return Some(Mono(first.0 + HOLD_US));
        }
        let (last, _) = self.held.back()?;
        Some(Mono((last.0 + HOLD_US).min(first.0 + LONGEST_HOLD_US)))
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::model::{Failure, Incident, IncidentId};

    fn at(seconds: u64) -> UnixMicros {
        UnixMicros::new(1_700_000_000_000_000).plus_us(seconds * 1_000_000)
    }

    fn mono(ms: u64) -> Mono {
        Mono(ms * 1_000)
    }

    fn incident(n: u128, end: IncidentEnd) -> Incident {
        Incident {
            id: IncidentId::new(Uuid::from_u128(n)),
            monitor: MonitorId::new(Uuid::from_u128(n)),
            opened: at(0),
            confirmed: at(10),
            end,
            failure: Failure::Timeout,
            message: "no answer".into(),
            acknowledged: None,
        }
    }

    fn name(id: MonitorId) -> Option<String> {
        Some(format!("m{}", id.uuid().as_u128()))
    }

    fn down(notices: &mut Notices, n: u128, ms: u64) {
        let event = Event::IncidentOpened { incident: incident(n, IncidentEnd::Open) };
        notices.take(&event, mono(ms), false, name);
    }

    #[test]
    fn each_change_is_one_notice() {
        let mut notices = Notices::default();
        down(&mut notices, 1, 0);
        assert!(notices.due(mono(100), false).is_empty(), "held for a moment");
        assert_eq!(notices.next_due(), Some(mono(1_500)));
        let told = notices.due(mono(1_500), false);
        assert!(matches!(told.as_slice(), [Notice::One { change }] if change.name == "m1"), "{told:?}");
        let back = Event::IncidentClosed { incident: incident(1, IncidentEnd::Recovered(at(360))) };
        notices.take(&back, mono(60_000), false, name);
        let told = notices.due(mono(62_000), false);
        let after = |change: &Change| change.what == What::Back { after_us: 360_000_000 };
        assert!(matches!(told.as_slice(), [Notice::One { change }] if after(change)), "{told:?}");
        let lost = Event::IncidentClosed { incident: incident(1, IncidentEnd::Unknown(at(360))) };
        notices.take(&lost, mono(90_000), false, name);
        assert!(notices.due(mono(95_000), false).is_empty(), "nobody saw the end");
        assert_eq!(notices.next_due(), None);
    }

    #[test]
    fn five_are_told_one_by_one_and_six_are_a_storm() {
        for (count, wanted) in [(5, 5), (6, 1), (300, 1)] {
            let mut notices = Notices::default();
            (0..count).for_each(|n| down(&mut notices, n, 10));
            let told = notices.due(mono(2_000), false);
            assert_eq!(told.len(), wanted, "{count}");
            let all: usize = told.iter().map(|notice| notice.changes().len()).sum();
            assert_eq!(all, usize::try_from(count).expect("few"), "nobody is left out");
        }
    }

    #[test]
    fn a_storm_that_goes_on_is_told_when_it_is_calm() {
        let mut notices = Notices::default();
        let mut told = Vec::new();
        for n in 0..60_u64 {
            down(&mut notices, u128::from(n), n * 500);
            told.extend(notices.due(mono(n * 500), false));
        }
        let alone = told.iter().filter(|notice| matches!(notice, Notice::One { .. })).count();
        assert!(alone <= 4, "{alone} before it was seen to be a storm");
        assert!((2..=3).contains(&(told.len() - alone)), "each ten seconds: {}", told.len() - alone);
        told.extend(notices.due(notices.next_due().expect("something waits"), false));
        assert!(matches!(told.last(), Some(Notice::Storm { .. })), "{told:?}");
        let all: usize = told.iter().map(|notice| notice.changes().len()).sum();
        assert_eq!(all, 60, "nobody is left out");
    }

    #[test]
    fn nothing_is_told_while_nobody_sees_and_one_word_after() {
        let mut notices = Notices::default();
        down(&mut notices, 1, 0);
        let gap = |start: bool, seconds| {
            let (monitor, reason) = (MonitorId::ALL, GapReason::Offline);
            if start {
                Event::GapStarted { monitor, at: at(seconds), reason }
            } else {
                Event::GapEnded { monitor, at: at(seconds), reason }
            }
        };
        notices.take(&gap(true, 5), mono(500), false, name);
        // A target on this machine is watched all the same.
        down(&mut notices, 2, 600);
        assert!(notices.due(mono(10_000), false).is_empty());
        assert_eq!(notices.next_due(), None);
        notices.take(&gap(false, 425), mono(430_000), false, name);
        let told = notices.due(mono(430_000), false);
        assert_eq!(told[0], Notice::Offline { from: at(5), to: at(425) });
        assert!(matches!(&told[1..], [Notice::One { change }] if change.name == "m2"), "{told:?}");
        let back = Event::IncidentClosed { incident: incident(1, IncidentEnd::Recovered(at(430))) };
        notices.take(&back, mono(440_000), false, name);
        assert!(notices.due(mono(450_000), false).is_empty(), "nobody was told that it was down");
        notices.take(&gap(true, 500), mono(500_000), false, name);
        notices.take(&gap(false, 510), mono(510_000), false, name);
        assert!(notices.due(mono(520_000), false).is_empty(), "too short to wonder about");
    }

    #[test]
    fn a_short_stall_costs_no_notice() {
        let mut notices = Notices::default();
        down(&mut notices, 1, 0);
        let (monitor, reason) = (MonitorId::ALL, GapReason::Overload);
        notices.take(&Event::GapStarted { monitor, at: at(1), reason }, mono(500), false, name);
        assert!(notices.due(mono(3_000), false).is_empty());
        // Its end got lost in a flood.
        notices.look_again(None);
        assert_eq!(notices.due(mono(4_000), false).len(), 1);
    }

    #[test]
    fn what_was_muted_is_one_digest() {
        let mut notices = Notices::default();
        let event = Event::IncidentOpened { incident: incident(1, IncidentEnd::Open) };
        notices.take(&event, mono(0), true, name);
        notices.take(&event, mono(10), false, name);
        assert!(notices.due(mono(5_000), true).is_empty());
        assert!(notices.waits_for_unmuting());
        let told = notices.due(mono(9_000), false);
        assert!(matches!(told.as_slice(), [Notice::Digest { changes }] if changes.len() == 2), "{told:?}");
        assert!(notices.due(mono(90_000), false).is_empty());
        assert!(!notices.waits_for_unmuting());
    }
}
