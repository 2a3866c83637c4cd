// SPDX-License-Identifier: GPL-2.0

//! System calls in the manner of 32-bit programs, which any 64-bit program can make as well.

use super::vectors::fill;
use super::{Worker, process};
use crate::op::Op;
use crate::program::Call;
use crate::{memory, values};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

/// Where a vector for these calls is, below 4 GB: at the end of the ordinary region, a piece for
/// each thread.
const VECTORS: usize = 0x2000_0000 + (1 << 20) - 4 * VECTOR_SIZE;
const VECTOR_SIZE: usize = 0x2100;

const READ: u32 = 3;
const WRITE: u32 = 4;
const GETPID: u32 = 20;
const IOCTL: u32 = 54;
const READV: u32 = 145;
const WRITEV: u32 = 146;

static IS_THERE: AtomicBool = AtomicBool::new(false);

/// Finds out whether this kernel has these calls, in a process of its own: where it has not, the
/// process is killed by trying.
pub fn is_there() -> bool {
    let is_there = process::goes_well(|| call32(GETPID, 0, 0, 0) > 0);
    IS_THERE.store(is_there, Relaxed);
    is_there
}

/// Makes the call `number` of the 32-bit table.
fn call32(number: u32, a: u32, b: u32, c: u32) -> i64 {
    let returned: i32;
    // SAFETY: The kernel writes to none but the regions of `memory`, which are below 4 GB. The
    // register that the compiler keeps for itself is put back.
    unsafe {
        std::arch::asm!(
            "xchg rbx, {first:r}",
            "int 0x80",
            "xchg rbx, {first:r}",
            first = inout(reg) u64::from(a) => _,
            inout("eax") number as i32 => returned,
            in("ecx") b,
            in("edx") c,
            out("r8") _, out("r9") _, out("r10") _, out("r11") _,
        );
    }
    returned.into()
}

impl Worker<'_> {
    pub fn call_compat(&self, c: Call) -> i64 {
        if !IS_THERE.load(Relaxed) {
            return -i64::from(libc::ENOSYS);
        }
        let file = self.file(c.file.into()) as u32;
        let size = c.bytes();
        let at = memory::address(c.memory, size) as u32;
        match c.op {
            Op::Write32 => call32(WRITE, file, at, size as u32),
            Op::Read32 => call32(READ, file, at, size as u32),
            Op::Ioctl32 => {
                let command = values::command(c.choice, c.value) as u32;
                call32(IOCTL, file, command, self.argument(c) as u32)
            }
            _ => {
                let count = values::vector_count(c.value) as u32;
                let number = if c.op == Op::Writev32 { WRITEV } else { READV };
                call32(number, file, vector(c), count)
            }
        }
    }
}

/// Puts the call's buffers to where a 32-bit call can name them.
fn vector(c: Call) -> u32 {
    let at = VECTORS + usize::from(c.thread) * VECTOR_SIZE;
    let mut buffers = [[0u32; 2]; 1026];
    let count = fill(c, &mut buffers);
    // SAFETY: This piece of the ordinary region is this thread's; nothing but messages' contents,
    // and this, is ever there.
    unsafe { std::ptr::copy_nonoverlapping(buffers.as_ptr(), at as *mut [u32; 2], count) };
    at as u32
}
