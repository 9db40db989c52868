//! Rows as points: fields that people read in dashboards, and one, `row`, in which the whole row is packed. Reads use
//! that one, or a shorter one where less is enough: a field is a column of its own on the server, and one is found faster
//! than twenty.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::line::{Lines, key_tag};
use crate::model::{
    CheckResult, FactKey, FactUnit, FactValue, Facts, Failure, Gap, GapReason, Incident, IncidentEnd, KnownMonitor,
    Latency, MonitorId, Phases, Rollup, Span, Tier, UnixMicros, Verdict,
};

/// Where results are.
pub(super) const RESULT: &str = "hallmonitor_result";
/// Where rollups are.
pub(super) const ROLLUP: &str = "hallmonitor_rollup";
/// Where gaps are.
pub(super) const GAP: &str = "hallmonitor_gap";
/// Where incidents are.
pub(super) const INCIDENT: &str = "hallmonitor_incident";
/// Where what stores and instances remember is.
pub(super) const META: &str = "hallmonitor_meta";

/// The field that holds the whole row.
pub(super) const ROW: &str = "row";
/// The field of a rollup that holds its counts and times alone: a tenth of the whole.
pub(super) const TIMES: &str = "times";
/// The field of a result that holds what coverage and latencies are reckoned from: a fifth of the whole.
pub(super) const SEEN: &str = "seen";
/// What a packed row of this version begins with.
const VERSION: char = '1';
/// Keys of metadata under which monitors are known.
pub(super) const MONITOR_KEY: &str = "monitor:";
/// The kind of a monitor that is not known.
const NO_KIND: &str = "unknown";
/// Longest kind that is a tag.
const KIND_BYTES: usize = 32;

/// A result without its key. The order is that of packed rows: only ever add at the end, with another version.
#[derive(Debug, Serialize, Deserialize)]
struct PackedResult {
    interval_us: u64,
    timeout_us: u64,
    verdict: u8,
    duration_us: u64,
    failure: u8,
    message: Box<str>,
    phases: Phases,
    facts: Facts,
}

/// A result without its key, phases, message and facts. What is mostly the same comes first.
#[derive(Debug, Serialize, Deserialize)]
struct PackedSeen {
    interval_us: u64,
    timeout_us: u64,
    verdict: u8,
    failure: u8,
    duration_us: u64,
}

/// A rollup without its key.
#[derive(Debug, Serialize, Deserialize)]
struct PackedRollup {
    counts: [u64; 5],
    us: [u64; 3],
    latency: Latency,
}

fn pack<T: Serialize>(row: &T) -> String {
    let mut packed = String::with_capacity(128);
    packed.push(VERSION);
    // Serialising to memory fails for types that are not ours only; such a row is told as unreadable.
    if let Ok(bytes) = postcard::to_stdvec(row) {
        STANDARD_NO_PAD.encode_string(bytes, &mut packed);
    }
    packed
}

/// What a packed row cannot be read for.
pub(super) type Unreadable = String;

fn unpack<T: DeserializeOwned>(packed: &str) -> Result<T, Unreadable> {
    let rest = packed.strip_prefix(VERSION).ok_or_else(|| {
        let of: String = packed.chars().take(1).collect();
        format!("it is packed in version `{of}`, and this Hall Monitor knows {VERSION}: update it")
    })?;
    let bytes = STANDARD_NO_PAD.decode(rest).map_err(|error| error.to_string())?;
    postcard::from_bytes(&bytes).map_err(|error| error.to_string())
}

/// Whose points these are.
#[derive(Debug, Clone, Copy)]
pub(super) struct Owner<'a> {
    /// The instance's id as text.
    pub(super) instance: &'a str,
    /// What is known of the monitor.
    pub(super) known: Option<&'a KnownMonitor>,
}

impl Owner<'_> {
    /// The kind as a tag: a plain word.
    fn kind(&self) -> &str {
        let plain = |kind: &str| {
            (1..=KIND_BYTES).contains(&kind.len())
                && kind.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-')
        };
        self.known.map(|known| known.kind.as_str()).filter(|kind| plain(kind)).unwrap_or(NO_KIND)
    }

    fn name(&self) -> &str {
        self.known.map_or("", |known| known.name.as_str())
    }

    fn group(&self) -> &str {
        self.known.map_or("", |known| known.group.as_str())
    }
}

