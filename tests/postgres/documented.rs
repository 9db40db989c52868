//! The example file, as the whole program runs it.

use std::path::Path;
use std::process::{Command, Stdio};

use hallmonitor::storage::backends::postgres::test_server::{PASSWORD, Wanted};
use serde_json::Value;

use crate::support_remote::authority::Authority;
use crate::{block, own_server, until};

#[test]
fn the_example_file_watches_and_its_results_are_there_again_after_a_restart() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/configs/postgres.yml");
    let authority = Authority::new("the authority of the house");
    let server = own_server(&Wanted { tls: Some(authority.signs("localhost", 90)), ..Wanted::default() });
    let command = |args: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_hallmonitor"));
        command.args(args).arg("--config").arg(&file).arg("--data-dir").arg(folder.path()).stdin(Stdio::null());
        // Only where the server is; what the file says of its protection stays.
        command.env("POSTGRES_PASSWORD", PASSWORD).env("HALLMONITOR_STORAGE_POSTGRES_HOST", "localhost");
        command.env("HALLMONITOR_STORAGE_POSTGRES_PORT", server.port().to_string());
        command.env("HALLMONITOR_STORAGE_POSTGRES_CAFILE", &authority.file);
        command
    };
    let history = || {
        let told = command(&["history", "website", "--since", "1h", "--json"]).output().expect("runs");
        let text = String::from_utf8_lossy(&told.stdout).into_owned();
        text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect::<Vec<Value>>()
    };
    block(async {
        server.database("hallmonitor").await;
        let looked = command(&["storage", "test"]).output().expect("runs");
        let told = format!("{}{}", String::from_utf8_lossy(&looked.stdout), String::from_utf8_lossy(&looked.stderr));
        assert!(looked.status.success() && told.contains("TLSv1.3") && !told.contains(PASSWORD), "{told}");
        let mut before = Vec::new();
        for times in 1..=2 {
            let mut run = command(&["run"]).stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("starts");
            until("its result is on the server", async || {
                let mut admin = server.admin("hallmonitor").await;
                // Until it has made its tables, that is an error.
                let count = sqlx::query_scalar("SELECT count(*) FROM hallmonitor.result").fetch_one(&mut admin).await;
                (count.unwrap_or(0_i64) >= times).then_some(())
            })
            .await;
            let told = history();
            let wanted = usize::try_from(times).expect("few");
            assert!(told.len() >= wanted && before.iter().all(|row| told.contains(row)), "{told:?} {before:?}");
            before = told;
            let ended = Command::new("kill").arg(run.id().to_string()).status().expect("kill");
            assert!(ended.success() && run.wait().expect("ends").success());
        }
        // Nothing runs any more, and the server is asked.
        assert_eq!(history(), before);
    });
}
