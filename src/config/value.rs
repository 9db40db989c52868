//! One value of the file as what its key holds. What is wrong is noted with its place; what is missing is told to the
//! caller, who knows whether that stops a monitor or the whole file.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use super::duration::{DurationFault, format_duration, parse_duration};
use super::expand::{ExpandFault, Expanded, Expander, Origin};
use super::node::{Entry, Kind, Node};
use super::problem::{Problems, nearest, quoted};
use super::schema::Shape;
use crate::model::FieldKind;

/// A value that was read.
pub(super) enum Value {
    Text(String),
    Integer(i64),
    Toggle(bool),
    Duration(Duration),
    Texts(Vec<String>),
    Map(BTreeMap<String, String>),
    /// Whole days; none for ever.
    Days(Option<u32>),
    /// Bytes; none without a limit.
    Size(Option<u64>),
}

impl Value {
    /// As the JSON that the settings of kinds and backends are read from; a duration as it is written in the file.
    pub(super) fn into_json(self) -> serde_json::Value {
        match self {
            Self::Text(text) => text.into(),
            Self::Integer(number) => number.into(),
            Self::Toggle(on) => on.into(),
            Self::Duration(duration) => format_duration(duration).into(),
            Self::Texts(texts) => texts.into(),
            Self::Map(map) => map.into_iter().collect(),
            Self::Days(days) => days.into(),
            Self::Size(bytes) => bytes.into(),
        }
    }
}

/// Why there is no value.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Stop {
    /// It is wrong, and noted.
    Wrong,
    /// Something that it names is not there now: the reason.
    Missing(String),
}

/// What is wrong with a value, to be said after it: `… is no duration`.
pub(super) struct Fault {
    what: String,
    pub(super) allowed: Option<String>,
    pub(super) nearest: Option<String>,
}

impl Fault {
    fn new(what: impl Into<String>) -> Self {
        Self { what: what.into(), allowed: None, nearest: None }
    }

    fn allowed(self, allowed: impl Into<String>) -> Self {
        Self { allowed: Some(allowed.into()), ..self }
    }

    /// What is wrong, of a value that is shown as `shown`.
    pub(super) fn of(&self, shown: &str) -> String {
        format!("{shown} {}", self.what)
    }
}

/// Reads values, and keeps what is wrong with them.
pub(super) struct Reader<'a> {
    pub(super) problems: Problems,
    pub(super) expander: Expander<'a>,
    /// Where relative paths start: the folder of the file.
    pub(super) folder: &'a Path,
}

