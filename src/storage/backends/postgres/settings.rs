//! The settings of the `postgres` backend.

use std::fmt;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::model::{FieldError, FieldKind, FieldSpec};
use crate::secret::SecretText;
use crate::storage::Length;

/// How the connection is protected, as libpq calls it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SslMode {
    /// Never.
    #[default]
    Disable,
    /// Where the server insists.
    Allow,
    /// Where the server can.
    Prefer,
    /// Always, whoever the server is.
    Require,
    /// Always, and its certificate comes from a known authority.
    VerifyCa,
    /// The same, and it is made out to the host.
    VerifyFull,
}

impl SslMode {
    /// Whether the certificate is looked at.
    #[must_use]
    pub fn verifies(self) -> bool {
        matches!(self, Self::VerifyCa | Self::VerifyFull)
    }
}

/// Settings of the `postgres` backend.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Postgres {
    /// Name or address of the server; a path that starts with `/` is the folder of its socket.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// The database.
    pub database: String,
    /// Who logs in.
    pub user: String,
    /// The password; empty for none.
    pub password: SecretText,
    /// How the connection is protected.
    pub sslmode: SslMode,
    /// Certificates of authorities, in PEM, besides the system's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ca_file: Option<PathBuf>,
    /// Where the tables are.
    pub schema: String,
    /// Connections that stay open.
    pub pool_min: u32,
    /// Most connections.
    pub pool_max: u32,
    /// Longest wait for a connection.
    pub acquire_timeout: Length,
    /// A connection that nobody uses for so long is closed.
    pub idle_timeout: Length,
    /// A connection older than that is replaced.
    pub max_lifetime: Length,
    /// Longest time of one statement.
    pub statement_timeout: Length,
    /// What the server shows this connection as.
    pub application_name: String,
    /// Read replicas, `host` or `host:port`, with commas between them; empty for none.
    pub replicas: String,
    /// HallMonitor's old switch; read and not used.
    #[serde(skip_serializing)]
    pub enable_timescale: bool,
}

impl Default for Postgres {
    fn default() -> Self {
        Self {
            host: "localhost".to_owned(),
            port: 5432,
            database: "hallmonitor".to_owned(),
            user: "hallmonitor".to_owned(),
            password: SecretText::default(),
            sslmode: SslMode::Disable,
            ca_file: None,
            schema: "hallmonitor".to_owned(),
            pool_min: 0,
            pool_max: 4,
            acquire_timeout: Length::seconds(10),
            idle_timeout: Length::seconds(300),
            max_lifetime: Length::seconds(3_600),
            statement_timeout: Length::seconds(30),
            application_name: "hallmonitor".to_owned(),
            replicas: String::new(),
            enable_timescale: false,
        }
    }
}

impl fmt::Debug for Postgres {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Never the password.
        f.debug_struct("Postgres").field("contact", &self.address()).finish_non_exhaustive()
    }
}

const fn field(key: &'static str, kind: FieldKind, default: Option<&'static str>, doc: &'static str) -> FieldSpec {
    FieldSpec { key, kind, required: false, default, doc }
}

const fn length(min_ms: u64, max_ms: u64) -> FieldKind {
    FieldKind::Duration { min_ms, max_ms }
}

const HOUR_MS: u64 = 3_600_000;
/// Longest identifier of the server, in bytes.
const NAME_BYTES: usize = 63;

/// Every setting.
pub(super) const FIELDS: &[FieldSpec] = &[
    field("host", FieldKind::Text, Some("localhost"), "Host of the server, or the folder of its socket."),
    field("port", FieldKind::Integer { min: 1, max: 65_535 }, Some("5432"), "Port of the server."),
    field("database", FieldKind::Text, Some("hallmonitor"), "Name of the database; it must be there."),
    field("user", FieldKind::Text, Some("hallmonitor"), "Who logs in."),
    field("password", FieldKind::Secret, None, "The password: `${secret:NAME}` keeps it out of the file."),
    field(
        "sslmode",
        FieldKind::Choice(&["disable", "allow", "prefer", "require", "verify-ca", "verify-full"]),
        Some("disable"),
        "How the connection is protected; use `verify-full` over any network that is not your own.",
    ),
    field(
        "caFile",
        FieldKind::Path,
        None,
        "Certificates (PEM) of the authority that signed the server's, for `verify-ca` and `verify-full`.",
    ),
    field("schema", FieldKind::Text, Some("hallmonitor"), "Schema of the tables; made where it is missing."),
    field("poolMin", FieldKind::Integer { min: 0, max: 100 }, Some("0"), "Connections that stay open."),
    field("poolMax", FieldKind::Integer { min: 1, max: 100 }, Some("4"), "Most connections at the same time."),
    field("acquireTimeout", length(100, HOUR_MS), Some("10s"), "Longest wait for a connection."),
    field("idleTimeout", length(1_000, 24 * HOUR_MS), Some("5m"), "An unused connection is closed after so long."),
    field("maxLifetime", length(10_000, 168 * HOUR_MS), Some("1h"), "A connection is replaced after so long."),
    field("statementTimeout", length(100, HOUR_MS), Some("30s"), "Longest time of one statement on the server."),
    field("applicationName", FieldKind::Text, Some("hallmonitor"), "What the server's lists show the connections as."),
    field(
        "replicas",
        FieldKind::Text,
        None,
        "Read replicas for history, `host` or `host:port` with commas; the server itself answers where they lag.",
    ),
    field(
        "enableTimescale",
        FieldKind::Toggle,
        Some("false"),
        "Has no effect: TimescaleDB is used by itself where the database has the extension.",
    ),
];

