//! How many checks may run at the same time: what the system's file descriptors allow.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// More checks at the same time help nobody.
const MOST: u64 = 16_384;
/// Descriptors kept for files, the control socket and the backend, at least.
const RESERVE: u64 = 256;
/// What macOS grants even where it calls the limit endless (`OPEN_MAX`, see `setrlimit(2)` there).
const CAUTIOUS: u64 = 10_240;

/// Bounds of the runner.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Checks that may run at the same time; at least 1.
    pub concurrent: usize,
}

impl Limits {
    /// Raises this process's soft limit of file descriptors as far as the system lets it, and takes what is left
    /// after a reserve of an eighth, at least 256 and at most half.
    #[must_use]
    pub fn of_this_process() -> Self {
        Self::of_descriptors(raise_descriptor_limit())
    }

    /// The bounds for so many file descriptors.
    #[must_use]
    pub fn of_descriptors(descriptors: u64) -> Self {
        let reserve = (descriptors / 8).max(RESERVE).min(descriptors / 2);
        let concurrent = (descriptors - reserve).clamp(1, MOST);
        Self { concurrent: usize::try_from(concurrent).unwrap_or(1) }
    }
}

/// Raises the soft limit to the hard one and says what is in force now.
fn raise_descriptor_limit() -> u64 {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    for wanted in [maximum, Some(CAUTIOUS)] {
        if current.is_none_or(|now| wanted.is_some_and(|wanted| now >= wanted)) {
            break;
        }
        if setrlimit(Resource::Nofile, Rlimit { current: wanted, maximum }).is_ok() {
            break;
        }
    }
    // None stands for no limit at all.
    getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn leaves_a_reserve() {
        let of = |descriptors| Limits::of_descriptors(descriptors).concurrent;
        assert_eq!((of(0), of(1), of(256), of(1_024), of(8_192)), (1, 1, 128, 768, 7_168));
        assert_eq!((of(20_000), of(u64::MAX)), (16_384, 16_384));
    }

    #[test]
    fn the_soft_limit_is_the_hard_one_afterwards() {
        let limits = Limits::of_this_process();
        let now = getrlimit(Resource::Nofile);
        assert!(now.current.is_none_or(|current| current >= now.maximum.unwrap_or(CAUTIOUS).min(CAUTIOUS)));
        assert_eq!(limits, Limits::of_descriptors(now.current.unwrap_or(u64::MAX)));
    }
}
