//! What tests of probes share: real servers on loopback, and one check as the runner would make it.
#![allow(dead_code, reason = "every test file is a crate of its own and uses a part of this")]

pub(crate) mod server;
pub(crate) mod tls;

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use hallmonitor::clock::{Clock, SystemClock};
use hallmonitor::model::{Failure, Verdict};
use hallmonitor::probe::net::{Lookup, ResolveError, Resolver};
use hallmonitor::probe::{Attempt, KindConfig, Observation, ProbeEnv};
use serde_json::Value;
use socket2::{Domain, Socket, Type};

/// What a check may take beyond its time-out on a busy machine before it counts as unbounded.
const SLACK: Duration = Duration::from_secs(3);

/// A process's surroundings with the real clock.
pub(crate) fn env() -> ProbeEnv {
    ProbeEnv::new(Arc::new(SystemClock))
}

/// The same with names that only this test knows.
pub(crate) fn env_with_names(names: &[(&str, &[&str])]) -> ProbeEnv {
    let names = names.iter().map(|(name, ips)| {
        let ips = ips.iter().map(|ip| ip.parse().expect("an address")).collect();
        ((*name).to_owned(), ips)
    });
    env_with_resolver(Names(names.collect()))
}

/// The same with a resolver of the test's.
pub(crate) fn env_with_resolver(resolver: impl Resolver) -> ProbeEnv {
    let env = env();
    let lookup = Lookup::with(env.clock.clone(), Arc::new(resolver));
    env.shared.get_or_make(|| lookup);
    env
}

/// Knows some names; others do not exist.
#[derive(Debug)]
struct Names(HashMap<String, Vec<IpAddr>>);

impl Resolver for Names {
    fn resolve(&self, name: &str) -> Result<Vec<IpAddr>, ResolveError> {
        self.0.get(name).cloned().ok_or_else(|| ResolveError::NoName("name or service not known".to_owned()))
    }
}

/// Always gives the same error.
#[derive(Debug)]
pub(crate) struct Fails(pub(crate) ResolveError);

impl Resolver for Fails {
    fn resolve(&self, _name: &str) -> Result<Vec<IpAddr>, ResolveError> {
        Err(self.0.clone())
    }
}

/// Does not answer before it is dropped with its test.
#[derive(Debug)]
pub(crate) struct Silent(pub(crate) std::sync::Mutex<std::sync::mpsc::Receiver<()>>);

impl Resolver for Silent {
    fn resolve(&self, _name: &str) -> Result<Vec<IpAddr>, ResolveError> {
        let _ = self.0.lock().expect("held by one").recv();
        Err(ResolveError::Failed("the test is over".to_owned()))
    }
}

/// Takes its time for a name of this machine.
#[derive(Debug)]
pub(crate) struct Slow(pub(crate) Duration);

impl Resolver for Slow {
    fn resolve(&self, _name: &str) -> Result<Vec<IpAddr>, ResolveError> {
        std::thread::sleep(self.0);
        Ok(vec![IpAddr::from([127, 0, 0, 1])])
    }
}

/// Checks once, and makes sure that the check keeps its time.
pub(crate) async fn check_in(env: &ProbeEnv, kind: &str, settings: Value, timeout: Duration) -> Observation {
    let config = KindConfig::from_object(kind, settings).expect("settings");
    config.validate().expect("valid settings");
    let probe = config.probe(env);
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let attempt = Attempt::start(clock, timeout);
    let seen = probe.run(&attempt).await;
    let took = Duration::from_micros(attempt.elapsed_us());
    assert!(took <= timeout + SLACK, "took {took:?} of {timeout:?}: {seen:?}");
    let total = seen.phases.total_us.expect("every check has a total");
    assert!(u128::from(total) <= took.as_micros(), "{seen:?}");
    seen
}

/// Asserts verdict and type, and that the message says certain things.
#[track_caller]
pub(crate) fn assert_fails(seen: &Observation, failure: Failure, parts: &[&str]) {
    let verdict = if failure.is_ours() { Verdict::Inconclusive } else { Verdict::Down };
    assert_eq!((seen.verdict, seen.failure), (verdict, Some(failure)), "{seen:?}");
    for part in parts {
        assert!(seen.message.contains(part), "{part:?} is not in {:?}", seen.message);
    }
}

/// Asserts that all is well.
#[track_caller]
pub(crate) fn assert_up(seen: &Observation) {
    assert_eq!((seen.verdict, seen.failure, seen.message.as_str()), (Verdict::Up, None, ""), "{seen:?}");
}

/// Runs one ignored test of the same file in a process of its own, by a shell line in which `TEST` is that test.
#[track_caller]
pub(crate) fn in_own_process(test: &str, line: &str) {
    let program = std::env::current_exe().expect("this program");
    let script = line.replace("TEST", &format!("{} --exact {test} --ignored --nocapture", program.display()));
    let output = std::process::Command::new("sh").args(["-c", &script]).output().expect("a shell");
    let text = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success() && text.contains("1 passed"), "{script}: {text}");
}

/// A port of this address on which nobody listens. It is bound while the guard lives, so nobody else takes it.
pub(crate) fn refused(ip: &str) -> (SocketAddr, Socket) {
    let ip: IpAddr = ip.parse().expect("an address");
    let socket = Socket::new(Domain::for_address((ip, 0).into()), Type::STREAM, None).expect("a socket");
    socket.bind(&SocketAddr::new(ip, 0).into()).expect("binds");
    let addr = socket.local_addr().expect("bound").as_socket().expect("an address");
    (addr, socket)
}

/// A port of this address whose queue is full, so that the system drops what would connect: a target that is silent.
pub(crate) struct SilentPort {
    pub(crate) addr: SocketAddr,
    _listener: TcpListener,
    _queued: Vec<TcpStream>,
}

impl SilentPort {
    pub(crate) fn open(ip: &str) -> Self {
        let ip: IpAddr = ip.parse().expect("an address");
        let socket = Socket::new(Domain::for_address((ip, 0).into()), Type::STREAM, None).expect("a socket");
        socket.bind(&SocketAddr::new(ip, 0).into()).expect("binds");
        socket.listen(0).expect("listens");
        let listener: TcpListener = socket.into();
        let addr = listener.local_addr().expect("bound");
        let mut queued = Vec::new();
        while let Ok(stream) = TcpStream::connect_timeout(&addr, Duration::from_millis(300)) {
            queued.push(stream);
            assert!(queued.len() < 64, "the queue never fills");
        }
        Self { addr, _listener: listener, _queued: queued }
    }
}
