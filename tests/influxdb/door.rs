//! A way to the server that does what a real server will not: answers of its own, answers that are cut, lost or late.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// What is done with a request.
#[derive(Debug, Clone)]
pub enum Deed {
    /// It goes to the server, and the answer comes back.
    Pass,
    /// It gets this answer, as it stands, and the server never sees it.
    Answer(String),
    /// The server gets it, and so many bytes of its answer come back before everything is cut.
    Cut(usize),
    /// The server gets it after a while.
    Late(Duration),
}

/// A request that came.
#[derive(Debug, Clone)]
pub struct Seen {
    /// Method and place, without the query: `POST /api/v2/write`.
    pub what: String,
    /// Bytes of its body.
    pub bytes: usize,
}

type Decide = Arc<dyn Fn(&Seen) -> Deed + Send + Sync>;

/// The way; gone when dropped.
pub struct Door {
    pub port: u16,
    seen: Arc<Mutex<Vec<Seen>>>,
    decide: Arc<Mutex<Decide>>,
    task: JoinHandle<()>,
}

impl Drop for Door {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// An answer with a status and a body.
pub fn answer(status: &str, headers: &str, body: &str) -> Deed {
    let length = body.len();
    Deed::Answer(format!("HTTP/1.1 {status}\r\n{headers}Content-Length: {length}\r\nConnection: close\r\n\r\n{body}"))
}

impl Door {
    pub async fn to(server: u16) -> Self {
        Self::under("", server).await
    }

    /// A door under a path: what comes without it is answered as by a web server that knows nothing of it.
    pub async fn under(path: &'static str, server: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("binds");
        let port = listener.local_addr().expect("bound").port();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let decide: Arc<Mutex<Decide>> = Arc::new(Mutex::new(Arc::new(|_: &Seen| Deed::Pass)));
        let (noted, asked) = (Arc::clone(&seen), Arc::clone(&decide));
        let task = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(serve(client, server, path, Arc::clone(&noted), Arc::clone(&asked)));
            }
        });
        Self { port, seen, decide, task }
    }

    /// What is done from now on.
    pub fn does(&self, decide: impl Fn(&Seen) -> Deed + Send + Sync + 'static) {
        *self.decide.lock().expect("no panic") = Arc::new(decide);
    }

    /// The requests of a kind that came.
    pub fn seen(&self, what: &str) -> Vec<Seen> {
        self.seen.lock().expect("no panic").iter().filter(|seen| seen.what == what).cloned().collect()
    }

    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }
}

/// Reads a request; none where it does not come whole.
async fn request(client: &mut TcpStream) -> Option<(String, Vec<u8>)> {
    let mut bytes = Vec::new();
    let end = loop {
        if let Some(at) = bytes.windows(4).position(|part| part == b"\r\n\r\n") {
            break at + 4;
        }
        if client.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    };
    let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
    let length = head.lines().find_map(|line| {
        let (key, value) = line.split_once(':')?;
        key.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>().ok())?
    });
    let mut body = bytes[end..].to_vec();
    while body.len() < length.unwrap_or(0) {
        if client.read_buf(&mut body).await.ok()? == 0 {
            return None;
        }
    }
    Some((head, body))
}

async fn serve(
    mut client: TcpStream,
    server: u16,
    path: &'static str,
    noted: Arc<Mutex<Vec<Seen>>>,
    decide: Arc<Mutex<Decide>>,
) -> Option<()> {
    let (head, body) = request(&mut client).await?;
    let mut words = head.split(' ');
    let (method, target) = (words.next()?, words.next()?);
    let place = target.split('?').next()?;
    let seen = Seen { what: format!("{method} {place}"), bytes: body.len() };
    noted.lock().expect("no panic").push(seen.clone());
    let Some(inner) = target.strip_prefix(path) else {
        let Deed::Answer(nothing) = answer("404 Not Found", "Content-Type: text/html\r\n", "<html>404</html>") else {
            return None;
        };
        return client.write_all(nothing.as_bytes()).await.ok();
    };
    let decided = decide.lock().expect("no panic").clone()(&seen);
    let most = match decided {
        Deed::Answer(text) => return client.write_all(text.as_bytes()).await.ok(),
        Deed::Cut(bytes) => bytes,
        Deed::Late(pause) => {
            tokio::time::sleep(pause).await;
            usize::MAX
        }
        Deed::Pass => usize::MAX,
    };
    let head = head.replacen(target, inner, 1).replacen("\r\n", "\r\nConnection: close\r\n", 1);
    let mut up = TcpStream::connect(("127.0.0.1", server)).await.ok()?;
    up.write_all(head.as_bytes()).await.ok()?;
    up.write_all(&body).await.ok()?;
    let mut left = most;
    let mut buffer = vec![0; 16 * 1_024];
    loop {
        let read = up.read(&mut buffer).await.ok()?;
        if read == 0 {
            return Some(());
        }
        client.write_all(&buffer[..read.min(left)]).await.ok()?;
        if read >= left {
            return Some(());
        }
        left -= read;
    }
}
