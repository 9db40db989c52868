//! `uptime`.

use std::collections::HashMap;
use std::io::{self, Write as _};

use super::args;
use super::columns::{Columns, Lean};
use super::desk::{Desk, unexpected};
use super::exit::{Exit, Trouble};
use super::history::tell_source;
use super::json::{About, UptimeLine};
use super::paint::Tone;
use super::words;
use crate::control::{Answer, Request, UptimeList};
use crate::model::Span;

/// Says how much of the time each monitor was up, and how much of the time somebody looked.
pub(super) async fn uptime(desk: &mut Desk, args: &args::Uptime) -> Result<Exit, Trouble> {
    desk.look_at(&args.scope).await?;
    let now = desk.now();
    let window_us = u64::try_from(args.window.as_micros()).unwrap_or(u64::MAX);
    if window_us == 0 {
        return Err(Trouble::Wrong("--window is 0; write one like 24h, 7d or 30d".to_owned()));
    }
    let span = Span::new(now.minus_us(window_us), now);
    let list = match desk.ask(Request::Uptime { monitors: args.monitors.clone(), span }).await? {
        Answer::Uptime(list) => list,
        other => return Err(unexpected(&other)),
    };
    tell_source(&list.source, &desk.zone)?;
    tell(desk, &list)?;
    Ok(Exit::Fine)
}

fn tell(desk: &mut Desk, list: &UptimeList) -> io::Result<()> {
    let names: HashMap<_, _> = list.monitors.iter().map(|name| (name.id, name)).collect();
    let mut columns = Columns::new(&[Lean::Left, Lean::Right, Lean::Right, Lean::Right, Lean::Left]);
    for uptime in &list.uptimes {
        let about = About::known(uptime.monitor, names.get(&uptime.monitor).copied());
        if desk.json {
            desk.out.json(&UptimeLine::new(about, uptime))?;
            continue;
        }
        let share = uptime.ratio().map_or("not observed".to_owned(), words::percent);
        let tone = match uptime.ratio() {
            None => Tone::Muted,
            Some(_) if uptime.down_us == 0 => Tone::Good,
            Some(_) => Tone::Plain,
        };
        let observed = uptime.coverage().map(|share| format!("{} observed", words::percent(share)));
        let down =
            if uptime.down_us > 0 { format!("down for {}", words::length(uptime.down_us)) } else { String::new() };
        columns.row(vec![
            (Tone::Plain, words::clean(about.monitor)),
            (tone, share),
            (Tone::Muted, words::length(uptime.window.us())),
            (Tone::Muted, observed.unwrap_or_default()),
            (Tone::Plain, down),
        ]);
    }
    if list.uptimes.is_empty() && !desk.json {
        writeln!(desk.out, "No monitors yet.")?;
    }
    columns.write(desk.paint, &mut desk.out)
}
