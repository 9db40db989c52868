//! Finds what this machine lacks, installs it where that is allowed, else says the exact command.

use anyhow::{Context, Result, bail};

use crate::{influxd, shell};

/// How it is told that something is there.
enum Proof {
    /// A program of this name.
    Program(&'static str),
    /// A library that pkg-config knows.
    Library(&'static str),
    /// A module of Python.
    Python(&'static str),
    /// A language that tesseract reads.
    Reads(&'static str),
    /// A program that Debian keeps in a folder for each version of its server: that folder, and the program.
    Versioned(&'static str, &'static str),
}

/// Something that is needed, the Debian package it comes in, and what for.
struct Need {
    proof: Proof,
    package: &'static str,
    why: &'static str,
}

const fn program(program: &'static str, package: &'static str, why: &'static str) -> Need {
    Need { proof: Proof::Program(program), package, why }
}

const POSTGRESQL: Need = Need {
    proof: Proof::Versioned("/usr/lib/postgresql", "initdb"),
    package: "postgresql",
    why: "tests and benches of the postgres backend run against a real server of their own",
};

const GO: Need = program("go", "golang-go", "builds the InfluxDB that tests and benches of its backend run against");

/// What the core and its command need.
const CORE: &[Need] = &[
    program("cc", "build-essential", "compiles zstd and ring"),
    program("git", "git", "the tidy test lists the files"),
    program("python3", "python3", "the home lab example starts small servers"),
];

/// What the desktop app needs to be built.
const DESKTOP: &[Need] = &[
    program("pkg-config", "pkg-config", "finds the libraries of the desktop"),
    Need {
        proof: Proof::Library("webkit2gtk-4.1"),
        package: "libwebkit2gtk-4.1-dev",
        why: "the window is a web view of the desktop's own",
    },
    Need { proof: Proof::Library("dbus-1"), package: "libdbus-1-dev", why: "tray and notices speak D-Bus" },
];

/// What shows the app where there is no display.
const VIRTUAL_DISPLAY: &[Need] = &[
    program("Xvfb", "xvfb", "a display where there is none"),
    program("dbus-run-session", "dbus", "a session bus where there is none"),
    program("import", "imagemagick", "takes the picture"),
];

/// What only the tests need.
const TESTS: &[Need] = &[
    program("ip", "iproute2", "tests of ping and of faults make network namespaces"),
    program("mount", "mount", "tests fill a small disk of their own"),
    program("unshare", "util-linux", "tests run in namespaces of their own"),
    program("nsenter", "util-linux", "tests put a router into a second namespace"),
    program("setpriv", "util-linux", "tests run without privileges"),
    program("chromium", "chromium", "tests of the screens run in a browser"),
    program("dbus-daemon", "dbus", "tests of the vault have a session bus of their own"),
    program("gnome-keyring-daemon", "gnome-keyring", "tests of the vault use a real keychain"),
    Need {
        proof: Proof::Python("dbus"),
        package: "python3-dbus",
        why: "tests of the vault are a keychain that is unwell",
    },
    Need { proof: Proof::Python("gi"), package: "python3-gi", why: "tests of the vault are a keychain that is unwell" },
    POSTGRESQL,
    GO,
    program("pgrep", "procps", "tests freeze a server with all its processes"),
];

/// What drives the real app as a person and a desktop do.
const DRIVEN_DESKTOP: &[Need] = &[
    program("WebKitWebDriver", "webkit2gtk-driver", "tests drive the real window"),
    program("xdotool", "xdotool", "tests close the window as a person does"),
    program("xfwm4", "xfwm4", "the windows of the tests have a frame"),
    // What is used is `convert`, and some other programs are called that too.
    program("mogrify", "imagemagick", "tests make pictures larger, to read them"),
    program("tesseract", "tesseract-ocr", "tests read pictures of the screen"),
    Need { proof: Proof::Reads("eng"), package: "tesseract-ocr-eng", why: "tests read pictures of the screen" },
    Need { proof: Proof::Python("dbus"), package: "python3-dbus", why: "tests are the desktop's tray and notices" },
    Need { proof: Proof::Python("gi"), package: "python3-gi", why: "tests are the desktop's tray and notices" },
];

/// What only the benches need.
const BENCHES: &[Need] = &[
    program("strace", "strace", "the schedule bench counts syncs to disk"),
    program("timeout", "coreutils", "the schedule bench counts for a minute"),
    POSTGRESQL,
    GO,
];

/// Rust components: (argument of cargo that proves it, name).
const COMPONENTS: &[(&str, &str)] = &[("fmt", "rustfmt"), ("clippy", "clippy")];

/// Modules of Node.js that only tests need: a folder of the repository with their lock file, and their folder in the cache.
const TEST_MODULES: &[(&str, &str)] = &[("tests/postgres/timescale", "timescale")];

/// Version of cargo-deny; built once into the cache.
const DENY: &str = "0.20.2";
/// First version of Node.js that the window can be built with.
const NODE: u32 = 20;

/// Installs what the core and its command need.
pub fn for_core() -> Result<()> {
    for (proof, component) in COMPONENTS {
        if !shell::works("cargo", &[proof, "--version"]) {
            shell::run("rustup", &["component", "add", component])?;
        }
    }
    find(&[CORE])
}

/// Installs what building the desktop app needs.
pub fn for_desktop() -> Result<()> {
    for_core()?;
    find(&[DESKTOP])?;
    node()
}

/// Installs what shows the app where there is no display.
pub fn for_virtual_display() -> Result<()> {
    find(&[VIRTUAL_DISPLAY])
}

/// Installs what drives the real app on a virtual display.
pub fn for_desktop_tests() -> Result<()> {
    find(&[VIRTUAL_DISPLAY, DRIVEN_DESKTOP])
}

/// Installs what the checks and tests need.
pub fn for_tests() -> Result<()> {
    for_core()?;
    find(&[DESKTOP, VIRTUAL_DISPLAY, DRIVEN_DESKTOP, TESTS])?;
    node()?;
    for (listed, name) in TEST_MODULES {
        node_modules(listed, name)?;
    }
    influxd::ready()?;
    let deny = shell::tool("cargo-deny")?;
    if shell::works(&deny, &["--version"]) {
        return Ok(());
    }
    let root = shell::tools()?;
    shell::run("cargo", &["install", "cargo-deny", "--version", DENY, "--locked", "--root", &root.to_string_lossy()])
}

/// Installs what the benches need.
pub fn for_benches() -> Result<()> {
    for_core()?;
    find(&[BENCHES])?;
    influxd::ready()
}

/// Installs everything.
pub fn run() -> Result<()> {
    for_tests()?;
    for_benches()
}

fn is_there(need: &Need) -> bool {
    match need.proof {
        Proof::Program(program) => shell::found(program),
        Proof::Library(library) => shell::works("pkg-config", &["--exists", library]),
        // Debian's packages are for Debian's Python, whatever else is first in PATH.
        Proof::Python(module) => shell::works("/usr/bin/python3", &["-c", &format!("import {module}")]),
        Proof::Reads(language) => reads(language),
        Proof::Versioned(folder, program) => shell::found(program) || has_version(folder, program),
    }
}

/// Whether tesseract knows how the letters of a language look.
fn reads(language: &str) -> bool {
    let asked = std::process::Command::new("tesseract").arg("--list-langs").output();
    asked.is_ok_and(|said| String::from_utf8_lossy(&said.stdout).lines().any(|line| line == language))
}

fn has_version(folder: &str, program: &str) -> bool {
    let versions = std::fs::read_dir(folder).into_iter().flatten().flatten();
    versions.into_iter().any(|version| version.path().join("bin").join(program).is_file())
}

fn name(need: &Need) -> &'static str {
    match need.proof {
        Proof::Program(name) | Proof::Library(name) | Proof::Python(name) | Proof::Versioned(_, name) => name,
        Proof::Reads("eng") => "tesseract's English",
        Proof::Reads(language) => language,
    }
}

/// Finds things, and installs the packages of those that are not there.
fn find(lists: &[&[Need]]) -> Result<()> {
    if !cfg!(target_os = "linux") {
        return Ok(());
    }
    let needs = || lists.iter().flat_map(|list| list.iter());
    let missing: Vec<&Need> = needs().filter(|need| !is_there(need)).collect();
    if missing.is_empty() {
        return Ok(());
    }
    for need in &missing {
        eprintln!("missing: {} ({})", name(need), need.why);
    }
    let mut packages: Vec<&str> = missing.iter().map(|need| need.package).collect();
    packages.sort_unstable();
    packages.dedup();
    install(&packages)?;
    match needs().find(|need| !is_there(need)) {
        None => Ok(()),
        Some(need) => bail!("`{}` is still missing after installing {}", name(need), need.package),
    }
}

/// Node.js builds the window.
fn node() -> Result<()> {
    if node_version().is_none() || !shell::found("npm") {
        install(&["nodejs", "npm"])?;
    }
    let version = node_version().context("Node.js is missing: install it (https://nodejs.org), version 20 or later")?;
    if version < NODE {
        bail!("Node.js {version} is too old: the window needs {NODE} or later (https://nodejs.org)");
    }
    Ok(())
}

/// Installs what a lock file names into a folder of the cache, unless that is what is there.
fn node_modules(listed: &str, name: &str) -> Result<()> {
    let (from, to) = (shell::root().join(listed), shell::tools()?.join(name));
    let wanted =
        std::fs::read(from.join("package-lock.json")).with_context(|| format!("{listed}/package-lock.json"))?;
    let mark = to.join(".installed-from");
    if std::fs::read(&mark).is_ok_and(|installed| installed == wanted) {
        return Ok(());
    }
    std::fs::create_dir_all(&to).with_context(|| format!("making {}", to.display()))?;
    for file in ["package.json", "package-lock.json"] {
        std::fs::copy(from.join(file), to.join(file)).with_context(|| format!("copying {file}"))?;
    }
    let folder = to.to_string_lossy();
    // What they are made to stand in for is not wanted beside them.
    let args = ["ci", "--prefix", &folder, "--legacy-peer-deps", "--ignore-scripts", "--no-audit", "--no-fund"];
    shell::run("npm", &args)?;
    std::fs::write(&mark, wanted).with_context(|| format!("writing {}", mark.display()))
}

/// The main version of Node.js, if it is there.
fn node_version() -> Option<u32> {
    let output = std::process::Command::new("node").arg("--version").output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    text.trim().trim_start_matches('v').split('.').next()?.parse().ok()
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
