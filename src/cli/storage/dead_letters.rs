//! `storage dead-letters`: rows that a store refused for good.

use std::io::{self, Write as _};

use crate::cli::args::{LettersCommand, WhichLetters};
use crate::cli::columns::{Columns, Lean};
use crate::cli::desk::{Desk, unexpected};
use crate::cli::exit::{Exit, Trouble};
use crate::cli::paint::Tone;
use crate::cli::words;
use crate::control::{Answer, Letter, LetterList, Request};
use crate::deliver::Letters;
use crate::model::{Row, UnixMicros};

/// Lists, retries or drops.
pub(super) async fn dead_letters(desk: &mut Desk, command: &LettersCommand) -> Result<Exit, Trouble> {
    match command {
        LettersCommand::List { limit } => list(desk, *limit).await,
        LettersCommand::Retry(which) => change(desk, Request::RetryLetters { letters: meant(which) }, "retry").await,
        LettersCommand::Drop(which) => change(desk, Request::DropLetters { letters: meant(which) }, "drop").await,
    }
}

fn meant(which: &WhichLetters) -> Letters {
    if which.all { Letters::All } else { Letters::Ids(which.id.clone()) }
}

async fn list(desk: &mut Desk, limit: usize) -> Result<Exit, Trouble> {
    let list = match desk.ask(Request::DeadLetters { limit }).await? {
        Answer::DeadLetters(list) => list,
        other => return Err(unexpected(&other)),
    };
    if list.damaged > 0 {
        writeln!(io::stderr(), "note: {} lines of dead-letters.jsonl cannot be read; they are kept", list.damaged)?;
    }
    tell(desk, &list)?;
    Ok(Exit::Fine)
}

fn tell(desk: &mut Desk, list: &LetterList) -> io::Result<()> {
    let mut columns = Columns::new(&[Lean::Left, Lean::Left, Lean::Left, Lean::Left, Lean::Left]);
    for Letter { id, letter } in &list.letters {
        let (kind, time) = about(&letter.row);
        if desk.json {
            desk.out.json(&serde_json::json!({
                "id": id,
                "at": letter.at,
                "backend": letter.backend,
                "contact": letter.contact,
                "reason": letter.reason,
                "retry": letter.retry,
                "row": kind,
                "monitor_id": letter.row.monitor(),
                "time": time,
            }))?;
            continue;
        }
        let retry = if letter.retry { " (is brought again)" } else { "" };
        let time = time.map(|time| words::local(time, &desk.zone)).unwrap_or_default();
        columns.row(vec![
            (Tone::Plain, id.to_string()[..8].to_owned()),
            (Tone::Muted, words::local(letter.at, &desk.zone)),
            (Tone::Plain, kind.to_owned()),
            (Tone::Plain, time),
            (Tone::Plain, format!("{}: {}{retry}", words::clean(&letter.backend), words::clean(&letter.reason))),
        ]);
    }
    if list.letters.is_empty() && !desk.json {
        writeln!(desk.out, "No row was refused for good.")?;
    }
    columns.write(desk.paint, &mut desk.out)
}

/// What kind of row it is, and its time.
fn about(row: &Row) -> (&'static str, Option<UnixMicros>) {
    match row {
        Row::Result(result) => ("result", Some(result.time)),
        Row::Gap(gap) => ("gap", Some(gap.span.from)),
        Row::Incident(incident) => ("incident", Some(incident.opened)),
        Row::Monitor(monitor) => ("monitor", Some(monitor.first_seen)),
        Row::Rollup(rollup) => ("rollup", Some(rollup.start)),
        Row::Forget(_, at) => ("forget", Some(*at)),
    }
}

async fn change(desk: &mut Desk, request: Request, what: &str) -> Result<Exit, Trouble> {
    let (count, live) = match desk.ask(request).await? {
        Answer::LettersChanged { count, live } => (count, live),
        other => return Err(unexpected(&other)),
    };
    if desk.json {
        desk.out.json(&serde_json::json!({ "done": what, "letters": count, "live": live }))?;
    } else {
        let letters = words::plural(usize::try_from(count).unwrap_or(usize::MAX), "letter", "letters");
        match (what, live) {
            ("drop", _) => writeln!(desk.out, "Dropped {letters}.")?,
            (_, true) => writeln!(desk.out, "Bringing {letters} to their store again.")?,
            (_, false) => writeln!(desk.out, "The next start brings {letters} to their store again.")?,
        }
    }
    Ok(if count == 0 { Exit::Down } else { Exit::Fine })
}
