//! Prune and forget.

use sqlx::Connection as _;
use sqlx::postgres::PgConnection;
use uuid::Uuid;

use super::append::RAW;
use super::fault::state;
use super::share;
use super::store::PostgresStore;
use super::wire::{Stamp, counted};
use crate::model::{MonitorId, Span, Tier, UnixMicros};
use crate::storage::{
    Around, Batch, Held, Piece, PruneLeft, PruneStep, Pruned, ResultStore, Retention, StoreError, WORTH_FIVE_MINUTES,
    missing_rollups,
};

type Outcome<T> = Result<T, sqlx::Error>;

/// What the server says when somebody else holds a lock for too long.
const LOCKED: &str = "55P03";
/// So long before results go their rollups are made, in microseconds: two hours.
const AHEAD_US: u64 = 7_200_000_000;
/// Monitors that are prepared in one go, and rollups that are written at once.
const PREPARED_AT_ONCE: usize = 16;
const MADE_AT_ONCE: usize = 4_096;
/// Rows that one statement deletes.
const DELETED_AT_ONCE: i64 = 20_000;

/// Counts the rollups of instance `$1` that are below the floor of a tier.
macro_rules! below {
    ($tier:literal) => {
        concat!(
            "SELECT count(*) FROM rollup WHERE tier = '",
            $tier,
            "' AND start < floor_of($1, 0, '",
            $tier,
            "') AND monitor = ANY(ARRAY(SELECT number FROM monitor WHERE instance = $1))"
        )
    };
}

/// How far a prune is.
#[derive(Debug, Clone, Copy)]
pub(super) enum Stage {
    /// The rollups of the days from the first to the second are there.
    SummedUp(UnixMicros, UnixMicros),
    /// Nobody reads any more what goes.
    Dropping(Below),
}

/// What is below the floors. Counted once: that takes about as long as to delete it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Below {
    /// Results, in the beginning and now.
    of: u64,
    left: u64,
    rollups: u64,
}

/// Drops what the policy does not keep. What is missing of the rollups of what goes is made first, mostly it was prepared; then
/// the floors rise, and nobody reads what is below; then the space is given back.
pub(super) async fn prune(
    store: &PostgresStore,
    policy: &Retention,
    now: UnixMicros,
    piece: Piece<'_>,
) -> Result<Pruned, StoreError> {
    let (begun, mut below) = match store.resume.stage(policy, now) {
        Some(Stage::Dropping(below)) => (below.left, below),
        _ => {
            if let Some(left) = roll_up(store, policy, now, piece).await? {
                return Ok(Pruned { left: Some(left), ..Pruned::default() });
            }
            give_up(store, policy, now).await?
        }
    };
    let is_done = delete_results(store, BELOW_ALL, &mut below, piece).await?
        && delete_results(store, BELOW_OWN, &mut below, piece).await?;
    if !is_done {
        store.resume.note(policy, now, Stage::Dropping(below));
        let left = PruneLeft { step: PruneStep::Dropping, done: below.of.saturating_sub(below.left), of: below.of };
        return Ok(Pruned { results: begun.saturating_sub(below.left), rollups: 0, left: Some(left) });
    }
    delete_rest_below(store).await?;
    let rollups = below.rollups + delete_rest_below_own(store).await?;
    store.resume.clear();
    Ok(Pruned { results: begun, rollups, left: None })
}

/// Raises the floors and drops what can go as a whole; gives the results that were below them, and what still is.
async fn give_up(store: &PostgresStore, policy: &Retention, now: UnixMicros) -> Result<(u64, Below), StoreError> {
    let raised = policy.clone();
    store
        .writes("prune", move |mut connection, home| async move {
            raise_floors(&mut connection, home.instance, &raised, now).await
        })
        .await?;
    let (of, rollups) = (results_below(store).await?, rollups_below(store).await?);
    let left = if drop_partitions(store).await? > 0 { results_below(store).await? } else { of };
    Ok((of, Below { of, left, rollups }))
}

