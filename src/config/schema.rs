//! Every key that can stand in the file, besides those of the kinds and the backends themselves. The reader, the
//! environment overrides, the messages and the documentation are made from these tables.

use std::time::Duration;

use super::duration::format_duration;
use crate::model::{FieldKind, FieldSpec};
use crate::probe::KINDS;
use crate::storage::offers;

/// What a key holds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Shape {
    /// A single value, or a map of text.
    Field(FieldKind),
    /// A list of texts; one text with commas will do.
    Texts,
    /// Whole days as in `30d`, or `forever`.
    Days,
    /// A size as in `2GB`, or `none`.
    Size,
    /// A list of maps or of anything else that has a reader of its own.
    List,
    /// Days by tier: a map with the keys of [`KEPT_KEYS`].
    Kept,
}

impl Shape {
    /// What may stand there, in words.
    #[must_use]
    pub fn allowed(self) -> String {
        let field = match self {
            Self::Texts => return "a list of texts, or one text with commas".to_owned(),
            Self::Days => return "whole days as in `30d`, or `forever`".to_owned(),
            Self::Size => return "a size of at least 64MB as in `500MB`, `2GB`, or `none`".to_owned(),
            Self::List => return "a list".to_owned(),
            Self::Kept => return "a map of `raw`, `fiveMinutes`, `hour`, `day`".to_owned(),
            Self::Field(field) => field,
        };
        match field {
            FieldKind::Text | FieldKind::Secret => "text".to_owned(),
            FieldKind::Path => "a path; a relative one starts at the folder of the file".to_owned(),
            FieldKind::TextMap => "a map of texts (`key: text`)".to_owned(),
            FieldKind::Toggle => "`true`, `false`".to_owned(),
            FieldKind::Integer { min, max } => format!("a whole number from {min} to {max}"),
            FieldKind::Choice(words) => words.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", "),
            FieldKind::Duration { min_ms, max_ms } => format!(
                "{} to {}, written as in `30s`, `1m30s`, `500ms`, `2d`",
                format_duration(Duration::from_millis(min_ms)),
                format_duration(Duration::from_millis(max_ms)),
            ),
        }
    }
}

/// Whether a key does something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// It does.
    InForce,
    /// It is understood and does nothing; the text says why and gives a warning.
    None(&'static str),
}

/// One key.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Key {
    /// As it is written, camelCase; read in any case.
    pub name: &'static str,
    /// What it holds.
    pub shape: Shape,
    /// The value when it is not given, as it would be written.
    pub default: Option<&'static str>,
    /// One sentence for people.
    pub doc: &'static str,
    /// Whether it does something.
    pub effect: Effect,
}

impl Key {
    const fn new(name: &'static str, shape: Shape, default: Option<&'static str>, doc: &'static str) -> Self {
        Self { name, shape, default, doc, effect: Effect::InForce }
    }

    const fn without_effect(self, why: &'static str) -> Self {
        Self { effect: Effect::None(why), ..self }
    }

    const fn of(field: FieldSpec) -> Self {
        Self::new(field.key, Shape::Field(field.kind), field.default, field.doc)
    }

    /// Whether a variable of the environment can hold it.
    #[must_use]
    pub fn fits_variable(&self) -> bool {
        !matches!(self.shape, Shape::List | Shape::Kept | Shape::Field(FieldKind::TextMap))
    }
}

/// A map of the file with a fixed set of keys.
#[derive(Debug, Clone, PartialEq)]
pub struct Section {
    /// Where it stands: `storage.postgres`; empty for the file itself.
    pub path: String,
    /// One sentence for people.
    pub doc: &'static str,
    /// Its keys; those that are sections themselves are not among them.
    pub keys: Vec<Key>,
}

impl Section {
    /// The whole path of one of its keys.
    #[must_use]
    pub fn path_of(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }
}

/// The variable of the environment that overrides the key at a path.
#[must_use]
pub fn variable_of(path: &str) -> String {
    format!("HALLMONITOR_{}", path.to_ascii_uppercase().replace('.', "_"))
}

/// HallMonitor's own name for that variable, which is read for storage only.
#[must_use]
pub fn old_variable_of(path: &str) -> Option<String> {
    path.starts_with("storage.").then(|| path.to_ascii_uppercase().replace('.', "_"))
}

const TEXT: Shape = Shape::Field(FieldKind::Text);
const TOGGLE: Shape = Shape::Field(FieldKind::Toggle);
const PATH: Shape = Shape::Field(FieldKind::Path);
const TEXT_MAP: Shape = Shape::Field(FieldKind::TextMap);

const fn integer(min: i64, max: i64) -> Shape {
    Shape::Field(FieldKind::Integer { min, max })
}

