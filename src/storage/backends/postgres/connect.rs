//! Ways to the server: what the settings mean to the driver, one connection, a pool of them.

use std::sync::Arc;
use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgConnection, PgPool, PgPoolOptions, PgSslMode};
use sqlx::{ConnectOptions as _, Connection as _, Executor as _};

use super::fault::{self, ID};
use super::schema::quoted;
use super::settings::{Postgres, SslMode};
use crate::storage::{StoreError, StoreErrorKind};

/// Longest wait for a lock of another session, in milliseconds.
const LOCK_MS: u64 = 10_000;
/// A transaction that its session has forgotten is ended after so long, in milliseconds.
const FORGOTTEN_MS: u64 = 60_000;
/// A connection that was idle for so long is asked whether it is still there before it is used.
const UNTESTED: Duration = Duration::from_millis(500);
/// Prepared statements that a connection keeps.
const STATEMENTS: usize = 64;

/// A way to a server that works.
#[derive(Debug, Clone)]
pub(super) struct Way {
    options: PgConnectOptions,
}

impl Way {
    /// Finds out how the server wants to be talked to, and gives the first connection with it.
    pub(super) async fn find(settings: &Postgres, operation: &'static str) -> Result<(Self, PgConnection), StoreError> {
        let pem = authorities(settings, operation).await?;
        let found = Self::try_all(settings, pem.as_deref()).await;
        found.map_err(|error| fault::fault(settings, operation, &error))
    }

    /// Tries the modes that the setting means; gives the error of the first.
    pub(super) async fn try_all(settings: &Postgres, pem: Option<&[u8]>) -> Result<(Self, PgConnection), sqlx::Error> {
        let mut first: Option<sqlx::Error> = None;
        for mode in modes(settings.sslmode) {
            let way = Self { options: options(settings, &settings.host, settings.port, *mode, pem) };
            match way.connect(settings).await {
                Ok(connection) => return Ok((way, connection)),
                Err(error) if first.is_none() && fault::is_refused(&error) => first = Some(error),
                Err(error) => return Err(first.unwrap_or(error)),
            }
        }
        Err(first.unwrap_or(sqlx::Error::PoolTimedOut))
    }

    /// The same way to another machine.
    pub(super) fn to(&self, host: &str, port: u16) -> Self {
        Self { options: self.options.clone().host(host).port(port) }
    }

    /// One connection, ready for statements.
    pub(super) async fn connect(&self, settings: &Postgres) -> Result<PgConnection, sqlx::Error> {
        let connect = async {
            let mut connection = self.options.connect().await?;
            begin_session(&mut connection, settings).await?;
            Ok(connection)
        };
        match tokio::time::timeout(settings.acquire_timeout.duration(), connect).await {
            Ok(connected) => connected,
            Err(_) => Err(sqlx::Error::Io(std::io::ErrorKind::TimedOut.into())),
        }
    }

    /// A pool of connections, none of them open yet.
    pub(super) fn pool(&self, settings: &Arc<Postgres>, acquire: Duration) -> PgPool {
        let session = Arc::clone(settings);
        PgPoolOptions::new()
            .min_connections(settings.pool_min)
            .max_connections(settings.pool_max)
            .acquire_timeout(acquire)
            .idle_timeout(settings.idle_timeout.duration())
            .max_lifetime(settings.max_lifetime.duration())
            // One that has just answered is not asked whether it is still there.
            .test_before_acquire(false)
            .before_acquire(|connection, about| {
                Box::pin(async move {
                    if about.idle_for >= UNTESTED {
                        connection.ping().await?;
                    }
                    Ok(true)
                })
            })
            .after_connect(move |connection, _| {
                let settings = Arc::clone(&session);
                Box::pin(async move { begin_session(connection, &settings).await })
            })
            .connect_lazy_with(self.options.clone())
    }
}

/// The driver's modes that a setting means, in the order in which they are tried.
fn modes(mode: SslMode) -> &'static [PgSslMode] {
    match mode {
        SslMode::Disable => &[PgSslMode::Disable],
        SslMode::Allow => &[PgSslMode::Disable, PgSslMode::Require],
        SslMode::Prefer => &[PgSslMode::Prefer, PgSslMode::Disable],
        SslMode::Require => &[PgSslMode::Require],
        SslMode::VerifyCa => &[PgSslMode::VerifyCa],
        SslMode::VerifyFull => &[PgSslMode::VerifyFull],
    }
}

fn options(settings: &Postgres, host: &str, port: u16, mode: PgSslMode, pem: Option<&[u8]>) -> PgConnectOptions {
    let options = PgConnectOptions::new_without_pgpass()
        .host(host)
        .port(port)
        .username(&settings.user)
        .password(&settings.password)
        .database(&settings.database)
        .ssl_mode(mode)
        .application_name(&settings.application_name)
        .statement_cache_capacity(STATEMENTS)
        .disable_statement_logging();
    match pem {
        Some(pem) => options.ssl_root_cert_from_pem(pem.to_vec()),
        None => options,
    }
}

/// The certificates of the authorities that the settings name.
pub(super) async fn authorities(settings: &Postgres, operation: &'static str) -> Result<Option<Vec<u8>>, StoreError> {
    let Some(file) = settings.ca_file.clone().filter(|_| settings.sslmode.verifies()) else { return Ok(None) };
    let shown = file.display().to_string();
    let unusable = |why: String| {
        let what = format!("`caFile` ({shown}) cannot be used: {why}");
        StoreError::new(StoreErrorKind::Misconfigured, ID, operation, what)
    };
    let read = tokio::task::spawn_blocking(move || std::fs::read(&file)).await;
    let pem = read.map_err(|lost| unusable(lost.to_string()))?.map_err(|error| unusable(error.to_string()))?;
    if pem.windows(27).any(|part| part == b"-----BEGIN CERTIFICATE-----") {
        Ok(Some(pem))
    } else {
        Err(unusable("there is no certificate in it; PEM is wanted".to_owned()))
    }
}

/// Settings of a session. They are set by a statement, so that a pooler between us and the server knows them too.
async fn begin_session(connection: &mut PgConnection, settings: &Postgres) -> Result<(), sqlx::Error> {
    const SET: &str = "SELECT set_config('search_path', $1, false), set_config('statement_timeout', $2, false), \
         set_config('lock_timeout', $3, false), set_config('idle_in_transaction_session_timeout', $4, false), \
         set_config('timezone', 'UTC', false)";
    let set = sqlx::query(SET)
        .bind(quoted(&settings.schema))
        .bind(settings.statement_timeout.millis().to_string())
        .bind(LOCK_MS.min(settings.statement_timeout.millis()).to_string())
        .bind(FORGOTTEN_MS.to_string());
    connection.execute(set).await.map(drop)
}
