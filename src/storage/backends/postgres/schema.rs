//! The schema of the store: numbered migrations, forward only, one session at a time.

use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, Connection as _, Row as _};
use uuid::Uuid;

use super::fault::{ID, fault};
use super::settings::Postgres;
use crate::model::InstanceId;
use crate::storage::{StoreError, StoreErrorKind};

/// The oldest server that is used: partitions with keys, as they are needed here.
const OLDEST_SERVER: i32 = 120_000;

/// How the large tables are kept; decided when the schema is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Engine {
    /// Partitions of our own.
    Partitions,
    /// Hypertables of TimescaleDB.
    Timescale,
}

impl Engine {
    fn word(self) -> &'static str {
        match self {
            Self::Partitions => "partitions",
            Self::Timescale => "timescale",
        }
    }
}

/// A step from one version of the schema to the next.
struct Migration {
    name: &'static str,
    /// What comes first on every server.
    common: &'static str,
    /// What comes then: with partitions of our own, and with TimescaleDB.
    plain: &'static str,
    timescale: &'static str,
}

const MIGRATIONS: &[Migration] = &[
    Migration { name: "tables", common: include_str!("migrations/0001_tables.sql"), plain: "", timescale: "" },
    Migration {
        name: "partitions",
        common: include_str!("migrations/0002_shapes.sql"),
        plain: include_str!("migrations/0002_partitions.sql"),
        timescale: include_str!("migrations/0002_hypertables.sql"),
    },
];

/// The version that this program writes.
pub(super) fn newest() -> i32 {
    i32::try_from(MIGRATIONS.len()).unwrap_or(i32::MAX)
}

/// An identifier that means itself, whatever is in it.
pub(super) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// What a role needs that only reads and writes rows.
pub(super) fn grants(schema: &str, role: &str) -> String {
    let (schema, role) = (quoted(schema), quoted(role));
    format!(
        "GRANT USAGE ON SCHEMA {schema} TO {role}; GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA \
         {schema} TO {role}; GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA {schema} TO {role};"
    )
}

/// What there is.
#[derive(Debug, Clone, Copy)]
pub(super) struct Found {
    /// The id of the whole store.
    pub(super) store: Uuid,
    /// How its large tables are kept.
    pub(super) engine: Engine,
}

/// Brings the schema up to date, making it where there is none, and tells what there is. A schema that is up to date
/// is only looked at.
pub(super) async fn ready(
    connection: &mut PgConnection,
    settings: &Postgres,
    operation: &'static str,
) -> Result<Found, StoreError> {
    let failed = |error: sqlx::Error| fault(settings, operation, &error);
    fit(connection, settings, operation).await?;
    let version = version(connection, settings).await.map_err(failed)?;
    if version < newest() {
        migrate(connection, settings, operation).await?;
    } else {
        not_newer(version, settings, operation)?;
    }
    found(connection).await.map_err(failed)
}

/// The version of the schema; 0 where there is none.
pub(super) async fn version(connection: &mut PgConnection, settings: &Postgres) -> Result<i32, sqlx::Error> {
    // Not `to_regclass`: a session remembers what that did not find, also after another one has made it.
    const THERE: &str = "SELECT EXISTS (SELECT FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace \
                         WHERE n.nspname = $1 AND c.relname = 'migration')";
    let there: bool = sqlx::query_scalar(THERE).bind(&settings.schema).fetch_one(&mut *connection).await?;
    if !there {
        return Ok(0);
    }
    let read = format!("SELECT coalesce(max(number), 0) FROM {}.migration", quoted(&settings.schema));
    sqlx::query_scalar(AssertSqlSafe(read)).fetch_one(connection).await
}

/// Whether the server and the database can hold what is to be kept.
async fn fit(connection: &mut PgConnection, settings: &Postgres, operation: &'static str) -> Result<(), StoreError> {
    const ASK: &str = "SELECT current_setting('server_version_num')::int4, current_setting('server_version'), \
                       current_setting('server_encoding')";
    let asked = sqlx::query(ASK).fetch_one(connection).await;
    let row = asked.map_err(|error| fault(settings, operation, &error))?;
    let get = |error: sqlx::Error| fault(settings, operation, &error);
    let number: i32 = row.try_get(0).map_err(get)?;
    let (shown, encoding): (String, String) = (row.try_get(1).map_err(get)?, row.try_get(2).map_err(get)?);
    let refuse = |kind, what| Err(StoreError::new(kind, ID, operation, what));
    if number < OLDEST_SERVER {
        return refuse(
            StoreErrorKind::Incompatible,
            format!("PostgreSQL {shown} is too old; version 12 or later is needed"),
        );
    }
    if encoding != "UTF8" {
        let what = format!(
            "the database `{}` has encoding {encoding}, which does not hold every text; make one with ENCODING 'UTF8'",
            settings.database
        );
        return refuse(StoreErrorKind::Misconfigured, what);
    }
    Ok(())
}

fn not_newer(version: i32, settings: &Postgres, operation: &'static str) -> Result<(), StoreError> {
    if version <= newest() {
        return Ok(());
    }
    let what = format!(
        "the schema `{}` has version {version} and was written by a newer Hall Monitor; this one knows {}: update it, \
         or name another schema",
        settings.schema,
        newest()
    );
    Err(StoreError::new(StoreErrorKind::Incompatible, ID, operation, what))
}

