//! What goes in comes out: once, whole, after a reopening too.

use super::{Batch, DAY, Fixture, HOUR, MINUTE, SECOND, Subject, day_zero};
use crate::model::{FactKey, Facts, IncidentEnd, MonitorId, Phases, Span, Tier, UnixMicros};
use crate::storage::{GapQuery, IncidentQuery, RollupQuery, StoreErrorKind};

const EVER: Span = Span { from: UnixMicros::MIN, to: UnixMicros::MAX };

pub(super) async fn append_is_idempotent(subject: Subject) {
    let mut fixture = Fixture::new(1);
    let monitor = fixture.monitor();
    let batch = Batch {
        results: fixture.results(monitor, day_zero(), MINUTE, 300),
        rollups: vec![fixture.rollup(monitor, Tier::Hour, day_zero())],
        gaps: vec![fixture.gap(monitor, day_zero(), HOUR)],
        incidents: vec![fixture.incident(monitor, day_zero(), Some(HOUR))],
        monitors: vec![fixture.known(monitor, day_zero())],
    };
    for _ in 0..3 {
        subject.append(&batch).await;
    }
    assert_eq!(subject.results(None, 100).await, batch.results);
    let store = &subject.store;
    let rollups = RollupQuery { monitor, tier: Tier::Hour, span: EVER };
    assert_eq!(store.rollups(&rollups).await.expect("reads"), batch.rollups);
    assert_eq!(store.gaps(&GapQuery { monitor: None, span: EVER }).await.expect("reads"), batch.gaps);
    let incidents = IncidentQuery { monitor: None, span: EVER, limit: 10 };
    assert_eq!(store.incidents(&incidents).await.expect("reads"), batch.incidents);
    assert_eq!(store.monitors().await.expect("reads"), batch.monitors);
}

pub(super) async fn append_is_durable(mut subject: Subject) {
    let mut fixture = Fixture::new(2);
    let monitor = fixture.monitor();
    let batch = Batch {
        results: fixture.results(monitor, day_zero(), MINUTE, 500),
        rollups: vec![fixture.rollup(monitor, Tier::Day, day_zero())],
        gaps: vec![fixture.gap(MonitorId::ALL, day_zero(), HOUR)],
        incidents: vec![fixture.incident(monitor, day_zero(), None)],
        monitors: vec![fixture.known(monitor, day_zero())],
    };
    subject.append(&batch).await;
    subject.reopen().await;
    assert_eq!(subject.results(Some(monitor), 77).await, batch.results);
    let store = &subject.store;
    let rollups = RollupQuery { monitor, tier: Tier::Day, span: EVER };
    assert_eq!(store.rollups(&rollups).await.expect("reads"), batch.rollups);
    assert_eq!(store.gaps(&GapQuery { monitor: Some(monitor), span: EVER }).await.expect("reads"), batch.gaps);
    let incidents = IncidentQuery { monitor: Some(monitor), span: EVER, limit: 10 };
    assert_eq!(store.incidents(&incidents).await.expect("reads"), batch.incidents);
    assert_eq!(store.monitors().await.expect("reads"), batch.monitors);
    // And goes on where it was.
    let more = fixture.results(monitor, day_zero().plus_us(DAY), MINUTE, 10);
    subject.append_results(&more).await;
    assert_eq!(subject.results(Some(monitor), 1000).await, [batch.results, more].concat());
}

pub(super) async fn the_first_of_two_with_one_key_wins(subject: Subject) {
    let mut fixture = Fixture::new(3);
    let monitor = fixture.monitor();
    let first = fixture.results(monitor, day_zero(), MINUTE, 50);
    let mut second = first.clone();
    for result in &mut second {
        result.duration_us += 1;
        result.set_message("another one");
    }
    subject.append_results(&first).await;
    subject.append_results(&second).await;
    assert_eq!(subject.results(Some(monitor), 100).await, first);
    // With new rows among them as well.
    let between = fixture.result(monitor, first[20].time.plus_us(1), MINUTE);
    let after = fixture.result(monitor, day_zero().plus_us(HOUR), MINUTE);
    subject.append_results(&[second, vec![between.clone(), after.clone()]].concat()).await;
    let expected = [&first[..=20], &[between], &first[21..], &[after]].concat();
    assert_eq!(subject.results(Some(monitor), 100).await, expected);
    // Within one batch as well.
    let other = fixture.monitor();
    let one = fixture.result(other, day_zero(), MINUTE);
    let mut two = one.clone();
    two.duration_us += 1;
    subject.append_results(&[one.clone(), two]).await;
    assert_eq!(subject.results(Some(other), 100).await, [one]);
}

