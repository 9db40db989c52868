//! InfluxDB: what goes through journal and sender, beside the very same requests sent by a bare loop.

use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use hallmonitor::clock::SystemClock;
use hallmonitor::deliver::{Delivery, DeliveryOptions, OpenStore};
use hallmonitor::event::Events;
use hallmonitor::model::{
    CheckResult, Evidence, InstanceId, MonitorId, Rollup, Row, Seen, Tier, UnixMicros, rollup_of,
};
use hallmonitor::secret::MemoryVault;
use hallmonitor::storage::backends::influxdb::InfluxDb;
use hallmonitor::storage::backends::influxdb::test_server::{ORG, TOKEN, TestServer, Wanted};
use hallmonitor::storage::conformance::{Fixture, LifeKind};
use hallmonitor::storage::{Backend, BackendEnv, Batch, ResultStore, Retention, StoreError, StoreErrorKind};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::support::figure::{Figure, spread};

const MONITORS: usize = 1_000;
const MINUTE_US: u64 = 60_000_000;
/// Rows in one append.
const MOST: usize = 20_000;
/// Rows that enter the journal at once.
const AT_ONCE: usize = 5_000;
/// 2026-01-01T00:00:00Z.
const START: UnixMicros = UnixMicros::new(1_767_225_600_000_000);
const SOON: [&str; 2] =
    ["--storage-cache-snapshot-write-cold-duration=10s", "--storage-compact-full-write-cold-duration=30s"];
const LONG: Duration = Duration::from_secs(1_200);

/// What a store gets of us.
pub(crate) fn env(folder: &Path) -> BackendEnv {
    BackendEnv {
        data_dir: folder.to_owned(),
        instance: InstanceId::new(uuid::Uuid::from_u128(1)),
        clock: Arc::new(SystemClock),
        vault: Arc::new(MemoryVault::default()),
    }
}

/// A server with the configuration it comes with: syncs to disk. Only that it packs what was not written to for seconds, not
/// for hours.
pub(crate) async fn server() -> TestServer {
    let arguments = SOON.iter().map(|argument| (*argument).to_owned()).collect();
    TestServer::start(&Wanted { arguments, ..Wanted::default() }).await.expect("InfluxDB was built (cargo xtask setup)")
}

/// Both ways by turns, each into an empty bucket.
pub(crate) fn append(rounds: usize, minutes: usize) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("runtime");
    let rows = results(minutes);
    runtime.block_on(async {
        let server = server().await;
        let recorded = record(&server, &rows).await;
        let bytes: usize = recorded.iter().map(Vec::len).sum();
        eprintln!("{} rows are {} requests of {} MB", rows.len(), recorded.len(), bytes / 1_000_000);
        let (mut sent, mut bare, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
        for round in 0..rounds {
            let beside = post(&server, &format!("bare_{round}"), &recorded, rows.len()).await;
            let own = send(&server.settings(&format!("sent_{round}")), &rows).await;
            eprintln!("round {round}: sent {own:.0}/s, bare {beside:.0}/s");
            ratios.push(own / beside);
            sent.push(own);
            bare.push(beside);
        }
        let (low, middle, high) = spread(&mut sent);
        let (_, ratio, _) = spread(&mut ratios);
        let (_, limit, _) = spread(&mut bare);
        Figure {
            what: "influxdb: sustained append through journal and sender".into(),
            figure: format!("{middle:.0}/s"),
            spread: Some(format!("{low:.0}–{high:.0}")),
            limit: Some(format!("{limit:.0}/s (the same compressed lines, a bare HTTP loop)")),
            ratio: Some(ratio),
            reach: Some("≥ 0.9".into()),
            counted: format!(
                "{} results of {MONITORS} monitors in the order of time, {rounds} times by turns",
                rows.len()
            ),
        }
        .tell();
        bytes_a_result(&server, "sent_0", rows.len()).await;
    });
}

/// What results take once the server has packed them.
async fn bytes_a_result(server: &TestServer, bucket: &str, rows: usize) {
    let bytes = packed_bytes(server, &[bucket]).await[0];
    Figure {
        what: "influxdb: bytes a result in the engine folder".into(),
        figure: format!("{:.0}", bytes as f64 / rows as f64),
        counted: format!("{rows} results of all kinds of {MONITORS} monitors at 60 s, packed by the server"),
        ..Figure::default()
    }
    .tell();
}

