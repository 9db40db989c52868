//! Texts of tray and notices, from the window's catalogue. A message is a text with `{placeholders}`, or one text for
//! one and one for other counts (English and German need no more).

use std::collections::HashMap;
use std::sync::OnceLock;

use hallmonitor::model::{Failure, UnixMicros};
use hallmonitor::screen::Language;
use serde::Deserialize;

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Message {
    Plain(String),
    Counted { one: String, other: String },
}

type Catalogue = HashMap<String, Message>;

const ENGLISH: [&str; 2] =
    [include_str!("../../ui/messages/en.json"), include_str!("../../ui/messages/desktop/en.json")];
const GERMAN: [&str; 2] =
    [include_str!("../../ui/messages/de.json"), include_str!("../../ui/messages/desktop/de.json")];

/// A language to speak.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Words {
    English,
    German,
}

fn catalogue(files: [&str; 2]) -> Catalogue {
    // A test reads them: what is not readable here never ships.
    files.iter().flat_map(|file| serde_json::from_str::<Catalogue>(file).unwrap_or_default()).collect()
}

impl Words {
    /// Those of a preference; `system` is that of the desktop, English where that is another one.
    pub(crate) fn of(language: Language) -> Self {
        match language {
            Language::En => Self::English,
            Language::De => Self::German,
            Language::System if sys_locale::get_locale().is_some_and(|locale| locale.starts_with("de")) => Self::German,
            Language::System => Self::English,
        }
    }

    fn catalogue(self) -> &'static Catalogue {
        static CATALOGUES: [OnceLock<Catalogue>; 2] = [OnceLock::new(), OnceLock::new()];
        match self {
            Self::English => CATALOGUES[0].get_or_init(|| catalogue(ENGLISH)),
            Self::German => CATALOGUES[1].get_or_init(|| catalogue(GERMAN)),
        }
    }

    /// A text with its placeholders filled; the key where there is none.
    pub(crate) fn say(self, key: &str, parts: &[(&str, &str)]) -> String {
        self.filled(key, true, parts)
    }

    /// A text for a count, which is also the placeholder `count`.
    pub(crate) fn count(self, key: &str, count: usize, parts: &[(&str, &str)]) -> String {
        let number = count.to_string();
        let parts: Vec<(&str, &str)> = parts.iter().copied().chain([("count", number.as_str())]).collect();
        self.filled(key, count == 1, &parts)
    }

    fn filled(self, key: &str, one: bool, parts: &[(&str, &str)]) -> String {
        let mut text = match self.catalogue().get(key) {
            Some(Message::Plain(text)) => text.as_str(),
            Some(Message::Counted { one: text, .. }) if one => text,
            Some(Message::Counted { other, .. }) => other,
            None => key,
        };
        // In one pass: what a monitor is called must not be taken for a placeholder.
        let mut filled = String::with_capacity(text.len() + 16);
        while let Some((before, rest)) = text.split_once('{') {
            filled.push_str(before);
            let Some((name, after)) = rest.split_once('}') else {
                text = rest;
                break;
            };
            filled.push_str(parts.iter().find(|(known, _)| *known == name).map_or("", |(_, value)| value));
            text = after;
        }
        filled.push_str(text);
        filled
    }

    /// A length of time in its two largest units: `4 min 10 s`.
    pub(crate) fn duration(self, us: u64) -> String {
        let seconds = us / 1_000_000;
        let units = [(86_400, "unit_day"), (3_600, "unit_hour"), (60, "unit_minute"), (1, "unit_second")];
        let first = units.iter().position(|(size, _)| seconds >= *size).unwrap_or(units.len() - 1);
        let mut rest = seconds;
        let mut parts = Vec::new();
        for (size, unit) in units.iter().skip(first).take(2) {
            let number = rest / size;
            rest %= size;
            if number > 0 || parts.is_empty() {
                parts.push(format!("{number} {}", self.say(unit, &[])));
            }
        }
        parts.join(" ")
    }

    /// A failure in two or three words.
    pub(crate) fn failure(self, failure: Failure) -> String {
        self.say(&format!("failure_{failure}"), &[])
    }
}

/// The local time of day.
pub(crate) fn clock(time: UnixMicros) -> String {
    hallmonitor::screen::clock_time(time)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_languages_have_the_same_messages_and_placeholders() {
        let placeholders = |message: &Message| {
            let text = match message {
                Message::Plain(text) => text.clone(),
                Message::Counted { other, .. } => other.clone(),
            };
            let mut names: Vec<String> =
                text.split('{').skip(1).filter_map(|part| Some(part.split_once('}')?.0.to_owned())).collect();
            names.sort();
            names
        };
        for (english, german) in ENGLISH.iter().zip(GERMAN) {
            let english: Catalogue = serde_json::from_str(english).expect("English can be read");
            let german: Catalogue = serde_json::from_str(german).expect("German can be read");
            for (key, message) in &english {
                let other = german.get(key).unwrap_or_else(|| panic!("{key} is not there in German"));
                assert_eq!(placeholders(message), placeholders(other), "{key}");
            }
            assert_eq!(english.len(), german.len());
        }
    }

    #[test]
    fn texts_are_filled_once() {
        let words = Words::English;
        assert_eq!(words.say("notice_down", &[("name", "{name} {count}")]), "{name} {count} is down");
        assert_eq!(words.count("tray_down", 1, &[("all", "42")]), "1 of 42 is down");
        assert_eq!(words.count("tray_down", 3, &[("all", "42")]), "3 of 42 are down");
        assert_eq!(words.say("no such key", &[]), "no such key");
    }

    #[test]
    fn durations_have_two_units() {
        let words = Words::English;
        for (seconds, text) in [
            (0, "0 s"),
            (59, "59 s"),
            (60, "1 min"),
            (250, "4 min 10 s"),
            (3_600, "1 h"),
            (7_385, "2 h 3 min"),
            (1_051_200, "12 d 4 h"),
        ] {
            assert_eq!(words.duration(seconds * 1_000_000), text);
        }
    }

    #[test]
    fn every_failure_has_words() {
        for failure in Failure::ALL {
            for words in [Words::English, Words::German] {
                assert!(!words.failure(*failure).starts_with("failure_"), "{failure}");
            }
        }
    }
}
