//! What the scheduler is given in these tests: clocks, a network, probes, a sink that remembers.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::net::{SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicI64, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use async_trait::async_trait;
use hallmonitor::clock::{Clock, Mono, SystemClock};
use hallmonitor::model::{Failure, GapReason, Monitor, MonitorId, Thresholds, UnixMicros, Verdict};
use hallmonitor::probe::{Attempt, Observation, Probe};
use hallmonitor::schedule::{
    Checked, Connectivity, FirstCheck, Limits, Network, Next, Parts, Runner, RunnerHandle, Sink, Watched,
};
use uuid::Uuid;

/// Far longer than anything here takes: a condition that is not met by then never will be.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

// ---- what the scheduler is given -----------------------------------------------------------------------------------

/// The machine's clocks, moved apart by hand.
#[derive(Debug, Default)]
pub(crate) struct ShiftedClock {
    pub wall_us: AtomicI64,
    pub boot_us: AtomicU64,
}

impl ShiftedClock {
    pub(crate) fn set_wall_by(&self, us: i64) {
        self.wall_us.fetch_add(us, Ordering::SeqCst);
    }

    /// As if the machine had slept until now.
    pub(crate) fn sleep_us(&self, us: u64) {
        self.boot_us.fetch_add(us, Ordering::SeqCst);
        self.set_wall_by(i64::try_from(us).expect("small"));
    }
}

impl Clock for ShiftedClock {
    fn wall(&self) -> UnixMicros {
        UnixMicros::new(SystemClock.wall().micros() + self.wall_us.load(Ordering::SeqCst))
    }

    fn mono(&self) -> Mono {
        SystemClock.mono()
    }

    fn boot_us(&self) -> u64 {
        SystemClock.boot_us() + self.boot_us.load(Ordering::SeqCst)
    }
}

/// A network that goes and comes when the test says so.
#[derive(Debug)]
pub(crate) struct SetNetwork(pub Mutex<Network>);

impl SetNetwork {
    pub(crate) fn home() -> Self {
        Self(Mutex::new(Network { online: true, fingerprint: 1 }))
    }

    pub(crate) fn set(&self, online: bool, fingerprint: u64) {
        *self.0.lock().unwrap() = Network { online, fingerprint };
    }
}

impl Connectivity for SetNetwork {
    fn snapshot(&self) -> Network {
        *self.0.lock().unwrap()
    }
}

/// What the sink was told, in order.
#[derive(Debug, Clone)]
pub(crate) enum Told {
    Checked(Checked),
    GapStarted(UnixMicros, GapReason),
    GapEnded(UnixMicros, UnixMicros, GapReason),
    Interrupted,
}

/// Keeps everything it is told, and lets tests wait for it.
#[derive(Debug, Default)]
pub(crate) struct Log {
    pub told: Mutex<Vec<Told>>,
    pub more: Condvar,
    pub recheck_after: Option<Duration>,
    pub panics_at: Option<MonitorId>,
}

impl Log {
    pub(crate) fn push(&self, told: Told) {
        self.told.lock().unwrap().push(told);
        self.more.notify_all();
    }

    /// Waits until what was told meets a condition.
    pub(crate) fn wait(&self, what: &str, mut met: impl FnMut(&[Told]) -> bool) -> Vec<Told> {
        let guard = self.told.lock().unwrap();
        let (guard, timed_out) = self.more.wait_timeout_while(guard, PATIENCE, |told| !met(told)).unwrap();
        assert!(!timed_out.timed_out(), "never happened: {what}");
        guard.clone()
    }

    pub(crate) fn wait_for_results(&self, id: MonitorId, count: usize) -> Vec<Checked> {
        results(&self.wait("results", |told| results(told, id).len() >= count), id)
    }

    pub(crate) fn results(&self, id: MonitorId) -> Vec<Checked> {
        results(&self.told.lock().unwrap(), id)
    }
}

pub(crate) fn results(told: &[Told], id: MonitorId) -> Vec<Checked> {
    told.iter()
        .filter_map(|told| match told {
            Told::Checked(checked) if checked.monitor.id == id => Some(checked.clone()),
            _ => None,
        })
        .collect()
}

impl Sink for Log {
    fn checked(&self, checked: Checked) -> Next {
        let id = checked.monitor.id;
        let failed = checked.observation.verdict == Verdict::Down;
        self.push(Told::Checked(checked));
        assert!(self.panics_at != Some(id), "the sink was told to panic");
        Next { recheck_after: self.recheck_after.filter(|_| failed) }
    }

    fn gap_started(&self, at: UnixMicros, reason: GapReason) {
        self.push(Told::GapStarted(at, reason));
    }

    fn gap_ended(&self, from: UnixMicros, to: UnixMicros, reason: GapReason) {
        self.push(Told::GapEnded(from, to, reason));
    }

    fn interrupted(&self) {
        self.push(Told::Interrupted);
    }

    fn watchdog(&self, _: bool) {}
}

/// A scheduler on a thread of its own.
pub(crate) struct Running {
    pub handle: RunnerHandle,
    pub log: Arc<Log>,
    pub clock: Arc<ShiftedClock>,
    pub network: Arc<SetNetwork>,
    pub thread: Option<JoinHandle<()>>,
}

