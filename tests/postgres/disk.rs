//! A full disk of the server's.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;

use hallmonitor::model::CheckResult;
use hallmonitor::storage::StoreErrorKind;
use hallmonitor::storage::backends::postgres::test_server::Wanted;
use hallmonitor::storage::conformance::Fixture;

use crate::{MINUTE, batch, block, open, own_server, read, start, support_disk};

#[test]
fn a_full_disk_of_the_server_is_told_and_got_over() {
    support_disk::run_on_a_small_disk("disk::on_a_small_disk", "24m");
}

#[test]
fn on_a_small_disk() {
    let Some(disk) = support_disk::disk() else { return };
    let place = disk.join("place");
    fs::create_dir(&place).expect("makes");
    fs::set_permissions(&disk, fs::Permissions::from_mode(0o755)).expect("opens the way");
    let given = Command::new("chown").arg("nobody:nogroup").arg(&place).status().expect("chown");
    assert!(given.success());
    let server = own_server(&Wanted::default());
    block(async {
        server.database("first").await;
        server.execute("postgres", &format!("CREATE TABLESPACE small LOCATION '{}'", place.display())).await;
        server.execute("postgres", "CREATE DATABASE small OWNER hallmonitor TEMPLATE template0 TABLESPACE small").await;
        let store = open(&server.settings("small")).await.expect("opens");
        let filler = disk.join("filler");
        fs::write(&filler, vec![1; 4 << 20]).expect("fills");
        let mut fixture = Fixture::new(1);
        let (mut kept, mut refused): (Vec<CheckResult>, Vec<CheckResult>) = (Vec::new(), Vec::new());
        while refused.is_empty() {
            let monitor = fixture.monitor();
            let rows = fixture.results(monitor, start(), MINUTE, 1_000);
            match store.append(&batch(&rows)).await {
                Ok(()) => kept.extend(rows),
                Err(error) => {
                    assert_eq!(error.kind, StoreErrorKind::Full, "{error}");
                    assert!(error.is_transient() && error.to_string().contains("make room"), "{error}");
                    refused = rows;
                }
            }
            assert!(kept.len() < 500_000, "the disk never got full");
        }
        fs::remove_file(filler).expect("makes room");
        store.append(&batch(&refused)).await.expect("goes on");
        kept.extend(refused);
        // A monitor at a time: sorting all of them needs room on that disk.
        for rows in kept.chunks(1_000) {
            let read = read(&*store, Some(rows[0].monitor)).await.expect("reads");
            assert_eq!(read, rows, "nothing acknowledged is lost");
        }
        store.close().await.expect("closes");
    });
    drop(server);
    support_disk::passed();
}
