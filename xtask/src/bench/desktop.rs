//! What the desktop bench measures: the window's files, and both programs with them inside.

use std::path::PathBuf;

use anyhow::{Result, bail};

use crate::shell;

/// A program that is needed and the Debian package it comes in. What more is needed says the bench itself.
const NEEDS: &[(&str, &str)] = &[("node", "nodejs"), ("npm", "npm"), ("Xvfb", "xvfb")];

/// Builds everything; gives the variables by which the bench finds it.
pub fn build() -> Result<Vec<(&'static str, PathBuf)>> {
    if let Some((program, package)) = NEEDS.iter().find(|(program, _)| !shell::found(program)) {
        bail!("`{program}` is missing (Debian: {package}); without it the desktop bench cannot run");
    }
    shell::run("npm", &["--prefix", "ui", "ci", "--no-audit", "--no-fund"])?;
    shell::run("npm", &["--prefix", "ui", "run", "build"])?;
    shell::run("cargo", &["build", "--release", "--locked", "-p", "hallmonitor-desktop", "-p", "hallmonitor-bare"])?;
    let release = shell::target()?.join("release");
    Ok(vec![
        ("HALLMONITOR_DESKTOP", release.join("hallmonitor-desktop")),
        ("BENCH_BARE", release.join("hallmonitor-bare")),
    ])
}
