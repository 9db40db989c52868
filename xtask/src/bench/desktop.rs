//! What the desktop bench measures: both programs, one with the window's files inside.

use std::path::PathBuf;

use anyhow::Result;

use crate::{setup, shell, window};

/// Builds everything; gives the variables by which the bench finds it.
pub fn build() -> Result<Vec<(&'static str, PathBuf)>> {
    setup::for_desktop()?;
    setup::for_desktop_tests()?;
    window::build()?;
    shell::run("cargo", &["build", "--release", "--locked", "-p", "hallmonitor-desktop", "-p", "hallmonitor-bare"])?;
    let release = shell::target()?.join("release");
    Ok(vec![
        ("HALLMONITOR_DESKTOP", release.join("hallmonitor-desktop")),
        ("BENCH_BARE", release.join("hallmonitor-bare")),
    ])
}
