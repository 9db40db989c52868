//! Figures over days.

use serde::{Deserialize, Serialize};
use specta::Type;

use super::history::{Fact, HistorySource};
use super::number::{Millis, Share};
use crate::model::State;

/// How far back a figure looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, Type)]
pub enum Window {
    /// 24 hours.
    #[serde(rename = "24h")]
    Day,
    /// 7 days.
    #[serde(rename = "7d")]
    Week,
    /// 30 days.
    #[serde(rename = "30d")]
    Month,
    /// 90 days.
    #[serde(rename = "90d")]
    Quarter,
    /// 365 days.
    #[serde(rename = "1y")]
    Year,
}

impl Window {
    /// Every window, shortest first.
    pub const ALL: [Self; 5] = [Self::Day, Self::Week, Self::Month, Self::Quarter, Self::Year];

    /// Days in it.
    #[must_use]
    pub const fn days(self) -> u32 {
        match self {
            Self::Day => 1,
            Self::Week => 7,
            Self::Month => 30,
            Self::Quarter => 90,
            Self::Year => 365,
        }
    }
}

/// Whose days.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, Type)]
#[serde(rename_all = "camelCase")]
pub enum Scope {
    /// Those of a group.
    Group(String),
    /// Of one monitor, by id.
    Monitor(String),
}

/// Figures over all monitors.
#[derive(Clone, Debug, PartialEq, Serialize, Type)]
#[serde(rename_all = "camelCase")]
pub struct Figures {
    /// How far back.
    pub window: Window,
    /// Up or degraded time ÷ observed time.
    pub uptime: Option<Share>,
    /// Observed time ÷ window.
    pub coverage: Option<Share>,
    /// Incidents that touch the window.
    pub incidents: u32,
    /// Answer time that 95 % of the good checks of the last 24 hours kept.
    #[specta(type = Option<u32>)]
    pub p95_us: Option<u64>,
    /// Since when there is no open incident; none while there is one, or where none is known.
    pub quiet_since_ms: Option<Millis>,
}

/// Parts of one day of the local zone.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Type)]
pub struct DayMark {
    /// `2026-11-23`.
    pub date: String,
    /// Of the day.
    pub up: Share,
    /// Of the day.
    pub degraded: Share,
    /// Of the day.
    pub down: Share,
    /// Of the day: what is left was not observed.
    pub observed: Share,
    /// Incidents that touch it.
    pub incidents: u32,
}

/// What a row of the table shows besides the live state.
#[derive(Clone, Debug, PartialEq, Serialize, Type)]
#[serde(rename_all = "camelCase")]
pub struct RowHistory {
    /// Whose.
    pub id: String,
    /// Median answer time in each of the last 48 half hours, oldest first.
    #[specta(type = Vec<Option<u32>>)]
    pub spark_us: Vec<Option<u64>>,
    /// What each half hour was, by the worst observed state.
    pub spark_state: Vec<State>,
    /// The last 30 days, oldest first.
    pub days: Vec<DayMark>,
    /// Answer time that 95 % of the good checks of the last 24 hours kept.
    #[specta(type = Option<u32>)]
    pub p95_us: Option<u64>,
    /// Of the last 30 days.
    pub uptime: Option<Share>,
    /// Of the last 30 days.
    pub coverage: Option<Share>,
}

/// Uptime with its coverage.
#[derive(Clone, Debug, PartialEq, Serialize, Type)]
#[serde(rename_all = "camelCase")]
pub struct UptimeTile {
    /// How far back.
    pub window: Window,
    /// Up or degraded time ÷ observed time.
    pub uptime: Option<Share>,
    /// Observed time ÷ window.
    pub coverage: Option<Share>,
    /// Where the monitor is younger than the window: since when.
    pub since_ms: Option<Millis>,
}

/// One monitor's page besides its row of the board and its series.
#[derive(Clone, Debug, PartialEq, Serialize, Type)]
#[serde(rename_all = "camelCase")]
pub struct MonitorPage {
    /// Whose.
    pub id: String,
    /// Where history was read.
    pub source: HistorySource,
    /// Failures in a row until it is down.
    pub failure_threshold: u32,
    /// Successes in a row until it is up again.
    pub recovery_threshold: u32,
    /// Uptime for every window.
    pub tiles: Vec<UptimeTile>,
    /// What the last check found out.
    pub facts: Vec<Fact>,
    /// When it was first configured.
    pub first_seen_ms: Option<Millis>,
}
