//! TLS in every mode, with certificates of all sorts.

use hallmonitor::storage::backends::postgres::test_server::{TestServer, Wanted};
use hallmonitor::storage::backends::postgres::{Postgres, SslMode};
use hallmonitor::storage::{StoreError, StoreErrorKind};

use crate::support_remote::authority::Authority;
use crate::{assert_told, block, open, own_server};

const ALL: [SslMode; 6] =
    [SslMode::Disable, SslMode::Allow, SslMode::Prefer, SslMode::Require, SslMode::VerifyCa, SslMode::VerifyFull];

/// A server whose certificate is made out to a name and ends so many days from now.
fn protected(authority: &Authority, name: &str, ends_in_days: i32, hba: &[&str]) -> TestServer {
    own_server(&Wanted {
        tls: Some(authority.signs(name, ends_in_days)),
        hba: hba.iter().map(|line| (*line).to_owned()).collect(),
        ..Wanted::default()
    })
}

async fn tried(settings: &Postgres, mode: SslMode, authority: &Authority) -> Result<bool, StoreError> {
    let ca_file = mode.verifies().then(|| authority.file.clone());
    let settings = Postgres { sslmode: mode, ca_file, ..settings.clone() };
    let store = open(&settings).await?;
    store.check().await?;
    let steps = hallmonitor::storage::Backend::diagnose(&settings, &crate::env_of(1)).await;
    store.close().await?;
    Ok(format!("{steps:?}").contains("TLSv1"))
}

#[test]
fn a_good_certificate_is_taken_in_every_mode() {
    let authority = Authority::new("the test's authority");
    let server = protected(&authority, "localhost", 90, &[]);
    block(async {
        let settings = Postgres { host: "localhost".to_owned(), ..server.database("good").await };
        for mode in ALL {
            let protected =
                tried(&settings, mode, &authority).await.unwrap_or_else(|error| panic!("{mode:?}: {error}"));
            let expected = !matches!(mode, SslMode::Disable | SslMode::Allow);
            assert_eq!(protected, expected, "{mode:?}");
        }
    });
}

#[test]
fn an_expired_certificate_is_told() {
    let authority = Authority::new("the test's authority");
    let server = protected(&authority, "localhost", -1, &[]);
    block(async {
        let settings = Postgres { host: "localhost".to_owned(), ..server.database("expired").await };
        for mode in ALL {
            let tried = tried(&settings, mode, &authority).await;
            if mode.verifies() {
                let error = tried.expect_err("is refused");
                assert_told(&error, StoreErrorKind::Misconfigured, &["has expired", "renew it"]);
            } else {
                tried.expect("nobody looks at it");
            }
        }
    });
}

#[test]
fn another_name_is_told_where_the_name_counts() {
    let authority = Authority::new("the test's authority");
    let server = protected(&authority, "db.example.com", 90, &[]);
    block(async {
        let settings = Postgres { host: "localhost".to_owned(), ..server.database("named").await };
        tried(&settings, SslMode::VerifyCa, &authority).await.expect("the name does not count");
        let error = tried(&settings, SslMode::VerifyFull, &authority).await.expect_err("is refused");
        assert_told(&error, StoreErrorKind::Misconfigured, &["not made out to `localhost`", "verify-ca"]);
    });
}

#[test]
fn an_unknown_authority_is_told() {
    let (authority, other) = (Authority::new("the test's authority"), Authority::new("another one"));
    let server = protected(&authority, "localhost", 90, &[]);
    block(async {
        let settings = Postgres { host: "localhost".to_owned(), ..server.database("unknown").await };
        for mode in [SslMode::VerifyCa, SslMode::VerifyFull] {
            let error = tried(&settings, mode, &other).await.expect_err("is refused");
            assert_told(&error, StoreErrorKind::Misconfigured, &["signed by nobody", "caFile"]);
            let settings = Postgres { sslmode: mode, ..settings.clone() };
            let error = open(&settings).await.expect_err("is refused");
            assert_told(&error, StoreErrorKind::Misconfigured, &["signed by nobody", "as `caFile`"]);
            let nowhere = Postgres { ca_file: Some("/nowhere/ca.pem".into()), ..settings.clone() };
            let error = open(&nowhere).await.expect_err("is refused");
            assert_told(&error, StoreErrorKind::Misconfigured, &["/nowhere/ca.pem"]);
        }
    });
}

#[test]
fn a_server_that_insists_and_one_that_cannot() {
    let authority = Authority::new("the test's authority");
    let insists = protected(&authority, "localhost", 90, &["hostnossl all all all reject"]);
    let cannot = own_server(&Wanted::default());
    block(async {
        let settings = insists.database("insists").await;
        let error = tried(&settings, SslMode::Disable, &authority).await.expect_err("is refused");
        assert_eq!(error.kind, StoreErrorKind::Unauthorized, "{error}");
        for mode in [SslMode::Allow, SslMode::Prefer, SslMode::Require] {
            assert!(tried(&settings, mode, &authority).await.expect("opens"), "{mode:?}");
        }
        let settings = cannot.database("cannot").await;
        for mode in [SslMode::Disable, SslMode::Allow, SslMode::Prefer] {
            assert!(!tried(&settings, mode, &authority).await.expect("opens"), "{mode:?}");
        }
        for mode in [SslMode::Require, SslMode::VerifyCa, SslMode::VerifyFull] {
            let error = tried(&settings, mode, &authority).await.expect_err("is refused");
            assert_told(&error, StoreErrorKind::Misconfigured, &["ssl = on"]);
        }
    });
}
