//! Where history goes, as a person sees and changes it: while it runs, by the file or by command, and from files.

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::support::{House, Server, tcp, until};

fn configure(house: &House, storage: &str, server: &Server) {
    let monitor = tcp("one", server.address);
    house.write_config(&format!(
        "# mine\nstorage:\n{storage}monitoring:\n  groups:\n    - name: all\n      monitors:\n        - {monitor}\n"
    ));
}

fn embedded(path: &Path) -> String {
    format!("  backend: embedded # here\n  embedded:\n    path: {}\n", path.display())
}

fn report(house: &House) -> Value {
    house.json(&["storage", "status"]).into_iter().next().expect("a line")
}

fn times(house: &House) -> Vec<String> {
    let history = house.json(&["history", "one", "--since", "1h"]);
    history.iter().map(|line| line["time"].as_str().expect("a time").to_owned()).collect()
}

/// Waits until there are more results; gives all of them.
fn more_than(house: &House, count: usize) -> Vec<String> {
    until("more results", || Some(times(house)).filter(|times| times.len() > count))
}

fn assert_whole(before: &[String], after: &[String]) {
    assert!(after.len() >= before.len() && after.ends_with(before), "{before:?} {after:?}");
    assert!(after.windows(2).all(|pair| pair[0] > pair[1]), "nothing twice, the newest first: {after:?}");
}

#[test]
fn history_goes_over_to_another_store_and_back_without_a_stop() {
    let (house, server) = (House::new(), Server::start());
    let (first, second) = (house.path("first"), house.path("second"));
    configure(&house, &embedded(&first), &server);
    let watch = house.watch();
    let before = more_than(&house, 2);
    let pid = house.json(&["status", "--own"])[0]["holder"]["pid"].clone();

    configure(&house, &embedded(&second), &server);
    until("it went over", || {
        let contact = report(&house)["contact"].as_str().map(str::to_owned);
        contact.filter(|contact| contact.ends_with("second"))
    });
    let both = more_than(&house, before.len() + 2);
    assert_whole(&before, &both);
    let now = report(&house);
    assert_eq!(now["ledger"].as_array().map(Vec::len), Some(2), "{now}");
    assert_eq!((&now["former"][0]["backlog_rows"], &now["former"][0]["readable"]), (&0.into(), &true.into()));
    assert_eq!(house.json(&["status", "--own"])[0]["holder"]["pid"], pid, "the same process");
    assert_eq!(house.json(&["status", "--own"])[0]["faults"].as_array().map(Vec::len), Some(0));

    configure(&house, &embedded(&first), &server);
    until("it went back", || (report(&house)["ledger"].as_array()?.len() == 3).then_some(()));
    let all = more_than(&house, both.len() + 2);
    assert_whole(&both, &all);
    watch.stop();
    assert_whole(&all, &times(&house));

    // A start in the middle of it all.
    let watch = house.watch();
    assert_whole(&all, &more_than(&house, all.len() + 1));
    watch.kill();
    assert_whole(&all, &times(&house));
    let offline = report(&house);
    assert_eq!(
        (&offline["live"], &offline["state"], &offline["metrics"]),
        (&false.into(), &"stopped".into(), &Value::Null)
    );
}

#[test]
fn killed_in_the_middle_of_switches_nothing_that_was_shown_is_lost() {
    let (house, server) = (House::new(), Server::start());
    let stores = [house.path("first"), house.path("second")];
    configure(&house, &embedded(&stores[0]), &server);
    let mut before = Vec::new();
    for round in 0..4 {
        let watch = house.watch();
        before = more_than(&house, before.len() + 1);
        for turn in 0..=round {
            configure(&house, &embedded(&stores[(round + turn) % 2]), &server);
            // Noticed or not: the file is looked at about each second.
            std::thread::sleep(std::time::Duration::from_millis(900));
        }
        let shown = times(&house);
        assert_whole(&before, &shown);
        watch.kill();
        assert_whole(&shown, &times(&house));
        before = shown;
    }
}

#[test]
fn the_same_folder_under_another_name_is_the_same_store() {
    let (house, server) = (House::new(), Server::start());
    configure(&house, "  backend: embedded\n", &server);
    let watch = house.watch();
    let before = more_than(&house, 2);
    configure(&house, &embedded(&house.data().join("embedded")), &server);
    until("it is opened under its other name and known again", || {
        let now = report(&house);
        let is_open = now["state"] == "open" && now["contact"].as_str()?.starts_with("embedded:");
        (is_open && now["former"].as_array()?.is_empty() && now["ledger"].as_array()?.len() == 1).then_some(())
    });
    assert_whole(&before, &more_than(&house, before.len() + 1));
    watch.stop();
}

