//! What is wrong by itself, with its place.

use std::time::Duration;

use hallmonitor::config::picture;

use crate::{NO_VARS, accepted, assert_error, errors, http, monitor, read_with};

#[test]
fn every_problem_of_a_monitor_has_its_place() {
    for (keys, error) in [
        (
            "type: htpp\nurl: x",
            "f.yml:6:15: invalid monitor type: `htpp`; allowed: ping, http, tcp, dns; did you mean `http`?",
        ),
        ("url: http://h/", "f.yml:5:15: monitor type is required; allowed: ping"),
        ("type: http", "f.yml:5:15: http monitor requires `url`"),
        ("type: http\nurl: \"\"", "f.yml:5:15: http monitor requires `url`"),
        ("type: http\nurl: [1]", "f.yml:7:14: `url` is a list, not a single value; allowed: text"),
        ("type: ping\ntarget: h\nintreval: 5s", "f.yml:8:9: unknown key `intreval`; allowed: "),
    ] {
        assert_error(&monitor(keys), error);
    }
    for (keys, error) in [
        ("interval: 500ms", "f.yml:8:19: `interval`: `500ms` is too short (min 1s); allowed: 1s to 365d"),
        ("interval: 30", "f.yml:8:19: `interval`: `30` without a unit is nanoseconds, which is too short (min 1s)"),
        ("interval: '30'", "f.yml:8:19: `interval`: `30` is a number without a unit"),
        ("interval: 5 minutes", "f.yml:8:19: `interval`: `5 minutes` is no length of time"),
        ("interval: -5s", "f.yml:8:19: `interval`: `-5s` is negative"),
        ("interval: 400d", "f.yml:8:19: `interval`: `400d` is too long (max 365d)"),
        ("interval: 1m30", "f.yml:8:19: `interval`: `1m30` ends in a number without a unit"),
        ("interval: {a: b}", "f.yml:8:19: `interval` is a map, not a single value"),
        ("timeout: 6m", "f.yml:8:18: `timeout`: `6m` is too long (max 5m)"),
        ("timeout: -1s", "f.yml:8:18: `timeout`: `-1s` is negative"),
        ("failureThreshold: 0", "f.yml:8:27: `failureThreshold`: `0` is out of range; allowed: a whole number from 1"),
        ("recoveryThreshold: many", "f.yml:8:28: `recoveryThreshold`: `many` is no whole number"),
        ("enabled: maybe", "f.yml:8:18: `enabled`: `maybe` is neither true nor false; allowed: `true`, `false`"),
        ("labels: [a]", "f.yml:8:17: `labels` is a list, not a map"),
        ("labels: {a: [b]}", "f.yml:8:21: `a` is a list, not a single value"),
        ("labels: {a: 1, a: 2}", "f.yml:8:24: the key `a` stands here a second time"),
        ("id: 17", "f.yml:8:13: `id`: `17` is no UUID; allowed: a UUID as in"),
        ("id: 00000000-0000-0000-0000-000000000000", "f.yml:8:13: `id`: `00000000-"),
        ("Interval: 5s\ninterval: 6s", "f.yml:9:9: `interval` is `interval` a second time"),
        ("expected_stats: 200", "f.yml:8:9: unknown key `expected_stats`"),
        ("labels: {a: '${X'}", "f.yml:8:21: `a`: `${X` has a `${` without its `}`"),
        ("labels: {a: '${secret:token}'}", "f.yml:8:17: `labels` is shown to people"),
    ] {
        assert_error(&http(keys), error);
    }
}

#[test]
fn a_bare_number_proposes_seconds() {
    let refusal = read_with(&http("interval: 30"), NO_VARS).expect_err("refused");
    assert_eq!(refusal.problems[0].nearest.as_deref(), Some("30s"));
    let refusal = read_with(&http("interval: 500000000"), NO_VARS).expect_err("refused");
    assert_eq!(refusal.problems[0].nearest, None, "that many seconds are not allowed either");
    let nanoseconds = accepted(&http("interval: 90000000000\ntimeout: 1500ms"));
    assert_eq!(nanoseconds.monitors[0].interval.value, Duration::from_secs(90));
    assert_eq!(nanoseconds.monitors[0].timeout.value, Duration::from_millis(1_500));
}

