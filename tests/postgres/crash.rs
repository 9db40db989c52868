//! Our process is killed at random moments while rows go to a server: nothing that was acknowledged is lost, nothing is
//! there twice, and what the server has is at every moment a prefix of what was produced. 10 rounds; 100 with `HM_SOAK=1`.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use hallmonitor::model::{CheckResult, Facts, MonitorId, Phases, Row, UnixMicros, Verdict};
use hallmonitor::storage::backends::postgres::Postgres;
use hallmonitor::storage::backends::postgres::test_server::{TestServer, Wanted};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::{block, delivery, drained, own_server, start};

const LONG: Duration = Duration::from_secs(60);
/// A child produces at most this many rows and then waits to be killed: more than it can before the last moment at which
/// it is, so that some kills come while rows are on their way.
const MOST: u64 = 200_000;
/// Rows that must be acknowledged before a child may be killed.
const LEAST: u64 = 1_000;
/// From one row to the next.
const STEP_US: u64 = 1_000;
const DATABASE: &str = "crashed";

fn time_of(number: u64) -> UnixMicros {
    start().plus_us(number * STEP_US)
}

/// A row that carries its number.
fn row(number: u64) -> Row {
    Row::Result(CheckResult {
        monitor: MonitorId::new(Uuid::from_u128(u128::from(number % 97))),
        time: time_of(number),
        interval_us: 1_000_000,
        timeout_us: 1_000_000,
        verdict: Verdict::Up,
        duration_us: number,
        failure: None,
        message: "".into(),
        phases: Phases::default(),
        facts: Facts::new(),
    })
}

/// Not a test by itself: produces rows until it is killed, when the test below starts it.
#[test]
fn child() {
    let var = |name| std::env::var_os(name).and_then(|value| value.into_string().ok());
    let (Some(folder), Some(port), Some(first)) = (var("HM_CRASH_DIR"), var("HM_CRASH_PORT"), var("HM_CRASH_FIRST"))
    else {
        return;
    };
    let settings = settings(port.parse().expect("a port"));
    let delivery = delivery(Path::new(&folder), &settings);
    let mut number: u64 = first.parse().expect("a number");
    let (end, mut step) = (number + MOST, 1);
    while number < end {
        step = step * 7 % 1_009;
        for _ in 0..step {
            delivery.journal().push(&row(number));
            number += 1;
        }
        assert!(delivery.journal().flush(LONG));
        writeln!(std::io::stdout(), "\nacknowledged {number}").expect("the parent listens");
    }
    std::thread::sleep(Duration::from_secs(600));
}

fn settings(port: u16) -> Postgres {
    use hallmonitor::storage::backends::postgres::test_server::{PASSWORD, USER};
    Postgres {
        host: "127.0.0.1".to_owned(),
        port,
        database: DATABASE.to_owned(),
        user: USER.to_owned(),
        password: PASSWORD.into(),
        ..Postgres::default()
    }
}

/// Kills and collects the child whatever happens.
struct Victim(Child);

impl Drop for Victim {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// One life and death of a child; gives the number after the last row that it acknowledged.
fn life(folder: &Path, port: u16, first: u64) -> u64 {
    let child = Command::new(std::env::current_exe().expect("this program"))
        .args(["--exact", "crash::child", "--nocapture"])
        .env("HM_CRASH_DIR", folder)
        .env("HM_CRASH_PORT", port.to_string())
        .env("HM_CRASH_FIRST", first.to_string())
        .stdout(Stdio::piped())
        .spawn();
    let mut victim = Victim(child.expect("starts"));
    let lines = BufReader::new(victim.0.stdout.take().expect("piped")).lines().map_while(Result::ok);
    let mut told = lines.filter_map(|line| line.strip_prefix("acknowledged ")?.trim().parse::<u64>().ok());
    let enough = told.find(|number| *number >= first + LEAST).expect("the child lives");
    // The moment is chance, before rows are delivered, meanwhile, or after; `SIGKILL` is what `kill` sends.
    let chance = Uuid::new_v4().as_u128() % 1_500_000;
    std::thread::sleep(Duration::from_micros(u64::try_from(chance).expect("small")));
    victim.0.kill().expect("kills");
    victim.0.wait().expect("ends");
    told.last().unwrap_or(enough)
}

/// The numbers of the rows from one on, as the server has them.
async fn numbers(connection: &mut PgConnection, first: u64) -> Vec<u64> {
    const READ: &str = "SELECT duration_us FROM hallmonitor.result \
         WHERE time >= 'epoch'::timestamptz + $1 * interval '1 microsecond' ORDER BY time";
    let numbers: Vec<i64> =
        sqlx::query_scalar(READ).bind(time_of(first).micros()).fetch_all(connection).await.expect("reads");
    numbers.into_iter().map(|number| u64::try_from(number).expect("not below 0")).collect()
}

fn assert_prefix(numbers: &[u64], first: u64, round: usize) {
    let expected = first..first + numbers.len() as u64;
    assert!(numbers.iter().copied().eq(expected), "round {round}: lost, doubled or out of order");
}

#[test]
fn killed_at_any_moment_nothing_acknowledged_is_lost_and_nothing_is_doubled() {
    let rounds = if std::env::var_os("HM_SOAK").is_some() { 100 } else { 10 };
    let server: TestServer = own_server(&Wanted::default());
    let folder = tempfile::tempdir().expect("folder");
    block(async {
        let settings = server.database(DATABASE).await;
        // So that the first child finds its schema, and we a table.
        crate::open(&settings).await.expect("opens").close().await.expect("closes");
        let mut admin = server.admin(DATABASE).await;
        let (mut first, mut in_flight) = (0, 0);
        for round in 0..rounds {
            let acked = life(folder.path(), server.port(), first);
            assert!(acked >= first + LEAST, "round {round}: too few acknowledged to prove anything");
            let before = numbers(&mut admin, first).await;
            assert_prefix(&before, first, round);
            in_flight += usize::from(!before.is_empty() && first + (before.len() as u64) < acked);
            // The next life brings what waits.
            let delivery = delivery(folder.path(), &settings);
            // Rows are numbered from 0, journal records from 1.
            let produced = delivery.journal().next() - 1;
            drained(&delivery).await;
            assert!(delivery.stop(LONG), "round {round}");
            let stored = numbers(&mut admin, first).await;
            assert_prefix(&stored, first, round);
            assert!(produced >= acked, "round {round}: {produced} journaled of {acked} acknowledged");
            assert_eq!(first + stored.len() as u64, produced, "round {round}: all that is journaled is stored");
            first = produced;
        }
        assert_prefix(&numbers(&mut admin, 0).await, 0, rounds);
        assert!(in_flight > 0, "no kill came between acknowledged and delivered");
    });
}
