//! Calls that may hang: each on a thread of its own, one at a time, with a time limit.

use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::{Place, VaultError};

/// How the last call is getting on.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum State {
    #[default]
    Free,
    Busy,
    /// Its time is over and it still waits for something.
    Hung,
}

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Ends a call, also one that panics.
struct Ended(Arc<Shared>);

impl Drop for Ended {
    fn drop(&mut self) {
        *self.0.lock() = State::Free;
        self.0.changed.notify_one();
    }
}

/// Makes calls to one place.
#[derive(Debug)]
pub(super) struct Courier {
    place: Place,
    shared: Arc<Shared>,
}

impl Courier {
    pub(super) fn new(place: Place) -> Self {
        Self { place, shared: Arc::default() }
    }

    /// Makes a call and waits for at most `patience`. A call that hangs is left to itself; until it ends every other one
    /// fails at once.
    pub(super) fn call<T: Send + 'static>(
        &self,
        patience: Duration,
        work: impl FnOnce() -> Result<T, VaultError> + Send + 'static,
    ) -> Result<T, VaultError> {
        let slow = || VaultError::Slow { place: self.place, seconds: patience.as_secs() };
        let lost = |why: String| VaultError::Unavailable { place: self.place, why };
        let waited = self.shared.changed.wait_timeout_while(self.shared.lock(), patience, |now| *now == State::Busy);
        let (mut state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        if *state != State::Free {
            return Err(slow());
        }
        *state = State::Busy;
        drop(state);
        let ended = Ended(Arc::clone(&self.shared));
        let (answer, answered) = mpsc::sync_channel(1);
        let thread = std::thread::Builder::new().name(format!("vault-{}", self.place.word()));
        let started = thread.spawn(move || {
            let done = work();
            drop(ended);
            // Nobody waits any more for what comes too late: it is zeroed.
            let _ = answer.send(done);
        });
        if let Err(error) = started {
            return Err(lost(format!("no thread can be started: {error}; close other programs and try again")));
        }
        match answered.recv_timeout(patience) {
            Ok(done) => done,
            Err(RecvTimeoutError::Disconnected) => Err(lost("its client ended by a fault; see the log".to_owned())),
            Err(RecvTimeoutError::Timeout) => {
                let mut state = self.shared.lock();
                if *state == State::Busy {
                    *state = State::Hung;
                }
                Err(slow())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOMENT: Duration = Duration::from_millis(200);

    #[test]
    fn a_call_that_hangs_makes_the_next_ones_fail_at_once_until_it_ends() {
        let courier = Courier::new(Place::Service);
        let (release, released) = mpsc::channel::<()>();
        let slow = courier.call(MOMENT, move || {
            let _ = released.recv();
            Ok(())
        });
        assert!(matches!(slow, Err(VaultError::Slow { place: Place::Service, .. })), "{slow:?}");
        // An hour of patience: only failing at once ends this test.
        let next = courier.call(Duration::from_secs(3_600), || Ok(1));
        assert!(matches!(next, Err(VaultError::Slow { .. })), "{next:?}");
        release.send(()).expect("it waits");
        let free = (0..500).find_map(|_| {
            std::thread::sleep(Duration::from_millis(10));
            courier.call(Duration::from_secs(60), || Ok(2)).ok()
        });
        assert_eq!(free, Some(2));
    }

    #[test]
    fn a_panic_is_a_fault_and_not_the_end() {
        let courier = Courier::new(Place::Service);
        let fault = courier.call(Duration::from_secs(60), || -> Result<(), VaultError> { panic!("on purpose") });
        assert!(matches!(fault, Err(VaultError::Unavailable { .. })), "{fault:?}");
        assert_eq!(courier.call(Duration::from_secs(60), || Ok(3)), Ok(3));
    }

    #[test]
    fn calls_at_the_same_time_wait_for_each_other() {
        let courier = Courier::new(Place::Service);
        let all: Vec<_> = std::thread::scope(|scope| {
            let call = |n: u64| {
                courier.call(Duration::from_secs(60), move || {
                    std::thread::sleep(Duration::from_millis(5));
                    Ok(n)
                })
            };
            let threads: Vec<_> = (0..8).map(|n| scope.spawn(move || call(n))).collect();
            threads.into_iter().map(|thread| thread.join().expect("ends")).collect()
        });
        assert_eq!(all, (0..8).map(Ok).collect::<Vec<_>>());
    }

    #[tokio::test]
    async fn a_client_with_a_runtime_of_its_own_may_be_called_from_async_code() {
        let courier = Courier::new(Place::Service);
        let done = courier.call(Duration::from_secs(60), || {
            let runtime = tokio::runtime::Builder::new_current_thread().build().expect("runtime");
            Ok(runtime.block_on(async { 4 }))
        });
        assert_eq!(done, Ok(4));
    }
}
