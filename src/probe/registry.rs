//! The kinds there are. One line each: it declares the folder's module, the variant of [`KindConfig`], the dispatch
//! and the entry in [`KINDS`].

use serde::{Deserialize, Serialize};

use super::{MonitorKind, Probe, ProbeEnv};
use crate::model::{FieldError, FieldSpec};

macro_rules! kinds {
    ($($module:ident :: $config:ident),+ $(,)?) => {
        /// The settings of a monitor of any kind.
        #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
        #[serde(untagged)]
        pub enum KindConfig {
            $(#[doc = concat!("Settings of kind `", stringify!($module), "`.")] $config(super::kinds::$module::$config)),+
        }

        /// Every kind: its word and its settings.
        pub const KINDS: &[(&str, &[FieldSpec])] = &[
            $((super::kinds::$module::$config::ID, super::kinds::$module::$config::FIELDS)),+
        ];

        impl KindConfig {
            /// Reads the settings of a kind from an object with the keys of its fields.
            ///
            /// # Errors
            /// A value of another type than its field, or an unknown kind.
            pub fn from_object(kind: &str, object: serde_json::Value) -> Result<Self, serde_json::Error> {
                $(if kind == super::kinds::$module::$config::ID {
                    return serde_json::from_value(object).map(Self::$config);
                })+
                Err(serde::de::Error::custom(format!("unknown kind `{kind}`")))
            }

            /// The word in the file.
            #[must_use]
            pub fn id(&self) -> &'static str {
                match self { $(Self::$config(_) => super::kinds::$module::$config::ID),+ }
            }

            /// See [`MonitorKind::validate`].
            ///
            /// # Errors
            /// Every fault.
            pub fn validate(&self) -> Result<(), Vec<FieldError>> {
                match self { $(Self::$config(config) => config.validate()),+ }
            }

            /// See [`MonitorKind::target`].
            #[must_use]
            pub fn target(&self) -> String {
                match self { $(Self::$config(config) => config.target()),+ }
            }

            /// See [`MonitorKind::probe`].
            #[must_use]
            pub fn probe(&self, env: &ProbeEnv) -> Box<dyn Probe> {
                match self { $(Self::$config(config) => config.probe(env)),+ }
            }
        }
    };
}

kinds! {
    ping::Ping,
    http::Http,
    tcp::Tcp,
    dns::Dns,
}
