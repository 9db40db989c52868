//! The rules of ARCHITECTURE.md that a compiler does not know.

#![allow(clippy::expect_used, reason = "a test may stop at the first fault")]

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Every file that git tracks or would track, as (path from the root, text).
fn files() -> Vec<(String, String)> {
    let listed = Command::new("git")
        .args(["ls-files", "--cached", "--others", "--exclude-standard"])
        .current_dir(root())
        .output()
        .expect("git lists the files");
    assert!(listed.status.success(), "git ls-files failed");
    String::from_utf8_lossy(&listed.stdout)
        .lines()
        .filter_map(|path| Some((path.to_owned(), fs::read_to_string(root().join(path)).ok()?)))
        .collect()
}

fn core_sources() -> Vec<(String, String)> {
    files().into_iter().filter(|(path, _)| path.starts_with("src/") && path.ends_with(".rs")).collect()
}

/// Lines of a source file before its unit tests, without comments.
fn code_lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.lines()
        .take_while(|line| !line.contains("mod tests {"))
        .enumerate()
        .map(|(at, line)| (at + 1, line.split("//").next().unwrap_or_default()))
}

fn assert_none(rule: &str, faults: &[String]) {
    assert!(faults.is_empty(), "{rule}:\n  {}", faults.join("\n  "));
}

/// The modules that a module may name. What is not listed may be named by all.
const LAYERS: &[(&str, &[&str])] = &[
    ("model", &[]),
    ("clock", &["model"]),
    ("event", &["model"]),
    ("secret", &["model"]),
    ("probe", &["model", "clock", "secret"]),
    ("storage", &["model", "clock", "secret"]),
    ("discover", &["model"]),
    ("journal", &["model", "clock", "event"]),
    ("schedule", &["model", "clock", "event", "probe"]),
    ("record", &["model", "clock", "event", "probe"]),
    ("deliver", &["model", "clock", "event", "secret", "storage", "journal"]),
    ("config", &["model", "clock", "secret", "probe", "storage"]),
    ("telemetry", &["model", "clock"]),
    ("alert", &["model", "clock", "event"]),
    ("screen", &["model", "clock", "secret", "record", "storage", "control"]),
    ("control", &["model", "clock", "event", "storage", "record", "schedule", "deliver", "journal"]),
];

#[test]
fn layers_point_downwards() {
    let modules: BTreeSet<&str> = LAYERS.iter().map(|(name, _)| *name).chain(["app", "cli"]).collect();
    let mut faults = Vec::new();
    for (path, text) in core_sources() {
        let own = path["src/".len()..].split(['/', '.']).next().unwrap_or_default().to_owned();
        let Some((_, allowed)) = LAYERS.iter().find(|(name, _)| *name == own) else { continue };
        for (at, line) in code_lines(&text) {
            for (start, _) in line.match_indices("crate::") {
                let named: String =
                    line[start + 7..].chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
                if modules.contains(named.as_str()) && named != own && !allowed.contains(&named.as_str()) {
                    faults.push(format!("{path}:{at}: `{own}` names `{named}`"));
                }
            }
        }
    }
    assert_none("a module may only name those below it", &faults);
}

#[test]
fn the_core_knows_no_window() {
    let faults: Vec<_> = core_sources()
        .iter()
        .flat_map(|(path, text)| {
            code_lines(text).filter(|(_, line)| line.contains("tauri")).map(move |(at, _)| format!("{path}:{at}"))
        })
        .collect();
    assert_none("`tauri` in the core", &faults);
}

#[test]
fn one_folder_of_the_window_knows_the_shell() {
    let faults: Vec<_> = files()
        .iter()
        .filter(|(path, _)| path.starts_with("ui/src/") && !path.starts_with("ui/src/lib/ipc/"))
        .flat_map(|(path, text)| {
            text.lines()
                .enumerate()
                .filter(|(_, line)| line.contains("@tauri-apps") || line.contains("__TAURI_INVOKE"))
                .map(move |(at, _)| format!("{path}:{}", at + 1))
        })
        .collect();
    assert_none("`@tauri-apps` outside ui/src/lib/ipc/", &faults);
}

#[test]
fn the_window_may_hear_events_and_no_more() {
    let text = fs::read_to_string(root().join("src-tauri/capabilities/main.json")).expect("the capabilities are there");
    let capabilities: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!(
        capabilities["permissions"],
        serde_json::json!(["core:event:allow-listen", "core:event:allow-unlisten"]),
        "commands of our own need no permission; anything else is for the core"
    );
    assert_eq!(folders_and_files("src-tauri/capabilities").len(), 1, "one capability file");
    let config = fs::read_to_string(root().join("src-tauri/tauri.conf.json")).expect("the configuration is there");
    let config: serde_json::Value = serde_json::from_str(&config).expect("JSON");
    let csp = config["app"]["security"]["csp"].as_str().expect("a policy");
    for bad in ["unsafe-inline", "unsafe-eval", "*", "https:"] {
        assert!(!csp.contains(bad), "`{bad}` in the content security policy");
    }
}

