//! What is true of the embedded backend only: damaged files, a full disk, two owners, version stamps.

use libtest_mimic::Trial;

/// The tests of this file.
pub fn trials() -> Vec<Trial> {
    Vec::new()
}
