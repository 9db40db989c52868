//! Hostile text: what is written comes back byte for byte, in the fields that people read as well, and no query means
//! anything but what it was meant to.

use hallmonitor::model::{FactKey, MonitorId, Span, Tier, UnixMicros};
use hallmonitor::storage::conformance::Fixture;
use hallmonitor::storage::{
    Batch, GapQuery, IncidentQuery, ResultQuery, ResultStore, Retention, RollupQuery, SeriesQuery, UptimeQuery,
};
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::{Config, TestRunner};

use crate::{DAY, EVER, MINUTE, batch, block, open, own_server, read, rows, server, start};

/// Texts that are drawn.
const TEXTS: usize = 400;

/// Any text that a row can hold, most of it made of what means something to somebody.
fn text() -> impl Strategy<Value = String> {
    let telling = proptest::sample::select(vec![
        '"',
        '\\',
        ',',
        '=',
        ' ',
        '$',
        '{',
        '}',
        '\'',
        '#',
        '%',
        '/',
        '*',
        ';',
        '(',
        ')',
        '|',
        '>',
        '<',
        '&',
        '`',
        'n',
        'i',
        't',
        '0',
        'é',
        '漢',
        '\u{301}',
        '🚀',
        '\u{10FFFF}',
        '\u{a0}',
        '\u{7f}',
    ]);
    proptest::collection::vec(proptest::prop_oneof![3 => telling, 1 => proptest::char::any()], 0..40)
        .prop_map(|chars| chars.into_iter().collect())
}

/// The column of an answer in CSV, by the value of another one.
fn column(csv: &str, key: &str, value: &str) -> std::collections::HashMap<String, String> {
    let mut reader = csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(csv.as_bytes());
    let (mut at, mut found) = (None, std::collections::HashMap::new());
    for row in reader.records() {
        let row = row.expect("is CSV");
        let place = |name| row.iter().position(|cell| cell == name);
        match (place(key), place(value), at) {
            (Some(key), Some(value), _) => at = Some((key, value)),
            (_, _, Some((key, value))) if row.len() > key.max(value) => {
                found.insert(row[key].to_owned(), row[value].to_owned());
            }
            _ => {}
        }
    }
    found
}

#[test]
fn any_text_comes_back_byte_for_byte() {
    let mut runner = TestRunner::new(Config::default());
    let mut fixture = Fixture::new(1);
    let mut whole = Batch::default();
    for _ in 0..TEXTS {
        let mut draw = || text().new_tree(&mut runner).expect("draws").current();
        let monitor = fixture.monitor();
        let mut known = fixture.known(monitor, start());
        (known.name, known.group, known.kind, known.target) = (draw(), draw(), draw(), draw());
        let mut row = fixture.result(monitor, start(), MINUTE);
        row.set_message(&draw());
        row.facts.set_text(FactKey::HttpServer, &draw());
        let mut incident = fixture.incident(monitor, start(), None);
        incident.message = draw();
        whole.monitors.push(known);
        whole.results.push(row);
        whole.incidents.push(incident);
    }
    block(async {
        let server = server().await;
        let settings = server.settings("any_text");
        open(&settings).await.expect("opens").append(&whole).await.expect("appends");
        let store = open(&settings).await.expect("opens again");
        let mut monitors = store.monitors().await.expect("reads");
        monitors.sort_by_key(|known| known.id);
        whole.monitors.sort_by_key(|known| known.id);
        assert_eq!(monitors, whole.monitors);
        whole.results.sort_by_key(|row| row.monitor);
        assert_eq!(read(&*store, None).await.expect("reads"), whole.results);
        let query = IncidentQuery { monitor: None, span: EVER, limit: usize::MAX };
        let mut incidents = store.incidents(&query).await.expect("reads");
        incidents.sort_by_key(|incident| incident.id);
        whole.incidents.sort_by_key(|incident| incident.id);
        assert_eq!(incidents, whole.incidents);

        // And the fields that people read: each by itself, not by what is packed.
        let field = |measurement: &str, bucket: &str, field: &str| {
            format!(
                "from(bucket: \"{bucket}\") |> range(start: 0) |> filter(fn: (r) => r._measurement == \
                 \"{measurement}\" and r._field == \"{field}\") |> keep(columns: [\"monitor\", \"_value\"]) |> group()"
            )
        };
        let read_back = async |measurement: &str, bucket: &str, name: &str| {
            column(&server.query(&field(measurement, bucket, name)).await, "monitor", "_value")
        };
        // In its CSV the server writes line ends in its own way.
        let lines = |text: &str| text.replace('\r', "");
        let messages = read_back("hallmonitor_result", "any_text", "message").await;
        let servers = read_back("hallmonitor_result", "any_text", "http_server").await;
        let names = read_back("hallmonitor_result", "any_text", "name").await;
        let groups = read_back("hallmonitor_result", "any_text", "group").await;
        let said = read_back("hallmonitor_incident", "any_text_rollup", "message").await;
        for (at, row) in whole.results.iter().enumerate() {
            let id = row.monitor.to_string();
            assert_eq!(messages[&id], &*row.message);
            assert_eq!(servers.get(&id).map(String::as_str), row.facts.text(FactKey::HttpServer));
            assert_eq!(lines(&names[&id]), lines(&whole.monitors[at].name));
            assert_eq!(lines(&groups[&id]), lines(&whole.monitors[at].group));
        }
        for incident in &whole.incidents {
            assert_eq!(lines(&said[&incident.monitor.to_string()]), lines(&incident.message));
        }
    });
}

