//! Throw-away servers for the tests of the desktop app: PostgreSQL and InfluxDB. Says where they are in a line of JSON on
//! standard output, then does what each line of standard input says, with a line of JSON for each. Ends with its input.
//!
//! | word | what it does |
//! |---|---|
//! | `rows` | results in PostgreSQL, asked by SQL |
//! | `schemas` | schemas of ours there |
//! | `points` | results in InfluxDB, asked by Flux |
//! | `stop`, `start` | PostgreSQL is away, and is there again |
//! | `password WORD` | the password of PostgreSQL's user is this from now on |

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program that tests talk to")]
#![allow(clippy::expect_used, reason = "a test may stop at the first fault")]

use std::io::{BufRead as _, Write as _};
use std::process::ExitCode;

use hallmonitor::storage::backends::influxdb::test_server as influxdb;
use hallmonitor::storage::backends::postgres::test_server as postgres;
use serde_json::{Value, json};

const DATABASE: &str = "desktop";
const BUCKET: &str = "desktop";

async fn asked(server: &postgres::TestServer, question: &'static str) -> i64 {
    let mut admin = server.admin(DATABASE).await;
    sqlx::query_scalar(question).fetch_one(&mut admin).await.unwrap_or(-1)
}

async fn points(server: &influxdb::TestServer) -> usize {
    let flux = format!(
        "from(bucket: \"{BUCKET}\") |> range(start: 0) |> filter(fn: (r) => r._measurement == \"hallmonitor_result\" and \
         r._field == \"verdict\")"
    );
    let answer = server.query(&flux).await;
    answer.lines().filter(|line| line.contains("hallmonitor_result")).count()
}

async fn serve() {
    let sql = postgres::TestServer::start(&postgres::Wanted::default()).expect("PostgreSQL is needed");
    let series =
        influxdb::TestServer::start(&influxdb::Wanted::default()).await.expect("InfluxDB is needed: cargo xtask setup");
    let settings = sql.database(DATABASE).await;
    let (own, rest) = (series.bucket(BUCKET, 0).await, series.bucket("desktop_rollup", 0).await);
    let (reader, whole) = (
        series.token(&[("read", &own), ("read", &rest)]).await,
        series.token(&[("read", &own), ("write", &own), ("read", &rest), ("write", &rest)]).await,
    );
    let where_they_are = json!({
        "postgres": {
            "host": settings.host, "port": settings.port, "database": settings.database, "user": settings.user,
            "password": settings.password,
        },
        "influxdb": {
            "url": series.url(), "org": series.settings(BUCKET).org, "bucket": BUCKET, "reader": reader.token,
            "token": whole.token,
        },
    });
    say(&where_they_are);
    for line in std::io::stdin().lock().lines() {
        let Ok(line) = line else { return };
        let answer = match line.trim() {
            "rows" => json!(asked(&sql, "SELECT count(*) FROM hallmonitor.result").await),
            "schemas" => json!(asked(&sql, "SELECT count(*) FROM pg_namespace WHERE nspname = 'hallmonitor'").await),
            "points" => json!(points(&series).await),
            "stop" => {
                sql.kill();
                json!(true)
            }
            "start" => {
                sql.run();
                json!(true)
            }
            other => match other.strip_prefix("password ") {
                Some(word) => {
                    let statement = format!("ALTER ROLE \"{}\" PASSWORD '{}'", settings.user, word.replace('\'', "''"));
                    sql.execute(DATABASE, &statement).await;
                    json!(true)
                }
                None => Value::Null,
            },
        };
        say(&answer);
    }
}

fn say(answer: &Value) {
    println!("{answer}");
    let _ = std::io::stdout().flush();
}

fn main() -> ExitCode {
    match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => {
            runtime.block_on(serve());
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("no runtime: {error}");
            ExitCode::FAILURE
        }
    }
}
