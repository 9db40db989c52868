//! What is told about a server's certificate. All of it comes from the target: hostile text, never trusted.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use x509_parser::extensions::GeneralName;
use x509_parser::parse_x509_certificate;

use crate::model::{FactKey, Facts, UnixMicros};

const DAY_S: i64 = 86_400;
const SECOND_US: i64 = 1_000_000;

/// Names that are read of one certificate.
const MOST_NAMES: usize = 8;

/// The parts of a certificate (X.509, RFC 5280) that people want to know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Certificate {
    /// First second of validity, since 1970.
    pub not_before_s: i64,
    /// Last second of validity, since 1970.
    pub not_after_s: i64,
    /// Whose it is.
    pub subject: String,
    /// Who signed it.
    pub issuer: String,
    /// Host names and addresses it is for, at most eight.
    pub names: Vec<String>,
}

impl Certificate {
    /// Reads a certificate in DER; none where it is not one.
    #[must_use]
    pub fn parse(der: &[u8]) -> Option<Self> {
        let (_, parsed) = parse_x509_certificate(der).ok()?;
        let names = parsed.subject_alternative_name().ok().flatten().map_or_else(Vec::new, |extension| {
            extension.value.general_names.iter().filter_map(name_of).take(MOST_NAMES).collect()
        });
        Some(Self {
            not_before_s: parsed.validity().not_before.timestamp(),
            not_after_s: parsed.validity().not_after.timestamp(),
            subject: parsed.subject().to_string(),
            issuer: parsed.issuer().to_string(),
            names,
        })
    }

    /// Whole days of validity left; negative once it has ended, so that the first day after is -1.
    #[must_use]
    pub fn days_left(&self, now: UnixMicros) -> i64 {
        (self.not_after_s - now.micros() / SECOND_US).div_euclid(DAY_S)
    }

    /// Whether it ends within `days` from now.
    #[must_use]
    pub fn ends_within(&self, days: i64, now: UnixMicros) -> bool {
        self.not_after_s < (now.micros() / SECOND_US).saturating_add(days.saturating_mul(DAY_S))
    }

    /// Whether it names itself as its issuer.
    #[must_use]
    pub fn is_self_signed(&self) -> bool {
        self.subject == self.issuer
    }

    /// The day it ends, in UTC: `2026-11-23`.
    #[must_use]
    pub fn last_day(&self) -> String {
        day_of(self.not_after_s)
    }

    /// The day it begins, in UTC.
    #[must_use]
    pub fn first_day(&self) -> String {
        day_of(self.not_before_s)
    }

    /// Writes down what is known.
    pub fn tell(&self, now: UnixMicros, facts: &mut Facts) {
        facts.set_time(FactKey::TlsExpires, time_of(self.not_after_s));
        facts.set(FactKey::TlsDaysLeft, self.days_left(now));
        facts.set_text(FactKey::TlsIssuer, &self.issuer);
        facts.set_text(FactKey::TlsSubject, &self.subject);
    }
}

fn time_of(seconds: i64) -> UnixMicros {
    UnixMicros::new(seconds.saturating_mul(SECOND_US))
}

fn day_of(seconds: i64) -> String {
    time_of(seconds).timestamp().strftime("%Y-%m-%d").to_string()
}

fn name_of(name: &GeneralName<'_>) -> Option<String> {
    match name {
        GeneralName::DNSName(name) => Some((*name).to_owned()),
        GeneralName::IPAddress(bytes) => {
            let ip: IpAddr = if let Ok(v4) = <[u8; 4]>::try_from(*bytes) {
                Ipv4Addr::from(v4).into()
            } else {
                Ipv6Addr::from(<[u8; 16]>::try_from(*bytes).ok()?).into()
            };
            Some(ip.to_string())
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ending_at(not_after_s: i64) -> Certificate {
        Certificate {
            not_before_s: 0,
            not_after_s,
            subject: "CN=a".to_owned(),
            issuer: "CN=b".to_owned(),
            names: Vec::new(),
        }
    }

    #[test]
    fn days_are_whole_days() {
        let now = UnixMicros::new(1_000 * DAY_S * SECOND_US);
        assert_eq!(ending_at(1_000 * DAY_S).days_left(now), 0);
        assert_eq!(ending_at(1_002 * DAY_S - 1).days_left(now), 1);
        assert_eq!(ending_at(1_000 * DAY_S - 1).days_left(now), -1);
        assert_eq!(ending_at(1_000 * DAY_S).last_day(), "1972-09-27");
    }

    #[test]
    fn the_warning_begins_exactly_its_days_before_the_end() {
        let now = UnixMicros::new(1_000 * DAY_S * SECOND_US);
        assert!(!ending_at(1_030 * DAY_S).ends_within(30, now));
        assert!(ending_at(1_030 * DAY_S - 1).ends_within(30, now));
    }

    #[test]
    fn what_is_no_certificate_gives_nothing() {
        assert_eq!(Certificate::parse(b""), None);
        assert_eq!(Certificate::parse(&[0x30, 0x82, 0xff, 0xff, 0x30]), None);
    }

    #[test]
    fn names_and_dates_are_read() {
        let key = rcgen::KeyPair::generate().expect("a key");
        let mut params = rcgen::CertificateParams::new(["nas.lan".to_owned(), "10.0.0.1".to_owned()]).expect("names");
        params.not_after = rcgen::date_time_ymd(2030, 1, 2);
        let made = params.self_signed(&key).expect("a certificate");
        let read = Certificate::parse(made.der()).expect("reads");
        assert_eq!(read.names, ["nas.lan", "10.0.0.1"]);
        assert_eq!(read.last_day(), "2030-01-02");
        assert!(read.is_self_signed());
    }
}
