// SPDX-License-Identifier: GPL-2.0

//! Reads of words that others may be changing, for paths that count instructions.
//!
//! The kernel crate's relaxed load calls a function in C; this is `READ_ONCE()` as C has it, one
//! instruction.

use kernel::sync::atomic::{
    Atomic,
    AtomicType, //
};

/// Words that can be read while others change them.
pub(crate) trait ReadOnce<T> {
    /// The value; some value that it had. No order with other memory. Any context.
    fn read_once(&self) -> T;
}

impl<T: AtomicType + Copy> ReadOnce<T> for Atomic<T> {
    #[inline(always)]
    fn read_once(&self) -> T {
        // SAFETY: The pointer is valid and aligned. That others may write at the same time is
        // what a volatile read of a word is for, and they write valid values of `T` alone.
        unsafe { self.as_ptr().read_volatile() }
    }
}
