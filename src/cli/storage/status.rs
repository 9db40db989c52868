//! `storage status`.

use std::io::{self, Write as _};

use crate::cli::columns::{Columns, Lean};
use crate::cli::desk::{Desk, unexpected};
use crate::cli::exit::{Exit, Trouble};
use crate::cli::paint::Tone;
use crate::cli::words;
use crate::control::{Answer, Request, StorageReport};
use crate::deliver::{FormerStore, StorageMetrics};
use crate::storage::{OwnShare, SizeParts, StoreStatus};
use jiff::tz::TimeZone;

/// Says how storage is doing.
pub(super) async fn status(desk: &mut Desk) -> Result<Exit, Trouble> {
    let report = match desk.ask(Request::Storage).await? {
        Answer::Storage(report) => *report,
        other => return Err(unexpected(&other)),
    };
    if desk.json {
        desk.out.json(&report)?;
    } else {
        tell(desk, &report)?;
    }
    Ok(if report.fault.is_some() { Exit::Down } else { Exit::Fine })
}

fn tell(desk: &mut Desk, report: &StorageReport) -> io::Result<()> {
    let mut lines: Vec<(&str, String)> = Vec::new();
    let state = if report.live { report.state.as_str() } else { "nobody is watching" };
    lines.push(("store", format!("{}, {state}", words::clean(&report.contact))));
    if let Some(store) = &report.store {
        let size = size(store);
        let results = store.results.map(|results| match results {
            1 => "1 result, ".to_owned(),
            results => format!("about {results} results, "),
        });
        lines.push(("holds", format!("{}{size}; {}", results.unwrap_or_default(), words::clean(&store.version))));
        let parts = parts(&store.parts);
        if !parts.is_empty() {
            lines.push(("", parts.join(", ")));
        }
    }
    if let Some(expected) = &report.expected {
        let (size, monitors) = (bytes(expected.bytes), expected.monitors);
        let whose = if monitors == 1 { "monitor".to_owned() } else { format!("{monitors} monitors") };
        lines.push(("will use", format!("about {size} with your {whose}, once history is as old as it is kept")));
    }
    let oldest = report.oldest_waiting.map(|oldest| format!(", the oldest from {}", words::local(oldest, &desk.zone)));
    lines.push(("waiting", format!("{}{}", rows(report.backlog_rows), oldest.unwrap_or_default())));
    if let Some(journal) = report.journal_bytes {
        let limit = report.journal_limit.map(|limit| format!(" of at most {}", bytes(limit)));
        lines.push(("journal", format!("{}{}", bytes(journal), limit.unwrap_or_default())));
    }
    lines.push(("letters", format!("{} refused for good", rows(report.dead_letters))));
    if report.dropped > 0 {
        lines.push(("dropped", format!("{} while nothing could be written", rows(report.dropped))));
    }
    if let Some(pool) = report.pool {
        lines.push(("pool", format!("{} busy, {} idle, at most {}", pool.busy, pool.idle, pool.most)));
    }
    if let Some(metrics) = &report.metrics {
        counted(&mut lines, metrics);
        house(&mut lines, metrics, &desk.zone);
    }
    lines.extend(report.former.iter().map(|former| ("before", before(desk, former))));
    let mut columns = Columns::new(&[Lean::Left, Lean::Left]);
    for (name, text) in lines {
        columns.row(vec![(Tone::Muted, name.to_owned()), (Tone::Plain, text)]);
    }
    columns.write(desk.paint, &mut desk.out)?;
    if let Some(fault) = &report.fault {
        writeln!(desk.out, "{}", desk.paint.tone(Tone::Care, format!("fault    {}", words::clean(fault))))?;
    }
    Ok(())
}

/// What it takes, and what of that is one's own where others keep something there too.
fn size(store: &StoreStatus) -> String {
    let size = store.size_bytes.map_or_else(|| "size unknown".to_owned(), bytes);
    match store.own {
        None => size,
        Some(OwnShare { bytes: Some(own), instances, .. }) => {
            format!("yours: about {} of {size}, which {instances} installations share", bytes(own))
        }
        Some(_) => format!("{size}, which several installations share"),
    }
}

/// What of the size is what.
fn parts(parts: &SizeParts) -> Vec<String> {
    let all = [
        ("results", parts.results),
        ("5-minute figures", parts.five_minutes),
        ("hour figures", parts.hour),
        ("day figures", parts.day),
        ("figures", parts.rollups),
        ("other", parts.rest),
    ];
    all.into_iter().filter_map(|(of, size)| Some(format!("{of} {}", bytes(size?)))).collect()
}

