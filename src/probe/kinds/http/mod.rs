//! Kind `http`: one GET with a new connection, as a stranger would make it, and what is told about the answer. The
//! answer is hostile: its head, its body and its time are bounded, nothing of it is kept but a few cleaned facts.
//!
//! - this file: the settings
//! - `request`: what is sent, and what of it survives a redirect
//! - `url`: addresses, and where redirects lead
//! - `basic_auth`: user information of an address as a header
//! - `echo`: servers that repeat a password
//! - `exchange`: one request and its answer on one connection
//! - `probe`: one check from the name's look-up to the verdict

mod basic_auth;
mod echo;
mod exchange;
mod probe;
mod request;
mod url;

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use self::probe::HttpProbe;
use self::request::Plan;
use self::url::Url;
use crate::model::{FieldError, FieldKind, FieldSpec};
use crate::probe::{MonitorKind, Probe, ProbeEnv};
use crate::secret::SecretText;

const EXPECTED_STATUS: u16 = 200;
const WARNING_DAYS: i64 = 30;
const MAX_BODY: u64 = 10 * 1024 * 1024;

/// Settings of an `http` monitor.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Http {
    /// What is asked for: `http` or `https`; user information becomes basic authentication.
    pub url: SecretText,
    /// The status of a good answer.
    #[serde(default = "expected_status")]
    pub expected_status: u16,
    /// What is sent besides; keys keep their case.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, SecretText>,
    /// From how many days before its end a certificate needs care; 0 means 30, a negative number never.
    #[serde(default = "warning_days")]
    pub ssl_cert_expiry_warning_days: i64,
    /// Longest body that is read, in bytes.
    #[serde(default = "max_body")]
    pub max_body: u64,
}

fn expected_status() -> u16 {
    EXPECTED_STATUS
}

fn warning_days() -> i64 {
    WARNING_DAYS
}

fn max_body() -> u64 {
    MAX_BODY
}

/// Without user information, query and the values of headers: all can be secret.
impl fmt::Debug for Http {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Http")
            .field("url", &self.target())
            .field("expected_status", &self.expected_status)
            .field("headers", &self.headers.keys())
            .field("ssl_cert_expiry_warning_days", &self.ssl_cert_expiry_warning_days)
            .field("max_body", &self.max_body)
            .finish()
    }
}

impl MonitorKind for Http {
    const ID: &'static str = "http";
    const FIELDS: &'static [FieldSpec] = &[
        FieldSpec {
            key: "url",
            kind: FieldKind::Text,
            required: true,
            default: None,
            doc: "The http or https address to get; `user:password@` before the host becomes basic authentication. The \
                  query (from `?` on) is sent and never shown.",
        },
        FieldSpec {
            key: "expectedStatus",
            kind: FieldKind::Integer { min: 100, max: 599 },
            required: false,
            default: Some("200"),
            doc: "The status code of a good answer; redirects are followed (at most 4) unless it is one of a redirect.",
        },
        FieldSpec {
            key: "headers",
            kind: FieldKind::TextMap,
            required: false,
            default: None,
            doc: "Headers to send, `Host` and `User-Agent` among them; a redirect to another host, port or scheme gets \
                  only `User-Agent` and the `Accept` ones.",
        },
        FieldSpec {
            key: "sslCertExpiryWarningDays",
            kind: FieldKind::Integer { min: -36_500, max: 36_500 },
            required: false,
            default: Some("30"),
            doc: "How many days before its certificate ends a server counts as degraded; 0 means 30, a negative \
                  number never.",
        },
        FieldSpec {
            key: "maxBody",
            kind: FieldKind::Integer { min: 1, max: 1 << 40 },
            required: false,
            default: Some("10485760"),
            doc: "The longest body of an answer, in bytes; a longer one makes the check fail.",
        },
    ];

    fn validate(&self) -> Result<(), Vec<FieldError>> {
        Plan::new(self).map(drop)
    }

    fn target(&self) -> String {
        let text = self.url.trim();
        match Url::parse(text) {
            Ok((url, _)) => url.to_string(),
            // Nothing that may be user information or a query is shown; an `@` can stand in both.
            Err(_) => {
                let (head, rest) = text.split_at(text.find(['?', '#']).unwrap_or(text.len()));
                let head = head.rsplit_once('@').map_or(head, |(_, rest)| rest);
                if rest.contains('@') { String::new() } else { head.to_owned() }
            }
        }
    }

    fn probe(&self, env: &ProbeEnv) -> Box<dyn Probe> {
        Box::new(HttpProbe::new(self, env))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn http(settings: serde_json::Value) -> Http {
        serde_json::from_value(settings).expect("settings")
    }

    #[test]
    fn only_the_url_is_needed() {
        let http = http(json!({"url": "http://nas"}));
        assert_eq!(http.validate(), Ok(()));
        assert_eq!((http.expected_status, http.ssl_cert_expiry_warning_days), (200, 30));
        assert_eq!(http.max_body, 10 * 1024 * 1024);
        let back: Http = serde_json::from_value(serde_json::to_value(&http).expect("json")).expect("reads back");
        assert_eq!(back, http);
    }

    #[test]
    fn secrets_are_not_shown() {
        let http = http(json!({
            "url": "https://user:geheim@nas:8443/status?a=geheim",
            "headers": {"X-Api-Key": "geheim"},
        }));
        assert_eq!(http.target(), "https://nas:8443/status?…");
        assert!(!format!("{http:?}").contains("geheim"));
        let env = ProbeEnv::new(std::sync::Arc::new(crate::clock::SystemClock));
        assert!(!format!("{:?}", http.probe(&env)).contains("geheim"));
        for url in ["htp//user:geheim@nas?a=geheim", "htp//nas?a=b@geheim", "htp//u:?geheim@nas", "htp//u:a?b@geheim"] {
            assert!(!self::http(json!({"url": url})).target().contains("geheim"), "{url}");
        }
    }

    #[test]
    fn all_faults_are_told_at_once() {
        let http = http(json!({
            "url": "ftp://nas",
            "headers": {"Bad Name": "x", "X-Line": "a\r\nInjected: b", "Content-Length": "5"},
        }));
        let errors = http.validate().expect_err("faults");
        let text = errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n");
        assert_eq!(errors.len(), 4, "{text}");
        for part in ["http or https", "Bad Name", "X-Line", "Content-Length"] {
            assert!(text.contains(part), "{text}");
        }
        assert!(!text.contains("Injected"), "values are not repeated: {text}");
    }
}
