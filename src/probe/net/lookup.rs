//! Names resolved as the rest of the machine does (hosts file, nsswitch, mDNS, search domains): `getaddrinfo` on
//! blocking threads. At most [`AT_ONCE`] run at once, the same name is looked up once for all who wait for it, and an
//! answer is used by those who waited and by nobody later. Half of the places are kept for names that are answered
//! quickly, so that names whose servers are dead do not hold up the others.

use std::collections::HashMap;
use std::fmt::Debug;
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use dns_lookup::{LookupErrorKind, lookup_host};
use thiserror::Error;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

use super::evidence::Evidence;
use super::fault::{Fault, failure_of, plain, spell};
use super::host::Host;
use crate::clock::Clock;
use crate::model::Failure;
use crate::probe::ProbeEnv;

/// Look-ups that run at the same time; each holds a blocking thread.
pub const AT_ONCE: usize = 32;

/// A name that was answered within this time is a quick one, in µs.
const QUICK_US: u64 = 2_000_000;

/// Names of which it is known whether they are quick; redirects can lead to any number of them.
const MOST_KNOWN: usize = 16_384;

/// Addresses that are used of one name.
const MOST_ADDRESSES: usize = 16;

/// Why a resolver gave no address.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ResolveError {
    /// It says that the name does not exist, or has no address.
    #[error("{0}")]
    NoName(String),
    /// It could not say (`EAI_AGAIN`, `EAI_FAIL`).
    #[error("{0}")]
    Failed(String),
    /// This machine could not ask: descriptors or memory used up.
    #[error("{0}")]
    Resources(String),
}

/// Something that knows the addresses of names.
pub trait Resolver: Debug + Send + Sync + 'static {
    /// The addresses of a name, in the order in which they should be tried. Blocks.
    ///
    /// # Errors
    /// No address, and why.
    fn resolve(&self, name: &str) -> Result<Vec<IpAddr>, ResolveError>;
}

/// The resolver of this machine.
#[derive(Debug, Clone, Copy)]
struct SystemResolver;

impl Resolver for SystemResolver {
    fn resolve(&self, name: &str) -> Result<Vec<IpAddr>, ResolveError> {
        lookup_host(name).map(Iterator::collect).map_err(|error| {
            let kind = error.kind();
            let error = std::io::Error::from(error);
            let text = plain(&error);
            match kind {
                LookupErrorKind::NoName | LookupErrorKind::NoData => ResolveError::NoName(text),
                LookupErrorKind::Memory => ResolveError::Resources(text),
                LookupErrorKind::System if failure_of(&error) == Failure::Resources => ResolveError::Resources(text),
                _ => ResolveError::Failed(text),
            }
        })
    }
}

type Outcome = Result<Arc<[IpAddr]>, ResolveError>;

/// A look-up on its way, for those who wait for it.
#[derive(Debug, Clone)]
struct Waiting {
    outcome: watch::Receiver<Option<Outcome>>,
    /// Whether the resolver was asked, which may have to wait for a place.
    asked: Arc<AtomicBool>,
}

#[derive(Debug)]
struct Inner {
    clock: Arc<dyn Clock>,
    resolver: Arc<dyn Resolver>,
    /// For names that were quick the last time.
    quick_places: Arc<Semaphore>,
    /// For those that were not. A name that was never looked up may use both.
    other_places: Arc<Semaphore>,
    flights: Mutex<HashMap<Box<str>, Waiting>>,
    /// Whether the last look-up of a name was quick.
    quick: Mutex<HashMap<Box<str>, bool>>,
    evidence: Mutex<Evidence>,
}

/// Looks up names. One is shared by all probes: [`Lookup::shared`].
#[derive(Debug, Clone)]
pub struct Lookup(Arc<Inner>);

impl Lookup {
    /// Asks the resolver of this machine.
    #[must_use]
    pub fn system(clock: Arc<dyn Clock>) -> Self {
        Self::with(clock, Arc::new(SystemResolver))
    }

    /// Asks the given resolver.
    #[must_use]
    pub fn with(clock: Arc<dyn Clock>, resolver: Arc<dyn Resolver>) -> Self {
        Self(Arc::new(Inner {
            clock,
            resolver,
            quick_places: Arc::new(Semaphore::new(AT_ONCE / 2)),
            other_places: Arc::new(Semaphore::new(AT_ONCE / 2)),
            flights: Mutex::default(),
            quick: Mutex::default(),
            evidence: Mutex::default(),
        }))
    }

