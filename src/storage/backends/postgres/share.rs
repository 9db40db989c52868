//! What of a schema that several instances share is one's own: its bytes, split by rows.
//!
//! Rows are not counted: a day's figures tell how many results a monitor had in it, also once these are gone. So a
//! partition is split by the rows that ever came into it. What an instance gave up is nobody's until the partition goes:
//! its own share sinks at once, and that of the others does not rise.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex as Lock, PoisonError};

use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, Connection as _, Row as _};

use super::schema::{self, Engine};
use super::store::Home;
use super::wire::counted;
use crate::clock::Mono;
use crate::model::Tier;
use crate::storage::{OwnShare, SizeParts, WORTH_FIVE_MINUTES};

type Outcome<T> = Result<T, sqlx::Error>;

/// Where an instance remembers what it had of monitors that it has forgotten: an object of UTC days since 1970, each
/// with the number of results, of monitors, and of monitors with five minutes.
macro_rules! forgotten {
    () => {
        "forgotten_rows"
    };
}
/// For who keeps house; and for whoever waits for the state of the store. Compiling the question takes longer than it saves.
const AT_LEISURE: &str = "BEGIN READ ONLY; SET LOCAL jit = off";
const QUICKLY: &str = "BEGIN READ ONLY; SET LOCAL jit = off; SET LOCAL statement_timeout = '300ms'";

/// So long a census is taken for true, and so many times as long as it took.
const FRESH_US: u64 = 60_000_000;
const RARELY: u64 = 50;

/// Rows of an instance, of a day or of all.
#[derive(Debug, Clone, Copy, Default)]
struct Rows {
    ever: u64,
    /// Of these, such as were not given up.
    left: u64,
}

impl Rows {
    fn add(&mut self, other: Self) {
        self.ever += other.ever;
        self.left += other.left;
    }
}

/// Rows of all instances, as far as the figures of days and hours tell.
#[derive(Debug, Clone, Default)]
pub(super) struct Census {
    /// Results by UTC day, since 1970: our own, and those of everybody.
    results: BTreeMap<i32, (Rows, Rows)>,
    /// Figures of all widths.
    rollups: (Rows, Rows),
    /// Instances that have monitors, and those that had rows of monitors, by day.
    present: BTreeSet<i32>,
    had: BTreeMap<i32, BTreeSet<i32>>,
}

/// A partition or a chunk of results.
struct Part {
    day: i32,
    bytes: u64,
    /// Rows in it as the server counts them, roughly.
    rows: u64,
}

/// So much of it.
fn part(bytes: u64, of: u64, whole: u64) -> u64 {
    let part = u128::from(bytes) * u128::from(of.min(whole)) / u128::from(whole.max(1));
    u64::try_from(part).unwrap_or(u64::MAX)
}

/// Whether another instance keeps something here, or has left something behind.
async fn is_shared(connection: &mut PgConnection, instance: i32) -> Outcome<bool> {
    const READ: &str = concat!(
        "SELECT EXISTS (SELECT FROM monitor WHERE instance <> $1) \
         OR EXISTS (SELECT FROM metadata WHERE instance <> $1 AND key = '",
        forgotten!(),
        "')"
    );
    sqlx::query_scalar(READ).bind(instance).fetch_one(connection).await
}

