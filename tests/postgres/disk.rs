//! A full disk of the server's.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;

use hallmonitor::storage::backends::postgres::test_server::Wanted;

use crate::support_remote::suite;
use crate::{block, open, own_server, support_disk};

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
        suite::disk_is_full(&*store, &filler).await;
    });
    drop(server);
    support_disk::passed();
}