/// Shortest and longest interval: 1 s to 365 days.
pub(super) const INTERVAL: FieldKind = FieldKind::Duration { min_ms: 1_000, max_ms: 365 * 86_400_000 };
/// Shortest and longest time-out: 1 ms to 5 minutes.
pub(super) const TIMEOUT: FieldKind = FieldKind::Duration { min_ms: 1, max_ms: 300_000 };
/// Fewest and most checks in a row.
pub(super) const THRESHOLD: FieldKind = FieldKind::Integer { min: 1, max: 1_000 };

const NO_SERVER: &str = "there is no web server in this version";
const NO_METRICS: &str = "metrics are not exported in this version";
const NO_ALERTS: &str = "alerts are not sent in this version; it is kept for the one that does";
const NOT_OPENED: &str = "a Badger folder is never opened or changed; history is kept in the data folder";

/// The keys of one monitor that every kind has.
pub const MONITOR_KEYS: &[Key] = &[
    Key::new("name", TEXT, None, "What it is called; required, and unique in the file."),
    Key::new("type", TEXT, None, "Its kind; required. `https` is read as `http`."),
    Key::new(
        "id",
        TEXT,
        None,
        "A UUID that keeps its history together over renames; made up and remembered when not given.",
    ),
    Key::new("enabled", TOGGLE, Some("true"), "`false` leaves it out without removing it from the file."),
    Key::new(
        "interval",
        Shape::Field(INTERVAL),
        None,
        "From one check to the next; inherited from the group, else from `monitoring.defaultInterval`.",
    ),
    Key::new(
        "timeout",
        Shape::Field(TIMEOUT),
        None,
        "Longest time one check may take; inherited from the group, else from `monitoring.defaultTimeout`.",
    ),
    Key::new(
        "failureThreshold",
        Shape::Field(THRESHOLD),
        None,
        "Failures in a row until it is down; inherited from `monitoring.defaultFailureThreshold`.",
    ),
    Key::new(
        "recoveryThreshold",
        Shape::Field(THRESHOLD),
        None,
        "Successes in a row until it is up again; inherited from `monitoring.defaultRecoveryThreshold`.",
    ),
    Key::new("labels", TEXT_MAP, None, "Words of your own; keys keep their case."),
    Key::new(
        "retention",
        Shape::Kept,
        None,
        "For how long its history is kept, each tier by itself; inherited from the group, else from `storage.retention`.",
    ),
];

/// The keys of `retention` of a monitor or a group.
pub const KEPT_KEYS: &[Key] = &[
    Key::new("raw", Shape::Days, None, "How long results are kept."),
    Key::new("fiveMinutes", Shape::Days, None, "How long the 5-minute tier is kept."),
    Key::new("hour", Shape::Days, None, "How long the hour tier is kept."),
    Key::new("day", Shape::Days, None, "How long the day tier is kept."),
];

/// Keys that HallMonitor knew on every monitor and that did nothing there.
pub(super) const IDLE_MONITOR_KEYS: &[&str] = &["metrics", "histogram_buckets"];

/// Keys that HallMonitor took on a monitor of any kind, whether the kind used them or not.
pub(super) const TOLERATED_MONITOR_KEYS: &[&str] = &[
    "target",
    "url",
    "port",
    "query",
    "queryType",
    "count",
    "expectedStatus",
    "expectedResponse",
    "headers",
    "sslCertExpiryWarningDays",
];

/// The keys of one group.
pub const GROUP_KEYS: &[Key] = &[
    Key::new("name", TEXT, None, "What it is called; required, and unique."),
    Key::new(
        "interval",
        Shape::Field(INTERVAL),
        None,
        "For its monitors that set none; inherited from `monitoring.defaultInterval`.",
    ),
    Key::new(
        "timeout",
        Shape::Field(TIMEOUT),
        None,
        "For its monitors that set none; inherited from `monitoring.defaultTimeout`.",
    ),
    Key::new(
        "retention",
        Shape::Kept,
        None,
        "For how long the history of its monitors is kept, each tier by itself; inherited from `storage.retention`.",
    ),
    Key::new("monitors", Shape::List, None, "Its monitors."),
];

/// The keys of one alert rule.
pub const RULE_KEYS: &[Key] = &[
    Key::new("name", TEXT, None, "What it is called; required."),
    Key::new("expr", TEXT, None, "When it holds, as HallMonitor wrote it."),
    Key::new(
        "for",
        Shape::Field(FieldKind::Duration { min_ms: 0, max_ms: 365 * 86_400_000 }),
        Some("0"),
        "How long it must hold.",
    ),
    Key::new("labels", TEXT_MAP, None, "Words that go with the alert."),
    Key::new("annotations", TEXT_MAP, None, "Sentences that go with the alert."),
];