/// By instance and day: results, monitors (each has 24 hours and a day), and monitors that had enough of them for five
/// minutes, which are made when results go; of each, what was not given up. Figures of days tell it, after the last of
/// them those of hours, and what was noted of forgotten monitors.
const CENSUS: &str = concat!(
    "WITH floors AS (SELECT instance, monitor, max(until) FILTER (WHERE tier = 'raw') AS raw, \
     max(until) FILTER (WHERE tier = '5m') AS five, max(until) FILTER (WHERE tier = 'hour') AS hour \
     FROM floor GROUP BY 1, 2), \
     low AS MATERIALIZED (SELECT least(given_up('raw'), given_up('5m'), given_up('hour')) AS at, \
     CASE WHEN $2 THEN date_trunc('month', given_up('5m') AT TIME ZONE 'UTC') AT TIME ZONE 'UTC' \
     ELSE '-infinity' END AS five, \
     CASE WHEN $2 THEN date_trunc('month', given_up('hour') AT TIME ZONE 'UTC') AT TIME ZONE 'UTC' \
     ELSE '-infinity' END AS hour), \
     known AS MATERIALIZED (SELECT m.number, m.instance, coalesce(greatest(a.raw, f.raw), '-infinity') AS raw, \
     coalesce(greatest(a.five, f.five), '-infinity') AS five, coalesce(greatest(a.hour, f.hour), '-infinity') AS hour \
     FROM monitor m LEFT JOIN floors a ON a.instance = m.instance AND a.monitor = 0 \
     LEFT JOIN floors f ON f.instance = m.instance AND f.monitor = m.number), \
     days AS MATERIALIZED (SELECT k.instance, r.start, r.checks, k.raw, k.five, k.hour FROM rollup r \
     JOIN known k ON k.number = r.monitor WHERE r.tier = 'day' AND r.start >= (SELECT at FROM low)), \
     ends AS (SELECT instance, max(start) + interval '24 hours' AS at FROM days GROUP BY 1), \
     late AS (SELECT k.instance, h.start, h.checks, k.raw, k.five, k.hour FROM known k \
     LEFT JOIN ends e ON e.instance = k.instance CROSS JOIN LATERAL ( \
     SELECT date_trunc('day', start AT TIME ZONE 'UTC') AT TIME ZONE 'UTC' AS start, sum(checks)::int8 AS checks \
     FROM rollup WHERE monitor = k.number AND tier = 'hour' AND start >= coalesce(e.at, (SELECT at FROM low)) \
     GROUP BY 1) h) \
     SELECT instance, floor(extract(epoch FROM start) / 86400)::int4, sum(checks)::int8, \
     coalesce(sum(checks) FILTER (WHERE start >= raw), 0)::int8, \
     (count(*) FILTER (WHERE start >= low.hour))::int8, (count(*) FILTER (WHERE start >= t.hour))::int8, \
     (count(*) FILTER (WHERE checks >= $1 AND start < raw AND start >= low.five))::int8, \
     (count(*) FILTER (WHERE checks >= $1 AND start < raw AND start >= t.five))::int8 \
     FROM (SELECT * FROM days UNION ALL SELECT * FROM late) t CROSS JOIN low GROUP BY 1, 2 \
     UNION ALL SELECT instance, day, results, 0, CASE WHEN start >= low.hour THEN monitors ELSE 0 END, 0, \
     CASE WHEN start >= low.five THEN dense ELSE 0 END, 0 FROM ( \
     SELECT m.instance, d.key::int4 AS day, to_timestamp(d.key::int8 * 86400) AS start, (d.value->>0)::int8 AS results, \
     (d.value->>1)::int8 AS monitors, (d.value->>2)::int8 AS dense FROM metadata m \
     CROSS JOIN LATERAL jsonb_each(convert_from(m.value, 'UTF8')::jsonb) d WHERE m.key = '",
    forgotten!(),
    "') gone CROSS JOIN low WHERE start >= low.at"
);

