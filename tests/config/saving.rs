//! Saving the file: never over what somebody else wrote, never half, never what the reader refuses.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use hallmonitor::clock::SystemClock;
use hallmonitor::config::{ConfigFile, Document, Draft, SaveError, Saved, Vars, Way, Which};
use hallmonitor::secret::MemoryVault;

const FILE: &str = "# mine\nmonitoring:\n  groups:\n    - name: g\n      monitors:\n        - {name: a, type: ping, target: h}\n        - {name: b, type: ping, target: h}\nstorage: {backend: none}\n";

struct House {
    _folder: Option<tempfile::TempDir>,
    path: PathBuf,
    data: PathBuf,
}

impl House {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let house = Self::at(folder.path());
        Self { _folder: Some(folder), ..house }
    }

    fn at(folder: &Path) -> Self {
        let (path, data) = (folder.join("etc/config.yml"), folder.join("data"));
        fs::create_dir_all(folder.join("etc")).expect("made");
        fs::write(&path, FILE).expect("written");
        Self { _folder: None, path, data }
    }

    fn file(&self) -> ConfigFile {
        ConfigFile::new(&self.path, &self.data, Arc::new(SystemClock))
    }

    fn text(&self) -> String {
        fs::read_to_string(&self.path).expect("is there")
    }

    fn names(&self, folder: &str) -> Vec<String> {
        let folder = self.data.parent().expect("a folder").join(folder);
        let entries = fs::read_dir(folder).expect("is there").flatten();
        entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
    }
}

fn with_target(document: &Document, name: &str, target: &str) -> Document {
    let mut draft = document.draft(Which::Name(name)).expect("is there");
    draft.set("target", Some(target.into()));
    document.set_monitor(Which::Name(name), &draft, None).expect("edits")
}

fn save(file: &ConfigFile, document: &Document) -> Result<Saved, SaveError> {
    file.save(document, &Vars::default(), &MemoryVault::default())
}

fn undo(file: &ConfigFile) -> Result<Saved, SaveError> {
    file.undo(&Vars::default(), &MemoryVault::default())
}

#[test]
fn a_save_is_read_kept_and_taken_back() {
    let house = House::new();
    let file = house.file();
    assert!(matches!(undo(&file), Err(SaveError::NothingToUndo)));
    let document = file.read().expect("reads");
    let saved = save(&file, &with_target(&document, "a", "i")).expect("saves");
    assert_eq!((saved.way, saved.config.monitors.len()), (Some(Way::Replaced), 2));
    let once = FILE.replacen("target: h", "target: i", 1);
    assert_eq!(house.text(), once);
    assert_eq!(house.names("etc"), ["config.yml"]);
    // Saved again there is nothing to do.
    let again = file.read().expect("reads");
    assert_eq!(save(&file, &again).expect("saves").way, None);
    save(&file, &with_target(&again, "b", "j")).expect("saves");
    // Undo is a save too: it can be undone.
    undo(&file).expect("undoes");
    assert_eq!(house.text(), once);
    undo(&file).expect("undoes");
    assert_eq!(house.text(), once.replacen("target: h", "target: j", 1));
    let versions = file.versions().expect("lists");
    let oldest = versions.last().expect("is there");
    assert_eq!(file.version(&oldest.name).expect("reads"), FILE);
    let now = file.read().expect("reads").base();
    file.restore(&oldest.name, now, &Vars::default(), &MemoryVault::default()).expect("restores");
    assert_eq!(house.text(), FILE);
    let none = file.restore("../etc/config.yml", now, &Vars::default(), &MemoryVault::default());
    assert!(matches!(none, Err(SaveError::NoVersion { .. })));
}

