//! The InfluxDB that tests run against: built once, from its Go module, into the user's cache. No registry carries it
//! ready-made. `tests/servers/influxd/go.mod` pins its version, `go.sum` the contents of all that it is made of.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::shell;

/// The folder of its module.
const MODULE: &str = "tests/servers/influxd";
/// The server, and what finds its library (which is built by cargo).
const SERVER: &str = "github.com/influxdata/influxdb/v2/cmd/influxd";
const PKG_CONFIG: &str = "github.com/influxdata/pkg-config";
/// How often it is said that something is still going on.
const SAY_EVERY: Duration = Duration::from_secs(30);
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// Builds the server where it is not there.
pub fn ready() -> Result<()> {
    let module = shell::root().join(MODULE);
    let version = version(&module)?;
    let tools = shell::tools()?;
    let program = tools.join(format!("influxd-{version}"));
    if program.is_file() {
        return Ok(());
    }
    std::fs::create_dir_all(&tools).with_context(|| format!("making {}", tools.display()))?;
    let folder = tools.join(format!("influxd-{version}-build-{}", std::process::id()));
    std::fs::create_dir_all(&folder).with_context(|| format!("making {}", folder.display()))?;
    let built = build(&module, &folder, &version);
    let placed = built.and_then(|built| {
        // At once or not at all: whoever looks finds a whole program.
        std::fs::rename(&built, &program).with_context(|| format!("moving it to {}", program.display()))
    });
    let _ = std::fs::remove_dir_all(&folder);
    placed
}

/// The version that the module pins.
fn version(module: &Path) -> Result<String> {
    let file = module.join("go.mod");
    let text = std::fs::read_to_string(&file).with_context(|| format!("reading {}", file.display()))?;
    pinned(&text).with_context(|| format!("{} pins no version of influxdb", file.display()))
}

fn pinned(module: &str) -> Option<String> {
    let (_, rest) = module.split_once("\tgithub.com/influxdata/influxdb/v2 v")?;
    rest.split_whitespace().next().map(str::to_owned)
}

fn build(module: &Path, folder: &Path, version: &str) -> Result<PathBuf> {
    eprintln!("building InfluxDB {version} for the tests: 5 to 15 minutes, once");
    let (pkg_config, server) = (folder.join("pkg-config"), folder.join("influxd"));
    let go = |arguments: &[&str], to: &Path| {
        let mut command = Command::new("go");
        command.args(["build", "-mod=readonly", "-o"]).arg(to).args(arguments).current_dir(module);
        // What else goes on here must not wait for it, and its module names a toolchain of Rust that is not there.
        command.env("GOFLAGS", "-p=2").env("PKG_CONFIG", &pkg_config).env_remove("CARGO_TARGET_DIR");
        if let Some(toolchain) = toolchain() {
            command.env("RUSTUP_TOOLCHAIN", toolchain);
        }
        command
    };
    wait(go(&[PKG_CONFIG], &pkg_config), "InfluxDB's pkg-config")?;
    let flags = format!("-ldflags=-X main.version=v{version}");
    wait(go(&["-tags", "sqlite_foreign_keys,sqlite_json", &flags, SERVER], &server), "InfluxDB")?;
    let said = Command::new(&server).arg("version").output().context("starting what was built")?;
    if !String::from_utf8_lossy(&said.stdout).contains(version) {
        bail!("what was built is not InfluxDB {version}: {said:?}");
    }
    Ok(server)
}

/// The toolchain of Rust that is in use here.
fn toolchain() -> Option<String> {
    let output = Command::new("rustup").args(["show", "active-toolchain"]).current_dir(shell::root()).output().ok()?;
    let text = String::from_utf8(output.stdout).ok().filter(|_| output.status.success())?;
    text.split_whitespace().next().map(str::to_owned)
}

/// Waits for a program and says now and then that it is still at work; what it prints is shown where it fails.
#[allow(clippy::disallowed_methods, reason = "a build takes the machine's own time")]
fn wait(mut command: Command, what: &str) -> Result<()> {
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::inherit())
        .spawn()
        .with_context(|| format!("{what}: `go` cannot be started"))?;
    let begun = Instant::now();
    let mut said = Duration::ZERO;
    loop {
        if let Some(status) = child.try_wait().with_context(|| format!("waiting for {what}"))? {
            if status.success() {
                return Ok(());
            }
            bail!("{what} cannot be built: {status}");
        }
        let passed = begun.elapsed();
        if passed - said >= SAY_EVERY {
            said = passed;
            eprintln!("… {what}: {} min {:02} s", passed.as_secs() / 60, passed.as_secs() % 60);
        }
        std::thread::sleep(LOOK_EVERY);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_is_read_from_the_module() {
        let version = version(&shell::root().join(MODULE)).expect("is pinned");
        assert!(version.starts_with("2.") && version.split('.').count() == 3, "{version}");
        assert_eq!(
            pinned("require (\n\tgithub.com/influxdata/influxdb/v2 v2.9.1 // indirect\n)").as_deref(),
            Some("2.9.1")
        );
        assert_eq!(pinned("module x"), None);
    }
}