/// Notes what a monitor had, before it is forgotten.
pub(super) const NOTE_FORGOTTEN: &str = concat!(
    "INSERT INTO metadata (instance, key, value) SELECT $1, '",
    forgotten!(),
    "', convert_to(jsonb_object_agg(day, jsonb_build_array(results, monitors, dense))::text, 'UTF8') FROM ( \
     SELECT day, sum(results)::int8 AS results, sum(monitors)::int8 AS monitors, sum(dense)::int8 AS dense FROM ( \
     SELECT floor(extract(epoch FROM start) / 86400)::int4 AS day, checks AS results, 1 AS monitors, \
     CASE WHEN checks >= $3 AND start < greatest(floor_of($1, 0, 'raw'), floor_of($1, $2, 'raw')) THEN 1 ELSE 0 END \
     AS dense FROM rollup WHERE monitor = $2 AND tier = 'day' \
     UNION ALL SELECT floor(extract(epoch FROM start) / 86400)::int4, sum(checks)::int8, 1, 0 FROM rollup \
     WHERE monitor = $2 AND tier = 'hour' AND start >= coalesce((SELECT max(start) + interval '24 hours' FROM rollup \
     WHERE monitor = $2 AND tier = 'day'), '-infinity') GROUP BY 1 \
     UNION ALL SELECT d.key::int4, (d.value->>0)::int8, (d.value->>1)::int8, (d.value->>2)::int8 FROM metadata m \
     CROSS JOIN LATERAL jsonb_each(convert_from(m.value, 'UTF8')::jsonb) d WHERE m.instance = $1 AND m.key = '",
    forgotten!(),
    "') each GROUP BY day) t WHERE to_timestamp(day::int8 * 86400) \
     >= least(given_up('raw'), given_up('5m'), given_up('hour')) HAVING count(*) > 0 \
     ON CONFLICT (instance, key) DO UPDATE SET value = excluded.value, updated = now()"
);

/// From so many results on a monitor gets five minutes of a day.
pub(super) fn worth() -> i64 {
    i64::try_from(WORTH_FIVE_MINUTES).unwrap_or(i64::MAX)
}

