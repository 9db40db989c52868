//! `incidents`.

use std::collections::HashMap;
use std::io::{self, Write as _};

use super::args;
use super::columns::{Columns, Lean};
use super::desk::{Desk, unexpected};
use super::exit::{Exit, Trouble};
use super::history::tell_source;
use super::json::{About, IncidentLine};
use super::paint::Tone;
use super::words;
use crate::control::{Answer, IncidentList, MAX_PAGE, Request};
use crate::model::{Incident, IncidentEnd, Span, UnixMicros};

/// Writes confirmed outages, newest first.
pub(super) async fn incidents(desk: &mut Desk, args: &args::Incidents) -> Result<Exit, Trouble> {
    desk.look_at(&args.scope).await?;
    let now = desk.now();
    let span = Span::new(args.since.resolve(now, &desk.zone), now);
    let limit = args.limit.clamp(1, MAX_PAGE);
    let list = match desk.ask(Request::Incidents { monitor: args.monitor.clone(), span, limit }).await? {
        Answer::Incidents(list) => list,
        other => return Err(unexpected(&other)),
    };
    tell_source(&list.source, &desk.zone)?;
    if list.more {
        writeln!(io::stderr(), "note: only the newest {} are shown; ask for less time or more with --limit", limit)?;
    }
    tell(desk, &list, span, now)?;
    Ok(Exit::Fine)
}

fn tell(desk: &mut Desk, list: &IncidentList, span: Span, now: UnixMicros) -> io::Result<()> {
    let names: HashMap<_, _> = list.monitors.iter().map(|name| (name.id, name)).collect();
    let mut columns = Columns::new(&[Lean::Left, Lean::Left, Lean::Left, Lean::Left]);
    for incident in &list.incidents {
        let about = About::known(incident.monitor, names.get(&incident.monitor).copied());
        if desk.json {
            desk.out.json(&IncidentLine::new(about, incident, now))?;
            continue;
        }
        let tone = if incident.is_open() { Tone::Bad } else { Tone::Plain };
        columns.row(vec![
            (Tone::Muted, words::local(incident.opened, &desk.zone)),
            (tone, lasted(incident, now)),
            (Tone::Plain, words::clean(about.monitor)),
            (Tone::Plain, words::reason(Some(incident.failure), &incident.message)),
        ]);
    }
    if list.incidents.is_empty() && !desk.json {
        writeln!(desk.out, "No incidents since {}.", words::local(span.from, &desk.zone))?;
    }
    columns.write(desk.paint, &mut desk.out)
}

fn lasted(incident: &Incident, now: UnixMicros) -> String {
    let length = words::length(incident.span(now).us());
    match incident.end {
        IncidentEnd::Open => format!("✕ open for {length}"),
        IncidentEnd::Recovered(_) => format!("● lasted {length}"),
        IncidentEnd::Unknown(_) => format!("◌ at least {length}, end not seen"),
    }
}