    /// The one of all probes: what was put into `env.shared` before, else the machine's resolver.
    #[must_use]
    pub fn shared(env: &ProbeEnv) -> Arc<Self> {
        env.shared.get_or_make(|| Self::system(env.clock.clone()))
    }

    /// The addresses of a host: an address at once, a name by look-up, however long that takes. At least one.
    ///
    /// # Errors
    /// `dns` when the name has no address, `resolver` when this machine's resolver is to blame, `resources`.
    pub async fn addresses(&self, host: &Host) -> Result<Arc<[IpAddr]>, Fault> {
        let name = match host {
            Host::Ip(ip) => return Ok(Arc::from([*ip])),
            Host::Name(name) => name,
        };
        let mut flight = self.join(name);
        let told = flight.outcome.wait_for(Option::is_some).await.ok().and_then(|outcome| outcome.clone());
        match told {
            Some(Ok(addresses)) => Ok(addresses),
            Some(Err(error)) => Err(self.blame(name, &error)),
            // Only when the runtime ends or the resolver panics.
            None => Err(Fault::new(Failure::Internal, format!("the look-up of {name} was given up"))),
        }
    }

    /// The same within `left`.
    ///
    /// # Errors
    /// As [`Lookup::addresses`]; silence as [`Lookup::silent`].
    pub async fn addresses_within(&self, host: &Host, left: Duration) -> Result<Arc<[IpAddr]>, Fault> {
        match tokio::time::timeout(left, self.addresses(host)).await {
            Ok(outcome) => outcome,
            Err(_) => Err(self.silent(&host.to_string(), left)),
        }
    }

    /// What it means that a name was not answered within `waited`: the resolver's fault, unless it answers for other
    /// names; `resources` when it was not even asked, as too many others are.
    #[must_use]
    pub fn silent(&self, name: &str, waited: Duration) -> Fault {
        let was_asked = self.0.flights().get(name).is_none_or(|flight| flight.asked.load(Ordering::Relaxed));
        if !was_asked {
            let words = format!("cannot look up {name}: too many look-ups are running, none ended within");
            return Fault::new(Failure::Resources, format!("{words} {}", spell(waited)));
        }
        let words = format!("no answer for {name} within {}", spell(waited));
        self.blame(name, &ResolveError::Failed(words))
    }

    /// Waits with those who look this name up already, or starts.
    fn join(&self, name: &str) -> Waiting {
        let mut flights = self.0.flights();
        if let Some(flight) = flights.get(name) {
            return flight.clone();
        }
        let (tell, outcome) = watch::channel(None);
        let flight = Waiting { outcome, asked: Arc::default() };
        flights.insert(name.into(), flight.clone());
        drop(flights);
        let flight_of = Flight { inner: self.0.clone(), name: name.into(), tell, asked: flight.asked.clone() };
        let places = self.0.places_for(name);
        if let Some(place) = places.iter().flatten().find_map(|places| places.clone().try_acquire_owned().ok()) {
            tokio::task::spawn_blocking(move || flight_of.run(place));
        } else {
            tokio::spawn(async move {
                if let Some(place) = place_of(places).await
                    && flight_of.is_awaited()
                {
                    tokio::task::spawn_blocking(move || flight_of.run(place));
                }
            });
        }
        flight
    }

    fn blame(&self, name: &str, error: &ResolveError) -> Fault {
        match error {
            ResolveError::NoName(words) => {
                Fault::new(Failure::Dns, format!("the name {name} does not exist or has no address: {words}"))
            }
            ResolveError::Resources(words) => Fault::new(Failure::Resources, format!("cannot look up {name}: {words}")),
            ResolveError::Failed(words) => {
                let now = self.0.clock.mono();
                let mut evidence = self.0.evidence.lock().unwrap_or_else(PoisonError::into_inner);
                evidence.failed(name, now);
                if evidence.resolver_works(name, now) {
                    Fault::new(Failure::Dns, format!("the name {name} cannot be resolved, while others can: {words}"))
                } else {
                    Fault::new(Failure::Resolver, format!("this machine's resolver does not work: {words}"))
                }
            }
        }
    }
}

impl Inner {
    fn flights(&self) -> MutexGuard<'_, HashMap<Box<str>, Waiting>> {
        self.flights.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Where a name may be looked up: one or both.
    fn places_for(&self, name: &str) -> [Option<Arc<Semaphore>>; 2] {
        let quick = self.quick.lock().unwrap_or_else(PoisonError::into_inner).get(name).copied();
        let quick_places = (quick != Some(false)).then(|| self.quick_places.clone());
        let other_places = (quick != Some(true)).then(|| self.other_places.clone());
        [other_places, quick_places]
    }

