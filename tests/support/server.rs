//! Servers that do what they are told, byte by byte.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// A server on loopback, gone when dropped.
#[derive(Debug)]
pub(crate) struct Server {
    pub(crate) addr: SocketAddr,
    /// The head of every request that came.
    heads: Arc<Mutex<Vec<String>>>,
    accepting: JoinHandle<()>,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

impl Server {
    /// Hands every connection to `serve`.
    pub(crate) async fn start<F, Fut>(ip: &str, serve: F) -> Self
    where
        F: Fn(TcpStream, Heads) -> Fut + Send + 'static,
        Fut: Future<Output = ()> + Send + 'static,
    {
        let listener = TcpListener::bind((ip, 0)).await.expect("binds");
        let addr = listener.local_addr().expect("bound");
        let heads = Arc::new(Mutex::new(Vec::new()));
        let noted = Heads(heads.clone());
        let accepting = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, noted.clone()));
            }
        });
        Self { addr, heads, accepting }
    }

    /// Answers every request with these bytes and closes.
    pub(crate) async fn answering(answer: impl AsRef<[u8]>) -> Self {
        let answer: Arc<[u8]> = answer.as_ref().into();
        Self::start("127.0.0.1", move |mut stream, heads| {
            let answer = answer.clone();
            async move {
                heads.read(&mut stream).await;
                // The client may have had enough.
                let _ = stream.write_all(&answer).await;
            }
        })
        .await
    }

    /// Answers every request with what `answer` makes of its head, and closes.
    pub(crate) async fn routing(answer: impl Fn(&str) -> String + Send + Sync + 'static) -> Self {
        let answer = Arc::new(answer);
        Self::start("127.0.0.1", move |mut stream, heads| {
            let answer = answer.clone();
            async move {
                let head = heads.read(&mut stream).await;
                let _ = stream.write_all(answer(&head).as_bytes()).await;
            }
        })
        .await
    }

    /// Answers with `start`, then with `again` for ever.
    pub(crate) async fn endless(start: &str, again: impl Into<Vec<u8>>) -> Self {
        let (start, again): (Arc<str>, Arc<[u8]>) = (start.into(), again.into().into());
        Self::start("127.0.0.1", move |mut stream, heads| {
            let (start, again) = (start.clone(), again.clone());
            async move {
                heads.read(&mut stream).await;
                if stream.write_all(start.as_bytes()).await.is_ok() {
                    while stream.write_all(&again).await.is_ok() {}
                }
            }
        })
        .await
    }

    /// The heads of all requests so far.
    pub(crate) fn heads(&self) -> Vec<String> {
        self.heads.lock().expect("never poisoned").clone()
    }

    /// An address of this server.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.addr)
    }
}

/// Where heads of requests are noted.
#[derive(Debug, Clone)]
pub(crate) struct Heads(Arc<Mutex<Vec<String>>>);

impl Heads {
    /// Reads to the end of a request's head and notes it.
    pub(crate) async fn read(&self, stream: &mut (impl AsyncRead + Unpin)) -> String {
        let mut head = Vec::new();
        let mut byte = [0];
        while !head.ends_with(b"\r\n\r\n") && matches!(stream.read(&mut byte).await, Ok(1)) {
            head.push(byte[0]);
        }
        let head = String::from_utf8(head).expect("text");
        self.0.lock().expect("never poisoned").push(head.clone());
        head
    }
}

/// A good answer with this body.
pub(crate) fn ok(body: &str) -> String {
    format!("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: {}\r\n\r\n{body}", body.len())
}

/// A redirect.
pub(crate) fn redirect(to: &str) -> String {
    format!("HTTP/1.1 302 Found\r\nLocation: {to}\r\nContent-Length: 0\r\n\r\n")
}
