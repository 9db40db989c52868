//! What went wrong at the server or on the way to it, in the words of the storage seam.

use std::error::Error;
use std::io;

use reqwest::StatusCode;
use serde::Deserialize;

use super::settings::InfluxDb;
use crate::model::clean_text;
use crate::storage::{BackendId, StoreError, StoreErrorKind};

/// The word in the file.
pub(super) const ID: BackendId = "influxdb";
/// Longest text of the server's that is repeated, in bytes.
const SAID_BYTES: usize = 300;

/// What all calls after `close` get.
pub(super) fn closed(operation: &'static str) -> StoreError {
    StoreError::new(StoreErrorKind::Unavailable, ID, operation, "the store is closed")
}

/// A stored row that cannot be read.
pub(super) fn unreadable(operation: &'static str, what: &str) -> StoreError {
    let what = format!("a stored row cannot be read: {}", clean_text(what, SAID_BYTES));
    StoreError::new(StoreErrorKind::Corrupt, ID, operation, what)
}

/// An answer that is none of InfluxDB's, or not all of one.
pub(super) fn nonsense(settings: &InfluxDb, operation: &'static str, what: &str) -> StoreError {
    let what = format!(
        "{} does not answer as InfluxDB does: {}; is there a proxy in between, or a path missing in `url`?",
        settings.url,
        clean_text(what, SAID_BYTES)
    );
    StoreError::new(StoreErrorKind::Unavailable, ID, operation, what)
}

/// An error of the server as it says it.
#[derive(Debug, Deserialize)]
struct Said {
    #[serde(default)]
    code: String,
    #[serde(default)]
    message: String,
}

/// What was asked of the server, as far as that decides what a refusal means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Asked {
    /// To take rows.
    Write,
    /// For rows.
    Query,
    /// To delete rows.
    Delete,
    /// About buckets and the like.
    Manage,
}

/// The fault behind an answer that is not the wanted one.
pub(super) fn refused(
    settings: &InfluxDb,
    operation: &'static str,
    asked: Asked,
    status: StatusCode,
    body: &str,
) -> StoreError {
    let said: Option<Said> = serde_json::from_str(body).ok().filter(|said: &Said| !said.code.is_empty());
    let Some(said) = said else {
        let (kind, what) = foreign(settings, status, body);
        return StoreError::new(kind, ID, operation, what);
    };
    let (kind, what) = told(settings, asked, status, &clean_text(&said.message, SAID_BYTES));
    StoreError::new(kind, ID, operation, what)
}

/// An answer that InfluxDB does not give: somebody in between does. It never speaks for the rows.
fn foreign(settings: &InfluxDb, status: StatusCode, body: &str) -> (StoreErrorKind, String) {
    let url = &settings.url;
    if status.is_redirection() {
        let what = format!("{url} sends us elsewhere ({status}); name the address it points to as `url`");
        return (StoreErrorKind::Misconfigured, what);
    }
    let begin = clean_text(body, 80);
    let said = if begin.is_empty() { String::new() } else { format!(" and says: {begin}") };
    let what = format!(
        "something at {url} that is not InfluxDB answers {status}{said}; is there a proxy in between, or a path missing \
         in `url`?"
    );
    (StoreErrorKind::Unavailable, what)
}

fn told(settings: &InfluxDb, asked: Asked, status: StatusCode, said: &str) -> (StoreErrorKind, String) {
    use StoreErrorKind::{Full, Internal, Misconfigured, Unauthorized, Unavailable};
    let InfluxDb { url, org, bucket, .. } = settings;
    let rollup = settings.rollup_bucket();
    if said.contains("no space left on device") {
        return (Full, format!("the server's disk is full: {said}; make room there"));
    }
    match status {
        StatusCode::UNAUTHORIZED => (
            Unauthorized,
            format!(
                "the server {url} refuses the token: {said}; check that `token` is whole, active, and one of the \
                 organisation `{org}`"
            ),
        ),
        StatusCode::FORBIDDEN => (
            Unauthorized,
            format!(
                "the token may not do that: {said}; `token` has to be active, and to read and write the buckets `{bucket}` \
                 and `{rollup}`"
            ),
        ),
        StatusCode::NOT_FOUND if said.contains("organization") => {
            (Misconfigured, format!("the server {url} has no organisation `{org}`: {said}; check `org`"))
        }
        StatusCode::NOT_FOUND if asked != Asked::Manage => {
            (Misconfigured, format!("the server {url} has not all of it: {said}; {}", make_buckets(settings)))
        }
        StatusCode::UNPROCESSABLE_ENTITY if said.contains("retention policy") => {
            (Internal, format!("the row is older than the retention of the bucket `{bucket}` allows: {said}"))
        }
        StatusCode::UNPROCESSABLE_ENTITY | StatusCode::PAYLOAD_TOO_LARGE => {
            (Internal, format!("the server refuses the row ({status}): {said}"))
        }
        StatusCode::BAD_REQUEST => (Internal, format!("the server does not understand us: {said}")),
        StatusCode::TOO_MANY_REQUESTS => (Unavailable, format!("the server {url} asks for fewer requests: {said}")),
        _ => (Unavailable, format!("the server {url} cannot do it now ({status}): {said}")),
    }
}

