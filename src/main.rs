//! The command `hallmonitor`.

fn main() -> std::process::ExitCode {
    hallmonitor::cli::main()
}
