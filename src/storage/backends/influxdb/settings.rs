//! The settings of the `influxdb` backend.

use std::fmt;
use std::path::PathBuf;

use reqwest::Url;
use serde::{Deserialize, Serialize};

use crate::model::{FieldError, FieldKind, FieldSpec};
use crate::secret::SecretText;
use crate::storage::Length;

/// Settings of the `influxdb` backend.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct InfluxDb {
    /// Address of the server, with a path where a proxy has it under one.
    pub url: String,
    /// The token.
    pub token: SecretText,
    /// The organisation, by name.
    pub org: String,
    /// The bucket of results; the one of everything else has `_rollup` after its name.
    pub bucket: String,
    /// Certificates of authorities, in PEM, besides the system's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ca_file: Option<PathBuf>,
    /// A proxy on the way; empty takes what the environment says.
    pub proxy: String,
    /// Longest wait for a connection.
    pub connect_timeout: Length,
    /// Longest time of one request and its answer.
    pub timeout: Length,
}

impl Default for InfluxDb {
    fn default() -> Self {
        Self {
            url: "http://localhost:8086".to_owned(),
            token: SecretText::default(),
            org: "hallmonitor".to_owned(),
            bucket: "monitor_results".to_owned(),
            ca_file: None,
            proxy: String::new(),
            connect_timeout: Length::seconds(10),
            timeout: Length::seconds(30),
        }
    }
}

impl fmt::Debug for InfluxDb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Never the token.
        f.debug_struct("InfluxDb").field("contact", &self.place()).finish_non_exhaustive()
    }
}

const fn field(key: &'static str, kind: FieldKind, default: Option<&'static str>, doc: &'static str) -> FieldSpec {
    FieldSpec { key, kind, required: false, default, doc }
}

const LENGTH: FieldKind = FieldKind::Duration { min_ms: 100, max_ms: 3_600_000 };
/// Longest name of a bucket or an organisation, in bytes.
const NAME_BYTES: usize = 200;
/// What the bucket of everything but results is called after the bucket.
pub(super) const ROLLUP_SUFFIX: &str = "_rollup";

/// Every setting.
pub(super) const FIELDS: &[FieldSpec] = &[
    field(
        "url",
        FieldKind::Text,
        Some("http://localhost:8086"),
        "Address of the server, with the path where a proxy has it under one.",
    ),
    field("token", FieldKind::Secret, None, "The token: `${secret:NAME}` keeps it out of the file."),
    field("org", FieldKind::Text, Some("hallmonitor"), "Name of the organisation."),
    field(
        "bucket",
        FieldKind::Text,
        Some("monitor_results"),
        "Bucket of results; incidents, rollups and the like are in the one with `_rollup` after its name. Both are made where the token may.",
    ),
    field("caFile", FieldKind::Path, None, "Certificates (PEM) of the authority that signed the server's."),
    field(
        "proxy",
        FieldKind::Text,
        None,
        "Address of a proxy on the way to the server; `HTTP_PROXY`, `HTTPS_PROXY` and `NO_PROXY` otherwise.",
    ),
    field("connectTimeout", LENGTH, Some("10s"), "Longest wait for a connection."),
    field("timeout", LENGTH, Some("30s"), "Longest time of one request with its answer."),
];

impl InfluxDb {
    /// The bucket of rollups, incidents, gaps and what is remembered.
    #[must_use]
    pub fn rollup_bucket(&self) -> String {
        format!("{}{ROLLUP_SUFFIX}", self.bucket)
    }

    /// The address, as it can be used.
    pub(super) fn base(&self) -> Result<Url, String> {
        let url = Url::parse(self.url.trim()).map_err(|error| format!("is no address: {error}"))?;
        if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none() {
            return Err("must begin with http:// or https:// and name a host".to_owned());
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err("must not hold a user or password; `token` says who asks".to_owned());
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err("must end with the host, the port or a path".to_owned());
        }
        Ok(url)
    }

    /// Where the rows are: address, organisation and bucket, each of one spelling.
    pub(super) fn place(&self) -> String {
        let url = self.base().map_or_else(|_| self.url.clone(), |url| url.to_string());
        format!("{}/{}/{}", url.trim_end_matches('/'), self.org, self.bucket)
    }

    /// Every fault of the settings.
    pub(super) fn faults(&self) -> Vec<FieldError> {
        let mut faults = Vec::new();
        let mut fault = |key, what: String| faults.push(FieldError::new(key, what));
        if let Err(what) = self.base() {
            fault("url", what);
        }
        for (key, text) in [("org", &self.org), ("bucket", &self.bucket)] {
            if text.trim().is_empty() || text.len() > NAME_BYTES || text.chars().any(char::is_control) {
                fault(key, format!("must be 1 to {NAME_BYTES} bytes long, without control characters"));
            }
        }
        if self.bucket.starts_with('_') {
            fault("bucket", "must not begin with `_`: such buckets are the server's".to_owned());
        }
        if self.bucket.contains('/') {
            fault("bucket", "must not hold a slash: the name alone is meant".to_owned());
        }
        if self.bucket.contains('"') {
            fault("bucket", "must not hold a quotation mark: the server takes none".to_owned());
        }
        if !self.token.bytes().all(|byte| (0x21..0x7f).contains(&byte)) {
            fault("token", "must be printable ASCII without blanks, as the server shows it".to_owned());
        }
        if !self.proxy.is_empty() && reqwest::Proxy::all(&self.proxy).is_err() {
            fault("proxy", "is no address such as `http://proxy.lan:3128`".to_owned());
        }
        if self.ca_file.is_some() && self.base().is_ok_and(|url| url.scheme() == "http") {
            fault("caFile", "is used with an `url` that begins with https:// only".to_owned());
        }
        faults
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(settings: serde_json::Value) -> InfluxDb {
        serde_json::from_value(settings).expect("has the right types")
    }

    #[test]
    fn defaults_are_those_of_the_fields() {
        let defaults = FIELDS.iter().filter_map(|field| Some((field.key.to_owned(), json!(field.default?)))).collect();
        assert_eq!(read(serde_json::Value::Object(defaults)), InfluxDb::default());
        assert_eq!(read(json!({})), InfluxDb::default());
        assert!(InfluxDb::default().faults().is_empty());
    }

    #[test]
    fn every_fault_is_told() {
        let wrong = read(json!({"url": "ftp://a", "org": " ", "bucket": "_a\"", "token": "a b", "proxy": "::"}));
        let keys: Vec<_> = wrong.faults().iter().map(|fault| fault.key).collect();
        assert_eq!(keys, ["url", "org", "bucket", "bucket", "token", "proxy"]);
        for url in ["", "localhost:8086", "http://", "http://u:p@h", "http://h/?a=b", "http://h/#x", "http://h:99999"] {
            assert_eq!(read(json!({ "url": url })).faults().len(), 1, "{url}");
        }
        assert_eq!(read(json!({"caFile": "ca.pem"})).faults().len(), 1);
        assert!(read(json!({"caFile": "ca.pem", "url": "https://h/some/path/"})).faults().is_empty());
    }

    #[test]
    fn one_place_has_one_spelling_and_shows_no_token() {
        let one = read(json!({"url": "HTTP://Host:8086/", "token": "hunter2"}));
        let two = read(json!({"url": "http://host:8086"}));
        assert_eq!(one.place(), two.place());
        assert_eq!(one.place(), "http://host:8086/hallmonitor/monitor_results");
        assert!(!format!("{one:?}").contains("hunter2"));
    }
}
