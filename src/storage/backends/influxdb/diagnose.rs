//! A look at the way to the server, step by step.

use std::sync::Arc;

use jiff::fmt::rfc2822::DateTimeParser;
use reqwest::{Method, StatusCode, header};
use tokio::task::JoinHandle;
use uuid::Uuid;

use super::client::{Client, WriteFault};
use super::fault::{ID, make_buckets, nonsense};
use super::line::gzip;
use super::settings::InfluxDb;
use super::store::{InfluxStore, buckets};
use crate::model::UnixMicros;
use crate::storage::diagnose::Walk;
use crate::storage::{BackendEnv, HearSteps, ResultStore as _, Step, StoreError, StoreErrorKind};

const OPERATION: &str = "diagnose";
/// Round trips whose median is told.
const TRIPS: usize = 9;
/// Clocks that differ by more confuse what is newest, in microseconds.
const CLOCKS_APART_US: u64 = 60_000_000;

type Told<T> = Result<(T, String), StoreError>;

/// Looks, and leaves nothing behind: where buckets are missing, others are made, tried and removed again, also when the
/// look is stopped. Into buckets that are there it writes one value.
pub(super) async fn look(settings: &InfluxDb, env: &BackendEnv, tell: &dyn HearSteps) -> Vec<Step> {
    let mut walk = Walk::new(&*env.clock, tell);
    let settings = walk.step("settings", async { Ok((settings.checked(OPERATION)?, settings.place())) }).await;
    let settings = settings.unwrap_or_default();
    walk.step("name", look_up(&settings)).await;
    walk.step("connection", reach(&settings)).await;
    let client = walk.step("certificates", way(&settings, env)).await;
    let Some(client) = client.map(Arc::new) else { return rest_skipped(walk).await };
    walk.step("protection", protection(&client)).await;
    walk.step("health", health(&client)).await;
    walk.step("token", token(&client)).await;
    walk.step("organisation", organisation(&client)).await;
    let mut trial = Trial::default();
    let tried = walk.step("buckets", trial.found(&client, env)).await.unwrap_or_else(|| Arc::clone(&client));
    walk.step("may write", may_write(&tried)).await;
    walk.step("write and read", written(&tried.settings, env)).await;
    walk.step("clocks", clocks(&client, env)).await;
    walk.step("latency", latency(&client, env)).await;
    trial.remove().await;
    walk.steps()
}

/// Buckets of a look's own, in which is tried what is to come where those that are wanted are not there yet. Nobody else
/// writes to them, so that they may be removed whatever happens meanwhile.
#[derive(Default)]
struct Trial(Option<Made>);

/// Buckets that are made, or were.
struct Made {
    own: Arc<Client>,
    making: JoinHandle<Result<(), StoreError>>,
}

impl Made {
    /// In a task of its own: of a request that is broken off nobody knows what came of it.
    fn begin(own: &Arc<Client>) -> Self {
        let (own, client) = (Arc::clone(own), Arc::clone(own));
        Self { own, making: tokio::spawn(async move { buckets(&client, OPERATION).await.map(drop) }) }
    }

    async fn ended(&mut self) -> Result<(), StoreError> {
        let lost = |_| Err(fault(StoreErrorKind::Internal, "the work was lost".to_owned()));
        (&mut self.making).await.unwrap_or_else(lost)
    }

    async fn remove(mut self) {
        if !self.making.is_finished() {
            // What came of it does not matter.
            let _ = self.ended().await;
        }
        remove(&self.own).await;
    }
}

impl Trial {
    /// Looks for the buckets; gives whoever can try them, or some like them.
    async fn found(&mut self, client: &Arc<Client>, env: &BackendEnv) -> Told<Arc<Client>> {
        let settings = &client.settings;
        let mut missing = Vec::new();
        for name in [settings.bucket.clone(), settings.rollup_bucket()] {
            if client.bucket(OPERATION, &name).await?.is_none() {
                missing.push(format!("`{name}`"));
            }
        }
        if missing.is_empty() {
            return Ok((Arc::clone(client), kept(client).await?));
        }
        let bucket = format!("{}_look_{}", settings.bucket, Uuid::new_v4().simple());
        let own = Arc::new(InfluxDb { bucket: bucket.clone(), ..(**settings).clone() });
        let own = Arc::new(Client::new(own, Arc::clone(&env.clock), OPERATION).await?);
        let made = self.0.insert(Made::begin(&own));
        made.ended()
            .await
            .map_err(|error| StoreError { what: error.what.replace(&bucket, &settings.bucket), ..error })?;
        Ok((own, format!("{} will be made; the token may", missing.join(" and "))))
    }

