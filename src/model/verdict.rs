//! What a check says, why, and what the monitor is because of it.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// A name that is not one of the list.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("unknown {what} `{name}`")]
pub struct ParseNameError {
    /// What was looked for.
    pub what: &'static str,
    /// The name that was given.
    pub name: String,
}

/// An enum with a stable name and a stable code for each value. Codes are written to disk: never renumber.
macro_rules! named_codes {
    ($(#[$doc:meta])* $name:ident ($what:literal) { $($(#[$vdoc:meta])* $variant:ident = $code:literal $text:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, specta::Type)]
        #[serde(rename_all = "snake_case")]
        #[repr(u8)]
        pub enum $name { $($(#[$vdoc])* $variant = $code),+ }

        impl $name {
            /// Every value.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The name used in files, JSON and on the screen.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text),+ }
            }

            /// The number used in binary formats.
            #[must_use]
            pub const fn code(self) -> u8 {
                self as u8
            }

            /// The value with this number.
            #[must_use]
            pub const fn from_code(code: u8) -> Option<Self> {
                match code { $($code => Some(Self::$variant),)+ _ => None }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(self.as_str())
            }
        }

        impl FromStr for $name {
            type Err = ParseNameError;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                match text {
                    $($text => Ok(Self::$variant),)+
                    _ => Err(ParseNameError { what: $what, name: text.to_owned() }),
                }
            }
        }
    };
}
pub(super) use named_codes;

named_codes! {
    /// What one check says.
    Verdict ("verdict") {
        /// The target answered as it should.
        Up = 1 "up",
        /// The target answered, but something about it needs care; counts as success.
        Degraded = 2 "degraded",
        /// The target did not answer as it should.
        Down = 3 "down",
        /// The fault is on our side: counts neither for nor against the target.
        Inconclusive = 4 "inconclusive",
    }
}

impl Verdict {
    /// Up or degraded.
    #[must_use]
    pub fn is_good(self) -> bool {
        matches!(self, Self::Up | Self::Degraded)
    }
}

named_codes! {
    /// Why a check was not simply up.
    Failure ("failure") {
        /// No answer in time.
        Timeout = 1 "timeout",
        /// The name does not resolve, or the DNS server answered with an error.
        Dns = 2 "dns",
        /// The connection was refused, reset or unreachable beyond our own network.
        Connect = 3 "connect",
        /// The TLS handshake or the certificate failed.
        Tls = 4 "tls",
        /// The answer broke the protocol or a bound (too large, cut off, too many redirects).
        Protocol = 5 "protocol",
        /// The answer was not the expected one, or lay outside a set limit (status, loss, certificate days).
        Assertion = 6 "assertion",
        /// Ours: the system does not let us (ICMP sockets).
        Permission = 16 "permission",
        /// Ours: this machine has no route to the target.
        NoRoute = 17 "no_route",
        /// Ours: this machine's resolver does not answer, or fails for other names too.
        Resolver = 18 "resolver",
        /// Ours: descriptors, ports or memory used up.
        Resources = 19 "resources",
        /// Ours: a secret or a file that the monitor needs is not there.
        Secret = 20 "secret",
        /// Ours: a fault in Hall Monitor.
        Internal = 21 "internal",
    }
}

impl Failure {
    /// Whether the fault is on our side, so that the verdict is [`Verdict::Inconclusive`].
    #[must_use]
    pub fn is_ours(self) -> bool {
        self.code() >= Self::Permission.code()
    }
}

named_codes! {
    /// What a monitor is. Follows from verdicts by the thresholds.
    State ("state") {
        /// Answers as it should.
        Up = 1 "up",
        /// Answers, with something that needs care.
        Degraded = 2 "degraded",
        /// Confirmed down: an incident is open.
        Down = 3 "down",
        /// Not known yet: no conclusive check so far, or the monitor cannot run and says why.
        Pending = 4 "pending",
        /// Paused by a person.
        Paused = 5 "paused",
        /// In a maintenance window.
        Maintenance = 6 "maintenance",
        /// Nobody is looking: asleep, offline, or our own fault.
        Unobserved = 7 "unobserved",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_codes_and_json_agree() {
        for failure in Failure::ALL {
            assert_eq!(failure.as_str().parse::<Failure>().as_ref(), Ok(failure));
            assert_eq!(Failure::from_code(failure.code()), Some(*failure));
            assert_eq!(serde_json::to_value(failure).expect("json"), failure.as_str());
        }
        for state in State::ALL {
            assert_eq!(serde_json::to_value(state).expect("json"), state.as_str());
        }
    }

    #[test]
    fn our_own_faults_are_told_apart() {
        let ours: Vec<_> = Failure::ALL.iter().filter(|f| f.is_ours()).map(|f| f.as_str()).collect();
        assert_eq!(ours, ["permission", "no_route", "resolver", "resources", "secret", "internal"]);
    }
}