fn folders_and_files(of: &str) -> Vec<String> {
    let entries = fs::read_dir(root().join(of)).expect("folder is there").flatten();
    entries.filter_map(|entry| entry.file_name().into_string().ok()).collect()
}

#[test]
fn time_is_read_in_one_file() {
    const AMBIENT: &[&str] =
        &["Instant::now", "SystemTime::now", "Timestamp::now", "Zoned::now", "clock_gettime", ".elapsed()"];
    let faults: Vec<_> = core_sources()
        .iter()
        .filter(|(path, _)| path != "src/clock.rs")
        .flat_map(|(path, text)| {
            code_lines(text)
                .filter(|(_, line)| AMBIENT.iter().any(|word| line.contains(word)))
                .map(move |(at, _)| format!("{path}:{at}"))
        })
        .collect();
    assert_none("an ambient clock outside src/clock.rs", &faults);
}

#[test]
fn only_the_command_prints() {
    let faults: Vec<_> = core_sources()
        .iter()
        .filter(|(path, _)| !path.starts_with("src/cli/") && path != "src/main.rs")
        .flat_map(|(path, text)| {
            code_lines(text)
                .filter(|(_, line)| ["println!", "print!(", "eprintln!", "eprint!("].iter().any(|m| line.contains(m)))
                .map(move |(at, _)| format!("{path}:{at}"))
        })
        .collect();
    assert_none("printing outside src/cli/", &faults);
}

fn folders(of: &str) -> BTreeSet<String> {
    fs::read_dir(root().join(of))
        .expect("folder is there")
        .filter_map(|entry| entry.ok().filter(|e| e.path().is_dir())?.file_name().into_string().ok())
        .collect()
}

fn registered(file: &str, list: &str) -> BTreeSet<String> {
    let text = fs::read_to_string(root().join(file)).expect("registry is there");
    let start = text.rfind(&format!("{list}! {{")).expect("registry has its list");
    text[start..]
        .lines()
        .skip(1)
        .take_while(|line| !line.starts_with('}'))
        .filter_map(|line| Some(line.trim().split_once("::")?.0.to_owned()))
        .collect()
}

/// Folders of the backends whose settings stand in the registry's list.
fn backends() -> BTreeSet<String> {
    let text = fs::read_to_string(root().join("src/storage/registry.rs")).expect("registry is there");
    let listed = |settings: &str| text.contains(&format!("Entry::of::<{settings}>()"));
    let taken =
        text.lines().filter_map(|line| line.strip_prefix("use super::backends::")?.strip_suffix(';')?.split_once("::"));
    taken.filter(|(_, settings)| listed(settings)).map(|(folder, _)| folder.to_owned()).collect()
}

#[test]
fn every_kind_and_backend_is_registered() {
    assert_eq!(folders("src/probe/kinds"), registered("src/probe/registry.rs", "kinds"));
    assert_eq!(folders("src/storage/backends"), backends());
}

/// Cards and forms come from the backends' own folders. The stand-in core of tests has backends of its own.
#[test]
fn no_window_knows_a_backend_by_name() {
    let mut names: Vec<String> = backends().into_iter().collect();
    names.extend(["influx", "timescale"].map(str::to_owned));
    let is_window = |path: &str| {
        let is_stand_in = path.starts_with("ui/src/lib/ipc/fake") || path.ends_with(".test.ts");
        ["ui/src/", "ui/messages/", "src-tauri/src/"].iter().any(|room| path.starts_with(room)) && !is_stand_in
    };
    let mut faults = Vec::new();
    for (path, text) in files().iter().filter(|(path, _)| is_window(path)) {
        for (at, line) in text.lines().enumerate() {
            let line = line.to_lowercase();
            // A word of every day counts where it stands for itself.
            let names_it = |name: &String| match name.as_str() {
                "none" => line.contains("backend") && (line.contains("\"none\"") || line.contains("backend_none")),
                name => line.contains(name),
            };
            faults.extend(names.iter().filter(|name| names_it(name)).map(|name| format!("{path}:{}: {name}", at + 1)));
        }
    }
    assert_none("a backend named in the window or the shell", &faults);
}

