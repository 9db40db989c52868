//! The `hallmonitor` command.

fn main() {}