impl Running {
    pub(crate) fn start(limit: usize, log: Log) -> Self {
        let log = Arc::new(log);
        let clock = Arc::new(ShiftedClock::default());
        let network = Arc::new(SetNetwork::home());
        let (runner, handle) = Runner::new(Parts {
            clock: clock.clone(),
            sink: log.clone(),
            connectivity: network.clone(),
            limits: Limits { concurrent: limit },
        });
        let thread = Some(std::thread::spawn(move || runtime().block_on(runner.run())));
        Self { handle, log, clock, network, thread }
    }

    pub(crate) fn watch(&self, watched: Watched) -> MonitorId {
        let id = watched.monitor.id;
        self.handle.set(vec![watched], FirstCheck::AtOnce);
        id
    }

    /// Waits until the scheduler says so: the sink hears of a result a moment before the next check is planned.
    pub(crate) fn wait_until(&self, what: &str, met: impl Fn(&RunnerHandle) -> bool) {
        let begun = SystemClock.mono();
        while !met(&self.handle) {
            assert!(SystemClock.mono().since(begun) < PATIENCE, "never happened: {what}");
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    pub(crate) fn stop(&mut self) {
        if let Some(thread) = self.thread.take() {
            runtime().block_on(self.handle.stop());
            thread.join().unwrap();
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.stop();
        }
    }
}

pub(crate) fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

pub(crate) fn watched(
    n: u128,
    target: &str,
    interval: Duration,
    timeout: Duration,
    probe: impl Probe + 'static,
) -> Watched {
    let monitor = Monitor {
        id: MonitorId::new(Uuid::from_u128(n)),
        name: format!("monitor {n}"),
        group: "default".into(),
        kind: "test",
        target: target.into(),
        interval,
        timeout,
        thresholds: Thresholds::default(),
        labels: BTreeMap::new(),
    };
    Watched { monitor: Arc::new(monitor), probe: Arc::new(probe) }
}

pub(crate) const HOUR: Duration = Duration::from_secs(3_600);
pub(crate) const SECOND: Duration = Duration::from_secs(1);

// ---- what is watched -----------------------------------------------------------------------------------------------

/// A UDP server on loopback that sends back what it gets, after a while.
pub(crate) fn echo_server(delay: Duration) -> SocketAddr {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();
    std::thread::spawn(move || {
        runtime().block_on(async move {
            socket.set_nonblocking(true).unwrap();
            let socket = Arc::new(tokio::net::UdpSocket::from_std(socket).unwrap());
            let mut buffer = [0; 16];
            while let Ok((length, from)) = socket.recv_from(&mut buffer).await {
                let socket = socket.clone();
                tokio::spawn(async move {
                    tokio::time::sleep(delay).await;
                    let _ = socket.send_to(&buffer[..length], from).await;
                });
            }
        });
    });
    address
}

/// Asks a UDP server twice, one question after the other, within the time-out.
#[derive(Debug)]
pub(crate) struct Ask(pub SocketAddr);

#[async_trait]
impl Probe for Ask {
    async fn run(&self, attempt: &Attempt) -> Observation {
        let socket = tokio::net::UdpSocket::bind("127.0.0.1:0").await.unwrap();
        socket.connect(self.0).await.unwrap();
        for question in [1u8, 2] {
            if let Err(error) = socket.send(&[question]).await {
                return Observation::failed(Failure::Connect, error.to_string());
            }
            match tokio::time::timeout(attempt.left(), socket.recv(&mut [0; 16])).await {
                Ok(Ok(_)) => {}
                Ok(Err(error)) => return Observation::failed(Failure::Connect, error.to_string()),
                Err(_) => return Observation::failed(Failure::Timeout, "no answer"),
            }
        }
        Observation::up()
    }
}

/// A port that nobody listens on: asking it is refused at once.
pub(crate) fn refused() -> Ask {
    Ask(UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap())
}

/// Says when it runs and when it was cancelled; never ends by itself.
#[derive(Debug, Default, Clone)]
pub(crate) struct Endless {
    pub started: Arc<AtomicUsize>,
    pub dropped: Arc<AtomicUsize>,
}

impl Endless {
    pub(crate) fn wait_until(&self, what: &str, met: impl Fn(usize, usize) -> bool) {
        let begun = SystemClock.mono();
        while !met(self.started.load(Ordering::SeqCst), self.dropped.load(Ordering::SeqCst)) {
            assert!(SystemClock.mono().since(begun) < PATIENCE, "never happened: {what}");
            std::thread::sleep(Duration::from_millis(2));
        }
    }
}

pub(crate) struct Dropped(pub Arc<AtomicUsize>);

impl Drop for Dropped {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

#[async_trait]
impl Probe for Endless {
    async fn run(&self, _: &Attempt) -> Observation {
        let _dropped = Dropped(self.dropped.clone());
        self.started.fetch_add(1, Ordering::SeqCst);
        std::future::pending().await
    }
}

#[derive(Debug)]
pub(crate) struct Panics;

#[async_trait]
impl Probe for Panics {
    async fn run(&self, _: &Attempt) -> Observation {
        tokio::task::yield_now().await;
        panic!("index 3 of 3\u{1b}[31m\nsecond line");
    }
}
