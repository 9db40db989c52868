//! `storage`.

use hallmonitor::storage::backends::postgres::Postgres;
use hallmonitor::storage::backends::postgres::test_server::{self, PASSWORD};
use serde_json::Value;

use crate::{hallmonitor, json_lines, run, run_in, said, write_config};

const WATCHED: &str = "monitoring: {groups: [{name: g, monitors: [{name: m, type: ping, target: 127.0.0.1}]}]}\n";

fn database(name: &str) -> Postgres {
    let server = test_server::shared().expect("PostgreSQL is on this machine (cargo xtask setup)");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(server.database(name))
}

fn config_for(settings: &Postgres) -> String {
    format!(
        "{WATCHED}storage:\n  backend: postgres\n  postgres:\n    host: {}\n    port: {}\n    database: {}\n    user: {}\n    \
         password: ${{DB_PASSWORD}}\n",
        settings.host, settings.port, settings.database, settings.user
    )
}

fn outcomes(lines: &[Value]) -> Vec<(String, String)> {
    let text = |line: &Value, key: &str| line[key].as_str().expect("text").to_owned();
    lines.iter().map(|line| (text(line, "step"), text(line, "outcome"))).collect()
}

#[test]
fn the_embedded_store_is_looked_at_step_by_step() {
    let home = tempfile::tempdir().expect("home");
    let config = write_config(home.path(), WATCHED);
    let data = home.path().join("data").display().to_string();
    let args = ["storage", "test", "--config", &config, "--data-dir", &data];
    let table = run_in(home.path(), &args);
    assert_eq!(table.code, Some(0), "{}{}", table.out, table.err);
    for part in ["embedded", "open", "write and read", "close", "ok"] {
        assert!(table.out.contains(part), "{part} in {}", table.out);
    }
    let lines = json_lines(&run_in(home.path(), &[&args[..], &["--json"]].concat()).out);
    let expected = ["open", "write and read", "close"].map(|step| (step.to_owned(), "ok".to_owned()));
    assert_eq!(outcomes(&lines), expected);
    assert!(lines[0]["took_us"].is_u64() && lines[0]["error"].is_null(), "{lines:?}");
}

#[test]
fn a_server_is_looked_at_and_its_fault_named_without_the_password() {
    let settings = database("cli_look");
    let home = tempfile::tempdir().expect("home");
    let config = write_config(home.path(), &config_for(&settings));
    let look = |password: &str, json: &[&str]| {
        let mut command = hallmonitor(home.path());
        command.args(["storage", "test", "--config", &config]).args(json).env("DB_PASSWORD", password);
        said(&command.output().expect("starts"))
    };
    let fine = look(PASSWORD, &["--json"]);
    assert_eq!(fine.code, Some(0), "{}{}", fine.out, fine.err);
    let lines = json_lines(&fine.out);
    assert!(lines.len() >= 10 && lines.iter().all(|line| line["outcome"] == "ok"), "{lines:?}");

    let wrong = look("hunter2", &["--json"]);
    assert_eq!(wrong.code, Some(1), "{}{}", wrong.out, wrong.err);
    let failed = json_lines(&wrong.out).into_iter().find(|line| line["outcome"] == "failed").expect("one failed");
    assert_eq!((&failed["step"], &failed["kind"]), (&"log in".into(), &"unauthorized".into()));
    let shown = look("hunter2", &[]);
    assert!(shown.out.contains("pg_hba.conf") && shown.out.contains("skipped"), "{}", shown.out);
    for said in [&wrong, &shown] {
        assert!(!said.out.contains("hunter2") && !said.err.contains("hunter2"), "{}{}", said.out, said.err);
    }
}

#[test]
fn the_schema_is_prepared_and_the_rights_are_named() {
    let settings = database("cli_migrate");
    let home = tempfile::tempdir().expect("home");
    let config = write_config(home.path(), &config_for(&settings));
    let migrate = |user: &str| {
        let mut command = hallmonitor(home.path());
        command.args(["storage", "migrate-schema", "--config", &config]).env("DB_PASSWORD", PASSWORD);
        command.env("HALLMONITOR_STORAGE_POSTGRES_USER", user);
        said(&command.output().expect("starts"))
    };
    let nobody = migrate("nobody-here");
    assert_eq!(nobody.code, Some(3), "{}{}", nobody.out, nobody.err);
    assert!(nobody.err.contains("nobody-here"), "{}", nobody.err);
    for _ in 0..2 {
        let done = migrate(&settings.user);
        assert_eq!(done.code, Some(0), "{}{}", done.out, done.err);
        assert!(done.out.contains("version 2") && done.out.contains("GRANT USAGE ON SCHEMA"), "{}", done.out);
    }
}

#[test]
fn a_wrong_configuration_exits_with_2_and_no_subcommand_too() {
    let home = tempfile::tempdir().expect("home");
    let config = write_config(home.path(), "storage: {backend: postgres, postgres: {poolMax: 0}}\n");
    let wrong = run_in(home.path(), &["storage", "test", "--config", &config]);
    assert_eq!(wrong.code, Some(2), "{}{}", wrong.out, wrong.err);
    assert!(wrong.err.contains("poolMax"), "{}", wrong.err);
    assert_eq!(run(&["storage"]).code, Some(2));
}
