//! The two ways in: results that are new are copied; where some are there already, the others are added to them.

use hallmonitor::model::{CheckResult, MonitorId, Tier};
use hallmonitor::storage::backends::postgres::test_server::{TestServer, Wanted};
use hallmonitor::storage::conformance::{Fixture, LifeKind};
use hallmonitor::storage::{Batch, RollupQuery};

use crate::{DAY, EVER, MINUTE, batch, block, open, own_server, read, start};

/// A server that says what it was asked.
fn talkative() -> TestServer {
    own_server(&Wanted { conf: vec!["log_statement = 'all'".to_owned()], ..Wanted::default() })
}

/// How often results came in: copied, and added to what may be there.
fn ways(server: &TestServer) -> (usize, usize) {
    let log = server.log();
    let count = |way| log.lines().filter(|line| line.contains("LOG:") && line.contains(way)).count();
    (count(": COPY result "), count(": INSERT INTO result "))
}

/// Results of all kinds, with everything that a result may have.
fn lively(count: usize) -> (MonitorId, Vec<CheckResult>) {
    let mut fixture = Fixture::new(9);
    let monitor = fixture.monitor();
    let mut rows = fixture.results(monitor, start(), MINUTE, count);
    for (at, row) in rows.iter_mut().enumerate() {
        if at % 2 == 0 {
            let kind = LifeKind::ALL[at / 2 % 4];
            *row = CheckResult { time: row.time, ..kind.result(&mut fixture, monitor, row.time, MINUTE) };
        }
    }
    rows[1].message = "a \"quote\", a \\ and ünïcödé 🦀, N and \\N".into();
    (monitor, rows)
}

#[test]
fn new_results_are_copied_and_read_back_to_the_letter() {
    let server = talkative();
    block(async {
        let store = open(&server.database("copied").await).await.expect("opens");
        let (monitor, all) = lively(1_800);
        for part in all.chunks(600) {
            store.append(&batch(part)).await.expect("appends");
        }
        assert_eq!(ways(&server), (2, 1), "what comes first may have come before");
        assert_eq!(read(&*store, Some(monitor)).await.expect("reads"), all);
    });
}

#[test]
fn a_few_results_are_not_copied() {
    let server = talkative();
    block(async {
        let store = open(&server.database("few").await).await.expect("opens");
        let (monitor, all) = lively(300);
        for part in all.chunks(30) {
            store.append(&batch(part)).await.expect("appends");
        }
        assert_eq!(ways(&server), (0, 10));
        assert_eq!(read(&*store, Some(monitor)).await.expect("reads"), all);
    });
}

#[test]
fn a_batch_with_one_row_that_is_there_is_kept_whole_and_once() {
    let server = talkative();
    block(async {
        let store = open(&server.database("mixed").await).await.expect("opens");
        let (monitor, all) = lively(3_000);
        store.append(&batch(&all[..600])).await.expect("appends");
        let mut changed = all[599].clone();
        changed.duration_us += 1;
        let mut fixture = Fixture::new(10);
        let rollups = vec![fixture.rollup(monitor, Tier::Hour, start().minus_us(DAY))];
        let mixed: Vec<_> = [changed].into_iter().chain(all[600..1_200].iter().cloned()).collect();
        store.append(&Batch { results: mixed, rollups: rollups.clone(), ..Batch::default() }).await.expect("appends");
        assert_eq!(ways(&server), (1, 2), "copied in vain, then added");
        assert_eq!(read(&*store, Some(monitor)).await.expect("reads"), all[..1_200], "the first stays");
        let query = RollupQuery { monitor, tier: Tier::Hour, span: EVER };
        assert_eq!(store.rollups(&query).await.expect("reads"), rollups, "and the rest of the batch is there");

        // The next one is not tried in vain.
        store.append(&batch(&all[1_100..1_700])).await.expect("appends");
        assert_eq!(ways(&server), (1, 3));
        store.append(&batch(&all[1_700..2_300])).await.expect("appends");
        store.append(&batch(&all[2_300..])).await.expect("appends");
        assert_eq!(ways(&server), (2, 4), "all were new: copied again");
        assert_eq!(read(&*store, Some(monitor)).await.expect("reads"), all);
    });
}

#[test]
fn after_a_fault_nothing_is_copied_in_vain() {
    let server = talkative();
    block(async {
        let settings = crate::hasty(&server.database("faulty").await);
        let store = open(&settings).await.expect("opens");
        let (monitor, all) = lively(2_400);
        store.append(&batch(&all[..600])).await.expect("appends");
        let mut admin = server.admin("faulty").await;
        sqlx::raw_sql("BEGIN; LOCK TABLE hallmonitor.result").execute(&mut admin).await.expect("locks");
        store.append(&batch(&all[600..1_200])).await.expect_err("somebody holds the table");
        sqlx::raw_sql("COMMIT").execute(&mut admin).await.expect("lets go");
        store.append(&batch(&all[600..1_800])).await.expect("appends");
        store.append(&batch(&all[1_800..])).await.expect("appends");
        assert!(!server.log().contains("duplicate key"), "{}", server.log());
        assert_eq!(read(&*store, Some(monitor)).await.expect("reads"), all);
    });
}
