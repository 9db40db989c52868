//! Tests that need a network of their own start themselves again inside a fresh network namespace, where they may do
//! as they like with addresses, routes, names, system settings and limits of the process.

use std::fs::{self, File};
use std::process::Command;

/// Set inside the namespace.
const INSIDE: &str = "HALLMONITOR_TEST_NAMESPACE";

/// Programs the namespaces are made with, and the Debian packages that hold them.
const TOOLS: &str = "unshare, setpriv and mount (package util-linux, mount), ip (package iproute2), sh";

/// A namespace to be.
pub(crate) struct Namespace<'a> {
    /// Shell lines that prepare it, run as its root.
    pub(crate) prepare: &'a [&'a str],
    /// Whether the test itself runs without any privilege.
    pub(crate) unprivileged: bool,
}

impl Namespace<'_> {
    /// Whether this process runs in it already.
    pub(crate) fn is_entered() -> bool {
        std::env::var_os(INSIDE).is_some()
    }

    /// Runs the test called `name` once more inside and fails when it does.
    ///
    /// # Panics
    /// The test failed or did not run there, or a tool is missing.
    pub(crate) fn enter(&self, name: &str) {
        for tool in ["unshare", "ip", "setpriv", "mount"] {
            let found = Command::new("sh").args(["-c", "command -v \"$0\" >/dev/null", tool]).status();
            assert!(found.is_ok_and(|status| status.success()), "the tool `{tool}` is missing; needed are {TOOLS}");
        }
        let program = std::env::current_exe().expect("own path");
        // Not another user: one who is not root here has but one to give away.
        let privilege = if self.unprivileged { "setpriv --bounding-set=-all --inh-caps=-all" } else { "" };
        let prepare = self.prepare.concat();
        let script = format!("set -e\n{prepare}exec {privilege} \"$0\" --exact \"$1\" --nocapture --test-threads 1");
        let output = Command::new("unshare")
            .args(if rustix::process::geteuid().is_root() { &[][..] } else { &["--map-root-user"] })
            .args(["--net", "--mount", "sh", "-c", &script])
            .arg(program)
            .arg(name)
            .env(INSIDE, "1")
            .current_dir("/")
            .output()
            .expect("unshare runs");
        let text = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success() && text.contains("1 passed"), "in the namespace:\n{text}");
    }
}

/// Puts these lines in the place of the machine's hosts file. Only inside a namespace.
///
/// # Panics
/// The file cannot be put there.
pub(crate) fn set_hosts(lines: &str) {
    let (_, path) = tempfile::NamedTempFile::with_prefix("hosts").and_then(|file| Ok(file.keep()?)).expect("a file");
    fs::write(&path, lines).expect("writes");
    let status = Command::new("mount").arg("--bind").arg(&path).arg("/etc/hosts").status();
    assert!(status.is_ok_and(|status| status.success()), "mount works");
    fs::remove_file(path).expect("the mount holds it");
}

/// Uses all descriptors up that this process may have, until what is given back is dropped. Only for a process of its
/// own.
///
/// # Panics
/// The limit cannot be set.
pub(crate) fn use_up_descriptors() -> Vec<File> {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let maximum = getrlimit(Resource::Nofile).maximum;
    setrlimit(Resource::Nofile, Rlimit { current: Some(64), maximum }).expect("is allowed");
    std::iter::from_fn(|| File::open("/dev/null").ok()).collect()
}
