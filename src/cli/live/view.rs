//! A status, drawn into a frame of any size.

use std::path::PathBuf;

use jiff::tz::TimeZone;
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};

use super::{Scroll, spark};
use crate::cli::columns::{cut, left, right, width};
use crate::cli::words;
use crate::control::{MonitorStatus, Status, Storage};
use crate::model::{State, UnixMicros};

/// Lines that are no rows: the sentence, a blank, the heads; a blank, the foot.
const ABOVE: u16 = 3;
const BELOW: u16 = 2;

/// Styles; without colours only bold and dim remain.
#[derive(Debug, Clone, Copy)]
pub(super) struct Theme {
    pub(super) colour: bool,
}

impl Theme {
    fn of(self, colour: Color) -> Style {
        if self.colour { Style::new().fg(colour) } else { Style::new() }
    }

    pub(super) fn bad(self) -> Style {
        self.of(Color::Red).add_modifier(Modifier::BOLD)
    }

    pub(super) fn care(self) -> Style {
        self.of(Color::Yellow)
    }

    /// Colour is for state: latency of what is well stays calm.
    pub(super) fn quiet_good(self) -> Style {
        self.of(Color::Green).add_modifier(Modifier::DIM)
    }

    pub(super) fn muted(self) -> Style {
        Style::new().add_modifier(Modifier::DIM)
    }

    fn state(self, state: State) -> Style {
        match state {
            State::Up => self.of(Color::Green),
            State::Degraded => self.care(),
            State::Down => self.bad(),
            State::Maintenance => self.of(Color::Blue),
            State::Pending | State::Paused | State::Unobserved => self.muted(),
        }
    }
}

/// What is on the screen.
pub(super) struct View {
    zone: TimeZone,
    theme: Theme,
    config: PathBuf,
    status: Option<Status>,
    sentence: String,
    extent: Extent,
    first: usize,
    rows: usize,
}

impl View {
    pub(super) fn new(zone: TimeZone, colour: bool, config: PathBuf) -> Self {
        let theme = Theme { colour };
        let sentence = "Starting.".to_owned();
        Self { zone, theme, config, status: None, sentence, extent: Extent::default(), first: 0, rows: 1 }
    }

    /// The revision of what is shown.
    pub(super) fn revision(&self) -> Option<u64> {
        self.status.as_ref().map(|status| status.revision)
    }

    /// Shows another status: what needs eyes comes first, the rest by name.
    pub(super) fn set(&mut self, mut status: Status) {
        self.sentence = words::sentence(&status.monitors, status.gap, &self.zone);
        if status.monitors.is_empty() && status.gap.is_none() {
            self.sentence = format!("No monitors yet. Add some to {} and they appear here.", self.config.display());
        }
        status.monitors.sort_by(|a, b| (words::urgency(a.state), &a.name).cmp(&(words::urgency(b.state), &b.name)));
        self.extent = Extent::of(&status.monitors);
        self.status = Some(status);
    }

    /// Moves through the rows.
    pub(super) fn scroll(&mut self, scroll: Scroll) {
        let page = isize::try_from(self.rows).unwrap_or(1);
        self.first = match scroll {
            Scroll::Lines(lines) => self.first.saturating_add_signed(lines),
            Scroll::Pages(pages) => self.first.saturating_add_signed(pages * page),
            Scroll::Start => 0,
            Scroll::End => usize::MAX,
        };
    }

    /// Draws everything.
    pub(super) fn draw(&mut self, frame: &mut Frame<'_>, now: UnixMicros) {
        let area = frame.area();
        if area.width == 0 || area.height == 0 {
            return;
        }
        let columns = usize::from(area.width);
        let empty = Status::default();
        let status = self.status.as_ref().unwrap_or(&empty);
        let any_bad = status.gap.is_some() || status.monitors.iter().any(|monitor| monitor.state == State::Down);
        let tone = if any_bad { self.theme.bad() } else { Style::new().add_modifier(Modifier::BOLD) };
        put(frame, 0, Line::styled(cut(&self.sentence, columns), tone));
        self.rows = usize::from(area.height.saturating_sub(ABOVE + BELOW)).max(1);
        self.first = self.first.min(status.monitors.len().saturating_sub(self.rows));
        let last = (self.first + self.rows).min(status.monitors.len());
        let shown = &status.monitors[self.first..last];
        if !status.monitors.is_empty() {
            let layout = Layout::fit(columns, self.extent);
            put(frame, 2, Line::styled(layout.heads(), self.theme.muted()));
            for (at, monitor) in shown.iter().enumerate() {
                let line = u16::try_from(at).unwrap_or(u16::MAX).saturating_add(ABOVE);
                put(frame, line, layout.row(monitor, now, self.theme));
            }
        }
        if area.height > ABOVE + 1 {
            put(frame, area.height - 1, self.foot(status, self.first..last, columns, now));
        }
    }

