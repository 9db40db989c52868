//! `status`.

use std::io::{self, Write as _};

use super::args;
use super::columns::{Columns, Lean};
use super::desk::{Desk, unexpected};
use super::exit::{Exit, Trouble};
use super::json::{OwnLine, StatusLine};
use super::paint::Tone;
use super::words::{self, plural};
use crate::control::{Answer, AnswerError, MonitorStatus, Request, Schedule, Status, find_monitor};
use crate::model::{State, UnixMicros};

/// Says what every monitor is now.
pub(super) async fn status(desk: &mut Desk, args: &args::Status) -> Result<Exit, Trouble> {
    let mut status = match desk.ask(Request::Status { newer_than: None }).await? {
        Answer::Status(status) => status,
        other => return Err(unexpected(&other)),
    };
    if args.own {
        tell_own(desk, &status)?;
        return Ok(if status.faults.is_empty() { Exit::Fine } else { Exit::Down });
    }
    keep_only(&mut status, &args.monitors)?;
    let down = status.monitors.iter().any(|monitor| monitor.state == State::Down);
    if desk.json {
        for fault in &status.faults {
            writeln!(io::stderr(), "warning: {}: {}", fault.of, words::clean(&fault.what))?;
        }
        for monitor in &status.monitors {
            desk.out.json(&StatusLine::new(monitor, status.live))?;
        }
    } else {
        tell(desk, &mut status)?;
    }
    Ok(if down { Exit::Down } else { Exit::Fine })
}

/// Says how Hall Monitor itself is doing.
fn tell_own(desk: &mut Desk, status: &Status) -> io::Result<()> {
    if desk.json {
        return desk.out.json(&OwnLine::new(status));
    }
    let watching = plural(status.monitors.len(), "monitor", "monitors");
    match &status.holder {
        Some(holder) => {
            let since = words::local(holder.since, &desk.zone);
            writeln!(
                desk.out,
                "watching  {watching} since {since}, process {}, version {}",
                holder.pid, holder.version
            )?;
        }
        None => writeln!(desk.out, "watching  nobody; {watching} known")?,
    }
    if let Some(schedule) = &status.schedule {
        let (p50, p99) = (words::latency(schedule.late_p50_us), words::latency(schedule.late_p99_us));
        let Schedule { done, missed, running, waiting, limit, .. } = schedule;
        writeln!(desk.out, "checks    {done} done, {missed} missed; late by {p50} (median), {p99} (99 %)")?;
        writeln!(desk.out, "now       {running} of at most {limit} run, {waiting} wait")?;
    }
    if let Some(storage) = &status.storage {
        let backlog = storage.backlog_rows.map(|rows| format!(", {} to deliver", plural_rows(rows)));
        writeln!(desk.out, "storage   {}{}", storage.backend, backlog.unwrap_or_default())?;
    }
    for fault in &status.faults {
        let text = format!("fault     {}: {}", fault.of, words::clean(&fault.what));
        writeln!(desk.out, "{}", desk.paint.tone(Tone::Care, text))?;
    }
    Ok(())
}

fn plural_rows(rows: u64) -> String {
    if rows == 1 { "1 row".to_owned() } else { format!("{rows} rows") }
}

/// Keeps the named monitors.
fn keep_only(status: &mut Status, names: &[String]) -> Result<(), AnswerError> {
    let known = status.monitors.iter().map(|monitor| (monitor.id, &*monitor.name));
    let wanted = names.iter().map(|name| find_monitor(name, known.clone())).collect::<Result<Vec<_>, _>>()?;
    if !names.is_empty() {
        status.monitors.retain(|monitor| wanted.contains(&monitor.id));
    }
    Ok(())
}

fn tell(desk: &mut Desk, status: &mut Status) -> io::Result<()> {
    let now = desk.now();
    let paint = desk.paint;
    status.monitors.sort_by(|a, b| (words::urgency(a.state), &a.name).cmp(&(words::urgency(b.state), &b.name)));
    writeln!(desk.out, "{}", paint.tone(Tone::Strong, words::sentence(&status.monitors, status.gap, &desk.zone)))?;
    if !status.live {
        writeln!(desk.out, "{}", paint.tone(Tone::Care, "Nobody is watching now; these are the last known states."))?;
    }
    for fault in &status.faults {
        let text = format!("{}: {}", fault.of, words::clean(&fault.what));
        writeln!(desk.out, "{}", paint.tone(Tone::Care, text))?;
    }
    if status.monitors.is_empty() {
        return Ok(());
    }
    writeln!(desk.out)?;
    let mut columns = Columns::new(&[Lean::Left, Lean::Left, Lean::Left, Lean::Left, Lean::Right, Lean::Left]);
    for monitor in &status.monitors {
        columns.row(vec![
            (Tone::of_state(monitor.state), format!("{} {}", words::shape(monitor.state), monitor.state)),
            (Tone::Plain, words::clean(&monitor.name)),
            (Tone::Muted, words::clean(&monitor.kind)),
            (Tone::Muted, words::clean(&monitor.target)),
            (Tone::Plain, monitor.duration_us.map(words::latency).unwrap_or_default()),
            (Tone::Plain, details(monitor, now)),
        ]);
    }
    columns.write(paint, &mut desk.out)
}

/// How long it has been so, and why.
fn details(monitor: &MonitorStatus, now: UnixMicros) -> String {
    let mut parts = Vec::new();
    if let Some(since) = monitor.since {
        parts.push(format!("for {}", words::length(now.since_us(since))));
    }
    if let Some(until) = monitor.paused_until {
        parts.push(format!("{} more", words::length(until.since_us(now))));
    }
    let reason = words::reason(monitor.failure, &monitor.message);
    if !reason.is_empty() {
        parts.push(reason);
    }
    if monitor.stale
        && let Some(last) = monitor.last_check
    {
        parts.push(format!("last checked {} ago", words::length(now.since_us(last))));
    }
    parts.join(" · ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::words::tests::monitor;
    use crate::model::Failure;

    #[test]
    fn details_say_since_when_and_why() {
        let now = UnixMicros::new(1_700_000_250_000_000);
        let mut down = monitor("router", State::Down);
        down.since = Some(UnixMicros::new(1_700_000_000_000_000));
        down.failure = Some(Failure::Timeout);
        down.message = "no answer\u{7}".into();
        assert_eq!(details(&down, now), "for 4 min 10 s · timeout: no answer");
        assert_eq!(details(&monitor("a", State::Pending), now), "");
    }

    #[test]
    fn unknown_names_are_told_with_the_nearest() {
        let mut status = Status { monitors: vec![monitor("gateway", State::Up)], ..Status::default() };
        let error = keep_only(&mut status, &["gatway".into()]).expect_err("unknown");
        assert_eq!(error.to_string(), "no monitor is called `gatway`; did you mean `gateway`?");
        keep_only(&mut status, &["gateway".into()]).expect("known");
        assert_eq!(status.monitors.len(), 1);
    }
}