/// Makes the rollups that are missing for results that are not kept any more; tells what is left of that.
async fn roll_up(
    store: &PostgresStore,
    policy: &Retention,
    now: UnixMicros,
    piece: Piece<'_>,
) -> Result<Option<PruneLeft>, StoreError> {
    let Some(due) = Due::of(policy, now) else { return Ok(None) };
    let (mut first, mut from) = match store.resume.stage(policy, now) {
        Some(Stage::SummedUp(first, from)) => (Some(first), from),
        _ => (None, UnixMicros::MIN),
    };
    while let Some(day) = due.next_day(store, from).await? {
        let first = *first.get_or_insert(day.from);
        let lacking = due.lacking(store, day).await?;
        // A day that was broken off is looked at again: what was made of it is not lacking any more.
        if make(store, policy, now, day, &lacking, piece).await?.is_whole {
            from = day.to;
        }
        store.resume.note(policy, now, Stage::SummedUp(first, from));
        if piece.is_over() {
            let days = |span: u64| span / Tier::Day.width_us();
            let (done, of) = (days(day.from.since_us(first)), days(due.highest.since_us(first)).max(1));
            return Ok(Some(PruneLeft { step: PruneStep::SummingUp, done, of }));
        }
    }
    Ok(None)
}

/// Makes the rollups that are missing of results that will soon go, of a few monitors; tells whether there is more to
/// do. Those of a day are many, and whoever drops it should not have to wait for them.
pub(super) async fn prepare(store: &PostgresStore, policy: &Retention, now: UnixMicros) -> Result<bool, StoreError> {
    let soon = now.plus_us(AHEAD_US);
    let Some(due) = Due::of(policy, soon) else { return Ok(false) };
    let mut from = UnixMicros::MIN;
    while let Some(day) = due.next_day(store, from).await? {
        let mut lacking = due.lacking(store, day).await?;
        if !lacking.is_empty() {
            lacking.truncate(PREPARED_AT_ONCE);
            return make(store, policy, soon, day, &lacking, Piece::whole()).await.map(|made| made.rollups > 0);
        }
        from = day.to;
    }
    Ok(false)
}

/// What was made of a day.
struct Made {
    rollups: usize,
    /// Of all of the monitors.
    is_whole: bool,
}

/// Makes what is missing of a day of some monitors, and is kept at a time.
async fn make(
    store: &PostgresStore,
    policy: &Retention,
    now: UnixMicros,
    day: Span,
    monitors: &[MonitorId],
    piece: Piece<'_>,
) -> Result<Made, StoreError> {
    let around = Around { results: vec![day], rollups: day, tiers: Tier::ALL };
    let (mut left, mut made) = (monitors, 0);
    while !left.is_empty() {
        let (held, some) = Held::first_of(store, left, &around).await?;
        let mut batch = Batch::default();
        for monitor in some {
            let mut rollups = missing_rollups(&held, *monitor, day).await?;
            let is_kept = |tier, start| policy.floor_of(*monitor, Some(tier), now).is_none_or(|floor| start >= floor);
            rollups.retain(|rollup| is_kept(rollup.tier, rollup.start));
            made += rollups.len();
            batch.rollups.extend(rollups);
            if batch.rollups.len() >= MADE_AT_ONCE {
                store.append(&std::mem::take(&mut batch)).await?;
            }
        }
        if !batch.is_empty() {
            store.append(&batch).await?;
        }
        left = &left[some.len()..];
        if piece.is_over() {
            break;
        }
    }
    Ok(Made { rollups: made, is_whole: left.is_empty() })
}

/// Which results are not kept any more.
#[derive(Debug, Clone)]
struct Due {
    /// Those of every monitor are kept from here on.
    highest: UnixMicros,
    usual: UnixMicros,
    /// Monitors that have a floor of their own, and these.
    own: (Vec<Uuid>, Vec<Stamp>),
}

/// Monitors of instance `$1` of which there may be results that are not kept any more: `floor` is what was given up
/// before, `until` what is now.
macro_rules! due {
    () => {
        "WITH due AS (SELECT m.number, m.id, m.floor, m.until FROM (SELECT n.number, n.id, \
         coalesce(greatest(a.until, f.until), '-infinity') AS floor, coalesce(o.until, $2) AS until FROM monitor n \
         LEFT JOIN floor a ON a.instance = $1 AND a.tier = 'raw' AND a.monitor = 0 \
         LEFT JOIN floor f ON f.instance = $1 AND f.tier = 'raw' AND f.monitor = n.number \
         LEFT JOIN unnest($3::uuid[], $4::timestamptz[]) AS o (id, until) ON o.id = n.id \
         WHERE n.instance = $1) m WHERE m.floor < m.until) "
    };
}