#[test]
fn another_backend_is_used_by_command_and_the_file_keeps_its_comments() {
    let (house, server) = (House::new(), Server::start());
    configure(&house, &embedded(&house.path("kept")), &server);
    let watch = house.watch();
    let before = more_than(&house, 1);
    let output = house.ask(&["storage", "use", "none"]);
    let told = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success() && told.contains("goes to none"), "{output:?}");
    let text = fs::read_to_string(house.path("config.yml")).expect("reads");
    assert!(text.starts_with("# mine\nstorage:\n  backend: none # here\n  embedded:\n    path: "), "{text}");
    assert_eq!(report(&house)["backend"], "none");
    // What was kept before is still read.
    assert_whole(&before, &times(&house));
    let again = house.json(&["storage", "use", "none"]);
    assert_eq!(again[0]["live"], true);
    let back = house.json(&["storage", "use", "embedded"]);
    assert_eq!((&back[0]["former"], &back[0]["live"]), (&"none".into(), &true.into()));
    more_than(&house, before.len() + 1);
    watch.stop();
    for (args, code) in [(vec!["storage", "use", "embeded"], 2), (vec!["storage", "use", "none", "--json"], 0)] {
        assert_eq!(house.ask(&args).status.code(), Some(code), "{args:?}");
    }
    // A store that cannot be opened is not used, unless somebody insists.
    configure(&house, "  backend: none\n  embedded:\n    path: /dev/null/no\n", &server);
    let refused = house.ask(&["storage", "use", "embedded"]);
    assert_eq!(refused.status.code(), Some(3));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("nothing was changed"), "{refused:?}");
    assert!(fs::read_to_string(house.path("config.yml")).expect("reads").contains("backend: none"));
    assert!(house.ask(&["storage", "use", "embedded", "--force"]).status.success());
    assert!(fs::read_to_string(house.path("config.yml")).expect("reads").contains("backend: embedded"));
}

#[test]
fn it_starts_and_watches_with_the_store_away_and_says_so() {
    let (house, server) = (House::new(), Server::start());
    fs::write(house.path("file"), "in the way").expect("writes");
    configure(&house, &embedded(&house.path("file").join("no")), &server);
    let watch = house.watch();
    let before = more_than(&house, 2);
    let now = until("the fault is told", || Some(report(&house)).filter(|report| report["fault"].is_string()));
    assert_eq!((&now["state"], &now["store"]), (&"fault".into(), &Value::Null));
    assert!(now["backlog_rows"].as_u64() >= Some(2) && now["metrics"]["retries"].as_u64() >= Some(1), "{now}");
    assert!(now["oldest_waiting"].is_string() && now["journal_bytes"].as_u64() > Some(0), "{now}");
    assert_eq!(house.ask(&["storage", "status"]).status.code(), Some(1));
    let history = house.ask(&["history", "one"]);
    assert!(String::from_utf8_lossy(&history.stderr).contains("only what waits in the journal"), "{history:?}");
    // The way is free: rows that wait get there, and nothing is lost.
    fs::remove_file(house.path("file")).expect("removes");
    fs::create_dir(house.path("file")).expect("makes");
    let well = until("delivered", || Some(report(&house)).filter(|report| report["fault"].is_null()));
    assert!(well["store"]["version"].is_string(), "{well}");
    assert_whole(&before, &times(&house));
    watch.stop();
}

#[test]
fn storage_status_has_the_promised_fields() {
    let (house, server) = (House::new(), Server::start());
    configure(&house, &embedded(&house.path("kept")), &server);
    let watch = house.watch();
    more_than(&house, 1);
    let promised = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/json-output.md")).expect("reads");
    let names = |value: &Value| value.as_object().expect("an object").keys().cloned().collect::<Vec<_>>();
    let line = report(&house);
    for name in names(&line).into_iter().chain(names(&line["metrics"])).chain(names(&line["store"])) {
        assert!(promised.contains(&format!("`{name}`")), "`{name}` is not in docs/json-output.md");
    }
    assert_eq!((&line["live"], &line["backend"], &line["state"]), (&true.into(), &"embedded".into(), &"open".into()));
    assert!(line["store"]["size_bytes"].as_u64() > Some(0), "{line}");
    let parts = &line["store"]["parts"];
    assert!(parts["results"].is_u64() && parts["rollups"].is_null(), "{line}");
    let kept = until("house is kept", || Some(report(&house)).filter(|line| !line["metrics"]["house"].is_null()));
    for name in names(parts).into_iter().chain(names(&kept["metrics"]["house"])) {
        assert!(promised.contains(&format!("`{name}`")), "`{name}` is not in docs/json-output.md");
    }
    let whole = &house.json(&["storage", "check"])[0];
    assert_eq!(whole["damaged"], Value::Array(Vec::new()), "{whole}");
    let text = house.ask(&["storage", "status"]);
    let said = String::from_utf8_lossy(&text.stdout);
    for part in ["waiting", "results ", "5-minute figures ", "kept ", ", took "] {
        assert!(text.status.success() && said.contains(part), "{part} in {text:?}");
    }
    watch.stop();
}

