//! The core in this process.
//!
//! A configuration that is refused, or a data folder that somebody else holds, is no reason not to show a window: it
//! says what is wrong, and the core starts as soon as that is mended. Until then no history is touched.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use hallmonitor::app::{self, App, Options, Screens};
use hallmonitor::config::{self, Config, LoadError, Vars};
use hallmonitor::model::error_chain;
use hallmonitor::record::Board;
use hallmonitor::screen::{Failed, FileProblem};
use hallmonitor::secret::{Remembering, Vault};
use tokio::sync::watch;

/// What could not start is tried again after this time.
const RETRY: Duration = Duration::from_secs(2);
/// Longest time that a question waits for a core that is starting.
const PATIENCE: Duration = Duration::from_secs(20);

/// Where things are.
#[derive(Clone, Debug)]
pub(crate) struct Places {
    pub(crate) config: PathBuf,
    pub(crate) data_dir: PathBuf,
    pub(crate) vars: Vars,
}

/// How the start is getting on.
#[derive(Clone, Debug)]
enum Start {
    Begun,
    Running(Screens, Arc<Board>),
    Trouble(Failed),
    Over,
}

/// The core, while it runs.
#[derive(Debug)]
pub(crate) struct House {
    pub(crate) places: Places,
    /// Nobody is asked at the start of the desktop: what is locked is read once it is unlocked.
    vault: Arc<dyn Vault>,
    app: Mutex<Option<App>>,
    start: watch::Sender<Start>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl House {
    pub(crate) fn new(places: Places) -> Self {
        let vault = Arc::new(app::system_vault(&places.data_dir, &places.vars, None));
        let vault = Arc::new(Remembering::new(vault));
        Self { places, vault, app: Mutex::new(None), start: watch::Sender::new(Start::Begun) }
    }

    /// Starts the core; tries again until that works or it is over. Blocks: belongs on a thread of its own. `running`
    /// hears of the core, and whether there was trouble before.
    pub(crate) fn open(&self, running: impl FnOnce(&App, bool), told: impl Fn()) {
        let mut trouble = None;
        loop {
            match self.try_open() {
                Ok(app) => {
                    let mut place = lock(&self.app);
                    if matches!(*self.start.borrow(), Start::Over) {
                        return;
                    }
                    self.start.send_replace(Start::Running(app.screens(), app.board()));
                    running(&app, trouble.is_some());
                    *place = Some(app);
                    return;
                }
                Err(failed) => {
                    let news = trouble.as_ref() != Some(&failed);
                    trouble = Some(failed.clone());
                    if news {
                        tracing::error!(?failed, "the core cannot start yet");
                    }
                    let over = !self.start.send_if_modified(|start| {
                        let on = !matches!(start, Start::Over);
                        if on {
                            *start = Start::Trouble(failed);
                        }
                        on
                    });
                    if over {
                        return;
                    }
                    if news {
                        told();
                    }
                }
            }
            std::thread::sleep(RETRY);
        }
    }

    fn try_open(&self) -> Result<App, Failed> {
        let Places { config, data_dir, vars } = &self.places;
        let vault = Arc::clone(&self.vault);
        let options = Options { vault, ..Options::new(config.clone(), data_dir.clone(), vars.clone()) };
        let read = match app::load(&options) {
            Err(LoadError::Read { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => {
                // A first run: nothing is watched until a person says what.
                config::without_file(config, vars, &*options.vault).map_err(LoadError::from)
            }
            read => read,
        };
        let read: Config = read.map_err(|error| refused(&error, config))?;
        App::start(options, &read).map_err(|error| Failed::Busy { why: error_chain(&error) })
    }

    /// What answers the window's questions. Waits for a core that is starting.
    ///
    /// # Errors
    /// Why it cannot start, or that all is over.
    pub(crate) async fn screens(&self) -> Result<Screens, Failed> {
        let mut start = self.start.subscribe();
        let known = tokio::time::timeout(PATIENCE, start.wait_for(|start| !matches!(start, Start::Begun))).await;
        let waits = || Failed::Busy { why: "the core is still starting".to_owned() };
        match &*known.map_err(|_| waits())?.map_err(|_| waits())? {
            Start::Running(screens, _) => Ok(screens.clone()),
            Start::Trouble(failed) => Err(failed.clone()),
            Start::Begun => Err(waits()),
            Start::Over => Err(Failed::Busy { why: "Hall Monitor is ending".to_owned() }),
        }
    }

    /// Whether it could not start.
    pub(crate) fn in_trouble(&self) -> bool {
        matches!(&*self.start.borrow(), Start::Trouble(_))
    }

    /// The core's answers, where it runs.
    pub(crate) fn running(&self) -> Option<Screens> {
        match &*self.start.borrow() {
            Start::Running(screens, _) => Some(screens.clone()),
            _ => None,
        }
    }

    /// The live state of all monitors, where the core runs.
    pub(crate) fn board(&self) -> Option<Arc<Board>> {
        match &*self.start.borrow() {
            Start::Running(_, board) => Some(Arc::clone(board)),
            _ => None,
        }
    }

    /// Ends the core: what was seen is made durable. Blocks for some seconds at most.
    pub(crate) fn close(&self) {
        self.start.send_replace(Start::Over);
        if let Some(app) = lock(&self.app).take()
            && !app.stop()
        {
            tracing::warn!("not everything ended in time; what was acknowledged is kept");
        }
    }
}

/// A configuration that cannot be used, for a screen.
pub(crate) fn refused(error: &LoadError, path: &std::path::Path) -> Failed {
    if error.problems().is_empty() {
        return Failed::File { path: path.display().to_string(), what: error_chain(error) };
    }
    // Warnings are not why it is refused.
    let errors = error.problems().iter().filter(|problem| problem.severity == config::Severity::Error);
    let problems = errors.map(|problem| FileProblem {
        line: problem.line,
        column: problem.column,
        what: problem.what.clone(),
        allowed: problem.allowed.clone(),
    });
    Failed::Problems { problems: problems.collect() }
}
