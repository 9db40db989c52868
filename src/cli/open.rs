//! The only file of the command that starts the core, opens its files or reads the configuration.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::broadcast;

use super::desk::Desk;
use super::exit::Trouble;
use crate::control::Answers;
use crate::event::Event;
use crate::model::MonitorId;
use crate::probe::KindConfig;

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

/// Starts watching.
pub(super) fn start(desk: &Desk) -> Result<Running, Trouble> {
    let _ = desk;
    Err(Trouble::Unable("this build has no core".to_owned()))
}

/// Opens the files of a data folder that nobody holds.
pub(super) fn offline(data_dir: &Path) -> Result<Arc<dyn Answers>, Trouble> {
    if !data_dir.is_dir() {
        let data_dir = data_dir.display();
        return Err(Trouble::Unable(format!(
            "nobody is watching and there is no data folder {data_dir}; start with `hallmonitor run`, or name another \
             folder with --data-dir"
        )));
    }
    Err(Trouble::Unable("this build cannot open files".to_owned()))
}

/// Reads a configuration file.
pub(super) fn configuration(desk: &Desk, file: &Path) -> Result<Configuration, Refused> {
    let _ = desk;
    if !file.exists() {
        return Err(Refused::Missing);
    }
    Err(Refused::Unreadable("this build cannot read configurations".to_owned()))
}
