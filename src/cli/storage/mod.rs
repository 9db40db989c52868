//! `storage`: where history is kept. One file a command.

mod check;
mod dead_letters;
mod migrate;
mod status;
mod switch;
mod test;

use super::args::{Storage, StorageCommand};
use super::desk::Desk;
use super::exit::{Exit, Trouble};

/// Does what the subcommand says.
pub(super) async fn storage(desk: &mut Desk, storage: &Storage) -> Result<Exit, Trouble> {
    match &storage.command {
        StorageCommand::Status => status::status(desk).await,
        StorageCommand::Check => check::check(desk).await,
        StorageCommand::DeadLetters(letters) => dead_letters::dead_letters(desk, &letters.command).await,
        StorageCommand::Use(wanted) => switch::switch(desk, wanted).await,
        StorageCommand::Test => test::test(desk).await,
        StorageCommand::MigrateSchema => migrate::migrate(desk).await,
    }
}
