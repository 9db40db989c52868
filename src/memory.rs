//! How much freed memory the allocator keeps for itself.

/// Bytes at the top of the heap that are worth giving back, and from which a block of memory is one of its own.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
const WORTH: i32 = 128 * 1024;

/// Makes the allocator give freed memory back to the system. To be called first thing in `main`.
///
/// glibc raises both of its thresholds with each large block that is freed (`mallopt(3)`, "dynamic mmap threshold"):
/// after reading a file with thousands of monitors it would keep megabytes for a use that never comes. Setting them
/// once, to what they are at the start, ends that. Elsewhere nothing is done.
pub fn give_back_what_is_freed() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    #[allow(unsafe_code, reason = "mallopt has no safe wrapper")]
    // SAFETY: `mallopt` takes two numbers and changes settings under the allocator's own lock; it touches no memory of
    // ours and may be called at any time by any thread. Both parameters are documented and both values within bounds
    // (at most 32 MiB); a value that is refused is left as it was and the call gives 0.
    unsafe {
        libc::mallopt(libc::M_TRIM_THRESHOLD, WORTH);
        libc::mallopt(libc::M_MMAP_THRESHOLD, WORTH);
    }
}

/// Gives back what is free now, also between blocks that are in use. Takes some milliseconds: for moments after which
/// nothing as large will be needed for long.
pub fn give_back_now() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    #[allow(unsafe_code, reason = "malloc_trim has no safe wrapper")]
    // SAFETY: `malloc_trim(3)` takes a number and works under the allocator's own locks; it returns whole free pages to
    // the system and touches no block that is in use. Any thread may call it at any time.
    unsafe {
        libc::malloc_trim(0);
    }
}