#[test]
fn names_and_ids_are_unique_over_all_groups() {
    let id = "0192f0c1-7b3a-7c52-9d64-1f2e3a4b5c6d";
    let text = format!(
        "monitoring:
  groups:
    - name: a
      monitors:
        - {{name: x, type: ping, target: h, id: {id}}}
        - {{name: X, type: ping, target: h}}
    - name: a
      monitors:
        - {{name: x, type: ping, target: h, id: {id}}}
        - {{type: ping, target: h}}
        - {{name: \"a\\nb\", type: ping, target: h}}
        -
    - monitors: []
"
    );
    let expected = [
        "f.yml:7:13: duplicate group name: `a`".to_owned(),
        "f.yml:9:18: duplicate monitor name: `x` (first on line 5)".to_owned(),
        format!("f.yml:9:48: duplicate monitor id: `{id}` (first on line 5)"),
        "f.yml:10:11: monitor name is required".to_owned(),
        "f.yml:11:18: monitor name `a b` cannot be used".to_owned(),
        "f.yml:12:10: monitor name is required".to_owned(),
        "f.yml:12:10: monitor type is required".to_owned(),
        "f.yml:13:7: group name is required".to_owned(),
    ];
    let errors = errors(&text);
    assert_eq!(errors.len(), expected.len(), "{errors:#?}");
    for (error, start) in errors.iter().zip(&expected) {
        assert!(error.starts_with(start.as_str()), "{error} and not {start}");
    }
}

#[test]
fn every_problem_of_a_section_has_its_place() {
    for (text, error) in [
        ("monitorng: {}", "f.yml:1:1: unknown key `monitorng`; allowed: webhooks, instance, monitoring"),
        ("monitoring:\n  defaultIntervall: 5s", "f.yml:2:3: unknown key `defaultIntervall`"),
        (
            "monitoring:\n  defaultInterval: 1ms",
            "f.yml:2:20: `monitoring.defaultInterval`: `1ms` is too short (min 1s)",
        ),
        ("monitoring:\n  defaultTimeout: -1s", "f.yml:2:19: `monitoring.defaultTimeout`: `-1s` is negative"),
        ("monitoring: [a]", "f.yml:1:13: `monitoring` is a list; allowed: a map of keys"),
        ("monitoring:\n  groups: {a: b}", "f.yml:2:11: `monitoring.groups` is a map; allowed: a list"),
        ("monitoring:\n  groups: [a]", "f.yml:2:12: an item of `monitoring.groups` is a single value; allowed: a map"),
        (
            "monitoring:\n  groups:\n  - {name: a, monitors: 5}",
            "f.yml:3:25: `monitors` is a single value; allowed: a list",
        ),
        ("monitoring:\n  groups:\n  - {name: a, interval: 1ms}", "f.yml:3:25: `interval`: `1ms` is too short"),
        ("monitoring:\n  groups:\n  - {name: a, intervall: 1s}", "f.yml:3:15: unknown key `intervall`"),
        (
            "monitoring:\n  groups:\n  - {name: a, interval: '${X}'}",
            "f.yml:3:5: group `a`: the environment variable `X`",
        ),
        (
            "storage: {backend: redis}",
            "f.yml:1:20: `storage.backend`: `redis` is no backend; allowed: `embedded`, `postgres`, `influxdb`, `none`",
        ),
        ("storage: {backend: embeded}", "f.yml:1:20: `storage.backend`: `embeded` is no backend"),
        (
            "storage: {backend: postgres, postgres: {poolMin: 9, poolMax: 2}}",
            "f.yml:1:50: `storage.postgres.poolMin`: must not be above `poolMax`, which is 2",
        ),
        (
            "storage: {backend: postgres, postgres: {statementTimeout: 1us}}",
            "f.yml:1:59: `storage.postgres.statementTimeout`: `1us` is too short (min 100ms)",
        ),
        (
            "storage: {backend: InfluxDB, influxdb: {url: \"influx.lan:8086\"}}",
            "f.yml:1:46: `storage.influxdb.url`: must begin with http:// or https:// and name a host",
        ),
        (
            "storage: {backend: influxdb, influxdb: {bucket: _monitoring}}",
            "f.yml:1:49: `storage.influxdb.bucket`: must not begin with `_`: such buckets are the server's",
        ),
        ("storage: {retention: {raw: 30}}", "f.yml:1:28: `storage.retention.raw`: `30` is a number without a unit"),
        (
            "storage: {retention: {raw: 36h}}",
            "f.yml:1:28: `storage.retention.raw`: `36h` is not from 1 to 36500 whole days",
        ),
        ("storage: {journal: {limit: 200}}", "f.yml:1:28: `storage.journal.limit`: `200` is no size with a unit"),
        ("storage: {journal: {limit: 1MB}}", "f.yml:1:28: `storage.journal.limit`: `1MB` is too small"),
        ("storage: {journal: {limit: -2GB}}", "f.yml:1:28: `storage.journal.limit`: `-2GB` is no size"),
        ("storage: {retention: {week: 7d}}", "f.yml:1:23: unknown key `week`; allowed: raw, fiveMinutes, hour, day"),
        ("storage: {postgres: {prot: 1}}", "f.yml:1:22: unknown key `prot`"),
        ("storage: {Backend: none, backend: none}", "f.yml:1:26: `backend` is `backend` a second time"),
        ("storage: {backend: none}\nStorage: {}", "f.yml:2:1: `Storage` is `storage` a second time"),
        ("logging: {level: loud}", "f.yml:1:18: `logging.level`: `loud` is none of the known words; allowed: `trace`"),
        ("logging: {format: xml}", "f.yml:1:19: `logging.format`: `xml` is none of"),
        ("instance: {name: '${secret:token}'}", "f.yml:1:18: `instance.name` is shown to people"),
        ("instance: {name: '${X}'}", "f.yml:1:18: `instance.name`: the environment variable `X` is not set"),
        ("server: {port: 99999}", "f.yml:1:16: `server.port`: `99999` is out of range"),
        ("alerting: {rules: [{expr: x}]}", "f.yml:1:20: the rule has no `name`"),
        ("alerting: {rules: [{name: x, fro: 5s}]}", "f.yml:1:30: unknown key `fro`"),
        ("webhooks: [{events: [down]}]", "f.yml:1:12: the webhook has no `url`"),
        ("webhooks: [{url: '${'}]", "f.yml:1:18: `url`: `${` has a `${` without"),
        ("webhooks: {url: x}", "f.yml:1:11: `webhooks` is a map; allowed: a list"),
    ] {
        assert_error(text, error);
    }
}

#[test]
fn what_is_no_yaml_has_its_place() {
    for (text, error) in [
        ("", "f.yml:1:1: the file is empty"),
        ("just words", "f.yml:1:1: the file is a single value; allowed: a map of keys"),
        ("a: [1", "f.yml:"),
        ("monitoring:\n\tgroups: []", "f.yml:2:2: this is no YAML: tabs disallowed"),
        ("monitoring:\n  groups:\n\t- name: a", "f.yml:3:"),
        ("a: b: c", "f.yml:1:5: this is no YAML: mapping values are not allowed in this context"),
        ("a: 'b", "f.yml:"),
        ("monitoring: {}\n---\nmonitoring: {}", "f.yml:2:1: a second document starts here"),
        ("monitoring: {}\nmonitoring: {}", "f.yml:2:1: the key `monitoring` stands here a second time"),
    ] {
        assert_error(text, error);
    }
    assert!(errors("monitoring:\n\tgroups: []")[0].ends_with("allowed: spaces for indentation"));
}

#[test]
fn all_problems_come_at_once_in_the_order_of_the_file() {
    let text = "monitoring:
  defaultInterval: 10
  groups:
    - name: g
      intreval: 5s
      monitors:
        - name: a
          type: htpp
          url: http://h/
          intervall: 5s
        - name: a
          type: http
          timeout: 1h
storage:
  backend: postgress
loging: {}
";
    let places: Vec<String> =
        errors(text).iter().map(|error| error.split(": ").next().unwrap_or_default().to_owned()).collect();
    assert_eq!(
        places,
        [
            "f.yml:2:20",
            "f.yml:5:7",
            "f.yml:8:17",
            "f.yml:10:11",
            "f.yml:11:17",
            "f.yml:11:17",
            "f.yml:13:20",
            "f.yml:15:12",
            "f.yml:16:1"
        ]
    );
    let refusal = read_with(text, NO_VARS).expect_err("refused");
    assert!(refusal.to_string().starts_with("9 problems; the first: f.yml:2:20: "), "{refusal}");
    let shown = picture(&refusal.problems[2], &refusal.text, false);
    assert!(shown.contains("8 |           type: htpp"), "{shown}");
    assert!(shown.contains("^^^^"), "{shown}");
}
