//! What the server says no to, and what a person is told.

use hallmonitor::storage::backends::postgres::Postgres;
use hallmonitor::storage::backends::postgres::test_server::{PASSWORD, USER, Wanted};
use hallmonitor::storage::{Backend, StoreErrorKind};
use sqlx::Connection as _;

use crate::{assert_told, batch, block, env_of, hasty, open, own_server, read, rows, server};

#[test]
fn a_wrong_password_is_told() {
    block(async {
        let settings = server().database("wrong_password").await;
        let wrong = Postgres { password: "hunter2".into(), ..settings };
        let error = open(&wrong).await.expect_err("is refused");
        assert_told(&error, StoreErrorKind::Unauthorized, &["user `hallmonitor`", "`password`", "pg_hba.conf"]);
    });
}

#[test]
fn a_missing_database_is_told_with_the_statement_that_makes_it() {
    block(async {
        server().database("some").await;
        let settings = server().settings("mis\"sing");
        let error = open(&settings).await.expect_err("is not there");
        let make = "CREATE DATABASE \"mis\"\"sing\" OWNER \"hallmonitor\" ENCODING 'UTF8' TEMPLATE template0";
        assert_eq!(error.kind, StoreErrorKind::Misconfigured);
        assert!(error.to_string().contains(make), "{error}");
        // And it does make it.
        server().execute("postgres", make).await;
        let store = open(&settings).await.expect("opens");
        store.append(&batch(&rows(1, 10))).await.expect("appends");
    });
}

#[test]
fn without_the_right_to_make_the_schema_the_next_step_is_told() {
    block(async {
        let settings = server().database("no_right").await;
        server().execute("no_right", "ALTER DATABASE no_right OWNER TO admin").await;
        let error = open(&settings).await.expect_err("is refused");
        let parts = ["hallmonitor storage migrate-schema", "GRANT USAGE ON SCHEMA \\\"hallmonitor\\\" TO"];
        assert_told(&error, StoreErrorKind::Unauthorized, &parts);
    });
}

#[test]
fn a_newer_schema_is_left_alone() {
    block(async {
        let settings = server().database("newer").await;
        open(&settings).await.expect("opens").close().await.expect("closes");
        server().execute("newer", "INSERT INTO hallmonitor.migration (number, name) VALUES (99, 'later')").await;
        let error = settings.open(&env_of(77)).await.expect_err("is refused");
        assert_told(&error, StoreErrorKind::Incompatible, &["version 99", "newer Hall Monitor"]);
        let error = settings.migrate(&env_of(77)).await.expect_err("is refused");
        assert_eq!(error.kind, StoreErrorKind::Incompatible);
        let mut admin = server().admin("newer").await;
        let known: i64 = sqlx::query_scalar("SELECT count(*) FROM hallmonitor.instance")
            .fetch_one(&mut admin)
            .await
            .expect("counts");
        assert_eq!(known, 1, "nothing was written");
    });
}

#[test]
fn an_encoding_that_does_not_hold_every_text_is_refused() {
    block(async {
        server().database("encoding").await;
        let make =
            "CREATE DATABASE latin OWNER hallmonitor ENCODING 'LATIN1' TEMPLATE template0 LC_COLLATE 'C' LC_CTYPE 'C'";
        server().execute("postgres", make).await;
        let error = open(&server().settings("latin")).await.expect_err("is refused");
        assert_told(&error, StoreErrorKind::Misconfigured, &["encoding LATIN1", "ENCODING 'UTF8'"]);
    });
}

#[test]
fn nobody_there_is_told() {
    block(async {
        let free =
            std::net::TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a port");
        let settings = Postgres { port: free.port(), ..server().settings("any") };
        let error = open(&settings).await.expect_err("is not there");
        assert_told(&error, StoreErrorKind::Unavailable, &["nobody listens there"]);
        assert!(error.is_transient());
        let settings = Postgres { host: "no-such-host.invalid".to_owned(), ..settings };
        let error = open(&settings).await.expect_err("is not there");
        assert_told(&error, StoreErrorKind::Unavailable, &["no-such-host.invalid"]);
    });
}

