//! The JSON lines. Their names and units are promised in `docs/json-output.md`: add fields, never change one.

use serde::Serialize;

use crate::control::{Fault, Holder, MonitorName, MonitorStatus, Recent, Schedule, Status, Storage};
use crate::model::{
    Acknowledgement, CheckResult, Facts, Failure, Incident, IncidentEnd, IncidentId, MonitorId, Phases, State,
    UnixMicros, Verdict,
};
use crate::storage;

/// What a line is about.
#[derive(Debug, Clone, Copy, Serialize)]
pub(super) struct About<'a> {
    /// None for a check from arguments.
    pub(super) monitor_id: Option<MonitorId>,
    pub(super) monitor: &'a str,
    pub(super) group: &'a str,
    pub(super) kind: &'a str,
    pub(super) target: &'a str,
}

impl<'a> About<'a> {
    /// The monitor of that name; only its id where nobody knows more.
    pub(super) fn known(id: MonitorId, known: Option<&'a MonitorName>) -> Self {
        let text = |field: fn(&'a MonitorName) -> &'a String| known.map_or("", |name| field(name).as_str());
        Self {
            monitor_id: Some(id),
            monitor: text(|name| &name.name),
            group: text(|name| &name.group),
            kind: text(|name| &name.kind),
            target: text(|name| &name.target),
        }
    }
}

/// A result: `check`, `history`.
#[derive(Debug, Serialize)]
pub(super) struct ResultLine<'a> {
    #[serde(flatten)]
    about: About<'a>,
    time: UnixMicros,
    interval_us: u64,
    timeout_us: u64,
    verdict: Verdict,
    duration_us: u64,
    failure: Option<Failure>,
    message: &'a str,
    phases: &'a Phases,
    facts: &'a Facts,
}

impl<'a> ResultLine<'a> {
    pub(super) fn new(about: About<'a>, result: &'a CheckResult) -> Self {
        Self {
            about,
            time: result.time,
            interval_us: result.interval_us,
            timeout_us: result.timeout_us,
            verdict: result.verdict,
            duration_us: result.duration_us,
            failure: result.failure,
            message: &result.message,
            phases: &result.phases,
            facts: &result.facts,
        }
    }
}

/// How Hall Monitor itself is doing: `status --own`.
#[derive(Debug, Serialize)]
pub(super) struct OwnLine<'a> {
    live: bool,
    monitors: usize,
    holder: Option<&'a Holder>,
    schedule: Option<&'a Schedule>,
    storage: Option<&'a Storage>,
    faults: &'a [Fault],
}

impl<'a> OwnLine<'a> {
    pub(super) fn new(status: &'a Status) -> Self {
        Self {
            live: status.live,
            monitors: status.monitors.len(),
            holder: status.holder.as_ref(),
            schedule: status.schedule.as_ref(),
            storage: status.storage.as_ref(),
            faults: &status.faults,
        }
    }
}

/// What a monitor is now: `status`.
#[derive(Debug, Serialize)]
pub(super) struct StatusLine<'a> {
    #[serde(flatten)]
    about: About<'a>,
    live: bool,
    state: State,
    since: Option<UnixMicros>,
    verdict: Option<Verdict>,
    failure: Option<Failure>,
    message: &'a str,
    interval_us: u64,
    last_check: Option<UnixMicros>,
    duration_us: Option<u64>,
    next_check: Option<UnixMicros>,
    stale: bool,
    paused_until: Option<UnixMicros>,
    incident_id: Option<IncidentId>,
    recent: &'a [Recent],
}

impl<'a> StatusLine<'a> {
    pub(super) fn new(monitor: &'a MonitorStatus, live: bool) -> Self {
        Self {
            about: About {
                monitor_id: Some(monitor.id),
                monitor: &monitor.name,
                group: &monitor.group,
                kind: &monitor.kind,
                target: &monitor.target,
            },
            live,
            state: monitor.state,
            since: monitor.since,
            verdict: monitor.verdict,
            failure: monitor.failure,
            message: &monitor.message,
            interval_us: monitor.interval_us,
            last_check: monitor.last_check,
            duration_us: monitor.duration_us,
            next_check: monitor.next_check,
            stale: monitor.stale,
            paused_until: monitor.paused_until,
            incident_id: monitor.incident,
            recent: &monitor.recent,
        }
    }
}

