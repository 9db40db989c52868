//! One check, from the name's look-up to the verdict.

use std::borrow::Cow;
use std::net::IpAddr;
use std::sync::Arc;

use async_trait::async_trait;
use http::header::{CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE, LOCATION, SERVER};
use http::{HeaderName, Response, StatusCode, Version};
use tokio::net::TcpStream;

use super::exchange::{Exchange, Io, Marks};
use super::request::{Hop, Plan};
use super::url::is_private_to_machine;
use super::{Http, echo};
use crate::model::{FactKey, Facts, Failure, FieldError, Phases, Verdict};
use crate::probe::net::{Certificate, Fault, Host, Leaf, Lookup, Tls, connect, phase_us, time_is_left};
use crate::probe::{Attempt, Observation, Probe, ProbeEnv};

/// Redirects that are followed; the next one fails.
const MAX_REDIRECTS: u8 = 4;

/// Checks one address.
#[derive(Debug)]
pub(super) struct HttpProbe {
    plan: Result<Plan, Vec<FieldError>>,
    lookup: Arc<Lookup>,
    tls: Arc<Tls>,
}

impl HttpProbe {
    pub(super) fn new(http: &Http, env: &ProbeEnv) -> Self {
        Self { plan: Plan::new(http), lookup: Lookup::shared(env), tls: Tls::shared(env) }
    }
}

#[async_trait]
impl Probe for HttpProbe {
    async fn run(&self, attempt: &Attempt) -> Observation {
        let plan = match &self.plan {
            Ok(plan) => plan,
            Err(faults) => {
                let words: Vec<String> = faults.iter().map(ToString::to_string).collect();
                return Observation::failed(Failure::Internal, words.join("; "));
            }
        };
        let mut check = Check::new(self, plan, attempt);
        let finished = tokio::time::timeout(attempt.left(), check.run()).await;
        let outcome = finished.unwrap_or_else(|_| Err(check.timed_out()));
        check.conclude(outcome)
    }
}

/// What is being waited for.
#[derive(Debug, Clone, Copy)]
enum Stage {
    Name,
    Connect,
    Tls,
    Answer,
    Body,
}

/// One check, as far as it has come.
#[derive(Debug)]
struct Check<'a> {
    probe: &'a HttpProbe,
    plan: &'a Plan,
    attempt: &'a Attempt,
    hop: Arc<Hop>,
    stage: Stage,
    phases: Phases,
    facts: Facts,
    /// Of the latest hop, where it is one by TLS.
    leaf: Option<Leaf>,
    tls_version: Option<&'static str>,
    body_bytes: u64,
}

impl<'a> Check<'a> {
    fn new(probe: &'a HttpProbe, plan: &'a Plan, attempt: &'a Attempt) -> Self {
        Self {
            probe,
            plan,
            attempt,
            hop: plan.first.clone(),
            stage: Stage::Name,
            phases: Phases::default(),
            facts: Facts::new(),
            leaf: None,
            tls_version: None,
            body_bytes: 0,
        }
    }

    async fn run(&mut self) -> Result<(), Fault> {
        let mut followed = 0;
        loop {
            let hop = self.hop.clone();
            let stream = self.reach(&hop).await?;
            let io = self.secure(&hop, stream).await?;
            self.stage = Stage::Answer;
            let marks = Marks::new(self.attempt);
            let (exchange, answer) = Exchange::start(io, &marks, hop.request()).await?;
            add(&mut self.phases.first_byte_us, marks.first_byte_us());
            self.facts.set(FactKey::HttpStatus, i64::from(answer.status().as_u16()));
            let Some(location) = self.redirect(&answer) else {
                self.note(&answer);
                self.judge_status(answer.status())?;
                return self.read_body(exchange).await;
            };
            let next = hop.redirected(location).map_err(|what| Fault::new(Failure::Protocol, what))?;
            if followed == MAX_REDIRECTS {
                self.note(&answer);
                let words = format!("too many redirects: {MAX_REDIRECTS} were followed, the next is to {}", next.url);
                return Err(Fault::new(Failure::Protocol, words));
            }
            followed += 1;
            self.facts.set(FactKey::HttpRedirects, i64::from(followed));
            self.facts.set_text(FactKey::HttpFinalUrl, &next.url.to_string());
            self.hop = Arc::new(next);
        }
    }

