//! Several instances on one server, and users with few rights.

use std::sync::Arc;

use hallmonitor::storage::backends::postgres::Postgres;
use hallmonitor::storage::backends::postgres::test_server::PASSWORD;
use hallmonitor::storage::{Backend, Retention, StoreErrorKind};

use crate::support_remote::suite;
use crate::{DAY, batch, block, env_of, read, rows, server, start};

#[test]
fn two_instances_share_a_schema_and_never_mix() {
    block(async {
        let settings = server().database("shared").await;
        let one = settings.open(&env_of(1)).await.expect("opens");
        let two = settings.open(&env_of(2)).await.expect("opens");
        suite::two_never_mix(&*one, &*two).await;
        // Only when both have given it up the partition goes.
        assert!(partitions("shared", "result_20260301").await);
        let pruned = two.prune_all(&Retention::default(), start().plus_us(40 * DAY)).await.expect("prunes");
        assert_eq!(pruned.results, 300);
        assert!(!partitions("shared", "result_20260301").await);
    });
}

async fn partitions(database: &str, name: &str) -> bool {
    let mut admin = server().admin(database).await;
    sqlx::query_scalar("SELECT to_regclass('hallmonitor.' || $1) IS NOT NULL")
        .bind(name)
        .fetch_one(&mut admin)
        .await
        .expect("asks")
}

#[test]
fn many_instances_open_an_empty_database_at_once() {
    block(async {
        let settings = Arc::new(server().database("crowd").await);
        let mut tasks = tokio::task::JoinSet::new();
        for instance in 1..=8u128 {
            let settings = Arc::clone(&settings);
            tasks.spawn(async move {
                let store = settings.open(&env_of(instance)).await?;
                store.append(&batch(&rows(3, 500))).await?;
                let kept = read(&*store, None).await?.len();
                store.close().await?;
                Ok::<_, hallmonitor::storage::StoreError>(kept)
            });
        }
        for kept in tasks.join_all().await {
            assert_eq!(kept.expect("opens and writes"), 500);
        }
    });
}

#[test]
fn a_user_who_may_only_write_rows_is_enough() {
    block(async {
        let owner = server().database("least").await;
        let make = format!("CREATE ROLE clerk LOGIN PASSWORD '{}'", PASSWORD.replace('\'', "''"));
        server().execute("least", &make).await;
        server()
            .execute("least", "REVOKE CREATE ON DATABASE least FROM PUBLIC; REVOKE ALL ON SCHEMA public FROM PUBLIC")
            .await;
        let clerk = Postgres { user: "clerk".to_owned(), ..owner.clone() };

        // Before: refused, with the next step.
        let error = clerk.open(&env_of(1)).await.expect_err("nothing is there");
        assert_eq!(error.kind, StoreErrorKind::Unauthorized);
        assert!(error.to_string().contains("migrate-schema"), "{error}");

        // The other user makes the schema and gives the rights that are named.
        let said = owner.migrate(&env_of(1)).await.expect("migrates");
        let grants = said.split_once("needs: ").expect("names the rights").1.replace("TO \"hallmonitor\"", "TO clerk");
        server().execute("least", &grants).await;

        let store = clerk.open(&env_of(1)).await.expect("opens");
        let all = rows(4, 3 * 1_440);
        store.append(&batch(&all)).await.expect("makes its partitions");
        assert_eq!(read(&*store, None).await.expect("reads"), all);
        let now = start().plus_us(33 * DAY);
        let pruned = store.prune_all(&Retention::default(), now).await.expect("drops its partitions");
        assert_eq!(pruned.results, all.len() as u64);
        assert!(!partitions("least", "result_20260301").await, "the partition is dropped");
        store.check().await.expect("checks");
        let steps = format!("{:?}", clerk.diagnose(&env_of(1)).await);
        assert!(!steps.contains("Failed"), "{steps}");

        // And it may really not do more.
        let options = sqlx::postgres::PgConnectOptions::new_without_pgpass();
        let options = options.host("127.0.0.1").port(server().port()).username("clerk").password(PASSWORD);
        let mut direct = sqlx::ConnectOptions::connect(&options.database("least")).await.expect("connects");
        for refused in ["CREATE TABLE hallmonitor.mine ()", "DROP TABLE hallmonitor.result", "CREATE SCHEMA mine"] {
            sqlx::raw_sql(refused).execute(&mut direct).await.expect_err(refused);
        }
    });
}
