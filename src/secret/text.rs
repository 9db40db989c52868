//! A value of a setting that may hold a secret.

use std::fmt;
use std::ops::Deref;

use secrecy::zeroize::{Zeroize, Zeroizing};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Text of a setting that may hold a secret: it is zeroed when it is dropped, and `Debug` shows nothing of it. Reading one
/// from owned text takes over its memory, so that no copy is left behind.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct SecretText(Zeroizing<String>);

impl Deref for SecretText {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl From<String> for SecretText {
    fn from(text: String) -> Self {
        Self(Zeroizing::new(text))
    }
}

impl From<&str> for SecretText {
    fn from(text: &str) -> Self {
        text.to_owned().into()
    }
}

impl fmt::Debug for SecretText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(hidden)")
    }
}

impl Serialize for SecretText {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self)
    }
}

impl<'de> Deserialize<'de> for SecretText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(Self::from)
    }
}

/// Zeroes every text in settings that were not handed on.
pub fn wipe(settings: &mut serde_json::Value) {
    match settings {
        serde_json::Value::String(text) => text.zeroize(),
        serde_json::Value::Array(items) => items.iter_mut().for_each(wipe),
        serde_json::Value::Object(map) => map.values_mut().for_each(wipe),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_text_and_shows_nothing() {
        let text: SecretText = serde_json::from_value(serde_json::json!("hunter2")).expect("reads");
        assert_eq!((&*text, format!("{text:?}")), ("hunter2", "(hidden)".to_owned()));
        assert_eq!(serde_json::to_value(&text).expect("writes"), serde_json::json!("hunter2"));
        let mut settings = serde_json::json!({"a": ["hunter2", {"b": "hunter2"}], "c": 1});
        wipe(&mut settings);
        assert_eq!(settings, serde_json::json!({"a": ["", {"b": ""}], "c": 1}));
    }

    /// The memory is taken over, not copied.
    #[test]
    fn reading_leaves_no_copy() {
        let text = "hunter2".repeat(9);
        let at = text.as_ptr();
        let read: SecretText = serde_json::from_value(serde_json::Value::String(text)).expect("reads");
        assert_eq!(read.as_ptr(), at);
    }
}
