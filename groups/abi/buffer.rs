// SPDX-License-Identifier: GPL-2.0

//! The buffers of callers: one of user memory, or many of any kind.
//!
//! C headers: [`include/linux/uaccess.h`](srctree/include/linux/uaccess.h),
//! [`include/linux/uio.h`](srctree/include/linux/uio.h)

use core::{
    mem::MaybeUninit,
    slice, //
};
use kernel::{
    bindings,
    iov::{
        IovIterDest,
        IovIterSource, //
    },
    prelude::*, //
};

/// What becomes of a page that is not there when it is copied from or to.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Faults {
    /// It is brought in. Process context; sleeps, for as long as its owner likes.
    Handled,
    /// The copy fails. Any context, also under a spinlock.
    Refused,
}

/// How often a caller's memory is brought in before a call gives up on memory that keeps going away.
pub(crate) const ATTEMPTS: usize = 16;

/// Where a message comes from.
///
/// # Safety
///
/// What [`Source::copy_to`] returns is all of its `to`.
pub(crate) unsafe trait Source {
    /// How many bytes there are.
    fn len(&self) -> usize;

    /// Fills `to` with the first bytes there are, and returns it.
    ///
    /// [`EFAULT`]: not all of them can be read, and the source is where it was.
    fn copy_to<'a>(&mut self, to: &'a mut [MaybeUninit<u8>], faults: Faults) -> Result<&'a [u8]>;
}

/// Where a message goes to.
pub(crate) trait Sink {
    /// How many bytes it has room for.
    fn len(&self) -> usize;

    /// Copies all of `from`, of which there are no more bytes than there is room for.
    ///
    /// [`EFAULT`]: not all of them can be written, some may have been, and the sink is where it
    /// was.
    fn copy_from(&mut self, from: &[u8], faults: Faults) -> Result;

    /// Brings the pages of the first `len` bytes in, so that a copy with [`Faults::Refused`] may
    /// succeed. Process context; sleeps. [`EFAULT`]: they cannot be had.
    fn fault_in(&mut self, len: usize) -> Result;
}

/// While it lives, page faults of this thread are refused.
///
/// # Invariants
///
/// `task` is this thread, which has counted this in its `pagefault_disabled`.
struct PageFaultsOff {
    task: *mut bindings::task_struct,
}

impl PageFaultsOff {
    /// What C's `pagefault_disable()` does, which is not to be had here.
    #[inline(always)]
    fn new() -> Self {
        // SAFETY: There always is a current thread.
        let task = unsafe { bindings::get_current() };
        // INVARIANT: It is counted here.
        // SAFETY: The count is changed by its thread alone.
        unsafe { (*task).pagefault_disabled = (*task).pagefault_disabled.wrapping_add(1) };
        Self { task }
    }
}

impl Drop for PageFaultsOff {
    #[inline(always)]
    fn drop(&mut self) {
        // SAFETY: By the type invariant this is still the current thread, whose count is changed
        // by itself alone.
        unsafe {
            (*self.task).pagefault_disabled = (*self.task).pagefault_disabled.wrapping_sub(1);
        }
    }
}

/// Does `copy` as `faults` says. Whatever it calls is not known to the compiler, so that it stays
/// between the two changes of the count.
#[inline(always)]
fn copying<R>(faults: Faults, copy: impl FnOnce() -> R) -> R {
    let _off = (faults == Faults::Refused).then(PageFaultsOff::new);
    copy()
}

/// One buffer of user memory.
///
/// Nothing is known of the memory: what cannot be copied, is found out when it is.
pub(crate) struct UserBuffer {
    at: UserPtr,
    len: usize,
}

impl UserBuffer {
    /// The buffer of `len` bytes at `at`.
    #[inline(always)]
    pub(crate) fn new(at: UserPtr, len: usize) -> Self {
        Self { at, len }
    }
}

// SAFETY: It returns what it has filled, which is all or nothing.
unsafe impl Source for UserBuffer {
    #[inline(always)]
    fn len(&self) -> usize {
        self.len
    }

    #[inline(always)]
    fn copy_to<'a>(&mut self, to: &'a mut [MaybeUninit<u8>], faults: Faults) -> Result<&'a [u8]> {
        let (place, len) = (to.as_mut_ptr(), to.len());
        // This function rather than `copy_from_user()`, which looks whether the kernel's side of the
        // copy is within an object: a slice is.
        // SAFETY: `place` is valid for writes of `len` bytes. The function checks that the other
        // side is user memory, and handles faults on it.
        let left = copying(faults, || unsafe {
            bindings::_copy_from_user(place.cast(), self.at.as_const_ptr(), len as c_ulong)
        });
        if left != 0 {
            return Err(EFAULT);
        }
        // SAFETY: All of it has been written.
        Ok(unsafe { slice::from_raw_parts(place.cast(), len) })
    }
}

impl Sink for UserBuffer {
    #[inline(always)]
    fn len(&self) -> usize {
        self.len
    }

    #[inline(always)]
    fn copy_from(&mut self, from: &[u8], faults: Faults) -> Result {
        // As above.
        // SAFETY: `from` is valid for reads of its length. The function checks that the other side
        // is user memory, and handles faults on it.
        let left = copying(faults, || unsafe {
            bindings::_copy_to_user(
                self.at.as_mut_ptr(),
                from.as_ptr().cast(),
                from.len() as c_ulong,
            )
        });
        if left != 0 {
            return Err(EFAULT);
        }
        Ok(())
    }

    fn fault_in(&mut self, len: usize) -> Result {
        // This one leaves what is in the memory as it is.
        // SAFETY: The function checks that this is user memory.
        let left = unsafe { bindings::fault_in_safe_writeable(self.at.as_const_ptr().cast(), len) };
        if left != 0 {
            return Err(EFAULT);
        }
        Ok(())
    }
}

// SAFETY: It returns what has been filled, if that is all of it.
unsafe impl Source for IovIterSource<'_> {
    fn len(&self) -> usize {
        IovIterSource::len(self)
    }

    fn copy_to<'a>(&mut self, to: &'a mut [MaybeUninit<u8>], faults: Faults) -> Result<&'a [u8]> {
        let (place, len) = (to.as_ptr(), to.len());
        let count = copying(faults, || self.copy_from_iter_raw(to).len());
        if count != len {
            // SAFETY: So much was taken just now.
            unsafe { self.revert(count) };
            return Err(EFAULT);
        }
        // SAFETY: All of it has been written.
        Ok(unsafe { slice::from_raw_parts(place.cast(), len) })
    }
}

impl Sink for IovIterDest<'_> {
    fn len(&self) -> usize {
        IovIterDest::len(self)
    }

    fn copy_from(&mut self, from: &[u8], faults: Faults) -> Result {
        let count = copying(faults, || self.copy_to_iter(from));
        if count == from.len() {
            return Ok(());
        }
        // SAFETY: So much was used up just now.
        unsafe { self.revert(count) };
        Err(EFAULT)
    }

    fn fault_in(&mut self, len: usize) -> Result {
        // SAFETY: The iterator is valid, and not changed.
        if unsafe { bindings::fault_in_iov_iter_writeable(self.as_raw(), len) } != 0 {
            return Err(EFAULT);
        }
        Ok(())
    }
}
