//! A kill or a fault at any step of a change of content.

#[cfg(unix)]
use std::process::Command;

use super::*;

#[cfg(unix)]
const ALL: [Step; 3] = [Step::Made, Step::Written, Step::Renamed];
const OLD: &[u8] = b"old: 1\n";
const NEW: &[u8] = b"new: 22\n";

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).expect("a folder").flatten();
    let mut names: Vec<_> = entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

fn full() -> io::Error {
    io::ErrorKind::StorageFull.into()
}

/// Not a test by itself: is killed at a step, when the test below starts it.
#[cfg(unix)]
#[test]
fn killed_child() {
    let vars = crate::config::Vars::from_system();
    let Ok(at) = vars.get("HM_KILL_AT").unwrap_or_default().parse::<usize>() else { return };
    let file = PathBuf::from(vars.get("HM_KILL_FILE").expect("a file"));
    let mut kill = |step| {
        if step == ALL[at] {
            rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL)?;
        }
        Ok(())
    };
    let _ = swap(&file, Some(OLD), NEW, "1", &mut kill);
    unreachable!("it is killed before");
}

#[cfg(unix)]
#[test]
fn a_kill_at_any_step_leaves_a_whole_file_and_the_next_one_cleans_up() {
    for (at, step) in ALL.iter().enumerate() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("config.yml");
        fs::write(&file, OLD).expect("written");
        let output = Command::new(std::env::current_exe().expect("this program"))
            .args(["--exact", "config::edit::swap::tests::killed_child", "--nocapture"])
            .envs([("HM_KILL_AT", at.to_string()), ("HM_KILL_FILE", file.display().to_string())])
            .output()
            .expect("starts");
        let signal = std::os::unix::process::ExitStatusExt::signal(&output.status);
        assert_eq!(signal, Some(9), "{step:?}: {}", String::from_utf8_lossy(&output.stderr));
        let content = fs::read(&file).expect("is there");
        assert_eq!(content, if *step == Step::Renamed { NEW } else { OLD });
        assert_eq!(names(folder.path()).len(), if *step == Step::Renamed { 1 } else { 2 }, "{step:?}");
        // Of another file nothing is touched.
        let other = folder.path().join(".config.yml.bak.1.hallmonitor-tmp");
        fs::write(&other, "mine").expect("written");
        assert_eq!(swap(&file, Some(&content), b"third", "2", &mut |_| Ok(())).expect("writes"), Way::Replaced);
        assert_eq!(names(folder.path()), [".config.yml.bak.1.hallmonitor-tmp", "config.yml"]);
        assert_eq!(fs::read(&file).expect("is there"), b"third");
    }
}

#[test]
fn a_fault_at_any_step_leaves_the_old_content_and_nothing_else() {
    for step in [Step::Made, Step::Written] {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("config.yml");
        fs::write(&file, OLD).expect("written");
        let mut fail = |at| if at == step { Err(full()) } else { Ok(()) };
        assert!(matches!(swap(&file, Some(OLD), NEW, "1", &mut fail), Err(Fault::Untouched(_))));
        assert_eq!((fs::read(&file).expect("is there").as_slice(), names(folder.path()).len()), (OLD, 1));
    }
}

#[test]
fn writing_over_fails_back() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("config.yml");
    for (old, new) in [(OLD, NEW), (NEW, OLD)] {
        for step in [Step::Reserved, Step::Overwritten] {
            fs::write(&file, old).expect("written");
            let mut fail = |at| if at == step { Err(full()) } else { Ok(()) };
            assert!(matches!(overwrite(&file, old, new, &mut fail), Err(Fault::Untouched(_))));
            assert_eq!(fs::read(&file).expect("is there"), old, "{step:?}");
        }
        overwrite(&file, old, new, &mut |_| Ok(())).expect("writes");
        assert_eq!(fs::read(&file).expect("is there"), new);
    }
}

#[cfg(unix)]
#[test]
fn owner_group_and_mode_are_kept() {
    use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("config.yml");
    fs::write(&file, OLD).expect("written");
    // Only root gives a file away; for others it stays their own.
    let given_away = chown(&file, Some(1234), Some(4321)).is_ok();
    assert_eq!(given_away, rustix::process::geteuid().is_root());
    fs::set_permissions(&file, fs::Permissions::from_mode(0o664)).expect("set");
    let of = |metadata: Metadata| (metadata.uid(), metadata.gid(), metadata.mode());
    let before = of(fs::metadata(&file).expect("is there"));
    assert_eq!(swap(&file, Some(OLD), NEW, "1", &mut |_| Ok(())).expect("writes"), Way::Replaced);
    assert_eq!(of(fs::metadata(&file).expect("is there")), before);
}

#[cfg(unix)]
#[test]
fn links_are_followed_and_the_mode_is_kept() {
    use std::os::unix::fs::{PermissionsExt, symlink};
    let folder = tempfile::tempdir().expect("a folder");
    let real = folder.path().join("real");
    fs::create_dir(&real).expect("made");
    symlink("real/config.yml", folder.path().join("one")).expect("linked");
    symlink("one", folder.path().join("two")).expect("linked");
    let file = resolve(&folder.path().join("two"));
    // It leads to nothing yet.
    swap(&file, None, OLD, "1", &mut |_| Ok(())).expect("writes");
    let mode = |path: &Path| fs::metadata(path).expect("is there").permissions().mode() & 0o777;
    assert_eq!((fs::read(real.join("config.yml")).expect("is there").as_slice(), mode(&file)), (OLD, 0o600));
    fs::set_permissions(&file, fs::Permissions::from_mode(0o640)).expect("set");
    let again = resolve(&folder.path().join("two"));
    swap(&again, Some(OLD), NEW, "1", &mut |_| Ok(())).expect("writes");
    assert_eq!((fs::read(real.join("config.yml")).expect("is there").as_slice(), mode(&file)), (NEW, 0o640));
    assert!(fs::symlink_metadata(folder.path().join("two")).expect("is there").is_symlink());
}
