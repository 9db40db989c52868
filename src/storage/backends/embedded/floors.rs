//! From when on rows are there: for all monitors, and for each of them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::model::{MonitorId, Tier, UnixMicros};
use crate::storage::Retention;

/// The first instant of each tier that is still there. What is older was pruned and stays unreadable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Floors {
    pub(super) raw: UnixMicros,
    five_minutes: UnixMicros,
    hour: UnixMicros,
    day: UnixMicros,
}

impl Default for Floors {
    fn default() -> Self {
        Self { raw: UnixMicros::MIN, five_minutes: UnixMicros::MIN, hour: UnixMicros::MIN, day: UnixMicros::MIN }
    }
}

/// Results, then each tier.
pub(super) fn tiers() -> impl Iterator<Item = Option<Tier>> {
    [None].into_iter().chain(Tier::ALL.iter().copied().map(Some))
}

impl Floors {
    pub(super) fn of(&self, tier: Tier) -> UnixMicros {
        match tier {
            Tier::FiveMinutes => self.five_minutes,
            Tier::Hour => self.hour,
            Tier::Day => self.day,
        }
    }

    /// The same, of results for the tier none.
    pub(super) fn at(&self, tier: Option<Tier>) -> UnixMicros {
        tier.map_or(self.raw, |tier| self.of(tier))
    }

    /// The floor of a tier, none for results; it only ever rises.
    pub(super) fn raise(&mut self, tier: Option<Tier>, to: UnixMicros) {
        let floor = match tier {
            None => &mut self.raw,
            Some(Tier::FiveMinutes) => &mut self.five_minutes,
            Some(Tier::Hour) => &mut self.hour,
            Some(Tier::Day) => &mut self.day,
        };
        *floor = to.max(*floor);
    }

    /// The higher one of each.
    fn with(mut self, other: &Self) -> Self {
        tiers().for_each(|tier| self.raise(tier, other.at(tier)));
        self
    }
}

/// The floors of single monitors, above those of all.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct OwnFloors {
    /// Of monitors that have none of their own.
    usual: Floors,
    own: BTreeMap<MonitorId, Floors>,
}

impl OwnFloors {
    /// The floors of a monitor; of the gaps of all monitors those that hold for all.
    pub(super) fn of(&self, monitor: MonitorId, all: &Floors) -> Floors {
        if monitor.is_all() { *all } else { all.with(self.own.get(&monitor).unwrap_or(&self.usual)) }
    }

    /// The floors under a policy. None sinks: a monitor that is kept longer from now on has what it had.
    pub(super) fn raised(&self, policy: &Retention, now: UnixMicros) -> Self {
        let raise = |mut floors: Floors, of: &dyn Fn(Option<Tier>) -> Option<UnixMicros>| {
            tiers().filter_map(|tier| Some((tier, of(tier)?))).for_each(|(tier, floor)| floors.raise(tier, floor));
            floors
        };
        let usual = raise(self.usual, &|tier| policy.usual_floor(tier, now));
        let mut own = BTreeMap::new();
        for monitor in self.own.keys().chain(policy.own.keys()) {
            let before = *self.own.get(monitor).unwrap_or(&self.usual);
            let floors = raise(before, &|tier| policy.floor_of(*monitor, tier, now));
            // One that has no days of its own any more is as the others when they have come up to it.
            if policy.own.contains_key(monitor) || floors != usual {
                own.insert(*monitor, floors);
            }
        }
        Self { usual, own }
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::storage::KeptDays;

    #[test]
    fn floors_never_sink_whatever_the_policy_says_next() {
        let day = |number: u64| UnixMicros::new(1_772_323_200_000_000).plus_us(number * Tier::Day.width_us());
        let [one, other] = [1, 2].map(|number| MonitorId::new(Uuid::from_u128(number)));
        let all = Floors::default();
        let mut policy = Retention { raw_days: Some(30), ..Retention::default() };
        policy.own.insert(one, KeptDays { raw: Some(3), ..policy.usual() });
        let floors = OwnFloors::default().raised(&policy, day(100));
        assert_eq!((floors.of(one, &all).raw, floors.of(other, &all).raw), (day(97), day(70)));
        // Back to what is usual: what it had is gone.
        policy.own.clear();
        let floors = floors.raised(&policy, day(101));
        assert_eq!((floors.of(one, &all).raw, floors.of(other, &all).raw), (day(97), day(71)));
        let floors = floors.raised(&policy, day(127));
        assert!(floors.own.is_empty(), "it is as the others: {floors:?}");
        // Longer from now on: what is gone is gone.
        policy.own.insert(one, KeptDays { raw: None, ..policy.usual() });
        let floors = floors.raised(&policy, day(150));
        assert_eq!((floors.of(one, &all).raw, floors.of(other, &all).raw), (day(97), day(120)));
        assert_eq!(floors.of(MonitorId::ALL, &all), all);
    }
}