impl Reader<'_> {
    /// What stands under a key, by its shape. None where nothing does: null, or text of no length.
    pub(super) fn read(&mut self, key: &str, shape: Shape, node: &Node<'_>) -> Result<Option<(Value, Origin)>, Stop> {
        match shape {
            Shape::Field(FieldKind::TextMap) => self.map(key, node),
            Shape::Texts if matches!(node.kind, Kind::List(_)) => self.texts(key, node),
            _ => self.single(key, shape, node),
        }
    }

    /// The same for a value that people see: nothing hidden may stand in it.
    pub(super) fn read_open(&mut self, key: &str, shape: Shape, node: &Node<'_>) -> Result<Option<Value>, Stop> {
        match self.read(key, shape, node)? {
            Some((_, Origin::Hidden)) => {
                let what = format!("`{key}` is shown to people, so that no secret and no file can stand in it");
                self.problems.error(node.place, what).allowed("text, `${VAR}`");
                Err(Stop::Wrong)
            }
            read => Ok(read.map(|(value, _)| value)),
        }
    }

    fn single(&mut self, key: &str, shape: Shape, node: &Node<'_>) -> Result<Option<(Value, Origin)>, Stop> {
        let Some((Expanded { text, origin }, plain)) = self.text(key, shape, node)? else { return Ok(None) };
        // A variable holds text; only what stands in the file without quotes can be a bare number.
        let plain = plain && origin == Origin::Written;
        match interpret(shape, &text, plain, self.folder) {
            Ok(value) => Ok(Some((value, origin))),
            Err(fault) => {
                let Kind::Scalar { text: written, .. } = &node.kind else { return Err(Stop::Wrong) };
                let shown = match origin {
                    Origin::Written => quoted(written),
                    Origin::Variable | Origin::Hidden => format!("what {} stands for", quoted(written)),
                };
                let problem = self.problems.error(node.place, format!("`{key}`: {}", fault.of(&shown)));
                problem.allowed = fault.allowed;
                problem.nearest = fault.nearest;
                Err(Stop::Wrong)
            }
        }
    }

    /// The expanded text of a single value, and whether it was written without quotes.
    fn text<'n>(&mut self, key: &str, shape: Shape, node: &'n Node<'_>) -> Result<Option<(Expanded<'n>, bool)>, Stop> {
        let Kind::Scalar { text, plain } = &node.kind else {
            if node.is_empty() {
                return Ok(None);
            }
            let what = format!("`{key}` is {}, not a single value", node.what());
            self.problems.error(node.place, what).allowed(shape.allowed());
            return Err(Stop::Wrong);
        };
        if node.is_null() {
            return Ok(None);
        }
        match self.expander.expand(text) {
            Ok(expanded) if expanded.text.is_empty() => Ok(None),
            Ok(expanded) => Ok(Some((expanded, *plain))),
            Err(ExpandFault::Wrong(what)) => {
                self.problems.error(node.place, format!("`{key}`: {} {what}", quoted(text)));
                Err(Stop::Wrong)
            }
            Err(ExpandFault::Missing(reason)) => Err(Stop::Missing(reason)),
        }
    }

    fn map(&mut self, key: &str, node: &Node<'_>) -> Result<Option<(Value, Origin)>, Stop> {
        let Kind::Map(entries) = &node.kind else {
            if node.is_empty() {
                return Ok(None);
            }
            let what = format!("`{key}` is {}, not a map", node.what());
            self.problems.error(node.place, what).allowed(Shape::Field(FieldKind::TextMap).allowed());
            return Err(Stop::Wrong);
        };
        let mut map = BTreeMap::new();
        let mut origin = Origin::Written;
        let mut stop = None;
        for entry in entries {
            match self.text(&entry.key, Shape::Field(FieldKind::Text), &entry.value) {
                Ok(read) => {
                    let text = read.map_or(String::new(), |(expanded, _)| {
                        origin = origin.max(expanded.origin);
                        expanded.text.into_owned()
                    });
                    map.insert(entry.key.clone().into_owned(), text);
                }
                // One that is wrong counts more than one that is missing.
                Err(Stop::Wrong) => stop = Some(Stop::Wrong),
                Err(missing) => stop = stop.or(Some(missing)),
            }
        }
        match stop {
            Some(stop) => Err(stop),
            None => Ok(Some((Value::Map(map), origin))),
        }
    }

    fn texts(&mut self, key: &str, node: &Node<'_>) -> Result<Option<(Value, Origin)>, Stop> {
        let Kind::List(items) = &node.kind else { return Ok(None) };
        let mut texts = Vec::with_capacity(items.len());
        let mut origin = Origin::Written;
        for item in items {
            if let Some((expanded, _)) = self.text(key, Shape::Field(FieldKind::Text), item)? {
                origin = origin.max(expanded.origin);
                texts.push(expanded.text.into_owned());
            }
        }
        Ok(Some((Value::Texts(texts), origin)))
    }

    /// The entries of a map, or an error; none where nothing stands.
    pub(super) fn entries<'n, 't>(&mut self, what: &str, node: &'n Node<'t>) -> Option<&'n [Entry<'t>]> {
        match &node.kind {
            Kind::Map(entries) => Some(entries),
            _ if node.is_empty() => None,
            _ => {
                self.problems.error(node.place, format!("{what} is {}", node.what())).allowed("a map of keys");
                None
            }
        }
    }

    /// The items of a list, or an error; none where nothing stands.
    pub(super) fn items<'n, 't>(&mut self, what: &str, node: &'n Node<'t>) -> &'n [Node<'t>] {
        match &node.kind {
            Kind::List(items) => items,
            _ if node.is_empty() => &[],
            _ => {
                self.problems.error(node.place, format!("{what} is {}", node.what())).allowed("a list (`- …`)");
                &[]
            }
        }
    }

    /// Notes a key that nobody knows.
    pub(super) fn unknown<'k>(&mut self, entry: &Entry<'_>, known: impl Iterator<Item = &'k str> + Clone) {
        let near = nearest(&entry.key, known.clone());
        let problem = self.problems.error(entry.place, format!("unknown key {}", quoted(&entry.key)));
        problem.nearest(near).allowed(known.collect::<Vec<_>>().join(", "));
    }

    /// Notes a key that stands a second time, in another case.
    pub(super) fn again(&mut self, entry: &Entry<'_>, name: &str) {
        let what = format!("{} is `{name}` a second time; keys are the same in any case", quoted(&entry.key));
        self.problems.error(entry.place, what);
    }
}