    /// Looks the name up where it is one, and connects.
    async fn reach(&mut self, hop: &Hop) -> Result<TcpStream, Fault> {
        let port = hop.url.port;
        let mut since = self.attempt.elapsed_us();
        let connected = match &hop.url.host {
            Host::Ip(ip) => {
                self.allowed(hop, &[*ip])?;
                self.stage = Stage::Connect;
                connect(&[*ip], port).await?
            }
            host @ Host::Name(_) => {
                self.stage = Stage::Name;
                let found = self.probe.lookup.addresses(host).await;
                let now = self.attempt.elapsed_us();
                add(&mut self.phases.name_us, now - since);
                since = now;
                let addresses = found?;
                // Of a later hop, the time may have been taken by the servers before.
                if !self.is_redirected() {
                    time_is_left(self.attempt, host)?;
                }
                let addresses = self.allowed(hop, &addresses)?;
                self.stage = Stage::Connect;
                connect(&addresses, port).await?
            }
        };
        add(&mut self.phases.connect_us, self.attempt.elapsed_us() - since);
        let (stream, peer) = connected;
        self.facts.set_text(FactKey::Peer, &peer.to_string());
        Ok(stream)
    }

    fn is_redirected(&self) -> bool {
        self.facts.number(FactKey::HttpRedirects).is_some()
    }

