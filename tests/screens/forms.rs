//! Forms: from the file into a draft and back, with what others write meanwhile.

use std::collections::BTreeMap;

use hallmonitor::screen::{DraftOf, DraftValue, Failed, MonitorDraft, SaveOutcome};

use super::house::{House, Server, until};

fn text(value: &str) -> DraftValue {
    DraftValue::Text(value.to_owned())
}

fn file(server: &Server) -> String {
    format!(
        "# my hosts\nmonitoring:\n  defaultInterval: 1s\n  groups:\n    - name: home  # here\n      monitors:\n        \
         # the box in the hall\n        - name: nas\n          type: tcp\n          target: \"${{NAS:-{}}}\"\n          \
         labels: {{Room: hall}}\n        - {{name: wiki, type: tcp, target: \"{}\"}}\n",
        server.address, server.address
    )
}

async fn draft_of(house: &House, name: &str) -> MonitorDraft {
    let screens = house.screens();
    let id = screens.board().rows.iter().find(|row| row.name == name).expect("there").id.clone();
    screens.draft(DraftOf::Known { id }).await.expect("a draft")
}

#[tokio::test]
async fn a_form_is_drawn_from_the_kinds_fields() {
    let server = Server::start();
    let house = House::with_file(Some(&file(&server)));
    let spec = house.screens().form_spec().await.expect("spec");
    assert_eq!(spec.groups, ["home"]);
    let kinds: Vec<&str> = spec.kinds.iter().map(|kind| kind.id.as_str()).collect();
    assert_eq!(kinds, hallmonitor::probe::KINDS.iter().map(|(id, _)| *id).collect::<Vec<_>>());
    assert!(spec.common.iter().any(|field| field.key == "name" && field.required));
    assert!(spec.common.iter().all(|field| field.key != "type" && field.key != "id"));
}

#[tokio::test]
async fn an_edit_keeps_comments_order_and_variables_and_is_live() {
    let server = Server::start();
    let house = House::with_file(Some(&file(&server)));
    let screens = house.screens();
    until("both are up", || screens.board().summary.counts.up == 2).await;
    let mut draft = draft_of(&house, "nas").await;
    assert_eq!(draft.values["target"], text(&format!("${{NAS:-{}}}", server.address)), "as written");
    assert_eq!(draft.values["labels"], DraftValue::Map(BTreeMap::from([("Room".into(), "hall".into())])));
    assert_eq!(draft.inherited["interval"].value, "1s");
    draft.values.insert("interval".to_owned(), text("2s"));
    draft.values.insert("name".to_owned(), text("store"));
    assert_eq!(screens.check_draft(draft.clone()).await.expect("checked"), []);
    let id = draft.id.clone();
    let saved = screens.save_draft(draft).await.expect("saved");
    let SaveOutcome::Saved { undo: true, base } = saved else { panic!("{saved:?}") };
    let expected = file(&server)
        .replace("name: nas\n", "name: store\n")
        .replace("          labels: {Room: hall}\n", "          labels: {Room: hall}\n          interval: 2s\n");
    assert_eq!(house.file(), expected);
    until("it has its new name", || screens.board().rows.iter().any(|row| row.name == "store")).await;
    let row = screens.board().rows.iter().find(|row| row.name == "store").expect("there").clone();
    assert_eq!((Some(row.id), row.interval_ms.0), (id, 2_000.0), "the same monitor");

    assert!(matches!(screens.undo("another".to_owned()).await, Err(Failed::BadRequest { .. })), "that is not the last");
    assert!(matches!(screens.undo(base).await.expect("undone"), SaveOutcome::Saved { .. }));
    assert_eq!(house.file(), file(&server));
    until("it has its old name", || screens.board().rows.iter().any(|row| row.name == "nas")).await;
    let versions = screens.versions().await.expect("versions");
    assert_eq!(versions.len(), 2);
    assert!(matches!(
        screens.restore_version(versions[0].id.clone()).await.expect("restored"),
        SaveOutcome::Saved { .. }
    ));
    assert_eq!(house.file(), expected);
}

