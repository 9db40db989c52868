//! Two embedded stores and none, switched again and again and killed at random moments: each row is in the store that was
//! in use when it was produced, and in no other.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use hallmonitor::clock::{Clock, SetClock};
use hallmonitor::deliver::{ConfiguredStore, Delivery, DeliveryOptions, OpenStore, StoreSettings};
use hallmonitor::event::Events;
use hallmonitor::model::{MonitorId, Row, Span, UnixMicros};
use hallmonitor::storage::{BackendConfig, ResultQuery, Retention};
use uuid::Uuid;

use super::sealing::env;
use super::victim::{self, LEAST, LONG, Victim, acknowledged};

/// Between two rows, so that some hundred of them make a day.
const STEP_US: u64 = 120_000_000;
/// A child produces at most this many rows and then waits to be killed.
const MOST: u64 = 20_000;
/// The word of each store and its folder.
const STORES: [(&str, Option<&str>); 3] = [("embedded", Some("first")), ("embedded", Some("second")), ("none", None)];

fn time(number: u64) -> UnixMicros {
    UnixMicros::new(1_772_323_200_000_000).plus_us(number * STEP_US)
}

fn row(number: u64) -> Row {
    let Row::Result(mut row) = super::row(number) else { unreachable!("it is a result") };
    row.monitor = MonitorId::new(Uuid::from_u128(u128::from(number % 7)));
    row.time = time(number);
    Row::Result(row)
}

fn opener(dir: &Path, which: usize) -> Arc<ConfiguredStore> {
    let (backend, folder) = STORES[which];
    let settings = folder.map_or(serde_json::json!({}), |path| serde_json::json!({ "path": path }));
    let config = BackendConfig::from_object(backend, settings).expect("settings");
    let (env, contact) = (env(dir), config.contact());
    Arc::new(ConfiguredStore { backend, settings: StoreSettings::new(&config, None), env, contact })
}

fn start(dir: &Path, which: usize, clock: &Arc<SetClock>) -> Delivery {
    let clock: Arc<dyn Clock> = Arc::clone(clock) as _;
    let mut options = DeliveryOptions::new(dir.to_owned(), clock, Events::new());
    options.journal.close_after = Duration::from_millis(5);
    options.journal.segment_bytes = 256 * 1024;
    options.head_bytes = 64 * 1024;
    options.save_every_us = 50_000;
    options.first_retry = Some(Duration::from_millis(20));
    options.retention = Retention::everything();
    options.others = (0..STORES.len()).map(|which| opener(dir, which) as Arc<dyn OpenStore>).collect();
    Delivery::start(options, opener(dir, which)).expect("starts").0
}

/// The store that the configuration names.
fn wanted(dir: &Path) -> usize {
    fs::read_to_string(dir.join("wanted")).map_or(0, |text| text.parse().expect("a number"))
}

/// As a person does: the file first, then the running program notices. Nothing is on its way meanwhile, so that it is
/// known which rows are whose.
fn switch(dir: &Path, delivery: &Delivery, next: u64) {
    let which = usize::try_from(victim::chance(STORES.len() as u64)).expect("small");
    fs::write(dir.join("wanted.new"), which.to_string()).expect("writes");
    fs::rename(dir.join("wanted.new"), dir.join("wanted")).expect("renames");
    victim::say(&format!("route {which} from"), next);
    delivery.switch(opener(dir, which)).expect("switches");
}

/// Not a test by itself: produces rows and switches until it is killed, when the test below starts it.
#[test]
fn child() {
    let Some((dir, first, _)) = victim::told() else { return };
    let clock = Arc::new(SetClock::at(time(first)));
    let delivery = start(&dir, wanted(&dir), &clock);
    let mut number = first;
    while number < first + MOST {
        for _ in 0..victim::chance(200) {
            delivery.journal().push(&row(number));
            number += 1;
            clock.advance_us(STEP_US);
        }
        assert!(delivery.journal().flush(LONG));
        victim::say("acknowledged", number);
        switch(&dir, &delivery, number);
    }
    std::thread::sleep(Duration::from_secs(600));
}

