//! The only file of the command that starts the core, opens its files or reads the configuration.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::broadcast;

use super::desk::Desk;
use super::exit::Trouble;
use super::hidden::AtTerminal;
use super::{validate, words};
use crate::app::{self, App, BackendChange, Neighbour, NoNeighbour, Options, StartError};
use crate::config::{self, Entry, LoadError, MonitorEntry};
use crate::control::Answers;
use crate::event::Event;
use crate::model::{MonitorId, error_chain};
use crate::probe::KindConfig;
use crate::secret::{AskPassphrase, Asking, Chain};
use crate::storage::{BackendConfig, BackendEnv, StoreError};

/// A core that watches.
pub(super) struct Running {
    /// Answers questions about it.
    pub(super) answers: Arc<dyn Answers>,
    /// What it announces.
    pub(super) events: broadcast::Receiver<Event>,
    /// Ends it: drains, and blocks for at most 5 s.
    pub(super) stop: Box<dyn FnOnce() + Send>,
}

/// A monitor of the configuration.
#[derive(Debug, Clone)]
pub(super) struct Configured {
    /// Its id, where the file names one.
    pub(super) id: Option<MonitorId>,
    /// Its name.
    pub(super) name: String,
    /// Its group.
    pub(super) group: String,
    /// Its kind.
    pub(super) kind: String,
    /// Whether it is to be watched.
    pub(super) enabled: bool,
    /// Longest time of a check.
    pub(super) timeout: Duration,
    /// What to check, or why that cannot be told now.
    pub(super) what: Result<KindConfig, String>,
}

/// A configuration that can be used.
#[derive(Debug, Clone, Default)]
pub(super) struct Configuration {
    /// Its monitors, in the order of the file.
    pub(super) monitors: Vec<Configured>,
    /// What it says beside the point.
    pub(super) warnings: Vec<Problem>,
}

/// Something wrong in the configuration.
#[derive(Debug, Clone)]
pub(super) struct Problem {
    /// `FILE:LINE:COLUMN: what, and what is allowed`.
    pub(super) line: String,
    /// The same with the line of the file, for a terminal.
    pub(super) picture: String,
    /// The same for programs.
    pub(super) json: serde_json::Value,
}

/// Why a configuration cannot be used.
#[derive(Debug)]
pub(super) enum Refused {
    /// There is no such file.
    Missing,
    /// It cannot be read; says why.
    Unreadable(String),
    /// It is wrong: every problem, warnings too.
    Wrong(Vec<Problem>),
}

/// Starts watching what the configuration says.
pub(super) fn start(desk: &Desk, config: &config::Config) -> Result<Running, Trouble> {
    // Whoever watches the table expects no question any more.
    desk.vault.ask(Asking::Nothing);
    let app = App::start(options(desk), config).map_err(refused_start)?;
    Ok(Running {
        answers: app.answers(),
        events: app.events(),
        stop: Box::new(move || {
            if !app.stop() {
                tracing::warn!("not everything ended in time; what was acknowledged is kept");
            }
        }),
    })
}

fn options(desk: &Desk) -> Options {
    let options = Options::new(desk.config.clone(), desk.data_dir.clone(), desk.vars.clone());
    let vault = Arc::clone(&desk.remembering);
    Options { clock: Arc::clone(&desk.clock), vault, ..options }
}

/// The vault of this machine. A person at the terminal may be asked for the passphrase of its file.
pub(super) fn vault(data_dir: &Path, vars: &config::Vars, has_person: bool) -> Chain {
    let person = has_person.then(|| -> Box<dyn AskPassphrase> { Box::new(AtTerminal) });
    app::system_vault(data_dir, vars, person)
}

fn refused_start(error: StartError) -> Trouble {
    Trouble::Unable(error_chain(&error))
}

/// Opens the files of a data folder that nobody holds.
pub(super) fn offline(desk: &Desk) -> Result<Arc<dyn Answers>, Trouble> {
    if !desk.data_dir.is_dir() {
        let data_dir = desk.data_dir.display();
        return Err(Trouble::Unable(format!(
            "nobody is watching and there is no data folder {data_dir}; start with `hallmonitor run`, or name another \
             folder with --data-dir"
        )));
    }
    app::offline(options(desk)).map_err(refused_start)
}

/// The store that the configuration names, and what it may use.
pub(super) fn store(desk: &Desk) -> Result<(BackendConfig, BackendEnv), Trouble> {
    let config = load(desk, &desk.config).map_err(|refused| validate::trouble(&desk.config, &refused))?;
    match &config.storage.waiting {
        Some(why) => Err(Trouble::Unable(format!("the store cannot be opened: {why}"))),
        None => app::store(&options(desk), &config).map_err(refused_start),
    }
}

