//! Getting an answer from a server: over UDP, asked again once, and over TCP where the answer was cut off
//! (RFC 1035 section 4.2, RFC 7766).

use std::future::poll_fn;
use std::io::{self, ErrorKind};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::pin::pin;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket};
use tokio::time::timeout;
use uuid::Uuid;

use super::answer;
use super::question::Question;
use crate::clock::Mono;
use crate::model::{Failure, Phases};
use crate::probe::Attempt;
use crate::probe::net::fault::{failure_of, plain, spell};
use crate::probe::net::{Fault, phase_us};

/// Room for an answer over UDP: more than we ask for, since servers differ.
const UDP_BUFFER: usize = 2048;
/// An unanswered question is asked again after a third of the time, at the latest after this.
const LATEST_REPEAT: Duration = Duration::from_secs(2);

/// How an answer came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Transport {
    Udp,
    Tcp,
}

impl Transport {
    /// The word in the facts.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Udp => "udp",
            Self::Tcp => "tcp",
        }
    }
}

/// An answer to the question, not yet read.
#[derive(Debug)]
pub(super) struct Reply {
    /// The message.
    pub(super) message: Vec<u8>,
    /// How it came.
    pub(super) transport: Transport,
}

/// One exchange with a server.
#[derive(Debug)]
pub(super) struct Exchange<'a> {
    pub(super) question: &'a Question,
    pub(super) server: SocketAddr,
    pub(super) attempt: &'a Attempt,
    /// When it gives up; not after the attempt's end.
    pub(super) until: Mono,
}

impl Exchange<'_> {
    /// Asks until there is an answer or the time is up. A server that knows no EDNS is asked once more without.
    ///
    /// # Errors
    /// No answer, or none that can be used.
    pub(super) async fn ask(&self, phases: &mut Phases) -> Result<Reply, Fault> {
        let reply = self.ask_with(true, phases).await?;
        if answer::rejects_edns(&reply.message) { self.ask_with(false, phases).await } else { Ok(reply) }
    }

    fn left(&self) -> Duration {
        self.until.since(self.attempt.now())
    }

    async fn ask_with(&self, edns: bool, phases: &mut Phases) -> Result<Reply, Fault> {
        let id = random_id();
        let query = self.question.message(id, edns);
        let message = self.over_udp(id, &query, phases).await?;
        if !answer::is_cut_off(&message) {
            return Ok(Reply { message, transport: Transport::Udp });
        }
        match timeout(self.left(), self.over_tcp(id, &query, phases)).await {
            Ok(Ok(message)) => Ok(Reply { message, transport: Transport::Tcp }),
            Ok(Err(fault)) => Err(self.after_cut(fault.failure, &fault.message)),
            Err(_) => {
                let words = format!("no answer over TCP in {}", spell(self.attempt.timeout()));
                Err(self.after_cut(Failure::Timeout, &words))
            }
        }
    }

    fn after_cut(&self, failure: Failure, words: &str) -> Fault {
        Fault::new(failure, format!("{} cut its answer off over UDP; {words}", says(self.server)))
    }

    async fn over_udp(&self, id: u16, query: &[u8], phases: &mut Phases) -> Result<Vec<u8>, Fault> {
        let socket = self.udp_socket().await.map_err(|error| self.fault(&error, true))?;
        let asked = self.attempt.now();
        let repeat_after = (self.left() / 3).min(LATEST_REPEAT);
        let mut repeat = Some(repeat_after);
        let mut strays = Strays::default();
        let mut buffer = vec![0; UDP_BUFFER];
        socket.send(query).await.map_err(|error| self.fault(&error, true))?;
        loop {
            let left = self.left();
            let wait = repeat.map_or(left, |at| left.min(at.saturating_sub(self.attempt.now().since(asked))));
            match timeout(wait, socket.recv(&mut buffer)).await {
                Ok(Ok(length)) => match self.question.is_answered_by(id, &buffer[..length]) {
                    Ok(()) => {
                        phases.first_byte_us = Some(phase_us(self.attempt.now().since_us(asked)));
                        buffer.truncate(length);
                        return Ok(buffer);
                    }
                    Err(why) => {
                        strays.note(why);
                        // A flood leaves no moment in which nothing is there to be read.
                        if self.left().is_zero() {
                            return Err(self.silence(&strays));
                        }
                    }
                },
                Ok(Err(error)) => return Err(self.fault(&error, false)),
                Err(_) if self.left().is_zero() => return Err(self.silence(&strays)),
                Err(_) if repeat.take().is_some() => {
                    socket.send(query).await.map_err(|error| self.fault(&error, false))?;
                }
                // Woken a little early: wait for what is left.
                Err(_) => {}
            }
        }
    }

    /// A socket of its own for each check: a fresh random port, and the kernel hands over what comes from the server
    /// only.
    async fn udp_socket(&self) -> io::Result<UdpSocket> {
        let any: SocketAddr = match self.server {
            SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
            SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
        };
        let socket = UdpSocket::bind(any).await?;
        socket.connect(self.server).await?;
        Ok(socket)
    }

    async fn over_tcp(&self, id: u16, query: &[u8], phases: &mut Phases) -> Result<Vec<u8>, Fault> {
        let length = u16::try_from(query.len()).map_err(|_| Fault::new(Failure::Internal, "the query is too long"))?;
        let began = self.attempt.now();
        let mut connecting = pin!(TcpStream::connect(self.server));
        // What fails before anything was waited for was decided by this machine.
        let mut at_once = true;
        let connected = poll_fn(|context| {
            let polled = connecting.as_mut().poll(context);
            at_once &= polled.is_ready();
            polled
        });
        let mut stream = connected.await.map_err(|error| self.fault(&error, at_once))?;
        let connected = self.attempt.now();
        phases.connect_us = Some(phase_us(connected.since_us(began)));
        let mut framed = Vec::with_capacity(query.len() + 2);
        framed.extend_from_slice(&length.to_be_bytes());
        framed.extend_from_slice(query);
        stream.write_all(&framed).await.map_err(|error| self.fault(&error, false))?;
        let length = stream.read_u16().await.map_err(|error| self.fault(&error, false))?;
        phases.first_byte_us = Some(phase_us(self.attempt.now().since_us(connected)));
        // The length is the server's word: room is made for what really comes.
        let mut message = Vec::with_capacity(usize::from(length).min(4096));
        let whole = (&mut stream).take(length.into()).read_to_end(&mut message).await;
        let read = whole.map_err(|error| self.fault(&error, false))?;
        if read < usize::from(length) {
            return Err(self.fault(&ErrorKind::UnexpectedEof.into(), false));
        }
        match self.question.is_answered_by(id, &message) {
            Ok(()) => Ok(message),
            Err(why) => Err(Fault::new(Failure::Protocol, format!("its message over TCP has {why}"))),
        }
    }

    /// What an error of the system means. `ours` while nothing has left this machine, so that its own routes and
    /// firewall decided; later it was somebody's word on the way.
    fn fault(&self, error: &io::Error, ours: bool) -> Fault {
        let (server, words) = (says(self.server), plain(error));
        let no_route = || Fault::new(Failure::NoRoute, format!("this machine has no route to {server}: {words}"));
        let no_socket = || Fault::new(Failure::Resources, format!("cannot open a socket to ask {server}: {words}"));
        match error.kind() {
            ErrorKind::UnexpectedEof => {
                let text = format!("{server} closed the connection before its answer was whole");
                return Fault::new(Failure::Protocol, text);
            }
            // All local ports are in use.
            ErrorKind::AddrInUse => return no_socket(),
            ErrorKind::HostUnreachable if ours => return no_route(),
            _ => {}
        }
        match failure_of(error) {
            Failure::Resources => no_socket(),
            Failure::NoRoute => no_route(),
            Failure::Permission if ours => Fault::new(
                Failure::Permission,
                format!("this machine's firewall or routes forbid to ask {server}: {words}"),
            ),
            // "Administratively prohibited" (RFC 4443 section 3.1).
            Failure::Permission => {
                Fault::new(Failure::Connect, format!("{server} cannot be asked: a firewall on the way refuses"))
            }
            Failure::Timeout => Fault::new(Failure::Timeout, format!("no answer from {server}: {words}")),
            _ => Fault::new(Failure::Connect, format!("{server} cannot be asked: {words}")),
        }
    }

    fn silence(&self, strays: &Strays) -> Fault {
        let (server, time) = (says(self.server), spell(self.attempt.timeout()));
        match strays.last {
            None => Fault::new(Failure::Timeout, format!("no answer from {server} in {time}")),
            Some(why) => Fault::new(
                Failure::Protocol,
                format!("no usable answer from {server} in {time}; {} came, the last with {why}", strays.describe()),
            ),
        }
    }
}

