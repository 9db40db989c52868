//! Several installations that keep their history in one store: three real processes at once, killed and started again,
//! and one whose disk was copied while it ran.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use hallmonitor::storage::backends::influxdb::test_server as influxdb;
use hallmonitor::storage::backends::postgres::test_server as postgres;
use serde_json::Value;

use crate::support::{House, Server, tcp, until};

const NAMES: [&str; 3] = ["attic", "cellar", "office"];

fn configure(house: &House, name: &str, storage: &str, server: &Server) {
    let monitors: String = ["door", "window"].map(|at| format!("        - {}\n", tcp(at, server.address))).concat();
    house.write_config(&format!(
        "instance:\n  name: {name}\n{storage}monitoring:\n  groups:\n    - name: all\n      monitors:\n{monitors}"
    ));
}

/// Times of the results that a house tells, its own or another's, with the address that answered: two that watch by the
/// same plan may begin in the same microsecond.
fn times(house: &House, instance: Option<&str>) -> BTreeSet<String> {
    let mut args = vec!["history", "door", "--since", "1h"];
    args.extend(instance.into_iter().flat_map(|name| ["--instance", name]));
    house.json(&args).iter().map(|line| format!("{} {}", line["time"], line["facts"]["peer"])).collect()
}

fn instances(house: &House) -> Vec<Value> {
    house.json(&["instances"])
}

fn delivered(house: &House) -> bool {
    let report = house.json(&["storage", "status"]);
    report.first().is_some_and(|report| report["state"] == "open" && report["fault"].is_null())
}

/// Three at once in the store that `storage` names.
fn three_share(storage: &str) {
    let server = Server::start();
    let houses = NAMES.map(|name| {
        let house = House::new();
        configure(&house, name, storage, &server);
        house
    });
    let mut watches: Vec<_> = houses.iter().map(|house| Some(house.watch())).collect();
    let there = until("all three are there", || {
        let there = instances(&houses[0]);
        (there.len() == 3 && there.iter().all(|one| one["state"] == "alive")).then_some(there)
    });
    let names: Vec<&str> = there.iter().filter_map(|one| one["name"].as_str()).collect();
    assert_eq!(names, NAMES, "by name");
    assert_eq!(there.iter().filter(|one| one["own"] == true).count(), 1, "{there:?}");

    // What one sees of another is what that one has, and nothing of anybody else's.
    until("each has delivered some", || {
        houses.iter().zip(NAMES).all(|(_, name)| times(&houses[0], Some(name)).len() >= 3).then_some(())
    });
    for (at, name) in NAMES.iter().enumerate() {
        let seen = times(&houses[(at + 1) % 3], Some(name));
        let own = times(&houses[at], None);
        assert!(seen.len() >= 3 && seen.is_subset(&own), "{name}: {seen:?} {own:?}");
        for other in (0..3).filter(|other| *other != at) {
            assert!(seen.is_disjoint(&times(&houses[other], None)), "{name} has rows of {}", NAMES[other]);
        }
    }
    let wrong = houses[0].ask(&["history", "door", "--instance", "garden"]);
    let told = String::from_utf8_lossy(&wrong.stderr).into_owned();
    assert!(wrong.status.code() == Some(2) && told.contains("`attic`, `cellar`, `office`"), "{told}");
    let uptime = houses[2].json(&["uptime", "--instance", "attic", "--window", "1h"]);
    assert_eq!(uptime.len(), 2, "{uptime:?}");

    // One is killed and comes back: nothing of it is lost, the others go on, its id stays.
    let before = times(&houses[1], None);
    watches[1].take().expect("runs").kill();
    watches[1] = Some(houses[1].watch());
    until("it goes on where it was", || {
        let all = times(&houses[0], Some("cellar"));
        (before.is_subset(&all) && all.len() > before.len() + 2).then_some(())
    });
    let after = instances(&houses[0]);
    let ids = |of: &[Value]| of.iter().map(|one| one["id"].to_string()).collect::<BTreeSet<_>>();
    assert_eq!(ids(&after), ids(&there), "nobody has another id");
    until("the others have delivered all along", || houses.iter().all(delivered).then_some(()));

    // One that ends says so; its history stays readable.
    watches[2].take().expect("runs").stop();
    let ended = instances(&houses[0]);
    assert_eq!(ended.iter().find(|one| one["name"] == "office").map(|one| &one["state"]), Some(&"ended".into()));
    assert!(!times(&houses[0], Some("office")).is_empty());
    watches.into_iter().flatten().for_each(crate::support::Watch::stop);
}