    async fn remove(mut self) {
        if let Some(made) = self.0.take() {
            // In a task of its own: a look may be stopped in its last moment too. What came of it is in the log.
            let _ = tokio::spawn(made.remove()).await;
        }
    }
}

impl Drop for Trial {
    fn drop(&mut self) {
        // The look was stopped on the way.
        if let (Some(made), Ok(runtime)) = (self.0.take(), tokio::runtime::Handle::try_current()) {
            runtime.spawn(made.remove());
        }
    }
}

async fn remove(own: &Client) {
    for name in [own.settings.bucket.clone(), own.settings.rollup_bucket()] {
        let Ok(Some(bucket)) = own.bucket(OPERATION, &name).await else { continue };
        let place = format!("/api/v2/buckets/{}", bucket.id);
        let gone = own.send(OPERATION, own.request(Method::DELETE, &place)).await;
        if !gone.is_ok_and(|answer| answer.status().is_success()) {
            tracing::warn!(bucket = name, "a bucket that a look made cannot be removed");
        }
    }
}

async fn rest_skipped(mut walk: Walk<'_>) -> Vec<Step> {
    for name in
        ["protection", "health", "token", "organisation", "buckets", "may write", "write and read", "clocks", "latency"]
    {
        walk.step(name, async { Ok(((), String::new())) }).await;
    }
    walk.steps()
}

fn fault(kind: StoreErrorKind, what: String) -> StoreError {
    StoreError::new(kind, ID, OPERATION, what)
}

/// Host and port; the proxy's where one is set.
fn address(settings: &InfluxDb) -> Result<(String, u16), StoreError> {
    let wrong = |what: String| fault(StoreErrorKind::Misconfigured, what);
    let url = if settings.proxy.is_empty() {
        settings.base().map_err(wrong)?
    } else {
        reqwest::Url::parse(&settings.proxy).map_err(|error| wrong(format!("`proxy` is no address: {error}")))?
    };
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']).to_owned();
    Ok((host, url.port_or_known_default().unwrap_or(8086)))
}

async fn look_up(settings: &InfluxDb) -> Told<()> {
    let (host, port) = address(settings)?;
    let found = tokio::net::lookup_host((host.as_str(), port)).await.map_err(|error| {
        let what = format!("the name `{host}` leads nowhere: {error}; check `url` and the resolver");
        fault(StoreErrorKind::Unavailable, what)
    })?;
    let mut ips: Vec<String> = found.map(|address| address.ip().to_string()).collect();
    ips.dedup();
    Ok(((), ips.join(", ")))
}

async fn reach(settings: &InfluxDb) -> Told<()> {
    let (host, port) = address(settings)?;
    let shown = format!("{host}:{port}");
    let connect = tokio::net::TcpStream::connect((host.as_str(), port));
    match tokio::time::timeout(settings.connect_timeout.duration(), connect).await {
        Ok(Ok(stream)) => Ok(((), stream.peer_addr().map_or(shown, |peer| peer.to_string()))),
        Ok(Err(error)) => {
            let what = format!("{shown} takes no connection: {error}; is the server running?");
            Err(fault(StoreErrorKind::Unavailable, what))
        }
        Err(_) => {
            let timeout = settings.connect_timeout;
            let what = format!("{shown} does not answer within {timeout}; is there a firewall between?");
            Err(fault(StoreErrorKind::Unavailable, what))
        }
    }
}

async fn way(settings: &Arc<InfluxDb>, env: &BackendEnv) -> Told<Client> {
    let client = Client::new(Arc::clone(settings), Arc::clone(&env.clock), OPERATION).await?;
    let detail = match (&settings.ca_file, settings.url.starts_with("https")) {
        (Some(file), _) => format!("those of the system and {}", file.display()),
        (None, true) => "those of the system".to_owned(),
        (None, false) => "none are needed".to_owned(),
    };
    Ok((client, detail))
}

/// Any answer at all has passed the protection.
async fn protection(client: &Client) -> Told<()> {
    client.send(OPERATION, client.request(Method::GET, "/ping")).await?;
    let detail = if client.settings.url.starts_with("https") {
        "TLS, and the server is who it says"
    } else {
        "none: anybody on the way can read along, the token too"
    };
    Ok(((), detail.to_owned()))
}

