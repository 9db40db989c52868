//! Runs the benches and writes one table. Each bench prints lines of JSON that start with `{"bench":`; anything else
//! is for the reader at the screen.

mod desktop;

use std::fs;
use std::io::{BufRead, BufReader};
use std::process::Stdio;

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::{machine, setup, shell};

/// Name and what it measures. The names are those of the targets in Cargo.toml.
const BENCHES: &[(&str, &str)] = &[
    ("schedule", "whole-process runs against a neutral target, beside a bare loop"),
    ("probe", "HTTP checks through the whole probe, beside a bare hyper loop"),
    ("journal", "durable results per second, beside raw writes of the same bytes"),
    ("start", "from exec to the first check"),
    ("storage", "the stores: bytes a result, results a second, reads of much; beside COPY and a bare HTTP loop"),
    ("desktop", "window and tray of the built app, beside a bare Tauri window and tray"),
];

const PAGE: &str = "benches/RESULTS.md";
const HEAD: &str = "# Measured\n\n\
Written by `cargo xtask bench`; one bench alone, or one row of it, replaces its own rows. A ratio is the figure divided by the limit that\n\
was measured in the same run. Medians, with the spread (lowest to highest) where a figure was taken several times.\n\n";
const COLUMNS: &str = "| bench | what | figure | spread | limit of the same run | ratio | reach | counted | machine load |\n\
|---|---|---|---|---|---|---|---|---|\n";

pub fn run(args: &[String]) -> Result<()> {
    setup::for_benches()?;
    let only = args.first().filter(|arg| !arg.starts_with('-'));
    if let Some(name) = only.filter(|name| !BENCHES.iter().any(|(known, _)| known == name)) {
        let known: Vec<_> = BENCHES.iter().map(|(name, _)| *name).collect();
        bail!("no bench `{name}`; there are {}", known.join(", "));
    }
    let passed_on: Vec<&str> = args.iter().skip(usize::from(only.is_some())).map(String::as_str).collect();
    shell::run("cargo", &["build", "--release", "--locked", "--bin", "hallmonitor"])?;
    for (name, what) in BENCHES.iter().filter(|(name, _)| only.is_none_or(|only| only == name)) {
        eprintln!("== {name}: {what}");
        let rows = measure(name, &passed_on)?;
        if rows.is_empty() {
            bail!("bench `{name}` gave no figure");
        }
        write(&rows)?;
    }
    eprintln!("written to {PAGE}");
    Ok(())
}

fn measure(name: &str, args: &[&str]) -> Result<Vec<String>> {
    let arguments = [&["bench", "--locked", "--bench", name, "--"], args].concat();
    let program = shell::target()?.join("release/hallmonitor");
    let built = if name == "desktop" { desktop::build()? } else { Vec::new() };
    let mut child = shell::command("cargo", &arguments)?
        .env("BENCH_PROGRAM", program)
        .envs(built)
        .stdout(Stdio::piped())
        .spawn()
        .context("cargo cannot be started")?;
    let mut rows = Vec::new();
    for line in BufReader::new(child.stdout.take().context("no output")?).lines() {
        let line = line?;
        println!("{line}");
        if line.starts_with("{\"bench\":") {
            rows.push(row(name, &serde_json::from_str(&line).context("a figure is not JSON")?));
        }
    }
    if !child.wait()?.success() {
        bail!("bench `{name}` failed");
    }
    Ok(rows)
}

fn row(name: &str, figure: &Value) -> String {
    let text = |key: &str| match &figure[key] {
        Value::Null => "–".to_owned(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    format!(
        "| {name} | {} | {} | {} | {} | {} | {} | {} | {} |\n",
        text("bench"),
        text("figure"),
        text("spread"),
        text("limit"),
        text("ratio"),
        text("reach"),
        text("counted"),
        machine::load()
    )
}

/// The first two cells: which bench and what it measured.
fn key(line: &str) -> String {
    line.split('|').skip(1).take(2).collect()
}

/// Puts a bench's rows into the page, each in the place of the old one of the same name; prose below the table stays.
fn write(rows: &[String]) -> Result<()> {
    let path = shell::root().join(PAGE);
    let old = fs::read_to_string(&path).unwrap_or_default();
    let mut table: Vec<String> = old
        .lines()
        .filter(|line| BENCHES.iter().any(|(known, _)| line.starts_with(&format!("| {known} |"))))
        .map(|line| format!("{line}\n"))
        .collect();
    for row in rows {
        match table.iter_mut().find(|old| key(old) == key(row)) {
            Some(old) => old.clone_from(row),
            None => table.push(row.clone()),
        }
    }
    table.sort_by_key(|line| BENCHES.iter().position(|(known, _)| line.starts_with(&format!("| {known} |"))));
    let notes = old.split_once("\n## ").map(|(_, rest)| format!("\n## {rest}")).unwrap_or_default();
    let page = format!("{HEAD}Machine: {}.\n\n{COLUMNS}{}{notes}", machine::describe(), table.concat());
    fs::write(&path, page).with_context(|| format!("writing {}", path.display()))
}