#[test]
fn a_server_without_a_free_connection_is_waited_for() {
    let wanted = Wanted {
        conf: vec!["max_connections = 5".to_owned(), "superuser_reserved_connections = 2".to_owned()],
        ..Wanted::default()
    };
    let server = own_server(&wanted);
    block(async {
        let settings = hasty(&server.database("full").await);
        let store = open(&settings).await.expect("opens");
        store.close().await.expect("closes");
        let mut taken = Vec::new();
        for _ in 0..3 {
            let options = sqlx::postgres::PgConnectOptions::new_without_pgpass();
            let options = options.host("127.0.0.1").port(server.port()).username(USER).password(PASSWORD);
            let taking = sqlx::ConnectOptions::connect(&options.database("full")).await;
            taken.push(taking.expect("one of the last connections"));
        }
        let error = open(&settings).await.expect_err("is full");
        assert_told(&error, StoreErrorKind::Unavailable, &["max_connections", "`poolMax`, which is 4"]);
        for connection in taken {
            let connection: sqlx::PgConnection = connection;
            connection.close().await.expect("closes");
        }
        let store = open(&settings).await.expect("opens again");
        store.append(&batch(&rows(2, 10))).await.expect("appends");
    });
}

#[test]
fn a_lock_of_another_session_is_told_and_got_over() {
    block(async {
        let settings = hasty(&server().database("locked").await);
        let store = open(&settings).await.expect("opens");
        let all = rows(3, 20);
        store.append(&batch(&all[..10])).await.expect("appends");
        let mut other = server().admin("locked").await;
        sqlx::raw_sql("BEGIN; LOCK TABLE hallmonitor.result IN ACCESS EXCLUSIVE MODE")
            .execute(&mut other)
            .await
            .expect("locks");
        let error = store.append(&batch(&all[10..])).await.expect_err("is locked");
        assert_eq!(error.kind, StoreErrorKind::Unavailable, "{error}");
        let error = read(&*store, None).await.expect_err("is locked");
        assert_eq!(error.kind, StoreErrorKind::Unavailable, "{error}");
        sqlx::raw_sql("ROLLBACK").execute(&mut other).await.expect("lets go");
        store.append(&batch(&all[10..])).await.expect("appends");
        assert_eq!(read(&*store, None).await.expect("reads"), all, "nothing of the refused batch was left");
    });
}

#[test]
fn a_row_that_is_refused_for_good_is_told_apart() {
    block(async {
        let settings = server().database("picky").await;
        let store = open(&settings).await.expect("opens");
        let mut all = rows(4, 3);
        let check = "ALTER TABLE hallmonitor.result ADD CONSTRAINT no_such_time CHECK (duration_us <> 666)";
        server().execute("picky", check).await;
        all[1].duration_us = 666;
        let error = store.append(&batch(&all)).await.expect_err("is refused");
        assert_told(&error, StoreErrorKind::Internal, &["no_such_time"]);
        assert!(!error.is_transient());
        assert!(read(&*store, None).await.expect("reads").is_empty(), "all or nothing");
        all.remove(1);
        store.append(&batch(&all)).await.expect("appends");
        store.check().await.expect("the server itself is well");
    });
}

#[test]
fn sessions_that_the_server_ends_are_got_over() {
    block(async {
        let settings = server().database("ended").await;
        let store = open(&settings).await.expect("opens");
        let all = rows(5, 100);
        for part in all.chunks(10) {
            let end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = 'ended' AND pid <> pg_backend_pid()";
            server().execute("ended", end).await;
            if let Err(error) = store.append(&batch(part)).await {
                assert_eq!(error.kind, StoreErrorKind::Unavailable, "{error}");
                store.append(&batch(part)).await.expect("the second time");
            }
        }
        assert_eq!(read(&*store, None).await.expect("reads"), all);
    });
}

#[test]
fn hostile_names_of_schema_and_program_mean_themselves() {
    block(async {
        let settings = server().database("hostile").await;
        let schema = "a\"; DROP SCHEMA public; -- $1 'x' %I \\".to_owned();
        let application_name = "x' \\ \"y; --".to_owned();
        let settings = Postgres { schema: schema.clone(), application_name: application_name.clone(), ..settings };
        let store = open(&settings).await.expect("opens");
        let all = rows(6, 10);
        store.append(&batch(&all)).await.expect("appends");
        assert_eq!(read(&*store, None).await.expect("reads"), all);
        let status = store.check().await.expect("checks");
        assert!(status.size_bytes.is_some_and(|bytes| bytes > 0), "{status:?}");
        let mut admin = server().admin("hostile").await;
        let there: bool =
            sqlx::query_scalar("SELECT bool_and(n IN (SELECT nspname FROM pg_namespace)) FROM unnest($1::text[]) n")
                .bind(vec![schema, "public".to_owned()])
                .fetch_one(&mut admin)
                .await
                .expect("asks");
        assert!(there, "both schemas are there");
        let shown: i64 = sqlx::query_scalar("SELECT count(*) FROM pg_stat_activity WHERE application_name = $1")
            .bind(application_name)
            .fetch_one(&mut admin)
            .await
            .expect("asks");
        assert!(shown > 0, "the server knows us by that name");
    });
}
