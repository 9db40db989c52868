//! One folder a kind.

pub mod dns;
pub mod http;
pub mod ping;
pub mod tcp;
