//! PostgreSQL: what goes through journal and sender, beside COPY of the same rows by hand and one INSERT per result.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use hallmonitor::clock::SystemClock;
use hallmonitor::deliver::{Delivery, DeliveryOptions, OpenStore};
use hallmonitor::event::Events;
use hallmonitor::model::{CheckResult, MonitorId, Row, UnixMicros};
use hallmonitor::storage::backends::postgres::Postgres;
use hallmonitor::storage::conformance::{Fixture, LifeKind};
use hallmonitor::storage::{Backend, ResultStore, Retention, StoreError, StoreErrorKind};
use sqlx::Connection as _;
use sqlx::postgres::PgConnection;

use crate::server::{Server, connect, env};
use crate::support::figure::{Figure, spread};

const MONITORS: usize = 1_000;
const MINUTE_US: u64 = 60_000_000;
/// Rows in a transaction of what is measured beside.
const AT_ONCE: usize = 5_000;
/// Results that are inserted one by one.
const SINGLES: usize = 3_000;
/// 2026-01-01T00:00:00Z.
const START: UnixMicros = UnixMicros::new(1_767_225_600_000_000);

/// The three ways by turns, each into an empty database.
pub(crate) fn append(rounds: usize, minutes: usize) {
    let server = Server::start();
    let (monitors, rows) = results(minutes);
    let copies: Vec<Vec<u8>> = rows.chunks(AT_ONCE).map(|part| binary(&monitors, part)).collect();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("runtime");
    let (mut sent, mut copied, mut single, mut ratios) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for round in 0..rounds {
        let copy = runtime.block_on(copy(&server, &copies, rows.len()));
        let insert = runtime.block_on(insert(&server, &monitors, &rows[..SINGLES]));
        let send = runtime.block_on(send(&server, &rows));
        eprintln!("round {round}: sent {send:.0}/s, copied {copy:.0}/s, inserted {insert:.0}/s");
        ratios.push(send / copy);
        sent.push(send);
        copied.push(copy);
        single.push(insert);
    }
    let (low, middle, high) = spread(&mut sent);
    let (_, ratio, _) = spread(&mut ratios);
    let (_, copy, _) = spread(&mut copied);
    let (_, insert, _) = spread(&mut single);
    let counted =
        format!("{} results of {MONITORS} monitors in the order of time, {rounds} times by turns", rows.len());
    Figure {
        what: "postgres: sustained append through journal and sender".into(),
        figure: format!("{middle:.0}/s"),
        spread: Some(format!("{low:.0}–{high:.0}")),
        limit: Some(format!("{copy:.0}/s (COPY binary, {AT_ONCE} rows a transaction)")),
        ratio: Some(ratio),
        reach: Some("≥ 0.6".into()),
        counted: counted.clone(),
    }
    .tell();
    Figure {
        what: "postgres: sustained append beside one INSERT per result".into(),
        figure: format!("{middle:.0}/s"),
        limit: Some(format!("{insert:.0}/s (INSERT)")),
        ratio: Some(middle / insert),
        reach: Some("≥ 25".into()),
        counted,
        ..Figure::default()
    }
    .tell();
}

/// What monitors of all kinds see in so many minutes, in the order of time.
fn results(minutes: usize) -> (Vec<MonitorId>, Vec<CheckResult>) {
    let mut chance = Fixture::new(1);
    let monitors: Vec<MonitorId> = (0..MONITORS).map(|_| chance.monitor()).collect();
    let mut rows = Vec::with_capacity(minutes * MONITORS);
    for minute in 0..minutes as u64 {
        for (at, monitor) in monitors.iter().enumerate() {
            let slot = START.plus_us(minute * MINUTE_US + at as u64 * (MINUTE_US / MONITORS as u64));
            rows.push(LifeKind::ALL[at % 4].result(&mut chance, *monitor, slot, MINUTE_US));
        }
    }
    (monitors, rows)
}

/// The tables as the backend makes them, with their partitions and the numbers of the monitors.
async fn tables(server: &Server, folder: &Path) -> (Postgres, PgConnection) {
    let settings = server.database(folder).await;
    let store = settings.open(&env(folder)).await.expect("opens");
    store.close().await.expect("closes");
    let mut connection = connect(&settings).await;
    sqlx::query("SELECT make_result_partitions(ARRAY['2026-01-01', '2026-01-02']::date[])")
        .execute(&mut connection)
        .await
        .expect("makes partitions");
    (settings, connection)
}

async fn copy(server: &Server, copies: &[Vec<u8>], rows: usize) -> f64 {
    const INTO: &str = "COPY result (time, interval_us, timeout_us, duration_us, name_us, connect_us, tls_us, \
         first_byte_us, total_us, monitor, verdict, failure, message, facts) FROM STDIN (FORMAT binary)";
    let folder = tempfile::tempdir().expect("folder");
    let (_, mut connection) = tables(server, folder.path()).await;
    let began = Instant::now();
    for bytes in copies {
        let mut work = connection.begin().await.expect("begins");
        let mut copy = work.copy_in_raw(INTO).await.expect("copies");
        copy.send(bytes.as_slice()).await.expect("sends");
        copy.finish().await.expect("ends");
        work.commit().await.expect("commits");
    }
    rows as f64 / began.elapsed().as_secs_f64()
}

