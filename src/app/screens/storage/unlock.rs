//! The keychain's own question to unlock it: asked for by a person, waited for beside everything else, and stoppable.

use super::super::Screens;
use crate::app::core::lock;
use crate::screen::{Failed, UnlockOutcome};
use crate::secret::{Unlocked, Unlocking};

/// The question that is on the screen.
#[derive(Debug, Default)]
pub(in crate::app::screens) struct Unlocks(Option<Unlocking>);

impl Screens {
    /// Has the keychain ask to be unlocked, and waits for the answer. Once it is unlocked, whatever waited for a secret goes
    /// on.
    ///
    /// # Errors
    /// A fault in Hall Monitor.
    pub async fn unlock_keychain(&self) -> Result<UnlockOutcome, Failed> {
        let unlocking = Unlocking::default();
        lock(&self.unlocks).0.get_or_insert_with(|| unlocking.clone());
        let asked = unlocking.clone();
        let outcome = self.at_desk(move |desk| {
            let outcome = match desk.core.vault.unlock(&asked) {
                Ok(Unlocked::Open) => UnlockOutcome::Open,
                Ok(Unlocked::Now) => UnlockOutcome::Unlocked,
                Ok(Unlocked::Dismissed) => UnlockOutcome::Dismissed,
                Ok(Unlocked::NoPrompter) => UnlockOutcome::NoPrompter,
                Ok(Unlocked::Late(after)) => {
                    UnlockOutcome::Late { seconds: u32::try_from(after.as_secs()).unwrap_or(u32::MAX) }
                }
                Ok(Unlocked::Stopped) => UnlockOutcome::Stopped,
                Err(error) => UnlockOutcome::Failed { state: error.word().to_owned(), what: error.to_string() },
            };
            if matches!(outcome, UnlockOutcome::Open | UnlockOutcome::Unlocked) {
                desk.read_again();
            }
            Ok(outcome)
        });
        let outcome = outcome.await;
        lock(&self.unlocks).0.take_if(|held| held.is(&unlocking));
        outcome
    }

    /// Waits for that answer no longer. One that comes all the same counts.
    pub fn stop_unlocking(&self) {
        if let Some(unlocking) = &lock(&self.unlocks).0 {
            unlocking.stop();
        }
    }
}
