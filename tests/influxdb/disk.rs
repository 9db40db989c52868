//! A full disk of the server's.

use std::fs;

use hallmonitor::model::CheckResult;
use hallmonitor::storage::StoreErrorKind;
use hallmonitor::storage::backends::influxdb::test_server::Wanted;
use hallmonitor::storage::conformance::Fixture;

use crate::{MINUTE, batch, block, open, own_server, read, start, support_disk, until};

#[test]
fn a_full_disk_of_the_server_is_told_and_got_over() {
    support_disk::run_on_a_small_disk("disk::on_a_small_disk", "24m");
}

#[test]
fn on_a_small_disk() {
    let Some(disk) = support_disk::disk() else { return };
    block(async {
        let server = own_server(&Wanted { engine: Some(disk.join("engine")), ..Wanted::default() }).await;
        let store = open(&server.settings("small")).await.expect("opens");
        let filler = disk.join("filler");
        fs::write(&filler, vec![1; 12 << 20]).expect("fills");
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
        until("it goes on", async || store.append(&batch(&refused)).await.ok()).await;
        kept.extend(refused);
        for rows in kept.chunks(1_000) {
            let read = read(&*store, Some(rows[0].monitor)).await.expect("reads");
            assert_eq!(read, rows, "nothing acknowledged is lost");
        }
        store.close().await.expect("closes");
    });
    support_disk::passed();
}
