//! A server that is frozen, killed or cut off while rows come: nothing is lost, nothing is there twice.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use hallmonitor::clock::SystemClock;
use hallmonitor::deliver::{ConfiguredStore, Delivery, DeliveryOptions, StoreSettings};
use hallmonitor::event::Events;
use hallmonitor::model::{CheckResult, Row};
use hallmonitor::storage::backends::postgres::Postgres;
use hallmonitor::storage::conformance::Fixture;
use hallmonitor::storage::{Backend, BackendConfig, StoreErrorKind};

use crate::proxy::Proxy;
use crate::{MINUTE, batch, block, env_of, hasty, open, own_server, read, rows, server, start, until};

/// Results of a few monitors in the order in which they would come.
fn stream(seed: u64, monitors: usize, each: usize) -> Vec<CheckResult> {
    let mut fixture = Fixture::new(seed);
    let mut all = Vec::new();
    for _ in 0..monitors {
        let monitor = fixture.monitor();
        all.extend(fixture.results(monitor, start(), MINUTE, each));
    }
    all.sort_by_key(|row| (row.time, row.monitor));
    all
}

/// Delivery as the program has it, with short waits.
pub fn delivery(folder: &Path, settings: &Postgres) -> Delivery {
    let mut options = DeliveryOptions::new(folder.to_owned(), Arc::new(SystemClock), Events::new());
    options.journal.close_after = Duration::from_millis(10);
    options.call_timeout = Duration::from_secs(3);
    options.first_retry = Some(Duration::from_millis(50));
    options.save_every_us = 0;
    // What is old by the calendar stays.
    options.retention = hallmonitor::storage::Retention::everything();
    let config = BackendConfig::Postgres(settings.clone());
    let opener = ConfiguredStore {
        backend: config.id(),
        settings: StoreSettings::new(&config, None),
        env: env_of(1),
        contact: settings.contact(),
    };
    Delivery::start(options, Arc::new(opener)).expect("starts").0
}

pub async fn drained(delivery: &Delivery) {
    until("everything is delivered", async || {
        let status = delivery.status();
        (status.state == "open" && status.backlog_rows == 0).then_some(())
    })
    .await;
    assert_eq!((delivery.status().dead_letters, delivery.status().dropped), (0, 0));
}

