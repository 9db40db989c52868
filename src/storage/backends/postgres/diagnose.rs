//! A look at the way to the server, step by step.

use sqlx::postgres::PgConnection;
use sqlx::{Connection as _, Row as _};
use uuid::Uuid;

use super::connect::{Way, authorities};
use super::fault::{ID, fault, is_refused, state};
use super::schema::{self, Engine};
use super::settings::Postgres;
use super::store::{metadata, set_metadata};
use crate::storage::diagnose::Walk;
use crate::storage::{BackendEnv, HearSteps, Step, StoreError, StoreErrorKind};

const OPERATION: &str = "diagnose";
/// Round trips whose median is told.
const TRIPS: usize = 9;

type Told<T> = Result<(T, String), StoreError>;

/// What a connection has to pass.
enum Gate {
    Protection,
    LogIn,
    Database,
}

/// Looks, and leaves nothing behind: what it makes and writes is taken back by the server, also when the look is stopped.
pub(super) async fn look(settings: &Postgres, env: &BackendEnv, tell: &dyn HearSteps) -> Vec<Step> {
    let mut walk = Walk::new(&*env.clock, tell);
    let settings = walk.step("settings", async { Ok((settings.checked(OPERATION)?, settings.address())) }).await;
    let given = settings.unwrap_or_default();
    walk.step("name", look_up(&given)).await;
    walk.step("connection", reach(&given)).await;
    let entered = walk.step("certificates", enter(&given)).await;
    let mut entered = entered.unwrap_or(Err(sqlx::Error::PoolClosed));
    for (name, at) in [("protection", Gate::Protection), ("log in", Gate::LogIn), ("database", Gate::Database)] {
        walk.step(name, passed(&given, &mut entered, at)).await;
    }
    let Ok(mut connection) = entered else { return rest_skipped(walk).await };
    let mut trial = match connection.begin().await {
        Ok(trial) => trial,
        Err(error) => {
            walk.step("schema", async { Err::<((), String), _>(fault(&given, OPERATION, &error)) }).await;
            return rest_skipped(walk).await;
        }
    };
    walk.step("schema", made(&mut trial, &given)).await;
    walk.step("rights", rights(&mut trial, &given)).await;
    walk.step("TimescaleDB", timescale(&mut trial, &given)).await;
    walk.step("write and read", written(&mut trial, &given, env)).await;
    walk.step("latency", latency(&mut trial, &given, env)).await;
    if let Err(error) = trial.rollback().await {
        // The server takes it back when the connection ends.
        tracing::debug!(%error, "what the look made is not taken back yet");
    }
    walk.steps()
}

async fn rest_skipped(mut walk: Walk<'_>) -> Vec<Step> {
    for name in walk.without(&["schema", "rights", "TimescaleDB", "write and read", "latency"]) {
        walk.step(name, async { Ok(((), String::new())) }).await;
    }
    walk.steps()
}

fn unavailable(what: String) -> StoreError {
    StoreError::new(StoreErrorKind::Unavailable, ID, OPERATION, what)
}

async fn look_up(settings: &Postgres) -> Told<()> {
    if settings.host.starts_with('/') {
        return Ok(((), "a socket of this machine".to_owned()));
    }
    let found = tokio::net::lookup_host((settings.host.as_str(), settings.port)).await;
    let found = found.map_err(|error| {
        unavailable(format!("the name `{}` leads nowhere: {error}; check `host` and the resolver", settings.host))
    })?;
    let mut ips: Vec<String> = found.map(|address| address.ip().to_string()).collect();
    ips.dedup();
    Ok(((), ips.join(", ")))
}

async fn reach(settings: &Postgres) -> Told<()> {
    if settings.host.starts_with('/') {
        return Ok(((), settings.host.clone()));
    }
    let connect = tokio::net::TcpStream::connect((settings.host.as_str(), settings.port));
    let address = format!("{}:{}", settings.host, settings.port);
    match tokio::time::timeout(settings.acquire_timeout.duration(), connect).await {
        Ok(Ok(stream)) => Ok(((), stream.peer_addr().map_or(address, |peer| peer.to_string()))),
        Ok(Err(error)) => Err(unavailable(format!("{address} takes no connection: {error}; is the server running?"))),
        Err(_) => Err(unavailable(format!(
            "{address} does not answer within {}; is there a firewall between?",
            settings.acquire_timeout
        ))),
    }
}

/// Connects; which of the next steps a refusal belongs to is told there.
async fn enter(settings: &Postgres) -> Told<Result<PgConnection, sqlx::Error>> {
    let pem = authorities(settings, OPERATION).await?;
    let found = Way::try_all(settings, pem.as_deref()).await;
    let detail = match &settings.ca_file {
        Some(file) if settings.sslmode.verifies() => file.display().to_string(),
        _ if settings.sslmode.verifies() => "those of the system".to_owned(),
        _ => "none are needed".to_owned(),
    };
    Ok((found.map(|(_, connection)| connection), detail))
}

