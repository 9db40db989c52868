//! `storage use`.

use std::io::{self, Write as _};
use std::time::Duration;

use crate::cli::args::UseStore;
use crate::cli::desk::Desk;
use crate::cli::exit::{Exit, Trouble};
use crate::cli::{open, words};
use crate::control::{Answer, Request, StorageReport};
use crate::model::error_chain;
use crate::storage::offers;

/// How long a running Hall Monitor may take to notice.
const PATIENCE: u32 = 100;
const STEP: Duration = Duration::from_millis(100);
/// Backends that need no settings.
const AT_HAND: &[&str] = &["embedded", "none"];

/// Names another backend in the configuration file, after a look whether it can be used.
pub(super) async fn switch(desk: &mut Desk, wanted: &UseStore) -> Result<Exit, Trouble> {
    let backend = known(&wanted.backend)?;
    let change = open::backend_change(desk, backend)?;
    let contact = change.config.storage.backend.contact();
    if change.config.storage.backend.id() != backend {
        let what = "the file or the environment says otherwise (`storage.enabled`, HALLMONITOR_STORAGE_BACKEND)";
        return Err(Trouble::Wrong(format!("`storage.backend: {backend}` would have no effect: {what}")));
    }
    let running = running(desk).await?;
    if !wanted.force {
        if !change.has_settings && !AT_HAND.contains(&backend) {
            let section = format!("the configuration has no section `storage.{backend}`");
            return Err(Trouble::Wrong(format!("{section}; write its settings there, or use --force")));
        }
        // One that a running Hall Monitor may have open is held by it.
        let is_held = |report: &StorageReport| {
            report.contact == contact || report.former.iter().any(|former| former.contact == contact)
        };
        if !running.as_ref().is_some_and(is_held) {
            let tried = open::try_store(desk, &change).await?;
            tried.map_err(|error| {
                Trouble::Unable(format!("{}; nothing was changed (--force changes it anyway)", error_chain(&error)))
            })?;
        }
    }
    open::save_backend(desk, &change)?;
    let switched = match &running {
        Some(before) => noticed(desk, before, &contact).await?,
        None => false,
    };
    tell(desk, backend, &contact, running.as_ref(), switched)?;
    Ok(if running.is_some() && !switched { Exit::Unable } else { Exit::Fine })
}

fn known(word: &str) -> Result<&'static str, Trouble> {
    let all: Vec<&str> = offers().into_iter().map(|offer| offer.id).collect();
    let found = all.iter().copied().find(|id| id.eq_ignore_ascii_case(word));
    found.ok_or_else(|| Trouble::Wrong(format!("`{}` is no backend; there are {}", words::clean(word), all.join(", "))))
}

/// What a running Hall Monitor says; none where nothing runs.
async fn running(desk: &Desk) -> Result<Option<StorageReport>, Trouble> {
    use crate::control::AnswerError;
    match desk.ask_running(&Request::Storage).await {
        Ok(Answer::Storage(report)) => Ok(Some(*report)),
        Ok(other) => Err(crate::cli::desk::unexpected(&other)),
        Err(Trouble::Answer(AnswerError::NotRunning)) => Ok(None),
        Err(other) => Err(other),
    }
}

/// Waits until the running Hall Monitor uses the store.
async fn noticed(desk: &Desk, before: &StorageReport, contact: &str) -> Result<bool, Trouble> {
    if before.contact == contact {
        return Ok(true);
    }
    for _ in 0..PATIENCE {
        tokio::time::sleep(STEP).await;
        if running(desk).await?.is_some_and(|now| now.contact == contact) {
            return Ok(true);
        }
    }
    Ok(false)
}

fn tell(
    desk: &mut Desk,
    backend: &str,
    contact: &str,
    before: Option<&StorageReport>,
    switched: bool,
) -> io::Result<()> {
    if desk.json {
        let former = before.map(|report| &report.contact);
        return desk.out.json(&serde_json::json!({
            "backend": backend, "contact": contact, "former": former, "live": switched,
        }));
    }
    let contact = words::clean(contact);
    match before {
        None => writeln!(desk.out, "The next start keeps history in {contact}."),
        Some(report) if report.contact == contact => writeln!(desk.out, "History goes to {contact} already."),
        Some(report) if switched => {
            let former = words::clean(&report.contact);
            writeln!(
                desk.out,
                "What is produced from now on goes to {contact}; what waits for {former} still goes there."
            )
        }
        Some(_) => writeln!(
            desk.out,
            "The file is saved, but the running Hall Monitor does not use {contact} yet: see `hallmonitor status --own`."
        ),
    }
}
