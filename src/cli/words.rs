//! How states, times and numbers are told to people.

use std::collections::BTreeMap;

use jiff::tz::TimeZone;

use crate::control::{MonitorStatus, OwnGap};
use crate::model::{Failure, MESSAGE_LIMIT, State, UnixMicros, Verdict, clean_text};

/// The shape that stands for a state, the same everywhere; one column wide.
pub(super) fn shape(state: State) -> &'static str {
    match state {
        State::Up => "●",
        State::Degraded => "▲",
        State::Down => "✕",
        State::Pending => "○",
        State::Unobserved => "◌",
        State::Maintenance => "m",
        State::Paused => "‖",
    }
}

/// The shape that stands for a verdict.
pub(super) fn verdict_shape(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Up => shape(State::Up),
        Verdict::Degraded => shape(State::Degraded),
        Verdict::Down => shape(State::Down),
        Verdict::Inconclusive => shape(State::Unobserved),
    }
}

/// What needs eyes first.
pub(super) fn urgency(state: State) -> u8 {
    match state {
        State::Down => 0,
        State::Degraded => 1,
        State::Unobserved => 2,
        State::Pending => 3,
        State::Up => 4,
        State::Maintenance => 5,
        State::Paused => 6,
    }
}

/// Text from outside, fit for a terminal.
pub(super) fn clean(text: &str) -> String {
    clean_text(text, MESSAGE_LIMIT)
}

/// How long a target took: `850 µs`, `41 ms`, `1.24 s`.
pub(super) fn latency(us: u64) -> String {
    match us {
        0..1_000 => format!("{us} µs"),
        1_000..10_000 => format!("{}.{} ms", us / 1_000, us % 1_000 / 100),
        10_000..1_000_000 => format!("{} ms", us / 1_000),
        _ => format!("{}.{:02} s", us / 1_000_000, us % 1_000_000 / 10_000),
    }
}

/// A length of time in its two largest units: `12 d 4 h`, `4 min 10 s`, `45 s`.
pub(super) fn length(us: u64) -> String {
    const UNITS: [(&str, u64); 4] = [("d", 86_400), ("h", 3_600), ("min", 60), ("s", 1)];
    let seconds = us / 1_000_000;
    let Some(at) = UNITS.iter().position(|(_, unit)| seconds >= *unit) else {
        return if us == 0 { "0 s".to_owned() } else { "under 1 s".to_owned() };
    };
    let (name, unit) = UNITS[at];
    let first = format!("{} {name}", seconds / unit);
    match UNITS.get(at + 1) {
        Some((name, smaller)) if seconds % unit >= *smaller => {
            format!("{first} {} {name}", seconds % unit / smaller)
        }
        _ => first,
    }
}

/// A length of time in at most four columns: `5s`, `4m`, `3h`, `12d`.
pub(super) fn short_length(us: u64) -> String {
    match us / 1_000_000 {
        seconds @ 0..60 => format!("{seconds}s"),
        seconds @ 60..3_600 => format!("{}m", seconds / 60),
        seconds @ 3_600..86_400 => format!("{}h", seconds / 3_600),
        seconds => format!("{}d", seconds / 86_400),
    }
}

/// Date and time in the local zone, to the second.
pub(super) fn local(time: UnixMicros, zone: &TimeZone) -> String {
    time.timestamp().to_zoned_datetime(zone.clone()).strftime("%Y-%m-%d %H:%M:%S").to_string()
}

/// The same with milliseconds.
pub(super) fn local_ms(time: UnixMicros, zone: &TimeZone) -> String {
    time.timestamp().to_zoned_datetime(zone.clone()).strftime("%Y-%m-%d %H:%M:%S.%3f").to_string()
}

/// A share of 1 in percent with two decimals, never rounded up: only a whole 1 is `100 %`.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the share is clamped to 0..=1")]
pub(super) fn percent(share: f64) -> String {
    // The sum makes up for shares such as 0.57 that lie just below their decimal.
    let hundredths = (share.clamp(0.0, 1.0) * 10_000.0 + 1e-6) as u64;
    if hundredths == 10_000 { "100 %".to_owned() } else { format!("{}.{:02} %", hundredths / 100, hundredths % 100) }
}

/// A number with its thousands set apart: `10,000`.
pub(super) fn count(number: usize) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A failure with its words: `timeout: no answer within 5 s`.
pub(super) fn reason(failure: Option<Failure>, message: &str) -> String {
    let message = clean(message);
    match failure {
        Some(failure) if message.is_empty() => failure.to_string(),
        Some(failure) => format!("{failure}: {message}"),
        None => message,
    }
}

/// `1 monitor`, `2 monitors`.
pub(super) fn plural(number: usize, one: &str, more: &str) -> String {
    format!("{} {}", count(number), if number == 1 { one } else { more })
}