#[test]
fn what_changed_meanwhile_is_not_written_over() {
    let house = House::new();
    let file = house.file();
    let mine = with_target(&file.read().expect("reads"), "a", "i");
    let theirs = format!("# theirs\n{FILE}");
    fs::write(&house.path, &theirs).expect("written");
    let Err(SaveError::Conflict(conflict)) = save(&file, &mine) else { panic!("no conflict") };
    assert_eq!((&*conflict.theirs, &*conflict.mine), (theirs.as_str(), mine.text()));
    assert_eq!(house.text(), theirs);
    assert!(!format!("{conflict:?}").contains("ping"), "no text in Debug");
    // The same after a save of ours that is to be undone.
    save(&file, &with_target(&file.read().expect("reads"), "a", "i")).expect("saves");
    fs::write(&house.path, &theirs).expect("written");
    assert!(matches!(undo(&file), Err(SaveError::Conflict(_))));
    assert_eq!(house.text(), theirs);
    // Gone, and there where nothing was.
    let document = file.read().expect("reads");
    fs::remove_file(&house.path).expect("removed");
    assert!(matches!(save(&file, &with_target(&document, "b", "i")), Err(SaveError::Conflict(_))));
    let first = Document::empty();
    fs::write(&house.path, FILE).expect("written");
    assert!(matches!(save(&file, &first), Err(SaveError::Conflict(_))));
}

#[test]
fn of_two_writers_at_once_one_wins_and_nothing_is_lost() {
    let house = House::new();
    let wins = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for writer in 0..4 {
            let (house, wins) = (&house, &wins);
            scope.spawn(move || {
                let file = house.file();
                for round in 0..25 {
                    // Each adds one monitor; who loses reads again.
                    let added = Draft::new(
                        "g",
                        [("name", format!("w{writer}-{round}")), ("type", "ping".into()), ("target", "h".into())],
                    );
                    loop {
                        let document = file.read().expect("is never half");
                        match save(&file, &document.add_monitor(&added).expect("adds")) {
                            Ok(_) => {
                                wins.fetch_add(1, Ordering::Relaxed);
                                break;
                            }
                            Err(SaveError::Conflict(_)) => {}
                            Err(other) => panic!("{other}"),
                        }
                    }
                }
            });
        }
    });
    assert_eq!(wins.into_inner(), 100);
    assert_eq!(house.file().read().expect("reads").names().len(), 102);
    assert_eq!(house.file().versions().expect("lists").len(), 20);
    assert_eq!(house.names("etc"), ["config.yml"]);
}

#[test]
fn what_the_reader_refuses_is_not_saved_and_told_by_field() {
    let house = House::new();
    let file = house.file();
    let document = file.read().expect("reads");
    let refused = |change: &dyn Fn(&mut Draft)| {
        let mut draft = document.draft(Which::Name("b")).expect("is there");
        change(&mut draft);
        let edited = document.set_monitor(Which::Name("b"), &draft, None).expect("edits");
        let Err(SaveError::Refused { fields, refusal }) = save(&file, &edited) else { panic!("{}", edited.text()) };
        assert_eq!(refusal.problems.len(), fields.len());
        let of = |text: &Option<String>| text.clone().unwrap_or_default();
        fields.iter().map(|field| format!("{}.{}", of(&field.monitor), of(&field.field))).collect::<Vec<_>>()
    };
    let set = |key: &'static str, text: &'static str| move |draft: &mut Draft| draft.set(key, Some(text.into()));
    assert_eq!(refused(&set("interval", "30")), ["b.interval"]);
    assert_eq!(refused(&set("name", "a")), ["a.name"]);
    assert_eq!(refused(&set("count", "many")), ["b.count"]);
    assert_eq!(refused(&set("maxBody", "5")), ["b.maxBody"]);
    assert_eq!(refused(&|draft| draft.set("target", None)), ["b.target"]);
    assert_eq!(refused(&|draft| draft.set("type", None)), ["b.type"]);
    assert_eq!(refused(&set("type", "smtp")), ["b.type"]);
    let two = |draft: &mut Draft| {
        *draft = Draft::new("g", [("name", "b\u{7}"), ("type", "dns"), ("timeout", "1h")]);
    };
    assert_eq!(refused(&two), ["b\u{7}.name", "b\u{7}.target", "b\u{7}.query", "b\u{7}.timeout"]);
    assert_eq!(house.text(), FILE);
    assert!(file.versions().expect("lists").is_empty());
    // What was wrong before, elsewhere, is told without a field.
    fs::write(&house.path, format!("{FILE}loging: {{}}\n")).expect("written");
    let edited = with_target(&file.read().expect("reads"), "a", "i");
    let Err(SaveError::Refused { fields, .. }) = save(&file, &edited) else { panic!("saved") };
    assert_eq!((fields.len(), &fields[0].monitor, &fields[0].field), (1, &None, &None));
}