fn count(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// Adds a result. What did not happen has no field: a point of a result is never written over.
pub(super) fn result(lines: &mut Lines, owner: Owner<'_>, monitor: &str, row: &CheckResult) {
    let Phases { name_us, connect_us, tls_us, first_byte_us, total_us } = row.phases;
    let mut point = lines
        .point(RESULT)
        .tag("instance", owner.instance)
        .tag("kind", owner.kind())
        .tag("monitor", monitor)
        .text("name", owner.name())
        .text("group", owner.group())
        .text("verdict", row.verdict.as_str())
        .number("duration_us", count(row.duration_us))
        .number("interval_us", count(row.interval_us))
        .number("timeout_us", count(row.timeout_us))
        .text("failure", row.failure.map_or("", Failure::as_str))
        .text("message", &row.message)
        .maybe("phase_name_us", name_us)
        .maybe("phase_connect_us", connect_us)
        .maybe("phase_tls_us", tls_us)
        .maybe("phase_first_byte_us", first_byte_us)
        .maybe("phase_total_us", total_us);
    for (key, value) in &row.facts {
        // A field has one type for good.
        point = match (value, key.unit()) {
            (FactValue::Text(text), FactUnit::Text) => point.text(FactKey::as_str(*key), text),
            (FactValue::Number(number), unit) if unit != FactUnit::Text => point.number(FactKey::as_str(*key), *number),
            _ => point,
        };
    }
    let (verdict, failure) = (row.verdict.code(), row.failure.map_or(0, Failure::code));
    let CheckResult { interval_us, timeout_us, duration_us, .. } = *row;
    let seen = PackedSeen { interval_us, timeout_us, verdict, failure, duration_us };
    let packed = PackedResult {
        interval_us,
        timeout_us,
        verdict,
        duration_us,
        failure,
        message: row.message.clone(),
        phases: row.phases,
        facts: row.facts.clone(),
    };
    point.text(ROW, &pack(&packed)).text(SEEN, &pack(&seen)).at(row.time);
}

fn outcome(verdict: u8, failure: u8) -> Result<(Verdict, Option<Failure>), Unreadable> {
    let failure = match failure {
        0 => None,
        code => Some(Failure::from_code(code).ok_or_else(|| format!("failure {code} is not known"))?),
    };
    Ok((Verdict::from_code(verdict).ok_or_else(|| format!("verdict {verdict} is not known"))?, failure))
}

/// The result that was packed.
pub(super) fn read_result(monitor: MonitorId, time: UnixMicros, packed: &str) -> Result<CheckResult, Unreadable> {
    let row: PackedResult = unpack(packed)?;
    let (verdict, failure) = outcome(row.verdict, row.failure)?;
    let PackedResult { interval_us, timeout_us, duration_us, message, phases, facts, .. } = row;
    Ok(CheckResult { monitor, time, interval_us, timeout_us, verdict, duration_us, failure, message, phases, facts })
}

/// What was seen, as it was packed; phases, message and facts are not with it.
pub(super) fn read_seen(monitor: MonitorId, time: UnixMicros, packed: &str) -> Result<CheckResult, Unreadable> {
    let PackedSeen { interval_us, timeout_us, verdict, failure, duration_us } = unpack(packed)?;
    let (verdict, failure) = outcome(verdict, failure)?;
    let (phases, message, facts) = (Phases::default(), "".into(), Facts::new());
    Ok(CheckResult { monitor, time, interval_us, timeout_us, verdict, duration_us, failure, message, phases, facts })
}

/// Adds a rollup, with every field: the server keeps what of a former one is not written over.
pub(super) fn rollup(lines: &mut Lines, owner: Owner<'_>, monitor: &str, row: &Rollup) {
    let Latency { count: good, sum_us, min_us, max_us, sketch } = &row.latency;
    let quantile = |q| count(sketch.quantile(q).unwrap_or(0));
    let packed = PackedRollup {
        counts: [row.checks, row.up, row.degraded, row.down, row.inconclusive],
        us: [row.up_us, row.degraded_us, row.down_us],
        latency: row.latency.clone(),
    };
    lines
        .point(ROLLUP)
        .tag("instance", owner.instance)
        .tag("monitor", monitor)
        .tag("tier", row.tier.as_str())
        .text("name", owner.name())
        .text("group", owner.group())
        .number("checks", count(row.checks))
        .number("up", count(row.up))
        .number("degraded", count(row.degraded))
        .number("down", count(row.down))
        .number("inconclusive", count(row.inconclusive))
        .number("up_us", count(row.up_us))
        .number("degraded_us", count(row.degraded_us))
        .number("down_us", count(row.down_us))
        .number("latency_count", count(*good))
        .number("latency_sum_us", count(*sum_us))
        .number("latency_min_us", count(*min_us))
        .number("latency_max_us", count(*max_us))
        .number("latency_p50_us", quantile(0.5))
        .number("latency_p95_us", quantile(0.95))
        .number("latency_p99_us", quantile(0.99))
        .text(ROW, &pack(&packed))
        .text(TIMES, &pack(&(packed.counts, packed.us)))
        .at(row.start);
}

/// The counts and times that were packed; there is no latency with them.
pub(super) fn read_times(
    monitor: MonitorId,
    tier: Tier,
    start: UnixMicros,
    packed: &str,
) -> Result<Rollup, Unreadable> {
    let (counts, us): ([u64; 5], [u64; 3]) = unpack(packed)?;
    let ([checks, up, degraded, down, inconclusive], [up_us, degraded_us, down_us]) = (counts, us);
    let none = Rollup::empty(monitor, tier, start);
    Ok(Rollup { checks, up, degraded, down, inconclusive, up_us, degraded_us, down_us, ..none })
}

/// The rollup that was packed.
pub(super) fn read_rollup(
    monitor: MonitorId,
    tier: Tier,
    start: UnixMicros,
    packed: &str,
) -> Result<Rollup, Unreadable> {
    let PackedRollup { counts, us, latency } = unpack(packed)?;
    let ([checks, up, degraded, down, inconclusive], [up_us, degraded_us, down_us]) = (counts, us);
    Ok(Rollup { monitor, tier, start, checks, up, degraded, down, inconclusive, up_us, degraded_us, down_us, latency })
}

/// Adds a gap.
pub(super) fn gap(lines: &mut Lines, owner: Owner<'_>, monitor: &str, row: &Gap) {
    lines
        .point(GAP)
        .tag("instance", owner.instance)
        .tag("monitor", monitor)
        .text("name", owner.name())
        .text("group", owner.group())
        .text("reason", row.reason.as_str())
        .number("to_us", row.span.to.micros())
        .text(ROW, &pack(&(row.span.to.micros(), row.reason.code())))
        .at(row.span.from);
}

/// The gap that was packed.
pub(super) fn read_gap(monitor: MonitorId, from: UnixMicros, packed: &str) -> Result<Gap, Unreadable> {
    let (to, reason): (i64, u8) = unpack(packed)?;
    let reason = GapReason::from_code(reason).ok_or_else(|| format!("reason {reason} is not known"))?;
    Ok(Gap { monitor, span: Span::new(from, UnixMicros::new(to)), reason })
}

/// Adds an incident.
pub(super) fn incident(lines: &mut Lines, owner: Owner<'_>, monitor: &str, row: &Incident) {
    let (ending, ended) = match row.end {
        IncidentEnd::Open => ("open", 0),
        IncidentEnd::Recovered(at) => ("recovered", at.micros()),
        IncidentEnd::Unknown(at) => ("unknown", at.micros()),
    };
    let seen = row.acknowledged.as_ref();
    lines
        .point(INCIDENT)
        .tag("incident", &row.id.to_string())
        .tag("instance", owner.instance)
        .tag("monitor", monitor)
        .text("name", owner.name())
        .text("group", owner.group())
        .number("confirmed_us", row.confirmed.micros())
        .text("ending", ending)
        .number("ended_us", ended)
        .text("failure", row.failure.as_str())
        .text("message", &row.message)
        .text("acknowledged_by", seen.map_or("", |seen| seen.by.as_str()))
        .number("acknowledged_us", seen.map_or(0, |seen| seen.at.micros()))
        .text("acknowledged_note", seen.map_or("", |seen| seen.note.as_str()))
        .text(ROW, &pack(row))
        .at(row.opened);
}

/// The incident that was packed.
pub(super) fn read_incident(packed: &str) -> Result<Incident, Unreadable> {
    unpack(packed)
}

/// Adds what is known of a monitor.
pub(super) fn monitor(lines: &mut Lines, instance: &str, row: &KnownMonitor) {
    lines
        .point(META)
        .tag("instance", instance)
        .tag("key", &key_tag(&format!("{MONITOR_KEY}{}", row.id)))
        .text("name", &row.name)
        .text("group", &row.group)
        .text("kind", &row.kind)
        .text("target", &row.target)
        .text(ROW, &pack(row))
        .at(UnixMicros::MIN);
}

/// The monitor that was packed.
pub(super) fn read_monitor(packed: &str) -> Result<KnownMonitor, Unreadable> {
    unpack(packed)
}

/// Adds a value of metadata.
pub(super) fn meta(lines: &mut Lines, instance: &str, key: &str, value: &[u8]) {
    lines
        .point(META)
        .tag("instance", instance)
        .tag("key", &key_tag(key))
        .text(ROW, &pack(&Bytes(value)))
        .at(UnixMicros::MIN);
}

/// The value that was packed.
pub(super) fn read_meta(packed: &str) -> Result<Vec<u8>, Unreadable> {
    unpack(packed)
}

/// Bytes, written as postcard writes a vector of them.
#[derive(Serialize)]
struct Bytes<'a>(&'a [u8]);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::conformance::Fixture;

    #[test]
    fn packed_rows_read_back() {
        let mut fixture = Fixture::new(1);
        let id = fixture.monitor();
        let start = UnixMicros::new(1_772_323_200_000_000);
        for row in fixture.results(id, start, 60_000_000, 300) {
            let mut lines = Lines::default();
            result(&mut lines, Owner { instance: "i", known: None }, &id.to_string(), &row);
            assert_eq!(read_result(id, row.time, &packed_of(&lines, ROW)).expect("reads"), row);
            let seen = read_seen(id, row.time, &packed_of(&lines, SEEN)).expect("reads");
            let left = CheckResult { phases: Phases::default(), message: "".into(), facts: Facts::new(), ..row };
            assert_eq!(seen, left);
        }
        let row = fixture.rollup(id, Tier::Hour, start);
        let mut lines = Lines::default();
        rollup(&mut lines, Owner { instance: "i", known: None }, &id.to_string(), &row);
        assert_eq!(read_rollup(id, Tier::Hour, row.start, &packed_of(&lines, ROW)).expect("reads"), row);
        let packed = pack(&([row.checks, row.up, 0, row.down, 0], [row.up_us, 0, row.down_us]));
        let times = read_times(id, Tier::Hour, row.start, &packed).expect("reads");
        assert_eq!(times, Rollup { latency: Latency::default(), ..row });
        let row = fixture.incident(id, start, None);
        assert_eq!(read_incident(&pack(&row)).expect("reads"), row);
        assert_eq!(read_meta(&pack(&Bytes(&[0, 255, 7]))).expect("reads"), [0, 255, 7]);
    }

    /// A packed field of the only line.
    fn packed_of(lines: &Lines, field: &str) -> String {
        use std::io::Read as _;
        let mut text = String::new();
        let packed = lines.gzip(0, 1).expect("packs");
        flate2::read::GzDecoder::new(&packed[..]).read_to_string(&mut text).expect("unpacks");
        let (_, rest) = text.rsplit_once(&format!(",{field}=\"")).expect("has it");
        rest.split('"').next().expect("ends").to_owned()
    }

    #[test]
    fn what_is_not_ours_is_told() {
        for wrong in ["", "1", "1???", "1AAAA", "2AAAA", "\u{1F680}"] {
            read_result(MonitorId::ALL, UnixMicros::MIN, wrong).expect_err(wrong);
            read_seen(MonitorId::ALL, UnixMicros::MIN, wrong).expect_err(wrong);
        }
        assert!(read_monitor("9x").expect_err("newer").contains("update it"));
    }

    #[test]
    fn a_kind_is_a_plain_word() {
        let mut known = Fixture::new(1).known(MonitorId::ALL, UnixMicros::MIN);
        for (kind, tag) in [("http", "http"), ("", NO_KIND), ("a b", NO_KIND), ("x\\", NO_KIND), ("ä", NO_KIND)] {
            known.kind = kind.to_owned();
            assert_eq!(Owner { instance: "", known: Some(&known) }.kind(), tag);
        }
    }
}