/// The keys of one webhook.
pub const WEBHOOK_KEYS: &[Key] = &[
    Key::new("url", TEXT, None, "Where to send to; required. `${…}` is expanded when something is sent."),
    Key::new("events", Shape::Texts, None, "Which events: `down`, `recovered`."),
];

const ROOT: &[Key] = &[Key::new("webhooks", Shape::List, None, "Where to send events to.").without_effect(NO_ALERTS)];

const INSTANCE: &[Key] =
    &[Key::new("name", TEXT, None, "What this installation is called beside others; the host's name when not given.")];

const SERVER: &[Key] = &[
    Key::new("port", integer(1, 65_535), Some("7878"), "Port of the web server.").without_effect(NO_SERVER),
    Key::new("host", TEXT, Some("0.0.0.0"), "Address of the web server.").without_effect(NO_SERVER),
    Key::new("corsOrigins", Shape::Texts, None, "Web pages that may ask the web server.").without_effect(NO_SERVER),
    Key::new("enableDashboard", TOGGLE, Some("true"), "Whether the web server shows pages.").without_effect(NO_SERVER),
];

const METRICS: &[Key] = &[
    Key::new("enabled", TOGGLE, Some("true"), "Whether metrics are exported.").without_effect(NO_METRICS),
    Key::new("path", TEXT, Some("/metrics"), "Where they are found.").without_effect(NO_METRICS),
    Key::new("includeProcessMetrics", TOGGLE, Some("true"), "Figures of the process.").without_effect(NO_METRICS),
    Key::new("includeGoMetrics", TOGGLE, Some("true"), "Figures of the Go runtime.")
        .without_effect("there is no Go runtime in Hall Monitor"),
];

const LOGGING: &[Key] = &[
    Key::new(
        "level",
        Shape::Field(FieldKind::Choice(&["trace", "debug", "info", "warn", "error", "fatal", "panic"])),
        Some("info"),
        "What is worth a line in the log. `fatal` and `panic` mean `error`.",
    ),
    Key::new(
        "format",
        Shape::Field(FieldKind::Choice(&["text", "console", "json"])),
        None,
        "How a line looks. `console` means `text`; the command's own choice when not given.",
    ),
    Key::new(
        "output",
        TEXT,
        None,
        "`stdout`, `stderr` or a file to append to; the command's own choice when not given.",
    ),
    Key::new("fields", TEXT_MAP, None, "Words that go with each line; keys keep their case."),
];

const MONITORING: &[Key] = &[
    Key::new("defaultInterval", Shape::Field(INTERVAL), Some("30s"), "From one check to the next."),
    Key::new("defaultTimeout", Shape::Field(TIMEOUT), Some("10s"), "Longest time one check may take."),
    Key::new(
        "defaultSSLCertExpiryWarningDays",
        integer(-36_500, 36_500),
        Some("30"),
        "Days before a certificate's end at which a monitor is degraded; 0 stands for 30, a negative number for never.",
    ),
    Key::new(
        "defaultFailureThreshold",
        Shape::Field(THRESHOLD),
        Some("2"),
        "Failures in a row until a monitor is down.",
    ),
    Key::new(
        "defaultRecoveryThreshold",
        Shape::Field(THRESHOLD),
        Some("1"),
        "Successes in a row until a monitor is up again.",
    ),
    Key::new("groups", Shape::List, None, "Groups of monitors."),
];

const STORAGE: &[Key] = &[
    Key::new("backend", TEXT, Some("embedded"), "Where history is kept."),
    Key::new("enabled", TOGGLE, Some("true"), "HallMonitor's old switch: `false` means `backend: none`."),
    Key::new("path", PATH, None, "HallMonitor's old database folder.").without_effect(NOT_OPENED),
    Key::new(
        "retentionDays",
        integer(-1, 36_500),
        None,
        "HallMonitor's old name of `retention.raw`, in days; 0 and less mean 30.",
    ),
    Key::new(
        "enableAggregation",
        TOGGLE,
        Some("true"),
        "HallMonitor's old switch for hour and day figures, which are always kept.",
    ),
    Key::new(
        "groups",
        Shape::List,
        None,
        "Groups that HallMonitor's example put here by mistake; read with a warning.",
    ),
];

const RETENTION: &[Key] = &[
    Key::new("raw", Shape::Days, Some("30d"), "How long results are kept."),
    Key::new("fiveMinutes", Shape::Days, Some("90d"), "How long the 5-minute tier is kept."),
    Key::new("hour", Shape::Days, Some("730d"), "How long the hour tier is kept."),
    Key::new("day", Shape::Days, Some("forever"), "How long the day tier is kept."),
    Key::new(
        "maxSize",
        Shape::Size,
        Some("none"),
        "Most room for the store. When it takes more, the oldest results go before their time, by whole days and never those of the last 24 hours; their figures by hour and day stay. Kept by `embedded` and `postgres`; where installations share a schema, each counts its own share.",
    ),
];

