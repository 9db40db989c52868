//! One ICMP socket for each family, shared by all ping monitors, and the task that hands each reply to the run that
//! waits for it.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::UdpSocket;
use tokio::runtime::Handle;
use tokio::sync::Notify;
use tokio::task::JoinHandle;

use super::icmp::{self, Family, Heard, Token};
use crate::clock::{Clock, Mono};

/// Room for an echo reply or an error with its quote; longer datagrams are not about us.
const DATAGRAM_LIMIT: usize = 1500;
/// Asked of the system, so that the replies of many monitors survive a short stall; a smaller grant is fine.
const RECEIVE_BUFFER: usize = 1 << 20;
/// Datagrams read in one go before others get their turn.
const READS_AT_ONCE: usize = 128;

/// After silence another datagram socket is opened where the last one is at least as old, µs.
const RENEWED_AFTER_US: u64 = 30_000_000;

/// The sockets there are. A socket belongs to the runtime it was made on, so each runtime has its own.
#[derive(Debug, Default)]
pub(super) struct EchoSockets(Mutex<Vec<Arc<Lane>>>);

/// A socket and who reads it; both end when neither new runs nor running ones use it.
#[derive(Debug)]
pub(super) struct Lane {
    family: Family,
    runtime: tokio::runtime::Id,
    opened: Mono,
    socket: Arc<EchoSocket>,
    reader: JoinHandle<()>,
}

impl Drop for Lane {
    fn drop(&mut self) {
        self.reader.abort();
    }
}

impl Lane {
    fn open(family: Family, clock: &Arc<dyn Clock>) -> io::Result<Arc<Self>> {
        let socket = Arc::new(EchoSocket::open(family, clock.clone())?);
        tracing::debug!(?family, method = socket.method.as_str(), "icmp socket opened");
        let reader = tokio::spawn(read_replies(socket.clone()));
        Ok(Arc::new(Self { family, runtime: Handle::current().id(), opened: clock.mono(), socket, reader }))
    }

    /// The socket, which is read as long as the lane is held.
    pub(super) fn socket(&self) -> &EchoSocket {
        &self.socket
    }
}

impl EchoSockets {
    /// The socket of this family on the current runtime, opened at first use and after its reader ended.
    ///
    /// # Errors
    /// The system allows neither kind of ICMP socket, or has no room for one. The next call tries again.
    pub(super) fn lane(&self, family: Family, clock: &Arc<dyn Clock>) -> io::Result<Arc<Lane>> {
        let runtime = Handle::current().id();
        let mut lanes = self.lanes();
        if let Some(lane) = lanes.iter().find(|lane| lane.family == family && lane.runtime == runtime)
            && !lane.reader.is_finished()
        {
            return Ok(lane.clone());
        }
        lanes.retain(|lane| !lane.reader.is_finished());
        let lane = Lane::open(family, clock)?;
        lanes.push(lane.clone());
        Ok(lane)
    }

    /// After silence: gives new runs another datagram socket, and so another identifier, which the kernel chooses for
    /// each socket. A firewall that has a broken state under the old one would keep it as long as we ask. Not oftener
    /// than each 30 s, since the silence of a dead host tells nothing about the socket.
    pub(super) fn renew(&self, silent: &Arc<Lane>, clock: &Arc<dyn Clock>) {
        if silent.socket.method != Method::Datagram || clock.mono().since_us(silent.opened) < RENEWED_AFTER_US {
            return;
        }
        let mut lanes = self.lanes();
        let current = lanes.iter_mut().find(|lane| Arc::ptr_eq(lane, silent));
        // Where there is no room for another, the old one still serves.
        if let Some(current) = current
            && let Ok(another) = Lane::open(silent.family, clock)
        {
            *current = another;
        }
    }

    fn lanes(&self) -> MutexGuard<'_, Vec<Arc<Lane>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn read_replies(socket: Arc<EchoSocket>) {
    while socket.udp.readable().await.is_ok() {
        if let Err(error) = socket.read_arrived() {
            tracing::warn!(%error, "icmp socket cannot be read; the next check opens another");
            return;
        }
    }
}

/// The kind of ICMP socket in use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Method {
    /// `SOCK_DGRAM`: needs no privilege where the system allows it; the kernel chooses the identifier.
    Datagram,
    /// `SOCK_RAW`: needs privilege; sees everybody's replies and errors on the way.
    Raw,
}

impl Method {
    /// The word in the facts.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Datagram => "datagram",
            Self::Raw => "raw",
        }
    }
}

/// An ICMP socket and the requests that wait for an answer on it.
#[derive(Debug)]
pub(super) struct EchoSocket {
    udp: UdpSocket,
    family: Family,
    method: Method,
    clock: Arc<dyn Clock>,
    waiting: Mutex<HashMap<Token, Waiting>>,
}

/// A request on its way.
#[derive(Debug)]
struct Waiting {
    peer: IpAddr,
    id: u16,
    seq: u16,
    fates: Arc<Fates>,
    index: usize,
}

/// One request of a run: whom it asks and how it is known again.
#[derive(Debug)]
pub(super) struct Request {
    pub(super) peer: IpAddr,
    pub(super) id: u16,
    pub(super) seq: u16,
    pub(super) token: Token,
}

impl EchoSocket {
    fn open(family: Family, clock: Arc<dyn Clock>) -> io::Result<Self> {
        let (domain, protocol) = match family {
            Family::V4 => (Domain::IPV4, Protocol::ICMPV4),
            Family::V6 => (Domain::IPV6, Protocol::ICMPV6),
        };
        let (socket, method) = match Socket::new(domain, Type::DGRAM, Some(protocol)) {
            Ok(socket) => (socket, Method::Datagram),
            Err(_) => (Socket::new(domain, Type::RAW, Some(protocol))?, Method::Raw),
        };
        socket.set_nonblocking(true)?;
        // Less is granted where the system's limit is lower; that is no fault.
        let _ = socket.set_recv_buffer_size(RECEIVE_BUFFER);
        let udp = UdpSocket::from_std(socket.into())?;
        Ok(Self { udp, family, method, clock, waiting: Mutex::default() })
    }

