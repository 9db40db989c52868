//! The command `hallmonitor`: arguments in, lines or a live table out. It knows how to ask and how to show; what is
//! true it learns from the core, the file or the control socket.
//!
//! It promises: what goes to standard output is the answer and nothing else, JSON lines with `--json`; text from
//! outside is cleaned before it reaches a terminal; a closed pipe ends it quietly; the exit code says what was found
//! ([`Exit`]).
//!
//! - `args`: the arguments, `kinds`: those of `check KIND`, made from the kinds' fields.
//! - `span`: how times are written.
//! - `open`: the only file that starts the core, opens its files or reads the configuration.
//! - `desk`: what every command has at hand: folders, clock, output, and somebody to ask.
//! - `words`, `paint`, `columns`, `json`: how things are told.
//! - `hidden`: questions whose answer is not shown.
//! - one file a command, those about the store in `storage/`; `live` is the table of `run`, `announce` its lines, `logs`
//!   where its log goes.
#![allow(clippy::redundant_pub_crate, reason = "the rooms of the command are private to it")]

mod announce;
mod args;
mod check;
mod columns;
mod completions;
mod desk;
mod exit;
mod hidden;
mod history;
mod incidents;
mod instances;
mod json;
mod kinds;
mod live;
mod logs;
mod open;
mod paint;
mod run;
mod secrets;
mod span;
mod status;
mod steer;
mod storage;
mod uptime;
mod validate;
mod words;

use std::io::Write as _;
use std::process::ExitCode;

use clap::FromArgMatches as _;

use self::args::{Args, Command};
use self::desk::Desk;
pub use self::exit::Exit;
use self::exit::Trouble;

/// Reads the process's arguments, does what they say and gives its exit code.
pub fn main() -> ExitCode {
    let matches = args::command().get_matches();
    let args = match Args::from_arg_matches(&matches) {
        Ok(args) => args,
        Err(error) => error.exit(),
    };
    // One thread: the core brings its own.
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return Trouble::Unable(format!("the system gives no event queue: {error}")).report().into(),
    };
    let exit = Desk::set_up(&args.common).and_then(|mut desk| {
        let done = runtime.block_on(dispatch(&mut desk, args, &matches));
        desk.out.flush()?;
        done
    });
    // Whatever still runs after the deadline of its command is not waited for.
    runtime.shutdown_background();
    exit.unwrap_or_else(|trouble| trouble.report()).into()
}

async fn dispatch(desk: &mut Desk, args: Args, matches: &clap::ArgMatches) -> Result<Exit, Trouble> {
    match args.command {
        Command::Run(run) => run::run(desk, &run).await,
        Command::Check(check) => {
            let given = matches.subcommand_matches("check").and_then(clap::ArgMatches::subcommand);
            check::check(desk, &check, given).await
        }
        Command::Validate(validate) => validate::validate(desk, &validate),
        Command::Status(status) => status::status(desk, &status).await,
        Command::History(history) => history::history(desk, &history).await,
        Command::Uptime(uptime) => uptime::uptime(desk, &uptime).await,
        Command::Incidents(incidents) => incidents::incidents(desk, &incidents).await,
        Command::Pause(pause) => steer::pause(desk, pause).await,
        Command::Resume(resume) => steer::resume(desk, resume).await,
        Command::CheckNow(check) => steer::check_now(desk, check).await,
        Command::Secrets(secrets) => secrets::secrets(desk, &secrets),
        Command::Storage(storage) => storage::storage(desk, &storage).await,
        Command::Instances(_) => instances::instances(desk).await,
        Command::Completions(completions) => completions::completions(desk, &completions),
    }
}
