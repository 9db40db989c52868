//! `pause`, `resume` and `check-now`: telling a running Hall Monitor what to do.

use std::io::Write as _;

use super::args::{CheckNow, Pause, Resume, Which};
use super::desk::{Desk, unexpected};
use super::exit::{Exit, Trouble};
use super::words;
use crate::control::{Answer, Request};

/// Pauses monitors.
pub(super) async fn pause(desk: &mut Desk, pause: Pause) -> Result<Exit, Trouble> {
    let until = pause.length.map(|length| desk.now().plus_us(u64::try_from(length.as_micros()).unwrap_or(u64::MAX)));
    steer(desk, Request::Pause { monitors: named(pause.which), until }, "Paused").await
}

/// Watches paused monitors again.
pub(super) async fn resume(desk: &mut Desk, resume: Resume) -> Result<Exit, Trouble> {
    steer(desk, Request::Resume { monitors: named(resume.which) }, "Resumed").await
}

/// Checks now, besides the schedule.
pub(super) async fn check_now(desk: &mut Desk, check: CheckNow) -> Result<Exit, Trouble> {
    steer(desk, Request::CheckNow { monitors: named(check.which) }, "Checking").await
}

/// No names mean all monitors.
fn named(which: Which) -> Vec<String> {
    if which.all { Vec::new() } else { which.monitors }
}

async fn steer(desk: &mut Desk, request: Request, done: &str) -> Result<Exit, Trouble> {
    let monitors = match desk.ask_running(&request).await? {
        Answer::Done { monitors } => monitors,
        other => return Err(unexpected(&other)),
    };
    if desk.json {
        for monitor in &monitors {
            desk.out.json(&serde_json::json!({ "monitor": monitor }))?;
        }
    } else {
        let names: Vec<_> = monitors.iter().take(10).map(|name| words::clean(name)).collect();
        let more = monitors.len().saturating_sub(names.len());
        let more = if more > 0 { format!(" and {} more", words::count(more)) } else { String::new() };
        writeln!(desk.out, "{done} {}{more}.", names.join(", "))?;
    }
    Ok(Exit::Fine)
}