async fn insert(server: &Server, monitors: &[MonitorId], rows: &[CheckResult]) -> f64 {
    const INTO: &str = "INSERT INTO result (time, interval_us, timeout_us, duration_us, name_us, connect_us, tls_us, \
         first_byte_us, total_us, monitor, verdict, failure, message, facts) VALUES \
         (to_timestamp($1 / 1000000) + $1 % 1000000 * interval '1 microsecond', $2, $3, $4, $5, $6, $7, $8, $9, $10, \
         $11, $12, $13, $14::jsonb)";
    let folder = tempfile::tempdir().expect("folder");
    let (_, mut connection) = tables(server, folder.path()).await;
    let began = Instant::now();
    for row in rows {
        let us = |us: Option<u32>| us.map(i64::from);
        sqlx::query(INTO)
            .bind(row.time.micros())
            .bind(row.interval_us as i64)
            .bind(row.timeout_us as i64)
            .bind(row.duration_us as i64)
            .bind(us(row.phases.name_us))
            .bind(us(row.phases.connect_us))
            .bind(us(row.phases.tls_us))
            .bind(us(row.phases.first_byte_us))
            .bind(us(row.phases.total_us))
            .bind(number(monitors, row))
            .bind(row.verdict.as_str())
            .bind(row.failure.map(|failure| failure.as_str()))
            .bind(&*row.message)
            .bind(serde_json::to_string(&row.facts).expect("facts"))
            .execute(&mut connection)
            .await
            .expect("inserts");
    }
    rows.len() as f64 / began.elapsed().as_secs_f64()
}

fn number(monitors: &[MonitorId], row: &CheckResult) -> i32 {
    monitors.iter().position(|monitor| *monitor == row.monitor).expect("is known") as i32 + 1
}

/// The format of COPY, as the documentation of PostgreSQL has it.
fn binary(monitors: &[MonitorId], rows: &[CheckResult]) -> Vec<u8> {
    let mut bytes = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0".to_vec();
    let field = |bytes: &mut Vec<u8>, value: Option<&[u8]>| match value {
        Some(value) => {
            bytes.extend((value.len() as i32).to_be_bytes());
            bytes.extend(value);
        }
        None => bytes.extend((-1_i32).to_be_bytes()),
    };
    for row in rows {
        bytes.extend(14_i16.to_be_bytes());
        let since_2000 = row.time.micros() - 946_684_800_000_000;
        for whole in [since_2000, row.interval_us as i64, row.timeout_us as i64, row.duration_us as i64] {
            field(&mut bytes, Some(&whole.to_be_bytes()));
        }
        let phases = &row.phases;
        for us in [phases.name_us, phases.connect_us, phases.tls_us, phases.first_byte_us, phases.total_us] {
            field(&mut bytes, us.map(|us| i64::from(us).to_be_bytes()).as_ref().map(<[u8; 8]>::as_slice));
        }
        field(&mut bytes, Some(&number(monitors, row).to_be_bytes()));
        field(&mut bytes, Some(row.verdict.as_str().as_bytes()));
        field(&mut bytes, row.failure.map(|failure| failure.as_str().as_bytes()));
        field(&mut bytes, Some(row.message.as_bytes()));
        let facts = serde_json::to_vec(&row.facts).expect("facts");
        field(&mut bytes, (!row.facts.is_empty()).then(|| [&[1], facts.as_slice()].concat()).as_deref());
    }
    bytes.extend((-1_i16).to_be_bytes());
    bytes
}

/// A store that is away until it is told to be there.
struct Opener {
    settings: Postgres,
    folder: std::path::PathBuf,
    is_there: AtomicBool,
}

#[async_trait]
impl OpenStore for Opener {
    fn backend(&self) -> &'static str {
        Postgres::ID
    }

    fn contact(&self) -> String {
        self.settings.contact()
    }

    async fn open(&self) -> Result<Arc<dyn ResultStore>, StoreError> {
        if !self.is_there.load(Ordering::Acquire) {
            return Err(StoreError::new(StoreErrorKind::Unavailable, Postgres::ID, "open", "not yet"));
        }
        self.settings.open(&env(&self.folder)).await
    }
}

fn delivery(opener: &Arc<Opener>) -> Delivery {
    let mut options = DeliveryOptions::new(opener.folder.clone(), Arc::new(SystemClock), Events::new());
    // What is old by the calendar stays.
    options.retention = Retention::everything();
    Delivery::start(options, Arc::clone(opener) as Arc<dyn OpenStore>).expect("starts").0
}

/// The journal is written while the server is away; then the sender brings all of it.
async fn send(server: &Server, rows: &[CheckResult]) -> f64 {
    const LONG: Duration = Duration::from_secs(600);
    let folder = tempfile::tempdir().expect("folder");
    let (settings, mut connection) = tables(server, folder.path()).await;
    let opener = Arc::new(Opener { settings, folder: folder.path().to_owned(), is_there: AtomicBool::new(false) });
    let before = delivery(&opener);
    for part in rows.chunks(AT_ONCE) {
        part.iter().for_each(|row| before.journal().push(&Row::Result(row.clone())));
        assert!(before.journal().flush(LONG), "the journal takes all");
    }
    assert!(before.stop(LONG), "ends");
    opener.is_there.store(true, Ordering::Release);
    let began = Instant::now();
    let sending = delivery(&opener);
    while sending.status().backlog_rows > 0 {
        assert!(began.elapsed() < LONG, "{:?}", sending.status());
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let took = began.elapsed();
    assert!(sending.stop(LONG), "ends");
    let kept: i64 = sqlx::query_scalar("SELECT count(*) FROM result").fetch_one(&mut connection).await.expect("counts");
    assert_eq!(kept, rows.len() as i64, "every result is there");
    rows.len() as f64 / took.as_secs_f64()
}