impl Postgres {
    /// `host:port/database/schema`.
    pub(super) fn address(&self) -> String {
        format!("{}:{}/{}/{}", self.host, self.port, self.database, self.schema)
    }

    /// The replicas: host and port.
    pub(super) fn replica_addresses(&self) -> Result<Vec<(String, u16)>, String> {
        self.replicas.split(',').map(str::trim).filter(|one| !one.is_empty()).map(|one| self.replica(one)).collect()
    }

    fn replica(&self, text: &str) -> Result<(String, u16), String> {
        let fault = || format!("`{text}` is no `host` or `host:port`");
        let (host, port) = match text.strip_prefix('[') {
            Some(rest) => {
                let (host, port) = rest.split_once(']').ok_or_else(fault)?;
                (host, port.strip_prefix(':'))
            }
            None if text.matches(':').count() > 1 => (text, None),
            None => text.split_once(':').map_or((text, None), |(host, port)| (host, Some(port))),
        };
        let port = match port {
            Some(port) => port.parse().ok().filter(|port| *port > 0).ok_or_else(fault)?,
            None => self.port,
        };
        if host.is_empty() { Err(fault()) } else { Ok((host.to_owned(), port)) }
    }

    /// Every fault of the settings.
    pub(super) fn faults(&self) -> Vec<FieldError> {
        let mut faults = Vec::new();
        let mut fault = |key, what: String| faults.push(FieldError::new(key, what));
        for (key, text) in [("host", &self.host), ("user", &self.user)] {
            if text.trim().is_empty() || text.contains('\0') {
                fault(key, "must not be empty".to_owned());
            }
        }
        if self.host.contains("://") || (self.host.contains('/') && !self.host.starts_with('/')) {
            fault("host", "must be a name or an address alone, without a scheme, a port or a path".to_owned());
        }
        for (key, text) in [("database", &self.database), ("schema", &self.schema)] {
            if text.is_empty() || text.len() > NAME_BYTES || text.contains('\0') {
                fault(key, format!("must be 1 to {NAME_BYTES} bytes long"));
            }
        }
        if self.schema.starts_with("pg_") || self.schema == "information_schema" {
            fault("schema", "belongs to the server; name one of your own, such as `hallmonitor`".to_owned());
        }
        if self.application_name.len() > NAME_BYTES || !self.application_name.bytes().all(|b| (32..127).contains(&b)) {
            fault("applicationName", format!("must be at most {NAME_BYTES} printable ASCII characters"));
        }
        if self.port == 0 {
            fault("port", "must be from 1 to 65535".to_owned());
        }
        if self.pool_max == 0 {
            fault("poolMax", "must be at least 1".to_owned());
        }
        if self.pool_min > self.pool_max {
            fault("poolMin", format!("must not be above `poolMax`, which is {}", self.pool_max));
        }
        if self.password.contains('\0') {
            fault("password", "must not hold a zero character".to_owned());
        }
        if self.ca_file.is_some() && !self.sslmode.verifies() {
            fault("caFile", "is used with `sslmode: verify-ca` and `verify-full` only; set one of them".to_owned());
        }
        if let Err(what) = self.replica_addresses() {
            fault("replicas", what);
        }
        faults
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(settings: serde_json::Value) -> Postgres {
        serde_json::from_value(settings).expect("has the right types")
    }

    #[test]
    fn defaults_are_those_of_the_fields() {
        let mut object = serde_json::Map::new();
        for field in FIELDS {
            let Some(default) = field.default else { continue };
            let value = match field.kind {
                FieldKind::Integer { .. } => json!(default.parse::<i64>().expect("a number")),
                FieldKind::Toggle => json!(default == "true"),
                _ => json!(default),
            };
            object.insert(field.key.to_owned(), value);
        }
        assert_eq!(read(serde_json::Value::Object(object)), Postgres::default());
        assert_eq!(read(json!({})), Postgres::default());
        assert!(Postgres::default().faults().is_empty());
    }

    #[test]
    fn every_fault_is_told() {
        let wrong = read(json!({
            "host": "x://h", "user": " ", "database": "", "schema": "pg_mine", "poolMin": 5, "poolMax": 2, "caFile": "ca.pem",
            "replicas": "a:b", "applicationName": "ä", "port": 0,
        }));
        let keys: Vec<_> = wrong.faults().iter().map(|fault| fault.key).collect();
        assert_eq!(
            keys,
            ["user", "host", "database", "schema", "applicationName", "port", "poolMin", "caFile", "replicas"]
        );
    }

    #[test]
    fn replicas_are_read_in_every_form() {
        let replicas = |text: &str| read(json!({"replicas": text, "port": 5433})).replica_addresses();
        let expected = [("a".to_owned(), 5433), ("b.lan".to_owned(), 1), ("::1".to_owned(), 5433)];
        assert_eq!(replicas(" a, b.lan:1 ,::1,").expect("reads"), expected);
        assert_eq!(replicas("[::1]:7").expect("reads"), [("::1".to_owned(), 7)]);
        for wrong in ["a:0", "a:b", ":5", "[::1", "a:99999"] {
            replicas(wrong).expect_err(wrong);
        }
    }

    #[test]
    fn the_password_is_never_shown() {
        let settings = read(json!({"password": "hunter2", "user": "somebody"}));
        assert!(!format!("{settings:?}").contains("hunter2"));
        assert_eq!(settings.address(), "localhost:5432/hallmonitor/hallmonitor");
    }
}
