//! Ways to the server: TLS with certificates of all sorts, a path, a proxy.

use std::path::PathBuf;

use hallmonitor::storage::backends::influxdb::InfluxDb;
use hallmonitor::storage::backends::influxdb::test_server::{TestServer, Wanted};
use hallmonitor::storage::{Backend, StepOutcome, StoreErrorKind};

use crate::door::Door;
use crate::support_remote::authority::Authority;
use crate::{assert_told, batch, block, env_of, open, own_server, read, rows, server};

/// A server whose certificate is made out to a name and ends so many days from now.
async fn protected(authority: &Authority, name: &str, ends_in_days: i32) -> TestServer {
    own_server(&Wanted { tls: Some(authority.signs(name, ends_in_days)), ..Wanted::default() }).await
}

#[test]
fn a_certificate_must_come_from_a_known_authority_and_be_made_out_to_the_host() {
    block(async {
        let (ours, other) = (Authority::new("ours"), Authority::new("other"));
        let good = protected(&ours, "127.0.0.1", 50).await;
        let settings = |server: &TestServer, file: &PathBuf| InfluxDb {
            ca_file: Some(file.clone()),
            ..server.settings("protected")
        };
        let unknown = good.settings("protected");
        let error = open(&unknown).await.expect_err("is not known");
        assert_told(&error, StoreErrorKind::Misconfigured, &["signed by nobody this machine knows", "`caFile`"]);
        let error = open(&settings(&good, &other.file)).await.expect_err("is not theirs");
        assert_told(&error, StoreErrorKind::Misconfigured, &["signed by nobody", "ca.pem"]);
        let error = open(&settings(&good, &PathBuf::from("no.pem"))).await.expect_err("is not there");
        assert_told(&error, StoreErrorKind::Misconfigured, &["`caFile` (no.pem) cannot be used"]);

        let store = open(&settings(&good, &ours.file)).await.expect("opens");
        let all = rows(1, 500);
        store.append(&batch(&all)).await.expect("appends");
        assert_eq!(read(&*store, None).await.expect("reads"), all);
        let steps = settings(&good, &ours.file).diagnose(&env_of(1)).await;
        assert!(steps.iter().all(|step| matches!(step.outcome, StepOutcome::Ok { .. })), "{steps:?}");

        let misnamed = protected(&ours, "db.example.com", 50).await;
        let error = open(&settings(&misnamed, &ours.file)).await.expect_err("is made out to another");
        assert_told(&error, StoreErrorKind::Misconfigured, &["not made out to the host"]);
        let expired = protected(&ours, "127.0.0.1", -3).await;
        let error = open(&settings(&expired, &ours.file)).await.expect_err("has expired");
        assert_told(&error, StoreErrorKind::Misconfigured, &["has expired"]);
        // The other protocol on either side.
        let plain = InfluxDb { url: good.url().replace("https", "http"), ..good.settings("protected") };
        let error = open(&plain).await.expect_err("it speaks TLS");
        assert_eq!(error.kind, StoreErrorKind::Unavailable, "{error}");
        let server = server().await;
        let protected = InfluxDb { url: server.url().replace("http", "https"), ..server.settings("any") };
        let error = open(&protected).await.expect_err("it speaks none");
        assert_eq!(error.kind, StoreErrorKind::Unavailable, "{error}");
    });
}

#[test]
fn a_server_under_a_path_is_used_with_everything() {
    block(async {
        let server = server().await;
        let door = Door::under("/some/influx path".replace(' ', "%20").leak(), server.port()).await;
        for path in ["/some/influx path", "/some/influx%20path/"] {
            let settings = InfluxDb { url: format!("{}{path}", door.url()), ..server.settings("under_a_path") };
            let store = open(&settings).await.expect("opens");
            let all = rows(2, 3_000);
            store.append(&batch(&all)).await.expect("appends");
            assert_eq!(read(&*store, None).await.expect("reads"), all);
            assert_eq!(read(&*store, Some(all[0].monitor)).await.expect("reads"), all);
            store.check().await.expect("checks");
            let steps = settings.diagnose(&env_of(1)).await;
            assert!(steps.iter().all(|step| matches!(step.outcome, StepOutcome::Ok { .. })), "{steps:?}");
        }
        // Without it somebody else answers.
        let error = open(&InfluxDb { url: door.url(), ..server.settings("under_a_path") }).await.expect_err("404");
        assert_told(&error, StoreErrorKind::Unavailable, &["a path missing in `url`"]);
    });
}

#[test]
fn a_proxy_on_the_way_is_used() {
    block(async {
        let server = server().await;
        let door = Door::to(server.port()).await;
        let settings = InfluxDb { proxy: door.url(), ..server.settings("by_proxy") };
        let store = open(&settings).await.expect("opens");
        let all = rows(3, 300);
        store.append(&batch(&all)).await.expect("appends");
        assert_eq!(read(&*store, None).await.expect("reads"), all);
        for place in ["/api/v2/write", "/api/v2/query"] {
            assert!(!door.seen(&format!("POST {}{place}", server.url())).is_empty(), "{place} went another way");
        }
        let free =
            std::net::TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a port");
        let nobody = InfluxDb { proxy: format!("http://{free}"), ..settings };
        assert_eq!(open(&nobody).await.expect_err("no proxy there").kind, StoreErrorKind::Unavailable);
    });
}
