//! Echo requests and what comes back, as bytes: ICMP (RFC 792) and ICMPv6 (RFC 4443).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// What tells one request from all others.
pub(super) type Token = [u8; TOKEN_LEN];

/// Bytes of a token.
const TOKEN_LEN: usize = 16;
/// Bytes of payload, as `ping` has sent for decades; the token and then [`padding`].
const PAYLOAD_LEN: usize = 56;
/// Type, code, checksum, identifier, sequence number.
const HEADER_LEN: usize = 8;
/// Bytes of a request without the IP header.
const REQUEST_LEN: usize = HEADER_LEN + PAYLOAD_LEN;
/// Protocol numbers in the IP header.
const PROTOCOL_V4: u8 = 1;
const PROTOCOL_V6: u8 = 58;

/// What a router says that knows no way to a network, in words.
pub(super) const NETWORK_UNREACHABLE: &str = "network unreachable";

/// A version of IP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Family {
    V4,
    V6,
}

impl Family {
    /// The version of an address.
    pub(super) fn of(address: IpAddr) -> Self {
        if address.is_ipv4() { Self::V4 } else { Self::V6 }
    }

    fn request_type(self) -> u8 {
        match self {
            Self::V4 => 8,
            Self::V6 => 128,
        }
    }

    fn reply_type(self) -> u8 {
        match self {
            Self::V4 => 0,
            Self::V6 => 129,
        }
    }
}

/// What a datagram says about a request of ours.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Heard {
    /// An echo reply that carries this token and is otherwise as it was sent.
    Reply(Token),
    /// Somebody on the way could not deliver a request.
    Undelivered(&'static str, Quoted),
}

/// A request as quoted by an error message. Only eight bytes behind the IP header are sure to be there (RFC 792).
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Quoted {
    /// Where it was going.
    pub(super) to: IpAddr,
    /// Its identifier.
    pub(super) id: u16,
    /// Its sequence number.
    pub(super) seq: u16,
    /// Its token, where the quote is long enough.
    pub(super) token: Option<Token>,
}

/// The request with this token. The checksum of ICMPv6 is left to the kernel, which knows the source address.
pub(super) fn request(family: Family, id: u16, seq: u16, token: &Token) -> [u8; REQUEST_LEN] {
    let mut bytes = [0; REQUEST_LEN];
    bytes[0] = family.request_type();
    bytes[4..6].copy_from_slice(&id.to_be_bytes());
    bytes[6..8].copy_from_slice(&seq.to_be_bytes());
    bytes[HEADER_LEN..HEADER_LEN + TOKEN_LEN].copy_from_slice(token);
    for (byte, pad) in bytes[HEADER_LEN + TOKEN_LEN..].iter_mut().zip(padding()) {
        *byte = pad;
    }
    if family == Family::V4 {
        let sum = checksum(&bytes);
        bytes[2..4].copy_from_slice(&sum.to_be_bytes());
    }
    bytes
}

/// Reads what a socket received; nothing where it is not about an echo request as we send them.
///
/// Raw IPv4 sockets (everywhere) and datagram ones (on some systems) hand over the IP header too. It is known by its
/// version nibble: no ICMP type from 64 to 79 is in use.
pub(super) fn read(family: Family, datagram: &[u8]) -> Option<Heard> {
    let message = match family {
        Family::V4 if datagram.first()? >> 4 == 4 => behind_ip_header(datagram)?.1,
        _ => datagram,
    };
    // The kernel checks ICMPv6 for us, but hands raw IPv4 sockets their copy before it looks.
    if family == Family::V4 && checksum(message) != 0 {
        return None;
    }
    let (&[kind, code], body) = message.split_first_chunk::<2>()?;
    if kind == family.reply_type() && code == 0 {
        return token_of(message).map(Heard::Reply);
    }
    let what = match family {
        Family::V4 => undelivered_v4(kind, code)?,
        Family::V6 => undelivered_v6(kind, code)?,
    };
    // Behind checksum and four bytes that depend on the type stands the quoted datagram.
    quoted(family, body.get(HEADER_LEN - 2..)?).map(|quoted| Heard::Undelivered(what, quoted))
}