    /// The kind of socket.
    pub(super) fn method(&self) -> Method {
        self.method
    }

    /// Sends a request. Its fate is then told to `fates` under `index`, until [`Self::forget`].
    ///
    /// # Errors
    /// The system refused to send it; it is forgotten.
    pub(super) async fn send(&self, request: &Request, fates: &Arc<Fates>, index: usize) -> io::Result<()> {
        let Request { peer, id, seq, token } = request;
        let bytes = icmp::request(self.family, *id, *seq, token);
        let waiting = Waiting { peer: *peer, id: *id, seq: *seq, fates: fates.clone(), index };
        // Before it is sent: the answer can be faster than we are.
        self.waiting().insert(*token, waiting);
        fates.sent(index, self.clock.mono());
        match self.udp.send_to(&bytes, SocketAddr::new(*peer, 0)).await {
            Ok(_) => Ok(()),
            Err(error) => {
                self.forget(token);
                Err(error)
            }
        }
    }

    /// Stops waiting for a request.
    pub(super) fn forget(&self, token: &Token) {
        self.waiting().remove(token);
    }

    fn waiting(&self) -> MutexGuard<'_, HashMap<Token, Waiting>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Hands out what has arrived, without waiting. Runs call it too before they call a request lost, so that an
    /// answer which arrived in time counts even where the reader had no turn yet.
    ///
    /// # Errors
    /// The socket cannot be read.
    pub(super) fn read_arrived(&self) -> io::Result<()> {
        let mut buffer = [0; DATAGRAM_LIMIT];
        let mut faults = 0;
        for _ in 0..READS_AT_ONCE {
            match self.udp.try_recv_from(&mut buffer) {
                Ok((length, from)) => self.hand_out(&buffer[..length], from.ip()),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                // A single fault is an error message of the network, taken off the socket by reading it.
                Err(_) if faults < 8 => faults += 1,
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn hand_out(&self, datagram: &[u8], from: IpAddr) {
        match icmp::read(self.family, datagram) {
            Some(Heard::Reply(token)) => {
                let mut waiting = self.waiting();
                // A reply under another address is not the target's, and the real one may still come.
                if waiting.get(&token).is_none_or(|request| request.peer != from) {
                    return;
                }
                let request = waiting.remove(&token);
                drop(waiting);
                if let Some(Waiting { fates, index, .. }) = request {
                    fates.answered(index, self.clock.mono());
                }
            }
            Some(Heard::Undelivered(what, quoted)) => {
                let mut waiting = self.waiting();
                let is_it = |w: &Waiting| w.peer == quoted.to && w.id == quoted.id && w.seq == quoted.seq;
                let token = match quoted.token {
                    Some(token) => waiting.get(&token).is_some_and(is_it).then_some(token),
                    // A router that quotes only the bytes it must: rare, so a walk is fine.
                    None => waiting.iter().find(|(_, request)| is_it(request)).map(|(token, _)| *token),
                };
                let request = token.and_then(|token| waiting.remove(&token));
                drop(waiting);
                if let Some(Waiting { fates, index, .. }) = request {
                    fates.undelivered(index, Undelivered { what, says: Some(from) });
                }
            }
            None => {}
        }
    }
}

/// Why a request did not reach its target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Undelivered {
    /// In words.
    pub(super) what: &'static str,
    /// Who says so; this machine where it is none.
    pub(super) says: Option<IpAddr>,
}

/// What became of one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// Not sent yet.
    Unsent,
    /// On its way since then; at the end of a run: lost.
    Sent(Mono),
    /// Answered after so many µs.
    Answered(u64),
    /// Given up by somebody on the way.
    Undelivered(Undelivered),
}

/// What became of the requests of one run.
#[derive(Debug)]
pub(super) struct Fates {
    all: Mutex<Vec<Fate>>,
    decided: Notify,
}

impl Fates {
    /// For a run of `count` requests.
    pub(super) fn new(count: usize) -> Self {
        Self { all: Mutex::new(vec![Fate::Unsent; count]), decided: Notify::new() }
    }

    /// All fates, in the order of the requests.
    pub(super) fn all(&self) -> MutexGuard<'_, Vec<Fate>> {
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether nothing is left to wait for.
    pub(super) fn is_decided(&self) -> bool {
        Self::decided(&self.all())
    }

    /// Waits until the last request has its fate. A run is woken once, not for each reply.
    pub(super) async fn decided_all(&self) {
        self.decided.notified().await;
    }

    /// Notes that somebody gave a request up.
    pub(super) fn undelivered(&self, index: usize, undelivered: Undelivered) {
        self.decide(index, |_| Fate::Undelivered(undelivered));
    }

    fn sent(&self, index: usize, at: Mono) {
        self.all()[index] = Fate::Sent(at);
    }

    fn answered(&self, index: usize, at: Mono) {
        self.decide(index, |fate| match fate {
            Fate::Sent(sent) => Fate::Answered(at.since_us(sent)),
            other => other,
        });
    }

    fn decide(&self, index: usize, fate: impl FnOnce(Fate) -> Fate) {
        let mut all = self.all();
        all[index] = fate(all[index]);
        if Self::decided(&all) {
            self.decided.notify_one();
        }
    }

    fn decided(all: &[Fate]) -> bool {
        !all.iter().any(|fate| matches!(fate, Fate::Unsent | Fate::Sent(_)))
    }
}
