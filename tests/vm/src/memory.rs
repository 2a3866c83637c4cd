// SPDX-License-Identifier: GPL-2.0

//! Buffers for calls, wherever a program wants them to be.

use crate::sys::{Cliff, PAGE};
use model::call::Memory;
use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::sys::mman::{MapFlags, ProtFlags, mmap};
use std::num::NonZeroUsize;

/// The largest buffer.
const MOST: usize = 2 * PAGE;
/// What is in a buffer before something is put there.
const UNTOUCHED: u8 = 0xa5;
/// In the kernel.
const KERNEL: usize = 0xffff_8880_0000_0000;

/// A place for one buffer.
pub struct Place {
    cliff: Cliff,
    /// The same memory twice: once to be filled, once to be read only.
    filled: *mut u8,
    read_only: *const u8,
}

impl Place {
    pub fn new() -> Self {
        let file = memfd_create(c"place", MFdFlags::MFD_CLOEXEC).expect("memfd_create");
        nix::unistd::ftruncate(&file, MOST as i64).expect("ftruncate");
        let view = |protection| {
            let bytes = NonZeroUsize::new(MOST).expect("some bytes");
            // SAFETY: A new mapping touches nothing that is there.
            let start = unsafe { mmap(None, bytes, protection, MapFlags::MAP_SHARED, &file, 0) };
            start.expect("mmap").as_ptr().cast()
        };
        Self {
            cliff: Cliff::new(MOST, ProtFlags::PROT_NONE),
            filled: view(ProtFlags::PROT_READ | ProtFlags::PROT_WRITE),
            read_only: view(ProtFlags::PROT_READ),
        }
    }

    /// The address of a buffer that has these bytes, as far as it can have any.
    pub fn with(&mut self, bytes: &[u8], memory: Memory) -> usize {
        assert!(bytes.len() <= MOST, "a buffer of {} bytes", bytes.len());
        let room = memory.readable().min(bytes.len());
        match memory {
            Memory::Good | Memory::Cut(_) => {
                self.cliff.bytes(room).copy_from_slice(&bytes[..room]);
                self.cliff.before(room) as usize
            }
            Memory::ReadOnly => {
                // SAFETY: The mapping is as large, and used here only.
                unsafe { std::ptr::copy_nonoverlapping(bytes.as_ptr(), self.filled, room) };
                self.read_only as usize
            }
            Memory::Null => 0,
            Memory::Kernel => KERNEL,
        }
    }

    /// The address of a buffer of so many bytes, in which nothing is.
    pub fn empty(&mut self, size: usize, memory: Memory) -> usize {
        self.with(&vec![UNTOUCHED; size], memory)
    }

    /// What is now in a buffer of `size` bytes.
    pub fn content(&mut self, size: usize, memory: Memory) -> Vec<u8> {
        let room = memory.writable().min(size);
        self.cliff.bytes(room).to_vec()
    }
}

/// What was put to the beginning of a buffer: `size` bytes, or, if there is something behind them
/// as well, everything.
pub fn put_there(mut content: Vec<u8>, size: usize) -> Vec<u8> {
    let rest = content.get(size..).unwrap_or_default();
    if rest.iter().all(|&byte| byte == UNTOUCHED) {
        content.truncate(size);
    }
    content
}
