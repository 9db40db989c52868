//! The command `hallmonitor`.

fn main() -> std::process::ExitCode {
    hallmonitor::memory::give_back_what_is_freed();
    hallmonitor::cli::main()
}
