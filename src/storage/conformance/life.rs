//! Results of all four kinds that look like life, and how much there is to know about each: its entropy.
//!
//! Round trips and phases are log-normal in µs, starts are late by an exponential time, one check in a hundred fails in
//! one of five ways. Everything else is what a monitor says again and again.

use super::fixture::{Fixture, JITTER_US, MEDIAN_US, SIGMA};
use crate::model::{CheckResult, FactKey, MonitorId, Phases, UnixMicros};

/// A kind of monitor, as lively as the real one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LifeKind {
    /// One duration.
    Tcp,
    /// One duration.
    Dns,
    /// Three requests, and their statistics.
    Ping,
    /// Five phases and a body of changing length.
    Http,
}

/// Medians of name, connect, TLS, first byte and body of an HTTP check, µs.
const HTTP_PHASES_US: [f64; 5] = [2_000.0, 10_000.0, 20_000.0, 40_000.0, 5_000.0];
/// Lengths that a body has.
const BODIES: u64 = 400;
/// Requests of a ping.
const REQUESTS: usize = 3;

#[allow(clippy::cast_precision_loss, clippy::cast_possible_wrap, reason = "small numbers")]
impl LifeKind {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Tcp, Self::Dns, Self::Ping, Self::Http];

    /// The word in the file.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Dns => "dns",
            Self::Ping => "ping",
            Self::Http => "http",
        }
    }

    /// Bits that a result of this kind has, given the schedule and the row before: the entropy of what is drawn for it,
    /// in whole microseconds. Differential entropies: Cover and Thomas, Elements of Information Theory, table 8.1
    /// (exponential: log2(e·mean)); log-normal: log2(median · σ · √(2πe)).
    #[must_use]
    pub fn entropy_bits(self) -> f64 {
        let log_normal =
            |median: f64| (median * SIGMA * (2.0 * std::f64::consts::PI * std::f64::consts::E).sqrt()).log2();
        let jitter = (std::f64::consts::E * JITTER_US).log2();
        let failing: f64 = 0.01;
        let verdict = -failing * failing.log2() - (1.0 - failing) * (1.0 - failing).log2() + failing * 5f64.log2();
        let values = match self {
            Self::Tcp | Self::Dns => log_normal(MEDIAN_US),
            // Three draws of which the order is not told.
            Self::Ping => REQUESTS as f64 * log_normal(MEDIAN_US) - 6f64.log2(),
            Self::Http => HTTP_PHASES_US.iter().map(|median| log_normal(*median)).sum::<f64>() + (BODIES as f64).log2(),
        };
        jitter + verdict + values
    }

    /// One result, for the slot of the schedule that begins at `slot`.
    pub fn result(self, chance: &mut Fixture, monitor: MonitorId, slot: UnixMicros, interval_us: u64) -> CheckResult {
        let late = chance.jitter_us().min(interval_us / 2);
        let mut result = chance.plain_result(monitor, slot.plus_us(late), interval_us);
        if chance.below(100) == 0 {
            result.duration_us = chance.round_trip_us();
            chance.fail(&mut result);
            return result;
        }
        match self {
            Self::Tcp => {
                result.duration_us = chance.round_trip_us();
                let whole = u32::try_from(result.duration_us).ok();
                result.phases = Phases { connect_us: whole, total_us: whole, ..Phases::default() };
                result.facts.set(FactKey::TcpPort, 443);
                result.facts.set(FactKey::TcpConnected, 1);
                result.facts.set_text(FactKey::Peer, "192.0.2.7:443");
            }
            Self::Dns => {
                result.duration_us = chance.round_trip_us();
                result.phases.total_us = u32::try_from(result.duration_us).ok();
                for (key, value) in [(FactKey::DnsRcode, 0), (FactKey::DnsAnswerCount, 1), (FactKey::DnsTtl, 300)] {
                    result.facts.set(key, value);
                }
                result.facts.set(FactKey::DnsBytes, 60);
                result.facts.set_text(FactKey::DnsAnswers, "192.0.2.7");
                result.facts.set_text(FactKey::DnsType, "A");
            }
            Self::Ping => ping(chance, &mut result),
            Self::Http => http(chance, &mut result),
        }
        result
    }
}

#[allow(clippy::cast_possible_wrap, clippy::cast_precision_loss, reason = "round trips are small")]
fn ping(chance: &mut Fixture, result: &mut CheckResult) {
    let mut trips = [0; REQUESTS];
    trips.fill_with(|| chance.round_trip_us());
    let mean = trips.iter().sum::<u64>() / REQUESTS as u64;
    let variance = trips.iter().map(|trip| (*trip as f64 - mean as f64).powi(2)).sum::<f64>() / REQUESTS as f64;
    result.duration_us = mean;
    let (least, most) = (trips.iter().min().copied(), trips.iter().max().copied());
    #[allow(clippy::cast_possible_truncation, reason = "smaller than the round trips")]
    let deviation = variance.sqrt() as i64;
    result.facts.set(FactKey::PingSent, REQUESTS as i64);
    result.facts.set(FactKey::PingReceived, REQUESTS as i64);
    result.facts.set(FactKey::PingMin, least.unwrap_or(0) as i64);
    result.facts.set(FactKey::PingAvg, mean as i64);
    result.facts.set(FactKey::PingMax, most.unwrap_or(0) as i64);
    result.facts.set(FactKey::PingStddev, deviation);
    result.facts.set_text(FactKey::PingMethod, "datagram");
}

#[allow(clippy::cast_possible_wrap, reason = "a body is short")]
fn http(chance: &mut Fixture, result: &mut CheckResult) {
    let [name, connect, tls, first_byte, body] = HTTP_PHASES_US.map(|median| chance.log_normal_us(median));
    result.duration_us = name + connect + tls + first_byte + body;
    let us = |value: u64| u32::try_from(value).ok();
    result.phases = Phases {
        name_us: us(name),
        connect_us: us(connect),
        tls_us: us(tls),
        first_byte_us: us(first_byte),
        total_us: us(result.duration_us),
    };
    result.facts.set(FactKey::HttpStatus, 200);
    result.facts.set(FactKey::HttpBytes, 5_000 + chance.below(BODIES) as i64);
    result.facts.set_text(FactKey::HttpVersion, "HTTP/1.1");
    result.facts.set_text(FactKey::Peer, "192.0.2.7:443");
    result.facts.set_time(FactKey::TlsExpires, UnixMicros::new(1_800_000_000_000_000));
}
