//! Colours on a terminal. Never the only sign of anything.

use std::fmt;
use std::io::IsTerminal;

use clap::ValueEnum;

use crate::config::Vars;
use crate::model::{State, Verdict};

/// When to use colours.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub(super) enum ColorChoice {
    /// On a terminal, unless `NO_COLOR` is set.
    #[default]
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

impl ColorChoice {
    /// Whether to colour what goes to `to`. See <https://no-color.org>.
    pub(super) fn decide(self, vars: &Vars, to: &impl IsTerminal) -> Paint {
        let on = match self {
            Self::Always => true,
            Self::Never => false,
            Self::Auto => {
                let refused = vars.get("NO_COLOR").is_some_and(|value| !value.is_empty());
                let dumb = vars.get("TERM").is_some_and(|term| term == "dumb");
                to.is_terminal() && !refused && !dumb
            }
        };
        Paint { on }
    }
}

/// What a text is, as far as colours go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tone {
    /// No colour.
    Plain,
    /// The main thing.
    Strong,
    /// Less important.
    Muted,
    /// All is well.
    Good,
    /// Needs care.
    Care,
    /// Is broken.
    Bad,
    /// Planned.
    Planned,
}

impl Tone {
    pub(super) fn of_state(state: State) -> Self {
        match state {
            State::Up => Self::Good,
            State::Degraded => Self::Care,
            State::Down => Self::Bad,
            State::Maintenance => Self::Planned,
            State::Pending | State::Paused | State::Unobserved => Self::Muted,
        }
    }

    pub(super) fn of_verdict(verdict: Verdict) -> Self {
        match verdict {
            Verdict::Up => Self::Good,
            Verdict::Degraded => Self::Care,
            Verdict::Down => Self::Bad,
            Verdict::Inconclusive => Self::Muted,
        }
    }

    /// Parameters of the SGR sequence (ECMA-48).
    fn code(self) -> &'static str {
        match self {
            Self::Plain => "0",
            Self::Strong => "1",
            Self::Muted => "2",
            Self::Good => "32",
            Self::Care => "33",
            Self::Bad => "1;31",
            Self::Planned => "34",
        }
    }
}

/// Colours text, or leaves it as it is.
#[derive(Debug, Clone, Copy)]
pub(super) struct Paint {
    on: bool,
}

impl Paint {
    /// Never colours.
    #[cfg(test)]
    pub(super) const OFF: Self = Self { on: false };

    /// Whether it colours.
    pub(super) fn is_on(self) -> bool {
        self.on
    }

    /// The text in a tone.
    pub(super) fn tone(self, tone: Tone, text: impl fmt::Display) -> String {
        if self.on && tone != Tone::Plain { format!("\x1b[{}m{text}\x1b[0m", tone.code()) } else { text.to_string() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_gets_no_colours_unless_forced() {
        let file = tempfile::tempfile().expect("file");
        let none = Vars::default();
        assert!(!ColorChoice::Auto.decide(&none, &file).is_on());
        assert!(ColorChoice::Always.decide(&none, &file).is_on());
        assert_eq!(Paint { on: true }.tone(Tone::Bad, "x"), "\x1b[1;31mx\x1b[0m");
        assert_eq!(Paint::OFF.tone(Tone::Bad, "x"), "x");
    }
}
