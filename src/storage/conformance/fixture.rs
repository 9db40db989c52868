//! Data that looks like life, the same for the same seed: log-normal round trips, jitter at the start, one check in a
//! hundred failing in one of many ways. The benches use it too.

use uuid::Uuid;

use crate::model::{
    Acknowledgement, CheckResult, FactKey, Facts, Failure, Gap, GapReason, Incident, IncidentEnd, IncidentId,
    KnownMonitor, Latency, MonitorId, Phases, Rollup, Span, Tier, UnixMicros, Verdict,
};

/// Median round trip, µs.
pub(super) const MEDIAN_US: f64 = 40_000.0;
/// Standard deviation of the logarithm of round trips.
pub(super) const SIGMA: f64 = 0.2;
/// Mean lateness of a check's start, µs.
pub(super) const JITTER_US: f64 = 1_000.0;

/// A source of made-up rows.
#[derive(Debug, Clone)]
pub struct Fixture {
    state: u64,
}

#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "made-up numbers, all small and positive"
)]
impl Fixture {
    /// The same rows for the same seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self { state: seed }
    }

    /// The next number of SplitMix64 (Steele, Lea and Flood, OOPSLA 2014).
    pub fn number(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `end`, which is at least 1.
    pub fn below(&mut self, end: u64) -> u64 {
        self.number() % end.max(1)
    }

    fn uniform(&mut self) -> f64 {
        ((self.number() >> 11) as f64 + 0.5) / (1u64 << 53) as f64
    }

    /// A standard normal number (Box and Muller).
    fn normal(&mut self) -> f64 {
        (-2.0 * self.uniform().ln()).sqrt() * (std::f64::consts::TAU * self.uniform()).cos()
    }

    /// A round trip in µs.
    pub fn round_trip_us(&mut self) -> u64 {
        self.log_normal_us(MEDIAN_US)
    }

    /// A log-normal time in µs.
    pub fn log_normal_us(&mut self, median_us: f64) -> u64 {
        (median_us * (SIGMA * self.normal()).exp()) as u64
    }

    /// A good result that took no time and found nothing out.
    pub(super) fn plain_result(&self, monitor: MonitorId, time: UnixMicros, interval_us: u64) -> CheckResult {
        CheckResult {
            monitor,
            time,
            interval_us,
            timeout_us: 10_000_000,
            verdict: Verdict::Up,
            duration_us: 0,
            failure: None,
            message: "".into(),
            phases: Phases::default(),
            facts: Facts::new(),
        }
    }

    /// How late a check starts, in µs.
    pub fn jitter_us(&mut self) -> u64 {
        (-JITTER_US * self.uniform().ln()) as u64
    }

    /// A new monitor's id.
    pub fn monitor(&mut self) -> MonitorId {
        MonitorId::new(Uuid::from_u64_pair(self.number(), self.number()))
    }

    /// A monitor as a store knows it.
    pub fn known(&mut self, id: MonitorId, seen: UnixMicros) -> KnownMonitor {
        let number = self.below(1_000);
        KnownMonitor {
            id,
            name: format!("monitor {number}"),
            group: format!("group {}", number % 7),
            kind: "http".to_owned(),
            target: format!("https://host-{number}.example/health"),
            first_seen: seen,
            last_seen: seen,
        }
    }

    /// One HTTP result.
    pub fn result(&mut self, monitor: MonitorId, time: UnixMicros, interval_us: u64) -> CheckResult {
        let duration_us = self.round_trip_us();
        let part = |share: u64| u32::try_from(duration_us * share / 100).ok();
        let mut result = self.plain_result(monitor, time, interval_us);
        result.duration_us = duration_us;
        result.phases = Phases {
            name_us: None,
            connect_us: part(20 + self.below(5)),
            tls_us: part(30 + self.below(5)),
            first_byte_us: part(35 + self.below(8)),
            total_us: part(100),
        };
        if self.below(100) == 0 {
            self.fail(&mut result);
        } else {
            result.facts.set(FactKey::HttpStatus, 200);
            result.facts.set(FactKey::HttpBytes, 5_000 + self.below(400) as i64);
            result.facts.set_text(FactKey::Peer, "192.0.2.7:443");
            result.facts.set_time(FactKey::TlsExpires, UnixMicros::new(1_800_000_000_000_000));
        }
        result
    }

    pub(super) fn fail(&mut self, result: &mut CheckResult) {
        let failures = [Failure::Timeout, Failure::Connect, Failure::Tls, Failure::Assertion, Failure::NoRoute];
        let failure = failures[self.below(failures.len() as u64) as usize];
        result.failure = Some(failure);
        result.verdict = if failure.is_ours() { Verdict::Inconclusive } else { Verdict::Down };
        result.set_message(&format!("{failure} after {} ms", result.duration_us / 1_000));
        result.phases = Phases::default();
        if failure == Failure::Assertion {
            result.facts.set(FactKey::HttpStatus, 500 + self.below(4) as i64);
        }
    }

    /// Results of one monitor, each an interval and some jitter after the other, oldest first.
    pub fn results(
        &mut self,
        monitor: MonitorId,
        start: UnixMicros,
        interval_us: u64,
        count: usize,
    ) -> Vec<CheckResult> {
        let mut results = Vec::with_capacity(count);
        for at in 0..count as u64 {
            let late = self.jitter_us().min(interval_us / 2);
            results.push(self.result(monitor, start.plus_us(at * interval_us + late), interval_us));
        }
        results
    }

    /// A rollup with plausible numbers.
    pub fn rollup(&mut self, monitor: MonitorId, tier: Tier, start: UnixMicros) -> Rollup {
        let start = tier.bucket(start).from;
        let mut latency = Latency::default();
        let up = 20 + self.below(40);
        (0..up).for_each(|_| latency.add(self.round_trip_us()));
        let down = self.below(3);
        Rollup {
            checks: up + down,
            up,
            down,
            up_us: tier.width_us() / 2,
            down_us: tier.width_us() / 100 * down,
            latency,
            ..Rollup::empty(monitor, tier, start)
        }
    }

    /// A gap.
    pub fn gap(&mut self, monitor: MonitorId, from: UnixMicros, us: u64) -> Gap {
        let reason = GapReason::ALL[self.below(GapReason::ALL.len() as u64) as usize];
        Gap { monitor, span: Span::new(from, from.plus_us(us)), reason }
    }

    /// An incident; closed after `us`, or open.
    pub fn incident(&mut self, monitor: MonitorId, opened: UnixMicros, us: Option<u64>) -> Incident {
        Incident {
            id: IncidentId::of(monitor, opened),
            monitor,
            opened,
            confirmed: opened.plus_us(10_000_000),
            end: us.map_or(IncidentEnd::Open, |us| IncidentEnd::Recovered(opened.plus_us(us))),
            failure: Failure::Timeout,
            message: "no answer within 10 s".to_owned(),
            acknowledged: (self.below(3) == 0).then(|| Acknowledgement {
                by: "somebody".to_owned(),
                at: opened.plus_us(20_000_000),
                note: "on it".to_owned(),
            }),
        }
    }
}
