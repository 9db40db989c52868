//! One run: requests a little apart, and their answers awaited together.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use uuid::Uuid;

use super::Ping;
use super::echo::{EchoSocket, EchoSockets, Fates, Request, Undelivered};
use super::icmp::{Family, Token};
use super::outcome::Outcome;
use crate::clock::{Clock, Mono};
use crate::model::{FactKey, Failure, Phases, Verdict};
use crate::probe::net::fault::{failure_of, plain};
use crate::probe::net::{Fault, Host, Lookup, phase_us};
use crate::probe::net::{one_host, time_is_left};
use crate::probe::{Attempt, Observation, Probe, ProbeEnv};

/// Remedy where neither kind of ICMP socket may be opened.
const NOT_ALLOWED: &str = "this system does not let us open ICMP sockets; allow it for everybody with \
    `sysctl -w net.ipv4.ping_group_range=\"0 2147483647\"` (governs IPv6 too), or for this program with \
    `setcap cap_net_raw+ep` on its file";

/// Whether the system says "host unreachable" to who sends for the sake of its own routes alone. Elsewhere it may say
/// so too when the target does not answer in its own network, which Linux tells later.
const HOST_UNREACHABLE_IS_OURS: bool = cfg!(target_os = "linux");

/// Checks by echo requests.
#[derive(Debug)]
pub(super) struct PingProbe {
    host: Result<Host, String>,
    count: u16,
    spacing: Duration,
    clock: Arc<dyn Clock>,
    lookup: Arc<Lookup>,
    sockets: Arc<EchoSockets>,
    /// Identifier of the requests. Chosen anew after silence: a firewall that has a broken state under the old one
    /// would keep it as long as we ask.
    id: AtomicU16,
    /// Next sequence number; goes on from run to run.
    seq: AtomicU16,
}

#[async_trait]
impl Probe for PingProbe {
    async fn run(&self, attempt: &Attempt) -> Observation {
        let mut phases = Phases::default();
        let mut observation = match self.checked(attempt, &mut phases).await {
            Ok(observation) => observation,
            Err(fault) => fault.into(),
        };
        phases.total_us = Some(phase_us(attempt.elapsed_us()));
        observation.phases = phases;
        observation
    }
}

impl PingProbe {
    /// What is built once for a monitor.
    pub(super) fn new(settings: &Ping, env: &ProbeEnv) -> Self {
        let [id, seq] = random_pair();
        Self {
            host: one_host(&settings.target),
            count: settings.requests(),
            spacing: settings.packet_interval.get(),
            clock: env.clock.clone(),
            lookup: Lookup::shared(env),
            sockets: env.shared.get_or_make(EchoSockets::default),
            id: AtomicU16::new(id),
            seq: AtomicU16::new(seq),
        }
    }

    /// Pings one address of each family until one answers, so that a dead family is no false alarm. The first family
    /// has half of the time where the other one follows and has a route. An address that nothing can be sent to is passed over.
    async fn checked(&self, attempt: &Attempt, phases: &mut Phases) -> Result<Observation, Fault> {
        let addresses: Vec<_> = self.addresses(attempt, phases).await?.iter().map(IpAddr::to_canonical).collect();
        let mut silent = None;
        let mut said: Option<Observation> = None;
        for (n, peer) in addresses.iter().copied().enumerate() {
            let family = Family::of(peer);
            if silent == Some(family) {
                continue;
            }
            let left = attempt.left();
            let is_other = |next: &IpAddr| Family::of(*next) != family && has_route(*next);
            let other_follows = silent.is_none() && addresses[n..].iter().any(is_other);
            let (until, told) = match (other_follows, silent) {
                (true, _) => (left / 2, left / 2),
                (false, Some(_)) => (left, left),
                (false, None) => (left, attempt.timeout()),
            };
            let turn = Turn { peer, until: attempt.now().plus_us(micros(until)), told };
            let next = self.ping(&turn, attempt).await.unwrap_or_else(Observation::from);
            if !is_dead(&next) {
                return Ok(next);
            }
            let was_asked = next.facts.number(FactKey::PingSent).is_some();
            said = Some(match said {
                Some(earlier) => both(earlier, next),
                None => next,
            });
            if was_asked && !other_follows {
                break;
            }
            if was_asked {
                silent = Some(family);
            }
        }
        said.ok_or_else(|| Fault::new(Failure::Dns, "the name has no address"))
    }

