//! What went wrong at the server or on the way to it, in the words of the storage seam.

use std::error::Error;
use std::io;

use rustls::CertificateError;

use super::schema::{grants, quoted};
use super::settings::Postgres;
use crate::model::clean_text;
use crate::storage::{BackendId, StoreError, StoreErrorKind};

/// The word in the file.
pub(super) const ID: BackendId = "postgres";
/// Longest text of the server's that is repeated, in bytes.
const SAID_BYTES: usize = 300;

/// What all calls after `close` get.
pub(super) fn closed(operation: &'static str) -> StoreError {
    StoreError::new(StoreErrorKind::Unavailable, ID, operation, "the store is closed")
}

/// The fault behind an error of the driver.
pub(super) fn fault(settings: &Postgres, operation: &'static str, error: &sqlx::Error) -> StoreError {
    let (kind, what) = told(settings, error);
    let fault = StoreError::new(kind, ID, operation, what);
    match state(error).and_then(|code| help(settings, &code)) {
        Some(command) => fault.helped_by(command),
        None => fault,
    }
}

/// What somebody can do at the server about what it says no to.
fn help(settings: &Postgres, code: &str) -> Option<String> {
    let Postgres { user, database, schema, .. } = settings;
    let (name, owner) = (quoted(database), quoted(user));
    match code {
        "28P01" => Some(format!("ALTER ROLE {owner} PASSWORD '…';")),
        "3D000" => Some(format!("CREATE DATABASE {name} OWNER {owner} ENCODING 'UTF8' TEMPLATE template0;")),
        "42501" => Some(grants(schema, user)),
        _ => None,
    }
}

/// Whether the server refused because of who asked or how the connection is protected: another mode may do.
pub(super) fn is_refused(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Database(error) => error.code().is_some_and(|code| code == "28000"),
        sqlx::Error::Tls(_) => true,
        sqlx::Error::Io(error) => tls(error).is_some(),
        _ => false,
    }
}

/// The SQLSTATE, where the server gave one.
pub(super) fn state(error: &sqlx::Error) -> Option<String> {
    error.as_database_error()?.code().map(std::borrow::Cow::into_owned)
}

fn told(settings: &Postgres, error: &sqlx::Error) -> (StoreErrorKind, String) {
    use StoreErrorKind::{Corrupt, Internal, Misconfigured, Unavailable};
    let address = format!("{}:{}", settings.host, settings.port);
    match error {
        sqlx::Error::Database(server) => {
            let said = clean_text(server.message(), SAID_BYTES);
            refused(settings, &address, server.code().as_deref().unwrap_or(""), &said)
        }
        sqlx::Error::Io(error) => match tls(error) {
            Some(error) => protection(settings, &address, error),
            None => (Unavailable, format!("the server {address} cannot be reached: {}", reason(error))),
        },
        sqlx::Error::Tls(error) => match find::<rustls::Error>(&**error) {
            Some(error) => protection(settings, &address, error),
            None => (
                Misconfigured,
                format!(
                    "the connection to {address} cannot be protected: {}; set `ssl = on` at the server, or another \
                     `sslmode`",
                    clean_text(&error.to_string(), SAID_BYTES)
                ),
            ),
        },
        sqlx::Error::PoolTimedOut => (
            Unavailable,
            format!(
                "no connection to {address} within {}: the server does not answer, or all {} connections are busy",
                settings.acquire_timeout, settings.pool_max
            ),
        ),
        sqlx::Error::PoolClosed => (Unavailable, "the store is closed".to_owned()),
        sqlx::Error::Protocol(what) => {
            (Unavailable, format!("{address} does not speak as PostgreSQL does: {}", clean_text(what, SAID_BYTES)))
        }
        sqlx::Error::Decode(_) | sqlx::Error::ColumnDecode { .. } | sqlx::Error::ColumnNotFound(_) => {
            (Corrupt, format!("a stored row cannot be read: {}", clean_text(&error.to_string(), SAID_BYTES)))
        }
        sqlx::Error::RowNotFound => (Corrupt, "a row that must be there is missing".to_owned()),
        sqlx::Error::Configuration(what) => {
            (Misconfigured, format!("a setting cannot be used: {}", clean_text(&what.to_string(), SAID_BYTES)))
        }
        other => (Internal, clean_text(&other.to_string(), SAID_BYTES)),
    }
}