fn copy(from: &Path, to: &Path) {
    let copied = Command::new("cp").arg("-R").arg(from).arg(to).status().expect("cp");
    assert!(copied.success());
}

/// A data folder is copied while its installation lives: the copy gets an id of its own, and rows never mix.
fn a_copy_is_noticed(storage: &str) {
    let (server, elsewhere) = (Server::start(), Server::start());
    let original = House::new();
    configure(&original, "original", storage, &server);
    let watch = original.watch();
    until("it has delivered some", || (times(&original, Some("original")).len() >= 3).then_some(()));
    let id = instances(&original)[0]["id"].clone();
    let cloned = House::new();
    copy(&original.data(), &cloned.data());
    // What was in the journal when it was copied is the past of both.
    let common = times(&original, None);
    configure(&cloned, "clone", storage, &elsewhere);
    let of_clone = cloned.watch();
    let there = until("the copy is there as another one", || {
        let there = instances(&original);
        there.iter().any(|one| one["name"] == "clone" && one["state"] == "alive").then_some(there)
    });
    assert_eq!(there.len(), 2, "{there:?}");
    let original_now = there.iter().find(|one| one["name"] == "original").expect("is there");
    assert_eq!((&original_now["id"], &original_now["state"]), (&id, &"alive".into()), "the original keeps its id");
    assert!(cloned.log().contains("an id of its own"), "{}", cloned.log());
    // What the copy saw while it waited is delivered under its own id, and never under the original's.
    let of_original = until("both go on", || {
        let (one, two) = (times(&original, Some("original")), times(&original, Some("clone")));
        (one.len() > common.len() + 3 && two.len() > 5).then_some(one)
    });
    let seen_by_clone: BTreeSet<String> = times(&cloned, Some("clone")).difference(&common).cloned().collect();
    assert!(seen_by_clone.is_disjoint(&of_original), "rows mix");
    assert!(of_original.is_subset(&times(&original, None)), "the original has its own rows only");
    // The new id is written down: after a kill it is the same.
    of_clone.kill();
    let again = cloned.watch();
    let ids = |house: &House| instances(house).iter().map(|one| one["id"].to_string()).collect::<BTreeSet<_>>();
    let known = ids(&original);
    let counted = times(&original, Some("clone")).len();
    until("it goes on", || (times(&original, Some("clone")).len() > counted + 2).then_some(()));
    assert_eq!(ids(&original), known);
    again.stop();
    watch.stop();
}

fn in_influxdb(bucket: &str) -> String {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let server = runtime.block_on(influxdb::shared()).expect("InfluxDB was built (cargo xtask setup)");
    format!(
        "storage:\n  backend: influxdb\n  influxdb:\n    url: {}\n    org: {}\n    bucket: {bucket}\n    token: \"{}\"\n",
        server.url(),
        Value::from(influxdb::ORG),
        influxdb::TOKEN
    )
}

fn in_postgres(database: &str) -> String {
    let server = postgres::shared().expect("PostgreSQL is on this machine (cargo xtask setup)");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let settings = runtime.block_on(server.database(database));
    format!(
        "storage:\n  backend: postgres\n  postgres:\n    host: {}\n    port: {}\n    database: {database}\n    user: {}\n    \
         password: {}\n",
        settings.host,
        settings.port,
        settings.user,
        Value::from(&*settings.password)
    )
}

#[test]
fn three_share_an_influxdb() {
    three_share(&in_influxdb("three"));
}

#[test]
fn three_share_a_postgresql() {
    three_share(&in_postgres("three"));
}

#[test]
fn a_copied_disk_is_noticed_on_influxdb() {
    a_copy_is_noticed(&in_influxdb("copied"));
}

#[test]
fn a_copied_disk_is_noticed_on_postgresql() {
    a_copy_is_noticed(&in_postgres("copied"));
}

#[test]
fn a_store_of_ones_own_has_no_neighbours() {
    let (house, server) = (House::new(), Server::start());
    configure(&house, "alone", "storage:\n  backend: embedded\n", &server);
    for args in [&["instances"][..], &["history", "door", "--instance", "other"]] {
        let refused = house.ask(args);
        assert_eq!(refused.status.code(), Some(2), "{args:?}");
        assert!(String::from_utf8_lossy(&refused.stderr).contains("this installation's alone"), "{refused:?}");
    }
}
