//! The documentation, which is made from the tables.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use hallmonitor::config::{Effect, GROUP_KEYS, KEPT_KEYS, Key, MONITOR_KEYS, RULE_KEYS, Shape, WEBHOOK_KEYS, sections};
use hallmonitor::model::FieldSpec;
use hallmonitor::probe::KINDS;
use hallmonitor::storage::offers;

#[test]
fn the_documentation_is_made_from_the_tables() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/configuration.md");
    let page = fs::read_to_string(&path).expect("the page is there");
    let page_now = [("monitors", monitor_tables()), ("sections", section_tables())]
        .into_iter()
        .fold(page.clone(), |page, (name, tables)| replace_part(&page, name, &tables));
    if std::env::var_os("UPDATE_DOCS").is_some() {
        fs::write(&path, page_now).expect("the page is written");
    } else {
        assert!(
            page == page_now,
            "docs/configuration.md is not what the tables say; run UPDATE_DOCS=1 cargo test --test config"
        );
    }
}

/// Puts text between the marks of a part.
fn replace_part(page: &str, name: &str, text: &str) -> String {
    let mark = format!("<!-- generated: {name} -->\n");
    let start = page.find(&mark).unwrap_or_else(|| panic!("no {mark}")) + mark.len();
    let end = start + page[start..].find("<!-- end -->").expect("the part ends");
    format!("{}{text}{}", &page[..start], &page[end..])
}

fn monitor_tables() -> String {
    let mut text = String::from("\n### Every monitor\n");
    table(&mut text, MONITOR_KEYS);
    for (kind, fields) in KINDS {
        let _ = write!(text, "\n### Kind `{kind}`\n");
        field_table(&mut text, fields);
    }
    text.push_str("\n### Every group\n");
    table(&mut text, GROUP_KEYS);
    text.push_str("\n### `retention` of a monitor or a group\n");
    table(&mut text, KEPT_KEYS);
    text.push('\n');
    text
}

fn section_tables() -> String {
    let mut text = String::new();
    for section in sections().iter().filter(|section| !section.keys.is_empty()) {
        let title = if section.path.is_empty() { "The file itself".to_owned() } else { format!("`{}`", section.path) };
        let _ = write!(text, "\n### {title}\n{}\n", section.doc);
        table(&mut text, &section.keys);
    }
    text.push_str("\n### One of `alerting.rules`\n");
    table(&mut text, RULE_KEYS);
    text.push_str("\n### One of `webhooks`\n");
    table(&mut text, WEBHOOK_KEYS);
    let known: Vec<_> = offers().iter().map(|offer| format!("`{}`", offer.id)).collect();
    let _ = write!(text, "\nBackends of this version: {}.\n\n", known.join(", "));
    text
}

const HEAD: &str = "\n| key | holds | default | what it does |\n|---|---|---|---|\n";

fn table(text: &mut String, keys: &[Key]) {
    text.push_str(HEAD);
    for key in keys {
        let effect = match key.effect {
            Effect::InForce => String::new(),
            Effect::None(why) => format!(" No effect: {why}."),
        };
        let doc = format!("{}{effect}", key.doc);
        row(text, key.name, key.shape, key.default, false, &doc);
    }
}

fn field_table(text: &mut String, fields: &[FieldSpec]) {
    text.push_str(HEAD);
    for field in fields {
        row(text, field.key, Shape::Field(field.kind), field.default, field.required, field.doc);
    }
}

fn row(text: &mut String, key: &str, shape: Shape, default: Option<&str>, required: bool, doc: &str) {
    let default = match (default, required) {
        (_, true) => "required".to_owned(),
        (Some(default), false) => format!("`{default}`"),
        (None, false) => String::new(),
    };
    let cell = |text: &str| text.replace('|', "\\|").replace('\n', " ");
    let _ = writeln!(text, "| `{key}` | {} | {} | {} |", cell(&shape.allowed()), cell(&default), cell(doc));
}
