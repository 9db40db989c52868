//! Kind `tcp`: a connection can be made. It is closed at once; nothing is sent.

use std::net::SocketAddr;
use std::sync::Arc;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::model::{FactKey, Facts, Failure, FieldError, FieldKind, FieldSpec, Phases};
use crate::probe::net::{Fault, Host, Lookup, connect, phase_us, time_is_left};
use crate::probe::{Attempt, MonitorKind, Observation, Probe, ProbeEnv};

/// Settings of a `tcp` monitor.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Tcp {
    /// `host:port`, `ip:port`, `[ipv6]:port`, or the host alone with `port`.
    pub target: String,
    /// The port, where the target has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
}

/// Where to connect to.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Endpoint {
    host: Host,
    port: u16,
}

impl Tcp {
    fn endpoint(&self) -> Result<Endpoint, FieldError> {
        let target = self.target.trim();
        let wrong = |what: String| FieldError::new("target", what);
        if target.is_empty() {
            return Err(wrong("TCP monitor requires target: `host:port`, `[ipv6]:port`, or a host with `port`".into()));
        }
        if let Some((scheme, rest)) = target.split_once("://") {
            return Err(wrong(format!(
                "invalid target format: `{scheme}://` does not belong here; write `{}`",
                rest.trim_end_matches('/')
            )));
        }
        let (host, port) = split(target).map_err(wrong)?;
        let host = Host::parse(host).map_err(|error| wrong(format!("invalid target format: {error}")))?;
        let port = match (port, self.port) {
            (Some(text), key) => {
                let port = port_of(text).map_err(wrong)?;
                if let Some(key) = key.filter(|key| *key != port) {
                    let what = format!("port is {key} here and {port} in target; leave one of them out");
                    return Err(FieldError::new("port", what));
                }
                port
            }
            (None, Some(0)) => return Err(FieldError::new("port", "port must be between 1 and 65535, got 0")),
            (None, Some(port)) => port,
            (None, None) => {
                let what = format!("target must be in format 'host:port' or '[ipv6]:port', or `port` be given: {host}");
                return Err(wrong(what));
            }
        };
        Ok(Endpoint { host, port })
    }
}

/// Host and port of a target; no port where there is none.
fn split(target: &str) -> Result<(&str, Option<&str>), String> {
    if let Some(inner) = target.strip_prefix('[') {
        let Some(end) = inner.find(']') else {
            return Err("invalid IPv6 format, missing closing bracket".to_owned());
        };
        let (host, rest) = target.split_at(end + 2);
        return match (rest.is_empty(), rest.strip_prefix(':')) {
            (true, _) => Ok((host, None)),
            (_, Some(port)) => Ok((host, Some(port))),
            (false, None) => Err("invalid IPv6 format, missing port separator".to_owned()),
        };
    }
    // More than one colon is an IPv6 address without brackets: it cannot carry a port.
    match target.split_once(':') {
        Some((_, rest)) if rest.contains(':') => Ok((target, None)),
        Some((host, port)) => Ok((host, Some(port))),
        None => Ok((target, None)),
    }
}

fn port_of(text: &str) -> Result<u16, String> {
    let number: i64 = text.parse().map_err(|_| format!("invalid port number: `{text}` (allowed are 1 to 65535)"))?;
    u16::try_from(number)
        .ok()
        .filter(|port| *port != 0)
        .ok_or_else(|| format!("port must be between 1 and 65535, got {number}"))
}

impl MonitorKind for Tcp {
    const ID: &'static str = "tcp";
    const FIELDS: &'static [FieldSpec] = &[
        FieldSpec {
            key: "target",
            kind: FieldKind::Text,
            required: true,
            default: None,
            doc: "Where to connect to: `host:port`, `ip:port` or `[ipv6]:port`, or a host alone when `port` is given.",
        },
        FieldSpec {
            key: "port",
            kind: FieldKind::Integer { min: 1, max: 65_535 },
            required: false,
            default: None,
            doc: "The port to connect to when the target names none.",
        },
    ];

    fn validate(&self) -> Result<(), Vec<FieldError>> {
        self.endpoint().map(drop).map_err(|error| vec![error])
    }

    fn target(&self) -> String {
        self.endpoint().map_or_else(|_| self.target.clone(), |end| format!("{}:{}", end.host, end.port))
    }

    fn probe(&self, env: &ProbeEnv) -> Box<dyn Probe> {
        Box::new(TcpProbe { endpoint: self.endpoint(), lookup: Lookup::shared(env) })
    }
}

#[derive(Debug)]
struct TcpProbe {
    endpoint: Result<Endpoint, FieldError>,
    lookup: Arc<Lookup>,
}

/// One check, as far as it has come.
#[derive(Debug, Default)]
struct Progress {
    phases: Phases,
    looked_up: bool,
}

