//! The arguments.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args as ArgGroup, CommandFactory as _, Parser, Subcommand, ValueEnum, ValueHint};
use clap_complete::Shell;

use super::kinds;
use super::paint::ColorChoice;
use super::span::{Moment, parse_length, parse_moment};

const AFTER_HELP: &str = "\
Exit codes:
  0  all is well
  1  something is down, or what was asked for is not there
  2  wrong usage, or a configuration that cannot be used
  3  no answer: nobody is watching and there are no files, or the fault is on this side

Examples:
  hallmonitor run                              watch what the configuration names
  hallmonitor check http https://example.com   check once, now, without a configuration
  hallmonitor status                           what is up and what is not
  hallmonitor history router --since 24h       what the checks said
  hallmonitor uptime --window 30d --json       figures for other programs

Folders:
  configuration  $XDG_CONFIG_HOME/hallmonitor/config.yml, else ~/.config/hallmonitor/config.yml
  data           $XDG_DATA_HOME/hallmonitor, else ~/.local/share/hallmonitor
  on macOS       ~/Library/Application Support/hallmonitor
  on Windows     %APPDATA%\\hallmonitor and %LOCALAPPDATA%\\hallmonitor
  HALLMONITOR_CONFIG and HALLMONITOR_DATA_DIR name others.";

/// Watches hosts and services by ping, HTTP, TCP and DNS, and keeps what it saw.
#[derive(Debug, Parser)]
#[command(name = "hallmonitor", version, about, max_term_width = 110, after_help = AFTER_HELP, propagate_version = true)]
pub(super) struct Args {
    #[command(flatten)]
    pub(super) common: Common,
    #[command(subcommand)]
    pub(super) command: Command,
}

/// What every command takes.
#[derive(Debug, Clone, ArgGroup)]
#[command(next_help_heading = "Everywhere")]
pub(super) struct Common {
    /// The configuration file.
    #[arg(long, global = true, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(super) config: Option<PathBuf>,
    /// The data folder.
    #[arg(long, global = true, value_name = "FOLDER", value_hint = ValueHint::DirPath)]
    pub(super) data_dir: Option<PathBuf>,
    /// Answer in JSON lines.
    #[arg(long, global = true)]
    pub(super) json: bool,
    /// When to use colours.
    #[arg(long, global = true, value_enum, default_value_t, value_name = "WHEN", hide_possible_values = true)]
    pub(super) color: ColorChoice,
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    Run(Run),
    Check(Check),
    Validate(Validate),
    Status(Status),
    History(History),
    Uptime(Uptime),
    Incidents(Incidents),
    Pause(Pause),
    Resume(Resume),
    CheckNow(CheckNow),
    Secrets(Secrets),
    Storage(Storage),
    Instances(Instances),
    Completions(Completions),
}

/// Watch, until asked to stop.
///
/// On a terminal it shows a live table (q quits); else it writes a line for each change of state. SIGTERM or Ctrl-C
/// ends it within 5 seconds with everything kept; a second Ctrl-C ends it at once.
#[derive(Debug, ArgGroup)]
pub(super) struct Run {
    /// Write lines, in this format, where a terminal would show the table.
    #[arg(long, value_enum, value_name = "FORMAT")]
    pub(super) log_format: Option<LogFormat>,
    /// Write the log to the end of this file instead of standard error. Under the table the log is kept and shown when
    /// it ends, unless this names a file.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(super) log_file: Option<PathBuf>,
    /// What to log: error, warn, info, debug, trace, or a filter such as `info,hallmonitor::schedule=debug`.
    /// [default: info; warn under the table]
    #[arg(long, value_name = "LEVEL")]
    pub(super) log_level: Option<String>,
}

/// How lines are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum LogFormat {
    /// For people.
    Text,
    /// For programs.
    Json,
}

