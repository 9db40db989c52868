//! `secrets`: sets, forgets and lists what is kept in the vault, says where, and has the keychain unlocked. A secret comes in over standard input
//! or a hidden prompt, and never goes out.

use std::io::{self, IsTerminal as _, Read as _, Write as _};
use std::time::Duration;

use super::args::{ForgetSecret, PlaceWord, Secrets, SecretsCommand, SetSecret, UnlockKeychain, WhereSecret};
use super::desk::Desk;
use super::exit::{Exit, Trouble};
use super::hidden;
use super::paint::Tone;
use crate::secret::{Asking, Look, Place, SecretString, Unlocked, Unlocking, Vault as _, VaultError};

/// Largest secret, in bytes: as much as a value of the configuration may hold.
const LIMIT: u64 = 64 * 1024;

/// Does what was asked with secrets.
pub(super) fn secrets(desk: &mut Desk, secrets: &Secrets) -> Result<Exit, Trouble> {
    // Whoever types such a command may be asked to unlock.
    if desk.has_person {
        desk.vault.ask(Asking::Everything);
    }
    match &secrets.command {
        SecretsCommand::Set(set) => keep(desk, set),
        SecretsCommand::Forget(forget) => forget_one(desk, forget),
        SecretsCommand::List => list(desk),
        SecretsCommand::Where(place) => tell_where(desk, place),
        SecretsCommand::Unlock(unlock) => unlock_keychain(desk, unlock),
    }
}

fn keep(desk: &mut Desk, set: &SetSecret) -> Result<Exit, Trouble> {
    let place = set.place.map(Place::from);
    // Before anybody types a secret that cannot be kept under that name.
    if let Err(error @ VaultError::BadName { .. }) = desk.vault.place_of(&set.name) {
        return Err(error.into());
    }
    let secret = read_secret(&set.name)?;
    let kept = desk.vault.keep(&set.name, &secret, place)?;
    let lost = kept.place.is_lost_at_restart();
    if desk.json {
        let passed: Vec<_> = kept
            .passed
            .iter()
            .map(|error| serde_json::json!({ "state": error.word(), "why": error.to_string() }))
            .collect();
        desk.out.json(&serde_json::json!({
            "secret": set.name,
            "in": kept.place,
            "lost_at_restart": lost,
            "passed": passed,
            "left": kept.left.as_ref().map(ToString::to_string),
        }))?;
        return Ok(Exit::Fine);
    }
    writeln!(desk.out, "{} is kept in {}.", set.name, kept.place)?;
    for passed in &kept.passed {
        writeln!(desk.out, "  Not elsewhere: {passed}.")?;
    }
    if lost {
        writeln!(desk.out, "  It is lost when this machine restarts; `--in file` keeps it over a restart.")?;
    }
    if let Some(left) = &kept.left {
        writeln!(desk.out, "  The old one could not be removed from where it was: {left}.")?;
    }
    Ok(Exit::Fine)
}