impl TcpProbe {
    async fn connect(
        &self,
        endpoint: &Endpoint,
        attempt: &Attempt,
        progress: &mut Progress,
    ) -> Result<SocketAddr, Fault> {
        let started = attempt.elapsed_us();
        let (connected, since) = match &endpoint.host {
            Host::Ip(ip) => {
                progress.looked_up = true;
                (connect(&[*ip], endpoint.port).await, started)
            }
            Host::Name(_) => {
                let addresses = self.lookup.addresses(&endpoint.host).await;
                let found = attempt.elapsed_us();
                progress.phases.name_us = Some(phase_us(found - started));
                progress.looked_up = true;
                let addresses = addresses?;
                time_is_left(attempt, &endpoint.host)?;
                (connect(&addresses, endpoint.port).await, found)
            }
        };
        let (stream, peer) = connected?;
        progress.phases.connect_us = Some(phase_us(attempt.elapsed_us().saturating_sub(since)));
        drop(stream);
        Ok(peer)
    }
}

#[async_trait]
impl Probe for TcpProbe {
    async fn run(&self, attempt: &Attempt) -> Observation {
        let endpoint = match &self.endpoint {
            Ok(endpoint) => endpoint,
            Err(error) => return Observation::failed(Failure::Internal, error.to_string()),
        };
        let mut progress = Progress::default();
        let connecting = self.connect(endpoint, attempt, &mut progress);
        let outcome = tokio::time::timeout(attempt.left(), connecting).await;
        let outcome = outcome.unwrap_or_else(|_| {
            Err(if progress.looked_up {
                let doing = format_args!("connecting to {}:{}", endpoint.host, endpoint.port);
                Fault::timed_out(attempt.timeout(), doing)
            } else {
                self.lookup.silent(&endpoint.host.to_string(), attempt.timeout())
            })
        });
        let mut facts = Facts::new();
        facts.set(FactKey::TcpPort, i64::from(endpoint.port));
        facts.set(FactKey::TcpConnected, i64::from(outcome.is_ok()));
        let mut observation = match outcome {
            Ok(peer) => {
                facts.set_text(FactKey::Peer, &peer.to_string());
                Observation::up()
            }
            Err(fault) => fault.into(),
        };
        observation.facts = facts;
        observation.phases = Phases { total_us: Some(phase_us(attempt.elapsed_us())), ..progress.phases };
        observation
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tcp(target: &str, port: Option<u16>) -> Tcp {
        Tcp { target: target.to_owned(), port }
    }

    #[test]
    fn every_way_to_write_a_target() {
        for (target, port, shown) in [
            ("nas.lan:22", None, "nas.lan:22"),
            (" 10.0.0.1:443 ", None, "10.0.0.1:443"),
            ("[::1]:80", None, "[::1]:80"),
            ("nas.lan", Some(22), "nas.lan:22"),
            ("10.0.0.1", Some(22), "10.0.0.1:22"),
            ("2001:db8::1", Some(22), "[2001:db8::1]:22"),
            ("[2001:db8::1]", Some(22), "[2001:db8::1]:22"),
            ("nas.lan:22", Some(22), "nas.lan:22"),
        ] {
            let tcp = tcp(target, port);
            assert_eq!(tcp.validate(), Ok(()), "{target}");
            assert_eq!(tcp.target(), shown);
        }
    }

    #[test]
    fn every_fault_says_what_is_allowed() {
        for (target, port, key, part) in [
            ("", None, "target", "requires target"),
            (":80", None, "target", "host cannot be empty"),
            ("nas.lan", None, "target", "'host:port' or '[ipv6]:port'"),
            ("2001:db8::1", None, "target", "'host:port' or '[ipv6]:port'"),
            ("nas.lan:", None, "target", "invalid port number"),
            ("nas.lan:http", None, "target", "invalid port number: `http`"),
            ("nas.lan:0", None, "target", "between 1 and 65535, got 0"),
            ("nas.lan:65536", None, "target", "got 65536"),
            ("nas.lan:-1", None, "target", "got -1"),
            ("[::1]:99999", None, "target", "got 99999"),
            ("[::1", None, "target", "missing closing bracket"),
            ("[::1]80", None, "target", "missing port separator"),
            ("[nas]:80", None, "target", "no IPv6 address"),
            ("tcp://nas:80/", None, "target", "write `nas:80`"),
            ("a b:80", None, "target", "invalid target format"),
            ("nas.lan:22", Some(23), "port", "22 in target"),
            ("nas.lan", Some(0), "port", "got 0"),
        ] {
            let errors = tcp(target, port).validate().expect_err(target);
            assert_eq!(errors[0].key, key, "{target}");
            assert!(errors[0].what.contains(part), "{target}: {}", errors[0].what);
        }
    }
}
