//! PostgreSQL: what a person waits for when much is kept, each question in a process of its own, and a day that goes.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use hallmonitor::model::{CheckResult, Evidence, MonitorId, Rollup, Seen, Span, Tier, UnixMicros, rollup_of};
use hallmonitor::storage::backends::postgres::Postgres;
use hallmonitor::storage::conformance::{Fixture, LifeKind};
use hallmonitor::storage::{Backend, Batch, ResultQuery, ResultStore, Retention, missing_rollups};

use crate::questions::{DAY_US, DAYS, INTERVAL_US, Much, NOW, START, YEAR, block};
use crate::server::{Server, connect, env};
use crate::support::figure::Figure;

/// First word of the arguments of a process that asks one question.
pub(crate) const ASKER: &str = "ask-postgres";
const MONITORS: usize = 500;
const MUCH: Much = Much { backend: "postgres", asker: ASKER, holds: "10 M results", monitors: MONITORS };
const HOUR_US: u64 = Tier::Hour.width_us();
const ROWS_AT_ONCE: usize = 5_000;

/// Asks `times` times each, and then lets a day go.
pub(crate) fn reads(times: usize) {
    let server = Server::to_be_filled();
    let folder = tempfile::tempdir().expect("folder");
    let settings = block(async {
        let settings = server.database(folder.path()).await;
        let store = settings.open(&env(folder.path())).await.expect("opens");
        let began = Instant::now();
        let mut past = Past::new(store);
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

/// A year of rollups, of which the last days have their results.
struct Past {
    store: Arc<dyn ResultStore>,
    ids: Vec<MonitorId>,
    chance: Fixture,
    last: Vec<Option<CheckResult>>,
    /// Hours of the first day with results, which stand for those of days before.
    first_day: Vec<Rollup>,
    results: u64,
    rollups: u64,
}

impl Past {
    fn new(store: Arc<dyn ResultStore>) -> Self {
        let (ids, chance) = (MUCH.monitors(), Fixture::new(2));
        Self { store, ids, chance, last: vec![None; MONITORS], first_day: Vec::new(), results: 0, rollups: 0 }
    }

    async fn write(&mut self) {
        let mut monitors = Vec::new();
        let mut incidents = Vec::new();
        for id in self.ids.clone() {
            monitors.push(self.chance.known(id, START.minus_us((YEAR - DAYS) * DAY_US)));
            for back in [3, 40, 200] {
                incidents.push(self.chance.incident(id, NOW.minus_us(back * DAY_US), Some(600_000_000)));
            }
        }
        self.append(Batch { monitors, incidents, ..Batch::default() }).await;
        for day in 0..DAYS {
            self.live_a_day(START.plus_us(day * DAY_US)).await;
        }
        for day in 1..=YEAR - DAYS {
            self.repeat_the_first_day(START.minus_us(day * DAY_US)).await;
        }
        let made_until = Tier::Hour.bucket(NOW).from.to_string();
        self.store.set_metadata("rolled_until", made_until.as_bytes()).await.expect("notes");
    }

    /// Hour by hour: the results of all, then the hour's rollups; at the end those of the day.
    async fn live_a_day(&mut self, day: UnixMicros) {
        let mut days: Vec<Rollup> = self.ids.iter().map(|id| Rollup::empty(*id, Tier::Day, day)).collect();
        for hour in 0..24 {
            let span = Tier::Hour.bucket(day.plus_us(hour * HOUR_US));
            let mut results = Vec::new();
            for slot in 0..HOUR_US / INTERVAL_US {
                for (at, id) in self.ids.iter().enumerate() {
                    // None so near to its end that it may start after it.
                    let begin =
                        span.from.plus_us(slot * INTERVAL_US + at as u64 * (INTERVAL_US / (MONITORS as u64 + 50)));
                    results.push(LifeKind::ALL[at % 4].result(&mut self.chance, *id, begin, INTERVAL_US));
                }
            }
            results.retain(|row| row.time < NOW);
            self.results += results.len() as u64;
            let rolled = self.roll(&results, span, &mut days);
            for part in results.chunks(ROWS_AT_ONCE) {
                self.append(Batch { results: part.to_vec(), ..Batch::default() }).await;
            }
            if span.to <= NOW {
                if day == START {
                    self.first_day.extend(rolled.iter().cloned());
                }
                self.append_rollups(rolled).await;
            }
        }
        if day.plus_us(DAY_US) <= NOW {
            self.append_rollups(days).await;
        }
    }

    fn roll(&mut self, results: &[CheckResult], span: Span, days: &mut [Rollup]) -> Vec<Rollup> {
        let mut rolled = Vec::with_capacity(MONITORS);
        for (at, id) in self.ids.iter().enumerate() {
            let own = || results.iter().skip(at).step_by(MONITORS).filter(|row| row.monitor == *id);
            let seen: Vec<Seen> = self.last[at].as_ref().into_iter().chain(own()).map(Seen::from).collect();
            let evidence = Evidence { results: &seen, gaps: &[], incidents: &[], now: span.to };
            let hour = rollup_of(*id, Tier::Hour, span.from, &evidence);
            days[at].merge(&hour);
            rolled.push(hour);
            self.last[at] = own().next_back().cloned().or(self.last[at].take());
        }
        rolled
    }

    async fn repeat_the_first_day(&mut self, day: UnixMicros) {
        let mut days: Vec<Rollup> = self.ids.iter().map(|id| Rollup::empty(*id, Tier::Day, day)).collect();
        let mut hours = self.first_day.clone();
        for (at, hour) in hours.iter_mut().enumerate() {
            hour.start = day.plus_us(hour.start.since_us(START));
            days[at % MONITORS].merge(hour);
        }
        self.append_rollups(hours).await;
        self.append_rollups(days).await;
    }

    async fn append_rollups(&mut self, rollups: Vec<Rollup>) {
        self.rollups += rollups.len() as u64;
        for part in rollups.chunks(ROWS_AT_ONCE) {
            self.append(Batch { rollups: part.to_vec(), ..Batch::default() }).await;
        }
    }

    async fn append(&self, batch: Batch) {
        self.store.append(&batch).await.expect("appends");
    }
}

/// The process that asks.
pub(crate) fn asker() {
    let settings = std::env::var_os("BENCH_WAY").and_then(|text| text.into_string().ok()).expect("settings");
    let settings: Postgres = serde_json::from_str(&settings).expect("settings");
    MUCH.answer(&settings.contact(), async |folder| settings.open(&env(folder)).await.expect("opens"));
}

/// The oldest day goes, once its rollups of 5 minutes are there.
async fn prune(settings: &Postgres, folder: &Path) {
    let store = settings.open(&env(folder)).await.expect("opens");
    let reader = settings.open(&env(folder)).await.expect("opens");
    let day = Tier::Day.bucket(START);
    let began = Instant::now();
    for id in MUCH.monitors() {
        let rollups = missing_rollups(&*store, id, day).await.expect("reads");
        store.append(&Batch { rollups, ..Batch::default() }).await.expect("appends");
    }
    let rolled = began.elapsed();
    let before = store.check().await.expect("is well").size_bytes.unwrap_or(0);
    let policy = Retention { raw_days: Some(DAYS as u32 - 1), ..Retention::default() };
    let query = ResultQuery { monitor: None, span: day, limit: 1, after: None };
    let began = Instant::now();
    let watch = async {
        while !reader.results(&query).await.expect("reads").results.is_empty() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        began.elapsed()
    };
    let (pruned, gone) = tokio::join!(store.prune(&policy, START.plus_us(DAYS * DAY_US)), watch);
    let (whole, pruned) = (began.elapsed(), pruned.expect("prunes"));
    let after = store.check().await.expect("is well").size_bytes.unwrap_or(0);
    let mib = |bytes: u64| bytes as f64 / f64::from(1 << 20);
    Figure {
        what: "postgres: a day of 500 monitors goes, unreadable after".into(),
        figure: format!("{:.0} ms", gone.as_secs_f64() * 1_000.0),
        reach: Some("< 1 s".into()),
        counted: format!(
            "{} results, {:.0} of {:.0} MiB given back after {:.1} s; before that their 5-minute rollups took {:.0} s",
            pruned.results,
            mib(before) - mib(after),
            mib(before),
            whole.as_secs_f64(),
            rolled.as_secs_f64()
        ),
        ..Figure::default()
    }
    .tell();
}