impl Due {
    fn of(policy: &Retention, now: UnixMicros) -> Option<Self> {
        let highest = policy.highest_floor(None, now)?;
        let floor = |floor: Option<UnixMicros>| floor.unwrap_or(UnixMicros::MIN);
        let own = policy.own.keys().map(|id| (id.uuid(), Stamp(floor(policy.floor_of(*id, None, now))))).unzip();
        Some(Self { highest, usual: floor(policy.usual_floor(None, now)), own })
    }

    /// The first day not before `from` in which there are such results.
    async fn next_day(&self, store: &PostgresStore, from: UnixMicros) -> Result<Option<Span>, StoreError> {
        const READ: &str = concat!(
            due!(),
            "SELECT min(r.time) FROM due CROSS JOIN LATERAL (SELECT time FROM result WHERE monitor = due.number \
             AND time >= $5 AND time < $6 AND time >= due.floor AND time < due.until ORDER BY time LIMIT 1) r"
        );
        let due = self.clone();
        let first: Option<Stamp> = store
            .writes("prune", move |mut connection, home| async move {
                sqlx::query_scalar(READ)
                    .bind(home.instance)
                    .bind(Stamp(due.usual))
                    .bind(due.own.0)
                    .bind(due.own.1)
                    .bind(Stamp(from))
                    .bind(Stamp(due.highest))
                    .fetch_one(&mut *connection)
                    .await
            })
            .await?;
        Ok(first.map(|first| Tier::Day.bucket(first.0)))
    }

    /// The monitors of which rollups of such a day may be missing: for all others all are there.
    async fn lacking(&self, store: &PostgresStore, day: Span) -> Result<Vec<MonitorId>, StoreError> {
        macro_rules! rollups {
            ($what:literal, $tier:literal) => {
                concat!(
                    "SELECT ",
                    $what,
                    " FROM rollup WHERE monitor = due.number AND tier = '",
                    $tier,
                    "' AND start >= $5 AND start < $6"
                )
            };
        }
        const READ: &str = concat!(
            due!(),
            "SELECT due.id FROM due WHERE due.floor < $6 AND due.until > $5 AND EXISTS (SELECT FROM result \
             WHERE monitor = due.number AND time >= $5 AND time < $6) AND ((",
            rollups!("count(*)", "hour"),
            ") < 24 OR NOT EXISTS (",
            rollups!("", "day"),
            ") OR (NOT EXISTS (",
            rollups!("", "5m"),
            ") AND (SELECT count(*) FROM (SELECT FROM result WHERE monitor = due.number AND time >= $5 \
             AND time < $6 LIMIT $7) r) >= $7)) ORDER BY due.number"
        );
        let due = self.clone();
        let worth = i64::try_from(WORTH_FIVE_MINUTES).unwrap_or(i64::MAX);
        let ids: Vec<Uuid> = store
            .writes("prune", move |mut connection, home| async move {
                sqlx::query_scalar(READ)
                    .bind(home.instance)
                    .bind(Stamp(due.usual))
                    .bind(due.own.0)
                    .bind(due.own.1)
                    .bind(Stamp(day.from))
                    .bind(Stamp(day.to))
                    .bind(worth)
                    .fetch_all(&mut *connection)
                    .await
            })
            .await?;
        Ok(ids.into_iter().map(MonitorId::new).collect())
    }
}

/// Raises the floors; they never sink.
async fn raise_floors(
    connection: &mut PgConnection,
    instance: i32,
    policy: &Retention,
    now: UnixMicros,
) -> Outcome<()> {
    const RAISE: &str = "INSERT INTO floor AS f (instance, monitor, tier, until) VALUES ($1, 0, $2, $3) \
         ON CONFLICT (instance, tier, monitor) DO UPDATE SET until = greatest(f.until, excluded.until)";
    // Where some are kept longer, the floor of all others is one of their own.
    const RAISE_OTHERS: &str = "INSERT INTO floor AS f (instance, monitor, tier, until) \
         SELECT $1, number, $2, $3 FROM monitor WHERE instance = $1 AND id <> ALL($4) \
         ON CONFLICT (instance, tier, monitor) DO UPDATE SET until = greatest(f.until, excluded.until)";
    const RAISE_OWN: &str = "INSERT INTO floor AS f (instance, monitor, tier, until) \
         SELECT $1, number, $2, $3 FROM monitor WHERE instance = $1 AND id = $4 \
         ON CONFLICT (instance, tier, monitor) DO UPDATE SET until = greatest(f.until, excluded.until)";
    let with_own: Vec<Uuid> = policy.own.keys().map(|monitor| monitor.uuid()).collect();
    let mut work = connection.begin().await?;
    for tier in [None].into_iter().chain(Tier::ALL.iter().copied().map(Some)) {
        let word = tier.map_or(RAW, Tier::as_str);
        let (lowest, usual) = (policy.floor(tier, now), policy.usual_floor(tier, now));
        if let Some(floor) = lowest {
            sqlx::query(RAISE).bind(instance).bind(word).bind(Stamp(floor)).execute(&mut *work).await?;
        }
        if let Some(floor) = usual.filter(|_| usual != lowest) {
            let others = sqlx::query(RAISE_OTHERS).bind(instance).bind(word).bind(Stamp(floor));
            others.bind(&with_own).execute(&mut *work).await?;
        }
        for monitor in policy.own.keys() {
            let Some(floor) = policy.floor_of(*monitor, tier, now).filter(|own| Some(*own) != lowest) else { continue };
            let own = sqlx::query(RAISE_OWN).bind(instance).bind(word).bind(Stamp(floor));
            own.bind(monitor.uuid()).execute(&mut *work).await?;
        }
    }
    work.commit().await
}