    /// Where history goes and what is wrong, and where in the list this is.
    fn foot(&self, status: &Status, shown: std::ops::Range<usize>, columns: usize, now: UnixMicros) -> Line<'static> {
        let all = status.monitors.len();
        let mut place = "q quits".to_owned();
        if shown.len() < all {
            let from = words::count(shown.start + 1);
            place = format!("{from}–{} of {} · ↑↓ scroll · {place}", words::count(shown.end), words::count(all));
        }
        let room = columns.saturating_sub(width(&place) + 2);
        let (text, style) = match status.faults.as_slice() {
            [] => {
                (status.storage.as_ref().map(|storage| storage_words(storage, now)).unwrap_or_default(), Style::new())
            }
            [fault, rest @ ..] => {
                let more = if rest.is_empty() { String::new() } else { format!(" (and {} more)", rest.len()) };
                (format!("▲ {}: {}{more}", fault.of, words::clean(&fault.what)), self.theme.care())
            }
        };
        let style = if status.faults.is_empty() { self.theme.muted() } else { style };
        if room < 8 {
            return Line::styled(cut(&place, columns), self.theme.muted());
        }
        Line::from(vec![
            Span::styled(left(&cut(&text, room), room + 2), style),
            Span::styled(place, self.theme.muted()),
        ])
    }
}

fn storage_words(storage: &Storage, now: UnixMicros) -> String {
    let mut text = format!("storage {}", words::clean(&storage.backend));
    if let Some(at) = storage.last_write {
        text = format!("{text} · saved {} ago", words::short_length(now.since_us(at)));
    }
    match storage.backlog_rows {
        Some(rows) if rows > 0 => {
            format!("{text} · {} waiting", words::plural(usize::try_from(rows).unwrap_or(usize::MAX), "row", "rows"))
        }
        _ => text,
    }
}

fn put(frame: &mut Frame<'_>, line: u16, text: Line<'_>) {
    let area = frame.area();
    if line < area.height {
        frame.render_widget(text, Rect { x: area.x, y: area.y + line, width: area.width, height: 1 });
    }
}

/// What all monitors together would like to have: columns must not jump while scrolling.
#[derive(Debug, Clone, Copy, Default)]
struct Extent {
    name: usize,
    target: usize,
    any_reason: bool,
}

impl Extent {
    fn of(monitors: &[MonitorStatus]) -> Self {
        let widest = |text: fn(&MonitorStatus) -> &str| monitors.iter().map(|m| width(text(m))).max().unwrap_or(0);
        Self {
            name: widest(|monitor| &monitor.name),
            target: widest(|monitor| &monitor.target),
            any_reason: monitors.iter().any(|m| m.failure.is_some() || !m.message.is_empty()),
        }
    }
}

/// How many columns each part of a row gets; 0 leaves it out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Layout {
    state: usize,
    name: usize,
    target: usize,
    spark: usize,
    last: usize,
    next: usize,
    message: usize,
}

impl Layout {
    /// The shape and the longest word; where there is no room for it, the shape alone.
    const STATE: usize = 13;
    const WIDE_ENOUGH: usize = 44;
    const LATENCY: usize = 8;
    const AGE: usize = 5;
    const BETWEEN: usize = 2;

