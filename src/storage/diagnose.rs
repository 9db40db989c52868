//! A look at a store, step by step: what works, how long it takes, and what to do about what does not.

use std::time::Duration;

use uuid::Uuid;

use super::{Backend, BackendEnv, StoreError, StoreErrorKind};
use crate::clock::Clock;

/// What one step gave.
#[derive(Debug)]
pub enum StepOutcome {
    /// It works.
    Ok {
        /// What was seen.
        detail: String,
        /// How long it took.
        took: Duration,
    },
    /// It does not; says what to do.
    Failed {
        /// What happened, and the next step.
        error: StoreError,
    },
    /// A step before it failed.
    Skipped,
}

/// One step of a look at a store.
#[derive(Debug)]
pub struct Step {
    /// What was tried.
    pub name: &'static str,
    /// What it gave.
    pub outcome: StepOutcome,
}

/// Steps that are made one after the other; after one that fails the rest is skipped.
#[derive(Debug)]
pub struct Walk<'a> {
    clock: &'a dyn Clock,
    steps: Vec<Step>,
    failed: bool,
}

impl<'a> Walk<'a> {
    /// No steps yet.
    #[must_use]
    pub fn new(clock: &'a dyn Clock) -> Self {
        Self { clock, steps: Vec::new(), failed: false }
    }

    /// Makes a step, which gives what the next ones need and what was seen. None when it failed or was skipped.
    pub async fn step<T>(
        &mut self,
        name: &'static str,
        work: impl Future<Output = Result<(T, String), StoreError>>,
    ) -> Option<T> {
        if self.failed {
            self.steps.push(Step { name, outcome: StepOutcome::Skipped });
            return None;
        }
        let began = self.clock.mono();
        let (outcome, gave) = match work.await {
            Ok((gave, detail)) => (StepOutcome::Ok { detail, took: self.clock.mono().since(began) }, Some(gave)),
            Err(error) => (StepOutcome::Failed { error }, None),
        };
        self.failed = gave.is_none();
        self.steps.push(Step { name, outcome });
        gave
    }

    /// The steps, in order.
    #[must_use]
    pub fn steps(self) -> Vec<Step> {
        self.steps
    }
}

/// The steps that every backend can make: open, write and read a value, close.
pub(super) async fn plain<B: Backend>(backend: &B, env: &BackendEnv) -> Vec<Step> {
    const KEY: &str = "hallmonitor.diagnose";
    let mut walk = Walk::new(&*env.clock);
    let opened = walk.step("open", async {
        let store = backend.open(env).await?;
        Ok((store, backend.contact()))
    });
    let store = opened.await;
    let tried = async {
        let Some(store) = &store else { return Ok(((), String::new())) };
        let written = Uuid::new_v4().into_bytes();
        store.set_metadata(KEY, &written).await?;
        if store.metadata(KEY).await?.as_deref() != Some(&written[..]) {
            let what = "what was written could not be read back";
            return Err(StoreError::new(StoreErrorKind::Corrupt, B::ID, "diagnose", what));
        }
        Ok(((), store.check().await?.version))
    };
    walk.step("write and read", tried).await;
    let closed = async {
        if let Some(store) = &store {
            store.close().await?;
        }
        Ok(((), String::new()))
    };
    walk.step("close", closed).await;
    walk.steps()
}
