//! A target that is one host, by name or address.

use std::net::IpAddr;

use super::fault::{Fault, spell};
use super::host::Host;
use crate::model::Failure;
use crate::probe::Attempt;

/// Reads the name or the address of one host.
///
/// # Errors
/// Text that is neither, or an address that many hosts share or none has.
pub fn one_host(text: &str) -> Result<Host, String> {
    match Host::parse(text.trim()).map_err(|error| error.to_string())? {
        Host::Ip(address) => check(address.to_canonical()).map(Host::Ip),
        Host::Name(name) if name.chars().all(|c| c.is_ascii_digit() || c == '.') => {
            Err(format!("`{name}` is no IPv4 address: four numbers from 0 to 255 are needed"))
        }
        name @ Host::Name(_) => Ok(name),
    }
}

/// The fault where finding the addresses of a target left less than a tenth of the time for the target itself: whoever
/// then does not answer may have had no chance to.
///
/// # Errors
/// `resolver`.
pub fn time_is_left(attempt: &Attempt, host: &Host) -> Result<(), Fault> {
    if attempt.left() >= attempt.timeout() / 10 {
        return Ok(());
    }
    let (took, of) = (spell(attempt.now().since(attempt.started())), spell(attempt.timeout()));
    Err(Fault::new(Failure::Resolver, format!("looking up {host} took {took} of the {of} there are")))
}

fn check(address: IpAddr) -> Result<IpAddr, String> {
    let broadcast = matches!(address, IpAddr::V4(v4) if v4.is_broadcast());
    if address.is_unspecified() || address.is_multicast() || broadcast {
        return Err(format!("{address} is not the address of one host"));
    }
    if matches!(address, IpAddr::V6(v6) if v6.is_unicast_link_local()) {
        return Err(format!(
            "{address} is a link-local address, which names no host without its interface; use another"
        ));
    }
    Ok(address)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_are_one_host() {
        for good in
            ["nas", "nas.lan.", "a_b.example", "10.0.0.9", "::1", "[::1]", "2001:db8::1", " xn--bcher-kva.example"]
        {
            assert!(one_host(good).is_ok(), "{good}");
        }
        for bad in [
            "10.0.0",
            "10.0.0.256",
            "0.0.0.0",
            "224.0.0.1",
            "255.255.255.255",
            "ff02::1",
            "fe80::1",
            "http://x",
            "x:80",
        ] {
            assert!(one_host(bad).is_err(), "{bad}");
        }
        assert_eq!(one_host("::ffff:10.0.0.9"), Ok(Host::Ip(IpAddr::from([10, 0, 0, 9]))));
    }
}
