//! A look at a store that a form describes, told step by step.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use super::super::Screens;
use super::form::{Drafted, Not};
use crate::app::core::lock;
use crate::model::error_chain;
use crate::screen::{Failed, LookNews, LookOutcome, Number, StorageForm};
use crate::storage::{BackendEnv, Step, StepNews, StepOutcome, StoreError};

/// A store in use that does not answer by then is told as such.
const PATIENCE: Duration = Duration::from_secs(5);

/// The look that is going on: it ends when this is dropped or told so.
#[derive(Debug, Default)]
pub(in crate::app::screens) struct Looking(Option<watch::Sender<bool>>);

impl Looking {
    /// A look begins; one before it ends.
    fn begin(&mut self) -> watch::Receiver<bool> {
        let (sender, receiver) = watch::channel(false);
        self.0 = Some(sender);
        receiver
    }

    fn stop(&mut self) {
        self.0 = None;
    }
}

fn news_of(step: &Step, hides: impl Fn(&str) -> bool) -> LookNews {
    let name = step.name.to_owned();
    // No server repeats a password in its answers; should one, nobody sees it here.
    let shown = |text: String| if hides(&text) { "(it repeats the secret and is not shown)".to_owned() } else { text };
    match &step.outcome {
        StepOutcome::Ok { detail, took } => LookNews::Passed {
            step: name,
            detail: shown(detail.clone()),
            took_ms: Number(took.as_secs_f64() * 1_000.0),
        },
        StepOutcome::Failed { error } => {
            LookNews::Failed { step: name, what: shown(told(error)), command: error.command.clone() }
        }
        StepOutcome::Skipped => LookNews::Skipped { step: name },
    }
}

/// What happened, without where that is: the step says so.
pub(super) fn told(error: &StoreError) -> String {
    let whole = error_chain(error);
    let before = format!("{} storage: {}: ", error.backend, error.operation);
    whole.strip_prefix(&before).unwrap_or(&whole).to_owned()
}

/// A folder that a look made goes with it.
struct MadeFolder(Option<PathBuf>);

impl MadeFolder {
    fn of(drafted: &Drafted, env: &BackendEnv) -> Self {
        Self(drafted.config.storage.backend.folder(env).filter(|folder| !folder.exists()))
    }
}

impl Drop for MadeFolder {
    fn drop(&mut self) {
        if let Some(folder) = &self.0
            && let Err(error) = std::fs::remove_dir_all(folder)
            && error.kind() != std::io::ErrorKind::NotFound
        {
            tracing::debug!(%error, folder = %folder.display(), "what a look made cannot be removed");
        }
    }
}

impl Screens {
    /// Looks at the store that a form describes; tells of each step. A look before it ends.
    ///
    /// # Errors
    /// No such backend, or the file cannot be read or edited.
    pub async fn look_at_storage(
        &self,
        form: StorageForm,
        tell: impl Fn(LookNews) + Send + Sync + 'static,
    ) -> Result<LookOutcome, Failed> {
        let mut stopped = lock(&self.looking).begin();
        let _turn = self.look_turn.lock().await;
        let pasted = Arc::clone(&self.pasted);
        let drafted = self.at_desk(move |desk| Ok(desk.drafted(&desk.read()?, &form, &pasted))).await?;
        let drafted = match drafted {
            Ok(drafted) => drafted,
            Err(Not::Refused(errors)) => return Ok(LookOutcome::Refused { errors }),
            Err(Not::Failed(failed)) => return Err(failed),
        };
        let look = async {
            let steps = if self.is_held(&drafted) {
                self.look_at_the_one_in_use(&tell).await
            } else {
                let env = self.core.env();
                let _made = MadeFolder::of(&drafted, &env);
                let hear = |news: StepNews<'_>| match news {
                    StepNews::Begins(step) => tell(LookNews::Begins { step: step.to_owned() }),
                    StepNews::Ended(step) => tell(news_of(step, |text| drafted.holds_secret(text))),
                };
                drafted.config.storage.backend.look(&env, &hear).await
            };
            let failed = steps.iter().any(|step| !matches!(step.outcome, StepOutcome::Ok { .. }));
            if failed { LookOutcome::Failed } else { LookOutcome::Passed }
        };
        tokio::select! {
            outcome = look => Ok(outcome),
            // Nobody ever sends: the look that began later, or whoever stops it, drops the other end.
            _ = stopped.changed() => Ok(LookOutcome::Stopped),
        }
    }

    /// Stops the look that is going on, if there is one.
    pub fn stop_looking(&self) {
        lock(&self.looking).stop();
    }

    /// Whether this process has the store open, and no other can open it.
    pub(super) fn is_held(&self, drafted: &Drafted) -> bool {
        let backend = &drafted.config.storage.backend;
        let contact = backend.contact();
        let delivery = &self.core.delivery;
        let in_use = delivery.status().contact == contact;
        let before = delivery.history().former_stores().iter().any(|former| former.contact == contact);
        backend.folder(&self.core.env()).is_some() && (in_use || before)
    }

    /// The same for one that is open already.
    async fn look_at_the_one_in_use(&self, tell: &(impl Fn(LookNews) + Send + Sync)) -> Vec<Step> {
        const NAME: &str = "write and read";
        tell(LookNews::Begins { step: NAME.to_owned() });
        let clock = &self.core.clock;
        let began = clock.mono();
        let outcome = match self.core.delivery.check(PATIENCE).await {
            Ok(status) => StepOutcome::Ok { detail: status.version, took: clock.mono().since(began) },
            Err(error) => StepOutcome::Failed { error },
        };
        let step = Step { name: NAME, outcome };
        tell(news_of(&step, |_| false));
        vec![step]
    }
}
