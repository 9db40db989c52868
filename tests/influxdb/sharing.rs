//! Several instances in one pair of buckets, and tokens with few rights.

use std::sync::Arc;

use hallmonitor::storage::backends::influxdb::InfluxDb;
use hallmonitor::storage::{Backend, Retention, StoreError, StoreErrorKind};

use crate::support_remote::suite;
use crate::{DAY, assert_told, batch, block, env_of, open, read, rows, server, start};

#[test]
fn two_instances_share_buckets_and_never_mix() {
    block(async {
        let settings = server().await.settings("shared");
        let one = settings.open(&env_of(1)).await.expect("opens");
        let two = settings.open(&env_of(2)).await.expect("opens");
        let (monitor, of_two) = suite::two_never_mix(&*one, &*two).await;
        // Also after both have opened it anew.
        let two = settings.open(&env_of(2)).await.expect("opens");
        assert_eq!(suite::everything(&*two, monitor).await, of_two);
        let one = settings.open(&env_of(1)).await.expect("opens");
        assert!(one.monitors().await.expect("reads").is_empty());
        let pruned = two.prune_all(&Retention::default(), start().plus_us(40 * DAY)).await.expect("prunes");
        assert_eq!(pruned.results, 300);
    });
}

#[test]
fn many_instances_open_an_empty_server_at_once() {
    block(async {
        let settings = Arc::new(server().await.settings("crowd"));
        let mut tasks = tokio::task::JoinSet::new();
        for instance in 1..=8u128 {
            let settings = Arc::clone(&settings);
            tasks.spawn(async move {
                let store = settings.open(&env_of(instance)).await?;
                store.append(&batch(&rows(3, 500))).await?;
                let kept = read(&*store, None).await?.len();
                let id = store.metadata("store_id").await?;
                store.close().await?;
                Ok::<_, StoreError>((kept, id))
            });
        }
        let kept: Vec<_> = tasks.join_all().await.into_iter().map(|kept| kept.expect("opens and writes")).collect();
        assert!(kept.iter().all(|(rows, id)| *rows == 500 && *id == kept[0].1), "{kept:?}");
    });
}

#[test]
fn a_token_for_the_two_buckets_is_enough() {
    block(async {
        let server = server().await;
        let (one, two) = (server.bucket("least", 0).await, server.bucket("least_rollup", 0).await);
        let rights = [("read", &*one), ("write", &*one), ("read", &*two), ("write", &*two)];
        let settings = InfluxDb { token: server.token(&rights).await.token.into(), ..server.settings("least") };
        let store = open(&settings).await.expect("opens");
        let all = rows(4, 3 * 1_440);
        store.append(&batch(&all)).await.expect("appends");
        assert_eq!(read(&*store, None).await.expect("reads"), all);
        let pruned = store.prune_all(&Retention::default(), start().plus_us(33 * DAY)).await.expect("deletes");
        assert_eq!(pruned.results, all.len() as u64);
        store.forget(all[0].monitor).await.expect("forgets");
        store.check().await.expect("checks");
        let steps = format!("{:?}", settings.diagnose(&env_of(1)).await);
        assert!(!steps.contains("Failed"), "{steps}");
    });
}

#[test]
fn a_token_that_lacks_a_right_is_told_and_writes_nothing() {
    block(async {
        let server = server().await;
        let (one, two) = (server.bucket("half", 0).await, server.bucket("half_rollup", 0).await);
        let with = async |rights: &[(&str, &str)]| InfluxDb {
            token: server.token(rights).await.token.into(),
            ..server.settings("half")
        };
        let read_only = with(&[("read", &one), ("read", &two)]).await;
        let store = open(&read_only).await.expect("reading is enough to look");
        let error = store.append(&batch(&rows(5, 10))).await.expect_err("may not");
        assert_told(&error, StoreErrorKind::Unauthorized, &["read and write the buckets `half`"]);
        let error = store.check().await.expect_err("may not");
        assert_eq!(error.kind, StoreErrorKind::Unauthorized, "{error}");

        for rights in [vec![("write", &*one), ("write", &*two)], vec![("write", &*one), ("read", &*two)]] {
            let settings = with(&rights).await;
            let looked = match open(&settings).await {
                Ok(store) => read(&*store, None).await.map(drop),
                Err(error) => Err(error),
            };
            let error = looked.expect_err("may not read");
            let expected = [StoreErrorKind::Unauthorized, StoreErrorKind::Misconfigured];
            assert!(expected.contains(&error.kind), "{rights:?}: {error}");
        }
        let store = open(&server.settings("half")).await.expect("opens");
        assert!(read(&*store, None).await.expect("reads").is_empty());
    });
}
