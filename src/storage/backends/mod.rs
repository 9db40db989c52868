//! One folder a backend.

pub mod embedded;
pub mod influxdb;
pub mod none;
pub mod postgres;
