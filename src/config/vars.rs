//! The environment variables that a configuration may see.

use std::collections::BTreeMap;
use std::fmt;

/// Environment variables, by name. Given from outside, so that nothing below reads the environment by itself.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Vars(BTreeMap<String, String>);

impl Vars {
    /// Those of this process; one whose name or value is no Unicode text is left out.
    #[must_use]
    pub fn from_system() -> Self {
        std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .collect()
    }

    /// The value of a variable.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// All names, sorted.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }
}

impl<N: Into<String>, V: Into<String>> FromIterator<(N, V)> for Vars {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(pairs: I) -> Self {
        Self(pairs.into_iter().map(|(name, value)| (name.into(), value.into())).collect())
    }
}

impl fmt::Debug for Vars {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Names only: values may be passwords.
        f.debug_set().entries(self.0.keys()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_not_shown() {
        let vars: Vars = [("TOKEN", "hunter2")].into_iter().collect();
        assert_eq!(format!("{vars:?}"), r#"{"TOKEN"}"#);
        assert_eq!(vars.get("TOKEN"), Some("hunter2"));
    }

    #[test]
    fn the_system_has_some() {
        assert!(Vars::from_system().get("PATH").is_some());
    }
}