pub(super) async fn late_rows_land_in_their_place(mut subject: Subject) {
    let mut fixture = Fixture::new(4);
    let monitor = fixture.monitor();
    let rows = fixture.results(monitor, day_zero(), MINUTE, 4_000);
    let mut shuffled = rows.clone();
    for at in (1..shuffled.len()).rev() {
        let other = usize::try_from(fixture.below(at as u64 + 1)).expect("fits");
        shuffled.swap(at, other);
    }
    for part in shuffled.chunks(333) {
        subject.append_results(part).await;
    }
    assert_eq!(subject.results(Some(monitor), 999).await, rows);
    subject.reopen().await;
    assert_eq!(subject.results(None, 4_000).await, rows);
}

pub(super) async fn few_rows_at_once_for_a_long_time(subject: Subject) {
    let mut fixture = Fixture::new(5);
    let monitors = [fixture.monitor(), fixture.monitor(), fixture.monitor()];
    let rows = monitors.map(|monitor| fixture.results(monitor, day_zero(), MINUTE, 1_500));
    let mut at = 0;
    while at < 1_500 {
        let to = (at + 1 + usize::try_from(fixture.below(40)).expect("fits")).min(1_500);
        let part: Vec<_> = rows.iter().flat_map(|rows| rows[at..to].to_vec()).collect();
        subject.append_results(&part).await;
        at = to;
    }
    for (monitor, rows) in monitors.iter().zip(&rows) {
        assert_eq!(&subject.results(Some(*monitor), 400).await, rows);
    }
}

pub(super) async fn fifty_thousand_rows_at_once(subject: Subject) {
    let mut fixture = Fixture::new(6);
    let mut rows = Vec::new();
    for _ in 0..50 {
        let monitor = fixture.monitor();
        rows.extend(fixture.results(monitor, day_zero(), 10 * SECOND, 1_000));
    }
    subject.append_results(&rows).await;
    rows.sort_by_key(|row| (row.time, row.monitor));
    assert_eq!(subject.results(None, 10_000).await, rows);
}

pub(super) async fn an_empty_batch_is_fine(subject: Subject) {
    subject.append(&Batch::default()).await;
    assert!(subject.results(None, 10).await.is_empty());
    assert!(subject.store.monitors().await.expect("reads").is_empty());
}

const HOSTILE: &[&str] = &[
    "'; DROP TABLE results; --",
    "\" OR 1=1 ${env} #{x} {{y}} %s %n \\",
    "a,b=c d\\ne",
    "\u{1F680}\u{0301} ẞ 漢字 \u{10FFFF}",
    "<script>alert(1)</script>",
    "../../etc/passwd",
    " leading and trailing ",
    "",
];

pub(super) async fn hostile_text_comes_back(mut subject: Subject) {
    let mut fixture = Fixture::new(7);
    let mut batch = Batch::default();
    for text in HOSTILE {
        let monitor = fixture.monitor();
        let mut known = fixture.known(monitor, day_zero());
        known.name = format!("name {text}");
        known.group = (*text).to_owned();
        known.kind = (*text).to_owned();
        known.target = (*text).to_owned();
        let mut result = fixture.result(monitor, day_zero(), MINUTE);
        result.set_message(text);
        result.facts.set_text(FactKey::HttpServer, text);
        let mut incident = fixture.incident(monitor, day_zero(), None);
        incident.message = (*text).to_owned();
        if let Some(acknowledged) = &mut incident.acknowledged {
            acknowledged.by = (*text).to_owned();
            acknowledged.note = (*text).to_owned();
        }
        batch.monitors.push(known);
        batch.results.push(result);
        batch.incidents.push(incident);
        let name = format!("hostile.{text}");
        subject.store.set_metadata(&name, text.as_bytes()).await.expect("writes");
        assert_eq!(subject.store.metadata(&name).await.expect("reads").as_deref(), Some(text.as_bytes()));
    }
    subject.append(&batch).await;
    subject.reopen().await;
    batch.results.sort_by_key(|row| (row.time, row.monitor));
    assert_eq!(subject.results(None, 3).await, batch.results);
    batch.monitors.sort_by(|a, b| (&a.name, a.id).cmp(&(&b.name, b.id)));
    assert_eq!(subject.store.monitors().await.expect("reads"), batch.monitors);
    for incident in &batch.incidents {
        let query = IncidentQuery { monitor: Some(incident.monitor), span: EVER, limit: 10 };
        assert_eq!(subject.store.incidents(&query).await.expect("reads"), std::slice::from_ref(incident));
    }
}