#[test]
fn a_server_killed_in_the_middle_of_batches_loses_and_doubles_nothing() {
    let server = own_server(&hallmonitor::storage::backends::postgres::test_server::Wanted::default());
    let folder = tempfile::tempdir().expect("a folder");
    block(async {
        let settings = hasty(&server.database("killed").await);
        let delivery = delivery(folder.path(), &settings);
        let all = stream(1, 7, 6_000);
        for (at, part) in all.chunks(700).enumerate() {
            part.iter().for_each(|row| delivery.journal().push(&Row::Result(row.clone())));
            if at % 15 == 10 {
                server.kill();
                tokio::time::sleep(Duration::from_millis(300)).await;
                server.run();
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        drained(&delivery).await;
        assert!(delivery.stop(Duration::from_secs(10)));
        let store = open(&settings).await.expect("opens");
        assert_eq!(read(&*store, None).await.expect("reads"), all);
    });
}

#[test]
fn a_frozen_server_costs_time_and_no_rows() {
    let server = own_server(&hallmonitor::storage::backends::postgres::test_server::Wanted::default());
    let folder = tempfile::tempdir().expect("a folder");
    block(async {
        let settings = hasty(&server.database("frozen").await);
        let delivery = delivery(folder.path(), &settings);
        let all = stream(2, 5, 4_000);
        for (at, part) in all.chunks(2_000).enumerate() {
            let freezes = at == 3 || at == 7;
            if freezes {
                // Its connections stay open and nothing answers.
                server.signal("STOP");
            }
            part.iter().for_each(|row| delivery.journal().push(&Row::Result(row.clone())));
            if freezes {
                until("the fault is told", async || delivery.status().fault).await;
                server.signal("CONT");
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        drained(&delivery).await;
        assert!(delivery.stop(Duration::from_secs(10)));
        let store = open(&settings).await.expect("opens");
        assert_eq!(read(&*store, None).await.expect("reads"), all);
    });
}

#[test]
fn a_call_to_a_frozen_server_ends() {
    let server = own_server(&hallmonitor::storage::backends::postgres::test_server::Wanted::default());
    block(async {
        let settings = hasty(&server.database("hangs").await);
        let store = open(&settings).await.expect("opens");
        let all = rows(3, 20);
        store.append(&batch(&all[..10])).await.expect("appends");
        server.signal("STOP");
        let rest = batch(&all[10..]);
        let error = tokio::time::timeout(Duration::from_secs(20), store.append(&rest));
        let error = error.await.expect("ends by itself").expect_err("nobody answers");
        assert_eq!(error.kind, StoreErrorKind::Unavailable, "{error}");
        let error = tokio::time::timeout(Duration::from_secs(20), open(&settings));
        let error = error.await.expect("ends by itself").expect_err("nobody answers");
        assert_eq!(error.kind, StoreErrorKind::Unavailable, "{error}");
        server.signal("CONT");
        until("it goes on", async || store.append(&batch(&all)).await.ok()).await;
        assert_eq!(read(&*store, None).await.expect("reads"), all);
    });
}

/// The connection is cut after every possible number of bytes, in steps: whatever got through, the rows are there once.
#[test]
fn a_connection_cut_anywhere_in_a_batch_does_no_harm() {
    block(async {
        let direct = server().database("cut").await;
        let proxy = Proxy::to(server().port()).await;
        let settings = Postgres { port: proxy.port, ..hasty(&direct) };
        let store = open(&settings).await.expect("opens");
        let all = stream(4, 3, 40 * 50);
        for (at, part) in all.chunks(15).enumerate() {
            // A batch is some kB and its answers a few hundred bytes more or less, of which the last say that it is kept.
            if at % 2 == 0 {
                proxy.cut_after(1 + at as u64 * 31);
            } else {
                proxy.cut_answers_after(1 + at as u64 * 5);
            }
            for _ in 0..5 {
                match store.append(&batch(part)).await {
                    Ok(()) => break,
                    Err(error) => assert_eq!(error.kind, StoreErrorKind::Unavailable, "{error}"),
                }
            }
        }
        let (questions, answers) = proxy.cuts();
        assert!(questions > 10 && answers > 10, "{questions} and {answers} cuts");
        let kept = read(&*open(&direct).await.expect("opens"), None).await.expect("reads");
        assert_eq!(kept, all);
    });
}

/// The server keeps a batch and its answer is lost: the batch comes again and counts once.
#[test]
fn a_batch_whose_answer_is_lost_counts_once() {
    block(async {
        let direct = server().database("unheard").await;
        let proxy = Proxy::to(server().port()).await;
        let store = open(&Postgres { port: proxy.port, pool_max: 1, ..hasty(&direct) }).await.expect("opens");
        let witness = open(&direct).await.expect("opens");
        let all = rows(5, 10 * 40);
        let mut unheard = 0;
        for (at, part) in all.chunks(10).enumerate() {
            if at < 3 {
                store.append(&batch(part)).await.expect("appends");
                continue;
            }
            // The very same batch twice tells how long its answers are; the last of them says that it is kept.
            let before = &all[(at - 1) * 10..at * 10];
            store.append(&batch(before)).await.expect("appends");
            let passed = proxy.answered();
            store.append(&batch(before)).await.expect("appends");
            let answers = proxy.answered() - passed;
            proxy.cut_answers_after(answers - 1 - at as u64 % 20);
            if let Err(error) = store.append(&batch(part)).await {
                assert_eq!(error.kind, StoreErrorKind::Unavailable, "{error}");
                let last = part.last().expect("has rows");
                let kept = witness.last_before(last.monitor, last.time.plus_us(1)).await.expect("reads");
                unheard += u32::from(kept.as_ref() == Some(last));
            }
            proxy.cut_answers_after(u64::MAX);
            store.append(&batch(part)).await.expect("appends again");
        }
        assert!(unheard > 5, "only {unheard} batches were kept and their answers lost");
        assert_eq!(read(&*witness, None).await.expect("reads"), all);
    });
}
