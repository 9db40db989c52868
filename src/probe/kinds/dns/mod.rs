//! Kind `dns`: asks one name server itself, and never this machine's resolver, hosts file or search domains.
//!
//! `mod.rs` holds the settings, `server.rs` reads whom to ask. `run.rs` checks and judges, `question.rs` and
//! `answer.rs` know the messages, `exchange.rs` gets an answer over UDP and TCP.

mod answer;
mod exchange;
mod question;
mod run;
mod server;

use hickory_proto::rr::RecordType;
use serde::{Deserialize, Serialize};

use self::question::Question;
use self::run::{DnsProbe, Impossible};
use self::server::Server;
use crate::model::{FieldError, FieldKind, FieldSpec};
use crate::probe::net::Lookup;
use crate::probe::{MonitorKind, Probe, ProbeEnv};

/// Settings of a `dns` monitor.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Dns {
    /// Name server: address or name, with or without a port.
    pub target: String,
    /// Port of the server where `target` has none.
    #[serde(default = "default_port")]
    pub port: i64,
    /// Name that is asked for.
    pub query: String,
    /// Type of the records that are asked for, in any case.
    #[serde(default = "default_type")]
    pub query_type: String,
    /// One answer must be this; any answer will do where it is not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expected_response: Option<String>,
}

fn default_port() -> i64 {
    53
}

fn default_type() -> String {
    "A".to_owned()
}

impl MonitorKind for Dns {
    const ID: &'static str = "dns";
    const FIELDS: &'static [FieldSpec] = &[
        FieldSpec {
            key: "target",
            kind: FieldKind::Text,
            required: true,
            default: None,
            doc: "Name server to ask: `ip`, `ip:port`, `[v6]:port`, a bare IPv6 address, `name` or `name:port`.",
        },
        FieldSpec {
            key: "port",
            kind: FieldKind::Integer { min: 1, max: 65_535 },
            required: false,
            default: Some("53"),
            doc: "Port of the name server where `target` names none.",
        },
        FieldSpec {
            key: "query",
            kind: FieldKind::Text,
            required: true,
            default: None,
            doc: "Name to ask for, always taken as complete; for `PTR` it may be an IP address.",
        },
        FieldSpec {
            key: "queryType",
            kind: FieldKind::Choice(question::TYPES),
            required: false,
            default: Some("A"),
            doc: "Type of the records to ask for; only these and the aliases that lead to them count.",
        },
        FieldSpec {
            key: "expectedResponse",
            kind: FieldKind::Text,
            required: false,
            default: None,
            doc: "One answer must be this, such as `10.0.0.9` or `10 mail.example.`; names match in any case.",
        },
    ];

    fn validate(&self) -> Result<(), Vec<FieldError>> {
        let faults: Vec<_> =
            [self.server().err(), self.record_type().err(), self.name().err()].into_iter().flatten().collect();
        if faults.is_empty() { Ok(()) } else { Err(faults) }
    }

    fn target(&self) -> String {
        let port = if self.port == default_port() { String::new() } else { format!(" port {}", self.port) };
        format!("{} {} @{}{port}", self.query_type.trim().to_ascii_uppercase(), self.query.trim(), self.target.trim())
    }

    fn probe(&self, env: &ProbeEnv) -> Box<dyn Probe> {
        match self.question().and_then(|question| Ok((question, self.server()?))) {
            Ok((question, server)) => {
                let expected = self.expected_response.clone().filter(|expected| !expected.trim().is_empty());
                Box::new(DnsProbe { server, question, expected, lookup: Lookup::shared(env) })
            }
            Err(fault) => Box::new(Impossible { why: fault.to_string() }),
        }
    }
}

impl Dns {
    fn server(&self) -> Result<Server, FieldError> {
        Server::parse(&self.target, self.port)
    }

    fn record_type(&self) -> Result<RecordType, FieldError> {
        question::record_type(&self.query_type).ok_or_else(|| {
            let allowed = question::TYPES.join(", ");
            let what = format!("unsupported DNS query type: {}; must be one of {allowed}", self.query_type.trim());
            FieldError::new("queryType", what)
        })
    }

    fn name(&self) -> Result<hickory_proto::rr::Name, FieldError> {
        if self.query.trim().is_empty() {
            return Err(FieldError::new("query", "DNS monitor requires query"));
        }
        // With a wrong type, which is told by itself, the name is checked as for the default.
        let record_type = self.record_type().unwrap_or(RecordType::A);
        question::name(&self.query, record_type).map_err(|what| FieldError::new("query", what))
    }

    fn question(&self) -> Result<Question, FieldError> {
        Question::new(self.name()?, self.record_type()?).map_err(|what| FieldError::new("query", what))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(settings: serde_json::Value) -> Dns {
        serde_json::from_value(settings).expect("has the right types")
    }

    fn faults(settings: serde_json::Value) -> Vec<String> {
        read(settings).validate().err().unwrap_or_default().iter().map(ToString::to_string).collect()
    }

    #[test]
    fn defaults_are_those_of_the_fields() {
        let dns = read(json!({"target": "10.0.0.1", "query": "a.example"}));
        assert_eq!(dns.validate(), Ok(()));
        for (key, value) in [("port", dns.port.to_string()), ("queryType", dns.query_type.clone())] {
            let field = Dns::FIELDS.iter().find(|field| field.key == key).expect("is a field");
            assert_eq!(field.default, Some(value.as_str()));
        }
        assert_eq!(read(serde_json::to_value(&dns).expect("writes")), dns);
        assert_eq!(dns.target(), "A a.example @10.0.0.1");
    }

    #[test]
    fn every_fault_is_told_with_its_field() {
        assert_eq!(
            faults(json!({"target": "", "query": " ", "queryType": "ANY"})),
            [
                "target: DNS monitor requires target",
                "queryType: unsupported DNS query type: ANY; must be one of A, AAAA, CNAME, MX, TXT, NS, PTR, SRV, SOA, CAA",
                "query: DNS monitor requires query",
            ]
        );
        let good = |change: serde_json::Value| {
            let mut settings = json!({"target": "10.0.0.1", "query": "a.example"});
            settings.as_object_mut().expect("object").extend(change.as_object().expect("object").clone());
            faults(settings)
        };
        assert!(good(json!({"target": "[::1"}))[0].starts_with("target: invalid DNS target: "));
        assert!(good(json!({"target": "10.0.0.1:x"}))[0].starts_with("target: invalid port: x"));
        assert!(good(json!({"port": 0}))[0].starts_with("port: invalid port: 0"));
        assert!(good(json!({"query": "a..b"}))[0].starts_with("query: "));
        assert_eq!(good(json!({"queryType": "aaaa"})), Vec::<String>::new());
        assert_eq!(good(json!({"queryType": "PTR", "query": "10.0.0.9"})), Vec::<String>::new());
    }
}