/// A text as the value of a shape. `plain` when it stands in the file without quotes.
pub(super) fn interpret(shape: Shape, text: &str, plain: bool, folder: &Path) -> Result<Value, Fault> {
    let field = match shape {
        Shape::Texts => {
            let words = text.split(',').map(str::trim).filter(|word| !word.is_empty());
            return Ok(Value::Texts(words.map(str::to_owned).collect()));
        }
        Shape::Days => return days(text, plain).map(Value::Days),
        Shape::Size => return size(text).map(Value::Size),
        Shape::List | Shape::Kept => return Err(Fault::new("is a single value").allowed(shape.allowed())),
        Shape::Field(field) => field,
    };
    match field {
        FieldKind::Text | FieldKind::Secret => Ok(Value::Text(text.to_owned())),
        FieldKind::Path => Ok(Value::Text(folder.join(text).to_string_lossy().into_owned())),
        FieldKind::TextMap => Err(Fault::new("is a single value").allowed(shape.allowed())),
        FieldKind::Toggle => match text.to_ascii_lowercase().as_str() {
            "true" | "yes" | "on" | "1" => Ok(Value::Toggle(true)),
            "false" | "no" | "off" | "0" => Ok(Value::Toggle(false)),
            _ => Err(Fault::new("is neither true nor false").allowed(shape.allowed())),
        },
        FieldKind::Integer { min, max } => match text.parse::<i64>() {
            Ok(number) if (min..=max).contains(&number) => Ok(Value::Integer(number)),
            Ok(_) => Err(Fault::new("is out of range").allowed(shape.allowed())),
            Err(_) => Err(Fault::new("is no whole number").allowed(shape.allowed())),
        },
        FieldKind::Choice(words) => match words.iter().find(|word| word.eq_ignore_ascii_case(text)) {
            Some(word) => Ok(Value::Text((*word).to_owned())),
            None => {
                let near = nearest(text, words.iter().copied()).map(str::to_owned);
                Err(Fault { nearest: near, ..Fault::new("is none of the known words").allowed(shape.allowed()) })
            }
        },
        FieldKind::Duration { min_ms, max_ms } => {
            duration(text, plain, Duration::from_millis(min_ms), Duration::from_millis(max_ms))
                .map(Value::Duration)
                .map_err(|fault| fault.allowed(shape.allowed()))
        }
    }
}