pub(super) async fn extreme_values_come_back(subject: Subject) {
    const EXACT: u64 = 1 << 53;
    let mut fixture = Fixture::new(8);
    let monitor = fixture.monitor();
    let mut least = fixture.result(monitor, UnixMicros::MIN, 0);
    least.timeout_us = 0;
    least.duration_us = 0;
    least.phases = Phases { name_us: Some(0), ..Phases::default() };
    least.facts = Facts::new();
    least.facts.set(FactKey::HttpBytes, i64::MIN);
    let mut most = fixture.result(monitor, UnixMicros::MAX.minus_us(1), EXACT);
    most.timeout_us = EXACT;
    most.duration_us = EXACT;
    most.phases.total_us = Some(u32::MAX);
    most.facts.set(FactKey::HttpBytes, i64::MAX);
    most.facts.set_time(FactKey::TlsExpires, UnixMicros::MAX);
    most.set_message(&"ä".repeat(2_000));
    let mut rollup = fixture.rollup(monitor, Tier::Hour, day_zero());
    (rollup.checks, rollup.up_us, rollup.latency.sum_us, rollup.latency.max_us) = (EXACT, EXACT, EXACT, EXACT);
    let gap = fixture.gap(MonitorId::ALL, UnixMicros::MIN, 1 << 60);
    let batch = Batch {
        results: vec![least, most],
        rollups: vec![rollup],
        gaps: vec![gap],
        incidents: vec![fixture.incident(monitor, UnixMicros::MAX.minus_us(1), None)],
        ..Batch::default()
    };
    subject.append(&batch).await;
    assert_eq!(subject.results(Some(monitor), 10).await, batch.results);
    let rollups = RollupQuery { monitor, tier: Tier::Hour, span: EVER };
    assert_eq!(subject.store.rollups(&rollups).await.expect("reads"), batch.rollups);
    assert_eq!(subject.store.gaps(&GapQuery { monitor: None, span: EVER }).await.expect("reads"), batch.gaps);
    let incidents = IncidentQuery { monitor: None, span: EVER, limit: usize::MAX };
    assert_eq!(subject.store.incidents(&incidents).await.expect("reads"), batch.incidents);
}

pub(super) async fn rollups_are_replaced_whole(subject: Subject) {
    let mut fixture = Fixture::new(9);
    let monitor = fixture.monitor();
    let hours = |fixture: &mut Fixture| -> Vec<_> {
        (0..60).map(|hour| fixture.rollup(monitor, Tier::Hour, day_zero().plus_us(hour * HOUR))).collect()
    };
    let first = hours(&mut fixture);
    subject.append(&Batch { rollups: first.clone(), ..Batch::default() }).await;
    let second = hours(&mut fixture);
    subject.append(&Batch { rollups: second[20..40].to_vec(), ..Batch::default() }).await;
    let expected = [&first[..20], &second[20..40], &first[40..]].concat();
    let query = RollupQuery { monitor, tier: Tier::Hour, span: EVER };
    assert_eq!(subject.store.rollups(&query).await.expect("reads"), expected);
}

pub(super) async fn gaps_are_replaced(subject: Subject) {
    let mut fixture = Fixture::new(10);
    let monitor = fixture.monitor();
    let mut gap = fixture.gap(monitor, day_zero(), 0);
    for minutes in 1..5 {
        gap.span.to = gap.span.from.plus_us(minutes * MINUTE);
        subject.append(&Batch { gaps: vec![gap], ..Batch::default() }).await;
    }
    let query = GapQuery { monitor: Some(monitor), span: EVER };
    assert_eq!(subject.store.gaps(&query).await.expect("reads"), [gap]);
}

pub(super) async fn incidents_are_replaced(subject: Subject) {
    let mut fixture = Fixture::new(11);
    let monitor = fixture.monitor();
    let mut incident = fixture.incident(monitor, day_zero(), None);
    let other = fixture.incident(monitor, day_zero().plus_us(HOUR), None);
    let incidents = vec![incident.clone(), other.clone()];
    subject.append(&Batch { incidents, ..Batch::default() }).await;
    incident.end = IncidentEnd::Recovered(day_zero().plus_us(MINUTE));
    subject.append(&Batch { incidents: vec![incident.clone()], ..Batch::default() }).await;
    let query = IncidentQuery { monitor: Some(monitor), span: EVER, limit: 10 };
    assert_eq!(subject.store.incidents(&query).await.expect("reads"), [other, incident]);
}