async fn passed(settings: &Postgres, entered: &mut Result<PgConnection, sqlx::Error>, at: Gate) -> Told<()> {
    let connection = match entered {
        Ok(connection) => connection,
        Err(error) => {
            let code = state(error).unwrap_or_default();
            let stops = match at {
                Gate::Protection => is_refused(error) && code.is_empty(),
                Gate::LogIn => code.starts_with("28"),
                Gate::Database => true,
            };
            let passed = Ok(((), "passed".to_owned()));
            return if stops { Err(fault(settings, OPERATION, error)) } else { passed };
        }
    };
    const ASK: &str = "SELECT coalesce((SELECT version || ', ' || cipher FROM pg_stat_ssl WHERE pid = pg_backend_pid() \
         AND ssl), 'none: anybody on the way can read along'), current_user::text, \
         current_database() || ', PostgreSQL ' || current_setting('server_version')";
    let asked = sqlx::query(ASK).fetch_one(connection).await;
    let place = match at {
        Gate::Protection => 0,
        Gate::LogIn => 1,
        Gate::Database => 2,
    };
    let detail = asked.and_then(|row| row.try_get::<String, _>(place));
    detail.map(|detail| ((), detail)).map_err(|error| fault(settings, OPERATION, &error))
}

async fn made(connection: &mut PgConnection, settings: &Postgres) -> Told<()> {
    let found = schema::ready(connection, settings, OPERATION).await?;
    let kept = match found.engine {
        Engine::Partitions => "in partitions",
        Engine::Timescale => "in hypertables",
    };
    Ok(((), format!("`{}`, version {}, {kept}", settings.schema, schema::newest())))
}

async fn rights(connection: &mut PgConnection, settings: &Postgres) -> Told<()> {
    const ASK: &str = "SELECT coalesce(string_agg(missing, ', '), '') FROM ( \
         SELECT p || ' on ' || t AS missing FROM unnest(ARRAY['result', 'rollup', 'gap', 'incident', 'monitor', 'floor', \
         'metadata', 'instance']) AS t, unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE']) AS p \
         WHERE NOT has_table_privilege(quote_ident(current_schema()) || '.' || t, p) \
         UNION ALL SELECT 'EXECUTE on ' || f FROM unnest(ARRAY['make_result_partitions(date[])', \
         'make_rollup_partitions(text, date[])', 'drop_partitions()']) AS f \
         WHERE NOT has_function_privilege(quote_ident(current_schema()) || '.' || f, 'EXECUTE')) AS all_missing";
    let missing: Result<String, _> = sqlx::query_scalar(ASK).fetch_one(connection).await;
    let missing = missing.map_err(|error| fault(settings, OPERATION, &error))?;
    if missing.is_empty() {
        return Ok(((), "rows can be read, written and deleted, partitions made and dropped".to_owned()));
    }
    let what =
        format!("user `{}` lacks {missing}: {}", settings.user, schema::grants(&settings.schema, &settings.user));
    let grants = schema::grants(&settings.schema, &settings.user);
    Err(StoreError::new(StoreErrorKind::Unauthorized, ID, OPERATION, what).helped_by(grants))
}

async fn timescale(connection: &mut PgConnection, settings: &Postgres) -> Told<()> {
    const AVAILABLE: &str = "SELECT default_version FROM pg_available_extensions WHERE name = 'timescaledb'";
    let failed = |error: sqlx::Error| fault(settings, OPERATION, &error);
    if let Some(version) = schema::timescale(connection).await.map_err(failed)? {
        return Ok(((), version));
    }
    let available: Option<String> = sqlx::query_scalar(AVAILABLE).fetch_optional(connection).await.map_err(failed)?;
    let detail = match available {
        Some(version) => format!("{version} could be had: CREATE EXTENSION timescaledb, before the schema is made"),
        None => "not on this server, and not needed".to_owned(),
    };
    Ok(((), detail))
}

/// Writes a value as the store would, reads it back, and has a row's place made.
async fn written(connection: &mut PgConnection, settings: &Postgres, env: &BackendEnv) -> Told<()> {
    const KEY: &str = "hallmonitor.diagnose";
    let failed = |error: sqlx::Error| fault(settings, OPERATION, &error);
    let value = Uuid::new_v4().into_bytes();
    let instance = schema::instance(connection, env.instance).await.map_err(failed)?;
    set_metadata(connection, instance, KEY, &value).await.map_err(failed)?;
    if metadata(connection, instance, KEY).await.map_err(failed)?.as_deref() != Some(&value[..]) {
        let what = "what was written could not be read back; is there a trigger or a rule on the table `metadata`?";
        return Err(StoreError::new(StoreErrorKind::Corrupt, ID, OPERATION, what));
    }
    Ok(((), "a value came back whole".to_owned()))
}

async fn latency(connection: &mut PgConnection, settings: &Postgres, env: &BackendEnv) -> Told<()> {
    let mut trips = [0u64; TRIPS];
    for trip in &mut trips {
        let began = env.clock.mono();
        connection.ping().await.map_err(|error| fault(settings, OPERATION, &error))?;
        *trip = env.clock.mono().since_us(began);
    }
    trips.sort_unstable();
    Ok(((), format!("{} µs a round trip, the longest {} µs", trips[TRIPS / 2], trips[TRIPS - 1])))
}
