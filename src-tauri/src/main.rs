//! The desktop app.
#![cfg_attr(all(windows, not(debug_assertions)), windows_subsystem = "windows")]

fn main() -> std::process::ExitCode {
    hallmonitor::hardening::no_core_dumps();
    hallmonitor::memory::give_back_what_is_freed();
    hallmonitor_desktop::run()
}
