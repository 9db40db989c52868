//! Figures over days of the local zone: of one monitor, of a group, of all.

use std::collections::HashMap;

use jiff::civil::Date;
use jiff::tz::TimeZone;
use tokio::sync::{Mutex, MutexGuard};

use super::day_times::{Fleet, Recent, Times};
use super::local_day::{LocalDay, local_days};
use super::{Screens, storage};
use crate::clock::Mono;
use crate::deliver::History;
use crate::model::{MonitorId, Span, Tier, UnixMicros};
use crate::screen::{DayMark, Failed, Figures, Millis, Scope, Window};
use crate::storage::{IncidentQuery, ReadRows};

const DAY_US: u64 = Tier::Day.width_us();
const MOST_DAYS: u32 = 366;
/// A figure over all monitors is good for this many times the time that it took to make it, within bounds (in
/// microseconds): with few monitors it is always new, with thousands it costs a percent of a core.
const WORTH: u64 = 100;
const FRESH_US: std::ops::RangeInclusive<u64> = 500_000..=120_000_000;
/// Days this near to now may still change: results that come late, outages that are not decided.
const OPEN_DAYS: u32 = 2;
/// Most incidents that are counted.
const MOST_INCIDENTS: usize = 5_000;

/// What is remembered of all monitors, so that a question costs the days that may have changed only.
#[derive(Debug, Default)]
pub(super) struct FleetDays(Mutex<Remembered>);

#[derive(Debug, Default)]
struct Remembered {
    /// Of which monitors.
    monitors: Vec<MonitorId>,
    /// Days that are over.
    closed: HashMap<Date, Times>,
    recent: Option<(Made, Recent)>,
}

/// When something was made, and for how long it is good.
#[derive(Clone, Copy, Debug)]
struct Made {
    at: Mono,
    good_us: u64,
}

impl Made {
    /// Made just now, in the time since `began`.
    fn since(began: Mono, now: Mono) -> Self {
        let worth = now.since_us(began).saturating_mul(WORTH);
        Self { at: now, good_us: worth.clamp(*FRESH_US.start(), *FRESH_US.end()) }
    }

    fn is_fresh(self, now: Mono) -> bool {
        now.since_us(self.at) < self.good_us
    }
}

impl FleetDays {
    /// What is remembered of these monitors; of others nothing is kept.
    async fn of(&self, monitors: &[MonitorId]) -> MutexGuard<'_, Remembered> {
        let mut remembered = self.0.lock().await;
        if remembered.monitors != monitors {
            *remembered = Remembered { monitors: monitors.to_vec(), ..Remembered::default() };
        }
        remembered
    }
}

/// The last days of some monitors, oldest first, read from history alone.
///
/// # Errors
/// The store does not answer.
pub async fn days_of(
    history: &History,
    monitors: &[MonitorId],
    days: u32,
    now: UnixMicros,
) -> Result<Vec<DayMark>, Failed> {
    let days = local_days(&TimeZone::system(), now, days.clamp(1, MOST_DAYS));
    let times = Fleet::of(history, now).await?.times(monitors, &days).await?;
    let mut marks: Vec<DayMark> = times.iter().zip(&days).map(|(times, day)| times.mark(day)).collect();
    count_incidents(history, Some(monitors), &days, now, &mut marks).await?;
    Ok(marks)
}

/// Adds the incidents of some monitors, or of all, to the days that they touch.
async fn count_incidents(
    history: &History,
    among: Option<&[MonitorId]>,
    days: &[LocalDay],
    now: UnixMicros,
    marks: &mut [DayMark],
) -> Result<(), Failed> {
    let (Some(first), Some(last)) = (days.first(), days.last()) else { return Ok(()) };
    let span = Span::new(first.span.from, last.span.to);
    let one = among.and_then(|among| if let [one] = among { Some(*one) } else { None });
    let query = IncidentQuery { monitor: one, span, limit: MOST_INCIDENTS };
    for incident in history.incidents(&query).await.map_err(storage)? {
        let lasted = incident.span(now);
        if among.is_none_or(|among| among.contains(&incident.monitor)) {
            let touched = marks.iter_mut().zip(days).filter(|(_, day)| day.span.touches(lasted));
            touched.for_each(|(mark, _)| mark.incidents += 1);
        }
    }
    Ok(())
}

