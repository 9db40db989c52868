//! `check KIND …`: arguments made from the fields of the kinds, so that a new option needs no line here.

use std::time::Duration;

use clap::{Arg, ArgAction, ArgMatches, Command};
use serde_json::{Map, Value};

use super::span::parse_length;
use crate::model::{FieldKind, FieldSpec};
use crate::probe::{KINDS, KindConfig};

/// The name of the one argument that is no field.
const TIMEOUT: &str = "timeout";

/// One subcommand a kind.
pub(super) fn subcommands() -> impl Iterator<Item = Command> {
    KINDS.iter().map(|(kind, fields)| subcommand(kind, fields))
}

fn subcommand(kind: &'static str, fields: &'static [FieldSpec]) -> Command {
    let mut command = Command::new(kind).about(format!("Check by {kind}, now")).arg(
        Arg::new(TIMEOUT)
            .long(TIMEOUT)
            .value_name("LENGTH")
            .value_parser(parse_length)
            .default_value("10s")
            .help("Longest time for the check"),
    );
    for field in fields {
        command = command.arg(if is_positional(field) { positional(field) } else { option(field, fields) });
    }
    command
}

fn is_positional(field: &FieldSpec) -> bool {
    field.required && field.default.is_none() && !matches!(field.kind, FieldKind::TextMap | FieldKind::Toggle)
}

fn positional(field: &'static FieldSpec) -> Arg {
    Arg::new(field.key).required(true).value_name(field.key.to_uppercase()).help(field.doc)
}

fn option(field: &'static FieldSpec, fields: &[FieldSpec]) -> Arg {
    let long = kebab(field.key);
    let mut help = field.doc.to_owned();
    if let Some(default) = field.default.filter(|default| !default.is_empty()) {
        help = format!("{help} [default: {default}]");
    }
    if let FieldKind::Choice(words) = field.kind {
        help = format!("{help} [{}]", words.join(", "));
    }
    let arg = Arg::new(field.key).long(long.clone()).help(help);
    let arg = match field.kind {
        FieldKind::TextMap => arg.value_name("KEY=VALUE").action(ArgAction::Append),
        FieldKind::Toggle => arg.value_name("true|false").num_args(0..=1).default_missing_value("true"),
        FieldKind::Integer { .. } => arg.value_name("NUMBER").allow_negative_numbers(true),
        FieldKind::Duration { .. } => arg.value_name("LENGTH"),
        FieldKind::Path => arg.value_name("FILE"),
        FieldKind::Choice(_) | FieldKind::Text | FieldKind::Secret => arg.value_name("VALUE"),
    };
    match short_name(field, fields) {
        Some(alias) => arg.visible_alias(alias),
        None => arg,
    }
}

/// `queryType` is `--query-type` and also `--type`, `headers` is also `--header`, where nothing else is called so.
fn short_name(field: &FieldSpec, fields: &[FieldSpec]) -> Option<String> {
    let long = kebab(field.key);
    let short = if matches!(field.kind, FieldKind::TextMap) {
        long.strip_suffix('s')?.to_owned()
    } else {
        long.rsplit_once('-')?.1.to_owned()
    };
    let taken = |other: &FieldSpec| {
        let other_long = kebab(other.key);
        other.key != field.key && (other_long == short || other_long.ends_with(&format!("-{short}")))
    };
    let reserved = [TIMEOUT, "config", "json", "color", "help", "version", "data-dir"];
    (!reserved.contains(&short.as_str()) && !fields.iter().any(taken)).then_some(short)
}

/// `sslCertExpiryWarningDays` as an option: `ssl-cert-expiry-warning-days`.
fn kebab(key: &str) -> String {
    let mut text = String::new();
    for c in key.chars() {
        if c.is_ascii_uppercase() {
            text.push('-');
        }
        text.push(c.to_ascii_lowercase());
    }
    text
}

/// What is to be checked, and the longest time it may take.
pub(super) fn read(kind: &str, matches: &ArgMatches) -> Result<(KindConfig, Duration), String> {
    let Some((_, fields)) = KINDS.iter().find(|(id, _)| *id == kind) else {
        return Err(format!("unknown kind `{kind}`"));
    };
    let mut object = Map::new();
    for field in *fields {
        let given: Vec<&String> = matches.get_many(field.key).into_iter().flatten().collect();
        if !given.is_empty() {
            object.insert(field.key.to_owned(), value(field, &given).map_err(|what| format!("{}: {what}", field.key))?);
        }
    }
    let config = KindConfig::from_object(kind, Value::Object(object)).map_err(|error| error.to_string())?;
    config.validate().map_err(|faults| faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))?;
    let timeout = matches.get_one(TIMEOUT).copied().unwrap_or(Duration::from_secs(10));
    Ok((config, timeout))
}

