//! Whether this machine has a network, and whether it is still the same one.

use std::fmt::Debug;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::sync::{Mutex, PoisonError};

/// What the network of this machine looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    /// Whether any interface besides loopback is up and has an address that reaches beyond its own link.
    pub online: bool,
    /// Another number when addresses or routes are others.
    pub fingerprint: u64,
}

/// Looks at the network of this machine. Called once a second on the scheduler's thread, and up to ten times a second
/// while checks fail: must answer within a fraction of a millisecond, send nothing, and not call the scheduler.
pub trait Connectivity: Debug + Send + Sync {
    /// The network now.
    fn snapshot(&self) -> Network;
}

/// The network as the system describes it: addresses of interfaces, and the addresses that its routes to the world
/// start from.
#[derive(Debug, Default)]
pub struct SystemConnectivity {
    /// What was seen last, for when the system does not answer.
    last: Mutex<Option<Network>>,
}

impl Connectivity for SystemConnectivity {
    fn snapshot(&self) -> Network {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        match look() {
            Ok(network) => *last.insert(network),
            // Out of descriptors, most likely: says nothing about the network.
            Err(error) => {
                tracing::debug!(%error, "the system does not list its network addresses");
                last.unwrap_or(Network { online: true, fingerprint: 0 })
            }
        }
    }
}

fn look() -> std::io::Result<Network> {
    let mut addresses: Vec<IpAddr> = if_addrs::get_if_addrs()?
        .iter()
        .filter(|interface| interface.is_oper_up())
        .map(if_addrs::Interface::ip)
        .filter(|ip| reaches_beyond_its_link(*ip))
        .collect();
    let online = !addresses.is_empty();
    let routes = routes();
    // With a route to the world only that counts: containers and virtual machines come and go with addresses of
    // their own, and say nothing about the way out.
    if routes.iter().any(Option::is_some) {
        addresses.clear();
    }
    addresses.sort_unstable();
    let mut hasher = DefaultHasher::new();
    (online, routes, addresses).hash(&mut hasher);
    Ok(Network { online, fingerprint: hasher.finish() })
}

/// The addresses that packets to the world would start from. Connecting a UDP socket looks up the route and sends
/// nothing; the targets are addresses for documentation (RFC 5737, RFC 3849), which nobody has.
fn routes() -> [Option<IpAddr>; 2] {
    let source = |from: IpAddr, to: IpAddr| -> Option<IpAddr> {
        let socket = UdpSocket::bind(SocketAddr::new(from, 0)).ok()?;
        socket.connect(SocketAddr::new(to, 9)).ok()?;
        Some(socket.local_addr().ok()?.ip()).filter(|ip| reaches_beyond_its_link(*ip))
    };
    [
        source(Ipv4Addr::UNSPECIFIED.into(), Ipv4Addr::new(192, 0, 2, 1).into()),
        source(Ipv6Addr::UNSPECIFIED.into(), Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1).into()),
    ]
}

fn reaches_beyond_its_link(ip: IpAddr) -> bool {
    let link_local = match ip {
        IpAddr::V4(v4) => v4.is_link_local(),
        IpAddr::V6(v6) => v6.is_unicast_link_local(),
    };
    !(ip.is_loopback() || ip.is_unspecified() || link_local)
}

/// Whether a target as people write it (`host`, `host:port`, `[ip]:port`, a URL) is on this machine's loopback.
pub(super) fn is_loopback(target: &str) -> bool {
    let rest = target.split_once("://").map_or(target, |(_, rest)| rest);
    let authority = rest.split(['/', '?', '#', ' ']).next().unwrap_or(rest);
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    let is_loopback_ip = |text: &str| text.parse::<IpAddr>().is_ok_and(|ip| ip.to_canonical().is_loopback());
    if is_loopback_ip(host) {
        return true;
    }
    let name = match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or(rest),
        None => host.split(':').next().unwrap_or(host),
    };
    let lower = name.trim_end_matches('.').to_ascii_lowercase();
    // RFC 6761, section 6.3: localhost and every name below it.
    lower == "localhost" || lower.ends_with(".localhost") || is_loopback_ip(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_targets_are_known() {
        for target in [
            "127.0.0.1",
            "127.8.8.8:80",
            "::1",
            "[::1]:443",
            "::ffff:127.0.0.1",
            "localhost",
            "LocalHost.:8080",
            "db.localhost:5432",
            "http://localhost:3000/a@b",
            "https://user:pass@127.0.0.1/path?x=1",
            "http://[::1]/",
        ] {
            assert!(is_loopback(target), "{target}");
        }
        for target in [
            "",
            "10.0.0.1",
            "127.0.0.1.example.com",
            "http://example.com/127.0.0.1",
            "http://localhost@example.com/",
            "localhost.example.com",
            "[fe80::1]:80",
            "::2",
        ] {
            assert!(!is_loopback(target), "{target}");
        }
    }

    #[test]
    fn the_network_is_the_same_when_looked_at_twice() {
        let system = SystemConnectivity::default();
        assert_eq!(system.snapshot(), system.snapshot());
    }
}