    fn took(&self, name: &str, us: u64) {
        let mut quick = self.quick.lock().unwrap_or_else(PoisonError::into_inner);
        let is_quick = us <= QUICK_US;
        if let Some(was) = quick.get_mut(name) {
            *was = is_quick;
            return;
        }
        if quick.len() >= MOST_KNOWN {
            quick.clear();
        }
        quick.insert(name.into(), is_quick);
    }
}

/// Waits for the first place that becomes free.
async fn place_of(places: [Option<Arc<Semaphore>>; 2]) -> Option<OwnedSemaphorePermit> {
    // Never closed.
    match places {
        [Some(one), Some(other)] => tokio::select! {
            place = one.acquire_owned() => place.ok(),
            place = other.acquire_owned() => place.ok(),
        },
        [Some(only), None] | [None, Some(only)] => only.acquire_owned().await.ok(),
        [None, None] => None,
    }
}

/// One look-up on its way. Whatever happens to it, nobody waits for it for ever.
#[derive(Debug)]
struct Flight {
    inner: Arc<Inner>,
    name: Box<str>,
    tell: watch::Sender<Option<Outcome>>,
    asked: Arc<AtomicBool>,
}

impl Flight {
    /// Whether somebody still waits for it; if not, nobody joins it any more.
    fn is_awaited(&self) -> bool {
        let mut flights = self.inner.flights();
        // One of them is for those who join.
        let is_awaited = self.tell.receiver_count() > 1;
        if !is_awaited {
            flights.remove(&self.name);
        }
        is_awaited
    }

    fn run(self, place: OwnedSemaphorePermit) {
        self.asked.store(true, Ordering::Relaxed);
        let started = self.inner.clock.mono();
        let resolved = self.inner.resolver.resolve(&self.name);
        let now = self.inner.clock.mono();
        drop(place);
        self.inner.took(&self.name, now.since_us(started));
        let outcome = resolved.and_then(few);
        // This machine knows its own names without a resolver.
        let by_resolver = match &outcome {
            Ok(addresses) => !addresses.iter().all(IpAddr::is_loopback),
            Err(error) => matches!(error, ResolveError::NoName(_)),
        };
        if by_resolver {
            let mut evidence = self.inner.evidence.lock().unwrap_or_else(PoisonError::into_inner);
            evidence.answered(&self.name, now, now.since_us(started));
        }
        // The next one to ask starts anew, so the flight ends before its outcome is told.
        self.end();
        self.tell.send_replace(Some(outcome));
    }

    fn end(&self) {
        let mut flights = self.inner.flights();
        if flights.get(&self.name).is_some_and(|flight| flight.outcome.same_channel(&self.tell.subscribe())) {
            flights.remove(&self.name);
        }
    }
}

/// The first addresses of a name, each once.
fn few(addresses: Vec<IpAddr>) -> Outcome {
    let mut unique: Vec<IpAddr> = Vec::with_capacity(addresses.len().min(MOST_ADDRESSES));
    for ip in addresses {
        if unique.len() < MOST_ADDRESSES && !unique.contains(&ip) {
            unique.push(ip);
        }
    }
    if unique.is_empty() { Err(ResolveError::NoName("no address".to_owned())) } else { Ok(unique.into()) }
}

impl Drop for Flight {
    fn drop(&mut self) {
        self.end();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;
    use std::sync::{Condvar, mpsc};

    use super::*;
    use crate::clock::SetClock;
    use crate::model::UnixMicros;

    type Answer = Box<dyn Fn(&str) -> Result<Vec<IpAddr>, ResolveError> + Send + Sync>;

    /// Answers as it is told, and takes 5 ms of the clock for it.
    struct Scripted {
        clock: Arc<SetClock>,
        answer: Answer,
    }

    impl Debug for Scripted {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("Scripted")
        }
    }

    impl Resolver for Scripted {
        fn resolve(&self, name: &str) -> Result<Vec<IpAddr>, ResolveError> {
            self.clock.advance_us(5_000);
            (self.answer)(name)
        }
    }

    fn lookup(
        answer: impl Fn(&str) -> Result<Vec<IpAddr>, ResolveError> + Send + Sync + 'static,
    ) -> (Lookup, Arc<SetClock>) {
        let clock = Arc::new(SetClock::at(UnixMicros::MIN));
        let resolver = Scripted { clock: clock.clone(), answer: Box::new(answer) };
        (Lookup::with(clock.clone(), Arc::new(resolver)), clock)
    }

