//! The kernel's default routes, as Linux shows them.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Flags of a route (`linux/route.h`).
const UP: u32 = 0x1;
const GATEWAY: u32 = 0x2;

/// A router that leads everywhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Gateway {
    pub(super) address: IpAddr,
    /// The lowest is the one in use.
    pub(super) metric: u32,
}

fn hex(text: &str) -> Option<u32> {
    u32::from_str_radix(text, 16).ok()
}

/// The default gateways of `/proc/net/route`, in the order of the file.
pub(super) fn ipv4(text: &str) -> Vec<Gateway> {
    let gateway = |line: &str| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let [_, destination, gateway, flags, _, _, metric, mask, ..] = fields.as_slice() else { return None };
        let everywhere = hex(destination)? == 0 && hex(mask)? == 0;
        let usable = hex(flags)? & (UP | GATEWAY) == UP | GATEWAY;
        // The number is in the order of the machine, its bytes are in that of the network.
        let address = Ipv4Addr::from(hex(gateway)?.to_ne_bytes());
        let metric = metric.parse().ok()?;
        (everywhere && usable && !address.is_unspecified()).then(|| Gateway { address: address.into(), metric })
    };
    text.lines().filter_map(gateway).collect()
}

/// The default gateways of `/proc/net/ipv6_route`, in the order of the file. Those with a link-local address are left
/// out: it needs a zone (`%eth0`), which no kind of monitor takes.
pub(super) fn ipv6(text: &str) -> Vec<Gateway> {
    let gateway = |line: &str| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let [destination, length, _, _, next, metric, _, _, flags, _] = fields.as_slice() else { return None };
        let everywhere = address(destination)?.is_unspecified() && hex(length)? == 0;
        let usable = hex(flags)? & (UP | GATEWAY) == UP | GATEWAY;
        let address = address(next)?;
        let metric = hex(metric)?;
        (everywhere && usable && !address.is_unspecified() && !address.is_unicast_link_local())
            .then(|| Gateway { address: address.into(), metric })
    };
    text.lines().filter_map(gateway).collect()
}

fn address(text: &str) -> Option<Ipv6Addr> {
    let is_whole = text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_whole.then(|| u128::from_str_radix(text, 16).ok()).flatten().map(Ipv6Addr::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn default_routes_are_told_from_others() {
        let shown =
            |gateways: Vec<Gateway>| gateways.iter().map(|g| format!("{} {}", g.address, g.metric)).collect::<Vec<_>>();
        assert_eq!(shown(ipv4(include_str!("fixtures/route"))), ["10.8.0.1 700", "192.168.1.1 600"]);
        assert_eq!(shown(ipv6(include_str!("fixtures/ipv6_route"))), ["2001:db8::1 1025"]);
        assert_eq!(shown(ipv4("eth0 00000000 0101A8C0 0001 0 0 0 00000000 0 0 0")), [""; 0], "not by a gateway");
        assert_eq!(shown(ipv4("eth0 00000000 0101A8C0 0003 0 0 0 000000FF 0 0 0")), [""; 0], "not everywhere");
    }
}
