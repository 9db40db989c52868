//! Errors of the system as failures: the one place where an `io::Error` becomes a word of ours.

use std::fmt::Display;
use std::io::{self, ErrorKind};
use std::time::Duration;

use rustix::io::Errno;
use thiserror::Error;

use crate::model::Failure;
use crate::probe::Observation;

/// Why something on the network did not work, typed and in words.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{message}")]
pub struct Fault {
    /// The type; says whether the fault is ours.
    pub failure: Failure,
    /// In words.
    pub message: String,
}

impl Fault {
    /// A fault with its words.
    pub fn new(failure: Failure, message: impl Into<String>) -> Self {
        Self { failure, message: message.into() }
    }

    /// The time-out ran off while something was being done: "timed out after 2 s while connecting".
    #[must_use]
    pub fn timed_out(limit: Duration, doing: impl Display) -> Self {
        Self::new(Failure::Timeout, format!("timed out after {} while {doing}", spell(limit)))
    }
}

impl From<Fault> for Observation {
    fn from(fault: Fault) -> Self {
        Self::failed(fault.failure, fault.message)
    }
}

/// What an error of the system means where nothing more is known about it.
#[must_use]
pub fn failure_of(error: &io::Error) -> Failure {
    match Errno::from_io_error(error) {
        Some(Errno::MFILE | Errno::NFILE | Errno::NOBUFS | Errno::NOMEM) => return Failure::Resources,
        // No such family on this machine; a route that swallows (`blackhole`) or an address without its zone.
        Some(Errno::AFNOSUPPORT | Errno::INVAL) => return Failure::NoRoute,
        _ => {}
    }
    match error.kind() {
        ErrorKind::TimedOut => Failure::Timeout,
        // A router near us that knows no way says this too: neither is the target's fault.
        ErrorKind::NetworkUnreachable | ErrorKind::NetworkDown | ErrorKind::AddrNotAvailable => Failure::NoRoute,
        ErrorKind::PermissionDenied => Failure::Permission,
        // Of a socket that asks for any port: there is none left.
        ErrorKind::OutOfMemory | ErrorKind::AddrInUse => Failure::Resources,
        _ => Failure::Connect,
    }
}

/// The words of an error without the system's number, in lower case: "connection refused".
#[must_use]
pub fn plain(error: &io::Error) -> String {
    let text = error.to_string();
    let text = text.split(" (os error").next().unwrap_or_default();
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| first.to_lowercase().chain(chars).collect())
}

/// A length of time as people write it: `250 ms`, `2 s`, `1.5 s`.
#[must_use]
pub fn spell(duration: Duration) -> String {
    let ms = duration.as_millis();
    if ms < 1000 {
        return format!("{ms} ms");
    }
    let tenths = (ms % 1000) / 100;
    if tenths == 0 { format!("{} s", ms / 1000) } else { format!("{}.{tenths} s", ms / 1000) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn os(errno: Errno) -> io::Error {
        io::Error::from_raw_os_error(errno.raw_os_error())
    }

    #[test]
    fn ours_and_theirs_are_told_apart() {
        let cases = [
            (Errno::CONNREFUSED, Failure::Connect),
            (Errno::CONNRESET, Failure::Connect),
            (Errno::HOSTUNREACH, Failure::Connect),
            (Errno::TIMEDOUT, Failure::Timeout),
            (Errno::NETUNREACH, Failure::NoRoute),
            (Errno::NETDOWN, Failure::NoRoute),
            (Errno::ADDRNOTAVAIL, Failure::NoRoute),
            (Errno::AFNOSUPPORT, Failure::NoRoute),
            (Errno::ACCESS, Failure::Permission),
            (Errno::PERM, Failure::Permission),
            (Errno::MFILE, Failure::Resources),
            (Errno::NFILE, Failure::Resources),
            (Errno::NOBUFS, Failure::Resources),
            (Errno::NOMEM, Failure::Resources),
            (Errno::ADDRINUSE, Failure::Resources),
        ];
        for (errno, failure) in cases {
            assert_eq!(failure_of(&os(errno)), failure, "{errno:?}");
        }
    }

    #[test]
    fn words_are_plain() {
        assert_eq!(plain(&os(Errno::CONNREFUSED)), "connection refused");
        assert_eq!(spell(Duration::from_millis(250)), "250 ms");
        assert_eq!(spell(Duration::from_secs(2)), "2 s");
        assert_eq!(spell(Duration::from_millis(1540)), "1.5 s");
    }
}
