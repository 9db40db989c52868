//! `validate`, and how any command tells that the configuration cannot be used.

use std::io::{self, Write};
use std::path::Path;

use super::args::Validate;
use super::desk::Desk;
use super::exit::{Exit, Trouble};
use super::open::{self, Configuration, Problem, Refused};
use super::words::plural;

/// Reads a configuration and tells everything that is wrong with it, on standard output.
pub(super) fn validate(desk: &mut Desk, args: &Validate) -> Result<Exit, Trouble> {
    let file = match &args.file {
        Some(file) => file.clone(),
        None => desk.config.clone(),
    };
    match open::configuration(desk, &file) {
        Ok(configuration) => {
            tell(desk, &configuration.warnings)?;
            if !desk.json {
                writeln!(desk.out, "{}", summary(&file, &configuration))?;
            }
            Ok(Exit::Fine)
        }
        Err(Refused::Wrong(problems)) => {
            tell(desk, &problems)?;
            Ok(Exit::Wrong)
        }
        Err(refused) => Err(trouble(&file, &refused)),
    }
}

fn tell(desk: &mut Desk, problems: &[Problem]) -> io::Result<()> {
    for problem in problems {
        if desk.json {
            desk.out.json(&problem.json)?;
        } else {
            let pictures = desk.out.is_terminal;
            write_problem(&mut desk.out, problem, pictures)?;
        }
    }
    Ok(())
}

fn write_problem(out: &mut impl Write, problem: &Problem, picture: bool) -> io::Result<()> {
    if picture { writeln!(out, "{}\n", problem.picture.trim_end()) } else { writeln!(out, "{}", problem.line) }
}

fn summary(file: &Path, configuration: &Configuration) -> String {
    let mut groups: Vec<_> = configuration.monitors.iter().map(|monitor| monitor.group.as_str()).collect();
    groups.sort_unstable();
    groups.dedup();
    let off = configuration.monitors.iter().filter(|monitor| !monitor.enabled).count();
    let pending = configuration.monitors.iter().filter(|monitor| monitor.what.is_err()).count();
    let mut text = format!(
        "{}: fine, {} in {}",
        file.display(),
        plural(configuration.monitors.len(), "monitor", "monitors"),
        plural(groups.len(), "group", "groups")
    );
    for (number, what) in [(off, "disabled"), (pending, "pending")] {
        if number > 0 {
            text = format!("{text}, {number} {what}");
        }
    }
    match configuration.warnings.len() {
        0 => text,
        warnings => format!("{text}, {}", plural(warnings, "warning", "warnings")),
    }
}

/// Reads the configuration for another command: problems go to standard error, warnings too.
pub(super) fn read(desk: &Desk) -> Result<Configuration, Trouble> {
    match open::configuration(desk, &desk.config) {
        Ok(configuration) => {
            for warning in &configuration.warnings {
                write_problem(&mut io::stderr(), warning, false)?;
            }
            Ok(configuration)
        }
        Err(refused) => Err(trouble(&desk.config, &refused)),
    }
}

/// Why a configuration cannot be used, and what to do.
pub(super) fn trouble(file: &Path, refused: &Refused) -> Trouble {
    let file = file.display();
    Trouble::Wrong(match refused {
        Refused::Missing => format!("there is no configuration file {file}\n{FIRST_FILE}"),
        Refused::Unreadable(why) => format!("the configuration file {file} cannot be read: {why}"),
        Refused::Wrong(problems) => {
            let mut text = "the configuration cannot be used:".to_owned();
            for problem in problems {
                text.push('\n');
                text.push_str(&problem.line);
            }
            text
        }
    })
}

const FIRST_FILE: &str = "\
Name yours with --config FILE or HALLMONITOR_CONFIG, or write one there. A first one:

    monitoring:
      groups:
        - name: home
          monitors:
            - name: router
              type: ping
              target: 192.168.1.1
            - name: website
              type: http
              url: https://example.com";
