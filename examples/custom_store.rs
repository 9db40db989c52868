//! A backend written outside the crate: rows in memory, and every change as a JSON line in a file that is read again at
//! the next start. It passes the same conformance suite as the ones inside:
//!
//! ```text
//! cargo run --example custom_store
//! ```
//!
//! and a program that brings it along (`hallmonitor::storage::bring_backend`) has it in its configuration, its commands and
//! its window: `src-tauri/examples/with_custom_store.rs` is the desktop app with this backend.
//!
//! Only plain reads and writes are here; series, uptime and coverage come with the trait.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use hallmonitor::clock::SystemClock;
use hallmonitor::model::{
    CheckResult, FieldError, FieldKind, FieldSpec, Gap, Incident, IncidentId, InstanceId, KnownMonitor, MonitorId,
    Rollup, Row, Tier, UnixMicros,
};
use hallmonitor::secret::MemoryVault;
use hallmonitor::storage::conformance::{self, Outcome};
use hallmonitor::storage::{
    Backend, BackendEnv, BackendId, Batch, Capabilities, DeliveryHint, FUTURE_TOLERANCE_US, Face, FieldFace, GapQuery,
    IncidentQuery, Page, PageCursor, Piece, Pruned, ReadRows, ResultQuery, ResultStore, Retention, RollupQuery,
    ScanCursor, ScanPage, SizeParts, StoreError, StoreErrorKind, StoreStatus, Words, missing_rollups_before,
};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

const ID: BackendId = "json-lines";

fn fault(kind: StoreErrorKind, operation: &'static str, what: impl ToString) -> StoreError {
    StoreError::new(kind, ID, operation, what.to_string())
}

/// What a person sets.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct JsonLinesSettings {
    /// The folder of the file; the data folder's `json-lines` when it is not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) folder: Option<PathBuf>,
}

#[async_trait]
impl Backend for JsonLinesSettings {
    const ID: BackendId = ID;
    const FIELDS: &'static [FieldSpec] = &[FieldSpec {
        key: "folder",
        kind: FieldKind::Path,
        required: false,
        default: None,
        doc: "Folder of the file; `json-lines` in the data folder when it is not given.",
    }];
    const FACE: Face = Face {
        name: Words::new("JSON lines", "JSON-Zeilen"),
        about: Words::new("A file that every tool reads.", "Eine Datei, die jedes Werkzeug liest."),
        icon: "M3.5 2.5h9v11h-9ZM5.5 5.5h5M5.5 8h5M5.5 10.5h3",
        fields: &[FieldFace::new(
            "folder",
            Words::new("Folder", "Ordner"),
            Words::new(
                "`json-lines` in the data folder where none is given.",
                "Ohne Angabe `json-lines` im Datenordner.",
            ),
        )],
    };

    fn validate(&self) -> Result<(), Vec<FieldError>> {
        let is_file = self.folder.as_ref().is_some_and(|folder| folder.is_file());
        let fault = || vec![FieldError { key: "folder", what: "is a file; a folder is needed".to_owned() }];
        if is_file { Err(fault()) } else { Ok(()) }
    }

    fn contact(&self) -> String {
        self.folder.as_ref().map_or_else(|| ID.to_owned(), |folder| format!("{ID}:{}", folder.display()))
    }

    fn folder(&self, env: &BackendEnv) -> Option<PathBuf> {
        Some(env.data_dir.join(self.folder.as_deref().unwrap_or(ID.as_ref())))
    }

    async fn open(&self, env: &BackendEnv) -> Result<Arc<dyn ResultStore>, StoreError> {
        Ok(Arc::new(JsonLines::open(&env.data_dir.join(self.folder.as_deref().unwrap_or(ID.as_ref())))?))
    }
}

/// One line of the file.
#[derive(Serialize, Deserialize)]
enum Line {
    Row(Box<Row>),
    Metadata(String, Vec<u8>),
    Floor(Option<Tier>, UnixMicros),
}

