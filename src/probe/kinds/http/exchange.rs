//! One request and its answer on one connection. The connection is driven by whoever waits for the answer: no task of
//! its own, and nothing left behind when the check is dropped.

use std::error::Error;
use std::future::poll_fn;
use std::io;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use hyper::client::conn::http1::{Builder, Connection, SendRequest};
use hyper_util::rt::TokioIo;
use thiserror::Error;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

use crate::model::Failure;
use crate::probe::Attempt;
use crate::probe::net::Fault;
use crate::probe::net::fault::{failure_of, plain};

/// Longest head of an answer, in bytes; also the read buffer, so that no answer can take more memory.
const MAX_HEAD: usize = 64 * 1024;

/// Bytes until the head is there: more is a flood of informational answers (1xx), which have no end of their own.
const MAX_BEFORE_HEAD: u64 = 4 * MAX_HEAD as u64;

/// The server sent too much before its answer's head was complete.
#[derive(Debug, Error)]
#[error("too much came before the answer")]
struct Flood;

/// A connection, plain or secured.
#[derive(Debug)]
pub(super) enum Io {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

/// What happened on the connection and when, in µs since the check started.
#[derive(Debug)]
pub(super) struct Marks<'a> {
    attempt: &'a Attempt,
    sent_us: AtomicU64,
    first_us: AtomicU64,
    /// Bytes that came before the head was complete.
    before_head: AtomicU64,
}

/// In place of a number of bytes: the head is complete, nothing is counted any more.
const HEAD_COMPLETE: u64 = u64::MAX;

impl<'a> Marks<'a> {
    pub(super) fn new(attempt: &'a Attempt) -> Self {
        Self { attempt, sent_us: AtomicU64::new(0), first_us: AtomicU64::new(0), before_head: AtomicU64::new(0) }
    }

    /// From the request's last byte to the answer's first, in µs.
    pub(super) fn first_byte_us(&self) -> u64 {
        self.first_us.load(Ordering::Relaxed).saturating_sub(self.sent_us.load(Ordering::Relaxed))
    }

    fn something_came(&self) -> bool {
        self.first_us.load(Ordering::Relaxed) != 0
    }

    fn wrote(&self) {
        if !self.something_came() {
            self.sent_us.store(self.attempt.elapsed_us(), Ordering::Relaxed);
        }
    }

    fn read(&self, bytes: usize) -> Result<(), Flood> {
        let before = self.before_head.load(Ordering::Relaxed);
        if before == HEAD_COMPLETE || bytes == 0 {
            return Ok(());
        }
        if before == 0 {
            self.first_us.store(self.attempt.elapsed_us().max(1), Ordering::Relaxed);
        }
        let now = before.saturating_add(bytes as u64);
        self.before_head.store(now, Ordering::Relaxed);
        if now > MAX_BEFORE_HEAD { Err(Flood) } else { Ok(()) }
    }
}

/// A connection that notes when something happens on it.
#[derive(Debug)]
struct Marked<'a> {
    io: Io,
    marks: &'a Marks<'a>,
}

impl AsyncRead for Marked<'_> {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let polled = match &mut self.io {
            Io::Plain(stream) => Pin::new(stream).poll_read(context, buf),
            Io::Tls(stream) => match Pin::new(stream).poll_read(context, buf) {
                // Many servers leave out TLS's own goodbye. An answer that knows its length shows whether it is cut.
                Poll::Ready(Err(error)) if error.kind() == io::ErrorKind::UnexpectedEof => Poll::Ready(Ok(())),
                polled => polled,
            },
        };
        if matches!(polled, Poll::Ready(Ok(()))) {
            self.marks.read(buf.filled().len() - before).map_err(io::Error::other)?;
        }
        polled
    }
}

impl AsyncWrite for Marked<'_> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let polled = match &mut self.io {
            Io::Plain(stream) => Pin::new(stream).poll_write(context, bytes),
            Io::Tls(stream) => Pin::new(stream).poll_write(context, bytes),
        };
        self.marks.wrote();
        polled
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let polled = match &mut self.io {
            Io::Plain(stream) => Pin::new(stream).poll_write_vectored(context, slices),
            Io::Tls(stream) => Pin::new(stream).poll_write_vectored(context, slices),
        };
        self.marks.wrote();
        polled
    }

    fn is_write_vectored(&self) -> bool {
        match &self.io {
            Io::Plain(stream) => stream.is_write_vectored(),
            Io::Tls(stream) => stream.is_write_vectored(),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.io {
            Io::Plain(stream) => Pin::new(stream).poll_flush(context),
            Io::Tls(stream) => Pin::new(stream).poll_flush(context),
        }
    }

    /// A plain connection is closed by being dropped, without a call to the system more.
    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.io {
            Io::Plain(_) => Poll::Ready(Ok(())),
            Io::Tls(stream) => Pin::new(stream).poll_shutdown(context),
        }
    }
}

