//! `storage migrate-schema`.

use std::io::Write as _;

use crate::cli::desk::Desk;
use crate::cli::exit::{Exit, Trouble};
use crate::cli::open;
use crate::model::error_chain;

/// Brings what the store is kept in up to date.
pub(super) async fn migrate(desk: &mut Desk) -> Result<Exit, Trouble> {
    let (backend, env) = open::store(desk)?;
    let said = backend.migrate(&env).await.map_err(|error| Trouble::Unable(error_chain(&error)))?;
    if desk.json {
        desk.out.json(&serde_json::json!({ "store": backend.contact(), "said": said }))?;
    } else {
        writeln!(desk.out, "{said}")?;
    }
    Ok(Exit::Fine)
}
