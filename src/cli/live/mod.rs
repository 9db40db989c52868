//! The live table of `run`.
//!
//! - `screen`: the terminal, taken and given back whatever happens.
//! - `view`: a status drawn into a frame; `spark`: the last checks as a line of marks.
//! - here: what is asked when, and what keys do.

mod screen;
mod spark;
mod view;

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crossterm::event::{self, Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use jiff::tz::TimeZone;
use tokio::runtime::Handle;

use self::screen::Screen;
use self::view::View;
use crate::clock::{Clock, Mono};
use crate::control::{Answer, Answers, Request};

/// Shortest time between two drawings of news.
const BEAT: Duration = Duration::from_millis(250);
/// Ages are drawn anew this often when there is no news.
const AGES_US: u64 = 1_000_000;
/// Of the time, asking may take one part in so many.
const SHARE: u64 = 50;

/// What the table needs.
pub(super) struct Table {
    /// Whom to ask.
    pub(super) answers: Arc<dyn Answers>,
    /// The clocks.
    pub(super) clock: Arc<dyn Clock>,
    /// The local zone.
    pub(super) zone: TimeZone,
    /// Whether to use colours.
    pub(super) colour: bool,
    /// The configuration file, for whoever has no monitors yet.
    pub(super) config: PathBuf,
}

impl Table {
    /// Shows the table until a person leaves it or `leave` is set.
    ///
    /// # Errors
    /// The terminal cannot be used.
    pub(super) fn show(&self, runtime: &Handle, leave: &AtomicBool) -> io::Result<()> {
        let mut screen = Screen::take()?;
        let mut view = View::new(self.zone.clone(), self.colour, self.config.clone());
        let mut ask_at = Mono(0);
        let mut draw_at = Mono(0);
        let mut dirty = true;
        while !leave.load(Ordering::Relaxed) {
            let before = self.clock.mono();
            if before >= ask_at {
                dirty |= self.ask(runtime, &mut view);
                let took = self.clock.mono().since_us(before);
                ask_at = before.plus_us((took * SHARE).max(micros(BEAT)));
            }
            let now = self.clock.mono();
            if dirty || now >= draw_at {
                let wall = self.clock.wall();
                screen.draw(|frame| view.draw(frame, wall))?;
                draw_at = now.plus_us(AGES_US);
                dirty = false;
            }
            match pressed()? {
                Pressed::Nothing => {}
                Pressed::Resized => dirty = true,
                Pressed::Leave => return Ok(()),
                Pressed::Scroll(scroll) => {
                    view.scroll(scroll);
                    dirty = true;
                }
            }
        }
        Ok(())
    }

    /// Brings the view up to date; says whether anything is new.
    fn ask(&self, runtime: &Handle, view: &mut View) -> bool {
        let newer_than = view.revision();
        match runtime.block_on(self.answers.answer(Request::Status { newer_than })) {
            Ok(Answer::Status(status)) => {
                view.set(status);
                true
            }
            Ok(_) => false,
            Err(error) => {
                tracing::debug!(%error, "no status for the table");
                false
            }
        }
    }
}

fn micros(length: Duration) -> u64 {
    u64::try_from(length.as_micros()).unwrap_or(u64::MAX)
}

/// How far to move.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scroll {
    Lines(isize),
    Pages(isize),
    Start,
    End,
}

enum Pressed {
    Nothing,
    Resized,
    Leave,
    Scroll(Scroll),
}

/// Waits for a key, one beat at most.
fn pressed() -> io::Result<Pressed> {
    if !event::poll(BEAT)? {
        return Ok(Pressed::Nothing);
    }
    Ok(match event::read()? {
        Event::Key(key) if key.kind != KeyEventKind::Release => key_meaning(key),
        Event::Resize(..) => Pressed::Resized,
        _ => Pressed::Nothing,
    })
}

fn key_meaning(key: KeyEvent) -> Pressed {
    let control = key.modifiers.contains(KeyModifiers::CONTROL);
    match key.code {
        KeyCode::Char('c' | 'd') if control => Pressed::Leave,
        KeyCode::Char('q') | KeyCode::Esc => Pressed::Leave,
        KeyCode::Up | KeyCode::Char('k') => Pressed::Scroll(Scroll::Lines(-1)),
        KeyCode::Down | KeyCode::Char('j') => Pressed::Scroll(Scroll::Lines(1)),
        KeyCode::PageUp => Pressed::Scroll(Scroll::Pages(-1)),
        KeyCode::PageDown | KeyCode::Char(' ') => Pressed::Scroll(Scroll::Pages(1)),
        KeyCode::Home | KeyCode::Char('g') => Pressed::Scroll(Scroll::Start),
        KeyCode::End | KeyCode::Char('G') => Pressed::Scroll(Scroll::End),
        _ => Pressed::Nothing,
    }
}
