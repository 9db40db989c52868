//! The configuration file from outside: every kind of problem with its place, overrides, expansion, HallMonitor's own
//! schema, the examples, and the documentation that is made from the tables.

#![allow(clippy::expect_used, reason = "a test may stop at the first fault")]

mod documentation;
mod editing;
mod editing_any;
mod environment;
mod examples;
mod first_run;
mod hallmonitor_schema;
mod hostile;
mod plain;
mod problems;
mod reading;
mod saving;
mod values;

#[cfg(target_os = "linux")]
#[path = "../support_namespace/mod.rs"]
#[allow(dead_code, reason = "only the namespace is needed")]
mod support_namespace;

use std::path::Path;

use hallmonitor::config::{Config, Refusal, Severity, parse};
use hallmonitor::secret::{MemoryVault, Vault};

pub(crate) const NO_VARS: [(&str, &str); 0] = [];

pub(crate) fn read_with<const N: usize>(text: &str, vars: [(&str, &str); N]) -> Result<Config, Refusal> {
    let vault = MemoryVault::default();
    vault.set("token", "hunter2".to_owned().into()).expect("the vault takes it");
    parse(text.as_bytes(), Path::new("f.yml"), &vars.into_iter().collect(), &vault)
}

pub(crate) fn accepted(text: &str) -> Config {
    accepted_with(text, NO_VARS)
}

pub(crate) fn accepted_with<const N: usize>(text: &str, vars: [(&str, &str); N]) -> Config {
    read_with(text, vars).unwrap_or_else(|refusal| panic!("{text}\nis refused: {:#?}", refusal.problems))
}

/// The errors of a refused text as lines.
pub(crate) fn errors(text: &str) -> Vec<String> {
    errors_with(text, NO_VARS)
}

pub(crate) fn errors_with<const N: usize>(text: &str, vars: [(&str, &str); N]) -> Vec<String> {
    let refusal = read_with(text, vars).expect_err("refused");
    let errors = refusal.problems.iter().filter(|problem| problem.severity == Severity::Error);
    errors.map(ToString::to_string).collect()
}

pub(crate) fn warnings(config: &Config) -> Vec<String> {
    config.warnings.iter().map(ToString::to_string).collect()
}

/// A file with the given lines as keys of one http monitor, which start at line 6, column 9.
pub(crate) fn monitor(keys: &str) -> String {
    let keys: String = keys.lines().map(|line| format!("        {line}\n")).collect();
    format!("monitoring:\n  groups:\n    - name: g\n      monitors:\n      - name: m\n{keys}")
}

/// The same for keys of a monitor that is complete with kind and address.
pub(crate) fn http(keys: &str) -> String {
    monitor(&format!("type: http\nurl: http://127.0.0.1/\n{keys}"))
}

/// Asserts that a text is refused with exactly one error that starts so.
pub(crate) fn assert_error(text: &str, start: &str) {
    let errors = errors(text);
    assert_eq!(errors.len(), 1, "{text}\n{errors:#?}");
    assert!(errors[0].starts_with(start), "{text}\ngives   {}\nand not {start}", errors[0]);
}
