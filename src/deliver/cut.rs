//! How much of its results a store has to give up for a limit of its size. Nothing here drops anything.

use serde::{Deserialize, Serialize};

use crate::model::{Tier, UnixMicros};
use crate::storage::StoreStatus;

const DAY_US: u64 = Tier::Day.width_us();
/// The part of the limit that is made free beyond what is too much, so that it is not reached again within the hour.
const SPARE: u64 = 50;

/// Once bytes have begun to come back, and none more came for so long, those that are left are not coming: two hours.
const STILL_US: u64 = 7_200_000_000;
/// No result takes less room than this.
const LEAST_BYTES: u64 = 2;

/// What was cut the last time, and what is seen of its bytes since. A store may give them back later than rows go:
/// before they are back, its size says nothing about what else has to go.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Cut {
    /// Results from before this went.
    pub(super) from: UnixMicros,
    /// About how many bytes they took, as if every day had as many.
    expected: u64,
    /// How many they were; none before the first of them went, or could not be read any more.
    rows: Option<u64>,
    /// For which limit.
    #[serde(default)]
    limit: u64,
    /// What the cut before this had left.
    #[serde(default)]
    before: Option<UnixMicros>,
    /// Bytes at the last look.
    seen: u64,
    /// Bytes that went between looks.
    back: u64,
    /// When they last were fewer.
    less_at: UnixMicros,
}

impl Cut {
    /// So many rows went.
    pub(super) fn gone(&mut self, rows: u64) {
        self.rows = Some(self.rows.unwrap_or(0).saturating_add(rows));
    }

    /// Whether it has begun; until then it is a plan.
    pub(super) fn has_begun(&self) -> bool {
        self.rows.is_some()
    }

    /// What is left of it where another limit holds now, or none: of a plan the cut before, as somebody may have thought
    /// better of it.
    pub(super) fn under(self, limit: Option<u64>) -> Option<Self> {
        if self.has_begun() || limit == Some(self.limit) {
            return Some(self);
        }
        self.before.map(|from| Self { from, expected: 0, rows: Some(0), back: 0, before: None, ..self })
    }

    /// Notes what has come back.
    pub(super) fn look(&mut self, status: &StoreStatus, now: UnixMicros) {
        let Some((_, seen)) = status.limited() else { return };
        if seen < self.seen {
            self.back = self.back.saturating_add(self.seen - seen);
            self.less_at = now;
        }
        self.seen = seen;
    }

    /// Whether the size tells what was left: as much came back as was reckoned, or something did, and no more comes.
    pub(super) fn is_back(&self, now: UnixMicros) -> bool {
        let least = self.rows.map_or(1, |rows| rows.saturating_mul(LEAST_BYTES));
        let is_still = now.since_us(self.less_at) >= STILL_US;
        self.back >= self.expected - self.expected / 10 || (self.back >= least && is_still)
    }