/// Everything there is.
#[derive(Debug, Default)]
struct Rows {
    file: Option<File>,
    results: BTreeMap<(UnixMicros, MonitorId), CheckResult>,
    rollups: BTreeMap<(MonitorId, Tier, UnixMicros), Rollup>,
    gaps: BTreeMap<(UnixMicros, MonitorId), Gap>,
    incidents: BTreeMap<IncidentId, Incident>,
    monitors: BTreeMap<MonitorId, KnownMonitor>,
    metadata: BTreeMap<String, Vec<u8>>,
    /// First instant that is kept, of results and of each tier.
    floors: BTreeMap<Option<Tier>, UnixMicros>,
}

impl Rows {
    fn floor(&self, tier: Option<Tier>) -> UnixMicros {
        self.floors.get(&tier).copied().unwrap_or(UnixMicros::MIN)
    }

    fn apply(&mut self, line: Line) {
        match line {
            Line::Metadata(key, value) => drop(self.metadata.insert(key, value)),
            Line::Floor(tier, time) => self.raise(tier, time),
            Line::Row(row) => match *row {
                Row::Result(row) if row.time < self.floor(None) => {}
                Row::Result(row) => drop(self.results.entry((row.time, row.monitor)).or_insert(row)),
                Row::Rollup(row) if row.start < self.floor(Some(row.tier)) => {}
                Row::Rollup(row) => drop(self.rollups.insert((row.monitor, row.tier, row.start), row)),
                Row::Gap(row) => drop(self.gaps.insert((row.span.from, row.monitor), row)),
                Row::Incident(row) => drop(self.incidents.insert(row.id, row)),
                Row::Monitor(mut row) => {
                    let first = self.monitors.get(&row.id).map_or(row.first_seen, |known| known.first_seen);
                    row.first_seen = row.first_seen.min(first);
                    self.monitors.insert(row.id, row);
                }
                Row::Forget(id, _) => {
                    self.results.retain(|(_, monitor), _| *monitor != id);
                    self.rollups.retain(|(monitor, ..), _| *monitor != id);
                    self.gaps.retain(|(_, monitor), _| *monitor != id);
                    self.incidents.retain(|_, row| row.monitor != id);
                    self.monitors.remove(&id);
                }
            },
        }
    }

    fn raise(&mut self, tier: Option<Tier>, floor: UnixMicros) {
        self.floors.insert(tier, floor.max(self.floor(tier)));
        match tier {
            Some(tier) => self.rollups.retain(|(_, of, start), _| *of != tier || *start >= floor),
            None => {
                self.results.retain(|(time, _), _| *time >= floor);
                self.gaps.retain(|_, gap| gap.span.to >= floor);
            }
        }
    }

    /// Writes lines to the file, then to memory: what is not on disk was not kept.
    fn keep(&mut self, lines: Vec<Line>, operation: &'static str) -> Result<(), StoreError> {
        let closed = || fault(StoreErrorKind::Unavailable, operation, "the store is closed");
        let file = self.file.as_mut().ok_or_else(closed)?;
        let mut text = Vec::new();
        for line in &lines {
            serde_json::to_writer(&mut text, line)
                .map_err(|error| fault(StoreErrorKind::Internal, operation, error))?;
            text.push(b'\n');
        }
        let written = file.write_all(&text).and_then(|()| file.sync_data());
        written.map_err(|error| fault(StoreErrorKind::Unavailable, operation, error))?;
        lines.into_iter().for_each(|line| self.apply(line));
        Ok(())
    }
}

#[derive(Debug)]
struct JsonLines(Mutex<Rows>);

impl JsonLines {
    fn open(folder: &Path) -> Result<Self, StoreError> {
        let unavailable = |error| fault(StoreErrorKind::Unavailable, "open", error);
        fs::create_dir_all(folder).map_err(unavailable)?;
        let path = folder.join("rows.jsonl");
        let file = OpenOptions::new().append(true).read(true).create(true).open(&path).map_err(unavailable)?;
        let mut rows = Rows::default();
        for line in BufReader::new(File::open(&path).map_err(unavailable)?).lines() {
            let line = line.map_err(unavailable)?;
            rows.apply(serde_json::from_str(&line).map_err(|error| fault(StoreErrorKind::Corrupt, "open", error))?);
        }
        rows.file = Some(file);
        Ok(Self(Mutex::new(rows)))
    }

