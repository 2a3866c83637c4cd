// SPDX-License-Identifier: GPL-2.0

//! `pthread_barrier_t`, for the sleepers and for the one who awakes them by coming last.

use super::Barrier;
use anyhow::{Result, ensure};
use nix::errno::Errno;
use std::cell::UnsafeCell;
use std::mem::MaybeUninit;

/// The barrier, at an address that does not change.
pub struct PthreadBarrier(Box<UnsafeCell<libc::pthread_barrier_t>>);

// SAFETY: It is what threads share it for.
unsafe impl Sync for PthreadBarrier {}

impl PthreadBarrier {
    fn wait(&self) -> nix::Result<()> {
        // SAFETY: It is initialized, and stays where it is.
        match unsafe { libc::pthread_barrier_wait(self.0.get()) } {
            0 | libc::PTHREAD_BARRIER_SERIAL_THREAD => Ok(()),
            error => Err(Errno::from_raw(error)),
        }
    }
}

impl Barrier for PthreadBarrier {
    const NAME: &'static str = "pthread_barrier";

    fn new(sleepers: usize) -> Result<Self> {
        // SAFETY: It holds numbers alone, for which zeroes will do until it is initialized.
        let zeroes = unsafe { MaybeUninit::zeroed().assume_init() };
        let barrier = Self(Box::new(UnsafeCell::new(zeroes)));
        let count = u32::try_from(sleepers + 1)?;
        // SAFETY: It is ours, and nobody uses it yet.
        let error = unsafe { libc::pthread_barrier_init(barrier.0.get(), std::ptr::null(), count) };
        ensure!(
            error == 0,
            "pthread_barrier_init: {}",
            Errno::from_raw(error)
        );
        Ok(barrier)
    }

    fn sleep(&self) -> nix::Result<()> {
        self.wait()
    }

    fn awake(&self) -> nix::Result<()> {
        self.wait()
    }
}

impl Drop for PthreadBarrier {
    fn drop(&mut self) {
        // SAFETY: It is initialized, and nobody uses it any more.
        unsafe { libc::pthread_barrier_destroy(self.0.get()) };
    }
}
