//! TCP connections. Several addresses race (RFC 8305, "Happy Eyeballs"), so that one dead family never looks like a
//! dead target; a single address costs no task and no timer.

use std::future::poll_fn;
use std::io::{self, ErrorKind};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::pin::pin;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio::net::{TcpSocket, TcpStream};

use super::fault::{Fault, failure_of, plain};
use crate::model::Failure;

/// The head start of an address before the next one (RFC 8305 section 5, "Connection Attempt Delay").
const HEAD_START: Duration = Duration::from_millis(250);

/// An address that did not connect.
#[derive(Debug)]
struct Failed {
    failure: Failure,
    words: String,
}

/// Connects to the first of these addresses that answers, however long that takes.
///
/// # Errors
/// What every address said. The target's fault (`connect`, `timeout`) when one of them was; only when all failed by
/// ours (`no_route`, `resources`, `permission`) it is ours.
pub async fn connect(addresses: &[IpAddr], port: u16) -> Result<(TcpStream, SocketAddr), Fault> {
    let failed = match addresses {
        [only] => match dial(SocketAddr::new(*only, port)).await {
            Ok(connected) => return Ok(connected),
            Err(failed) => vec![failed],
        },
        several => match race(several, port).await {
            Ok(connected) => return Ok(connected),
            Err(failed) => failed,
        },
    };
    Err(decide(&failed))
}

async fn race(addresses: &[IpAddr], port: u16) -> Result<(TcpStream, SocketAddr), Vec<Failed>> {
    let mut waiting = alternate(addresses).into_iter().map(|ip| SocketAddr::new(ip, port)).peekable();
    let mut running: FuturesUnordered<_> = waiting.next().map(dial).into_iter().collect();
    let mut failed = Vec::new();
    let mut head_start = pin!(tokio::time::sleep(HEAD_START));
    loop {
        let next_may_start = tokio::select! {
            done = running.next() => match done {
                Some(Ok(connected)) => return Ok(connected),
                Some(Err(one)) => {
                    failed.push(one);
                    true
                }
                None => return Err(failed),
            },
            () = &mut head_start, if waiting.peek().is_some() => true,
        };
        if next_may_start && let Some(peer) = waiting.next() {
            running.push(dial(peer));
            head_start.set(tokio::time::sleep(HEAD_START));
        }
    }
}

/// Families in turn, each in its own order, the family of the first address first (RFC 8305 section 4).
fn alternate(addresses: &[IpAddr]) -> Vec<IpAddr> {
    let first_is_v6 = addresses.first().is_some_and(IpAddr::is_ipv6);
    let mut one = addresses.iter().filter(|ip| ip.is_ipv6() == first_is_v6);
    let mut other = addresses.iter().filter(|ip| ip.is_ipv6() != first_is_v6);
    let mut ordered = Vec::with_capacity(addresses.len());
    while ordered.len() < addresses.len() {
        ordered.extend(one.next());
        ordered.extend(other.next());
    }
    ordered
}

async fn dial(peer: SocketAddr) -> Result<(TcpStream, SocketAddr), Failed> {
    let socket = if peer.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() };
    let socket = socket.map_err(|error| Failed::new(peer, &error, true))?;
    // A check is one small write; without this its tail can wait for an acknowledgement. Refusal costs only that.
    let _ = socket.set_nodelay(true);
    let mut connecting = pin!(socket.connect(peer));
    // What fails before anything was waited for was decided by this machine's own routes.
    let mut at_once = true;
    let connected = poll_fn(|context| {
        let polled = connecting.as_mut().poll(context);
        at_once &= polled.is_ready();
        polled
    });
    match connected.await {
        Ok(stream) => Ok((stream, peer)),
        Err(error) => Err(Failed::new(peer, &error, at_once)),
    }
}