/// A connection on which a request was answered.
#[derive(Debug)]
pub(super) struct Exchange<'a> {
    wire: Wire<'a>,
    /// Dropped, it would end the connection before the body is read.
    _sender: SendRequest<Empty<Bytes>>,
    body: Incoming,
    marks: &'a Marks<'a>,
}

impl<'a> Exchange<'a> {
    /// Sends a request and waits for the head of its answer, however long that takes.
    ///
    /// # Errors
    /// `protocol` when what comes is no answer, `connect` or `tls` when the connection breaks.
    pub(super) async fn start(
        io: Io,
        marks: &'a Marks<'a>,
        request: Request<Empty<Bytes>>,
    ) -> Result<(Self, Response<()>), Fault> {
        let mut builder = Builder::new();
        builder.max_buf_size(MAX_HEAD).allow_obsolete_multiline_headers_in_responses(true);
        let io = TokioIo::new(Marked { io, marks });
        let (mut sender, connection) =
            builder.handshake(io).await.map_err(|error| explain(&error, marks, Part::Head))?;
        let mut wire = Wire(Some(connection));
        let answered = wire.drive(sender.send_request(request)).await;
        let answer = answered.map_err(|error| explain(&error, marks, Part::Head))?;
        marks.before_head.store(HEAD_COMPLETE, Ordering::Relaxed);
        let (head, body) = answer.into_parts();
        Ok((Self { wire, _sender: sender, body, marks }, Response::from_parts(head, ())))
    }

    /// The size of the body's next piece in bytes; none at its end.
    ///
    /// # Errors
    /// `protocol` when the body is cut off or broken.
    pub(super) async fn next_piece(&mut self) -> Result<Option<usize>, Fault> {
        loop {
            match self.wire.drive(self.body.frame()).await {
                None => return Ok(None),
                Some(Ok(frame)) => {
                    // A frame of trailers says nothing about the body.
                    if let Some(data) = frame.data_ref() {
                        return Ok(Some(data.len()));
                    }
                }
                Some(Err(error)) => return Err(explain(&error, self.marks, Part::Body)),
            }
        }
    }
}

/// The connection's own work; none once it is done.
#[derive(Debug)]
struct Wire<'a>(Option<Connection<TokioIo<Marked<'a>>, Empty<Bytes>>>);

impl Wire<'_> {
    /// Waits for something that needs the connection to go on meanwhile.
    async fn drive<F: Future>(&mut self, waited_for: F) -> F::Output {
        let mut waited_for = pin!(waited_for);
        poll_fn(|context| {
            if let Some(connection) = &mut self.0
                && Pin::new(connection).poll(context).is_ready()
            {
                // Its error reaches who waits; dropped, it ends every wait.
                self.0 = None;
            }
            waited_for.as_mut().poll(context)
        })
        .await
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    Head,
    Body,
}

fn explain(error: &hyper::Error, marks: &Marks<'_>, part: Part) -> Fault {
    let protocol = |words: &str| Fault::new(Failure::Protocol, words);
    if let Some(io) = cause::<io::Error>(error) {
        return explain_io(io, marks, part);
    }
    if error.is_parse() {
        let allowed = "an HTTP/1 head of at most 64 KiB and 100 headers";
        return Fault::new(Failure::Protocol, format!("the answer breaks HTTP: {error} (allowed is {allowed})"));
    }
    match part {
        Part::Body => protocol("the connection was closed in the middle of the body"),
        Part::Head if marks.something_came() => {
            protocol("the connection was closed in the middle of the answer's head")
        }
        Part::Head => protocol("the connection was closed without an answer"),
    }
}

fn explain_io(error: &io::Error, marks: &Marks<'_>, part: Part) -> Fault {
    let protocol = |words: String| Fault::new(Failure::Protocol, words);
    if cause::<Flood>(error).is_some() {
        return protocol(format!(
            "more than {} KiB came before the answer's head was complete",
            MAX_BEFORE_HEAD / 1024
        ));
    }
    if let Some(tls) = cause::<rustls::Error>(error) {
        return Fault::new(Failure::Tls, format!("the TLS connection broke: {tls}"));
    }
    let words = plain(error);
    match (error.kind(), part) {
        (io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput, _) => {
            protocol(format!("the answer breaks HTTP: {words}"))
        }
        (_, Part::Body) => protocol(format!("the body was cut off: {words}")),
        (_, Part::Head) if marks.something_came() => protocol(format!("the answer's head was cut off: {words}")),
        (_, Part::Head) => Fault::new(failure_of(error), format!("the connection broke before the answer: {words}")),
    }
}

/// The first cause of this type behind an error.
fn cause<'a, T: Error + 'static>(error: &'a (dyn Error + 'static)) -> Option<&'a T> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref::<T>() {
            return Some(found);
        }
        // An `io::Error` hides what it was made of from `source`.
        if let Some(inner) = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref)
            && let Some(found) = inner.downcast_ref::<T>()
        {
            return Some(found);
        }
        next = error.source();
    }
    None
}
