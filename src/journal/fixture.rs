//! Rows for the tests of journal and delivery.

use uuid::Uuid;

use crate::model::{
    CheckResult, FactKey, Facts, Failure, Gap, GapReason, Incident, IncidentEnd, IncidentId, KnownMonitor, MonitorId,
    Phases, Rollup, Row, Span, Tier, UnixMicros, Verdict,
};

/// Start of the fixtures' time: 2023-11-14T22:13:20Z.
pub(crate) const START: i64 = 1_700_000_000_000_000;

/// The monitor with this number.
pub(crate) fn monitor(number: u64) -> MonitorId {
    MonitorId::new(Uuid::from_u128(0x1000_0000_0000_0000_0000 + u128::from(number)))
}

/// `seconds` after the start of the fixtures' time.
pub(crate) fn at(seconds: u64) -> UnixMicros {
    UnixMicros::new(START).plus_us(seconds * 1_000_000)
}

/// A result of an HTTP check that started `seconds` after the start.
pub(crate) fn check_result(monitor_number: u64, seconds: u64) -> CheckResult {
    let mut facts = Facts::new();
    facts.set(FactKey::HttpStatus, 200);
    facts.set(FactKey::HttpBytes, 5_120);
    CheckResult {
        monitor: monitor(monitor_number),
        time: at(seconds),
        interval_us: 10_000_000,
        timeout_us: 5_000_000,
        verdict: Verdict::Up,
        duration_us: 40_000 + seconds % 1_000,
        failure: None,
        message: "".into(),
        phases: Phases {
            name_us: None,
            connect_us: Some(12_000),
            tls_us: None,
            first_byte_us: Some(20_000),
            total_us: Some(40_000),
        },
        facts,
    }
}

/// The same as a row.
pub(crate) fn result(monitor_number: u64, seconds: u64) -> Row {
    Row::Result(check_result(monitor_number, seconds))
}

/// An incident that opened `seconds` after the start.
pub(crate) fn incident(monitor_number: u64, seconds: u64, end: IncidentEnd) -> Incident {
    let monitor = monitor(monitor_number);
    Incident {
        id: IncidentId::of(monitor, at(seconds)),
        monitor,
        opened: at(seconds),
        confirmed: at(seconds + 2),
        end,
        failure: Failure::Timeout,
        message: "no answer".into(),
        acknowledged: None,
    }
}

/// A gap of one monitor.
pub(crate) fn gap(monitor: MonitorId, from: u64, to: u64) -> Gap {
    Gap { monitor, span: Span::new(at(from), at(to)), reason: GapReason::Asleep }
}

/// A monitor as a store remembers it.
pub(crate) fn known(monitor_number: u64) -> KnownMonitor {
    KnownMonitor {
        id: monitor(monitor_number),
        name: format!("monitor {monitor_number}"),
        group: "lab".into(),
        kind: "http".into(),
        target: "http://127.0.0.1/".into(),
        first_seen: at(0),
        last_seen: at(9),
    }
}

/// One row of each kind, in the order of the variants.
pub(crate) fn one_of_each() -> Vec<Row> {
    vec![
        result(1, 1),
        Row::Gap(gap(MonitorId::ALL, 2, 3)),
        Row::Incident(incident(1, 4, IncidentEnd::Open)),
        Row::Monitor(known(1)),
        Row::Rollup(Rollup::empty(monitor(1), Tier::Hour, Tier::Hour.bucket(at(5)).from)),
        Row::Forget(monitor(2), at(6)),
    ]
}