impl Failed {
    fn new(peer: SocketAddr, error: &io::Error, at_once: bool) -> Self {
        let failure = match (failure_of(error), error.kind()) {
            (Failure::Connect, ErrorKind::HostUnreachable) if at_once => Failure::NoRoute,
            (Failure::NoRoute, ErrorKind::AddrNotAvailable) if has_source(peer) => {
                let words = format!("cannot connect to {peer}: all local ports for this address are in use");
                return Self { failure: Failure::Resources, words };
            }
            // What this machine forbids is known at once; later it is ICMPv6's "administratively prohibited" (RFC 4443).
            (Failure::Permission, _) if !at_once => {
                let words = format!("cannot connect to {peer}: a firewall on the way refuses it");
                return Self { failure: Failure::Connect, words };
            }
            (failure, _) => failure,
        };
        let words = plain(error);
        let words = match failure {
            Failure::NoRoute => format!("this machine has no route to {peer}: {words}"),
            Failure::Resources => {
                format!("cannot connect to {peer}: {words}; raise the limit of open files or memory")
            }
            Failure::Permission => {
                format!("this machine does not allow connections to {peer}: {words}; see its firewall")
            }
            _ => format!("cannot connect to {peer}: {words}"),
        };
        Self { failure, words }
    }
}

/// Whether this machine has an address from which the peer could be reached; sends nothing.
fn has_source(peer: SocketAddr) -> bool {
    let any: IpAddr = if peer.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    UdpSocket::bind((any, 0)).and_then(|socket| socket.connect(peer)).is_ok()
}

fn decide(failed: &[Failed]) -> Fault {
    let Some(first) = failed.first() else {
        return Fault::new(Failure::Internal, "no address to connect to");
    };
    let decisive = failed.iter().find(|one| !one.failure.is_ours()).unwrap_or(first);
    let words: Vec<&str> = failed.iter().map(|one| one.words.as_str()).collect();
    Fault::new(decisive.failure, words.join("; "))
}

#[cfg(test)]
mod tests {
    use rustix::io::Errno;

    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    fn failed(errno: Errno, at_once: bool) -> Failed {
        let peer = SocketAddr::new(ip("127.0.0.1"), 9);
        Failed::new(peer, &io::Error::from_raw_os_error(errno.raw_os_error()), at_once)
    }

    #[test]
    fn families_take_turns() {
        let given = ["2001:db8::1", "2001:db8::2", "2001:db8::3", "10.0.0.1"].map(ip);
        let wanted = ["2001:db8::1", "10.0.0.1", "2001:db8::2", "2001:db8::3"].map(ip);
        assert_eq!(alternate(&given), wanted);
        let given = ["10.0.0.1", "10.0.0.2", "2001:db8::1"].map(ip);
        let wanted = ["10.0.0.1", "2001:db8::1", "10.0.0.2"].map(ip);
        assert_eq!(alternate(&given), wanted);
    }

    #[test]
    fn a_host_that_is_off_is_down_and_a_missing_route_is_ours() {
        assert_eq!(failed(Errno::HOSTUNREACH, false).failure, Failure::Connect);
        assert_eq!(failed(Errno::HOSTUNREACH, true).failure, Failure::NoRoute);
        assert_eq!(failed(Errno::NETUNREACH, true).failure, Failure::NoRoute);
    }

    #[test]
    fn a_firewall_on_the_way_is_not_ours() {
        assert_eq!(failed(Errno::ACCESS, true).failure, Failure::Permission);
        let far = failed(Errno::ACCESS, false);
        assert_eq!(far.failure, Failure::Connect);
        assert!(far.words.contains("a firewall on the way"), "{}", far.words);
    }

    #[test]
    fn used_up_ports_are_told_from_a_missing_address() {
        assert_eq!(failed(Errno::ADDRNOTAVAIL, true).failure, Failure::Resources);
    }

    #[test]
    fn ours_only_when_every_address_failed_by_us() {
        let mixed = [failed(Errno::NETUNREACH, true), failed(Errno::CONNREFUSED, false)];
        assert_eq!(decide(&mixed).failure, Failure::Connect);
        let ours = [failed(Errno::NETUNREACH, true), failed(Errno::MFILE, true)];
        assert_eq!(decide(&ours).failure, Failure::NoRoute);
    }
}
