//! How the store is: size, what of it is what, ends, version.

use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, Row as _};

use super::read::with_floors;
use super::schema::{self, Engine};
use super::share;
use super::store::Home;
use super::wire::{Stamp, counted};
use crate::storage::{SizeParts, StoreStatus};

type Outcome<T> = Result<T, sqlx::Error>;

/// Bytes by table, partitions with the table they are of; rows are not looked at.
async fn room(connection: &mut PgConnection) -> Outcome<SizeParts> {
    const ROOM: &str = "SELECT coalesce(sum(bytes) FILTER (WHERE name = 'result'), 0)::int8, \
         coalesce(sum(bytes) FILTER (WHERE name = 'rollup'), 0)::int8, \
         coalesce(sum(bytes) FILTER (WHERE name NOT IN ('result', 'rollup')), 0)::int8 FROM ( \
         SELECT root.relname AS name, pg_total_relation_size(c.oid) AS bytes FROM pg_class c \
         JOIN pg_class root ON root.oid = coalesce(pg_partition_root(c.oid), c.oid) \
         WHERE c.relnamespace = to_regnamespace(quote_ident(current_schema())) AND c.relkind = 'r') t";
    let row = sqlx::query(ROOM).fetch_one(connection).await?;
    let part = |at: usize| row.try_get(at).map(|bytes| Some(counted(bytes)));
    Ok(SizeParts { results: part(0)?, rollups: part(1)?, rest: part(2)?, ..SizeParts::default() })
}

/// What results and rollups take in TimescaleDB's chunks; none where the extension is gone.
async fn hypertables(connection: &mut PgConnection) -> Outcome<Option<[u64; 2]>> {
    let Some(home) = schema::timescale_home(connection).await? else { return Ok(None) };
    let home = schema::quoted(&home);
    let sizes = format!(
        "SELECT coalesce({home}.hypertable_size('result'::regclass), 0)::int8, \
         coalesce({home}.hypertable_size('rollup'::regclass), 0)::int8"
    );
    // The schema is quoted; nothing else comes from outside.
    let row = sqlx::query(AssertSqlSafe(sizes)).fetch_one(connection).await?;
    Ok(Some([counted(row.try_get(0)?), counted(row.try_get(1)?)]))
}

/// About how many results there are, as the server reckons when it looks after its tables; none before it did, and in
/// TimescaleDB, which compresses many into one row.
async fn estimated(connection: &mut PgConnection, engine: Engine) -> Outcome<Option<u64>> {
    const ROWS: &str = "SELECT sum(c.reltuples) FILTER (WHERE c.reltuples > 0)::int8 FROM pg_class c \
         JOIN pg_class root ON root.oid = coalesce(pg_partition_root(c.oid), c.oid) \
         WHERE root.relnamespace = to_regnamespace(quote_ident(current_schema())) AND root.relname = 'result' \
         AND c.relkind = 'r'";
    if engine == Engine::Timescale {
        return Ok(None);
    }
    let rows: Option<i64> = sqlx::query_scalar(ROWS).fetch_one(connection).await?;
    Ok(rows.map(counted))
}

/// Size, ends and version.
pub(super) async fn status(connection: &mut PgConnection, home: &Home) -> Outcome<StoreStatus> {
    const ENDS: &str = concat!(
        "SELECT min(first.time), max(last.time) FROM ",
        with_floors!(),
        " CROSS JOIN LATERAL (SELECT time FROM result WHERE monitor = m.number AND time >= m.floor \
         ORDER BY time LIMIT 1) first \
         CROSS JOIN LATERAL (SELECT time FROM result WHERE monitor = m.number AND time >= m.floor \
         ORDER BY time DESC LIMIT 1) last"
    );
    let ends = sqlx::query(ENDS).bind(home.instance).fetch_one(&mut *connection).await?;
    let room = room(connection).await?;
    let server: String =
        sqlx::query_scalar("SELECT current_setting('server_version')").fetch_one(&mut *connection).await?;
    let mut version = format!("PostgreSQL {server}");
    let mut parts = room;
    if home.engine == Engine::Timescale {
        let extension = schema::timescale(connection).await?;
        version = format!("{version}, TimescaleDB {}", extension.as_deref().unwrap_or("removed"));
        // Its chunks are elsewhere.
        parts = match hypertables(connection).await? {
            Some([results, rollups]) => SizeParts { results: Some(results), rollups: Some(rollups), ..room },
            None => SizeParts::default(),
        };
    }
    let size_bytes = parts.results.map(|_| parts.sum());
    let results = estimated(connection, home.engine).await?;
    let own = share::share(connection, home, &parts).await?;
    let end = |at: usize| ends.try_get::<Option<Stamp>, _>(at).map(|end| end.map(|end| end.0));
    Ok(StoreStatus { size_bytes, parts, own, results, oldest: end(0)?, newest: end(1)?, version })
}
