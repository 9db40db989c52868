//! A server that is frozen, killed, slow or cut off while rows come: nothing is lost, nothing is there twice.

use std::time::Duration;

use hallmonitor::storage::backends::influxdb::InfluxDb;
use hallmonitor::storage::backends::influxdb::test_server::Wanted;
use hallmonitor::storage::{BackendConfig, StoreErrorKind};

use crate::door::{Deed, Door};
use crate::proxy::Proxy;
use crate::support_remote::suite;
use crate::{
    PATIENCE, batch, block, delivery, drained, hasty, open, own_server, push, read, rows, server, stopped, stream,
    until,
};

#[test]
fn a_server_killed_in_the_middle_of_batches_loses_and_doubles_nothing() {
    block(async {
        let server = own_server(&Wanted::default()).await;
        let config = BackendConfig::of(hasty(&server.settings("killed")));
        suite::is_killed_in_the_middle_of_batches(&server, config, PATIENCE).await;
    });
}

#[test]
fn a_frozen_server_costs_time_and_no_rows() {
    block(async {
        let server = own_server(&Wanted::default()).await;
        let config = BackendConfig::of(hasty(&server.settings("frozen")));
        suite::is_frozen(&server, config, PATIENCE).await;
    });
}

#[test]
fn a_call_to_a_frozen_server_ends() {
    block(async {
        let server = own_server(&Wanted::default()).await;
        let settings = hasty(&server.settings("hangs"));
        let store = open(&settings).await.expect("opens");
        let all = rows(3, 20);
        store.append(&batch(&all[..10])).await.expect("appends");
        server.signal("STOP");
        let rest = batch(&all[10..]);
        let error = tokio::time::timeout(Duration::from_secs(20), store.append(&rest));
        let error = error.await.expect("ends by itself").expect_err("nobody answers");
        assert_eq!(error.kind, StoreErrorKind::Unavailable, "{error}");
        assert!(error.to_string().contains("no answer in time"), "{error}");
        let error = tokio::time::timeout(Duration::from_secs(20), open(&settings));
        let error = error.await.expect("ends by itself").expect_err("nobody answers");
        assert_eq!(error.kind, StoreErrorKind::Unavailable, "{error}");
        server.signal("CONT");
        until("it goes on", async || store.append(&batch(&all)).await.ok()).await;
        assert_eq!(read(&*store, None).await.expect("reads"), all);
    });
}

#[test]
fn a_slow_server_holds_nothing_up_for_good() {
    let folder = tempfile::tempdir().expect("a folder");
    block(async {
        let server = server().await;
        let door = Door::to(server.port()).await;
        let settings = InfluxDb { url: door.url(), ..server.settings("slow") };
        let delivery = delivery(folder.path(), &settings);
        door.does(|_| Deed::Late(Duration::from_millis(400)));
        let all = stream(4, 4, 2_500);
        for part in all.chunks(500) {
            push(&delivery, part);
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        drained(&delivery).await;
        stopped(delivery).await;
        door.does(|_| Deed::Pass);
        let store = open(&settings).await.expect("opens");
        assert_eq!(read(&*store, None).await.expect("reads"), all);
    });
}

/// The connection is cut after every possible number of bytes, in steps: whatever got through, the rows are there once.
#[test]
fn a_connection_cut_anywhere_in_a_batch_does_no_harm() {
    block(async {
        let server = server().await;
        let direct = server.settings("cut");
        let proxy = Proxy::to(server.port()).await;
        let settings = InfluxDb { url: format!("http://127.0.0.1:{}", proxy.port), ..hasty(&direct) };
        let store = open(&settings).await.expect("opens");
        let all = stream(5, 3, 40 * 50);
        for (at, part) in all.chunks(15).enumerate() {
            // A batch is some kB, and its answer a few hundred bytes.
            if at % 2 == 0 {
                proxy.cut_after(1 + at as u64 * 7 % 2_000);
            } else {
                proxy.cut_answers_after(1 + at as u64 % 300);
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
        let server = server().await;
        let direct = server.settings("unheard");
        let door = Door::to(server.port()).await;
        let store = open(&InfluxDb { url: door.url(), ..hasty(&direct) }).await.expect("opens");
        let witness = open(&direct).await.expect("opens");
        let all = rows(6, 10 * 30);
        let mut unheard = 0;
        for (at, part) in all.chunks(10).enumerate() {
            door.does(move |seen| match seen.what == "POST /api/v2/write" {
                true => Deed::Cut(at % 40),
                false => Deed::Pass,
            });
            if let Err(error) = store.append(&batch(part)).await {
                assert_eq!(error.kind, StoreErrorKind::Unavailable, "{error}");
                let last = part.last().expect("has rows");
                let kept = witness.last_before(last.monitor, last.time.plus_us(1)).await.expect("reads");
                unheard += u32::from(kept.as_ref() == Some(last));
            }
            door.does(|_| Deed::Pass);
            // It comes again, and what is new to it as well; what was kept first stays.
            let mut again = part.to_vec();
            again.iter_mut().for_each(|row| row.duration_us += 1);
            store.append(&batch(&again)).await.expect("appends again");
        }
        assert!(unheard > 25, "only {unheard} batches were kept and their answers lost");
        assert_eq!(read(&*witness, None).await.expect("reads"), all);
    });
}