/// Deletes what else is below the floors of single monitors, and the floors that the one of all has come up to; gives
/// how many rollups that were.
async fn delete_rest_below_own(store: &PostgresStore) -> Result<u64, StoreError> {
    const ROLLUPS: &str = "DELETE FROM rollup r USING floor f WHERE f.instance = $1 AND f.tier = r.tier \
         AND f.monitor <> 0 AND r.monitor = f.monitor AND r.start < f.until";
    const GAPS: &str = "DELETE FROM gap g USING floor f WHERE f.instance = $1 AND f.tier = 'raw' \
         AND f.monitor <> 0 AND g.monitor = f.monitor AND g.ended < f.until";
    const FLOORS: &str = "DELETE FROM floor f USING floor lowest WHERE f.instance = $1 AND f.monitor <> 0 \
         AND lowest.instance = $1 AND lowest.monitor = 0 AND lowest.tier = f.tier AND f.until <= lowest.until";
    let delete = |statement: &'static str| {
        store.writes("prune", move |mut connection, home| async move {
            sqlx::query(statement).bind(home.instance).execute(&mut *connection).await.map(|done| done.rows_affected())
        })
    };
    let rollups = delete(ROLLUPS).await?;
    delete(GAPS).await?;
    delete(FLOORS).await?;
    Ok(rollups)
}

/// Results of this instance that are below their floor.
async fn results_below(store: &PostgresStore) -> Result<u64, StoreError> {
    const ALL: &str = "SELECT count(*) FROM result WHERE time < floor_of($1, 0, 'raw') \
         AND monitor = ANY(ARRAY(SELECT number FROM monitor WHERE instance = $1))";
    const OWN: &str = "SELECT count(*) FROM floor f JOIN result r ON r.monitor = f.monitor AND r.time < f.until \
         AND r.time >= floor_of($1, 0, 'raw') WHERE f.instance = $1 AND f.tier = 'raw' AND f.monitor <> 0";
    Ok(count(store, ALL).await? + count(store, OWN).await?)
}

/// Rollups of this instance that are below the floor of all.
async fn rollups_below(store: &PostgresStore) -> Result<u64, StoreError> {
    const OF_TIER: [&str; 3] = [below!("5m"), below!("hour"), below!("day")];
    let mut all = 0;
    for read in OF_TIER {
        all += count(store, read).await?;
    }
    Ok(all)
}

async fn count(store: &PostgresStore, read: &'static str) -> Result<u64, StoreError> {
    let count: i64 = store
        .writes("prune", move |mut connection, home| async move {
            sqlx::query_scalar(read).bind(home.instance).fetch_one(&mut *connection).await
        })
        .await?;
    Ok(counted(count))
}

/// Drops what every instance has given up, and tells how many partitions that were. Where somebody reads it, that is left
/// for the next time.
async fn drop_partitions(store: &PostgresStore) -> Result<i32, StoreError> {
    store
        .writes("prune", |mut connection, home| async move {
            let dropped = sqlx::query_scalar::<_, i32>("SELECT drop_partitions()").fetch_one(&mut *connection).await;
            match dropped {
                Ok(dropped) => {
                    if dropped > 0 {
                        home.partitions().clear();
                        tracing::debug!(dropped, "partitions were dropped");
                    }
                    Ok(dropped)
                }
                Err(error) if state(&error).is_some_and(|state| state == LOCKED) => {
                    tracing::info!("old partitions are in use; they are dropped later");
                    Ok(0)
                }
                Err(error) => Err(error),
            }
        })
        .await
}

