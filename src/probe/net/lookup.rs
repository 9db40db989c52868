//! Names resolved as the rest of the machine does (hosts file, nsswitch, mDNS, search domains): `getaddrinfo` on
//! blocking threads. At most [`AT_ONCE`] run at once, the same name is looked up once for all who wait for it, and an
//! answer is used by those who waited and by nobody later.

use std::collections::HashMap;
use std::fmt::Debug;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
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
type Flights = HashMap<Box<str>, watch::Receiver<Option<Outcome>>>;

#[derive(Debug)]
struct Inner {
    clock: Arc<dyn Clock>,
    resolver: Arc<dyn Resolver>,
    places: Arc<Semaphore>,
    flights: Mutex<Flights>,
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
            places: Arc::new(Semaphore::new(AT_ONCE)),
            flights: Mutex::default(),
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
        let told = flight.wait_for(Option::is_some).await.ok().and_then(|outcome| outcome.clone());
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
    /// names.
    #[must_use]
    pub fn silent(&self, name: &str, waited: Duration) -> Fault {
        let words = format!("no answer for {name} within {}", spell(waited));
        self.blame(name, &ResolveError::Failed(words))
    }

    /// Waits with those who look this name up already, or starts.
    fn join(&self, name: &str) -> watch::Receiver<Option<Outcome>> {
        let mut flights = self.0.flights.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(flight) = flights.get(name) {
            return flight.clone();
        }
        let (tell, flight) = watch::channel(None);
        flights.insert(name.into(), flight.clone());
        drop(flights);
        let flight_of = Flight { inner: self.0.clone(), name: name.into(), tell };
        if let Ok(place) = self.0.places.clone().try_acquire_owned() {
            tokio::task::spawn_blocking(move || flight_of.run(place));
        } else {
            let places = self.0.places.clone();
            tokio::spawn(async move {
                // Never closed.
                if let Ok(place) = places.acquire_owned().await {
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

/// One look-up on its way. Whatever happens to it, nobody waits for it for ever.
#[derive(Debug)]
struct Flight {
    inner: Arc<Inner>,
    name: Box<str>,
    tell: watch::Sender<Option<Outcome>>,
}

impl Flight {
    fn run(self, place: OwnedSemaphorePermit) {
        let started = self.inner.clock.mono();
        let resolved = self.inner.resolver.resolve(&self.name);
        let now = self.inner.clock.mono();
        drop(place);
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
        let mut flights = self.inner.flights.lock().unwrap_or_else(PoisonError::into_inner);
        if flights.get(&self.name).is_some_and(|flight| flight.same_channel(&self.tell.subscribe())) {
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
    use std::sync::atomic::{AtomicUsize, Ordering};
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
