//! The name servers of this machine, as the resolver's settings have them.

use std::net::IpAddr;

/// The servers in use, each once. A forwarder on this machine says little about the network, so that it is left out
/// where it is known whom it asks.
pub(super) fn used(resolv_conf: &str, upstreams: &str) -> Vec<String> {
    let (own, others) = (servers(resolv_conf), servers(upstreams));
    let is_far = |server: &&IpAddr| !server.is_loopback();
    let far: Vec<_> = own.iter().filter(is_far).collect();
    let asked: Vec<_> = others.iter().filter(is_far).collect();
    let used = match (far.is_empty(), asked.is_empty()) {
        (false, _) => far,
        (true, false) => asked,
        (true, true) => own.iter().collect(),
    };
    let mut names: Vec<String> = Vec::new();
    for name in used.into_iter().map(IpAddr::to_string) {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    names
}

/// The `nameserver` lines. An address with a zone (`%eth0`) is left out: no kind of monitor takes one.
fn servers(text: &str) -> Vec<IpAddr> {
    let server = |line: &str| {
        let mut words = line.split_whitespace();
        (words.next()? == "nameserver").then(|| words.next()).flatten()?.parse().ok()
    };
    text.lines().filter_map(server).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_forwarder_on_this_machine_gives_way_to_whom_it_asks() {
        let stub = include_str!("fixtures/resolv.conf");
        assert_eq!(used(stub, include_str!("fixtures/upstreams.conf")), ["192.168.1.1", "2001:db8::53"]);
        assert_eq!(used(stub, ""), ["127.0.0.53"], "nothing else is known");
        assert_eq!(used("nameserver ::1\nnameserver 9.9.9.9 # far\n", "nameserver 1.1.1.1"), ["9.9.9.9"]);
        assert_eq!(used("", "nameserver 1.1.1.1"), ["1.1.1.1"]);
    }

    #[test]
    fn other_lines_and_repetitions_do_not_count() {
        let text = "; nameserver 1.1.1.1\n#nameserver 1.1.1.1\nsearch nameserver 1.1.1.1\n nameserver\t9.9.9.9\r\nnameserver 9.9.9.9\nnameserver fe80::1%eth0\nnameserver example\noptions edns0";
        assert_eq!(used(text, ""), ["9.9.9.9"]);
    }
}
