//! A chunk: the rollups of one monitor and tier over a day (over 32 days for the day tier), packed together.

use serde::{Deserialize, Serialize};

use super::frame::{FrameError, Head, Kind, Packer};
use crate::model::{Latency, MonitorId, Rollup, Tier, UnixMicros};

/// A rollup without what its chunk's key says. The order of the fields is the format.
#[derive(Debug, Serialize, Deserialize)]
struct Cells {
    start: UnixMicros,
    checks: u64,
    up: u64,
    degraded: u64,
    down: u64,
    inconclusive: u64,
    up_us: u64,
    degraded_us: u64,
    down_us: u64,
    latency: Latency,
}

/// Makes a frame of rollups of one chunk, oldest first.
pub(super) fn encode(packer: &mut Packer, rollups: &[Rollup]) -> std::io::Result<Vec<u8>> {
    let cells: Vec<Cells> = rollups.iter().map(cells).collect();
    let body = postcard::to_stdvec(&cells).map_err(std::io::Error::other)?;
    let time = |rollup: Option<&Rollup>| rollup.map_or(0, |rollup| rollup.start.micros().unsigned_abs());
    let count = u16::try_from(rollups.len()).map_err(std::io::Error::other)?;
    packer.seal(Kind::Rollups, Head { count, first: time(rollups.first()), last: time(rollups.last()) }, &body)
}

fn cells(rollup: &Rollup) -> Cells {
    Cells {
        start: rollup.start,
        checks: rollup.checks,
        up: rollup.up,
        degraded: rollup.degraded,
        down: rollup.down,
        inconclusive: rollup.inconclusive,
        up_us: rollup.up_us,
        degraded_us: rollup.degraded_us,
        down_us: rollup.down_us,
        latency: rollup.latency.clone(),
    }
}

/// Reads a chunk: its rollups, oldest first.
pub(super) fn decode(
    packer: &mut Packer,
    monitor: MonitorId,
    tier: Tier,
    frame: &[u8],
) -> Result<Vec<Rollup>, FrameError> {
    let (head, body) = packer.open(Kind::Rollups, frame)?;
    let cells: Vec<Cells> =
        postcard::from_bytes(&body).map_err(|_| FrameError::Damaged("its rollups cannot be read"))?;
    if cells.len() != usize::from(head.count) {
        return Err(FrameError::Damaged("it has another number of rollups than it claims"));
    }
    let rollup = |cells: Cells| Rollup {
        monitor,
        tier,
        start: cells.start,
        checks: cells.checks,
        up: cells.up,
        degraded: cells.degraded,
        down: cells.down,
        inconclusive: cells.inconclusive,
        up_us: cells.up_us,
        degraded_us: cells.degraded_us,
        down_us: cells.down_us,
        latency: cells.latency,
    };
    Ok(cells.into_iter().map(rollup).collect())
}