pub(super) async fn metadata_is_kept(subject: Subject) {
    let store = &subject.store;
    assert_eq!(store.metadata("colour").await.expect("reads"), None);
    store.set_metadata("colour", b"red").await.expect("writes");
    let every_byte: Vec<u8> = (0..=255).collect();
    store.set_metadata("bytes", &every_byte).await.expect("writes");
    store.set_metadata("colour", b"").await.expect("writes");
    assert_eq!(store.metadata("colour").await.expect("reads"), Some(Vec::new()));
    assert_eq!(store.metadata("bytes").await.expect("reads"), Some(every_byte));
}

pub(super) async fn metadata_is_durable(mut subject: Subject) {
    subject.store.set_metadata("colour", b"red").await.expect("writes");
    subject.reopen().await;
    assert_eq!(subject.store.metadata("colour").await.expect("reads").as_deref(), Some(&b"red"[..]));
}

pub(super) async fn monitors_keep_their_first_sight(subject: Subject) {
    let mut fixture = Fixture::new(12);
    let id = fixture.monitor();
    let mut known = fixture.known(id, day_zero().plus_us(DAY));
    for (first, expected) in [(DAY, DAY), (2 * DAY, DAY), (HOUR, HOUR)] {
        known.first_seen = day_zero().plus_us(first);
        subject.append(&Batch { monitors: vec![known.clone()], ..Batch::default() }).await;
        let kept = subject.store.monitors().await.expect("reads");
        assert_eq!(kept.len(), 1);
        assert_eq!(kept[0].first_seen, day_zero().plus_us(expected));
    }
}

pub(super) async fn a_rename_keeps_the_id(subject: Subject) {
    let mut fixture = Fixture::new(13);
    let id = fixture.monitor();
    let mut known = fixture.known(id, day_zero());
    known.name = "old".to_owned();
    let other_id = fixture.monitor();
    let mut other = fixture.known(other_id, day_zero());
    other.name = "middle".to_owned();
    let incident = fixture.incident(id, day_zero(), None);
    let batch = Batch { monitors: vec![known.clone(), other], incidents: vec![incident.clone()], ..Batch::default() };
    subject.append(&batch).await;
    known.name = "a new name".to_owned();
    known.group = "elsewhere".to_owned();
    known.last_seen = day_zero().plus_us(DAY);
    subject.append(&Batch { monitors: vec![known.clone()], ..Batch::default() }).await;
    let kept = subject.store.monitors().await.expect("reads");
    assert_eq!(kept.iter().map(|known| known.name.as_str()).collect::<Vec<_>>(), ["a new name", "middle"]);
    assert_eq!(kept[0], known);
    let query = IncidentQuery { monitor: Some(id), span: EVER, limit: 10 };
    assert_eq!(subject.store.incidents(&query).await.expect("reads"), [incident]);
}

pub(super) async fn check_makes_a_round_trip(subject: Subject) {
    let status = subject.store.check().await.expect("checks");
    assert!(!status.version.is_empty());
    assert_eq!((status.oldest, status.newest), (None, None));
    assert!(subject.store.capabilities().delivery.max_rows > 0);
}

pub(super) async fn check_knows_the_ends(subject: Subject) {
    let mut fixture = Fixture::new(14);
    let mut all = Vec::new();
    for at in 0..3 {
        let monitor = fixture.monitor();
        all.extend(fixture.results(monitor, day_zero().plus_us(at * HOUR), MINUTE, 200));
    }
    subject.append_results(&all).await;
    let status = subject.store.check().await.expect("checks");
    assert_eq!(status.oldest, all.iter().map(|row| row.time).min());
    assert_eq!(status.newest, all.iter().map(|row| row.time).max());
}

pub(super) async fn after_close_nothing_works(subject: Subject) {
    subject.store.close().await.expect("closes");
    let kind = |error: crate::storage::StoreError| error.kind;
    let store = &subject.store;
    assert_eq!(store.append(&Batch::default()).await.map_err(kind), Err(StoreErrorKind::Unavailable));
    assert_eq!(store.monitors().await.map_err(kind), Err(StoreErrorKind::Unavailable));
    assert_eq!(store.check().await.map(|_| ()).map_err(kind), Err(StoreErrorKind::Unavailable));
    assert_eq!(store.metadata("x").await.map_err(kind), Err(StoreErrorKind::Unavailable));
}
