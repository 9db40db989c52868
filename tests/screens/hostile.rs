//! Questions that no window of ours would ask: each is answered, and nothing breaks.

use std::collections::BTreeMap;

use hallmonitor::screen::{DraftOf, DraftValue, Failed, Millis, MonitorDraft, ResultCursor, Scope};

use super::house::{House, Server, tcp, until};

const WORDS: &[&str] =
    &["", "..", "../../etc/passwd", "00000000-0000-0000-0000-000000000000", "\0", "<img src=x>", "💥"];
const TIMES: &[f64] = &[f64::NAN, f64::INFINITY, f64::NEG_INFINITY, -1.0, 0.0, 1e308, 9e15];

#[tokio::test]
async fn nothing_that_is_asked_breaks_the_core() {
    let server = Server::start();
    let house = House::with(&[tcp("one", server.address)]);
    let screens = house.screens();
    until("it is up", || screens.board().summary.counts.up == 1).await;
    let id = screens.board().rows[0].id.clone();
    let long = "x".repeat(1 << 20);
    for word in WORDS.iter().copied().chain([long.as_str()]) {
        let unknown = |failed: Failed| assert!(matches!(failed, Failed::UnknownMonitor { name } if name.len() <= 110));
        unknown(screens.monitor_page(word).await.expect_err("no such monitor"));
        unknown(screens.results(word, 1, None).await.expect_err("no such monitor"));
        unknown(screens.check_now(&[word.to_owned()]).expect_err("no such monitor"));
        unknown(screens.pause(&[id.clone(), word.to_owned()], None).await.expect_err("no such monitor"));
        unknown(screens.draft(DraftOf::Known { id: word.to_owned() }).await.expect_err("no such monitor"));
        unknown(screens.remove_monitors(vec![word.to_owned()]).await.expect_err("no such monitor"));
        assert!(screens.acknowledge(word, &long).await.is_err());
        assert!(screens.days(Some(Scope::Group(word.to_owned())), u32::MAX).await.is_err());
        assert!(screens.restore_version(word.to_owned()).await.is_err(), "{word:.20}");
        let cursor = ResultCursor { time_us: word.to_owned(), monitor: word.to_owned() };
        assert!(screens.results(&id, 1, Some(cursor)).await.is_err());
    }
    for (at, from) in TIMES.iter().enumerate() {
        let to = TIMES[(at + 1) % TIMES.len()];
        for (to, buckets) in [(to, 0), (*from, 1), (to, u32::MAX)] {
            let (from, to) = (Millis(*from), Millis(to));
            let series = screens.series(&id, from, to, buckets).await.expect("answered");
            assert!(series.start_ms.len() <= 2_000);
            screens.parts(&id, from, to, buckets).await.expect("answered");
            screens.incidents(None, from, to, buckets).await.expect("answered");
        }
        let _ = screens.pause(std::slice::from_ref(&id), Some(Millis(*from))).await;
        screens.mute(Some(Millis(*from)));
        screens.resume(&[]).await.expect("resumed");
    }
    assert!(screens.row_histories(&vec![id.clone(); 10_000]).await.is_err(), "too many at once");
    assert_eq!(screens.days(None, u32::MAX).await.expect("answered").len(), 366);
    assert!(screens.import_config("\u{0}".repeat(1_000)).await.is_err());
    until("it goes on", || screens.board().summary.counts.monitors == 1).await;
}

#[tokio::test]
async fn hostile_drafts_are_refused_or_written_as_text() {
    let server = Server::start();
    let house = House::with(&[tcp("one", server.address)]);
    let screens = house.screens();
    let before = house.file();
    let huge = "y".repeat(1 << 20);
    let injected = "x\n        - {name: evil, type: ping, target: 127.0.0.1}";
    for name in ["", "\u{0}", injected, "# not a comment", "*alias", "&anchor", "${HOME}", huge.as_str()] {
        let mut values = BTreeMap::from([
            ("name".to_owned(), DraftValue::Text(name.to_owned())),
            ("target".to_owned(), DraftValue::Text(server.address.to_string())),
            ("no such key".to_owned(), DraftValue::Text("1".to_owned())),
        ]);
        let mut draft = MonitorDraft {
            id: None,
            kind: "tcp".to_owned(),
            group: "all".to_owned(),
            values: values.clone(),
            inherited: BTreeMap::new(),
            base: "none".to_owned(),
        };
        let errors = screens.check_draft(draft.clone()).await;
        assert!(!matches!(errors, Ok(errors) if errors.is_empty()), "an unknown key is not taken: {name:.30}");
        values.remove("no such key");
        draft.values = values;
        for (kind, group) in [("smoke", "all"), ("tcp", ""), (injected, injected)] {
            let other = MonitorDraft { kind: kind.to_owned(), group: group.to_owned(), ..draft.clone() };
            let _ = screens.check_draft(other.clone()).await;
            let _ = screens.save_draft(other).await;
        }
        let _ = screens.check_draft(draft.clone()).await;
        let _ = screens.save_draft(draft).await;
        assert_eq!(house.file(), before, "the base is another one: nothing is written");
    }
}