    /// What has to go next so that a store takes at most `limit` bytes: whole UTC days, the oldest first, and never
    /// anything of the last 24 hours. None where nothing has to, nothing may, or what went before is not back yet.
    pub(super) fn next(last: Option<&Self>, limit: u64, status: &StoreStatus, now: UnixMicros) -> Option<Self> {
        let (size, seen) = status.limited()?;
        if size <= limit || seen == 0 || last.is_some_and(|last| !last.is_back(now)) {
            return None;
        }
        // The clock may have been set back since the newest came.
        let newest = status.newest?.min(now);
        let oldest = last.map_or(status.oldest?, |last| status.oldest.unwrap_or(last.from).max(last.from));
        let latest = now.minus_us(DAY_US).floor_to(DAY_US);
        let span = newest.since_us(oldest);
        if oldest >= latest || span == 0 {
            return None;
        }
        let too_much = size - limit + limit / SPARE;
        let part = |of: u64, by: u64, whole: u64| {
            u64::try_from(u128::from(of) * u128::from(by) / u128::from(whole.max(1))).unwrap_or(u64::MAX)
        };
        let long = part(span, too_much, seen).min(span);
        let from = oldest.plus_us(long).floor_to(DAY_US).plus_us(DAY_US).min(latest);
        let expected = part(seen, from.since_us(oldest), span).min(seen);
        let before = last.map(|last| last.from);
        Some(Self { from, expected, rows: None, limit, before, seen, back: 0, less_at: now })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::storage::SizeParts;

    const GB: u64 = 1_000_000_000;
    const HOUR_US: u64 = 3_600_000_000;

    fn day(number: u64) -> UnixMicros {
        UnixMicros::new(1_772_323_200_000_000).plus_us(number * DAY_US)
    }

    fn status(size: u64, results: Option<u64>, oldest: UnixMicros, newest: UnixMicros) -> StoreStatus {
        StoreStatus {
            size_bytes: Some(size),
            parts: SizeParts { results, ..SizeParts::default() },
            own: None,
            results: None,
            oldest: Some(oldest),
            newest: Some(newest),
            version: String::new(),
        }
    }

    #[test]
    fn as_many_days_go_as_are_too_much() {
        let now = day(100).plus_us(7);
        let of = |size, limit| Cut::next(None, limit, &status(size, Some(size), day(50), now), now).map(|cut| cut.from);
        assert_eq!(of(5 * GB, 5 * GB), None, "that much it may take");
        // A fifth of 50 days, and the spare part.
        assert_eq!(of(5 * GB, 4 * GB), Some(day(61)));
        assert_eq!(of(5 * GB, 1), Some(day(99)), "the last 24 hours stay, whatever they take");
        let unknown = StoreStatus { size_bytes: None, ..status(0, None, day(50), now) };
        assert_eq!(Cut::next(None, 1, &unknown, now), None);
    }

    #[test]
    fn nothing_more_goes_before_the_bytes_are_back() {
        let (now, limit) = (day(100), 4 * GB);
        let full = status(5 * GB, Some(5 * GB), day(50), now);
        let mut cut = Cut::next(None, limit, &full, now).expect("too much");
        cut.gone(1_000_000);
        for hour in 0..1_000 {
            // It grows meanwhile, and gives nothing back.
            let size = 5 * GB + hour * 1_000_000;
            let (grown, later) = (status(size, Some(size), cut.from, now), now.plus_us(hour * HOUR_US));
            cut.look(&grown, later);
            assert_eq!(Cut::next(Some(&cut), limit, &grown, later), None);
        }
        let later = now.plus_us(40 * DAY_US);
        let freed = status(5 * GB - GB / 10, Some(5 * GB - GB / 10), cut.from, later);
        cut.look(&freed, later);
        let next = Cut::next(Some(&cut), limit, &freed, later).expect("all is back, and it has grown");
        assert!(next.from > cut.from);
    }

    #[test]
    fn days_that_had_less_than_others_do_not_stop_it() {
        let (now, limit) = (day(100), 4 * GB);
        let full = status(5 * GB, Some(5 * GB), day(50), now);
        let mut cut = Cut::next(None, limit, &full, now).expect("too much");
        cut.gone(1_000_000);
        // A tenth of what was reckoned, in two parts.
        let first = status(5 * GB - GB / 20, Some(5 * GB - GB / 20), cut.from, now);
        cut.look(&first, now.plus_us(HOUR_US));
        assert_eq!(Cut::next(Some(&cut), limit, &first, now.plus_us(2 * HOUR_US)), None, "more may come");
        let second = status(5 * GB - GB / 10, Some(5 * GB - GB / 10), cut.from, now);
        cut.look(&second, now.plus_us(2 * HOUR_US));
        let at = |hours: u64| Cut::next(Some(&cut), limit, &second, now.plus_us(hours * HOUR_US));
        assert_eq!(at(3), None);
        assert!(at(4).is_some_and(|next| next.from > cut.from), "no more comes");
    }

    #[test]
    fn a_plan_for_another_limit_is_given_up() {
        let now = day(100);
        let cut = Cut::next(None, 4 * GB, &status(5 * GB, Some(5 * GB), day(50), now), now).expect("too much");
        assert_eq!(cut.clone().under(Some(4 * GB)), Some(cut.clone()), "it is what is wanted");
        assert_eq!((cut.clone().under(Some(6 * GB)), cut.clone().under(None)), (None, None));
        let mut begun = cut;
        begun.gone(0);
        assert_eq!(begun.clone().under(None), Some(begun.clone()), "what has begun is done");
        begun.gone(1_000_000);
        let less = status(4 * GB, Some(4 * GB), begun.from, now);
        begun.look(&less, now);
        let next = Cut::next(Some(&begun), GB, &less, now).expect("too much again");
        let left = next.under(Some(2 * GB)).expect("the one before");
        assert_eq!(left.from, begun.from);
        assert!(
            Cut::next(Some(&left), 2 * GB, &less, now).is_some_and(|next| next.from > left.from),
            "of which all is back"
        );
    }

    proptest! {
        #[test]
        fn the_last_day_stays_and_days_are_whole(
            size in 1..u64::MAX / 4,
            results in proptest::option::of(0..u64::MAX / 4),
            limit in 1..u64::MAX / 4,
            (oldest, newest, now) in (0..400 * DAY_US, 0..400 * DAY_US, 0..400 * DAY_US),
            before in proptest::option::of(0..400u64),
        ) {
            let now = day(0).plus_us(now);
            let status = status(size, results, day(0).plus_us(oldest), day(0).plus_us(newest));
            let last = before.map(|at| Cut {
                from: day(at),
                expected: 0,
                rows: None,
                limit,
                before: None,
                seen: 0,
                back: 0,
                less_at: now,
            });
            if let Some(cut) = Cut::next(last.as_ref(), limit, &status, now) {
                prop_assert!(size > limit);
                prop_assert!(cut.from.plus_us(DAY_US) <= now, "of the last 24 hours nothing goes");
                prop_assert_eq!(cut.from.floor_to(DAY_US), cut.from);
                prop_assert!(cut.from > status.oldest.expect("given"), "something goes");
                prop_assert!(last.is_none_or(|last| cut.from > last.from));
                prop_assert!(cut.expected <= cut.seen);
            }
        }
    }
}
