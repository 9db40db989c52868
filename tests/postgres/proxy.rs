//! A way to the server that can be cut in the middle of anything.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// Passes bytes on until its allowance is used up; then it cuts every connection at that very byte.
pub struct Proxy {
    pub port: u16,
    questions: Allowance,
    answers: Allowance,
    task: JoinHandle<()>,
}

/// So many bytes more are passed on in one direction; how often everything was cut there.
#[derive(Clone)]
struct Allowance {
    left: Arc<AtomicU64>,
    cuts: Arc<AtomicU64>,
    passed: Arc<AtomicU64>,
}

impl Allowance {
    fn unlimited() -> Self {
        Self { left: Arc::new(AtomicU64::new(u64::MAX)), cuts: Arc::default(), passed: Arc::default() }
    }

    /// Passes bytes on until there are none, or none are allowed.
    async fn pass(&self, from: &mut OwnedReadHalf, to: &mut OwnedWriteHalf) {
        let mut buffer = vec![0; 16 * 1_024];
        loop {
            let Ok(read @ 1..) = from.read(&mut buffer).await else { return };
            let allowed = usize::try_from(self.left.load(Ordering::SeqCst)).unwrap_or(usize::MAX);
            if to.write_all(&buffer[..read.min(allowed)]).await.is_err() {
                return;
            }
            self.passed.fetch_add(read.min(allowed) as u64, Ordering::SeqCst);
            if read > allowed {
                self.cuts.fetch_add(1, Ordering::SeqCst);
                self.left.store(u64::MAX, Ordering::SeqCst);
                return;
            }
            if self.left.load(Ordering::SeqCst) != u64::MAX {
                self.left.fetch_sub(read as u64, Ordering::SeqCst);
            }
        }
    }
}

impl Proxy {
    pub async fn to(server: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("binds");
        let port = listener.local_addr().expect("bound").port();
        let (questions, answers) = (Allowance::unlimited(), Allowance::unlimited());
        let (up, down) = (questions.clone(), answers.clone());
        let task = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(pass(client, SocketAddr::from(([127, 0, 0, 1], server)), up.clone(), down.clone()));
            }
        });
        Self { port, questions, answers, task }
    }

    /// So many bytes more go to the server; then everything is cut once, and it goes on without a limit.
    pub fn cut_after(&self, bytes: u64) {
        self.questions.left.store(bytes, Ordering::SeqCst);
    }

    /// The same for what comes back.
    pub fn cut_answers_after(&self, bytes: u64) {
        self.answers.left.store(bytes, Ordering::SeqCst);
    }

    /// Bytes that came back so far.
    pub fn answered(&self) -> u64 {
        self.answers.passed.load(Ordering::SeqCst)
    }

    /// Cuts on the way to the server and on the way back.
    pub fn cuts(&self) -> (u64, u64) {
        (self.questions.cuts.load(Ordering::SeqCst), self.answers.cuts.load(Ordering::SeqCst))
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn pass(client: TcpStream, server: SocketAddr, questions: Allowance, answers: Allowance) {
    let Ok(server) = TcpStream::connect(server).await else { return };
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    // Whichever ends first cuts both.
    tokio::select! {
        () = questions.pass(&mut from_client, &mut to_server) => {}
        () = answers.pass(&mut from_server, &mut to_client) => {}
    }
}
