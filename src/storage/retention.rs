//! How long history is kept: for every monitor, and for some of them longer or shorter.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::model::{MonitorId, Tier, UnixMicros};

/// How long each tier is kept, in days; none keeps it for ever.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Retention {
    /// Results, gaps and incidents' details.
    pub raw_days: Option<u32>,
    /// The 5-minute tier.
    pub five_minutes_days: Option<u32>,
    /// The hour tier.
    pub hour_days: Option<u32>,
    /// The day tier.
    pub day_days: Option<u32>,
    /// Most bytes that the store takes; none where it may grow. Kept by dropping the oldest results before their time,
    /// where [`Capabilities::frees_room`](super::Capabilities::frees_room) says that this helps.
    #[serde(default)]
    pub max_bytes: Option<u64>,
    /// Results from before this are not kept of any monitor, however many days it has: what such a limit left.
    #[serde(default)]
    pub results_from: Option<UnixMicros>,
    /// Monitors of which something is kept longer or shorter than that, with all of their days.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub own: BTreeMap<MonitorId, KeptDays>,
}

/// The days of one monitor; none for ever.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeptDays {
    /// Results and gaps.
    pub raw: Option<u32>,
    /// The 5-minute tier.
    pub five_minutes: Option<u32>,
    /// The hour tier.
    pub hour: Option<u32>,
    /// The day tier.
    pub day: Option<u32>,
}

impl KeptDays {
    /// The days of a tier, and of results for the tier none.
    #[must_use]
    pub fn of(&self, tier: Option<Tier>) -> Option<u32> {
        match tier {
            None => self.raw,
            Some(Tier::FiveMinutes) => self.five_minutes,
            Some(Tier::Hour) => self.hour,
            Some(Tier::Day) => self.day,
        }
    }

    fn floor(&self, tier: Option<Tier>, now: UnixMicros) -> Option<UnixMicros> {
        let day = Tier::Day.width_us();
        self.of(tier).map(|days| now.minus_us(u64::from(days) * day).floor_to(day))
    }
}

impl Retention {
    /// Everything for ever.
    #[must_use]
    pub fn everything() -> Self {
        Self { raw_days: None, five_minutes_days: None, hour_days: None, day_days: None, ..Self::default() }
    }

    /// The days of a monitor that has none of its own.
    #[must_use]
    pub fn usual(&self) -> KeptDays {
        let (five_minutes, hour) = (self.five_minutes_days, self.hour_days);
        KeptDays { raw: self.raw_days, five_minutes, hour, day: self.day_days }
    }

    /// The days of a monitor.
    #[must_use]
    pub fn of(&self, monitor: MonitorId) -> KeptDays {
        self.own.get(&monitor).copied().unwrap_or_else(|| self.usual())
    }

    /// First instant of a tier that is kept of any monitor at `now`; none keeps everything, and the tier none means
    /// results. It is a whole UTC day, so that rollups are kept or dropped together with what they sum up. A store that
    /// cannot keep monitors apart drops what is below, and nothing else.
    #[must_use]
    pub fn floor(&self, tier: Option<Tier>, now: UnixMicros) -> Option<UnixMicros> {
        let own = self.own.values().map(|days| self.cut(tier, days.floor(tier, now)));
        own.fold(self.usual_floor(tier, now), |lowest, floor| Some(lowest?.min(floor?)))
    }

    /// The same of monitors that have no days of their own.
    #[must_use]
    pub fn usual_floor(&self, tier: Option<Tier>, now: UnixMicros) -> Option<UnixMicros> {
        self.cut(tier, self.usual().floor(tier, now))
    }

    /// A floor, no lower than what the limit of the size left.
    fn cut(&self, tier: Option<Tier>, floor: Option<UnixMicros>) -> Option<UnixMicros> {
        if tier.is_none() { floor.max(self.results_from) } else { floor }
    }

    /// The same of one monitor.
    #[must_use]
    pub fn floor_of(&self, monitor: MonitorId, tier: Option<Tier>, now: UnixMicros) -> Option<UnixMicros> {
        self.cut(tier, self.of(monitor).floor(tier, now))
    }

    /// First instant from which a tier is kept of every monitor; none where nothing is ever dropped.
    #[must_use]
    pub fn highest_floor(&self, tier: Option<Tier>, now: UnixMicros) -> Option<UnixMicros> {
        let own = self.own.values().map(|days| self.cut(tier, days.floor(tier, now)));
        own.fold(self.usual_floor(tier, now), Option::max)
    }
}

impl Default for Retention {
    fn default() -> Self {
        let (raw_days, five_minutes_days, hour_days) = (Some(30), Some(90), Some(730));
        let (max_bytes, results_from) = (None, None);
        Self { raw_days, five_minutes_days, hour_days, day_days: None, max_bytes, results_from, own: BTreeMap::new() }
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    #[test]
    fn floors_are_those_of_the_monitor_and_the_lowest_of_all() {
        let day = |number: u64| UnixMicros::new(1_772_323_200_000_000).plus_us(number * Tier::Day.width_us());
        let now = day(100).plus_us(5);
        let (long, short, other) = (1, 2, 3);
        let [long, short, other] = [long, short, other].map(|number| MonitorId::new(Uuid::from_u128(number)));
        let mut retention = Retention::default();
        assert_eq!(retention.floor(None, now), Some(day(70)));
        let usual = retention.usual();
        retention.own.insert(long, KeptDays { raw: Some(60), ..usual });
        retention.own.insert(short, KeptDays { raw: Some(3), hour: None, ..usual });
        assert_eq!(retention.floor_of(long, None, now), Some(day(40)));
        assert_eq!(retention.floor_of(short, None, now), Some(day(97)));
        assert_eq!(retention.floor_of(other, None, now), Some(day(70)));
        assert_eq!((retention.floor(None, now), retention.highest_floor(None, now)), (Some(day(40)), Some(day(97))));
        assert_eq!(retention.floor(Some(Tier::Hour), now), None, "one keeps hours for ever");
        assert_eq!(retention.floor_of(other, Some(Tier::Day), now), None);
    }

    #[test]
    fn what_a_limit_left_is_the_floor_of_results_alone() {
        let day = |number: u64| UnixMicros::new(1_772_323_200_000_000).plus_us(number * Tier::Day.width_us());
        let now = day(100).plus_us(5);
        let [ever, short, other] = [1, 2, 3].map(|number| MonitorId::new(Uuid::from_u128(number)));
        let mut retention = Retention { results_from: Some(day(90)), ..Retention::default() };
        let usual = retention.usual();
        retention.own.insert(ever, KeptDays { raw: None, ..usual });
        retention.own.insert(short, KeptDays { raw: Some(3), ..usual });
        let floors = [ever, other, short].map(|monitor| retention.floor_of(monitor, None, now));
        assert_eq!(floors, [Some(day(90)), Some(day(90)), Some(day(97))], "those with days of their own are cut alike");
        assert_eq!((retention.floor(None, now), retention.usual_floor(None, now)), (Some(day(90)), Some(day(90))));
        assert_eq!(retention.highest_floor(None, now), Some(day(97)));
        assert_eq!(retention.floor(Some(Tier::FiveMinutes), now), Some(day(10)));
    }
}
