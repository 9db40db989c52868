//! The desktop app with a backend that was written elsewhere: it has its card and its form, and history goes to it.
//! What a program of one's own needs is the line that brings it along.

#[path = "../../examples/custom_store.rs"]
#[allow(dead_code, reason = "the suite that the example runs by itself is not needed here")]
mod custom_store;

fn main() -> std::process::ExitCode {
    hallmonitor::storage::bring_backend::<custom_store::JsonLinesSettings>();
    hallmonitor_desktop::run()
}
