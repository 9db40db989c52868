//! The command as a person runs it: the real binary, real servers on loopback, exit codes and output.
//!
//! `usage` needs nothing, `check` and `validate` a file, `storage` a database server, `told` somebody who answers on a
//! control socket, `run` the whole core.

#![allow(clippy::expect_used, reason = "a test may stop at the first fault")]

use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use serde_json::Value;

mod check;
#[cfg(unix)]
mod run;
mod storage;
#[cfg(unix)]
mod told;
mod usage;
mod validate;

/// The command with an environment of its own: nobody's folders, no colours.
fn hallmonitor(home: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_hallmonitor"));
    command
        .env_clear()
        .env("HOME", home)
        .env("APPDATA", home.join("config"))
        .env("LOCALAPPDATA", home.join("data"))
        .env("TZ", "UTC")
        .current_dir(home)
        .stdin(Stdio::null());
    command
}

struct Said {
    code: Option<i32>,
    out: String,
    err: String,
}

fn said(output: &Output) -> Said {
    Said {
        code: output.status.code(),
        out: String::from_utf8(output.stdout.clone()).expect("output is text"),
        err: String::from_utf8(output.stderr.clone()).expect("errors are text"),
    }
}

fn run(args: &[&str]) -> Said {
    let home = tempfile::tempdir().expect("home");
    run_in(home.path(), args)
}

fn run_in(home: &Path, args: &[&str]) -> Said {
    said(&hallmonitor(home).args(args).output().expect("starts"))
}

fn json_lines(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).expect("a line of json")).collect()
}

/// A port of loopback on which nobody listens.
fn closed_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("binds").port()
}

fn write_config(home: &Path, text: &str) -> String {
    let path = home.join("config.yml");
    std::fs::write(&path, text).expect("writes");
    path.display().to_string()
}