impl Census {
    /// Asks the server; none where that takes it too long, or it does not let us.
    async fn read(connection: &mut PgConnection, home: &Home, begin: &'static str) -> Outcome<Option<Self>> {
        let mut work = connection.begin_with(begin).await?;
        let read = Self::read_within(&mut work, home.instance, home.engine).await;
        work.rollback().await?;
        match read {
            Ok(census) => Ok(Some(census)),
            Err(sqlx::Error::Database(error)) => {
                tracing::debug!(%error, "the own share of the schema is not known");
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    async fn read_within(connection: &mut PgConnection, instance: i32, engine: Engine) -> Outcome<Self> {
        const PRESENT: &str = "SELECT DISTINCT instance FROM monitor";
        let mut census = Self::default();
        census.present.extend(sqlx::query_scalar::<_, i32>(PRESENT).fetch_all(&mut *connection).await?);
        census.present.insert(instance);
        // Partitions of figures go by months; chunks of them stay, and so does the room of what is deleted in them.
        let go_whole = engine == Engine::Partitions;
        for row in sqlx::query(CENSUS).bind(worth()).bind(go_whole).fetch_all(connection).await? {
            let (whose, day): (i32, i32) = (row.try_get(0)?, row.try_get(1)?);
            let rows = |at: usize| -> Outcome<Rows> {
                Ok(Rows { ever: counted(row.try_get(at)?), left: counted(row.try_get(at + 1)?) })
            };
            census.add(whose == instance, whose, day, [rows(2)?, rows(4)?, rows(6)?]);
        }
        Ok(census)
    }

    fn add(&mut self, is_own: bool, whose: i32, day: i32, [results, monitors, dense]: [Rows; 3]) {
        let a_day = Tier::Day.width_us();
        let (hours, fives) = (a_day / Tier::Hour.width_us(), a_day / Tier::FiveMinutes.width_us());
        let of = |rows: u64, dense: u64| rows * (hours + 1) + dense * fives;
        let rollups = Rows { ever: of(monitors.ever, dense.ever), left: of(monitors.left, dense.left) };
        let of_day = self.results.entry(day).or_default();
        for (sum, more) in [(of_day, results), (&mut self.rollups, rollups)] {
            sum.1.add(more);
            if is_own {
                sum.0.add(more);
            }
        }
        self.had.entry(day).or_default().insert(whose);
    }

    /// The own share; none where nobody else keeps anything here.
    fn share(&self, parts: &SizeParts, pieces: &[Part]) -> Option<OwnShare> {
        let had = pieces.iter().filter_map(|piece| self.had.get(&piece.day)).flatten();
        let instances = self.present.iter().chain(had).collect::<BTreeSet<_>>().len();
        if instances < 2 {
            return None;
        }
        let of_piece = |piece: &Part| {
            let (own, all) = self.results.get(&piece.day).copied().unwrap_or_default();
            // What nobody's figures tell of yet is not taken for our own.
            part(piece.bytes, own.left, all.ever.max(piece.rows))
        };
        let results = pieces.iter().map(of_piece).sum::<u64>().min(parts.results.unwrap_or(0));
        let (own, all) = self.rollups;
        let rollups = part(parts.rollups.unwrap_or(0), own.left, all.ever);
        let tables = parts.results.unwrap_or(0).saturating_add(parts.rollups.unwrap_or(0));
        let rest = part(parts.rest.unwrap_or(0), results + rollups, tables);
        let instances = u32::try_from(instances).unwrap_or(u32::MAX);
        Some(OwnShare { instances, bytes: Some(results + rollups + rest), results: Some(results) })
    }
}

/// Partitions or chunks of results, with their bytes.
async fn pieces(connection: &mut PgConnection, engine: Engine) -> Outcome<Vec<Part>> {
    const PARTITIONS: &str = "SELECT to_date(right(c.relname, 8), 'YYYYMMDD') - date '1970-01-01', \
         pg_total_relation_size(c.oid)::int8, greatest(pg_stat_get_live_tuples(c.oid), c.reltuples::int8, 0)::int8 \
         FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid WHERE i.inhparent = 'result'::regclass";
    let asked = match engine {
        Engine::Partitions => PARTITIONS.to_owned(),
        Engine::Timescale => {
            let Some(home) = schema::timescale_home(connection).await? else { return Ok(Vec::new()) };
            // Compressed rows are many in one: nothing is known of their number.
            format!(
                "SELECT floor(extract(epoch FROM c.range_start) / 86400)::int4, s.total_bytes::int8, 0::int8 \
                 FROM {}.chunks_detailed_size('result'::regclass) s JOIN timescaledb_information.chunks c \
                 ON c.chunk_schema = s.chunk_schema AND c.chunk_name = s.chunk_name",
                schema::quoted(&home)
            )
        }
    };
    // The name of the extension's schema is quoted; nothing else comes from outside.
    let rows = sqlx::query(AssertSqlSafe(asked)).fetch_all(connection).await?;
    let piece = |row: &sqlx::postgres::PgRow| {
        Ok(Part { day: row.try_get(0)?, bytes: counted(row.try_get(1)?), rows: counted(row.try_get(2)?) })
    };
    rows.iter().map(piece).collect()
}

/// A census that is asked for again and again. It is taken when house is kept, for as long as a statement may take; when
/// the state of the store is asked for only where that is quick.
#[derive(Debug)]
pub(super) struct LastCensus {
    taken: Lock<Option<Taken>>,
    /// Own rows went since, or none was taken.
    is_old: AtomicBool,
}

#[derive(Debug, Clone)]
struct Taken {
    census: Option<Arc<Census>>,
    /// Whether it is the one before, or none, as another one took too long.
    is_failed: bool,
    /// So long nobody tries again.
    until: Mono,
}

impl Default for LastCensus {
    fn default() -> Self {
        Self { taken: Lock::default(), is_old: AtomicBool::new(true) }
    }
}

impl LastCensus {
    /// Own rows went.
    pub(super) fn is_old(&self) {
        self.is_old.store(true, Ordering::Release);
    }

    /// Takes one where own rows went since the last.
    pub(super) async fn renew(&self, connection: &mut PgConnection, home: &Home) -> Outcome<()> {
        if self.is_old.swap(false, Ordering::AcqRel) && is_shared(connection, home.instance).await? {
            let begun = home.clock.mono();
            let census = Census::read(connection, home, AT_LEISURE).await?;
            self.set(home, begun, census.is_none(), census.map(Arc::new));
        }
        Ok(())
    }

    async fn get(&self, connection: &mut PgConnection, home: &Home) -> Outcome<Option<Arc<Census>>> {
        let begun = home.clock.mono();
        let last = self.taken.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let is_old = self.is_old.load(Ordering::Acquire);
        let is_good = |last: &&Taken| begun < last.until && (!is_old || last.is_failed);
        if let Some(last) = last.as_ref().filter(is_good) {
            return Ok(last.census.clone());
        }
        let census = Census::read(connection, home, QUICKLY).await?;
        let is_failed = census.is_none();
        if !is_failed {
            self.is_old.store(false, Ordering::Release);
        }
        let census = census.map(Arc::new).or_else(|| last.and_then(|last| last.census));
        self.set(home, begun, is_failed, census.clone());
        Ok(census)
    }

    fn set(&self, home: &Home, begun: Mono, is_failed: bool, census: Option<Arc<Census>>) {
        let now = home.clock.mono();
        let until = now.plus_us(FRESH_US + now.since_us(begun).saturating_mul(RARELY));
        *self.taken.lock().unwrap_or_else(PoisonError::into_inner) = Some(Taken { census, is_failed, until });
    }
}

/// The own share of the schema; none where nobody else keeps anything there.
pub(super) async fn share(connection: &mut PgConnection, home: &Home, parts: &SizeParts) -> Outcome<Option<OwnShare>> {
    if !is_shared(connection, home.instance).await? {
        return Ok(None);
    }
    let census = home.census.get(connection, home).await?;
    let (Some(census), Some(_)) = (census, parts.results) else { return Ok(Some(OwnShare::default())) };
    Ok(census.share(parts, &pieces(connection, home.engine).await?))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MB: u64 = 1_000_000;

    fn rows(ever: u64, left: u64) -> Rows {
        Rows { ever, left }
    }

    /// We are 1 and have a fifth of ten days; another one has the rest.
    fn two(left: impl Fn(i32) -> bool) -> Census {
        let mut census = Census { present: BTreeSet::from([1, 2]), ..Census::default() };
        for day in 0..10 {
            let own = if left(day) { 2_000 } else { 0 };
            census.add(true, 1, day, [rows(2_000, own), rows(2, 2), rows(0, 0)]);
            census.add(false, 2, day, [rows(8_000, 8_000), rows(8, 8), rows(0, 0)]);
        }
        census
    }

    fn days(rows: u64) -> Vec<Part> {
        (0..11).map(|day| Part { day, bytes: MB, rows }).collect()
    }

    fn parts() -> SizeParts {
        SizeParts { results: Some(11 * MB), rollups: Some(MB), rest: Some(MB), ..SizeParts::default() }
    }

    #[test]
    fn bytes_are_split_by_rows() {
        let own = two(|_| true).share(&parts(), &days(10_000)).expect("shared");
        assert_eq!((own.instances, own.results), (2, Some(2 * MB)), "a fifth of ten days; the eleventh is empty");
        assert_eq!(own.bytes, Some(2 * MB + MB / 5 + 2_200_000 / 12));
    }

    #[test]
    fn what_was_given_up_is_nobodys_until_its_room_is_back() {
        let cut = two(|day| day >= 5).share(&parts(), &days(9_000)).expect("shared");
        assert_eq!(cut.results, Some(MB), "it sinks at once, though no piece is smaller");
        let mut other = two(|_| true);
        for day in 0..10 {
            other.results.entry(day).or_default().1.left = 2_000;
        }
        let own = other.share(&parts(), &days(2_000)).expect("shared");
        assert_eq!(own.results, Some(2 * MB), "the other one's gone rows are not ours");
    }

    #[test]
    fn rows_that_no_figure_tells_of_are_not_our_own() {
        let own = two(|_| true).share(&parts(), &days(20_000)).expect("shared");
        assert_eq!(own.results, Some(MB));
    }

    #[test]
    fn nobody_shares_with_one_who_left_nothing() {
        let mut census = two(|_| true);
        census.present.remove(&2);
        assert_eq!(census.share(&parts(), &days(1)).map(|own| own.instances), Some(2), "its rows are there");
        let later = [Part { day: 20, bytes: MB, rows: 1 }];
        assert_eq!(census.share(&parts(), &later), None, "nothing of it is left");
    }
}
