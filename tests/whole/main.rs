//! The whole program as a person has it: a file, a command, questions while it runs and after, and what can go wrong
//! in between.

#![allow(clippy::expect_used, reason = "a test may stop at the first fault")]
#![allow(unreachable_pub, reason = "support is a module of this one crate")]

mod disk;
mod instances;
mod outage;
mod storage;
mod support;
#[path = "../support_disk/mod.rs"]
mod support_disk;

use std::fs;
use std::process::Command;
use std::thread::sleep;
use std::time::Duration;

use support::{House, PROGRAM, Server, damage, tcp, until};

fn results_of(house: &House, name: &str) -> usize {
    house.json(&["history", name, "--since", "1h"]).len()
}

/// Runs the home lab's script, which starts and stops real servers.
fn homelab(args: &[&str]) {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/homelab.sh");
    let output = Command::new("bash").arg(script).args(args).output().expect("bash runs");
    assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn the_home_lab_example_shows_exactly_what_happened() {
    homelab(&["start"]);
    let house = House::new();
    let example = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/configs/homelab.yml"));
    house.write_config(&example.expect("the example is there"));
    let watch = house.watch();
    let state = |name: &str, wanted: &str| {
        until(&format!("{name} is {wanted}"), || house.status(name).filter(|line| line["state"] == wanted))
    };
    for name in ["wiki", "cloud", "mail", "this machine"] {
        state(name, "up");
    }
    homelab(&["stop", "wiki"]);
    let down = state("wiki", "down");
    assert_eq!(down["failure"], "connect");
    homelab(&["start", "wiki"]);
    state("wiki", "up");

    let incidents = house.json(&["incidents"]);
    assert_eq!(incidents.len(), 1, "{incidents:?}");
    let incident = &incidents[0];
    assert_eq!((&incident["monitor"], &incident["end"]), (&"wiki".into(), &"recovered".into()));
    let history = house.json(&["history", "wiki", "--since", "1h"]);
    let bad: Vec<_> = history.iter().filter(|line| line["verdict"] == "down").collect();
    assert!(bad.len() >= 2, "{history:?}");
    assert!(bad.iter().all(|line| line["failure"] == "connect"));
    assert_eq!(incident["opened"], bad.last().expect("some")["time"], "opened by the first failure");
    let cloud = house.json(&["history", "cloud", "--since", "1h"]);
    assert!(!cloud.is_empty() && cloud.iter().all(|line| line["verdict"] == "up"));
    watch.stop();
    homelab(&["down"]);
    assert_eq!(house.json(&["incidents"]), incidents, "the same from the files");
}

#[test]
fn a_change_of_the_file_is_applied_live_and_a_bad_one_is_not() {
    let (house, server, other) = (House::new(), Server::start(), Server::start());
    house.configure(&[tcp("one", server.address)]);
    let watch = house.watch();
    let first = until("one is up", || house.status("one").filter(|line| line["state"] == "up"));

    house.configure(&[tcp("one", server.address), tcp("two", other.address)]);
    until("two is up", || house.status("two").filter(|line| line["state"] == "up"));
    let same = house.status("one").expect("still there");
    assert_eq!((&same["since"], &same["monitor_id"]), (&first["since"], &first["monitor_id"]), "untouched");

    house.write_config("monitoring:\n  groups:\n    - name: a\n      monitors:\n        - {name: x, type: smoke}\n");
    let fault = until("the refusal is told", || {
        let own = house.json(&["status", "--own"]);
        own[0]["faults"].as_array().and_then(|faults| faults.first().cloned())
    });
    assert_eq!(fault["of"], "configuration");
    assert!(fault["what"].as_str().is_some_and(|what| what.contains("config.yml:5:")), "{fault}");
    let before = other.accepted();
    until("the last good version is still watched", || (other.accepted() > before + 1).then_some(()));

    house.configure(&[tcp("two", other.address)]);
    until("one is gone", || house.status("one").is_none().then_some(()));
    let gone = server.accepted();
    let before = other.accepted();
    until("two goes on", || (other.accepted() > before + 2).then_some(()));
    assert_eq!(server.accepted(), gone, "a removed monitor is not checked");
    assert_eq!(house.json(&["status", "--own"])[0]["faults"].as_array().map(Vec::len), Some(0));
    watch.stop();
}

#[test]
fn without_a_good_configuration_it_does_not_start() {
    let house = House::new();
    house.write_config("monitoring:\n\tgroups: []\n");
    let output = house.ask(&["run"]);
    assert_eq!(output.status.code(), Some(2));
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(told.contains("config.yml:2:"), "{told}");
    assert!(!house.data().exists(), "nothing was made");
}

#[test]
fn a_renamed_monitor_keeps_its_history() {
    let (house, server) = (House::new(), Server::start());
    house.configure(&[tcp("old-name", server.address)]);
    let watch = house.watch();
    let old = until("it is up", || house.status("old-name").filter(|line| line["state"] == "up"));
    until("it has history", || (results_of(&house, "old-name") >= 2).then_some(()));
    house.configure(&[tcp("new-name", server.address)]);
    let new = until("it has the new name", || house.status("new-name"));
    assert_eq!(new["monitor_id"], old["monitor_id"]);
    let history = house.json(&["history", "new-name", "--since", "1h"]);
    assert!(history.len() >= 2, "{history:?}");
    watch.stop();
}

#[test]
fn what_was_durable_is_there_after_kill_9() {
    let (house, server) = (House::new(), Server::start());
    house.configure(&[tcp("one", server.address)]);
    for round in 1..=3 {
        let watch = house.watch();
        let had = until("results come", || Some(results_of(&house, "one")).filter(|n| *n >= 2 * round));
        let id = house.status("one").expect("there")["monitor_id"].clone();
        watch.kill();
        let history = house.json(&["history", "one", "--since", "1h"]);
        assert!(history.len() >= had, "{} of {had}", history.len());
        let mut times: Vec<_> = history.iter().map(|line| line["time"].as_str().expect("a time").to_owned()).collect();
        times.sort();
        times.dedup();
        assert_eq!(times.len(), history.len(), "nothing twice");
        assert!(history.iter().all(|line| line["monitor_id"] == id));
    }
    assert!(house.json(&["incidents"]).is_empty(), "a crash of ours is nobody's outage");
}

#[test]
fn damaged_files_are_kept_aside_and_watching_goes_on() {
    let (house, server) = (House::new(), Server::start());
    house.configure(&[tcp("one", server.address)]);
    let watch = house.watch();
    until("results come", || Some(results_of(&house, "one")).filter(|n| *n >= 3));
    watch.stop();
    damage(&house.data().join("state.hms"));
    for segment in house.files_with(".hmj") {
        damage(&segment);
    }
    fs::write(house.data().join("embedded/live.db"), vec![7_u8; 300_000]).expect("written");

    let watch = house.watch();
    let before = server.accepted();
    until("it is watched", || (server.accepted() > before + 1).then_some(()));
    until("it is up", || house.status("one").filter(|line| line["state"] == "up"));
    assert!(house.files_with("corrupt").len() >= 3, "{:?}\n{}", house.files_with("corrupt"), house.log());
    watch.stop();
    assert!(results_of(&house, "one") >= 1);
}

#[test]
fn without_its_state_file_it_finds_its_ids_in_the_store() {
    let (house, server) = (House::new(), Server::start());
    house.configure(&[tcp("one", server.address)]);
    let watch = house.watch();
    let id = until("it is up", || house.status("one").filter(|line| line["state"] == "up"))["monitor_id"].clone();
    until("results come", || Some(results_of(&house, "one")).filter(|n| *n >= 2));
    watch.stop();
    for file in house.files_with("state.hms") {
        fs::remove_file(file).expect("removed");
    }
    let watch = house.watch();
    let again = until("it is up", || house.status("one").filter(|line| line["state"] == "up"));
    assert_eq!(again["monitor_id"], id);
    watch.stop();
}

#[test]
fn a_process_that_stood_still_blames_nobody_and_says_so() {
    let (house, server) = (House::new(), Server::start());
    house.configure(&[tcp("one", server.address)]);
    let watch = house.watch();
    until("results come", || Some(results_of(&house, "one")).filter(|n| *n >= 2));
    watch.signal("-STOP");
    sleep(Duration::from_secs(7));
    watch.signal("-CONT");
    until("the gap is told", || house.log().contains("overload").then_some(()));
    let before = results_of(&house, "one");
    until("it goes on", || Some(results_of(&house, "one")).filter(|n| *n >= before + 3));
    assert!(house.json(&["incidents"]).is_empty());
    let uptime = &house.json(&["uptime", "--window", "1h"])[0];
    let coverage = uptime["coverage"].as_f64().expect("a figure");
    assert!(coverage < 0.95, "the time in which nobody looked is not observed: {uptime}");
    assert_eq!(uptime["uptime"].as_f64(), Some(1.0), "{uptime}");
    watch.stop();
}

#[test]
fn what_waits_for_a_file_runs_once_it_is_there() {
    let (house, server) = (House::new(), Server::start());
    let waiting = format!("{{name: two, type: tcp, target: \"${{file:{}}}\", interval: 1s}}", "target.txt");
    house.configure(&[tcp("one", server.address), waiting]);
    let watch = house.watch();
    let line = until("it is pending", || house.status("two").filter(|line| line["state"] == "pending"));
    assert!(line["message"].as_str().is_some_and(|why| why.contains("target.txt")), "{line}");
    until("the other runs", || house.status("one").filter(|line| line["state"] == "up"));
    fs::write(house.path("target.txt"), format!("{}\n", server.address)).expect("written");
    until("it runs", || house.status("two").filter(|line| line["state"] == "up"));
    watch.stop();
}

#[test]
fn two_cannot_hold_one_folder() {
    let (house, server) = (House::new(), Server::start());
    house.configure(&[tcp("one", server.address)]);
    let watch = house.watch();
    let second = house.ask(&["run"]);
    assert!(!second.status.success());
    let told = String::from_utf8_lossy(&second.stderr).into_owned();
    assert!(told.contains("is held by process"), "{told}");
    watch.stop();
    assert!(Command::new(PROGRAM).arg("--version").output().expect("runs").status.success());
}

#[test]
fn a_pause_that_was_answered_outlives_kill_9() {
    let (house, server) = (House::new(), Server::start());
    house.configure(&[tcp("one", server.address)]);
    let watch = house.watch();
    until("it is up", || house.status("one").filter(|line| line["state"] == "up"));
    assert!(house.ask(&["pause", "one"]).status.success());
    watch.kill();
    let before = server.accepted();
    let watch = house.watch();
    assert_eq!(house.status("one").expect("there")["state"], "paused");
    sleep(Duration::from_secs(2));
    assert_eq!(server.accepted(), before, "a paused monitor is not checked");
    assert!(house.ask(&["resume", "one"]).status.success());
    until("it is checked again", || (server.accepted() > before).then_some(()));
    until("it is up", || house.status("one").filter(|line| line["state"] == "up"));
    watch.stop();
}

#[test]
fn an_outage_that_ends_after_the_state_file_is_lost_ends_in_the_store_too() {
    let house = House::new();
    let free = std::net::TcpListener::bind("127.0.0.1:0").expect("bound");
    let address = free.local_addr().expect("address");
    drop(free);
    house.configure(&[tcp("one", address)]);
    let watch = house.watch();
    until("it is down", || house.status("one").filter(|line| line["state"] == "down"));
    watch.stop();
    for file in house.files_with("state.hms").into_iter().chain(house.files_with(".hmj")) {
        fs::remove_file(file).expect("removed");
    }
    let _back = std::net::TcpListener::bind(address).expect("the port is still free");
    let watch = house.watch();
    until("it is up", || house.status("one").filter(|line| line["state"] == "up"));
    let incidents = house.json(&["incidents"]);
    assert_eq!(incidents.len(), 1, "{incidents:?}");
    assert_ne!(incidents[0]["end"], "open", "{incidents:?}");
    watch.stop();
}
