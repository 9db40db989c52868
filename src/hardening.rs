//! What keeps secrets in this process's memory from reaching a disk or another program of the same person.
//!
//! Core dumps are switched off in both programs, by limits of 0. A limit stops neither a handler that the system pipes
//! dumps to (it decides by itself) nor another program that attaches, so the command is also made not dumpable: the kernel
//! then writes no dump at all, and only root reads its memory and its environment. Its own reads below `/proc/self`
//! and the control socket, which looks at user ids, do not change; `/proc/PID/status` and `stat` stay readable.
//!
//! The desktop app is not made so. The desktop's portal looks at `/proc/PID/root` of whoever asks it, to tell apps in a
//! sandbox from others, and refuses those where it may not; and the processes of the web view take over its limits, but
//! not that mark.

/// Switches core dumps off. Where the system refuses, the program runs all the same.
pub fn no_core_dumps() {
    #[cfg(unix)]
    {
        use rustix::process::{Resource, Rlimit, setrlimit};
        let none = Rlimit { current: Some(0), maximum: Some(0) };
        // Lowering a limit is always allowed.
        let _ = setrlimit(Resource::Core, none);
    }
}

/// Keeps other programs of the same person out of this process's memory. For the command, at its start.
pub fn not_dumpable() {
    #[cfg(target_os = "linux")]
    {
        use rustix::process::{DumpableBehavior, set_dumpable_behavior};
        let _ = set_dumpable_behavior(DumpableBehavior::NotDumpable);
    }
}
