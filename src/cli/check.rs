//! `check`: once, now, with nothing kept.

use std::io::{self, Write as _};
use std::time::Duration;

use clap::ArgMatches;
use futures_util::StreamExt as _;
use futures_util::stream;

use super::args;
use super::desk::Desk;
use super::exit::{Exit, Trouble};
use super::json::{About, ResultLine};
use super::open::Configured;
use super::paint::Tone;
use super::{kinds, validate, words};
use crate::control::{self, Answer, Request};
use crate::model::{CheckResult, FactUnit, FactValue, Failure, MonitorId, Phases, UnixMicros, Verdict};
use crate::probe::{Attempt, KindConfig, Observation, ProbeEnv};

/// Checks at a time.
const AT_ONCE: usize = 64;
/// What a probe may take beyond its time-out before it is cut off.
const GRACE: Duration = Duration::from_millis(500);

/// What is to be checked.
#[derive(Debug, Clone)]
struct Target {
    id: Option<MonitorId>,
    name: String,
    group: String,
    kind: String,
    target: String,
    timeout: Duration,
    what: Result<KindConfig, String>,
}

/// Checks what the arguments or the configuration name.
pub(super) async fn check(
    desk: &mut Desk,
    args: &args::Check,
    given: Option<(&str, &ArgMatches)>,
) -> Result<Exit, Trouble> {
    let targets = match given {
        Some((kind, matches)) => vec![from_arguments(kind, matches)?],
        None => from_configuration(desk, args).await?,
    };
    let env = ProbeEnv::new(desk.clock.clone());
    let many = targets.len() > 1;
    let mut seen = Vec::new();
    let mut results = stream::iter(targets).map(|target| run(target, env.clone())).buffered(AT_ONCE);
    while let Some((target, result)) = results.next().await {
        tell(desk, &target, &result, !many)?;
        seen.push((target.name, result.verdict));
    }
    if many && !desk.json {
        writeln!(desk.out, "\n{}", desk.paint.tone(Tone::Strong, summary(&seen)))?;
    }
    let any = |verdict| seen.iter().any(|(_, seen)| *seen == verdict);
    Ok(if any(Verdict::Down) {
        Exit::Down
    } else if any(Verdict::Inconclusive) {
        Exit::Unable
    } else {
        Exit::Fine
    })
}

fn from_arguments(kind: &str, matches: &ArgMatches) -> Result<Target, Trouble> {
    let (config, timeout) = kinds::read(kind, matches).map_err(Trouble::Wrong)?;
    let target = config.target();
    Ok(Target {
        id: None,
        name: target.clone(),
        group: String::new(),
        kind: kind.to_owned(),
        target,
        timeout,
        what: Ok(config),
    })
}

async fn from_configuration(desk: &Desk, args: &args::Check) -> Result<Vec<Target>, Trouble> {
    let configuration = validate::read(desk)?;
    for name in &args.monitors {
        if !configuration.monitors.iter().any(|monitor| monitor.name == *name) {
            let nearest = control::nearest(name, configuration.monitors.iter().map(|monitor| monitor.name.as_str()));
            return Err(control::AnswerError::UnknownMonitor { name: words::clean(name), nearest }.into());
        }
    }
    let wanted = |monitor: &Configured| {
        if args.monitors.is_empty() { monitor.enabled } else { args.monitors.contains(&monitor.name) }
    };
    let mut targets: Vec<_> = configuration
        .monitors
        .into_iter()
        .filter(wanted)
        .map(|monitor| Target {
            id: monitor.id,
            target: monitor.what.as_ref().map(KindConfig::target).unwrap_or_default(),
            timeout: args.timeout.unwrap_or(monitor.timeout),
            name: monitor.name,
            group: monitor.group,
            kind: monitor.kind,
            what: monitor.what,
        })
        .collect();
    if targets.is_empty() {
        let file = desk.config.display();
        return Err(Trouble::Wrong(format!("{file} has no enabled monitor; name what to check: `check http URL`")));
    }
    // Ids belong to whoever keeps the history; without one there, results go without.
    if desk.json
        && let Ok(Answer::Status(status)) = control::ask(&desk.data_dir, &Request::Status { newer_than: None }).await
    {
        for target in &mut targets {
            let known = status.monitors.iter().find(|monitor| *monitor.name == *target.name);
            target.id = target.id.or(known.map(|monitor| monitor.id));
        }
    }
    Ok(targets)
}

/// Checks one target. Never fails: what goes wrong on this side is inconclusive.
async fn run(target: Target, env: ProbeEnv) -> (Target, CheckResult) {
    let time = env.clock.wall();
    let started = env.clock.mono();
    let observation = match target.what.clone() {
        Err(why) => Observation::failed(Failure::Secret, why),
        Ok(config) => observe(config, target.timeout, env.clone()).await,
    };
    let took = env.clock.mono().since_us(started);
    let result = result_of(&target, time, took, observation);
    (target, result)
}

async fn observe(config: KindConfig, timeout: Duration, env: ProbeEnv) -> Observation {
    let attempt = Attempt::start(env.clock.clone(), timeout);
    // A task of its own, so that a panic stays in it.
    let task = tokio::spawn(async move { config.probe(&env).run(&attempt).await });
    let cut_off = task.abort_handle();
    match tokio::time::timeout(timeout + GRACE, task).await {
        Ok(Ok(observation)) => observation,
        Ok(Err(error)) => Observation::failed(Failure::Internal, error.to_string()),
        Err(_) => {
            cut_off.abort();
            let us = u64::try_from(timeout.as_micros()).unwrap_or(u64::MAX);
            Observation::failed(Failure::Timeout, format!("no answer within {}", words::latency(us)))
        }
    }
}