#[tokio::test]
async fn what_is_wrong_is_told_at_its_field_and_nothing_is_written() {
    let server = Server::start();
    let house = House::with_file(Some(&file(&server)));
    let screens = house.screens();
    let mut draft = draft_of(&house, "nas").await;
    draft.values.insert("interval".to_owned(), text("often"));
    draft.values.insert("name".to_owned(), text("wiki"));
    let errors = screens.check_draft(draft.clone()).await.expect("checked");
    let keys: Vec<&str> = errors.iter().map(|error| error.key.as_str()).collect();
    assert!(keys.contains(&"interval") && keys.contains(&"name"), "{errors:?}");
    let saved = screens.save_draft(draft).await.expect("answered");
    assert!(matches!(saved, SaveOutcome::Refused { .. }), "{saved:?}");
    assert_eq!(house.file(), file(&server));
}

#[tokio::test]
async fn a_name_and_a_group_are_asked_for_at_their_fields() {
    let house = House::with_file(None);
    let screens = house.screens();
    let new = screens.draft(DraftOf::New { kind: "tcp".to_owned(), group: None }).await.expect("a draft");
    let errors = screens.check_draft(MonitorDraft { group: String::new(), ..new.clone() }).await.expect("checked");
    assert_eq!(errors.iter().map(|error| error.key.as_str()).collect::<Vec<_>>(), ["name", "group"]);
    let saved = screens.save_draft(MonitorDraft { group: String::new(), ..new }).await.expect("answered");
    assert!(matches!(&saved, SaveOutcome::Refused { errors } if errors.len() == 2), "{saved:?}");
}

#[tokio::test]
async fn what_others_wrote_meanwhile_is_never_lost() {
    let server = Server::start();
    let house = House::with_file(Some(&file(&server)));
    let screens = house.screens();
    let mut draft = draft_of(&house, "nas").await;
    draft.values.insert("interval".to_owned(), text("5s"));
    let outside = format!("{}# by hand\n", file(&server));
    house.write(&outside);
    let SaveOutcome::Conflict { their_base, theirs, mine } = screens.save_draft(draft.clone()).await.expect("answered")
    else {
        panic!("a conflict is told");
    };
    assert_eq!(theirs, outside);
    assert!(mine.contains("interval: 5s") && mine.ends_with("# by hand\n"), "{mine}");
    assert_eq!(house.file(), outside, "nothing was written");
    draft.base = their_base;
    assert!(matches!(screens.save_draft(draft).await.expect("saved"), SaveOutcome::Saved { .. }));
    assert_eq!(house.file(), mine);
}

#[tokio::test]
async fn monitors_are_added_and_removed() {
    let server = Server::start();
    let house = House::with_file(Some(&file(&server)));
    let screens = house.screens();
    let mut new = screens.draft(DraftOf::New { kind: "tcp".to_owned(), group: None }).await.expect("a draft");
    assert_eq!((new.group.as_str(), new.id.as_ref()), ("home", None));
    new.values.insert("name".to_owned(), text("mail"));
    new.values.insert("target".to_owned(), text(&server.address.to_string()));
    assert!(matches!(screens.save_draft(new).await.expect("saved"), SaveOutcome::Saved { .. }));
    until("it is up", || screens.board().summary.counts.up == 3).await;
    let ids =
        ["mail", "nas"].map(|name| screens.board().rows.iter().find(|row| row.name == name).expect("there").id.clone());
    let removed = screens.remove_monitors(ids.to_vec()).await.expect("removed");
    assert!(matches!(removed, SaveOutcome::Saved { undo: true, .. }), "{removed:?}");
    let left = house.file();
    assert!(left.contains("wiki") && !left.contains("nas") && !left.contains("the box in the hall"), "{left}");
    assert!(left.starts_with("# my hosts\n") && left.contains("# here"), "{left}");
    until("two are gone", || screens.board().rows.len() == 1).await;
}

#[tokio::test]
async fn a_first_run_needs_no_file() {
    let server = Server::start();
    let house = House::with_file(None);
    let screens = house.screens();
    let first = screens.first_run().await.expect("first run");
    assert!(first.needed && first.suggestions.iter().any(|found| found.role == "anchor"), "{first:?}");
    let mut new = screens.draft(DraftOf::New { kind: "tcp".to_owned(), group: None }).await.expect("a draft");
    new.group = "mine".to_owned();
    new.values.insert("name".to_owned(), text("one"));
    new.values.insert("target".to_owned(), text(&server.address.to_string()));
    assert!(matches!(screens.save_draft(new).await.expect("saved"), SaveOutcome::Saved { undo: false, .. }));
    until("it is up", || screens.board().summary.counts.up == 1).await;
    assert!(!screens.first_run().await.expect("first run").needed);
}