/// Uptime of a monitor: `uptime`.
#[derive(Debug, Serialize)]
pub(super) struct UptimeLine<'a> {
    #[serde(flatten)]
    about: About<'a>,
    from: UnixMicros,
    to: UnixMicros,
    uptime: Option<f64>,
    coverage: Option<f64>,
    observed_us: u64,
    up_us: u64,
    degraded_us: u64,
    down_us: u64,
}

impl<'a> UptimeLine<'a> {
    pub(super) fn new(about: About<'a>, uptime: &storage::Uptime) -> Self {
        Self {
            about,
            from: uptime.window.from,
            to: uptime.window.to,
            uptime: uptime.ratio(),
            coverage: uptime.coverage(),
            observed_us: uptime.observed_us(),
            up_us: uptime.up_us,
            degraded_us: uptime.degraded_us,
            down_us: uptime.down_us,
        }
    }
}

/// A confirmed outage: `incidents`.
#[derive(Debug, Serialize)]
pub(super) struct IncidentLine<'a> {
    incident_id: IncidentId,
    #[serde(flatten)]
    about: About<'a>,
    opened: UnixMicros,
    confirmed: UnixMicros,
    end: &'static str,
    ended: Option<UnixMicros>,
    duration_us: u64,
    failure: Failure,
    message: &'a str,
    acknowledged: Option<&'a Acknowledgement>,
}

impl<'a> IncidentLine<'a> {
    /// An open incident lasts to `now`.
    pub(super) fn new(about: About<'a>, incident: &'a Incident, now: UnixMicros) -> Self {
        let (end, ended) = match incident.end {
            IncidentEnd::Open => ("open", None),
            IncidentEnd::Recovered(at) => ("recovered", Some(at)),
            IncidentEnd::Unknown(at) => ("unknown", Some(at)),
        };
        Self {
            incident_id: incident.id,
            about,
            opened: incident.opened,
            confirmed: incident.confirmed,
            end,
            ended,
            duration_us: incident.span(now).us(),
            failure: incident.failure,
            message: &incident.message,
            acknowledged: incident.acknowledged.as_ref(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_result_has_the_promised_names() {
        let mut facts = Facts::new();
        facts.set(crate::model::FactKey::HttpStatus, 200);
        let result = CheckResult {
            monitor: MonitorId::ALL,
            time: UnixMicros::new(1_700_000_000_000_007),
            interval_us: 0,
            timeout_us: 10_000_000,
            verdict: Verdict::Down,
            duration_us: 1_234,
            failure: Some(Failure::Assertion),
            message: "status 500 \"x\"".into(),
            phases: Phases { connect_us: Some(5), ..Phases::default() },
            facts,
        };
        let about = About { monitor_id: None, monitor: "a\u{1b}", group: "", kind: "http", target: "http://a/" };
        let line = serde_json::to_string(&ResultLine::new(about, &result)).expect("json");
        assert_eq!(
            line,
            "{\"monitor_id\":null,\"monitor\":\"a\\u001b\",\"group\":\"\",\"kind\":\"http\",\"target\":\"http://a/\",\
             \"time\":\"2023-11-14T22:13:20.000007Z\",\"interval_us\":0,\"timeout_us\":10000000,\"verdict\":\"down\",\
             \"duration_us\":1234,\"failure\":\"assertion\",\"message\":\"status 500 \\\"x\\\"\",\
             \"phases\":{\"name_us\":null,\"connect_us\":5,\"tls_us\":null,\"first_byte_us\":null,\"total_us\":null},\
             \"facts\":{\"http_status\":200}}"
        );
    }
}
