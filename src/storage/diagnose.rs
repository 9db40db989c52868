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

/// What is told of a look while it goes on.
#[derive(Debug, Clone, Copy)]
pub enum StepNews<'a> {
    /// A step is made.
    Begins(&'static str),
    /// It is over, or was skipped.
    Ended(&'a Step),
}

/// Whoever hears of steps while they are made.
pub trait HearSteps: Send + Sync {
    /// Something happened.
    fn hear(&self, news: StepNews<'_>);
}

impl<F: Fn(StepNews<'_>) + Send + Sync> HearSteps for F {
    fn hear(&self, news: StepNews<'_>) {
        self(news);
    }
}

/// Steps that are made one after the other; after one that fails the rest is skipped.
pub struct Walk<'a> {
    clock: &'a dyn Clock,
    tell: &'a dyn HearSteps,
    steps: Vec<Step>,
    failed: bool,
}

impl std::fmt::Debug for Walk<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Walk").field("steps", &self.steps).finish_non_exhaustive()
    }
}

impl<'a> Walk<'a> {
    /// No steps yet; `tell` hears of each.
    #[must_use]
    pub fn new(clock: &'a dyn Clock, tell: &'a dyn HearSteps) -> Self {
        Self { clock, tell, steps: Vec::new(), failed: false }
    }

    fn add(&mut self, step: Step) {
        self.tell.hear(StepNews::Ended(&step));
        self.steps.push(step);
    }

    /// Makes a step, which gives what the next ones need and what was seen. None when it failed or was skipped.
    pub async fn step<T>(
        &mut self,
        name: &'static str,
        work: impl Future<Output = Result<(T, String), StoreError>>,
    ) -> Option<T> {
        if self.failed {
            self.add(Step { name, outcome: StepOutcome::Skipped });
            return None;
        }
        self.tell.hear(StepNews::Begins(name));
        let began = self.clock.mono();
        let (outcome, gave) = match work.await {
            Ok((gave, detail)) => (StepOutcome::Ok { detail, took: self.clock.mono().since(began) }, Some(gave)),
            Err(error) => (StepOutcome::Failed { error }, None),
        };
        self.failed = gave.is_none();
        self.add(Step { name, outcome });
        gave
    }

    /// The names of steps that were not made yet, out of all.
    pub(crate) fn without(&self, all: &[&'static str]) -> Vec<&'static str> {
        all.iter().copied().filter(|name| self.steps.iter().all(|step| step.name != *name)).collect()
    }

    /// The steps, in order.
    #[must_use]
    pub fn steps(self) -> Vec<Step> {
        self.steps
    }
}

/// The steps that every backend can make: open, write and read a value, close.
pub(super) async fn plain<B: Backend>(backend: &B, env: &BackendEnv, tell: &dyn HearSteps) -> Vec<Step> {
    const KEY: &str = "hallmonitor.diagnose";
    let mut walk = Walk::new(&*env.clock, tell);
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
