//! Time in which nobody looks: pauses of single monitors, gaps of the whole instance.

use super::live::{Live, Pause};
use super::recorder::Recorder;
use crate::event::Event;
use crate::model::{Gap, GapReason, MonitorId, Row, Span, UnixMicros};

/// A running gap is written again when it grew by this much, so that a crash loses little of it.
const GROWTH_US: u64 = 60_000_000;
/// Most pauses that one heartbeat writes again.
const PAUSES_A_BEAT: usize = 100;
/// How many keys of instance-wide gaps are remembered.
const GAP_KEYS: usize = 16;

impl Recorder {
    /// Pauses monitors from now on, until `until` or until somebody resumes them; one that is paused already gets the
    /// new end. Returns those that were not paused before. Their running checks should be cancelled; should one finish
    /// nevertheless, it is dropped. Save the state soon after: a pause is known from there only.
    pub fn pause(&self, ids: &[MonitorId], until: Option<UnixMicros>) -> Vec<MonitorId> {
        let now = self.clock.wall();
        let mut live = self.live();
        let mut paused = Vec::new();
        for id in ids {
            let Some(entry) = live.entry(*id) else { continue };
            if let Some(pause) = &mut entry.pause {
                pause.until = until;
                live.touch_one(*id);
                continue;
            }
            let before = entry.shown().0;
            entry.machine.interrupted();
            entry.pause = Some(Box::new(Pause::new(now, until)));
            self.announce_state(entry, before);
            self.write_gap(Gap { monitor: *id, span: Span::new(now, now), reason: GapReason::Paused });
            self.events.send(Event::GapStarted { monitor: *id, at: now, reason: GapReason::Paused });
            live.touch_one(*id);
            paused.push(*id);
        }
        live.paused += paused.len();
        live.unsaved = true;
        paused
    }

    /// Ends the pause of monitors now. Returns those that were paused: they should be checked at once.
    pub fn resume(&self, ids: &[MonitorId]) -> Vec<MonitorId> {
        let now = self.clock.wall();
        let mut live = self.live();
        ids.iter().copied().filter(|id| self.resume_one(&mut live, *id, now)).collect()
    }

    /// Ends the pauses whose time is over. Returns whose: they should be checked at once.
    pub fn expire_pauses(&self, now: UnixMicros) -> Vec<MonitorId> {
        let mut live = self.live();
        if live.paused == 0 {
            return Vec::new();
        }
        let over = |pause: &Pause| pause.until.filter(|until| *until <= now);
        let ended: Vec<_> =
            live.entries.iter().filter_map(|entry| Some((entry.monitor.id, over(entry.pause.as_deref()?)?))).collect();
        ended.into_iter().filter(|(id, until)| self.resume_one(&mut live, *id, *until)).map(|(id, _)| id).collect()
    }

    fn resume_one(&self, live: &mut Live, id: MonitorId, at: UnixMicros) -> bool {
        let Some(entry) = live.entry(id) else { return false };
        let before = entry.shown().0;
        let Some(pause) = entry.pause.take() else { return false };
        self.announce_state(entry, before);
        self.end_pause(id, *pause, at);
        live.paused = live.paused.saturating_sub(1);
        live.touch_one(id);
        live.unsaved = true;
        true
    }

    /// Writes the whole gap of a pause that ended.
    pub(super) fn end_pause(&self, monitor: MonitorId, pause: Pause, at: UnixMicros) {
        let span = Span::new(pause.from, at.max(pause.written));
        self.write_gap(Gap { monitor, span, reason: GapReason::Paused });
        self.events.send(Event::GapEnded { monitor, at: span.to, reason: GapReason::Paused });
    }

    /// From `at` on nobody looks at anything. The same reason again changes nothing.
    pub fn gap_started(&self, at: UnixMicros, reason: GapReason) {
        let mut live = self.live();
        if live.gaps.iter().any(|gap| gap.reason == reason) {
            return;
        }
        let at = live.free_gap_key(at);
        let gap = Gap { monitor: MonitorId::ALL, span: Span::new(at, at), reason };
        live.gaps.push(gap);
        live.touch();
        self.write_gap(gap);
        self.events.send(Event::GapStarted { monitor: MonitorId::ALL, at, reason });
    }

    /// From `from` to `to` nobody looked at anything; announced by [`gap_started`](Self::gap_started) or not (a sleep
    /// is known only afterwards).
    pub fn gap_ended(&self, from: UnixMicros, to: UnixMicros, reason: GapReason) {
        let monitor = MonitorId::ALL;
        let mut live = self.live();
        let gap = if let Some(at) = live.gaps.iter().position(|gap| gap.reason == reason) {
            let running = live.gaps.remove(at);
            Gap { span: Span::new(running.span.from, to.max(running.span.to)), ..running }
        } else if to > from {
            let from = live.free_gap_key(from);
            self.events.send(Event::GapStarted { monitor, at: from, reason });
            Gap { monitor, span: Span::new(from, to), reason }
        } else {
            return;
        };
        live.touch();
        self.write_gap(gap);
        self.events.send(Event::GapEnded { monitor, at: gap.span.to, reason });
    }

    /// To be called about each second: running gaps grow on disk.
    pub fn heartbeat(&self, now: UnixMicros) {
        let mut live = self.live();
        for gap in &mut live.gaps {
            if now.since_us(gap.span.to) >= GROWTH_US {
                gap.span.to = now;
                self.write_gap(*gap);
            }
        }
        if live.paused == 0 {
            return;
        }
        let due = live.entries.iter_mut().filter_map(|entry| Some((entry.monitor.id, entry.pause.as_deref_mut()?)));
        let due = due.filter(|(_, pause)| now.since_us(pause.written) >= GROWTH_US);
        for (monitor, pause) in due.take(PAUSES_A_BEAT) {
            pause.written = now;
            self.write_gap(Gap { monitor, span: Span::new(pause.from, now), reason: GapReason::Paused });
        }
    }

    pub(super) fn write_gap(&self, gap: Gap) {
        self.sink.push(&Row::Gap(gap));
    }
}

impl Live {
    /// A key for a new instance-wide gap: `from`, or the first free instant after it.
    pub(super) fn free_gap_key(&mut self, mut from: UnixMicros) -> UnixMicros {
        while self.gap_keys.contains(&from) && from < UnixMicros::MAX {
            from = from.plus_us(1);
        }
        self.remember_gap_key(from);
        from
    }

    /// Remembers a key that is taken.
    pub(super) fn remember_gap_key(&mut self, from: UnixMicros) {
        if !self.gap_keys.contains(&from) {
            self.gap_keys.push_back(from);
            if self.gap_keys.len() > GAP_KEYS {
                self.gap_keys.pop_front();
            }
        }
    }
}