    fn rows(&self, operation: &'static str) -> Result<MutexGuard<'_, Rows>, StoreError> {
        let rows = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if rows.file.is_some() {
            Ok(rows)
        } else {
            Err(fault(StoreErrorKind::Unavailable, operation, "the store is closed"))
        }
    }
}

#[async_trait]
impl ReadRows for JsonLines {
    async fn results(&self, query: &ResultQuery) -> Result<Page, StoreError> {
        let rows = self.rows("results")?;
        let wanted = |row: &&CheckResult| {
            query.monitor.is_none_or(|monitor| monitor == row.monitor)
                && query.span.contains(row.time)
                && query.after.is_none_or(|after| (row.time, row.monitor) < (after.time, after.monitor))
        };
        let mut found = rows.results.values().rev().filter(wanted);
        let results: Vec<_> = found.by_ref().take(query.limit.max(1)).cloned().collect();
        let last = results.last().map(|row| PageCursor { time: row.time, monitor: row.monitor });
        let next = found.next().and(last);
        Ok(Page { results, next })
    }

    async fn latest(&self, monitors: &[MonitorId], now: UnixMicros) -> Result<Vec<CheckResult>, StoreError> {
        let mut latest = Vec::new();
        for monitor in monitors {
            latest.extend(self.last_before(*monitor, now.plus_us(FUTURE_TOLERANCE_US + 1)).await?);
        }
        Ok(latest)
    }

    async fn last_before(&self, monitor: MonitorId, time: UnixMicros) -> Result<Option<CheckResult>, StoreError> {
        let rows = self.rows("last_before")?;
        let mut before = rows.results.range(..(time, MonitorId::ALL)).rev();
        Ok(before.find(|((_, of), _)| *of == monitor).map(|(_, row)| row.clone()))
    }

    async fn rollups(&self, query: &RollupQuery) -> Result<Vec<Rollup>, StoreError> {
        let rows = self.rows("rollups")?;
        let wanted =
            |row: &&Rollup| row.monitor == query.monitor && row.tier == query.tier && query.span.contains(row.start);
        Ok(rows.rollups.values().filter(wanted).cloned().collect())
    }

    async fn incidents(&self, query: &IncidentQuery) -> Result<Vec<Incident>, StoreError> {
        let rows = self.rows("incidents")?;
        let mut found: Vec<_> = rows.incidents.values().filter(|row| query.matches(row)).cloned().collect();
        found.sort_by_key(|row| Reverse((row.opened, row.id)));
        found.truncate(query.limit);
        Ok(found)
    }

    async fn gaps(&self, query: &GapQuery) -> Result<Vec<Gap>, StoreError> {
        Ok(self.rows("gaps")?.gaps.values().filter(|row| query.matches(row)).copied().collect())
    }

    async fn monitors(&self) -> Result<Vec<KnownMonitor>, StoreError> {
        let mut monitors: Vec<_> = self.rows("monitors")?.monitors.values().cloned().collect();
        monitors.sort_by(|a, b| (&a.name, a.id).cmp(&(&b.name, b.id)));
        Ok(monitors)
    }
}

#[async_trait]
impl ResultStore for JsonLines {
    fn backend(&self) -> BackendId {
        ID
    }

    fn capabilities(&self) -> Capabilities {
        let delivery = DeliveryHint { max_rows: 1_000, max_age_ms: 1_000, slices: 1 };
        Capabilities { keeps_history: true, tells_parts: false, frees_room: false, delivery }
    }

    async fn check(&self) -> Result<StoreStatus, StoreError> {
        self.set_metadata("check", b"written").await?;
        let rows = self.rows("check")?;
        let time = |row: Option<(&(UnixMicros, MonitorId), _)>| row.map(|((time, _), _): (_, &CheckResult)| *time);
        Ok(StoreStatus {
            parts: SizeParts::default(),
            size_bytes: rows.file.as_ref().and_then(|file| file.metadata().ok()).map(|meta| meta.len()),
            own: None,
            results: Some(rows.results.len() as u64),
            oldest: time(rows.results.first_key_value()),
            newest: time(rows.results.last_key_value()),
            version: "json lines 1".to_owned(),
        })
    }