    async fn addresses(&self, attempt: &Attempt, phases: &mut Phases) -> Result<Arc<[IpAddr]>, Fault> {
        let host = self.host.as_ref().map_err(|what| Fault::new(Failure::Internal, what))?;
        let addresses = self.lookup.addresses_within(host, attempt.left()).await;
        if host.name().is_none() {
            return addresses;
        }
        phases.name_us = Some(phase_us(attempt.elapsed_us()));
        let addresses = addresses?;
        time_is_left(attempt, host)?;
        Ok(addresses)
    }

    async fn ping(&self, turn: &Turn, attempt: &Attempt) -> Result<Observation, Fault> {
        let Turn { peer, told, .. } = *turn;
        let lane = self.sockets.lane(Family::of(peer), &self.clock).map_err(|error| refused(&error, peer))?;
        let fates = self.ask(lane.socket(), turn, attempt).await.map_err(|error| unsendable(&error, peer))?;
        let fates = fates.all();
        let outcome = Outcome {
            peer,
            method: lane.socket().method(),
            fates: &fates,
            time: told,
            waited_us: attempt.elapsed_us(),
        };
        if outcome.is_silence() {
            self.id.store(random_pair()[0], Ordering::Relaxed);
            self.sockets.renew(&lane, &self.clock);
        }
        Ok(outcome.observation())
    }

    /// Sends the requests and waits until each has its fate or the time is up.
    async fn ask(&self, socket: &EchoSocket, turn: &Turn, attempt: &Attempt) -> io::Result<Arc<Fates>> {
        let count = usize::from(self.count);
        let fates = Arc::new(Fates::new(count));
        let mut run = Run { socket, tokens: Vec::with_capacity(count) };
        let spacing = spacing(self.spacing, self.count, turn.until.since(attempt.now()));
        let mut next = attempt.now();
        loop {
            let now = attempt.now();
            let left = turn.until.since(now);
            if left.is_zero() {
                break;
            }
            if run.tokens.len() < count && now >= next {
                // From this one, not from a plan: after a stall they must not go out in a burst.
                next = now.plus_us(micros(spacing));
                self.send(&mut run, turn.peer, &fates, left).await?;
                continue;
            }
            if fates.is_decided() {
                return Ok(fates);
            }
            let wait = if run.tokens.len() < count { left.min(until(next, now)) } else { left };
            // Running out is no fault: it is time for the next request, or the time is up.
            let _ = tokio::time::timeout(wait, fates.decided_all()).await;
        }
        // What has arrived counts, even where the reader had no turn yet. A socket that fails here has nothing.
        let _ = socket.read_arrived();
        Ok(fates)
    }

    async fn send(&self, run: &mut Run<'_>, peer: IpAddr, fates: &Arc<Fates>, left: Duration) -> io::Result<()> {
        let token = *Uuid::new_v4().as_bytes();
        let index = run.tokens.len();
        run.tokens.push(token);
        let id = self.id.load(Ordering::Relaxed);
        let request = Request { peer, id, seq: self.seq.fetch_add(1, Ordering::Relaxed), token };
        match tokio::time::timeout(left, run.socket.send(&request, fates, index)).await {
            // A full send buffer for the whole time: nothing of ours gets out.
            Err(_) => Err(rustix::io::Errno::NOBUFS.into()),
            Ok(Err(error)) if error.kind() == io::ErrorKind::HostUnreachable && !HOST_UNREACHABLE_IS_OURS => {
                fates.undelivered(index, Undelivered { what: "host unreachable", says: None });
                Ok(())
            }
            Ok(sent) => sent,
        }
    }
}

/// An address and the time it has.
struct Turn {
    peer: IpAddr,
    /// When it is over; not after the attempt's end.
    until: Mono,
    /// How long that is, in messages.
    told: Duration,
}

