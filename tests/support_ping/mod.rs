//! A host that answers echo requests to many addresses: well, late, twice, wrongly, or not at all.

use std::collections::HashMap;
use std::io::Read as _;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use socket2::{Domain, Protocol, Socket, Type};

/// What the responder does with the n-th request (from 0) to one address.
enum Deed {
    /// Replies after so many ms, from this address, with the message changed so.
    Reply { after_ms: u64, from: Ipv4Addr, change: fn(&mut Vec<u8>) },
    /// Says host unreachable from this address, quoting so many bytes behind the IP header, changed so.
    Unreachable { from: Ipv4Addr, quote: usize, change: fn(&mut Vec<u8>) },
}

/// The responder's manners by the last byte of the address that is asked.
fn deeds(asked: Ipv4Addr, n: u64) -> Vec<Deed> {
    let router = Ipv4Addr::new(10, 9, 1, 1);
    let reply = |after_ms| Deed::Reply { after_ms, from: asked, change: |_| {} };
    let changed = |change| Deed::Reply { after_ms: 0, from: asked, change };
    match asked.octets()[3] {
        2 => vec![reply(0)],
        4 if n != 1 => vec![reply(0)],
        5 if n == 1 => vec![reply(0)],
        6 => vec![reply(50)],
        // Many answers to the first request only.
        7 if n == 0 => vec![reply(0), reply(0), reply(5), reply(10)],
        8 => vec![changed(|message| message[40] ^= 0xff)],
        9 => vec![Deed::Reply { after_ms: 0, from: Ipv4Addr::new(10, 9, 0, 99), change: |_| {} }],
        10 => vec![Deed::Unreachable { from: router, quote: usize::MAX, change: |_| {} }],
        // The first run's replies come when it is over, while the second one runs, which is answered by nobody.
        11 if n < 3 => vec![reply(500)],
        12 => vec![changed(|message| message.truncate(30))],
        13 => vec![reply(90 - 30 * n.min(3))],
        14 => vec![changed(|message| message.iter_mut().skip(8).take(16).for_each(|byte| *byte = 7))],
        16 => vec![Deed::Unreachable { from: router, quote: 8, change: |_| {} }],
        // Somebody guesses: a quote with another identifier, a reply with a guessed token; then the true reply.
        17 => vec![
            Deed::Unreachable { from: router, quote: 8, change: |message| message[4] ^= 0xff },
            changed(|message| message[8] ^= 0xff),
            reply(10),
        ],
        _ => vec![],
    }
}

/// Answers echo requests by [`deeds`] until the process ends.
pub(crate) fn start_responder() {
    let hear = Socket::new(Domain::IPV4, Type::RAW, Some(Protocol::ICMPV4)).expect("a raw socket");
    let speak = Socket::new(Domain::IPV4, Type::RAW, Some(Protocol::ICMPV4)).expect("a raw socket");
    speak.set_header_included_v4(true).expect("own headers");
    let speak = Arc::new(speak);
    thread::spawn(move || {
        let mut seen: HashMap<Ipv4Addr, u64> = HashMap::new();
        let mut buffer = [0; 2048];
        loop {
            let length = (&hear).read(&mut buffer).expect("hears");
            let (header, message) = buffer[..length].split_at(20);
            if message[0] != 8 {
                continue;
            }
            let asker = Ipv4Addr::new(header[12], header[13], header[14], header[15]);
            let asked = Ipv4Addr::new(header[16], header[17], header[18], header[19]);
            let n = seen.entry(asked).or_default();
            for deed in deeds(asked, *n) {
                do_deed(deed, header, message, asker, speak.clone());
            }
            *n += 1;
        }
    });
}

fn do_deed(deed: Deed, header: &[u8], message: &[u8], asker: Ipv4Addr, speak: Arc<Socket>) {
    let (after_ms, from, answer) = match deed {
        Deed::Reply { after_ms, from, change } => {
            let mut reply = message.to_vec();
            reply[0] = 0;
            change(&mut reply);
            (after_ms, from, reply)
        }
        Deed::Unreachable { from, quote, change } => {
            let mut quoted = message[..message.len().min(quote)].to_vec();
            change(&mut quoted);
            (0, from, [&[3, 1, 0, 0, 0, 0, 0, 0], header, &quoted].concat())
        }
    };
    let packet = [&ip_header(from, asker, answer.len()), &sealed(answer)[..]].concat();
    let to = SocketAddr::new(asker.into(), 0).into();
    let send = move || {
        thread::sleep(Duration::from_millis(after_ms));
        speak.send_to(&packet, &to).expect("speaks");
    };
    if after_ms == 0 { send() } else { drop(thread::spawn(send)) }
}

fn ip_header(from: Ipv4Addr, to: Ipv4Addr, length: usize) -> Vec<u8> {
    let total = u16::try_from(20 + length).expect("short").to_be_bytes();
    // The kernel fills in identification and checksum.
    let mut header = vec![0x45, 0, total[0], total[1], 0, 0, 0, 0, 64, 1, 0, 0];
    header.extend(from.octets());
    header.extend(to.octets());
    header
}

fn sealed(mut message: Vec<u8>) -> Vec<u8> {
    message[2..4].fill(0);
    let mut sum: u32 = 0;
    for pair in message.chunks(2) {
        sum += u32::from(pair[0]) << 8 | pair.get(1).map_or(0, |low| u32::from(*low));
    }
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    let sum = !u16::try_from(sum).expect("folded");
    message[2..4].copy_from_slice(&sum.to_be_bytes());
    message
}