/// Zero is always taken: it stands for the default.
fn duration(text: &str, plain: bool, min: Duration, max: Duration) -> Result<Duration, Fault> {
    let duration = length(text, plain, "s")?;
    if duration > max {
        return Err(Fault::new(format!("is too long (max {})", format_duration(max))));
    }
    if duration < min && !duration.is_zero() {
        let min = format_duration(min);
        if plain && is_number(text) {
            let what = format!("without a unit is nanoseconds, which is too short (min {min})");
            // What was meant, where it would be allowed.
            let seconds = text.parse().ok().filter(|seconds| Duration::from_secs(*seconds) <= max);
            return Err(Fault { nearest: seconds.map(|seconds| format!("{seconds}s")), ..Fault::new(what) });
        }
        return Err(Fault::new(format!("is too short (min {min})")));
    }
    Ok(duration)
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// A length of time. A bare number without quotes counts nanoseconds, as in HallMonitor; one with quotes lacks its
/// unit, and `unit` is the one that was probably meant.
fn length(text: &str, plain: bool, unit: &str) -> Result<Duration, Fault> {
    if plain && is_number(text) && text.len() < 20 {
        return Ok(Duration::from_nanos(text.parse().unwrap_or(u64::MAX)));
    }
    parse_duration(text).map_err(|fault| match fault {
        DurationFault::Negative => Fault::new("is negative"),
        DurationFault::TooLong => Fault::new("is too long"),
        DurationFault::NoUnit if is_number(text) => {
            Fault { nearest: Some(format!("{text}{unit}")), ..Fault::new("is a number without a unit") }
        }
        DurationFault::NoUnit => Fault::new("ends in a number without a unit"),
        DurationFault::Syntax => Fault::new("is no length of time"),
    })
}

/// Units of a size, longest first.
const UNITS: &[(&str, u64)] = &[
    ("kib", 1 << 10),
    ("mib", 1 << 20),
    ("gib", 1 << 30),
    ("tib", 1 << 40),
    ("kb", 1_000),
    ("mb", 1_000_000),
    ("gb", 1_000_000_000),
    ("tb", 1_000_000_000_000),
];
/// Smallest limit: some segments of the journal must fit, and what a store has besides results.
const LEAST_SIZE: u64 = 64_000_000;

fn size(text: &str) -> Result<Option<u64>, Fault> {
    let shape = Shape::Size;
    let lower = text.trim().to_ascii_lowercase();
    if lower == "none" {
        return Ok(None);
    }
    let Some((number, unit)) = UNITS.iter().find_map(|(unit, bytes)| Some((lower.strip_suffix(unit)?.trim(), bytes)))
    else {
        let nearest = is_number(&lower).then(|| format!("{lower}MB"));
        return Err(Fault { nearest, ..Fault::new("is no size with a unit").allowed(shape.allowed()) });
    };
    let bytes = number.parse::<u64>().ok().and_then(|number| number.checked_mul(*unit));
    match bytes {
        None => Err(Fault::new("is no size").allowed(shape.allowed())),
        Some(bytes) if bytes < LEAST_SIZE => Err(Fault::new("is too small").allowed(shape.allowed())),
        Some(bytes) => Ok(Some(bytes)),
    }
}

fn days(text: &str, plain: bool) -> Result<Option<u32>, Fault> {
    const DAY: u64 = 86_400;
    let shape = Shape::Days;
    if text.eq_ignore_ascii_case("forever") {
        return Ok(None);
    }
    if plain && is_number(text) {
        let fault = Fault { nearest: Some(format!("{text}d")), ..Fault::new("is a number without a unit") };
        return Err(fault.allowed(shape.allowed()));
    }
    let length = length(text, false, "d").map_err(|fault| fault.allowed(shape.allowed()))?;
    let whole = length.subsec_nanos() == 0 && length.as_secs().is_multiple_of(DAY);
    match u32::try_from(length.as_secs() / DAY) {
        Ok(days) if whole && (1..=36_500).contains(&days) => Ok(Some(days)),
        _ => Err(Fault::new("is not from 1 to 36500 whole days").allowed(shape.allowed())),
    }
}
