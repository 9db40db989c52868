//! Who may run at the same time. Checks take permits from one pool, in three lanes, so that hosts which time out never
//! stand in the way of those that answer.

use std::collections::VecDeque;

use super::planner::{Due, Key};

/// What is known of a monitor's speed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lane {
    /// Succeeded before, and its last check did not time out.
    Proven,
    /// Not checked yet.
    Untried,
    /// Its last check timed out, or it never succeeded.
    Suspect,
}

/// The lanes, in the order in which a free permit is offered.
const LANES: [Lane; 3] = [Lane::Proven, Lane::Untried, Lane::Suspect];

/// The permits, and who waits for one: first come, first served within a lane.
#[derive(Debug)]
pub(super) struct Lanes {
    limit: usize,
    running: [usize; 3],
    waiting: [VecDeque<(Key, Due)>; 3],
}

impl Lanes {
    /// So many permits, at least 1.
    pub(super) fn new(limit: usize) -> Self {
        Self { limit: limit.max(1), running: [0; 3], waiting: Default::default() }
    }

    /// Permits in all.
    pub(super) fn limit(&self) -> usize {
        self.limit
    }

    /// Permits taken.
    pub(super) fn running(&self) -> usize {
        self.running.iter().sum()
    }

    /// Monitors that wait for a permit.
    pub(super) fn waiting(&self) -> usize {
        self.waiting.iter().map(VecDeque::len).sum()
    }

    /// Takes a permit and says `true`, or queues the monitor and says `false`.
    pub(super) fn enter(&mut self, lane: Lane, key: Key, due: Due) -> bool {
        let free = self.waiting[lane as usize].is_empty() && self.has_room(lane);
        if free {
            self.running[lane as usize] += 1;
        } else {
            self.waiting[lane as usize].push_back((key, due));
        }
        free
    }

    /// Gives a permit back.
    pub(super) fn leave(&mut self, lane: Lane) {
        self.running[lane as usize] = self.running[lane as usize].saturating_sub(1);
    }

    /// Takes a monitor out of the queue that it waits in.
    pub(super) fn forget(&mut self, lane: Lane, key: Key) {
        self.waiting[lane as usize].retain(|(waiting, _)| *waiting != key);
    }

    /// Empties all queues.
    pub(super) fn forget_all(&mut self) {
        self.waiting.iter_mut().for_each(VecDeque::clear);
    }

    /// Gives a free permit to the next in line, if there is one.
    pub(super) fn next(&mut self) -> Option<(Key, Due)> {
        for lane in LANES {
            if self.waiting[lane as usize].is_empty() || !self.has_room(lane) {
                continue;
            }
            self.running[lane as usize] += 1;
            return self.waiting[lane as usize].pop_front();
        }
        None
    }

    /// Suspects take at most 3/4 of the permits, together with the untried at most 7/8; the rest is for the proven.
    fn has_room(&self, lane: Lane) -> bool {
        let [_, untried, suspect] = self.running;
        let unproven = untried + suspect < (self.limit * 7 / 8).max(1);
        let within = match lane {
            Lane::Proven => true,
            Lane::Untried => unproven,
            Lane::Suspect => unproven && suspect < (self.limit * 3 / 4).max(1),
        };
        within && self.running() < self.limit
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Mono;
    use crate::model::{MonitorId, UnixMicros};
    use crate::schedule::planner::{First, Planner};

    fn keys(count: u128) -> Vec<Key> {
        let mut planner = Planner::new(Mono(0), UnixMicros::new(0));
        (0..count)
            .map(|n| planner.add(MonitorId::new(uuid::Uuid::from_u128(n)), 1_000_000, First::AtOnce, Mono(0)))
            .collect()
    }

    #[test]
    fn suspects_never_fill_the_room() {
        let keys = keys(100);
        let mut lanes = Lanes::new(16);
        let suspects = keys[..40].iter().filter(|key| lanes.enter(Lane::Suspect, **key, Due::Extra)).count();
        let untried = keys[40..60].iter().filter(|key| lanes.enter(Lane::Untried, **key, Due::Extra)).count();
        let proven = keys[60..80].iter().filter(|key| lanes.enter(Lane::Proven, **key, Due::Extra)).count();
        assert_eq!((suspects, untried, proven), (12, 2, 2));
        assert_eq!((lanes.running(), lanes.waiting()), (16, 28 + 18 + 18));
        lanes.leave(Lane::Suspect);
        assert_eq!(lanes.next(), Some((keys[62], Due::Extra)), "the proven go first");
        assert_eq!(lanes.next(), None);
    }

    #[test]
    fn the_untried_are_not_crowded_out_by_suspects() {
        let keys = keys(100);
        let mut lanes = Lanes::new(16);
        for (untried, suspect) in keys[..50].iter().zip(&keys[50..]) {
            lanes.enter(Lane::Untried, *untried, Due::Extra);
            lanes.enter(Lane::Suspect, *suspect, Due::Extra);
        }
        let (mut next_untried, mut running) = (7, [7, 7]);
        assert_eq!(lanes.running(), 14);
        // Whoever leaves, an untried one takes the place.
        for turn in 0..20 {
            let lane = if turn < 7 { Lane::Suspect } else { Lane::Untried };
            running[usize::from(lane == Lane::Suspect)] -= 1;
            running[0] += 1;
            lanes.leave(lane);
            assert_eq!(lanes.next(), Some((keys[next_untried], Due::Extra)));
            assert_eq!(lanes.next(), None);
            next_untried += 1;
        }
        assert_eq!(running, [14, 0]);
    }

    #[test]
    fn first_come_first_served_and_forgotten() {
        let keys = keys(5);
        let mut lanes = Lanes::new(1);
        assert!(lanes.enter(Lane::Suspect, keys[0], Due::Extra));
        for key in &keys[1..] {
            assert!(!lanes.enter(Lane::Suspect, *key, Due::Extra));
        }
        lanes.forget(Lane::Suspect, keys[2]);
        let mut order = Vec::new();
        for _ in 0..3 {
            lanes.leave(Lane::Suspect);
            order.extend(lanes.next().map(|(key, _)| key));
        }
        assert_eq!(order, [keys[1], keys[3], keys[4]]);
        assert_eq!((lanes.running(), lanes.waiting()), (1, 0));
    }
}
