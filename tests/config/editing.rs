//! Edits of the file: what they change, and that they change nothing else.

use std::path::Path;

use hallmonitor::config::{Document, Draft, EditError, Source, Which, Written};
use hallmonitor::model::MonitorId;

const FILE: &str = "\
# The house.
x-common: &common {type: ping, interval: 5s}   # shared

monitoring:
  DefaultInterval: 20s
  groups:
    - name: lan
      interval: 15s
      monitors:
        # The way out.
        - name: \"router\"   # upstairs
          Type: ping
          Interval: '30s'
          target: 192.168.1.1

          labels:
            Room: attic # warm
            \"on\": \"yes\"

        - {name: nas, type: tcp, target: \"nas:22\", labels: {a: b}}
        - <<: *common
          name: printer
          target: ${PRINTER:-printer}
    - name: web
      monitors:
      # The page.
      - name: page
        type: http
        url: https://example.org/
        headers: {Accept: 'text/html', X: \"1\"}
      # a comment at the end

storage:
  backend: none
";

fn document(text: &str) -> Document {
    Document::parse(text.as_bytes(), Path::new("f.yml")).expect("is read")
}

fn changed(text: &str, name: &str, change: impl FnOnce(&mut Draft)) -> Result<String, EditError> {
    let document = document(text);
    let mut draft = document.draft(Which::Name(name))?;
    change(&mut draft);
    Ok(document.set_monitor(Which::Name(name), &draft, None)?.text().to_owned())
}

/// The lines that are gone and those that are new, in order.
fn difference(before: &str, after: &str) -> Vec<String> {
    let (old, new): (Vec<_>, Vec<_>) = (before.lines().collect(), after.lines().collect());
    let start = old.iter().zip(&new).take_while(|(old, new)| old == new).count();
    let (old, new) = (&old[start..], &new[start..]);
    let end = old.iter().rev().zip(new.iter().rev()).take_while(|(old, new)| old == new).count();
    let gone = old[..old.len() - end].iter().map(|line| format!("-{line}"));
    gone.chain(new[..new.len() - end].iter().map(|line| format!("+{line}"))).collect()
}

fn assert_change(name: &str, change: impl FnOnce(&mut Draft), expected: &[&str]) {
    let after = changed(FILE, name, change).unwrap_or_else(|error| panic!("{name}: {error}"));
    assert_eq!(difference(FILE, &after), expected);
    // With other line ends the same.
    let crlf = FILE.replace('\n', "\r\n");
    let name_after = if after.contains(name) { name } else { "gate: 1" };
    let draft = document(&after).draft(Which::Name(name_after));
    let same = document(&crlf).set_monitor(Which::Name(name), &draft.expect("is there"), None).expect("edits");
    assert!(!same.text().replace("\r\n", "").contains(['\r', '\n']), "line ends are mixed");
}

fn set(draft: &mut Draft, key: &str, text: &str) {
    draft.set(key, Some(text.into()));
}

#[test]
fn a_draft_holds_what_is_written() {
    let document = document(FILE);
    let router = document.draft(Which::Name("router")).expect("is there");
    assert_eq!((router.group.as_str(), router.kind(), router.name()), ("lan", Some("ping"), "router"));
    assert_eq!((router.text("interval"), router.text("timeout")), (Some("30s"), None));
    assert_eq!(router.values["labels"], Written::from([("Room", "attic"), ("on", "yes")]));
    let printer = document.draft(Which::At { line: 21, column: 11 }).expect("is there");
    assert_eq!((printer.name(), printer.text("target")), ("printer", Some("${PRINTER:-printer}")));
    assert_eq!(document.names(), ["router", "nas", "printer", "page"]);
    assert_eq!(document.groups(), ["lan", "web"]);
    assert!(matches!(document.draft(Which::Name("Router")), Err(EditError::NoMonitor { .. })));
    assert!(!format!("{router:?} {document:?}").contains("192.168"), "nothing of the file is in Debug");
}

#[test]
fn what_is_inherited_says_from_where() {
    let document = document(FILE);
    let of = |group: &str, kind: &str, key: &str| {
        let all = document.inherited(group, Some(kind));
        all.get(key).map(|inherited| (inherited.value.clone(), inherited.from))
    };
    assert_eq!(of("lan", "ping", "interval"), Some(("15s".to_owned(), Source::Group)));
    assert_eq!(of("web", "http", "interval"), Some(("20s".to_owned(), Source::Default)));
    assert_eq!(of("new", "http", "timeout"), Some(("10s".to_owned(), Source::Default)));
    assert_eq!(of("web", "http", "failureThreshold"), Some(("2".to_owned(), Source::Default)));
    assert_eq!(of("web", "https", "sslCertExpiryWarningDays"), Some(("30".to_owned(), Source::Default)));
    assert_eq!(of("lan", "ping", "count").map(|(_, from)| from), Some(Source::Default));
    assert_eq!(of("lan", "ping", "target"), None);
}

#[test]
fn a_changed_value_changes_its_place_alone() {
    assert_change(
        "router",
        |d| set(d, "interval", "45s"),
        &["-          Interval: '30s'", "+          Interval: '45s'"],
    );
    assert_change(
        "router",
        |d| set(d, "name", "gate: 1"),
        &["-        - name: \"router\"   # upstairs", "+        - name: \"gate: 1\"   # upstairs"],
    );
    assert_change(
        "nas",
        |d| set(d, "target", "nas:[1]"),
        &[
            "-        - {name: nas, type: tcp, target: \"nas:22\", labels: {a: b}}",
            "+        - {name: nas, type: tcp, target: \"nas:[1]\", labels: {a: b}}",
        ],
    );
    assert_eq!(changed(FILE, "nas", |_| ()).expect("nothing to do"), FILE);
}

#[test]
fn a_key_that_is_not_set_any_more_goes() {
    assert_change("router", |d| d.set("interval", None), &["-          Interval: '30s'"]);
    assert_change(
        "nas",
        |d| d.set("labels", None),
        &[
            "-        - {name: nas, type: tcp, target: \"nas:22\", labels: {a: b}}",
            "+        - {name: nas, type: tcp, target: \"nas:22\"}",
        ],
    );
    assert_change(
        "router",
        |d| d.set("labels", Some(Written::from([("x", ""); 0]))),
        &["-          labels:", "-            Room: attic # warm", "-            \"on\": \"yes\""],
    );
    // The merge key would bring it back.
    assert_change("printer", |d| d.set("interval", None), &["+          interval: null"]);
    // The first key of a list's item shares its line with the dash.
    let text = "monitoring: {groups: []}\nstorage:\n  groups:\n  - name: s\n    monitors:\n    - enabled: false # off\n      # why\n      name: a\n    - enabled: false\n      name: b\n";
    let after = changed(text, "a", |d| d.set("enabled", None)).expect("edits");
    assert_eq!(difference(text, &after), ["-    - enabled: false # off", "+    -  # off"]);
    let after = changed(text, "b", |d| d.set("enabled", None)).expect("edits");
    assert_eq!(difference(text, &after), ["-    - enabled: false", "-      name: b", "+    - name: b"]);
}

#[test]
fn new_keys_come_last_in_the_style_of_the_monitor() {
    assert_change(
        "router",
        |d| {
            set(d, "timeout", "3s");
            set(d, "enabled", "false");
        },
        &["+          enabled: false", "+          timeout: 3s"],
    );
    assert_change(
        "nas",
        |d| set(d, "timeout", "3s"),
        &[
            "-        - {name: nas, type: tcp, target: \"nas:22\", labels: {a: b}}",
            "+        - {name: nas, type: tcp, target: \"nas:22\", labels: {a: b}, timeout: 3s}",
        ],
    );
    assert_change(
        "printer",
        |d| d.set("labels", Some(Written::from([("a b", "yes"), ("c", "#")]))),
        &["+          labels:", "+            a b: \"yes\"", "+            c: \"#\""],
    );
    assert_change("printer", |d| set(d, "interval", "7s"), &["+          interval: 7s"]);
    assert_change("page", |d| set(d, "expectedStatus", "204"), &["+        expectedStatus: 204"]);
}

#[test]
fn maps_of_texts_change_by_key() {
    let labels = [("Room", "cellar"), ("on", "yes"), ("new", "1.0")];
    assert_change(
        "router",
        |d| d.set("labels", Some(Written::from(labels))),
        &[
            "-            Room: attic # warm",
            "-            \"on\": \"yes\"",
            "+            Room: cellar # warm",
            "+            \"on\": \"yes\"",
            "+            new: \"1.0\"",
        ],
    );
    assert_change(
        "page",
        |d| d.set("headers", Some(Written::from([("X", "2"), ("A", "${secret:token}")]))),
        &["-        headers: {Accept: 'text/html', X: \"1\"}", "+        headers: {X: \"2\", A: \"${secret:token}\"}"],
    );
}

#[test]
fn a_merge_key_in_quotes_is_a_label_as_any_other() {
    let text = FILE.replace("\"on\": \"yes\"", "\"<<\": \"yes\"");
    let after = changed(&text, "router", |d| d.set("labels", Some(Written::from([("Room", "attic")])))).expect("sets");
    assert_eq!(difference(&text, &after), ["-            \"<<\": \"yes\""]);
}

#[test]
fn a_monitor_moves_with_its_comments() {
    assert_change(
        "router",
        |d| {
            d.group = "web".to_owned();
            d.set("interval", None);
        },
        &[
            "-        # The way out.",
            "-        - name: \"router\"   # upstairs",
            "-          Type: ping",
            "-          Interval: '30s'",
            "-          target: 192.168.1.1",
            "-",
            "-          labels:",
            "-            Room: attic # warm",
            "-            \"on\": \"yes\"",
            "-",
            "-        - {name: nas, type: tcp, target: \"nas:22\", labels: {a: b}}",
            "-        - <<: *common",
            "-          name: printer",
            "-          target: ${PRINTER:-printer}",
            "-    - name: web",
            "-      monitors:",
            "-      # The page.",
            "-      - name: page",
            "-        type: http",
            "-        url: https://example.org/",
            "-        headers: {Accept: 'text/html', X: \"1\"}",
            "+",
            "+        - {name: nas, type: tcp, target: \"nas:22\", labels: {a: b}}",
            "+        - <<: *common",
            "+          name: printer",
            "+          target: ${PRINTER:-printer}",
            "+    - name: web",
            "+      monitors:",
            "+      # The page.",
            "+      - name: page",
            "+        type: http",
            "+        url: https://example.org/",
            "+        headers: {Accept: 'text/html', X: \"1\"}",
            "+      # The way out.",
            "+      - name: \"router\"   # upstairs",
            "+        Type: ping",
            "+        target: 192.168.1.1",
            "+",
            "+        labels:",
            "+          Room: attic # warm",
            "+          \"on\": \"yes\"",
        ],
    );
    // To a group that is not there yet; the last one leaves an empty list.
    assert_change(
        "page",
        |d| d.group = "new".to_owned(),
        &[
            "-      monitors:",
            "-      # The page.",
            "-      - name: page",
            "-        type: http",
            "-        url: https://example.org/",
            "-        headers: {Accept: 'text/html', X: \"1\"}",
            "+      monitors: []",
            "+    - name: new",
            "+      monitors:",
            "+        # The page.",
            "+        - name: page",
            "+          type: http",
            "+          url: https://example.org/",
            "+          headers: {Accept: 'text/html', X: \"1\"}",
        ]
        .map(|line| line),
    );
}

#[test]
fn a_monitor_is_written_anew_where_a_comment_would_become_its_text() {
    let text = "monitoring:\n  groups:\n  -   name: g\n      monitors:\n      - name: a\n        type: ping\n        target: h\n        fold: >-\n          x\n\n            y\n        # of the house\n";
    let mut draft = document(text).draft(Which::Name("a")).expect("is there");
    draft.group = "new".to_owned();
    let after = document(text).set_monitor(Which::Name("a"), &draft, None).expect("is moved");
    assert_eq!(after.draft(Which::Name("a")), Ok(draft));
    assert!(after.text().ends_with("        # of the house\n"), "{}", after.text());
}

#[test]
fn a_rename_keeps_the_identity() {
    let id: MonitorId = "0192f0c1-7b3a-7c52-9d64-1f2e3a4b5c6d".parse().expect("an id");
    let document = document(FILE);
    let mut draft = document.draft(Which::Name("page")).expect("is there");
    set(&mut draft, "name", "site");
    let after = document.set_monitor(Which::Name("page"), &draft, Some(id)).expect("edits");
    assert_eq!(difference(FILE, after.text()), ["-      - name: page", "+      - name: site"]);
    set(&mut draft, "url", "https://example.com/");
    let after = document.set_monitor(Which::Name("page"), &draft, Some(id)).expect("edits");
    assert!(after.text().contains(&format!("X: \"1\"}}\n        id: {id}\n")), "{}", after.text());
    // It has one now, and is found by it.
    assert_eq!(after.draft(Which::Id(id)).expect("is there").name(), "site");
    set(&mut draft, "name", "page");
    let only_target = document.set_monitor(Which::Name("page"), &draft, Some(id)).expect("edits");
    assert!(!only_target.text().contains("id:"));
}

fn added(text: &str, group: &str) -> String {
    let draft = Draft::new(group, [("name", "new"), ("type", "tcp"), ("target", "h:1"), ("interval", "1m")]);
    let after = document(text).add_monitor(&draft).unwrap_or_else(|error| panic!("{text}\n{error}"));
    let again = after.draft(Which::Name("new")).expect("is there");
    assert_eq!(again, draft);
    after.text().to_owned()
}

#[test]
fn a_monitor_is_added_in_the_style_of_its_list() {
    let new = ["+        - name: new", "+          type: tcp", "+          target: h:1", "+          interval: 1m"];
    assert_eq!(difference(FILE, &added(FILE, "lan")), new);
    let flow = "monitoring:\n  groups:\n  - name: g\n    monitors:\n    - {name: a, type: ping}\n\n    - {name: b}   # b\n  # end";
    assert_eq!(difference(flow, &added(flow, "g")), ["+", "+    - {name: new, type: tcp, target: h:1, interval: 1m}"]);
    let braces = "monitoring: {groups: [{name: g, monitors: [{name: a}]}]}";
    assert_eq!(
        added(braces, "g"),
        "monitoring: {groups: [{name: g, monitors: [{name: a}, {name: new, type: tcp, target: h:1, interval: 1m}]}]}"
    );
    let lines = "monitoring: {groups: [{name: g, monitors: [\n  {name: a},   # one\n  {name: b} # two\n]}]}\n";
    assert_eq!(
        difference(lines, &added(lines, "g")),
        ["-  {name: b} # two", "+  {name: b}, # two", "+  {name: new, type: tcp, target: h:1, interval: 1m}"]
    );
    let comma = lines.replace("b} #", "b}, #");
    assert_eq!(difference(&comma, &added(&comma, "g")), ["+  {name: new, type: tcp, target: h:1, interval: 1m},"]);
}

#[test]
fn a_text_that_keeps_its_line_ends_stays_as_it_is_before_what_is_added() {
    for (header, ends) in [("|+", "\n\n"), (">2+ # c", "\n"), ("|+", "")] {
        let spaced = format!(
            "monitoring:\n  groups:\n  - name: g\n    monitors:\n    - name: a\n\n    - name: b\n      note: {header}\n        text\n{ends}# end\n"
        );
        let new = ["+    - name: new", "+      type: tcp", "+      target: h:1", "+      interval: 1m"];
        assert_eq!(difference(&spaced, &added(&spaced, "g")), new);
    }
    let between = "monitoring:\n  groups:\n  - name: g\n    monitors:\n    - name: a\n      note: |+\n        text\n\n    - name: b\n\n    - name: c\n";
    let removed = document(between).remove_monitors(&["b"]).expect("is removed");
    assert_eq!(difference(between, removed.text()), ["-    - name: b", "-"]);
}

#[test]
fn what_is_missing_above_a_monitor_is_made() {
    let lines = |spaces: usize| {
        let lines = ["- name: new", "  type: tcp", "  target: h:1", "  interval: 1m"];
        lines.map(|line| format!("{}{line}\n", " ".repeat(spaces))).concat()
    };
    let whole = format!("monitoring:\n  groups:\n    - name: g\n      monitors:\n{}", lines(8));
    for (text, expected) in [
        ("", whole.clone()),
        ("# only words", format!("# only words\n{whole}")),
        ("# a\n---\n", format!("# a\n---\n{whole}")),
        ("storage: {backend: none}\n# end\n", format!("storage: {{backend: none}}\n{whole}# end\n")),
        ("monitoring:\n", whole.clone()),
        ("monitoring: # a\n", whole.replacen(':', ": # a", 1)),
        ("monitoring: {}\n", "monitoring: {groups: [{name: g, monitors: [{name: new, type: tcp, target: h:1, interval: 1m}]}]}\n".to_owned()),
        ("monitoring: {defaultInterval: 3s}\n", "monitoring: {defaultInterval: 3s, groups: [{name: g, monitors: [{name: new, type: tcp, target: h:1, interval: 1m}]}]}\n".to_owned()),
        (
            "{}  # nothing\n",
            "{monitoring: {groups: [{name: g, monitors: [{name: new, type: tcp, target: h:1, interval: 1m}]}]}}  # nothing\n"
                .to_owned(),
        ),
        ("%YAML 1.2\n---\nstorage: {backend: none}\n...\n", format!("%YAML 1.2\n---\nstorage: {{backend: none}}\n{whole}...\n")),
        ("monitoring:\n  groups: []  # none\n", whole.replacen("groups:", "groups:  # none", 1)),
        ("monitoring:\n  groups:\n", whole.clone()),
        ("monitoring:\n  groups: ~\n", whole.clone()),
        ("monitoring:\n  groups:\n    - name: g\n      monitors: []\n", whole.clone()),
        ("monitoring:\n  groups:\n    - name: g\n", whole.clone()),
        ("monitoring:\n  groups:\n  - name: g\n    monitors: # none yet\n", format!("monitoring:\n  groups:\n  - name: g\n    monitors: # none yet\n{}", lines(4))),
        ("monitoring: {groups: [{name: g}]}", "monitoring: {groups: [{name: g, monitors: [{name: new, type: tcp, target: h:1, interval: 1m}]}]}".to_owned()),
        ("monitoring: {groups: [{name: g, monitors: }]}", "monitoring: {groups: [{name: g, monitors: [{name: new, type: tcp, target: h:1, interval: 1m}] }]}".to_owned()),
        ("monitoring: {groups: }", "monitoring: {groups: [{name: g, monitors: [{name: new, type: tcp, target: h:1, interval: 1m}]}] }".to_owned()),
        ("monitoring:\n  groups: [\n   ]\n", "monitoring:\n  groups: [{name: g, monitors: [{name: new, type: tcp, target: h:1, interval: 1m}]}\n   ]\n".to_owned()),
    ] {
        let after = added(text, "g");
        let fair = |text: &str| text.replace("] }", "]}");
        assert_eq!(fair(&after), fair(&expected), "from {text:?}");
    }
    let empty = Document::empty().add_monitor(&Draft::new("g", [("name", "a")])).expect("adds");
    assert_eq!(
        (empty.text(), empty.base()),
        ("monitoring:\n  groups:\n    - name: g\n      monitors:\n        - name: a\n", None)
    );
}

#[test]
fn monitors_are_removed_with_the_comments_right_above() {
    let removed = |names: &[&str]| {
        let after = document(FILE).remove_monitors(names).expect("removes");
        assert!(names.iter().all(|name| !after.names().contains(name)));
        after.text().to_owned()
    };
    assert_eq!(
        difference(FILE, &removed(&["page"])),
        [
            "-      monitors:",
            "-      # The page.",
            "-      - name: page",
            "-        type: http",
            "-        url: https://example.org/",
            "-        headers: {Accept: 'text/html', X: \"1\"}",
            "+      monitors: []",
        ]
    );
    assert_eq!(
        difference(FILE, &removed(&["nas"])),
        ["-        - {name: nas, type: tcp, target: \"nas:22\", labels: {a: b}}"]
    );
    let none = document(&removed(&["printer", "router", "page", "nas", "nas"]));
    assert!(none.names().is_empty());
    assert_eq!(none.groups(), ["lan", "web"]);
    let flow = "monitoring: {groups: [{name: g, monitors: [{name: a}, {name: b}, {name: c}, ]}]}";
    let of = |names: &[&str]| document(flow).remove_monitors(names).expect("removes").text().to_owned();
    assert_eq!(of(&["a", "b"]), "monitoring: {groups: [{name: g, monitors: [{name: c}, ]}]}");
    assert_eq!(of(&["a", "c"]), "monitoring: {groups: [{name: g, monitors: [{name: b}, ]}]}");
    assert_eq!(of(&["a", "b", "c"]), "monitoring: {groups: [{name: g, monitors: [ ]}]}");
}

#[test]
fn what_would_change_more_is_refused() {
    let text = "\
monitoring:
  groups:
    - name: a
      interval: &i 9s
      monitors:
        - &m
          name: one
          type: ping
          target: &t h
        - name: two
          type: ping
          target: *t
        - *m
    - {name: b, monitors: &list [{name: three, type: ping, target: h}]}
    - {name: c, monitors: *list}
";
    let refused = |name: &str, change: fn(&mut Draft)| changed(text, name, change).expect_err("refused");
    let elsewhere = |error: EditError| assert!(matches!(error, EditError::Elsewhere { .. }), "{error:?}");
    elsewhere(refused("one", |d| set(d, "target", "i")));
    elsewhere(refused("one", |d| set(d, "interval", "3s")));
    elsewhere(refused("three", |d| set(d, "interval", "3s")));
    elsewhere(document(text).remove_monitors(&["one"]).expect_err("refused"));
    let repeated = document(text).add_monitor(&Draft::new("c", [("name", "x")])).expect_err("refused");
    assert_eq!(
        repeated.to_string(),
        "line 15: the list of monitors is repeated from elsewhere by an alias (`*`), so that a change would change both; edit the file by hand"
    );
    // The one that repeats a value may have one of its own.
    let after = changed(text, "two", |d| set(d, "target", "i")).expect("edits");
    assert_eq!(difference(text, &after), ["-          target: *t", "+          target: i"]);
    assert!(matches!(changed(text, "four", |_| ()), Err(EditError::NoMonitor { .. })));
    assert!(matches!(changed(text, "two", |d| set(d, "name", "")), Err(EditError::Nameless)));
    let broken = Document::parse(b"a: [", Path::new("f.yml")).expect_err("refused");
    assert!(broken.to_string().starts_with("the file cannot be edited before it is repaired: f.yml:"), "{broken}");
}

#[test]
fn what_is_no_text_stays_as_it_is() {
    let text = "monitoring:\n  groups:\n    - name: g\n      monitors:\n        - name: a\n          type: http\n          url: &u http://h/\n          metrics:\n            enabled: true\n          histogram_buckets: [0.1, 1]\n          text: |+\n            a\n\n\n    - name: h\n      monitors: [{name: b, url: *u}]\n";
    let after = changed(text, "a", |d| set(d, "timeout", "3s")).expect("edits");
    assert_eq!(difference(text, &after), ["+          timeout: 3s"]);
    // Moved into brackets it is written anew, all of it; its anchor is then not there.
    let text = &text.replace(", url: *u", "");
    let after = changed(text, "a", |d| d.group = "h".to_owned()).expect("edits");
    assert!(after.contains("metrics: {enabled: true}, text: \"a\\n\\n\\n\"}]\n"), "{after}");
    assert!(after.contains("histogram_buckets: [0.1, 1]"), "{after}");
    let mut draft = document(text).draft(Which::Name("a")).expect("is there");
    let opaque = draft.values["histogram_buckets"].clone();
    draft.set("labels", Some(opaque));
    let error = document(text).set_monitor(Which::Name("a"), &draft, None).expect_err("refused");
    assert_eq!(error, EditError::Opaque { key: "labels".to_owned() });
}

#[test]
fn a_byte_order_mark_and_a_missing_last_line_end_stay() {
    let text = "\u{feff}monitoring: {groups: [{name: g, monitors: [{name: a}]}]}\r\nstorage:\r\n  backend: none";
    let document = document(text);
    let after = document.remove_monitors(&["a"]).expect("removes");
    assert_eq!(after.to_bytes(), text.replace("{name: a}", "").as_bytes());
    assert_eq!(after.base(), Some(hallmonitor::config::content_hash(text.as_bytes())));
    let block = "monitoring:\r\n  groups:\r\n    - name: g\r\n      monitors:\r\n        - name: a";
    let after = added(block, "g");
    assert_eq!(
        after,
        format!(
            "{block}\r\n        - name: new\r\n          type: tcp\r\n          target: h:1\r\n          interval: 1m"
        )
    );
}
