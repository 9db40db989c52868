//! Results and incidents.

use serde::{Deserialize, Serialize};
use specta::Type;

use super::failed::Failed;
use super::number::{Millis, Number};
use crate::control;
use crate::model::{self, FactKey, FactUnit, FactValue, Failure, IncidentEnd, UnixMicros, Verdict};
use crate::storage::PageCursor;

/// Where history was read.
#[derive(Clone, Debug, PartialEq, Serialize, Type)]
#[serde(rename_all = "camelCase")]
pub struct HistorySource {
    /// The backend's word.
    pub backend: String,
    /// Whether it keeps history at all.
    pub keeps_history: bool,
    /// What is missing from the answer and why, when something is.
    pub note: Option<String>,
    /// Stores of before that have some of the time and cannot be read now.
    pub kept: Vec<KeptElsewhere>,
}

/// A store that was in use before and cannot be read now.
#[derive(Clone, Debug, PartialEq, Serialize, Type)]
#[serde(rename_all = "camelCase")]
pub struct KeptElsewhere {
    /// Backend and address.
    pub contact: String,
    /// From when on it has history.
    pub from_ms: Option<Millis>,
    /// Until when.
    pub to_ms: Option<Millis>,
}

impl From<control::Source> for HistorySource {
    fn from(source: control::Source) -> Self {
        let control::Source { backend, keeps_history, note, kept } = source;
        let kept = kept.into_iter().map(|former| KeptElsewhere {
            contact: former.contact,
            from_ms: former.from.map(Millis::from),
            to_ms: former.to.map(Millis::from),
        });
        Self { backend, keeps_history, note, kept: kept.collect() }
    }
}

/// A fact by its documented name.
#[derive(Clone, Debug, PartialEq, Serialize, Type)]
pub struct Fact {
    /// The name.
    pub key: String,
    /// What a number counts.
    pub unit: FactUnit,
    /// For all units but text; a time in milliseconds since 1970.
    pub number: Option<Number>,
    /// For text.
    pub text: Option<String>,
}

impl Fact {
    /// Every fact of a result.
    #[must_use]
    pub fn all_of(result: &model::CheckResult) -> Vec<Self> {
        result.facts.iter().map(|(key, value)| Self::of(*key, value)).collect()
    }

    #[allow(clippy::cast_precision_loss, reason = "numbers of facts are within ±2^53")]
    fn of(key: FactKey, value: &FactValue) -> Self {
        let (number, text) = match value {
            FactValue::Number(number) if key.unit() == FactUnit::Time => {
                (Some(Number(Millis::from(UnixMicros::new(*number)).0)), None)
            }
            FactValue::Number(number) => (Some(Number(*number as f64)), None),
            FactValue::Text(text) => (None, Some(text.to_string())),
        };
        Self { key: key.as_str().to_owned(), unit: key.unit(), number, text }
    }
}

/// How long each part of a check took, in microseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Type)]
#[serde(rename_all = "camelCase")]
pub struct PhaseTimes {
    /// Name look-up.
    pub name_us: Option<u32>,
    /// TCP connect.
    pub connect_us: Option<u32>,
    /// TLS handshake.
    pub tls_us: Option<u32>,
    /// From the request's last byte to the answer's first.
    pub first_byte_us: Option<u32>,
    /// The whole check.
    pub total_us: Option<u32>,
}

impl From<model::Phases> for PhaseTimes {
    fn from(phases: model::Phases) -> Self {
        let model::Phases { name_us, connect_us, tls_us, first_byte_us, total_us } = phases;
        Self { name_us, connect_us, tls_us, first_byte_us, total_us }
    }
}

/// The result of one check.
#[derive(Clone, Debug, PartialEq, Serialize, Type)]
#[serde(rename_all = "camelCase")]
pub struct CheckResult {
    /// Whose it is.
    pub monitor: String,
    /// When the check started.
    pub time_ms: Millis,
    /// What it says.
    pub verdict: Verdict,
    /// How long the target took.
    #[specta(type = u32)]
    pub duration_us: u64,
    /// Why it is not up.
    pub failure: Option<Failure>,
    /// In words.
    pub message: String,
    /// Parts of the check.
    pub phases: PhaseTimes,
    /// What else was found out.
    pub facts: Vec<Fact>,
}

impl From<&model::CheckResult> for CheckResult {
    fn from(result: &model::CheckResult) -> Self {
        Self {
            monitor: result.monitor.to_string(),
            time_ms: result.time.into(),
            verdict: result.verdict,
            duration_us: result.duration_us,
            failure: result.failure,
            message: result.message.to_string(),
            phases: result.phases.into(),
            facts: Fact::all_of(result),
        }
    }
}

