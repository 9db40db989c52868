//! A server that is frozen, killed or cut off while rows come: nothing is lost, nothing is there twice.

use std::time::Duration;

use hallmonitor::storage::backends::postgres::Postgres;
use hallmonitor::storage::backends::postgres::test_server::Wanted;
use hallmonitor::storage::{BackendConfig, StoreErrorKind};

use crate::proxy::Proxy;
use crate::support_remote::suite;
use crate::{PATIENCE, batch, block, hasty, open, own_server, read, rows, server, stream, until};

#[test]
fn a_server_killed_in_the_middle_of_batches_loses_and_doubles_nothing() {
    let server = own_server(&Wanted::default());
    block(async {
        let config = BackendConfig::of(hasty(&server.database("killed").await));
        suite::is_killed_in_the_middle_of_batches(&server, config, PATIENCE).await;
    });
}

#[test]
fn a_frozen_server_costs_time_and_no_rows() {
    let server = own_server(&Wanted::default());
    block(async {
        let config = BackendConfig::of(hasty(&server.database("frozen").await));
        suite::is_frozen(&server, config, PATIENCE).await;
    });
}

#[test]
fn a_call_to_a_frozen_server_ends() {
    let server = own_server(&Wanted::default());
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
