//! What network probes share: names to addresses, addresses to connections, connections to TLS, and telling our own
//! faults from the target's. Every way to fail ends as a typed [`Fault`]; no text is searched anywhere, and a fault
//! of this machine is never blamed on the target.
//!
//! - [`host`]: a host as it is written in a setting
//! - [`lookup`]: names resolved as the rest of the machine does
//! - `evidence`: whether a look-up that failed is the resolver's fault or the name's
//! - [`connect`]: TCP connections, several addresses in a race
//! - [`target`]: a target that is one host
//! - [`tls`]: TLS handshakes that tell about the certificate even when they fail
//! - [`certificate`]: what is told about a certificate
//! - `dates`: what time it is for certificates when this machine's clock was set
//! - [`fault`]: errors of the system as failures

pub mod certificate;
pub mod connect;
mod dates;
mod evidence;
pub mod fault;
pub mod host;
pub mod lookup;
pub mod target;
pub mod tls;

pub use certificate::Certificate;
pub use connect::connect;
pub use fault::Fault;
pub use host::Host;
pub use lookup::{Lookup, ResolveError, Resolver};
pub use target::{one_host, time_is_left};
pub use tls::{Leaf, Tls};

/// Microseconds as a phase holds them, at most 71 minutes.
#[must_use]
pub fn phase_us(us: u64) -> u32 {
    u32::try_from(us).unwrap_or(u32::MAX)
}
