//! Runs Hall Monitor on the home lab example: local servers in the background, the live table in front.

use anyhow::{Context, Result, bail};

use crate::{setup, shell};

const SCRIPT: &str = "examples/homelab.sh";

pub fn run(args: &[String]) -> Result<()> {
    setup::run()?;
    shell::run("cargo", &["build", "--release", "--bin", "hallmonitor"])?;
    shell::run("bash", &[SCRIPT, "start"])?;
    let program = shell::target()?.join("release/hallmonitor");
    let data = shell::cache()?.join("homelab-data");
    let mut command = shell::command(&program.to_string_lossy(), &["run", "--config", "examples/configs/homelab.yml"])?;
    let status = command.arg("--data-dir").arg(data).args(args).status();
    shell::run("bash", &[SCRIPT, "down"])?;
    let status = status.with_context(|| format!("{} cannot be started", program.display()))?;
    if !status.success() {
        bail!("hallmonitor ended with {status}");
    }
    Ok(())
}