/// Check once, now, and say what was seen; exit with 1 when something is down.
///
/// Without arguments it checks every enabled monitor of the configuration; with names only those. `check http URL` and
/// the like check something that need not be in the configuration. (A monitor whose name is a kind: `check -- http`.)
#[derive(Debug, ArgGroup)]
#[command(args_conflicts_with_subcommands = true)]
pub(super) struct Check {
    /// Monitors of the configuration, by name.
    #[arg(value_name = "MONITOR")]
    pub(super) monitors: Vec<String>,
    /// Longest time for each check; else the one of the configuration.
    #[arg(long, value_name = "LENGTH", value_parser = parse_length)]
    pub(super) timeout: Option<Duration>,
}

/// Read a configuration and say everything that is wrong with it.
///
/// Each problem is one line `FILE:LINE:COLUMN: what, and what is allowed`; on a terminal with the line itself. Exits
/// with 2 when there is an error; warnings alone are fine.
#[derive(Debug, ArgGroup)]
pub(super) struct Validate {
    /// The file; else that of --config.
    #[arg(value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(super) file: Option<PathBuf>,
}

/// What every monitor is now; exit with 1 when something is down.
#[derive(Debug, ArgGroup)]
pub(super) struct Status {
    /// Only these monitors, by name or id.
    #[arg(value_name = "MONITOR")]
    pub(super) monitors: Vec<String>,
    /// How Hall Monitor itself is doing instead: punctuality, storage, faults.
    #[arg(long, conflicts_with = "monitors")]
    pub(super) own: bool,
}

/// Whose history.
#[derive(Debug, ArgGroup)]
pub(super) struct Scope {
    /// What another installation has kept in the same store, by its name or id; see `instances`.
    #[arg(long, value_name = "NAME")]
    pub(super) instance: Option<String>,
}

/// The installations that keep their history in the configured store.
#[derive(Debug, ArgGroup)]
pub(super) struct Instances {}

/// What the checks said, newest first.
#[derive(Debug, ArgGroup)]
pub(super) struct History {
    /// The monitor, by name or id.
    #[arg(value_name = "MONITOR", required_unless_present = "all", conflicts_with = "all")]
    pub(super) monitor: Option<String>,
    /// All monitors.
    #[arg(long)]
    pub(super) all: bool,
    #[command(flatten)]
    pub(super) scope: Scope,
    /// From when on: how long ago (24h, 7d), a date, or a date and time.
    #[arg(long, value_name = "WHEN", default_value = "24h", value_parser = parse_moment)]
    pub(super) since: Moment,
    /// Up to when; else now.
    #[arg(long, value_name = "WHEN", value_parser = parse_moment)]
    pub(super) until: Option<Moment>,
    /// Most results.
    #[arg(long, value_name = "NUMBER")]
    pub(super) limit: Option<usize>,
}

/// Uptime by time, beside the share of time that was observed at all.
#[derive(Debug, ArgGroup)]
pub(super) struct Uptime {
    /// Monitors, by name or id; else all.
    #[arg(value_name = "MONITOR")]
    pub(super) monitors: Vec<String>,
    #[command(flatten)]
    pub(super) scope: Scope,
    /// How far back.
    #[arg(long, value_name = "LENGTH", default_value = "30d", value_parser = parse_length)]
    pub(super) window: Duration,
}

/// Confirmed outages, newest first.
#[derive(Debug, ArgGroup)]
pub(super) struct Incidents {
    /// Only of this monitor, by name or id.
    #[arg(value_name = "MONITOR")]
    pub(super) monitor: Option<String>,
    /// From when on: how long ago (24h, 7d), a date, or a date and time.
    #[arg(long, value_name = "WHEN", default_value = "30d", value_parser = parse_moment)]
    pub(super) since: Moment,
    /// Most incidents.
    #[arg(long, value_name = "NUMBER", default_value_t = 1000)]
    pub(super) limit: usize,
    #[command(flatten)]
    pub(super) scope: Scope,
}