    async fn append(&self, batch: &Batch) -> Result<(), StoreError> {
        let Batch { results, rollups, gaps, incidents, monitors } = batch.clone();
        let rows = results.into_iter().map(Row::Result).chain(rollups.into_iter().map(Row::Rollup));
        let rows = rows.chain(gaps.into_iter().map(Row::Gap)).chain(incidents.into_iter().map(Row::Incident));
        let rows = rows.chain(monitors.into_iter().map(Row::Monitor));
        self.rows("append")?.keep(rows.map(|row| Line::Row(Box::new(row))).collect(), "append")
    }

    async fn metadata(&self, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(self.rows("metadata")?.metadata.get(key).cloned())
    }

    async fn set_metadata(&self, key: &str, value: &[u8]) -> Result<(), StoreError> {
        let line = Line::Metadata(key.to_owned(), value.to_vec());
        self.rows("set_metadata")?.keep(vec![line], "set_metadata")
    }

    /// All at once, whatever the piece: it holds no more than fits into memory.
    async fn prune(&self, policy: &Retention, now: UnixMicros, _: Piece<'_>) -> Result<Pruned, StoreError> {
        if let Some(floor) = policy.floor(None, now) {
            let rollups = missing_rollups_before(self, floor).await?;
            self.append(&Batch { rollups, ..Batch::default() }).await?;
        }
        let mut rows = self.rows("prune")?;
        let before = (rows.results.len(), rows.rollups.len());
        let tiers = [None].into_iter().chain(Tier::ALL.iter().copied().map(Some));
        let floors = tiers.filter_map(|tier| policy.floor(tier, now).map(|floor| Line::Floor(tier, floor)));
        rows.keep(floors.collect(), "prune")?;
        let gone = |before: usize, after: usize| (before - after) as u64;
        let (results, rollups) = (gone(before.0, rows.results.len()), gone(before.1, rows.rollups.len()));
        Ok(Pruned { results, rollups, left: None })
    }

    async fn forget(&self, monitor: MonitorId) -> Result<(), StoreError> {
        let line = Line::Row(Box::new(Row::Forget(monitor, UnixMicros::MIN)));
        self.rows("forget")?.keep(vec![line], "forget")
    }

    async fn scan(&self, _cursor: Option<ScanCursor>) -> Result<ScanPage, StoreError> {
        let rows = self.rows("scan")?;
        let batch = Batch {
            results: rows.results.values().cloned().collect(),
            rollups: rows.rollups.values().cloned().collect(),
            gaps: rows.gaps.values().copied().collect(),
            incidents: rows.incidents.values().cloned().collect(),
            monitors: rows.monitors.values().cloned().collect(),
        };
        Ok(ScanPage { batch, next: None })
    }

    async fn close(&self) -> Result<(), StoreError> {
        self.rows("close")?.file = None;
        Ok(())
    }
}

async fn open(data_dir: PathBuf) -> Result<Arc<dyn ResultStore>, StoreError> {
    let instance = InstanceId::new(Uuid::from_u128(1));
    let env = BackendEnv { data_dir, instance, clock: Arc::new(SystemClock), vault: Arc::new(MemoryVault::default()) };
    JsonLinesSettings::default().open(&env).await
}

#[tokio::main(flavor = "current_thread")]
#[allow(clippy::print_stdout, reason = "an example shows what it does")]
async fn main() -> Result<ExitCode, Box<dyn std::error::Error>> {
    let folder = tempfile::tempdir()?;
    let outcomes = conformance::run_all(folder.path(), open).await?;
    let mut code = ExitCode::SUCCESS;
    for (case, outcome) in &outcomes {
        match outcome {
            Outcome::Passed => println!("{} … passed", case.name),
            Outcome::Skipped => println!("{} … skipped: the store keeps no history", case.name),
            Outcome::Failed(what) => {
                println!("{} … FAILED: {what}", case.name);
                code = ExitCode::FAILURE;
            }
        }
    }
    println!("{} cases", outcomes.len());
    Ok(code)
}
