//! The table in several sizes, as text.

use ratatui::Terminal;
use ratatui::backend::TestBackend;

use super::*;
use crate::cli::words::tests::monitor;
use crate::control::{Fault, OwnGap, Recent};
use crate::model::{Failure, GapReason, Verdict};

const NOW: UnixMicros = UnixMicros::new(1_700_000_250_000_000);

fn ago(seconds: u64) -> Option<UnixMicros> {
    Some(NOW.minus_us(seconds * 1_000_000))
}

fn checked(name: &str, state: State, us: u64) -> MonitorStatus {
    let verdict = if state == State::Down { Verdict::Down } else { Verdict::Up };
    let recent = (0..30u32)
        .map(|n| Recent {
            verdict: if state == State::Down && n > 26 { Verdict::Down } else { Verdict::Up },
            duration_us: 1_000 + n % 7 * 500,
        })
        .collect();
    MonitorStatus {
        verdict: Some(verdict),
        last_check: ago(4),
        next_check: Some(NOW.plus_us(56_000_000)),
        duration_us: Some(us),
        recent,
        ..monitor(name, state)
    }
}

fn home() -> Status {
    let mut router = checked("router", State::Down, 5_000_000);
    router.target = "192.168.1.1".into();
    router.since = ago(250);
    router.failure = Some(Failure::Timeout);
    router.message = "no answer within 5 s".into();
    let mut shop = checked("日本の店", State::Degraded, 320_000);
    shop.message = "certificate ends in 9 days".into();
    let mut nas = monitor("nas", State::Paused);
    nas.target = "nas.lan".into();
    Status {
        revision: 1,
        live: true,
        monitors: vec![nas, checked("gitlab", State::Up, 41_000), shop, router],
        storage: Some(Storage { backend: "embedded".into(), last_write: ago(1), backlog_rows: Some(0) }),
        ..Status::default()
    }
}

fn view(status: Status) -> View {
    let mut view = View::new(TimeZone::UTC, false, "/etc/hallmonitor/config.yml".into());
    view.set(status);
    view
}