/// The payload behind the token.
fn padding() -> impl Iterator<Item = u8> {
    (0x10..).take(PAYLOAD_LEN - TOKEN_LEN)
}

/// The token of a message whose payload is as we send it.
fn token_of(message: &[u8]) -> Option<Token> {
    let (token, rest) = message.get(HEADER_LEN..)?.split_first_chunk::<TOKEN_LEN>()?;
    rest.iter().copied().eq(padding()).then_some(*token)
}

/// Destination and content of an IPv4 packet that carries ICMP.
fn behind_ip_header(packet: &[u8]) -> Option<(IpAddr, &[u8])> {
    let length = usize::from(packet.first()? & 0x0f) * 4;
    if length < 20 || *packet.get(9)? != PROTOCOL_V4 {
        return None;
    }
    let to: [u8; 4] = packet.get(16..20)?.try_into().ok()?;
    Some((IpAddr::V4(Ipv4Addr::from(to)), packet.get(length..)?))
}

/// Our request inside an error message.
fn quoted(family: Family, packet: &[u8]) -> Option<Quoted> {
    let (to, message) = match family {
        Family::V4 if packet.first()? >> 4 == 4 => behind_ip_header(packet)?,
        // We send no extension headers, so the fixed header names ICMPv6 itself.
        Family::V6 if packet.first()? >> 4 == 6 && *packet.get(6)? == PROTOCOL_V6 => {
            let to: [u8; 16] = packet.get(24..40)?.try_into().ok()?;
            (IpAddr::V6(Ipv6Addr::from(to)), packet.get(40..)?)
        }
        _ => return None,
    };
    let header = message.first_chunk::<HEADER_LEN>()?;
    if header[0] != family.request_type() {
        return None;
    }
    let token = message.get(HEADER_LEN..).and_then(|payload| payload.first_chunk::<TOKEN_LEN>()).copied();
    Some(Quoted {
        to,
        id: u16::from_be_bytes([header[4], header[5]]),
        seq: u16::from_be_bytes([header[6], header[7]]),
        token,
    })
}

/// Destination unreachable and time exceeded, RFC 792; codes 9 to 13 from RFC 1122 and RFC 1812.
fn undelivered_v4(kind: u8, code: u8) -> Option<&'static str> {
    match (kind, code) {
        (3, 0 | 6 | 11) => Some(NETWORK_UNREACHABLE),
        (3, 1 | 7 | 8 | 12) => Some("host unreachable"),
        (3, 9 | 10 | 13) => Some("prohibited by a firewall"),
        (3, _) => Some("destination unreachable"),
        (11, 0) => Some("too many hops"),
        _ => None,
    }
}

/// Destination unreachable and time exceeded, RFC 4443 sections 3.1 and 3.3.
fn undelivered_v6(kind: u8, code: u8) -> Option<&'static str> {
    match (kind, code) {
        (1, 0) => Some(NETWORK_UNREACHABLE),
        (1, 3) => Some("host unreachable"),
        (1, 1 | 5 | 6) => Some("prohibited by a firewall"),
        (1, _) => Some("destination unreachable"),
        (3, 0) => Some("too many hops"),
        _ => None,
    }
}