#[test]
fn no_expanded_value_is_kept_anywhere() {
    let house = House::new();
    let file = house.file();
    let vault = MemoryVault::default();
    hallmonitor::secret::Vault::set(&vault, "token", "hunter2".to_owned().into()).expect("set");
    let vars: Vars = [("PLACE", "hunter2")].into_iter().collect();
    let draft = Draft::new(
        "g",
        [("name", "w"), ("type", "http"), ("url", "http://u:${secret:token}@h/"), ("timeout", "${PLACE}")],
    );
    let document = file.read().expect("reads").add_monitor(&draft).expect("adds");
    let error = file.save(&document, &vars, &vault).expect_err("refused");
    assert!(!format!("{error} {error:?}").contains("hunter2"));
    let mut draft = document.draft(Which::Name("w")).expect("is there");
    assert_eq!(draft.text("url"), Some("http://u:${secret:token}@h/"));
    draft.set("timeout", None);
    let document = document.set_monitor(Which::Name("w"), &draft, None).expect("edits");
    let saved = file.save(&document, &vars, &vault).expect("saves");
    assert!(!format!("{saved:?}").contains("hunter2"));
    file.undo(&vars, &vault).expect("undoes");
    for name in house.names("data/versions") {
        let text = fs::read_to_string(house.data.join("versions").join(&name)).expect("is there");
        assert!(!text.contains("hunter2"), "{name}");
    }
}

#[test]
fn a_first_save_makes_the_file_for_its_owner_alone() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("new/config.yml");
    let file = ConfigFile::new(&path, &folder.path().join("data"), Arc::new(SystemClock));
    let draft = Draft::new("lan", [("name", "a"), ("type", "ping"), ("target", "h")]);
    let saved = save(&file, &file.read().expect("none yet").add_monitor(&draft).expect("adds")).expect("saves");
    assert_eq!((saved.before, saved.config.monitors.len()), (None, 1));
    #[cfg(unix)]
    assert_eq!(
        std::os::unix::fs::PermissionsExt::mode(&fs::metadata(&path).expect("is there").permissions()) & 0o777,
        0o600
    );
    assert!(matches!(undo(&file), Err(SaveError::NothingToUndo)));
}

#[cfg(target_os = "linux")]
mod mounted {
    use std::os::unix::fs::{MetadataExt, PermissionsExt};
    use std::process::Command;

    use super::*;
    use crate::support_namespace::Namespace;

    /// Runs the test `name` again in a namespace where it may mount, and there its `body`.
    fn in_namespace(name: &str, unprivileged: bool, body: impl FnOnce()) {
        if Namespace::is_entered() {
            return body();
        }
        Namespace { prepare: &[], unprivileged }.enter(&format!("saving::mounted::{name}"));
    }

    fn mount(arguments: &[&str]) {
        let status = Command::new("mount").args(arguments).status();
        assert!(status.is_ok_and(|status| status.success()), "cannot mount {arguments:?} (package mount)");
    }

    fn shown(path: &Path) -> &str {
        path.to_str().expect("text")
    }

