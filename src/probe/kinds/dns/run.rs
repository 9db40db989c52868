//! One check: find the server, ask it, judge what it says.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use hickory_proto::op::ResponseCode;

use super::answer::{self, Answer};
use super::exchange::{Exchange, Reply, says};
use super::question::Question;
use super::server::Server;
use crate::model::{FactKey, Facts, Failure, Phases};
use crate::probe::net::time_is_left;
use crate::probe::net::{Fault, Lookup, phase_us};
use crate::probe::{Attempt, Observation, Probe};

/// Answers are listed in facts and messages up to about so many bytes; texts are cut there anyway.
const LISTED_BYTES: usize = 512;

/// Checks by asking a server.
#[derive(Debug)]
pub(super) struct DnsProbe {
    pub(super) server: Server,
    pub(super) question: Question,
    pub(super) expected: Option<String>,
    pub(super) lookup: Arc<Lookup>,
}

/// Stands for a probe whose settings were never valid.
#[derive(Debug)]
pub(super) struct Impossible {
    pub(super) why: String,
}

#[async_trait]
impl Probe for Impossible {
    async fn run(&self, _attempt: &Attempt) -> Observation {
        Observation::failed(Failure::Internal, format!("the settings of this monitor cannot be used: {}", self.why))
    }
}

#[async_trait]
impl Probe for DnsProbe {
    async fn run(&self, attempt: &Attempt) -> Observation {
        let (mut phases, mut facts) = (Phases::default(), Facts::new());
        facts.set_text(FactKey::DnsType, &self.question.record_type().to_string());
        let mut observation = match self.checked(attempt, &mut phases, &mut facts).await {
            Ok(()) => Observation::up(),
            Err(fault) => fault.into(),
        };
        phases.total_us = Some(phase_us(attempt.elapsed_us()));
        observation.phases = phases;
        observation.facts = facts;
        observation
    }
}

impl DnsProbe {
    async fn checked(&self, attempt: &Attempt, phases: &mut Phases, facts: &mut Facts) -> Result<(), Fault> {
        let (server, reply) = self.ask(attempt, phases, facts).await?;
        facts.set_text(FactKey::DnsTransport, reply.transport.as_str());
        facts.set(FactKey::DnsBytes, number(reply.message.len()));
        let answer = answer::read(&self.question, &reply.message).map_err(|error| {
            Fault::new(Failure::Protocol, format!("the answer of {} cannot be read: {error}", says(server)))
        })?;
        self.judge(&answer, server, facts)
    }

    /// Asks the server. Where its name has several addresses and one cannot be reached or is silent for half of the
    /// time that is left, the next one, so that a dead family is no false alarm.
    async fn ask(
        &self,
        attempt: &Attempt,
        phases: &mut Phases,
        facts: &mut Facts,
    ) -> Result<(SocketAddr, Reply), Fault> {
        let addresses = self.addresses(attempt, phases).await?;
        let mut fault = Fault::new(Failure::Dns, "the name of the server has no address");
        for (n, address) in addresses.iter().enumerate() {
            let server = self.server.at(*address);
            facts.set_text(FactKey::Peer, &server.to_string());
            let shares = if n + 1 == addresses.len() { 1 } else { 2 };
            let until = attempt.now().plus_us(micros(attempt.left() / shares));
            let exchange = Exchange { question: &self.question, server, attempt, until };
            match exchange.ask(phases).await {
                Ok(reply) => return Ok((server, reply)),
                // What a target refused says more than a family that this machine does not have.
                Err(next) if matches!(next.failure, Failure::NoRoute | Failure::Permission) && n > 0 => {}
                Err(next) => fault = next,
            }
            let other_may_do =
                matches!(fault.failure, Failure::Connect | Failure::NoRoute | Failure::Permission | Failure::Timeout);
            if !other_may_do {
                break;
            }
        }
        Err(fault)
    }

    async fn addresses(&self, attempt: &Attempt, phases: &mut Phases) -> Result<Arc<[IpAddr]>, Fault> {
        let host = &self.server.host;
        let addresses = self.lookup.addresses_within(host, attempt.left()).await;
        if host.name().is_none() {
            return addresses;
        }
        phases.name_us = Some(phase_us(attempt.elapsed_us()));
        let addresses = addresses?;
        time_is_left(attempt, host)?;
        Ok(addresses)
    }

    fn judge(&self, answer: &Answer, server: SocketAddr, facts: &mut Facts) -> Result<(), Fault> {
        facts.set(FactKey::DnsRcode, u16::from(answer.code).into());
        facts.set(FactKey::DnsAuthoritative, answer.authoritative.into());
        facts.set(FactKey::DnsAnswerCount, number(answer.records.len()));
        if let Some(ttl) = answer.ttl_s {
            facts.set(FactKey::DnsTtl, ttl.into());
        }
        let mut listed = String::new();
        let mut found = false;
        for record in &answer.records {
            let text = answer::text(record);
            found =
                found || self.expected.as_ref().is_some_and(|expected| answer::is_expected(record, &text, expected));
            if listed.len() < LISTED_BYTES {
                listed.push_str(if listed.is_empty() { "" } else { ", " });
                listed.push_str(&text);
            }
        }
        facts.set_text(FactKey::DnsAnswers, &listed);
        if answer.code != ResponseCode::NoError {
            return Err(Fault::new(Failure::Dns, format!("{}, says {}", in_words(answer.code), says(server))));
        }
        if answer.records.is_empty() {
            return Err(Fault::new(Failure::Assertion, format!("no {} records found", self.question.record_type())));
        }
        match &self.expected {
            Some(expected) if !found => Err(Fault::new(
                Failure::Assertion,
                format!("expected response '{expected}' not found in answers: [{listed}]"),
            )),
            _ => Ok(()),
        }
    }
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

fn number(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// A response code as the IANA registry writes it, and what it means.
fn in_words(code: ResponseCode) -> String {
    let known = match code {
        ResponseCode::FormErr => "FORMERR: the server could not read the query",
        ResponseCode::ServFail => "SERVFAIL: the server failed to find an answer",
        ResponseCode::NXDomain => "NXDOMAIN: the name does not exist",
        ResponseCode::NotImp => "NOTIMP: the server does not know such queries",
        ResponseCode::Refused => "REFUSED: the server refuses to answer",
        ResponseCode::NotAuth => "NOTAUTH: the server has no authority for the name",
        ResponseCode::BADVERS | ResponseCode::BADSIG => "BADVERS: the server does not know this version of EDNS",
        other => return format!("response code {}", u16::from(other)),
    };
    known.to_owned()
}
