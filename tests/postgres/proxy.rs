//! A way to the server that can be cut in the middle of anything.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// Passes bytes on until its allowance is used up; then it cuts every connection at that very byte.
pub struct Proxy {
    pub port: u16,
    left: Arc<AtomicU64>,
    pub cuts: Arc<AtomicU64>,
    task: JoinHandle<()>,
}

impl Proxy {
    pub async fn to(server: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("binds");
        let port = listener.local_addr().expect("bound").port();
        let (left, cuts) = (Arc::new(AtomicU64::new(u64::MAX)), Arc::new(AtomicU64::new(0)));
        let (allowed, cut) = (Arc::clone(&left), Arc::clone(&cuts));
        let task = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(pass(client, SocketAddr::from(([127, 0, 0, 1], server)), allowed.clone(), cut.clone()));
            }
        });
        Self { port, left, cuts, task }
    }

    /// So many bytes more go to the server; then everything is cut once, and it goes on without a limit.
    pub fn cut_after(&self, bytes: u64) {
        self.left.store(bytes, Ordering::SeqCst);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn pass(client: TcpStream, server: SocketAddr, left: Arc<AtomicU64>, cuts: Arc<AtomicU64>) {
    let Ok(server) = TcpStream::connect(server).await else { return };
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    let up = async {
        let mut buffer = vec![0; 16 * 1_024];
        loop {
            let Ok(read @ 1..) = from_client.read(&mut buffer).await else { return };
            let allowed = usize::try_from(left.load(Ordering::SeqCst)).unwrap_or(usize::MAX);
            if to_server.write_all(&buffer[..read.min(allowed)]).await.is_err() {
                return;
            }
            if read > allowed {
                cuts.fetch_add(1, Ordering::SeqCst);
                left.store(u64::MAX, Ordering::SeqCst);
                return;
            }
            if left.load(Ordering::SeqCst) != u64::MAX {
                left.fetch_sub(read as u64, Ordering::SeqCst);
            }
        }
    };
    let down = async {
        let _ = tokio::io::copy(&mut from_server, &mut to_client).await;
    };
    // Whichever ends first cuts both.
    tokio::select! {
        () = up => {}
        () = down => {}
    }
}
