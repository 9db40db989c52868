//! Plain data that every other module speaks: no I/O, no async, no clock.

mod chain;
mod cover;
mod fact;
mod field;
mod gap;
mod ids;
mod incident;
mod monitor;
mod result;
mod rollup;
mod row;
mod sketch;
mod text;
mod time;
mod verdict;

pub use chain::error_chain;
pub use cover::{Coverage, Evidence, Seen, Times, rollup_of};
pub use fact::{Fact, FactKey, FactUnit, FactValue, Facts};
pub use field::{FieldError, FieldKind, FieldSpec};
pub use gap::{Gap, GapReason};
pub use ids::{IncidentId, InstanceId, MonitorId, StoreId};
pub use incident::{Acknowledgement, Incident, IncidentEnd};
pub use monitor::{KnownMonitor, Monitor, Thresholds};
pub use result::{CheckResult, Phases};
pub use rollup::{Latency, Rollup, Tier};
pub use row::Row;
pub use sketch::Sketch;
pub use text::{MESSAGE_LIMIT, clean_text};
pub use time::{Span, UnixMicros};
pub use verdict::{Failure, ParseNameError, State, Verdict};
