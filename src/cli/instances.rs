//! `instances`.

use std::io::Write as _;

use super::columns::{Columns, Lean};
use super::desk::Desk;
use super::exit::{Exit, Trouble};
use super::paint::Tone;
use super::{open, words};
use crate::app::Neighbour;

/// A sign of life is given every ten seconds; after so long without one an instance is silent.
const SILENT_US: u64 = 60_000_000;

/// Says who keeps history in the configured store.
pub(super) async fn instances(desk: &mut Desk) -> Result<Exit, Trouble> {
    let found = open::neighbours(desk).await?;
    let now = desk.now();
    let word = |one: &Neighbour| match (one.ended, now.since_us(one.alive) > SILENT_US) {
        (true, _) => ("ended", Tone::Muted),
        (false, true) => ("silent", Tone::Bad),
        (false, false) => ("alive", Tone::Good),
    };
    let mut columns = Columns::new(&[Lean::Left, Lean::Left, Lean::Left, Lean::Left]);
    for one in &found {
        if desk.json {
            desk.out.json(&serde_json::json!({
                "name": one.name, "id": one.id, "state": word(one).0, "alive": one.alive, "own": one.is_own,
            }))?;
            continue;
        }
        let (word, tone) = word(one);
        let own = if one.is_own { " (this one)" } else { "" };
        columns.row(vec![
            (Tone::Plain, format!("{}{own}", words::clean(&one.name))),
            (tone, word.to_owned()),
            (Tone::Muted, words::local(one.alive, &desk.zone)),
            (Tone::Muted, one.id.to_string()),
        ]);
    }
    if !desk.json {
        columns.write(desk.paint, &mut desk.out)?;
        if found.is_empty() {
            writeln!(desk.out, "Nobody has kept history there yet.")?;
        }
    }
    Ok(Exit::Fine)
}