/// The value of a field as its kind's settings take it.
fn value(field: &FieldSpec, given: &[&String]) -> Result<Value, String> {
    let text = given.last().map_or("", |text| text.as_str());
    Ok(match field.kind {
        FieldKind::Text | FieldKind::Secret | FieldKind::Path => text.into(),
        FieldKind::Integer { min, max } => match text.parse::<i64>() {
            Ok(number) if (min..=max).contains(&number) => number.into(),
            _ => return Err(format!("`{text}` is not allowed; it takes a whole number from {min} to {max}")),
        },
        FieldKind::Toggle => match text {
            "true" => true.into(),
            "false" => false.into(),
            _ => return Err(format!("`{text}` is not allowed; it takes true or false")),
        },
        FieldKind::Duration { min_ms, max_ms } => {
            let length = parse_length(text)?;
            if !(u128::from(min_ms)..=u128::from(max_ms)).contains(&length.as_millis()) {
                return Err(format!("`{text}` is not allowed; it takes {min_ms} ms to {max_ms} ms"));
            }
            text.into()
        }
        FieldKind::Choice(words) => match words.iter().find(|word| word.eq_ignore_ascii_case(text)) {
            Some(word) => (*word).into(),
            None => return Err(format!("`{text}` is not allowed; it takes one of {}", words.join(", "))),
        },
        FieldKind::TextMap => {
            let mut map = Map::new();
            for pair in given {
                let (key, value) =
                    pair.split_once(['=', ':']).ok_or_else(|| format!("`{pair}` is not allowed; write KEY=VALUE"))?;
                map.insert(key.trim().to_owned(), value.trim().into());
            }
            Value::Object(map)
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIELDS: &[FieldSpec] = &[
        field("target", FieldKind::Text, true),
        field("port", FieldKind::Integer { min: 1, max: 65_535 }, false),
        field("query", FieldKind::Text, true),
        field("queryType", FieldKind::Choice(&["A", "AAAA"]), false),
        field("headers", FieldKind::TextMap, false),
        field("verifyTls", FieldKind::Toggle, false),
        field("maxDays", FieldKind::Integer { min: -1, max: 9 }, false),
        field("minDays", FieldKind::Integer { min: -1, max: 9 }, false),
    ];

    const fn field(key: &'static str, kind: FieldKind, required: bool) -> FieldSpec {
        FieldSpec { key, kind, required, default: None, doc: "Words." }
    }

    /// The object that the arguments make.
    fn object(line: &str) -> Result<Value, String> {
        let matches =
            subcommand("probe", FIELDS).try_get_matches_from(line.split(' ')).map_err(|error| error.to_string())?;
        let mut object = Map::new();
        for field in FIELDS {
            let given: Vec<&String> = matches.get_many(field.key).into_iter().flatten().collect();
            if !given.is_empty() {
                object.insert(field.key.to_owned(), value(field, &given)?);
            }
        }
        Ok(Value::Object(object))
    }

    #[test]
    fn fields_become_arguments() {
        let read = object(
            "probe host example.org --port 53 --type aaaa --header A=b --header C:d=e --verify-tls --max-days -1",
        );
        assert_eq!(
            read.expect("reads"),
            serde_json::json!({
                "target": "host", "port": 53, "query": "example.org", "queryType": "AAAA",
                "headers": {"A": "b", "C": "d=e"}, "verifyTls": true, "maxDays": -1
            })
        );
    }

    #[test]
    fn a_short_name_that_two_fields_share_is_not_given() {
        assert!(object("probe host q --days 3").is_err());
        assert!(object("probe host q --max-days 3").is_ok());
    }

    #[test]
    fn wrong_values_say_what_is_allowed() {
        for (line, allowed) in [
            ("probe h q --port 99999", "from 1 to 65535"),
            ("probe h q --type MX", "A, AAAA"),
            ("probe h q --header x", "KEY=VALUE"),
            ("probe h q --verify-tls maybe", "true or false"),
        ] {
            let error = object(line).expect_err("wrong");
            assert!(error.contains(allowed), "{line}: {error}");
        }
    }
}
