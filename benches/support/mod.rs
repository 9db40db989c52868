//! What the benches share: the neutral target, the bare loop, readings of a process, a written past, and how a figure is told.

pub mod bare;
pub mod figure;
pub mod past;
pub mod process;
pub mod target;

use rustix::time::{ClockId, clock_gettime};

/// The machine's monotonic clock in microseconds: the same in every process.
pub fn now_us() -> u64 {
    let time = clock_gettime(ClockId::Monotonic);
    u64::try_from(time.tv_sec * 1_000_000 + time.tv_nsec / 1_000).unwrap_or(0)
}

/// The value after `--name`, or the default.
pub fn argument<T: std::str::FromStr>(name: &str, default: T) -> T {
    let args: Vec<String> = std::env::args().collect();
    args.iter().position(|arg| arg == name).and_then(|at| args.get(at + 1)?.parse().ok()).unwrap_or(default)
}

/// The value at `q` of the way from smallest to largest.
pub fn quantile(sorted: &[u64], q: f64) -> u64 {
    if sorted.is_empty() { 0 } else { sorted[((sorted.len() - 1) as f64 * q).round() as usize] }
}