/// What the server says no to, by SQLSTATE (PostgreSQL manual, appendix A).
fn refused(settings: &Postgres, address: &str, code: &str, said: &str) -> (StoreErrorKind, String) {
    use StoreErrorKind::{Corrupt, Full, Internal, Misconfigured, Unauthorized, Unavailable};
    let Postgres { user, database, schema, .. } = settings;
    match code {
        "28P01" | "28000" => (
            Unauthorized,
            format!(
                "the server {address} refuses user `{user}`: {said}; check `user` and `password`, and the server's \
                 pg_hba.conf"
            ),
        ),
        "3D000" => (
            Misconfigured,
            format!(
                "the server {address} has no database `{database}`; make it: CREATE DATABASE {} OWNER {} ENCODING \
                 'UTF8' TEMPLATE template0",
                quoted(database),
                quoted(user)
            ),
        ),
        "42501" => (
            Unauthorized,
            format!(
                "user `{user}` has not the right: {said}; run `hallmonitor storage migrate-schema` once as a user who \
                 may make the schema `{schema}` in `{database}`, and then: {}",
                grants(schema, user)
            ),
        ),
        "3F000" | "42P01" | "42883" => (
            Misconfigured,
            format!(
                "the schema `{schema}` is not there or not whole: {said}; run `hallmonitor storage migrate-schema`, or \
                 start again"
            ),
        ),
        "53100" => (Full, format!("the server's disk is full: {said}; make room there")),
        "53300" => (
            Unavailable,
            format!(
                "the server {address} has no connection left: {said}; raise its max_connections or lower `poolMax`, \
                 which is {}",
                settings.pool_max
            ),
        ),
        "57014" => {
            (Unavailable, format!("the server gave up: {said}; `statementTimeout` is {}", settings.statement_timeout))
        }
        "55P03" => (Unavailable, format!("another session holds a lock: {said}; it is tried again")),
        "25006" => (Misconfigured, format!("{address} takes no writes: {said}; name the primary server as `host`")),
        "26000" => (
            Misconfigured,
            format!("prepared statements get lost: {said}; a connection pooler in between must work by session"),
        ),
        "XX001" | "XX002" => (Corrupt, format!("the server's data is damaged: {said}")),
        "0A000" | "58000" | "58030" => (Unavailable, format!("the server cannot do it now: {said}")),
        _ => match code.get(..2).unwrap_or("") {
            "08" | "40" | "53" | "57" => (Unavailable, format!("the server is away for the moment: {said}")),
            _ => (Internal, format!("the server refused ({code}): {said}")),
        },
    }
}

/// Why there is no protected connection, and what to do.
fn protection(settings: &Postgres, address: &str, error: &rustls::Error) -> (StoreErrorKind, String) {
    use StoreErrorKind::{Misconfigured, Unavailable};
    let rustls::Error::InvalidCertificate(certificate) = error else {
        return (Unavailable, format!("the TLS handshake with {address} failed: {error}"));
    };
    let what = match certificate {
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            "has expired; renew it at the server".to_owned()
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            "is not valid yet; check the clocks of both machines".to_owned()
        }
        CertificateError::UnknownIssuer => match &settings.ca_file {
            Some(file) => format!(
                "is signed by nobody this machine or `caFile` ({}) knows; name the authority's certificate there",
                file.display()
            ),
            None => "is signed by nobody this machine knows; name the authority's certificate as `caFile`".to_owned(),
        },
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => format!(
            "is not made out to `{}`; use the name in the certificate as `host`, or `sslmode: verify-ca`",
            settings.host
        ),
        other => format!("cannot be accepted: {other}"),
    };
    (Misconfigured, format!("the certificate of {address} {what}"))
}

/// The error of TLS behind one of the socket.
fn tls(error: &io::Error) -> Option<&rustls::Error> {
    error.get_ref().and_then(|inner| find(inner))
}

fn find<'a, T: Error + 'static>(error: &'a (dyn Error + Send + Sync + 'static)) -> Option<&'a T> {
    let mut at: Option<&(dyn Error + 'static)> = Some(error);
    while let Some(error) = at {
        if let Some(found) = error.downcast_ref::<T>() {
            return Some(found);
        }
        if let Some(found) =
            error.downcast_ref::<io::Error>().and_then(|io| io.get_ref()).and_then(|inner| inner.downcast_ref::<T>())
        {
            return Some(found);
        }
        at = error.source();
    }
    None
}

fn reason(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => "nobody listens there; is the server running?".to_owned(),
        io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe | io::ErrorKind::UnexpectedEof => {
            "the connection was cut".to_owned()
        }
        io::ErrorKind::TimedOut => "no answer in time".to_owned(),
        _ => clean_text(&error.to_string(), SAID_BYTES),
    }
}
