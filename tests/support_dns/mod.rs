//! A small name server on loopback, over UDP and TCP, whose manners a test decides.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use hickory_proto::op::{Message, ResponseCode};
use hickory_proto::rr::{Name, RData, Record};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::task::JoinHandle;

/// A question that came.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    /// How many came before it.
    pub(crate) n: usize,
    /// Whether it came over TCP.
    pub(crate) tcp: bool,
    /// As it came.
    pub(crate) query: Message,
    /// From where.
    pub(crate) from: SocketAddr,
}

impl Asked {
    /// A message with this code and these records.
    pub(crate) fn reply(&self, code: ResponseCode, answers: Vec<Record>) -> Message {
        let mut message = self.query.clone().into_response();
        message.metadata.response_code = code;
        message.metadata.authoritative = true;
        message.edns = None;
        message.add_answers(answers);
        message
    }

    /// The right answer: these values under the name that was asked.
    pub(crate) fn answer(&self, values: Vec<RData>) -> Vec<Act> {
        let name = self.query.queries[0].name().clone();
        let records = values.into_iter().map(|value| Record::from_rdata(name.clone(), 300, value)).collect();
        vec![send(self.reply(ResponseCode::NoError, records))]
    }

    /// Whether it came with EDNS.
    pub(crate) fn has_edns(&self) -> bool {
        self.query.edns.is_some()
    }
}

/// What the server does, one after the other.
#[derive(Debug, Clone)]
pub(crate) enum Act {
    /// Sends a message; over TCP with its length before it.
    Send(Vec<u8>),
    /// Sends bytes as they are (TCP).
    Raw(Vec<u8>),
    /// Waits so many ms.
    Wait(u64),
}

/// Sends a message.
pub(crate) fn send(message: Message) -> Act {
    Act::Send(message.to_vec().expect("encodes"))
}

/// An address as a record's value.
pub(crate) fn a(last: u8) -> RData {
    RData::A(Ipv4Addr::new(10, 0, 0, last).into())
}

/// A name.
pub(crate) fn name(text: &str) -> Name {
    Name::from_ascii(text).expect("is a name")
}

type Manners = dyn Fn(&Asked) -> Vec<Act> + Send + Sync;

/// The server; ends when it is dropped.
pub(crate) struct Server {
    /// Where it is asked.
    pub(crate) address: SocketAddr,
    log: Arc<Mutex<Vec<Asked>>>,
    tasks: Vec<JoinHandle<()>>,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

impl Server {
    /// Starts on 127.0.0.1.
    pub(crate) async fn start(manners: impl Fn(&Asked) -> Vec<Act> + Send + Sync + 'static) -> Self {
        Self::start_at(Ipv4Addr::LOCALHOST.into(), true, manners).await
    }

    /// Starts on an address, with or without TCP.
    pub(crate) async fn start_at(
        ip: IpAddr,
        with_tcp: bool,
        manners: impl Fn(&Asked) -> Vec<Act> + Send + Sync + 'static,
    ) -> Self {
        // The port that UDP got may be taken for TCP.
        let (udp, tcp) = loop {
            let udp = UdpSocket::bind((ip, 0)).await.expect("binds");
            if let Ok(tcp) = TcpListener::bind(udp.local_addr().expect("is bound")).await {
                break (udp, tcp);
            }
        };
        let address = udp.local_addr().expect("is bound");
        let log = Arc::new(Mutex::new(Vec::new()));
        let manners: Arc<Manners> = Arc::new(manners);
        let mut tasks = vec![tokio::spawn(serve_udp(Arc::new(udp), log.clone(), manners.clone()))];
        if with_tcp {
            tasks.push(tokio::spawn(serve_tcp(tcp, log.clone(), manners)));
        }
        Self { address, log, tasks }
    }

    /// The questions that came so far.
    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

fn note(bytes: &[u8], tcp: bool, from: SocketAddr, log: &Mutex<Vec<Asked>>) -> Asked {
    let query = Message::from_vec(bytes).expect("we send what can be read");
    let mut log = log.lock().unwrap_or_else(PoisonError::into_inner);
    let asked = Asked { n: log.len(), tcp, query, from };
    log.push(asked.clone());
    asked
}

async fn serve_udp(socket: Arc<UdpSocket>, log: Arc<Mutex<Vec<Asked>>>, manners: Arc<Manners>) {
    let mut buffer = [0; 2048];
    loop {
        // A closed client's port may be told here: it is not the server's business.
        let Ok((length, from)) = socket.recv_from(&mut buffer).await else { continue };
        let acts = manners(&note(&buffer[..length], false, from, &log));
        let socket = socket.clone();
        tokio::spawn(async move {
            for act in acts {
                match act {
                    Act::Send(bytes) | Act::Raw(bytes) => drop(socket.send_to(&bytes, from).await),
                    Act::Wait(ms) => tokio::time::sleep(Duration::from_millis(ms)).await,
                }
            }
        });
    }
}

async fn serve_tcp(listener: TcpListener, log: Arc<Mutex<Vec<Asked>>>, manners: Arc<Manners>) {
    while let Ok((stream, from)) = listener.accept().await {
        let (log, manners) = (log.clone(), manners.clone());
        // The client may be gone in the middle.
        tokio::spawn(async move { drop(serve_stream(stream, from, &log, &*manners).await) });
    }
}

async fn serve_stream(
    mut stream: TcpStream,
    from: SocketAddr,
    log: &Mutex<Vec<Asked>>,
    manners: &Manners,
) -> std::io::Result<()> {
    let mut bytes = vec![0; stream.read_u16().await?.into()];
    stream.read_exact(&mut bytes).await?;
    for act in manners(&note(&bytes, true, from, log)) {
        match act {
            Act::Send(bytes) => {
                stream.write_u16(u16::try_from(bytes.len()).expect("fits")).await?;
                stream.write_all(&bytes).await?;
            }
            Act::Raw(bytes) => stream.write_all(&bytes).await?,
            Act::Wait(ms) => tokio::time::sleep(Duration::from_millis(ms)).await,
        }
    }
    stream.shutdown().await
}
