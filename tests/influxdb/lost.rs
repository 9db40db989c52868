//! Rows that the server acknowledges and does not have. A real one does so when it drops what it keeps in memory of a
//! piece of a bucket in the very moment in which somebody writes to it: too seldom to wait for.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use hallmonitor::model::{Gap, GapReason, Span, Tier};
use hallmonitor::storage::backends::influxdb::InfluxDb;
use hallmonitor::storage::conformance::Fixture;
use hallmonitor::storage::{Batch, GapQuery, IncidentQuery, ResultStore, RollupQuery, StoreErrorKind};
use reqwest::Method;
use serde_json::json;

use crate::door::{Deed, Door, answer};
use crate::{
    DAY, EVER, MINUTE, assert_told, batch, block, delivery, drained, open, push, read, server, start, stopped, stream,
    until,
};

const WRITE: &str = "POST /api/v2/write";
const QUERY: &str = "POST /api/v2/query";

/// A store whose requests go through a door, and one that asks the server itself.
async fn through_a_door(bucket: &str) -> (Door, InfluxDb, Arc<dyn ResultStore>) {
    let server = server().await;
    let door = Door::to(server.port()).await;
    let settings = InfluxDb { url: door.url(), ..server.settings(bucket) };
    let plain = open(&server.settings(bucket)).await.expect("opens");
    (door, settings, plain)
}

/// From now on the writes with these numbers are acknowledged and go nowhere.
fn swallow(door: &Door, numbers: impl Fn(usize) -> bool + Send + Sync + 'static) {
    let writes = AtomicUsize::new(0);
    door.does(move |seen| {
        if seen.what == WRITE && numbers(writes.fetch_add(1, Ordering::SeqCst)) {
            return answer("204 No Content", "", "");
        }
        Deed::Pass
    });
}

#[test]
fn results_that_the_server_acknowledged_and_lost_are_sent_again() {
    block(async {
        let (door, settings, plain) = through_a_door("lost_results").await;
        let store = open(&settings).await.expect("opens");
        let all = stream(31, 40, 400);
        swallow(&door, |number| number == 0 || number == 2 || number == 4);
        store.append(&batch(&all)).await.expect("appends");
        assert_eq!(read(&*plain, None).await.expect("reads"), all);
        // Four requests, of which two were lost, and one of these again.
        assert_eq!(door.seen(WRITE).len(), 4 + 2 + 1);
    });
}

#[test]
fn everything_else_that_was_lost_is_sent_again() {
    block(async {
        let (door, settings, plain) = through_a_door("lost_rest").await;
        let store = open(&settings).await.expect("opens");
        let mut fixture = Fixture::new(32);
        let monitor = fixture.monitor();
        let gap = |days| {
            let from = start().plus_us(days * DAY);
            Gap { monitor, span: Span::new(from, from.plus_us(MINUTE)), reason: GapReason::Paused }
        };
        let whole = Batch {
            monitors: vec![fixture.known(monitor, start())],
            gaps: vec![gap(0), gap(300)],
            incidents: vec![fixture.incident(monitor, start().plus_us(600 * DAY), Some(MINUTE))],
            rollups: (0..900).map(|day| fixture.rollup(monitor, Tier::Day, start().plus_us(day * DAY))).collect(),
            ..Batch::default()
        };
        swallow(&door, |number| number == 0);
        store.append(&whole).await.expect("appends");
        assert_eq!(plain.gaps(&GapQuery { monitor: None, span: EVER }).await.expect("reads"), whole.gaps);
        let asked = IncidentQuery { monitor: None, span: EVER, limit: 9 };
        assert_eq!(plain.incidents(&asked).await.expect("reads"), whole.incidents);
        let asked = RollupQuery { monitor, tier: Tier::Day, span: EVER };
        assert_eq!(plain.rollups(&asked).await.expect("reads"), whole.rollups);
        // What is written over is not there before it is.
        for value in ["one", "two"] {
            swallow(&door, |number| number == 0);
            store.set_metadata("key", value.as_bytes()).await.expect("sets");
            assert_eq!(plain.metadata("key").await.expect("reads").as_deref(), Some(value.as_bytes()));
        }
        let again = open(&settings).await.expect("opens");
        assert_eq!(again.monitors().await.expect("lists"), whole.monitors);
    });
}

#[test]
fn rows_that_go_a_moment_after_they_were_seen_are_sent_again() {
    block(async {
        let server = server().await;
        let (door, settings, plain) = through_a_door("lost_late").await;
        let store = open(&settings).await.expect("opens");
        let all = stream(33, 3, 100);
        // The first look finds them; before the second one they are gone.
        let (writes, looks) = (AtomicUsize::new(0), Arc::new(AtomicUsize::new(0)));
        let looked = Arc::clone(&looks);
        door.does(move |seen| match seen.what.as_str() {
            WRITE => {
                writes.fetch_add(1, Ordering::SeqCst);
                Deed::Pass
            }
            QUERY if writes.load(Ordering::SeqCst) == 1 && looked.fetch_add(1, Ordering::SeqCst) == 1 => {
                Deed::Late(Duration::from_secs(3))
            }
            _ => Deed::Pass,
        });
        let drop_them = async {
            until("the second look", async || (looks.load(Ordering::SeqCst) > 1).then_some(())).await;
            let all = json!({"start": "1970-01-01T00:00:00Z", "stop": "2100-01-01T00:00:00Z"});
            let whose = [("org", settings.org.as_str()), ("bucket", "lost_late")];
            let (status, said) = server.ask(Method::POST, "/api/v2/delete", Some(&whose), Some(all)).await;
            assert_eq!(status, 204, "{said}");
            assert_eq!(read(&*plain, None).await.expect("reads"), []);
        };
        let rows = batch(&all);
        let (appended, ()) = tokio::join!(store.append(&rows), drop_them);
        appended.expect("appends");
        assert_eq!(read(&*plain, None).await.expect("reads"), all);
    });
}

#[test]
fn rows_that_are_lost_again_and_again_stay_in_the_journal() {
    let folder = tempfile::tempdir().expect("a folder");
    block(async {
        let (door, settings, plain) = through_a_door("lost_always").await;
        let store = open(&settings).await.expect("opens");
        let all = stream(34, 3, 500);
        swallow(&door, |_| true);
        let error = store.append(&batch(&all)).await.expect_err("they are not there");
        assert_told(&error, StoreErrorKind::Unavailable, &["acknowledges rows and does not have them"]);
        assert!(error.is_transient());
        let delivery = delivery(folder.path(), &settings);
        push(&delivery, &all);
        let fault = until("the fault is told", async || delivery.status().fault).await;
        assert!(fault.contains("does not have them"), "{fault}");
        assert_eq!(read(&*plain, None).await.expect("reads"), []);
        door.does(|_| Deed::Pass);
        drained(&delivery).await;
        stopped(delivery).await;
        assert_eq!(read(&*plain, None).await.expect("reads"), all);
    });
}