/// What buckets take on disk once the server has packed them: when none has changed for a minute.
async fn packed_bytes(server: &TestServer, buckets: &[&str]) -> Vec<u64> {
    let mut folders = Vec::new();
    for bucket in buckets {
        let id = server.bucket_of_name(bucket).await["id"].as_str().expect("an id").to_owned();
        folders.push(server.engine().join("data").join(id));
    }
    let (mut bytes, mut same) = (Vec::new(), 0);
    while same < 60 {
        let now: Vec<u64> = folders.iter().map(|folder| folder_bytes(folder)).collect();
        same = if now == bytes { same + 1 } else { 0 };
        bytes = now;
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    bytes
}

/// What the files of a folder take; the server makes some longer than it fills them.
fn folder_bytes(folder: &Path) -> u64 {
    let Ok(entries) = std::fs::read_dir(folder) else { return 0 };
    let of = |entry: std::fs::DirEntry| match entry.metadata() {
        Ok(data) if data.is_dir() => folder_bytes(&entry.path()),
        Ok(data) => data.blocks() * 512,
        Err(_) => 0,
    };
    entries.flatten().map(of).sum()
}

/// What a result of each kind takes, and a rollup of each tier: each in buckets of its own.
pub(crate) fn sizes(monitors: usize, days: u64) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("runtime");
    runtime.block_on(async {
        let server = server().await;
        let mut buckets = Vec::new();
        let mut rollups: BTreeMap<Tier, Vec<Rollup>> = BTreeMap::new();
        for kind in LifeKind::ALL {
            let mut rows = Vec::new();
            let mut chance = Fixture::new(3);
            for _ in 0..monitors {
                let own = life(&mut chance, kind, days);
                for tier in Tier::ALL.iter().copied() {
                    rollups.entry(tier).or_default().extend(rolled(&own, tier, days));
                }
                rows.extend(own);
            }
            rows.sort_unstable_by_key(|row| row.time);
            let name = kind.as_str();
            let parts = rows.chunks(MOST).map(|part| Batch { results: part.to_vec(), ..Batch::default() });
            keep(&server, name, parts).await;
            buckets.push((name.to_owned(), format!("{name}: bytes a result"), rows.len()));
        }
        for (tier, mut rows) in rollups {
            rows.sort_unstable_by_key(|row| row.start);
            let name = format!("tier_{tier}");
            let parts = rows.chunks(MOST).map(|part| Batch { rollups: part.to_vec(), ..Batch::default() });
            keep(&server, &name, parts).await;
            buckets.push((format!("{name}_rollup"), format!("bytes a rollup, {tier}"), rows.len()));
        }
        let names: Vec<&str> = buckets.iter().map(|(bucket, ..)| bucket.as_str()).collect();
        let bytes = packed_bytes(&server, &names).await;
        for ((_, what, rows), bytes) in buckets.iter().zip(bytes) {
            Figure {
                what: format!("influxdb, {what}"),
                figure: format!("{:.0}", bytes as f64 / *rows as f64),
                counted: format!("{rows} rows of {monitors} monitors at 60 s of each kind, packed by the server"),
                ..Figure::default()
            }
            .tell();
        }
    });
}

async fn keep(server: &TestServer, bucket: &str, parts: impl Iterator<Item = Batch>) {
    let store = server.settings(bucket).open(&env(Path::new("not used"))).await.expect("opens");
    for part in parts {
        store.append(&part).await.expect("appends");
    }
    store.close().await.expect("closes");
}

/// Results of one monitor of so many days.
fn life(chance: &mut Fixture, kind: LifeKind, days: u64) -> Vec<CheckResult> {
    let monitor = chance.monitor();
    (0..days * 1_440).map(|nth| kind.result(chance, monitor, START.plus_us(nth * MINUTE_US), MINUTE_US)).collect()
}

fn rolled(rows: &[CheckResult], tier: Tier, days: u64) -> Vec<Rollup> {
    let Some(monitor) = rows.first().map(|row| row.monitor) else { return Vec::new() };
    let each = tier.width_us();
    let of = |nth: u64| {
        let span = tier.bucket(START.plus_us(nth * each));
        let from = rows.partition_point(|row| row.time < span.from);
        let to = rows.partition_point(|row| row.time < span.to);
        let seen: Vec<Seen> = rows[from.saturating_sub(1)..to].iter().map(Seen::from).collect();
        let evidence = Evidence { results: &seen, gaps: &[], incidents: &[], now: span.to };
        rollup_of(monitor, tier, span.from, &evidence)
    };
    (0..days * Tier::Day.width_us() / each).map(of).collect()
}

/// What monitors of all kinds see in so many minutes, in the order of time.
fn results(minutes: usize) -> Vec<CheckResult> {
    let mut chance = Fixture::new(1);
    let monitors: Vec<MonitorId> = (0..MONITORS).map(|_| chance.monitor()).collect();
    let mut rows = Vec::with_capacity(minutes * MONITORS);
    for minute in 0..minutes as u64 {
        for (at, monitor) in monitors.iter().enumerate() {
            let slot = START.plus_us(minute * MINUTE_US + at as u64 * (MINUTE_US / MONITORS as u64));
            rows.push(LifeKind::ALL[at % 4].result(&mut chance, *monitor, slot, MINUTE_US));
        }
    }
    rows
}

