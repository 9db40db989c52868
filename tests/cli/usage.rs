//! Help, completions, exit codes, folders.

use std::process::Stdio;

use crate::{hallmonitor, run, run_in, said};

#[test]
fn help_names_commands_exit_codes_and_folders() {
    let help = run(&["--help"]);
    assert_eq!(help.code, Some(0));
    for word in
        ["run", "check", "status", "history", "uptime", "incidents", "pause", "storage", "instances", "completions"]
    {
        assert!(help.out.contains(&format!("\n  {word}")), "{word} in {}", help.out);
    }
    for word in ["Exit codes", "Examples", "HALLMONITOR_CONFIG", "--data-dir", "--json"] {
        assert!(help.out.contains(word), "{word} in {}", help.out);
    }
    let version = run(&["--version"]);
    assert_eq!(version.out.trim(), format!("hallmonitor {}", env!("CARGO_PKG_VERSION")));
    let check = run(&["check", "--help"]);
    for kind in ["ping", "http", "tcp", "dns"] {
        assert!(check.out.contains(kind), "{kind} in {}", check.out);
    }
    assert!(run(&["check", "http", "--help"]).out.contains("--timeout"));
}

#[test]
fn wrong_usage_exits_with_2() {
    for args in
        [&["fly"][..], &["history"], &["uptime", "--window", "often"], &["check", "http"], &["status", "-x"], &[]]
    {
        let wrong = run(args);
        assert_eq!(wrong.code, Some(2), "{args:?}: {}{}", wrong.out, wrong.err);
        assert!(wrong.out.is_empty() && !wrong.err.is_empty(), "{args:?}");
    }
}

#[test]
fn completions_are_written_for_every_shell() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = run(&["completions", shell]);
        assert_eq!(script.code, Some(0), "{}", script.err);
        assert!(script.out.contains("hallmonitor") && script.out.contains("incidents"), "{shell}");
    }
}

#[test]
fn a_closed_pipe_is_no_error() {
    let home = tempfile::tempdir().expect("home");
    let mut child = hallmonitor(home.path())
        .args(["completions", "bash"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("starts");
    drop(child.stdout.take());
    let said = said(&child.wait_with_output().expect("ends"));
    assert_eq!((said.code, said.err.as_str()), (Some(0), ""));
}

#[test]
fn nobody_there_and_no_files_exits_with_3() {
    for args in [&["status"][..], &["history", "--all"], &["uptime"], &["incidents"], &["check-now", "--all"]] {
        let home = tempfile::tempdir().expect("home");
        let answer = run_in(home.path(), args);
        assert_eq!(answer.code, Some(3), "{args:?}: {}{}", answer.out, answer.err);
        assert!(answer.err.contains("hallmonitor run"), "{args:?}: {}", answer.err);
        assert!(answer.out.is_empty());
    }
}

#[test]
fn a_missing_configuration_says_where_it_was_looked_for_and_how_to_make_one() {
    for args in [&["validate"][..], &["check"], &["run"]] {
        let home = tempfile::tempdir().expect("home");
        let missing = run_in(home.path(), args);
        assert_eq!(missing.code, Some(2), "{args:?}: {}", missing.err);
        assert!(missing.err.contains("hallmonitor/config.yml"), "{args:?}: {}", missing.err);
        assert!(missing.err.contains("type: ping"), "{args:?}: {}", missing.err);
    }
}

#[test]
fn the_environment_names_other_folders() {
    let home = tempfile::tempdir().expect("home");
    let missing = said(
        &hallmonitor(home.path())
            .args(["validate"])
            .env("HALLMONITOR_CONFIG", home.path().join("mine.yml"))
            .output()
            .expect("starts"),
    );
    assert_eq!(missing.code, Some(2));
    assert!(missing.err.contains("mine.yml"), "{}", missing.err);
}
