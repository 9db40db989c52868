//! The window's files: installed, checked and built by npm in `ui/`.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::shell;

fn folder() -> PathBuf {
    shell::root().join("ui")
}

/// A command of npm in the window's folder.
pub fn npm(args: &[&str]) -> Command {
    let mut command = Command::new("npm");
    command.args(args).current_dir(folder());
    command
}

/// Runs npm, showing what it prints; fails when it fails.
pub fn run(args: &[&str]) -> Result<()> {
    eprintln!("$ npm {} (in ui/)", args.join(" "));
    let status = npm(args).status().context("npm cannot be started")?;
    if !status.success() {
        bail!("`npm {}` failed: {status}", args.join(" "));
    }
    Ok(())
}

/// Installs what the lock file names, unless that is what is there.
pub fn install() -> Result<()> {
    let wanted = fs::read(folder().join("package-lock.json")).context("ui/package-lock.json")?;
    let mark = folder().join("node_modules/.installed-from");
    if fs::read(&mark).is_ok_and(|installed| installed == wanted) {
        return Ok(());
    }
    run(&["ci", "--no-audit", "--no-fund"])?;
    fs::write(&mark, wanted).with_context(|| format!("writing {}", mark.display()))
}

/// Builds `ui/dist`, which the desktop shell takes in.
pub fn build() -> Result<()> {
    install()?;
    run(&["run", "build"])
}