/// Where a page ended; handed back to go on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, Type)]
#[serde(rename_all = "camelCase")]
pub struct ResultCursor {
    /// Microseconds since 1970, as text so that nothing is lost.
    pub time_us: String,
    /// A monitor's id.
    pub monitor: String,
}

impl From<PageCursor> for ResultCursor {
    fn from(cursor: PageCursor) -> Self {
        Self { time_us: cursor.time.micros().to_string(), monitor: cursor.monitor.to_string() }
    }
}

impl TryFrom<ResultCursor> for PageCursor {
    type Error = Failed;

    fn try_from(cursor: ResultCursor) -> Result<Self, Failed> {
        let wrong = || Failed::BadRequest { why: "the cursor is not one that was given out".to_owned() };
        let time = cursor.time_us.parse::<i64>().map_err(|_| wrong())?;
        let monitor = cursor.monitor.parse().map_err(|_| wrong())?;
        Ok(Self { time: UnixMicros::new(time), monitor })
    }
}

/// A page of results, newest first.
#[derive(Clone, Debug, PartialEq, Serialize, Type)]
pub struct ResultPage {
    /// Where they were read.
    pub source: HistorySource,
    /// The results.
    pub results: Vec<CheckResult>,
    /// Where to go on; none at the end.
    pub next: Option<ResultCursor>,
}

impl From<control::HistoryPage> for ResultPage {
    fn from(page: control::HistoryPage) -> Self {
        Self {
            source: page.source.into(),
            results: page.results.iter().map(CheckResult::from).collect(),
            next: page.next.map(ResultCursor::from),
        }
    }
}

/// A person has seen it.
#[derive(Clone, Debug, PartialEq, Serialize, Type)]
#[serde(rename_all = "camelCase")]
pub struct Acknowledgement {
    /// Who.
    pub by: String,
    /// When.
    pub at_ms: Millis,
    /// What they said.
    pub note: String,
}

/// From the confirmed first failure to the confirmed recovery.
#[derive(Clone, Debug, PartialEq, Serialize, Type)]
#[serde(rename_all = "camelCase")]
pub struct Incident {
    /// Its id.
    pub id: String,
    /// Whose it is.
    pub monitor: String,
    /// What that is called.
    pub monitor_name: String,
    /// Start of the first failed check.
    pub opened_ms: Millis,
    /// Start of the check that confirmed it.
    pub confirmed_ms: Millis,
    /// When it ended; none while it is open.
    pub ended_ms: Option<Millis>,
    /// Nobody saw the end: the time is the last one at which it was known to be down.
    pub end_unknown: bool,
    /// The first failure's reason.
    pub failure: Failure,
    /// In words.
    pub message: String,
    /// Who has seen it.
    pub acknowledged: Option<Acknowledgement>,
}

impl Incident {
    /// An incident of a monitor that is called `name`.
    #[must_use]
    pub fn of(incident: &model::Incident, name: &str) -> Self {
        let (ended, end_unknown) = match incident.end {
            IncidentEnd::Open => (None, false),
            IncidentEnd::Recovered(at) => (Some(at), false),
            IncidentEnd::Unknown(at) => (Some(at), true),
        };
        Self {
            id: incident.id.to_string(),
            monitor: incident.monitor.to_string(),
            monitor_name: name.to_owned(),
            opened_ms: incident.opened.into(),
            confirmed_ms: incident.confirmed.into(),
            ended_ms: ended.map(Millis::from),
            end_unknown,
            failure: incident.failure,
            message: incident.message.clone(),
            acknowledged: incident.acknowledged.as_ref().map(|seen| Acknowledgement {
                by: seen.by.clone(),
                at_ms: seen.at.into(),
                note: seen.note.clone(),
            }),
        }
    }
}

/// Incidents, newest first.
#[derive(Clone, Debug, PartialEq, Serialize, Type)]
pub struct IncidentPage {
    /// Where they were read.
    pub source: HistorySource,
    /// The incidents.
    pub incidents: Vec<Incident>,
    /// Whether older ones in the span were left out.
    pub more: bool,
}

impl From<control::IncidentList> for IncidentPage {
    fn from(list: control::IncidentList) -> Self {
        let name = |id| list.monitors.iter().find(|known| known.id == id).map_or("", |known| known.name.as_str());
        let incidents = list.incidents.iter().map(|incident| Incident::of(incident, name(incident.monitor))).collect();
        Self { source: list.source.into(), incidents, more: list.more }
    }
}
