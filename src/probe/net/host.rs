//! A host as it is written in a setting: a name or an address.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};

use thiserror::Error;

/// A name to look up, or an address that needs no look-up.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Host {
    /// A name.
    Name(Box<str>),
    /// An address.
    Ip(IpAddr),
}

/// Why a text is no host.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum HostError {
    /// Nothing is there.
    #[error("host cannot be empty")]
    Empty,
    /// A bracket is open.
    #[error("invalid IPv6 format, missing closing bracket")]
    Bracket,
    /// What stands in brackets is no address.
    #[error("`{0}` is no IPv6 address")]
    NotV6(String),
    /// The name cannot be a name (RFC 1035 2.3.4: at most 253 characters, labels of 1 to 63).
    #[error("`{0}` is no host name: a name has at most 253 characters, in parts of 1 to 63 joined by dots")]
    Length(String),
    /// A character that no name has.
    #[error(
        "`{name}` is no host name: it contains {found:?} (allowed are letters, digits, `-`, `_` and dots; write an international name in its xn-- form)"
    )]
    Character {
        /// The text.
        name: String,
        /// The first one.
        found: char,
    },
}

impl Host {
    /// Reads a name, an IPv4 address, or an IPv6 address with or without brackets. There is no port in it.
    ///
    /// # Errors
    /// Text that can be neither.
    pub fn parse(text: &str) -> Result<Self, HostError> {
        if text.is_empty() {
            return Err(HostError::Empty);
        }
        if let Some(rest) = text.strip_prefix('[') {
            let inner = rest.strip_suffix(']').ok_or(HostError::Bracket)?;
            let ip = inner.parse::<Ipv6Addr>().map_err(|_| HostError::NotV6(inner.to_owned()))?;
            return Ok(Self::Ip(ip.into()));
        }
        if let Ok(ip) = text.parse::<IpAddr>() {
            return Ok(Self::Ip(ip));
        }
        let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        if let Some(found) = text.chars().find(|c| !allowed(*c)) {
            return Err(HostError::Character { name: text.to_owned(), found });
        }
        // One dot at the end means the root and is no part of its own.
        let labels = text.strip_suffix('.').unwrap_or(text);
        if labels.len() > 253 || labels.split('.').any(|label| label.is_empty() || label.len() > 63) {
            return Err(HostError::Length(text.to_owned()));
        }
        Ok(Self::Name(text.into()))
    }

    /// The name, when it is one.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        match self {
            Self::Name(name) => Some(name),
            Self::Ip(_) => None,
        }
    }
}

/// As it stands before a port: IPv6 in brackets.
impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => f.write_str(name),
            Self::Ip(IpAddr::V4(ip)) => write!(f, "{ip}"),
            Self::Ip(IpAddr::V6(ip)) => write!(f, "[{ip}]"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_addresses() {
        for (text, shown) in [
            ("nas", "nas"),
            ("_sip.a-b.example.", "_sip.a-b.example."),
            ("10.0.0.1", "10.0.0.1"),
            ("::1", "[::1]"),
            ("[2001:db8::1]", "[2001:db8::1]"),
        ] {
            assert_eq!(Host::parse(text).expect(text).to_string(), shown);
        }
        assert!(matches!(Host::parse("10.0.0.1"), Ok(Host::Ip(_))));
        assert_eq!(Host::parse("nas").expect("name").name(), Some("nas"));
    }

    #[test]
    fn what_cannot_be_a_host_says_why() {
        for (text, part) in [
            ("", "empty"),
            ("[::1", "closing bracket"),
            ("[nas]", "no IPv6 address"),
            ("a b", "contains ' '"),
            ("a\0b", "contains '\\0'"),
            ("bücher.example", "xn--"),
            ("a..b", "parts of 1 to 63"),
            (".", "parts of 1 to 63"),
            (&"a".repeat(64), "parts of 1 to 63"),
            (&"a.".repeat(130), "253"),
        ] {
            let error = Host::parse(text).expect_err(text).to_string();
            assert!(error.contains(part), "{text}: {error}");
        }
    }
}
