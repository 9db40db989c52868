//! The neutral target: an HTTP server in a process of its own that notes when each check arrives, answers after a
//! log-normal time, and fails one request in a hundred in varied ways.

use std::cell::RefCell;
use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream as StdStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::rc::Rc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::now_us;

/// One check as the target saw it.
#[derive(Clone, Copy)]
pub struct Arrival {
    pub at_us: u64,
    pub monitor: u32,
    /// Whether the answer was a failure: a re-check will follow that is in no slot.
    pub failed: bool,
}

/// A target in a process of its own.
pub struct Target {
    child: Child,
    pub port: u16,
    dump: PathBuf,
}

impl Target {
    /// Starts it: the same program with the argument `target`.
    pub fn start(folder: &Path, median_us: u64, fail: bool) -> Self {
        let dump = folder.join("arrivals");
        let mut child = Command::new(std::env::current_exe().expect("own path"))
            .arg("target")
            .arg(&dump)
            .args([median_us.to_string(), u8::from(fail).to_string()])
            .stdout(Stdio::piped())
            .spawn()
            .expect("target starts");
        let mut line = [0; 6];
        child.stdout.as_mut().expect("piped").read_exact(&mut line).expect("target tells its port");
        let port = String::from_utf8_lossy(&line).trim().parse().expect("a port");
        Self { child, port, dump }
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Everything that arrived so far; forgets it.
    pub fn arrivals(&self) -> Vec<Arrival> {
        let mut stream = StdStream::connect(("127.0.0.1", self.port)).expect("target answers");
        stream.write_all(b"GET /dump HTTP/1.1\r\n\r\n").expect("asked");
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).expect("answered");
        let bytes = fs::read(&self.dump).expect("arrivals are written");
        bytes
            .chunks_exact(13)
            .map(|row| Arrival {
                at_us: u64::from_le_bytes(row[..8].try_into().expect("8 bytes")),
                monitor: u32::from_le_bytes(row[8..12].try_into().expect("4 bytes")),
                failed: row[12] != 0,
            })
            .collect()
    }
}

impl Drop for Target {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

struct Seen {
    rows: Vec<Arrival>,
    random: u64,
    median_us: f64,
    fail: bool,
    dump: PathBuf,
}

impl Seen {
    /// xorshift64*: good enough for delays, and the same every time.
    fn random(&mut self) -> f64 {
        self.random ^= self.random >> 12;
        self.random ^= self.random << 25;
        self.random ^= self.random >> 27;
        (self.random.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// Log-normal with σ 0.2 (Box–Muller).
    fn delay(&mut self) -> Duration {
        let (a, b) = (self.random().max(1e-12), self.random());
        let normal = (-2.0 * a.ln()).sqrt() * (std::f64::consts::TAU * b).cos();
        Duration::from_micros((self.median_us * (0.2 * normal).exp()) as u64)
    }
}

/// The target's own `main`.
pub fn serve() {
    let args: Vec<String> = std::env::args().collect();
    let seen = Rc::new(RefCell::new(Seen {
        rows: Vec::with_capacity(1 << 20),
        random: 0x9E37_79B9_7F4A_7C15,
        median_us: args[3].parse().expect("median"),
        fail: args[4] == "1",
        dump: PathBuf::from(&args[2]),
    }));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("runtime");
    let local = tokio::task::LocalSet::new();
    local.block_on(&runtime, async move {
        let socket = tokio::net::TcpSocket::new_v4().expect("socket");
        socket.bind(([127, 0, 0, 1], 0).into()).expect("bound");
        let listener: TcpListener = socket.listen(4096).expect("listens");
        println!("{:<5}", listener.local_addr().expect("address").port());
        std::io::stdout().flush().expect("told");
        loop {
            let Ok((stream, _)) = listener.accept().await else { continue };
            let at_us = now_us();
            tokio::task::spawn_local(answer(stream, at_us, Rc::clone(&seen)));
        }
    });
}

async fn answer(mut stream: TcpStream, at_us: u64, seen: Rc<RefCell<Seen>>) {
    let mut buffer = [0; 2048];
    let Ok(length) = stream.read(&mut buffer).await else { return };
    let path = buffer[..length].split(|b| *b == b' ').nth(1).unwrap_or_default();
    if path == b"/dump" {
        dump(&seen);
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n").await;
        return;
    }
    if length == 0 {
        // Cancelled before it asked.
        return;
    }
    let monitor = std::str::from_utf8(path.get(1..).unwrap_or_default())
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(u32::MAX);
    let (delay, failure) = {
        let mut seen = seen.borrow_mut();
        let fails = seen.fail && seen.random() < 0.01;
        let failure = if fails { (seen.random() * 3.0) as u8 + 1 } else { 0 };
        seen.rows.push(Arrival { at_us, monitor, failed: fails });
        (if seen.median_us > 0.0 { seen.delay() } else { Duration::ZERO }, failure)
    };
    if !delay.is_zero() {
        tokio::time::sleep(delay).await;
    }
    let text: &[u8] = match failure {
        0 => b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok",
        1 => b"HTTP/1.1 500 Internal Server Error\r\nContent-Length: 4\r\nConnection: close\r\n\r\noops",
        2 => b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\nConnection: close\r\n\r\ncut off",
        _ => b"not http at all\r\n\r\n",
    };
    let _ = stream.write_all(text).await;
    let _ = stream.shutdown().await;
    // Wait for the client's end, so that unread data does not turn the close into a reset.
    let _ = stream.read(&mut buffer).await;
}

fn dump(seen: &RefCell<Seen>) {
    let mut seen = seen.borrow_mut();
    let mut bytes = Vec::with_capacity(seen.rows.len() * 13);
    for row in seen.rows.drain(..) {
        bytes.extend_from_slice(&row.at_us.to_le_bytes());
        bytes.extend_from_slice(&row.monitor.to_le_bytes());
        bytes.push(u8::from(row.failed));
    }
    fs::write(&seen.dump, bytes).expect("arrivals written");
}
