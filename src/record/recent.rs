//! The last results of one monitor in few bytes: the sparkline, and the times that are taken.

use serde::Serialize;

use crate::model::{UnixMicros, Verdict};

/// How many results are kept.
const KEPT: usize = 30;

/// One point of a sparkline.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct SparkPoint {
    /// Start of the check.
    pub time: UnixMicros,
    /// Duration in microseconds, at most 71 minutes.
    pub duration_us: u32,
    /// What the check said.
    pub verdict: Verdict,
}

/// A ring of the last 30 results.
#[derive(Clone, Debug)]
pub(super) struct Recent {
    times: [UnixMicros; KEPT],
    durations: [u32; KEPT],
    verdicts: [Verdict; KEPT],
    /// Where the next one goes.
    next: u8,
    len: u8,
}

impl Recent {
    pub(super) fn new() -> Self {
        Self {
            times: [UnixMicros::MIN; KEPT],
            durations: [0; KEPT],
            verdicts: [Verdict::Inconclusive; KEPT],
            next: 0,
            len: 0,
        }
    }

    pub(super) fn push(&mut self, time: UnixMicros, duration_us: u64, verdict: Verdict) {
        let at = usize::from(self.next);
        self.times[at] = time;
        self.durations[at] = u32::try_from(duration_us).unwrap_or(u32::MAX);
        self.verdicts[at] = verdict;
        self.len = self.len.max(self.next + 1);
        self.next = if at + 1 == KEPT { 0 } else { self.next + 1 };
    }

    /// `time`, or the first free instant after it where it is taken: two results never have the same key.
    pub(super) fn free(&self, mut time: UnixMicros) -> UnixMicros {
        let taken = &self.times[..usize::from(self.len)];
        while taken.contains(&time) && time < UnixMicros::MAX {
            time = time.plus_us(1);
        }
        time
    }

    /// Oldest first.
    pub(super) fn points(&self) -> Vec<SparkPoint> {
        let (len, next) = (usize::from(self.len), usize::from(self.next));
        let oldest = if len == KEPT { next } else { 0 };
        (0..len)
            .map(|n| (oldest + n) % KEPT)
            .map(|at| SparkPoint { time: self.times[at], duration_us: self.durations[at], verdict: self.verdicts[at] })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_the_newest_thirty_in_order() {
        let mut recent = Recent::new();
        assert!(recent.points().is_empty());
        for n in 1..=75_i64 {
            recent.push(UnixMicros::new(n), u64::try_from(n).expect("small"), Verdict::Up);
            let points = recent.points();
            assert_eq!(points.len(), usize::try_from(n).expect("small").min(30));
            assert_eq!(points.last().expect("some").time.micros(), n);
            assert!(points.windows(2).all(|pair| pair[0].time < pair[1].time));
        }
    }

    #[test]
    fn a_taken_time_moves_on() {
        let mut recent = Recent::new();
        assert_eq!(recent.free(UnixMicros::new(0)), UnixMicros::new(0), "an empty ring takes nothing");
        for n in [5, 6, 8] {
            recent.push(UnixMicros::new(n), 1, Verdict::Up);
        }
        assert_eq!(recent.free(UnixMicros::new(5)), UnixMicros::new(7));
        assert_eq!(recent.free(UnixMicros::new(8)), UnixMicros::new(9));
        recent.push(UnixMicros::new(1), u64::MAX, Verdict::Down);
        assert_eq!(recent.points().last().expect("some").duration_us, u32::MAX);
    }
}
