//! The side of whoever holds the folder.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use interprocess::local_socket::tokio::{Listener as Socket, Stream};
use interprocess::local_socket::traits::tokio::Listener as _;
use thiserror::Error;
use tokio::io::{AsyncWrite, AsyncWriteExt as _, BufReader};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::wire::{self, Line, Reply};
use super::{Answer, AnswerError, Answers, Request, socket};

/// Most connections at a time; more wait in the socket's queue.
const CONNECTIONS: usize = 256;
/// Most questions that are answered at a time: answers can be large.
const AT_ONCE: usize = 4;
/// Longest time a client may take for its question.
const QUESTION_TIMEOUT: Duration = Duration::from_secs(10);
/// Longest time a client may take no byte of its answer.
const STUCK_TIMEOUT: Duration = Duration::from_secs(10);
/// Bytes handed over at a time.
const CHUNK: usize = 64 * 1024;
/// How long answers that are on their way may still take at the end.
const DRAIN: Duration = Duration::from_secs(1);

/// Why the control socket cannot be served.
#[derive(Debug, Error)]
pub enum ServeError {
    /// Somebody else answers there.
    #[error("another process answers on {}; only one may hold a data folder", path.display())]
    Taken {
        /// The socket.
        path: PathBuf,
    },
    /// The path is longer than the system allows for a socket.
    #[error("the path {} is too long for a socket ({length} bytes); choose a shorter --data-dir", path.display())]
    TooLong {
        /// The socket.
        path: PathBuf,
        /// Its length.
        length: usize,
    },
    /// The system refuses.
    #[error("cannot listen on {}", path.display())]
    Io {
        /// The socket.
        path: PathBuf,
        /// What it says.
        #[source]
        source: io::Error,
    },
}

/// The bound socket of a data folder. Dropping it removes the socket file.
#[derive(Debug)]
pub struct Listener {
    socket: Socket,
    data_dir: PathBuf,
}

impl Listener {
    /// Binds the control socket in a data folder that the caller holds, with mode 0600. Needs a tokio runtime.
    ///
    /// # Errors
    /// Somebody answers there already, or the system refuses.
    pub async fn bind(data_dir: &Path) -> Result<Self, ServeError> {
        let path = socket::path(data_dir);
        // sockaddr_un holds 108 bytes on Linux, 104 elsewhere, with an end mark.
        let longest = if cfg!(target_os = "linux") { 107 } else { 103 };
        let length = path.as_os_str().len();
        if cfg!(unix) && length > longest {
            return Err(ServeError::TooLong { path, length });
        }
        match socket::bind(data_dir).await {
            Ok(socket) => Ok(Self { socket, data_dir: data_dir.to_owned() }),
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => Err(ServeError::Taken { path }),
            Err(source) => Err(ServeError::Io { path, source }),
        }
    }

    /// Answers until `stop` is ready; answers that are on their way get one more second.
    pub async fn serve(self, answers: Arc<dyn Answers>, stop: impl Future<Output = ()>) {
        let turns = Arc::new(Semaphore::new(AT_ONCE));
        let mut clients = JoinSet::new();
        tokio::pin!(stop);
        loop {
            tokio::select! {
                () = &mut stop => break,
                Some(_) = clients.join_next() => {}
                client = self.socket.accept(), if clients.len() < CONNECTIONS => match client {
                    Ok(client) => { clients.spawn(attend(client, answers.clone(), turns.clone())); }
                    Err(error) => {
                        tracing::warn!(%error, "the control socket did not accept a client");
                        // Most often descriptors are used up; do not spin.
                        tokio::time::sleep(Duration::from_millis(100)).await;
                    }
                },
            }
        }
        let _ = tokio::time::timeout(DRAIN, async { while clients.join_next().await.is_some() {} }).await;
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        if let Err(error) = socket::remove(&self.data_dir) {
            tracing::warn!(%error, "the control socket could not be removed");
        }
    }
}

/// Binds the control socket in `data_dir` and answers until `stop` is ready.
///
/// # Errors
/// The socket cannot be bound.
pub async fn serve(
    data_dir: &Path,
    answers: Arc<dyn Answers>,
    stop: impl Future<Output = ()>,
) -> Result<(), ServeError> {
    Listener::bind(data_dir).await?.serve(answers, stop).await;
    Ok(())
}

/// Answers one client, question by question, until it leaves or misbehaves.
async fn attend(client: Stream, answers: Arc<dyn Answers>, turns: Arc<Semaphore>) {
    let mut sender = &client;
    let mut reader = BufReader::with_capacity(1024, &client);
    loop {
        let line = match tokio::time::timeout(QUESTION_TIMEOUT, wire::read_line(&mut reader, wire::MAX_REQUEST)).await {
            Ok(Ok(line)) => line,
            Ok(Err(_)) | Err(_) => return,
        };
        let (reply, goes_on) = match line {
            Line::End => return,
            Line::TooLong => {
                let why = format!("it is longer than {} bytes", wire::MAX_REQUEST);
                (Reply::Err(AnswerError::BadRequest { why }), false)
            }
            Line::Whole(line) => match serde_json::from_slice::<Request>(&line) {
                Ok(request) => {
                    let Ok(turn) = turns.acquire().await else { return };
                    let Some(answer) = answered(&mut sender, answers.answer(request)).await else { return };
                    let line = encoded(answer);
                    // The turn ends here: a client that reads slowly holds up nobody.
                    drop(turn);
                    if !send(&mut sender, &line).await {
                        return;
                    }
                    continue;
                }
                Err(error) => (Reply::Err(AnswerError::BadRequest { why: error.to_string() }), true),
            },
        };
        let Ok(line) = wire::to_line(&reply) else { return };
        if !send(&mut sender, &line).await || !goes_on {
            return;
        }
    }
}

/// Waits for an answer, however long it takes, with a sign of life now and then; none when the client is gone, and then
/// the work on the answer ends too.
async fn answered<T>(sender: &mut (impl AsyncWrite + Unpin), answer: impl Future<Output = T>) -> Option<T> {
    tokio::pin!(answer);
    loop {
        match tokio::time::timeout(wire::SIGN_OF_LIFE, &mut answer).await {
            Ok(answer) => return Some(answer),
            Err(_) if send(sender, b"\n").await => {}
            Err(_) => return None,
        }
    }
}

/// The answer as a line; one that cannot be written down becomes an error.
fn encoded(answer: Result<Answer, AnswerError>) -> Vec<u8> {
    let reply = match answer {
        Ok(answer) => Reply::Ok(Box::new(answer)),
        Err(error) => Reply::Err(error),
    };
    wire::to_line(&reply).unwrap_or_else(|error| {
        let why = error.to_string();
        wire::to_line(&Reply::Err(AnswerError::Internal { why })).unwrap_or_default()
    })
}

/// Sends bytes as long as the client takes some; says whether it took all.
async fn send(sender: &mut (impl AsyncWrite + Unpin), bytes: &[u8]) -> bool {
    for chunk in bytes.chunks(CHUNK) {
        match tokio::time::timeout(STUCK_TIMEOUT, sender.write_all(chunk)).await {
            Ok(Ok(())) => {}
            Ok(Err(_)) | Err(_) => return false,
        }
    }
    true
}
