//! Packages of the desktop app, and the pictures of the README.

use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::{app, setup, shell, window};

/// Makes packages of what was built; a prebuilt program that comes from npm.
const BUNDLER: &str = "@tauri-apps/cli@2.12.5";
const PICTURES: &str = "docs/pictures";

/// Makes a .deb and an .rpm.
pub fn run() -> Result<()> {
    app::build_desktop()?;
    let tools = shell::tools()?;
    let bundler = tools.join("node_modules/.bin/tauri");
    if !shell::works(&bundler.to_string_lossy(), &["--version"]) {
        let tools = tools.to_string_lossy();
        shell::run("npm", &["install", "--no-audit", "--no-fund", "--no-save", "--prefix", &tools, BUNDLER])?;
    }
    let status = Command::new(&bundler)
        .args(["bundle", "--bundles", "deb,rpm"])
        .current_dir(shell::root().join("src-tauri"))
        .env("CARGO_TARGET_DIR", shell::target()?)
        .status()
        .with_context(|| format!("{} cannot be started", bundler.display()))?;
    if !status.success() {
        bail!("the packages could not be made: {status}");
    }
    println!("packages: {}", shell::target()?.join("release/bundle").display());
    Ok(())
}

/// Takes the pictures of the README from the real app, in both themes.
pub fn screenshots() -> Result<()> {
    setup::for_tests()?;
    window::build()?;
    shell::run("cargo", &["build", "--locked", "-p", "hallmonitor-desktop"])?;
    shell::run("cargo", &["build", "--locked", "--example", "demo_history", "--example", "storage_servers"])?;
    let pictures = shell::root().join(PICTURES);
    let status = shell::command("node", &["tests/desktop/run.mjs", "--screenshots"])?
        .arg(&pictures)
        .env("HALLMONITOR_DESKTOP", shell::target()?.join("debug/hallmonitor-desktop"))
        .env("HALLMONITOR_DEMO_HISTORY", shell::target()?.join("debug/examples/demo_history"))
        .env("HALLMONITOR_STORAGE_SERVERS", shell::target()?.join("debug/examples/storage_servers"))
        .status()
        .context("node cannot be started")?;
    if !status.success() {
        bail!("no pictures could be taken: {status}");
    }
    println!("pictures: {}", pictures.display());
    Ok(())
}
