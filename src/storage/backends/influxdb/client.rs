//! The way to the server: queries by the `influxdb2` crate, writes, deletions and queries for many rows by requests of our
//! own.
//!
//! The crate drops the path of an address and tells no headers. Where the server is under a path, queries are requests of
//! our own too. It also takes any text for an answer without rows, so each query yields a mark besides its rows, in no set
//! order.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use influxdb2::models::{HealthCheck, Organizations, Query};
use influxdb2_structmap::value::Value;
use reqwest::{Certificate, Method, RequestBuilder, Response, StatusCode, Url, header};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::json;

use super::fault::{Asked, ID, nonsense, refused, unanswered, unreadable};
use super::flux::{END, Flux};
use super::point::Unreadable;
use super::settings::InfluxDb;
use super::tables::{read_csv, read_rows};
use crate::clock::{Clock, Mono};
use crate::model::{MonitorId, UnixMicros};
use crate::storage::{StoreError, StoreErrorKind};

/// Longest rest that is taken on the server's word.
const LONGEST_REST: Duration = Duration::from_secs(600);
/// An unused connection is closed after so long.
const IDLE: Duration = Duration::from_secs(60);
/// Most of an error's text that is read, in bytes.
const ERROR_BYTES: usize = 64 * 1_024;
/// What an answer without an end is told as.
const NO_MARK: &str = "the mark that it is all there is missing";
/// What a bucket that we made is described as.
const OURS: &str = "Made by Hall Monitor";

/// One row of an answer.
#[derive(Debug)]
pub(super) struct Record(pub(super) BTreeMap<String, Value>);

impl Record {
    /// A column of text.
    pub(super) fn text(&self, column: &str) -> Option<&str> {
        match self.0.get(column)? {
            Value::String(text) => Some(text),
            _ => None,
        }
    }

    /// A column of whole numbers.
    pub(super) fn number(&self, column: &str) -> Option<u64> {
        match self.0.get(column)? {
            Value::Long(number) => u64::try_from(*number).ok(),
            Value::UnsignedLong(number) => Some(*number),
            Value::String(text) => text.parse().ok(),
            _ => None,
        }
    }

    /// The time of the row.
    pub(super) fn time(&self) -> Option<UnixMicros> {
        match self.0.get("_time")? {
            Value::TimeRFC(time) => Some(UnixMicros::new(time.timestamp_micros())),
            Value::String(text) => UnixMicros::parse(text).ok(),
            _ => None,
        }
    }

    /// The packed row.
    pub(super) fn packed(&self) -> Option<&str> {
        self.text("_value")
    }

    /// Whose it is.
    pub(super) fn monitor(&self) -> Option<MonitorId> {
        self.text("monitor")?.parse().ok()
    }
}

/// A bucket as the server tells it. The crate's own type holds no retention above 68 years.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Bucket {
    pub(super) id: String,
    name: String,
    #[serde(default)]
    description: String,
    #[serde(default)]
    retention_rules: Vec<Rule>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Rule {
    every_seconds: u64,
    #[serde(default)]
    shard_group_duration_seconds: u64,
}

#[derive(Debug, Deserialize)]
struct Buckets {
    #[serde(default)]
    buckets: Vec<Bucket>,
}

impl Bucket {
    /// Whether it was made by us, so that its retention is ours to set.
    pub(super) fn is_ours(&self) -> bool {
        self.description == OURS
    }

    /// For how long it keeps points, in seconds; none is for ever.
    pub(super) fn keeps_s(&self) -> Option<u64> {
        self.retention_rules.iter().map(|rule| rule.every_seconds).filter(|seconds| *seconds > 0).min()
    }

    /// What it is cut into, in microseconds; a day where the server does not say.
    pub(super) fn piece_us(&self) -> u64 {
        let told = self.retention_rules.iter().map(|rule| rule.shard_group_duration_seconds).filter(|told| *told > 0);
        told.min().unwrap_or(86_400).saturating_mul(1_000_000)
    }
}

/// Why rows were not taken.
#[derive(Debug)]
pub(super) enum WriteFault {
    /// There are too many at once.
    TooLarge(StoreError),
    /// Anything else.
    Other(StoreError),
}

impl WriteFault {
    /// What it is, whoever says so.
    pub(super) fn error(self) -> StoreError {
        match self {
            Self::TooLarge(error) | Self::Other(error) => error,
        }
    }
}