    fn host(name: &str) -> Host {
        Host::parse(name).expect("a host")
    }

    fn here() -> Vec<IpAddr> {
        vec![IpAddr::from([10, 0, 0, 1])]
    }

    fn by_name(name: &str) -> Result<Vec<IpAddr>, ResolveError> {
        match name {
            "missing" => Err(ResolveError::NoName("name or service not known".to_owned())),
            "broken" | "broken2" => Err(ResolveError::Failed("temporary failure".to_owned())),
            "full" => Err(ResolveError::Resources("too many open files".to_owned())),
            "many" => Ok((0..200u8).map(|n| IpAddr::from([10, 0, 0, n / 2])).collect()),
            "none" => Ok(Vec::new()),
            _ => Ok(here()),
        }
    }

    #[tokio::test]
    async fn what_fails_is_blamed_on_who_failed() {
        let (lookup, clock) = lookup(by_name);
        let failure = async |name: &str| lookup.addresses(&host(name)).await.expect_err(name).failure;
        assert_eq!(failure("missing").await, Failure::Dns);
        assert_eq!(failure("none").await, Failure::Dns);
        assert_eq!(failure("full").await, Failure::Resources);
        clock.advance_us(31_000_000);
        assert_eq!(failure("broken").await, Failure::Resolver);
        assert_eq!(lookup.silent("slow", Duration::from_secs(2)).failure, Failure::Resolver);
        // An answer about another name acquits the resolver for 30 s.
        lookup.addresses(&host("good")).await.expect("resolves");
        let fault = lookup.addresses(&host("broken")).await.expect_err("broken");
        assert_eq!(fault.failure, Failure::Dns);
        assert!(fault.message.contains("broken") && fault.message.contains("while others can"), "{fault}");
        clock.advance_us(31_000_000);
        assert_eq!(failure("broken").await, Failure::Resolver);
        // Two names that fail accuse it again.
        lookup.addresses(&host("good")).await.expect("resolves");
        assert_eq!(failure("broken").await, Failure::Dns);
        assert_eq!(failure("broken2").await, Failure::Resolver);
    }

    #[tokio::test]
    async fn addresses_are_few_and_each_once() {
        let (lookup, _) = lookup(by_name);
        let addresses = lookup.addresses(&host("many")).await.expect("resolves");
        assert_eq!(addresses.len(), MOST_ADDRESSES);
        assert_eq!(addresses[1], IpAddr::from([10, 0, 0, 1]));
    }

    #[tokio::test]
    async fn an_address_is_never_looked_up() {
        let (lookup, _) = lookup(|name| panic!("looked up {name}"));
        for text in ["127.0.0.1", "[::1]"] {
            assert_eq!(lookup.addresses(&host(text)).await.expect(text).len(), 1);
        }
    }

    #[tokio::test]
    async fn the_same_name_is_asked_once_and_no_answer_is_kept() {
        let calls = Arc::new(AtomicUsize::new(0));
        let (open, gate) = mpsc::channel::<()>();
        let gate = Mutex::new(gate);
        let counted = calls.clone();
        let (lookup, _) = lookup(move |_| {
            counted.fetch_add(1, Ordering::SeqCst);
            gate.lock().expect("gate").recv().expect("opened");
            Ok(here())
        });
        let name = host("nas");
        let waiting = futures_util::future::join_all((0..50).map(|_| lookup.addresses(&name)));
        let opening = async {
            tokio::task::yield_now().await;
            open.send(()).expect("somebody waits");
        };
        let (all, ()) = tokio::join!(waiting, opening);
        assert!(all.iter().all(Result::is_ok));
        assert_eq!(calls.load(Ordering::SeqCst), 1);
        open.send(()).expect("somebody waits");
        lookup.addresses(&name).await.expect("resolves");
        assert_eq!(calls.load(Ordering::SeqCst), 2);
    }

    #[tokio::test]
    async fn look_ups_at_once_are_bounded() {
        let state = Arc::new((Mutex::new((0usize, 0usize)), Condvar::new()));
        let seen = state.clone();
        let (lookup, _) = lookup(move |_| {
            let (counts, changed) = &*seen;
            let mut counts = counts.lock().expect("counts");
            counts.0 += 1;
            counts.1 = counts.1.max(counts.0);
            changed.notify_all();
            // All places are taken before the first is given back.
            let mut counts = changed.wait_while(counts, |counts| counts.1 < AT_ONCE).expect("counts");
            counts.0 -= 1;
            Ok(here())
        });
        let hosts: Vec<Host> = (0..AT_ONCE * 3).map(|n| host(&format!("host{n}"))).collect();
        let all = futures_util::future::join_all(hosts.iter().map(|name| lookup.addresses(name))).await;
        assert!(all.iter().all(Result::is_ok));
        assert_eq!(state.0.lock().expect("counts").1, AT_ONCE);
    }

