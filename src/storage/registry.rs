//! The backends there are. One line each: it declares the variant of [`BackendConfig`], the dispatch, the entries in
//! [`BACKENDS`] and [`OFFERS`] and the row of the conformance matrix.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{Backend, BackendEnv, BackendId, HearSteps, Offer, ResultStore, Step, StoreError};
use crate::model::{FieldError, FieldSpec};

macro_rules! backends {
    ($($module:ident :: $config:ident),+ $(,)?) => {
        /// The settings of a backend of any kind.
        #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
        #[serde(untagged)]
        #[allow(clippy::large_enum_variant, reason = "there is one of it")]
        pub enum BackendConfig {
            $(#[doc = concat!("Settings of backend `", stringify!($module), "`.")] $config(super::backends::$module::$config)),+
        }

        /// Every backend: its word and its settings.
        pub const BACKENDS: &[(BackendId, &[FieldSpec])] = &[
            $((super::backends::$module::$config::ID, super::backends::$module::$config::FIELDS)),+
        ];

        /// Every backend as a person chooses it, in the order of [`BACKENDS`].
        pub const OFFERS: &[Offer] = &[
            $(Offer {
                id: super::backends::$module::$config::ID,
                face: super::backends::$module::$config::FACE,
                fields: super::backends::$module::$config::FIELDS,
                is_shared: super::backends::$module::$config::SHARED,
                keeps_history: super::backends::$module::$config::KEEPS_HISTORY,
                take_apart: super::backends::$module::$config::take_apart,
            }),+
        ];

        impl BackendConfig {
            /// Reads the settings of a backend from an object with the keys of its fields.
            ///
            /// # Errors
            /// A value of another type than its field, or an unknown backend.
            pub fn from_object(backend: &str, object: serde_json::Value) -> Result<Self, serde_json::Error> {
                $(if backend == super::backends::$module::$config::ID {
                    return serde_json::from_value(object).map(Self::$config);
                })+
                Err(serde::de::Error::custom(format!("unknown backend `{backend}`")))
            }

            /// See [`Backend::test_instance`].
            #[cfg(any(test, feature = "testing"))]
            pub async fn test_instance(backend: &str, env: &BackendEnv) -> Option<Self> {
                $(if backend == super::backends::$module::$config::ID {
                    return super::backends::$module::$config::test_instance(env).await.map(Self::$config);
                })+
                None
            }

            /// The word in the file.
            #[must_use]
            pub fn id(&self) -> BackendId {
                match self { $(Self::$config(_) => super::backends::$module::$config::ID),+ }
            }

            /// See [`Backend::SHARED`].
            #[must_use]
            pub fn is_shared(&self) -> bool {
                match self { $(Self::$config(_) => super::backends::$module::$config::SHARED),+ }
            }

            /// See [`Backend::validate`].
            ///
            /// # Errors
            /// Every fault.
            pub fn validate(&self) -> Result<(), Vec<FieldError>> {
                match self { $(Self::$config(config) => config.validate()),+ }
            }

            /// See [`Backend::contact`].
            #[must_use]
            pub fn contact(&self) -> String {
                match self { $(Self::$config(config) => config.contact()),+ }
            }

            /// See [`Backend::folder`].
            #[must_use]
            pub fn folder(&self, env: &BackendEnv) -> Option<std::path::PathBuf> {
                match self { $(Self::$config(config) => config.folder(env)),+ }
            }

            /// See [`Backend::open`].
            ///
            /// # Errors
            /// Whatever the backend gives.
            pub async fn open(&self, env: &BackendEnv) -> Result<Arc<dyn ResultStore>, StoreError> {
                match self { $(Self::$config(config) => config.open(env).await),+ }
            }

            /// See [`Backend::migrate`].
            ///
            /// # Errors
            /// Whatever the backend gives.
            pub async fn migrate(&self, env: &BackendEnv) -> Result<String, StoreError> {
                match self { $(Self::$config(config) => config.migrate(env).await),+ }
            }

            /// See [`Backend::diagnose`].
            pub async fn diagnose(&self, env: &BackendEnv) -> Vec<Step> {
                match self { $(Self::$config(config) => config.diagnose(env).await),+ }
            }

            /// See [`Backend::look`].
            pub async fn look(&self, env: &BackendEnv, tell: &dyn HearSteps) -> Vec<Step> {
                match self { $(Self::$config(config) => config.look(env, tell).await),+ }
            }
        }
    };
}

// In the order in which people see them.
backends! {
    embedded::Embedded,
    postgres::Postgres,
    influxdb::InfluxDb,
    none::Nothing,
}
