//! The probe seam: what it means to check something. Each kind is a folder in `kinds/` and one line in `registry.rs`.

pub mod kinds;
pub mod net;
mod registry;
mod shared;

use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
pub use registry::{KINDS, KindConfig};
use serde::Serialize;
use serde::de::DeserializeOwned;

pub use self::shared::Shared;
use crate::clock::{Clock, Mono};
use crate::model::{Facts, Failure, FieldError, FieldSpec, Phases, Verdict};

/// A kind of monitor. Implemented by the kind's configuration.
pub trait MonitorKind: Serialize + DeserializeOwned + Debug + Clone + PartialEq + Send + Sync + 'static {
    /// The word in the file: `http`.
    const ID: &'static str;
    /// Its settings, besides those that every monitor has. Files, forms and documentation are made from these.
    const FIELDS: &'static [FieldSpec];

    /// Checks what the fields' own rules cannot: how values go together, syntax of addresses.
    ///
    /// # Errors
    /// Every fault, not just the first.
    fn validate(&self) -> Result<(), Vec<FieldError>>;

    /// What is watched, for people, and for recognising a renamed monitor.
    fn target(&self) -> String;

    /// Builds the probe: whatever is worth building once.
    fn probe(&self, env: &ProbeEnv) -> Box<dyn Probe>;
}

/// What a probe may use of the process it runs in.
#[derive(Debug, Clone)]
pub struct ProbeEnv {
    /// The clocks.
    pub clock: Arc<dyn Clock>,
    /// What probes share with each other, by type: sockets, resolvers, certificates.
    pub shared: Shared,
}

impl ProbeEnv {
    /// Shares nothing yet.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, shared: Shared::default() }
    }
}

/// Something that can be checked again and again.
#[async_trait]
pub trait Probe: Debug + Send + Sync {
    /// Checks once. Cannot fail: a failure is data, and a fault of ours is `inconclusive`. Must be done by the
    /// attempt's deadline; the runner cuts it off soon after. Dropping the future cancels the check.
    async fn run(&self, attempt: &Attempt) -> Observation;
}

/// One run of a probe.
#[derive(Debug, Clone)]
pub struct Attempt {
    clock: Arc<dyn Clock>,
    started: Mono,
    timeout: Duration,
}

impl Attempt {
    /// Starts now.
    #[must_use]
    pub fn start(clock: Arc<dyn Clock>, timeout: Duration) -> Self {
        let started = clock.mono();
        Self { clock, started, timeout }
    }

    /// The time it may take in all.
    #[must_use]
    pub fn timeout(&self) -> Duration {
        self.timeout
    }

    /// When it started.
    #[must_use]
    pub fn started(&self) -> Mono {
        self.started
    }

    /// The monotonic clock now.
    #[must_use]
    pub fn now(&self) -> Mono {
        self.clock.mono()
    }

    /// The wall clock now, for what has a date (certificates).
    #[must_use]
    pub fn wall(&self) -> crate::model::UnixMicros {
        self.clock.wall()
    }

    /// What is left of the time-out.
    #[must_use]
    pub fn left(&self) -> Duration {
        self.timeout.saturating_sub(self.now().since(self.started))
    }

    /// Microseconds since the start.
    #[must_use]
    pub fn elapsed_us(&self) -> u64 {
        self.now().since_us(self.started)
    }
}

/// What a probe saw.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Observation {
    /// What it says.
    pub verdict: Verdict,
    /// Why, when not up.
    pub failure: Option<Failure>,
    /// In words; empty when there is nothing to say. Cleaned and cut by whoever makes a result of it.
    pub message: String,
    /// The value of the check where it is not the run's own time: ping's mean round trip.
    pub duration_us: Option<u64>,
    /// Parts of the check.
    pub phases: Phases,
    /// What else was found out.
    pub facts: Facts,
}

impl Observation {
    /// All is well.
    #[must_use]
    pub fn up() -> Self {
        Self {
            verdict: Verdict::Up,
            failure: None,
            message: String::new(),
            duration_us: None,
            phases: Phases::default(),
            facts: Facts::new(),
        }
    }

    /// Something failed: `down`, or `inconclusive` where the fault is ours.
    #[must_use]
    pub fn failed(failure: Failure, message: impl Into<String>) -> Self {
        let verdict = if failure.is_ours() { Verdict::Inconclusive } else { Verdict::Down };
        Self { verdict, failure: Some(failure), message: message.into(), ..Self::up() }
    }
}
