//! One folder a backend.

pub mod embedded;
pub mod none;
pub mod postgres;