/// The screen as text, without spaces at the ends of lines.
fn drawn(view: &mut View, width: u16, height: u16) -> String {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).expect("terminal");
    terminal.draw(|frame| view.draw(frame, NOW)).expect("draws");
    let buffer = terminal.backend().buffer();
    let mut text = String::new();
    for y in 0..height {
        let mut line = String::new();
        let mut skip = 0;
        for x in 0..width {
            let symbol = buffer[(x, y)].symbol();
            if skip > 0 {
                skip -= 1;
                continue;
            }
            skip = crate::cli::columns::width(symbol).saturating_sub(1);
            line.push_str(symbol);
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

#[test]
fn a_wide_terminal_shows_everything() {
    let screen = "\
1 of 4 down · router · 1 degraded: 日本の店 · 1 paused

state          name      target                      latency  last 30 checks                   last   next  why
✕ down         router    192.168.1.1                       –  ▂▃▄▅▆▇█▂▃▄▅▆▇█▂▃▄▅▆▇█▂▃▄▅▆▇───     4s    56s  4 min 10 s · timeout: no answer within 5 s
▲ degraded     日本の店  https://日本の店.example/    320 ms  ▂▃▄▅▆▇█▂▃▄▅▆▇█▂▃▄▅▆▇█▂▃▄▅▆▇█▂▃     4s    56s  certificate ends in 9 days
● up           gitlab    https://gitlab.example/       41 ms  ▂▃▄▅▆▇█▂▃▄▅▆▇█▂▃▄▅▆▇█▂▃▄▅▆▇█▂▃     4s    56s
‖ paused       nas       nas.lan                           –                                      –      –

storage embedded · saved 1s ago                                                                                                                q quits
";
    assert_eq!(drawn(&mut view(home()), 150, 9), screen);
}

#[test]
fn a_usual_terminal_drops_what_matters_least() {
    let screen = "\
1 of 4 down · router · 1 degraded: 日本の店 · 1 paused

state          name       latency  last 10      last   next  why
✕ down         router           –  █▂▃▄▅▆▇───     4s    56s  4 min 10 s · timeout: no …
▲ degraded     日本の店    320 ms  █▂▃▄▅▆▇█▂▃     4s    56s  certificate ends in 9 days
● up           gitlab       41 ms  █▂▃▄▅▆▇█▂▃     4s    56s
‖ paused       nas              –                  –      –

storage embedded · saved 1s ago                                                 q quits
";
    assert_eq!(drawn(&mut view(home()), 87, 9), screen);
}

#[test]
fn a_narrow_terminal_keeps_state_name_and_latency() {
    let screen = "\
1 of 4 down · router · 1 degr…

   name       latency   last
✕  router           –     4s
▲  日本の店    320 ms     4s
●  gitlab       41 ms     4s

1–3 of 4 · ↑↓ scroll · q quits
";
    assert_eq!(drawn(&mut view(home()), 30, 8), screen);
}

#[test]
fn any_size_can_be_drawn() {
    for width in 1..40 {
        for height in 1..12 {
            let _ = drawn(&mut view(home()), width, height);
        }
    }
}

#[test]
fn ten_thousand_monitors_scroll_and_what_is_down_comes_first() {
    let mut monitors: Vec<_> = (0..9_999).map(|n| checked(&format!("m{n:05}"), State::Up, 1_500)).collect();
    monitors.push(checked("zebra", State::Down, 0));
    let mut view = view(Status { monitors, ..Status::default() });
    let seen = drawn(&mut view, 100, 25);
    assert_eq!(seen.lines().next(), Some("1 of 10,000 down · zebra"));
    assert!(seen.lines().nth(3).expect("a row").starts_with("✕ down         zebra"), "{seen}");
    assert!(seen.contains("1–20 of 10,000 · ↑↓ scroll · q quits"), "{seen}");
    view.scroll(Scroll::Pages(1));
    assert!(drawn(&mut view, 100, 25).contains("21–40 of 10,000"));
    view.scroll(Scroll::End);
    let seen = drawn(&mut view, 100, 25);
    assert!(seen.contains("9,981–10,000 of 10,000") && seen.contains("m09998"), "{seen}");
    view.scroll(Scroll::Lines(-1));
    assert!(drawn(&mut view, 100, 25).contains("9,980–9,999 of 10,000"));
    view.scroll(Scroll::Start);
    assert!(drawn(&mut view, 100, 25).contains("1–20 of 10,000"));
}

#[test]
fn a_list_that_shrinks_does_not_leave_the_screen_empty() {
    let mut view = view(Status { monitors: vec![checked("a", State::Up, 1); 100], ..Status::default() });
    view.scroll(Scroll::End);
    let _ = drawn(&mut view, 80, 20);
    view.set(home());
    assert!(drawn(&mut view, 80, 20).contains("gitlab"));
}

#[test]
fn hostile_text_cannot_break_the_table() {
    let mut bad = checked("a\u{1b}[2Jb\r\n\u{202e}c", State::Down, 0);
    bad.target = "\u{9b}31m".into();
    bad.message = "\u{1b}]0;owned\u{7}".into();
    bad.failure = Some(Failure::Protocol);
    let seen = drawn(&mut view(Status { monitors: vec![bad], ..Status::default() }), 150, 6);
    assert!(!seen.chars().any(|c| c.is_control() && c != '\n' || c == '\u{202e}'), "{seen:?}");
    assert!(seen.contains("a [2Jb   c"), "{seen}");
}

#[test]
fn what_is_wrong_with_ourselves_is_said() {
    let mut status = home();
    status.faults = vec![
        Fault { of: "storage".into(), what: "the disk is full; results are kept in memory".into() },
        Fault { of: "schedule".into(), what: "nothing finishes".into() },
    ];
    status.gap = Some(OwnGap { reason: GapReason::Offline, since: UnixMicros::new(1_700_000_000_000_000) });
    let seen = drawn(&mut view(status), 100, 10);
    assert_eq!(seen.lines().next(), Some("Nobody is looking since 2023-11-14 22:13:20 · offline"));
    assert!(seen.contains("▲ storage: the disk is full; results are kept in memory (and 1 more)"), "{seen}");
}

#[test]
fn without_monitors_it_says_where_to_add_some() {
    let seen = drawn(&mut view(Status::default()), 100, 10);
    assert!(seen.starts_with("No monitors yet. Add some to /etc/hallmonitor/config.yml"), "{seen}");
}
