//! The command `hallmonitor`.

fn main() -> std::process::ExitCode {
    hallmonitor::hardening::no_core_dumps();
    hallmonitor::hardening::not_dumpable();
    hallmonitor::memory::give_back_what_is_freed();
    hallmonitor::cli::main()
}