/// The state of everything in one sentence.
pub(super) fn sentence(monitors: &[MonitorStatus], gap: Option<OwnGap>, zone: &TimeZone) -> String {
    if let Some(gap) = gap {
        return format!("Nobody is looking since {} · {}", local(gap.since, zone), gap.reason);
    }
    let mut counts = BTreeMap::<State, usize>::new();
    for monitor in monitors {
        *counts.entry(monitor.state).or_default() += 1;
    }
    let of = |state: State| counts.get(&state).copied().unwrap_or(0);
    let all = monitors.len();
    let mut text = if all == 0 {
        return "No monitors yet.".to_owned();
    } else if of(State::Down) > 0 {
        format!("{} of {} down · {}", count(of(State::Down)), count(all), names(monitors, State::Down))
    } else if of(State::Up) == all {
        return if all == 1 { "The monitor is up.".to_owned() } else { format!("All {} monitors are up.", count(all)) };
    } else if of(State::Pending) == all {
        return format!("Waiting for the first check of {}.", plural(all, "monitor", "monitors"));
    } else {
        format!("{} of {} up", count(of(State::Up)), count(all))
    };
    if of(State::Degraded) > 0 {
        let names = names(monitors, State::Degraded);
        text = format!("{text} · {} degraded: {names}", count(of(State::Degraded)));
    }
    for state in [State::Unobserved, State::Pending, State::Maintenance, State::Paused] {
        if of(state) > 0 {
            text = format!("{text} · {} {state}", count(of(state)));
        }
    }
    text
}

/// The first names in a state.
fn names(monitors: &[MonitorStatus], state: State) -> String {
    const SHOWN: usize = 5;
    let mut names: Vec<_> = monitors.iter().filter(|monitor| monitor.state == state).map(|m| clean(&m.name)).collect();
    names.sort_unstable();
    let more = names.len().saturating_sub(SHOWN);
    names.truncate(SHOWN);
    let names = names.join(", ");
    if more > 0 { format!("{names} and {} more", count(more)) } else { names }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::model::{GapReason, MonitorId};

    /// A monitor for tests of what is shown.
    pub(in super::super) fn monitor(name: &str, state: State) -> MonitorStatus {
        MonitorStatus {
            id: MonitorId::ALL,
            name: name.into(),
            group: "home".into(),
            kind: "http".into(),
            target: format!("https://{name}.example/").into(),
            interval_us: 60_000_000,
            state,
            since: None,
            verdict: None,
            failure: None,
            message: "".into(),
            last_check: None,
            duration_us: None,
            next_check: None,
            stale: false,
            paused_until: None,
            incident: None,
            recent: Vec::new(),
        }
    }

    #[test]
    fn lengths_and_numbers() {
        assert_eq!(latency(850), "850 µs");
        assert_eq!(latency(1_940), "1.9 ms");
        assert_eq!(latency(41_900), "41 ms");
        assert_eq!(latency(1_240_000), "1.24 s");
        assert_eq!(length(250_000_000), "4 min 10 s");
        assert_eq!(length(240_000_000), "4 min");
        assert_eq!(length((12 * 86_400 + 4 * 3_600 + 59) * 1_000_000), "12 d 4 h");
        assert_eq!(length(86_400_000_000), "1 d");
        assert_eq!(length(999_999), "under 1 s");
        assert_eq!(length(0), "0 s");
        assert_eq!(short_length(59_999_999), "59s");
        assert_eq!(short_length(3_600_000_000), "1h");
        assert_eq!(count(7), "7");
        assert_eq!(count(10_000), "10,000");
        assert_eq!(count(1_234_567), "1,234,567");
    }

    #[test]
    fn percent_never_rounds_up() {
        assert_eq!(percent(1.0), "100 %");
        assert_eq!(percent(0.999_999), "99.99 %");
        assert_eq!(percent(0.9995), "99.95 %");
        assert_eq!(percent(0.57), "57.00 %");
        assert_eq!(percent(0.0), "0.00 %");
    }

    #[test]
    fn one_sentence_tells_it_all() {
        let say = |states: &[(&str, State)]| {
            let monitors: Vec<_> = states.iter().map(|(name, state)| monitor(name, *state)).collect();
            sentence(&monitors, None, &TimeZone::UTC)
        };
        assert_eq!(say(&[]), "No monitors yet.");
        assert_eq!(say(&[("a", State::Up), ("b", State::Up)]), "All 2 monitors are up.");
        assert_eq!(say(&[("a", State::Pending)]), "Waiting for the first check of 1 monitor.");
        assert_eq!(
            say(&[("router", State::Down), ("a", State::Up), ("nas\u{1b}[2J", State::Down), ("c", State::Paused)]),
            "2 of 4 down · nas [2J, router · 1 paused"
        );
        assert_eq!(say(&[("a", State::Up), ("b", State::Degraded)]), "1 of 2 up · 1 degraded: b");
        let many: Vec<_> = (0..9).map(|n| monitor(&format!("m{n}"), State::Down)).collect();
        assert_eq!(sentence(&many, None, &TimeZone::UTC), "9 of 9 down · m0, m1, m2, m3, m4 and 4 more");
        let gap = OwnGap { reason: GapReason::Offline, since: UnixMicros::new(1_700_000_000_000_000) };
        assert_eq!(sentence(&many, Some(gap), &TimeZone::UTC), "Nobody is looking since 2023-11-14 22:13:20 · offline");
    }

    #[test]
    fn a_reason_is_never_empty_where_there_is_one() {
        assert_eq!(reason(Some(Failure::Timeout), ""), "timeout");
        assert_eq!(reason(Some(Failure::Connect), "refused\r\n"), "connect: refused");
        assert_eq!(reason(None, ""), "");
    }
}