impl From<StoreError> for WriteFault {
    fn from(error: StoreError) -> Self {
        Self::Other(error)
    }
}

/// A way to the server.
#[derive(Debug)]
pub(super) struct Client {
    pub(super) settings: Arc<InfluxDb>,
    base: Url,
    http: reqwest::Client,
    /// None where the server is under a path.
    flux: Option<influxdb2::Client>,
    clock: Arc<dyn Clock>,
    /// Until when the server wants to be left alone.
    rest: Mutex<Option<Mono>>,
}

fn builder(settings: &InfluxDb, authorities: &[Certificate]) -> reqwest::ClientBuilder {
    let mut builder = reqwest::Client::builder()
        .user_agent(concat!("hallmonitor/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(settings.connect_timeout.duration())
        .timeout(settings.timeout.duration())
        .pool_idle_timeout(IDLE)
        .tcp_nodelay(true)
        .http1_only()
        // The token is for this address and no other.
        .redirect(reqwest::redirect::Policy::none());
    for authority in authorities {
        builder = builder.add_root_certificate(authority.clone());
    }
    if settings.proxy.is_empty() {
        return builder;
    }
    match reqwest::Proxy::all(&settings.proxy) {
        Ok(proxy) => builder.proxy(proxy),
        // Refused when the settings were looked at.
        Err(_) => builder,
    }
}

/// The certificates of the authorities that the settings name.
async fn authorities(settings: &InfluxDb, operation: &'static str) -> Result<Vec<Certificate>, StoreError> {
    const BEGIN: &str = "-----BEGIN CERTIFICATE-----";
    const END: &str = "-----END CERTIFICATE-----";
    let Some(file) = settings.ca_file.clone() else { return Ok(Vec::new()) };
    let shown = file.display().to_string();
    let unusable = |why: String| {
        let what = format!("`caFile` ({shown}) cannot be used: {why}");
        StoreError::new(StoreErrorKind::Misconfigured, ID, operation, what)
    };
    let read = tokio::task::spawn_blocking(move || std::fs::read_to_string(&file)).await;
    let pem = read.map_err(|lost| unusable(lost.to_string()))?.map_err(|error| unusable(error.to_string()))?;
    let mut found = Vec::new();
    let mut rest = pem.as_str();
    // The client reads one certificate at a time.
    while let Some((_, after)) = rest.split_once(BEGIN) {
        let (body, after) = after.split_once(END).ok_or_else(|| unusable("a certificate has no end".to_owned()))?;
        let one = Certificate::from_pem(format!("{BEGIN}{body}{END}\n").as_bytes());
        found.push(one.map_err(|error| unusable(error.to_string()))?);
        rest = after;
    }
    if found.is_empty() {
        return Err(unusable("there is no certificate in it; PEM is wanted".to_owned()));
    }
    Ok(found)
}

impl Client {
    /// A way by these settings, not gone yet.
    pub(super) async fn new(
        settings: Arc<InfluxDb>,
        clock: Arc<dyn Clock>,
        operation: &'static str,
    ) -> Result<Self, StoreError> {
        let wrong = |what: String| StoreError::new(StoreErrorKind::Misconfigured, ID, operation, what);
        let base = settings.base().map_err(|what| wrong(format!("setting `url` {what}")))?;
        let authorities = authorities(&settings, operation).await?;
        let unusable = |error: &dyn std::fmt::Display| wrong(format!("the settings make no way: {error}"));
        let http = builder(&settings, &authorities).build().map_err(|error| unusable(&error))?;
        let under_a_path = base.path() != "/";
        let flux = if under_a_path {
            None
        } else {
            let own = builder(&settings, &authorities);
            let built =
                influxdb2::ClientBuilder::with_builder(own, base.as_str(), &settings.org, &*settings.token).build();
            Some(built.map_err(|error| unusable(&error))?)
        };
        Ok(Self { settings, base, http, flux, clock, rest: Mutex::default() })
    }

    /// A request to a place of the server's API.
    pub(super) fn request(&self, method: Method, place: &str) -> RequestBuilder {
        let mut url = self.base.clone();
        url.set_path(&format!("{}{place}", self.base.path().trim_end_matches('/')));
        let request = self.http.request(method, url);
        if self.settings.token.is_empty() {
            return request;
        }
        match header::HeaderValue::from_str(&format!("Token {}", &*self.settings.token)) {
            Ok(mut token) => {
                token.set_sensitive(true);
                request.header(header::AUTHORIZATION, token)
            }
            Err(_) => request,
        }
    }

    /// Sends a request; gives the answer, whatever it says.
    pub(super) async fn send(&self, operation: &'static str, request: RequestBuilder) -> Result<Response, StoreError> {
        request.send().await.map_err(|error| unanswered(&self.settings, operation, &error))
    }

    /// What the server said no with.
    async fn refusal(&self, operation: &'static str, asked: Asked, mut answer: Response) -> StoreError {
        let status = answer.status();
        let mut body = Vec::new();
        while let Ok(Some(part)) = answer.chunk().await {
            body.extend_from_slice(&part);
            if body.len() > ERROR_BYTES {
                break;
            }
        }
        refused(&self.settings, operation, asked, status, &String::from_utf8_lossy(&body))
    }

    /// Fails while the server wants to be left alone.
    pub(super) fn rested(&self, operation: &'static str) -> Result<(), StoreError> {
        let rest = *self.rest.lock().unwrap_or_else(PoisonError::into_inner);
        let now = self.clock.mono();
        let Some(until) = rest.filter(|until| *until > now) else { return Ok(()) };
        let seconds = until.since_us(now).div_ceil(1_000_000);
        let what = format!("the server {} asked to be left alone for {seconds} s more", self.settings.url);
        Err(StoreError::new(StoreErrorKind::Unavailable, ID, operation, what))
    }

    /// Remembers for how long the server wants to be left alone, where it says so.
    fn note_rest(&self, answer: &Response) {
        if !matches!(answer.status(), StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE) {
            return;
        }
        let said = answer.headers().get(header::RETRY_AFTER).and_then(|said| said.to_str().ok());
        let Some(pause) = said.and_then(|said| pause(said, self.clock.wall())) else { return };
        let us = u64::try_from(pause.min(LONGEST_REST).as_micros()).unwrap_or(0);
        let until = Mono(self.clock.mono().0.saturating_add(us));
        *self.rest.lock().unwrap_or_else(PoisonError::into_inner) = Some(until);
    }

    /// Sends points, compressed, to a bucket.
    pub(super) async fn write(&self, operation: &'static str, bucket: &str, lines: Bytes) -> Result<(), WriteFault> {
        self.rested(operation)?;
        let request = self
            .request(Method::POST, "/api/v2/write")
            .query(&[("org", self.settings.org.as_str()), ("bucket", bucket), ("precision", "us")])
            .header(header::CONTENT_TYPE, "text/plain; charset=utf-8")
            .header(header::CONTENT_ENCODING, "gzip")
            .body(lines);
        let answer = self.send(operation, request).await?;
        self.note_rest(&answer);
        match answer.status() {
            StatusCode::NO_CONTENT => Ok(()),
            // Whoever says it: fewer rows may pass.
            StatusCode::PAYLOAD_TOO_LARGE => {
                Err(WriteFault::TooLarge(self.refusal(operation, Asked::Write, answer).await))
            }
            _ => Err(WriteFault::Other(self.refusal(operation, Asked::Write, answer).await)),
        }
    }

    /// Asks a query.
    pub(super) async fn query(&self, operation: &'static str, flux: Flux) -> Result<Vec<Record>, StoreError> {
        let mut records = match &self.flux {
            Some(client) => self.query_by_crate(operation, client, flux).await?,
            None => self.query_by_request(operation, flux).await?,
        };
        let all = records.len();
        records.retain(|record| record.text("result") != Some(END));
        if records.len() + 1 != all {
            return Err(nonsense(&self.settings, operation, NO_MARK));
        }
        Ok(records)
    }

    /// In a task of its own: the crate panics where it does not understand an answer.
    async fn query_by_crate(
        &self,
        operation: &'static str,
        client: &influxdb2::Client,
        flux: Flux,
    ) -> Result<Vec<Record>, StoreError> {
        let client = client.clone();
        let asked = tokio::spawn(async move {
            let answer = client.query_raw_iter(Some(Query::new(flux.script()))).await?;
            use_all(&answer)
        });
        match AbortOnDrop(asked).await {
            Ok(Ok(records)) => Ok(records),
            Ok(Err(error)) => Err(self.crate_fault(operation, error)),
            Err(lost) if lost.is_panic() => Err(nonsense(&self.settings, operation, "a value in it is none")),
            Err(_) => Err(StoreError::new(StoreErrorKind::Unavailable, ID, operation, "the program ends")),
        }
    }

    fn crate_fault(&self, operation: &'static str, error: influxdb2::RequestError) -> StoreError {
        use influxdb2::RequestError::{Deserializing, Http, ReqwestProcessing, Serializing};
        match error {
            ReqwestProcessing { source } => unanswered(&self.settings, operation, &source),
            Http { status, text } => refused(&self.settings, operation, Asked::Query, status, &text),
            Deserializing { text } => nonsense(&self.settings, operation, &text),
            Serializing { source } => {
                StoreError::new(StoreErrorKind::Internal, ID, operation, format!("the query cannot be sent: {source}"))
            }
        }
    }

    async fn query_by_request(&self, operation: &'static str, flux: Flux) -> Result<Vec<Record>, StoreError> {
        let text = self.answer_to(operation, flux).await?;
        read_csv(&text).map_err(|what| nonsense(&self.settings, operation, &what))
    }

    /// Asks a query and hands on these columns of each row of the answer: for answers of many rows, of each of which the
    /// crate makes a map.
    pub(super) async fn each_row<const N: usize>(
        &self,
        operation: &'static str,
        flux: Flux,
        columns: [&'static str; N],
        mut each: impl FnMut([&str; N]) -> Result<(), Unreadable>,
    ) -> Result<(), StoreError> {
        let text = self.answer_to(operation, flux).await?;
        let mut fault = None;
        let read =
            read_rows(&text, columns, |row| each(row).inspect_err(|what| fault = Some(unreadable(operation, what))));
        match (fault, read) {
            (Some(fault), _) => Err(fault),
            (None, Ok(true)) => Ok(()),
            (None, Ok(false)) => Err(nonsense(&self.settings, operation, NO_MARK)),
            (None, Err(what)) => Err(nonsense(&self.settings, operation, &what)),
        }
    }

    async fn answer_to(&self, operation: &'static str, flux: Flux) -> Result<String, StoreError> {
        let request = self
            .request(Method::POST, "/api/v2/query")
            .query(&[("org", self.settings.org.as_str())])
            .json(&Query::new(flux.script()));
        let answer = self.send(operation, request).await?;
        if answer.status() != StatusCode::OK {
            return Err(self.refusal(operation, Asked::Query, answer).await);
        }
        answer.text().await.map_err(|error| unanswered(&self.settings, operation, &error))
    }

    /// Deletes the points of a bucket that begin in a span, its end left out, and have these tags.
    pub(super) async fn delete(
        &self,
        operation: &'static str,
        bucket: &str,
        from: UnixMicros,
        to: UnixMicros,
        predicate: &str,
    ) -> Result<(), StoreError> {
        // The server counts both ends in; times are whole microseconds.
        let body = json!({
            "start": from.to_string(),
            "stop": to.minus_us(1).to_string(),
            "predicate": predicate,
        });
        let request = self
            .request(Method::POST, "/api/v2/delete")
            .query(&[("org", self.settings.org.as_str()), ("bucket", bucket)])
            .json(&body);
        let answer = self.send(operation, request).await?;
        match answer.status() {
            StatusCode::NO_CONTENT => Ok(()),
            _ => Err(self.refusal(operation, Asked::Delete, answer).await),
        }
    }

    async fn get<T: DeserializeOwned>(
        &self,
        operation: &'static str,
        place: &str,
        query: &[(&str, &str)],
    ) -> Result<T, StoreError> {
        let answer = self.send(operation, self.request(Method::GET, place).query(query)).await?;
        if answer.status() != StatusCode::OK {
            return Err(self.refusal(operation, Asked::Manage, answer).await);
        }
        let text = answer.text().await.map_err(|error| unanswered(&self.settings, operation, &error))?;
        serde_json::from_str(&text).map_err(|error| nonsense(&self.settings, operation, &error.to_string()))
    }

    /// What the server says of itself: its version, and whether it is well.
    pub(super) async fn health(&self, operation: &'static str) -> Result<HealthCheck, StoreError> {
        self.get(operation, "/health", &[]).await
    }

    /// The server's version.
    pub(super) async fn version(&self, operation: &'static str) -> Result<String, StoreError> {
        Ok(self.health(operation).await?.version.filter(|version| !version.is_empty()).unwrap_or("InfluxDB".to_owned()))
    }

    /// A bucket of this name that the token may see.
    pub(super) async fn bucket(&self, operation: &'static str, name: &str) -> Result<Option<Bucket>, StoreError> {
        let asked = [("name", name), ("org", self.settings.org.as_str())];
        match self.get::<Buckets>(operation, "/api/v2/buckets", &asked).await {
            Ok(found) => Ok(found.buckets.into_iter().find(|bucket| bucket.name == name)),
            // So the server says that there is none, or none that the token may see.
            Err(error) if error.what.contains("not found") && error.what.contains("bucket") => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The id of the organisation, where the token may see it.
    pub(super) async fn organisation(&self, operation: &'static str) -> Result<Option<String>, StoreError> {
        let asked = [("org", self.settings.org.as_str())];
        let found: Organizations = self.get(operation, "/api/v2/orgs", &asked).await?;
        Ok(found.orgs.into_iter().find(|org| org.name == self.settings.org).and_then(|org| org.id))
    }

    /// Makes a bucket without a retention, cut into files of so many seconds, or as the server likes with 0. That
    /// somebody else made it meanwhile is as good.
    pub(super) async fn make_bucket(
        &self,
        operation: &'static str,
        org: &str,
        name: &str,
        shard_s: u64,
    ) -> Result<(), StoreError> {
        let rule = json!({"type": "expire", "everySeconds": 0, "shardGroupDurationSeconds": shard_s});
        let wanted = json!({"orgID": org, "name": name, "description": OURS, "retentionRules": [rule]});
        let answer = self.send(operation, self.request(Method::POST, "/api/v2/buckets").json(&wanted)).await?;
        if answer.status() == StatusCode::CREATED {
            return Ok(());
        }
        let error = self.refusal(operation, Asked::Manage, answer).await;
        if error.what.contains("already exists") { Ok(()) } else { Err(error) }
    }

    /// Sets for how long a bucket keeps points, in seconds; 0 is for ever.
    pub(super) async fn set_retention(
        &self,
        operation: &'static str,
        bucket: &str,
        seconds: u64,
    ) -> Result<(), StoreError> {
        let body = json!({"retentionRules": [{"type": "expire", "everySeconds": seconds}]});
        let place = format!("/api/v2/buckets/{bucket}");
        let answer = self.send(operation, self.request(Method::PATCH, &place).json(&body)).await?;
        match answer.status() {
            StatusCode::OK => Ok(()),
            _ => Err(self.refusal(operation, Asked::Manage, answer).await),
        }
    }
}

/// What `Retry-After` says: seconds, or a date.
fn pause(said: &str, now: UnixMicros) -> Option<Duration> {
    if let Ok(seconds) = said.trim().parse::<u64>() {
        return Some(Duration::from_secs(seconds));
    }
    let date = jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(said.trim()).ok()?;
    Some(Duration::from_micros(UnixMicros::new(date.as_microsecond()).since_us(now)))
}

/// A task that ends with whoever waits for it.
struct AbortOnDrop<T>(tokio::task::JoinHandle<T>);

impl<T> Future for AbortOnDrop<T> {
    type Output = Result<T, tokio::task::JoinError>;

    fn poll(mut self: std::pin::Pin<&mut Self>, context: &mut std::task::Context<'_>) -> std::task::Poll<Self::Output> {
        std::pin::Pin::new(&mut self.0).poll(context)
    }
}

impl<T> Drop for AbortOnDrop<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}

fn use_all(answer: &influxdb2::api::query::QueryTableIter) -> Result<Vec<Record>, influxdb2::RequestError> {
    // The crate's iterator is of a trait that it does not hand on: its methods are called as they are.
    use fallible_iterator::FallibleIterator as _;
    answer.result().map(|record| Ok(Record(record.values))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retry_after_is_read_in_both_forms() {
        let now = UnixMicros::new(1_445_412_470_000_000);
        assert_eq!(pause(" 7 ", now), Some(Duration::from_secs(7)));
        assert_eq!(pause("Wed, 21 Oct 2015 07:28:00 GMT", now), Some(Duration::from_secs(10)));
        assert_eq!(pause("soon", now), None);
    }
}
