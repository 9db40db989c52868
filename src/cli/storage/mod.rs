//! `storage`: where history is kept. One file a command.

mod migrate;
mod test;

use super::args::{Storage, StorageCommand};
use super::desk::Desk;
use super::exit::{Exit, Trouble};

/// Does what the subcommand says.
pub(super) async fn storage(desk: &mut Desk, storage: &Storage) -> Result<Exit, Trouble> {
    match storage.command {
        StorageCommand::Test => test::test(desk).await,
        StorageCommand::MigrateSchema => migrate::migrate(desk).await,
    }
}