/// The commands that make what is missing.
pub(super) fn make_buckets(settings: &InfluxDb) -> String {
    let InfluxDb { org, bucket, .. } = settings;
    format!(
        "make the buckets: influx bucket create --org '{org}' --name '{bucket}' && influx bucket create --org '{org}' \
         --name '{}' --shard-group-duration 12w",
        settings.rollup_bucket()
    )
}

/// The fault behind a request that got no answer.
pub(super) fn unanswered(settings: &InfluxDb, operation: &'static str, error: &reqwest::Error) -> StoreError {
    let chain = chain(error);
    let url = &settings.url;
    if let Some(what) = protection(settings, &chain) {
        return StoreError::new(StoreErrorKind::Misconfigured, ID, operation, what);
    }
    let why = match refused_socket(error) {
        Some(io::ErrorKind::ConnectionRefused) => "nobody listens there; is the server running?".to_owned(),
        Some(io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe | io::ErrorKind::UnexpectedEof) => {
            "the connection was cut".to_owned()
        }
        _ if error.is_timeout() => {
            format!(
                "no answer in time; `connectTimeout` is {}, `timeout` is {}",
                settings.connect_timeout, settings.timeout
            )
        }
        _ if chain.contains("dns error") => format!("its name leads nowhere: {chain}; check `url` and the resolver"),
        _ => clean_text(&chain, SAID_BYTES),
    };
    StoreError::new(StoreErrorKind::Unavailable, ID, operation, format!("the server {url} cannot be reached: {why}"))
}

/// Why there is no protected connection, and what to do. The library under the client says so in words only.
fn protection(settings: &InfluxDb, chain: &str) -> Option<String> {
    let (_, why) = chain.split_once("invalid peer certificate: ")?;
    let what = if why.contains("UnknownIssuer") {
        match &settings.ca_file {
            Some(file) => format!(
                "is signed by nobody this machine or `caFile` ({}) knows; name the authority's certificate there",
                file.display()
            ),
            None => "is signed by nobody this machine knows; name the authority's certificate as `caFile`".to_owned(),
        }
    } else if why.contains("NotValidForName") {
        "is not made out to the host in `url`; use the name in the certificate".to_owned()
    } else if why.contains("Expired") {
        "has expired; renew it at the server".to_owned()
    } else if why.contains("NotValidYet") {
        "is not valid yet; check the clocks of both machines".to_owned()
    } else {
        format!("cannot be accepted: {}", clean_text(why, SAID_BYTES))
    };
    Some(format!("the certificate of {} {what}", settings.url))
}

/// An error with all that is behind it. Addresses in it are ours and hold no token.
fn chain(error: &reqwest::Error) -> String {
    let mut text = String::new();
    let mut at: Option<&(dyn Error + 'static)> = Some(error);
    while let Some(error) = at {
        if !text.is_empty() {
            text.push_str(": ");
        }
        text.push_str(&error.to_string());
        at = error.source();
    }
    text
}

/// What the socket said, where it is to blame.
fn refused_socket(error: &reqwest::Error) -> Option<io::ErrorKind> {
    let mut at: Option<&(dyn Error + 'static)> = Some(error);
    let mut kind = None;
    while let Some(error) = at {
        if let Some(io) = error.downcast_ref::<io::Error>() {
            kind = Some(io.kind());
        }
        at = error.source();
    }
    kind
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(asked: Asked, status: u16, body: &str) -> (StoreErrorKind, String) {
        let status = StatusCode::from_u16(status).expect("a status");
        let error = refused(&InfluxDb::default(), "append", asked, status, body);
        (error.kind, error.what)
    }

    #[test]
    fn only_the_server_itself_speaks_for_rows() {
        let json = r#"{"code":"invalid","message":"unable to parse"}"#;
        assert_eq!(kind(Asked::Write, 400, json).0, StoreErrorKind::Internal);
        for body in ["", "<html>Bad Request</html>", "{}", r#"{"message":"x"}"#, "[1]"] {
            for status in [200, 400, 401, 403, 404, 413, 422, 500, 502] {
                assert_eq!(kind(Asked::Write, status, body).0, StoreErrorKind::Unavailable, "{status} {body}");
            }
            assert_eq!(kind(Asked::Write, 302, body).0, StoreErrorKind::Misconfigured);
        }
    }

    #[test]
    fn each_refusal_has_a_next_step() {
        let said = |code: &str, message: &str| format!(r#"{{"code":"{code}","message":"{message}"}}"#);
        let cases = [
            (401, "unauthorized access", StoreErrorKind::Unauthorized, "`token`"),
            (403, "forbidden", StoreErrorKind::Unauthorized, "monitor_results_rollup"),
            (404, "bucket \\\"x\\\" not found", StoreErrorKind::Misconfigured, "influx bucket create"),
            (404, "organization name \\\"x\\\" not found", StoreErrorKind::Misconfigured, "check `org`"),
            (422, "points beyond retention policy dropped=1", StoreErrorKind::Internal, "retention of the bucket"),
            (429, "slow down", StoreErrorKind::Unavailable, "fewer requests"),
            (500, "write /x: no space left on device", StoreErrorKind::Full, "make room"),
            (503, "busy", StoreErrorKind::Unavailable, "503"),
        ];
        for (status, message, expected, part) in cases {
            let (kind, what) = kind(Asked::Write, status, &said("some code", message));
            assert_eq!(kind, expected, "{what}");
            assert!(what.contains(part), "{what}");
        }
    }
}