fn result_of(target: &Target, time: UnixMicros, took_us: u64, observation: Observation) -> CheckResult {
    let mut result = CheckResult {
        monitor: target.id.unwrap_or(MonitorId::ALL),
        time,
        interval_us: 0,
        timeout_us: u64::try_from(target.timeout.as_micros()).unwrap_or(u64::MAX),
        verdict: observation.verdict,
        duration_us: observation.duration_us.unwrap_or(took_us),
        failure: observation.failure,
        message: Box::default(),
        phases: observation.phases,
        facts: observation.facts,
    };
    result.set_message(&observation.message);
    result
}

fn tell(desk: &mut Desk, target: &Target, result: &CheckResult, with_facts: bool) -> io::Result<()> {
    if desk.json {
        let about = About {
            monitor_id: target.id,
            monitor: &target.name,
            group: &target.group,
            kind: &target.kind,
            target: &target.target,
        };
        desk.out.json(&ResultLine::new(about, result))?;
        return desk.out.flush();
    }
    let paint = desk.paint;
    let verdict = format!("{} {}", words::verdict_shape(result.verdict), result.verdict);
    let mut line = format!("{}  {}", paint.tone(Tone::of_verdict(result.verdict), verdict), words::clean(&target.name));
    if target.name != target.target {
        line = format!("{line}  {}", paint.tone(Tone::Muted, words::clean(&target.target)));
    }
    line = format!("{line}  {}", words::latency(result.duration_us));
    let reason = words::reason(result.failure, &result.message);
    if !reason.is_empty() {
        line = format!("{line}  {reason}");
    }
    writeln!(desk.out, "{line}")?;
    let phases = phases(&result.phases);
    if !phases.is_empty() {
        writeln!(desk.out, "    {}", paint.tone(Tone::Muted, phases))?;
    }
    if with_facts {
        for (key, value) in &result.facts {
            let value = fact(desk, key.unit(), value);
            writeln!(desk.out, "    {}  {value}", paint.tone(Tone::Muted, format!("{:<20}", key.as_str())))?;
        }
    }
    desk.out.flush()
}

fn phases(phases: &Phases) -> String {
    [
        ("name", phases.name_us),
        ("connect", phases.connect_us),
        ("TLS", phases.tls_us),
        ("first byte", phases.first_byte_us),
        ("total", phases.total_us),
    ]
    .iter()
    .filter_map(|(name, us)| us.map(|us| format!("{name} {}", words::latency(us.into()))))
    .collect::<Vec<_>>()
    .join(" · ")
}

fn fact(desk: &Desk, unit: FactUnit, value: &FactValue) -> String {
    match (value, unit) {
        (FactValue::Text(text), _) => words::clean(text),
        (FactValue::Number(number), FactUnit::Time) => words::local(UnixMicros::new(*number), &desk.zone),
        (FactValue::Number(number), FactUnit::Micros) => words::latency(u64::try_from(*number).unwrap_or(0)),
        (FactValue::Number(number), FactUnit::Seconds) => format!("{number} s"),
        (FactValue::Number(number), FactUnit::Bytes) => format!("{number} bytes"),
        (FactValue::Number(number), FactUnit::Count | FactUnit::Text) => number.to_string(),
    }
}

fn summary(seen: &[(String, Verdict)]) -> String {
    let all = seen.len();
    let named = |verdict: Verdict| -> Vec<String> {
        seen.iter().filter(|(_, seen)| *seen == verdict).map(|(name, _)| words::clean(name)).collect()
    };
    let mut parts = Vec::new();
    for (verdict, word) in
        [(Verdict::Down, "down"), (Verdict::Degraded, "degraded"), (Verdict::Inconclusive, "inconclusive")]
    {
        let names = named(verdict);
        if !names.is_empty() {
            parts.push(format!("{} of {} {word} · {}", words::count(names.len()), words::count(all), names.join(", ")));
        }
    }
    if parts.is_empty() {
        format!("All {} are up.", words::plural(all, "monitor", "monitors"))
    } else {
        parts.join("\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_summary_names_what_is_not_up() {
        let seen = |verdicts: &[(&str, Verdict)]| -> Vec<(String, Verdict)> {
            verdicts.iter().map(|(name, verdict)| ((*name).to_owned(), *verdict)).collect()
        };
        assert_eq!(summary(&seen(&[("a", Verdict::Up), ("b", Verdict::Up)])), "All 2 monitors are up.");
        assert_eq!(
            summary(&seen(&[("a", Verdict::Down), ("b", Verdict::Up), ("c", Verdict::Inconclusive)])),
            "1 of 3 down · a\n1 of 3 inconclusive · c"
        );
    }

    #[test]
    fn phases_that_did_not_happen_are_left_out() {
        let some = Phases { connect_us: Some(1_500), total_us: Some(41_000), ..Phases::default() };
        assert_eq!(phases(&some), "connect 1.5 ms · total 41 ms");
        assert_eq!(phases(&Phases::default()), "");
    }
}