/// Messages that were no answers.
#[derive(Debug, Default)]
struct Strays {
    count: u32,
    last: Option<&'static str>,
}

impl Strays {
    fn note(&mut self, why: &'static str) {
        self.count = self.count.saturating_add(1);
        self.last = Some(why);
    }

    fn describe(&self) -> String {
        if self.count == 1 { "1 other message".to_owned() } else { format!("{} other messages", self.count) }
    }
}

/// The server in messages: its port only where it is not the usual one.
pub(super) fn says(server: SocketAddr) -> String {
    if server.port() == 53 { server.ip().to_string() } else { server.to_string() }
}

fn random_id() -> u16 {
    let bytes = Uuid::new_v4().into_bytes();
    // The first bytes of a UUIDv4 are random (RFC 9562).
    u16::from_be_bytes([bytes[0], bytes[1]])
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use hickory_proto::rr::RecordType;
    use rustix::io::Errno;

    use super::*;
    use crate::clock::SystemClock;
    use crate::probe::kinds::dns::question;

    #[test]
    fn who_is_at_fault_depends_on_whether_something_was_sent() {
        let attempt = Attempt::start(Arc::new(SystemClock), Duration::from_secs(1));
        let name = question::name("a.example", RecordType::A).expect("is a name");
        let question = Question::new(name, RecordType::A).expect("builds");
        let server = SocketAddr::from(([10, 0, 0, 1], 53));
        let exchange = Exchange { question: &question, server, attempt: &attempt, until: attempt.now() };
        for (errno, before, later) in [
            (Errno::NETUNREACH, Failure::NoRoute, Failure::NoRoute),
            (Errno::HOSTUNREACH, Failure::NoRoute, Failure::Connect),
            (Errno::ACCESS, Failure::Permission, Failure::Connect),
            (Errno::ADDRINUSE, Failure::Resources, Failure::Resources),
            (Errno::CONNREFUSED, Failure::Connect, Failure::Connect),
        ] {
            let error = io::Error::from_raw_os_error(errno.raw_os_error());
            assert_eq!(exchange.fault(&error, true).failure, before, "{errno:?} before");
            assert_eq!(exchange.fault(&error, false).failure, later, "{errno:?} later");
        }
    }
}
