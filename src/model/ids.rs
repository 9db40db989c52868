//! Ids. All are UUIDs; the newtypes keep them apart.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(Uuid);

        impl $name {
            /// Wraps a UUID.
            #[must_use]
            pub const fn new(uuid: Uuid) -> Self {
                Self(uuid)
            }

            /// The UUID inside.
            #[must_use]
            pub const fn uuid(self) -> Uuid {
                self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self.0)
            }
        }

        impl FromStr for $name {
            type Err = uuid::Error;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                Uuid::try_parse(text).map(Self)
            }
        }
    };
}

id! {
    /// One monitor, for as long as it exists; survives a change of name.
    MonitorId
}
id! {
    /// One installation of Hall Monitor.
    InstanceId
}
id! {
    /// One incident.
    IncidentId
}
id! {
    /// One store, written into its metadata at the first open.
    StoreId
}

impl MonitorId {
    /// Stands for every monitor of an instance, as in an instance-wide gap.
    pub const ALL: Self = Self(Uuid::nil());

    /// The id a monitor gets at first sight of its name: UUIDv5 (RFC 9562) in the instance's namespace, so that two
    /// machines with the same file do not collide.
    #[must_use]
    pub fn of_name(instance: InstanceId, name: &str) -> Self {
        Self(Uuid::new_v5(&instance.0, name.as_bytes()))
    }

    /// Whether this stands for every monitor.
    #[must_use]
    pub fn is_all(self) -> bool {
        self == Self::ALL
    }
}

impl IncidentId {
    /// An incident is named by its monitor and its first failure, so that a replay gives the same id.
    #[must_use]
    pub fn of(monitor: MonitorId, opened: super::UnixMicros) -> Self {
        Self(Uuid::new_v5(&monitor.0, &opened.micros().to_be_bytes()))
    }
}
