//! Days of the local zone, and the hours in them.

use std::ops::Range;

use jiff::civil::Date;
use jiff::tz::TimeZone;

use crate::model::{Span, Tier, UnixMicros};

/// A day of the local zone; 23 or 25 hours long where clocks change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct LocalDay {
    pub(super) date: Date,
    pub(super) span: Span,
}

/// The last days up to the one of `now`, oldest first.
pub(super) fn local_days(zone: &TimeZone, now: UnixMicros, days: u32) -> Vec<LocalDay> {
    let start = |date: Date| {
        let midnight = date.to_zoned_datetime(zone.clone()).map(|zoned| zoned.timestamp().as_microsecond());
        UnixMicros::new(midnight.unwrap_or(0))
    };
    let mut date = now.timestamp().to_zoned_datetime(zone.clone()).date();
    let mut found = Vec::new();
    for _ in 0..days {
        let next = date.tomorrow().unwrap_or(date);
        found.push(LocalDay { date, span: Span::new(start(date), start(next)) });
        match date.yesterday() {
            Ok(yesterday) => date = yesterday,
            Err(_) => break,
        }
    }
    found.reverse();
    found
}

/// The hours in which days begin or end, where the zone's clock is not whole hours from UTC.
pub(super) fn cut_hours(days: &[LocalDay]) -> Vec<Span> {
    let edges = days.iter().flat_map(|day| [day.span.from, day.span.to]);
    let mut hours: Vec<Span> = edges
        .map(|edge| (edge, Tier::Hour.bucket(edge)))
        .filter(|(edge, hour)| hour.from != *edge)
        .map(|(_, hour)| hour)
        .collect();
    hours.dedup();
    hours
}

/// The hours of days that follow each other, up to now; cut where a day begins within an hour.
pub(super) fn hours_of(days: &[LocalDay], now: UnixMicros) -> Vec<Span> {
    let mut hours = Vec::new();
    for day in days {
        let mut from = day.span.from;
        while from < day.span.to.min(now) {
            let to = Tier::Hour.bucket(from).to.min(day.span.to);
            hours.push(Span::new(from, to));
            from = to;
        }
    }
    hours
}

/// Runs of days that follow each other.
pub(super) fn whole_runs(days: &[LocalDay]) -> Vec<Range<usize>> {
    let mut runs = Vec::new();
    let mut from = 0;
    for at in 1..=days.len() {
        if at == days.len() || days[at].span.from != days[at - 1].span.to {
            runs.push(from..at);
            from = at;
        }
    }
    runs
}

#[cfg(test)]
mod tests {
    use super::*;

    fn zone(name: &str) -> TimeZone {
        TimeZone::get(name).expect("a zone")
    }

    fn at(text: &str) -> UnixMicros {
        UnixMicros::parse(text).expect("a time")
    }

    #[test]
    fn days_are_those_of_the_zone_and_clock_changes_are_in_them() {
        let days = local_days(&zone("Europe/Berlin"), at("2026-10-26T12:00:00Z"), 3);
        let hours: Vec<u64> = days.iter().map(|day| day.span.us() / 3_600_000_000).collect();
        assert_eq!(hours, [24, 25, 24]);
        assert_eq!(days[1].date.to_string(), "2026-10-25");
        assert!(days.windows(2).all(|pair| pair[0].span.to == pair[1].span.from));
        assert_eq!(whole_runs(&days[..2]).first(), Some(&(0..2)));
        assert_eq!(whole_runs(&[days[0], days[2]]), [0..1, 1..2]);
        let kolkata = local_days(&zone("Asia/Kolkata"), at("2026-10-26T18:29:59Z"), 1);
        assert_eq!(kolkata[0].span.from, at("2026-10-25T18:30:00Z"));
    }

    #[test]
    fn hours_are_cut_where_a_day_begins_within_one_and_end_now() {
        let now = at("2026-10-26T20:20:00Z");
        let days = local_days(&zone("Asia/Kolkata"), now, 2);
        let hours = hours_of(&days, now);
        let minutes: Vec<u64> = hours.iter().rev().take(4).map(|hour| hour.us() / 60_000_000).collect();
        // 20:00 to 21:00, of which a part is to come; 19:00; the half after midnight; the half before.
        assert_eq!(minutes, [60, 60, 30, 30]);
        assert!(hours.windows(2).all(|pair| pair[0].to == pair[1].from));
        assert_eq!(hours[0].from, days[0].span.from);
    }
}
