//! Finds what this machine lacks, installs it where that is allowed, else says the exact command.

use anyhow::{Result, bail};

use crate::shell;

/// A program that is needed, the Debian package it comes in, and what for.
struct Need {
    program: &'static str,
    package: &'static str,
    why: &'static str,
}

const NEEDS: &[Need] = &[
    Need { program: "cc", package: "build-essential", why: "compiles zstd and ring" },
    Need { program: "git", package: "git", why: "the tidy test lists the files" },
    Need { program: "ip", package: "iproute2", why: "tests of ping and of faults make network namespaces" },
    Need { program: "mount", package: "mount", why: "tests fill a small disk of their own" },
    Need { program: "unshare", package: "util-linux", why: "tests run in namespaces of their own" },
    Need { program: "nsenter", package: "util-linux", why: "tests put a router into a second namespace" },
    Need { program: "setpriv", package: "util-linux", why: "tests run without privileges" },
    Need { program: "python3", package: "python3", why: "the home lab example starts small servers" },
];

/// What only the benches need.
const BENCH_NEEDS: &[Need] = &[
    Need { program: "strace", package: "strace", why: "the schedule bench counts syncs to disk" },
    Need { program: "timeout", package: "coreutils", why: "the schedule bench counts for a minute" },
];

/// Rust components: (argument of cargo that proves it, name).
const COMPONENTS: &[(&str, &str)] = &[("fmt", "rustfmt"), ("clippy", "clippy")];

/// Version of cargo-deny; built once into the cache.
const DENY: &str = "0.20.2";

/// Installs what only the checks need.
pub fn for_tests() -> Result<()> {
    run()?;
    let deny = shell::tool("cargo-deny")?;
    if shell::works(&deny, &["--version"]) {
        return Ok(());
    }
    let root = shell::tools()?;
    shell::run("cargo", &["install", "cargo-deny", "--version", DENY, "--locked", "--root", &root.to_string_lossy()])
}

/// Installs what only the benches need.
pub fn for_benches() -> Result<()> {
    run()?;
    programs(BENCH_NEEDS)
}

/// Installs what everything needs.
pub fn run() -> Result<()> {
    for (proof, component) in COMPONENTS {
        if !shell::works("cargo", &[proof, "--version"]) {
            shell::run("rustup", &["component", "add", component])?;
        }
    }
    programs(NEEDS)
}

/// Finds programs, and installs the packages of those that are not there.
fn programs(needs: &[Need]) -> Result<()> {
    if !cfg!(target_os = "linux") {
        return Ok(());
    }
    let missing: Vec<&Need> = needs.iter().filter(|need| !shell::found(need.program)).collect();
    if missing.is_empty() {
        return Ok(());
    }
    for need in &missing {
        eprintln!("missing: {} ({})", need.program, need.why);
    }
    let mut packages: Vec<&str> = missing.iter().map(|need| need.package).collect();
    packages.dedup();
    install(&packages)?;
    match needs.iter().find(|need| !shell::found(need.program)) {
        None => Ok(()),
        Some(need) => bail!("`{}` is still missing after installing {}", need.program, need.package),
    }
}

fn install(packages: &[&str]) -> Result<()> {
    let mut arguments = vec!["install", "-y", "--no-install-recommends"];
    arguments.extend(packages);
    let by_hand = format!("sudo apt-get update && sudo apt-get {}", arguments.join(" "));
    if !shell::found("apt-get") {
        bail!("install the programs named above with your package manager (Debian: {by_hand})");
    }
    if shell::works("sh", &["-c", "test \"$(id -u)\" = 0"]) {
        shell::run("apt-get", &["update", "-q"])?;
        shell::run("apt-get", &arguments)
    } else if shell::works("sudo", &["-n", "true"]) {
        shell::run("sudo", &["-n", "apt-get", "update", "-q"])?;
        shell::run("sudo", &[&["-n", "apt-get"], arguments.as_slice()].concat())
    } else {
        bail!("this needs your password, so please run: {by_hand}");
    }
}