    /// Shares the width out: state, name and latency always; then room for reasons where there are any, a short
    /// sparkline, the ages, the target, and the whole sparkline.
    fn fit(columns: usize, extent: Extent) -> Self {
        let state = if columns < Self::WIDE_ENOUGH { 1 } else { Self::STATE };
        let mut layout = Self { state, name: 0, target: 0, spark: 0, last: 0, next: 0, message: 0 };
        let fixed = state + Self::BETWEEN + Self::LATENCY + Self::BETWEEN;
        layout.name = extent.name.clamp(4, 28).min(columns.saturating_sub(fixed).max(8));
        let mut room = columns.saturating_sub(fixed + layout.name);
        // Gives a part up to `wish`, or nothing below `least`.
        let mut give = |least: usize, wish: usize| {
            let given = wish.min(room.saturating_sub(Self::BETWEEN));
            if given < least || given == 0 {
                return 0;
            }
            room -= given + Self::BETWEEN;
            given
        };
        layout.message = if extent.any_reason { give(16, 26) } else { 0 };
        layout.spark = give(10, 10);
        layout.last = give(Self::AGE, Self::AGE);
        layout.next = give(Self::AGE, Self::AGE);
        layout.target = give(10, extent.target.clamp(10, 32));
        let more = if room >= 20 && layout.spark > 0 { 20 } else { 0 };
        layout.spark += more;
        room -= more;
        if layout.message > 0 {
            layout.message += room;
        }
        layout
    }

    fn heads(&self) -> String {
        let mut line = left(if self.state > 1 { "state" } else { "" }, self.state);
        let mut add = |text: &str, columns: usize, to_right: bool| {
            if columns > 0 {
                line.push_str("  ");
                line.push_str(&if to_right { right(text, columns) } else { left(text, columns) });
            }
        };
        add("name", self.name, false);
        add("target", self.target, false);
        add("latency", Self::LATENCY, true);
        add(if self.spark >= 30 { "last 30 checks" } else { "last 10" }, self.spark, false);
        add("last", self.last, true);
        add("next", self.next, true);
        add("why", self.message, false);
        line
    }

    fn row(&self, monitor: &MonitorStatus, now: UnixMicros, theme: Theme) -> Line<'static> {
        let stale = if monitor.stale { theme.muted() } else { Style::new() };
        let shape = words::shape(monitor.state);
        let state = if self.state > 1 { format!("{shape} {}", monitor.state) } else { shape.to_owned() };
        let mut spans = vec![Span::styled(left(&state, self.state), theme.state(monitor.state).patch(stale))];
        let mut add = |text: String, style: Style| {
            spans.push(Span::raw("  "));
            spans.push(Span::styled(text, style));
        };
        add(left(&words::clean(&monitor.name), self.name), stale);
        if self.target > 0 {
            add(left(&words::clean(&monitor.target), self.target), theme.muted());
        }
        let good = monitor.verdict.is_some_and(crate::model::Verdict::is_good);
        let latency = monitor.duration_us.filter(|_| good).map(words::latency);
        add(right(latency.as_deref().unwrap_or("–"), Self::LATENCY), stale);
        if self.spark > 0 {
            add(String::new(), stale);
            spans.extend(spark::marks(&monitor.recent, self.spark, theme));
        }
        let mut add = |text: String, style: Style| {
            spans.push(Span::raw("  "));
            spans.push(Span::styled(text, style));
        };
        if self.last > 0 {
            let last = monitor.last_check.map(|time| words::short_length(now.since_us(time)));
            add(right(last.as_deref().unwrap_or("–"), self.last), theme.muted());
        }
        if self.next > 0 {
            let next = monitor.next_check.map(|time| words::short_length(time.since_us(now)));
            add(right(next.as_deref().unwrap_or("–"), self.next), theme.muted());
        }
        if self.message > 0 {
            let reason = reason_of(monitor);
            let since = monitor.since.filter(|_| monitor.state == State::Down);
            let reason = match since {
                Some(since) => format!("{} · {reason}", words::length(now.since_us(since))),
                None => reason,
            };
            let style = if monitor.state == State::Down { Style::new() } else { theme.muted() };
            add(cut(&reason, self.message), style);
        }
        Line::from(spans)
    }
}

/// Why it is not simply up.
fn reason_of(monitor: &MonitorStatus) -> String {
    words::reason(monitor.failure, &monitor.message)
}

#[cfg(test)]
#[path = "view_tests.rs"]
mod tests;
