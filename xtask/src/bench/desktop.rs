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
    shell::run("cargo", &["build", "--locked", "--example", "storage_servers"])?;
    let release = shell::target()?.join("release");
    Ok(vec![
        ("HALLMONITOR_DESKTOP", release.join("hallmonitor-desktop")),
        ("HALLMONITOR_STORAGE_SERVERS", shell::target()?.join("debug/examples/storage_servers")),
        ("BENCH_BARE", release.join("hallmonitor-bare")),
    ])
}
