//! Whole files: the examples, one that is not there, and a large one.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use hallmonitor::config::{LoadError, Vars, load};
use hallmonitor::secret::MemoryVault;

use crate::accepted;

#[test]
fn every_example_loads() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/configs");
    let mut names = Vec::new();
    for entry in fs::read_dir(&folder).expect("the examples are there").flatten() {
        let path = entry.path();
        let config = load(&path, &Vars::default(), &MemoryVault::default())
            .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        assert!(!config.monitors.is_empty(), "{}", path.display());
        names.push(entry.file_name().to_string_lossy().into_owned());
    }
    names.sort();
    assert_eq!(names, ["embedded.yml", "hallmonitor.yml", "homelab.yml", "influxdb.yml", "none.yml", "postgres.yml"]);
}

#[test]
fn a_file_that_cannot_be_read_says_which() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("nowhere.yml");
    let error = load(&path, &Vars::default(), &MemoryVault::default()).expect_err("not there");
    assert!(matches!(error, LoadError::Read { .. }));
    assert!(error.to_string().contains("nowhere.yml"), "{error}");
    let error = load(folder.path(), &Vars::default(), &MemoryVault::default()).expect_err("a folder");
    assert!(error.to_string().contains("it is a folder"), "{error}");
}

#[test]
fn ten_thousand_monitors_load() {
    let mut text = String::from("monitoring:\n  defaultInterval: 1m\n  groups:\n");
    for at in 0..10_000 {
        if at % 100 == 0 {
            let _ = writeln!(text, "    - name: group {}\n      monitors:", at / 100);
        }
        let _ = writeln!(
            text,
            "        - name: monitor {at}\n          type: http\n          url: http://10.0.{}.{}/health\n          \
             timeout: 5s\n          labels: {{rack: r{}, owner: ops}}",
            at / 250,
            at % 250,
            at % 17
        );
    }
    let config = accepted(&text);
    assert_eq!(config.monitors.len(), 10_000);
    assert_eq!(config.groups.len(), 100);
    assert!(config.warnings.is_empty());
}