#[tokio::test]
async fn a_configuration_is_imported_where_there_is_none() {
    let house = House::with_file(None);
    let screens = house.screens();
    let bad = screens
        .import_config(
            "monitoring:\n  groups:\n    - name: a\n      monitors:\n        - {name: x, type: smoke}\n".to_owned(),
        )
        .await;
    let Err(Failed::Problems { problems }) = bad else { panic!("{bad:?}") };
    assert_eq!(problems[0].line, 5);
    assert!(!house.config_path().exists(), "nothing was written");
    let example = include_str!("../../examples/configs/hallmonitor.yml");
    let imported = screens.import_config(example.to_owned()).await.expect("imported");
    assert!(matches!(imported, SaveOutcome::Saved { .. }), "{imported:?}");
    assert_eq!(house.file(), example);
    assert!(matches!(screens.import_config(example.to_owned()).await, Err(Failed::BadRequest { .. })));
}

#[tokio::test]
async fn chosen_suggestions_are_watched() {
    let house = House::with_file(None);
    let screens = house.screens();
    assert!(matches!(screens.watch(vec!["no such".to_owned()]).await, Err(Failed::BadRequest { .. })));
    assert!(!house.config_path().exists(), "nothing was written");
    let first = screens.first_run().await.expect("first run");
    let chosen: Vec<String> = first.suggestions.iter().map(|found| found.id.clone()).collect();
    let saved = screens.watch(chosen).await.expect("watched");
    assert!(matches!(saved, SaveOutcome::Saved { .. }), "{saved:?}");
    let file = house.file();
    assert!(first.suggestions.iter().all(|found| file.contains(&found.target)), "{file}");
}

#[tokio::test]
async fn of_several_in_one_line_the_right_one_is_meant() {
    let server = Server::start();
    let at = server.address;
    let line = format!(
        "monitoring: {{groups: [{{name: g, monitors: [{{name: a, type: tcp, target: \"{at}\"}}, {{name: b, type: tcp, target: \"{at}\"}}]}}]}}\n"
    );
    let house = House::with_file(Some(&line));
    let screens = house.screens();
    let draft = draft_of(&house, "b").await;
    assert_eq!(draft.values["name"], text("b"));
    let removed = screens.remove_monitors(vec![draft.id.expect("known")]).await.expect("removed");
    assert!(matches!(removed, SaveOutcome::Saved { .. }), "{removed:?}");
    let left = house.file();
    assert!(left.contains("name: a") && !left.contains("name: b"), "{left}");
    assert_eq!(screens.board().rows.len(), 1, "in force at once");
}

#[tokio::test]
async fn another_kind_keeps_nothing_that_only_the_former_one_knows() {
    let server = Server::start();
    let file = format!(
        "monitoring:\n  groups:\n    - name: g\n      monitors:\n        - name: web  # mine\n          type: https\n          \
         url: \"http://{}/\"\n          maxBody: 1000\n          headers: {{X-Key: \"1\"}}\n",
        server.address
    );
    let house = House::with_file(Some(&file));
    let screens = house.screens();
    let mut draft = draft_of(&house, "web").await;
    assert_eq!(draft.kind, "http");
    draft.values.insert("interval".to_owned(), text("5s"));
    assert!(matches!(screens.save_draft(draft).await.expect("saved"), SaveOutcome::Saved { .. }));
    assert!(house.file().contains("type: https\n"), "the same kind stays as it is written");
    let mut draft = draft_of(&house, "web").await;
    draft.kind = "tcp".to_owned();
    draft.values.insert("target".to_owned(), text(&server.address.to_string()));
    let saved = screens.save_draft(draft).await.expect("saved");
    assert!(matches!(saved, SaveOutcome::Saved { .. }), "{saved:?}");
    let file = house.file();
    assert!(["url", "maxBody", "headers"].iter().all(|key| !file.contains(key)) && file.contains("# mine"), "{file}");
}

#[tokio::test]
async fn a_file_that_is_gone_or_broken_is_no_first_run() {
    let server = Server::start();
    let house = House::with_file(Some(&file(&server)));
    let screens = house.screens();
    house.write("monitoring: [\n");
    assert!(!screens.first_run().await.expect("answered").needed);
    std::fs::remove_file(house.config_path()).expect("removed");
    assert!(!screens.first_run().await.expect("answered").needed, "monitors are watched");
}
