//! Everything that CI asks: format, lints, and all tests. A run in which nothing ran fails.

use std::io::{BufRead, BufReader};
use std::process::Stdio;

use anyhow::{Context, Result, bail};

use crate::{setup, shell};

/// What the closing lines of a test run add up to.
#[derive(Default)]
struct Tally {
    passed: u64,
    failed: u64,
    ignored: u64,
}

impl Tally {
    /// Adds a line of the form `test result: ok. 3 passed; 0 failed; 0 ignored; …`.
    fn add_line(&mut self, line: &str) {
        let Some((_, figures)) = line.split_once("test result: ") else { return };
        for part in figures.split(['.', ';']) {
            let mut words = part.split_whitespace();
            if let (Some(Ok(count)), Some(what)) = (words.next().map(str::parse::<u64>), words.next()) {
                match what {
                    "passed" => self.passed += count,
                    "failed" => self.failed += count,
                    "ignored" => self.ignored += count,
                    _ => {}
                }
            }
        }
    }
}

pub fn run(args: &[String]) -> Result<()> {
    setup::for_tests()?;
    let (soak, args): (Vec<&String>, Vec<&String>) = args.iter().partition(|arg| *arg == "--soak");
    let soak = !soak.is_empty();
    if args.is_empty() {
        shell::run("cargo", &["fmt", "--all", "--check"])?;
        shell::run("cargo", &["clippy", "--workspace", "--all-targets", "--locked", "--", "-D", "warnings"])?;
        // The crates of every platform are looked at, not just those that were built here.
        shell::run("cargo", &["fetch", "--locked"])?;
        // Advisories need the network; licences, bans and sources do not.
        shell::run(&shell::tool("cargo-deny")?, &["--offline", "check", "licenses", "bans", "sources"])?;
    }
    let mut tally = Tally::default();
    let filter: Vec<&str> = args.iter().map(|arg| arg.as_str()).collect();
    let tests = [&["test", "--workspace", "--locked", "--no-fail-fast"], filter.as_slice()].concat();
    let ended_well = counted("cargo", &tests, soak, &mut tally)?;
    if args.is_empty() {
        // An own backend passes the same suite from outside the crate.
        shell::run("cargo", &["run", "--quiet", "--locked", "--example", "custom_store"])?;
    }
    println!("{} passed, {} failed, {} skipped", tally.passed, tally.failed, tally.ignored);
    if !ended_well || tally.failed > 0 {
        bail!("tests failed");
    }
    if tally.passed == 0 {
        bail!("no test ran");
    }
    Ok(())
}

/// Runs a test command, passing its output on and counting; tells whether it ended well. `soak` makes the tests that
/// repeat themselves do so ten times as often.
fn counted(program: &str, args: &[&str], soak: bool, tally: &mut Tally) -> Result<bool> {
    eprintln!("$ {program} {}", args.join(" "));
    let mut command = shell::command(program, args)?;
    if soak {
        command.env("HM_SOAK", "1");
    }
    let mut child = command.stdout(Stdio::piped()).spawn().with_context(|| format!("`{program}` cannot be started"))?;
    let output = child.stdout.take().context("the tests' output is not there")?;
    for line in BufReader::new(output).lines() {
        let line = line.context("reading the tests' output")?;
        println!("{line}");
        tally.add_line(&line);
    }
    Ok(child.wait().context("waiting for the tests")?.success())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn closing_lines_add_up() {
        let mut tally = Tally::default();
        tally.add_line("test result: ok. 3 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.00s");
        tally.add_line("test result: FAILED. 2 passed; 4 failed; 0 ignored; 0 measured; 0 filtered out");
        tally.add_line("test some::case ... ok");
        assert_eq!((tally.passed, tally.failed, tally.ignored), (5, 4, 1));
    }
}
