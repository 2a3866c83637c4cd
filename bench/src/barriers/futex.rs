// SPDX-License-Identifier: GPL-2.0

//! A futex broadcast: all sleep on one word (`FUTEX_WAIT_PRIVATE`), which is changed, and all are
//! woken (`FUTEX_WAKE_PRIVATE`). The least that user space can do.

use super::Barrier;
use anyhow::Result;
use nix::errno::Errno;
use std::ptr::null;
use std::sync::atomic::{AtomicU32, Ordering};

/// The word; 1: awake.
pub struct Futex(AtomicU32);

impl Futex {
    fn call(&self, operation: i32, value: u32) -> nix::Result<()> {
        let operation = operation | libc::FUTEX_PRIVATE_FLAG;
        // SAFETY: The word is ours, and there is no timeout.
        let result = unsafe {
            libc::syscall(
                libc::SYS_futex,
                self.0.as_ptr(),
                operation,
                value,
                null::<libc::timespec>(),
            )
        };
        Errno::result(result).map(drop)
    }
}

impl Barrier for Futex {
    const NAME: &'static str = "futex broadcast";

    fn new(_: usize) -> Result<Self> {
        Ok(Self(AtomicU32::new(0)))
    }

    fn sleep(&self) -> nix::Result<()> {
        while self.0.load(Ordering::Acquire) == 0 {
            match self.call(libc::FUTEX_WAIT, 0) {
                Ok(()) | Err(Errno::EAGAIN | Errno::EINTR) => {}
                Err(errno) => return Err(errno),
            }
        }
        Ok(())
    }

    fn awake(&self) -> nix::Result<()> {
        self.0.store(1, Ordering::Release);
        self.call(libc::FUTEX_WAKE, i32::MAX as u32)
    }
}