    #[test]
    fn a_single_file_that_is_mounted_is_written_over() {
        in_namespace("a_single_file_that_is_mounted_is_written_over", false, || {
            let house = House::new();
            // As a container has it: the file comes from elsewhere, the folder may be read-only.
            for read_only in [false, true] {
                let outside = house.data.with_file_name("outside.yml");
                fs::write(&outside, FILE).expect("written");
                fs::set_permissions(&outside, fs::Permissions::from_mode(0o644)).expect("set");
                let folder = house.path.parent().expect("a folder");
                mount(&["--bind", shown(folder), shown(folder)]);
                mount(&["--bind", shown(&outside), shown(&house.path)]);
                if read_only {
                    mount(&["-o", "remount,bind,ro", shown(folder)]);
                }
                let inode = fs::metadata(&house.path).expect("is there").ino();
                let file = house.file();
                for target in ["a-name-that-is-longer", "i"] {
                    let edited = with_target(&file.read().expect("reads"), "a", target);
                    let saved = save(&file, &edited).unwrap_or_else(|error| panic!("{error}"));
                    assert_eq!(saved.way, Some(Way::InPlace));
                    assert_eq!(fs::read_to_string(&outside).expect("is there"), edited.text());
                }
                undo(&file).expect("undoes");
                assert!(house.text().contains("a-name-that-is-longer"));
                let metadata = fs::metadata(&house.path).expect("is there");
                assert_eq!((metadata.ino(), metadata.mode() & 0o777), (inode, 0o644));
                assert_eq!(house.names("etc"), ["config.yml"], "nothing is left beside it");
            }
        });
    }

    #[test]
    fn a_folder_that_is_not_ours_is_not_needed() {
        in_namespace("a_folder_that_is_not_ours_is_not_needed", true, || {
            let house = House::new();
            let folder = house.path.parent().expect("a folder");
            fs::set_permissions(folder, fs::Permissions::from_mode(0o555)).expect("set");
            assert!(fs::write(folder.join("x"), "").is_err(), "this test needs a folder that it may not write to");
            let file = house.file();
            let saved = save(&file, &with_target(&file.read().expect("reads"), "a", "i")).expect("saves");
            assert_eq!((saved.way, house.text().contains("target: i")), (Some(Way::InPlace), true));
            // Where the file is not ours either, it stays as it is.
            fs::set_permissions(&house.path, fs::Permissions::from_mode(0o444)).expect("set");
            let before = house.text();
            let error = save(&file, &with_target(&file.read().expect("reads"), "a", "j")).expect_err("refused");
            assert!(matches!(error, SaveError::Write { .. }), "{error}");
            assert!(error.to_string().contains("config.yml"), "{error}");
            assert_eq!(house.text(), before);
            fs::set_permissions(folder, fs::Permissions::from_mode(0o755)).expect("set");
        });
    }

    #[test]
    fn a_full_disk_leaves_the_old_content() {
        in_namespace("a_full_disk_leaves_the_old_content", false, || {
            let outside = tempfile::tempdir().expect("a folder");
            for (data_on_disk, in_place) in [(true, false), (false, false), (false, true)] {
                let disk = tempfile::tempdir().expect("a folder");
                mount(&["-t", "tmpfs", "-o", "size=256k,mode=700", "tmpfs", shown(disk.path())]);
                let mut house = House::at(disk.path());
                if !data_on_disk {
                    house.data = outside.path().join(format!("data-{in_place}"));
                }
                let file = house.file();
                // A save that works makes the folders.
                save(&file, &with_target(&file.read().expect("reads"), "b", "k")).expect("saves");
                let before = house.text();
                if in_place {
                    mount(&["--bind", shown(&house.path), shown(&house.path)]);
                }
                let ballast = disk.path().join("ballast");
                let _ = fs::write(&ballast, vec![7; 1024 * 1024]);
                let mut draft = file.read().expect("reads").draft(Which::Name("a")).expect("is there");
                draft.set("labels", Some([("long", "x".repeat(20_000))].into()));
                let edited = file.read().expect("reads").set_monitor(Which::Name("a"), &draft, None).expect("edits");
                let Err(error) = save(&file, &edited) else { panic!("a full disk is not full") };
                assert!(error.to_string().contains("nothing was saved: cannot"), "{error}");
                assert_eq!(house.text(), before);
                assert_eq!(house.names_of_etc(), ["config.yml"]);
                fs::remove_file(&ballast).expect("removed");
                let saved = save(&file, &with_target(&file.read().expect("reads"), "a", "i")).expect("saves again");
                assert_eq!(saved.way, Some(if in_place { Way::InPlace } else { Way::Replaced }));
            }
        });
    }

    impl House {
        fn names_of_etc(&self) -> Vec<String> {
            let entries = fs::read_dir(self.path.parent().expect("a folder")).expect("is there").flatten();
            entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
        }
    }
}
