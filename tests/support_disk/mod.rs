//! A small disk of our own: a tmpfs in a mount namespace, in which one test of this program is run again.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

/// Names the disk to the test that is run on it.
const VARIABLE: &str = "HM_SMALL_DISK";

/// The disk, for the test that runs on it; none when it was started as one of many: then it has nothing to do.
pub fn disk() -> Option<PathBuf> {
    std::env::var_os(VARIABLE).map(PathBuf::from)
}

/// To be called at the end by the test that runs on the disk.
pub fn passed() {
    let disk = disk().expect("this test runs on a disk of its own");
    fs::write(disk.join("passed"), "").expect("writes");
}

/// Runs the test `name` of this program on a disk of `size` (as tmpfs writes it). Fails when it fails, or when nothing
/// can be mounted.
pub fn run_on_a_small_disk(name: &str, size: &str) {
    let dir = tempfile::tempdir().expect("folder");
    let disk = dir.path().join("disk");
    fs::create_dir(&disk).expect("makes");
    let script = format!(
        "mount -t tmpfs -o size={size},mode=700 tmpfs \"${VARIABLE}\" || exit 99
        \"$0\" --exact {name} --nocapture && test -e \"${VARIABLE}/passed\""
    );
    let run = |flags: &str| {
        Command::new("unshare")
            .args([flags, "sh", "-c", &script])
            .arg(std::env::current_exe().expect("this program"))
            .env(VARIABLE, &disk)
            .output()
            .expect("the command `unshare` (package util-linux) is needed")
    };
    // As root a mount namespace is enough; others need a user namespace as well. 99 says that mounting failed.
    let mut output = run("-m");
    if output.status.code() == Some(99) || !output.status.success() && output.stdout.is_empty() {
        output = run("-rm");
    }
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "needs the right to mount a tmpfs (root, or user namespaces)\n{out}\n{err}");
}