/// Which monitors to steer.
#[derive(Debug, ArgGroup)]
pub(super) struct Which {
    /// Monitors, by name or id.
    #[arg(value_name = "MONITOR", required_unless_present = "all", conflicts_with = "all")]
    pub(super) monitors: Vec<String>,
    /// All monitors.
    #[arg(long)]
    pub(super) all: bool,
}

/// Stop watching monitors for a while.
#[derive(Debug, ArgGroup)]
pub(super) struct Pause {
    #[command(flatten)]
    pub(super) which: Which,
    /// For how long; else until resumed.
    #[arg(long = "for", value_name = "LENGTH", value_parser = parse_length)]
    pub(super) length: Option<Duration>,
}

/// Watch paused monitors again.
#[derive(Debug, ArgGroup)]
pub(super) struct Resume {
    #[command(flatten)]
    pub(super) which: Which,
}

/// Let the running Hall Monitor check now, besides its schedule.
#[derive(Debug, ArgGroup)]
pub(super) struct CheckNow {
    #[command(flatten)]
    pub(super) which: Which,
}

/// Keep passwords and tokens in the vault, for `${secret:NAME}` in the configuration.
///
/// The vault is the system's keychain; where there is none, the kernel's key ring, which loses what it holds when the
/// machine restarts, then a file in the data folder, encrypted under a passphrase (HALLMONITOR_VAULT_PASSPHRASE,
/// HALLMONITOR_VAULT_PASSPHRASE_FILE, or a question at the terminal). Nothing is ever kept in plain text.
#[derive(Debug, ArgGroup)]
pub(super) struct Secrets {
    #[command(subcommand)]
    pub(super) command: SecretsCommand,
}

#[derive(Debug, Subcommand)]
pub(super) enum SecretsCommand {
    Set(SetSecret),
    Forget(ForgetSecret),
    /// List the names of the secrets that were set here, never their values.
    List,
    Where(WhereSecret),
    Unlock(UnlockKeychain),
}

/// Have the system's keychain ask for its password on the screen, and wait until it is unlocked.
#[derive(Debug, ArgGroup)]
pub(super) struct UnlockKeychain {
    /// Seconds to wait for an answer.
    #[arg(long, value_name = "SECONDS", default_value_t = 120, value_parser = clap::value_parser!(u64).range(1..=3_600))]
    pub(super) wait: u64,
}

/// Keep a secret: what is typed at a hidden prompt or comes on standard input, never an argument.
#[derive(Debug, ArgGroup)]
#[command(after_help = "Example: pass show router | hallmonitor secrets set router-password")]
pub(super) struct SetSecret {
    /// Its name: letters, digits, `-`, `_`, `.`; at most 128.
    #[arg(value_name = "NAME")]
    pub(super) name: String,
    /// Keep it there and nowhere else; by default in the first of these that the system has.
    #[arg(long = "in", value_enum, value_name = "PLACE")]
    pub(super) place: Option<PlaceWord>,
}

/// A place of the vault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum PlaceWord {
    /// The system's keychain.
    Service,
    /// The kernel's key ring; lost when the machine restarts.
    Kernel,
    /// The encrypted file in the data folder.
    File,
}

/// Forget a secret.
#[derive(Debug, ArgGroup)]
pub(super) struct ForgetSecret {
    /// Its name.
    #[arg(value_name = "NAME")]
    pub(super) name: String,
}

/// Say which place a secret is in and whether it can be read; without a name, which places there are, which one takes
/// new secrets, and what is wrong with the others.
#[derive(Debug, ArgGroup)]
pub(super) struct WhereSecret {
    /// Its name.
    #[arg(value_name = "NAME")]
    pub(super) name: Option<String>,
}

/// Where history is kept: how that is doing, the way there, rows that were refused, another backend.
#[derive(Debug, ArgGroup)]
pub(super) struct Storage {
    #[command(subcommand)]
    pub(super) command: StorageCommand,
}

