//! HallMonitor's own schema: every key of it is read.

use std::path::Path;
use std::time::Duration;

use hallmonitor::config::{Entry, LogFormat, LogOutput};
use hallmonitor::storage::Retention;

use crate::{accepted, errors, http, warnings};

#[test]
fn old_storage_keys_work() {
    let storage = |section: &str| {
        let config = accepted(&format!("storage: {section}"));
        (config.storage.backend.id(), config.storage.retention.raw_days)
    };
    assert_eq!(storage("{}"), ("embedded", Retention::default().raw_days));
    assert_eq!(storage("{backend: badger}"), ("embedded", Some(30)));
    assert_eq!(storage("{enabled: false}"), ("none", Some(30)));
    assert_eq!(storage("{badger: {enabled: false}}"), ("none", Some(30)));
    assert_eq!(storage("{backend: embedded, badger: {enabled: false}}"), ("embedded", Some(30)));
    assert_eq!(storage("{retentionDays: 7}"), ("embedded", Some(7)));
    assert_eq!(storage("{retentionDays: 7, badger: {retentionDays: 9}}"), ("embedded", Some(9)));
    assert_eq!(storage("{backend: badger, badger: {retentionDays: 0}}"), ("embedded", Some(30)));
    assert_eq!(storage("{retentionDays: 7, retention: {raw: forever}}"), ("embedded", None));
    assert_eq!(storage("{backend: none, retentionDays: 7, influxdb: {retentionDays: 8}}"), ("none", Some(7)));
    let days = accepted("storage: {retention: {raw: 1d, fiveMinutes: 48h, hour: 3d, day: 3650d}}").storage.retention;
    let expected = Retention {
        raw_days: Some(1),
        five_minutes_days: Some(2),
        hour_days: Some(3),
        day_days: Some(3_650),
        ..Retention::default()
    };
    assert_eq!(days, expected);
    // The settings of a backend that is not chosen may name what is not there.
    assert_eq!(storage("{backend: badger, postgres: {password: '${NOT_SET}'}}").0, "embedded");
    let switched = accepted("storage: {backend: badger, enabled: false}");
    assert_eq!(switched.storage.backend.id(), "none");
    assert!(warnings(&switched).iter().any(|line| line.contains("`storage.enabled: false` switches storage off")));
}

#[test]
fn the_journal_has_a_limit_and_settings_of_other_backends_are_kept() {
    let limit = |text: &str| accepted(&format!("storage: {{journal: {{limit: {text}}}}}")).storage.journal_limit;
    assert_eq!(accepted("storage: {}").storage.journal_limit, None);
    assert_eq!(limit("none"), None);
    assert_eq!((limit("2GB"), limit("'500 mb'")), (Some(2_000_000_000), Some(500_000_000)));
    assert_eq!((limit("64MiB"), limit("1TiB")), (Some(64 << 20), Some(1 << 40)));
    let contacts = |section: &str| {
        let others = accepted(&format!("storage: {section}")).storage.others;
        others.iter().map(hallmonitor::storage::BackendConfig::contact).collect::<Vec<_>>()
    };
    assert!(contacts("{backend: none, embedded: {path: /a}}").contains(&"embedded:/a".to_owned()));
    assert!(contacts("{embedded: {path: /a}}").iter().all(|contact| !contact.starts_with("embedded")));
    // One that lacks a part is none.
    let lacking = contacts("{backend: none, embedded: {path: '${NOT_SET}'}}");
    assert!(lacking.iter().all(|contact| !contact.starts_with("embedded")), "{lacking:?}");
}

#[test]
fn the_store_has_a_limit_where_it_can_keep_one() {
    let read = |backend: &str, size: &str| {
        let config = accepted(&format!("storage: {{backend: {backend}, retention: {{maxSize: {size}}}}}"));
        let told = warnings(&config).iter().any(|line| line.contains("`storage.retention.maxSize` has no effect"));
        (config.storage.retention.max_bytes, told)
    };
    assert_eq!(accepted("storage: {}").storage.retention.max_bytes, None);
    assert_eq!((read("embedded", "5GB"), read("postgres", "none")), ((Some(5_000_000_000), false), (None, false)));
    assert_eq!(read("none", "1GB"), (Some(1_000_000_000), true));
    let small = errors("storage: {retention: {maxSize: 1MB}}");
    assert!(small[0].contains("`storage.retention.maxSize`") && small[0].contains("at least 64MB"), "{small:?}");
}