#[test]
fn dead_letters_are_listed_and_dropped_from_files() {
    let (house, server) = (House::new(), Server::start());
    configure(&house, &embedded(&house.path("kept")), &server);
    let watch = house.watch();
    let before = more_than(&house, 1);
    // As a store would refuse it: a result of long ago, and a line that is damaged.
    let id = house.status("one").expect("is there")["monitor_id"].clone();
    watch.stop();
    let result = serde_json::json!({
        "monitor": id, "time": "2026-01-01T00:00:00.000000Z", "interval_us": 1, "timeout_us": 1, "verdict": "up",
        "duration_us": 1, "failure": null, "message": "", "phases": {}, "facts": {},
    });
    let letter = |reason: &str| {
        serde_json::json!({
            "at": "2026-01-02T00:00:00.000000Z", "backend": "embedded", "reason": reason, "row": { "Result": result },
        })
    };
    let lines = format!("{}\n{{\"torn\n{}\n", letter("too\u{1b} ugly"), letter("too late"));
    fs::write(house.data().join("dead-letters.jsonl"), lines).expect("writes");
    let listed = house.json(&["storage", "dead-letters", "list"]);
    assert_eq!(listed.len(), 2, "{listed:?}");
    assert_eq!((&listed[0]["reason"], &listed[0]["row"]), (&"too late".into(), &"result".into()));
    assert_eq!(report(&house)["dead_letters"], 3);
    let shown = house.ask(&["storage", "dead-letters", "list"]);
    assert!(!shown.stdout.contains(&0x1b) && String::from_utf8_lossy(&shown.stderr).contains("1 lines"), "{shown:?}");
    let first = listed[1]["id"].as_str().expect("an id");
    let dropped = house.json(&["storage", "dead-letters", "drop", "--id", &first[..10]]);
    assert_eq!((&dropped[0]["letters"], &dropped[0]["live"]), (&1.into(), &false.into()));
    assert_eq!(house.ask(&["storage", "dead-letters", "drop", "--id", "nobody"]).status.code(), Some(1));
    assert_eq!(house.ask(&["storage", "dead-letters", "retry"]).status.code(), Some(2));
    // The next start brings it, and the store takes it now.
    assert_eq!(house.json(&["storage", "dead-letters", "retry", "--all"])[0]["letters"], 1);
    let watch = house.watch();
    until("it is brought", || (report(&house)["dead_letters"] == 1).then_some(()));
    assert_eq!(house.json(&["storage", "dead-letters", "list"]), Vec::<Value>::new());
    let old = house.json(&["history", "one", "--since", "2026-01-01", "--until", "2026-01-02"]);
    assert_eq!(old.len(), 1, "{old:?}");
    assert!(times(&house).len() >= before.len());
    watch.stop();
    let kept = fs::read_to_string(house.data().join("dead-letters.jsonl")).expect("reads");
    assert_eq!(kept, "{\"torn\n", "what cannot be read is kept");
}

#[test]
fn the_status_tells_how_much_room_history_will_need() {
    let (house, server) = (House::new(), Server::start());
    let monitor = |name: &str, more: &str| {
        let monitor = tcp(name, server.address);
        format!("{}{more}}}", monitor.strip_suffix('}').expect("a map"))
    };
    house.configure(&[monitor("one", "")]);
    let watch = house.watch();
    let expected = |monitors: u64| {
        until("the monitors are counted", || {
            let expected = report(&house)["expected"].clone();
            (expected["monitors"] == monitors).then(|| expected["bytes"].as_u64().expect("bytes"))
        })
    };
    let one = expected(1);
    house.configure(&[monitor("one", ""), monitor("two", ", retention: {raw: 60d}")]);
    let both = expected(2);
    assert!(both > 2 * one + one / 2, "the other keeps results twice as long: {one}, then {both}");
    house.configure(&[monitor("one", ", enabled: false"), monitor("two", ", retention: {raw: 60d}")]);
    let second = expected(1);
    assert!(second.abs_diff(both - one) <= 1, "{one}, {both}, {second}");
    watch.stop();
    assert_eq!(expected(1), second, "from the files too");
}