/// What can be done about the store.
#[derive(Debug, Subcommand)]
pub(super) enum StorageCommand {
    /// Look at the way to the store that the configuration names, step by step; exit with 1 when a step fails.
    ///
    /// It writes one value and reads it back, and makes the schema of a new store where it may.
    Test,
    /// Bring the schema of the store up to date, as a user who may, and say which rights the one who watches needs.
    ///
    /// Another user than that of the configuration: HALLMONITOR_STORAGE_POSTGRES_USER and
    /// HALLMONITOR_STORAGE_POSTGRES_PASSWORD.
    MigrateSchema,
    /// How storage is doing: the store, what waits for it, how long writing takes; exit with 1 when there is a fault.
    Status,
    /// Read everything in the store and prove that it is whole; exit with 1 when something is damaged.
    Check,
    DeadLetters(DeadLetters),
    Use(UseStore),
}

/// Rows that a store refused for good, with the reason.
#[derive(Debug, ArgGroup)]
pub(super) struct DeadLetters {
    #[command(subcommand)]
    pub(super) command: LettersCommand,
}

/// What can be done about refused rows.
#[derive(Debug, Subcommand)]
pub(super) enum LettersCommand {
    /// List them, the newest first.
    List {
        /// Most letters.
        #[arg(long, value_name = "NUMBER", default_value_t = 100)]
        limit: usize,
    },
    /// Bring them to their store again; while nothing runs, the next start does.
    Retry(WhichLetters),
    /// Drop them for good.
    Drop(WhichLetters),
}

/// Which refused rows.
#[derive(Debug, ArgGroup)]
pub(super) struct WhichLetters {
    /// Those with this id, or whose id begins so; can be given several times.
    #[arg(long, value_name = "ID", required_unless_present = "all", conflicts_with = "all")]
    pub(super) id: Vec<String>,
    /// All of them.
    #[arg(long)]
    pub(super) all: bool,
}

/// Keep history in another backend from now on.
///
/// The configuration file is changed in place, its comments stay. A running Hall Monitor goes over without a stop: what is
/// produced from then on goes to the new store, what is journaled before still goes to the former one. History is not
/// moved.
#[derive(Debug, ArgGroup)]
pub(super) struct UseStore {
    /// The backend.
    #[arg(value_name = "BACKEND")]
    pub(super) backend: String,
    /// Change the file even where the store cannot be opened now.
    #[arg(long)]
    pub(super) force: bool,
}

/// Write completions for a shell.
#[derive(Debug, ArgGroup)]
#[command(after_help = "Example: hallmonitor completions bash > /etc/bash_completion.d/hallmonitor")]
pub(super) struct Completions {
    /// The shell.
    #[arg(value_enum)]
    pub(super) shell: Shell,
}

/// All arguments, with a subcommand of `check` for every kind.
pub(super) fn command() -> clap::Command {
    Args::command().mut_subcommand("check", |check| check.subcommands(kinds::subcommands()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_arguments_are_consistent() {
        command().debug_assert();
    }

    #[test]
    fn names_of_monitors_and_kinds_live_together() {
        let parse = |line: &str| command().try_get_matches_from(line.split(' '));
        let given = |line: &str| {
            let matches = parse(line).expect("parses");
            let check = matches.subcommand_matches("check").expect("is check").clone();
            check.subcommand_name().map(str::to_owned)
        };
        assert_eq!(given("hallmonitor check"), None);
        assert_eq!(given("hallmonitor check router nas"), None);
        assert_eq!(given("hallmonitor check http http://127.0.0.1/"), Some("http".to_owned()));
        assert_eq!(given("hallmonitor check -- http"), None);
        assert!(parse("hallmonitor history").is_err());
        assert!(parse("hallmonitor history --all x").is_err());
        assert!(parse("hallmonitor uptime --window 3y").is_err());
    }
}