/// The Internet checksum (RFC 1071); 0 over a message that carries its own and is whole.
fn checksum(bytes: &[u8]) -> u16 {
    let mut sum: u32 = 0;
    for pair in bytes.chunks(2) {
        sum += u32::from(u16::from_be_bytes([pair[0], pair.get(1).copied().unwrap_or(0)]));
        sum = (sum & 0xffff) + (sum >> 16);
    }
    // Folded in each round, so that the sum has 16 bits.
    !u16::try_from(sum).unwrap_or(u16::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const TOKEN: Token = *b"0123456789abcdef";

    fn sealed(mut message: Vec<u8>) -> Vec<u8> {
        message[2..4].fill(0);
        let sum = checksum(&message);
        message[2..4].copy_from_slice(&sum.to_be_bytes());
        message
    }

    fn reply_to(request: &[u8]) -> Vec<u8> {
        let mut reply = request.to_vec();
        reply[0] = 0;
        sealed(reply)
    }

    fn with_ip_header(options: usize, to: [u8; 4], message: &[u8]) -> Vec<u8> {
        let mut packet = vec![0; 20 + options];
        packet[0] = 0x45 + u8::try_from(options / 4).expect("short");
        packet[9] = PROTOCOL_V4;
        packet[16..20].copy_from_slice(&to);
        packet.extend_from_slice(message);
        packet
    }

    #[test]
    fn a_request_has_a_whole_checksum_and_its_reply_is_known_with_or_without_ip_header() {
        let sent = request(Family::V4, 0xbeef, 7, &TOKEN);
        assert_eq!(checksum(&sent), 0);
        let reply = reply_to(&sent);
        assert_eq!(read(Family::V4, &reply), Some(Heard::Reply(TOKEN)));
        assert_eq!(read(Family::V4, &with_ip_header(0, [1; 4], &reply)), Some(Heard::Reply(TOKEN)));
        assert_eq!(read(Family::V4, &with_ip_header(8, [1; 4], &reply)), Some(Heard::Reply(TOKEN)));
        assert_eq!(read(Family::V4, &sent), None, "our own request is no reply");
    }

    #[test]
    fn a_reply_with_another_payload_length_or_checksum_is_none() {
        let reply = reply_to(&request(Family::V4, 1, 1, &TOKEN));
        let mut other = reply.clone();
        other[60] ^= 1;
        assert_eq!(read(Family::V4, &other), None, "broken checksum");
        assert_eq!(read(Family::V4, &sealed(other)), None, "other payload");
        assert_eq!(read(Family::V4, &sealed(reply[..40].to_vec())), None, "cut");
        assert_eq!(read(Family::V4, &sealed([&reply[..], &[0, 0]].concat())), None, "longer");
    }

    #[test]
    fn an_error_names_the_request_it_quotes() {
        let sent = request(Family::V4, 0xbeef, 7, &TOKEN);
        let quote = with_ip_header(0, [10, 0, 0, 9], &sent);
        let error = sealed([&[3, 1, 0, 0, 0, 0, 0, 0], &quote[..]].concat());
        let to = IpAddr::from([10, 0, 0, 9]);
        let whole = Quoted { to, id: 0xbeef, seq: 7, token: Some(TOKEN) };
        assert_eq!(read(Family::V4, &error), Some(Heard::Undelivered("host unreachable", whole)));
        let short = sealed([&[11, 0, 0, 0, 0, 0, 0, 0], &quote[..28]].concat());
        let cut = Quoted { to, id: 0xbeef, seq: 7, token: None };
        assert_eq!(read(Family::V4, &short), Some(Heard::Undelivered("too many hops", cut)));
    }

    #[test]
    fn icmpv6_is_read_too() {
        let sent = request(Family::V6, 2, 3, &TOKEN);
        let mut reply = sent;
        reply[0] = 129;
        assert_eq!(read(Family::V6, &reply), Some(Heard::Reply(TOKEN)));
        let to = Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, 9);
        let mut quote = vec![0; 40];
        quote[0] = 0x60;
        quote[6] = PROTOCOL_V6;
        quote[24..40].copy_from_slice(&to.octets());
        quote.extend_from_slice(&sent);
        let error = [&[1, 3, 0, 0, 0, 0, 0, 0], &quote[..]].concat();
        let whole = Quoted { to: to.into(), id: 2, seq: 3, token: Some(TOKEN) };
        assert_eq!(read(Family::V6, &error), Some(Heard::Undelivered("host unreachable", whole)));
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_harm(bytes in prop::collection::vec(any::<u8>(), 0..200), v6: bool) {
            let family = if v6 { Family::V6 } else { Family::V4 };
            // Random bytes hold no token of ours behind the right padding.
            prop_assert!(!matches!(read(family, &bytes), Some(Heard::Reply(_))));
        }

        #[test]
        fn a_changed_reply_is_never_taken(at in 0usize..REQUEST_LEN, flip in 1u8..) {
            let mut reply = reply_to(&request(Family::V4, 5, 6, &TOKEN));
            reply[at] ^= flip;
            prop_assert_eq!(read(Family::V4, &reply), None);
        }
    }
}
