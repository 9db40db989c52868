//! Values from elsewhere: variables, files and secrets.

use std::fs;
use std::time::Duration;

use hallmonitor::config::{Entry, Vars, load};
use hallmonitor::secret::MemoryVault;

use crate::{NO_VARS, accepted, accepted_with, assert_error, errors, monitor, read_with};

#[test]
fn a_monitor_waits_for_what_is_not_there() {
    let text = "monitoring:
  groups:
    - name: g
      monitors:
        - {name: a, type: http, url: \"http://${HOST}/\"}
        - {name: b, type: http, url: \"http://${file:nowhere}@h/\"}
        - {name: c, type: http, url: \"http://u:${secret:other}@h/\"}
        - {name: d, type: ping, target: h, interval: \"${EVERY}\"}
        - {name: e, type: ping, target: \"${HOST:-h}\"}
";
    let config = accepted(text);
    let reasons: Vec<_> = config
        .monitors
        .iter()
        .map(|monitor| match &monitor.kind {
            Entry::Ready(_) => "ready".to_owned(),
            Entry::Pending { kind, reason } => format!("{kind}: {reason}"),
        })
        .collect();
    assert_eq!(reasons[0], "http: the environment variable `HOST` is not set");
    assert!(reasons[1].starts_with("http: the file `nowhere` cannot be used: "), "{}", reasons[1]);
    assert!(reasons[2].starts_with("http: the vault holds no secret named `other`"), "{}", reasons[2]);
    assert_eq!(reasons[3], "ping: the environment variable `EVERY` is not set");
    assert_eq!(reasons[4], "ready");
    let later = accepted_with(text, [("HOST", "a.example"), ("EVERY", "5s")]);
    assert!(matches!(&later.monitors[0].kind, Entry::Ready(kind) if kind.target().contains("a.example")));
    assert_eq!(later.monitors[3].interval.value, Duration::from_secs(5));
    // A value that waits hides no other problem of its monitor.
    assert_error(&monitor("type: http\nurl: ${HOST}\ntimeout: 1h"), "f.yml:8:18: `timeout`: `1h` is too long");
    // A name cannot wait.
    let unnamed = "monitoring: {groups: [{name: g, monitors: [{name: '${HOST}', type: ping, target: h}]}]}";
    assert_error(unnamed, "f.yml:1:51: monitor name: the environment variable `HOST` is not set");
}

#[test]
fn files_are_found_beside_the_configuration() {
    let folder = tempfile::tempdir().expect("a folder");
    fs::write(folder.path().join("login"), "user:pw\n").expect("written");
    let path = folder.path().join("config.yml");
    fs::write(&path, monitor("type: http\nurl: http://${file:login}@b.example/$%7Bx")).expect("written");
    let config = load(&path, &Vars::default(), &MemoryVault::default()).expect("loads");
    assert!(matches!(&config.monitors[0].kind, Entry::Ready(kind) if kind.target().contains("b.example")));
}

#[test]
fn an_expanded_value_is_never_shown() {
    let secret = "hunter2";
    let config = accepted(&monitor("type: http\nurl: http://u:${secret:token}@h/\nheaders: {A: 'b ${secret:token}'}"));
    assert!(matches!(config.monitors[0].kind, Entry::Ready(_)));
    assert!(!format!("{config:?}").contains(secret));
    // As a number, a duration, a choice, and as a value that the kind refuses.
    for keys in [
        "type: http\nurl: http://h/\ntimeout: ${secret:token}",
        "type: http\nurl: '${secret:token} '\nexpectedStatus: ${secret:token}",
        "type: dns\ntarget: ${secret:token}\nquery: '${secret:token} ..'\nqueryType: ${secret:token}",
        "type: tcp\ntarget: 'no port ${secret:token}'",
        "type: ${secret:token}",
        "id: ${secret:token}",
    ] {
        match read_with(&monitor(keys), NO_VARS) {
            Ok(config) => assert!(!format!("{config:?}").contains(secret), "{keys}"),
            Err(refusal) => {
                let shown = format!("{refusal:?}{refusal}");
                assert!(!shown.contains(secret), "{keys}\n{shown}");
            }
        }
    }
    for (keys, start) in [
        ("type: http\nurl: 'http://h/?a#token=${secret:token}'", "f.yml:7:14: `url` is shown to people"),
        ("type: http\nurl: http://h/${secret:missing}", "f.yml:7:14: `url` is shown to people"),
        ("type: tcp\ntarget: '${secret:token}:80'", "f.yml:7:17: `target` is shown to people"),
        (
            "type: dns\ntarget: h\nquery: a\nexpectedResponse: 'x://${secret:token}@h'",
            "f.yml:9:27: `expectedResponse` is shown to people",
        ),
        ("type: http\nurl: http://h/\nexpectedStatus: ${secret:token}", "f.yml:8:25: `expectedStatus` is shown"),
    ] {
        assert_error(&monitor(keys), start);
    }
    // A query is sent and not shown, written plainly or not.
    for url in ["http://h/?token=hunter2", "http://h/?token=${secret:token}&b=@"] {
        let config = accepted(&monitor(&format!("type: http\nurl: {url}")));
        assert!(matches!(&config.monitors[0].kind, Entry::Ready(kind) if kind.target() == "http://h/?…"));
        assert!(!format!("{config:?}").contains(secret));
    }
    let refused = errors(&monitor("type: http\nurl: http://h/\ntimeout: ${secret:token}"));
    assert!(refused[0].contains("`timeout`: what `${secret:token}` stands for is no length of time"), "{refused:?}");
}