/// Some results of this instance below the floor of all.
const BELOW_ALL: &str = "WITH old AS (SELECT r.monitor, r.time FROM result r WHERE r.time < floor_of($1, 0, 'raw') \
     AND r.monitor = ANY(ARRAY(SELECT number FROM monitor WHERE instance = $1)) LIMIT $2) \
     DELETE FROM result r USING old WHERE r.monitor = old.monitor AND r.time = old.time \
     AND r.time < floor_of($1, 0, 'raw')";
/// Some below the floors of single monitors.
const BELOW_OWN: &str = "WITH old AS (SELECT r.monitor, r.time FROM floor f CROSS JOIN LATERAL \
     (SELECT monitor, time FROM result WHERE monitor = f.monitor AND time < f.until LIMIT $2) r \
     WHERE f.instance = $1 AND f.tier = 'raw' AND f.monitor <> 0 LIMIT $2) \
     DELETE FROM result r USING old WHERE r.monitor = old.monitor AND r.time = old.time";

/// Deletes results a part at a time; tells whether these were all.
async fn delete_results(
    store: &PostgresStore,
    statement: &'static str,
    below: &mut Below,
    piece: Piece<'_>,
) -> Result<bool, StoreError> {
    loop {
        let deleted = store
            .writes("prune", move |mut connection, home| async move {
                let some = sqlx::query(statement).bind(home.instance).bind(DELETED_AT_ONCE);
                some.execute(&mut *connection).await.map(|done| done.rows_affected())
            })
            .await?;
        below.left = below.left.saturating_sub(deleted);
        if deleted < DELETED_AT_ONCE.unsigned_abs() {
            return Ok(true);
        }
        if piece.is_over() {
            return Ok(false);
        }
    }
}

/// Deletes what else of this instance is below the floors.
async fn delete_rest_below(store: &PostgresStore) -> Result<(), StoreError> {
    const ROLLUPS: [&str; 3] = [
        "DELETE FROM rollup WHERE tier = '5m' AND start < floor_of($1, 0, '5m') \
         AND monitor = ANY(ARRAY(SELECT number FROM monitor WHERE instance = $1))",
        "DELETE FROM rollup WHERE tier = 'hour' AND start < floor_of($1, 0, 'hour') \
         AND monitor = ANY(ARRAY(SELECT number FROM monitor WHERE instance = $1))",
        "DELETE FROM rollup WHERE tier = 'day' AND start < floor_of($1, 0, 'day') \
         AND monitor = ANY(ARRAY(SELECT number FROM monitor WHERE instance = $1))",
    ];
    const GAPS: &str = "DELETE FROM gap WHERE ended < floor_of($1, 0, 'raw') \
         AND monitor = ANY(ARRAY(SELECT number FROM monitor WHERE instance = $1))";
    for rest in ROLLUPS.into_iter().chain([GAPS]) {
        store
            .writes("prune", move |mut connection, home| async move {
                sqlx::query(rest).bind(home.instance).execute(&mut *connection).await.map(drop)
            })
            .await?;
    }
    Ok(())
}

/// The number of a monitor; none where it was never seen.
async fn number_of(connection: &mut PgConnection, instance: i32, monitor: MonitorId) -> Outcome<Option<i32>> {
    const FIND: &str = "SELECT number FROM monitor WHERE instance = $1 AND id = $2";
    sqlx::query_scalar(FIND).bind(instance).bind(monitor.uuid()).fetch_optional(connection).await
}

/// Drops everything of a monitor.
pub(super) async fn forget(connection: &mut PgConnection, instance: i32, monitor: MonitorId) -> Outcome<()> {
    let mut work = connection.begin().await?;
    if let Some(number) = number_of(&mut work, instance, monitor).await? {
        let note = sqlx::query(share::NOTE_FORGOTTEN).bind(instance).bind(number).bind(share::worth());
        note.execute(&mut *work).await?;
        for delete in [
            "DELETE FROM result WHERE monitor = $1",
            "DELETE FROM rollup WHERE monitor = $1",
            "DELETE FROM gap WHERE monitor = $1",
            "DELETE FROM incident WHERE monitor = $1",
            "DELETE FROM floor WHERE monitor = $1",
            "DELETE FROM monitor WHERE number = $1",
        ] {
            sqlx::query(delete).bind(number).execute(&mut *work).await?;
        }
    }
    work.commit().await
}
