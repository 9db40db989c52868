//! `completions`.

use std::io::Write as _;

use super::args::{self, Completions};
use super::desk::Desk;
use super::exit::{Exit, Trouble};

/// Writes the completions of a shell.
pub(super) fn completions(desk: &mut Desk, completions: &Completions) -> Result<Exit, Trouble> {
    // Written to memory first: the generator panics where a pipe is closed.
    let mut script = Vec::new();
    clap_complete::generate(completions.shell, &mut args::command(), "hallmonitor", &mut script);
    desk.out.write_all(&script)?;
    Ok(Exit::Fine)
}
