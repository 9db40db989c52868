//! `validate`.

use crate::{json_lines, run_in, write_config};

#[test]
fn validate_tells_every_problem_with_its_place() {
    let home = tempfile::tempdir().expect("home");
    let config = write_config(
        home.path(),
        "monitoring:\n  groups:\n    - name: home\n      monitors:\n        - name: a\n          type: htpp\n          \
         url: http://127.0.0.1/\n        - name: b\n          type: ping\n          target: 127.0.0.1\n          interval: soon\n",
    );
    let wrong = run_in(home.path(), &["validate", &config]);
    assert_eq!(wrong.code, Some(2), "{}{}", wrong.out, wrong.err);
    let lines: Vec<_> = wrong.out.lines().collect();
    assert_eq!(lines.len(), 2, "{}", wrong.out);
    assert!(lines[0].starts_with(&format!("{config}:6:17: ")), "{}", lines[0]);
    assert!(lines[0].contains("http"), "{}", lines[0]);
    assert!(lines[1].starts_with(&format!("{config}:11:21: ")), "{}", lines[1]);
    let json = json_lines(&run_in(home.path(), &["validate", &config, "--json"]).out);
    assert_eq!((&json[0]["line"], &json[0]["column"], &json[0]["severity"]), (&6.into(), &17.into(), &"error".into()));
    let check = run_in(home.path(), &["run", "--config", &config]);
    assert_eq!(check.code, Some(2), "{}", check.err);
    assert!(check.err.contains(":6:17: ") && check.err.contains(":11:21: "), "{}", check.err);
}

#[test]
fn validate_is_short_when_all_is_fine() {
    let home = tempfile::tempdir().expect("home");
    let config = write_config(
        home.path(),
        "monitoring:\n  groups:\n    - name: home\n      monitors:\n        - name: a\n          type: ping\n          \
         target: 127.0.0.1\n",
    );
    let fine = run_in(home.path(), &["validate", "--config", &config]);
    assert_eq!((fine.code, fine.err.as_str()), (Some(0), ""));
    assert_eq!(fine.out, format!("{config}: fine, 1 monitor in 1 group\n"));
}
