// SPDX-License-Identifier: GPL-2.0

//! KCOV: which places of the kernel's code a task has come by.
//!
//! See Documentation/dev-tools/kcov.rst. A task is traced in its system calls only: what runs in
//! interrupts (the timer of delayed messages) and in kernel threads is not.

use std::io;
use std::os::fd::RawFd;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// How many places fit into a buffer; what comes after them is lost.
const PLACES: usize = 1 << 15;

const KCOV_INIT_TRACE: libc::c_ulong = 0x8008_6301;
const KCOV_ENABLE: libc::c_ulong = 0x6364;
const KCOV_DISABLE: libc::c_ulong = 0x6365;
const KCOV_TRACE_PC: usize = 0;

/// A buffer, which one task at a time can have traced into. Children have it too.
#[derive(Clone, Copy)]
pub struct Buffer {
    fd: RawFd,
    words: &'static [AtomicU64],
}

impl Buffer {
    /// An error: the kernel has no KCOV, or this is not root, or debugfs is not mounted.
    pub fn new() -> io::Result<Self> {
        // SAFETY: The path is a C string; the other calls take numbers. The mapping is new, is
        // zeroed, and stays to the end of the process.
        unsafe {
            let fd = libc::open(
                c"/sys/kernel/debug/kcov".as_ptr(),
                libc::O_RDWR | libc::O_CLOEXEC,
            );
            if fd < 0 || libc::ioctl(fd, KCOV_INIT_TRACE, PLACES) < 0 {
                return Err(io::Error::last_os_error());
            }
            let protection = libc::PROT_READ | libc::PROT_WRITE;
            let start = libc::mmap(
                std::ptr::null_mut(),
                PLACES * 8,
                protection,
                libc::MAP_SHARED,
                fd,
                0,
            );
            if start == libc::MAP_FAILED {
                return Err(io::Error::last_os_error());
            }
            let words = std::slice::from_raw_parts(start.cast(), PLACES);
            Ok(Self { fd, words })
        }
    }

    /// Begins to trace this task, until it ends. An error: it, or another one, is being traced.
    pub fn enable(&self) -> io::Result<()> {
        self.words[0].store(0, Relaxed);
        // SAFETY: The command takes a number.
        match unsafe { libc::ioctl(self.fd, KCOV_ENABLE, KCOV_TRACE_PC) } {
            0 => Ok(()),
            _ => Err(io::Error::last_os_error()),
        }
    }

    /// Stops tracing this task.
    pub fn disable(&self) {
        // SAFETY: The command takes no argument.
        unsafe { libc::ioctl(self.fd, KCOV_DISABLE, 0) };
    }

    /// Takes out what was traced, in order: the addresses behind the calls of the tracer.
    pub fn take(&self) -> impl Iterator<Item = u64> + '_ {
        let count = self.words[0].swap(0, Relaxed) as usize;
        let places = self.words[1..].iter().take(count);
        places.map(|word| word.load(Relaxed))
    }
}