/// A store that is away until it is told to be there.
struct Opener {
    settings: InfluxDb,
    folder: PathBuf,
    is_there: AtomicBool,
}

#[async_trait]
impl OpenStore for Opener {
    fn backend(&self) -> &'static str {
        InfluxDb::ID
    }

    fn contact(&self) -> String {
        self.settings.contact()
    }

    async fn open(&self) -> Result<Arc<dyn ResultStore>, StoreError> {
        if !self.is_there.load(Ordering::Acquire) {
            return Err(StoreError::new(StoreErrorKind::Unavailable, InfluxDb::ID, "open", "not yet"));
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
async fn send(settings: &InfluxDb, rows: &[CheckResult]) -> f64 {
    let folder = tempfile::tempdir().expect("folder");
    let opened = settings.open(&env(folder.path())).await.expect("makes its buckets");
    opened.close().await.expect("closes");
    let opener = Arc::new(Opener {
        settings: settings.clone(),
        folder: folder.path().to_owned(),
        is_there: AtomicBool::new(false),
    });
    let before = delivery(&opener);
    for part in rows.chunks(AT_ONCE) {
        part.iter().for_each(|row| before.journal().push(&Row::Result(row.clone())));
        assert!(before.journal().flush(LONG), "the journal takes all");
    }
    stop(before).await;
    opener.is_there.store(true, Ordering::Release);
    let began = Instant::now();
    let sending = delivery(&opener);
    while sending.status().backlog_rows > 0 {
        assert!(began.elapsed() < LONG, "{:?}", sending.status());
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let took = began.elapsed();
    assert_eq!(sending.status().dead_letters, 0);
    stop(sending).await;
    rows.len() as f64 / took.as_secs_f64()
}

async fn stop(delivery: Delivery) {
    assert!(tokio::task::spawn_blocking(move || delivery.stop(LONG)).await.expect("ends"), "ends in time");
}

/// The bodies of the writes of results, as the sender makes them.
async fn record(server: &TestServer, rows: &[CheckResult]) -> Vec<Vec<u8>> {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("binds");
    let address = listener.local_addr().expect("bound");
    let bodies = Arc::new(Mutex::new(Vec::new()));
    let (kept, port) = (Arc::clone(&bodies), server.port());
    let passing = tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            tokio::spawn(pass(client, port, Arc::clone(&kept)));
        }
    });
    let settings = InfluxDb { url: format!("http://{address}"), ..server.settings("recorded") };
    send(&settings, rows).await;
    passing.abort();
    let bodies = std::mem::take(&mut *bodies.lock().expect("no panic"));
    assert!(!bodies.is_empty());
    bodies
}

/// Passes one request on, and keeps its body where it is a write of results.
async fn pass(mut client: TcpStream, port: u16, kept: Arc<Mutex<Vec<Vec<u8>>>>) -> Option<()> {
    let mut bytes = Vec::new();
    let end = loop {
        if let Some(at) = bytes.windows(4).position(|part| part == b"\r\n\r\n") {
            break at + 4;
        }
        if client.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    };
    let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.trim().parse().ok()).unwrap_or(0);
    while bytes.len() < end + length {
        if client.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    }
    if head.starts_with("POST /api/v2/write") && head.contains("bucket=recorded&") {
        kept.lock().expect("no panic").push(bytes[end..].to_vec());
    }
    let mut up = TcpStream::connect(("127.0.0.1", port)).await.ok()?;
    up.write_all(head.replacen("\r\n", "\r\nConnection: close\r\n", 1).as_bytes()).await.ok()?;
    up.write_all(&bytes[end..]).await.ok()?;
    tokio::io::copy(&mut up, &mut client).await.ok().map(drop)
}

/// The requests one after the other, over one connection.
async fn post(server: &TestServer, bucket: &str, bodies: &[Vec<u8>], rows: usize) -> f64 {
    server.bucket(bucket, 0).await;
    let client = reqwest::Client::builder().no_proxy().tcp_nodelay(true).build().expect("a client");
    let began = Instant::now();
    for body in bodies {
        let answer = client
            .post(format!("{}/api/v2/write", server.url()))
            .query(&[("org", ORG), ("bucket", bucket), ("precision", "us")])
            .header("Authorization", format!("Token {TOKEN}"))
            .header("Content-Encoding", "gzip")
            .body(body.clone())
            .send()
            .await
            .expect("answers");
        assert_eq!(answer.status().as_u16(), 204);
    }
    rows as f64 / began.elapsed().as_secs_f64()
}
