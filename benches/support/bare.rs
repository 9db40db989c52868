//! The bare loop: a hyper client on one thread that makes the same requests with a new connection each and keeps
//! nothing. It is the limit that Hall Monitor's processor time is divided by.

use std::time::Duration;

use http_body_util::{BodyExt, Empty};
use hyper::Request;
use hyper::body::Bytes;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use super::now_us;

/// One request on a connection of its own; whether it was answered with 200.
pub async fn request(port: u16, monitor: u32) -> bool {
    let Ok(stream) = TcpStream::connect(("127.0.0.1", port)).await else { return false };
    let Ok((mut sender, connection)) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await else {
        return false;
    };
    tokio::spawn(connection);
    let request = Request::builder()
        .uri(format!("/{monitor}"))
        .header("host", "127.0.0.1")
        .body(Empty::<Bytes>::new())
        .expect("a request");
    let Ok(response) = sender.send_request(request).await else { return false };
    let good = response.status() == 200;
    let mut body = response.into_body();
    while let Some(frame) = body.frame().await {
        if frame.is_err() {
            return false;
        }
    }
    good
}

/// The bare loop's own `main`: `bare PORT MONITORS INTERVAL_MS SECONDS`. Requests are spread evenly over the interval.
pub fn run() {
    let args: Vec<u64> = std::env::args().skip(2).filter_map(|arg| arg.parse().ok()).collect();
    let [port, monitors, interval_ms, seconds] = args[..] else { panic!("bare PORT MONITORS INTERVAL_MS SECONDS") };
    let port = u16::try_from(port).expect("a port");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("runtime");
    runtime.block_on(async move {
        let start = now_us();
        let step_us = interval_ms as f64 * 1000.0 / monitors as f64;
        for n in 0_u64.. {
            let due = start + (n as f64 * step_us) as u64;
            if due > start + seconds * 1_000_000 {
                break;
            }
            let now = now_us();
            if due > now {
                tokio::time::sleep(Duration::from_micros(due - now)).await;
            }
            let monitor = u32::try_from(n % monitors).expect("a monitor");
            tokio::spawn(async move {
                let _ = tokio::time::timeout(Duration::from_secs(10), request(port, monitor)).await;
            });
        }
    });
}