async fn health(client: &Client) -> Told<()> {
    let health = client.health(OPERATION).await?;
    let version = health.version.unwrap_or_default();
    if health.status != influxdb2::models::Status::Pass {
        let said = health.message.unwrap_or_default();
        return Err(fault(StoreErrorKind::Unavailable, format!("the server is not well: {said}; look into its log")));
    }
    if version.trim_start_matches('v').starts_with("1.") {
        let what = format!("InfluxDB {version} is too old; version 2 is needed");
        return Err(fault(StoreErrorKind::Incompatible, what));
    }
    Ok(((), format!("InfluxDB {version}")))
}

/// A token that the server does not know is refused whatever is asked.
async fn token(client: &Client) -> Told<()> {
    match client.bucket(OPERATION, &client.settings.bucket).await {
        Err(error) if error.kind == StoreErrorKind::Unauthorized => Err(error),
        // What else is wrong belongs to another step.
        _ => Ok(((), "the server knows it".to_owned())),
    }
}

async fn organisation(client: &Client) -> Told<()> {
    let org = &client.settings.org;
    match client.bucket(OPERATION, &client.settings.bucket).await {
        Ok(_) => Ok(((), org.clone())),
        Err(error) => Err(error),
    }
}

/// How long the buckets keep, in words.
async fn kept(client: &Client) -> Result<String, StoreError> {
    let settings = &client.settings;
    let (results, _) = buckets(client, OPERATION).await?;
    let keeps = match results.keeps_s() {
        None => "for ever".to_owned(),
        Some(seconds) => format!("for {} days", seconds / 86_400),
    };
    Ok(format!("`{}` keeps {keeps}, `{}` for ever", settings.bucket, settings.rollup_bucket()))
}

/// Sends no points: a token that may not write is refused before that is noticed.
async fn may_write(client: &Client) -> Told<()> {
    let settings = &client.settings;
    for bucket in [settings.bucket.clone(), settings.rollup_bucket()] {
        let nothing = gzip(b"\n").map_err(|error| fault(StoreErrorKind::Internal, error.to_string()))?;
        match client.write(OPERATION, &bucket, nothing.into()).await {
            Ok(()) => {}
            // It was let in, and found nothing to do.
            Err(WriteFault::Other(error)) if error.kind == StoreErrorKind::Internal => {}
            Err(WriteFault::Other(mut error) | WriteFault::TooLarge(mut error)) => {
                if error.kind == StoreErrorKind::Misconfigured {
                    error.what =
                        format!("{} (or the token may not write to it: {})", error.what, make_buckets(settings));
                }
                return Err(error);
            }
        }
    }
    Ok(((), "into both buckets".to_owned()))
}

async fn written(settings: &Arc<InfluxDb>, env: &BackendEnv) -> Told<()> {
    let store = InfluxStore::open(Arc::clone(settings), env.instance, Arc::clone(&env.clock)).await?;
    let status = store.check().await;
    store.close().await?;
    let status = status?;
    let newest = status.newest.map(|newest| format!(", the newest result is of {newest}")).unwrap_or_default();
    Ok(((), format!("a value came back whole{newest}")))
}

async fn clocks(client: &Client, env: &BackendEnv) -> Told<()> {
    let answer = client.send(OPERATION, client.request(Method::GET, "/ping")).await?;
    let date = answer.headers().get(header::DATE).and_then(|date| date.to_str().ok());
    let theirs = date.and_then(|date| DateTimeParser::new().parse_timestamp(date).ok());
    let Some(theirs) = theirs.map(|date| UnixMicros::new(date.as_microsecond())) else {
        return Ok(((), "the server does not tell the time".to_owned()));
    };
    let ours = env.clock.wall();
    let apart = ours.since_us(theirs).max(theirs.since_us(ours));
    if apart > CLOCKS_APART_US {
        let what = format!(
            "the clocks of this machine and the server are {} s apart; set the one that is wrong: the server drops rows \
             by its own",
            apart / 1_000_000
        );
        return Err(fault(StoreErrorKind::Misconfigured, what));
    }
    Ok(((), format!("{} s apart", apart / 1_000_000)))
}

async fn latency(client: &Client, env: &BackendEnv) -> Told<()> {
    let mut trips = [0u64; TRIPS];
    for trip in &mut trips {
        let began = env.clock.mono();
        let answer = client.send(OPERATION, client.request(Method::GET, "/ping")).await?;
        if !matches!(answer.status(), StatusCode::NO_CONTENT | StatusCode::OK) {
            return Err(nonsense(&client.settings, OPERATION, &answer.status().to_string()));
        }
        *trip = env.clock.mono().since_us(began);
    }
    trips.sort_unstable();
    Ok(((), format!("{} µs a round trip, the longest {} µs", trips[TRIPS / 2], trips[TRIPS - 1])))
}