impl Screens {
    async fn fleet<'a>(&self, history: &'a History) -> Result<Fleet<'a>, Failed> {
        Fleet::of(history, self.core.clock.wall()).await
    }

    /// Days of all monitors, of a group or of one monitor, oldest first.
    ///
    /// # Errors
    /// No such monitor or group, or the store does not answer.
    pub async fn days(&self, scope: Option<Scope>, days: u32) -> Result<Vec<DayMark>, Failed> {
        let history = self.history();
        let days = local_days(&TimeZone::system(), self.core.clock.wall(), days.clamp(1, MOST_DAYS));
        let among = match scope {
            None => None,
            Some(Scope::Group(group)) => Some(self.group(&group)?),
            Some(Scope::Monitor(id)) => Some(vec![self.monitor(&id)?.id]),
        };
        let times = match &among {
            None => self.fleet_times(&history, &days).await?,
            Some(monitors) => self.fleet(&history).await?.times(monitors, &days).await?,
        };
        let mut marks: Vec<DayMark> = times.iter().zip(&days).map(|(times, day)| times.mark(day)).collect();
        count_incidents(&history, among.as_deref(), &days, self.core.clock.wall(), &mut marks).await?;
        Ok(marks)
    }

    fn group(&self, group: &str) -> Result<Vec<MonitorId>, Failed> {
        let rows = self.core.recorder.board().snapshot();
        let found: Vec<_> = rows.iter().filter(|row| row.monitor.group == group).map(|row| row.monitor.id).collect();
        if found.is_empty() {
            return Err(Failed::BadRequest { why: "there is no monitor in that group".to_owned() });
        }
        Ok(found)
    }

    /// Times of all monitors by day; what is over is read once.
    async fn fleet_times(&self, history: &History, days: &[LocalDay]) -> Result<Vec<Times>, Failed> {
        let monitors = self.core.recorder.board().ids();
        let fleet = self.fleet(history).await?;
        let mut remembered = self.fleet.of(&monitors).await;
        let open_from = days.len().saturating_sub(OPEN_DAYS as usize);
        let missing: Vec<LocalDay> =
            days[..open_from].iter().filter(|day| !remembered.closed.contains_key(&day.date)).copied().collect();
        let read = fleet.times(&monitors, &missing).await?;
        // While the store is not open there is only what waits in the journal: that is nothing to remember.
        let whole = history.complete();
        let missing: HashMap<Date, Times> = missing.iter().map(|day| day.date).zip(read).collect();
        if whole {
            remembered.closed.extend(missing.iter().map(|(date, times)| (*date, *times)));
        }
        let recent = self.recent(&fleet, &mut remembered).await?;
        let of = |day: &LocalDay| {
            let open = recent.days.iter().find(|(date, _)| *date == day.date).map(|(_, times)| *times);
            let closed = || remembered.closed.get(&day.date).or_else(|| missing.get(&day.date)).copied();
            open.or_else(closed).unwrap_or_default()
        };
        Ok(days.iter().map(of).collect())
    }

    /// What may still change of all monitors; as new as it is worth.
    async fn recent(&self, fleet: &Fleet<'_>, remembered: &mut Remembered) -> Result<Recent, Failed> {
        let days = local_days(&TimeZone::system(), fleet.now, OPEN_DAYS);
        let began = self.core.clock.mono();
        if let Some((made, recent)) = &remembered.recent
            && made.is_fresh(began)
            && days.iter().all(|day| recent.days.iter().any(|(date, _)| *date == day.date))
        {
            return Ok(recent.clone());
        }
        let recent = fleet.recent(&remembered.monitors, &days).await?;
        remembered.recent = Some((Made::since(began, self.core.clock.mono()), recent.clone()));
        Ok(recent)
    }

    /// Figures over all monitors.
    ///
    /// # Errors
    /// The store does not answer.
    pub async fn figures(&self, window: Window) -> Result<Figures, Failed> {
        let history = self.history();
        let now = self.core.clock.wall();
        let fleet = self.fleet(&history).await?;
        let recent = {
            let mut remembered = self.fleet.of(&self.core.recorder.board().ids()).await;
            self.recent(&fleet, &mut remembered).await?
        };
        let mut times = Times::default();
        if window == Window::Day {
            times = recent.last_day;
        } else {
            let days = local_days(&TimeZone::system(), now, window.days());
            self.fleet_times(&history, &days).await?.into_iter().for_each(|day| times.add(day));
        }
        let span = Span::new(now.minus_us(u64::from(window.days()) * DAY_US), now);
        let query = IncidentQuery { monitor: None, span, limit: MOST_INCIDENTS };
        let incidents = history.incidents(&query).await.map_err(storage)?;
        let open = incidents.iter().any(crate::model::Incident::is_open);
        let quiet = incidents.iter().map(|incident| incident.span(now).to).max();
        Ok(Figures {
            window,
            uptime: times.uptime(),
            coverage: times.coverage(),
            incidents: u32::try_from(incidents.len()).unwrap_or(u32::MAX),
            p95_us: recent.latency.sketch.quantile(0.95),
            quiet_since_ms: quiet.filter(|_| !open).map(Millis::from),
        })
    }
}
