// SPDX-License-Identifier: GPL-2.0

//! The kernel's xxHash.
//!
//! C header: [`include/linux/xxhash.h`](srctree/include/linux/xxhash.h)

use kernel::prelude::*;

mod c {
    use super::*;

    extern "C" {
        // Exported by the kernel; the kernel crate's bindings do not include the header.
        pub(super) fn xxh64(input: *const c_void, length: usize, seed: u64) -> u64;
    }
}

/// The 64-bit xxHash of `bytes`. Callable in any context; touches `bytes` alone.
pub(crate) fn xxh64(bytes: &[u8], seed: u64) -> u64 {
    // SAFETY: `bytes` is valid for reads of its length, and the function does nothing but read it.
    unsafe { c::xxh64(bytes.as_ptr().cast(), bytes.len(), seed) }
}
