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
    println!("{}", drawn(&mut view(home()), 150, 10));
    println!("{}", drawn(&mut view(home()), 100, 10));
    println!("{}", drawn(&mut view(home()), 60, 8));
    println!("{}", drawn(&mut view(home()), 30, 8));
    panic!();
}
