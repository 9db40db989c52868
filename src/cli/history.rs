//! `history`.

use std::collections::HashMap;
use std::io::{self, Write as _};

use jiff::tz::TimeZone;

use super::args;
use super::columns::left;
use super::desk::{Desk, unexpected};
use super::exit::{Exit, Trouble};
use super::json::{About, ResultLine};
use super::paint::Tone;
use super::words;
use crate::control::{Answer, HistoryPage, MAX_PAGE, MonitorName, Request, Source};
use crate::model::{CheckResult, MonitorId, Span};

/// Writes results, newest first, page by page.
pub(super) async fn history(desk: &mut Desk, args: &args::History) -> Result<Exit, Trouble> {
    desk.look_at(&args.scope).await?;
    let now = desk.now();
    let from = args.since.resolve(now, &desk.zone);
    let to = args.until.as_ref().map_or(now, |until| until.resolve(now, &desk.zone));
    if to <= from {
        return Err(Trouble::Wrong("--until is not after --since; nothing lies between them".to_owned()));
    }
    let mut left = args.limit.unwrap_or(usize::MAX);
    let mut after = None;
    let mut written = 0;
    let mut names = HashMap::new();
    loop {
        let limit = left.min(MAX_PAGE);
        if limit == 0 {
            break;
        }
        let request = Request::History { monitor: args.monitor.clone(), span: Span::new(from, to), limit, after };
        let page = match desk.ask(request).await? {
            Answer::History(page) => page,
            other => return Err(unexpected(&other)),
        };
        if after.is_none() {
            tell_source(&page.source, &desk.zone)?;
        }
        names.extend(page.monitors.iter().map(|name| (name.id, name.clone())));
        write_page(desk, &page, &names, args.all)?;
        written += page.results.len();
        left = left.saturating_sub(page.results.len());
        after = page.next;
        if after.is_none() || page.results.is_empty() {
            break;
        }
    }
    if written == 0 && !desk.json {
        writeln!(desk.out, "No checks from {} to {}.", words::local(from, &desk.zone), words::local(to, &desk.zone))?;
    }
    Ok(Exit::Fine)
}

/// Says on standard error what an answer lacks.
pub(super) fn tell_source(source: &Source, zone: &TimeZone) -> io::Result<()> {
    if !source.keeps_history {
        writeln!(io::stderr(), "note: storage `{}` keeps no history; only what is in memory is shown", source.backend)?;
    }
    if let Some(note) = &source.note {
        writeln!(io::stderr(), "note: {}", words::clean(note))?;
    }
    for kept in &source.kept {
        let contact = words::clean(&kept.contact);
        let until = kept.to.map(|to| format!(" until {}", words::local(to, zone))).unwrap_or_default();
        let why = kept.fault.as_deref().map(|fault| format!(" ({})", words::clean(fault))).unwrap_or_default();
        writeln!(io::stderr(), "note: history was kept on {contact}{until}, which cannot be read now{why}")?;
    }
    Ok(())
}

fn write_page(
    desk: &mut Desk,
    page: &HistoryPage,
    names: &HashMap<MonitorId, MonitorName>,
    with_names: bool,
) -> io::Result<()> {
    let widest = names.values().map(|name| super::columns::width(&words::clean(&name.name))).max().unwrap_or(0);
    for result in &page.results {
        let about = About::known(result.monitor, names.get(&result.monitor));
        if desk.json {
            desk.out.json(&ResultLine::new(about, result))?;
        } else {
            let name = with_names.then(|| left(&words::clean(about.monitor), widest.min(32)));
            let line = line(desk, result, name.as_deref());
            writeln!(desk.out, "{line}")?;
        }
    }
    // A pipe's reader sees page after page.
    desk.out.flush()
}

fn line(desk: &Desk, result: &CheckResult, name: Option<&str>) -> String {
    let verdict = format!("{} {:<12}", words::verdict_shape(result.verdict), result.verdict);
    let mut line = format!(
        "{}  {}",
        desk.paint.tone(Tone::Muted, words::local_ms(result.time, &desk.zone)),
        desk.paint.tone(Tone::of_verdict(result.verdict), verdict)
    );
    if let Some(name) = name {
        line = format!("{line}  {name}");
    }
    let reason = words::reason(result.failure, &result.message);
    line = format!("{line}  {:>9}", words::latency(result.duration_us));
    if reason.is_empty() { line } else { format!("{line}  {reason}") }
}
