//! Waits that grow, with jitter, so that many instances do not come back to a server in step.

use std::time::Duration;

const FIRST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_secs(60);

/// The wait before the next try: doubles from 1 s to 60 s, each time between half and the whole of that.
#[derive(Debug)]
pub(super) struct Backoff {
    first: Duration,
    failures: u32,
    /// State of a xorshift generator (Marsaglia 2003); never 0.
    random: u64,
}

impl Backoff {
    pub(super) fn new(first: Option<Duration>, seed: u64) -> Self {
        Self { first: first.unwrap_or(FIRST), failures: 0, random: seed | 1 }
    }

    /// The wait after one more failure.
    pub(super) fn next(&mut self) -> Duration {
        let whole = self.first.saturating_mul(1 << self.failures.min(6)).min(LONGEST.max(self.first));
        self.failures = self.failures.saturating_add(1);
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        #[allow(clippy::cast_possible_truncation, reason = "ten bits")]
        let share = (self.random & 1023) as u32;
        whole / 2 + whole / 2 * share / 1024
    }

    /// It worked.
    pub(super) fn reset(&mut self) {
        self.failures = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grows_with_jitter_to_a_minute_and_starts_over() {
        let mut backoff = Backoff::new(None, 7);
        for exponent in 0..10 {
            let whole = Duration::from_secs(1 << exponent.min(6)).min(LONGEST);
            let wait = backoff.next();
            assert!(wait >= whole / 2 && wait <= whole, "{wait:?} of {whole:?}");
        }
        backoff.reset();
        assert!(backoff.next() <= Duration::from_secs(1));
    }
}