const JOURNAL: &[Key] = &[Key::new(
    "limit",
    Shape::Size,
    Some("none"),
    "Most room for what waits on this machine for a store that is away. When it is reached, the oldest results are summed up by the hour; nothing else is dropped.",
)];

const RETENTION_DAYS: Key = Key::new(
    "retentionDays",
    integer(-1, 36_500),
    None,
    "HallMonitor's name of `storage.retention.raw`, in days; 0 and less mean 30.",
);

const BADGER: &[Key] = &[
    Key::new("enabled", TOGGLE, Some("true"), "`false` means `backend: none`."),
    Key::new("path", PATH, None, "HallMonitor's database folder.").without_effect(NOT_OPENED),
    RETENTION_DAYS,
    Key::new("enableAggregation", TOGGLE, Some("true"), "Hour and day figures, which are always kept."),
];

/// Backends that HallMonitor had too: they take its name for `storage.retention.raw`.
const OLD_BACKENDS: &[&str] = &["postgres", "influxdb"];

const ALERTING: &[Key] = &[
    Key::new("enabled", TOGGLE, Some("false"), "Whether alerts are sent.").without_effect(NO_ALERTS),
    Key::new("evaluationInterval", Shape::Field(INTERVAL), Some("10s"), "How often the rules are looked at.")
        .without_effect(NO_ALERTS),
    Key::new("rules", Shape::List, None, "When to send one.").without_effect(NO_ALERTS),
];

/// Every section of the file with its keys, that of the file itself first.
#[must_use]
pub fn sections() -> Vec<Section> {
    let fixed = |path: &str, doc, keys: &[Key]| Section { path: path.to_owned(), doc, keys: keys.to_vec() };
    let mut sections = vec![
        fixed("", "Keys of the file itself.", ROOT),
        fixed("instance", "This installation of Hall Monitor.", INSTANCE),
        fixed("monitoring", "What is watched.", MONITORING),
        fixed("storage", "Where history is kept.", STORAGE),
        fixed("storage.retention", "For how long.", RETENTION),
        fixed("storage.journal", "What waits on this machine until the store has it.", JOURNAL),
    ];
    for offer in offers() {
        let mut keys: Vec<Key> = offer.fields.iter().map(|field| Key::of(*field)).collect();
        if OLD_BACKENDS.contains(&offer.id) {
            keys.push(RETENTION_DAYS);
        }
        sections.push(Section { path: format!("storage.{}", offer.id), doc: "Settings of this backend.", keys });
    }
    sections.push(fixed("storage.badger", "HallMonitor's default backend; `badger` means `embedded`.", BADGER));
    sections.extend([
        fixed("logging", "What the program says of itself.", LOGGING),
        fixed("alerting", "Rules for alerts.", ALERTING),
        fixed("server", "HallMonitor's web server.", SERVER),
        fixed("metrics", "Prometheus.", METRICS),
    ]);
    sections
}

/// The kind that a word in the file means, with its fields.
pub(super) fn kind_of(word: &str) -> Option<(&'static str, &'static [FieldSpec])> {
    let word = if word.eq_ignore_ascii_case("https") { "http" } else { word };
    KINDS.iter().find(|(id, _)| id.eq_ignore_ascii_case(word)).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_are_named_after_the_path() {
        assert_eq!(variable_of("monitoring.defaultInterval"), "HALLMONITOR_MONITORING_DEFAULTINTERVAL");
        assert_eq!(old_variable_of("storage.postgres.password").as_deref(), Some("STORAGE_POSTGRES_PASSWORD"));
        assert_eq!(old_variable_of("server.port"), None);
    }

    #[test]
    fn no_section_and_no_key_is_listed_twice() {
        let sections = sections();
        for (at, section) in sections.iter().enumerate() {
            assert!(sections[..at].iter().all(|s| !s.path.eq_ignore_ascii_case(&section.path)), "{}", section.path);
            for (at, key) in section.keys.iter().enumerate() {
                assert!(section.keys[..at].iter().all(|k| !k.name.eq_ignore_ascii_case(key.name)), "{}", key.name);
            }
        }
    }

    #[test]
    fn kinds_are_found_in_any_case() {
        assert_eq!(kind_of("HTTPS").map(|(id, _)| id), Some("http"));
        assert_eq!(kind_of("Ping").map(|(id, _)| id), Some("ping"));
        assert_eq!(kind_of("smtp"), None);
    }
}