/// The configured store, which several instances share.
fn shared_store(desk: &Desk) -> Result<(BackendConfig, BackendEnv), Trouble> {
    let (backend, env) = store(desk)?;
    if backend.is_shared() {
        return Ok((backend, env));
    }
    let what =
        format!("storage `{}` is this installation's alone; others can share postgres and influxdb", backend.id());
    Err(Trouble::Wrong(what))
}

/// The instances that share the configured store.
pub(super) async fn neighbours(desk: &Desk) -> Result<Vec<Neighbour>, Trouble> {
    let (backend, env) = shared_store(desk)?;
    app::neighbours(&backend, &env).await.map_err(|error| Trouble::Unable(error_chain(&error)))
}

/// What another instance has kept in the configured store.
pub(super) async fn of_neighbour(desk: &Desk, name: &str) -> Result<Arc<dyn Answers>, Trouble> {
    let (backend, env) = shared_store(desk)?;
    app::of_neighbour(&backend, &env, name).await.map_err(|error| match error {
        NoNeighbour::Store(_) => Trouble::Unable(error_chain(&error)),
        NoNeighbour::Unknown { .. } | NoNeighbour::Ambiguous { .. } => Trouble::Wrong(words::clean(&error.to_string())),
    })
}

/// The configuration file with another backend named, not yet saved.
pub(super) fn backend_change(desk: &Desk, backend: &str) -> Result<BackendChange, Trouble> {
    BackendChange::prepare(&options(desk), backend).map_err(|error| Trouble::Wrong(error_chain(&error)))
}

/// Opens the store of a change and asks it how it is.
pub(super) async fn try_store(desk: &Desk, change: &BackendChange) -> Result<Result<(), StoreError>, Trouble> {
    let (_, env) = app::store(&options(desk), &change.config).map_err(refused_start)?;
    Ok(change.try_store(&env).await)
}

/// Saves a change of the configuration file.
pub(super) fn save_backend(desk: &Desk, change: &BackendChange) -> Result<(), Trouble> {
    change.save(&options(desk)).map_err(|error| Trouble::Unable(error_chain(&error)))
}

/// Reads a configuration file, for whoever only looks at it.
pub(super) fn configuration(desk: &Desk, file: &Path) -> Result<Configuration, Refused> {
    let config = load(desk, file)?;
    let warnings = config.warnings.iter().map(|warning| told(warning, &config.text, desk)).collect();
    let monitors = config.monitors.into_iter().map(Configured::from).collect();
    Ok(Configuration { monitors, warnings })
}

/// Reads a configuration file, to put it in force.
pub(super) fn load(desk: &Desk, file: &Path) -> Result<config::Config, Refused> {
    let options = options(desk);
    // Any other file is not ours to put right.
    let read =
        if file == options.config { app::load(&options) } else { config::load(file, &options.vars, &*options.vault) };
    read.map_err(|error| match &error {
        LoadError::Read { source, .. } if source.kind() == std::io::ErrorKind::NotFound => Refused::Missing,
        LoadError::Read { source, .. } => Refused::Unreadable(source.to_string()),
        LoadError::Refused(refusal) => {
            Refused::Wrong(refusal.problems.iter().map(|problem| told(problem, &refusal.text, desk)).collect())
        }
    })
}

fn told(problem: &config::Problem, text: &str, desk: &Desk) -> Problem {
    Problem {
        line: problem.to_string(),
        picture: config::picture(problem, text, desk.paint.is_on()),
        json: serde_json::json!({
            "severity": match problem.severity {
                config::Severity::Error => "error",
                config::Severity::Warning => "warning",
            },
            "file": &*problem.file,
            "line": problem.line,
            "column": problem.column,
            "length": problem.len,
            "what": problem.what,
            "allowed": problem.allowed,
            "nearest": problem.nearest,
        }),
    }
}

impl From<MonitorEntry> for Configured {
    fn from(entry: MonitorEntry) -> Self {
        Self {
            id: entry.id,
            name: entry.name,
            group: entry.group.to_string(),
            kind: entry.kind.kind().to_owned(),
            enabled: entry.enabled,
            timeout: entry.timeout.value,
            what: match entry.kind {
                Entry::Ready(kind) => Ok(kind),
                Entry::Pending { reason, .. } => Err(reason),
            },
        }
    }
}
