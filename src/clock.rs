//! The three clocks. The only file that asks the system for time.

use std::fmt::Debug;
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

use crate::model::UnixMicros;

/// A reading of the monotonic clock in microseconds from an arbitrary start. It stands still while the machine
/// sleeps and is never set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Mono(pub u64);

impl Mono {
    /// Microseconds from `earlier` to this reading; 0 where `earlier` is later.
    #[must_use]
    pub fn since_us(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }

    /// This reading and `us` microseconds more.
    #[must_use]
    pub fn plus_us(self, us: u64) -> Self {
        Self(self.0.saturating_add(us))
    }

    /// The time from `earlier` to this reading; zero where `earlier` is later.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_micros(self.since_us(earlier))
    }
}

/// Where the core reads time. Durations come from `mono`, what people see from `wall`; `boot` minus `mono` grows
/// while the machine sleeps, `wall` minus `boot` changes when the clock is set.
pub trait Clock: Debug + Send + Sync {
    /// The wall clock.
    fn wall(&self) -> UnixMicros;
    /// The monotonic clock.
    fn mono(&self) -> Mono;
    /// The boot-time clock, in microseconds from an arbitrary start: monotonic, and counts sleep.
    fn boot_us(&self) -> u64;
}

/// The clocks of this machine.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl SystemClock {
    fn read(id: ClockId) -> i64 {
        let time = clock_gettime(id);
        time.tv_sec.saturating_mul(1_000_000).saturating_add(time.tv_nsec / 1_000)
    }
}

impl Clock for SystemClock {
    fn wall(&self) -> UnixMicros {
        UnixMicros::new(Self::read(ClockId::Realtime))
    }

    fn mono(&self) -> Mono {
        Mono(u64::try_from(Self::read(ClockId::Monotonic)).unwrap_or(0))
    }

    fn boot_us(&self) -> u64 {
        #[cfg(target_os = "linux")]
        let id = ClockId::Boottime;
        #[cfg(not(target_os = "linux"))]
        let id = ClockId::Monotonic;
        u64::try_from(Self::read(id)).unwrap_or(0)
    }
}

#[cfg(any(test, feature = "testing"))]
pub use set::{SetClock, WallAt};

#[cfg(any(test, feature = "testing"))]
mod set {
    use std::sync::{Mutex, MutexGuard, PoisonError};

    use super::{Clock, Mono, SystemClock, UnixMicros};

    #[derive(Debug, Clone, Copy)]
    struct Readings {
        wall: UnixMicros,
        mono: u64,
        boot: u64,
    }

    /// Clocks that a test sets by hand.
    #[derive(Debug)]
    pub struct SetClock(Mutex<Readings>);

    impl SetClock {
        /// Clocks that start at `wall`, with monotonic and boot-time clock at 1,000 s.
        #[must_use]
        pub fn at(wall: UnixMicros) -> Self {
            Self(Mutex::new(Readings { wall, mono: 1_000_000_000, boot: 1_000_000_000 }))
        }

        fn readings(&self) -> MutexGuard<'_, Readings> {
            self.0.lock().unwrap_or_else(PoisonError::into_inner)
        }

        /// Time passes: all three clocks go on.
        pub fn advance_us(&self, us: u64) {
            let mut readings = self.readings();
            readings.wall = readings.wall.plus_us(us);
            readings.mono += us;
            readings.boot += us;
        }

        /// The machine sleeps: the monotonic clock stands still.
        pub fn sleep_us(&self, us: u64) {
            let mut readings = self.readings();
            readings.wall = readings.wall.plus_us(us);
            readings.boot += us;
        }

        /// The wall clock is set.
        pub fn set_wall(&self, wall: UnixMicros) {
            self.readings().wall = wall;
        }
    }

    impl Clock for SetClock {
        fn wall(&self) -> UnixMicros {
            self.readings().wall
        }

        fn mono(&self) -> Mono {
            Mono(self.readings().mono)
        }

        fn boot_us(&self) -> u64 {
            self.readings().boot
        }
    }

    /// The clocks of this machine, but for the wall, which stands.
    #[derive(Debug, Clone, Copy)]
    pub struct WallAt(pub UnixMicros);

    impl Clock for WallAt {
        fn wall(&self) -> UnixMicros {
            self.0
        }

        fn mono(&self) -> Mono {
            SystemClock.mono()
        }

        fn boot_us(&self) -> u64 {
            SystemClock.boot_us()
        }
    }
}
