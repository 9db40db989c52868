//! `storage check`.

use std::io::Write as _;

use crate::cli::desk::{Desk, unexpected};
use crate::cli::exit::{Exit, Trouble};
use crate::cli::paint::Tone;
use crate::cli::words;
use crate::control::{Answer, Request};

/// Reads everything in the store and says what is damaged.
pub(super) async fn check(desk: &mut Desk) -> Result<Exit, Trouble> {
    let verified = match desk.ask(Request::VerifyStore).await? {
        Answer::Verified(verified) => verified,
        other => return Err(unexpected(&other)),
    };
    if desk.json {
        desk.out.json(&verified)?;
    } else {
        writeln!(desk.out, "{} pieces read, {} rows whole", verified.pieces, verified.rows)?;
        for damage in &verified.damaged {
            let text = format!("damaged  {}: {}", words::clean(&damage.place), words::clean(&damage.what));
            writeln!(desk.out, "{}", desk.paint.tone(Tone::Bad, text))?;
        }
        for name in &verified.kept_aside {
            writeln!(
                desk.out,
                "kept aside  {}: found damaged before; remove it when nobody needs it",
                words::clean(name)
            )?;
        }
    }
    Ok(if verified.damaged.is_empty() { Exit::Fine } else { Exit::Down })
}
