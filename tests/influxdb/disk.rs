//! A full disk of the server's.

use std::fs;

use hallmonitor::storage::backends::influxdb::test_server::Wanted;

use crate::support_remote::suite;
use crate::{block, open, own_server, support_disk};

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
        suite::disk_is_full(&*store, &filler).await;
    });
    support_disk::passed();
}