/// The numbers of the rows in a store, which then seals the days that are over at `now`.
fn stored(dir: &Path, which: usize, now: UnixMicros) -> BTreeSet<u64> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let store = opener(dir, which).open().await.expect("opens");
        let span = Span::new(UnixMicros::MIN, UnixMicros::MAX);
        let query = ResultQuery { monitor: None, span, limit: 1_000_000, after: None };
        let results = store.results(&query).await.expect("reads").results;
        let verified = store.verify().await.expect("verifies");
        assert!(verified.damaged.is_empty(), "{:?}", verified.damaged);
        while store.tend(now).await.expect("keeps house") {}
        assert!(store.results(&query).await.expect("reads").results == results, "sealing changes nothing");
        store.close().await.expect("closes");
        let numbers: BTreeSet<u64> = results.iter().map(|row| row.duration_us).collect();
        assert_eq!(numbers.len(), results.len(), "a row is stored twice");
        assert!(
            results.iter().all(|result| row(result.duration_us) == Row::Result(result.clone())),
            "a row is another"
        );
        numbers
    })
}

/// From which row on which store is in use, where a line tells that.
fn route_in(line: &str) -> Option<(u64, usize)> {
    let mut words = line.split(' ');
    let is_route = words.next() == Some("route");
    let which = words.next()?.parse().ok().filter(|_| is_route)?;
    Some((words.nth(1)?.parse().ok()?, which))
}

/// Brings all that waits; gives the number of rows that were produced.
fn settle(dir: &Path, first: u64, told: &str) -> u64 {
    let clock = Arc::new(SetClock::at(time(first + MOST)));
    let delivery = start(dir, wanted(dir), &clock);
    let produced = delivery.journal().next() - 1;
    let settled = || {
        let former = delivery.history().former_stores();
        delivery.status().backlog_rows == 0 && former.iter().all(|former| former.backlog_rows == 0)
    };
    let delivered = (0..12_000).any(|_| {
        clock.advance_us(STEP_US);
        std::thread::sleep(Duration::from_millis(5));
        settled()
    });
    assert!(delivered, "{told}: {:?} {:?}", delivery.status(), delivery.history().former_stores());
    assert!(delivery.stop(LONG), "{told}");
    produced
}

fn sealed_files(dir: &Path) -> usize {
    let folders = STORES.iter().filter_map(|(_, folder)| fs::read_dir(dir.join((*folder)?)).ok());
    let names = folders.flatten().map(|entry| entry.expect("entry").file_name());
    names.filter(|name| name.to_string_lossy().ends_with(".sealed")).count()
}

#[test]
fn killed_while_embedded_stores_and_none_are_switched_each_row_is_where_it_belongs() {
    let rounds = victim::rounds();
    let dir = victim::folder();
    let mut first = 0;
    // From which row on which store is in use.
    let mut routes: Vec<(u64, usize)> = Vec::new();
    for number in 0..rounds {
        let told = format!("round {number}");
        routes.push((first, wanted(dir.path())));
        let mut victim = Victim::start("switching::child", dir.path(), first, false);
        victim.wait_for(first + LEAST);
        victim.kill_within(Duration::from_millis(120));
        let heard = victim.rest();
        let acked = heard.iter().filter_map(|line| acknowledged(line)).next_back().expect("rows are acknowledged");
        routes.extend(heard.iter().filter_map(|line| route_in(line)));
        // Stable: of two from the same row on the later one counts.
        routes.sort_by_key(|(from, _)| *from);
        let produced = settle(dir.path(), first, &told);
        assert!(produced >= acked, "{told}: {produced} journaled of {acked} acknowledged");
        let route = |row: u64| routes[routes.partition_point(|(from, _)| *from <= row) - 1].1;
        for (which, (_, folder)) in STORES.iter().enumerate().filter(|(_, (_, folder))| folder.is_some()) {
            let own: BTreeSet<u64> = (0..produced).filter(|row| route(*row) == which).collect();
            let found = if dir.path().join(folder.expect("one")).exists() {
                stored(dir.path(), which, time(produced))
            } else {
                BTreeSet::new()
            };
            let (lost, alien): (Vec<_>, Vec<_>) = (own.difference(&found).collect(), found.difference(&own).collect());
            assert!(lost.is_empty() && alien.is_empty(), "{told}: {folder:?} lacks {lost:?}, has besides {alien:?}");
        }
        first = produced;
    }
    let used: BTreeSet<usize> = routes.iter().map(|(_, which)| *which).collect();
    assert_eq!(used.len(), STORES.len(), "every store was used");
    assert!(sealed_files(dir.path()) > 0, "days were sealed meanwhile");
}
