//! From the host of a target to the address that is asked.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::time::Duration;

use dns_lookup::{AddrInfoHints, LookupErrorKind, SockType, getaddrinfo};

use crate::model::Failure;
use crate::probe::ProbeEnv;

/// The addresses of a host in the order of `getaddrinfo`. An address is its own answer and asks nobody.
///
/// # Errors
/// The name does not exist (`dns`), or this machine's resolver does not say so in time (`resolver`).
pub(in crate::probe::kinds) async fn addresses(
    _env: &ProbeEnv,
    host: &str,
    left: Duration,
) -> Result<Vec<IpAddr>, (Failure, String)> {
    if let Ok(address) = host.parse::<IpAddr>() {
        return Ok(vec![address.to_canonical()]);
    }
    let name = host.to_owned();
    let look_up = tokio::task::spawn_blocking(move || {
        let hints = AddrInfoHints { socktype: SockType::Stream.into(), ..AddrInfoHints::default() };
        let found = getaddrinfo(Some(&name), None, Some(hints)).map_err(|error| (error.kind(), error.into()))?;
        found
            .map(|info| info.map(|info| info.sockaddr.ip()))
            .collect::<io::Result<Vec<_>>>()
            .map_err(|error| (LookupErrorKind::Fail, error))
    });
    let fault = |why: &dyn std::fmt::Display| (Failure::Resolver, format!("cannot look up {host}: {why}"));
    match tokio::time::timeout(left, look_up).await {
        Err(_) => Err(fault(&"this machine's resolver does not answer")),
        Ok(Err(error)) => Err((Failure::Internal, format!("cannot look up {host}: {error}"))),
        Ok(Ok(Ok(addresses))) if !addresses.is_empty() => Ok(addresses),
        Ok(Ok(Ok(_)) | Ok(Err((LookupErrorKind::NoName | LookupErrorKind::NoData, _)))) => {
            Err((Failure::Dns, format!("{host} does not resolve: no address under this name")))
        }
        Ok(Ok(Err((_, error)))) => Err(fault(&error)),
    }
}

/// The first address whose family this machine has a route for, so that a dead family is no false alarm. A single
/// address is taken as it is: sending to it will tell.
///
/// # Errors
/// There is a route to none of them (`no_route`), or no socket to find out (`resources`).
pub(in crate::probe::kinds) fn routed(addresses: &[IpAddr]) -> Result<IpAddr, (Failure, String)> {
    if let [address] = addresses {
        return Ok(*address);
    }
    let mut last = None;
    for address in addresses {
        match has_route(*address) {
            Ok(()) => return Ok(*address),
            Err(error) => last = Some((address, error)),
        }
    }
    Err(match last {
        Some((_, error)) if is_used_up(&error) => (Failure::Resources, format!("cannot open a socket: {error}")),
        Some((address, error)) => (Failure::NoRoute, format!("this machine has no route to {address}: {error}")),
        None => (Failure::Dns, "the name has no address".to_owned()),
    })
}

/// Connecting a UDP socket sends nothing, but asks the routing table.
fn has_route(address: IpAddr) -> io::Result<()> {
    let any: IpAddr = match address {
        IpAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        IpAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    // The port is never used.
    UdpSocket::bind(SocketAddr::new(any, 0))?.connect(SocketAddr::new(address, 9))
}

/// Whether the system has no descriptor, port or memory left for us.
pub(in crate::probe::kinds) fn is_used_up(error: &io::Error) -> bool {
    use rustix::io::Errno;
    [Errno::MFILE, Errno::NFILE, Errno::NOBUFS, Errno::NOMEM, Errno::AGAIN]
        .iter()
        .any(|errno| error.raw_os_error() == Some(errno.raw_os_error()))
}

/// Whether this machine has no way to the address: its own network, not the target's.
pub(in crate::probe::kinds) fn is_no_route(error: &io::Error) -> bool {
    use io::ErrorKind::{AddrNotAvailable, NetworkDown, NetworkUnreachable};
    matches!(error.kind(), NetworkUnreachable | NetworkDown | AddrNotAvailable)
        || error.raw_os_error() == Some(rustix::io::Errno::AFNOSUPPORT.raw_os_error())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::clock::SystemClock;

    async fn found(host: &str) -> Result<Vec<IpAddr>, (Failure, String)> {
        addresses(&ProbeEnv::new(Arc::new(SystemClock)), host, Duration::from_secs(10)).await
    }

    #[tokio::test]
    async fn addresses_are_taken_as_they_are() {
        assert_eq!(found("10.0.0.9").await, Ok(vec![IpAddr::from([10, 0, 0, 9])]));
        assert_eq!(found("::ffff:10.0.0.9").await, Ok(vec![IpAddr::from([10, 0, 0, 9])]));
        assert!(found("localhost").await.expect("is known everywhere").iter().all(IpAddr::is_loopback));
    }

    #[test]
    fn a_family_without_a_route_is_passed_over() {
        let (v4, v6) = (IpAddr::from([127, 0, 0, 1]), IpAddr::from(Ipv6Addr::LOCALHOST));
        assert_eq!(routed(&[v4, v6]), Ok(v4));
        assert_eq!(routed(&[v6]), Ok(v6));
        // Class E: no machine has a route there.
        let nowhere = IpAddr::from([255, 255, 255, 255]);
        assert_eq!(routed(&[nowhere, v4]), Ok(v4));
        assert_eq!(routed(&[]).map_err(|(failure, _)| failure), Err(Failure::Dns));
    }
}
