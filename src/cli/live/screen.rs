//! The terminal: taken over for the table, and given back whatever happens.

use std::io::{self, Stdout};
use std::panic;
use std::thread;

use crossterm::cursor::{Hide, Show};
use crossterm::execute;
use crossterm::terminal::{EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode};
use ratatui::backend::CrosstermBackend;
use ratatui::{Frame, Terminal};

/// The terminal while the table has it. Dropping it gives the terminal back.
pub(super) struct Screen {
    terminal: Terminal<CrosstermBackend<Stdout>>,
}

impl Screen {
    /// Takes the terminal over: another page, keys unfiltered, no cursor. A panic of this thread gives it back before
    /// its message is written; panics of other threads are contained where they happen and go to the log.
    pub(super) fn take() -> io::Result<Self> {
        let usual = panic::take_hook();
        let own = thread::current().id();
        panic::set_hook(Box::new(move |info| {
            if thread::current().id() == own {
                give_back();
                usual(info);
            } else {
                tracing::error!(panic = %info, "a panic was contained");
            }
        }));
        let taken = Self::enter();
        if taken.is_err() {
            give_back();
            let _ = panic::take_hook();
        }
        taken
    }

    fn enter() -> io::Result<Self> {
        enable_raw_mode()?;
        execute!(io::stdout(), EnterAlternateScreen, Hide)?;
        Ok(Self { terminal: Terminal::new(CrosstermBackend::new(io::stdout()))? })
    }

    /// Draws; only what changed goes to the terminal.
    pub(super) fn draw(&mut self, draw: impl FnOnce(&mut Frame<'_>)) -> io::Result<()> {
        self.terminal.draw(draw).map(|_| ())
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        give_back();
        if !thread::panicking() {
            // Back to the hook that the standard library brings.
            let _ = panic::take_hook();
        }
    }
}

/// Gives the terminal back. Nothing more can be done where that fails.
fn give_back() {
    let _ = disable_raw_mode();
    let _ = execute!(io::stdout(), LeaveAlternateScreen, Show);
}
