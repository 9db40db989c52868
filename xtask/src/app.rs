//! Runs Hall Monitor on the home lab example: local servers in the background, the desktop app in front. Where there
//! is no display it runs on a virtual one, and a picture shows what a person would see. `--table` runs the command's
//! live table instead.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::sleep;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::{setup, shell, window};

const SCRIPT: &str = "examples/homelab.sh";
const CONFIG: &str = "examples/configs/homelab.yml";
/// Whether somebody pressed Ctrl-C.
static INTERRUPTED: AtomicBool = AtomicBool::new(false);
/// After this time the window has been painted with the first results.
const PAINTED: Duration = Duration::from_secs(8);

pub fn run(args: &[String]) -> Result<()> {
    let table = args.iter().any(|arg| arg == "--table");
    let args: Vec<&str> = args.iter().map(String::as_str).filter(|arg| *arg != "--table").collect();
    if table {
        setup::for_core()?;
        shell::run("cargo", &["build", "--release", "--bin", "hallmonitor"])?;
    } else {
        build_desktop()?;
    }
    // Ctrl-C is for the app, which is in the foreground with us; the servers are stopped after it.
    ctrlc::set_handler(|| INTERRUPTED.store(true, Ordering::Relaxed)).context("Ctrl-C cannot be left to the app")?;
    shell::run("bash", &[SCRIPT, "start"])?;
    let status = if table { run_table(&args) } else { run_desktop(&args) };
    shell::run("bash", &[SCRIPT, "down"])?;
    status
}

/// Builds the desktop app with its window inside.
pub fn build_desktop() -> Result<()> {
    setup::for_desktop()?;
    window::build()?;
    eprintln!("building the desktop app; the first time takes some minutes, most of them for its libraries");
    shell::run("cargo", &["build", "--release", "--locked", "-p", "hallmonitor-desktop"])
}

fn data() -> Result<PathBuf> {
    Ok(shell::cache()?.join("homelab-data"))
}

fn run_table(args: &[&str]) -> Result<()> {
    let program = shell::target()?.join("release/hallmonitor");
    let mut command = shell::command(&program.to_string_lossy(), &["run", "--config", CONFIG])?;
    finished(command.arg("--data-dir").arg(data()?).args(args), &program)
}

fn run_desktop(args: &[&str]) -> Result<()> {
    let program = shell::target()?.join("release/hallmonitor-desktop");
    let config = shell::root().join(CONFIG);
    let arguments = |command: &mut Command| -> Result<()> {
        command.arg("--config").arg(&config).arg("--data-dir").arg(data()?).args(args);
        Ok(())
    };
    if has_display() {
        let mut command = shell::command(&program.to_string_lossy(), &[])?;
        arguments(&mut command)?;
        return finished(&mut command, &program);
    }
    setup::for_virtual_display()?;
    let display = VirtualDisplay::start()?;
    let mut command = shell::command("dbus-run-session", &["--"])?;
    command
        .arg(&program)
        .env("DISPLAY", &display.name)
        .env("WEBKIT_DISABLE_DMABUF_RENDERER", "1")
        .env("NO_AT_BRIDGE", "1");
    arguments(&mut command)?;
    let mut child = command.spawn().context("dbus-run-session cannot be started")?;
    sleep(PAINTED);
    let picture = shell::cache()?.join("app.png");
    display.picture(&picture)?;
    println!("There is no display here, so Hall Monitor runs on a virtual one ({}).", display.name);
    println!("What a person would see: {}", picture.display());
    println!("It goes on until you press Ctrl-C.");
    let status = child.wait().context("waiting for the app")?;
    // A bus that Ctrl-C ended is no fault.
    if !status.success() && !INTERRUPTED.load(Ordering::Relaxed) {
        bail!("the app ended with {status}");
    }
    Ok(())
}

fn finished(command: &mut Command, program: &Path) -> Result<()> {
    let status = command.status().with_context(|| format!("{} cannot be started", program.display()))?;
    if !status.success() {
        bail!("{} ended with {status}", program.display());
    }
    Ok(())
}

fn has_display() -> bool {
    !cfg!(target_os = "linux")
        || ["DISPLAY", "WAYLAND_DISPLAY"]
            .iter()
            .any(|name| std::env::var_os(name).is_some_and(|value| !value.is_empty()))
}

/// An X server without a screen; ends when it is dropped.
struct VirtualDisplay {
    server: Child,
    name: String,
}

impl VirtualDisplay {
    fn start() -> Result<Self> {
        let mut server = Command::new("Xvfb")
            .args(["-displayfd", "1", "-screen", "0", "1280x800x24", "-nolisten", "tcp"])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .context("Xvfb cannot be started")?;
        let mut number = String::new();
        let output = server.stdout.take().context("Xvfb says nothing")?;
        BufReader::new(output).read_line(&mut number).context("Xvfb says nothing")?;
        Ok(Self { server, name: format!(":{}", number.trim()) })
    }

    /// Takes a picture of the whole display.
    fn picture(&self, to: &Path) -> Result<()> {
        File::create(to).with_context(|| format!("{} cannot be written", to.display()))?;
        let taken = Command::new("import")
            .args(["-window", "root"])
            .arg(to)
            .env("DISPLAY", &self.name)
            .status()
            .context("import (ImageMagick) cannot be started")?;
        if !taken.success() {
            bail!("no picture could be taken: {taken}");
        }
        Ok(())
    }
}

impl Drop for VirtualDisplay {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}