/// From a hidden prompt on a terminal, else all of standard input without the line end after it.
fn read_secret(name: &str) -> Result<SecretString, Trouble> {
    let stdin = io::stdin();
    if stdin.is_terminal() {
        return match hidden::ask(&format!("Secret {name}: "))? {
            Some(secret) => Ok(secret),
            None => Err(Trouble::Wrong("no secret was given; nothing is changed".to_owned())),
        };
    }
    // Large enough from the start: growing would leave copies behind.
    let mut bytes = secrecy::zeroize::Zeroizing::new(Vec::with_capacity(usize::try_from(LIMIT).unwrap_or(0) + 64));
    stdin.lock().take(LIMIT + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > LIMIT {
        return Err(Trouble::Wrong(format!("the secret is larger than {} KiB", LIMIT / 1024)));
    }
    let Ok(text) = std::str::from_utf8(&bytes) else {
        return Err(Trouble::Wrong("the secret is no text in UTF-8".to_owned()));
    };
    let text = text.strip_suffix('\n').map_or(text, |text| text.strip_suffix('\r').unwrap_or(text));
    if text.is_empty() {
        return Err(Trouble::Wrong("the secret is empty; give it on standard input or at the prompt".to_owned()));
    }
    Ok(SecretString::from(text))
}

fn forget_one(desk: &mut Desk, forget: &ForgetSecret) -> Result<Exit, Trouble> {
    if !desk.vault.drop_secret(&forget.name)? {
        return Err(VaultError::Missing { name: forget.name.clone() }.into());
    }
    if desk.json {
        desk.out.json(&serde_json::json!({ "secret": forget.name }))?;
    } else {
        writeln!(desk.out, "{} is forgotten.", forget.name)?;
    }
    Ok(Exit::Fine)
}

fn list(desk: &mut Desk) -> Result<Exit, Trouble> {
    let names = desk.vault.names()?;
    let widest = names.keys().map(String::len).max().unwrap_or(0);
    for (name, place) in &names {
        if desk.json {
            desk.out.json(&serde_json::json!({ "secret": name, "in": place }))?;
        } else {
            writeln!(desk.out, "{name:<widest$}  {}", desk.paint.tone(Tone::Muted, place))?;
        }
    }
    if names.is_empty() && !desk.json {
        writeln!(desk.out, "No secret was set here; `hallmonitor secrets set NAME` sets one.")?;
    }
    Ok(Exit::Fine)
}

fn tell_where(desk: &mut Desk, wanted: &WhereSecret) -> Result<Exit, Trouble> {
    if let Some(name) = &wanted.name {
        return tell_where_one(desk, name);
    }
    let looks = desk.vault.look();
    let used = used(&looks);
    for look in &looks {
        tell_place(desk, look, used)?;
    }
    Ok(if used.is_some() { Exit::Fine } else { Exit::Unable })
}

/// The place that takes the next secret: the first one that is there, if it can.
fn used(looks: &[Look]) -> Option<Place> {
    let there = looks.iter().find(|look| !look.fault.as_ref().is_some_and(VaultError::is_absent))?;
    there.fault.is_none().then_some(there.place)
}

fn tell_place(desk: &mut Desk, look: &Look, used: Option<Place>) -> io::Result<()> {
    let is_used = used == Some(look.place);
    if desk.json {
        return desk.out.json(&serde_json::json!({
            "in": look.place,
            "used": is_used,
            "state": look.fault.as_ref().map_or("ready", VaultError::word),
            "why": look.fault.as_ref().map(ToString::to_string),
            "lost_at_restart": look.place.is_lost_at_restart(),
        }));
    }
    let state = match (&look.fault, is_used) {
        (None, true) => "new secrets go here".to_owned(),
        (None, false) => format!("works; used with `--in {}`", look.place.word()),
        (Some(fault), _) => fault.to_string(),
    };
    writeln!(desk.out, "{:<8} {}: {state}", look.place.word(), look.place)
}

fn tell_where_one(desk: &mut Desk, name: &str) -> Result<Exit, Trouble> {
    let place = match desk.vault.place_of(name) {
        Err(error) if error.is_missing() => None,
        place => Some(place?),
    };
    // Whether it can be read is what counts.
    let fault = desk.vault.get(name).err();
    if let (None, Some(error)) = (place, &fault) {
        return Err(error.clone().into());
    }
    if desk.json {
        desk.out.json(&serde_json::json!({
            "secret": name,
            "in": place,
            "state": fault.as_ref().map_or("ready", VaultError::word),
            "why": fault.as_ref().map(ToString::to_string),
        }))?;
    } else {
        let place = place.map_or_else(|| "a place that other folders use too".to_owned(), |place| place.to_string());
        let state = fault.as_ref().map_or_else(|| "and can be read".to_owned(), |fault| format!("but: {fault}"));
        writeln!(desk.out, "{name} is in {place}, {state}.")?;
    }
    Ok(match &fault {
        None => Exit::Fine,
        Some(error) if error.is_missing() => Exit::Down,
        Some(_) => Exit::Unable,
    })
}

fn unlock_keychain(desk: &mut Desk, wanted: &UnlockKeychain) -> Result<Exit, Trouble> {
    let ended = desk.vault.unlock(&Unlocking::with_patience(Duration::from_secs(wanted.wait)))?;
    let place = Place::Service;
    let (state, said) = match ended {
        Unlocked::Open => ("open", format!("{place} was not locked.")),
        Unlocked::Now => ("unlocked", format!("{place} is unlocked.")),
        Unlocked::Dismissed => ("dismissed", format!("{place} is still locked: its question was put away.")),
        Unlocked::NoPrompter => (
            "no_prompter",
            format!(
                "{place} is still locked: nothing here can show its question. Run this in the desktop session, sign in \
                 to the desktop, or keep secrets elsewhere with `hallmonitor secrets set NAME --in file`."
            ),
        ),
        Unlocked::Late(after) => (
            "late",
            format!(
                "{place} is still locked: nobody answered within {} s. Its question may still be on the screen.",
                after.as_secs()
            ),
        ),
        Unlocked::Stopped => ("stopped", format!("{place} is still locked.")),
    };
    if desk.json {
        desk.out.json(&serde_json::json!({ "in": place, "state": state }))?;
    } else {
        writeln!(desk.out, "{said}")?;
    }
    Ok(if matches!(ended, Unlocked::Open | Unlocked::Now) { Exit::Fine } else { Exit::Unable })
}

impl From<PlaceWord> for Place {
    fn from(word: PlaceWord) -> Self {
        match word {
            PlaceWord::Service => Self::Service,
            PlaceWord::Kernel => Self::Kernel,
            PlaceWord::File => Self::File,
        }
    }
}
