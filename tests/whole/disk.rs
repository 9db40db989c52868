//! The whole program on a disk that fills up and is freed again.

use std::fs;
use std::io::Write as _;
use std::path::Path;

use super::support::{House, Server, tcp, until};
use super::support_disk;

/// Fills what is left of the disk.
fn fill(path: &Path) {
    let mut file = fs::OpenOptions::new().create(true).append(true).open(path).expect("opens");
    for size in [64 * 1024, 512, 1] {
        while file.write_all(&vec![7; size]).is_ok() {}
    }
}

/// So many that the last page of a file is soon full.
const MONITORS: usize = 30;

fn results(house: &House) -> usize {
    house.json(&["history", "--all", "--since", "1h", "--limit", "5000"]).len()
}

/// Not a test by itself: runs on a small disk, when the test below starts it.
#[test]
fn on_a_small_disk() {
    let Some(disk) = support_disk::disk() else { return };
    let (house, server) = (House::below(&disk), Server::start());
    let names: Vec<String> = (0..MONITORS).map(|n| format!("m{n}")).collect();
    house.configure(&names.iter().map(|name| tcp(name, server.address)).collect::<Vec<_>>());
    let watch = house.watch();
    until("results come", || Some(results(&house)).filter(|n| *n >= MONITORS));

    let ballast = disk.join("ballast");
    let fault = until("the full disk is told", || {
        fill(&ballast);
        let own = house.json(&["status", "--own"]);
        own[0]["faults"].as_array().and_then(|faults| faults.iter().find(|fault| fault["of"] == "journal").cloned())
    });
    assert!(fault["what"].as_str().is_some_and(|what| what.contains("free some space")), "{fault}");
    let before = server.accepted();
    until("checks go on", || {
        fill(&ballast);
        (server.accepted() > before + 2 * MONITORS).then_some(())
    });
    let states = house.json(&["status"]);
    assert!(states.iter().all(|line| line["state"] == "up"), "a full disk is nobody's outage: {states:?}");

    fs::remove_file(&ballast).expect("removes");
    until("writing resumes by itself", || {
        let own = house.json(&["status", "--own"]);
        own[0]["faults"].as_array().is_some_and(Vec::is_empty).then_some(())
    });
    let accepted = server.accepted();
    until("nothing that was seen meanwhile is missing", || (results(&house) >= accepted).then_some(()));
    let uptimes = house.json(&["uptime", "--window", "1h"]);
    assert!(uptimes.iter().all(|line| line["uptime"].as_f64() == Some(1.0)), "{uptimes:?}");
    assert!(house.json(&["incidents"]).is_empty());
    watch.stop();
    support_disk::passed();
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_stops_no_check_and_loses_nothing() {
    support_disk::run_on_a_small_disk("disk::on_a_small_disk", "16m");
}
