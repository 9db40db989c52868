//! Read replicas: they answer when they know everything, the server itself when not.

use hallmonitor::storage::StoreErrorKind;
use hallmonitor::storage::backends::postgres::Postgres;
use hallmonitor::storage::backends::postgres::test_server::{TestServer, Wanted};

use crate::{batch, block, hasty, open, own_server, read, rows, until};

async fn caught_up(server: &TestServer, standby: &TestServer) {
    let mut admin = server.admin("postgres").await;
    let at: String = sqlx::query_scalar("SELECT pg_current_wal_lsn()::text").fetch_one(&mut admin).await.expect("asks");
    let mut admin = standby.admin("postgres").await;
    until("the standby has caught up", async || {
        let there: bool = sqlx::query_scalar("SELECT coalesce(pg_last_wal_replay_lsn() >= $1::text::pg_lsn, false)")
            .bind(&at)
            .fetch_one(&mut admin)
            .await
            .expect("asks");
        there.then_some(())
    })
    .await;
}

#[test]
fn a_replica_answers_only_with_all_that_was_acknowledged() {
    let server = own_server(&Wanted { conf: vec!["wal_level = replica".to_owned()], ..Wanted::default() });
    block(async {
        let settings = hasty(&server.database("replicated").await);
        let standby = server.standby();
        let settings = Postgres { replicas: format!("127.0.0.1:{}", standby.port()), ..settings };
        let store = open(&settings).await.expect("opens");
        let all = rows(1, 300);

        // With all of it played back the standby answers alone: the server itself is frozen.
        store.append(&batch(&all[..100])).await.expect("appends");
        caught_up(&server, &standby).await;
        server.signal("STOP");
        assert_eq!(read(&*store, None).await.expect("the replica answers"), all[..100]);
        let error = store.append(&batch(&all[100..200])).await.expect_err("nobody writes");
        assert_eq!(error.kind, StoreErrorKind::Unavailable, "{error}");
        server.signal("CONT");

        // A replica that lags must not answer.
        standby.execute("postgres", "SELECT pg_wal_replay_pause()").await;
        until("it writes again", async || store.append(&batch(&all[100..200])).await.ok()).await;
        for _ in 0..5 {
            assert_eq!(read(&*store, None).await.expect("the server answers"), all[..200]);
        }
        standby.execute("postgres", "SELECT pg_wal_replay_resume()").await;
        caught_up(&server, &standby).await;
        assert_eq!(read(&*store, None).await.expect("reads"), all[..200]);

        // One that is gone is done without.
        standby.kill();
        store.append(&batch(&all[200..])).await.expect("appends");
        assert_eq!(read(&*store, None).await.expect("the server answers"), all);
        store.close().await.expect("closes");
    });
}

#[test]
fn a_replica_named_as_the_server_is_told() {
    let server = own_server(&Wanted { conf: vec!["wal_level = replica".to_owned()], ..Wanted::default() });
    block(async {
        let settings = server.database("standby").await;
        open(&settings).await.expect("opens").close().await.expect("closes");
        let standby = server.standby();
        caught_up(&server, &standby).await;
        let settings = Postgres { port: standby.port(), ..settings };
        let store = open(&settings).await.expect("opens: all is there");
        let error = store.append(&batch(&rows(2, 5))).await.expect_err("takes no writes");
        assert_eq!(error.kind, StoreErrorKind::Misconfigured, "{error}");
        assert!(error.to_string().contains("name the primary server"), "{error}");
    });
}
