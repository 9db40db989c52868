//! The configuration: reads the YAML file, tells everything that is wrong with it at once, and notices changes.
//!
//! A file that is wrong by itself (syntax, an unknown key or kind, a bad value, a name that stands twice) is refused as
//! a whole, with every problem at its line and column. What is wrong by its surroundings (a variable, a file or a
//! secret that is not there) makes the one monitor that needs it wait. What a key may hold comes from the tables in
//! `schema.rs` and from the fields of the kinds and the backends; documentation and messages come from there too. An
//! expanded value never appears in a message or in `Debug`.
//!
//! The way of a file: `source.rs` bytes to text, `node.rs` text to a tree with places, `value.rs` one value (with
//! `expand.rs` for `${…}` and `duration.rs`), `section.rs` the fixed sections and the variables above them (`vars.rs`),
//! then `monitors.rs` (with `fields.rs` for what depends on the kind), `storage.rs`, `logging.rs` and `notify.rs` make
//! plain data of it (`entry.rs`). `problem.rs` says what is wrong, `render.rs` shows it, `watch.rs` waits for a change,
//! `folders.rs` says where the file is when nobody does. `edit/` changes the text in place.

mod address;
mod duration;
mod edit;
mod entry;
mod expand;
mod fields;
mod folders;
mod logging;
mod monitors;
mod node;
mod notify;
mod problem;
mod render;
mod schema;
mod section;
mod source;
mod storage;
mod value;
mod vars;
mod watch;

use std::fmt;
use std::path::Path;
use std::sync::Arc;

pub use self::duration::format_duration;
pub use self::edit::{
    ByHand, ConfigFile, Conflict, Document, Draft, EditError, FieldProblem, Inherited, Opaque, Owner, PlainPart,
    PlainSecret, SaveError, Saved, SectionValues, Version, Way, Which, Written, WrittenRetention,
};
pub use self::entry::{Entry, GroupEntry, MonitorEntry, OwnRetention, Setting, Source};
pub use self::folders::{NoFolder, Platform, config_file, data_dir};
pub use self::logging::{LogFormat, LogOutput, Logging};
pub use self::notify::{AlertRule, Alerting, Webhook};
pub use self::problem::{LoadError, Problem, Refusal, Severity};
pub use self::render::picture;
pub use self::schema::{
    Effect, GROUP_KEYS, KEPT_KEYS, Key, MONITOR_KEYS, RULE_KEYS, Section, Shape, WEBHOOK_KEYS, old_variable_of,
    sections, variable_of,
};
pub use self::source::{FILE_LIMIT, content_hash};
pub use self::storage::Storage;
pub use self::vars::Vars;
pub use self::watch::FileWatch;

use self::expand::Expander;
use self::problem::{Place, Problems};
use self::value::Reader;
use crate::secret::Vault;

/// What a file says, with the environment's overrides.
#[derive(Clone)]
pub struct Config {
    /// The text that was read, for writing it again with its comments.
    pub text: Arc<str>,
    /// Tells this content from another; see [`content_hash`].
    pub hash: u64,
    /// What this installation is called; none takes the host's name.
    pub instance_name: Option<String>,
    /// What the program says of itself.
    pub logging: Logging,
    /// Where history is kept, and for how long.
    pub storage: Storage,
    /// The groups, in the order of the file.
    pub groups: Vec<GroupEntry>,
    /// The monitors, in the order of the file.
    pub monitors: Vec<MonitorEntry>,
    /// Rules for alerts.
    pub alerting: Alerting,
    /// Where to send events to.
    pub webhooks: Vec<Webhook>,
    /// What has no effect, or another one than it seems.
    pub warnings: Vec<Problem>,
}

impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Not the text: it may hold passwords.
        f.debug_struct("Config")
            .field("instance_name", &self.instance_name)
            .field("logging", &self.logging)
            .field("storage", &self.storage)
            .field("groups", &self.groups)
            .field("monitors", &self.monitors)
            .field("alerting", &self.alerting)
            .field("webhooks", &self.webhooks)
            .field("warnings", &self.warnings)
            .finish_non_exhaustive()
    }
}

/// Reads a file. Blocks on it, on the files it names and on the vault.
///
/// # Errors
/// The file cannot be read, or something is wrong in it: then with everything that is.
pub fn load(path: &Path, vars: &Vars, vault: &dyn Vault) -> Result<Config, LoadError> {
    let bytes = source::read(path).map_err(|source| LoadError::Read { path: path.to_owned(), source })?;
    Ok(parse(&bytes, path, vars, vault)?)
}

/// What holds where there is no file yet: the defaults, the environment's overrides, and nothing that is watched. `path`
/// is where the file will be.
///
/// # Errors
/// Something is wrong in the environment's overrides.
pub fn without_file(path: &Path, vars: &Vars, vault: &dyn Vault) -> Result<Config, Refusal> {
    parse(b"{}", path, vars, vault)
}

/// Reads the content of a file. `path` is how messages call it, and its folder is where relative paths in it start.
/// Blocks on the files it names and on the vault.
///
/// # Errors
/// Everything that is wrong in it.
pub fn parse(bytes: &[u8], path: &Path, vars: &Vars, vault: &dyn Vault) -> Result<Config, Refusal> {
    let mut problems = Problems::new(&path.to_string_lossy());
    let Some(text) = source::text(bytes, &mut problems) else {
        // Lines of it can be shown as far as it is text.
        let text = String::from_utf8_lossy(&bytes[..bytes.len().min(FILE_LIMIT)]);
        return Err(refusal(problems, text.strip_prefix('\u{feff}').unwrap_or(&text).into()));
    };
    let Some(root) = node::parse(text, &mut problems) else { return Err(refusal(problems, text.into())) };
    let folder = path.parent().unwrap_or(Path::new(""));
    let mut reader = Reader { problems, expander: Expander::new(vars, vault, folder), folder };
    let mut given = section::read(&mut reader, &root, vars);
    let storage = storage::read(&mut reader, &mut given);
    let (groups, monitors) = monitors::read(&mut reader, &given);
    let alerting = notify::read_alerting(&mut reader, &given);
    let webhooks = notify::read_webhooks(&mut reader, &given);
    section::report_unknown_variables(&mut reader, vars);
    if monitors.is_empty() && !reader.problems.has_errors() {
        reader.problems.warning(Place::START, "nothing is watched: there is no monitor under `monitoring.groups`");
    }
    let text: Arc<str> = text.into();
    let warnings = reader.problems.finish(Arc::clone(&text))?;
    let instance_name = given.text("instance.name").map(str::to_owned);
    let logging = logging::read(&mut given, folder);
    let Some(storage) = storage else { return Err(Refusal { problems: warnings, left_out: 0, text }) };
    let hash = content_hash(bytes);
    Ok(Config { text, hash, instance_name, logging, storage, groups, monitors, alerting, webhooks, warnings })
}

/// What ended the reading early.
fn refusal(problems: Problems, text: Arc<str>) -> Refusal {
    match problems.finish(Arc::clone(&text)) {
        Err(refusal) => refusal,
        Ok(problems) => Refusal { problems, left_out: 0, text },
    }
}
