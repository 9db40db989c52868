//! Hall Monitor's core: it watches hosts and services, keeps what it saw, and knows nothing of windows.
//!
//! `model` is the plain data everything speaks. `probe` checks targets, `schedule` says when, `record` draws
//! conclusions, `journal` makes them durable, `storage` keeps them, `deliver` stands above both and answers reads.
//! `discover` finds what a first run could watch. `config` reads and edits the file, `app` wires all of it together,
//! `control` and `cli` are the doors.

pub mod alert;
pub mod app;
pub mod cli;
pub mod clock;
pub mod config;
pub mod control;
pub mod deliver;
pub mod discover;
pub mod event;
pub mod hardening;
pub mod journal;
pub mod memory;
pub mod model;
pub mod probe;
pub mod record;
pub mod schedule;
pub mod screen;
pub mod secret;
pub mod storage;
pub mod telemetry;