/// When house was last kept, and what the limit of the size took.
fn house(lines: &mut Vec<(&str, String)>, metrics: &StorageMetrics, zone: &TimeZone) {
    if let Some(run) = metrics.house {
        let (ended, took) = (words::local(run.ended, zone), words::latency(run.took_us));
        let gone = run.results + run.rollups;
        lines.push(("house", format!("kept {ended}, took {took}, {} dropped", rows(gone))));
    }
    if let Some(fault) = &metrics.house_fault {
        lines.push(("", format!("failed {}: {}", words::local(fault.at, zone), words::clean(&fault.what))));
    }
    if let Some(limit) = metrics.size_limit {
        let cut = limit.cut_to.map(|from| format!(", results cut to those since {}", words::local(from, zone)));
        let over = if limit.is_over { ", which it is above" } else { "" };
        lines.push(("limit", format!("{}{over}{}", bytes(limit.bytes), cut.unwrap_or_default())));
    }
}

fn counted(lines: &mut Vec<(&str, String)>, metrics: &StorageMetrics) {
    let took = |us: Option<u64>| us.map_or_else(|| "–".to_owned(), words::latency);
    lines.push(("written", format!("{} in {} batches", rows(metrics.rows), metrics.appends)));
    if metrics.appends > 0 {
        let (p50, p99) = (took(metrics.append_p50_us), took(metrics.append_p99_us));
        let (last, max) = (took(metrics.append_last_us), took(metrics.append_max_us));
        lines.push(("a batch", format!("took {p50} (median), {p99} (99 %), {max} at most, {last} the last")));
        let size = |rows: Option<u64>| rows.unwrap_or(0);
        let (p50, max) = (size(metrics.batch_p50_rows), size(metrics.batch_max_rows));
        lines.push(("", format!("had {p50} rows (median), {max} at most")));
    }
    lines.push(("again", format!("{} batches were not taken and brought again", metrics.retries)));
    if metrics.condensed > 0 {
        lines.push(("summed up", format!("{} by the hour, as the journal reached its limit", rows(metrics.condensed))));
    }
    let (results, rollups) = (metrics.pruned_results, metrics.pruned_rollups);
    lines.push(("pruned", format!("{results} results, {rollups} rollups")));
}

/// One store of before, in words.
fn before(desk: &Desk, former: &FormerStore) -> String {
    let to = former.to.map(|to| format!(" until {}", words::local(to, &desk.zone))).unwrap_or_default();
    let mut text = format!("{}{to}", words::clean(&former.contact));
    if former.backlog_rows > 0 {
        text = format!("{text}, waits for {}", rows(former.backlog_rows));
    }
    if !former.readable {
        text = format!("{text}, cannot be read now");
    }
    match &former.fault {
        Some(fault) => format!("{text}: {}", words::clean(fault)),
        None => text,
    }
}

fn rows(rows: u64) -> String {
    if rows == 1 { "1 row".to_owned() } else { format!("{rows} rows") }
}

#[allow(clippy::cast_precision_loss, reason = "one decimal of it is shown")]
fn bytes(bytes: u64) -> String {
    match bytes {
        0..1_000 => format!("{bytes} B"),
        1_000..1_000_000 => format!("{:.1} kB", bytes as f64 / 1e3),
        1_000_000..1_000_000_000 => format!("{:.1} MB", bytes as f64 / 1e6),
        _ => format!("{:.1} GB", bytes as f64 / 1e9),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_in_decimal_units() {
        let told: Vec<String> = [999, 1_000, 12_345_678, 2_000_000_000].map(bytes).to_vec();
        assert_eq!(told, ["999 B", "1.0 kB", "12.3 MB", "2.0 GB"]);
    }

    #[test]
    fn the_own_share_is_told_where_there_is_one() {
        let status = |own| StoreStatus {
            size_bytes: Some(12_000_000),
            parts: SizeParts::default(),
            own,
            results: None,
            oldest: None,
            newest: None,
            version: String::new(),
        };
        let own = OwnShare { instances: 2, bytes: Some(3_000_000), results: None };
        let told = [None, Some(own), Some(OwnShare::default())].map(|own| size(&status(own)));
        let shared = [
            "yours: about 3.0 MB of 12.0 MB, which 2 installations share",
            "12.0 MB, which several installations share",
        ];
        assert_eq!(told, ["12.0 MB", shared[0], shared[1]]);
    }
}
