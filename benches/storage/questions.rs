//! What a person asks of much history, each question in a process of its own: the same for every store.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Instant;

use hallmonitor::app::{chart_of, days_of, rows_of};
use hallmonitor::clock::SystemClock;
use hallmonitor::deliver::History;
use hallmonitor::model::{MonitorId, Span, Tier, UnixMicros};
use hallmonitor::storage::conformance::Fixture;
use hallmonitor::storage::{IncidentQuery, ReadRows, ResultQuery, ResultStore};

use crate::support::figure::Figure;
use crate::support::process;

pub(crate) const INTERVAL_US: u64 = 120_000_000;
pub(crate) const DAY_US: u64 = Tier::Day.width_us();
/// Days of results.
pub(crate) const DAYS: u64 = 28;
/// Days of rollups, those included.
pub(crate) const YEAR: u64 = 365;
/// 2026-01-01T00:00:00Z: the first result.
pub(crate) const START: UnixMicros = UnixMicros::new(1_767_225_600_000_000);
/// In the middle of the last hour, as it mostly is; the day is not over.
pub(crate) const NOW: UnixMicros = UnixMicros::new(START.micros() + 28 * 86_400_000_000 - 1_500_000_000);
const QUESTIONS: &[&str] =
    &["overview", "chart of 24 h", "chart of 30 d", "chart of 1 y", "heatmap of 1 y", "results", "results of all"];
/// Rows of the overview.
const ROWS: usize = 50;
const BUCKETS: u32 = 600;

/// A store with much in it.
pub(crate) struct Much {
    /// The word of its backend.
    pub(crate) backend: &'static str,
    /// First word of the arguments of a process that asks it.
    pub(crate) asker: &'static str,
    /// What is in it, in words.
    pub(crate) holds: &'static str,
    pub(crate) monitors: usize,
    /// Longest time of an answer, in milliseconds.
    pub(crate) limit_ms: u64,
}

pub(crate) fn block<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("runtime").block_on(future)
}

impl Much {
    pub(crate) fn monitors(&self) -> Vec<MonitorId> {
        let mut chance = Fixture::new(1);
        (0..self.monitors).map(|_| chance.monitor()).collect()
    }

    /// Asks every question `times` times, each of another monitor. `way` tells the processes how the store is opened.
    pub(crate) fn ask_all(&self, times: usize, folder: &Path, way: &str) {
        let ids = self.monitors();
        for question in QUESTIONS {
            let answers: Vec<(u64, u64)> =
                (0..times).map(|at| self.ask(question, folder, ids[at * 97 % self.monitors], way)).collect();
            self.tell(question, &answers);
        }
    }

    /// One question to a process that was just started: how long it took, and its memory at most.
    fn ask(&self, question: &str, folder: &Path, monitor: MonitorId, way: &str) -> (u64, u64) {
        let output = Command::new(std::env::current_exe().expect("own path"))
            .args([self.asker, question, &monitor.to_string()])
            .arg(folder)
            .env("BENCH_WAY", way)
            .output()
            .expect("asks");
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        if std::env::var_os("BENCH_STAGES").is_some() {
            eprintln!("{question}: {}", text.trim());
        }
        let mut numbers = text.split_whitespace().filter_map(|word| word.parse().ok());
        match (output.status.success(), numbers.next(), numbers.next()) {
            (true, Some(us), Some(kib)) => (us, kib),
            _ => panic!("{question}: {text} {}", String::from_utf8_lossy(&output.stderr)),
        }
    }

    /// The process that asks: from opening the store to the answer.
    pub(crate) fn answer(&self, contact: &str, open: impl AsyncFnOnce(&Path) -> Arc<dyn ResultStore>) {
        let args: Vec<String> = std::env::args().skip(2).collect();
        let [question, monitor, folder] = &args[..3] else { panic!("{} QUESTION MONITOR FOLDER", self.asker) };
        let (folder, monitor) = (PathBuf::from(folder), monitor.parse().expect("an id"));
        let began = Instant::now();
        block(async {
            let store = open(&folder).await;
            let opened = began.elapsed();
            let history = History::offline(&folder, contact, Some(store), &[], Arc::new(SystemClock));
            self.question(&history.expect("opens"), question, monitor).await;
            let (took, rss) = (began.elapsed().as_micros(), process::rss_kib(std::process::id()).1);
            println!("{took} {rss} {}", opened.as_micros());
        });
    }

    async fn question(&self, history: &History, question: &str, monitor: MonitorId) {
        let last = |days: u64| Span::new(NOW.minus_us(days * DAY_US), NOW);
        let chart = async |days| {
            let chart = chart_of(history, monitor, last(days), BUCKETS, NOW).await.expect("answers");
            // An hour that is cut where results are gone is not there.
            let checks = chart.checks.iter().sum::<u64>();
            assert!(checks + 30 >= days * DAY_US / INTERVAL_US, "{question}: all checks count");
        };
        match question {
            "overview" => {
                let ids = self.monitors();
                let latest = history.latest(&ids, NOW).await.expect("answers");
                assert_eq!(latest.len(), self.monitors);
                let query = IncidentQuery { monitor: None, span: Span::new(NOW.minus_us(1), NOW), limit: 1_000 };
                history.incidents(&query).await.expect("answers");
                let from = ids.iter().position(|id| *id == monitor).expect("is known");
                let rows: Vec<MonitorId> = ids.into_iter().cycle().skip(from).take(ROWS).collect();
                let rows = rows_of(history, &rows, NOW).await.expect("answers");
                assert!(rows.iter().all(|row| row.days.len() == 30 && row.p95_us.is_some()));
            }
            "chart of 24 h" => chart(1).await,
            "chart of 30 d" => chart(30).await,
            "chart of 1 y" => chart(YEAR - 1).await,
            "heatmap of 1 y" => {
                let days = days_of(history, &[monitor], 365, NOW).await.expect("answers");
                assert!(days.len() == 365 && days.iter().all(|day| day.observed.0 > 0.9), "every day was observed");
            }
            _ => {
                let monitor = Some(monitor).filter(|_| question == "results");
                let query = ResultQuery { monitor, span: last(YEAR), limit: 100, after: None };
                assert_eq!(history.results(&query).await.expect("answers").results.len(), 100);
            }
        }
    }

    fn tell(&self, question: &str, answers: &[(u64, u64)]) {
        let rss = answers.iter().map(|(_, kib)| *kib).max().unwrap_or(0) as f64 / 1024.0;
        let mut took: Vec<u64> = answers.iter().map(|(us, _)| *us).collect();
        took.sort_unstable();
        let ms = |us: u64| format!("{:.1}", us as f64 / 1_000.0);
        let p95 = took[(took.len() * 95).div_ceil(100) - 1];
        Figure {
            what: format!("{}: {question}, fresh process, p95", self.backend),
            figure: format!("{} ms", ms(p95)),
            spread: Some(format!("{}–{}", ms(took[0]), ms(took[took.len() - 1]))),
            limit: Some(format!("{} ms", self.limit_ms)),
            ratio: Some(p95 as f64 / (self.limit_ms * 1_000) as f64),
            reach: Some(format!("< {} ms, ≤ 150 MiB", self.limit_ms)),
            counted: format!(
                "{} processes, opening included, {rss:.0} MiB at most; {} of {} monitors, a year of hours",
                took.len(),
                self.holds,
                self.monitors
            ),
        }
        .tell();
    }
}
