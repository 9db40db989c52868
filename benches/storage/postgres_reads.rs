//! PostgreSQL: what a person waits for when much is kept, each question in a process of its own, and a day that goes.

use std::path::Path;
use std::time::{Duration, Instant};

use hallmonitor::model::Tier;
use hallmonitor::storage::backends::postgres::Postgres;
use hallmonitor::storage::{Backend, ResultQuery, Retention};

use crate::past::Past;
use crate::questions::{DAY_US, DAYS, Much, START, block};
use crate::server::{Server, connect, env};
use crate::support::figure::Figure;

/// First word of the arguments of a process that asks one question.
pub(crate) const ASKER: &str = "ask-postgres";
const MONITORS: usize = 500;
const MUCH: Much = Much { backend: "postgres", asker: ASKER, holds: "10 M results", monitors: MONITORS, limit_ms: 100 };

/// Asks `times` times each, and then lets a day go.
pub(crate) fn reads(times: usize) {
    let server = Server::to_be_filled();
    let folder = tempfile::tempdir().expect("folder");
    let settings = block(async {
        let settings = server.database(folder.path()).await;
        let store = settings.open(&env(folder.path())).await.expect("opens");
        let began = Instant::now();
        let mut past = Past::new(store, MUCH.monitors(), DAYS);
        past.write().await;
        eprintln!("{} results and {} rollups written in {:?}", past.results, past.rollups, began.elapsed());
        past.store.close().await.expect("closes");
        vacuum(&settings).await;
        settings
    });
    MUCH.ask_all(times, folder.path(), &serde_json::to_string(&settings).expect("settings"));
    block(prune(&settings, folder.path()));
}

/// As the server does it by itself a while after much was written.
async fn vacuum(settings: &Postgres) {
    const TABLES: &str = "SELECT c.oid::regclass::text FROM pg_class c WHERE c.relkind = 'r' \
         AND c.relnamespace = to_regnamespace(current_setting('search_path'))";
    let mut connection = connect(settings).await;
    let tables: Vec<String> = sqlx::query_scalar(TABLES).fetch_all(&mut connection).await.expect("lists");
    for table in tables {
        let vacuum = sqlx::AssertSqlSafe(format!("VACUUM (ANALYZE) {table}"));
        sqlx::raw_sql(vacuum).execute(&mut connection).await.expect("vacuums");
    }
}

/// The process that asks.
pub(crate) fn asker() {
    let settings = std::env::var_os("BENCH_WAY").and_then(|text| text.into_string().ok()).expect("settings");
    let settings: Postgres = serde_json::from_str(&settings).expect("settings");
    MUCH.answer(&settings.contact(), async |folder| settings.open(&env(folder)).await.expect("opens"));
}

/// The oldest day goes, as it does at midnight: what it leaves was prepared in the hours before.
async fn prune(settings: &Postgres, folder: &Path) {
    let store = settings.open(&env(folder)).await.expect("opens");
    let reader = settings.open(&env(folder)).await.expect("opens");
    let day = Tier::Day.bucket(START);
    let policy = Retention { raw_days: Some(DAYS as u32 - 1), ..Retention::default() };
    let midnight = START.plus_us(DAYS * DAY_US);
    store.prune_all(&policy, midnight.minus_us(Tier::Hour.width_us())).await.expect("prunes");
    let (began, mut pieces, mut longest) = (Instant::now(), 0, Duration::ZERO);
    loop {
        let piece = Instant::now();
        let more = store.tend(midnight.minus_us(Tier::Hour.width_us())).await.expect("keeps house");
        (pieces, longest) = (pieces + 1, longest.max(piece.elapsed()));
        if !more {
            break;
        }
    }
    let rolled = began.elapsed();
    let before = store.check().await.expect("is well").size_bytes.unwrap_or(0);
    let query = ResultQuery { monitor: None, span: day, limit: 1, after: None };
    let began = Instant::now();
    let watch = async {
        while !reader.results(&query).await.expect("reads").results.is_empty() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        began.elapsed()
    };
    let (pruned, gone) = tokio::join!(store.prune_all(&policy, midnight), watch);
    let (whole, pruned) = (began.elapsed(), pruned.expect("prunes"));
    let after = store.check().await.expect("is well").size_bytes.unwrap_or(0);
    let mib = |bytes: u64| bytes as f64 / f64::from(1 << 20);
    Figure {
        what: "postgres: a day of 500 monitors goes, unreadable after".into(),
        figure: format!("{:.0} ms", gone.as_secs_f64() * 1_000.0),
        reach: Some("< 1 s".into()),
        counted: format!(
            "{} results, {:.0} of {:.0} MiB given back after {:.1} s; before that their 5-minute rollups took {:.0} s \
             in {pieces} pieces, the longest of {:.2} s",
            pruned.results,
            mib(before) - mib(after),
            mib(before),
            whole.as_secs_f64(),
            rolled.as_secs_f64(),
            longest.as_secs_f64()
        ),
        ..Figure::default()
    }
    .tell();
}