#[test]
fn every_key_of_its_table_is_read() {
    // Each row: a key of HallMonitor, a value, and whether it still has an effect.
    for (text, silent) in [
        ("server: {port: \"7878\"}", false),
        ("server: {host: 0.0.0.0}", false),
        ("server: {corsOrigins: [a, b]}", false),
        ("server: {corsOrigins: \"a,b\"}", false),
        ("server: {enableDashboard: true}", false),
        ("metrics: {enabled: true}", false),
        ("metrics: {path: /metrics}", false),
        ("metrics: {includeProcessMetrics: true}", false),
        ("metrics: {includeGoMetrics: true}", false),
        ("logging: {level: warn}", true),
        ("logging: {level: panic}", true),
        ("logging: {format: console}", true),
        ("logging: {output: stderr}", true),
        ("logging: {fields: {App: x}}", true),
        ("monitoring: {defaultInterval: 30s}", true),
        ("monitoring: {defaultTimeout: 10s}", true),
        ("monitoring: {defaultSSLCertExpiryWarningDays: 30}", true),
        ("storage: {backend: badger}", true),
        ("storage: {badger: {enabled: true}}", true),
        ("storage: {badger: {path: ./data/hallmonitor.db}}", false),
        ("storage: {badger: {retentionDays: 30}}", true),
        ("storage: {badger: {enableAggregation: true}}", true),
        ("storage: {badger: {enableAggregation: false}}", false),
        ("storage: {postgres: {host: h, port: 5432, database: d, user: u, password: p}}", true),
        ("storage: {postgres: {sslmode: verify-full, retentionDays: 30, enableTimescale: true}}", true),
        ("storage: {influxdb: {url: \"http://h\", org: o, bucket: b, token: t, retentionDays: 30}}", true),
        ("storage: {enabled: true}", true),
        ("storage: {path: ./data/hallmonitor.db}", false),
        ("storage: {retentionDays: 30}", true),
        ("storage: {enableAggregation: true}", true),
        ("alerting: {enabled: false}", false),
        ("alerting: {evaluationInterval: 10s}", false),
        ("alerting: {rules: [{name: n, expr: e, for: 2m, labels: {a: b}, annotations: {c: d}}]}", false),
        ("webhooks: [{url: \"${X}\", events: [down]}]", false),
    ] {
        // A monitor, so that nothing is said about there being none.
        let watched = http("");
        let text = if text.starts_with("monitoring") {
            format!(
                "{}, groups: [{{name: g, monitors: [{{name: m, type: ping, target: h}}]}}]}}",
                text.trim_end_matches('}')
            )
        } else {
            format!("{text}\n{watched}")
        };
        let config = accepted(&text);
        let warnings = warnings(&config);
        assert_eq!(warnings.is_empty(), silent, "{text}\n{warnings:#?}");
        assert!(warnings.len() <= 1, "one warning each: {warnings:#?}");
    }
}

#[test]
fn logging_alerts_and_webhooks_are_kept_as_data() {
    let config = accepted(include_str!("../../examples/configs/hallmonitor.yml"));
    assert_eq!((config.logging.level, config.logging.format), ("info", Some(LogFormat::Json)));
    assert_eq!(config.logging.output, Some(LogOutput::Stdout));
    assert_eq!(config.logging.fields["environment"], "production");
    assert_eq!(config.alerting.rules[0].hold, Duration::from_secs(120));
    assert_eq!(config.alerting.rules[0].labels["severity"], "critical");
    assert_eq!(config.webhooks[0].url, "${DISCORD_WEBHOOK_URL}", "expanded when it is used");
    assert_eq!(config.webhooks[0].events, ["down", "recovered"]);
    let file = accepted("logging: {output: log/h.log, format: text}");
    assert_eq!(file.logging.output, Some(LogOutput::File(Path::new("log/h.log").to_owned())));
    assert_eq!(accepted("logging: {}").logging.format, None);
}

#[test]
fn its_example_with_groups_in_the_wrong_place_is_read() {
    let config =
        accepted("storage:\n  enabled: true\n  groups:\n  - {name: g, monitors: [{name: m, type: ping, target: h}]}");
    assert_eq!(config.monitors.len(), 1);
    assert_eq!(
        warnings(&config),
        ["f.yml:4:5: warning: `storage.groups` belongs under `monitoring`; it is read as if it stood there"]
    );
}

#[test]
fn its_own_file_is_read_without_an_edit() {
    let config = accepted(include_str!("../../examples/configs/hallmonitor.yml"));
    let names: Vec<_> = config.monitors.iter().map(|monitor| monitor.name.as_str()).collect();
    assert_eq!(names, ["intranet", "status-page", "router", "file-server-ssh", "name-server", "old-switch"]);
    assert_eq!(config.monitors[0].interval.value, Duration::from_secs(90));
    assert_eq!(config.monitors[1].interval.value, Duration::from_secs(15));
    assert_eq!(config.monitors[3].interval.value, Duration::from_secs(60));
    assert!(!config.monitors[5].enabled);
    assert!(config.monitors.iter().all(|monitor| matches!(monitor.kind, Entry::Ready(_))));
    assert_eq!((config.storage.backend.id(), config.storage.retention.raw_days), ("embedded", Some(60)));
    let warnings = warnings(&config);
    for key in
        ["server.port", "metrics.includeGoMetrics", "storage.badger.path", "storage.path", "alerting.rules", "webhooks"]
    {
        let told = warnings.iter().filter(|line| line.contains(&format!("`{key}` has no effect"))).count();
        assert_eq!(told, 1, "{key}: {warnings:#?}");
    }
}
