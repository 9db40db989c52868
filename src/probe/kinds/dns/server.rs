//! Which server is asked, as it is written in the file.

use std::net::{IpAddr, SocketAddr};

use crate::model::FieldError;
use crate::probe::net::Host;
use crate::probe::net::one_host;

/// A name server: host and port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Server {
    /// Name or address.
    pub(super) host: Host,
    /// Port.
    pub(super) port: u16,
}

impl Server {
    /// Reads `ip`, `ip:port`, `[v6]`, `[v6]:port`, a bare v6 address, `name` or `name:port`; where no port is in the
    /// text it is `port`.
    ///
    /// # Errors
    /// Text of another form, or a port outside 1 to 65535.
    pub(super) fn parse(target: &str, port: i64) -> Result<Self, FieldError> {
        let target = target.trim();
        if target.is_empty() {
            return Err(FieldError::new("target", "DNS monitor requires target"));
        }
        let (host, own_port) = split(target).map_err(|what| {
            FieldError::new("target", format!("invalid DNS target: {what}; write `host`, `host:port` or `[v6]:port`"))
        })?;
        let port = match own_port {
            Some(text) => text.parse().ok().filter(|port| *port > 0).ok_or_else(|| wrong_port("target", &text))?,
            None => u16::try_from(port).ok().filter(|port| *port > 0).ok_or_else(|| wrong_port("port", &port))?,
        };
        Ok(Self { host, port })
    }

    /// Where an address of the host is asked.
    pub(super) fn at(&self, address: IpAddr) -> SocketAddr {
        SocketAddr::new(address.to_canonical(), self.port)
    }
}

fn wrong_port(key: &'static str, port: &dyn std::fmt::Display) -> FieldError {
    FieldError::new(key, format!("invalid port: {port}; must be between 1 and 65535"))
}

/// Host and, where there is one, the text of the port.
fn split(target: &str) -> Result<(Host, Option<&str>), String> {
    if target.contains('/') {
        return Err(format!("`{target}` is a URL or a network, not a server"));
    }
    let (host, port) = match target.rsplit_once(':') {
        // The colon is one of the address.
        _ if target.ends_with(']') || target.parse::<IpAddr>().is_ok() => (target, None),
        Some((host, port)) => (host, Some(port)),
        None => (target, None),
    };
    one_host(host).map(|host| (host, port))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(target: &str) -> Result<(String, u16), String> {
        Server::parse(target, 53)
            .map(|server| (server.host.to_string(), server.port))
            .map_err(|fault| fault.to_string())
    }

    #[test]
    fn every_form_of_a_server_is_read() {
        for (text, host, port) in [
            ("10.0.0.1", "10.0.0.1", 53),
            (" 10.0.0.1:5353 ", "10.0.0.1", 5353),
            ("[2001:db8::1]:5353", "[2001:db8::1]", 5353),
            ("[2001:db8::1]", "[2001:db8::1]", 53),
            ("2001:db8::1", "[2001:db8::1]", 53),
            ("::1", "[::1]", 53),
            ("ns.example", "ns.example", 53),
            ("ns.example:54", "ns.example", 54),
        ] {
            assert_eq!(read(text), Ok((host.to_owned(), port)), "{text}");
        }
        assert_eq!(Server::parse("10.0.0.1", 5300).map(|server| server.port), Ok(5300));
        assert_eq!(Server::parse("10.0.0.1:54", 5300).map(|server| server.port), Ok(54), "the text wins");
    }

    #[test]
    fn wrong_servers_are_refused_in_words() {
        for (text, part) in [
            ("", "target: DNS monitor requires target"),
            ("10.0.0.1:0", "target: invalid port: 0"),
            ("10.0.0.1:99999", "invalid port: 99999"),
            ("[::1]:99999", "invalid port: 99999"),
            ("ns:dns", "invalid port: dns"),
            ("[::1", "missing closing bracket"),
            ("[10.0.0.1]:53", "is no IPv6 address"),
            ("[::1]53", "invalid DNS target"),
            ("2001:db8::1::2", "invalid DNS target"),
            ("https://dns.example", "invalid DNS target"),
            ("10.0.0.300", "is no IPv4 address"),
        ] {
            let what = read(text).expect_err(text);
            assert!(what.contains(part), "{text}: {what}");
        }
        let fault = Server::parse("10.0.0.1", 70_000).expect_err("no port");
        assert_eq!(fault.key, "port");
    }
}