/// The requests of a run; forgotten at its end and when it is cancelled, so that a late answer finds nobody.
struct Run<'a> {
    socket: &'a EchoSocket,
    tokens: Vec<Token>,
}

impl Drop for Run<'_> {
    fn drop(&mut self) {
        for token in &self.tokens {
            self.socket.forget(token);
        }
    }
}

/// Whether this machine has a route to the address; sends nothing.
fn has_route(address: IpAddr) -> bool {
    let any: IpAddr = if address.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    // Any port will do: nothing is sent to it.
    UdpSocket::bind((any, 0)).and_then(|socket| socket.connect((address, 9))).is_ok()
}

/// Whether nothing came back for a reason that may be the family's alone.
fn is_dead(observation: &Observation) -> bool {
    use Failure::{Connect, NoRoute, Permission, Timeout};
    matches!(observation.failure, Some(Connect | NoRoute | Permission | Timeout))
}

/// What two addresses say together that both did not answer: the target's fault where it was one of theirs.
fn both(first: Observation, second: Observation) -> Observation {
    let first_decides = first.verdict == Verdict::Down && second.verdict != Verdict::Down;
    let (decisive, other) = if first_decides { (first, second) } else { (second, first) };
    Observation { message: format!("{}; {}", decisive.message, other.message), ..decisive }
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

/// Time between two requests: as wished, but the last request keeps at least half of the time for its answer.
fn spacing(wished: Duration, count: u16, left: Duration) -> Duration {
    match u32::from(count).checked_sub(1) {
        Some(steps) if steps > 0 => wished.min(left / 2 / steps),
        _ => wished,
    }
}

fn until(next: Mono, now: Mono) -> Duration {
    // At least a little, so that a rounded wait does not spin.
    next.since(now).max(Duration::from_micros(100))
}

/// Two random numbers: identifier and first sequence number.
fn random_pair() -> [u16; 2] {
    let bytes = Uuid::new_v4().into_bytes();
    // These four are random in a UUIDv4 (RFC 9562); later ones hold its version.
    [u16::from_be_bytes([bytes[0], bytes[1]]), u16::from_be_bytes([bytes[2], bytes[3]])]
}

/// Neither kind of socket could be opened. Whatever the reason, it is ours.
fn refused(error: &io::Error, peer: IpAddr) -> Fault {
    let words = plain(error);
    match failure_of(error) {
        Failure::Permission => Fault::new(Failure::Permission, NOT_ALLOWED),
        Failure::NoRoute => {
            Fault::new(Failure::NoRoute, format!("this machine has no network of the kind of {peer}: {words}"))
        }
        failure => {
            let failure = if failure.is_ours() { failure } else { Failure::Internal };
            Fault::new(failure, format!("cannot open an ICMP socket: {words}"))
        }
    }
}

/// The system did not send a request. What it says about the target itself never comes here.
fn unsendable(error: &io::Error, peer: IpAddr) -> Fault {
    let words = plain(error);
    let no_route = || Fault::new(Failure::NoRoute, format!("this machine has no route to {peer}: {words}"));
    match failure_of(error) {
        Failure::NoRoute => no_route(),
        Failure::Connect if error.kind() == io::ErrorKind::HostUnreachable => no_route(),
        Failure::Permission => {
            Fault::new(Failure::Permission, format!("this machine's firewall or routes forbid to ping {peer}: {words}"))
        }
        failure => {
            let failure = if failure.is_ours() { failure } else { Failure::Internal };
            Fault::new(failure, format!("cannot send to {peer}: {words}"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_request_keeps_half_of_the_time() {
        let ms = Duration::from_millis;
        assert_eq!(spacing(ms(200), 3, ms(3000)), ms(200));
        assert_eq!(spacing(ms(200), 1, ms(10)), ms(200));
        assert_eq!(spacing(ms(200), 11, ms(1000)), ms(50));
        assert_eq!(spacing(Duration::from_secs(1), 100, ms(990)), ms(5));
    }

    #[test]
    fn identifiers_are_not_fixed() {
        let ids: std::collections::BTreeSet<_> = (0..100).map(|_| random_pair()).collect();
        assert!(ids.len() > 90);
    }
}
