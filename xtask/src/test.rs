//! Everything that CI asks: format, lints, and all tests, of the core, of the window and of the real app. A run in which nothing ran fails.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use crate::{setup, shell, window};

/// What the closing lines of a test run add up to.
#[derive(Default)]
struct Tally {
    passed: u64,
    failed: u64,
    ignored: u64,
}

impl Tally {
    /// Adds a closing line: cargo's (`test result: ok. 3 passed; 0 failed; 0 ignored; …`), vitest's
    /// (`Tests  3 passed | 1 failed (4)`), or the plain one (`3 passed, 0 failed`).
    fn add_line(&mut self, line: &str) {
        let plain = strip_colours(line);
        let line = plain.trim();
        let figures = if let Some((_, figures)) = line.split_once("test result: ") {
            figures
        } else if let Some(figures) = line.strip_prefix("Tests ") {
            figures
        } else if line.ends_with(" failed") && line.contains(" passed, ") {
            line
        } else {
            return;
        };
        for part in figures.split(['.', ';', '|', ',', '(']) {
            let mut words = part.split_whitespace();
            if let (Some(Ok(count)), Some(what)) = (words.next().map(str::parse::<u64>), words.next()) {
                match what {
                    "passed" => self.passed += count,
                    "failed" => self.failed += count,
                    "ignored" | "skipped" => self.ignored += count,
                    _ => {}
                }
            }
        }
    }
}

/// Text without the escape sequences that colour it.
fn strip_colours(line: &str) -> String {
    let mut plain = String::with_capacity(line.len());
    let mut rest = line;
    while let Some((before, after)) = rest.split_once('\u{1b}') {
        plain.push_str(before);
        rest = after.split_once('m').map_or("", |(_, after)| after);
    }
    plain + rest
}

pub fn run(args: &[String]) -> Result<()> {
    setup::for_tests()?;
    let (soak, args): (Vec<&String>, Vec<&String>) = args.iter().partition(|arg| *arg == "--soak");
    let soak = !soak.is_empty();
    let whole = args.is_empty();
    // The desktop shell takes the window's files in.
    window::build()?;
    let mut tally = Tally::default();
    let mut ended_well = true;
    if whole {
        lints()?;
        window::run(&["run", "check"])?;
        ended_well &= counted(window::npm(&["test"]), &mut tally)?;
    }
    let filter: Vec<&str> = args.iter().map(|arg| arg.as_str()).collect();
    let tests = [&["test", "--workspace", "--locked", "--no-fail-fast"], filter.as_slice()].concat();
    let mut tests = shell::command("cargo", &tests)?;
    if soak {
        tests.env("HM_SOAK", "1");
    }
    ended_well &= counted(tests, &mut tally)?;
    if whole {
        // An own backend passes the same suite from outside the crate.
        shell::run("cargo", &["run", "--quiet", "--locked", "--example", "custom_store"])?;
        ended_well &= counted(window::npm(&["run", "e2e"]), &mut tally)?;
        ended_well &= counted(desktop()?, &mut tally)?;
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

fn lints() -> Result<()> {
    shell::run("cargo", &["fmt", "--all", "--check"])?;
    shell::run("cargo", &["clippy", "--workspace", "--all-targets", "--locked", "--", "-D", "warnings"])?;
    // The crates of every platform are looked at, not just those that were built here.
    shell::run("cargo", &["fetch", "--locked"])?;
    // Advisories need the network; licences, bans and sources do not.
    shell::run(&shell::tool("cargo-deny")?, &["--offline", "--workspace", "check", "licenses", "bans", "sources"])
}

/// The real app on a virtual display.
fn desktop() -> Result<Command> {
    shell::run("cargo", &["build", "--locked", "-p", "hallmonitor-desktop"])?;
    // As the tests were built, so that nothing is built twice.
    shell::run("cargo", &["build", "--locked", "--workspace", "--examples"])?;
    let mut command = shell::command("node", &["tests/desktop/run.mjs"])?;
    command.env("HALLMONITOR_DESKTOP", shell::target()?.join("debug/hallmonitor-desktop"));
    let examples = shell::target()?.join("debug/examples");
    command.env("HALLMONITOR_STORAGE_SERVERS", examples.join("storage_servers"));
    command.env("HALLMONITOR_WITH_CUSTOM_STORE", examples.join("with_custom_store"));
    Ok(command)
}

/// Runs a test command, passing its output on and counting; tells whether it ended well. A command in which nothing
/// ran has not.
fn counted(mut command: Command, tally: &mut Tally) -> Result<bool> {
    let name = format!("{command:?}");
    eprintln!("$ {name}");
    let mut child = command.stdout(Stdio::piped()).spawn().with_context(|| format!("{name} cannot be started"))?;
    let output = child.stdout.take().context("the tests' output is not there")?;
    let before = tally.passed + tally.failed;
    for line in BufReader::new(output).lines() {
        let line = line.context("reading the tests' output")?;
        println!("{line}");
        tally.add_line(&line);
    }
    let ended_well = child.wait().context("waiting for the tests")?.success();
    if ended_well && tally.passed + tally.failed == before {
        bail!("no test ran: {name}");
    }
    Ok(ended_well)
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
        tally.add_line("\u{1b}[2m      Tests \u{1b}[22m \u{1b}[1m\u{1b}[32m264 passed\u{1b}[39m\u{1b}[22m\u{1b}[90m (264)\u{1b}[39m");
        tally.add_line("      Tests  1 failed | 10 passed | 2 skipped (13)");
        tally.add_line("31 passed, 2 failed");
        tally.add_line("these 3 passed, those failed in the end");
        assert_eq!((tally.passed, tally.failed, tally.ignored), (310, 7, 3));
    }
}
