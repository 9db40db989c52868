//! The stores at their limit: what a result takes on disk, how many they take in a second, how long a question takes.
//!
//! `--only size|append|reads|postgres|postgres-reads|influxdb|influxdb-sizes|influxdb-reads` measures a part.

#![allow(
    clippy::expect_used,
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    clippy::disallowed_methods,
    reason = "a bench may stop at the first fault, prints its figures, and reckons with floats"
)]

#[path = "../support/mod.rs"]
#[allow(dead_code, unreachable_pub, reason = "each bench uses a part")]
mod support;

mod embedded_reads;
mod influxdb;
mod influxdb_reads;
mod past;
mod postgres;
mod postgres_reads;
mod questions;
mod server;
mod world;

use std::time::Duration;

use hallmonitor::storage::conformance::LifeKind;
use support::argument;
use support::figure::{Figure, spread};
use world::World;

/// Of each kind; four kinds make the 1,000.
const MONITORS: usize = 250;

fn main() {
    if std::env::args().nth(1).as_deref() == Some(postgres_reads::ASKER) {
        return postgres_reads::asker();
    }
    if std::env::args().nth(1).as_deref() == Some(embedded_reads::ASKER) {
        return embedded_reads::asker();
    }
    if std::env::args().nth(1).as_deref() == Some(influxdb_reads::ASKER) {
        return influxdb_reads::asker();
    }
    let days: u64 = argument("--days", 30);
    let only: String = argument("--only", String::new());
    if only.is_empty() || only == "size" {
        sizes(days);
    }
    if only.is_empty() || only == "append" {
        append(argument("--rounds", 3));
    }
    if only.is_empty() || only == "reads" {
        embedded_reads::reads(argument("--times", 40), &argument("--folder", String::new()));
    }
    if only.is_empty() || only == "postgres" {
        postgres::append(argument("--rounds", 3), argument("--minutes", 300));
    }
    if only.is_empty() || only == "postgres-reads" {
        postgres_reads::reads(argument("--times", 40));
    }
    if only.is_empty() || only == "influxdb" {
        influxdb::append(argument("--rounds", 3), argument("--minutes", 1_000));
    }
    if only.is_empty() || only == "influxdb-sizes" {
        influxdb::sizes(argument("--monitors", 20), argument("--days", 28));
    }
    if only.is_empty() || only == "influxdb-reads" {
        influxdb_reads::reads(argument("--times", 40), argument("--days", questions::DAYS));
    }
}

/// Bytes of all files after a month, by kind and in all.
fn sizes(days: u64) {
    let reach = |kind| match kind {
        LifeKind::Tcp | LifeKind::Dns => 7.0,
        LifeKind::Ping => 12.0,
        LifeKind::Http => 13.0,
    };
    let (mut bytes, mut entropy) = (0.0, 0.0);
    for kind in LifeKind::ALL {
        let mut world = World::open(&[kind], MONITORS);
        for _ in 0..days {
            world.live_a_day();
        }
        let sizes = world.close();
        let each = sizes.total() as f64 / world.rows as f64;
        let bits = kind.entropy_bits();
        bytes += each;
        entropy += bits / 8.0;
        eprintln!("{}: {sizes:?} for {} results", kind.as_str(), world.rows);
        Figure {
            what: format!("embedded, {}: bytes a result, all files, rollups included", kind.as_str()),
            figure: format!("{each:.2}"),
            limit: Some(format!("{:.2} (entropy of what is drawn)", bits / 8.0)),
            ratio: Some(each / (bits / 8.0)),
            reach: Some(format!("≤ {}", reach(kind))),
            counted: format!("{} results, {MONITORS} monitors at 60 s, {days} days", world.rows),
            ..Figure::default()
        }
        .tell();
    }
    Figure {
        what: "embedded, all kinds: bytes a result, all files, rollups included".into(),
        figure: format!("{:.2}", bytes / 4.0),
        limit: Some(format!("{:.2} (entropy of what is drawn)", entropy / 4.0)),
        ratio: Some(bytes / entropy),
        reach: Some("≤ 1.3 ×".into()),
        counted: format!("{} monitors at 60 s, {days} days", 4 * MONITORS),
        ..Figure::default()
    }
    .tell();
}

/// Results a second through appends, rollups and sealing.
fn append(rounds: usize) {
    let mut rates = Vec::new();
    let mut rows = 0;
    for _ in 0..rounds {
        let mut world = World::open(&LifeKind::ALL, MONITORS);
        world.live_a_day();
        let before = (world.rows, world.took.total());
        for _ in 0..2 {
            world.live_a_day();
        }
        rows = world.rows - before.0;
        let took: Duration = world.took.total() - before.1;
        rates.push(rows as f64 / took.as_secs_f64());
        eprintln!("3 days: {:?}", world.took);
        world.close();
    }
    let (low, middle, high) = spread(&mut rates);
    Figure {
        what: "embedded: sustained append with fsync, rollups and sealing".into(),
        figure: format!("{middle:.0}/s"),
        spread: Some(format!("{low:.0}–{high:.0}")),
        limit: Some("500000/s".into()),
        ratio: Some(middle / 500_000.0),
        reach: Some("≥ 500,000/s".into()),
        counted: format!("{rows} results of {} monitors in the order of time, {rounds} times", 4 * MONITORS),
    }
    .tell();
}