/// Makes the schema or brings it up to date: all of it, or nothing.
async fn migrate(
    connection: &mut PgConnection,
    settings: &Postgres,
    operation: &'static str,
) -> Result<(), StoreError> {
    let failed = |error: sqlx::Error| fault(settings, operation, &error);
    let mut work = connection.begin().await.map_err(failed)?;
    // Whoever comes second finds it done.
    sqlx::query("SELECT pg_advisory_xact_lock(hashtextextended('hallmonitor schema ' || $1, 0))")
        .bind(&settings.schema)
        .execute(&mut *work)
        .await
        .map_err(failed)?;
    let from = version(&mut work, settings).await.map_err(failed)?;
    not_newer(from, settings, operation)?;
    let made = steps(&mut work, settings, from).await;
    made.map_err(failed)?;
    work.commit().await.map_err(failed)?;
    if from < newest() {
        tracing::info!(schema = settings.schema, from, to = newest(), "the schema is up to date");
    }
    Ok(())
}

async fn steps(work: &mut PgConnection, settings: &Postgres, from: i32) -> Result<(), sqlx::Error> {
    let schema = quoted(&settings.schema);
    if from == 0 {
        let there: bool = sqlx::query_scalar("SELECT EXISTS (SELECT FROM pg_namespace WHERE nspname = $1)")
            .bind(&settings.schema)
            .fetch_one(&mut *work)
            .await?;
        if !there {
            sqlx::raw_sql(AssertSqlSafe(format!("CREATE SCHEMA {schema}"))).execute(&mut *work).await?;
        }
    }
    // Functions remember this path: what a session of somebody puts into a temporary schema comes last.
    sqlx::query("SELECT set_config('search_path', $1, true)")
        .bind(format!("{schema}, pg_temp"))
        .execute(&mut *work)
        .await?;
    if from == 0 {
        sqlx::raw_sql(
            "CREATE TABLE migration (number integer PRIMARY KEY, name text NOT NULL, made timestamptz NOT NULL DEFAULT now())",
        )
        .execute(&mut *work)
        .await?;
    }
    let engine = engine(work, from).await?;
    for (at, migration) in MIGRATIONS.iter().enumerate().skip(usize::try_from(from).unwrap_or(0)) {
        let then = if engine == Engine::Timescale { migration.timescale } else { migration.plain };
        for text in [migration.common, then].into_iter().filter(|text| !text.is_empty()) {
            sqlx::raw_sql(text).execute(&mut *work).await?;
        }
        sqlx::query("INSERT INTO migration (number, name) VALUES ($1, $2)")
            .bind(i32::try_from(at + 1).unwrap_or(i32::MAX))
            .bind(migration.name)
            .execute(&mut *work)
            .await?;
    }
    if from == 0 {
        sqlx::query("INSERT INTO store (id, engine) VALUES ($1, $2)")
            .bind(Uuid::new_v4())
            .bind(engine.word())
            .execute(&mut *work)
            .await?;
    }
    Ok(())
}

/// How the large tables are kept, or are to be kept.
async fn engine(work: &mut PgConnection, from: i32) -> Result<Engine, sqlx::Error> {
    if from > 0 {
        return Ok(found(work).await?.engine);
    }
    let installed = timescale(work).await?;
    Ok(if installed.is_some() { Engine::Timescale } else { Engine::Partitions })
}

/// The version of TimescaleDB in this database.
pub(super) async fn timescale(connection: &mut PgConnection) -> Result<Option<String>, sqlx::Error> {
    sqlx::query_scalar("SELECT extversion FROM pg_extension WHERE extname = 'timescaledb'")
        .fetch_optional(connection)
        .await
}

/// The schema that TimescaleDB is in: the database owner's choice.
pub(super) async fn timescale_home(connection: &mut PgConnection) -> Result<Option<String>, sqlx::Error> {
    sqlx::query_scalar(
        "SELECT n.nspname::text FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace \
         WHERE e.extname = 'timescaledb'",
    )
    .fetch_optional(connection)
    .await
}

/// The number of an instance in this store, a new one at first sight.
pub(super) async fn instance(connection: &mut PgConnection, id: InstanceId) -> Result<i32, sqlx::Error> {
    const FIND: &str = "SELECT number FROM instance WHERE id = $1";
    if let Some(number) = sqlx::query_scalar(FIND).bind(id.uuid()).fetch_optional(&mut *connection).await? {
        return Ok(number);
    }
    sqlx::query("INSERT INTO instance (id) VALUES ($1) ON CONFLICT (id) DO NOTHING")
        .bind(id.uuid())
        .execute(&mut *connection)
        .await?;
    sqlx::query_scalar(FIND).bind(id.uuid()).fetch_one(connection).await
}

async fn found(connection: &mut PgConnection) -> Result<Found, sqlx::Error> {
    let row = sqlx::query("SELECT id, engine FROM store").fetch_one(connection).await?;
    let word: String = row.try_get(1)?;
    let engine = if word == Engine::Timescale.word() { Engine::Timescale } else { Engine::Partitions };
    Ok(Found { store: row.try_get(0)?, engine })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_mean_themselves() {
        assert_eq!(quoted("a\"; DROP SCHEMA b; --"), "\"a\"\"; DROP SCHEMA b; --\"");
        assert!(grants("s", "r\"").contains("TO \"r\"\"\""));
    }
}
