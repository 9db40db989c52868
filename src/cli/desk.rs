//! What every command has at hand.

use std::io::{self, BufWriter, IsTerminal as _, Write};
use std::path::PathBuf;
use std::sync::Arc;

use jiff::tz::TimeZone;

use super::args::{Common, Scope};
use super::exit::Trouble;
use super::open;
use super::paint::Paint;
use crate::clock::{Clock, SystemClock};
use crate::config::{self, Platform, Vars};
use crate::control::{self, Answer, AnswerError, Answers, AskError, Request};
use crate::model::UnixMicros;
use crate::secret::{Chain, Remembering, Vault};

/// Folders, clock, zone, output, and somebody to ask.
pub(super) struct Desk {
    /// Environment variables.
    pub(super) vars: Vars,
    /// The configuration file.
    pub(super) config: PathBuf,
    /// The data folder.
    pub(super) data_dir: PathBuf,
    /// The clocks.
    pub(super) clock: Arc<dyn Clock>,
    /// The local zone.
    pub(super) zone: TimeZone,
    /// Passwords and tokens.
    pub(super) vault: Arc<Chain>,
    /// The same for what reads the configuration again and again.
    pub(super) remembering: Arc<dyn Vault>,
    /// Whether somebody is there who can be asked.
    pub(super) has_person: bool,
    /// Whether JSON lines are wanted.
    pub(super) json: bool,
    /// Colours on standard output.
    pub(super) paint: Paint,
    /// Standard output.
    pub(super) out: Out,
    /// The folder's files, once it is clear that nobody holds them; or what another instance has kept.
    offline: Option<Arc<dyn Answers>>,
}

impl Desk {
    /// Finds out where things are. The only place that reads the environment.
    pub(super) fn set_up(common: &Common) -> Result<Self, Trouble> {
        let vars = Vars::from_system();
        let chosen = |given: &Option<PathBuf>, usual: &dyn Fn() -> Result<PathBuf, config::NoFolder>| {
            let path = match given {
                Some(path) => path.clone(),
                None => usual().map_err(|error| Trouble::Wrong(error.to_string()))?,
            };
            std::path::absolute(&path).map_err(|error| Trouble::Wrong(format!("{}: {error}", path.display())))
        };
        let stdout = io::stdout();
        let data_dir = chosen(&common.data_dir, &|| config::data_dir(Platform::HERE, &vars))?;
        let has_person = io::stdin().is_terminal() || io::stderr().is_terminal();
        let vault = Arc::new(open::vault(&data_dir, &vars, has_person));
        Ok(Self {
            config: chosen(&common.config, &|| config::config_file(Platform::HERE, &vars))?,
            remembering: Arc::new(Remembering::new(Arc::<Chain>::clone(&vault))),
            vault,
            has_person,
            data_dir,
            paint: common.color.decide(&vars, &stdout),
            vars,
            clock: Arc::new(SystemClock),
            zone: TimeZone::system(),
            json: common.json,
            out: Out { is_terminal: stdout.is_terminal(), to: BufWriter::with_capacity(32 * 1024, stdout) },
            offline: None,
        })
    }

    /// Has another instance's history answer from now on, where one is named.
    pub(super) async fn look_at(&mut self, scope: &Scope) -> Result<(), Trouble> {
        if let Some(name) = &scope.instance {
            self.offline = Some(open::of_neighbour(self, name).await?);
        }
        Ok(())
    }

    /// Asks whoever holds the data folder; when nobody does, its files.
    pub(super) async fn ask(&mut self, request: Request) -> Result<Answer, Trouble> {
        if let Some(offline) = &self.offline {
            return Ok(offline.answer(request).await?);
        }
        match control::ask(&self.data_dir, &request).await {
            Ok(answer) => Ok(answer),
            Err(AskError::NobodyThere { .. }) => {
                let offline = open::offline(self)?;
                Ok(self.offline.insert(offline).answer(request).await?)
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Asks whoever holds the data folder, and nobody else.
    pub(super) async fn ask_running(&self, request: &Request) -> Result<Answer, Trouble> {
        match control::ask(&self.data_dir, request).await {
            Err(AskError::NobodyThere { .. }) => Err(Trouble::Answer(AnswerError::NotRunning)),
            other => Ok(other?),
        }
    }

    /// The wall clock.
    pub(super) fn now(&self) -> UnixMicros {
        self.clock.wall()
    }
}

/// What an answer of another kind than the question's is called.
pub(super) fn unexpected(answer: &Answer) -> Trouble {
    let name = match answer {
        Answer::Holder(_) => "holder",
        Answer::Status(_) => "status",
        Answer::Unchanged => "unchanged",
        Answer::History(_) => "history",
        Answer::Uptime(_) => "uptime",
        Answer::Incidents(_) => "incidents",
        Answer::Storage(_) => "storage",
        Answer::Verified(_) => "verified",
        Answer::DeadLetters(_) => "dead letters",
        Answer::LettersChanged { .. } => "letters changed",
        Answer::Done { .. } => "done",
    };
    Trouble::Unable(format!("the running Hall Monitor gave an answer of another kind ({name}); restart it"))
}

/// Standard output.
pub(super) struct Out {
    /// Whether a person reads it.
    pub(super) is_terminal: bool,
    to: BufWriter<io::Stdout>,
}

impl Out {
    /// Writes a line of JSON.
    pub(super) fn json(&mut self, line: &impl serde::Serialize) -> io::Result<()> {
        serde_json::to_writer(&mut self.to, line)?;
        self.to.write_all(b"\n")
    }
}

impl Write for Out {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.to.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }
}