    #[tokio::test]
    async fn names_that_hang_hold_up_no_others() {
        let calls = Arc::new(AtomicUsize::new(0));
        let (open, gate) = mpsc::channel::<()>();
        let gate = Mutex::new(gate);
        let counted = calls.clone();
        let clock_of_dead = Arc::new(Mutex::new(None::<Arc<SetClock>>));
        let clock_of = clock_of_dead.clone();
        let hang = Arc::new(AtomicBool::new(false));
        let hangs = hang.clone();
        let (lookup, clock) = lookup(move |name| {
            if name.starts_with("dead") {
                counted.fetch_add(1, Ordering::SeqCst);
                if hangs.load(Ordering::SeqCst) {
                    let _ = gate.lock().expect("gate").recv();
                }
                if let Some(clock) = &*clock_of.lock().expect("clock") {
                    clock.advance_us(QUICK_US);
                }
                return Err(ResolveError::Failed("no answer".to_owned()));
            }
            Ok(here())
        });
        *clock_of_dead.lock().expect("clock") = Some(clock);
        let dead: Vec<Host> = (0..AT_ONCE * 2).map(|n| host(&format!("dead{n}"))).collect();
        // What is slow once is known for it, and takes no place of the quick ones.
        futures_util::future::join_all(dead.iter().map(|name| lookup.addresses(name))).await;
        hang.store(true, Ordering::SeqCst);
        calls.store(0, Ordering::SeqCst);
        let waited = Duration::from_millis(100);
        let again = futures_util::future::join_all(dead.iter().map(|name| lookup.addresses_within(name, waited))).await;
        assert_eq!(calls.load(Ordering::SeqCst), AT_ONCE / 2);
        let count = |failure| again.iter().filter(|one| one.as_ref().is_err_and(|f| f.failure == failure)).count();
        assert_eq!(count(Failure::Resources), AT_ONCE * 3 / 2, "those whose turn did not come");
        assert_eq!(count(Failure::Resolver), AT_ONCE / 2);
        let fault = again.iter().filter_map(|one| one.as_ref().err()).find(|fault| fault.failure == Failure::Resources);
        assert!(fault.is_some_and(|fault| fault.message.contains("too many look-ups are running")), "{fault:?}");
        for name in ["good", "good", "better"] {
            lookup.addresses_within(&host(name), Duration::from_secs(10)).await.expect(name);
        }
        // Whom nobody waits for any more is never asked for.
        drop(open);
        let last = host("dead0");
        let _ = lookup.addresses_within(&last, Duration::from_secs(10)).await;
        while !lookup.0.flights().is_empty() {
            tokio::task::yield_now().await;
        }
        assert!(calls.load(Ordering::SeqCst) <= AT_ONCE / 2 + 1, "{}", calls.load(Ordering::SeqCst));
    }

    #[tokio::test]
    async fn silence_ends_with_the_time_and_is_the_resolvers_fault() {
        let (open, gate) = mpsc::channel::<()>();
        let gate = Mutex::new(gate);
        let (lookup, _) = lookup(move |_| {
            // Ends when the test does.
            let _ = gate.lock().expect("gate").recv();
            Ok(here())
        });
        let outcome = lookup.addresses_within(&host("slow"), Duration::from_millis(50)).await;
        let fault = outcome.expect_err("silent");
        assert_eq!(fault.failure, Failure::Resolver);
        assert!(fault.message.contains("no answer for slow within 50 ms"), "{fault}");
        drop(open);
    }

    #[tokio::test]
    async fn a_resolver_that_panics_is_survived() {
        let calls = AtomicUsize::new(0);
        let (lookup, _) = lookup(move |_| {
            assert!(calls.fetch_add(1, Ordering::SeqCst) > 0, "the first call fails");
            Ok(here())
        });
        assert_eq!(lookup.addresses(&host("nas")).await.expect_err("panicked").failure, Failure::Internal);
        lookup.addresses(&host("nas")).await.expect("resolves");
    }

    #[tokio::test]
    async fn this_machine_knows_localhost() {
        let lookup = Lookup::system(Arc::new(crate::clock::SystemClock));
        let addresses = lookup.addresses(&host("localhost")).await.expect("resolves");
        assert!(addresses.iter().all(IpAddr::is_loopback), "{addresses:?}");
    }
}