#[test]
fn any_key_of_metadata_is_its_own() {
    let mut runner = TestRunner::new(Config::default());
    block(async {
        let settings = server().await.settings("any_key");
        let store = open(&settings).await.expect("opens");
        let mut keys: Vec<String> = (0..60).map(|_| text().new_tree(&mut runner).expect("draws").current()).collect();
        keys.extend(
            ["", "\n", "a\nb", "\\", "%", "%25", "monitor:x", "floor:raw", "${x}", "\" or true or \""]
                .map(str::to_owned),
        );
        keys.sort();
        keys.dedup();
        for key in &keys {
            store.set_metadata(key, key.as_bytes()).await.expect("writes");
        }
        let store = open(&settings).await.expect("opens again");
        for key in &keys {
            assert_eq!(store.metadata(key).await.expect("reads").as_deref(), Some(key.as_bytes()), "{key:?}");
        }
        assert_eq!(store.metadata("another").await.expect("reads"), None);
    });
}

/// Every call, and with it every query and deletion there is, on buckets with such names.
#[test]
fn every_query_takes_hostile_names_for_names() {
    const HOSTILE: [&str; 5] = [
        "${r._value} ) |> drop() #",
        "a' OR 1==1; -- \\ \\\\ \\x22",
        "#{x} %s %n $$ ${1+1}",
        "ä漢🚀 \u{301}\u{200d}",
        "import os\\n|> yield() *) -* ",
    ];
    block(async {
        // Of its own: all names on it are hostile.
        let server = own_server(&hallmonitor::storage::backends::influxdb::test_server::Wanted::default()).await;
        for name in HOSTILE {
            let store = open(&server.settings(name)).await.unwrap_or_else(|error| panic!("{name}: {error}"));
            everything(&*store).await;
            assert_eq!(server.bucket_of_name(name).await["name"], name);
        }
    });
}

async fn everything(store: &dyn ResultStore) {
    let mut fixture = Fixture::new(3);
    let all = rows(2, 2_000);
    let monitor = all[0].monitor;
    let whole = Batch {
        rollups: (0..3).map(|day| fixture.rollup(monitor, Tier::Day, start().plus_us(day * DAY))).collect(),
        gaps: vec![fixture.gap(monitor, start(), MINUTE), fixture.gap(MonitorId::ALL, start(), 40 * DAY)],
        incidents: vec![fixture.incident(monitor, start(), None)],
        monitors: vec![fixture.known(monitor, start())],
        results: all.clone(),
    };
    store.append(&whole).await.expect("appends");
    store.append(&whole).await.expect("appends again");
    assert_eq!(read(store, None).await.expect("reads"), all);
    assert_eq!(read(store, Some(monitor)).await.expect("reads"), all);
    let after = store.results(&ResultQuery { monitor: None, span: EVER, limit: 5, after: None }).await.expect("reads");
    let query = ResultQuery { monitor: None, span: EVER, limit: 5, after: after.next };
    assert_eq!(store.results(&query).await.expect("reads").results.len(), 5);
    let now = start().plus_us(3 * DAY);
    assert_eq!(store.latest(&[monitor], now).await.expect("reads"), all[1_999..]);
    assert_eq!(store.last_before(monitor, now).await.expect("reads"), all.last().cloned());
    let rollups = RollupQuery { monitor, tier: Tier::Day, span: EVER };
    assert_eq!(store.rollups(&rollups).await.expect("reads"), whole.rollups);
    let incidents = IncidentQuery { monitor: Some(monitor), span: EVER, limit: 5 };
    assert_eq!(store.incidents(&incidents).await.expect("reads"), whole.incidents);
    assert_eq!(store.gaps(&GapQuery { monitor: Some(monitor), span: EVER }).await.expect("reads").len(), 2);
    assert_eq!(store.monitors().await.expect("reads"), whole.monitors);
    let span = Span::new(start(), now);
    store.series(&SeriesQuery { monitor, span, buckets: 50, now }).await.expect("answers");
    store.uptime(&UptimeQuery { monitors: vec![monitor], span, now }).await.expect("answers");
    store.check().await.expect("checks");
    let mut cursor = None;
    loop {
        let page = store.scan(cursor).await.expect("scans");
        cursor = page.next;
        if cursor.is_none() {
            break;
        }
    }
    let policy = Retention {
        raw_days: Some(1),
        five_minutes_days: Some(1),
        hour_days: Some(1),
        day_days: Some(1),
        ..Retention::default()
    };
    let pruned = store.prune_all(&policy, now).await.expect("prunes");
    assert!(pruned.results > 0 && pruned.rollups > 0, "{pruned:?}");
    assert_eq!(store.gaps(&GapQuery { monitor: None, span: EVER }).await.expect("reads").len(), 1);
    store.append(&batch(&all)).await.expect("what is given up is left out");
    store.forget(monitor).await.expect("forgets");
    assert!(read(store, None).await.expect("reads").is_empty());
    let ends = store.check().await.expect("checks");
    assert_eq!((ends.oldest, ends.newest), (None::<UnixMicros>, None));
}
