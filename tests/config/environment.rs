//! Variables of the environment that override the file.

use std::path::Path;
use std::time::Duration;

use hallmonitor::config::{Vars, old_variable_of, parse, sections, variable_of};
use hallmonitor::secret::MemoryVault;

use crate::{accepted_with, errors_with, http, warnings};

#[test]
fn variables_override_the_file_and_stand_in_for_it() {
    let text = "storage: {backend: embedded}\nmonitoring: {defaultInterval: 10s, groups: [{name: g, monitors: [{name: m, type: ping, target: h}]}]}";
    let config = accepted_with(
        text,
        [
            ("HALLMONITOR_MONITORING_DEFAULTINTERVAL", "20s"),
            ("HALLMONITOR_MONITORING_DEFAULTTIMEOUT", "3s"),
            ("HALLMONITOR_INSTANCE_NAME", "north"),
            ("HALLMONITOR_LOGGING_LEVEL", "DEBUG"),
            ("HALLMONITOR_STORAGE_RETENTION_RAW", "7d"),
            ("HALLMONITOR_STORAGE_BACKEND", ""),
            ("STORAGE_BACKEND", "none"),
            ("MONITORING_DEFAULTFAILURETHRESHOLD", "9"),
            ("SERVER_PORT", "tcp://10.0.0.1:80"),
        ],
    );
    assert_eq!(config.monitors[0].interval.value, Duration::from_secs(20));
    assert_eq!(config.monitors[0].timeout.value, Duration::from_secs(3));
    assert_eq!(config.monitors[0].thresholds.failures, 2, "only storage has names without prefix");
    assert_eq!(config.instance_name.as_deref(), Some("north"));
    assert_eq!(config.logging.level, "debug");
    assert_eq!(config.storage.retention.raw_days, Some(7));
    assert_eq!(config.storage.backend.id(), "none");
    let both = [("HALLMONITOR_STORAGE_BACKEND", "embedded"), ("STORAGE_BACKEND", "none")];
    assert_eq!(accepted_with(text, both).storage.backend.id(), "embedded", "the prefix wins");
}

#[test]
fn a_bad_variable_is_named_and_its_value_is_not() {
    let errors = errors_with(
        "monitoring: {}",
        [("HALLMONITOR_MONITORING_DEFAULTINTERVAL", "30"), ("HALLMONITOR_STORAGE_BACKEND", "redis")],
    );
    assert_eq!(errors.len(), 2, "{errors:#?}");
    assert!(
        errors[0].starts_with(
            "environment: the value of the variable HALLMONITOR_MONITORING_DEFAULTINTERVAL \
             (`monitoring.defaultInterval`) is a number without a unit; allowed: 1s to 365d"
        ),
        "{errors:#?}"
    );
    assert!(errors[1].starts_with("environment: `storage.backend`: `redis` is no backend"), "{errors:#?}");
}

#[test]
fn an_unknown_variable_with_the_prefix_gives_a_warning() {
    let config = accepted_with(
        &http("labels: {a: '${HALLMONITOR_OF_MY_OWN}'}"),
        [
            ("HALLMONITOR_MONITORING_DEFAULTINTERVALL", "5s"),
            ("HALLMONITOR_OF_MY_OWN", "x"),
            ("HALLMONITOR_CONFIG", "f.yml"),
        ],
    );
    assert_eq!(
        warnings(&config),
        ["environment: warning: the variable `HALLMONITOR_MONITORING_DEFAULTINTERVALL` is not known and has no \
          effect; did you mean `HALLMONITOR_MONITORING_DEFAULTINTERVAL`?"]
    );
}

#[test]
fn every_single_key_has_its_variable() {
    for section in sections() {
        for key in section.keys.iter().filter(|key| key.fits_variable()) {
            let path = section.path_of(key.name);
            let variable = variable_of(&path);
            // No value fits all, so that it is enough that the variable is known.
            let vars: Vars = [(variable.as_str(), "7d")].into_iter().collect();
            let warned = match parse(http("").as_bytes(), Path::new("f.yml"), &vars, &MemoryVault::default()) {
                Ok(config) => warnings(&config),
                Err(refusal) => refusal.problems.iter().map(ToString::to_string).collect(),
            };
            assert!(warned.iter().all(|line| !line.contains("is not known")), "{variable}: {warned:?}");
        }
    }
    assert_eq!(old_variable_of("storage.influxdb.token").as_deref(), Some("STORAGE_INFLUXDB_TOKEN"));
}