    /// The addresses where we may be sent by names and redirects of somebody else's choice. Only an address that is
    /// written in the settings may be any.
    fn allowed<'i>(&self, hop: &Hop, addresses: &'i [IpAddr]) -> Result<Cow<'i, [IpAddr]>, Fault> {
        let is_written = matches!(&hop.url.host, Host::Ip(_)) && hop.url.same_host(&self.plan.first.url);
        let Some(forbidden) = addresses.iter().find(|ip| is_private_to_machine(**ip)).filter(|_| !is_written) else {
            return Ok(addresses.into());
        };
        let allowed: Vec<IpAddr> = addresses.iter().copied().filter(|ip| !is_private_to_machine(*ip)).collect();
        if !allowed.is_empty() {
            return Ok(allowed.into());
        }
        let what = if self.is_redirected() {
            format!("the redirect to {} is not followed", hop.url)
        } else {
            format!("{} is not asked", hop.url)
        };
        let words = format!(
            "{what}: {forbidden} is a link-local address or one of a cloud's metadata; write the address itself in \
             `url` if it is meant"
        );
        Err(Fault::new(Failure::Permission, words))
    }

    async fn secure(&mut self, hop: &Hop, stream: TcpStream) -> Result<Io, Fault> {
        self.leaf = None;
        self.tls_version = None;
        let Some(name) = &hop.tls_name else {
            return Ok(Io::Plain(stream));
        };
        self.stage = Stage::Tls;
        let leaf = self.leaf.insert(Leaf::default()).clone();
        let since = self.attempt.elapsed_us();
        let stream = self.probe.tls.handshake(stream, name, &leaf).await?;
        add(&mut self.phases.tls_us, self.attempt.elapsed_us() - since);
        self.tls_version = match stream.get_ref().1.protocol_version() {
            Some(rustls::ProtocolVersion::TLSv1_2) => Some("TLSv1.2"),
            Some(rustls::ProtocolVersion::TLSv1_3) => Some("TLSv1.3"),
            _ => None,
        };
        Ok(Io::Tls(Box::new(stream)))
    }

    /// Where an answer leads, when it does and redirects are followed.
    fn redirect<'r>(&self, answer: &'r Response<()>) -> Option<&'r [u8]> {
        let leads = matches!(
            answer.status(),
            StatusCode::MOVED_PERMANENTLY
                | StatusCode::FOUND
                | StatusCode::SEE_OTHER
                | StatusCode::TEMPORARY_REDIRECT
                | StatusCode::PERMANENT_REDIRECT
        );
        let location = answer.headers().get(LOCATION)?;
        (self.plan.follow && leads).then(|| location.as_bytes())
    }

    /// Writes down what the head of the last answer says.
    fn note(&mut self, answer: &Response<()>) {
        let version = if answer.version() == Version::HTTP_10 { "HTTP/1.0" } else { "HTTP/1.1" };
        self.facts.set_text(FactKey::HttpVersion, version);
        let mut text = |key: FactKey, name: HeaderName| {
            if let Some(value) = answer.headers().get(name) {
                self.facts.set_text(key, &String::from_utf8_lossy(value.as_bytes()));
            }
        };
        text(FactKey::HttpContentType, CONTENT_TYPE);
        text(FactKey::HttpServer, SERVER);
        text(FactKey::HttpCacheControl, CACHE_CONTROL);
        let length = answer.headers().get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<i64>().ok());
        if let Some(length) = length {
            self.facts.set(FactKey::HttpContentLength, length);
        }
    }

    fn judge_status(&self, status: StatusCode) -> Result<(), Fault> {
        let expected = self.plan.expected_status;
        if status.as_u16() == expected {
            return Ok(());
        }
        let words = format!("unexpected status code: {} (expected {expected})", status.as_u16());
        Err(Fault::new(Failure::Assertion, words))
    }

    /// Reads the body to its end and keeps nothing of it.
    async fn read_body(&mut self, mut exchange: Exchange<'_>) -> Result<(), Fault> {
        self.stage = Stage::Body;
        let most = self.plan.max_body;
        let announced = self.facts.number(FactKey::HttpContentLength).and_then(|bytes| u64::try_from(bytes).ok());
        if let Some(announced) = announced.filter(|announced| *announced > most) {
            return Err(too_large(&format!("is {announced} bytes"), most));
        }
        while let Some(bytes) = exchange.next_piece().await? {
            self.body_bytes += bytes as u64;
            if self.body_bytes > most {
                return Err(too_large("goes on", most));
            }
        }
        Ok(())
    }

    fn timed_out(&self) -> Fault {
        let limit = self.attempt.timeout();
        let url = &self.hop.url;
        match self.stage {
            // The resolver had only what the servers before left.
            Stage::Name if self.is_redirected() => Fault::timed_out(limit, format_args!("looking up {}", url.host)),
            Stage::Name => self.probe.lookup.silent(&url.host.to_string(), limit),
            Stage::Connect => Fault::timed_out(limit, format_args!("connecting to {}:{}", url.host, url.port)),
            Stage::Tls => Fault::timed_out(limit, format_args!("waiting for the TLS handshake with {}", url.host)),
            Stage::Answer => Fault::timed_out(limit, "waiting for the answer"),
            Stage::Body => Fault::timed_out(limit, format_args!("reading the body ({} bytes so far)", self.body_bytes)),
        }
    }

    fn conclude(mut self, outcome: Result<(), Fault>) -> Observation {
        let certificate = self.leaf.as_ref().and_then(Leaf::certificate);
        if let Some(certificate) = &certificate {
            certificate.tell(self.probe.tls.now(), &mut self.facts);
        }
        if let Some(version) = self.tls_version {
            self.facts.set_text(FactKey::TlsVersion, version);
        }
        if matches!(self.stage, Stage::Body) {
            self.facts.set(FactKey::HttpBytes, i64::try_from(self.body_bytes).unwrap_or(i64::MAX));
        }
        let mut observation = match (outcome, certificate) {
            (Err(fault), _) => fault.into(),
            (Ok(()), Some(certificate)) => self.judge_certificate(&certificate),
            (Ok(()), None) => Observation::up(),
        };
        observation.facts = self.facts;
        echo::cut_out(&mut observation, &self.plan.first);
        observation.phases = Phases { total_us: Some(phase_us(self.attempt.elapsed_us())), ..self.phases };
        observation
    }

    fn judge_certificate(&self, certificate: &Certificate) -> Observation {
        let now = self.probe.tls.now();
        if self.plan.warning_days.is_none_or(|days| !certificate.ends_within(days, now)) {
            return Observation::up();
        }
        let on = certificate.last_day();
        let message = match certificate.days_left(now) {
            ..=0 => format!("certificate expires in less than a day (on {on})"),
            1 => format!("certificate expires in 1 day (on {on})"),
            days => format!("certificate expires in {days} days (on {on})"),
        };
        Observation { verdict: Verdict::Degraded, failure: Some(Failure::Assertion), message, ..Observation::up() }
    }
}

fn too_large(what: &str, most: u64) -> Fault {
    let words = format!("the body {what}, but at most {most} bytes are read; raise `maxBody` to read it");
    Fault::new(Failure::Protocol, words)
}

/// Adds to a phase: redirects make several of one.
fn add(phase: &mut Option<u32>, us: u64) {
    *phase = Some(phase.unwrap_or(0).saturating_add(phase_us(us)));
}
