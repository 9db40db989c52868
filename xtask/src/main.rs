//! The tasks of this repository: `cargo xtask setup | app | test | bench | bundle | screenshots`.

mod app;
mod bench;
mod bundle;
mod influxd;
mod machine;
mod setup;
mod shell;
mod test;
mod window;

use std::process::ExitCode;

const HELP: &str = "\
cargo xtask setup          find what this machine lacks and install it where that is allowed
cargo xtask app            run Hall Monitor on the home lab example (sets up first); --table: without a window
cargo xtask test [FILTER]  run all checks and tests (sets up first); --soak repeats the crash tests 100 times
cargo xtask bench [NAME]   run the benches, or one, and write benches/RESULTS.md (sets up first)
cargo xtask bundle         make packages of the desktop app (.deb, .rpm)
cargo xtask screenshots    take the README's pictures from the real app
";

fn main() -> ExitCode {
    let mut args = std::env::args().skip(1);
    let task = args.next();
    let rest: Vec<String> = args.collect();
    let done = match task.as_deref() {
        Some("setup") => setup::run(),
        Some("app") => app::run(&rest),
        Some("test") => test::run(&rest),
        Some("bench") => bench::run(&rest),
        Some("bundle") => bundle::run(),
        Some("screenshots") => bundle::screenshots(),
        Some("help" | "--help" | "-h") => {
            print!("{HELP}");
            Ok(())
        }
        _ => {
            eprint!("{HELP}");
            return ExitCode::from(2);
        }
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}
