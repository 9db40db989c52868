//! What is read from a good file.

use std::time::Duration;

use hallmonitor::config::Source;
use hallmonitor::model::Thresholds;
use hallmonitor::probe::KINDS;
use hallmonitor::storage::KeptDays;

use crate::{accepted, assert_error, errors, http, warnings};

#[test]
fn keys_are_read_in_any_case_and_labels_keep_theirs() {
    let config = accepted(
        "MONITORING:
  DEFAULTINTERVAL: 7s
  groups:
    - NAME: g
      Monitors:
        - Name: m
          TYPE: HTTPS
          Url: https://h/
          FailureThreshold: 3
          recoverythreshold: 2
          labels: {Team: Ops, team: dev, n: 1.10, none: }
",
    );
    let monitor = &config.monitors[0];
    assert_eq!((monitor.name.as_str(), &*monitor.group, monitor.kind.kind()), ("m", "g", "http"));
    assert_eq!(monitor.thresholds, Thresholds { failures: 3, recoveries: 2 });
    assert_eq!(monitor.interval.value, Duration::from_secs(7));
    let labels: Vec<_> = monitor.labels.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
    assert_eq!(labels, [("Team", "Ops"), ("n", "1.10"), ("none", ""), ("team", "dev")]);
    assert_eq!(monitor.line, 6);
}

#[test]
fn inheritance_stays_inheritance() {
    let config = accepted(
        "monitoring:
  defaultTimeout: 4s
  defaultFailureThreshold: 5
  groups:
    - name: a
      interval: 20s
      timeout: 2s
      monitors:
        - {name: own, type: ping, target: h, interval: 5s, timeout: 1s}
        - {name: group, type: ping, target: h, interval: 0}
    - name: b
      monitors:
        - {name: default, type: ping, target: h, timeout: 0s, failureThreshold: 1}
",
    );
    let of = |at: usize| {
        let monitor = &config.monitors[at];
        let seconds = |time: Duration| time.as_secs();
        (seconds(monitor.interval.value), monitor.interval.from, seconds(monitor.timeout.value), monitor.timeout.from)
    };
    assert_eq!(of(0), (5, Source::Own, 1, Source::Own));
    assert_eq!(of(1), (20, Source::Group, 2, Source::Group));
    assert_eq!(of(2), (30, Source::Default, 4, Source::Default));
    assert_eq!(config.monitors[0].thresholds, Thresholds { failures: 5, recoveries: 1 });
    assert_eq!(config.monitors[2].thresholds, Thresholds { failures: 1, recoveries: 1 });
    assert_eq!(config.groups.iter().map(|group| &*group.name).collect::<Vec<_>>(), ["a", "b"]);
}

#[test]
fn entries_are_equal_when_they_run_the_same() {
    let one = accepted(&http("interval: 30s"));
    let moved = accepted(&format!("# a line more\n{}", http("labels: {}")));
    assert_eq!(one.monitors, moved.monitors, "30s is the default, and only the line differs");
    assert_ne!(one.monitors[0].line, moved.monitors[0].line);
    assert_ne!(one.hash, moved.hash);
    for other in ["interval: 31s", "enabled: false", "labels: {a: b}", "failureThreshold: 3", "timeout: 3s"] {
        assert_ne!(one.monitors, accepted(&http(other)).monitors, "{other}");
    }
}

#[test]
fn keys_of_other_kinds_are_told_apart() {
    // HallMonitor took these on any monitor: a warning.
    let config = accepted(&http("count: 3\nquery: x\nmetrics: {enabled: true}\nhistogram_buckets: [1]"));
    let expected = [
        "f.yml:8:9: warning: `count` has no effect on a http monitor",
        "f.yml:9:9: warning: `query` has no effect on a http monitor",
        "f.yml:10:9: warning: `metrics` has no effect: HallMonitor knew it and never used it",
        "f.yml:11:9: warning: `histogram_buckets` has no effect: HallMonitor knew it and never used it",
    ];
    assert_eq!(warnings(&config), expected);
    // Its own files hold them empty: nothing to say.
    assert!(accepted(&http("count: 0\nquery: \"\"\ntarget:")).warnings.is_empty());
    // Others belong to their kind.
    for (kind, fields) in KINDS {
        for field in fields.iter().filter(|field| field.key == "packetInterval") {
            let error = format!("f.yml:8:9: `{}` belongs to kind {kind}, not to http", field.key);
            assert_error(&http(&format!("{}: 1s", field.key)), &error);
        }
    }
}

#[test]
fn anchors_and_merge_keys_spare_repetition() {
    let config = accepted(
        "x-common: &common {type: ping, interval: 5s}
monitoring:
  groups:
    - name: g
      monitors:
        - {<<: *common, name: a, target: h}
        - {<<: *common, name: b, target: i, interval: 9s}
",
    );
    let intervals: Vec<_> = config.monitors.iter().map(|monitor| monitor.interval.value.as_secs()).collect();
    assert_eq!(intervals, [5, 9]);
}

#[test]
fn the_text_and_its_line_ends_do_not_matter() {
    let text = http("interval: 5s");
    let one = accepted(&text);
    for other in [format!("\u{feff}{text}"), text.replace('\n', "\r\n"), format!("---\n{text}...\n")] {
        assert_eq!(one.monitors, accepted(&other).monitors, "{other:?}");
    }
    assert_eq!(&*one.text, text);
    assert!(errors(&format!("\u{feff}{}", http("interval: x")).replace('\n', "\r\n"))[0].starts_with("f.yml:8:19: "));
}

#[test]
fn retention_is_set_tier_by_tier_and_inherited() {
    let config = accepted(
        "storage: {retention: {raw: 20d, hour: 400d}}
monitoring:
  groups:
    - name: a
      retention: {raw: 60d, Day: 500d}
      monitors:
        - {name: own, type: ping, target: h, retention: {RAW: 7d, fiveMinutes: forever}}
        - {name: group, type: ping, target: h}
    - name: b
      monitors:
        - {name: usual, type: ping, target: h, retention: {raw: 20d}}
        - {name: empty, type: ping, target: h, retention: }
",
    );
    let usual = config.storage.retention.usual();
    let of = |at: usize| config.monitors[at].retention.over(usual);
    let days = |raw, five_minutes, day| Some(KeptDays { raw: Some(raw), five_minutes, hour: Some(400), day });
    assert_eq!(of(0), days(7, None, Some(500)));
    assert_eq!(of(1), days(60, Some(90), Some(500)));
    assert_eq!((of(2), of(3)), (None, None), "as usual");
    for (text, told) in [
        ("{raw: 30}", "`raw`"),
        ("{raw: 1h}", "whole days"),
        ("{raws: 30d}", "unknown key `raws`"),
        ("30d", "retention"),
        ("{raw: 1d, RAW: 2d}", "a second time"),
        ("{raw: \"${NOWHERE}\"}", "the environment variable `NOWHERE` is not set"),
    ] {
        let file = format!(
            "monitoring: {{groups: [{{name: g, monitors: [{{name: m, type: ping, target: h, retention: {text}}}]}}]}}\n"
        );
        let said = errors(&file);
        assert!(said.iter().any(|said| said.contains(told)), "{text}: {said:?}");
    }
}
