// SPDX-License-Identifier: GPL-2.0

//! User memory, where it must not fault.
//!
//! C header: [`include/linux/uaccess.h`](srctree/include/linux/uaccess.h)

use kernel::{
    bindings,
    prelude::*, //
};

/// Copies `data` to user memory without handling page faults.
///
/// For use where a page fault must not be waited for: under locks that other users' calls need.
/// Callable in any context. [`EFAULT`]: the memory is not there, or not there right now, and a
/// part of it may have been written; an ordinary copy, outside of the lock, tells which and brings
/// it in.
pub(crate) fn write_nofault(to: UserPtr, data: &[u8]) -> Result {
    // SAFETY: `data` is valid for reads of its length. The function checks that `to` is user
    // memory and handles faults on it itself.
    let ret = unsafe {
        bindings::copy_to_user_nofault(to.as_mut_ptr(), data.as_ptr().cast(), data.len())
    };
    if ret == 0 {
        Ok(())
    } else {
        Err(EFAULT)
    }
}
