//! What time it is for dates in certificates. A person or a program may set this machine's clock to anything; the
//! boot-time clock goes on, so that a certificate which was good a moment ago is not taken for one that has ended.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::clock::Clock;
use crate::model::UnixMicros;

/// A wall clock that is further off than this was set, in µs; less is how clocks are steered.
const STEERED_US: u64 = 120_000_000;

/// How long the clock must go on as it was set before accepted certificates speak for it, in µs.
const BELIEVED_US: u64 = 3_600_000_000;

/// The wall clock at a moment when a certificate was accepted by it.
#[derive(Debug, Clone, Copy)]
struct Anchor {
    wall: UnixMicros,
    boot_us: u64,
}

#[derive(Debug, Default)]
struct State {
    anchor: Option<Anchor>,
    /// The boot-time clock when a certificate was first accepted after the clock was set.
    set_since_us: Option<u64>,
}

/// Compares the wall clock with what it was when a certificate was last accepted.
#[derive(Debug)]
pub(super) struct Dates {
    clock: Arc<dyn Clock>,
    state: Mutex<State>,
}

impl Dates {
    pub(super) fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, state: Mutex::default() }
    }

    /// What the wall clock would say had nobody set it; none while it says just that, or before any certificate was
    /// accepted.
    pub(super) fn expected(&self) -> Option<UnixMicros> {
        let anchor = self.state().anchor?;
        let expected = self.expected_from(anchor);
        is_set(self.clock.wall(), expected).then_some(expected)
    }

    /// The time by which certificates are judged and told about.
    pub(super) fn now(&self) -> UnixMicros {
        self.expected().unwrap_or_else(|| self.clock.wall())
    }

    /// A certificate was accepted by the wall clock. That speaks for the clock at once where it was not set, and after
    /// an hour where it was, so that a certificate's real end stays hidden no longer.
    pub(super) fn accepted(&self) {
        let (wall, boot_us) = (self.clock.wall(), self.clock.boot_us());
        let mut state = self.state();
        if let Some(anchor) = state.anchor
            && is_set(wall, self.expected_from(anchor))
            && boot_us.saturating_sub(*state.set_since_us.get_or_insert(boot_us)) < BELIEVED_US
        {
            return;
        }
        *state = State { anchor: Some(Anchor { wall, boot_us }), set_since_us: None };
    }

    fn expected_from(&self, anchor: Anchor) -> UnixMicros {
        anchor.wall.plus_us(self.clock.boot_us().saturating_sub(anchor.boot_us))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn is_set(wall: UnixMicros, expected: UnixMicros) -> bool {
    wall.micros().abs_diff(expected.micros()) > STEERED_US
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::SetClock;

    const HOUR_US: u64 = 3_600_000_000;

    fn dates() -> (Dates, Arc<SetClock>) {
        let clock = Arc::new(SetClock::at(UnixMicros::new(1_000_000_000_000)));
        (Dates::new(clock.clone()), clock)
    }

    #[test]
    fn a_clock_that_goes_on_is_believed_even_through_sleep() {
        let (dates, clock) = dates();
        assert_eq!(dates.expected(), None, "nothing was accepted yet");
        dates.accepted();
        clock.advance_us(HOUR_US);
        clock.sleep_us(HOUR_US);
        clock.set_wall(clock.wall().plus_us(STEERED_US));
        assert_eq!(dates.expected(), None);
        assert_eq!(dates.now(), clock.wall());
    }

    #[test]
    fn a_clock_that_was_set_is_believed_after_an_hour() {
        let (dates, clock) = dates();
        dates.accepted();
        let right = clock.wall();
        clock.set_wall(right.plus_us(1_000 * HOUR_US));
        clock.advance_us(5_000_000);
        dates.accepted();
        assert_eq!(dates.expected(), Some(right.plus_us(5_000_000)));
        clock.advance_us(HOUR_US - 1);
        dates.accepted();
        assert!(dates.expected().is_some());
        clock.advance_us(1);
        assert!(dates.expected().is_some(), "only with an accepted certificate");
        dates.accepted();
        assert_eq!(dates.expected(), None);
    }

    #[test]
    fn a_clock_that_is_set_back_to_the_right_time_is_believed_at_once() {
        let (dates, clock) = dates();
        dates.accepted();
        let right = clock.wall();
        clock.set_wall(UnixMicros::new(0));
        assert_eq!(dates.now(), right);
        clock.set_wall(right);
        assert_eq!(dates.expected(), None);
    }
}