#[test]
fn every_source_file_says_what_it_is_for() {
    let faults: Vec<_> = files()
        .iter()
        .filter(|(path, text)| path.ends_with(".rs") && !text.starts_with("//!"))
        .map(|(path, _)| path.clone())
        .collect();
    assert_none("a file without a first line `//! …`", &faults);
}

#[test]
fn no_file_grows_without_bounds() {
    let faults: Vec<_> = files()
        .iter()
        .filter(|(path, _)| path.ends_with(".rs"))
        .map(|(path, text)| (path, code_lines(text).count()))
        .filter(|(_, lines)| *lines > 600)
        .map(|(path, lines)| format!("{path}: {lines} lines"))
        .collect();
    assert_none("more than 600 lines before the tests: more than one subject?", &faults);
}

#[test]
fn names_say_what_things_are() {
    const VAGUE: &[&str] = &["Manager", "Service", "Helper", "Util"];
    let mut faults = Vec::new();
    for (path, text) in core_sources() {
        for (at, line) in code_lines(&text) {
            for word in ["struct ", "enum ", "trait ", "type ", "mod "] {
                let Some((_, rest)) = line.split_once(word) else { continue };
                let name: String = rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
                if VAGUE.iter().any(|vague| name.to_lowercase().contains(&vague.to_lowercase())) {
                    faults.push(format!("{path}:{at}: {name}"));
                }
            }
        }
    }
    assert_none("a name that says nothing", &faults);
}

#[test]
fn nothing_is_left_to_do_in_the_code() {
    let marks = [concat!("TO", "DO"), concat!("FIX", "ME"), concat!("X", "XX")];
    let faults: Vec<_> = files()
        .iter()
        .filter(|(path, _)| path.ends_with(".rs"))
        .flat_map(|(path, text)| {
            text.lines()
                .enumerate()
                .filter(|(_, line)| marks.iter().any(|mark| line.contains(mark)))
                .map(move |(at, _)| format!("{path}:{}", at + 1))
        })
        .collect();
    assert_none("a mark of unfinished work", &faults);
}

#[test]
fn no_path_of_one_machine_and_no_other_registry() {
    let paths = [concat!("/ro", "ot/"), concat!("/wo", "rk/"), concat!("/ho", "me/")];
    let mut faults = Vec::new();
    for (path, text) in files() {
        for (at, line) in text.lines().enumerate() {
            if paths.iter().any(|p| line.contains(p)) && !line.contains("tidy:allow-path") {
                faults.push(format!("{path}:{}: {line}", at + 1));
            }
        }
    }
    assert_none("an absolute path of a machine", &faults);
    let lock = fs::read_to_string(root().join("Cargo.lock")).expect("lock file is there");
    let sources: BTreeSet<_> = lock.lines().filter(|line| line.starts_with("source = ")).collect();
    assert_eq!(sources.len(), 1, "more than one registry in Cargo.lock: {sources:?}");
    assert!(sources.iter().all(|s| s.contains("rust-lang/crates.io-index")), "{sources:?}");
}

#[test]
fn the_architecture_page_names_every_room() {
    let page = fs::read_to_string(root().join("ARCHITECTURE.md")).expect("ARCHITECTURE.md is there");
    let mut rooms: BTreeSet<String> = folders("src").into_iter().map(|name| format!("{name}/")).collect();
    for entry in fs::read_dir(root().join("src")).expect("src is there").flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.ends_with(".rs") && name != "lib.rs" && name != "main.rs" {
            rooms.insert(name);
        }
    }
    let missing: Vec<_> = rooms.into_iter().filter(|room| !page.contains(room.as_str())).collect();
    assert_none("not named in ARCHITECTURE.md", &missing);
}

fn metadata() -> serde_json::Value {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--no-deps", "--offline", "--locked"])
        .current_dir(root())
        .output()
        .expect("cargo runs");
    assert!(output.status.success(), "cargo metadata: {}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("metadata is JSON")
}

#[test]
fn every_direct_dependency_is_explained() {
    let page = fs::read_to_string(root().join("ARCHITECTURE.md")).expect("ARCHITECTURE.md is there");
    let metadata = metadata();
    let own = metadata["packages"].as_array().expect("packages").iter().filter(|p| p["source"].is_null());
    let missing: BTreeSet<_> = own
        .flat_map(|package| package["dependencies"].as_array().expect("dependencies"))
        .filter(|dependency| !dependency["source"].is_null())
        .filter_map(|dependency| dependency["name"].as_str())
        .filter(|name| !page.contains(&format!("`{name}`")))
        .map(str::to_owned)
        .collect();
    assert_none("a dependency without its reason in ARCHITECTURE.md", &missing.into_iter().collect::<Vec<_>>());
}
